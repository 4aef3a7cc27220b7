//! Event time and watermarks in both directions.

use crate::support::*;
use millstream_core::{Batch, NO_TIMESTAMP, Result, Watermark};
use millstream_datastream::DataStream;
use millstream_runtime::window::TumblingEventTimeWindows;
use millstream_runtime::{Operator, Output, Progress, WatermarkStrategy};
use millstream_sql::bridge::{Row, Schema, StreamTableEnvironment};
use std::time::Duration;

/// Shows records with their event times, and watermarks, in the order of arrival.
struct Show;
impl Operator for Show {
    type In = Batch<Row>;
    type Out = Batch<String>;
    fn on_batch(&mut self, batch: Batch<Row>, out: &mut Output<Batch<String>>) -> Result<()> {
        for (row, time) in batch {
            let time = if time == NO_TIMESTAMP { "-".to_owned() } else { time.to_string() };
            out.collect(format!("{row} at {time}"), NO_TIMESTAMP);
        }
        Ok(())
    }
    fn on_watermark(&mut self, w: Watermark, out: &mut Output<Batch<String>>) -> Result<Progress> {
        if w != Watermark::MAX {
            out.collect(format!("watermark {}", w.0), NO_TIMESTAMP);
        }
        Ok(Progress::Done)
    }
}
fn shown(stream: &DataStream<Row>) -> DataStream<String> {
    stream.transform("show", |_| Ok(Show))
}

fn with_rowtime() -> Schema {
    Schema::new_builder()
        .column("customer", "STRING")
        .column("amount", "INT")
        .column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)")
        .watermark("rowtime", "SOURCE_WATERMARK()")
        .build()
}
fn orders() -> Vec<((String, i32), i64)> {
    [("a", 1, 1_000), ("b", 2, 2_000), ("a", 3, 9_999), ("a", 4, 10_000), ("b", 5, 31_000)]
        .map(|(name, amount, time)| ((name.to_owned(), amount), time))
        .into()
}

#[test]
fn event_times_and_watermarks_pass_through_a_table() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let table = tables.from_data_stream(&timed(&env, orders()), with_rowtime()).unwrap();
    tables.create_temporary_view_of("orders", &table).unwrap();
    let query = "SELECT customer, amount * 2 AS amount, rowtime FROM orders WHERE amount > 3";
    let table = tables.sql_query(query).unwrap();
    let seen = collect(&env, &shown(&tables.to_data_stream(&table).unwrap())).unwrap();
    let want = [
        "watermark 999",
        "watermark 1999",
        "watermark 9998",
        "[a, 8, 1970-01-01 00:00:10.000] at 10000",
        "watermark 9999",
        "[b, 10, 1970-01-01 00:00:31.000] at 31000",
        "watermark 30999",
    ];
    assert_eq!(seen, want);
}

#[test]
fn a_window_of_sql_between_two_streams() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    tables.create_temporary_view("orders", &timed(&env, orders()), with_rowtime()).unwrap();
    let query = "SELECT customer, window_time, SUM(amount) AS total FROM TABLE(TUMBLE(TABLE orders, \
                 DESCRIPTOR(rowtime), INTERVAL '10' SECOND)) \
                 GROUP BY customer, window_start, window_end, window_time";
    let table = tables.sql_query(query).unwrap();
    // The rowtime is the record's event time, so a window of the DataStream API goes on.
    let totals = tables.to_data_stream_as::<(String, i64, i64)>(&table).unwrap();
    let all = totals
        .map(|(_, _, total)| total)
        .key_by(|_| ())
        .window(TumblingEventTimeWindows::of(Duration::from_secs(20)))
        .reduce(|a, b| a + b);
    assert_eq!(collect(&env, &all).unwrap(), [1 + 2 + 3 + 4, 5]);
}

#[test]
fn a_watermark_of_the_schema_replaces_the_streams() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = Schema::new_builder()
        .column("f0", "INT")
        .column("ts", "TIMESTAMP(3)")
        .watermark("ts", "ts - INTERVAL '1' SECOND")
        .build();
    let records = [(1, 5_000i64), (2, 4_500), (3, 8_000)];
    let table = tables.from_data_stream(&plain(&env, records), schema).unwrap();
    let seen = collect(&env, &shown(&tables.to_data_stream(&table).unwrap())).unwrap();
    let want = [
        "[1, 1970-01-01 00:00:05.000] at 5000",
        "watermark 4000",
        "[2, 1970-01-01 00:00:04.500] at 4500",
        "[3, 1970-01-01 00:00:08.000] at 8000",
        "watermark 7000",
    ];
    assert_eq!(seen, want);
}

#[test]
fn a_column_of_the_record_can_be_event_time_with_the_streams_watermarks() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = Schema::new_builder()
        .column("n", "INT")
        .column("ts", "TIMESTAMP_LTZ(3)")
        .column_by_expression("proc", "PROCTIME()")
        .watermark("ts", "SOURCE_WATERMARK()")
        .build();
    let strategy = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|(_, ts): &(i32, i64), _| *ts);
    let records = [((1, 1_000i64), 0), ((2, 2_000), 0), ((1, 61_000), 0)];
    let stream = env.from_source(Script::new(records), strategy, "script");
    tables.create_temporary_view("t", &stream, schema).unwrap();
    let columns = tables.from("t").unwrap();
    let texts: Vec<String> = columns.columns().iter().map(|(_, ty)| ty.to_string()).collect();
    assert_eq!(
        texts,
        ["INT", "TIMESTAMP_LTZ(3) *ROWTIME*", "TIMESTAMP_LTZ(3) NOT NULL *PROCTIME*"]
    );
    let query = "SELECT window_end, SUM(n) AS total FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
                 INTERVAL '1' MINUTE)) GROUP BY window_start, window_end";
    let table = tables.sql_query(query).unwrap();
    let seen = collect(&env, &shown(&tables.to_data_stream(&table).unwrap())).unwrap();
    // window_end is no event time: the records have none.
    assert_eq!(seen.last().unwrap(), "[1970-01-01 00:02:00.000, 1] at -");
    assert_eq!(seen.iter().filter(|s| s.starts_with('[')).count(), 2);
}

#[test]
fn several_columns_of_event_time_are_refused() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    tables.create_temporary_view("orders", &timed(&env, orders()), with_rowtime()).unwrap();
    let query = |second: &str| {
        let text = format!("SELECT rowtime AS one, {second} AS two FROM orders");
        tables.to_data_stream(&tables.sql_query(&text).unwrap()).map(|_| ())
    };
    let error = query("rowtime").unwrap_err().to_string();
    assert!(error.contains("more than one rowtime field: [one, two]"), "{error}");
    query("CAST(rowtime AS TIMESTAMP(3))").unwrap();
}
