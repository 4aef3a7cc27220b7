//! The sink's transactions against a real broker: restarts, zombies, lost transactions.

use super::committable::Transaction;
use super::ledger;
use crate::raw::RawCluster;
use crate::{DeliveryGuarantee, KafkaSink, ser};
use futures_executor::block_on;
use millstream_core::{ErrorKind, Result};
use millstream_runtime::sink::recover;
use millstream_runtime::{
    Committable, CommitterContext, JobInfo, OperatorSnapshot, Restored, SinkOperator, StoredState,
};
use millstream_testkit::OperatorHarness;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn servers() -> String {
    std::env::var("MILLSTREAM_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".into())
}
fn cluster() -> RawCluster {
    RawCluster::new(&servers(), PATIENCE)
}
fn unique(name: &str) -> String {
    let salt = millstream_core::random_bytes::<16>().unwrap();
    format!("mt-{name}-{}", super::committable::hex(&salt[..6]))
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

type Harness = OperatorHarness<SinkOperator<String>>;

/// A sink with a topic and a prefix of its own.
#[derive(Clone)]
struct Fixture {
    prefix: String,
    topic: String,
    job: JobInfo,
    timeout: Duration,
    skip_lost: bool,
    _topics: Arc<Topics>,
}

/// Deleted at the end of the test.
struct Topics([String; 2]);

impl Drop for Topics {
    fn drop(&mut self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", servers()).create().unwrap();
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        let _ = block_on(admin.delete_topics(&names, &AdminOptions::new()));
    }
}

impl Fixture {
    fn new(name: &str) -> Self {
        let prefix = unique(name);
        let topic = format!("{prefix}-out");
        cluster().create_topic(&topic, &[]).unwrap();
        let job = JobInfo {
            name: "a".into(),
            checkpoint_interval_ms: Some(100),
            checkpoint_timeout_ms: 100,
            checkpoints_stored: true,
            restored_epoch: None,
            ..JobInfo::for_tests()
        };
        let _topics = Arc::new(Topics([topic.clone(), format!("{prefix}.ledger")]));
        Fixture { prefix, topic, job, timeout: PATIENCE, skip_lost: false, _topics }
    }
    fn job(mut self, name: &str) -> Self {
        self.job.name = name.into();
        self
    }
    fn sink(&self) -> KafkaSink<String> {
        KafkaSink::builder()
            .bootstrap_servers(servers())
            .topic(&self.topic)
            .value(ser::string())
            .delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
            .transactional_id_prefix(&self.prefix)
            .transaction_timeout(self.timeout)
            .recovery_time(Duration::from_millis(100))
            .skip_lost_transactions(self.skip_lost)
            .build()
            .unwrap()
    }
    fn recover(&self, former: &[StoredState]) -> Result<()> {
        let context = CommitterContext {
            job: Arc::new(self.job.clone()),
            name: "sink".into(),
            uid: "operator".into(), // as the harness says
            subtask: None,
        };
        recover(&self.sink(), &context, &Restored::from_stored(former.to_vec()))
    }
    fn open(&self) -> Harness {
        let operator = SinkOperator::new(Arc::new(self.sink()));
        OperatorHarness::builder(operator).job(self.job.clone()).open().unwrap()
    }
    /// What read_committed readers see, when nothing is on its way any more.
    fn rows(&self) -> Vec<String> {
        let sink = self.sink();
        let mut rows = Vec::new();
        eventually("markers are written", || {
            let (stable, high) = ledger::ends(sink.properties(), &self.topic).unwrap();
            stable == high
        });
        ledger::each(sink.properties(), &self.topic, |record| {
            use rdkafka::message::Message as _;
            rows.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap());
        })
        .unwrap();
        rows
    }
    fn open_transactions(&self) -> usize {
        cluster().open_transactions(&self.prefix).unwrap().len()
    }
}

fn transactions(snapshot: &StoredState) -> Vec<Transaction> {
    let restored = Restored::from_stored(vec![snapshot.clone()]);
    let all: Vec<Committable> = restored.list_union("sink-committables").unwrap();
    all.iter().map(|c| Transaction::decode(c).unwrap()).collect()
}

