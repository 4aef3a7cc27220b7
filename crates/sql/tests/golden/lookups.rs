//! Lookup joins: a stream beside a table that is asked by key.

use crate::queries::answer;

/// `depts` looked up by the rows of `staff`; `p` is their processing time.
const VIEW: &str = "CREATE VIEW s AS SELECT *, PROCTIME() AS p FROM staff;";

fn joined(query: &str) -> String {
    answer(&format!("{VIEW}{query}"))
}

#[test]
fn rows_find_their_partners() {
    let inner = "SELECT s.name, d.title FROM s
        JOIN depts FOR SYSTEM_TIME AS OF s.p AS d ON s.dept = d.did";
    let regular = "SELECT s.name, d.title FROM s JOIN depts AS d ON s.dept = d.did";
    assert!(joined(inner).contains("Ada|"));
    assert_eq!(joined(inner), joined(regular));
    let plan = joined(&format!("EXPLAIN {inner}"));
    assert!(plan.contains("LookupJoin(table=[default_catalog.default_database.depts]"), "{plan}");
    assert!(plan.contains("lookup=[did = dept]"), "{plan}");
    let left = inner.replace("JOIN depts", "LEFT JOIN depts");
    let regular = regular.replace("JOIN depts", "LEFT JOIN depts");
    assert_eq!(joined(&left), joined(&regular));
}

#[test]
fn conditions_constants_and_computed_columns() {
    let on = |on: &str| {
        format!(
            "SELECT s.name, d.title FROM s LEFT JOIN depts FOR SYSTEM_TIME AS OF s.p AS d ON {on}"
        )
    };
    let regular = |on: &str| format!("SELECT s.name, d.title FROM s LEFT JOIN depts AS d ON {on}");
    for condition in [
        "s.dept = d.did AND d.title <> s.name AND d.did > 10",
        "d.did = 20",
        "s.dept + 10 = d.did AND d.title IS NOT NULL",
    ] {
        assert_eq!(joined(&on(condition)), joined(&regular(condition)), "{condition}");
    }
    // A view with filter and projection over the table; padded rows have no computed values.
    let view = "CREATE VIEW dv AS SELECT did AS id, 'x' AS mark, UPPER(title) AS t FROM depts
        WHERE did < 20;";
    let query = |table: &str| {
        format!("SELECT s.name, d.mark, d.t FROM s LEFT JOIN {table} ON s.dept = d.id")
    };
    assert_eq!(
        joined(&format!("{view}{}", query("dv FOR SYSTEM_TIME AS OF s.p AS d"))),
        joined(&format!("{view}{}", query("dv AS d")))
    );
}

#[test]
fn changes_keep_their_kinds() {
    let counted = "(SELECT dept, COUNT(*) AS n, PROCTIME() AS p FROM staff GROUP BY dept)";
    let query = format!(
        "SELECT c.dept, c.n, d.title FROM {counted} AS c
         JOIN depts FOR SYSTEM_TIME AS OF c.p AS d ON c.dept = d.did"
    );
    let regular = format!(
        "SELECT c.dept, c.n, d.title FROM {counted} AS c JOIN depts AS d ON c.dept = d.did"
    );
    assert_eq!(joined(&query), joined(&regular));
    assert!(joined(&format!("EXPLAIN {query}")).contains("changelogMode=[I,UB,UA,D]"));
}

