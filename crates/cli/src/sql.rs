//! `millstream sql`: scripts and statements, with variables; without either, the shell.

use crate::output::{Output, Printer};
use crate::shell;
use clap::Args;
use millstream_core::Error;
use millstream_core::nearest;
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
    vars: Vec<String>,
    /// How results are written.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// Runs the command.
pub(crate) fn run(args: &SqlArgs) -> ExitCode {
    let mut printer = Printer::new(args.output);
    let text = match (&args.file, &args.execute) {
        (Some(file), _) => read(file),
        (None, Some(text)) => Ok(text.clone()),
        (None, None) => return shell::run(&args.vars),
    };
    let result = text
        .and_then(|text| substitute(&text, &args.vars))
        .map_err(|error| SqlError { phase: Phase::Plan, error })
        .and_then(|text| {
            let mut session = session();
            session.run(&text, |outcome| match outcome {
                Outcome::Query(query) => printer.query(query),
                Outcome::Table(table) => printer.table(&table),
                Outcome::Done(remarks) => {
                    remarks.iter().for_each(|r| eprintln!("note: {r}"));
                    Ok(())
                }
                Outcome::Quit | Outcome::Clear => Ok(()),
            })
        });
    printer.finish(&result);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A session with the functions that this program provides to `CREATE FUNCTION`.
pub(crate) fn session() -> Session {
    let mut session = Session::new();
    for (identifier, function) in millstream_sql::connectors::nexmark_functions() {
        session.provide_function(identifier, function);
    }
    session
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
