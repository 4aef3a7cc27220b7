//! Which files a table has, and the names of folders that hold partition values.
//!
//! Invariant: a value escaped into a folder's name comes back as it was.

use millstream_core::{Error, Result};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 64;

/// All files of a path, by name; none when it is not there but may come (`optional`).
pub(super) fn list(path: &Path, optional: bool) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => walk(path, 0, &mut files)?,
        Ok(_) => files.push(path.to_owned()),
        Err(e) if optional && e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(io_error(path, "read", &e)),
    }
    files.sort();
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::config(format!("'{}' is more than 64 folders deep", folder.display()))
            .advice("look for a link that leads back"));
    }
    let refused = |e: std::io::Error| io_error(folder, "read", &e);
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().first().is_some_and(|b| matches!(b, b'.' | b'_'));
        // A default partition starts with two of them and is none of the hidden.
        let partition = name.as_encoded_bytes().contains(&b'=');
        if hidden && !partition {
            continue;
        }
        let path = entry.path();
        match std::fs::metadata(&path).map_err(refused)?.is_dir() {
            true => walk(&path, depth + 1, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// What cannot be done to a file, and what to do.
pub(super) fn io_error(path: &Path, what: &str, error: &std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let text = format!("'{}' cannot be {what}: {error}", path.display());
    match error.kind() {
        Io::NotFound | Io::PermissionDenied | Io::NotADirectory | Io::IsADirectory => {
            Error::config(text).advice("check the option 'path' and the rights on it")
        }
        _ => Error::retry(text),
    }
}

/// The values of partition keys in the folders between `root` and a file, by key.
pub(super) fn partition_values(root: &Path, file: &Path) -> Vec<(String, String)> {
    let below = file.strip_prefix(root).unwrap_or(file);
    let folders = below.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|folder| folder.as_os_str().to_str()?.split_once('='))
        .map(|(key, value)| (unescape(key), unescape(value)))
        .collect()
}

/// The folder's name for a partition: `key=value`.
pub(super) fn partition_folder(key: &str, value: &str) -> String {
    let mut name = String::new();
    escape(key, &mut name);
    name.push('=');
    escape(value, &mut name);
    name
}

/// What Hive escapes, and Flink with it.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            let _ = write!(out, "%{:02X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%');
        let code = digits
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn partition_values_come_back(key in "[a-z=%/ ]{1,8}", value in "\\PC{0,12}") {
            prop_assume!(!value.is_empty());
            let folder = partition_folder(&key, &value);
            prop_assert!(!folder.contains('/'));
            let file = Path::new("/t").join(&folder).join("part");
            prop_assert_eq!(partition_values(Path::new("/t"), &file), vec![(key, value)]);
        }
    }
}
