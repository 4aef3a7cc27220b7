//! From syntax to meaning: names resolved, types derived, a logical plan made.
//!
//! ```text
//!   ast::Query ──query.rs──> Rel        select.rs    SELECT; from.rs: tables, joins, UNNEST
//!   ast::Expr  ──expr.rs───> Expr       group.rs aggregate.rs over.rs window.rs
//!   CREATE TABLE ─table.rs─> TableDef   subquery.rs  IN, EXISTS, values
//! ```
//!
//! Between the parser and the plan. Source of the rules: Flink's planner as seen from
//! outside (tests/conformance); the code is our own.
//!
//! Invariant: an error names the place in the text that was bound; a text of its own (a
//! view's, a computed column's) is named before the place.

pub(crate) mod aggregate;
pub(crate) mod expr;
mod from;
mod group;
mod hints;
mod literal;
mod over;
mod query;
mod scope;
mod select;
mod subquery;
pub(crate) mod table;
mod types;
mod window;

use crate::catalog::Catalog;
use crate::dialect::ast::{Cte, ObjectName, Query};
use crate::dialect::{Span, place};
use crate::functions::Registry;
use crate::plan::logical::Rel;
use crate::settings::Settings;
use millstream_core::{Error, Result};

pub(crate) use expr::Cx;
pub(crate) use scope::Scope;

/// Deepest nesting of views within views.
const MAX_VIEW_DEPTH: usize = 50;

/// What binding may know. See the module.
pub(crate) struct Binder<'a> {
    /// The session's objects.
    pub(crate) catalog: &'a Catalog,
    /// Its functions.
    pub(crate) registry: &'a Registry,
    /// Its settings.
    pub(crate) settings: &'a Settings,
    /// The text that is bound, for places.
    pub(crate) text: &'a str,
    /// The catalog and database that names without them mean.
    pub(crate) home: (String, String),
    /// Common table expressions in scope, innermost last.
    ctes: Vec<&'a Cte>,
    /// Columns of the query around this one.
    outer: Option<Scope>,
    /// Of those around that one, outermost first.
    around: Vec<Scope>,
    /// Hints of the query whose `FROM` is bound.
    hints: Option<&'a hints::QueryHints>,
    /// Views that are being expanded.
    depth: usize,
}

impl<'a> Binder<'a> {
    /// Binds statements of a session.
    pub(crate) fn new(
        catalog: &'a Catalog,
        registry: &'a Registry,
        settings: &'a Settings,
        text: &'a str,
    ) -> Self {
        let home = (catalog.current_catalog().to_owned(), catalog.current_database().to_owned());
        Binder {
            catalog,
            registry,
            settings,
            text,
            home,
            ctes: vec![],
            outer: None,
            around: vec![],
            hints: None,
            depth: 0,
        }
    }

    /// For the text of a view or a column, in its own home.
    fn within<'b>(&'b self, text: &'b str, home: (String, String)) -> Result<Binder<'b>> {
        if self.depth >= MAX_VIEW_DEPTH {
            let what = format!("views are nested deeper than {MAX_VIEW_DEPTH}");
            return Err(Error::config(what).advice("a view may be defined by itself; check them"));
        }
        Ok(Binder {
            catalog: self.catalog,
            registry: self.registry,
            settings: self.settings,
            text,
            home,
            ctes: vec![],
            outer: None,
            around: vec![],
            hints: None,
            depth: self.depth + 1,
        })
    }

    /// With more table expressions in scope.
    fn with_ctes<'b>(&'b self, ctes: &'b [Cte]) -> Binder<'b> {
        let mut all: Vec<&'b Cte> = self.ctes.clone();
        all.extend(ctes);
        Binder {
            catalog: self.catalog,
            registry: self.registry,
            settings: self.settings,
            text: self.text,
            home: self.home.clone(),
            ctes: all,
            outer: self.outer.clone(),
            around: self.around.clone(),
            hints: None,
            depth: self.depth,
        }
    }

    /// For the `FROM` of a query with hints.
    fn hinted<'b>(&'b self, hints: &'b hints::QueryHints) -> Binder<'b> {
        let mut binder = self.with_ctes(&[]);
        binder.hints = Some(hints);
        binder
    }

    /// For a subquery that sees the columns of the query around it.
    fn correlated<'b>(&'b self, outer: &Scope) -> Binder<'b> {
        let mut binder = self.with_ctes(&[]);
        binder.around.extend(binder.outer.replace(outer.clone()));
        binder
    }

    /// An error at a place.
    pub(crate) fn fail(&self, span: Span, what: impl Into<String>) -> Error {
        Error::config(what).at(place(self.text, span))
    }
    /// Adds the place, unless a deeper one is known.
    pub(crate) fn place(&self, error: Error, span: Span) -> Error {
        if error.has_place() { error } else { error.at(place(self.text, span)) }
    }
    /// The full path of a name.
    pub(crate) fn path(&self, name: &ObjectName) -> crate::catalog::Path {
        self.catalog.path_in(name, &self.home.0, &self.home.1)
    }
    /// The plan of a query whose names are resolved in this session.
    ///
    /// # Errors
    /// `Config`, with the place.
    pub(crate) fn query(&self, query: &Query) -> Result<Rel> {
        self.bind_query(query)
    }
}
