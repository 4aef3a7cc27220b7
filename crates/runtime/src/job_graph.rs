//! The job graph: operators and edges as the user drew them, and the tasks that run.
//!
//! The typed API adds nodes; their types are hidden behind builders that each worker
//! calls to make its own subtasks.
//!
//! ```text
//!   source ─forward─> map ─hash─> count ─forward─> sink      graph (4 nodes)
//!   [source -> map] ══════════> [count -> sink]              plan  (2 tasks)
//! ```
//!
//! Invariants: the plan is a function of the graph alone, so every worker of every
//! process builds the same one; a task is a tree of nodes with one head, and only a
//! head has edges from other tasks.

use crate::chain::{Node, Output, OutputTag, Receiver, SideOutput};
use crate::container_edge::{ContainerPartitioner, ContainerSender};
use crate::exchange::{Body, Connection, EdgeSender, ExchangeSender, InFlight, Partitioner};
use crate::execution::RuntimeConfig;
use crate::operator::{Operator, OperatorContext};
use crate::sink::{self, CommitterContext, Sink, SinkOperator};
use crate::snapshot::Restored;
use crate::source::Source;
use crate::source_node::{AlignmentBoard, SourceHead, SourceNode};
use crate::task::{Decode, Head, TypedHead};
use crate::watermark::WatermarkStrategy;
use millstream_core::key_group::stable_hash;
use millstream_core::{Batch, Container, DEFAULT_MAX_PARALLELISM, Data, Either, Error, Result};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node of a [`JobGraph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

/// Whether an operator may be fused with its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Chaining {
    /// With both sides, where the edges allow.
    #[default]
    Always,
    /// Begins a chain (Flink's `startNewChain`).
    Head,
    /// With nobody (Flink's `disableChaining`).
    Never,
}

/// What the user says of an operator.
#[derive(Clone, Debug, Default)]
pub struct NodeSpec {
    /// For people: plans, metrics, errors.
    pub name: String,
    /// Stable identity of its state; derived from the graph's structure when not given.
    pub uid: Option<String>,
    /// Number of subtasks; the job's default when not given.
    pub parallelism: Option<usize>,
    /// Upper bound of the parallelism (1 for operators that cannot be parallel).
    pub parallelism_limit: Option<usize>,
    /// Fusing.
    pub chaining: Chaining,
    /// What the operator keeps, in words, when its states do not describe themselves: it is
    /// stored with the state, and a start from state with other words is refused.
    pub state_schema: Option<String>,
}

type Erased = Box<dyn Any>;
type MakeSender = Arc<dyn Fn(EdgeSender) -> Erased + Send + Sync>;
type MakeSide = Arc<dyn Fn(Vec<Erased>) -> Result<Box<dyn SideOutput>> + Send + Sync>;
type RecoverSink = Arc<dyn Fn(&CommitterContext, &Restored) -> Result<()> + Send + Sync>;
type Build = Arc<dyn Fn(OperatorContext, Outputs, &AlignmentBoard) -> Result<Built> + Send + Sync>;

/// Receivers behind a node, by output; each is a `Box<dyn Receiver<C>>` of the output's type.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) main: Vec<Erased>,
    pub(crate) sides: Vec<(&'static str, Box<dyn SideOutput>)>,
}

/// A subtask's operator with all that is chained behind it.
pub(crate) enum Built {
    Source(Box<dyn SourceHead>),
    Operator(Box<dyn BuiltOperator>),
}

pub(crate) trait BuiltOperator {
    fn into_receiver(self: Box<Self>) -> Erased;
    fn into_head(self: Box<Self>) -> Head;
}

impl<C: 'static> BuiltOperator for TypedHead<C> {
    fn into_receiver(self: Box<Self>) -> Erased {
        Box::new(self.receiver)
    }
    fn into_head(self: Box<Self>) -> Head {
        Head::Operator(self)
    }
}

/// One end of an edge: where an operator's input comes from, and how.
pub struct Input<C> {
    edge: JobEdge,
    decode: Decode<C>,
}

fn decode_left<A: Data, B: Data>(body: Body) -> Result<Either<Batch<A>, Batch<B>>> {
    body.open().map(Either::Left)
}
fn decode_right<A: Data, B: Data>(body: Body) -> Result<Either<Batch<A>, Batch<B>>> {
    body.open().map(Either::Right)
}

fn left_container<A: Container, B>(body: Body) -> Result<Either<A, B>> {
    body.open().map(Either::Left)
}
fn right_container<A, B: Container>(body: Body) -> Result<Either<A, B>> {
    body.open().map(Either::Right)
}
fn container_edge<C: Container>(from: NodeId, partitioner: ContainerPartitioner<C>) -> JobEdge {
    let (name, connection) = (partitioner.name(), partitioner.connection());
    // Operators over columns keep one event time for all keys: see decision 0008.
    let in_flight = InFlight::Processed;
    let make_sender: MakeSender = Arc::new(move |edge| {
        let receiver: Box<dyn Receiver<C>> = Box::new(ContainerSender::new(&partitioner, edge));
        Box::new(receiver)
    });
    JobEdge { from: from.0, tag: None, name, connection, in_flight, make_sender }
}

impl<C: Container> Input<C> {
    /// The input of a one-input operator over whole containers (columnar batches).
    pub fn container(from: NodeId, partitioner: ContainerPartitioner<C>) -> Self {
        Input { edge: container_edge(from, partitioner), decode: Body::open }
    }
}

impl<A: Container, B: Container> Input<Either<A, B>> {
    /// The first input of a two-input operator over whole containers.
    pub fn left_container(from: NodeId, partitioner: ContainerPartitioner<A>) -> Self {
        Input { edge: container_edge(from, partitioner), decode: left_container }
    }
    /// The second input of a two-input operator over whole containers.
    pub fn right_container(from: NodeId, partitioner: ContainerPartitioner<B>) -> Self {
        Input { edge: container_edge(from, partitioner), decode: right_container }
    }
}

fn edge<T: Data>(from: NodeId, tag: Option<&'static str>, partitioner: Partitioner<T>) -> JobEdge {
    let (name, connection) = (partitioner.name, partitioner.connection);
    let in_flight = partitioner.in_flight();
    let make_sender: MakeSender = Arc::new(move |edge| {
        let receiver: Box<dyn Receiver<Batch<T>>> =
            Box::new(ExchangeSender::new(&partitioner, edge));
        Box::new(receiver)
    });
    JobEdge { from: from.0, tag, name, connection, in_flight, make_sender }
}

impl<T: Data> Input<Batch<T>> {
    /// The input of a one-input operator. `tag`: from a side output of `from`.
    pub fn new(from: NodeId, tag: Option<&'static str>, partitioner: Partitioner<T>) -> Self {
        Input { edge: edge(from, tag, partitioner), decode: Body::open }
    }
}

impl<A: Data, B: Data> Input<Either<Batch<A>, Batch<B>>> {
    /// The first input of a two-input operator.
    pub fn left(from: NodeId, tag: Option<&'static str>, partitioner: Partitioner<A>) -> Self {
        Input { edge: edge(from, tag, partitioner), decode: decode_left }
    }
    /// The second input of a two-input operator.
    pub fn right(from: NodeId, tag: Option<&'static str>, partitioner: Partitioner<B>) -> Self {
        Input { edge: edge(from, tag, partitioner), decode: decode_right }
    }
}

impl<C> Input<C> {
    /// The node that it comes from.
    pub fn node(&self) -> NodeId {
        NodeId(self.edge.from)
    }
}

/// An edge of the graph.
#[derive(Clone)]
pub(crate) struct JobEdge {
    pub(crate) from: usize,
    pub(crate) tag: Option<&'static str>,
    pub(crate) name: &'static str,
    pub(crate) connection: Connection,
    pub(crate) in_flight: InFlight,
    pub(crate) make_sender: MakeSender,
}

/// An operator of the graph.
pub(crate) struct JobNode {
    pub(crate) spec: NodeSpec,
    pub(crate) inputs: Vec<JobEdge>,
    pub(crate) sides: Vec<(&'static str, MakeSide)>,
    pub(crate) build: Build,
    /// Whether the inputs are of two types: such an operator is always a head.
    pub(crate) two_inputs: bool,
    /// Checks that need no I/O.
    pub(crate) validate: Option<Arc<dyn Fn() -> Result<()> + Send + Sync>>,
    /// The group of sources that a source waits for.
    alignment_group: Option<String>,
    /// Commits what the restored state of a sink lists.
    recover: Option<RecoverSink>,
    /// What no other sink may have too.
    exclusive: Option<String>,
}

/// Operators and edges of a job. See the module.
#[derive(Default)]
pub struct JobGraph {
    pub(crate) nodes: Vec<JobNode>,
    /// Parallelism of operators that do not set their own; the number of workers when `None`.
    pub parallelism: Option<usize>,
    /// Number of key groups, fixed for the life of the job's state.
    pub max_parallelism: Option<usize>,
    /// Fuse no operators at all.
    pub chaining_disabled: bool,
}

fn downcast<C: 'static>(receivers: Vec<Erased>) -> Result<Vec<Box<dyn Receiver<C>>>> {
    let typed = |any: Erased| any.downcast::<Box<dyn Receiver<C>>>().map(|r| *r);
    let wrong = |_| Error::bug("an operator's output and its consumer disagree on the type");
    receivers.into_iter().map(|any| typed(any).map_err(wrong)).collect()
}

impl JobGraph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    fn push(&mut self, node: JobNode) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Adds a source.
    pub fn add_source<T: Data>(
        &mut self,
        spec: NodeSpec,
        source: Arc<dyn Source<Out = T>>,
        strategy: WatermarkStrategy<T>,
    ) -> NodeId {
        let checked = Arc::clone(&source);
        let alignment_group = strategy.alignment().map(|a| a.group.clone());
        let build: Build = Arc::new(move |context, outputs, board| {
            let mut out = Output::new(downcast::<Batch<T>>(outputs.main)?);
            outputs.sides.into_iter().for_each(|(tag, side)| out.add_side(tag, side));
            let reader = source.create_reader(&context);
            let reader = reader.map_err(|e| e.at(context.subtask.to_string()))?;
            let strategy = strategy.clone();
            let node = SourceNode::new(reader, strategy, out, context, board.clone());
            Ok(Built::Source(Box::new(node)))
        });
        self.push(JobNode {
            spec,
            inputs: vec![],
            sides: vec![],
            build,
            two_inputs: false,
            validate: Some(Arc::new(move || checked.validate())),
            alignment_group,
            recover: None,
            exclusive: None,
        })
    }

    /// Adds an operator; `make` is called once for each subtask.
    pub fn add_operator<O: Operator>(
        &mut self,
        spec: NodeSpec,
        inputs: Vec<Input<O::In>>,
        make: impl Fn(&OperatorContext) -> Result<O> + Send + Sync + 'static,
    ) -> NodeId
    where
        O::In: 'static,
    {
        let ports: Vec<Decode<O::In>> = inputs.iter().map(|i| i.decode).collect();
        let build: Build = Arc::new(move |context, outputs, _| {
            let mut out = Output::new(downcast::<O::Out>(outputs.main)?);
            outputs.sides.into_iter().for_each(|(tag, side)| out.add_side(tag, side));
            let operator = make(&context).map_err(|e| e.at(context.subtask.to_string()))?;
            let receiver: Box<dyn Receiver<O::In>> = Box::new(Node::new(operator, out, context));
            Ok(Built::Operator(Box::new(TypedHead { receiver, ports: ports.clone() })))
        });
        let one: Decode<O::In> = inputs[0].decode;
        let two_inputs = inputs.iter().any(|i| !std::ptr::fn_addr_eq(i.decode, one));
        let inputs = inputs.into_iter().map(|i| i.edge).collect();
        self.push(JobNode {
            spec,
            inputs,
            sides: vec![],
            build,
            two_inputs,
            validate: None,
            alignment_group: None,
            recover: None,
            exclusive: None,
        })
    }

    /// Adds a sink, with its checks and with the recovery of its commits.
    pub fn add_sink<T: Data>(
        &mut self,
        spec: NodeSpec,
        inputs: Vec<Input<Batch<T>>>,
        sink: Arc<dyn Sink<T>>,
    ) -> NodeId {
        let (checked, recovered) = (Arc::clone(&sink), Arc::clone(&sink));
        let exclusive = sink.exclusive();
        let make = move |_: &OperatorContext| Ok(SinkOperator::new(Arc::clone(&sink)));
        let node = self.add_operator(spec, inputs, make);
        self.nodes[node.0].validate = Some(Arc::new(move || checked.validate()));
        self.nodes[node.0].exclusive = exclusive;
        self.nodes[node.0].recover =
            Some(Arc::new(move |context, state| sink::recover(&*recovered, context, state)));
        node
    }

    /// Declares that side output `tag` of `node` has a consumer.
    pub fn add_side<T: Data>(&mut self, node: NodeId, tag: &OutputTag<T>) {
        let sides = &mut self.nodes[node.0].sides;
        if sides.iter().all(|(id, _)| *id != tag.id()) {
            let make: MakeSide =
                Arc::new(|receivers| Ok(Box::new(Output::new(downcast::<Batch<T>>(receivers)?))));
            sides.push((tag.id(), make));
        }
    }

    /// Sets a check that needs no I/O and runs before the job does.
    pub fn set_validation(
        &mut self,
        node: NodeId,
        check: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) {
        self.nodes[node.0].validate = Some(Arc::new(check));
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    /// Takes back what was added last, down to the first `len` nodes.
    pub fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// What the user says of `node`.
    pub fn spec_mut(&mut self, node: NodeId) -> &mut NodeSpec {
        &mut self.nodes[node.0].spec
    }

    /// The parallelism of `node` when the job has `workers` workers.
    pub fn parallelism_of(&self, node: NodeId, workers: usize) -> usize {
        let spec = &self.nodes[node.0].spec;
        let wanted = spec.parallelism.or(self.parallelism).unwrap_or(workers);
        wanted.min(spec.parallelism_limit.unwrap_or(usize::MAX))
    }

    /// The largest parallelism that any operator asks for, if one does.
    pub fn largest_parallelism(&self) -> Option<usize> {
        let own = self.nodes.iter().filter_map(|n| n.spec.parallelism);
        own.chain(self.parallelism).max()
    }
}

/// Tasks and edges as every worker runs them.
pub(crate) struct Plan {
    pub(crate) nodes: Vec<PlanNode>,
    pub(crate) tasks: Vec<PlanTask>,
    pub(crate) edges: Vec<PlanEdge>,
    pub(crate) max_parallelism: usize,
}

pub(crate) struct PlanNode {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) parallelism: usize,
    pub(crate) state_schema: Option<Arc<str>>,
    pub(crate) alignment_group: Option<String>,
    recover: Option<RecoverSink>,
    build: Build,
    sides: Vec<(&'static str, MakeSide)>,
    outputs: Vec<PlanOutput>,
}

/// Where one output of a node goes.
struct PlanOutput {
    tag: Option<&'static str>,
    to: Consumer,
}

enum Consumer {
    Chained(usize),
    Edge(usize),
}

pub(crate) struct PlanTask {
    /// Names of the chain, for plans and threads of thought: `source -> map`.
    pub(crate) name: String,
    pub(crate) head: usize,
    pub(crate) parallelism: usize,
    /// Indices into `Plan::edges`, in order of the head's ports.
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
}

pub(crate) struct PlanEdge {
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) connection: Connection,
    pub(crate) name: &'static str,
    pub(crate) in_flight: InFlight,
    pub(crate) from_node: usize,
    make_sender: MakeSender,
    to_node: usize,
}

/// Two sinks that keep their commits in one place would take each other's for their own.
fn check_exclusive(graph: &JobGraph) -> Result<()> {
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    for node in &graph.nodes {
        let Some(exclusive) = &node.exclusive else { continue };
        if let Some(other) = holders.insert(exclusive, &node.spec.name) {
            let what = format!("sinks '{other}' and '{}' both have {exclusive}", node.spec.name);
            return Err(Error::config(what).advice("give each sink one of its own"));
        }
    }
    Ok(())
}

impl Plan {
    /// Checks the graph and decides what is fused, for `workers` workers.
    pub(crate) fn of(graph: &JobGraph, workers: usize) -> Result<Plan> {
        let max_parallelism = graph.max_parallelism.unwrap_or(DEFAULT_MAX_PARALLELISM);
        if !(1..=32768).contains(&max_parallelism) {
            return Err(Error::config(format!(
                "max parallelism {max_parallelism} is out of range"
            ))
            .advice("use 1 to 32768"));
        }
        if graph.nodes.is_empty() {
            return Err(Error::config("the job has no operators")
                .advice("add a source and a sink before execute"));
        }
        let parallelism: Vec<usize> =
            (0..graph.nodes.len()).map(|i| graph.parallelism_of(NodeId(i), workers)).collect();
        for (node, p) in graph.nodes.iter().zip(&parallelism) {
            let place = |e: Error| e.at(format!("operator '{}'", node.spec.name));
            if *p == 0 || *p > max_parallelism {
                let what = format!("parallelism {p} is not in 1..={max_parallelism}");
                let advice = "set_parallelism below the job's max parallelism (key groups), or \
                              raise set_max_parallelism";
                return Err(place(Error::config(what).advice(advice)));
            }
            if *p > workers {
                let what = format!("parallelism {p} needs {p} workers, the job has {workers}");
                let advice = "start more with --workers (per process) or --processes, or lower \
                              the parallelism";
                return Err(place(Error::config(what).advice(advice)));
            }
            if let Some(check) = &node.validate {
                check().map_err(place)?;
            }
        }
        check_exclusive(graph)?;
        let uids = uids(graph)?;
        let connection = |to: usize, edge: &JobEdge| match edge.connection {
            // Forward needs equal parallelism; otherwise Flink's default applies.
            Connection::Forward if parallelism[edge.from] != parallelism[to] => Connection::All,
            connection => connection,
        };
        let chained = |to: usize| {
            let node = &graph.nodes[to];
            let [edge] = node.inputs.as_slice() else { return false };
            let upstream = &graph.nodes[edge.from];
            !graph.chaining_disabled
                && !node.two_inputs
                && connection(to, edge) == Connection::Forward
                && node.spec.chaining == Chaining::Always
                && upstream.spec.chaining != Chaining::Never
        };
        let mut plan = Plan { nodes: vec![], tasks: vec![], edges: vec![], max_parallelism };
        let mut task_of: Vec<usize> = Vec::with_capacity(graph.nodes.len());
        for (i, node) in graph.nodes.iter().enumerate() {
            plan.nodes.push(PlanNode {
                name: node.spec.name.clone(),
                uid: uids[i].clone(),
                parallelism: parallelism[i],
                state_schema: node.spec.state_schema.as_deref().map(Arc::from),
                alignment_group: node.alignment_group.clone(),
                recover: node.recover.clone(),
                build: Arc::clone(&node.build),
                sides: node.sides.clone(),
                outputs: vec![],
            });
            if chained(i) {
                let edge = &node.inputs[0];
                let task = task_of[edge.from];
                task_of.push(task);
                let name = format!("{} -> {}", plan.tasks[task].name, node.spec.name);
                plan.tasks[task].name = name;
                let to = Consumer::Chained(i);
                plan.nodes[edge.from].outputs.push(PlanOutput { tag: edge.tag, to });
                continue;
            }
            let task = plan.tasks.len();
            task_of.push(task);
            let mut inputs = vec![];
            for edge in &node.inputs {
                let index = plan.edges.len();
                let from_task = task_of[edge.from];
                let forward_to_other = edge.connection == Connection::Forward
                    && connection(i, edge) == Connection::All;
                plan.edges.push(PlanEdge {
                    senders: parallelism[edge.from],
                    receivers: parallelism[i],
                    connection: connection(i, edge),
                    name: if forward_to_other { "REBALANCE" } else { edge.name },
                    in_flight: edge.in_flight.clone(),
                    from_node: edge.from,
                    make_sender: Arc::clone(&edge.make_sender),
                    to_node: i,
                });
                plan.tasks[from_task].outputs.push(index);
                let to = Consumer::Edge(index);
                plan.nodes[edge.from].outputs.push(PlanOutput { tag: edge.tag, to });
                inputs.push(index);
            }
            plan.tasks.push(PlanTask {
                name: node.spec.name.clone(),
                head: i,
                parallelism: parallelism[i],
                inputs,
                outputs: vec![],
            });
        }
        Ok(plan)
    }

    /// Commits what the restored state lists, sink by sink. Once an attempt, on one process.
    pub(crate) fn recover_sinks(&self, config: &RuntimeConfig) -> Result<()> {
        let job = Arc::new(config.job_info());
        for node in &self.nodes {
            let Some(recover) = &node.recover else { continue };
            let (name, uid) = (node.name.clone(), node.uid.clone());
            let context = CommitterContext { job: Arc::clone(&job), name, uid, subtask: None };
            recover(&context, &config.restored.operator(&node.uid))?;
        }
        Ok(())
    }

    /// Opens one subtask of every operator between sources and sinks alone, with the state
    /// that `context` gives it, and closes it: whether it takes that state.
    pub(crate) fn try_open(&self, context: &dyn Fn(&PlanNode) -> OperatorContext) -> Result<()> {
        let sources = |i: usize| self.tasks.iter().any(|t| t.head == i && t.inputs.is_empty());
        for (i, node) in self.nodes.iter().enumerate() {
            if sources(i) || node.recover.is_some() {
                continue;
            }
            let board = AlignmentBoard::default();
            let built = (node.build)(context(node), Outputs::default(), &board)?;
            if let Built::Operator(operator) = built
                && let Head::Operator(mut head) = operator.into_head()
            {
                let opened = head.chain().open();
                opened.and(head.chain().close())?;
            }
        }
        Ok(())
    }

    /// Makes the chain of one subtask, the end of it first.
    pub(crate) fn build(
        &self,
        node: usize,
        context: &dyn Fn(&PlanNode) -> OperatorContext,
        sender: &dyn Fn(usize) -> EdgeSender,
        board: &AlignmentBoard,
    ) -> Result<Built> {
        let plan = &self.nodes[node];
        let mut outputs = Outputs::default();
        let mut sides: Vec<(&'static str, Vec<Erased>)> =
            plan.sides.iter().map(|(tag, _)| (*tag, vec![])).collect();
        for output in &plan.outputs {
            let receiver = match output.to {
                Consumer::Edge(edge) => (self.edges[edge].make_sender)(sender(edge)),
                Consumer::Chained(next) => match self.build(next, context, sender, board)? {
                    Built::Operator(operator) => operator.into_receiver(),
                    Built::Source(_) => return Err(Error::bug("a source behind an operator")),
                },
            };
            match output.tag {
                None => outputs.main.push(receiver),
                Some(tag) => {
                    let side = sides.iter_mut().find(|(id, _)| *id == tag);
                    side.ok_or_else(|| Error::bug("an undeclared side output"))?.1.push(receiver);
                }
            }
        }
        for ((tag, make), (_, receivers)) in plan.sides.iter().zip(sides) {
            outputs.sides.push((tag, make(receivers)?));
        }
        (plan.build)(context(plan), outputs, board)
    }

    /// The plan as text: one line a task, with the edges that leave it.
    pub(crate) fn explain(&self) -> String {
        let mut text = String::new();
        for (i, task) in self.tasks.iter().enumerate() {
            text += &format!("task {i}: {} (parallelism {})\n", task.name, task.parallelism);
            for edge in task.outputs.iter().map(|e| &self.edges[*e]) {
                let to = self.tasks.iter().position(|t| t.head == edge.to_node).unwrap_or(0);
                text += &format!("  -- {} --> task {to}\n", edge.name);
            }
        }
        text
    }
}

/// The uid of every node: the user's, or a hash of what the operator is and of what
/// comes before it. No running index: adding an operator elsewhere changes nothing here.
fn uids(graph: &JobGraph) -> Result<Vec<String>> {
    let mut uids: Vec<String> = Vec::with_capacity(graph.nodes.len());
    let mut taken = BTreeSet::new();
    for node in &graph.nodes {
        if let Some(uid) = &node.spec.uid {
            if !taken.insert(uid.clone()) {
                return Err(Error::config(format!("two operators have uid '{uid}'"))
                    .at(format!("operator '{}'", node.spec.name))
                    .advice("give each operator its own uid: state is stored under it"));
            }
            uids.push(uid.clone());
            continue;
        }
        let upstream: Vec<(&str, &str)> =
            node.inputs.iter().map(|e| (uids[e.from].as_str(), e.tag.unwrap_or(""))).collect();
        let twin =
            |n: u32| format!("{:016x}", stable_hash(&(node.spec.name.as_str(), &upstream, n)));
        let uid = (0u32..).map(twin).find(|uid| taken.insert(uid.clone())).unwrap_or_default();
        uids.push(uid);
    }
    Ok(uids)
}
