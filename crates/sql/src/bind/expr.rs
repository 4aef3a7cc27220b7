//! Scalar expressions: names to columns, operators and calls to typed expressions.
//!
//! Aggregates, `OVER` functions, scalar subqueries and columns of an outer query are put
//! aside in the [`Cx`], and stand in the expression as *virtual columns* with indices from
//! a base of their own; the query binder ([`super::query`]) makes the plan nodes that
//! compute them and puts real columns in their place.

use super::Binder;
use super::aggregate::PendingAggregate;
use super::literal;
use super::over::PendingOver;
use super::scope::Scope;
use super::subquery::ScalarQuery;
use crate::dialect::Span;
use crate::dialect::ast::{
    self, Behaviour, BinaryOp, Call, CallClause, ExprKind, Ident, Test, UnaryOp, WindowSpec,
};
use crate::expr::{EvalContext, Expr, Node, fold};
use crate::functions::json::{
    ExistsOnError, OnNull, OnProblem, Wrapper, json_array, json_exists, json_object, json_query,
    json_query_array, json_value,
};
use crate::functions::named::Kind;
use crate::plan::logical::{Rel, WindowPart};
use crate::types::{SqlType, TimeAttribute, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};

/// First index of the virtual columns of aggregates.
pub(crate) const AGGREGATES: usize = 1 << 24;
/// Of `OVER` functions.
pub(crate) const OVERS: usize = 2 << 24;
/// Of columns of an outer query; those of the query around that one begin at a distance of
/// [`LEVEL`], and so on.
pub(crate) const OUTER: usize = 3 << 24;
/// Columns that a query around can have.
const LEVEL: usize = 1 << 20;
/// Of scalar subqueries.
pub(crate) const SCALARS: usize = 4 << 24;
/// Of `GROUPING(...)`.
pub(crate) const GROUPINGS: usize = 5 << 24;
/// Of `TUMBLE_START(...)` and its kin.
pub(crate) const WINDOW_PARTS: usize = 6 << 24;
/// Behind the last.
const END: usize = 7 << 24;

/// Whether `index` is of the virtual columns that begin at `base`; then which.
pub(crate) fn virtual_index(index: usize, base: usize) -> Option<usize> {
    (base..base + AGGREGATES).contains(&index).then(|| index - base)
}
/// A column of an outer query as that query itself sees it: one of its own, or one of a query
/// around it. `None`: it is of no outer query.
pub(crate) fn as_outer_sees(index: usize) -> Option<usize> {
    let outer = virtual_index(index, OUTER)?;
    Some(outer.checked_sub(LEVEL).map_or(outer, |further| OUTER + further))
}
/// Whether a column is none of the input's.
pub(crate) fn is_virtual(index: usize) -> bool {
    (AGGREGATES..END).contains(&index)
}

/// What is found on the way through an expression. See the module.
pub(crate) struct Cx<'s> {
    /// Columns that names can mean.
    pub(crate) scope: &'s Scope,
    /// Columns of the query around this one.
    pub(crate) outer: Option<&'s Scope>,
    /// `WINDOW` clauses.
    pub(crate) windows: &'s [(Ident, WindowSpec)],
    /// What aggregates may not stand in (`WHERE`), or `None` where they may.
    pub(crate) no_aggregates: Option<&'static str>,
    /// The same for `OVER`.
    pub(crate) no_overs: Option<&'static str>,
    pub(crate) aggregates: Vec<PendingAggregate>,
    pub(crate) overs: Vec<PendingOver>,
    pub(crate) scalars: Vec<ScalarQuery>,
    /// Whether subqueries may stand here as values.
    pub(crate) takes_scalars: bool,
    /// Arguments of `GROUPING` and `GROUPING_ID`, with the type.
    pub(crate) groupings: Vec<Vec<Expr>>,
    /// Uses of `TUMBLE_START` and its kin: part, function (`TUMBLE`), arguments.
    pub(crate) window_parts: Vec<(WindowPart, String, Vec<ast::Expr>)>,
    /// Items of SELECT whose aliases mean something here (in QUALIFY).
    pub(crate) aliases: &'s [ast::SelectItem],
    /// Number of grouping keys: aggregates of NOT NULL columns are NULL only without any.
    pub(crate) group_count: Option<usize>,
}

