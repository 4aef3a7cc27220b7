//! `debezium-json`, `canal-json`, `maxwell-json`, `ogg-json`: changes of a database.
//!
//! | | envelope | insert | update | delete |
//! |---|---|---|---|---|
//! | debezium | `before`, `after` | op c, r | u | d |
//! | canal | `data` [rows], `old` [changed fields] | type INSERT | UPDATE | DELETE |
//! | maxwell | `data`, `old` changed fields | type insert | update | delete |
//! | ogg | `before`, `after` | op_type I | U | D |
//!
//! An update is -U and +U. Written are inserts (+I, +U) and deletes (-U, -D) only, because
//! rows are written one by one. Source: Flink's pages on these formats.

use super::columns::Rows;
use super::json::{
    IGNORE_ERRORS, IGNORE_NULLS, JsonReading, JsonWriting, Kind, NULL_KEY_LITERAL, NULL_KEY_MODE,
    PLAIN_DECIMALS, RowPlan, Scanner, TIMESTAMP_STANDARD, reading, row_plan, text_of, write_string,
    writing,
};
use super::{Decoder, Encoder, Format, FormatColumn, FormatInfo, shown};
use crate::connectors::{Changes, OptionKind, OptionSpec, Options};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use millstream_core::{Error, Result};
use regex::Regex;
use std::ops::Range;
use std::sync::Arc;

pub(crate) const DEBEZIUM: FormatInfo = FormatInfo {
    name: "debezium-json",
    doc: "changes as Debezium tells them in JSON",
    options: &[
        OptionSpec::new(
            "schema-include",
            OptionKind::Flag,
            "false",
            "whether messages have a schema beside the payload",
        ),
        IGNORE_ERRORS,
        TIMESTAMP_STANDARD,
        NULL_KEY_MODE,
        NULL_KEY_LITERAL,
        PLAIN_DECIMALS,
        IGNORE_NULLS,
    ],
    make: |options| Cdc::make(Dialect::Debezium, options),
};

pub(crate) const CANAL: FormatInfo = FormatInfo {
    name: "canal-json",
    doc: "changes as Canal tells them in JSON",
    options: &[
        OptionSpec::new(
            "database.include",
            OptionKind::Text,
            "",
            "a regular expression: other databases are passed over",
        ),
        OptionSpec::new(
            "table.include",
            OptionKind::Text,
            "",
            "a regular expression: other tables are passed over",
        ),
        IGNORE_ERRORS,
        TIMESTAMP_STANDARD,
        NULL_KEY_MODE,
        NULL_KEY_LITERAL,
        PLAIN_DECIMALS,
        IGNORE_NULLS,
    ],
    make: |options| Cdc::make(Dialect::Canal, options),
};

const OPTIONS: &[OptionSpec] = &[
    IGNORE_ERRORS,
    TIMESTAMP_STANDARD,
    NULL_KEY_MODE,
    NULL_KEY_LITERAL,
    PLAIN_DECIMALS,
    IGNORE_NULLS,
];

pub(crate) const MAXWELL: FormatInfo = FormatInfo {
    name: "maxwell-json",
    doc: "changes as Maxwell tells them in JSON",
    options: OPTIONS,
    make: |options| Cdc::make(Dialect::Maxwell, options),
};

pub(crate) const OGG: FormatInfo = FormatInfo {
    name: "ogg-json",
    doc: "changes as Oracle GoldenGate tells them in JSON",
    options: OPTIONS,
    make: |options| Cdc::make(Dialect::Ogg, options),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Debezium,
    Canal,
    Maxwell,
    Ogg,
}

/// Names of the envelope's fields.
struct Names {
    op: &'static str,
    before: &'static str,
    after: &'static str,
}

