//! Makes records by index, no faster than the rate allows.
//!
//! At the head of a job. Position: the next index of each split.
//! Invariant: record `i` is due `(i - first) / rate` after the reader's start, so the rate
//! of all subtasks together is the rate asked for, at every parallelism. A reader that was
//! held up catches up on a second's worth of records, not on more.

use super::config::{DataGenRng, Generator};
use crate::sequence::Sequence;
use millstream_core::{Data, Epoch, NO_TIMESTAMP, Result};
use millstream_runtime::source::SourceOutput;
use millstream_runtime::{OperatorSnapshot, SourcePoll, SourceReader};
use rand_xoshiro::rand_core::SeedableRng;

const RUN_ROWS: usize = 256;
const POLL_ROWS: usize = 1024;
/// How far behind its rate a reader may be and still catch up.
const CATCH_UP_MS: i64 = 1000;

/// When records are due.
struct Pace {
    rows_per_ms: f64,
    /// The record of this index was due at this time.
    anchor: Option<(u64, i64)>,
}

impl Pace {
    /// The first index that is not due yet at `now_ms`.
    fn bound(&mut self, next: u64, now_ms: i64) -> u64 {
        let (first, start_ms) = *self.anchor.get_or_insert((next, now_ms));
        let bound = self.bound_of(first, now_ms.saturating_sub(start_ms));
        if self.due_ms(next).saturating_add(CATCH_UP_MS) < now_ms {
            self.anchor = Some((next, now_ms - CATCH_UP_MS));
            return self.bound_of(next, CATCH_UP_MS);
        }
        bound
    }
    fn bound_of(&self, first: u64, elapsed_ms: i64) -> u64 {
        // Casts from float saturate. The first record is due at once.
        let due = (elapsed_ms.max(0) as f64 * self.rows_per_ms).floor() as u64;
        first.saturating_add(due).saturating_add(1)
    }
    /// When the record of `index` is due.
    fn due_ms(&self, index: u64) -> i64 {
        let (first, start_ms) = self.anchor.unwrap_or((index, 0));
        let behind_ms = index.saturating_sub(first) as f64 / self.rows_per_ms;
        start_ms.saturating_add(behind_ms.ceil() as i64)
    }
}

pub(super) struct DataGenReader<T> {
    sequence: Sequence,
    generator: Generator<T>,
    seed: u64,
    pace: Option<Pace>,
}

impl<T> DataGenReader<T> {
    pub(super) fn new(
        sequence: Sequence,
        generator: Generator<T>,
        seed: u64,
        rows_per_second: Option<f64>,
    ) -> Self {
        let pace = rows_per_second.map(|rows| Pace { rows_per_ms: rows / 1000.0, anchor: None });
        DataGenReader { sequence, generator, seed, pace }
    }
}

/// One seed of two numbers: neighbours in either have unrelated random numbers.
fn seed_of(seed: u64, index: u64) -> u64 {
    // The increment and the first multiplier of SplitMix64, which seeds the generator.
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed.rotate_left(32) ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T: Data> SourceReader<T> for DataGenReader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        self.sequence.announce(out);
        let (generator, seed) = (&self.generator, self.seed);
        let now_ms = out.now_ms();
        let mut rows = 0;
        while rows < POLL_ROWS {
            let Some(next) = self.sequence.next_index() else { return Ok(SourcePoll::End) };
            let bound = self.pace.as_mut().map_or(u64::MAX, |pace| pace.bound(next, now_ms));
            if let (Some(pace), true) = (&self.pace, next >= bound) {
                // Never in the past: a float may round a record to this very millisecond.
                return Ok(SourcePoll::Wait(Some(pace.due_ms(next).max(now_ms + 1))));
            }
            rows += self.sequence.read(RUN_ROWS, bound, out, |split, index, out| {
                let mut rng = DataGenRng::seed_from_u64(seed_of(seed, index));
                out.collect(split, generator(index, &mut rng), NO_TIMESTAMP);
            });
        }
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.sequence.snapshot(into)
    }
}
