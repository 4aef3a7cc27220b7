//! Windows with their state on disk, and on the way between memory and disk.
#![cfg(feature = "rocksdb")]

use crate::recovery::kinds;
use crate::support::{run, run_on, steps};
use millstream_runtime::state::{RocksDbBackend, RocksDbOptions, StateBackendConfig};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rocksdb() -> StateBackendConfig {
    // A cache that holds hardly anything, so that windows are read from disk.
    StateBackendConfig::RocksDb(RocksDbBackend::new(RocksDbOptions {
        memory_bytes: 16 << 20,
        write_back_cache_ratio: 0.000_02,
        ..RocksDbOptions::default()
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn windows_are_the_same_on_disk_and_on_the_way(
        steps in steps(), first in 0usize..6, second in 0usize..6,
    ) {
        let (disk, heap) = (rocksdb(), StateBackendConfig::Heap);
        let cuts = BTreeMap::from([(first, 2), (first + 1 + second, 1)]);
        for (i, factory) in kinds().iter().enumerate() {
            let whole = run(factory, &steps, &BTreeMap::new()).sorted();
            for backends in [
                vec![disk.clone()],
                vec![disk.clone(), heap.clone()],
                vec![heap.clone(), disk.clone()],
            ] {
                let parts = run_on(&backends, factory, &steps, &cuts).sorted();
                prop_assert_eq!(&whole, &parts, "kind {} from {:?}", i, backends);
            }
        }
    }
}
