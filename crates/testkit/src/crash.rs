//! An exactly-once sink in a process that is killed with signal 9, at named points and at
//! random moments, and started again from its last durable checkpoint.
//!
//! ```text
//!   parent: CrashTest ── starts, kills ──> child: play (the test binary again)
//!                                            recover, write rows, snapshot, make it durable
//!                                            in a file, tell the sink: as the runtime does
//! ```
//!
//! Invariant: when the last child has ended, rows 0 to [`ROWS`] have been written; the test
//! asks the outside system whether each is there exactly once.

use crate::OperatorHarness;
use millstream_core::{Data, Epoch, random_bytes};
use millstream_runtime::sink::recover;
use millstream_runtime::{
    Committable, CommitterContext, JobInfo, OperatorSnapshot, Restored, Sink, SinkOperator,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How many rows there are when the child has ended.
pub const ROWS: u64 = EPOCHS * ROWS_PER_EPOCH;

const EPOCHS: u64 = 40;
const ROWS_PER_EPOCH: u64 = 25;
const CHILD: &str = "MILLSTREAM_TEST_CRASH";
/// The operator state of sinks that commit in two phases.
const STATE: &str = "sink-committables";
/// Longer than any parent takes to kill a child that waits.
const LONG: Duration = Duration::from_secs(120);
/// Where a child can be killed, in the order in which it gets there.
const POINTS: [&str; 9] = [
    "before recover",
    "after recover",
    "between rows",
    "before prepare",
    "between prepares",
    "after prepare",
    "before commit",
    "during commit",
    "after commit",
];

/// What is durable: the checkpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Durable {
    epoch: u64,
    next_row: u64,
    committables: Vec<Committable>,
}

impl Durable {
    fn load(file: &Path) -> Durable {
        std::fs::read(file).map_or_else(
            |_| Durable::default(),
            |bytes| postcard::from_bytes(&bytes).expect("the file is whole: it was renamed"),
        )
    }
    fn store(&self, file: &Path) {
        let new = file.with_extension("new");
        let bytes = postcard::to_stdvec(self).expect("plain values have an encoding");
        std::fs::write(&new, bytes).expect("the folder can be written");
        std::fs::rename(&new, file).expect("a file can be renamed within its folder");
    }
}

/// What the child is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    state: PathBuf,
    target: String,
    parallelism: usize,
    /// Where to wait for the end: point and epoch.
    stop_at: Option<(String, u64)>,
}

impl Orders {
    /// Whether the child is to wait at a point, now or later.
    fn stops_at(&self, name: &str) -> bool {
        self.stop_at.as_ref().is_some_and(|(point, _)| point == name)
    }
    /// Says where the child is, and waits there when told so.
    fn point(&self, name: &str, epoch: u64) {
        if self.stop_at.as_ref().is_some_and(|(point, at)| point == name && epoch >= *at) {
            println!("\nAT {name}");
            std::thread::sleep(LONG);
        }
    }
}

/// The child's part, in a test of its own; does nothing in an ordinary run.
///
/// `sink` makes the sink for a target, `row` the row of a number.
///
/// # Panics
/// When the sink fails: the parent's test fails then.
pub fn play<T: Data, S: Sink<T>>(sink: impl Fn(&str) -> S, row: impl Fn(u64) -> T) {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("the parent writes orders");
    let mut durable = Durable::load(&orders.state);
    let sink = Arc::new(sink(&orders.target));
    let restored_epoch = (durable.epoch > 0).then_some(Epoch(durable.epoch));
    let job = JobInfo { restored_epoch, ..JobInfo::for_tests() };
    let context = CommitterContext {
        job: Arc::new(job.clone()),
        name: "sink".into(),
        uid: "operator".into(),
        subtask: None,
    };
    orders.point("before recover", durable.epoch);
    let mut former = OperatorSnapshot::default();
    for committable in &durable.committables {
        former.put_list(STATE, committable).expect("a committable has an encoding");
    }
    let former = former.into_stored().expect("state of bytes can be stored");
    recover(&*sink, &context, &Restored::from_stored(vec![former])).expect("the sink recovers");
    orders.point("after recover", durable.epoch);

    let parallelism = orders.parallelism;
    let open = |index| {
        let operator = SinkOperator::new(sink.clone() as Arc<dyn Sink<T>>);
        let harness = OperatorHarness::builder(operator).job(job.clone());
        harness.subtask(index, parallelism, 128).open().expect("the sink opens")
    };
    let mut subtasks: Vec<_> = (0..parallelism).map(open).collect();
    for epoch in durable.epoch + 1..=EPOCHS {
        let rows = durable.next_row..durable.next_row + ROWS_PER_EPOCH;
        for number in rows.clone() {
            let subtask = &mut subtasks[number as usize % parallelism];
            subtask.push(row(number), 0).expect("the sink takes a row");
            if number == rows.start + ROWS_PER_EPOCH / 2 {
                orders.point("between rows", epoch);
            }
        }
        orders.point("before prepare", epoch);
        let mut committables = Vec::new();
        for (index, subtask) in subtasks.iter_mut().enumerate() {
            let own = subtask.snapshot(epoch).expect("the sink prepares");
            let own = Restored::from_stored(vec![own]).list_union::<Committable>(STATE);
            committables.extend(own.expect("what was stored can be read"));
            if index == 0 {
                orders.point("between prepares", epoch);
            }
        }
        orders.point("after prepare", epoch);
        durable = Durable { epoch, next_row: rows.end, committables };
        durable.store(&orders.state);
        orders.point("before commit", epoch);
        for (index, subtask) in subtasks.iter_mut().enumerate() {
            // Some notices are lost: the next one counts for both.
            if !(epoch as usize + index).is_multiple_of(5) {
                subtask.complete_checkpoint(epoch).expect("the sink takes the notice");
            }
            if index == 0 {
                orders.point("during commit", epoch);
            }
        }
        if orders.stops_at("after commit") {
            // Commits are made by a thread of the sink's own.
            std::thread::sleep(Duration::from_millis(300));
            orders.point("after commit", epoch);
        }
    }
    // The final checkpoint's notice reaches everybody.
    for subtask in &mut subtasks {
        subtask.complete_checkpoint(EPOCHS).expect("the sink takes the notice");
        subtask.close().expect("the sink commits what is left");
    }
    println!("\nAT end");
}

