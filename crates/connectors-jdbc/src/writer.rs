//! Writers of one subtask, and the changes that they gather.
//!
//! ```text
//!   DirectWriter   changes ──(batch full, interval over, barrier)──> one transaction
//!   LogWriter      changes ──(barrier)──> one committable, part of the checkpoint
//! ```
//!
//! Invariants: `flush` returns when everything is in the table (direct); what is gathered is
//! bounded, by rows (direct) or by bytes (log).

use crate::database::{Database, Failure};
use crate::statement::{self, Array, Target};
use crate::value::SqlValue;
use millstream_core::{Batch, Clock, Data, Epoch, Error, Result, random_bytes};
use millstream_runtime::SinkWriter;
use postgres::Transaction;
use postgres::types::ToSql;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of one statement.
const STATEMENT_ROWS: usize = 5000;

/// What becomes of a row. Both hold all columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Write(Vec<SqlValue>),
    Delete(Vec<SqlValue>),
}

impl Change {
    fn row(&self) -> &[SqlValue] {
        match self {
            Change::Write(row) | Change::Delete(row) => row,
        }
    }
}

/// From a record to a change.
pub(crate) type ToChange<T> = Arc<dyn Fn(&T) -> Change + Send + Sync>;

/// The statements of one sink.
pub(crate) struct Plan {
    columns: Vec<Target>,
    /// Indices of the key's columns.
    key: Vec<usize>,
    insert: String,
    delete: Option<String>,
}

impl Plan {
    /// `indices`: the columns of the key.
    pub(crate) fn new(table: &str, columns: Vec<Target>, indices: Vec<usize>) -> Self {
        let name = |i: &usize| columns.get(*i).map(|c| c.name.clone());
        let key: Vec<String> = indices.iter().filter_map(name).collect();
        let insert = statement::insert(table, &columns, &key);
        let of_key: Vec<&Target> = indices.iter().filter_map(|i| columns.get(*i)).collect();
        let delete = (!of_key.is_empty()).then(|| statement::delete(table, &of_key));
        Plan { insert, delete, key: indices, columns }
    }

    /// Applies changes; with a key, only the last one of each key.
    pub(crate) fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        changes: &[Change],
    ) -> Result<(), Failure> {
        let (mut writes, mut deletes) = (Vec::new(), Vec::new());
        let mut sort = |change: &'_ Change| match change {
            Change::Write(row) => writes.push(row.clone()),
            Change::Delete(row) => {
                deletes.push(self.key.iter().filter_map(|i| row.get(*i).cloned()).collect());
            }
        };
        if self.key.is_empty() {
            changes.iter().for_each(&mut sort);
        } else {
            let mut last: BTreeMap<Vec<u8>, &Change> = BTreeMap::new();
            for change in changes {
                last.insert(self.key_of(change)?, change);
            }
            // In the order of the keys: two writers cannot wait for each other's rows.
            last.into_values().for_each(&mut sort);
        }
        let all: Vec<&Target> = self.columns.iter().collect();
        execute(transaction, &self.insert, &all, &writes)?;
        if let Some(delete) = &self.delete {
            let of_key: Vec<&Target> =
                self.key.iter().filter_map(|i| self.columns.get(*i)).collect();
            execute(transaction, delete, &of_key, &deletes)?;
        }
        Ok(())
    }

    fn key_of(&self, change: &Change) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for index in &self.key {
            match change.row().get(*index) {
                None | Some(SqlValue::Null) => {
                    let name = self.columns.get(*index).map_or("", |c| c.name.as_str());
                    return Err(Error::data(format!("a record without a value for key '{name}'"))
                        .advice("filter such records out, or choose another key"));
                }
                Some(value) => bytes = postcard::to_extend(value, bytes)?,
            }
        }
        Ok(bytes)
    }
}

fn execute(
    transaction: &mut Transaction<'_>,
    sql: &str,
    columns: &[&Target],
    rows: &[Vec<SqlValue>],
) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let prepared = transaction.prepare(sql)?;
    for chunk in rows.chunks(STATEMENT_ROWS) {
        let chunk: Vec<&[SqlValue]> = chunk.iter().map(Vec::as_slice).collect();
        let array = |(index, column): (usize, &&Target)| statement::array(column, index, &chunk);
        let arrays: Vec<Array> = columns.iter().enumerate().map(array).collect::<Result<_>>()?;
        let bound: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(Array::as_sql).collect();
        transaction.execute(&prepared, &bound)?;
    }
    Ok(())
}

