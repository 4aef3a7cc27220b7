//! Window join: rows of both sides in the same window.
//!
//! Both inputs carry window columns; rows wait by window and key until the window is over,
//! then all pairs come out, +I only. Behind exchanges of both inputs by the key.
//!
//! Invariant: a window comes out once; a row of a window that is over is late and dropped.

use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::Array;
use millstream_core::{Either, Epoch, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::{StoredRow, evaluate, matchable, pair_schema};
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
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for group in &window.groups {
            let (matches, matched) = self.matches(group)?;
            if kind.is_left_only() {
                let wanted = kind == JoinKind::Semi;
                let rows = group.sides[0].iter().zip(&matched[0]);
                left.extend(rows.filter(|(_, m)| **m == wanted).map(|(row, _)| Some(row)));
                continue;
            }
            for (l, r) in matches {
                left.push(Some(&group.sides[0][l]));
                right.push(Some(&group.sides[1][r]));
            }
            if kind.keeps_left() {
                for (row, _) in group.sides[0].iter().zip(&matched[0]).filter(|(_, m)| !**m) {
                    left.push(Some(row));
                    right.push(None);
                }
            }
            if kind.keeps_right() {
                for (row, _) in group.sides[1].iter().zip(&matched[1]).filter(|(_, m)| !**m) {
                    left.push(None);
                    right.push(Some(row));
                }
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        let mut columns = self.row_codecs[0].decode(left.iter().map(|r| r.map(|r| &**r)))?;
        if !kind.is_left_only() {
            columns.extend(self.row_codecs[1].decode(right.iter().map(|r| r.map(|r| &**r)))?);
        }
        out.emit(ChangeBatch::from_columns(self.spec.output.clone(), columns, count, None)?);
        Ok(())
    }
    /// Pairs of places in a group, and for each side which rows have a partner.
    #[allow(clippy::type_complexity)]
    fn matches(&self, group: &Group) -> Result<(Vec<(usize, usize)>, [Vec<bool>; 2])> {
        let [left, right] = &group.sides;
        let mut matched = [vec![false; left.len()], vec![false; right.len()]];
        let mut pairs = Vec::new();
        if !group.can_match {
            return Ok((pairs, matched));
        }
        for (l, left_row) in left.iter().enumerate() {
            let holds = match &self.spec.condition {
                None => vec![true; right.len()],
                Some(_) if right.is_empty() => Vec::new(),
                Some(condition) => {
                    let left_rows = vec![Some(&**left_row); right.len()];
                    let left_columns = self.row_codecs[0].decode(left_rows)?;
                    let right_columns =
                        self.row_codecs[1].decode(right.iter().map(|row| Some(&**row)))?;
                    let pairs = right.len();
                    evaluate(condition, &self.pair_schema, left_columns, right_columns, pairs)?
                }
            };
            for r in holds.iter().enumerate().filter(|(_, holds)| **holds).map(|(r, _)| r) {
                (matched[0][l], matched[1][r]) = (true, true);
                pairs.push((l, r));
            }
        }
        Ok((pairs, matched))
    }
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
