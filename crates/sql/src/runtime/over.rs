//! OVER by rowtime or processing time: each row comes out once, with aggregates of the rows
//! before it.
//!
//! ```text
//!   rows wait by time ──watermark──> steps of a partition, in order:
//!                                    rows leave the frame, rows enter it, rows come out
//! ```
//! Behind an exchange by the partition columns. Steps of different partitions are taken
//! together: round r is the r-th step of every partition.
//!
//! Invariants: rows come out by rowtime, and by arrival within one; a row is late, and dropped,
//! at or behind the watermark, or, in a bounded frame, at or behind the last row of its
//! partition that came out; `history` holds the rows of a bounded frame as of that row.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;
use hashbrown::HashMap;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::ChangeBatch;
use super::agg::Aggregates;
use super::agg::user::UserFunctions;
use super::backing::{SlotState, States};
use super::change_batch::arrow_bug;
use super::row::{RowCodec, hash_row};
use super::spec::{Frame, OverSpec, TimeDomain};
use super::state_table::{
    Expiry, KeyTable, Reader, Slot, is_past, put_delimited, restored_watermark, store_watermark,
};
use super::window::milliseconds;

const STATE: &str = "over-partitions";
/// Rows that are taken through the frames in one go.
const DRAIN_ROWS: usize = 8192;

type Row = Rc<[u8]>;

/// What happens in a partition between two results.
struct Step {
    slot: Slot,
    /// Rows that leave the frame.
    leave: Vec<Row>,
    /// Rows that enter it and come out with the result: indices of the rows at hand.
    enter: Vec<u32>,
}

/// The operator of [`OverSpec`].
pub struct Over {
    // Configuration.
    spec: OverSpec,
    key_codec: RowCodec,
    row_codec: RowCodec,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    states: Option<States>,
    keys: KeyTable,
    aggregates: Aggregates,
    /// By slot: rows in the frame with their times; empty when it is unbounded.
    history: Vec<VecDeque<(i64, Row)>>,
    waiting: BTreeMap<i64, Vec<(Slot, Row)>>,
    expiry: Expiry,
    watermark: Watermark,
    // Rebuilt on restore.
    /// By slot: how many rows wait.
    waiting_counts: Vec<u32>,
    /// For bounded RANGE: the newest time in the history of each partition.
    newest: BTreeSet<(i64, Slot)>,
    // While slots are written.
    waiting_by_slot: HashMap<Slot, Vec<(i64, Row)>>,
}

