//! The main job: what do users of a mobile app do, minute by minute?
//!
//! ```text
//!   events ─> event time ─> key by action ─> 1-minute windows ─> counts
//!                                                └─ too late ──> late events
//! ```
//!
//! Watermarks: phones are offline in tunnels and report up to 5 minutes late. The
//! watermark trails the newest event by 30 seconds only: nine of ten events are there by
//! then, so counts come out fast. A Kafka partition that is silent for a minute is idle
//! and holds nothing up. Lateness: 5 minutes, for the one event in ten that is later than
//! the watermark; each corrects its minute with a new count. What is later still is not
//! lost: it goes to its own stream.
//!
//! Without `--bootstrap-servers` events are made here and results are printed; with
//! it the same job reads and writes Kafka topics, made and filled first.

use clap::Parser;
use millstream::prelude::*;
use millstream::runtime::MetricRegistry;

/// What a device reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Event {
    user: u64,
    action: String,
    /// When it happened, in milliseconds since 1970.
    time_ms: i64,
}

/// How often an action happened in one minute; a later row for the same minute replaces it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Count {
    action: String,
    window_start_ms: i64,
    count: u64,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "minute {} {} {}", self.window_start_ms / 60_000, self.action, self.count)
    }
}

const LATE: OutputTag<Event> = OutputTag::new("late");

/// Counts user actions by minute.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of events to make
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Read and write Kafka here, in place of making and printing
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_servers: Option<String>,
    /// Prefix of the Kafka topics; they must not exist
    #[arg(long, default_value_t = format!("mobile-{}", std::process::id()))]
    topics: String,
}

/// Event `i`: 50 a second, one in ten up to 5 minutes late, one in a thousand later.
fn event(i: u64) -> Event {
    const ACTIONS: [&str; 4] = ["open", "search", "buy", "close"];
    let noise = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let late_ms = match noise % 1000 {
        0 => 600_000,
        1..=100 => noise / 1000 % 300_000,
        _ => noise / 1000 % 2_000,
    };
    Event {
        user: noise % 5000,
        action: ACTIONS[(noise >> 8) as usize % 4].to_owned(),
        time_ms: 1_700_000_000_000 + i as i64 * 20 - late_ms as i64,
    }
}

#[derive(Clone)]
struct CountEvents;
impl AggregateFunction for CountEvents {
    type In = Event;
    type Acc = u64;
    type Out = u64;
    fn create_accumulator(&self) -> u64 {
        0
    }
    fn add(&self, count: &mut u64, _: Event) {
        *count += 1;
    }
    fn merge(&self, count: &mut u64, other: &u64) {
        *count += other;
    }
    fn get_result(&self, count: &u64) -> u64 {
        *count
    }
}

fn strategy() -> WatermarkStrategy<Event> {
    WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(30))
        .with_timestamp_assigner(|event: &Event, _| event.time_ms)
        // A Kafka partition without events for a minute must not hold the others up.
        .with_idleness(Duration::from_secs(60))
}

/// The job itself, the same on Kafka and without.
fn counts(events: &DataStream<Event>) -> (DataStream<Count>, DataStream<Event>) {
    let counts = events
        .key_by(|event| event.action.clone())
        .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
        .allowed_lateness(Duration::from_secs(300))
        .side_output_late_data(LATE)
        .aggregate_with(
            CountEvents,
            |action: &String, n: &[u64], ctx: &mut WindowContext<'_, Count>| {
                let window_start_ms = ctx.window().start;
                let row =
                    |count: &u64| Count { action: action.clone(), window_start_ms, count: *count };
                n.iter().map(row).for_each(|row| ctx.collect(row));
                Ok(())
            },
        )
        .name("counts")
        .uid("counts");
    let late = counts.side_output(&LATE);
    (counts, late)
}

