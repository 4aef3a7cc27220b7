//! The contract of state backends, on every backend that is compiled in.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "rocksdb")]
mod bytes;
mod evolution;
mod files;
mod memory;
mod model;
mod snapshots;
mod support;
mod timers;
mod ttl;
