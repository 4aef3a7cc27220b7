//! The operator of asynchronous I/O. See the module's drawing.
//!
//! Element ids number the inputs of this subtask in stream order; a [`Mark`] is a
//! watermark or a change of idleness that came before the element of its id.
//!
//! Invariants: `elements.len() <= capacity`; ids in `waiting` are above those in
//! `elements`; a mark leaves when no element before it is left, and before any after it.

use super::function::AsyncFunction;
use super::invocation::{Outcome, Report, shared_runtime, start};
use super::options::{AsyncOptions, OutputMode};
use crate::chain::Output;
use crate::metrics::{Counter, Gauge};
use crate::operator::{Operator, OperatorContext, Progress, Waker};
use crate::snapshot::OperatorSnapshot;
use crate::source_node::show;
use millstream_core::{Batch, Clock, Data, Epoch, Error, EventTime, Result, Watermark};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Operator state: inputs that have not been emitted, in order.
const ELEMENTS_STATE: &str = "async-wait-elements";

/// An input that has been started.
struct Element<T, U> {
    input: T,
    timestamp: EventTime,
    attempt: u32,
    deadline_ms: Option<i64>,
    stage: Stage<U>,
}

enum Stage<U> {
    Running(AbortHandle),
    RetryAt(i64),
    Done(Vec<U>),
}

/// What is between two elements of the stream.
struct Mark {
    before: u64,
    watermark: Option<Watermark>,
    idle: Option<bool>,
}

/// What `open` provides.
struct Running<U> {
    runtime: Handle,
    clock: Arc<dyn Clock>,
    waker: Waker,
    sender: Sender<Report<U>>,
    reports: Receiver<Report<U>>,
    in_flight: Gauge,
    retries: Counter,
    timeouts: Counter,
}

/// Calls an [`AsyncFunction`] for each record, up to `capacity` at a time.
///
/// Metrics: `numAsyncRetries`, `numAsyncTimeouts`, `asyncRequestsInFlight`.
///
/// ```
/// use millstream_runtime::async_io::{AsyncOptions, AsyncWaitOperator};
/// use millstream_testkit::OperatorHarness;
/// use std::time::Duration;
///
/// let lookup = |id: u32| async move { Ok(Some(format!("user-{id}"))) };
/// let options = AsyncOptions::ordered(Duration::from_secs(5));
/// let mut harness = OperatorHarness::new(AsyncWaitOperator::new(lookup, options));
/// harness.push(1, 10).unwrap();
/// harness.push(2, 20).unwrap();
/// harness.end().unwrap();
/// assert_eq!(harness.take_text(), ["\"user-1\" @10", "\"user-2\" @20", "watermark MAX"]);
/// ```
pub struct AsyncWaitOperator<T, U, F> {
    // Configuration.
    function: Arc<F>,
    options: AsyncOptions<U>,
    // Checkpointed: the inputs of both.
    waiting: VecDeque<(u64, T, EventTime)>,
    elements: BTreeMap<u64, Element<T, U>>,
    // Rebuilt on restore.
    running: Option<Running<U>>,
    marks: VecDeque<Mark>,
    next_id: u64,
    /// Elements that are done and not emitted.
    done: BTreeSet<u64>,
    /// Deadlines and retries of elements that are not done.
    timers: BTreeSet<(i64, u64)>,
    of: PhantomData<fn(T) -> U>,
}

impl<T: Data, U: Data, F: AsyncFunction<T, U>> AsyncWaitOperator<T, U, F> {
    /// With this function; wrong options are refused when the operator opens.
    pub fn new(function: F, options: AsyncOptions<U>) -> Self {
        AsyncWaitOperator {
            function: Arc::new(function),
            options,
            waiting: VecDeque::new(),
            elements: BTreeMap::new(),
            running: None,
            marks: VecDeque::new(),
            next_id: 0,
            done: BTreeSet::new(),
            timers: BTreeSet::new(),
            of: PhantomData,
        }
    }

    fn enqueue(&mut self, input: T, timestamp: EventTime) {
        self.waiting.push_back((self.next_id, input, timestamp));
        self.next_id += 1;
    }

    /// The smallest id that is still to be emitted, or the next one to come.
    fn first_outstanding(&self) -> u64 {
        let waiting = self.waiting.front().map(|(id, ..)| *id);
        let started = self.elements.keys().next().copied();
        started.or(waiting).unwrap_or(self.next_id)
    }

