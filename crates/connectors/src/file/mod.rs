//! Files: lines, JSON lines, CSV, or a format of your own.
//!
//! | part | noun |
//! |---|---|
//! | `config` | [`FileSource`] and [`FileSink`]: what to read and to write |
//! | `listing` | which files there are, and which subtask reads each |
//! | `source` | the reader of one subtask; `open_file` reads one file in chunks |
//! | `sink` | the writer of one subtask: in-progress files, rolling, commit, recovery |
//! | `error` | errors of the file system, with the file's name |

mod config;
mod error;
mod listing;
mod open_file;
mod sink;
mod source;

pub use config::{FileSink, FileSource};
pub use sink::{FileCommitter, Folder};
