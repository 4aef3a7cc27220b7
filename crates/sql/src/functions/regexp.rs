//! Patterns: LIKE, SIMILAR TO, and Java's regular expressions.
//!
//! Regular expressions are translated to the `regex` crate, which is linear in time; those
//! with look-around, back references or possessive quantifiers go to `fancy-regex`, whose
//! steps are limited. Compiled patterns are kept per thread, because one pattern serves
//! many batches.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use millstream_core::{Error, Result};

use super::args::Text;
use super::signature::no_kernel;
use super::{CallArgs, Definition, Registry, Returns};
use crate::types::{SqlType, element_field};

const STRING_OR_NULL: Returns = Returns::Nullable(SqlType::string);
const BOOLEAN: Returns = Returns::Type(SqlType::boolean);

pub(super) const TABLE: &[Definition] = &[
    Definition::new(&["LIKE"], &["text, text, [text]"], BOOLEAN, like).failing(),
    Definition::bound(
        &["NOT LIKE"],
        &["text, text, [text]"],
        |_, args| negated("LIKE", args),
        no_kernel,
    ),
    Definition::new(&["SIMILAR TO"], &["text, text, [text]"], BOOLEAN, similar).failing(),
    Definition::bound(
        &["NOT SIMILAR TO"],
        &["text, text, [text]"],
        |_, args| negated("SIMILAR TO", args),
        no_kernel,
    ),
    Definition::new(&["REGEXP", "RLIKE"], &["text, text"], BOOLEAN, |args| {
        let (texts, patterns) = (args.text(0)?, args.text(1)?);
        let regexes = Regexes::of(patterns);
        args.map_booleans(|row| {
            let Some((text, pattern)) = texts.get(row).zip(patterns.get(row)) else {
                return Ok(None);
            };
            let found = regexes.get(row).is_some_and(|regex| regex.find(text, 0).is_some());
            Ok(Some(!pattern.is_empty() && found))
        })
    }),
    Definition::new(
        &["REGEXP_REPLACE"],
        &["text, text, text"],
        Returns::Type(SqlType::string),
        replace,
    ),
    Definition::new(&["REGEXP_EXTRACT"], &["text, text, [int]"], STRING_OR_NULL, extract),
    Definition::new(
        &["REGEXP_EXTRACT_ALL"],
        &["text, text, [int]"],
        Returns::Nullable(|| SqlType::array(SqlType::string())),
        extract_all,
    ),
    Definition::new(&["REGEXP_COUNT"], &["text, text"], Returns::Nullable(SqlType::int), |args| {
        numbers(args, |regex, text| {
            let mut count = 0;
            regex.find_all(text, |_, _| count += 1);
            count
        })
    }),
    Definition::new(&["REGEXP_INSTR"], &["text, text"], Returns::Nullable(SqlType::int), |args| {
        numbers(args, |regex, text| {
            let start = regex.find(text, 0).map(|(start, _)| start);
            start.map_or(0, |at| text[..at].encode_utf16().count() as i32 + 1)
        })
    }),
    Definition::new(&["REGEXP_SUBSTR"], &["text, text"], STRING_OR_NULL, |args| {
        let (texts, patterns) = (args.text(0)?, args.text(1)?);
        let regexes = Regexes::of(patterns);
        args.pick_text(|row| {
            let pair = texts.get(row).zip(regexes.get(row));
            Ok(pair.and_then(|(text, regex)| {
                regex.find(text, 0).map(|(start, end)| &text[start..end])
            }))
        })
    }),
    Definition::new(
        &["STR_TO_MAP"],
        &["text", "text, text, text"],
        Returns::Nullable(|| SqlType::map(SqlType::string(), SqlType::string())),
        str_to_map,
    ),
];

fn negated(name: &str, args: Vec<crate::expr::Expr>) -> Result<crate::expr::Expr> {
    let registry = Registry::builtin();
    registry.call("NOT", vec![registry.call(name, args)?])
}

