//! How each kind of window function keeps the contents of a window.
//!
//! ```text
//!   Folding    one accumulator            reduce, aggregate (+ process)
//!   Listing    all elements               process
//!   Evicting   all elements with times    any of them behind an evictor
//! ```
//!
//! Invariant: `merge(a, b)` holds first what `a` held, then what `b` held.

use super::evictor::{Evictor, EvictorContext, WindowElements};
use super::function::{AggregateFunction, ProcessWindowFunction, WindowContext};
use millstream_core::{Data, EventTime, Result};
use std::marker::PhantomData;
use std::sync::Arc;

/// One kind of window function; `Acc` is what is kept per key and window.
pub(crate) trait WindowFunction<K, T>: Clone + Send + 'static {
    type Acc: Data;
    type Out: Data;
    /// Names the layout of stored contents.
    const KIND: &'static str;
    /// Whether all elements are kept, in an order that the function sees.
    const LISTS: bool = false;
    fn create(&self) -> Self::Acc;
    fn add(&self, acc: &mut Self::Acc, value: T, timestamp: EventTime);
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);
    /// Whether there is nothing to fire with.
    fn is_empty(&self, _acc: &Self::Acc) -> bool {
        false
    }
    fn fire(
        &mut self,
        key: &K,
        acc: &mut Self::Acc,
        ctx: &mut WindowContext<'_, Self::Out>,
    ) -> Result<()>;
    /// Fires with elements that are kept elsewhere.
    fn fire_elements(
        &mut self,
        key: &K,
        elements: &[T],
        ctx: &mut WindowContext<'_, Self::Out>,
    ) -> Result<()>;
}

/// `reduce` as an aggregate: the accumulator is the reduced record.
pub(crate) struct Reduce<T, F> {
    f: F,
    of: PhantomData<fn(T)>,
}

impl<T, F> Reduce<T, F> {
    pub(crate) fn new(f: F) -> Self {
        Reduce { f, of: PhantomData }
    }
}

impl<T, F: Clone> Clone for Reduce<T, F> {
    fn clone(&self) -> Self {
        Reduce::new(self.f.clone())
    }
}

impl<T: Data, F: Fn(T, T) -> T + Clone + Send + 'static> AggregateFunction for Reduce<T, F> {
    type In = T;
    type Acc = Option<T>;
    type Out = Option<T>;
    fn create_accumulator(&self) -> Option<T> {
        None
    }
    #[inline]
    fn add(&self, acc: &mut Option<T>, value: T) {
        *acc = Some(match acc.take() {
            Some(former) => (self.f)(former, value),
            None => value,
        });
    }
    fn merge(&self, acc: &mut Option<T>, other: &Option<T>) {
        if let Some(value) = other {
            self.add(acc, value.clone());
        }
    }
    fn get_result(&self, acc: &Option<T>) -> Option<T> {
        acc.clone()
    }
    fn take_result(&self, acc: Option<T>) -> Option<T> {
        acc
    }
}

/// What is done with the result `R` of an aggregate.
pub(crate) trait EmitResult<K, R>: Clone + Send + 'static {
    type Out: Data;
    fn emit(&mut self, key: &K, result: R, ctx: &mut WindowContext<'_, Self::Out>) -> Result<()>;
}

/// Emits the result itself.
#[derive(Clone)]
pub(crate) struct Direct;

impl<K, R: Data> EmitResult<K, R> for Direct {
    type Out = R;
    #[inline]
    fn emit(&mut self, _: &K, result: R, ctx: &mut WindowContext<'_, R>) -> Result<()> {
        ctx.collect(result);
        Ok(())
    }
}

/// Emits the reduced record. Of no record there is none (where Flink emits null).
#[derive(Clone)]
pub(crate) struct DirectReduced;

impl<K, R: Data> EmitResult<K, Option<R>> for DirectReduced {
    type Out = R;
    #[inline]
    fn emit(&mut self, _: &K, result: Option<R>, ctx: &mut WindowContext<'_, R>) -> Result<()> {
        if let Some(result) = result {
            ctx.collect(result);
        }
        Ok(())
    }
}

/// Gives the result to a process function.
pub(crate) struct Through<P, Out> {
    process: P,
    of: PhantomData<fn(Out)>,
}

impl<P, Out> Through<P, Out> {
    pub(crate) fn new(process: P) -> Self {
        Through { process, of: PhantomData }
    }
}

impl<P: Clone, Out> Clone for Through<P, Out> {
    fn clone(&self) -> Self {
        Through::new(self.process.clone())
    }
}

impl<K, R, P, Out: Data> EmitResult<K, R> for Through<P, Out>
where
    P: ProcessWindowFunction<K, R, Out> + Clone + Send,
{
    type Out = Out;
    fn emit(&mut self, key: &K, result: R, ctx: &mut WindowContext<'_, Out>) -> Result<()> {
        self.process.process(key, std::slice::from_ref(&result), ctx)
    }
}

/// Gives the reduced record, if there is one, to a process function.
pub(crate) struct ThroughReduced<P, Out>(pub(crate) Through<P, Out>);

impl<P: Clone, Out> Clone for ThroughReduced<P, Out> {
    fn clone(&self) -> Self {
        ThroughReduced(self.0.clone())
    }
}

