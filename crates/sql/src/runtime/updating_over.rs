//! OVER by columns that are no time attribute: a new row changes the rows behind it.
//!
//! Behind an exchange by the partition columns. Input may hold any changes.
//!
//! Invariant: every row of a touched partition carries the result that came out last. A batch
//! computes each touched partition anew, which is linear in its size.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::ArrayRef;
use hashbrown::HashSet;
use millstream_core::{Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::agg::Aggregates;
use super::agg::user::UserFunctions;
use super::backing::{SlotState, States};
use super::row::RowCodec;
use super::sort_key::SortKeys;
use super::spec::UpdatingOverSpec;
use super::state_table::{KeyTable, KeyedValues, Reader, Slot, put_delimited};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "updating-over-rows";

type Row = Rc<[u8]>;

#[derive(Clone)]
struct Entry {
    row: Row,
    /// The result that came out last.
    result: Option<Row>,
}

/// Rows by sort key and arrival.
#[derive(Clone, Default)]
struct Partition {
    entries: BTreeMap<(Box<[u8]>, u64), Entry>,
    arrivals: u64,
}

/// The operator of [`UpdatingOverSpec`].
pub struct UpdatingOver {
    // Configuration.
    spec: UpdatingOverSpec,
    key_codec: RowCodec,
    row_codec: RowCodec,
    result_codec: RowCodec,
    sort: SortKeys,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    partitions: KeyedValues<Partition>,
    // Of the partition at hand: slot 0 only.
    aggregates: Aggregates,
}

impl UpdatingOver {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: a function or a type is not supported.
    pub fn new(spec: UpdatingOverSpec, functions: &UserFunctions) -> Result<Self> {
        let results: Vec<usize> = (spec.input.fields().len()..spec.output.fields().len()).collect();
        let mut aggregates = Aggregates::new(&spec.calls, false, functions)?;
        aggregates.grow(1);
        Ok(UpdatingOver {
            key_codec: RowCodec::of_columns(&spec.input, &spec.partition)?,
            row_codec: RowCodec::of_schema(&spec.input)?,
            result_codec: RowCodec::of_columns(&spec.output, &results)?,
            sort: SortKeys::new(&spec.order, &spec.input)?,
            context: None,
            states: None,
            partitions: KeyedValues::new(spec.ttl_ms),
            aggregates,
            spec,
        })
    }
    /// The result of each row of a partition, in order.
    fn results(&mut self, slot: Slot) -> Result<Vec<Row>> {
        let entries = &self.partitions[slot].entries;
        let columns = self.row_codec.decode(entries.values().map(|e| Some(&*e.row)))?;
        let sort_keys: Vec<&[u8]> = entries.keys().map(|(key, _)| &**key).collect();
        self.aggregates.clear(0);
        let mut results = Vec::with_capacity(sort_keys.len());
        let mut at = 0;
        while at < sort_keys.len() {
            let mut end = at + 1;
            while self.spec.range && end < sort_keys.len() && sort_keys[end] == sort_keys[at] {
                end += 1;
            }
            let rows: Vec<u32> = (at as u32..end as u32).collect();
            self.aggregates.update(&columns, &rows, &vec![0; rows.len()], None)?;
            let result: Vec<ArrayRef> = self.aggregates.results(&[0])?;
            let result = Row::from(self.result_codec.encode(&result, 1)?.row(0));
            results.resize(end, result);
            at = end;
        }
        Ok(results)
    }
}

impl Operator for UpdatingOver {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.partitions.ttl_ms())?;
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now_ms = self.partitions.sweep(self.context.as_ref());
        let keys = self.key_codec.encode(&batch.columns(&self.spec.partition)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let sort_keys = self.sort.of(batch.rows().columns())?;
        self.fetch(&keys)?;
        let (mut touched, mut seen) = (Vec::new(), HashSet::new());
        // Kind, row, result.
        let mut changes: Vec<(ChangeKind, Row, Row)> = Vec::new();
        for row in 0..batch.len() {
            let (slot, _) = self.partitions.enter(keys.row(row), now_ms);
            if seen.insert(slot) {
                touched.push(slot);
            }
            let partition = &mut self.partitions[slot];
            let (sort_key, bytes) = (sort_keys.key(row), rows.row(row));
            if batch.kind(row).is_add() {
                let place = (sort_key.into(), partition.arrivals);
                partition.entries.insert(place, Entry { row: bytes.into(), result: None });
                partition.arrivals += 1;
                continue;
            }
            let range = (Box::from(sort_key), 0)..=(Box::from(sort_key), u64::MAX);
            let mut range = partition.entries.range::<(Box<[u8]>, u64), _>(range);
            let place = range.find(|(_, e)| *e.row == *bytes).map(|(place, _)| place.clone());
            if let Some(gone) = place.and_then(|place| partition.entries.remove(&place))
                && let Some(result) = gone.result
            {
                changes.push((ChangeKind::Delete, gone.row, result));
            }
        }
        for slot in touched {
            let results = self.results(slot)?;
            let partition = &mut self.partitions[slot];
            for (entry, result) in partition.entries.values_mut().zip(results) {
                match entry.result.replace(result.clone()) {
                    None => changes.push((ChangeKind::Insert, entry.row.clone(), result)),
                    Some(former) if former != result => {
                        if self.spec.update_before {
                            changes.push((ChangeKind::UpdateBefore, entry.row.clone(), former));
                        }
                        changes.push((ChangeKind::UpdateAfter, entry.row.clone(), result));
                    }
                    Some(_) => {}
                }
            }
            if partition.entries.is_empty() {
                self.partitions.remove(slot);
            }
        }
        if changes.is_empty() {
            return self.settle(batch.len(), rows.byte_count());
        }
        let mut columns = self.row_codec.decode(changes.iter().map(|(_, row, _)| Some(&**row)))?;
        columns.extend(self.result_codec.decode(changes.iter().map(|(.., r)| Some(&**r)))?);
        let kinds = changes.iter().map(|(kind, ..)| *kind).collect();
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, changes.len(), Some(kinds))?);
        self.settle(batch.len(), rows.byte_count())
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for UpdatingOver {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.partitions.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let touched_ms = bytes.i64()?;
        let mut entries = Vec::new();
        while !bytes.0.is_empty() {
            entries.push((bytes.delimited()?, bytes.delimited()?));
        }
        let sort_keys =
            self.sort.of_stored(&self.row_codec, entries.iter().map(|(row, _)| *row))?;
        let mut partition = Partition::default();
        for (index, (row, result)) in entries.into_iter().enumerate() {
            let place = (sort_keys.key(index).into(), partition.arrivals);
            let entry = Entry { row: row.into(), result: Some(result.into()) };
            partition.entries.insert(place, entry);
            partition.arrivals += 1;
        }
        self.partitions.fill(slot, touched_ms, partition);
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.partitions.touched_ms(slot).to_le_bytes());
        for entry in self.partitions[slot].entries.values() {
            put_delimited(out, &entry.row);
            put_delimited(out, entry.result.as_deref().unwrap_or_default());
        }
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.partitions.clear(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{AggCall, AggFunction, SortColumn};
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("n", SqlType::int()), ("k", SqlType::string()), ("p", SqlType::int())])
    }
    fn operator(range: bool) -> UpdatingOver {
        let count = AggCall {
            function: AggFunction::Count,
            args: vec![],
            arg_types: vec![],
            distinct: false,
            filter: None,
            result: SqlType::bigint(),
        };
        let spec = UpdatingOverSpec {
            partition: vec![1],
            order: vec![SortColumn { column: 2, descending: false, nulls_first: true }],
            range,
            calls: vec![count],
            update_before: true,
            ttl_ms: None,
            input: input(),
            output: schema(&[
                ("n", SqlType::int()),
                ("k", SqlType::string()),
                ("p", SqlType::int()),
                ("c", SqlType::bigint()),
            ]),
        };
        UpdatingOver::new(spec, &UserFunctions::default()).unwrap()
    }

    #[test]
    fn rows_behind_a_new_one_are_updated() {
        let mut h = Harness::new(operator(false));
        h.push(&input(), "+I 1 r 5\n+I 2 r 9");
        assert_eq!(h.take(), ["+I 1 r 5 1", "+I 2 r 9 2"]);
        let mut h = Harness::at(operator(false), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I 3 r null");
        let out = ["+I 3 r null 1", "-U 1 r 5 1", "+U 1 r 5 2", "-U 2 r 9 2", "+U 2 r 9 3"];
        assert_eq!(h.take(), out);
        h.push(&input(), "-D 1 r 5");
        assert_eq!(h.take(), ["-D 1 r 5 2", "-U 2 r 9 3", "+U 2 r 9 2"]);
    }

    #[test]
    fn ties_count_together_in_a_range() {
        let mut h = Harness::new(operator(true));
        h.push(&input(), "+I 1 r 5\n+I 2 r 5\n+I 3 r 6");
        assert_eq!(h.take(), ["+I 1 r 5 2", "+I 2 r 5 2", "+I 3 r 6 3"]);
    }
}
