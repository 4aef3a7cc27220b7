//! Generated records: for load tests, demonstrations and jobs without a server.

mod config;
mod source;

/// The crate whose distributions a generator may use, in the version that fits.
pub use rand;

pub use config::{DataGenRng, DataGenSource};
