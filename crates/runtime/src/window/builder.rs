//! Puts the parts of a window together, checks them, and picks the operator.
//!
//! Invariant: what cannot work is refused here, when the job is built; what is built
//! fails only for a record's sake.

use super::by_backend::ByBackend;
use super::contents::{
    Direct, DirectReduced, EmitResult, Evicting, Folding, Listing, Reduce, Through, ThroughReduced,
    WindowFunction,
};
use super::evictor::{CountEvictor, Evictor};
use super::function::{AggregateFunction, ProcessWindowFunction};
use super::operator::WindowOperator;
use super::pane_operator::PaneWindowOperator;
use super::triggers::{CountTrigger, PurgingTrigger};
use super::{GlobalWindows, Trigger, WindowAssigner, WindowGrid};
use crate::chain::OutputTag;
use crate::operator::Operator;
use crate::watermark::millis;
use millstream_core::{Batch, Data, Error, Key, Result};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// An operator over rows whose own type is hidden.
pub type BoxedOperator<In, Out> = Box<dyn Operator<In = In, Out = Batch<Out>>>;

/// Makes one operator per subtask; can be cloned and sent to where they run.
pub struct WindowOperatorFactory<In, Out>(Box<dyn Make<In, Out>>);

trait Make<In, Out>: Send {
    fn make(&self) -> BoxedOperator<In, Out>;
    fn clone_box(&self) -> Box<dyn Make<In, Out>>;
}

/// Makes operators from parts, of which each gets a clone.
#[derive(Clone)]
struct FromParts<P, F>(P, F);

impl<In, Out, P, F> Make<In, Out> for FromParts<P, F>
where
    In: 'static,
    Out: Data,
    P: Clone + Send + 'static,
    F: Fn(P) -> BoxedOperator<In, Out> + Clone + Send + 'static,
{
    fn make(&self) -> BoxedOperator<In, Out> {
        (self.1)(self.0.clone())
    }
    fn clone_box(&self) -> Box<dyn Make<In, Out>> {
        Box::new(self.clone())
    }
}

impl<In: 'static, Out: Data> WindowOperatorFactory<In, Out> {
    /// From `parts`, of which every operator gets a clone.
    pub(crate) fn new<P: Clone + Send + 'static>(
        parts: P,
        make: impl Fn(P) -> BoxedOperator<In, Out> + Clone + Send + 'static,
    ) -> Self {
        WindowOperatorFactory(Box::new(FromParts(parts, make)))
    }
    /// The operator of one subtask, with fresh state.
    pub fn create(&self) -> BoxedOperator<In, Out> {
        self.0.make()
    }
}

impl<In, Out> Clone for WindowOperatorFactory<In, Out> {
    fn clone(&self) -> Self {
        WindowOperatorFactory(self.0.clone_box())
    }
}

impl<In, Out> std::fmt::Debug for WindowOperatorFactory<In, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WindowOperatorFactory")
    }
}

/// The checked parts that both operators take.
pub(crate) struct Parts<T> {
    pub(crate) assigner: Arc<dyn WindowAssigner<T>>,
    pub(crate) trigger: Option<Arc<dyn Trigger<T>>>,
    pub(crate) lateness_ms: i64,
    pub(crate) late_tag: Option<OutputTag<T>>,
}

impl<T> Clone for Parts<T> {
    fn clone(&self) -> Self {
        Parts {
            assigner: Arc::clone(&self.assigner),
            trigger: self.trigger.clone(),
            lateness_ms: self.lateness_ms,
            late_tag: self.late_tag,
        }
    }
}

