//! Which state belongs to which operator: uids and state schemas from the plan's structure.
//!
//! ```text
//!   uid = kind + hash(sink, kind, meaning, tables below); without the sink for a source
//!   meaning: the spec with every column as what it was computed from
//!            GROUP BY d, SUM(p)   over   SELECT dept AS d, price * 2 AS p FROM staff
//!            keys [staff.dept], SUM(staff.price * 2)
//! ```
//! So names, filters, projections and what comes behind an operator may change, and other
//! queries may come and go beside it: the operator finds its state again. What it keeps is
//! described by [`Identity::schema`], which a start from other state compares.
//!
//! A source belongs to all sinks of its job. An operator that several sinks share is known by
//! the first of them by name, so the order of a statement set does not matter.
//!
//! Operators that would get the same uid are told apart by everything below them and by which
//! input of which operator they feed; exact copies are numbered.
//!
//! Invariant: the identities of a plan are a function of the plan alone, and no two operators
//! of a job share a uid.

use super::logical::Schema;
use super::stream::{Node, Op};
use crate::runtime::spec::{
    AggCall, Correlation, JoinKeys, JoinKind, Predicate, RankEnd, SortColumn, TimeDomain,
    WindowAssigner,
};
use millstream_core::key_group::stable_hash;
use millstream_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Who an operator is, with those in front of it: the tree of the plan's nodes.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    /// What it keeps, in words; `None`: nothing, or positions of a source.
    pub(crate) schema: Option<String>,
    pub(crate) inputs: Vec<Identity>,
}

impl Identity {
    /// Of input `i` of the operator.
    ///
    /// # Errors
    /// Bug: the plan has fewer.
    pub(crate) fn input(&self, i: usize) -> Result<&Identity> {
        self.inputs.get(i).ok_or_else(|| Error::bug("an operator without an identity"))
    }
}