/// Writes to the table: at least once, and by key as if once.
pub(crate) struct DirectWriter<T> {
    pub(crate) database: Database,
    pub(crate) plan: Plan,
    pub(crate) to_change: ToChange<T>,
    pub(crate) changes: Vec<Change>,
    pub(crate) batch_rows: usize,
    pub(crate) batch_interval_ms: i64,
    pub(crate) clock: Arc<dyn Clock>,
    /// When the oldest gathered change is due.
    pub(crate) due_ms: Option<i64>,
}

impl<T> DirectWriter<T> {
    fn write_out(&mut self) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let (plan, changes) = (&self.plan, &self.changes);
        self.database.run("write a batch", |client| {
            let mut transaction = client.transaction()?;
            plan.apply(&mut transaction, changes)?;
            Ok(transaction.commit()?)
        })?;
        self.changes.clear();
        self.due_ms = None;
        Ok(())
    }
}

impl<T: Data> SinkWriter<T> for DirectWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        for (value, _) in batch {
            self.changes.push((self.to_change)(&value));
            if self.changes.len() >= self.batch_rows {
                self.write_out()?;
            }
        }
        if !self.changes.is_empty() && self.due_ms.is_none() {
            self.due_ms = Some(self.clock.now_ms().saturating_add(self.batch_interval_ms));
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        self.write_out()
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        if self.due_ms.is_some_and(|due| due <= now_ms) { self.write_out() } else { Ok(()) }
    }
    fn next_poll(&self) -> Option<i64> {
        self.due_ms
    }
}

/// Format of a committable's bytes.
const VERSION: u8 = 1;

/// One epoch of one writer: part of the checkpoint, published after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) nonce: Vec<u8>,
    pub(crate) changes: Vec<Change>,
}

impl Log {
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&(VERSION, self))?)
    }
    pub(crate) fn decode(bytes: &[u8]) -> Result<Log> {
        if bytes.first() != Some(&VERSION) {
            return Err(Error::corrupt("stored rows are of another format")
                .advice("restore with the version of Millstream that took the checkpoint"));
        }
        let (_, log): (u8, Log) = postcard::from_bytes(bytes)?;
        Ok(log)
    }
}

/// A value that no other epoch or attempt has.
pub(crate) fn nonce() -> Result<Vec<u8>> {
    Ok(random_bytes::<16>()?.to_vec())
}

/// Gathers an epoch's changes for the checkpoint.
pub(crate) struct LogWriter<T> {
    pub(crate) to_change: ToChange<T>,
    pub(crate) changes: Vec<Change>,
    pub(crate) size_bytes: usize,
    pub(crate) max_epoch_bytes: usize,
}

/// About what a row takes.
fn size_of(change: &Change) -> usize {
    let value = |value: &SqlValue| match value {
        SqlValue::Text(text) => text.len(),
        SqlValue::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let fixed = std::mem::size_of::<SqlValue>();
    change.row().iter().map(|v| fixed + value(v)).sum::<usize>() + std::mem::size_of::<Change>()
}

impl<T: Data> SinkWriter<T> for LogWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        for (value, _) in batch {
            let change = (self.to_change)(&value);
            self.size_bytes += size_of(&change);
            self.changes.push(change);
        }
        if self.size_bytes > self.max_epoch_bytes {
            return Err(Error::config(format!(
                "the rows between two checkpoints take more than {} bytes",
                self.max_epoch_bytes
            ))
            .advice(
                "shorten the checkpoint interval, raise max_epoch_bytes, or upsert by key \
                 without exactly_once, which keeps no rows",
            ));
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn prepare_commit(&mut self, _epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        if self.changes.is_empty() {
            return Ok(vec![]);
        }
        self.size_bytes = 0;
        let log = Log { nonce: nonce()?, changes: std::mem::take(&mut self.changes) };
        Ok(vec![log.encode()?])
    }
}