// ---- compiled regular expressions -----------------------------------------------------

enum Regex {
    /// With room for the places of its groups.
    Plain(regex::Regex, RefCell<regex::CaptureLocations>),
    Fancy(Box<fancy_regex::Regex>),
}

/// Largest compiled pattern, and how many are kept for a thread.
const MAX_COMPILED_BYTES: usize = 8 << 20;
const MAX_KEPT: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Option<Rc<Regex>>>> = RefCell::new(HashMap::new());
}

/// The compiled pattern, or `None` if it is malformed.
fn compiled(pattern: &str) -> Option<Rc<Regex>> {
    COMPILED.with_borrow_mut(|all| {
        if let Some(known) = all.get(pattern) {
            return known.clone();
        }
        if all.len() >= MAX_KEPT {
            all.clear();
        }
        let regex = Regex::compile(pattern).map(Rc::new);
        all.insert(pattern.to_string(), regex.clone());
        regex
    })
}

impl Regex {
    fn compile(java: &str) -> Option<Regex> {
        let pattern = translate(java);
        let plain = regex::RegexBuilder::new(&pattern).size_limit(MAX_COMPILED_BYTES).build();
        if let Ok(regex) = plain {
            let places = RefCell::new(regex.capture_locations());
            return Some(Regex::Plain(regex, places));
        }
        let fancy = fancy_regex::RegexBuilder::new(&pattern)
            .delegate_size_limit(MAX_COMPILED_BYTES)
            .backtrack_limit(1_000_000)
            .build();
        fancy.ok().map(|regex| Regex::Fancy(Box::new(regex)))
    }
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        match self {
            Regex::Plain(regex, _) => regex.find_at(text, from).map(|m| (m.start(), m.end())),
            Regex::Fancy(regex) => {
                let found = regex.find_from_pos(text, from).ok().flatten();
                found.map(|m| (m.start(), m.end()))
            }
        }
    }
    /// Number of groups, without the whole match.
    fn groups(&self) -> usize {
        match self {
            Regex::Plain(regex, _) => regex.captures_len() - 1,
            Regex::Fancy(regex) => regex.captures_len() - 1,
        }
    }
    /// Where a group lies in the first match from `from`, with the span of the match.
    #[allow(clippy::type_complexity)] // a span, and perhaps another one
    fn group(
        &self,
        text: &str,
        from: usize,
        group: usize,
    ) -> Option<((usize, usize), Option<(usize, usize)>)> {
        match self {
            Regex::Plain(regex, places) => {
                let places = &mut *places.borrow_mut();
                let whole = regex.captures_read_at(places, text, from)?;
                Some(((whole.start(), whole.end()), places.get(group)))
            }
            Regex::Fancy(regex) => {
                let captures = regex.captures_from_pos(text, from).ok().flatten()?;
                let whole = captures.get(0)?;
                let part = captures.get(group).map(|m| (m.start(), m.end()));
                Some(((whole.start(), whole.end()), part))
            }
        }
    }
    /// Calls `visit` for every match, from left to right, as Java's `Matcher.find`.
    fn find_all(&self, text: &str, mut visit: impl FnMut(usize, usize)) {
        let mut from = 0;
        while let Some((start, end)) = self.find(text, from) {
            visit(start, end);
            match step(text, start, end) {
                Some(next) => from = next,
                None => break,
            }
        }
    }
}

/// Where to look for the next match; behind the next character after an empty one.
fn step(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return (end <= text.len()).then_some(end);
    }
    text[end..].chars().next().map(|c| end + c.len_utf8())
}

/// The patterns of all rows: compiled once if there is one for all.
struct Regexes<'a> {
    patterns: Text<'a>,
    fixed: Option<Option<Rc<Regex>>>,
}

