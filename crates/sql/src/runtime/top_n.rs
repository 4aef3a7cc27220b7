//! Top-N: the first rows of each partition by an order, kept up to date. Also LIMIT.
//!
//! ```text
//!   partition ──> rows by (sort key, arrival); ranks start..=end are what the table shows
//!   batch: ranks before, ranks after ──> the difference comes out
//! ```
//! Behind an exchange by the partition columns.
//!
//! With the rank column a change moves row contents between ranks (-U/+U by rank); without
//! it rows come (+I) and go (-D), or replace each other where there is only one.
//!
//! Invariants: over +I input only the first `end` rows are kept; over other input all rows
//! are, because any of them may move up. What came out is always the ranks after the last batch.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use hashbrown::HashMap;
use millstream_core::{Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::agg::native::ordered_integers;
use super::backing::{SlotState, States};
use super::row::RowCodec;
use super::sort_key::SortKeys;
use super::spec::{RankEnd, TopNSpec};
use super::state_table::{KeyTable, KeyedValues, Reader, Slot, put_delimited};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "top-n-rows";

type Row = Rc<[u8]>;
type Place = (Box<[u8]>, u64);
/// The rows that a partition shows.
type Shown = (Slot, Vec<Row>);

/// The rows of one partition.
#[derive(Clone, Default)]
struct Partition {
    rows: BTreeMap<Place, Row>,
    arrivals: u64,
    /// The last rank, when it comes from a column.
    end: Option<u64>,
    /// For upserts: where the row of a key is.
    places: HashMap<Box<[u8]>, Place>,
}

impl Partition {
    fn insert(&mut self, key: &[u8], row: Row) -> Place {
        let place = (Box::from(key), self.arrivals);
        self.arrivals += 1;
        self.rows.insert(place.clone(), row);
        place
    }
    /// Removes the earliest row with this key and content.
    fn remove(&mut self, key: &[u8], row: &[u8]) {
        let range = (Box::from(key), 0)..=(Box::from(key), u64::MAX);
        let found = self.rows.range::<Place, _>(range).find(|(_, r)| ***r == *row);
        if let Some(place) = found.map(|(place, _)| place.clone()) {
            self.rows.remove(&place);
        }
    }
    fn shown(&self, start: u64, end: u64) -> Vec<Row> {
        let (start, end) = (start.max(1) - 1, end);
        let count = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        self.rows.values().skip(start as usize).take(count).cloned().collect()
    }
}

/// The operator of [`TopNSpec`].
pub struct TopN {
    // Configuration.
    spec: TopNSpec,
    partition_codec: RowCodec,
    row_codec: RowCodec,
    row_key_codec: Option<RowCodec>,
    sort: SortKeys,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    partitions: KeyedValues<Partition>,
}

impl TopN {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column cannot be sorted by or kept in state.
    pub fn new(spec: TopNSpec) -> Result<Self> {
        let row_key_codec = match &spec.row_key {
            Some(columns) => Some(RowCodec::of_columns(&spec.input, columns)?),
            None => None,
        };
        Ok(TopN {
            partition_codec: RowCodec::of_columns(&spec.input, &spec.partition)?,
            row_codec: RowCodec::of_schema(&spec.input)?,
            row_key_codec,
            sort: SortKeys::new(&spec.order, &spec.input)?,
            context: None,
            states: None,
            partitions: KeyedValues::new(spec.ttl_ms),
            spec,
        })
    }
    /// Number of rows in state.
    pub fn row_count(&self) -> usize {
        self.partitions.iter().map(|(.., partition)| partition.rows.len()).sum()
    }
    fn end(&self, slot: Slot) -> u64 {
        match self.spec.end {
            RankEnd::Constant(end) => end,
            RankEnd::Column(_) => self.partitions[slot].end.unwrap_or(0),
        }
    }
    fn keeps_all(&self) -> bool {
        self.spec.input_retracts || self.spec.row_key.is_some()
    }
    /// Whether a row more is a row too many.
    fn is_full(&self, slot: Slot) -> bool {
        !self.keeps_all() && self.partitions[slot].rows.len() as u64 >= self.end(slot)
    }
    /// Whether a row with this sort key cannot be among the first of a partition.
    fn is_beyond(&self, slot: Slot, sort_key: &[u8]) -> bool {
        let last = || self.partitions[slot].rows.last_key_value();
        self.is_full(slot) && last().is_none_or(|((last, _), _)| **last <= *sort_key)
    }
    /// Changes the partitions; what each touched one showed before, and the bytes of new rows.
    fn apply(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<(Vec<Shown>, usize)> {
        let keys =
            self.partition_codec.encode(&batch.columns(&self.spec.partition)?, batch.len())?;
        let ends = match self.spec.end {
            RankEnd::Constant(_) => None,
            RankEnd::Column(column) => Some(batch.column(column)?),
        };
        let end_values = ends.map(ordered_integers).transpose()?;
        self.fetch(&keys)?;
        let all_sort_keys = self.sort.of(batch.rows().columns())?;
        // Most rows of a full partition are not among its first.
        let (mut chosen, mut slots) = (Vec::with_capacity(batch.len()), Vec::new());
        for row in 0..batch.len() {
            let (slot, _) = self.partitions.enter(keys.row(row), now_ms);
            if let (Some(values), Some(column)) = (&end_values, ends) {
                let end = if column.is_null(row) { 0 } else { values[row].max(0) as u64 };
                self.partitions[slot].end.get_or_insert(end);
            }
            if !self.is_beyond(slot, all_sort_keys.key(row)) {
                chosen.push(row as u32);
                slots.push(slot);
            }
        }
        let batch = batch.take(&chosen)?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let row_keys = match (&self.row_key_codec, &self.spec.row_key) {
            (Some(codec), Some(key)) => Some(codec.encode(&batch.columns(key)?, batch.len())?),
            _ => None,
        };
        let mut before: Vec<Shown> = Vec::new();
        let mut seen: HashMap<Slot, (), foldhash::fast::RandomState> = HashMap::default();
        for (row, (slot, place)) in slots.into_iter().zip(chosen).enumerate() {
            let (sort_key, kind) = (all_sort_keys.key(place as usize), batch.kind(row));
            // Others of the batch may have come in between.
            if self.is_beyond(slot, sort_key) {
                continue;
            }
            let end = self.end(slot);
            let is_full = self.is_full(slot);
            let partition = &mut self.partitions[slot];
            if seen.insert(slot, ()).is_none() {
                before.push((slot, partition.shown(self.spec.start, end)));
            }
            let bytes = || Row::from(rows.row(row));
            match (&row_keys, kind.is_add()) {
                (Some(row_keys), add) => {
                    let row_key = row_keys.row(row);
                    if kind == ChangeKind::UpdateBefore {
                        continue;
                    }
                    let former = partition.places.remove(row_key);
                    if let (true, Some(place)) = (add, &former)
                        && *place.0 == *sort_key
                    {
                        // A row that keeps its sort key keeps its place.
                        partition.rows.insert(place.clone(), bytes());
                        partition.places.insert(row_key.into(), place.clone());
                        continue;
                    }
                    if let Some(place) = former {
                        partition.rows.remove(&place);
                    }
                    if add {
                        let place = partition.insert(sort_key, bytes());
                        partition.places.insert(row_key.into(), place);
                    }
                }
                (None, true) => {
                    partition.insert(sort_key, bytes());
                    if is_full {
                        partition.rows.pop_last();
                    }
                }
                (None, false) => partition.remove(sort_key, rows.row(row)),
            }
        }
        Ok((before, rows.byte_count()))
    }
    /// The difference between what partitions showed and what they show now.
    fn changes(&self, before: &[Shown]) -> Result<Option<ChangeBatch>> {
        let (mut kinds, mut rows, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
        let mut put = |kind: ChangeKind, row: &Row, rank: u64| {
            kinds.push(kind);
            rows.push(row.clone());
            ranks.push(rank as i64);
        };
        for (slot, old) in before {
            let new = self.partitions[*slot].shown(self.spec.start, self.end(*slot));
            let single = old.len() == 1 && new.len() == 1 && self.spec.start == self.end(*slot);
            if self.spec.with_rank || single {
                for index in 0..old.len().max(new.len()) {
                    let rank = self.spec.start + index as u64;
                    match (old.get(index), new.get(index)) {
                        (None, Some(new)) => put(ChangeKind::Insert, new, rank),
                        (Some(old), None) => put(ChangeKind::Delete, old, rank),
                        (Some(old), Some(new)) if old != new => {
                            if self.spec.update_before {
                                put(ChangeKind::UpdateBefore, old, rank);
                            }
                            put(ChangeKind::UpdateAfter, new, rank);
                        }
                        _ => {}
                    }
                }
                continue;
            }
            let mut counts: HashMap<&[u8], i64> = HashMap::new();
            for row in &new {
                *counts.entry(row).or_insert(0) += 1;
            }
            for row in old {
                let count = counts.entry(row).or_insert(0);
                *count -= 1;
                if *count < 0 {
                    put(ChangeKind::Delete, row, 0);
                }
            }
            let mut kept: HashMap<&[u8], i64> = HashMap::new();
            for row in old {
                *kept.entry(row).or_insert(0) += 1;
            }
            for row in &new {
                let count = kept.entry(row).or_insert(0);
                *count -= 1;
                if *count < 0 {
                    put(ChangeKind::Insert, row, 0);
                }
            }
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let count = kinds.len();
        let mut columns = self.row_codec.decode(rows.iter().map(|row| Some(&**row)))?;
        if self.spec.with_rank {
            columns.push(Arc::new(Int64Array::from(ranks)) as ArrayRef);
        }
        ChangeBatch::from_columns(self.spec.output.clone(), columns, count, Some(kinds)).map(Some)
    }
}

impl Operator for TopN {
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
        let (before, bytes) = self.apply(&batch, now_ms)?;
        let changes = self.changes(&before)?;
        for (slot, _) in before {
            if self.partitions[slot].rows.is_empty() {
                self.partitions.remove(slot);
            }
        }
        if let Some(changes) = changes {
            out.emit(changes);
        }
        self.settle(batch.len(), bytes)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for TopN {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.partitions.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let (touched_ms, end) = (bytes.i64()?, bytes.i64()?);
        let mut rows = Vec::new();
        while !bytes.0.is_empty() {
            rows.push(bytes.delimited()?);
        }
        let columns = self.row_codec.decode(rows.iter().map(|row| Some(*row)))?;
        let sort_keys = self.sort.of(&columns)?;
        let row_keys = match (&self.row_key_codec, &self.spec.row_key) {
            (Some(codec), Some(key)) => {
                let key: Vec<ArrayRef> = key.iter().map(|i| columns[*i].clone()).collect();
                Some(codec.encode(&key, rows.len())?)
            }
            _ => None,
        };
        let mut partition = Partition { end: u64::try_from(end).ok(), ..Partition::default() };
        for (index, row) in rows.into_iter().enumerate() {
            let place = partition.insert(sort_keys.key(index), row.into());
            if let Some(row_keys) = &row_keys {
                partition.places.insert(row_keys.row(index).into(), place);
            }
        }
        self.partitions.fill(slot, touched_ms, partition);
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.partitions.touched_ms(slot).to_le_bytes());
        let partition = &self.partitions[slot];
        let end = partition.end.map_or(-1, |end| end as i64);
        out.extend_from_slice(&end.to_le_bytes());
        // In order, so that ties keep their order when they are put back.
        partition.rows.values().for_each(|row| put_delimited(out, row));
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.partitions.clear(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::SortColumn;
    use super::super::testing::{Harness, applied, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;
    use proptest::prelude::*;

    fn input() -> SchemaRef {
        schema(&[("n", SqlType::int()), ("k", SqlType::string()), ("p", SqlType::int())])
    }
    fn spec(with_rank: bool, retracts: bool) -> TopNSpec {
        let mut columns =
            vec![("n", SqlType::int()), ("k", SqlType::string()), ("p", SqlType::int())];
        if with_rank {
            columns.push(("rn", SqlType::bigint()));
        }
        TopNSpec {
            partition: vec![1],
            order: vec![SortColumn { column: 2, descending: true, nulls_first: false }],
            start: 1,
            end: RankEnd::Constant(2),
            with_rank,
            input_retracts: retracts,
            row_key: None,
            update_before: true,
            ttl_ms: None,
            input: input(),
            output: schema(&columns),
        }
    }
    fn harness(spec: TopNSpec) -> Harness<TopN> {
        Harness::new(TopN::new(spec).unwrap())
    }

    #[test]
    fn ranks_are_rewritten_as_better_rows_come() {
        let mut h = harness(spec(true, false));
        h.push_each(&input(), "+I 1 r 5\n+I 2 r 9\n+I 3 b null\n+I 4 r 9\n+I 5 r 1\n+I 6 r 12");
        let out = [
            "+I 1 r 5 1",
            "-U 1 r 5 1",
            "+U 2 r 9 1",
            "+I 1 r 5 2",
            "+I 3 b null 1",
            "-U 1 r 5 2",
            "+U 4 r 9 2",
            "-U 2 r 9 1",
            "+U 6 r 12 1",
            "-U 4 r 9 2",
            "+U 2 r 9 2",
        ];
        assert_eq!(h.take(), out);
        assert_eq!(h.operator().row_count(), 3);
    }

    #[test]
    fn without_the_rank_rows_come_and_go_and_a_lone_row_is_replaced() {
        let mut h = harness(spec(false, false));
        h.push_each(&input(), "+I 1 r 5\n+I 2 r 9\n+I 3 r 7");
        assert_eq!(h.take(), ["+I 1 r 5", "+I 2 r 9", "-D 1 r 5", "+I 3 r 7"]);
        let mut h = harness(TopNSpec { end: RankEnd::Constant(1), ..spec(false, false) });
        h.push_each(&input(), "+I 1 r 5\n+I 2 r 9");
        assert_eq!(h.take(), ["+I 1 r 5", "-U 1 r 5", "+U 2 r 9"]);
    }

    #[test]
    fn a_row_that_goes_lets_others_move_up() {
        let mut h = harness(spec(true, true));
        h.push(&input(), "+I 1 r 5\n+I 2 r 9\n+I 3 r 7").take();
        let state = h.snapshot();
        let mut h = Harness::at(TopN::new(spec(true, true)).unwrap(), 0, 1, vec![state]);
        h.push(&input(), "-D 2 r 9");
        assert_eq!(h.take(), ["-U 2 r 9 1", "+U 3 r 7 1", "-U 3 r 7 2", "+U 1 r 5 2"]);
        h.push(&input(), "-D 1 r 5\n-D 3 r 7");
        assert_eq!(h.take(), ["-D 3 r 7 1", "-D 1 r 5 2"]);
        assert_eq!(h.operator().partitions.len(), 0);
    }

    #[test]
    fn upserts_move_a_row_by_its_key() {
        let mut h = harness(TopNSpec { row_key: Some(vec![0]), ..spec(true, false) });
        h.push(&input(), "+I 1 r 5\n+I 2 r 9\n+I 3 r 7\n+U 1 r 10").take();
        h.push(&input(), "+U 2 r 1");
        assert_eq!(h.take(), ["-U 2 r 9 2", "+U 3 r 7 2"]);
        h.push(&input(), "-D 1 r 10");
        assert_eq!(h.take(), ["-U 1 r 10 1", "+U 3 r 7 1", "-U 3 r 7 2", "+U 2 r 1 2"]);
    }

    #[test]
    fn the_last_rank_may_come_from_a_column_and_the_first_be_an_offset() {
        let mut h = harness(TopNSpec { end: RankEnd::Column(0), ..spec(false, false) });
        h.push(&input(), "+I 2 a 1\n+I 2 a 5\n+I 2 a 3\n+I 1 b 4\n+I 1 b 9");
        assert_eq!(h.take(), ["+I 2 a 5", "+I 2 a 3", "+I 1 b 9"]);
        let offset = TopNSpec { start: 2, end: RankEnd::Constant(3), ..spec(true, false) };
        let mut h = harness(offset);
        h.push(&input(), "+I 1 r 5\n+I 2 r 9\n+I 3 r 7\n+I 4 r 1");
        assert_eq!(h.take(), ["+I 3 r 7 2", "+I 1 r 5 3"]);
    }

    proptest! {
        #[test]
        fn what_came_out_is_the_top_of_what_came_in(
            steps in prop::collection::vec((prop::bool::weighted(0.7), 0i32..2, 0i32..4), 0..60),
            cut in 1usize..7, with_rank: bool, start in 1u64..3
        ) {
            let spec = TopNSpec { start, ..spec(with_rank, true) };
            let mut h = harness(spec);
            // (partition, points, arrival)
            let mut table: Vec<(i32, i32, usize)> = Vec::new();
            let mut changes = Vec::new();
            for (chunk_index, chunk) in steps.chunks(cut).enumerate() {
                let mut text = String::new();
                for (i, (add, k, p)) in chunk.iter().enumerate() {
                    let arrival = chunk_index * cut + i;
                    let found = table.iter().position(|row| (row.0, row.1) == (*k, *p));
                    match (add, found) {
                        (false, Some(at)) => {
                            let row = table.remove(at);
                            text.push_str(&format!("-D {} k{k} {p}\n", row.2));
                        }
                        _ => {
                            table.push((*k, *p, arrival));
                            text.push_str(&format!("+I {arrival} k{k} {p}\n"));
                        }
                    }
                }
                h.push(&input(), &text);
                changes.extend(h.take());
            }
            let mut expected = Vec::new();
            for k in 0..2 {
                let mut rows: Vec<_> = table.iter().filter(|row| row.0 == k).collect();
                rows.sort_by_key(|row| (-row.1, row.2));
                for (rank, row) in rows.iter().enumerate().take(2).skip(start as usize - 1) {
                    let rank = if with_rank { format!(" {}", rank + 1) } else { String::new() };
                    expected.push(format!("{} k{k} {}{rank}", row.2, row.1));
                }
            }
            expected.sort();
            prop_assert_eq!(applied(&changes), expected);
        }
    }
}
