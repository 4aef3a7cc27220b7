//! The operators behind process functions: key, state, timers, then the user's call.
//!
//! Invariant: while a function runs, the state handles and the context agree on the
//! key; event-time timers fire before the watermark that made them due goes on.

use crate::function::{
    BroadcastProcessFunction, CoProcessFunction, Collector, KeyedProcessFunction, ProcessContext,
    ProcessFunction, RuntimeContext, Timers,
};
use millstream_core::{Batch, Data, Either, Epoch, Error, EventTime, Key, Result, Watermark};
use millstream_runtime::snapshot::ListMode;
use millstream_runtime::state::KeyedStates;
use millstream_runtime::{
    Operator, OperatorContext, OperatorSnapshot, Output, Progress, RecordContext, show,
};

const EVENT_TIMERS: &str = "event-time-timers";
const PROCESSING_TIMERS: &str = "processing-time-timers";

/// What every operator with keys has: context, states, timers, current watermark.
struct Keyed<K: Key> {
    context: OperatorContext,
    states: KeyedStates<K>,
    timers: Timers<K>,
    watermark: Watermark,
}

/// A user's function as the target of timers and records.
type Call<'c, K, O> = &'c mut dyn FnMut(EventTime, &mut ProcessContext<'_, K, O>) -> Result<()>;

impl<K: Key> Keyed<K> {
    /// Restores timers, and lets the function ask for its states.
    fn open(
        context: &OperatorContext,
        open: impl FnOnce(&mut RuntimeContext<'_, K>) -> Result<()>,
    ) -> Result<Self> {
        let mut states = context.keyed_states()?;
        let event = states.timers(EVENT_TIMERS)?;
        let timers = Timers { event, processing: states.timers(PROCESSING_TIMERS)? };
        open(&mut RuntimeContext { operator: context, states: &mut states })?;
        Ok(Keyed { context: context.clone(), states, timers, watermark: Watermark::MIN })
    }

    /// Brings the states of a batch's keys near, where the backend is a disk.
    fn prefetch<T>(&self, batch: &Batch<T>, key_of: impl Fn(&T) -> K) -> Result<()> {
        if !self.states.wants_prefetch() {
            return Ok(());
        }
        let keys: Vec<K> = batch.values().iter().map(key_of).collect();
        self.states.prefetch(&keys)
    }

    /// Runs `call` with everything set to `key`.
    #[inline]
    fn with_key<O: Data, R>(
        &mut self,
        key: &K,
        timestamp: EventTime,
        out: &mut Output<Batch<O>>,
        call: impl FnOnce(&mut ProcessContext<'_, K, O>) -> R,
    ) -> R {
        self.states.set_current_key(Some(key.clone()));
        let now_ms = self.context.clock.now_ms();
        let (timers, watermark) = (&mut self.timers, self.watermark);
        let describe = || format!("key {} at event time {timestamp}", show(key));
        let _context = RecordContext::new(&describe);
        call(&mut ProcessContext { out, timers, key, timestamp, watermark, now_ms })
    }

    fn on_watermark<O: Data>(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<O>>,
        call: Call<'_, K, O>,
    ) -> Result<Progress> {
        self.watermark = watermark;
        let mut fired = 0u32;
        while let Some((time, key, ())) = self.timers.event.pop_due(watermark.0)? {
            self.with_key(&key, time, out, |context| call(time, context))
                .map_err(|e| at_key(e, &key, time))?;
            fired += 1;
            if fired.is_multiple_of(1024) && !out.is_ready() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    fn on_processing_time<O: Data>(
        &mut self,
        now_ms: i64,
        out: &mut Output<Batch<O>>,
        call: Call<'_, K, O>,
    ) -> Result<()> {
        let mut fired = 0u32;
        while let Some((time, key, ())) = self.timers.processing.pop_due(now_ms)? {
            self.with_key(&key, time, out, |context| call(time, context))
                .map_err(|e| at_key(e, &key, time))?;
            fired += 1;
            if fired.is_multiple_of(1024) && !out.is_ready() {
                // The rest stays due: the runtime comes back when there is room.
                return Ok(());
            }
        }
        Ok(())
    }

    fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        let subtask = &self.context.subtask;
        self.states.snapshot(into)?;
        self.timers.event.snapshot(EVENT_TIMERS, subtask, into);
        self.timers.processing.snapshot(PROCESSING_TIMERS, subtask, into);
        Ok(())
    }
}

fn opened<K: Key>(keyed: &mut Option<Keyed<K>>) -> Result<&mut Keyed<K>> {
    keyed.as_mut().ok_or_else(|| Error::bug("an operator was used before open"))
}

/// Adds the key to an error of user code: the context of the record.
fn at_key<K: Key>(error: Error, key: &K, timestamp: EventTime) -> Error {
    error.at(format!("key {} at event time {timestamp}", show(key)))
}

/// The methods of [`Operator`] that all operators of this file share.
macro_rules! keyed_operator {
    ($timer:expr) => {
        fn on_watermark(
            &mut self,
            watermark: Watermark,
            out: &mut Output<Self::Out>,
        ) -> Result<Progress> {
            let function = &mut self.function;
            opened(&mut self.keyed)?.on_watermark(watermark, out, &mut |time, context| {
                $timer(function, &self.extra, time, context)
            })
        }
        fn next_processing_time(&self) -> Option<i64> {
            self.keyed.as_ref().and_then(|k| k.timers.processing.next_time())
        }
        fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Self::Out>) -> Result<()> {
            let function = &mut self.function;
            opened(&mut self.keyed)?.on_processing_time(now_ms, out, &mut |time, context| {
                $timer(function, &self.extra, time, context)
            })
        }
    };
}

/// Runs a [`KeyedProcessFunction`].
pub(crate) struct KeyedProcessOperator<F: KeyedProcessFunction, S> {
    function: F,
    selector: S,
    keyed: Option<Keyed<F::Key>>,
    extra: (),
}

impl<F: KeyedProcessFunction, S: Fn(&F::In) -> F::Key> KeyedProcessOperator<F, S> {
    pub(crate) fn new(function: F, selector: S) -> Self {
        KeyedProcessOperator { function, selector, keyed: None, extra: () }
    }
}

impl<F, S> Operator for KeyedProcessOperator<F, S>
where
    F: KeyedProcessFunction,
    S: Fn(&F::In) -> F::Key + 'static,
{
    type In = Batch<F::In>;
    type Out = Batch<F::Out>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let function = &mut self.function;
        self.keyed = Some(Keyed::open(context, |context| function.open(context))?);
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Self::Out>) -> Result<()> {
        let keyed = opened(&mut self.keyed)?;
        keyed.prefetch(&batch, &self.selector)?;
        for (value, timestamp) in batch {
            let key = (self.selector)(&value);
            let function = &mut self.function;
            keyed
                .with_key(&key, timestamp, out, |context| function.process_element(value, context))
                .map_err(|e| at_key(e, &key, timestamp))?;
        }
        Ok(())
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        opened(&mut self.keyed)?.snapshot(snapshot)
    }
    keyed_operator!(|function: &mut F, _: &(), time, context: &mut ProcessContext<'_, _, _>| {
        function.on_timer(time, context)
    });
}

/// A [`ProcessFunction`] as one with the key `()`.
#[derive(Clone)]
pub(crate) struct Unkeyed<F>(pub(crate) F);

impl<F: ProcessFunction> KeyedProcessFunction for Unkeyed<F> {
    type Key = ();
    type In = F::In;
    type Out = F::Out;
    fn open(&mut self, context: &mut RuntimeContext<'_, ()>) -> Result<()> {
        self.0.open(context)
    }
    fn process_element(
        &mut self,
        value: F::In,
        context: &mut ProcessContext<'_, (), F::Out>,
    ) -> Result<()> {
        self.0.process_element(value, context)
    }
}

/// Runs a [`CoProcessFunction`].
pub(crate) struct CoProcessOperator<F: CoProcessFunction, S1, S2> {
    function: F,
    selectors: (S1, S2),
    keyed: Option<Keyed<F::Key>>,
    extra: (),
}

impl<F: CoProcessFunction, S1, S2> CoProcessOperator<F, S1, S2> {
    pub(crate) fn new(function: F, selectors: (S1, S2)) -> Self {
        CoProcessOperator { function, selectors, keyed: None, extra: () }
    }
}

impl<F, S1, S2> Operator for CoProcessOperator<F, S1, S2>
where
    F: CoProcessFunction,
    S1: Fn(&F::In1) -> F::Key + 'static,
    S2: Fn(&F::In2) -> F::Key + 'static,
{
    type In = Either<Batch<F::In1>, Batch<F::In2>>;
    type Out = Batch<F::Out>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let function = &mut self.function;
        self.keyed = Some(Keyed::open(context, |context| function.open(context))?);
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Self::Out>) -> Result<()> {
        let keyed = opened(&mut self.keyed)?;
        let function = &mut self.function;
        match batch {
            Either::Left(batch) => {
                keyed.prefetch(&batch, &self.selectors.0)?;
                for (value, timestamp) in batch {
                    let key = (self.selectors.0)(&value);
                    keyed
                        .with_key(&key, timestamp, out, |c| function.process_element1(value, c))
                        .map_err(|e| at_key(e, &key, timestamp))?;
                }
            }
            Either::Right(batch) => {
                keyed.prefetch(&batch, &self.selectors.1)?;
                for (value, timestamp) in batch {
                    let key = (self.selectors.1)(&value);
                    keyed
                        .with_key(&key, timestamp, out, |c| function.process_element2(value, c))
                        .map_err(|e| at_key(e, &key, timestamp))?;
                }
            }
        }
        Ok(())
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        opened(&mut self.keyed)?.snapshot(snapshot)
    }
    keyed_operator!(|function: &mut F, _: &(), time, context: &mut ProcessContext<'_, _, _>| {
        function.on_timer(time, context)
    });
}

