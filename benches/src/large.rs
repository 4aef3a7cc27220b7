//! `bench large`: state larger than the memory it is given, and savepoints of a gigabyte.
//!
//! Ten million keys with 64 bytes of value are filled in and then changed at random.
//!
//! - `large-empty`: the same job without state: what the process takes for itself, with full
//!   queues, as they are before a slow operator;
//! - `large-64mb`, `large-256mb`: RocksDB with this budget; how much memory it says that it
//!   holds, and what the process took;
//! - `savepoint-*`: stop with a savepoint, and a new start from it, by backend and form.

use crate::usage::{cpu_seconds, memory_mib};
use millstream_core::{Batch, Epoch, Error, Result};
use millstream_datastream::{JobArgs, StreamExecutionEnvironment};
use millstream_runtime::checkpoint::{Request, Stop};
use millstream_runtime::snapshot::SnapshotKind;
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::{
    OperatorContext, OperatorSnapshot, Source, SourceOutput, SourcePoll, SourceReader,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// In the order in which they run.
pub(crate) const CASES: [&str; 7] = [
    "large-empty",
    "large-256mb",
    "large-64mb",
    "savepoint-heap",
    "savepoint-rocksdb-canonical",
    "savepoint-rocksdb-native",
    "restore-heap-from-rocksdb",
];

const KEYS: u64 = 10_000_000;
const WORKERS: usize = 2;

/// 64 bytes.
type Wide = [u64; 8];

/// One case in this process; `None` when it is not one of these.
pub(crate) fn run(case: &str, events: u64) -> Option<String> {
    use SnapshotKind::{CanonicalSavepoint, NativeSavepoint};
    let heap = || Ok((StateBackendConfig::Heap, Usage::none()));
    let figures = match case {
        "large-empty" => changes(None, events),
        "large-64mb" => rocksdb(64 << 20).and_then(|b| changes(Some(b), events)),
        "large-256mb" => rocksdb(256 << 20).and_then(|b| changes(Some(b), events)),
        "savepoint-heap" => savepoint(CanonicalSavepoint, heap, heap),
        "savepoint-rocksdb-canonical" => {
            savepoint(CanonicalSavepoint, || rocksdb(512 << 20), || rocksdb(512 << 20))
        }
        "savepoint-rocksdb-native" => {
            savepoint(NativeSavepoint, || rocksdb(512 << 20), || rocksdb(512 << 20))
        }
        "restore-heap-from-rocksdb" => savepoint(CanonicalSavepoint, || rocksdb(512 << 20), heap),
        _ => return None,
    };
    Some(figures.unwrap_or_else(|e| format!("failed: {e}")))
}

/// Asks a backend how many bytes it holds.
struct Usage(Box<dyn Fn() -> usize + Send>);

impl Usage {
    fn none() -> Self {
        Usage(Box::new(|| 0))
    }
}

type Backend = (StateBackendConfig, Usage);

#[cfg(feature = "rocksdb")]
fn rocksdb(memory_bytes: usize) -> Result<Backend> {
    use millstream_runtime::state::{RocksDbBackend, RocksDbOptions};
    let options = RocksDbOptions { memory_bytes, ..RocksDbOptions::default() };
    let backend = RocksDbBackend::new(options);
    let asked = backend.clone();
    let usage = Usage(Box::new(move || asked.memory().decoded + asked.memory().block_cache));
    Ok((StateBackendConfig::RocksDb(backend), usage))
}

#[cfg(not(feature = "rocksdb"))]
fn rocksdb(_: usize) -> Result<Backend> {
    Err(Error::config("not compiled in: use --features rocksdb"))
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Every key once, then `changes` of random ones; then it ends, or waits to be stopped.
#[derive(Clone)]
struct Keys {
    changes: u64,
    waits: bool,
    /// When the last key was filled in, and the CPU time so far.
    filled: Arc<Mutex<Option<(Instant, f64)>>>,
}

struct KeysReader {
    keys: Keys,
    next: u64,
    split: Option<usize>,
}

impl Source for Keys {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        let restored: Vec<u64> = context.restored.list("position", &context.subtask)?;
        let next = restored.first().copied().unwrap_or(context.subtask.index as u64);
        Ok(Box::new(KeysReader { keys: self.clone(), next, split: None }))
    }
}

impl SourceReader<u64> for KeysReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        let split = *self.split.get_or_insert_with(|| out.add_split());
        let end = KEYS + self.keys.changes;
        if self.next >= end {
            if self.keys.waits {
                return Ok(SourcePoll::Wait(Some(out.now_ms() + 1)));
            }
            out.finish_split(split);
            return Ok(SourcePoll::End);
        }
        let rows = (self.next..end).step_by(WORKERS).take(1024);
        let values: Vec<u64> =
            rows.map(|n| mix(if n < KEYS { n } else { mix(n) % KEYS })).collect();
        let was = self.next;
        self.next += (values.len() * WORKERS) as u64;
        out.collect_batch(split, Batch::from_parts(values, vec![]));
        if was < KEYS && self.next >= KEYS {
            let mut filled = self.keys.filled.lock().map_err(|_| Error::bug("poisoned"))?;
            *filled = Some((Instant::now(), cpu_seconds()));
        }
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list("position", &self.next)
    }
}

fn environment(from_savepoint: Option<String>) -> StreamExecutionEnvironment {
    let args =
        JobArgs { workers: Some(WORKERS), processes: 1, from_savepoint, ..JobArgs::default() };
    let env = StreamExecutionEnvironment::with_args(args);
    env.set_max_parallelism(128);
    env
}

