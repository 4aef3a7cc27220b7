//! A SQL job that is killed (SIGKILL) again and again, and started again: files hold each row
//! once, windows count each row once.
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
const ROWS: i64 = 60_000;
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

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mut session = Session::new();
    session.run(&script(&folder), |_: Outcome| Ok(())).unwrap();
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored"])
        .env(FOLDER, folder)
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

#[test]
fn a_killed_job_writes_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let (begin, copies) = (Instant::now(), folder.path().join("copies"));
    let mut kills = 0;
    for _ in 0..3 {
        let (mut job, before) = (start(folder.path()), visible(&copies).len());
        // Some checkpoints further on than the last time.
        while visible(&copies).len() < before + 12 && job.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < LIMIT, "no files come");
            std::thread::sleep(Duration::from_millis(2));
        }
        kills += i32::from(job.try_wait().unwrap().is_none());
        job.kill().unwrap();
        job.wait().unwrap();
    }
    assert!(kills > 0, "the job was through before it could be killed");
    assert!(start(folder.path()).wait().unwrap().success());

    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for row in rows(&copies) {
        *seen.entry(row["n"].as_i64().unwrap()).or_default() += 1;
    }
    let lost: Vec<i64> = (0..ROWS).filter(|n| !seen.contains_key(n)).take(5).collect();
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
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
