//! Every case again, stopped in the middle of its input and gone on with elsewhere.
//!
//! ```text
//!   start at parallelism 2 ── sources held at a row ── stop with savepoint
//!   start at parallelism 3 from the savepoint ── to the end
//!   rows of the first run, then those of the second ── compared as ever
//! ```
//! Sources give one row at a time and are held by a count of rows, so the cut is the same in
//! every run. A case that asks for parallelism 1 has an answer that depends on the order of its
//! rows: it goes on at parallelism 1. What cannot be compared so is listed, with the reason,
//! in `restore-exceptions.txt`.
//!
//! Cases with keyed state are run a second time with RocksDB: in the first run, the second, or
//! both, and with so little memory that everything goes to the disk.

use crate::case::{Case, answer, session};
use crate::{compare, known_failures, reasons};
use millstream_runtime::JobHandle;
use millstream_runtime::checkpoint::{Request, Stop};
use millstream_runtime::snapshot::SnapshotKind;
use millstream_sql::dialect::ast::Statement;
use millstream_sql::dialect::{Parsed, Tokens, next_statement};
use millstream_sql::session::{
    InsertJob, Outcome, Phase, QueryResult, ResultTable, Session, SourceGate, SqlError,
};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Rows after which readers of the first run are held, and of which sources: `(0, 2)` is every
/// second, from the first. The others have read everything then.
const CUTS: [(u64, (usize, usize)); 4] = [(1, (0, 1)), (3, (0, 2)), (4, (0, 1)), (7, (1, 2))];
/// Cases that run at a time.
const THREADS: usize = 4;
/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// The areas of cases that are run with RocksDB, too: all of the first suite's, and what only
/// the other has.
const KEYED: [&str; 7] = ["agg", "cdc", "joins", "over", "pipelines", "setops", "topn"];
const KEYED_MORE: [&str; 2] = ["mini_batch", "temporal"];
/// The backends of the first run and the second, and the form of the savepoint between.
const BACKENDS: [([&str; 2], SnapshotKind); 3] = [
    (["rocksdb", "rocksdb"], SnapshotKind::NativeSavepoint),
    (["rocksdb", "hashmap"], SnapshotKind::CanonicalSavepoint),
    (["hashmap", "rocksdb"], SnapshotKind::CanonicalSavepoint),
];
const ON_HEAP: ([&str; 2], SnapshotKind) =
    (["hashmap", "hashmap"], SnapshotKind::CanonicalSavepoint);
const BACKEND: &str = "state.backend.type";
/// A few kilobytes for each table.
const LITTLE_MEMORY: [(&str, &str); 2] = [
    ("state.backend.rocksdb.memory.fixed-per-tm", "8mb"),
    ("state.backend.rocksdb.memory.write-back-cache-ratio", "0.001"),
];
const RECOVERY: &str = "execution.state-recovery.path";
const PARALLELISM: &str = "parallelism.default";

/// A script that is stopped and gone on with, statement by statement.
struct Interrupted<'a> {
    session: Session,
    script: &'a str,
    cut: (u64, (usize, usize)),
    backends: [&'static str; 2],
    form: SnapshotKind,
    savepoints: tempfile::TempDir,
    results: Vec<ResultTable>,
    /// Jobs that were stopped.
    cuts: usize,
}

