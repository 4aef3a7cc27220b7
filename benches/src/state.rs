//! `bench state`: state backends and snapshots.
//!
//! - a count by key over 10 million distinct keys, on the heap and on RocksDB, with what
//!   the process took of memory;
//! - `bench checkpoints`: a count on the heap with a checkpoint every second to a local
//!   folder, beside the same without;
//! - how long a snapshot of 1 GB of heap state stops the worker, at the call and after.

use crate::bids::Bids;
use crate::jobs::sink;
use crate::usage::{cpu_seconds, memory_mib, thread_cpu};
use millstream_core::{KeyGroup, Result};
use millstream_datastream::{JobArgs, StreamExecutionEnvironment};
use millstream_runtime::snapshot::{ListMode, NativeState, SnapshotWriter, StateDescription};
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A keyed count with a checkpoint every second, and without; ten times the events, so that
/// there are some checkpoints.
pub(crate) const CHECKPOINTS: [&str; 2] = ["state-count-checkpoints", "state-count-small"];
/// In the order in which they run.
pub(crate) const CASES: [&str; 4] =
    ["state-count-heap", "state-count-rocksdb-1gb", "state-count-rocksdb-256mb", "state-pause"];

const KEYS: u64 = 10_000_000;

/// One case in this process; `None` when it is not one of these.
pub(crate) fn run(case: &str, events: u64) -> Option<String> {
    let figures = match case {
        "state-count-small" => count(StateBackendConfig::Heap, 100_000, events * 10, None),
        "state-count-checkpoints" => {
            count(StateBackendConfig::Heap, 100_000, events * 10, Some(Duration::from_secs(1)))
        }
        "state-count-heap" => count(StateBackendConfig::Heap, KEYS, events, None),
        "state-count-rocksdb-1gb" => on_disk(1 << 30, events),
        "state-count-rocksdb-256mb" => on_disk(256 << 20, events / 4),
        "state-pause" => pause(),
        _ => return None,
    };
    Some(figures.unwrap_or_else(|e| format!("failed: {e}")))
}

#[cfg(feature = "rocksdb")]
fn on_disk(memory_bytes: usize, events: u64) -> Result<String> {
    use millstream_runtime::state::{RocksDbBackend, RocksDbOptions};
    let options = RocksDbOptions { memory_bytes, ..RocksDbOptions::default() };
    let backend = StateBackendConfig::RocksDb(RocksDbBackend::new(options));
    count(backend, KEYS, events, None)
}

#[cfg(not(feature = "rocksdb"))]
fn on_disk(_: usize, _: u64) -> Result<String> {
    Ok("not compiled in: use --features rocksdb".to_owned())
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}

fn count(
    backend: StateBackendConfig,
    keys: u64,
    events: u64,
    interval: Option<Duration>,
) -> Result<String> {
    let env = StreamExecutionEnvironment::with_args(JobArgs {
        workers: Some(2),
        processes: 1,
        ..JobArgs::default()
    });
    let before = memory_mib("VmRSS");
    let folder = tempfile::tempdir()?;
    if let Some(interval) = interval {
        let folder = folder.path().to_string_lossy().into_owned();
        env.enable_checkpointing(interval).set_checkpoint_directory(folder);
    }
    let rows = Arc::new(AtomicU64::new(0));
    let bids = Bids { events, event_time: false, rate: 0, stamp: None };
    let seeds = Arc::new(AtomicU64::new(1));
    env.set_state_backend(backend)
        .from_source(bids, WatermarkStrategy::no_watermarks(), "bids")
        .map({
            let mut n = 0u64;
            move |_| {
                if n == 0 {
                    n = seeds.fetch_add(1, Ordering::Relaxed) << 40;
                }
                n += 1;
                mix(n) % keys
            }
        })
        .key_by(|key| *key)
        .map_with_state(|count: &mut Option<u64>, _| {
            let count = count.get_or_insert(0);
            *count += 1;
            *count
        })
        .sink_to(sink(&rows));
    let (start, cpu) = (Instant::now(), cpu_seconds());
    env.execute("count")?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let m = events as f64 / 1e6;
    Ok(format!(
        "mev_per_s={:.2} mev_per_cpu_s={:.2} seconds={seconds:.1} rss_before_mib={before} \
         peak_mib={}",
        m / seconds,
        m / cpu,
        memory_mib("VmHWM"),
    ))
}

