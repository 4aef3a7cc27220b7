//! SESSION windows: aggregates over them.
//!
//! ```text
//!   key ──> sessions [start, end) by start, each with a slot
//!   row at t ──> [t, t + gap): merged with every session that it overlaps or touches
//! ```
//! Behind an exchange by the keys. [`SessionTracker`] alone is under the bare window function.
//!
//! Invariants: sessions of a key neither overlap nor touch; a row is late when the session it
//! would be in, merged with what is there, is over already.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::Array;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::ChangeBatch;
use super::agg::Aggregates;
use super::agg::user::UserFunctions;
use super::row::{RowCodec, hash_row};
use super::spec::{TimeDomain, WindowAggregateSpec, WindowAssigner};
use super::state_table::{
    KeyTable, Reader, Slot, restore, restored_watermark, store, store_watermark,
};
use super::window::{WindowClock, milliseconds, window_column};
use super::window_aggregate::EMIT_ROWS;

const STATE: &str = "session-aggregates";

/// A session that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedSession {
    /// Slot of its key in the tracker's table.
    pub key: Slot,
    /// Start and end.
    pub window: (i64, i64),
    /// Slot of its content.
    pub slot: Slot,
}

/// The sessions of all keys. What they contain is the owner's, by slot.
#[derive(Debug)]
pub struct SessionTracker {
    gap_ms: i64,
    clock: WindowClock,
    /// Keys of sessions.
    pub keys: KeyTable,
    /// By key: start to end and slot.
    sessions: Vec<BTreeMap<i64, (i64, Slot)>>,
    /// End, key, start.
    ends: BTreeSet<(i64, Slot, i64)>,
    slots: Slot,
    free: Vec<Slot>,
}

impl SessionTracker {
    /// Sessions with this gap.
    pub fn new(gap_ms: i64, clock: WindowClock) -> Self {
        SessionTracker {
            gap_ms,
            clock,
            keys: KeyTable::default(),
            sessions: Vec::new(),
            ends: BTreeSet::new(),
            slots: 0,
            free: Vec::new(),
        }
    }
    /// One more than the largest slot ever given out.
    pub fn capacity(&self) -> usize {
        self.slots as usize
    }
    fn claim(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }
    /// Lets the slot of a session that was merged or closed be given out again.
    pub fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }
    fn key_slot(&mut self, key: &[u8]) -> Slot {
        let (slot, _) = self.keys.find_or_insert(hash_row(key), key);
        if self.sessions.len() <= slot as usize {
            self.sessions.resize(slot as usize + 1, BTreeMap::new());
        }
        slot
    }
    /// The slot for a row of `key` at a local time, or `None` if it is late. `merge` is told
    /// of each session whose content goes to another: (into, from).
    pub fn assign(
        &mut self,
        key: &[u8],
        time: i64,
        now: i64,
        mut merge: impl FnMut(Slot, Slot),
    ) -> Option<Slot> {
        let key_slot = self.keys.find(hash_row(key), key);
        let (mut start, mut end) = (time, time + self.gap_ms);
        // Sessions do not touch each other, so those that touch the row are neighbours.
        let mut touched: Vec<(i64, i64, Slot)> = Vec::new();
        if let Some(key_slot) = key_slot {
            let before = self.sessions[key_slot as usize].range(..=end).rev();
            for (from, (to, slot)) in before.take_while(|(_, (to, _))| *to >= time) {
                touched.push((*from, *to, *slot));
            }
        }
        for (from, to, _) in &touched {
            (start, end) = (start.min(*from), end.max(*to));
        }
        if self.clock.over_at(end) <= now {
            return None;
        }
        let key_slot = self.key_slot(key);
        let slot = match touched.last() {
            Some((.., slot)) => *slot,
            None => self.claim(),
        };
        for (from, to, other) in touched {
            self.sessions[key_slot as usize].remove(&from);
            self.ends.remove(&(to, key_slot, from));
            if other != slot {
                merge(slot, other);
            }
        }
        self.sessions[key_slot as usize].insert(start, (end, slot));
        self.ends.insert((end, key_slot, start));
        Some(slot)
    }
    /// Puts a stored session back.
    pub fn restore(&mut self, key: &[u8], window: (i64, i64)) -> Slot {
        let (key_slot, slot) = (self.key_slot(key), self.claim());
        self.sessions[key_slot as usize].insert(window.0, (window.1, slot));
        self.ends.insert((window.1, key_slot, window.0));
        slot
    }
    /// When the next session is over.
    pub fn next_end(&self) -> Option<i64> {
        self.ends.first().map(|(end, ..)| self.clock.over_at(*end))
    }
    /// Takes the sessions that are over, by end. Keys stay until [`forget`](Self::forget).
    pub fn close(&mut self, now: i64) -> Vec<ClosedSession> {
        let mut closed = Vec::new();
        while let Some((end, key, start)) = self.ends.first().copied() {
            if self.clock.over_at(end) > now {
                break;
            }
            self.ends.pop_first();
            if let Some((_, slot)) = self.sessions[key as usize].remove(&start) {
                closed.push(ClosedSession { key, window: (start, end), slot });
            }
        }
        closed
    }
    /// Gives the slot of a closed session back, and its key if that was its last.
    pub fn forget(&mut self, closed: &ClosedSession) {
        self.release(closed.slot);
        if self.sessions[closed.key as usize].is_empty() {
            self.keys.remove(closed.key);
        }
    }
    /// Every open session: key, window, slot.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], (i64, i64), Slot)> {
        self.keys.slots().flat_map(move |key| {
            let sessions = self.sessions[key as usize].iter();
            sessions.map(move |(start, (end, slot))| (self.keys.key(key), (*start, *end), *slot))
        })
    }
}

