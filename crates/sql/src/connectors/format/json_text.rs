//! JSON text as a tree whose numbers keep their digits.
//!
//! `serde_json` would read a DECIMAL of 38 digits as a double. Strict RFC 8259; nesting is
//! bounded, so no record overflows the stack.

use millstream_core::{Error, Result};
use std::borrow::Cow;
use std::fmt::Write;

/// Deepest nesting.
const MAX_DEPTH: usize = 200;

/// A JSON value; texts are borrowed from the record where they can be.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum JsonText<'a> {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<JsonText<'a>>),
    Object(Vec<(Cow<'a, str>, JsonText<'a>)>),
}

impl<'a> JsonText<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// `Data`, when it is not one JSON value.
    pub fn parse(record: &'a [u8]) -> Result<JsonText<'a>> {
        let text = std::str::from_utf8(record)
            .map_err(|e| Error::data(format!("the record is not UTF-8 text: {e}")))?;
        let mut parser = JsonParser { text, at: 0, depth: 0 };
        let value = parser.value()?;
        parser.blanks();
        match parser.at == text.len() {
            true => Ok(value),
            false => Err(parser.wrong("the end")),
        }
    }
    /// The value of a field; the last one when there are several.
    pub fn get(&self, key: &str) -> Option<&JsonText<'a>> {
        match self {
            JsonText::Object(fields) => fields.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
    /// Appends the value as JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            JsonText::Null => out.push_str("null"),
            JsonText::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            JsonText::Number(n) => out.push_str(n),
            JsonText::Text(t) => write_text(out, t),
            JsonText::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            JsonText::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(out, key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Appends a text in double quotes.
pub fn write_text(out: &mut String, text: &str) {
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
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct JsonParser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> JsonParser<'a> {
    fn wrong(&self, expected: &str) -> Error {
        Error::data(format!("malformed JSON at byte {}: expected {expected}", self.at))
    }
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }
    fn take(&mut self, mark: char) -> bool {
        self.blanks();
        let is = self.rest().starts_with(mark);
        self.at += usize::from(is);
        is
    }
    fn need(&mut self, mark: char) -> Result<()> {
        if self.take(mark) { Ok(()) } else { Err(self.wrong(&format!("'{mark}'"))) }
    }

    fn value(&mut self) -> Result<JsonText<'a>> {
        self.blanks();
        if self.depth >= MAX_DEPTH {
            return Err(Error::data(format!("JSON is nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let value = self.value_here();
        self.depth -= 1;
        value
    }

    fn value_here(&mut self) -> Result<JsonText<'a>> {
        for (word, value) in [
            ("null", JsonText::Null),
            ("true", JsonText::Bool(true)),
            ("false", JsonText::Bool(false)),
        ] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match self.rest().as_bytes().first() {
            Some(b'"') => self.string().map(JsonText::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => {
                self.at += 1;
                let mut items = vec![];
                if self.take(']') {
                    return Ok(JsonText::Array(items));
                }
                loop {
                    items.push(self.value()?);
                    if !self.take(',') {
                        self.need(']')?;
                        return Ok(JsonText::Array(items));
                    }
                }
            }
            Some(b'{') => {
                self.at += 1;
                let mut fields = vec![];
                if self.take('}') {
                    return Ok(JsonText::Object(fields));
                }
                loop {
                    self.blanks();
                    if !self.rest().starts_with('"') {
                        return Err(self.wrong("a name in double quotes"));
                    }
                    let key = self.string()?;
                    self.need(':')?;
                    fields.push((key, self.value()?));
                    if !self.take(',') {
                        self.need('}')?;
                        return Ok(JsonText::Object(fields));
                    }
                }
            }
            _ => Err(self.wrong("a value")),
        }
    }

    fn number(&mut self) -> Result<JsonText<'a>> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let number = &rest[..length];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let leading_zero = digits.len() > 1
            && digits.starts_with('0')
            && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if leading_zero || number.parse::<f64>().is_err() || digits.starts_with(['.', '+']) {
            return Err(self.wrong("a number"));
        }
        self.at += length;
        Ok(JsonText::Number(number))
    }

    fn string(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let rest = self.rest();
        let plain = rest.find(['"', '\\']).ok_or_else(|| self.wrong("the end of a text"))?;
        if rest[..plain].bytes().any(|b| b < 0x20) {
            return Err(self.wrong("no control characters in a text"));
        }
        if rest.as_bytes().get(plain) == Some(&b'"') {
            self.at += plain + 1;
            return Ok(Cow::Borrowed(&rest[..plain]));
        }
        let mut units: Vec<u16> = vec![];
        loop {
            let mut chars = self.rest().chars();
            let c = chars.next().ok_or_else(|| self.wrong("the end of a text"))?;
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => {
                    let escaped = chars.next().ok_or_else(|| self.wrong("an escape"))?;
                    self.at += escaped.len_utf8();
                    let unit = match escaped {
                        '"' | '\\' | '/' => escaped as u16,
                        'n' => 10,
                        'r' => 13,
                        't' => 9,
                        'b' => 8,
                        'f' => 12,
                        'u' => {
                            let digits = self.rest().get(..4);
                            let unit = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
                            self.at += 4;
                            unit.ok_or_else(|| Error::data("malformed JSON: a broken \\u escape"))?
                        }
                        _ => return Err(self.wrong("an escape")),
                    };
                    units.push(unit);
                }
                c if (c as u32) < 0x20 => return Err(self.wrong("no control characters in a text")),
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
        // Half a surrogate pair has no counterpart in UTF-8.
        Ok(Cow::Owned(String::from_utf16_lossy(&units)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for text in [
            r#"{"a":[1,2.50,-3e5],"b":null,"c":"x\"\\\n","d":{},"e":[]}"#,
            "1234567890123456789012345678.0123456789",
            "true",
        ] {
            let mut out = String::new();
            JsonText::parse(text.as_bytes()).unwrap().write(&mut out);
            assert_eq!(out, text);
        }
        for wrong in ["", "{", "[1,", "{\"a\" 1}", "01", "\"a", "nul", "1 2", "{a:1}"] {
            assert!(JsonText::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(JsonText::parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
