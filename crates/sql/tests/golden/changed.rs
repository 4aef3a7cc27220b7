//! Changed queries and the state of the former ones: uids from the plan, what is kept, what is
//! refused.

use crate::queries::{TABLES, answer};
use millstream_runtime::checkpoint::{Request, Stop};
use millstream_runtime::snapshot::SnapshotKind;
use millstream_sql::dialect::{Tokens, next_statement};
use millstream_sql::functions::user::from_rows;
use millstream_sql::session::{Outcome, QueryResult, Session, SourceGate, SqlError};
use millstream_sql::types::SqlType;
use millstream_sql::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SINKS: &str = "CREATE TABLE a (d INT, n BIGINT) WITH ('connector'='blackhole');
    CREATE TABLE b (d INT, n BIGINT) WITH ('connector'='blackhole');";

/// The uids of the stateful operators of a plan, by what they keep.
fn uids(statement: &str) -> BTreeMap<String, String> {
    let plan = answer(&format!("{SINKS} EXPLAIN STATE {statement}"));
    let (_, state) = plan.split_once("== State ==\n").unwrap_or_else(|| panic!("{plan}"));
    let lines = state.lines().take_while(|line| !line.is_empty());
    lines.map(|l| l.split_once(": ").unwrap()).map(|(u, k)| (k.to_owned(), u.to_owned())).collect()
}

fn counted(insert: &str) -> String {
    uids(insert).remove("Count() by (INT)").unwrap_or_else(|| panic!("{:?}", uids(insert)))
}

#[test]
fn uids_are_of_what_an_operator_does() {
    let plain = "INSERT INTO a SELECT dept, COUNT(*) FROM staff GROUP BY dept";
    let uid = counted(plain);
    assert!(uid.starts_with("group-aggregate-"), "{uid}");
    for same in [
        // Other names, a filter, something behind it.
        "INSERT INTO a SELECT k, c + 1 FROM (
            SELECT x AS k, COUNT(*) AS c FROM (SELECT dept AS x FROM staff WHERE eid > 2)
            GROUP BY x) WHERE c > 1",
        // An unrelated INSERT beside it, in either order.
        "STATEMENT SET BEGIN INSERT INTO a SELECT dept, COUNT(*) FROM staff GROUP BY dept;
            INSERT INTO b SELECT boss, SUM(eid) FROM staff GROUP BY boss; END",
        "STATEMENT SET BEGIN INSERT INTO b SELECT boss, SUM(eid) FROM staff GROUP BY boss;
            INSERT INTO a SELECT dept, COUNT(*) FROM staff GROUP BY dept; END",
    ] {
        assert_eq!(counted(same), uid, "{same}");
    }
    for other in [
        "INSERT INTO b SELECT dept, COUNT(*) FROM staff GROUP BY dept",
        "INSERT INTO a SELECT boss, COUNT(*) FROM staff GROUP BY boss",
        "INSERT INTO a SELECT dept + 1, COUNT(*) FROM staff GROUP BY dept + 1",
        "INSERT INTO a SELECT did, COUNT(*) FROM depts GROUP BY did",
    ] {
        assert_ne!(counted(other), uid, "{other}");
    }
}

#[test]
fn operators_that_do_the_same_are_told_apart() {
    let plan = |first: &str, second: &str| {
        let half = |c: &str| {
            format!("SELECT dept, COUNT(*) AS n FROM staff WHERE eid {c} 3 GROUP BY dept")
        };
        answer(&format!(
            "{SINKS} EXPLAIN STATE INSERT INTO a {} UNION ALL {}",
            half(first),
            half(second)
        ))
    };
    let of = |plan: &str| -> Vec<String> {
        let (_, state) = plan.split_once("== State ==\n").unwrap();
        let counts = state.lines().filter(|l| l.starts_with("group-aggregate-"));
        counts.map(|l| l.split_once(": ").unwrap().0.to_owned()).collect()
    };
    let (one, other) = (of(&plan("<", ">=")), of(&plan(">=", "<")));
    assert_eq!(one.len(), 2);
    assert_ne!(one[0], one[1]);
    // Which half it is decides, together with its place.
    assert!(
        one.iter().all(|uid| !other.contains(uid)) || (one[0] == other[1]),
        "{one:?} {other:?}"
    );
}

