//! Rows of two streams of one key whose event times are near each other.
//!
//! ```text
//!   first  ────────────────●──────────────────   a pair: second.time is in
//!                    lower │ upper               first.time + lower ..= first.time + upper
//!   second ──────────●─────┴──────●───────────
//! ```
//!
//! Every row is kept until no row that is not late could be its partner, and joined with
//! those of the other side that are there when it comes.
//!
//! Invariants: a row before the watermark (strictly) is late and joins nothing; a kept row
//! goes when the watermark reaches `time + the farthest partner's distance`, or its own
//! time when that lies behind it; a pair has the later of its two times.
//! Source: Flink's page "Joining", section "Interval Join".

use super::JoinOperatorFactory;
use crate::chain::{Output, OutputTag};
use crate::operator::{Operator, OperatorContext, Progress, SubtaskInfo};
use crate::snapshot::{OperatorSnapshot, StateKind};
use crate::state::{KeyedStates, MapRef, TimerState};
use crate::window::{LateRecords, StoredHeader, WindowOperatorFactory};
use millstream_core::{
    Batch, Data, Either, Epoch, Error, EventTime, Key, NO_TIMESTAMP, Result, Watermark,
};
use std::marker::PhantomData;

const LEFT: &str = "left-buffer";
const RIGHT: &str = "right-buffer";
const CLEANUPS: &str = "join-cleanups";
const LAYOUT: &str = "interval join";

/// What the function of an interval join may know and do.
pub struct IntervalJoinContext<'a, Out> {
    out: &'a mut Output<Batch<Out>>,
    left_timestamp: EventTime,
    right_timestamp: EventTime,
}

impl<Out: Data> IntervalJoinContext<'_, Out> {
    /// The event time of the left row.
    pub fn left_timestamp(&self) -> EventTime {
        self.left_timestamp
    }
    /// The event time of the right row.
    pub fn right_timestamp(&self) -> EventTime {
        self.right_timestamp
    }
    /// The event time of the pair: the later one.
    pub fn timestamp(&self) -> EventTime {
        self.left_timestamp.max(self.right_timestamp)
    }
    /// Emits a result.
    pub fn collect(&mut self, value: Out) {
        let timestamp = self.timestamp();
        self.out.collect(value, timestamp);
    }
    /// Emits a record to a side output.
    pub fn output<T: Data>(&mut self, tag: &OutputTag<T>, value: T) {
        let timestamp = self.timestamp();
        self.out.collect_side(tag, value, timestamp);
    }
}

/// Builds an interval join.
///
/// ```
/// use millstream_core::{Batch, Either};
/// use millstream_runtime::join::IntervalJoinBuilder;
/// use millstream_testkit::OperatorHarness;
/// // A click at most 10 s after the view.
/// let factory = IntervalJoinBuilder::new(|view: &u32| *view, |click: &u32| *click, 0, 10_000)
///     .process(|view, _click, ctx| { let view = *view; ctx.collect(view); Ok(()) })
///     .unwrap();
/// let mut harness = OperatorHarness::new(factory.create());
/// harness.input(Either::Left(Batch::from_parts(vec![7], vec![1_000]))).unwrap();
/// harness.input(Either::Right(Batch::from_parts(vec![7, 7], vec![900, 4_000]))).unwrap();
/// assert_eq!(harness.take_text(), ["7 @4000"]);
/// ```
pub struct IntervalJoinBuilder<A, B, K, SA, SB> {
    parts: Parts<A, B, SA, SB>,
    lower_exclusive: bool,
    upper_exclusive: bool,
    of: PhantomData<fn() -> K>,
}

struct Parts<A, B, SA, SB> {
    left_key: SA,
    right_key: SB,
    lower_ms: i64,
    upper_ms: i64,
    left_late: Option<OutputTag<A>>,
    right_late: Option<OutputTag<B>>,
}

impl<A, B, SA: Clone, SB: Clone> Clone for Parts<A, B, SA, SB> {
    fn clone(&self) -> Self {
        Parts {
            left_key: self.left_key.clone(),
            right_key: self.right_key.clone(),
            left_late: self.left_late,
            right_late: self.right_late,
            ..*self
        }
    }
}

