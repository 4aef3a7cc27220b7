//! One coordinator per worker: epochs, checkpoints, and stopping in good order.
//!
//! ```text
//!   worker 0: checkpoint coordinator (pure) ──Trigger, Complete, Finish──> all workers
//!   any worker: a snapshot is stored, or is not   ──Ack, Declined──> worker 0
//!   any worker: a task failed, or the user cancelled ──Stop──> all workers
//!   every task's ack output ──frontier──> worker 0: which cuts have passed everywhere
//! ```
//!
//! What is decided is in [`millstream_checkpoint::coordinator`]; here is how it travels.
//!
//! Invariants: messages of one worker to another arrive in order, so a worker knows that
//! epoch `e` is complete before it is told to close a later one; a worker that stops has
//! told all others before.

use super::network::ProcessLayout;
use super::worker::WorkerEnv;
use crate::control::JobControl;
use crate::execution::Checkpointing;
use crate::job_graph::Plan;
use crate::snapshot::SnapshotKind;
use crate::source_node::{AlignmentBoard, AlignmentUpdate};
use millstream_checkpoint::coordinator::{Coordinator as Machine, Effect, Event, SubtaskId};
use millstream_checkpoint::service::{LeaderService, Told};
use millstream_checkpoint::{SubtaskState, uploader::Report};
use millstream_core::{Clock, Epoch, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::Bincode;
use timely::communication::{Pull, Push};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

/// How often processes tell each other the watermarks of alignment groups.
const ALIGNMENT_EXCHANGE: Duration = Duration::from_millis(20);

/// Epochs whose form is remembered: a task is never further behind.
const FORMS: usize = 256;

/// What coordinators tell each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Control {
    /// Close `epoch` with snapshots of this form; sources go on to the next, where they may
    /// have to wait or to end.
    Trigger {
        epoch: Epoch,
        kind: SnapshotKind,
        directory: Option<String>,
        hold: bool,
        drain: Option<SnapshotKind>,
    },
    /// Sources that wait go on.
    Resume,
    /// All epochs up to this one are durable.
    Complete(Epoch),
    /// To worker 0: a subtask's state is stored; `ended`: its last.
    Ack { id: SubtaskId, epoch: Epoch, ended: bool, state: SubtaskState },
    /// To worker 0: it is not stored.
    Declined { id: SubtaskId, epoch: Epoch, reason: String },
    /// The job is over, well: everything closes.
    Finish,
    /// Stop now; the message of the error that is to blame, and the process it is from.
    Stop(Option<(String, u32)>),
    /// Watermarks of alignment group members of another process.
    Alignment(Vec<AlignmentUpdate>),
}

/// How an epoch ends.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) kind: SnapshotKind,
    /// Where a savepoint goes.
    pub(super) directory: Option<String>,
    /// When its checkpoint stops waiting for what is not processed.
    pub(super) overtakes_at_ms: Option<i64>,
}

/// What the tasks of one worker share with its coordinator.
pub(super) struct WorkerState {
    /// The epoch that sources are to be in.
    pub(super) target: Cell<Epoch>,
    /// How epochs end.
    pub(super) forms: RefCell<BTreeMap<Epoch, Form>>,
    /// Sources read nothing from this epoch on.
    pub(super) held: Cell<Option<Epoch>>,
    /// Sources end in this epoch; the form of what is stored at the end.
    pub(super) drained: Cell<Option<(Epoch, SnapshotKind)>>,
    /// The newest epoch that is durable.
    pub(super) completed: Cell<Option<Epoch>>,
    /// The job is over, well.
    pub(super) finishing: Cell<bool>,
    /// Everything stops: hosts let go of all they hold.
    pub(super) stopping: Cell<bool>,
    pub(super) hosts: RefCell<Vec<Activator>>,
}

/// Worker 0's checkpoint coordinator, with the thread that carries its decisions out.
pub(super) struct Driver {
    machine: Machine<Arc<SubtaskState>>,
    leader: Arc<LeaderService>,
}

impl Driver {
    pub(super) fn new(plan: &Plan, env: &WorkerEnv, first: Epoch) -> Option<Self> {
        let leader = Arc::clone(env.checkpointing.leader.as_ref()?);
        let subtasks = plan.tasks.iter().enumerate().flat_map(|(task, of)| {
            let id = move |subtask| SubtaskId { task: task as u32, subtask: subtask as u32 };
            (0..of.parallelism).map(id)
        });
        let (config, now_ms) = (env.config.checkpoint.clone(), env.config.clock.now_ms());
        let retained = env.checkpointing.retained.clone();
        Some(Driver { machine: Machine::new(config, subtasks, first, retained, now_ms), leader })
    }
}

