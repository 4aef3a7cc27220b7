//! The Prometheus text format, version 0.0.4, with the names of Flink's reporter.
//!
//! ```text
//! # TYPE millstream_taskmanager_job_task_operator_numRecordsIn counter
//! millstream_taskmanager_job_task_operator_numRecordsIn{operator_name="counts",...} 42
//! ```
//!
//! Flink's dashboards work with the prefix changed from `flink` to `millstream` (or with
//! the prefix `flink`, if you like). Invariant: the samples of one name stand together,
//! under one `# TYPE`, and every name and label is valid whatever operators are called.

use crate::meter::{Meters, is_metered};
use millstream_runtime::SubtaskInfo;
use millstream_runtime::metrics::{Metric, Reading};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Metrics that Flink keeps per task and not per operator.
const TASK_SCOPE: [&str; 3] =
    ["busyTimeMsPerSecond", "idleTimeMsPerSecond", "backPressuredTimeMsPerSecond"];

/// How metrics are named.
#[derive(Clone, Debug)]
pub struct Naming {
    /// What names start with: `millstream`.
    pub prefix: String,
    /// The label `job_name`, when there is one.
    pub job_name: Option<String>,
}

impl Default for Naming {
    fn default() -> Self {
        Naming { prefix: "millstream".to_owned(), job_name: None }
    }
}

/// The samples of one name.
struct Family {
    kind: &'static str,
    samples: String,
}

#[derive(Default)]
struct Exposition(BTreeMap<String, Family>);

impl Exposition {
    fn add(&mut self, name: String, kind: &'static str, labels: &str, value: &str) {
        let family = self.0.entry(name.clone());
        let family = family.or_insert_with(|| Family { kind, samples: String::new() });
        if family.kind != kind {
            family.kind = "untyped";
        }
        // Writing to memory does not fail.
        let _ = writeln!(family.samples, "{name}{{{labels}}} {value}");
    }
}

/// A valid metric name: every other character becomes `_`, as in Flink.
fn metric_name(text: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' };
    let name: String = text.chars().map(valid).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn labels(naming: &Naming, subtask: &SubtaskInfo, scope: &str, with_index: bool) -> String {
    let job = naming.job_name.as_ref().map(|job| label("job_name", job));
    let index = with_index.then(|| label("subtask_index", &subtask.index.to_string()));
    let own = [
        label(&format!("{scope}_name"), &subtask.name),
        label(&format!("{scope}_id"), &subtask.uid),
    ];
    let all: Vec<String> = job.into_iter().chain(own).chain(index).collect();
    all.join(",")
}

/// All of `readings`, with the rates of `meters` at `now_ms`.
///
/// ```
/// use millstream_metrics::exposition::{Naming, render};
/// use millstream_metrics::meter::Meters;
/// use millstream_runtime::{MetricRegistry, OperatorContext};
/// let registry = MetricRegistry::new();
/// let subtask = OperatorContext::for_tests("counts").subtask;
/// registry.group(&subtask).counter("numRecordsIn").add(42);
/// let text = render(&registry.read(), &Meters::default(), 0, &Naming::default());
/// assert!(text.contains(
///     "millstream_taskmanager_job_task_operator_numRecordsIn\
///      {operator_name=\"counts\",operator_id=\"counts\",subtask_index=\"0\"} 42\n"
/// ));
/// ```
pub fn render(readings: &[Reading], meters: &Meters, now_ms: u64, naming: &Naming) -> String {
    let mut all = Exposition::default();
    let prefix = metric_name(&naming.prefix);
    let mut operators = BTreeMap::new();
    for reading in readings {
        let subtask = &reading.subtask;
        operators.entry((&subtask.uid, &subtask.name)).or_insert(subtask);
        let own = metric_name(&reading.name);
        if TASK_SCOPE.contains(&reading.name.as_str()) {
            let name = format!("{prefix}_taskmanager_job_task_{own}");
            let labels = labels(naming, subtask, "task", true);
            all.add(name, kind(&reading.metric), &labels, &value(&reading.metric));
            continue;
        }
        let name = format!("{prefix}_taskmanager_job_task_operator_{own}");
        let labels = labels(naming, subtask, "operator", true);
        all.add(name.clone(), kind(&reading.metric), &labels, &value(&reading.metric));
        if is_metered(&reading.name) {
            let rate = meters.rate(reading, now_ms).unwrap_or(0.0);
            all.add(format!("{name}PerSecond"), "gauge", &labels, &rate.to_string());
        }
    }
    for subtask in operators.into_values() {
        let name = format!("{prefix}_taskmanager_job_task_operator_parallelism");
        let labels = labels(naming, subtask, "operator", false);
        all.add(name, "gauge", &labels, &subtask.parallelism.to_string());
    }
    let mut text = String::new();
    for (name, Family { kind, samples }) in all.0 {
        let _ = write!(text, "# TYPE {name} {kind}\n{samples}");
    }
    text
}

fn kind(metric: &Metric) -> &'static str {
    match metric {
        Metric::Counter(_) => "counter",
        Metric::Gauge(_) => "gauge",
    }
}

fn value(metric: &Metric) -> String {
    match metric {
        Metric::Counter(counter) => counter.get().to_string(),
        Metric::Gauge(gauge) => gauge.get().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_runtime::{MetricRegistry, OperatorContext};

    #[test]
    fn names_and_labels_are_valid_and_families_stand_together() {
        let registry = MetricRegistry::new();
        let mut subtask = OperatorContext::for_tests("a \"b\"\\\nc").subtask;
        subtask.parallelism = 2;
        for index in 0..2 {
            subtask.index = index;
            let group = registry.group(&subtask);
            group.counter("numRecordsIn").add(index as u64);
            group.gauge("topic.my-topic.lag").set(-1);
            group.gauge("busyTimeMsPerSecond").set(7);
        }
        let naming = Naming { prefix: "flink".into(), job_name: Some("j".into()) };
        let text = render(&registry.read(), &Meters::default(), 0, &naming);
        let id = r#"a \"b\"\\\nc"#;
        let op = format!(r#"job_name="j",operator_name="{id}",operator_id="{id}""#);
        let task = format!(r#"job_name="j",task_name="{id}",task_id="{id}""#);
        let want = format!(
            r#"# TYPE flink_taskmanager_job_task_busyTimeMsPerSecond gauge
flink_taskmanager_job_task_busyTimeMsPerSecond{{{task},subtask_index="0"}} 7
flink_taskmanager_job_task_busyTimeMsPerSecond{{{task},subtask_index="1"}} 7
# TYPE flink_taskmanager_job_task_operator_numRecordsIn counter
flink_taskmanager_job_task_operator_numRecordsIn{{{op},subtask_index="0"}} 0
flink_taskmanager_job_task_operator_numRecordsIn{{{op},subtask_index="1"}} 1
# TYPE flink_taskmanager_job_task_operator_numRecordsInPerSecond gauge
flink_taskmanager_job_task_operator_numRecordsInPerSecond{{{op},subtask_index="0"}} 0
flink_taskmanager_job_task_operator_numRecordsInPerSecond{{{op},subtask_index="1"}} 0
# TYPE flink_taskmanager_job_task_operator_parallelism gauge
flink_taskmanager_job_task_operator_parallelism{{{op}}} 2
# TYPE flink_taskmanager_job_task_operator_topic_my_topic_lag gauge
flink_taskmanager_job_task_operator_topic_my_topic_lag{{{op},subtask_index="0"}} -1
flink_taskmanager_job_task_operator_topic_my_topic_lag{{{op},subtask_index="1"}} -1
"#
        );
        assert_eq!(text, want);
    }
}
