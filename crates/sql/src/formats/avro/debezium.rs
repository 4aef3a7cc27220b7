//! `debezium-avro-confluent`: changes as Debezium tells them, with a schema registry.
//!
//! ```text
//!   before: record or null | after: record or null | op: c, r, u, d | more, passed over
//! ```
//! The fields may come in any order: first it is found where each one is, then they are read.

use super::confluent::{Header, OPTIONS, Plans, Settings};
use super::decode::{Input, RecordPlan, skip};
use super::encode::{RecordWriter, put_bytes, put_long};
use super::schema::{self, AvroSchema, Schema};
use crate::connectors::Changes;
use crate::formats::columns::Rows;
use crate::formats::{Decoder, Encoder, Format, FormatColumn, FormatInfo};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use millstream_core::{Error, Result};
use serde_json::json;
use std::sync::Arc;

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "debezium-avro-confluent",
    doc: "changes as Debezium tells them in Avro, with a schema registry",
    options: OPTIONS,
    make: |options| Ok(Arc::new(Debezium { settings: Settings::new(options)? })),
};

struct Debezium {
    settings: Settings,
}

impl Format for Debezium {
    fn changes(&self) -> Changes {
        Changes::Retract
    }
    fn has_lines(&self) -> bool {
        false
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        schema::of_columns(columns, false)?;
        let plans = self.settings.plans();
        Ok(Box::new(DebeziumDecoder { columns: columns.to_vec(), plans }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        let fields = || columns.iter().map(|c| (c.name.as_str(), &c.ty));
        let part = |name: &str| schema::record(fields(), name, self.settings.legacy);
        let field = |name: &str, ty: serde_json::Value| json!({"name": name, "type": ["null", ty], "default": null});
        let derived = json!({
            "type": "record", "name": "record", "namespace": "org.apache.flink.avro.generated",
            "fields": [
                field("before", part("record_before")?),
                field("after", part("record_after")?),
                field("op", json!("string")),
            ],
        });
        let (schema, header) = self.settings.written(derived)?;
        let envelope = Envelope::of(&schema)?;
        let writer = |place: &Place| RecordWriter::of(&schema, &place.record, columns);
        if !envelope.fields.iter().all(|(_, part)| part.is_some()) {
            return Err(Error::config("the schema that is given has more than before, after, op")
                .advice("leave the option 'schema' out"));
        }
        Ok(Box::new(DebeziumEncoder {
            header,
            before: writer(&envelope.before)?,
            after: writer(&envelope.after)?,
            envelope,
        }))
    }
}

/// A record that may be null.
struct Place {
    record: Schema,
    /// The branches of null and of the record; `None`: it is never null.
    branches: Option<(i64, i64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Before,
    After,
    Op,
}

/// Where the parts of an envelope are in its record.
struct Envelope {
    fields: Vec<(Schema, Option<Part>)>,
    before: Place,
    after: Place,
    /// The branch of the text in the union of `op`; `None`: it is no union.
    op: Option<i64>,
}

impl Envelope {
    fn of(schema: &AvroSchema) -> Result<Self> {
        let no = |what: &str| {
            Error::data(format!("the message is no change of Debezium: {what}"))
                .advice("use 'avro-confluent', or unwrap nothing in the connector")
        };
        let fields = schema.record(&schema.root).ok_or_else(|| no("no record"))?;
        let find = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map(|(_, field)| field).ok_or_else(|| no(&format!("it has no '{name}'")))
        };
        let place = |name: &str| -> Result<Place> {
            let field = find(name)?;
            let Schema::Union(branches) = field else {
                return Ok(Place { record: field.clone(), branches: None });
            };
            let null = branches.iter().position(|b| *b == Schema::Null);
            let record = branches.iter().position(|b| schema.record(b).is_some());
            let record = record.ok_or_else(|| no(&format!("'{name}' is no record")))?;
            Ok(Place {
                record: branches[record].clone(),
                branches: null.map(|null| (null as i64, record as i64)),
            })
        };
        let op = match find("op")? {
            Schema::String => None,
            Schema::Union(branches) => {
                let text = branches.iter().position(|b| *b == Schema::String);
                Some(text.ok_or_else(|| no("'op' is no text"))? as i64)
            }
            _ => return Err(no("'op' is no text")),
        };
        let part = |name: &str| match name {
            "before" => Some(Part::Before),
            "after" => Some(Part::After),
            "op" => Some(Part::Op),
            _ => None,
        };
        Ok(Envelope {
            fields: fields.iter().map(|(name, field)| (field.clone(), part(name))).collect(),
            before: place("before")?,
            after: place("after")?,
            op,
        })
    }
}

/// How to read the changes of one schema.
struct ChangePlan {
    schema: Arc<AvroSchema>,
    envelope: Envelope,
    before: RecordPlan,
    after: RecordPlan,
}

impl ChangePlan {
    fn new(schema: Arc<AvroSchema>, columns: &[FormatColumn]) -> Result<Self> {
        let envelope = Envelope::of(&schema)?;
        let plan = |place: &Place| RecordPlan::of(Arc::clone(&schema), &place.record, columns);
        let (before, after) = (plan(&envelope.before)?, plan(&envelope.after)?);
        Ok(ChangePlan { schema, envelope, before, after })
    }
}

struct DebeziumDecoder {
    columns: Vec<FormatColumn>,
    plans: Plans<ChangePlan>,
}

/// The bytes of a record that may be null.
fn present<'a>(place: &Place, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
    let Some((_, record)) = place.branches else { return Ok(Some(bytes)) };
    let mut input = Input::new(bytes);
    let branch = input.long()?;
    Ok((branch == record).then_some(input.bytes))
}

fn change(plan: &ChangePlan, message: &[u8], rows: &mut Rows) -> Result<()> {
    let mut input = Input::new(message);
    let (mut before, mut after, mut op) = (None, None, None);
    for (field, part) in &plan.envelope.fields {
        let start = input.bytes;
        skip(&plan.schema, field, &mut input, 0)?;
        let bytes = &start[..start.len() - input.bytes.len()];
        match part {
            Some(Part::Before) => before = present(&plan.envelope.before, bytes)?,
            Some(Part::After) => after = present(&plan.envelope.after, bytes)?,
            Some(Part::Op) => op = Some(bytes),
            None => {}
        }
    }
    let mut op = Input::new(op.unwrap_or_default());
    let is_text = match plan.envelope.op {
        Some(branch) => op.long()? == branch,
        None => true,
    };
    let op = if is_text { op.bytes()? } else { b"" };
    let mut row = |record: &RecordPlan, bytes: Option<&[u8]>, name: &str, kind| {
        let bytes = bytes.ok_or_else(|| {
            Error::data(format!("'{name}' of a change is null")).advice(
                "set REPLICA IDENTITY FULL on tables of PostgreSQL, so that 'before' is there",
            )
        })?;
        record.row(&mut Input::new(bytes), &mut rows.columns)?;
        rows.end_row(kind);
        Ok(())
    };
    match op {
        b"c" | b"r" => row(&plan.after, after, "after", ChangeKind::Insert),
        b"u" => {
            row(&plan.before, before, "before", ChangeKind::UpdateBefore)?;
            row(&plan.after, after, "after", ChangeKind::UpdateAfter)
        }
        b"d" => row(&plan.before, before, "before", ChangeKind::Delete),
        other => Err(Error::data(format!(
            "the operation '{}' is not known",
            String::from_utf8_lossy(other)
        ))
        .advice("known are c, r, u and d")),
    }
}

impl Decoder for DebeziumDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        // A tombstone says nothing that the change before it did not.
        if message.is_empty() {
            return Ok(());
        }
        let before = rows.len();
        self.plans.read(
            message,
            |schema| ChangePlan::new(schema, &self.columns),
            |plan, record| change(plan, record, rows).inspect_err(|_| rows.truncate(before)),
        )
    }
}

struct DebeziumEncoder {
    header: Header,
    envelope: Envelope,
    before: RecordWriter,
    after: RecordWriter,
}

impl Encoder for DebeziumEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.header.put(out)?;
        let side = if kind.is_add() { Part::After } else { Part::Before };
        for (_, part) in &self.envelope.fields {
            let (place, writer) = match part {
                Some(Part::Before) => (&self.envelope.before, &self.before),
                Some(Part::After) => (&self.envelope.after, &self.after),
                _ => {
                    if let Some(branch) = self.envelope.op {
                        put_long(out, branch);
                    }
                    put_bytes(out, if kind.is_add() { b"c" } else { b"d" });
                    continue;
                }
            };
            let here = *part == Some(side);
            match place.branches {
                Some((null, _)) if !here => put_long(out, null),
                Some((_, record)) => {
                    put_long(out, record);
                    writer.row(columns, row, out)?;
                }
                None => writer.row(columns, row, out)?,
            }
        }
        Ok(())
    }
}
