//! SQL's JSON paths: `lax $.a[0]`, `strict $.b[*].c`, `$['x y']`, `$..name`.
//!
//! A path without a mode is strict, as in Flink: what is missing is an error, not empty.
//! A path with a wildcard, a slice, a list, a filter or a deep scan gives an array of all it
//! finds. `.length()` and the like at the end compute something of what was found.

use millstream_core::{Error, Result};

use super::document::Json;
use super::filter::Filter;
use crate::text::write_double;

/// A path taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    lax: bool,
    steps: Vec<Step>,
    function: Option<Function>,
}

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Index(i64),
    Names(Vec<String>),
    Indices(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    All,
    Filter(Filter),
    /// Every value below, itself included.
    Deep,
}

/// What is computed of what a path finds.
#[derive(Clone, Copy, Debug)]
enum Function {
    Length,
    Keys,
    Min,
    Max,
    Sum,
    Average,
}

impl Function {
    fn parse(name: &str) -> Option<Function> {
        Some(match name {
            "length()" | "size()" => Function::Length,
            "keys()" => Function::Keys,
            "min()" => Function::Min,
            "max()" => Function::Max,
            "sum()" => Function::Sum,
            "avg()" => Function::Average,
            _ => return None,
        })
    }
    fn of(self, json: &Json) -> Option<Json> {
        match (self, json) {
            (Function::Length, Json::Array(items)) => Some(Json::Int(items.len() as i64)),
            (Function::Length, Json::Object(members)) => Some(Json::Int(members.len() as i64)),
            (Function::Length, Json::Text(text)) => {
                Some(Json::Int(text.encode_utf16().count() as i64))
            }
            (Function::Keys, Json::Object(members)) => {
                Some(Json::Array(members.iter().map(|(n, _)| Json::Text(n.clone())).collect()))
            }
            (Function::Length | Function::Keys, _) => None,
            (_, Json::Array(items)) => {
                let number = |item: &Json| match item {
                    Json::Int(v) => Some(*v as f64),
                    Json::Decimal(v) => v.parse().ok(),
                    _ => None,
                };
                let numbers: Vec<f64> = items.iter().filter_map(number).collect();
                let sum: f64 = numbers.iter().sum();
                let result = match self {
                    Function::Min => numbers.iter().copied().reduce(f64::min)?,
                    Function::Max => numbers.iter().copied().reduce(f64::max)?,
                    Function::Sum if !numbers.is_empty() => sum,
                    _ if !numbers.is_empty() => sum / numbers.len() as f64,
                    _ => return None,
                };
                let mut text = String::new();
                write_double(&mut text, result);
                Some(Json::Decimal(text))
            }
            _ => None,
        }
    }
}

