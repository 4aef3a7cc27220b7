//! Sources and sinks: where records come from and where they go.
//!
//! One folder per connector, each with the same parts as far as it has them: config,
//! source, sink, error, tests.
//!
//! | folder | source | sink |
//! |---|---|---|
//! | [`collection`] | [`CollectionSource`]: elements of the program | |
//! | [`datagen`] | [`DataGenSource`]: seeded records at a rate | |
//! | [`file`](mod@file) | [`FileSource`]: files, folders, globs | [`FileSink`]: rolling files |
//! | [`print`](mod@print) | | [`PrintSink`]: lines on a terminal |
//! | [`blackhole`] | | [`BlackholeSink`]: nothing |
//! | [`collect`] | | [`CollectSink`]: results for a test |
//!
//! Invariant: which subtask reads what is a function of the data and of the stored
//! positions, so that every restart and every parallelism reads each record once.

pub mod blackhole;
pub mod collect;
pub mod collection;
pub mod datagen;
pub mod delivery;
pub mod file;
pub mod print;
mod sequence;

pub use blackhole::BlackholeSink;
pub use collect::{CollectHandle, CollectSink};
pub use collection::CollectionSource;
pub use datagen::{DataGenRng, DataGenSource};
pub use delivery::DeliveryGuarantee;
pub use file::{FileSink, FileSource};
pub use print::PrintSink;