/// Counts bytes.
struct Null(Arc<AtomicU64>);

impl SnapshotWriter for Null {
    fn state(&mut self, _: &StateDescription) -> Result<()> {
        Ok(())
    }
    fn keyed(&mut self, _: &str, _: KeyGroup, entries: &[u8]) -> Result<()> {
        self.0.fetch_add(entries.len() as u64, Ordering::Relaxed);
        Ok(())
    }
    fn list(&mut self, _: &str, _: ListMode, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn file(&mut self, _: &str, _: &Path, _: bool) -> Result<()> {
        Ok(())
    }
    fn native(&mut self, _: &NativeState) -> Result<()> {
        Ok(())
    }
}

/// 64 bytes of value a key.
type Wide = [u64; 8];
const WIDE_KEYS: u64 = 10_000_000;

/// Changes of random keys while a snapshot of all of them is taken and written.
fn pause() -> Result<String> {
    let context = OperatorContext::for_tests("pause");
    let mut states = context.keyed_states::<u64>()?;
    let state = states.value::<Wide>("wide")?;
    let mut slowest_fill = Duration::ZERO;
    for key in 0..WIDE_KEYS {
        let start = Instant::now();
        states.set_current_key(Some(key));
        state.update([key; 8])?;
        slowest_fill = slowest_fill.max(start.elapsed());
    }
    let filled = memory_mib("VmRSS");
    // The slowest change by the clock on the wall, and by the CPU time of the thread, which
    // other processes of the machine do not add to.
    type Slowest = (Duration, Duration);
    let work = |n: &mut u64, until: &mut dyn FnMut() -> bool| -> Result<(u64, Slowest)> {
        let (mut done, mut slowest) = (0, Slowest::default());
        while !until() {
            for _ in 0..1000 {
                let (start, cpu) = (Instant::now(), thread_cpu());
                *n += 1;
                states.set_current_key(Some(mix(*n) % WIDE_KEYS));
                state.modify(|slot| slot.get_or_insert([0; 8])[0] += 1)?;
                slowest.0 = slowest.0.max(start.elapsed());
                slowest.1 = slowest.1.max(thread_cpu() - cpu);
                done += 1;
            }
        }
        Ok((done, slowest))
    };
    let mut n = 0;
    let start = Instant::now();
    let (before, slowest_before) = work(&mut n, &mut || start.elapsed().as_secs() >= 3)?;
    let before = before as f64 / start.elapsed().as_secs_f64() / 1e6;

    let start = Instant::now();
    let mut snapshot = OperatorSnapshot::default();
    states.snapshot(&mut snapshot)?;
    let call = start.elapsed();
    let bytes = Arc::new(AtomicU64::new(0));
    let writer = Arc::clone(&bytes);
    let start = Instant::now();
    let thread = std::thread::spawn(move || snapshot.write(&mut Null(writer)));
    let (during, slowest) = work(&mut n, &mut || thread.is_finished())?;
    let written = start.elapsed().as_secs_f64();
    let during = during as f64 / written / 1e6;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    Ok(format!(
        "state_mib={filled} call_ms={:.2} slowest_cpu_ms={:.2} slowest_ms={:.2} \
         slowest_before_ms={:.2} slowest_fill_ms={:.2} written_s={written:.2} written_mb={} mops_before={before:.2} \
         mops_during={during:.2} peak_mib={}",
        ms(call),
        ms(slowest.1),
        ms(slowest.0),
        ms(slowest_before.0),
        ms(slowest_fill),
        bytes.load(Ordering::Relaxed) / 1_000_000,
        memory_mib("VmHWM"),
    ))
}
