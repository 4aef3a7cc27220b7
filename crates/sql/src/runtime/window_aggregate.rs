//! Aggregates over TUMBLE, HOP, CUMULATE and attached windows, slice by slice.
//!
//! ```text
//!   row ──slice──> (key, slice) ──slot──> accumulators
//!   watermark ──> windows that are over: their slices merged by key ──> rows
//! ```
//! Behind an exchange by the keys without the window columns. Sessions are in
//! [`super::session`].
//!
//! Invariants: a window comes out once, when the watermark (or the processing time) reaches
//! its last millisecond; a row is late only when the last window of its slice has come out;
//! a slice lives until then.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};
use std::sync::Arc;

use super::ChangeBatch;
use super::agg::Aggregates;
use super::agg::user::UserFunctions;
use super::row::{RowCodec, hash_row};
use super::spec::{TimeDomain, WindowAggregateSpec, WindowAssigner};
use super::state_table::{
    KeyTable, Reader, Slot, put_delimited, restore, restored_watermark, store, store_watermark,
};
use super::window::{Slicing, WindowClock, milliseconds, window_column};

const STATE: &str = "window-aggregates";

/// Rows of one batch that a firing window emits.
pub(crate) const EMIT_ROWS: usize = 8192;

/// The slice under which the merged state of a firing window stands for a moment.
const MERGED: i64 = i64::MIN;

/// The operator of [`WindowAggregateSpec`], sessions excepted.
pub struct WindowAggregate {
    // Configuration.
    spec: WindowAggregateSpec,
    slicing: Option<Slicing>,
    clock: WindowClock,
    /// Key columns alone, as the exchange sees them.
    key_codec: RowCodec,
    /// Key columns, start of an attached window, slice.
    state_codec: RowCodec,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    /// By key and slice.
    keys: KeyTable,
    aggregates: Aggregates,
    /// Rows of each slot; used only when rows can go.
    counts: Vec<i64>,
    watermark: Watermark,
    // Rebuilt on restore.
    slices: BTreeMap<i64, Vec<Slot>>,
    /// Ends of windows that have rows and have not come out.
    pending: BTreeSet<i64>,
}

