//! `filesystem`: files of lines, perhaps in folders named after partitions.
//!
//! ```text
//!   path/day=2024-01-01/region=eu/part-....json
//! ```
//!
//! A file is read by one subtask, in the order of names. A writer fills hidden files and
//! gives them their names when the input ends, so that a reader never sees a part of one.
//! Source: Flink's "FileSystem" page.

use super::format::{Format, RowBuilder, RowDecoder, RowEncoder, format};
use super::options::TableOptions;
use super::{ConnectorContext, TablePoll, TableReader, TableSink, TableSource, TableWriter};
use crate::plan::logical::Schema;
use crate::plan::stream::Changes;
use crate::plan::translate::arrow_schema;
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::{SqlType, TypeKind};
use crate::value::{Value, array_of, value_at};
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STATE: &str = "file-positions";
/// Rows of one batch.
const BATCH_ROWS: usize = 1024;
/// Longest record.
const MAX_RECORD_BYTES: usize = 16 << 20;
/// Folders within folders.
const MAX_DEPTH: usize = 32;
/// What a partition without a value is called.
const DEFAULT_PARTITION: &str = "__DEFAULT_PARTITION__";

/// Where a column comes from.
#[derive(Clone)]
enum Origin {
    /// The format's column with this index.
    Format(usize),
    /// The partition key with this name.
    Partition(String),
    /// `file.name` and the like.
    Metadata(String),
}

struct FileTable {
    path: PathBuf,
    schema: Schema,
    format_schema: Schema,
    origins: Vec<Origin>,
    format: Arc<dyn Format>,
    partition_keys: Vec<String>,
    default_partition: String,
}

const METADATA: &[&str] = &["file.path", "file.name", "file.size", "file.modification-time"];

fn table(context: &ConnectorContext<'_>, options: &mut TableOptions<'_>) -> Result<FileTable> {
    let path = options.need("path")?;
    let path = path.strip_prefix("file://").unwrap_or(path);
    let default_partition =
        options.get("partition.default-name").unwrap_or(DEFAULT_PARTITION).to_owned();
    for key in ["source.monitor-interval", "source.path.regex-pattern"] {
        if options.get(key).is_some() {
            return Err(Error::config(format!("option '{key}' is not supported yet"))
                .advice("remove it: the files that are there are read once"));
        }
    }
    // Rolling and commits of endless streaming come with the exactly-once file sink.
    for prefix in ["sink.", "auto-compaction", "compaction."] {
        let found = options.with_prefix(prefix);
        if let Some((rest, _)) = found.first() {
            return Err(Error::config(format!("option '{prefix}{rest}' is not supported yet"))
                .advice("remove it: files are complete when the input ends"));
        }
    }
    let partition_keys = context.table.partition_keys.clone();
    let (mut origins, mut format_schema) = (vec![], Schema::new());
    for (field, metadata) in context.schema.iter().zip(context.metadata_keys()) {
        if let Some(key) = metadata {
            if !METADATA.contains(&key.as_str()) {
                let what = format!("metadata column '{key}' is not known");
                let advice = format!("there are: {}", METADATA.join(", "));
                return Err(Error::config(what).advice(advice));
            }
            origins.push(Origin::Metadata(key));
        } else if partition_keys.contains(&field.name) {
            origins.push(Origin::Partition(field.name.clone()));
        } else {
            origins.push(Origin::Format(format_schema.len()));
            format_schema.push(field.clone());
        }
    }
    let format = format(options, &format_schema, &context.zone()?)?;
    Ok(FileTable {
        path: PathBuf::from(path),
        schema: context.schema.clone(),
        format_schema,
        origins,
        format,
        partition_keys,
        default_partition,
    })
}

/// The table as a source.
///
/// # Errors
/// `Config`, for wrong options.
pub fn source(
    context: &ConnectorContext<'_>,
    options: &mut TableOptions<'_>,
) -> Result<Arc<dyn TableSource>> {
    Ok(Arc::new(FileSource(Arc::new(table(context, options)?))))
}

