//! The sink: its builder, and what is checked before data flows.

use crate::committer::JdbcCommitter;
use crate::config::ConnectionConfig;
use crate::database::Database;
use crate::statement::{check_name, qualified};
use crate::table::{self, Wanted};
use crate::value::{IntoSql, SqlType, SqlValue};
use crate::writer::{Change, DirectWriter, LogWriter, Plan, ToChange};
use millstream_core::{Data, Error, Result};
use millstream_runtime::{Committer, CommitterContext, OperatorContext, Sink, SinkWriter};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Get<T> = Arc<dyn Fn(&T) -> SqlValue + Send + Sync>;
type Predicate<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// Writes records to a table of PostgreSQL.
///
/// Without more it appends, at least once. With [`key`](JdbcSinkBuilder::key) it upserts: a
/// row that comes again replaces itself, so that the table is as if each record had come once,
/// provided that the key is the stream's own and values are absolute (a count, not an
/// increment). With [`exactly_once`](JdbcSinkBuilder::exactly_once) rows are published when
/// their checkpoint is complete, each once, and readers never see what a failure takes back.
///
/// ```
/// use millstream_jdbc::{JdbcSink, TimestampMs};
///
/// // id, amount, time
/// # fn build() -> millstream_core::Result<()> {
/// let sink = JdbcSink::<(i64, String, i64)>::builder()
///     .url("postgres://shop@127.0.0.1:5432/shop")
///     .password(std::env::var("SHOP_PASSWORD").unwrap_or_default())
///     .table("orders")
///     .column("id", |o: &(i64, String, i64)| o.0)
///     .column("amount", |o: &(i64, String, i64)| o.1.clone()) // numeric, as text
///     .column("at", |o: &(i64, String, i64)| TimestampMs(o.2))
///     .key(["id"])
///     .build()?;
/// # Ok(())
/// # }
/// # build().unwrap();
/// ```
pub struct JdbcSink<T> {
    connection: ConnectionConfig,
    schema: String,
    table: String,
    wanted: Vec<Wanted>,
    key: Vec<String>,
    to_change: ToChange<T>,
    sink_id: Option<String>,
    batch_rows: usize,
    batch_interval: Duration,
    max_epoch_bytes: usize,
}

impl<T: Data> JdbcSink<T> {
    /// Sets a sink up.
    pub fn builder() -> JdbcSinkBuilder<T> {
        JdbcSinkBuilder {
            connection: ConnectionConfig::default(),
            schema: "public".into(),
            table: String::new(),
            columns: vec![],
            key: vec![],
            delete_when: None,
            sink_id: None,
            batch_rows: 1000,
            batch_interval: Duration::from_secs(1),
            max_epoch_bytes: 256 << 20,
        }
    }

    fn plan(&self) -> Result<Plan> {
        let mut database = Database::new(self.connection.clone());
        let targets =
            table::check(&mut database, &self.schema, &self.table, &self.wanted, &self.key)?;
        let index = |name: &String| self.wanted.iter().position(|w| w.name == *name);
        let key = self.key.iter().filter_map(index).collect();
        Ok(Plan::new(&qualified(&self.schema, &self.table), targets, key))
    }
}

impl<T> fmt::Debug for JdbcSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JdbcSink")
            .field("connection", &self.connection)
            .field("table", &qualified(&self.schema, &self.table))
            .field("key", &self.key)
            .field("exactly_once", &self.sink_id)
            .finish_non_exhaustive()
    }
}

/// See [`JdbcSink::builder`].
pub struct JdbcSinkBuilder<T> {
    connection: ConnectionConfig,
    schema: String,
    table: String,
    columns: Vec<(Wanted, Get<T>)>,
    key: Vec<String>,
    delete_when: Option<Predicate<T>>,
    sink_id: Option<String>,
    batch_rows: usize,
    batch_interval: Duration,
    max_epoch_bytes: usize,
}

