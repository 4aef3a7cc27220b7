//! Interval join: `left.time + lower <= right.time <= left.time + upper`.
//!
//! Rows wait by key and time until no partner can come any more. Behind exchanges of both
//! inputs by the key; inputs and output are +I only.
//!
//! Invariants: a row is kept while the watermark (or the clock) has not passed the last time
//! at which a partner could be; a row of a kept side comes out padded when it goes without
//! ever having had a partner. Late rows still meet what is kept, as in Flink.
//! Source: Flink's `TimeIntervalJoin`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use arrow_array::Array;
use millstream_core::{Either, Epoch, Error, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::{Pairs, StoredRow, evaluate, matchable, pair_schema, pick};
use crate::runtime::row::{RowCodec, hash_row};
use crate::runtime::spec::{IntervalJoinSpec, JoinKind};
use crate::runtime::state_table::{
    KeyTable, Reader, Slot, put_delimited, restore, restored_watermark, store, store_watermark,
};
use crate::runtime::window::milliseconds;
use crate::runtime::{ChangeBatch, ChangeKind};

const STATES: [&str; 2] = ["interval-join-left", "interval-join-right"];

#[derive(Clone)]
struct Entry {
    row: StoredRow,
    matched: bool,
}

/// One input with its waiting rows.
struct Side {
    key_codec: RowCodec,
    row_codec: RowCodec,
    /// A row waits until the watermark is beyond its time plus this.
    wait_ms: i64,
    keys: KeyTable,
    rows: Vec<BTreeMap<i64, Vec<Entry>>>,
    /// Times at which keys have rows.
    times: BTreeSet<(i64, Slot)>,
}

impl Side {
    fn add(&mut self, key: &[u8], time: i64, entry: Entry) {
        let (slot, _) = self.keys.find_or_insert(hash_row(key), key);
        if self.rows.len() <= slot as usize {
            self.rows.resize(slot as usize + 1, BTreeMap::new());
        }
        self.rows[slot as usize].entry(time).or_default().push(entry);
        self.times.insert((time, slot));
    }
    /// Takes the rows that wait no longer.
    fn expire(&mut self, now: i64) -> Vec<Entry> {
        let mut gone = Vec::new();
        while let Some((time, slot)) = self.times.first().copied() {
            if time.saturating_add(self.wait_ms) >= now {
                break;
            }
            self.times.pop_first();
            gone.extend(self.rows[slot as usize].remove(&time).unwrap_or_default());
            if self.rows[slot as usize].is_empty() {
                self.keys.remove(slot);
            }
        }
        gone
    }
}

/// The operator of [`IntervalJoinSpec`].
pub struct IntervalJoin {
    // Configuration.
    spec: IntervalJoinSpec,
    pair_schema: arrow_schema::SchemaRef,
    context: Option<OperatorContext>,
    // Checkpointed.
    sides: [Side; 2],
    watermark: Watermark,
}

impl IntervalJoin {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: IntervalJoinSpec) -> Result<Self> {
        let side = |schema: &arrow_schema::SchemaRef, keys: &[usize], wait_ms| -> Result<Side> {
            Ok(Side {
                key_codec: RowCodec::of_columns(schema, keys)?,
                row_codec: RowCodec::of_schema(schema)?,
                wait_ms,
                keys: KeyTable::default(),
                rows: Vec::new(),
                times: BTreeSet::new(),
            })
        };
        Ok(IntervalJoin {
            pair_schema: pair_schema(&spec.left, &spec.right),
            context: None,
            sides: [
                side(&spec.left, &spec.keys.left, spec.upper_ms)?,
                side(&spec.right, &spec.keys.right, -spec.lower_ms)?,
            ],
            watermark: Watermark::MIN,
            spec,
        })
    }
    fn keeps(&self, side: usize) -> bool {
        match side {
            0 => self.spec.kind.keeps_left() || self.spec.kind == JoinKind::Anti,
            _ => self.spec.kind.keeps_right(),
        }
    }
    fn now(&self) -> i64 {
        match (&self.spec.rowtimes, &self.context) {
            (None, Some(context)) => context.clock.now_ms(),
            _ => self.watermark.0,
        }
    }
    fn process(
        &mut self,
        side: usize,
        batch: &ChangeBatch,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let now = self.now();
        let key_columns = match side {
            0 => &self.spec.keys.left,
            _ => &self.spec.keys.right,
        };
        let key_columns = batch.columns(key_columns)?;
        let can_match = matchable(&key_columns, &self.spec.keys.filter_nulls, batch.len());
        let keys = self.sides[side].key_codec.encode(&key_columns, batch.len())?;
        let rows = self.sides[side].row_codec.encode(batch.rows().columns(), batch.len())?;
        let times = match self.spec.rowtimes {
            Some(columns) => {
                let column = batch.column(if side == 0 { columns.0 } else { columns.1 })?;
                if column.null_count() > 0 {
                    return Err(Error::data("the rowtime of an interval join is NULL")
                        .advice("filter such rows out in front of the join"));
                }
                milliseconds(column)?
            }
            None => vec![now; batch.len()],
        };
        // Candidates: row, slot, time and place in the other side's state.
        let mut candidates = Vec::new();
        let other = &self.sides[1 - side];
        for (row, time) in times.iter().enumerate() {
            let key = keys.row(row);
            let Some(slot) = other.keys.find(hash_row(key), key).filter(|_| can_match[row]) else {
                continue;
            };
            let (from, to) = match side {
                0 => (
                    time.saturating_add(self.spec.lower_ms),
                    time.saturating_add(self.spec.upper_ms),
                ),
                _ => (
                    time.saturating_sub(self.spec.upper_ms),
                    time.saturating_sub(self.spec.lower_ms),
                ),
            };
            if from > to {
                continue;
            }
            for (at, entries) in other.rows[slot as usize].range(from..=to) {
                candidates.extend((0..entries.len()).map(|place| (row as u32, slot, *at, place)));
            }
        }
        if let (Some(condition), false) = (&self.spec.condition, candidates.is_empty()) {
            let chosen: Vec<_> = candidates.iter().map(|(row, ..)| Some(*row)).collect();
            let input = pick(batch.rows().columns(), &chosen)?;
            let stored = candidates
                .iter()
                .map(|(_, slot, time, place)| Some(&*other.rows[*slot as usize][time][*place].row));
            let stored = other.row_codec.decode(stored)?;
            let (left, right) = if side == 0 { (input, stored) } else { (stored, input) };
            let holds = evaluate(condition, &self.pair_schema, left, right, candidates.len())?;
            let mut holds = holds.into_iter();
            candidates.retain(|_| holds.next().unwrap_or_default());
        }
        let left_only = self.spec.kind.is_left_only();
        let mut pairs = Pairs::default();
        let mut matches = candidates.into_iter().peekable();
        for (row, time) in times.iter().enumerate() {
            let mut matched = false;
            while let Some((_, slot, at, place)) = matches.next_if(|m| m.0 as usize == row) {
                let entries = self.sides[1 - side].rows[slot as usize].get_mut(&at);
                let Some(entry) = entries.and_then(|entries| entries.get_mut(place)) else {
                    continue;
                };
                match (left_only, side) {
                    (false, _) => {
                        pairs.push(ChangeKind::Insert, Some(row), Some(entry.row.clone()));
                    }
                    (true, 0) if !matched && self.spec.kind == JoinKind::Semi => {
                        pairs.push(ChangeKind::Insert, Some(row), None);
                    }
                    (true, 1) if !entry.matched && self.spec.kind == JoinKind::Semi => {
                        pairs.push(ChangeKind::Insert, None, Some(entry.row.clone()));
                    }
                    _ => {}
                }
                matched = true;
                entry.matched = true;
            }
            let waits = time.saturating_add(self.sides[side].wait_ms) > now;
            if waits && (can_match[row] || self.keeps(side)) {
                let entry = Entry { row: Rc::from(rows.row(row)), matched };
                self.sides[side].add(keys.row(row), *time, entry);
            } else if !matched && self.keeps(side) {
                pairs.push(ChangeKind::Insert, Some(row), None);
            }
        }
        if !pairs.is_empty() {
            let codec = &self.sides[1 - side].row_codec;
            let (row, output) = (StoredRow::as_ref, &self.spec.output);
            out.emit(pairs.finish(batch, side == 0, codec, row, left_only, output)?);
        }
        Ok(())
    }
    fn expire(&mut self, now: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        for side in 0..2 {
            let gone = self.sides[side].expire(now);
            let alone: Vec<StoredRow> =
                gone.into_iter().filter(|entry| !entry.matched).map(|entry| entry.row).collect();
            if alone.is_empty() || !self.keeps(side) {
                continue;
            }
            let rows = self.sides[side].row_codec.decode(alone.iter().map(|row| Some(&**row)))?;
            let columns = if self.spec.kind.is_left_only() {
                rows
            } else {
                let padding = vec![None; alone.len()];
                let padding = self.sides[1 - side].row_codec.decode(padding)?;
                if side == 0 { [rows, padding].concat() } else { [padding, rows].concat() }
            };
            let output = self.spec.output.clone();
            out.emit(ChangeBatch::from_columns(output, columns, alone.len(), None)?);
        }
        Ok(())
    }
}

