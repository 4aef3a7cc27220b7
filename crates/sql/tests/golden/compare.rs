//! Two answers side by side, by the rules of the suite's `compare` line:
//!
//! | mode | what is compared |
//! |---|---|
//! | changelog-final | the multiset left after applying the changes |
//! | append-unordered | the multiset of rows, all +I |
//! | append-ordered | the sequence of rows, all +I |
//! | error | that it failed, in the same phase |
//!
//! Names and types of columns too. FLOAT and DOUBLE as numbers, MAP and MULTISET without
//! regard to order.

use serde_json::Value;
use std::collections::BTreeMap;

type Row = Vec<Option<String>>;

/// How `got` differs from `expected`; `None` when it does not.
pub(crate) fn difference(expected: &Value, got: &Value) -> Option<String> {
    let mode = expected["compare"].as_str().unwrap_or_default();
    if mode == "error" {
        if got.get("error").is_none() {
            return Some(format!("no error; expected: {}", expected["error"]));
        }
        let (want, phase) = (&expected["error_phase"], &got["error_phase"]);
        return (want != phase).then(|| format!("failed in phase {phase}, expected {want}"));
    }
    if let Some(error) = got.get("error") {
        return Some(format!("error: {error}"));
    }
    let (want, have) = (parts(expected), parts(got));
    if want.len() != have.len() {
        return Some(format!("{} results, expected {}", have.len(), want.len()));
    }
    want.iter().zip(&have).find_map(|(want, have)| table(mode, want, have))
}

fn parts(answer: &Value) -> Vec<&Value> {
    match answer.get("results").and_then(Value::as_array) {
        Some(results) => results.iter().collect(),
        None => vec![answer],
    }
}

fn columns<'a>(table: &'a Value, what: &str) -> Vec<&'a str> {
    let columns = table["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    columns.iter().map(|c| c[what].as_str().unwrap_or_default()).collect()
}

fn table(mode: &str, want: &Value, have: &Value) -> Option<String> {
    for what in ["name", "type"] {
        let (w, h) = (columns(want, what), columns(have, what));
        if w != h {
            return Some(format!("column {what}s are {h:?}, expected {w:?}"));
        }
    }
    let types = columns(want, "type");
    let (w, h) = (rows(want, &types), rows(have, &types));
    if mode == "changelog-final" {
        return bags(&applied(&w), &applied(&h));
    }
    if let Some((change, row)) = h.iter().find(|(change, _)| change != "+I") {
        return Some(format!("not append-only: {change} {row:?}"));
    }
    if mode == "append-ordered" {
        let plain =
            |rows: &[(String, Row)]| rows.iter().map(|(_, r)| r.clone()).collect::<Vec<_>>();
        let (w, h) = (plain(&w), plain(&h));
        let at = (0..w.len().max(h.len())).find(|i| w.get(*i) != h.get(*i))?;
        return Some(format!("row {at} is {:?}, expected {:?}", h.get(at), w.get(at)));
    }
    bags(&applied(&w), &applied(&h))
}

fn rows(table: &Value, types: &[&str]) -> Vec<(String, Row)> {
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|row| {
            let cells = row.as_array().unwrap();
            let values = cells[1..].iter().zip(types);
            let change = cells[0].as_str().unwrap().to_owned();
            (change, values.map(|(v, t)| v.as_str().map(|v| canonical(v, t))).collect())
        })
        .collect()
}

/// Rows with how often each is there after all changes.
fn applied(rows: &[(String, Row)]) -> BTreeMap<Row, i64> {
    let mut bag = BTreeMap::new();
    for (change, row) in rows {
        let one = if change == "+I" || change == "+U" { 1 } else { -1 };
        *bag.entry(row.clone()).or_insert(0) += one;
    }
    bag.retain(|_, count| *count != 0);
    bag
}

fn bags(want: &BTreeMap<Row, i64>, have: &BTreeMap<Row, i64>) -> Option<String> {
    let more = |a: &BTreeMap<Row, i64>, b: &BTreeMap<Row, i64>| {
        let rows = a.iter().filter(|(r, n)| b.get(*r).unwrap_or(&0) < *n);
        rows.take(2).map(|(r, _)| r.clone()).collect::<Vec<_>>()
    };
    let (missing, extra) = (more(want, have), more(have, want));
    (want != have).then(|| format!("missing {missing:?}, unexpected {extra:?}"))
}

fn canonical(value: &str, data_type: &str) -> String {
    let base = data_type.split(['(', '<', ' ']).next().unwrap_or_default();
    match base {
        "MAP" | "MULTISET" if value.starts_with('{') && value.ends_with('}') => {
            let mut entries = split_top(&value[1..value.len() - 1]);
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        "FLOAT" => value.parse::<f32>().map_or(value.to_owned(), |v| format!("{v:.5e}")),
        "DOUBLE" => value.parse::<f64>().map_or(value.to_owned(), |v| format!("{v:.11e}")),
        _ => value.to_owned(),
    }
}

/// Splits at commas outside brackets.
fn split_top(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
        match (c, parts.last_mut()) {
            (',', _) if depth == 0 => parts.push(String::new()),
            (_, Some(last)) => last.push(c),
            _ => {}
        }
    }
    parts.iter().map(|p| p.trim().to_owned()).collect()
}
