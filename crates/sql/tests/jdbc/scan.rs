//! Tables that are read.

use crate::server::{Table, refused, rows};

#[test]
fn every_type_and_null() {
    let table = Table::new(
        "types",
        "b bool, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision,
         n numeric(20,4), s text, v varchar(5), c char(3), y bytea, d date, t time(3),
         ts timestamp(6), tz timestamptz, a int[], aa text[][], u uuid, j jsonb",
    );
    table.run(
        "INSERT INTO TABLE VALUES (true, -1, 2, 9223372036854775807, 1.5, -2e-5,
          12345678.9000, 'a ''b''', 'é', 'ab', '\\x00ff', '2024-02-29', '23:59:59.999',
          '2024-02-29 01:02:03.123456', '1969-12-31 23:59:59.999999+00', '{1,NULL,3}',
          '{{a,\"b,c\"},{NULL,\"\"}}', '00000000-0000-0000-0000-000000000001', '{\"k\": 1}');
         INSERT INTO TABLE (b) VALUES (NULL)",
    );
    let script = format!(
        "CREATE TABLE t (b BOOLEAN, i2 SMALLINT, i4 INT, i8 BIGINT, f4 FLOAT, f8 DOUBLE,
           n DECIMAL(20, 4), s STRING, v VARCHAR(5), c CHAR(3), y BYTES, d DATE, t TIME(3),
           ts TIMESTAMP(6), tz TIMESTAMP_LTZ(6), a ARRAY<INT>, aa ARRAY<ARRAY<STRING>>,
           u STRING, j STRING) {};
         SELECT * FROM t;",
        table.with("")
    );
    let want = "+I TRUE -1 2 9223372036854775807 1.5 -2.0E-5 12345678.9000 a 'b' é ab  x'00ff' \
                2024-02-29 23:59:59.999 2024-02-29 01:02:03.123456 1969-12-31 23:59:59.999999 \
                [1, NULL, 3] [[a, b,c], [NULL, ]] 00000000-0000-0000-0000-000000000001 {\"k\": 1}";
    let nulls = format!("+I{}", " null".repeat(19));
    assert_eq!(rows(&script), [want, nulls.as_str()]);
}

#[test]
fn only_the_columns_that_are_needed_and_names_as_sql_means_them() {
    let table = Table::new("names", "\"Weird \"\"Name\" int, lower text, \"other\" date[]");
    table.run("INSERT INTO TABLE VALUES (1, 'x', NULL), (2, 'y', NULL)");
    let with = table.with("");
    // The third column cannot be read as declared, and nobody reads it.
    let create = format!("CREATE TABLE t (`Weird \"Name` INT, LOWER STRING, other INT) {with};");
    let query = |sql: &str| rows(&format!("{create} {sql}"));
    assert_eq!(query("SELECT `Weird \"Name`, LOWER FROM t"), ["+I 1 x", "+I 2 y"]);
    assert!(query("SELECT COUNT(*) FROM t").last().unwrap().ends_with(" 2"));
    refused(&format!("{create} SELECT other FROM t"), &["'other' is date[]", "as INT", ".t'"]);
}

#[test]
fn splits_read_their_range_each_row_once() {
    let table = Table::new("splits", "id bigint, v text");
    table.run("INSERT INTO TABLE SELECT g, 'v' || g FROM generate_series(-5, 20000) AS g");
    table.run("INSERT INTO TABLE VALUES (NULL, 'no number')");
    let with = table.with(
        ", 'scan.partition.column' = 'id', 'scan.partition.num' = '7',
         'scan.partition.lower-bound' = '1', 'scan.partition.upper-bound' = '19999',
         'scan.fetch-size' = '500'",
    );
    let script = format!(
        "CREATE TABLE t (id BIGINT, v STRING) {with};
         SELECT id FROM t WHERE v = CONCAT('v', CAST(id AS STRING));"
    );
    let read = rows(&script);
    let distinct: std::collections::BTreeSet<_> = read.iter().collect();
    assert_eq!((read.len(), distinct.len()), (19_999, 19_999));
}

#[test]
fn what_is_wrong_is_named() {
    let table = Table::new("wrong", "i bigint, s text, n numeric, d date");
    table.run("INSERT INTO TABLE VALUES (70000, 'x', 'NaN', 'infinity')");
    let with = table.with("");
    let query = |columns: &str, sql: &str| format!("CREATE TABLE t ({columns}) {with}; {sql}");
    let all = "SELECT * FROM t";
    refused(&query("s INT", all), &["column 's' is text and cannot be read as INT"]);
    refused(&query("nothing INT", all), &["no column 'nothing'", "i, s, n, d"]);
    refused(&query("i SMALLINT", all), &["column 'i'", "70000 is outside the range", "row 1"]);
    refused(&query("n DECIMAL(5, 2)", all), &["column 'n'", "NaN"]);
    refused(&query("d DATE", all), &["column 'd'", "infinite"]);
    refused(&query("m MAP<STRING, INT>", all), &["no form for MAP<STRING, INT>"]);
    let missing = with.replace(&table.name, "no_such_table_here");
    refused(
        &format!("CREATE TABLE t (i INT) {missing}; {all}"),
        &["\"no_such_table_here\" does not exist"],
    );
    let database = with.replace("/millstream'", "/no_such_database'");
    refused(&format!("CREATE TABLE t (i INT) {database}; {all}"), &["create the database"]);
}

#[test]
fn instants_are_local_time_in_the_sessions_zone() {
    let table = Table::new("zones", "tz timestamptz");
    table.run("INSERT INTO TABLE VALUES ('2024-07-01 12:00:00+00')");
    let script = format!(
        "SET 'table.local-time-zone' = 'Europe/Berlin';
         CREATE TABLE t (tz TIMESTAMP(3)) {}; SELECT * FROM t;",
        table.with("")
    );
    assert_eq!(rows(&script), ["+I 2024-07-01 14:00:00.000"]);
}
