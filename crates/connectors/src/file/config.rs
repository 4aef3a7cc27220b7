//! What files to read, or to write, and how.

use super::listing::check_pattern;
use super::sink::{BucketOf, FileCommitter, FileWriter, Folder};
use super::source::FileReader;
use crate::DeliveryGuarantee;
use millstream_core::{Data, Error, EventTime, Result};
use millstream_formats::{
    CsvFormat, JsonLinesFormat, LinesFormat, ParsePolicy, ReadFormat, WriteFormat,
};
use millstream_runtime::{
    Committer, CommitterContext, OperatorContext, Sink, SinkWriter, Source, SourceReader,
};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Reads files to their end; or goes on with new files of a folder, with
/// [`monitor`](FileSource::monitor).
///
/// A path is a file, a folder (with the folders in it; names that start with `.` or `_`
/// are passed over), or a pattern with `*`, `?` and `**`. Each file is a split and is read
/// by one subtask, which is chosen by the file's name; a subtask reads its files one after
/// the other, in the order of their names, so **names in order of time** make the fewest
/// late records. Records have no event time yet. Files must not change while they are read.
///
/// ```
/// use millstream_connectors::FileSource;
/// use millstream_testkit::SourceHarness;
/// let folder = tempfile::tempdir().unwrap();
/// std::fs::write(folder.path().join("a.jsonl"), "[1,\"x\"]\n[2,\"y\"]\n").unwrap();
///
/// let source = FileSource::<(u32, String)>::json_lines(folder.path().to_str().unwrap());
/// let mut harness = SourceHarness::open(&source).unwrap();
/// harness.poll_to_end(std::time::Duration::from_secs(10)).unwrap();
/// assert_eq!(harness.take_text(), ["(1, \"x\")", "(2, \"y\")"]);
/// ```
#[derive(Clone)]
pub struct FileSource<T> {
    pub(super) paths: Vec<String>,
    pub(super) format: Arc<dyn ReadFormat<T>>,
    pub(super) policy: ParsePolicy,
    pub(super) monitor: Option<Duration>,
    pub(super) max_record_bytes: usize,
    pub(super) wait_for_all_files: bool,
}

impl FileSource<String> {
    /// Lines of text.
    pub fn lines(path: impl Into<String>) -> Self {
        Self::new(path, LinesFormat)
    }
}

impl<T: Data> FileSource<T> {
    /// Files of this format.
    pub fn new(path: impl Into<String>, format: impl ReadFormat<T>) -> Self {
        FileSource {
            paths: vec![path.into()],
            format: Arc::new(format),
            policy: ParsePolicy::Fail,
            monitor: None,
            max_record_bytes: 16 << 20,
            wait_for_all_files: false,
        }
    }
    /// A JSON value a line.
    pub fn json_lines(path: impl Into<String>) -> Self {
        Self::new(path, JsonLinesFormat)
    }
    /// CSV rows; see [`CsvFormat`] for headers, delimiters and quotes.
    pub fn csv(path: impl Into<String>, format: CsvFormat) -> Self {
        Self::new(path, format)
    }
    /// Another file, folder or pattern.
    pub fn and(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }
    /// What happens to records that do not parse (the job fails otherwise).
    pub fn on_parse_error(mut self, policy: ParsePolicy) -> Self {
        self.policy = policy;
        self
    }
    /// Never ends: looks for new files at this interval. A file must be complete when it
    /// appears: write it elsewhere, or under a name that starts with a dot, and rename it.
    pub fn monitor(mut self, interval: Duration) -> Self {
        self.monitor = Some(interval);
        self
    }
    /// A record longer than this is a bad record (16 MiB otherwise). It bounds the memory
    /// of a reader.
    pub fn max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }
    /// Holds event time back until every file of a subtask has been read or begun, for
    /// files whose times overlap. Windows then fire late, and their state grows.
    pub fn hold_event_time_for_all_files(mut self) -> Self {
        self.wait_for_all_files = true;
        self
    }
}

impl<T: Data> Source for FileSource<T> {
    type Out = T;

    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        self.validate()?;
        Ok(Box::new(FileReader::open(self.clone_config(), context)?))
    }
    fn validate(&self) -> Result<()> {
        self.paths.iter().try_for_each(|path| check_pattern(path))?;
        if self.max_record_bytes == 0 {
            return Err(Error::config("file source: max_record_bytes is 0").advice("raise it"));
        }
        if self.monitor.is_some_and(|interval| interval < Duration::from_millis(1)) {
            return Err(Error::config("file source: the monitor interval is below a millisecond")
                .advice("look for new files every second or so"));
        }
        self.format.validate()
    }
}

impl<T> FileSource<T> {
    /// A copy, also when `T` has none.
    fn clone_config(&self) -> Self {
        FileSource {
            paths: self.paths.clone(),
            format: Arc::clone(&self.format),
            policy: self.policy.clone(),
            ..*self
        }
    }
}

