//! Jobs of a script in several processes, one of which is killed.

use super::{json, run};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROWS: i64 = 40_000;
const LIMIT: Duration = Duration::from_secs(240);

/// Two jobs, one after the other; the second copies rows, and counts those of each second of
/// event time by a digit.
fn script(folder: &Path) -> String {
    let sink = |name: &str, columns: &str| {
        let path = folder.join(name);
        let path = path.display();
        format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector'='filesystem', 'format'='csv',
                'path'='{path}');"
        )
    };
    format!(
        "SET 'execution.checkpointing.interval' = '50 ms';
        SET 'execution.checkpointing.dir' = '{}';
        SET 'restart-strategy.type' = 'fixed-delay';
        SET 'restart-strategy.fixed-delay.attempts' = '100';
        SET 'restart-strategy.fixed-delay.delay' = '50 ms';
        CREATE TABLE few (n BIGINT) WITH ('connector'='datagen',
            'fields.n.kind'='sequence', 'fields.n.start'='1', 'fields.n.end'='10');
        CREATE TABLE numbers (n BIGINT, ts AS TO_TIMESTAMP_LTZ(n, 3),
            WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
            'connector'='datagen', 'rows-per-second'='20000',
            'fields.n.kind'='sequence', 'fields.n.start'='0', 'fields.n.end'='{}');
        {}{}{}
        INSERT INTO first SELECT n FROM few;
        SHOW TABLES;
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO copies SELECT n FROM numbers;
        INSERT INTO counts SELECT MOD(n, 10), COUNT(*), SUM(n)
            FROM TABLE(TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            GROUP BY MOD(n, 10), window_start, window_end;
        END;",
        folder.join("checkpoints").display(),
        ROWS - 1,
        sink("first", "n BIGINT"),
        sink("copies", "n BIGINT"),
        sink("counts", "digit BIGINT, c BIGINT, s BIGINT"),
    )
}

/// Files that readers see.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    files.filter(|f| !f.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}
fn lines(folder: &Path) -> Vec<String> {
    let texts = visible(folder).into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    let lists =
        threads.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("children")).ok());
    lists.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn a_job_in_two_processes_survives_the_death_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.sql");
    std::fs::write(&file, script(folder.path())).unwrap();
    let job = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["sql", "--processes", "2", "--workers", "1", "--output", "csv", "--file"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (begin, copies) = (Instant::now(), folder.path().join("copies"));
    let workers = loop {
        assert!(begin.elapsed() < LIMIT, "no files come");
        let workers = children(job.id());
        if visible(&copies).len() >= 4 && workers.len() == 2 {
            break workers;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(Command::new("kill").args(["-9", &workers[1]]).status().unwrap().success());
    let output = job.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("restart in 50 ms").count(), 1, "{said}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown.matches("numbers").count(), 1, "shown once, by one process: {shown}");

    assert_eq!(lines(&folder.path().join("first")).len(), 10);
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for line in lines(&copies) {
        *seen.entry(line.parse().unwrap()).or_default() += 1;
    }
    assert_eq!(seen.len() as i64, ROWS);
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let mut counts = lines(&folder.path().join("counts"));
    let mut expected = vec![];
    for second in 0..ROWS / 1000 {
        // 100 numbers, ten apart.
        expected.extend(
            (0..10).map(|d| format!("{d},100,{}", (second * 1000 + d) * 100 + 10 * (99 * 100 / 2))),
        );
    }
    counts.sort();
    expected.sort();
    assert_eq!(counts, expected);
}

#[test]
fn what_one_process_must_do_is_refused_in_several() {
    for (args, says) in [
        (&["--execute", "SELECT 1"][..], "INSERT INTO"),
        (&["--file", "-"], "standard input"),
        (&[], "the shell runs jobs in one process"),
    ] {
        let args = [args, &["--processes", "2"]].concat();
        let output = run(&args);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let (ok, error) = json(&["--execute", "SELECT 1", "--processes", "2"]);
    assert!(!ok);
    assert_eq!(error["error_phase"], "plan");
}

#[test]
fn workers_are_the_parallelism_unless_the_script_says_it() {
    let insert = "CREATE TABLE g (n INT) WITH ('connector'='datagen','number-of-rows'='3');
        CREATE TABLE b (n INT) WITH ('connector'='blackhole'); INSERT INTO b SELECT n FROM g";
    let output = run(&["--execute", insert, "--workers", "1"]);
    assert!(output.status.success());
    let more = format!("SET 'parallelism.default' = '3'; {insert}");
    let output = run(&["--execute", &more, "--workers", "1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("needs 3 workers"), "{said}");
}
