//! Top-N and deduplication within windows: comes out when the window is over, +I only.
//!
//! Behind an exchange by the partition columns; the input carries window columns.
//!
//! Invariant: of a window and partition only the first `end` rows are kept.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use millstream_core::{Epoch, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::ChangeBatch;
use super::row::{RowCodec, hash_row};
use super::sort_key::SortKeys;
use super::spec::WindowRankSpec;
use super::state_table::{
    KeyTable, Reader, put_delimited, restore, restored_watermark, store, store_watermark,
};
use super::window::{WindowClock, milliseconds};

const STATE: &str = "window-rank-rows";

/// Rows by sort key and arrival.
type Ranked = BTreeMap<(Box<[u8]>, u64), Rc<[u8]>>;

#[derive(Default)]
struct Window {
    keys: KeyTable,
    partitions: Vec<Ranked>,
}

/// The operator of [`WindowRankSpec`].
pub struct WindowRank {
    // Configuration.
    spec: WindowRankSpec,
    clock: WindowClock,
    key_codec: RowCodec,
    row_codec: RowCodec,
    sort: SortKeys,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    windows: BTreeMap<i64, Window>,
    watermark: Watermark,
    // Rebuilt on restore.
    arrivals: u64,
}

impl WindowRank {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column cannot be sorted by or kept in state.
    pub fn new(spec: WindowRankSpec) -> Result<Self> {
        Ok(WindowRank {
            clock: WindowClock(spec.local_time.clone()),
            key_codec: RowCodec::of_columns(&spec.input, &spec.partition)?,
            row_codec: RowCodec::of_schema(&spec.input)?,
            sort: SortKeys::new(&spec.order, &spec.input)?,
            context: None,
            late: Counter::default(),
            windows: BTreeMap::new(),
            watermark: Watermark::MIN,
            arrivals: 0,
            spec,
        })
    }
    fn offer(&mut self, end: i64, key: &[u8], sort_key: &[u8], row: &[u8]) {
        let window = self.windows.entry(end).or_default();
        let (slot, new) = window.keys.find_or_insert(hash_row(key), key);
        if new {
            window.partitions.push(Ranked::new());
        }
        let ranked = &mut window.partitions[slot as usize];
        let is_full = ranked.len() as u64 >= self.spec.end;
        let newest = self.spec.newest_first;
        let behind = |last: &[u8]| if newest { *last < *sort_key } else { *last <= *sort_key };
        if is_full && ranked.last_key_value().is_none_or(|((last, _), _)| behind(last)) {
            return;
        }
        let arrival = if newest { u64::MAX - self.arrivals } else { self.arrivals };
        ranked.insert((sort_key.into(), arrival), row.into());
        self.arrivals += 1;
        if is_full {
            ranked.pop_last();
        }
    }
}

impl Operator for WindowRank {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (key, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let end = bytes.i64()?;
            let mut rows = Vec::new();
            while !bytes.0.is_empty() {
                rows.push(bytes.delimited()?);
            }
            let sort_keys = self.sort.of_stored(&self.row_codec, rows.iter().copied())?;
            for (index, row) in rows.into_iter().enumerate() {
                self.offer(end, &key, sort_keys.key(index), row);
            }
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _: &mut Output<ChangeBatch>) -> Result<()> {
        let end_column = batch.column(self.spec.window_end)?;
        let ends = milliseconds(end_column)?;
        let keys = self.key_codec.encode(&batch.columns(&self.spec.partition)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let sort_keys = self.sort.of(batch.rows().columns())?;
        let mut late = 0;
        for (row, end) in ends.into_iter().enumerate() {
            if end_column.is_null(row) || self.clock.over_at(end) <= self.watermark.0 {
                late += 1;
            } else {
                self.offer(end, keys.row(row), sort_keys.key(row), rows.row(row));
            }
        }
        self.late.add(late);
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        self.watermark = self.watermark.max(watermark);
        while let Some(window) = self.windows.first_entry() {
            if self.clock.over_at(*window.key()) > self.watermark.0 {
                break;
            }
            let window = window.remove();
            let (mut rows, mut ranks) = (Vec::new(), Vec::new());
            for ranked in &window.partitions {
                for (rank, row) in (1..).zip(ranked.values()).skip(self.spec.start as usize - 1) {
                    rows.push(row);
                    ranks.push(rank);
                }
            }
            if rows.is_empty() {
                continue;
            }
            let mut columns = self.row_codec.decode(rows.iter().map(|row| Some(&***row)))?;
            if self.spec.with_rank {
                columns.push(Arc::new(Int64Array::from(ranks)) as ArrayRef);
            }
            let output = self.spec.output.clone();
            out.emit(ChangeBatch::from_columns(output, columns, rows.len(), None)?);
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.watermark)?;
        for (end, window) in &self.windows {
            for slot in window.keys.slots() {
                let mut value = Vec::new();
                value.extend_from_slice(&end.to_le_bytes());
                let rows = window.partitions[slot as usize].values();
                rows.for_each(|row| put_delimited(&mut value, row));
                store(snapshot, STATE, context, window.keys.key(slot), value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::SortColumn;
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("n", SqlType::int()), ("p", SqlType::int()), ("e", SqlType::timestamp(3))])
    }
    fn operator() -> WindowRank {
        WindowRank::new(WindowRankSpec {
            partition: vec![],
            order: vec![SortColumn { column: 1, descending: true, nulls_first: false }],
            start: 1,
            end: 2,
            newest_first: false,
            with_rank: true,
            window_end: 2,
            local_time: None,
            input: input(),
            output: schema(&[
                ("n", SqlType::int()),
                ("p", SqlType::int()),
                ("e", SqlType::timestamp(3)),
                ("rn", SqlType::bigint()),
            ]),
        })
        .unwrap()
    }

    #[test]
    fn the_best_rows_of_a_window_come_out_in_order_and_ties_by_arrival() {
        let mut h = Harness::new(operator());
        h.push(&input(), "+I 1 5 10\n+I 2 null 10\n+I 3 5 10\n+I 4 5 10\n+I 5 1 20");
        let mut h = Harness::at(operator(), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I 6 5 10\n+I 7 null 20").watermark(9).push(&input(), "+I 8 9 10").end();
        let out = [
            "+I 1 5 10 1",
            "+I 3 5 10 2",
            "watermark 9",
            "+I 5 1 20 1",
            "+I 7 null 20 2",
            "watermark MAX",
        ];
        assert_eq!(h.take(), out);
    }
}
