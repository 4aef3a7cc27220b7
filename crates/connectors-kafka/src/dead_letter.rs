//! Dead letters in a Kafka topic: refused records, written as they are.
//!
//! A [`DeadLetterQueue`] of the formats crate, on the source's own cluster. Invariant:
//! `flush` returns only when every letter before it is acknowledged, and the reader calls
//! it before its positions are stored; so a refused record is either re-read or written.

use crate::producer::{Producer, Sent, Surroundings, defaults};
use crate::properties::Properties;
use crate::record::{KafkaRecord, ProducerRecord};
use millstream_core::{NO_TIMESTAMP, Result};
use millstream_formats::{DeadLetter, DeadLetterQueue, DeadLetterWriter};
use millstream_runtime::OperatorContext;
use std::time::Duration;

/// A topic for dead letters.
pub(crate) struct DeadLetterTopic {
    /// Of the connection; the producer's own are added.
    pub(crate) properties: Properties,
    pub(crate) topic: String,
    pub(crate) connect_timeout: Duration,
}

impl DeadLetterQueue for DeadLetterTopic {
    fn open(&self, context: &OperatorContext) -> Result<Box<dyn DeadLetterWriter>> {
        let mut properties = self.properties.clone();
        properties.set_default(&["enable.idempotence"], "true");
        defaults(&mut properties);
        let surroundings = Surroundings {
            waker: context.waker.clone(),
            errors: context.metrics.counter("numDeadLetterSendErrors"),
            tolerant: false,
            connect_timeout: self.connect_timeout,
        };
        let producer = Producer::connect(properties, Some(&self.topic), surroundings)
            .map_err(|e| e.at("dead_letter_topic"))?;
        let (topic, record) = (self.topic.clone(), ProducerRecord::default());
        Ok(Box::new(TopicWriter { producer, topic, record }))
    }
}

struct TopicWriter {
    producer: Producer,
    topic: String,
    record: ProducerRecord,
}

impl DeadLetterWriter for TopicWriter {
    /// Queues a letter; waits while the producer's queue is full.
    fn write(&mut self, letter: &DeadLetter) -> Result<()> {
        let record = &mut self.record;
        record.reset(&self.topic);
        if let Some(key) = &letter.key {
            record.key_mut().extend_from_slice(key);
        }
        match &letter.raw {
            Some(value) => record.value_mut().extend_from_slice(value),
            None => record.set_tombstone(),
        }
        if let Some(timestamp_ms) = letter.timestamp_ms {
            record.set_timestamp(timestamp_ms);
        }
        for (name, value) in &letter.headers {
            record.add_header(name.replace('\0', "\u{FFFD}"), value.as_deref());
        }
        record.add_header("millstream.error", Some(letter.error.as_bytes()));
        record.add_header("millstream.origin", Some(letter.origin.as_bytes()));
        loop {
            match self.producer.send(record)? {
                Sent::Queued => return Ok(()),
                Sent::Full => self.producer.wait_for_room()?,
            }
        }
    }
    fn flush(&mut self) -> Result<()> {
        let flushed = self.producer.flush();
        flushed.map_err(|e| e.at(format!("dead letters to topic '{}'", self.topic)))
    }
}

/// What is kept of a record that the deserializer has refused. Headers
/// `millstream.topic`, `.partition` and `.offset` follow its own.
pub(crate) fn letter_of(refused: &KafkaRecord<'_>) -> DeadLetter {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let mut headers: Vec<_> =
        refused.headers.iter().map(|(name, value)| (name.into_owned(), owned(value))).collect();
    let (partition, offset) = (refused.partition.to_string(), refused.offset.to_string());
    for (name, value) in [("topic", refused.topic), ("partition", &partition), ("offset", &offset)]
    {
        headers.push((format!("millstream.{name}"), Some(value.as_bytes().to_vec())));
    }
    DeadLetter {
        raw: owned(refused.value),
        error: String::new(),
        origin: format!("topic '{}' partition {partition} offset {offset}", refused.topic),
        key: owned(refused.key),
        headers,
        timestamp_ms: (refused.timestamp != NO_TIMESTAMP).then_some(refused.timestamp),
    }
}
