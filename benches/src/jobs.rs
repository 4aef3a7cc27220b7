//! The cases, each as a job on the public DataStream API.

use crate::bids::{Bid, Bids};
use crate::hand;
use crate::usage::{cpu_seconds, memory_mib};
use millstream_core::{Batch, Epoch, Result, Watermark};
use millstream_datastream::{JobArgs, StreamExecutionEnvironment};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::{
    AggregateFunction, SlidingEventTimeWindows, TumblingEventTimeWindows, WindowContext,
};
use millstream_runtime::{
    Operator, OperatorContext, OperatorSnapshot, Output, Progress, Sink, SinkWriter,
};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Counts rows and drops them; with a clock, keeps how old each was.
pub(crate) struct DropSink<T> {
    rows: Arc<AtomicU64>,
    ages: Option<(Instant, Arc<Mutex<Vec<u32>>>)>,
    time: fn(&T) -> i64,
}

struct DropWriter<T> {
    rows: Arc<AtomicU64>,
    ages: Option<(Instant, Arc<Mutex<Vec<u32>>>)>,
    time: fn(&T) -> i64,
    of: PhantomData<T>,
}

impl<T: millstream_core::Data> Sink<T> for DropSink<T> {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        let (rows, ages, time) = (Arc::clone(&self.rows), self.ages.clone(), self.time);
        Ok(Box::new(DropWriter { rows, ages, time, of: PhantomData }))
    }
}

impl<T: millstream_core::Data> SinkWriter<T> for DropWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        self.rows.fetch_add(batch.len() as u64, Ordering::Relaxed);
        if let Some((start, ages)) = &self.ages {
            let now = start.elapsed().as_micros() as i64;
            let age = |row: &T| (now - (self.time)(row)).max(0) as u32;
            let mut ages = ages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            ages.extend(batch.values().iter().map(age));
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn sink<T: millstream_core::Data>(rows: &Arc<AtomicU64>) -> DropSink<T> {
    DropSink { rows: Arc::clone(rows), ages: None, time: |_| 0 }
}

/// Number of bids.
#[derive(Clone)]
struct CountBids;
impl AggregateFunction for CountBids {
    type In = Bid;
    type Acc = u64;
    type Out = u64;
    fn create_accumulator(&self) -> u64 {
        0
    }
    fn add(&self, count: &mut u64, _: Bid) {
        *count += 1;
    }
    fn merge(&self, count: &mut u64, other: &u64) {
        *count += other;
    }
    fn get_result(&self, count: &u64) -> u64 {
        *count
    }
}

/// Highest bid of every 10 s of one subtask, before the exchange: an operator of the
/// user's own, as Flink's `transform` takes them.
#[derive(Default)]
struct LocalHighest(BTreeMap<i64, (u64, u64)>);

const WINDOW_MS: i64 = 10_000;

impl Operator for LocalHighest {
    type In = Batch<Bid>;
    type Out = Batch<(u64, u64)>;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        for (window, best) in
            context.restored.list::<(i64, (u64, u64))>("best", &context.subtask)?
        {
            let kept = self.0.entry(window).or_default();
            *kept = best.max(*kept);
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: Batch<Bid>, _: &mut Output<Self::Out>) -> Result<()> {
        let window = |bid: &Bid| bid.time.div_euclid(WINDOW_MS);
        for run in batch.values().chunk_by(|a, b| window(a) == window(b)) {
            let best = self.0.entry(window(&run[0])).or_default();
            run.iter().for_each(|bid| *best = (*best).max((bid.price, bid.auction)));
        }
        Ok(())
    }
    fn on_watermark(&mut self, at: Watermark, out: &mut Output<Self::Out>) -> Result<Progress> {
        while let Some(first) = self.0.first_entry() {
            let last_ms = (*first.key() + 1) * WINDOW_MS - 1;
            if last_ms > at.0 {
                break;
            }
            out.collect(first.remove(), last_ms);
        }
        Ok(Progress::Done)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.0.iter().try_for_each(|entry| snapshot.put_list("best", &entry))
    }
}

fn environment(workers: usize) -> StreamExecutionEnvironment {
    StreamExecutionEnvironment::with_args(JobArgs {
        workers: Some(workers),
        processes: 1,
        ..JobArgs::default()
    })
}

/// Runs one case and gives its figures as a line of `name=number`.
pub(crate) fn run(case: &str, events: u64) -> String {
    let rows = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    match case {
        "hand-count" => store(&rows, hand::mesh::<hand::Count>(events, true)),
        "hand-q5" => store(&rows, hand::mesh::<hand::Hopping>(events, true)),
        "hand-q7" => store(&rows, hand::mesh::<hand::Highest>(events, false)),
        "idle" => return idle(),
        "latency" => return latency(),
        _ => {
            let env = environment(2);
            build(case, events, &env, &rows);
            if let Err(error) = env.execute(case) {
                return format!("failed: {error}");
            }
        }
    }
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds());
    format!(
        "mev_per_s={:.2} mev_per_cpu_s={:.2} rows={} peak_mib={}",
        events as f64 / seconds / 1e6,
        events as f64 / cpu / 1e6,
        rows.load(Ordering::Relaxed),
        memory_mib("VmHWM")
    )
}

fn store(rows: &AtomicU64, count: usize) {
    rows.store(count as u64, Ordering::Relaxed);
}

