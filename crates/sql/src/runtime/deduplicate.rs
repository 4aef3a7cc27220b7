//! Deduplication: the first or the last row of each key, by arrival or by rowtime.
//!
//! Behind an exchange by the key. Input is +I only.
//!
//! The last row by rowtime replaces one that is not newer; rows that come out of order are
//! dropped. Every accepted row comes out, none is skipped within a batch: a temporal join
//! behind sees each version. The first row by rowtime is known when the watermark has passed
//! it; it comes out then, once, and rows behind the watermark are late.
//!
//! Invariant: a key has one row, or the mark that its first row has come out.

use std::collections::BTreeSet;
use std::rc::Rc;

use arrow_array::{Array, BooleanArray};
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::backing::{SlotState, States};
use super::change_batch::interleave_tables;
use super::row::{RowCodec, hash_row};
use super::spec::{DeduplicateSpec, Keep};
use super::state_table::{
    Expiry, KeyTable, Reader, Slot, put_delimited, restored_watermark, store_watermark,
};
use super::window::milliseconds;
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "deduplicated-rows";

/// What is known of a key.
#[derive(Clone, Default)]
struct Kept {
    time: i64,
    /// The row, where it is needed again.
    row: Option<Rc<[u8]>>,
}

/// The operator of [`DeduplicateSpec`].
pub struct Deduplicate {
    // Configuration.
    spec: DeduplicateSpec,
    key_codec: RowCodec,
    row_codec: RowCodec,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    states: Option<States>,
    keys: KeyTable,
    kept: Vec<Kept>,
    expiry: Expiry,
    watermark: Watermark,
    // Rebuilt on restore.
    /// First rows that wait for the watermark, by time.
    waiting: BTreeSet<(i64, Slot)>,
}

impl Deduplicate {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: DeduplicateSpec) -> Result<Self> {
        Ok(Deduplicate {
            key_codec: RowCodec::of_columns(&spec.schema, &spec.keys)?,
            row_codec: RowCodec::of_schema(&spec.schema)?,
            context: None,
            states: None,
            late: Counter::default(),
            keys: KeyTable::default(),
            kept: Vec::new(),
            expiry: Expiry::new(spec.ttl_ms),
            watermark: Watermark::MIN,
            waiting: BTreeSet::new(),
            spec,
        })
    }
    fn grow(&mut self, slot: Slot) {
        if self.kept.len() <= slot as usize {
            self.kept.resize(slot as usize + 1, Kept::default());
        }
    }
    /// The slot of a key, and whether it is new (or was, before its time was over).
    fn slot(&mut self, key: &[u8], now_ms: i64) -> (Slot, bool) {
        let (slot, new) = self.keys.find_or_insert(hash_row(key), key);
        self.grow(slot);
        let new = new || self.expiry.is_expired(slot, now_ms);
        (slot, new)
    }
    fn times(&self, batch: &ChangeBatch) -> Result<Vec<i64>> {
        let Some(rowtime) = self.spec.rowtime else { return Ok(vec![0; batch.len()]) };
        let column = batch.column(rowtime)?;
        if column.null_count() > 0 {
            return Err(Error::data("the rowtime of a deduplication is NULL")
                .advice("filter such rows out in front of it"));
        }
        milliseconds(column)
    }
    /// Keeps the first row of each key by arrival.
    fn first_by_arrival(
        &mut self,
        batch: &ChangeBatch,
        now_ms: i64,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        self.fetch(&keys)?;
        let mut fresh = Vec::with_capacity(batch.len());
        for key in keys.iter() {
            let (slot, new) = self.slot(key, now_ms);
            if new {
                self.expiry.touch(slot, now_ms);
                self.keys.changed(slot);
            }
            fresh.push(new);
        }
        out.emit(batch.filter(&BooleanArray::from(fresh))?);
        self.settle(batch.len(), 0)
    }
    /// Keeps the last row of each key.
    fn last(
        &mut self,
        batch: &ChangeBatch,
        now_ms: i64,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let times = self.times(batch)?;
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        let before = self.spec.update_before;
        let rows = match before {
            true => Some(self.row_codec.encode(batch.rows().columns(), batch.len())?),
            false => None,
        };
        let bytes = rows.as_ref().map_or(0, |rows| rows.byte_count());
        self.fetch(&keys)?;
        // (0: the batch, 1: former rows; index) and kind.
        let (mut places, mut kinds, mut former) = (Vec::new(), Vec::new(), Vec::new());
        for (row, time) in times.into_iter().enumerate() {
            let (slot, new) = self.slot(keys.row(row), now_ms);
            let kept = &mut self.kept[slot as usize];
            if !new && kept.time > time {
                continue;
            }
            let bytes = rows.as_ref().map(|rows| Rc::from(rows.row(row)));
            let replaced = std::mem::replace(kept, Kept { time, row: bytes });
            self.expiry.touch(slot, now_ms);
            self.keys.changed(slot);
            if let (false, true, Some(old)) = (new, before, replaced.row) {
                places.push((1, former.len()));
                kinds.push(ChangeKind::UpdateBefore);
                former.push(old);
            }
            places.push((0, row));
            kinds.push(if new { ChangeKind::Insert } else { ChangeKind::UpdateAfter });
        }
        if places.is_empty() {
            return Ok(());
        }
        let former = self.row_codec.decode(former.iter().map(|row| Some(&**row)))?;
        let columns = interleave_tables([batch.rows().columns(), &former], &places)?;
        let count = kinds.len();
        let schema = self.spec.schema.clone();
        out.emit(ChangeBatch::from_columns(schema, columns, count, Some(kinds))?);
        self.settle(batch.len(), bytes)
    }
    /// Looks for the first row of each key by rowtime.
    fn first_by_time(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<()> {
        let times = self.times(batch)?;
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        self.fetch(&keys)?;
        let mut late = 0;
        for (row, time) in times.into_iter().enumerate() {
            if time < self.watermark.0 {
                late += 1;
                continue;
            }
            let (slot, new) = self.slot(keys.row(row), now_ms);
            let kept = &mut self.kept[slot as usize];
            let better = new || kept.row.is_some() && time < kept.time;
            if better {
                self.waiting.remove(&(kept.time, slot));
                self.waiting.insert((time, slot));
                *kept = Kept { time, row: Some(Rc::from(rows.row(row))) };
                self.expiry.touch(slot, now_ms);
                self.keys.changed(slot);
            }
        }
        self.late.add(late);
        self.settle(batch.len(), rows.byte_count())
    }
    fn waits(&self) -> bool {
        self.spec.keep == Keep::First && self.spec.rowtime.is_some()
    }
}

