//! Expressions, by binding power.
//!
//! ```text
//!   OR < AND < NOT < IS < = <> < > <= >= LIKE IN BETWEEN < || + - < * / % < unary < [] .
//! ```
//!
//! As in Calcite, whose grammar Flink uses; `||` binds like `+`. Chains of AND and OR
//! are flat; other chains are bounded by `MAX_CHAIN`.

use super::ast::{BinaryOp, Expr, ExprKind, ObjectName, Test, UnaryOp};
use super::call::empty_call;
use super::lexer::Tok;
use super::parser::{MAX_CHAIN, Parser};
use super::reserved::is_reserved;
use millstream_core::Result;

/// Functions that are called without parentheses.
const BARE_FUNCTIONS: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_ROW_TIMESTAMP",
];

/// Reserved words that are functions when a parenthesis follows.
const RESERVED_FUNCTIONS: &[&str] = &[
    "LEFT",
    "RIGHT",
    "REPLACE",
    "YEAR",
    "MONTH",
    "HOUR",
    "MINUTE",
    "SECOND",
    "GROUPING",
    "TRUNCATE",
    "DATE",
    "TIMESTAMP",
    "TIME",
    "USER",
    "FILTER",
    "ROW",
    "CHAR",
    "EXTRACT",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIME",
    "CURRENT_DATE",
    "INSERT",
];

const COMPARISON: u8 = 4;
pub(super) const SUM: u8 = 5;
const PRODUCT: u8 = 6;

