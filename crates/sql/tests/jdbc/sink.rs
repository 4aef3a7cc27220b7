//! Tables that are written.

use crate::server::{Table, refused, rows};

#[test]
fn every_type_and_null_goes_out_and_comes_back() {
    let table = Table::new(
        "out",
        "b bool, t smallint, i integer, l bigint, f real, d double precision, n numeric(10,2),
         s text, y bytea, a date, m time(3), p timestamp, z timestamptz, r int[], x text[]",
    );
    let columns = "b BOOLEAN, t TINYINT, i INT, l BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2),
        s STRING, y BYTES, a DATE, m TIME(3), p TIMESTAMP(6), z TIMESTAMP_LTZ(3),
        r ARRAY<INT>, x ARRAY<STRING>";
    let script = format!(
        "CREATE TABLE t ({columns}) {};
         INSERT INTO t SELECT TRUE, CAST(-1 AS TINYINT), 2, CAST(3 AS BIGINT), CAST(1.5 AS FLOAT),
           CAST(-2.5 AS DOUBLE), CAST(12.34 AS DECIMAL(10, 2)), 'a \"b\\', x'00ff',
           DATE '2024-02-29', TIME '23:59:59', TIMESTAMP '2024-02-29 01:02:03.123456',
           TO_TIMESTAMP_LTZ(1700000000123, 3), ARRAY[1, CAST(NULL AS INT)], ARRAY['q\"{{,\\', ''];
         INSERT INTO t (b) VALUES (CAST(NULL AS BOOLEAN));
         SELECT * FROM t;",
        table.with("")
    );
    let want = "+I TRUE -1 2 3 1.5 -2.5 12.34 a \"b\\ x'00ff' 2024-02-29 23:59:59.0 \
                2024-02-29 01:02:03.123456 2023-11-14 22:13:20.123 [1, NULL] [q\"{,\\, ]";
    let nulls = format!("+I{}", " null".repeat(15));
    assert_eq!(rows(&script), [want, nulls.as_str()]);
    assert_eq!(table.texts("p"), ["2024-02-29 01:02:03.123456", "null"]);
}

#[test]
fn changes_by_primary_key() {
    let table = Table::new("upsert", "\"K\" text PRIMARY KEY, n bigint");
    table.run("INSERT INTO TABLE VALUES ('old', 1), ('a', 7)");
    let script = format!(
        "CREATE TABLE t (K STRING, n BIGINT, PRIMARY KEY (K) NOT ENFORCED) {};
         INSERT INTO t SELECT k, COUNT(*) FROM (VALUES ('a'), ('b'), ('a'), ('b'), ('a')) AS v(k)
           GROUP BY k;",
        table.with(", 'sink.buffer-flush.max-rows' = '2', 'sink.parallelism' = '2'")
    );
    rows(&script);
    assert_eq!(table.texts("\"K\" || n"), ["a3", "b2", "old1"]);
}

#[test]
fn rows_that_go_are_deleted() {
    let table = Table::new("delete", "k int PRIMARY KEY, n bigint");
    table.run("INSERT INTO TABLE VALUES (1, 5), (2, 9)");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("changes.json");
    let lines = [
        r#"{"op":"c","before":null,"after":{"k":3,"n":1}}"#,
        r#"{"op":"u","before":{"k":2,"n":9},"after":{"k":2,"n":10}}"#,
        r#"{"op":"d","before":{"k":1,"n":5},"after":null}"#,
        r#"{"op":"d","before":{"k":3,"n":1},"after":null}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let script = format!(
        "CREATE TABLE changes (k INT, n BIGINT) WITH ('connector' = 'filesystem',
           'path' = '{}', 'format' = 'debezium-json');
         CREATE TABLE t (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) {};
         INSERT INTO t SELECT * FROM changes;",
        file.display(),
        table.with("")
    );
    rows(&script);
    assert_eq!(table.texts("k || ':' || n"), ["2:10"]);
}

#[test]
fn what_is_wrong_is_named() {
    let table = Table::new("sinkwrong", "k int, s varchar(3), d date NOT NULL");
    let with = table.with("");
    let insert = |columns: &str, values: &str| {
        format!("CREATE TABLE t ({columns}) {with}; INSERT INTO t VALUES {values};")
    };
    refused(
        &insert("k STRING, d DATE", "('x', DATE '2024-01-01')"),
        &["'k'", "is integer", "text"],
    );
    refused(&insert("k INT", "(1)"), &["'d'", "NOT NULL"]);
    refused(&insert("k INT, dd DATE", "(1, DATE '2024-01-01')"), &["no column 'dd'", "k, s, d"]);
    refused(
        &insert("s STRING, d DATE", "('abcd', DATE '2024-01-01')"),
        &["value too long", "SQLSTATE 22001"],
    );
    refused(
        &insert("k INT, d DATE, PRIMARY KEY (k) NOT ENFORCED", "(1, DATE '2024-01-01')"),
        &["no primary key or unique index", "(k)"],
    );
    let count = format!(
        "CREATE TABLE t (k INT, d DATE) {with};
         INSERT INTO t SELECT CAST(COUNT(*) AS INT), x FROM (VALUES (DATE '2024-01-01')) AS v(x)
           GROUP BY x;"
    );
    refused(&count, &["update"]);
    assert!(table.texts("k").is_empty());
}
