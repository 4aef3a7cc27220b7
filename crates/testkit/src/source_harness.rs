//! One subtask of a source, driven by hand.
//!
//! Invariant: the harness drives the same [`SourceNode`] that a job does; processing
//! time stands still unless the test moves it, and waiting is on the reader's wake-up.

use crate::harness::{Capture, Event, records, text};
use millstream_core::{Clock, Data, Epoch, EventTime, ManualClock, Result};
use millstream_runtime::{
    AlignmentBoard, Counter, Downstream, Gauge, MetricGroup, OperatorContext, Output, Receiver,
    Restored, Source, SourceHead, SourceNode, SourcePoll, StoredState, TaskSnapshot, Waker,
    WatermarkStrategy,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Wakeups {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wakeups {
    fn wake(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
    /// Whether there was a wake-up within `timeout`.
    fn wait(&self, timeout: Duration) -> bool {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(woken, timeout, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *woken, false)
    }
}

/// Drives one subtask of a source with no engine.
///
/// ```
/// use millstream_core::{Epoch, Result};
/// use millstream_runtime::{
///     OperatorContext, OperatorSnapshot, Source, SourceOutput, SourcePoll, SourceReader,
/// };
/// use millstream_testkit::SourceHarness;
///
/// struct Three;
/// impl Source for Three {
///     type Out = u32;
///     fn create_reader(&self, _: &OperatorContext) -> Result<Box<dyn SourceReader<u32>>> {
///         Ok(Box::new(Three))
///     }
/// }
/// impl SourceReader<u32> for Three {
///     fn poll(&mut self, out: &mut SourceOutput<'_, u32>) -> Result<SourcePoll> {
///         let split = out.add_split();
///         (1..=3).for_each(|n| out.collect(split, n, 100 * i64::from(n)));
///         Ok(SourcePoll::End)
///     }
///     fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
///         Ok(())
///     }
/// }
/// let mut harness = SourceHarness::open(&Three).unwrap();
/// harness.poll().unwrap();
/// assert_eq!(harness.take_text(), ["1 @100", "2 @200", "3 @300"]);
/// ```
pub struct SourceHarness<T: Data> {
    node: SourceNode<T>,
    clock: ManualClock,
    context: OperatorContext,
    events: Rc<RefCell<Vec<Event<T>>>>,
    ready: Rc<Cell<bool>>,
    wakeups: Arc<Wakeups>,
    ended: bool,
}

/// Sets a [`SourceHarness`] up.
pub struct SourceHarnessBuilder<'a, S: Source> {
    source: &'a S,
    strategy: WatermarkStrategy<S::Out>,
    context: OperatorContext,
    clock: ManualClock,
}

impl<S: Source> SourceHarnessBuilder<'_, S> {
    /// Event times and watermarks; no watermarks when not called.
    pub fn watermarks(mut self, strategy: WatermarkStrategy<S::Out>) -> Self {
        self.strategy = strategy;
        self
    }
    /// Subtask `index` of `parallelism`.
    pub fn subtask(mut self, index: usize, parallelism: usize) -> Self {
        let subtask = &mut self.context.subtask;
        (subtask.index, subtask.parallelism) = (index, parallelism);
        self.context.metrics = MetricGroup::detached(subtask);
        self
    }
    /// State of all former subtasks; this one takes its share.
    pub fn restored(mut self, former: Vec<StoredState>) -> Self {
        self.context.restored = Restored::from_stored(former);
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
    /// Makes the reader.
    ///
    /// # Errors
    /// Whatever `validate` and `create_reader` say.
    pub fn open(self) -> Result<SourceHarness<S::Out>> {
        self.source.validate()?;
        let wakeups = Arc::new(Wakeups::default());
        let mut context = self.context;
        let wake = Arc::clone(&wakeups);
        context.waker = Waker::new(move || wake.wake());
        let reader = self.source.create_reader(&context)?;
        let events = Rc::default();
        let ready = Rc::new(Cell::new(true));
        let capture = Capture { events: Rc::clone(&events), ready: Rc::clone(&ready) };
        let out = Output::new(vec![Box::new(capture) as Box<dyn Receiver<_>>]);
        let board = AlignmentBoard::default();
        let mut node = SourceNode::new(reader, self.strategy, out, context.clone(), board);
        node.open()?;
        let clock = self.clock;
        Ok(SourceHarness { node, clock, context, events, ready, wakeups, ended: false })
    }
}

impl<T: Data> SourceHarness<T> {
    /// A lone subtask with fresh state at processing time 0.
    ///
    /// # Errors
    /// Whatever `validate` and `create_reader` say.
    pub fn open<S: Source<Out = T>>(source: &S) -> Result<Self> {
        Self::builder(source).open()
    }
    /// For a subtask with settings.
    pub fn builder<S: Source<Out = T>>(source: &S) -> SourceHarnessBuilder<'_, S> {
        let clock = ManualClock::new(0);
        let mut context = OperatorContext::for_tests("source");
        context.clock = Arc::new(clock.clone());
        SourceHarnessBuilder {
            source,
            strategy: WatermarkStrategy::no_watermarks(),
            context,
            clock,
        }
    }
    /// Calls the reader once, as the task does when it has time and the downstream room.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn poll(&mut self) -> Result<SourcePoll> {
        let now = self.clock.now_ms();
        let polled = self.node.run(now)?;
        self.node.poll(now)?;
        self.ended |= polled == SourcePoll::End;
        Ok(polled)
    }
    /// Polls, waiting for the reader's wake-ups in between, until `done` holds for what
    /// came out since the last `take_*`, the source has ended, or `timeout` has passed.
    /// Whether `done` held.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn poll_until(
        &mut self,
        timeout: Duration,
        mut done: impl FnMut(&[Event<T>]) -> bool,
    ) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let polled = self.poll()?;
            if done(&self.events.borrow()) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.ended || left.is_zero() {
                return Ok(false);
            }
            match polled {
                SourcePoll::Wait(None) => {
                    self.wakeups.wait(left);
                }
                // Processing time is the test's: a reader with a deadline is asked often.
                SourcePoll::Wait(Some(_)) => {
                    self.wakeups.wait(left.min(Duration::from_millis(5)));
                }
                SourcePoll::More | SourcePoll::End => {}
            }
        }
    }
    /// Polls until `count` records are there to be taken. Whether they are.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn poll_records(&mut self, timeout: Duration, count: usize) -> Result<bool> {
        let mut seen = (0, 0);
        self.poll_until(timeout, |events| {
            let new = events.iter().skip(seen.0).filter(|e| matches!(e, Event::Record(..)));
            seen = (events.len(), seen.1 + new.count());
            seen.1 >= count
        })
    }
    /// Polls a bounded source to its end. Whether it ended within `timeout`.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn poll_to_end(&mut self, timeout: Duration) -> Result<bool> {
        self.poll_until(timeout, |_| false)?;
        Ok(self.ended)
    }
    /// Whether the reader has answered [`SourcePoll::End`].
    pub fn has_ended(&self) -> bool {
        self.ended
    }
    /// Processing time reaches `now_ms`.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn processing_time(&mut self, now_ms: i64) -> Result<()> {
        self.clock.set_ms(now_ms);
        self.node.poll(now_ms)
    }
    /// Takes a snapshot, as at a barrier that ends epoch `epoch`.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn snapshot(&mut self, epoch: u64) -> Result<StoredState> {
        let mut task = TaskSnapshot::default();
        self.node.barrier(Epoch(epoch), &mut task)?;
        task.into_iter().next().map_or_else(|| Ok(StoredState::default()), |(_, s)| s.into_stored())
    }
    /// The checkpoint of `epoch` is durable.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn complete_checkpoint(&mut self, epoch: u64) -> Result<()> {
        self.node.checkpoint_complete(Epoch(epoch))
    }
    /// Says whether the downstream has room (it has, at first).
    pub fn set_downstream_ready(&mut self, ready: bool) {
        self.ready.set(ready);
    }
    /// Closes the reader.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn close(mut self) -> Result<()> {
        self.node.close()
    }
    /// A counter of the source, such as `numRecordsInErrors`.
    pub fn counter(&self, name: &str) -> Counter {
        self.context.metrics.counter(name)
    }
    /// A gauge of the source, such as `pendingRecords`.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.context.metrics.gauge(name)
    }
    /// Everything that came out since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event<T>> {
        std::mem::take(&mut *self.events.borrow_mut())
    }
    /// The records that came out since the last call; watermarks are dropped.
    pub fn take_output(&mut self) -> Vec<(T, EventTime)> {
        records(self.take_events())
    }
    /// Everything since the last call as text, as
    /// [`OperatorHarness::take_text`](crate::OperatorHarness::take_text) has it.
    pub fn take_text(&mut self) -> Vec<String> {
        text(self.take_events())
    }
}
