//! Real processes, killed with `kill -9` and replaced by their supervisor.
//!
//! ```text
//!   the test ──starts──> supervisor ──starts──> process 0, 1, 2: keyed count ──> files
//!      └──────────────── kill -9, one after the other ──^
//! ```
//!
//! All of them are this test binary: [`the_job`] does nothing unless it is told to be one.
//!
//! Invariant: whatever is killed, each (key, count) is in the committed output once.

use crate::support::*;
use millstream_core::{Batch, Epoch, Error, Result};
use millstream_datastream::*;
use millstream_runtime::checkpoint::RestartStrategy;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "MILLSTREAM_TEST_FOLDER";
const KEYS: u64 = 23;
const SPLITS: u64 = 5;
const PER_SPLIT: u64 = 6000;
const PROCESSES: usize = 3;
/// How many processes, and what to start from, when it is not three and nothing.
const COUNT: &str = "MILLSTREAM_TEST_PROCESSES";
const SAVEPOINT: &str = "MILLSTREAM_TEST_SAVEPOINT";
/// Where checkpoints are, when it is not the folder.
pub(crate) const CHECKPOINTS: &str = "MILLSTREAM_TEST_CHECKPOINTS";

/// Records of the script a few at a time; the last ones when the test says so.
struct Paced(Script<u64>, PathBuf);
struct PacedReader(Box<dyn SourceReader<u64>>, Gate, PathBuf);

impl Source for Paced {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        let gate = Gate::default();
        let script = self.0.clone().stop_all(PER_SPLIT as usize - 10, &gate);
        Ok(Box::new(PacedReader(script.create_reader(context)?, gate, self.1.clone())))
    }
}
impl SourceReader<u64> for PacedReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        if self.2.exists() {
            self.1.open();
        }
        Ok(match self.0.poll(out)? {
            SourcePoll::End => SourcePoll::End,
            _ => SourcePoll::Wait(Some(out.now_ms() + 5)),
        })
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.0.snapshot(epoch, into)
    }
}

/// Output of an epoch is part of its checkpoint; the commit makes it a file.
struct Files(PathBuf);
struct FilesWriter(Vec<String>);
struct FilesCommitter(PathBuf);

impl Sink<(u64, u64)> for Files {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<(u64, u64)>>> {
        Ok(Box::new(FilesWriter(vec![])))
    }
    fn committer(&self, _: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FilesCommitter(self.0.clone()))))
    }
}
impl SinkWriter<(u64, u64)> for FilesWriter {
    fn write(&mut self, batch: Batch<(u64, u64)>) -> Result<()> {
        self.0.extend(batch.values().iter().map(|(key, count)| format!("{key} {count}\n")));
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn prepare_commit(&mut self, _: Epoch) -> Result<Vec<Vec<u8>>> {
        let lines: String = std::mem::take(&mut self.0).concat();
        Ok(if lines.is_empty() { vec![] } else { vec![lines.into_bytes()] })
    }
}
impl Committer for FilesCommitter {
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        for Committable { epoch, writer, payload } in committables {
            let file = self.0.join(format!("{epoch}-{writer}"));
            if file.exists() {
                if std::fs::read(&file)? != *payload {
                    return Err(Error::bug(format!("epoch {epoch} has two different outputs")));
                }
                continue;
            }
            let new = self.0.join(format!("{epoch}-{writer}.new-{}", std::process::id()));
            std::fs::write(&new, payload)?;
            std::fs::rename(&new, &file)?;
        }
        Ok(())
    }
}

/// A supervisor or a worker process, when the environment says so.
#[test]
fn the_job() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    if let Ok(index) = std::env::var("MILLSTREAM_CHILD_INDEX") {
        let file = folder.join("pids").join(index);
        std::fs::write(file.with_extension("new"), std::process::id().to_string()).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    }
    let option = |name: &str, value: &str| format!("execution.checkpointing.{name}={value}");
    let local = || folder.join("checkpoints").to_str().unwrap().to_owned();
    let checkpoints = std::env::var(CHECKPOINTS).unwrap_or_else(|_| local());
    let args = JobArgs {
        processes: std::env::var(COUNT).map_or(PROCESSES, |n| n.parse().unwrap()),
        workers: Some(1),
        from_savepoint: std::env::var(SAVEPOINT).ok(),
        options: vec![
            "heartbeat.timeout=3s".to_owned(),
            option("interval", "50 ms"),
            option("dir", &checkpoints),
            // A killed process may leave storage calls of the others without an answer.
            option("tolerable-failed-checkpoints", "3"),
        ],
        job_id: Some("job".into()),
        ..JobArgs::default()
    };
    let env = StreamExecutionEnvironment::with_args(args);
    env.set_restart_strategy(RestartStrategy::FixedDelay { attempts: 1000, delay_ms: 1 });
    let records = |s| (0..PER_SPLIT).map(|i| (s * PER_SPLIT + i, i as i64)).collect();
    let source = Paced(Script::new((0..SPLITS).map(records).collect()), folder.join("go"));
    env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "numbers")
        .uid("numbers")
        .key_by(|n| *n % KEYS)
        .map_with_state(|count: &mut Option<u64>, n| {
            *count.get_or_insert_default() += 1;
            (n % KEYS, count.unwrap())
        })
        .uid("count")
        .sink_to(Files(folder.join("out")))
        .uid("out");
    env.execute("supervised").unwrap();
}

fn start(folder: &Path) -> Killed {
    start_with(folder, PROCESSES, None)
}

fn start_with(folder: &Path, processes: usize, savepoint: Option<&str>) -> Killed {
    start_at(folder, processes, savepoint, &[])
}