fn run(args: &Args) -> Result<()> {
    let env = StreamExecutionEnvironment::with_args(args.job.clone());
    match &args.bootstrap_servers {
        Some(servers) => on_kafka(args, servers, &env)?,
        None => {
            let source = DataGenSource::new(|i, _| event(i)).number_of_rows(args.events);
            let events = env.from_source(source, strategy(), "events");
            let (counts, late) = counts(&events);
            counts.sink_to(PrintSink::new()).name("print");
            late.sink_to(PrintSink::debug().named("late").to_stderr()).name("late");
        }
    }
    let result = env.execute("mobile-events")?;
    report(env.metrics(), args.job.processes, result.net_runtime);
    Ok(())
}

fn report(metrics: &MetricRegistry, processes: usize, took: Duration) {
    let read = metrics.sum("events", "numRecordsOut");
    let counted = metrics.sum("counts", "numRecordsIn");
    let late = metrics.sum("late", "numRecordsIn");
    if processes > 1 || std::env::var_os("MILLSTREAM_CHILD_INDEX").is_some() {
        eprintln!("process ended: read {read} events in {took:.2?}");
    } else {
        eprintln!(
            "events in: {read}, counted: {}, too late: {late}, in {took:.2?}",
            counted - late
        );
    }
}

#[cfg(not(feature = "kafka"))]
fn on_kafka(_: &Args, _: &str, _: &StreamExecutionEnvironment) -> Result<()> {
    Err(Error::config("this build has no Kafka connector")
        .advice("build without --no-default-features: cargo run --release -p millstream-examples"))
}

#[cfg(feature = "kafka")]
fn on_kafka(args: &Args, servers: &str, env: &StreamExecutionEnvironment) -> Result<()> {
    let topic = |name: &str| format!("{}-{name}", args.topics);
    if std::env::var_os("MILLSTREAM_CHILD_INDEX").is_none() {
        create_topics(servers, &["events", "counts", "late"].map(topic))?;
        // Devices: a job of its own that fills the topic of events.
        // One subtask, so that events reach the topic in the order they are reported.
        let devices = StreamExecutionEnvironment::new();
        devices.set_parallelism(1);
        let source = DataGenSource::new(|i, _| event(i)).number_of_rows(args.events);
        let sink = KafkaSink::builder()
            .bootstrap_servers(servers)
            .topic(topic("events"))
            .value(ser::json())
            .build()?;
        devices.from_source(source, WatermarkStrategy::no_watermarks(), "devices").sink_to(sink);
        devices.execute("devices")?;
    }
    let source = KafkaSource::builder()
        .bootstrap_servers(servers)
        .topics([topic("events")])
        .group_id(topic("group"))
        .starting_offsets(OffsetsInitializer::earliest())
        .bounded(OffsetsInitializer::latest())
        .deserializer(de::json::<Event>())
        .build()?;
    let (counts, late) = counts(&env.from_source(source, strategy(), "events"));
    let to = KafkaSink::builder().bootstrap_servers(servers).topic(topic("counts"));
    let to = to.key(|row: &Count, key| ser::string()(&row.action, key)).value(ser::json());
    counts.sink_to(to.build()?).name("counts topic");
    let late_topic = KafkaSink::builder().bootstrap_servers(servers).topic(topic("late"));
    late.sink_to(late_topic.value(ser::json()).build()?).name("late");
    Ok(())
}

#[cfg(feature = "kafka")]
fn create_topics(servers: &str, names: &[String]) -> Result<()> {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let failed = |e: String| {
        Error::retry(format!("cannot create topics: {e}"))
            .advice("check --bootstrap-servers, or start a broker with scripts/kafka start")
    };
    let admin: AdminClient<rdkafka::client::DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .map_err(|e| failed(e.to_string()))?;
    let topics: Vec<NewTopic<'_>> =
        names.iter().map(|n| NewTopic::new(n, 4, TopicReplication::Fixed(1))).collect();
    let made = futures_executor::block_on(admin.create_topics(&topics, &AdminOptions::new()));
    for topic in made.map_err(|e| failed(e.to_string()))? {
        topic.map_err(|(name, e)| failed(format!("{name}: {e}")))?;
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    match run(&Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mobile-events: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
