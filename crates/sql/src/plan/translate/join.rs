//! Joins: window, interval, updating and temporal; UNNEST; set operations.

use super::*;

impl Translator<'_> {
    /// Both sides with their keys as columns behind their own.
    pub(super) fn keyed(&self, node: Node, keys: Vec<Expr>) -> (Node, Vec<usize>) {
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

    pub(super) fn join(
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
            if columns.by_clock {
                return Err(Error::config("Processing time Window Join is not supported yet.")
                    .advice("use windows over a rowtime column"));
            }
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
            let by_clock = left.schema()[bounds.left_time].ty.attribute == TimeAttribute::Proctime;
            let spec = spec::IntervalJoinSpec {
                kind: spec_kind,
                keys,
                condition: predicate,
                lower_ms: -bounds.upper_ms,
                upper_ms: -bounds.lower_ms,
                rowtimes: (!by_clock).then_some((bounds.left_time, bounds.right_time)),
                left: left_schema,
                right: right_schema,
                output: out,
            };
            (Op::IntervalJoin(spec), Changes::Append)
        } else {
            let side = |node: &Node, rel: &Rel, schema: SchemaRef| JoinSide {
                schema,
                unique_key: node.key.clone().filter(|_| node.changes.retracts()),
                appends: node.changes == Changes::Append,
                ttl_ms: self.ttl_of(rel),
            };
            let ls = side(&left_node, left, left_schema);
            let rs = side(&right_node, right, right_schema);
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
    pub(super) fn window_pair(
        &self,
        left: &Node,
        right: &Node,
        equal: &mut Vec<(Expr, Expr, bool)>,
    ) -> Option<(usize, usize, WindowColumns)> {
        let (l, r) = (left.window.as_ref()?, right.window.as_ref()?);
        // Windows of two kinds or sizes are but columns: their ends do not close together.
        if l.kind != r.kind || l.ltz != r.ltz || l.by_clock != r.by_clock {
            return None;
        }
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

    pub(super) fn temporal_join(
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
        // Changes of the left side are joined as what they are: a row that is taken back has the
        // time, and so the version, that it had when it came.
        let changes = left_node.changes;
        if changes == Changes::Upsert {
            return Err(Error::config(
                "a temporal join does not take changes by key without the former rows on its left side",
            )
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
            changes,
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

    pub(super) fn unnest(
        &self,
        input: &Rel,
        expr: &Expr,
        with_ordinality: bool,
        outer: bool,
        on: &[Expr],
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
        let at = |i: usize| if i < width { i } else { wide + i - width };
        let on = on.iter().map(|c| c.clone().map_columns(&at)).collect();
        let spec = spec::CorrelateSpec {
            correlation: spec::Correlation::Unnest { column, multiset, with_ordinality },
            outer,
            condition: self.predicate(on),
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

    pub(super) fn table_function(
        &self,
        input: &Rel,
        function: &str,
        args: &[Expr],
        outer: bool,
        schema: &Schema,
    ) -> Result<Node> {
        let node = self.all(input)?;
        let width = node.schema.len();
        let (node, args) = self.keyed(node, args.to_vec());
        let wide = node.schema.len();
        let mut output = node.schema.clone();
        output.extend(schema[width..].iter().cloned());
        let spec = spec::CorrelateSpec {
            correlation: spec::Correlation::Function { name: function.to_owned(), args },
            outer,
            condition: None,
            output: arrow_schema(&output),
        };
        let (changes, window) = (node.changes, node.window.clone());
        let op = Op::Correlate(spec);
        let node = one(op, node, Distribution::Forward, &output, changes, None, window);
        let at = |i: usize| if i < width { i } else { wide + i - width };
        let exprs = (0..schema.len()).map(|i| Expr::column(at(i), schema[i].ty.clone())).collect();
        Ok(calc(node, None, exprs, schema.clone()))
    }

    pub(super) fn set_op(
        &self,
        op: SetOp,
        all: bool,
        inputs: &[Rel],
        schema: &Schema,
    ) -> Result<Node> {
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
}

pub(super) fn spec_kind(kind: JoinKind) -> spec::JoinKind {
    match kind {
        JoinKind::Inner => spec::JoinKind::Inner,
        JoinKind::Left => spec::JoinKind::Left,
        JoinKind::Right => spec::JoinKind::Right,
        JoinKind::Full => spec::JoinKind::Full,
        JoinKind::Semi => spec::JoinKind::Semi,
        JoinKind::Anti => spec::JoinKind::Anti,
    }
}
