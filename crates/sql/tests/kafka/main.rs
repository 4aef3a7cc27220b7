//! Topics as tables, against a real broker (`scripts/kafka start`). Needs the feature `kafka`.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used)]

use millstream_sql::session::{Outcome, Session};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

fn servers() -> String {
    std::env::var("MILLSTREAM_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".into())
}

/// Makes a topic under a name that no other run uses.
fn topic(name: &str) -> String {
    let place = 0_u8;
    let salt = std::ptr::from_ref(&place) as usize as u32;
    let name = format!("sql-{name}-{}-{salt:x}", std::process::id());
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let new = NewTopic::new(&name, 2, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new());
    futures_executor::block_on(made).unwrap().remove(0).unwrap();
    name
}

/// The rows of the script's last query, sorted.
fn rows(script: &str) -> Vec<String> {
    let mut session = Session::new();
    session.settings_mut().set("parallelism.default", "2").unwrap();
    let mut rows = vec![];
    let ran = session.run(script, |outcome| {
        if let Outcome::Query(query) = outcome {
            rows = query.collect()?.rows;
        }
        Ok(())
    });
    ran.unwrap_or_else(|e| panic!("{e}"));
    let text = |row: &millstream_sql::session::Row| {
        let values = row.values.iter().map(|v| v.clone().unwrap_or("null".into()));
        std::iter::once(row.change.to_string()).chain(values).collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<String> = rows.iter().map(text).collect();
    rows.sort();
    rows
}

fn common(topic: &str) -> String {
    format!("'topic' = '{topic}', 'properties.bootstrap.servers' = '{}'", servers())
}

#[test]
fn rows_with_keys_and_metadata_go_out_and_come_back() {
    let name = topic("append");
    let common = common(&name);
    let script = format!(
        "CREATE TABLE t (k_id INT, v STRING, sent TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
           part INT METADATA FROM 'partition' VIRTUAL) WITH ('connector' = 'kafka', {common},
           'key.format' = 'json', 'key.fields' = 'k_id', 'key.fields-prefix' = 'k_',
           'value.format' = 'json', 'value.fields-include' = 'EXCEPT_KEY',
           'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
         INSERT INTO t VALUES (1, 'a', TO_TIMESTAMP_LTZ(1700000000000, 3)),
           (2, CAST(NULL AS STRING), TO_TIMESTAMP_LTZ(1700000001500, 3));
         SELECT k_id, v, sent, part >= 0 FROM t;"
    );
    assert_eq!(
        rows(&script),
        ["+I 1 a 2023-11-14 22:13:20.000 TRUE", "+I 2 null 2023-11-14 22:13:21.500 TRUE"]
    );
}

#[test]
fn the_latest_row_of_each_key() {
    let name = topic("upsert");
    let common = common(&name);
    let script = format!(
        "CREATE TABLE t (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
           'connector' = 'upsert-kafka', {common}, 'key.format' = 'json', 'value.format' = 'json',
           'scan.bounded.mode' = 'latest-offset');
         INSERT INTO t SELECT k, COUNT(*) FROM (VALUES ('a'), ('b'), ('a'), ('a')) AS v(k) GROUP BY k;
         SELECT MAX(n), COUNT(*) FROM t;"
    );
    let last = rows(&script);
    assert!(last.iter().any(|row| row.ends_with(" 3 2")), "{last:?}");
}

#[cfg(feature = "avro")]
#[test]
fn records_of_avro() {
    let name = topic("avro");
    let common = common(&name);
    let script = format!(
        "CREATE TABLE t (k BIGINT NOT NULL, v ROW<a INT, b ARRAY<STRING>>, p TIMESTAMP(3)) WITH (
           'connector' = 'kafka', {common}, 'format' = 'avro',
           'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
         INSERT INTO t VALUES (1, ROW(2, ARRAY['x']), TIMESTAMP '2024-02-29 01:02:03.5'),
           (-1, CAST(NULL AS ROW<a INT, b ARRAY<STRING>>), CAST(NULL AS TIMESTAMP(3)));
         SELECT * FROM t;"
    );
    assert_eq!(rows(&script), ["+I -1 null null", "+I 1 (2, [x]) 2024-02-29 01:02:03.500"]);
    // Another table over the same bytes: what does not fit is named with its place.
    let script = format!(
        "CREATE TABLE t (k STRING NOT NULL) WITH ('connector' = 'kafka', {common},
           'format' = 'avro', 'scan.startup.mode' = 'earliest-offset',
           'scan.bounded.mode' = 'latest-offset');
         SELECT * FROM t;"
    );
    let mut session = Session::new();
    let failed = session.run(&script, |outcome| match outcome {
        Outcome::Query(query) => query.collect().map(|_| ()),
        _ => Ok(()),
    });
    let error = failed.unwrap_err().to_string();
    // The row of -1 is read as text of that length.
    for part in [&name, ", offset ", "a negative length", "byte 1 of a message of 3"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
