//! EXPLAIN: the streaming plan as text, what each operator keeps, and the plan as JSON.
//!
//! Sizes are estimates of one entry, made of the widths of its columns; how many entries
//! there are is said in words, because it depends on the data.

use super::stream::{Changes, Node, Op};
use crate::plan::logical::Schema;
use crate::runtime::spec;
use crate::types::TypeKind;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bytes of a text or collection, for estimates.
const VARIABLE_BYTES: usize = 32;
/// Bytes of an entry besides its columns: hash, slot, length.
const ENTRY_BYTES: usize = 24;

/// What decides how many entries a state has.
enum Growth {
    /// One for each distinct value of something that has come.
    Distinct(String),
    /// One for each row that has come.
    Rows,
    /// Only what lies in windows or intervals that are still open.
    Time(String),
}

/// Something that an operator keeps between rows.
pub(crate) struct KeptState {
    what: String,
    entry_bytes: usize,
    growth: Growth,
    ttl_ms: Option<i64>,
}

impl KeptState {
    fn grows_with(&self) -> String {
        match &self.growth {
            Growth::Distinct(of) => format!("the number of distinct {of}"),
            Growth::Rows => "the number of rows".into(),
            Growth::Time(of) => of.clone(),
        }
    }
    /// Whether nothing ever ends its growth.
    pub(crate) fn is_for_ever(&self) -> bool {
        self.ttl_ms.is_none() && !matches!(self.growth, Growth::Time(_))
    }
    fn text(&self) -> String {
        let ttl = match (self.ttl_ms, &self.growth) {
            (_, Growth::Time(_)) => String::new(),
            (Some(ms), _) => format!("; TTL {ms} ms"),
            (None, _) => "; TTL none: kept for ever".into(),
        };
        let (what, bytes, grows) = (&self.what, self.entry_bytes, self.grows_with());
        format!("{what}, about {bytes} bytes each; grows with {grows}{ttl}")
    }
}

/// Estimated bytes of columns of a schema.
fn width(schema: &Schema, columns: impl IntoIterator<Item = usize>) -> usize {
    let of = |i: usize| match schema.get(i).map(|f| &f.ty.kind) {
        Some(TypeKind::Boolean | TypeKind::TinyInt) => 1,
        Some(TypeKind::SmallInt) => 2,
        Some(TypeKind::Int | TypeKind::Float | TypeKind::Date | TypeKind::Time(_)) => 4,
        Some(TypeKind::Decimal { .. }) => 16,
        Some(
            TypeKind::BigInt
            | TypeKind::Double
            | TypeKind::Timestamp(_)
            | TypeKind::TimestampLtz(_)
            | TypeKind::IntervalDaySecond
            | TypeKind::IntervalYearMonth,
        ) => 8,
        _ => VARIABLE_BYTES,
    };
    columns.into_iter().map(of).sum()
}

impl Node {
    fn input(&self, side: usize) -> Option<&Schema> {
        self.inputs.get(side).map(|(node, _)| &node.schema)
    }
    fn row_bytes(&self, side: usize) -> usize {
        self.input(side).map_or(0, |schema| width(schema, 0..schema.len()) + ENTRY_BYTES)
    }
    /// `(a, b)`, of an input; without columns the only one.
    fn columns(&self, side: usize, columns: &[usize]) -> String {
        let name = |i: &usize| {
            self.input(side).and_then(|s| s.get(*i)).map_or("?", |f| f.name.as_str()).to_owned()
        };
        format!("({})", columns.iter().map(name).collect::<Vec<_>>().join(", "))
    }
    /// Bytes of keys and accumulators.
    fn group_bytes(&self, keys: &[usize], calls: usize) -> usize {
        let keys = self.input(0).map_or(0, |schema| width(schema, keys.iter().copied()));
        keys + 16 * calls + ENTRY_BYTES
    }

