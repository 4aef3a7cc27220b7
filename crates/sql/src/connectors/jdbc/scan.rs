//! Reads a table once, in splits.
//!
//! ```text
//!   thread: cursor of split 0 ──fetch──> batch ──(at most two wait)──> reader ──> job
//! ```
//! A subtask reads its splits one after the other, on a thread of its own, so that the worker
//! never waits for the database. A restored job reads a split on behind the rows that were
//! given out: exact as long as the table has not changed in between.
//!
//! Invariant: at most two fetches and the one that is being made are in memory.

use super::super::lookup::Lookup;
use super::super::{Needed, TablePoll, TableReader, TableSource};
use super::config::Config;
use super::lookup::JdbcLookupTable;
use super::values::{Reading, check_readable};
use crate::connectors::projection::Projection;
use crate::formats::columns::Rows;
use crate::runtime::{ChangeBatch, ChangeKind};
use millstream_core::{Epoch, Error, Result};
use millstream_jdbc::JdbcColumn;
use millstream_runtime::{OperatorContext, OperatorSnapshot, Waker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

const STATE: &str = "jdbc-splits";
/// Batches that wait for the worker.
const WAITING: usize = 2;

#[derive(Clone)]
pub(super) struct JdbcSource {
    config: Config,
}

impl JdbcSource {
    pub(super) fn new(config: Config) -> Self {
        JdbcSource { config }
    }
}

impl TableSource for JdbcSource {
    fn parallelism_limit(&self) -> Option<usize> {
        Some(self.config.splits.as_ref().map_or(1, |(_, ranges)| ranges.len()))
    }
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        let projection = Projection::new(&self.config.columns, needed)?;
        let config = Config { projection, ..self.config.clone() };
        Ok(Some(Arc::new(JdbcSource { config })))
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let subtask = &context.subtask;
        let stored: Vec<(u32, Split)> = context.restored.list_union(STATE)?;
        let count = self.parallelism_limit().unwrap_or(1);
        let mine = |index: &usize| index % subtask.parallelism.max(1) == subtask.index;
        let split = |index: usize| {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let stored = stored.iter().find(|(of, _)| *of == number);
            (number, stored.map_or(Split::default(), |(_, split)| *split))
        };
        Ok(Box::new(JdbcReader {
            config: self.config.clone(),
            splits: (0..count).filter(mine).map(split).collect(),
            waker: context.waker.clone(),
            batches: None,
        }))
    }
    fn lookup(&self, keys: &[usize]) -> Result<Option<Lookup>> {
        Ok(Some(Lookup {
            table: Arc::new(JdbcLookupTable::new(self.config.clone(), keys)?),
            cache: self.config.lookup_cache,
        }))
    }
}

/// How far a split has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Split {
    rows: u64,
    done: bool,
}

enum Report {
    Rows(u32, ChangeBatch),
    Done(u32),
    Failed(Error),
}

struct JdbcReader {
    config: Config,
    /// Checkpointed: the splits of this subtask.
    splits: BTreeMap<u32, Split>,
    /// Rebuilt on restore.
    waker: Waker,
    batches: Option<Receiver<Report>>,
}

impl JdbcReader {
    fn start(&mut self) -> Result<()> {
        let (sender, batches) = sync_channel(WAITING);
        let config = self.config.clone();
        let left = self.splits.iter().filter(|(_, split)| !split.done);
        let left: Vec<(u32, u64)> = left.map(|(index, split)| (*index, split.rows)).collect();
        let waker = self.waker.clone();
        let read = move || {
            let reports = Reports { sender, waker };
            if let Err(error) = read_splits(&config, &left, &reports) {
                let error = error.at(format!("table '{}'", config.place));
                reports.send(Report::Failed(error));
            }
        };
        let started = std::thread::Builder::new().name("millstream-jdbc-scan".into()).spawn(read);
        started.map_err(|e| {
            Error::config(format!("no thread could be started: {e}"))
                .advice("raise the limit of threads of this process")
        })?;
        self.batches = Some(batches);
        Ok(())
    }
}

/// The reader's end of the thread.
struct Reports {
    sender: SyncSender<Report>,
    waker: Waker,
}

impl Reports {
    /// Whether anybody still reads.
    fn send(&self, report: Report) -> bool {
        let sent = self.sender.send(report).is_ok();
        self.waker.wake();
        sent
    }
}

/// The columns of the database for those that are needed.
pub(super) fn readable(config: &Config) -> Result<Vec<JdbcColumn>> {
    let needed = || config.projection.needed().iter().map(|i| &config.columns[*i]);
    let names: Vec<&str> = needed().map(|c| c.name.as_str()).collect();
    let found = config.table.columns(&names)?;
    for (found, column) in found.iter().zip(needed()) {
        check_readable(found, &column.name, &column.ty)?;
    }
    Ok(found)
}

fn read_splits(config: &Config, left: &[(u32, u64)], reports: &Reports) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let columns = readable(config)?;
    let needed = || config.projection.needed().iter().map(|i| &config.columns[*i]);
    let own = columns.iter().zip(needed()).map(|(found, c)| (found, c.name.as_str(), &c.ty));
    let mut reading = Reading::new(config.zone, own);
    let mut rows = Rows::new(needed().map(|c| (c.name.as_str(), &c.ty)));
    let by = match &config.splits {
        Some((column, _)) => config.table.columns(&[column])?.pop(),
        None => None,
    };
    for (index, given) in left {
        let range = config.splits.as_ref().and_then(|(_, ranges)| ranges.get(*index as usize));
        let within = by.as_ref().zip(range).map(|(column, (low, high))| (column, *low, *high));
        let mut cursor = config.table.scan(&columns, within, *given)?;
        let mut at = *given;
        loop {
            let fetched = cursor.fetch(config.fetch_rows, |row| {
                at += 1;
                let read = reading.row(row, &mut rows.columns);
                read.map_err(|e| e.at(format!("row {at} of the scan")))?;
                rows.end_row(ChangeKind::Insert);
                Ok(())
            })?;
            if fetched == 0 {
                break;
            }
            let made = rows.finish()?;
            let all = config.projection.apply(made.rows().columns(), fetched)?;
            let schema = Arc::clone(config.projection.schema());
            let batch = ChangeBatch::from_columns(schema, all, fetched, None)?;
            if !reports.send(Report::Rows(*index, batch)) {
                return Ok(());
            }
        }
        if !reports.send(Report::Done(*index)) {
            return Ok(());
        }
    }
    Ok(())
}

impl TableReader for JdbcReader {
    fn poll(&mut self, _now_ms: i64) -> Result<TablePoll> {
        loop {
            if self.splits.values().all(|split| split.done) {
                return Ok(TablePoll::End);
            }
            if self.batches.is_none() {
                self.start()?;
            }
            let Some(batches) = &self.batches else { return Ok(TablePoll::Wait(None)) };
            match batches.try_recv() {
                Ok(Report::Rows(index, batch)) => {
                    if let Some(split) = self.splits.get_mut(&index) {
                        split.rows += batch.len() as u64;
                    }
                    return Ok(TablePoll::Rows(batch));
                }
                Ok(Report::Done(index)) => {
                    if let Some(split) = self.splits.get_mut(&index) {
                        split.done = true;
                    }
                }
                Ok(Report::Failed(error)) => return Err(error),
                Err(TryRecvError::Empty) => return Ok(TablePoll::Wait(None)),
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::restart("the thread that reads the database is gone"));
                }
            }
        }
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.splits.iter().try_for_each(|split| into.put_list(STATE, &split))
    }
}
