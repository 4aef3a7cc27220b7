//! Calls of aggregate functions: arguments, options, types of results.
//!
//! Source: Calcite's inference of aggregate types: a result of NOT NULL input can be NULL
//! only where a group can be empty (no keys, or a FILTER).

use super::Binder;
use super::expr::{AGGREGATES, Cx};
use crate::coercion::{average_type, sum_type};
use crate::dialect::Span;
use crate::dialect::ast::{Call, CallClause, ExprKind, Ident, ObjectName};
use crate::expr::{EvalContext, Expr, fold};
use crate::functions::Registry;
use crate::functions::named::{Kind, NamedFunction};
use crate::functions::user::fitting;
use crate::plan::logical::USER;
use crate::runtime::agg::user::AnyAggregate;
use crate::types::{SqlType, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};

/// Names of the aggregate functions.
pub(crate) const AGGREGATE_FUNCTIONS: &[&str] = &[
    "APPROX_COUNT_DISTINCT",
    "ARRAY_AGG",
    "AVG",
    "COLLECT",
    "COUNT",
    "FIRST_VALUE",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "LAST_VALUE",
    "LISTAGG",
    "MAX",
    "MIN",
    "PERCENTILE",
    "SINGLE_VALUE",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUM",
    "SUM0",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

/// Whether a name, in capitals, is that of an aggregate function.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATE_FUNCTIONS.binary_search(&name).is_ok()
}

/// An aggregate found in an expression; arguments are over the input of the grouping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingAggregate {
    pub(crate) function: String,
    pub(crate) args: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) options: Vec<String>,
    pub(crate) ty: SqlType,
}

