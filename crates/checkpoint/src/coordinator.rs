//! Decides when checkpoints begin, and when they are complete: one attempt's coordinator.
//!
//! ```text
//!   tick, request ──> Trigger(e) ──acks of all subtasks──> Publish(e) ──Published(e)──> Complete(e)
//!                          │ declined, timeout                │ NotPublished            Retire(old)
//!                          └────────────> Discard <───────────┘
//! ```
//!
//! Pure: a driver feeds events and the time, and carries out the effects in order. `H` is
//! what a subtask says of what it has stored.
//!
//! Invariants:
//! - A checkpoint is published when every subtask has stored its state of that epoch, or
//!   had ended before; never a part of it, and never twice.
//! - Complete comes only after Published, and epochs complete in order.
//! - At most one checkpoint is under way, and none begins before the last cut has passed
//!   everywhere: a fast trigger would drown the job in snapshots.
//! - What was published is never discarded; what is retired is not the newest.
//! - A plain savepoint belongs to its owner: it commits nothing, and no restart uses it. One
//!   that stops the job is a recovery point like a checkpoint (FLIP-203 has the same rule).

use crate::config::CheckpointConfig;
use crate::planted::{self, Bug};
use millstream_core::Epoch;
use millstream_state::SnapshotKind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Requests that may wait; more are refused.
pub const MAX_REQUESTS: usize = 16;

/// Epochs that are remembered as given up. What comes even later stays as garbage, for the
/// next leader to collect.
const MAX_GIVEN_UP: usize = 64;

/// One subtask of one task of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubtaskId {
    /// Index of the task in the plan.
    pub task: u32,
    /// Index of the subtask in the task.
    pub subtask: u32,
}

/// How a savepoint stops the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// Nothing more fires; the job can go on from the savepoint as if nothing was.
    Suspend,
    /// Sources end: windows fire, timers run out, everything is committed.
    Drain,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A checkpoint besides the periodic ones.
    Checkpoint,
    /// A savepoint.
    Savepoint {
        /// Canonical or native.
        kind: SnapshotKind,
        /// Where to; the configured directory when `None`.
        directory: Option<String>,
        /// Whether the job stops with it.
        stop: Option<Stop>,
    },
}

/// Names a request in its answer.
pub type RequestId = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<H> {
    /// Time has passed.
    Tick,
    /// Every subtask has cut all epochs before this one.
    Cut(Epoch),
    /// A subtask's state of this epoch is stored.
    Ack(SubtaskId, Epoch, H),
    /// A subtask ended in this epoch, and its last state is stored: it stands for all later
    /// epochs too.
    Ended(SubtaskId, Epoch, H),
    /// A subtask could not store its state of this epoch.
    Declined(SubtaskId, Epoch, String),
    /// A checkpoint's manifest is in the log.
    Published(Epoch),
    /// A checkpoint's manifest is *certainly not* in the log. (Who is not certain must
    /// end the attempt.)
    NotPublished(Epoch, String),
    /// Somebody asks for something.
    Requested(RequestId, Request),
}

