//! The head of a source chain: event times and watermarks per split.
//!
//! Between a [`SourceReader`] and the first operator. [`WatermarkTracker`] does the
//! same for a stream that gets its watermarks later on; `alignment` says when to wait
//! for other sources.
//!
//! Invariants: a record leaves before any watermark that it caused; after a restore
//! the watermark starts where the slowest former subtask had it.

use crate::alignment::Aligned;
pub use crate::alignment::AlignmentBoard;
pub(crate) use crate::alignment::AlignmentUpdate;
use crate::chain::{Downstream, Output};
use crate::metrics::Counter;
use crate::operator::{Operator, OperatorContext, Progress};
use crate::snapshot::{OperatorSnapshot, TaskSnapshot};
use crate::source::{Pending, SourcePoll, SourceReader, SplitIndex};
use crate::watermark::{
    InvalidTimestamp, Merged, WatermarkGenerator, WatermarkMerge, WatermarkOutput,
    WatermarkStrategy,
};
use millstream_core::{Batch, Data, Epoch, Error, EventTime, NO_TIMESTAMP, Result, Watermark};
use std::sync::Arc;

const WATERMARK_STATE: &str = "source-watermark";

/// One split, as far as watermarks are concerned.
struct Split<T> {
    generator: Box<dyn WatermarkGenerator<T>>,
    output: WatermarkOutput,
    last_active_ms: i64,
    /// Whether the generator may have something new to say when asked periodically.
    dirty: bool,
    finished: bool,
}

/// Assigns event times and makes watermarks, for one or several splits.
pub(crate) struct WatermarkTracker<T> {
    strategy: WatermarkStrategy<T>,
    interval_ms: i64,
    splits: Vec<Split<T>>,
    merge: WatermarkMerge,
    next_periodic_ms: i64,
    /// When the reader was asked last: a split that could not be read is not idle.
    asked_ms: Option<i64>,
    skipped: Counter,
}

impl<T: Data> WatermarkTracker<T> {
    pub(crate) fn new(strategy: WatermarkStrategy<T>, context: &OperatorContext) -> Self {
        WatermarkTracker {
            strategy,
            interval_ms: context.auto_watermark_interval_ms,
            splits: Vec::new(),
            merge: WatermarkMerge::new(0),
            next_periodic_ms: 0,
            asked_ms: None,
            skipped: context.metrics.counter("numInvalidTimestampsSkipped"),
        }
    }

    /// Adds a split, which may come when all former ones are idle or have finished: it
    /// makes the stream active, and it alone says then how far event time is.
    pub(crate) fn add_split(&mut self, now_ms: i64, out: &mut Output<Batch<T>>) -> SplitIndex {
        let split = self.push_split(now_ms);
        announce(self.merge.idle(split, false), out);
        // The last one to finish did not end event time, but now it must not hold it up.
        for former in (0..split).filter(|s| self.splits[*s].finished) {
            announce(self.merge.watermark(former, Watermark::MAX), out);
        }
        split
    }
    fn push_split(&mut self, now_ms: i64) -> SplitIndex {
        self.splits.push(Split {
            generator: (self.strategy.generate)(),
            output: WatermarkOutput { watermark: Watermark::MIN },
            last_active_ms: now_ms,
            dirty: true,
            finished: false,
        });
        self.merge.add_member()
    }
    pub(crate) fn split_count(&self) -> usize {
        self.splits.len()
    }
    pub(crate) fn is_finished(&self, split: SplitIndex) -> bool {
        self.splits[split].finished
    }
    /// Whether the split may hold event time up.
    pub(crate) fn is_active(&self, split: SplitIndex) -> bool {
        !self.is_finished(split) && !self.merge.is_member_idle(split)
    }
    pub(crate) fn watermark_of(&self, split: SplitIndex) -> Watermark {
        self.merge.of_member(split)
    }
    /// Its time of idleness begins anew.
    pub(crate) fn keep_awake(&mut self, split: SplitIndex, now_ms: i64) {
        self.splits[split].last_active_ms = now_ms;
    }