/// The identities of all operators of a job, plan by plan. `is_part`: the job has more plans
/// than these, so that sources are known by their sinks, too.
pub(crate) fn identities(plans: &[&Node], is_part: bool) -> Vec<Identity> {
    let draft = |(place, plan): (usize, &&Node)| {
        let sink = sink_of(plan);
        let mut draft = Draft::of(plan, &sink, if is_part { &sink } else { "" });
        draft.feed(0);
        (sink, place, draft)
    };
    let mut drafts: Vec<(String, usize, Draft)> = plans.iter().enumerate().map(draft).collect();
    drafts.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let (mut bases, mut details) = (BTreeMap::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    drafts.iter().for_each(|(_, _, draft)| draft.count(&mut bases, &mut seen));
    let mut made = BTreeMap::new();
    let finish = |(_, place, draft): (String, usize, Draft)| {
        (place, draft.finish(&bases, &mut details, &mut made))
    };
    let identities: BTreeMap<usize, Identity> = drafts.into_iter().map(finish).collect();
    identities.into_values().collect()
}

/// The table that a plan writes; a query whose rows are shown has none.
fn sink_of(plan: &Node) -> String {
    match &plan.op {
        Op::Sink(_, table) => table.clone(),
        _ => "result".into(),
    }
}

/// A node on its way to a uid.
struct Draft {
    kind: &'static str,
    /// The name of an operator that several readers share.
    shared: Option<String>,
    schema: Option<String>,
    /// What it is; equal for operators that do the same for the same sink.
    base: u64,
    /// Everything below and where it leads, to tell such operators apart.
    detail: u64,
    /// What each column was computed from.
    columns: Vec<u64>,
    tables: BTreeSet<String>,
    inputs: Vec<Draft>,
}

impl Draft {
    fn of(node: &Node, sink: &str, of_sources: &str) -> Self {
        let inputs: Vec<Draft> =
            node.inputs.iter().map(|(n, _)| Draft::of(n, sink, of_sources)).collect();
        let meaning = Meaning { node, inputs: &inputs };
        let (kind, text) = meaning.text();
        let mut tables: BTreeSet<String> = inputs.iter().flat_map(|d| d.tables.clone()).collect();
        if let Op::Source(_, table) | Op::LookupJoin(_, _, table) = &node.op {
            tables.insert(table.clone());
        }
        let sink = if matches!(node.op, Op::Source(..)) { of_sources } else { sink };
        let base = stable_hash(&(sink, kind, &text, &tables));
        let below: Vec<u64> = inputs.iter().map(|d| d.detail).collect();
        let shared = match &node.op {
            Op::Shared(name) => Some(name.clone()),
            _ => None,
        };
        Draft {
            kind,
            shared,
            schema: meaning.schema(),
            detail: stable_hash(&(base, node.name(), below)),
            columns: meaning.columns(&text),
            base,
            tables,
            inputs,
        }
    }

    /// `consumer`: the nearest operator behind that keeps something or joins inputs, and
    /// which input of it this feeds.
    fn feed(&mut self, consumer: u64) {
        self.detail = stable_hash(&(self.detail, consumer));
        // What is shared is the same for all its readers.
        let consumer = if self.shared.is_some() { 0 } else { consumer };
        let meets = self.schema.is_some() || self.inputs.len() > 1;
        let base = self.base;
        for (i, input) in self.inputs.iter_mut().enumerate() {
            input.feed(if meets { stable_hash(&(base, i)) } else { consumer });
        }
    }

    fn count<'a>(&'a self, bases: &mut BTreeMap<u64, usize>, seen: &mut BTreeSet<&'a str>) {
        if self.shared.as_deref().is_some_and(|name| !seen.insert(name)) {
            return;
        }
        *bases.entry(self.base).or_default() += 1;
        self.inputs.iter().for_each(|input| input.count(bases, seen));
    }

    fn finish(
        self,
        bases: &BTreeMap<u64, usize>,
        details: &mut BTreeMap<u64, usize>,
        made: &mut BTreeMap<String, Identity>,
    ) -> Identity {
        if let Some(identity) = self.shared.as_ref().and_then(|name| made.get(name)) {
            return identity.clone();
        }
        let hash = match bases.get(&self.base) {
            Some(1) => self.base,
            _ => {
                let copies = details.entry(self.detail).or_default();
                *copies += 1;
                stable_hash(&(self.detail, *copies))
            }
        };
        let inputs = self.inputs.into_iter().map(|d| d.finish(bases, details, made)).collect();
        let uid = format!("{}-{hash:016x}", self.kind);
        let identity = Identity { uid, schema: self.schema, inputs };
        if let Some(name) = self.shared {
            made.insert(name, identity.clone());
        }
        identity
    }
}

/// A node as seen by what its columns were computed from.
struct Meaning<'a> {
    node: &'a Node,
    inputs: &'a [Draft],
}

