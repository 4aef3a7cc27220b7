//! A broker that is killed and comes back, on a port of its own, under the exactly-once sink.
//!
//! The test plays the runtime: an attempt that fails starts again from the last durable
//! checkpoint. Invariant: every row is there exactly once, whenever the broker was away.

use crate::broker::{PATIENCE, unique};
use crate::crash::committed_at;
use millstream_core::Result;
use millstream_kafka::{DeliveryGuarantee, KafkaSink, ser};
use millstream_runtime::sink::recover;
use millstream_runtime::{CommitterContext, JobInfo, Restored, SinkOperator, StoredState};
use millstream_testkit::OperatorHarness;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A broker of this test alone, of the same installation as the shared one.
struct Broker {
    address: String,
    home: PathBuf,
}

impl Broker {
    fn start() -> Broker {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka");
        let run = |command: &mut Command| {
            let done = command.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run(Command::new(script).arg("install").env_remove("MILLSTREAM_KAFKA"));
        let shared = std::env::var_os("MILLSTREAM_KAFKA_HOME").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.kafka"),
            PathBuf::from,
        );
        let home = std::env::temp_dir().join(unique("broker"));
        std::fs::create_dir_all(&home).unwrap();
        for entry in std::fs::read_dir(shared.canonicalize().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_owned();
            if name.to_string_lossy().starts_with("libs-") {
                std::os::unix::fs::symlink(&path, home.join(name)).unwrap();
            }
        }
        // The controller takes the port behind the broker's.
        let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).ok();
        let port = (20_000..30_000)
            .step_by(7)
            .map(|port| port + (std::process::id() % 1000) as u16)
            .find(|port| free(*port).is_some() && free(port + 1).is_some())
            .unwrap();
        let broker = Broker { address: format!("127.0.0.1:{port}"), home };
        broker.up();
        broker
    }
    fn script(&self, command: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka");
        let done = Command::new(script)
            .arg(command)
            .env("MILLSTREAM_KAFKA", &self.address)
            .env("MILLSTREAM_KAFKA_HOME", &self.home)
            .env("MILLSTREAM_KAFKA_HEAP", "256m")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    fn up(&self) {
        self.script("start");
    }
    fn kill(&self) {
        let pid = std::fs::read_to_string(self.home.join("broker.pid")).unwrap();
        Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
        // Gone only when nobody answers: the script uses a broker that is there as it is.
        while std::net::TcpStream::connect(&self.address).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.script("stop");
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

type Harness = OperatorHarness<SinkOperator<String>>;

struct Attempt {
    sink: Arc<KafkaSink<String>>,
    durable: Vec<StoredState>,
    next_row: u64,
    epoch: u64,
}

impl Attempt {
    fn start(&self) -> Result<Harness> {
        let context = CommitterContext {
            job: Arc::new(JobInfo::for_tests()),
            name: "sink".into(),
            uid: "operator".into(),
            subtask: None,
        };
        recover(&*self.sink, &context, &Restored::from_stored(self.durable.clone()))?;
        OperatorHarness::builder(SinkOperator::new(self.sink.clone())).open()
    }
    /// One epoch; the checkpoint is durable when this returns well.
    fn epoch(&mut self, harness: &mut Harness) -> Result<()> {
        let epoch = self.epoch + 1;
        for row in self.next_row..self.next_row + 50 {
            harness.push(row.to_string(), 0)?;
        }
        let snapshot = harness.snapshot(epoch)?;
        self.durable = vec![snapshot];
        self.epoch = epoch;
        self.next_row += 50;
        harness.complete_checkpoint(epoch)
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing() {
    let broker = Broker::start();
    let topic = unique("outage");
    crate::broker::create_at(&broker.address, &topic, 2);
    let sink = KafkaSink::<String>::builder()
        .bootstrap_servers(&broker.address)
        .topic(&topic)
        .value(ser::string())
        .delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
        .transactional_id_prefix(unique("outage"))
        .connect_timeout(PATIENCE);
    let sink = Arc::new(sink.build().unwrap());
    let mut job = Attempt { sink, durable: vec![], next_row: 0, epoch: 0 };
    let mut harness = job.start().unwrap();
    let deadline = Instant::now() + 4 * PATIENCE;
    for away in [Duration::ZERO, Duration::from_secs(1)] {
        // Killed while commits are on their way, and away for a while.
        for _ in 0..3 {
            job.epoch(&mut harness).unwrap();
        }
        broker.kill();
        std::thread::sleep(away);
        let returns = std::thread::scope(|scope| {
            let up = scope.spawn(|| broker.up());
            while let Err(error) = job.epoch(&mut harness) {
                assert!(Instant::now() < deadline, "{error}");
                // As the runtime does: what the failed attempt has is left alone.
                harness = loop {
                    match job.start() {
                        Ok(harness) => break harness,
                        Err(error) => assert!(Instant::now() < deadline, "{error}"),
                    }
                };
            }
            up.join()
        });
        returns.unwrap();
    }
    harness.close().unwrap();
    let rows = committed_at(&broker.address, &topic, 2);
    assert!(rows.into_iter().eq(0..job.next_row), "{} rows", job.next_row);
}
