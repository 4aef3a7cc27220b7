//! The two-phase commit of sinks, against an outside world that counts.
//!
//! Model: rows that a durable checkpoint covers are visible once, rows behind it are not,
//! whatever is lost on the way.
#![allow(clippy::unwrap_used)]

use millstream_core::Epoch;
use millstream_core::{Batch, Error, ErrorKind, Result};
use millstream_runtime::sink::recover;
use millstream_runtime::{
    Committable, Committer, CommitterContext, JobInfo, OperatorContext, Restored, Sink,
    SinkOperator, SinkWriter, StoredState,
};
use millstream_testkit::OperatorHarness;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What readers see, and what the sink was told.
#[derive(Default)]
struct World {
    /// Rows by the name of their transaction; a repeated commit changes nothing.
    committed: BTreeMap<String, Vec<u32>>,
    /// Epochs in the order of the calls.
    calls: Vec<u64>,
    recoveries: usize,
    released: Vec<u64>,
    broken: bool,
    blocked: bool,
    next_name: u32,
}

#[derive(Clone, Default)]
struct Counting(Arc<Mutex<World>>);

impl Counting {
    fn rows(&self) -> Vec<u32> {
        let mut rows: Vec<u32> =
            self.0.lock().unwrap().committed.values().flatten().copied().collect();
        rows.sort_unstable();
        rows
    }
    fn calls(&self) -> Vec<u64> {
        self.0.lock().unwrap().calls.clone()
    }
    fn open(&self, builder: impl Fn(Builder) -> Builder) -> Result<Harness> {
        builder(OperatorHarness::builder(SinkOperator::new(Arc::new(self.clone())))).open()
    }
    fn fresh(&self) -> Harness {
        self.open(|b| b).unwrap()
    }
    /// The first process of an attempt, before any subtask.
    fn recover(&self, former: &[StoredState]) -> Result<()> {
        let context = CommitterContext {
            job: Arc::new(JobInfo::for_tests()),
            name: "sink".into(),
            uid: "sink".into(),
            subtask: None,
        };
        recover(self, &context, &Restored::from_stored(former.to_vec()))
    }
}

type Builder = millstream_testkit::HarnessBuilder<SinkOperator<u32>>;
type Harness = OperatorHarness<SinkOperator<u32>>;

struct Writer(Counting, Vec<u32>);

impl Sink<u32> for Counting {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<u32>>> {
        Ok(Box::new(Writer(self.clone(), vec![])))
    }
    fn committer(&self, _: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(self.clone())))
    }
}

impl Committer for Counting {
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        while self.0.lock().unwrap().blocked {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut world = self.0.lock().unwrap();
        for committable in committables {
            if world.broken {
                return Err(Error::retry("the store does not answer"));
            }
            let (name, rows): (String, Vec<u32>) = postcard::from_bytes(&committable.payload)?;
            world.calls.push(committable.epoch.0);
            world.committed.insert(name, rows);
        }
        Ok(())
    }
    fn recover(&mut self, committables: &[Committable]) -> Result<()> {
        self.0.lock().unwrap().recoveries += 1;
        self.commit(committables)
    }
}

