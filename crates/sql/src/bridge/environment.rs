//! What a program calls to have tables in a DataStream job.

use super::from_stream::{MakeInputs, StreamSource};
use super::schema::Schema;
use super::to_stream::{MakeRecord, StreamSink};
use super::{ChangelogMode, Row, RowKind, decode};
use crate::catalog::{StreamTable, ViewDef};
use crate::functions::UserFunction;
use crate::plan::stream::Node;
use crate::session::{Outcome, Session};
use crate::types::{RowField, SqlType, TimeAttribute};
use crate::value::Value;
use millstream_core::{Data, Error, Result};
use millstream_datastream::{DataStream, StreamExecutionEnvironment};
use millstream_runtime::options;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};

/// Tables and SQL over the streams of an environment (Flink's class of this name).
///
/// A table that was made of a stream, and a stream that was made of a table, are part of the
/// job that [`StreamExecutionEnvironment::execute`] starts. Statements that stand alone
/// ([`execute_sql`](Self::execute_sql)) start jobs of their own, as in Flink.
///
/// ```
/// use millstream_connectors::{CollectSink, CollectionSource};
/// use millstream_datastream::StreamExecutionEnvironment;
/// use millstream_runtime::WatermarkStrategy;
/// use millstream_sql::bridge::{Schema, StreamTableEnvironment};
///
/// let env = StreamExecutionEnvironment::new();
/// env.set_parallelism(1);
/// let tables = StreamTableEnvironment::create(&env);
/// let words = CollectionSource::new(["to", "be", "or", "not", "to", "be"].map(String::from));
/// let words = env.from_source(words, WatermarkStrategy::no_watermarks(), "words");
/// let schema = Schema::new_builder().column("word", "STRING").build();
/// tables.create_temporary_view("words", &words, schema)?;
///
/// let counts = tables.sql_query("SELECT word, COUNT(*) AS n FROM words GROUP BY word")?;
/// let sink = CollectSink::new();
/// let seen = sink.handle();
/// tables.to_changelog_stream_as::<(String, i64)>(&counts)?.sink_to(sink);
/// env.execute("word count")?;
/// // A new row, or a change of a former one.
/// assert!(seen.take().iter().any(|(kind, (word, n))| kind.is_add() && word == "to" && *n == 2));
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub struct StreamTableEnvironment<'e> {
    env: &'e StreamExecutionEnvironment,
    session: RefCell<Session>,
    /// Streams that became tables without a name, and tables that became streams.
    unnamed: Cell<usize>,
    sinks: Cell<usize>,
}

/// A table: a query, or a stream seen as one. It computes nothing until it is made a stream.
#[derive(Clone, Debug)]
pub struct Table {
    view: ViewDef,
}

impl Table {
    /// Names and types of its columns.
    pub fn columns(&self) -> &[(String, SqlType)] {
        &self.view.columns
    }
}

impl<'e> StreamTableEnvironment<'e> {
    /// Tables over the streams of `env`.
    pub fn create(env: &'e StreamExecutionEnvironment) -> Self {
        StreamTableEnvironment {
            env,
            session: RefCell::default(),
            unnamed: Cell::new(1),
            sinks: Cell::new(1),
        }
    }

    /// Sets an option of planning by Flink's name, such as `table.exec.state.ttl`. What is
    /// about the job is set at the [`StreamExecutionEnvironment`], or with `-D`.
    ///
    /// # Errors
    /// `Config`: an unknown option, a wrong value, or an option of the job.
    pub fn set(&self, option: &str, value: &str) -> Result<()> {
        if options::is_known(option) {
            return Err(Error::config(format!("'{option}' is an option of the job")).advice(
                "set it at the StreamExecutionEnvironment, or with -D on the command line",
            ));
        }
        self.session.borrow_mut().settings_mut().set(option, value).map(|_| ())
    }

    /// Gives a function of the job's own a name in SQL.
    pub fn create_temporary_system_function(&self, name: &str, function: UserFunction) {
        self.session.borrow_mut().create_temporary_system_function(name, function);
    }

    /// A stream of new rows as a table. Records are structs or maps, whose fields find their
    /// columns by name, tuples (by place), plain values (one column), or [`Row`]s; fields
    /// without a column are left out.
    ///
    /// Event time is there when the schema says so: see [`Schema`].
    ///
    /// # Errors
    /// `Config`: the schema is wrong, or the stream belongs to another environment. A record
    /// that does not fit ends the job with `Data`.
    pub fn from_data_stream<T: Data>(
        &self,
        stream: &DataStream<T>,
        schema: Schema,
    ) -> Result<Table> {
        let name = self.next_source();
        self.create_temporary_view(&name, stream, schema)?;
        self.from(&name)
    }

    /// As [`from_data_stream`](Self::from_data_stream), under a name for SQL. Operators find
    /// their state by the names of tables, so this one is better for jobs that live long.
    ///
    /// # Errors
    /// As [`from_data_stream`](Self::from_data_stream); there is such a table already.
    pub fn create_temporary_view<T: Data>(
        &self,
        name: &str,
        stream: &DataStream<T>,
        schema: Schema,
    ) -> Result<()> {
        fn new_row<T>(record: &T) -> (RowKind, &T) {
            (RowKind::Insert, record)
        }
        self.register(name, stream, new_row, schema, ChangelogMode::Append)
    }