/// The table as a sink.
///
/// # Errors
/// `Config`, for wrong options.
pub fn sink(
    context: &ConnectorContext<'_>,
    options: &mut TableOptions<'_>,
) -> Result<Arc<dyn TableSink>> {
    Ok(Arc::new(FileSink(Arc::new(table(context, options)?))))
}

struct FileSource(Arc<FileTable>);

impl TableSource for FileSource {
    fn changes(&self) -> Changes {
        self.0.format.changes()
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let mut files = vec![];
        list(&self.0.path, 0, &mut files)?;
        files.sort();
        let (index, count) = (context.subtask.index, context.subtask.parallelism);
        let mut files: Vec<(PathBuf, u64)> = files
            .into_iter()
            .enumerate()
            .filter(|(i, _)| i % count == index)
            .map(|(_, path)| (path, 0))
            .collect();
        let former: BTreeMap<String, u64> =
            context.restored.list_union::<(String, u64)>(STATE)?.into_iter().collect();
        for (path, offset) in &mut files {
            *offset = former.get(&path.display().to_string()).copied().unwrap_or(0);
        }
        Ok(Box::new(FileReader {
            decoder: self.0.format.decoder(),
            rows: RowBuilder::new(&self.0.format_schema),
            table: Arc::clone(&self.0),
            files,
            current: 0,
            open: None,
        }))
    }
}

fn io_error(path: &Path, what: &str, error: &std::io::Error) -> Error {
    let advice = match error.kind() {
        std::io::ErrorKind::NotFound => "check the option 'path'",
        std::io::ErrorKind::PermissionDenied => "check the rights of the file and its folder",
        _ => "check the file system",
    };
    Error::config(format!("cannot {what} '{}': {error}", path.display())).advice(advice)
}

/// All files under `path`, but for hidden ones.
fn list(path: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<()> {
    let found = std::fs::metadata(path).map_err(|e| io_error(path, "read", &e))?;
    if !found.is_dir() {
        into.push(path.to_path_buf());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(Error::config(format!("'{}' is nested too deeply", path.display())));
    }
    for entry in std::fs::read_dir(path).map_err(|e| io_error(path, "read", &e))? {
        let entry = entry.map_err(|e| io_error(path, "read", &e))?;
        if !entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            list(&entry.path(), depth + 1, into)?;
        }
    }
    Ok(())
}

struct FileReader {
    table: Arc<FileTable>,
    decoder: Box<dyn RowDecoder>,
    rows: RowBuilder,
    /// Own files, each with the place of the next byte.
    files: Vec<(PathBuf, u64)>,
    current: usize,
    open: Option<(BufReader<File>, Vec<Value>)>,
}

impl FileReader {
    /// Values of the columns that do not come from the format, in the order of `origins`.
    fn constants(&self, path: &Path) -> Result<Vec<Value>> {
        let found = std::fs::metadata(path).map_err(|e| io_error(path, "read", &e))?;
        let parts: BTreeMap<String, String> = path
            .strip_prefix(&self.table.path)
            .unwrap_or(path)
            .components()
            .filter_map(|c| c.as_os_str().to_str()?.split_once('='))
            .map(|(k, v)| (unescape(k), unescape(v)))
            .collect();
        let value = |(origin, field): (&Origin, &crate::plan::logical::Field)| -> Result<Value> {
            Ok(match origin {
                Origin::Format(_) => Value::Null,
                Origin::Partition(key) => match parts.get(key) {
                    None => Value::Null,
                    Some(text) if *text == self.table.default_partition => Value::Null,
                    Some(text) => partition_value(text, &field.ty)?,
                },
                Origin::Metadata(key) => match key.as_str() {
                    "file.path" => Value::text(path.display().to_string()),
                    "file.name" => {
                        Value::text(path.file_name().unwrap_or_default().to_string_lossy())
                    }
                    "file.size" => Value::Int(found.len() as i64),
                    _ => {
                        let modified = found.modified().ok();
                        let since =
                            modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
                        since.map_or(Value::Null, |d| Value::Timestamp(d.as_millis() as i64))
                    }
                },
            })
        };
        self.table.origins.iter().zip(&self.table.schema).map(value).collect()
    }

