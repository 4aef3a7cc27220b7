//! Native snapshots of RocksDB: which files are new, and who may read them.
#![cfg(feature = "rocksdb")]

use crate::support::{Job, rocksdb};
use millstream_core::{KeyGroup, ManualClock, Result};
use millstream_state::{
    KeyedStates, ListMode, NativeState, SnapshotKind, SnapshotWriter, StateBackendConfig,
    StateDescription, StateDescriptor, Ttl, ValueState,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Keeps the ids of files that checkpoints share, and counts their bytes.
#[derive(Default)]
struct Shared(BTreeSet<String>, u64);

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
        self.1 += if shared { local.metadata()?.len() } else { 0 };
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

fn bytes_on_disk(job: &Job<u32, ValueState<String>>) -> u64 {
    let mut shared = Shared::default();
    let snapshots = job.snapshot(SnapshotKind::Checkpoint).into_iter();
    snapshots.for_each(|snapshot| snapshot.write(&mut shared).unwrap());
    shared.1
}

fn timed(states: &mut KeyedStates<u32>) -> Result<ValueState<String>> {
    let ttl = Ttl::after_write_ms(100);
    states.value_with(StateDescriptor::new("text").ttl(ttl))
}

/// Text that does not compress.
fn noise(seed: u32, bytes: usize) -> String {
    let mut x = u64::from(seed) + 1;
    let mut next = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        char::from(b' ' + ((x >> 33) % 90) as u8)
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn what_has_expired_is_gone_from_the_disk_after_a_compaction() {
    let backend = StateBackendConfig::RocksDb(rocksdb(0.5));
    let clock = Arc::new(ManualClock::new(1_000));
    let job = Job::open(&backend, &clock, 1, &[], timed).unwrap();
    for key in 0..5_000 {
        job.at(&key).update(noise(key, 100)).unwrap();
    }
    let full = bytes_on_disk(&job);
    assert!(full > 400_000, "{full}");
    clock.set_ms(1_050);
    (0..100).for_each(|key| job.at(&key).update(noise(key, 100)).unwrap());
    clock.set_ms(1_120);
    job.subtasks[0].0.compact().unwrap();
    let left = bytes_on_disk(&job);
    assert!(left > 5_000 && left < full / 20, "{left} of {full}");
}

/// Nobody asks for a compaction here: work on other keys makes RocksDB do it.
#[test]
fn the_disk_is_cleaned_by_work_on_other_keys() {
    let backend = StateBackendConfig::RocksDb(rocksdb(0.05));
    let clock = Arc::new(ManualClock::new(1_000));
    let job = Job::open(&backend, &clock, 1, &[], timed).unwrap();
    let (mut written, mut round) = (0, 0u32);
    loop {
        for key in 0..10_000 {
            job.at(&(round * 7_919 + key * 31)).update(noise(key ^ round, 200)).unwrap();
            written += 200;
        }
        clock.set_ms(1_000 + 1_000 * i64::from(round));
        round += 1;
        if round >= 10 && bytes_on_disk(&job) < written / 3 {
            break;
        }
        assert!(round < 200, "{} of {written} bytes are left", bytes_on_disk(&job));
    }
}
