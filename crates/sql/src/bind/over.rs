//! `OVER`: ranking functions and aggregates over frames.
//!
//! Source: Flink's "Over Aggregation", "Top-N" and "Deduplication" pages: frames end at
//! the current row; without a frame, RANGE UNBOUNDED PRECEDING.

use super::Binder;
use super::aggregate::PendingAggregate;
use super::expr::{Cx, OVERS};
use crate::dialect::Span;
use crate::dialect::ast::{self, Bound, Call, Frame, WindowRef, WindowSpec};
use crate::expr::Expr;
use crate::plan::logical::{
    AggregateCall, Field, FrameBound, OverFunction, OverGroup, Rel, SortKey,
};
use crate::types::SqlType;
use crate::value::Value;
use millstream_core::{Error, Result};

/// An order over expressions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingKey {
    pub(crate) expr: Expr,
    pub(crate) ascending: bool,
    pub(crate) nulls_first: bool,
}

/// A window over expressions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingWindow {
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<PendingKey>,
    pub(crate) rows: bool,
    pub(crate) start: FrameBound,
}

/// A function over a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PendingFunction {
    RowNumber,
    Rank,
    DenseRank,
    Aggregate(PendingAggregate),
}

/// An `OVER` found in an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingOver {
    pub(crate) window: PendingWindow,
    pub(crate) function: PendingFunction,
    pub(crate) ty: SqlType,
}

impl PendingOver {
    /// Every expression in it, to be rewritten in place.
    pub(crate) fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let mut all: Vec<&mut Expr> = self.window.partition_by.iter_mut().collect();
        all.extend(self.window.order_by.iter_mut().map(|k| &mut k.expr));
        if let PendingFunction::Aggregate(a) = &mut self.function {
            all.extend(a.args.iter_mut());
            all.extend(a.filter.iter_mut());
        }
        all
    }
}