impl Dialect {
    fn title(self) -> &'static str {
        match self {
            Dialect::Debezium => "Debezium",
            Dialect::Canal => "Canal",
            Dialect::Maxwell => "Maxwell",
            Dialect::Ogg => "Ogg",
        }
    }
    fn names(self) -> Names {
        match self {
            Dialect::Debezium => Names { op: "op", before: "before", after: "after" },
            Dialect::Ogg => Names { op: "op_type", before: "before", after: "after" },
            Dialect::Canal | Dialect::Maxwell => Names { op: "type", before: "old", after: "data" },
        }
    }
    /// What an operation does; `None` for one that changes no rows.
    fn change(self, op: &str) -> Option<Change> {
        use Change::*;
        Some(match (self, op) {
            (Dialect::Debezium, "c" | "r") => Insert,
            (Dialect::Debezium, "u") => Update,
            (Dialect::Debezium, "d") => Delete,
            (Dialect::Canal, "INSERT") | (Dialect::Maxwell, "insert") => Insert,
            (Dialect::Canal, "UPDATE") | (Dialect::Maxwell, "update") => Update,
            (Dialect::Canal, "DELETE") | (Dialect::Maxwell, "delete") => Delete,
            // Tables that were made, not rows.
            (Dialect::Canal, "CREATE") => Nothing,
            (Dialect::Ogg, "I") => Insert,
            (Dialect::Ogg, "U") => Update,
            (Dialect::Ogg, "D") => Delete,
            _ => return None,
        })
    }
}

enum Change {
    Insert,
    Update,
    Delete,
    Nothing,
}

#[derive(Clone)]
struct Cdc {
    dialect: Dialect,
    schema_include: bool,
    database: Option<Regex>,
    table: Option<Regex>,
    reading: JsonReading,
    writing: JsonWriting,
}

/// A regular expression that must match the whole of a name.
fn whole(options: &Options, name: &str) -> Result<Option<Regex>> {
    let Some(text) = options.text(name) else { return Ok(None) };
    let compiled = Regex::new(&format!("^(?:{text})$"));
    compiled.map(Some).map_err(|e| {
        Error::config(format!("option '{name}' is no regular expression: {e}"))
            .advice("write one that matches whole names")
    })
}

impl Cdc {
    fn make(dialect: Dialect, options: &Options) -> Result<Arc<dyn Format>> {
        Ok(Arc::new(Cdc {
            dialect,
            schema_include: options.flag("schema-include"),
            database: whole(options, "database.include")?,
            table: whole(options, "table.include")?,
            reading: reading(options),
            writing: writing(options),
        }))
    }
}

impl Format for Cdc {
    fn changes(&self) -> Changes {
        Changes::Retract
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(CdcDecoder { cdc: self.clone(), plan: row_plan(columns) }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        if self.schema_include {
            return Err(Error::config("debezium-json cannot be written with 'schema-include'")
                .advice("leave the option out for sinks, as in Flink"));
        }
        Ok(Box::new(CdcEncoder { cdc: self.clone(), columns: columns.to_vec() }))
    }
}

struct CdcDecoder {
    cdc: Cdc,
    plan: RowPlan,
}

/// Where the parts of an envelope are.
#[derive(Default)]
struct Envelope {
    op: Option<String>,
    before: Option<Range<usize>>,
    after: Option<Range<usize>>,
    database: Option<String>,
    table: Option<String>,
}

impl CdcDecoder {
    fn envelope(&self, text: &str) -> Result<Envelope> {
        let mut scanner = Scanner::new(text);
        if self.cdc.schema_include {
            let payload = find(&mut scanner, "payload")?
                .ok_or_else(|| Error::data("there is no 'payload'"))?;
            scanner = Scanner::starting_at(text, payload.start);
        }
        if scanner.kind()? != Kind::Object {
            return Err(scanner.error("no object"));
        }
        let names = self.cdc.dialect.names();
        let mut envelope = Envelope::default();
        scanner.open();
        let mut first = true;
        while let Some(name) = scanner.next_name(first)? {
            first = false;
            let kind = scanner.kind()?;
            let name = &*name;
            let text_field = match name {
                _ if kind != Kind::Text => None,
                _ if name == names.op => Some(&mut envelope.op),
                "database" => Some(&mut envelope.database),
                "table" => Some(&mut envelope.table),
                _ => None,
            };
            if let Some(field) = text_field {
                *field = Some(scanner.string()?.into_owned());
                continue;
            }
            let range = scanner.skip()?;
            let range = Some(range).filter(|_| kind != Kind::Null);
            if name == names.before {
                envelope.before = range;
            } else if name == names.after {
                envelope.after = range;
            }
        }
        Ok(envelope)
    }