/// A session over the tables, which starts queries that may be stopped and gone on with.
struct Changing {
    session: Session,
    folder: tempfile::TempDir,
}

impl Changing {
    fn new() -> Self {
        let (mut session, folder) = (Session::new(), tempfile::tempdir().unwrap());
        session.run(TABLES, |_| Ok(())).unwrap();
        let settings = session.settings_mut();
        settings.set("parallelism.default", "2").unwrap();
        let place = folder.path().to_str().unwrap();
        settings.set("execution.checkpointing.dir", place).unwrap();
        settings.set("restart-strategy.type", "none").unwrap();
        Changing { session, folder }
    }
    fn start(&mut self, query: &str) -> Result<QueryResult, SqlError> {
        let tokens = Tokens::of(query).unwrap();
        let (parsed, _) = next_statement(&tokens, 0).unwrap().unwrap();
        match self.session.start(&parsed, query)? {
            Outcome::Query(query) => Ok(query),
            _ => panic!("no query"),
        }
    }
    /// Runs a query over the first three rows, and stops it; where its state is.
    fn stopped(&mut self, query: &str) -> String {
        let gate = Arc::new(SourceGate::new(1, Some(3)));
        self.session.hold_sources(Some(Arc::clone(&gate)));
        let mut running = self.start(query).unwrap();
        assert_eq!(gate.wait(Duration::from_secs(60)), Some(true));
        let answer = running.handle().unwrap().request(Request::Savepoint {
            kind: SnapshotKind::CanonicalSavepoint,
            directory: Some(format!("{}/savepoints", self.folder.path().display())),
            stop: Some(Stop::Suspend),
        });
        while running.next(Duration::from_millis(5)).unwrap().is_some() {}
        self.session.hold_sources(None);
        answer.recv().unwrap().unwrap()
    }
    /// Goes on with another query: its warnings, and the last count of department 10.
    fn go_on(&mut self, place: &str, query: &str) -> Result<(String, String), SqlError> {
        self.session.settings_mut().set("execution.state-recovery.path", place).unwrap();
        let running = self.start(query)?;
        let warnings = running.warnings().join("\n");
        let table = running.collect()?;
        let ten = |row: &&millstream_sql::session::Row| row.values[0].as_deref() == Some("10");
        let last = table.rows.iter().rfind(ten).map(|row| row.values[1].clone());
        Ok((warnings, last.flatten().unwrap_or_default()))
    }
}

const COUNT: &str = "SELECT dept, COUNT(*) AS n FROM staff GROUP BY dept";

#[test]
fn a_query_with_other_names_goes_on_with_its_state() {
    let mut changing = Changing::new();
    let place = changing.stopped(COUNT);
    let renamed = "SELECT d, c, 'new' AS x FROM (SELECT dept AS d, COUNT(*) AS c FROM staff
        GROUP BY dept)";
    let (warnings, ten) = changing.go_on(&place, renamed).unwrap();
    // Three of department 10, of which the first run has seen some.
    assert_eq!(ten, "3");
    assert_eq!(warnings.matches("keeps its state").count(), 2, "{warnings}");
    assert!(!warnings.contains("is gone") && !warnings.contains("is new"), "{warnings}");
}

#[test]
fn a_query_says_what_it_would_keep_without_running() {
    let mut changing = Changing::new();
    let place = changing.stopped(COUNT);
    changing.session.compare_with(&place);
    let mut said = vec![];
    let mut compare = |query: &str| {
        changing.session.run(query, |outcome| {
            let Outcome::Done(lines) = outcome else { panic!("it runs") };
            said = lines;
            Ok(())
        })
    };
    compare(COUNT).unwrap();
    let error = compare("SELECT boss, COUNT(*) FROM staff GROUP BY boss").unwrap_err();
    assert!(error.to_string().contains("group-aggregate-"), "{error}");
    assert!(said[0].contains("can start from it"), "{said:?}");
    assert_eq!(said.iter().filter(|line| line.contains("keeps its state")).count(), 2, "{said:?}");
}

