//! Temporal join: each left row with the version of the right row that is valid at its time.
//!
//! ```text
//!   versions of key EUR    |-- 1.10 since 10 --|-- 1.12 since 30 --|-- deleted 50 --
//!   left rows                      ^ 20: 1.10          ^ 40: 1.12        ^ 60: none
//! ```
//! With rowtimes a left row waits for the watermark, and older versions are dropped when it
//! has passed a newer one. Without, the latest row of the key at the time of processing counts.
//!
//! Invariant: of the versions of a key up to the watermark only the newest is kept.
//! Source: Flink's `TemporalRowTimeJoinOperator`, `TemporalProcessTimeJoinOperator`.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::Array;
use millstream_core::{Either, Epoch, Error, Result, Watermark};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::{StoredRow, evaluate, matchable, pair_schema};
use crate::runtime::backing::{SlotState, States};
use crate::runtime::row::RowCodec;
use crate::runtime::spec::TemporalJoinSpec;
use crate::runtime::state_table::{
    KeyTable, KeyedValues, Reader, Slot, put_delimited, restored_watermark, store_watermark,
};
use crate::runtime::window::milliseconds;
use crate::runtime::{ChangeBatch, ChangeKind};

const STATE: &str = "temporal-join-versions";

/// The rows of one key.
#[derive(Clone, Default)]
struct Key {
    can_match: bool,
    /// Right rows by the time since which they are valid; FALSE: gone since then.
    versions: BTreeMap<i64, (bool, StoredRow)>,
    /// Left rows that wait, by time.
    waiting: BTreeMap<i64, Vec<(ChangeKind, StoredRow)>>,
}

impl Key {
    /// Times of what waits, and since which versions are valid.
    fn times(&self) -> impl Iterator<Item = i64> {
        self.versions.keys().chain(self.waiting.keys()).copied()
    }
}

/// A left row with its version.
type Joined = (ChangeKind, StoredRow, Option<StoredRow>);

/// The operator of [`TemporalJoinSpec`].
pub struct TemporalJoin {
    // Configuration.
    spec: TemporalJoinSpec,
    pair_schema: arrow_schema::SchemaRef,
    key_codecs: [RowCodec; 2],
    row_codecs: [RowCodec; 2],
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    rows: KeyedValues<Key>,
    watermark: Watermark,
    // Rebuilt on restore.
    /// Times at which keys have left rows to join, or versions to drop.
    times: std::collections::BTreeSet<(i64, Slot)>,
}