impl Parser<'_> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.deeper(Self::disjunction)
    }

    fn chain(
        &mut self,
        word: &str,
        parse: fn(&mut Self) -> Result<Expr>,
        make: fn(Vec<Expr>) -> ExprKind,
    ) -> Result<Expr> {
        let first = parse(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let start = first.span;
        let mut all = vec![first];
        while self.take_word(word) {
            all.push(parse(self)?);
        }
        Ok(Expr { kind: make(all), span: self.since(start) })
    }
    fn disjunction(&mut self) -> Result<Expr> {
        self.chain("OR", Self::conjunction, ExprKind::Or)
    }
    fn conjunction(&mut self) -> Result<Expr> {
        self.chain("AND", Self::negation, ExprKind::And)
    }
    fn negation(&mut self) -> Result<Expr> {
        let start = self.span();
        if self.is_word("NOT") {
            self.advance();
            let inner = self.deeper(Self::negation)?;
            let kind = ExprKind::Unary(UnaryOp::Not, Box::new(inner));
            return Ok(Expr { kind, span: self.since(start) });
        }
        let mut expr = self.operators(COMPARISON)?;
        while self.is_word("IS") {
            expr = self.is_test(expr)?;
        }
        Ok(expr)
    }

    fn is_test(&mut self, expr: Expr) -> Result<Expr> {
        self.need_word("IS")?;
        let start = expr.span;
        let negated = self.take_word("NOT");
        if self.take_words(&["DISTINCT", "FROM"]) {
            let right = Box::new(self.operators(SUM)?);
            let kind = ExprKind::DistinctFrom { left: Box::new(expr), right, negated };
            return Ok(Expr { kind, span: self.since(start) });
        }
        let test = match self.keyword()?.as_str() {
            "NULL" => Test::Null,
            "TRUE" => Test::True,
            "FALSE" => Test::False,
            "UNKNOWN" => Test::Unknown,
            "JSON" => match () {
                () if self.take_word("OBJECT") => Test::JsonObject,
                () if self.take_word("ARRAY") => Test::JsonArray,
                () if self.take_word("SCALAR") => Test::JsonScalar,
                () => {
                    self.take_word("VALUE");
                    Test::JsonValue
                }
            },
            _ => {
                self.rewind(self.position() - 1);
                let words = ["NULL", "TRUE", "FALSE", "UNKNOWN", "DISTINCT", "JSON"];
                return self.expected_word("a test", &words);
            }
        };
        let kind = ExprKind::Is { expr: Box::new(expr), test, negated };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn operator(&self) -> Option<(BinaryOp, u8)> {
        Some(match self.peek() {
            Tok::Mark("=") => (BinaryOp::Eq, COMPARISON),
            Tok::Mark("<>" | "!=") => (BinaryOp::NotEq, COMPARISON),
            Tok::Mark("<") => (BinaryOp::Lt, COMPARISON),
            Tok::Mark("<=") => (BinaryOp::LtEq, COMPARISON),
            Tok::Mark(">") => (BinaryOp::Gt, COMPARISON),
            Tok::Mark(">=") => (BinaryOp::GtEq, COMPARISON),
            Tok::Mark("+") => (BinaryOp::Plus, SUM),
            Tok::Mark("-") => (BinaryOp::Minus, SUM),
            Tok::Mark("||") => (BinaryOp::Concat, SUM),
            Tok::Mark("*") => (BinaryOp::Times, PRODUCT),
            Tok::Mark("/") => (BinaryOp::Divide, PRODUCT),
            Tok::Mark("%") => (BinaryOp::Mod, PRODUCT),
            Tok::Word(w) if w.eq_ignore_ascii_case("OVERLAPS") => (BinaryOp::Overlaps, COMPARISON),
            _ => return None,
        })
    }

    /// Operands and operators that bind at least as tightly as `power`.
    pub(super) fn operators(&mut self, power: u8) -> Result<Expr> {
        let mut left = self.unary()?;
        let start = left.span;
        let mut length = 0;
        loop {
            length += 1;
            if length > MAX_CHAIN {
                let what = format!("a chain of operators has more than {MAX_CHAIN} operands");
                return Err(self.error_here(what).advice("split it with a view or parentheses"));
            }
            if let Some((op, binds)) = self.operator() {
                if binds < power {
                    return Ok(left);
                }
                self.advance();
                left = match self.quantifier()? {
                    Some(all) if binds == COMPARISON => {
                        self.need_mark("(")?;
                        let query = Box::new(self.query()?);
                        self.need_mark(")")?;
                        let kind = ExprKind::Quantified { expr: Box::new(left), op, all, query };
                        Expr { kind, span: self.since(start) }
                    }
                    _ => {
                        let right = self.operators(binds + 1)?;
                        let kind = ExprKind::BinaryOp(Box::new(left), op, Box::new(right));
                        Expr { kind, span: self.since(start) }
                    }
                };
            } else if power <= COMPARISON && self.is_predicate() {
                left = self.predicate(left)?;
            } else {
                return Ok(left);
            }
        }
    }

    /// `ANY (SELECT`, `SOME (SELECT` or `ALL (SELECT`: whether it is `ALL`.
    fn quantifier(&mut self) -> Result<Option<bool>> {
        for (word, all) in [("ANY", false), ("SOME", false), ("ALL", true)] {
            if self.is_word(word) && self.is_mark_at(1, "(") {
                self.advance();
                return Ok(Some(all));
            }
        }
        Ok(None)
    }

    fn is_predicate(&self) -> bool {
        let at = usize::from(self.is_word("NOT"));
        ["IN", "LIKE", "BETWEEN", "SIMILAR"].iter().any(|w| self.is_word_at(at, w))
    }

    fn predicate(&mut self, expr: Expr) -> Result<Expr> {
        let start = expr.span;
        let expr = Box::new(expr);
        let negated = self.take_word("NOT");
        let kind = if self.take_word("BETWEEN") {
            let symmetric = self.take_word("SYMMETRIC");
            self.take_word("ASYMMETRIC");
            let low = Box::new(self.operators(SUM)?);
            self.need_word("AND")?;
            let high = Box::new(self.operators(SUM)?);
            ExprKind::Between { expr, low, high, symmetric, negated }
        } else if self.take_word("IN") {
            self.need_mark("(")?;
            let kind = if self.begins_query() {
                ExprKind::InQuery { expr, query: Box::new(self.query()?), negated }
            } else {
                ExprKind::InList { expr, list: self.comma_list(Self::expr)?, negated }
            };
            self.need_mark(")")?;
            kind
        } else {
            let similar = self.take_words(&["SIMILAR", "TO"]);
            if !similar {
                self.need_word("LIKE")?;
            }
            let pattern = Box::new(self.operators(SUM)?);
            let escape = match self.take_word("ESCAPE") {
                true => Some(Box::new(self.operators(SUM)?)),
                false => None,
            };
            ExprKind::Like { expr, pattern, escape, similar, negated }
        };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn unary(&mut self) -> Result<Expr> {
        let start = self.span();
        let op = match self.peek() {
            Tok::Mark("-") => UnaryOp::Minus,
            Tok::Mark("+") => UnaryOp::Plus,
            _ => return self.postfix(),
        };
        self.advance();
        let inner = self.deeper(Self::unary)?;
        let kind = match (op, inner.kind) {
            // `-2147483648` is one number, so that its type is that of the whole.
            (UnaryOp::Minus, ExprKind::Number(n)) if !n.starts_with('-') => {
                ExprKind::Number(format!("-{n}"))
            }
            (op, kind) => ExprKind::Unary(op, Box::new(Expr { kind, span: inner.span })),
        };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn postfix(&mut self) -> Result<Expr> {
        let mut expr = self.primary()?;
        let start = expr.span;
        let mut length = 0;
        loop {
            length += 1;
            if length > MAX_CHAIN {
                return Err(self.error_here("too many fields and indices in one expression"));
            }
            let kind = if self.take_mark("[") {
                let index = self.expr()?;
                self.need_mark("]")?;
                ExprKind::Index(Box::new(expr), Box::new(index))
            } else if self.is_mark(".") {
                self.advance();
                if self.take_mark("*") {
                    match expr.kind {
                        ExprKind::Name(parts) => ExprKind::Star(parts),
                        _ => return Err(self.error_here("'.*' needs the name of a table")),
                    }
                } else {
                    let field = self.any_word()?;
                    match expr.kind {
                        ExprKind::Name(mut parts) => {
                            parts.push(field);
                            ExprKind::Name(parts)
                        }
                        _ => ExprKind::Field(Box::new(expr), field),
                    }
                }
            } else {
                return Ok(expr);
            };
            expr = Expr { kind, span: self.since(start) };
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        let start = self.span();
        let kind = match self.peek() {
            Tok::Number(n) => {
                self.advance();
                ExprKind::Number(n.clone())
            }
            Tok::Text(first) => {
                self.advance();
                let mut text = first.clone();
                // Texts that follow each other on new lines are one.
                while let Tok::Text(more) = self.peek() {
                    text.push_str(more);
                    self.advance();
                }
                ExprKind::Text(text)
            }
            Tok::Binary(digits) => {
                self.advance();
                ExprKind::Binary(digits.clone())
            }
            Tok::Mark("(") => return self.parenthesis(),
            Tok::Mark("*") => {
                self.advance();
                ExprKind::Star(vec![])
            }
            Tok::Quoted(_) => return self.name_or_call(),
            Tok::Word(word) => return self.word_expr(&word.to_ascii_uppercase()),
            _ => return self.expected("an expression"),
        };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn parenthesis(&mut self) -> Result<Expr> {
        let start = self.span();
        self.need_mark("(")?;
        let kind = if self.begins_query() {
            ExprKind::Scalar(Box::new(self.query()?))
        } else {
            let mut list = self.comma_list(Self::expr)?;
            match list.len() {
                1 => match list.pop() {
                    Some(only) => {
                        self.need_mark(")")?;
                        // The span stays that of what is inside.
                        return Ok(only);
                    }
                    None => return self.expected("an expression"),
                },
                _ => ExprKind::Row(list),
            }
        };
        self.need_mark(")")?;
        Ok(Expr { kind, span: self.since(start) })
    }

    fn name_or_call(&mut self) -> Result<Expr> {
        let first = self.any_word()?;
        let start = first.span;
        // A call through a path: `catalog.database.function(...)`.
        let mut parts = vec![first];
        let mark = self.position();
        while self.is_mark(".") && matches!(self.peek_at(1), Tok::Word(_) | Tok::Quoted(_)) {
            self.advance();
            parts.push(self.any_word()?);
        }
        if self.is_mark("(") {
            return self.call(ObjectName(parts), start);
        }
        self.rewind(mark);
        parts.truncate(1);
        Ok(Expr { kind: ExprKind::Name(parts), span: start })
    }

    fn word_expr(&mut self, word: &str) -> Result<Expr> {
        let start = self.span();
        let text_follows = matches!(self.peek_at(1), Tok::Text(_));
        let call_follows = self.is_mark_at(1, "(");
        let kind = match word {
            "NULL" => self.constant(ExprKind::Null),
            "TRUE" => self.constant(ExprKind::Bool(true)),
            "FALSE" => self.constant(ExprKind::Bool(false)),
            "UNKNOWN" if !call_follows => self.constant(ExprKind::Null),
            "DATE" | "TIME" | "TIMESTAMP" if text_follows => {
                self.advance();
                let text = self.text_literal()?;
                match word {
                    "DATE" => ExprKind::Date(text),
                    "TIME" => ExprKind::Time(text),
                    _ => ExprKind::Timestamp(text),
                }
            }
            "TIMESTAMP" if self.is_word_at(1, "WITH") && self.is_word_at(2, "LOCAL") => {
                for _ in 0..5 {
                    self.advance();
                }
                ExprKind::TimestampLtz(self.text_literal()?)
            }
            "INTERVAL" => self.interval()?,
            "CASE" => self.case()?,
            "CAST" | "TRY_CAST" if call_follows => {
                self.advance();
                self.need_mark("(")?;
                let expr = Box::new(self.expr()?);
                self.need_word("AS")?;
                let to = self.data_type()?;
                self.need_mark(")")?;
                ExprKind::Cast { expr, to, lenient: word == "TRY_CAST" }
            }
            "EXISTS" if call_follows => {
                self.advance();
                self.need_mark("(")?;
                let query = Box::new(self.query()?);
                self.need_mark(")")?;
                ExprKind::Exists(query)
            }
            "ARRAY" | "MAP" if self.is_mark_at(1, "[") => {
                self.advance();
                self.advance();
                let list = match self.is_mark("]") {
                    true => vec![],
                    false => self.comma_list(Self::expr)?,
                };
                self.need_mark("]")?;
                if word == "ARRAY" { ExprKind::Array(list) } else { ExprKind::Map(list) }
            }
            "ARRAY" if call_follows => {
                self.advance();
                self.need_mark("(")?;
                let query = Box::new(self.query()?);
                self.need_mark(")")?;
                ExprKind::ArrayQuery(query)
            }
            "ROW" if call_follows => {
                self.advance();
                self.need_mark("(")?;
                let list = self.comma_list(Self::expr)?;
                self.need_mark(")")?;
                ExprKind::Row(list)
            }
            "DESCRIPTOR" if call_follows => {
                self.advance();
                ExprKind::Descriptor(self.ident_list()?)
            }
            "TABLE" => self.table_argument()?,
            _ if BARE_FUNCTIONS.contains(&word) && !call_follows => {
                let name = ObjectName(vec![self.any_word()?]);
                ExprKind::Call(Box::new(empty_call(name, vec![], false)))
            }
            _ if call_follows
                && (!is_reserved(word)
                    || RESERVED_FUNCTIONS.contains(&word)
                    || word == "UNNEST") =>
            {
                let name = ObjectName(vec![self.any_word()?]);
                return self.call(name, start);
            }
            _ if is_reserved(word) => {
                self.ident()?; // says that the word is reserved
                return self.expected("an expression");
            }
            _ => return self.name_or_call(),
        };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn constant(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    fn interval(&mut self) -> Result<ExprKind> {
        self.need_word("INTERVAL")?;
        let mut negative = false;
        while let Tok::Mark(sign @ ("-" | "+")) = self.peek() {
            negative ^= *sign == "-";
            self.advance();
        }
        let text = match self.peek() {
            Tok::Text(text) => text.clone(),
            Tok::Number(_) => {
                let error = self.error_here("an interval's amount must be in single quotes");
                return Err(error.advice("for example INTERVAL '10' SECOND"));
            }
            _ => return self.expected("an interval such as '10' SECOND"),
        };
        self.advance();
        let unit = self.interval_unit()?;
        Ok(ExprKind::Interval { negative, text, unit })
    }

    fn case(&mut self) -> Result<ExprKind> {
        self.need_word("CASE")?;
        let operand = match self.is_word("WHEN") {
            true => None,
            false => Some(Box::new(self.expr()?)),
        };
        let mut branches = vec![];
        while self.take_word("WHEN") {
            let when = self.expr()?;
            // `CASE x WHEN 1, 2 THEN` stands for two branches.
            let mut whens = vec![when];
            while self.take_mark(",") {
                whens.push(self.expr()?);
            }
            self.need_word("THEN")?;
            let then = self.expr()?;
            branches.extend(whens.into_iter().map(|w| (w, then.clone())));
        }
        if branches.is_empty() {
            return self.expected("WHEN");
        }
        let otherwise = match self.take_word("ELSE") {
            true => Some(Box::new(self.expr()?)),
            false => None,
        };
        self.need_word("END")?;
        Ok(ExprKind::Case { operand, branches, otherwise })
    }
}
