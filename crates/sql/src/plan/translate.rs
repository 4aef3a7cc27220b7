//! From the logical to the streaming plan: which operator does each step.
//!
//! | logical | streaming |
//! |---|---|
//! | aggregate by window_start, window_end | window aggregate |
//! | filter on ROW_NUMBER | deduplication, Top-N, window Top-N |
//! | join on both windows; on a range of times; else | window, interval, updating join |
//! | sort by rowtime; with LIMIT; else | sort by watermark, Top-N, refused |
//!
//! Source: Flink's pages on each operator; the code is our own.

use super::condition::{self, conjuncts};
use super::logical::{
    AggregateCall, Field, FrameBound, JoinKind, OverFunction, OverGroup, Rel, Schema, SortKey,
    Window, WindowKind, WindowPart,
};
use super::stream::{Changes, Distribution, Node, Op, WindowColumns};
use crate::connectors::{self, ConnectorContext, Needed};
use crate::dialect::ast::SetOp;
use crate::expr::{EvalContext, Expr, Node as ExprNode, evaluate_columns, evaluate_filter};
use crate::runtime::spec::{
    self, AggCall, AggFunction, JoinKeys, JoinSide, LocalTime, Predicate, RankEnd, SortColumn,
    TimeDomain, WindowAssigner, WindowColumn,
};
use crate::settings::Settings;
use crate::types::{SqlType, TimeAttribute, TypeKind};
use crate::value::Value;
use crate::zone::Zone;
use arrow_schema::SchemaRef;
use millstream_core::{Error, Result};
use std::sync::Arc;

/// The Arrow schema of columns. Every column may hold NULL: Flink lets NULL into NOT NULL
/// columns until they reach a sink.
pub(crate) fn arrow_schema(schema: &Schema) -> SchemaRef {
    let field = |f: &Field| f.ty.arrow_field(&f.name).with_nullable(true);
    Arc::new(arrow_schema::Schema::new(schema.iter().map(field).collect::<Vec<_>>()))
}

/// The local clock of a zone, for windows over TIMESTAMP_LTZ.
#[derive(Debug)]
struct ZoneTime(Zone);

impl LocalTime for ZoneTime {
    fn to_local_ms(&self, instant_ms: i64) -> i64 {
        self.0.to_local_ms(instant_ms)
    }
    fn to_instant_ms(&self, local_ms: i64) -> i64 {
        self.0.to_instant_ms(local_ms)
    }
}

/// Makes the streaming plan of queries of one session.
pub(crate) struct Translator<'a> {
    settings: &'a Settings,
    zone: Zone,
    ttl_ms: Option<i64>,
}

impl<'a> Translator<'a> {
    /// For a session with these settings.
    ///
    /// # Errors
    /// `Config`, when a setting is wrong.
    pub(crate) fn new(settings: &'a Settings) -> Result<Self> {
        Ok(Translator { settings, zone: settings.zone()?, ttl_ms: settings.state_ttl_ms()? })
    }

    /// The plan of a query; all its columns are needed.
    ///
    /// # Errors
    /// `Config`, for what streaming cannot do.
    pub(crate) fn translate(&self, rel: &Rel) -> Result<Node> {
        self.rel(rel, &vec![Needed::All; rel.schema().len()])
    }

    fn local_time(&self, ltz: bool) -> Option<Arc<dyn LocalTime>> {
        (ltz && self.zone != Zone::UTC).then(|| Arc::new(ZoneTime(self.zone)) as _)
    }

    fn predicate(&self, conditions: Vec<Expr>) -> Option<Predicate> {
        if conditions.is_empty() {
            return None;
        }
        let condition = Expr::and(conditions);
        let zone = self.zone;
        Some(Predicate::new(move |rows| {
            let context = EvalContext::new(zone, 0, 0);
            evaluate_filter(&condition, rows, &context)
        }))
    }

    /// The operator of `rel`; `needed` says what anyone reads of its columns.
    fn rel(&self, rel: &Rel, needed: &[Needed]) -> Result<Node> {
        match rel {
            Rel::Scan { table, options, columns, schema } => {
                let context =
                    ConnectorContext { table, options, columns, schema, settings: self.settings };
                let source = connectors::source(&context)?;
                // What is normalized by key is compared with the row before: all of it counts.
                let whole = source.changes() == Changes::Upsert
                    || (source.changes().retracts() && self.settings.cdc_events_duplicate()?);
                let source = match if whole { None } else { source.project(needed)? } {
                    Some(projected) => projected,
                    None => source,
                };
                self.source(source, table, schema)
            }
            Rel::Values { rows, schema } => Ok(Node {
                op: Op::Values(rows.clone()),
                inputs: vec![],
                schema: schema.clone(),
                changes: Changes::Append,
                key: None,
                window: None,
            }),
            Rel::Project { input, exprs, schema } => {
                if let Some(row) = single_row(input) {
                    self.constant_division(exprs, &row)?;
                }
                let wanted = needed_by(input.schema().len(), exprs, needed);
                let node = self.rel(input, &wanted)?;
                Ok(calc(node, None, exprs.clone(), schema.clone()))
            }
            Rel::Filter { input, condition } => {
                if let Some(node) = self.rank(input, condition, needed)? {
                    return Ok(node);
                }
                let mut wanted = needed.to_vec();
                add_needed(condition, &Needed::All, &mut wanted);
                let node = self.rel(input, &wanted)?;
                let exprs = input.columns();
                let schema = input.schema().clone();
                Ok(calc(node, Some(condition.clone()), exprs, schema))
            }
            Rel::Watermark { input, column, expr, schema } => {
                self.watermark(input, *column, expr, needed, schema)
            }
            Rel::Aggregate { input, keys, calls, window, schema } => match window {
                Some((window, parts)) => {
                    self.group_window(input, keys, calls, window, parts, schema)
                }
                None => self.aggregate(input, keys, calls, schema),
            },
            Rel::Expand { input, projections, schema } => {
                let node = self.all(input)?;
                let column = |e: &Expr| match e.node {
                    ExprNode::Column(i) => Some(i),
                    _ => None,
                };
                let mut sets = vec![];
                let mut ids = vec![];
                for row in projections {
                    let (id, columns) = row.split_last().ok_or_else(|| Error::bug("no set id"))?;
                    match id.as_literal() {
                        Some(Value::Int(n)) => ids.push(*n),
                        _ => return Err(Error::bug("a set id that is no number")),
                    }
                    sets.push(columns.iter().map(column).collect());
                }
                let output = arrow_schema(schema);
                let (changes, window) = (node.changes, node.window.clone());
                let spec = spec::ExpandSpec { projections: sets, ids, output };
                Ok(one(
                    Op::Expand(spec),
                    node,
                    Distribution::Forward,
                    schema,
                    changes,
                    None,
                    window,
                ))
            }
            Rel::WindowTable { input, window, schema } => {
                self.window_table(input, window, needed, schema)
            }
            Rel::Over { input, groups, schema } => self.over(input, groups, schema),
            Rel::Join { left, right, kind, condition, schema } => {
                self.join(left, right, *kind, condition, schema)
            }
            Rel::TemporalJoin { left, right, kind, time_column, condition, schema } => {
                self.temporal_join(left, right, *kind, *time_column, condition, schema)
            }
            Rel::Unnest { input, expr, ordinality, outer, schema } => {
                self.unnest(input, expr, *ordinality, *outer, schema)
            }
            Rel::SetOp { op, all, inputs, schema } => self.set_op(*op, *all, inputs, schema),
            Rel::Sort { input, keys, offset, limit } => self.sort(input, keys, *offset, *limit),
        }
    }

