//! Rates of counters over the last minute.
//!
//! Between the registry and the exposition; fed every five seconds, as Flink's
//! `MeterView` is. Invariant: at most thirteen samples are kept, whatever the scrapes do.

use millstream_runtime::metrics::{Metric, Reading};
use std::collections::{HashMap, VecDeque};

/// How often a sample is to be taken.
pub const SAMPLE_INTERVAL_MS: u64 = 5_000;
/// What a rate looks back on.
pub const WINDOW_MS: u64 = 60_000;

/// A counter's place: operator uid, subtask, metric.
type Place = (String, usize, String);

struct Sample {
    at_ms: u64,
    counts: HashMap<Place, u64>,
}

/// The counts of the last minute.
///
/// ```
/// use millstream_metrics::meter::Meters;
/// use millstream_runtime::{MetricRegistry, OperatorContext};
/// let registry = MetricRegistry::new();
/// let subtask = OperatorContext::for_tests("counts").subtask;
/// let counter = registry.group(&subtask).counter("numRecordsIn");
/// let mut meters = Meters::default();
/// meters.sample(&registry.read(), 0);
/// counter.add(500);
/// assert_eq!(meters.rate(&registry.read()[0], 10_000), Some(50.0));
/// ```
#[derive(Default)]
pub struct Meters {
    samples: VecDeque<Sample>,
}

fn place(reading: &Reading) -> Place {
    (reading.subtask.uid.clone(), reading.subtask.index, reading.name.clone())
}

/// Whether a counter has a rate: Flink's record and byte counters.
pub fn is_metered(name: &str) -> bool {
    let counted = ["numRecords", "numBytes"].iter().find_map(|what| name.strip_prefix(what));
    matches!(counted, Some("In" | "Out" | "Send"))
}

impl Meters {
    /// Keeps the counts of `readings` at `now_ms` of a clock that never goes back.
    pub fn sample(&mut self, readings: &[Reading], now_ms: u64) {
        let count = |reading: &Reading| match &reading.metric {
            Metric::Counter(counter) if is_metered(&reading.name) => {
                Some((place(reading), counter.get()))
            }
            _ => None,
        };
        let counts = readings.iter().filter_map(count).collect();
        self.samples.push_back(Sample { at_ms: now_ms, counts });
        // One sample as old as the window stays: it is what the rate is measured from.
        while self.samples.get(1).is_some_and(|s| now_ms.saturating_sub(s.at_ms) >= WINDOW_MS) {
            self.samples.pop_front();
        }
    }

    /// Records (or bytes) a second over the last minute, or since the counter has been
    /// seen; `None` when it has not, or is no counter with a rate.
    pub fn rate(&self, reading: &Reading, now_ms: u64) -> Option<f64> {
        let Metric::Counter(counter) = &reading.metric else { return None };
        let place = place(reading);
        let recent = |s: &&Sample| now_ms.saturating_sub(s.at_ms) <= WINDOW_MS + SAMPLE_INTERVAL_MS;
        let mut samples = self.samples.iter().filter(recent);
        let (at_ms, then) = samples.find_map(|s| Some((s.at_ms, *s.counts.get(&place)?)))?;
        let elapsed_ms = now_ms.saturating_sub(at_ms);
        let gained = counter.get().saturating_sub(then) as f64;
        (elapsed_ms > 0).then(|| gained * 1000.0 / elapsed_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_runtime::{MetricRegistry, OperatorContext};

    #[test]
    fn a_rate_forgets_what_was_a_minute_ago() {
        let registry = MetricRegistry::new();
        let group = registry.group(&OperatorContext::for_tests("a").subtask);
        let counter = group.counter("numRecordsOut");
        let mut meters = Meters::default();
        counter.add(1_000_000);
        for tick in 0..=36 {
            meters.sample(&registry.read(), tick * SAMPLE_INTERVAL_MS);
            counter.add(50);
        }
        assert!(meters.samples.len() <= 13, "{}", meters.samples.len());
        let reading = &registry.read()[0];
        let rate = meters.rate(reading, 37 * SAMPLE_INTERVAL_MS).unwrap();
        assert!((rate - 10.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn gauges_and_unseen_counters_have_no_rate() {
        let registry = MetricRegistry::new();
        let group = registry.group(&OperatorContext::for_tests("a").subtask);
        let mut meters = Meters::default();
        meters.sample(&registry.read(), 0);
        group.gauge("currentInputWatermark");
        group.counter("numRecordsIn");
        let readings = registry.read();
        assert!(readings.iter().all(|r| meters.rate(r, 1000).is_none()));
        assert!(is_metered("numRecordsIn") && !is_metered("numRecordsInErrors"));
    }
}