/// The keyed job; `rows` counts its results.
fn job(env: &StreamExecutionEnvironment, keys: Keys, with_state: bool, rows: &Arc<AtomicU64>) {
    let stream = env
        .from_source(keys, WatermarkStrategy::no_watermarks(), "keys")
        .uid("keys")
        .map(|key| (key, [key; 7]))
        .uid("wide")
        .key_by(|record| record.0);
    let counted = match with_state {
        true => stream.map_with_state(|state: &mut Option<Wide>, (key, rest)| {
            let state = state.get_or_insert_with(|| {
                // Numbers that do not compress.
                let mut wide = [0; 8];
                for (i, n) in rest.into_iter().enumerate() {
                    wide[i + 1] = mix(n.wrapping_add(i as u64));
                }
                wide
            });
            state[0] += 1;
            state[0] ^ key
        }),
        false => {
            // As slow as with state, for a while.
            let mut seen = 0u32;
            stream.map_with_state(move |state: &mut Option<Wide>, (key, _)| {
                seen = seen.saturating_add(1);
                if seen < 300_000 && seen.is_multiple_of(1_000) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                *state = None;
                key
            })
        }
    };
    let rows = Arc::clone(rows);
    counted.uid("count").sink_to(crate::jobs::sink(&rows)).uid("sink");
}

fn changes(backend: Option<Backend>, events: u64) -> Result<String> {
    let (env, rows) = (environment(None), Arc::new(AtomicU64::new(0)));
    let with_state = backend.is_some();
    let (backend, usage) = backend.unwrap_or((StateBackendConfig::Heap, Usage::none()));
    env.set_state_backend(backend);
    let filled = Arc::new(Mutex::new(None));
    let keys = Keys { changes: events, waits: false, filled: Arc::clone(&filled) };
    job(&env, keys, with_state, &rows);
    let ended = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&ended);
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while !watched.load(Ordering::Relaxed) {
            most = most.max((usage.0)());
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    });
    let (start, cpu) = (Instant::now(), cpu_seconds());
    env.execute("large")?;
    let (end, end_cpu) = (Instant::now(), cpu_seconds());
    ended.store(true, Ordering::Relaxed);
    let most = watch.join().map_err(|_| Error::bug("the watch panicked"))?;
    let filled = filled.lock().map_err(|_| Error::bug("poisoned"))?;
    let (at, at_cpu) = filled.ok_or_else(|| Error::bug("nothing was filled"))?;
    let m = |events: u64, seconds: f64| events as f64 / 1e6 / seconds;
    Ok(format!(
        "fill_mev_per_s={:.3} fill_mev_per_cpu_s={:.3} mev_per_s={:.3} mev_per_cpu_s={:.3} \
         backend_peak_mib={} peak_mib={}",
        m(KEYS, (at - start).as_secs_f64()),
        m(KEYS, at_cpu - cpu),
        m(events, (end - at).as_secs_f64()),
        m(events, end_cpu - at_cpu),
        most >> 20,
        memory_mib("VmHWM"),
    ))
}

fn savepoint(
    kind: SnapshotKind,
    first: impl FnOnce() -> Result<Backend>,
    second: impl FnOnce() -> Result<Backend>,
) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let rows = Arc::new(AtomicU64::new(0));
    let keys = |changes, waits| Keys { changes, waits, filled: Arc::default() };

    let env = environment(None);
    env.set_state_backend(first()?.0).set_checkpoint_directory(place("job"));
    job(&env, keys(0, true), true, &rows);
    let running = env.execute_async("savepoint")?;
    while rows.load(Ordering::Relaxed) < KEYS {
        if running.is_finished() {
            running.wait()?;
            return Err(Error::bug("the job ended by itself"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let request = Request::Savepoint {
        kind,
        directory: Some(place("savepoints")),
        stop: Some(Stop::Suspend),
    };
    let answer = running.handle().request(request);
    let path = answer.recv().map_err(|_| Error::bug("the job gave no answer"))??;
    let written = start.elapsed();
    running.wait()?;
    let (stopped, write_cpu) = (start.elapsed(), cpu_seconds() - cpu);
    drop(env);
    let bytes = size_of_folder(std::path::Path::new(&path))?;

    // One record of each subtask behind what was restored, and the end.
    rows.store(0, Ordering::Relaxed);
    let env = environment(Some(path));
    env.set_state_backend(second()?.0);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    job(&env, keys(WORKERS as u64, true), true, &rows);
    let running = env.execute_async("restore")?;
    while rows.load(Ordering::Relaxed) < WORKERS as u64 {
        if running.is_finished() {
            running.wait()?;
            return Err(Error::bug("the job ended by itself"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (restored, read_cpu) = (start.elapsed(), cpu_seconds() - cpu);
    running.handle().cancel();
    let _ = running.wait(); // cancelled
    Ok(format!(
        "bytes_mb={} savepoint_s={:.2} stopped_s={:.2} write_cpu_s={write_cpu:.2} \
         restore_s={:.2} restore_cpu_s={read_cpu:.2} peak_mib={}",
        bytes / 1_000_000,
        written.as_secs_f64(),
        stopped.as_secs_f64(),
        restored.as_secs_f64(),
        memory_mib("VmHWM"),
    ))
}

fn size_of_folder(path: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path.strip_prefix("file://").unwrap_or(path))? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => size_of_folder(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}