    fn open_current(&mut self) -> Result<bool> {
        let Some((path, offset)) = self.files.get(self.current) else { return Ok(false) };
        let mut file = File::open(path).map_err(|e| io_error(path, "open", &e))?;
        file.seek(SeekFrom::Start(*offset)).map_err(|e| io_error(path, "read", &e))?;
        let constants = self.constants(path)?;
        self.open = Some((BufReader::with_capacity(256 << 10, file), constants));
        Ok(true)
    }

    /// Reads one record; `false` at the end of the file.
    fn record(&mut self) -> Result<bool> {
        let (Some((reader, _)), Some((path, offset))) =
            (&mut self.open, self.files.get_mut(self.current))
        else {
            return Ok(false);
        };
        let start = *offset;
        let mut record = vec![];
        loop {
            let read =
                reader.read_until(b'\n', &mut record).map_err(|e| io_error(path, "read", &e))?;
            if record.len() > MAX_RECORD_BYTES {
                return Err(Error::data(format!(
                    "a record has more than {MAX_RECORD_BYTES} bytes"
                ))
                .at(format!("file '{}' at byte {start}", path.display())));
            }
            if read == 0 || !self.decoder.record_continues(&record) {
                break;
            }
        }
        if record.is_empty() {
            return Ok(false);
        }
        *offset += record.len() as u64;
        let line = record.strip_suffix(b"\n").unwrap_or(&record);
        let mut line = line.strip_suffix(b"\r").unwrap_or(line);
        if start == 0 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        self.decoder
            .decode(line, &mut self.rows)
            .map_err(|e| e.at(format!("file '{}' at byte {start}", path.display())))?;
        Ok(true)
    }

    fn finish(&mut self) -> Result<ChangeBatch> {
        let batch = self.rows.finish()?;
        let constants = self.open.as_ref().map(|(_, c)| c.as_slice()).unwrap_or_default();
        let mut columns = vec![];
        for (i, (origin, field)) in self.table.origins.iter().zip(&self.table.schema).enumerate() {
            columns.push(match origin {
                Origin::Format(column) => batch.column(*column)?.clone(),
                _ => {
                    let value = constants.get(i).cloned().unwrap_or(Value::Null);
                    array_of(std::iter::repeat_n(&value, batch.len()), &field.ty)?
                }
            });
        }
        let kinds = batch.kinds().map(<[ChangeKind]>::to_vec);
        let schema = arrow_schema(&self.table.schema);
        ChangeBatch::from_columns(schema, columns, batch.len(), kinds)
    }
}

impl TableReader for FileReader {
    fn poll(&mut self, _now_ms: i64) -> Result<TablePoll> {
        loop {
            if self.open.is_none() && !self.open_current()? {
                return Ok(TablePoll::End);
            }
            let mut more = true;
            while more && self.rows.len() < BATCH_ROWS {
                more = self.record()?;
            }
            let batch = (!self.rows.is_empty()).then(|| self.finish()).transpose()?;
            if !more {
                self.open = None;
                self.current += 1;
            }
            if let Some(batch) = batch {
                return Ok(TablePoll::Rows(batch));
            }
        }
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        for (path, offset) in &self.files {
            into.put_list(STATE, &(path.display().to_string(), *offset))?;
        }
        Ok(())
    }
}

fn partition_value(text: &str, ty: &SqlType) -> Result<Value> {
    use crate::parse;
    Ok(match &ty.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => Value::text(text),
        TypeKind::Boolean => Value::Boolean(parse::boolean(text)?),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => {
            Value::Int(parse::integer(text, i64::MIN, i64::MAX)?)
        }
        TypeKind::Date => Value::Date(parse::date(text)? as i32),
        _ => {
            return Err(Error::config(format!("a partition cannot be of type {}", ty.base_text()))
                .advice("use text, numbers, BOOLEAN or DATE"));
        }
    })
}