impl<'s> Cx<'s> {
    /// Plain expressions over `scope`, in a clause where aggregates cannot stand.
    pub(crate) fn plain(scope: &'s Scope, clause: &'static str) -> Self {
        Cx {
            scope,
            outer: None,
            windows: &[],
            no_aggregates: Some(clause),
            no_overs: Some(clause),
            aggregates: vec![],
            overs: vec![],
            scalars: vec![],
            takes_scalars: false,
            groupings: vec![],
            window_parts: vec![],
            aliases: &[],
            group_count: None,
        }
    }
}

impl Binder<'_> {
    /// The typed form of `expr`.
    ///
    /// # Errors
    /// `Config`, with the place.
    pub(crate) fn expr(&self, expr: &ast::Expr, cx: &mut Cx<'_>) -> Result<Expr> {
        let bound = self.expr_inner(expr, cx).map_err(|e| self.place(e, expr.span))?;
        Ok(match bound.node {
            Node::Column(_) => bound,
            // What is computed from a time attribute is none.
            _ if bound.ty.attribute == TimeAttribute::Rowtime => {
                Expr { ty: bound.ty.computed(), node: bound.node }
            }
            _ => bound,
        })
    }

    pub(super) fn exprs(&self, list: &[ast::Expr], cx: &mut Cx<'_>) -> Result<Vec<Expr>> {
        list.iter().map(|e| self.expr(e, cx)).collect()
    }

    /// An expression that must be a condition.
    pub(crate) fn condition(
        &self,
        expr: &ast::Expr,
        cx: &mut Cx<'_>,
        clause: &str,
    ) -> Result<Expr> {
        let bound = self.expr(expr, cx)?;
        match bound.ty.kind {
            TypeKind::Boolean => Ok(bound),
            TypeKind::Null => bound.cast(SqlType::boolean(), false),
            _ => {
                let what = format!("the {clause} clause must be a condition, not {}", bound.ty);
                Err(self.fail(expr.span, what).advice("compare the value with something"))
            }
        }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        self.registry.call(name, args)
    }

    fn expr_inner(&self, expr: &ast::Expr, cx: &mut Cx<'_>) -> Result<Expr> {
        match &expr.kind {
            ExprKind::Name(parts) => self.name(parts, cx),
            ExprKind::Star(_) => {
                Err(Error::config("'*' cannot stand here").advice("name the columns"))
            }
            ExprKind::Null => Ok(Expr::null(SqlType::null())),
            ExprKind::Bool(value) => Ok(Expr::boolean(*value)),
            ExprKind::Number(text) => literal::number(text),
            ExprKind::Text(text) => Ok(Expr::text(text.clone())),
            ExprKind::Binary(digits) => Ok(literal::binary(digits)),
            ExprKind::Date(text) => literal::temporal(text, SqlType::date()),
            ExprKind::Time(text) => {
                literal::temporal(text, SqlType::time(literal::fraction_digits(text)))
            }
            ExprKind::Timestamp(text) => {
                literal::temporal(text, SqlType::timestamp(literal::fraction_digits(text)))
            }
            ExprKind::TimestampLtz(text) => {
                let ty = SqlType::timestamp_ltz(literal::fraction_digits(text));
                Expr::text(text.clone()).cast(ty, false)
            }
            ExprKind::Interval { negative, text, unit } => literal::interval(*negative, text, unit),
            ExprKind::Unary(op, inner) => {
                let inner = self.expr(inner, cx)?;
                match op {
                    UnaryOp::Plus => Ok(inner),
                    UnaryOp::Minus => self.call("-", vec![inner]),
                    UnaryOp::Not => self.call("NOT", vec![inner]),
                }
            }
            ExprKind::BinaryOp(left, op, right) => self.binary(left, *op, right, cx),
            ExprKind::And(all) => Ok(Expr::and(self.conditions(all, "AND", cx)?)),
            ExprKind::Or(all) => Ok(Expr::or(self.conditions(all, "OR", cx)?)),
            ExprKind::Is { expr, test, negated } => {
                let inner = self.expr(expr, cx)?;
                let not = if *negated { " NOT" } else { "" };
                let what = match test {
                    Test::Null => "NULL",
                    Test::True => "TRUE",
                    Test::False => "FALSE",
                    Test::Unknown => "UNKNOWN",
                    Test::JsonValue => "JSON VALUE",
                    Test::JsonObject => "JSON OBJECT",
                    Test::JsonArray => "JSON ARRAY",
                    Test::JsonScalar => "JSON SCALAR",
                };
                self.call(&format!("IS{not} {what}"), vec![inner])
            }
            ExprKind::DistinctFrom { left, right, negated } => {
                let args = vec![self.expr(left, cx)?, self.expr(right, cx)?];
                let name = if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
                self.call(name, args)
            }
            ExprKind::Between { expr, low, high, symmetric, negated } => {
                let value = self.expr(expr, cx)?;
                let (low, high) = (self.expr(low, cx)?, self.expr(high, cx)?);
                let between = |low: &Expr, high: &Expr| -> Result<Expr> {
                    Ok(Expr::and(vec![
                        self.call(">=", vec![value.clone(), low.clone()])?,
                        self.call("<=", vec![value.clone(), high.clone()])?,
                    ]))
                };
                let mut within = between(&low, &high)?;
                if *symmetric {
                    within = Expr::or(vec![within, between(&high, &low)?]);
                }
                if *negated { self.call("NOT", vec![within]) } else { Ok(within) }
            }
            ExprKind::InList { expr, list, negated } => {
                let mut args = vec![self.expr(expr, cx)?];
                for e in list {
                    args.push(self.expr(e, cx)?);
                }
                self.call(if *negated { "NOT IN" } else { "IN" }, args)
            }
            ExprKind::Like { expr, pattern, escape, similar, negated } => {
                let mut args = vec![self.expr(expr, cx)?, self.expr(pattern, cx)?];
                if let Some(escape) = escape {
                    args.push(self.expr(escape, cx)?);
                }
                let like = self.call(if *similar { "SIMILAR TO" } else { "LIKE" }, args)?;
                if *negated { self.call("NOT", vec![like]) } else { Ok(like) }
            }
            ExprKind::InQuery { .. } | ExprKind::Exists(_) | ExprKind::Quantified { .. } => {
                self.subquery_value(expr, cx)
            }
            ExprKind::Scalar(query) => self.scalar_subquery(query, cx),
            ExprKind::ArrayQuery(_) => Err(Error::config("ARRAY(query) is not supported")
                .advice("use ARRAY_AGG in a subquery")),
            ExprKind::Case { operand, branches, otherwise } => {
                let operand = operand.as_ref().map(|o| self.expr(o, cx)).transpose()?;
                let mut bound = vec![];
                for (when, then) in branches {
                    let condition = match &operand {
                        Some(operand) => {
                            let args = vec![operand.clone(), self.expr(when, cx)?];
                            self.call("=", args).map_err(|e| self.place(e, when.span))?
                        }
                        None => self.condition(when, cx, "WHEN")?,
                    };
                    bound.push((condition, self.expr(then, cx)?));
                }
                let otherwise = otherwise.as_ref().map(|o| self.expr(o, cx)).transpose()?;
                Expr::case(bound, otherwise)
            }
            ExprKind::Cast { expr, to, lenient } => {
                let inner = self.expr(expr, cx)?;
                let to = self.data_type(to)?;
                inner.cast(to, *lenient)
            }
            ExprKind::Call(call) => self.function(call, expr.span, cx),
            ExprKind::Row(list) => {
                let args = self.exprs(list, cx)?;
                self.call("ROW", args)
            }
            ExprKind::Array(list) => {
                let args = self.exprs(list, cx)?;
                self.call("ARRAY", args)
            }
            ExprKind::Map(list) => {
                let args = self.exprs(list, cx)?;
                self.call("MAP", args)
            }
            ExprKind::Index(base, index) => {
                let base = self.expr(base, cx)?;
                if let TypeKind::Row(_) = base.ty.kind {
                    let index = self.expr(index, cx)?;
                    let at = match index.as_literal() {
                        Some(Value::Int(i)) => usize::try_from(*i - 1).ok(),
                        _ => None,
                    };
                    return at.and_then(|i| base.field(i)).ok_or_else(|| {
                        Error::config("a ROW has no field of this number")
                            .advice("count its fields from 1")
                    });
                }
                let index = self.expr(index, cx)?;
                self.call("ITEM", vec![base, index])
            }
            ExprKind::Field(base, field) => {
                let base = self.expr(base, cx)?;
                self.field(base, field)
            }
            ExprKind::Symbol(word) => Ok(Expr::text(word.clone())),
            ExprKind::Named(name, _) => Err(Error::config(format!(
                "the argument '{}' cannot be given by name here",
                name.value
            ))
            .advice("give it by position")),
            ExprKind::TableArg { .. } | ExprKind::Descriptor(_) => {
                Err(Error::config("a table or DESCRIPTOR can only be given to a table function")
                    .advice("write FROM TABLE(function(...))"))
            }
        }
    }

    fn conditions(&self, all: &[ast::Expr], word: &str, cx: &mut Cx<'_>) -> Result<Vec<Expr>> {
        all.iter().map(|e| self.condition(e, cx, word)).collect()
    }

    /// The field of a ROW.
    pub(crate) fn field(&self, base: Expr, field: &Ident) -> Result<Expr> {
        let TypeKind::Row(fields) = &base.ty.kind else {
            let what = format!("'{}' is no field: {} is not a ROW", field.value, base.ty);
            return Err(self.fail(field.span, what).advice("check the column's type"));
        };
        let index = fields.iter().position(|f| f.name == field.value);
        let Some(index) = index else {
            let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            let error = self.fail(field.span, format!("a ROW has no field '{}'", field.value));
            return Err(
                match millstream_core::nearest::hint(&field.value, names.iter().copied()) {
                    Some(hint) => error.advice(hint),
                    None => error.advice(format!("its fields are: {}", names.join(", "))),
                },
            );
        };
        base.field(index).ok_or_else(|| Error::bug("a field vanished"))
    }

    fn name(&self, parts: &[Ident], cx: &mut Cx<'_>) -> Result<Expr> {
        let mut found = cx.scope.find(parts)?.map(|found| (found, cx.scope, 0));
        if let (None, Some(outer)) = (&found, cx.outer) {
            let scopes = std::iter::once(outer).chain(self.around.iter().rev());
            for (level, scope) in scopes.enumerate() {
                if let Some(there) = scope.find(parts)? {
                    found = Some((there, scope, OUTER + level * LEVEL));
                    break;
                }
            }
        }
        let Some((found, scope, base)) = found else {
            let is_alias = |item: &&ast::SelectItem, only: &Ident| {
                item.alias.as_ref().is_some_and(|alias| alias.value == only.value)
            };
            if let [only] = parts
                && let Some(item) = cx.aliases.iter().find(|item| is_alias(item, only))
            {
                return self.expr(&item.expr, cx);
            }
            if let [only] = parts
                && let Some(call) = self.bare_function(only)
            {
                return call;
            }
            return Err(cx.scope.unknown(parts));
        };
        let ty = scope.columns[found.index].ty.clone();
        let mut expr = Expr::column(base + found.index, ty);
        for field in &parts[found.parts..] {
            expr = self.field(expr, field)?;
        }
        Ok(expr)
    }

    /// A function that may be written without parentheses though its name is not reserved.
    fn bare_function(&self, name: &Ident) -> Option<Result<Expr>> {
        let upper = name.value.to_ascii_uppercase();
        matches!(upper.as_str(), "CURRENT_DATABASE" | "CURRENT_CATALOG" | "PI")
            .then(|| self.call(&upper, vec![]))
    }

    fn binary(
        &self,
        left: &ast::Expr,
        op: BinaryOp,
        right: &ast::Expr,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        if let (BinaryOp::Overlaps, ExprKind::Row(l), ExprKind::Row(r)) =
            (op, &left.kind, &right.kind)
        {
            let both: Vec<ast::Expr> = l.iter().chain(r).cloned().collect();
            return self.call("OVERLAPS", self.exprs(&both, cx)?);
        }
        let args = vec![self.expr(left, cx)?, self.expr(right, cx)?];
        self.call(op.text(), args)
    }

    fn function(&self, call: &Call, span: Span, cx: &mut Cx<'_>) -> Result<Expr> {
        let name = match call.name.0.as_slice() {
            [only] => only.value.to_ascii_uppercase(),
            [.., last] => last.value.to_ascii_uppercase(),
            [] => String::new(),
        };
        if call.over.is_some() {
            return self.over(&name, call, span, cx);
        }
        if let Some(found) = self.user_function(&call.name)
            && !matches!(found.function.0, Kind::Aggregate(_))
        {
            if call.distinct || call.filter.is_some() || !call.clauses.is_empty() {
                return Err(Error::config(format!("{name} is not an aggregate function"))
                    .advice("DISTINCT and FILTER belong to aggregates"));
            }
            let args = self.exprs(&call.args, cx)?;
            return self.registry.call_user(found, args);
        }
        if let Some((part, window)) = window_part(&name) {
            return self.window_part(part, window, call, cx);
        }
        if is_window_proctime(&name) {
            return self.call("PROCTIME", vec![]);
        }
        match name.as_str() {
            "GROUPING" | "GROUPING_ID" => {
                if let Some(clause) = cx.no_aggregates {
                    return Err(Error::config(format!("{name} cannot stand in {clause}"))
                        .advice("use it in SELECT or HAVING of a grouped query"));
                }
                let args = self.exprs(&call.args, cx)?;
                cx.groupings.push(args);
                let ty = SqlType::bigint().not_null();
                return Ok(Expr::column(GROUPINGS + cx.groupings.len() - 1, ty));
            }
            // Flink's answer is 0 for all sets of keys.
            "GROUP_ID" if call.args.is_empty() && cx.no_aggregates.is_none() => {
                return Ok(Expr::bigint(0));
            }
            "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "LAG" | "LEAD" | "NTILE" => {
                return Err(Error::config(format!("{name} needs an OVER clause"))
                    .advice("add OVER (PARTITION BY ... ORDER BY ...)"));
            }
            "TUMBLE" | "HOP" | "SESSION" | "CUMULATE" if !call.args.is_empty() => {
                return Err(Error::config(format!("{name} can only stand in GROUP BY"))
                    .advice(format!("use {name}_START and {name}_END in SELECT")));
            }
            _ => {}
        }
        if self.calls_an_aggregate(call) {
            return self.aggregate(&name, call, span, cx);
        }
        if call.distinct || call.filter.is_some() {
            return Err(Error::config(format!("{name} is not an aggregate function"))
                .advice("DISTINCT and FILTER belong to aggregates"));
        }
        let args = self.exprs(&call.args, cx)?;
        if !call.clauses.is_empty() {
            return self.json_function(&name, call, args, cx);
        }
        self.call(&name, args)
    }

    /// A JSON function with clauses.
    fn json_function(
        &self,
        name: &str,
        call: &Call,
        args: Vec<Expr>,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        let (mut on_empty, mut on_error, mut on_null) = (None, None, None);
        let (mut returning, mut wrapper) = (None, Wrapper::Without);
        for clause in &call.clauses {
            match clause {
                CallClause::Returning(ty) => returning = Some(self.data_type(ty)?),
                CallClause::OnEmpty(b) => on_empty = Some(b),
                CallClause::OnError(b) => on_error = Some(b),
                CallClause::NullOnNull => on_null = Some(OnNull::Null),
                CallClause::AbsentOnNull => on_null = Some(OnNull::Absent),
                CallClause::WithoutWrapper => wrapper = Wrapper::Without,
                CallClause::WithConditionalWrapper => wrapper = Wrapper::Conditional,
                CallClause::WithUnconditionalWrapper => wrapper = Wrapper::Unconditional,
            }
        }
        let wrong = || {
            Error::config(format!("{name} does not take this clause")).advice("remove the clause")
        };
        let mut problem = |b: Option<&Behaviour>| -> Result<OnProblem> {
            Ok(match b {
                None | Some(Behaviour::Null) => OnProblem::Null,
                Some(Behaviour::Error) => OnProblem::Error,
                Some(Behaviour::EmptyArray) => OnProblem::EmptyArray,
                Some(Behaviour::EmptyObject) => OnProblem::EmptyObject,
                Some(Behaviour::Default(value)) => {
                    OnProblem::Default(Box::new(self.expr(value, cx)?))
                }
                Some(_) => return Err(wrong()),
            })
        };
        match (name, args.as_slice()) {
            ("JSON_VALUE", [input, path]) => {
                let ty = returning.unwrap_or_else(SqlType::string);
                let (empty, error) = (problem(on_empty)?, problem(on_error)?);
                json_value(input.clone(), path.clone(), ty, empty, error)
            }
            ("JSON_QUERY", [input, path]) => {
                let (empty, error) = (problem(on_empty)?, problem(on_error)?);
                match returning.map(|ty| ty.kind) {
                    Some(TypeKind::Array(element)) if element.is_text() => {
                        json_query_array(input.clone(), path.clone(), wrapper, empty, error)
                    }
                    Some(kind) if !SqlType::new(kind.clone()).is_text() => {
                        let ty = SqlType::new(kind);
                        Err(Error::config(format!("JSON_QUERY RETURNING {ty} is not supported"))
                            .advice("return STRING or ARRAY<STRING>"))
                    }
                    _ => json_query(input.clone(), path.clone(), wrapper, empty, error),
                }
            }
            ("JSON_EXISTS", [input, path]) => {
                let on_error = match on_error {
                    None | Some(Behaviour::False) => ExistsOnError::False,
                    Some(Behaviour::True) => ExistsOnError::True,
                    Some(Behaviour::Unknown) => ExistsOnError::Unknown,
                    Some(Behaviour::Error) => ExistsOnError::Error,
                    Some(_) => return Err(wrong()),
                };
                json_exists(input.clone(), path.clone(), on_error)
            }
            ("JSON_OBJECT", _) => {
                let mut pairs = vec![];
                let mut args = args.into_iter();
                while let (Some(key), Some(value)) = (args.next(), args.next()) {
                    pairs.push((key, value));
                }
                json_object(pairs, on_null.unwrap_or(OnNull::Null))
            }
            ("JSON_ARRAY", _) => json_array(args, on_null.unwrap_or(OnNull::Absent)),
            _ => Err(wrong()),
        }
    }

    fn window_part(
        &self,
        part: WindowPart,
        window: &str,
        call: &Call,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        if let Some(clause) = cx.no_aggregates {
            return Err(Error::config(format!(
                "{window}_START and the like cannot stand in {clause}"
            ))
            .advice(format!("use them in SELECT of a query grouped by {window}")));
        }
        let time = match call.args.first() {
            Some(time) => {
                let mut inner = Cx::plain(cx.scope, "a window");
                Some(self.expr(time, &mut inner)?.ty)
            }
            None => None,
        };
        let ltz = time.as_ref().is_some_and(|t| matches!(t.kind, TypeKind::TimestampLtz(_)));
        let by_clock = time.is_some_and(|t| t.attribute == TimeAttribute::Proctime);
        if part == WindowPart::Time && by_clock {
            return Err(Error::config("A proctime window cannot provide a rowtime attribute.")
                .advice(format!("use {window}_PROCTIME or {window}_END")));
        }
        let ty = match part {
            WindowPart::Time if ltz => SqlType::timestamp_ltz(3),
            _ => SqlType::timestamp(3),
        };
        let ty = match part {
            WindowPart::Time => ty.with_attribute(TimeAttribute::Rowtime),
            _ => ty.not_null(),
        };
        cx.window_parts.push((part, window.to_owned(), call.args.clone()));
        Ok(Expr::column(WINDOW_PARTS + cx.window_parts.len() - 1, ty))
    }

    fn scalar_subquery(&self, query: &ast::Query, cx: &mut Cx<'_>) -> Result<Expr> {
        self.scalars_may_stand(query.span, cx)?;
        let rel = self.correlated(cx.scope).query(query)?;
        let [field] = rel.schema().as_slice() else {
            let what = format!("a subquery used as a value has {} columns", rel.schema().len());
            return Err(self.fail(query.span, what).advice("select one column"));
        };
        let over_nothing = value_over_nothing(&rel);
        let ty = field.ty.clone().null_allowed().computed();
        let scalar = ScalarQuery::of(rel).map_err(|e| self.place(e, query.span))?;
        let correlated = scalar.is_correlated();
        cx.scalars.push(scalar);
        let value = Expr::column(SCALARS + cx.scalars.len() - 1, ty);
        // A count of no rows is 0, but no group comes out for them.
        let (true, Some(nothing)) = (correlated, over_nothing) else { return Ok(value) };
        let mut value = self.call("COALESCE", vec![value, nothing])?;
        value.ty.nullable = true;
        Ok(value)
    }
}