impl<'a> Regexes<'a> {
    fn of(patterns: Text<'a>) -> Self {
        let fixed = patterns.is_scalar().then(|| patterns.get(0).and_then(compiled));
        Regexes { patterns, fixed }
    }
    fn get(&self, row: usize) -> Option<Rc<Regex>> {
        match &self.fixed {
            Some(fixed) => fixed.clone(),
            None => self.patterns.get(row).and_then(compiled),
        }
    }
}

/// Java's syntax in that of the `regex` crate where the two differ.
///
/// Java's `\d`, `\w` and `\s` are ASCII; `\Q..\E` quotes; POSIX classes are `\p{Alpha}`.
fn translate(java: &str) -> String {
    let mut out = String::with_capacity(java.len() + 16);
    let mut chars = java.chars().peekable();
    let mut depth = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '[' => {
                depth += 1;
                out.push('[');
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(']');
            }
            '\\' => {
                let Some(next) = chars.next() else {
                    out.push('\\');
                    break;
                };
                let class = match next {
                    'd' => "0-9",
                    'w' => "a-zA-Z0-9_",
                    's' => " \\t\\n\\x0B\\f\\r",
                    'h' => " \\t\\u{A0}\\u{1680}\\u{2000}-\\u{200A}\\u{202F}\\u{205F}\\u{3000}",
                    'D' => "^0-9",
                    'W' => "^a-zA-Z0-9_",
                    'S' => "^ \\t\\n\\x0B\\f\\r",
                    'p' | 'P' => {
                        let name: String = match chars.next_if_eq(&'{') {
                            Some(_) => chars.by_ref().take_while(|c| *c != '}').collect(),
                            None => chars.next().into_iter().collect(),
                        };
                        let posix = match name.as_str() {
                            "Lower" => "a-z",
                            "Upper" => "A-Z",
                            "Alpha" => "a-zA-Z",
                            "Digit" => "0-9",
                            "Alnum" => "a-zA-Z0-9",
                            "Punct" => "!-/:-@\\[-`{-~",
                            "Space" => " \\t\\n\\x0B\\f\\r",
                            "Blank" => " \\t",
                            "XDigit" => "0-9a-fA-F",
                            "Graph" => "!-~",
                            "Print" => " -~",
                            "Cntrl" => "\\x00-\\x1F\\x7F",
                            "ASCII" => "\\x00-\\x7F",
                            _ => {
                                let name = name.strip_prefix("Is").unwrap_or(&name);
                                let name = name.strip_prefix("In").unwrap_or(name);
                                out.push('\\');
                                out.push(next);
                                out.push('{');
                                out.push_str(name);
                                out.push('}');
                                continue;
                            }
                        };
                        out.push_str(if next == 'P' { "[^" } else { "[" });
                        out.push_str(posix);
                        out.push(']');
                        continue;
                    }
                    'Q' => {
                        let mut quoted = String::new();
                        while let Some(c) = chars.next() {
                            if c == '\\' && chars.peek() == Some(&'E') {
                                chars.next();
                                break;
                            }
                            quoted.push(c);
                        }
                        out.push_str(&regex::escape(&quoted));
                        continue;
                    }
                    'Z' => {
                        out.push_str("(?:\\n?\\z)");
                        continue;
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                        continue;
                    }
                };
                if depth > 0 && !class.starts_with('^') {
                    out.push_str(class);
                } else {
                    out.push('[');
                    out.push_str(class);
                    out.push(']');
                }
            }
            c => out.push(c),
        }
    }
    out
}

// ---- functions of regular expressions -------------------------------------------------

fn replace(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, patterns, news) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let regexes = Regexes::of(patterns);
    args.map_text(|row, out| {
        let (Some(text), Some(regex), Some(new)) =
            (texts.get(row), regexes.get(row), news.get(row))
        else {
            return Ok(false);
        };
        // Flink takes the replacement literally: group references are not expanded.
        let mut copied = 0;
        regex.find_all(text, |start, end| {
            out.push_str(&text[copied..start]);
            out.push_str(new);
            copied = end;
        });
        out.push_str(&text[copied..]);
        Ok(true)
    })
}