impl WindowAggregate {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: windows, a function or a type are not supported.
    pub fn new(spec: WindowAggregateSpec, functions: &UserFunctions) -> Result<Self> {
        let slicing = Slicing::new(&spec.window)?;
        if let WindowAssigner::Session { .. } = spec.window {
            return Err(Error::bug("sessions were given to the operator of slices"));
        }
        let keys: Vec<usize> = (0..spec.keys.len()).collect();
        let key_schema = spec.output.project(&keys).map_err(super::change_batch::arrow_bug)?;
        let key_codec = RowCodec::of_schema(&key_schema)?;
        let extra = if slicing.is_some() { 1 } else { 2 };
        let types = key_schema.fields.iter().map(|f| f.data_type().clone());
        let state_codec = RowCodec::new(types.chain(vec![DataType::Int64; extra]))?;
        Ok(WindowAggregate {
            slicing,
            clock: WindowClock(spec.local_time.clone()),
            key_codec,
            state_codec,
            context: None,
            late: Counter::default(),
            keys: KeyTable::default(),
            aggregates: Aggregates::new(&spec.calls, spec.input_retracts, functions)?,
            counts: Vec::new(),
            watermark: Watermark::MIN,
            slices: BTreeMap::new(),
            pending: BTreeSet::new(),
            spec,
        })
    }
    fn is_over(&self, end: i64, now: i64) -> bool {
        self.clock.over_at(end) <= now
    }
    fn grow(&mut self) {
        let slots = self.keys.capacity();
        if self.counts.len() < slots {
            self.counts.resize(slots, 0);
        }
        self.aggregates.grow(slots);
    }
    /// Puts a window of a new slice on the list of those to come.
    fn expect(&mut self, slice: i64, now: i64) {
        let mut end = self.slicing.map_or(slice, |slicing| slicing.first_window_end(slice));
        if let Some(slicing) = self.slicing {
            let last = slicing.last_window_end(slice);
            while end < last && self.is_over(end, now) {
                end = slicing.next_window_end(end);
            }
        }
        self.pending.insert(end);
    }
    /// The time by which windows are over: the watermark, or the clock.
    fn now(&self) -> i64 {
        match (&self.spec.time, &self.context) {
            (TimeDomain::Processing, Some(context)) => context.clock.now_ms(),
            _ => self.watermark.0,
        }
    }
    /// The slice of each row, and the start of its attached window.
    fn slices_of(&self, batch: &ChangeBatch) -> Result<(Vec<Option<i64>>, Option<ArrayRef>)> {
        let rows = batch.len();
        if let WindowAssigner::Attached { start, end } = &self.spec.window {
            let (start, end) = (batch.column(*start)?, batch.column(*end)?);
            let ends = milliseconds(end)?;
            let slices = (0..rows).map(|row| end.is_valid(row).then(|| ends[row])).collect();
            let starts: ArrayRef = Arc::new(Int64Array::from(milliseconds(start)?));
            return Ok((slices, Some(starts)));
        }
        let Some(slicing) = self.slicing else {
            return Err(Error::bug("windows without slices"));
        };
        match &self.spec.time {
            TimeDomain::Event { rowtime } => {
                let column = batch.column(*rowtime)?;
                let times = milliseconds(column)?;
                let slice = |row: usize| {
                    let local = self.clock.local_ms(times[row]);
                    column.is_valid(row).then(|| slicing.slice_end(local))
                };
                Ok(((0..rows).map(slice).collect(), None))
            }
            TimeDomain::Processing => {
                let slice = slicing.slice_end(self.clock.local_ms(self.now()));
                Ok((vec![Some(slice); rows], None))
            }
        }
    }
    fn add(&mut self, batch: &ChangeBatch) -> Result<()> {
        let now = self.now();
        let (slices, starts) = self.slices_of(batch)?;
        let last_end = |slice: i64| self.slicing.map_or(slice, |s| s.last_window_end(slice));
        // Neighbouring rows mostly share their slice.
        let mut checked = None;
        let (mut rows, mut late) = (Vec::with_capacity(slices.len()), 0);
        for (row, slice) in slices.iter().enumerate() {
            let Some(slice) = *slice else { continue };
            let is_late = match checked {
                Some((known, is_late)) if known == slice => is_late,
                _ => self.is_over(last_end(slice), now),
            };
            checked = Some((slice, is_late));
            match is_late {
                true => late += 1,
                false => rows.push(row as u32),
            }
        }
        self.late.add(late);
        let mut columns = batch.columns(&self.spec.keys)?;
        columns.extend(starts);
        let ends = slices.iter().map(|slice| slice.unwrap_or_default());
        columns.push(Arc::new(Int64Array::from_iter_values(ends)));
        let keys = self.state_codec.encode(&columns, batch.len())?;
        let mut slots = Vec::with_capacity(rows.len());
        for row in &rows {
            let key = keys.row(*row as usize);
            let (slot, new) = self.keys.find_or_insert(hash_row(key), key);
            if new {
                let slice = slices[*row as usize].unwrap_or_default();
                if !self.slices.contains_key(&slice) {
                    self.expect(slice, now);
                }
                self.slices.entry(slice).or_default().push(slot);
            }
            slots.push(slot);
        }
        self.grow();
        let retract: Option<Vec<bool>> = self
            .spec
            .input_retracts
            .then(|| rows.iter().map(|row| batch.kind(*row as usize).is_retract()).collect());
        if let Some(retract) = &retract {
            for (slot, retract) in slots.iter().zip(retract) {
                self.counts[*slot as usize] += if *retract { -1 } else { 1 };
            }
        }
        self.aggregates.update(batch.rows().columns(), &rows, &slots, retract.as_deref())
    }
    fn drop_slot(&mut self, slot: Slot) {
        self.keys.remove(slot);
        self.aggregates.clear(slot);
        self.counts[slot as usize] = 0;
    }
    /// Emits all windows that are over at `now`.
    fn fire(&mut self, now: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        while let Some(end) = self.pending.first().copied() {
            if !self.is_over(end, now) {
                break;
            }
            self.pending.pop_first();
            self.fire_window(end, out)?;
        }
        Ok(())
    }
    fn fire_window(&mut self, end: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        let Some(slicing) = self.slicing.filter(|slicing| !slicing.is_single()) else {
            let slots = self.slices.remove(&end).unwrap_or_default();
            self.emit(end, &slots, out)?;
            slots.into_iter().for_each(|slot| self.drop_slot(slot));
            return Ok(());
        };
        let start = slicing.window_start(end);
        let parts: Vec<Slot> =
            self.slices.range(start + 1..=end).flat_map(|(_, slots)| slots.clone()).collect();
        // The state of each key in the window: slots of the pretended slice MERGED.
        let mut merged = Vec::new();
        let mut key = Vec::new();
        for part in parts {
            key.clear();
            let state_key = self.keys.key(part);
            key.extend_from_slice(&state_key[..state_key.len() - size_of::<i64>()]);
            key.extend_from_slice(&MERGED.to_le_bytes());
            let (slot, new) = self.keys.find_or_insert(hash_row(&key), &key);
            if new {
                self.grow();
                merged.push(slot);
            }
            self.aggregates.merge(slot, part)?;
            self.counts[slot as usize] += self.counts[part as usize];
        }
        self.emit(end, &merged, out)?;
        merged.into_iter().for_each(|slot| self.drop_slot(slot));
        while let Some(slice) = self.slices.first_entry() {
            if slicing.last_window_end(*slice.key()) > end {
                break;
            }
            slice.remove().into_iter().for_each(|slot| self.drop_slot(slot));
        }
        let next = slicing.next_window_end(end);
        if self.slices.range(slicing.window_start(next) + 1..=next).next().is_some() {
            self.pending.insert(next);
        }
        Ok(())
    }
    fn emit(&self, end: i64, slots: &[Slot], out: &mut Output<ChangeBatch>) -> Result<()> {
        let alive: Vec<Slot> = match self.spec.input_retracts {
            false => slots.to_vec(),
            true => slots.iter().copied().filter(|s| self.counts[*s as usize] > 0).collect(),
        };
        for slots in alive.chunks(EMIT_ROWS) {
            let keys = slots.iter().map(|slot| Some(self.keys.key(*slot)));
            let mut columns = self.state_codec.decode(keys)?;
            columns.pop();
            let windows: Vec<(i64, i64)> = match self.slicing {
                Some(slicing) => vec![(slicing.window_start(end), end); slots.len()],
                None => {
                    let starts = columns.pop().ok_or_else(|| Error::bug("no window start"))?;
                    milliseconds(&starts)?.into_iter().map(|start| (start, end)).collect()
                }
            };
            columns.extend(self.aggregates.results(slots)?);
            for which in &self.spec.window_columns {
                let field = self.spec.output.field(columns.len());
                columns.push(window_column(*which, &windows, &self.clock, field.data_type())?);
            }
            let output = self.spec.output.clone();
            out.emit(ChangeBatch::from_columns(output, columns, slots.len(), None)?);
        }
        Ok(())
    }
}

