//! Statements: what begins with a verb, from `CREATE TABLE` to `QUIT`.
//!
//! Source: Flink's "SQL" and "SQL Client" pages.

use super::Parsed;
use super::ast::{
    AlterCatalog, AlterTable, ColumnDef, ColumnKind, CreateTable, Enforcement, Insert, KeyDef,
    LikeDef, ObjectName, Options, Position, Query, Show, Statement, WatermarkDef,
};
use super::lexer::Tok;
use super::parser::Parser;
use millstream_core::Result;

const VERBS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "INSERT", "CREATE", "DROP", "ALTER", "USE", "SHOW", "DESCRIBE",
    "DESC", "EXPLAIN", "SET", "RESET", "EXECUTE", "BEGIN", "END", "HELP", "CLEAR", "QUIT", "EXIT",
];

/// Statements of Flink that have no meaning here: verb, why, what to do.
const REFUSED: &[(&str, &str, &str)] = &[
    ("ADD", "ADD JAR: there is no JVM here", FUNCTIONS),
    ("ANALYZE", "ANALYZE TABLE needs batch mode", "remove it: streaming plans use no statistics"),
    ("CALL", "CALL: no catalog here has procedures", "write the statement that it stands for"),
    (
        "COMPILE",
        "COMPILE PLAN is not supported",
        "EXPLAIN shows the plan; run the statement itself",
    ),
    ("DELETE", "DELETE needs batch mode", "write deletions into a table that takes changes"),
    ("LOAD", "LOAD MODULE: the only module is core", FUNCTIONS),
    ("MERGE", "MERGE is no statement of Flink's", "INSERT INTO a table with a PRIMARY KEY"),
    ("REMOVE", "REMOVE JAR: there is no JVM here", FUNCTIONS),
    ("STOP", "STOP JOB: there is no cluster yet", "end the process that runs the job"),
    ("TRUNCATE", "TRUNCATE TABLE needs batch mode", "empty the table in the system that holds it"),
    ("UNLOAD", "UNLOAD MODULE: core must stay", "remove the statement"),
    ("UPDATE", "UPDATE needs batch mode", "INSERT INTO a table with a PRIMARY KEY"),
];
const FUNCTIONS: &str =
    "functions of your own are written in Rust; see CREATE FUNCTION in docs/sql";

/// What CREATE, DROP and ALTER cannot be of: word, why, what to do.
const NOT_HERE: &[(&str, &str, &str)] = &[
    ("MATERIALIZED", "materialized tables are not supported", "INSERT INTO a table keeps it fresh"),
    ("MODEL", "models are not supported", "call the model in a function of your own"),
    ("CONNECTION", "connections are not supported", "give the options to each table"),
];

/// Columns, watermarks and keys of a definition.
type Parts = (Vec<ColumnDef>, Vec<WatermarkDef>, Vec<KeyDef>);

