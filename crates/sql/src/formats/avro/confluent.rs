//! `avro-confluent`: each message names its schema by an id of a registry.

use super::decode::RecordPlan;
use super::encode::RecordWriter;
use super::registry::{
    AUTH_SOURCE, BEARER_SOURCE, Registry, SCHEMA, SUBJECT, TOKEN, URL, USER_INFO,
};
use super::schema::{self, AvroSchema};
use super::{LEGACY, decode_row};
use crate::connectors::{OptionSpec, Options};
use crate::formats::columns::Rows;
use crate::formats::{Decoder, Encoder, Format, FormatColumn, FormatInfo};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use millstream_core::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const OPTIONS: &[OptionSpec] =
    &[URL, SUBJECT, SCHEMA, AUTH_SOURCE, USER_INFO, BEARER_SOURCE, TOKEN, LEGACY];

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "avro-confluent",
    doc: "Avro records whose schemas are in a schema registry",
    options: OPTIONS,
    make: |options| Ok(Arc::new(Confluent { settings: Settings::new(options)? })),
};

/// What both formats with a registry know.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) registry: Arc<Registry>,
    subject: Option<String>,
    /// A schema that was given, as text.
    given: Option<String>,
    pub(super) legacy: bool,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Settings {
            registry: Arc::new(Registry::new(options)?),
            subject: options.text(SUBJECT.name).map(str::to_owned),
            given: options.text(SCHEMA.name).map(str::to_owned),
            legacy: options.flag(LEGACY.name),
        })
    }
    /// The schema that is written: the one that was given, or this one.
    pub(super) fn written(&self, derived: serde_json::Value) -> Result<(String, AvroSchema)> {
        match &self.given {
            Some(text) => Ok((text.clone(), AvroSchema::parse(text)?)),
            None => Ok((derived.to_string(), AvroSchema::of_json(&derived)?)),
        }
    }
    pub(super) fn subject(&self) -> Result<String> {
        self.subject.clone().ok_or_else(|| {
            Error::config("the option 'subject' is needed to register the schema that is written")
                .advice("add 'avro-confluent.subject' = '...'")
        })
    }
}

/// The id in front of a message, and what is behind it.
pub(super) fn header(message: &[u8]) -> Result<(u32, &[u8])> {
    match message.split_first_chunk::<5>() {
        Some(([0, a, b, c, d], rest)) => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => Err(Error::data(format!(
            "a message of {} bytes does not begin with 0 and the id of a schema",
            message.len()
        ))
        .advice("check that the topic is written with a schema registry; use 'avro' if not")),
    }
}

pub(super) fn put_header(out: &mut Vec<u8>, id: u32) {
    out.push(0);
    out.extend_from_slice(&id.to_be_bytes());
}

struct Confluent {
    settings: Settings,
}

impl Format for Confluent {
    fn has_lines(&self) -> bool {
        false
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        // Types that Avro has not are refused when the query is planned.
        schema::of_columns(columns, false)?;
        Ok(Box::new(ConfluentDecoder {
            registry: Arc::clone(&self.settings.registry),
            columns: columns.to_vec(),
            plans: HashMap::new(),
        }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        let derived = schema::of_columns(columns, self.settings.legacy)?;
        let (text, schema) = self.settings.written(derived)?;
        Ok(Box::new(ConfluentEncoder {
            registry: Arc::clone(&self.settings.registry),
            subject: self.settings.subject()?,
            text,
            writer: RecordWriter::new(&schema, columns)?,
            id: None,
        }))
    }
}

struct ConfluentDecoder {
    registry: Arc<Registry>,
    columns: Vec<FormatColumn>,
    plans: HashMap<u32, RecordPlan>,
}

impl Decoder for ConfluentDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        if message.is_empty() {
            return Ok(());
        }
        let (id, record) = header(message)?;
        if !self.plans.contains_key(&id) {
            let plan = RecordPlan::new(self.registry.schema(id)?, &self.columns);
            self.plans.insert(id, plan.map_err(|e| e.at(format!("schema {id}")))?);
        }
        let Some(plan) = self.plans.get(&id) else { return Err(Error::bug("a plan was lost")) };
        decode_row(plan, record, rows, ChangeKind::Insert).map_err(|e| e.at(format!("schema {id}")))
    }
}

struct ConfluentEncoder {
    registry: Arc<Registry>,
    subject: String,
    text: String,
    writer: RecordWriter,
    /// Known after the first row.
    id: Option<u32>,
}

impl Encoder for ConfluentEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let id = match self.id {
            Some(id) => id,
            None => *self.id.insert(self.registry.register(&self.subject, &self.text)?),
        };
        put_header(out, id);
        self.writer.row(columns, row, out)
    }
}