impl Operator for IntervalJoin {
    type In = Either<ChangeBatch, ChangeBatch>;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (side, name) in self.sides.iter_mut().zip(STATES) {
            for (key, value) in restore(context, name)? {
                let mut bytes = Reader(&value);
                while !bytes.0.is_empty() {
                    let (time, matched) = (bytes.i64()?, bytes.u8()? != 0);
                    side.add(&key, time, Entry { row: bytes.delimited()?.into(), matched });
                }
            }
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<ChangeBatch>) -> Result<()> {
        if self.spec.rowtimes.is_none() {
            self.expire(self.now(), out)?;
        }
        match batch {
            Either::Left(batch) => self.process(0, &batch, out),
            Either::Right(batch) => self.process(1, &batch, out),
        }
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if self.spec.rowtimes.is_some() {
            self.watermark = self.watermark.max(watermark);
            self.expire(self.watermark.0, out)?;
        }
        Ok(Progress::Done)
    }
    fn next_processing_time(&self) -> Option<i64> {
        if self.spec.rowtimes.is_some() {
            return None;
        }
        let of = |side: &Side| {
            let first = side.times.first();
            first.map(|(time, _)| time.saturating_add(side.wait_ms).saturating_add(1))
        };
        self.sides.iter().filter_map(of).min()
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        match self.spec.rowtimes {
            Some(_) => Ok(()),
            None => self.expire(now_ms, out),
        }
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.watermark)?;
        for (side, name) in self.sides.iter().zip(STATES) {
            for slot in side.keys.slots() {
                let mut value = Vec::new();
                for (time, entries) in &side.rows[slot as usize] {
                    for entry in entries {
                        value.extend_from_slice(&time.to_le_bytes());
                        value.push(u8::from(entry.matched));
                        put_delimited(&mut value, &entry.row);
                    }
                }
                store(snapshot, name, context, side.keys.key(slot), value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::JoinKeys;
    use crate::runtime::testing::{Harness, schema};
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn side() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("t", SqlType::timestamp(3))])
    }
    fn join(kind: JoinKind) -> IntervalJoin {
        let mut fields = side().fields().to_vec();
        if !kind.is_left_only() {
            fields.extend(side().fields().to_vec());
        }
        IntervalJoin::new(IntervalJoinSpec {
            kind,
            keys: JoinKeys { left: vec![0], right: vec![0], filter_nulls: vec![true] },
            condition: None,
            lower_ms: 0,
            upper_ms: 15,
            rowtimes: Some((1, 1)),
            left: side(),
            right: side(),
            output: std::sync::Arc::new(arrow_schema::Schema::new(fields)),
        })
        .unwrap()
    }

