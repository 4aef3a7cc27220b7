//! The server that tests use, by plain client calls that are not under test.

use millstream_core::Result;
use millstream_jdbc::{JdbcSink, JdbcSinkBuilder};
use millstream_runtime::sink::recover;
use millstream_runtime::{CommitterContext, JobInfo, Restored, Sink, SinkOperator, StoredState};
use millstream_testkit::OperatorHarness;
use postgres::{Client, NoTls};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn url() -> String {
    std::env::var("MILLSTREAM_POSTGRES")
        .unwrap_or_else(|_| "postgres://millstream@127.0.0.1:5439/millstream".into())
}

pub(crate) fn client() -> Client {
    Client::connect(&url(), NoTls).unwrap_or_else(|error| {
        panic!(
            "no PostgreSQL answers ({error}): run `scripts/postgres start`, or set \
             MILLSTREAM_POSTGRES to the URL of one that runs"
        )
    })
}

/// A name that no other test or run uses.
pub(crate) fn unique(name: &str) -> String {
    let salt = millstream_core::random_bytes::<6>().unwrap();
    let salt: String = salt.iter().map(|b| format!("{b:02x}")).collect();
    format!("mt_{name}_{salt}")
}

/// A table that is dropped at the end of the test, with what the sink has noted of it.
pub(crate) struct Table(pub(crate) String);

impl Table {
    pub(crate) fn new(name: &str, columns: &str) -> Table {
        let name = unique(name);
        client().batch_execute(&format!("CREATE TABLE public.\"{name}\" ({columns})")).unwrap();
        Table(name)
    }
    pub(crate) fn texts(&self, expression: &str) -> Vec<String> {
        let sql = format!("SELECT ({expression})::text FROM public.\"{}\" ORDER BY 1", self.0);
        client().query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
    pub(crate) fn ids(&self) -> Vec<i64> {
        let sql = format!("SELECT id::int8 FROM public.\"{}\" ORDER BY 1", self.0);
        client().query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let Ok(mut client) = Client::connect(&url(), NoTls) else { return };
        let _ = client.batch_execute(&format!("DROP TABLE IF EXISTS public.\"{}\"", self.0));
        let _ = client.execute("DELETE FROM millstream_commits WHERE sink = $1", &[&self.0]);
    }
}

pub(crate) type Row = (i64, String);
pub(crate) type Harness = OperatorHarness<SinkOperator<Row>>;

/// A sink of (id, name) rows.
pub(crate) fn rows(table: &str) -> JdbcSinkBuilder<Row> {
    JdbcSink::builder()
        .url(url())
        .table(table)
        .column("id", |r: &Row| r.0)
        .column("name", |r: &Row| r.1.clone())
}

pub(crate) fn job(restored_epoch: Option<u64>) -> JobInfo {
    let restored_epoch = restored_epoch.map(millstream_core::Epoch);
    JobInfo { restored_epoch, ..JobInfo::for_tests() }
}

pub(crate) fn open<S: Sink<Row>>(sink: S, job: JobInfo) -> Result<Harness> {
    OperatorHarness::builder(SinkOperator::new(Arc::new(sink))).job(job).open()
}

pub(crate) fn recover_from<S: Sink<Row>>(
    sink: &S,
    job: JobInfo,
    former: Vec<StoredState>,
) -> Result<()> {
    let context = CommitterContext {
        job: Arc::new(job),
        name: "sink".into(),
        uid: "operator".into(),
        subtask: None,
    };
    recover(sink, &context, &Restored::from_stored(former))
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
