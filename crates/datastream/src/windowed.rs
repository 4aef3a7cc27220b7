//! Windows and joins over keyed streams.
//!
//! What does not fit together (a session window with a trigger that cannot merge, a
//! negative lateness) is refused by `execute`, with the operator's name, before
//! anything runs.

use crate::connected::two_inputs;
use crate::keyed::KeyedStream;
use crate::stream::{DataStream, prototype};
use millstream_core::{Batch, Data, Either, Error, Key, Result};
use millstream_runtime::OutputTag;
use millstream_runtime::join::{IntervalJoinBuilder, IntervalJoinContext, WindowJoinBuilder};
use millstream_runtime::window::{
    AggregateFunction, BoxedOperator, Evictor, ProcessWindowFunction, Trigger, WindowAssigner,
    WindowContext, WindowOperatorBuilder, WindowOperatorFactory,
};
use std::time::Duration;

/// Turns what a builder answers into what a graph needs: a maker, and a check.
fn deferred<In: 'static, Out: Data>(
    built: Result<WindowOperatorFactory<In, Out>>,
) -> (
    impl Fn() -> Result<BoxedOperator<In, Out>> + Send + Sync + 'static,
    impl Fn() -> Result<()> + Send + Sync + 'static,
) {
    let refused: Option<Error> = built.as_ref().err().cloned();
    let again = refused.clone();
    let factory = prototype(built.ok());
    let make = move || match (factory(), &again) {
        (Some(factory), _) => Ok(factory.create()),
        (None, Some(error)) => Err(error.clone()),
        (None, None) => Err(Error::bug("a window without a factory")),
    };
    (make, move || refused.clone().map_or(Ok(()), Err))
}

/// Records of a keyed stream in windows (Flink's `WindowedStream`).
pub struct WindowedStream<T, K, S> {
    stream: DataStream<T>,
    builder: WindowOperatorBuilder<T, K, S>,
    parallelism_limit: Option<usize>,
}

impl<T, K, S> WindowedStream<T, K, S>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + Clone + Send + 'static,
{
    fn with(
        self,
        change: impl FnOnce(WindowOperatorBuilder<T, K, S>) -> WindowOperatorBuilder<T, K, S>,
    ) -> Self {
        WindowedStream { builder: change(self.builder), ..self }
    }
    /// Fires by `trigger` in place of the assigner's default.
    pub fn trigger(self, trigger: impl Trigger<T>) -> Self {
        self.with(|b| b.trigger(trigger))
    }
    /// Removes elements before or after the function.
    pub fn evictor(self, evictor: impl Evictor<T>) -> Self {
        self.with(|b| b.evictor(evictor))
    }
    /// How long after its end a window still takes records; each makes it fire again.
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        self.with(|b| b.allowed_lateness(lateness))
    }
    /// The same in milliseconds; a negative number is refused by `execute`.
    pub fn allowed_lateness_ms(self, lateness_ms: i64) -> Self {
        self.with(|b| b.allowed_lateness_ms(lateness_ms))
    }
    /// Sends records that are too late for all of their windows to a side output of the
    /// window operator. Without it they are counted in `numLateRecordsDropped`.
    pub fn side_output_late_data(self, tag: OutputTag<T>) -> Self {
        self.with(|b| b.late_tag(tag))
    }
    /// Adds records of sliding windows in their order of arrival; see
    /// [`WindowOperatorBuilder::in_arrival_order`].
    pub fn in_arrival_order(self) -> Self {
        self.with(WindowOperatorBuilder::in_arrival_order)
    }

    fn finish<Out: Data>(
        self,
        finish: impl FnOnce(
            WindowOperatorBuilder<T, K, S>,
        ) -> Result<WindowOperatorFactory<Batch<T>, Out>>,
    ) -> DataStream<Out> {
        let (make, check) = deferred(finish(self.builder));
        let stream = self.stream.transform("window", move |_| make());
        let node = stream.upstreams[0].node;
        let mut graph = stream.graph.borrow_mut();
        graph.job.set_validation(node, check);
        graph.job.spec_mut(node).parallelism_limit = self.parallelism_limit;
        drop(graph);
        stream
    }
    /// Reduces each window to one record.
    pub fn reduce(self, f: impl Fn(T, T) -> T + Clone + Send + 'static) -> DataStream<T> {
        self.finish(|b| b.reduce(f))
    }
    /// Reduces each window and gives the result to a process function.
    pub fn reduce_with<Out: Data>(
        self,
        f: impl Fn(T, T) -> T + Clone + Send + 'static,
        process: impl ProcessWindowFunction<K, T, Out> + Clone + Send,
    ) -> DataStream<Out> {
        self.finish(|b| b.reduce_with(f, process))
    }
    /// Aggregates each window; only the accumulator is kept, not the records.
    pub fn aggregate<A: AggregateFunction<In = T>>(self, aggregate: A) -> DataStream<A::Out> {
        self.finish(|b| b.aggregate(aggregate))
    }
    /// Aggregates each window and gives the result to a process function, which knows the
    /// key and the window.
    pub fn aggregate_with<A: AggregateFunction<In = T>, Out: Data>(
        self,
        aggregate: A,
        process: impl ProcessWindowFunction<K, A::Out, Out> + Clone + Send,
    ) -> DataStream<Out> {
        self.finish(|b| b.aggregate_with(aggregate, process))
    }
    /// Keeps all records of each window and gives them to a process function.
    pub fn process<Out: Data>(
        self,
        process: impl ProcessWindowFunction<K, T, Out> + Clone + Send,
    ) -> DataStream<Out> {
        self.finish(|b| b.process(process))
    }
}

