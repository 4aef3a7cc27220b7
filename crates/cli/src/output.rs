//! Results as a table, as CSV or as JSON.
//!
//! The JSON form is a contract: one object `{"columns":[{"name","type"}],"rows":[[op,
//! value...]]}`, or `{"results":[...]}` when there are several; values are the text that
//! Flink's client shows, null for NULL; on failure `{"error","error_phase"}`.

use clap::ValueEnum;
use millstream_sql::session::{Column, QueryResult, ResultTable, Row, SqlError};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// Widest column of the table form, in characters.
const MAX_WIDTH: usize = 40;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns with the change of each row.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object.
    Json,
}

/// Writes results as they come.
pub(crate) struct Printer {
    output: Output,
    results: Vec<Value>,
}

fn say(text: &str) {
    // A closed pipe ends the reader's interest, not the job's correctness.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

impl Printer {
    /// In this form.
    pub(crate) fn new(output: Output) -> Self {
        // The one object must stand alone on standard output.
        if output == Output::Json {
            millstream_sql::connectors::divert_to_standard_error();
        }
        Printer { output, results: vec![] }
    }

    /// Writes the rows of a query while it runs.
    pub(crate) fn query(&mut self, mut query: QueryResult) -> Result<(), SqlError> {
        for warning in query.warnings() {
            eprintln!("warning: {warning}");
        }
        if self.output == Output::Json {
            let table = query.collect()?;
            return self.table(&table);
        }
        let columns = query.columns().to_vec();
        let widths = self.header(&columns, &[]);
        let mut count = 0;
        while let Some(rows) = query.next(Duration::from_millis(100))? {
            count += rows.len();
            rows.iter().for_each(|row| self.row(row, &widths));
        }
        self.footer(&widths, count);
        Ok(())
    }

    /// Writes a complete result.
    pub(crate) fn table(&mut self, table: &ResultTable) -> Result<(), SqlError> {
        if self.output == Output::Json {
            self.results.push(as_json(table));
            return Ok(());
        }
        if let ([_], [Row { values, .. }]) = (table.columns.as_slice(), table.rows.as_slice())
            && let [Some(text)] = values.as_slice()
            && text.contains('\n')
        {
            say(&format!("{text}\n"));
            return Ok(());
        }
        let widths = self.header(&table.columns, &table.rows);
        table.rows.iter().for_each(|row| self.row(row, &widths));
        self.footer(&widths, table.rows.len());
        Ok(())
    }

    fn header(&self, columns: &[Column], rows: &[Row]) -> Vec<usize> {
        let width = |(i, c): (usize, &Column)| {
            let values = rows.iter().filter_map(|r| r.values.get(i)?.as_deref());
            let longest = values.map(|v| v.chars().count()).max().unwrap_or_else(|| type_width(c));
            longest.max(c.name.chars().count()).clamp(4, MAX_WIDTH)
        };
        let widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
        match self.output {
            Output::Csv => {
                let names: Vec<String> = columns.iter().map(|c| csv_field(&c.name)).collect();
                say(&format!("op,{}\n", names.join(",")));
            }
            _ => {
                say(&line(&widths));
                let names = columns.iter().map(|c| Some(c.name.clone())).collect();
                self.row(&Row { change: "op", values: names }, &widths);
                say(&line(&widths));
            }
        }
        widths
    }

    fn row(&self, row: &Row, widths: &[usize]) {
        let mut text = String::new();
        match self.output {
            Output::Csv => {
                text += row.change;
                for value in &row.values {
                    text.push(',');
                    text += &value.as_deref().map_or_else(String::new, csv_field);
                }
            }
            _ => {
                let _ = write!(text, "| {:<2} |", row.change);
                for (value, width) in row.values.iter().zip(widths) {
                    let shown = value.as_deref().unwrap_or("<NULL>").replace('\n', "\\n");
                    let cut: String = match shown.chars().count() > *width {
                        true => shown.chars().take(width - 3).collect::<String>() + "...",
                        false => shown,
                    };
                    let _ = write!(text, " {cut:>width$} |");
                }
            }
        }
        text.push('\n');
        say(&text);
    }

    fn footer(&self, widths: &[usize], count: usize) {
        if self.output == Output::Table {
            say(&line(widths));
            say(&format!("{count} row{} in set\n", if count == 1 { "" } else { "s" }));
        }
    }

    /// Writes what is left, or the failure.
    pub(crate) fn finish(&mut self, result: &Result<(), SqlError>) {
        match (self.output, result) {
            (Output::Json, Ok(())) => {
                let object = match self.results.len() {
                    1 => self.results.remove(0),
                    _ => json!({ "results": std::mem::take(&mut self.results) }),
                };
                say(&format!("{object}\n"));
            }
            (Output::Json, Err(error)) => {
                let object = json!({
                    "error": error.to_string(),
                    "error_phase": error.phase.text(),
                });
                say(&format!("{object}\n"));
            }
            (_, Ok(())) => {}
            (_, Err(error)) => eprintln!("error: {error}"),
        }
    }
}

/// Room for values of a column whose values are not known yet.
fn type_width(column: &Column) -> usize {
    match column.data_type.split([' ', '(', '<']).next() {
        Some("BOOLEAN" | "TINYINT" | "SMALLINT") => 6,
        Some("INT" | "DATE" | "TIME") => 11,
        Some("TIMESTAMP" | "TIMESTAMP_LTZ") => 23,
        Some("BIGINT" | "DECIMAL" | "DOUBLE" | "FLOAT") => 20,
        _ => 30,
    }
}

fn line(widths: &[usize]) -> String {
    let cells: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
    format!("+----+{}+\n", cells.join("+"))
}

fn csv_field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) || text.is_empty() {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn as_json(table: &ResultTable) -> Value {
    let columns: Vec<Value> =
        table.columns.iter().map(|c| json!({ "name": c.name, "type": c.data_type })).collect();
    let rows: Vec<Value> = table
        .rows
        .iter()
        .map(|row| {
            let mut cells = vec![Value::from(row.change)];
            cells.extend(row.values.iter().map(|v| v.as_deref().map_or(Value::Null, Value::from)));
            Value::Array(cells)
        })
        .collect();
    json!({ "columns": columns, "rows": rows })
}
