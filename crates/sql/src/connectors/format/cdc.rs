//! `debezium-json`, `canal-json`, `maxwell-json`, `ogg-json`: change messages of databases.
//!
//! | | insert | update | delete |
//! |---|---|---|---|
//! | debezium | `op` c, r: after | u: before, after | d: before |
//! | canal | `type` INSERT: data[] | UPDATE: data[], old[] (changed fields) | DELETE: data[] |
//! | maxwell | `type` insert: data | update: data, old (changed fields) | delete: data |
//! | ogg | `op_type` I: after | U: before, after | D: before |
//!
//! Source: Flink's pages on these formats.

use super::super::options::TableOptions;
use super::json::{JsonCodec, JsonOptions};
use super::json_text::{JsonText, write_text};
use super::{Format, RowBuilder, RowDecoder, RowEncoder};
use crate::plan::logical::Schema;
use crate::plan::stream::Changes;
use crate::runtime::ChangeKind;
use crate::value::Value;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Debezium { with_schema: bool },
    Canal,
    Maxwell,
    Ogg,
}

/// The format.
#[derive(Clone)]
pub struct Cdc {
    dialect: Dialect,
    codec: Arc<JsonCodec>,
    ignore_errors: bool,
    /// Only messages of this database and table.
    database: Option<regex::Regex>,
    table: Option<regex::Regex>,
    name: String,
}

impl Cdc {
    /// With its options.
    ///
    /// # Errors
    /// `Config`, for a wrong value.
    pub fn new(
        options: &mut TableOptions<'_>,
        name: &str,
        schema: &Schema,
        zone: &Zone,
    ) -> Result<Self> {
        let prefix = format!("{name}.");
        let json = JsonOptions::read(options, &prefix)?;
        let dialect = match name {
            "canal-json" => Dialect::Canal,
            "maxwell-json" => Dialect::Maxwell,
            "ogg-json" => Dialect::Ogg,
            _ => Dialect::Debezium {
                with_schema: options.flag("debezium-json.schema-include", false)?,
            },
        };
        let mut pattern = |key: &str| -> Result<Option<regex::Regex>> {
            let Some(text) = options.get(key) else { return Ok(None) };
            let whole = format!("^(?:{text})$");
            regex::Regex::new(&whole)
                .map(Some)
                .map_err(|e| Error::config(format!("option '{key}' is not a pattern: {e}")))
        };
        let (mut database, mut table) = (None, None);
        if dialect == Dialect::Canal {
            database = pattern("canal-json.database.include")?;
            table = pattern("canal-json.table.include")?;
        }
        Ok(Cdc {
            dialect,
            ignore_errors: json.ignore_errors,
            codec: Arc::new(JsonCodec::new(json, schema, zone)),
            database,
            table,
            name: name.to_owned(),
        })
    }

    fn read(&self, record: &[u8], out: &mut RowBuilder) -> Result<()> {
        let json = JsonText::parse(record)?;
        match self.dialect {
            Dialect::Debezium { with_schema } => {
                let payload = match with_schema {
                    true => json.get("payload").ok_or_else(|| missing("payload"))?,
                    false => &json,
                };
                let row = |side: &str| match payload.get(side) {
                    None | Some(JsonText::Null) => {
                        Err(Error::data(format!("the '{side}' field of a change message is null"))
                            .advice("with PostgreSQL, set REPLICA IDENTITY of the table to FULL"))
                    }
                    Some(row) => self.codec.row(row),
                };
                self.before_after(text_of(payload, "op")?, ["c", "r"], "u", "d", row, out)
            }
            Dialect::Ogg => {
                let row = |side: &str| match json.get(side) {
                    None | Some(JsonText::Null) => {
                        Err(Error::data(format!("the '{side}' field of a change message is null")))
                    }
                    Some(row) => self.codec.row(row),
                };
                self.before_after(text_of(&json, "op_type")?, ["I", "I"], "U", "D", row, out)
            }
            Dialect::Maxwell => {
                let kind = text_of(&json, "type")?;
                let data = json.get("data").ok_or_else(|| missing("data"))?;
                self.one(kind, data, json.get("old"), out)
            }
            Dialect::Canal => {
                let wanted = |pattern: &Option<regex::Regex>, key: &str| match pattern {
                    None => Ok(true),
                    Some(pattern) => Ok::<bool, Error>(pattern.is_match(text_of(&json, key)?)),
                };
                if !wanted(&self.database, "database")? || !wanted(&self.table, "table")? {
                    return Ok(());
                }
                let kind = text_of(&json, "type")?;
                if kind == "CREATE" {
                    return Ok(()); // the table was made: no row changed
                }
                let Some(JsonText::Array(rows)) = json.get("data") else {
                    return Err(missing("data"));
                };
                let old = match json.get("old") {
                    Some(JsonText::Array(old)) => old.as_slice(),
                    _ => &[],
                };
                for (i, data) in rows.iter().enumerate() {
                    self.one(&kind.to_ascii_lowercase(), data, old.get(i), out)?;
                }
                Ok(())
            }
        }
    }

