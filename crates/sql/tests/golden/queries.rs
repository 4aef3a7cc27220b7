//! Queries beside the golden suite: text in, rows (after all changes) or error out.

use millstream_sql::session::{Outcome, Session};
use std::collections::BTreeMap;

const TABLES: &str = "
    CREATE TABLE staff (eid INT, name STRING, dept INT, boss INT) WITH (
        'connector'='filesystem','format'='json','path'='tests/conformance/data/staff.jsonl');
    CREATE TABLE depts (did INT, title STRING) WITH (
        'connector'='filesystem','format'='json','path'='tests/conformance/data/depts.jsonl');
    CREATE TABLE rides (rid INT, zone STRING, fare DECIMAL(6,2), ts TIMESTAMP(3),
        WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE) WITH (
        'connector'='filesystem','format'='json','path'='tests/conformance/data/rides.jsonl');
";

/// The rows that are left, sorted, as `a|b`, with spaces in between; or the error.
pub(crate) fn answer(query: &str) -> String {
    answer_in(&mut Session::new(), query)
}

/// The same in a session that knows more.
pub(crate) fn answer_in(session: &mut Session, query: &str) -> String {
    session.settings_mut().set("parallelism.default", "2").unwrap();
    let mut bag: BTreeMap<String, i64> = BTreeMap::new();
    let ran = session.run(&format!("{TABLES}{query}"), |outcome| {
        let table = match outcome {
            Outcome::Query(query) => query.collect()?,
            Outcome::Table(table) => table,
            _ => return Ok(()),
        };
        for row in table.rows {
            let cells: Vec<&str> =
                row.values.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
            let one = if row.change == "+I" || row.change == "+U" { 1 } else { -1 };
            *bag.entry(cells.join("|")).or_default() += one;
        }
        Ok(())
    });
    if let Err(error) = ran {
        return error.to_string();
    }
    let rows = bag.into_iter().filter(|(_, n)| *n != 0);
    rows.map(|(row, n)| if n == 1 { row } else { format!("{row} x{n}") })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn subqueries() {
    let by_dept = "SELECT name, (SELECT COUNT(*) FROM depts WHERE did = s.dept) FROM staff AS s";
    assert_eq!(answer(by_dept), "Ada|2 Bo|1 Cy|0 Di|2 x2 Ed|0");
    let best = "SELECT name FROM staff AS s
        WHERE eid = (SELECT MAX(eid) FROM staff AS i WHERE i.dept = s.dept)";
    assert_eq!(answer(best), "Bo Di x2 Ed");
    let rows = "SELECT name FROM staff WHERE (dept, eid) IN (SELECT did, did / 10 FROM depts)";
    assert_eq!(answer(rows), "Ada Bo");
    assert!(answer("SELECT (SELECT title FROM depts)").contains("more than one row"));
}

#[test]
fn names_of_joins() {
    let using = "SELECT * FROM staff JOIN (VALUES (1, 'x')) AS v(eid, y) USING (eid)";
    assert_eq!(answer(using), "1|Ada|10|NULL|x");
    let natural = "SELECT * FROM staff NATURAL JOIN (VALUES (1, 'x')) AS v(eid, y)";
    assert_eq!(answer(natural), answer(using));
}

#[test]
fn grouping_and_over() {
    let nested = "SELECT dept, SUM(COUNT(*)) OVER (ORDER BY dept
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM staff GROUP BY dept";
    assert_eq!(answer(nested), "10|4 20|5 40|6 NULL|1");
    assert!(answer("SELECT dept AS d, COUNT(*) FROM staff GROUP BY d").contains("'d' not found"));
    assert!(answer("SELECT name, COUNT(*) FROM staff GROUP BY dept").contains("not being grouped"));
    let sets = "SELECT dept, GROUPING(dept), COUNT(*) FROM staff
        GROUP BY GROUPING SETS ((dept), ()) HAVING COUNT(*) > 1";
    assert_eq!(answer(sets), "10|0|3 NULL|1|6");
}

#[test]
fn what_is_refused_says_why() {
    for (query, says) in [
        ("SELECT * FROM rides ORDER BY fare", "add LIMIT"),
        ("SELECT nam FROM staff", "did you mean 'name'?"),
        ("SELECT * FROM staf", "did you mean 'staff'?"),
        ("SELECT UPER(name) FROM staff", "did you mean UPPER?"),
        ("SELECT * FROM staff MATCH_RECOGNIZE (PATTERN (A))", "MATCH_RECOGNIZE"),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY eid) AS n FROM staff) WHERE n > 2",
            "Rank end",
        ),
        ("INSERT INTO depts SELECT 1", "different number of columns"),
        ("CREATE TABLE x (a INT) WITH ('connector'='filesytem'); SELECT * FROM x", "'filesystem'"),
    ] {
        let got = answer(query);
        assert!(got.contains(says), "{query}: {got}");
    }
}

#[test]
fn plans_show_changes_and_state() {
    let plan = answer("EXPLAIN STATE SELECT dept, COUNT(*) FROM staff GROUP BY dept");
    for part in
        ["GroupAggregate(groupBy=[dept]", "changelogMode=[I,UB,UA,D]", "hash[dept]", "state:"]
    {
        assert!(plan.contains(part), "{plan}");
    }
    let join = answer("EXPLAIN SELECT * FROM staff AS a JOIN staff AS b ON a.boss = b.eid");
    assert!(join.contains("warning: Join"), "{join}");
    let json = answer(
        "EXPLAIN ESTIMATED_COST, CHANGELOG_MODE, JSON_EXECUTION_PLAN
         SELECT dept, COUNT(DISTINCT name) FROM staff GROUP BY dept",
    );
    for part in [
        "one accumulator a group (dept), about 44 bytes each; grows with the number of distinct (dept)",
        "values of Count(name) in each group",
        "TTL none: kept for ever",
        "\"pact\": \"Data Source\"",
        "warning: GroupAggregate(groupBy=[dept], select=[Count(DISTINCT name)]) keeps for ever",
    ] {
        assert!(json.contains(part), "{part}: {json}");
    }
    let bounded = answer(
        "SET 'table.exec.state.ttl' = '1 h'; EXPLAIN SELECT dept, COUNT(*) FROM staff GROUP BY dept",
    );
    assert!(bounded.contains("TTL 3600000 ms") && !bounded.contains("warning"), "{bounded}");
}