    #[test]
    fn both_bounds_are_inclusive_and_rows_without_a_partner_come_at_the_end() {
        let expected: [(JoinKind, &[&str]); 4] = [
            (JoinKind::Inner, &["+I a 10 a 10", "+I a 10 a 25"]),
            (
                JoinKind::Full,
                &[
                    "+I a 10 a 10",
                    "+I a 10 a 25",
                    "+I b 0 null null",
                    "+I null 3 null null",
                    "+I null null a 26",
                    "+I null null null 3",
                ],
            ),
            (JoinKind::Semi, &["+I a 10"]),
            (JoinKind::Anti, &["+I b 0", "+I null 3"]),
        ];
        for (kind, lines) in expected {
            let mut h = Harness::new(join(kind));
            h.right(&side(), "+I a 26\n+I a 10\n+I null 3").left(&side(), "+I a 10\n+I b 0");
            let mut rows = h.take_sorted();
            let mut h = Harness::at(join(kind), 0, 1, vec![h.snapshot()]);
            h.left(&side(), "+I null 3").right(&side(), "+I a 25").end();
            rows.extend(h.take_sorted());
            rows.sort();
            assert_eq!(rows, lines, "{kind:?}");
            assert!(h.operator().sides.iter().all(|side| side.keys.is_empty()));
        }
    }

    #[test]
    fn a_row_that_is_too_late_for_a_partner_is_padded_at_once() {
        let mut h = Harness::new(join(JoinKind::Left));
        h.watermark(100).left(&side(), "+I a 85\n+I a 86");
        assert_eq!(h.take(), ["watermark 100", "+I a 85 null null"]);
    }
}