    /// The rows of a message.
    fn rows(&self, text: &str, rows: &mut Rows) -> Result<()> {
        let envelope = self.envelope(text)?;
        let passes = |filter: &Option<Regex>, name: &Option<String>| {
            filter.as_ref().is_none_or(|f| name.as_deref().is_some_and(|n| f.is_match(n)))
        };
        let cdc = &self.cdc;
        if !passes(&cdc.database, &envelope.database) || !passes(&cdc.table, &envelope.table) {
            return Ok(());
        }
        let names = cdc.dialect.names();
        let op = envelope.op.as_deref().unwrap_or("null");
        let Some(change) = cdc.dialect.change(op) else {
            return Err(Error::data(format!("Unknown \"{}\" value \"{op}\"", names.op)));
        };
        let part = |range: &Option<Range<usize>>, name: &str| {
            range.clone().ok_or_else(|| self.no_part(name, op))
        };
        match (cdc.dialect, change) {
            (_, Change::Nothing) => Ok(()),
            (Dialect::Debezium | Dialect::Ogg, change) => match change {
                Change::Insert => {
                    let after = part(&envelope.after, names.after)?;
                    self.row(text, &[after], ChangeKind::Insert, rows)
                }
                Change::Update => {
                    let before = part(&envelope.before, names.before)?;
                    let after = part(&envelope.after, names.after)?;
                    self.row(text, &[before], ChangeKind::UpdateBefore, rows)?;
                    self.row(text, &[after], ChangeKind::UpdateAfter, rows)
                }
                _ => {
                    let before = part(&envelope.before, names.before)?;
                    self.row(text, &[before], ChangeKind::Delete, rows)
                }
            },
            (dialect, change) => {
                let data = part(&envelope.after, names.after)?;
                let old = match change {
                    Change::Update => vec![part(&envelope.before, names.before)?],
                    _ => vec![],
                };
                let (data, old) = match dialect {
                    Dialect::Canal => (
                        items(text, &data)?,
                        old.iter().map(|o| items(text, o)).collect::<Result<Vec<_>>>()?.concat(),
                    ),
                    _ => (vec![data], old),
                };
                for (i, data) in data.into_iter().enumerate() {
                    match change {
                        Change::Insert => self.row(text, &[data], ChangeKind::Insert, rows)?,
                        Change::Update => {
                            let old = old.get(i).cloned();
                            let old = old.ok_or_else(|| self.no_part(names.before, op))?;
                            // Fields that did not change are only in the new row.
                            let before = [data.clone(), old];
                            self.row(text, &before, ChangeKind::UpdateBefore, rows)?;
                            self.row(text, &[data], ChangeKind::UpdateAfter, rows)?;
                        }
                        _ => self.row(text, &[data], ChangeKind::Delete, rows)?,
                    }
                }
                Ok(())
            }
        }
    }

    fn no_part(&self, name: &str, op: &str) -> Error {
        let error = Error::data(format!("The \"{name}\" field of a change \"{op}\" is null"));
        match self.cdc.dialect {
            Dialect::Debezium => error.advice(
                "if the database is PostgreSQL, set REPLICA IDENTITY FULL on the table, so that \
                 Debezium tells the former row",
            ),
            _ => error,
        }
    }

    /// A row from objects; fields of later ones count more.
    fn row(
        &self,
        text: &str,
        objects: &[Range<usize>],
        kind: ChangeKind,
        rows: &mut Rows,
    ) -> Result<()> {
        let len = rows.len();
        for range in objects {
            let mut scanner = Scanner::starting_at(text, range.start);
            if scanner.kind()? != Kind::Object {
                return Err(scanner.error("no object"));
            }
            self.cdc.reading.fields(&self.plan, &mut scanner, rows, len)?;
        }
        rows.end_row(kind);
        Ok(())
    }
}

/// Where the value with this name is in an object.
fn find(scanner: &mut Scanner<'_>, wanted: &str) -> Result<Option<Range<usize>>> {
    if scanner.kind()? != Kind::Object {
        return Err(scanner.error("no object"));
    }
    scanner.open();
    let mut first = true;
    let mut found = None;
    while let Some(name) = scanner.next_name(first)? {
        first = false;
        let is_it = name == wanted;
        let range = scanner.skip()?;
        if is_it {
            found = Some(range);
        }
    }
    Ok(found)
}

/// Where the elements of an array are.
fn items(text: &str, array: &Range<usize>) -> Result<Vec<Range<usize>>> {
    let mut scanner = Scanner::starting_at(text, array.start);
    if scanner.kind()? != Kind::Array {
        return Err(scanner.error("no array"));
    }
    scanner.open();
    let mut ranges = vec![];
    while scanner.next_item(ranges.is_empty())? {
        ranges.push(scanner.skip()?);
    }
    Ok(ranges)
}

impl Decoder for CdcDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        if message.is_empty() {
            // A tombstone: Kafka's compaction needs it, the table does not.
            return Ok(());
        }
        let before = rows.len();
        text_of(message).and_then(|text| self.rows(text, rows)).or_else(|error| {
            rows.truncate(before);
            if self.cdc.reading.ignore_errors {
                return Ok(());
            }
            let title = self.cdc.dialect.title();
            Err(error.at(format!("Corrupt {title} JSON message {}", shown(message))))
        })
    }
}

