//! Text lines: a record is what stands before a line feed.
//!
//! A carriage return before the line feed is dropped, as Flink's `TextLineInputFormat`
//! does; a last line without a line feed is a record; an empty line is one too. Text
//! must be UTF-8: other bytes are a bad record, not replaced.

use crate::format::{Decoded, Decoder, Encoder, ReadFormat, WriteFormat};
use millstream_core::{Data, Error, Result};
use std::fmt::Display;
use std::io::Write;

/// Lines of text: reads `String`, writes everything that has `Display`.
///
/// ```
/// use millstream_formats::format::decode_all;
/// use millstream_formats::{LinesFormat, ReadFormat};
/// let lines = decode_all(&mut *LinesFormat.decoder(), b"one\r\n\nthree").unwrap();
/// let lines: Vec<String> = lines.into_iter().map(Result::unwrap).collect();
/// assert_eq!(lines, ["one", "", "three"]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LinesFormat;

/// The first line of `bytes`: its length with terminator, and the line without.
pub(crate) fn first_line(bytes: &[u8], last: bool) -> Option<(usize, &[u8])> {
    let (used, line) = match memchr::memchr(b'\n', bytes) {
        Some(end) => (end + 1, bytes.get(..end)?),
        None if last && !bytes.is_empty() => (bytes.len(), bytes),
        None => return None,
    };
    Some((used, line.strip_suffix(b"\r").unwrap_or(line)))
}

struct LinesDecoder;

impl Decoder<String> for LinesDecoder {
    fn decode(&mut self, bytes: &[u8], last: bool) -> Result<Decoded<String>> {
        let Some((used, line)) = first_line(bytes, last) else {
            return Ok(Decoded::Incomplete);
        };
        let value = std::str::from_utf8(line)
            .map(str::to_owned)
            .map_err(|error| Error::data(format!("the line is not UTF-8 text: {error}")));
        Ok(Decoded::Record { used, value })
    }
}

impl ReadFormat<String> for LinesFormat {
    fn decoder(&self) -> Box<dyn Decoder<String>> {
        Box::new(LinesDecoder)
    }
}

struct LinesEncoder;

impl<T: Display> Encoder<T> for LinesEncoder {
    fn encode(&mut self, values: &[T], out: &mut Vec<u8>) -> Result<()> {
        for value in values {
            let start = out.len();
            write!(out, "{value}")?;
            if out.get(start..).is_some_and(|line| memchr::memchr(b'\n', line).is_some()) {
                return Err(Error::user(format!(
                    "a record's text has a line feed in it: {value:.200}"
                ))
                .advice("replace it in the record, or write JSON lines or CSV"));
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

impl<T: Data + Display> WriteFormat<T> for LinesFormat {
    fn encoder(&self) -> Box<dyn Encoder<T>> {
        Box::new(LinesEncoder)
    }
    fn extension(&self) -> &'static str {
        "txt"
    }
}
