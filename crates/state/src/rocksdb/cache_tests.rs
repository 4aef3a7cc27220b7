//! The write-back cache beside a model, with an ordered map in the place of the database.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    /// What comes to the entry: `None` removes it.
    Change(u16, Option<u8>),
    Look(u16),
    /// As `put_all`: without a look at what was there.
    Put(u16, Option<u8>),
    WriteBack,
    /// Bytes from now on.
    Budget(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let key = prop_oneof![0u16..30, 0u16..1_000];
    prop_oneof![
        200 => (key.clone(), any::<Option<u8>>()).prop_map(|(k, v)| Op::Change(k, v)),
        50 => key.clone().prop_map(Op::Look),
        50 => (key, any::<Option<u8>>()).prop_map(|(k, v)| Op::Put(k, v)),
        1 => Just(Op::WriteBack),
        1 => prop_oneof![Just(100), Just(3_000), Just(30_000), Just(1 << 20)].prop_map(Op::Budget),
    ]
}

/// A cache with its database; it does what `RocksTable` does.
struct Cached<V> {
    cache: WriteBack<u16, (), V>,
    database: BTreeMap<u16, V>,
    budget_bytes: usize,
    /// Reads of the database.
    reads: usize,
}

impl<V: Data + PartialEq + std::fmt::Debug> Cached<V> {
    fn new(budget_bytes: usize, database: BTreeMap<u16, V>) -> Self {
        let cache = WriteBack::new(database.is_empty());
        Cached { cache, database, budget_bytes, reads: 0 }
    }
    fn make_room(&mut self, hash: u64) {
        let database = &mut self.database;
        let write = &mut |k: &u16, _: &(), v: Option<&V>| write(database, k, v);
        self.cache.make_room(hash, self.budget_bytes, write).unwrap();
    }
    fn change(&mut self, key: u16, change: impl FnOnce(&mut Option<V>)) {
        let hash = self.cache.hash(&key, &());
        self.cache.approach(hash);
        let Err(change) = self.cache.change(hash, &key, &(), change) else { return };
        let is_complete = self.cache.is_complete();
        if is_complete {
            assert_eq!(self.database.get(&key), None, "a complete cache lacks {key}");
            self.make_room(hash);
            let mut value = None;
            change(&mut value);
            if value.is_some() {
                self.cache.insert_changed(hash, key, (), value, false);
            }
            return;
        }
        self.reads += 1;
        let value = self.database.get(&key).cloned();
        self.make_room(hash);
        self.cache.insert_stored(hash, key, (), value, 10);
        assert!(self.cache.change(hash, &key, &(), change).is_ok());
    }
    fn put(&mut self, key: u16, value: Option<V>) {
        let hash = self.cache.hash(&key, &());
        if self.cache.touch(hash, &key, &()) {
            assert!(self.cache.change(hash, &key, &(), |slot| *slot = value).is_ok());
            return;
        }
        let may_be_stored = !self.cache.is_complete();
        self.make_room(hash);
        self.cache.insert_changed(hash, key, (), value, may_be_stored);
    }
    fn write_back(&mut self) {
        let database = &mut self.database;
        let write = &mut |k: &u16, (): &(), v: Option<&V>| write(database, k, v);
        self.cache.write_back(self.budget_bytes, write).unwrap();
    }
    fn check(&self) {
        let cache = &self.cache;
        let rows: usize = cache.sets.iter().map(|set| set.rows.len()).sum();
        let tables: usize = cache.sets.iter().map(|set| set.rows.allocation_size()).sum();
        assert_eq!((rows, tables), (cache.len, cache.table_bytes));
        for set in &cache.sets {
            assert!(set.dirty || set.rows.iter().all(|row| !row.dirty));
            assert!(set.rows.len() <= cache.rows_max);
        }
    }
}

fn write<V: Clone>(database: &mut BTreeMap<u16, V>, key: &u16, value: Option<&V>) -> Result<usize> {
    match value {
        Some(value) => database.insert(*key, value.clone()),
        None => database.remove(key),
    };
    Ok(10)
}

