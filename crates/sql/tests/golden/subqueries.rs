//! Subqueries as conditions anywhere: under OR, in SELECT, with ANY and ALL, over NULL.

use crate::queries::answer;

/// Rows of `n` for which `condition` holds; `n` is 1, 2, 3 and NULL.
fn holds(condition: &str) -> String {
    let n = "(VALUES (1), (2), (3), (CAST(NULL AS INT))) AS t (n)";
    answer(&format!("SELECT n FROM {n} WHERE {condition}"))
}
/// The value of a condition for each row of `n`.
fn value(condition: &str) -> String {
    let n = "(VALUES (1), (2), (3), (CAST(NULL AS INT))) AS t (n)";
    answer(&format!("SELECT n, {condition} FROM {n}"))
}

const SOME: &str = "(SELECT x FROM (VALUES (1), (2)) AS u (x))";
const WITH_NULL: &str = "(SELECT x FROM (VALUES (1), (CAST(NULL AS INT))) AS u (x))";
const NONE: &str = "(SELECT x FROM (VALUES (1), (2)) AS u (x) WHERE x > 5)";

#[test]
fn in_is_a_value_with_three_answers() {
    assert_eq!(value(&format!("n IN {SOME}")), "1|TRUE 2|TRUE 3|FALSE NULL|NULL");
    assert_eq!(value(&format!("n NOT IN {SOME}")), "1|FALSE 2|FALSE 3|TRUE NULL|NULL");
    assert_eq!(value(&format!("n IN {WITH_NULL}")), "1|TRUE 2|NULL 3|NULL NULL|NULL");
    assert_eq!(value(&format!("n NOT IN {WITH_NULL}")), "1|FALSE 2|NULL 3|NULL NULL|NULL");
    assert_eq!(value(&format!("n IN {NONE}")), "1|FALSE 2|FALSE 3|FALSE NULL|FALSE");
    assert_eq!(value(&format!("n NOT IN {NONE}")), "1|TRUE 2|TRUE 3|TRUE NULL|TRUE");
}

#[test]
fn not_in_alone_in_where_agrees_with_the_value() {
    assert_eq!(holds(&format!("n NOT IN {SOME}")), "3");
    assert_eq!(holds(&format!("n NOT IN {WITH_NULL}")), "");
    assert_eq!(holds(&format!("n NOT IN {NONE}")), "1 2 3 NULL");
}

#[test]
fn conditions_under_or() {
    assert_eq!(holds(&format!("n IN {SOME} OR n = 3")), "1 2 3");
    assert_eq!(holds(&format!("n IN {SOME} OR n IS NULL")), "1 2 NULL");
    assert_eq!(holds(&format!("EXISTS {NONE} OR n > 2")), "3");
    assert_eq!(holds(&format!("NOT EXISTS {NONE} OR n > 2")), "1 2 3 NULL");
    assert_eq!(holds(&format!("(n = 1 AND EXISTS {SOME}) OR (n = 2 AND EXISTS {NONE})")), "1");
    let correlated = "SELECT name FROM staff AS s WHERE s.dept = 40
        OR EXISTS (SELECT 1 FROM depts WHERE did = s.dept AND title = 'eng')";
    let alone = "SELECT name FROM staff AS s WHERE s.dept = 40
        UNION ALL SELECT name FROM staff AS s WHERE
        EXISTS (SELECT 1 FROM depts WHERE did = s.dept AND title = 'eng')";
    assert_eq!(answer(correlated), answer(alone));
    let within = "SELECT name, dept IN (SELECT did FROM depts AS d WHERE d.did = s.dept) IS TRUE
        FROM staff AS s";
    let joined =
        "SELECT name, EXISTS (SELECT 1 FROM depts AS d WHERE d.did = s.dept) FROM staff AS s";
    assert_eq!(answer(within), answer(joined));
}

