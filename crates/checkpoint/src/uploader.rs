//! Finishes snapshots on threads of their own, so that workers go on.
//!
//! ```text
//!   worker: barrier ──submit──> queue (bounded) ──> uploader threads ──report──> ack or declined
//! ```
//!
//! Invariants: whatever is submitted is reported, once, also when a state's code panics;
//! native files are named again only from the last completed checkpoint (see `registry`).

use crate::coordinator::SubtaskId;
use crate::fault;
use crate::leadership::JobStorage;
use crate::manifest::{LocatedManifest, SubtaskState};
use crate::registry::Nameable;
use crate::writer::{KnownFiles, write_subtask};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use millstream_core::{Epoch, Error, Result};
use millstream_state::TaskSnapshot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads of one process.
const THREADS: usize = 2;

/// A subtask's snapshot on its way.
pub struct Upload {
    /// Whose.
    pub id: SubtaskId,
    /// Of which epoch.
    pub epoch: Epoch,
    /// Whether the subtask has ended.
    pub ended: bool,
    /// What it has.
    pub snapshot: TaskSnapshot,
    /// Where a savepoint goes, when not to the job's own folder.
    pub directory: Option<String>,
}

/// What became of an [`Upload`].
#[derive(Debug)]
pub struct Report {
    /// Whose.
    pub id: SubtaskId,
    /// Of which epoch.
    pub epoch: Epoch,
    /// Whether the subtask has ended.
    pub ended: bool,
    /// What is stored, or why not.
    pub stored: Result<SubtaskState>,
}

type Known = Nameable<SubtaskId, KnownFiles>;

/// See the module. Dropping it ends the threads when they have worked off the queue.
pub struct Uploader {
    queue: Sender<Upload>,
    stores: bool,
    known: Arc<Mutex<Known>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shared_files(state: &SubtaskState) -> KnownFiles {
    let files = state.operators.iter().flat_map(|op| op.files.iter().map(move |f| (op, f)));
    let shared = files.filter(|(_, f)| f.shared);
    shared.map(|(op, f)| ((op.uid.clone(), f.id.clone()), f.clone())).collect()
}

impl Uploader {
    /// Starts the threads. `storage`: the job's place and the term; without one, snapshots
    /// are dropped. `restored`: what the job was restored from, when that was its own.
    /// `capacity`: snapshots that may wait.
    ///
    /// # Errors
    /// `Retry` when the machine has no threads left.
    pub fn start(
        storage: Option<(JobStorage, u64)>,
        restored: Option<&LocatedManifest>,
        capacity: usize,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<Self> {
        let known = restored.map_or_else(
            || Known::new(None, KnownFiles::new()),
            |located| {
                let subtasks = located.manifest.subtasks.iter();
                let files = subtasks.flat_map(|(_, state)| shared_files(state)).collect();
                Known::new(Some(located.manifest.epoch), files)
            },
        );
        let (known, stores) = (Arc::new(Mutex::new(known)), storage.is_some());
        let report = Arc::new(report);
        let (queue, uploads) = bounded::<Upload>(capacity.max(1));
        for index in 0..THREADS {
            let work = Work {
                storage: storage.clone(),
                known: Arc::clone(&known),
                uploads: uploads.clone(),
            };
            let report = Arc::clone(&report);
            let thread = std::thread::Builder::new().name(format!("uploader-{index}"));
            let spawned = thread.spawn(move || work.run(&*report));
            spawned.map_err(|e| Error::retry(format!("cannot start an uploader thread: {e}")))?;
        }
        Ok(Uploader { queue, stores, known })
    }
    /// Whether snapshots are stored: whether the job has storage.
    pub fn stores(&self) -> bool {
        self.stores
    }

    /// Takes a snapshot; it is reported later.
    ///
    /// # Errors
    /// `Retry` when too many wait; the snapshot is dropped then, and not reported.
    pub fn submit(&self, upload: Upload) -> Result<()> {
        self.queue.try_send(upload).map_err(|e| match e {
            TrySendError::Full(_) => Error::retry("too many snapshots wait to be stored")
                .advice("storage is slower than the checkpoint interval: make that longer"),
            TrySendError::Disconnected(_) => Error::bug("the uploader threads are gone"),
        })
    }

    /// The checkpoint of `epoch` is complete: files that it names may be named again.
    pub fn completed(&self, epoch: Epoch) {
        locked(&self.known).completed(epoch.0);
    }
}

struct Work {
    storage: Option<(JobStorage, u64)>,
    known: Arc<Mutex<Known>>,
    uploads: Receiver<Upload>,
}

impl Work {
    fn run(&self, report: &(impl Fn(Report) + ?Sized)) {
        while let Ok(upload) = self.uploads.recv() {
            let (id, epoch, ended) = (upload.id, upload.epoch, upload.ended);
            let stored = catch_unwind(AssertUnwindSafe(|| self.store(upload)));
            let stored = stored.unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                let text = text.unwrap_or("no message");
                Err(Error::user(format!("storing a snapshot panicked: {text}")))
            });
            report(Report { id, epoch, ended, stored });
        }
    }

    fn store(&self, upload: Upload) -> Result<SubtaskState> {
        let Some((storage, term)) = &self.storage else { return Ok(SubtaskState::default()) };
        let kind = upload.snapshot.kind();
        let directory = upload.directory.as_deref();
        let place = storage.upload_place(kind, directory, upload.epoch, *term)?;
        let base = locked(&self.known).of(&upload.id);
        fault::reach("before-upload");
        let state = write_subtask(&place, upload.id, upload.snapshot, &base)?;
        fault::reach("after-upload");
        if !place.self_contained {
            let files = shared_files(&state);
            locked(&self.known).stored(upload.id, upload.epoch.0, files);
        }
        Ok(state)
    }
}