    /// Flink divides constant decimals while it plans, and fails then when one is by zero.
    fn constant_division(&self, exprs: &[Expr], row: &[Expr]) -> Result<()> {
        for expr in exprs {
            let constant = substitute(expr.clone(), row);
            let mut failed = None;
            constant.walk(&mut |e| {
                let divides = matches!(&e.node, ExprNode::Call(c) if c.function.name() == "/");
                let decimal = matches!(e.ty.kind, TypeKind::Decimal { .. });
                if divides && decimal && e.is_constant() && failed.is_none() {
                    let context = EvalContext::new(self.zone, 0, 0);
                    failed = evaluate_columns(e, &[], 1, &context).err();
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn all(&self, rel: &Rel) -> Result<Node> {
        self.translate(rel)
    }

    fn source(
        &self,
        source: Arc<dyn connectors::TableSource>,
        table: &crate::catalog::TableDef,
        schema: &Schema,
    ) -> Result<Node> {
        let changes = source.changes();
        let key = table.primary_key.as_ref().and_then(|k| {
            let at = |name: &String| schema.iter().position(|f| f.name == *name);
            k.columns.iter().map(at).collect::<Option<Vec<usize>>>()
        });
        let node = Node {
            op: Op::Source(source, table.path.to_string()),
            inputs: vec![],
            schema: schema.clone(),
            changes,
            key: key.clone(),
            window: None,
        };
        let duplicates = changes == Changes::Retract && self.settings.cdc_events_duplicate()?;
        if changes != Changes::Upsert && !duplicates {
            return Ok(node);
        }
        let Some(keys) = key else {
            if duplicates {
                let what = format!(
                    "configuration 'table.exec.source.cdc-events-duplicate' needs a primary key on \
                     table '{}'",
                    table.path
                );
                return Err(Error::config(what).advice("add PRIMARY KEY (...) NOT ENFORCED"));
            }
            let what = format!("table '{}' gives upserts but has no primary key", table.path);
            return Err(Error::config(what).advice("add PRIMARY KEY (...) NOT ENFORCED"));
        };
        let spec = spec::ChangelogNormalizeSpec {
            keys: keys.clone(),
            update_before: true,
            ttl_ms: self.ttl_ms,
            schema: arrow_schema(schema),
        };
        // A key is all that the former row is known by: -U says nothing more.
        let op = Op::DropUpdateBefore;
        let key = Some(keys.clone());
        let node = one(op, node, Distribution::Forward, schema, Changes::Upsert, key, None);
        let by = Distribution::by(&keys);
        Ok(one(Op::Normalize(spec), node, by, schema, Changes::Retract, Some(keys), None))
    }

    fn watermark(
        &self,
        input: &Rel,
        column: usize,
        expr: &Expr,
        needed: &[Needed],
        schema: &Schema,
    ) -> Result<Node> {
        let mut wanted = needed.to_vec();
        add_needed(expr, &Needed::All, &mut wanted);
        if let Some(rowtime) = wanted.get_mut(column) {
            *rowtime = Needed::All;
        }
        let node = self.rel(input, &wanted)?;
        let ltz = matches!(schema[column].ty.kind, TypeKind::TimestampLtz(_));
        let wanted = if ltz { SqlType::timestamp_ltz(3) } else { SqlType::timestamp(3) };
        let watermark = expr.clone().cast(wanted, false)?;
        let mut exprs = input.columns();
        let mut with = input.schema().clone();
        // Window operators read milliseconds: a rowtime has precision 3.
        with.push(Field { name: "$watermark".into(), ty: watermark.ty.clone() });
        exprs.push(watermark);
        let (changes, key) = (node.changes, node.key.clone());
        let node = calc(node, None, exprs, with);
        let idle = self.settings.duration_ms("table.exec.source.idle-timeout")?;
        let spec = spec::WatermarkSpec {
            rowtime: column,
            rowtime_name: schema[column].name.clone(),
            watermark: schema.len(),
            idle_timeout_ms: Some(idle).filter(|ms| *ms > 0),
            output: arrow_schema(schema),
        };
        Ok(one(Op::Watermark(spec), node, Distribution::Forward, schema, changes, key, None))
    }

    fn agg_call(&self, call: &AggregateCall, input: &Schema) -> Result<AggCall> {
        let option = |i: usize| call.options.get(i).cloned().unwrap_or_default();
        let function = match call.function.as_str() {
            "COUNT" => AggFunction::Count,
            "SUM" => AggFunction::Sum,
            "SUM0" => AggFunction::Sum0,
            "AVG" => AggFunction::Avg,
            "MIN" => AggFunction::Min,
            "MAX" => AggFunction::Max,
            "STDDEV_POP" => AggFunction::StddevPop,
            "STDDEV_SAMP" => AggFunction::StddevSamp,
            "VAR_POP" => AggFunction::VarPop,
            "VAR_SAMP" => AggFunction::VarSamp,
            "FIRST_VALUE" => AggFunction::FirstValue,
            "LAST_VALUE" => AggFunction::LastValue,
            "LISTAGG" => AggFunction::ListAgg { separator: option(0) },
            "COLLECT" => AggFunction::Collect,
            "ARRAY_AGG" => AggFunction::ArrayAgg { ignore_nulls: option(0) == "IGNORE NULLS" },
            "JSON_OBJECTAGG" => {
                AggFunction::JsonObjectAgg { absent_on_null: option(0) == "ABSENT" }
            }
            "JSON_ARRAYAGG" => AggFunction::JsonArrayAgg { absent_on_null: option(0) == "ABSENT" },
            "SINGLE_VALUE" => AggFunction::SingleValue,
            "LAG" => AggFunction::Lag { offset: option(0).parse().unwrap_or(1) },
            other => {
                return Err(Error::config(format!("{other} is not supported in streaming mode"))
                    .advice("docs/sql lists the aggregate functions"));
            }
        };
        Ok(AggCall {
            function,
            arg_types: call.args.iter().map(|a| input[*a].ty.clone()).collect(),
            args: call.args.clone(),
            distinct: call.distinct,
            filter: call.filter,
            result: call.ty.clone(),
        })
    }

    fn aggregate(
        &self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        schema: &Schema,
    ) -> Result<Node> {
        if let Some(node) = self.window_aggregate(input, keys, calls, schema)? {
            return Ok(node);
        }
        let read = |i: usize| if reads(keys, calls, i) { Needed::All } else { Needed::No };
        let wanted: Vec<Needed> = (0..input.schema().len()).map(read).collect();
        let node = self.rel(input, &wanted)?;
        let calls =
            calls.iter().map(|c| self.agg_call(c, &node.schema)).collect::<Result<Vec<_>>>()?;
        // Without a window time does not go on.
        let schema: Schema = schema
            .iter()
            .map(|f| Field { name: f.name.clone(), ty: f.ty.clone().without_attribute() })
            .collect();
        let changes = match (calls.is_empty(), node.changes) {
            // The first of equal rows is the only one.
            (true, Changes::Append) => Changes::Append,
            _ => Changes::Retract,
        };
        let spec = spec::GroupAggregateSpec {
            keys: keys.to_vec(),
            calls,
            input_retracts: node.changes.retracts(),
            update_before: true,
            ttl_ms: self.ttl_ms,
            output: arrow_schema(&schema),
        };
        let key = (0..keys.len()).collect();
        let by = Distribution::by(keys);
        Ok(one(Op::GroupAggregate(spec), node, by, &schema, changes, Some(key), None))
    }

    /// An aggregate over a window table function, when it is grouped by the window.
    fn window_aggregate(
        &self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        schema: &Schema,
    ) -> Result<Option<Node>> {
        // The window function right below, with what was computed and filtered in between.
        if let Some((base, window, exprs, filters)) = below_window(input) {
            let width = base.schema().len();
            let part = |k: usize| match exprs[k].node {
                ExprNode::Column(c) if c == width => Some(WindowPart::Start),
                ExprNode::Column(c) if c == width + 1 => Some(WindowPart::End),
                ExprNode::Column(c) if c == width + 2 => Some(WindowPart::Time),
                _ => None,
            };
            let has = |p| keys.iter().any(|k| part(*k) == Some(p));
            let plain = |e: &Expr| e.columns().iter().all(|c| *c < width);
            let others_plain = exprs.iter().enumerate().all(|(i, e)| part(i).is_some() || plain(e));
            let args_plain =
                calls.iter().all(|c| c.args.iter().chain(&c.filter).all(|a| part(*a).is_none()));
            if has(WindowPart::Start)
                && has(WindowPart::End)
                && filters.iter().all(plain)
                && others_plain
                && args_plain
            {
                let mut wanted = vec![Needed::No; width];
                for (i, e) in exprs.iter().enumerate().filter(|(i, _)| part(*i).is_none()) {
                    if reads(keys, calls, i) {
                        add_needed(e, &Needed::All, &mut wanted);
                    }
                }
                filters.iter().for_each(|f| add_needed(f, &Needed::All, &mut wanted));
                wanted[window.time_column] = Needed::All;
                let mut node = self.rel(base, &wanted)?;
                // Columns of the calc: all but the window's, then the time.
                let mut place = vec![usize::MAX; exprs.len()];
                let (mut select, mut names) = (vec![], Schema::new());
                for (i, e) in exprs.iter().enumerate() {
                    if part(i).is_none() {
                        place[i] = select.len();
                        select.push(e.clone());
                        names.push(input.schema()[i].clone());
                    }
                }
                let time = select.len();
                let time_field = base.schema()[window.time_column].clone();
                select.push(Expr::column(window.time_column, time_field.ty.clone()));
                let ltz = matches!(time_field.ty.kind, TypeKind::TimestampLtz(_));
                names.push(Field { name: "$time".into(), ty: time_field.ty });
                let condition = (!filters.is_empty()).then(|| Expr::and(filters));
                node = calc(node, condition, select, names);
                let moved: Vec<AggregateCall> = calls
                    .iter()
                    .map(|c| AggregateCall {
                        args: c.args.iter().map(|a| place[*a]).collect(),
                        filter: c.filter.map(|f| place[f]),
                        ..c.clone()
                    })
                    .collect();
                let spec_keys: Vec<usize> =
                    keys.iter().filter(|k| part(**k).is_none()).map(|k| place[*k]).collect();
                let parts: Vec<Option<WindowPart>> = keys.iter().map(|k| part(*k)).collect();
                let assigner = assigner(&window.kind);
                return self
                    .window_aggregate_node(
                        node,
                        assigner,
                        time,
                        ltz,
                        &window.kind,
                        spec_keys,
                        &moved,
                        &parts,
                        schema,
                    )
                    .map(Some);
            }
        }
        // Rows that carry a window from further below.
        let node = self.all(input)?;
        let Some(columns) = node.window.clone() else { return Ok(None) };
        let part = |k: usize| match Some(k) {
            k if k == columns.start => Some(WindowPart::Start),
            k if k == columns.end => Some(WindowPart::End),
            k if k == columns.time => Some(WindowPart::Time),
            _ => None,
        };
        let parts: Vec<Option<WindowPart>> = keys.iter().map(|k| part(*k)).collect();
        let (Some(start), Some(end)) = (columns.start, columns.end) else { return Ok(None) };
        if !parts.contains(&Some(WindowPart::Start)) || !parts.contains(&Some(WindowPart::End)) {
            return Ok(None);
        }
        let spec_keys: Vec<usize> = keys.iter().copied().filter(|k| part(*k).is_none()).collect();
        let assigner = WindowAssigner::Attached { start, end };
        let time = columns.time.unwrap_or(end);
        self.window_aggregate_node(
            node,
            assigner,
            time,
            columns.ltz,
            &columns.kind,
            spec_keys,
            calls,
            &parts,
            schema,
        )
        .map(Some)
    }

    #[allow(clippy::too_many_arguments)]
    fn window_aggregate_node(
        &self,
        node: Node,
        window: WindowAssigner,
        rowtime: usize,
        ltz: bool,
        kind: &WindowKind,
        keys: Vec<usize>,
        calls: &[AggregateCall],
        parts: &[Option<WindowPart>],
        schema: &Schema,
    ) -> Result<Node> {
        let calls =
            calls.iter().map(|c| self.agg_call(c, &node.schema)).collect::<Result<Vec<_>>>()?;
        let window_columns = vec![WindowColumn::Start, WindowColumn::End, WindowColumn::Time];
        let time_type = if ltz { SqlType::timestamp_ltz(3) } else { SqlType::timestamp(3) };
        let stamp = SqlType::timestamp(3).not_null();
        let mut output: Schema = keys.iter().map(|k| node.schema[*k].clone()).collect();
        let result_names = &schema[parts.len()..];
        for (call, field) in calls.iter().zip(result_names) {
            output.push(Field { name: field.name.clone(), ty: call.result.clone() });
        }
        let first_window = output.len();
        for (name, ty) in [
            ("window_start", stamp.clone()),
            ("window_end", stamp),
            ("window_time", time_type.not_null().with_attribute(TimeAttribute::Rowtime)),
        ] {
            output.push(Field { name: name.into(), ty });
        }
        let spec = spec::WindowAggregateSpec {
            window,
            time: TimeDomain::Event { rowtime },
            local_time: self.local_time(ltz),
            keys: keys.clone(),
            calls,
            input_retracts: node.changes.retracts(),
            window_columns,
            output: arrow_schema(&output),
        };
        let by = Distribution::by(&keys);
        let columns = WindowColumns {
            start: Some(first_window),
            end: Some(first_window + 1),
            time: Some(first_window + 2),
            kind: kind.clone(),
            ltz,
        };
        let count = keys.len();
        let op = Op::WindowAggregate(spec);
        let node = one(op, node, by, &output, Changes::Append, None, Some(columns));
        // Keys in the order they were written in, then results.
        let mut next_key = 0;
        let mut exprs = vec![];
        for part in parts {
            let at = match part {
                Some(WindowPart::Start) => first_window,
                Some(WindowPart::End) => first_window + 1,
                Some(WindowPart::Time) => first_window + 2,
                None => {
                    next_key += 1;
                    next_key - 1
                }
            };
            exprs.push(Expr::column(at, output[at].ty.clone()));
        }
        for (i, field) in output.iter().enumerate().take(first_window).skip(count) {
            exprs.push(Expr::column(i, field.ty.clone()));
        }
        Ok(calc(node, None, exprs, schema.clone()))
    }

    fn group_window(
        &self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        window: &Window,
        parts: &[WindowPart],
        schema: &Schema,
    ) -> Result<Node> {
        let node = self.all(input)?;
        let calls =
            calls.iter().map(|c| self.agg_call(c, &node.schema)).collect::<Result<Vec<_>>>()?;
        let ltz = matches!(node.schema[window.time_column].ty.kind, TypeKind::TimestampLtz(_));
        let column = |p: &WindowPart| match p {
            WindowPart::Start => WindowColumn::Start,
            WindowPart::End => WindowColumn::End,
            WindowPart::Time => WindowColumn::Time,
        };
        let spec = spec::WindowAggregateSpec {
            window: assigner(&window.kind),
            time: TimeDomain::Event { rowtime: window.time_column },
            local_time: self.local_time(ltz),
            keys: keys.to_vec(),
            calls,
            input_retracts: node.changes.retracts(),
            window_columns: parts.iter().map(column).collect(),
            output: arrow_schema(schema),
        };
        let by = Distribution::by(keys);
        let op = Op::WindowAggregate(spec);
        Ok(one(op, node, by, schema, Changes::Append, None, None))
    }

    fn window_table(
        &self,
        input: &Rel,
        window: &Window,
        needed: &[Needed],
        schema: &Schema,
    ) -> Result<Node> {
        let width = input.schema().len();
        let mut wanted: Vec<Needed> = needed.iter().take(width).cloned().collect();
        for column in window.partition_by.iter().chain([&window.time_column]) {
            wanted[*column] = Needed::All;
        }
        let node = self.rel(input, &wanted)?;
        let width = node.schema.len();
        let ltz = matches!(node.schema[window.time_column].ty.kind, TypeKind::TimestampLtz(_));
        let by = match window.kind {
            WindowKind::Session { .. } => Distribution::by(&window.partition_by),
            _ => Distribution::Forward,
        };
        let columns = WindowColumns {
            start: Some(width),
            end: Some(width + 1),
            time: Some(width + 2),
            kind: window.kind.clone(),
            ltz,
        };
        let spec = spec::WindowTableSpec {
            window: assigner(&window.kind),
            time: TimeDomain::Event { rowtime: window.time_column },
            local_time: self.local_time(ltz),
            partition: window.partition_by.clone(),
            output: arrow_schema(schema),
        };
        let changes = node.changes;
        Ok(one(Op::WindowTable(spec), node, by, schema, changes, None, Some(columns)))
    }

    fn over(&self, input: &Rel, groups: &[OverGroup], schema: &Schema) -> Result<Node> {
        let mut node = self.all(input)?;
        let mut width = node.schema.len();
        for group in groups {
            let output: Schema = schema[..width + group.calls.len()].to_vec();
            let calls = group
                .calls
                .iter()
                .map(|(function, ty)| self.over_call(function, ty, &node.schema))
                .collect::<Result<Vec<_>>>()?;
            let first = group.order_by.first();
            let attribute =
                first.map_or(TimeAttribute::None, |k| node.schema[k.column].ty.attribute);
            let by = Distribution::by(&group.partition_by);
            let (input_schema, output_schema) = (arrow_schema(&node.schema), arrow_schema(&output));
            width = output.len();
            let by_time = attribute != TimeAttribute::None;
            if by_time && (!first.is_some_and(|k| k.ascending) || group.order_by.len() > 1) {
                let what =
                    "the window can only be ordered by a single time column in ASCENDING mode";
                return Err(Error::config(what).advice("ORDER BY the rowtime column alone"));
            }
            if by_time {
                if node.changes.retracts() {
                    return Err(Error::config(
                        "OVER by a time attribute does not take changes (updates and deletes)",
                    )
                    .advice("order by a column that is no time attribute"));
                }
                let time = match attribute {
                    TimeAttribute::Proctime => TimeDomain::Processing,
                    _ => TimeDomain::Event { rowtime: group.order_by[0].column },
                };
                let preceding = match group.start {
                    FrameBound::UnboundedPreceding => None,
                    FrameBound::Preceding(n) => Some(n),
                    FrameBound::CurrentRow => Some(0),
                };
                let frame = if group.rows {
                    spec::Frame::Rows { preceding: preceding.map(i64::unsigned_abs) }
                } else {
                    spec::Frame::Range { preceding_ms: preceding }
                };
                let spec = spec::OverSpec {
                    partition: group.partition_by.clone(),
                    time,
                    frame,
                    calls,
                    ttl_ms: self.ttl_ms,
                    input: input_schema,
                    output: output_schema,
                };
                let (changes, window) = (node.changes, node.window.clone());
                node = one(Op::Over(spec), node, by, &output, changes, None, window);
            } else {
                if group.start != FrameBound::UnboundedPreceding {
                    return Err(Error::config(
                        "a bounded OVER frame can only be ordered by a time attribute",
                    )
                    .advice("use UNBOUNDED PRECEDING, or order by the rowtime column"));
                }
                let spec = spec::UpdatingOverSpec {
                    partition: group.partition_by.clone(),
                    order: sort_columns(&group.order_by),
                    range: !group.rows,
                    calls,
                    update_before: true,
                    ttl_ms: self.ttl_ms,
                    input: input_schema,
                    output: output_schema,
                };
                node = one(Op::UpdatingOver(spec), node, by, &output, Changes::Retract, None, None);
            }
        }
        Ok(node)
    }

    fn over_call(&self, function: &OverFunction, ty: &SqlType, input: &Schema) -> Result<AggCall> {
        let function = match function {
            OverFunction::Aggregate(call) => return self.agg_call(call, input),
            OverFunction::RowNumber => AggFunction::RowNumber,
            OverFunction::Rank => AggFunction::Rank,
            OverFunction::DenseRank => AggFunction::DenseRank,
        };
        let (args, arg_types, result) = (vec![], vec![], ty.clone());
        Ok(AggCall { function, args, arg_types, distinct: false, filter: None, result })
    }

    /// Both sides with their keys as columns behind their own.
    fn keyed(&self, node: Node, keys: Vec<Expr>) -> (Node, Vec<usize>) {
        let mut exprs: Vec<Expr> =
            node.schema.iter().enumerate().map(|(i, f)| Expr::column(i, f.ty.clone())).collect();
        let mut schema = node.schema.clone();
        let mut columns = vec![];
        for key in keys {
            match key.node {
                ExprNode::Column(i) => columns.push(i),
                _ => {
                    columns.push(exprs.len());
                    schema.push(Field { name: format!("$key{}", exprs.len()), ty: key.ty.clone() });
                    exprs.push(key);
                }
            }
        }
        if exprs.len() == node.schema.len() {
            return (node, columns);
        }
        (calc(node, None, exprs, schema), columns)
    }

    fn join(
        &self,
        left: &Rel,
        right: &Rel,
        kind: JoinKind,
        on: &Expr,
        schema: &Schema,
    ) -> Result<Node> {
        let (left_node, right_node) = (self.all(left)?, self.all(right)?);
        let (left_width, right_width) = (left_node.schema.len(), right_node.schema.len());
        let mut parts = condition::split(on.clone(), left_width);
        // A window join: both window columns are equal.
        let windows = self.window_pair(&left_node, &right_node, &mut parts.equal);
        let bounds = match windows {
            Some(_) => None,
            None => condition::time_bounds(&mut parts.rest, left.schema(), right.schema()),
        };
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) =
            parts.equal.iter().map(|(l, r, _)| (l.clone(), r.clone())).unzip();
        let filter_nulls = parts.equal.iter().map(|(_, _, null_safe)| !null_safe).collect();
        let (left_node, left_columns) = self.keyed(left_node, left_keys);
        let (right_node, right_columns) = self.keyed(right_node, right_keys);
        let wide = left_node.schema.len();
        let moved = |i: usize| if i < left_width { i } else { wide + i - left_width };
        let predicate =
            self.predicate(parts.rest.into_iter().map(|c| c.map_columns(&moved)).collect());
        let keys =
            JoinKeys { left: left_columns.clone(), right: right_columns.clone(), filter_nulls };
        let mut output: Schema = left_node.schema.clone();
        if !kind.left_only() {
            output.extend(right_node.schema.iter().cloned());
        }
        let spec_kind = spec_kind(kind);
        let (left_schema, right_schema) =
            (arrow_schema(&left_node.schema), arrow_schema(&right_node.schema));
        let out = arrow_schema(&output);
        let inputs_append = left_node.changes.and(right_node.changes) == Changes::Append;
        let mut window = None;
        let (op, changes) = if let Some((left_end, right_end, columns)) = windows {
            if !inputs_append {
                return Err(Error::config(
                    "a window join does not take changes (updates and deletes)",
                )
                .advice("join before the aggregation, or without the window"));
            }
            let ltz = columns.ltz;
            window = Some(columns);
            let spec = spec::WindowJoinSpec {
                kind: spec_kind,
                keys,
                condition: predicate,
                left_window_end: left_end,
                right_window_end: right_end,
                local_time: self.local_time(ltz),
                left: left_schema,
                right: right_schema,
                output: out,
            };
            (Op::WindowJoin(spec), Changes::Append)
        } else if let Some(bounds) = bounds
            && inputs_append
        {
            let spec = spec::IntervalJoinSpec {
                kind: spec_kind,
                keys,
                condition: predicate,
                lower_ms: -bounds.upper_ms,
                upper_ms: -bounds.lower_ms,
                rowtimes: Some((bounds.left_time, bounds.right_time)),
                left: left_schema,
                right: right_schema,
                output: out,
            };
            (Op::IntervalJoin(spec), Changes::Append)
        } else {
            let side = |node: &Node, schema: SchemaRef| JoinSide {
                schema,
                unique_key: node.key.clone().filter(|_| node.changes.retracts()),
                ttl_ms: self.ttl_ms,
            };
            let (ls, rs) = (side(&left_node, left_schema), side(&right_node, right_schema));
            let spec = spec::JoinSpec {
                kind: spec_kind,
                keys,
                condition: predicate,
                left: ls,
                right: rs,
                output: out,
            };
            let append = inputs_append && matches!(kind, JoinKind::Inner | JoinKind::Semi);
            (Op::Join(spec), if append { Changes::Append } else { Changes::Retract })
        };
        let inputs = vec![
            (left_node, Distribution::by(&left_columns)),
            (right_node, Distribution::by(&right_columns)),
        ];
        let node = Node { op, inputs, schema: output, changes, key: None, window };
        // Without the key columns.
        let mut exprs: Vec<Expr> =
            (0..left_width).map(|i| Expr::column(i, schema[i].ty.clone())).collect();
        if !kind.left_only() {
            exprs.extend(
                (0..right_width).map(|i| Expr::column(wide + i, schema[left_width + i].ty.clone())),
            );
        }
        Ok(calc(node, None, exprs, schema.clone()))
    }

    /// Takes the two equalities of a window join out; the window ends of both sides.
    fn window_pair(
        &self,
        left: &Node,
        right: &Node,
        equal: &mut Vec<(Expr, Expr, bool)>,
    ) -> Option<(usize, usize, WindowColumns)> {
        let (l, r) = (left.window.as_ref()?, right.window.as_ref()?);
        let find = |a: Option<usize>, b: Option<usize>, equal: &[(Expr, Expr, bool)]| {
            let (a, b) = (a?, b?);
            equal.iter().position(|(x, y, _)| {
                matches!(x.node, ExprNode::Column(i) if i == a)
                    && matches!(y.node, ExprNode::Column(i) if i == b)
            })
        };
        let start = find(l.start, r.start, equal)?;
        let end = find(l.end, r.end, equal)?;
        let ends = (l.end?, r.end?);
        let mut index = 0;
        equal.retain(|_| {
            index += 1;
            index - 1 != start && index - 1 != end
        });
        Some((ends.0, ends.1, l.clone()))
    }

    fn temporal_join(
        &self,
        left: &Rel,
        right: &Rel,
        kind: JoinKind,
        time_column: usize,
        on: &Expr,
        schema: &Schema,
    ) -> Result<Node> {
        let (left_node, right_node) = (self.all(left)?, self.all(right)?);
        let (left_width, right_width) = (left_node.schema.len(), right_node.schema.len());
        let no_key = "Temporal Table Join requires primary key in versioned table, but no primary \
                      key can be found";
        let Some(key) = right_node.key.clone() else {
            return Err(Error::config(no_key).advice(
                "add PRIMARY KEY (...) NOT ENFORCED, or deduplicate by rowtime in a view",
            ));
        };
        let rowtime = right_node
            .schema
            .iter()
            .position(|f| f.ty.attribute == TimeAttribute::Rowtime)
            .ok_or_else(|| {
                Error::config("Event-Time Temporal Table Join requires both primary key and row \
                               time attribute in versioned table, but no row time attribute can be found")
                    .advice("add WATERMARK FOR to the versioned table")
            })?;
        let parts = condition::split(on.clone(), left_width);
        for column in &key {
            let joined = parts
                .equal
                .iter()
                .any(|(_, r, _)| matches!(r.node, ExprNode::Column(i) if i == *column));
            if !joined {
                let what = format!(
                    "Temporal table's primary key '{}' must be included in the equivalence condition \
                     of the temporal join",
                    right_node.schema[*column].name
                );
                return Err(Error::config(what).advice("add it to ON"));
            }
        }
        if left_node.changes.retracts() {
            return Err(Error::config("a temporal join does not take changes on its left side")
                .advice("join before the aggregation"));
        }
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) =
            parts.equal.iter().map(|(l, r, _)| (l.clone(), r.clone())).unzip();
        let filter_nulls = parts.equal.iter().map(|(_, _, safe)| !safe).collect();
        let (left_node, left_columns) = self.keyed(left_node, left_keys);
        let (right_node, right_columns) = self.keyed(right_node, right_keys);
        let wide = left_node.schema.len();
        let moved = |i: usize| if i < left_width { i } else { wide + i - left_width };
        let condition =
            self.predicate(parts.rest.into_iter().map(|c| c.map_columns(&moved)).collect());
        let mut output = left_node.schema.clone();
        output.extend(right_node.schema.iter().cloned());
        let spec = spec::TemporalJoinSpec {
            kind: spec_kind(kind),
            keys: JoinKeys {
                left: left_columns.clone(),
                right: right_columns.clone(),
                filter_nulls,
            },
            condition,
            rowtimes: Some((time_column, rowtime)),
            ttl_ms: self.ttl_ms,
            left: arrow_schema(&left_node.schema),
            right: arrow_schema(&right_node.schema),
            output: arrow_schema(&output),
        };
        let inputs = vec![
            (left_node, Distribution::by(&left_columns)),
            (right_node, Distribution::by(&right_columns)),
        ];
        let node = Node {
            op: Op::TemporalJoin(spec),
            inputs,
            schema: output,
            changes: Changes::Append,
            key: None,
            window: None,
        };
        let mut exprs: Vec<Expr> =
            (0..left_width).map(|i| Expr::column(i, schema[i].ty.clone())).collect();
        exprs.extend(
            (0..right_width).map(|i| Expr::column(wide + i, schema[left_width + i].ty.clone())),
        );
        Ok(calc(node, None, exprs, schema.clone()))
    }

    fn unnest(
        &self,
        input: &Rel,
        expr: &Expr,
        with_ordinality: bool,
        outer: bool,
        schema: &Schema,
    ) -> Result<Node> {
        let node = self.all(input)?;
        let width = node.schema.len();
        let mut exprs = input.columns();
        let mut with = node.schema.clone();
        let column = match expr.node {
            ExprNode::Column(i) => i,
            _ => {
                with.push(Field { name: "$collection".into(), ty: expr.ty.clone() });
                exprs.push(expr.clone());
                width
            }
        };
        let wide = with.len();
        let changes = node.changes;
        let multiset = matches!(expr.ty.kind, TypeKind::Multiset(_));
        let node = calc(node, None, exprs, with.clone());
        let mut output = with;
        output.extend(schema[width..].iter().cloned());
        let spec = spec::CorrelateSpec {
            correlation: spec::Correlation::Unnest { column, multiset, with_ordinality },
            outer,
            output: arrow_schema(&output),
        };
        let window = node.window.clone();
        let op = Op::Correlate(spec);
        let node = one(op, node, Distribution::Forward, &output, changes, None, window);
        let mut exprs: Vec<Expr> =
            (0..width).map(|i| Expr::column(i, schema[i].ty.clone())).collect();
        exprs.extend(
            (width..schema.len()).map(|i| Expr::column(wide + i - width, schema[i].ty.clone())),
        );
        Ok(calc(node, None, exprs, schema.clone()))
    }

    fn set_op(&self, op: SetOp, all: bool, inputs: &[Rel], schema: &Schema) -> Result<Node> {
        let nodes = inputs.iter().map(|i| self.all(i)).collect::<Result<Vec<_>>>()?;
        let changes = nodes.iter().fold(Changes::Append, |c, n| c.and(n.changes));
        let operation = match (op, all) {
            (SetOp::Union, _) => {
                let inputs = nodes.into_iter().map(|n| (n, Distribution::Forward)).collect();
                let schema = schema.clone();
                return Ok(Node {
                    op: Op::Union,
                    inputs,
                    schema,
                    changes,
                    key: None,
                    window: None,
                });
            }
            (SetOp::Intersect, false) => spec::SetOperation::Intersect,
            (SetOp::Intersect, true) => spec::SetOperation::IntersectAll,
            (SetOp::Except, false) => spec::SetOperation::Except,
            (SetOp::Except, true) => spec::SetOperation::ExceptAll,
        };
        let spec =
            spec::SetOperationSpec { operation, ttl_ms: self.ttl_ms, schema: arrow_schema(schema) };
        let keys: Vec<usize> = (0..schema.len()).collect();
        let inputs = nodes.into_iter().map(|n| (n, Distribution::by(&keys))).collect();
        let op = Op::SetOperation(spec);
        let schema = schema.clone();
        Ok(Node { op, inputs, schema, changes: Changes::Retract, key: None, window: None })
    }

    fn sort(&self, input: &Rel, keys: &[SortKey], offset: u64, limit: Option<u64>) -> Result<Node> {
        let node = self.all(input)?;
        let schema = input.schema().clone();
        let by_rowtime = keys.first().is_some_and(|k| {
            k.ascending && schema[k.column].ty.attribute == TimeAttribute::Rowtime
        });
        let input_schema = arrow_schema(&schema);
        if limit.is_none() && offset == 0 {
            if !by_rowtime {
                return Err(Error::config("Sort on a non-time-attribute field is not supported")
                    .advice("add LIMIT, or order by the rowtime column ascending"));
            }
            if node.changes.retracts() {
                return Err(Error::config("ORDER BY rowtime does not take changes")
                    .advice("sort before the aggregation"));
            }
            let spec = spec::SortSpec {
                rowtime: Some(keys[0].column),
                order: sort_columns(&keys[1..]),
                schema: input_schema,
            };
            let op = Op::Sort(spec);
            return Ok(one(op, node, Distribution::Single, &schema, Changes::Append, None, None));
        }
        let end = limit.map_or(u64::MAX, |l| offset.saturating_add(l));
        let input_retracts = node.changes.retracts();
        let spec = spec::TopNSpec {
            partition: vec![],
            order: sort_columns(keys),
            start: offset + 1,
            end: RankEnd::Constant(end),
            with_rank: false,
            input_retracts,
            row_key: None,
            update_before: true,
            ttl_ms: self.ttl_ms,
            output: Arc::clone(&input_schema),
            input: input_schema,
        };
        let changes = match keys.is_empty() && !input_retracts {
            true => Changes::Append,
            false => Changes::Retract,
        };
        Ok(one(Op::TopN(spec), node, Distribution::Single, &schema, changes, None, None))
    }

    /// A filter on ROW_NUMBER, if that is what it is.
    fn rank(&self, input: &Rel, condition: &Expr, needed: &[Needed]) -> Result<Option<Node>> {
        let (over, exprs) = match input {
            Rel::Project { input: below, exprs, .. } => (&**below, exprs.clone()),
            other => (other, other.columns()),
        };
        let Rel::Over { input: source, groups, schema: over_schema } = over else {
            return Ok(None);
        };
        let [group] = groups.as_slice() else { return Ok(None) };
        let [(function, _)] = group.calls.as_slice() else { return Ok(None) };
        if !matches!(
            function,
            OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank
        ) {
            return Ok(None);
        }
        let rank_column = over_schema.len() - 1;
        let is_rank = |i: usize| matches!(exprs.get(i).map(|e| &e.node), Some(ExprNode::Column(c)) if *c == rank_column);
        let (mut start, mut end) = (1u64, None::<RankEnd>);
        let mut rest = vec![];
        for conjunct in conjuncts(condition.clone()) {
            match rank_bound(&conjunct, &is_rank, &exprs, source.schema().len()) {
                Some(Bound::Low(n)) => start = start.max(n),
                Some(Bound::High(RankEnd::Constant(n))) => {
                    end = Some(match end {
                        Some(RankEnd::Constant(old)) => RankEnd::Constant(old.min(n)),
                        Some(RankEnd::Column(_)) => {
                            rest.push(conjunct);
                            end.unwrap_or(RankEnd::Constant(n))
                        }
                        None => RankEnd::Constant(n),
                    });
                }
                Some(Bound::High(column)) if end.is_none() => end = Some(column),
                Some(Bound::Exact(n)) => {
                    start = start.max(n);
                    end = Some(RankEnd::Constant(n));
                }
                _ => rest.push(conjunct),
            }
        }
        let reads_rank = |e: &Expr| e.columns().iter().any(|c| is_rank(*c));
        let Some(end) = end else {
            if start > 1 || rest.iter().any(reads_rank) {
                let what = "Rank end is not specified. Currently rank only support TopN, which means \
                            the rank end must be specified.";
                return Err(Error::config(what).advice("add a condition such as rn <= 10"));
            }
            return Ok(None);
        };
        if !matches!(function, OverFunction::RowNumber) {
            return Err(Error::config(
                "RANK and DENSE_RANK are not supported for Top-N in streaming mode",
            )
            .advice("use ROW_NUMBER"));
        }
        let with_rank = (0..exprs.len()).any(|i| {
            let wanted = needed.get(i) != Some(&Needed::No);
            let in_expr = exprs[i].columns().contains(&rank_column);
            in_expr && (wanted || !is_rank(i))
        }) || rest.iter().any(reads_rank);
        let node = self.all(source)?;
        let node = self.rank_node(node, group, start, end, with_rank, over_schema)?;
        // The projection above, with 0 for a rank that nobody reads.
        let exprs: Vec<Expr> = exprs
            .into_iter()
            .map(|e| match (with_rank, &e.node) {
                (false, ExprNode::Column(c)) if *c == rank_column => {
                    Expr { ty: e.ty, ..Expr::bigint(0) }
                }
                _ => e,
            })
            .collect();
        let node = calc(node, None, exprs, input.schema().clone());
        if rest.is_empty() {
            return Ok(Some(node));
        }
        let columns = input.columns();
        Ok(Some(calc(node, Some(Expr::and(rest)), columns, input.schema().clone())))
    }

    fn rank_node(
        &self,
        node: Node,
        group: &OverGroup,
        start: u64,
        end: RankEnd,
        with_rank: bool,
        over_schema: &Schema,
    ) -> Result<Node> {
        let partition = group.partition_by.clone();
        let order = sort_columns(&group.order_by);
        let input_schema = arrow_schema(&node.schema);
        let schema: Schema = if with_rank { over_schema.clone() } else { node.schema.clone() };
        let output = arrow_schema(&schema);
        let append = node.changes == Changes::Append;
        if let (Some(window), RankEnd::Constant(last), true) = (node.window.clone(), end, append)
            && let (Some(from), Some(to)) = (window.start, window.end)
            && partition.contains(&from)
            && partition.contains(&to)
        {
            let is_window = |c: &usize| {
                Some(*c) == window.start || Some(*c) == window.end || Some(*c) == window.time
            };
            let keys: Vec<usize> = partition.into_iter().filter(|c| !is_window(c)).collect();
            let by = Distribution::by(&keys);
            let spec = spec::WindowRankSpec {
                partition: keys,
                order,
                start,
                end: last,
                with_rank,
                window_end: to,
                local_time: self.local_time(window.ltz),
                input: input_schema,
                output,
            };
            let op = Op::WindowRank(spec);
            return Ok(one(op, node, by, &schema, Changes::Append, None, Some(window)));
        }
        let by = Distribution::by(&partition);
        let by_time = match group.order_by.as_slice() {
            [k] => Some(node.schema[k.column].ty.attribute).filter(|a| *a != TimeAttribute::None),
            _ => None,
        };
        if let (Some(attribute), true, 1, RankEnd::Constant(1), false) =
            (by_time, append, start, end, with_rank)
        {
            let keep = match group.order_by[0].ascending {
                true => spec::Keep::First,
                false => spec::Keep::Last,
            };
            let rowtime = (attribute == TimeAttribute::Rowtime).then_some(group.order_by[0].column);
            let changes = match keep {
                spec::Keep::First => Changes::Append,
                spec::Keep::Last => Changes::Retract,
            };
            let spec = spec::DeduplicateSpec {
                keys: partition.clone(),
                keep,
                rowtime,
                update_before: true,
                ttl_ms: self.ttl_ms,
                schema: input_schema,
            };
            let op = Op::Deduplicate(spec);
            return Ok(one(op, node, by, &schema, changes, Some(partition), None));
        }
        let key = (start == 1 && end == RankEnd::Constant(1)).then(|| partition.clone());
        let spec = spec::TopNSpec {
            partition,
            order,
            start,
            end,
            with_rank,
            input_retracts: node.changes.retracts(),
            row_key: None,
            update_before: true,
            ttl_ms: self.ttl_ms,
            input: input_schema,
            output,
        };
        Ok(one(Op::TopN(spec), node, by, &schema, Changes::Retract, key, None))
    }
}

/// A bound on a rank.
enum Bound {
    Low(u64),
    High(RankEnd),
    Exact(u64),
}

fn rank_bound(
    conjunct: &Expr,
    is_rank: &impl Fn(usize) -> bool,
    exprs: &[Expr],
    source_width: usize,
) -> Option<Bound> {
    let ExprNode::Call(call) = &conjunct.node else { return None };
    let [a, b] = call.args.as_slice() else { return None };
    let plain = |e: &Expr| -> Expr {
        match &e.node {
            // A comparison of BIGINT with INT casts one of them.
            ExprNode::Cast { input, .. } => (**input).clone(),
            _ => e.clone(),
        }
    };
    let (a, b) = (plain(a), plain(b));
    let rank = |e: &Expr| matches!(e.node, ExprNode::Column(c) if is_rank(c));
    let (other, op) = match (rank(&a), rank(&b)) {
        (true, false) => (b, call.function.name().to_owned()),
        (false, true) => {
            let turned = match call.function.name() {
                "<" => ">",
                "<=" => ">=",
                ">" => "<",
                ">=" => "<=",
                name => name,
            };
            (a, turned.to_owned())
        }
        _ => return None,
    };
    if let Some(Value::Int(n)) = other.as_literal() {
        let n = u64::try_from(*n).unwrap_or(0);
        return Some(match op.as_str() {
            "<=" => Bound::High(RankEnd::Constant(n)),
            "<" => Bound::High(RankEnd::Constant(n.saturating_sub(1))),
            "=" => Bound::Exact(n),
            ">=" => Bound::Low(n),
            ">" => Bound::Low(n + 1),
            _ => return None,
        });
    }
    let ExprNode::Column(c) = other.node else { return None };
    let ExprNode::Column(source) = exprs.get(c)?.node else { return None };
    let fits = source < source_width && other.ty.kind == TypeKind::BigInt;
    (op == "<=" && fits).then_some(Bound::High(RankEnd::Column(source)))
}

/// A node with one input.
fn one(
    op: Op,
    input: Node,
    by: Distribution,
    schema: &Schema,
    changes: Changes,
    key: Option<Vec<usize>>,
    window: Option<WindowColumns>,
) -> Node {
    Node { op, inputs: vec![(input, by)], schema: schema.clone(), changes, key, window }
}

/// Expressions over the rows of `input`; nothing when they are its columns.
pub(crate) fn calc(input: Node, condition: Option<Expr>, exprs: Vec<Expr>, schema: Schema) -> Node {
    let column = |e: &Expr| match e.node {
        ExprNode::Column(i) => Some(i),
        _ => None,
    };
    let identity = condition.is_none()
        && exprs.len() == input.schema.len()
        && exprs.iter().enumerate().all(|(i, e)| column(e) == Some(i));
    let (changes, key, window) = (input.changes, input.key.clone(), input.window.clone());
    if identity {
        return Node { schema, ..input };
    }
    let to = |i: usize| exprs.iter().position(|e| column(e) == Some(i));
    let key = key.and_then(|k| k.into_iter().map(to).collect());
    let window = window.and_then(|w| w.mapped(to));
    let op = Op::Calc { condition, exprs };
    one(op, input, Distribution::Forward, &schema, changes, key, window)
}

fn needed_by(width: usize, exprs: &[Expr], needed: &[Needed]) -> Vec<Needed> {
    let mut wanted = vec![Needed::No; width];
    exprs.iter().zip(needed).for_each(|(e, needed)| add_needed(e, needed, &mut wanted));
    wanted
}

/// Adds what an expression reads, when `needed` of its result is; fields of ROWs one by one.
fn add_needed(expr: &Expr, needed: &Needed, wanted: &mut [Needed]) {
    match (&expr.node, needed) {
        (_, Needed::No) => {}
        (ExprNode::Column(i), needed) => {
            if let Some(column) = wanted.get_mut(*i) {
                column.add(needed);
            }
        }
        (ExprNode::Field { row, index }, needed) => match &row.ty.kind {
            TypeKind::Row(fields) => {
                let of = |i: usize| if i == *index { needed.clone() } else { Needed::No };
                let fields = Needed::Fields((0..fields.len()).map(of).collect());
                add_needed(row, &fields, wanted);
            }
            _ => add_needed(row, &Needed::All, wanted),
        },
        _ => expr.children().into_iter().for_each(|e| add_needed(e, &Needed::All, wanted)),
    }
}

/// Whether an aggregate reads a column of its input.
fn reads(keys: &[usize], calls: &[AggregateCall], column: usize) -> bool {
    keys.contains(&column)
        || calls.iter().any(|c| c.args.contains(&column) || c.filter == Some(column))
}

fn sort_columns(keys: &[SortKey]) -> Vec<SortColumn> {
    let one = |k: &SortKey| SortColumn {
        column: k.column,
        descending: !k.ascending,
        nulls_first: k.nulls_first,
    };
    keys.iter().map(one).collect()
}

fn spec_kind(kind: JoinKind) -> spec::JoinKind {
    match kind {
        JoinKind::Inner => spec::JoinKind::Inner,
        JoinKind::Left => spec::JoinKind::Left,
        JoinKind::Right => spec::JoinKind::Right,
        JoinKind::Full => spec::JoinKind::Full,
        JoinKind::Semi => spec::JoinKind::Semi,
        JoinKind::Anti => spec::JoinKind::Anti,
    }
}

fn assigner(kind: &WindowKind) -> WindowAssigner {
    match *kind {
        WindowKind::Tumble { size_ms, offset_ms } => WindowAssigner::Tumble { size_ms, offset_ms },
        WindowKind::Hop { slide_ms, size_ms, offset_ms } => {
            WindowAssigner::Hop { slide_ms, size_ms, offset_ms }
        }
        WindowKind::Cumulate { step_ms, max_ms, offset_ms } => {
            WindowAssigner::Cumulate { step_ms, size_ms: max_ms, offset_ms }
        }
        WindowKind::Session { gap_ms } => WindowAssigner::Session { gap_ms },
    }
}

/// The input of a window function below projections and filters, the window, and both in
/// terms of the function's columns.
fn below_window(rel: &Rel) -> Option<(&Rel, &Window, Vec<Expr>, Vec<Expr>)> {
    match rel {
        Rel::WindowTable { input, window, .. } => Some((input, window, rel.columns(), vec![])),
        Rel::Filter { input, condition } => {
            let (base, window, exprs, mut filters) = below_window(input)?;
            filters.extend(conjuncts(substitute(condition.clone(), &exprs)));
            Some((base, window, exprs, filters))
        }
        Rel::Project { input, exprs, .. } => {
            let (base, window, below, filters) = below_window(input)?;
            let exprs = exprs.iter().map(|e| substitute(e.clone(), &below)).collect();
            Some((base, window, exprs, filters))
        }
        _ => None,
    }
}

/// The values of a relation that is one constant row.
fn single_row(rel: &Rel) -> Option<Vec<Expr>> {
    match rel {
        Rel::Values { rows, .. } => match rows.as_slice() {
            [row] => Some(row.clone()),
            _ => None,
        },
        Rel::Project { input, exprs, .. } => {
            let row = single_row(input)?;
            Some(exprs.iter().map(|e| substitute(e.clone(), &row)).collect())
        }
        _ => None,
    }
}

/// `expr` with `exprs` in place of its columns.
pub(crate) fn substitute(expr: Expr, exprs: &[Expr]) -> Expr {
    expr.transform(&mut |e| match e.node {
        ExprNode::Column(i) => match exprs.get(i) {
            Some(with) => Expr { node: with.node.clone(), ty: e.ty },
            None => e,
        },
        _ => e,
    })
}
