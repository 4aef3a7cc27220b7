//! A Kafka record as a deserializer sees it, and as a serializer fills it in.
//!
//! [`KafkaRecord`] borrows from librdkafka's fetch buffer: nothing is copied unless
//! the deserializer does. [`ProducerRecord`] is reused for all records of a writer.

use crate::partition_queue::Message;
use millstream_core::{Error, Result};
use std::borrow::Cow;
use std::fmt;

/// A record on its way in.
#[derive(Clone, Copy, Debug)]
pub struct KafkaRecord<'a> {
    /// The topic it was read from.
    pub topic: &'a str,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, as set by the producer or by the broker
    /// ([`NO_TIMESTAMP`](millstream_core::NO_TIMESTAMP) when none).
    pub timestamp: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

impl<'a> KafkaRecord<'a> {
    /// A record for the test of a deserializer.
    ///
    /// ```
    /// use millstream_kafka::{KafkaRecord, de};
    /// let read = de::json::<u32>();
    /// assert_eq!(read(&KafkaRecord::of_value(b"42")).unwrap(), Some(42));
    /// assert!(read(&KafkaRecord::of_value(b"forty-two")).is_err());
    /// ```
    pub fn of_value(value: &'a [u8]) -> Self {
        KafkaRecord {
            topic: "test",
            partition: 0,
            offset: 0,
            timestamp: millstream_core::NO_TIMESTAMP,
            key: None,
            value: Some(value),
            headers: Headers::of(&[]),
        }
    }
}

/// One header: its name (invalid UTF-8 replaced) and its value.
pub type Header<'a> = (Cow<'a, str>, Option<&'a [u8]>);

/// The headers of a record, in order; read only when asked for.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Message(&'a Message),
    Slice(&'a [(&'a str, Option<&'a [u8]>)]),
}

impl<'a> Headers<'a> {
    pub(crate) fn of_message(message: &'a Message) -> Self {
        Headers(Source::Message(message))
    }
    /// Headers for the test of a deserializer.
    pub fn of(headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Self {
        Headers(Source::Slice(headers))
    }
    /// All headers.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let source = self.0;
        (0..).map_while(move |index| match source {
            Source::Message(message) => message.header(index),
            Source::Slice(slice) => slice.get(index).map(|(n, v)| (Cow::Borrowed(*n), *v)),
        })
    }
    /// The value of the last header called `name` (Kafka's rule for repeated names).
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(n, _)| n == name).last().and_then(|(_, value)| value)
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |v: Option<&[u8]>| v.map(|v| String::from_utf8_lossy(v).into_owned());
        f.debug_map().entries(self.iter().map(|(n, v)| (n, value(v)))).finish()
    }
}

/// A record on its way out, filled in by a serializer. Its buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    key: Vec<u8>,
    has_key: bool,
    value: Vec<u8>,
    tombstone: bool,
}

impl ProducerRecord {
    pub(crate) fn reset(&mut self, topic: &str) {
        self.set_topic(topic);
        (self.partition, self.timestamp) = (None, None);
        self.headers.clear();
        self.key.clear();
        self.has_key = false;
        self.value.clear();
        self.tombstone = false;
    }
    /// Chooses the topic of this record; the sink's topic otherwise.
    pub fn set_topic(&mut self, topic: &str) {
        self.topic.clear();
        self.topic.push_str(topic);
    }
    /// Chooses the partition; otherwise the key's hash does (murmur2, as in Java), and
    /// records without key are spread.
    pub fn set_partition(&mut self, partition: i32) {
        self.partition = Some(partition);
    }
    /// Sets the timestamp in milliseconds since 1970; otherwise it is the record's event time.
    /// Kafka's clients take 0 for "not set": the producer's time is written then.
    pub fn set_timestamp(&mut self, timestamp_ms: i64) {
        self.timestamp = Some(timestamp_ms);
    }
    /// Adds a header; names may repeat.
    pub fn add_header(&mut self, name: impl Into<String>, value: Option<&[u8]>) {
        self.headers.push((name.into(), value.map(<[u8]>::to_vec)));
    }
    /// The key's buffer, empty at first; asking for it gives the record a key.
    pub fn key_mut(&mut self) -> &mut Vec<u8> {
        self.has_key = true;
        &mut self.key
    }
    /// The value's buffer, empty at first.
    pub fn value_mut(&mut self) -> &mut Vec<u8> {
        self.tombstone = false;
        &mut self.value
    }
    /// Makes it a tombstone: no value, which deletes the key in a compacted topic.
    pub fn set_tombstone(&mut self) {
        self.tombstone = true;
    }
    /// The key, when it has one.
    pub fn key(&self) -> Option<&[u8]> {
        self.has_key.then_some(&self.key[..])
    }
    /// The value, unless it is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        (!self.tombstone).then_some(&self.value[..])
    }
    /// Checks what librdkafka would refuse without a name.
    pub(crate) fn check(&self) -> Result<()> {
        if self.topic.is_empty() || self.topic.contains('\0') {
            return Err(Error::user(format!("'{}' is no topic name", self.topic.escape_default()))
                .advice("fix the function that chooses the sink's topic"));
        }
        if let Some((name, _)) = self.headers.iter().find(|(n, _)| n.contains('\0')) {
            let what = format!("header name '{}' contains a zero", name.escape_default());
            return Err(Error::user(what).advice("fix the sink's serializer"));
        }
        Ok(())
    }
}
