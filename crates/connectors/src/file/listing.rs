//! Which files a source reads, and which subtask reads each of them.
//!
//! Invariant: the owner of a file is a function of its path alone (by key group, as a key
//! is), so subtasks that look at a folder at different times never disagree.

use super::error::file_error;
use millstream_core::key_group::subtask_of;
use millstream_core::{Error, Result, key_group_of};
use millstream_runtime::SubtaskInfo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 64;

/// Whether the path has wildcards in it and is not the name of a file that is there.
fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !Path::new(path).exists()
}

/// Checks what can be checked without looking at the file system.
pub(super) fn check_pattern(path: &str) -> Result<()> {
    if path.is_empty() {
        return Err(Error::config("file source: an empty path").advice("give a file or folder"));
    }
    if path.contains(['*', '?', '[']) {
        glob::Pattern::new(path).map_err(|error| {
            Error::config(format!("file source: '{path}' is not a pattern: {error}"))
                .advice("write * and ? for wildcards, [[] for a bracket")
        })?;
    }
    Ok(())
}

/// Every file under `paths`, by name. With `must_exist` a path or pattern without a file
/// is an error; an empty folder is not.
pub(super) fn list_files(paths: &[String], must_exist: bool) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for path in paths {
        if is_glob(path) {
            let before = files.len();
            add_matches(path, &mut files)?;
            if must_exist && files.len() == before {
                return Err(Error::config(format!("no file matches '{path}'"))
                    .advice("check the pattern, or use monitor() to wait for files"));
            }
        } else {
            match std::fs::metadata(path) {
                Ok(found) if found.is_dir() => add_folder(Path::new(path), 0, &mut files)?,
                Ok(_) => drop(files.insert(path.clone())),
                Err(error) if !must_exist && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(file_error(Path::new(path), "read", &error)),
            }
        }
    }
    Ok(files)
}

fn add_matches(pattern: &str, files: &mut BTreeSet<String>) -> Result<()> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let matches = glob::glob_with(pattern, options)
        .map_err(|error| Error::config(format!("'{pattern}' is not a pattern: {error}")))?;
    for found in matches {
        let path = found.map_err(|e| file_error(e.path(), "read", e.error()))?;
        if path.is_file() {
            files.insert(name_of(&path)?);
        }
    }
    Ok(())
}

/// Adds the files of a folder and of the folders in it, but for hidden ones: names that
/// start with `.` or `_`, as in Flink.
fn add_folder(folder: &Path, depth: usize, files: &mut BTreeSet<String>) -> Result<()> {
    let refused = |error: std::io::Error| file_error(folder, "read", &error);
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        // A link to a file is followed, a link to a folder is not: it may lead in a circle.
        if entry.file_type().map_err(refused)?.is_dir() {
            if depth < MAX_DEPTH {
                add_folder(&path, depth + 1, files)?;
            }
        } else if path.is_file() {
            files.insert(name_of(&path)?);
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String> {
    let name: PathBuf = path.to_path_buf();
    name.into_os_string().into_string().map_err(|name| {
        Error::config(format!("the file name {name:?} is not UTF-8 text"))
            .advice("rename the file: its name is stored in checkpoints as text")
    })
}

/// Whether `subtask` reads the file.
pub(super) fn owns(subtask: &SubtaskInfo, file: &str) -> bool {
    let group = key_group_of(file, subtask.max_parallelism);
    subtask_of(group, subtask.max_parallelism, subtask.parallelism) == subtask.index
}
