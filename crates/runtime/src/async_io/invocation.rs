//! One attempt of one request, on the I/O runtime.
//!
//! Between the operator (worker's thread) and the user's future (a thread of the I/O
//! runtime). Invariant: every attempt reports exactly once, also when its future panics,
//! or is dropped because its runtime was shut down; so the operator never waits in vain.

use super::function::AsyncFunction;
use crate::operator::Waker;
use futures_util::FutureExt;
use millstream_core::{Data, Error, Result};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// Threads of the shared runtime: requests wait, they do not compute.
const THREADS: usize = 2;

/// What became of an attempt.
pub(crate) enum Outcome<U> {
    /// The function answered.
    Answer(Result<Vec<U>>),
    /// It panicked, saying this.
    Panicked(String),
    /// The future was dropped before it was done.
    Dropped,
}

/// The report of attempt number `attempt` for element `id`.
pub(crate) struct Report<U> {
    pub(crate) id: u64,
    pub(crate) attempt: u32,
    pub(crate) outcome: Outcome<U>,
}

/// Sends the report when it is dropped, whatever happened.
struct Reporter<U> {
    report: Option<Report<U>>,
    sender: Sender<Report<U>>,
    waker: Waker,
}

impl<U> Drop for Reporter<U> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            // The receiver is gone when the operator was closed: nobody waits.
            let _ = self.sender.send(report);
            self.waker.wake();
        }
    }
}

/// Starts an attempt.
pub(crate) fn start<T: Data, U: Data, F: AsyncFunction<T, U>>(
    runtime: &Handle,
    function: &Arc<F>,
    input: T,
    (id, attempt): (u64, u32),
    sender: &Sender<Report<U>>,
    waker: &Waker,
) -> AbortHandle {
    let mut reporter = Reporter {
        report: Some(Report { id, attempt, outcome: Outcome::Dropped }),
        sender: sender.clone(),
        waker: waker.clone(),
    };
    let function = Arc::clone(function);
    let task = async move {
        // The call itself is inside as well: it may panic before there is a future.
        let answer = async move { function.invoke(input).await };
        let outcome = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(answer) => Outcome::Answer(answer),
            Err(panic) => Outcome::Panicked(panic_message(&*panic)),
        };
        if let Some(report) = &mut reporter.report {
            report.outcome = outcome;
        }
        drop(reporter);
    };
    runtime.spawn(task).abort_handle()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The runtime that all asynchronous operators of this process share.
///
/// # Errors
/// Configuration: no threads could be started.
pub fn shared_runtime() -> Result<Handle> {
    static SHARED: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("millstream-async-io").enable_all().build()
    });
    match shared {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => {
            Err(Error::config(format!("async I/O: no threads could be started: {error}"))
                .advice("raise the limit of threads and open files of this process"))
        }
    }
}
