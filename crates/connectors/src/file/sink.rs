//! Writes the records of one subtask: in-progress file, rolling, recovery.
//!
//! ```text
//!   batch -> encoder -> buffer -> .part-0-3.jsonl.inprogress --finish--> part-0-3.jsonl
//! ```
//!
//! At the end of a chain. Invariants: a finished file never changes; no file is ever
//! written over; what a snapshot covers is on the disk before the snapshot is taken, and is
//! found in a finished file after a restore.

use super::config::FileSink;
use super::error::file_error;
use millstream_core::{Batch, Clock, Data, Epoch, Error, Result};
use millstream_formats::Encoder;
use millstream_runtime::{OperatorContext, OperatorSnapshot, SinkWriter};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const IN_PROGRESS_STATE: &str = "file-sink-in-progress";
const BUFFER_BYTES: usize = 256 << 10;

/// The file that is being written.
struct InProgress<T> {
    name: String,
    path: PathBuf,
    file: File,
    encoder: Box<dyn Encoder<T>>,
    /// Encoded and not yet given to the file.
    buffer: Vec<u8>,
    written_bytes: u64,
    opened_ms: i64,
}

impl<T> InProgress<T> {
    fn size_bytes(&self) -> u64 {
        self.written_bytes + self.buffer.len() as u64
    }
    fn write_out(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.buffer);
        written.map_err(|error| file_error(&self.path, "written", &error))?;
        self.written_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
    fn sync(&mut self) -> Result<()> {
        self.write_out()?;
        self.file.sync_data().map_err(|error| file_error(&self.path, "written", &error))
    }
}

pub(super) struct FileWriter<T> {
    config: FileSink<T>,
    subtask_index: usize,
    clock: Arc<dyn Clock>,
    next_number: u64,
    current: Option<InProgress<T>>,
}

impl<T: Data> FileWriter<T> {
    pub(super) fn open(config: FileSink<T>, context: &OperatorContext) -> Result<Self> {
        std::fs::create_dir_all(&config.folder)
            .map_err(|error| file_error(&config.folder, "made", &error))?;
        let writer = FileWriter {
            config,
            subtask_index: context.subtask.index,
            clock: Arc::clone(&context.clock),
            next_number: 0,
            current: None,
        };
        let stored: Vec<(String, u64)> =
            context.restored.list(IN_PROGRESS_STATE, &context.subtask)?;
        for (name, size_bytes) in stored {
            writer.finish_former(&name, size_bytes)?;
        }
        Ok(writer)
    }

    fn in_progress_path(&self, name: &str) -> PathBuf {
        self.config.folder.join(format!(".{name}.inprogress"))
    }

    /// Cuts a file of the last checkpoint to what the checkpoint covers, and finishes it.
    fn finish_former(&self, name: &str, size_bytes: u64) -> Result<()> {
        let (path, finished) = (self.in_progress_path(name), self.config.folder.join(name));
        let refused = |error: std::io::Error| file_error(&path, "finished", &error);
        if finished.exists() {
            // It was finished after the checkpoint, or by an earlier restore.
            return Ok(());
        }
        let file = OpenOptions::new().write(true).open(&path).map_err(|error| {
            refused(error).advice("put the file back: the checkpoint counts on it")
        })?;
        let have_bytes = file.metadata().map_err(refused)?.len();
        if have_bytes < size_bytes {
            return Err(Error::corrupt(format!(
                "file '{}' has {have_bytes} bytes, the checkpoint knows of {size_bytes}",
                path.display()
            ))
            .advice("restore from another checkpoint: the disk has lost data"));
        }
        file.set_len(size_bytes).and_then(|()| file.sync_all()).map_err(refused)?;
        self.publish(&path, &finished)
    }

    fn publish(&self, path: &Path, finished: &Path) -> Result<()> {
        // The folder is synced too, so that the new name survives a crash of the machine.
        let renamed = std::fs::rename(path, finished)
            .and_then(|()| File::open(&self.config.folder))
            .and_then(|folder| folder.sync_all());
        renamed.map_err(|error| file_error(path, "finished", &error))
    }

    /// Makes the next file, under a number that nobody has used.
    fn create(&mut self) -> Result<InProgress<T>> {
        let extension = self.config.format.extension();
        loop {
            let (prefix, index) = (&self.config.prefix, self.subtask_index);
            let name = format!("{prefix}-{index}-{}.{extension}", self.next_number);
            let path = self.in_progress_path(&name);
            self.next_number += 1;
            if self.config.folder.join(&name).exists() {
                continue;
            }
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return Ok(InProgress {
                        name,
                        path,
                        file,
                        encoder: self.config.format.encoder(),
                        buffer: Vec::new(),
                        written_bytes: 0,
                        opened_ms: self.clock.now_ms(),
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(file_error(&path, "made", &error)),
            }
        }
    }

    /// Finishes the current file, if there is one.
    fn roll(&mut self) -> Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        current.sync()?;
        self.publish(&current.path, &self.config.folder.join(&current.name))
    }

    fn due_ms(&self) -> Option<i64> {
        let age_ms = i64::try_from(self.config.roll_interval.as_millis()).unwrap_or(i64::MAX);
        self.current.as_ref().map(|current| current.opened_ms.saturating_add(age_ms))
    }
}

impl<T: Data> SinkWriter<T> for FileWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.create()?,
        };
        current.encoder.encode(batch.values(), &mut current.buffer)?;
        if current.buffer.len() >= BUFFER_BYTES {
            current.write_out()?;
        }
        let full = current.size_bytes() >= self.config.roll_size_bytes;
        self.current = Some(current);
        if full { self.roll() } else { Ok(()) }
    }
    fn flush(&mut self) -> Result<()> {
        self.current.as_mut().map_or(Ok(()), InProgress::sync)
    }
    fn end(&mut self) -> Result<()> {
        self.roll()
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        match &self.current {
            Some(current) => {
                into.put_list(IN_PROGRESS_STATE, &(&current.name, current.size_bytes()))
            }
            None => Ok(()),
        }
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        match self.due_ms() {
            Some(due_ms) if due_ms <= now_ms => self.roll(),
            _ => Ok(()),
        }
    }
    fn next_poll(&self) -> Option<i64> {
        self.due_ms()
    }
}