impl<A, B, K, SA, SB> IntervalJoinBuilder<A, B, K, SA, SB>
where
    A: Data,
    B: Data,
    K: Key,
    SA: Fn(&A) -> K + Clone + Send + 'static,
    SB: Fn(&B) -> K + Clone + Send + 'static,
{
    /// Joins left rows with right rows of the same key that are between `lower_ms` and
    /// `upper_ms` (which may be negative) after them, both inclusive.
    pub fn new(left_key: SA, right_key: SB, lower_ms: i64, upper_ms: i64) -> Self {
        IntervalJoinBuilder {
            parts: Parts {
                left_key,
                right_key,
                lower_ms,
                upper_ms,
                left_late: None,
                right_late: None,
            },
            lower_exclusive: false,
            upper_exclusive: false,
            of: PhantomData,
        }
    }
    /// A right row exactly at the lower bound is not joined.
    pub fn lower_bound_exclusive(mut self) -> Self {
        self.lower_exclusive = true;
        self
    }
    /// A right row exactly at the upper bound is not joined.
    pub fn upper_bound_exclusive(mut self) -> Self {
        self.upper_exclusive = true;
        self
    }
    /// Sends late rows of the left side to a side output. Without one, or without a
    /// consumer of it, they are counted in `numLateRecordsDropped`.
    pub fn left_late_tag(mut self, tag: OutputTag<A>) -> Self {
        self.parts.left_late = Some(tag);
        self
    }
    /// The same for the right side.
    pub fn right_late_tag(mut self, tag: OutputTag<B>) -> Self {
        self.parts.right_late = Some(tag);
        self
    }
    /// Gives every pair to a function.
    ///
    /// # Errors
    /// `Config` when the lower bound is above the upper one.
    pub fn process<F, Out>(self, f: F) -> Result<JoinOperatorFactory<A, B, Out>>
    where
        F: FnMut(&A, &B, &mut IntervalJoinContext<'_, Out>) -> Result<()> + Clone + Send + 'static,
        Out: Data,
    {
        let mut parts = self.parts;
        if parts.lower_ms > parts.upper_ms {
            return Err(Error::config(format!(
                "an interval join has a lower bound of {} ms and an upper bound of {} ms",
                parts.lower_ms, parts.upper_ms
            ))
            .advice("swap the bounds: lower must not be above upper"));
        }
        parts.lower_ms = parts.lower_ms.saturating_add(i64::from(self.lower_exclusive));
        parts.upper_ms = parts.upper_ms.saturating_sub(i64::from(self.upper_exclusive));
        Ok(WindowOperatorFactory::new((parts, f), |(parts, f)| {
            Box::new(IntervalJoinOperator::new(parts, f))
        }))
    }
}

/// The rows of one side that may still find partners, by key and event time.
type Buffer<K, T> = MapRef<K, EventTime, Vec<T>>;

/// The state of an open interval join, in the job's backend.
struct Buffers<K: Key, A: Data, B: Data> {
    states: KeyedStates<K>,
    left: Buffer<K, A>,
    right: Buffer<K, B>,
    subtask: SubtaskInfo,
}

fn opened<K: Key, A: Data, B: Data>(
    buffers: &Option<Buffers<K, A, B>>,
) -> Result<&Buffers<K, A, B>> {
    buffers.as_ref().ok_or_else(|| Error::bug("an operator was used before open"))
}

/// Adds a row to those of its time; answers whether it is the first.
fn push<K: Key, T: Data>(to: &Buffer<K, T>, key: &K, time: EventTime, row: T) -> Result<bool> {
    to.modify(key, &time, |rows| {
        let rows = rows.get_or_insert_default();
        rows.push(row);
        rows.len() == 1
    })
}

struct IntervalJoinOperator<A: Data, B: Data, K: Key, SA, SB, F, Out> {
    left_key: SA,
    right_key: SB,
    lower_ms: i64,
    upper_ms: i64,
    f: F,
    left_late: LateRecords<A>,
    right_late: LateRecords<B>,
    /// Checkpointed, with the watermark and the cleanups.
    buffers: Option<Buffers<K, A, B>>,
    watermark: EventTime,
    /// When rows go: (is left, event time).
    cleanups: TimerState<K, (bool, EventTime)>,
    of: PhantomData<fn() -> Out>,
}

impl<A, B, K, SA, SB, F, Out> IntervalJoinOperator<A, B, K, SA, SB, F, Out>
where
    A: Data,
    B: Data,
    K: Key,
    SA: Fn(&A) -> K + 'static,
    SB: Fn(&B) -> K + 'static,
    F: FnMut(&A, &B, &mut IntervalJoinContext<'_, Out>) -> Result<()> + 'static,
    Out: Data,
{
    fn new(parts: Parts<A, B, SA, SB>, f: F) -> Self {
        IntervalJoinOperator {
            left_key: parts.left_key,
            right_key: parts.right_key,
            lower_ms: parts.lower_ms,
            upper_ms: parts.upper_ms,
            f,
            left_late: LateRecords::new(parts.left_late),
            right_late: LateRecords::new(parts.right_late),
            buffers: None,
            watermark: i64::MIN,
            cleanups: TimerState::default(),
            of: PhantomData,
        }
    }

    /// When a row of one side goes.
    fn cleanup_time(&self, left: bool, time: EventTime) -> EventTime {
        let farthest = if left { self.upper_ms } else { self.lower_ms.saturating_neg() };
        time.saturating_add(farthest.max(0))
    }

    fn on_left(&mut self, row: A, time: EventTime, out: &mut Output<Batch<Out>>) -> Result<()> {
        check_time(time)?;
        if time < self.watermark {
            self.left_late.take(row, time, out);
            return Ok(());
        }
        let cleanup = self.cleanup_time(true, time);
        let (buffers, f) = (opened(&self.buffers)?, &mut self.f);
        let key = (self.left_key)(&row);
        let from = time.saturating_add(self.lower_ms);
        let to = time.saturating_add(self.upper_ms);
        buffers.right.range(&key, from, to, &mut |right_timestamp, partners| {
            partners.iter().try_for_each(|partner| {
                let right_timestamp = *right_timestamp;
                let mut ctx = IntervalJoinContext { out, left_timestamp: time, right_timestamp };
                f(&row, partner, &mut ctx)
            })
        })?;
        if push(&buffers.left, &key, time, row)? {
            self.cleanups.register(cleanup, key, (true, time));
        }
        Ok(())
    }

    fn on_right(&mut self, row: B, time: EventTime, out: &mut Output<Batch<Out>>) -> Result<()> {
        check_time(time)?;
        if time < self.watermark {
            self.right_late.take(row, time, out);
            return Ok(());
        }
        let cleanup = self.cleanup_time(false, time);
        let (buffers, f) = (opened(&self.buffers)?, &mut self.f);
        let key = (self.right_key)(&row);
        let from = time.saturating_sub(self.upper_ms);
        let to = time.saturating_sub(self.lower_ms);
        buffers.left.range(&key, from, to, &mut |left_timestamp, partners| {
            partners.iter().try_for_each(|partner| {
                let left_timestamp = *left_timestamp;
                let mut ctx = IntervalJoinContext { out, left_timestamp, right_timestamp: time };
                f(partner, &row, &mut ctx)
            })
        })?;
        if push(&buffers.right, &key, time, row)? {
            self.cleanups.register(cleanup, key, (false, time));
        }
        Ok(())
    }
}

fn check_time(time: EventTime) -> Result<()> {
    if time == NO_TIMESTAMP {
        return Err(Error::data("a record without event time reached an interval join")
            .advice("give both sources a WatermarkStrategy with a timestamp assigner"));
    }
    Ok(())
}

impl<A, B, K, SA, SB, F, Out> Operator for IntervalJoinOperator<A, B, K, SA, SB, F, Out>
where
    A: Data,
    B: Data,
    K: Key,
    SA: Fn(&A) -> K + 'static,
    SB: Fn(&B) -> K + 'static,
    F: FnMut(&A, &B, &mut IntervalJoinContext<'_, Out>) -> Result<()> + 'static,
    Out: Data,
{
    type In = Either<Batch<A>, Batch<B>>;
    type Out = Batch<Out>;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        self.left_late.open(ctx);
        self.right_late.open(ctx);
        self.watermark = StoredHeader::restore(LAYOUT, &ctx.restored)?;
        let mut states = ctx.keyed_states()?;
        let left = states.map_table(LEFT, StateKind::Map)?;
        let right = states.map_table(RIGHT, StateKind::Map)?;
        let subtask = ctx.subtask.clone();
        self.cleanups = states.timers(CLEANUPS)?;
        self.buffers = Some(Buffers { states, left, right, subtask });
        Ok(())
    }

    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Batch<Out>>) -> Result<()> {
        match batch {
            Either::Left(batch) => {
                batch.into_iter().try_for_each(|(row, time)| self.on_left(row, time, out))
            }
            Either::Right(batch) => {
                batch.into_iter().try_for_each(|(row, time)| self.on_right(row, time, out))
            }
        }
    }

    fn on_watermark(
        &mut self,
        watermark: Watermark,
        _: &mut Output<Batch<Out>>,
    ) -> Result<Progress> {
        if watermark.0 < self.watermark {
            // Only after a restore: event time was further before, and does not go back.
            return Ok(Progress::Hold);
        }
        self.watermark = watermark.0;
        while let Some((_, key, (is_left, time))) = self.cleanups.pop_due(watermark.0)? {
            let buffers = opened(&self.buffers)?;
            if is_left {
                buffers.left.modify(&key, &time, |rows| *rows = None)?;
            } else {
                buffers.right.modify(&key, &time, |rows| *rows = None)?;
            }
        }
        Ok(Progress::Done)
    }

    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        StoredHeader::store(LAYOUT.to_owned(), self.watermark, into)?;
        let buffers = opened(&self.buffers)?;
        self.cleanups.snapshot(CLEANUPS, &buffers.subtask, into);
        buffers.states.snapshot(into)
    }
}