    fn finish_split(&mut self, split: SplitIndex, out: &mut Output<Batch<T>>) {
        self.splits[split].finished = true;
        // The last records of a split count: they may be what the others wait for.
        self.ask(split, out);
        self.splits[split].generator = (self.strategy.generate)();
        if self.splits.iter().any(|s| !s.finished) {
            announce(self.merge.watermark(split, Watermark::MAX), out);
        }
    }

    /// Gives `batch` its event times, and emits it with the watermarks that it causes.
    pub(crate) fn emit(
        &mut self,
        split: SplitIndex,
        batch: Batch<T>,
        now_ms: i64,
        out: &mut Output<Batch<T>>,
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let (values, mut timestamps) = batch.into_parts();
        if let Some(assign) = &self.strategy.assign {
            assign(&values, &mut timestamps);
        }
        let batch = self.check(Batch::from_parts(values, timestamps))?;
        let s = &mut self.splits[split];
        s.last_active_ms = now_ms;
        s.dirty = true;
        if self.merge.is_member_idle(split) {
            announce(self.merge.idle(split, false), out);
        }
        let s = &mut self.splits[split];
        if self.interval_ms > 0 && s.generator.on_timestamps(batch.timestamps()) {
            out.emit(batch);
            return Ok(());
        }
        let mut rows = Batch::with_capacity(batch.len());
        for (value, timestamp) in batch {
            let s = &mut self.splits[split];
            let before = s.output.watermark;
            s.generator.on_event(&value, timestamp, &mut s.output);
            if self.interval_ms == 0 {
                s.generator.on_periodic(&mut s.output);
            }
            rows.push(value, timestamp);
            if s.output.watermark > before {
                out.emit(std::mem::take(&mut rows));
                announce(self.merge.watermark(split, s.output.watermark), out);
            }
        }
        out.emit(rows);
        Ok(())
    }

    /// Refuses or drops event times that mean something else.
    fn check(&mut self, batch: Batch<T>) -> Result<Batch<T>> {
        let assigned = self.strategy.assign.is_some();
        let bad = |t: EventTime| t == EventTime::MAX || (assigned && t == NO_TIMESTAMP);
        if !batch.timestamps().iter().any(|t| bad(*t)) {
            return Ok(batch);
        }
        let mut kept = Batch::with_capacity(batch.len());
        for (value, timestamp) in batch {
            if !bad(timestamp) {
                kept.push(value, timestamp);
            } else if self.strategy.invalid == InvalidTimestamp::Skip {
                self.skipped.add(1);
            } else {
                let what =
                    format!("event time {timestamp} of record {} is not a time", show(&value));
                return Err(Error::data(what).advice(
                    "return a time between i64::MIN and i64::MAX (both excluded), or set \
                     WatermarkStrategy::on_invalid_timestamp(InvalidTimestamp::Skip)",
                ));
            }
        }
        Ok(kept)
    }

    fn ask(&mut self, split: SplitIndex, out: &mut Output<Batch<T>>) {
        let s = &mut self.splits[split];
        s.generator.on_periodic(&mut s.output);
        // Generators that only look at event times have nothing new until the next record.
        s.dirty = !s.generator.on_timestamps(&[]);
        if s.output.watermark > self.merge.of_member(split) {
            announce(self.merge.watermark(split, s.output.watermark), out);
        }
    }