/// What is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication<H> {
    /// The epoch whose end it stores.
    pub epoch: Epoch,
    /// In which form.
    pub kind: SnapshotKind,
    /// Where a savepoint goes.
    pub directory: Option<String>,
    /// Whether a restart begins from it.
    pub recovery_point: bool,
    /// Every subtask's state.
    pub subtasks: Vec<(SubtaskId, H)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect<H> {
    /// Tell all subtasks: close this epoch with a snapshot of this kind.
    Trigger {
        /// The epoch to close; sources go on in the next.
        epoch: Epoch,
        /// The form of its snapshots.
        kind: SnapshotKind,
        /// Where a savepoint goes.
        directory: Option<String>,
        /// Sources read nothing more until told to resume.
        hold: bool,
        /// The form of the snapshots at the end of sources that are to end in the next epoch.
        drain: Option<SnapshotKind>,
    },
    /// Write the manifest and append it to the log; answer with `Published`, or `NotPublished`.
    Publish(Publication<H>),
    /// Delete what this subtask stored, unless something else needs it.
    Discard(Epoch, H),
    /// Tell all subtasks that this epoch and all before it are durable.
    Complete(Epoch),
    /// This checkpoint is not kept any more.
    Retire(Epoch),
    /// Sources that were held go on.
    Resume,
    /// The answer to a request: the epoch, or why not.
    Answer(RequestId, Result<Epoch, String>),
    /// Everything has ended and is durable: end the job, well.
    Finish,
    /// End the job, well: it was suspended by a savepoint.
    Suspend,
    /// End the attempt with an error.
    Fail(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Collecting,
    Publishing,
}

#[derive(Clone, Debug)]
struct Pending<H> {
    epoch: Epoch,
    kind: SnapshotKind,
    request: Option<(RequestId, Request)>,
    acks: BTreeMap<SubtaskId, H>,
    since_ms: i64,
    stage: Stage,
    /// It is the job's last: everything has ended.
    last: bool,
}

impl<H> Pending<H> {
    fn new(
        epoch: Epoch,
        kind: SnapshotKind,
        request: Option<(RequestId, Request)>,
        since_ms: i64,
        last: bool,
    ) -> Self {
        let (acks, stage) = (BTreeMap::new(), Stage::Collecting);
        Pending { epoch, kind, request, acks, since_ms, stage, last }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// Sources end because of this request; its answer comes with the last checkpoint.
    Draining(RequestId),
    Over,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Coordinator<H> {
    config: CheckpointConfig,
    subtasks: BTreeSet<SubtaskId>,
    /// The epoch that sources are in.
    current: Epoch,
    /// The first epoch that is not cut everywhere.
    open: Epoch,
    pending: Option<Pending<H>>,
    ended: BTreeMap<SubtaskId, (Epoch, H)>,
    completed: Option<Epoch>,
    retained: VecDeque<Epoch>,
    requests: VecDeque<(RequestId, Request)>,
    /// What a draining savepoint asked for.
    draining: Option<(RequestId, Request)>,
    phase: Phase,
    last_trigger_ms: i64,
    last_end_ms: i64,
    failures: u32,
    /// The last epochs that were certainly not published.
    given_up: BTreeSet<Epoch>,
}

impl<H: Clone> Coordinator<H> {
    /// A coordinator of `subtasks`, restored from the checkpoints `retained` (oldest first)
    /// of the same job; sources begin in `first`.
    pub fn new(
        config: CheckpointConfig,
        subtasks: impl IntoIterator<Item = SubtaskId>,
        first: Epoch,
        retained: impl IntoIterator<Item = Epoch>,
        now_ms: i64,
    ) -> Self {
        Coordinator {
            config,
            subtasks: subtasks.into_iter().collect(),
            current: first,
            open: first,
            pending: None,
            ended: BTreeMap::new(),
            completed: None,
            retained: retained.into_iter().collect(),
            requests: VecDeque::new(),
            draining: None,
            phase: Phase::Running,
            last_trigger_ms: now_ms,
            last_end_ms: now_ms.saturating_sub(i64::MAX / 4),
            failures: 0,
            given_up: BTreeSet::new(),
        }
    }

    /// The newest epoch that is complete in this attempt.
    pub fn completed(&self) -> Option<Epoch> {
        self.completed
    }

    /// The epoch of the checkpoint under way.
    pub fn pending(&self) -> Option<Epoch> {
        self.pending.as_ref().map(|p| p.epoch)
    }

    /// Takes one event; the effects are to be carried out in order.
    pub fn step(&mut self, event: Event<H>, now_ms: i64) -> Vec<Effect<H>> {
        let mut effects = Vec::new();
        if self.phase == Phase::Over {
            if let Event::Requested(id, _) = event {
                effects.push(Effect::Answer(id, Err("the job is about to end".into())));
            }
            return effects;
        }
        match event {
            Event::Tick => {}
            Event::Cut(open) => self.open = self.open.max(open),
            Event::Ack(from, epoch, handle) => self.acked(from, epoch, handle, &mut effects),
            Event::Ended(from, epoch, handle) => {
                if self.subtasks.contains(&from) {
                    self.ended.entry(from).or_insert((epoch, handle));
                }
            }
            Event::Declined(from, epoch, reason) => {
                if self.collecting() == Some(epoch) {
                    let why = format!("subtask {} of task {}: {reason}", from.subtask, from.task);
                    self.give_up(&why, now_ms, &mut effects);
                }
            }
            Event::Published(epoch) => self.published(epoch, now_ms, &mut effects),
            Event::NotPublished(epoch, reason) => {
                if self.pending.as_ref().is_some_and(|p| p.epoch == epoch) {
                    self.give_up(&format!("not published: {reason}"), now_ms, &mut effects);
                }
            }
            Event::Requested(id, request) => {
                if self.requests.len() < MAX_REQUESTS && self.phase == Phase::Running {
                    self.requests.push_back((id, request));
                } else {
                    let why = "too many requests wait, or the job is stopping";
                    effects.push(Effect::Answer(id, Err(why.into())));
                }
            }
        }
        self.advance(now_ms, &mut effects);
        effects
    }

    /// When `Tick` is due at the latest.
    pub fn next_deadline(&self) -> Option<i64> {
        match &self.pending {
            Some(p) if p.stage == Stage::Collecting => {
                Some(p.since_ms.saturating_add(self.config.timeout_ms))
            }
            Some(_) => None,
            None => self.due_ms(),
        }
    }

    fn due_ms(&self) -> Option<i64> {
        let interval = self.config.interval_ms?;
        let paused = self.last_end_ms.saturating_add(self.config.min_pause_ms);
        Some(self.last_trigger_ms.saturating_add(interval).max(paused))
    }

    fn collecting(&self) -> Option<Epoch> {
        self.pending.as_ref().filter(|p| p.stage == Stage::Collecting).map(|p| p.epoch)
    }

    fn acked(&mut self, from: SubtaskId, epoch: Epoch, handle: H, effects: &mut Vec<Effect<H>>) {
        if !self.subtasks.contains(&from) {
            return;
        }
        match &mut self.pending {
            Some(p) if p.epoch == epoch && p.stage == Stage::Collecting => {
                // A second answer says the same: what it names is in use.
                p.acks.entry(from).or_insert(handle);
            }
            // Late, for a checkpoint that was given up. Of others nothing is discarded: what
            // was published is in use, by its owner when it is a savepoint.
            _ if self.given_up.contains(&epoch) || planted::is(Bug::DiscardPublished) => {
                effects.push(Effect::Discard(epoch, handle))
            }
            _ => {}
        }
    }

    /// Everything that follows from the state alone.
    fn advance(&mut self, now_ms: i64, effects: &mut Vec<Effect<H>>) {
        if let Some(p) = &self.pending
            && (p.stage == Stage::Collecting || planted::is(Bug::TimeoutWhilePublishing))
            && now_ms >= p.since_ms.saturating_add(self.config.timeout_ms)
            && (!self.is_collected(p) || p.stage == Stage::Publishing)
        {
            let why = format!("not complete after {} ms", self.config.timeout_ms);
            self.give_up(&why, now_ms, effects);
        }
        self.publish_if_collected(effects);
        if self.pending.is_none() && self.phase != Phase::Over {
            self.begin(now_ms, effects);
        }
    }

    fn is_collected(&self, p: &Pending<H>) -> bool {
        let backwards = planted::is(Bug::EndCountsBackwards);
        let ended =
            |id: &SubtaskId| self.ended.get(id).is_some_and(|(at, _)| *at <= p.epoch || backwards);
        if planted::is(Bug::PublishWithoutAll) && !p.acks.is_empty() {
            return true;
        }
        self.subtasks.iter().all(|id| p.acks.contains_key(id) || ended(id))
    }

    fn publish_if_collected(&mut self, effects: &mut Vec<Effect<H>>) {
        let Some(p) = &self.pending else { return };
        if p.stage != Stage::Collecting || !self.is_collected(p) {
            return;
        }
        let ended = |id: &SubtaskId| self.ended.get(id).map(|(_, handle)| handle);
        let handle = |id: &SubtaskId| p.acks.get(id).or_else(|| ended(id)).cloned();
        let subtasks = self.subtasks.iter().filter_map(|id| Some((*id, handle(id)?))).collect();
        let request = p.request.as_ref().map(|(_, request)| request);
        let directory = match request {
            Some(Request::Savepoint { directory, .. }) => directory.clone(),
            _ => None,
        };
        let publication = Publication {
            epoch: p.epoch,
            kind: p.kind,
            directory,
            recovery_point: p.is_recovery_point(),
            subtasks,
        };
        if planted::is(Bug::CompleteBeforePublished) {
            effects.push(Effect::Complete(p.epoch));
        }
        effects.push(Effect::Publish(publication));
        if let Some(p) = &mut self.pending {
            p.stage = Stage::Publishing;
        }
    }

    /// Begins the next checkpoint, if one is due.
    fn begin(&mut self, now_ms: i64, effects: &mut Vec<Effect<H>>) {
        if self.subtasks.iter().all(|id| self.ended.contains_key(id)) {
            return self.begin_last(now_ms, effects);
        }
        if self.open < self.current || matches!(self.phase, Phase::Draining(_)) {
            return;
        }
        let due = self.due_ms().is_some_and(|due| now_ms >= due);
        let request = self.requests.pop_front();
        if request.is_none() && !due {
            return;
        }
        if let Some((id, Request::Savepoint { kind, stop: Some(Stop::Drain), .. })) = &request {
            // No checkpoint of its own: sources end in the next epoch, and the state at the
            // end of everything is the savepoint.
            let drain = Some(*kind);
            let kind = SnapshotKind::Checkpoint;
            let (epoch, directory) = (self.current, None);
            effects.push(Effect::Trigger { epoch, kind, directory, hold: false, drain });
            self.phase = Phase::Draining(*id);
            self.collect(kind, None, now_ms);
            self.draining = request;
            return;
        }
        let kind = match &request {
            Some((_, Request::Savepoint { kind, .. })) => *kind,
            _ => SnapshotKind::Checkpoint,
        };
        let hold = matches!(&request, Some((_, Request::Savepoint { stop: Some(_), .. })));
        let directory = match &request {
            Some((_, Request::Savepoint { directory, .. })) => directory.clone(),
            _ => None,
        };
        let epoch = self.current;
        effects.push(Effect::Trigger { epoch, kind, directory, hold, drain: None });
        self.collect(kind, request, now_ms);
    }

    fn collect(&mut self, kind: SnapshotKind, request: Option<(RequestId, Request)>, now_ms: i64) {
        let epoch = self.current;
        self.current = epoch.next();
        self.last_trigger_ms = now_ms;
        self.pending = Some(Pending::new(epoch, kind, request, now_ms, false));
    }

    /// Everything has ended: what is not yet durable becomes the last checkpoint.
    fn begin_last(&mut self, now_ms: i64, effects: &mut Vec<Effect<H>>) {
        let Some(end) = self.ended.values().map(|(epoch, _)| *epoch).max() else { return };
        let request = self.draining.take();
        let covered = self.completed.is_some_and(|done| done >= end);
        if request.is_none() && (covered || planted::is(Bug::FinishWithoutLast)) {
            return self.finish(effects);
        }
        let kind = match &request {
            Some((_, Request::Savepoint { kind, .. })) => *kind,
            _ => SnapshotKind::Checkpoint,
        };
        // The epoch in which the last subtask ended, unless that was published already.
        let epoch = self.completed.map_or(end, |done| end.max(done.next()));
        self.pending = Some(Pending::new(epoch, kind, request, now_ms, true));
        self.publish_if_collected(effects);
    }

    fn finish(&mut self, effects: &mut Vec<Effect<H>>) {
        self.phase = Phase::Over;
        self.refuse_requests("the job has finished", effects);
        effects.push(Effect::Finish);
    }

    fn refuse_requests(&mut self, why: &str, effects: &mut Vec<Effect<H>>) {
        let requests = std::mem::take(&mut self.requests);
        effects.extend(requests.into_iter().map(|(id, _)| Effect::Answer(id, Err(why.into()))));
    }

    fn published(&mut self, epoch: Epoch, now_ms: i64, effects: &mut Vec<Effect<H>>) {
        let ours = |p: &Pending<H>| p.epoch == epoch && p.stage == Stage::Publishing;
        if !self.pending.as_ref().is_some_and(ours) {
            return;
        }
        let Some(p) = self.pending.take() else { return };
        self.last_end_ms = now_ms;
        if p.is_recovery_point() {
            self.failures = 0;
            self.completed = Some(epoch);
            effects.push(Effect::Complete(epoch));
            self.retained.push_back(epoch);
            while self.retained.len() > self.config.retained {
                let retired = match planted::is(Bug::RetireNewest) {
                    true => self.retained.pop_back(),
                    false => self.retained.pop_front(),
                };
                effects.extend(retired.map(Effect::Retire));
            }
        }
        let suspends = p.suspends();
        if let Some((id, _)) = p.request {
            effects.push(Effect::Answer(id, Ok(epoch)));
        }
        if p.last {
            self.finish(effects);
        } else if suspends {
            self.phase = Phase::Over;
            self.refuse_requests("the job was stopped by a savepoint", effects);
            effects.push(Effect::Suspend);
        }
    }

    fn give_up(&mut self, why: &str, now_ms: i64, effects: &mut Vec<Effect<H>>) {
        let Some(p) = self.pending.take() else { return };
        self.last_end_ms = now_ms;
        self.given_up.insert(p.epoch);
        if self.given_up.len() > MAX_GIVEN_UP {
            self.given_up.pop_first();
        }
        effects.extend(p.acks.into_values().map(|handle| Effect::Discard(p.epoch, handle)));
        let what = format!("checkpoint {}: {why}", p.epoch);
        if p.last {
            if let Some((id, _)) = p.request {
                effects.push(Effect::Answer(id, Err(what.clone())));
            }
            self.phase = Phase::Over;
            // What everything ended with is nowhere durable: only a new attempt can make it so.
            return effects.push(Effect::Fail(format!("{what}; it was the last one")));
        }
        match p.request {
            Some((id, request)) => {
                effects.push(Effect::Answer(id, Err(what)));
                if matches!(request, Request::Savepoint { stop: Some(_), .. }) {
                    effects.push(Effect::Resume);
                }
            }
            None => {
                self.failures += 1;
                if self.failures > self.config.tolerable_failures {
                    self.phase = Phase::Over;
                    let tolerable = self.config.tolerable_failures;
                    let more = format!("{what} (tolerable failures in a row: {tolerable})");
                    effects.push(Effect::Fail(more));
                }
            }
        }
    }
}

impl<H> Pending<H> {
    fn is_recovery_point(&self) -> bool {
        self.last || self.kind == SnapshotKind::Checkpoint || self.suspends()
    }
    fn suspends(&self) -> bool {
        let request = self.request.as_ref().map(|(_, request)| request);
        matches!(request, Some(Request::Savepoint { stop: Some(Stop::Suspend), .. }))
    }
}

#[cfg(test)]
#[path = "coordinator_tests.rs"]
mod tests;