/// The group of a row: the literal's default, the given number, or `None` for NULL.
fn group_of(
    groups: Option<super::args::Numbers<'_, Int32Type>>,
    row: usize,
    default: i32,
) -> Option<usize> {
    let group = groups.map_or(Some(default), |g| g.get(row))?;
    usize::try_from(group).ok()
}

fn extract(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let groups = if args.len() > 2 { Some(args.ints(2)?) } else { None };
    let regexes = Regexes::of(patterns);
    args.pick_text(|row| {
        let (Some(text), Some(regex), Some(group)) =
            (texts.get(row), regexes.get(row), group_of(groups, row, 0))
        else {
            return Ok(None);
        };
        if group > regex.groups() {
            return Ok(None);
        }
        let found = regex.group(text, 0, group).and_then(|(_, part)| part);
        Ok(found.map(|(start, end)| &text[start..end]))
    })
}

fn extract_all(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let groups = if args.len() > 2 { Some(args.ints(2)?) } else { None };
    let regexes = Regexes::of(patterns);
    let mut out =
        ListBuilder::new(StringBuilder::new()).with_field(element_field(&SqlType::string()));
    for row in 0..args.rows {
        let (Some(text), Some(regex), Some(group)) =
            (texts.get(row), regexes.get(row), group_of(groups, row, 1))
        else {
            out.append_null();
            continue;
        };
        if group > regex.groups() {
            out.append_null();
            continue;
        }
        let mut from = 0;
        while let Some(((start, end), part)) = regex.group(text, from, group) {
            out.values().append_option(part.map(|(start, end)| &text[start..end]));
            match step(text, start, end) {
                Some(next) => from = next,
                None => break,
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn numbers(args: &CallArgs<'_>, count: impl Fn(&Regex, &str) -> i32) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let regexes = Regexes::of(patterns);
    args.map_numbers::<Int32Type>(|row| {
        let pair = texts.get(row).zip(regexes.get(row));
        Ok(pair.map(|(text, regex)| count(&regex, text)))
    })
}

fn str_to_map(args: &CallArgs<'_>) -> Result<ArrayRef> {
    use crate::value::Value;
    let texts = args.text(0)?;
    let delimiters = [args.optional_text(1)?, args.optional_text(2)?];
    args.map_values(|row| {
        let Some(text) = texts.get(row) else { return Ok(Value::Null) };
        let pattern = |i: usize, default: &'static str| match delimiters[i] {
            None => Some(default),
            Some(text) => text.get(row),
        };
        let (Some(pairs), Some(equals)) = (pattern(0, ","), pattern(1, "=")) else {
            return Ok(Value::Null);
        };
        let (Some(pairs), Some(equals)) = (compiled(pairs), compiled(equals)) else {
            return Ok(Value::Null);
        };
        if text.is_empty() {
            return Ok(Value::Map(vec![]));
        }
        let mut entries: Vec<(Value, Value)> = Vec::new();
        for pair in split(&pairs, text) {
            let (key, value) = match equals.find(pair, 0) {
                Some((start, end)) if end > start => (&pair[..start], Value::text(&pair[end..])),
                _ => (pair, Value::Null),
            };
            match entries.iter_mut().find(|(k, _)| matches!(k, Value::Text(k) if k == key)) {
                Some((_, old)) => *old = value,
                None => entries.push((Value::text(key), value)),
            }
        }
        Ok(Value::Map(entries))
    })
}

/// The pieces between matches, without empty ones at the end, as Java's `split`.
fn split<'a>(regex: &Regex, text: &'a str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    regex.find_all(text, |start, end| {
        if end > start {
            pieces.push(&text[from..start]);
            from = end;
        }
    });
    pieces.push(&text[from..]);
    while pieces.len() > 1 && pieces.last().is_some_and(|p| p.is_empty()) {
        pieces.pop();
    }
    pieces
}

// ---- LIKE and SIMILAR TO --------------------------------------------------------------

/// A LIKE pattern in the cheapest form that decides it.
enum Like {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    General(Vec<Piece>),
}

#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Char(char),
    One,
    Many,
}

impl Like {
    fn parse(pattern: &str, escape: Option<char>) -> Result<Like> {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                c if Some(c) == escape => match chars.next() {
                    Some(next) if matches!(next, '%' | '_') || Some(next) == escape => {
                        Piece::Char(next)
                    }
                    _ => {
                        return Err(Error::data(format!(
                            "Invalid escape sequence in the LIKE pattern '{pattern}'"
                        )));
                    }
                },
                '%' => Piece::Many,
                '_' => Piece::One,
                c => Piece::Char(c),
            });
        }
        let text = |pieces: &[Piece]| -> Option<String> {
            pieces
                .iter()
                .map(|p| match p {
                    Piece::Char(c) => Some(*c),
                    _ => None,
                })
                .collect()
        };
        if let Some(equal) = text(&pieces) {
            return Ok(Like::Equal(equal));
        }
        let special = match &pieces[..] {
            [Piece::Many, middle @ .., Piece::Many] => text(middle).map(Like::Contains),
            [head @ .., Piece::Many] => text(head).map(Like::Prefix),
            [Piece::Many, tail @ ..] => text(tail).map(Like::Suffix),
            _ => None,
        };
        Ok(special.unwrap_or(Like::General(pieces)))
    }
    fn matches(&self, text: &str) -> bool {
        match self {
            Like::Equal(p) => text == p,
            Like::Prefix(p) => text.starts_with(p.as_str()),
            Like::Suffix(p) => text.ends_with(p.as_str()),
            Like::Contains(p) => text.contains(p.as_str()),
            Like::General(pieces) => general(pieces, text),
        }
    }
}

