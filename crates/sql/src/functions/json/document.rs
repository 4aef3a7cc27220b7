//! JSON documents in memory: read in order, written as Jackson writes them.

use crate::formats::json::scan::{Kind, Scanner};
use crate::text::{java_decimal, write_int};

/// Deepest nesting that is read.
const MAX_DEPTH: u32 = 128;

/// A JSON value; members of objects stand in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// Another number, as Java's `BigDecimal` writes it.
    Decimal(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The document that a text is, or `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Json> {
        let mut scanner = Scanner::new(text);
        let json = read(&mut scanner, 0)?;
        scanner.at_end().then_some(json)
    }
    /// Whether it is neither an array nor an object.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self, Json::Array(_) | Json::Object(_))
    }
    /// Appends a scalar as Java's `toString` gives it: text without quotes.
    pub(crate) fn write_plain(&self, out: &mut String) {
        match self {
            Json::Text(text) => out.push_str(text),
            other => other.write(out),
        }
    }
    /// Appends the document without blanks.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Json::Int(v) => write_int(out, *v),
            Json::Decimal(v) => out.push_str(v),
            Json::Text(text) => write_quoted(out, text),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_quoted(out, name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Appends a text as a JSON string, with Jackson's escapes.
pub(crate) fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn read(scanner: &mut Scanner<'_>, depth: u32) -> Option<Json> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match scanner.kind().ok()? {
        Kind::Null => {
            scanner.word("null").ok()?;
            Json::Null
        }
        Kind::True => {
            scanner.word("true").ok()?;
            Json::Bool(true)
        }
        Kind::False => {
            scanner.word("false").ok()?;
            Json::Bool(false)
        }
        Kind::Text => Json::Text(scanner.string().ok()?.into_owned()),
        Kind::Number => {
            let (number, float) = scanner.number().ok()?;
            match number.parse() {
                Ok(int) if !float => Json::Int(int),
                _ => Json::Decimal(java_decimal(number, false)),
            }
        }
        Kind::Array => {
            scanner.open();
            let mut all = Vec::new();
            while scanner.next_item(all.is_empty()).ok()? {
                all.push(read(scanner, depth + 1)?);
            }
            Json::Array(all)
        }
        Kind::Object => {
            scanner.open();
            let mut all: Vec<(String, Json)> = Vec::new();
            let mut first = true;
            while let Some(name) = scanner.next_name(first).ok()? {
                first = false;
                let name = name.into_owned();
                let value = read(scanner, depth + 1)?;
                // Members are kept in the order of their names; of equal names the last counts.
                match all.binary_search_by(|(n, _)| n.as_str().cmp(&name)) {
                    Ok(at) => all[at].1 = value,
                    Err(at) => all.insert(at, (name, value)),
                }
            }
            Json::Object(all)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_read_without_blanks() {
        for (text, written) in [
            (r#" {"b": 1 , "a":[ ]} "#, r#"{"a":[],"b":1}"#),
            (r#"[1.50, 1e3, 0, 18446744073709551615]"#, "[1.50,1E+3,0,18446744073709551615]"),
            (r#""é\u0041\n""#, r#""éA\n""#),
            ("null", "null"),
        ] {
            let mut out = String::new();
            Json::parse(text).unwrap().write(&mut out);
            assert_eq!(out, written);
        }
        assert!(Json::parse("{").is_none() && Json::parse("1 2").is_none());
        assert!(Json::parse(&"[".repeat(100_000)).is_none());
    }
}
