//! `avro`, `avro-confluent`, `debezium-avro-confluent`: records in Avro's binary form.
//!
//! | format | a message | the schema |
//! |---|---|---|
//! | avro | the record | made of the table's columns |
//! | avro, as a file | object container file | in the file's header |
//! | avro-confluent | 0, four bytes of id, the record | in a schema registry, by id |
//! | debezium-avro-confluent | the same, a record of before, after, op | the same |
//!
//! Source: Flink's pages on these formats; the specification of Avro.

mod confluent;
mod container;
mod debezium;
mod decode;
mod encode;
mod registry;
mod schema;

pub(crate) use confluent::INFO as CONFLUENT;
pub(crate) use debezium::INFO as DEBEZIUM_CONFLUENT;

use super::columns::Rows;
use super::{
    BulkReader, BulkWriter, Decoder, Encoder, FileFormat, Format, FormatColumn, FormatInfo,
};
use crate::connectors::{OptionKind, OptionSpec};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use container::Codec;
use decode::{Input, RecordPlan};
use encode::RecordWriter;
use millstream_core::{Error, Result};
use schema::AvroSchema;
use std::fs::File;
use std::sync::Arc;

const LEGACY: OptionSpec = OptionSpec::new(
    "timestamp_mapping.legacy",
    OptionKind::Flag,
    "true",
    "write TIMESTAMP as Avro's timestamp-millis, as Flink did before 1.19",
);

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "avro",
    doc: "records in Avro's binary form; object container files",
    options: &[
        LEGACY,
        OptionSpec::new(
            "encoding",
            OptionKind::OneOf(&["binary"]),
            "binary",
            "how records are encoded; Avro's JSON form is not supported",
        ),
        OptionSpec::new(
            "codec",
            OptionKind::OneOf(&["null", "deflate", "snappy"]),
            "snappy",
            "how files are compressed",
        ),
    ],
    make: |options| {
        Ok(Arc::new(Avro { legacy: options.flag(LEGACY.name), codec: Codec::of(options)? }))
    },
};

#[derive(Clone, Copy)]
struct Avro {
    legacy: bool,
    codec: Codec,
}

impl Avro {
    fn schema(&self, columns: &[FormatColumn]) -> Result<AvroSchema> {
        AvroSchema::of_json(&schema::of_columns(columns, self.legacy)?)
    }
}

impl Format for Avro {
    fn files(&self) -> Option<&dyn FileFormat> {
        Some(self)
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        let schema = Arc::new(self.schema(columns)?);
        Ok(Box::new(AvroDecoder { plan: RecordPlan::new(schema, columns)? }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(AvroEncoder { writer: RecordWriter::new(&self.schema(columns)?, columns)? }))
    }
}

impl FileFormat for Avro {
    fn check(&self, columns: &[FormatColumn]) -> Result<()> {
        self.schema(columns).map(|_| ())
    }
    fn reader(
        &self,
        file: File,
        columns: &[FormatColumn],
        skip: u64,
    ) -> Result<Box<dyn BulkReader>> {
        Ok(Box::new(container::Reader::open(file, columns, skip)?))
    }
    fn writer(&self, columns: &[FormatColumn]) -> Result<Box<dyn BulkWriter>> {
        let json = schema::of_columns(columns, self.legacy)?;
        Ok(Box::new(container::Writer::new(&json, self.codec, columns)?))
    }
}

struct AvroDecoder {
    plan: RecordPlan,
}

/// Appends the one row of a message, or leaves the rows as they were.
fn decode_row(plan: &RecordPlan, message: &[u8], rows: &mut Rows, kind: ChangeKind) -> Result<()> {
    let before = rows.len();
    let mut input = Input::new(message);
    let decoded = plan.row(&mut input, &mut rows.columns);
    match decoded {
        Ok(()) => {
            rows.end_row(kind);
            Ok(())
        }
        Err(error) => {
            rows.truncate(before);
            let at = message.len() - input.bytes.len();
            Err(error.at(format!("byte {at} of a message of {}", message.len())))
        }
    }
}

impl Decoder for AvroDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        decode_row(&self.plan, message, rows, ChangeKind::Insert)
    }
}

struct AvroEncoder {
    writer: RecordWriter,
}

impl Encoder for AvroEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.writer.row(columns, row, out)
    }
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::data(format!("no good Avro file: {what}"))
        .advice("check that the file is whole, and of the format of the table")
}

#[cfg(test)]
mod tests;