fn run<V: Data + PartialEq + std::fmt::Debug>(
    budget_bytes: usize,
    start: BTreeMap<u16, V>,
    ops: &[Op],
    make: impl Fn(u8) -> V,
) {
    let mut model = start.clone();
    let mut cached = Cached::new(budget_bytes, start);
    for op in ops {
        match op {
            Op::Change(key, to) => {
                let (mut seen, to) = (None, to.map(&make));
                cached.change(*key, |slot| {
                    seen = slot.take();
                    *slot = to.clone();
                });
                assert_eq!(seen, model.remove(key));
                model.extend(to.map(|to| (*key, to)));
            }
            Op::Look(key) => {
                let mut seen = None;
                cached.change(*key, |slot| seen = slot.clone());
                assert_eq!(seen.as_ref(), model.get(key));
            }
            Op::Put(key, to) => {
                cached.put(*key, to.map(&make));
                model.remove(key);
                model.extend(to.map(|to| (*key, make(to))));
            }
            Op::WriteBack => {
                cached.write_back();
                assert_eq!(cached.database, model);
            }
            Op::Budget(bytes) => cached.budget_bytes = *bytes,
        }
        cached.check();
    }
    cached.write_back();
    assert_eq!(cached.database, model);
}

proptest! {
    #[test]
    fn the_cache_with_its_database_is_a_map(
        budget_bytes in prop_oneof![Just(100usize), Just(3_000), Just(30_000), Just(1 << 20)],
        start in prop::collection::btree_map(0u16..1_000, any::<u8>(), 0..2),
        ops in prop::collection::vec(op(), 0..3_000),
    ) {
        run(budget_bytes, start.clone(), &ops, |n| n);
        let start = start.into_iter().map(|(k, n)| (k, n.to_string())).collect();
        run(budget_bytes, start, &ops, |n| n.to_string());
    }
}

fn count(cached: &mut Cached<u64>, keys: std::ops::Range<u16>) {
    for key in keys {
        cached.change(key, |slot| *slot.get_or_insert(0) += 1);
        cached.check();
        let (bytes, one) = (cached.cache.bytes(), cached.cache.sets.len() == 1);
        assert!(one || bytes <= cached.budget_bytes, "{bytes} bytes");
    }
}

#[test]
fn while_all_entries_are_here_the_database_is_not_read_also_behind_a_barrier() {
    let mut cached = Cached::new(1 << 20, BTreeMap::new());
    count(&mut cached, 0..5_000);
    cached.write_back();
    assert_eq!(cached.database.len(), 5_000);
    count(&mut cached, 0..10_000);
    assert!(cached.cache.is_complete());
    // What is deleted everywhere may go without being missed.
    cached.change(7, |slot| *slot = None);
    cached.write_back();
    assert!(cached.cache.is_complete() && !cached.database.contains_key(&7));
    assert_eq!(cached.reads, 0);
}

#[test]
fn an_entry_that_went_is_read_again_and_a_restored_one_is_found() {
    let mut cached = Cached::new(30_000, BTreeMap::new());
    count(&mut cached, 0..5_000);
    assert!(!cached.cache.is_complete());
    assert!(cached.cache.bytes() > 15_000, "the budget is used");
    count(&mut cached, 0..5_000);
    cached.write_back();
    assert!(cached.reads > 3_000 && cached.database.values().all(|count| *count == 2));

    let mut cached = Cached::new(1 << 20, BTreeMap::from([(3, 8)]));
    count(&mut cached, 3..4);
    cached.write_back();
    assert_eq!((cached.reads, cached.database.get(&3)), (1, Some(&9)));
}

#[test]
fn a_smaller_budget_is_kept_and_then_used() {
    let mut cached = Cached::new(1 << 20, BTreeMap::new());
    count(&mut cached, 0..20_000);
    cached.budget_bytes = 20_000;
    count(&mut cached, 20_000..20_001);
    assert!(cached.database.len() > 19_000);
    count(&mut cached, 0..5_000);
    assert!(cached.cache.bytes() > 10_000, "{}", cached.cache.bytes());
}

/// Sets become full at different times: one that is must not empty the others.
#[test]
fn a_full_cache_stays_full() {
    let mut cached = Cached::new(100_000, BTreeMap::new());
    count(&mut cached, 0..10_000);
    let most = cached.cache.sets.len() * cached.cache.rows_max;
    for key in 10_000..60_000 {
        count(&mut cached, key..key + 1);
        // A set that was split has half of its rows; how many are at a time is chance, about half.
        assert!(cached.cache.len > most / 4, "{} of {most}", cached.cache.len);
    }
    assert_eq!(cached.cache.sets.len() * cached.cache.rows_max, most);
}

#[test]
fn hot_entries_stay() {
    let mut cached = Cached::new(30_000, BTreeMap::new());
    for round in 0..100 {
        count(&mut cached, 0..20);
        count(&mut cached, 1_000 + round * 100..1_100 + round * 100);
    }
    // 10,000 cold ones were read at most once each, and the hot ones seldom.
    assert!(cached.reads < 10_000 + 100, "{} reads", cached.reads);
}
