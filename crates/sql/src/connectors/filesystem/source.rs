//! Reads files to their end.
//!
//! A split is a file. At the start the files are listed and dealt out by their place in the
//! sorted list; a restored job goes on with the files that it knew, and with new ones only
//! when it looks for them.
//!
//! Invariant: the stored offset of a file is behind the last message whose rows were given
//! out.

use super::super::full_cache::FullTable;
use super::super::lookup::Lookup;
use super::super::{Changes, Needed, Options, TablePoll, TableReader, TableSource};
use super::compression;
use super::config::{FileMetadata, Files, Place};
use super::listing::{io_error, partition_values};
use crate::connectors::projection::Projection;
use crate::formats::columns::{Column, Rows};
use crate::formats::{BulkReader, Decoder, Format};
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::value::{Value, array_of};
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{OperatorContext, OperatorSnapshot, SubtaskInfo};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Rows after which a batch is given out.
const BATCH_ROWS: usize = 2048;
/// The longest message.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
const STATE: &str = "filesystem-splits";
/// Stands for the offset of a file that has been read.
const DONE: u64 = u64::MAX;

#[derive(Clone)]
pub(super) struct FileSource {
    files: Files,
    options: Options,
}

impl FileSource {
    pub(super) fn new(files: Files, options: Options) -> Result<Self> {
        // Refused when the query is planned, not when it runs.
        match files.format.files() {
            Some(format) => format.check(&files.format_columns())?,
            None => files.format.decoder(&files.format_columns()).map(|_| ())?,
        }
        Ok(FileSource { files, options })
    }
}

impl TableSource for FileSource {
    fn changes(&self) -> Changes {
        self.files.format.changes()
    }
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        let projection = Projection::new(&self.files.columns, needed)?;
        let files = Files { projection, ..self.files.clone() };
        Ok(Some(Arc::new(FileSource { files, options: self.options.clone() })))
    }
    fn lookup(&self, keys: &[usize]) -> Result<Option<Lookup>> {
        if self.changes() != Changes::Append {
            return Err(Error::config("a table of changes cannot be looked up")
                .advice("use a format whose rows are all insertions, such as csv or json"));
        }
        // New files come with the next reading of the whole table.
        let files = Files { monitor_ms: None, ..self.files.clone() };
        let schema = Arc::clone(files.projection.schema());
        let source = Arc::new(FileSource { files, options: self.options.clone() });
        Ok(Some(FullTable::lookup_of(source, schema, keys, &self.options)))
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        Ok(Box::new(FileReader::open(self.files.clone(), context)?))
    }
}

struct FileReader {
    files: Files,
    /// `None`: a format of whole files.
    decoder: Option<Box<dyn Decoder>>,
    rows: Rows,
    subtask: SubtaskInfo,
    /// Checkpointed: the files of this subtask, with the offset of the next message; the number
    /// of the next row for a format of whole files.
    known: BTreeMap<PathBuf, u64>,
    /// Rebuilt on restore: files that are not finished.
    waiting: VecDeque<PathBuf>,
    current: Option<OpenFile>,
    next_listing_ms: i64,
}

/// Whether a file is this subtask's: by its place in the sorted list of all.
fn is_mine(index: usize, subtask: &SubtaskInfo) -> bool {
    index % subtask.parallelism.max(1) == subtask.index
}

impl FileReader {
    fn open(files: Files, context: &OperatorContext) -> Result<Self> {
        let subtask = context.subtask.clone();
        let columns = files.format_columns();
        let decoder = match files.format.files() {
            Some(_) => None,
            None => Some(files.format.decoder(&columns)?),
        };
        let wanted = columns.iter().filter(|c| c.wanted);
        let rows = Rows::new(wanted.map(|c| (c.name.as_str(), &c.ty)));
        let mut all: BTreeMap<PathBuf, u64> = BTreeMap::new();
        if context.restored.is_some() {
            all.extend(context.restored.list_union::<(PathBuf, u64)>(STATE)?);
        } else {
            let optional = files.monitor_ms.is_some();
            all.extend(files.list(optional)?.into_iter().map(|file| (file, 0)));
        }
        let mine = all.into_iter().enumerate().filter(|(i, _)| is_mine(*i, &subtask));
        let known: BTreeMap<_, _> = mine.map(|(_, file)| file).collect();
        let unread = known.iter().filter(|(_, offset)| **offset != DONE);
        let waiting = unread.map(|(file, _)| file.clone()).collect();
        let current = None;
        Ok(FileReader {
            files,
            decoder,
            rows,
            subtask,
            known,
            waiting,
            current,
            next_listing_ms: 0,
        })
    }

