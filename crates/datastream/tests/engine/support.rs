//! What the tests of this folder share: sources with a script, sinks that collect, a
//! probe of watermarks, and a limit on how long a job may take.
//!
//! Invariant: no test waits for a job without a limit; a job that hangs is a failure.

use millstream_core::{Batch, Data, Epoch, EventTime, Result, Watermark};
use millstream_datastream::{DataStream, StreamExecutionEnvironment};
use millstream_runtime::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Runs `test` on a thread of its own and gives it a minute.
pub(crate) fn within_a_minute<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (answer, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = answer.send(test());
    });
    match wait.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the job hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the test ended without an answer"),
        },
    }
}

/// Waits until `done` holds; for what other threads do.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(50), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Opened once, from anywhere.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A shared number.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::SeqCst) + n
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    /// Takes one away, if there is one.
    pub(crate) fn take_one(&self) -> bool {
        let less = |n: u64| n.checked_sub(1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

/// Records of one split, and where in it to stop until a gate opens.
#[derive(Clone)]
pub(crate) struct Split<T> {
    pub(crate) records: Vec<(T, EventTime)>,
    pub(crate) stop: Option<(usize, Gate)>,
}

/// A source that reads out a script; with positions, so that it can restart anywhere.
#[derive(Clone)]
pub(crate) struct Script<T> {
    splits: Vec<Split<T>>,
    /// Records of one split in one poll.
    pub(crate) rows_per_poll: usize,
    /// Whether the reader says when a split is at its end.
    pub(crate) finish_splits: bool,
    /// Counts what was emitted.
    pub(crate) emitted: Count,
}

impl<T: Data> Script<T> {
    pub(crate) fn new(splits: Vec<Vec<(T, EventTime)>>) -> Self {
        let split = |records| Split { records, stop: None };
        Script {
            splits: splits.into_iter().map(split).collect(),
            rows_per_poll: 7,
            finish_splits: false,
            emitted: Count::default(),
        }
    }
    /// Stops `split` in front of record `at` until the gate opens.
    pub(crate) fn stop(mut self, split: usize, at: usize, gate: &Gate) -> Self {
        self.splits[split].stop = Some((at, gate.clone()));
        self
    }
    /// Stops every split in front of record `at`.
    pub(crate) fn stop_all(mut self, at: usize, gate: &Gate) -> Self {
        self.splits.iter_mut().for_each(|s| s.stop = Some((at, gate.clone())));
        self
    }
}

struct ScriptReader<T> {
    source: Script<T>,
    /// Split, position, index at the output, whether its end was announced.
    splits: Vec<(usize, usize, Option<usize>, bool)>,
    first: bool,
}

impl<T: Data + Sync> Source for Script<T> {
    type Out = T;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        let subtask = &context.subtask;
        let restored = context.restored.list_union::<(u64, u64)>("positions")?;
        let restored: BTreeMap<u64, u64> = restored.into_iter().collect();
        let mine = (0..self.splits.len()).filter(|s| s % subtask.parallelism == subtask.index);
        let at = |s: usize| restored.get(&(s as u64)).map_or(0, |at| *at as usize);
        let splits = mine.map(|s| (s, at(s), None, false)).collect();
        Ok(Box::new(ScriptReader { source: self.clone(), splits, first: true }))
    }
}

impl<T: Data> SourceReader<T> for ScriptReader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        if std::mem::replace(&mut self.first, false) {
            self.splits.iter_mut().for_each(|s| s.2 = Some(out.add_split()));
        }
        let (mut done, mut moved) = (true, false);
        for (split, at, index, ended) in &mut self.splits {
            let Split { records, stop } = &self.source.splits[*split];
            let stop = stop.as_ref().filter(|(_, gate)| !gate.is_open()).map(|(at, _)| *at);
            let to = (*at + self.source.rows_per_poll).min(stop.unwrap_or(usize::MAX).max(*at));
            let to = to.min(records.len());
            let Some(index) = *index else { continue };
            for (value, timestamp) in &records[*at..to] {
                out.collect(index, value.clone(), *timestamp);
            }
            self.source.emitted.add((to - *at) as u64);
            moved |= to > *at;
            *at = to;
            done &= to == records.len();
            if to == records.len() && self.source.finish_splits && !*ended {
                *ended = true;
                out.finish_split(index);
            }
        }
        Ok(match (done, moved) {
            (true, _) => SourcePoll::End,
            (false, true) => SourcePoll::More,
            (false, false) => SourcePoll::Wait(Some(out.now_ms() + 1)),
        })
    }
    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        let mut positions = self.splits.iter().map(|(split, at, ..)| (*split as u64, *at as u64));
        positions.try_for_each(|position| into.put_list("positions", &position))
    }
    fn pause_splits(&mut self, _: &[bool]) {}
}

