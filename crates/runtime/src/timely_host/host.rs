//! Hosts one [`Task`] as a Timely operator.
//!
//! Per activation: take acknowledgements and input in, let the task work until it
//! has nothing or a share of the worker's time is used, put what it sends on the
//! edges, follow the epoch with the capabilities, and say when to run next.

use super::acks::{AckReceiver, AckSender, Debloat};
use super::chunk::Chunk;
use super::coordinator::WorkerState;
use crate::chain::{running_operator, take_record_context};
use crate::control::JobControl;
use crate::exchange::Envelope;
use crate::metrics::Counter;
use crate::snapshot::TaskSnapshot;
use crate::task::{Orders, Step, Task};
use millstream_checkpoint::SubtaskId;
use millstream_checkpoint::uploader::{Report, Upload, Uploader};
use millstream_core::{Clock, Epoch, Error, Result};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::dataflow::channels::pushers::Output;
use timely::dataflow::operators::Capability;
use timely::progress::frontier::MutableAntichain;
use timely::scheduling::Activator;

/// Steps of one activation, about as many batches; then others get their turn.
const STEPS: usize = 32;
/// With a slow operator they get it earlier: also the order to make a checkpoint.
const SHARE: Duration = Duration::from_millis(10);

/// One outgoing edge: what the chain put in, and the Timely output that takes it.
pub(super) struct OutEdge {
    pub(super) outbox: Rc<RefCell<Vec<Envelope>>>,
    pub(super) output: Output<u64, Chunk>,
    pub(super) acks: AckReceiver,
}

/// Milliseconds that the task spent, by what it did (Flink's `accumulate*TimeMs`).
pub(super) struct TimeMetrics {
    pub(super) busy: Counter,
    pub(super) back_pressured: Counter,
    pub(super) idle: Counter,
}

#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Idle,
    BackPressured,
}

pub(super) struct Host {
    pub(super) task: Task,
    pub(super) out: Vec<OutEdge>,
    pub(super) in_acks: Vec<AckSender>,
    /// One capability an output, the ack output last; empty when the task is over.
    pub(super) capabilities: Vec<Capability<u64>>,
    pub(super) worker: Rc<WorkerState>,
    pub(super) control: Arc<JobControl>,
    pub(super) uploader: Arc<Uploader>,
    pub(super) id: SubtaskId,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) activator: Activator,
    pub(super) times: TimeMetrics,
    pub(super) debloat: Debloat,
    pub(super) pace: Pace,
}

/// When the host ran and will run.
pub(super) struct Pace {
    completed: Option<Epoch>,
    armed: Option<Instant>,
    rest: (Rest, Instant),
    opened: bool,
    halted: bool,
    /// The task has ended in good order; it waits for its last state to be durable.
    ended: bool,
}

impl Pace {
    pub(super) fn new(completed: Option<Epoch>) -> Self {
        let rest = (Rest::Idle, Instant::now());
        Pace { completed, armed: None, rest, opened: false, halted: false, ended: false }
    }
}

impl Host {
    /// One activation. Input has been enqueued.
    pub(super) fn run(&mut self, frontiers: &[MutableAntichain<u64>]) {
        if self.capabilities.is_empty() {
            return;
        }
        if self.worker.stopping.get() {
            return self.stop();
        }
        if self.pace.halted {
            return;
        }
        let inputs_at =
            frontiers.iter().filter_map(|f| f.frontier().first().copied()).min().map(Epoch);
        let begin = Instant::now();
        let (rest, since) = self.pace.rest;
        let rested = begin.duration_since(since).as_millis() as u64;
        match rest {
            Rest::Idle => self.times.idle.add(rested),
            Rest::BackPressured => self.times.back_pressured.add(rested),
        }
        // User code may panic: it ends the job, and never unwinds through the engine.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work(inputs_at)));
        let outcome = outcome.unwrap_or_else(|panic| Err(panicked(&*panic)));
        let busy = begin.elapsed();
        match outcome {
            Ok(rows) => {
                self.debloat.worked(rows, busy);
                // Whole milliseconds of many short activations: the rest counts as rest.
                self.times.busy.add(busy.as_millis() as u64);
                let rest = if self.task.is_ready() { Rest::Idle } else { Rest::BackPressured };
                let counted = Duration::from_millis(busy.as_millis() as u64 + rested);
                self.pace.rest = (rest, since + counted);
            }
            Err(error) => {
                self.control.fail(error);
                self.halt();
            }
        }
    }

