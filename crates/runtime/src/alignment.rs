//! Watermark alignment: sources of one group wait for the slowest of them.
//!
//! Beside a [`SourceNode`](crate::source_node::SourceNode): before each poll it asks
//! [`Aligned`] whether to read, and which splits to pause.
//!
//! ```text
//!   source a#0 ──publish──┐                       ┌── slowest of the others ──> limit
//!   source b#0 ──publish──┼──> AlignmentBoard ────┤
//!   other processes ──────┘    (one a process)    └── updates ──> other processes
//! ```
//!
//! Invariants: nobody runs further ahead of the slowest member than the drift allows
//! (but for what one poll gives); the slowest of all is never paused; a member that has
//! not started holds the others up, one that has ended does not.
//! Source: Flink, "Watermark alignment".

use crate::operator::SubtaskInfo;
use crate::source_node::WatermarkTracker;
use crate::watermark::Alignment;
use millstream_core::{Data, Watermark};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The watermarks of the members of alignment groups, shared by a process.
#[derive(Clone, Debug, Default)]
pub struct AlignmentBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    groups: BTreeMap<String, BTreeMap<String, Watermark>>,
    updates: Vec<AlignmentUpdate>,
}

/// A member's watermark, on its way to the other processes: group, member, watermark.
pub(crate) type AlignmentUpdate = (String, String, i64);

impl AlignmentBoard {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Announces all subtasks of a source, so that nobody runs ahead while they start.
    pub(crate) fn register(&self, group: &str, uid: &str, parallelism: usize) {
        let mut board = self.board();
        let members = board.groups.entry(group.into()).or_default();
        for index in 0..parallelism {
            members.entry(member_name(uid, index)).or_insert(Watermark::MIN);
        }
    }
    pub(crate) fn publish(&self, group: &str, member: &str, watermark: Watermark) {
        let mut board = self.board();
        let members = board.groups.entry(group.into()).or_default();
        if members.insert(member.into(), watermark) != Some(watermark) {
            board.updates.push((group.into(), member.into(), watermark.0));
        }
    }
    pub(crate) fn slowest_but(&self, group: &str, member: &str) -> Watermark {
        let board = self.board();
        let members = board.groups.get(group).into_iter().flatten();
        let others = members.filter(|(name, _)| *name != member).map(|(_, w)| *w);
        others.min().unwrap_or(Watermark::MAX)
    }
    /// What members of this process published since the last call.
    pub(crate) fn take_updates(&self) -> Vec<AlignmentUpdate> {
        std::mem::take(&mut self.board().updates)
    }
    /// What a member of another process published.
    pub(crate) fn apply(&self, (group, member, watermark): AlignmentUpdate) {
        self.board().groups.entry(group).or_default().insert(member, Watermark(watermark));
    }
}

pub(crate) fn member_name(uid: &str, index: usize) -> String {
    format!("{uid}#{index}")
}

/// One subtask's part in an alignment group.
pub(crate) struct Aligned {
    alignment: Alignment,
    board: AlignmentBoard,
    member: String,
    next_update_ms: i64,
    /// The slowest other member, when the group was asked last.
    others: Watermark,
    paused: Vec<bool>,
}

impl Aligned {
    /// Joins the group of `alignment`, with all subtasks of the same source.
    pub(crate) fn join(alignment: Alignment, board: AlignmentBoard, subtask: &SubtaskInfo) -> Self {
        board.register(&alignment.group, &subtask.uid, subtask.parallelism);
        let member = member_name(&subtask.uid, subtask.index);
        let (next_update_ms, others, paused) = (0, Watermark::MIN, Vec::new());
        Aligned { alignment, board, member, next_update_ms, others, paused }
    }

    /// Compares with the group when it is time to, and every split with the limit
    /// always; whether reading must stop. `started`: the reader has announced its splits.
    pub(crate) fn update<T: Data>(
        &mut self,
        now_ms: i64,
        started: bool,
        tracker: &mut WatermarkTracker<T>,
    ) -> bool {
        let splits = 0..tracker.split_count();
        let active = splits.clone().filter(|i| tracker.is_active(*i));
        // Before it has read anything it holds the others up.
        let none = if started { Watermark::MAX } else { Watermark::MIN };
        let own = active.map(|i| tracker.watermark_of(i)).min().unwrap_or(none);
        if now_ms >= self.next_update_ms {
            self.next_update_ms = now_ms.saturating_add(self.alignment.update_interval_ms);
            self.board.publish(&self.alignment.group, &self.member, own);
            self.others = self.board.slowest_but(&self.alignment.group, &self.member);
        }
        // The slowest of all never waits for news of itself.
        let limit = self.others.min(own).0.saturating_add(self.alignment.max_drift_ms);
        let ahead = |i| tracker.is_active(i) && tracker.watermark_of(i).0 > limit;
        self.paused = splits.clone().map(ahead).collect();
        for split in splits.clone().filter(|i| self.paused[*i]) {
            tracker.keep_awake(split, now_ms); // a split that may not be read is not idle
        }
        let reading = |i: usize| !self.paused[i] && !tracker.is_finished(i);
        self.paused.contains(&true) && !splits.into_iter().any(reading)
    }

    /// Which splits must not be read.
    pub(crate) fn paused(&self) -> &[bool] {
        &self.paused
    }
    /// When the group is asked next.
    pub(crate) fn next_update_ms(&self) -> i64 {
        self.next_update_ms
    }
    /// The source has ended: it holds nobody up.
    pub(crate) fn end(&self) {
        self.board.publish(&self.alignment.group, &self.member, Watermark::MAX);
    }
}
