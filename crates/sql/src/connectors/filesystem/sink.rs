//! Writes part files: `part-<subtask>-<number>`, by partition if there is one.
//!
//! ```text
//!   .part-0-3.inprogress ──barrier──> pending, in the checkpoint ──complete──> part-0-3
//! ```
//! Exactly once in a job with checkpoints: what an epoch has written is closed at its barrier
//! and becomes visible when its checkpoint is durable. A restored job makes the files of its
//! checkpoint visible; what came after stays hidden. The protocol is that of the file sink of
//! [`millstream_connectors`]. In a job without checkpoints a file is visible when it is closed.
//!
//! Invariant: a visible file is whole and does not change any more.

use super::super::{Changes, TableSink, TableWriter};
use super::config::{Files, Place};
use super::listing::{io_error, partition_folder};
use crate::formats::times::TimeStandard;
use crate::formats::{Encoder, write_scalar};
use crate::runtime::ChangeBatch;
use arrow_array::{Array, ArrayRef};
use millstream_connectors::file::{FileCommitter, Folder};
use millstream_core::{Clock, Epoch, Error, Result};
use millstream_runtime::{Committer, CommitterContext, JobInfo, OperatorContext};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Files of different partitions that are open at a time.
const MAX_OPEN: usize = 256;
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Clone)]
pub(super) struct FileSink {
    files: Files,
}

impl FileSink {
    pub(super) fn new(files: Files) -> Result<Self> {
        files.format.encoder(&files.format_columns())?;
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
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        Ok(Box::new(FileWriter::open(self.files.clone(), context)?))
    }
    fn committer(&self, context: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        let committer = FileCommitter(Folder::new(&self.files.path));
        Ok(commits(&context.job).then(|| Box::new(committer) as _))
    }
}

/// Whether files wait for checkpoints.
fn commits(job: &JobInfo) -> bool {
    job.checkpoints_stored && job.checkpoint_interval_ms.is_some()
}

/// A file that is being written.
struct Part {
    /// Relative to the table's folder.
    name: String,
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    written_bytes: u64,
    opened_ms: i64,
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
        self.written_bytes + self.buffer.len() as u64
    }
}

struct FileWriter {
    files: Files,
    encoder: Box<dyn Encoder>,
    /// Indices of the columns that go into the messages.
    format_columns: Vec<usize>,
    subtask_index: usize,
    clock: Arc<dyn Clock>,
    next_number: u64,
    /// The open file of each partition, by the folder's name.
    open: BTreeMap<String, Part>,
    folder: Folder,
    /// Whether files wait for checkpoints.
    commits: bool,
    /// Closed since the last barrier, when files wait for checkpoints: name and size.
    pending: Vec<(String, u64)>,
}

impl FileWriter {
    fn open(files: Files, context: &OperatorContext) -> Result<Self> {
        let places = files.places.iter().enumerate();
        let format_columns = places.filter(|(_, p)| **p == Place::Format).map(|(i, _)| i).collect();
        std::fs::create_dir_all(&files.path).map_err(|e| io_error(&files.path, "made", &e))?;
        Ok(FileWriter {
            folder: Folder::new(&files.path),
            encoder: files.format.encoder(&files.format_columns())?,
            files,
            format_columns,
            subtask_index: context.subtask.index,
            clock: Arc::clone(&context.clock),
            next_number: 0,
            open: BTreeMap::new(),
            commits: commits(&context.job),
            pending: vec![],
        })
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
            let number = self.next_number;
            let name = format!("{partition}part-{}-{number}", self.subtask_index);
            self.next_number += 1;
            let path = self.folder.in_progress(&name);
            if self.folder.finished(&name).exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let opened_ms = self.clock.now_ms();
                    let (buffer, written_bytes) = (vec![], 0);
                    return Ok(Part { name, path, file, buffer, written_bytes, opened_ms });
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error(&path, "made", &e)),
            }
        }
    }

    /// Closes a file: it is visible now, or when its checkpoint is durable.
    fn finish(&mut self, partition: &str) -> Result<()> {
        let Some(mut part) = self.open.remove(partition) else { return Ok(()) };
        part.write_out()?;
        part.file.sync_all().map_err(|e| io_error(&part.path, "written", &e))?;
        if self.commits {
            self.pending.push((part.name, part.written_bytes));
            return Ok(());
        }
        self.folder.publish(&part.path, &part.name)
    }
    fn finish_where(&mut self, which: impl Fn(&Part) -> bool) -> Result<()> {
        let due = self.open.iter().filter(|(_, part)| which(part));
        let due: Vec<String> = due.map(|(partition, _)| partition.clone()).collect();
        due.iter().try_for_each(|partition| self.finish(partition))
    }
}

impl TableWriter for FileWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let columns = batch.rows().columns();
        let written = self.format_columns.iter().map(|i| Arc::clone(&columns[*i]));
        let written: Vec<ArrayRef> = written.collect();
        for row in 0..batch.len() {
            let partition = self.partition(columns, row)?;
            if !self.open.contains_key(&partition) {
                if self.open.len() >= MAX_OPEN {
                    self.finish_where(|_| true)?;
                }
                let part = self.create(&partition)?;
                self.open.insert(partition.clone(), part);
            }
            let Some(part) = self.open.get_mut(&partition) else { continue };
            self.encoder.encode(&written, row, batch.kind(row), &mut part.buffer)?;
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
    fn prepare_commit(&mut self, _epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        if self.pending.is_empty() {
            return Ok(vec![]);
        }
        Ok(vec![Folder::committable(&std::mem::take(&mut self.pending))?])
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        let interval_ms = self.files.roll_interval_ms;
        self.finish_where(|part| part.opened_ms.saturating_add(interval_ms) <= now_ms)
    }
    fn next_poll(&self) -> Option<i64> {
        let oldest = self.open.values().map(|part| part.opened_ms).min();
        oldest.map(|opened_ms| opened_ms.saturating_add(self.files.roll_interval_ms))
    }
}
