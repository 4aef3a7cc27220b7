//! The exactly-once sink in a process that is killed with signal 9, at named points and at
//! random ones, and started again from its last durable checkpoint.
//!
//! The child (this test binary again) plays the runtime; the parent kills it.
//! Invariant: every row is in the table exactly once.

use crate::server::{PATIENCE, Row, Table, job, recover_from, rows, unique};
use millstream_runtime::{Committable, OperatorSnapshot, Restored, SinkOperator};
use millstream_testkit::OperatorHarness;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "MILLSTREAM_TEST_CRASH";
const EPOCHS: u64 = 40;
const ROWS_PER_EPOCH: u64 = 25;
const STATE: &str = "sink-committables";

/// What is durable: the checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Durable {
    epoch: u64,
    next_row: u64,
    committables: Vec<Committable>,
}

/// What the child is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    state: PathBuf,
    table: String,
    parallelism: usize,
    /// Where to wait for the end: point and epoch.
    stop_at: Option<(String, u64)>,
}

fn load(state: &Path) -> Durable {
    std::fs::read(state).map_or_else(|_| Durable::default(), |b| postcard::from_bytes(&b).unwrap())
}

/// Says where it is, and waits there when told so.
fn point(orders: &Orders, name: &str, epoch: u64) {
    if orders.stop_at.as_ref().is_some_and(|(point, at)| point == name && epoch >= *at) {
        println!("\nAT {name}");
        std::thread::sleep(PATIENCE * 2);
    }
}

/// The child's part; does nothing in an ordinary run.
#[test]
fn child_runs_the_sink() {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let (state, table, parallelism, stop_at) = {
        let parts: Vec<&str> = orders.split('|').collect();
        let stop = (!parts[3].is_empty()).then(|| (parts[3].to_owned(), parts[4].parse().unwrap()));
        (PathBuf::from(parts[0]), parts[1].to_owned(), parts[2].parse().unwrap(), stop)
    };
    let orders = Orders { state, table, parallelism, stop_at };
    let mut durable = load(&orders.state);
    let sink = || rows(&orders.table).exactly_once(&orders.table).build().unwrap();
    let mut former = OperatorSnapshot::default();
    durable.committables.iter().for_each(|c| former.put_list(STATE, c).unwrap());
    let info = job((durable.epoch > 0).then_some(durable.epoch));
    point(&orders, "before recover", durable.epoch);
    recover_from(&sink(), info.clone(), vec![former.into_stored().unwrap()]).unwrap();
    point(&orders, "after recover", durable.epoch);
    let open = |index| {
        let operator = SinkOperator::<Row>::new(Arc::new(sink()));
        let builder = OperatorHarness::builder(operator).job(info.clone());
        builder.subtask(index, parallelism, 128).open().unwrap()
    };
    let mut subtasks: Vec<_> = (0..parallelism).map(open).collect();
    for epoch in durable.epoch + 1..=EPOCHS {
        let rows = durable.next_row..durable.next_row + ROWS_PER_EPOCH;
        for row in rows.clone() {
            subtasks[row as usize % parallelism].push((row as i64, "x".into()), 0).unwrap();
        }
        point(&orders, "before prepare", epoch);
        let mut committables = Vec::new();
        for subtask in &mut subtasks {
            let own = Restored::from_stored(vec![subtask.snapshot(epoch).unwrap()]);
            committables.extend(own.list_union::<Committable>(STATE).unwrap());
        }
        point(&orders, "after prepare", epoch);
        durable = Durable { epoch, next_row: rows.end, committables };
        let new = orders.state.with_extension("new");
        std::fs::write(&new, postcard::to_stdvec(&durable).unwrap()).unwrap();
        std::fs::rename(&new, &orders.state).unwrap();
        point(&orders, "before commit", epoch);
        for (index, subtask) in subtasks.iter_mut().enumerate() {
            // Some notices are lost: the next one counts for both.
            if !(epoch as usize + index).is_multiple_of(5) {
                subtask.complete_checkpoint(epoch).unwrap();
            }
            if index == 0 {
                point(&orders, "during commit", epoch);
            }
        }
        if orders.stop_at.as_ref().is_some_and(|(at, _)| at == "after commit") {
            std::thread::sleep(Duration::from_millis(200));
            point(&orders, "after commit", epoch);
        }
    }
    for subtask in &mut subtasks {
        subtask.complete_checkpoint(EPOCHS).unwrap();
        subtask.close().unwrap();
    }
    println!("\nAT end");
}

fn start(orders: &Orders) -> Child {
    let (point, at) = orders.stop_at.clone().unwrap_or_default();
    let state = orders.state.display();
    let text = format!("{state}|{}|{}|{point}|{at}", orders.table, orders.parallelism);
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_runs_the_sink", "--nocapture"])
        .env(CHILD, text)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a child until it says where it is, and kills it there.
fn run_to_its_point(orders: &Orders) -> String {
    let mut child = start(orders);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let at = lines.find_map(|line| line.unwrap().strip_prefix("AT ").map(str::to_owned));
    child.kill().unwrap(); // signal 9
    child.wait().unwrap();
    at.expect("the child says where it is; its error is above")
}

fn orders(table: &Table) -> (Orders, Folder) {
    let folder = std::env::temp_dir().join(unique("crash"));
    std::fs::create_dir_all(&folder).unwrap();
    let state = folder.join("checkpoint");
    (Orders { state, table: table.0.clone(), parallelism: 1, stop_at: None }, Folder(folder))
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn assert_each_once(table: &Table) {
    let ids = table.ids();
    let doubled = ids.windows(2).filter(|w| w[0] == w[1]).count();
    assert_eq!(doubled, 0);
    assert!(ids.into_iter().eq(0..(EPOCHS * ROWS_PER_EPOCH) as i64), "some are lost");
}

#[test]
fn killed_at_every_named_point_each_row_is_there_once() {
    let table = Table::new("points", "id int, name text");
    let (mut orders, _folder) = orders(&table);
    let points = [
        "before prepare",
        "after prepare",
        "before commit",
        "during commit",
        "after commit",
        "before recover",
        "after recover",
    ];
    let mut parallelism = [1, 2, 3, 7].into_iter().cycle();
    for point in points.iter().chain(points.iter().rev()) {
        let at = if point.ends_with("recover") { 0 } else { load(&orders.state).epoch + 2 };
        orders.stop_at = Some(((*point).to_owned(), at));
        orders.parallelism = parallelism.next().unwrap();
        assert_eq!(run_to_its_point(&orders), *point);
    }
    orders.stop_at = None;
    assert_eq!(run_to_its_point(&orders), "end");
    assert_each_once(&table);
}

#[test]
fn killed_at_random_moments_each_row_is_there_once() {
    let table = Table::new("random", "id int, name text");
    let (mut orders, _folder) = orders(&table);
    let bytes = millstream_core::random_bytes::<12>().unwrap();
    for (round, byte) in bytes.into_iter().enumerate() {
        orders.parallelism = 1 + round % 3;
        let mut child = start(&orders);
        std::thread::sleep(Duration::from_millis(20 + 2 * u64::from(byte)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(run_to_its_point(&orders), "end");
    assert_each_once(&table);
}
