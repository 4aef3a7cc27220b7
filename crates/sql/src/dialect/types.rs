//! Types as written: names, lengths, elements, fields, `NOT NULL`.
//!
//! Whether a type exists and its numbers are in range is the binder's question; here
//! only the shape is read. Source: Flink's "Data Types" page.

use super::ast::{IntervalUnit, TimeUnit, TypeExpr};
use super::lexer::Tok;
use super::parser::Parser;
use millstream_core::Result;

impl Parser<'_> {
    /// A type.
    pub(super) fn data_type(&mut self) -> Result<TypeExpr> {
        self.deeper(|p| {
            let mut data_type = p.plain_type()?;
            data_type.nullable = p.nullability()?;
            // `INT ARRAY` and `INT MULTISET` of the standard.
            while p.is_word("ARRAY") || p.is_word("MULTISET") {
                let name = p.keyword()?;
                let span = p.since(data_type.span);
                let nullable = p.nullability()?;
                data_type = TypeExpr { children: vec![data_type], nullable, ..empty(name, span) };
            }
            Ok(data_type)
        })
    }

    fn nullability(&mut self) -> Result<bool> {
        if self.take_words(&["NOT", "NULL"]) {
            return Ok(false);
        }
        self.take_word("NULL");
        Ok(true)
    }

    fn plain_type(&mut self) -> Result<TypeExpr> {
        let start = self.span();
        let mut name = match self.peek() {
            Tok::Word(_) => self.keyword()?,
            _ => return self.expected("a type"),
        };
        for (first, second) in [
            ("DOUBLE", "PRECISION"),
            ("CHARACTER", "VARYING"),
            ("CHAR", "VARYING"),
            ("BINARY", "VARYING"),
        ] {
            if name == first && self.take_word(second) {
                name = format!("{first} {second}");
            }
        }
        let mut t = empty(name, start);
        match t.name.as_str() {
            "ARRAY" | "MULTISET" => {
                self.need_mark("<")?;
                t.children.push(self.data_type()?);
                self.close_angle()?;
            }
            "MAP" => {
                self.need_mark("<")?;
                t.children.push(self.data_type()?);
                self.need_mark(",")?;
                t.children.push(self.data_type()?);
                self.close_angle()?;
            }
            "ROW" | "STRUCTURED" => self.fields(&mut t)?,
            "INTERVAL" => t.interval = Some(self.interval_unit()?),
            _ => {
                if self.take_mark("(") {
                    t.params = self.comma_list(Self::small_number)?;
                    self.need_mark(")")?;
                }
                if matches!(t.name.as_str(), "TIMESTAMP" | "TIME") {
                    if self.take_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
                        t.name.push_str(" WITH LOCAL TIME ZONE");
                    } else if self.take_words(&["WITH", "TIME", "ZONE"]) {
                        t.name.push_str(" WITH TIME ZONE");
                    } else {
                        self.take_words(&["WITHOUT", "TIME", "ZONE"]);
                    }
                }
            }
        }
        t.span = self.since(start);
        Ok(t)
    }

    /// `>`, which the lexer may have taken together with what follows.
    fn close_angle(&mut self) -> Result<()> {
        self.need_mark(">")
    }

    fn fields(&mut self, t: &mut TypeExpr) -> Result<()> {
        let close = if self.take_mark("<>") {
            return Ok(());
        } else if self.take_mark("<") {
            ">"
        } else {
            self.need_mark("(")?;
            ")"
        };
        if self.take_mark(close) {
            return Ok(());
        }
        t.fields = self.comma_list(|p| {
            let name = p.any_word()?;
            p.take_mark(":");
            let data_type = p.data_type()?;
            let comment = match p.peek() {
                Tok::Text(text) => {
                    p.advance();
                    Some(text.clone())
                }
                _ => None,
            };
            Ok((name, data_type, comment))
        })?;
        self.need_mark(close)
    }

    /// `DAY(3) TO SECOND(6)`.
    pub(super) fn interval_unit(&mut self) -> Result<IntervalUnit> {
        let from = self.time_unit()?;
        let mut unit = IntervalUnit { from, precision: None, to: None, fraction: None };
        if self.take_mark("(") {
            unit.precision = Some(self.small_number()?);
            if self.take_mark(",") {
                unit.fraction = Some(self.small_number()?);
            }
            self.need_mark(")")?;
        }
        if self.take_word("TO") {
            unit.to = Some(self.time_unit()?);
            if self.take_mark("(") {
                unit.fraction = Some(self.small_number()?);
                self.need_mark(")")?;
            }
        }
        Ok(unit)
    }

    /// A unit of time.
    pub(super) fn time_unit(&mut self) -> Result<TimeUnit> {
        let unit = match self.peek() {
            Tok::Word(word) => TimeUnit::of(word),
            _ => None,
        };
        let Some(unit) = unit else {
            let units = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
            return self.expected_word("a unit of time", &units);
        };
        self.advance();
        Ok(unit)
    }
}

fn empty(name: String, span: super::lexer::Span) -> TypeExpr {
    TypeExpr {
        name,
        params: vec![],
        children: vec![],
        fields: vec![],
        interval: None,
        nullable: true,
        span,
    }
}