impl TemporalJoin {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: TemporalJoinSpec) -> Result<Self> {
        Ok(TemporalJoin {
            pair_schema: pair_schema(&spec.left, &spec.right),
            key_codecs: [
                RowCodec::of_columns(&spec.left, &spec.keys.left)?,
                RowCodec::of_columns(&spec.right, &spec.keys.right)?,
            ],
            row_codecs: [RowCodec::of_schema(&spec.left)?, RowCodec::of_schema(&spec.right)?],
            context: None,
            states: None,
            rows: KeyedValues::new(spec.ttl_ms),
            watermark: Watermark::MIN,
            times: std::collections::BTreeSet::new(),
            spec,
        })
    }
    fn slot(&mut self, key: &[u8], can_match: bool, now_ms: i64) -> Slot {
        let (slot, fresh) = self.rows.enter(key, now_ms);
        if fresh {
            self.rows[slot].can_match = can_match;
        }
        slot
    }
    fn process(
        &mut self,
        side: usize,
        batch: &ChangeBatch,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let now_ms = self.rows.sweep(self.context.as_ref());
        let (key_columns, time) = match (side, self.spec.rowtimes) {
            (0, times) => (&self.spec.keys.left, times.map(|t| t.0)),
            (_, times) => (&self.spec.keys.right, times.map(|t| t.1)),
        };
        let key_columns = batch.columns(key_columns)?;
        let can_match = matchable(&key_columns, &self.spec.keys.filter_nulls, batch.len());
        let keys = self.key_codecs[side].encode(&key_columns, batch.len())?;
        let rows = self.row_codecs[side].encode(batch.rows().columns(), batch.len())?;
        let times = match time {
            Some(column) => {
                let column = batch.column(column)?;
                if column.null_count() > 0 {
                    return Err(Error::data("the rowtime of a temporal join is NULL")
                        .advice("filter such rows out in front of the join"));
                }
                milliseconds(column)?
            }
            None => vec![0; batch.len()],
        };
        self.fetch(&keys)?;
        let mut joined = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
            let (key, kind, bytes) = (keys.row(row), batch.kind(row), Rc::from(rows.row(row)));
            match (side, self.spec.rowtimes.is_some()) {
                (0, true) => {
                    let slot = self.slot(key, can_match[row], now_ms);
                    self.rows[slot].waiting.entry(time).or_default().push((kind, bytes));
                    self.times.insert((time, slot));
                }
                (0, false) => {
                    let known = self.rows.get(key, now_ms).filter(|_| can_match[row]);
                    let version = known.and_then(|known| known.versions.get(&0));
                    joined.push((kind, bytes, version.map(|(_, row)| row.clone())));
                }
                // The former content of a version says nothing new.
                _ if kind == ChangeKind::UpdateBefore => {}
                (_, true) => {
                    let slot = self.slot(key, can_match[row], now_ms);
                    self.rows[slot].versions.insert(time, (kind.is_add(), bytes));
                    self.times.insert((time, slot));
                }
                (_, false) if kind.is_add() => {
                    let slot = self.slot(key, can_match[row], now_ms);
                    self.rows[slot].versions.insert(0, (true, bytes));
                }
                (_, false) => self.rows.remove_key(key),
            }
        }
        self.emit(joined, out)?;
        self.settle(batch.len(), rows.byte_count())
    }
    fn emit(&self, mut joined: Vec<Joined>, out: &mut Output<ChangeBatch>) -> Result<()> {
        if joined.is_empty() {
            return Ok(());
        }
        let left = |rows: &[Joined]| {
            self.row_codecs[0].decode(rows.iter().map(|(_, row, _)| Some(&**row)))
        };
        let right = |rows: &[Joined]| {
            self.row_codecs[1].decode(rows.iter().map(|(.., row)| row.as_deref()))
        };
        if let Some(condition) = &self.spec.condition {
            let (l, r) = (left(&joined)?, right(&joined)?);
            let holds = evaluate(condition, &self.pair_schema, l, r, joined.len())?;
            for ((.., version), holds) in joined.iter_mut().zip(holds) {
                if !holds {
                    *version = None;
                }
            }
        }
        if !self.spec.kind.keeps_left() {
            joined.retain(|(.., version)| version.is_some());
        }
        if joined.is_empty() {
            return Ok(());
        }
        let columns = [left(&joined)?, right(&joined)?].concat();
        let kinds = joined.iter().map(|(kind, ..)| *kind).collect();
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, joined.len(), Some(kinds))?);
        Ok(())
    }
    fn advance(&mut self, now: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        let mut joined = Vec::new();
        while let Some((time, slot)) = self.times.first().copied() {
            if time > now {
                break;
            }
            self.times.pop_first();
            let key = &mut self.rows[slot];
            for (kind, row) in key.waiting.remove(&time).unwrap_or_default() {
                let version = key.versions.range(..=time).next_back();
                let version = version.filter(|(_, (there, _))| *there && key.can_match);
                joined.push((kind, row, version.map(|(_, (_, row))| row.clone())));
            }
            // Left rows up to the watermark of this key may still be on the list, at later
            // times: they need no version older than the one valid at `time`.
            let newest = key.versions.range(..=time).next_back().map(|(since, _)| *since);
            if let Some(newest) = newest {
                key.versions = key.versions.split_off(&newest);
                let only_gone = key.versions.len() == 1 && !key.versions[&newest].0;
                if only_gone {
                    key.versions.clear();
                }
            }
            if key.versions.is_empty() && key.waiting.is_empty() {
                self.rows.remove(slot);
            }
        }
        self.emit(joined, out)?;
        self.settle(0, 0)
    }
}

