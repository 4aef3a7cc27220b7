//! Sessions: visits of a user with no pause of 30 minutes or more.
//!
//! Events are up to 10 seconds out of order, which is far below the gap, so a bound of
//! 10 seconds loses nothing; an event that is later may still join a session that is
//! open for a minute of allowed lateness, and emits it again, longer.

use clap::Parser;
use millstream_connectors::{DataGenSource, PrintSink};
use millstream_datastream::{JobArgs, StreamExecutionEnvironment};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::window::{EventTimeSessionWindows, WindowContext};
use std::time::Duration;

/// Finds sessions of users.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of clicks to make
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let env = StreamExecutionEnvironment::with_args(args.job);
    // A click of one of 2,000 users every 2 s, up to 10 s out of order.
    let click = |i: u64| {
        let noise = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
        (noise % 2000, i as i64 * 2000 - (noise % 10_000) as i64)
    };
    let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(10))
        .with_timestamp_assigner(|(_, time): &(u64, i64), _| *time);
    let source = DataGenSource::new(move |i, _| click(i)).number_of_rows(args.events);
    env.from_source(source, strategy, "clicks")
        .map(|(user, _)| (user, 1u64))
        .key_by(|(user, _)| *user)
        .window(EventTimeSessionWindows::with_gap(Duration::from_secs(1800)))
        .allowed_lateness(Duration::from_secs(60))
        .reduce_with(
            |a, b| (a.0, a.1 + b.1),
            |user: &u64, clicks: &[(u64, u64)], ctx: &mut WindowContext<'_, String>| {
                let seconds = (ctx.window().end - ctx.window().start) / 1000 - 1800;
                for (_, clicks) in clicks {
                    ctx.collect(format!("user {user} session of {clicks} clicks in {seconds} s"));
                }
                Ok(())
            },
        )
        .sink_to(PrintSink::new());
    millstream_examples::finish(env.execute("sessions"))
}
