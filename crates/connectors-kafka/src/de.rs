//! Deserializers: from the bytes of a record to a value.
//!
//! A deserializer is a function `Fn(&KafkaRecord<'_>) -> Result<Option<T>>`; the ones
//! here read the value. `Ok(None)` drops the record without an error: that is what
//! they all answer for a tombstone (a record without value), as Flink's value-only
//! schemas do. To see tombstones, write the function yourself:
//!
//! ```
//! use millstream_kafka::KafkaRecord;
//! let with_deletes = |record: &KafkaRecord<'_>| {
//!     let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
//!     Ok::<_, millstream_core::Error>(Some((key, record.value.map(<[u8]>::to_vec))))
//! };
//! # let _ = with_deletes(&KafkaRecord::of_value(b""));
//! ```
//!
//! It runs on the reader's own thread, and borrows from the fetch buffer.

use crate::record::KafkaRecord;
use millstream_core::{Data, Error, Result};

/// Reads the value as JSON.
pub fn json<T: Data>() -> impl Fn(&KafkaRecord<'_>) -> Result<Option<T>> + Send + Sync + 'static {
    value_only(|value| {
        serde_json::from_slice(value)
            .map_err(|e| Error::data(format!("the value is not the expected JSON: {e}")))
    })
}

/// Reads the value as UTF-8 text.
pub fn string() -> impl Fn(&KafkaRecord<'_>) -> Result<Option<String>> + Send + Sync + 'static {
    value_only(|value| {
        let text = std::str::from_utf8(value);
        text.map(str::to_owned).map_err(|e| Error::data(format!("the value is not UTF-8: {e}")))
    })
}

/// Copies the value's bytes.
pub fn bytes() -> impl Fn(&KafkaRecord<'_>) -> Result<Option<Vec<u8>>> + Send + Sync + 'static {
    value_only(|value| Ok(value.to_vec()))
}

/// Reads the value with a function of your own; tombstones are dropped.
///
/// ```
/// use millstream_kafka::{KafkaRecord, de};
/// let length = de::value_only(|bytes| Ok(bytes.len()));
/// assert_eq!(length(&KafkaRecord::of_value(b"four")).unwrap(), Some(4));
/// ```
pub fn value_only<T: Data>(
    read: impl Fn(&[u8]) -> Result<T> + Send + Sync + 'static,
) -> impl Fn(&KafkaRecord<'_>) -> Result<Option<T>> + Send + Sync + 'static {
    move |record| record.value.map(&read).transpose()
}