/// Builds a window over a keyed stream.
///
/// ```
/// use millstream_runtime::window::{TumblingEventTimeWindows, WindowOperatorBuilder};
/// use millstream_testkit::OperatorHarness;
/// use std::time::Duration;
/// let factory = WindowOperatorBuilder::new(
///     |row: &(String, u64)| row.0.clone(),
///     TumblingEventTimeWindows::of(Duration::from_secs(60)),
/// )
/// .allowed_lateness(Duration::from_secs(300))
/// .reduce(|a: (String, u64), b: (String, u64)| (a.0, a.1 + b.1))
/// .unwrap();
/// let mut harness = OperatorHarness::new(factory.create());
/// harness.push(("tea".to_owned(), 2), 3_000).unwrap();
/// harness.push(("tea".to_owned(), 5), 59_000).unwrap();
/// harness.watermark(60_000).unwrap();
/// assert_eq!(harness.take_text(), [r#"("tea", 7) @59999"#, "watermark 60000"]);
/// ```
pub struct WindowOperatorBuilder<T, K, S> {
    key_of: S,
    parts: Parts<T>,
    evictor: Option<Arc<dyn Evictor<T>>>,
    arrival_order: bool,
    of: PhantomData<fn() -> K>,
}

impl<T, K, S> WindowOperatorBuilder<T, K, S>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + Clone + Send + 'static,
{
    /// Windows by `assigner` of the records of each key.
    pub fn new(key_selector: S, assigner: impl WindowAssigner<T>) -> Self {
        WindowOperatorBuilder {
            key_of: key_selector,
            parts: Parts {
                assigner: Arc::new(assigner),
                trigger: None,
                lateness_ms: 0,
                late_tag: None,
            },
            evictor: None,
            arrival_order: false,
            of: PhantomData,
        }
    }
    /// A window of every `size` records of a key; what is left at the end never fires.
    pub fn count_window(key_selector: S, size: u64) -> Self {
        Self::new(key_selector, GlobalWindows::create())
            .trigger(PurgingTrigger::of(CountTrigger::of(size)))
    }
    /// A window of the last `size` records of a key, at every `slide` records.
    pub fn sliding_count_window(key_selector: S, size: u64, slide: u64) -> Self {
        Self::new(key_selector, GlobalWindows::create())
            .evictor(CountEvictor::of(usize::try_from(size).unwrap_or(usize::MAX)))
            .trigger(CountTrigger::of(slide))
    }
    /// Fires by `trigger` in place of the assigner's default.
    pub fn trigger(mut self, trigger: impl Trigger<T>) -> Self {
        self.parts.trigger = Some(Arc::new(trigger));
        self
    }
    /// Removes elements before or after the function. All elements are then kept.
    pub fn evictor(mut self, evictor: impl Evictor<T>) -> Self {
        self.evictor = Some(Arc::new(evictor));
        self
    }
    /// How long after the watermark has passed its end an event-time window still takes
    /// records (0 when not set); each of them makes it fire again.
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        self.allowed_lateness_ms(millis(lateness))
    }
    /// The same in milliseconds; a negative number is refused when the job is built.
    pub fn allowed_lateness_ms(mut self, lateness_ms: i64) -> Self {
        self.parts.lateness_ms = lateness_ms;
        self
    }
    /// Sends records that are too late for all of their windows to a side output. Without
    /// one, or without a consumer of it, they are counted in `numLateRecordsDropped`.
    pub fn late_tag(mut self, tag: OutputTag<T>) -> Self {
        self.parts.late_tag = Some(tag);
        self
    }
    /// Adds the records of sliding windows in their order of arrival, for functions to
    /// which it matters (the last one wins). Each overlapping window then has contents of
    /// its own, which costs as many times the memory and the work.
    pub fn in_arrival_order(mut self) -> Self {
        self.arrival_order = true;
        self
    }

    fn check(&self) -> Result<()> {
        let Parts { assigner, trigger, lateness_ms, .. } = &self.parts;
        assigner.check()?;
        assigner.grid().map_or(Ok(()), WindowGrid::check)?;
        if *lateness_ms < 0 {
            return Err(Error::config(format!("the allowed lateness is {lateness_ms} ms"))
                .advice("use a duration of 0 or more"));
        }
        let trigger = trigger.clone().unwrap_or_else(|| assigner.default_trigger());
        trigger.check(assigner.is_global())?;
        if assigner.is_merging() && !trigger.can_merge() {
            return Err(Error::config(
                "session windows merge, and the trigger cannot merge its state",
            )
            .advice("use a trigger with on_merge, or windows of a fixed size"));
        }
        Ok(())
    }

    fn general<F: WindowFunction<K, T>>(
        self,
        function: F,
    ) -> WindowOperatorFactory<Batch<T>, F::Out> {
        let by_time = self.parts.trigger.is_none() && self.parts.assigner.is_at_end_of_stream();
        let parts = (self.key_of, self.parts);
        if self.evictor.is_none() && !(by_time && F::LISTS) {
            return WindowOperatorFactory::new((parts, function), |((key_of, parts), function)| {
                Box::new(WindowOperator::new(key_of, parts, function))
            });
        }
        let function = Evicting { evictor: self.evictor, by_time, inner: function };
        WindowOperatorFactory::new((parts, function), |((key_of, parts), function)| {
            Box::new(WindowOperator::new(key_of, parts, function))
        })
    }

    fn fold<A, E>(self, aggregate: A, emit: E) -> Result<WindowOperatorFactory<Batch<T>, E::Out>>
    where
        A: AggregateFunction<In = T>,
        E: EmitResult<K, A::Out>,
    {
        self.check()?;
        let function = Folding { aggregate, emit };
        let grid = self.parts.assigner.grid();
        let default = self.parts.trigger.is_none() && self.evictor.is_none();
        match grid {
            // A pane that is a whole window has its rows in order of arrival anyway.
            Some(grid) if default && !(self.arrival_order && grid.overlap()) => {
                let parts = (self.key_of, self.parts, function);
                Ok(WindowOperatorFactory::new(parts, move |(key_of, parts, function)| {
                    let general =
                        WindowOperator::new(key_of.clone(), parts.clone(), function.clone());
                    let panes = PaneWindowOperator::new(key_of, grid, parts, function);
                    Box::new(ByBackend::new(panes, general.reading_panes(grid)))
                }))
            }
            _ => Ok(self.general(function)),
        }
    }

    /// Reduces each window to one record.
    ///
    /// # Errors
    /// `Config` when the parts do not fit together, saying which and what to do.
    pub fn reduce<F>(self, f: F) -> Result<WindowOperatorFactory<Batch<T>, T>>
    where
        F: Fn(T, T) -> T + Clone + Send + 'static,
    {
        self.fold(Reduce::new(f), DirectReduced)
    }
    /// Reduces each window to one record and gives it to a process function (none, when an
    /// evictor has removed all elements).
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn reduce_with<F, P, Out>(
        self,
        f: F,
        process: P,
    ) -> Result<WindowOperatorFactory<Batch<T>, Out>>
    where
        F: Fn(T, T) -> T + Clone + Send + 'static,
        P: ProcessWindowFunction<K, T, Out> + Clone + Send,
        Out: Data,
    {
        self.fold(Reduce::new(f), ThroughReduced(Through::new(process)))
    }
    /// Aggregates each window.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn aggregate<A>(self, aggregate: A) -> Result<WindowOperatorFactory<Batch<T>, A::Out>>
    where
        A: AggregateFunction<In = T>,
    {
        self.fold(aggregate, Direct)
    }
    /// Aggregates each window and gives the result to a process function.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn aggregate_with<A, P, Out>(
        self,
        aggregate: A,
        process: P,
    ) -> Result<WindowOperatorFactory<Batch<T>, Out>>
    where
        A: AggregateFunction<In = T>,
        P: ProcessWindowFunction<K, A::Out, Out> + Clone + Send,
        Out: Data,
    {
        self.fold(aggregate, Through::new(process))
    }
    /// Gives all elements of each window to a process function.
    ///
    /// # Errors
    /// As [`reduce`](Self::reduce).
    pub fn process<P, Out>(self, process: P) -> Result<WindowOperatorFactory<Batch<T>, Out>>
    where
        P: ProcessWindowFunction<K, T, Out> + Clone + Send,
        Out: Data,
    {
        self.check()?;
        Ok(self.general(Listing(Through::new(process))))
    }
}
