//! What to generate, how much of it, and how fast.

use super::source::DataGenReader;
use crate::sequence::Sequence;
use millstream_core::{Data, Error, Result};
use millstream_runtime::{OperatorContext, Source, SourceReader};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;

/// The random numbers of one record: xoshiro256++, whose numbers for a seed never change.
/// Use it through the traits of [`rand`](super::rand).
pub type DataGenRng = Xoshiro256PlusPlus;

pub(super) type Generator<T> = Arc<dyn Fn(u64, &mut DataGenRng) -> T + Send + Sync>;

/// Records made by a function of their index and of random numbers.
///
/// A record depends on the seed and on its index alone: every run, every parallelism
/// and every restore makes the same records. Subtask `index % parallelism` makes a record.
///
/// ```
/// use millstream_connectors::DataGenSource;
/// use millstream_connectors::datagen::rand::RngExt;
/// use millstream_testkit::SourceHarness;
///
/// let source = DataGenSource::new(|index, rng| (index, rng.random_range(0..100u32)))
///     .seed(7)
///     .number_of_rows(3);
/// let mut harness = SourceHarness::open(&source).unwrap();
/// harness.poll_to_end(std::time::Duration::from_secs(10)).unwrap();
/// let records = harness.take_output();
/// assert_eq!(records.iter().map(|((index, _), _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
/// assert!(records.iter().all(|((_, random), _)| *random < 100));
/// ```
pub struct DataGenSource<T> {
    generator: Generator<T>,
    seed: u64,
    rows_per_second: Option<f64>,
    number_of_rows: Option<u64>,
}

impl<T: Data> DataGenSource<T> {
    /// Records of `generator`, which is given the record's index and its random numbers;
    /// without end, as fast as the job takes them, unless set otherwise.
    pub fn new(generator: impl Fn(u64, &mut DataGenRng) -> T + Send + Sync + 'static) -> Self {
        DataGenSource {
            generator: Arc::new(generator),
            seed: 0,
            rows_per_second: None,
            number_of_rows: None,
        }
    }
    /// Another seed makes other records (0 otherwise).
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// At most so many records a second, all subtasks together; above 0.
    pub fn rows_per_second(mut self, rows: f64) -> Self {
        self.rows_per_second = Some(rows);
        self
    }
    /// Ends after so many records, all subtasks together.
    pub fn number_of_rows(mut self, rows: u64) -> Self {
        self.number_of_rows = Some(rows);
        self
    }
}

impl<T: Data> Source for DataGenSource<T> {
    type Out = T;

    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<T>>> {
        self.validate()?;
        let count = self.number_of_rows.unwrap_or(u64::MAX);
        let sequence = Sequence::open(true, count, context)?;
        let generator = Arc::clone(&self.generator);
        Ok(Box::new(DataGenReader::new(sequence, generator, self.seed, self.rows_per_second)))
    }
    fn validate(&self) -> Result<()> {
        match self.rows_per_second {
            Some(rows) if !(rows.is_finite() && rows > 0.0) => {
                Err(Error::config(format!("datagen: rows_per_second is {rows}"))
                    .advice("use a number above 0, or leave it out for no limit"))
            }
            _ => Ok(()),
        }
    }
}
