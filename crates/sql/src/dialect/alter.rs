//! `ALTER` and `DROP`.
//!
//! Source: Flink's "ALTER Statements" and "DROP Statements" pages.

use super::ast::{AlterCatalog, AlterTable, Statement};
use super::lexer::Tok;
use super::parser::Parser;
use millstream_core::Result;

impl Parser<'_> {
    pub(super) fn drop_statement(&mut self) -> Result<Statement> {
        self.need_word("DROP")?;
        let temporary = self.take_word("TEMPORARY");
        let system = temporary && self.take_word("SYSTEM");
        let kinds = ["TABLE", "VIEW", "DATABASE", "CATALOG", "FUNCTION"];
        self.known_kind()?;
        let Tok::Word(kind) = self.peek() else {
            return self.expected_word("what to drop", &kinds);
        };
        let kind = kind.to_ascii_uppercase();
        if !kinds.contains(&kind.as_str()) {
            return self.expected_word("what to drop", &kinds);
        }
        self.advance();
        let if_exists = self.if_exists();
        Ok(match kind.as_str() {
            "TABLE" => Statement::DropTable { name: self.object_name()?, if_exists, temporary },
            "VIEW" => Statement::DropView { name: self.object_name()?, if_exists, temporary },
            "DATABASE" => {
                let name = self.object_name()?;
                let cascade = self.take_word("CASCADE");
                self.take_word("RESTRICT");
                Statement::DropDatabase { name, if_exists, cascade }
            }
            "CATALOG" => Statement::DropCatalog { name: self.ident()?, if_exists },
            _ => {
                let name = self.object_name()?;
                Statement::DropFunction { name, if_exists, temporary, system }
            }
        })
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.need_word("ALTER")?;
        if self.take_word("TABLE") {
            let if_exists = self.if_exists();
            let name = self.object_name()?;
            let change = self.alter_table()?;
            return Ok(Statement::AlterTable { name, if_exists, change });
        }
        if self.take_word("VIEW") {
            let name = self.object_name()?;
            if self.take_words(&["RENAME", "TO"]) {
                return Ok(Statement::AlterViewRename { name, to: self.object_name()? });
            }
            self.need_word("AS")?;
            let (query, text) = self.query_with_text()?;
            return Ok(Statement::AlterViewAs { name, query, text });
        }
        if self.take_word("DATABASE") {
            let name = self.object_name()?;
            self.need_word("SET")?;
            return Ok(Statement::AlterDatabaseSet { name, options: self.option_list()? });
        }
        if self.take_word("CATALOG") {
            let name = self.ident()?;
            let change = if self.take_word("SET") {
                AlterCatalog::Set(self.option_list()?)
            } else if self.take_word("RESET") {
                AlterCatalog::Reset(self.key_list()?)
            } else {
                self.need_word("COMMENT")?;
                AlterCatalog::Comment(self.text_literal()?)
            };
            return Ok(Statement::AlterCatalog { name, change });
        }
        let temporary = self.take_word("TEMPORARY");
        let system = temporary && self.take_word("SYSTEM");
        if self.take_word("FUNCTION") {
            let quiet = self.if_exists();
            return self.function(true, temporary, system, quiet);
        }
        self.known_kind()?;
        let kinds = ["TABLE", "VIEW", "DATABASE", "CATALOG", "FUNCTION"];
        self.expected_word("what to alter", &kinds)
    }

    /// `('a', 'b')`.
    fn key_list(&mut self) -> Result<Vec<String>> {
        self.need_mark("(")?;
        let keys = match self.is_mark(")") {
            true => vec![],
            false => self.comma_list(Self::text_literal)?,
        };
        self.need_mark(")")?;
        Ok(keys)
    }

    fn alter_table(&mut self) -> Result<AlterTable> {
        if self.take_word("RENAME") {
            if self.take_word("TO") {
                return Ok(AlterTable::Rename(self.object_name()?));
            }
            let from = self.ident()?;
            self.need_word("TO")?;
            return Ok(AlterTable::RenameColumn { from, to: self.ident()? });
        }
        if self.take_word("SET") {
            return Ok(AlterTable::Set(self.option_list()?));
        }
        if self.take_word("RESET") {
            return Ok(AlterTable::Reset(self.key_list()?));
        }
        let partition = self.is_word("PARTITION")
            || self.is_words(&["ADD", "PARTITION"])
            || self.is_words(&["DROP", "PARTITION"])
            || self.is_words(&["ADD", "IF"])
            || self.is_words(&["DROP", "IF"]);
        if partition {
            return Err(self
                .error_here("partitions are not changed by ALTER TABLE here")
                .advice("a filesystem table finds its partitions in its folders"));
        }
        for word in ["ADD", "MODIFY"] {
            if self.take_word(word) {
                let (columns, watermarks, keys) = if self.take_mark("(") {
                    let parts = self.table_parts(true)?;
                    self.need_mark(")")?;
                    parts
                } else {
                    self.take_word("COLUMN");
                    self.table_parts(true)?
                };
                return Ok(match word {
                    "ADD" => AlterTable::Add { columns, watermarks, keys },
                    _ => AlterTable::Modify { columns, watermarks, keys },
                });
            }
        }
        if self.take_word("DROP") {
            if self.take_words(&["PRIMARY", "KEY"]) {
                return Ok(AlterTable::DropPrimaryKey);
            }
            if self.take_word("CONSTRAINT") {
                self.ident()?;
                return Ok(AlterTable::DropPrimaryKey);
            }
            if self.is_word("WATERMARK")
                && (self.is_mark_at(1, ";") || *self.peek_at(1) == Tok::End)
            {
                self.advance();
                return Ok(AlterTable::DropWatermark);
            }
            self.take_word("COLUMN");
            if self.is_mark("(") {
                return Ok(AlterTable::DropColumns(self.ident_list()?));
            }
            return Ok(AlterTable::DropColumns(vec![self.ident()?]));
        }
        self.expected_word("a change", &["RENAME", "SET", "RESET", "ADD", "MODIFY", "DROP"])
    }
}