impl Binder<'_> {
    /// The function of the user's own that a name means, if there is one.
    pub(super) fn user_function(&self, name: &ObjectName) -> Option<&NamedFunction> {
        let builtin = |n: &Ident| {
            is_aggregate(&n.value.to_ascii_uppercase()) || Registry::is_builtin(&n.value)
        };
        let is_builtin = name.0.last().is_some_and(builtin);
        self.registry.user().find(name, &self.home, is_builtin)
    }
    /// The aggregate function of the user's own that a name means, with its key.
    pub(super) fn user_aggregate(&self, name: &ObjectName) -> Option<(&str, &dyn AnyAggregate)> {
        let found = self.user_function(name)?;
        match &found.function.0 {
            Kind::Aggregate(function) => Some((&found.key, &**function)),
            _ => None,
        }
    }
    /// Whether a call, without OVER, is of an aggregate function.
    pub(super) fn calls_an_aggregate(&self, call: &Call) -> bool {
        match self.user_function(&call.name) {
            Some(found) => matches!(found.function.0, Kind::Aggregate(_)),
            None => is_aggregate(&call.name.to_string().to_ascii_uppercase()),
        }
    }

    /// An aggregate of a grouped query, as a virtual column.
    pub(super) fn aggregate(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        cx: &mut Cx<'_>,
    ) -> Result<Expr> {
        if let Some(clause) = cx.no_aggregates {
            let what = format!("the aggregate {name} cannot stand in {clause}");
            return Err(self.fail(span, what).advice("group in a subquery, or use HAVING"));
        }
        let pending = self.pending_aggregate(name, call, cx, cx.group_count == Some(0), false)?;
        let ty = pending.ty.clone();
        let index = match cx.aggregates.iter().position(|a| *a == pending) {
            Some(index) => index,
            None => {
                cx.aggregates.push(pending);
                cx.aggregates.len() - 1
            }
        };
        Ok(Expr::column(AGGREGATES + index, ty))
    }

    /// The call with its arguments bound; `may_be_empty`: a group may have no rows.
    pub(super) fn pending_aggregate(
        &self,
        name: &str,
        call: &Call,
        cx: &mut Cx<'_>,
        may_be_empty: bool,
        in_over: bool,
    ) -> Result<PendingAggregate> {
        let former = (cx.no_aggregates, cx.no_overs);
        // OVER comes after GROUP BY, so that SUM(COUNT(*)) OVER (..) has a meaning.
        if !in_over {
            cx.no_aggregates = Some("an aggregate");
        }
        cx.no_overs = Some("an aggregate");
        let star = matches!(call.args.as_slice(), [e] if matches!(&e.kind, ExprKind::Star(t) if t.is_empty()));
        let args = if star {
            Ok(vec![])
        } else {
            call.args.iter().map(|e| self.expr(e, cx)).collect::<Result<Vec<_>>>()
        };
        let filter = call.filter.as_ref().map(|f| self.condition(f, cx, "FILTER")).transpose();
        (cx.no_aggregates, cx.no_overs) = former;
        let (mut args, filter) = (args?, filter?);
        if let Some((key, function)) = self.user_aggregate(&call.name) {
            if star || !call.order_by.is_empty() || !call.clauses.is_empty() {
                return Err(Error::config(format!("{name} only takes arguments"))
                    .advice("remove '*' and clauses"));
            }
            let args = fitting(name, args, function.argument_types())?;
            return Ok(PendingAggregate {
                function: format!("{USER}{key}"),
                args,
                distinct: call.distinct,
                filter,
                options: vec![],
                ty: function.return_type(),
            });
        }
        if !call.order_by.is_empty() {
            return Err(Error::config(format!("ORDER BY within {name} is not supported"))
                .advice("remove it: rows are taken in the order in which they come"));
        }
        if star && call.distinct {
            return Err(Error::config(format!("{name}(DISTINCT *) does not exist"))
                .advice("name the column whose values are to be counted once"));
        }
        if star && name != "COUNT" {
            return Err(
                Error::config(format!("{name}(*) does not exist")).advice("only COUNT takes '*'")
            );
        }
        if matches!(name, "MIN" | "MAX") && args.iter().any(|a| a.ty.kind == TypeKind::Null) {
            return Err(Error::config(format!("Illegal use of 'NULL' in {name}"))
                .advice("give it a type: CAST(NULL AS INT)"));
        }
        let mut options = vec![];
        for clause in &call.clauses {
            match clause {
                CallClause::NullOnNull => options.push("NULL".to_owned()),
                CallClause::AbsentOnNull => options.push("ABSENT".to_owned()),
                _ => {
                    return Err(Error::config(format!("{name} does not take this clause"))
                        .advice("remove it"));
                }
            }
        }
        match name {
            "LISTAGG" if args.len() == 2 => {
                let separator = args.pop();
                let text = separator.as_ref().and_then(|s| s.as_text()).map(str::to_owned);
                options.push(text.ok_or_else(|| {
                    Error::config("the separator of LISTAGG must be a text literal")
                        .advice("for example LISTAGG(x, ', ')")
                })?);
            }
            "LISTAGG" => options.push(",".to_owned()),
            "JSON_OBJECTAGG" | "JSON_ARRAYAGG" => {
                if options.is_empty() {
                    options
                        .push(if name == "JSON_OBJECTAGG" { "NULL" } else { "ABSENT" }.to_owned());
                }
                // The aggregate puts texts together that are JSON already.
                if let Some(value) = args.pop() {
                    args.push(self.registry.call("JSON_STRING", vec![value])?);
                }
            }
            "ARRAY_AGG" => {
                let ignore = call.ignore_nulls.unwrap_or(false);
                options.push(if ignore { "IGNORE NULLS" } else { "RESPECT NULLS" }.to_owned());
            }
            _ => {}
        }
        if name == "COUNT" && !call.distinct {
            // A column that is never NULL is counted as rows are.
            args.retain(|a| a.ty.nullable);
            args.truncate(1);
        }
        let mut ty =
            aggregate_type(name, &args, &call.args.len(), may_be_empty || filter.is_some())?;
        if name == "PERCENTILE" {
            // The fractions are constants, and no argument of the accumulator.
            let fractions = args.remove(1);
            let many = matches!(fractions.ty.kind, TypeKind::Array(_));
            options = percentages(fractions)?;
            if many {
                ty = SqlType::array(ty);
            }
        }
        if name == "LISTAGG"
            && let Some(first) = args.first_mut()
            && !first.ty.is_text()
        {
            *first = first.clone().cast(SqlType::string(), false)?;
        }
        let function = match name {
            "STDDEV" => "STDDEV_SAMP",
            "VARIANCE" => "VAR_SAMP",
            other => other,
        };
        Ok(PendingAggregate {
            function: function.to_owned(),
            args,
            distinct: call.distinct,
            filter,
            options,
            ty,
        })
    }
}

