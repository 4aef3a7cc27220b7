//! Large state with a time to live: each request is passed on once, although clients send
//! a request again when they hear no answer.
//!
//! The ids of all requests that may still be repeated are the state: millions. On the heap
//! an id takes some 40 bytes; with `--backend rocksdb` (and the cargo feature `rocksdb`) it
//! is on the local disk, and may be larger than memory.
//!
//! Why the TTL is what it is: a client gives up after `--gives-up-ms`. An id older than that
//! is never asked for again, so to keep it longer only costs room; to forget it sooner would
//! let a repetition through. The TTL is twice that, for the time a record is under way, and
//! for a job that was down a moment: TTL counts processing time, and goes on meanwhile. It
//! counts from the write, not from reads: that somebody repeats a request makes no later
//! repetition possible. Ids that are over are removed bit by bit while the job works.
//!
//! Event time plays no part here, so there are no watermarks, and nothing is late.

use clap::Parser;
use millstream::prelude::*;
use millstream::runtime::checkpoint::{JobStorage, Storage};
use millstream::runtime::state::{StateBackendConfig, StateDescriptor, Ttl};

/// Passes each request on once.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of requests to make
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Requests per second
    #[arg(long, default_value_t = 500_000)]
    rate: u64,
    /// How long a client sends a request again; the TTL is twice that
    #[arg(long, default_value_t = 2_000)]
    gives_up_ms: u64,
    /// Where the ids are: hashmap or rocksdb
    #[arg(long, default_value = "hashmap")]
    backend: String,
}

/// Every fifth request repeats an earlier one: its id is that of the earlier one.
fn id(n: u64, repeats_within: u64) -> u64 {
    if n % 5 != 4 {
        return n;
    }
    let back = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (n - 1).saturating_sub(5 * (back % (repeats_within / 5).max(1)))
}

/// Passes on what was not seen within the TTL.
#[derive(Clone)]
struct Once {
    ttl_ms: i64,
    seen: Option<ValueState<bool>>,
}

impl KeyedProcessFunction for Once {
    type Key = u64;
    type In = u64;
    type Out = u64;

    fn open(&mut self, context: &mut RuntimeContext<'_, u64>) -> Result<()> {
        let ttl = Ttl::after_write_ms(self.ttl_ms);
        self.seen = Some(context.value_state_with(StateDescriptor::new("seen").ttl(ttl))?);
        Ok(())
    }
    fn process_element(
        &mut self,
        id: u64,
        context: &mut ProcessContext<'_, u64, u64>,
    ) -> Result<()> {
        let seen = self.seen.as_ref().ok_or_else(|| Error::bug("used before open"))?;
        if seen.value()?.is_none() {
            seen.update(true)?;
            context.collect(id);
        }
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    millstream_examples::finish(run(Args::parse()))
}

fn run(args: Args) -> Result<JobExecutionResult> {
    let env = StreamExecutionEnvironment::with_args(args.job);
    env.set_state_backend(StateBackendConfig::from_key_values([(
        "state.backend.type",
        args.backend.as_str(),
    )])?);
    // Checkpoints also tell how large the state is.
    let place = std::env::temp_dir().join(format!("unique-requests-{}", std::process::id()));
    let place = place.display().to_string();
    env.enable_checkpointing(Duration::from_millis(500)).set_checkpoint_directory(&place);
    let repeats_within = args.rate * args.gives_up_ms / 1000;
    let requests = DataGenSource::new(move |n, _| id(n, repeats_within))
        .number_of_rows(args.events)
        .rows_per_second(args.rate as f64);
    env.from_source(requests, WatermarkStrategy::no_watermarks(), "requests")
        .key_by(|id| *id)
        .process(Once { ttl_ms: 2 * args.gives_up_ms as i64, seen: None })
        .uid("once")
        .sink_to(BlackholeSink)
        .name("passed on");
    let job = env.execute_async("unique-requests")?;
    let largest = watch(&place, || job.is_finished());
    let result = job.wait()?;
    let passed = env.metrics().sum("passed on", "numRecordsIn");
    let ids = args.events - args.events / 5;
    eprintln!("requests: {}, ids: {ids}, passed on: {passed}", args.events);
    eprintln!(
        "largest state: {largest} bytes, {} for each id that there was",
        largest / ids.max(1)
    );
    std::fs::remove_dir_all(&place)?;
    Ok(result)
}

/// Says how large each checkpoint is; answers the largest size.
fn watch(place: &str, finished: impl Fn() -> bool) -> u64 {
    let (mut largest, mut last) = (0, 0);
    while !finished() {
        std::thread::sleep(Duration::from_millis(100));
        // There may be none yet, or it may just be replaced by the next one.
        let Some((epoch, bytes)) = newest(place) else { continue };
        largest = largest.max(bytes);
        if epoch > last {
            eprintln!("checkpoint {epoch}: {:.1} MB of state", bytes as f64 / 1e6);
            last = epoch;
        }
    }
    largest
}

/// Epoch and size of the newest checkpoint of the only job there.
fn newest(place: &str) -> Option<(u64, u64)> {
    let storage = Storage::open(place).ok()?;
    let (path, _) = storage.list("").ok()?.into_iter().next()?;
    let job = JobStorage::new(&storage, path.split('/').next()?).ok()?;
    let manifest = job.latest().ok()??.manifest;
    Some((manifest.epoch, manifest.size_bytes()))
}
