//! Every type both ways, and what does not fit.

use crate::support::*;
use millstream_core::{Data, Result};
use millstream_sql::bridge::{Row, Schema, StreamTableEnvironment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Blue,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    x: i32,
    y: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    tiny: i8,
    small: u8,
    int: Option<i32>,
    big: i64,
    single: f32,
    double: f64,
    exact: String,
    text: String,
    colour: Colour,
    bytes: Vec<u8>,
    day: String,
    clock: String,
    local: String,
    micros: i64,
    instant: i64,
    list: Vec<Option<i64>>,
    map: BTreeMap<String, i32>,
    inner: Inner,
    not_a_column: u64,
}

fn schema() -> Schema {
    Schema::new_builder()
        .column("inner", "ROW<x INT, y STRING>")
        .column("flag", "BOOLEAN")
        .column("tiny", "TINYINT")
        .column("small", "SMALLINT")
        .column("int", "INT")
        .column("big", "BIGINT NOT NULL")
        .column("single", "FLOAT")
        .column("double", "DOUBLE")
        .column("exact", "DECIMAL(10, 2)")
        .column("text", "STRING")
        .column("colour", "STRING")
        .column("bytes", "BYTES")
        .column("day", "DATE")
        .column("clock", "TIME(3)")
        .column("local", "TIMESTAMP(3)")
        .column("micros", "TIMESTAMP(6)")
        .column("instant", "TIMESTAMP_LTZ(3)")
        .column("list", "ARRAY<BIGINT>")
        .column("map", "MAP<STRING, INT>")
        .column_by_expression("not_a_column", "CAST(7 AS BIGINT)")
        .build()
}

fn everything() -> Everything {
    Everything {
        flag: true,
        tiny: -1,
        small: 200,
        int: None,
        big: i64::MAX,
        single: 1.5,
        double: 0.1,
        exact: "12.50".into(),
        text: "ä".into(),
        colour: Colour::Blue,
        bytes: vec![0, 255],
        day: "2024-02-29".into(),
        clock: "23:59:59.5".into(),
        local: "2024-02-29T23:59:59.123".into(),
        micros: 1_700_000_000_123,
        instant: -1,
        list: vec![Some(1), None],
        map: BTreeMap::from([("a".into(), 1)]),
        inner: Inner { x: 3, y: None },
        not_a_column: 99,
    }
}

#[test]
fn every_type_comes_back_as_it_was() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let stream = plain(&env, [everything(), Everything { int: Some(4), ..everything() }]);
    tables.create_temporary_view("t", &stream, schema()).unwrap();
    let all = tables.sql_query("SELECT * FROM t").unwrap();
    let back = tables.to_data_stream_as::<Everything>(&all).unwrap();
    let seen = collect(&env, &back).unwrap();
    let first = Everything { not_a_column: 7, ..everything() };
    assert_eq!(seen, [first.clone(), Everything { int: Some(4), ..first }]);
}

#[test]
fn values_mean_what_they_say() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    tables.create_temporary_view("t", &plain(&env, [everything()]), schema()).unwrap();
    let query = "SELECT `inner`.x + tiny AS a, exact * 2 AS b, CAST(day AS STRING) AS c, \
                 CAST(`local` AS STRING) AS d, CAST(micros AS STRING) AS e, list[1] AS f, \
                 `map`['a'] AS g, CAST(clock AS STRING) AS h FROM t";
    let table = tables.sql_query(query).unwrap();
    let rows = collect(&env, &tables.to_data_stream(&table).unwrap()).unwrap();
    let want = "[2, 25.00, 2024-02-29, 2024-02-29 23:59:59.123, 2023-11-14 22:13:20.123000, 1, 1, \
                23:59:59.5]";
    assert_eq!(rows.iter().map(Row::to_string).collect::<Vec<_>>(), [want]);
    assert_eq!(rows[0].get::<f64>("b").unwrap(), 25.0);
}

#[test]
fn tuples_plain_values_and_rows_are_records_too() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let pair = Schema::new_builder().column("word", "STRING").column("n", "INT").build();
    let pairs = plain(&env, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    tables.create_temporary_view("pairs", &pairs, pair.clone()).unwrap();
    // A stream of rows made of one table is another table, with fewer columns.
    let rows = tables.to_data_stream(&tables.from("pairs").unwrap()).unwrap();
    let one = Schema::new_builder().column("n", "INT").build();
    tables.create_temporary_view("numbers", &rows.filter(|r| r.values().len() == 2), one).unwrap();
    let sums = tables.sql_query("SELECT n * 10 FROM numbers").unwrap();
    let sums = tables.to_data_stream_as::<i64>(&sums).unwrap();
    let word = Schema::new_builder().column("w", "STRING").build();
    let words = tables.from_data_stream(&sums.map(|n| n.to_string()), word).unwrap();
    let seen = collect(&env, &tables.to_data_stream_as::<String>(&words).unwrap()).unwrap();
    assert_eq!(seen, ["10", "20"]);
}