    fn before_after(
        &self,
        op: &str,
        inserts: [&str; 2],
        update: &str,
        delete: &str,
        row: impl Fn(&str) -> Result<Vec<Value>>,
        out: &mut RowBuilder,
    ) -> Result<()> {
        if inserts.contains(&op) {
            out.push(ChangeKind::Insert, row("after")?);
        } else if op == update {
            let (before, after) = (row("before")?, row("after")?);
            out.push(ChangeKind::UpdateBefore, before);
            out.push(ChangeKind::UpdateAfter, after);
        } else if op == delete {
            out.push(ChangeKind::Delete, row("before")?);
        } else {
            return Err(Error::data(format!("unknown operation '{op}' of a change message")));
        }
        Ok(())
    }

    /// A message that tells a row and, of an update, the former values of changed fields.
    fn one(
        &self,
        kind: &str,
        data: &JsonText<'_>,
        old: Option<&JsonText<'_>>,
        out: &mut RowBuilder,
    ) -> Result<()> {
        let row = self.codec.row(data)?;
        match kind {
            "insert" => out.push(ChangeKind::Insert, row),
            "delete" => out.push(ChangeKind::Delete, row),
            "update" => {
                let old = old.ok_or_else(|| missing("old"))?;
                let mut before = row.clone();
                for (value, field) in before.iter_mut().zip(self.codec.schema()) {
                    if let Some(former) = old.get(&field.name) {
                        *value = self.codec.value(former, &field.ty)?;
                    }
                }
                out.push(ChangeKind::UpdateBefore, before);
                out.push(ChangeKind::UpdateAfter, row);
            }
            other => {
                return Err(Error::data(format!("unknown type '{other}' of a change message")));
            }
        }
        Ok(())
    }
}

fn missing(field: &str) -> Error {
    Error::data(format!("a change message has no field '{field}'"))
}

fn text_of<'a>(json: &'a JsonText<'_>, key: &str) -> Result<&'a str> {
    match json.get(key) {
        Some(JsonText::Text(text)) => Ok(text),
        _ => Err(missing(key)),
    }
}

impl Format for Cdc {
    fn changes(&self) -> Changes {
        Changes::Retract
    }
    fn decoder(&self) -> Box<dyn RowDecoder> {
        Box::new(self.clone())
    }
    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(self.clone())
    }
}

impl RowDecoder for Cdc {
    fn decode(&mut self, record: &[u8], out: &mut RowBuilder) -> Result<()> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Ok(()); // a tombstone
        }
        match self.read(record, out) {
            Err(_) if self.ignore_errors => Ok(()),
            Err(error) => Err(error.advice(format!(
                "correct the data, or set '{}.ignore-parse-errors' = 'true' to leave it out",
                self.name
            ))),
            ok => ok,
        }
    }
}

impl RowEncoder for Cdc {
    /// An update is written as a delete and an insert: a row knows one side only.
    fn encode(&mut self, kind: ChangeKind, row: &[Value], out: &mut Vec<u8>) -> Result<bool> {
        let mut data = String::new();
        self.codec.write_row(&mut data, row);
        let add = kind.is_add();
        let mut text = String::new();
        let op = |text: &mut String, key: &str, add_op: &str, delete_op: &str| {
            write_text(text, key);
            text.push(':');
            write_text(text, if add { add_op } else { delete_op });
        };
        match self.dialect {
            Dialect::Debezium { with_schema: true } => {
                return Err(Error::config("debezium-json with schema-include cannot be written")
                    .advice("remove 'debezium-json.schema-include'"));
            }
            Dialect::Debezium { with_schema: false } | Dialect::Ogg => {
                let (before, after) =
                    if add { ("null", data.as_str()) } else { (data.as_str(), "null") };
                text += &format!("{{\"before\":{before},\"after\":{after},");
                match self.dialect {
                    Dialect::Ogg => op(&mut text, "op_type", "I", "D"),
                    _ => op(&mut text, "op", "c", "d"),
                }
            }
            Dialect::Canal => {
                text += &format!("{{\"data\":[{data}],");
                op(&mut text, "type", "INSERT", "DELETE");
            }
            Dialect::Maxwell => {
                text += &format!("{{\"data\":{data},");
                op(&mut text, "type", "insert", "delete");
            }
        }
        text.push('}');
        out.extend_from_slice(text.as_bytes());
        Ok(true)
    }
}
