//! The exactly-once sink in a process that is killed again and again.
//!
//! Invariant: every row is in the table exactly once.

use crate::server::{Row, Table, rows};
use millstream_testkit::crash::{self, CrashTest};
use std::time::Duration;

const CHILD: &str = "crash::child_runs_the_sink";

#[test]
fn child_runs_the_sink() {
    let sink = |table: &str| rows(table).exactly_once(table).build().unwrap();
    crash::play(sink, |number| -> Row { (number as i64, "x".into()) });
}

fn assert_each_once(table: &Table) {
    let ids = table.ids();
    let doubled = ids.windows(2).filter(|w| w[0] == w[1]).count();
    assert_eq!(doubled, 0);
    assert!(ids.into_iter().eq(0..crash::ROWS as i64), "some are lost");
}

#[test]
fn killed_at_every_named_point_each_row_is_there_once() {
    let table = Table::new("points", "id int, name text");
    CrashTest::new(CHILD, &table.0).kill_at_every_point();
    assert_each_once(&table);
}

#[test]
fn killed_at_random_moments_each_row_is_there_once() {
    let table = Table::new("random", "id int, name text");
    let (least, most) = (Duration::from_millis(20), Duration::from_millis(530));
    CrashTest::new(CHILD, &table.0).kill_at_random_moments(least, most);
    assert_each_once(&table);
}