impl Binder<'_> {
    /// A function with `OVER`, as a virtual column.
    pub(super) fn over(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        if let Some(clause) = cx.no_overs {
            let what = format!("{name} with OVER cannot stand in {clause}");
            return Err(self.fail(span, what).advice("compute it in a subquery, or use QUALIFY"));
        }
        let Some(window) = &call.over else { return Err(Error::bug("no OVER")) };
        let former = cx.no_overs.replace("an OVER clause");
        let parts = self.over_parts(name, call, window, span, cx);
        cx.no_overs = former;
        let pending = parts?;
        let ty = pending.ty.clone();
        let index = match cx.overs.iter().position(|o| *o == pending) {
            Some(index) => index,
            None => {
                cx.overs.push(pending);
                cx.overs.len() - 1
            }
        };
        let column = Expr::column(OVERS + index, ty);
        // Flink's LAG gives the default also in place of a NULL that it finds.
        match (name, call.args.get(2)) {
            ("LAG" | "LEAD", Some(default)) => {
                let default = self.expr(default, cx)?;
                self.registry.call("COALESCE", vec![column, default])
            }
            _ => Ok(column),
        }
    }

    fn over_parts(
        &self,
        name: &str,
        call: &Call,
        window: &WindowRef,
        span: Span,
        cx: &mut Cx<'_>,
    ) -> Result<PendingOver> {
        let spec = self.window_spec(window, cx)?;
        let mut pending = PendingWindow {
            partition_by: vec![],
            order_by: vec![],
            rows: false,
            start: FrameBound::UnboundedPreceding,
        };
        for e in &spec.partition_by {
            pending.partition_by.push(self.expr(e, cx)?);
        }
        for item in &spec.order_by {
            pending.order_by.push(self.order_key(item, cx)?);
        }
        if let Some(frame) = &spec.frame {
            self.frame(frame, spec.span, &mut pending, cx)?;
        }
        let number = SqlType::bigint().not_null();
        let ranking = match name {
            "ROW_NUMBER" => Some(PendingFunction::RowNumber),
            "RANK" => Some(PendingFunction::Rank),
            "DENSE_RANK" => Some(PendingFunction::DenseRank),
            _ => None,
        };
        if let Some(function) = ranking {
            if !call.args.is_empty() || spec.frame.is_some() {
                return Err(self
                    .fail(span, format!("{name} takes no arguments and no frame"))
                    .advice(format!("write {name}() OVER (PARTITION BY .. ORDER BY ..)")));
            }
            pending.rows = true;
            return Ok(PendingOver { window: pending, function, ty: number });
        }
        if pending.order_by.is_empty() {
            let what = "the window can only be ordered in ASCENDING mode by a time attribute";
            return Err(self
                .fail(spec.span, format!("OVER without ORDER BY: {what}"))
                .advice("add ORDER BY with the rowtime column"));
        }
        let aggregate = match name {
            "LAG" | "LEAD" if spec.frame.is_some() => {
                return Err(self
                    .fail(spec.span, format!("ROW/RANGE not allowed with {name}"))
                    .advice("leave the frame out"));
            }
            "LAG" | "LEAD" => self.lag(name, call, cx)?,
            _ if self.calls_an_aggregate(call) => {
                let may_be_empty = cx.group_count == Some(0) && !cx.aggregates.is_empty();
                self.pending_aggregate(name, call, cx, may_be_empty, true)?
            }
            _ => {
                return Err(self
                    .fail(span, format!("{name} is not supported with OVER"))
                    .advice("use ROW_NUMBER, RANK, DENSE_RANK, LAG, LEAD or an aggregate"));
            }
        };
        let ty = aggregate.ty.clone();
        Ok(PendingOver { window: pending, function: PendingFunction::Aggregate(aggregate), ty })
    }

    fn window_spec(&self, window: &WindowRef, cx: &Cx<'_>) -> Result<WindowSpec> {
        let named = |name: &ast::Ident| {
            cx.windows
                .iter()
                .find(|(n, _)| n.value == name.value)
                .map(|(_, s)| s.clone())
                .ok_or_else(|| {
                    let known = cx.windows.iter().map(|(n, _)| n.value.as_str());
                    let error = self.fail(name.span, format!("window '{}' not found", name.value));
                    match millstream_core::nearest::hint(&name.value, known) {
                        Some(hint) => error.advice(hint),
                        None => error.advice("define it with WINDOW name AS (...)"),
                    }
                })
        };
        match window {
            WindowRef::Named(name) => named(name),
            WindowRef::Spec(spec) => {
                let Some(base) = &spec.base else { return Ok(spec.clone()) };
                let base = named(base)?;
                let mut spec = spec.clone();
                spec.partition_by = base.partition_by;
                if spec.order_by.is_empty() {
                    spec.order_by = base.order_by;
                }
                spec.frame = spec.frame.or(base.frame);
                Ok(spec)
            }
        }
    }

    /// An element of `ORDER BY`. NULL is smaller than everything, unless said otherwise.
    pub(super) fn order_key(&self, item: &ast::OrderItem, cx: &mut Cx<'_>) -> Result<PendingKey> {
        Ok(PendingKey {
            expr: self.expr(&item.expr, cx)?,
            ascending: item.ascending,
            nulls_first: item.nulls_first.unwrap_or(item.ascending),
        })
    }

    fn frame(
        &self,
        frame: &Frame,
        span: Span,
        pending: &mut PendingWindow,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        pending.rows = frame.rows;
        if frame.end != Bound::CurrentRow {
            return Err(self
                .fail(span, "OVER windows only support frames that end at CURRENT ROW")
                .advice("write BETWEEN ... AND CURRENT ROW"));
        }
        pending.start = match &frame.start {
            Bound::UnboundedPreceding => FrameBound::UnboundedPreceding,
            Bound::CurrentRow => FrameBound::CurrentRow,
            Bound::Preceding(amount) => {
                let value = self.expr(amount, cx)?;
                let wanted = if frame.rows { "a whole number" } else { "an interval" };
                let amount = match value.as_literal() {
                    Some(Value::Int(n)) if frame.rows && *n >= 0 => *n,
                    Some(Value::Interval(ms)) if !frame.rows && *ms >= 0 => *ms,
                    _ => {
                        let what = format!("the bound of the frame must be {wanted}");
                        return Err(self.fail(amount.span, what).advice(
                            "for example ROWS 10 PRECEDING, RANGE INTERVAL '1' HOUR PRECEDING",
                        ));
                    }
                };
                FrameBound::Preceding(amount)
            }
            _ => {
                return Err(self
                    .fail(span, "a frame cannot begin behind the current row")
                    .advice("begin it with PRECEDING or CURRENT ROW"));
            }
        };
        Ok(())
    }

    /// `LAG(x [, offset [, default]])`.
    fn lag(&self, name: &str, call: &Call, cx: &mut Cx<'_>) -> Result<PendingAggregate> {
        let wrong = |what: &str| {
            Error::config(format!("{name} {what}")).advice(format!("write {name}(x, 1, default)"))
        };
        if call.args.is_empty() || call.args.len() > 3 {
            return Err(wrong("takes one to three arguments"));
        }
        let mut args = call.args.iter().map(|a| self.expr(a, cx)).collect::<Result<Vec<_>>>()?;
        let ty = args[0].ty.clone().null_allowed().computed();
        let offset = match args.get(1).map(|o| o.as_literal().cloned()) {
            None => 1,
            Some(Some(Value::Int(n))) if n >= 0 => n,
            Some(_) => return Err(wrong("needs a whole number as its offset")),
        };
        args.truncate(1);
        Ok(PendingAggregate {
            function: name.to_owned(),
            args,
            distinct: false,
            filter: None,
            options: vec![offset.to_string()],
            ty,
        })
    }
}