    fn work(&mut self, inputs_at: Option<Epoch>) -> Result<u64> {
        if !std::mem::replace(&mut self.pace.opened, true) {
            self.task.open()?;
            self.send();
        }
        self.out.iter_mut().for_each(|edge| edge.acks.absorb());
        let completed = self.worker.completed.get();
        if completed > self.pace.completed {
            self.pace.completed = completed;
            if let Some(epoch) = completed {
                self.task.checkpoint_complete(epoch)?;
            }
        }
        if self.worker.finishing.get() {
            // Everything that the job has to say is durable and has been told. Nobody takes
            // the job for ended before the last commit is made: the capabilities go last.
            self.pace.halted = true;
            self.task.close()?;
            self.capabilities.clear();
            return Ok(0);
        }
        if self.pace.ended {
            // Timers do not fire behind the end.
            return Ok(0);
        }
        let (mut rows_done, mut more) = (0, true);
        let (begin, mut looked_ms) = (Instant::now(), i64::MIN);
        for _ in 0..STEPS {
            let now_ms = self.clock.now_ms();
            looked_ms = now_ms;
            let step = self.task.step(self.orders(inputs_at, now_ms), now_ms)?;
            self.send();
            match step {
                Step::Processed { edge, sender, rows } => {
                    rows_done += rows;
                    if rows > 0 {
                        self.in_acks[edge].processed(sender, rows, self.debloat.window());
                    }
                }
                Step::EpochEnded(epoch, snapshot) => {
                    self.keep(epoch, snapshot, false);
                    let next = epoch.next().0;
                    self.capabilities.iter_mut().for_each(|c| c.downgrade(&next));
                }
                Step::Ended(epoch, snapshot) => {
                    self.send();
                    self.keep(epoch, snapshot, true);
                    self.pace.ended = true;
                    // The edges end; the ack output holds the job until the state is durable,
                    // and no cut waits for this task any more.
                    self.capabilities.drain(..self.out.len());
                    self.capabilities.iter_mut().for_each(|c| c.downgrade(&u64::MAX));
                    return Ok(rows_done);
                }
                Step::Waiting | Step::SourceWaiting => {
                    more = false;
                    break;
                }
            }
            if begin.elapsed() >= SHARE {
                break;
            }
        }
        self.task.flush()?;
        self.send();
        if more {
            self.activator.activate();
        } else {
            self.arm(looked_ms);
        }
        Ok(rows_done)
    }

    fn orders(&self, inputs_at: Option<Epoch>, now_ms: i64) -> Orders {
        let (worker, current) = (&self.worker, self.task.current());
        let target = worker.target.get();
        let drained = worker.drained.get().filter(|(epoch, _)| current >= *epoch);
        let forms = worker.forms.borrow();
        let form = forms.get(&current);
        let kind = match drained {
            Some((_, kind)) => kind,
            None => form.map(|form| form.kind).unwrap_or_default(),
        };
        let kind = self.uploader.stores().then_some(kind);
        let hold = worker.held.get().is_some_and(|epoch| current >= epoch);
        let overtakes_at = form.and_then(|form| form.overtakes_at_ms);
        let overtake = overtakes_at.is_some_and(|at| now_ms >= at);
        Orders { inputs_at, target, kind, hold, drain: drained.is_some(), overtake }
    }

    /// When the task has something to do at the latest; it looked at `looked_ms`.
    fn next_deadline(&self, looked_ms: i64) -> Option<i64> {
        let forms = self.worker.forms.borrow();
        let overtakes = forms.get(&self.task.current()).and_then(|form| form.overtakes_at_ms);
        let overtakes = overtakes.filter(|at| *at > looked_ms);
        self.task.next_deadline().into_iter().chain(overtakes).min()
    }

    /// Gives a snapshot to the uploader; what becomes of it is reported.
    fn keep(&self, epoch: Epoch, snapshot: TaskSnapshot, ended: bool) {
        let form = self.worker.forms.borrow().get(&epoch).cloned();
        let directory = form.and_then(|form| form.directory);
        let id = self.id;
        let upload = Upload { id, epoch, ended, snapshot, directory };
        if let Err(error) = self.uploader.submit(upload) {
            self.control.report(Report { id, epoch, ended, stored: Err(error) });
        }
    }

    /// Puts what the chain has sent on the edges, at the current epoch.
    fn send(&mut self) {
        for (edge, capability) in self.out.iter_mut().zip(&self.capabilities) {
            let mut outbox = edge.outbox.borrow_mut();
            if outbox.is_empty() {
                continue;
            }
            let mut session = edge.output.activate();
            for envelope in outbox.drain(..) {
                session.give(capability, &mut Chunk(Some(envelope)));
            }
        }
    }

    /// Asks to run again at the task's next deadline, unless an earlier call is due.
    fn arm(&mut self, looked_ms: i64) {
        let Some(deadline) = self.next_deadline(looked_ms) else { return };
        let wait = self.clock.wait_for(deadline);
        let now = Instant::now();
        // In real time: the job's clock may stand still, and then jump.
        let pending = self.pace.armed.filter(|at| *at > now);
        let due = now.checked_add(wait);
        if due.is_some_and(|due| pending.is_none_or(|at| due < at)) {
            self.pace.armed = due;
            self.activator.activate_after(wait);
        }
    }

    /// Does nothing more, but keeps the epoch open: it must not count as complete without
    /// this task's state. [`stop`](Host::stop) follows when every worker has been told.
    fn halt(&mut self) {
        if std::mem::replace(&mut self.pace.halted, true) {
            return;
        }
        let closed = catch_unwind(AssertUnwindSafe(|| self.task.close()));
        if let Err(error) = closed.unwrap_or_else(|panic| Err(panicked(&*panic)))
            && self.control.error().is_none()
        {
            self.control.fail(error);
        }
        self.out.iter().for_each(|edge| edge.outbox.borrow_mut().clear());
    }

    /// Lets go of everything: the job was cancelled, or has failed somewhere.
    fn stop(&mut self) {
        self.halt();
        self.capabilities.clear();
    }
}

/// A panic as an error: the operator that was running, and what it said.
pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let place = super::worker::take_panic_place();
    let at = place.map_or(String::new(), |place| format!(" at {place}"));
    let error = Error::user(format!("panicked{at}: {text}"))
        .advice("fix the function, or return an error for records that it cannot handle");
    let error = match take_record_context() {
        Some(record) => error.at(record),
        None => error,
    };
    match running_operator() {
        Some(operator) => error.at(&*operator),
        None => error,
    }
}
