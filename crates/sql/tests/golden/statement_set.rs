//! Statement sets: what several INSERTs read is read, and computed, once.

use millstream_sql::session::{Outcome, Session};
use std::collections::BTreeSet;
use std::path::Path;

const SOURCE: &str = "CREATE TABLE numbers (id BIGINT, half AS id / 2, word STRING) WITH (
    'connector'='datagen', 'fields.id.kind'='sequence', 'fields.id.start'='1',
    'fields.id.end'='100', 'fields.word.length'='3');";

fn sinks(folder: &Path) -> String {
    let sink = |name: &str, columns: &str| {
        let path = folder.join(name);
        let path = path.display();
        format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector'='filesystem', 'path'='{path}',
             'format'='csv');"
        )
    };
    let all = "CREATE TABLE changing (a BIGINT, b BIGINT) WITH ('connector'='blackhole');";
    sink("small", "id BIGINT") + &sink("large", "id BIGINT, half BIGINT") + all
}

const SET: &str = "STATEMENT SET BEGIN
    INSERT INTO small SELECT id FROM numbers WHERE id <= 10;
    INSERT INTO large SELECT id, half FROM numbers WHERE id > 10;
    END";

fn lines(folder: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[test]
fn a_table_is_read_once_for_all_inserts() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new();
    session.settings_mut().set("parallelism.default", "2").unwrap();
    session.run(&format!("{SOURCE}{}", sinks(folder.path())), |_| Ok(())).unwrap();
    let mut read = None;
    let take = |outcome: Outcome| {
        let Outcome::Job(job) = outcome else { panic!("no job") };
        let metrics = job.handle().metrics().clone();
        job.wait()?;
        read = Some(metrics.sum("Unpack", "numRecordsOut"));
        Ok(())
    };
    session.run_started(&format!("EXECUTE {SET}"), take).unwrap();
    assert_eq!(read, Some(100));
    assert_eq!(lines(&folder.path().join("small")).len(), 10);
    let large = lines(&folder.path().join("large"));
    assert_eq!(large.len(), 90);
    assert!(large.contains("100,50"), "{large:?}");
}

fn explained(what: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    let script = format!("{SOURCE}{} EXPLAIN {what}", sinks(folder.path()));
    let mut session = Session::new();
    let ran = session.run(&script, |outcome| {
        if let Outcome::Table(table) = outcome {
            text = table.rows[0].values[0].clone().unwrap();
        }
        Ok(())
    });
    ran.unwrap();
    text
}

#[test]
fn explain_shows_what_is_reused() {
    let text = explained(SET);
    assert_eq!(text.matches("TableSourceScan").count(), 1, "{text}");
    assert_eq!(text.matches("(reuse_id=[1])").count(), 1, "{text}");
    assert_eq!(text.matches("Reused(reference_id=[1])").count(), 1, "{text}");
    // So is an aggregate; what has randomness is computed by each.
    let set = |query: &str| {
        explained(&format!(
            "STATEMENT SET BEGIN INSERT INTO changing {query}; INSERT INTO changing {query}; END"
        ))
    };
    let text = set("SELECT half, COUNT(*) FROM numbers GROUP BY half");
    assert_eq!(text.matches("- GroupAggregate").count(), 1, "{text}");
    let random = "(SELECT id, RAND_INTEGER(9) AS r FROM numbers)";
    let text = set(&format!("SELECT r, COUNT(*) FROM {random} AS t GROUP BY r"));
    assert_eq!(text.matches("- GroupAggregate").count(), 2, "{text}");
}

/// The uids of a plan, in order.
fn uids(what: &str) -> Vec<String> {
    let text = explained(&format!("STATE {what}"));
    let (_, state) = text.split_once("== State ==\n").unwrap();
    let lines = state.lines().filter(|line| line.contains(": "));
    let uid = |line: &str| line.split_once(": ").unwrap().0.to_owned();
    lines.map(uid).filter(|uid| !uid.starts_with("warning")).collect()
}

#[test]
fn a_source_keeps_its_uid_whoever_reads_it() {
    let insert = |sink: &str| format!("INSERT INTO {sink} SELECT id FROM numbers");
    let of = |what: &str| {
        let all = uids(what).into_iter().filter(|uid| uid.starts_with("source-"));
        all.collect::<Vec<_>>()
    };
    let alone = of(&insert("small"));
    assert_eq!(alone.len(), 1);
    let set = |first: &str, second: &str| {
        let (first, second) = (insert(first), insert(second));
        of(&format!("STATEMENT SET BEGIN {first}; {second}; END"))
    };
    let (one, other) = ("small", "large (id)");
    assert_eq!((set(one, other), set(other, one)), (alone.clone(), alone.clone()));
    assert_eq!(of(&insert("large (id)")), alone);
}
