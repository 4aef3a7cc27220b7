//! Two streams of different types for one function.

use crate::env::Graph;
use crate::function::{BroadcastProcessFunction, CoProcessFunction};
use crate::keyed::KeyedStream;
use crate::process::{BroadcastProcessOperator, CoProcessOperator};
use crate::stream::{DataStream, Upstream, prototype};
use millstream_core::{Batch, Data, Either, Key, Result};
use millstream_runtime::{Input, NodeSpec, Operator, OperatorContext};
use std::marker::PhantomData;

/// Adds a two-input operator.
pub(crate) fn two_inputs<A: Data, B: Data, U: Data, O>(
    name: &str,
    first: &DataStream<A>,
    second: &DataStream<B>,
    make: impl Fn(&OperatorContext) -> Result<O> + Send + Sync + 'static,
) -> DataStream<U>
where
    O: Operator<In = Either<Batch<A>, Batch<B>>, Out = Batch<U>>,
{
    let graph: Graph = first.graph.clone();
    let left = |u: Upstream<A>| Input::left(u.node, u.tag, u.partitioner);
    let right = |u: Upstream<B>| Input::right(u.node, u.tag, u.partitioner);
    let mut inputs: Vec<_> = first.upstreams.iter().cloned().map(left).collect();
    inputs.extend(second.upstreams.iter().cloned().map(right));
    let spec = NodeSpec { name: name.into(), ..NodeSpec::default() };
    let node = graph.borrow_mut().job.add_operator(spec, inputs, make);
    DataStream::of_node(graph, node)
}

/// Two connected streams without keys (Flink's `ConnectedStreams`).
pub struct ConnectedStreams<A, B> {
    pub(crate) first: DataStream<A>,
    pub(crate) second: DataStream<B>,
}

impl<A: Data, B: Data> ConnectedStreams<A, B> {
    /// Runs a function over both.
    pub fn process<F>(&self, function: F) -> DataStream<F::Out>
    where
        F: CoProcessFunction<Key = (), In1 = A, In2 = B>,
    {
        let function = prototype(function);
        two_inputs("co_process", &self.first, &self.second, move |_| {
            Ok(CoProcessOperator::new(function(), (|_: &A| (), |_: &B| ())))
        })
    }

    /// Keys both streams.
    pub fn key_by<K: Key, F, G>(&self, first: F, second: G) -> KeyedConnectedStreams<A, B, K, F, G>
    where
        F: Fn(&A) -> K + Clone + Send + Sync + 'static,
        G: Fn(&B) -> K + Clone + Send + Sync + 'static,
    {
        self.first.key_by(first).connect(&self.second.key_by(second))
    }
}

/// Two connected streams with the same kind of key.
pub struct KeyedConnectedStreams<A, B, K, F, G> {
    first: (DataStream<A>, F),
    second: (DataStream<B>, G),
    of: PhantomData<fn() -> K>,
}

impl<A: Data, B: Data, K: Key, F, G> KeyedConnectedStreams<A, B, K, F, G>
where
    F: Fn(&A) -> K + Clone + Send + Sync + 'static,
    G: Fn(&B) -> K + Clone + Send + Sync + 'static,
{
    pub(crate) fn new(first: (DataStream<A>, F), second: (DataStream<B>, G)) -> Self {
        KeyedConnectedStreams { first, second, of: PhantomData }
    }

    /// Runs a function over both, with state and timers by key.
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: CoProcessFunction<Key = K, In1 = A, In2 = B>,
    {
        let function = prototype(function);
        let keys = (self.first.1.clone(), self.second.1.clone());
        two_inputs("keyed_co_process", &self.first.0, &self.second.0, move |_| {
            Ok(CoProcessOperator::new(function(), keys.clone()))
        })
    }
}

/// A stream connected with a broadcast stream (Flink's `BroadcastConnectedStream`).
pub struct BroadcastStream<A, B> {
    pub(crate) first: DataStream<A>,
    pub(crate) broadcast: DataStream<B>,
}

impl<A: Data, B: Data> BroadcastStream<A, B> {
    /// Runs a function over both; the first stream has no keys.
    pub fn process<F>(&self, function: F) -> DataStream<F::Out>
    where
        F: BroadcastProcessFunction<Key = (), In = A, Broadcast = B>,
    {
        broadcast_process(&self.first, &self.broadcast, function, |_: &A| ())
    }
}

/// A keyed stream connected with a broadcast stream.
pub struct KeyedBroadcastStream<A, B, K, F> {
    first: (DataStream<A>, F),
    broadcast: DataStream<B>,
    of: PhantomData<fn() -> K>,
}

impl<A: Data, K: Key, F> KeyedStream<A, K, F>
where
    F: Fn(&A) -> K + Clone + Send + Sync + 'static,
{
    /// This stream for one function with a stream that every subtask sees whole.
    pub fn connect_broadcast<B: Data>(
        &self,
        other: &DataStream<B>,
    ) -> KeyedBroadcastStream<A, B, K, F> {
        let first = (self.stream.clone(), self.key.clone());
        KeyedBroadcastStream { first, broadcast: other.broadcast(), of: PhantomData }
    }
}

impl<A: Data, B: Data, K: Key, F> KeyedBroadcastStream<A, B, K, F>
where
    F: Fn(&A) -> K + Clone + Send + Sync + 'static,
{
    /// Runs a function over both, with state and timers by key of the first.
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: BroadcastProcessFunction<Key = K, In = A, Broadcast = B>,
    {
        broadcast_process(&self.first.0, &self.broadcast, function, self.first.1.clone())
    }
}

fn broadcast_process<A: Data, B: Data, P, F>(
    first: &DataStream<A>,
    broadcast: &DataStream<B>,
    function: P,
    key: F,
) -> DataStream<P::Out>
where
    P: BroadcastProcessFunction<In = A, Broadcast = B>,
    F: Fn(&A) -> P::Key + Clone + Send + Sync + 'static,
{
    let function = prototype(function);
    two_inputs("broadcast_process", first, broadcast, move |_| {
        Ok(BroadcastProcessOperator::new(function(), key.clone()))
    })
}
