//! The job as its owner sees it while it runs: cancel, failure, checkpoint now.
//!
//! Shared by all workers of a process and by the handle that the user holds.
//!
//! Invariant: the first error is the one that is reported; what fails afterwards is
//! a consequence.

use crate::metrics::MetricRegistry;
use millstream_core::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Wake = Box<dyn Fn() + Send>;

/// See the module.
#[derive(Default)]
pub(crate) struct JobControl {
    cancelled: AtomicBool,
    trigger: AtomicBool,
    /// A connection is gone: workers leave at once, nothing can end in good order.
    aborted: AtomicBool,
    error: Mutex<Option<Error>>,
    workers: Mutex<Vec<Wake>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobControl {
    pub(crate) fn add_worker(&self, wake: Wake) {
        locked(&self.workers).push(wake);
    }
    fn wake_workers(&self) {
        locked(&self.workers).iter().for_each(|wake| wake());
    }
    pub(crate) fn cancel(&self) {
        if !self.cancelled.swap(true, Ordering::SeqCst) {
            self.wake_workers();
        }
    }
    pub(crate) fn fail(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.cancelled.store(true, Ordering::SeqCst);
        self.wake_workers();
    }
    pub(crate) fn abort(&self, error: Error) {
        self.aborted.store(true, Ordering::SeqCst);
        self.fail(error);
    }
    pub(crate) fn trigger_checkpoint(&self) {
        self.trigger.store(true, Ordering::SeqCst);
        self.wake_workers();
    }
    pub(crate) fn take_trigger(&self) -> bool {
        self.trigger.swap(false, Ordering::SeqCst)
    }
    pub(crate) fn is_stopping(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }
    pub(crate) fn error(&self) -> Option<Error> {
        locked(&self.error).clone()
    }
}

/// A running job, as its user holds it. Dropping it does not stop the job.
#[derive(Clone)]
pub struct JobHandle {
    pub(crate) control: Arc<JobControl>,
    pub(crate) metrics: MetricRegistry,
}

impl JobHandle {
    /// Stops the job without a final watermark and without the end of its input:
    /// nothing more fires. Returns at once; wait for the job to see it end.
    pub fn cancel(&self) {
        self.control.cancel();
    }
    /// Asks for a checkpoint now, besides the periodic ones.
    pub fn trigger_checkpoint(&self) {
        self.control.trigger_checkpoint();
    }
    /// The metrics of this process.
    pub fn metrics(&self) -> &MetricRegistry {
        &self.metrics
    }
}
