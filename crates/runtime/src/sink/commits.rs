//! Committables on their way from the barrier to the commit.
//!
//! ```text
//!   barrier e          pending += committables of e ──> listed in the snapshot of e
//!   complete(e)        all of pending up to e ──> commit thread ──> Committer::commit
//!   commit is done     pending -= those                    (the waker calls the task)
//!   complete(s), s lists nothing up to r ──> SinkWriter::on_released(r)
//! ```
//!
//! Invariants: a committable is listed in every snapshot until its commit is known to be
//! done; nothing is given to the committer before a durable checkpoint lists it; each epoch
//! is given to the committer once an attempt, in order.

use super::{Committable, Committer};
use crate::operator::Waker;
use crate::snapshot::{OperatorSnapshot, Restored};
use millstream_core::{Epoch, Error, Result};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Name of the operator state (a list).
pub(super) const STATE: &str = "sink-committables";

/// Epochs whose commit was asked for and is not done, before the sink takes no more input.
const MAX_BEHIND: usize = 8;

/// Everything that the restored checkpoint lists, by epoch.
pub(super) fn listed(restored: &Restored) -> Result<Vec<Committable>> {
    let mut all: Vec<Committable> = restored.list_union(STATE)?;
    // Stable: committables of one epoch stay in the order of their writers.
    all.sort_by_key(|c| (c.epoch, c.writer));
    Ok(all)
}

/// A sink without committer must not drop what a checkpoint still has to commit.
pub(super) fn refuse_orphans(restored: &Restored) -> Result<()> {
    match listed(restored)?.len() {
        0 => Ok(()),
        n => Err(Error::config(format!(
            "the restored state has {n} outputs that wait for their commit, and this sink does \
             not commit in two phases"
        ))
        .advice(
            "start once more with the exactly-once sink, stop it with a savepoint, then change it",
        )),
    }
}

pub(super) struct Commits {
    writer: usize,
    /// Prepared, and not known to be committed.
    pending: BTreeMap<Epoch, Vec<Committable>>,
    /// For each snapshot since the last completed one: the oldest epoch that it lists.
    snapshots: BTreeMap<Epoch, Option<Epoch>>,
    /// Up to here commits were asked for.
    asked: Option<Epoch>,
    thread: CommitThread,
}

impl Commits {
    pub(super) fn start(
        committer: Box<dyn Committer>,
        writer: usize,
        name: &str,
        waker: Waker,
    ) -> Result<Self> {
        Ok(Commits {
            writer,
            pending: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            asked: None,
            thread: CommitThread::start(committer, name, waker)?,
        })
    }

    /// Keeps what was prepared for `epoch`.
    pub(super) fn prepared(&mut self, epoch: Epoch, payloads: Vec<Vec<u8>>) {
        if payloads.is_empty() {
            return;
        }
        let committable = |payload| Committable { epoch, writer: self.writer, payload };
        self.pending.entry(epoch).or_default().extend(payloads.into_iter().map(committable));
    }

    pub(super) fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.take_done()?;
        for committable in self.pending.values().flatten() {
            into.put_list(STATE, committable)?;
        }
        self.snapshots.insert(epoch, self.pending.keys().next().copied());
        Ok(())
    }

    /// The checkpoint of `epoch` is durable: asks for the commits, and answers up to which
    /// epoch everything is released.
    pub(super) fn complete(&mut self, epoch: Epoch) -> Result<Option<Epoch>> {
        self.take_done()?;
        let later = |asked: Option<Epoch>, e: &Epoch| asked.is_none_or(|asked| *e > asked);
        let due = self.pending.range(..=epoch).filter(|(e, _)| later(self.asked, e));
        let due: Vec<_> = due.map(|(e, list)| (*e, list.clone())).collect();
        self.asked = self.asked.max(Some(epoch));
        self.thread.ask(due);
        let newer = self.snapshots.split_off(&epoch.next());
        let completed = std::mem::replace(&mut self.snapshots, newer).pop_last();
        Ok(completed.and_then(|(snapshot, oldest)| match oldest {
            None => Some(snapshot),
            Some(Epoch(oldest)) => oldest.checked_sub(1).map(Epoch),
        }))
    }

    /// Forgets what the thread has committed.
    pub(super) fn take_done(&mut self) -> Result<()> {
        for epoch in self.thread.take_done()? {
            self.pending.remove(&epoch);
        }
        Ok(())
    }

    pub(super) fn is_ready(&self) -> bool {
        self.thread.behind() <= MAX_BEHIND
    }

    /// Waits for the commits that were asked for: their checkpoint is durable, and nobody
    /// may come after us to make them.
    pub(super) fn close(&mut self) -> Result<()> {
        self.thread.close()?;
        self.take_done()
    }
}

