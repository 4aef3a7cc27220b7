//! `print`: a line for each change, on standard output or standard error.
//!
//! ```text
//!   PREFIX:2> +I[1, a, null]
//! ```
//! The prefix and the number of the subtask are there when they say something: a prefix was
//! given, there is more than one subtask. Values are Java's text of them, as in Flink's log.

use super::{Changes, Connector, OptionKind, OptionSpec, TableSink, TableSpec, TableWriter};
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::text::write_value;
use crate::types::{SqlType, TypeKind};
use crate::value::{Value, value_at};
use crate::zone::Zone;
use millstream_core::{Error, Result};
use millstream_runtime::OperatorContext;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

static DIVERTED: AtomicBool = AtomicBool::new(false);

/// From now on tables print on standard error, because a program writes something of its own
/// on standard output.
pub fn divert_to_standard_error() {
    DIVERTED.store(true, Ordering::Relaxed);
}

pub(crate) const CONNECTOR: Connector = Connector {
    name: "print",
    doc: "writes a line for each change",
    options: &[
        OptionSpec::new("print-identifier", OptionKind::Text, "", "text in front of each line"),
        OptionSpec::new("standard-error", OptionKind::Flag, "false", "write to standard error"),
    ],
    formats: &[],
    source: None,
    sink: Some(|table, options| {
        Ok(Arc::new(Print {
            columns: columns(table),
            identifier: options.text("print-identifier").unwrap_or_default().to_owned(),
            standard_error: options.flag("standard-error"),
        }))
    }),
};

fn columns(table: &TableSpec) -> Vec<SqlType> {
    table.columns.iter().map(|c| c.ty.clone()).collect()
}

#[derive(Clone)]
struct Print {
    columns: Vec<SqlType>,
    identifier: String,
    standard_error: bool,
}

impl TableSink for Print {
    fn accepts(&self, _changes: Changes) -> bool {
        true
    }
    fn create_writer(&self, context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        let subtask = &context.subtask;
        Ok(Box::new(PrintWriter {
            prefix: prefix(&self.identifier, subtask.index, subtask.parallelism),
            print: Print {
                standard_error: self.standard_error || DIVERTED.load(Ordering::Relaxed),
                ..self.clone()
            },
            text: String::new(),
        }))
    }
}

fn prefix(identifier: &str, index: usize, parallelism: usize) -> String {
    match (identifier, parallelism > 1) {
        ("", false) => String::new(),
        ("", true) => format!("{}> ", index + 1),
        (identifier, false) => format!("{identifier}> "),
        (identifier, true) => format!("{identifier}:{}> ", index + 1),
    }
}

struct PrintWriter {
    print: Print,
    prefix: String,
    text: String,
}

/// Appends a value as Flink's `Row` prints it.
fn write_java(out: &mut String, value: &Value, ty: &SqlType) {
    fn list<'a>(out: &mut String, values: impl Iterator<Item = (&'a Value, &'a SqlType)>) {
        for (i, (value, ty)) in values.enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            write_java(out, value, ty);
        }
    }
    match (value, &ty.kind) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(v), _) => out.push_str(if *v { "true" } else { "false" }),
        (Value::Bytes(v), _) => {
            // Java's signed bytes.
            out.push('[');
            for (i, byte) in v.iter().enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                out.push_str(&format!("{comma}{}", *byte as i8));
            }
            out.push(']');
        }
        (Value::Timestamp(v), TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => {
            use crate::formats::times::{TimeStandard, write_timestamp};
            let zoned = matches!(ty.kind, TypeKind::TimestampLtz(_));
            let unit = crate::types::time_unit(*p);
            write_timestamp(out, *v, TimeStandard::Iso, zoned, unit);
        }
        (Value::Array(items), TypeKind::Array(item)) => {
            out.push('[');
            list(out, items.iter().map(|v| (v, &**item)));
            out.push(']');
        }
        (Value::Row(items), TypeKind::Row(fields)) => {
            out.push_str("+I[");
            list(out, items.iter().zip(fields.iter().map(|f| &f.ty)));
            out.push(']');
        }
        (Value::Map(entries), kind) => {
            let int = SqlType::int();
            let (key, value) = match kind {
                TypeKind::Map(key, value) => (&**key, &**value),
                TypeKind::Multiset(key) => (&**key, &int),
                _ => (ty, ty),
            };
            out.push('{');
            for (i, (k, v)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_java(out, k, key);
                out.push('=');
                write_java(out, v, value);
            }
            out.push('}');
        }
        _ => write_value(out, value, ty, &Zone::UTC),
    }
}

/// Appends `+I[a, b]` and a line end.
fn write_row(
    out: &mut String,
    kind: ChangeKind,
    batch: &ChangeBatch,
    row: usize,
    types: &[SqlType],
) -> Result<()> {
    out.push_str(kind.text());
    out.push('[');
    for (i, ty) in types.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_java(out, &value_at(batch.column(i)?, ty, row)?, ty);
    }
    out.push_str("]\n");
    Ok(())
}

impl TableWriter for PrintWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.text.clear();
        for row in 0..batch.len() {
            self.text.push_str(&self.prefix);
            write_row(&mut self.text, batch.kind(row), batch, row, &self.print.columns)?;
        }
        let bytes = self.text.as_bytes();
        let written = match self.print.standard_error {
            true => std::io::stderr().lock().write_all(bytes),
            false => std::io::stdout().lock().write_all(bytes),
        };
        written.map_err(|e| Error::restart(format!("the output cannot be written: {e}")))
    }
    fn flush(&mut self) -> Result<()> {
        let flushed = match self.print.standard_error {
            true => std::io::stderr().flush(),
            false => std::io::stdout().flush(),
        };
        flushed.map_err(|e| Error::restart(format!("the output cannot be written: {e}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::formats::testing::{batch_of, columns};

    #[test]
    fn lines_are_flinks() {
        assert_eq!(prefix("", 0, 1), "");
        assert_eq!(prefix("", 1, 2), "2> ");
        assert_eq!(prefix("out", 0, 1), "out> ");
        assert_eq!(prefix("out", 1, 2), "out:2> ");
        let columns = columns(&[
            ("i", SqlType::int()),
            ("s", SqlType::string()),
            ("t", SqlType::timestamp(3)),
            ("m", SqlType::map(SqlType::string(), SqlType::boolean())),
            ("a", SqlType::array(SqlType::double())),
        ]);
        let batch = batch_of(
            &columns,
            &[r#"{"i":1,"t":"2024-01-01 00:00:01.5","m":{"k":true},"a":[1,null]}"#],
        );
        let types: Vec<_> = columns.iter().map(|c| c.ty.clone()).collect();
        let mut out = String::new();
        write_row(&mut out, ChangeKind::UpdateAfter, &batch, 0, &types).unwrap();
        assert_eq!(out, "+U[1, null, 2024-01-01T00:00:01.5, {k=true}, [1.0, null]]\n");
    }
}
