//! Tests of the updating join: texts, and a model that joins tables.

use super::*;
use crate::runtime::spec::{JoinKeys, Predicate};
use crate::runtime::testing::{Harness, applied, ints, schema};
use crate::types::SqlType;
use arrow_array::BooleanArray;
use arrow_schema::SchemaRef;
use proptest::prelude::*;

fn side() -> SchemaRef {
    schema(&[("k", SqlType::int()), ("v", SqlType::int())])
}

fn spec(kind: JoinKind) -> JoinSpec {
    let int = SqlType::int;
    let output = match kind.is_left_only() {
        true => side(),
        false => schema(&[("k", int()), ("v", int()), ("k2", int()), ("v2", int())]),
    };
    let input = || JoinSide { schema: side(), unique_key: None, appends: false, ttl_ms: None };
    JoinSpec {
        kind,
        keys: JoinKeys { left: vec![0], right: vec![0], filter_nulls: vec![true] },
        condition: None,
        left: input(),
        right: input(),
        output,
    }
}

fn harness(kind: JoinKind) -> Harness<Join> {
    Harness::new(Join::new(spec(kind)).unwrap())
}

#[test]
fn a_left_row_loses_its_padding_and_gets_it_back() {
    let mut h = harness(JoinKind::Left);
    h.left(&side(), "+I 1 10\n+I null 5");
    assert_eq!(h.take(), ["+I 1 10 null null", "+I null 5 null null"]);
    h.right(&side(), "+I 1 7\n+I 1 7\n+I null 5");
    let out = ["-D 1 10 null null", "+I 1 10 1 7", "+I 1 10 1 7"];
    assert_eq!(h.take(), out);
    h.right(&side(), "-D 1 7");
    assert_eq!(h.take(), ["-D 1 10 1 7"]);
    h.right(&side(), "-D 1 7");
    assert_eq!(h.take(), ["-D 1 10 1 7", "+I 1 10 null null"]);
    h.left(&side(), "-U 1 10\n+U 1 11");
    assert_eq!(h.take(), ["-D 1 10 null null", "+I 1 11 null null"]);
}

#[test]
fn semi_and_anti_follow_the_first_and_the_last_partner() {
    for (kind, first, last) in
        [(JoinKind::Semi, "+I 1 5", "-D 1 5"), (JoinKind::Anti, "-D 1 5", "+I 1 5")]
    {
        let mut h = harness(kind);
        h.left(&side(), "+I 1 5\n+I null 6").take();
        h.right(&side(), "+I 1 0");
        assert_eq!(h.take(), [first]);
        h.right(&side(), "+I 1 1\n-D 1 0");
        assert_eq!(h.take(), [""; 0]);
        h.right(&side(), "-D 1 1");
        assert_eq!(h.take(), [last]);
    }
}

#[test]
fn the_rest_of_the_condition_counts_for_outer_joins() {
    let greater = Predicate::new(|rows| {
        let pairs = ints(rows, 1).into_iter().zip(ints(rows, 3));
        Ok(BooleanArray::from_iter(pairs.map(|(l, r)| Some(r? > l?))))
    });
    let spec = JoinSpec { condition: Some(greater), ..spec(JoinKind::Full) };
    let mut h = Harness::new(Join::new(spec).unwrap());
    h.left(&side(), "+I 1 10").right(&side(), "+I 1 5\n+I 1 15\n+I 1 null");
    let out = [
        "+I 1 10 null null",
        "+I null null 1 5",
        "-D 1 10 null null",
        "+I 1 10 1 15",
        "+I null null 1 null",
    ];
    assert_eq!(h.take(), out);
}

#[test]
fn null_matches_null_when_asked_to() {
    let mut spec = spec(JoinKind::Inner);
    spec.keys.filter_nulls = vec![false];
    let mut h = Harness::new(Join::new(spec).unwrap());
    h.left(&side(), "+I null 1").right(&side(), "+I null 2\n+I 3 3");
    assert_eq!(h.take(), ["+I null 1 null 2"]);
}

#[test]
fn a_row_replaces_the_one_with_its_unique_key() {
    let mut spec = spec(JoinKind::Inner);
    spec.right.unique_key = Some(vec![0]);
    let mut h = Harness::new(Join::new(spec).unwrap());
    h.right(&side(), "+I 1 5\n+U 1 6").left(&side(), "+I 1 0");
    assert_eq!(h.take(), ["+I 1 0 1 6"]);
}