impl Operator for WindowAggregate {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        let now = self.now();
        for (_, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let key = bytes.delimited()?;
            let slice = key.last_chunk().map(|end| i64::from_le_bytes(*end));
            let slice = slice.ok_or_else(|| Error::corrupt("a window without its end"))?;
            let (slot, _) = self.keys.find_or_insert(hash_row(key), key);
            self.grow();
            self.counts[slot as usize] = bytes.i64()?;
            self.aggregates.read(slot, &mut bytes)?;
            if !self.slices.contains_key(&slice) {
                self.expect(slice, now);
            }
            self.slices.entry(slice).or_default().push(slot);
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        if let TimeDomain::Processing = self.spec.time {
            self.fire(self.now(), out)?;
        }
        self.add(&batch)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if let TimeDomain::Event { .. } = self.spec.time {
            self.watermark = self.watermark.max(watermark);
            self.fire(self.watermark.0, out)?;
        }
        Ok(Progress::Done)
    }
    fn next_processing_time(&self) -> Option<i64> {
        match self.spec.time {
            TimeDomain::Processing => self.pending.first().map(|end| self.clock.over_at(*end)),
            TimeDomain::Event { .. } => None,
        }
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        match self.spec.time {
            TimeDomain::Processing => self.fire(now_ms, out),
            TimeDomain::Event { .. } => Ok(()),
        }
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.watermark)?;
        let slots: Vec<Slot> = self.slices.values().flatten().copied().collect();
        for slots in slots.chunks(EMIT_ROWS) {
            let state_keys = slots.iter().map(|slot| Some(self.keys.key(*slot)));
            let mut columns = self.state_codec.decode(state_keys)?;
            columns.truncate(self.spec.keys.len());
            let keys = self.key_codec.encode(&columns, slots.len())?;
            for (slot, key) in slots.iter().zip(keys.iter()) {
                let mut value = Vec::new();
                put_delimited(&mut value, self.keys.key(*slot));
                value.extend_from_slice(&self.counts[*slot as usize].to_le_bytes());
                self.aggregates.write(*slot, &mut value)?;
                store(snapshot, STATE, context, key, value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{AggCall, AggFunction, WindowColumn};
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("v", SqlType::int()), ("ts", SqlType::timestamp(3))])
    }
    fn spec(window: WindowAssigner, retracts: bool) -> WindowAggregateSpec {
        let call = |function, args: &[usize], result| AggCall {
            function,
            args: args.to_vec(),
            arg_types: args.iter().map(|_| SqlType::int()).collect(),
            distinct: false,
            filter: None,
            result,
        };
        WindowAggregateSpec {
            window,
            time: TimeDomain::Event { rowtime: 2 },
            local_time: None,
            keys: vec![0],
            calls: vec![
                call(AggFunction::Count, &[], SqlType::bigint()),
                call(AggFunction::Sum, &[1], SqlType::int()),
            ],
            input_retracts: retracts,
            window_columns: vec![WindowColumn::Start, WindowColumn::End, WindowColumn::Time],
            output: schema(&[
                ("k", SqlType::string()),
                ("n", SqlType::bigint()),
                ("s", SqlType::int()),
                ("window_start", SqlType::timestamp(3)),
                ("window_end", SqlType::timestamp(3)),
                ("window_time", SqlType::timestamp(3)),
            ]),
        }
    }
    fn operator(spec: WindowAggregateSpec) -> WindowAggregate {
        WindowAggregate::new(spec, &UserFunctions::default()).unwrap()
    }
    fn tumble() -> WindowAssigner {
        WindowAssigner::Tumble { size_ms: 10, offset_ms: 0 }
    }