impl<T: Data> JdbcSinkBuilder<T> {
    /// `postgres://user@host:5432/database`, or libpq's `host=.. user=.. dbname=..`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.connection.url = url.into();
        self
    }
    /// The password; never shown. One in the URL works too.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = password.into();
        self.connection.password = (!password.is_empty()).then_some(password);
        self
    }
    /// URL, password and retries at once.
    pub fn connection(mut self, connection: ConnectionConfig) -> Self {
        self.connection = connection;
        self
    }
    /// The schema; `public` when not called.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }
    /// The table; it must exist. Taken as it is: no folding to lower case.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }
    /// A column, and its value for a record. A column that the table has in lower case only is
    /// meant by any case, as by SQL without quotes. The function's type must fit the column's; text
    /// fits whatever has a text form (`numeric`, `uuid`, `jsonb`, dates, enums).
    pub fn column<V: IntoSql>(
        mut self,
        name: impl Into<String>,
        value: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self {
        let wanted = Wanted { name: name.into(), wire: V::TYPE };
        self.columns.push((wanted, Arc::new(move |record| value(record).into_sql())));
        self
    }
    /// A column whose type is known when the sink is built only; `value` answers values of
    /// this type, or NULL.
    pub fn column_of(
        mut self,
        name: impl Into<String>,
        wire: SqlType,
        value: impl Fn(&T) -> SqlValue + Send + Sync + 'static,
    ) -> Self {
        self.columns.push((Wanted { name: name.into(), wire }, Arc::new(value)));
        self
    }
    /// Upserts by these columns, which must be exactly those of a primary key or unique index.
    pub fn key<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.key = columns.into_iter().map(Into::into).collect();
        self
    }
    /// Records that delete the row of their key in place of writing it.
    pub fn delete_when(mut self, is_delete: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.delete_when = Some(Arc::new(is_delete));
        self
    }
    /// Publishes the rows of an epoch when its checkpoint is complete, each exactly once.
    ///
    /// Until then they are part of the checkpoint, and in memory: see
    /// [`max_epoch_bytes`](Self::max_epoch_bytes). What was published is remembered in the table
    /// `millstream_commits` of the same schema, under `sink_id`: unique among all jobs that write
    /// to this schema, and the same for the life of the job. The user needs the right to create
    /// that table, or to write to it.
    pub fn exactly_once(mut self, sink_id: impl Into<String>) -> Self {
        self.sink_id = Some(sink_id.into());
        self
    }
    /// Rows of a batch, when not exactly once; 1000 when not called.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = rows;
        self
    }
    /// How long a row waits for its batch to fill, when not exactly once; a second when not
    /// called. A checkpoint does not wait.
    pub fn batch_interval(mut self, interval: Duration) -> Self {
        self.batch_interval = interval;
        self
    }
    /// Exactly once: the most that the rows between two checkpoints of one writer may take;
    /// 256 MiB when not called.
    pub fn max_epoch_bytes(mut self, bytes: usize) -> Self {
        self.max_epoch_bytes = bytes;
        self
    }
    /// How long a lost connection is tried again before the attempt fails; 60 s when not called.
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.connection.retry_timeout = timeout;
        self
    }

    /// Checks the options; the table is checked when the job starts.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    pub fn build(self) -> Result<JdbcSink<T>> {
        self.connection.parse()?;
        check_name("table", &self.table)?;
        check_name("schema", &self.schema)?;
        if self.columns.is_empty() {
            return Err(Error::config("the sink has no columns").advice("call column(..)"));
        }
        let mut names = std::collections::BTreeSet::new();
        for (wanted, _) in &self.columns {
            check_name("column", &wanted.name)?;
            if !names.insert(wanted.name.as_str()) {
                return Err(Error::config(format!("column '{}' is set twice", wanted.name))
                    .advice("keep one of them"));
            }
        }
        if let Some(key) = self.key.iter().find(|k| !names.contains(k.as_str())) {
            return Err(Error::config(format!("key column '{key}' is not among the columns"))
                .advice("add it with column(..)"));
        }
        if self.delete_when.is_some() && self.key.is_empty() {
            return Err(Error::config("delete_when without key")
                .advice("set key(..): rows are deleted by it"));
        }
        if self.batch_rows == 0 || self.max_epoch_bytes == 0 {
            return Err(Error::config("batch_rows or max_epoch_bytes is 0").advice("raise it"));
        }
        if self.sink_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 200) {
            return Err(Error::config("the sink id is empty or longer than 200 bytes")
                .advice("name it after job and sink"));
        }
        let (wanted, get): (Vec<Wanted>, Vec<Get<T>>) = self.columns.into_iter().unzip();
        let is_delete = self.delete_when;
        let to_change: ToChange<T> = Arc::new(move |record| {
            let row = get.iter().map(|get| get(record)).collect();
            match &is_delete {
                Some(is_delete) if is_delete(record) => Change::Delete(row),
                _ => Change::Write(row),
            }
        });
        Ok(JdbcSink {
            connection: self.connection,
            schema: self.schema,
            table: self.table,
            wanted,
            key: self.key,
            to_change,
            sink_id: self.sink_id,
            batch_rows: self.batch_rows,
            batch_interval: self.batch_interval,
            max_epoch_bytes: self.max_epoch_bytes,
        })
    }
}

impl<T: Data> Sink<T> for JdbcSink<T> {
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        if self.sink_id.is_some() {
            return Ok(Box::new(LogWriter {
                to_change: Arc::clone(&self.to_change),
                changes: vec![],
                size_bytes: 0,
                max_epoch_bytes: self.max_epoch_bytes,
            }));
        }
        Ok(Box::new(DirectWriter {
            plan: self.plan()?,
            database: Database::new(self.connection.clone()),
            to_change: Arc::clone(&self.to_change),
            changes: vec![],
            batch_rows: self.batch_rows,
            batch_interval_ms: i64::try_from(self.batch_interval.as_millis()).unwrap_or(i64::MAX),
            clock: Arc::clone(&context.clock),
            due_ms: None,
        }))
    }
    fn exclusive(&self) -> Option<String> {
        let (id, at) = (self.sink_id.as_ref()?, self.connection.address());
        Some(format!("sink id '{id}' in schema '{}' of {at}", self.schema))
    }
    fn committer(&self, context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        let Some(sink_id) = &self.sink_id else { return Ok(None) };
        let connection = self.connection.clone();
        let plan = self.plan()?;
        let committer = JdbcCommitter::open(connection, plan, &self.schema, sink_id, context)?;
        Ok(Some(Box::new(committer)))
    }
}
