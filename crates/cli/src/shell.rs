//! The interactive shell: history, several lines to a statement, Ctrl-C ends a query.

use crate::output::{Output, Printer};
use crate::sql::{session, substitute};
use millstream_sql::session::{Outcome, QueryResult, Session, SqlError};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the shell until QUIT or the end of the input.
pub(crate) fn run(vars: &[String]) -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // Without a handler Ctrl-C ends the shell, which is what it does elsewhere.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst));
    let mut editor = match DefaultEditor::new() {
        Ok(editor) => editor,
        Err(error) => {
            eprintln!("error: no terminal: {error}; use --file or --execute");
            return ExitCode::FAILURE;
        }
    };
    let history = std::env::var_os("HOME")
        .map(|home| std::path::Path::new(&home).join(".millstream-sql-history"));
    if let Some(history) = &history {
        let _ = editor.load_history(history); // there may be none yet
    }
    println!("Millstream SQL. End statements with ';'. HELP; lists them, QUIT; leaves.");
    let mut session = session();
    let mut text = String::new();
    loop {
        let prompt = if text.is_empty() { "Millstream SQL> " } else { "> " };
        match editor.readline(prompt) {
            Ok(line) => {
                text += &line;
                text.push('\n');
            }
            Err(ReadlineError::Interrupted) => {
                text.clear();
                continue;
            }
            Err(_) => break,
        }
        if !text.trim_end().ends_with(';') {
            if text.trim().is_empty() {
                text.clear();
            }
            continue;
        }
        let statement = std::mem::take(&mut text);
        let _ = editor.add_history_entry(statement.trim_end());
        interrupted.store(false, Ordering::SeqCst);
        match statement_of(&mut session, &statement, vars, &interrupted) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => eprintln!("error: {error}"),
        }
    }
    if let Some(history) = &history {
        let _ = editor.save_history(history); // a shell without history still worked
    }
    ExitCode::SUCCESS
}

/// Runs a statement; answers whether the shell ends.
fn statement_of(
    session: &mut Session,
    statement: &str,
    vars: &[String],
    interrupted: &Arc<AtomicBool>,
) -> Result<bool, SqlError> {
    let statement = substitute(statement, vars)
        .map_err(|error| SqlError { phase: millstream_sql::session::Phase::Plan, error })?;
    let mut quits = false;
    let mut printer = Printer::new(Output::Table);
    session.run(&statement, |outcome| {
        match outcome {
            Outcome::Query(query) => return watch(query, &mut printer, interrupted),
            Outcome::Table(table) => return printer.table(&table),
            Outcome::Done(remarks) => {
                remarks.iter().for_each(|r| println!("note: {r}"));
                println!("OK");
            }
            Outcome::Quit => quits = true,
            Outcome::Clear => print!("\x1b[2J\x1b[H"),
        }
        Ok(())
    })?;
    Ok(quits)
}

/// Shows a query's rows until it ends or Ctrl-C.
fn watch(
    query: QueryResult,
    printer: &mut Printer,
    interrupted: &Arc<AtomicBool>,
) -> Result<(), SqlError> {
    let handle = query.canceller();
    let flag = Arc::clone(interrupted);
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let watcher = std::thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            if flag.load(Ordering::SeqCst) {
                handle.cancel();
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let shown = printer.query(query);
    done.store(true, Ordering::SeqCst);
    let _ = watcher.join(); // it only watches
    shown
}