impl<K, R, P, Out: Data> EmitResult<K, Option<R>> for ThroughReduced<P, Out>
where
    P: ProcessWindowFunction<K, R, Out> + Clone + Send,
{
    type Out = Out;
    fn emit(&mut self, key: &K, result: Option<R>, ctx: &mut WindowContext<'_, Out>) -> Result<()> {
        self.0.process.process(key, result.as_slice(), ctx)
    }
}

/// Contents that are one accumulator.
#[derive(Clone)]
pub(crate) struct Folding<A, E> {
    pub(crate) aggregate: A,
    pub(crate) emit: E,
}

impl<K, T, A, E> WindowFunction<K, T> for Folding<A, E>
where
    T: Data,
    A: AggregateFunction<In = T>,
    E: EmitResult<K, A::Out>,
{
    type Acc = A::Acc;
    type Out = E::Out;
    const KIND: &'static str = "aggregate";
    fn create(&self) -> A::Acc {
        self.aggregate.create_accumulator()
    }
    #[inline]
    fn add(&self, acc: &mut A::Acc, value: T, _: EventTime) {
        self.aggregate.add(acc, value);
    }
    fn merge(&self, acc: &mut A::Acc, other: A::Acc) {
        self.aggregate.merge(acc, &other);
    }
    fn fire(
        &mut self,
        key: &K,
        acc: &mut A::Acc,
        ctx: &mut WindowContext<'_, E::Out>,
    ) -> Result<()> {
        self.emit.emit(key, self.aggregate.get_result(acc), ctx)
    }
    fn fire_elements(
        &mut self,
        key: &K,
        elements: &[T],
        ctx: &mut WindowContext<'_, E::Out>,
    ) -> Result<()> {
        let mut acc = self.aggregate.create_accumulator();
        for element in elements {
            self.aggregate.add(&mut acc, element.clone());
        }
        self.emit.emit(key, self.aggregate.take_result(acc), ctx)
    }
}

/// Contents that are all elements.
pub(crate) struct Listing<P, Out>(pub(crate) Through<P, Out>);

impl<P: Clone, Out> Clone for Listing<P, Out> {
    fn clone(&self) -> Self {
        Listing(self.0.clone())
    }
}

impl<K, T, P, Out> WindowFunction<K, T> for Listing<P, Out>
where
    K: 'static,
    T: Data,
    Out: Data,
    P: ProcessWindowFunction<K, T, Out> + Clone + Send,
{
    type Acc = Vec<T>;
    type Out = Out;
    const KIND: &'static str = "elements";
    const LISTS: bool = true;
    fn create(&self) -> Vec<T> {
        Vec::new()
    }
    fn add(&self, acc: &mut Vec<T>, value: T, _: EventTime) {
        acc.push(value);
    }
    fn merge(&self, acc: &mut Vec<T>, mut other: Vec<T>) {
        acc.append(&mut other);
    }
    fn fire(&mut self, key: &K, acc: &mut Vec<T>, ctx: &mut WindowContext<'_, Out>) -> Result<()> {
        self.0.process.process(key, acc, ctx)
    }
    fn fire_elements(
        &mut self,
        key: &K,
        elements: &[T],
        ctx: &mut WindowContext<'_, Out>,
    ) -> Result<()> {
        self.0.process.process(key, elements, ctx)
    }
}

/// Any function behind an evictor, or one that is given its elements in order of time.
pub(crate) struct Evicting<T, F> {
    pub(crate) evictor: Option<Arc<dyn Evictor<T>>>,
    pub(crate) by_time: bool,
    pub(crate) inner: F,
}

impl<T, F: Clone> Clone for Evicting<T, F> {
    fn clone(&self) -> Self {
        Evicting { evictor: self.evictor.clone(), by_time: self.by_time, inner: self.inner.clone() }
    }
}

impl<K, T: Data, F: WindowFunction<K, T>> WindowFunction<K, T> for Evicting<T, F> {
    type Acc = WindowElements<T>;
    type Out = F::Out;
    const KIND: &'static str = "elements with times";
    fn create(&self) -> WindowElements<T> {
        WindowElements::default()
    }
    fn add(&self, acc: &mut WindowElements<T>, value: T, timestamp: EventTime) {
        acc.push(value, timestamp);
    }
    fn merge(&self, acc: &mut WindowElements<T>, other: WindowElements<T>) {
        acc.append(other);
    }
    fn is_empty(&self, acc: &WindowElements<T>) -> bool {
        acc.is_empty()
    }
    fn fire(
        &mut self,
        key: &K,
        acc: &mut WindowElements<T>,
        ctx: &mut WindowContext<'_, F::Out>,
    ) -> Result<()> {
        if self.by_time {
            acc.sort_by_time();
        }
        let Some(evictor) = &self.evictor else {
            return self.inner.fire_elements(key, acc.values(), ctx);
        };
        let evictor_ctx = EvictorContext { watermark: ctx.watermark, clock: ctx.clock };
        evictor.evict_before(acc, ctx.window, &evictor_ctx)?;
        self.inner.fire_elements(key, acc.values(), ctx)?;
        evictor.evict_after(acc, ctx.window, &evictor_ctx)
    }
    fn fire_elements(
        &mut self,
        key: &K,
        elements: &[T],
        ctx: &mut WindowContext<'_, F::Out>,
    ) -> Result<()> {
        self.inner.fire_elements(key, elements, ctx)
    }
}