    /// Looks for new files; each is the subtask's that its name belongs to.
    fn look(&mut self) -> Result<()> {
        for file in self.files.list(true)? {
            let name = file.as_os_str().as_encoded_bytes().to_vec();
            let group = millstream_core::key_group_of(&name, self.subtask.max_parallelism);
            let mine = self.subtask.key_groups().iter().any(|own| own == group);
            if mine && !self.known.contains_key(&file) {
                self.known.insert(file.clone(), 0);
                self.waiting.push_back(file);
            }
        }
        Ok(())
    }

    /// The next rows of the current file: the columns of the format, how many rows, their
    /// kinds.
    fn decoded(&mut self) -> Result<Option<Decoded>> {
        let Some(open) = &mut self.current else { return Ok(None) };
        let (made, next) = match &mut open.body {
            Body::Messages(messages) => {
                let Some(decoder) = &mut self.decoder else {
                    return Err(Error::bug("messages without a decoder"));
                };
                messages.fill_rows(
                    &open.path,
                    &*self.files.format,
                    &mut **decoder,
                    &mut self.rows,
                )?;
                if self.rows.len() == 0 {
                    return Ok(None);
                }
                let made = self.rows.finish()?;
                let kinds = made.kinds().map(<[_]>::to_vec);
                ((made.rows().columns().to_vec(), made.len(), kinds), messages.offset)
            }
            Body::Bulk(reader, row) => {
                let read = reader.next();
                let read = read.map_err(|e| {
                    e.at(format!("file '{}', row {}", open.path.display(), *row + 1))
                })?;
                let Some((columns, rows)) = read else { return Ok(None) };
                *row += rows as u64;
                ((columns, rows, None), *row)
            }
        };
        self.known.insert(open.path.clone(), next);
        Ok(Some(made))
    }

    /// The next batch of the current file; `None` at its end.
    fn batch(&mut self) -> Result<Option<ChangeBatch>> {
        let decoded = self.decoded()?;
        let Some(open) = &self.current else { return Ok(None) };
        let Some((decoded, rows, kinds)) = decoded else {
            self.known.insert(open.path.clone(), DONE);
            self.current = None;
            return Ok(None);
        };
        let mut decoded = decoded.iter();
        let mut columns: Vec<ArrayRef> = vec![];
        for index in self.files.projection.needed() {
            columns.push(match &self.files.places[*index] {
                Place::Format => {
                    let column = decoded.next();
                    Arc::clone(column.ok_or_else(|| Error::bug("a decoder left a column out"))?)
                }
                _ => {
                    let constant = open.constants.get(index);
                    let constant = constant.ok_or_else(|| Error::bug("a file without its name"))?;
                    repeat(constant, rows)?
                }
            });
        }
        let columns = self.files.projection.apply(&columns, rows)?;
        let schema = Arc::clone(self.files.projection.schema());
        Ok(Some(ChangeBatch::from_columns(schema, columns, rows, kinds)?))
    }
}

/// Columns of the format, how many rows, their kinds.
type Decoded = (Vec<ArrayRef>, usize, Option<Vec<ChangeKind>>);

/// An array of one value, so many times.
fn repeat(one: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let indices = UInt32Array::from(vec![0; rows]);
    take(one, &indices, None).map_err(|e| Error::bug(format!("a value cannot be repeated: {e}")))
}

impl TableReader for FileReader {
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll> {
        loop {
            if let Some(batch) = self.batch()? {
                return Ok(TablePoll::Rows(batch));
            }
            if let Some(path) = self.waiting.pop_front() {
                let offset = self.known.get(&path).copied().unwrap_or(0);
                self.current = Some(OpenFile::open(&self.files, path, offset)?);
                continue;
            }
            let Some(interval_ms) = self.files.monitor_ms else { return Ok(TablePoll::End) };
            if now_ms < self.next_listing_ms {
                return Ok(TablePoll::Wait(Some(self.next_listing_ms)));
            }
            self.next_listing_ms = now_ms.saturating_add(interval_ms);
            self.look()?;
        }
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.known.iter().try_for_each(|split| into.put_list(STATE, &split))
    }
}

/// A file that is being read.
struct OpenFile {
    path: PathBuf,
    body: Body,
    /// Values that all rows of the file share, by column: an array of one each.
    constants: BTreeMap<usize, ArrayRef>,
}

enum Body {
    Messages(Messages),
    /// A format of whole files, and the number of the next row.
    Bulk(Box<dyn BulkReader>, u64),
}

/// A file of messages.
struct Messages {
    file: Box<dyn Read + Send>,
    /// What was read and is not decoded yet starts at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// Where in the file (behind its compression) `start` is.
    offset: u64,
    at_end: bool,
    /// Messages since it was opened, and whether it was opened at its first byte.
    messages: u64,
    from_start: bool,
}

