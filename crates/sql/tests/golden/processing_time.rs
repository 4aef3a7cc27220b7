//! Queries by processing time. What depends on the clock is shown by plans here, and by the
//! operators' own tests, which drive it.

use crate::queries::answer;

const VIEW: &str = "CREATE VIEW now_staff AS SELECT *, PROCTIME() AS p FROM staff;";

fn with_clock(query: &str) -> String {
    answer(&format!("{VIEW}{query}"))
}

#[test]
fn windows_over_the_clock_are_planned_and_end_without_their_last_rows() {
    for window in [
        "TUMBLE(TABLE now_staff, DESCRIPTOR(p), INTERVAL '1000' DAY(4))",
        "HOP(TABLE now_staff, DESCRIPTOR(p), INTERVAL '1000' DAY(4), INTERVAL '2000' DAY(4))",
        "CUMULATE(TABLE now_staff, DESCRIPTOR(p), INTERVAL '1000' DAY(4), INTERVAL '2000' DAY(4))",
        "SESSION(TABLE now_staff PARTITION BY dept, DESCRIPTOR(p), INTERVAL '1000' DAY(4))",
    ] {
        let query = format!(
            "SELECT dept, COUNT(*), window_start FROM TABLE({window})
             GROUP BY dept, window_start, window_end"
        );
        let plan = with_clock(&format!("EXPLAIN {query}"));
        assert!(plan.contains("WindowAggregate(groupBy=[dept]"), "{plan}");
        // As in Flink, the end of the input is not the end of a window of processing time.
        assert_eq!(with_clock(&query), "", "{query}");
    }
    let grouped = "SELECT dept, COUNT(*), TUMBLE_START(p, INTERVAL '1000' DAY(4)) FROM now_staff
        GROUP BY dept, TUMBLE(p, INTERVAL '1000' DAY(4))";
    assert!(with_clock(&format!("EXPLAIN {grouped}")).contains("WindowAggregate"));
    assert_eq!(with_clock(grouped), "");
}

#[test]
fn rows_by_the_clock_are_rows_by_arrival() {
    let first = "SELECT dept FROM (SELECT dept, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY p)
        AS n FROM now_staff) WHERE n = 1";
    assert_eq!(with_clock(first), "10 20 40 NULL");
    let plan = with_clock(&format!("EXPLAIN {first}"));
    assert!(plan.contains("Deduplicate(keep=[First], key=[dept], changelogMode=[I])"), "{plan}");
    let last = first.replace("ORDER BY p", "ORDER BY p DESC");
    assert!(with_clock(&format!("EXPLAIN {last}")).contains("Deduplicate(keep=[Last]"));
    let over = "SELECT dept, n FROM (SELECT dept, COUNT(*) OVER (PARTITION BY dept ORDER BY p
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM now_staff) WHERE dept = 10";
    assert_eq!(with_clock(over), "10|1 10|2 10|3");
    assert_eq!(with_clock("SELECT name FROM now_staff ORDER BY p").split(' ').count(), 6);
    let near = "SELECT COUNT(*) FROM now_staff AS a JOIN now_staff AS b ON a.eid = b.eid
        AND a.p BETWEEN b.p - INTERVAL '1' DAY AND b.p + INTERVAL '1' DAY";
    assert!(with_clock(&format!("EXPLAIN {near}")).contains("IntervalJoin"));
    assert_eq!(with_clock(near), "8");
}

#[test]
fn a_bare_window_function_takes_the_windows_of_the_clock() {
    let bare = "SELECT dept, window_end > p, window_start <= p FROM TABLE(TUMBLE(TABLE now_staff,
        DESCRIPTOR(p), INTERVAL '1000' DAY(4))) WHERE dept = 40";
    assert_eq!(with_clock(bare), "40|TRUE|TRUE");
}

#[test]
fn what_flink_cannot_do_by_the_clock_is_refused_in_its_words() {
    const TUMBLE: &str = "TABLE(TUMBLE(TABLE now_staff, DESCRIPTOR(p), INTERVAL '1' DAY))";
    let counted = format!(
        "(SELECT dept, COUNT(*) AS n, window_start, window_end FROM {TUMBLE}
          GROUP BY dept, window_start, window_end)"
    );
    for (query, says) in [
        (
            format!(
                "SELECT a.n FROM {counted} AS a JOIN {counted} AS b ON a.dept = b.dept
                 AND a.window_start = b.window_start AND a.window_end = b.window_end"
            ),
            "Processing time Window Join is not supported",
        ),
        (
            format!(
                "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end
                 ORDER BY n DESC) AS r FROM {counted}) WHERE r <= 3"
            ),
            "Processing time Window TopN is not supported",
        ),
        (
            "SELECT TUMBLE_ROWTIME(p, INTERVAL '1' DAY) FROM now_staff
             GROUP BY TUMBLE(p, INTERVAL '1' DAY)"
                .into(),
            "A proctime window cannot provide a rowtime attribute",
        ),
    ] {
        let got = with_clock(&query);
        assert!(got.contains(says), "{query}: {got}");
    }
}
