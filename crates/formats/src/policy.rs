//! What happens to records that do not parse: fail, skip, or keep them as dead letters.
//!
//! Shared by every source that reads bytes. Invariant: every bad record is counted
//! (`numRecordsInErrors`, Flink's name), and so is what was done with it
//! (`numRecordsSkipped`, `numDeadLetters`); none disappears without a trace.

use crate::dead_letter::{DeadLetter, DeadLetterQueue, DeadLetterWriter, FileDeadLetterQueue};
use millstream_core::{Error, Result};
use millstream_runtime::{Counter, OperatorContext};
use std::path::PathBuf;
use std::sync::Arc;

/// What a source does with a record that does not parse.
///
/// ```
/// use millstream_formats::{BadRecords, DeadLetter, ParsePolicy};
/// use millstream_core::Error;
/// use millstream_runtime::OperatorContext;
///
/// let context = OperatorContext::for_tests("events");
/// let mut bad = BadRecords::open(&ParsePolicy::Skip, &context).unwrap();
/// let letter = || DeadLetter {
///     raw: Some(b"{oops".to_vec()),
///     origin: "file 'a' at byte 9".into(),
///     ..DeadLetter::default()
/// };
/// bad.handle(Error::data("not JSON"), letter).unwrap();
/// assert_eq!(context.metrics.counter("numRecordsSkipped").get(), 1);
///
/// let mut bad = BadRecords::open(&ParsePolicy::Fail, &context).unwrap();
/// let error = bad.handle(Error::data("not JSON"), letter);
/// assert!(error.unwrap_err().to_string().contains("file 'a' at byte 9: not JSON"));
/// ```
#[derive(Clone, Default)]
pub enum ParsePolicy {
    /// The job ends with an error that names the place.
    #[default]
    Fail,
    /// The record is dropped.
    Skip,
    /// The record is written elsewhere, with its raw bytes, the error and the place.
    DeadLetter(Arc<dyn DeadLetterQueue>),
}

impl ParsePolicy {
    /// Dead letters as JSON lines in a folder, a file per subtask.
    pub fn dead_letter_folder(folder: impl Into<PathBuf>) -> Self {
        ParsePolicy::DeadLetter(Arc::new(FileDeadLetterQueue::new(folder)))
    }
}

impl std::fmt::Debug for ParsePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ParsePolicy::Fail => "fail",
            ParsePolicy::Skip => "skip",
            ParsePolicy::DeadLetter(_) => "dead-letter",
        })
    }
}

/// Applies a [`ParsePolicy`] in one subtask.
pub struct BadRecords {
    reaction: Reaction,
    errors: Counter,
}

enum Reaction {
    Fail,
    Skip(Counter),
    DeadLetter(Box<dyn DeadLetterWriter>, Counter),
}

impl BadRecords {
    /// For the subtask of `context`.
    ///
    /// # Errors
    /// When the place for dead letters is not there.
    pub fn open(policy: &ParsePolicy, context: &OperatorContext) -> Result<Self> {
        let counter = |name| context.metrics.counter(name);
        let reaction = match policy {
            ParsePolicy::Fail => Reaction::Fail,
            ParsePolicy::Skip => Reaction::Skip(counter("numRecordsSkipped")),
            ParsePolicy::DeadLetter(queue) => {
                let writer = queue.open(context)?;
                Reaction::DeadLetter(writer, counter("numDeadLetters"))
            }
        };
        Ok(BadRecords { reaction, errors: counter("numRecordsInErrors") })
    }

    /// Deals with a record that `error` says is bad. `letter` tells what is known of it;
    /// the letter's own `error` is set here.
    ///
    /// # Errors
    /// `error` itself under [`ParsePolicy::Fail`]; what the dead letters' place says.
    pub fn handle(&mut self, error: Error, letter: impl FnOnce() -> DeadLetter) -> Result<()> {
        self.errors.add(1);
        match &mut self.reaction {
            Reaction::Fail => Err(error
                .advice(
                    "fix the data or what reads it, or choose ParsePolicy::Skip or dead letters",
                )
                .at(letter().origin)),
            Reaction::Skip(skipped) => {
                skipped.add(1);
                Ok(())
            }
            Reaction::DeadLetter(writer, letters) => {
                let error = error.message().to_owned();
                writer.write(&DeadLetter { error, ..letter() })?;
                letters.add(1);
                Ok(())
            }
        }
    }

    /// Returns when every dead letter is safe: before a snapshot, and at the end.
    ///
    /// # Errors
    /// What the dead letters' place says.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.reaction {
            Reaction::DeadLetter(writer, _) => writer.flush(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_appended_across_attempts() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("bad");
        let policy = ParsePolicy::dead_letter_folder(&target);
        let context = OperatorContext::for_tests("my source/1");
        for attempt in 0..2 {
            let mut bad = BadRecords::open(&policy, &context).unwrap();
            let origin = format!("file 'x' at byte {attempt}");
            let letter = || DeadLetter { raw: Some(vec![0xff]), origin, ..DeadLetter::default() };
            bad.handle(Error::data("not text"), letter).unwrap();
            bad.flush().unwrap();
        }
        let text = std::fs::read_to_string(target.join("my_source_1-0.jsonl")).unwrap();
        let line = |byte| {
            format!(
                r#"{{"error":"not text","origin":"file 'x' at byte {byte}","raw_base64":"/w=="}}"#
            )
        };
        assert_eq!(text.lines().collect::<Vec<_>>(), [line(0), line(1)]);
        assert_eq!(context.metrics.counter("numDeadLetters").get(), 2);
        assert_eq!(context.metrics.counter("numRecordsInErrors").get(), 2);
    }

    #[test]
    fn an_unwritable_folder_is_refused_before_data_flows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let policy = ParsePolicy::dead_letter_folder(file.path().join("sub"));
        let opened = BadRecords::open(&policy, &OperatorContext::for_tests("s"));
        let error = opened.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), millstream_core::ErrorKind::Config);
    }
}