#[test]
fn records_are_visible_with_their_checkpoint_and_slots_are_used_again() {
    let sink = Fixture::new("visible");
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    let mut slots = std::collections::BTreeSet::new();
    for epoch in 1..=12u64 {
        harness.push(format!("r{epoch}"), 0).unwrap();
        let snapshot = harness.snapshot(epoch).unwrap();
        let last = transactions(&snapshot).pop().unwrap();
        slots.insert(last.id);
        if epoch == 1 {
            assert_eq!(sink.open_transactions(), 1);
        }
        harness.complete_checkpoint(epoch).unwrap();
        eventually("the commit", || sink.open_transactions() == 0);
    }
    assert!(slots.len() <= 6, "{slots:?}");
    let mut epoch = 12;
    eventually("an epoch without records lists nothing", || {
        epoch += 1;
        harness.snapshot(epoch).unwrap().is_empty()
    });
    harness.push("never prepared".into(), 0).unwrap();
    harness.close().unwrap();
    eventually("close aborts what no checkpoint knows", || sink.open_transactions() == 0);
    assert_eq!(sink.rows(), (1..=12).map(|n| format!("r{n}")).collect::<Vec<_>>());
}

#[test]
fn a_restart_commits_what_is_listed_and_aborts_what_is_not() {
    let sink = Fixture::new("restart");
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    harness.snapshot(1).unwrap();
    harness.push("two".into(), 0).unwrap();
    let durable = harness.snapshot(2).unwrap();
    harness.push("three".into(), 0).unwrap();
    harness.snapshot(3).unwrap(); // prepared, and its checkpoint is never durable
    harness.push("four".into(), 0).unwrap();
    drop(harness); // as a crash does: nothing is closed
    assert!(sink.open_transactions() >= 3);
    for _ in 0..2 {
        sink.recover(std::slice::from_ref(&durable)).unwrap();
        assert_eq!(sink.open_transactions(), 0);
        assert_eq!(sink.rows(), ["one", "two"]);
    }
}

#[test]
fn a_commit_that_the_broker_has_forgotten_is_found_in_the_ledger() {
    let sink = Fixture::new("ledger");
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    let durable = harness.snapshot(1).unwrap();
    harness.complete_checkpoint(1).unwrap();
    harness.close().unwrap();
    // Another producer of the id: the broker answers "fenced", as after an abort.
    cluster().init_producer_id(&transactions(&durable)[0].id, PATIENCE).unwrap();
    sink.recover(&[durable]).unwrap();
    assert_eq!(sink.rows(), ["one"]);
}

#[test]
fn a_transaction_that_was_aborted_is_reported_as_lost() {
    let mut sink = Fixture::new("lost");
    sink.timeout = Duration::from_secs(1);
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    let durable = harness.snapshot(1).unwrap();
    drop(harness);
    eventually("the broker aborts it", || sink.open_transactions() == 0);
    let error = sink.recover(std::slice::from_ref(&durable)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let text = error.to_string();
    for part in ["TRANSACTION LOST", "writer 0 in checkpoint 1", "skip_lost_transactions"] {
        assert!(text.contains(part), "{text}");
    }
    sink.skip_lost = true;
    sink.recover(&[durable]).unwrap();
}

#[test]
fn a_transaction_that_times_out_before_its_barrier_fails_the_checkpoint() {
    let mut sink = Fixture::new("slow");
    sink.timeout = Duration::from_secs(1);
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    eventually("it is open", || sink.open_transactions() == 1);
    eventually("the broker aborts it", || sink.open_transactions() == 0);
    let error = harness.snapshot(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Restart, "{error}");
}

#[test]
fn another_job_with_the_prefix_is_refused_before_data_flows() {
    let sink = Fixture::new("shared");
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    let durable = harness.snapshot(1).unwrap();
    let other = sink.clone().job("b");
    let error = other.recover(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(&format!("'{}' is in use", sink.prefix)), "{text}");
    // The refused one has changed nothing.
    harness.complete_checkpoint(1).unwrap();
    harness.push("two".into(), 0).unwrap();
    harness.snapshot(2).unwrap();
    harness.complete_checkpoint(2).unwrap();
    harness.close().unwrap();
    assert_eq!(sink.rows(), ["one", "two"]);
    // A renamed job that brings the state is let in.
    other.recover(&[durable]).unwrap();
}

#[test]
fn a_zombie_fails_at_its_next_barrier_and_its_transactions_are_swept() {
    let sink = Fixture::new("zombie");
    sink.recover(&[]).unwrap();
    let mut zombie = sink.open();
    zombie.push("z1".into(), 0).unwrap();
    let durable = zombie.snapshot(1).unwrap();
    // The same job starts again while the old process lives.
    sink.recover(&[durable]).unwrap();
    let mut harness = sink.open();
    // Behind the sweep of the recovery:
    zombie.push("z2".into(), 0).unwrap();
    eventually("the zombie's transaction", || sink.open_transactions() == 1);
    harness.push("one".into(), 0).unwrap();
    harness.snapshot(2).unwrap();
    harness.complete_checkpoint(2).unwrap();
    harness.close().unwrap();
    assert_eq!(sink.open_transactions(), 0, "swept after the commit");
    let error = zombie.snapshot(2).unwrap_err();
    // Either it hears of its fenced producer first, or of the claim.
    assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::Restart), "{error}");
    drop(zombie);
    assert_eq!(sink.rows(), ["z1", "one"]);
}

