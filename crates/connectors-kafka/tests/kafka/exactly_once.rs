//! Whole jobs with the exactly-once sink: ends, cancels, restarts at other parallelisms.

use crate::broker::{PATIENCE, Topic, servers, unique};
use crate::crash::committed;
use millstream_connectors::DataGenSource;
use millstream_core::ErrorKind;
use millstream_datastream::StreamExecutionEnvironment;
use millstream_kafka::{DeliveryGuarantee, KafkaSink, KafkaSinkBuilder, ser};
use millstream_runtime::checkpoint::MemoryCheckpoints;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_testkit::MiniCluster;
use std::time::{Duration, Instant};

const ROWS: u64 = 3000;

fn sink(topic: &Topic, prefix: &str) -> KafkaSinkBuilder<String> {
    KafkaSink::builder()
        .bootstrap_servers(servers())
        .topic(topic.name())
        .value(ser::string())
        .delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
        .transactional_id_prefix(prefix)
}

/// Numbers up to [`ROWS`], over the sink; slowly, when `rate` says so.
fn job(
    checkpoints: &MemoryCheckpoints,
    sink: KafkaSink<String>,
    rate: Option<f64>,
) -> StreamExecutionEnvironment {
    let env = StreamExecutionEnvironment::new();
    env.enable_checkpointing(Duration::from_millis(100));
    env.set_checkpoint_storage(checkpoints.storage());
    let mut source = DataGenSource::new(|n, _| n.to_string()).number_of_rows(ROWS);
    if let Some(rate) = rate {
        source = source.rows_per_second(rate);
    }
    env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers")
        .uid("numbers")
        .sink_to(sink)
        .uid("sink");
    env
}

#[test]
fn a_bounded_job_has_written_each_record_once_when_it_has_ended() {
    for processes in [1, 2] {
        let (topic, prefix) = (Topic::new("job-ends", 2), unique("job-ends"));
        let _ledger = Topic(format!("{prefix}.ledger"));
        let env = job(&MemoryCheckpoints::new(), sink(&topic, &prefix).build().unwrap(), None);
        MiniCluster::new(2).processes(processes).execute(&env, "ends").unwrap();
        assert!(committed(&topic, 2).into_iter().eq(0..ROWS));
    }
}

#[test]
fn a_job_that_is_cancelled_again_and_again_writes_each_record_once() {
    let (topic, prefix) = (Topic::new("job-cancel", 2), unique("job-cancel"));
    let _ledger = Topic(format!("{prefix}.ledger"));
    let checkpoints = MemoryCheckpoints::new();
    let sink = || sink(&topic, &prefix).build().unwrap();
    for workers in [1, 3, 2] {
        let before = checkpoints.latest();
        let env = job(&checkpoints, sink(), Some(1000.0));
        let running = MiniCluster::new(workers).start(&env, "cancel").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while checkpoints.latest() == before && !running.is_finished() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
        running.handle().cancel();
        if let Err(error) = running.wait() {
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        }
    }
    let env = job(&checkpoints, sink(), None);
    MiniCluster::new(2).execute(&env, "cancel").unwrap();
    assert!(committed(&topic, 2).into_iter().eq(0..ROWS));
}

#[test]
fn what_cannot_work_is_refused_before_data_flows() {
    let topic = Topic::new("job-refused", 1);
    let prefix = unique("job-refused");
    let checkpoints = MemoryCheckpoints::new();
    let refused = |env: &StreamExecutionEnvironment| {
        let error = MiniCluster::new(1).execute(env, "refused").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        error.to_string()
    };
    let short = sink(&topic, &prefix).transaction_timeout(Duration::from_secs(60));
    let text = refused(&job(&checkpoints, short.build().unwrap(), None));
    assert!(text.contains("transaction_timeout of 60 s is shorter"), "{text}");
    let env = StreamExecutionEnvironment::new();
    let source = DataGenSource::new(|n, _| n.to_string()).number_of_rows(1);
    env.from_source(source, WatermarkStrategy::no_watermarks(), "one")
        .sink_to(sink(&topic, &prefix).build().unwrap());
    assert!(refused(&env).contains("enable_checkpointing"));
    env.enable_checkpointing(Duration::from_secs(1));
    assert!(refused(&env).contains("set_checkpoint_directory"));
    let env = job(&checkpoints, sink(&topic, &prefix).build().unwrap(), None);
    let source = DataGenSource::new(|n, _| n.to_string()).number_of_rows(1);
    env.from_source(source, WatermarkStrategy::no_watermarks(), "one")
        .sink_to(sink(&topic, &prefix).build().unwrap())
        .name("second");
    let text = refused(&env);
    assert!(text.contains("'sink' and 'second' both have transactional_id_prefix"), "{text}");
    assert_eq!(topic.read().len(), 0);
}
