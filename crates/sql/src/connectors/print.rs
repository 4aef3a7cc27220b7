//! `print`: every change as a line on standard output or error, as Flink writes it.

use super::options::TableOptions;
use super::{ConnectorContext, TableSink, TableWriter};
use crate::plan::logical::Schema;
use crate::plan::stream::Changes;
use crate::runtime::ChangeBatch;
use crate::text::client_texts;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use millstream_runtime::OperatorContext;
use std::io::Write;
use std::sync::Arc;

#[derive(Clone)]
struct Print {
    schema: Schema,
    zone: Zone,
    identifier: String,
    to_error: bool,
}

/// The sink.
///
/// # Errors
/// `Config`, for wrong options.
pub fn sink(
    context: &ConnectorContext<'_>,
    options: &mut TableOptions<'_>,
) -> Result<Arc<dyn TableSink>> {
    context.no_metadata()?;
    Ok(Arc::new(Print {
        schema: context.schema.clone(),
        zone: context.zone()?,
        identifier: options.get("print-identifier").unwrap_or("").to_owned(),
        to_error: options.flag("standard-error", false)?,
    }))
}

struct Printer {
    print: Print,
    prefix: String,
}

impl TableSink for Print {
    fn accepts(&self, _changes: Changes) -> bool {
        true
    }
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        let subtask = match context.subtask.parallelism {
            1 => String::new(),
            _ => format!("{}", context.subtask.index + 1),
        };
        let prefix = match (self.identifier.as_str(), subtask.as_str()) {
            ("", "") => String::new(),
            ("", s) => format!("{s}> "),
            (i, "") => format!("{i}> "),
            (i, s) => format!("{i}:{s}> "),
        };
        Ok(Box::new(Printer { print: self.clone(), prefix }))
    }
}

impl TableWriter for Printer {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let mut columns = vec![];
        for (array, field) in batch.rows().columns().iter().zip(&self.print.schema) {
            columns.push(client_texts(array, &field.ty, &self.print.zone)?);
        }
        let mut text = String::new();
        for row in 0..batch.len() {
            text += &self.prefix;
            text += batch.kind(row).text();
            text.push('[');
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    text += ", ";
                }
                text += column.get(row).and_then(Option::as_deref).unwrap_or("null");
            }
            text += "]\n";
        }
        let written = match self.print.to_error {
            true => std::io::stderr().lock().write_all(text.as_bytes()),
            false => std::io::stdout().lock().write_all(text.as_bytes()),
        };
        written.map_err(|e| Error::retry(format!("cannot print: {e}")))
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