impl Meaning<'_> {
    /// Column `i` of all inputs side by side.
    fn column(&self, i: usize) -> String {
        let mut columns = self.inputs.iter().flat_map(|d| &d.columns);
        columns.nth(i).map_or_else(|| "?".into(), |hash| format!("{hash:016x}"))
    }
    fn of_input(&self, input: usize, i: usize) -> String {
        let column = self.inputs.get(input).and_then(|d| d.columns.get(i));
        column.map_or_else(|| "?".into(), |hash| format!("{hash:016x}"))
    }
    fn list(&self, columns: &[usize]) -> String {
        columns.iter().map(|i| self.column(*i)).collect::<Vec<_>>().join(",")
    }
    fn call(&self, call: &AggCall) -> String {
        let filter = call.filter.map(|i| self.column(i)).unwrap_or_default();
        let (distinct, args) = (call.distinct, self.list(&call.args));
        format!("{:?} distinct={distinct} [{args}] filter={filter}", call.function)
    }
    fn calls(&self, calls: &[AggCall]) -> String {
        calls.iter().map(|c| self.call(c)).collect::<Vec<_>>().join(";")
    }
    fn order(&self, order: &[SortColumn]) -> String {
        let one = |s: &SortColumn| {
            format!("{} desc={} nulls={}", self.column(s.column), s.descending, s.nulls_first)
        };
        order.iter().map(one).collect::<Vec<_>>().join(",")
    }
    fn window(&self, window: &WindowAssigner) -> String {
        match window {
            WindowAssigner::Attached { start, end } => {
                format!("attached {} {}", self.column(*start), self.column(*end))
            }
            other => format!("{other:?}"),
        }
    }
    fn time(&self, time: &TimeDomain) -> String {
        match time {
            TimeDomain::Event { rowtime } => self.column(*rowtime),
            TimeDomain::Processing => "proctime".into(),
        }
    }
    fn keys(&self, keys: &JoinKeys) -> String {
        let side = |input: usize, columns: &[usize]| {
            columns.iter().map(|i| self.of_input(input, *i)).collect::<Vec<_>>().join(",")
        };
        format!("{}={} {:?}", side(0, &keys.left), side(1, &keys.right), keys.filter_nulls)
    }
    /// The condition counts where rows without a partner are told by state.
    fn condition(kind: JoinKind, condition: Option<&Predicate>) -> String {
        condition.filter(|_| kind != JoinKind::Inner).map_or_else(String::new, |c| format!("{c:?}"))
    }

    /// The kind of the operator, and all that its state depends on.
    fn text(&self) -> (&'static str, String) {
        match &self.node.op {
            Op::Source(_, table) => ("source", table.clone()),
            Op::Values(rows) => ("values", format!("{rows:?}")),
            Op::Calc { .. } => ("calc", self.node.name()),
            Op::Watermark(s) => ("watermark", self.column(s.rowtime)),
            Op::Union => ("union", String::new()),
            Op::MiniBatch(_) => ("mini-batch", String::new()),
            Op::GroupAggregate(s) => {
                ("group-aggregate", format!("{} {}", self.list(&s.keys), self.calls(&s.calls)))
            }
            Op::WindowAggregate(s) => {
                let (window, time) = (self.window(&s.window), self.time(&s.time));
                let (keys, calls) = (self.list(&s.keys), self.calls(&s.calls));
                ("window-aggregate", format!("{window} {time} {keys} {calls}"))
            }
            Op::WindowTable(s) => {
                let (window, time) = (self.window(&s.window), self.time(&s.time));
                ("window-table", format!("{window} {time} {}", self.list(&s.partition)))
            }
            Op::Join(s) => {
                let condition = Self::condition(s.kind, s.condition.as_ref());
                ("join", format!("{:?} {} {condition}", s.kind, self.keys(&s.keys)))
            }
            Op::WindowJoin(s) => {
                let ends =
                    (self.of_input(0, s.left_window_end), self.of_input(1, s.right_window_end));
                ("window-join", format!("{:?} {} {ends:?}", s.kind, self.keys(&s.keys)))
            }
            Op::IntervalJoin(s) => {
                let condition = Self::condition(s.kind, s.condition.as_ref());
                let times = s.rowtimes.map(|(l, r)| (self.of_input(0, l), self.of_input(1, r)));
                (
                    "interval-join",
                    format!("{:?} {} {times:?} {condition}", s.kind, self.keys(&s.keys)),
                )
            }
            Op::TemporalJoin(s) => {
                let times = s.rowtimes.map(|(l, r)| (self.of_input(0, l), self.of_input(1, r)));
                ("temporal-join", format!("{:?} {} {times:?}", s.kind, self.keys(&s.keys)))
            }
            Op::LookupJoin(s, _, table) => {
                let keys = (self.list(&s.keys), &s.right_keys);
                ("lookup-join", format!("{:?} {table} {keys:?}", s.kind))
            }
            Op::TopN(s) => {
                let end = match s.end {
                    RankEnd::Constant(n) => n.to_string(),
                    RankEnd::Column(c) => self.column(c),
                };
                let (partition, order) = (self.list(&s.partition), self.order(&s.order));
                // Rows beyond the end are not kept, unless they may be needed again.
                let end =
                    if s.input_retracts { String::new() } else { format!("{} {end}", s.start) };
                ("top-n", format!("{partition} {order} {end}"))
            }
            Op::Deduplicate(s) => {
                let time = s.rowtime.map(|i| self.column(i));
                ("deduplicate", format!("{} {:?} {time:?}", self.list(&s.keys), s.keep))
            }
            Op::WindowRank(s) => {
                let (partition, order) = (self.list(&s.partition), self.order(&s.order));
                let end = self.column(s.window_end);
                ("window-rank", format!("{partition} {order} {} {} {end}", s.start, s.end))
            }
            Op::Over(s) => {
                let (partition, time) = (self.list(&s.partition), self.time(&s.time));
                let calls = self.calls(&s.calls);
                ("over", format!("{partition} {time} {:?} {calls}", s.frame))
            }
            Op::UpdatingOver(s) => {
                let (partition, order) = (self.list(&s.partition), self.order(&s.order));
                (
                    "updating-over",
                    format!("{partition} {order} {} {}", s.range, self.calls(&s.calls)),
                )
            }
            Op::Normalize(s) => ("changelog-normalize", self.list(&s.keys)),
            Op::Sort(s) => {
                let time = s.rowtime.map(|i| self.column(i));
                ("sort", format!("{time:?} {}", self.order(&s.order)))
            }
            Op::SetOperation(s) => {
                let all: usize = self.inputs.iter().map(|d| d.columns.len()).sum();
                let columns: Vec<usize> = (0..all).collect();
                ("set-operation", format!("{:?} {}", s.operation, self.list(&columns)))
            }
            Op::Expand(s) => ("expand", format!("{:?}", s.projections)),
            Op::Correlate(s) => {
                let of = match &s.correlation {
                    Correlation::Unnest { column, .. } => self.column(*column),
                    Correlation::Function { name, args } => format!("{name} {}", self.list(args)),
                };
                ("correlate", of)
            }
            Op::DropUpdateBefore => ("drop-update-before", String::new()),
            Op::NotNull(columns) => ("not-null", self.list(columns)),
            Op::Shared(_) => ("shared", String::new()),
            Op::Sink(_, table) => ("sink", table.clone()),
        }
    }

    /// What each column of the output was computed from.
    fn columns(&self, text: &str) -> Vec<u64> {
        let own = |what: &str, i: usize| stable_hash(&(what, text, i));
        let width = self.node.schema.len();
        let through: Vec<u64> = match &self.node.op {
            Op::Source(_, table) => {
                let name = |f: &super::logical::Field| stable_hash(&(table, &f.name));
                self.node.schema.iter().map(name).collect()
            }
            Op::Calc { exprs, .. } => {
                let all: usize = self.inputs.iter().map(|d| d.columns.len()).sum();
                let names: Vec<String> = (0..all).map(|i| self.column(i)).collect();
                let one = |e: &crate::expr::Expr| match e.node {
                    // A column that is only handed on, perhaps by another name.
                    crate::expr::Node::Column(i) => {
                        self.inputs.first().and_then(|d| d.columns.get(i)).copied()
                    }
                    _ => None,
                };
                let computed = |e: &crate::expr::Expr| stable_hash(&e.display(&names).to_string());
                exprs.iter().map(|e| one(e).unwrap_or_else(|| computed(e))).collect()
            }
            Op::GroupAggregate(s) => self.aggregated(&s.keys, &s.calls),
            Op::WindowAggregate(s) => self.aggregated(&s.keys, &s.calls),
            Op::Join(_) | Op::WindowJoin(_) | Op::IntervalJoin(_) | Op::TemporalJoin(_) => {
                self.inputs.iter().flat_map(|d| d.columns.clone()).collect()
            }
            Op::Union => {
                let of = |i: usize| {
                    let all: Vec<_> = self.inputs.iter().map(|d| d.columns.get(i)).collect();
                    stable_hash(&all)
                };
                (0..width).map(of).collect()
            }
            // The columns of the input come first.
            _ => self.inputs.first().map(|d| d.columns.clone()).unwrap_or_default(),
        };
        let more = (0..width.saturating_sub(through.len())).map(|i| own("more", i));
        through.iter().copied().take(width).chain(more).collect()
    }
    fn aggregated(&self, keys: &[usize], calls: &[AggCall]) -> Vec<u64> {
        let all = self.inputs.first().map(|d| d.columns.as_slice()).unwrap_or_default();
        let keys = keys.iter().map(|i| all.get(*i).copied().unwrap_or(0));
        keys.chain(calls.iter().map(|c| stable_hash(&self.call(c)))).collect()
    }

    /// The types of what is kept; names do not matter.
    fn schema(&self) -> Option<String> {
        let empty = Schema::new();
        let of = |input: usize| self.node.inputs.get(input).map_or(&empty, |(n, _)| &n.schema);
        let row = |input: usize| types(of(input));
        let pick = |columns: &[usize]| {
            let schema = of(0);
            let picked: Vec<String> = columns
                .iter()
                .filter_map(|i| schema.get(*i))
                .map(|f| f.ty.clone().without_attribute().base_text())
                .collect();
            format!("({})", picked.join(", "))
        };
        let calls = |calls: &[AggCall]| {
            let one = |c: &AggCall| {
                let args: Vec<String> =
                    c.arg_types.iter().map(|t| t.clone().without_attribute().base_text()).collect();
                let distinct = if c.distinct { "DISTINCT " } else { "" };
                format!("{:?}({distinct}{})", c.function, args.join(", "))
            };
            calls.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let retracting = |retracts: bool| if retracts { " with retraction" } else { "" };
        Some(match &self.node.op {
            Op::GroupAggregate(s) => {
                let retracting = retracting(s.input_retracts);
                format!("{}{retracting} by {}", calls(&s.calls), pick(&s.keys))
            }
            Op::WindowAggregate(s) => {
                let retracting = retracting(s.input_retracts);
                format!("{}{retracting} by {} and window", calls(&s.calls), pick(&s.keys))
            }
            Op::WindowTable(s) if matches!(s.window, WindowAssigner::Session { .. }) => {
                format!("rows {} by {} and session", row(0), pick(&s.partition))
            }
            Op::Join(s) => {
                let key = |k: &Option<Vec<usize>>| match k {
                    Some(k) => format!(" with key {k:?}"),
                    None => String::new(),
                };
                let (l, r) = (key(&s.left.unique_key), key(&s.right.unique_key));
                format!("left rows {}{l}, right rows {}{r}", row(0), row(1))
            }
            Op::WindowJoin(_) | Op::IntervalJoin(_) | Op::TemporalJoin(_) => {
                format!("left rows {}, right rows {}", row(0), row(1))
            }
            Op::LookupJoin(..) => format!("waiting rows {}", row(0)),
            Op::TopN(s) => {
                let retracting = retracting(s.input_retracts);
                format!("rows {}{retracting} by {}", row(0), pick(&s.partition))
            }
            Op::Deduplicate(s) => format!("row {} by {}", row(0), pick(&s.keys)),
            Op::WindowRank(s) => format!("rows {} by {} and window", row(0), pick(&s.partition)),
            Op::Over(s) => {
                format!("rows {}, {} by {}", row(0), calls(&s.calls), pick(&s.partition))
            }
            Op::UpdatingOver(s) => {
                format!("rows {}, {} by {}", row(0), calls(&s.calls), pick(&s.partition))
            }
            Op::Normalize(s) => format!("row {} by {}", row(0), pick(&s.keys)),
            Op::Sort(_) => format!("rows {}", row(0)),
            Op::SetOperation(_) => format!("counts of rows {}", row(0)),
            _ => return None,
        })
    }
}

fn types(schema: &Schema) -> String {
    let all: Vec<String> =
        schema.iter().map(|f| f.ty.clone().without_attribute().base_text()).collect();
    format!("({})", all.join(", "))
}
