//! Schemas of the types people write, and what may follow what.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{StateDescription, StateKind};
use std::collections::{BTreeMap, HashSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Node(Box<Tree>, Box<Tree>),
    Leaf { weight: f64 },
    Empty,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    id: u64,
    next: Option<Box<Chain>>,
    others: Vec<Chain>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order<T> {
    id: u64,
    amount: Meters,
    tags: BTreeMap<String, Option<T>>,
    raw: [u8; 4],
    pair: (i8, char),
    checked: std::num::NonZeroU16,
    result: Result<u8, String>,
    seen: HashSet<i128>,
}

fn text<T: DeserializeOwned>() -> String {
    Schema::of::<T>().to_string()
}

#[test]
fn types_as_text() {
    assert_eq!(text::<(u8, Option<Vec<String>>)>(), "(u8, option<list<str>>)");
    assert_eq!(
        text::<Order<bool>>(),
        "Order { id: u64, amount: f32, tags: map<str, option<bool>>, raw: [u8; 4], \
         pair: (i8, char), checked: u16, result: enum Result { Ok: u8, Err: str }, \
         seen: list<i128> }"
    );
    assert_eq!(text::<Tree>(), "enum Tree { Node: (^0, ^0), Leaf:  { weight: f64 }, Empty: unit }");
    assert_eq!(text::<Chain>(), "Chain { id: u64, next: option<^0>, others: list<^0> }");
    assert_eq!(text::<Order<Tree>>().matches("enum Tree").count(), 1);
    assert_eq!(text::<std::net::IpAddr>(), "enum IpAddr { V4: [u8; 4], V6: [u8; 16] }");
    assert_eq!(text::<()>(), "unit");
    assert_ne!(Schema::of::<u8>().fingerprint(), Schema::of::<u16>().fingerprint());
}

#[test]
fn a_type_that_cannot_be_followed_is_opaque() {
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Any {
        Text(String),
        Number(u8),
    }
    assert!(matches!(Schema::of::<Any>(), Schema::Opaque(_)));
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
    let mut bytes = postcard::to_stdvec(&value).unwrap();
    bytes.push(99);
    let (tree, rest) = Value::decode(&Schema::of::<T>(), &bytes).unwrap();
    assert_eq!(rest, [99]);
    assert_eq!(tree.into::<T>().unwrap(), value);
}

#[test]
fn values_survive_the_way_through_a_tree() {
    let leaf = || Box::new(Tree::Leaf { weight: 0.5 });
    round_trip(Tree::Node(leaf(), Box::new(Tree::Node(leaf(), Box::new(Tree::Empty)))));
    let chain = |next| Chain { id: 7, next, others: vec![] };
    round_trip(Chain { others: vec![chain(None)], ..chain(Some(Box::new(chain(None)))) });
    round_trip(Order {
        id: u64::MAX,
        amount: Meters(1.5),
        tags: BTreeMap::from([("a".into(), Some(Tree::Empty)), ("b".into(), None)]),
        raw: [1, 2, 3, 4],
        pair: (-5, 'x'),
        checked: std::num::NonZeroU16::MAX,
        result: Err("no".into()),
        seen: HashSet::from([i128::MIN, 5]),
    });
    round_trip((std::net::IpAddr::from([127, 0, 0, 1]), u128::MAX, Some(())));
}

fn described<T: DeserializeOwned>() -> StateDescription {
    let mut description = StateDescription::new("orders", StateKind::Value);
    description.value_schema = Schema::of::<T>();
    description
}

mod first {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Row {
        pub(super) id: u64,
        pub(super) note: Option<String>,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) enum Kind {
        A,
        B(u8),
    }
}

mod second {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    pub(super) struct Renamed {
        pub(super) price: Option<f64>,
        pub(super) id: u64,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    pub(super) struct Narrow {
        pub(super) id: u32,
        pub(super) note: Option<String>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    pub(super) struct Strict {
        pub(super) id: u64,
        pub(super) note: Option<String>,
        pub(super) must: u8,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    pub(super) enum Kind {
        New,
        B(u8),
        A,
    }
}

#[test]
fn optional_fields_come_and_go() {
    let (old, new) = (described::<first::Row>(), described::<second::Renamed>());
    assert_eq!(check_compatibility(&old, &old).unwrap(), Compatibility::AsIs);
    assert_eq!(check_compatibility(&old, &new).unwrap(), Compatibility::Evolves);
    let bytes = postcard::to_stdvec(&first::Row { id: 4, note: Some("x".into()) }).unwrap();
    let (value, _) = Value::decode(&old.value_schema, &bytes).unwrap();
    assert_eq!(value.to_string(), r#"{id: 4, note: "x"}"#);
    let read: second::Renamed = value.into().unwrap();
    assert_eq!(read, second::Renamed { price: None, id: 4 });
}

#[test]
fn variants_are_found_by_name() {
    let (old, new) = (described::<first::Kind>(), described::<second::Kind>());
    assert_eq!(check_compatibility(&old, &new).unwrap(), Compatibility::Evolves);
    for (stored, read) in
        [(first::Kind::A, second::Kind::A), (first::Kind::B(3), second::Kind::B(3))]
    {
        let bytes = postcard::to_stdvec(&stored).unwrap();
        let (value, _) = Value::decode(&old.value_schema, &bytes).unwrap();
        assert_eq!(value.into::<second::Kind>().unwrap(), read);
    }
    let error = check_compatibility(&new, &old).unwrap_err().to_string();
    assert!(error.contains("variant value::New is gone"), "{error}");
}

#[test]
fn a_changed_type_is_refused_with_the_state_both_schemas_and_the_fix() {
    let old = described::<first::Row>();
    let error = check_compatibility(&old, &described::<second::Narrow>()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration: state 'orders': value.id has changed from u64 to u32; its values were \
         stored as Row { id: u64, note: option<str> } and the job declares Narrow { id: u32, \
         note: option<str> }; make new and removed fields optional, or register a migration \
         function on the state's descriptor, or give the new state another name"
    );
    let error = check_compatibility(&old, &described::<second::Strict>()).unwrap_err();
    assert!(error.to_string().contains("field value.must is new and not optional"));
    let mut map = old.clone();
    map.kind = StateKind::Map;
    assert!(check_compatibility(&old, &map).unwrap_err().to_string().contains("stored as Value"));
    let ttl = StateDescription { ttl_ms: Some(5), ..old.clone() };
    assert!(check_compatibility(&old, &ttl).unwrap_err().to_string().contains("without TTL"));
    let newer = StateDescription { format_version: 99, ..old.clone() };
    assert!(check_compatibility(&newer, &old).unwrap_err().to_string().contains("format 99"));
}
