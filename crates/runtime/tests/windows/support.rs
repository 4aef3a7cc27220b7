//! Rows, windows and a driver that the tests share.

use millstream_core::key_group::subtask_of;
use millstream_core::{Batch, Result, key_group_of};
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::window::{
    AggregateFunction, BoxedOperator, TimeWindow, WindowContext, WindowOperatorBuilder,
    WindowOperatorFactory,
};
use millstream_runtime::{OutputTag, SnapshotKind, StoredState};
use millstream_testkit::OperatorHarness;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Key and value; values are distinct, so that nothing is lost or doubled unseen.
pub(crate) type Row = (u8, u32);
/// Key, window, values.
pub(crate) type Fired = (u8, TimeWindow, Vec<u32>);
pub(crate) type KeyOf = fn(&Row) -> u8;
pub(crate) type Builder = WindowOperatorBuilder<Row, u8, KeyOf>;
pub(crate) const LATE: OutputTag<Row> = OutputTag::new("late");
pub(crate) const KEY_OF: KeyOf = |row| row.0;
const MAX_PARALLELISM: usize = 128;

pub(crate) fn ms(ms: i64) -> std::time::Duration {
    std::time::Duration::from_millis(ms.try_into().unwrap())
}

/// All values of a window, sorted: independent of the order in which panes are merged.
#[derive(Clone)]
pub(crate) struct Gather;

impl AggregateFunction for Gather {
    type In = Row;
    type Acc = Vec<u32>;
    type Out = Vec<u32>;
    fn create_accumulator(&self) -> Vec<u32> {
        Vec::new()
    }
    fn add(&self, acc: &mut Vec<u32>, row: Row) {
        acc.push(row.1);
    }
    fn merge(&self, acc: &mut Vec<u32>, other: &Vec<u32>) {
        acc.extend(other);
    }
    fn get_result(&self, acc: &Vec<u32>) -> Vec<u32> {
        let mut sorted = acc.clone();
        sorted.sort_unstable();
        sorted
    }
}

pub(crate) fn gather(builder: Builder) -> WindowOperatorFactory<Batch<Row>, Fired> {
    let process = |key: &u8, all: &[Vec<u32>], ctx: &mut WindowContext<'_, Fired>| -> Result<()> {
        ctx.collect((*key, ctx.window(), all[0].clone()));
        Ok(())
    };
    builder.late_tag(LATE).aggregate_with(Gather, process).unwrap()
}

/// Something that happens to an operator.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Rows (key, time) that come in one batch.
    Rows(Vec<(u8, i64)>),
    /// Event time moves on by so much.
    Watermark(i64),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop::collection::vec((0u8..4, -30i64..50), 1..8).prop_map(Step::Rows);
    let watermark = (0i64..25).prop_map(Step::Watermark);
    prop::collection::vec(prop_oneof![3 => rows, 1 => watermark], 1..25)
}

/// Step, window, values, event time of a result.
type Firing = (usize, TimeWindow, Vec<u32>, i64);

/// What came out: results by key in order, with the step and the time; late rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) fired: BTreeMap<u8, Vec<Firing>>,
    pub(crate) late: Vec<(Row, i64)>,
}

impl Outcome {
    pub(crate) fn fire(
        &mut self,
        step: usize,
        key: u8,
        window: TimeWindow,
        values: Vec<u32>,
        time: i64,
    ) {
        self.fired.entry(key).or_default().push((step, window, values, time));
    }
    /// Without an order between late rows of several subtasks.
    pub(crate) fn sorted(mut self) -> Self {
        self.late.sort_unstable();
        self
    }
}

type Harness = OperatorHarness<BoxedOperator<Batch<Row>, Fired>>;

/// The subtasks of one attempt.
pub(crate) struct Attempt(Vec<Harness>);