#[test]
fn any_and_all() {
    for (condition, rows) in [
        (format!("n = ANY {SOME}"), "1 2"),
        (format!("n <> ALL {SOME}"), "3"),
        (format!("n > ANY {SOME}"), "2 3"),
        (format!("n >= ALL {SOME}"), "2 3"),
        (format!("n < ALL {SOME}"), ""),
        (format!("n < SOME {SOME}"), "1"),
        (format!("n <> ANY {SOME}"), "1 2 3"),
        ("n = ALL (SELECT x FROM (VALUES (2), (2)) AS u (x))".into(), "2"),
        (format!("n > ALL {NONE}"), "1 2 3 NULL"),
        (format!("n > ANY {NONE}"), ""),
        (format!("n > ALL {WITH_NULL}"), ""),
    ] {
        assert_eq!(holds(&condition), rows, "{condition}");
    }
    assert_eq!(value(&format!("n > ANY {WITH_NULL}")), "1|NULL 2|TRUE 3|TRUE NULL|NULL");
    assert_eq!(value(&format!("n <= ALL {WITH_NULL}")), "1|NULL 2|FALSE 3|FALSE NULL|NULL");
    let of_dept = "SELECT name, eid >= ALL (SELECT eid FROM staff AS i WHERE i.dept = s.dept)
        FROM staff AS s WHERE dept = 10";
    let best = "SELECT name, eid = (SELECT MAX(eid) FROM staff AS i WHERE i.dept = s.dept)
        FROM staff AS s WHERE dept = 10";
    assert_eq!(answer(of_dept), answer(best));
}

#[test]
fn in_grouped_queries_they_stand_over_the_groups_or_in_the_aggregates() {
    let over = "SELECT dept, COUNT(*) FROM staff GROUP BY dept
        HAVING COUNT(*) > ALL (SELECT x FROM (VALUES (1), (2)) AS u (x))";
    assert_eq!(answer(over), "10|3");
    let scalar = "SELECT dept, COUNT(*) FROM staff GROUP BY dept
        HAVING COUNT(*) > (SELECT COUNT(*) FROM depts WHERE did > 20)";
    assert_eq!(answer(scalar), "10|3");
    let of_key =
        "SELECT dept, dept IN (SELECT did FROM depts) FROM staff WHERE dept < 30 GROUP BY dept";
    assert_eq!(answer(of_key), "10|TRUE 20|TRUE");
    let correlated = "SELECT dept, COUNT(*), (SELECT COUNT(*) FROM depts WHERE did = s.dept)
        FROM staff AS s WHERE dept < 30 GROUP BY dept";
    assert_eq!(answer(correlated), "10|3|2 20|1|1");
    let within =
        "SELECT SUM(CASE WHEN dept IN (SELECT did FROM depts) THEN 1 ELSE 0 END) FROM staff";
    assert_eq!(answer(within), "4");
}

#[test]
fn where_no_join_can_bring_them_they_are_refused() {
    for (query, says) in [
        (
            "SELECT * FROM staff AS a JOIN depts AS b ON a.dept = b.did AND a.eid IN (SELECT 1)",
            "ON",
        ),
        ("SELECT COUNT(*) FROM staff GROUP BY (SELECT MAX(did) FROM depts)", "GROUP BY"),
        ("SELECT eid > ANY (SELECT did, did FROM depts) FROM staff", "2 columns"),
    ] {
        let got = answer(query);
        assert!(got.contains(says), "{query}: {got}");
    }
}

#[test]
fn mini_batch_emits_less_and_ends_the_same() {
    let query = "SELECT dept, COUNT(*) FROM staff GROUP BY dept";
    let on = "SET 'table.exec.mini-batch.enabled' = 'true';
        SET 'table.exec.mini-batch.allow-latency' = '5 min';
        SET 'table.exec.mini-batch.size' = '1000';";
    assert_eq!(answer(&format!("{on}{query}")), answer(query));
    let plan = answer(&format!("{on}EXPLAIN {query}"));
    assert!(plan.contains("MiniBatch(size=[1000], latency=[300000 ms]"), "{plan}");
    assert!(answer(&format!("{}{query}", &on[..50])).contains("mini-batch.size' is not above 0"));
}
