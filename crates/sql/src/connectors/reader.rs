//! What connectors are made of that read or write batches themselves: files, generators,
//! print.
//!
//! ```text
//!   TableReader ──Chunk──> SourceHead ──> Unpack ──ChangeBatch──> ...
//!   ... ──ChangeBatch──> WriterOperator ──> TableWriter
//! ```
//!
//! The runtime's sources emit records; a [`Chunk`] is a whole batch as one record, which is
//! taken out again in the same chain.
//!
//! Invariant: a reader's stored position is behind the last row that it gave out.

use crate::runtime::ChangeBatch;
use millstream_core::{Batch, Container, Epoch, NO_TIMESTAMP, Result};
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use millstream_runtime::source::SourceOutput;
use millstream_runtime::{
    Counter, Operator, OperatorContext, OperatorSnapshot, Output, Partitioner, Source, SourcePoll,
    SourceReader, WatermarkStrategy,
};
use serde::de::Error as _;
use serde::ser::Error as _;
use std::sync::Arc;

/// What a reader has to say.
pub enum TablePoll {
    /// Rows.
    Rows(ChangeBatch),
    /// Nothing now; ask again at this processing time.
    Wait(Option<i64>),
    /// This reader has read everything.
    End,
}

/// Reads for one subtask.
pub trait TableReader {
    /// The next rows, about a thousand.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll>;
    /// Stores how far it has come, as operator state.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _into: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

/// Writes for one subtask.
pub trait TableWriter {
    /// Writes rows; may keep them in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, batch: &ChangeBatch) -> Result<()>;
    /// Everything written is safe when this returns.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn flush(&mut self) -> Result<()>;
    /// Stores what the writer needs to go on; after [`flush`](Self::flush).
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _into: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
    /// The checkpoint of `epoch`, and all before it, is durable.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }
    /// Bounded input has ended: everything is safe and visible when this returns.
    ///
    /// # Errors
    /// Ends the attempt.
    fn end(&mut self) -> Result<()> {
        self.flush()
    }
    /// Called at [`next_poll`](Self::next_poll): timed flushes.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, _now_ms: i64) -> Result<()> {
        Ok(())
    }
    /// When `poll` must be called.
    fn next_poll(&self) -> Option<i64> {
        None
    }
}

type MakeReader = Arc<dyn Fn(&OperatorContext) -> Result<Box<dyn TableReader>> + Send + Sync>;
type MakeWriter = Arc<dyn Fn(&OperatorContext) -> Result<Box<dyn TableWriter>> + Send + Sync>;

/// Adds a source to a job whose subtasks read with what `make` makes.
pub fn add_reader(
    graph: &mut JobGraph,
    spec: NodeSpec,
    make: impl Fn(&OperatorContext) -> Result<Box<dyn TableReader>> + Send + Sync + 'static,
) -> NodeId {
    let (parallelism, limit) = (spec.parallelism, spec.parallelism_limit);
    let uid = spec.uid.as_ref().map(|uid| format!("{uid}-unpack"));
    let source = Arc::new(ReaderSource { make: Arc::new(make) });
    let from = graph.add_source(spec, source, WatermarkStrategy::no_watermarks());
    let unpack = NodeSpec {
        name: "Unpack".into(),
        uid,
        parallelism,
        parallelism_limit: limit,
        ..NodeSpec::default()
    };
    let inputs = vec![Input::new(from, None, Partitioner::forward())];
    graph.add_operator(unpack, inputs, |_| Ok(Unpack))
}

/// Adds a sink to a job whose subtasks write with what `make` makes.
pub fn add_writer(
    graph: &mut JobGraph,
    spec: NodeSpec,
    inputs: Vec<Input<ChangeBatch>>,
    make: impl Fn(&OperatorContext) -> Result<Box<dyn TableWriter>> + Send + Sync + 'static,
) -> NodeId {
    let make: MakeWriter = Arc::new(make);
    let operator = move |_: &OperatorContext| {
        let make = Arc::clone(&make);
        Ok(WriterOperator { make, writer: None, records_send: Counter::default() })
    };
    graph.add_operator(spec, inputs, operator)
}

/// A batch on its way from a reader to the first operator of its chain. It never leaves the
/// chain, but could: its wire form is the batch's.
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

struct ReaderSource {
    make: MakeReader,
}

impl Source for ReaderSource {
    type Out = Chunk;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<Chunk>>> {
        let rows = context.metrics.counter("numRowsOut");
        Ok(Box::new(ReaderAdapter { reader: (self.make)(context)?, split: None, rows }))
    }
}

struct ReaderAdapter {
    reader: Box<dyn TableReader>,
    split: Option<usize>,
    rows: Counter,
}

impl SourceReader<Chunk> for ReaderAdapter {
    fn poll(&mut self, out: &mut SourceOutput<'_, Chunk>) -> Result<SourcePoll> {
        let split = match self.split {
            Some(split) => split,
            None => *self.split.insert(out.add_split()),
        };
        Ok(match self.reader.poll(out.now_ms())? {
            TablePoll::Rows(batch) => {
                if !batch.is_empty() {
                    self.rows.add(batch.len() as u64);
                    out.collect(split, Chunk(batch), NO_TIMESTAMP);
                }
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
struct Unpack;

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

/// A writer as the last operator of a chain.
struct WriterOperator {
    make: MakeWriter,
    writer: Option<Box<dyn TableWriter>>,
    /// Flink's `numRecordsSend`; it also tells sinks from other operators.
    records_send: Counter,
}

impl WriterOperator {
    fn with(&mut self, call: impl FnOnce(&mut dyn TableWriter) -> Result<()>) -> Result<()> {
        match &mut self.writer {
            Some(writer) => call(&mut **writer),
            None => Ok(()),
        }
    }
}

impl Operator for WriterOperator {
    type In = ChangeBatch;
    type Out = Batch<()>;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.records_send = context.metrics.counter("numRecordsSend");
        self.writer = Some((self.make)(context)?);
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, _out: &mut Output<Batch<()>>) -> Result<()> {
        self.with(|w| w.write(&batch))?;
        self.records_send.add(batch.len() as u64);
        Ok(())
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
