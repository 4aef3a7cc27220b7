//! Plays seeds until one breaks an invariant: `simulate [--from SEED] [--seeds COUNT]`.

use millstream_sim::run;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut from, mut seeds) = (0u64, 1_000_000u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let number = arguments.next().and_then(|text| text.parse().ok());
        match (name.as_str(), number) {
            ("--from", Some(n)) => from = n,
            ("--seeds", Some(n)) => seeds = n,
            _ => {
                eprintln!("usage: simulate [--from SEED] [--seeds COUNT]");
                return ExitCode::FAILURE;
            }
        }
    }
    for seed in from..from.saturating_add(seeds) {
        if let Err(violation) = run(seed, None) {
            violation.history.iter().for_each(|line| println!("{line}"));
            println!("seed {seed}: {}", violation.what);
            return ExitCode::FAILURE;
        }
        if (seed + 1 - from).is_multiple_of(10_000) {
            println!("{} seeds", seed + 1 - from);
        }
    }
    println!("{seeds} seeds from {from}: no violation");
    ExitCode::SUCCESS
}
