//! Writes part files: `part-<subtask>-<number>`, by partition if there is one.
//!
//! ```text
//!   .part-0-3.inprogress ──barrier──> pending, in the checkpoint ──complete──> part-0-3
//! ```
//! Exactly once: what an epoch has written is finished at its barrier and becomes visible
//! when its checkpoint is durable, or at the end of bounded input. A restored job makes the
//! pending files of its checkpoint visible, and throws away what came after.
//!
//! Invariant: a visible file is whole and does not change any more.

use super::super::{Changes, TableSink, TableWriter};
use super::config::{Files, Place};
use super::listing::{io_error, partition_folder, partition_values};
use crate::formats::times::TimeStandard;
use crate::formats::{BulkWriter, Encoder, write_scalar};
use crate::runtime::ChangeBatch;
use arrow_array::{Array, ArrayRef};
use millstream_core::{Clock, Epoch, Error, Result, Watermark};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of different partitions that are open at a time.
const MAX_OPEN: usize = 256;
const BUFFER_BYTES: usize = 256 * 1024;
/// What formats of whole files may keep in memory before they write it.
const MAX_WAITING_BYTES: u64 = 256 << 20;
const PENDING_STATE: &str = "filesystem-pending";
const PARTITIONS_STATE: &str = "filesystem-partitions";

#[derive(Clone)]
pub(super) struct FileSink {
    files: Files,
}

impl FileSink {
    pub(super) fn new(files: Files) -> Result<Self> {
        match files.format.files() {
            Some(format) => format.check(&files.format_columns())?,
            None => files.format.encoder(&files.format_columns()).map(|_| ())?,
        }
        if files.places.iter().all(|place| *place != Place::Format) {
            return Err(Error::config("a table of files needs a column that is no partition key")
                .advice("take a column out of PARTITIONED BY"));
        }
        if files.places.iter().any(|place| matches!(place, Place::Metadata(_))) {
            return Err(Error::config("metadata of files cannot be written")
                .advice("make the METADATA column VIRTUAL"));
        }
        Ok(FileSink { files })
    }
}

impl TableSink for FileSink {
    fn accepts(&self, changes: Changes) -> bool {
        changes == Changes::Append || self.files.format.changes() == Changes::Retract
    }
    fn is_single(&self) -> bool {
        self.files.partition_commit.is_some()
    }
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        Ok(Box::new(FileWriter::open(self.files.clone(), context)?))
    }
}

/// A file that is being written.
struct Part {
    path: PathBuf,
    finished: PathBuf,
    file: File,
    /// What makes the bytes of a format of whole files.
    bulk: Option<Box<dyn BulkWriter>>,
    buffer: Vec<u8>,
    written_bytes: u64,
    opened_ms: i64,
    /// When the last rows came.
    used_ms: i64,
}

impl Part {
    fn write_out(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.buffer);
        written.map_err(|e| io_error(&self.path, "written", &e))?;
        self.written_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
    fn size_bytes(&self) -> u64 {
        self.written_bytes + self.buffer.len() as u64 + self.waiting_bytes()
    }
    fn waiting_bytes(&self) -> u64 {
        self.bulk.as_ref().map_or(0, |bulk| bulk.waiting_bytes())
    }
}

struct FileWriter {
    files: Files,
    /// `None`: a format of whole files.
    encoder: Option<Box<dyn Encoder>>,
    /// Indices of the columns that go into the messages.
    format_columns: Vec<usize>,
    subtask_index: usize,
    clock: Arc<dyn Clock>,
    /// The time of the batch that is being written.
    now_ms: i64,
    next_number: u64,
    /// The open file of each partition, by the folder's name.
    open: BTreeMap<String, Part>,
    /// Finished, and not visible yet: the hidden and the final name, by the epoch that ended
    /// (`None`: the current one).
    pending: Vec<(Option<u64>, PathBuf, PathBuf)>,
    /// Partitions whose completeness is to be told, with the time when they were first written
    /// to.
    partitions: BTreeMap<String, i64>,
    watermark_ms: i64,
    /// The watermarks at barriers whose checkpoints are not complete yet, by epoch.
    watermarks: Vec<(u64, i64)>,
}

