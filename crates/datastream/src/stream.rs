//! A stream of records: what can be done with it record by record.

use crate::connected::{BroadcastStream, ConnectedStreams};
use crate::env::Graph;
use crate::function::{Collector, ProcessFunction};
use crate::keyed::KeyedStream;
use crate::process::{KeyedProcessOperator, Unkeyed};
use crate::transform::{Filter, FlatMap, Map};
use millstream_core::{Batch, Data, Key, Result};
use millstream_runtime::async_io::{AsyncFunction, AsyncOptions, AsyncWaitOperator};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::{
    AssignWatermarks, Chaining, Input, NodeId, NodeSpec, Operator, OperatorContext, OutputTag,
    Partitioner, Sink,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the records of a stream come from: an output of a node, dealt out somehow.
pub(crate) struct Upstream<T> {
    pub(crate) node: NodeId,
    pub(crate) tag: Option<&'static str>,
    pub(crate) partitioner: Partitioner<T>,
}

impl<T: Data> Clone for Upstream<T> {
    fn clone(&self) -> Self {
        Upstream { node: self.node, tag: self.tag, partitioner: self.partitioner.clone() }
    }
}

/// A stream of records of type `T` (Flink's `DataStream` and `SingleOutputStreamOperator`).
///
/// `name`, `uid`, `set_parallelism` and the chaining settings are about the operator
/// that was added last.
pub struct DataStream<T> {
    pub(crate) graph: Graph,
    pub(crate) upstreams: Vec<Upstream<T>>,
}

impl<T: Data> Clone for DataStream<T> {
    fn clone(&self) -> Self {
        DataStream { graph: self.graph.clone(), upstreams: self.upstreams.clone() }
    }
}

/// Hands each subtask a clone of a user's function, which need not be `Sync`.
pub(crate) fn prototype<F: Clone + Send + 'static>(f: F) -> impl Fn() -> F + Send + Sync + 'static {
    let prototype = Mutex::new(f);
    move || prototype.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl<T: Data> DataStream<T> {
    pub(crate) fn of_node(graph: Graph, node: NodeId) -> Self {
        let upstream = Upstream { node, tag: None, partitioner: Partitioner::forward() };
        DataStream { graph, upstreams: vec![upstream] }
    }

    pub(crate) fn inputs(&self) -> Vec<Input<Batch<T>>> {
        self.input_maker()()
    }

    /// Makes the inputs of an operator that reads this stream, as often as it is asked, on any
    /// thread: for an API on top of this one
    /// ([`with_job_graph`](crate::StreamExecutionEnvironment::with_job_graph)).
    pub fn input_maker(&self) -> impl Fn() -> Vec<Input<Batch<T>>> + Send + Sync + use<T> {
        let upstreams = self.upstreams.clone();
        let input = |u: Upstream<T>| Input::new(u.node, u.tag, u.partitioner);
        move || upstreams.iter().cloned().map(input).collect()
    }

    /// Adds a one-input operator of your own; `make` is called once for each subtask.
    pub fn transform<U: Data, O: Operator<In = Batch<T>, Out = Batch<U>>>(
        &self,
        name: &str,
        make: impl Fn(&OperatorContext) -> Result<O> + Send + Sync + 'static,
    ) -> DataStream<U> {
        let spec = NodeSpec { name: name.into(), ..NodeSpec::default() };
        let node = self.graph.borrow_mut().job.add_operator(spec, self.inputs(), make);
        DataStream::of_node(self.graph.clone(), node)
    }

    /// Replaces every record.
    pub fn map<U: Data>(&self, f: impl FnMut(T) -> U + Clone + Send + 'static) -> DataStream<U> {
        let f = prototype(f);
        self.transform("map", move |_| Ok(Map::new(f())))
    }

    /// Keeps the records for which `f` holds.
    pub fn filter(&self, f: impl FnMut(&T) -> bool + Clone + Send + 'static) -> DataStream<T> {
        let f = prototype(f);
        self.transform("filter", move |_| Ok(Filter::new(f())))
    }

    /// Replaces every record by none, one or many; an error ends the job.
    pub fn flat_map<U: Data>(
        &self,
        f: impl FnMut(T, &mut Collector<'_, U>) -> Result<()> + Clone + Send + 'static,
    ) -> DataStream<U> {
        let f = prototype(f);
        self.transform("flat_map", move |_| Ok(FlatMap::new(f())))
    }

    /// Asks an outside system about every record without waiting for one answer before
    /// the next question (Flink's `AsyncDataStream`). The options say whether results
    /// come in the order of the records (`orderedWait`) or as they are answered
    /// (`unorderedWait`), how many requests may be in flight, how long to wait, and what
    /// to send again. A result has its record's event time and overtakes no watermark.
    ///
    /// `function` is a closure that gives a future, or an [`AsyncFunction`]; it runs on
    /// the I/O runtime, not on a worker. Each subtask has a clone and its own capacity.
    /// What is in flight at a checkpoint is stored, and asked again after a restore.
    ///
    /// # Errors
    /// An error that is not retried any more, and a timeout unless the function answers
    /// it, end the job. Options that make no sense end it before it runs.
    ///
    /// ```
    /// use millstream_datastream::StreamExecutionEnvironment;
    /// use millstream_runtime::WatermarkStrategy;
    /// use millstream_runtime::async_io::{AsyncOptions, RetryStrategy};
    /// # use millstream_core::{Epoch, Result};
    /// # use millstream_runtime::*;
    /// use std::time::Duration;
    /// # struct Ids;
    /// # impl Source for Ids {
    /// #     type Out = u32;
    /// #     fn create_reader(&self, _: &OperatorContext) -> Result<Box<dyn SourceReader<u32>>> {
    /// #         Ok(Box::new(Ids))
    /// #     }
    /// # }
    /// # impl SourceReader<u32> for Ids {
    /// #     fn poll(&mut self, out: &mut SourceOutput<'_, u32>) -> Result<SourcePoll> {
    /// #         let split = out.add_split();
    /// #         (1..=3).for_each(|n| out.collect(split, n, 100 * i64::from(n)));
    /// #         Ok(SourcePoll::End)
    /// #     }
    /// #     fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// /// Stands for a request over the network.
    /// async fn look_up(id: u32) -> Result<Option<String>> {
    ///     Ok((id != 2).then(|| format!("user-{id}")))
    /// }
    ///
    /// let env = StreamExecutionEnvironment::new();
    /// env.set_parallelism(1);
    /// env.from_source(Ids, WatermarkStrategy::no_watermarks(), "ids")
    ///     .async_wait(
    ///         |id: u32| look_up(id),
    ///         AsyncOptions::ordered(Duration::from_secs(5))
    ///             .capacity(20)
    ///             .retry(RetryStrategy::fixed_delay(3, Duration::from_millis(100))),
    ///     )
    ///     .map(|user| assert!(user == "user-1" || user == "user-3"));
    /// env.execute("users")?;
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    #[doc(alias = "orderedWait")]
    #[doc(alias = "unorderedWait")]
    pub fn async_wait<U: Data, F>(&self, function: F, options: AsyncOptions<U>) -> DataStream<U>
    where
        F: AsyncFunction<T, U> + Clone,
    {
        let (function, checked) = (prototype(function), options.clone());
        let stream = self.transform("async_wait", move |_| {
            Ok(AsyncWaitOperator::new(function(), options.clone()))
        });
        let node = stream.upstreams[0].node;
        self.graph.borrow_mut().job.set_validation(node, move || checked.validate());
        stream
    }

    /// Runs a [`ProcessFunction`]: side outputs, context, metrics.
    pub fn process<F: ProcessFunction<In = T>>(&self, function: F) -> DataStream<F::Out> {
        let function = prototype(Unkeyed(function));
        self.transform("process", move |_| Ok(KeyedProcessOperator::new(function(), |_: &T| ())))
    }

    /// Sends all records with one key to one subtask, and gives access to keyed state.
    /// The closure must give the same key for the same record, whenever it is asked.
    pub fn key_by<K: Key, F>(&self, key: F) -> KeyedStream<T, K, F>
    where
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        let stream = self.partitioned(&Partitioner::key_group(key.clone()));
        KeyedStream::new(stream, key)
    }

    /// This stream and others of its type, in any order between them.
    pub fn union(&self, others: &[&DataStream<T>]) -> DataStream<T> {
        let mut union = self.clone();
        others.iter().for_each(|other| union.upstreams.extend(other.upstreams.iter().cloned()));
        union
    }

    /// Two streams of different types for one function.
    pub fn connect<U: Data>(&self, other: &DataStream<U>) -> ConnectedStreams<T, U> {
        ConnectedStreams { first: self.clone(), second: other.clone() }
    }

    /// This stream for one function with a stream that every subtask sees whole.
    pub fn connect_broadcast<U: Data>(&self, other: &DataStream<U>) -> BroadcastStream<T, U> {
        BroadcastStream { first: self.clone(), broadcast: other.broadcast() }
    }

    fn partitioned(&self, partitioner: &Partitioner<T>) -> DataStream<T> {
        let mut stream = self.clone();
        stream.upstreams.iter_mut().for_each(|u| u.partitioner = partitioner.clone());
        stream
    }
    /// Record by record in turn to all subtasks of the next operator.
    pub fn rebalance(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::rebalance())
    }
    /// In turn to a near share of the subtasks of the next operator.
    pub fn rescale(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::rescale())
    }
    /// Each record to a subtask by chance (seeded: the same job deals the same way).
    pub fn shuffle(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::shuffle(0x4d49_4c4c))
    }
    /// A copy of every record to every subtask of the next operator.
    pub fn broadcast(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::broadcast())
    }
    /// Everything to the first subtask of the next operator.
    pub fn global(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::global())
    }
    /// To the subtask of the same index of the next operator.
    pub fn forward(&self) -> DataStream<T> {
        self.partitioned(&Partitioner::forward())
    }
    /// To the subtask `choose(record, number of subtasks)`.
    pub fn partition_custom(
        &self,
        choose: impl Fn(&T, usize) -> usize + Clone + Send + Sync + 'static,
    ) -> DataStream<T> {
        self.partitioned(&Partitioner::custom(choose))
    }

    /// Gives records event times and the stream watermarks, in place of those it has.
    pub fn assign_timestamps_and_watermarks(
        &self,
        strategy: WatermarkStrategy<T>,
    ) -> DataStream<T> {
        let refused = strategy.alignment().is_some();
        let strategy = prototype(strategy);
        let stream = self.transform("watermarks", move |_| Ok(AssignWatermarks::new(strategy())));
        if refused {
            stream.graph.borrow_mut().job.set_validation(stream.upstreams[0].node, || {
                Err(millstream_core::Error::config(
                    "watermark alignment works at sources only: splits are paused there",
                )
                .advice("give the strategy to from_source"))
            });
        }
        stream
    }

    /// The records that the last operator emitted to side output `tag`.
    pub fn side_output<U: Data>(&self, tag: &OutputTag<U>) -> DataStream<U> {
        let mut stream = DataStream { graph: self.graph.clone(), upstreams: vec![] };
        for upstream in &self.upstreams {
            self.graph.borrow_mut().job.add_side(upstream.node, tag);
            stream.upstreams.push(Upstream {
                node: upstream.node,
                tag: Some(tag.id()),
                partitioner: Partitioner::forward(),
            });
        }
        stream
    }

    /// Writes the stream to a sink. The answer is for settings of the sink's operator.
    pub fn sink_to(&self, sink: impl Sink<T>) -> DataStream<()> {
        let spec = NodeSpec { name: "sink".into(), ..NodeSpec::default() };
        let node = self.graph.borrow_mut().job.add_sink(spec, self.inputs(), Arc::new(sink));
        DataStream::of_node(self.graph.clone(), node)
    }

    fn spec(&self, set: impl Fn(&mut NodeSpec)) -> DataStream<T> {
        let mut graph = self.graph.borrow_mut();
        self.upstreams.iter().for_each(|u| set(graph.job.spec_mut(u.node)));
        drop(graph);
        self.clone()
    }
    /// Names the last operator, for plans, metrics and errors.
    pub fn name(&self, name: &str) -> DataStream<T> {
        self.spec(|spec| spec.name = name.into())
    }
    /// Sets the identity under which the last operator's state is stored.
    pub fn uid(&self, uid: &str) -> DataStream<T> {
        self.spec(|spec| spec.uid = Some(uid.into()))
    }
    /// Sets the number of subtasks of the last operator.
    pub fn set_parallelism(&self, parallelism: usize) -> DataStream<T> {
        self.spec(|spec| spec.parallelism = Some(parallelism))
    }
    /// Never fuses the last operator with its neighbours.
    pub fn disable_chaining(&self) -> DataStream<T> {
        self.spec(|spec| spec.chaining = Chaining::Never)
    }
    /// Fuses the last operator with what comes after it, not with what comes before.
    pub fn start_new_chain(&self) -> DataStream<T> {
        self.spec(|spec| spec.chaining = Chaining::Head)
    }
}
