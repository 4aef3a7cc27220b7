//! The server that tests use, by plain client calls, and scripts against it.

use millstream_sql::session::{Outcome, Row, Session};
use postgres::{Client, NoTls};

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

/// A table that is dropped at the end of the test.
pub(crate) struct Table {
    pub(crate) schema: &'static str,
    pub(crate) name: String,
}

impl Table {
    /// `{name}` and a salt; `columns` as in CREATE TABLE.
    pub(crate) fn new(name: &str, columns: &str) -> Table {
        let salt = millstream_core::random_bytes::<6>().unwrap();
        let salt: String = salt.iter().map(|b| format!("{b:02x}")).collect();
        let table = Table { schema: "public", name: format!("sql_{name}_{salt}") };
        let sql = format!("CREATE TABLE {} ({columns})", table.quoted());
        client().batch_execute(&sql).unwrap();
        table
    }
    pub(crate) fn quoted(&self) -> String {
        format!("{}.\"{}\"", self.schema, self.name)
    }
    pub(crate) fn run(&self, sql: &str) {
        client().batch_execute(&sql.replace("TABLE", &self.quoted())).unwrap();
    }
    /// An expression over all rows as text, sorted.
    pub(crate) fn texts(&self, expression: &str) -> Vec<String> {
        let sql = format!("SELECT ({expression})::text FROM {} AS t ORDER BY 1", self.quoted());
        let rows = client().query(&sql, &[]).unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or("null".into())).collect()
    }
    /// `WITH (...)` of the table, with more options.
    pub(crate) fn with(&self, more: &str) -> String {
        let (user, rest) = url()
            .strip_prefix("postgres://")
            .unwrap()
            .split_once('@')
            .map(|(user, rest)| (user.to_owned(), rest.to_owned()))
            .unwrap();
        format!(
            "WITH ('connector' = 'jdbc', 'url' = 'jdbc:postgresql://{rest}', 'username' = '{user}',
             'password' = 'hunter2hunter2', 'table-name' = '\"{}\"' {more})",
            self.name
        )
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let Ok(mut client) = Client::connect(&url(), NoTls) else { return };
        let _ = client.batch_execute(&format!("DROP TABLE IF EXISTS {}", self.quoted()));
    }
}

/// The rows of the script's last query, sorted.
pub(crate) fn try_rows(script: &str, parallelism: usize) -> Result<Vec<String>, String> {
    let mut session = Session::new();
    session.settings_mut().set("parallelism.default", &parallelism.to_string()).unwrap();
    let mut rows = vec![];
    let ran = session.run(script, |outcome| {
        if let Outcome::Query(query) = outcome {
            rows = query.collect()?.rows;
        }
        Ok(())
    });
    ran.map_err(|e| e.to_string())?;
    let text = |row: &Row| {
        let values = row.values.iter().map(|v| v.clone().unwrap_or("null".into()));
        std::iter::once(row.change.to_string()).chain(values).collect::<Vec<_>>().join(" ")
    };
    let mut rows: Vec<String> = rows.iter().map(text).collect();
    rows.sort();
    Ok(rows)
}

pub(crate) fn rows(script: &str) -> Vec<String> {
    try_rows(script, 2).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn refused(script: &str, parts: &[&str]) {
    let error = try_rows(script, 1).expect_err("it is refused");
    for part in parts {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}