/// The fractions of PERCENTILE as text: one number or a constant array of them.
fn percentages(fractions: Expr) -> Result<Vec<String>> {
    let wrong = || {
        Error::config("the percentage of PERCENTILE must be a constant between 0 and 1")
            .advice("write PERCENTILE(x, 0.5) or PERCENTILE(x, ARRAY[0.25, 0.75])")
    };
    let doubles = SqlType::array(SqlType::double());
    let many = matches!(fractions.ty.kind, TypeKind::Array(_));
    let cast = fractions.cast(if many { doubles } else { SqlType::double() }, false)?;
    let folded = fold(cast, &EvalContext::utc())?;
    let values = match folded.as_literal() {
        Some(Value::Array(values)) => values.clone(),
        Some(value) => vec![value.clone()],
        None => return Err(wrong()),
    };
    let text = |value: &Value| match value {
        Value::Float(f) if (0.0..=1.0).contains(f) => Ok(f.to_string()),
        _ => Err(wrong()),
    };
    values.iter().map(text).collect()
}

/// The type of the result.
fn aggregate_type(
    name: &str,
    args: &[Expr],
    written: &usize,
    may_be_empty: bool,
) -> Result<SqlType> {
    let arity = |low: usize, high: usize| match (low..=high).contains(written) {
        true => Ok(()),
        false => Err(Error::config(format!("{name} does not take {written} arguments"))
            .advice(format!("give it {low}"))),
    };
    let first = || {
        args.first().map(|a| a.ty.clone().computed()).ok_or_else(|| {
            Error::config(format!("{name} needs an argument")).advice("name a column")
        })
    };
    let no_number = |ty: &SqlType| {
        Error::config(format!("cannot apply '{name}' to arguments of type '{name}(<{ty}>)'"))
            .advice(format!("{name} takes numbers; cast the argument"))
    };
    let nullable = |ty: SqlType| {
        let null = ty.nullable || may_be_empty;
        ty.with_nullable(null)
    };
    Ok(match name {
        "COUNT" => {
            arity(1, 16)?;
            SqlType::bigint().not_null()
        }
        "APPROX_COUNT_DISTINCT" => {
            return Err(Error::config("APPROX_COUNT_DISTINCT is not supported in streaming mode")
                .advice("use COUNT(DISTINCT x)"));
        }
        "SUM" | "SUM0" => {
            arity(1, 1)?;
            let ty = first()?;
            let sum = sum_type(&ty).ok_or_else(|| no_number(&ty))?;
            nullable(sum.with_nullable(ty.nullable))
        }
        "AVG" | "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" | "VARIANCE" | "VAR_POP" | "VAR_SAMP" => {
            arity(1, 1)?;
            let ty = first()?;
            let average = average_type(&ty).ok_or_else(|| no_number(&ty))?;
            nullable(average.with_nullable(ty.nullable))
        }
        "MIN" | "MAX" => {
            arity(1, 1)?;
            let ty = first()?;
            use TypeKind::{Array, Map, Multiset, Row};
            if matches!(ty.kind, Array(_) | Map(..) | Multiset(_) | Row(_)) {
                return Err(Error::config(format!("{name} cannot compare values of type {ty}"))
                    .advice("name a field or element"));
            }
            nullable(ty)
        }
        "FIRST_VALUE" | "LAST_VALUE" | "SINGLE_VALUE" => {
            arity(1, 2)?;
            nullable(first()?)
        }
        "LISTAGG" => {
            arity(1, 2)?;
            SqlType::string().with_nullable(first()?.nullable)
        }
        "COLLECT" => {
            arity(1, 1)?;
            SqlType::multiset(first()?).not_null()
        }
        "ARRAY_AGG" => {
            arity(1, 1)?;
            let ty = first()?;
            let nullable = ty.nullable;
            SqlType::array(ty).with_nullable(nullable)
        }
        "PERCENTILE" => {
            arity(2, 3)?;
            let ty = first()?;
            if !ty.is_numeric() {
                return Err(no_number(&ty));
            }
            SqlType::double()
        }
        "JSON_OBJECTAGG" | "JSON_ARRAYAGG" => SqlType::varchar(2000).not_null(),
        other => return Err(Error::bug(format!("no type for the aggregate {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted() {
        assert!(AGGREGATE_FUNCTIONS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
