//! What is counted, by Flink's names, per operator and subtask.
//!
//! An operator counts by batch with relaxed atomics; readers (the Prometheus
//! endpoint, the progress line, tests) take a [`MetricRegistry::read`] when they like.
//! Source of the names: Flink's "Metrics" page (system metrics).

use crate::operator::SubtaskInfo;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is what it was last set to.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }
    /// The last value set.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A registered metric.
#[derive(Clone, Debug)]
pub enum Metric {
    /// See [`Counter`].
    Counter(Counter),
    /// See [`Gauge`].
    Gauge(Gauge),
}

/// One metric with its place, as read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The subtask that counts.
    pub subtask: SubtaskInfo,
    /// Flink's name of the metric, such as `numRecordsIn`.
    pub name: String,
    /// The metric; counters and gauges are told apart here.
    pub metric: Metric,
}

/// All metrics of a job in this process.
#[derive(Clone, Debug, Default)]
pub struct MetricRegistry(Arc<Mutex<Registered>>);

#[derive(Debug, Default)]
struct Registered {
    readings: Vec<Reading>,
    /// Where in `readings`: a job of many subtasks registers tens of thousands.
    places: HashMap<Place, usize>,
}

/// Operator's name and uid, and the metric's name; subtask index.
type Place = ([String; 3], usize);

impl MetricRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }
    /// The group of one subtask.
    pub fn group(&self, subtask: &SubtaskInfo) -> MetricGroup {
        MetricGroup { registry: self.clone(), subtask: subtask.clone() }
    }
    fn all(&self) -> std::sync::MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    /// Every metric, in order of registration.
    pub fn read(&self) -> Vec<Reading> {
        self.all().readings.clone()
    }
    /// The sum of counter `name` over all subtasks of the operator named `operator`.
    pub fn sum(&self, operator: &str, name: &str) -> u64 {
        self.all()
            .readings
            .iter()
            .filter(|r| r.subtask.name == operator && r.name == name)
            .map(|r| match &r.metric {
                Metric::Counter(c) => c.get(),
                Metric::Gauge(g) => u64::try_from(g.get()).unwrap_or(0),
            })
            .sum()
    }
}

/// Where one subtask registers its metrics.
#[derive(Clone, Debug)]
pub struct MetricGroup {
    registry: MetricRegistry,
    subtask: SubtaskInfo,
}

impl MetricGroup {
    /// A group of a registry of its own (tests).
    pub fn detached(subtask: &SubtaskInfo) -> Self {
        MetricRegistry::new().group(subtask)
    }
    /// Registers a counter, or gives back the one of that name.
    pub fn counter(&self, name: &str) -> Counter {
        let fresh = || Metric::Counter(Counter::default());
        match self.register(name, fresh) {
            Metric::Counter(counter) => counter,
            Metric::Gauge(_) => Counter::default(),
        }
    }
    /// Registers a gauge, or gives back the one of that name.
    pub fn gauge(&self, name: &str) -> Gauge {
        match self.register(name, || Metric::Gauge(Gauge::default())) {
            Metric::Gauge(gauge) => gauge,
            Metric::Counter(_) => Gauge::default(),
        }
    }
    fn register(&self, name: &str, fresh: impl FnOnce() -> Metric) -> Metric {
        let all = &mut *self.registry.all();
        let SubtaskInfo { name: operator, uid, index, .. } = &self.subtask;
        let key = ([operator.clone(), uid.clone(), name.to_owned()], *index);
        let place = all.places.entry(key);
        let place = *place.or_insert_with(|| {
            let (subtask, name) = (self.subtask.clone(), name.to_owned());
            all.readings.push(Reading { subtask, name, metric: fresh() });
            all.readings.len() - 1
        });
        all.readings[place].metric.clone()
    }
}

/// The counters that every operator has.
#[derive(Clone, Debug)]
pub(crate) struct OperatorMetrics {
    pub(crate) records_in: Counter,
    pub(crate) records_out: Counter,
    pub(crate) input_watermark: Gauge,
    pub(crate) output_watermark: Gauge,
}

impl OperatorMetrics {
    pub(crate) fn new(group: &MetricGroup) -> Self {
        let metrics = OperatorMetrics {
            records_in: group.counter("numRecordsIn"),
            records_out: group.counter("numRecordsOut"),
            input_watermark: group.gauge("currentInputWatermark"),
            output_watermark: group.gauge("currentOutputWatermark"),
        };
        metrics.input_watermark.set(i64::MIN);
        metrics.output_watermark.set(i64::MIN);
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_registered_once_for_each_subtask_and_read_in_order() {
        let registry = MetricRegistry::new();
        let of = |index| SubtaskInfo {
            name: "map".into(),
            uid: "map-1".into(),
            index,
            parallelism: 2,
            max_parallelism: 128,
        };
        registry.group(&of(0)).counter("numRecordsIn").add(1);
        registry.group(&of(1)).counter("numRecordsIn").add(10);
        registry.group(&of(0)).gauge("lag").set(5);
        // Another group of the same subtask counts on.
        registry.group(&of(0)).counter("numRecordsIn").add(100);
        assert_eq!(registry.sum("map", "numRecordsIn"), 111);
        let read = registry.read();
        let names: Vec<_> = read.iter().map(|r| (r.subtask.index, r.name.as_str())).collect();
        assert_eq!(names, [(0, "numRecordsIn"), (1, "numRecordsIn"), (0, "lag")]);
    }
}
