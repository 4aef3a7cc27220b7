//! The `millstream` command: wiring only.
//!
//! ```text
//!   millstream sql [--file F | --execute S] [--var N=V] [--output table|csv|json]
//!   millstream savepoint JOB_FOLDER [--stop suspend|drain]
//! ```

mod output;
mod savepoint;
mod shell;
mod sql;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A stateful stream processor with Apache Flink's semantics.
#[derive(Parser)]
#[command(name = "millstream", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs Flink SQL: a script, statements, or an interactive shell.
    Sql(sql::SqlArgs),
    /// Asks a running job, of any kind, for a savepoint.
    Savepoint(savepoint::SavepointArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Sql(args) => sql::run(&args),
        Command::Savepoint(args) => savepoint::run(&args),
    }
}
