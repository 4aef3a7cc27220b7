//! What sits at the ends of a SQL job and between its stateful operators: table sources
//! and sinks as the runtime has them, expressions over batches, checks of NOT NULL.

use crate::connectors::{TablePoll, TableReader, TableSink, TableSource, TableWriter};
use crate::expr::{EvalContext, Expr, evaluate_all, evaluate_columns, evaluate_filter};
use crate::runtime::ChangeBatch;
use crate::zone::Zone;
use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use millstream_core::{Batch, Container, Epoch, Error, NO_TIMESTAMP, Result, Watermark};
use millstream_runtime::source::SourceOutput;
use millstream_runtime::{
    Operator, OperatorContext, OperatorSnapshot, Output, Progress, Source, SourcePoll,
    SourceReader, Waker,
};
use serde::de::Error as _;
use serde::ser::Error as _;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A batch on its way from a reader to the first operator of its chain. It is a record to
/// the runtime's source; it never leaves the chain, but could: its wire form is the batch's.
#[derive(Clone)]
pub(crate) struct Chunk(pub(crate) ChangeBatch);

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows", self.0.len())
    }
}
impl serde::Serialize for Chunk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = vec![];
        self.0.encode(&mut bytes).map_err(S::Error::custom)?;
        bytes.serialize(serializer)
    }
}
impl<'de> serde::Deserialize<'de> for Chunk {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        ChangeBatch::decode(&bytes).map(Chunk).map_err(D::Error::custom)
    }
}

/// A table as the runtime's source.
pub(crate) struct SourceAdapter(pub(crate) Arc<dyn TableSource>);

impl Source for SourceAdapter {
    type Out = Chunk;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<Chunk>>> {
        Ok(Box::new(ReaderAdapter { reader: self.0.create_reader(context)?, split: None }))
    }
}

struct ReaderAdapter {
    reader: Box<dyn TableReader>,
    split: Option<usize>,
}

impl SourceReader<Chunk> for ReaderAdapter {
    fn poll(&mut self, out: &mut SourceOutput<'_, Chunk>) -> Result<SourcePoll> {
        let split = match self.split {
            Some(split) => split,
            None => *self.split.insert(out.add_split()),
        };
        Ok(match self.reader.poll(out.now_ms())? {
            TablePoll::Rows(batch) => {
                out.collect(split, Chunk(batch), NO_TIMESTAMP);
                SourcePoll::More
            }
            TablePoll::Wait(until) => SourcePoll::Wait(until),
            TablePoll::End => SourcePoll::End,
        })
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.reader.snapshot(epoch, into)
    }
}

/// Takes batches out of the records that carried them.
pub(crate) struct Unpack;

impl Operator for Unpack {
    type In = Batch<Chunk>;
    type Out = ChangeBatch;
    fn on_batch(&mut self, batch: Batch<Chunk>, out: &mut Output<ChangeBatch>) -> Result<()> {
        for (chunk, _) in batch {
            out.emit(chunk.0);
        }
        Ok(())
    }
}

/// Constant rows as a table.
pub(crate) struct ValuesSource {
    pub(crate) rows: Vec<Vec<Expr>>,
    pub(crate) schema: SchemaRef,
    pub(crate) zone: Zone,
}

const VALUES_STATE: &str = "values-given";

impl TableSource for ValuesSource {
    fn parallelism_limit(&self) -> Option<usize> {
        Some(1)
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let given = context.restored.list_union::<bool>(VALUES_STATE)?.contains(&true);
        if given || self.rows.is_empty() {
            return Ok(Box::new(ValuesReader { batch: None, given: true }));
        }
        let context = EvalContext::new(self.zone, context.clock.now_ms(), 0);
        let mut columns = vec![];
        for i in 0..self.schema.fields().len() {
            let cells = self
                .rows
                .iter()
                .map(|row| evaluate_columns(&row[i], &[], 1, &context))
                .collect::<Result<Vec<_>>>()?;
            let cells: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).collect();
            let column = concat(&cells)
                .map_err(|e| Error::bug(format!("values of one column do not fit: {e}")))?;
            columns.push(column);
        }
        let schema = Arc::clone(&self.schema);
        let batch = ChangeBatch::from_columns(schema, columns, self.rows.len(), None)?;
        Ok(Box::new(ValuesReader { batch: Some(batch), given: false }))
    }
}

struct ValuesReader {
    batch: Option<ChangeBatch>,
    given: bool,
}

impl TableReader for ValuesReader {
    fn poll(&mut self, _now_ms: i64) -> Result<TablePoll> {
        self.given = true;
        Ok(self.batch.take().map_or(TablePoll::End, TablePoll::Rows))
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list(VALUES_STATE, &self.given)
    }
}

/// Filters and computes, batch by batch.
pub(crate) struct Calc {
    condition: Option<Expr>,
    exprs: Vec<Expr>,
    schema: SchemaRef,
    zone: Zone,
    context: Option<(EvalContext, OperatorContext)>,
}

impl Calc {
    pub(crate) fn new(
        condition: Option<Expr>,
        exprs: Vec<Expr>,
        schema: SchemaRef,
        zone: Zone,
    ) -> Self {
        Calc { condition, exprs, schema, zone, context: None }
    }
}

