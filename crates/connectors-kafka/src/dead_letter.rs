//! Dead letters: refused records, written as they are to a topic of their own.
//!
//! Beside the reader's thread. Invariant: [`DeadLetters::flush`] returns only when
//! every letter before it is acknowledged, and the reader calls it before its
//! positions are stored; so a refused record is either re-read or written.

use crate::producer::{Producer, Sent};
use crate::record::{KafkaRecord, ProducerRecord};
use millstream_core::{Error, NO_TIMESTAMP, Result};
use std::sync::{Mutex, PoisonError};

/// Writes dead letters.
pub(crate) struct DeadLetters {
    pub(crate) producer: Producer,
    pub(crate) topic: String,
    record: Mutex<ProducerRecord>,
}

impl DeadLetters {
    pub(crate) fn new(producer: Producer, topic: String) -> Self {
        DeadLetters { producer, topic, record: Mutex::default() }
    }
    /// Queues a letter; waits while the producer's queue is full.
    pub(crate) fn send(&self, refused: &KafkaRecord<'_>, error: &Error) -> Result<()> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.reset(&self.topic);
        if let Some(key) = refused.key {
            record.key_mut().extend_from_slice(key);
        }
        match refused.value {
            Some(value) => record.value_mut().extend_from_slice(value),
            None => record.set_tombstone(),
        }
        if refused.timestamp != NO_TIMESTAMP {
            record.set_timestamp(refused.timestamp);
        }
        for (name, value) in refused.headers.iter() {
            record.add_header(name.replace('\0', "\u{FFFD}"), value);
        }
        record.add_header("millstream.error", Some(error.message().as_bytes()));
        record.add_header("millstream.topic", Some(refused.topic.as_bytes()));
        record.add_header("millstream.partition", Some(refused.partition.to_string().as_bytes()));
        record.add_header("millstream.offset", Some(refused.offset.to_string().as_bytes()));
        loop {
            match self.producer.send(&record)? {
                Sent::Queued => return Ok(()),
                Sent::Full => self.producer.wait_for_room()?,
            }
        }
    }
    /// Waits until every letter is acknowledged.
    pub(crate) fn flush(&self) -> Result<()> {
        let flushed = self.producer.flush();
        flushed.map_err(|e| e.at(format!("dead letters to topic '{}'", self.topic)))
    }
}