impl Operator for TemporalJoin {
    type In = Either<ChangeBatch, ChangeBatch>;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.rows.ttl_ms())?;
        self.states = Some(states);
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<ChangeBatch>) -> Result<()> {
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
            self.advance(self.watermark.0, out)?;
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        store_watermark(snapshot, self.watermark)?;
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for TemporalJoin {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.rows.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let (touched_ms, can_match) = (bytes.i64()?, bytes.u8()? != 0);
        let mut key = Key { can_match, ..Key::default() };
        for _ in 0..bytes.u32()? {
            let (since, there) = (bytes.i64()?, bytes.u8()? != 0);
            key.versions.insert(since, (there, bytes.delimited()?.into()));
        }
        while !bytes.0.is_empty() {
            let (time, kind) = (bytes.i64()?, ChangeKind::from_byte(bytes.u8()?)?);
            key.waiting.entry(time).or_default().push((kind, bytes.delimited()?.into()));
        }
        if self.spec.rowtimes.is_some() {
            self.times.extend(key.times().map(|time| (time, slot)));
        }
        self.rows.fill(slot, touched_ms, key);
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let key = &self.rows[slot];
        out.extend_from_slice(&self.rows.touched_ms(slot).to_le_bytes());
        out.push(u8::from(key.can_match));
        out.extend_from_slice(&(key.versions.len() as u32).to_le_bytes());
        for (since, (there, row)) in &key.versions {
            out.extend_from_slice(&since.to_le_bytes());
            out.push(u8::from(*there));
            put_delimited(out, row);
        }
        for (time, rows) in &key.waiting {
            for (kind, row) in rows {
                out.extend_from_slice(&time.to_le_bytes());
                out.push(*kind as u8);
                put_delimited(out, row);
            }
        }
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        for time in self.rows[slot].times() {
            self.times.remove(&(time, slot));
        }
        self.rows.clear(slot);
    }
    fn pins(&self) -> bool {
        self.spec.rowtimes.is_some()
    }
    fn is_pinned(&self, slot: Slot) -> bool {
        let key = &self.rows[slot];
        let is_ahead = |since: i64| since > self.watermark.0;
        // What waits may be late, and then waits for the next watermark.
        self.pins() && (!key.waiting.is_empty() || key.versions.keys().copied().any(is_ahead))
    }
    fn will_be_pinned(&self, value: &[u8]) -> Result<bool> {
        let mut bytes = Reader(value);
        let (_touched, _can_match) = (bytes.i64()?, bytes.u8()?);
        let mut last = i64::MIN;
        for _ in 0..bytes.u32()? {
            let (since, _there, _row) = (bytes.i64()?, bytes.u8()?, bytes.delimited()?);
            last = last.max(since);
        }
        Ok(last > self.watermark.0 || !bytes.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::{JoinKeys, JoinKind};
    use crate::runtime::testing::{Harness, schema};
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    fn side() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("v", SqlType::int()), ("t", SqlType::timestamp(3))])
    }
    fn join(kind: JoinKind, event_time: bool) -> TemporalJoin {
        let fields = [side().fields().to_vec(), side().fields().to_vec()].concat();
        TemporalJoin::new(TemporalJoinSpec {
            kind,
            keys: JoinKeys { left: vec![0], right: vec![0], filter_nulls: vec![true] },
            condition: None,
            rowtimes: event_time.then_some((2, 2)),
            ttl_ms: None,
            left: side(),
            right: side(),
            output: std::sync::Arc::new(arrow_schema::Schema::new(fields)),
        })
        .unwrap()
    }

    #[test]
    fn a_row_meets_the_version_of_its_time() {
        let new = || join(JoinKind::Left, true);
        let mut h = Harness::new(new());
        h.left(&side(), "+I e 1 20\n+I e 2 40\n+I e 3 60\n+I e 4 5\n+I null 5 20\n+I u 6 20");
        h.right(&side(), "+I e 110 10\n-U e 110 10\n+U e 112 30\n-D e 112 50\n+I null 9 0");
        let mut h = Harness::at(new(), 0, 1, vec![h.snapshot()]);
        assert_eq!(h.take(), [""; 0]);
        h.watermark(45);
        let out = [
            "+I e 1 20 e 110 10",
            "+I e 2 40 e 112 30",
            "+I e 4 5 null null null",
            "+I null 5 20 null null null",
            "+I u 6 20 null null null",
        ];
        assert_eq!(h.take_sorted(), out);
        h.end();
        assert_eq!(h.take_sorted(), ["+I e 3 60 null null null"]);
    }

    #[test]
    fn versions_that_nobody_can_ask_for_are_dropped() {
        let mut h = Harness::new(join(JoinKind::Inner, true));
        h.right(&side(), "+I e 1 10\n+U e 2 20\n+U e 3 30\n+I g 1 10\n-D g 1 15").watermark(25);
        assert_eq!(h.operator().rows.len(), 1);
        let (.., known) = h.operator().rows.iter().next().unwrap();
        assert_eq!(known.versions.len(), 2);
    }

    #[test]
    fn by_processing_time_the_latest_row_counts() {
        let mut h = Harness::new(join(JoinKind::Inner, false));
        h.left(&side(), "+I e 1 0").right(&side(), "+I e 7 0\n+U e 8 0").left(&side(), "+I e 2 0");
        h.right(&side(), "-D e 8 0").left(&side(), "+I e 3 0");
        assert_eq!(h.take(), ["+I e 2 0 e 8 0"]);
    }
}
