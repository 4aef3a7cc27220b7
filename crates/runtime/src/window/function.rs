//! What a window does with its contents: the functions that users write.
//!
//! Behind the trigger (and the evictor). An aggregate keeps one accumulator per key and
//! window and adds each record as it comes; a process function is given all elements of
//! the window when it fires; both together give the process function the one result.
//!
//! Invariant: every result has the window's `max_timestamp` as its event time, so it is
//! not late for a window of the same grid behind.
//! Source: Flink's page "Windows", section "Window Functions".

use super::TimeWindow;
use super::state_cells::StateCells;
use crate::chain::{Output, OutputTag};
use millstream_core::{Batch, Clock, Data, Error, EventTime, Result, Watermark};

/// Combines records to a result, one by one.
///
/// Sliding windows aggregate each record once, in a pane, and merge the accumulators of
/// panes in order of time; session windows merge when they meet. The result should
/// therefore not depend on the order in which records come (otherwise see
/// [`in_arrival_order`](super::WindowOperatorBuilder::in_arrival_order)).
///
/// ```
/// use millstream_runtime::window::AggregateFunction;
/// #[derive(Clone)]
/// struct Average;
/// impl AggregateFunction for Average {
///     type In = f64;
///     type Acc = (f64, u64);
///     type Out = f64;
///     fn create_accumulator(&self) -> (f64, u64) { (0.0, 0) }
///     fn add(&self, acc: &mut (f64, u64), value: f64) { acc.0 += value; acc.1 += 1; }
///     fn merge(&self, acc: &mut (f64, u64), other: &(f64, u64)) { acc.0 += other.0; acc.1 += other.1; }
///     fn get_result(&self, acc: &(f64, u64)) -> f64 { acc.0 / acc.1 as f64 }
/// }
/// ```
pub trait AggregateFunction: Clone + Send + 'static {
    /// The records.
    type In;
    /// What is kept per key and window (or pane).
    type Acc: Data;
    /// The result.
    type Out: Data;
    /// An accumulator of no record.
    fn create_accumulator(&self) -> Self::Acc;
    /// Adds a record.
    fn add(&self, acc: &mut Self::Acc, value: Self::In);
    /// Adds all records that `other` has seen.
    fn merge(&self, acc: &mut Self::Acc, other: &Self::Acc);
    /// The result of the records so far. A window may give its result several times.
    fn get_result(&self, acc: &Self::Acc) -> Self::Out;
    /// The result, when the accumulator is not needed any more.
    fn take_result(&self, acc: Self::Acc) -> Self::Out {
        self.get_result(&acc)
    }
}

/// Is given the elements of a window that fires, or the one result of its aggregate.
///
/// Closures implement it; name the types of their arguments:
///
/// ```
/// use millstream_core::Result;
/// use millstream_runtime::window::{ProcessWindowFunction, WindowContext};
/// fn assert_is<P: ProcessWindowFunction<String, i64, String>>(_: P) {}
/// assert_is(|key: &String, elements: &[i64], ctx: &mut WindowContext<'_, String>| -> Result<()> {
///     let line = format!("{key} {} {}", ctx.window(), elements.len());
///     ctx.collect(line);
///     Ok(())
/// });
/// ```
pub trait ProcessWindowFunction<K, In, Out: Data>: 'static {
    /// Processes one firing. `elements` is in order of arrival, and empty when an evictor
    /// has removed all of them.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process(&mut self, key: &K, elements: &[In], ctx: &mut WindowContext<'_, Out>)
    -> Result<()>;
}

impl<K, In, Out, F> ProcessWindowFunction<K, In, Out> for F
where
    Out: Data,
    F: FnMut(&K, &[In], &mut WindowContext<'_, Out>) -> Result<()> + 'static,
{
    fn process(
        &mut self,
        key: &K,
        elements: &[In],
        ctx: &mut WindowContext<'_, Out>,
    ) -> Result<()> {
        self(key, elements, ctx)
    }
}

/// What a process function may know and do, for one key and window.
pub struct WindowContext<'a, Out> {
    pub(super) out: &'a mut Output<Batch<Out>>,
    pub(super) window: TimeWindow,
    pub(super) watermark: EventTime,
    pub(super) clock: &'a dyn Clock,
    /// `None` for windows that merge.
    pub(super) cells: Option<&'a mut StateCells>,
}

impl<Out: Data> WindowContext<'_, Out> {
    /// The window that fires.
    pub fn window(&self) -> TimeWindow {
        self.window
    }
    /// The operator's event time.
    pub fn current_watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }
    /// Processing time in milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.clock.now_ms()
    }
    /// Emits a result.
    #[inline]
    pub fn collect(&mut self, value: Out) {
        self.out.collect(value, self.window.max_timestamp());
    }
    /// Emits a record to a side output.
    pub fn output<T: Data>(&mut self, tag: &OutputTag<T>, value: T) {
        self.out.collect_side(tag, value, self.window.max_timestamp());
    }
    /// The state `name` of this key and window, `Default` at first; it is forgotten with
    /// the window. For what must survive from one firing to the next.
    ///
    /// # Errors
    /// `Config` for windows that merge, which have no such state in Flink either;
    /// `UserCode` when the name was used with another type.
    pub fn window_state<S: Data + Default>(&mut self, name: &'static str) -> Result<&mut S> {
        match &mut self.cells {
            Some(cells) => cells.get(name),
            None => Err(Error::config("session windows have no state per window")
                .advice("a session's identity changes when it merges: keep it in the elements")),
        }
    }
}
