//! A stream as a table: the operator that makes columns of records.
//!
//! ```text
//!   DataStream<T> ──batches──> FromStream ──ChangeBatch──> SQL operators
//!                              watermarks and idleness pass
//! ```
//! Invariant: rows come in the order of the records, so a changelog stays one: the operator has
//! the parallelism of what is in front of it.

use super::encode::{Encoder, Origin};
use crate::connectors::{Changes, Needed, TableReader, TableSource, TableSpec};
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::{RowField, TypeKind};
use millstream_core::{Batch, Data, Error, NO_TIMESTAMP, Result};
use millstream_runtime::{Input, JobGraph, NodeId, NodeSpec, Operator, OperatorContext, Output};
use std::sync::Arc;

/// Makes the inputs of an operator that reads the stream.
pub(super) type MakeInputs<T> = Arc<dyn Fn() -> Vec<Input<Batch<T>>> + Send + Sync>;

/// The stream of a table.
pub(super) struct StreamSource<T, U> {
    inputs: MakeInputs<T>,
    /// What a record does to the table, and what of it is the row.
    split: fn(&T) -> (ChangeKind, &U),
    changes: Changes,
    /// The table, for errors.
    name: String,
    fields: Arc<[RowField]>,
    origins: Arc<[Origin]>,
}

impl<T: Data, U: Data> StreamSource<T, U> {
    /// # Errors
    /// `Config`: a metadata column that a stream does not have.
    pub(super) fn new(
        inputs: MakeInputs<T>,
        split: fn(&T) -> (ChangeKind, &U),
        changes: Changes,
        table: &TableSpec,
    ) -> Result<Self> {
        let (mut fields, mut origins) = (vec![], vec![]);
        for column in &table.columns {
            origins.push(match column.metadata.as_deref() {
                None => Origin::Field,
                Some("rowtime") => Origin::EventTime,
                Some(other) => {
                    let what = format!("a stream has no metadata '{other}'");
                    return Err(Error::config(what).advice("its only metadata is 'rowtime'"));
                }
            });
            let is_time = matches!(column.ty.kind, TypeKind::TimestampLtz(0..=3));
            if column.metadata.is_some() && !is_time {
                let what = format!("metadata 'rowtime' cannot be {}", column.ty);
                return Err(Error::config(what).advice("declare it as TIMESTAMP_LTZ(3)"));
            }
            fields.push(RowField { name: column.name.clone(), ty: column.ty.clone() });
        }
        let name = table.name.clone();
        let (fields, origins) = (fields.into(), origins.into());
        Ok(StreamSource { inputs, split, changes, name, fields, origins })
    }
}

impl<T: Data, U: Data> TableSource for StreamSource<T, U> {
    fn changes(&self) -> Changes {
        self.changes
    }
    fn is_stream(&self) -> bool {
        true
    }
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        let unread = |(origin, needed): (&Origin, &Needed)| match needed {
            Needed::No => Origin::Unread,
            _ => *origin,
        };
        Ok(Some(Arc::new(StreamSource {
            inputs: Arc::clone(&self.inputs),
            split: self.split,
            changes: self.changes,
            name: self.name.clone(),
            fields: Arc::clone(&self.fields),
            origins: self.origins.iter().zip(needed).map(unread).collect(),
        })))
    }
    fn create_reader(&self, _: &OperatorContext) -> Result<Box<dyn TableReader>> {
        Err(Error::bug("a stream is read by an operator"))
    }
    fn add_to(&self, graph: &mut JobGraph, spec: NodeSpec) -> Option<NodeId> {
        let inputs = (self.inputs)();
        let default = spec.parallelism.unwrap_or(1);
        let parallelism = inputs.iter().map(|i| graph.parallelism_of(i.node(), default)).max();
        let spec = NodeSpec { parallelism, ..spec };
        let (split, name) = (self.split, self.name.clone());
        let (fields, origins) = (Arc::clone(&self.fields), Arc::clone(&self.origins));
        Some(graph.add_operator(spec, inputs, move |_| {
            let encoder = Encoder::new(&fields, &origins);
            Ok(FromStream { encoder, split, name: name.clone() })
        }))
    }
}

struct FromStream<T, U> {
    encoder: Encoder,
    split: fn(&T) -> (ChangeKind, &U),
    name: String,
}

impl<T: Data, U: Data> Operator for FromStream<T, U> {
    type In = Batch<T>;
    type Out = ChangeBatch;
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<ChangeBatch>) -> Result<()> {
        for (row, record) in batch.values().iter().enumerate() {
            let event_time = Some(batch.timestamp(row)).filter(|time| *time != NO_TIMESTAMP);
            let (kind, value) = (self.split)(record);
            self.encoder.push(value, event_time, kind).map_err(|e| {
                let advice = match event_time {
                    None => {
                        "give the source a WatermarkStrategy with timestamps, or make the \
                             schema fit the record"
                    }
                    Some(_) => "make the schema fit the record, or map the records first",
                };
                e.into_data(advice).at(format!("table '{}', record {record:?}", self.name))
            })?;
        }
        out.emit(self.encoder.finish()?);
        Ok(())
    }
}
