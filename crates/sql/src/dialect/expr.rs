//! Expressions, by binding power.
//!
//! ```text
//!   OR < AND < NOT < IS < = <> < > <= >= LIKE IN BETWEEN < || + - < * / % < unary < [] .
//! ```
//!
//! As in Calcite, whose grammar Flink uses; `||` binds like `+`. Chains of AND and OR
//! are flat; other chains are bounded by `MAX_CHAIN`.

use super::ast::{
    Behaviour, BinaryOp, Bound, Call, CallClause, Expr, ExprKind, Frame, ObjectName, OrderItem,
    Test, TimeUnit, UnaryOp, WindowRef, WindowSpec,
};
use super::lexer::{Span, Tok};
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
const SUM: u8 = 5;
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
    fn operators(&mut self, power: u8) -> Result<Expr> {
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

    fn table_argument(&mut self) -> Result<ExprKind> {
        self.need_word("TABLE")?;
        let (mut name, mut query) = (ObjectName(vec![]), None);
        if self.take_mark("(") {
            query = Some(Box::new(self.query()?));
            self.need_mark(")")?;
        } else {
            name = self.object_name()?;
        }
        let mut partition_by = vec![];
        let mut order_by = vec![];
        if self.take_words(&["PARTITION", "BY"]) {
            if self.take_mark("(") {
                partition_by = self.comma_list(Self::expr)?;
                self.need_mark(")")?;
            } else {
                // Commas go on to the next argument unless parentheses hold them together.
                partition_by.push(self.expr()?);
                while self.is_mark(",") && self.partition_goes_on() {
                    self.advance();
                    partition_by.push(self.expr()?);
                }
            }
        }
        if self.take_words(&["ORDER", "BY"]) {
            order_by.push(self.order_item()?);
        }
        Ok(ExprKind::TableArg { name, query, partition_by, order_by })
    }

    /// Behind the comma: a plain column, and then neither `=>` nor a call.
    fn partition_goes_on(&self) -> bool {
        let word = matches!(self.peek_at(1), Tok::Word(_) | Tok::Quoted(_));
        let reserved = matches!(self.peek_at(1), Tok::Word(w) if is_reserved(w));
        word && !reserved && !self.is_mark_at(2, "(") && !self.is_mark_at(2, "=>")
    }

    fn call(&mut self, name: ObjectName, start: Span) -> Result<Expr> {
        self.need_mark("(")?;
        let upper = match name.0.as_slice() {
            [only] => only.value.to_ascii_uppercase(),
            _ => String::new(),
        };
        let mut call = empty_call(name, vec![], true);
        if self.take_word("DISTINCT") {
            call.distinct = true;
        } else if self.is_word("ALL") && !self.is_mark_at(1, ")") {
            self.advance();
        }
        match upper.as_str() {
            "TRIM" => self.trim_args(&mut call)?,
            "EXTRACT" => {
                let span = self.span();
                let unit = self.time_unit()?;
                call.args.push(symbol(unit.name(), span));
                self.need_word("FROM")?;
                call.args.push(self.expr()?);
            }
            "POSITION" => {
                call.args.push(self.operators(SUM)?);
                self.need_word("IN")?;
                call.args.push(self.expr()?);
                if self.take_word("FROM") {
                    call.args.push(self.expr()?);
                }
            }
            "OVERLAY" => {
                call.args.push(self.expr()?);
                self.need_word("PLACING")?;
                call.args.push(self.expr()?);
                self.need_word("FROM")?;
                call.args.push(self.expr()?);
                if self.take_word("FOR") {
                    call.args.push(self.expr()?);
                }
            }
            "SUBSTRING" => {
                call.args.push(self.expr()?);
                for word in ["FROM", "FOR"] {
                    if self.take_word(word) || self.take_mark(",") {
                        call.args.push(self.expr()?);
                    }
                }
            }
            "FLOOR" | "CEIL" | "CEILING" => {
                call.args.push(self.expr()?);
                if self.take_word("TO") {
                    let span = self.span();
                    let unit = self.time_unit()?;
                    call.args.push(symbol(unit.name(), span));
                }
            }
            "TIMESTAMPADD" | "TIMESTAMPDIFF" => {
                let span = self.span();
                let unit = self.time_unit()?;
                call.args.push(symbol(unit.name(), span));
                while self.take_mark(",") {
                    call.args.push(self.expr()?);
                }
            }
            "CONVERT" | "TRANSLATE" => {
                call.args.push(self.expr()?);
                while self.take_mark(",") {
                    call.args.push(self.expr()?);
                }
                if self.take_word("USING") {
                    let name = self.any_word()?;
                    call.args.push(symbol(&name.value, name.span));
                }
            }
            "JSON_OBJECT" | "JSON_OBJECTAGG" => self.json_object_args(&mut call)?,
            _ => self.plain_args(&mut call)?,
        }
        self.json_clauses(&mut call)?;
        if self.take_words(&["ORDER", "BY"]) {
            call.order_by = self.comma_list(Self::order_item)?;
        }
        self.need_mark(")")?;
        self.after_call(&mut call)?;
        Ok(Expr { kind: ExprKind::Call(Box::new(call)), span: self.since(start) })
    }

    fn plain_args(&mut self, call: &mut Call) -> Result<()> {
        if self.is_mark(")") {
            return Ok(());
        }
        call.args = self.comma_list(|p| {
            if matches!(p.peek(), Tok::Word(_) | Tok::Quoted(_)) && p.is_mark_at(1, "=>") {
                let name = p.any_word()?;
                let start = name.span;
                p.need_mark("=>")?;
                let value = Box::new(p.expr()?);
                return Ok(Expr { kind: ExprKind::Named(name, value), span: p.since(start) });
            }
            if p.begins_query() {
                let start = p.span();
                let query = Box::new(p.query()?);
                return Ok(Expr { kind: ExprKind::Scalar(query), span: p.since(start) });
            }
            p.expr()
        })?;
        Ok(())
    }

    /// `TRIM([BOTH|LEADING|TRAILING] [chars] FROM text)` as `TRIM(symbol, chars, text)`.
    fn trim_args(&mut self, call: &mut Call) -> Result<()> {
        let span = self.span();
        let side = ["BOTH", "LEADING", "TRAILING"].into_iter().find(|s| self.is_word(s));
        if side.is_some() {
            self.advance();
        }
        let blank = Expr { kind: ExprKind::Text(" ".into()), span };
        let first = match self.is_word("FROM") {
            true => None,
            false => Some(self.expr()?),
        };
        let (chars, text) = if self.take_word("FROM") {
            (first.unwrap_or(blank), self.expr()?)
        } else {
            (blank, first.unwrap_or(Expr { kind: ExprKind::Null, span }))
        };
        call.args = vec![symbol(side.unwrap_or("BOTH"), span), chars, text];
        Ok(())
    }

    /// `KEY k VALUE v`, `k VALUE v`, `k : v`, with commas in between, as k, v, k, v.
    fn json_object_args(&mut self, call: &mut Call) -> Result<()> {
        if self.is_mark(")") || self.is_words(&["NULL", "ON"]) || self.is_words(&["ABSENT", "ON"]) {
            return Ok(());
        }
        loop {
            if self.is_word("KEY") && !self.is_mark_at(1, ".") && !self.is_word_at(1, "VALUE") {
                self.advance();
            }
            call.args.push(self.expr()?);
            if !self.take_mark(":") && !self.take_mark(",") {
                self.need_word("VALUE")?;
            }
            call.args.push(self.expr()?);
            if !self.take_mark(",") {
                return Ok(());
            }
        }
    }

    fn json_clauses(&mut self, call: &mut Call) -> Result<()> {
        loop {
            let clause = if self.take_word("RETURNING") {
                CallClause::Returning(self.data_type()?)
            } else if self.take_words(&["NULL", "ON", "NULL"]) {
                CallClause::NullOnNull
            } else if self.take_words(&["ABSENT", "ON", "NULL"]) {
                CallClause::AbsentOnNull
            } else if self.is_word("WITHOUT") {
                self.advance();
                self.take_word("ARRAY");
                self.need_word("WRAPPER")?;
                CallClause::WithoutWrapper
            } else if self.is_word("WITH") {
                self.advance();
                let conditional = self.take_word("CONDITIONAL");
                self.take_word("UNCONDITIONAL");
                self.take_word("ARRAY");
                self.need_word("WRAPPER")?;
                match conditional {
                    true => CallClause::WithConditionalWrapper,
                    false => CallClause::WithUnconditionalWrapper,
                }
            } else if let Some(clause) = self.behaviour()? {
                clause
            } else {
                return Ok(());
            };
            call.clauses.push(clause);
        }
    }

    fn behaviour(&mut self) -> Result<Option<CallClause>> {
        let behaviour = if self.is_words(&["NULL", "ON"]) {
            self.advance();
            Behaviour::Null
        } else if self.take_word("ERROR") {
            Behaviour::Error
        } else if self.take_word("DEFAULT") {
            Behaviour::Default(self.operators(SUM)?)
        } else if self.take_words(&["EMPTY", "ARRAY"]) {
            Behaviour::EmptyArray
        } else if self.take_words(&["EMPTY", "OBJECT"]) {
            Behaviour::EmptyObject
        } else if self.is_words(&["TRUE", "ON"]) {
            self.advance();
            Behaviour::True
        } else if self.is_words(&["FALSE", "ON"]) {
            self.advance();
            Behaviour::False
        } else if self.is_words(&["UNKNOWN", "ON"]) {
            self.advance();
            Behaviour::Unknown
        } else {
            return Ok(None);
        };
        self.need_word("ON")?;
        if self.take_word("EMPTY") {
            return Ok(Some(CallClause::OnEmpty(behaviour)));
        }
        self.need_word("ERROR")?;
        Ok(Some(CallClause::OnError(behaviour)))
    }

    fn after_call(&mut self, call: &mut Call) -> Result<()> {
        if self.take_words(&["WITHIN", "GROUP"]) {
            self.need_mark("(")?;
            self.need_words(&["ORDER", "BY"])?;
            call.order_by = self.comma_list(Self::order_item)?;
            self.need_mark(")")?;
        }
        if self.is_word("FILTER") && self.is_mark_at(1, "(") {
            self.advance();
            self.advance();
            self.need_word("WHERE")?;
            call.filter = Some(self.expr()?);
            self.need_mark(")")?;
        }
        for (words, ignore) in [(["IGNORE", "NULLS"], true), (["RESPECT", "NULLS"], false)] {
            if self.take_words(&words) {
                call.ignore_nulls = Some(ignore);
            }
        }
        if self.take_word("OVER") {
            call.over = Some(if self.is_mark("(") {
                WindowRef::Spec(self.window_spec()?)
            } else {
                WindowRef::Named(self.ident()?)
            });
        }
        Ok(())
    }

    /// `([base] [PARTITION BY ..] [ORDER BY ..] [ROWS|RANGE ..])`.
    pub(super) fn window_spec(&mut self) -> Result<WindowSpec> {
        let start = self.span();
        self.need_mark("(")?;
        let mut spec = WindowSpec {
            base: None,
            partition_by: vec![],
            order_by: vec![],
            frame: None,
            span: start,
        };
        if self.is_ident() && !self.is_word("PARTITION") {
            spec.base = Some(self.ident()?);
        }
        if self.take_words(&["PARTITION", "BY"]) {
            spec.partition_by = self.comma_list(Self::expr)?;
        }
        if self.take_words(&["ORDER", "BY"]) {
            spec.order_by = self.comma_list(Self::order_item)?;
        }
        if self.is_word("ROWS") || self.is_word("RANGE") {
            let rows = self.keyword()? == "ROWS";
            let (first, last) = if self.take_word("BETWEEN") {
                let first = self.bound()?;
                self.need_word("AND")?;
                (first, self.bound()?)
            } else {
                (self.bound()?, Bound::CurrentRow)
            };
            spec.frame = Some(Frame { rows, start: first, end: last });
        }
        self.need_mark(")")?;
        spec.span = self.since(start);
        Ok(spec)
    }

    fn bound(&mut self) -> Result<Bound> {
        if self.take_words(&["CURRENT", "ROW"]) {
            return Ok(Bound::CurrentRow);
        }
        if self.take_words(&["UNBOUNDED", "PRECEDING"]) {
            return Ok(Bound::UnboundedPreceding);
        }
        if self.take_words(&["UNBOUNDED", "FOLLOWING"]) {
            return Ok(Bound::UnboundedFollowing);
        }
        let amount = Box::new(self.operators(SUM)?);
        if self.take_word("PRECEDING") {
            Ok(Bound::Preceding(amount))
        } else if self.take_word("FOLLOWING") {
            Ok(Bound::Following(amount))
        } else {
            self.expected_word("PRECEDING or FOLLOWING", &["PRECEDING", "FOLLOWING"])
        }
    }

    /// `expr [ASC|DESC] [NULLS FIRST|LAST]`.
    pub(super) fn order_item(&mut self) -> Result<OrderItem> {
        let expr = self.expr()?;
        let ascending = !self.take_word("DESC");
        if ascending {
            self.take_word("ASC");
        }
        let mut nulls_first = None;
        if self.take_word("NULLS") {
            nulls_first = Some(match self.keyword()?.as_str() {
                "FIRST" => true,
                "LAST" => false,
                _ => {
                    self.rewind(self.position() - 1);
                    return self.expected_word("FIRST or LAST", &["FIRST", "LAST"]);
                }
            });
        }
        Ok(OrderItem { expr, ascending, nulls_first })
    }
}

fn symbol(word: &str, span: Span) -> Expr {
    Expr { kind: ExprKind::Symbol(word.to_owned()), span }
}

fn empty_call(name: ObjectName, args: Vec<Expr>, parentheses: bool) -> Call {
    Call {
        name,
        args,
        distinct: false,
        order_by: vec![],
        filter: None,
        over: None,
        ignore_nulls: None,
        clauses: vec![],
        parentheses,
    }
}

/// The unit that a symbol names.
impl Expr {
    /// The unit of time, when this is the symbol of one.
    pub fn unit(&self) -> Option<TimeUnit> {
        match &self.kind {
            ExprKind::Symbol(word) => TimeUnit::of(word),
            _ => None,
        }
    }
}
