//! Errors of the file system: which file, and what to do.

use millstream_core::Error;
use std::io::ErrorKind;
use std::path::Path;

/// `action` (such as "read") failed on `path`.
pub(super) fn file_error(path: &Path, action: &str, error: &std::io::Error) -> Error {
    let what = format!("file '{}' cannot be {action}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound => Error::config(what).advice("check the path; names are exact"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::config(what).advice("give the user that runs the job the right to do that")
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => {
            Error::config(what).advice("give the path of a folder where a folder is meant")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::retry(what).advice("make room on the disk")
        }
        _ => Error::retry(what),
    }
}
