//! A query on this engine, in a process of its own.

use super::{Figures, Load, folder, watch};
use crate::usage;
use clap::Args;
use millstream_sql::connectors::nexmark_functions;
use millstream_sql::session::{Outcome, Session, SqlError};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// One query in this process.
#[derive(Args)]
pub(crate) struct OneArgs {
    query: String,
    /// Where checkpoints go
    #[arg(long)]
    checkpoints: String,
    #[command(flatten)]
    load: Load,
}

/// Runs a query in a process of its own.
pub(super) fn start(query: &str, load: &Load) -> Result<Figures, String> {
    let checkpoints = tempfile::tempdir().map_err(|e| e.to_string())?;
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let child = Command::new(program)
        .args(["nexmark-one", query, "--checkpoints"])
        .arg(checkpoints.path())
        .args(["--events", &load.events.to_string(), "--rate", &load.rate.to_string()])
        .args(["--parallelism", &load.parallelism.to_string(), "--backend", &load.backend])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    watch(child, checkpoints.path())
}

/// Runs the query and prints its figures.
pub(crate) fn run(args: &OneArgs) -> ExitCode {
    match figures(args) {
        Ok(figures) => {
            println!("{}", serde_json::to_string(&figures).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn figures(args: &OneArgs) -> Result<Figures, String> {
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    };
    let Load { events, rate, parallelism, backend } = &args.load;
    let side_input = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    std::fs::write(side_input.path(), millstream_nexmark::side_input())
        .map_err(|e| e.to_string())?;
    let tables = read(folder().join("tables.sql"))?
        .replace("${EVENTS}", &events.to_string())
        .replace("${RATE}", &rate.to_string())
        .replace("${SIDE_INPUT}", &side_input.path().display().to_string());
    let query = read(folder().join("queries").join(format!("{}.sql", args.query)))?;
    let settings = format!(
        "SET 'parallelism.default' = '{parallelism}';
         SET 'state.backend.type' = '{backend}';
         SET 'execution.checkpointing.interval' = '10 s';
         SET 'execution.checkpointing.dir' = '{}';",
        args.checkpoints
    );
    let mut session = Session::new();
    for (_, function) in nexmark_functions() {
        session.create_temporary_system_function("count_char", function);
    }
    let ignore = |_: Outcome| Ok::<(), SqlError>(());
    session.run(&(settings + &tables), ignore).map_err(|e| e.to_string())?;
    let (cpu, wall) = (usage::cpu_seconds(), Instant::now());
    let insert = format!("CREATE TABLE sink WITH ('connector' = 'blackhole') AS {query}");
    session.run(&insert, ignore).map_err(|e| e.to_string())?;
    Ok(Figures {
        seconds: wall.elapsed().as_secs_f64(),
        cpu_seconds: usage::cpu_seconds() - cpu,
        peak_rss_kb: usage::memory_mib("VmHWM") * 1024,
        checkpoint_bytes: 0,
    })
}
