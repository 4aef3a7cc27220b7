//! INSERTs: what they write to, and their plans.
//!
//! Between the binder and [`JobBuilder`](crate::plan::job::JobBuilder).
//!
//! Invariant: a plan gives the sink its columns in its order and types, and changes only if it
//! takes them.

use super::Session;
use crate::bind::Binder;
use crate::catalog::TableDef;
use crate::connectors::{self, ConnectorContext, TableSink};
use crate::dialect::ast::Insert;
use crate::expr::Expr;
use crate::plan::logical::{Field, Rel, Schema};
use crate::plan::stream::{Changes, Distribution, Node, Op};
use crate::plan::translate::Translator;
use millstream_core::Result;
use std::sync::Arc;

/// What an INSERT writes to.
struct Target {
    sink: Arc<dyn TableSink>,
    path: String,
    schema: Schema,
}

impl Session {
    /// The queries of INSERTs that run as one job, and their plans: what several of them read
    /// is read once.
    pub(super) fn insert_plans(
        &self,
        inserts: &[(&Insert, &str)],
    ) -> Result<(Vec<Rel>, Vec<Node>)> {
        let bound = inserts.iter().map(|(insert, text)| self.bound_insert(insert, text));
        let (targets, rels): (Vec<Target>, Vec<Rel>) =
            bound.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let nodes = Translator::new(&self.settings)?.translate_all(&rels)?;
        let planned = inserts.iter().zip(targets).zip(nodes);
        let nodes = planned
            .map(|(((insert, text), target), node)| {
                if !target.sink.accepts(node.changes) {
                    let what = refused_updates(&target.path, &node);
                    return Err(self.binder(text).fail(insert.table.span(), what).advice(
                        "write to a table that takes changes, or make the query append-only",
                    ));
                }
                let node = enforced(node, &target.schema);
                Ok(into_sink(node, target.sink, target.path, target.schema))
            })
            .collect::<Result<_>>()?;
        Ok((rels, nodes))
    }

    /// What an INSERT writes to, and what it writes.
    fn bound_insert(&self, insert: &Insert, text: &str) -> Result<(Target, Rel)> {
        let binder = self.binder(text);
        if insert.overwrite {
            return Err(binder
                .fail(insert.span, "INSERT OVERWRITE needs batch mode")
                .advice("use INSERT INTO"));
        }
        let path = binder.path(&insert.table);
        let table = self.catalog.table(&path).map_err(|e| binder.place(e, insert.table.span()))?;
        let mut options = table.options.clone();
        for hint in insert.hints.iter().filter(|h| h.name == "OPTIONS") {
            let pairs = hint.args.iter().filter_map(|(k, v)| Some((k.clone(), v.clone()?)));
            options.extend(pairs);
        }
        let columns: Vec<usize> = table.sink_columns().map(|(i, _)| i).collect();
        let schema: Schema = columns
            .iter()
            .map(|i| Field {
                name: table.columns[*i].name.clone(),
                ty: table.columns[*i].ty.clone().without_attribute(),
            })
            .collect();
        let context = ConnectorContext {
            table: &table,
            options: &options,
            columns: &columns,
            schema: &schema,
            settings: &self.settings,
        };
        let sink = connectors::sink(&context)?;
        let rel = binder.query(&insert.query)?;
        let rel = self.for_sink(&binder, rel, insert, &table, &schema)?;
        Ok((Target { sink, path: table.path.to_string(), schema }, rel))
    }

