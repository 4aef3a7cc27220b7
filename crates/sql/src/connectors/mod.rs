//! Tables outside: where rows come from and go to, by the options of `WITH (...)`.
//!
//! ```text
//!   'connector' = 'filesystem' ──> TableSource ──> TableReader ──ChangeBatch──> job
//!                                  TableSink   <── TableWriter <──ChangeBatch── job
//! ```
//!
//! [`connectors`] is the one table of connectors. All options are declared ([`OptionSpec`])
//! and checked when a query is planned; unknown ones are refused with the nearest name.
//!
//! Invariant: batches that leave a source have all columns of the table that it was made
//! for, and kinds that [`TableSource::changes`] allows.
//!
//! Source: Flink's pages on table connectors, whose option names are used.

mod blackhole;
mod blocks;
mod datagen;
mod filesystem;
mod full_cache;
#[cfg(feature = "jdbc")]
mod jdbc;
#[cfg(feature = "kafka")]
mod kafka;
pub mod lookup;
mod nexmark;
mod nexmark_functions;
mod options;
mod print;
mod projection;
mod reader;

pub use nexmark_functions::nexmark_functions;
pub use options::{MASK, OptionKind, OptionSpec, Options, masked};
pub use print::divert_to_standard_error;
pub use projection::Needed;
pub use reader::{TablePoll, TableReader, TableWriter};

use crate::catalog::{ColumnKind, TableDef};
use crate::plan::logical::Schema;
pub use crate::plan::stream::Changes;
use crate::runtime::ChangeBatch;
use crate::settings::Settings;
use crate::types::SqlType;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use millstream_runtime::{Committer, CommitterContext, OperatorContext};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A column that a connector reads or writes: physical, or metadata. Computed columns are
/// the planner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
    /// For a METADATA column: the connector's key of it.
    pub metadata: Option<String>,
}

impl TableColumn {
    /// A column of the connector's format.
    pub fn physical(name: impl Into<String>, ty: SqlType) -> Self {
        TableColumn { name: name.into(), ty, metadata: None }
    }
    /// A METADATA column.
    pub fn metadata(name: impl Into<String>, ty: SqlType, key: impl Into<String>) -> Self {
        TableColumn { name: name.into(), ty, metadata: Some(key.into()) }
    }
}

/// A table as a connector sees it.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name, for errors.
    pub name: String,
    /// Its physical and metadata columns, in the order of the table; for a sink without
    /// virtual ones.
    pub columns: Vec<TableColumn>,
    /// Indices of the primary key's columns; empty without a key.
    pub primary_key: Vec<usize>,
    /// Indices of the columns of `PARTITIONED BY`.
    pub partition_keys: Vec<usize>,
    /// `WITH (...)`, with those of hints.
    pub options: BTreeMap<String, String>,
    /// The session's time zone.
    pub zone: Zone,
}

impl TableSpec {
    /// A table without key and partitions, in UTC.
    pub fn new(
        name: impl Into<String>,
        columns: Vec<TableColumn>,
        options: BTreeMap<String, String>,
    ) -> Self {
        TableSpec {
            name: name.into(),
            columns,
            primary_key: vec![],
            partition_keys: vec![],
            options,
            zone: Zone::UTC,
        }
    }
    pub(crate) fn place(&self) -> String {
        format!("table '{}'", self.name)
    }
}

/// A table that can be read; shared by all subtasks.
pub trait TableSource: Send + Sync {
    /// What changes its rows may be.
    fn changes(&self) -> Changes {
        Changes::Append
    }
    /// Most subtasks that can read it.
    fn parallelism_limit(&self) -> Option<usize> {
        None
    }
    /// Whether it is a stream of the job that reads it.
    fn is_stream(&self) -> bool {
        false
    }
    /// A source of the same table that makes only what is needed, of each column: the rest
    /// may be NULL. `None`: it makes no difference.
    ///
    /// # Errors
    /// Bug: there are not as many entries as columns.
    fn project(&self, _needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        Ok(None)
    }
    /// The same table as one that is asked for rows by the values of `keys` (columns of the
    /// source, ascending, at least one); `None`: it cannot be looked up. A request has one
    /// column for each key, in the order of `keys`, in the column's type.
    ///
    /// # Errors
    /// `Config`: not by these columns, or an option is wrong.
    fn lookup(&self, _keys: &[usize]) -> Result<Option<lookup::Lookup>> {
        Ok(None)
    }
    /// The reader of one subtask.
    ///
    /// # Errors
    /// When what is outside is not there.
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>>;
    /// Adds the source to a job, if it is made of operators of its own and not of readers;
    /// the node emits [`ChangeBatch`]es.
    fn add_to(&self, _graph: &mut JobGraph, _spec: NodeSpec) -> Option<NodeId> {
        None
    }
}

