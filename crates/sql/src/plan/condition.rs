//! Conditions taken apart: conjuncts, equal keys, bounds on the difference of two times.

use crate::expr::{Expr, Node};
use crate::plan::logical::Schema;
use crate::types::TypeKind;
use crate::value::Value;

/// The operands of a conjunction, flat.
pub(crate) fn conjuncts(expr: Expr) -> Vec<Expr> {
    let mut all = vec![];
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        match expr.node {
            Node::And(list) => todo.extend(list.into_iter().rev()),
            Node::Literal(Value::Boolean(true)) => {}
            _ => all.push(expr),
        }
    }
    all
}

/// What a join holds rows together by.
#[derive(Clone, Debug, Default)]
pub(crate) struct JoinCondition {
    /// Left and right expression (the right one over the right input's own columns), and
    /// whether NULL equals NULL.
    pub(crate) equal: Vec<(Expr, Expr, bool)>,
    /// All other conjuncts, over both inputs.
    pub(crate) rest: Vec<Expr>,
}

/// Finds the equalities between the two sides of a join.
pub(crate) fn split(condition: Expr, left_width: usize) -> JoinCondition {
    let mut found = JoinCondition::default();
    for conjunct in conjuncts(condition) {
        let equality = match &conjunct.node {
            Node::Call(call) => match (call.function.name(), call.args.as_slice()) {
                ("=", [a, b]) => Some((a, b, false)),
                ("IS NOT DISTINCT FROM", [a, b]) => Some((a, b, true)),
                _ => None,
            },
            _ => None,
        };
        let sides = equality.and_then(|(a, b, null_safe)| {
            let of = |e: &Expr| side(e, left_width);
            match (of(a)?, of(b)?) {
                (Side::Left, Side::Right) => Some((a.clone(), b.clone(), null_safe)),
                (Side::Right, Side::Left) => Some((b.clone(), a.clone(), null_safe)),
                _ => None,
            }
        });
        match sides {
            Some((left, right, null_safe)) => {
                let right = right.map_columns(&|i| i - left_width);
                found.equal.push((left, right, null_safe));
            }
            None => found.rest.push(conjunct),
        }
    }
    found
}

/// A side of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The only side that an expression reads; `None` when both or none.
pub(crate) fn side(expr: &Expr, left_width: usize) -> Option<Side> {
    let columns = expr.columns();
    match (columns.first(), columns.last()) {
        (Some(_), Some(last)) if *last < left_width => Some(Side::Left),
        (Some(first), Some(_)) if *first >= left_width => Some(Side::Right),
        _ => None,
    }
}

/// `lower <= left time - right time <= upper`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeBounds {
    pub(crate) left_time: usize,
    /// In the right input.
    pub(crate) right_time: usize,
    pub(crate) lower_ms: i64,
    pub(crate) upper_ms: i64,
}

/// Takes the bounds of an interval join out of `rest`; `None`, and `rest` as it was, when
/// they are not there.
pub(crate) fn time_bounds(
    rest: &mut Vec<Expr>,
    left: &Schema,
    right: &Schema,
) -> Option<TimeBounds> {
    let (mut lower, mut upper, mut times) = (None::<i64>, None::<i64>, None);
    let mut used = vec![];
    for (index, conjunct) in rest.iter().enumerate() {
        let Node::Call(call) = &conjunct.node else { continue };
        let [a, b] = call.args.as_slice() else { continue };
        let (Some(a), Some(b)) = (time_term(a, left, right), time_term(b, left, right)) else {
            continue;
        };
        // a.time + a.shift OP b.time + b.shift, turned so that `a` is the left one.
        let (l, r, op) = match (a.0, b.0) {
            (i, j) if i < left.len() && j >= left.len() => (a, b, call.function.name()),
            (i, j) if i >= left.len() && j < left.len() => {
                let turned = match call.function.name() {
                    "<" => ">",
                    "<=" => ">=",
                    ">" => "<",
                    ">=" => "<=",
                    other => other,
                };
                (b, a, turned)
            }
            _ => continue,
        };
        let attribute = |i: usize| left.iter().chain(right).nth(i).map(|f| f.ty.attribute);
        if attribute(l.0) != attribute(r.0) || *times.get_or_insert((l.0, r.0)) != (l.0, r.0) {
            continue;
        }
        let at = r.1 - l.1;
        let narrow_low = |v: i64, old: Option<i64>| Some(old.map_or(v, |o| o.max(v)));
        let narrow_high = |v: i64, old: Option<i64>| Some(old.map_or(v, |o| o.min(v)));
        match op {
            ">=" => lower = narrow_low(at, lower),
            ">" => lower = narrow_low(at + 1, lower),
            "<=" => upper = narrow_high(at, upper),
            "<" => upper = narrow_high(at - 1, upper),
            "=" => {
                lower = narrow_low(at, lower);
                upper = narrow_high(at, upper);
            }
            _ => continue,
        }
        used.push(index);
    }
    let (left_time, right_time) = times?;
    let (lower_ms, upper_ms) = (lower?, upper?);
    let mut index = 0;
    rest.retain(|_| {
        index += 1;
        !used.contains(&(index - 1))
    });
    Some(TimeBounds { left_time, right_time: right_time - left.len(), lower_ms, upper_ms })
}

/// A time attribute, alone or with `+ interval` or `- interval`: the column and milliseconds.
fn time_term(expr: &Expr, left: &Schema, right: &Schema) -> Option<(usize, i64)> {
    match &expr.node {
        Node::Column(i) => {
            let field = left.iter().chain(right).nth(*i)?;
            field.ty.is_time_attribute().then_some((*i, 0))
        }
        Node::Cast { input, .. } => time_term(input, left, right),
        Node::Call(call) => {
            let [a, b] = call.args.as_slice() else { return None };
            let interval = |e: &Expr| match (e.as_literal(), &e.ty.kind) {
                (Some(Value::Interval(ms)), TypeKind::IntervalDaySecond) => Some(*ms),
                _ => None,
            };
            match call.function.name() {
                "+" => match (interval(a), interval(b)) {
                    (None, Some(ms)) => time_term(a, left, right).map(|(c, s)| (c, s + ms)),
                    (Some(ms), None) => time_term(b, left, right).map(|(c, s)| (c, s + ms)),
                    _ => None,
                },
                "-" => {
                    let ms = interval(b)?;
                    time_term(a, left, right).map(|(c, s)| (c, s - ms))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