fn build(case: &str, events: u64, env: &StreamExecutionEnvironment, rows: &Arc<AtomicU64>) {
    let event_time = case.starts_with('q');
    let bids = Bids { events, event_time, rate: 0, stamp: None };
    let bids = match event_time {
        true => {
            let strategy = WatermarkStrategy::for_monotonous_timestamps();
            env.from_source(bids, strategy, "bids")
        }
        false => env.from_source(bids, WatermarkStrategy::no_watermarks(), "bids"),
    };
    let running = |count: &mut Option<u64>, bid: Bid| {
        let count = count.get_or_insert(0);
        *count += 1;
        (bid.auction, *count, bid.time)
    };
    match case {
        "count" => {
            bids.key_by(|b| b.auction).map_with_state(running).sink_to(sink(rows));
        }
        // Two exchanges behind each other; in front of the second one, work of 400 ns a row.
        "slow" | "fast" => {
            let slow = case == "slow";
            bids.key_by(|b| b.auction)
                .map_with_state(running)
                .key_by(|row| row.0)
                .map_with_state(move |_: &mut Option<u64>, row: (u64, u64, i64)| {
                    let begin = Instant::now();
                    while slow && begin.elapsed() < Duration::from_nanos(400) {
                        std::hint::spin_loop();
                    }
                    row
                })
                .sink_to(sink(rows));
        }
        "q5" => {
            let windows =
                SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(2));
            bids.key_by(|b| b.auction)
                .window(windows)
                .aggregate_with(
                    CountBids,
                    |auction: &u64, n: &[u64], ctx: &mut WindowContext<'_, (i64, u64, u64)>| {
                        let end = ctx.window().end;
                        n.iter().for_each(|n| ctx.collect((end, *auction, *n)));
                        Ok(())
                    },
                )
                .sink_to(sink(rows));
        }
        // The highest bid of each subtask and window, then of each window.
        _ => {
            let windows = TumblingEventTimeWindows::of(Duration::from_secs(10));
            bids.transform("local_highest", |_| Ok(LocalHighest::default()))
                .window_all(windows)
                .reduce(|a, b| a.max(b))
                .sink_to(sink(rows));
        }
    }
}

/// Age of records at the sink, at 100,000 a second through one exchange.
fn latency() -> String {
    let env = environment(2);
    let start = Instant::now();
    let ages = Arc::new(Mutex::new(Vec::new()));
    let bids = Bids { events: 1_000_000, event_time: false, rate: 100_000, stamp: Some(start) };
    env.from_source(bids, WatermarkStrategy::no_watermarks(), "bids")
        .key_by(|b| b.auction)
        .map_with_state(|count: &mut Option<u64>, bid: Bid| {
            *count.get_or_insert(0) += 1;
            bid
        })
        .sink_to(DropSink {
            rows: Arc::default(),
            ages: Some((start, Arc::clone(&ages))),
            time: |bid: &Bid| bid.time,
        });
    if let Err(error) = env.execute("latency") {
        return format!("failed: {error}");
    }
    let mut ages = ages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ages.sort_unstable();
    let at = |share: f64| ages.get((ages.len() as f64 * share) as usize).copied().unwrap_or(0);
    format!("p50_us={} p99_us={} p999_us={}", at(0.5), at(0.99), at(0.999))
}

/// Start-up to the first record, and what a job without input costs.
fn idle() -> String {
    let env = environment(2);
    let begin = Instant::now();
    let first = Arc::new(AtomicU64::new(u64::MAX));
    let seen = Arc::clone(&first);
    // Ten records, and then one every 100 s.
    let bids = Bids { events: u64::MAX, event_time: false, rate: 0, stamp: None };
    let bids = Waiting(bids);
    env.from_source(bids, WatermarkStrategy::no_watermarks(), "bids")
        .key_by(|b| b.auction)
        .map_with_state(move |_: &mut Option<u64>, bid: Bid| {
            seen.fetch_min(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
            bid
        })
        .sink_to(sink(&Arc::default()));
    let job = match env.execute_async("idle") {
        Ok(job) => job,
        Err(error) => return format!("failed: {error}"),
    };
    std::thread::sleep(Duration::from_millis(500));
    let before = cpu_seconds();
    std::thread::sleep(Duration::from_secs(5));
    let cpu = cpu_seconds() - before;
    let memory = memory_mib("VmRSS");
    job.handle().cancel();
    let _ = job.wait(); // cancelled
    let first = first.load(Ordering::Relaxed);
    format!("first_record_us={first} idle_rss_mib={memory} idle_cpu_ms_in_5_s={:.1}", cpu * 1e3)
}

/// One batch, then nothing.
struct Waiting(Bids);
struct WaitingReader(Option<Bid>);

impl millstream_runtime::Source for Waiting {
    type Out = Bid;
    fn create_reader(
        &self,
        _: &OperatorContext,
    ) -> Result<Box<dyn millstream_runtime::SourceReader<Bid>>> {
        Ok(Box::new(WaitingReader(Some(crate::bids::bid(self.0.rate)))))
    }
}

impl millstream_runtime::SourceReader<Bid> for WaitingReader {
    fn poll(
        &mut self,
        out: &mut millstream_runtime::SourceOutput<'_, Bid>,
    ) -> Result<millstream_runtime::SourcePoll> {
        if let Some(bid) = self.0.take() {
            let split = out.add_split();
            out.collect(split, bid, millstream_core::NO_TIMESTAMP);
        }
        Ok(millstream_runtime::SourcePoll::Wait(None))
    }
    fn snapshot(
        &mut self,
        _: millstream_core::Epoch,
        _: &mut millstream_runtime::OperatorSnapshot,
    ) -> Result<()> {
        Ok(())
    }
}
