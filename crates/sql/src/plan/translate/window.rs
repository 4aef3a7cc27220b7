//! Windows: table functions, aggregates by window, the older group windows.

use super::*;

impl Translator<'_> {
    /// An aggregate over a window table function, when it is grouped by the window.
    pub(super) fn window_aggregate(
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
            // Sessions are of the partition keys of the function: another grouping takes the
            // rows that carry their session.
            let grouped: Vec<usize> = keys
                .iter()
                .filter(|k| part(**k).is_none())
                .map(|k| match exprs[*k].node {
                    ExprNode::Column(c) => c,
                    _ => usize::MAX,
                })
                .collect();
            let same_keys = grouped.iter().all(|k| window.partition_by.contains(k))
                && window.partition_by.iter().all(|k| grouped.contains(k));
            if matches!(window.kind, WindowKind::Session { .. }) && !same_keys {
                return Ok(None);
            }
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
                let domain = WindowTime::of(&time_field.ty, time);
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
                        domain,
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
        // Windows of processing time that ended in the past: their columns are but columns.
        let Some(columns) = node.window.clone().filter(|w| !w.by_clock) else { return Ok(None) };
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
        let rowtime = columns.time.unwrap_or(end);
        let time = WindowTime { domain: TimeDomain::Event { rowtime }, ltz: columns.ltz };
        self.window_aggregate_node(
            node,
            assigner,
            time,
            &columns.kind,
            spec_keys,
            calls,
            &parts,
            schema,
        )
        .map(Some)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn window_aggregate_node(
        &self,
        node: Node,
        window: WindowAssigner,
        time: WindowTime,
        kind: &WindowKind,
        keys: Vec<usize>,
        calls: &[AggregateCall],
        parts: &[Option<WindowPart>],
        schema: &Schema,
    ) -> Result<Node> {
        let calls =
            calls.iter().map(|c| self.agg_call(c, &node.schema)).collect::<Result<Vec<_>>>()?;
        let window_columns = vec![WindowColumn::Start, WindowColumn::End, WindowColumn::Time];
        let (ltz, by_clock) = (time.ltz, time.by_clock());
        let time_type = if ltz { SqlType::timestamp_ltz(3) } else { SqlType::timestamp(3) };
        let attribute = if by_clock { TimeAttribute::Proctime } else { TimeAttribute::Rowtime };
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
            ("window_time", time_type.not_null().with_attribute(attribute)),
        ] {
            output.push(Field { name: name.into(), ty });
        }
        let spec = spec::WindowAggregateSpec {
            window,
            time: time.domain,
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
            by_clock,
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

    pub(super) fn group_window(
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
        let time = WindowTime::of(&node.schema[window.time_column].ty, window.time_column);
        let column = |p: &WindowPart| match p {
            WindowPart::Start => WindowColumn::Start,
            WindowPart::End => WindowColumn::End,
            WindowPart::Time => WindowColumn::Time,
        };
        let spec = spec::WindowAggregateSpec {
            window: assigner(&window.kind),
            time: time.domain,
            local_time: self.local_time(time.ltz),
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

    pub(super) fn window_table(
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
        let time = WindowTime::of(&node.schema[window.time_column].ty, window.time_column);
        let by_clock = time.by_clock();
        let ltz = time.ltz;
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
            by_clock,
        };
        let spec = spec::WindowTableSpec {
            window: assigner(&window.kind),
            time: time.domain,
            local_time: self.local_time(ltz),
            partition: window.partition_by.clone(),
            output: arrow_schema(schema),
        };
        let changes = node.changes;
        Ok(one(Op::WindowTable(spec), node, by, schema, changes, None, Some(columns)))
    }
}

/// The time that windows follow.
pub(super) struct WindowTime {
    domain: TimeDomain,
    /// Whether it is an instant, aligned on the session's local clock.
    ltz: bool,
}

impl WindowTime {
    /// Of the time attribute in a column.
    fn of(ty: &SqlType, column: usize) -> Self {
        let domain = match ty.attribute {
            TimeAttribute::Proctime => TimeDomain::Processing,
            _ => TimeDomain::Event { rowtime: column },
        };
        WindowTime { domain, ltz: matches!(ty.kind, TypeKind::TimestampLtz(_)) }
    }
    fn by_clock(&self) -> bool {
        matches!(self.domain, TimeDomain::Processing)
    }
}

pub(super) fn assigner(kind: &WindowKind) -> WindowAssigner {
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
pub(super) fn below_window(rel: &Rel) -> Option<(&Rel, &Window, Vec<Expr>, Vec<Expr>)> {
    match rel {
        Rel::WindowTable { input, window, .. } => Some((input, window, rel.columns(), vec![])),
        Rel::StateTtl { input, .. } => below_window(input),
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