    /// What the operator keeps between rows.
    pub(crate) fn states(&self) -> Vec<KeptState> {
        let one = |what: &str, entry_bytes, growth, ttl_ms| {
            vec![KeptState { what: what.to_owned(), entry_bytes, growth, ttl_ms }]
        };
        let open = |of: &str| Growth::Time(format!("{of} in windows that are open"));
        match &self.op {
            Op::GroupAggregate(s) => {
                let keys = self.columns(0, &s.keys);
                let growth = match s.keys.is_empty() {
                    true => Growth::Time("nothing: there is one group".into()),
                    false => Growth::Distinct(keys.clone()),
                };
                let bytes = self.group_bytes(&s.keys, s.calls.len());
                let mut all =
                    one(&format!("one accumulator a group {keys}"), bytes, growth, s.ttl_ms);
                for call in s.calls.iter().filter(|c| c.distinct || !is_small(&c.function)) {
                    let of = self.columns(0, &call.args);
                    let bytes = self.group_bytes(&call.args, 1);
                    let what = format!("values of {:?}{of} in each group", call.function);
                    let growth = Growth::Distinct(format!("{of} in each group"));
                    all.extend(one(&what, bytes, growth, s.ttl_ms));
                }
                all
            }
            Op::WindowAggregate(s) => {
                let keys = self.columns(0, &s.keys);
                let bytes = self.group_bytes(&s.keys, s.calls.len());
                let what = format!("one accumulator a group {keys} and part of a window");
                one(&what, bytes, open(&format!("distinct {keys}")), None)
            }
            Op::WindowTable(s) if matches!(s.window, spec::WindowAssigner::Session { .. }) => {
                one("rows of sessions", self.row_bytes(0), open("rows"), None)
            }
            Op::Join(s) => [(0, "left", &s.left), (1, "right", &s.right)]
                .into_iter()
                .flat_map(|(side, name, of)| {
                    let growth = match &of.unique_key {
                        Some(key) => Growth::Distinct(self.columns(side, key)),
                        None => Growth::Rows,
                    };
                    let what = format!("all rows of the {name} input");
                    one(&what, self.row_bytes(side), growth, of.ttl_ms)
                })
                .collect(),
            Op::WindowJoin(_) => {
                let bytes = self.row_bytes(0).max(self.row_bytes(1));
                one("rows of both inputs", bytes, open("rows"), None)
            }
            Op::IntervalJoin(s) => {
                let span = s.upper_ms.saturating_sub(s.lower_ms);
                let bytes = self.row_bytes(0).max(self.row_bytes(1));
                let growth = Growth::Time(format!("the rows of {span} ms"));
                one("rows of both inputs", bytes, growth, None)
            }
            Op::TemporalJoin(s) => {
                let keys = self.columns(1, &s.keys.right);
                let waiting = Growth::Time("the rows that the watermark has not passed".into());
                let mut all = one("waiting left rows", self.row_bytes(0), waiting, None);
                let growth = Growth::Distinct(keys);
                all.extend(one("versions of right rows", self.row_bytes(1), growth, s.ttl_ms));
                all
            }
            Op::LookupJoin(s, ..) if s.cache.max_keys > 0 => {
                let keys = self.columns(0, &s.keys);
                let growth = match s.cache.max_keys {
                    usize::MAX => Growth::Distinct(keys),
                    most => Growth::Time(format!("distinct {keys}, up to {most}")),
                };
                let ttl_ms = s.cache.expire_after_write_ms.or(s.cache.expire_after_access_ms);
                one("answers, not in checkpoints", self.row_bytes(0), growth, ttl_ms)
            }
            Op::TopN(s) if s.input_retracts => {
                one("all rows of each partition", self.row_bytes(0), Growth::Rows, s.ttl_ms)
            }
            Op::TopN(s) => {
                let growth = match s.partition.is_empty() {
                    true => Growth::Time("the bound: there is one partition".into()),
                    false => Growth::Distinct(self.columns(0, &s.partition)),
                };
                one("the best rows of each partition", self.row_bytes(0), growth, s.ttl_ms)
            }
            Op::Deduplicate(s) => {
                let growth = Growth::Distinct(self.columns(0, &s.keys));
                one("one row a key", self.row_bytes(0), growth, s.ttl_ms)
            }
            Op::WindowRank(_) => {
                one("the best rows of each partition", self.row_bytes(0), open("rows"), None)
            }
            Op::Over(s) => {
                let partition = self.columns(0, &s.partition);
                let bounded = |n: Option<u64>| n.is_some();
                match s.frame {
                    spec::Frame::Range { preceding_ms: Some(ms) } => {
                        let growth = Growth::Time(format!("the rows of {ms} ms"));
                        one("rows of each frame", self.row_bytes(0), growth, None)
                    }
                    spec::Frame::Rows { preceding } if bounded(preceding) => {
                        let growth = Growth::Distinct(partition);
                        one("the last rows of each partition", self.row_bytes(0), growth, s.ttl_ms)
                    }
                    _ => {
                        let bytes = self.group_bytes(&s.partition, s.calls.len());
                        let growth = match s.partition.is_empty() {
                            true => Growth::Time("nothing: there is one partition".into()),
                            false => Growth::Distinct(partition),
                        };
                        one("one accumulator a partition", bytes, growth, s.ttl_ms)
                    }
                }
            }
            Op::UpdatingOver(s) => {
                one("all rows of each partition", self.row_bytes(0), Growth::Rows, s.ttl_ms)
            }
            Op::Normalize(s) => {
                let growth = Growth::Distinct(self.columns(0, &s.keys));
                one("the last row of each key", self.row_bytes(0), growth, s.ttl_ms)
            }
            Op::SetOperation(s) => {
                let growth = Growth::Distinct("rows".into());
                one("a counter for each row", self.row_bytes(0), growth, s.ttl_ms)
            }
            Op::Sort(_) => {
                let growth = Growth::Time("the rows that the watermark has not passed".into());
                one("waiting rows", self.row_bytes(0), growth, None)
            }
            _ => vec![],
        }
    }