/// The parent's part.
///
/// ```no_run
/// use millstream_testkit::crash::{self, CrashTest};
/// # use millstream_runtime::{OperatorContext, Sink, SinkWriter};
/// # struct MySink;
/// # impl Sink<u64> for MySink {
/// #     fn create_writer(
/// #         &self,
/// #         _: &OperatorContext,
/// #     ) -> millstream_core::Result<Box<dyn SinkWriter<u64>>> {
/// #         todo!()
/// #     }
/// # }
///
/// // #[test]
/// fn child() {
///     crash::play(|_table| MySink, |number| number);
/// }
/// // #[test]
/// fn killed_at_every_point() {
///     CrashTest::new("tests::child", "a-table").kill_at_every_point();
///     // Read the table: are rows 0 to crash::ROWS there, each once?
/// }
/// ```
pub struct CrashTest {
    child: &'static str,
    folder: PathBuf,
    orders: Orders,
}

impl CrashTest {
    /// `child` is the path of the test that calls [`play`]; `target` is what the sink is made
    /// for.
    ///
    /// # Panics
    /// When the folder for temporary files cannot be written.
    pub fn new(child: &'static str, target: &str) -> Self {
        let salt = random_bytes::<8>().expect("the system has random bytes");
        let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = std::env::temp_dir().join(format!("millstream-crash-{salt}"));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let orders = Orders {
            state: folder.join("checkpoint"),
            target: target.to_owned(),
            parallelism: 1,
            stop_at: None,
        };
        CrashTest { child, folder, orders }
    }

    /// Kills a child at every named point, forth and back, so that each is met with a restart
    /// of every kind before it; each child at another parallelism. Then lets one run to its end.
    ///
    /// # Panics
    /// When a child fails.
    pub fn kill_at_every_point(mut self) {
        let mut parallelism = [1, 2, 3, 7].into_iter().cycle();
        for point in POINTS.iter().chain(POINTS.iter().rev()) {
            let next = Durable::load(&self.orders.state).epoch + 2;
            let epoch = if point.ends_with("recover") { 0 } else { next };
            self.orders.stop_at = Some(((*point).to_owned(), epoch));
            self.orders.parallelism = parallelism.next().unwrap_or(1);
            assert_eq!(self.run_to_its_point(), *point);
        }
        self.run_to_the_end();
    }

    /// Kills twelve children, each after `least` to `most`; then lets one run to its end.
    ///
    /// # Panics
    /// When the last child fails.
    pub fn kill_at_random_moments(mut self, least: Duration, most: Duration) {
        let bytes = random_bytes::<12>().expect("the system has random bytes");
        for (round, byte) in bytes.into_iter().enumerate() {
            self.orders.parallelism = 1 + round % 3;
            let mut child = self.start();
            std::thread::sleep(least + (most - least) * u32::from(byte) / 255);
            end(&mut child);
        }
        self.run_to_the_end();
    }

    fn run_to_the_end(&mut self) {
        self.orders.stop_at = None;
        assert_eq!(self.run_to_its_point(), "end");
        assert_eq!(Durable::load(&self.orders.state).epoch, EPOCHS);
    }

    fn start(&self) -> Child {
        let orders = serde_json::to_string(&self.orders).expect("orders are plain text");
        Command::new(std::env::current_exe().expect("a test has a program"))
            .args(["--exact", self.child, "--nocapture"])
            .env(CHILD, orders)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a test can start itself")
    }

    /// Runs a child until it says where it is, and kills it there.
    fn run_to_its_point(&self) -> String {
        let mut child = self.start();
        let output = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let at = lines.find_map(|line| line.strip_prefix("AT ").map(str::to_owned));
        end(&mut child);
        at.expect("the child says where it is; its error is above")
    }
}

impl Drop for CrashTest {
    fn drop(&mut self) {
        // What stays is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ends a child with signal 9.
fn end(child: &mut Child) {
    child.kill().expect("a child can be killed");
    child.wait().expect("a child that was killed ends");
}
