//! GROUP BY without a window, and the calls of aggregate functions anywhere.

use super::*;
use crate::plan::logical::USER;

impl Translator<'_> {
    pub(super) fn agg_call(&self, call: &AggregateCall, input: &Schema) -> Result<AggCall> {
        let option = |i: usize| call.options.get(i).cloned().unwrap_or_default();
        let function = match call.function.as_str() {
            "COUNT" => AggFunction::Count,
            "SUM" => AggFunction::Sum,
            "SUM0" => AggFunction::Sum0,
            "AVG" => AggFunction::Avg,
            "MIN" => AggFunction::Min,
            "MAX" => AggFunction::Max,
            "STDDEV_POP" => AggFunction::StddevPop,
            "STDDEV_SAMP" => AggFunction::StddevSamp,
            "VAR_POP" => AggFunction::VarPop,
            "VAR_SAMP" => AggFunction::VarSamp,
            "FIRST_VALUE" => AggFunction::FirstValue,
            "LAST_VALUE" => AggFunction::LastValue,
            "LISTAGG" => AggFunction::ListAgg { separator: option(0) },
            "COLLECT" => AggFunction::Collect,
            "ARRAY_AGG" => AggFunction::ArrayAgg { ignore_nulls: option(0) == "IGNORE NULLS" },
            "JSON_OBJECTAGG" => {
                AggFunction::JsonObjectAgg { absent_on_null: option(0) == "ABSENT" }
            }
            "JSON_ARRAYAGG" => AggFunction::JsonArrayAgg { absent_on_null: option(0) == "ABSENT" },
            "SINGLE_VALUE" => AggFunction::SingleValue,
            "PERCENTILE" => AggFunction::Percentile {
                fractions: call.options.iter().filter_map(|f| f.parse().ok()).collect(),
                array: matches!(call.ty.kind, TypeKind::Array(_)),
            },
            "LAG" => AggFunction::Lag { offset: option(0).parse().unwrap_or(1) },
            other if other.starts_with(USER) => AggFunction::User(other[USER.len()..].to_owned()),
            other => {
                return Err(Error::config(format!("{other} is not supported in streaming mode"))
                    .advice("docs/sql lists the aggregate functions"));
            }
        };
        Ok(AggCall {
            function,
            arg_types: call.args.iter().map(|a| input[*a].ty.clone()).collect(),
            args: call.args.clone(),
            distinct: call.distinct,
            filter: call.filter,
            result: call.ty.clone(),
        })
    }

    pub(super) fn aggregate(
        &self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        schema: &Schema,
    ) -> Result<Node> {
        if let Some(node) = self.window_aggregate(input, keys, calls, schema)? {
            return Ok(node);
        }
        let read = |i: usize| if reads(keys, calls, i) { Needed::All } else { Needed::No };
        let wanted: Vec<Needed> = (0..input.schema().len()).map(read).collect();
        let node = self.rel(input, &wanted)?;
        let calls =
            calls.iter().map(|c| self.agg_call(c, &node.schema)).collect::<Result<Vec<_>>>()?;
        // Without a window time does not go on.
        let schema: Schema = schema
            .iter()
            .map(|f| Field { name: f.name.clone(), ty: f.ty.clone().computed() })
            .collect();
        let changes = match (calls.is_empty(), node.changes) {
            // The first of equal rows is the only one.
            (true, Changes::Append) => Changes::Append,
            _ => Changes::Retract,
        };
        let spec = spec::GroupAggregateSpec {
            keys: keys.to_vec(),
            calls,
            input_retracts: node.changes.retracts(),
            update_before: true,
            ttl_ms: self.ttl_of(input),
            output: arrow_schema(&schema),
        };
        let key = (0..keys.len()).collect();
        let mut by = Distribution::by(keys);
        let mut node = node;
        if let Some(gather) = self.settings.mini_batch()? {
            let (of_input, changes, key) = (node.schema.clone(), node.changes, node.key.clone());
            node = one(Op::MiniBatch(gather), node, by, &of_input, changes, key, None);
            by = Distribution::Forward;
        }
        Ok(one(Op::GroupAggregate(spec), node, by, &schema, changes, Some(key), None))
    }
}

/// Whether an aggregate reads a column of its input.
pub(super) fn reads(keys: &[usize], calls: &[AggregateCall], column: usize) -> bool {
    keys.contains(&column)
        || calls.iter().any(|c| c.args.contains(&column) || c.filter == Some(column))
}
