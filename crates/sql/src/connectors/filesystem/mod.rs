//! `filesystem`: files of a folder, read to their end, and written as part files.
//!
//! ```text
//!   path/day=2024-01-01/part-0-0   partition columns are in the folders' names
//!        day=2024-01-02/part-0-0
//! ```
//! Names that start with `.` or `_` are passed over: that is where files are that are being
//! written.

mod compression;
mod config;
mod listing;
mod partition_commit;
mod sink;
mod source;

pub(crate) use config::CONNECTOR;

#[cfg(test)]
mod tests;
