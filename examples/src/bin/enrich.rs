//! Orders with the name of their customer, asked of an outside system (asynchronous I/O).
//!
//! An answer takes milliseconds; waiting for each would mean a few hundred orders a second.
//! Up to 200 requests are in flight, answers come in any order between two watermarks, and
//! a request that fails is sent again twice.
//!
//! Watermarks: orders are made in order, so the strategy is monotonous. Answers never cross
//! a watermark, so what follows could use windows as if nothing had been asked. Lateness:
//! none, as there is no window.

use clap::Parser;
use millstream::prelude::*;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

/// Adds customers' names to orders.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of orders to make
    #[arg(long, default_value_t = 10_000)]
    events: u64,
}

/// Stands for a client of a customer database; one in a hundred requests fails.
fn look_up(customer: u64) -> impl Future<Output = Result<Option<String>>> {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let failed = REQUESTS.fetch_add(1, Ordering::Relaxed) % 100 == 99;
    async move {
        match failed {
            true => Err(Error::retry("the database is busy")),
            false => Ok(Some(format!("order of customer-{customer}"))),
        }
    }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let env = StreamExecutionEnvironment::with_args(args.job);
    let source = DataGenSource::new(|i, _| (i, i % 500)).number_of_rows(args.events);
    let strategy = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|(i, _): &(u64, u64), _| *i as i64);
    env.from_source(source, strategy, "orders")
        .async_wait(
            |(_, customer): (u64, u64)| look_up(customer),
            AsyncOptions::unordered(Duration::from_secs(30))
                .capacity(200)
                .retry(RetryStrategy::fixed_delay(2, Duration::from_millis(20))),
        )
        .name("customers")
        .sink_to(PrintSink::new());
    millstream_examples::finish(env.execute("enrich"))
}
