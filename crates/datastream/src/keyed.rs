//! A stream partitioned by key, with state by key.

use crate::connected::KeyedConnectedStreams;
use crate::function::KeyedProcessFunction;
use crate::process::KeyedProcessOperator;
use crate::stream::{DataStream, prototype};
use crate::transform::MapWithState;
use millstream_core::{Data, Key};
use millstream_runtime::snapshot::StateKind;
use std::marker::PhantomData;

/// A [`DataStream`] partitioned by a key (Flink's `KeyedStream`).
pub struct KeyedStream<T, K, F> {
    pub(crate) stream: DataStream<T>,
    pub(crate) key: F,
    of: PhantomData<fn() -> K>,
}

impl<T: Data, K: Key, F> KeyedStream<T, K, F>
where
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
{
    pub(crate) fn new(stream: DataStream<T>, key: F) -> Self {
        KeyedStream { stream, key, of: PhantomData }
    }

    /// Folds the records of each key into one, and emits it after every record.
    pub fn reduce(&self, f: impl FnMut(&T, T) -> T + Clone + Send + 'static) -> DataStream<T> {
        let (key, f) = (self.key.clone(), prototype(f));
        self.stream.transform("reduce", move |_| {
            let mut f = f();
            let update = move |state: &mut Option<T>, value: T| {
                let reduced = match &*state {
                    Some(former) => f(former, value),
                    None => value,
                };
                *state = Some(reduced.clone());
                reduced
            };
            Ok(MapWithState::new(("reduced", StateKind::Reducing), key.clone(), update))
        })
    }

    /// Replaces each record, with one value of state a key at hand (`mapWithState` of
    /// Flink's Scala API): `None` is no state.
    pub fn map_with_state<S: Data, U: Data>(
        &self,
        f: impl FnMut(&mut Option<S>, T) -> U + Clone + Send + 'static,
    ) -> DataStream<U> {
        let (key, f) = (self.key.clone(), prototype(f));
        self.stream.transform("map_with_state", move |_| {
            Ok(MapWithState::new(("state", StateKind::Value), key.clone(), f()))
        })
    }

    /// Runs a [`KeyedProcessFunction`]: state and timers by key.
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: KeyedProcessFunction<Key = K, In = T>,
    {
        let (key, function) = (self.key.clone(), prototype(function));
        self.stream.transform("keyed_process", move |_| {
            Ok(KeyedProcessOperator::new(function(), key.clone()))
        })
    }

    /// Two streams of different types with the same kind of key for one function.
    pub fn connect<U: Data, G>(
        &self,
        other: &KeyedStream<U, K, G>,
    ) -> KeyedConnectedStreams<T, U, K, F, G>
    where
        G: Fn(&U) -> K + Clone + Send + Sync + 'static,
    {
        KeyedConnectedStreams::new(
            (self.stream.clone(), self.key.clone()),
            (other.stream.clone(), other.key.clone()),
        )
    }
}