impl FileWriter {
    fn open(files: Files, context: &OperatorContext) -> Result<Self> {
        let places = files.places.iter().enumerate();
        let format_columns = places.filter(|(_, p)| **p == Place::Format).map(|(i, _)| i).collect();
        std::fs::create_dir_all(&files.path).map_err(|e| io_error(&files.path, "made", &e))?;
        let writer = FileWriter {
            encoder: match files.format.files() {
                Some(_) => None,
                None => Some(files.format.encoder(&files.format_columns())?),
            },
            files,
            format_columns,
            subtask_index: context.subtask.index,
            clock: Arc::clone(&context.clock),
            now_ms: context.clock.now_ms(),
            next_number: 0,
            open: BTreeMap::new(),
            pending: vec![],
            partitions: context
                .restored
                .list(PARTITIONS_STATE, &context.subtask)?
                .into_iter()
                .collect(),
            watermark_ms: i64::MIN,
            watermarks: vec![],
        };
        let restored: Vec<(PathBuf, PathBuf)> =
            context.restored.list(PENDING_STATE, &context.subtask)?;
        for (hidden, finished) in restored {
            if finished.exists() {
                continue;
            }
            writer
                .publish(&hidden, &finished)
                .map_err(|e| e.advice("put the file back: the checkpoint counts on it"))?;
        }
        Ok(writer)
    }

    fn publish(&self, hidden: &Path, finished: &Path) -> Result<()> {
        let folder = finished.parent().unwrap_or(&self.files.path);
        // The folder is synced too, so that the new name survives a crash of the machine.
        let renamed = std::fs::rename(hidden, finished)
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all());
        renamed.map_err(|e| io_error(hidden, "finished", &e))
    }

    /// The folder of a row's partition, relative to the table's.
    fn partition(&self, columns: &[ArrayRef], row: usize) -> Result<String> {
        let mut folder = String::new();
        for index in &self.files.partition_keys {
            let (column, array) = (&self.files.columns[*index], &columns[*index]);
            let mut text = String::new();
            if !array.is_null(row) {
                write_scalar(&mut text, &column.ty, array, row, TimeStandard::Sql)?;
            }
            if text.is_empty() {
                text.push_str(&self.files.default_partition);
            }
            folder.push_str(&partition_folder(&column.name, &text));
            folder.push('/');
        }
        Ok(folder)
    }

    /// Makes the next file of a partition, under a number that nobody has used.
    fn create(&mut self, partition: &str) -> Result<Part> {
        let folder = self.files.path.join(partition);
        std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, "made", &e))?;
        loop {
            let name = format!("part-{}-{}", self.subtask_index, self.next_number);
            self.next_number += 1;
            let (path, finished) = (folder.join(format!(".{name}.inprogress")), folder.join(&name));
            if finished.exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let opened_ms = self.clock.now_ms();
                    let bulk = self.files.format.files();
                    let columns = self.files.format_columns();
                    let bulk = bulk.map(|bulk| bulk.writer(&columns)).transpose()?;
                    let (buffer, written_bytes) = (vec![], 0);
                    return Ok(Part {
                        path,
                        finished,
                        file,
                        bulk,
                        buffer,
                        written_bytes,
                        opened_ms,
                        used_ms: opened_ms,
                    });
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error(&path, "made", &e)),
            }
        }
    }

    /// Tells which partitions are complete; at the end of the input all of them are.
    fn tell_partitions(&mut self, watermark_ms: i64, at_end: bool) -> Result<()> {
        let Some(commit) = &self.files.partition_commit else { return Ok(()) };
        let now_ms = self.clock.now_ms();
        let mut told = vec![];
        for (folder, first_ms) in &self.partitions {
            let values = partition_values(Path::new(""), &Path::new(folder).join("file"));
            if at_end || commit.is_due(&values, *first_ms, now_ms, watermark_ms)? {
                commit.tell(&self.files.path.join(folder))?;
                told.push(folder.clone());
            }
        }
        told.iter().for_each(|folder| {
            self.partitions.remove(folder);
        });
        Ok(())
    }

    /// Finishes a file; it is visible later.
    fn finish(&mut self, partition: &str) -> Result<()> {
        let Some(mut part) = self.open.remove(partition) else { return Ok(()) };
        if let Some(bulk) = &mut part.bulk {
            bulk.finish(&mut part.buffer)?;
        }
        part.write_out()?;
        part.file.sync_all().map_err(|e| io_error(&part.path, "written", &e))?;
        self.pending.push((None, part.path, part.finished));
        Ok(())
    }
    fn finish_where(&mut self, which: impl Fn(&Part) -> bool) -> Result<()> {
        let due = self.open.iter().filter(|(_, part)| which(part));
        let due: Vec<String> = due.map(|(partition, _)| partition.clone()).collect();
        due.iter().try_for_each(|partition| self.finish(partition))
    }
}

