//! Serializers: from a value to the bytes of a key or of a value.
//!
//! A serializer is a function `Fn(&T, &mut Vec<u8>) -> Result<()>` that appends to a
//! buffer, which the writer reuses: no allocation per record.

use millstream_core::{Error, Result};
use serde::Serialize;

/// Writes JSON.
///
/// ```
/// let mut out = Vec::new();
/// millstream_kafka::ser::json()(&("a", 1), &mut out).unwrap();
/// assert_eq!(out, br#"["a",1]"#);
/// ```
pub fn json<T: Serialize>() -> impl Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static {
    |value, out| {
        serde_json::to_writer(out, value).map_err(|e| {
            Error::user(format!("a record cannot be written as JSON: {e}"))
                .advice("maps need text keys; fix its Serialize, or use a serializer of your own")
        })
    }
}

/// Writes text as UTF-8.
pub fn string<T: AsRef<str>>() -> impl Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static {
    |value, out| {
        out.extend_from_slice(value.as_ref().as_bytes());
        Ok(())
    }
}

/// Writes bytes as they are.
pub fn bytes<T: AsRef<[u8]>>() -> impl Fn(&T, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static {
    |value, out| {
        out.extend_from_slice(value.as_ref());
        Ok(())
    }
}
