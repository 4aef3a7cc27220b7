//! The parser's hands: looking at tokens, taking them, and saying what was expected.
//!
//! The grammar is in its sibling modules. Invariant: [`Parser::deeper`] counts every
//! level of nesting, so that recursion ends at [`MAX_DEPTH`] with an error.

use super::ast::{Ident, ObjectName};
use super::lexer::{Span, Tok, Token, place};
use super::reserved::is_reserved;
use millstream_core::nearest::nearest;
use millstream_core::{Error, Result};

/// Deepest nesting of queries, expressions and types together.
pub const MAX_DEPTH: usize = 400;

/// Most operands of one chain such as `a + b + c`: it is a tree as deep as it is long.
pub(super) const MAX_CHAIN: usize = 2_000;

/// Goes through the tokens of a script.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Begins at token `from`.
    pub(super) fn new(text: &'a str, tokens: &'a [Token], from: usize) -> Self {
        let last = tokens.len().saturating_sub(1);
        Parser { text, tokens, at: from.min(last), depth: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }
    /// Goes back to where [`Parser::position`] was.
    pub(super) fn rewind(&mut self, to: usize) {
        self.at = to;
    }
    fn token(&self, ahead: usize) -> &'a Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + ahead).min(last)]
    }
    pub(super) fn peek(&self) -> &'a Tok {
        &self.token(0).tok
    }
    pub(super) fn peek_at(&self, ahead: usize) -> &'a Tok {
        &self.token(ahead).tok
    }
    pub(super) fn span(&self) -> Span {
        self.token(0).span
    }
    /// The range of the token that was taken last.
    pub(super) fn last_span(&self) -> Span {
        self.at.checked_sub(1).map_or(Span::default(), |i| self.tokens[i].span)
    }
    /// From `start` to the token that was taken last.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }
    pub(super) fn advance(&mut self) {
        if self.at < self.tokens.len() - 1 {
            self.at += 1;
        }
    }

    /// Runs `parse` one level deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self
                .error_here(format!("the statement is nested deeper than {MAX_DEPTH}"))
                .advice("split it with views, or flatten the expression"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    pub(super) fn error_at(&self, span: Span, what: impl Into<String>) -> Error {
        Error::config(what).at(place(self.text, span))
    }
    pub(super) fn error_here(&self, what: impl Into<String>) -> Error {
        self.error_at(self.span(), what)
    }
    /// What stands here, for people.
    pub(super) fn found(&self) -> String {
        match self.peek() {
            Tok::End => "the end of the text".into(),
            Tok::Text(_) => "a text".into(),
            _ => {
                let span = self.span();
                let shown = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
                format!("'{}'", shown.chars().take(40).collect::<String>())
            }
        }
    }
    pub(super) fn expected<T>(&self, what: &str) -> Result<T> {
        let message = format!("found {} where {what} was expected", self.found());
        Err(self.error_here(message).advice("check the statement before this place"))
    }
    /// As `expected`, with the nearest of `words` when a word stands here.
    pub(super) fn expected_word<T>(&self, what: &str, words: &[&str]) -> Result<T> {
        let message = format!("found {} where {what} was expected", self.found());
        let error = self.error_here(message);
        let near = match self.peek() {
            Tok::Word(word) => nearest(word, words.iter().copied()),
            _ => None,
        };
        Err(match near {
            Some(near) => error.advice(format!("did you mean {near}?")),
            None => error.advice(format!("use one of {}", words.join(", "))),
        })
    }

    // Words and marks.

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Tok::Word(w) if w.eq_ignore_ascii_case(word))
    }
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }
    pub(super) fn is_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, w)| self.is_word_at(i, w))
    }
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        if is {
            self.advance();
        }
        is
    }
    /// Takes all of `words` or none.
    pub(super) fn take_words(&mut self, words: &[&str]) -> bool {
        let are = self.is_words(words);
        if are {
            words.iter().for_each(|_| self.advance());
        }
        are
    }
    pub(super) fn need_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { self.expected_word(word, &[word]) }
    }
    pub(super) fn need_words(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|w| self.need_word(w))
    }
    pub(super) fn is_mark_at(&self, ahead: usize, mark: &str) -> bool {
        matches!(self.peek_at(ahead), Tok::Mark(m) if *m == mark)
    }
    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.is_mark_at(0, mark)
    }
    pub(super) fn take_mark(&mut self, mark: &str) -> bool {
        let is = self.is_mark(mark);
        if is {
            self.advance();
        }
        is
    }
    pub(super) fn need_mark(&mut self, mark: &str) -> Result<()> {
        if self.take_mark(mark) { Ok(()) } else { self.expected(&format!("'{mark}'")) }
    }

    /// One or more of what `parse` takes, with commas in between.
    pub(super) fn comma_list<T>(
        &mut self,
        mut parse: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut list = vec![parse(self)?];
        while self.take_mark(",") {
            list.push(parse(self)?);
        }
        Ok(list)
    }

    // Names and literals.

    /// Whether a name may stand here: a quoted word, or one that is not reserved.
    pub(super) fn is_ident(&self) -> bool {
        match self.peek() {
            Tok::Quoted(_) => true,
            Tok::Word(word) => !is_reserved(word),
            _ => false,
        }
    }
    /// A name.
    pub(super) fn ident(&mut self) -> Result<Ident> {
        if let Tok::Word(word) = self.peek()
            && is_reserved(word)
        {
            let message = format!("found {} where a name was expected", self.found());
            return Err(self.error_here(message).advice(format!(
                "{} is a reserved word: write it in backticks to use it as a name",
                word.to_ascii_uppercase()
            )));
        }
        self.any_word()
    }
    /// A word or quoted name, reserved or not.
    pub(super) fn any_word(&mut self) -> Result<Ident> {
        let value = match self.peek() {
            Tok::Quoted(word) | Tok::Word(word) => word.clone(),
            _ => return self.expected("a name"),
        };
        let span = self.span();
        self.advance();
        Ok(Ident { value, span })
    }
    /// `a[.b[.c]]`.
    pub(super) fn object_name(&mut self) -> Result<ObjectName> {
        let mut parts = vec![self.ident()?];
        while self.take_mark(".") {
            parts.push(self.any_word()?);
        }
        if parts.len() > 3 {
            let span = ObjectName(parts).span();
            return Err(self
                .error_at(span, "a name has more than three parts")
                .advice("write [[catalog.]database.]object"));
        }
        Ok(ObjectName(parts))
    }
    /// `(a, b, c)`.
    pub(super) fn ident_list(&mut self) -> Result<Vec<Ident>> {
        self.need_mark("(")?;
        let list = self.comma_list(Self::ident)?;
        self.need_mark(")")?;
        Ok(list)
    }
    /// A text in single quotes.
    pub(super) fn text_literal(&mut self) -> Result<String> {
        let Tok::Text(text) = self.peek() else { return self.expected("a text in single quotes") };
        self.advance();
        Ok(text.clone())
    }
    /// A whole number.
    pub(super) fn small_number(&mut self) -> Result<u32> {
        let number = match self.peek() {
            Tok::Number(n) => n.parse().ok(),
            _ => None,
        };
        let Some(number) = number else { return self.expected("a whole number") };
        self.advance();
        Ok(number)
    }
    /// A word, in capitals.
    pub(super) fn keyword(&mut self) -> Result<String> {
        let Tok::Word(word) = self.peek() else { return self.expected("a word") };
        self.advance();
        Ok(word.to_ascii_uppercase())
    }
}