impl Attempt {
    pub(crate) fn new(
        factory: &WindowOperatorFactory<Batch<Row>, Fired>,
        parallelism: usize,
        restored: Option<Vec<StoredState>>,
    ) -> Self {
        Self::on(&StateBackendConfig::Heap, factory, parallelism, restored)
    }
    pub(crate) fn on(
        backend: &StateBackendConfig,
        factory: &WindowOperatorFactory<Batch<Row>, Fired>,
        parallelism: usize,
        restored: Option<Vec<StoredState>>,
    ) -> Self {
        let open = |index| {
            let mut builder = OperatorHarness::builder(factory.create())
                .subtask(index, parallelism, MAX_PARALLELISM)
                .state_backend(backend.clone())
                .side(LATE);
            if let Some(former) = &restored {
                builder = builder.restored(former.clone());
            }
            builder.open().unwrap()
        };
        Attempt((0..parallelism).map(open).collect())
    }
    pub(crate) fn rows(&mut self, rows: &[(Row, i64)]) {
        let parallelism = self.0.len();
        for (index, harness) in self.0.iter_mut().enumerate() {
            let mut batch = Batch::new();
            for (row, time) in rows {
                let group = key_group_of(&row.0, MAX_PARALLELISM);
                if subtask_of(group, MAX_PARALLELISM, parallelism) == index {
                    batch.push(*row, *time);
                }
            }
            harness.input(batch).unwrap();
        }
    }
    pub(crate) fn watermark(&mut self, time: i64) {
        self.0.iter_mut().for_each(|harness| harness.watermark(time).unwrap());
    }
    pub(crate) fn snapshot(&mut self) -> Vec<StoredState> {
        self.snapshot_as(SnapshotKind::Checkpoint)
    }
    pub(crate) fn snapshot_as(&mut self, kind: SnapshotKind) -> Vec<StoredState> {
        self.0.iter_mut().map(|harness| harness.snapshot_as(1, kind).unwrap()).collect()
    }
    pub(crate) fn take(&mut self, step: usize, into: &mut Outcome) {
        for harness in &mut self.0 {
            for ((key, window, values), time) in harness.take_output() {
                into.fire(step, key, window, values, time);
            }
            into.late.extend(harness.take_side(&LATE));
        }
    }
}

/// Runs `steps` and then the end of input; `cuts` says, by step, with how many subtasks
/// the job goes on from a snapshot taken there.
pub(crate) fn run(
    factory: &WindowOperatorFactory<Batch<Row>, Fired>,
    steps: &[Step],
    cuts: &BTreeMap<usize, usize>,
) -> Outcome {
    run_on(&[StateBackendConfig::Heap], factory, steps, cuts)
}

/// The same; each restore goes to the next of `backends`, by a savepoint in canonical form.
pub(crate) fn run_on(
    backends: &[StateBackendConfig],
    factory: &WindowOperatorFactory<Batch<Row>, Fired>,
    steps: &[Step],
    cuts: &BTreeMap<usize, usize>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut backend = backends.iter().cycle();
    let mut attempt = Attempt::on(backend.next().unwrap(), factory, 1, None);
    let (mut value, mut event_time) = (0, -20);
    let end = Step::Watermark(i64::MAX);
    for (i, step) in steps.iter().chain([&end]).enumerate() {
        match step {
            Step::Rows(rows) => {
                let row = |(key, time): &(u8, i64)| {
                    value += 1;
                    ((*key, value), *time)
                };
                let rows: Vec<_> = rows.iter().map(row).collect();
                attempt.rows(&rows);
            }
            Step::Watermark(by) => {
                event_time = by.saturating_add(event_time).max(event_time);
                event_time = if *by == i64::MAX { i64::MAX } else { event_time };
                attempt.watermark(event_time);
            }
        }
        attempt.take(i, &mut outcome);
        if let Some(parallelism) = cuts.get(&i) {
            let kind = match backends.len() {
                1 => SnapshotKind::Checkpoint,
                _ => SnapshotKind::CanonicalSavepoint,
            };
            let former = attempt.snapshot_as(kind);
            attempt = Attempt::on(backend.next().unwrap(), factory, *parallelism, Some(former));
        }
    }
    outcome
}
