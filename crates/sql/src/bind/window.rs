//! Windows: the table functions TUMBLE, HOP, CUMULATE and SESSION, and the older
//! `GROUP BY TUMBLE(ts, ...)`.
//!
//! Source: Flink's "Windowing TVF" and "Group Window Aggregation" pages.

use super::Binder;
use super::expr::Cx;
use super::scope::Scope;
use crate::dialect::Span;
use crate::dialect::ast::{self, Call, ExprKind, Ident, TableRef};
use crate::expr::{Expr, Node};
use crate::plan::logical::{Field, Rel, Window, WindowKind};
use crate::types::{SqlType, TimeAttribute, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};

/// Names of the arguments of each function, in order.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("TUMBLE", &["DATA", "TIMECOL", "SIZE", "OFFSET"]),
    ("HOP", &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"]),
    ("CUMULATE", &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"]),
    ("SESSION", &["DATA", "TIMECOL", "GAP"]),
];

impl Binder<'_> {
    /// `TABLE(f(...))`: a window function over a table.
    pub(super) fn table_function(&self, call: &ast::Expr) -> Result<(Rel, String)> {
        let ExprKind::Call(inner) = &call.kind else {
            return Err(self
                .fail(call.span, "TABLE(...) needs a call of a table function")
                .advice("for example TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))"));
        };
        let name = inner.name.to_string().to_ascii_uppercase();
        let Some((_, names)) = ARGUMENTS.iter().find(|(n, _)| *n == name) else {
            let known = ARGUMENTS.iter().map(|(n, _)| *n);
            let error = self.fail(call.span, format!("no table function is called {name}"));
            return Err(match millstream_core::nearest::hint(&name, known) {
                Some(hint) => error.advice(hint),
                None => error.advice("use TUMBLE, HOP, CUMULATE or SESSION"),
            });
        };
        let args = self.arguments(inner, names, call.span)?;
        let missing = |name: &str| {
            self.fail(call.span, format!("{} needs the argument {name}", inner.name))
                .advice(format!("its arguments are: {}", names.join(", ")))
        };
        let data = args[0].ok_or_else(|| missing("DATA"))?;
        let time = args[1].ok_or_else(|| missing("TIMECOL"))?;
        let (input, partition_by) = self.table_argument(data)?;
        let ExprKind::Descriptor(columns) = &time.kind else {
            return Err(self.fail(time.span, "the time column must be given by DESCRIPTOR(column)"));
        };
        let [column] = columns.as_slice() else {
            return Err(self.fail(time.span, "DESCRIPTOR must name one column here"));
        };
        let time_column = self.time_column(&input, column)?;
        let span = |i: usize, name: &str| args[i].ok_or_else(|| missing(name));
        let optional = |i: usize| args.get(i).copied().flatten();
        let offset = |i: usize| optional(i).map_or(Ok(0), |e| self.milliseconds(e));
        let kind = match name.as_str() {
            "TUMBLE" => WindowKind::Tumble {
                size_ms: self.positive(span(2, "SIZE")?)?,
                offset_ms: offset(3)?,
            },
            "HOP" => WindowKind::Hop {
                slide_ms: self.positive(span(2, "SLIDE")?)?,
                size_ms: self.positive(span(3, "SIZE")?)?,
                offset_ms: offset(4)?,
            },
            "CUMULATE" => WindowKind::Cumulate {
                step_ms: self.positive(span(2, "STEP")?)?,
                max_ms: self.positive(span(3, "SIZE")?)?,
                offset_ms: offset(4)?,
            },
            _ => WindowKind::Session { gap_ms: self.positive(span(2, "GAP")?)? },
        };
        self.check_window(&kind, call.span)?;
        let window = Window { kind, time_column, partition_by };
        let ty = &input.schema()[time_column].ty;
        let stamp = SqlType::timestamp(3).not_null();
        let time_type = match ty.kind {
            TypeKind::TimestampLtz(_) => SqlType::timestamp_ltz(3),
            _ => SqlType::timestamp(3),
        };
        let time_type = time_type.not_null().with_attribute(ty.attribute);
        let mut schema = input.schema().clone();
        for (name, ty) in
            [("window_start", stamp.clone()), ("window_end", stamp), ("window_time", time_type)]
        {
            schema.push(Field { name: name.into(), ty });
        }
        let rel = Rel::WindowTable { input: Box::new(input), window, schema };
        Ok((rel, name))
    }

    fn check_window(&self, kind: &WindowKind, span: Span) -> Result<()> {
        if let WindowKind::Cumulate { step_ms, max_ms, .. } = kind
            && max_ms % step_ms != 0
        {
            let what = "CUMULATE: the size must be a multiple of the step";
            return Err(self.fail(span, what).advice("change one of the two"));
        }
        Ok(())
    }

    fn arguments<'e>(
        &self,
        call: &'e Call,
        names: &[&str],
        span: Span,
    ) -> Result<Vec<Option<&'e ast::Expr>>> {
        let mut args: Vec<Option<&ast::Expr>> = vec![None; names.len()];
        for (i, arg) in call.args.iter().enumerate() {
            let (index, value) = match &arg.kind {
                ExprKind::Named(name, value) => {
                    let at = names.iter().position(|n| n.eq_ignore_ascii_case(&name.value));
                    let index = at.ok_or_else(|| {
                        let error =
                            self.fail(name.span, format!("no argument is called {}", name.value));
                        error.advice(format!("the arguments are: {}", names.join(", ")))
                    })?;
                    (index, &**value)
                }
                _ => (i, arg),
            };
            match args.get_mut(index) {
                Some(place) if place.is_none() => *place = Some(value),
                _ => {
                    return Err(self
                        .fail(span, format!("{} has too many arguments", call.name))
                        .advice(format!("the arguments are: {}", names.join(", "))));
                }
            }
        }
        Ok(args)
    }

    fn table_argument(&self, arg: &ast::Expr) -> Result<(Rel, Vec<usize>)> {
        let (rel, scope, partition) = match &arg.kind {
            ExprKind::TableArg { name, query, partition_by, order_by } => {
                if !order_by.is_empty() {
                    return Err(self
                        .fail(arg.span, "ORDER BY cannot stand here")
                        .advice("windows take rows by their time"));
                }
                let (rel, scope) = match query {
                    Some(query) => {
                        let rel = self.query(query)?;
                        let scope = Scope::of_table(&[], rel.schema());
                        (rel, scope)
                    }
                    None => self.from(&TableRef::Table {
                        name: name.clone(),
                        hints: vec![],
                        as_of: None,
                        alias: None,
                    })?,
                };
                (rel, scope, partition_by.as_slice())
            }
            ExprKind::Scalar(query) => {
                let rel = self.query(query)?;
                let scope = Scope::of_table(&[], rel.schema());
                (rel, scope, [].as_slice())
            }
            _ => {
                return Err(self
                    .fail(arg.span, "the first argument must be a table")
                    .advice("write TABLE name, or a query in parentheses"));
            }
        };
        let mut columns = vec![];
        for e in partition {
            let mut cx = Cx::plain(&scope, "PARTITION BY");
            match self.expr(e, &mut cx)?.node {
                Node::Column(i) => columns.push(i),
                _ => return Err(self.fail(e.span, "PARTITION BY takes columns here")),
            }
        }
        Ok((rel, columns))
    }

    fn time_column(&self, input: &Rel, column: &Ident) -> Result<usize> {
        let schema = input.schema();
        let Some(index) = schema.iter().position(|f| f.name == column.value) else {
            let names = schema.iter().map(|f| f.name.as_str());
            let error = self.fail(column.span, format!("column '{}' not found", column.value));
            return Err(match millstream_core::nearest::hint(&column.value, names) {
                Some(hint) => error.advice(hint),
                None => error.advice("name a column of the table"),
            });
        };
        self.need_time(&schema[index].ty, column.span)?;
        Ok(index)
    }

    fn need_time(&self, ty: &SqlType, span: Span) -> Result<()> {
        match ty.attribute {
            TimeAttribute::Rowtime | TimeAttribute::Proctime => Ok(()),
            TimeAttribute::None | TimeAttribute::Former => {
                let what = format!(
                    "the window function requires the timecol is a time attribute type, but is {ty}"
                );
                Err(self.fail(span, what).advice(
                    "use the column that has WATERMARK FOR, as it is: a cast or computation \
                     makes it an ordinary timestamp",
                ))
            }
        }
    }

    /// A constant interval in milliseconds.
    fn milliseconds(&self, e: &ast::Expr) -> Result<i64> {
        let scope = Scope::default();
        let mut cx = Cx::plain(&scope, "a window");
        let value = self.expr(e, &mut cx)?;
        let value = crate::expr::fold(value, &crate::expr::EvalContext::utc())?;
        match (value.as_literal(), &value.ty.kind) {
            (Some(Value::Interval(ms)), TypeKind::IntervalDaySecond) => Ok(*ms),
            (Some(Value::Interval(_)), _) => Err(self
                .fail(e.span, "a window cannot be measured in months or years")
                .advice("use days, hours, minutes or seconds")),
            _ => Err(self
                .fail(e.span, "the size of a window must be a constant interval")
                .advice("for example INTERVAL '5' MINUTE")),
        }
    }

    fn positive(&self, e: &ast::Expr) -> Result<i64> {
        match self.milliseconds(e)? {
            ms if ms > 0 => Ok(ms),
            ms => Err(self
                .fail(e.span, format!("a window cannot be {ms} ms long"))
                .advice("use an interval above 0")),
        }
    }

    /// `TUMBLE(ts, INTERVAL ..)` in `GROUP BY`: the window, with the time as an expression.
    pub(super) fn group_window(
        &self,
        call: &Call,
        scope: &Scope,
        span: Span,
    ) -> Result<(String, WindowKind, Expr)> {
        let name = call.name.to_string().to_ascii_uppercase();
        let mut cx = Cx::plain(scope, "GROUP BY");
        let wrong = || {
            self.fail(span, format!("{name} takes a time attribute and intervals"))
                .advice("for example TUMBLE(ts, INTERVAL '1' HOUR)")
        };
        let (time, intervals) = call.args.split_first().ok_or_else(wrong)?;
        let bound = self.expr(time, &mut cx)?;
        // A rowtime that went through a join of tables still has its watermarks.
        if bound.ty.attribute != TimeAttribute::Former || !matches!(bound.node, Node::Column(_)) {
            self.need_time(&bound.ty, time.span)?;
        }
        let sizes = intervals.iter().map(|e| self.positive(e)).collect::<Result<Vec<_>>>()?;
        let kind = match (name.as_str(), sizes.as_slice()) {
            ("TUMBLE", [size_ms]) => WindowKind::Tumble { size_ms: *size_ms, offset_ms: 0 },
            ("HOP", [slide_ms, size_ms]) => {
                WindowKind::Hop { slide_ms: *slide_ms, size_ms: *size_ms, offset_ms: 0 }
            }
            ("SESSION", [gap_ms]) => WindowKind::Session { gap_ms: *gap_ms },
            _ => return Err(wrong()),
        };
        Ok((name, kind, bound))
    }
}

/// Whether a call in `GROUP BY` is one of the older group windows.
pub(super) fn is_group_window(call: &Call) -> bool {
    let name = call.name.to_string().to_ascii_uppercase();
    matches!(name.as_str(), "TUMBLE" | "HOP" | "SESSION")
}

/// The error for a time that is not a plain column.
pub(super) fn time_expression() -> Error {
    Error::config("the time of a group window must be a column")
        .advice("compute it in a subquery, or use the rowtime column")
}
