//! Log then publish: each row once, whatever is lost, doubled or restarted.

use crate::server::{Harness, Row, Table, client, eventually, job, open, recover_from, rows};
use millstream_core::ErrorKind;
use millstream_jdbc::JdbcSink;

fn sink(table: &Table) -> JdbcSink<Row> {
    rows(&table.0).exactly_once(&table.0).build().unwrap()
}

fn fresh(table: &Table) -> Harness {
    recover_from(&sink(table), job(None), vec![]).unwrap();
    open(sink(table), job(None)).unwrap()
}

fn table(name: &str) -> Table {
    Table::new(name, "id int, name text")
}

#[test]
fn rows_are_published_with_their_checkpoint_and_missed_notices_are_made_up_for() {
    let table = table("publish");
    let mut sink = fresh(&table);
    for epoch in 1..=3u64 {
        sink.push((epoch as i64, "x".into()), 0).unwrap();
        sink.snapshot(epoch).unwrap();
    }
    assert!(table.ids().is_empty());
    sink.complete_checkpoint(2).unwrap();
    eventually("rows of 1 and 2", || table.ids() == [1, 2]);
    sink.complete_checkpoint(2).unwrap();
    sink.complete_checkpoint(3).unwrap();
    sink.push((4, "no checkpoint".into()), 0).unwrap();
    sink.close().unwrap();
    assert_eq!(table.ids(), [1, 2, 3]);
}

#[test]
fn a_restart_publishes_what_is_listed_once_at_any_parallelism() {
    let table = table("restart");
    let mut writers: Vec<Harness> = Vec::new();
    recover_from(&sink(&table), job(None), vec![]).unwrap();
    let mut former = Vec::new();
    for index in 0..3usize {
        let operator = millstream_runtime::SinkOperator::new(std::sync::Arc::new(sink(&table)));
        let builder = millstream_testkit::OperatorHarness::builder(operator);
        let mut writer = builder.job(job(None)).subtask(index, 3, 128).open().unwrap();
        writer.push((index as i64, "x".into()), 0).unwrap();
        former.push(writer.snapshot(1).unwrap());
        writers.push(writer);
    }
    writers[1].complete_checkpoint(1).unwrap(); // one of three was told before the crash
    writers.remove(1).close().unwrap();
    drop(writers);
    for _ in 0..3 {
        recover_from(&sink(&table), job(Some(1)), former.clone()).unwrap();
        assert_eq!(table.ids(), [0, 1, 2]);
    }
    let mut next = open(sink(&table), job(Some(1))).unwrap();
    next.push((3, "x".into()), 0).unwrap();
    next.snapshot(2).unwrap();
    next.complete_checkpoint(2).unwrap();
    next.close().unwrap();
    assert_eq!(table.ids(), [0, 1, 2, 3]);
}

#[test]
fn a_job_that_starts_before_what_was_published_is_refused_before_data_flows() {
    let table = table("behind");
    let mut harness = fresh(&table);
    let mut snapshots = Vec::new();
    for epoch in 1..=2u64 {
        harness.push((epoch as i64, "x".into()), 0).unwrap();
        snapshots.push(harness.snapshot(epoch).unwrap());
        harness.complete_checkpoint(epoch).unwrap();
    }
    harness.close().unwrap();
    let error = recover_from(&sink(&table), job(Some(1)), snapshots[..1].to_vec()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("has published checkpoint 2 (by job 'test')"), "{text}");
    assert!(text.contains("starts from checkpoint 1"), "{text}");
    let error = recover_from(&sink(&table), job(None), vec![]).unwrap_err().to_string();
    assert!(error.contains("starts without state"), "{error}");
    recover_from(&sink(&table), job(Some(2)), snapshots[1..].to_vec()).unwrap();
    assert_eq!(table.ids(), [1, 2]);
}

#[test]
fn a_zombie_publishes_nothing_after_its_successor_has_started() {
    let table = table("zombie");
    let mut zombie = fresh(&table);
    zombie.push((1, "zombie".into()), 0).unwrap();
    zombie.snapshot(1).unwrap();
    let mut next = fresh(&table);
    zombie.complete_checkpoint(1).unwrap();
    let mut error = None;
    eventually("the zombie hears of it", || {
        error = zombie.processing_time(1).err();
        error.is_some()
    });
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("taken over by another job or attempt"), "{error}");
    next.push((2, "next".into()), 0).unwrap();
    next.snapshot(1).unwrap();
    next.complete_checkpoint(1).unwrap();
    next.close().unwrap();
    assert_eq!(table.ids(), [2]);
}

#[test]
fn a_row_that_the_table_refuses_publishes_nothing_of_its_epoch() {
    let table = Table::new("atomic", "id int CHECK (id < 10), name text");
    let mut harness = fresh(&table);
    for id in [1, 2, 99] {
        harness.push((id, "x".into()), 0).unwrap();
    }
    let durable = harness.snapshot(1).unwrap();
    harness.complete_checkpoint(1).unwrap();
    let mut error = None;
    eventually("the commit fails", || {
        error = harness.processing_time(1).err();
        error.is_some()
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::Data);
    assert!(table.ids().is_empty());
    let alter = format!("ALTER TABLE public.\"{0}\" DROP CONSTRAINT \"{0}_id_check\"", table.0);
    client().batch_execute(&alter).unwrap();
    recover_from(&sink(&table), job(Some(1)), vec![durable]).unwrap();
    assert_eq!(table.ids(), [1, 2, 99]);
}

#[test]
fn upserts_can_be_published_too_and_an_epoch_that_is_too_large_is_refused() {
    let table = Table::new("keyed", "id int PRIMARY KEY, name text");
    let keyed = || rows(&table.0).key(["id"]).exactly_once(&table.0);
    recover_from(&keyed().build().unwrap(), job(None), vec![]).unwrap();
    let mut harness = open(keyed().build().unwrap(), job(None)).unwrap();
    for name in ["a", "b", "c"] {
        harness.push((1, name.into()), 0).unwrap();
    }
    harness.snapshot(1).unwrap();
    harness.complete_checkpoint(1).unwrap();
    harness.close().unwrap();
    assert_eq!(table.texts("id || name"), ["1c"]);
    let small = keyed().max_epoch_bytes(1000).build().unwrap();
    let mut harness = open(small, job(Some(1))).unwrap();
    let error = (0..100).find_map(|n| harness.push((n, "x".into()), 0).err()).unwrap();
    assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
}
