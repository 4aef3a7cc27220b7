//! Random work, cuts and restores beside a model of ordered maps.

use crate::support::{Job, backends, is_heap, written};
use millstream_core::{ManualClock, Result};
use millstream_state::{
    KeyedStates, ListState, MapState, ReducingState, SnapshotKind, StateDescriptor, StateKind,
    Table, TableRef, ValueState,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

type Name = (u8, String);

struct Handles {
    value: ValueState<Name>,
    list: ListState<u16>,
    map: MapState<u8, u64>,
    sum: ReducingState<u64>,
    windows: TableRef<u16, i64, String>,
}

fn open(states: &mut KeyedStates<u16>) -> Result<Handles> {
    Ok(Handles {
        value: states.value("value")?,
        list: states.list("list")?,
        map: states.map("map")?,
        sum: states.reducing(StateDescriptor::new("sum"), |a, b| a + b)?,
        windows: states.table("windows", StateKind::Window)?,
    })
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    value: BTreeMap<u16, Name>,
    list: BTreeMap<u16, Vec<u16>>,
    map: BTreeMap<u16, BTreeMap<u8, u64>>,
    sum: BTreeMap<u16, u64>,
    windows: BTreeMap<(u16, i64), String>,
}

#[derive(Clone, Debug)]
enum Op {
    Update(u16, u8),
    Grow(u16),
    Clear(u16),
    Add(u16, u16),
    ReplaceList(u16, Vec<u16>),
    Put(u16, u8, u64),
    Remove(u16, u8),
    ClearMap(u16),
    Sum(u16, u64),
    ClearSum(u16),
    Window(u16, i64),
    PutAll(Vec<(u16, i64, Option<u8>)>),
    /// A snapshot of a kind, work after it, and a restore into a backend.
    Cut(SnapshotKind, usize, usize, Vec<Op>),
}

fn work() -> impl Strategy<Value = Op> {
    let (key, window) = (0u16..40, 0i64..3);
    prop_oneof![
        3 => (key.clone(), any::<u8>()).prop_map(|(k, v)| Op::Update(k, v)),
        2 => key.clone().prop_map(Op::Grow),
        1 => key.clone().prop_map(Op::Clear),
        2 => (key.clone(), any::<u16>()).prop_map(|(k, v)| Op::Add(k, v)),
        1 => (key.clone(), prop::collection::vec(any::<u16>(), 0..3))
            .prop_map(|(k, v)| Op::ReplaceList(k, v)),
        3 => (key.clone(), 0u8..5, any::<u64>()).prop_map(|(k, m, v)| Op::Put(k, m, v)),
        1 => (key.clone(), 0u8..5).prop_map(|(k, m)| Op::Remove(k, m)),
        1 => key.clone().prop_map(Op::ClearMap),
        2 => (key.clone(), 0u64..100).prop_map(|(k, v)| Op::Sum(k, v)),
        1 => key.clone().prop_map(Op::ClearSum),
        3 => (key.clone(), window.clone()).prop_map(|(k, w)| Op::Window(k, w)),
        1 => prop::collection::btree_map((key, window), any::<Option<u8>>(), 0..8)
            .prop_map(|all| Op::PutAll(all.into_iter().map(|((k, w), v)| (k, w, v)).collect())),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        Just(SnapshotKind::Checkpoint),
        Just(SnapshotKind::CanonicalSavepoint),
        Just(SnapshotKind::NativeSavepoint)
    ];
    let cut = (kind, 0usize..8, 1usize..5, prop::collection::vec(work(), 0..10))
        .prop_map(|(kind, backend, parallelism, then)| Op::Cut(kind, backend, parallelism, then));
    prop_oneof![20 => work(), 1 => cut]
}

fn both(job: &Job<u16, Handles>, model: &mut Model, op: &Op) {
    match op {
        Op::Update(k, v) => {
            job.at(k).value.update((*v, "x".repeat((*v % 7) as usize))).unwrap();
            model.value.insert(*k, (*v, "x".repeat((*v % 7) as usize)));
        }
        Op::Grow(k) => {
            let grow = |slot: &mut Option<Name>| {
                let (count, text) = slot.get_or_insert_default();
                *count = count.wrapping_add(1);
                text.push('y');
                *count
            };
            let got = job.at(k).value.modify(grow).unwrap();
            let mut slot = model.value.remove(k);
            assert_eq!(got, grow(&mut slot));
            model.value.extend(slot.map(|v| (*k, v)));
        }
        Op::Clear(k) => {
            job.at(k).value.clear().unwrap();
            model.value.remove(k);
        }
        Op::Add(k, v) => {
            job.at(k).list.add(*v).unwrap();
            model.list.entry(*k).or_default().push(*v);
        }
        Op::ReplaceList(k, v) => {
            job.at(k).list.update(v.clone()).unwrap();
            model.list.insert(*k, v.clone());
            model.list.retain(|_, list| !list.is_empty());
        }
        Op::Put(k, m, v) => {
            job.at(k).map.put(*m, *v).unwrap();
            model.map.entry(*k).or_default().insert(*m, *v);
        }
        Op::Remove(k, m) => {
            job.at(k).map.remove(m).unwrap();
            model.map.entry(*k).or_default().remove(m);
        }
        Op::ClearMap(k) => {
            job.at(k).map.clear().unwrap();
            model.map.remove(k);
        }
        Op::Sum(k, v) => {
            job.at(k).sum.add(*v).unwrap();
            *model.sum.entry(*k).or_default() += v;
        }
        Op::ClearSum(k) => {
            job.at(k).sum.clear().unwrap();
            model.sum.remove(k);
        }
        Op::Window(k, w) => {
            let push = |slot: &mut Option<String>| slot.get_or_insert_default().push('w');
            job.at(k).windows.modify(k, w, push).unwrap();
            model.windows.entry((*k, *w)).or_default().push('w');
        }
        Op::PutAll(all) => {
            for (k, w, v) in all {
                let value = v.map(|v| v.to_string());
                job.at(k).windows.put_all(vec![(*k, *w, value.clone())]).unwrap();
                model.windows.remove(&(*k, *w));
                model.windows.extend(value.map(|v| ((*k, *w), v)));
            }
        }
        Op::Cut(..) => {}
    }
}

fn check(job: &Job<u16, Handles>, model: &Model) {
    for k in 0..40 {
        let h = job.at(&k);
        assert_eq!(h.value.value().unwrap(), model.value.get(&k).cloned(), "value of {k}");
        assert_eq!(h.list.get().unwrap(), model.list.get(&k).cloned().unwrap_or_default());
        let map: Vec<_> = model.map.get(&k).into_iter().flatten().map(|(m, v)| (*m, *v)).collect();
        assert_eq!(h.map.entries().unwrap(), map, "map of {k}");
        for m in 0..5 {
            let want = map.iter().find(|e| e.0 == m).map(|e| e.1);
            assert_eq!(h.map.get(&m).unwrap(), want);
        }
        assert_eq!(h.sum.get().unwrap(), model.sum.get(&k).copied(), "sum of {k}");
        let keys: Vec<_> = (0..3).map(|w| (k, w)).collect();
        let want: Vec<_> = keys.iter().map(|at| model.windows.get(at).cloned()).collect();
        assert_eq!(h.windows.get_all(&keys).unwrap(), want, "windows of {k}");
    }
    let mut all = BTreeMap::new();
    for (_, handles) in &job.subtasks {
        let collect = |k: &u16, w: &i64, v: &String| {
            all.insert((*k, *w), v.clone());
            Ok(())
        };
        handles.windows.for_each(&mut { collect }).unwrap();
    }
    assert_eq!(all, model.windows);
}

fn run(first: usize, ops: &[Op]) {
    let (backends, clock) = (backends(), Arc::new(ManualClock::new(0)));
    let mut backend = &backends[first % backends.len()];
    let mut job = Job::open(backend, &clock, 1, &[], open).unwrap();
    let mut model = Model::default();
    for op in ops {
        both(&job, &mut model, op);
        if let Op::Cut(kind, into, parallelism, then) = op {
            let next = &backends[into % backends.len()];
            // Files of one backend are not for another one: that takes the canonical form.
            let foreign = is_heap(backend) != is_heap(next);
            let kind = if foreign { SnapshotKind::CanonicalSavepoint } else { *kind };
            let snapshots = job.snapshot(kind);
            let mut later = model.clone();
            then.iter().for_each(|op| both(&job, &mut later, op));
            let stored = written(snapshots);
            check(&job, &later);
            job = Job::open(next, &clock, *parallelism, &stored, open).unwrap();
            backend = next;
            check(&job, &model);
        }
    }
    check(&job, &model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_backend_is_the_model(first in 0usize..4, ops in prop::collection::vec(op(), 0..120)) {
        run(first, &ops);
    }
}

#[test]
fn a_cut_between_all_pairs_of_backends_and_parallelisms() {
    for first in 0..backends().len() {
        let mut ops = Vec::new();
        for (kind, into) in [
            (SnapshotKind::Checkpoint, first),
            (SnapshotKind::NativeSavepoint, first),
            (SnapshotKind::CanonicalSavepoint, first),
            (SnapshotKind::CanonicalSavepoint, first + 1),
        ] {
            for parallelism in [3, 2, 4, 1] {
                ops.extend((0..40).flat_map(|k| {
                    [Op::Grow(k), Op::Add(k, k), Op::Put(k, 3, 7), Op::Sum(k, 2), Op::Window(k, 1)]
                }));
                ops.push(Op::Clear(parallelism as u16));
                ops.push(Op::Cut(kind, into, parallelism, vec![Op::Grow(1), Op::ClearMap(2)]));
            }
        }
        run(first, &ops);
    }
}
