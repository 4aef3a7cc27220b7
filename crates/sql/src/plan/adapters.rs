//! What sits at the ends of a SQL job: table sources and sinks as the runtime has them,
//! checks of NOT NULL, unions.

use super::gate::{Passage, SourceGate};
use crate::connectors::{TablePoll, TableReader, TableSink, TableSource, TableWriter};
use crate::expr::{EvalContext, Expr, evaluate_columns};
use crate::runtime::ChangeBatch;
use crate::zone::Zone;
use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use millstream_core::{Batch, Container, Epoch, Error, NO_TIMESTAMP, Result, Watermark};
use millstream_runtime::source::SourceOutput;
use millstream_runtime::{
    Committer, CommitterContext, Operator, OperatorContext, OperatorSnapshot, Output, Sink,
    SinkWriter, Source, SourcePoll, SourceReader, Waker,
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
pub(crate) struct SourceAdapter {
    pub(crate) source: Arc<dyn TableSource>,
    /// With the number of the source.
    pub(crate) gate: Option<(Arc<SourceGate>, usize)>,
}

impl Source for SourceAdapter {
    type Out = Chunk;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<Chunk>>> {
        let mut reader = self.source.create_reader(context)?;
        let (gate, source) = self.gate.clone().unzip();
        if let Some(gate) = &gate {
            reader.limit_rows(gate.batch_rows());
        }
        let passage = Passage::of(source.unwrap_or(0));
        Ok(Box::new(ReaderAdapter { reader, split: None, gate, passage }))
    }
}

struct ReaderAdapter {
    reader: Box<dyn TableReader>,
    split: Option<usize>,
    gate: Option<Arc<SourceGate>>,
    passage: Passage,
}

impl SourceReader<Chunk> for ReaderAdapter {
    fn poll(&mut self, out: &mut SourceOutput<'_, Chunk>) -> Result<SourcePoll> {
        let split = match self.split {
            Some(split) => split,
            None => *self.split.insert(out.add_split()),
        };
        if let Some(gate) = &self.gate
            && self.passage.is_held(gate)
        {
            return Ok(SourcePoll::Wait(None));
        }
        let polled = self.reader.poll(out.now_ms())?;
        if let Some(gate) = &self.gate {
            match &polled {
                TablePoll::Rows(batch) => self.passage.gave(batch.len(), gate),
                TablePoll::End => self.passage.ended(gate),
                TablePoll::Wait(_) => {}
            }
        }
        Ok(match polled {
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

/// Operator state: how many of the rows were given out.
const VALUES_STATE: &str = "values-given";

impl TableSource for ValuesSource {
    fn parallelism_limit(&self) -> Option<usize> {
        Some(1)
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let stored = context.restored.list_union::<u64>(VALUES_STATE)?;
        let given = stored.into_iter().max().map_or(0, |rows| rows as usize);
        let rows = self.rows.get(given..).unwrap_or_default();
        if rows.is_empty() {
            return Ok(Box::new(ValuesReader { given, rest: None, batch_rows: usize::MAX }));
        }
        let context = EvalContext::new(self.zone, context.clock.now_ms(), 0);
        let mut columns = vec![];
        for i in 0..self.schema.fields().len() {
            let cells = rows
                .iter()
                .map(|row| evaluate_columns(&row[i], &[], 1, &context))
                .collect::<Result<Vec<_>>>()?;
            let cells: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).collect();
            let column = concat(&cells)
                .map_err(|e| Error::bug(format!("values of one column do not fit: {e}")))?;
            columns.push(column);
        }
        let schema = Arc::clone(&self.schema);
        let rest = Some(ChangeBatch::from_columns(schema, columns, rows.len(), None)?);
        Ok(Box::new(ValuesReader { given, rest, batch_rows: usize::MAX }))
    }
}

struct ValuesReader {
    given: usize,
    rest: Option<ChangeBatch>,
    batch_rows: usize,
}

impl TableReader for ValuesReader {
    fn limit_rows(&mut self, rows: usize) {
        self.batch_rows = rows;
    }
    fn poll(&mut self, _now_ms: i64) -> Result<TablePoll> {
        let Some(rest) = self.rest.take() else { return Ok(TablePoll::End) };
        let rows = rest.len().min(self.batch_rows);
        if rows < rest.len() {
            self.rest = Some(rest.slice(rows, rest.len() - rows));
        }
        self.given += rows;
        Ok(TablePoll::Rows(rest.slice(0, rows)))
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list(VALUES_STATE, &(self.given as u64))
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

/// Makes batches the records of a sink.
pub(crate) struct Pack;

impl Operator for Pack {
    type In = ChangeBatch;
    type Out = Batch<Chunk>;
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<Batch<Chunk>>) -> Result<()> {
        out.emit(Batch::from(vec![Chunk(batch)]));
        Ok(())
    }
}

/// A table as the runtime's sink.
pub(crate) struct SinkAdapter(pub(crate) Arc<dyn TableSink>);

impl Sink<Chunk> for SinkAdapter {
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<Chunk>>> {
        Ok(Box::new(WriterAdapter(self.0.create_writer(context)?)))
    }
    fn committer(&self, context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        self.0.committer(context)
    }
}

struct WriterAdapter(Box<dyn TableWriter>);

impl SinkWriter<Chunk> for WriterAdapter {
    fn write(&mut self, batch: Batch<Chunk>) -> Result<()> {
        batch.values().iter().try_for_each(|chunk| self.0.write(&chunk.0))
    }
    fn on_watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.0.on_watermark(watermark)
    }
    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.0.snapshot(epoch, into)
    }
    fn prepare_commit(&mut self, epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        self.0.prepare_commit(epoch)
    }
    fn end(&mut self) -> Result<()> {
        self.0.end()
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        self.0.poll(now_ms)
    }
    fn next_poll(&self) -> Option<i64> {
        self.0.next_poll()
    }
}

/// Batches that may wait to be shown.
const RESULT_BATCHES: usize = 64;

/// The rows of a query on their way to whoever asked.
///
/// Rows that were shown cannot be taken back. So in a job that may go back to a checkpoint
/// rows are held until one covers them, as in Flink; those that came after it are dropped.
/// Invariant: at most [`RESULT_BATCHES`] batches (and what a checkpoint has released) wait.
#[derive(Default)]
pub(crate) struct ResultQueue {
    state: Mutex<ResultState>,
    changed: Condvar,
}

#[derive(Default)]
struct ResultState {
    batches: VecDeque<ChangeBatch>,
    /// Not covered by a checkpoint, with the epoch that they ended in; `None`: the current.
    held: VecDeque<(Option<Epoch>, ChangeBatch)>,
    waker: Option<Waker>,
    closed: bool,
}

impl ResultState {
    /// Shows the rows of all epochs up to this one.
    fn release(&mut self, up_to: Epoch) {
        let covered = |(epoch, _): &&(Option<Epoch>, _)| epoch.is_some_and(|e| e <= up_to);
        let count = self.held.iter().take_while(covered).count();
        self.batches.extend(self.held.drain(..count).map(|(_, batch)| batch));
    }
}

impl ResultQueue {
    fn state(&self) -> MutexGuard<'_, ResultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change(&self, change: impl FnOnce(&mut ResultState)) {
        change(&mut self.state());
        self.changed.notify_all();
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
pub(crate) struct Collect {
    queue: Arc<ResultQueue>,
    /// Whether rows wait for a checkpoint.
    holds: bool,
}

impl Collect {
    pub(crate) fn new(queue: Arc<ResultQueue>) -> Self {
        Collect { queue, holds: false }
    }
}

impl Operator for Collect {
    type In = ChangeBatch;
    type Out = Batch<()>;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let job = &context.job;
        self.holds = job.checkpoints_stored && job.checkpoint_interval_ms.is_some();
        self.queue.change(|state| {
            state.waker = Some(context.waker.clone());
            state.closed = false;
            if let Some(restored) = job.restored_epoch {
                state.release(restored);
            }
            state.held.clear();
        });
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _out: &mut Output<Batch<()>>) -> Result<()> {
        let holds = self.holds;
        self.queue.change(|state| match holds {
            true => state.held.push_back((None, batch)),
            false => state.batches.push_back(batch),
        });
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.queue.state().batches.len() < RESULT_BATCHES
    }
    fn on_barrier(&mut self, epoch: Epoch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.queue.change(|state| {
            let current = state.held.iter_mut().rev().map(|(of, _)| of);
            current.take_while(|of| of.is_none()).for_each(|of| *of = Some(epoch));
        });
        Ok(())
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.queue.change(|state| state.release(epoch));
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        self.queue.change(|state| state.closed = true);
        Ok(())
    }
}
