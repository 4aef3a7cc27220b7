//! Records of Kafka to rows.

use super::super::{Changes, Needed, TableReader, TableSource, step};
use super::config::{Metadata, Topic};
use crate::connectors::projection::Projection;
use crate::formats::Decoder;
use crate::formats::columns::{Column, Rows};
use crate::runtime::{ChangeBatch, ChangeKind};
use arrow_array::ArrayRef;
use millstream_core::{Batch, Error, NO_TIMESTAMP, Result};
use millstream_kafka::KafkaRecord;
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use millstream_runtime::{
    Operator, OperatorContext, Output, Partitioner, Source, WatermarkStrategy,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A record on its way from the source to the decoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn message(record: &KafkaRecord<'_>, with_headers: bool) -> Message {
    let headers = record.headers.iter().filter(|_| with_headers);
    Message {
        topic: record.topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers.map(|(n, v)| (n.into_owned(), v.map(<[u8]>::to_vec))).collect(),
    }
}

#[derive(Clone)]
pub(super) struct KafkaTable {
    topic: Topic,
    source: Arc<dyn Source<Out = Message>>,
}

impl KafkaTable {
    pub(super) fn new(topic: Topic) -> Result<Self> {
        // Refused when the query is planned, not when it runs.
        topic.value_format.decoder(&topic.value_columns())?;
        if let Some(format) = &topic.key_format {
            format.decoder(&topic.key_columns())?;
        }
        let with_headers = topic.metadata.contains(&Some(Metadata::Headers));
        let read = move |record: &KafkaRecord<'_>| Ok(Some(message(record, with_headers)));
        let source = topic.source_builder()?.deserializer(read).build()?;
        Ok(KafkaTable { topic, source: Arc::new(source) })
    }
}

impl TableSource for KafkaTable {
    fn changes(&self) -> Changes {
        match self.topic.upsert {
            true => Changes::Upsert,
            false => self.topic.value_format.changes(),
        }
    }
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        let projection = Projection::new(&self.topic.columns, needed)?;
        let topic = Topic { projection, ..self.topic.clone() };
        Ok(Some(Arc::new(KafkaTable { topic, source: Arc::clone(&self.source) })))
    }
    fn create_reader(&self, _context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        Err(Error::bug("a topic is read by operators of its own"))
    }
    fn add_to(&self, graph: &mut JobGraph, spec: NodeSpec) -> Option<NodeId> {
        let decode = step("Decode", &spec);
        let strategy = WatermarkStrategy::no_watermarks();
        let from = graph.add_source(spec, Arc::clone(&self.source), strategy);
        let inputs = vec![Input::new(from, None, Partitioner::forward())];
        let topic = self.topic.clone();
        Some(graph.add_operator(decode, inputs, move |_| Decode::new(topic.clone())))
    }
}

struct Decode {
    key: Option<Box<dyn Decoder>>,
    value: Box<dyn Decoder>,
    key_rows: Rows,
    value_rows: Rows,
    /// Metadata columns that are needed: index in the table, what, values.
    metadata: Vec<(usize, Metadata, Column)>,
    topic: Topic,
}

impl Decode {
    fn new(topic: Topic) -> Result<Self> {
        let (key_columns, value_columns) = (topic.key_columns(), topic.value_columns());
        let wanted = |columns: &[crate::formats::FormatColumn]| {
            let wanted = columns.iter().filter(|c| c.wanted);
            Rows::new(wanted.map(|c| (c.name.as_str(), &c.ty)))
        };
        let metadata = topic.metadata.iter().enumerate();
        let metadata = metadata.filter_map(|(i, m)| {
            let needed = topic.projection.needs(i);
            m.filter(|_| needed).map(|m| (i, m, Column::new(&topic.columns[i].ty)))
        });
        Ok(Decode {
            key: topic.key_format.as_ref().map(|f| f.decoder(&key_columns)).transpose()?,
            value: topic.value_format.decoder(&value_columns)?,
            key_rows: wanted(&key_columns),
            value_rows: wanted(&value_columns),
            metadata: metadata.collect(),
            topic,
        })
    }

