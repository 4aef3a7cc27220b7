//! Windows of `OVER` and `WINDOW`, and the elements of `ORDER BY`.

use super::ast::{Bound, Frame, OrderItem, WindowSpec};
use super::expr::SUM;
use super::parser::Parser;
use millstream_core::Result;

impl Parser<'_> {
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