/// What a path finds.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// A value.
    One(Json),
    /// Nothing, in a mode where that is no error.
    Nothing,
    /// The document is malformed or lacks what the path names, and the path is strict.
    Failed,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Path> {
        let wrong = || {
            Error::data(format!("Illegal JSON path: '{text}'"))
                .advice("write it as in '$.a.b[0]', with 'lax' or 'strict' before it")
        };
        let trimmed = text.trim();
        let (lax, rest) = match trimmed.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (true, rest.trim()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (false, rest.trim()),
            _ => (false, trimmed),
        };
        let mut rest = rest.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        let last = rest.rsplit_once('.');
        let function = last.and_then(|(_, name)| Function::parse(name));
        if let (Some((before, _)), Some(_)) = (last, function) {
            rest = before;
        }
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix("..") {
                steps.push(Step::Deep);
                rest = tail;
                if !rest.starts_with('[') {
                    rest = name_step(rest, &mut steps).ok_or_else(wrong)?;
                }
            } else if let Some(tail) = rest.strip_prefix(".[") {
                rest = bracket_step(tail, &mut steps).ok_or_else(wrong)?;
            } else if let Some(tail) = rest.strip_prefix('.') {
                rest = name_step(tail, &mut steps).ok_or_else(wrong)?;
            } else if let Some(tail) = rest.strip_prefix('[') {
                rest = bracket_step(tail, &mut steps).ok_or_else(wrong)?;
            } else {
                return Err(wrong());
            }
        }
        Ok(Path { lax, steps, function })
    }

    /// Whether the path says `lax`.
    pub(crate) fn is_lax(&self) -> bool {
        self.lax
    }

    /// What the path finds in a text.
    pub(crate) fn find(&self, text: &str) -> Found {
        let Some(document) = Json::parse(text) else {
            return if self.lax { Found::Nothing } else { Found::Failed };
        };
        let found = self.find_in(&document);
        match (self.function, found) {
            (Some(function), Found::One(json)) => {
                function.of(&json).map_or(Found::Failed, Found::One)
            }
            (_, found) => found,
        }
    }

    /// What the path finds within a value, if it is there.
    pub(super) fn within(&self, value: &Json) -> Option<Json> {
        match (self.find_in(value), self.function) {
            (Found::One(json), Some(function)) => function.of(&json),
            (Found::One(json), None) => Some(json),
            _ => None,
        }
    }

    fn find_in(&self, document: &Json) -> Found {
        let definite = self.steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_)));
        if definite {
            let mut at = document;
            for step in &self.steps {
                match child(at, step) {
                    Some(next) => at = next,
                    None if self.lax => return Found::Nothing,
                    None => return Found::Failed,
                }
            }
            return Found::One(at.clone());
        }
        let mut current = vec![document];
        let mut single = true;
        for step in &self.steps {
            let mut next = Vec::new();
            for value in &current {
                expand(value, step, &mut next);
            }
            // What the path names without doubt must be there.
            if single && next.is_empty() && matches!(step, Step::Name(_) | Step::Index(_)) {
                return if self.lax { Found::Nothing } else { Found::Failed };
            }
            single &= matches!(step, Step::Name(_) | Step::Index(_));
            current = next;
        }
        Found::One(Json::Array(current.into_iter().cloned().collect()))
    }
}

fn name_step<'a>(rest: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    let sound = !name.is_empty() && !name.contains(['\'', '"', ']', '?', '(', '@']);
    steps.push(match name {
        _ if !sound => return None,
        "*" => Step::All,
        name => Step::Name(name.to_string()),
    });
    Some(tail)
}

fn bracket_step<'a>(rest: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let mut rest = rest.trim_start();
    if let Some(filter) = rest.strip_prefix('?') {
        let (filter, tail) = Filter::parse(filter.trim_start().strip_prefix('(')?)?;
        steps.push(Step::Filter(filter));
        return tail.trim_start().strip_prefix(')')?.trim_start().strip_prefix(']');
    }
    if rest.starts_with(['\'', '"']) {
        let mut names = Vec::new();
        loop {
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let mut name = String::new();
            let mut chars = rest[1..].char_indices();
            let end = loop {
                match chars.next()? {
                    (_, '\\') => name.push(chars.next()?.1),
                    (at, c) if c == quote => break at,
                    (_, c) => name.push(c),
                }
            };
            names.push(name);
            rest = rest[1 + end + 1..].trim_start();
            match rest.strip_prefix(',') {
                Some(tail) => rest = tail.trim_start(),
                None => break,
            }
        }
        let tail = rest.strip_prefix(']')?;
        steps.push(match <[String; 1]>::try_from(names) {
            Ok([name]) => Step::Name(name),
            Err(names) => Step::Names(names),
        });
        return Some(tail);
    }
    let (inside, tail) = rest.split_once(']')?;
    let inside = inside.trim();
    let number = |text: &str| text.trim().parse::<i64>().ok();
    steps.push(if inside == "*" {
        Step::All
    } else if let Some((from, to)) = inside.split_once(':') {
        let bound = |text: &str| match text.trim() {
            "" => Some(None),
            text => number(text).map(Some),
        };
        Step::Slice(bound(from)?, bound(to)?)
    } else if inside.contains(',') {
        Step::Indices(inside.split(',').map(number).collect::<Option<_>>()?)
    } else {
        Step::Index(number(inside)?)
    });
    Some(tail)
}