impl Over {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: a function or a type is not supported.
    pub fn new(spec: OverSpec, functions: &UserFunctions) -> Result<Self> {
        let bounded = matches!(
            spec.frame,
            Frame::Rows { preceding: Some(_) } | Frame::Range { preceding_ms: Some(_) }
        );
        Ok(Over {
            key_codec: RowCodec::of_columns(&spec.input, &spec.partition)?,
            row_codec: RowCodec::of_schema(&spec.input)?,
            context: None,
            states: None,
            late: Counter::default(),
            keys: KeyTable::default(),
            aggregates: Aggregates::new(&spec.calls, bounded, functions)?,
            history: Vec::new(),
            waiting: BTreeMap::new(),
            expiry: Expiry::new(spec.ttl_ms),
            watermark: Watermark::MIN,
            waiting_counts: Vec::new(),
            newest: BTreeSet::new(),
            waiting_by_slot: HashMap::new(),
            spec,
        })
    }
    fn slot(&mut self, key: &[u8]) -> Slot {
        let (slot, _) = self.keys.find_or_insert(hash_row(key), key);
        self.grow();
        slot
    }
    fn grow(&mut self) {
        let slots = self.keys.capacity();
        if self.history.len() < slots {
            self.history.resize(slots, VecDeque::new());
            self.waiting_counts.resize(slots, 0);
            self.aggregates.grow(slots);
        }
    }
    fn forget(&mut self, slot: Slot) {
        self.keys.remove(slot);
        self.clear(slot);
    }
    /// The steps for rows of one time, in the order in which their partitions first appear.
    fn steps(&mut self, time: i64, rows: &[(Slot, Row)], first: u32, by_row: bool) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut places: HashMap<Slot, usize> = HashMap::new();
        for (index, (slot, row)) in rows.iter().enumerate() {
            let index = first + index as u32;
            self.keys.changed(*slot);
            let history = &mut self.history[*slot as usize];
            let mut leave = Vec::new();
            match self.spec.frame {
                Frame::Rows { preceding: Some(preceding) } => {
                    while history.len() as u64 > preceding {
                        leave.extend(history.pop_front().map(|(_, row)| row));
                    }
                    history.push_back((time, row.clone()));
                }
                Frame::Range { preceding_ms: Some(preceding) } => {
                    if let Some((newest, _)) = history.back() {
                        self.newest.remove(&(*newest, *slot));
                    }
                    while history.front().is_some_and(|(at, _)| *at < time - preceding) {
                        leave.extend(history.pop_front().map(|(_, row)| row));
                    }
                    history.push_back((time, row.clone()));
                    self.newest.insert((time, *slot));
                }
                _ => {}
            }
            match places.get(slot) {
                Some(place) if !by_row => {
                    steps[*place].leave.extend(leave);
                    steps[*place].enter.push(index);
                }
                _ => {
                    places.insert(*slot, steps.len());
                    steps.push(Step { slot: *slot, leave, enter: vec![index] });
                }
            }
        }
        if by_row {
            // Flink fires by key: all rows of a partition, then those of the next.
            let mut order: HashMap<Slot, usize> = HashMap::new();
            for step in &steps {
                let next = order.len();
                order.entry(step.slot).or_insert(next);
            }
            steps.sort_by_key(|step| order.get(&step.slot).copied());
        }
        steps
    }
    /// Takes all steps; the rows at hand come out in the order of the steps.
    fn run(&mut self, steps: &[Step], rows: &[Row]) -> Result<Option<ChangeBatch>> {
        if steps.is_empty() {
            return Ok(None);
        }
        let columns = self.row_codec.decode(rows.iter().map(|row| Some(&**row)))?;
        let leaving = steps.iter().flat_map(|step| step.leave.iter());
        let leaving = self.row_codec.decode(leaving.map(|row| Some(&**row)))?;
        // The round of each step, and where its leaving rows begin.
        let mut rounds: Vec<Vec<usize>> = Vec::new();
        let mut turns: HashMap<Slot, usize> = HashMap::new();
        let mut leave_from = Vec::with_capacity(steps.len());
        let mut left = 0;
        for (index, step) in steps.iter().enumerate() {
            let turn = turns.entry(step.slot).or_insert(0);
            if rounds.len() <= *turn {
                rounds.push(Vec::new());
            }
            rounds[*turn].push(index);
            *turn += 1;
            leave_from.push(left);
            left += step.leave.len() as u32;
        }
        // For each step where its result is: (round, place).
        let mut places = vec![(0, 0); steps.len()];
        let mut results: Vec<Vec<ArrayRef>> = Vec::new();
        for (round, members) in rounds.iter().enumerate() {
            let (mut gone, mut gone_slots) = (Vec::new(), Vec::new());
            let (mut come, mut come_slots, mut slots) = (Vec::new(), Vec::new(), Vec::new());
            for (place, index) in members.iter().enumerate() {
                let step = &steps[*index];
                let from = leave_from[*index];
                gone.extend(from..from + step.leave.len() as u32);
                gone_slots.resize(gone.len(), step.slot);
                come.extend(&step.enter);
                come_slots.resize(come.len(), step.slot);
                slots.push(step.slot);
                places[*index] = (round, place);
            }
            if !gone.is_empty() {
                let retract = vec![true; gone.len()];
                self.aggregates.update(&leaving, &gone, &gone_slots, Some(&retract))?;
            }
            self.aggregates.update(&columns, &come, &come_slots, None)?;
            results.push(self.aggregates.results(&slots)?);
        }
        let (mut row_order, mut result_order) = (Vec::new(), Vec::new());
        for (step, place) in steps.iter().zip(&places) {
            for row in &step.enter {
                row_order.push(Some(*row));
                result_order.push(*place);
            }
        }
        let mut out = super::join::pick(&columns, &row_order)?;
        for call in 0..self.spec.calls.len() {
            let of_round = |round: &'_ Vec<ArrayRef>| round[call].clone();
            let arrays: Vec<ArrayRef> = results.iter().map(of_round).collect();
            let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
            out.push(interleave(&arrays, &result_order).map_err(arrow_bug)?);
        }
        let count = row_order.len();
        ChangeBatch::from_columns(self.spec.output.clone(), out, count, None).map(Some)
    }
    fn is_event_time(&self) -> bool {
        matches!(self.spec.time, TimeDomain::Event { .. })
    }
    fn is_ranged(&self) -> bool {
        matches!(self.spec.frame, Frame::Range { preceding_ms: Some(_) })
    }
    fn is_bounded(&self) -> bool {
        self.is_ranged() || matches!(self.spec.frame, Frame::Rows { preceding: Some(_) })
    }
    fn by_row(&self) -> bool {
        matches!(self.spec.frame, Frame::Rows { .. })
    }
    fn drain(&mut self, out: &mut Output<ChangeBatch>) -> Result<()> {
        loop {
            let (mut steps, mut rows) = (Vec::new(), Vec::new());
            while rows.len() < DRAIN_ROWS
                && let Some(entry) = self.waiting.first_entry()
                && *entry.key() <= self.watermark.0
            {
                let (time, waiting) = entry.remove_entry();
                for (slot, _) in &waiting {
                    self.waiting_counts[*slot as usize] -= 1;
                }
                let first = rows.len() as u32;
                steps.extend(self.steps(time, &waiting, first, self.by_row()));
                rows.extend(waiting.into_iter().map(|(_, row)| row));
            }
            match self.run(&steps, &rows)? {
                Some(batch) => out.emit(batch),
                None => break,
            }
        }
        // Partitions whose frame has become empty are as good as new; Flink keeps them for half
        // the range longer, and drops what comes late for them until then.
        if let Frame::Range { preceding_ms: Some(preceding) } = self.spec.frame {
            let kept = preceding.saturating_add(preceding / 2);
            while let Some((time, slot)) = self.newest.first().copied() {
                if time.saturating_add(kept) >= self.watermark.0 {
                    break;
                }
                self.newest.pop_first();
                if self.waiting_counts[slot as usize] == 0 {
                    self.forget(slot);
                }
            }
        }
        Ok(())
    }
}

