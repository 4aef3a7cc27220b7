//! The progress line: how far a long run is, on the terminal of the person who waits.
//!
//! A thread of its own reads the registry once a second and draws on standard error with
//! `indicatif`. Invariant: nothing is ever written when standard error is no terminal,
//! when `CI` or `NO_COLOR` is set or `TERM` is `dumb`, or when the job prints its records
//! on the terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millstream_core::{Clock, SystemClock};
use millstream_runtime::MetricRegistry;
use millstream_runtime::metrics::{Metric, Reading};
use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the line is drawn; a run shorter than this shows none.
const INTERVAL: Duration = Duration::from_secs(1);
/// The metric of a sink that prints its records on a terminal: where records scroll by,
/// nobody needs the line, and it would run into them.
const PRINTS: &str = "printsToTerminal";
/// Draws that a rate looks back on.
const RATE_DRAWS: usize = 5;

/// What a job has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records that its sources emitted.
    pub records_in: u64,
    /// Records that its sinks took.
    pub records_out: u64,
    /// The slowest watermark at a sink, if each has one and it is not the final one.
    pub watermark_ms: Option<i64>,
}

impl Totals {
    /// Adds up what the subtasks of this process count. A source is what emits records and
    /// takes none; a sink is what counts `numRecordsSend`.
    pub fn of(readings: &[Reading]) -> Self {
        let mut subtasks: BTreeMap<(&str, usize), BTreeMap<&str, i64>> = BTreeMap::new();
        for reading in readings {
            let subtask = (reading.subtask.uid.as_str(), reading.subtask.index);
            let value = match &reading.metric {
                Metric::Counter(counter) => i64::try_from(counter.get()).unwrap_or(i64::MAX),
                Metric::Gauge(gauge) => gauge.get(),
            };
            subtasks.entry(subtask).or_default().insert(&reading.name, value);
        }
        let mut totals = Totals::default();
        let mut watermark = i64::MAX;
        for metrics in subtasks.values() {
            let count = |name| metrics.get(name).map(|count| count.unsigned_abs());
            if let (Some(emitted), None) = (count("numRecordsOut"), count("numRecordsIn")) {
                totals.records_in += emitted;
            }
            if let Some(sent) = count("numRecordsSend") {
                totals.records_out += sent;
                let own = metrics.get("currentInputWatermark").copied().unwrap_or(i64::MIN);
                watermark = watermark.min(own);
            }
        }
        totals.watermark_ms = (watermark > i64::MIN && watermark < i64::MAX).then_some(watermark);
        totals
    }

    /// The line's text; `before` is what was `elapsed` ago.
    ///
    /// ```
    /// use millstream_metrics::progress::Totals;
    /// use std::time::Duration;
    /// let before = Totals { records_in: 1_000_000, ..Totals::default() };
    /// let now = Totals { records_in: 6_000_000, records_out: 120, watermark_ms: Some(7_500) };
    /// assert_eq!(
    ///     now.line(&before, Duration::from_secs(2), 10_000),
    ///     "in 6.0 M (2.5 M/s) · out 120 (60/s) · watermark 2.5 s behind"
    /// );
    /// ```
    pub fn line(&self, before: &Totals, elapsed: Duration, now_ms: i64) -> String {
        let rate = |now: u64, then: u64| {
            let seconds = elapsed.as_secs_f64().max(0.001);
            short(now.saturating_sub(then) as f64 / seconds)
        };
        let flow =
            |what, now, then| format!("{what} {} ({}/s)", short(now as f64), rate(now, then));
        let mut parts = vec![
            flow("in", self.records_in, before.records_in),
            flow("out", self.records_out, before.records_out),
        ];
        if let Some(watermark_ms) = self.watermark_ms {
            let lag_ms = now_ms.saturating_sub(watermark_ms);
            parts.push(format!("watermark {} behind", duration(lag_ms)));
        }
        parts.join(" · ")
    }
}

/// A number with three digits or so.
fn short(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1} G", n / 1e9),
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