impl SinkWriter<u32> for Writer {
    fn write(&mut self, batch: Batch<u32>) -> Result<()> {
        self.1.extend(batch.values());
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn prepare_commit(&mut self, _: Epoch) -> Result<Vec<Vec<u8>>> {
        if self.1.is_empty() {
            return Ok(vec![]);
        }
        let mut world = self.0.0.lock().unwrap();
        world.next_name += 1;
        let transaction = (format!("t{}", world.next_name), std::mem::take(&mut self.1));
        Ok(vec![postcard::to_stdvec(&transaction)?])
    }
    fn on_released(&mut self, up_to: Epoch) {
        self.0.0.lock().unwrap().released.push(up_to.0);
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn listed(snapshot: &StoredState) -> Vec<u64> {
    let restored = Restored::from_stored(vec![snapshot.clone()]);
    let all: Vec<Committable> = restored.list_union("sink-committables").unwrap();
    all.iter().map(|c| c.epoch.0).collect()
}

#[test]
fn rows_are_visible_when_their_checkpoint_is_durable_and_not_before() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    let snapshot = sink.snapshot(1).unwrap();
    assert_eq!(listed(&snapshot), [1]);
    sink.push(2, 0).unwrap();
    assert!(world.rows().is_empty());
    sink.complete_checkpoint(1).unwrap();
    eventually("row 1", || world.rows() == [1]);
    sink.close().unwrap();
    assert_eq!(world.rows(), [1], "row 2 has no checkpoint");
}

#[test]
fn an_epoch_without_rows_records_nothing() {
    let world = Counting::default();
    let mut sink = world.fresh();
    assert!(sink.snapshot(1).unwrap().is_empty());
    sink.complete_checkpoint(1).unwrap();
    sink.close().unwrap();
    assert!(world.calls().is_empty());
}

#[test]
fn when_the_notice_of_one_checkpoint_is_lost_the_next_commits_both() {
    let world = Counting::default();
    let mut sink = world.fresh();
    for epoch in 1..=3 {
        sink.push(epoch as u32, 0).unwrap();
        let snapshot = sink.snapshot(epoch).unwrap();
        assert_eq!(listed(&snapshot), (1..=epoch).collect::<Vec<_>>());
    }
    sink.complete_checkpoint(2).unwrap();
    eventually("rows of 1 and 2", || world.rows() == [1, 2]);
    sink.complete_checkpoint(2).unwrap();
    sink.complete_checkpoint(1).unwrap();
    sink.complete_checkpoint(3).unwrap();
    sink.close().unwrap();
    assert_eq!(world.calls(), [1, 2, 3], "in order, and each once");
}

#[test]
fn a_savepoint_commits_nothing_and_the_next_checkpoint_commits_its_rows() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    let savepoint = sink.snapshot(1).unwrap(); // completed without a notice
    sink.push(2, 0).unwrap();
    sink.snapshot(2).unwrap();
    assert!(world.rows().is_empty());
    sink.complete_checkpoint(2).unwrap();
    sink.close().unwrap();
    assert_eq!(world.rows(), [1, 2]);
    // As a recovery point it commits what it lists; that was done before.
    world.recover(&[savepoint]).unwrap();
    assert_eq!(world.rows(), [1, 2]);
}

#[test]
fn a_failure_between_snapshot_and_notice_loses_and_doubles_nothing() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    let durable = sink.snapshot(1).unwrap();
    sink.push(2, 0).unwrap();
    drop(sink);
    for _ in 0..3 {
        world.recover(std::slice::from_ref(&durable)).unwrap();
    }
    assert_eq!(world.rows(), [1]);
    let mut sink = world.open(|b| b.restored(vec![durable.clone()])).unwrap();
    sink.push(2, 0).unwrap();
    let next = sink.snapshot(2).unwrap();
    assert_eq!(listed(&next), [2], "what the recovery has committed is not listed again");
    sink.complete_checkpoint(2).unwrap();
    sink.close().unwrap();
    assert_eq!(world.rows(), [1, 2]);
}

#[test]
fn a_restore_at_another_parallelism_commits_each_transaction_once() {
    let world = Counting::default();
    let snapshots: Vec<StoredState> = (0..3)
        .map(|index| {
            let mut sink = world.open(|b| b.subtask(index, 3, 128)).unwrap();
            sink.push(index as u32, 0).unwrap();
            sink.snapshot(1).unwrap()
        })
        .collect();
    world.recover(&snapshots).unwrap();
    assert_eq!((world.rows(), world.calls()), (vec![0, 1, 2], vec![1, 1, 1]));
    for parallelism in [1, 2, 7] {
        for index in 0..parallelism {
            let former = snapshots.clone();
            let open = |b: Builder| b.subtask(index, parallelism, 128).restored(former.clone());
            let mut sink = world.open(open).unwrap();
            assert!(sink.snapshot(2).unwrap().is_empty());
            sink.complete_checkpoint(2).unwrap();
            sink.close().unwrap();
        }
    }
    assert_eq!(world.calls(), [1, 1, 1]);
}

#[test]
fn a_slow_commit_stays_listed_and_does_not_stop_the_task() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    sink.snapshot(1).unwrap();
    world.0.lock().unwrap().blocked = true;
    sink.complete_checkpoint(1).unwrap();
    sink.push(2, 0).unwrap();
    assert_eq!(listed(&sink.snapshot(2).unwrap()), [1, 2]);
    sink.complete_checkpoint(2).unwrap();
    let released = || world.0.lock().unwrap().released.clone();
    assert_eq!(released(), [0, 0], "checkpoint 2 lists epoch 1 still");
    // Far behind: the sink takes no more input until commits are done.
    for epoch in 3..=11 {
        sink.push(epoch as u32, 0).unwrap();
        sink.snapshot(epoch).unwrap();
        sink.complete_checkpoint(epoch).unwrap();
    }
    assert!(!sink.is_ready());
    world.0.lock().unwrap().blocked = false;
    eventually("commits are done", || sink.is_ready());
    eventually("rows", || world.rows().len() == 11);
    eventually("nothing is listed", || {
        let epoch = 12 + released().len() as u64;
        let empty = sink.snapshot(epoch).unwrap().is_empty();
        sink.complete_checkpoint(epoch).unwrap();
        empty && *released().last().unwrap() == epoch
    });
    sink.close().unwrap();
}

