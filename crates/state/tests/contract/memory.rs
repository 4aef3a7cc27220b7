//! RocksDB with state several times larger than its memory: what it holds, and that nothing
//! is lost. Bytes are counted, not timed.
#![cfg(feature = "rocksdb")]

use crate::support::{Job, MAX_PARALLELISM};
use millstream_core::key_group::subtask_of;
use millstream_core::{ManualClock, Result, key_group_of};
use millstream_state::{
    KeyedStates, RocksDbBackend, RocksDbOptions, SnapshotKind, StateBackendConfig, ValueState,
};
use std::sync::Arc;

const BUDGET: usize = 16 << 20;
const KEYS: u32 = 120_000;

struct Handles {
    text: ValueState<String>,
    numbers: ValueState<[u64; 16]>,
}

fn open(states: &mut KeyedStates<u32>) -> Result<Handles> {
    Ok(Handles { text: states.value("text")?, numbers: states.value("numbers")? })
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn numbers(key: u32, round: u64) -> [u64; 16] {
    std::array::from_fn(|i| mix(u64::from(key) << 8 | i as u64 | round << 40))
}

/// About 40 MB of numbers and 25 MB of text: four times the budget. What is counted leaves
/// room for what is not.
#[test]
fn memory_stays_within_its_budget() {
    let options = RocksDbOptions { memory_bytes: BUDGET, ..RocksDbOptions::default() };
    let backend = RocksDbBackend::new(options);
    let config = StateBackendConfig::RocksDb(backend.clone());
    let clock = Arc::new(ManualClock::new(0));
    let job = Job::open(&config, &clock, 2, &[], open).unwrap();
    let mut most = backend.memory();
    let mut check = || {
        let now = backend.memory();
        assert!(now.memtables <= now.block_cache, "{now:?}");
        let bytes = now.decoded + now.block_cache;
        assert!(bytes <= BUDGET, "{now:?}");
        if bytes > most.decoded + most.block_cache {
            most = now;
        }
    };
    let subtask = |key: &u32| subtask_of(key_group_of(key, MAX_PARALLELISM), MAX_PARALLELISM, 2);
    for round in 0..2u64 {
        let mut keys: Vec<u32> =
            (0..KEYS).map(|n| (mix(n.into()) % u64::from(KEYS)) as u32).collect();
        if round == 0 {
            keys = (0..KEYS).collect();
        }
        for batch in keys.chunks(1_000) {
            for (i, (states, _)) in job.subtasks.iter().enumerate() {
                let own: Vec<u32> = batch.iter().filter(|k| subtask(k) == i).copied().collect();
                states.prefetch(&own).unwrap();
            }
            check();
            for key in batch {
                let handles = job.at(key);
                handles.numbers.update(numbers(*key, 0)).unwrap();
                handles.text.modify(|slot| *slot = Some(format!("{:0200}", key))).unwrap();
            }
            check();
        }
        let _ = job.stored(SnapshotKind::Checkpoint);
        check();
    }
    assert!(most.decoded > BUDGET / 3, "the budget is used: {most:?}");
    for key in (0..KEYS).step_by(97) {
        let handles = job.at(&key);
        assert_eq!(handles.numbers.value().unwrap(), Some(numbers(key, 0)));
        assert_eq!(handles.text.value().unwrap(), Some(format!("{key:0200}")));
    }
    drop(job);
    assert_eq!(backend.memory().decoded, 0, "caches that are gone are not counted");
}
