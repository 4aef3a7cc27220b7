//! Small jobs from end to end: counts, cuts, cancel, failure.
//!
//! Invariant: each result is known beforehand, whatever the layout.

use millstream_core::{Batch, Epoch, ErrorKind, Result};
use millstream_datastream::StreamExecutionEnvironment;
use millstream_runtime::checkpoint::MemoryCheckpoints;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::*;
use millstream_testkit::MiniCluster;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Numbers below `.0`, dealt to subtasks in turn; with positions, so that it can restart.
#[derive(Clone)]
struct Numbers {
    end: u64,
    /// Waits at this number until the gate opens.
    gate: Option<(u64, Arc<AtomicBool>)>,
}
fn numbers(end: u64) -> Numbers {
    Numbers { end, gate: None }
}
const SPLITS: u64 = 4;
struct NumbersReader {
    /// Split, next number, index at the output.
    splits: Vec<(u64, u64, Option<usize>)>,
    source: Numbers,
}
impl Source for Numbers {
    type Out = u64;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<u64>>> {
        let s = &context.subtask;
        let restored: BTreeMap<u64, u64> =
            context.restored.list_union("positions")?.into_iter().collect();
        let mine = (0..SPLITS).filter(|split| *split as usize % s.parallelism == s.index);
        let splits =
            mine.map(|split| (split, restored.get(&split).copied().unwrap_or(split), None));
        Ok(Box::new(NumbersReader { splits: splits.collect(), source: self.clone() }))
    }
}
impl SourceReader<u64> for NumbersReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, u64>) -> Result<SourcePoll> {
        let (mut done, mut gated) = (true, false);
        for (_, next, index) in &mut self.splits {
            let index = *index.get_or_insert_with(|| out.add_split());
            for _ in 0..256 {
                let shut = |(at, open): &(u64, Arc<AtomicBool>)| {
                    *next >= *at && !open.load(Ordering::SeqCst)
                };
                if self.source.gate.as_ref().is_some_and(shut) {
                    gated = true;
                    break;
                }
                if *next >= self.source.end {
                    break;
                }
                out.collect(index, *next, *next as i64);
                *next += SPLITS;
            }
            done &= *next >= self.source.end;
        }
        Ok(if done {
            SourcePoll::End
        } else if gated {
            SourcePoll::Wait(Some(out.now_ms() + 1))
        } else {
            SourcePoll::More
        })
    }
    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.splits
            .iter()
            .try_for_each(|(split, next, _)| into.put_list("positions", &(*split, *next)))
    }
}
#[derive(Clone, Default)]
struct Collect(Arc<Mutex<Vec<(u64, u64)>>>);
impl Sink<(u64, u64)> for Collect {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<(u64, u64)>>> {
        Ok(Box::new(self.clone()))
    }
}
impl SinkWriter<(u64, u64)> for Collect {
    fn write(&mut self, batch: Batch<(u64, u64)>) -> Result<()> {
        self.0.lock().unwrap().extend(batch.into_parts().0);
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn counts_per_key() {
    for (p, processes) in [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)] {
        let env = StreamExecutionEnvironment::new();
        let sink = Collect::default();
        env.from_source(
            numbers(100_000),
            WatermarkStrategy::for_monotonous_timestamps(),
            "numbers",
        )
        .filter(|n| n % 2 == 0)
        .map(|n| n % 10)
        .key_by(|n| *n)
        .map_with_state(|count: &mut Option<u64>, n| {
            *count.get_or_insert_default() += 1;
            (n, count.unwrap())
        })
        .sink_to(sink.clone());
        MiniCluster::new(p).processes(processes).execute(&env, "counts").unwrap();
        let mut max = BTreeMap::new();
        for (k, c) in sink.0.lock().unwrap().iter() {
            let m = max.entry(*k).or_insert(0);
            *m = c.max(m).to_owned();
        }
        assert_eq!(
            max,
            BTreeMap::from([(0, 10_000), (2, 10_000), (4, 10_000), (6, 10_000), (8, 10_000)])
        );
    }
}

#[test]
fn a_panic_names_operator_and_record() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    env.from_source(numbers(100_000), WatermarkStrategy::no_watermarks(), "numbers")
        .key_by(|n| {
            assert!(*n != 777, "no luck");
            *n
        })
        .reduce(|a, b| a + b)
        .name("sums")
        .map(|n| (n, n))
        .sink_to(Collect::default());
    let error = env.execute("panics").unwrap_err();
    assert!(error.to_string().contains("key of record 777"), "{error}");
}

