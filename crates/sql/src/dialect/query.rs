//! Queries: `WITH`, `SELECT`, `FROM`, set operations, order and limit.

use super::ast::{
    Alias, Cte, Expr, ExprKind, GroupItem, Hint, JoinCondition, JoinKind, Query, Select,
    SelectItem, SetExpr, SetOp, TableRef,
};
use super::lexer::Tok;
use super::parser::{MAX_CHAIN, Parser};
use millstream_core::Result;

impl Parser<'_> {
    /// Whether a query begins here, behind any number of parentheses.
    pub(super) fn begins_query(&self) -> bool {
        let mut ahead = 0;
        while self.is_mark_at(ahead, "(") {
            ahead += 1;
        }
        ["SELECT", "VALUES", "WITH"].iter().any(|word| self.is_word_at(ahead, word))
    }

    /// A query.
    pub(super) fn query(&mut self) -> Result<Query> {
        self.deeper(Self::query_here)
    }

    fn query_here(&mut self) -> Result<Query> {
        let start = self.span();
        let mut with = vec![];
        if self.take_word("WITH") {
            if self.is_word("RECURSIVE") {
                return Err(self
                    .error_here("recursive queries are not supported")
                    .advice("remove RECURSIVE"));
            }
            with = self.comma_list(|p| {
                let name = p.ident()?;
                let columns = if p.is_mark("(") { p.ident_list()? } else { vec![] };
                p.need_word("AS")?;
                p.need_mark("(")?;
                let query = p.query()?;
                p.need_mark(")")?;
                Ok(Cte { name, columns, query })
            })?;
        }
        let body = self.set_expr(0)?;
        let mut query =
            Query { with, body, order_by: vec![], offset: None, limit: None, span: start };
        if self.take_words(&["ORDER", "BY"]) {
            query.order_by = self.comma_list(Self::order_item)?;
        }
        loop {
            if self.take_word("LIMIT") {
                if !self.take_word("ALL") {
                    let first = self.expr()?;
                    // `LIMIT offset, count`
                    if self.take_mark(",") {
                        query.offset = Some(first);
                        query.limit = Some(self.expr()?);
                    } else {
                        query.limit = Some(first);
                    }
                }
            } else if self.take_word("OFFSET") {
                query.offset = Some(self.expr()?);
                let _ = self.take_word("ROWS") || self.take_word("ROW");
            } else if self.take_word("FETCH") {
                let _ = self.take_word("FIRST") || self.take_word("NEXT");
                query.limit = Some(self.expr()?);
                let _ = self.take_word("ROWS") || self.take_word("ROW");
                self.need_word("ONLY")?;
            } else {
                break;
            }
        }
        query.span = self.since(start);
        Ok(query)
    }

    /// `INTERSECT` binds more tightly than `UNION` and `EXCEPT`.
    fn set_expr(&mut self, power: u8) -> Result<SetExpr> {
        let start = self.span();
        let mut left = self.set_primary()?;
        let mut length = 0;
        loop {
            let (op, binds) = match () {
                () if self.is_word("UNION") => (SetOp::Union, 1),
                () if self.is_word("EXCEPT") || self.is_word("MINUS") => (SetOp::Except, 1),
                () if self.is_word("INTERSECT") => (SetOp::Intersect, 2),
                () => return Ok(left),
            };
            if binds <= power {
                return Ok(left);
            }
            length += 1;
            if length > MAX_CHAIN {
                return Err(self.error_here("too many set operations in one query"));
            }
            self.advance();
            let all = self.take_word("ALL");
            if !all {
                self.take_word("DISTINCT");
            }
            let right = Box::new(self.set_expr(binds)?);
            let span = self.since(start);
            left = SetExpr::SetOp { op, all, left: Box::new(left), right, span };
        }
    }

    fn set_primary(&mut self) -> Result<SetExpr> {
        let start = self.span();
        if self.take_mark("(") {
            let query = Box::new(self.query()?);
            self.need_mark(")")?;
            return Ok(SetExpr::Query(query));
        }
        if self.is_word("SELECT") {
            return Ok(SetExpr::Select(Box::new(self.select()?)));
        }
        if self.take_word("VALUES") {
            let rows = self.comma_list(|p| {
                let row = p.expr()?;
                Ok(match row.kind {
                    ExprKind::Row(list) => list,
                    kind => vec![Expr { kind, span: row.span }],
                })
            })?;
            return Ok(SetExpr::Values { rows, span: self.since(start) });
        }
        if self.take_word("TABLE") {
            return Ok(SetExpr::Table(self.object_name()?));
        }
        self.expected_word("a query", &["SELECT", "VALUES", "WITH", "TABLE"])
    }

    fn select(&mut self) -> Result<Select> {
        let start = self.span();
        self.need_word("SELECT")?;
        let hints = self.hints()?;
        let distinct = self.take_word("DISTINCT");
        if !distinct {
            self.take_word("ALL");
        }
        let items = self.comma_list(Self::select_item)?;
        let mut select = Select {
            hints,
            distinct,
            items,
            from: None,
            filter: None,
            group_by: None,
            having: None,
            qualify: None,
            windows: vec![],
            span: start,
        };
        if self.take_word("FROM") {
            select.from = Some(self.from()?);
        }
        if self.take_word("WHERE") {
            select.filter = Some(self.expr()?);
        }
        if self.take_words(&["GROUP", "BY"]) {
            let _ = self.take_word("DISTINCT") || self.take_word("ALL");
            select.group_by = Some(self.comma_list(Self::group_item)?);
        }
        if self.take_word("HAVING") {
            select.having = Some(self.expr()?);
        }
        if self.take_word("WINDOW") {
            select.windows = self.comma_list(|p| {
                let name = p.ident()?;
                p.need_word("AS")?;
                Ok((name, p.window_spec()?))
            })?;
        }
        if self.take_word("QUALIFY") {
            select.qualify = Some(self.expr()?);
        }
        select.span = self.since(start);
        Ok(select)
    }

    fn select_item(&mut self) -> Result<SelectItem> {
        let expr = self.expr()?;
        let named = self.take_word("AS") || self.is_ident();
        let alias = if named { Some(self.ident()?) } else { None };
        Ok(SelectItem { expr, alias })
    }

    fn group_item(&mut self) -> Result<GroupItem> {
        if self.take_words(&["GROUPING", "SETS"]) {
            self.need_mark("(")?;
            let sets = self.comma_list(|p| p.deeper(Self::group_item))?;
            self.need_mark(")")?;
            return Ok(GroupItem::Sets(sets));
        }
        for word in ["ROLLUP", "CUBE"] {
            if self.is_word(word) && self.is_mark_at(1, "(") {
                self.advance();
                self.advance();
                let list = self.comma_list(Self::expr)?;
                self.need_mark(")")?;
                return Ok(match word {
                    "CUBE" => GroupItem::Cube(list),
                    _ => GroupItem::Rollup(list),
                });
            }
        }
        if self.is_mark("(") && self.is_mark_at(1, ")") {
            self.advance();
            self.advance();
            return Ok(GroupItem::Group(vec![]));
        }
        let expr = self.expr()?;
        Ok(match expr.kind {
            ExprKind::Row(list) => GroupItem::Group(list),
            kind => GroupItem::Expr(Expr { kind, span: expr.span }),
        })
    }

    /// `/*+ A('k'='v'), B(x, y) */`.
    pub(super) fn hints(&mut self) -> Result<Vec<Hint>> {
        let mut hints = vec![];
        while *self.peek() == Tok::HintStart {
            self.advance();
            while *self.peek() != Tok::HintEnd {
                if self.take_mark(",") {
                    continue;
                }
                let span = self.span();
                let name = self.keyword()?;
                let mut args = vec![];
                if self.take_mark("(") {
                    args = match self.is_mark(")") {
                        true => vec![],
                        false => self.comma_list(Self::hint_arg)?,
                    };
                    self.need_mark(")")?;
                }
                hints.push(Hint { name, args, span: self.since(span) });
            }
            self.advance();
        }
        Ok(hints)
    }

    fn hint_arg(&mut self) -> Result<(String, Option<String>)> {
        let piece = |p: &mut Self| match p.peek() {
            Tok::Text(text) | Tok::Number(text) | Tok::Word(text) | Tok::Quoted(text) => {
                p.advance();
                Ok(text.clone())
            }
            _ => p.expected("an argument of the hint"),
        };
        let mut key = piece(self)?;
        while self.take_mark(".") {
            key = format!("{key}.{}", piece(self)?);
        }
        let value = match self.take_mark("=") {
            true => Some(piece(self)?),
            false => None,
        };
        Ok((key, value))
    }

    /// What stands behind `FROM`; commas are cross joins.
    fn from(&mut self) -> Result<TableRef> {
        let start = self.span();
        let mut left = self.joined()?;
        let mut length = 0;
        while self.take_mark(",") {
            length += 1;
            self.chain_limit(length)?;
            let right = Box::new(self.joined()?);
            left = TableRef::Join {
                left: Box::new(left),
                right,
                kind: JoinKind::Cross,
                condition: JoinCondition::None,
                span: self.since(start),
            };
        }
        Ok(left)
    }

    fn chain_limit(&self, length: usize) -> Result<()> {
        if length > MAX_CHAIN / 10 {
            return Err(self
                .error_here("too many joins in one query")
                .advice("split the query with views"));
        }
        Ok(())
    }

    fn joined(&mut self) -> Result<TableRef> {
        let start = self.span();
        let mut left = self.table_primary()?;
        let mut length = 0;
        loop {
            length += 1;
            self.chain_limit(length)?;
            let mark = self.position();
            let natural = self.take_word("NATURAL");
            let kind = if self.take_words(&["CROSS", "JOIN"]) {
                JoinKind::Cross
            } else if self.take_word("JOIN") || self.take_words(&["INNER", "JOIN"]) {
                JoinKind::Inner
            } else if let Some(kind) = self.outer_join()? {
                kind
            } else {
                self.rewind(mark);
                return Ok(left);
            };
            let right = Box::new(self.table_primary()?);
            let condition = if natural {
                JoinCondition::Natural
            } else if self.take_word("ON") {
                JoinCondition::On(self.expr()?)
            } else if self.take_word("USING") {
                JoinCondition::Using(self.ident_list()?)
            } else {
                JoinCondition::None
            };
            let span = self.since(start);
            if kind != JoinKind::Cross && condition == JoinCondition::None {
                let error = self.error_at(span, "a join needs a condition");
                return Err(error.advice("add ON or USING, or write CROSS JOIN"));
            }
            left = TableRef::Join { left: Box::new(left), right, kind, condition, span };
        }
    }

    fn outer_join(&mut self) -> Result<Option<JoinKind>> {
        for (word, kind) in
            [("LEFT", JoinKind::Left), ("RIGHT", JoinKind::Right), ("FULL", JoinKind::Full)]
        {
            if self.is_word(word) && (self.is_word_at(1, "JOIN") || self.is_word_at(1, "OUTER")) {
                self.advance();
                self.take_word("OUTER");
                self.need_word("JOIN")?;
                return Ok(Some(kind));
            }
        }
        for (word, kind) in [("SEMI", JoinKind::Semi), ("ANTI", JoinKind::Anti)] {
            let with_left = self.is_words(&["LEFT", word, "JOIN"]);
            if with_left {
                self.advance();
            }
            if self.take_words(&[word, "JOIN"]) {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    fn table_primary(&mut self) -> Result<TableRef> {
        self.deeper(Self::table_here)
    }

    fn table_here(&mut self) -> Result<TableRef> {
        let lateral = self.take_word("LATERAL");
        let mut table = if self.is_mark("(") {
            self.advance();
            if self.begins_query() {
                let query = Box::new(self.query()?);
                self.need_mark(")")?;
                TableRef::Query { query, lateral, alias: self.alias()? }
            } else {
                let inner = self.from()?;
                self.need_mark(")")?;
                return self.behind_table(inner);
            }
        } else if self.is_word("TABLE") && self.is_mark_at(1, "(") {
            self.advance();
            self.advance();
            let call = self.expr()?;
            self.need_mark(")")?;
            TableRef::Function { call, alias: self.alias()? }
        } else if self.is_word("UNNEST") && self.is_mark_at(1, "(") {
            self.advance();
            self.advance();
            let expr = self.expr()?;
            self.need_mark(")")?;
            let ordinality = self.take_words(&["WITH", "ORDINALITY"]);
            TableRef::Unnest { expr, ordinality, alias: self.alias()? }
        } else {
            self.table_name()?
        };
        if let TableRef::Table { alias, .. } = &mut table
            && alias.is_none()
        {
            *alias = self.alias()?;
        }
        self.behind_table(table)
    }

    fn table_name(&mut self) -> Result<TableRef> {
        let mark = self.position();
        let name = self.object_name()?;
        if self.is_mark("(") {
            // A table function without TABLE(...), which newer versions of Flink take.
            self.rewind(mark);
            let call = self.expr()?;
            return Ok(TableRef::Function { call, alias: self.alias()? });
        }
        let mut hints = self.hints()?;
        let mut as_of = None;
        if self.take_words(&["FOR", "SYSTEM_TIME", "AS", "OF"]) {
            as_of = Some(self.expr()?);
        }
        hints.extend(self.hints()?);
        if self.is_word("TABLESAMPLE") {
            return Err(self.error_here("TABLESAMPLE is not supported in streaming queries"));
        }
        let alias = self.alias()?;
        hints.extend(self.hints()?);
        Ok(TableRef::Table { name, hints, as_of, alias })
    }

    fn behind_table(&mut self, table: TableRef) -> Result<TableRef> {
        if !self.is_word("MATCH_RECOGNIZE") {
            return Ok(table);
        }
        let span = self.span();
        self.advance();
        self.need_mark("(")?;
        // Its grammar comes with its own issue; here only its end is found.
        let mut open = 1;
        while open > 0 {
            match self.peek() {
                Tok::Mark("(") => open += 1,
                Tok::Mark(")") => open -= 1,
                Tok::End => return self.expected("')' of MATCH_RECOGNIZE"),
                _ => {}
            }
            self.advance();
        }
        self.alias()?;
        Ok(TableRef::MatchRecognize { input: Box::new(table), span })
    }

    /// `[AS] name [(a, b)]`.
    fn alias(&mut self) -> Result<Option<Alias>> {
        let has = self.take_word("AS");
        if !has && !self.is_ident() {
            return Ok(None);
        }
        // Words that are not reserved but go on with the query.
        let goes_on = ["SEMI", "ANTI", "WITH", "END"].iter().any(|w| self.is_word(w));
        if !has && goes_on {
            return Ok(None);
        }
        let name = self.ident()?;
        let columns = if self.is_mark("(") { self.ident_list()? } else { vec![] };
        Ok(Some(Alias { name, columns }))
    }
}
