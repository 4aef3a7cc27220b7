//! What a format is to a source and to a sink.
//!
//! Between the bytes of a file (or a message) and the first operator, and between the
//! last operator and the bytes that leave.
//! Invariant: `Decoded::used` is the number of bytes to the start of the next record,
//! whether this one was good or bad, so that a bad record never hides a good one.

use millstream_core::{Data, Result};

/// What a decoder made of the bytes it was given.
#[derive(Debug)]
pub enum Decoded<T> {
    /// A record.
    Record {
        /// Bytes of it, with its terminator.
        used: usize,
        /// The record, or why it is none (`Data`).
        value: Result<T>,
    },
    /// Bytes that are no record: a blank line, a header.
    Nothing {
        /// How many.
        used: usize,
    },
    /// The bytes end within a record (or there are none): give more of them.
    Incomplete,
}

/// Cuts bytes into records, one after the other. One per file.
pub trait Decoder<T>: Send {
    /// Looks at `bytes`, which start where the last call's used bytes ended. `last` says
    /// that the file ends with them; then the answer is `Incomplete` only when there are
    /// none.
    ///
    /// # Errors
    /// Only when the file cannot be read on, such as a header that is not one. A bad
    /// record is no error here.
    fn decode(&mut self, bytes: &[u8], last: bool) -> Result<Decoded<T>>;

    /// What another decoder needs to go on behind the last record, such as the header.
    fn state(&self) -> Vec<u8> {
        Vec::new()
    }
    /// Goes on from what [`state`](Decoder::state) gave.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are of another format.
    fn restore(&mut self, _state: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Turns records into bytes. One per file.
pub trait Encoder<T>: Send {
    /// Appends `values`, and before the first of a file its header.
    ///
    /// # Errors
    /// `UserCode` when a record cannot be expressed in the format.
    fn encode(&mut self, values: &[T], out: &mut Vec<u8>) -> Result<()>;
}

/// A format that can be read.
pub trait ReadFormat<T: Data>: Send + Sync + 'static {
    /// A decoder for a new file.
    fn decoder(&self) -> Box<dyn Decoder<T>>;
    /// Checks the options, when the job is built.
    ///
    /// # Errors
    /// `Config`, naming the option.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// A format that can be written.
pub trait WriteFormat<T: Data>: Send + Sync + 'static {
    /// An encoder for a new file.
    fn encoder(&self) -> Box<dyn Encoder<T>>;
    /// The extension of file names, without a dot.
    fn extension(&self) -> &'static str;
    /// Checks the options, when the job is built.
    ///
    /// # Errors
    /// `Config`, naming the option.
    fn validate(&self) -> Result<()> {
        Ok(())
    }
}

/// Decodes all of `bytes`: the records, and the errors of the bad ones. For tests and
/// for small inputs that are in memory.
///
/// ```
/// use millstream_formats::format::decode_all;
/// use millstream_formats::{JsonLinesFormat, ReadFormat};
/// let mut decoder = ReadFormat::<u32>::decoder(&JsonLinesFormat);
/// let records = decode_all(&mut *decoder, b"1\n\nx\n3").unwrap();
/// assert_eq!(records.iter().filter_map(|r| r.as_ref().ok()).collect::<Vec<_>>(), [&1, &3]);
/// assert_eq!(records.iter().filter(|r| r.is_err()).count(), 1);
/// ```
///
/// # Errors
/// When the decoder cannot go on.
pub fn decode_all<T>(decoder: &mut dyn Decoder<T>, mut bytes: &[u8]) -> Result<Vec<Result<T>>> {
    let mut records = Vec::new();
    loop {
        let used = match decoder.decode(bytes, true)? {
            Decoded::Record { used, value } => {
                records.push(value);
                used
            }
            Decoded::Nothing { used } => used,
            Decoded::Incomplete => return Ok(records),
        };
        bytes = bytes.get(used..).unwrap_or_default();
    }
}