/// The job of the next tests: a running count by key.
fn count_job(env: &StreamExecutionEnvironment, source: Numbers, sink: &Collect) {
    env.from_source(source, WatermarkStrategy::for_monotonous_timestamps(), "numbers")
        .rebalance()
        .map(|n| n % 100)
        .key_by(|n| *n)
        .map_with_state(|count: &mut Option<u64>, n| {
            *count.get_or_insert_default() += 1;
            (n, count.unwrap())
        })
        .uid("count")
        .sink_to(sink.clone());
}

#[test]
fn a_job_restarts_exactly_at_the_cut_at_another_parallelism() {
    let checkpoints = MemoryCheckpoints::new();
    let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
    for (attempt, (workers, processes, stop_at)) in
        [(2, 1, 20_000), (3, 1, 50_000), (1, 1, 70_000), (2, 1, u64::MAX)].into_iter().enumerate()
    {
        let env = StreamExecutionEnvironment::new();
        env.enable_checkpointing(Duration::from_millis(5));
        env.set_checkpoint_storage(checkpoints.storage());
        let sink = Collect::default();
        let gate = (stop_at < u64::MAX).then(|| (stop_at, Arc::new(AtomicBool::new(false))));
        count_job(&env, Numbers { end: 100_000, gate }, &sink);
        let job = MiniCluster::new(workers).processes(processes).start(&env, "cut").unwrap();
        if stop_at < u64::MAX {
            // Somewhere after a few cuts, with more records behind the last one.
            let enough = checkpoints.latest().map_or(3, |e| e.0 + 3);
            let begin = Instant::now();
            while checkpoints.latest().is_none_or(|e| e.0 < enough) {
                assert!(
                    begin.elapsed() < Duration::from_secs(60),
                    "attempt {attempt}: no checkpoints"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            job.handle().cancel();
            assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
        } else {
            job.wait().unwrap();
        }
        for (key, count) in sink.0.lock().unwrap().iter() {
            let max = counted.entry(*key).or_insert(0);
            *max = (*count).max(*max);
        }
    }
    let want: BTreeMap<u64, u64> = (0..100).map(|k| (k, 1000)).collect();
    assert_eq!(counted, want, "a record was lost or counted twice");
}

#[test]
fn cancel_ends_all_processes() {
    let env = StreamExecutionEnvironment::new();
    let gate = Some((1000, Arc::new(AtomicBool::new(false))));
    count_job(&env, Numbers { end: 10_000, gate }, &Collect::default());
    let job = MiniCluster::new(2).processes(2).start(&env, "cancel").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    job.handle().cancel();
    assert_eq!(job.wait().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_panic_in_one_process_ends_the_others_with_its_words() {
    let env = StreamExecutionEnvironment::new();
    env.from_source(numbers(100_000), WatermarkStrategy::no_watermarks(), "numbers")
        .key_by(|n| *n % 7)
        .map_with_state(|_: &mut Option<u64>, n| {
            assert!(n < 90_000, "too many");
            (n, n)
        })
        .name("picky")
        .sink_to(Collect::default());
    let error = MiniCluster::new(1).processes(3).execute(&env, "panics").unwrap_err();
    assert!(
        error.to_string().contains("'picky'") && error.to_string().contains("too many"),
        "{error}"
    );
}

/// The command line chooses the backend; the program says nothing of it.
#[cfg(feature = "rocksdb")]
#[test]
fn a_job_runs_on_the_backend_of_its_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_path_buf();
    let options = vec![
        "state.backend.type=rocksdb".to_owned(),
        format!("state.backend.rocksdb.localdir={}", place.display()),
    ];
    let args = millstream_datastream::JobArgs {
        workers: Some(2),
        processes: 1,
        options,
        ..millstream_datastream::JobArgs::default()
    };
    let env = StreamExecutionEnvironment::with_args(args);
    let sink = Collect::default();
    env.from_source(numbers(10_000), WatermarkStrategy::no_watermarks(), "numbers")
        .key_by(|n| *n % 100)
        .map_with_state(move |count: &mut Option<u64>, n| {
            assert!(std::fs::read_dir(&place).unwrap().count() > 0, "state is somewhere else");
            *count.get_or_insert_default() += 1;
            (n % 100, count.unwrap())
        })
        .sink_to(sink.clone());
    env.execute("job").unwrap();
    let counts: BTreeMap<u64, u64> = sink.0.lock().unwrap().iter().copied().collect();
    assert_eq!(counts, (0..100).map(|key| (key, 100)).collect());
}
