//! Tables outside: where rows come from and go to, by the options of `WITH (...)`.
//!
//! ```text
//!   'connector' = 'filesystem' ──> TableSource ──> TableReader ──ChangeBatch──> job
//!                                  TableSink   <── TableWriter <──ChangeBatch── job
//! ```
//!
//! [`FACTORIES`] is the one table of connectors. A factory checks all options when a
//! query is planned; unknown ones are refused with the nearest name.

pub mod blackhole;
pub mod datagen;
pub mod filesystem;
pub mod format;
pub mod options;
pub mod print;

use crate::catalog::{ColumnKind, TableDef};
use crate::nearest;
use crate::plan::logical::Schema;
use crate::plan::stream::Changes;
use crate::runtime::ChangeBatch;
use crate::settings::Settings;
use crate::zone::Zone;
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use options::TableOptions;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a reader has to say.
pub enum TablePoll {
    /// Rows.
    Rows(ChangeBatch),
    /// Nothing now; ask again at this processing time.
    Wait(Option<i64>),
    /// This reader has read everything.
    End,
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
    /// The reader of one subtask.
    ///
    /// # Errors
    /// When what is outside is not there.
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>>;
}

/// Reads for one subtask.
pub trait TableReader {
    /// The next rows, about a thousand.
    ///
    /// # Errors
    /// Ends the attempt.
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll>;
    /// Stores how far it has come, as operator state.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn snapshot(&mut self, _epoch: Epoch, _into: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

/// A table that can be written; shared by all subtasks.
pub trait TableSink: Send + Sync {
    /// Whether it takes changes of this kind.
    fn accepts(&self, changes: Changes) -> bool;
    /// The writer of one subtask.
    ///
    /// # Errors
    /// When what is outside is not there.
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>>;
}

/// Writes for one subtask.
pub trait TableWriter {
    /// Writes rows; may keep them in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, batch: &ChangeBatch) -> Result<()>;
    /// Everything written is safe when this returns.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn flush(&mut self) -> Result<()>;
    /// Bounded input has ended: everything is safe and visible when this returns.
    ///
    /// # Errors
    /// Ends the attempt.
    fn end(&mut self) -> Result<()> {
        self.flush()
    }
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
    /// The connector's name for each metadata column; `None` for the others.
    pub fn metadata_keys(&self) -> Vec<Option<String>> {
        self.columns
            .iter()
            .map(|c| {
                let column = &self.table.columns[*c];
                match &column.kind {
                    ColumnKind::Metadata { key, .. } => {
                        Some(key.clone().unwrap_or_else(|| column.name.clone()))
                    }
                    _ => None,
                }
            })
            .collect()
    }
    /// Refuses metadata columns.
    ///
    /// # Errors
    /// `Config`, when there is one.
    pub fn no_metadata(&self) -> Result<()> {
        match self.metadata_keys().into_iter().flatten().next() {
            Some(key) => Err(Error::config(format!("metadata column '{key}' is not known"))
                .advice("this connector has no metadata columns")),
            None => Ok(()),
        }
    }
    /// The session's time zone.
    ///
    /// # Errors
    /// `Config`, when there is no such zone.
    pub fn zone(&self) -> Result<Zone> {
        self.settings.zone()
    }
}

type MakeSource = fn(&ConnectorContext<'_>, &mut TableOptions<'_>) -> Result<Arc<dyn TableSource>>;
type MakeSink = fn(&ConnectorContext<'_>, &mut TableOptions<'_>) -> Result<Arc<dyn TableSink>>;

/// A connector.
pub struct Factory {
    /// The value of `connector`.
    pub name: &'static str,
    source: Option<MakeSource>,
    sink: Option<MakeSink>,
}

/// All connectors, by name.
pub const FACTORIES: &[Factory] = &[
    Factory { name: "blackhole", source: None, sink: Some(blackhole::sink) },
    Factory { name: "datagen", source: Some(datagen::source), sink: None },
    Factory { name: "filesystem", source: Some(filesystem::source), sink: Some(filesystem::sink) },
    Factory { name: "print", source: None, sink: Some(print::sink) },
];

fn factory(context: &ConnectorContext<'_>) -> Result<&'static Factory> {
    let place = |e: Error| e.at(format!("table '{}'", context.table.path));
    let Some(name) = context.options.get("connector") else {
        return Err(place(Error::config(
            "table options do not contain an option key 'connector' for discovering a connector",
        ))
        .advice("add WITH ('connector' = '...')"));
    };
    FACTORIES.iter().find(|f| f.name == name.as_str()).ok_or_else(|| {
        let names: Vec<&str> = FACTORIES.iter().map(|f| f.name).collect();
        let error = place(Error::config(format!("there is no connector '{name}'")));
        match nearest::hint(name, names.iter().copied()) {
            Some(hint) => error.advice(hint),
            None => error.advice(format!("connectors are: {}", names.join(", "))),
        }
    })
}

/// The table's rows as a source.
///
/// # Errors
/// `Config`: no connector, one that cannot be read, or wrong options.
pub fn source(context: &ConnectorContext<'_>) -> Result<Arc<dyn TableSource>> {
    let factory = factory(context)?;
    let place = |e: Error| e.at(format!("table '{}'", context.table.path));
    let Some(make) = factory.source else {
        let what = format!("connector '{}' can only be used as a sink", factory.name);
        return Err(place(Error::config(what)).advice("read from another table"));
    };
    let mut options = TableOptions::new(factory.name, context.options);
    let source = make(context, &mut options).map_err(place)?;
    options.finish().map_err(place)?;
    Ok(source)
}

/// The table as a sink.
///
/// # Errors
/// `Config`: no connector, one that cannot be written, or wrong options.
pub fn sink(context: &ConnectorContext<'_>) -> Result<Arc<dyn TableSink>> {
    let factory = factory(context)?;
    let place = |e: Error| e.at(format!("table '{}'", context.table.path));
    let Some(make) = factory.sink else {
        let what = format!("connector '{}' can only be used as a source", factory.name);
        return Err(place(Error::config(what)).advice("write to another table"));
    };
    let mut options = TableOptions::new(factory.name, context.options);
    let sink = make(context, &mut options).map_err(place)?;
    options.finish().map_err(place)?;
    Ok(sink)
}
