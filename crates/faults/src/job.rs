//! The job that is broken: it counts and sums events by key, in state, and writes three ways.
//!
//! ```text
//!   topic ─> key by key ─> count, sum (keyed state) ─┬─> topic          exactly once
//!                                                    ├─> table          append, exactly once
//!                                                    └─> table          upsert by key
//! ```
//!
//! Every output row says which event it follows and what the state was, so that a verifier
//! sees lost, doubled and reordered events as well as wrong state.

use crate::rng::mix;
use clap::Parser;
use millstream::jdbc::JdbcSink;
use millstream::kafka::DeliveryGuarantee;
use millstream::prelude::*;
#[cfg(feature = "rocksdb")]
use millstream_runtime::state::{RocksDbBackend, RocksDbOptions, StateBackendConfig};

/// One event: the `seq`-th of its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) key: i64,
    pub(crate) seq: i64,
    pub(crate) checksum: i64,
    /// When it was made, to see when a job is back.
    pub(crate) made_ms: i64,
}

impl Event {
    pub(crate) fn new(key: i64, seq: i64, made_ms: i64) -> Self {
        Event { key, seq, checksum: checksum(key, seq), made_ms }
    }
}

/// What `checksum` must be.
pub(crate) fn checksum(key: i64, seq: i64) -> i64 {
    (mix(((key as u64) << 32) ^ seq as u64) >> 16) as i64
}

/// What the job says of an event: the state after it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) key: i64,
    pub(crate) seq: i64,
    pub(crate) count: i64,
    pub(crate) sum: i64,
    pub(crate) made_ms: i64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    count: i64,
    sum: i64,
    /// So that state is larger than what a manifest holds inline.
    weight: String,
}

/// Runs the job; started by the fault injector.
#[derive(Clone, Debug, Parser)]
pub(crate) struct JobOptions {
    #[command(flatten)]
    job: JobArgs,
    /// The Kafka brokers
    #[arg(long)]
    bootstrap_servers: String,
    /// The database
    #[arg(long)]
    postgres: String,
    /// Name of topics and tables
    #[arg(long)]
    name: String,
    /// heap, or rocksdb when built with that feature
    #[arg(long, default_value = "heap")]
    backend: String,
    /// Of every operator
    #[arg(long)]
    parallelism: usize,
    /// Only upserts into this table, up to the events of now
    #[arg(long)]
    only_upsert: Option<String>,
    /// Writes to Kafka at least once: the verifier must see it
    #[arg(long)]
    at_least_once: bool,
}

pub(crate) fn run(options: &JobOptions) -> Result<()> {
    let env = StreamExecutionEnvironment::with_args(options.job.clone());
    env.set_parallelism(options.parallelism).set_max_parallelism(32);
    match options.backend.as_str() {
        "heap" => {}
        #[cfg(feature = "rocksdb")]
        "rocksdb" => {
            let small = [("memory.fixed-per-tm", "32mb"), ("writebuffer.size", "256kb")];
            let settings = RocksDbOptions::from_key_values(small)?;
            env.set_state_backend(StateBackendConfig::RocksDb(RocksDbBackend::new(settings)));
        }
        other => {
            return Err(Error::config(format!("there is no backend '{other}' in this build"))
                .advice("build with --features rocksdb"));
        }
    }
    let name = &options.name;
    let source = KafkaSource::builder()
        .bootstrap_servers(&options.bootstrap_servers)
        .topics([format!("{name}-in")])
        .group_id(name)
        .starting_offsets(OffsetsInitializer::earliest())
        .deserializer(de::json::<Event>());
    let source = match options.only_upsert {
        Some(_) => source.bounded(OffsetsInitializer::latest()),
        None => source,
    };
    let counted = env
        .from_source(source.build()?, WatermarkStrategy::no_watermarks(), "events")
        .uid("events")
        .key_by(|event: &Event| event.key)
        .map_with_state(|known: &mut Option<Known>, event: Event| {
            let known =
                known.get_or_insert_with(|| Known { weight: "x".repeat(100), ..Known::default() });
            known.count += 1;
            known.sum = known.sum.wrapping_add(event.checksum);
            let Event { key, seq, made_ms, .. } = event;
            Counted { key, seq, count: known.count, sum: known.sum, made_ms }
        })
        .uid("counts");

    let jdbc = |table: &str| JdbcSink::builder().url(&options.postgres).table(table);
    let upsert = jdbc(&options.only_upsert.clone().unwrap_or_else(|| format!("{name}_state")))
        .column("key", |c: &Counted| c.key)
        .column("count", |c: &Counted| c.count)
        .column("sum", |c: &Counted| c.sum)
        .key(["key"]);
    counted.sink_to(upsert.build()?).name("upserted").uid("upserted");
    if options.only_upsert.is_none() {
        let append = jdbc(&format!("{name}_log"))
            .column("key", |c: &Counted| c.key)
            .column("seq", |c: &Counted| c.seq)
            .column("count", |c: &Counted| c.count)
            .column("sum", |c: &Counted| c.sum)
            .exactly_once(name);
        counted.sink_to(append.build()?).name("appended").uid("appended");
        let kafka = KafkaSink::builder()
            .bootstrap_servers(&options.bootstrap_servers)
            .topic(format!("{name}-out"))
            .key(|c: &Counted, key| ser::string()(&c.key.to_string(), key))
            .value(ser::json())
            .delivery_guarantee(match options.at_least_once {
                true => DeliveryGuarantee::AtLeastOnce,
                false => DeliveryGuarantee::ExactlyOnce,
            });
        let kafka = match options.at_least_once {
            true => kafka,
            false => kafka
                .transactional_id_prefix(name)
                .transaction_timeout(Duration::from_secs(300))
                .recovery_time(Duration::from_secs(240)),
        };
        counted.sink_to(kafka.build()?).name("published").uid("published");
    }
    env.execute(name).map(|_| ())
}
