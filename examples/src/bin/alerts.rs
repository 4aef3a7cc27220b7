//! Alerts with a keyed process function and timers: a machine that has been too hot
//! for a whole minute.
//!
//! The first hot reading sets a timer for a minute later in event time; a cool one
//! takes it back.
//!
//! Watermarks: sensors are wired and report in order, so the strategy is monotonous, and
//! the timer fires as soon as the minute is really over for all machines; a bound would
//! only delay every alert. Lateness: none. Nothing can be late in a monotonous stream,
//! and an alert that is taken back later would be worse than none.

use clap::Parser;
use millstream::prelude::*;

/// Warns of machines that stay hot.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of readings to make
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
}

const HOT: u64 = 80;
const MINUTE_MS: i64 = 60_000;

#[derive(Clone, Default)]
struct HotForAMinute {
    /// Time of the timer, while the machine is hot.
    timer: Option<ValueState<EventTime>>,
}

impl HotForAMinute {
    fn timer(&self) -> Result<&ValueState<EventTime>> {
        self.timer.as_ref().ok_or_else(|| Error::bug("used before open"))
    }
}

impl KeyedProcessFunction for HotForAMinute {
    type Key = u64;
    type In = (u64, u64);
    type Out = String;

    fn open(&mut self, context: &mut RuntimeContext<'_, u64>) -> Result<()> {
        self.timer = Some(context.value_state("timer")?);
        Ok(())
    }
    fn process_element(
        &mut self,
        (_, degrees): (u64, u64),
        context: &mut ProcessContext<'_, u64, String>,
    ) -> Result<()> {
        match self.timer()?.value()? {
            None if degrees >= HOT => {
                let due = context.timestamp() + MINUTE_MS;
                context.register_event_time_timer(due);
                self.timer()?.update(due)?;
            }
            Some(due) if degrees < HOT => {
                context.delete_event_time_timer(due);
                self.timer()?.clear()?;
            }
            _ => {}
        }
        Ok(())
    }
    fn on_timer(
        &mut self,
        time: EventTime,
        context: &mut ProcessContext<'_, u64, String>,
    ) -> Result<()> {
        self.timer()?.clear()?;
        let machine = *context.current_key();
        context.collect(format!("ALERT machine {machine} hot for a minute at {} s", time / 1000));
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let env = StreamExecutionEnvironment::with_args(args.job);
    // 100 machines, each with a reading a second; now and then one runs hot for 90 s.
    let reading = |i: u64| {
        let (machine, second) = (i % 100, i / 100);
        let hot = (second / 90 + machine) % 37 == 0;
        (machine, if hot { 90 } else { 60 })
    };
    let source = DataGenSource::new(move |i, _| (i, reading(i))).number_of_rows(args.events);
    let strategy = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|(i, _): &(u64, (u64, u64)), _| (*i / 100) as i64 * 1000);
    env.from_source(source, strategy, "readings")
        .map(|(_, reading)| reading)
        .key_by(|(machine, _)| *machine)
        .process(HotForAMinute::default())
        .uid("hot-for-a-minute")
        .sink_to(PrintSink::new());
    millstream_examples::finish(env.execute("alerts"))
}
