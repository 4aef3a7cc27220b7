//! Checkpoints as a job's user sees them: the last one, failed ones, savepoints, restarts.

use crate::support::*;
use millstream_core::{Batch, Epoch, Error, ErrorKind, Result};
use millstream_datastream::*;
use millstream_runtime::checkpoint::*;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::*;
use millstream_state::SnapshotKind;
use millstream_testkit::MiniCluster;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a [`Probe`] saw, by subtask: batches count as one entry.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<BTreeMap<usize, Vec<String>>>>);
impl Log {
    fn add(&self, subtask: usize, what: String) {
        self.0.lock().unwrap().entry(subtask).or_default().push(what);
    }
    fn all(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().values().cloned().collect()
    }
    fn has(&self, what: &str) -> bool {
        self.0.lock().unwrap().values().flatten().any(|entry| entry.starts_with(what))
    }
}

/// Writes down the life of its subtask; fails or delays snapshots on demand.
struct Probe {
    log: Log,
    subtask: usize,
    refuse: Count,
}
struct Refusing(Count);
impl DeferredSnapshot for Refusing {
    fn write(self: Box<Self>, _: &mut dyn SnapshotWriter) -> Result<()> {
        match self.0.take_one() {
            true => Err(Error::retry("the disk is full")),
            false => Ok(()),
        }
    }
}
impl Operator for Probe {
    type In = Batch<u64>;
    type Out = Batch<u64>;
    fn on_batch(&mut self, batch: Batch<u64>, out: &mut Output<Batch<u64>>) -> Result<()> {
        out.emit(batch);
        Ok(())
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.log.add(self.subtask, format!("snapshot {epoch} {:?}", into.kind()));
        into.put_list("probe", &epoch.0)?;
        into.defer(Box::new(Refusing(self.refuse.clone())));
        Ok(())
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.log.add(self.subtask, format!("complete {epoch}"));
        Ok(())
    }
    fn on_end(&mut self, _: &mut Output<Batch<u64>>) -> Result<()> {
        self.log.add(self.subtask, "end".into());
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        self.log.add(self.subtask, "close".into());
        Ok(())
    }
}

fn probed(env: &StreamExecutionEnvironment, source: Script<u64>, log: &Log, refuse: &Count) {
    let (log, refuse) = (log.clone(), refuse.clone());
    env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "numbers")
        .rebalance()
        .transform("probe", move |context| {
            let (log, refuse) = (log.clone(), refuse.clone());
            Ok(Probe { log, subtask: context.subtask.index, refuse })
        })
        .sink_to(Collect::default());
}

fn numbers(splits: u64) -> Script<u64> {
    Script::new((0..splits).map(|s| (0..100).map(|i| (s * 100 + i, i as i64)).collect()).collect())
}

/// The end of a bounded job is a checkpoint like any other, and everybody is told.
#[test]
fn a_bounded_job_ends_when_its_last_checkpoint_is_complete_and_everybody_knows() {
    for (workers, processes) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        for (stored, periodic) in [(true, true), (true, false), (false, true), (false, false)] {
            let log = Log::default();
            let there = log.clone();
            within_a_minute(move || {
                let env = environment();
                if periodic {
                    env.enable_checkpointing(Duration::from_millis(1));
                }
                if stored {
                    env.set_checkpoint_storage(MemoryCheckpoints::new().storage());
                }
                probed(&env, numbers(3), &there, &Count::default());
                MiniCluster::new(workers).processes(processes).execute(&env, "ends").unwrap();
            });
            let what = format!("{workers}x{processes}, stored {stored}, periodic {periodic}");
            assert_eq!(log.all().len(), workers * processes, "{what}");
            for entries in log.all() {
                let at_end = entries.iter().position(|e| e == "end").unwrap();
                let snapshot = entries[at_end + 1].strip_prefix("snapshot ").unwrap();
                let epoch: u64 = snapshot.split(' ').next().unwrap().parse().unwrap();
                let told = entries.iter().filter_map(|e| e.strip_prefix("complete "));
                let told = told.map(|e| e.parse::<u64>().unwrap()).max();
                assert!(told >= Some(epoch), "{what}: {entries:?}");
                assert_eq!(entries.last().map(String::as_str), Some("close"), "{what}");
            }
        }
    }
}

