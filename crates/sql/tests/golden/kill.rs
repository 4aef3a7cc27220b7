//! A SQL job that is killed (SIGKILL) again and again, and started again: files hold each row
//! once, windows count each row once; and so they do when keyed state is in RocksDB.
//!
//! The test starts itself as the child that runs the script; it kills when new files are
//! there, so it depends on no time.

use millstream_sql::session::{Outcome, Session};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "MILLSTREAM_TEST_KILL_FOLDER";
const SCRIPT: &str = "MILLSTREAM_TEST_KILL_SCRIPT";
const ROWS: i64 = 60_000;
/// A checkpoint on disk takes longer.
const ROWS_ON_DISK: i64 = 40_000;
const LIMIT: Duration = Duration::from_secs(240);

/// Each row into a folder by its last digit, and the rows of each second of event time counted.
fn script(folder: &str) -> String {
    format!(
        "SET 'pipeline.job-id' = 'killed';
        SET 'parallelism.default' = '2';
        SET 'execution.checkpointing.interval' = '30 ms';
        SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
        CREATE TABLE numbers (n BIGINT, ts AS TO_TIMESTAMP_LTZ(n, 3),
            WATERMARK FOR ts AS ts - INTERVAL '20' SECOND) WITH (
            'connector'='datagen', 'rows-per-second'='20000',
            'fields.n.kind'='sequence', 'fields.n.start'='0', 'fields.n.end'='{}');
        CREATE TABLE copies (n BIGINT, digit BIGINT) PARTITIONED BY (digit) WITH (
            'connector'='filesystem', 'format'='json', 'path'='{folder}/copies');
        CREATE TABLE counts (w TIMESTAMP_LTZ(3), c BIGINT, s BIGINT) WITH (
            'connector'='filesystem', 'format'='json', 'path'='{folder}/counts');
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO copies SELECT n, MOD(n, 3) FROM numbers;
        INSERT INTO counts SELECT window_start, COUNT(*), SUM(n)
            FROM TABLE(TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            GROUP BY window_start, window_end;
        END;",
        ROWS - 1
    )
}

/// Each number with itself from another source, and each remainder once, with so little memory
/// that all of the state goes to the disk.
fn on_disk(folder: &str) -> String {
    let numbers = |name: &str| {
        format!(
            "CREATE TABLE {name} (n BIGINT) WITH (
                'connector'='datagen', 'rows-per-second'='5000',
                'fields.n.kind'='sequence', 'fields.n.start'='0', 'fields.n.end'='{}');",
            ROWS_ON_DISK - 1
        )
    };
    format!(
        "SET 'pipeline.job-id' = 'killed';
        SET 'parallelism.default' = '2';
        SET 'execution.checkpointing.interval' = '30 ms';
        SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
        SET 'state.backend.type' = 'rocksdb';
        SET 'state.backend.rocksdb.memory.fixed-per-tm' = '8mb';
        SET 'state.backend.rocksdb.memory.write-back-cache-ratio' = '0.01';
        {} {}
        CREATE TABLE copies (n BIGINT, m BIGINT) WITH (
            'connector'='filesystem', 'format'='json', 'path'='{folder}/copies');
        CREATE TABLE remainders (r BIGINT) WITH (
            'connector'='filesystem', 'format'='json', 'path'='{folder}/remainders');
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO copies SELECT a.n, b.n FROM a JOIN b ON a.n = b.n;
        INSERT INTO remainders SELECT DISTINCT MOD(n, 7000) FROM a;
        END;",
        numbers("a"),
        numbers("b")
    )
}

#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let (Ok(folder), Ok(name)) = (std::env::var(FOLDER), std::env::var(SCRIPT)) else { return };
    let script = if name == "on_disk" { on_disk(&folder) } else { script(&folder) };
    let mut session = Session::new();
    session.run(&script, |_: Outcome| Ok(())).unwrap();
}

fn start(folder: &Path, script: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored"])
        .env(FOLDER, folder)
        .env(SCRIPT, script)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Files that readers see, in the folder and those below.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(visible(&path));
        } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
            files.push(path);
        }
    }
    files
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = visible(folder).into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    let text: String = text.collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the script to its end, killed some times on the way: each time when so many new files
/// are there.
fn run_killed(folder: &Path, script: &str, files: usize) {
    let (begin, copies) = (Instant::now(), folder.join("copies"));
    let mut kills = 0;
    for _ in 0..3 {
        let (mut job, before) = (start(folder, script), visible(&copies).len());
        // Some checkpoints further on than the last time.
        while visible(&copies).len() < before + files && job.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < LIMIT, "no files come");
            std::thread::sleep(Duration::from_millis(2));
        }
        kills += i32::from(job.try_wait().unwrap().is_none());
        job.kill().unwrap();
        job.wait().unwrap();
    }
    assert!(kills > 0, "the job was through before it could be killed");
    assert!(start(folder, script).wait().unwrap().success());
}

/// The files of a folder hold the numbers below `count` once each, in this column.
fn each_once(folder: &Path, column: &str, count: i64) {
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for row in rows(folder) {
        *seen.entry(row[column].as_i64().unwrap()).or_default() += 1;
    }
    let lost: Vec<i64> = (0..count).filter(|n| !seen.contains_key(n)).take(5).collect();
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
}

#[test]
fn a_killed_job_with_its_state_on_disk_writes_each_row_once() {
    if Session::new().settings_mut().set("state.backend.type", "rocksdb").is_err() {
        eprintln!("not run: RocksDB is not compiled in");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run_killed(folder.path(), "on_disk", 2);
    each_once(&folder.path().join("copies"), "n", ROWS_ON_DISK);
    each_once(&folder.path().join("copies"), "m", ROWS_ON_DISK);
    each_once(&folder.path().join("remainders"), "r", 7000);
}

#[test]
fn a_killed_job_writes_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    run_killed(folder.path(), "in_memory", 12);
    each_once(&folder.path().join("copies"), "n", ROWS);
    let mut windows: Vec<(String, i64, i64)> = rows(&folder.path().join("counts"))
        .into_iter()
        .map(|r| (r["w"].to_string(), r["c"].as_i64().unwrap(), r["s"].as_i64().unwrap()))
        .collect();
    windows.sort();
    assert_eq!(windows.len() as i64, ROWS / 1000, "{windows:?}");
    for (second, (_, count, sum)) in windows.iter().enumerate() {
        let first = second as i64 * 1000;
        assert_eq!((*count, *sum), (1000, first * 1000 + 499_500), "{windows:?}");
    }
}
