//! The exactly-once sink in a process that is killed with signal 9, at named points and at
//! random ones, and started again from its last durable checkpoint.
//!
//! The child (this test binary again) plays the runtime: it recovers, writes rows, takes
//! snapshots, makes them durable in a file, and tells the sink. The parent kills it, and in
//! the end reads the topic as a read_committed consumer does.
//!
//! Invariant: every row is there exactly once.

use crate::broker::{PATIENCE, Topic, servers, unique};
use millstream_kafka::{DeliveryGuarantee, KafkaSink, ser};
use millstream_runtime::sink::recover;
use millstream_runtime::{
    Committable, CommitterContext, JobInfo, OperatorSnapshot, Restored, SinkOperator, StoredState,
};
use millstream_testkit::OperatorHarness;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    topic: String,
    prefix: String,
    parallelism: usize,
    /// Where to wait for the end: point and epoch.
    stop_at: Option<(String, u64)>,
}

fn load(state: &Path) -> Durable {
    std::fs::read(state)
        .map_or_else(|_| Durable::default(), |b| serde_json::from_slice(&b).unwrap())
}

/// Says where it is, and waits there when told so.
fn point(orders: &Orders, name: &str, epoch: u64) {
    if orders.stop_at.as_ref().is_some_and(|(point, at)| point == name && epoch >= *at) {
        println!("\nAT {name}");
        std::thread::sleep(PATIENCE * 2);
    }
}

fn snapshot_of(committables: &[Committable]) -> StoredState {
    let mut snapshot = OperatorSnapshot::default();
    committables.iter().for_each(|c| snapshot.put_list(STATE, c).unwrap());
    snapshot.into_stored().unwrap()
}

/// The child's part; does nothing in an ordinary run.
#[test]
fn child_runs_the_sink() {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    let mut durable = load(&orders.state);
    let sink = Arc::new(
        KafkaSink::<String>::builder()
            .bootstrap_servers(servers())
            .topic(&orders.topic)
            .value(ser::string())
            .delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
            .transactional_id_prefix(&orders.prefix)
            .build()
            .unwrap(),
    );
    let context = CommitterContext {
        job: Arc::new(JobInfo::for_tests()),
        name: "sink".into(),
        uid: "operator".into(),
        subtask: None,
    };
    point(&orders, "before recover", durable.epoch);
    let former = Restored::from_stored(vec![snapshot_of(&durable.committables)]);
    recover(&*sink, &context, &former).unwrap();
    point(&orders, "after recover", durable.epoch);
    let parallelism = orders.parallelism;
    let open = |index| {
        let operator = SinkOperator::new(sink.clone());
        OperatorHarness::builder(operator).subtask(index, parallelism, 128).open().unwrap()
    };
    let mut subtasks: Vec<_> = (0..parallelism).map(open).collect();
    for epoch in durable.epoch + 1..=EPOCHS {
        let rows = durable.next_row..durable.next_row + ROWS_PER_EPOCH;
        for row in rows.clone() {
            subtasks[row as usize % parallelism].push(row.to_string(), 0).unwrap();
            if row == rows.start + ROWS_PER_EPOCH / 2 {
                point(&orders, "between rows", epoch);
            }
        }
        point(&orders, "before prepare", epoch);
        let mut committables = Vec::new();
        for (index, subtask) in subtasks.iter_mut().enumerate() {
            let snapshot = subtask.snapshot(epoch).unwrap();
            let own = Restored::from_stored(vec![snapshot]);
            committables.extend(own.list_union::<Committable>(STATE).unwrap());
            if index == 0 {
                point(&orders, "between prepares", epoch);
            }
        }
        point(&orders, "after prepare", epoch);
        durable = Durable { epoch, next_row: rows.end, committables };
        let new = orders.state.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(&durable).unwrap()).unwrap();
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
            std::thread::sleep(Duration::from_millis(300));
            point(&orders, "after commit", epoch);
        }
    }
    // The final checkpoint's notice reaches everybody.
    for subtask in &mut subtasks {
        subtask.complete_checkpoint(EPOCHS).unwrap();
        subtask.close().unwrap();
    }
    println!("\nAT end");
}

fn start(orders: &Orders) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_runs_the_sink", "--nocapture"])
        .env(CHILD, serde_json::to_string(orders).unwrap())
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