impl Operator for Over {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.expiry.ttl_ms())?;
        self.states = Some(states);
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let keys = self.key_codec.encode(&batch.columns(&self.spec.partition)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let bytes = rows.byte_count();
        let now_ms = self.context.as_ref().map_or(0, |context| context.clock.now_ms());
        for slot in self.expiry.sweep(now_ms) {
            if !self.keys.is_used(slot) {
                continue;
            }
            if self.waiting_counts[slot as usize] == 0 {
                self.forget(slot);
            } else {
                // Rows that wait keep their partition for as long again, as in Flink.
                self.expiry.touch(slot, now_ms);
                self.keys.changed(slot);
            }
        }
        self.fetch(&keys)?;
        let TimeDomain::Event { rowtime } = self.spec.time else {
            let mut entered = Vec::with_capacity(batch.len());
            for (key, row) in keys.iter().zip(rows.iter()) {
                let slot = self.slot(key);
                if self.expiry.is_expired(slot, now_ms) {
                    self.aggregates.clear(slot);
                    self.history[slot as usize].clear();
                }
                self.expiry.touch(slot, now_ms);
                entered.push((slot, Row::from(row)));
            }
            // Without a bound rows are taken one by one, whatever the frame says.
            let by_row = !matches!(self.spec.frame, Frame::Range { preceding_ms: Some(_) });
            let steps = self.steps(now_ms, &entered, 0, by_row);
            let rows: Vec<Row> = entered.into_iter().map(|(_, row)| row).collect();
            if let Some(batch) = self.run(&steps, &rows)? {
                out.emit(batch);
            }
            return self.settle(batch.len(), bytes);
        };
        let column = batch.column(rowtime)?;
        if column.null_count() > 0 {
            return Err(Error::data("the rowtime of an OVER window is NULL")
                .advice("filter such rows out in front of it"));
        }
        let mut late = 0;
        let bounded = self.is_bounded();
        for (row, time) in milliseconds(column)?.into_iter().enumerate() {
            if !bounded && time <= self.watermark.0 {
                late += 1;
                continue;
            }
            let slot = self.slot(keys.row(row));
            // Flink asks a bounded frame, not the watermark, whether a row comes too late.
            if self.history[slot as usize].back().is_some_and(|(last, _)| time <= *last) {
                late += 1;
                continue;
            }
            self.expiry.touch(slot, now_ms);
            self.keys.changed(slot);
            self.waiting.entry(time).or_default().push((slot, rows.row(row).into()));
            self.waiting_counts[slot as usize] += 1;
        }
        self.late.add(late);
        self.settle(batch.len(), bytes)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if self.is_event_time() {
            self.watermark = self.watermark.max(watermark);
            // Rows that come out must not be held by what was written last.
            self.waiting_by_slot = HashMap::new();
            self.drain(out)?;
            self.settle(0, 0)?;
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        store_watermark(snapshot, self.watermark)?;
        self.store(snapshot)?;
        self.waiting_by_slot = HashMap::new();
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for Over {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.grow();
        self.expiry.touch(slot, bytes.i64()?);
        for _ in 0..bytes.u32()? {
            let entry = (bytes.i64()?, bytes.delimited()?.into());
            self.history[slot as usize].push_back(entry);
        }
        if let (true, Some((newest, _))) = (self.is_ranged(), self.history[slot as usize].back()) {
            self.newest.insert((*newest, slot));
        }
        for _ in 0..bytes.u32()? {
            let time = bytes.i64()?;
            let row = bytes.delimited()?.into();
            self.waiting.entry(time).or_default().push((slot, row));
            self.waiting_counts[slot as usize] += 1;
        }
        self.aggregates.read(slot, bytes)
    }
    fn prepare(&mut self) {
        self.waiting_by_slot.clear();
        for (time, rows) in &self.waiting {
            for (slot, row) in rows {
                self.waiting_by_slot.entry(*slot).or_default().push((*time, row.clone()));
            }
        }
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.expiry.touched_ms(slot).to_le_bytes());
        let history = &self.history[slot as usize];
        out.extend_from_slice(&(history.len() as u32).to_le_bytes());
        for (time, row) in history {
            out.extend_from_slice(&time.to_le_bytes());
            put_delimited(out, row);
        }
        let waiting = self.waiting_by_slot.get(&slot).map_or(&[][..], Vec::as_slice);
        out.extend_from_slice(&(waiting.len() as u32).to_le_bytes());
        for (time, row) in waiting {
            out.extend_from_slice(&time.to_le_bytes());
            put_delimited(out, row);
        }
        self.aggregates.write(slot, out)
    }
    fn clear(&mut self, slot: Slot) {
        self.expiry.forget(slot);
        self.aggregates.clear(slot);
        let history = std::mem::take(&mut self.history[slot as usize]);
        if let Some((newest, _)) = history.back() {
            self.newest.remove(&(*newest, slot));
        }
    }
    fn pins(&self) -> bool {
        self.is_event_time()
    }
    /// A partition with rows that wait, or with a frame that gets empty by itself.
    fn is_pinned(&self, slot: Slot) -> bool {
        let slot = slot as usize;
        let leaves = self.is_ranged() && !self.history[slot].is_empty();
        self.pins() && (self.waiting_counts[slot] > 0 || leaves)
    }
    fn will_be_pinned(&self, value: &[u8]) -> Result<bool> {
        let stored = Stored::of(value)?;
        Ok(stored.waiting > 0 || self.is_ranged() && stored.history > 0)
    }
    /// Rows that wait keep their partition, as the sweep of what is in memory does.
    fn is_over(value: &[u8], ttl_ms: i64, now_ms: i64) -> bool {
        Stored::of(value)
            .is_ok_and(|stored| stored.waiting == 0 && is_past(stored.touched_ms, ttl_ms, now_ms))
    }
}

