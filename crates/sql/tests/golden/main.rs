//! The golden suite: Flink's statements with Flink's answers.
//!
//! `tests/conformance` holds the cases (see its README), `tests/conformance-more` those that
//! `scripts/flink-diff` added, with the same data. Every case runs here; a case
//! that differs must be in `known-failures.txt` with its reason, and one that is listed
//! must still differ, so the list tells the truth.

#![allow(clippy::unwrap_used)]

mod case;
mod changed;
mod compare;
mod functions;
mod kill;
mod lookups;
mod processing_time;
mod queries;
mod restore;
mod statement_set;
mod statements;
mod subqueries;

use case::Case;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Cases that are known to differ: `area/name` to the reason.
fn known_failures() -> BTreeMap<String, String> {
    reasons("tests/conformance/known-failures.txt")
}

/// Cases of a list, each with its reason.
fn reasons(list: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(list).unwrap();
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    let pair = |l: &str| {
        let (case, reason) = l.split_once(": ").unwrap_or_else(|| panic!("no reason in '{l}'"));
        (case.trim().to_owned(), reason.trim().to_owned())
    };
    lines.map(pair).collect()
}

#[test]
fn answers_are_flinks() {
    let known = known_failures();
    let mut by_area: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut problems = String::new();
    // One case for a quick look: CASE=windows/hop cargo test -p millstream-sql --test golden
    let only = std::env::var("CASE").unwrap_or_default();
    for case in Case::all() {
        if !case.name.contains(&only) {
            continue;
        }
        let difference = compare::difference(&case.expected, &case.run());
        let area = by_area.entry(case.area().to_owned()).or_default();
        match (&difference, known.get(&case.name)) {
            (None, None) => area.0 += 1,
            (Some(_), Some(_)) => area.1 += 1,
            (None, Some(_)) => {
                area.0 += 1;
                let _ = writeln!(problems, "{} passes now: take it off the list", case.name);
            }
            (Some(difference), None) => {
                area.1 += 1;
                let _ = writeln!(problems, "{}: {difference}", case.name);
            }
        }
    }
    let mut report = String::from("area           pass  differ\n");
    let (mut pass, mut differ) = (0, 0);
    for (area, (p, d)) in &by_area {
        let _ = writeln!(report, "{area:<14}{p:>5}{d:>8}");
        pass += p;
        differ += d;
    }
    let _ = writeln!(report, "{:<14}{pass:>5}{differ:>8}", "total");
    println!("{report}");
    assert!(problems.is_empty(), "{report}\n{problems}");
}
