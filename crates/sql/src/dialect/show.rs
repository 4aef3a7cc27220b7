//! `SHOW`.
//!
//! Source: Flink's "SHOW Statements" page.

use super::ast::{ObjectName, Show, Statement};
use super::lexer::Tok;
use super::parser::Parser;
use millstream_core::Result;

impl Parser<'_> {
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.need_word("SHOW")?;
        let kinds = [
            "CATALOGS",
            "CURRENT",
            "DATABASES",
            "TABLES",
            "VIEWS",
            "COLUMNS",
            "FUNCTIONS",
            "CREATE",
            "JARS",
            "MODULES",
            "JOBS",
        ];
        self.known_kind()?;
        for (word, what, advice) in [
            (
                "PARTITIONS",
                "SHOW PARTITIONS is not supported",
                "list the folders of the table's path",
            ),
            ("PROCEDURES", "no catalog here has procedures", "remove the statement"),
            ("MODELS", "models are not supported", "call the model in a function of your own"),
        ] {
            if self.is_word(word) {
                return Err(self.error_here(what).advice(advice));
            }
        }
        let Tok::Word(kind) = self.peek() else {
            return self.expected_word("what to show", &kinds);
        };
        let kind = kind.to_ascii_uppercase();
        if !kinds.contains(&kind.as_str()) && kind != "USER" && kind != "FULL" {
            return self.expected_word("what to show", &kinds);
        }
        self.advance();
        Ok(Statement::Show(match kind.as_str() {
            "CATALOGS" => {
                let (like, negated) = self.like()?;
                Show::Catalogs { like, negated }
            }
            "DATABASES" => {
                let from = match self.take_word("FROM") || self.take_word("IN") {
                    true => Some(self.ident()?),
                    false => None,
                };
                let (like, negated) = self.like()?;
                Show::Databases { from, like, negated }
            }
            "CURRENT" if self.take_word("CATALOG") => Show::CurrentCatalog,
            "CURRENT" => {
                self.need_word("DATABASE")?;
                Show::CurrentDatabase
            }
            "TABLES" | "VIEWS" => {
                let from = self.optional_database()?;
                let (like, negated) = self.like()?;
                match kind.as_str() {
                    "TABLES" => Show::Tables { from, like, negated },
                    _ => Show::Views { from, like, negated },
                }
            }
            "COLUMNS" => {
                let Some(table) = self.optional_database()? else {
                    return self.expected_word("the table", &["FROM", "IN"]);
                };
                let (like, negated) = self.like()?;
                Show::Columns { table, like, negated }
            }
            "FUNCTIONS" | "USER" => {
                let user_only = kind == "USER";
                if user_only {
                    self.need_word("FUNCTIONS")?;
                }
                let from = self.optional_database()?;
                let (like, negated) = self.like()?;
                Show::Functions { user_only, from, like, negated }
            }
            "FULL" => {
                self.need_word("MODULES")?;
                Show::Modules { full: true }
            }
            "CREATE" if self.take_word("CATALOG") => Show::CreateCatalog(self.ident()?),
            "CREATE" if self.take_word("VIEW") => Show::CreateView(self.object_name()?),
            "CREATE" => {
                self.need_word("TABLE")?;
                Show::CreateTable(self.object_name()?)
            }
            "JARS" => Show::Jars,
            "MODULES" => Show::Modules { full: false },
            _ => Show::Jobs,
        }))
    }

    fn like(&mut self) -> Result<(Option<String>, bool)> {
        let negated = self.is_words(&["NOT", "LIKE"]) && self.take_word("NOT");
        Ok(match self.take_word("LIKE") || self.take_word("ILIKE") {
            true => (Some(self.text_literal()?), negated),
            false => (None, false),
        })
    }
    fn optional_database(&mut self) -> Result<Option<ObjectName>> {
        Ok(match self.take_word("FROM") || self.take_word("IN") {
            true => Some(self.object_name()?),
            false => None,
        })
    }
}