/// The local times of the rows; `None` where the rowtime is NULL.
pub(crate) fn local_times(
    batch: &ChangeBatch,
    time: &TimeDomain,
    clock: &WindowClock,
    now_ms: i64,
) -> Result<Vec<Option<i64>>> {
    let TimeDomain::Event { rowtime } = time else {
        return Ok(vec![Some(clock.local_ms(now_ms)); batch.len()]);
    };
    let column = batch.column(*rowtime)?;
    let times = milliseconds(column)?.into_iter().enumerate();
    Ok(times.map(|(row, t)| column.is_valid(row).then(|| clock.local_ms(t))).collect())
}

/// The operator of [`WindowAggregateSpec`] for sessions.
pub struct SessionAggregate {
    // Configuration.
    spec: WindowAggregateSpec,
    clock: WindowClock,
    key_codec: RowCodec,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    sessions: SessionTracker,
    aggregates: Aggregates,
    counts: Vec<i64>,
    watermark: Watermark,
}

impl SessionAggregate {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: a function or a type is not supported. Bug: the windows are no sessions.
    pub fn new(spec: WindowAggregateSpec, functions: &UserFunctions) -> Result<Self> {
        let WindowAssigner::Session { gap_ms } = spec.window else {
            return Err(Error::bug("windows other than sessions in the operator of sessions"));
        };
        if gap_ms <= 0 {
            return Err(Error::config("the gap of a session is not positive"));
        }
        let clock = WindowClock(spec.local_time.clone());
        let keys: Vec<usize> = (0..spec.keys.len()).collect();
        Ok(SessionAggregate {
            key_codec: RowCodec::of_columns(&spec.output, &keys)?,
            sessions: SessionTracker::new(gap_ms, clock.clone()),
            aggregates: Aggregates::new(&spec.calls, spec.input_retracts, functions)?,
            clock,
            context: None,
            late: Counter::default(),
            counts: Vec::new(),
            watermark: Watermark::MIN,
            spec,
        })
    }
    fn now(&self) -> i64 {
        match (&self.spec.time, &self.context) {
            (TimeDomain::Processing, Some(context)) => context.clock.now_ms(),
            _ => self.watermark.0,
        }
    }
    fn grow(&mut self) {
        let slots = self.sessions.capacity();
        if self.counts.len() < slots {
            self.counts.resize(slots, 0);
        }
        self.aggregates.grow(slots);
    }
    fn empty(&mut self, slot: Slot) {
        self.aggregates.clear(slot);
        self.counts[slot as usize] = 0;
    }
    fn add(&mut self, batch: &ChangeBatch) -> Result<()> {
        let now = self.now();
        let times = local_times(batch, &self.spec.time, &self.clock, now)?;
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        let (mut rows, mut slots, mut late) = (Vec::new(), Vec::new(), 0);
        // Sessions that went into others, with the place in `rows` up to which rows of the
        // batch may name them.
        let mut merged: Vec<(Slot, Slot)> = Vec::new();
        for (row, time) in times.iter().enumerate() {
            let Some(time) = *time else { continue };
            let before = merged.len();
            let slot = self.sessions.assign(keys.row(row), time, now, |into, from| {
                merged.push((into, from));
            });
            for (into, from) in &merged[before..] {
                for slot in &mut slots {
                    if slot == from {
                        *slot = *into;
                    }
                }
            }
            match slot {
                Some(slot) => {
                    rows.push(row as u32);
                    slots.push(slot);
                }
                None => late += 1,
            }
        }
        self.late.add(late);
        self.grow();
        for (into, from) in &merged {
            self.aggregates.merge(*into, *from)?;
            self.counts[*into as usize] += self.counts[*from as usize];
            self.empty(*from);
        }
        let retract: Option<Vec<bool>> = self
            .spec
            .input_retracts
            .then(|| rows.iter().map(|row| batch.kind(*row as usize).is_retract()).collect());
        for (i, slot) in slots.iter().enumerate() {
            let taken = retract.as_ref().is_some_and(|retract| retract[i]);
            self.counts[*slot as usize] += if taken { -1 } else { 1 };
        }
        self.aggregates.update(batch.rows().columns(), &rows, &slots, retract.as_deref())?;
        merged.into_iter().for_each(|(_, from)| self.sessions.release(from));
        Ok(())
    }
    fn fire(&mut self, now: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        let closed = self.sessions.close(now);
        let alive: Vec<&ClosedSession> =
            closed.iter().filter(|s| self.counts[s.slot as usize] > 0).collect();
        for part in alive.chunks(EMIT_ROWS) {
            let keys = part.iter().map(|s| Some(self.sessions.keys.key(s.key)));
            let mut columns = self.key_codec.decode(keys)?;
            let slots: Vec<Slot> = part.iter().map(|s| s.slot).collect();
            columns.extend(self.aggregates.results(&slots)?);
            let windows: Vec<(i64, i64)> = part.iter().map(|s| s.window).collect();
            for which in &self.spec.window_columns {
                let field = self.spec.output.field(columns.len());
                columns.push(window_column(*which, &windows, &self.clock, field.data_type())?);
            }
            let output = self.spec.output.clone();
            out.emit(ChangeBatch::from_columns(output, columns, part.len(), None)?);
        }
        for session in &closed {
            self.empty(session.slot);
            self.sessions.forget(session);
        }
        Ok(())
    }
}

