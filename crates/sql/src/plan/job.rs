//! From the streaming plan to the runtime's job graph.
//!
//! Each [`Node`] becomes one operator (a source becomes two: reader and unpacking); each
//! distribution becomes an edge. Operators of one parallelism joined by forward edges are
//! fused by the runtime.

use super::adapters::{
    Collect, NotNull, Pack, ResultQueue, SinkAdapter, SourceAdapter, Union, Unpack, ValuesSource,
};
use super::calc::Calc;
use super::gate::SourceGate;
use super::stream::{Distribution, Node, Op};
use super::translate::arrow_schema;
use super::uid::{Identity, identities};
use crate::connectors::TableSource;
use crate::expr::{EvalContext, Expr, fold};
use crate::runtime::ChangeBatch;
use crate::runtime::agg::user::UserFunctions;
use crate::runtime::partition::KeyPartition;
use crate::runtime::spec::WindowAssigner;
use crate::settings::Settings;
use crate::zone::Zone;
use millstream_core::key_group::stable_hash;
use millstream_core::{Either, Error, Result};
use millstream_runtime::checkpoint::{Fate, RestoreReport};
use millstream_runtime::{
    ContainerPartition, ContainerPartitioner, Input, JobGraph, NodeId, NodeSpec, Operator,
    OperatorContext, WatermarkStrategy,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl ContainerPartition<ChangeBatch> for KeyPartition {
    fn split(&mut self, batch: ChangeBatch) -> Result<Vec<Option<ChangeBatch>>> {
        KeyPartition::split(self, batch)
    }
}

/// Operators over one input, whatever they are.
type OneInput = Box<dyn Operator<In = ChangeBatch, Out = ChangeBatch>>;
/// Operators over two inputs.
type TwoInputs = Box<dyn Operator<In = Either<ChangeBatch, ChangeBatch>, Out = ChangeBatch>>;

/// A job that can be started.
pub(crate) struct BuiltJob {
    pub(crate) graph: JobGraph,
    /// How many it asks for.
    pub(crate) workers: usize,
    /// Equal for jobs of the same sources, stateful operators and sinks.
    pub(crate) identity: u64,
    /// Uids of operators that keep something: sources and sinks, too.
    stateful: BTreeSet<String>,
}

impl BuiltJob {
    /// What becomes of the state of each operator that keeps something, in words.
    pub(crate) fn fates(&self, report: &RestoreReport) -> Vec<String> {
        let operators = report.operators.iter();
        let told = operators.filter(|op| op.fate != Fate::New || self.stateful.contains(&op.uid));
        told.map(|op| {
            let fate = match op.fate {
                Fate::Kept => "keeps its state",
                Fate::New => "is new and starts empty",
                Fate::Dropped => "is gone, and its state is dropped",
            };
            format!("restore: {} ({}) {fate}", op.name, op.uid)
        })
        .collect()
    }
}

/// Makes the job graph of one or several plans.
pub(crate) struct JobBuilder {
    graph: JobGraph,
    parallelism: usize,
    zone: Zone,
    functions: UserFunctions,
    drops_null: bool,
    gate: Option<Arc<SourceGate>>,
    stateful: BTreeSet<String>,
    /// What is there for [`Op::Shared`], by name.
    shared: BTreeMap<String, (NodeId, usize)>,
    /// Whether the graph has operators that are not of SQL: streams that are tables.
    has_streams: bool,
}

impl JobBuilder {
    /// An empty graph with a session's settings and functions.
    ///
    /// # Errors
    /// `Config`, when a setting is wrong.
    pub(crate) fn new(
        settings: &Settings,
        functions: UserFunctions,
        gate: Option<Arc<SourceGate>>,
    ) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let parallelism = settings.parallelism()?.unwrap_or(cores);
        let mut graph = JobGraph::new();
        graph.parallelism = Some(parallelism);
        graph.max_parallelism = Some(settings.max_parallelism()?);
        let (zone, drops_null) = (settings.zone()?, settings.drops_null());
        let builder = JobBuilder::onto(graph, parallelism, zone, functions, drops_null);
        Ok(JobBuilder { gate, has_streams: false, ..builder })
    }

    /// Adds to a graph that has streams in it.
    pub(crate) fn onto(
        graph: JobGraph,
        parallelism: usize,
        zone: Zone,
        functions: UserFunctions,
        drops_null: bool,
    ) -> Self {
        JobBuilder {
            graph,
            parallelism,
            zone,
            functions,
            drops_null,
            gate: None,
            stateful: BTreeSet::new(),
            shared: BTreeMap::new(),
            has_streams: true,
        }
    }

    /// The graph with what was added.
    pub(crate) fn into_graph(self) -> JobGraph {
        self.graph
    }

    /// The job.
    pub(crate) fn finish(self) -> BuiltJob {
        let uids: Vec<&String> = self.stateful.iter().collect();
        BuiltJob {
            identity: stable_hash(&uids),
            graph: self.graph,
            workers: self.parallelism,
            stateful: self.stateful,
        }
    }

    /// Adds a plan whose rows go to `queue`, in one subtask.
    pub(crate) fn add_query(&mut self, plan: &Node, queue: &Arc<ResultQueue>) -> Result<()> {
        let identity = identities(&[plan], self.has_streams);
        let [identity] = identity.as_slice() else { return Err(Error::bug("a lost identity")) };
        let (from, _) = self.node(plan, identity)?;
        let spec = NodeSpec { parallelism: Some(1), ..named("Sink: result") };
        let queue = Arc::clone(queue);
        let inputs = vec![Input::container(from, ContainerPartitioner::global())];
        self.graph.add_operator(spec, inputs, move |_| Ok(Collect::new(Arc::clone(&queue))));
        Ok(())
    }

    /// Adds plans that end in sinks.
    pub(crate) fn add_inserts(&mut self, plans: &[Node]) -> Result<()> {
        let all: Vec<&Node> = plans.iter().collect();
        let identities = identities(&all, self.has_streams);
        plans.iter().zip(&identities).try_for_each(|(plan, identity)| self.insert(plan, identity))
    }

    fn insert(&mut self, plan: &Node, identity: &Identity) -> Result<()> {
        self.stateful.insert(identity.uid.clone());
        let Op::Sink(sink, _) = &plan.op else { return Err(Error::bug("an insert without sink")) };
        let [(input, distribution)] = plan.inputs.as_slice() else {
            return Err(Error::bug("a sink needs one input"));
        };
        let (from, parallelism) = self.node(input, identity.input(0)?)?;
        let (parallelism, distribution) = match sink.is_single() {
            true => (1, &Distribution::Single),
            false => (parallelism, distribution),
        };
        let spec = NodeSpec { parallelism: Some(parallelism), ..known(&plan.name(), identity) };
        let sink = Arc::clone(sink);
        let mut inputs = vec![Input::container(from, partitioner(distribution))];
        if sink.add_to(&mut self.graph, spec.clone(), &mut inputs).is_some() {
            return Ok(());
        }
        let pack = NodeSpec { parallelism: Some(parallelism), ..named("Pack") };
        let from = self.graph.add_operator(pack, inputs, |_| Ok(Pack));
        let inputs = vec![Input::new(from, None, millstream_runtime::Partitioner::forward())];
        self.graph.add_sink(spec, inputs, Arc::new(SinkAdapter(sink)));
        Ok(())
    }

    fn source(
        &mut self,
        source: Arc<dyn TableSource>,
        name: &str,
        identity: &Identity,
    ) -> Result<(NodeId, usize)> {
        if source.is_stream() && !self.has_streams {
            return Err(Error::config(format!("{name} reads a stream of another job")).advice(
                "make the table a stream with to_data_stream, or add the INSERT to a statement \
                 set: create_statement_set().add_insert_sql(...).attach_as_data_stream()",
            ));
        }
        let limit = source.parallelism_limit().unwrap_or(usize::MAX);
        let parallelism = self.parallelism.min(limit).max(1);
        let own = || NodeSpec { parallelism: Some(parallelism), ..known(name, identity) };
        if let Some(node) = source.add_to(&mut self.graph, own()) {
            return Ok((node, self.graph.parallelism_of(node, parallelism)));
        }
        let strategy = WatermarkStrategy::no_watermarks();
        let gate = self.gate.as_ref().map(|gate| (Arc::clone(gate), gate.expect(parallelism)));
        let adapter = Arc::new(SourceAdapter { source, gate });
        let from = self.graph.add_source(own(), adapter, strategy);
        let unpack = NodeSpec { parallelism: Some(parallelism), ..named("Unpack") };
        let inputs = vec![Input::new(from, None, millstream_runtime::Partitioner::forward())];
        Ok((self.graph.add_operator(unpack, inputs, |_| Ok(Unpack)), parallelism))
    }

    fn node(&mut self, node: &Node, identity: &Identity) -> Result<(NodeId, usize)> {
        let name = node.name();
        if identity.schema.is_some() || node.inputs.is_empty() {
            self.stateful.insert(identity.uid.clone());
        }
        match &node.op {
            Op::Source(source, _) => {
                return self.source(Arc::clone(source), &name, identity);
            }
            Op::Values(rows) => {
                let source = ValuesSource {
                    rows: rows.clone(),
                    schema: arrow_schema(&node.schema),
                    zone: self.zone,
                };
                return self.source(Arc::new(source), &name, identity);
            }
            Op::Shared(known_as) => {
                if let Some(built) = self.shared.get(known_as) {
                    return Ok(*built);
                }
                let [(input, _)] = node.inputs.as_slice() else {
                    return Err(Error::bug("a shared operator has one input"));
                };
                let built = self.node(input, identity.input(0)?)?;
                self.shared.insert(known_as.clone(), built);
                return Ok(built);
            }
            _ => {}
        }
        let mut inputs = vec![];
        let mut parallelism = 0;
        for (i, (input, distribution)) in node.inputs.iter().enumerate() {
            let (from, of_input) = self.node(input, identity.input(i)?)?;
            let own = match distribution {
                Distribution::Forward => of_input,
                Distribution::Hash(_) => self.parallelism,
                Distribution::Single => 1,
            };
            parallelism = parallelism.max(own);
            inputs.push((from, distribution));
        }
        // Everything in one subtask for one side of a join: for both.
        if node.inputs.iter().any(|(_, d)| *d == Distribution::Single) {
            parallelism = 1;
        }
        let spec = NodeSpec { parallelism: Some(parallelism), ..known(&name, identity) };
        let id = if let Some(make) = self.two_inputs(node)? {
            let [(left, by_left), (right, by_right)] = inputs.as_slice() else {
                return Err(Error::bug(format!("{name} needs two inputs")));
            };
            let inputs = vec![
                Input::left_container(*left, partitioner(by_left)),
                Input::right_container(*right, partitioner(by_right)),
            ];
            self.graph.add_operator(spec, inputs, make)
        } else {
            let make = self.one_input(node)?;
            let inputs =
                inputs.into_iter().map(|(n, d)| Input::container(n, partitioner(d))).collect();
            self.graph.add_operator(spec, inputs, make)
        };
        Ok((id, parallelism))
    }

    #[allow(clippy::type_complexity)]
    fn one_input(
        &self,
        node: &Node,
    ) -> Result<Box<dyn Fn(&OperatorContext) -> Result<OneInput> + Send + Sync>> {
        use crate::runtime as rt;
        let functions = self.functions.clone();
        let input_schema = node.inputs.first().map(|(n, _)| arrow_schema(&n.schema));
        let schema = arrow_schema(&node.schema);
        macro_rules! operator {
            ($make:expr) => {
                Ok(Box::new(move |_: &OperatorContext| Ok(Box::new($make) as OneInput)))
            };
        }
        match node.op.clone() {
            Op::Calc { condition, exprs } => {
                let zone = self.zone;
                let context = EvalContext::new(zone, 0, 0);
                let condition = condition.map(|c| fold(c, &context)).transpose()?;
                let exprs: Vec<Expr> =
                    exprs.into_iter().map(|e| fold(e, &context)).collect::<Result<_>>()?;
                operator!(Calc::new(condition.clone(), exprs.clone(), Arc::clone(&schema), zone))
            }
            Op::Union => operator!(Union),
            Op::NotNull(columns) => {
                let name = |i: &usize| (*i, node.schema[*i].name.clone());
                let columns: Vec<(usize, String)> = columns.iter().map(name).collect();
                let drop = self.drops_null;
                operator!(NotNull { columns: columns.clone(), drop })
            }
            Op::GroupAggregate(spec) => {
                operator!(rt::group_aggregate::GroupAggregate::new(spec.clone(), &functions)?)
            }
            Op::MiniBatch(spec) => operator!(rt::mini_batch::MiniBatch::new(spec)),
            Op::WindowAggregate(spec) if matches!(spec.window, WindowAssigner::Session { .. }) => {
                operator!(rt::session::SessionAggregate::new(spec.clone(), &functions)?)
            }
            Op::WindowAggregate(spec) => {
                operator!(rt::window_aggregate::WindowAggregate::new(spec.clone(), &functions)?)
            }
            Op::WindowTable(spec) if matches!(spec.window, WindowAssigner::Session { .. }) => {
                let input = input_schema.ok_or_else(|| Error::bug("a window without input"))?;
                operator!(rt::window_table::SessionTable::new(spec.clone(), &input)?)
            }
            Op::WindowTable(spec) => {
                operator!(rt::window_table::WindowTable::new(spec.clone())?)
            }
            Op::Watermark(spec) => {
                operator!(rt::watermark::WatermarkAssigner::new(spec.clone()))
            }
            Op::TopN(spec) => operator!(rt::top_n::TopN::new(spec.clone())?),
            Op::Deduplicate(spec) => {
                operator!(rt::deduplicate::Deduplicate::new(spec.clone())?)
            }
            Op::WindowRank(spec) => operator!(rt::window_rank::WindowRank::new(spec.clone())?),
            Op::Over(spec) => operator!(rt::over::Over::new(spec.clone(), &functions)?),
            Op::UpdatingOver(spec) => {
                operator!(rt::updating_over::UpdatingOver::new(spec.clone(), &functions)?)
            }
            Op::DropUpdateBefore => operator!(rt::drop_update_before::DropUpdateBefore),
            Op::Normalize(spec) => {
                operator!(rt::changelog_normalize::ChangelogNormalize::new(spec.clone())?)
            }
            Op::Sort(spec) => operator!(rt::sort::Sort::new(spec.clone())?),
            Op::Expand(spec) => operator!(rt::expand::Expand::new(spec.clone())),
            Op::LookupJoin(spec, table, _) => {
                let table = Arc::clone(&table);
                operator!(rt::join::lookup::LookupJoin::new(spec.clone(), Arc::clone(&table))?)
            }
            Op::Correlate(spec) => {
                operator!(rt::correlate::Correlate::new(spec.clone(), &functions)?)
            }
            _ => Err(Error::bug(format!("no operator for {}", node.name()))),
        }
    }

    #[allow(clippy::type_complexity)]
    fn two_inputs(
        &self,
        node: &Node,
    ) -> Result<Option<Box<dyn Fn(&OperatorContext) -> Result<TwoInputs> + Send + Sync>>> {
        use crate::runtime::join as rt;
        macro_rules! operator {
            ($make:expr) => {
                Ok(Some(Box::new(move |_: &OperatorContext| Ok(Box::new($make) as TwoInputs))))
            };
        }
        match node.op.clone() {
            Op::Join(spec) => operator!(rt::regular::Join::new(spec.clone())?),
            Op::WindowJoin(spec) => operator!(rt::window::WindowJoin::new(spec.clone())?),
            Op::IntervalJoin(spec) => operator!(rt::interval::IntervalJoin::new(spec.clone())?),
            Op::TemporalJoin(spec) => operator!(rt::temporal::TemporalJoin::new(spec.clone())?),
            Op::SetOperation(spec) => {
                operator!(crate::runtime::set_operation::SetOperator::new(spec.clone())?)
            }
            _ => Ok(None),
        }
    }
}

fn named(name: &str) -> NodeSpec {
    NodeSpec { name: name.to_owned(), ..NodeSpec::default() }
}

/// An operator that finds its state again.
fn known(name: &str, identity: &Identity) -> NodeSpec {
    NodeSpec {
        uid: Some(identity.uid.clone()),
        state_schema: identity.schema.clone(),
        ..named(name)
    }
}

fn partitioner(distribution: &Distribution) -> ContainerPartitioner<ChangeBatch> {
    match distribution {
        Distribution::Forward => ContainerPartitioner::forward(),
        Distribution::Single => ContainerPartitioner::global(),
        Distribution::Hash(keys) => {
            let keys = keys.clone();
            ContainerPartitioner::new("HASH", move |c| {
                KeyPartition::new(keys.clone(), c.max_parallelism, c.targets)
            })
        }
    }
}
