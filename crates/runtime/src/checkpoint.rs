//! Where the snapshots of an epoch go, and come from at a restart.
//!
//! The runtime hands over each subtask's state at the cut and says when the cut is
//! complete everywhere. Durable storage comes with the state issue; here is the
//! contract and a store in memory, which the MiniCluster restarts jobs from.
//!
//! Invariant: an epoch is restored only when *every* task had stored its state, or
//! had ended before.

use crate::snapshot::{FormerState, Restored, StoredState, TaskSnapshot};
use millstream_core::{Epoch, Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes snapshots in. Called from worker threads; must not block for long.
pub trait CheckpointStore: Send + Sync {
    /// The state of one subtask's chain at the end of `epoch`. `last`: the task has ended,
    /// and this state stands for all later epochs too.
    ///
    /// # Errors
    /// Fails the attempt.
    fn store(&self, epoch: Epoch, snapshot: TaskSnapshot, last: bool) -> Result<()>;

    /// Every subtask has stored `epoch`, and everything before it.
    ///
    /// # Errors
    /// Fails the attempt.
    fn complete(&self, epoch: Epoch) -> Result<()>;
}

/// The state to start a job from: every operator's former subtasks, by uid.
#[derive(Clone, Default)]
pub struct RestoredJob {
    /// The epoch that the state closes.
    pub epoch: Option<Epoch>,
    operators: BTreeMap<String, Arc<Vec<Arc<dyn FormerState>>>>,
}

impl RestoredJob {
    /// The state of `epoch`: what every former subtask of every operator stored, by uid.
    pub fn new(
        epoch: Epoch,
        operators: impl IntoIterator<Item = (String, Vec<Arc<dyn FormerState>>)>,
    ) -> Self {
        let operators = operators.into_iter().map(|(uid, former)| (uid, Arc::new(former)));
        RestoredJob { epoch: Some(epoch), operators: operators.collect() }
    }
    /// Every operator with its former subtasks, by uid.
    pub fn operators(&self) -> impl Iterator<Item = (&str, &[Arc<dyn FormerState>])> {
        self.operators.iter().map(|(uid, former)| (uid.as_str(), former.as_slice()))
    }
    /// The state of one operator.
    pub fn operator(&self, uid: &str) -> Restored {
        let former = self.operators.get(uid).cloned();
        former
            .or_else(|| self.epoch.map(|_| Arc::default()))
            .map_or_else(Restored::default, Restored::from_former)
    }
}

#[derive(Default)]
struct Stored {
    epochs: BTreeMap<Epoch, Vec<(String, StoredState)>>,
    ended: Vec<(Epoch, BTreeMap<String, StoredState>)>,
    complete: Option<Epoch>,
}

/// Checkpoints in memory: for tests of the cut, and of recovery within a process.
#[derive(Clone, Default)]
pub struct MemoryCheckpoints(Arc<Mutex<Stored>>);

impl MemoryCheckpoints {
    /// No checkpoints.
    pub fn new() -> Self {
        Self::default()
    }
    fn stored(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The newest complete epoch.
    pub fn latest(&self) -> Option<Epoch> {
        self.stored().complete
    }
    /// The state at the newest complete epoch (nothing, when there is none), and forgets
    /// all that came after it: the next attempt starts there.
    pub fn restore(&self) -> RestoredJob {
        let mut stored = self.stored();
        let Some(epoch) = stored.complete else {
            *stored = Stored::default();
            return RestoredJob::default();
        };
        stored.epochs.retain(|e, _| *e <= epoch);
        stored.ended.retain(|(e, _)| *e <= epoch);
        let mut operators: BTreeMap<String, Vec<Arc<dyn FormerState>>> = BTreeMap::new();
        let at_epoch = stored.epochs.get(&epoch).into_iter().flatten().cloned();
        let before = stored.ended.iter().flat_map(|(_, task)| task.clone());
        for (uid, state) in at_epoch.chain(before) {
            operators.entry(uid).or_default().push(Arc::new(state));
        }
        // Ended tasks start again from their state, and end again.
        stored.ended.clear();
        RestoredJob::new(epoch, operators)
    }
}

impl CheckpointStore for MemoryCheckpoints {
    fn store(&self, epoch: Epoch, snapshot: TaskSnapshot, last: bool) -> Result<()> {
        let snapshot = snapshot.into_stored()?;
        let mut stored = self.stored();
        if stored.complete.is_some_and(|complete| epoch <= complete) {
            return Err(Error::bug(format!("a snapshot of epoch {epoch} after its completion")));
        }
        if last {
            stored.ended.push((epoch, snapshot));
        } else {
            stored.epochs.entry(epoch).or_default().extend(snapshot);
        }
        Ok(())
    }
    fn complete(&self, epoch: Epoch) -> Result<()> {
        let mut stored = self.stored();
        stored.complete = Some(epoch);
        stored.epochs.retain(|e, _| *e >= epoch);
        Ok(())
    }
}
