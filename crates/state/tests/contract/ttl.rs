//! Time to live: what is seen, and what is still stored.

use crate::support::{Job, backends};
use millstream_core::{ManualClock, Result};
use millstream_state::{
    KeyedStates, ListState, MapState, SnapshotKind, StateDescriptor, Ttl, ValueState,
};
use std::sync::Arc;

struct Handles {
    value: ValueState<String>,
    list: ListState<u32>,
    map: MapState<u8, u32>,
}

fn open(ttl: Ttl) -> impl Fn(&mut KeyedStates<u32>) -> Result<Handles> {
    move |states| {
        Ok(Handles {
            value: states.value_with(StateDescriptor::new("value").ttl(ttl))?,
            list: states.list_with(StateDescriptor::new("list").ttl(ttl))?,
            map: states.map_with(StateDescriptor::new("map").ttl(ttl))?,
        })
    }
}

/// What is seen of key 1: the value, the list, and entry 1 of the map.
fn seen(job: &Job<u32, Handles>) -> (Option<String>, Vec<u32>, Option<u32>) {
    let h = job.at(&1);
    assert_eq!(h.map.entries().unwrap().first().map(|e| e.1), h.map.get(&1).unwrap());
    (h.value.value().unwrap(), h.list.get().unwrap(), h.map.get(&1).unwrap())
}

fn write(job: &Job<u32, Handles>) {
    let h = job.at(&1);
    h.value.update("x".into()).unwrap();
    h.list.add(5).unwrap();
    h.map.put(1, 7).unwrap();
}

fn full() -> (Option<String>, Vec<u32>, Option<u32>) {
    (Some("x".into()), vec![5], Some(7))
}

fn nothing() -> (Option<String>, Vec<u32>, Option<u32>) {
    (None, vec![], None)
}

#[test]
fn values_expire_after_the_last_write() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(1_000));
        let open = open(Ttl::after_write_ms(100));
        let job = Job::open(&backend, &clock, 1, &[], &open).unwrap();
        write(&job);
        clock.set_ms(1_099);
        assert_eq!(seen(&job), full());
        clock.set_ms(1_100);
        assert_eq!(seen(&job), nothing(), "reading did not make it young");
        clock.set_ms(500);
        assert_eq!(seen(&job), nothing(), "time does not run backwards");
        let stored = job.stored(SnapshotKind::Checkpoint);
        let job = Job::open(&backend, &clock, 2, &stored, &open).unwrap();
        let answer = job.at(&1).value.modify(|slot| slot.take());
        assert_eq!(answer.unwrap(), None, "an expired value is not changed");
        write(&job);
        clock.set_ms(1_150);
        job.at(&1).list.add(6).unwrap();
        clock.set_ms(1_220);
        assert_eq!(seen(&job), (None, vec![6], None), "elements expire one by one");
    }
}

#[test]
fn reading_makes_young_where_that_is_asked_for() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(1_000));
        let open = open(Ttl::after_write_ms(100).on_read_and_write());
        let job = Job::open(&backend, &clock, 1, &[], &open).unwrap();
        write(&job);
        for time in [1_090, 1_180, 1_270] {
            clock.set_ms(time);
            assert_eq!(seen(&job), full());
        }
        clock.set_ms(1_370);
        assert_eq!(seen(&job), nothing());
    }
}

#[test]
fn expired_values_are_seen_until_they_are_cleaned_where_that_is_allowed() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(1_000));
        let ttl = Ttl::after_write_ms(100).return_expired_if_not_cleaned_up();
        let job = Job::open(&backend, &clock, 1, &[], open(ttl)).unwrap();
        write(&job);
        clock.set_ms(2_000);
        assert_eq!(seen(&job), full());
        let stored = job.stored(SnapshotKind::Checkpoint);
        let job = Job::open(&backend, &clock, 1, &stored, open(ttl)).unwrap();
        job.subtasks[0].0.compact().unwrap();
        assert_eq!(seen(&job), nothing());
    }
}

fn size(job: &Job<u32, Handles>) -> usize {
    job.stored(SnapshotKind::CanonicalSavepoint).iter().map(|s| s.size_bytes()).sum()
}

#[test]
fn what_has_expired_is_not_stored_for_ever() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(1_000));
        let job = Job::open(&backend, &clock, 1, &[], open(Ttl::after_write_ms(100))).unwrap();
        for key in 0..5_000 {
            let h = job.at(&key);
            h.value.update("a value".into()).unwrap();
            h.list.add(key).unwrap();
            h.map.put(1, key).unwrap();
        }
        let full = size(&job);
        assert!(full > 100_000, "{full}");
        clock.set_ms(2_000);
        job.subtasks[0].0.compact().unwrap();
        let empty = size(&job);
        assert!(empty < full / 100, "{empty} of {full}");
    }
}

/// The heap backend cleans while it works, without being asked.
#[test]
fn the_heap_is_cleaned_by_work_on_other_keys() {
    let clock = Arc::new(ManualClock::new(1_000));
    let heap = &backends()[0];
    let job = Job::open(heap, &clock, 1, &[], open(Ttl::after_write_ms(100))).unwrap();
    for key in 0..50_000 {
        job.at(&key).value.update("a value".into()).unwrap();
        job.at(&key).map.put(1, key).unwrap();
    }
    let full = size(&job);
    for round in 0..40_000u32 {
        clock.set_ms(2_000 + i64::from(round) / 100);
        job.at(&(round % 10)).value.update("hot".into()).unwrap();
        job.at(&(round % 10)).map.put(1, 1).unwrap();
    }
    let left = size(&job);
    assert!(left < full / 100, "{left} of {full}");
}
