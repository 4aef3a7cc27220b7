//! Rows to records of Kafka.

use super::super::{Changes, TableSink, step};
use super::config::{Metadata, Topic};
use crate::formats::Encoder;
use crate::runtime::{ChangeBatch, ChangeKind};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef};
use millstream_core::{Batch, Error, Result};
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use millstream_runtime::{Operator, OperatorContext, Output, Partitioner, Sink};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A record on its way from the encoder to the sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outgoing {
    key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
}

pub(super) struct KafkaTarget {
    topic: Topic,
    sink: Arc<dyn Sink<Outgoing>>,
}

impl KafkaTarget {
    pub(super) fn new(topic: Topic) -> Result<Self> {
        topic.value_format.encoder(&topic.value_columns())?;
        if let Some(format) = &topic.key_format {
            format.encoder(&topic.key_columns())?;
        }
        let writable = |m: &Option<Metadata>| m.is_none_or(|m| m == Metadata::Timestamp);
        if !topic.metadata.iter().all(writable) {
            return Err(Error::config("of metadata only 'timestamp' can be written")
                .advice("make the other METADATA columns VIRTUAL"));
        }
        let sink = topic
            .sink_builder::<Outgoing>()?
            .serializer(|outgoing, _event_time, record| {
                if let Some(key) = &outgoing.key {
                    record.key_mut().extend_from_slice(key);
                }
                match &outgoing.value {
                    Some(value) => record.value_mut().extend_from_slice(value),
                    None => record.set_tombstone(),
                }
                if let Some(timestamp) = outgoing.timestamp {
                    record.set_timestamp(timestamp);
                }
                Ok(())
            })
            .build()?;
        Ok(KafkaTarget { topic, sink: Arc::new(sink) })
    }
}

impl TableSink for KafkaTarget {
    fn accepts(&self, changes: Changes) -> bool {
        self.topic.upsert
            || changes == Changes::Append
            || self.topic.value_format.changes() == Changes::Retract
    }
    fn add_to(
        &self,
        graph: &mut JobGraph,
        spec: NodeSpec,
        inputs: &mut Vec<Input<ChangeBatch>>,
    ) -> Option<NodeId> {
        let encode = step("Encode", &spec);
        let topic = self.topic.clone();
        let make = move |_: &OperatorContext| Encode::new(topic.clone());
        let from = graph.add_operator(encode, std::mem::take(inputs), make);
        let sink = Arc::clone(&self.sink);
        let inputs = vec![Input::new(from, None, Partitioner::forward())];
        Some(graph.add_sink(spec, inputs, sink))
    }
}

struct Encode {
    key: Option<Box<dyn Encoder>>,
    value: Box<dyn Encoder>,
    /// Room for a value: about what the last one took.
    value_bytes: usize,
    topic: Topic,
}

impl Encode {
    fn new(topic: Topic) -> Result<Self> {
        let key = topic.key_format.as_ref().map(|f| f.encoder(&topic.key_columns()));
        Ok(Encode {
            key: key.transpose()?,
            value: topic.value_format.encoder(&topic.value_columns())?,
            value_bytes: 0,
            topic,
        })
    }

    fn record(
        &mut self,
        batch: &ChangeBatch,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        row: usize,
    ) -> Result<Option<Outgoing>> {
        let kind = batch.kind(row);
        if self.topic.upsert && kind == ChangeKind::UpdateBefore {
            return Ok(None);
        }
        let key = match &mut self.key {
            Some(encoder) => {
                let mut key = vec![];
                encoder.encode(keys, row, ChangeKind::Insert, &mut key)?;
                Some(key)
            }
            None => None,
        };
        let value = if self.topic.upsert && kind == ChangeKind::Delete {
            None
        } else {
            let mut value = Vec::with_capacity(self.value_bytes);
            self.value.encode(values, row, kind, &mut value)?;
            self.value_bytes = value.len() + value.len() / 8;
            Some(value)
        };
        let at = self.topic.metadata.iter().position(|m| *m == Some(Metadata::Timestamp));
        let timestamp = match at {
            Some(i) => {
                let column = batch.column(i)?;
                let times = column.as_primitive_opt::<TimestampMillisecondType>();
                times.filter(|t| t.is_valid(row)).map(|t| t.value(row))
            }
            None => None,
        };
        Ok(Some(Outgoing { key, value, timestamp }))
    }
}

impl Operator for Encode {
    type In = ChangeBatch;
    type Out = Batch<Outgoing>;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<Batch<Outgoing>>) -> Result<()> {
        let keys = batch.columns(&self.topic.key)?;
        let values = batch.columns(&self.topic.value)?;
        let mut records = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            records.extend(self.record(&batch, &keys, &values, row)?);
        }
        if !records.is_empty() {
            out.emit(Batch::from(records));
        }
        Ok(())
    }
}
