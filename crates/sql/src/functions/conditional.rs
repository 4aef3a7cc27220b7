//! CASE, COALESCE, IF and the like: choosing among values.
//!
//! They are nodes of their own in [`crate::expr`], because they must not compute what is not
//! chosen. Here their types are checked.

use arrow_array::{Array, ArrayRef, BooleanArray, make_array};
use arrow_buffer::NullBuffer;
use arrow_ord::cmp;
use arrow_select::zip::zip;
use millstream_core::{Error, Result};

use super::signature::no_kernel;
use super::{CallArgs, Definition, FunctionRef, Registry, call_expr};
use crate::coercion::common_type;
use crate::expr::{Expr, Node, arrow_bug};
use crate::types::{Family, SqlType, TypeKind};

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(&["COALESCE"], &["any, any.."], |_, args| coalesce(args), no_kernel),
    Definition::bound(&["IFNULL", "NVL"], &["any, any"], |_, args| if_null(args), no_kernel),
    Definition::bound(&["NULLIF"], &["any, any"], |_, args| null_if(args), no_kernel),
    Definition::bound(&["IF"], &["bool, any, any"], |_, args| if_else(args), no_kernel),
    Definition::bound(&["GREATEST"], &["any, any.."], extreme, |args| fold(args, cmp::gt_eq)),
    Definition::bound(&["LEAST"], &["any, any.."], extreme, |args| fold(args, cmp::lt_eq)),
];

/// The common type of results, or Flink's complaint.
fn common(what: &str, args: &[&Expr]) -> Result<SqlType> {
    common_type(args.iter().map(|a| &a.ty)).map(SqlType::computed).ok_or_else(|| {
        let types: Vec<String> = args.iter().map(|a| a.ty.base_text()).collect();
        Error::config(format!("Illegal mixing of types in {what}: {}", types.join(", ")))
            .advice("cast the values to one type")
    })
}

/// CASE WHEN over conditions and results; without `otherwise` it ends in NULL.
pub(crate) fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Result<Expr> {
    let otherwise = otherwise.unwrap_or_else(|| Expr::null(SqlType::null()));
    let mut results: Vec<&Expr> = branches.iter().map(|(_, result)| result).collect();
    results.push(&otherwise);
    let ty = common("CASE", &results)?;
    for (condition, _) in &branches {
        if !matches!(condition.ty.family(), Family::Boolean | Family::Null) {
            return Err(Error::config(format!(
                "Expected a boolean type as a condition of CASE, but {condition} is {}",
                condition.ty.base_text()
            )));
        }
    }
    let branches = branches
        .into_iter()
        .map(|(condition, result)| {
            (
                condition.cast_unchecked(SqlType::boolean(), false),
                result.cast_unchecked(ty.clone(), false),
            )
        })
        .collect();
    let otherwise = Box::new(otherwise.cast_unchecked(ty.clone(), false));
    Ok(Expr { node: Node::Case { branches, otherwise }, ty })
}

fn coalesce(args: Vec<Expr>) -> Result<Expr> {
    let ty = common("COALESCE", &args.iter().collect::<Vec<_>>())?;
    let nullable = args.iter().all(|a| a.ty.nullable);
    let ty = ty.with_nullable(nullable);
    let mut kept = Vec::with_capacity(args.len());
    for arg in args {
        let last = !arg.ty.nullable;
        kept.push(arg.cast_unchecked(ty.clone(), false));
        if last {
            break;
        }
    }
    match (kept.len(), kept.pop()) {
        (1, Some(only)) => Ok(only),
        (_, Some(last)) => {
            kept.push(last);
            Ok(Expr { node: Node::Coalesce(kept), ty })
        }
        _ => Err(Error::bug("COALESCE of nothing")),
    }
}

fn if_null(args: Vec<Expr>) -> Result<Expr> {
    // A value that is never NULL needs no replacement, not even its type.
    if args[0].ty.nullable { coalesce(args) } else { Ok(args[0].clone()) }
}

fn null_if(args: Vec<Expr>) -> Result<Expr> {
    let value = args[0].clone();
    let ty = value.ty.clone().null_allowed();
    let equal = Registry::builtin().call("=", args)?;
    case(vec![(equal, Expr::null(ty))], Some(value))
}

fn if_else(args: Vec<Expr>) -> Result<Expr> {
    match <[Expr; 3]>::try_from(args) {
        Ok([condition, yes, no]) => {
            // Flink's IF is nullable if any argument is, the condition too.
            let nullable = condition.ty.nullable || yes.ty.nullable || no.ty.nullable;
            let mut expr = case(vec![(condition, yes)], Some(no))?;
            expr.ty.nullable = nullable;
            Ok(expr)
        }
        Err(_) => Err(Error::bug("IF without three arguments")),
    }
}

fn extreme(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let ty = common(function.name(), &args.iter().collect::<Vec<_>>())?;
    if matches!(
        ty.kind,
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_) | TypeKind::Multiset(_)
    ) {
        return Err(Error::config(format!("{} of values of type {ty}", function.name()))
            .advice("compare values that have an order"));
    }
    let args = args.into_iter().map(|a| a.cast_unchecked(ty.clone(), false)).collect();
    Ok(call_expr(function, args, ty))
}

type Compare = fn(
    &dyn arrow_array::Datum,
    &dyn arrow_array::Datum,
) -> Result<BooleanArray, arrow_schema::ArrowError>;

/// The value that stands first among all by `before`; NULL if one is NULL.
fn fold(args: &CallArgs<'_>, before: Compare) -> Result<ArrayRef> {
    let mut best = args.array(0)?;
    if best.data_type().is_null() {
        return Ok(best);
    }
    for i in 1..args.len() {
        let next = args.array(i)?;
        let mask = before(&best, &next).map_err(arrow_bug)?;
        let nulls = NullBuffer::union(best.nulls(), next.nulls());
        let mask = BooleanArray::new(mask.values().clone(), None);
        let chosen = zip(&mask, &best, &next).map_err(arrow_bug)?;
        let data = chosen.to_data().into_builder().nulls(nulls);
        best = make_array(data.build().map_err(arrow_bug)?);
    }
    Ok(best)
}