#[test]
fn hints_are_checked() {
    let hinted = |hint: &str| {
        format!(
            "SELECT /*+ {hint} */ s.name, d.title FROM s
             JOIN depts FOR SYSTEM_TIME AS OF s.p AS d ON s.dept = d.did"
        )
    };
    let plain = joined(&hinted(""));
    for hint in [
        "LOOKUP('table'='d', 'async'='true', 'output-mode'='allow_unordered', 'capacity'='3', \
         'timeout'='60s')",
        "LOOKUP('table'='d', 'async'='false')",
        "LOOKUP('table'='d', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', \
         'fixed-delay'='1ms', 'max-attempts'='2')",
        "BROADCAST(d)",
    ] {
        assert_eq!(joined(&hinted(hint)), plain, "{hint}");
    }
    for (hint, says) in [
        ("LOOKUP('async'='true')", "incomplete required option: 'table'"),
        ("LOOKUP('table'='x')", "cannot match the name of input tables or views: `x` in `LOOKUP`"),
        ("LOOKUP('table'='d', 'asinc'='true')", "did you mean 'async'?"),
        ("LOOKUP('table'='d', 'capacity'='0')", "'capacity' cannot be '0'"),
        ("LOOKUP('table'='d', 'max-attempts'='2')", "only work together"),
        ("LOKUP('table'='d')", "LOOKUP"),
    ] {
        let got = joined(&hinted(hint));
        assert!(got.contains(says), "{hint}: {got}");
    }
}

#[test]
fn what_cannot_be_looked_up_says_why() {
    for (query, says) in [
        (
            "SELECT * FROM s JOIN depts FOR SYSTEM_TIME AS OF s.p AS d ON s.dept > d.did",
            "requires an equality condition on fields of table",
        ),
        (
            "SELECT * FROM s RIGHT JOIN depts FOR SYSTEM_TIME AS OF s.p AS d ON s.dept = d.did",
            "INNER or LEFT JOIN",
        ),
        (
            "SELECT * FROM s JOIN depts FOR SYSTEM_TIME AS OF s.eid AS d ON s.dept = d.did",
            "left table's time attribute field",
        ),
        (
            "CREATE VIEW c AS SELECT did, COUNT(*) AS n FROM depts GROUP BY did;
             SELECT * FROM s JOIN c FOR SYSTEM_TIME AS OF s.p ON s.dept = c.did",
            "Processing-time temporal join is not supported yet",
        ),
        (
            "CREATE TABLE g (id INT) WITH ('connector'='datagen');
             SELECT * FROM s JOIN g FOR SYSTEM_TIME AS OF s.p ON s.dept = g.id",
            "connector 'datagen' has no lookup",
        ),
    ] {
        let got = joined(query);
        assert!(got.contains(says), "{query}: {got}");
    }
}

#[test]
fn a_state_ttl_is_the_operators_that_takes_the_rows() {
    let join = "SELECT /*+ STATE_TTL('a' = '1 d', 'b' = '2 h') */ a.name FROM staff AS a
        JOIN staff AS b ON a.boss = b.eid";
    let plan = answer(&format!("EXPLAIN STATE {join}"));
    assert!(plan.contains("86400000 ms") && plan.contains("7200000 ms"), "{plan}");
    assert!(!plan.contains("warning"), "{plan}");
    assert_eq!(
        answer(join),
        answer("SELECT a.name FROM staff AS a JOIN staff AS b ON a.boss = b.eid")
    );
    let grouped = "EXPLAIN STATE SELECT /*+ STATE_TTL('staff' = '3 s') */ dept, COUNT(*) FROM staff
        WHERE dept > 1 GROUP BY dept";
    assert!(answer(grouped).contains("3000 ms"), "{}", answer(grouped));
    for (query, says) in [
        (
            "SELECT /*+ STATE_TTL('x' = '1 d') */ dept, COUNT(*) FROM staff AS a GROUP BY dept",
            "`x` in `STATE_TTL`",
        ),
        ("SELECT /*+ STATE_TTL('staff' = '1 d') */ COUNT(*) FROM staff AS a", "by its alias"),
        ("SELECT /*+ STATE_TTL() */ name FROM staff", "at least one"),
        (
            "CREATE VIEW v AS SELECT * FROM staff; SELECT * FROM v /*+ OPTIONS('path'='x') */",
            "Hints can only be applied to tables",
        ),
    ] {
        let got = answer(query);
        assert!(got.contains(says), "{query}: {got}");
    }
}