    fn is_drained(&self) -> bool {
        self.elements.is_empty() && self.waiting.is_empty() && self.marks.is_empty()
    }

    /// The mark behind everything that has come so far.
    fn last_mark(&mut self) -> Option<&mut Mark> {
        if self.marks.back().is_none_or(|mark| mark.before != self.next_id) {
            self.marks.push_back(Mark { before: self.next_id, watermark: None, idle: None });
        }
        self.marks.back_mut()
    }

    /// Starts what waits, as far as the capacity goes.
    fn start_waiting(&mut self, now_ms: i64) {
        let Some(running) = &self.running else { return };
        while self.elements.len() < self.options.capacity {
            let Some((id, input, timestamp)) = self.waiting.pop_front() else { break };
            let Running { runtime, sender, waker, .. } = running;
            let call = (id, 1);
            let task = start(runtime, &self.function, input.clone(), call, sender, waker);
            let deadline_ms = self.options.timeout.map(|timeout| {
                now_ms.saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX))
            });
            self.timers.extend(deadline_ms.map(|at| (at, id)));
            let stage = Stage::Running(task);
            let element = Element { input, timestamp, attempt: 1, deadline_ms, stage };
            self.elements.insert(id, element);
        }
        running.in_flight.set((self.elements.len() - self.done.len()) as i64);
    }

    /// Takes in what the I/O runtime has reported.
    fn take_reports(&mut self, now_ms: i64) -> Result<()> {
        while let Some(report) = self.running.as_ref().and_then(|r| r.reports.try_recv().ok()) {
            self.take_report(report, now_ms)?;
        }
        Ok(())
    }

    fn take_report(&mut self, report: Report<U>, now_ms: i64) -> Result<()> {
        let Some(element) = self.elements.get_mut(&report.id) else { return Ok(()) };
        if element.attempt != report.attempt || !matches!(element.stage, Stage::Running(_)) {
            // An attempt that was given up: its element timed out.
            return Ok(());
        }
        let place = |input: &T| format!("async function on record {}", show(input));
        let answer = match report.outcome {
            Outcome::Answer(answer) => answer,
            Outcome::Panicked(message) => {
                return Err(Error::user(format!("it panicked: {message}"))
                    .advice("return an error instead; errors can be retried")
                    .at(place(&element.input)));
            }
            Outcome::Dropped => {
                return Err(Error::restart("its runtime was shut down before it answered")
                    .advice("keep the Tokio runtime alive until the job has ended")
                    .at(place(&element.input)));
            }
        };
        if self.options.retry.wants_retry(element.attempt, &answer) {
            let at = now_ms.saturating_add(self.options.retry.delay_ms(element.attempt));
            element.stage = Stage::RetryAt(at);
            self.timers.insert((at, report.id));
            return Ok(());
        }
        let results = answer.map_err(|error| error.at(place(&element.input)))?;
        self.complete(report.id, results);
        Ok(())
    }

    fn complete(&mut self, id: u64, results: Vec<U>) {
        let Some(element) = self.elements.get_mut(&id) else { return };
        if let Some(deadline_ms) = element.deadline_ms {
            self.timers.remove(&(deadline_ms, id));
        }
        if let Stage::RetryAt(at) = element.stage {
            self.timers.remove(&(at, id));
        }
        element.stage = Stage::Done(results);
        self.done.insert(id);
    }

    /// Times out and retries what is due.
    fn fire_timers(&mut self, now_ms: i64) -> Result<()> {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.timers.remove(&(at, id));
            let Some(element) = self.elements.get_mut(&id) else { continue };
            if element.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                if let Stage::Running(task) = &element.stage {
                    task.abort();
                }
                let results = self.function.timeout(&element.input).map_err(|error| {
                    error.at(format!("async function on record {}", show(&element.input)))
                })?;
                if let Some(running) = &self.running {
                    running.timeouts.add(1);
                }
                self.complete(id, results);
            } else if let (Stage::RetryAt(_), Some(running)) = (&element.stage, &self.running) {
                let Running { runtime, sender, waker, retries, .. } = running;
                retries.add(1);
                element.attempt += 1;
                let (input, call) = (element.input.clone(), (id, element.attempt));
                let task = start(runtime, &self.function, input, call, sender, waker);
                element.stage = Stage::Running(task);
            }
        }
        Ok(())
    }

    /// Emits results and marks, as far as the order allows.
    fn emit(&mut self, out: &mut Output<Batch<U>>) {
        loop {
            while self.marks.front().is_some_and(|m| m.before <= self.first_outstanding()) {
                if let Some(mark) = self.marks.pop_front() {
                    emit_mark(&mark, out);
                }
            }
            let bound = self.marks.front().map_or(u64::MAX, |mark| mark.before);
            let Some(id) = self.done.first().copied().filter(|id| *id < bound) else { break };
            if self.options.mode == OutputMode::Ordered && id != self.first_outstanding() {
                break;
            }
            self.done.remove(&id);
            if let Some(Element { timestamp, stage: Stage::Done(results), .. }) =
                self.elements.remove(&id)
            {
                results.into_iter().for_each(|result| out.collect(result, timestamp));
            }
        }
    }

    fn advance(&mut self, now_ms: i64, out: &mut Output<Batch<U>>) -> Result<()> {
        self.take_reports(now_ms)?;
        self.fire_timers(now_ms)?;
        self.emit(out);
        self.start_waiting(now_ms);
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        self.running.as_ref().map_or(0, |running| running.clock.now_ms())
    }
}