    /// Periodic emission and idleness.
    pub(crate) fn tick(&mut self, now_ms: i64, out: &mut Output<Batch<T>>) {
        if self.interval_ms > 0 && now_ms >= self.next_periodic_ms {
            self.next_periodic_ms = now_ms.saturating_add(self.interval_ms);
            for split in 0..self.splits.len() {
                let s = &self.splits[split];
                // An idle split says nothing until its next record, as in Flink.
                if s.dirty && !s.finished && !self.merge.is_member_idle(split) {
                    self.ask(split, out);
                }
            }
        }
        let Some(idleness) = self.strategy.idleness_ms else { return };
        let asked_ms = self.asked_ms.unwrap_or(now_ms);
        for split in 0..self.splits.len() {
            let s = &self.splits[split];
            let due = asked_ms.saturating_sub(s.last_active_ms) >= idleness;
            if due && !s.finished && !self.merge.is_member_idle(split) {
                self.ask(split, out);
                announce(self.merge.idle(split, true), out);
            }
        }
    }

    pub(crate) fn next_tick(&self) -> Option<i64> {
        let active = || self.splits.iter().enumerate().filter(|(_, s)| !s.finished);
        let speaks = |(i, s): (usize, &Split<T>)| s.dirty && !self.merge.is_member_idle(i);
        let periodic =
            (self.interval_ms > 0 && active().any(speaks)).then_some(self.next_periodic_ms);
        let idle = self.strategy.idleness_ms.and_then(|idleness| {
            active()
                .filter(|(i, _)| !self.merge.is_member_idle(*i))
                .map(|(_, s)| s.last_active_ms.saturating_add(idleness))
                .min()
        });
        periodic.into_iter().chain(idle).min()
    }
}

/// A record as text, cut to a length that fits in an error.
pub fn show<T: std::fmt::Debug>(value: &T) -> String {
    let mut text = format!("{value:?}");
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn announce<T: Data>(merged: Merged, out: &mut Output<Batch<T>>) {
    if merged.idle == Some(false) {
        out.emit_idle(false);
    }
    if let Some(watermark) = merged.watermark {
        out.emit_watermark(watermark);
    }
    if merged.idle == Some(true) {
        out.emit_idle(true);
    }
}

/// Where a [`SourceReader`] puts its records.
pub struct SourceOutput<'a, T: Data> {
    tracker: &'a mut WatermarkTracker<T>,
    out: &'a mut Output<Batch<T>>,
    pending: Pending<T>,
    now_ms: i64,
    failed: Option<Error>,
    rows: usize,
}

impl<'a, T: Data> SourceOutput<'a, T> {
    fn new(
        tracker: &'a mut WatermarkTracker<T>,
        out: &'a mut Output<Batch<T>>,
        now_ms: i64,
    ) -> Self {
        let pending = Pending { split: 0, batch: Batch::new() };
        SourceOutput { tracker, out, pending, now_ms, failed: None, rows: 0 }
    }
    /// Announces a split; it holds event time up until it has records, is idle, or is
    /// finished. A reader adds all splits that it knows before the first record.
    pub fn add_split(&mut self) -> SplitIndex {
        self.tracker.add_split(self.now_ms, self.out)
    }
    /// The split has no more records, for ever.
    pub fn finish_split(&mut self, split: SplitIndex) {
        self.hand_on();
        self.tracker.finish_split(split, self.out);
    }
    /// Emits one record of a split; `timestamp` may be [`NO_TIMESTAMP`].
    #[inline]
    pub fn collect(&mut self, split: SplitIndex, value: T, timestamp: EventTime) {
        if split != self.pending.split {
            self.hand_on();
            self.pending.split = split;
        }
        self.pending.push(value, timestamp);
    }
    /// Emits records of a split.
    pub fn collect_batch(&mut self, split: SplitIndex, batch: Batch<T>) {
        self.hand_on();
        self.rows += batch.len();
        if self.failed.is_none() {
            self.failed = self.tracker.emit(split, batch, self.now_ms, self.out).err();
        }
    }
    /// Processing time of this call.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }
    fn hand_on(&mut self) {
        if !self.pending.batch.is_empty() {
            let batch = std::mem::take(&mut self.pending.batch);
            self.collect_batch(self.pending.split, batch);
        }
    }
    fn finish(mut self) -> Result<usize> {
        self.hand_on();
        self.failed.map_or(Ok(self.rows), Err)
    }
}