    /// A stream of changes as a table. With [`ChangelogMode::Retract`] (Flink's
    /// `ChangelogMode.all()`) an update is -U and +U, in this order; with
    /// [`ChangelogMode::Upsert`] it is +U alone, and the schema needs a primary key.
    ///
    /// # Errors
    /// As [`from_data_stream`](Self::from_data_stream); upserts without a key.
    pub fn from_changelog_stream<T: Data>(
        &self,
        stream: &DataStream<(RowKind, T)>,
        schema: Schema,
        mode: ChangelogMode,
    ) -> Result<Table> {
        let name = self.next_source();
        fn parts<T>((kind, record): &(RowKind, T)) -> (RowKind, &T) {
            (*kind, record)
        }
        self.register(&name, stream, parts, schema, mode)?;
        self.from(&name)
    }

    fn next_source(&self) -> String {
        let number = self.unnamed.get();
        self.unnamed.set(number + 1);
        format!("`Unregistered_DataStream_Source_{number}`")
    }

    fn register<T: Data, U: Data>(
        &self,
        name: &str,
        stream: &DataStream<T>,
        split: fn(&T) -> (RowKind, &U),
        schema: Schema,
        mode: ChangelogMode,
    ) -> Result<()> {
        if !self.env.owns(stream) {
            let what = format!("the stream of table '{name}' belongs to another environment");
            return Err(Error::config(what).advice("make both from one environment"));
        }
        let inputs: MakeInputs<T> = Arc::new(stream.input_maker());
        let make = StreamTable::new(move |table| {
            Ok(Arc::new(StreamSource::new(Arc::clone(&inputs), split, mode, table)?))
        });
        self.session.borrow_mut().create_stream_table(&schema.create_table(name), make)
    }

    /// A table or view by its name.
    ///
    /// # Errors
    /// `Config`: there is none.
    pub fn from(&self, name: &str) -> Result<Table> {
        self.sql_query(&format!("SELECT * FROM {name}"))
    }

    /// A query as a table.
    ///
    /// # Errors
    /// `Config`, with line and column: it is no query, or not one that can be planned.
    pub fn sql_query(&self, query: &str) -> Result<Table> {
        let view = self.session.borrow().query_view(query)?;
        Ok(Table { view })
    }

    /// Gives a table a name for SQL.
    ///
    /// # Errors
    /// `Config`: the name is taken.
    pub fn create_temporary_view_of(&self, name: &str, table: &Table) -> Result<()> {
        self.session.borrow_mut().create_view_of(name, table.view.clone())
    }

    /// Runs one statement that stands alone, as [`Session::start`] does: `CREATE TABLE`,
    /// `SHOW`, `EXPLAIN`, and queries and INSERTs over tables outside, which run as jobs of
    /// their own. INSERTs that read streams are part of the environment's job: see
    /// [`create_statement_set`](Self::create_statement_set).
    ///
    /// # Errors
    /// When it cannot be planned.
    pub fn execute_sql(&self, statement: &str) -> Result<Outcome> {
        self.session.borrow_mut().start_only(statement).map_err(|e| e.error)
    }

    /// Begins a set of INSERTs that become part of the environment's job.
    pub fn create_statement_set(&self) -> StreamStatementSet<'_, 'e> {
        StreamStatementSet { tables: self, inserts: vec![] }
    }

    /// A table of new rows as a stream. If exactly one column is event time, it is the event
    /// time of the records; watermarks pass in any case.
    ///
    /// # Errors
    /// `Config`: the table changes rows (use
    /// [`to_changelog_stream`](Self::to_changelog_stream)), or it has several columns of event
    /// time.
    pub fn to_data_stream(&self, table: &Table) -> Result<DataStream<Row>> {
        let fields = row_fields(table);
        let names = Arc::clone(&fields);
        let make = move |_, values| Ok(Row::of_parts(Arc::clone(&names), values));
        self.to_stream(table, fields, false, Arc::new(make))
    }

    /// As [`to_data_stream`](Self::to_data_stream), with records of a type of the job's own:
    /// a struct with the columns' names, a tuple, or the type of the only column.
    ///
    /// # Errors
    /// As [`to_data_stream`](Self::to_data_stream); also `Config`, when a column and its field
    /// are of types that never fit. A value that does not fit (NULL for what is no `Option`)
    /// ends the job with `Data`.
    pub fn to_data_stream_as<T: Data>(&self, table: &Table) -> Result<DataStream<T>> {
        let fields = row_fields(table);
        let make = record_of::<T>(&fields)?;
        self.to_stream(table, fields, false, Arc::new(move |_, values| make(values)))
    }

    /// A table as the stream of its changes: every record says what it does to the table. An
    /// update is -U with the former row and +U with the new one.
    ///
    /// # Errors
    /// `Config`: the table has several columns of event time.
    pub fn to_changelog_stream(&self, table: &Table) -> Result<DataStream<(RowKind, Row)>> {
        let fields = row_fields(table);
        let names = Arc::clone(&fields);
        let make = move |kind, values| Ok((kind, Row::of_parts(Arc::clone(&names), values)));
        self.to_stream(table, fields, true, Arc::new(make))
    }