/// `%XX` for what cannot stand in a name of a folder.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let special = c.is_control()
            || matches!(
                c,
                '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^'
            );
        if special {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|b| out += &format!("%{b:02X}"));
        } else {
            out.push(c);
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (vec![], 0);
    while i < bytes.len() {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

struct FileSink(Arc<FileTable>);

impl TableSink for FileSink {
    fn accepts(&self, changes: Changes) -> bool {
        changes == Changes::Append || self.0.format.changes() == Changes::Retract
    }
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        std::fs::create_dir_all(&self.0.path).map_err(|e| io_error(&self.0.path, "make", &e))?;
        let now = context.clock.now_ms();
        let name = format!("part-{}-{now:x}-{}", std::process::id(), context.subtask.index);
        Ok(Box::new(FileWriter {
            encoder: self.0.format.encoder(),
            table: Arc::clone(&self.0),
            name,
            open: BTreeMap::new(),
        }))
    }
}

struct FileWriter {
    table: Arc<FileTable>,
    encoder: Box<dyn RowEncoder>,
    name: String,
    /// By folder: the hidden file, the name that it will have.
    open: BTreeMap<PathBuf, (BufWriter<File>, PathBuf, PathBuf)>,
}

/// Most partitions that a subtask writes at a time.
const MAX_OPEN_PARTITIONS: usize = 512;

impl FileWriter {
    fn folder(&self, row: &[Value]) -> PathBuf {
        let mut folder = self.table.path.clone();
        for key in &self.table.partition_keys {
            let at = self.table.schema.iter().position(|f| f.name == *key);
            let text = at.and_then(|i| {
                let value = row.get(i)?;
                (!value.is_null()).then(|| {
                    super::format::json::plain_text(value, &self.table.schema[i].ty, false)
                })
            });
            let text = text.unwrap_or_else(|| self.table.default_partition.clone());
            folder.push(format!("{}={}", escape(key), escape(&text)));
        }
        folder
    }
}

impl TableWriter for FileWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        for row in 0..batch.len() {
            let mut values = vec![];
            for (array, field) in batch.rows().columns().iter().zip(&self.table.schema) {
                values.push(value_at(array, &field.ty, row)?);
            }
            let folder = self.folder(&values);
            if !self.open.contains_key(&folder) {
                if self.open.len() >= MAX_OPEN_PARTITIONS {
                    let what = format!("more than {MAX_OPEN_PARTITIONS} partitions are open");
                    return Err(Error::config(what).advice("partition by fewer values"));
                }
                std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, "make", &e))?;
                let hidden = folder.join(format!(".{}", self.name));
                let file = File::create(&hidden).map_err(|e| io_error(&hidden, "write", &e))?;
                let name = folder.join(&self.name);
                self.open.insert(folder.clone(), (BufWriter::new(file), hidden, name));
            }
            let Some((file, hidden, _)) = self.open.get_mut(&folder) else { continue };
            let stored: Vec<Value> = self
                .table
                .origins
                .iter()
                .zip(values)
                .filter(|(o, _)| matches!(o, Origin::Format(_)))
                .map(|(_, v)| v)
                .collect();
            let mut bytes = vec![];
            if self.encoder.encode(batch.kind(row), &stored, &mut bytes)? {
                bytes.push(b'\n');
                file.write_all(&bytes).map_err(|e| io_error(hidden, "write", &e))?;
            }
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        for (file, hidden, _) in self.open.values_mut() {
            file.flush().map_err(|e| io_error(hidden, "write", &e))?;
        }
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        self.flush()?;
        for (_, (file, hidden, name)) in std::mem::take(&mut self.open) {
            drop(file);
            std::fs::rename(&hidden, &name).map_err(|e| io_error(&hidden, "rename", &e))?;
        }
        Ok(())
    }
}
