//! One coordinator per worker: epochs, completion, and stopping in good order.
//!
//! ```text
//!   every task's ack output ──frontier──> completed epoch ──> tasks, checkpoint store
//!   worker 0: interval is over and the last epoch is complete ──Epoch(n)──> all workers
//!   any worker: a task failed, or the user cancelled ──Stop──> all workers
//! ```
//!
//! Invariants: at most one epoch is unfinished besides the current one, or a fast
//! trigger would drown the job in snapshots. A worker that lets go of an unfinished
//! epoch has told all others to stop *before*: messages of one worker arrive in order,
//! so nobody takes the epoch for complete.

use super::network::ProcessLayout;
use crate::checkpoint::CheckpointStore;
use crate::control::JobControl;
use crate::source_node::{AlignmentBoard, AlignmentUpdate};
use millstream_core::{Clock, Epoch, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
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

/// What coordinators tell each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Control {
    /// Sources go on to this epoch.
    Epoch(u64),
    /// Stop now; the message of the error that is to blame, and the process it is from.
    Stop(Option<(String, u32)>),
    /// Watermarks of alignment group members of another process.
    Alignment(Vec<AlignmentUpdate>),
}

/// What the tasks of one worker share with its coordinator.
pub(super) struct WorkerState {
    /// The epoch that sources are to be in.
    pub(super) target: Cell<Epoch>,
    /// The newest epoch that is complete everywhere.
    pub(super) completed: Cell<Option<Epoch>>,
    /// Everything stops: hosts let go of all they hold.
    pub(super) stopping: Cell<bool>,
    pub(super) hosts: RefCell<Vec<Activator>>,
}

pub(super) struct Coordinator {
    pub(super) worker: usize,
    pub(super) layout: ProcessLayout,
    pub(super) control: Arc<JobControl>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoint_interval_ms: Option<i64>,
    pub(super) store: Option<Arc<dyn CheckpointStore>>,
    pub(super) board: AlignmentBoard,
    pub(super) aligned: bool,
    pub(super) state: Rc<WorkerState>,
}

impl Coordinator {
    /// Adds the coordinator to the dataflow, behind the ack outputs of all tasks.
    pub(super) fn install<'s>(self, scope: Scope<'s, u64>, acks: Vec<Stream<'s, u64, Vec<()>>>) {
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
            last_trigger_ms: self.clock.now_ms(),
            next_call: None,
            told_stop: false,
            coordinator: self,
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
    push: Vec<Box<dyn Push<Bincode<Control>>>>,
    pull: Box<dyn Pull<Bincode<Control>>>,
    activator: Activator,
    last_trigger_ms: i64,
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

    /// `open`: the first epoch that some task has not closed.
    fn run(&mut self, open: Option<u64>) {
        self.receive();
        self.stop_if_asked();
        let Some(open) = open else { return };
        self.complete(Epoch(open.saturating_sub(1)));
        if self.coordinator.worker == 0 && !self.coordinator.state.stopping.get() {
            self.trigger(open);
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
            let state = &self.coordinator.state;
            match payload {
                Control::Epoch(epoch) => state.target.set(state.target.get().max(Epoch(epoch))),
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
                    self.coordinator.control.cancel();
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

    fn complete(&mut self, epoch: Epoch) {
        let coordinator = &self.coordinator;
        let state = &coordinator.state;
        if epoch < Epoch::FIRST || state.completed.get().is_some_and(|done| done >= epoch) {
            return;
        }
        state.completed.set(Some(epoch));
        if state.stopping.get() {
            return;
        }
        if coordinator.worker == 0
            && let Some(store) = &coordinator.store
            && let Err(error) = store.complete(epoch)
        {
            coordinator.control.fail(error.at(format!("checkpoint {epoch}")));
        }
        self.wake_hosts();
    }

    fn trigger(&mut self, open: u64) {
        let now_ms = self.coordinator.clock.now_ms();
        let target = self.coordinator.state.target.get();
        let previous_complete = open >= target.0;
        let asked = previous_complete && self.coordinator.control.take_trigger();
        let interval = self.coordinator.checkpoint_interval_ms;
        let due_ms = interval.map(|i| self.last_trigger_ms.saturating_add(i));
        if asked || (previous_complete && due_ms.is_some_and(|due| now_ms >= due)) {
            self.last_trigger_ms = now_ms;
            self.tell(&Control::Epoch(target.next().0), |_| true);
        }
        if let Some(interval) = interval {
            let wait_ms = self.last_trigger_ms.saturating_add(interval) - now_ms;
            self.call_after(Duration::from_millis(wait_ms.max(1) as u64));
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