    /// As [`to_changelog_stream`](Self::to_changelog_stream), with records of a type of the
    /// job's own.
    ///
    /// # Errors
    /// As [`to_data_stream_as`](Self::to_data_stream_as), but for changes.
    pub fn to_changelog_stream_as<T: Data>(
        &self,
        table: &Table,
    ) -> Result<DataStream<(RowKind, T)>> {
        let fields = row_fields(table);
        let make = record_of::<T>(&fields)?;
        self.to_stream(table, fields, true, Arc::new(move |kind, values| Ok((kind, make(values)?))))
    }

    fn to_stream<U: Data>(
        &self,
        table: &Table,
        fields: Arc<[RowField]>,
        takes_changes: bool,
        make: MakeRecord<U>,
    ) -> Result<DataStream<U>> {
        // Flink's name for it; the number makes the uids of two such tables differ.
        let number = self.sinks.get();
        let name = format!("Unregistered_DataStream_Sink_{number}");
        let rowtime = rowtime_of(table, &name)?;
        let node = OnceLock::new();
        let sink = Arc::new(StreamSink { fields, rowtime, takes_changes, make, node });
        let plan = self.session.borrow().stream_plan(&table.view, &name, sink.clone())?;
        self.attach(&[plan])?;
        self.sinks.set(number + 1);
        let node = sink.node.get().ok_or_else(|| Error::bug("a stream without an operator"))?;
        Ok(self.env.stream_of(*node))
    }

    /// Adds plans to the environment's job: all of them, or none.
    fn attach(&self, plans: &[Node]) -> Result<()> {
        let parallelism = self.env.parallelism();
        let session = self.session.borrow();
        self.env.with_job_graph(|graph| {
            let before = graph.len();
            let attached = session.attach(std::mem::take(graph), parallelism, plans);
            *graph = attached.0;
            if attached.1.is_err() {
                graph.truncate(before);
            }
            attached.1
        })
    }
}

/// INSERTs that become part of the environment's job.
pub struct StreamStatementSet<'t, 'e> {
    tables: &'t StreamTableEnvironment<'e>,
    inserts: Vec<String>,
}

impl StreamStatementSet<'_, '_> {
    /// Adds an INSERT statement.
    ///
    /// # Errors
    /// `Config`: it is none, or cannot be planned.
    pub fn add_insert_sql(mut self, statement: &str) -> Result<Self> {
        let statement = statement.to_owned();
        self.tables.session.borrow().inserts_of(std::slice::from_ref(&statement))?;
        self.inserts.push(statement);
        Ok(self)
    }
    /// Adds all to the job that the environment's `execute` starts. What several of them read
    /// is read once.
    ///
    /// # Errors
    /// `Config`: there is no INSERT, or the tables are others by now.
    pub fn attach_as_data_stream(self) -> Result<()> {
        if self.inserts.is_empty() {
            return Err(Error::config("a statement set has no INSERT"));
        }
        let plans = self.tables.session.borrow().inserts_of(&self.inserts)?;
        self.tables.attach(&plans)
    }
}

fn row_fields(table: &Table) -> Arc<[RowField]> {
    let field = |(name, ty): &(String, SqlType)| RowField {
        name: name.clone(),
        ty: ty.clone().without_attribute(),
    };
    table.columns().iter().map(field).collect()
}

/// Makes records of rows.
///
/// # Errors
/// `Config`: no row fits.
fn record_of<T: Data>(
    fields: &Arc<[RowField]>,
) -> Result<impl Fn(Vec<Value>) -> Result<T> + Send + Sync + use<T>> {
    let name = std::any::type_name::<T>();
    decode::check::<T>(fields).map_err(|e| {
        Error::config(format!("the table does not fit the record {name}: {e}"))
            .advice("name and type the fields as the columns, or CAST the columns in the query")
    })?;
    let fields = Arc::clone(fields);
    Ok(move |values| {
        decode::decode(&fields, values).map_err(|e| {
            e.into_data("make the field fit every value, or filter or CAST in the query")
                .at(format!("a row as {name}"))
        })
    })
}

/// The column that is the event time of a table's records.
fn rowtime_of(table: &Table, sink: &str) -> Result<Option<usize>> {
    let columns = table.columns().iter().enumerate();
    let times: Vec<(usize, &str)> = columns
        .filter(|(_, (_, ty))| ty.attribute == TimeAttribute::Rowtime)
        .map(|(i, (name, _))| (i, name.as_str()))
        .collect();
    match times.as_slice() {
        [] => Ok(None),
        [(only, _)] => Ok(Some(*only)),
        several => {
            let names: Vec<&str> = several.iter().map(|(_, name)| *name).collect();
            let what = format!(
                "found more than one rowtime field: [{}] in the query for '{sink}'",
                names.join(", ")
            );
            Err(Error::config(what)
                .advice("keep one as the records' event time, and CAST the others to TIMESTAMP(3)"))
        }
    }
}