/// With more environment, such as the place of the checkpoints.
pub(crate) fn start_at(
    folder: &Path,
    processes: usize,
    savepoint: Option<&str>,
    environment: &[(String, String)],
) -> Killed {
    for name in ["pids", "out"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    if let Some(savepoint) = savepoint {
        command.env(SAVEPOINT, savepoint);
    }
    let supervisor = command
        .env(COUNT, processes.to_string())
        .args(["--exact", "supervision::the_job", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Killed(supervisor.unwrap())
}

/// Never outlives its test.
pub(crate) struct Killed(pub(crate) Child);
impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn pid(folder: &Path, process: usize) -> Option<u32> {
    std::fs::read_to_string(folder.join("pids").join(process.to_string())).ok()?.parse().ok()
}

pub(crate) fn signal(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
}

fn alive(pid: u32) -> bool {
    // A zombie has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
}

pub(crate) fn committed(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("out")).unwrap().count()
}

pub(crate) fn wait_for(folder: &Path, what: &str, done: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !done() {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(begin.elapsed() < Duration::from_secs(60), "waited for {what}:\n{}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn check(folder: &Path) {
    let mut got = Vec::new();
    for file in std::fs::read_dir(folder.join("out")).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_str().unwrap().contains("new") {
            continue; // killed in between
        }
        for line in std::fs::read_to_string(file.path()).unwrap().lines() {
            let (key, count) = line.split_once(' ').unwrap();
            got.push((key.parse::<u64>().unwrap(), count.parse::<u64>().unwrap()));
        }
    }
    got.sort_unstable();
    let mut counts = BTreeMap::new();
    let mut want: Vec<(u64, u64)> = Vec::new();
    for n in 0..SPLITS * PER_SPLIT {
        let count = counts.entry(n % KEYS).or_insert(0);
        *count += 1;
        want.push((n % KEYS, *count));
    }
    want.sort_unstable();
    assert_eq!(got.len(), want.len(), "records lost or doubled");
    assert!(got == want, "counts lost or doubled");
}

/// Kills processes of a job of three, one after the other, and lets it end.
pub(crate) fn kill_often(folder: &Path, mut supervisor: Killed) {
    // Process 0 leads; it is killed like the others.
    for process in [1, 0, 2, 0, 1] {
        let before = committed(folder);
        wait_for(folder, "commits after the last kill", || committed(folder) > before);
        let victim = pid(folder, process).unwrap();
        signal(victim, "-9");
        let replaced = || pid(folder, process).is_some_and(|pid| pid != victim);
        wait_for(folder, "a replacement", replaced);
    }
    std::fs::write(folder.join("go"), "").unwrap();
    let begin = std::time::Instant::now();
    let status = loop {
        if let Some(status) = supervisor.0.try_wait().unwrap() {
            break status;
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(begin.elapsed() < Duration::from_secs(100), "the job hangs:\n{}", log());
        std::thread::sleep(Duration::from_millis(10));
    };
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("; restart in ").count(), 5, "{log}");
}

#[test]
fn killed_processes_are_replaced_and_nothing_is_lost_or_doubled() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let supervisor = start(folder);
    kill_often(folder, supervisor);
    check(folder);
}

#[test]
fn children_end_with_their_supervisor() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let mut supervisor = start(folder);
    wait_for(folder, "output", || committed(folder) > 2);
    let children: Vec<u32> = (0..PROCESSES).map(|p| pid(folder, p).unwrap()).collect();
    supervisor.0.kill().unwrap();
    wait_for(folder, "the end of all", || !children.iter().any(|pid| alive(*pid)));
    // Started again with the same job id, it goes on where it was.
    std::fs::write(folder.join("go"), "").unwrap();
    let mut again = start(folder);
    assert!(again.0.wait().unwrap().success());
    check(folder);
}

/// A stopped process says nothing and breaks no connection.
#[test]
fn stopped_processes_are_replaced() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let mut supervisor = start(folder);
    for process in [0, 2] {
        let before = committed(folder);
        wait_for(folder, "commits", || committed(folder) > before);
        let victim = pid(folder, process).unwrap();
        signal(victim, "-STOP");
        let replaced = || pid(folder, process).is_some_and(|pid| pid != victim);
        wait_for(folder, "a replacement", replaced);
    }
    std::fs::write(folder.join("go"), "").unwrap();
    assert!(supervisor.0.wait().unwrap().success());
    check(folder);
}

/// Stopped from outside through its folder; goes on with more and with fewer processes.
#[test]
fn a_supervised_job_stops_with_a_savepoint_and_goes_on_with_other_processes() {
    use millstream_checkpoint::{JobStorage, Request, Stop, Storage, requests};
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let mut savepoint: Option<String> = None;
    for processes in [2, 4, 3] {
        let mut supervisor = start_with(folder, processes, savepoint.as_deref());
        let before = committed(folder);
        wait_for(folder, "commits", || committed(folder) > before);
        let place = Storage::open(folder.join("checkpoints").to_str().unwrap()).unwrap();
        let job = JobStorage::new(&place, "job").unwrap();
        let directory = Some(folder.join("savepoints").to_str().unwrap().to_owned());
        let kind = millstream_state::SnapshotKind::CanonicalSavepoint;
        let request = Request::Savepoint { kind, directory, stop: Some(Stop::Suspend) };
        let id = requests::fresh_id().unwrap();
        let timeout = Duration::from_secs(60);
        savepoint = Some(requests::ask(job.folder(), id, &request, timeout).unwrap());
        assert!(supervisor.0.wait().unwrap().success());
        let left = place.list("job").unwrap();
        assert!(!left.iter().any(|(path, _)| path.contains("chk-")), "{left:?}");
    }
    std::fs::write(folder.join("go"), "").unwrap();
    let mut last = start_with(folder, 1, savepoint.as_deref());
    assert!(last.0.wait().unwrap().success());
    check(folder);
}