/// What is in front of the aggregates of a stored partition.
struct Stored {
    touched_ms: i64,
    /// Number of rows.
    history: u32,
    /// Number of rows.
    waiting: u32,
}

impl Stored {
    fn of(value: &[u8]) -> Result<Self> {
        let mut bytes = Reader(value);
        let (touched_ms, history) = (bytes.i64()?, bytes.u32()?);
        for _ in 0..history {
            let _entry = (bytes.i64()?, bytes.delimited()?);
        }
        Ok(Stored { touched_ms, history, waiting: bytes.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{AggCall, AggFunction};
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn input() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("v", SqlType::int()), ("t", SqlType::timestamp(3))])
    }
    fn operator(frame: Frame, functions: &[AggFunction]) -> Over {
        let mut columns =
            vec![("k", SqlType::string()), ("v", SqlType::int()), ("t", SqlType::timestamp(3))];
        let mut calls = Vec::new();
        for function in functions {
            let (args, ty, result) = match function {
                AggFunction::RowNumber => (vec![], SqlType::int(), SqlType::bigint()),
                AggFunction::Rank | AggFunction::DenseRank => {
                    (vec![2], SqlType::timestamp(3), SqlType::bigint())
                }
                _ => (vec![1], SqlType::int(), SqlType::int()),
            };
            columns.push(("r", result.clone()));
            let arg_types = args.iter().map(|_| ty.clone()).collect();
            let function = function.clone();
            calls.push(AggCall {
                function,
                args,
                arg_types,
                distinct: false,
                filter: None,
                result,
            });
        }
        let spec = OverSpec {
            partition: vec![0],
            time: TimeDomain::Event { rowtime: 2 },
            frame,
            calls,
            ttl_ms: None,
            input: input(),
            output: schema(&columns),
        };
        Over::new(spec, &UserFunctions::default()).unwrap()
    }

