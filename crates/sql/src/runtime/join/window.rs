//! Window join: rows of both sides in the same window.
//!
//! Both inputs carry window columns; rows wait by window and key until the window is over,
//! then all pairs come out, +I only. Behind exchanges of both inputs by the key.
//!
//! Invariant: a window comes out once; a row of a window that is over is late and dropped.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::{Array, ArrayRef};
use millstream_core::{Either, Epoch, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::{MAX_CANDIDATES, StoredRow, evaluate, matchable, pair_schema, pick};
use crate::runtime::ChangeBatch;
use crate::runtime::row::{RowCodec, hash_row};
use crate::runtime::spec::{JoinKind, WindowJoinSpec};
use crate::runtime::state_table::{
    KeyTable, Reader, put_delimited, restore, restored_watermark, store, store_watermark,
};
use crate::runtime::window::{WindowClock, milliseconds};

const STATE: &str = "window-join-rows";

/// The rows of one key in one window.
#[derive(Clone, Default)]
struct Group {
    can_match: bool,
    sides: [Vec<StoredRow>; 2],
}

#[derive(Default)]
struct Window {
    keys: KeyTable,
    groups: Vec<Group>,
}

impl Window {
    fn group(&mut self, key: &[u8], can_match: bool) -> &mut Group {
        let (slot, new) = self.keys.find_or_insert(hash_row(key), key);
        if new {
            self.groups.push(Group { can_match, ..Group::default() });
        }
        &mut self.groups[slot as usize]
    }
}

/// The operator of [`WindowJoinSpec`].
pub struct WindowJoin {
    // Configuration.
    spec: WindowJoinSpec,
    pair_schema: arrow_schema::SchemaRef,
    clock: WindowClock,
    key_codecs: [RowCodec; 2],
    row_codecs: [RowCodec; 2],
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    windows: BTreeMap<i64, Window>,
    watermark: Watermark,
}

impl WindowJoin {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: WindowJoinSpec) -> Result<Self> {
        Ok(WindowJoin {
            pair_schema: pair_schema(&spec.left, &spec.right),
            clock: WindowClock(spec.local_time.clone()),
            key_codecs: [
                RowCodec::of_columns(&spec.left, &spec.keys.left)?,
                RowCodec::of_columns(&spec.right, &spec.keys.right)?,
            ],
            row_codecs: [RowCodec::of_schema(&spec.left)?, RowCodec::of_schema(&spec.right)?],
            context: None,
            late: Counter::default(),
            windows: BTreeMap::new(),
            watermark: Watermark::MIN,
            spec,
        })
    }
    fn add(&mut self, side: usize, batch: &ChangeBatch) -> Result<()> {
        let (key_columns, end) = match side {
            0 => (&self.spec.keys.left, self.spec.left_window_end),
            _ => (&self.spec.keys.right, self.spec.right_window_end),
        };
        let key_columns = batch.columns(key_columns)?;
        let can_match = matchable(&key_columns, &self.spec.keys.filter_nulls, batch.len());
        let keys = self.key_codecs[side].encode(&key_columns, batch.len())?;
        let rows = self.row_codecs[side].encode(batch.rows().columns(), batch.len())?;
        let end_column = batch.column(end)?;
        let ends = milliseconds(end_column)?;
        let mut late = 0;
        for (row, end) in ends.into_iter().enumerate() {
            if end_column.is_null(row) || self.clock.over_at(end) <= self.watermark.0 {
                late += 1;
                continue;
            }
            let window = self.windows.entry(end).or_default();
            let group = window.group(keys.row(row), can_match[row]);
            group.sides[side].push(Rc::from(rows.row(row)));
        }
        self.late.add(late);
        Ok(())
    }
    fn fire(&self, window: &Window, out: &mut Output<ChangeBatch>) -> Result<()> {
        let kind = self.spec.kind;
        let sides = [self.side(window, 0)?, self.side(window, 1)?];
        let mut matched = [vec![false; sides[0].rows], vec![false; sides[1].rows]];
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (l, r) in self.matches(window, &sides)? {
            (matched[0][l as usize], matched[1][r as usize]) = (true, true);
            if !kind.is_left_only() {
                left.push(Some(l));
                right.push(Some(r));
            }
        }
        let of = |side: usize, wanted: bool| {
            let rows = matched[side].iter().enumerate().filter(move |(_, m)| **m == wanted);
            rows.map(|(row, _)| Some(row as u32))
        };
        if kind.is_left_only() {
            left.extend(of(0, kind == JoinKind::Semi));
        }
        if kind.keeps_left() {
            left.extend(of(0, false));
            right.resize(left.len(), None);
        }
        if kind.keeps_right() {
            right.extend(of(1, false));
            left.resize(right.len(), None);
        }
        if left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        let mut columns = pick(&sides[0].columns, &left)?;
        if !kind.is_left_only() {
            columns.extend(pick(&sides[1].columns, &right)?);
        }
        out.emit(ChangeBatch::from_columns(self.spec.output.clone(), columns, count, None)?);
        Ok(())
    }
    /// The rows of one side of all groups, one group behind the other.
    fn side(&self, window: &Window, side: usize) -> Result<Rows> {
        let mut starts = vec![0];
        for group in &window.groups {
            starts.push(starts.last().unwrap_or(&0) + group.sides[side].len());
        }
        let rows = window.groups.iter().flat_map(|group| &group.sides[side]);
        let columns = self.row_codecs[side].decode(rows.map(|row| Some(&**row)))?;
        Ok(Rows { columns, rows: starts.last().copied().unwrap_or(0), starts })
    }
    /// All pairs of rows that match.
    fn matches(&self, window: &Window, sides: &[Rows; 2]) -> Result<Vec<(u32, u32)>> {
        let [left, right] = sides;
        let (mut found, mut candidates) = (Vec::new(), Vec::new());
        let mut decide = |candidates: &mut Vec<(u32, u32)>| -> Result<()> {
            let Some(condition) = &self.spec.condition else {
                found.append(candidates);
                return Ok(());
            };
            let of = |side: &Rows, rows: &dyn Fn(&(u32, u32)) -> u32| {
                let rows: Vec<Option<u32>> = candidates.iter().map(|c| Some(rows(c))).collect();
                pick(&side.columns, &rows)
            };
            let (l, r) = (of(left, &|c| c.0)?, of(right, &|c| c.1)?);
            let holds = evaluate(condition, &self.pair_schema, l, r, candidates.len())?;
            found.extend(candidates.drain(..).zip(holds).filter(|(_, h)| *h).map(|(c, _)| c));
            Ok(())
        };
        for (nth, group) in window.groups.iter().enumerate().filter(|(_, g)| g.can_match) {
            let first = right.starts[nth] as u32;
            for l in 0..group.sides[0].len() {
                let l = (left.starts[nth] + l) as u32;
                candidates.extend((0..group.sides[1].len() as u32).map(|r| (l, first + r)));
                if candidates.len() >= MAX_CANDIDATES {
                    decide(&mut candidates)?;
                }
            }
        }
        if !candidates.is_empty() {
            decide(&mut candidates)?;
        }
        Ok(found)
    }
}