/// The input with the columns that windows need, then the columns of the functions: which
/// of those is of which function.
pub(super) fn over_rel(rel: Rel, overs: Vec<PendingOver>) -> (Rel, Vec<usize>) {
    let base = rel.schema().len();
    let mut exprs = rel.columns();
    let mut names: Vec<String> = rel.schema().iter().map(|f| f.name.clone()).collect();
    let mut column_of = |e: &Expr| -> usize {
        if let Some(at) = exprs.iter().position(|x| x == e) {
            return at;
        }
        names.push(format!("$over{}", exprs.len()));
        exprs.push(e.clone());
        exprs.len() - 1
    };
    let mut groups: Vec<OverGroup> = vec![];
    let mut places = vec![];
    for over in &overs {
        let partition_by: Vec<usize> =
            over.window.partition_by.iter().map(&mut column_of).collect();
        let order_by: Vec<SortKey> = over
            .window
            .order_by
            .iter()
            .map(|k| SortKey {
                column: column_of(&k.expr),
                ascending: k.ascending,
                nulls_first: k.nulls_first,
            })
            .collect();
        let function = match &over.function {
            PendingFunction::RowNumber => OverFunction::RowNumber,
            PendingFunction::Rank => OverFunction::Rank,
            PendingFunction::DenseRank => OverFunction::DenseRank,
            PendingFunction::Aggregate(a) => OverFunction::Aggregate(AggregateCall {
                function: a.function.clone(),
                args: a.args.iter().map(&mut column_of).collect(),
                distinct: a.distinct,
                filter: a.filter.as_ref().map(&mut column_of),
                options: a.options.clone(),
                ty: a.ty.clone(),
            }),
        };
        let (rows, start) = (over.window.rows, over.window.start);
        let same = |g: &OverGroup| {
            g.partition_by == partition_by
                && g.order_by == order_by
                && g.rows == rows
                && g.start == start
        };
        let at = match groups.iter().position(same) {
            Some(at) => at,
            None => {
                let calls = vec![];
                groups.push(OverGroup { partition_by, order_by, rows, start, calls });
                groups.len() - 1
            }
        };
        groups[at].calls.push((function, over.ty.clone()));
        places.push((at, groups[at].calls.len() - 1));
    }
    let width = exprs.len();
    let input = if width > base { Rel::project(rel, exprs, names) } else { rel };
    let mut schema = input.schema().clone();
    let mut starts = vec![];
    for group in &groups {
        starts.push(schema.len());
        for (_, ty) in &group.calls {
            schema.push(Field { name: format!("w{}", schema.len()), ty: ty.clone() });
        }
    }
    let columns = places.iter().map(|(g, c)| starts[*g] + c - base).collect();
    (Rel::Over { input: Box::new(input), groups, schema }, columns)
}