#[test]
fn a_failed_commit_ends_the_attempt_by_name_and_the_restart_commits() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    let durable = sink.snapshot(1).unwrap();
    world.0.lock().unwrap().broken = true;
    sink.complete_checkpoint(1).unwrap();
    let mut error = None;
    eventually("the error is reported", || {
        error = sink.processing_time(1).err();
        error.is_some()
    });
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("commit of checkpoint 1: the store"), "{error}");
    let error = world.recover(std::slice::from_ref(&durable)).unwrap_err();
    assert!(error.to_string().contains("operator 'sink': commit after restore"), "{error}");
    world.0.lock().unwrap().broken = false;
    world.recover(&[durable]).unwrap();
    assert_eq!(world.rows(), [1]);
}

#[test]
fn close_waits_for_the_commits_of_durable_checkpoints() {
    let world = Counting::default();
    let mut sink = world.fresh();
    sink.push(1, 0).unwrap();
    sink.snapshot(1).unwrap();
    world.0.lock().unwrap().blocked = true;
    sink.complete_checkpoint(1).unwrap();
    let free = world.clone();
    let helper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        free.0.lock().unwrap().blocked = false;
    });
    sink.close().unwrap();
    assert_eq!(world.rows(), [1]);
    helper.join().unwrap();
}

#[test]
fn a_job_without_checkpoints_is_refused() {
    let job = JobInfo { checkpoint_interval_ms: None, ..JobInfo::for_tests() };
    let opened = Counting::default().open(|b| b.job(job.clone()));
    let error = opened.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("enable_checkpointing"), "{error}");
    let job = JobInfo { checkpoints_stored: false, ..JobInfo::for_tests() };
    let opened = Counting::default().open(|b| b.job(job.clone()));
    let error = opened.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("set_checkpoint_directory"), "{error}");
}

/// A sink without commits in the place of one with them.
struct Plain;
impl Sink<u32> for Plain {
    fn create_writer(&self, _: &OperatorContext) -> Result<Box<dyn SinkWriter<u32>>> {
        Err(Error::bug("not asked for"))
    }
}

#[test]
fn a_changed_sink_does_not_drop_what_waits_for_its_commit() {
    let mut sink = Counting::default().fresh();
    sink.push(1, 0).unwrap();
    let snapshot = sink.snapshot(1).unwrap();
    let context = CommitterContext {
        job: Arc::new(JobInfo::for_tests()),
        name: "sink".into(),
        uid: "sink".into(),
        subtask: None,
    };
    let restored = Restored::from_stored(vec![snapshot]);
    let error = recover(&Plain, &context, &restored).unwrap_err();
    assert!(error.to_string().contains("1 outputs that wait for their commit"), "{error}");
    recover(&Plain, &context, &Restored::default()).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// Cuts an epoch; whether it becomes durable, and which subtasks hear of it.
    Cut {
        durable: bool,
        told: Vec<bool>,
    },
    Crash {
        parallelism: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..4).prop_map(Step::Write),
        3 => (any::<bool>(), prop::collection::vec(any::<bool>(), 4))
            .prop_map(|(durable, told)| Step::Cut { durable, told }),
        1 => (1usize..4).prop_map(|parallelism| Step::Crash { parallelism }),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_row_of_a_durable_checkpoint_is_visible_once(steps in steps()) {
        let world = Counting::default();
        let open = |parallelism: usize, former: &[StoredState]| -> Vec<Harness> {
            world.recover(former).unwrap();
            let subtask = |i| world.open(|b| b.subtask(i, parallelism, 128).restored(former.to_vec())).unwrap();
            (0..parallelism).map(subtask).collect()
        };
        let mut subtasks = open(2, &[]);
        let mut durable: Vec<StoredState> = vec![];
        let (mut next_row, mut epoch) = (0, 0);
        // The source replays what is behind the last durable checkpoint: rows count from there.
        let mut durable_rows = 0;
        for step in steps {
            match step {
                Step::Write(index) => {
                    let index = index % subtasks.len();
                    subtasks[index].push(next_row, 0).unwrap();
                    next_row += 1;
                }
                Step::Cut { durable: is_durable, told } => {
                    epoch += 1;
                    let all: Vec<_> = subtasks.iter_mut().map(|s| s.snapshot(epoch).unwrap()).collect();
                    if is_durable {
                        (durable, durable_rows) = (all, next_row);
                        for (subtask, told) in subtasks.iter_mut().zip(told) {
                            if told {
                                subtask.complete_checkpoint(epoch).unwrap();
                            }
                        }
                    }
                }
                Step::Crash { parallelism } => {
                    subtasks.clear();
                    subtasks = open(parallelism, &durable);
                    next_row = durable_rows;
                }
            }
        }
        subtasks.clear();
        world.recover(&durable).unwrap();
        prop_assert_eq!(world.rows(), (0..durable_rows).collect::<Vec<u32>>());
    }
}
