//! Operators fused by direct calls, and their outputs.
//!
//! ```text
//!   Node(map) ──Output──> Node(filter) ──Output──┬─> Node(sink)
//!                             │                  └─> exchange
//!                             └─side output "late"─> exchange
//! ```
//!
//! A chain is a tree: each [`Node`] owns its operator and its [`Output`], which
//! owns the receivers behind it. A batch goes down the tree by plain calls, with
//! no queue, no thread and no progress tracking in between; watermarks, idleness
//! and barriers take the same way, after the records before them.
//!
//! Invariants: a node forwards a watermark only after everything that it fired has
//! been handed on; the output watermark never goes back; a chain that is not
//! [`ready`](Downstream::ready) is given neither input nor barrier.

use crate::checkpoint::STATE_SCHEMA;
use crate::metrics::OperatorMetrics;
use crate::operator::{Operator, OperatorContext, Progress};
use crate::snapshot::{ListMode, TaskSnapshot};
use millstream_core::{Batch, Container, Data, Epoch, Error, EventTime, Result, Watermark};
use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

/// Rows that an [`Output`] gathers before it hands them on.
pub const BATCH_ROWS: usize = 1024;

thread_local! {
    /// The subtask whose code runs on this thread, for the report of a panic.
    static RUNNING: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

/// The operator that was running when this thread panicked.
pub(crate) fn running_operator() -> Option<Rc<str>> {
    RUNNING.with(|running| running.borrow().clone())
}

pub(crate) fn enter(label: &Rc<str>) -> Option<Rc<str>> {
    RUNNING.with(|running| running.borrow_mut().replace(Rc::clone(label)))
}

/// Not called while unwinding, so that the innermost operator stays on record.
pub(crate) fn leave(former: Option<Rc<str>>) {
    RUNNING.with(|running| *running.borrow_mut() = former);
}

thread_local! {
    /// What was said of the record at hand when this thread panicked.
    static RECORD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What is known of the record that user code sees, for the report of a panic: while
/// this lives on the stack a panic remembers the text. Costs a check of a flag.
///
/// ```
/// use millstream_runtime::chain::RecordContext;
/// let record = ("user-1", 42);
/// let describe = || format!("record {record:?}");
/// let _context = RecordContext::new(&describe);
/// // call user code here
/// ```
pub struct RecordContext<'a>(&'a dyn Fn() -> String);

impl<'a> RecordContext<'a> {
    /// `describe` is called only when user code panics.
    #[inline]
    pub fn new(describe: &'a dyn Fn() -> String) -> Self {
        RecordContext(describe)
    }
}

impl Drop for RecordContext<'_> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = (self.0)();
            // The innermost one knows most; it is dropped first.
            RECORD.with(|record| record.borrow_mut().get_or_insert(text).len());
        }
    }
}

/// What the last panic of this thread had at hand.
pub(crate) fn take_record_context() -> Option<String> {
    RECORD.with(|record| record.borrow_mut().take())
}

/// Everything of a receiver that does not depend on the type of its records.
///
/// See [`Operator`] for what each signal means.
pub trait Downstream {
    /// Opens the operators, the last of the chain first.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn open(&mut self) -> Result<()>;
    /// Event time has advanced.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn watermark(&mut self, watermark: Watermark) -> Result<()>;
    /// The input became idle or active.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn idle(&mut self, idle: bool) -> Result<()>;
    /// Ends `epoch` and stores the state.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn barrier(&mut self, epoch: Epoch, snapshot: &mut TaskSnapshot) -> Result<()>;
    /// The checkpoint of `epoch` is durable.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()>;
    /// Bounded input has ended.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn end(&mut self) -> Result<()>;
    /// Whether input may be given now.
    fn ready(&self) -> bool;
    /// Goes on with what was pending, and fires processing-time timers.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn poll(&mut self, now_ms: i64) -> Result<()>;
    /// Whether an operator is in the middle of what a watermark fires: its state cannot be
    /// stored then.
    fn is_firing(&self) -> bool {
        false
    }
    /// When [`poll`](Downstream::poll) must be called at the latest.
    fn next_deadline(&self) -> Option<i64>;
    /// Hands on every row that is still gathered in a buffer.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn flush(&mut self) -> Result<()>;
    /// Closes every operator; the first error is kept.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn close(&mut self) -> Result<()>;
}

/// Takes batches of one type.
pub trait Receiver<C>: Downstream {
    /// Takes a batch.
    ///
    /// # Errors
    /// Whatever an operator says.
    fn receive(&mut self, batch: C) -> Result<()>;
}

