//! `bench`: the engine through its public API, beside hand-written code, in one run.
//!
//! Every case runs in a process of its own, alternating between the engine and the
//! hand-written work, so that noise of the machine hits both; medians and ratios are
//! what to look at.

mod bids;
mod hand;
mod jobs;
mod large;
mod state;
mod usage;

use clap::Parser;
use std::process::Command;

/// Measures Millstream side by side with hand-written code.
#[derive(Parser)]
struct Args {
    /// Which cases: count, q5, q7, latency, slow, idle, checkpoints, state, large (all when none is named)
    cases: Vec<String>,
    /// Runs of each side
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Events of each run, in millions
    #[arg(long, default_value_t = 20)]
    millions: u64,
    /// Internal: run one case in this process and print its figures
    #[arg(long, hide = true)]
    one: Option<String>,
}

fn main() {
    let args = Args::parse();
    let events = args.millions * 1_000_000;
    if let Some(one) = &args.one {
        let figures = state::run(one, events).or_else(|| large::run(one, events));
        let figures = figures.unwrap_or_else(|| jobs::run(one, events));
        println!("{figures}");
        return;
    }
    let wanted = |case: &str| args.cases.is_empty() || args.cases.iter().any(|c| c == case);
    println!("{} cores, {} runs of {} M events", cores(), args.runs, args.millions);
    for case in ["count", "q5", "q7"].into_iter().filter(|c| wanted(c)) {
        compare(case, [case, &format!("hand-{case}")], ["engine", "hand-written"], &args);
    }
    if wanted("checkpoints") {
        compare("checkpoints", state::CHECKPOINTS, ["every second", "without"], &args);
    }
    for case in ["latency", "slow", "fast", "idle"] {
        if wanted(case) || (case == "fast" && wanted("slow")) {
            println!("{case:9} {}", child(case, &args));
        }
    }
    for (group, cases) in [("state", &state::CASES[..]), ("large", &large::CASES[..])] {
        for case in cases.iter().filter(|_| wanted(group)) {
            println!("{case:28} {}", child(case, &args));
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn child(case: &str, args: &Args) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "bench".into());
    let millions = args.millions.to_string();
    let output = Command::new(program).args(["--one", case, "--millions", &millions]).output();
    output
        .map_or_else(
            |e| format!("failed: {e}"),
            |o| {
                format!(
                    "{}{}",
                    String::from_utf8_lossy(&o.stdout),
                    String::from_utf8_lossy(&o.stderr)
                )
            },
        )
        .trim()
        .to_owned()
}

/// The number behind `name=` in a line of figures.
fn figure(line: &str, name: &str) -> f64 {
    let at = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    at.and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

fn compare(case: &str, sides: [&str; 2], labels: [&str; 2], args: &Args) {
    let mut rates = [vec![], vec![]];
    let mut per_cpu = [vec![], vec![]];
    for _ in 0..args.runs {
        for (side, name) in sides.iter().enumerate() {
            let line = child(name, args);
            rates[side].push(figure(&line, "mev_per_s"));
            per_cpu[side].push(figure(&line, "mev_per_cpu_s"));
        }
    }
    let ([first, second], [first_cpu, second_cpu]) = (rates.map(median), per_cpu.map(median));
    println!(
        "{case:9} {} {first:6.1} M ev/s {first_cpu:6.1} M ev/CPU-s   {} {second:6.1} M ev/s \
         {second_cpu:6.1} M ev/CPU-s   ratio {:.2} by time, {:.2} by CPU",
        labels[0],
        labels[1],
        first / second,
        first_cpu / second_cpu
    );
}