pub(super) struct Coordinator {
    pub(super) worker: usize,
    pub(super) layout: ProcessLayout,
    pub(super) control: Arc<JobControl>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpointing: Checkpointing,
    pub(super) board: AlignmentBoard,
    pub(super) aligned: bool,
    /// From the order of a checkpoint; savepoints never overtake.
    pub(super) overtakes_after_ms: Option<i64>,
    pub(super) state: Rc<WorkerState>,
}

impl Coordinator {
    /// Adds the coordinator to the dataflow, behind the ack outputs of all tasks.
    pub(super) fn install<'s>(
        self,
        scope: Scope<'s, u64>,
        acks: Vec<Stream<'s, u64, Vec<()>>>,
        driver: Option<Driver>,
    ) {
        let mut builder = OperatorBuilder::new("coordinator".to_owned(), scope);
        let mut inputs: Vec<_> =
            acks.into_iter().map(|stream| builder.new_input(stream, Pipeline)).collect();
        let address = builder.operator_info().address;
        let worker = scope.worker();
        let (push, pull) =
            worker.allocate::<Bincode<Control>>(worker.new_identifier(), address.clone());
        let activator = scope.activator_for(address.clone());
        let sync = worker.sync_activator_for(address.to_vec());
        self.control.add_worker(Box::new(move || {
            let _ = sync.activate(); // the worker may have ended already
        }));
        let mut running = Running {
            next_call: None,
            told_stop: false,
            coordinator: self,
            driver,
            push,
            pull,
            activator,
        };
        builder.build(move |_| {
            move |frontiers| {
                inputs.iter_mut().for_each(|input| input.for_each(|_, _| {}));
                let open = frontiers.iter().filter_map(|f| f.frontier().first().copied()).min();
                running.run(open);
            }
        });
    }
}

struct Running {
    coordinator: Coordinator,
    driver: Option<Driver>,
    push: Vec<Box<dyn Push<Bincode<Control>>>>,
    pull: Box<dyn Pull<Bincode<Control>>>,
    activator: Activator,
    /// When a call that was asked for is due.
    next_call: Option<Instant>,
    told_stop: bool,
}

impl Running {
    fn tell(&mut self, message: &Control, to: impl Fn(usize) -> bool) {
        for (worker, push) in self.push.iter_mut().enumerate() {
            if to(worker) {
                push.send(Bincode { payload: message.clone() });
                push.done();
            }
        }
    }

    /// `open`: the first epoch that some task has not cut; `None` when all have closed.
    fn run(&mut self, open: Option<u64>) {
        self.receive();
        self.stop_if_asked();
        if open.is_none() {
            return;
        }
        self.report();
        if !self.coordinator.state.stopping.get() {
            self.drive(open);
        }
        if self.coordinator.aligned && self.coordinator.layout.processes > 1 {
            self.exchange_alignment();
        }
    }

    fn receive(&mut self) {
        while let Some(Bincode { payload }) = self.pull.recv() {
            if let (Control::Stop(_), false) = (&payload, self.told_stop) {
                self.told_stop = true;
                self.tell(&payload, |_| true);
            }
            let state = Rc::clone(&self.coordinator.state);
            match payload {
                Control::Trigger { epoch, kind, directory, hold, drain } => {
                    let next = epoch.next();
                    state.target.set(state.target.get().max(next));
                    let mut forms = state.forms.borrow_mut();
                    let after_ms = self.coordinator.overtakes_after_ms;
                    let after_ms = after_ms.filter(|_| kind == SnapshotKind::Checkpoint);
                    let now_ms = self.coordinator.clock.now_ms();
                    let overtakes_at_ms = after_ms.map(|after| now_ms.saturating_add(after));
                    forms.insert(epoch, Form { kind, directory, overtakes_at_ms });
                    if forms.len() > FORMS {
                        forms.pop_first();
                    }
                    if hold {
                        state.held.set(Some(next));
                    }
                    if let Some(kind) = drain {
                        state.drained.set(Some((next, kind)));
                    }
                }
                Control::Resume => state.held.set(None),
                Control::Complete(epoch) => {
                    self.coordinator.checkpointing.uploader.completed(epoch);
                    state.completed.set(state.completed.get().max(Some(epoch)));
                }
                Control::Ack { id, epoch, ended, state } => {
                    let state = Arc::new(state);
                    self.step(match ended {
                        true => Event::Ended(id, epoch, state),
                        false => Event::Ack(id, epoch, state),
                    });
                }
                Control::Declined { id, epoch, reason } => {
                    self.step(Event::Declined(id, epoch, reason));
                }
                Control::Finish => state.finishing.set(true),
                Control::Alignment(updates) => {
                    updates.into_iter().for_each(|u| self.coordinator.board.apply(u));
                }
                Control::Stop(blame) => {
                    if let Some((message, process)) = blame
                        && process as usize != self.coordinator.layout.process
                    {
                        let error = Error::new(ErrorKind::Restart, message);
                        self.coordinator.control.fail(error.at(format!("process {process}")));
                    }
                    self.coordinator.control.stop();
                    state.stopping.set(true);
                }
            }
            self.wake_hosts();
        }
    }

