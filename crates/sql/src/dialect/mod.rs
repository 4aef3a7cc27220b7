//! Text to statements: the dialect of Flink's SQL.
//!
//! ```text
//!   text ──lexer──> tokens ──parser──> Statement (ast)
//!                              statement.rs  what begins with a verb; create.rs alter.rs show.rs
//!                              query.rs      SELECT, FROM, set operations
//!                              expr.rs       by binding power; call.rs window.rs
//!                              types.rs      types
//! ```
//!
//! The grammar is our own, by recursive descent: docs/decisions/0007 says why.
//!
//! Invariants: every error says line and column; nesting is bounded by
//! [`MAX_DEPTH`], long chains of operators are flat or bounded too, so no statement
//! overflows the stack.

mod alter;
pub mod ast;
mod call;
mod create;
mod expr;
mod lexer;
mod parser;
mod query;
mod reserved;
mod show;
mod statement;
#[cfg(test)]
mod tests;
mod types;
pub mod unparse;
mod window;

pub use lexer::{MAX_STATEMENT_BYTES, Span, line_and_column, place};
pub use parser::MAX_DEPTH;

use ast::Statement;
use millstream_core::Result;
use parser::Parser;

/// A statement with the part of the script that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its place in the script.
    pub span: Span,
}

/// The first statement of `script` at byte `from` or behind, and where it ends
/// (behind its semicolon); `None` when nothing but blanks and comments is left.
///
/// # Errors
/// `Config` with line and column, counted in the whole script.
pub fn next_statement(tokens: &Tokens<'_>, from: usize) -> Result<Option<(Parsed, usize)>> {
    let mut parser = Parser::new(tokens.text, &tokens.tokens, from);
    parser.script_statement()
}

/// A script in tokens.
pub struct Tokens<'a> {
    text: &'a str,
    tokens: Vec<lexer::Token>,
}

impl<'a> Tokens<'a> {
    /// Splits a script into tokens.
    ///
    /// # Errors
    /// `Config` with line and column.
    pub fn of(text: &'a str) -> Result<Self> {
        Ok(Tokens { text, tokens: lexer::tokenize(text)? })
    }
}

/// All statements of a script.
///
/// # Errors
/// `Config` with line and column of the first mistake.
///
/// ```
/// let statements = millstream_sql::dialect::parse_script("SELECT 1; SELECT 2;")?;
/// assert_eq!(statements.len(), 2);
/// let error = millstream_sql::dialect::parse_script("SELEC 1").unwrap_err().to_string();
/// assert!(error.contains("line 1, column 1") && error.contains("SELECT"), "{error}");
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub fn parse_script(text: &str) -> Result<Vec<Parsed>> {
    let tokens = Tokens::of(text)?;
    let mut statements = vec![];
    let mut at = 0;
    while let Some((parsed, next)) = next_statement(&tokens, at)? {
        statements.push(parsed);
        at = next;
    }
    Ok(statements)
}
