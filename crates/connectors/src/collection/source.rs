//! Emits the elements of a collection, then ends.
//!
//! At the head of a job. Position: the index of the next element of each split.

use crate::sequence::Sequence;
use millstream_core::{Data, Epoch, EventTime, NO_TIMESTAMP, Result};
use millstream_runtime::source::SourceOutput;
use millstream_runtime::{OperatorContext, OperatorSnapshot, Source, SourcePoll, SourceReader};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of one split that are emitted together.
const RUN_ROWS: usize = 256;
/// Rows of one call.
const POLL_ROWS: usize = 1024;

type Elements<T> = Arc<Mutex<Vec<(T, EventTime)>>>;

/// The elements of a collection, in order, from one subtask (Flink's `fromData`);
/// or dealt to all subtasks with [`parallel`](CollectionSource::parallel).
///
/// ```
/// use millstream_connectors::CollectionSource;
/// use millstream_testkit::SourceHarness;
/// let source = CollectionSource::with_timestamps([("a", 10), ("b", 20)].map(|(s, t)| {
///     (s.to_owned(), t)
/// }));
/// let mut harness = SourceHarness::open(&source).unwrap();
/// harness.poll_to_end(std::time::Duration::from_secs(10)).unwrap();
/// assert_eq!(harness.take_text(), ["\"a\" @10", "\"b\" @20"]);
/// ```
pub struct CollectionSource<T> {
    elements: Elements<T>,
    parallel: bool,
}

impl<T: Data> CollectionSource<T> {
    /// Elements without event times.
    pub fn new(elements: impl IntoIterator<Item = T>) -> Self {
        Self::with_timestamps(elements.into_iter().map(|element| (element, NO_TIMESTAMP)))
    }
    /// Elements with event times.
    pub fn with_timestamps(elements: impl IntoIterator<Item = (T, EventTime)>) -> Self {
        let elements = Arc::new(Mutex::new(elements.into_iter().collect()));
        CollectionSource { elements, parallel: false }
    }
    /// Deals element `i` to subtask `i % parallelism`; order holds within a subtask.
    pub fn parallel(mut self) -> Self {
        self.parallel = true;
        self
    }
}

impl<T: Data> Source for CollectionSource<T> {
    type Out = T;

    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        let count = self.elements.lock().unwrap_or_else(PoisonError::into_inner).len();
        let sequence = Sequence::open(self.parallel, count as u64, context)?;
        Ok(Box::new(CollectionReader { elements: Arc::clone(&self.elements), sequence }))
    }
}

struct CollectionReader<T> {
    elements: Elements<T>,
    sequence: Sequence,
}

impl<T: Data> SourceReader<T> for CollectionReader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        self.sequence.announce(out);
        let elements = &self.elements;
        // The lock is let go of before the record goes on: the whole chain may run then.
        let element = |index: u64| {
            let elements = elements.lock().unwrap_or_else(PoisonError::into_inner);
            elements.get(index as usize).cloned()
        };
        let mut rows = 0;
        while rows < POLL_ROWS {
            let read = self.sequence.read(RUN_ROWS, u64::MAX, out, |split, index, out| {
                if let Some((value, timestamp)) = element(index) {
                    out.collect(split, value, timestamp);
                }
            });
            if read == 0 {
                return Ok(SourcePoll::End);
            }
            rows += read;
        }
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.sequence.snapshot(into)
    }
}