const BROADCAST_STATE: &str = "broadcast-state";

/// Runs a [`BroadcastProcessFunction`].
pub(crate) struct BroadcastProcessOperator<F: BroadcastProcessFunction, S> {
    function: F,
    selector: S,
    keyed: Option<Keyed<F::Key>>,
    /// The broadcast state.
    extra: F::State,
}

impl<F: BroadcastProcessFunction, S> BroadcastProcessOperator<F, S> {
    pub(crate) fn new(function: F, selector: S) -> Self {
        BroadcastProcessOperator { function, selector, keyed: None, extra: F::State::default() }
    }
}

impl<F, S> Operator for BroadcastProcessOperator<F, S>
where
    F: BroadcastProcessFunction,
    S: Fn(&F::In) -> F::Key + 'static,
{
    type In = Either<Batch<F::In>, Batch<F::Broadcast>>;
    type Out = Batch<F::Out>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.extra = context.restored.broadcast(BROADCAST_STATE)?.unwrap_or_default();
        let function = &mut self.function;
        self.keyed = Some(Keyed::open(context, |context| function.open(context))?);
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Self::Out>) -> Result<()> {
        let keyed = opened(&mut self.keyed)?;
        let (function, state) = (&mut self.function, &mut self.extra);
        match batch {
            Either::Left(batch) => {
                keyed.prefetch(&batch, &self.selector)?;
                for (value, timestamp) in batch {
                    let key = (self.selector)(&value);
                    keyed
                        .with_key(&key, timestamp, out, |c| {
                            function.process_element(value, state, c)
                        })
                        .map_err(|e| at_key(e, &key, timestamp))?;
                }
            }
            Either::Right(batch) => {
                keyed.states.set_current_key(None);
                for (value, timestamp) in batch {
                    let describe = || format!("broadcast record at event time {timestamp}");
                    let _context = RecordContext::new(&describe);
                    let mut collector = Collector { out, timestamp };
                    function
                        .process_broadcast_element(value, state, &mut collector)
                        .map_err(|e| e.at(describe()))?;
                }
            }
        }
        Ok(())
    }
    fn snapshot(&mut self, _epoch: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        snapshot.put_list_as(BROADCAST_STATE, ListMode::Broadcast, &self.extra)?;
        opened(&mut self.keyed)?.snapshot(snapshot)
    }
    keyed_operator!(|function: &mut F,
                     state: &F::State,
                     time,
                     context: &mut ProcessContext<'_, _, _>| {
        function.on_timer(time, state, context)
    });
}
