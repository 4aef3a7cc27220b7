//! Turns a [`Plan`] into a Timely dataflow, the same on every worker.
//!
//! A worker whose index is below a task's parallelism gets a subtask of it; the
//! others get an operator that holds nothing, because Timely wants one shape
//! everywhere. A subtask that cannot be made (a source that does not connect)
//! also becomes such an operator, and the job stops with its error.

use super::acks::{AckSender, Debloat, ack_channel};
use super::chunk::{Chunk, by_address};
use super::coordinator::{Coordinator, Driver, WorkerState};
use super::host::{Host, OutEdge, Pace, TimeMetrics, panicked};
use super::worker::WorkerEnv;
use crate::channel_state::{Channels, Replay};
use crate::exchange::{EdgeSender, InFlight, Target, targets_of};
use crate::job_graph::{Built, Plan, PlanEdge, PlanNode, PlanTask};
use crate::operator::{OperatorContext, SubtaskInfo, Waker};
use crate::task::{Head, InputEdge, Task};
use millstream_checkpoint::SubtaskId;
use millstream_core::Epoch;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// One edge while the dataflow is built: its stream, and the receiver's end of the acks.
type OpenEdges<'s> = BTreeMap<usize, (Stream<'s, u64, Chunk>, AckSender)>;

pub(super) fn build<'s>(scope: Scope<'s, u64>, plan: &Arc<Plan>, env: &WorkerEnv) {
    let first = env.restored.epoch.map_or(Epoch::FIRST, Epoch::next);
    let state = Rc::new(WorkerState {
        target: Cell::new(first),
        forms: RefCell::default(),
        held: Cell::new(None),
        drained: Cell::new(None),
        finishing: Cell::new(false),
        completed: Cell::new(env.restored.epoch),
        stopping: Cell::new(false),
        hosts: RefCell::new(Vec::new()),
    });
    // On every process, also for sources that run on others only.
    for node in &plan.nodes {
        if let Some(group) = &node.alignment_group {
            env.board.register(group, &node.uid, node.parallelism);
        }
    }
    let mut open = OpenEdges::new();
    let mut acks = Vec::new();
    for index in 0..plan.tasks.len() {
        acks.push(install(scope, plan, index, env, &state, first, &mut open));
    }
    let coordinator = Coordinator {
        worker: scope.index(),
        layout: env.layout,
        control: Arc::clone(&env.control),
        clock: Arc::clone(&env.config.clock),
        checkpointing: env.checkpointing.clone(),
        board: env.board.clone(),
        aligned: env.aligned,
        overtakes_after_ms: env.config.checkpoint.overtakes_after_ms(),
        state,
    };
    let driver = (scope.index() == 0).then(|| Driver::new(plan, env, first)).flatten();
    coordinator.install(scope, acks, driver);
}

/// Adds one task; its ack output is returned, its edges are put into `open`.
fn install<'s>(
    scope: Scope<'s, u64>,
    plan: &Arc<Plan>,
    index: usize,
    env: &WorkerEnv,
    state: &Rc<WorkerState>,
    first: Epoch,
    open: &mut OpenEdges<'s>,
) -> Stream<'s, u64, Vec<()>> {
    let task = &plan.tasks[index];
    let worker = scope.worker();
    let me = worker.index();
    let mut builder = OperatorBuilder::new(task.name.clone(), scope);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    let mut inputs = Vec::new();
    let mut in_acks = Vec::new();
    for edge in &task.inputs {
        let Some((stream, acks)) = open.remove(edge) else { continue };
        inputs.push(builder.new_input(stream, by_address()));
        in_acks.push(acks);
    }
    let mut outputs = Vec::new();
    for edge in &task.outputs {
        let (output, stream) = builder.new_output::<Chunk>();
        let (receiver, sender) = ack_channel(worker, address.clone());
        open.insert(*edge, (stream, sender));
        outputs.push((*edge, output, receiver));
    }
    let (_, ack_stream) = builder.new_output::<Vec<()>>();

    let host = (me < task.parallelism).then(|| {
        let sync = worker.sync_activator_for(address.to_vec());
        let waker = Waker::new(move || {
            let _ = sync.activate(); // the worker may have ended already
        });
        let senders: BTreeMap<usize, EdgeSender> = outputs
            .iter()
            .map(|(edge, _, _)| (*edge, edge_sender(&plan.edges[*edge], me, plan, env)))
            .collect();
        let built = make_task(plan, task, me, env, waker, &senders, first);
        (built, senders)
    });
    let Some((Ok((task_of_worker, times)), mut senders)) =
        host.map(|(built, senders)| (built.map_err(|error| env.control.fail(error)), senders))
    else {
        // Nothing runs here; what may still come in from others is dropped.
        builder.build(move |capabilities| {
            drop(capabilities);
            drop(outputs);
            move |_| inputs.iter_mut().for_each(|i| i.for_each(|_, c| drop(std::mem::take(c))))
        });
        return ack_stream;
    };
    let out = outputs
        .into_iter()
        .filter_map(|(edge, output, receiver)| {
            let sender = senders.remove(&edge)?;
            Some(OutEdge { outbox: sender.outbox, output, acks: receiver(sender.credits) })
        })
        .collect();
    state.hosts.borrow_mut().push(activator.clone());
    let mut host = Host {
        task: task_of_worker,
        out,
        in_acks,
        capabilities: Vec::new(),
        worker: Rc::clone(state),
        control: Arc::clone(&env.control),
        uploader: Arc::clone(&env.checkpointing.uploader),
        id: SubtaskId { task: index as u32, subtask: me as u32 },
        clock: Arc::clone(&env.config.clock),
        activator,
        times,
        debloat: Debloat::new(),
        pace: Pace::new(env.restored.epoch),
    };
    builder.build(move |mut capabilities| {
        capabilities.iter_mut().for_each(|c| c.downgrade(&first.0));
        host.capabilities = capabilities;
        move |frontiers| {
            for (edge, input) in inputs.iter_mut().enumerate() {
                input.for_each(|time, chunk| {
                    if let Some(envelope) = chunk.0.take() {
                        host.task.enqueue(edge, Epoch(*time.time()), envelope);
                    }
                });
            }
            host.run(frontiers);
        }
    });
    ack_stream
}

