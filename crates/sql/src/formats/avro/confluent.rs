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
use std::collections::hash_map::Entry;
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
    registry: Arc<Registry>,
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
    /// The schema that is written (the one that was given, or this one), and its header.
    pub(super) fn written(&self, derived: serde_json::Value) -> Result<(AvroSchema, Header)> {
        let (text, schema) = match &self.given {
            Some(text) => (text.clone(), AvroSchema::parse(text)?),
            None => (derived.to_string(), AvroSchema::of_json(&derived)?),
        };
        let subject = self.subject.clone().ok_or_else(|| {
            Error::config("the option 'subject' is needed to register the schema that is written")
                .advice("add 'avro-confluent.subject' = '...'")
        })?;
        Ok((schema, Header { registry: Arc::clone(&self.registry), subject, text, id: None }))
    }
    /// Plans for the schemas that messages will name.
    pub(super) fn plans<P>(&self) -> Plans<P> {
        Plans { registry: Arc::clone(&self.registry), known: HashMap::new() }
    }
}

/// How to read the records of each schema that was named so far.
pub(super) struct Plans<P> {
    registry: Arc<Registry>,
    known: HashMap<u32, P>,
}

impl<P> Plans<P> {
    /// Reads the record of a message by the plan of its schema, which `plan` makes when the
    /// schema is new.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        plan: impl FnOnce(Arc<AvroSchema>) -> Result<P>,
        read: impl FnOnce(&P, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let (id, record) = split(message)?;
        let at = |error: Error| error.at(format!("schema {id}"));
        let plan = match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(plan(self.registry.schema(id)?).map_err(at)?),
        };
        read(plan, record).map_err(at)
    }
}

/// What stands in front of each message that is written: the id of the schema, which is
/// registered with the first one.
pub(super) struct Header {
    registry: Arc<Registry>,
    subject: String,
    text: String,
    id: Option<u32>,
}

impl Header {
    pub(super) fn put(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let id = match self.id {
            Some(id) => id,
            None => *self.id.insert(self.registry.register(&self.subject, &self.text)?),
        };
        out.push(0);
        out.extend_from_slice(&id.to_be_bytes());
        Ok(())
    }
}

/// The id in front of a message, and what is behind it.
fn split(message: &[u8]) -> Result<(u32, &[u8])> {
    match message.split_first_chunk::<5>() {
        Some(([0, a, b, c, d], rest)) => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => Err(Error::data(format!(
            "a message of {} bytes does not begin with 0 and the id of a schema",
            message.len()
        ))
        .advice("check that the topic is written with a schema registry; use 'avro' if not")),
    }
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
        let plans = self.settings.plans();
        Ok(Box::new(ConfluentDecoder { columns: columns.to_vec(), plans }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        let derived = schema::of_columns(columns, self.settings.legacy)?;
        let (schema, header) = self.settings.written(derived)?;
        let writer = RecordWriter::new(&schema, columns)?;
        Ok(Box::new(ConfluentEncoder { header, writer }))
    }
}

struct ConfluentDecoder {
    columns: Vec<FormatColumn>,
    plans: Plans<RecordPlan>,
}

impl Decoder for ConfluentDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        if message.is_empty() {
            return Ok(());
        }
        self.plans.read(
            message,
            |schema| RecordPlan::new(schema, &self.columns),
            |plan, record| decode_row(plan, record, rows, ChangeKind::Insert),
        )
    }
}

struct ConfluentEncoder {
    header: Header,
    writer: RecordWriter,
}

impl Encoder for ConfluentEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.header.put(out)?;
        self.writer.row(columns, row, out)
    }
}
