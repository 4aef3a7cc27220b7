//! FOR SYSTEM_TIME AS OF processing time: a join with a table that is asked by key.
//!
//! ```text
//!   left ──keys──> lookup join ──values──> filters and projections ──> connector
//! ```
//! Equalities between the left side (or a constant) and a column of the table are what it is
//! asked for; every other condition is evaluated over the answers.
//!
//! Source: Flink's "Lookup Join" section and the LOOKUP hint.

use super::*;
use crate::catalog::TableDef;
use crate::connectors::lookup::LookupTable;
use crate::plan::logical::LookupHint;
use crate::plan::lookups::{CalcLookup, RetryLookup};
use std::collections::BTreeMap;

/// Batches that may wait for answers at most, whatever the capacity in rows is.
const MAX_WAITING_BATCHES: usize = 16;

/// A table below projections and filters; both in terms of the scan's columns.
struct LookupScan<'r> {
    table: &'r Arc<TableDef>,
    options: &'r BTreeMap<String, String>,
    columns: &'r [usize],
    schema: &'r Schema,
    exprs: Vec<Expr>,
    filters: Vec<Expr>,
}

fn lookup_scan(rel: &Rel) -> Option<LookupScan<'_>> {
    match rel {
        Rel::Scan { table, options, columns, schema } => Some(LookupScan {
            table,
            options,
            columns,
            schema,
            exprs: rel.columns(),
            filters: vec![],
        }),
        Rel::Project { input, exprs, .. } => {
            let mut scan = lookup_scan(input)?;
            scan.exprs = exprs.iter().map(|e| substitute(e.clone(), &scan.exprs)).collect();
            Some(scan)
        }
        Rel::Filter { input, condition } => {
            let mut scan = lookup_scan(input)?;
            scan.filters.extend(conjuncts(substitute(condition.clone(), &scan.exprs)));
            Some(scan)
        }
        Rel::Watermark { input, .. } | Rel::StateTtl { input, .. } => lookup_scan(input),
        _ => None,
    }
}

/// What a table is asked for: its column, and the value on the left side.
struct Key {
    column: usize,
    value: Expr,
}

/// `column = constant` over the columns of a scan.
fn constant_key(conjunct: &Expr, schema: &Schema) -> Option<Key> {
    let ExprNode::Call(call) = &conjunct.node else { return None };
    let ("=", [a, b]) = (call.function.name(), call.args.as_slice()) else { return None };
    let (column, value) = match (&a.node, &b.node) {
        (ExprNode::Column(c), _) if b.is_constant() => (*c, b),
        (_, ExprNode::Column(c)) if a.is_constant() => (*c, a),
        _ => return None,
    };
    same_key(&value.ty, &schema.get(column)?.ty).then(|| Key { column, value: value.clone() })
}

/// Whether values of two types are the same when they are equal.
fn same_key(value: &SqlType, column: &SqlType) -> bool {
    value.kind == column.kind || (value.is_text() && column.is_text())
}

