//! What stands between a lookup join and the table that is asked: computed columns and
//! filters over its answers, and repeated requests for keys that have no rows.

use crate::connectors::lookup::{LookupAnswer, LookupFuture, LookupTable};
use crate::expr::{EvalContext, Expr, evaluate_all, evaluate_filter};
use crate::plan::logical::{Field, LookupRetry};
use crate::plan::translate::arrow_schema;
use crate::zone::Zone;
use arrow_array::{Array, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use millstream_core::{Clock, Error, Result, SystemClock};
use millstream_runtime::OperatorContext;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

fn arrow(error: arrow_schema::ArrowError) -> Error {
    Error::bug(format!("the rows of a lookup do not fit: {error}"))
}

/// A table with a filter and a projection over its answers.
pub(crate) struct CalcLookup {
    table: Arc<dyn LookupTable>,
    condition: Option<Expr>,
    exprs: Vec<Expr>,
    schema: SchemaRef,
    zone: Zone,
    clock: OnceLock<Arc<dyn Clock>>,
}

impl CalcLookup {
    pub(crate) fn new(
        table: Arc<dyn LookupTable>,
        condition: Option<Expr>,
        exprs: Vec<Expr>,
        zone: Zone,
    ) -> Self {
        let field = |(i, e): (usize, &Expr)| Field { name: format!("c{i}"), ty: e.ty.clone() };
        let schema = arrow_schema(&exprs.iter().enumerate().map(field).collect());
        CalcLookup { table, condition, exprs, schema, zone, clock: OnceLock::new() }
    }
    fn compute(&self, answer: LookupAnswer) -> Result<LookupAnswer> {
        let now_ms = self.clock.get().map_or_else(|| SystemClock.now_ms(), |c| c.now_ms());
        let context = EvalContext::new(self.zone, now_ms, now_ms);
        let LookupAnswer { mut rows, mut keys } = answer;
        if let Some(condition) = &self.condition {
            let keep: BooleanArray = evaluate_filter(condition, &rows, &context)?;
            let kept = |i: &usize| keep.is_valid(*i) && keep.value(*i);
            keys = (0..keys.len()).filter(kept).map(|i| keys[i]).collect();
            rows = filter_record_batch(&rows, &keep).map_err(arrow)?;
        }
        let columns = evaluate_all(&self.exprs, &rows, &context)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let schema = Arc::clone(&self.schema);
        let rows = RecordBatch::try_new_with_options(schema, columns, &options).map_err(arrow)?;
        Ok(LookupAnswer { rows, keys })
    }
}

impl LookupTable for CalcLookup {
    fn open(&self, context: &OperatorContext) -> Result<()> {
        self.clock.get_or_init(|| Arc::clone(&context.clock));
        self.table.open(context)
    }
    fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture {
        Box::pin(async move {
            let answer = Arc::clone(&self.table).lookup(keys).await?;
            self.compute(answer)
        })
    }
    fn answer_now(&self, keys: &RecordBatch) -> Result<Option<LookupAnswer>> {
        self.table.answer_now(keys)?.map(|answer| self.compute(answer)).transpose()
    }
}

/// A table that is asked again, after a while, for keys without rows.
pub(crate) struct RetryLookup {
    table: Arc<dyn LookupTable>,
    retry: LookupRetry,
}

impl RetryLookup {
    pub(crate) fn new(table: Arc<dyn LookupTable>, retry: LookupRetry) -> Self {
        RetryLookup { table, retry }
    }
}

impl LookupTable for RetryLookup {
    fn open(&self, context: &OperatorContext) -> Result<()> {
        self.table.open(context)
    }
    fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture {
        Box::pin(async move {
            let mut answer = Arc::clone(&self.table).lookup(keys.clone()).await?;
            for _ in 0..self.retry.max_attempts {
                let mut found = vec![false; keys.num_rows()];
                for key in &answer.keys {
                    if let Some(found) = found.get_mut(*key as usize) {
                        *found = true;
                    }
                }
                let missing: Vec<u32> =
                    (0..keys.num_rows() as u32).filter(|i| !found[*i as usize]).collect();
                if missing.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(self.retry.delay_ms.max(0) as u64)).await;
                let asked = UInt32Array::from(missing.clone());
                let asked = take_record_batch(&keys, &asked).map_err(arrow)?;
                let more = Arc::clone(&self.table).lookup(asked).await?;
                let schema = answer.rows.schema();
                answer.rows = concat_batches(&schema, [&answer.rows, &more.rows]).map_err(arrow)?;
                for key in more.keys {
                    let key = missing.get(key as usize).copied();
                    answer.keys.push(key.ok_or_else(|| {
                        Error::user("a lookup table answered for a key that was not asked")
                    })?);
                }
            }
            Ok(answer)
        })
    }
}
