//! Row numbers dealt out to subtasks in blocks, for generators.
//!
//! ```text
//!   rows   0..B  B..2B  2B..3B ...        block b belongs to split b % SPLITS,
//!   split    0     1      2    ...        split s to subtask s % parallelism
//! ```
//!
//! Invariant: every row number is given out exactly once, at any parallelism and after any
//! restore. A subtask gives its numbers out in order.

use millstream_core::Result;
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::ops::Range;

/// As many as a job has key groups by default: more subtasks than that read nothing.
const SPLITS: u64 = 128;
const STATE: &str = "generator-splits";

/// The row numbers of one subtask.
pub(crate) struct Blocks {
    /// Split, and the number of its next block among its own.
    splits: Vec<(u64, u64)>,
    block: u64,
    /// Number of rows; `None`: without end.
    rows: Option<u64>,
}

impl Blocks {
    pub(crate) fn open(context: &OperatorContext, block: u64, rows: Option<u64>) -> Result<Self> {
        let subtask = &context.subtask;
        let stored: Vec<(u64, u64)> = context.restored.list_union(STATE)?;
        let mine = |split: &u64| *split % subtask.parallelism.max(1) as u64 == subtask.index as u64;
        let next = |s: u64| stored.iter().find(|(split, _)| *split == s).map_or(0, |(_, n)| *n);
        let splits = (0..SPLITS).filter(mine).map(|split| (split, next(split))).collect();
        Ok(Blocks { splits, block: block.max(1), rows })
    }
    fn start(&self, (split, next): (u64, u64)) -> u64 {
        next.saturating_mul(SPLITS).saturating_add(split).saturating_mul(self.block)
    }
    /// The next rows of this subtask; `None` when there are no more.
    pub(crate) fn next(&mut self) -> Option<Range<u64>> {
        let first = (0..self.splits.len()).min_by_key(|i| self.start(self.splits[*i]))?;
        let start = self.start(self.splits[first]);
        let end = start.saturating_add(self.block).min(self.rows.unwrap_or(u64::MAX));
        if start >= end {
            return None;
        }
        self.splits[first].1 += 1;
        Some(start..end)
    }
    pub(crate) fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        self.splits.iter().try_for_each(|split| into.put_list(STATE, split))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_runtime::Restored;

    fn context(index: usize, parallelism: usize) -> OperatorContext {
        let mut context = OperatorContext::for_tests("blocks");
        context.subtask.index = index;
        context.subtask.parallelism = parallelism;
        context
    }

    #[test]
    fn every_row_once_at_another_parallelism() {
        let mut rows = vec![];
        let mut former = vec![];
        for index in 0..3 {
            let mut blocks = Blocks::open(&context(index, 3), 7, Some(5000)).unwrap();
            for _ in 0..=index * 40 {
                rows.extend(blocks.next().unwrap());
            }
            let mut snapshot = OperatorSnapshot::default();
            blocks.snapshot(&mut snapshot).unwrap();
            former.push(snapshot.into_stored().unwrap());
        }
        for index in 0..2 {
            let mut context = context(index, 2);
            context.restored = Restored::from_stored(former.clone());
            let mut blocks = Blocks::open(&context, 7, Some(5000)).unwrap();
            let mut last = 0;
            while let Some(range) = blocks.next() {
                assert!(range.start >= last);
                last = range.start;
                rows.extend(range);
            }
        }
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..5000));
    }
}
