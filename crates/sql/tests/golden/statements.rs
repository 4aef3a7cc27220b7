//! Statements that are answered at once, those that are refused, and bad input of all kinds.

use crate::queries::answer;
use millstream_sql::session::{Outcome, Session};
use std::path::PathBuf;

#[test]
fn catalogs_and_databases_are_shown_described_and_altered() {
    let catalog = "CREATE CATALOG c COMMENT 'mine' WITH ('type'='generic_in_memory',
        'default-database'='d', 'my.password'='x');";
    let run = |rest: &str| answer(&format!("{catalog}{rest}"));
    assert_eq!(run("SHOW CATALOGS LIKE 'c'"), "c");
    assert_eq!(run("SHOW DATABASES FROM c"), "d");
    assert_eq!(run("SHOW DATABASES IN c NOT LIKE 'd%'"), "");
    let text = run("SHOW CREATE CATALOG c");
    assert!(text.contains("COMMENT 'mine'") && text.contains("'my.password' = '******'"), "{text}");
    assert_eq!(
        run("DESCRIBE CATALOG EXTENDED c"),
        "comment|mine name|c option:default-database|d option:my.password|****** \
         type|generic_in_memory"
    );
    let altered = "ALTER CATALOG c SET ('a'='1'); ALTER CATALOG c COMMENT 'ours';
        ALTER CATALOG c RESET ('my.password'); DESCRIBE CATALOG EXTENDED c";
    assert_eq!(
        run(altered),
        "comment|ours name|c option:a|1 option:default-database|d type|generic_in_memory"
    );
    assert_eq!(
        answer("CREATE DATABASE e COMMENT 'x' WITH ('k'='v'); DESCRIBE DATABASE EXTENDED e"),
        "comment|x database name|e properties|((k,v))"
    );
    assert_eq!(answer("SHOW FULL MODULES"), "core|TRUE");
    assert!(run("ALTER CATALOG d COMMENT ''").contains("catalog 'd'"));
    assert!(run("ALTER CATALOG c RESET ('type')").contains("cannot be reset"));
}

#[test]
fn what_has_no_meaning_here_is_refused_with_its_reason() {
    for (statement, says) in [
        ("ANALYZE TABLE staff COMPUTE STATISTICS", "needs batch mode"),
        ("UPDATE staff SET name = 'x'", "needs batch mode"),
        ("DELETE FROM staff WHERE eid = 1", "needs batch mode"),
        ("TRUNCATE TABLE staff", "needs batch mode"),
        ("CALL `system`.p()", "procedures"),
        ("COMPILE PLAN 'x.json' FOR INSERT INTO a SELECT 1", "EXPLAIN shows the plan"),
        ("EXECUTE PLAN 'x.json'", "made anew"),
        ("LOAD MODULE hive", "only module is core"),
        ("UNLOAD MODULE core", "core must stay"),
        ("ADD JAR 'x.jar'", "no JVM"),
        ("REMOVE JAR 'x.jar'", "no JVM"),
        ("STOP JOB 'x'", "no cluster"),
        ("DESCRIBE JOB 'x'", "no cluster"),
        ("CREATE MODEL m WITH ('a'='b')", "models"),
        ("CREATE MATERIALIZED TABLE m AS SELECT 1", "materialized tables"),
        ("SHOW PARTITIONS staff", "folders"),
        ("SHOW PROCEDURES", "procedures"),
        ("ALTER TABLE staff ADD PARTITION (dept = 1)", "partitions"),
        ("ALTER TABLE staff DROP IF EXISTS PARTITION (dept = 1)", "partitions"),
        ("EXPLAIN SHOW TABLES", "a query or an INSERT"),
    ] {
        let got = answer(statement);
        assert!(got.contains(says), "{statement}: {got}");
    }
}