struct CdcEncoder {
    cdc: Cdc,
    columns: Vec<FormatColumn>,
}

impl Encoder for CdcEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let write_row = |out: &mut Vec<u8>| {
            let fields = self.columns.iter().zip(columns);
            self.cdc.writing.row(out, fields.map(|(c, a)| (c.name.as_str(), &c.ty, a)), row)
        };
        let op = match (self.cdc.dialect, kind.is_add()) {
            (Dialect::Debezium, true) => "c",
            (Dialect::Debezium, false) => "d",
            (Dialect::Canal, true) => "INSERT",
            (Dialect::Canal, false) => "DELETE",
            (Dialect::Maxwell, true) => "insert",
            (Dialect::Maxwell, false) => "delete",
            (Dialect::Ogg, true) => "I",
            (Dialect::Ogg, false) => "D",
        };
        let names = self.cdc.dialect.names();
        match self.cdc.dialect {
            Dialect::Debezium | Dialect::Ogg => {
                for (name, filled) in [(names.before, !kind.is_add()), (names.after, kind.is_add())]
                {
                    out.push(if name == names.before { b'{' } else { b',' });
                    write_string(out, name);
                    out.push(b':');
                    match filled {
                        true => write_row(out)?,
                        false => out.extend_from_slice(b"null"),
                    }
                }
            }
            Dialect::Canal => {
                out.extend_from_slice(b"{\"data\":[");
                write_row(out)?;
                out.push(b']');
            }
            Dialect::Maxwell => {
                out.extend_from_slice(b"{\"data\":");
                write_row(out)?;
            }
        }
        out.push(b',');
        write_string(out, names.op);
        out.push(b':');
        write_string(out, op);
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::formats::FormatColumn;
    use crate::formats::testing::{columns, decode, encode, format};
    use crate::runtime::{ChangeBatch, ChangeKind};
    use crate::types::SqlType;

    fn parts() -> Vec<FormatColumn> {
        columns(&[
            ("id", SqlType::int()),
            ("name", SqlType::string()),
            ("w", SqlType::decimal(6, 2)),
        ])
    }

    #[test]
    fn debezium() {
        let columns = columns(&[("id", SqlType::int()), ("v", SqlType::string())]);
        let plain = format("debezium-json", &[]).unwrap();
        let messages = [
            r#"{"op":"r","before":null,"after":{"id":1,"v":"a"},"ts_ms":17,"source":{"db":"d"}}"#,
            r#"{"before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"},"op":"u"}"#,
            "",
            r#"{"op":"d","before":{"id":1,"v":"b"},"after":null}"#,
        ];
        let want = ["+I 1 a", "-U 1 a", "+U 1 b", "-D 1 b"];
        assert_eq!(decode(&*plain, &columns, &messages).unwrap(), want);
        let wrapped: Vec<String> = messages
            .iter()
            .filter(|m| !m.is_empty())
            .map(|m| format!(r#"{{"schema":{{"type":"struct"}},"payload":{m}}}"#))
            .collect();
        let wrapped: Vec<&str> = wrapped.iter().map(String::as_str).collect();
        let with_schema = format("debezium-json", &[("schema-include", "true")]).unwrap();
        assert_eq!(decode(&*with_schema, &columns, &wrapped).unwrap(), want);
        let error = |message: &str| decode(&*plain, &columns, &[message]).unwrap_err().to_string();
        assert!(error(r#"{"op":"u","before":null,"after":{}}"#).contains("REPLICA IDENTITY FULL"));
        assert!(error(r#"{"op":"x"}"#).contains("Unknown \"op\" value \"x\""));
        assert!(error("{").starts_with("bad record: Corrupt Debezium JSON message '{'"));
        let lenient = format("debezium-json", &[("ignore-parse-errors", "true")]).unwrap();
        let bad = [r#"{"op":"u","before":{"id":1},"after":null}"#, "x", messages[0]];
        assert_eq!(decode(&*lenient, &columns, &bad).unwrap(), ["+I 1 a"]);
    }

    #[test]
    fn canal() {
        let canal = format("canal-json", &[("table.include", "part.")]).unwrap();
        let rows = decode(
            &*canal,
            &parts(),
            &[
                r#"{"data":[{"id":"1","name":"gear","w":"1.5"},{"id":"2","name":"belt","w":"2.0"}],"old":null,"type":"INSERT","table":"parts"}"#,
                r#"{"data":[{"id":"3","name":null,"w":null}],"old":null,"type":"INSERT","table":"other"}"#,
                r#"{"data":[{"id":"1","name":"gear2","w":"1.5"},{"id":"2","name":null,"w":"2.75"}],"old":[{"name":"gear"},{"name":null,"w":"2"}],"type":"UPDATE","table":"parts"}"#,
                r#"{"data":[{"id":"2","name":null,"w":"2.75"}],"old":null,"type":"DELETE","table":"parts"}"#,
            ],
        );
        assert_eq!(
            rows.unwrap(),
            [
                "+I 1 gear 1.50",
                "+I 2 belt 2.00",
                "-U 1 gear 1.50",
                "+U 1 gear2 1.50",
                "-U 2 null 2.00",
                "+U 2 null 2.75",
                "-D 2 null 2.75",
            ]
        );
    }

    #[test]
    fn maxwell_and_ogg() {
        let maxwell = format("maxwell-json", &[]).unwrap();
        let rows = decode(
            &*maxwell,
            &parts(),
            &[
                r#"{"type":"insert","data":{"id":1,"name":"gear","w":1.5}}"#,
                r#"{"type":"update","data":{"id":1,"name":null,"w":2},"old":{"name":"gear"}}"#,
                r#"{"type":"delete","data":{"id":1,"name":null,"w":2}}"#,
            ],
        );
        let want = ["+I 1 gear 1.50", "-U 1 gear 2.00", "+U 1 null 2.00", "-D 1 null 2.00"];
        assert_eq!(rows.unwrap(), want);
        let ogg = format("ogg-json", &[]).unwrap();
        let rows = decode(
            &*ogg,
            &parts(),
            &[
                r#"{"op_type":"I","after":{"id":1,"name":"gear","w":1.5}}"#,
                r#"{"op_type":"U","before":{"id":1,"name":"gear","w":1.5},"after":{"id":1,"name":"cog","w":1.5}}"#,
                r#"{"op_type":"D","before":{"id":1,"name":"cog","w":1.5}}"#,
            ],
        );
        let want = ["+I 1 gear 1.50", "-U 1 gear 1.50", "+U 1 cog 1.50", "-D 1 cog 1.50"];
        assert_eq!(rows.unwrap(), want);
    }

    #[test]
    fn what_is_written() {
        let columns = columns(&[("id", SqlType::int())]);
        let rows = crate::formats::testing::batch_of(&columns, &[r#"{"id":1}"#, r#"{"id":2}"#]);
        let kinds = vec![ChangeKind::UpdateAfter, ChangeKind::UpdateBefore];
        let batch = ChangeBatch::new(rows.rows().clone(), kinds).unwrap();
        for (name, want) in [
            (
                "debezium-json",
                [
                    r#"{"before":null,"after":{"id":1},"op":"c"}"#,
                    r#"{"before":{"id":2},"after":null,"op":"d"}"#,
                ],
            ),
            (
                "canal-json",
                [
                    r#"{"data":[{"id":1}],"type":"INSERT"}"#,
                    r#"{"data":[{"id":2}],"type":"DELETE"}"#,
                ],
            ),
            (
                "maxwell-json",
                [r#"{"data":{"id":1},"type":"insert"}"#, r#"{"data":{"id":2},"type":"delete"}"#],
            ),
            (
                "ogg-json",
                [
                    r#"{"before":null,"after":{"id":1},"op_type":"I"}"#,
                    r#"{"before":{"id":2},"after":null,"op_type":"D"}"#,
                ],
            ),
        ] {
            let format = format(name, &[]).unwrap();
            let written = encode(&*format, &columns, &batch).unwrap();
            assert_eq!(written, want, "{name}");
            let back = written.iter().map(String::as_str).collect::<Vec<_>>();
            assert_eq!(decode(&*format, &columns, &back).unwrap(), ["+I 1", "-D 2"]);
        }
    }
}
