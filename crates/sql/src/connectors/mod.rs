//! Tables outside: what a connector gives to the planner, and what it takes.
//!
//! ```text
//!   TableSpec ──source()──> TableSource ──project──> TableSource ──add_to──> job graph
//!   (columns, options)                                             out: ChangeBatch
//!   TableSpec ──sink()────> TableSink   ────────────────────────── add_to──> job graph
//! ```
//!
//! The planner asks a source for its changes, says which columns it wants, and lets it add
//! its operators to the graph. What runs is a runtime [`Source`](millstream_runtime::Source)
//! with its splits and positions in checkpoints, and operators behind it that make columns.
//!
//! Invariant: batches that leave a source have exactly the columns of
//! [`TableSource::schema`], and kinds that [`TableSource::changes`] allows.
//!
//! Source: Flink's pages on table connectors, whose option names are used.

mod blackhole;
mod blocks;
mod datagen;
mod filesystem;
mod nexmark;
mod options;
mod print;
mod projection;
mod reader;

pub use options::{MASK, OptionKind, OptionSpec, Options, masked};
pub use reader::{TablePoll, TableReader, TableWriter, add_reader, add_writer};

use crate::runtime::ChangeBatch;
use crate::types::SqlType;
use crate::zone::Zone;
use arrow_schema::{Schema, SchemaRef};
use millstream_core::{Error, Result};
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of changes that a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// +I only.
    Append,
    /// +I, -U, +U, -D.
    Retract,
    /// +I, +U, -D by key.
    Upsert,
}

impl Changes {
    /// As plans show them.
    pub fn text(self) -> &'static str {
        match self {
            Changes::Append => "[I]",
            Changes::Retract => "[I,UB,UA,D]",
            Changes::Upsert => "[I,UA,D]",
        }
    }
    /// Whether rows are taken back.
    pub fn retracts(self) -> bool {
        self != Changes::Append
    }
    /// Of a stream made of two.
    pub fn and(self, other: Changes) -> Changes {
        if self == Changes::Append && other == Changes::Append {
            Changes::Append
        } else {
            Changes::Retract
        }
    }
}

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
    /// The Arrow schema of all columns; every column may hold NULL.
    pub fn schema(&self) -> SchemaRef {
        let field = |c: &TableColumn| c.ty.arrow_field(&c.name).with_nullable(true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
    /// The columns of the format, by index.
    pub fn physical(&self) -> Vec<usize> {
        (0..self.columns.len()).filter(|i| self.columns[*i].metadata.is_none()).collect()
    }
    pub(crate) fn place(&self) -> String {
        format!("table '{}'", self.name)
    }
}

/// Where a value is within the rows of a table: the index of a column, then the indices of
/// fields of ROWs in it. `[3]` is the fourth column, `[3, 0]` the first field of its rows.
pub type FieldPath = Vec<usize>;

/// Reads a table.
pub trait TableSource: Send + Sync {
    /// The changes that it may emit.
    fn changes(&self) -> Changes;

    /// The columns that it emits; at first those of [`TableSpec::schema`].
    fn schema(&self) -> SchemaRef;

    /// Whether it ends by itself.
    fn is_bounded(&self) -> bool;

    /// A source of the same table that emits these columns only, in this order; a path into
    /// a ROW makes a column of its own, NULL where the row is, named by the path. What
    /// nobody asks for is not read as far as the format allows.
    ///
    /// Paths are those of the table, also when the source had a projection before.
    ///
    /// # Errors
    /// Bug: a path leads nowhere.
    fn project(&self, paths: &[FieldPath]) -> Result<Arc<dyn TableSource>>;

    /// A source that may stop after so many rows, if it can; `None` if it cannot. The
    /// planner's own LIMIT stays.
    fn limit(&self, _rows: u64) -> Option<Arc<dyn TableSource>> {
        None
    }

    /// The most subtasks that can read it; `None`: any number.
    fn parallelism_limit(&self) -> Option<usize> {
        None
    }

    /// The names of metadata columns that it offers, with their types.
    fn metadata(&self) -> Vec<(&'static str, SqlType)> {
        vec![]
    }

    /// Adds the source and what belongs to it to a job; the node answered emits
    /// [`ChangeBatch`]es.
    fn add_to(&self, graph: &mut JobGraph, spec: NodeSpec) -> NodeId;
}

/// Writes a table.
pub trait TableSink: Send + Sync {
    /// Whether it takes such a stream. A sink with a [`TableSpec::primary_key`] that takes
    /// [`Changes::Upsert`] does not need -U.
    fn accepts(&self, changes: Changes) -> bool;

    /// Adds the sink and what belongs to it to a job; inputs have the columns of
    /// [`TableSpec::schema`]. Rows of one key must come from one subtask of the input.
    fn add_to(
        &self,
        graph: &mut JobGraph,
        spec: NodeSpec,
        inputs: Vec<Input<ChangeBatch>>,
    ) -> NodeId;
}

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
    pub(crate) source: Option<fn(&TableSpec, Options) -> Result<Arc<dyn TableSource>>>,
    /// Makes the sink, if it can be written.
    pub(crate) sink: Option<fn(&TableSpec, Options) -> Result<Arc<dyn TableSink>>>,
}

