//! The job as its owner sees it while it runs: cancel, failure, savepoints.
//!
//! Shared by all workers of a process and by the handle that the user holds. The handle
//! stays the same when the job restarts.
//!
//! Invariants: the first error of an attempt is the one that is reported, what fails
//! afterwards is a consequence; a cancel by the user ends the job, not only the attempt.

use crate::metrics::MetricRegistry;
use millstream_checkpoint::Request;
use millstream_checkpoint::service::{Responder, Told};
use millstream_checkpoint::uploader::Report;
use millstream_core::{Error, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Wake = Box<dyn Fn() + Send>;

/// Requests that wait for worker 0; more are refused.
const MAX_REQUESTS: usize = 16;

/// See the module.
#[derive(Default)]
pub(crate) struct JobControl {
    /// By the user: no attempt follows.
    cancelled: AtomicBool,
    attempt: AtomicU64,
    /// This attempt is to stop.
    stopping: AtomicBool,
    /// A connection is gone: workers leave at once, nothing can end in good order.
    aborted: AtomicBool,
    error: Mutex<Option<Error>>,
    workers: Mutex<Vec<Wake>>,
    /// What uploader threads of this process report; bounded by what they were given.
    reports: Mutex<VecDeque<Report>>,
    /// What the leader's thread tells worker 0; bounded by what it was asked.
    told: Mutex<VecDeque<Told>>,
    requests: Mutex<VecDeque<(Request, Responder)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobControl {
    /// Forgets the last attempt.
    pub(crate) fn begin_attempt(&self, attempt: u64) {
        self.attempt.store(attempt, Ordering::SeqCst);
        self.stopping.store(self.is_cancelled(), Ordering::SeqCst);
        self.aborted.store(false, Ordering::SeqCst);
        *locked(&self.error) = None;
        locked(&self.workers).clear();
        locked(&self.reports).clear();
        locked(&self.told).clear();
    }
    /// The number of the attempt that runs.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt.load(Ordering::SeqCst)
    }
    pub(crate) fn add_worker(&self, wake: Wake) {
        locked(&self.workers).push(wake);
    }
    fn wake_workers(&self) {
        locked(&self.workers).iter().for_each(|wake| wake());
    }
    /// By the user.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.stop();
    }
    /// This attempt ends.
    pub(crate) fn stop(&self) {
        if !self.stopping.swap(true, Ordering::SeqCst) {
            self.wake_workers();
        }
    }
    pub(crate) fn fail(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.stopping.store(true, Ordering::SeqCst);
        self.wake_workers();
    }
    pub(crate) fn abort(&self, error: Error) {
        self.aborted.store(true, Ordering::SeqCst);
        self.fail(error);
    }
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }
    pub(crate) fn error(&self) -> Option<Error> {
        locked(&self.error).clone()
    }
    pub(crate) fn report(&self, report: Report) {
        locked(&self.reports).push_back(report);
        self.wake_workers();
    }
    pub(crate) fn take_reports(&self) -> VecDeque<Report> {
        std::mem::take(&mut *locked(&self.reports))
    }
    pub(crate) fn tell(&self, told: Told) {
        locked(&self.told).push_back(told);
        self.wake_workers();
    }
    pub(crate) fn take_told(&self) -> VecDeque<Told> {
        std::mem::take(&mut *locked(&self.told))
    }
    pub(crate) fn request(&self, request: Request, responder: Responder) {
        let mut requests = locked(&self.requests);
        if requests.len() >= MAX_REQUESTS {
            drop(requests);
            return responder(Err(Error::retry("too many requests wait for this job")));
        }
        requests.push_back((request, responder));
        drop(requests);
        self.wake_workers();
    }
    pub(crate) fn take_requests(&self) -> VecDeque<(Request, Responder)> {
        std::mem::take(&mut *locked(&self.requests))
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
        self.control.request(Request::Checkpoint, Box::new(|_| ()));
    }
    /// Asks for a savepoint, perhaps to stop with it; the answer is its place. For the
    /// handle of process 0; a job of several processes is asked through its folder, see
    /// [`millstream_checkpoint::requests`].
    pub fn request(&self, request: Request) -> Receiver<Result<String>> {
        let (answer, receiver) = sync_channel(1);
        let responder: Responder = Box::new(move |answered| {
            let _ = answer.try_send(answered); // who asked may have gone
        });
        self.control.request(request, responder);
        receiver
    }
    /// Whether the user has cancelled the job.
    pub fn is_cancelled(&self) -> bool {
        self.control.is_cancelled()
    }
    /// Requests that wait; for who runs the job in the place of the runtime (a supervisor).
    pub fn take_requests(&self) -> Vec<(Request, Responder)> {
        self.control.take_requests().into()
    }
    /// The metrics of this process.
    pub fn metrics(&self) -> &MetricRegistry {
        &self.metrics
    }
}