impl Translator<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn lookup_join(
        &self,
        left: &Rel,
        right: &Rel,
        kind: JoinKind,
        on: &Expr,
        hint: &LookupHint,
        needed: &[Needed],
        schema: &Schema,
    ) -> Result<Node> {
        let scan = lookup_scan(right).ok_or_else(|| {
            Error::config("Processing-time temporal join is not supported yet.").advice(
                "join with a table that is looked up by key, or use FOR SYSTEM_TIME AS OF with a \
                 rowtime",
            )
        })?;
        let left_width = left.schema().len();
        let parts = condition::split(on.clone(), left_width);
        let (mut keys, mut rest): (Vec<Key>, Vec<Expr>) = (vec![], vec![]);
        let mut add = |key: Option<Key>, otherwise: Expr, rest: &mut Vec<Expr>| match key {
            Some(key) if keys.iter().all(|k| k.column != key.column) => keys.push(key),
            _ => rest.push(otherwise),
        };
        for (value, of_right, null_safe) in parts.equal {
            let column = match scan.exprs.get(column_of(&of_right)).map(|e| &e.node) {
                Some(ExprNode::Column(c)) => Some(*c),
                _ => None,
            };
            let key = column
                .filter(|c| !null_safe && same_key(&value.ty, &scan.schema[*c].ty))
                .map(|column| Key { column, value: value.clone() });
            let name = if null_safe { "IS NOT DISTINCT FROM" } else { "=" };
            let shifted = of_right.map_columns(&|i| i + left_width);
            let equal = crate::functions::Registry::builtin().call(name, vec![value, shifted])?;
            add(key, equal, &mut rest);
        }
        for conjunct in parts.rest {
            let key = match condition::side(&conjunct, left_width) {
                Some(condition::Side::Right) => {
                    let of_right = conjunct.clone().map_columns(&|i| i - left_width);
                    constant_key(&substitute(of_right, &scan.exprs), scan.schema)
                }
                _ => None,
            };
            add(key, conjunct, &mut rest);
        }
        let mut filters = vec![];
        for filter in &scan.filters {
            add(constant_key(filter, scan.schema), filter.clone(), &mut filters);
        }
        keys.sort_by_key(|key| key.column);
        if keys.is_empty() {
            let what = format!(
                "Temporal table join requires an equality condition on fields of table [{}].",
                scan.table.path
            );
            return Err(Error::config(what).advice(
                "compare a column of the table with a value of the same type: cast the other side",
            ));
        }
        let table = self.lookup_table(&scan, &filters, &keys, &rest, needed, left_width)?;
        let columns: Vec<usize> = keys.iter().map(|key| key.column).collect();
        let right_keys = columns.iter().map(|c| scan.schema[*c].name.clone()).collect();
        let at_most_one = scan.table.primary_key.as_ref().is_some_and(|key| {
            key.columns.iter().all(|k| columns.iter().any(|c| scan.schema[*c].name == *k))
        });
        let values = keys.into_iter().map(|key| key.value).collect();
        let left_node = self.all(left)?;
        let (left_node, left_keys) = self.keyed(left_node, values);
        let wide = left_node.schema.len();
        let moved = |i: usize| if i < left_width { i } else { wide + i - left_width };
        let condition = self.predicate(rest.into_iter().map(|c| c.map_columns(&moved)).collect());
        let (table, cache, timeout_ms, capacity) = self.asked(table, hint)?;
        let mut output = left_node.schema.clone();
        output.extend(right.schema().iter().cloned());
        let spec = spec::LookupJoinSpec {
            kind: spec_kind(kind),
            keys: left_keys,
            right_keys,
            condition,
            cache,
            capacity,
            timeout_ms,
            left: arrow_schema(&left_node.schema),
            right: arrow_schema(right.schema()),
            output: arrow_schema(&output),
        };
        let (changes, window) = (left_node.changes, left_node.window.clone());
        let key = left_node.key.clone().filter(|_| at_most_one);
        let op = Op::LookupJoin(spec, table, scan.table.path.to_string());
        let node = one(op, left_node, Distribution::Forward, &output, changes, key, window);
        let mut exprs: Vec<Expr> =
            (0..left_width).map(|i| Expr::column(i, schema[i].ty.clone())).collect();
        exprs.extend(
            (left_width..schema.len())
                .map(|i| Expr::column(wide + i - left_width, schema[i].ty.clone())),
        );
        Ok(calc(node, None, exprs, schema.clone()))
    }

    /// The connector's table, with what is computed and filtered over its rows.
    fn lookup_table(
        &self,
        scan: &LookupScan<'_>,
        filters: &[Expr],
        keys: &[Key],
        rest: &[Expr],
        needed: &[Needed],
        left_width: usize,
    ) -> Result<connectors::lookup::Lookup> {
        let exprs = scan.exprs.as_slice();
        let mut wanted = vec![Needed::No; scan.schema.len()];
        for (i, expr) in exprs.iter().enumerate() {
            let compared = rest.iter().any(|c| c.columns().contains(&(left_width + i)));
            let of = if compared { &Needed::All } else { &needed[left_width + i] };
            add_needed(expr, of, &mut wanted);
        }
        filters.iter().for_each(|f| add_needed(f, &Needed::All, &mut wanted));
        keys.iter().for_each(|key| wanted[key.column] = Needed::All);
        let context = ConnectorContext {
            table: scan.table,
            options: scan.options,
            columns: scan.columns,
            schema: scan.schema,
            settings: self.settings,
        };
        let source = connectors::source(&context)?;
        let source = source.project(&wanted)?.unwrap_or(source);
        let columns: Vec<usize> = keys.iter().map(|key| key.column).collect();
        let Some(mut lookup) = source.lookup(&columns)? else {
            let connector = scan.options.get("connector").map_or("", String::as_str);
            let what = format!(
                "table '{}' cannot be looked up: connector '{connector}' has no lookup",
                scan.table.path
            );
            return Err(Error::config(what)
                .advice("use a connector with lookup, such as filesystem, or a regular join"));
        };
        let column = |e: &Expr| matches!(e.node, ExprNode::Column(_));
        let identity = exprs.len() == scan.schema.len()
            && exprs.iter().enumerate().all(|(i, e)| column(e) && column_of(e) == i);
        if !identity || !filters.is_empty() {
            let condition = (!filters.is_empty()).then(|| Expr::and(filters.to_vec()));
            let table = CalcLookup::new(lookup.table, condition, exprs.to_vec(), self.zone);
            lookup.table = Arc::new(table);
        }
        Ok(lookup)
    }

    /// How a table is asked: by the hint, else by the settings.
    #[allow(clippy::type_complexity)]
    fn asked(
        &self,
        lookup: connectors::lookup::Lookup,
        hint: &LookupHint,
    ) -> Result<(Arc<dyn LookupTable>, spec::LookupCache, i64, usize)> {
        let table: Arc<dyn LookupTable> = match hint.retry {
            Some(retry) => Arc::new(RetryLookup::new(lookup.table, retry)),
            None => lookup.table,
        };
        // A key that has no rows is asked for again, so that it is not remembered either.
        let keeps_missing = lookup.cache.keeps_missing && hint.retry.is_none();
        let cache = spec::LookupCache { keeps_missing, ..lookup.cache };
        let timeout_ms = match hint.timeout_ms {
            Some(ms) => ms,
            None => self.settings.duration_ms("table.exec.async-lookup.timeout")?,
        };
        let capacity = match (hint.asynchronous, hint.capacity) {
            (Some(false), _) => 1,
            (_, Some(capacity)) => capacity,
            (_, None) => self.settings.lookup_capacity()?,
        };
        Ok((table, cache, timeout_ms, capacity.min(MAX_WAITING_BATCHES)))
    }
}

/// The index of a plain column; beyond all columns for anything else.
fn column_of(expr: &Expr) -> usize {
    match expr.node {
        ExprNode::Column(i) => i,
        _ => usize::MAX,
    }
}