/// A table that can be written; shared by all subtasks.
pub trait TableSink: Send + Sync {
    /// Whether it takes such a stream.
    fn accepts(&self, changes: Changes) -> bool;
    /// Whether one subtask must write all of it.
    fn is_single(&self) -> bool {
        false
    }
    /// The writer of one subtask, if the sink is made of writers.
    ///
    /// # Errors
    /// When what is outside is not there.
    fn create_writer(&self, _context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        Err(Error::bug("a table that is written by operators of its own was asked for a writer"))
    }
    /// What makes the output of checkpoints visible, if the sink commits in two phases in this
    /// job: see [`millstream_runtime::sink`].
    ///
    /// # Errors
    /// When what is outside is not there.
    fn committer(&self, _context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
    /// Adds the sink to a job and takes its inputs, if it is made of operators of its own and
    /// not of writers.
    fn add_to(
        &self,
        _graph: &mut JobGraph,
        _spec: NodeSpec,
        _inputs: &mut Vec<Input<ChangeBatch>>,
    ) -> Option<NodeId> {
        None
    }
}

/// An operator of a connector, beside its source or sink `of`.
#[cfg(any(feature = "kafka", feature = "jdbc"))]
fn step(name: &str, of: &NodeSpec) -> NodeSpec {
    NodeSpec { name: name.into(), parallelism: of.parallelism, ..NodeSpec::default() }
}

/// What a factory may know.
pub struct ConnectorContext<'a> {
    /// The table.
    pub table: &'a TableDef,
    /// Its options, with those of hints.
    pub options: &'a BTreeMap<String, String>,
    /// Columns that are read or written, by index in the table.
    pub columns: &'a [usize],
    /// Their names and types.
    pub schema: &'a Schema,
    /// The session's settings.
    pub settings: &'a Settings,
}

impl ConnectorContext<'_> {
    /// The table as a connector sees it.
    fn spec(&self) -> Result<TableSpec> {
        let column = |(i, field): (&usize, &crate::plan::logical::Field)| {
            let column = &self.table.columns[*i];
            TableColumn {
                name: column.name.clone(),
                ty: field.ty.clone().without_attribute(),
                metadata: match &column.kind {
                    ColumnKind::Metadata { key, .. } => {
                        Some(key.clone().unwrap_or_else(|| column.name.clone()))
                    }
                    _ => None,
                },
            }
        };
        let columns: Vec<TableColumn> = self.columns.iter().zip(self.schema).map(column).collect();
        let at = |name: &String| columns.iter().position(|c| c.name == *name);
        let key = self.table.primary_key.as_ref().map(|key| &key.columns);
        Ok(TableSpec {
            name: self.table.path.to_string(),
            primary_key: key.into_iter().flatten().filter_map(at).collect(),
            partition_keys: self.table.partition_keys.iter().filter_map(at).collect(),
            columns,
            options: self.options.clone(),
            zone: self.settings.zone()?,
        })
    }
}

type MakeSource = fn(&TableSpec, Options) -> Result<Arc<dyn TableSource>>;
type MakeSink = fn(&TableSpec, Options) -> Result<Arc<dyn TableSink>>;

/// A connector: its name, what it can do, its options.
pub struct Connector {
    /// Value of the option `connector`.
    pub name: &'static str,
    /// In one sentence.
    pub doc: &'static str,
    /// Options beside `connector` and those of the format.
    pub options: &'static [OptionSpec],
    /// Options that name a format, with the prefix of that format's options: `("format", "")`,
    /// `("key.format", "key.")`.
    pub formats: &'static [(&'static str, &'static str)],
    /// Makes the source, if it can be read.
    pub(crate) source: Option<MakeSource>,
    /// Makes the sink, if it can be written.
    pub(crate) sink: Option<MakeSink>,
}

/// All connectors of this build, by name.
pub fn connectors() -> Vec<&'static Connector> {
    vec![
        &blackhole::CONNECTOR,
        &datagen::CONNECTOR,
        &filesystem::CONNECTOR,
        #[cfg(feature = "jdbc")]
        &jdbc::CONNECTOR,
        #[cfg(feature = "kafka")]
        &kafka::KAFKA,
        &nexmark::CONNECTOR,
        &print::CONNECTOR,
        #[cfg(feature = "kafka")]
        &kafka::UPSERT_KAFKA,
    ]
}

fn find(table: &TableSpec) -> Result<&'static Connector> {
    let Some(name) = table.options.get("connector") else {
        return Err(Error::config(
            "table options do not contain an option key 'connector' for discovering a connector",
        )
        .advice("add WITH ('connector' = '...')")
        .at(table.place()));
    };
    let all = connectors();
    all.iter().find(|c| c.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|c| c.name).collect();
        let advice = millstream_core::nearest::hint(name, names.iter().copied())
            .unwrap_or_else(|| format!("known are {}", names.join(", ")));
        Error::config(format!("connector '{name}' is not known")).advice(advice).at(table.place())
    })
}

