//! Sink, scan and lookups against a real PostgreSQL; `scripts/postgres start` gives one.
//!
//! Every test makes tables of its own and drops them, so that tests run together and again.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, outside of #[test]

mod crash;
mod exactly_once;
mod lookup;
mod outage;
mod refused;
mod server;
mod upsert;
