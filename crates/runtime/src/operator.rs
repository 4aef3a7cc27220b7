//! The operator contract: what sits in a chain.
//!
//! # Contract
//! - Calls come from one thread, never concurrently, in this order: `open`, then any
//!   of the `on_*`, then `close` once, whatever happened.
//! - Deterministic: the same calls give the same outputs. Time, wake-ups and
//!   restored state come from the [`OperatorContext`] alone.
//! - User data never panics an operator: it answers [`Error`](millstream_core::Error).
//!   A panic in a user's function is caught by the worker and ends the job with
//!   the operator's name.
//! - Records of epoch `e` are all seen before `on_barrier(e)` and `snapshot(e)`;
//!   records of `e + 1` only after.

use crate::chain::Output;
use crate::metrics::MetricGroup;
use crate::snapshot::{OperatorSnapshot, Restored};
use crate::state::{KeyedStates, StateBackendConfig, StateContext};
use millstream_core::{Clock, Container, Epoch, Error, Key, Result, SystemClock, Watermark};
use std::sync::Arc;

/// Whether an operator is done with a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything due has been emitted: the runtime forwards the watermark.
    Done,
    /// The downstream is full or an answer is pending; the runtime calls
    /// `on_watermark` again with the same watermark when there is room, and gives
    /// the operator no input before.
    More,
    /// The operator keeps the watermark and emits its own with
    /// [`Output::emit_watermark`] when it sees fit.
    Hold,
}

/// One operator of a chain. See the module's contract.
pub trait Operator: 'static {
    /// What comes in: a [`Batch`](millstream_core::Batch), or
    /// [`Either`](millstream_core::Either) of two for a two-input operator.
    type In: crate::chain::Counted + 'static;
    /// What goes out.
    type Out: Container + Clone + Default;

    /// Called once before any input; the place to restore state.
    ///
    /// # Errors
    /// Anything that makes the operator unable to run ends the job.
    fn open(&mut self, _ctx: &OperatorContext) -> Result<()> {
        Ok(())
    }
    /// Processes a batch, in order.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Self::Out>) -> Result<()>;
    /// Event time has reached `watermark` on all active inputs. Fires event-time timers.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_watermark(
        &mut self,
        _watermark: Watermark,
        _out: &mut Output<Self::Out>,
    ) -> Result<Progress> {
        Ok(Progress::Done)
    }
    /// All inputs became idle (`true`) or one is active again; the runtime forwards
    /// it when this answers `true`.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_idle(&mut self, _idle: bool, _out: &mut Output<Self::Out>) -> Result<bool> {
        Ok(true)
    }
    /// When [`on_processing_time`](Operator::on_processing_time) wants to be called.
    fn next_processing_time(&self) -> Option<i64> {
        None
    }
    /// Called when the clock has passed `next_processing_time`, and after a wake-up
    /// through the [`Waker`].
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_processing_time(&mut self, _now_ms: i64, _out: &mut Output<Self::Out>) -> Result<()> {
        Ok(())
    }
    /// Whether the operator takes more input now. One that says no must wake the
    /// task when that changes.
    fn is_ready(&self) -> bool {
        true
    }
    /// Last chance to emit into `epoch`, before the snapshot.
    ///
    /// # Errors
    /// Fails the checkpoint and the attempt.
    fn on_barrier(&mut self, _epoch: Epoch, _out: &mut Output<Self::Out>) -> Result<()> {
        Ok(())
    }
    /// Stores the state after all records of `epoch`.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _snapshot: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
    /// The checkpoint of `epoch` and of all before it is durable. May be skipped for
    /// some epochs: the call is cumulative.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }
    /// Bounded input has ended; [`Watermark::MAX`] came before. Not called when the
    /// job fails or is cancelled.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_end(&mut self, _out: &mut Output<Self::Out>) -> Result<()> {
        Ok(())
    }
    /// Lets go of outside resources. Called once, also after failure and cancel.
    ///
    /// # Errors
    /// Reported, when the job had not failed before.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An operator whose own type is hidden: every call goes to the one inside.
impl<O: Operator + ?Sized> Operator for Box<O> {
    type In = O::In;
    type Out = O::Out;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        (**self).open(ctx)
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Self::Out>) -> Result<()> {
        (**self).on_batch(batch, out)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Self::Out>,
    ) -> Result<Progress> {
        (**self).on_watermark(watermark, out)
    }
    fn on_idle(&mut self, idle: bool, out: &mut Output<Self::Out>) -> Result<bool> {
        (**self).on_idle(idle, out)
    }
    fn next_processing_time(&self) -> Option<i64> {
        (**self).next_processing_time()
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Self::Out>) -> Result<()> {
        (**self).on_processing_time(now_ms, out)
    }
    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }
    fn on_barrier(&mut self, epoch: Epoch, out: &mut Output<Self::Out>) -> Result<()> {
        (**self).on_barrier(epoch, out)
    }
    fn snapshot(&mut self, epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        (**self).snapshot(epoch, snapshot)
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        (**self).on_checkpoint_complete(epoch)
    }
    fn on_end(&mut self, out: &mut Output<Self::Out>) -> Result<()> {
        (**self).on_end(out)
    }
    fn close(&mut self) -> Result<()> {
        (**self).close()
    }
}

