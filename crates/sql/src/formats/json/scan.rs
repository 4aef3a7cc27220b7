//! Walks over JSON text without making a tree.
//!
//! Below [`super::decode`], which asks for what its columns need and skips the rest.
//! Numbers are handed out as text, because DECIMAL and STRING columns want their digits.
//!
//! Accepts what Flink's reader (Jackson) does: RFC 8259, and control characters in strings.

use millstream_core::Error;
use std::borrow::Cow;
use std::ops::Range;

/// Objects and arrays within one another.
const MAX_DEPTH: usize = 1000;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// A place in JSON text. Values are taken in order.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Scan<T> = Result<T, Error>;

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0 }
    }
    /// The text, from byte `at` on.
    pub(crate) fn starting_at(text: &'a str, at: usize) -> Self {
        Scanner { text, at }
    }
    /// The next byte to be read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }
    /// Goes back to a former [`position`](Self::position).
    pub(crate) fn go_back(&mut self, at: usize) {
        self.at = at;
    }
    pub(crate) fn text(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
    #[cold]
    pub(crate) fn error(&self, what: &str) -> Error {
        Error::data(format!("JSON: {what} at column {}", self.at + 1))
    }
    #[cold]
    fn unexpected(&self, wanted: &str) -> Error {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                self.error(&format!("'{}' where {wanted} is expected", found.escape_debug()))
            }
            None => self.error(&format!("the text ends where {wanted} is expected")),
        }
    }

    /// Whether nothing but blanks is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.byte().is_none()
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Scan<Kind> {
        self.skip_blanks();
        Ok(match self.byte() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => return Err(self.unexpected("a value")),
        })
    }

    /// Takes `{` or `[`.
    pub(crate) fn open(&mut self) {
        self.at += 1;
    }
    /// The next name of an object, behind whose colon the value is; `None` at its end.
    pub(crate) fn next_name(&mut self, first: bool) -> Scan<Option<Cow<'a, str>>> {
        self.skip_blanks();
        match self.byte() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_blanks();
            }
            _ if !first => return Err(self.unexpected("',' or '}'")),
            _ => {}
        }
        if self.byte() != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        let name = self.string()?;
        self.skip_blanks();
        if self.byte() != Some(b':') {
            return Err(self.unexpected("':'"));
        }
        self.at += 1;
        Ok(Some(name))
    }
    /// Whether an array has another element, which follows.
    pub(crate) fn next_item(&mut self, first: bool) -> Scan<bool> {
        self.skip_blanks();
        match self.byte() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if !first => Err(self.unexpected("',' or ']'")),
            _ => Ok(true),
        }
    }

    /// Takes a string.
    pub(crate) fn string(&mut self) -> Scan<Cow<'a, str>> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let rest = bytes.get(start..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(length) if rest[length] == b'"' => {
                self.at = start + length + 1;
                Ok(Cow::Borrowed(self.text(start..start + length)))
            }
            Some(length) => {
                let mut out = self.text(start..start + length).to_owned();
                self.at = start + length;
                self.escaped(&mut out)?;
                Ok(Cow::Owned(out))
            }
            None => {
                self.at = bytes.len();
                Err(self.unexpected("the end of a string"))
            }
        }
    }
    /// The rest of a string from its first `\` on.
    fn escaped(&mut self, out: &mut String) -> Scan<()> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.text.len();
                return Err(self.unexpected("the end of a string"));
            };
            out.push_str(self.text(self.at..self.at + length));
            self.at += length + 1;
            if rest[length] == b'"' {
                return Ok(());
            }
            let escape = self.byte();
            self.at += 1;
            out.push(match escape {
                Some(b'"') => '"',
                Some(b'\\') => '\\',
                Some(b'/') => '/',
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(b'u') => self.unicode()?,
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("an escape such as \\n"));
                }
            });
        }
    }
    fn four_digits(&mut self) -> Scan<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok());
        let code = code.and_then(|d| u32::from_str_radix(d, 16).ok());
        let code = code.ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
    fn unicode(&mut self) -> Scan<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            // Half a pair alone is no character: Java keeps it, UTF-8 cannot.
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let second = self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u");
        if !second {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            self.at -= 6;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Takes a number; whether it has a fraction or an exponent.
    pub(crate) fn number(&mut self) -> Scan<(&'a str, bool)> {
        let start = self.at;
        let mut float = false;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.byte() == Some(b'0');
        let whole = self.digits()?;
        if leading_zero && whole > 1 {
            return Err(self.error("a number with a leading zero"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            float = true;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
            float = true;
        }
        Ok((self.text(start..self.at), float))
    }
    fn digits(&mut self) -> Scan<usize> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.unexpected("a digit")),
            count => Ok(count),
        }
    }
    /// Takes `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &'static str) -> Scan<()> {
        let found = self.text.as_bytes().get(self.at..self.at + word.len());
        if found != Some(word.as_bytes()) {
            return Err(self.unexpected(&format!("'{word}'")));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over a value; where it was.
    pub(crate) fn skip(&mut self) -> Scan<Range<usize>> {
        self.skip_blanks();
        let start = self.at;
        self.skip_value(0)?;
        Ok(start..self.at)
    }
    fn skip_value(&mut self, depth: usize) -> Scan<()> {
        if depth > MAX_DEPTH {
            return Err(self.error("more than 1000 levels"));
        }
        match self.kind()? {
            Kind::Object => {
                self.open();
                let mut first = true;
                while self.next_name(first)?.is_some() {
                    first = false;
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            Kind::Array => {
                self.open();
                let mut first = true;
                while self.next_item(first)? {
                    first = false;
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            Kind::Text => self.skip_string(),
            Kind::Number => self.number().map(drop),
            Kind::True => self.word("true"),
            Kind::False => self.word("false"),
            Kind::Null => self.word("null"),
        }
    }
    fn skip_string(&mut self) -> Scan<()> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            match memchr::memchr2(b'"', b'\\', bytes.get(self.at..).unwrap_or_default()) {
                Some(length) if bytes[self.at + length] == b'"' => {
                    self.at += length + 1;
                    return Ok(());
                }
                Some(length) => self.at += length + 2,
                None => {
                    self.at = bytes.len();
                    return Err(self.unexpected("the end of a string"));
                }
            }
        }
    }
}

/// Appends JSON text without the blanks between its parts.
pub(crate) fn write_compact(out: &mut Vec<u8>, json: &str) {
    let (mut quoted, mut escaped) = (false, false);
    for byte in json.bytes() {
        if quoted {
            out.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if !byte.is_ascii_whitespace() {
            out.push(byte);
            quoted = byte == b'"';
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, error) in [
            (r#"{"k":2,"v":"#, "the text ends where a value is expected at column 12"),
            (r#"{"k" 2}"#, "'2' where ':' is expected at column 6"),
            (r#"{"k":01}"#, "a number with a leading zero at column 8"),
            (r#"{k:1}"#, "'k' where a name in quotes is expected at column 2"),
            (r#"["a"#, "the text ends where the end of a string is expected at column 4"),
            ("nul", "'n' where 'null' is expected at column 1"),
            ("[1,]", "']' where a value is expected at column 4"),
        ] {
            let found = Scanner::new(text).skip().unwrap_err();
            assert_eq!(found.message(), format!("JSON: {error}"), "{text}");
        }
        assert!(Scanner::new(&"[".repeat(100_000)).skip().is_err());
    }

    #[test]
    fn compact_text() {
        let mut out = vec![];
        write_compact(&mut out, "{ \"a b\" : [ 1 , \"\\\" \" ] }");
        assert_eq!(out, br#"{"a b":[1,"\" "]}"#);
    }

    proptest! {
        #[test]
        fn strings_are_those_of_serde(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Scanner::new(&json).string().unwrap(), text);
        }
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:\\\\a-fnu0-9. -]{0,40}") {
            let ours = Scanner::new(&text).skip();
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(ours.is_ok());
            }
        }
    }
}
