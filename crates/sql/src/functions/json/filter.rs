//! Filters in JSON paths: `[?(@.price < 10 && @.kind == 'book')]`.
//!
//! Inside [`super::path`]. A comparison with something that is not there, or is of another
//! kind, is false; a path alone asks whether it is there.

use super::document::Json;
use super::path::Path;
use std::cmp::Ordering;

/// A condition on an element.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Path),
    Compare(Operand, &'static str, Operand),
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    Path(Path),
    Value(Json),
}

impl Operand {
    fn of(&self, element: &Json) -> Option<Json> {
        match self {
            Operand::Path(path) => path.within(element),
            Operand::Value(json) => Some(json.clone()),
        }
    }
}

impl Filter {
    /// Whether an element passes.
    pub(super) fn passes(&self, element: &Json) -> bool {
        match self {
            Filter::Or(any) => any.iter().any(|f| f.passes(element)),
            Filter::And(all) => all.iter().all(|f| f.passes(element)),
            Filter::Not(inner) => !inner.passes(element),
            Filter::Exists(path) => path.within(element).is_some(),
            Filter::Compare(left, operator, right) => {
                let (Some(left), Some(right)) = (left.of(element), right.of(element)) else {
                    return false;
                };
                let order = order(&left, &right);
                match *operator {
                    "==" => order == Some(Ordering::Equal) || left == right,
                    "!=" => order != Some(Ordering::Equal) && left != right,
                    "<" => order == Some(Ordering::Less),
                    "<=" => order.is_some_and(Ordering::is_le),
                    ">" => order == Some(Ordering::Greater),
                    _ => order.is_some_and(Ordering::is_ge),
                }
            }
        }
    }

    /// The filter that a text begins with, and what follows it.
    pub(super) fn parse(text: &str) -> Option<(Filter, &str)> {
        let (first, mut rest) = conjunction(text)?;
        let mut any = vec![first];
        while let Some(tail) = rest.trim_start().strip_prefix("||") {
            let (next, tail) = conjunction(tail)?;
            any.push(next);
            rest = tail;
        }
        Some((if any.len() == 1 { any.pop()? } else { Filter::Or(any) }, rest))
    }
}

fn order(left: &Json, right: &Json) -> Option<Ordering> {
    let number = |json: &Json| match json {
        Json::Int(v) => Some(*v as f64),
        Json::Decimal(v) => v.parse::<f64>().ok(),
        _ => None,
    };
    match (left, right) {
        (Json::Text(a), Json::Text(b)) => Some(a.cmp(b)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

fn conjunction(text: &str) -> Option<(Filter, &str)> {
    let (first, mut rest) = condition(text)?;
    let mut all = vec![first];
    while let Some(tail) = rest.trim_start().strip_prefix("&&") {
        let (next, tail) = condition(tail)?;
        all.push(next);
        rest = tail;
    }
    Some((if all.len() == 1 { all.pop()? } else { Filter::And(all) }, rest))
}

fn condition(text: &str) -> Option<(Filter, &str)> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('!') {
        let (inner, rest) = condition(rest)?;
        return Some((Filter::Not(Box::new(inner)), rest));
    }
    if let Some(rest) = text.strip_prefix('(') {
        let (inner, rest) = Filter::parse(rest)?;
        return Some((inner, rest.trim_start().strip_prefix(')')?));
    }
    let (left, rest) = operand(text)?;
    let rest = rest.trim_start();
    for operator in ["==", "!=", "<=", ">=", "<", ">"] {
        if let Some(tail) = rest.strip_prefix(operator) {
            let (right, rest) = operand(tail)?;
            return Some((Filter::Compare(left, operator, right), rest));
        }
    }
    match left {
        Operand::Path(path) => Some((Filter::Exists(path), rest)),
        Operand::Value(_) => None,
    }
}

fn operand(text: &str) -> Option<(Operand, &str)> {
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('@') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-[]'\"*".contains(c)));
        let (path, rest) = rest.split_at(end.unwrap_or(rest.len()));
        return Some((Operand::Path(Path::parse(&format!("${path}")).ok()?), rest));
    }
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (value, rest) = text[1..].split_once(quote)?;
        return Some((Operand::Value(Json::Text(value.to_owned())), rest));
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || "+-.".contains(c)));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((Operand::Value(Json::parse(word)?), rest))
}
