//! JSON documents in memory: read in order, written as Jackson writes them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::text::{write_double, write_int};

/// Deepest nesting that is read: serde_json's own limit.
const MAX_DEPTH: u32 = 128;

/// A JSON value; objects keep the order of their members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond 64 bits, signed.
    Wide(u64),
    Double(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The document that a text is, or `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Json> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let json = Read { depth: 0 }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(json)
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
            Json::Wide(v) => out.push_str(&v.to_string()),
            Json::Double(v) => write_double(out, *v),
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

struct Read {
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Read {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom("nested too deep"));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read {
    type Value = Json;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Wide(value), Json::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }
    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Read { depth: self.depth + 1 })? {
            all.push(item);
        }
        Ok(Json::Array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut all: Vec<(String, Json)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Read { depth: self.depth + 1 })?;
            // Members are kept in the order of their names; of equal names the last counts.
            match all.binary_search_by(|(n, _)| n.as_str().cmp(&name)) {
                Ok(at) => all[at].1 = value,
                Err(at) => all.insert(at, (name, value)),
            }
        }
        Ok(Json::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_read_without_blanks() {
        for (text, written) in [
            (r#" {"b": 1 , "a":[ ]} "#, r#"{"a":[],"b":1}"#),
            (r#"[1.50, 1e3, 0, 18446744073709551615]"#, "[1.5,1000.0,0,18446744073709551615]"),
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
