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
fn correlation_over_two_levels() {
    // Staff whose boss works in the same department, which has a title.
    let nested = "SELECT name FROM staff AS a WHERE EXISTS (SELECT 1 FROM depts AS d
        WHERE d.did = a.dept AND EXISTS (SELECT 1 FROM staff AS b
            WHERE b.dept = d.did AND b.eid < a.eid))";
    let flat = "SELECT DISTINCT name, eid FROM (SELECT a.name, a.eid FROM staff AS a
        JOIN depts AS d ON d.did = a.dept JOIN staff AS b ON b.dept = d.did AND b.eid < a.eid)";
    assert_eq!(answer(flat), "Di|4");
    assert_eq!(answer(nested), "Di x2");
    let within = "SELECT name FROM staff AS a WHERE eid IN (SELECT b.eid FROM staff AS b
        WHERE b.dept IN (SELECT did FROM depts AS d WHERE d.did = a.dept))";
    assert_eq!(answer(within), "Ada Bo Di x2");
    let not = "SELECT name FROM staff AS a WHERE NOT EXISTS (SELECT 1 FROM depts AS d
        WHERE d.did = a.dept AND EXISTS (SELECT 1 FROM staff AS b WHERE b.eid < a.eid))";
    assert_eq!(answer(not), "Ada Cy Ed");
}

#[test]
fn values_correlated_by_more_than_equality() {
    let greatest = "SELECT name, (SELECT MAX(title) FROM depts WHERE did > s.dept) FROM staff AS s";
    assert_eq!(answer(greatest), "Ada|Sales Bo|Legal Cy|NULL Di|Sales x2 Ed|NULL");
    let count = "SELECT name, (SELECT COUNT(*) FROM depts WHERE did > s.dept AND did < 10 * s.eid)
        FROM staff AS s";
    assert_eq!(answer(count), "Ada|0 Bo|0 Cy|0 Di|2 x2 Ed|0");
    let filter = "SELECT name FROM staff AS s
        WHERE eid > (SELECT AVG(eid) FROM staff AS o WHERE o.eid <> s.eid)";
    assert_eq!(answer(filter), "Di x2 Ed");
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

#[test]
fn lateral_subqueries_see_the_left_side() {
    let lateral = |kind: &str, query: &str, on: &str| {
        answer(&format!("SELECT s.name, d.* FROM staff AS s {kind} LATERAL ({query}) AS d {on}"))
    };
    let title = "SELECT title FROM depts WHERE did = s.dept";
    let pairs = "Ada|Tools Ada|Tools-2 Bo|Sales Di|Tools x2 Di|Tools-2 x2";
    assert_eq!(lateral("CROSS JOIN", title, ""), pairs);
    assert_eq!(lateral(",", title, ""), pairs);
    assert_eq!(
        lateral("LEFT JOIN", title, "ON TRUE"),
        "Ada|Tools Ada|Tools-2 Bo|Sales Cy|NULL Di|Tools x2 Di|Tools-2 x2 Ed|NULL"
    );
    assert_eq!(
        lateral("LEFT JOIN", title, "ON d.title <> 'Tools'"),
        "Ada|Tools-2 Bo|Sales Cy|NULL Di|Tools-2 x2 Ed|NULL"
    );
    let count = "SELECT COUNT(*) AS n FROM depts WHERE did = s.dept";
    assert_eq!(lateral(",", count, ""), "Ada|2 Bo|1 Di|2 x2");
    assert_eq!(lateral("LEFT JOIN", count, "ON TRUE"), "Ada|2 Bo|1 Cy|0 Di|2 x2 Ed|0");
    let both = "SELECT title || s.name AS t FROM depts WHERE did = s.dept AND did > 10";
    assert_eq!(lateral(",", both, ""), "Bo|SalesBo");
    let more = "SELECT title FROM depts WHERE did > s.dept AND did < 40";
    assert_eq!(lateral(",", more, ""), "Ada|Legal Ada|Sales Bo|Legal Di|Legal x2 Di|Sales x2");
    let groups = "SELECT title, COUNT(*) AS n FROM depts WHERE did = s.dept GROUP BY title";
    assert_eq!(lateral(",", groups, "WHERE s.name = 'Ada'"), "Ada|Tools-2|1 Ada|Tools|1");
    // The best of each, which Flink 2.3 cannot plan.
    let best = "SELECT d.did, e.name FROM (SELECT DISTINCT did FROM depts) AS d,
        LATERAL (SELECT name, eid FROM staff WHERE dept = d.did ORDER BY eid DESC LIMIT 1) AS e";
    assert_eq!(answer(best), "10|Di 20|Bo");
    let in_grouped = "SELECT name FROM staff AS s WHERE dept IN
        (SELECT did FROM depts WHERE did >= s.dept GROUP BY did)";
    assert!(answer(in_grouped).contains("correlated by more than equality"));
}