pub use millstream_state::SubtaskInfo;

/// Makes the task run soon, from any thread: the runtime then calls
/// [`Operator::on_processing_time`]. Cheap; calls while one is pending are merged.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A waker that calls `wake`.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Waker(Arc::new(wake))
    }
    /// A waker that does nothing (tests).
    pub fn none() -> Self {
        Waker::new(|| ())
    }
    /// Wakes the task.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// What an operator may know of its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInfo {
    /// Name of the job.
    pub name: String,
    /// Names the job's folder in storage; empty without storage. Terms of one id have an
    /// order, terms of two ids have none.
    pub id: String,
    /// The term of the leader under which the attempt runs. It grows from attempt to attempt
    /// (0 without storage): what is to tell the transactions of attempts apart, and their
    /// order, takes this. Found by the simulation: the order in which attempts were started
    /// is not the order in which they lead.
    pub term: u64,
    /// Time between checkpoints; `None` when there are none.
    pub checkpoint_interval_ms: Option<i64>,
    /// How long a checkpoint may take before it counts as failed.
    pub checkpoint_timeout_ms: i64,
    /// Whether checkpoints are stored anywhere.
    pub checkpoints_stored: bool,
    /// The epoch of the state that the attempt starts from; `None`: it starts without state.
    pub restored_epoch: Option<Epoch>,
}

impl JobInfo {
    /// Commits follow from durable checkpoints: without them nothing would ever be committed,
    /// or what is committed would come again.
    pub(crate) fn check_exactly_once(&self) -> Result<()> {
        if self.checkpoint_interval_ms.is_none() {
            return Err(Error::config("an exactly-once sink in a job without checkpoints").advice(
                "set execution.checkpointing.interval (enable_checkpointing), or use an \
                     at-least-once sink",
            ));
        }
        if !self.checkpoints_stored {
            return Err(Error::config(
                "an exactly-once sink in a job whose checkpoints are stored nowhere",
            )
            .advice(
                "set execution.checkpointing.dir (set_checkpoint_directory), or use an \
                 at-least-once sink",
            ));
        }
        Ok(())
    }
    /// A job with a checkpoint every second, for tests.
    pub fn for_tests() -> Self {
        JobInfo {
            name: "test".into(),
            id: "test".into(),
            term: 1,
            checkpoint_interval_ms: Some(1000),
            checkpoint_timeout_ms: 60_000,
            checkpoints_stored: true,
            restored_epoch: None,
        }
    }
}

/// What an operator may know of the world.
#[derive(Clone)]
pub struct OperatorContext {
    /// The job that it is part of.
    pub job: Arc<JobInfo>,
    /// Name, uid and place of this subtask.
    pub subtask: SubtaskInfo,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// To be called again from another thread.
    pub waker: Waker,
    /// Where this subtask's metrics are registered.
    pub metrics: MetricGroup,
    /// The state of the last cut, when the job was restored from one.
    pub restored: Restored,
    /// What is stored with the operator's state to describe it.
    pub state_schema: Option<Arc<str>>,
    /// Where keyed state lives.
    pub state_backend: StateBackendConfig,
    /// How often periodic watermark generators are asked; 0: after every record.
    pub auto_watermark_interval_ms: i64,
}

impl OperatorContext {
    /// The keyed states of this subtask, in the job's backend; states are asked for by name.
    ///
    /// # Errors
    /// When the backend cannot open its local storage, or the state was stored in another
    /// backend's own form.
    pub fn keyed_states<K: Key>(&self) -> Result<KeyedStates<K>> {
        KeyedStates::open(&StateContext {
            subtask: self.subtask.clone(),
            restored: self.restored.clone(),
            clock: Arc::clone(&self.clock),
            backend: self.state_backend.clone(),
        })
    }
    /// The context of a lone subtask, for tests: machine clock, fresh state.
    pub fn for_tests(name: &str) -> Self {
        let subtask = SubtaskInfo {
            name: name.into(),
            uid: name.into(),
            index: 0,
            parallelism: 1,
            max_parallelism: millstream_core::DEFAULT_MAX_PARALLELISM,
        };
        OperatorContext {
            job: Arc::new(JobInfo::for_tests()),
            metrics: MetricGroup::detached(&subtask),
            subtask,
            clock: Arc::new(SystemClock),
            waker: Waker::none(),
            restored: Restored::default(),
            state_schema: None,
            state_backend: StateBackendConfig::default(),
            auto_watermark_interval_ms: 200,
        }
    }
}