/// Greedy matching that goes back to the last `%` only, which is enough.
fn general(pieces: &[Piece], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let next = rest.chars().next();
        match (pieces.get(at), next) {
            (Some(Piece::Many), _) => {
                at += 1;
                retry = Some((at, rest));
                continue;
            }
            (Some(Piece::One), Some(c)) => {
                at += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            (Some(Piece::Char(p)), Some(c)) if *p == c => {
                at += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((piece, tail)) = retry else { return false };
        let Some(c) = tail.chars().next() else { return false };
        let tail = &tail[c.len_utf8()..];
        retry = Some((piece, tail));
        (at, rest) = (piece, tail);
    }
}

fn escape_of(escape: Option<&str>) -> Result<Option<char>> {
    let Some(text) = escape else { return Ok(None) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Ok(None),
        (Some(c), None) => Ok(Some(c)),
        _ => Err(Error::data(format!("the escape '{text}' is not a single character"))),
    }
}

fn like(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (args.text(0)?, args.text(1)?, args.optional_text(2)?);
    let escape_at = |row: usize| escape_of(escapes.and_then(|e| e.get(row)));
    if patterns.is_scalar() && escapes.is_none_or(|e| e.is_scalar()) {
        let pattern = match patterns.get(0) {
            Some(pattern) => Some(Like::parse(pattern, escape_at(0)?)?),
            None => None,
        };
        return args.map_booleans(|row| {
            Ok(texts.get(row).zip(pattern.as_ref()).map(|(text, p)| p.matches(text)))
        });
    }
    args.map_booleans(|row| {
        let Some((text, pattern)) = texts.get(row).zip(patterns.get(row)) else {
            return Ok(None);
        };
        Ok(Some(Like::parse(pattern, escape_at(row)?)?.matches(text)))
    })
}

/// A SQL regular expression as one of the `regex` crate, for the whole text.
fn similar_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("(?s)\\A(?:");
    let mut in_class = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            if let Some(next) = chars.next() {
                out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
            }
            continue;
        }
        match c {
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                // [:ALPHA:] is [[:alpha:]] there.
                if chars.peek() == Some(&':') {
                    let name: String = chars.by_ref().skip(1).take_while(|c| *c != ':').collect();
                    out.push_str(&format!("[:{}:]", name.to_lowercase()));
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' if chars.peek() == Some(&':') => {
                let name: String = chars.by_ref().skip(1).take_while(|c| *c != ':').collect();
                chars.next();
                out.push_str(&format!("[:{}:]", name.to_lowercase()));
            }
            _ if in_class => {
                if matches!(c, '\\' | '[' | '&' | '~') {
                    out.push('\\');
                }
                out.push(c);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            // What SQL does not name keeps its meaning in a regular expression.
            '.' => out.push_str("(?-s:.)"),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => out.push(c),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")\\z");
    out
}

fn similar(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (args.text(0)?, args.text(1)?, args.optional_text(2)?);
    let compile = |row: usize, pattern: &str| -> Result<Rc<Regex>> {
        let translated = similar_pattern(pattern, escape_of(escapes.and_then(|e| e.get(row)))?);
        compiled(&translated).ok_or_else(|| {
            Error::data(format!("Invalid regular expression in SIMILAR TO: '{pattern}'"))
        })
    };
    let fixed = match (patterns.is_scalar(), patterns.get(0)) {
        (true, Some(pattern)) if args.rows > 0 => Some(compile(0, pattern)?),
        _ => None,
    };
    args.map_booleans(|row| {
        let Some((text, pattern)) = texts.get(row).zip(patterns.get(row)) else {
            return Ok(None);
        };
        let regex = match &fixed {
            Some(regex) => regex.clone(),
            None => compile(row, pattern)?,
        };
        Ok(Some(regex.find(text, 0).is_some()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn java_classes_are_ascii() {
        let is =
            |pattern: &str, text: &str| Regex::compile(pattern).unwrap().find(text, 0).is_some();
        assert!(is("^\\w+$", "abc_1") && !is("^\\w+$", "é"));
        assert!(is("^[\\d.]+$", "1.2") && !is("^[^\\d]+$", "a1"));
        assert!(is("\\Qa.b\\E", "xa.b") && !is("\\Qa.b\\E", "axb"));
        assert!(is("^\\p{Alpha}+$", "abc") && is("\\p{L}", "é"));
        assert!(is("(a)\\1", "aa") && is("a(?=b)", "ab") && is("a++b", "aab"));
        assert!(Regex::compile("(").is_none());
    }

    fn model(pattern: &str, text: &str) -> bool {
        match pattern.chars().next() {
            None => text.is_empty(),
            Some('%') => {
                let rest = &pattern[1..];
                text.char_indices()
                    .map(|(at, _)| at)
                    .chain([text.len()])
                    .any(|at| model(rest, &text[at..]))
            }
            Some(p) => text.chars().next().is_some_and(|c| {
                (p == '_' || p == c) && model(&pattern[p.len_utf8()..], &text[c.len_utf8()..])
            }),
        }
    }

    proptest! {
        #[test]
        fn like_agrees_with_its_definition(pattern in "[ab%_é]{0,8}", text in "[abé]{0,8}") {
            let like = Like::parse(&pattern, None).unwrap();
            prop_assert_eq!(like.matches(&text), model(&pattern, &text), "{} {}", pattern, text);
        }
    }

    #[test]
    fn similar_to() {
        let is = |text: &str, pattern: &str| {
            compiled(&similar_pattern(pattern, None)).unwrap().find(text, 0).is_some()
        };
        assert!(is("abc", "a%") && is("abc", "(abc|x)") && !is("abc", "b"));
        assert!(
            is("a.c", "a.c") && is("abc", "a.c") && !is("a", "a.") && is("x1", "[a-z][[:DIGIT:]]")
        );
    }
}