#[test]
fn failed_checkpoints_are_survived_as_far_as_they_are_tolerated() {
    for tolerated in [5, 2] {
        let (log, refuse) = (Log::default(), Count::default());
        refuse.add(3);
        let there = log.clone();
        let result = within_a_minute(move || {
            let env = environment();
            env.enable_checkpointing(Duration::from_millis(1));
            let checkpoints = MemoryCheckpoints::new();
            env.set_checkpoint_storage(checkpoints.storage());
            env.checkpoint_config(|c| c.tolerable_failures = tolerated);
            let gate = Gate::default();
            probed(&env, numbers(2).stop_all(50, &gate), &there, &refuse);
            let job = MiniCluster::new(1).start(&env, "tolerates").unwrap();
            wait_until("a checkpoint or the end", || {
                checkpoints.latest().is_some() || job.is_finished()
            });
            gate.open();
            job.wait()
        });
        if tolerated == 5 {
            result.unwrap();
        } else {
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains("the disk is full") && error.contains("checkpoint 3"),
                "{error}"
            );
            assert!(!log.has("complete"));
        }
    }
}

/// A job of one process starts again by itself, from its last checkpoint.
#[test]
fn a_failed_job_restarts_from_its_last_checkpoint() {
    let sink = Collect::<(u64, u64)>::default();
    let (there, failures) = (sink.clone(), Count::default());
    failures.add(2);
    let fails = failures.clone();
    within_a_minute(move || {
        let env = environment();
        env.set_parallelism(2);
        env.enable_checkpointing(Duration::from_millis(1));
        let checkpoints = MemoryCheckpoints::new();
        env.set_checkpoint_storage(checkpoints.storage());
        env.set_restart_strategy(RestartStrategy::FixedDelay { attempts: 3, delay_ms: 1 });
        let gate = Gate::default();
        let mut source = numbers(4).stop_all(50, &gate);
        source.rows_per_poll = 5;
        let latest = checkpoints.clone();
        env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers")
            .key_by(|n| *n % 7)
            .map_with_state(move |count: &mut Option<u64>, n| {
                // Fails twice, each time behind a checkpoint.
                let unlucky = n % 100 == 75 && latest.latest().is_some() && fails.take_one();
                assert!(!unlucky, "no luck");
                *count.get_or_insert_default() += 1;
                (n % 7, count.unwrap())
            })
            .uid("count")
            .sink_to(there);
        let job = env.execute_async("restarts").unwrap();
        wait_until("a checkpoint", || checkpoints.latest() > Some(Epoch(2)));
        gate.open();
        let result = job.wait().unwrap();
        // Both subtasks may fail in the same attempt.
        assert!((1..=2).contains(&result.metrics.sum("job", "numRestarts")));
    });
    let mut counts = BTreeMap::new();
    for (key, count) in sink.values() {
        let most = counts.entry(key).or_insert(0);
        *most = count.max(*most);
    }
    let mut want = BTreeMap::new();
    (0..400u64).for_each(|n| *want.entry(n % 7).or_insert(0) += 1);
    assert_eq!((counts, failures.get()), (want, 0));
}

fn savepoint(directory: &tempfile::TempDir, stop: Option<Stop>) -> Request {
    let directory = Some(directory.path().to_str().unwrap().to_owned());
    Request::Savepoint { kind: SnapshotKind::CanonicalSavepoint, directory, stop }
}

