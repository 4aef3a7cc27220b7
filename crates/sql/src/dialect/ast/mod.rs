//! Statements, queries and expressions as they were written.
//!
//! Between the parser and the binder. Names are not resolved and types not checked;
//! every node that an error may be about has its place in the text.

mod expr;
mod query;
mod statement;

pub use expr::*;
pub use query::*;
pub use statement::*;

use super::lexer::Span;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    /// The name, without backticks.
    pub value: String,
    /// Where it stands.
    pub span: Span,
}

/// A name of one to three parts: `[[catalog.]database.]object`.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectName(pub Vec<Ident>);

impl ObjectName {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(a), Some(b)) => a.span.to(b.span),
            _ => Span::default(),
        }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<&str> = self.0.iter().map(|i| i.value.as_str()).collect();
        f.write_str(&parts.join("."))
    }
}
