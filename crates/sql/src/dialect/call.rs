//! Calls of functions: arguments, with the words that some functions have between them,
//! and what may follow (`WITHIN GROUP`, `FILTER`, `OVER`).
//!
//! Source: Flink's "System (Built-in) Functions" page.

use super::ast::{Behaviour, Call, CallClause, Expr, ExprKind, ObjectName, WindowRef};
use super::expr::SUM;
use super::lexer::{Span, Tok};
use super::parser::Parser;
use super::reserved::is_reserved;
use millstream_core::Result;

impl Parser<'_> {
    pub(super) fn call(&mut self, name: ObjectName, start: Span) -> Result<Expr> {
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

    pub(super) fn table_argument(&mut self) -> Result<ExprKind> {
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
}

pub(super) fn symbol(word: &str, span: Span) -> Expr {
    Expr { kind: ExprKind::Symbol(word.to_owned()), span }
}

pub(super) fn empty_call(name: ObjectName, args: Vec<Expr>, parentheses: bool) -> Call {
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
