//! Results in memory: what a test looks at.

mod sink;

pub use sink::{CollectHandle, CollectSink};
