//! A large object in a local folder, written past the machine's file cache.
//!
//! A checkpoint is written once and, when all goes well, never read: a copy of it in the file
//! cache costs CPU time, and pushes out what is needed there. So parts go straight from
//! our memory to the disk (`O_DIRECT`), where the system can do that; elsewhere through the
//! cache.
//!
//! Invariants: parts begin at multiples of [`BLOCK`] in the file, those before the last are
//! multiples long; the file has its name only when all is written, and before that one that
//! listings of the store leave out.

use object_store::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where memory and file have to be cut: what all usual disks can do.
const BLOCK: usize = 4096;

/// Bytes in memory that can go to a disk as they are.
#[derive(Default)]
pub(super) struct Part {
    buffer: Vec<u8>,
    /// The bytes begin here.
    start: usize,
}

impl Part {
    /// With aligned room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut buffer: Vec<u8> = Vec::with_capacity(bytes + BLOCK);
        let start = buffer.as_ptr().align_offset(BLOCK).min(BLOCK);
        buffer.resize(start, 0);
        Part { buffer, start }
    }
    /// Without its bytes, with room for so many: in the same memory, if that is large enough.
    pub(super) fn emptied(mut self, bytes: usize) -> Self {
        if self.buffer.capacity() < bytes + BLOCK {
            return Part::with_capacity(bytes);
        }
        self.buffer.truncate(self.start);
        self
    }
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.drain(..self.start);
        self.buffer
    }
    /// In aligned memory, with zeros behind, up to whole blocks.
    fn padded(mut self) -> Self {
        let whole = self.bytes().len().next_multiple_of(BLOCK);
        if !self.bytes().as_ptr().addr().is_multiple_of(BLOCK)
            || self.start + whole > self.buffer.capacity()
        {
            let mut moved = Part::with_capacity(whole);
            moved.extend(self.bytes());
            self = moved;
        }
        self.buffer.resize(self.start + whole, 0);
        self
    }
}

/// The file on its way. Dropped before it was published, it is deleted.
pub(super) struct LocalFile {
    direct: Option<File>,
    cached: File,
    staged: PathBuf,
    at: PathBuf,
    /// Bytes of all parts so far.
    size: AtomicU64,
}

fn failed(error: io::Error) -> Error {
    Error::Generic { store: "LocalFile", source: Box::new(error) }
}

impl LocalFile {
    /// A file that will be at `at`.
    pub(super) fn create(at: PathBuf) -> Result<Arc<Self>> {
        let (cached, staged) = Self::stage(&at).map_err(failed)?;
        let direct = open_direct(&staged).ok();
        Ok(Arc::new(LocalFile { direct, cached, staged, at, size: AtomicU64::new(0) }))
    }
    /// A new file beside `at`, by a name that the store takes for an upload.
    fn stage(at: &Path) -> io::Result<(File, PathBuf)> {
        if let Some(folder) = at.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut number = 1u32;
        loop {
            let mut staged = at.as_os_str().to_owned();
            staged.push(format!("#{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&staged) {
                Ok(file) => return Ok((file, staged.into())),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(e),
            }
        }
    }
    /// Appends, and gives the memory back. One part at a time; only the last one may not be
    /// whole blocks.
    pub(super) fn write(&self, part: Part) -> Result<Part> {
        let bytes = part.bytes().len();
        let at = self.size.fetch_add(bytes as u64, Ordering::Relaxed);
        let part = part.padded();
        let written = match &self.direct {
            Some(direct) => match direct.write_all_at(part.bytes(), at) {
                // This file system lets a file be opened so, but not be written.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                    self.cached.write_all_at(part.bytes(), at)
                }
                written => written,
            },
            None => self.cached.write_all_at(part.bytes(), at),
        };
        written.map(|()| part).map_err(failed)
    }
    /// Gives the file its name. All parts were written.
    pub(super) fn publish(&self) -> Result<()> {
        let size = self.size.load(Ordering::Relaxed);
        let published = self.cached.set_len(size).and_then(|()| self.cached.sync_all());
        published.and_then(|()| std::fs::rename(&self.staged, &self.at)).map_err(failed)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.staged); // gone, if it was published
    }
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn part(bytes: usize, first: u8) -> Part {
        let mut part = Part::default();
        part.extend(&(0..bytes).map(|i| first.wrapping_add((i / 7) as u8)).collect::<Vec<_>>());
        part
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("a/b");
        let file = LocalFile::create(at.clone()).unwrap();
        let beside = LocalFile::create(at.clone()).unwrap();
        let mut expected = Vec::new();
        for (bytes, first) in [(2 * BLOCK, 1), (BLOCK, 2), (BLOCK + 1, 3)] {
            expected.extend_from_slice(part(bytes, first).bytes());
            file.write(part(bytes, first)).unwrap();
        }
        assert!(!at.exists());
        file.publish().unwrap();
        drop((file, beside));
        assert_eq!(std::fs::read(&at).unwrap(), expected);
        let names = std::fs::read_dir(folder.path().join("a")).unwrap();
        assert_eq!(names.count(), 1, "what was staged is gone");
    }

    #[test]
    fn parts_are_aligned_and_keep_their_bytes() {
        let mut part = Part::with_capacity(BLOCK);
        part.extend(b"abc");
        let padded = part.padded();
        assert_eq!((padded.bytes().len(), &padded.bytes()[..4]), (BLOCK, &b"abc\0"[..]));
        assert!(padded.bytes().as_ptr().addr().is_multiple_of(BLOCK));
        let mut part = Part::with_capacity(8);
        part.extend(b"abc");
        assert_eq!(part.into_bytes(), b"abc");
    }
}
