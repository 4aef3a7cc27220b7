//! Writes the records of one subtask: in-progress files, rolling, recovery.
//!
//! ```text
//!   batch -> encoder -> buffer -> .part-0-3.jsonl.inprogress     in progress
//!        roll (size, age, checkpoint, end) -> the same, closed   pending
//!        commit                            -> part-0-3.jsonl     finished
//! ```
//!
//! At least once, a file is finished when it rolls. Exactly once, it is when a durable
//! checkpoint covers all of it: readers see nothing that a failure could take back.
//!
//! At the end of a chain. Invariants: a finished file never changes; no file is ever
//! written over; what a snapshot covers is on the disk before the snapshot is taken, and is
//! found in a finished file after a restore.

use super::config::FileSink;
use super::error::file_error;
use millstream_core::{Batch, Clock, Data, Epoch, Error, EventTime, Result};
use millstream_formats::Encoder;
use millstream_runtime::{Committable, Committer, OperatorContext, OperatorSnapshot, SinkWriter};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind::NotFound;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const IN_PROGRESS_STATE: &str = "file-sink-in-progress";
const BUFFER_BYTES: usize = 256 << 10;
/// Format of a committable's bytes.
const VERSION: u8 = 1;

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

/// The folder of a sink: which path a file has in which state. Names may begin with a bucket:
/// `2026-11-21/part-0-3.jsonl`. For sinks with writers of their own, too.
#[derive(Clone, Debug)]
pub struct Folder(pub(super) PathBuf);

impl Folder {
    /// The folder at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder(path.into())
    }
    /// Where the file is when readers see it.
    pub fn finished(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    fn hidden(&self, name: &str, state: &str) -> PathBuf {
        let (bucket, file) = name.rsplit_once('/').unwrap_or(("", name));
        self.0.join(bucket).join(format!(".{file}.{state}"))
    }
    /// Where the file is until it is finished.
    pub fn in_progress(&self, name: &str) -> PathBuf {
        self.hidden(name, "inprogress")
    }

    /// What a [`FileCommitter`] is told of files that are closed and on the disk: name and size.
    ///
    /// # Errors
    /// Bug: they do not serialize.
    pub fn committable(files: &[(String, u64)]) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&(VERSION, files))?)
    }

    /// Finishes a file that is closed and on the disk.
    ///
    /// # Errors
    /// When the file is not there, or the file system refuses.
    pub fn publish(&self, from: &Path, name: &str) -> Result<()> {
        let finished = self.finished(name);
        // The folder is synced too, so that the new name survives a crash of the machine.
        let renamed = match std::fs::rename(from, &finished) {
            // Somebody else has committed it: an attempt that is not quite dead.
            Err(error) if error.kind() == NotFound && finished.exists() => Ok(()),
            renamed => renamed,
        };
        let renamed = renamed
            .and_then(|()| File::open(finished.parent().unwrap_or(&self.0)))
            .and_then(|folder| folder.sync_all());
        renamed.map_err(|error| file_error(from, "finished", &error))
    }

    /// Checks that a stored file is there with all that a checkpoint counts on; `None`: it is
    /// finished already.
    fn stored(&self, name: &str, size_bytes: u64) -> Result<Option<PathBuf>> {
        let path = self.in_progress(name);
        if self.finished(name).exists() {
            // It was finished after the checkpoint, or by an earlier restore.
            return Ok(None);
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Somebody else has finished it in between.
            Err(_) if self.finished(name).exists() => return Ok(None),
            Err(error) => {
                return Err(file_error(&path, "finished", &error)
                    .advice("put the file back: the checkpoint counts on it"));
            }
        };
        if metadata.len() < size_bytes {
            return Err(Error::corrupt(format!(
                "file '{}' has {} bytes, the checkpoint knows of {size_bytes}",
                path.display(),
                metadata.len()
            ))
            .advice("restore from another checkpoint: the disk has lost data"));
        }
        Ok(Some(path))
    }

    /// Finishes what a checkpoint covers of a file that was in progress.
    ///
    /// In a copy: a process that is not quite dead may hold the file open and go on writing.
    fn finish_former(&self, name: &str, size_bytes: u64) -> Result<()> {
        let Some(path) = self.stored(name, size_bytes)? else { return Ok(()) };
        let copy = self.hidden(name, "recovering");
        let refused = |error: std::io::Error| file_error(&path, "finished", &error);
        std::fs::copy(&path, &copy).map_err(refused)?;
        let file = OpenOptions::new().write(true).open(&copy).map_err(refused)?;
        file.set_len(size_bytes).and_then(|()| file.sync_all()).map_err(refused)?;
        self.publish(&copy, name)?;
        std::fs::remove_file(&path).map_err(refused)
    }
}

/// Finishes the files of durable checkpoints; its committables are [`Folder::committable`].
pub struct FileCommitter(pub Folder);

impl Committer for FileCommitter {
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        for committable in committables {
            if committable.payload.first() != Some(&VERSION) {
                return Err(Error::corrupt("stored files are of another format")
                    .advice("restore with the version of Millstream that took the checkpoint"));
            }
            let (_, files): (u8, Vec<(String, u64)>) = postcard::from_bytes(&committable.payload)?;
            for (name, size_bytes) in files {
                if let Some(path) = self.0.stored(&name, size_bytes)? {
                    self.0.publish(&path, &name)?;
                }
            }
        }
        Ok(())
    }
}