fn element(items: &[Json], index: i64) -> Option<&Json> {
    let index = if index < 0 { index + items.len() as i64 } else { index };
    items.get(usize::try_from(index).ok()?)
}

fn child<'a>(value: &'a Json, step: &Step) -> Option<&'a Json> {
    match (value, step) {
        (Json::Object(members), Step::Name(name)) => {
            members.iter().find(|(n, _)| n == name).map(|(_, value)| value)
        }
        (Json::Array(items), Step::Index(index)) => element(items, *index),
        _ => None,
    }
}

fn expand<'a>(value: &'a Json, step: &Step, found: &mut Vec<&'a Json>) {
    match (step, value) {
        (Step::Name(_) | Step::Index(_), _) => found.extend(child(value, step)),
        (Step::Names(names), Json::Object(members)) => {
            found.extend(names.iter().filter_map(|name| {
                members.iter().find(|(n, _)| n == name).map(|(_, value)| value)
            }));
        }
        (Step::Indices(indices), Json::Array(items)) => {
            found.extend(indices.iter().filter_map(|index| element(items, *index)));
        }
        (Step::Slice(from, to), Json::Array(items)) => {
            let length = items.len() as i64;
            let place = |bound: Option<i64>, default: i64| {
                let bound = bound.unwrap_or(default);
                (if bound < 0 { bound + length } else { bound }).clamp(0, length) as usize
            };
            let (from, to) = (place(*from, 0), place(*to, length));
            found.extend(items.get(from..to.max(from)).unwrap_or_default());
        }
        (Step::Filter(filter), Json::Array(items)) => {
            found.extend(items.iter().filter(|item| filter.passes(item)));
        }
        (Step::Filter(filter), Json::Object(_)) if filter.passes(value) => found.push(value),
        (Step::All, Json::Array(items)) => found.extend(items),
        (Step::All, Json::Object(members)) => found.extend(members.iter().map(|(_, v)| v)),
        (Step::Deep, _) => {
            found.push(value);
            match value {
                Json::Array(items) => items.iter().for_each(|item| expand(item, step, found)),
                Json::Object(members) => {
                    members.iter().for_each(|(_, v)| expand(v, step, found));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, document: &str) -> String {
        match Path::parse(path).unwrap().find(document) {
            Found::One(json) => {
                let mut out = String::new();
                json.write(&mut out);
                out
            }
            Found::Nothing => "nothing".into(),
            Found::Failed => "failed".into(),
        }
    }

    #[test]
    fn paths() {
        let document = r#"{"a":[{"c":1},{"c":2},{"d":3}],"n":5,"x y":{"z":null}}"#;
        for (path, expected) in [
            ("$.n", "5"),
            ("$", document),
            ("$.a[1].c", "2"),
            ("$.a[-1]", r#"{"d":3}"#),
            ("$['x y'].z", "null"),
            ("$.a[*].c", "[1,2]"),
            ("$.a[0:2].c", "[1,2]"),
            ("$..c", "[1,2]"),
            ("$['n','zz']", "[5]"),
            ("$.a[?(@.c > 1)]", r#"[{"c":2}]"#),
            ("$.a[?(@.c == 1 || @.d)].c", "[1]"),
            ("$.a[?(!@.c)].d", "[3]"),
            ("$.a.length()", "3"),
            ("$.a[*].c.sum()", "3.0"),
            ("$.[\"x y\"].z", "null"),
            ("$.zz", "failed"),
            ("lax $.zz", "nothing"),
            ("strict $.a[9]", "failed"),
            ("$.zz[*].c", "failed"),
        ] {
            assert_eq!(found(path, document), expected, "{path}");
        }
        assert_eq!(found("$", "{bad"), "failed");
        assert_eq!(found("lax $", "{bad"), "nothing");
        for bad in ["", "a", "$a", "$.", "$[", "$['a", "$[x]", "$.a[?(@.b]"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
