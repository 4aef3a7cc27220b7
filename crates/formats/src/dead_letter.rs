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
use millstream_runtime::SubtaskInfo;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its bytes as they came.
    pub raw: Vec<u8>,
    /// Why it could not be read.
    pub error: String,
    /// Where it came from, such as `file 'a.csv' at byte 120` or
    /// `topic 'events' partition 3 offset 9`.
    pub origin: String,
}

impl DeadLetter {
    /// One line of JSON: `raw` as text when it is UTF-8, else `raw_base64`.
    ///
    /// ```
    /// use millstream_formats::DeadLetter;
    /// let letter = DeadLetter { raw: b"1,".to_vec(), error: "short".into(), origin: "a".into() };
    /// assert_eq!(letter.to_json(), r#"{"error":"short","origin":"a","raw":"1,"}"#);
    /// let letter = DeadLetter { raw: vec![0xff], ..letter };
    /// assert_eq!(letter.to_json(), r#"{"error":"short","origin":"a","raw_base64":"/w=="}"#);
    /// ```
    pub fn to_json(&self) -> String {
        let (error, origin) = (&self.error, &self.origin);
        let letter = match std::str::from_utf8(&self.raw) {
            Ok(raw) => json!({ "origin": origin, "error": error, "raw": raw }),
            Err(_) => {
                let raw = base64::engine::general_purpose::STANDARD.encode(&self.raw);
                json!({ "origin": origin, "error": error, "raw_base64": raw })
            }
        };
        letter.to_string()
    }
}

/// A place for dead letters: a folder, a topic. Shared by all subtasks of a source.
pub trait DeadLetterQueue: Send + Sync {
    /// Makes the writer of one subtask.
    ///
    /// # Errors
    /// When the place is not there.
    fn open(&self, subtask: &SubtaskInfo) -> Result<Box<dyn DeadLetterWriter>>;
}

/// Writes the dead letters of one subtask.
pub trait DeadLetterWriter {
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
    fn open(&self, subtask: &SubtaskInfo) -> Result<Box<dyn DeadLetterWriter>> {
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
