//! At least once: batches, upserts, deletes, types.

use crate::server::{Row, Table, job, open, rows, unique, url};
use millstream_core::Batch;
use millstream_jdbc::{JdbcSink, TimestampMs};
use millstream_runtime::SinkOperator;
use millstream_testkit::OperatorHarness;
use std::sync::Arc;
use std::time::Duration;

fn row(id: i64, name: &str) -> Row {
    (id, name.to_owned())
}

#[test]
fn rows_are_in_the_table_at_the_barrier_and_when_a_batch_is_full_or_due() {
    let table = Table::new("append", "id int, name text");
    let sink = rows(&table.0).batch_rows(3).batch_interval(Duration::from_secs(5)).build().unwrap();
    let mut sink = open(sink, job(None)).unwrap();
    sink.push(row(1, "a"), 0).unwrap();
    assert!(table.ids().is_empty());
    sink.snapshot(1).unwrap();
    assert_eq!(table.ids(), [1]);
    sink.input(Batch::from((2..=5).map(|n| row(n, "b")).collect::<Vec<_>>())).unwrap();
    assert_eq!(table.ids(), [1, 2, 3, 4], "a full batch");
    sink.processing_time(4_999).unwrap();
    assert_eq!(table.ids().len(), 4);
    sink.processing_time(5_000).unwrap();
    assert_eq!(table.ids(), [1, 2, 3, 4, 5], "an old batch");
    sink.push(row(6, "c"), 0).unwrap();
    sink.end().unwrap();
    assert_eq!(table.ids(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_last_row_of_a_key_stays_also_within_a_batch_and_deletes_delete() {
    let table = Table::new("upsert", "id int PRIMARY KEY, name text");
    let sink = || rows(&table.0).key(["id"]).delete_when(|r: &Row| r.1 == "gone").build().unwrap();
    let mut first = open(sink(), job(None)).unwrap();
    let write =
        [row(1, "a"), row(2, "b"), row(1, "c"), row(3, "gone"), row(2, "gone"), row(4, "d")];
    first.input(Batch::from(write.to_vec())).unwrap();
    first.snapshot(1).unwrap();
    assert_eq!(table.texts("id || name"), ["1c", "4d"]);
    // A restart writes some of it again: nothing changes.
    let mut again = open(sink(), job(None)).unwrap();
    again.input(Batch::from(write[2..].to_vec())).unwrap();
    again.input(Batch::from(vec![row(5, "e"), row(4, "gone"), row(4, "back")])).unwrap();
    again.end().unwrap();
    assert_eq!(table.texts("id || name"), ["1c", "4back", "5e"]);
}

#[test]
fn fifty_thousand_rows_in_one_batch_are_more_than_a_statement_may_have_parameters() {
    let table = Table::new("many", "id int PRIMARY KEY, name text");
    let sink = rows(&table.0).key(["id"]).batch_rows(1_000_000).build().unwrap();
    let mut sink = open(sink, job(None)).unwrap();
    sink.input(Batch::from((0..50_000).map(|n| row(n, "x")).collect::<Vec<_>>())).unwrap();
    sink.end().unwrap();
    assert!(table.ids().into_iter().eq(0..50_000));
}

type Wide = (Option<i32>, bool, f64, String, Vec<u8>, i64);

#[test]
fn every_type_arrives_and_names_need_no_care() {
    let columns = "\"Select \"\"x\"\"\" smallint, ok boolean, f real, amount numeric(12,2), doc jsonb, \
                   who uuid, raw bytea, at timestamptz, local timestamp, day date";
    let name = unique("Wide\"; --");
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let mut client = crate::server::client();
    client.batch_execute(&format!("CREATE TABLE public.{quoted} ({columns})")).unwrap();
    let sink = JdbcSink::<Wide>::builder()
        .url(url())
        .table(&name)
        .column("Select \"x\"", |w: &Wide| w.0)
        .column("ok", |w: &Wide| w.1)
        .column("f", |w: &Wide| w.2)
        .column("amount", |w: &Wide| w.3.clone())
        .column("doc", |_: &Wide| "{\"a\": [1, \"'; DROP TABLE x; --\"]}")
        .column("who", |_: &Wide| "c0ffee00-0000-4000-8000-000000000001")
        .column("raw", |w: &Wide| w.4.clone())
        .column("at", |w: &Wide| TimestampMs(w.5))
        .column("local", |w: &Wide| TimestampMs(w.5))
        .column("day", |_: &Wide| "2026-11-21")
        .build()
        .unwrap();
    let mut sink = OperatorHarness::new(SinkOperator::new(Arc::new(sink)));
    let wide = (Some(7), true, 0.5, "12345.67".to_owned(), vec![0, 255], 1_000);
    sink.push(wide, 0).unwrap();
    sink.push((None, false, -1.0, "0".to_owned(), vec![], -1_500), 0).unwrap();
    sink.end().unwrap();
    let read = format!("SELECT t::text FROM public.{quoted} AS t ORDER BY amount DESC");
    client.batch_execute("SET TimeZone = 'UTC'").unwrap();
    let texts: Vec<String> =
        client.query(&read, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    client.batch_execute(&format!("DROP TABLE public.{quoted}")).unwrap();
    assert!(texts[0].starts_with("(7,t,0.5,12345.67,"), "{texts:?}");
    assert!(texts[0].contains("DROP TABLE x"), "a value is a value: {texts:?}");
    let rest = "\"\\\\x00ff\",\"1970-01-01 00:00:01+00\",\"1970-01-01 00:00:01\",2026-11-21)";
    assert!(texts[0].ends_with(rest), "{texts:?}");
    assert!(texts[1].starts_with("(,f,-1,0.00,") && texts[1].contains("1969-12-31 23:59:58.5"));
}
