//! Collects records where the program can read them.
//!
//! At the end of a chain. Invariant: never more records than the limit; one more ends the
//! job with an error instead of filling the memory. At least once: a restored job hands in
//! again what came after its last checkpoint.

use millstream_core::{Batch, Data, Error, EventTime, Result};
use millstream_runtime::{OperatorContext, Sink, SinkWriter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records that a [`CollectSink`] keeps unless told otherwise.
const DEFAULT_LIMIT: usize = 1_000_000;

/// Collects the records of all subtasks of this process, for tests.
///
/// ```
/// use millstream_connectors::CollectSink;
/// use millstream_runtime::SinkOperator;
/// use millstream_testkit::OperatorHarness;
/// use std::sync::Arc;
///
/// let sink = CollectSink::new();
/// let results = sink.handle();
/// let mut harness = OperatorHarness::new(SinkOperator::new(Arc::new(sink)));
/// harness.push("a".to_owned(), 10).unwrap();
/// assert_eq!(results.take(), ["a"]);
/// assert!(results.is_empty());
/// ```
pub struct CollectSink<T> {
    handle: CollectHandle<T>,
    limit: usize,
}

impl<T: Data> Default for CollectSink<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Data> CollectSink<T> {
    /// An empty collection of up to a million records.
    pub fn new() -> Self {
        CollectSink { handle: CollectHandle(Arc::default()), limit: DEFAULT_LIMIT }
    }
    /// Of up to `records` records that have not been taken.
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = records;
        self
    }
    /// Where the results are.
    pub fn handle(&self) -> CollectHandle<T> {
        self.handle.clone()
    }
}

/// The results of a [`CollectSink`], while the job runs and after.
pub struct CollectHandle<T>(Arc<Mutex<Vec<(T, EventTime)>>>);

impl<T> Clone for CollectHandle<T> {
    fn clone(&self) -> Self {
        CollectHandle(Arc::clone(&self.0))
    }
}

impl<T> CollectHandle<T> {
    fn records(&self) -> MutexGuard<'_, Vec<(T, EventTime)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes the records out. The order within a subtask is kept, between subtasks it is
    /// that of arrival.
    pub fn take(&self) -> Vec<T> {
        self.take_with_timestamps().into_iter().map(|(value, _)| value).collect()
    }
    /// Takes the records out, with their event times.
    pub fn take_with_timestamps(&self) -> Vec<(T, EventTime)> {
        std::mem::take(&mut *self.records())
    }
    /// Number of records that have not been taken.
    pub fn len(&self) -> usize {
        self.records().len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Data> Sink<T> for CollectSink<T> {
    fn create_writer(&self, _context: &OperatorContext) -> Result<Box<dyn SinkWriter<T>>> {
        Ok(Box::new(CollectWriter { handle: self.handle(), limit: self.limit }))
    }
}

struct CollectWriter<T> {
    handle: CollectHandle<T>,
    limit: usize,
}

impl<T: Data> SinkWriter<T> for CollectWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        let mut records = self.handle.records();
        if records.len() + batch.len() > self.limit {
            return Err(Error::config(format!("more than {} records were collected", self.limit))
                .advice("raise CollectSink::limit, take results while the job runs, or filter"));
        }
        records.extend(batch);
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