impl Parser<'_> {
    /// The next statement of a script and the token behind its semicolon.
    pub(super) fn script_statement(&mut self) -> Result<Option<(Parsed, usize)>> {
        while self.take_mark(";") {}
        if *self.peek() == Tok::End {
            return Ok(None);
        }
        let start = self.span();
        let statement = self.deeper(Self::statement)?;
        let span = self.since(start);
        if !self.take_mark(";") && *self.peek() != Tok::End {
            return self.expected("';' or the end of the statement");
        }
        Ok(Some((Parsed { statement, span }, self.position())))
    }

    fn statement(&mut self) -> Result<Statement> {
        let verb = match self.peek() {
            Tok::Word(word) => word.to_ascii_uppercase(),
            Tok::Mark("(") => return Ok(Statement::Query(self.query()?)),
            _ => return self.expected_word("a statement", VERBS),
        };
        match verb.as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(Statement::Query(self.query()?)),
            "INSERT" => Ok(Statement::Insert(self.insert()?)),
            "CREATE" => self.create(),
            "DROP" => self.drop_statement(),
            "ALTER" => self.alter(),
            "USE" => self.use_statement(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "EXPLAIN" => self.explain(),
            "SET" => self.set(),
            "RESET" => {
                self.advance();
                let key = match self.ends() {
                    true => None,
                    false => Some(self.option_key()?),
                };
                Ok(Statement::Reset(key))
            }
            "EXECUTE" => {
                self.advance();
                if self.is_word("PLAN") {
                    return Err(self
                        .error_here("EXECUTE PLAN is not supported")
                        .advice("run the statement itself: its plan is made anew"));
                }
                if self.take_words(&["STATEMENT", "SET"]) {
                    return self.statement_set();
                }
                self.statement()
            }
            "BEGIN" => {
                self.advance();
                self.need_words(&["STATEMENT", "SET"])?;
                Ok(Statement::BeginStatementSet)
            }
            "END" => self.bare(Statement::EndStatementSet),
            "HELP" => self.bare(Statement::Help),
            "CLEAR" => self.bare(Statement::Clear),
            "QUIT" | "EXIT" => self.bare(Statement::Quit),
            verb => match REFUSED.iter().find(|(word, ..)| *word == verb) {
                Some((_, what, advice)) => Err(self.error_here(*what).advice(*advice)),
                None => self.expected_word("a statement", VERBS),
            },
        }
    }

    fn bare(&mut self, statement: Statement) -> Result<Statement> {
        self.advance();
        Ok(statement)
    }

    fn describe(&mut self) -> Result<Statement> {
        self.advance();
        for word in ["FUNCTION", "CATALOG", "DATABASE"] {
            // Tables may have these names: a name follows here.
            if self.is_word(word)
                && !self.is_mark_at(1, ";")
                && *self.peek_at(1) != Tok::End
                && !self.is_mark_at(1, ".")
            {
                self.advance();
                let extended = self.take_word("EXTENDED");
                return Ok(match word {
                    "FUNCTION" => {
                        Statement::DescribeFunction { name: self.object_name()?, extended }
                    }
                    "CATALOG" => Statement::DescribeCatalog { name: self.ident()?, extended },
                    _ => Statement::DescribeDatabase { name: self.object_name()?, extended },
                });
            }
        }
        if self.is_word("JOB") && !self.is_mark_at(1, ";") && *self.peek_at(1) != Tok::End {
            return Err(self
                .error_here("DESCRIBE JOB: there is no cluster yet")
                .advice("the process that runs the job shows its progress"));
        }
        let _ = self.take_word("TABLE") || self.take_word("EXTENDED");
        Ok(Statement::Describe(self.object_name()?))
    }

    /// Refuses a kind of object that there is not, at its word.
    fn known_kind(&self) -> Result<()> {
        match NOT_HERE.iter().find(|(word, ..)| self.is_word(word)) {
            Some((_, what, advice)) => Err(self.error_here(*what).advice(*advice)),
            None => Ok(()),
        }
    }

    /// `name AS 'identifier' [LANGUAGE word]`.
    fn function(
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

    fn ends(&self) -> bool {
        self.is_mark(";") || *self.peek() == Tok::End
    }

    fn statement_set(&mut self) -> Result<Statement> {
        self.need_word("BEGIN")?;
        let mut inserts = vec![];
        while !self.take_word("END") {
            inserts.push(self.insert()?);
            self.need_mark(";")?;
        }
        Ok(Statement::StatementSet(inserts))
    }

    fn insert(&mut self) -> Result<Insert> {
        let start = self.span();
        self.need_word("INSERT")?;
        let overwrite = self.take_word("OVERWRITE");
        if !overwrite {
            self.need_word("INTO")?;
        }
        self.take_word("TABLE");
        let table = self.object_name()?;
        let hints = self.hints()?;
        let mut partition = vec![];
        if self.take_word("PARTITION") {
            self.need_mark("(")?;
            partition = self.comma_list(|p| {
                let name = p.ident()?;
                let value = if p.take_mark("=") { Some(p.expr()?) } else { None };
                Ok((name, value))
            })?;
            self.need_mark(")")?;
        }
        let columns = match self.is_mark("(") && !self.begins_query() {
            true => self.ident_list()?,
            false => vec![],
        };
        let query = self.query()?;
        let span = self.since(start);
        Ok(Insert { table, hints, partition, columns, query, overwrite, span })
    }

    fn set(&mut self) -> Result<Statement> {
        self.need_word("SET")?;
        if self.ends() {
            return Ok(Statement::Set(None));
        }
        let key = self.option_key()?;
        self.need_mark("=")?;
        let value = match self.peek() {
            Tok::Text(_) => self.text_literal()?,
            _ => self.bare_value()?,
        };
        Ok(Statement::Set(Some((key, value))))
    }

    /// A key in quotes, or words with dots and dashes.
    fn option_key(&mut self) -> Result<String> {
        if let Tok::Text(_) = self.peek() {
            return self.text_literal();
        }
        let mut key = self.any_word()?.value;
        loop {
            let mark = match self.peek() {
                Tok::Mark(mark @ ("." | "-")) => *mark,
                _ => return Ok(key),
            };
            self.advance();
            key.push_str(mark);
            key.push_str(&self.any_word()?.value);
        }
    }

    /// A value without quotes, up to the semicolon.
    fn bare_value(&mut self) -> Result<String> {
        let start = self.span();
        while !self.ends() {
            self.advance();
        }
        let span = self.since(start);
        Ok(self.text[span.start as usize..span.end as usize].trim().to_owned())
    }

    fn if_not_exists(&mut self) -> bool {
        self.take_words(&["IF", "NOT", "EXISTS"])
    }
    fn if_exists(&mut self) -> bool {
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
    fn option_list(&mut self) -> Result<Options> {
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

    fn create(&mut self) -> Result<Statement> {
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

    fn query_with_text(&mut self) -> Result<(Query, String)> {
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
    fn table_parts(&mut self, positions: bool) -> Result<Parts> {
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

    fn drop_statement(&mut self) -> Result<Statement> {
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

    fn alter(&mut self) -> Result<Statement> {
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

    fn use_statement(&mut self) -> Result<Statement> {
        self.need_word("USE")?;
        if self.take_word("CATALOG") {
            return Ok(Statement::UseCatalog(self.ident()?));
        }
        if self.is_word("MODULES") {
            return Err(self
                .error_here("modules are not supported")
                .advice("all functions are built in"));
        }
        Ok(Statement::UseDatabase(self.object_name()?))
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

    fn show(&mut self) -> Result<Statement> {
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

    fn explain(&mut self) -> Result<Statement> {
        self.need_word("EXPLAIN")?;
        let mut details: Vec<String> = vec![];
        if self.take_words(&["PLAN", "FOR"]) {
            // The plain form.
        } else {
            let known =
                ["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE", "JSON_EXECUTION_PLAN", "STATE"];
            while let Some(word) = known.iter().find(|w| self.is_word(w)) {
                self.advance();
                details.push((*word).to_owned());
                self.take_mark(",");
            }
        }
        let statement = if self.is_words(&["STATEMENT", "SET"]) {
            self.advance();
            self.advance();
            self.statement_set()?
        } else {
            self.deeper(Self::statement)?
        };
        Ok(Statement::Explain { details, statement: Box::new(statement) })
    }
}