    /// The query's columns in the order and with the types of the sink's.
    fn for_sink(
        &self,
        binder: &Binder<'_>,
        rel: Rel,
        insert: &Insert,
        table: &TableDef,
        schema: &Schema,
    ) -> Result<Rel> {
        let at = |name: &crate::dialect::ast::Ident| {
            schema.iter().position(|f| f.name == name.value).ok_or_else(|| {
                let what = format!("column '{}' of the sink does not exist", name.value);
                let error = binder.fail(name.span, what);
                match millstream_core::nearest::hint(
                    &name.value,
                    schema.iter().map(|f| f.name.as_str()),
                ) {
                    Some(hint) => error.advice(hint),
                    None => error.advice("name columns of the table"),
                }
            })
        };
        let mut constants: Vec<Option<Expr>> = vec![None; schema.len()];
        for (name, value) in &insert.partition {
            if !table.partition_keys.contains(&name.value) {
                return Err(
                    binder.fail(name.span, format!("'{}' is no partition column", name.value))
                );
            }
            if let Some(value) = value {
                let scope = crate::bind::Scope::default();
                let mut cx = crate::bind::Cx::plain(&scope, "PARTITION");
                constants[at(name)?] = Some(binder.expr(value, &mut cx)?);
            }
        }
        let targets: Vec<usize> = if insert.columns.is_empty() {
            (0..schema.len()).filter(|i| constants[*i].is_none()).collect()
        } else {
            insert.columns.iter().map(at).collect::<Result<_>>()?
        };
        let types = |fields: &[&Field]| {
            let one = |f: &&Field| format!("{}: {}", f.name, f.ty);
            format!("[{}]", fields.iter().map(one).collect::<Vec<_>>().join(", "))
        };
        let mismatch = |cause: &str| {
            let query: Vec<&Field> = rel.schema().iter().collect();
            let sink: Vec<&Field> = targets.iter().map(|t| &schema[*t]).collect();
            let what = format!(
                "column types of query result and sink for '{}' do not match. Cause: {cause}. \
                 Query schema: {}. Sink schema: {}",
                table.path,
                types(&query),
                types(&sink)
            );
            binder.fail(insert.query.span, what).advice("select as the sink has it, with CAST")
        };
        if rel.schema().len() != targets.len() {
            return Err(mismatch("different number of columns"));
        }
        let mut exprs: Vec<Expr> = vec![];
        let columns = rel.columns();
        for (i, field) in schema.iter().enumerate() {
            let source = match (&constants[i], targets.iter().position(|t| *t == i)) {
                (Some(constant), _) => constant.clone(),
                (None, Some(from)) => columns[from].clone(),
                (None, None) if !field.ty.nullable => {
                    let what = format!(
                        "Column '{}' has no default value and does not allow NULLs",
                        field.name
                    );
                    return Err(binder.fail(insert.query.span, what).advice("give it a value"));
                }
                (None, None) => Expr::null(field.ty.clone()),
            };
            if !crate::coercion::implicitly_casts(&source.ty, &field.ty) {
                return Err(mismatch(&format!(
                    "incompatible types for sink column '{}'",
                    field.name
                )));
            }
            let expr = if source.ty.kind == field.ty.kind {
                Expr { ty: source.ty.without_attribute(), node: source.node }
            } else {
                source.cast(field.ty.clone(), false)?
            };
            exprs.push(expr);
        }
        let names = schema.iter().map(|f| f.name.clone()).collect();
        Ok(Rel::project(rel, exprs, names))
    }
}

/// A plan whose rows go to `sink`, which is named `name` and has the columns `schema`.
pub(super) fn into_sink(
    node: Node,
    sink: Arc<dyn TableSink>,
    name: String,
    schema: Schema,
) -> Node {
    let (changes, key) = (node.changes, node.key.clone());
    let inputs = vec![(node, Distribution::Forward)];
    Node { op: Op::Sink(sink, name), inputs, schema, changes, key, window: None }
}

/// With a check in front of the sink for columns that may not be NULL.
pub(super) fn enforced(node: Node, schema: &Schema) -> Node {
    let not_null: Vec<usize> = (0..schema.len()).filter(|i| !schema[*i].ty.nullable).collect();
    if not_null.is_empty() {
        return node;
    }
    let (changes, key, window) = (node.changes, node.key.clone(), node.window.clone());
    Node {
        schema: node.schema.clone(),
        op: Op::NotNull(not_null),
        inputs: vec![(node, Distribution::Forward)],
        changes,
        key,
        window,
    }
}

/// Flink's words for changes that a sink does not take.
pub(super) fn refused_updates(sink: &str, node: &Node) -> String {
    format!(
        "Table sink '{sink}' doesn't support consuming update changes which is produced by node {}",
        producer(node)
    )
}

/// The operator that makes an append-only stream one of changes.
fn producer(node: &Node) -> String {
    let mut node = node;
    loop {
        match node.inputs.iter().find(|(n, _)| n.changes != Changes::Append) {
            Some((input, _)) => node = input,
            None => return node.name(),
        }
    }
}
