//! What users implement: process functions, and what these may touch.
//!
//! Invariant: a function sees one record or timer at a time, with the key of it, and
//! state of that key alone.

use millstream_core::{Batch, Data, EventTime, Key, Result, Watermark};
use millstream_runtime::state::{
    AggregatingState, KeyedStates, ListState, MapState, ReducingState, StateDescriptor, TimerState,
    ValueState,
};
use millstream_runtime::{Counter, Gauge, OperatorContext, Output, OutputTag};

/// Where `flat_map` puts its results; event times are those of the input.
pub struct Collector<'a, O> {
    pub(crate) out: &'a mut Output<Batch<O>>,
    pub(crate) timestamp: EventTime,
}

impl<O: Data> Collector<'_, O> {
    /// Emits a record with the event time of the input.
    #[inline]
    pub fn collect(&mut self, value: O) {
        self.out.collect(value, self.timestamp);
    }
    /// Emits a record to a side output.
    pub fn output<T: Data>(&mut self, tag: &OutputTag<T>, value: T) {
        self.out.collect_side(tag, value, self.timestamp);
    }
}

/// What a function gets in `open`: its states and metrics.
pub struct RuntimeContext<'a, K: Key> {
    pub(crate) operator: &'a OperatorContext,
    pub(crate) states: &'a mut KeyedStates<K>,
}

impl<K: Key> RuntimeContext<'_, K> {
    /// A state of one value a key.
    ///
    /// # Errors
    /// A name used twice; restored state of another type.
    pub fn value_state<V: Data>(&mut self, name: &str) -> Result<ValueState<V>> {
        self.states.value(name)
    }
    /// A state of a list a key.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn list_state<V: Data>(&mut self, name: &str) -> Result<ListState<V>> {
        self.states.list(name)
    }
    /// A state of a map a key.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn map_state<MK: Key + Ord, MV: Data>(&mut self, name: &str) -> Result<MapState<MK, MV>> {
        self.states.map(name)
    }
    /// A state of one value a key, with settings (TTL, migration).
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn value_state_with<V: Data>(
        &mut self,
        descriptor: StateDescriptor<V>,
    ) -> Result<ValueState<V>> {
        self.states.value_with(descriptor)
    }
    /// A state of a list a key, with settings; the TTL is that of each element.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn list_state_with<V: Data>(
        &mut self,
        descriptor: StateDescriptor<V>,
    ) -> Result<ListState<V>> {
        self.states.list_with(descriptor)
    }
    /// A state of a map a key, with settings; the TTL is that of each entry.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn map_state_with<MK: Key + Ord, MV: Data>(
        &mut self,
        descriptor: StateDescriptor<MV>,
    ) -> Result<MapState<MK, MV>> {
        self.states.map_with(descriptor)
    }
    /// A state that combines all values of a key to one of the same type.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn reducing_state<V: Data>(
        &mut self,
        descriptor: StateDescriptor<V>,
        reduce: impl Fn(V, V) -> V + 'static,
    ) -> Result<ReducingState<V>> {
        self.states.reducing(descriptor, reduce)
    }
    /// A state that gathers all values of a key in an accumulator.
    ///
    /// # Errors
    /// As [`value_state`](Self::value_state).
    pub fn aggregating_state<In: Data, Acc: Data + Default, Out: Data>(
        &mut self,
        descriptor: StateDescriptor<Acc>,
        add: impl Fn(&mut Acc, In) + 'static,
        result: impl Fn(&Acc) -> Out + 'static,
    ) -> Result<AggregatingState<In, Acc, Out>> {
        self.states.aggregating(descriptor, add, result)
    }
    /// A counter of this subtask, shown with the operator's metrics.
    pub fn counter(&self, name: &str) -> Counter {
        self.operator.metrics.counter(name)
    }
    /// A gauge of this subtask.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.operator.metrics.gauge(name)
    }
    /// Index of this subtask.
    pub fn subtask_index(&self) -> usize {
        self.operator.subtask.index
    }
    /// Number of subtasks.
    pub fn parallelism(&self) -> usize {
        self.operator.subtask.parallelism
    }
}

/// The timers of an operator, by domain.
pub(crate) struct Timers<K: Key> {
    pub(crate) event: TimerState<K, ()>,
    pub(crate) processing: TimerState<K, ()>,
}

/// What a function may do with a record or timer at hand.
pub struct ProcessContext<'a, K: Key, O> {
    pub(crate) out: &'a mut Output<Batch<O>>,
    pub(crate) timers: &'a mut Timers<K>,
    pub(crate) key: &'a K,
    pub(crate) timestamp: EventTime,
    pub(crate) watermark: Watermark,
    pub(crate) now_ms: i64,
}

