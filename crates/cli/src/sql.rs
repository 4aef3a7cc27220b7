//! `millstream sql`: scripts and statements, with variables; without either, the shell.

use crate::output::{Output, Printer};
use crate::shell;
use clap::Args;
use millstream_core::Error;
use millstream_core::nearest;
use millstream_datastream::Deployment;
use millstream_sql::session::{Outcome, Phase, Session, SqlError};
use std::process::ExitCode;

/// The arguments of `millstream sql`.
#[derive(Args)]
pub(crate) struct SqlArgs {
    /// Runs the statements of a file (`-`: of the standard input).
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Runs these statements.
    #[arg(short, long, value_name = "STATEMENTS", conflicts_with = "file")]
    execute: Option<String>,
    /// Replaces `${NAME}` in the statements; may be given several times.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) vars: Vec<String>,
    /// A setting, as SET makes it: execution.checkpointing.interval=10s,
    /// execution.checkpointing.dir=PLACE, parallelism.default=4
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Name of the job's folder in the checkpoint directory; started again with the same
    /// name, a job that did not end goes on where it was [default: a fresh one]
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,
    /// Starts the job from this savepoint or checkpoint (a folder or URL).
    #[arg(short = 's', long, value_name = "PATH")]
    from_savepoint: Option<String>,
    /// Starts no job: says for each what it would keep of this savepoint or checkpoint, or why
    /// it cannot start from it.
    #[arg(long, value_name = "PATH", conflicts_with = "from_savepoint")]
    check_savepoint: Option<String>,
    /// Drops state of operators that the script does not have any more.
    #[arg(short = 'n', long)]
    allow_non_restored_state: bool,
    /// Worker threads of each process [default: what the script asks for, or all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Processes of each INSERT's job on this machine; with checkpoints, those that die are
    /// replaced.
    #[arg(long, value_name = "N", default_value_t = 1)]
    processes: usize,
    /// How results are written.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// Runs the command.
pub(crate) fn run(args: &SqlArgs) -> ExitCode {
    let mut printer = Printer::new(args.output);
    let text = match (&args.file, &args.execute) {
        (Some(file), _) if file == "-" && args.processes > 1 => {
            Err(several("further processes cannot read the standard input again"))
        }
        (Some(file), _) => read(file),
        (None, Some(text)) => Ok(text.clone()),
        (None, None) if args.processes > 1 => Err(several("the shell runs jobs in one process")),
        (None, None) => return shell::run(args),
    };
    match Deployment::job_of_this_child() {
        Ok(None) => {}
        Ok(Some(_)) => return run_child(text, args),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    let text = text.and_then(|text| Ok((substitute(&text, &args.vars)?, session(args)?)));
    let result = text.map_err(|error| SqlError { phase: Phase::Plan, error }).and_then(
        |(text, mut session)| {
            session.run_started(&text, |outcome| match outcome {
                Outcome::Query(query) => printer.query(query),
                Outcome::Job(job) => {
                    job.warnings().iter().for_each(|w| eprintln!("warning: {w}"));
                    job.wait().map(|_| ())
                }
                Outcome::Table(table) => printer.table(&table),
                Outcome::Done(remarks) => {
                    remarks.iter().for_each(|r| eprintln!("note: {r}"));
                    Ok(())
                }
                Outcome::Quit | Outcome::Clear => Ok(()),
            })
        },
    );
    printer.finish(&result);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn several(what: &str) -> Error {
    Error::config(format!("--processes: {what}")).advice("give a script with --file or --execute")
}

/// Runs the one job of the script that this process was started for. Its supervisor shows what
/// there is to show.
fn run_child(text: Result<String, Error>, args: &SqlArgs) -> ExitCode {
    let text = text.and_then(|text| Ok((substitute(&text, &args.vars)?, session(args)?)));
    let plan = |error| SqlError { phase: Phase::Plan, error };
    let ran = text.map_err(plan).and_then(|(text, mut session)| {
        session.run_started(&text, |outcome| match outcome {
            // What comes behind it is not for this process.
            Outcome::Job(job) => match job.wait() {
                Ok(_) => std::process::exit(0),
                Err(error) => Err(error),
            },
            _ => Ok(()),
        })
    });
    let missing = || plan(Error::bug("the script has no job of this number"));
    eprintln!("error: {}", ran.err().unwrap_or_else(missing));
    ExitCode::FAILURE
}

/// A session with the settings of the command line, and with the functions that this program
/// provides to `CREATE FUNCTION`.
pub(crate) fn session(args: &SqlArgs) -> Result<Session, Error> {
    let mut session = Session::new();
    for (identifier, function) in millstream_sql::connectors::nexmark_functions() {
        session.provide_function(identifier, function);
    }
    let mut set = |name: &str, value: &str| {
        if let Some(remark) = session.settings_mut().set(name, value)? {
            eprintln!("note: {remark}");
        }
        Ok::<(), Error>(())
    };
    for setting in &args.settings {
        // The text may be a secret in a wrong place: it is not shown.
        let wrong = || Error::config("-D wants NAME=VALUE, and there is no '='");
        let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
        set(name.trim(), value)?;
    }
    if let Some(id) = &args.job_id {
        set("pipeline.job-id", id)?;
    }
    if let Some(path) = &args.from_savepoint {
        set("execution.state-recovery.path", path)?;
    }
    if args.allow_non_restored_state {
        set("execution.state-recovery.ignore-unclaimed-state", "true")?;
    }
    if let Some(path) = &args.check_savepoint {
        session.compare_with(path);
    }
    let (workers, processes) = (args.workers, args.processes);
    session.deploy(Deployment { workers, processes, ..Deployment::default() });
    Ok(session)
}

fn read(file: &str) -> Result<String, Error> {
    let wrong = |e: &dyn std::fmt::Display| {
        Error::config(format!("cannot read '{file}': {e}")).advice("check the path and its rights")
    };
    let bytes = match file {
        "-" => {
            let mut bytes = vec![];
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map_err(|e| wrong(&e))?;
            bytes
        }
        path => std::fs::read(path).map_err(|e| wrong(&e))?,
    };
    String::from_utf8(bytes)
        .map_err(|e| wrong(&format!("it is not UTF-8 text ({})", e.utf8_error())))
}

/// The text with `${NAME}` replaced.
pub(crate) fn substitute(text: &str, vars: &[String]) -> Result<String, Error> {
    let mut pairs = vec![];
    for var in vars {
        let pair = var
            .split_once('=')
            .ok_or_else(|| Error::config(format!("--var '{var}' is not NAME=VALUE")))?;
        pairs.push(pair);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let Some(length) = rest[at..].find('}') else { break };
        let name = &rest[at + 2..at + length];
        match pairs.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => out.push_str(value),
            None => {
                let error = Error::config(format!("variable ${{{name}}} has no value"));
                return Err(match nearest::hint(name, pairs.iter().map(|(n, _)| *n)) {
                    Some(hint) => error.advice(hint),
                    None => error.advice(format!("give it with --var {name}=...")),
                });
            }
        }
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
