//! Tables of a database, against a real PostgreSQL (`scripts/postgres start`). Needs the
//! feature `jdbc`.
#![cfg(feature = "jdbc")]
#![allow(clippy::unwrap_used)]

mod lookup;
mod outage;
mod scan;
mod server;
mod sink;
