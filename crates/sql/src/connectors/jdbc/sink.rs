//! Writes changes to a table: by primary key, or at its end.
//!
//! With a primary key +I and +U write the row of their key and -D deletes it; -U says nothing
//! more. Without one there are only rows to add. Rows are written in batches, again after a
//! failure: at least once, and by key as if once.

use super::super::{Changes, Options, TableSink, TableSpec, step};
use super::config::{check_columns, connection, named};
use super::values;
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::SqlType;
use millstream_core::{Batch, Result};
use millstream_jdbc::{JdbcSink, SqlValue};
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use millstream_runtime::{Operator, OperatorContext, Output, Partitioner, Sink};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A change on its way from the encoder to the sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct JdbcChange {
    delete: bool,
    row: Vec<SqlValue>,
}

pub(super) struct JdbcTarget {
    sink: Arc<dyn Sink<JdbcChange>>,
    columns: Vec<SqlType>,
    key: Vec<usize>,
    parallelism: Option<usize>,
}

impl JdbcTarget {
    pub(super) fn new(table: &TableSpec, options: &Options) -> Result<Self> {
        check_columns(table)?;
        let (connection, url) = connection(options, Some("sink.max-retries"))?;
        let (schema, name) = named(options, &url)?;
        let rows = options.number("sink.buffer-flush.max-rows").unwrap_or(100);
        let interval_ms = options.duration_ms("sink.buffer-flush.interval").unwrap_or(1000);
        let interval_ms = u64::try_from(interval_ms).ok().filter(|ms| *ms > 0);
        let mut builder = JdbcSink::<JdbcChange>::builder()
            .connection(connection)
            .schema(schema)
            .table(name)
            .batch_rows(usize::try_from(rows).ok().filter(|rows| *rows > 0).unwrap_or(10_000))
            .batch_interval(interval_ms.map_or(Duration::MAX, Duration::from_millis));
        for (i, column) in table.columns.iter().enumerate() {
            builder = builder.column_of(&column.name, values::wire(&column.ty), move |change| {
                change.row.get(i).cloned().unwrap_or(SqlValue::Null)
            });
        }
        if !table.primary_key.is_empty() {
            let names = table.primary_key.iter().map(|i| table.columns[*i].name.clone());
            builder = builder.key(names).delete_when(|change| change.delete);
        }
        let parallelism = options.number("sink.parallelism");
        Ok(JdbcTarget {
            sink: Arc::new(builder.build()?),
            columns: table.columns.iter().map(|c| c.ty.clone()).collect(),
            key: table.primary_key.clone(),
            parallelism: parallelism.and_then(|n| usize::try_from(n).ok()),
        })
    }
}

impl TableSink for JdbcTarget {
    fn accepts(&self, changes: Changes) -> bool {
        changes == Changes::Append || !self.key.is_empty()
    }
    fn add_to(
        &self,
        graph: &mut JobGraph,
        spec: NodeSpec,
        inputs: &mut Vec<Input<ChangeBatch>>,
    ) -> Option<NodeId> {
        let encode = step("Encode", &spec);
        let (columns, keyed) = (self.columns.clone(), !self.key.is_empty());
        let make = move |_: &OperatorContext| Ok(Encode { columns: columns.clone(), keyed });
        let from = graph.add_operator(encode, std::mem::take(inputs), make);
        let own = self.parallelism.filter(|own| Some(*own) != spec.parallelism);
        let partitioner = match own {
            None => Partitioner::forward(),
            Some(_) if self.key.is_empty() => Partitioner::rebalance(),
            // Changes of one key stay in order.
            Some(_) => {
                let key = self.key.clone();
                Partitioner::key_group(move |change: &JdbcChange| {
                    let values: Vec<&SqlValue> =
                        key.iter().filter_map(|i| change.row.get(*i)).collect();
                    postcard::to_stdvec(&values).unwrap_or_default()
                })
            }
        };
        let spec = NodeSpec { parallelism: self.parallelism.or(spec.parallelism), ..spec };
        let inputs = vec![Input::new(from, None, partitioner)];
        Some(graph.add_sink(spec, inputs, Arc::clone(&self.sink)))
    }
}

struct Encode {
    columns: Vec<SqlType>,
    keyed: bool,
}

impl Operator for Encode {
    type In = ChangeBatch;
    type Out = Batch<JdbcChange>;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<Batch<JdbcChange>>) -> Result<()> {
        let mut changes = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let kind = batch.kind(row);
            if self.keyed && kind == ChangeKind::UpdateBefore {
                continue;
            }
            let columns = batch.rows().columns().iter().zip(&self.columns);
            let values = columns.map(|(array, ty)| values::value(array, ty, row));
            changes.push(JdbcChange {
                delete: kind == ChangeKind::Delete,
                row: values.collect::<Result<_>>()?,
            });
        }
        if !changes.is_empty() {
            out.emit(Batch::from(changes));
        }
        Ok(())
    }
}
