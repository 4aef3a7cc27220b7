//! A numbered sequence that is read by several subtasks.
//!
//! Behind [`CollectionSource`](crate::CollectionSource) and
//! [`DataGenSource`](crate::DataGenSource), whose records are functions of their index.
//! Split `r` of a sequence cut in `stride` holds the indices `i` with `i % stride == r`,
//! and its position is the next of them; subtask `r % parallelism` reads it.
//!
//! Invariant: at any parallelism, before and after a restore, each index is read once. To
//! read with `p` subtasks what was stored with another stride, every split is cut further,
//! to the least common multiple of both: the pieces go on where the split was.

use millstream_core::{Data, Error, Result};
use millstream_runtime::source::{SourceOutput, SplitIndex};
use millstream_runtime::{OperatorContext, OperatorSnapshot};

const POSITIONS_STATE: &str = "sequence-positions";

/// One split: every `stride`-th index.
#[derive(Debug)]
pub(crate) struct Split {
    residue: u64,
    /// The next index to be read.
    pub(crate) next: u64,
    /// Known to the runtime by this number, once announced.
    pub(crate) number: Option<SplitIndex>,
    finished: bool,
}

/// The splits of one subtask.
#[derive(Debug)]
pub(crate) struct Sequence {
    stride: u64,
    /// The number of indices; `u64::MAX` when there is no end.
    count: u64,
    splits: Vec<Split>,
}

impl Sequence {
    /// The part of this subtask, where the last snapshot left it. A sequence that is not
    /// `parallel` is one split, read by subtask 0 in order.
    pub(crate) fn open(parallel: bool, count: u64, context: &OperatorContext) -> Result<Self> {
        let subtask = &context.subtask;
        let stored: Vec<(u64, u64, u64)> = context.restored.list_union(POSITIONS_STATE)?;
        let readers = if parallel { subtask.parallelism as u64 } else { 1 };
        let former = stored.first().map_or(readers, |(stride, ..)| *stride);
        let whole = stored.len() as u64 == former && former > 0;
        if !stored.is_empty() && (!whole || stored.iter().any(|(s, r, _)| *s != former || r >= s)) {
            return Err(Error::corrupt("the stored positions of a sequence do not fit together")
                .advice("restore from another checkpoint"));
        }
        let stride = former / greatest_common_divisor(former, readers) * readers;
        let positions: Vec<(u64, u64)> = match stored.is_empty() {
            true => (0..former).map(|residue| (residue, residue)).collect(),
            false => stored.into_iter().map(|(_, residue, next)| (residue, next)).collect(),
        };
        let pieces = positions.into_iter().flat_map(|(residue, next)| {
            (0..stride / former).map(move |piece| {
                let residue = residue + piece * former;
                // The first index of the piece that is not below `next`.
                let behind = (residue + stride - next % stride) % stride;
                (residue, next.saturating_add(behind))
            })
        });
        let mine = |residue: u64| residue % subtask.parallelism as u64 == subtask.index as u64;
        let splits = pieces.filter(|(residue, _)| mine(*residue)).map(|(residue, next)| {
            let finished = next >= count;
            Split { residue, next, number: None, finished }
        });
        Ok(Sequence { stride, count, splits: splits.collect() })
    }

    /// Tells the runtime of the splits, before the first record.
    pub(crate) fn announce<T: Data>(&mut self, out: &mut SourceOutput<'_, T>) {
        for split in self.splits.iter_mut().filter(|s| !s.finished && s.number.is_none()) {
            split.number = Some(out.add_split());
        }
    }

    /// The smallest index that this subtask has yet to read.
    pub(crate) fn next_index(&self) -> Option<u64> {
        self.splits.iter().filter(|s| !s.finished).map(|s| s.next).min()
    }

    /// Reads up to `limit` indices below `bound` from the split that is furthest behind;
    /// answers how many.
    pub(crate) fn read<T: Data>(
        &mut self,
        limit: usize,
        bound: u64,
        out: &mut SourceOutput<'_, T>,
        mut emit: impl FnMut(SplitIndex, u64, &mut SourceOutput<'_, T>),
    ) -> usize {
        let split = self.splits.iter_mut().filter(|s| !s.finished).min_by_key(|s| s.next);
        let Some(split) = split else { return 0 };
        let Some(number) = split.number else { return 0 };
        let mut rows = 0;
        while rows < limit && split.next < bound.min(self.count) {
            emit(number, split.next, out);
            split.next = split.next.saturating_add(self.stride);
            rows += 1;
        }
        if split.next >= self.count {
            split.finished = true;
            out.finish_split(number);
        }
        rows
    }

    pub(crate) fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        let put = |split: &Split| {
            into.put_list(POSITIONS_STATE, &(self.stride, split.residue, split.next))
        };
        self.splits.iter().try_for_each(put)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
