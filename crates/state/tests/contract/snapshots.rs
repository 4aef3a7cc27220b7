//! Snapshots of many entries: copy on write, splits of buckets, bulk access.

use crate::support::{Job, backends, written};
use millstream_core::ManualClock;
use millstream_state::{KeyedStates, SnapshotKind, StateKind, Table};
use std::sync::Arc;

#[test]
fn a_snapshot_is_what_was_there_at_the_call() {
    let clock = Arc::new(ManualClock::new(0));
    for backend in backends() {
        let open = |states: &mut KeyedStates<u32>| states.value::<u64>("count");
        let job = Job::open(&backend, &clock, 1, &[], open).unwrap();
        let count = |job: &Job<u32, _>, key| {
            let state: &millstream_state::ValueState<u64> = job.at(&key);
            state.value().unwrap()
        };
        for key in 0..30_000 {
            job.at(&key).update(u64::from(key)).unwrap();
        }
        let first = job.snapshot(SnapshotKind::CanonicalSavepoint);
        for key in 0..10_000 {
            job.at(&key).clear().unwrap();
            job.at(&(key + 30_000)).update(1).unwrap();
        }
        let second = job.snapshot(SnapshotKind::CanonicalSavepoint);
        for key in 0..40_000 {
            job.at(&key).modify(|slot| *slot = Some(5)).unwrap();
        }
        let (first, second) = (written(first), written(second));
        let job = Job::open(&backend, &clock, 1, &first, open).unwrap();
        assert!((0..30_000).all(|key| count(&job, key) == Some(u64::from(key))));
        assert!((30_000..40_000).all(|key| count(&job, key).is_none()));
        let job = Job::open(&backend, &clock, 2, &second, open).unwrap();
        assert!((0..10_000).all(|key| count(&job, key).is_none()));
        assert!((10_000..30_000).all(|key| count(&job, key) == Some(u64::from(key))));
        assert!((30_000..40_000).all(|key| count(&job, key) == Some(1)));
    }
}

#[test]
fn bulk_access_is_single_access() {
    let clock = Arc::new(ManualClock::new(0));
    for backend in backends() {
        let open = |states: &mut KeyedStates<u32>| states.table::<(), u32>("t", StateKind::Value);
        let job = Job::open(&backend, &clock, 1, &[], open).unwrap();
        let (states, table) = &job.subtasks[0];
        table
            .put_all((0..5_000).map(|key| (key, (), (key % 3 > 0).then_some(key))).collect())
            .unwrap();
        states.prefetch(&[1, 2, 3]).unwrap();
        let keys: Vec<_> = (0..6_000).rev().map(|key| (key, ())).collect();
        let got = table.get_all(&keys).unwrap();
        for ((key, ()), value) in keys.iter().zip(got) {
            assert_eq!(value, (*key < 5_000 && key % 3 > 0).then_some(*key));
        }
        let mut count = 0;
        table
            .for_each(&mut |key, (), value| {
                assert_eq!(key, value);
                count += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(count, (0..5_000).filter(|key| key % 3 > 0).count());
    }
}

#[test]
fn a_state_is_not_used_without_a_key_inside_itself_or_under_a_taken_name() {
    let clock = Arc::new(ManualClock::new(0));
    for backend in backends() {
        let open = |states: &mut KeyedStates<u32>| states.value::<u64>("count");
        let mut job = Job::open(&backend, &clock, 1, &[], open).unwrap();
        let (states, count) = &mut job.subtasks[0];
        let error = count.value().unwrap_err().to_string();
        assert!(error.contains("'count' was used where there is no key"), "{error}");
        states.set_current_key(Some(1));
        let error = count.modify(|_| count.value().unwrap_err()).unwrap().to_string();
        assert!(error.contains("while it was being changed"), "{error}");
        let error = states.map::<u8, u8>("count").err().unwrap().to_string();
        assert!(error.contains("declared twice"), "{error}");
    }
}
