//! Sessions: visits of a user with no pause of 30 minutes or more.
//!
//! Watermarks: clicks come up to 10 seconds out of order, so the bound is 10 seconds; next
//! to a gap of 30 minutes the wait costs nothing. Lateness: a session that has ended is
//! kept for one more minute, for the rare click that comes later than the bound; it
//! emits the session again, longer. More would keep every user's session in memory for
//! a click that hardly ever comes.

use clap::Parser;
use millstream::prelude::*;

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