/// The head of a chain that starts with a source.
pub trait SourceHead: Downstream {
    /// Reads and emits up to about a thousand records.
    ///
    /// # Errors
    /// Whatever the reader or an operator says.
    fn run(&mut self, now_ms: i64) -> Result<SourcePoll>;
}

/// A reader with its watermarks and its output. See [`SourceHead`].
pub struct SourceNode<T: Data> {
    reader: Box<dyn SourceReader<T>>,
    tracker: WatermarkTracker<T>,
    out: Output<Batch<T>>,
    context: OperatorContext,
    records_out: Counter,
    aligned: Option<Aligned>,
    /// Whether the reader has been asked for records.
    started: bool,
    reader_deadline: Option<i64>,
    label: std::rc::Rc<str>,
}

impl<T: Data> SourceNode<T> {
    /// Puts `reader` before `out`.
    pub fn new(
        reader: Box<dyn SourceReader<T>>,
        strategy: WatermarkStrategy<T>,
        mut out: Output<Batch<T>>,
        context: OperatorContext,
        board: AlignmentBoard,
    ) -> Self {
        let subtask = &context.subtask;
        let label: std::rc::Rc<str> = subtask.to_string().into();
        out.set_label(&label);
        let alignment = strategy.alignment().cloned();
        let aligned = alignment.map(|alignment| Aligned::join(alignment, board, subtask));
        SourceNode {
            tracker: WatermarkTracker::new(strategy, &context),
            records_out: context.metrics.counter("numRecordsOut"),
            label,
            reader,
            out,
            context,
            aligned,
            started: false,
            reader_deadline: None,
        }
    }
}

impl<T: Data> SourceHead for SourceNode<T> {
    fn run(&mut self, now_ms: i64) -> Result<SourcePoll> {
        if let Some(aligned) = &mut self.aligned {
            let before = aligned.paused().to_vec();
            if aligned.update(now_ms, self.started, &mut self.tracker) {
                self.reader_deadline = Some(aligned.next_update_ms());
                return Ok(SourcePoll::Wait(self.reader_deadline));
            }
            if aligned.paused() != before {
                self.reader.pause_splits(aligned.paused());
            }
        }
        self.started = true;
        let mut output = SourceOutput::new(&mut self.tracker, &mut self.out, now_ms);
        let former = crate::chain::enter(&self.label);
        let polled = self.reader.poll(&mut output);
        let polled = polled.and_then(|poll| output.finish().map(|rows| (poll, rows)));
        self.tracker.asked_ms = Some(now_ms);
        crate::chain::leave(former);
        let (poll, rows) = polled.map_err(|e| e.at(&*self.label))?;
        self.records_out.add(rows as u64);
        self.out.finish_call()?;
        if let (SourcePoll::End, Some(aligned)) = (poll, &self.aligned) {
            aligned.end();
        }
        self.reader_deadline = match poll {
            SourcePoll::Wait(at) => at,
            _ => None,
        };
        Ok(poll)
    }
}