/// All connectors of this build, by name.
pub fn connectors() -> Vec<&'static Connector> {
    vec![
        &blackhole::CONNECTOR,
        &datagen::CONNECTOR,
        &filesystem::CONNECTOR,
        &nexmark::CONNECTOR,
        &print::CONNECTOR,
    ]
}

fn find(table: &TableSpec) -> Result<&'static Connector> {
    let Some(name) = table.options.get("connector") else {
        return Err(Error::config(
            "the table's options have no 'connector': where its rows are is not known",
        )
        .advice("add WITH ('connector' = '...')")
        .at(table.place()));
    };
    let all = connectors();
    all.iter().find(|c| c.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|c| c.name).collect();
        let advice = crate::nearest::hint(name, names.iter().copied())
            .unwrap_or_else(|| format!("known are {}", names.join(", ")));
        Error::config(format!("connector '{name}' is not known")).advice(advice).at(table.place())
    })
}

/// Checks the options of a table, as far as no outside system is needed.
///
/// # Errors
/// `Config`: the connector, an option or a value of one is not known, or one is missing.
pub fn check(table: &TableSpec) -> Result<()> {
    let connector = find(table)?;
    Options::of_table(connector, table).map(drop)
}

/// The source of a table.
///
/// # Errors
/// `Config`: as [`check`]; or the connector cannot be read, or not with these columns.
pub fn source(table: &TableSpec) -> Result<Arc<dyn TableSource>> {
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
/// `Config`: as [`check`]; or the connector cannot be written, or not with these columns.
pub fn sink(table: &TableSpec) -> Result<Arc<dyn TableSink>> {
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
    //! Tables read and written by a job in this process.
    use super::*;
    use crate::formats::testing::show;
    use crate::types::SqlType;
    use millstream_runtime::{ContainerPartitioner, RuntimeConfig, execute};
    use std::sync::Mutex;

    /// Options from pairs.
    pub(crate) fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    struct Collect(Arc<Mutex<Vec<String>>>, Vec<SqlType>);
    impl TableWriter for Collect {
        fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
            self.0.lock().unwrap().extend(show(batch, &self.1));
            Ok(())
        }
        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn run(graph: JobGraph, workers: usize) -> Result<()> {
        execute(&graph, RuntimeConfig::local("test", workers), None)?.wait()
    }

    /// All rows of a source as text, by a job of this parallelism.
    pub(crate) fn try_read(source: &dyn TableSource, parallelism: usize) -> Result<Vec<String>> {
        let mut graph = JobGraph::new();
        let from = source.add_to(&mut graph, NodeSpec::default());
        let fields = source.schema();
        let types: Vec<SqlType> = fields
            .fields()
            .iter()
            .map(|f| SqlType::from_arrow(f.data_type(), true).unwrap())
            .collect();
        let rows = Arc::new(Mutex::new(vec![]));
        let to = Arc::clone(&rows);
        let inputs = vec![Input::container(from, ContainerPartitioner::forward())];
        add_writer(&mut graph, NodeSpec::default(), inputs, move |_| {
            Ok(Box::new(Collect(Arc::clone(&to), types.clone())))
        });
        run(graph, parallelism)?;
        let rows = std::mem::take(&mut *rows.lock().unwrap());
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
        let mut graph = JobGraph::new();
        let from = source.add_to(&mut graph, NodeSpec::default());
        let inputs = vec![Input::container(from, ContainerPartitioner::forward())];
        sink.add_to(&mut graph, NodeSpec::default(), inputs);
        run(graph, parallelism)
    }
}
