//! The vocabulary that every other crate speaks, with no I/O.
//!
//! In the order a record meets it:
//!
//! ```text
//!  data      what a record may be, and a Batch of records with their event times
//!  time      event time, Watermark, Clock (processing time is injected)
//!  key_group which subtask owns a key: stable hash -> key group -> subtask
//!  epoch     the number of a checkpoint cut
//!  error     what went wrong, where, and what to do about it
//!  nearest   the name that was perhaps meant; random: bytes for ids and secrets
//! ```
//!
//! Invariant: nothing here reads a clock, a file, a socket or the environment,
//! except [`time::SystemClock`] and [`random_bytes`], the two places that ask the machine.

pub mod data;
pub mod epoch;
pub mod error;
pub mod key_group;
pub mod nearest;
mod random;
pub mod time;

pub use data::{Batch, Container, Data, Either, Key};
pub use epoch::Epoch;
pub use error::{Error, ErrorKind, Result};
pub use key_group::{DEFAULT_MAX_PARALLELISM, KeyGroup, KeyGroupRange, key_group_of};
pub use random::random_bytes;
pub use time::{Clock, EventTime, ManualClock, NO_TIMESTAMP, SystemClock, Watermark};
