//! `bench nexmark`: the Nexmark queries on this engine and on Apache Flink, in turn.
//!
//! ```text
//!   for each query:  engine (a process of its own) ─┐
//!                    Flink  (a JVM of its own)     ─┴─> table ──> docs/performance.md
//! ```
//! Both make the same events (their checksums are compared first), run with the same
//! parallelism, checkpoints and blackhole sink. What counts is work per CPU-second: user and
//! system time of the process from the statement to its end, generation included.

mod engine;
mod flink;
#[cfg_attr(not(feature = "kafka"), path = "without_kafka.rs")]
mod kafka;
mod report;

pub(crate) use engine::{OneArgs, run as run_one};

use clap::Args;
use report::{Cells, Side};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::Duration;

/// What both sides are given.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// Events of each run
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Events in one second of event time
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Subtasks of each operator
    #[arg(long, default_value_t = 2)]
    parallelism: usize,
    /// State backend: hashmap or rocksdb
    #[arg(long, default_value = "hashmap")]
    backend: String,
    /// Put the events into a topic of this Kafka first, as JSON, and read them from there
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Internal: the topic with the events
    #[arg(long, hide = true)]
    topic: Option<String>,
}

/// The Nexmark queries, side by side with Apache Flink.
#[derive(Args)]
pub(crate) struct NexmarkArgs {
    /// Which queries, as q0,q5 (default: all)
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Runs of each; the median by CPU counts
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Only Flink (its figures do not change with this engine)
    #[arg(long, conflicts_with = "engine_only")]
    flink_only: bool,
    /// Only this engine
    #[arg(long)]
    engine_only: bool,
    /// Heap of Flink's JVM
    #[arg(long, default_value = "10g")]
    flink_heap: String,
    /// Puts the rows into docs/performance.md
    #[arg(long)]
    save: bool,
    #[command(flatten)]
    load: Load,
}

/// What a run took, as both sides print it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    seconds: f64,
    cpu_seconds: f64,
    peak_rss_kb: u64,
    /// Largest checkpoint folder seen.
    #[serde(default)]
    checkpoint_bytes: u64,
}

/// The folder with tables and queries.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("nexmark")
}

/// Names of all queries, in order of their numbers.
fn all_queries() -> std::io::Result<Vec<String>> {
    let mut numbers: Vec<u32> = std::fs::read_dir(folder().join("queries"))?
        .filter_map(|entry| {
            entry.ok()?.path().file_stem()?.to_str()?.strip_prefix('q')?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|n| format!("q{n}")).collect())
}

/// Runs what was asked for and prints the table.
pub(crate) fn run(args: &NexmarkArgs) -> ExitCode {
    let all = match all_queries() {
        Ok(all) => all,
        Err(e) => {
            eprintln!("cannot read {}: {e}", folder().display());
            return ExitCode::FAILURE;
        }
    };
    let queries = if args.queries.is_empty() { all } else { args.queries.clone() };
    let mut load = args.load.clone();
    let topic = load.kafka.as_deref().map(|servers| kafka::Topic::fill(servers, &load));
    let topic = match topic.transpose() {
        Ok(topic) => topic,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    load.topic = topic.as_ref().map(|topic| topic.name.clone());
    let flink = match args.engine_only {
        true => None,
        false => match flink::Flink::new(&args.flink_heap, load.topic.is_some()) {
            Ok(flink) => Some(flink),
            Err(why) => {
                eprintln!("without Flink: {why}");
                None
            }
        },
    };
    if let Some(Err(why)) = flink.as_ref().map(|flink| flink.same_events(&load)) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    println!("{}", report::HEAD);
    let mut failed = false;
    for query in &queries {
        let from = if load.topic.is_some() { " from Kafka" } else { "" };
        let mut cells = Cells::new(&format!("{query}{from}"), load.events);
        let mut measure = |side: Side, run: &dyn Fn() -> Result<Figures, String>| {
            let mut runs: Vec<Figures> = vec![];
            for _ in 0..args.runs.max(1) {
                match run() {
                    Ok(figures) => runs.push(figures),
                    Err(why) => {
                        eprintln!("{query} on {side:?}: {why}");
                        failed |= side == Side::Engine;
                        return;
                    }
                }
            }
            runs.sort_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds));
            if let Some(median) = runs.get(runs.len() / 2) {
                cells.set(side, median);
            }
        };
        if !args.flink_only {
            measure(Side::Engine, &|| engine::start(query, &load));
        }
        if let Some(flink) = &flink {
            measure(Side::Flink, &|| flink.start(query, &load));
        }
        println!("{}", cells.line());
        if args.save
            && let Err(e) = report::save(&cells)
        {
            eprintln!("cannot save the row: {e}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Waits for a process that prints its figures, and looks at its checkpoints meanwhile.
fn watch(mut child: Child, checkpoints: &Path) -> Result<Figures, String> {
    let mut largest = 0;
    loop {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(200)),
            Ok(Some(_)) => break,
            Err(e) => return Err(e.to_string()),
        }
        largest = largest.max(size(checkpoints));
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find(|l| l.starts_with('{'));
    let figures = line.and_then(|line| serde_json::from_str::<Figures>(line).ok());
    match figures {
        Some(figures) => Ok(Figures { checkpoint_bytes: largest, ..figures }),
        None => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned() + &text;
            let said = errors.lines().find(|l| l.contains("rror") || l.contains("xception"));
            Err(said.or(errors.lines().next()).unwrap_or("it said nothing").to_owned())
        }
    }
}

/// Bytes of all files below a folder; 0 when there is none.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let data = entry.metadata().ok()?;
        Some(if data.is_dir() { size(&entry.path()) } else { data.len() })
    };
    entries.filter_map(of).sum()
}