impl<T: Data, K: Key, F> KeyedStream<T, K, F>
where
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
{
    fn windowed(&self, builder: WindowOperatorBuilder<T, K, F>) -> WindowedStream<T, K, F> {
        WindowedStream { stream: self.stream.clone(), builder, parallelism_limit: None }
    }
    /// Windows by `assigner`, for each key.
    pub fn window(&self, assigner: impl WindowAssigner<T>) -> WindowedStream<T, K, F> {
        self.windowed(WindowOperatorBuilder::new(self.key.clone(), assigner))
    }
    /// A window of every `size` records of a key.
    pub fn count_window(&self, size: u64) -> WindowedStream<T, K, F> {
        self.windowed(WindowOperatorBuilder::count_window(self.key.clone(), size))
    }
    /// A window of the last `size` records of a key, at every `slide` records.
    pub fn sliding_count_window(&self, size: u64, slide: u64) -> WindowedStream<T, K, F> {
        let key = self.key.clone();
        self.windowed(WindowOperatorBuilder::sliding_count_window(key, size, slide))
    }

    /// Pairs with records of `other` of the same key that are from `lower_ms` to
    /// `upper_ms` after one of this stream, both inclusive; negative numbers are before
    /// (Flink's `intervalJoin(..).between(..)`).
    pub fn interval_join<U: Data, G>(
        &self,
        other: &KeyedStream<U, K, G>,
        lower_ms: i64,
        upper_ms: i64,
    ) -> IntervalJoined<T, U, K, F, G>
    where
        G: Fn(&U) -> K + Clone + Send + Sync + 'static,
    {
        let (first, second) = (self.key.clone(), other.key.clone());
        IntervalJoined {
            streams: (self.stream.clone(), other.stream.clone()),
            builder: IntervalJoinBuilder::new(first, second, lower_ms, upper_ms),
        }
    }

    /// Pairs with records of `other` of the same key and window.
    pub fn join<U: Data, G>(&self, other: &KeyedStream<U, K, G>) -> JoinedStreams<T, U, K, F, G>
    where
        G: Fn(&U) -> K + Clone + Send + Sync + 'static,
    {
        JoinedStreams {
            first: KeyedStream::new(self.stream.clone(), self.key.clone()),
            second: KeyedStream::new(other.stream.clone(), other.key.clone()),
        }
    }
}

impl<T: Data> DataStream<T> {
    /// Windows over the whole stream, on one subtask (Flink's `windowAll`).
    pub fn window_all(
        &self,
        assigner: impl WindowAssigner<T>,
    ) -> WindowedStream<T, (), impl Fn(&T) + Clone + Send + Sync + 'static> {
        let key = |_: &T| ();
        let builder = WindowOperatorBuilder::new(key, assigner);
        WindowedStream { stream: self.global(), builder, parallelism_limit: Some(1) }
    }
}

/// Two keyed streams to join or co-group in windows (Flink's `JoinedStreams` and
/// `CoGroupedStreams`).
pub struct JoinedStreams<A, B, K, F, G> {
    first: KeyedStream<A, K, F>,
    second: KeyedStream<B, K, G>,
}

impl<A: Data, B: Data, K: Key, F, G> JoinedStreams<A, B, K, F, G>
where
    F: Fn(&A) -> K + Clone + Send + Sync + 'static,
    G: Fn(&B) -> K + Clone + Send + Sync + 'static,
{
    /// Windows by `assigner`, over the records of both.
    pub fn window(
        self,
        assigner: impl WindowAssigner<Either<A, B>>,
    ) -> WindowedJoin<A, B, K, impl Fn(&Either<A, B>) -> K + Clone + Send + 'static> {
        let builder =
            WindowJoinBuilder::new(self.first.key.clone(), self.second.key.clone(), assigner);
        WindowedJoin { streams: (self.first.stream, self.second.stream), builder }
    }
}