impl<K: Key, O: Data> ProcessContext<'_, K, O> {
    /// Emits a record with the event time of the record, or of the timer, at hand.
    #[inline]
    pub fn collect(&mut self, value: O) {
        self.out.collect(value, self.timestamp);
    }
    /// Emits a record to a side output.
    pub fn output<T: Data>(&mut self, tag: &OutputTag<T>, value: T) {
        self.out.collect_side(tag, value, self.timestamp);
    }
    /// The key at hand (`()` in functions without keys).
    pub fn current_key(&self) -> &K {
        self.key
    }
    /// Event time of the record, or time of the timer;
    /// [`NO_TIMESTAMP`](millstream_core::NO_TIMESTAMP) when the record has none.
    pub fn timestamp(&self) -> EventTime {
        self.timestamp
    }
    /// The watermark of the operator.
    pub fn current_watermark(&self) -> Watermark {
        self.watermark
    }
    /// Processing time, in milliseconds since the epoch.
    pub fn current_processing_time(&self) -> i64 {
        self.now_ms
    }
    /// `on_timer` will be called for this key when the watermark reaches `time`.
    pub fn register_event_time_timer(&mut self, time: EventTime) {
        self.timers.event.register(time, self.key.clone(), ());
    }
    /// Takes a timer of this key back.
    pub fn delete_event_time_timer(&mut self, time: EventTime) {
        self.timers.event.delete(time, self.key, &());
    }
    /// `on_timer` will be called for this key when processing time reaches `time_ms`.
    pub fn register_processing_time_timer(&mut self, time_ms: i64) {
        self.timers.processing.register(time_ms, self.key.clone(), ());
    }
    /// Takes a timer of this key back.
    pub fn delete_processing_time_timer(&mut self, time_ms: i64) {
        self.timers.processing.delete(time_ms, self.key, &());
    }
}

/// A function with state and timers by key (Flink's `KeyedProcessFunction`).
///
/// Each subtask works on a clone of its own.
pub trait KeyedProcessFunction: Clone + Send + 'static {
    /// The key.
    type Key: Key;
    /// Records in.
    type In: Data;
    /// Records out.
    type Out: Data;

    /// Called once before any record: the place to ask for states.
    ///
    /// # Errors
    /// Ends the job.
    fn open(&mut self, _context: &mut RuntimeContext<'_, Self::Key>) -> Result<()> {
        Ok(())
    }
    /// Called for each record.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_element(
        &mut self,
        value: Self::In,
        context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()>;
    /// Called when a timer fires; its time is the context's timestamp.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_timer(
        &mut self,
        _time: EventTime,
        _context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()> {
        Ok(())
    }
}

/// A function with side outputs and a context, without keys (Flink's `ProcessFunction`).
pub trait ProcessFunction: Clone + Send + 'static {
    /// Records in.
    type In: Data;
    /// Records out.
    type Out: Data;

    /// Called once before any record.
    ///
    /// # Errors
    /// Ends the job.
    fn open(&mut self, _context: &mut RuntimeContext<'_, ()>) -> Result<()> {
        Ok(())
    }
    /// Called for each record.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_element(
        &mut self,
        value: Self::In,
        context: &mut ProcessContext<'_, (), Self::Out>,
    ) -> Result<()>;
}

/// A function over two connected streams (Flink's `CoProcessFunction` and
/// `KeyedCoProcessFunction`): both keyed by `Key`, or both without (`Key = ()`).
pub trait CoProcessFunction: Clone + Send + 'static {
    /// The key of both inputs.
    type Key: Key;
    /// Records of the first stream.
    type In1: Data;
    /// Records of the second stream.
    type In2: Data;
    /// Records out.
    type Out: Data;

    /// Called once before any record: the place to ask for states.
    ///
    /// # Errors
    /// Ends the job.
    fn open(&mut self, _context: &mut RuntimeContext<'_, Self::Key>) -> Result<()> {
        Ok(())
    }
    /// Called for each record of the first stream.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_element1(
        &mut self,
        value: Self::In1,
        context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()>;
    /// Called for each record of the second stream.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_element2(
        &mut self,
        value: Self::In2,
        context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()>;
    /// Called when a timer fires.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_timer(
        &mut self,
        _time: EventTime,
        _context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()> {
        Ok(())
    }
}

/// A function over a stream and a broadcast stream (Flink's `BroadcastProcessFunction`
/// and `KeyedBroadcastProcessFunction`; `Key = ()` when the first stream is not keyed).
///
/// Every subtask sees every broadcast record and builds the same broadcast `State` of
/// them; records of the first stream read it. The state is part of every snapshot.
pub trait BroadcastProcessFunction: Clone + Send + 'static {
    /// The key of the first stream.
    type Key: Key;
    /// Records of the first stream.
    type In: Data;
    /// Broadcast records.
    type Broadcast: Data;
    /// What the broadcast records add up to.
    type State: Data + Default;
    /// Records out.
    type Out: Data;

    /// Called once before any record: the place to ask for keyed states.
    ///
    /// # Errors
    /// Ends the job.
    fn open(&mut self, _context: &mut RuntimeContext<'_, Self::Key>) -> Result<()> {
        Ok(())
    }
    /// Called for each record of the first stream.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_element(
        &mut self,
        value: Self::In,
        state: &Self::State,
        context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()>;
    /// Called for each broadcast record, on every subtask. There is no key here. Must do
    /// the same on all subtasks.
    ///
    /// # Errors
    /// Ends the attempt.
    fn process_broadcast_element(
        &mut self,
        value: Self::Broadcast,
        state: &mut Self::State,
        out: &mut Collector<'_, Self::Out>,
    ) -> Result<()>;
    /// Called when a timer of the first stream's keys fires.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_timer(
        &mut self,
        _time: EventTime,
        _state: &Self::State,
        _context: &mut ProcessContext<'_, Self::Key, Self::Out>,
    ) -> Result<()> {
        Ok(())
    }
}
