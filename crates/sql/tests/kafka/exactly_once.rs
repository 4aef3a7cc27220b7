//! A topic that is written exactly once by a SQL job that is killed (SIGKILL) and started again.
//!
//! The test starts itself as the child that runs the script, and kills it when some more
//! checkpoints are in the job's log: it depends on no time.

use super::{common, rows, topic};
use millstream_sql::session::Session;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = "MILLSTREAM_TEST_KILL_SCRIPT";
const ROWS: u64 = 20_000;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(script) = std::env::var(SCRIPT) else { return };
    Session::new().run(&script, |_| Ok(())).unwrap();
}

fn start(script: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "exactly_once::child", "--ignored"])
        .env(SCRIPT, script)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Number of the newest entry of the job's log: a leader's first, then one for each checkpoint.
fn newest(log: &Path) -> u64 {
    let names = std::fs::read_dir(log).into_iter().flatten().map(|e| e.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).max().unwrap_or(0)
}

#[test]
fn a_killed_job_writes_each_record_once() {
    let name = topic("once");
    let (table, folder) = (common(&name), tempfile::tempdir().unwrap());
    let place = folder.path().to_str().unwrap();
    let script = format!(
        "SET 'pipeline.job-id' = 'once';
         SET 'parallelism.default' = '2';
         SET 'execution.checkpointing.interval' = '100 ms';
         SET 'execution.checkpointing.dir' = '{place}';
         CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen',
           'rows-per-second' = '5000', 'fields.n.kind' = 'sequence',
           'fields.n.start' = '0', 'fields.n.end' = '{}');
         CREATE TABLE t (n BIGINT) WITH ('connector' = 'kafka', {table}, 'format' = 'json',
           'sink.delivery-guarantee' = 'exactly-once',
           'sink.transactional-id-prefix' = '{name}');
         INSERT INTO t SELECT n FROM numbers;",
        ROWS - 1
    );
    let (begin, log) = (Instant::now(), folder.path().join("once/log"));
    let mut kills = 0;
    for _ in 0..3 {
        let (mut job, before) = (start(&script), newest(&log));
        while newest(&log) < before + 5 && job.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < LIMIT, "no checkpoints come");
            std::thread::sleep(Duration::from_millis(5));
        }
        kills += i32::from(job.try_wait().unwrap().is_none());
        job.kill().unwrap();
        job.wait().unwrap();
    }
    assert!(kills > 0, "the job was through before it could be killed");
    assert!(start(&script).wait().unwrap().success());
    let read = rows(&format!(
        "CREATE TABLE t (n BIGINT) WITH ('connector' = 'kafka', {table}, 'format' = 'json',
           'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
         SELECT n FROM t;"
    ));
    let mut numbers: Vec<u64> =
        read.iter().map(|row| row.trim_start_matches("+I ").parse().unwrap()).collect();
    numbers.sort_unstable();
    let count = numbers.len() as u64;
    numbers.dedup();
    assert_eq!((numbers.len() as u64, count), (ROWS, ROWS), "distinct records, and all");
}

#[test]
fn exactly_once_needs_checkpoints() {
    let table = common(&topic("refused"));
    let script = format!(
        "CREATE TABLE t (n BIGINT) WITH ('connector' = 'kafka', {table}, 'format' = 'json',
           'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x');
         INSERT INTO t VALUES (1);"
    );
    let error = Session::new().run(&script, |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("execution.checkpointing.interval"), "{error}");
}