fn edge_sender(edge: &PlanEdge, me: usize, plan: &Plan, env: &WorkerEnv) -> EdgeSender {
    let target = |subtask: usize| Target {
        subtask: subtask as u32,
        worker: subtask as u32,
        remote: subtask / env.layout.workers != env.layout.process,
    };
    let targets = targets_of(edge.connection, me, edge.senders, edge.receivers);
    let targets = targets.into_iter().map(target).collect();
    EdgeSender::new(me, targets, Rc::default(), plan.max_parallelism)
}

/// The input edges of subtask `me`, with the place of each sender in the merge.
fn input_edges(plan: &Plan, task: &PlanTask, me: usize) -> Vec<InputEdge> {
    let mut member = 0..;
    let edge = |(port, index): (usize, &usize)| {
        let edge = &plan.edges[*index];
        let connected = |from: usize| {
            targets_of(edge.connection, from, edge.senders, edge.receivers).contains(&me)
        };
        let members =
            (0..edge.senders).map(|from| connected(from).then(|| member.next()).flatten());
        let never_overtaken = matches!(edge.in_flight, InFlight::Processed);
        InputEdge { port, members: members.collect(), never_overtaken }
    };
    task.inputs.iter().enumerate().map(edge).collect()
}

fn make_task(
    plan: &Arc<Plan>,
    task: &PlanTask,
    me: usize,
    env: &WorkerEnv,
    waker: Waker,
    senders: &BTreeMap<usize, EdgeSender>,
    first: Epoch,
) -> millstream_core::Result<(Task, TimeMetrics)> {
    let subtask = |node: &PlanNode| SubtaskInfo {
        name: node.name.clone(),
        uid: node.uid.clone(),
        index: me,
        parallelism: node.parallelism,
        max_parallelism: plan.max_parallelism,
    };
    let job = Arc::new(env.config.job_info());
    let context = |node: &PlanNode| {
        let subtask = subtask(node);
        OperatorContext {
            job: Arc::clone(&job),
            metrics: env.config.metrics.group(&subtask),
            restored: env.restored.operator(&node.uid),
            state_schema: node.state_schema.clone(),
            state_backend: env.config.state_backend.clone(),
            clock: Arc::clone(&env.config.clock),
            waker: waker.clone(),
            auto_watermark_interval_ms: env.config.auto_watermark_interval_ms,
            subtask,
        }
    };
    let sender = |edge: usize| senders[&edge].share();
    let build = || plan.build(task.head, &context, &sender, &env.board);
    let built = catch_unwind(AssertUnwindSafe(build));
    let head = match built.unwrap_or_else(|panic| Err(panicked(&*panic)))? {
        Built::Source(source) => Head::Source(source),
        Built::Operator(operator) => operator.into_head(),
    };
    let group = env.config.metrics.group(&subtask(&plan.nodes[task.head]));
    let times = TimeMetrics {
        busy: group.counter("accumulateBusyTimeMs"),
        back_pressured: group.counter("accumulateBackPressuredTimeMs"),
        idle: group.counter("accumulateIdleTimeMs"),
    };
    let edges = input_edges(plan, task, me);
    let uid = &plan.nodes[task.head].uid;
    let replay = match edges.is_empty() {
        true => None,
        false => Replay::restore(plan, task, me, &env.restored.operator(uid))
            .map_err(|e| e.at(subtask(&plan.nodes[task.head]).to_string()))?,
    };
    let channels = Channels::of(plan, task, me);
    Ok((Task::new(head, edges, channels, replay, first), times))
}
