//! Breaks a running job on real servers, and counts what was lost, doubled or reordered.
//!
//! ```text
//!   faults --faults 20            what CI runs
//!   faults --faults 200 --seed 7  the long run; the same seed gives the same faults
//! ```
//!
//! | module | noun |
//! |---|---|
//! | `job` | the job that is broken; the same program, started as `faults job ...` |
//! | `servers`, `process` | Kafka, PostgreSQL, a small disk; signals |
//! | `feed` | events in, and an eye on what comes out |
//! | `fault` | the kinds of faults, and which come in a run |
//! | `run` | injects them, one after the other |
//! | `verify` | compares all input with all output |
//!
//! Everything goes into a new temporary folder, which stays when something was violated.

mod fault;
mod feed;
mod job;
mod process;
mod rng;
mod run;
mod servers;
mod verify;

use clap::{Args, Parser, Subcommand};
use millstream::prelude::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// Kills, stops and starves a job, and counts what was lost or doubled.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Verb>,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Subcommand)]
enum Verb {
    /// The job itself; started by the fault injector
    #[command(hide = true)]
    Job(Box<job::JobOptions>),
}

#[derive(Args)]
struct RunOptions {
    /// How many faults
    #[arg(long, default_value_t = 20)]
    faults: usize,
    /// Decides which faults come when [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Events a second
    #[arg(long, default_value_t = 400)]
    rate: u64,
    /// Milliseconds between checkpoints
    #[arg(long, default_value_t = 250)]
    interval_ms: u64,
    /// The job writes to Kafka at least once only: shows that the verifier sees it
    #[arg(long)]
    at_least_once: bool,
    /// Checkpoints overtake records that wait
    #[arg(long)]
    unaligned: bool,
    /// The repository, for its scripts
    #[arg(long, default_value = ".")]
    repository: PathBuf,
}

fn break_it(options: &RunOptions) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| rng::mix(feed::now_ms() as u64) % 1_000_000);
    let home = std::env::temp_dir().join(format!("millstream-faults-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let home = home.canonicalize()?;
    let settings = run::Settings {
        seed,
        faults: options.faults,
        rate: options.rate,
        interval_ms: options.interval_ms,
        at_least_once: options.at_least_once,
        unaligned: options.unaligned,
        repository: options.repository.canonicalize()?,
        home: home.clone(),
    };
    println!("seed {seed}, {} faults, logs in {}", options.faults, home.display());
    let servers = servers::Servers::start(&settings.repository, &home)?;
    let right = run::run(&settings, &servers)?;
    drop(servers);
    if right {
        std::fs::remove_dir_all(&home)?;
    }
    Ok(right)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match &cli.command {
        Some(Verb::Job(options)) => job::run(options),
        None => break_it(&cli.run).and_then(|right| match right {
            true => Ok(()),
            false => Err(Error::bug("the job did not keep its promises: see above")),
        }),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}
