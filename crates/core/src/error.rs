//! Errors as part of the product: where, what, and what to do.
//!
//! One type for the whole engine, because an error travels from any place in a
//! job to one report. The [`ErrorKind`] says how to *react*; the context says
//! *where* (operator, subtask, split), filled in by the runtime on the way up.

use std::fmt;

/// Result of everything in the engine that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How to react to an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An outside system did not answer; the same call may succeed later.
    Retry,
    /// The attempt is broken but the job is sound: restart from the last checkpoint.
    Restart,
    /// A user function failed or panicked: fix the function.
    UserCode,
    /// The job, its options or its environment are wrong: fix the configuration.
    Config,
    /// A record could not be read: fix the data, or choose a policy that skips it.
    Data,
    /// Stored bytes are damaged or of another job.
    Corrupt,
    /// The job was cancelled by its user.
    Cancelled,
    /// A broken promise inside Millstream: please report it.
    Bug,
}

impl ErrorKind {
    fn label(self) -> &'static str {
        match self {
            ErrorKind::Retry => "temporarily unavailable",
            ErrorKind::Restart => "attempt failed",
            ErrorKind::UserCode => "user code failed",
            ErrorKind::Config => "configuration",
            ErrorKind::Data => "bad record",
            ErrorKind::Corrupt => "corrupt state",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Bug => "bug in Millstream, please report it",
        }
    }
}

/// What went wrong, where, and what to do.
///
/// Shown as one paragraph:
///
/// ```
/// use millstream_core::{Error, ErrorKind};
/// let e = Error::config("allowed lateness is -5 ms").advice("use a duration of 0 or more")
///     .at("operator 'counts'");
/// assert_eq!(e.kind(), ErrorKind::Config);
/// assert_eq!(
///     e.to_string(),
///     "configuration: operator 'counts': allowed lateness is -5 ms; use a duration of 0 or more"
/// );
/// ```
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    advice: Option<String>,
    place: Vec<String>,
}

impl Error {
    /// An error of `kind`; `message` says what happened, in one clause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            inner: Box::new(Inner { kind, message: message.into(), advice: None, place: vec![] }),
        }
    }
    /// Wrong job, option or environment.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }
    /// A user function failed.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UserCode, message)
    }
    /// A record that cannot be read.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }
    /// An outside system that may answer later.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retry, message)
    }
    /// A broken attempt of a sound job.
    pub fn restart(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Restart, message)
    }
    /// Damaged or foreign stored bytes.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }
    /// A broken promise inside the engine.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
    }
    /// Adds what the reader should do.
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.inner.advice = Some(advice.into());
        self
    }
    /// Adds where it happened; the outermost place is added last and shown first.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.inner.place.push(place.into());
        self
    }
    /// Whether it is known where it happened.
    pub fn has_place(&self) -> bool {
        !self.inner.place.is_empty()
    }
    /// How to react.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }
    /// What happened, without place and advice.
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.inner.kind.label())?;
        for place in self.inner.place.iter().rev() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.inner.message)?;
        if let Some(advice) = &self.inner.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl From<postcard::Error> for Error {
    fn from(e: postcard::Error) -> Self {
        Error::corrupt(format!("bytes do not decode as the expected type ({e})"))
            .advice("the writer and the reader must use the same type")
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::retry(format!("I/O failed: {e}"))
    }
}