impl<T: Data> Downstream for SourceNode<T> {
    fn open(&mut self) -> Result<()> {
        self.out.open()?;
        let floor = self.context.restored.list_union::<i64>(WATERMARK_STATE)?.into_iter().min();
        if let Some(floor) = floor {
            self.out.watermark(Watermark(floor))?;
        }
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.out.watermark(watermark)
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.out.idle(idle)
    }
    fn barrier(&mut self, epoch: Epoch, snapshot: &mut TaskSnapshot) -> Result<()> {
        self.out.finish_call()?;
        let mut state = snapshot.of_operator();
        let taken = self.reader.snapshot(epoch, &mut state);
        taken.map_err(|e| e.at(&*self.label))?;
        state.put_list(WATERMARK_STATE, &self.out.current_watermark().0)?;
        snapshot.push(self.context.subtask.uid.clone(), state);
        self.out.barrier(epoch, snapshot)
    }
    fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        let told = self.reader.on_checkpoint_complete(epoch);
        told.map_err(|e| e.at(&*self.label))?;
        self.out.checkpoint_complete(epoch)
    }
    fn end(&mut self) -> Result<()> {
        self.out.end()
    }
    fn ready(&self) -> bool {
        self.out.is_ready()
    }
    fn is_firing(&self) -> bool {
        self.out.is_firing()
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        self.out.poll(now_ms)?;
        if self.out.is_ready() {
            self.tracker.tick(now_ms, &mut self.out);
            self.out.finish_call()?;
        }
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        let own = self.tracker.next_tick().into_iter().chain(self.reader_deadline);
        own.chain(self.out.next_deadline()).min()
    }
    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
    fn close(&mut self) -> Result<()> {
        let own = self.reader.close().map_err(|e| e.at(&*self.label));
        own.and(self.out.close())
    }
}

/// Assigns event times and watermarks in the middle of a stream
/// (Flink's `assignTimestampsAndWatermarks`). Watermarks from upstream are replaced,
/// but for the final one.
pub struct AssignWatermarks<T: Data> {
    strategy: Option<WatermarkStrategy<T>>,
    state: Option<(WatermarkTracker<T>, Arc<dyn millstream_core::Clock>)>,
    /// Where event time was at the cut that the job starts from.
    floor: Option<Watermark>,
    /// Checkpointed: the last watermark that went out.
    current: Watermark,
}

impl<T: Data> AssignWatermarks<T> {
    /// With this strategy; its alignment is refused when the job is built.
    pub fn new(strategy: WatermarkStrategy<T>) -> Self {
        let (strategy, state) = (Some(strategy), None);
        AssignWatermarks { strategy, state, floor: None, current: Watermark::MIN }
    }
    /// After a restore event time goes on where the slowest former subtask had it.
    fn resume(&mut self, out: &mut Output<Batch<T>>) {
        if let Some(floor) = self.floor.take() {
            out.emit_watermark(floor);
            self.current = out.current_watermark();
        }
    }
}

impl<T: Data> Operator for AssignWatermarks<T> {
    type In = Batch<T>;
    type Out = Batch<T>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        if let Some(strategy) = self.strategy.take() {
            let mut tracker = WatermarkTracker::new(strategy, context);
            tracker.push_split(context.clock.now_ms());
            self.state = Some((tracker, Arc::clone(&context.clock)));
        }
        let former = context.restored.list_union::<i64>(WATERMARK_STATE)?.into_iter().min();
        // One that was stored at the end of bounded input says nothing about new input.
        self.floor = former.map(Watermark).filter(|w| *w < Watermark::MAX);
        self.current = self.floor.unwrap_or(Watermark::MIN);
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<T>>) -> Result<()> {
        self.resume(out);
        let Some((tracker, clock)) = &mut self.state else {
            return Err(Error::bug("a batch before open"));
        };
        tracker.emit(0, batch, clock.now_ms(), out)?;
        self.current = out.current_watermark();
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<T>>,
    ) -> Result<Progress> {
        self.resume(out);
        Ok(if watermark == Watermark::MAX { Progress::Done } else { Progress::Hold })
    }
    fn on_idle(&mut self, _idle: bool, _out: &mut Output<Batch<T>>) -> Result<bool> {
        // The strategy's own idleness decides, as in Flink.
        Ok(false)
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.state.as_ref().and_then(|(tracker, _)| tracker.next_tick())
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Batch<T>>) -> Result<()> {
        self.resume(out);
        if let Some((tracker, _)) = &mut self.state {
            tracker.tick(now_ms, out);
            self.current = out.current_watermark();
        }
        Ok(())
    }
    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list(WATERMARK_STATE, &self.current.0)
    }
}

#[cfg(test)]
#[path = "source_node_tests.rs"]
mod tests;
