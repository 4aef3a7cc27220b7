//! `FROM`: tables, views, joins, `UNNEST`, table functions.

use super::Binder;
use super::expr::{Cx, as_outer_sees};
use super::scope::{Scope, ScopeColumn};
use crate::catalog::{ColumnKind, Object, TableDef, ViewDef};
use crate::dialect::Span;
use crate::dialect::ast::{
    self, Alias, ExprKind, Hint, Ident, JoinCondition, ObjectName, TableRef,
};
use crate::expr::{Expr, Node};
use crate::functions::named::Kind;
use crate::functions::user::fitting;
use crate::plan::condition::{Side, conjuncts, side, split, time_bounds};
use crate::plan::logical::{Field, JoinKind, LookupHint, Rel, Schema};
use crate::types::{SqlType, TimeAttribute, TypeKind};
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Binder<'_> {
    /// The rows of a `FROM`, and what names mean over them.
    pub(super) fn from(&self, table: &TableRef) -> Result<(Rel, Scope)> {
        match table {
            TableRef::Table { name, hints, as_of, alias } => {
                if let Some(as_of) = as_of {
                    return Err(self
                        .fail(as_of.span, "FOR SYSTEM_TIME AS OF needs a join")
                        .advice("write FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts ON ..."));
                }
                let (rel, full) = self.named_table(name, hints)?;
                let rel = self.with_ttl(rel, alias.as_ref(), &full);
                self.aliased(rel, alias.as_ref(), &full)
            }
            TableRef::Query { query, alias, lateral: _ } => {
                let rel = self.with_ttl(self.query(query)?, alias.as_ref(), &[]);
                self.aliased(rel, alias.as_ref(), &[])
            }
            TableRef::Function { call, alias } if self.is_user_table(call) => {
                let one = Rel::Values { rows: vec![vec![]], schema: vec![] };
                let input = (one, Scope::default());
                self.user_table(input, call, alias.as_ref(), false)
            }
            TableRef::Function { call, alias } => {
                let (rel, _) = self.table_function(call)?;
                self.aliased(rel, alias.as_ref(), &[])
            }
            TableRef::Unnest { expr, ordinality, alias } => {
                let one = Rel::Values { rows: vec![vec![]], schema: vec![] };
                self.unnest(one, Scope::default(), expr, *ordinality, alias.as_ref(), false)
            }
            TableRef::Join { left, right, kind, condition, span } => {
                self.join(left, right, *kind, condition, *span)
            }
            TableRef::MatchRecognize { span, .. } => Err(self
                .fail(*span, "MATCH_RECOGNIZE is not supported yet")
                .advice("it comes with the issue on complex event processing")),
        }
    }

    /// Under the STATE_TTL hint that names it.
    fn with_ttl(&self, rel: Rel, alias: Option<&Alias>, full: &[String]) -> Rel {
        let name = alias.map(|a| &a.name.value).or_else(|| full.last());
        match (self.hints, name) {
            (Some(hints), Some(name)) => hints.on_table(rel, name),
            _ => rel,
        }
    }

    fn aliased(&self, rel: Rel, alias: Option<&Alias>, full: &[String]) -> Result<(Rel, Scope)> {
        let Some(alias) = alias else {
            let scope = Scope::of_table(full, rel.schema());
            return Ok((rel, scope));
        };
        let rel = self.with_columns(rel, &alias.columns, alias.name.span)?;
        let scope = Scope::of_table(std::slice::from_ref(&alias.name.value), rel.schema());
        Ok((rel, scope))
    }

    /// The same rows under new column names, when there are any.
    pub(super) fn with_columns(&self, rel: Rel, columns: &[Ident], span: Span) -> Result<Rel> {
        if columns.is_empty() {
            return Ok(rel);
        }
        if columns.len() != rel.schema().len() {
            let what = format!("{} names for {} columns", columns.len(), rel.schema().len());
            return Err(self.fail(span, what).advice("name every column once"));
        }
        let names: Vec<String> = columns.iter().map(|c| c.value.clone()).collect();
        Ok(rel.renamed(&names))
    }

    /// A table expression, view or table, with its full name.
    fn named_table(&self, name: &ObjectName, hints: &[Hint]) -> Result<(Rel, Vec<String>)> {
        if let [only] = name.0.as_slice()
            && let Some(at) = self.ctes.iter().rposition(|c| c.name.value == only.value)
        {
            let cte = self.ctes[at];
            let mut inner = self.with_ctes(&[]);
            inner.ctes.truncate(at);
            inner.outer = None;
            let rel = inner.query(&cte.query)?;
            let rel = self.with_columns(rel, &cte.columns, cte.name.span)?;
            return Ok((rel, vec![only.value.clone()]));
        }
        let path = self.path(name);
        let object = self.catalog.get(&path).map_err(|e| self.place(e, name.span()))?;
        let rel = match object {
            Object::Table(table) => self.scan(table, hints).map_err(|e| self.place(e, name.span())),
            Object::View(_) if hints.iter().any(|h| h.name == "OPTIONS") => {
                Err(self.place(super::hints::options_on_view(&path), name.span()))
            }
            Object::View(view) => self.view(view),
        }?;
        Ok((rel, vec![path.catalog, path.database, path.object]))
    }

    /// The rows of a view.
    pub(crate) fn view(&self, view: &ViewDef) -> Result<Rel> {
        let inner = self.within(&view.text, view.home.clone())?;
        let rel = inner.query(&view.query).map_err(|e| e.at(format!("view '{}'", view.path)))?;
        let names: Vec<String> = view.columns.iter().map(|(n, _)| n.clone()).collect();
        if names.len() != rel.schema().len() {
            let what = format!("view '{}' has {} columns now", view.path, rel.schema().len());
            return Err(Error::config(what).advice("make the view again"));
        }
        Ok(rel.renamed(&names))
    }

    /// The rows of a table: what is read, then computed columns, then the watermark.
    pub(crate) fn scan(&self, table: &Arc<TableDef>, hints: &[Hint]) -> Result<Rel> {
        let mut options: BTreeMap<String, String> = table.options.clone();
        for hint in hints {
            if hint.name != "OPTIONS" {
                let error = self.fail(hint.span, format!("hint {} is not known here", hint.name));
                return Err(error.advice("behind a table, only OPTIONS('key' = 'value') can stand"));
            }
            for (key, value) in &hint.args {
                let value = value.clone().ok_or_else(|| {
                    self.fail(hint.span, format!("hint OPTIONS: '{key}' has no value"))
                })?;
                options.insert(key.clone(), value);
            }
        }
        let read: Vec<usize> = (0..table.columns.len())
            .filter(|i| !matches!(table.columns[*i].kind, ColumnKind::Computed { .. }))
            .collect();
        let plain = |i: &usize| Field {
            name: table.columns[*i].name.clone(),
            ty: table.columns[*i].ty.clone().without_attribute(),
        };
        let schema: Schema = read.iter().map(plain).collect();
        let scan = Rel::Scan { table: Arc::clone(table), options, columns: read.clone(), schema };
        let inner =
            self.within(self.text, (table.path.catalog.clone(), table.path.database.clone()))?;
        let at = |e: Error, column: &str| e.at(format!("column '{column}' of '{}'", table.path));
        let mut rel = scan;
        if read.len() < table.columns.len() {
            let scope = Scope::of_table(&[], rel.schema());
            let mut exprs = vec![];
            for (i, column) in table.columns.iter().enumerate() {
                exprs.push(match &column.kind {
                    ColumnKind::Computed { expr, .. } => {
                        let mut cx = Cx::plain(&scope, "a computed column");
                        inner.expr(expr, &mut cx).map_err(|e| at(e, &column.name))?
                    }
                    _ => {
                        let from = read.iter().position(|r| *r == i).unwrap_or_default();
                        Expr::column(from, column.ty.clone().without_attribute())
                    }
                });
            }
            let names = table.columns.iter().map(|c| c.name.clone()).collect();
            rel = Rel::project(rel, exprs, names);
        }
        if let Some(watermark) = table.watermark.as_ref().filter(|w| w.is_of_source()) {
            if table.stream.is_none() {
                let what = format!(
                    "table '{}' has SOURCE_WATERMARK(), and its source makes none",
                    table.path
                );
                return Err(Error::config(what).advice(
                    "write the watermark as an expression, such as ts - INTERVAL '5' SECOND",
                ));
            }
            rel = rel.with_rowtime(watermark.column);
        } else if let Some(watermark) = &table.watermark {
            let scope = Scope::of_table(&[], rel.schema());
            let mut cx = Cx::plain(&scope, "a watermark");
            let column = watermark.column;
            let name = &table.columns[column].name;
            let expr = inner.expr(&watermark.expr, &mut cx).map_err(|e| at(e, name))?;
            let mut schema = rel.schema().clone();
            let ty = schema[column].ty.clone();
            schema[column].ty = ty.with_attribute(TimeAttribute::Rowtime);
            rel = Rel::Watermark { input: Box::new(rel), column, expr, schema };
        }
        Ok(rel)
    }

    fn join(
        &self,
        left: &TableRef,
        right: &TableRef,
        kind: ast::JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<(Rel, Scope)> {
        let (left, left_scope) = self.from(left)?;
        let kind = match kind {
            ast::JoinKind::Inner | ast::JoinKind::Cross => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            ast::JoinKind::Right => JoinKind::Right,
            ast::JoinKind::Full => JoinKind::Full,
            ast::JoinKind::Semi => JoinKind::Semi,
            ast::JoinKind::Anti => JoinKind::Anti,
        };
        if let TableRef::Unnest { expr, ordinality, alias } = right {
            return self.join_unnest(
                left,
                left_scope,
                expr,
                *ordinality,
                alias,
                kind,
                condition,
                span,
            );
        }
        if let TableRef::Function { call, alias } = right
            && self.is_user_table(call)
        {
            let outer = self.correlation_outer("a table function", kind, span)?;
            let (rel, scope) = self.user_table((left, left_scope), call, alias.as_ref(), outer)?;
            return self.correlation_on(rel, scope, condition, outer);
        }
        if let TableRef::Table { name, hints, as_of: Some(as_of), alias } = right {
            let (right, full) = self.named_table(name, hints)?;
            let names: Vec<&str> = match alias {
                Some(alias) => vec![&alias.name.value],
                None => full.last().map(String::as_str).into_iter().collect(),
            };
            let lookup = self.hints.map_or_else(LookupHint::default, |h| h.of_lookup(&names));
            let (right, right_scope) = self.aliased(right, alias.as_ref(), &full)?;
            let sides = ((left, left_scope), (right, right_scope));
            return self.temporal_join(sides, kind, as_of, condition, lookup, span);
        }
        if let TableRef::Query { query, lateral: true, alias } = right {
            let inner = self.correlated(&left_scope);
            let rel = inner.query(query)?;
            if super::subquery::no_outer(&rel).is_err() {
                return self.lateral(
                    (left, left_scope),
                    rel,
                    alias.as_ref(),
                    kind,
                    condition,
                    span,
                );
            }
            let (right, right_scope) = self.aliased(rel, alias.as_ref(), &[])?;
            return self.join_bound(
                (left, left_scope),
                (right, right_scope),
                kind,
                condition,
                span,
            );
        }
        let right = self.from(right)?;
        self.join_bound((left, left_scope), right, kind, condition, span)
    }

    /// A join with a subquery that names columns of the left side.
    fn lateral(
        &self,
        (left, left_scope): (Rel, Scope),
        query: Rel,
        alias: Option<&Alias>,
        kind: JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<(Rel, Scope)> {
        let outer = self.correlation_outer("a LATERAL subquery", kind, span)?;
        let (width, shown) = (left.schema().len(), query.schema().len());
        let columns = query.schema().clone();
        let at = |e: Error| self.place(e, span);
        let parts = super::subquery::lateral_parts(query, outer).map_err(at)?;
        let (_, scope) = self.beside(&left, left_scope, columns, alias, outer)?;
        let of_both = |i: usize| as_outer_sees(i).unwrap_or_else(|| width + i);
        let both = |e: Expr| e.map_columns(&of_both);
        let mut all: Vec<Expr> = parts.conditions.into_iter().map(both).collect();
        let columns = |rel: &Rel| rel.columns().into_iter().take(width).collect::<Vec<_>>();
        let mut on = vec![];
        if let JoinCondition::On(written) = condition {
            let mut cx = Cx::plain(&scope, "ON");
            on = conjuncts(self.condition(written, &mut cx, "ON")?);
        }
        if outer {
            // Its columns are those of the subquery: what ON compares is there when it joins.
            let shown: Vec<Expr> = parts.exprs.iter().cloned().map(both).collect();
            all.extend(
                on.drain(..).map(|c| crate::plan::translate::substitute_from(c, width, &shown)),
            );
        }
        let joined = make_join(left, parts.rel, kind, Expr::and(all));
        let mut exprs = columns(&joined);
        exprs.extend(parts.exprs.into_iter().map(both));
        debug_assert_eq!(exprs.len(), width + shown);
        for (e, field) in exprs.iter_mut().zip(joined.schema()).take(width) {
            e.ty = field.ty.clone();
        }
        let names = scope.columns.iter().map(|c| c.name.clone()).collect();
        let rel = Rel::project(joined, exprs, names).filtered(on);
        let scope = scope.with_types(rel.schema());
        Ok((rel, scope))
    }

    fn join_bound(
        &self,
        (left, left_scope): (Rel, Scope),
        (right, right_scope): (Rel, Scope),
        kind: JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<(Rel, Scope)> {
        let named = |c: &super::scope::ScopeColumn| c.table.last().cloned();
        let twice = left_scope
            .columns
            .iter()
            .filter_map(named)
            .find(|name| right_scope.columns.iter().any(|c| c.table.last() == Some(name)));
        if let Some(name) = twice {
            return Err(self
                .fail(span, format!("Duplicate relation name '{name}' in FROM clause"))
                .advice("give one of them another name with AS"));
        }
        let using = self.using_columns(&left_scope, &right_scope, condition, span)?;
        let mut scope = left_scope.clone().and(right_scope);
        let left_width = left.schema().len();
        let condition = match condition {
            JoinCondition::On(on) => {
                let mut cx = Cx::plain(&scope, "ON");
                cx.outer = self.outer.as_ref();
                self.condition(on, &mut cx, "ON")?
            }
            _ => {
                let mut all = vec![];
                for (l, r) in &using {
                    let of = |i: usize| Expr::column(i, scope.columns[i].ty.clone());
                    let args = vec![of(*l), of(left_width + *r)];
                    all.push(self.registry.call("=", args).map_err(|e| self.place(e, span))?);
                }
                Expr::and(all)
            }
        };
        let rel = make_join(left, right, kind, condition);
        if kind.left_only() {
            let scope = left_scope.with_types(rel.schema());
            return Ok((rel, scope));
        }
        scope = scope.with_types(rel.schema());
        if using.is_empty() {
            return Ok((rel, scope));
        }
        self.merge_using(rel, scope, &using, left_width, kind)
    }

    /// Columns joined by USING or NATURAL, by index on their side.
    fn using_columns(
        &self,
        left: &Scope,
        right: &Scope,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<Vec<(usize, usize)>> {
        let names: Vec<String> = match condition {
            JoinCondition::Using(names) => names.iter().map(|n| n.value.clone()).collect(),
            JoinCondition::Natural => {
                let has = |c: &&ScopeColumn| right.columns.iter().any(|r| r.name == c.name);
                left.columns.iter().filter(has).map(|c| c.name.clone()).collect()
            }
            _ => return Ok(vec![]),
        };
        let find = |scope: &Scope, name: &str| {
            scope.columns.iter().position(|c| c.name == name && !c.hidden).ok_or_else(|| {
                self.fail(span, format!("column '{name}' of USING is not on both sides"))
                    .advice("write ON with the two names")
            })
        };
        names.iter().map(|n| Ok((find(left, n)?, find(right, n)?))).collect()
    }

    /// One column in the place of each pair: the left one, or whichever is not NULL.
    fn merge_using(
        &self,
        rel: Rel,
        mut scope: Scope,
        using: &[(usize, usize)],
        left_width: usize,
        kind: JoinKind,
    ) -> Result<(Rel, Scope)> {
        let mut exprs = rel.columns();
        let level = 1 + scope.columns.iter().map(|c| c.merged).max().unwrap_or(0);
        for (l, r) in using {
            scope.columns[*l].merged = level;
            let (left, right) = (exprs[*l].clone(), exprs[left_width + *r].clone());
            exprs[*l] = match kind {
                JoinKind::Right => right,
                JoinKind::Full => self.registry.call("COALESCE", vec![left, right])?,
                _ => left,
            };
            scope.columns[left_width + *r].hidden = true;
        }
        let names = scope.columns.iter().map(|c| c.name.clone()).collect();
        let rel = Rel::project(rel, exprs, names);
        let scope = scope.with_types(rel.schema());
        Ok((rel, scope))
    }

    /// `FOR SYSTEM_TIME AS OF`: by event time a version of the right table, by processing
    /// time what a table outside answers.
    fn temporal_join(
        &self,
        ((left, left_scope), (right, right_scope)): ((Rel, Scope), (Rel, Scope)),
        kind: JoinKind,
        as_of: &ast::Expr,
        condition: &JoinCondition,
        lookup: LookupHint,
        span: Span,
    ) -> Result<(Rel, Scope)> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(self
                .fail(span, "a temporal join must be an INNER or LEFT JOIN")
                .advice("turn the join around"));
        }
        let mut cx = Cx::plain(&left_scope, "FOR SYSTEM_TIME AS OF");
        let time = self.expr(as_of, &mut cx)?;
        // A rowtime that went through a join of tables still has its watermarks.
        use TimeAttribute::{Former, Proctime, Rowtime};
        let (Node::Column(time_column), Rowtime | Proctime | Former) =
            (&time.node, time.ty.attribute)
        else {
            let what = "Temporal table join currently only supports 'FOR SYSTEM_TIME AS OF' left \
                        table's time attribute field";
            return Err(self.fail(as_of.span, what).advice(
                "name the rowtime column of the left table, or a column that is PROCTIME() there",
            ));
        };
        let time_column = *time_column;
        let JoinCondition::On(on) = condition else {
            return Err(self.fail(span, "a temporal join needs ON with the key of the right table"));
        };
        let scope = left_scope.and(right_scope);
        let mut cx = Cx::plain(&scope, "ON");
        let condition = self.condition(on, &mut cx, "ON")?;
        let mut schema = left.schema().clone();
        schema.extend(right.schema().iter().map(|f| Field {
            name: f.name.clone(),
            ty: {
                let ty = f.ty.clone();
                let nullable = ty.nullable || kind.pads_right();
                ty.with_nullable(nullable)
            },
        }));
        let scope = scope.with_types(&schema);
        let (left, right) = (Box::new(left), Box::new(right));
        if time.ty.attribute == TimeAttribute::Proctime {
            return Ok((Rel::LookupJoin { left, right, kind, condition, lookup, schema }, scope));
        }
        Ok((Rel::TemporalJoin { left, right, kind, time_column, condition, schema }, scope))
    }

    #[allow(clippy::too_many_arguments)]
    fn join_unnest(
        &self,
        left: Rel,
        left_scope: Scope,
        expr: &ast::Expr,
        ordinality: bool,
        alias: &Option<Alias>,
        kind: JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<(Rel, Scope)> {
        let outer = self.correlation_outer("UNNEST", kind, span)?;
        let (rel, scope) =
            self.unnest(left, left_scope, expr, ordinality, alias.as_ref(), outer)?;
        self.correlation_on(rel, scope, condition, outer)
    }

    /// Whether rows without results stay, in a join with what is made of each row.
    fn correlation_outer(&self, what: &str, kind: JoinKind, span: Span) -> Result<bool> {
        match kind {
            JoinKind::Inner => Ok(false),
            JoinKind::Left => Ok(true),
            _ => Err(self
                .fail(span, format!("{what} can only be CROSS JOINed or LEFT JOINed"))
                .advice("use LEFT JOIN ... ON TRUE")),
        }
    }

    /// With the condition of such a join.
    fn correlation_on(
        &self,
        mut rel: Rel,
        scope: Scope,
        condition: &JoinCondition,
        outer: bool,
    ) -> Result<(Rel, Scope)> {
        let JoinCondition::On(on) = condition else { return Ok((rel, scope)) };
        let mut cx = Cx::plain(&scope, "ON");
        let all = conjuncts(self.condition(on, &mut cx, "ON")?);
        if outer && !all.is_empty() {
            if let Rel::Unnest { on: of_elements, .. } = &mut rel {
                of_elements.extend(all);
                return Ok((rel, scope));
            }
            return Err(self
                .fail(on.span, "a LEFT JOIN with a table function only takes ON TRUE")
                .advice("filter in WHERE, or in a subquery"));
        }
        Ok((rel.filtered(all), scope))
    }

    /// Whether `TABLE(...)` calls a function of the user's own.
    fn is_user_table(&self, call: &ast::Expr) -> bool {
        let ExprKind::Call(call) = &call.kind else { return false };
        self.user_function(&call.name).is_some()
    }

    /// `LATERAL TABLE(f(...))` beside each row.
    fn user_table(
        &self,
        (input, scope): (Rel, Scope),
        call: &ast::Expr,
        alias: Option<&Alias>,
        outer: bool,
    ) -> Result<(Rel, Scope)> {
        let ExprKind::Call(inner) = &call.kind else { return Err(Error::bug("no call")) };
        let Some(found) = self.user_function(&inner.name) else {
            return Err(Error::bug("a function vanished"));
        };
        let Kind::Table(function) = &found.function.0 else {
            let what = format!("{} is no table function", inner.name);
            return Err(self
                .fail(call.span, what)
                .advice(format!("it is a {} function: call it in SELECT", found.function.kind())));
        };
        let mut cx = Cx::plain(&scope, "a table function");
        let args = self.exprs(&inner.args, &mut cx)?;
        let args = fitting(&inner.name.to_string(), args, function.argument_types())
            .map_err(|e| self.place(e, call.span))?;
        let columns = function.columns().into_iter().map(|(name, ty)| Field { name, ty }).collect();
        let (schema, scope) = self.beside(&input, scope, columns, alias, outer)?;
        let function = found.key.clone();
        let input = Box::new(input);
        Ok((Rel::TableFunction { input, function, args, outer, schema }, scope))
    }

    /// The input's columns and, under their alias, those of what is made of each row.
    fn beside(
        &self,
        input: &Rel,
        scope: Scope,
        mut columns: Schema,
        alias: Option<&Alias>,
        outer: bool,
    ) -> Result<(Schema, Scope)> {
        if outer {
            columns.iter_mut().for_each(|f| f.ty.nullable = true);
        }
        let mut names: Vec<String> = vec![];
        if let Some(alias) = alias {
            if !alias.columns.is_empty() && alias.columns.len() != columns.len() {
                let what = format!("{} names for {} columns", alias.columns.len(), columns.len());
                return Err(self.fail(alias.name.span, what).advice("name every column once"));
            }
            for (field, name) in columns.iter_mut().zip(&alias.columns) {
                field.name.clone_from(&name.value);
            }
            names.push(alias.name.value.clone());
        }
        let scope = scope.and(Scope::of_table(&names, &columns));
        let mut schema = input.schema().clone();
        schema.extend(columns);
        Ok((schema, scope))
    }

    /// The elements of a collection of each row.
    fn unnest(
        &self,
        input: Rel,
        scope: Scope,
        expr: &ast::Expr,
        ordinality: bool,
        alias: Option<&Alias>,
        outer: bool,
    ) -> Result<(Rel, Scope)> {
        let mut cx = Cx::plain(&scope, "UNNEST");
        let collection = self.expr(expr, &mut cx)?;
        let mut elements: Schema = match &collection.ty.kind {
            TypeKind::Array(e) | TypeKind::Multiset(e) => match &e.kind {
                TypeKind::Row(fields) => fields
                    .iter()
                    .map(|f| Field { name: f.name.clone(), ty: f.ty.clone() })
                    .collect(),
                _ => vec![Field { name: "EXPR$0".into(), ty: (**e).clone() }],
            },
            TypeKind::Map(k, v) => vec![
                Field { name: "KEY".into(), ty: (**k).clone() },
                Field { name: "VALUE".into(), ty: (**v).clone() },
            ],
            _ => {
                let what = format!("UNNEST takes an ARRAY, MAP or MULTISET, not {}", collection.ty);
                return Err(self.fail(expr.span, what).advice("check the column's type"));
            }
        };
        if ordinality {
            elements.push(Field { name: "ORDINALITY".into(), ty: SqlType::int().not_null() });
        }
        let (schema, scope) = self.beside(&input, scope, elements, alias, outer)?;
        let rel = Rel::Unnest {
            input: Box::new(input),
            expr: collection,
            ordinality,
            outer,
            on: vec![],
            schema,
        };
        Ok((rel, scope))
    }
}

/// A join with its schema: padded columns are nullable; rowtimes stay time attributes in an
/// interval join and in a join of windows, and become ordinary timestamps in any other.
pub(crate) fn make_join(left: Rel, right: Rel, kind: JoinKind, condition: Expr) -> Rel {
    let mut parts = split(condition.clone(), left.schema().len());
    let keeps_time = time_bounds(&mut parts.rest, left.schema(), right.schema()).is_some();
    let mut schema: Schema = vec![];
    let mut add = |fields: &Schema, pads: bool| {
        for f in fields {
            let ty = f.ty.clone();
            let nullable = ty.nullable || pads;
            let ty = if keeps_time { ty } else { ty.without_rowtime() };
            schema.push(Field { name: f.name.clone(), ty: ty.with_nullable(nullable) });
        }
    };
    if kind.left_only() {
        // Rows of the left side pass as they are.
        schema = left.schema().clone();
    } else {
        add(left.schema(), kind.pads_left());
        add(right.schema(), kind.pads_right());
    }
    Rel::Join { left: Box::new(left), right: Box::new(right), kind, condition, schema }
}

/// Puts conditions where they belong: into inner joins and in front of them.
pub(crate) fn push_filter(rel: Rel, conditions: Vec<Expr>) -> Rel {
    match rel {
        Rel::Join { left, right, kind: JoinKind::Inner, condition, .. } => {
            let width = left.schema().len();
            let mut on = conjuncts(condition);
            let (mut to_left, mut to_right, mut stays) = (vec![], vec![], vec![]);
            for c in conditions {
                match side(&c, width) {
                    _ if c.columns().iter().any(|i| super::expr::is_virtual(*i)) => stays.push(c),
                    Some(Side::Left) => to_left.push(c),
                    Some(Side::Right) => to_right.push(c.map_columns(&|i| i - width)),
                    None if c.columns().is_empty() => stays.push(c),
                    None => on.push(c),
                }
            }
            let left = push_filter(*left, to_left);
            let right = push_filter(*right, to_right);
            make_join(left, right, JoinKind::Inner, Expr::and(on)).filtered(stays)
        }
        Rel::StateTtl { input, ttl_ms } => {
            Rel::StateTtl { input: Box::new(push_filter(*input, conditions)), ttl_ms }
        }
        Rel::Filter { input, condition } if matches!(*input, Rel::Join { .. }) => {
            let mut all = conjuncts(condition);
            all.extend(conditions);
            push_filter(*input, all)
        }
        other => other.filtered(conditions),
    }
}