/// Names a side output and the type of its records.
///
/// ```
/// use millstream_runtime::OutputTag;
/// const LATE: OutputTag<u64> = OutputTag::new("late");
/// assert_eq!(LATE.id(), "late");
/// ```
pub struct OutputTag<T> {
    id: &'static str,
    of: PhantomData<fn(T)>,
}

impl<T> OutputTag<T> {
    /// A tag; two side outputs of one operator need two ids.
    pub const fn new(id: &'static str) -> Self {
        OutputTag { id, of: PhantomData }
    }
    /// The id.
    pub const fn id(&self) -> &'static str {
        self.id
    }
}
impl<T> Clone for OutputTag<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for OutputTag<T> {}
impl<T> std::fmt::Debug for OutputTag<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutputTag({:?})", self.id)
    }
}

/// An [`Output`] whose record type is hidden: a side output.
pub trait SideOutput: Downstream {
    /// For the downcast to `Output<Batch<T>>`.
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// Sets whose output it is.
    fn set_label(&mut self, label: &Rc<str>);
    /// Hands on the rows gathered by one call of the operator.
    ///
    /// # Errors
    /// Whatever an operator behind it says.
    fn finish(&mut self) -> Result<()>;
}

/// Where an operator emits.
///
/// Rows are gathered to batches; the runtime hands on what is gathered after each
/// call of the operator.
pub struct Output<C> {
    buffer: C,
    receivers: Vec<Box<dyn Receiver<C>>>,
    sides: Vec<(&'static str, Box<dyn SideOutput>)>,
    watermark: Watermark,
    idle: bool,
    /// The first error of a receiver, kept until the operator's call is over.
    failed: Option<Error>,
    metrics: Option<OperatorMetrics>,
    /// Whose output it is, for errors of what is behind it that is no operator.
    label: Option<Rc<str>>,
}

impl<C: Container + Clone + Default> Output<C> {
    /// An output to `receivers`.
    pub fn new(receivers: Vec<Box<dyn Receiver<C>>>) -> Self {
        Output {
            buffer: C::default(),
            receivers,
            sides: Vec::new(),
            watermark: Watermark::MIN,
            idle: false,
            failed: None,
            metrics: None,
            label: None,
        }
    }
    /// Adds the side output `tag`.
    pub fn with_side<T: Data>(mut self, tag: &OutputTag<T>, side: Output<Batch<T>>) -> Self {
        self.add_side(tag.id(), Box::new(side));
        self
    }
    /// Adds a side output whose type the caller vouches for.
    pub(crate) fn add_side(&mut self, tag: &'static str, side: Box<dyn SideOutput>) {
        self.sides.push((tag, side));
    }
    /// Emits a batch, after the rows gathered so far.
    pub fn emit(&mut self, batch: C) {
        self.hand_on();
        self.send(batch);
    }
    fn hand_on(&mut self) {
        if !self.buffer.is_empty() {
            let batch = std::mem::take(&mut self.buffer);
            self.send(batch);
        }
    }
    fn send(&mut self, batch: C) {
        if batch.is_empty() || self.failed.is_some() {
            return;
        }
        if let Some(metrics) = &self.metrics {
            metrics.records_out.add(batch.len() as u64);
        }
        let Some((last, others)) = self.receivers.split_last_mut() else { return };
        let mut result = Ok(());
        for receiver in others {
            result = result.and_then(|()| receiver.receive(batch.clone()));
        }
        let failed = result.and_then(|()| last.receive(batch)).err();
        self.failed = failed.map(|e| self.placed(e));
    }
    /// A partitioner or an encoder fails as part of the operator that emits.
    fn placed(&self, error: Error) -> Error {
        match &self.label {
            Some(label) if !error.has_place() => error.at(&**label),
            _ => error,
        }
    }
    /// Sets whose output this is, with its side outputs.
    pub(crate) fn set_label(&mut self, label: &Rc<str>) {
        self.label = Some(Rc::clone(label));
        self.sides.iter_mut().for_each(|(_, side)| side.set_label(label));
    }
    /// Emits a watermark, after the rows gathered so far; one that does not advance
    /// is ignored.
    pub fn emit_watermark(&mut self, watermark: Watermark) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        if let Some(metrics) = &self.metrics {
            metrics.output_watermark.set(watermark.0);
        }
        self.hand_on();
        self.signal(|receiver| receiver.watermark(watermark));
    }
    /// Says that no watermarks will come for a while (`true`), or that they do again.
    pub fn emit_idle(&mut self, idle: bool) {
        if idle != self.idle {
            self.idle = idle;
            self.hand_on();
            self.signal(|receiver| receiver.idle(idle));
        }
    }
    fn signal(&mut self, signal: impl FnMut(&mut dyn Downstream) -> Result<()>) {
        if self.failed.is_none() {
            self.failed = self.each(signal).err();
        }
    }
    fn each(&mut self, mut visit: impl FnMut(&mut dyn Downstream) -> Result<()>) -> Result<()> {
        let receivers = self.receivers.iter_mut().map(|r| &mut **r as &mut dyn Downstream);
        let sides = self.sides.iter_mut().map(|(_, side)| &mut **side as &mut dyn Downstream);
        let visited = receivers.chain(sides).try_for_each(&mut visit);
        visited.map_err(|e| self.placed(e))
    }
    fn all(&self) -> impl Iterator<Item = &dyn Downstream> {
        let receivers = self.receivers.iter().map(|r| &**r as &dyn Downstream);
        receivers.chain(self.sides.iter().map(|(_, s)| &**s as &dyn Downstream))
    }
    /// Whether everything behind takes more input. An operator that is about to emit
    /// very much on one watermark asks, and answers [`Progress::More`] when it is not.
    pub fn is_ready(&self) -> bool {
        self.all().all(Downstream::ready)
    }
    /// The last watermark emitted.
    pub fn current_watermark(&self) -> Watermark {
        self.watermark
    }
    /// Hands on the gathered rows and gives the first error since the last call.
    pub(crate) fn finish_call(&mut self) -> Result<()> {
        self.hand_on();
        for (_, side) in &mut self.sides {
            // A side output gathers on its own; its records must not overtake the next signal.
            if self.failed.is_none() {
                self.failed = side.finish().err();
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl<T: Data> Output<Batch<T>> {
    /// Emits a record.
    #[inline]
    pub fn collect(&mut self, value: T, timestamp: EventTime) {
        self.buffer.push(value, timestamp);
        if self.buffer.len() >= BATCH_ROWS {
            let batch = std::mem::replace(&mut self.buffer, Batch::with_capacity(BATCH_ROWS));
            self.send(batch);
        }
    }
}

impl<C> Output<C> {
    /// Emits a record to side output `tag`. Without a consumer it is dropped, as in Flink.
    pub fn collect_side<T: Data>(&mut self, tag: &OutputTag<T>, value: T, timestamp: EventTime) {
        let side = self.sides.iter_mut().find(|(id, _)| *id == tag.id());
        let output = side.and_then(|(_, s)| s.as_any_mut().downcast_mut::<Output<Batch<T>>>());
        if let Some(output) = output {
            output.collect(value, timestamp);
        }
    }
    /// Whether somebody consumes side output `tag`.
    pub fn has_side<T>(&self, tag: &OutputTag<T>) -> bool {
        self.sides.iter().any(|(id, _)| *id == tag.id())
    }
}

impl<T: Data> SideOutput for Output<Batch<T>> {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn set_label(&mut self, label: &Rc<str>) {
        Output::set_label(self, label);
    }
    fn finish(&mut self) -> Result<()> {
        self.finish_call()
    }
}

/// As a receiver of signals, an output passes them to everything behind it.
impl<C: Container + Clone + Default> Downstream for Output<C> {
    fn open(&mut self) -> Result<()> {
        self.each(|r| r.open())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.emit_watermark(watermark);
        self.finish_call()
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.emit_idle(idle);
        self.finish_call()
    }
    fn barrier(&mut self, epoch: Epoch, snapshot: &mut TaskSnapshot) -> Result<()> {
        self.finish_call()?;
        self.each(|r| r.barrier(epoch, snapshot))
    }
    fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.each(|r| r.checkpoint_complete(epoch))
    }
    fn end(&mut self) -> Result<()> {
        self.finish_call()?;
        self.each(|r| r.end())
    }
    fn ready(&self) -> bool {
        self.is_ready()
    }
    fn is_firing(&self) -> bool {
        self.all().any(Downstream::is_firing)
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        self.each(|r| r.poll(now_ms))
    }
    fn next_deadline(&self) -> Option<i64> {
        self.all().filter_map(Downstream::next_deadline).min()
    }
    fn flush(&mut self) -> Result<()> {
        self.finish_call()?;
        self.each(|r| r.flush())
    }
    fn close(&mut self) -> Result<()> {
        let mut result = Ok(());
        let _ = self.each(|r| {
            let closed = r.close();
            if result.is_ok() {
                result = closed;
            }
            Ok(())
        });
        result
    }
}

/// An operator with its output: one element of a chain.
pub struct Node<O: Operator> {
    operator: O,
    out: Output<O::Out>,
    context: OperatorContext,
    label: Rc<str>,
    metrics: OperatorMetrics,
    /// The watermark that the operator has not finished yet.
    firing: Option<Watermark>,
    closed: bool,
}

impl<O: Operator> Node<O> {
    /// Puts `operator` before `out`.
    pub fn new(operator: O, mut out: Output<O::Out>, context: OperatorContext) -> Self {
        let metrics = OperatorMetrics::new(&context.metrics);
        out.metrics = Some(metrics.clone());
        let label: Rc<str> = context.subtask.to_string().into();
        out.set_label(&label);
        Node { operator, out, context, label, metrics, firing: None, closed: false }
    }
    /// The operator.
    pub fn operator(&self) -> &O {
        &self.operator
    }
    /// Runs one call of the operator and hands on what it gathered.
    fn call<R>(
        &mut self,
        call: impl FnOnce(&mut O, &mut Output<O::Out>) -> Result<R>,
    ) -> Result<R> {
        let former = enter(&self.label);
        let answer = call(&mut self.operator, &mut self.out);
        let answer = answer.map_err(|e| e.at(&*self.label));
        let handed_on = self.out.finish_call();
        leave(former);
        let answer = answer?;
        handed_on?;
        Ok(answer)
    }
    fn advance(&mut self, watermark: Watermark) -> Result<()> {
        let progress = self.call(|operator, out| operator.on_watermark(watermark, out))?;
        self.firing = (progress == Progress::More).then_some(watermark);
        if progress == Progress::Done {
            self.out.watermark(watermark)?;
        }
        Ok(())
    }
}

impl<O: Operator> Downstream for Node<O> {
    fn open(&mut self) -> Result<()> {
        self.out.open()?;
        let context = &self.context;
        let former = enter(&self.label);
        let opened = self.operator.open(context).map_err(|e| e.at(&*self.label));
        leave(former);
        opened
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.metrics.input_watermark.set(watermark.0);
        self.advance(watermark)
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        if self.call(|operator, out| operator.on_idle(idle, out))? {
            self.out.idle(idle)?;
        }
        Ok(())
    }
    fn barrier(&mut self, epoch: Epoch, snapshot: &mut TaskSnapshot) -> Result<()> {
        self.call(|operator, out| operator.on_barrier(epoch, out))?;
        let mut state = snapshot.of_operator();
        self.call(|operator, _| operator.snapshot(epoch, &mut state))?;
        if !state.is_empty() {
            if let Some(schema) = &self.context.state_schema {
                state.put_list_as(STATE_SCHEMA, ListMode::Broadcast, &**schema)?;
            }
            snapshot.push(self.context.subtask.uid.clone(), state);
        }
        self.out.barrier(epoch, snapshot)
    }
    fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.call(|operator, _| operator.on_checkpoint_complete(epoch))?;
        self.out.checkpoint_complete(epoch)
    }
    fn end(&mut self) -> Result<()> {
        self.call(|operator, out| operator.on_end(out))?;
        self.out.end()
    }
    fn is_firing(&self) -> bool {
        self.firing.is_some() || self.out.is_firing()
    }
    fn ready(&self) -> bool {
        self.firing.is_none() && self.operator.is_ready() && self.out.is_ready()
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        self.out.poll(now_ms)?;
        if !self.out.is_ready() {
            return Ok(());
        }
        self.call(|operator, out| operator.on_processing_time(now_ms, out))?;
        if let Some(watermark) = self.firing {
            self.advance(watermark)?;
        }
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        let own = self.operator.next_processing_time();
        own.into_iter().chain(self.out.next_deadline()).min()
    }
    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
    fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let former = enter(&self.label);
        let own = self.operator.close().map_err(|e| e.at(&*self.label));
        leave(former);
        own.and(self.out.close())
    }
}

/// What a node needs to know of its input to count it.
pub trait Counted {
    /// Number of records.
    fn record_count(&self) -> usize;
}

impl<T> Counted for Batch<T> {
    fn record_count(&self) -> usize {
        self.len()
    }
}

impl<A: Counted, B: Counted> Counted for millstream_core::Either<A, B> {
    fn record_count(&self) -> usize {
        match self {
            millstream_core::Either::Left(batch) => batch.record_count(),
            millstream_core::Either::Right(batch) => batch.record_count(),
        }
    }
}

impl<O: Operator> Receiver<O::In> for Node<O>
where
    O::In: Counted,
{
    fn receive(&mut self, batch: O::In) -> Result<()> {
        self.metrics.records_in.add(batch.record_count() as u64);
        self.call(|operator, out| operator.on_batch(batch, out))
    }
}