/// A process that was stopped between its election and its recovery, and goes on too late.
#[test]
fn a_late_leader_leaves_the_transactions_of_its_successor_alone() {
    let late = Fixture::new("late");
    let mut sink = late.clone();
    sink.job.term = late.job.term + 1;
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    harness.snapshot(1).unwrap(); // and its checkpoint is durable
    let error = late.recover(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Restart, "{error}");
    assert!(error.to_string().contains("a later leader of this job (term 2)"), "{error}");
    harness.complete_checkpoint(1).unwrap();
    // The claim is untouched too: the successor goes on.
    harness.push("two".into(), 0).unwrap();
    harness.snapshot(2).unwrap();
    harness.complete_checkpoint(2).unwrap();
    harness.close().unwrap();
    assert_eq!(sink.rows(), ["one", "two"]);
}

#[test]
fn a_zombie_that_was_not_swept_hears_that_its_prefix_was_taken_over() {
    let sink = Fixture::new("takeover");
    sink.recover(&[]).unwrap();
    let mut zombie = sink.open();
    sink.recover(&[]).unwrap();
    zombie.push("z".into(), 0).unwrap();
    let error = zombie.snapshot(1).unwrap_err();
    assert!(error.to_string().contains("taken over by another job or attempt"), "{error}");
    drop(zombie);
    sink.recover(&[]).unwrap();
    assert_eq!(sink.rows(), [] as [&str; 0]);
}

#[test]
fn checkpoints_of_another_cluster_and_timeouts_above_the_limit_are_refused() {
    let sink = Fixture::new("refused");
    sink.recover(&[]).unwrap();
    let mut harness = sink.open();
    harness.push("one".into(), 0).unwrap();
    let mut transaction = transactions(&harness.snapshot(1).unwrap()).remove(0);
    drop(harness);
    transaction.cluster_id = "elsewhere".into();
    let committable = Committable {
        epoch: millstream_core::Epoch(1),
        writer: 0,
        payload: transaction.encode().unwrap(),
    };
    let mut snapshot = OperatorSnapshot::default();
    snapshot.put_list("sink-committables", &committable).unwrap();
    let error = sink.recover(&[snapshot.into_stored().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("cluster 'elsewhere'"), "{error}");
    assert_eq!(sink.open_transactions(), 1, "nothing was swept before it was refused");
    let long = Fixture { timeout: Duration::from_secs(86_400), ..sink.clone() };
    sink.recover(&[]).unwrap();
    let error = long.recover(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("transaction.max.timeout.ms"), "{error}");
    let mut short = sink.clone();
    short.job.checkpoint_interval_ms = Some(600_000);
    let error = short.recover(&[]).unwrap_err().to_string();
    assert!(error.contains("transaction_timeout of 60 s is shorter"), "{error}");
}