    #[test]
    fn a_window_comes_out_with_its_last_millisecond_and_late_rows_do_not_count() {
        let mut h = Harness::new(operator(spec(tumble(), false)));
        h.push(&input(), "+I a 1 0\n+I a 2 9\n+I b 4 10\n+I null 5 -1").watermark(8);
        assert_eq!(h.take(), ["+I null 1 5 -10 0 -1", "watermark 8"]);
        h.push(&input(), "+I a 3 5\n+I a 7 -5").watermark(9);
        assert_eq!(h.take(), ["+I a 3 6 0 10 9", "watermark 9"]);
        h.push(&input(), "+I a 7 9").end();
        assert_eq!(h.take(), ["+I b 1 4 10 20 19", "watermark MAX"]);
        assert!(h.operator().keys.is_empty());
    }

    #[test]
    fn a_row_late_for_one_hop_counts_in_later_ones() {
        let window = WindowAssigner::Hop { slide_ms: 10, size_ms: 30, offset_ms: 0 };
        let mut h = Harness::new(operator(spec(window, false)));
        h.push(&input(), "+I a 1 5").watermark(9);
        assert_eq!(h.take(), ["+I a 1 1 -20 10 9", "watermark 9"]);
        h.push(&input(), "+I a 2 6\n+I b 8 12").watermark(19);
        assert_eq!(h.take(), ["+I a 2 3 -10 20 19", "+I b 1 8 -10 20 19", "watermark 19"]);
        h.watermark(100);
        let out = ["+I a 2 3 0 30 29", "+I b 1 8 0 30 29", "+I b 1 8 10 40 39", "watermark 100"];
        assert_eq!(h.take(), out);
        assert!(h.operator().keys.is_empty() && h.operator().pending.is_empty());
    }