    fn wake_hosts(&self) {
        self.coordinator.state.hosts.borrow().iter().for_each(Activator::activate);
    }

    fn stop_if_asked(&mut self) {
        if self.coordinator.control.is_stopping() && !self.told_stop {
            self.told_stop = true;
            let process = self.coordinator.layout.process as u32;
            let blame = self.coordinator.control.error().map(|e| (e.to_string(), process));
            self.tell(&Control::Stop(blame), |_| true);
        }
    }

    /// Tells worker 0 what became of the snapshots of this process.
    fn report(&mut self) {
        for Report { id, epoch, ended, stored } in self.coordinator.control.take_reports() {
            let message = match stored {
                Ok(state) => Control::Ack { id, epoch, ended, state },
                // What a task ended with is nowhere else: only a new attempt can store it.
                Err(error) if ended => {
                    self.coordinator.control.fail(error.at("the last snapshot of a task"));
                    continue;
                }
                Err(error) => Control::Declined { id, epoch, reason: error.to_string() },
            };
            self.tell(&message, |worker| worker == 0);
        }
    }

    /// Worker 0: what has happened since, and the time.
    fn drive(&mut self, open: Option<u64>) {
        let Some(driver) = &self.driver else { return };
        let leader = Arc::clone(&driver.leader);
        for (request, responder) in self.coordinator.control.take_requests() {
            leader.request(request, responder);
        }
        for told in self.coordinator.control.take_told() {
            match told {
                Told::Event(event) => self.step(event),
                Told::Lost(error) => self.coordinator.control.fail(error),
            }
        }
        if let Some(open) = open {
            self.step(Event::Cut(Epoch(open)));
        }
        let deadline = self.driver.as_ref().and_then(|driver| driver.machine.next_deadline());
        if let Some(deadline) = deadline {
            let wait_ms = deadline.saturating_sub(self.coordinator.clock.now_ms()).max(1);
            self.call_after(Duration::from_millis(wait_ms as u64));
        }
    }

    fn step(&mut self, event: Event<Arc<SubtaskState>>) {
        let now_ms = self.coordinator.clock.now_ms();
        let Some(driver) = &mut self.driver else { return };
        let effects = driver.machine.step(event, now_ms);
        let leader = Arc::clone(&driver.leader);
        for effect in effects {
            match effect {
                Effect::Trigger { epoch, kind, directory, hold, drain } => {
                    let trigger = Control::Trigger { epoch, kind, directory, hold, drain };
                    self.tell(&trigger, |_| true);
                }
                Effect::Publish(publication) => leader.publish(publication),
                Effect::Discard(epoch, state) => leader.discard(epoch, state),
                Effect::Complete(epoch) => self.tell(&Control::Complete(epoch), |_| true),
                Effect::Retire(epoch) => leader.retire(epoch),
                Effect::Resume => self.tell(&Control::Resume, |_| true),
                Effect::Answer(id, answer) => leader.answer(id, answer),
                Effect::Finish | Effect::Suspend => self.tell(&Control::Finish, |_| true),
                Effect::Fail(why) => {
                    let error = Error::restart(why);
                    let advice = "see execution.checkpointing.timeout and \
                                  tolerable-failed-checkpoints";
                    self.coordinator.control.fail(error.advice(advice));
                }
            }
        }
    }

    /// Asks to run again, unless an earlier call is due: or else every other activation
    /// would leave one more call behind that asks for the next for ever.
    fn call_after(&mut self, wait: Duration) {
        let now = Instant::now();
        let due = now + wait;
        if self.next_call.is_none_or(|at| at <= now || due < at) {
            self.next_call = Some(due);
            self.activator.activate_after(wait);
        }
    }

    fn exchange_alignment(&mut self) {
        let layout = self.coordinator.layout;
        // One worker of each process speaks and listens for it.
        if !self.coordinator.worker.is_multiple_of(layout.workers) {
            return;
        }
        let updates = self.coordinator.board.take_updates();
        if !updates.is_empty() {
            let own = self.coordinator.worker;
            self.tell(&Control::Alignment(updates), |w| w % layout.workers == 0 && w != own);
        }
        self.call_after(ALIGNMENT_EXCHANGE);
    }
}
