//! What the real broker does with the protocol that exactly once stands on.
//!
//! A child process (this test binary again) opens a transaction, flushes, and is killed with
//! signal 9; everything else happens from here. docs/decisions/0005 has what was seen.

use super::{Ended, RawCluster};
use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const CHILD: &str = "MILLSTREAM_TEST_TRANSACTION";

fn servers() -> String {
    std::env::var("MILLSTREAM_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".into())
}

fn cluster() -> RawCluster {
    RawCluster::new(&servers(), PATIENCE)
}

fn unique(name: &str) -> String {
    let bytes = millstream_core::random_bytes::<6>().unwrap();
    let salt: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("mt-raw-{name}-{salt}")
}

/// Opens a transaction of `records` records, and keeps it open.
fn open_transaction(id: &str, topic: &str, records: usize, timeout_ms: u64) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("transactional.id", id)
        .set("transaction.timeout.ms", timeout_ms.to_string())
        .set("message.timeout.ms", timeout_ms.to_string())
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    for n in 0..records {
        producer
            .send(BaseRecord::<str, str>::to(topic).payload(&n.to_string()).partition(0))
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer
}

/// The child's part; does nothing in an ordinary run.
#[test]
fn child_opens_a_transaction() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let [id, topic, records, timeout_ms] = what.split('|').collect::<Vec<_>>()[..] else {
        panic!("{what}")
    };
    let records = records.parse().unwrap();
    let _open = open_transaction(id, topic, records, timeout_ms.parse().unwrap());
    println!("\nOPEN");
    std::thread::sleep(PATIENCE);
}