    #[test]
    fn cumulate_repeats_its_steps() {
        let window = WindowAssigner::Cumulate { step_ms: 10, size_ms: 30, offset_ms: 0 };
        let mut h = Harness::new(operator(spec(window, false)));
        h.push(&input(), "+I a 1 5\n+I a 2 25\n+I b 3 35").end();
        let out = [
            "+I a 1 1 0 10 9",
            "+I a 1 1 0 20 19",
            "+I a 2 3 0 30 29",
            "+I b 1 3 30 40 39",
            "+I b 1 3 30 50 49",
            "+I b 1 3 30 60 59",
            "watermark MAX",
        ];
        assert_eq!(h.take(), out);
    }

    #[test]
    fn a_window_whose_rows_were_all_taken_back_is_silent() {
        let mut h = Harness::new(operator(spec(tumble(), true)));
        h.push(&input(), "+I a 1 0\n-U a 1 0\n+U a 5 0\n+I b 2 0\n-D b 2 0").end();
        assert_eq!(h.take(), ["+I a 1 5 0 10 9", "watermark MAX"]);
    }

    #[test]
    fn attached_windows_follow_their_columns() {
        let attached = WindowAssigner::Attached { start: 3, end: 4 };
        let input = schema(&[
            ("k", SqlType::string()),
            ("v", SqlType::int()),
            ("ts", SqlType::timestamp(3)),
            ("s", SqlType::timestamp(3)),
            ("e", SqlType::timestamp(3)),
        ]);
        let mut h = Harness::new(operator(spec(attached, false)));
        h.push(&input, "+I a 1 0 0 10\n+I a 2 0 5 10\n+I a 4 0 0 10").watermark(9);
        h.push(&input, "+I a 1 0 0 10");
        assert_eq!(h.take(), ["+I a 2 5 0 10 9", "+I a 1 2 5 10 9", "watermark 9"]);
    }

    #[test]
    fn windows_go_on_after_a_restore_at_another_parallelism() {
        let window = WindowAssigner::Hop { slide_ms: 10, size_ms: 20, offset_ms: 0 };
        let mut h = Harness::new(operator(spec(window.clone(), false)));
        h.push(&input(), "+I a 1 5\n+I b 2 5\n+I c 3 15\n+I d 4 15").watermark(9).take();
        let former = vec![h.snapshot()];
        let mut rows = Vec::new();
        for index in 0..3 {
            let mut part =
                Harness::at(operator(spec(window.clone(), false)), index, 3, former.clone());
            part.end();
            rows.extend(part.take_sorted());
        }
        rows.sort();
        h.end();
        assert_eq!(rows, h.take_sorted());
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn windows_of_processing_time_follow_the_clock() {
        let spec = WindowAggregateSpec { time: TimeDomain::Processing, ..spec(tumble(), false) };
        let mut h = Harness::new(operator(spec));
        h.time(3).push(&input(), "+I a 1 0");
        h.time(8).push(&input(), "+I a 2 0");
        h.time(9);
        assert_eq!(h.take(), ["+I a 2 3 0 10 9"]);
    }
}