#[test]
fn create_table_as_takes_definitions_beside_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let run = |columns: &str, query: &str, then: &str| {
        let path = folder.path().join(then.len().to_string());
        answer(&format!(
            "CREATE TABLE t {columns} WITH ('connector'='filesystem', 'format'='json',
             'path'='{}') AS {query}; {then}",
            path.display()
        ))
    };
    let staff = "SELECT eid, name FROM staff WHERE eid = 1";
    assert_eq!(run("", staff, "SELECT * FROM t"), "1|Ada");
    assert_eq!(run("(name, eid)", staff, "SELECT  * FROM t"), "Ada|1");
    let more = "(remark STRING, eid BIGINT, twice AS eid * 2)";
    assert_eq!(run(more, staff, "SELECT   * FROM t"), "NULL|1|2|Ada");
    let typed = run(more, staff, "DESCRIBE t");
    assert!(typed.contains("eid|BIGINT") && typed.contains("twice|BIGINT"), "{typed}");
    assert!(run("(name)", staff, "SELECT 1").contains("lacks 'eid'"));
    assert!(run("(name, eid, x)", staff, "SELECT 1").contains("no column 'x'"));
    let key = "(PRIMARY KEY (eid) NOT ENFORCED)";
    assert!(run(key, staff, "SELECT 1").contains("Column 'eid' is nullable"));
    let staff = "SELECT COALESCE(eid, 0) AS eid, name FROM staff WHERE eid = 1";
    let keyed = run(key, staff, "SHOW CREATE TABLE t");
    assert!(keyed.contains("PRIMARY KEY (`eid`) NOT ENFORCED"), "{keyed}");
}

/// A file of a test, gone with it.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("millstream-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        TempFile(path)
    }
}
impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn statements_of_a_megabyte_run_or_say_why_not() {
    let long = "x".repeat(1 << 20);
    assert_eq!(answer(&format!("SELECT CHAR_LENGTH('{long}')")), (1 << 20).to_string());
    let comment = format!("SELECT 1 /* {long} */");
    assert_eq!(answer(&comment), "1");
    let list = (0..150_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(answer(&format!("SELECT eid FROM staff WHERE eid IN ({list}) AND eid < 3")), "1 2");
    let sum = vec!["1"; 1 << 19].join("+");
    let got = answer(&format!("SELECT {sum}"));
    assert!(got.contains("a chain of operators"), "{}", &got[..200.min(got.len())]);
    let columns = (0..20_000).map(|n| format!("{n} AS c{n}")).collect::<Vec<_>>().join(", ");
    let width = answer(&format!("SELECT {columns}")).split('|').count();
    assert_eq!(width, 20_000);
}

#[test]
fn nesting_of_a_thousand_levels_is_refused_with_its_place() {
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("ABS(", "1", ")"),
        ("CASE WHEN TRUE THEN ", "1", " END"),
        ("NOT ", "TRUE", ""),
        ("ARRAY[", "1", "]"),
        ("(SELECT ", "1", ")"),
        ("CAST(", "1", " AS INT)"),
    ] {
        let text = format!("SELECT {}{inner}{}", open.repeat(1000), close.repeat(1000));
        let got = answer(&text);
        assert!(got.contains("nested deeper"), "{open}: {}", &got[..200.min(got.len())]);
    }
    let from = format!("SELECT * FROM {}staff{}", "(SELECT * FROM ".repeat(1000), ")".repeat(1000));
    assert!(answer(&from).contains("nested deeper"));
}

#[test]
fn data_that_is_no_utf_8_ends_the_job_and_no_worker() {
    for (format, bytes) in
        [("json", &b"{\"a\":\"ok\"}\n{\"a\":\"\xff\xfe\"}\n"[..]), ("csv", &b"ok\n\xff\xfe\n"[..])]
    {
        let file = TempFile::new(&format!("utf8.{format}"), bytes);
        let table = |more: &str| {
            format!(
                "CREATE TABLE t (a STRING) WITH ('connector'='filesystem', 'format'='{format}',
                 'path'='{}'{more}); SELECT a FROM t",
                file.0.display()
            )
        };
        let got = answer(&table(""));
        assert!(got.contains("UTF-8"), "{format}: {got}");
        let ignored = answer(&table(&format!(", '{format}.ignore-parse-errors'='true'")));
        assert!(ignored.starts_with("ok"), "{format}: {ignored}");
    }
}

#[test]
fn a_join_that_keeps_its_rows_for_ever_warns_and_names_it() {
    let mut warnings = vec![];
    let mut session = Session::new();
    session
        .run(
            "CREATE TABLE a (x INT) WITH ('connector'='datagen', 'number-of-rows'='1');
             CREATE TABLE b (y INT) WITH ('connector'='datagen', 'number-of-rows'='1');
             CREATE TABLE sink (x INT, y INT) WITH ('connector'='blackhole');
             INSERT INTO sink SELECT x, y FROM a JOIN b ON x = y;",
            |outcome| {
                if let Outcome::Done(remarks) = outcome {
                    warnings.extend(remarks);
                }
                Ok(())
            },
        )
        .unwrap();
    assert!(warnings.iter().any(|w| w.contains("Join(") && w.contains("for ever")), "{warnings:?}");
}