/// What a subquery of one column gives over no rows, when it is an aggregate without GROUP BY
/// and that is not NULL: COUNT is 0 then.
fn value_over_nothing(rel: &Rel) -> Option<Expr> {
    let Rel::Project { input, exprs, .. } = rel else { return None };
    let Rel::Aggregate { keys, calls, window: None, schema, .. } = &**input else { return None };
    if !keys.is_empty() {
        return None;
    }
    let value = exprs.first()?.clone().transform(&mut |e| match e.node {
        Node::Column(i) if i < calls.len() => match calls[i].function.as_str() {
            "COUNT" => Expr::bigint(0),
            _ => Expr::null(schema[i].ty.clone()),
        },
        _ => e,
    });
    let value = fold(value, &EvalContext::utc()).ok()?;
    value.as_literal().is_some_and(|v| *v != Value::Null).then_some(value)
}

/// `TUMBLE_START` and its kin: which part of which window.
fn window_part(name: &str) -> Option<(WindowPart, &'static str)> {
    let window = ["TUMBLE", "HOP", "SESSION", "CUMULATE"]
        .into_iter()
        .find(|w| name.strip_prefix(w).is_some_and(|rest| rest.starts_with('_')))?;
    let part = match &name[window.len() + 1..] {
        "START" => WindowPart::Start,
        "END" => WindowPart::End,
        "ROWTIME" => WindowPart::Time,
        _ => return None,
    };
    Some((part, window))
}

/// `TUMBLE_PROCTIME` and its kin: the time at which the window's row is looked at.
fn is_window_proctime(name: &str) -> bool {
    matches!(name, "TUMBLE_PROCTIME" | "HOP_PROCTIME" | "SESSION_PROCTIME")
}

/// Replaces parts of an expression, the largest first: what `replace` answers stays.
pub(crate) fn replace_parts(expr: Expr, replace: &impl Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(new) = replace(&expr) {
        return new;
    }
    let mut expr = expr;
    for child in expr.children_mut() {
        let owned = std::mem::replace(child, Expr::boolean(false));
        *child = replace_parts(owned, replace);
    }
    expr
}
