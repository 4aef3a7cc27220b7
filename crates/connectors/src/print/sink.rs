//! Prints each record on a line of its own.
//!
//! At the end of a chain. Invariant: the lines of a batch are written together, so the
//! lines of several subtasks never run into each other.

use millstream_core::{Batch, Data, Error, Result};
use millstream_runtime::{OperatorContext, Sink, SinkWriter};
use std::fmt::{Debug, Display};
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

type Format<T> = Arc<dyn Fn(&T, &mut Vec<u8>) + Send + Sync>;
type SharedWriter = Arc<Mutex<dyn Write + Send>>;

#[derive(Clone)]
enum Target {
    Stdout,
    Stderr,
    Writer(SharedWriter),
}

/// Prints records to standard output; with several subtasks each line starts with the
/// subtask's number (from 1), as Flink's `print()` does: `2> record`.
///
/// ```
/// use millstream_connectors::PrintSink;
/// use millstream_runtime::SinkOperator;
/// use millstream_testkit::OperatorHarness;
/// use std::sync::{Arc, Mutex};
///
/// let written = Arc::new(Mutex::new(Vec::new()));
/// let sink = PrintSink::new().named("counts").to_writer(written.clone());
/// let mut harness = OperatorHarness::builder(SinkOperator::new(Arc::new(sink)))
///     .subtask(1, 2, 128)
///     .open()
///     .unwrap();
/// harness.push("a,1".to_owned(), 10).unwrap();
/// assert_eq!(*written.lock().unwrap(), b"counts:2> a,1\n");
/// ```
#[derive(Clone)]
pub struct PrintSink<T> {
    format: Format<T>,
    target: Target,
    name: Option<String>,
}

impl<T: Display> Default for PrintSink<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Display> PrintSink<T> {
    /// Prints records as their `Display` shows them.
    pub fn new() -> Self {
        // Writing to memory does not fail; a `Display` that does has its text cut there.
        Self::with_format(|value, line| drop(write!(line, "{value}")))
    }
}

impl<T: Debug> PrintSink<T> {
    /// Prints records as their `Debug` shows them.
    pub fn debug() -> Self {
        Self::with_format(|value, line| drop(write!(line, "{value:?}")))
    }
}

impl<T> PrintSink<T> {
    /// Prints what `format` appends for a record.
    pub fn with_format(format: impl Fn(&T, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        PrintSink { format: Arc::new(format), target: Target::Stdout, name: None }
    }
    /// Prints to standard error.
    pub fn to_stderr(mut self) -> Self {
        self.target = Target::Stderr;
        self
    }
    /// Prints to a writer.
    pub fn to_writer(mut self, writer: Arc<Mutex<impl Write + Send + 'static>>) -> Self {
        self.target = Target::Writer(writer);
        self
    }
    /// Starts each line with a name (Flink's sink identifier).
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<T: Data> Sink<T> for PrintSink<T> {
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        let is_watched = match &self.target {
            Target::Stdout => std::io::stdout().is_terminal(),
            Target::Stderr => std::io::stderr().is_terminal(),
            Target::Writer(_) => false,
        };
        if is_watched {
            // The progress line would run into these lines: it stays away when it sees this.
            context.metrics.gauge("printsToTerminal").set(1);
        }
        let subtask = &context.subtask;
        let number = (subtask.parallelism > 1).then(|| (subtask.index + 1).to_string());
        let parts: Vec<String> = self.name.iter().cloned().chain(number).collect();
        let prefix = if parts.is_empty() { String::new() } else { parts.join(":") + "> " };
        Ok(Box::new(PrintWriter {
            format: Arc::clone(&self.format),
            target: self.target.clone(),
            prefix: prefix.into_bytes(),
            lines: Vec::new(),
        }))
    }
}

struct PrintWriter<T> {
    format: Format<T>,
    target: Target,
    prefix: Vec<u8>,
    lines: Vec<u8>,
}

impl<T: Data> SinkWriter<T> for PrintWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        self.lines.clear();
        for value in batch.values() {
            self.lines.extend_from_slice(&self.prefix);
            (self.format)(value, &mut self.lines);
            self.lines.push(b'\n');
        }
        let write = |to: &mut dyn Write| to.write_all(&self.lines).and_then(|()| to.flush());
        let written = match &self.target {
            Target::Stdout => write(&mut std::io::stdout().lock()),
            Target::Stderr => write(&mut std::io::stderr().lock()),
            Target::Writer(to) => write(&mut *to.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Error::config("whoever read the printed records has gone")
                .advice("keep the reader of the pipe running until the job has ended"),
            _ => Error::retry(format!("records cannot be printed: {error}")),
        })
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