    /// Warnings about joins that keep their inputs for ever.
    pub(crate) fn warnings(&self, into: &mut Vec<String>) {
        if let Op::Join(s) = &self.op
            && s.left.ttl_ms.is_none()
            && s.right.ttl_ms.is_none()
        {
            into.push(format!(
                "{} keeps all rows of both inputs for ever; set table.exec.state.ttl, or join by \
                 time (interval, window or temporal join)",
                self.name()
            ));
        }
        self.inputs.iter().for_each(|(n, _)| n.warnings(into));
    }

    /// Every state that only grows, for EXPLAIN.
    pub(crate) fn growing_states(&self, into: &mut Vec<String>) {
        for state in self.states().iter().filter(|s| s.is_for_ever()) {
            let warning = format!(
                "{} keeps for ever: {}; it grows with {}; set table.exec.state.ttl",
                self.name(),
                state.what,
                state.grows_with()
            );
            // What is shared is met again.
            if !into.contains(&warning) {
                into.push(warning);
            }
        }
        self.inputs.iter().for_each(|(n, _)| n.growing_states(into));
    }

    /// The tree: operator, changes, exchange, key, and what it keeps. `reused` numbers what
    /// several readers share; its second reader shows the number alone.
    pub(crate) fn explain<'a>(&'a self, reused: &mut BTreeMap<&'a str, usize>) -> String {
        let mut text = String::new();
        let mut todo = vec![(self, 0usize, None::<String>)];
        while let Some((node, depth, exchange)) = todo.pop() {
            let (mut node, mut depth, mut reuse) = (node, depth, String::new());
            let mut is_known = false;
            if let (Op::Shared(name), [(input, _)]) = (&node.op, node.inputs.as_slice()) {
                let next = reused.len() + 1;
                is_known = reused.contains_key(name.as_str());
                let id = *reused.entry(name).or_insert(next);
                (node, reuse) = (input, format!("(reuse_id=[{id}])"));
                if is_known {
                    reuse = format!("Reused(reference_id=[{id}])");
                }
            }
            let indent = |d: usize| {
                if d == 0 { String::new() } else { format!("{}+- ", "   ".repeat(d - 1)) }
            };
            let changes =
                |c: Changes| format!(", changelogMode=[{}]", c.text().trim_matches(['[', ']']));
            if let Some(exchange) = exchange {
                let changes = changes(node.changes);
                let _ =
                    writeln!(text, "{}Exchange(distribution=[{exchange}]{changes})", indent(depth));
                depth += 1;
            }
            if is_known {
                let _ = writeln!(text, "{}{reuse}", indent(depth));
                continue;
            }
            let name = node.name();
            let name = name.strip_suffix(')').unwrap_or(&name);
            let key = match &node.key {
                Some(key) if !key.is_empty() && node.changes.retracts() => {
                    let name = |i: &usize| node.schema.get(*i).map_or("?", |f| f.name.as_str());
                    format!(", key=[{}]", key.iter().map(name).collect::<Vec<_>>().join(", "))
                }
                _ => String::new(),
            };
            let _ = writeln!(text, "{}{name}{}{key}){reuse}", indent(depth), changes(node.changes));
            for state in node.states() {
                let _ = writeln!(text, "{}   state: {}", "   ".repeat(depth), state.text());
            }
            for (input, distribution) in node.inputs.iter().rev() {
                todo.push((input, depth + 1, distribution.text(&input.schema)));
            }
        }
        text
    }

    /// The plan as Flink's JSON: nodes with ids, inputs first.
    pub(crate) fn json<'a>(
        &'a self,
        nodes: &mut Vec<Json>,
        reused: &mut BTreeMap<&'a str, usize>,
    ) -> usize {
        if let (Op::Shared(name), [(input, _)]) = (&self.op, self.inputs.as_slice()) {
            if let Some(id) = reused.get(name.as_str()) {
                return *id;
            }
            let id = input.json(nodes, reused);
            reused.insert(name, id);
            return id;
        }
        let mut predecessors = vec![];
        for (input, distribution) in &self.inputs {
            let id = input.json(nodes, reused);
            let ship = distribution.text(&input.schema);
            let ship = ship.map_or("FORWARD".into(), |text| text.to_uppercase());
            predecessors.push(json!({"id": id, "ship_strategy": ship, "side": "second"}));
        }
        let id = nodes.len() + 1;
        let name = self.name();
        let kind = name.split('(').next().unwrap_or_default().to_owned();
        let pact = match (&self.op, self.inputs.is_empty()) {
            (Op::Sink(..), _) => "Data Sink",
            (_, true) => "Data Source",
            _ => "Operator",
        };
        let states: Vec<String> = self.states().iter().map(KeptState::text).collect();
        let mut node =
            json!({"id": id, "type": kind, "pact": pact, "contents": name, "state": states});
        if !predecessors.is_empty() {
            node["predecessors"] = Json::Array(predecessors);
        }
        nodes.push(node);
        id
    }
}

/// Whether an accumulator has a size of its own, whatever comes.
fn is_small(function: &spec::AggFunction) -> bool {
    use spec::AggFunction::*;
    !matches!(
        function,
        ListAgg { .. }
            | Collect
            | ArrayAgg { .. }
            | JsonObjectAgg { .. }
            | JsonArrayAgg { .. }
            | Percentile { .. }
    )
}
