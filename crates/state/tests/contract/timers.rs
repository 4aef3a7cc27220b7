//! Timers beside a model: in memory and on disk, cut and restored in between.

use crate::support::{Job, MAX_PARALLELISM, backends, is_heap, written};
use millstream_core::key_group::subtask_of;
use millstream_core::{ManualClock, key_group_of};
use millstream_state::{
    OperatorSnapshot, SnapshotKind, StateBackendConfig, StoredState, SubtaskInfo, TimerState,
};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

type Timers = Job<u16, RefCell<TimerState<u16, u8>>>;
type Model = BTreeSet<(i64, u16, u8)>;

#[derive(Clone, Debug)]
enum Op {
    Register(i64, u16, u8),
    Delete(i64, u16, u8),
    /// So many timers of one key, more than a head has.
    Many(u16, i64, i64),
    DeleteMany(u16, i64, i64),
    /// So many timers up to a time, of every subtask.
    Pop(i64, usize),
    /// A snapshot of a kind, and a restore into a backend with a parallelism.
    Cut(SnapshotKind, usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let timer = || (-20i64..20, 0u16..12, 0u8..2);
    let many = || (0u16..3, -500i64..500, 1i64..900);
    let kind = prop_oneof![
        Just(SnapshotKind::Checkpoint),
        Just(SnapshotKind::CanonicalSavepoint),
        Just(SnapshotKind::NativeSavepoint)
    ];
    prop_oneof![
        6 => timer().prop_map(|(t, k, n)| Op::Register(t, k, n)),
        4 => timer().prop_map(|(t, k, n)| Op::Delete(t, k, n)),
        2 => many().prop_map(|(k, from, count)| Op::Many(k, from, count)),
        1 => many().prop_map(|(k, from, count)| Op::DeleteMany(k, from, count)),
        4 => (-600i64..600, 1usize..400).prop_map(|(t, count)| Op::Pop(t, count)),
        2 => (kind, 0usize..6, 1usize..4).prop_map(|(kind, into, p)| Op::Cut(kind, into, p)),
    ]
}

/// The contract's backends, and RocksDB with timers in memory.
fn all() -> Vec<StateBackendConfig> {
    #[allow(unused_mut)]
    let mut all = backends();
    #[cfg(feature = "rocksdb")]
    all.push(StateBackendConfig::RocksDb(millstream_state::RocksDbBackend::new(
        millstream_state::RocksDbOptions {
            memory_bytes: 16 << 20,
            timers: millstream_state::TimerService::Heap,
            ..Default::default()
        },
    )));
    all
}

fn open(backend: &StateBackendConfig, parallelism: usize, stored: &[StoredState]) -> Timers {
    let clock = Arc::new(ManualClock::new(0));
    let open = |states: &mut millstream_state::KeyedStates<u16>| {
        Ok(RefCell::new(states.timers::<u8>("timers")?))
    };
    Job::open(backend, &clock, parallelism, stored, open).unwrap()
}

fn owner(job: &Timers, key: u16) -> usize {
    subtask_of(key_group_of(&key, MAX_PARALLELISM), MAX_PARALLELISM, job.subtasks.len())
}

fn snapshot(job: &Timers, kind: SnapshotKind) -> Vec<OperatorSnapshot> {
    let parallelism = job.subtasks.len();
    let take = |(index, (states, timers)): (usize, &(_, RefCell<TimerState<u16, u8>>))| {
        let states: &millstream_state::KeyedStates<u16> = states;
        let (name, uid, max_parallelism) = ("test".into(), "test".into(), MAX_PARALLELISM);
        let subtask = SubtaskInfo { name, uid, index, parallelism, max_parallelism };
        let mut snapshot = OperatorSnapshot::new(kind);
        states.snapshot(&mut snapshot).unwrap();
        timers.borrow().snapshot("timers", &subtask, &mut snapshot);
        snapshot
    };
    job.subtasks.iter().enumerate().map(take).collect()
}

/// Takes timers from every subtask, as many as there are, and compares times.
fn pop(job: &Timers, model: &mut Model, up_to: i64, count: usize) {
    for (index, (_, timers)) in job.subtasks.iter().enumerate() {
        for _ in 0..count {
            let due = model.iter().find(|timer| owner(job, timer.1) == index);
            let due = due.copied().filter(|timer| timer.0 <= up_to);
            let mut timers = timers.borrow_mut();
            assert!(due.is_none() || timers.next_time() <= due.map(|timer| timer.0));
            let got = timers.pop_due(up_to).unwrap();
            assert_eq!(got.map(|timer| timer.0), due.map(|timer| timer.0), "of {index}");
            let Some(got) = got else { break };
            assert!(model.remove(&got), "{got:?} was not registered");
        }
    }
}

fn run(first: usize, ops: &[Op]) {
    let backends = all();
    let mut backend = &backends[first % backends.len()];
    let mut job = open(backend, 1, &[]);
    let mut model = Model::new();
    for op in ops {
        let at = |key: u16| job.subtasks[owner(&job, key)].1.borrow_mut();
        match *op {
            Op::Register(t, k, n) => {
                at(k).register(t, k, n);
                model.insert((t, k, n));
            }
            Op::Delete(t, k, n) => {
                at(k).delete(t, &k, &n);
                model.remove(&(t, k, n));
            }
            Op::Many(k, from, count) => (from..from + count).rev().for_each(|t| {
                at(k).register(t, k, 0);
                model.insert((t, k, 0));
            }),
            Op::DeleteMany(k, from, count) => (from..from + count).for_each(|t| {
                at(k).delete(t, &k, &0);
                model.remove(&(t, k, 0));
            }),
            Op::Pop(up_to, count) => pop(&job, &mut model, up_to, count),
            Op::Cut(kind, into, parallelism) => {
                let next = &backends[into % backends.len()];
                let foreign = is_heap(backend) != is_heap(next);
                let kind = if foreign { SnapshotKind::CanonicalSavepoint } else { kind };
                let snapshots = snapshot(&job, kind);
                // What happens behind the cut is not in it.
                (0..12).for_each(|k| at(k).register(0, k, 9));
                let stored = written(snapshots);
                job = open(next, parallelism, &stored);
                backend = next;
            }
        }
    }
    pop(&job, &mut model, i64::MAX, usize::MAX);
    assert_eq!(model, Model::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_backend_fires_as_the_model_says(
        first in 0usize..3, ops in prop::collection::vec(op(), 0..40),
    ) {
        run(first, &ops);
    }
}

/// Every pair of backends, in both forms, with more timers than the heads have.
#[test]
fn timers_move_between_backends_and_parallelisms() {
    for first in 0..all().len() {
        let mut ops = Vec::new();
        for (into, kind) in [
            (first, SnapshotKind::Checkpoint),
            (first + 1, SnapshotKind::Checkpoint),
            (first + 2, SnapshotKind::NativeSavepoint),
            (first, SnapshotKind::CanonicalSavepoint),
        ] {
            for parallelism in [3, 2, 1] {
                ops.extend((0..8).map(|k| Op::Many(k, -300, 700)));
                ops.push(Op::Pop(-200, 150));
                ops.push(Op::DeleteMany(2, -100, 300));
                ops.push(Op::Cut(kind, into, parallelism));
            }
        }
        run(first, &ops);
    }
}
