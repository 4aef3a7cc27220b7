//! `CREATE`: tables with their columns, watermarks and keys, views, functions, and the rest.
//!
//! Source: Flink's "CREATE Statements" page.

use super::ast::{
    ColumnDef, ColumnKind, CreateTable, Enforcement, KeyDef, LikeDef, Options, Position, Query,
    Statement, WatermarkDef,
};
use super::lexer::Tok;
use super::parser::Parser;
use super::statement::FUNCTIONS;
use millstream_core::Result;

/// Columns, watermarks and keys of a definition.
pub(super) type Parts = (Vec<ColumnDef>, Vec<WatermarkDef>, Vec<KeyDef>);

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.need_word("CREATE")?;
        let or_replace = self.take_words(&["OR", "REPLACE"]);
        let temporary = self.take_word("TEMPORARY");
        let system = temporary && self.take_word("SYSTEM");
        let kinds = ["TABLE", "VIEW", "DATABASE", "CATALOG", "FUNCTION"];
        self.known_kind()?;
        let Tok::Word(kind) = self.peek() else {
            return self.expected_word("what to create", &kinds);
        };
        let kind = kind.to_ascii_uppercase();
        if or_replace && kind != "VIEW" {
            return Err(self
                .error_here(format!("CREATE OR REPLACE {kind} is not supported"))
                .advice("drop it first"));
        }
        match kind.as_str() {
            "TABLE" => {
                self.advance();
                Ok(Statement::CreateTable(Box::new(self.create_table(temporary)?)))
            }
            "VIEW" => {
                self.advance();
                let if_not_exists = self.if_not_exists();
                let name = self.object_name()?;
                let columns = if self.is_mark("(") { self.ident_list()? } else { vec![] };
                let comment = self.comment()?;
                self.need_word("AS")?;
                let (query, text) = self.query_with_text()?;
                Ok(Statement::CreateView {
                    temporary,
                    if_not_exists,
                    or_replace,
                    name,
                    columns,
                    comment,
                    query,
                    text,
                })
            }
            "DATABASE" => {
                self.advance();
                let if_not_exists = self.if_not_exists();
                let name = self.object_name()?;
                let comment = self.comment()?;
                let options = self.with_options()?;
                Ok(Statement::CreateDatabase { name, if_not_exists, comment, options })
            }
            "CATALOG" => {
                self.advance();
                let if_not_exists = self.if_not_exists();
                let name = self.ident()?;
                let comment = self.comment()?;
                let options = self.with_options()?;
                Ok(Statement::CreateCatalog { name, if_not_exists, comment, options })
            }
            "FUNCTION" => {
                self.advance();
                let quiet = self.if_not_exists();
                self.function(false, temporary, system, quiet)
            }
            _ => self.expected_word("what to create", &kinds),
        }
    }

    pub(super) fn query_with_text(&mut self) -> Result<(Query, String)> {
        let start = self.span();
        let query = self.query()?;
        let span = self.since(start);
        let text = self.text[span.start as usize..span.end as usize].to_owned();
        Ok((query, text))
    }

    fn create_table(&mut self, temporary: bool) -> Result<CreateTable> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let mut table = CreateTable {
            temporary,
            if_not_exists,
            name,
            columns: vec![],
            bare_columns: vec![],
            watermarks: vec![],
            keys: vec![],
            comment: None,
            partitioned_by: vec![],
            options: vec![],
            like: None,
            query: None,
        };
        if self.take_mark("(") {
            let ends = |p: &Self| p.is_mark_at(1, ",") || p.is_mark_at(1, ")");
            if self.is_ident() && ends(self) {
                table.bare_columns = self.comma_list(Self::ident)?;
            } else if !self.is_mark(")") {
                (table.columns, table.watermarks, table.keys) = self.table_parts(false)?;
            }
            self.need_mark(")")?;
        }
        table.comment = self.comment()?;
        if self.is_word("DISTRIBUTED") {
            return Err(self
                .error_here("DISTRIBUTED BY is not supported")
                .advice("remove it: no connector here has buckets"));
        }
        if self.take_words(&["PARTITIONED", "BY"]) {
            table.partitioned_by = self.ident_list()?;
        }
        table.options = self.with_options()?;
        if self.take_word("LIKE") {
            let source = self.object_name()?;
            let mut options = vec![];
            if self.take_mark("(") {
                while !self.take_mark(")") {
                    let mode = self.keyword()?;
                    let what = self.keyword()?;
                    options.push((mode, what));
                    self.take_mark(",");
                }
            }
            table.like = Some(LikeDef { source, options });
        } else if self.take_word("AS") {
            table.query = Some(self.query()?);
        }
        Ok(table)
    }

    /// Columns, watermarks and constraints, with commas; `positions` for ALTER TABLE.
    pub(super) fn table_parts(&mut self, positions: bool) -> Result<Parts> {
        let mut parts: Parts = (vec![], vec![], vec![]);
        loop {
            if self.is_words(&["WATERMARK", "FOR"]) {
                self.advance();
                self.advance();
                let mut column = vec![self.ident()?];
                while self.take_mark(".") {
                    column.push(self.any_word()?);
                }
                self.need_word("AS")?;
                let expr = self.expr()?;
                parts.1.push(WatermarkDef { column, expr });
            } else if self.is_word("CONSTRAINT")
                || self.is_words(&["PRIMARY", "KEY"])
                || (self.is_word("UNIQUE") && self.is_mark_at(1, "("))
            {
                parts.2.push(self.key()?);
            } else {
                parts.0.push(self.column(positions)?);
            }
            if !self.take_mark(",") {
                return Ok(parts);
            }
        }
    }

    fn key(&mut self) -> Result<KeyDef> {
        let start = self.span();
        let name = if self.take_word("CONSTRAINT") { Some(self.ident()?) } else { None };
        let unique = self.take_word("UNIQUE");
        if !unique {
            self.need_words(&["PRIMARY", "KEY"])?;
        }
        let columns = self.ident_list()?;
        let enforcement = self.enforcement();
        Ok(KeyDef { name, columns, enforcement, unique, span: self.since(start) })
    }

    fn enforcement(&mut self) -> Enforcement {
        if self.take_words(&["NOT", "ENFORCED"]) {
            Enforcement::NotEnforced
        } else if self.take_word("ENFORCED") {
            Enforcement::Enforced
        } else {
            Enforcement::Unsaid
        }
    }

    fn column(&mut self, positions: bool) -> Result<ColumnDef> {
        let name = self.ident()?;
        let mut primary_key = None;
        let mut comment = None;
        let kind = if self.take_word("AS") {
            ColumnKind::Computed(self.expr()?)
        } else if self.is_word("METADATA") {
            // `x METADATA` without a type: refused with the place of the missing type.
            return self.expected("a type before METADATA");
        } else {
            let data_type = self.data_type()?;
            if self.take_word("METADATA") {
                let key = match self.take_word("FROM") {
                    true => Some(self.text_literal()?),
                    false => None,
                };
                let is_virtual = self.take_word("VIRTUAL");
                ColumnKind::Metadata { data_type, key, is_virtual }
            } else {
                ColumnKind::Physical(data_type)
            }
        };
        let mut position = None;
        loop {
            if self.take_words(&["PRIMARY", "KEY"]) {
                primary_key = Some(self.enforcement());
            } else if self.is_word("COMMENT") {
                comment = self.comment()?;
            } else if positions && self.take_word("FIRST") {
                position = Some(Position::First);
            } else if positions && self.take_word("AFTER") {
                position = Some(Position::After(self.ident()?));
            } else {
                return Ok(ColumnDef { name, kind, comment, primary_key, position });
            }
        }
    }

    /// `name AS 'identifier' [LANGUAGE word]`.
    pub(super) fn function(
        &mut self,
        alter: bool,
        temporary: bool,
        system: bool,
        quiet: bool,
    ) -> Result<Statement> {
        let name = self.object_name()?;
        self.need_word("AS")?;
        let class = self.text_literal()?;
        let language = match self.take_word("LANGUAGE") {
            true => Some(self.keyword()?),
            false => None,
        };
        if self.is_word("USING") {
            return Err(self.error_here("USING JAR: there is no JVM here").advice(FUNCTIONS));
        }
        Ok(Statement::CreateFunction { name, temporary, system, quiet, alter, class, language })
    }

    fn if_not_exists(&mut self) -> bool {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }
    pub(super) fn if_exists(&mut self) -> bool {
        self.take_words(&["IF", "EXISTS"])
    }
    fn comment(&mut self) -> Result<Option<String>> {
        Ok(match self.take_word("COMMENT") {
            true => Some(self.text_literal()?),
            false => None,
        })
    }

    /// `WITH ('k' = 'v', ...)`.
    fn with_options(&mut self) -> Result<Options> {
        if !self.take_word("WITH") {
            return Ok(vec![]);
        }
        self.option_list()
    }
    pub(super) fn option_list(&mut self) -> Result<Options> {
        self.need_mark("(")?;
        if self.take_mark(")") {
            return Ok(vec![]);
        }
        let options = self.comma_list(|p| {
            let span = p.span();
            let key = p.text_literal()?;
            p.need_mark("=")?;
            let value = p.text_literal()?;
            Ok((key, value, span))
        })?;
        self.need_mark(")")?;
        for (i, (key, _, span)) in options.iter().enumerate() {
            if options[..i].iter().any(|(other, _, _)| other == key) {
                let error = self.error_at(*span, format!("option '{key}' is given twice"));
                return Err(error.advice("keep one of the two"));
            }
        }
        Ok(options.into_iter().map(|(key, value, _)| (key, value)).collect())
    }
}
