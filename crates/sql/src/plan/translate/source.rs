//! A table as a stream: its connector, normalization by key, WATERMARK FOR.

use super::*;

impl Translator<'_> {
    pub(super) fn source(
        &self,
        source: Arc<dyn connectors::TableSource>,
        table: &crate::catalog::TableDef,
        schema: &Schema,
    ) -> Result<Node> {
        let changes = source.changes();
        let key = table.primary_key.as_ref().and_then(|k| {
            let at = |name: &String| schema.iter().position(|f| f.name == *name);
            k.columns.iter().map(at).collect::<Option<Vec<usize>>>()
        });
        let node = Node {
            op: Op::Source(source, table.path.to_string()),
            inputs: vec![],
            schema: schema.clone(),
            changes,
            key: key.clone(),
            window: None,
        };
        let duplicates = changes == Changes::Retract && self.settings.cdc_events_duplicate()?;
        if changes != Changes::Upsert && !duplicates {
            return Ok(node);
        }
        let Some(keys) = key else {
            if duplicates {
                let what = format!(
                    "configuration 'table.exec.source.cdc-events-duplicate' needs a primary key on \
                     table '{}'",
                    table.path
                );
                return Err(Error::config(what).advice("add PRIMARY KEY (...) NOT ENFORCED"));
            }
            let what = format!("table '{}' gives upserts but has no primary key", table.path);
            return Err(Error::config(what).advice("add PRIMARY KEY (...) NOT ENFORCED"));
        };
        let spec = spec::ChangelogNormalizeSpec {
            keys: keys.clone(),
            update_before: true,
            ttl_ms: self.ttl_ms,
            schema: arrow_schema(schema),
        };
        // A key is all that the former row is known by: -U says nothing more.
        let op = Op::DropUpdateBefore;
        let key = Some(keys.clone());
        let node = one(op, node, Distribution::Forward, schema, Changes::Upsert, key, None);
        let by = Distribution::by(&keys);
        Ok(one(Op::Normalize(spec), node, by, schema, Changes::Retract, Some(keys), None))
    }

    pub(super) fn watermark(
        &self,
        input: &Rel,
        column: usize,
        expr: &Expr,
        needed: &[Needed],
        schema: &Schema,
    ) -> Result<Node> {
        let mut wanted = needed.to_vec();
        add_needed(expr, &Needed::All, &mut wanted);
        if let Some(rowtime) = wanted.get_mut(column) {
            *rowtime = Needed::All;
        }
        let node = self.rel(input, &wanted)?;
        let ltz = matches!(schema[column].ty.kind, TypeKind::TimestampLtz(_));
        let wanted = if ltz { SqlType::timestamp_ltz(3) } else { SqlType::timestamp(3) };
        let watermark = expr.clone().cast(wanted, false)?;
        let mut exprs = input.columns();
        let mut with = input.schema().clone();
        // Window operators read milliseconds: a rowtime has precision 3.
        with.push(Field { name: "$watermark".into(), ty: watermark.ty.clone() });
        exprs.push(watermark);
        let (changes, key) = (node.changes, node.key.clone());
        let node = calc(node, None, exprs, with);
        let idle = self.settings.duration_ms("table.exec.source.idle-timeout")?;
        let spec = spec::WatermarkSpec {
            rowtime: column,
            rowtime_name: schema[column].name.clone(),
            watermark: schema.len(),
            idle_timeout_ms: Some(idle).filter(|ms| *ms > 0),
            output: arrow_schema(schema),
        };
        Ok(one(Op::Watermark(spec), node, Distribution::Forward, schema, changes, key, None))
    }
}