/// The source of a table.
///
/// # Errors
/// `Config`: an unknown connector, an unknown, wrong or missing option; or the connector
/// cannot be read, or not with these columns.
pub fn source(context: &ConnectorContext<'_>) -> Result<Arc<dyn TableSource>> {
    let spec = context.spec()?;
    match &context.table.stream {
        Some(stream) => stream.source(&spec).map_err(|e| e.at(spec.place())),
        None => source_of(&spec),
    }
}

fn source_of(table: &TableSpec) -> Result<Arc<dyn TableSource>> {
    let connector = find(table)?;
    let options = Options::of_table(connector, table)?;
    let Some(make) = connector.source else {
        return Err(Error::config(format!("connector '{}' cannot be read", connector.name))
            .advice("it is a sink: use it in INSERT INTO")
            .at(table.place()));
    };
    make(table, options).map_err(|e| e.at(table.place()))
}

/// The sink of a table.
///
/// # Errors
/// `Config`: an unknown connector, an unknown, wrong or missing option; or the connector
/// cannot be written, or not with these columns.
pub fn sink(context: &ConnectorContext<'_>) -> Result<Arc<dyn TableSink>> {
    let spec = context.spec()?;
    if context.table.stream.is_some() {
        return Err(Error::config("a stream that is a table cannot be written")
            .advice("write to a table outside, or make the query a stream: to_data_stream")
            .at(spec.place()));
    }
    sink_of(&spec)
}

fn sink_of(table: &TableSpec) -> Result<Arc<dyn TableSink>> {
    let connector = find(table)?;
    let options = Options::of_table(connector, table)?;
    let Some(make) = connector.sink else {
        return Err(Error::config(format!("connector '{}' cannot be written", connector.name))
            .advice("it is a source: use it in SELECT")
            .at(table.place()));
    };
    make(table, options).map_err(|e| e.at(table.place()))
}

#[cfg(test)]
pub(crate) mod testing {
    //! Tables read and written without an engine.
    use super::*;
    use crate::formats::testing::show;
    use millstream_runtime::JobInfo;

    /// Options from pairs.
    pub(crate) fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
    fn context(index: usize, parallelism: usize) -> OperatorContext {
        let mut context = OperatorContext::for_tests("table");
        (context.subtask.index, context.subtask.parallelism) = (index, parallelism);
        context
    }
    pub(crate) fn source(table: &TableSpec) -> Result<Arc<dyn TableSource>> {
        source_of(table)
    }
    pub(crate) fn sink(table: &TableSpec) -> Result<Arc<dyn TableSink>> {
        sink_of(table)
    }
    fn batches(source: &dyn TableSource, index: usize, of: usize) -> Result<Vec<ChangeBatch>> {
        let mut reader = source.create_reader(&context(index, of))?;
        let (mut batches, mut now_ms) = (vec![], 1_700_000_000_000);
        loop {
            match reader.poll(now_ms)? {
                TablePoll::Rows(batch) => batches.push(batch),
                TablePoll::Wait(until) => now_ms = until.unwrap_or(now_ms) + 1,
                TablePoll::End => return Ok(batches),
            }
        }
    }
    /// All rows of a source as text, one subtask after the other.
    pub(crate) fn try_read(source: &dyn TableSource, parallelism: usize) -> Result<Vec<String>> {
        let mut rows = vec![];
        for index in 0..parallelism {
            for batch in batches(source, index, parallelism)? {
                let schema = batch.rows().schema();
                let fields = schema.fields().iter();
                let types: Vec<SqlType> =
                    fields.map(|f| SqlType::from_arrow(f.data_type(), true).unwrap()).collect();
                rows.extend(show(&batch, &types));
            }
        }
        Ok(rows)
    }
    pub(crate) fn read(source: &dyn TableSource, parallelism: usize) -> Vec<String> {
        try_read(source, parallelism).unwrap()
    }
    /// Writes the rows of a source into a sink.
    pub(crate) fn copy(
        source: &dyn TableSource,
        sink: &dyn TableSink,
        parallelism: usize,
    ) -> Result<()> {
        for index in 0..parallelism {
            let mut context = context(index, parallelism);
            context.job = Arc::new(JobInfo {
                checkpoint_interval_ms: None, // so that files are seen at once
                ..JobInfo::for_tests()
            });
            let mut writer = sink.create_writer(&context)?;
            for batch in batches(source, index, parallelism)? {
                writer.write(&batch)?;
            }
            writer.end()?;
        }
        Ok(())
    }
}
