//! A server that goes away and comes back, on a port of its own.

use crate::server::try_rows;
use postgres::{Client, NoTls};
use std::process::Command;

struct Server {
    url: String,
    home: tempfile::TempDir,
}

impl Server {
    fn start() -> Server {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("postgres://millstream@{free}/millstream");
        let server = Server { url, home: tempfile::tempdir().unwrap() };
        server.script("start");
        server
    }
    fn script(&self, command: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres");
        let done = Command::new(script)
            .arg(command)
            .env("MILLSTREAM_POSTGRES", &self.url)
            .env("MILLSTREAM_POSTGRES_HOME", self.home.path().join("home"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    fn count(&self) -> i64 {
        let mut client = Client::connect(&self.url, NoTls).unwrap();
        client.query_one("SELECT count(*) FROM t", &[]).unwrap().get(0)
    }
    /// A table with more options.
    fn table(&self, name: &str, more: &str) -> String {
        let place = self.url.split_once('@').unwrap().1;
        format!(
            "CREATE TABLE {name} (id BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH (
               'connector' = 'jdbc', 'url' = 'jdbc:postgresql://{place}?user=millstream',
               'table-name' = 't' {more});"
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script("stop");
    }
}

#[test]
fn a_server_that_is_restarted_is_waited_for_and_one_that_stays_away_is_reported() {
    let server = Server::start();
    let mut client = Client::connect(&server.url, NoTls).unwrap();
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY)").unwrap();
    drop(client);
    let script = format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen',
           'number-of-rows' = '3000', 'rows-per-second' = '1000', 'fields.id.kind' = 'sequence',
           'fields.id.start' = '1', 'fields.id.end' = '3000');
         {} INSERT INTO out SELECT id FROM numbers;",
        server.table("out", ", 'sink.max-retries' = '30', 'sink.buffer-flush.max-rows' = '50'")
    );
    let writing = std::thread::spawn(move || try_rows(&script, 1));
    while server.count() == 0 {
        std::thread::yield_now();
    }
    server.script("restart"); // at once, as a crash
    writing.join().unwrap().unwrap();
    assert_eq!(server.count(), 3000);

    server.script("stop");
    let script = format!(
        "{} INSERT INTO out VALUES (1);",
        server.table("out", ", 'sink.max-retries' = '1'")
    );
    let error = try_rows(&script, 1).unwrap_err();
    assert!(error.contains("no success within 1 retries"), "{error}");
    let script = format!("{} SELECT * FROM t;", server.table("t", ", 'lookup.max-retries' = '0'"));
    let error = try_rows(&script, 1).unwrap_err();
    assert!(error.contains("no success within 0 retries"), "{error}");
    server.script("start");
    assert_eq!(server.count(), 3000);
}