impl Operator for Calc {
    type In = ChangeBatch;
    type Out = ChangeBatch;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let now = context.clock.now_ms();
        let seed = now ^ ((context.subtask.index as i64) << 48);
        let eval = EvalContext::new(self.zone, now, seed);
        self.context = Some((eval, context.clone()));
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let Some((eval, context)) = &mut self.context else {
            return Err(Error::bug("a calc was not opened"));
        };
        eval.now_ms = context.clock.now_ms();
        let batch = match &self.condition {
            Some(condition) => {
                let keep: BooleanArray = evaluate_filter(condition, batch.rows(), eval)?;
                batch.filter(&keep)?
            }
            None => batch,
        };
        if batch.is_empty() {
            return Ok(());
        }
        let columns = evaluate_all(&self.exprs, batch.rows(), eval)?;
        let kinds = batch.kinds().map(<[_]>::to_vec);
        let schema = Arc::clone(&self.schema);
        out.emit(ChangeBatch::from_columns(schema, columns, batch.len(), kinds)?);
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if let Some((eval, _)) = &mut self.context {
            eval.watermark_ms = (watermark != Watermark::MIN).then_some(watermark.0);
        }
        Ok(Progress::Done)
    }
}

/// All inputs in one.
pub(crate) struct Union;

impl Operator for Union {
    type In = ChangeBatch;
    type Out = ChangeBatch;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        out.emit(batch);
        Ok(())
    }
}

/// Refuses (or drops) rows with NULL in NOT NULL columns, in front of a sink.
pub(crate) struct NotNull {
    pub(crate) columns: Vec<(usize, String)>,
    pub(crate) drop: bool,
}

impl Operator for NotNull {
    type In = ChangeBatch;
    type Out = ChangeBatch;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let mut batch = batch;
        for (column, name) in &self.columns {
            let array = batch.column(*column)?;
            if array.logical_null_count() == 0 {
                continue;
            }
            if !self.drop {
                return Err(Error::data(format!(
                    "column '{name}' is NOT NULL, however, a null value is being written into it"
                ))
                .advice(
                    "set 'table.exec.sink.not-null-enforcer' = 'DROP' to drop such rows silently",
                ));
            }
            let keep: BooleanArray = (0..array.len()).map(|i| Some(!array.is_null(i))).collect();
            batch = batch.filter(&keep)?;
        }
        if !batch.is_empty() {
            out.emit(batch);
        }
        Ok(())
    }
}

/// A table as the last operator of a chain.
pub(crate) struct SinkAdapter {
    sink: Arc<dyn TableSink>,
    writer: Option<Box<dyn TableWriter>>,
}

impl SinkAdapter {
    pub(crate) fn new(sink: Arc<dyn TableSink>) -> Self {
        SinkAdapter { sink, writer: None }
    }
    fn with(&mut self, call: impl FnOnce(&mut dyn TableWriter) -> Result<()>) -> Result<()> {
        match &mut self.writer {
            Some(writer) => call(&mut **writer),
            None => Ok(()),
        }
    }
}

impl Operator for SinkAdapter {
    type In = ChangeBatch;
    type Out = Batch<()>;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.writer = Some(self.sink.create_writer(context)?);
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.write(&batch))
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _out: &mut Output<Batch<()>>,
    ) -> Result<Progress> {
        self.with(|w| w.on_watermark(watermark))?;
        Ok(Progress::Done)
    }
    fn on_barrier(&mut self, _epoch: Epoch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.flush())
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.with(|w| w.snapshot(epoch, into))
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.with(|w| w.on_checkpoint_complete(epoch))
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.writer.as_ref().and_then(|w| w.next_poll())
    }
    fn on_processing_time(&mut self, now_ms: i64, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.poll(now_ms))
    }
    fn on_end(&mut self, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.end())
    }
}

/// Batches that may wait to be shown.
const RESULT_BATCHES: usize = 64;

/// The rows of a query on their way to whoever asked: a bounded queue.
#[derive(Default)]
pub(crate) struct ResultQueue {
    state: Mutex<ResultState>,
    changed: Condvar,
}

#[derive(Default)]
struct ResultState {
    batches: VecDeque<ChangeBatch>,
    waker: Option<Waker>,
    closed: bool,
}

impl ResultQueue {
    fn state(&self) -> MutexGuard<'_, ResultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The next batch, if one comes within `timeout`.
    pub(crate) fn next(&self, timeout: Duration) -> Option<ChangeBatch> {
        let mut state = self.state();
        if state.batches.is_empty() && !state.closed {
            let waited = self.changed.wait_timeout(state, timeout);
            state = waited.map_or_else(|e| e.into_inner().0, |(state, _)| state);
        }
        let batch = state.batches.pop_front();
        if let (Some(_), Some(waker)) = (&batch, &state.waker) {
            waker.wake();
        }
        batch
    }
}

/// Puts rows into a [`ResultQueue`]; takes none while it is full.
pub(crate) struct Collect(pub(crate) Arc<ResultQueue>);

impl Operator for Collect {
    type In = ChangeBatch;
    type Out = Batch<()>;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.0.state().waker = Some(context.waker.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.0.state().batches.push_back(batch);
        self.0.changed.notify_all();
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.0.state().batches.len() < RESULT_BATCHES
    }
    fn close(&mut self) -> Result<()> {
        self.0.state().closed = true;
        self.0.changed.notify_all();
        Ok(())
    }
}
