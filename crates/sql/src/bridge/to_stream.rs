//! A table as a stream: the operator that makes records of columns.
//!
//! ```text
//!   SQL operators ──ChangeBatch──> ToStream ──batches──> DataStream<U>
//!                                  watermarks and idleness pass; a record's event time is
//!                                  the rowtime of its row, if the table has one
//! ```
//! Invariant: records come in the order of the changes, by the subtasks that made them.

use crate::connectors::{Changes, TableSink};
use crate::runtime::window::milliseconds;
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::RowField;
use crate::value::{Value, values_of};
use millstream_core::{Batch, Data, Result};
use millstream_runtime::{Input, JobGraph, NodeId, NodeSpec, Operator, Output};
use std::sync::{Arc, OnceLock};

/// Makes a record of a row.
pub(super) type MakeRecord<U> = Arc<dyn Fn(ChangeKind, Vec<Value>) -> Result<U> + Send + Sync>;

/// The stream that a table becomes, as its sink.
pub(super) struct StreamSink<U> {
    pub(super) fields: Arc<[RowField]>,
    /// The column of the event time.
    pub(super) rowtime: Option<usize>,
    /// Whether records say what they do to the table.
    pub(super) takes_changes: bool,
    pub(super) make: MakeRecord<U>,
    /// The operator, once it is part of a job.
    pub(super) node: OnceLock<NodeId>,
}

impl<U: Data> TableSink for StreamSink<U> {
    fn accepts(&self, changes: Changes) -> bool {
        self.takes_changes || !changes.retracts()
    }
    fn add_to(
        &self,
        graph: &mut JobGraph,
        spec: NodeSpec,
        inputs: &mut Vec<Input<ChangeBatch>>,
    ) -> Option<NodeId> {
        let (fields, rowtime, make) = (Arc::clone(&self.fields), self.rowtime, self.make.clone());
        let node = graph.add_operator(spec, std::mem::take(inputs), move |_| {
            Ok(ToStream { fields: Arc::clone(&fields), rowtime, make: Arc::clone(&make) })
        });
        let _ = self.node.set(node); // a sink is added once
        Some(node)
    }
}

struct ToStream<U> {
    fields: Arc<[RowField]>,
    rowtime: Option<usize>,
    make: MakeRecord<U>,
}

impl<U: Data> Operator for ToStream<U> {
    type In = ChangeBatch;
    type Out = Batch<U>;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<Batch<U>>) -> Result<()> {
        let times = match self.rowtime {
            Some(column) => milliseconds(batch.column(column)?)?.to_vec(),
            None => vec![],
        };
        let mut columns = vec![];
        for (array, field) in batch.rows().columns().iter().zip(&*self.fields) {
            columns.push(values_of(array, &field.ty)?.into_iter());
        }
        let mut records = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let values = columns.iter_mut().map(|c| c.next().unwrap_or(Value::Null)).collect();
            records.push((self.make)(batch.kind(row), values)?);
        }
        out.emit(Batch::from_parts(records, times));
        Ok(())
    }
}
