//! Native snapshots of RocksDB: which files are new, and who may read them.
#![cfg(feature = "rocksdb")]

use crate::support::{Job, rocksdb};
use millstream_core::{KeyGroup, ManualClock, Result};
use millstream_state::{
    KeyedStates, ListMode, NativeState, SnapshotKind, SnapshotWriter, StateBackendConfig,
    StateDescription, ValueState,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Keeps the ids of files that checkpoints share.
#[derive(Default)]
struct Shared(BTreeSet<String>);

impl SnapshotWriter for Shared {
    fn state(&mut self, _: &StateDescription) -> Result<()> {
        Ok(())
    }
    fn keyed(&mut self, _: &str, _: KeyGroup, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn list(&mut self, _: &str, _: ListMode, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn file(&mut self, id: &str, local: &Path, shared: bool) -> Result<()> {
        assert!(local.is_file());
        self.0.extend(shared.then(|| id.to_owned()));
        Ok(())
    }
    fn native(&mut self, state: &NativeState) -> Result<()> {
        assert!(self.0.iter().all(|id| state.files.contains(id)));
        Ok(())
    }
}

fn shared(job: &Job<u32, ValueState<String>>, kind: SnapshotKind) -> BTreeSet<String> {
    let mut shared = Shared::default();
    job.snapshot(kind).into_iter().for_each(|snapshot| snapshot.write(&mut shared).unwrap());
    shared.0
}

#[test]
fn a_checkpoint_names_old_files_again_and_only_few_new_ones() {
    let backend = StateBackendConfig::RocksDb(rocksdb(0.5));
    let clock = Arc::new(ManualClock::new(0));
    let open = |states: &mut KeyedStates<u32>| states.value::<String>("text");
    let job = Job::open(&backend, &clock, 1, &[], open).unwrap();
    for key in 0..2_000 {
        job.at(&key).update("text".repeat(10)).unwrap();
    }
    let first = shared(&job, SnapshotKind::Checkpoint);
    assert!(!first.is_empty());
    job.at(&1).update("new".into()).unwrap();
    let second = shared(&job, SnapshotKind::Checkpoint);
    assert!(first.is_subset(&second), "{first:?} {second:?}");
    assert_eq!(second.len(), first.len() + 1);
    assert_eq!(shared(&job, SnapshotKind::Checkpoint), second, "nothing has changed");
    assert!(shared(&job, SnapshotKind::NativeSavepoint).is_empty(), "complete in itself");
    // After a restore the ids go on; files of another database have others.
    let stored = job.stored(SnapshotKind::Checkpoint);
    let restored = Job::open(&backend, &clock, 1, &stored, open).unwrap();
    assert_eq!(shared(&restored, SnapshotKind::Checkpoint), second);
    restored.at(&1).update("other".into()).unwrap();
    job.at(&1).update("another".into()).unwrap();
    let (ours, theirs) =
        (shared(&job, SnapshotKind::Checkpoint), shared(&restored, SnapshotKind::Checkpoint));
    let both: BTreeSet<_> = ours.intersection(&theirs).cloned().collect();
    assert_eq!(both, second);
}

#[test]
fn files_of_rocksdb_are_not_for_the_heap() {
    let clock = Arc::new(ManualClock::new(0));
    let open = |states: &mut KeyedStates<u32>| states.value::<String>("text");
    let rocks = StateBackendConfig::RocksDb(rocksdb(0.5));
    let job = Job::open(&rocks, &clock, 1, &[], open).unwrap();
    job.at(&1).update("x".into()).unwrap();
    let stored = job.stored(SnapshotKind::Checkpoint);
    let error = Job::open(&StateBackendConfig::Heap, &clock, 1, &stored, open).err().unwrap();
    assert!(error.to_string().contains("savepoint in canonical form"), "{error}");
}