impl OpenFile {
    fn open(files: &Files, path: PathBuf, offset: u64) -> Result<Self> {
        let constants = constants(files, &path)?;
        let refused = |e: std::io::Error| io_error(&path, "read", &e);
        let body = match files.format.files() {
            Some(format) => {
                let file = File::open(&path).map_err(refused)?;
                let reader = format.reader(file, &files.format_columns(), offset);
                let reader = reader.map_err(|e| e.at(format!("file '{}'", path.display())))?;
                Body::Bulk(reader, offset)
            }
            None => Body::Messages(Messages {
                file: compression::open(&path, offset)?,
                buffer: vec![],
                start: 0,
                offset,
                at_end: false,
                messages: 0,
                from_start: offset == 0,
            }),
        };
        Ok(OpenFile { path, body, constants })
    }
}

impl Messages {
    /// Decodes messages until there are enough rows for a batch, or no more messages.
    fn fill_rows(
        &mut self,
        path: &Path,
        format: &dyn Format,
        decoder: &mut dyn Decoder,
        rows: &mut Rows,
    ) -> Result<()> {
        // Messages without rows (comments, bad ones that are passed over) count too, so that
        // a poll does not last for ever.
        while rows.len() < BATCH_ROWS {
            let pending = &self.buffer[self.start..];
            let (length, end) = match format.record_end(pending) {
                Some(end) => (end - 1, end),
                None if !self.at_end => {
                    self.read_more(path)?;
                    continue;
                }
                None if pending.is_empty() => return Ok(()),
                // The last line has no end.
                None => (pending.len(), pending.len()),
            };
            let message = &pending[..length];
            let message = message.strip_suffix(b"\r").unwrap_or(message);
            self.messages += 1;
            decoder.decode(message, rows).map_err(|e| {
                let place = match self.from_start {
                    true => format!("file '{}', line {}", path.display(), self.messages),
                    false => format!("file '{}', byte {}", path.display(), self.offset),
                };
                e.at(place)
            })?;
            self.start += end;
            self.offset += end as u64;
        }
        Ok(())
    }

    fn read_more(&mut self, path: &Path) -> Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        if length > MAX_MESSAGE_BYTES {
            return Err(Error::data(format!(
                "a message of more than {MAX_MESSAGE_BYTES} bytes at byte {} of '{}'",
                self.offset,
                path.display()
            ))
            .advice("check that the file is of the format of the table"));
        }
        // A long message is not searched for its end from the start too often.
        let wanted = CHUNK_BYTES.max(length);
        self.buffer.resize(length + wanted, 0);
        let read = self.file.read(&mut self.buffer[length..]);
        let read = read.map_err(|e| io_error(path, "read", &e))?;
        self.buffer.truncate(length + read);
        self.at_end = read == 0;
        Ok(())
    }
}

/// What is known of all rows of a file: its metadata, its partition.
fn constants(files: &Files, path: &Path) -> Result<BTreeMap<usize, ArrayRef>> {
    let partition = partition_values(&files.path, path);
    let mut constants = BTreeMap::new();
    for index in files.projection.needed() {
        let column = &files.columns[*index];
        let array = match files.places[*index] {
            Place::Format => continue,
            Place::Metadata(metadata) => {
                array_of([&metadata_value(metadata, path)?], &column.ty.clone())?
            }
            Place::Partition(_) => {
                let found = partition.iter().find(|(key, _)| *key == column.name);
                let (_, text) = found.ok_or_else(|| {
                    let what =
                        format!("file '{}' is in no folder '{}=...'", path.display(), column.name);
                    Error::data(what).advice("leave out PARTITIONED BY, or move the file")
                })?;
                let mut one = Column::new(&column.ty);
                match *text == files.default_partition {
                    true => one.push_null(),
                    false => crate::formats::push_text(text, &mut one)?,
                }
                one.finish()?
            }
        };
        constants.insert(*index, array);
    }
    Ok(constants)
}

fn metadata_value(metadata: FileMetadata, path: &Path) -> Result<Value> {
    let refused = |e: std::io::Error| io_error(path, "read", &e);
    let found = || std::fs::metadata(path).map_err(refused);
    Ok(match metadata {
        FileMetadata::Path => Value::text(path.to_string_lossy()),
        FileMetadata::Name => {
            Value::text(path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default())
        }
        FileMetadata::Size => Value::Int(i64::try_from(found()?.len()).unwrap_or(i64::MAX)),
        FileMetadata::ModificationTime => {
            let time = found()?.modified().map_err(refused)?;
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Value::Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        }
    })
}
