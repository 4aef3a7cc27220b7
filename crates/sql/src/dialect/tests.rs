//! What parses, what does not, and what it says.

#![allow(clippy::unwrap_used)]

use super::{MAX_DEPTH, parse_script};

fn error(text: &str) -> String {
    parse_script(text).unwrap_err().to_string()
}

/// Runs with a stack as large as a session's.
fn on_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).unwrap();
    thread.join().unwrap();
}

#[test]
fn mistakes_are_shown_with_their_place_and_the_nearest_word() {
    let cases = [
        ("SELEC 1", "line 1, column 1: found 'SELEC'", "did you mean SELECT?"),
        ("SELECT\n  1 +", "line 2, column 6", "the end of the text"),
        ("SELECT a FROM t WHRE x", "line 1, column 22", "found 'x'"),
        ("CREATE TABEL t", "line 1, column 8", "did you mean TABLE?"),
        ("SELECT 1 AS order", "line 1, column 13", "in backticks"),
        ("SELECT a IS NUL", "line 1, column 13", "did you mean NULL?"),
        ("SELECT INTERVAL 5 DAY", "line 1, column 17", "in single quotes"),
        ("SELECT * FROM a JOIN b", "line 1, column 15", "CROSS JOIN"),
        ("CREATE TABLE t (a INT) WITH ('x'='1','x'='2')", "line 1, column 38", "twice"),
    ];
    for (text, place, says) in cases {
        let error = error(text);
        assert!(error.contains(place) && error.contains(says), "{text}: {error}");
    }
}

#[test]
fn deep_nesting_and_long_chains_end_with_an_error() {
    on_large_stack(|| {
        for (open, close) in [("(", ")"), ("- ", ""), ("NOT ", ""), ("ABS(", ")"), ("ARRAY[", "]")]
        {
            let text = format!("SELECT {}1{}", open.repeat(1000), close.repeat(1000));
            assert!(error(&text).contains("nested deeper"), "{open}");
            let half = MAX_DEPTH / 2 - 20;
            let text = format!("SELECT {}1{}", open.repeat(half), close.repeat(half));
            assert!(parse_script(&text).is_ok(), "{open}");
        }
        let deep = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(1000), ")".repeat(1000));
        assert!(error(&deep).contains("nested deeper"));
        assert!(error(&format!("SELECT 1{}", " + 1".repeat(200_000))).contains("operands"));
        let flat = format!("SELECT a FROM t WHERE {}", vec!["a = 1"; 100_000].join(" OR "));
        assert_eq!(parse_script(&flat).unwrap().len(), 1);
        let list = format!("SELECT a IN ({})", vec!["12345"; 150_000].join(","));
        assert_eq!(parse_script(&list).unwrap().len(), 1);
    });
}

#[test]
fn statements_of_every_kind_parse() {
    let script = "
        CREATE TEMPORARY TABLE IF NOT EXISTS a.b.c (x INT NOT NULL COMMENT 'k', y AS x + 1,
            z STRING METADATA FROM 'key' VIRTUAL, r ROW<a INT, b ARRAY<MAP<STRING, INT>>>,
            ts TIMESTAMP(3) WITH LOCAL TIME ZONE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
            CONSTRAINT pk PRIMARY KEY (x) NOT ENFORCED)
            COMMENT 'c' PARTITIONED BY (x) WITH ('connector' = 'print');
        CREATE TABLE l LIKE a.b.c (INCLUDING ALL EXCLUDING CONSTRAINTS);
        CREATE TABLE m WITH ('connector' = 'print') AS SELECT 1 AS x;
        ALTER TABLE t ADD (x INT FIRST, y INT AFTER x); ALTER TABLE t DROP WATERMARK;
        EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;
        EXPLAIN CHANGELOG_MODE SELECT 1; EXPLAIN PLAN FOR SELECT 1;
        SET 'a.b' = 'c'; SET a.b-c = 200 ms; RESET; SHOW TABLES LIKE 'x%';
        INSERT INTO t PARTITION (a = 'x') (b, c) SELECT 1, 2;
        SELECT /*+ STATE_TTL('a' = '1d') */ DISTINCT a.*, COUNT(DISTINCT b) FILTER (WHERE c > 1)
            FROM t /*+ OPTIONS('k' = 'v') */ AS a LEFT JOIN u FOR SYSTEM_TIME AS OF a.p AS u
            ON a.x = u.x, LATERAL TABLE(f(a.y)) AS g(h) CROSS JOIN UNNEST(a.z) AS v(w)
            WHERE a IN (SELECT 1) AND NOT EXISTS (SELECT 1) AND (a, b) IN ((1, 2))
            GROUP BY GROUPING SETS ((a, b), a, ()), ROLLUP (c), CUBE (d, e)
            HAVING SUM(x) > 1 ORDER BY 1 DESC NULLS LAST LIMIT 3 OFFSET 2 ROWS;
        SELECT * FROM TABLE(HOP(DATA => TABLE t PARTITION BY (a, b), TIMECOL => DESCRIPTOR(ts),
            SLIDE => INTERVAL '1' MINUTE, SIZE => INTERVAL '1' HOUR));
        SELECT SUM(a) OVER w, LAG(a, 1) OVER (PARTITION BY b ORDER BY c RANGE BETWEEN INTERVAL '1'
            DAY PRECEDING AND CURRENT ROW) FROM t WINDOW w AS (ORDER BY c) QUALIFY a = 1;
        SELECT JSON_VALUE(a, '$.b' RETURNING INT DEFAULT 1 ON EMPTY NULL ON ERROR),
            JSON_OBJECT('k' VALUE 1, KEY 'l' VALUE 2 ABSENT ON NULL), a IS NOT JSON OBJECT,
            CASE a WHEN 1, 2 THEN 'x' ELSE 'y' END, a[1].b['k'], TRIM(LEADING 'x' FROM a);
    ";
    assert_eq!(parse_script(script).unwrap().len(), 17);
}
