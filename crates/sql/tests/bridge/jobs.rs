//! State of such a job over a savepoint; statement sets; what is refused.

use crate::support::*;
use millstream_connectors::CollectSink;
use millstream_datastream::{JobArgs, StreamExecutionEnvironment};
use millstream_runtime::WatermarkStrategy;
use millstream_runtime::checkpoint::{MemoryCheckpoints, Request, Stop};
use millstream_runtime::snapshot::SnapshotKind;
use millstream_sql::bridge::{RowKind, Schema, StreamTableEnvironment};
use millstream_testkit::MiniCluster;
use std::sync::atomic::Ordering;

/// Sums by key in SQL, and a count of the changes by key behind it in the DataStream API:
/// stopped with a savepoint in the middle and started again, twice, at other parallelisms and
/// in two processes.
#[test]
fn a_job_of_both_kinds_goes_on_from_its_savepoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut all: Vec<(String, i64, u64)> = vec![];
    let mut path: Option<String> = None;
    for (attempt, (workers, processes)) in [(2, 1), (1, 2), (3, 1)].into_iter().enumerate() {
        let args = JobArgs { from_savepoint: path.take(), processes: 1, ..JobArgs::default() };
        let env = StreamExecutionEnvironment::with_args(args);
        env.set_parallelism(workers * processes);
        env.set_checkpoint_storage(MemoryCheckpoints::new().storage());
        let tables = StreamTableEnvironment::create(&env);
        let records = (0..300).map(|n: i64| ((format!("k{}", n % 7), n), n));
        let script =
            Script::new(records).stop_at(if attempt == 2 { 300 } else { 100 * (attempt + 1) });
        let given = script.given();
        let stream = env
            .from_source(script, WatermarkStrategy::for_monotonous_timestamps(), "script")
            .uid("script");
        let schema = Schema::new_builder().column("k", "STRING").column("n", "BIGINT").build();
        tables.create_temporary_view("t", &stream, schema).unwrap();
        let sums = tables.sql_query("SELECT k, SUM(n) AS s FROM t GROUP BY k").unwrap();
        let counted = tables
            .to_changelog_stream_as::<(String, i64)>(&sums)
            .unwrap()
            .filter(|(kind, _)| kind.is_add())
            .key_by(|(_, (k, _))| k.clone())
            .map_with_state(|count: &mut Option<u64>, (_, (k, s)): (RowKind, (String, i64))| {
                *count.get_or_insert_default() += 1;
                (k, s, count.unwrap_or_default())
            })
            .uid("count");
        let sink = CollectSink::new();
        let seen = sink.handle();
        counted.sink_to(sink).uid("sink");
        let job = MiniCluster::new(workers).processes(processes).start(&env, "both").unwrap();
        if attempt < 2 {
            wait_until("records", || given.load(Ordering::SeqCst) >= 100);
            let request = Request::Savepoint {
                kind: SnapshotKind::CanonicalSavepoint,
                directory: Some(folder.path().to_str().unwrap().to_owned()),
                stop: Some(Stop::Suspend),
            };
            path = Some(job.handle().request(request).recv().unwrap().unwrap());
        }
        job.wait().unwrap();
        all.extend(seen.take());
    }
    assert_eq!(all.len(), 300, "every record changed its sum once");
    for key in 0..7 {
        let of_key: Vec<i64> = (0..300).filter(|n| n % 7 == key).collect();
        let want = (format!("k{key}"), of_key.iter().sum::<i64>(), of_key.len() as u64);
        assert!(all.contains(&want), "{want:?}");
    }
}

#[test]
fn inserts_of_a_statement_set_are_part_of_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = Schema::new_builder().column("n", "INT").build();
    tables.create_temporary_view("numbers", &plain(&env, [1, 2, 3]), schema).unwrap();
    for name in ["odd", "even"] {
        let path = folder.path().join(name);
        let create = format!(
            "CREATE TABLE {name} (n INT) WITH ('connector' = 'filesystem', 'path' = '{}', \
             'format' = 'csv')",
            path.display()
        );
        tables.execute_sql(&create).unwrap();
    }
    let error = tables.execute_sql("INSERT INTO odd SELECT n FROM numbers").map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("stream of another job"), "{error}");
    assert!(error.contains("attach_as_data_stream"), "{error}");
    tables
        .create_statement_set()
        .add_insert_sql("INSERT INTO odd SELECT n FROM numbers WHERE n % 2 = 1")
        .unwrap()
        .add_insert_sql("INSERT INTO even SELECT n FROM numbers WHERE n % 2 = 0")
        .unwrap()
        .attach_as_data_stream()
        .unwrap();
    env.execute("both").unwrap();
    let read = |name: &str| {
        let files = std::fs::read_dir(folder.path().join(name)).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.collect::<String>()
    };
    assert_eq!((read("odd").as_str(), read("even").as_str()), ("1\n3\n", "2\n"));
}

#[test]
fn what_is_wrong_is_refused_before_the_job_runs() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = || Schema::new_builder().column("n", "INT").build();
    let numbers = plain(&env, [1]);
    tables.create_temporary_view("numbers", &numbers, schema()).unwrap();
    let other = environment();
    let says = |result: millstream_core::Result<()>, parts: &[&str]| {
        let error = result.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    };
    says(tables.create_temporary_view("numbers", &numbers, schema()), &["already exists"]);
    says(
        tables.create_temporary_view("n2", &plain(&other, [1]), schema()),
        &["belongs to another environment"],
    );
    says(tables.sql_query("SELECT nn FROM numbers").map(|_| ()), &["'n'", "line 1, column 8"]);
    says(tables.sql_query("SHOW TABLES").map(|_| ()), &["no query"]);
    says(tables.sql_query("SELECT 1; SELECT 2").map(|_| ()), &["one statement"]);
    says(tables.from("nothing").map(|_| ()), &["nothing"]);
    says(
        tables.create_statement_set().add_insert_sql("INSERT INTO numbers SELECT 1").map(|_| ()),
        &["cannot be written"],
    );
    says(
        tables.set("execution.checkpointing.interval", "1s"),
        &["option of the job", "StreamExecutionEnvironment"],
    );
    tables.set("table.exec.state.ttl", "1 h").unwrap();
    let create = "CREATE TABLE f (t TIMESTAMP(3), WATERMARK FOR t AS SOURCE_WATERMARK()) WITH \
                  ('connector' = 'datagen')";
    tables.execute_sql(create).unwrap();
    says(tables.from("f").map(|_| ()), &["SOURCE_WATERMARK()", "INTERVAL"]);
}