    fn message(&mut self, message: &Message) -> Result<()> {
        let before = self.value_rows.len();
        match &message.value {
            Some(value) if self.topic.upsert => {
                self.value.decode(value, &mut self.value_rows)?;
                self.value_rows.set_kind(before, ChangeKind::UpdateAfter);
            }
            Some(value) => self.value.decode(value, &mut self.value_rows)?,
            None if self.topic.upsert => {
                self.value_rows.columns.iter_mut().for_each(Column::push_null);
                self.value_rows.end_row(ChangeKind::Delete);
            }
            // A tombstone says nothing without a key.
            None => return Ok(()),
        }
        for row in before..self.value_rows.len() {
            if let (Some(decoder), Some(key)) = (&mut self.key, &message.key) {
                decoder.decode(key, &mut self.key_rows)?;
                self.key_rows.truncate(row + 1);
            }
            // No key, or a bad one that is passed over.
            if self.key_rows.len() <= row {
                self.key_rows.columns.iter_mut().for_each(Column::push_null);
                self.key_rows.end_row(ChangeKind::Insert);
            }
            for (_, metadata, column) in &mut self.metadata {
                push_metadata(*metadata, message, column)?;
            }
        }
        Ok(())
    }

    /// The rows of all messages so far.
    fn finish(&mut self) -> Result<ChangeBatch> {
        let (keys, values) = (self.key_rows.finish()?, self.value_rows.finish()?);
        let lost = || Error::bug("a decoder left a column out");
        let mut key_columns: Vec<(usize, ArrayRef)> = vec![];
        let mut made = keys.rows().columns().iter();
        for i in &self.topic.key {
            if self.topic.is_of_key(*i) && self.topic.projection.needs(*i) {
                key_columns.push((*i, Arc::clone(made.next().ok_or_else(lost)?)));
            }
        }
        let mut value_columns: Vec<(usize, ArrayRef)> = vec![];
        let mut made = values.rows().columns().iter();
        for i in self.topic.value.iter().filter(|i| self.topic.projection.needs(**i)) {
            value_columns.push((*i, Arc::clone(made.next().ok_or_else(lost)?)));
        }
        for (i, _, column) in &mut self.metadata {
            key_columns.push((*i, column.finish()?));
        }
        let mut columns = vec![];
        for i in self.topic.projection.needed() {
            let mut all = key_columns.iter().chain(&value_columns);
            let (_, array) = all.find(|(of, _)| of == i).ok_or_else(lost)?;
            columns.push(Arc::clone(array));
        }
        let rows = values.len();
        let columns = self.topic.projection.apply(&columns, rows)?;
        let schema = Arc::clone(self.topic.projection.schema());
        ChangeBatch::from_columns(schema, columns, rows, values.kinds().map(<[_]>::to_vec))
    }
}

fn push_metadata(metadata: Metadata, message: &Message, column: &mut Column) -> Result<()> {
    match metadata {
        Metadata::Topic => column.push_bytes(message.topic.as_bytes()),
        Metadata::Partition => column.push_int(message.partition.into()),
        Metadata::Offset => column.push_int(message.offset),
        Metadata::Timestamp if message.timestamp == NO_TIMESTAMP => {
            column.push_null();
            Ok(())
        }
        Metadata::Timestamp => column.push_int(message.timestamp),
        Metadata::Headers => {
            let (names, values) = column.entries()?;
            for (name, value) in &message.headers {
                names.push_bytes(name.as_bytes())?;
                match value {
                    Some(value) => values.push_bytes(value)?,
                    None => values.push_null(),
                }
            }
            column.close()
        }
    }
}

impl Operator for Decode {
    type In = Batch<Message>;
    type Out = ChangeBatch;
    fn on_batch(&mut self, batch: Batch<Message>, out: &mut Output<ChangeBatch>) -> Result<()> {
        for message in batch.values() {
            self.message(message).map_err(|e| {
                let Message { topic, partition, offset, .. } = message;
                e.at(format!("topic '{topic}', partition {partition}, offset {offset}"))
            })?;
        }
        let rows = self.finish()?;
        if !rows.is_empty() {
            out.emit(rows);
        }
        Ok(())
    }
}