#[test]
fn state_that_nobody_wants_is_named_and_dropped_when_allowed() {
    let mut changing = Changing::new();
    let place = changing.stopped(COUNT);
    let other = "SELECT dept, MAX(eid) AS n FROM staff GROUP BY dept";
    let error = changing.go_on(&place, other).unwrap_err().to_string();
    assert!(error.contains("group-aggregate-") && error.contains("GroupAggregate("), "{error}");
    let allow = "execution.state-recovery.ignore-unclaimed-state";
    changing.session.settings_mut().set(allow, "true").unwrap();
    let (warnings, _) = changing.go_on(&place, other).unwrap();
    for part in ["keeps its state", "is new and starts empty", "is gone, and its state is dropped"]
    {
        assert_eq!(warnings.matches(part).count(), 1, "{part}: {warnings}");
    }
}

#[test]
fn state_of_other_types_is_refused_with_both() {
    let mut changing = Changing::new();
    let place = changing.stopped(COUNT);
    changing.session.run("DROP TABLE staff", |_| Ok(())).unwrap();
    let wider = TABLES.split(';').next().unwrap().replace("dept INT", "dept BIGINT");
    changing.session.run(&wider, |_| Ok(())).unwrap();
    let error = changing.go_on(&place, COUNT).unwrap_err().to_string();
    for part in ["GroupAggregate(", "Count() by (INT)", "Count() by (BIGINT)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_job_id_belongs_to_one_statement() {
    let mut changing = Changing::new();
    changing.session.settings_mut().set("pipeline.job-id", "mine").unwrap();
    changing.start(COUNT).unwrap().collect().unwrap();
    // The same again starts anew: its input has ended.
    let again = changing.start(COUNT).unwrap().collect().unwrap();
    assert!(!again.rows.is_empty());
    let error = changing.start("SELECT eid FROM staff").err().unwrap().to_string();
    assert!(error.contains("'mine'") && error.contains("STATEMENT SET"), "{error}");
}

/// A query fails in the middle, goes back to its checkpoint, and shows each row once.
#[test]
fn a_query_that_fails_shows_each_row_once() {
    const ROWS: i64 = 20_000;
    let mut changing = Changing::new();
    let settings = changing.session.settings_mut();
    settings.set("execution.checkpointing.interval", "10 ms").unwrap();
    settings.set("restart-strategy.type", "fixed-delay").unwrap();
    settings.set("restart-strategy.fixed-delay.delay", "1 ms").unwrap();
    let failed = Arc::new(AtomicUsize::new(0));
    let failures = Arc::clone(&failed);
    let fails_once = from_rows([SqlType::bigint()], SqlType::bigint(), move |args| {
        let Value::Int(n) = args[0] else { return Ok(Value::Null) };
        if n == 15_000 && failures.fetch_add(1, Ordering::SeqCst) < 1 {
            return Err(millstream_core::Error::restart("a fault on purpose"));
        }
        Ok(Value::Int(n))
    });
    changing.session.functions_mut().register("FAILS_ONCE", Arc::new(fails_once));
    let numbers = format!(
        "CREATE TABLE numbers (n BIGINT) WITH ('connector'='datagen', 'rows-per-second'='40000',
            'fields.n.kind'='sequence', 'fields.n.start'='0', 'fields.n.end'='{}')",
        ROWS - 1
    );
    changing.session.run(&numbers, |_| Ok(())).unwrap();
    let query = "SELECT FAILS_ONCE(n), COUNT(*) OVER (PARTITION BY MOD(n, 5) ORDER BY PROCTIME())
        FROM numbers";
    let table = changing.start(query).unwrap().collect().unwrap();
    assert!(failed.load(Ordering::SeqCst) >= 2, "it has not failed, or not gone on");
    let column = |i: usize| -> Vec<i64> {
        let values = table.rows.iter().map(|r| r.values[i].as_ref().unwrap().parse().unwrap());
        let mut values: Vec<i64> = values.collect();
        values.sort_unstable();
        values
    };
    assert_eq!(column(0), (0..ROWS).collect::<Vec<_>>());
    // Each fifth counts from 1: the state went back with the rows.
    let counts: Vec<i64> = (0..ROWS).map(|i| i / 5 + 1).collect();
    assert_eq!(column(1), counts);
}