impl Operator for Deduplicate {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.expiry.ttl_ms())?;
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now_ms = self.expiry.now_ms(self.context.as_ref());
        for slot in self.expiry.sweep(now_ms) {
            self.waiting.remove(&(self.kept[slot as usize].time, slot));
            self.kept[slot as usize] = Kept::default();
            self.keys.remove(slot);
        }
        match (self.spec.keep, self.spec.rowtime) {
            (Keep::Last, _) => self.last(&batch, now_ms, out),
            (Keep::First, None) => self.first_by_arrival(&batch, now_ms, out),
            (Keep::First, Some(_)) => self.first_by_time(&batch, now_ms),
        }
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        self.watermark = self.watermark.max(watermark);
        let mut rows = Vec::new();
        while let Some((time, slot)) = self.waiting.first().copied() {
            if time > self.watermark.0 {
                break;
            }
            self.waiting.pop_first();
            rows.extend(self.kept[slot as usize].row.take());
            self.keys.changed(slot);
        }
        if !rows.is_empty() {
            let columns = self.row_codec.decode(rows.iter().map(|row| Some(&**row)))?;
            let schema = self.spec.schema.clone();
            out.emit(ChangeBatch::from_columns(schema, columns, rows.len(), None)?);
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        store_watermark(snapshot, self.watermark)?;
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for Deduplicate {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.grow(slot);
        self.expiry.touch(slot, bytes.i64()?);
        let (time, some) = (bytes.i64()?, bytes.u8()? != 0);
        let row = bytes.delimited()?;
        self.kept[slot as usize] = Kept { time, row: some.then(|| row.into()) };
        if some && self.waits() {
            self.waiting.insert((time, slot));
        }
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let kept = &self.kept[slot as usize];
        out.extend_from_slice(&self.expiry.touched_ms(slot).to_le_bytes());
        out.extend_from_slice(&kept.time.to_le_bytes());
        out.push(u8::from(kept.row.is_some()));
        put_delimited(out, kept.row.as_deref().unwrap_or_default());
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.expiry.forget(slot);
        self.kept[slot as usize] = Kept::default();
    }
    fn pins(&self) -> bool {
        self.waits()
    }
    fn is_pinned(&self, slot: Slot) -> bool {
        self.waits() && self.kept[slot as usize].row.is_some()
    }
    fn will_be_pinned(&self, value: &[u8]) -> Result<bool> {
        let mut bytes = Reader(value);
        let (_touched, _time) = (bytes.i64()?, bytes.i64()?);
        Ok(bytes.u8()? != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("v", SqlType::int()), ("t", SqlType::timestamp(3))])
    }
    fn operator(keep: Keep, rowtime: bool, update_before: bool) -> Deduplicate {
        Deduplicate::new(DeduplicateSpec {
            keys: vec![0],
            keep,
            rowtime: rowtime.then_some(2),
            update_before,
            ttl_ms: None,
            schema: input(),
        })
        .unwrap()
    }
    const ROWS: &str = "+I a 1 10\n+I a 2 30\n+I a 3 20\n+I b 4 5\n+I a 5 30";

    #[test]
    fn the_last_row_by_rowtime_drops_what_comes_out_of_order() {
        let mut h = Harness::new(operator(Keep::Last, true, true));
        h.push(&input(), ROWS);
        let out = ["+I a 1 10", "-U a 1 10", "+U a 2 30", "+I b 4 5", "-U a 2 30", "+U a 5 30"];
        assert_eq!(h.take(), out);
        let mut h = Harness::at(operator(Keep::Last, true, true), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I a 6 29\n+I b 7 6");
        assert_eq!(h.take(), ["-U b 4 5", "+U b 7 6"]);
    }

    #[test]
    fn the_last_and_the_first_row_by_arrival() {
        let mut h = Harness::new(operator(Keep::Last, false, false));
        h.push(&input(), "+I a 1 10\n+I a 2 5");
        assert_eq!(h.take(), ["+I a 1 10", "+U a 2 5"]);
        let mut h = Harness::new(operator(Keep::First, false, false));
        h.push(&input(), ROWS).push(&input(), ROWS);
        assert_eq!(h.take(), ["+I a 1 10", "+I b 4 5"]);
    }

    #[test]
    fn the_first_row_by_rowtime_waits_for_the_watermark_and_comes_once() {
        let mut h = Harness::new(operator(Keep::First, true, false));
        h.watermark(5).push(&input(), ROWS).push(&input(), "+I a 9 8\n+I b 9 7");
        let mut h = Harness::at(operator(Keep::First, true, false), 0, 1, vec![h.snapshot()]);
        h.watermark(7).push(&input(), "+I b 8 9\n+I c 4 7\n+I d 4 6").end();
        let out = ["+I b 4 5", "watermark 7", "+I c 4 7", "+I a 9 8", "watermark MAX"];
        assert_eq!(h.take(), out);
    }
}