fn duration(ms: i64) -> String {
    let seconds = ms as f64 / 1e3;
    match seconds.abs() {
        s if s < 120.0 => format!("{seconds:.1} s"),
        s if s < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// Whether a line is wanted: only where somebody can watch it.
fn is_wanted(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).is_some_and(|value| !value.is_empty());
    is_terminal && !set("CI") && !set("NO_COLOR") && variable("TERM").as_deref() != Some("dumb")
}

/// Shows records in and out per second, and how far the watermark is behind, while a job
/// runs. Dropping it takes the line away.
///
/// ```
/// use millstream_metrics::ProgressLine;
/// use millstream_runtime::MetricRegistry;
/// let registry = MetricRegistry::new();
/// let line = ProgressLine::start(&registry);
/// // ... run the job that counts in `registry` ...
/// drop(line);
/// ```
pub struct ProgressLine {
    /// Dropped to stop the thread; none when no line is wanted.
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ProgressLine {
    /// Shows the line if standard error is a terminal that wants one.
    pub fn start(registry: &MetricRegistry) -> Self {
        let wanted = is_wanted(std::io::stderr().is_terminal(), |name| std::env::var(name).ok());
        if !wanted {
            return ProgressLine { running: None };
        }
        Self::draw(registry.clone(), ProgressDrawTarget::stderr(), INTERVAL)
    }
    /// Whether a line is shown.
    pub fn is_shown(&self) -> bool {
        self.running.is_some()
    }
    fn draw(registry: MetricRegistry, target: ProgressDrawTarget, interval: Duration) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("millstream-progress".to_owned());
        let thread = thread.spawn(move || {
            let mut former = VecDeque::from([(Instant::now(), Totals::default())]);
            let mut bar: Option<ProgressBar> = None;
            let mut target = Some(target);
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let readings = registry.read();
                if readings.iter().any(|reading| reading.name == PRINTS) {
                    break;
                }
                let now = (Instant::now(), Totals::of(&readings));
                let (then, before) = former.front().copied().unwrap_or(now);
                let line = now.1.line(&before, now.0 - then, SystemClock.now_ms());
                if let Some(target) = target.take() {
                    bar = Some(new_bar(target));
                }
                if let Some(bar) = &bar {
                    bar.set_message(line);
                    bar.tick();
                }
                former.push_back(now);
                if former.len() > RATE_DRAWS {
                    former.pop_front();
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        // Without a thread there is no line; the job does not depend on it.
        ProgressLine { running: thread.ok().map(|thread| (stop, thread)) }
    }
}

fn new_bar(target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // A panic there was reported there, and is none of the job's.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;
    use millstream_runtime::OperatorContext;

    fn registry() -> MetricRegistry {
        let registry = MetricRegistry::new();
        let group = |name: &str, index| {
            let mut subtask = OperatorContext::for_tests(name).subtask;
            subtask.index = index;
            registry.group(&subtask)
        };
        for index in 0..2 {
            group("source", index).counter("numRecordsOut").add(1_000);
            let map = group("map", index);
            map.counter("numRecordsIn").add(1_000);
            map.counter("numRecordsOut").add(700);
            map.gauge("currentInputWatermark").set(1);
            let sink = group("sink", index);
            sink.counter("numRecordsIn").add(700);
            sink.counter("numRecordsOut");
            sink.counter("numRecordsSend").add(700);
            sink.gauge("currentInputWatermark").set(5_000 + index as i64);
        }
        registry
    }

    #[test]
    fn sources_count_as_in_and_sinks_as_out() {
        let totals = Totals::of(&registry().read());
        let want = Totals { records_in: 2_000, records_out: 1_400, watermark_ms: Some(5_000) };
        assert_eq!(totals, want);
    }

    #[test]
    fn a_job_without_watermarks_shows_none() {
        let registry = registry();
        let mut subtask = OperatorContext::for_tests("sink").subtask;
        for (value, index) in [(i64::MIN, 0), (i64::MAX, 0)] {
            subtask.index = index;
            registry.group(&subtask).gauge("currentInputWatermark").set(value);
            let totals = Totals::of(&registry.read());
            // The other sink's watermark is all there is once this one's is the last.
            assert_eq!(totals.watermark_ms, (value == i64::MAX).then_some(5_001));
        }
        assert!(!Totals::default().line(&Totals::default(), INTERVAL, 0).contains("watermark"));
    }

    #[test]
    fn lags_are_shown_in_a_fitting_unit() {
        let shown = [1_500, 600_000, 36_000_000, 864_000_000, -2_000].map(duration);
        assert_eq!(shown, ["1.5 s", "10 min", "10 h", "10 days", "-2.0 s"]);
        assert_eq!(
            [999.0, 9_999.0, 12_345.0, 2.5e9].map(short),
            ["999", "9999", "12.3 k", "2.5 G"]
        );
    }

    #[test]
    fn nobody_watches_a_file_or_ci() {
        let with = |name: &'static str, value: &'static str| {
            is_wanted(true, move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(with("TERM", "xterm"));
        assert!(with("CI", ""), "set to nothing is not set");
        assert!(!with("CI", "true"));
        assert!(!with("NO_COLOR", "1"));
        assert!(!with("TERM", "dumb"));
        assert!(!is_wanted(false, |_| None));
        if !std::io::stderr().is_terminal() {
            assert!(!ProgressLine::start(&registry()).is_shown());
        }
    }

    #[test]
    fn no_line_is_drawn_where_records_are_printed() {
        let registry = registry();
        let sink = OperatorContext::for_tests("sink").subtask;
        registry.group(&sink).gauge(PRINTS).set(1);
        let terminal = InMemoryTerm::new(5, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut line = ProgressLine::draw(registry, target, Duration::from_millis(1));
        // The thread ends by itself.
        let (stop, thread) = line.running.take().unwrap();
        thread.join().unwrap();
        drop(stop);
        assert_eq!(terminal.contents().trim(), "");
    }

    #[test]
    fn the_line_is_drawn_and_taken_away() {
        let terminal = InMemoryTerm::new(5, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let line = ProgressLine::draw(registry(), target, Duration::from_millis(5));
        let mut tries = 0;
        while !terminal.contents().contains("in 2000 (") {
            tries += 1;
            assert!(tries < 60_000, "nothing was drawn: {:?}", terminal.contents());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(terminal.contents().contains("out 1400 ("));
        drop(line);
        assert_eq!(terminal.contents().trim(), "");
    }
}
