//! OVER: by time, or by other columns.

use super::*;

impl Translator<'_> {
    pub(super) fn over(&self, input: &Rel, groups: &[OverGroup], schema: &Schema) -> Result<Node> {
        let mut node = self.all(input)?;
        let mut width = node.schema.len();
        for group in groups {
            let output: Schema = schema[..width + group.calls.len()].to_vec();
            let calls = group
                .calls
                .iter()
                .map(|(function, ty)| self.over_call(function, ty, group, &node.schema))
                .collect::<Result<Vec<_>>>()?;
            let first = group.order_by.first();
            let attribute =
                first.map_or(TimeAttribute::None, |k| node.schema[k.column].ty.attribute);
            let by_time = first.is_some_and(|k| node.schema[k.column].ty.is_time_attribute());
            let by = Distribution::by(&group.partition_by);
            let (input_schema, output_schema) = (arrow_schema(&node.schema), arrow_schema(&output));
            width = output.len();
            if group.order_by.is_empty() {
                let what = "the rank function of an OVER window requires an ORDER BY clause";
                return Err(Error::config(what).advice("add ORDER BY with a column"));
            }
            if by_time && (!first.is_some_and(|k| k.ascending) || group.order_by.len() > 1) {
                let what =
                    "the window can only be ordered by a single time column in ASCENDING mode";
                return Err(Error::config(what).advice("ORDER BY the rowtime column alone"));
            }
            if by_time {
                if node.changes.retracts() {
                    return Err(Error::config(
                        "OVER by a time attribute does not take changes (updates and deletes)",
                    )
                    .advice("order by a column that is no time attribute"));
                }
                let time = match attribute {
                    TimeAttribute::Proctime => TimeDomain::Processing,
                    _ => TimeDomain::Event { rowtime: group.order_by[0].column },
                };
                let preceding = match group.start {
                    FrameBound::UnboundedPreceding => None,
                    FrameBound::Preceding(n) => Some(n),
                    FrameBound::CurrentRow => Some(0),
                };
                let frame = if group.rows {
                    spec::Frame::Rows { preceding: preceding.map(i64::unsigned_abs) }
                } else {
                    spec::Frame::Range { preceding_ms: preceding }
                };
                let spec = spec::OverSpec {
                    partition: group.partition_by.clone(),
                    time,
                    frame,
                    calls,
                    ttl_ms: self.ttl_ms,
                    input: input_schema,
                    output: output_schema,
                };
                let (changes, window) = (node.changes, node.window.clone());
                node = one(Op::Over(spec), node, by, &output, changes, None, window);
            } else {
                if group.start != FrameBound::UnboundedPreceding {
                    return Err(Error::config(
                        "a bounded OVER frame can only be ordered by a time attribute",
                    )
                    .advice("use UNBOUNDED PRECEDING, or order by the rowtime column"));
                }
                let spec = spec::UpdatingOverSpec {
                    partition: group.partition_by.clone(),
                    order: sort_columns(&group.order_by),
                    range: !group.rows,
                    calls,
                    update_before: true,
                    ttl_ms: self.ttl_ms,
                    input: input_schema,
                    output: output_schema,
                };
                node = one(Op::UpdatingOver(spec), node, by, &output, Changes::Retract, None, None);
            }
        }
        Ok(node)
    }

    pub(super) fn over_call(
        &self,
        function: &OverFunction,
        ty: &SqlType,
        group: &OverGroup,
        input: &Schema,
    ) -> Result<AggCall> {
        let function = match function {
            OverFunction::Aggregate(call) => return self.agg_call(call, input),
            OverFunction::RowNumber => AggFunction::RowNumber,
            OverFunction::Rank => AggFunction::Rank,
            OverFunction::DenseRank => AggFunction::DenseRank,
        };
        // Ranks compare the columns that rows are sorted by.
        let args: Vec<usize> = match function {
            AggFunction::RowNumber => vec![],
            _ => group.order_by.iter().map(|k| k.column).collect(),
        };
        let arg_types = args.iter().map(|a| input[*a].ty.clone()).collect();
        let result = ty.clone();
        Ok(AggCall { function, args, arg_types, distinct: false, filter: None, result })
    }
}
