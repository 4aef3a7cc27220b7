//! Unique users per hour, at the scale of 10 million events an hour.
//!
//! A window keeps a set of the users it has seen, as an aggregate: memory grows with
//! users (here a million), not with events.
//!
//! Watermarks: events come from servers with good clocks, in order within each source
//! split, and watermarks are made per split; so the strategy is monotonous, and an hour's
//! number is out as soon as the last split has passed the hour. Lateness: none. A late
//! event would change the number of an hour that was reported, and its set of users
//! would have to stay in memory; what is late is counted in `numLateRecordsDropped`.

use clap::Parser;
use millstream::prelude::*;
use std::collections::BTreeSet;

/// Counts unique users per hour.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of events; 10 million are an hour
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
}

#[derive(Clone)]
struct Users;
impl AggregateFunction for Users {
    type In = u64;
    type Acc = BTreeSet<u64>;
    type Out = u64;
    fn create_accumulator(&self) -> BTreeSet<u64> {
        BTreeSet::new()
    }
    fn add(&self, users: &mut BTreeSet<u64>, user: u64) {
        users.insert(user);
    }
    fn merge(&self, users: &mut BTreeSet<u64>, other: &BTreeSet<u64>) {
        users.extend(other);
    }
    fn get_result(&self, users: &BTreeSet<u64>) -> u64 {
        users.len() as u64
    }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let env = StreamExecutionEnvironment::with_args(args.job);
    // An event every 0.36 ms of event time: 10 million an hour.
    let strategy = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|(i, _): &(u64, u64), _| (*i as f64 * 0.36) as i64);
    let hour = || TumblingEventTimeWindows::of(Duration::from_secs(3600));
    let user = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    env.from_source(
        DataGenSource::new(move |i, _| (i, user(i))).number_of_rows(args.events),
        strategy,
        "events",
    )
    .map(|(_, user)| user)
    // In two steps, so that all workers share the work: unique in a part, then the sum.
    .key_by(|user| user % 64)
    .window(hour())
    .aggregate(Users)
    .window_all(hour())
    .reduce_with(
        |a, b| a + b,
        |_: &(), unique: &[u64], ctx: &mut WindowContext<'_, String>| {
            let hour = ctx.window().start / 3_600_000;
            unique.iter().for_each(|n| ctx.collect(format!("hour {hour}: {n} unique users")));
            Ok(())
        },
    )
    .sink_to(PrintSink::new());
    millstream_examples::finish(env.execute("unique-users"))
}
