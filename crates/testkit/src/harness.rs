//! One operator, driven by hand.
//!
//! Invariant: the harness drives the same [`Node`] that a job does, so what it shows
//! is what a job does.

use millstream_core::{
    Batch, Data, Epoch, EventTime, ManualClock, NO_TIMESTAMP, Result, Watermark,
};
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::{
    Counter, Downstream, JobInfo, MetricGroup, Node, Operator, OperatorContext, Output, OutputTag,
    Receiver, Restored, SnapshotKind, StoredState, TaskSnapshot,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What came out of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<T> {
    /// A record with its event time ([`NO_TIMESTAMP`] when none).
    Record(T, EventTime),
    /// A watermark.
    Watermark(Watermark),
    /// All inputs are idle (`true`) or one is active again.
    Idle(bool),
}

/// Takes what comes out, and says "not ready" when a test wants it to.
pub(crate) struct Capture<T> {
    pub(crate) events: Rc<RefCell<Vec<Event<T>>>>,
    pub(crate) ready: Rc<Cell<bool>>,
}

impl<T: Data> Downstream for Capture<T> {
    fn open(&mut self) -> Result<()> {
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.events.borrow_mut().push(Event::Watermark(watermark));
        Ok(())
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.events.borrow_mut().push(Event::Idle(idle));
        Ok(())
    }
    fn barrier(&mut self, _: Epoch, _: &mut TaskSnapshot) -> Result<()> {
        Ok(())
    }
    fn checkpoint_complete(&mut self, _: Epoch) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
    fn ready(&self) -> bool {
        self.ready.get()
    }
    fn poll(&mut self, _: i64) -> Result<()> {
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        None
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<T: Data> Receiver<Batch<T>> for Capture<T> {
    fn receive(&mut self, batch: Batch<T>) -> Result<()> {
        self.events.borrow_mut().extend(batch.into_iter().map(|(v, t)| Event::Record(v, t)));
        Ok(())
    }
}

type Events<T> = Rc<RefCell<Vec<Event<T>>>>;

/// Drives one subtask of an operator with no engine.
///
/// ```
/// use millstream_core::{Batch, Result, Watermark};
/// use millstream_runtime::{Operator, Output};
/// use millstream_testkit::OperatorHarness;
///
/// struct Double;
/// impl Operator for Double {
///     type In = Batch<u32>;
///     type Out = Batch<u32>;
///     fn on_batch(&mut self, batch: Batch<u32>, out: &mut Output<Batch<u32>>) -> Result<()> {
///         out.emit(batch.map(|n| n * 2));
///         Ok(())
///     }
/// }
/// let mut harness = OperatorHarness::new(Double);
/// harness.push(21, 1000).unwrap();
/// harness.watermark(1500).unwrap();
/// assert_eq!(harness.take_text(), ["42 @1000", "watermark 1500"]);
/// ```
pub struct OperatorHarness<O: Operator> {
    node: Node<O>,
    clock: ManualClock,
    context: OperatorContext,
    main: Box<dyn std::any::Any>,
    sides: BTreeMap<&'static str, Box<dyn std::any::Any>>,
    ready: Rc<Cell<bool>>,
}

/// Sets an [`OperatorHarness`] up.
pub struct HarnessBuilder<O: Operator> {
    operator: O,
    context: OperatorContext,
    clock: ManualClock,
    sides: Vec<AddSide<O>>,
}

type AddSide<O> = Box<
    dyn FnOnce(
        Output<<O as Operator>::Out>,
    ) -> (Output<<O as Operator>::Out>, &'static str, Box<dyn std::any::Any>),
>;

impl<O: Operator> HarnessBuilder<O> {
    /// Subtask `index` of `parallelism`, of `max_parallelism` key groups.
    pub fn subtask(mut self, index: usize, parallelism: usize, max_parallelism: usize) -> Self {
        let subtask = &mut self.context.subtask;
        (subtask.index, subtask.parallelism) = (index, parallelism);
        subtask.max_parallelism = max_parallelism;
        self.context.metrics = MetricGroup::detached(subtask);
        self
    }
    /// State of all former subtasks; this one takes its share.
    pub fn restored(mut self, former: Vec<StoredState>) -> Self {
        self.context.restored = Restored::from_stored(former);
        self
    }
    /// The job's name and checkpoint settings ([`JobInfo::for_tests`] otherwise).
    pub fn job(mut self, job: JobInfo) -> Self {
        self.context.job = Arc::new(job);
        self
    }
    /// Where keyed state lives (in memory otherwise).
    pub fn state_backend(mut self, backend: StateBackendConfig) -> Self {
        self.context.state_backend = backend;
        self
    }
    /// Processing time at the start (0 otherwise).
    pub fn processing_time(self, now_ms: i64) -> Self {
        self.clock.set_ms(now_ms);
        self
    }
    /// How often periodic watermarks are made; 0: after every record.
    pub fn auto_watermark_interval_ms(mut self, interval_ms: i64) -> Self {
        self.context.auto_watermark_interval_ms = interval_ms;
        self
    }
    /// Records a side output.
    pub fn side<T: Data>(mut self, tag: OutputTag<T>) -> Self {
        self.sides.push(Box::new(move |out| {
            let events: Events<T> = Rc::default();
            let capture = Capture { events: events.clone(), ready: Rc::new(Cell::new(true)) };
            let side = Output::new(vec![Box::new(capture) as Box<dyn Receiver<Batch<T>>>]);
            (out.with_side(&tag, side), tag.id(), Box::new(events))
        }));
        self
    }
}

impl<T: Data, O: Operator<Out = Batch<T>>> HarnessBuilder<O> {
    /// Opens the operator.
    ///
    /// # Errors
    /// Whatever `open` says.
    pub fn open(self) -> Result<OperatorHarness<O>> {
        let events: Events<T> = Rc::default();
        let ready = Rc::new(Cell::new(true));
        let capture = Capture { events: events.clone(), ready: ready.clone() };
        let mut out = Output::new(vec![Box::new(capture) as Box<dyn Receiver<Batch<T>>>]);
        let mut sides = BTreeMap::new();
        for add in self.sides {
            let (with, id, events) = add(out);
            out = with;
            sides.insert(id, events);
        }
        let context = self.context;
        let mut node = Node::new(self.operator, out, context.clone());
        node.open()?;
        let main = Box::new(events);
        Ok(OperatorHarness { node, clock: self.clock, context, main, sides, ready })
    }
}

impl<T: Data, O: Operator<Out = Batch<T>>> OperatorHarness<O> {
    /// A lone subtask with fresh state at processing time 0.
    ///
    /// # Panics
    /// When `open` fails; use [`builder`](Self::builder) to see the error.
    #[allow(clippy::expect_used)]
    pub fn new(operator: O) -> Self {
        Self::builder(operator).open().expect("the operator opens")
    }
    /// For a subtask with settings.
    pub fn builder(operator: O) -> HarnessBuilder<O> {
        let clock = ManualClock::new(0);
        let mut context = OperatorContext::for_tests("operator");
        context.clock = Arc::new(clock.clone());
        HarnessBuilder { operator, context, clock, sides: Vec::new() }
    }
    /// Pushes a batch (or, for two inputs, [`Either`](millstream_core::Either) of two).
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn input(&mut self, batch: O::In) -> Result<()> {
        self.node.receive(batch)?;
        self.node.poll(self.now())
    }
    /// Event time reaches `time`; [`Watermark::MAX`] is `i64::MAX`.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn watermark(&mut self, time: EventTime) -> Result<()> {
        self.node.watermark(Watermark(time))
    }
    /// All inputs became idle, or active.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn idle(&mut self, idle: bool) -> Result<()> {
        self.node.idle(idle)
    }
    /// Processing time reaches `now_ms`: due timers fire.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn processing_time(&mut self, now_ms: i64) -> Result<()> {
        self.clock.set_ms(now_ms);
        self.node.poll(now_ms)
    }
    /// Ends bounded input: the final watermark, then the end.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn end(&mut self) -> Result<()> {
        self.node.watermark(Watermark::MAX)?;
        let mut tries = 0;
        while !self.node.ready() && tries < 60_000 {
            tries += 1;
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.node.poll(self.now())?;
        }
        self.node.end()?;
        self.node.close()
    }
    /// Takes a snapshot, as at a barrier that ends epoch `epoch`.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn snapshot(&mut self, epoch: u64) -> Result<StoredState> {
        self.snapshot_as(epoch, SnapshotKind::Checkpoint)
    }
    /// Takes a snapshot of a kind.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn snapshot_as(&mut self, epoch: u64, kind: SnapshotKind) -> Result<StoredState> {
        let mut task = TaskSnapshot::new(kind);
        self.node.barrier(Epoch(epoch), &mut task)?;
        task.into_iter().next().map_or_else(|| Ok(StoredState::default()), |(_, s)| s.into_stored())
    }
    /// The checkpoint of `epoch`, and all before it, is durable.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn complete_checkpoint(&mut self, epoch: u64) -> Result<()> {
        self.node.checkpoint_complete(Epoch(epoch))
    }
    /// Lets go of the operator's outside resources, as after a failure or a cancel.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn close(&mut self) -> Result<()> {
        self.node.close()
    }
    /// Says whether the downstream has room (it has, at first).
    ///
    /// # Errors
    /// Whatever the operator says when it goes on.
    pub fn set_downstream_ready(&mut self, ready: bool) -> Result<()> {
        self.ready.set(ready);
        self.node.poll(self.now())
    }
    /// Whether the operator takes input now.
    pub fn is_ready(&self) -> bool {
        self.node.ready()
    }
    /// When the operator wants to be called at the latest.
    pub fn next_deadline(&self) -> Option<i64> {
        self.node.next_deadline()
    }
    /// The operator.
    pub fn operator(&self) -> &O {
        self.node.operator()
    }
    /// A counter of the operator, such as `numLateRecordsDropped`.
    pub fn counter(&self, name: &str) -> Counter {
        self.context.metrics.counter(name)
    }
    fn now(&self) -> i64 {
        use millstream_core::Clock;
        self.clock.now_ms()
    }
    fn main(&self) -> &Events<T> {
        self.main.downcast_ref().unwrap_or_else(|| unreachable!("set by open with this type"))
    }
    /// Everything that came out since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event<T>> {
        std::mem::take(&mut *self.main().borrow_mut())
    }
    /// The records that came out since the last call; watermarks are dropped.
    pub fn take_output(&mut self) -> Vec<(T, EventTime)> {
        records(self.take_events())
    }
    /// Everything since the last call as text: `value @time`, `watermark time`, `idle`, `active`.
    pub fn take_text(&mut self) -> Vec<String> {
        text(self.take_events())
    }
    /// The records of a side output since the last call. Name the tag in the builder first.
    pub fn take_side<U: Data>(&mut self, tag: &OutputTag<U>) -> Vec<(U, EventTime)> {
        let events = self.sides.get(tag.id()).and_then(|s| s.downcast_ref::<Events<U>>());
        events.map(|e| records(std::mem::take(&mut *e.borrow_mut()))).unwrap_or_default()
    }
}

impl<U: Data, T: Data, O: Operator<In = Batch<U>, Out = Batch<T>>> OperatorHarness<O> {
    /// Pushes one record.
    ///
    /// # Errors
    /// Whatever the operator says.
    pub fn push(&mut self, value: U, timestamp: EventTime) -> Result<()> {
        let mut batch = Batch::new();
        batch.push(value, timestamp);
        self.input(batch)
    }
}

pub(crate) fn records<T>(events: Vec<Event<T>>) -> Vec<(T, EventTime)> {
    let record = |event| match event {
        Event::Record(value, time) => Some((value, time)),
        _ => None,
    };
    events.into_iter().filter_map(record).collect()
}

pub(crate) fn text<T: Data>(events: Vec<Event<T>>) -> Vec<String> {
    let line = |event: Event<T>| match event {
        Event::Record(value, NO_TIMESTAMP) => format!("{value:?}"),
        Event::Record(value, time) => format!("{value:?} @{time}"),
        Event::Watermark(Watermark::MAX) => "watermark MAX".into(),
        Event::Watermark(Watermark(time)) => format!("watermark {time}"),
        Event::Idle(true) => "idle".into(),
        Event::Idle(false) => "active".into(),
    };
    events.into_iter().map(line).collect()
}
