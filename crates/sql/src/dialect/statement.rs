//! Statements: what begins with a verb, from `CREATE TABLE` to `QUIT`.
//!
//! Source: Flink's "SQL" and "SQL Client" pages.

use super::Parsed;
use super::ast::{Insert, Statement};
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
pub(super) const FUNCTIONS: &str =
    "functions of your own are written in Rust; see CREATE FUNCTION in docs/sql";

/// What CREATE, DROP and ALTER cannot be of: word, why, what to do.
const NOT_HERE: &[(&str, &str, &str)] = &[
    ("MATERIALIZED", "materialized tables are not supported", "INSERT INTO a table keeps it fresh"),
    ("MODEL", "models are not supported", "call the model in a function of your own"),
    ("CONNECTION", "connections are not supported", "give the options to each table"),
];

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
    pub(super) fn known_kind(&self) -> Result<()> {
        match NOT_HERE.iter().find(|(word, ..)| self.is_word(word)) {
            Some((_, what, advice)) => Err(self.error_here(*what).advice(*advice)),
            None => Ok(()),
        }
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