pub(super) struct FileWriter<T> {
    config: FileSink<T>,
    folder: Folder,
    subtask_index: usize,
    clock: Arc<dyn Clock>,
    next_number: u64,
    /// By bucket; the empty name when there are no buckets.
    open: BTreeMap<String, InProgress<T>>,
    /// Rolled since the last barrier, exactly once: name and size.
    pending: Vec<(String, u64)>,
}

impl<T: Data> FileWriter<T> {
    pub(super) fn open(config: FileSink<T>, context: &OperatorContext) -> Result<Self> {
        std::fs::create_dir_all(&config.folder)
            .map_err(|error| file_error(&config.folder, "made", &error))?;
        let folder = Folder(config.folder.clone());
        let stored: Vec<(String, u64)> =
            context.restored.list(IN_PROGRESS_STATE, &context.subtask)?;
        for (name, size_bytes) in stored {
            folder.finish_former(&name, size_bytes)?;
        }
        Ok(FileWriter {
            config,
            folder,
            subtask_index: context.subtask.index,
            clock: Arc::clone(&context.clock),
            next_number: 0,
            open: BTreeMap::new(),
            pending: vec![],
        })
    }

    /// Makes the next file of a bucket, under a number that nobody has used.
    fn create(&mut self, bucket: &str) -> Result<InProgress<T>> {
        let extension = self.config.format.extension();
        if !bucket.is_empty() {
            let path = self.config.folder.join(bucket);
            std::fs::create_dir_all(&path).map_err(|error| file_error(&path, "made", &error))?;
        }
        loop {
            let (prefix, index) = (&self.config.prefix, self.subtask_index);
            let file = format!("{prefix}-{index}-{}.{extension}", self.next_number);
            let name = if bucket.is_empty() { file } else { format!("{bucket}/{file}") };
            let path = self.folder.in_progress(&name);
            self.next_number += 1;
            if self.folder.finished(&name).exists() {
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

    /// Closes the current file of a bucket, if there is one.
    fn roll(&mut self, bucket: &str) -> Result<()> {
        let Some(mut current) = self.open.remove(bucket) else { return Ok(()) };
        current.sync()?;
        if self.config.is_exactly_once() {
            self.pending.push((current.name.clone(), current.size_bytes()));
            return Ok(());
        }
        self.folder.publish(&current.path, &current.name)
    }

    fn roll_all(&mut self) -> Result<()> {
        let buckets: Vec<String> = self.open.keys().cloned().collect();
        buckets.iter().try_for_each(|bucket| self.roll(bucket))
    }

    fn write_to(&mut self, bucket: &str, values: &[T]) -> Result<()> {
        if !self.open.contains_key(bucket) {
            if self.open.len() >= self.config.max_open_buckets {
                let oldest = self.open.iter().min_by_key(|(_, file)| file.opened_ms);
                if let Some(bucket) = oldest.map(|(bucket, _)| bucket.clone()) {
                    self.roll(&bucket)?;
                }
            }
            let file = self.create(bucket)?;
            self.open.insert(bucket.to_owned(), file);
        }
        let Some(current) = self.open.get_mut(bucket) else { return Ok(()) };
        current.encoder.encode(values, &mut current.buffer)?;
        if current.buffer.len() >= BUFFER_BYTES {
            current.write_out()?;
        }
        let full = current.size_bytes() >= self.config.roll_size_bytes;
        if full { self.roll(bucket) } else { Ok(()) }
    }

    fn due_ms(&self, file: &InProgress<T>) -> i64 {
        let age_ms = i64::try_from(self.config.roll_interval.as_millis()).unwrap_or(i64::MAX);
        file.opened_ms.saturating_add(age_ms)
    }
}

/// A bucket becomes a folder below the sink's: it must not lead out of it, or hide.
fn check_bucket(bucket: &str) -> Result<()> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '_']);
    if bucket.len() <= 200 && !bucket.contains(['\\', '\0']) && bucket.split('/').all(plain) {
        return Ok(());
    }
    Err(Error::user(format!("file sink: the bucket '{}' is no folder", bucket.escape_default()))
        .advice(
            "answer names like 2026-11-21 or eu/2026: no empty parts, none that start with . or _",
        ))
}

impl<T: Data> SinkWriter<T> for FileWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let Some(bucket_of) = self.config.bucket_by.clone() else {
            return self.write_to("", batch.values());
        };
        for (value, time) in batch {
            let bucket = bucket_of(&value, time);
            check_bucket(&bucket)?;
            self.write_to(&bucket, std::slice::from_ref(&value))?;
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        if self.config.roll_on_checkpoint {
            return self.roll_all();
        }
        self.open.values_mut().try_for_each(InProgress::sync)
    }
    fn prepare_commit(&mut self, _epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        if self.pending.is_empty() {
            return Ok(vec![]);
        }
        Ok(vec![Folder::committable(&std::mem::take(&mut self.pending))?])
    }
    fn end(&mut self) -> Result<()> {
        self.roll_all()
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        let mut all = self.open.values();
        all.try_for_each(|file| into.put_list(IN_PROGRESS_STATE, &(&file.name, file.size_bytes())))
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        let due = |file: &InProgress<T>| self.due_ms(file) <= now_ms;
        let due = self.open.iter().filter(|(_, file)| due(file));
        let buckets: Vec<String> = due.map(|(bucket, _)| bucket.clone()).collect();
        buckets.iter().try_for_each(|bucket| self.roll(bucket))
    }
    fn next_poll(&self) -> Option<i64> {
        self.open.values().map(|file| self.due_ms(file)).min()
    }
}

/// The bucket of a record.
pub(super) type BucketOf<T> = Arc<dyn Fn(&T, EventTime) -> String + Send + Sync>;