/// A sink that keeps everything.
pub(crate) struct Collect<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Collect<T> {
    fn clone(&self) -> Self {
        Collect(Arc::clone(&self.0))
    }
}
impl<T> Default for Collect<T> {
    fn default() -> Self {
        Collect(Arc::default())
    }
}
impl<T: Data> Collect<T> {
    /// Everything so far, in order of arrival.
    pub(crate) fn values(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
impl<T: Data + Ord> Collect<T> {
    /// Everything so far, sorted.
    pub(crate) fn sorted(&self) -> Vec<T> {
        let mut values = self.values();
        values.sort();
        values
    }
}
impl<T: Data> Sink<T> for Collect<T> {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        Ok(Box::new(self.clone()))
    }
}
impl<T: Data> SinkWriter<T> for Collect<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        self.0.lock().unwrap().extend(batch.into_parts().0);
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Watermarks as an operator sees them, by subtask.
pub(crate) type Watermarks = Arc<Mutex<BTreeMap<usize, Vec<Watermark>>>>;

/// Passes records on and keeps the watermarks between them; refuses a record that comes
/// behind a watermark that covers it, when `strict`.
struct Probe<T> {
    seen: Watermarks,
    subtask: usize,
    strict: bool,
    last: Watermark,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Data> Operator for Probe<T> {
    type In = Batch<T>;
    type Out = Batch<T>;
    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.subtask = context.subtask.index;
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<T>>) -> Result<()> {
        for (value, timestamp) in batch.iter().filter(|_| self.strict) {
            assert!(
                timestamp > self.last.0,
                "{value:?} at {timestamp} is behind watermark {}",
                self.last.0
            );
        }
        out.emit(batch);
        Ok(())
    }
    fn on_watermark(&mut self, w: Watermark, _: &mut Output<Batch<T>>) -> Result<Progress> {
        self.last = w;
        self.seen.lock().unwrap().entry(self.subtask).or_default().push(w);
        Ok(Progress::Done)
    }
}

/// Puts a probe behind `stream`.
pub(crate) fn probe<T: Data>(
    stream: &DataStream<T>,
    strict: bool,
    seen: &Watermarks,
) -> DataStream<T> {
    let seen = Arc::clone(seen);
    stream.transform("probe", move |_| {
        Ok(Probe {
            seen: Arc::clone(&seen),
            subtask: 0,
            strict,
            last: Watermark::MIN,
            of: std::marker::PhantomData,
        })
    })
}

/// Watermarks grow, and the last one is the end of time, on all of `subtasks`.
pub(crate) fn check_watermarks(seen: &Watermarks, subtasks: usize) {
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), subtasks, "a subtask without watermarks");
    for (subtask, watermarks) in seen.iter() {
        assert!(watermarks.is_sorted(), "subtask {subtask}: {watermarks:?}");
        assert_eq!(watermarks.last(), Some(&Watermark::MAX), "subtask {subtask}");
    }
}

/// An environment whose results do not depend on the clock.
pub(crate) fn environment() -> StreamExecutionEnvironment {
    let env = StreamExecutionEnvironment::new();
    env.set_auto_watermark_interval(Duration::ZERO);
    env
}

/// Tasks of an explained plan: one line each.
pub(crate) fn tasks(plan: &str) -> Vec<&str> {
    plan.lines().filter(|line| line.starts_with("task")).collect()
}

/// Takes nothing until the gate opens; then one batch at a time, with rests in between that
/// are longer on some subtasks. Counts what it passes on.
pub(crate) struct Slow<T> {
    gate: Gate,
    passed: Count,
    rests: u64,
    left: u64,
    of: std::marker::PhantomData<fn() -> T>,
}
impl<T: Data> Operator for Slow<T> {
    type In = Batch<T>;
    type Out = Batch<T>;
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<T>>) -> Result<()> {
        self.passed.add(batch.len() as u64);
        self.left = self.rests;
        out.emit(batch);
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.left == 0 && self.gate.is_open()
    }
    fn next_processing_time(&self) -> Option<i64> {
        // Looks again soon, in place of a wake-up by whoever opens the gate.
        (!self.is_ready()).then_some(0)
    }
    fn on_processing_time(&mut self, _: i64, _: &mut Output<Batch<T>>) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}

/// Puts a [`Slow`] behind `stream`.
pub(crate) fn slow<T: Data>(stream: &DataStream<T>, gate: &Gate, passed: &Count) -> DataStream<T> {
    let (gate, passed) = (gate.clone(), passed.clone());
    stream.transform("slow", move |context| {
        let (gate, passed) = (gate.clone(), passed.clone());
        let rests = context.subtask.index as u64 % 3;
        Ok(Slow { gate, passed, rests, left: 0, of: std::marker::PhantomData })
    })
}