impl Operator for SessionAggregate {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (key, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let slot = self.sessions.restore(&key, (bytes.i64()?, bytes.i64()?));
            self.grow();
            self.counts[slot as usize] = bytes.i64()?;
            self.aggregates.read(slot, &mut bytes)?;
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
            TimeDomain::Processing => self.sessions.next_end(),
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
        for (key, (start, end), slot) in self.sessions.iter() {
            let mut value = Vec::new();
            value.extend_from_slice(&start.to_le_bytes());
            value.extend_from_slice(&end.to_le_bytes());
            value.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
            self.aggregates.write(slot, &mut value)?;
            store(snapshot, STATE, context, key, value)?;
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
    fn operator() -> SessionAggregate {
        let sum = AggCall {
            function: AggFunction::Sum,
            args: vec![1],
            arg_types: vec![SqlType::int()],
            distinct: true,
            filter: None,
            result: SqlType::int(),
        };
        let spec = WindowAggregateSpec {
            window: WindowAssigner::Session { gap_ms: 10 },
            time: TimeDomain::Event { rowtime: 2 },
            local_time: None,
            keys: vec![0],
            calls: vec![sum],
            input_retracts: false,
            window_columns: vec![WindowColumn::Start, WindowColumn::End],
            output: schema(&[
                ("k", SqlType::string()),
                ("s", SqlType::int()),
                ("window_start", SqlType::timestamp(3)),
                ("window_end", SqlType::timestamp(3)),
            ]),
        };
        SessionAggregate::new(spec, &UserFunctions::default()).unwrap()
    }

    #[test]
    fn a_row_bridges_sessions_of_earlier_batches_and_of_its_own() {
        let mut h = Harness::new(operator());
        h.push(&input(), "+I a 1 0\n+I a 2 20\n+I b 7 3");
        h.push(&input(), "+I a 2 40\n+I a 4 30\n+I a 8 10").watermark(12);
        assert_eq!(h.take(), ["+I b 7 3 13", "watermark 12"]);
        h.watermark(49);
        assert_eq!(h.take(), ["+I a 15 0 50", "watermark 49"]);
        assert!(h.operator().sessions.keys.is_empty());
    }

    #[test]
    fn exactly_one_gap_apart_is_one_session_and_one_more_is_two() {
        let mut h = Harness::new(operator());
        h.push(&input(), "+I a 1 0\n+I a 2 10\n+I b 1 0\n+I b 2 11").end();
        assert_eq!(h.take_sorted(), ["+I a 3 0 20", "+I b 1 0 10", "+I b 2 11 21"]);
    }

    #[test]
    fn a_late_row_counts_while_its_merged_session_is_open() {
        let mut h = Harness::new(operator());
        h.push(&input(), "+I a 1 20").watermark(25);
        h.push(&input(), "+I a 2 10\n+I a 4 5\n+I b 1 15").end();
        assert_eq!(h.take_sorted(), ["+I a 7 5 30"]);
    }

    #[test]
    fn open_sessions_come_back() {
        let mut h = Harness::new(operator());
        h.push(&input(), "+I a 1 0\n+I b 2 5").watermark(3);
        let mut h = Harness::at(operator(), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I a 1 8\n+I a 3 9\n+I b 1 -30").end();
        assert_eq!(h.take_sorted(), ["+I a 4 0 19", "+I b 2 5 15"]);
    }
}