#[derive(Default)]
struct Shared {
    queue: VecDeque<(Epoch, Vec<Committable>)>,
    /// Taken from the queue and in the committer's hands.
    working: usize,
    done: Vec<Epoch>,
    error: Option<Error>,
    closing: bool,
}

type Slot = Arc<(Mutex<Shared>, Condvar)>;

fn lock(slot: &Slot) -> MutexGuard<'_, Shared> {
    slot.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the committer, so that the task never waits for it.
struct CommitThread {
    slot: Slot,
    thread: Option<JoinHandle<()>>,
}

impl CommitThread {
    fn start(committer: Box<dyn Committer>, name: &str, waker: Waker) -> Result<Self> {
        let slot = Slot::default();
        let shared = Arc::clone(&slot);
        let thread = std::thread::Builder::new()
            .name(format!("commit {name}"))
            .spawn(move || run(committer, &shared, &waker))
            .map_err(|e| Error::retry(format!("cannot start the commit thread: {e}")))?;
        Ok(CommitThread { slot, thread: Some(thread) })
    }
    fn ask(&self, due: Vec<(Epoch, Vec<Committable>)>) {
        if !due.is_empty() {
            lock(&self.slot).queue.extend(due);
            self.slot.1.notify_one();
        }
    }
    fn take_done(&self) -> Result<Vec<Epoch>> {
        let mut shared = lock(&self.slot);
        match &shared.error {
            Some(error) => Err(error.clone()),
            None => Ok(std::mem::take(&mut shared.done)),
        }
    }
    fn behind(&self) -> usize {
        let shared = lock(&self.slot);
        shared.queue.len() + shared.working
    }
    fn close(&mut self) -> Result<()> {
        lock(&self.slot).closing = true;
        self.slot.1.notify_one();
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::bug("a sink's committer panicked")),
            _ => Ok(()),
        }
    }
}

impl Drop for CommitThread {
    fn drop(&mut self) {
        // Not closed: the task is gone without its end. The thread ends by itself.
        let mut shared = lock(&self.slot);
        shared.closing = true;
        shared.queue.clear();
        drop(shared);
        self.slot.1.notify_one();
    }
}

fn run(mut committer: Box<dyn Committer>, slot: &Slot, waker: &Waker) {
    loop {
        let mut shared = lock(slot);
        while shared.queue.is_empty() && !shared.closing {
            shared = slot.1.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        let work: Vec<(Epoch, Vec<Committable>)> = shared.queue.drain(..).collect();
        if work.is_empty() {
            return;
        }
        shared.working = work.len();
        drop(shared);
        let epochs: Vec<Epoch> = work.iter().map(|(epoch, _)| *epoch).collect();
        let all: Vec<Committable> = work.into_iter().flat_map(|(_, list)| list).collect();
        let committed = committer.commit(&all);
        let mut shared = lock(slot);
        shared.working = 0;
        match committed {
            Ok(()) => shared.done.extend(epochs),
            Err(error) => {
                let of =
                    epochs.last().map_or_else(String::new, |e| format!("commit of checkpoint {e}"));
                shared.error.get_or_insert(error.at(of));
                // What is left is in the checkpoint: a restart commits it.
                shared.queue.clear();
                shared.closing = true;
            }
        }
        drop(shared);
        waker.wake();
    }
}