/// All rows that a read_committed reader sees, when every marker is written.
pub(crate) fn committed(topic: &Topic, partitions: i32) -> Vec<u64> {
    committed_at(&servers(), topic.name(), partitions)
}

/// The same, of another broker.
pub(crate) fn committed_at(servers: &str, topic: &str, partitions: i32) -> Vec<u64> {
    let consumer = |isolation: &str| -> BaseConsumer {
        rdkafka::ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "millstream-tests")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .create()
            .unwrap()
    };
    let (reader, all) = (consumer("read_committed"), consumer("read_uncommitted"));
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        let deadline = Instant::now() + PATIENCE;
        let end = |c: &BaseConsumer| c.fetch_watermarks(topic, partition, PATIENCE).unwrap().1;
        while end(&reader) < end(&all) {
            assert!(Instant::now() < deadline, "a transaction is open for good");
            std::thread::sleep(Duration::from_millis(50));
        }
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&list).unwrap();
    let (mut rows, mut ended) = (Vec::new(), 0);
    let deadline = Instant::now() + PATIENCE;
    while ended < partitions {
        assert!(Instant::now() < deadline);
        match reader.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(m)) => {
                rows.push(std::str::from_utf8(m.payload().unwrap()).unwrap().parse().unwrap());
            }
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("{error}"),
        }
    }
    rows.sort_unstable();
    rows
}

fn assert_each_once(topic: &Topic, partitions: i32) {
    let rows = committed(topic, partitions);
    let expected: Vec<u64> = (0..EPOCHS * ROWS_PER_EPOCH).collect();
    let lost = expected.iter().filter(|r| rows.binary_search(r).is_err()).count();
    let doubled = rows.windows(2).filter(|w| w[0] == w[1]).count();
    assert_eq!((lost, doubled), (0, 0), "lost and doubled rows of {}", expected.len());
    assert_eq!(rows.len(), expected.len());
}

fn orders(name: &str, topic: &Topic) -> (Orders, Cleanup) {
    let prefix = unique(name);
    let folder = std::env::temp_dir().join(&prefix);
    std::fs::create_dir_all(&folder).unwrap();
    let orders = Orders {
        state: folder.join("checkpoint.json"),
        topic: topic.name().to_owned(),
        prefix: prefix.clone(),
        parallelism: 1,
        stop_at: None,
    };
    (orders, Cleanup { folder, _ledger: Topic(format!("{prefix}.ledger")) })
}

/// Folder and ledger of a test.
struct Cleanup {
    folder: PathBuf,
    _ledger: Topic,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn killed_at_every_named_point_each_row_is_there_once() {
    let topic = Topic::new("crash-points", 3);
    let (mut orders, _cleanup) = orders("crash-points", &topic);
    let points = [
        "between rows",
        "before prepare",
        "between prepares",
        "after prepare",
        "before commit",
        "during commit",
        "after commit",
        "before recover",
        "after recover",
    ];
    let (mut faults, mut parallelism) = (0, [1, 2, 3, 7].into_iter().cycle());
    // Twice round: every point is met with a restart of every kind before it.
    for point in points.iter().chain(points.iter().rev()) {
        let at = load(&orders.state).epoch + 2;
        let at = if point.ends_with("recover") { 0 } else { at };
        orders.stop_at = Some(((*point).to_owned(), at));
        orders.parallelism = parallelism.next().unwrap();
        assert_eq!(run_to_its_point(&orders), *point);
        faults += 1;
    }
    orders.stop_at = None;
    assert_eq!(run_to_its_point(&orders), "end");
    assert!(faults == 18 && load(&orders.state).epoch == EPOCHS);
    assert_each_once(&topic, 3);
}

#[test]
fn killed_at_random_moments_each_row_is_there_once() {
    let topic = Topic::new("crash-random", 3);
    let (mut orders, _cleanup) = orders("crash-random", &topic);
    let bytes = millstream_core::random_bytes::<12>().unwrap();
    for (round, byte) in bytes.into_iter().enumerate() {
        orders.parallelism = 1 + round % 3;
        let mut child = start(&orders);
        std::thread::sleep(Duration::from_millis(60 + 7 * u64::from(byte)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(run_to_its_point(&orders), "end");
    assert_each_once(&topic, 3);
}