/// Two keyed streams in windows.
pub struct WindowedJoin<A, B, K, S> {
    streams: (DataStream<A>, DataStream<B>),
    builder: WindowJoinBuilder<A, B, K, S>,
}

impl<A, B, K, S> WindowedJoin<A, B, K, S>
where
    A: Data,
    B: Data,
    K: Key,
    S: Fn(&Either<A, B>) -> K + Clone + Send + 'static,
{
    /// Fires by `trigger` in place of the assigner's default.
    pub fn trigger(self, trigger: impl Trigger<Either<A, B>>) -> Self {
        WindowedJoin { builder: self.builder.trigger(trigger), ..self }
    }
    /// Removes records before or after the function.
    pub fn evictor(self, evictor: impl Evictor<Either<A, B>>) -> Self {
        WindowedJoin { builder: self.builder.evictor(evictor), ..self }
    }
    /// How long after its end a window still takes records.
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        WindowedJoin { builder: self.builder.allowed_lateness(lateness), ..self }
    }
    /// Sends late records of either side to a side output.
    pub fn side_output_late_data(self, tag: OutputTag<Either<A, B>>) -> Self {
        WindowedJoin { builder: self.builder.late_tag(tag), ..self }
    }
    /// Gives one result for each pair.
    pub fn join<Out: Data>(
        self,
        f: impl Fn(&A, &B) -> Out + Clone + Send + 'static,
    ) -> DataStream<Out> {
        add_two_inputs("window_join", &self.streams, self.builder.join(f))
    }
    /// Gives the records of both sides to a function, also when one side has none.
    pub fn co_group<Out: Data>(
        self,
        f: impl FnMut(&K, &[&A], &[&B], &mut WindowContext<'_, Out>) -> Result<()>
        + Clone
        + Send
        + 'static,
    ) -> DataStream<Out> {
        add_two_inputs("co_group", &self.streams, self.builder.co_group(f))
    }
}

/// What a join's builder answers.
type BuiltJoin<A, B, Out> = Result<WindowOperatorFactory<Either<Batch<A>, Batch<B>>, Out>>;

fn add_two_inputs<A: Data, B: Data, Out: Data>(
    name: &str,
    streams: &(DataStream<A>, DataStream<B>),
    built: BuiltJoin<A, B, Out>,
) -> DataStream<Out> {
    let (make, check) = deferred(built);
    let stream = two_inputs(name, &streams.0, &streams.1, move |_| make());
    stream.graph.borrow_mut().job.set_validation(stream.upstreams[0].node, check);
    stream
}

/// Two keyed streams to join by distance in event time (Flink's `IntervalJoin`).
pub struct IntervalJoined<A, B, K, F, G> {
    streams: (DataStream<A>, DataStream<B>),
    builder: IntervalJoinBuilder<A, B, K, F, G>,
}

impl<A: Data, B: Data, K: Key, F, G> IntervalJoined<A, B, K, F, G>
where
    F: Fn(&A) -> K + Clone + Send + 'static,
    G: Fn(&B) -> K + Clone + Send + 'static,
{
    /// Excludes records exactly at the lower bound.
    pub fn lower_bound_exclusive(self) -> Self {
        IntervalJoined { builder: self.builder.lower_bound_exclusive(), ..self }
    }
    /// Excludes records exactly at the upper bound.
    pub fn upper_bound_exclusive(self) -> Self {
        IntervalJoined { builder: self.builder.upper_bound_exclusive(), ..self }
    }
    /// Sends late records of the first stream to a side output.
    pub fn side_output_left_late_data(self, tag: OutputTag<A>) -> Self {
        IntervalJoined { builder: self.builder.left_late_tag(tag), ..self }
    }
    /// Sends late records of the second stream to a side output.
    pub fn side_output_right_late_data(self, tag: OutputTag<B>) -> Self {
        IntervalJoined { builder: self.builder.right_late_tag(tag), ..self }
    }
    /// Gives every pair to a function.
    pub fn process<Out: Data>(
        self,
        f: impl FnMut(&A, &B, &mut IntervalJoinContext<'_, Out>) -> Result<()> + Clone + Send + 'static,
    ) -> DataStream<Out> {
        add_two_inputs("interval_join", &self.streams, self.builder.process(f))
    }
}