/// The answer, and how many jobs were stopped in the middle.
fn run(
    case: &Case,
    cut: (u64, (usize, usize)),
    (backends, form): ([&'static str; 2], SnapshotKind),
) -> (Value, usize) {
    let (script, _out) = case.script();
    let mut session = session();
    let (checkpoints, savepoints) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = checkpoints.path().to_str().unwrap();
    session.settings_mut().set("execution.checkpointing.dir", directory).unwrap();
    session.settings_mut().set("restart-strategy.type", "none").unwrap();
    set_backend(&mut session, backends[0]);
    let results = vec![];
    let mut interrupted =
        Interrupted { session, script: &script, cut, backends, form, savepoints, results, cuts: 0 };
    let ran = interrupted.run();
    (answer(ran, &interrupted.results), interrupted.cuts)
}

fn set_backend(session: &mut Session, backend: &str) {
    let settings = session.settings_mut();
    settings.set(BACKEND, backend).unwrap();
    for (key, value) in LITTLE_MEMORY {
        match backend {
            "rocksdb" => drop(settings.set(key, value).unwrap()),
            _ => settings.reset(Some(key)),
        }
    }
}

fn plan_error(error: millstream_core::Error) -> SqlError {
    SqlError { phase: Phase::Plan, error }
}

impl Interrupted<'_> {
    fn run(&mut self) -> Result<(), SqlError> {
        let tokens = Tokens::of(self.script).map_err(plan_error)?;
        let (mut at, mut set_begins) = (0, None);
        while let Some((parsed, behind)) = next_statement(&tokens, at).map_err(plan_error)? {
            if matches!(parsed.statement, Statement::BeginStatementSet) {
                set_begins = Some(at);
            }
            let (rows, (first, of)) = self.cut;
            let gate = Arc::new(SourceGate::new(1, Some(rows)).only(first, of));
            self.session.hold_sources(Some(Arc::clone(&gate)));
            match self.session.start(&parsed, self.script)? {
                Outcome::Query(query) => self.query(query, &gate, &parsed)?,
                Outcome::Job(job) => {
                    let savepoint = self.stop(&job, &gate);
                    job.wait()?;
                    if let Some(place) = savepoint {
                        let from = set_begins.unwrap_or(at);
                        self.go_on(&place, |this| this.insert_again(&tokens, from, behind))?;
                    }
                }
                Outcome::Table(table) => self.results.push(table),
                _ => {}
            }
            if matches!(parsed.statement, Statement::EndStatementSet) {
                set_begins = None;
            }
            at = behind;
        }
        Ok(())
    }

    /// Runs a query to its cut, and on from there.
    fn query(
        &mut self,
        mut query: QueryResult,
        gate: &SourceGate,
        parsed: &Parsed,
    ) -> Result<(), SqlError> {
        let columns = query.columns().to_vec();
        let (mut rows, mut asked) = (vec![], None);
        let begin = Instant::now();
        while let Some(more) = query.next(Duration::from_millis(2))? {
            rows.extend(more);
            if let (None, Some(true), Some(handle)) =
                (&asked, gate.wait(Duration::ZERO), query.handle())
            {
                asked = Some(self.ask(handle));
            }
            assert!(begin.elapsed() < LIMIT, "the first run hangs");
        }
        if let Some(place) = asked.map(|answer| answer.recv().unwrap().unwrap()) {
            self.cuts += 1;
            self.go_on(&place, |this| {
                let Outcome::Query(query) = this.session.start(parsed, this.script)? else {
                    unreachable!("a query is a query the second time");
                };
                rows.extend(query.collect()?.rows);
                Ok(())
            })?;
        }
        self.results.push(ResultTable { columns, rows });
        Ok(())
    }

    /// Stops an INSERT at its cut; where its state is, unless it has ended before.
    fn stop(&mut self, job: &InsertJob, gate: &SourceGate) -> Option<String> {
        let begin = Instant::now();
        while !job.is_finished() {
            if gate.wait(Duration::from_millis(2)) == Some(true) {
                self.cuts += 1;
                return Some(self.ask(job.handle()).recv().unwrap().unwrap());
            }
            assert!(begin.elapsed() < LIMIT, "the first run hangs");
        }
        None
    }

    fn insert_again(
        &mut self,
        tokens: &Tokens<'_>,
        mut at: usize,
        end: usize,
    ) -> Result<(), SqlError> {
        while at < end {
            let Some((parsed, behind)) = next_statement(tokens, at).map_err(plan_error)? else {
                return Ok(());
            };
            self.session.execute(&parsed, self.script)?;
            at = behind;
        }
        Ok(())
    }

    fn ask(&self, handle: &JobHandle) -> Receiver<millstream_core::Result<String>> {
        handle.request(Request::Savepoint {
            kind: self.form,
            directory: Some(self.savepoints.path().to_str().unwrap().to_owned()),
            stop: Some(Stop::Suspend),
        })
    }

    /// Does `work` with the state at `place`, at another parallelism if the case allows it.
    fn go_on(
        &mut self,
        place: &str,
        work: impl FnOnce(&mut Self) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.session.hold_sources(Some(Arc::new(SourceGate::new(1, None))));
        let settings = self.session.settings_mut();
        let former = settings.get(PARALLELISM).to_owned();
        if former == "2" {
            settings.set(PARALLELISM, "3").unwrap();
        }
        assert!(!place.is_empty());
        settings.set(RECOVERY, place).unwrap();
        let [first, second] = self.backends;
        set_backend(&mut self.session, second);
        let done = work(self);
        set_backend(&mut self.session, first);
        let settings = self.session.settings_mut();
        settings.reset(Some(RECOVERY));
        settings.set(PARALLELISM, &former).unwrap();
        done
    }
}

#[test]
fn answers_survive_a_restore() {
    survive(&|_| true, &|_| CUTS.iter().map(|cut| (*cut, ON_HEAP)).collect());
}

#[test]
fn answers_survive_a_restore_on_disk() {
    if session().settings_mut().set(BACKEND, "rocksdb").is_err() {
        eprintln!("not run: RocksDB is not compiled in");
        return;
    }
    let keyed = |case: &Case| {
        case.is_first_suite && KEYED.contains(&case.area()) || KEYED_MORE.contains(&case.area())
    };
    // Each case in two of the ways, so that every operator goes each way.
    survive(&keyed, &|index| {
        let way = |n: usize| BACKENDS[n % BACKENDS.len()];
        vec![(CUTS[0], way(index)), (CUTS[2], way(index + 1))]
    });
}

/// Where a run is cut, and with what state.
type Way = ((u64, (usize, usize)), ([&'static str; 2], SnapshotKind));

/// Compares the answers of some cases, in the ways that go by the case's number.
fn survive(which: &dyn Fn(&Case) -> bool, ways: &(dyn Fn(usize) -> Vec<Way> + Sync)) {
    let exceptions = reasons("tests/conformance/restore-exceptions.txt");
    let known = known_failures();
    let only = std::env::var("CASE").unwrap_or_default();
    let wanted =
        |case: &Case| case.name.contains(&only) && !known.contains_key(&case.name) && which(case);
    let cases: Vec<Case> = Case::all().into_iter().filter(wanted).collect();
    let next = AtomicUsize::new(0);
    // How the case's answers differ, and whether it was stopped in the middle.
    let work = || {
        let mut done = vec![];
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(case) = cases.get(index) else { break };
            let (mut differences, mut cuts) = (vec![], 0);
            for (cut, how) in ways(index) {
                let (got, stopped) = run(case, cut, how);
                cuts += stopped;
                if let Some(difference) = compare::difference(&case.expected, &got) {
                    differences.push(format!("cut at {cut:?}, {how:?}: {difference}"));
                }
            }
            done.push((case.name.clone(), differences, cuts > 0, case.is_first_suite));
        }
        done
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    done.sort();
    let mut problems = String::new();
    for (name, differences, ..) in &done {
        match (differences.as_slice(), exceptions.contains_key(name)) {
            ([], true) => {
                let _ = writeln!(problems, "{name} passes now: take it off the list");
            }
            ([], false) | ([_, ..], true) => {}
            (all, false) => {
                let _ = writeln!(problems, "{name}: {}", all.join("\n    "));
            }
        }
    }
    let cut_of = |first: bool| done.iter().filter(|d| d.3 == first && d.2).count();
    let (compared, first) = (done.len(), done.iter().filter(|d| d.3).count());
    let (cut, rest) = (cut_of(true), cut_of(false));
    println!(
        "{compared} cases compared, {} of them stopped in the middle of their input",
        cut + rest
    );
    assert!(problems.is_empty(), "{problems}");
    // The test is worth nothing if the jobs end before they are stopped.
    assert!(!only.is_empty() || cut * 4 > first * 3, "only {cut} of {first} were stopped");
    let all = cut + rest;
    assert!(!only.is_empty() || all * 2 > compared, "only {all} of {compared} were stopped");
}
