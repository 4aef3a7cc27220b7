//! A job of several subtasks with keyed state, cut and restored.

use millstream_core::key_group::subtask_of;
use millstream_core::{Clock, Key, ManualClock, Result, key_group_of};
use millstream_state::{
    KeyedStates, OperatorSnapshot, Restored, SnapshotKind, StateBackendConfig, StateContext,
    StoredState, SubtaskInfo,
};
use std::sync::Arc;

pub(crate) const MAX_PARALLELISM: usize = 16;

/// Every backend: RocksDB with a cache that overflows all the time, one that does so now and
/// then, and one that has room for everything.
pub(crate) fn backends() -> Vec<StateBackendConfig> {
    #[allow(unused_mut)]
    let mut all = vec![StateBackendConfig::Heap];
    #[cfg(feature = "rocksdb")]
    all.extend([0.000_05, 0.002, 0.2].map(|ratio| StateBackendConfig::RocksDb(rocksdb(ratio))));
    all
}

#[cfg(feature = "rocksdb")]
pub(crate) fn rocksdb(write_back_cache_ratio: f64) -> millstream_state::RocksDbBackend {
    millstream_state::RocksDbBackend::new(millstream_state::RocksDbOptions {
        memory_bytes: 16 << 20,
        write_back_cache_ratio,
        ..Default::default()
    })
}

pub(crate) fn is_heap(backend: &StateBackendConfig) -> bool {
    matches!(backend, StateBackendConfig::Heap)
}

/// The states of one subtask after another, and the handles that `open` makes of them.
pub(crate) struct Job<K: Key, H> {
    pub(crate) subtasks: Vec<(KeyedStates<K>, H)>,
}

impl<K: Key, H> Job<K, H> {
    pub(crate) fn open(
        backend: &StateBackendConfig,
        clock: &Arc<ManualClock>,
        parallelism: usize,
        former: &[StoredState],
        open: impl Fn(&mut KeyedStates<K>) -> Result<H>,
    ) -> Result<Self> {
        let subtask = |index| {
            let (name, uid, max_parallelism) = ("test".into(), "test".into(), MAX_PARALLELISM);
            let restored = match former.is_empty() {
                true => Restored::default(),
                false => Restored::from_stored(former.iter().cloned()),
            };
            let mut states = KeyedStates::open(&StateContext {
                subtask: SubtaskInfo { name, uid, index, parallelism, max_parallelism },
                restored,
                clock: Arc::clone(clock) as Arc<dyn Clock>,
                backend: backend.clone(),
            })?;
            let handles = open(&mut states)?;
            Ok((states, handles))
        };
        Ok(Job { subtasks: (0..parallelism).map(subtask).collect::<Result<_>>()? })
    }
    /// The handles of the subtask that owns `key`, set to it.
    pub(crate) fn at(&self, key: &K) -> &H {
        let group = key_group_of(key, MAX_PARALLELISM);
        let (states, handles) =
            &self.subtasks[subtask_of(group, MAX_PARALLELISM, self.subtasks.len())];
        states.set_current_key(Some(key.clone()));
        handles
    }
    pub(crate) fn snapshot(&self, kind: SnapshotKind) -> Vec<OperatorSnapshot> {
        let take = |(states, _): &(KeyedStates<K>, H)| {
            let mut snapshot = OperatorSnapshot::new(kind);
            states.snapshot(&mut snapshot).unwrap();
            snapshot
        };
        self.subtasks.iter().map(take).collect()
    }
    pub(crate) fn stored(&self, kind: SnapshotKind) -> Vec<StoredState> {
        written(self.snapshot(kind))
    }
}

/// Writes snapshots, on another thread as the runtime does.
pub(crate) fn written(snapshots: Vec<OperatorSnapshot>) -> Vec<StoredState> {
    let write = || snapshots.into_iter().map(|s| s.into_stored().unwrap()).collect();
    std::thread::scope(|scope| scope.spawn(write).join().unwrap())
}
