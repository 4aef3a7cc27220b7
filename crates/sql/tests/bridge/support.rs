//! A source that can be held, and jobs of one worker.

use millstream_connectors::CollectSink;
use millstream_core::{Data, Epoch, Result};
use millstream_datastream::{DataStream, StreamExecutionEnvironment};
use millstream_runtime::{
    OperatorContext, OperatorSnapshot, Source, SourceOutput, SourcePoll, SourceReader,
    WatermarkStrategy,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Records with event times, given out one by one by one subtask; none from `stop` on.
#[derive(Clone)]
pub(crate) struct Script<T> {
    records: Vec<(T, i64)>,
    stop: usize,
    given: Arc<AtomicU64>,
}

impl<T: Data> Script<T> {
    pub(crate) fn new(records: impl IntoIterator<Item = (T, i64)>) -> Self {
        let records = records.into_iter().collect();
        Script { records, stop: usize::MAX, given: Arc::default() }
    }
    pub(crate) fn stop_at(self, stop: usize) -> Self {
        Script { stop, ..self }
    }
    pub(crate) fn given(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.given)
    }
}

struct Reader<T> {
    script: Script<T>,
    at: usize,
    to: usize,
    split: Option<usize>,
}

impl<T: Data> Source for Script<T> {
    type Out = T;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        let at = context.restored.list_union::<u64>("at")?.into_iter().max().unwrap_or(0) as usize;
        let to = if context.subtask.index == 0 { self.records.len() } else { 0 };
        Ok(Box::new(Reader { script: self.clone(), at: at.min(to), to, split: None }))
    }
}
impl<T: Data> SourceReader<T> for Reader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        let split = *self.split.get_or_insert_with(|| out.add_split());
        if self.at >= self.to {
            return Ok(SourcePoll::End);
        }
        if self.at >= self.script.stop {
            return Ok(SourcePoll::Wait(Some(out.now_ms() + 1)));
        }
        let (record, time) = &self.script.records[self.at];
        out.collect(split, record.clone(), *time);
        self.at += 1;
        self.script.given.fetch_add(1, Ordering::SeqCst);
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list("at", &(self.at as u64))
    }
}

/// One worker; a watermark behind every record that moves it.
pub(crate) fn environment() -> StreamExecutionEnvironment {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(1).set_auto_watermark_interval(Duration::ZERO);
    env
}

/// Records with their event times; the watermark is right behind them.
pub(crate) fn timed<T: Data>(
    env: &StreamExecutionEnvironment,
    records: impl IntoIterator<Item = (T, i64)>,
) -> DataStream<T> {
    env.from_source(Script::new(records), WatermarkStrategy::for_monotonous_timestamps(), "script")
}

/// Records without event times.
pub(crate) fn plain<T: Data>(
    env: &StreamExecutionEnvironment,
    records: impl IntoIterator<Item = T>,
) -> DataStream<T> {
    let records = records.into_iter().map(|record| (record, millstream_core::NO_TIMESTAMP));
    env.from_source(Script::new(records), WatermarkStrategy::no_watermarks(), "script")
}

/// What the stream has when the job is at its end.
pub(crate) fn collect<T: Data>(
    env: &StreamExecutionEnvironment,
    stream: &DataStream<T>,
) -> Result<Vec<T>> {
    let sink = CollectSink::new();
    let seen = sink.handle();
    stream.sink_to(sink);
    env.execute("test")?;
    Ok(seen.take())
}

pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(50), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
