//! ORDER BY and LIMIT; filters on ROW_NUMBER: deduplication and Top-N.

use super::*;

impl Translator<'_> {
    pub(super) fn sort(
        &self,
        input: &Rel,
        keys: &[SortKey],
        offset: u64,
        limit: Option<u64>,
    ) -> Result<Node> {
        let node = self.all(input)?;
        let schema = input.schema().clone();
        let by_rowtime = keys.first().is_some_and(|k| {
            k.ascending && schema[k.column].ty.attribute == TimeAttribute::Rowtime
        });
        let input_schema = arrow_schema(&schema);
        if limit.is_none() && offset == 0 {
            // Rows come in the order of processing time.
            if let [key] = keys
                && key.ascending
                && schema[key.column].ty.attribute == TimeAttribute::Proctime
                && !node.changes.retracts()
            {
                return Ok(node);
            }
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
    pub(super) fn rank(
        &self,
        input: &Rel,
        condition: &Expr,
        needed: &[Needed],
    ) -> Result<Option<Node>> {
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
        // The first by time is a deduplication, also when somebody reads that its rank is 1.
        let by_time = |k: &SortKey| node.schema[k.column].ty.is_time_attribute();
        let first = start == 1
            && matches!(end, RankEnd::Constant(1))
            && matches!(group.order_by.as_slice(), [k] if by_time(k));
        let with_rank = with_rank && !first;
        let node = self.rank_node(node, group, start, end, with_rank, over_schema)?;
        // The projection above, with 1 for the rank where the operator gives none.
        let one = |e: Expr| match e.node {
            ExprNode::Column(c) if c == rank_column => Expr { ty: e.ty, ..Expr::bigint(1) },
            _ => e,
        };
        let exprs: Vec<Expr> = match with_rank {
            true => exprs,
            false => exprs.into_iter().map(|e| e.transform(&mut |e| one(e))).collect(),
        };
        let node = calc(node, None, exprs, input.schema().clone());
        if rest.is_empty() {
            return Ok(Some(node));
        }
        let columns = input.columns();
        Ok(Some(calc(node, Some(Expr::and(rest)), columns, input.schema().clone())))
    }

    pub(super) fn rank_node(
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
            if window.by_clock {
                return Err(Error::config("Processing time Window TopN is not supported yet.")
                    .advice("use a rowtime column, or leave window_start out of PARTITION BY"));
            }
            let is_window = |c: &usize| {
                Some(*c) == window.start || Some(*c) == window.end || Some(*c) == window.time
            };
            let keys: Vec<usize> = partition.into_iter().filter(|c| !is_window(c)).collect();
            let by_time =
                |k: &SortKey| !k.ascending && node.schema[k.column].ty.is_time_attribute();
            let keeps_last = matches!(group.order_by.as_slice(), [k] if by_time(k));
            let by = Distribution::by(&keys);
            let spec = spec::WindowRankSpec {
                partition: keys,
                order,
                start,
                end: last,
                newest_first: keeps_last && last == 1 && !with_rank,
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
            [k] => Some(&node.schema[k.column].ty)
                .filter(|ty| ty.is_time_attribute())
                .map(|ty| ty.attribute),
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
pub(super) enum Bound {
    Low(u64),
    High(RankEnd),
    Exact(u64),
}

pub(super) fn rank_bound(
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

pub(super) fn sort_columns(keys: &[SortKey]) -> Vec<SortColumn> {
    let one = |k: &SortKey| SortColumn {
        column: k.column,
        descending: !k.ascending,
        nulls_first: k.nulls_first,
    };
    keys.iter().map(one).collect()
}