/// Counts by key; stopped with a savepoint and started again with another parallelism.
#[test]
fn a_job_goes_on_from_the_savepoint_that_it_was_stopped_with() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Collect::<(u64, u64)>::default();
    let mut path: Option<String> = None;
    for (attempt, (workers, processes)) in [(2, 1), (1, 2), (3, 1), (1, 1)].into_iter().enumerate()
    {
        let (there, from, last) = (sink.clone(), path.clone(), attempt == 3);
        let request = savepoint(&folder, Some(Stop::Suspend));
        path = within_a_minute(move || {
            let args = JobArgs { from_savepoint: from, processes: 1, ..JobArgs::default() };
            let env = StreamExecutionEnvironment::with_args(args);
            env.set_checkpoint_storage(MemoryCheckpoints::new().storage());
            let stop = if last { usize::MAX } else { 25 * (attempt + 1) };
            let source = numbers(4).stop_all(stop, &Gate::default());
            let read = Count::default();
            let counted = read.clone();
            env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers")
                .uid("numbers")
                .key_by(|n| *n % 7)
                .map_with_state(move |count: &mut Option<u64>, n| {
                    *count.get_or_insert_default() += 1;
                    counted.add(1);
                    (n % 7, count.unwrap())
                })
                .uid("count")
                .sink_to(there)
                .uid("sink");
            let job = MiniCluster::new(workers).processes(processes).start(&env, "s").unwrap();
            if last {
                job.wait().unwrap();
                return None;
            }
            wait_until("records", || read.get() >= 100);
            let path = job.handle().request(request).recv().unwrap().unwrap();
            job.wait().unwrap();
            Some(path)
        });
        assert_eq!(path.is_none(), last);
    }
    // A new version of the job is checked against it without running.
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let check = |text: bool| {
        let env = environment();
        let stream = env
            .from_source(numbers(4), WatermarkStrategy::no_watermarks(), "numbers")
            .uid("numbers")
            .key_by(|n| *n % 7);
        let counted = match text {
            true => stream.map_with_state(|_: &mut Option<String>, n| (n, n)).uid("count"),
            false => stream.map_with_state(|_: &mut Option<u64>, n| (n, n)).uid("count"),
        };
        counted.sink_to(Collect::default()).uid("sink");
        env.check_savepoint(path.to_str().unwrap())
    };
    let report = check(false).unwrap();
    assert!(report.contains("map_with_state (count): keeps its state"), "{report}");
    let error = check(true).unwrap_err().to_string();
    assert!(error.contains("u64") && error.contains("str"), "{error}");
    let mut got = sink.values();
    got.sort_unstable();
    let mut want: Vec<(u64, u64)> = Vec::new();
    let mut counts = BTreeMap::new();
    for n in 0..400u64 {
        let count = counts.entry(n % 7).or_insert(0);
        *count += 1;
        want.push((n % 7, *count));
    }
    want.sort_unstable();
    assert_eq!(got, want, "each record once, although the sink has no transactions");
}

#[test]
fn draining_ends_the_sources_and_stores_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let request = savepoint(&folder, Some(Stop::Drain));
    let log = Log::default();
    let there = log.clone();
    let path = within_a_minute(move || {
        let env = environment();
        env.set_checkpoint_storage(MemoryCheckpoints::new().storage());
        probed(&env, numbers(2).stop_all(10, &Gate::default()), &there, &Count::default());
        let job = MiniCluster::new(2).start(&env, "drains").unwrap();
        let path = job.handle().request(request).recv().unwrap().unwrap();
        job.wait().unwrap();
        path
    });
    for entries in log.all() {
        assert!(entries.contains(&"end".to_owned()), "{entries:?}");
        assert!(entries.contains(&"snapshot 2 CanonicalSavepoint".to_owned()), "{entries:?}");
        assert!(entries.contains(&"complete 2".to_owned()), "{entries:?}");
    }
    let located = millstream_checkpoint::LocatedManifest::open(&path).unwrap();
    located.check_objects().unwrap();
    assert!(located.manifest.objects().all(|object| object.path.starts_with("./")));
}

#[test]
fn a_savepoint_of_another_job_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let request = savepoint(&folder, None);
    let path = within_a_minute(move || {
        let env = environment();
        probed(&env, numbers(1).stop_all(10, &Gate::default()), &Log::default(), &Count::default());
        env.set_checkpoint_storage(MemoryCheckpoints::new().storage());
        let job = MiniCluster::new(1).start(&env, "one").unwrap();
        let path = job.handle().request(request).recv().unwrap().unwrap();
        job.handle().cancel();
        assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        path
    });
    let other = move |path: String, allow: bool| {
        within_a_minute(move || {
            let args = JobArgs {
                from_savepoint: Some(path),
                allow_non_restored_state: allow,
                processes: 1,
                ..JobArgs::default()
            };
            let env = StreamExecutionEnvironment::with_args(args);
            env.from_source(numbers(1), WatermarkStrategy::no_watermarks(), "others")
                .uid("other")
                .sink_to(Collect::default());
            MiniCluster::new(1).execute(&env, "two")
        })
    };
    let error = other(path.clone(), false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("(probe)"), "{error}");
    other(path.clone(), true).unwrap();
    let error = other(format!("{path}-gone"), false).unwrap_err().to_string();
    assert!(error.contains("there is no checkpoint or savepoint at"), "{error}");
    let metadata = std::path::Path::new(&path).join("_metadata");
    let mut bytes = std::fs::read(&metadata).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&metadata, bytes).unwrap();
    let error = other(path, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("_metadata has a wrong checksum"), "{error}");
}
