//! A server that goes away and comes back, on a port of its own.

use crate::server::{PATIENCE, Row, eventually, job, recover_from, unique};
use millstream_core::{Batch, ErrorKind};
use millstream_jdbc::JdbcSink;
use millstream_runtime::SinkOperator;
use millstream_testkit::OperatorHarness;
use postgres::{Client, NoTls};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

struct Server {
    url: String,
    home: std::path::PathBuf,
}

impl Server {
    fn start() -> Server {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let home = std::env::temp_dir().join(unique("server"));
        let url = format!("postgres://millstream@{free}/millstream");
        let server = Server { url, home };
        server.script("start");
        server
    }
    fn script(&self, command: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres");
        let done = Command::new(script)
            .arg(command)
            .env("MILLSTREAM_POSTGRES", &self.url)
            .env("MILLSTREAM_POSTGRES_HOME", &self.home)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    fn client(&self) -> Client {
        Client::connect(&self.url, NoTls).unwrap()
    }
    fn sink(&self, id: Option<&str>, retry: Duration) -> JdbcSink<Row> {
        let mut sink = JdbcSink::builder()
            .url(&self.url)
            .table("t")
            .column("id", |r: &Row| r.0)
            .column("name", |r: &Row| r.1.clone())
            .retry_timeout(retry);
        if let Some(id) = id {
            sink = sink.exactly_once(id);
        }
        sink.build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script("stop");
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

#[test]
fn a_server_that_is_restarted_is_waited_for_and_one_that_stays_away_is_reported() {
    let server = Server::start();
    server.client().batch_execute("CREATE TABLE t (id int, name text)").unwrap();
    let count =
        || -> i64 { server.client().query_one("SELECT count(*) FROM t", &[]).unwrap().get(0) };
    let rows = |range: std::ops::Range<i64>| {
        Batch::from(range.map(|n| (n, "x".to_owned())).collect::<Vec<Row>>())
    };
    let direct = SinkOperator::new(Arc::new(server.sink(None, PATIENCE)));
    let mut direct = OperatorHarness::builder(direct).open().unwrap();
    direct.input(rows(0..10)).unwrap();
    direct.snapshot(1).unwrap();
    server.script("restart"); // at once, as a crash
    direct.input(rows(10..20)).unwrap();
    direct.snapshot(2).unwrap();
    assert_eq!(count(), 20);
    direct.close().unwrap();

    let once = server.sink(Some("outage"), PATIENCE);
    recover_from(&once, job(None), vec![]).unwrap();
    let mut once = OperatorHarness::builder(SinkOperator::new(Arc::new(once))).open().unwrap();
    for epoch in 1..=6u64 {
        once.input(rows(0..100)).unwrap();
        once.snapshot(epoch).unwrap();
        once.complete_checkpoint(epoch).unwrap();
        if epoch % 2 == 0 {
            server.script("restart");
        }
    }
    once.close().unwrap();
    assert_eq!(count(), 620, "each epoch once, whenever the server went away");

    let gone = SinkOperator::new(Arc::new(server.sink(None, Duration::from_millis(500))));
    let mut gone = OperatorHarness::builder(gone).open().unwrap();
    gone.input(rows(0..1)).unwrap();
    server.script("stop");
    let error = gone.snapshot(1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    assert!(error.to_string().contains("retry_timeout"), "{error}");
    server.script("start");
    eventually("it is back", || gone.snapshot(2).is_ok());
    assert_eq!(count(), 621);
}
