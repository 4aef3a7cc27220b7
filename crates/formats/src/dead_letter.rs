//! Dead letters: records that could not be read, kept for people to look at.
//!
//! Beside the path of a record: a source whose policy is
//! [`ParsePolicy::DeadLetter`](crate::ParsePolicy) puts them here instead of emitting
//! them. Invariant: a letter holds every byte of the record, and where it came from.
//!
//! Dead letters are at least once: a restored job reads again from its last checkpoint,
//! and may write the letters behind it a second time.

use base64::Engine;
use millstream_core::{Error, Result};
use millstream_runtime::OperatorContext;
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// A record that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its bytes as they came; `None` is Kafka's record without a value.
    pub raw: Option<Vec<u8>>,
    /// Why it could not be read.
    pub error: String,
    /// Where it came from, such as `file 'a.csv' at byte 120` or
    /// `topic 'events' partition 3 offset 9`.
    pub origin: String,
    /// Its key, where records have one.
    pub key: Option<Vec<u8>>,
    /// Its headers, where records have them; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its time in milliseconds since 1970, where records have one.
    pub timestamp_ms: Option<i64>,
}

/// Adds `bytes` as text when they are UTF-8, else as `<name>_base64`.
fn put(into: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => into.insert(name.to_owned(), text.into()),
        Err(_) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            into.insert(format!("{name}_base64"), text.into())
        }
    };
}

impl DeadLetter {
    /// One line of JSON: `raw` as text when it is UTF-8, else `raw_base64`; `key`,
    /// `headers` and `timestamp_ms` when the record has them.
    ///
    /// ```
    /// use millstream_formats::DeadLetter;
    /// let letter = DeadLetter {
    ///     raw: Some(b"1,".to_vec()),
    ///     error: "short".into(),
    ///     origin: "a".into(),
    ///     ..DeadLetter::default()
    /// };
    /// assert_eq!(letter.to_json(), r#"{"error":"short","origin":"a","raw":"1,"}"#);
    /// let letter = DeadLetter { raw: Some(vec![0xff]), key: Some(b"k".to_vec()), ..letter };
    /// assert_eq!(
    ///     letter.to_json(),
    ///     r#"{"error":"short","key":"k","origin":"a","raw_base64":"/w=="}"#
    /// );
    /// ```
    pub fn to_json(&self) -> String {
        let mut letter = Map::new();
        letter.insert("origin".into(), self.origin.as_str().into());
        letter.insert("error".into(), self.error.as_str().into());
        if let Some(raw) = &self.raw {
            put(&mut letter, "raw", raw);
        }
        if let Some(key) = &self.key {
            put(&mut letter, "key", key);
        }
        if let Some(timestamp_ms) = self.timestamp_ms {
            letter.insert("timestamp_ms".into(), timestamp_ms.into());
        }
        if !self.headers.is_empty() {
            // A list, as names may repeat.
            let header = |(name, value): &(String, Option<Vec<u8>>)| {
                let mut header = Map::new();
                header.insert("name".into(), name.as_str().into());
                if let Some(value) = value {
                    put(&mut header, "value", value);
                }
                Value::Object(header)
            };
            letter.insert("headers".into(), self.headers.iter().map(header).collect());
        }
        Value::Object(letter).to_string()
    }
}

/// A place for dead letters: a folder, a topic. Shared by all subtasks of a source.
pub trait DeadLetterQueue: Send + Sync {
    /// Makes the writer of one subtask.
    ///
    /// # Errors
    /// When the place is not there.
    fn open(&self, context: &OperatorContext) -> Result<Box<dyn DeadLetterWriter>>;
}

/// Writes the dead letters of one subtask.
pub trait DeadLetterWriter: Send {
    /// Takes a letter; may keep it in a bounded buffer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn write(&mut self, letter: &DeadLetter) -> Result<()>;
    /// Returns when every letter is safe. Called before a checkpoint is stored and at
    /// the end.
    ///
    /// # Errors
    /// Fails the checkpoint.
    fn flush(&mut self) -> Result<()>;
}

/// Appends dead letters to a file per subtask in a folder, as JSON lines:
/// `<folder>/<operator uid>-<subtask index>.jsonl`.
#[derive(Clone, Debug)]
pub struct FileDeadLetterQueue {
    folder: PathBuf,
}

impl FileDeadLetterQueue {
    /// In this folder, which is made when it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        FileDeadLetterQueue { folder: folder.into() }
    }
}

struct FileWriter {
    path: PathBuf,
    /// Opened with the first letter, so that a clean run leaves no empty files.
    file: Option<BufWriter<File>>,
}

impl FileWriter {
    fn refused(&self, error: &std::io::Error) -> Error {
        Error::config(format!(
            "dead letters cannot be written to '{}': {error}",
            self.path.display()
        ))
        .advice("make the folder writable and see that the disk has room")
    }
    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
                self.file.insert(BufWriter::new(file))
            }
        };
        file.write_all(line.as_bytes())
    }
}

impl DeadLetterQueue for FileDeadLetterQueue {
    fn open(&self, context: &OperatorContext) -> Result<Box<dyn DeadLetterWriter>> {
        let subtask = &context.subtask;
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let uid: String = subtask.uid.chars().map(plain).collect();
        let path = self.folder.join(format!("{uid}-{}.jsonl", subtask.index));
        let writer = FileWriter { path, file: None };
        std::fs::create_dir_all(&self.folder).map_err(|error| writer.refused(&error))?;
        Ok(Box::new(writer))
    }
}

impl DeadLetterWriter for FileWriter {
    fn write(&mut self, letter: &DeadLetter) -> Result<()> {
        let line = letter.to_json() + "\n";
        self.append(&line).map_err(|error| self.refused(&error))
    }
    fn flush(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let flushed = file.flush().and_then(|()| file.get_ref().sync_data());
        flushed.map_err(|error| self.refused(&error))
    }
}
