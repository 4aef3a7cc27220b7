//! State that was stored by an older version of the job.

use crate::support::{Job, backends};
use millstream_core::{Data, ManualClock, Result};
use millstream_state::{
    KeyedStates, ListState, MapState, SnapshotKind, StateDescriptor, Ttl, ValueState,
};
use std::sync::Arc;

mod before {
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    pub(super) struct Item {
        pub(super) id: u32,
        pub(super) note: Option<String>,
    }
}

mod after {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Item {
        pub(super) price: Option<u64>,
        pub(super) id: u32,
    }
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Changed {
        pub(super) id: String,
    }
}

struct Handles<V> {
    value: ValueState<V>,
    list: ListState<V>,
    map: MapState<u8, V>,
    timed: ListState<V>,
}

type Describe<V> = fn(&str) -> StateDescriptor<V>;

fn open<V: Data>(of: Describe<V>) -> impl Fn(&mut KeyedStates<u32>) -> Result<Handles<V>> {
    move |states| {
        Ok(Handles {
            value: states.value_with(of("value"))?,
            list: states.list_with(of("list"))?,
            map: states.map_with(of("map"))?,
            timed: states.list_with(of("timed").ttl(Ttl::after_write_ms(1_000)))?,
        })
    }
}

fn all<V: Data + PartialEq>(job: &Job<u32, Handles<V>>, want: impl Fn(u32) -> V) {
    for key in 0..50 {
        let h = job.at(&key);
        assert_eq!(h.value.value().unwrap(), Some(want(key)));
        assert_eq!(h.list.get().unwrap(), [want(key), want(key)]);
        assert_eq!(h.map.entries().unwrap(), [(1, want(key))]);
        assert_eq!(h.timed.get().unwrap(), [want(key)]);
    }
}

#[test]
fn compatible_types_are_read_changed_ones_migrated_and_others_refused() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(5));
        let first = open::<before::Item>(|name| StateDescriptor::new(name));
        let job = Job::open(&backend, &clock, 1, &[], first).unwrap();
        for key in 0..50 {
            let h = job.at(&key);
            let item = || before::Item { id: key, note: Some("n".into()) };
            h.value.update(item()).unwrap();
            h.list.update(vec![item(), item()]).unwrap();
            h.map.put(1, item()).unwrap();
            h.timed.add(item()).unwrap();
        }
        for kind in [SnapshotKind::Checkpoint, SnapshotKind::CanonicalSavepoint] {
            let stored = job.stored(kind);
            let next = open::<after::Item>(|name| StateDescriptor::new(name));
            let evolved = Job::open(&backend, &clock, 2, &stored, &next).unwrap();
            all(&evolved, |id| after::Item { price: None, id });
            // What evolved is stored in the new schema, and read as it is.
            let stored_again = evolved.stored(kind);
            let again = Job::open(&backend, &clock, 3, &stored_again, next).unwrap();
            all(&again, |id| after::Item { price: None, id });

            let migrating = open::<after::Changed>(|name| {
                let change = |old: before::Item| Ok(after::Changed { id: old.id.to_string() });
                StateDescriptor::new(name).migrate(change)
            });
            let migrated = Job::open(&backend, &clock, 2, &stored, migrating).unwrap();
            all(&migrated, |id| after::Changed { id: id.to_string() });

            let refused = open::<after::Changed>(|name| StateDescriptor::new(name));
            let error = Job::open(&backend, &clock, 2, &stored, refused).err().unwrap().to_string();
            for part in ["state 'value'", "id: u32", "id: str", "migration function"] {
                assert!(error.contains(part), "{part} is not in: {error}");
            }
        }
    }
}

#[test]
fn another_kind_key_or_ttl_is_refused() {
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(5));
        let job =
            Job::open(&backend, &clock, 1, &[], |s: &mut KeyedStates<u32>| s.value::<u8>("s"))
                .unwrap();
        job.at(&1).update(1).unwrap();
        let stored = job.stored(SnapshotKind::CanonicalSavepoint);
        let error = |open: &dyn Fn(&mut KeyedStates<u32>) -> Result<()>| {
            Job::open(&backend, &clock, 1, &stored, open).err().unwrap().to_string()
        };
        assert!(error(&|s| s.list::<u8>("s").map(|_| ())).contains("as Value state"));
        let ttl = StateDescriptor::<u8>::new("s").ttl(Ttl::after_write_ms(9));
        assert!(error(&|s| s.value_with(ttl.clone()).map(|_| ())).contains("without TTL"));
        let open = |s: &mut KeyedStates<String>| s.value::<u8>("s");
        let error = Job::open(&backend, &clock, 1, &stored, open).err().unwrap().to_string();
        assert!(error.contains("keys were stored as u32 and the job declares str"), "{error}");
    }
}

/// Tools read entries by the descriptions that are stored beside them.
#[test]
fn entries_are_read_without_the_types() {
    use millstream_state::FormerState;
    for backend in backends() {
        let clock = Arc::new(ManualClock::new(5));
        let open = |states: &mut KeyedStates<(u32, String)>| states.map::<u8, Option<f64>>("m");
        let job = Job::open(&backend, &clock, 1, &[], open).unwrap();
        job.at(&(7, "k".into())).put(3, Some(0.5)).unwrap();
        let stored = &job.stored(SnapshotKind::CanonicalSavepoint)[0];
        let description = &stored.states()[0];
        let groups = 0..crate::support::MAX_PARALLELISM as u16;
        let mut bytes = groups.filter_map(|g| stored.keyed("m", g).unwrap());
        let bytes = bytes.next().unwrap();
        let (entry, rest) = description.decode_entry(&bytes).unwrap();
        assert_eq!(entry.map(|v| v.to_string()), [r#"[7, "k"]"#, "3", "0.5"]);
        assert!(rest.is_empty());
    }
}