/// Lets a child open a transaction and kills it.
fn opened_by_the_dead(id: &str, topic: &str, records: usize, timeout_ms: u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "raw::tests::child_opens_a_transaction", "--nocapture"])
        .env(CHILD, format!("{id}|{topic}|{records}|{timeout_ms}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut opened = false;
    for line in lines {
        if line.unwrap() == "OPEN" {
            opened = true;
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(opened, "the child has ended");
}

/// Values that a read_committed reader sees.
fn committed(topic: &str) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers())
        .set("group.id", "millstream-tests")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut values = Vec::new();
    loop {
        assert!(Instant::now() < deadline);
        match consumer.poll(Duration::from_secs(1)) {
            None => {}
            Some(Ok(m)) => values.push(String::from_utf8_lossy(m.payload().unwrap()).into_owned()),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return values,
            Some(Err(error)) => panic!("{error}"),
        }
    }
}

/// Markers are written after EndTxn has answered.
fn eventually_committed(topic: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while committed(topic).len() != count {
        assert!(Instant::now() < deadline, "{:?}", committed(topic));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A topic that is deleted at the end of the test.
struct Topic(String);

impl std::ops::Deref for Topic {
    type Target = String;
    fn deref(&self) -> &String {
        &self.0
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", servers()).create().unwrap();
        let _ = block_on(admin.delete_topics(&[&self.0], &AdminOptions::new()));
    }
}

fn topic(name: &str) -> Topic {
    let topic = unique(name);
    cluster().create_topic(&topic, &[]).unwrap();
    Topic(topic)
}

#[test]
fn a_transaction_of_a_killed_process_is_committed_from_another_once_and_again() {
    let (id, topic) = (unique("commit"), topic("commit"));
    opened_by_the_dead(&id, &topic, 10, 300_000);
    let mut cluster = cluster();
    let described = cluster.describe_transactions(&[&id, "mt-no-such-id"]).unwrap();
    let open = described[0].clone().unwrap();
    eprintln!("after kill -9: {open:?}");
    assert_eq!((open.state.as_str(), &open.topics), ("Ongoing", &vec![topic.clone()]));
    assert!(open.start_ms > 0);
    assert_eq!(described[1], None);
    let listed = cluster.open_transactions(&id).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].producer_id, open.producer_id);
    assert_eq!(committed(&topic), Vec::<String>::new());

    let (pid, epoch) = (open.producer_id, open.producer_epoch);
    let wrong = cluster.end_transaction(&id, pid, epoch + 1, true).unwrap();
    eprintln!("commit with the next epoch: {wrong:?}");
    assert!(matches!(wrong, Ended::Unclear(_)));
    let wrong = cluster.end_transaction(&id, pid + 1, epoch, true).unwrap();
    eprintln!("commit with another producer id: {wrong:?}");
    assert!(matches!(wrong, Ended::Unclear(_)));
    assert_eq!(cluster.end_transaction(&id, pid, epoch, true).unwrap(), Ended::Done);
    assert_eq!(cluster.end_transaction(&id, pid, epoch, true).unwrap(), Ended::Done, "again");
    eventually_committed(&topic, 10);
    let after = cluster.describe_transactions(&[&id]).unwrap();
    eprintln!("after the commit: {:?}", after[0]);
    assert_eq!(cluster.open_transactions(&id).unwrap(), []);
    let aborted = cluster.end_transaction(&id, pid, epoch, false).unwrap();
    eprintln!("abort of a committed one: {aborted:?}");
    assert!(matches!(aborted, Ended::Unclear(_)));
    assert_eq!(cluster.end_transaction(&id, pid, epoch, true).unwrap(), Ended::Done);
    let next = cluster.init_producer_id(&id, PATIENCE).unwrap();
    eprintln!("next producer after ({pid}, {epoch}): {next:?}");
    assert_ne!(next, (pid, epoch));
    let late = cluster.end_transaction(&id, pid, epoch, true).unwrap();
    eprintln!("commit after the id has a new producer: {late:?}");
    assert!(matches!(late, Ended::Unclear(_)));
    eventually_committed(&topic, 10);
}

#[test]
fn an_empty_transaction_cannot_be_committed() {
    let (id, topic) = (unique("empty"), topic("empty"));
    opened_by_the_dead(&id, &topic, 0, 300_000);
    let mut cluster = cluster();
    let open = cluster.describe_transactions(&[&id]).unwrap().remove(0).unwrap();
    eprintln!("without records: {open:?}");
    assert_eq!(open.state, "Empty");
    let ended = cluster.end_transaction(&id, open.producer_id, open.producer_epoch, true).unwrap();
    eprintln!("commit of an empty one: {ended:?}");
    assert!(matches!(ended, Ended::Unclear(_)));
}

#[test]
fn a_new_producer_of_the_id_aborts_what_is_open() {
    let (id, topic) = (unique("fence"), topic("fence"));
    opened_by_the_dead(&id, &topic, 10, 300_000);
    let mut cluster = cluster();
    let open = cluster.describe_transactions(&[&id]).unwrap().remove(0).unwrap();
    let fenced = cluster.init_producer_id(&id, Duration::from_secs(60)).unwrap();
    eprintln!("({}, {}) fenced by {fenced:?}", open.producer_id, open.producer_epoch);
    let ended = cluster.end_transaction(&id, open.producer_id, open.producer_epoch, true).unwrap();
    eprintln!("commit after it was fenced: {ended:?}");
    assert!(matches!(ended, Ended::Unclear(_)));
    assert_eq!(cluster.open_transactions(&id).unwrap(), []);
    assert_eq!(committed(&topic), Vec::<String>::new());
}

#[test]
fn a_transaction_past_its_timeout_is_aborted_by_the_broker() {
    let (id, topic) = (unique("timeout"), topic("timeout"));
    opened_by_the_dead(&id, &topic, 10, 1000);
    let mut cluster = cluster();
    let open = cluster.describe_transactions(&[&id]).unwrap().remove(0).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !cluster.open_transactions(&id).unwrap().is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = cluster.end_transaction(&id, open.producer_id, open.producer_epoch, true).unwrap();
    let after = cluster.describe_transactions(&[&id]).unwrap();
    eprintln!("commit after the timeout: {ended:?}; was {open:?}, is {:?}", after[0]);
    assert!(matches!(ended, Ended::Unclear(_)));
    assert_eq!(committed(&topic), Vec::<String>::new());
}

#[test]
fn a_timeout_above_the_brokers_limit_is_refused_by_name() {
    let day = Duration::from_secs(86_400);
    let error = cluster().init_producer_id(&unique("long"), day).unwrap_err();
    assert!(error.to_string().contains("transaction.max.timeout.ms"), "{error}");
}

#[test]
fn dropping_the_client_leaves_the_transaction_open() {
    let (id, topic) = (unique("drop"), topic("drop"));
    drop(open_transaction(&id, &topic, 3, 60_000));
    let mut cluster = cluster();
    let open = cluster.describe_transactions(&[&id]).unwrap().remove(0).unwrap();
    assert_eq!(open.state, "Ongoing");
    let ended = cluster.end_transaction(&id, open.producer_id, open.producer_epoch, true).unwrap();
    assert_eq!(ended, Ended::Done);
    eventually_committed(&topic, 3);
}

#[test]
fn a_broker_that_is_not_there_ends_in_an_error_within_the_timeout() {
    let mut cluster = RawCluster::new("127.0.0.1:1", Duration::from_millis(300));
    let error = cluster.describe().unwrap_err();
    assert!(error.to_string().contains("no success within 0.3 s"), "{error}");
}

#[test]
fn an_answer_that_is_too_large_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        while let Ok((mut stream, _)) = listener.accept() {
            if stream.write_all(&u32::MAX.to_be_bytes()).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let error = RawCluster::new(&address, Duration::from_millis(300)).describe().unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    drop(server); // it waits for connections until the process ends
}