/// Decoded rows of one side of a window.
struct Rows {
    columns: Vec<ArrayRef>,
    rows: usize,
    /// First row of each group, and the end of the last.
    starts: Vec<usize>,
}

impl Operator for WindowJoin {
    type In = Either<ChangeBatch, ChangeBatch>;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (key, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let (end, can_match) = (bytes.i64()?, bytes.u8()? != 0);
            let group = self.windows.entry(end).or_default().group(&key, can_match);
            for side in &mut group.sides {
                for _ in 0..bytes.u32()? {
                    side.push(bytes.delimited()?.into());
                }
            }
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, _: &mut Output<ChangeBatch>) -> Result<()> {
        match batch {
            Either::Left(batch) => self.add(0, &batch),
            Either::Right(batch) => self.add(1, &batch),
        }
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
            self.fire(&window, out)?;
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.watermark)?;
        for (end, window) in &self.windows {
            for slot in window.keys.slots() {
                let group = &window.groups[slot as usize];
                let mut value = Vec::new();
                value.extend_from_slice(&end.to_le_bytes());
                value.push(u8::from(group.can_match));
                for side in &group.sides {
                    value.extend_from_slice(&(side.len() as u32).to_le_bytes());
                    side.iter().for_each(|row| put_delimited(&mut value, row));
                }
                store(snapshot, STATE, context, window.keys.key(slot), value)?;
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
        schema(&[("k", SqlType::string()), ("v", SqlType::int()), ("e", SqlType::timestamp(3))])
    }
    fn join(kind: JoinKind) -> WindowJoin {
        let mut fields = side().fields().to_vec();
        if !kind.is_left_only() {
            fields.extend(side().fields().to_vec());
        }
        WindowJoin::new(WindowJoinSpec {
            kind,
            keys: JoinKeys { left: vec![0], right: vec![0], filter_nulls: vec![true] },
            condition: None,
            left_window_end: 2,
            right_window_end: 2,
            local_time: None,
            left: side(),
            right: side(),
            output: std::sync::Arc::new(arrow_schema::Schema::new(fields)),
        })
        .unwrap()
    }

    #[test]
    fn each_kind_of_join_in_each_window() {
        let expected: [(JoinKind, &[&str]); 4] = [
            (JoinKind::Inner, &["+I a 1 10 a 7 10"]),
            (
                JoinKind::Full,
                &[
                    "+I a 1 10 a 7 10",
                    "+I a 2 20 null null null",
                    "+I null 3 10 null null null",
                    "+I null null null b 8 10",
                    "+I null null null null 9 10",
                ],
            ),
            (JoinKind::Semi, &["+I a 1 10"]),
            (JoinKind::Anti, &["+I a 2 20", "+I null 3 10"]),
        ];
        for (kind, lines) in expected {
            let mut h = Harness::new(join(kind));
            h.left(&side(), "+I a 1 10\n+I a 2 20\n+I null 3 10");
            let mut h = Harness::at(join(kind), 0, 1, vec![h.snapshot()]);
            h.right(&side(), "+I a 7 10\n+I b 8 10\n+I null 9 10").watermark(8);
            assert_eq!(h.take(), ["watermark 8"]);
            h.watermark(9).right(&side(), "+I a 5 10").end();
            assert_eq!(h.take_sorted(), lines, "{kind:?}");
        }
    }
}
