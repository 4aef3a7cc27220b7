//! States of bytes: what the backend has for operators with a cache of their own.

use crate::support::{Job, MAX_PARALLELISM, rocksdb, written};
use millstream_core::key_group::{key_group_of_hash, stable_hash, subtask_of};
use millstream_core::{Clock, ManualClock, Result};
use millstream_state::{
    Bytes, BytesTable, IsExpired, KeyedStates, SnapshotKind, StateBackendConfig, StateKind, Table,
    TableRef,
};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

type OnDisk = Job<Bytes, Rc<dyn BytesTable>>;

fn open(states: &mut KeyedStates<Bytes>) -> Result<Rc<dyn BytesTable>> {
    Ok(states.bytes_table("t", None)?.expect("there is a table where state is on disk"))
}

fn key(n: u32) -> Bytes {
    Bytes(n.to_le_bytes()[..1 + n as usize % 4].to_vec())
}

/// Puts entries, each where its key belongs; `None` removes one.
fn put(job: &OnDisk, entries: &BTreeMap<u32, Option<Vec<u8>>>) {
    for (n, value) in entries {
        let (key, hash) = (key(*n), stable_hash(&key(*n)));
        let group = key_group_of_hash(hash, MAX_PARALLELISM);
        let owner = subtask_of(group, MAX_PARALLELISM, job.subtasks.len());
        job.subtasks[owner].1.put((hash, &key.0), value.as_deref()).unwrap();
    }
    job.subtasks.iter().for_each(|(_, table)| table.flush().unwrap());
}

/// All entries by key, read in bulk; those that are looked at one by one are the same.
fn all(job: &OnDisk) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (mut read, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for (_, table) in &job.subtasks {
        let keys: Vec<Bytes> = (0..1000).map(key).collect();
        let mut hashed: Vec<_> = keys.iter().map(|k| (stable_hash(k), k.0.as_slice())).collect();
        hashed.sort_unstable();
        hashed.dedup();
        let found = &mut |place: usize, value: &[u8]| {
            read.insert(hashed[place].1.to_vec(), value.to_vec());
            Ok(())
        };
        table.read_all(&hashed, found).unwrap();
        let visit = &mut |key: &[u8], value: &[u8]| {
            seen.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        table.for_each(visit).unwrap();
    }
    assert_eq!(read, seen);
    read
}

#[test]
fn entries_are_what_was_put_last_at_any_parallelism_and_in_either_form() {
    let (clock, disk) = (Arc::new(ManualClock::new(0)), StateBackendConfig::RocksDb(rocksdb(0.5)));
    let job = Job::open(&disk, &clock, 2, &[], open).unwrap();
    assert!(all(&job).is_empty());
    // Keys of several lengths, and values whose length takes one byte or two.
    let value = |n: u32| vec![n as u8; n as usize % 300];
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let first: BTreeMap<u32, _> = (0..200).map(|n| (n * 4 + 3, Some(value(n)))).collect();
    put(&job, &first);
    model.extend(first.iter().map(|(n, v)| (key(*n).0, v.clone().unwrap())));
    let second: BTreeMap<u32, _> =
        (0..100).map(|n| (n * 8 + 3, (n % 3 > 0).then(|| value(n + 7)))).collect();
    put(&job, &second);
    for (n, value) in &second {
        match value {
            Some(value) => drop(model.insert(key(*n).0, value.clone())),
            None => drop(model.remove(&key(*n).0)),
        }
    }
    assert_eq!(all(&job), model);
    let native = written(job.snapshot(SnapshotKind::Checkpoint));
    let canonical = written(job.snapshot(SnapshotKind::CanonicalSavepoint));
    for former in [&native, &canonical] {
        for parallelism in [1, 3] {
            assert_eq!(all(&Job::open(&disk, &clock, parallelism, former, open).unwrap()), model);
        }
    }

    // A table in memory has the same canonical form, there and back.
    type InMemory = TableRef<Bytes, (), Bytes>;
    let open_table = |states: &mut KeyedStates<Bytes>| -> Result<InMemory> {
        assert!(states.bytes_table("other", None)?.is_none(), "nothing is behind memory");
        states.table("t", StateKind::Value)
    };
    let heap = Job::open(&StateBackendConfig::Heap, &clock, 1, &canonical, open_table).unwrap();
    let mut seen = BTreeMap::new();
    let visit = &mut |key: &Bytes, (): &(), value: &Bytes| {
        seen.insert(key.0.clone(), value.0.clone());
        Ok(())
    };
    heap.subtasks[0].1.for_each(visit).unwrap();
    assert_eq!(seen, model);
    let back = written(heap.snapshot(SnapshotKind::CanonicalSavepoint));
    assert_eq!(all(&Job::open(&disk, &clock, 2, &back, open).unwrap()), model);
}

#[test]
fn what_has_expired_goes_when_files_are_compacted() {
    let (clock, disk) = (Arc::new(ManualClock::new(0)), StateBackendConfig::RocksDb(rocksdb(0.5)));
    let until = Arc::clone(&clock);
    let open = move |states: &mut KeyedStates<Bytes>| {
        let clock = Arc::clone(&until);
        let is_expired: IsExpired =
            Arc::new(move |value| value.first().is_some_and(|at| i64::from(*at) <= clock.now_ms()));
        Ok(states.bytes_table("t", Some(is_expired))?.expect("a table on disk"))
    };
    let job = Job::open(&disk, &clock, 1, &[], open).unwrap();
    put(&job, &(0..100).map(|n| (n * 4 + 3, Some(vec![n as u8 % 20]))).collect());
    job.subtasks[0].0.compact().unwrap();
    assert_eq!(all(&job).len(), 95, "those of 0 are over");
    clock.set_ms(10);
    job.subtasks[0].0.compact().unwrap();
    assert_eq!(all(&job).len(), 45);
    assert!(all(&job).values().all(|value| value[0] > 10));
}
