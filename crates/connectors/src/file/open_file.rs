//! One file that is being read, in chunks.
//!
//! Between the file system and a decoder. Invariants: `offset` is the place in the file of
//! the first byte that is not used; the buffer holds at most one record of the largest size
//! and a chunk.

use super::error::file_error;
use millstream_core::{Error, Result};
use millstream_formats::{Decoded, Decoder};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a record that is too long which are shown to the parse policy.
const TOO_LONG_SHOWN_BYTES: usize = 4 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How far a file has been read: what a snapshot holds of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The first byte that has not been read.
    pub(super) offset: u64,
    /// Nothing is left to be read.
    pub(super) finished: bool,
    /// In the middle of a record that is too long.
    discarding: bool,
    /// See [`Decoder::state`].
    decoder: Vec<u8>,
}

impl Position {
    /// Of a file that has been read to its end.
    pub(super) fn at_end() -> Self {
        Position { finished: true, ..Position::default() }
    }
}

/// What the file has next.
pub(super) enum Next<T> {
    Record(T),
    /// A bad record, with its bytes (or their beginning) and its place.
    Bad {
        error: Error,
        raw: Vec<u8>,
        offset: u64,
    },
    /// A chunk was read; ask again.
    Read,
    End,
}

pub(super) struct OpenFile<T> {
    file: File,
    decoder: Box<dyn Decoder<T>>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been used.
    used: usize,
    at_end: bool,
    offset: u64,
    discarding: bool,
    max_record_bytes: usize,
}

impl<T> OpenFile<T> {
    /// Opens `path` where `position` says.
    pub(super) fn open(
        path: &Path,
        position: &Position,
        mut decoder: Box<dyn Decoder<T>>,
        max_record_bytes: usize,
    ) -> Result<Self> {
        let refused = |error: std::io::Error| file_error(path, "read", &error);
        let mut file = File::open(path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        if length < position.offset {
            return Err(Error::config(format!(
                "file '{}' has {length} bytes, but {} were read of it before the restore",
                path.display(),
                position.offset
            ))
            .advice("put the former file back: files must not change while they are read"));
        }
        file.seek(SeekFrom::Start(position.offset)).map_err(refused)?;
        decoder.restore(&position.decoder)?;
        let mut opened = OpenFile {
            file,
            decoder,
            buffer: Vec::new(),
            used: 0,
            at_end: false,
            offset: position.offset,
            discarding: position.discarding,
            max_record_bytes,
        };
        if position.offset == 0 {
            opened.skip_byte_order_mark(path)?;
        }
        Ok(opened)
    }

    fn skip_byte_order_mark(&mut self, path: &Path) -> Result<()> {
        while self.buffer.len() < BYTE_ORDER_MARK.len() && !self.at_end {
            self.fill(path)?;
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.advance(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    pub(super) fn position(&self) -> Position {
        Position {
            offset: self.offset,
            finished: false,
            discarding: self.discarding,
            decoder: self.decoder.state(),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset += bytes as u64;
    }

    /// Reads a chunk behind what is in the buffer.
    fn fill(&mut self, path: &Path) -> Result<()> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let full = self.buffer.len();
        self.buffer.resize(full + CHUNK_BYTES, 0);
        let room = self.buffer.get_mut(full..).unwrap_or_default();
        let read = self.file.read(room);
        self.buffer.truncate(full + read.as_ref().map_or(0, |bytes| *bytes));
        self.at_end = read.map_err(|error| file_error(path, "read", &error))? == 0;
        Ok(())
    }

    /// Decodes the next record, or reads a chunk.
    pub(super) fn next(&mut self, path: &Path) -> Result<Next<T>> {
        if self.discarding {
            return self.discard(path);
        }
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        match self.decoder.decode(rest, self.at_end)? {
            Decoded::Record { used, value: Ok(value) } => {
                self.advance(used);
                Ok(Next::Record(value))
            }
            Decoded::Record { used, value: Err(error) } => {
                let raw = rest.get(..used).unwrap_or_default();
                let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
                let raw = raw.strip_suffix(b"\r").unwrap_or(raw).to_vec();
                let offset = self.offset;
                self.advance(used);
                Ok(Next::Bad { error, raw, offset })
            }
            Decoded::Nothing { used } => {
                self.advance(used);
                Ok(Next::Read)
            }
            Decoded::Incomplete if self.at_end => Ok(Next::End),
            Decoded::Incomplete if rest.len() > self.max_record_bytes => {
                let raw = rest.iter().take(TOO_LONG_SHOWN_BYTES).copied().collect();
                let (offset, limit) = (self.offset, self.max_record_bytes);
                self.discarding = true;
                let error = Error::data(format!(
                    "the record is longer than {limit} bytes; its beginning is shown, and what \
                     follows up to the next line is passed over"
                ));
                Ok(Next::Bad { error, raw, offset })
            }
            Decoded::Incomplete => self.fill(path).map(|()| Next::Read),
        }
    }

    /// Passes over the rest of a record that is too long.
    fn discard(&mut self, path: &Path) -> Result<Next<T>> {
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        let line_end = rest.iter().position(|byte| *byte == b'\n');
        self.discarding = line_end.is_none();
        self.advance(line_end.map_or(rest.len(), |end| end + 1));
        match (self.discarding, self.at_end) {
            (true, true) => Ok(Next::End),
            (true, false) => self.fill(path).map(|()| Next::Read),
            (false, _) => Ok(Next::Read),
        }
    }
}