/// Writes records to files of a folder, one file per subtask at a time.
///
/// A file is hidden (`.part-<subtask>-<number>.<ext>.inprogress`) until it is finished: at
/// its full size or age, or at the end of the job. Then it is `part-<subtask>-<number>.<ext>`
/// and does not change any more; [`FileSource`] and most tools pass hidden files over.
///
/// Everything written is on the disk before a checkpoint is stored, and a restored job
/// finishes the files of its last checkpoint, cut to what the checkpoint covers. At least once,
/// a file is finished when it is full, old, or the last: after a failure some of its records
/// come again in another file. Exactly once, it is finished when a complete checkpoint covers
/// all of it, so readers of finished files see each record once, at the pace of checkpoints.
/// All subtasks must see the same folder, the first process too. Hidden files that no
/// checkpoint knows are left behind by a crash; delete them when no savepoint needs them.
///
/// ```
/// use millstream_connectors::FileSink;
/// use millstream_runtime::SinkOperator;
/// use millstream_testkit::OperatorHarness;
/// use std::sync::Arc;
/// let folder = tempfile::tempdir().unwrap();
///
/// let sink = FileSink::<(u32, String)>::json_lines(folder.path());
/// let mut harness = OperatorHarness::new(SinkOperator::new(Arc::new(sink)));
/// harness.push((1, "x".to_owned()), 0).unwrap();
/// harness.end().unwrap();
/// let text = std::fs::read_to_string(folder.path().join("part-0-0.jsonl")).unwrap();
/// assert_eq!(text, "[1,\"x\"]\n");
/// ```
#[derive(Clone)]
pub struct FileSink<T> {
    pub(super) folder: PathBuf,
    pub(super) format: Arc<dyn WriteFormat<T>>,
    pub(super) prefix: String,
    pub(super) roll_size_bytes: u64,
    pub(super) roll_interval: Duration,
    pub(super) roll_on_checkpoint: bool,
    pub(super) bucket_by: Option<BucketOf<T>>,
    pub(super) max_open_buckets: usize,
    delivery: DeliveryGuarantee,
}

impl<T: Data + Display> FileSink<T> {
    /// Lines of text: each record as its `Display` shows it.
    pub fn lines(folder: impl Into<PathBuf>) -> Self {
        Self::new(folder, LinesFormat)
    }
}

impl<T: Data> FileSink<T> {
    /// Files of this format in `folder`, which is made when it is missing.
    pub fn new(folder: impl Into<PathBuf>, format: impl WriteFormat<T>) -> Self {
        FileSink {
            folder: folder.into(),
            format: Arc::new(format),
            prefix: "part".to_owned(),
            roll_size_bytes: 128 << 20,
            roll_interval: Duration::from_secs(60),
            roll_on_checkpoint: false,
            bucket_by: None,
            max_open_buckets: 100,
            delivery: DeliveryGuarantee::AtLeastOnce,
        }
    }
    /// A JSON value a line.
    pub fn json_lines(folder: impl Into<PathBuf>) -> Self {
        Self::new(folder, JsonLinesFormat)
    }
    /// CSV rows, with a header in each file if the format has one.
    pub fn csv(folder: impl Into<PathBuf>, format: CsvFormat) -> Self {
        Self::new(folder, format)
    }
    /// How file names start (`part` otherwise): letters, digits, `-` and `_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }
    /// Finishes a file that has reached this size (128 MiB otherwise); the last batch of a
    /// file may take it beyond.
    pub fn roll_size_bytes(mut self, bytes: u64) -> Self {
        self.roll_size_bytes = bytes;
        self
    }
    /// Finishes a file of this age (60 s otherwise, as in Flink).
    pub fn roll_interval(mut self, age: Duration) -> Self {
        self.roll_interval = age;
        self
    }
    /// Finishes every file at every checkpoint, as well as by size and age.
    pub fn roll_on_checkpoint(mut self, roll: bool) -> Self {
        self.roll_on_checkpoint = roll;
        self
    }
    /// Puts each record into a folder below the sink's (Flink's `BucketAssigner`), by the record
    /// and its event time, such as `2026-11-21` or `eu/2026`. A subtask writes one file for each
    /// bucket at a time.
    pub fn bucket_by(
        mut self,
        bucket: impl Fn(&T, EventTime) -> String + Send + Sync + 'static,
    ) -> Self {
        self.bucket_by = Some(Arc::new(bucket));
        self
    }
    /// The most files that a subtask writes at a time (100 otherwise); for one more bucket the
    /// oldest file is finished.
    pub fn max_open_buckets(mut self, buckets: usize) -> Self {
        self.max_open_buckets = buckets;
        self
    }
    /// What is promised after a failure (at least once).
    pub fn delivery_guarantee(mut self, guarantee: DeliveryGuarantee) -> Self {
        self.delivery = guarantee;
        self
    }
}

impl<T> FileSink<T> {
    pub(super) fn is_exactly_once(&self) -> bool {
        self.delivery == DeliveryGuarantee::ExactlyOnce
    }
}

impl<T: Data> Sink<T> for FileSink<T> {
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        self.validate()?;
        let config = FileSink {
            folder: self.folder.clone(),
            format: Arc::clone(&self.format),
            prefix: self.prefix.clone(),
            bucket_by: self.bucket_by.clone(),
            ..*self
        };
        Ok(Box::new(FileWriter::open(config, context)?))
    }
    fn committer(&self, _: &CommitterContext) -> Result<Option<Box<dyn Committer>>> {
        if !self.is_exactly_once() {
            return Ok(None);
        }
        Ok(Some(Box::new(FileCommitter(Folder(self.folder.clone())))))
    }
    fn validate(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.prefix.is_empty() || self.prefix.starts_with('_') || !self.prefix.chars().all(plain)
        {
            return Err(Error::config(format!("file sink: the prefix is '{}'", self.prefix))
                .advice("use letters, digits, - and _; names that start with _ are hidden"));
        }
        if self.roll_size_bytes == 0 || self.roll_interval < Duration::from_millis(1) {
            return Err(Error::config("file sink: files would be finished before they are begun")
                .advice("raise roll_size_bytes and roll_interval above 0"));
        }
        if self.max_open_buckets == 0 {
            return Err(Error::config("file sink: max_open_buckets is 0").advice("raise it"));
        }
        self.format.validate()
    }
}
