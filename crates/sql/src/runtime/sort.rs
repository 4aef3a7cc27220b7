//! ORDER BY: by rowtime as the watermark passes, or of all rows at the end of bounded input.
//!
//! On one subtask. With a rowtime the input is +I only, and rows at or behind the last one that
//! came out are late; without, rows may also be taken back before the end.
//!
//! Invariant: rows come out by (rowtime, sort columns, arrival).

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::Array;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::changelog_normalize::emit;
use super::row::RowCodec;
use super::sort_key::SortKeys;
use super::spec::SortSpec;
use super::state_table::{Reader, restore, restored_watermark, store, store_watermark};
use super::window::milliseconds;
use super::window_aggregate::EMIT_ROWS;
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "sort-rows";

type Place = (i64, Box<[u8]>, u64);

/// The operator of [`SortSpec`].
pub struct Sort {
    // Configuration.
    spec: SortSpec,
    codec: RowCodec,
    sort: SortKeys,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    rows: BTreeMap<Place, Rc<[u8]>>,
    /// The time of the last row that came out.
    last: Watermark,
    // Rebuilt on restore.
    arrivals: u64,
}

impl Sort {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column cannot be sorted by or kept in state.
    pub fn new(spec: SortSpec) -> Result<Self> {
        Ok(Sort {
            codec: RowCodec::of_schema(&spec.schema)?,
            sort: SortKeys::new(&spec.order, &spec.schema)?,
            context: None,
            late: Counter::default(),
            rows: BTreeMap::new(),
            last: Watermark::MIN,
            arrivals: 0,
            spec,
        })
    }
    fn put(&mut self, time: i64, key: &[u8], row: &[u8]) {
        self.rows.insert((time, key.into(), self.arrivals), row.into());
        self.arrivals += 1;
    }
    fn flush(&mut self, up_to: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        loop {
            let mut rows = Vec::new();
            while rows.len() < EMIT_ROWS
                && let Some(entry) = self.rows.first_entry()
                && entry.key().0 <= up_to
            {
                self.last = Watermark(entry.key().0);
                rows.push((ChangeKind::Insert, entry.remove()));
            }
            if rows.is_empty() {
                return Ok(());
            }
            emit(&self.codec, &self.spec.schema, rows, out)?;
        }
    }
}

impl Operator for Sort {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.last = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (_, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let time = bytes.i64()?;
            let keys = self.sort.of_stored(&self.codec, [bytes.0])?;
            self.put(time, keys.key(0), bytes.0);
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _: &mut Output<ChangeBatch>) -> Result<()> {
        let times = match self.spec.rowtime {
            None => vec![0; batch.len()],
            Some(rowtime) => {
                let column = batch.column(rowtime)?;
                if column.null_count() > 0 {
                    return Err(Error::data("the rowtime of ORDER BY is NULL")
                        .advice("filter such rows out in front of it"));
                }
                milliseconds(column)?
            }
        };
        let rows = self.codec.encode(batch.rows().columns(), batch.len())?;
        let keys = self.sort.of(batch.rows().columns())?;
        let mut late = 0;
        for (row, time) in times.into_iter().enumerate() {
            let (key, bytes) = (keys.key(row), rows.row(row));
            if self.spec.rowtime.is_some() && time <= self.last.0 {
                late += 1;
            } else if batch.kind(row).is_add() {
                self.put(time, key, bytes);
            } else {
                let range = (time, Box::from(key), 0)..=(time, Box::from(key), u64::MAX);
                let found = self.rows.range::<Place, _>(range).find(|(_, r)| ***r == *bytes);
                if let Some(place) = found.map(|(place, _)| place.clone()) {
                    self.rows.remove(&place);
                }
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
        if self.spec.rowtime.is_some() {
            self.flush(watermark.0, out)?;
        }
        Ok(Progress::Done)
    }
    fn on_end(&mut self, out: &mut Output<ChangeBatch>) -> Result<()> {
        self.flush(i64::MAX, out)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.last)?;
        for ((time, ..), row) in &self.rows {
            let mut value = time.to_le_bytes().to_vec();
            value.extend_from_slice(row);
            store(snapshot, STATE, context, &[], value)?;
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
        schema(&[("v", SqlType::int()), ("t", SqlType::timestamp(3))])
    }
    fn operator(rowtime: bool) -> Sort {
        let order = vec![SortColumn { column: 0, descending: true, nulls_first: false }];
        Sort::new(SortSpec { rowtime: rowtime.then_some(1), order, schema: input() }).unwrap()
    }

    #[test]
    fn rows_come_out_by_time_and_late_ones_do_not() {
        let mut h = Harness::new(operator(true));
        h.push(&input(), "+I 1 20\n+I 1 10\n+I null 10\n+I 5 10\n+I 9 30").watermark(20);
        let out = ["+I 5 10", "+I 1 10", "+I null 10", "+I 1 20", "watermark 20"];
        assert_eq!(h.take(), out);
        let mut h = Harness::at(operator(true), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I 7 20\n+I 7 21").end();
        assert_eq!(h.take(), ["+I 7 21", "+I 9 30", "watermark MAX"]);
        let mut h = Harness::new(operator(true));
        h.push(&input(), "+I 1 10\n+I 9 30").watermark(20).push(&input(), "+I 4 15\n+I 5 10");
        assert_eq!(h.take(), ["+I 1 10", "watermark 20"]);
        h.watermark(21);
        assert_eq!(h.take(), ["+I 4 15", "watermark 21"], "behind the watermark, and not too late");
    }

    #[test]
    fn bounded_input_is_sorted_at_its_end() {
        let mut h = Harness::new(operator(false));
        h.push(&input(), "+I 1 0\n+I 3 0\n-D 3 0\n+I 2 0\n+I null 0").end();
        assert_eq!(h.take(), ["watermark MAX", "+I 2 0", "+I 1 0", "+I null 0"]);
    }
}