impl FileWriter {
    /// Makes sure that there is an open file for a partition.
    fn open_part(&mut self, partition: &str) -> Result<()> {
        if self.open.contains_key(partition) {
            return Ok(());
        }
        if self.files.partition_commit.is_some() && !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.to_owned(), self.clock.now_ms());
        }
        if self.open.len() >= MAX_OPEN {
            self.finish_where(|_| true)?;
        }
        let part = self.create(partition)?;
        self.open.insert(partition.to_owned(), part);
        Ok(())
    }

    /// Writes the rows of each partition at once, for formats of whole files.
    fn write_bulk(&mut self, batch: &ChangeBatch) -> Result<()> {
        let mut partitions: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        if self.files.partition_keys.is_empty() {
            partitions.insert(String::new(), vec![]);
        } else {
            for row in 0..batch.len() {
                let partition = self.partition(batch.rows().columns(), row)?;
                partitions.entry(partition).or_default().push(row as u32);
            }
        }
        for (partition, rows) in partitions {
            let part_of = if rows.is_empty() { batch.clone() } else { batch.take(&rows)? };
            self.open_part(&partition)?;
            // All open files together keep as much in memory as one may.
            let open = self.open.len() as u64;
            let Some(part) = self.open.get_mut(&partition) else { continue };
            part.used_ms = self.now_ms;
            let columns = part_of.columns(&self.format_columns)?;
            if let Some(bulk) = &mut part.bulk {
                bulk.write(&columns, part_of.len(), &mut part.buffer)?;
                if bulk.waiting_bytes() > MAX_WAITING_BYTES / open.max(1) {
                    bulk.flush(&mut part.buffer)?;
                }
            }
            if part.buffer.len() >= BUFFER_BYTES {
                part.write_out()?;
            }
            if part.size_bytes() >= self.files.roll_size_bytes {
                self.finish(&partition)?;
            }
        }
        Ok(())
    }
}

impl TableWriter for FileWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.now_ms = self.clock.now_ms();
        if self.encoder.is_none() {
            return self.write_bulk(batch);
        }
        let columns = batch.rows().columns();
        let written = self.format_columns.iter().map(|i| Arc::clone(&columns[*i]));
        let written: Vec<ArrayRef> = written.collect();
        for row in 0..batch.len() {
            let partition = self.partition(columns, row)?;
            self.open_part(&partition)?;
            let (Some(part), Some(encoder)) = (self.open.get_mut(&partition), &mut self.encoder)
            else {
                continue;
            };
            part.used_ms = self.now_ms;
            encoder.encode(&written, row, batch.kind(row), &mut part.buffer)?;
            part.buffer.push(b'\n');
            if part.buffer.len() >= BUFFER_BYTES {
                part.write_out()?;
            }
            if part.size_bytes() >= self.files.roll_size_bytes {
                self.finish(&partition)?;
            }
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        self.finish_where(|_| true)
    }
    fn on_watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.watermark_ms = watermark.0;
        Ok(())
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.watermarks.push((epoch.0, self.watermark_ms));
        self.partitions.iter().try_for_each(|part| into.put_list(PARTITIONS_STATE, &part))?;
        for (of, hidden, finished) in &mut self.pending {
            of.get_or_insert(epoch.0);
            into.put_list(PENDING_STATE, &(&*hidden, &*finished))?;
        }
        Ok(())
    }
    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        let covered = |of: &Option<u64>| of.is_some_and(|of| of <= epoch.0);
        let (due, later) =
            std::mem::take(&mut self.pending).into_iter().partition(|(of, ..)| covered(of));
        self.pending = later;
        let due: Vec<(Option<u64>, PathBuf, PathBuf)> = due;
        due.iter().try_for_each(|(_, hidden, finished)| self.publish(hidden, finished))?;
        let reached = self.watermarks.iter().filter(|(of, _)| *of <= epoch.0);
        let watermark_ms = reached.map(|(_, watermark)| *watermark).max();
        self.watermarks.retain(|(of, _)| *of > epoch.0);
        self.tell_partitions(watermark_ms.unwrap_or(i64::MIN), false)
    }
    fn end(&mut self) -> Result<()> {
        self.finish_where(|_| true)?;
        let pending = std::mem::take(&mut self.pending);
        pending.iter().try_for_each(|(_, hidden, finished)| self.publish(hidden, finished))?;
        self.tell_partitions(i64::MAX, true)
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        let limits = (self.files.roll_interval_ms, self.files.inactivity_ms);
        self.finish_where(|part| due_ms(part, limits) <= now_ms)
    }
    fn next_poll(&self) -> Option<i64> {
        let limits = (self.files.roll_interval_ms, self.files.inactivity_ms);
        self.open.values().map(|part| due_ms(part, limits)).min()
    }
}

/// When a file is old enough, or has waited long enough for rows.
fn due_ms(part: &Part, (age_ms, inactivity_ms): (i64, i64)) -> i64 {
    let old = part.opened_ms.saturating_add(age_ms);
    old.min(part.used_ms.saturating_add(inactivity_ms))
}
