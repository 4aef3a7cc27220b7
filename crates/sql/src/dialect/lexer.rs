//! Text to tokens, in the lexical rules of Flink's SQL (Calcite's, with backticks).
//!
//! First step of the front. Every token carries the byte range it came from, so that
//! every later error can point at line and column.
//!
//! Invariant: token ranges do not overlap, ascend, and lie on character boundaries.

use millstream_core::{Error, Result};

/// Longest statement text that is taken.
pub const MAX_STATEMENT_BYTES: usize = 4 << 20;

/// A byte range of the statement's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.end) }
    }
}

/// Line and column (both from 1, in characters) of a byte of `text`.
///
/// ```
/// assert_eq!(millstream_sql::dialect::line_and_column("ab\ncd", 4), (2, 2));
/// ```
pub fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// `line L, column C` of a place in `text`.
pub fn place(text: &str, span: Span) -> String {
    let (line, column) = line_and_column(text, span.start as usize);
    format!("line {line}, column {column}")
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// A word without quotes, as written.
    Word(String),
    /// A word in backticks, without them.
    Quoted(String),
    /// A number, as written.
    Number(String),
    /// Text in single quotes, unescaped.
    Text(String),
    /// `x'..'`: the hexadecimal digits.
    Binary(String),
    /// `/*+ ... */`: begins a hint; its contents follow as tokens.
    HintStart,
    /// `*/` of a hint.
    HintEnd,
    /// An operator or punctuation mark.
    Mark(&'static str),
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// What it is.
    pub(super) tok: Tok,
    /// Where it stands.
    pub(super) span: Span,
}

/// Longest first, so that `<=` is not read as `<`.
const MARKS: &[&str] = &[
    "<=>", "<>", "!=", "<=", ">=", "=>", "||", "::", "->", "(", ")", "[", "]", "{", "}", ",", ";",
    ".", "+", "-", "*", "/", "%", "<", ">", "=", "?", ":", "|", "^", "$", "&", "~", "!", "@",
];

/// Splits `text` into tokens; comments vanish, hints stay.
///
/// # Errors
/// `Config` with line and column: a text or comment without end, a strange character, a
/// statement that is too long.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>> {
    if text.len() > MAX_STATEMENT_BYTES {
        let what = format!("the statement has {} bytes", text.len());
        return Err(Error::config(what)
            .advice(format!("a statement may have up to {MAX_STATEMENT_BYTES} bytes")));
    }
    Lexer { text, at: 0, in_hint: false, tokens: Vec::with_capacity(text.len() / 5) }.run()
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    in_hint: bool,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Token>> {
        while self.at < self.text.len() {
            self.one()?;
        }
        if self.in_hint {
            return Err(self.error(self.at, "a hint has no end", "close it with */"));
        }
        let end = self.text.len() as u32;
        self.tokens.push(Token { tok: Tok::End, span: Span { start: end, end } });
        Ok(self.tokens)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, what: impl Into<String>, advice: &str) -> Error {
        let (line, column) = line_and_column(self.text, at);
        Error::config(what).at(format!("line {line}, column {column}")).advice(advice)
    }

    fn push(&mut self, tok: Tok, start: usize) {
        let span = Span { start: start as u32, end: self.at as u32 };
        self.tokens.push(Token { tok, span });
    }

    fn one(&mut self) -> Result<()> {
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(()) };
        if first.is_whitespace() || first == '\u{feff}' {
            self.at += first.len_utf8();
        } else if rest.starts_with("--") || rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*+") && !self.in_hint {
            self.at += 3;
            self.in_hint = true;
            self.push(Tok::HintStart, start);
        } else if rest.starts_with("*/") && self.in_hint {
            self.at += 2;
            self.in_hint = false;
            self.push(Tok::HintEnd, start);
        } else if rest.starts_with("/*") {
            let Some(len) = rest.find("*/") else {
                return Err(self.error(start, "a comment has no end", "close it with */"));
            };
            self.at += len + 2;
        } else if first == '\'' {
            let text = self.quoted('\'', "a text has no end")?;
            self.push(Tok::Text(text), start);
        } else if first == '`' {
            let word = self.quoted('`', "a name in backticks has no end")?;
            if word.is_empty() {
                return Err(self.error(start, "a name is empty", "write it between backticks"));
            }
            self.push(Tok::Quoted(word), start);
        } else if first == '"' {
            return Err(self.error(
                start,
                "a double quote begins nothing in Flink's SQL",
                "write text in single quotes and names in backticks",
            ));
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            self.number();
        } else if first.is_alphabetic() || first == '_' {
            self.word(start)?;
        } else if let Some(mark) = MARKS.iter().find(|m| rest.starts_with(**m)) {
            self.at += mark.len();
            self.push(Tok::Mark(mark), start);
        } else {
            let what = format!("the character '{}' begins nothing", first.escape_default());
            return Err(self.error(start, what, "quote it if it belongs to a text or a name"));
        }
        Ok(())
    }

    /// Text up to `quote`; a doubled quote stands for one.
    fn quoted(&mut self, quote: char, what: &str) -> Result<String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(len) = self.rest().find(quote) else {
                return Err(self.error(start, what, "close it with the same quote"));
            };
            out.push_str(&self.rest()[..len]);
            self.at += len + 1;
            if !self.rest().starts_with(quote) {
                return Ok(out);
            }
            out.push(quote);
            self.at += 1;
        }
    }

    fn number(&mut self) {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        self.at = digits(self.at);
        if bytes.get(self.at) == Some(&b'.') {
            self.at = digits(self.at + 1);
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
            let end = digits(self.at + 1 + sign);
            if end > self.at + 1 + sign {
                self.at = end;
            }
        }
        self.push(Tok::Number(self.text[start..self.at].to_owned()), start);
    }

    fn word(&mut self, start: usize) -> Result<()> {
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest[..len].to_owned();
        let follows = &rest[len..];
        if follows.starts_with('\'') && matches!(word.as_str(), "x" | "X") {
            self.at += len;
            let digits = self.quoted('\'', "a binary text has no end")?;
            if digits.len() % 2 != 0 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(self.error(
                    start,
                    "a binary text needs pairs of hexadecimal digits",
                    "for example x'0A1F'",
                ));
            }
            self.push(Tok::Binary(digits), start);
        } else if follows.starts_with("&'") && matches!(word.as_str(), "U" | "u") {
            self.at += len + 1;
            let raw = self.quoted('\'', "a text has no end")?;
            let text = self.unicode_escapes(&raw, start)?;
            self.push(Tok::Text(text), start);
        } else if follows.starts_with('\'')
            && (matches!(word.as_str(), "N" | "n" | "E" | "e") || word.starts_with('_'))
        {
            // A character set before a text says nothing: everything is Unicode.
            self.at += len;
            let text = self.quoted('\'', "a text has no end")?;
            self.push(Tok::Text(text), start);
        } else {
            self.at += len;
            self.push(Tok::Word(word), start);
        }
        Ok(())
    }

    /// `\XXXX` in `U&'...'` is a UTF-16 unit; a doubled backslash is one.
    fn unicode_escapes(&self, raw: &str, start: usize) -> Result<String> {
        let wrong = || {
            let what = "a Unicode escape is not a backslash and four hexadecimal digits";
            self.error(start, what, "for example U&'\\00E9'")
        };
        let mut units: Vec<u16> = Vec::new();
        let mut rest = raw;
        while let Some(c) = rest.chars().next() {
            if c != '\\' {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                rest = &rest[c.len_utf8()..];
            } else if let Some(after) = rest.strip_prefix("\\\\") {
                units.push(u16::from(b'\\'));
                rest = after;
            } else {
                let digits = rest.get(1..5).ok_or_else(wrong)?;
                units.push(u16::from_str_radix(digits, 16).map_err(|_| wrong())?);
                rest = &rest[5..];
            }
        }
        String::from_utf16(&units).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(text: &str) -> String {
        let tokens = tokenize(text).unwrap();
        tokens.iter().map(|t| format!("{:?}", t.tok)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tokens_of_each_kind() {
        assert_eq!(
            words("a`b``c` 'd''e' x'0A' U&'\\00e9' 1.5e-3 .5 1e <= /* x */ -- y"),
            "Word(\"a\") Quoted(\"b`c\") Text(\"d'e\") Binary(\"0A\") Text(\"é\") \
             Number(\"1.5e-3\") Number(\".5\") Number(\"1\") Word(\"e\") Mark(\"<=\") End"
        );
        assert_eq!(words("t /*+ X */"), "Word(\"t\") HintStart Word(\"X\") HintEnd End");
    }

    #[test]
    fn what_has_no_end_is_shown_with_its_beginning() {
        for text in ["\n 'a", "\n `a", "\n /* a", "\n '12"] {
            let error = tokenize(text).unwrap_err().to_string();
            assert!(error.contains("line 2, column 2"), "{error}");
        }
    }
}
