//! Rows of two streams that are in the same window of the same key.
//!
//! The general window operator over the union of both streams, as in Flink: assigners,
//! triggers and evictors see `Either` rows. The window keeps the rows of both sides in
//! order of arrival; when it fires, a co-group is given both lists, a join every pair.
//!
//! Invariant: a join gives no result for a window in which one side is empty; a co-group
//! does.
//! Source: Flink's `JoinedStreams` and `CoGroupedStreams`.

use super::JoinOperatorFactory;
use crate::chain::{Output, OutputTag};
use crate::operator::{Operator, OperatorContext, Progress};
use crate::snapshot::OperatorSnapshot;
use crate::window::{
    BoxedOperator, Evictor, Trigger, WindowAssigner, WindowContext, WindowOperatorBuilder,
    WindowOperatorFactory,
};
use millstream_core::{Batch, Data, Either, Epoch, Key, Result, Watermark};
use std::time::Duration;

/// Builds a join or co-group by window.
///
/// ```
/// use millstream_core::{Batch, Either};
/// use millstream_runtime::join::WindowJoinBuilder;
/// use millstream_runtime::window::TumblingEventTimeWindows;
/// use millstream_testkit::OperatorHarness;
/// use std::time::Duration;
/// let factory = WindowJoinBuilder::new(
///     |order: &(u32, String)| order.0,
///     |payment: &(u32, u64)| payment.0,
///     TumblingEventTimeWindows::of(Duration::from_secs(60)),
/// )
/// .join(|order, payment| format!("{} paid {}", order.1, payment.1))
/// .unwrap();
/// let mut harness = OperatorHarness::new(factory.create());
/// let order = Batch::from_parts(vec![(1, "tea".to_owned())], vec![5_000]);
/// let payment = Batch::from_parts(vec![(1, 3)], vec![8_000]);
/// harness.input(Either::Left(order)).unwrap();
/// harness.input(Either::Right(payment)).unwrap();
/// harness.watermark(60_000).unwrap();
/// assert_eq!(harness.take_text(), [r#""tea paid 3" @59999"#, "watermark 60000"]);
/// ```
pub struct WindowJoinBuilder<A, B, K, S>(WindowOperatorBuilder<Either<A, B>, K, S>);

impl<A: Data, B: Data, K: Key> WindowJoinBuilder<A, B, K, ()> {
    /// Windows by `assigner` over the rows of both streams, by key.
    pub fn new(
        first_key: impl Fn(&A) -> K + Clone + Send + 'static,
        second_key: impl Fn(&B) -> K + Clone + Send + 'static,
        assigner: impl WindowAssigner<Either<A, B>>,
    ) -> WindowJoinBuilder<A, B, K, impl Fn(&Either<A, B>) -> K + Clone + Send + 'static> {
        let key_of = move |row: &Either<A, B>| match row {
            Either::Left(row) => first_key(row),
            Either::Right(row) => second_key(row),
        };
        WindowJoinBuilder(WindowOperatorBuilder::new(key_of, assigner))
    }
}

impl<A, B, K, S> WindowJoinBuilder<A, B, K, S>
where
    A: Data,
    B: Data,
    K: Key,
    S: Fn(&Either<A, B>) -> K + Clone + Send + 'static,
{
    /// Fires by `trigger` in place of the assigner's default.
    pub fn trigger(self, trigger: impl Trigger<Either<A, B>>) -> Self {
        WindowJoinBuilder(self.0.trigger(trigger))
    }
    /// Removes rows before or after the function.
    pub fn evictor(self, evictor: impl Evictor<Either<A, B>>) -> Self {
        WindowJoinBuilder(self.0.evictor(evictor))
    }
    /// How long after its end a window still takes rows; each makes it fire again, with
    /// all of its pairs.
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        WindowJoinBuilder(self.0.allowed_lateness(lateness))
    }
    /// The same in milliseconds; a negative number is refused when the job is built.
    pub fn allowed_lateness_ms(self, lateness_ms: i64) -> Self {
        WindowJoinBuilder(self.0.allowed_lateness_ms(lateness_ms))
    }
    /// Sends late rows of either side to a side output.
    pub fn late_tag(self, tag: OutputTag<Either<A, B>>) -> Self {
        WindowJoinBuilder(self.0.late_tag(tag))
    }

    /// Gives one result for each pair, by first row and then by second, each in order of
    /// arrival.
    ///
    /// # Errors
    /// `Config` when the parts do not fit together, saying which and what to do.
    pub fn join<F, Out>(self, f: F) -> Result<JoinOperatorFactory<A, B, Out>>
    where
        F: Fn(&A, &B) -> Out + Clone + Send + 'static,
        Out: Data,
    {
        self.co_group(
            move |_: &K, first: &[&A], second: &[&B], ctx: &mut WindowContext<'_, Out>| {
                for a in first {
                    for b in second {
                        ctx.collect(f(a, b));
                    }
                }
                Ok(())
            },
        )
    }
    /// Gives the rows of both sides to a function, also when one side has none.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn co_group<F, Out>(self, mut f: F) -> Result<JoinOperatorFactory<A, B, Out>>
    where
        F: FnMut(&K, &[&A], &[&B], &mut WindowContext<'_, Out>) -> Result<()>
            + Clone
            + Send
            + 'static,
        Out: Data,
    {
        let process =
            move |key: &K, rows: &[Either<A, B>], ctx: &mut WindowContext<'_, Out>| -> Result<()> {
                let (mut first, mut second) = (Vec::new(), Vec::new());
                for row in rows {
                    match row {
                        Either::Left(row) => first.push(row),
                        Either::Right(row) => second.push(row),
                    }
                }
                f(key, &first, &second, ctx)
            };
        let factory = self.0.process(process)?;
        Ok(WindowOperatorFactory::new(factory, |factory| Box::new(Union(factory.create()))))
    }
}

/// Turns batches of either side into batches of either rows.
struct Union<A, B, Out>(BoxedOperator<Batch<Either<A, B>>, Out>);

impl<A: Data, B: Data, Out: Data> Operator for Union<A, B, Out> {
    type In = Either<Batch<A>, Batch<B>>;
    type Out = Batch<Out>;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        self.0.open(ctx)
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<Batch<Out>>) -> Result<()> {
        let rows = match batch {
            Either::Left(batch) => batch.map(Either::Left),
            Either::Right(batch) => batch.map(Either::Right),
        };
        self.0.on_batch(rows, out)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<Out>>,
    ) -> Result<Progress> {
        self.0.on_watermark(watermark, out)
    }
    fn next_processing_time(&self) -> Option<i64> {
        self.0.next_processing_time()
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Batch<Out>>) -> Result<()> {
        self.0.on_processing_time(now_ms, out)
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.0.snapshot(epoch, into)
    }
}