    #[test]
    fn rows_come_out_by_time_and_the_frame_slides() {
        let functions = [AggFunction::Sum, AggFunction::Min];
        let new = || operator(Frame::Rows { preceding: Some(1) }, &functions);
        let mut h = Harness::new(new());
        h.push(&input(), "+I a 4 30\n+I a 1 10\n+I b 9 10\n+I a 2 20").watermark(20);
        assert_eq!(h.take(), ["+I a 1 10 1 1", "+I b 9 10 9 9", "+I a 2 20 3 1", "watermark 20"]);
        let mut h = Harness::at(new(), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I a 7 20\n+I a 3 30").end();
        assert_eq!(h.take(), ["+I a 4 30 6 2", "+I a 3 30 7 3", "watermark MAX"]);
    }

    #[test]
    fn rows_of_one_time_count_together_in_a_range_whose_far_edge_is_inclusive() {
        let mut h =
            Harness::new(operator(Frame::Range { preceding_ms: Some(10) }, &[AggFunction::Sum]));
        h.push(&input(), "+I a 1 0\n+I a 2 10\n+I a 4 10\n+I a 8 11").watermark(11);
        let out = ["+I a 1 0 1", "+I a 2 10 7", "+I a 4 10 7", "+I a 8 11 14", "watermark 11"];
        assert_eq!(h.take(), out);
        h.watermark(26);
        assert_eq!(h.operator().keys.len(), 1);
        h.watermark(27);
        assert!(h.operator().keys.is_empty(), "an empty frame is not kept");
    }

    #[test]
    fn a_bounded_frame_takes_what_is_behind_the_watermark_but_not_behind_its_last_row() {
        for frame in [Frame::Rows { preceding: Some(1) }, Frame::Range { preceding_ms: Some(20) }] {
            let mut h = Harness::new(operator(frame, &[AggFunction::Sum]));
            h.push(&input(), "+I a 1 10\n+I b 2 30").watermark(30);
            assert_eq!(h.take(), ["+I a 1 10 1", "+I b 2 30 2", "watermark 30"]);
            h.push(&input(), "+I a 4 20\n+I a 8 10\n+I b 1 30\n+I c 5 7").watermark(31);
            assert_eq!(h.take(), ["+I c 5 7 5", "+I a 4 20 5", "watermark 31"]);
        }
        let mut h = Harness::new(operator(Frame::Rows { preceding: None }, &[AggFunction::Sum]));
        h.push(&input(), "+I a 1 10\n+I b 2 30").watermark(30).take();
        h.push(&input(), "+I a 4 20").watermark(31);
        assert_eq!(h.take(), ["watermark 31"]);
    }

    #[test]
    fn ranks_and_former_values() {
        let functions = [
            AggFunction::Lag { offset: 1 },
            AggFunction::RowNumber,
            AggFunction::Rank,
            AggFunction::DenseRank,
        ];
        let mut h = Harness::new(operator(Frame::Rows { preceding: None }, &functions));
        h.push(&input(), "+I a 1 10\n+I a 2 10\n+I a null 20\n+I b 5 15\n+I a 4 30").end();
        let out = [
            "+I a 1 10 null 1 1 1",
            "+I a 2 10 1 2 1 1",
            "+I b 5 15 null 1 1 1",
            "+I a null 20 2 3 3 2",
            "+I a 4 30 null 4 4 3",
            "watermark MAX",
        ];
        assert_eq!(h.take(), out);
    }

    #[test]
    fn a_stored_partition_is_over_when_its_time_is_and_no_row_waits() {
        let stored = |waiting: u32| {
            let mut value = 5i64.to_le_bytes().to_vec();
            value.extend([0u32.to_le_bytes(), waiting.to_le_bytes()].concat());
            value
        };
        assert!(Over::is_over(&stored(0), 10, 15));
        assert!(!Over::is_over(&stored(0), 10, 14));
        assert!(!Over::is_over(&stored(1), 10, 15), "the row would be lost");
    }
}