#[test]
fn rows_expire_and_give_memory_back() {
    let mut spec = spec(JoinKind::Inner);
    spec.left.ttl_ms = Some(100);
    let mut h = Harness::new(Join::new(spec).unwrap());
    h.left(&side(), "+I 1 0");
    h.time(99).right(&side(), "+I 1 1");
    assert_eq!(h.take(), ["+I 1 0 1 1"]);
    h.time(100).right(&side(), "+I 1 2");
    assert_eq!(h.take(), [""; 0]);
    assert_eq!(h.operator().key_counts(), [0, 1]);
}

type Step = (bool, bool, Option<i32>, i32);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = prop::option::weighted(0.8, 0i32..3);
    prop::collection::vec((any::<bool>(), prop::bool::weighted(0.65), key, 0i32..3), 0..60)
}

type Table = Vec<(Option<i32>, i32)>;

/// What the join of two tables is.
fn model(kind: JoinKind, left: &Table, right: &Table) -> Vec<String> {
    let show = |row: Option<&(Option<i32>, i32)>| match row {
        Some((k, v)) => format!("{} {v}", k.map_or("null".into(), |k| k.to_string())),
        None => "null null".to_string(),
    };
    let matches = |l: &(Option<i32>, i32), r: &(Option<i32>, i32)| l.0.is_some() && l.0 == r.0;
    let mut rows = Vec::new();
    for l in left {
        let partners: Vec<_> = right.iter().filter(|r| matches(l, r)).collect();
        match kind {
            JoinKind::Semi if !partners.is_empty() => rows.push(show(Some(l))),
            JoinKind::Anti if partners.is_empty() => rows.push(show(Some(l))),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => {
                rows.extend(
                    partners.iter().map(|r| format!("{} {}", show(Some(l)), show(Some(r)))),
                );
                if partners.is_empty() && kind.keeps_left() {
                    rows.push(format!("{} {}", show(Some(l)), show(None)));
                }
            }
        }
    }
    if kind.keeps_right() {
        let alone = right.iter().filter(|r| !left.iter().any(|l| matches(l, r)));
        rows.extend(alone.map(|r| format!("{} {}", show(None), show(Some(r)))));
    }
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Random inserts and deletes, cut into batches, with a restore in the middle.
    #[test]
    fn the_changelog_is_the_join_of_the_tables(steps in steps(), cut in 1usize..8, appends: bool) {
        let kinds = [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full,
                     JoinKind::Semi, JoinKind::Anti];
        let steps: Vec<Step> =
            steps.into_iter().map(|(left, add, k, v)| (left, add || appends, k, v)).collect();
        for kind in kinds {
            let spec = || {
                let mut spec = spec(kind);
                (spec.left.appends, spec.right.appends) = (appends, appends);
                spec
            };
            let mut h = Harness::new(Join::new(spec()).unwrap());
            let mut tables: [Table; 2] = [Vec::new(), Vec::new()];
            let mut changes = Vec::new();
            for (i, part) in steps.chunks(cut).enumerate() {
                for (side_index, table) in tables.iter_mut().enumerate() {
                    let mut text = String::new();
                    for (is_left, add, k, v) in part {
                        if usize::from(!is_left) != side_index {
                            continue;
                        }
                        let at = table.iter().position(|row| row == &(*k, *v));
                        let kind = match (add, at) {
                            (false, Some(at)) => { table.remove(at); "-D" }
                            _ => { table.push((*k, *v)); "+I" }
                        };
                        let k = k.map_or("null".into(), |k| k.to_string());
                        text.push_str(&format!("{kind} {k} {v}\n"));
                    }
                    if side_index == 0 { h.left(&side(), &text) } else { h.right(&side(), &text) };
                    changes.extend(h.take());
                }
                if i == 2 {
                    let state = h.snapshot();
                    h = Harness::at(Join::new(spec()).unwrap(), 0, 1, vec![state]);
                }
            }
            prop_assert_eq!(applied(&changes), model(kind, &tables[0], &tables[1]), "{:?}", kind);
        }
    }
}
