//! JSON lines: a record is a JSON value on a line of its own, read and written by serde.
//!
//! Blank lines are passed over. Source: jsonlines.org.

use crate::format::{Decoded, Decoder, Encoder, ReadFormat, WriteFormat};
use crate::lines::first_line;
use millstream_core::{Data, Error, Result};
use serde::Serialize;

/// JSON lines of any record type.
///
/// ```
/// use millstream_formats::{JsonLinesFormat, WriteFormat};
/// let mut out = Vec::new();
/// WriteFormat::<(String, u32)>::encoder(&JsonLinesFormat)
///     .encode(&[("a".into(), 1), ("b".into(), 2)], &mut out)
///     .unwrap();
/// assert_eq!(out, b"[\"a\",1]\n[\"b\",2]\n");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonLinesFormat;

struct JsonCodec;

impl<T: Data> Decoder<T> for JsonCodec {
    fn decode(&mut self, bytes: &[u8], last: bool) -> Result<Decoded<T>> {
        let Some((used, line)) = first_line(bytes, last) else {
            return Ok(Decoded::Incomplete);
        };
        if line.trim_ascii().is_empty() {
            return Ok(Decoded::Nothing { used });
        }
        let value = serde_json::from_slice(line)
            .map_err(|error| Error::data(format!("the line is not the expected JSON: {error}")));
        Ok(Decoded::Record { used, value })
    }
}

impl<T: Serialize> Encoder<T> for JsonCodec {
    fn encode(&mut self, values: &[T], out: &mut Vec<u8>) -> Result<()> {
        for value in values {
            serde_json::to_writer(&mut *out, value).map_err(|error| {
                Error::user(format!("a record cannot be written as JSON: {error}"))
                    .advice("JSON objects have strings as keys: change the record's type")
            })?;
            out.push(b'\n');
        }
        Ok(())
    }
}

impl<T: Data> ReadFormat<T> for JsonLinesFormat {
    fn decoder(&self) -> Box<dyn Decoder<T>> {
        Box::new(JsonCodec)
    }
}

impl<T: Data> WriteFormat<T> for JsonLinesFormat {
    fn encoder(&self) -> Box<dyn Encoder<T>> {
        Box::new(JsonCodec)
    }
    fn extension(&self) -> &'static str {
        "jsonl"
    }
}