/// Columns that nobody reads are not made, and the others stay where they are.
#[test]
fn fields_of_a_tuple_keep_their_places_whatever_is_read() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = Schema::new_builder()
        .column_by_metadata("time", "TIMESTAMP_LTZ(3)")
        .column("a", "STRING NOT NULL")
        .column("b", "INT")
        .build();
    let pairs = timed(&env, [(("x".to_owned(), 1), 5), (("y".to_owned(), 2), 6)]);
    tables.create_temporary_view("pairs", &pairs, schema).unwrap();
    let read = |query: &str| {
        let table = tables.sql_query(query).unwrap();
        tables.to_data_stream(&table).unwrap().map(|row| row.to_string())
    };
    let both = read("SELECT b FROM pairs").union(&[&read("SELECT a, `time` FROM pairs")]);
    let mut seen = collect(&env, &both).unwrap();
    seen.sort();
    let times = ["[x, 1970-01-01 00:00:00.005]", "[y, 1970-01-01 00:00:00.006]"];
    assert_eq!(seen, [&["[1]", "[2]"][..], &times].concat());
}

/// What a job says whose records do not fit the schema.
fn run<T: Data>(records: Vec<T>, schema: Schema) -> String {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let read = || -> Result<Vec<Row>> {
        let table = tables.from_data_stream(&plain(&env, records), schema)?;
        collect(&env, &tables.to_data_stream(&table)?)
    };
    match read() {
        Ok(rows) => format!("{rows:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_record_that_does_not_fit_is_named() {
    let of = |name: &str, ty: &str| Schema::new_builder().column(name, ty).build();
    let inner = |x, y: Option<&str>| Inner { x, y: y.map(str::to_owned) };
    for (error, hints) in [
        (run(vec![inner(1, Some("a"))], of("y", "INT")), &["'y' of type INT", "text 'a'"][..]),
        (run(vec![inner(1, None)], of("y", "STRING NOT NULL")), &["'y'", "NOT NULL", "None"]),
        (run(vec![inner(1, None)], of("z", "INT")), &["'z'", "no such field", "Inner"]),
        (run(vec![inner(300, None)], of("x", "TINYINT")), &["'x'", "300", "outside the range"]),
        (run(vec!["2024-13-01".to_owned()], of("d", "DATE")), &["'d'", "'2024-13-01' is no date"]),
        (run(vec!["x".to_owned()], of("d", "DECIMAL(3, 1)")), &["'d'", "DECIMAL(3, 1)"]),
        (run(vec![(1, 2)], of("a", "INT")), &["more fields than the table has columns"]),
        (run(vec![vec![1]], of("a", "INT")), &["a list is no record"]),
        (run(vec![1.5], of("a", "INT")), &["'a'", "the number 1.5"]),
    ] {
        assert!(hints.iter().all(|hint| error.contains(hint)), "{hints:?}: {error}");
    }
}

#[test]
fn a_schema_that_is_wrong_is_refused() {
    let of = |name: &str, ty: &str| Schema::new_builder().column(name, ty);
    let inner = || vec![Inner { x: 1, y: None }];
    for (error, hints) in [
        (run(inner(), of("x", "INTT").build()), &["INTT", "schema of a stream's table"][..]),
        (run(inner(), of("x", "INT").watermark("t", "x").build()), &["'t' is not defined"]),
        (
            run(inner(), of("x", "INT").watermark("x", "SOURCE_WATERMARK()").build()),
            &["'x' is INT", "TIMESTAMP"],
        ),
        (
            run(inner(), of("x", "INT").column_by_metadata("t", "STRING").build()),
            &["'rowtime' cannot be STRING", "TIMESTAMP_LTZ(3)"],
        ),
        (
            run(inner(), of("x", "INT").column_by_expression("e", "nope + 1").build()),
            &["computed column 'e'", "nope"],
        ),
        (
            run(inner(), of("x", "INT").column_by_metadata("t", "TIMESTAMP_LTZ(3)").build()),
            &["column 't'", "no event time", "WatermarkStrategy"],
        ),
    ] {
        assert!(hints.iter().all(|hint| error.contains(hint)), "{hints:?}: {error}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wanted {
    x: i32,
    #[serde(default)]
    extra: u8,
}

#[test]
fn a_table_that_can_never_be_the_record_is_refused_when_it_is_made_a_stream() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let as_wanted = |query: &str| {
        let table = tables.sql_query(query).unwrap();
        tables.to_data_stream_as::<Wanted>(&table).map(|_| ()).map_err(|e| e.to_string())
    };
    as_wanted("SELECT x, y FROM (VALUES (1, 'a')) AS t(x, y)").unwrap();
    let error = as_wanted("SELECT CAST('a' AS STRING) AS x").unwrap_err();
    assert!(error.contains("column 'x' of type STRING"), "{error}");
    assert!(error.contains("Wanted") && error.contains("CAST"), "{error}");
    let error = as_wanted("SELECT 1 AS xx").unwrap_err();
    assert!(error.contains("no column for the record's field 'x'"), "{error}");
    let pair = tables.sql_query("SELECT 1, 2").unwrap();
    let error = tables.to_data_stream_as::<(i32,)>(&pair).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("2 columns for a tuple of 1"), "{error}");
    let error = tables.to_data_stream_as::<i32>(&pair).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("2 columns is no plain value"), "{error}");
}

#[test]
fn a_null_for_what_is_no_option_ends_the_job_with_the_columns_name() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let table = tables.sql_query("SELECT CAST(NULL AS INT) AS x").unwrap();
    let stream = tables.to_data_stream_as::<Wanted>(&table).unwrap();
    let error = collect(&env, &stream).unwrap_err().to_string();
    assert!(error.contains("column 'x' of type INT") && error.contains("Option"), "{error}");
}