fn emit_mark<U: Data>(mark: &Mark, out: &mut Output<Batch<U>>) {
    if mark.idle == Some(false) {
        out.emit_idle(false);
    }
    if let Some(watermark) = mark.watermark {
        out.emit_watermark(watermark);
    }
    if mark.idle == Some(true) {
        out.emit_idle(true);
    }
}

impl<T: Data, U: Data, F: AsyncFunction<T, U>> Operator for AsyncWaitOperator<T, U, F> {
    type In = Batch<T>;
    type Out = Batch<U>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.options.validate()?;
        let (sender, reports) = channel();
        self.running = Some(Running {
            runtime: match &self.options.runtime {
                Some(handle) => handle.clone(),
                None => shared_runtime()?,
            },
            clock: Arc::clone(&context.clock),
            waker: context.waker.clone(),
            sender,
            reports,
            in_flight: context.metrics.gauge("asyncRequestsInFlight"),
            retries: context.metrics.counter("numAsyncRetries"),
            timeouts: context.metrics.counter("numAsyncTimeouts"),
        });
        let stored: Vec<(T, EventTime)> =
            context.restored.list(ELEMENTS_STATE, &context.subtask)?;
        for (input, timestamp) in stored {
            self.enqueue(input, timestamp);
        }
        self.start_waiting(context.clock.now_ms());
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<U>>) -> Result<()> {
        for (input, timestamp) in batch {
            self.enqueue(input, timestamp);
        }
        self.advance(self.now_ms(), out)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<U>>,
    ) -> Result<Progress> {
        self.advance(self.now_ms(), out)?;
        if self.is_drained() {
            return Ok(Progress::Done);
        }
        if watermark == Watermark::MAX {
            // The end of the input waits for all answers.
            return Ok(Progress::More);
        }
        if let Some(mark) = self.last_mark() {
            mark.watermark = mark.watermark.max(Some(watermark));
        }
        Ok(Progress::Hold)
    }
    fn on_idle(&mut self, idle: bool, _out: &mut Output<Batch<U>>) -> Result<bool> {
        if self.is_drained() {
            return Ok(true);
        }
        if let Some(mark) = self.last_mark() {
            mark.idle = Some(idle);
        }
        Ok(false)
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.timers.first().map(|(at, _)| *at)
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Batch<U>>) -> Result<()> {
        self.advance(now_ms, out)
    }
    fn is_ready(&self) -> bool {
        self.waiting.is_empty() && self.elements.len() < self.options.capacity
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        for element in self.elements.values() {
            snapshot.put_list(ELEMENTS_STATE, &(&element.input, element.timestamp))?;
        }
        for (_, input, timestamp) in &self.waiting {
            snapshot.put_list(ELEMENTS_STATE, &(input, *timestamp))?;
        }
        Ok(())
    }
    fn on_end(&mut self, _out: &mut Output<Batch<U>>) -> Result<()> {
        if self.is_drained() {
            return Ok(());
        }
        let left = self.elements.len() + self.waiting.len();
        Err(Error::bug(format!("the input ended while {left} asynchronous requests were open")))
    }
    fn close(&mut self) -> Result<()> {
        for element in self.elements.values() {
            if let Stage::Running(task) = &element.stage {
                task.abort();
            }
        }
        self.running = None;
        Ok(())
    }
}
