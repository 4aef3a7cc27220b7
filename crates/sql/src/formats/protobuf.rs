//! `protobuf`: messages by a compiled descriptor file (`protoc --descriptor_set_out`).
//!
//! | protobuf | SQL |
//! |---|---|
//! | string; bytes; bool | STRING, VARCHAR, CHAR; BYTES, BINARY; BOOLEAN |
//! | int32, sint32, sfixed32, uint32, fixed32 | INT |
//! | int64, sint64, sfixed64, uint64, fixed64 | BIGINT |
//! | float; double | FLOAT; DOUBLE |
//! | enum | STRING (its name), TINYINT to BIGINT (its number) |
//! | repeated; map; message | ARRAY; MAP; ROW |
//!
//! Unsigned numbers beyond the signed range are negative, as in Java; in BIGINT a uint32 is
//! what it is. A field that a message does not have is NULL; in proto3 a field without a
//! message or list in it has its default.
//!
//! Source: Flink's page on Protobuf, whose options are used; a Java class is named there.

mod decode;
mod descriptor;
mod encode;

use super::{Decoder, Encoder, Format, FormatColumn, FormatInfo};
use crate::connectors::{OptionKind, OptionSpec, Options};
use millstream_core::Result;
use prost_reflect::MessageDescriptor;
use std::sync::Arc;

const FILE: OptionSpec = OptionSpec::required(
    "descriptor-file",
    OptionKind::Text,
    "what 'protoc --include_imports --descriptor_set_out' has made",
);
const CLASS: OptionSpec = OptionSpec::required(
    "message-class-name",
    OptionKind::Text,
    "the message: its full name, or that of its Java class",
);

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "protobuf",
    doc: "messages of protobuf",
    options: &[
        FILE,
        CLASS,
        OptionSpec::new(
            "ignore-parse-errors",
            OptionKind::Flag,
            "false",
            "pass over messages that cannot be read",
        ),
        OptionSpec::new(
            "read-default-values",
            OptionKind::Flag,
            "false",
            "fields that a message does not have are their default, not NULL",
        ),
        OptionSpec::new(
            "write-null-string-literal",
            OptionKind::Text,
            "",
            "what stands for NULL in lists and maps of text",
        ),
    ],
    make: |options| Ok(Arc::new(Protobuf::new(options)?)),
};

#[derive(Clone)]
struct Protobuf {
    message: MessageDescriptor,
    ignore_errors: bool,
    read_defaults: bool,
    null_literal: String,
}

impl Protobuf {
    fn new(options: &Options) -> Result<Self> {
        let file = options.text(FILE.name).unwrap_or_default();
        let class = options.text(CLASS.name).unwrap_or_default();
        Ok(Protobuf {
            message: descriptor::load(file, class)?,
            ignore_errors: options.flag("ignore-parse-errors"),
            read_defaults: options.flag("read-default-values"),
            null_literal: options.text("write-null-string-literal").unwrap_or_default().to_owned(),
        })
    }
}

impl Format for Protobuf {
    fn has_lines(&self) -> bool {
        false
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(decode::ProtobufDecoder::new(self.clone(), columns)?))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encode::ProtobufEncoder::new(self.clone(), columns)?))
    }
}

#[cfg(test)]
mod tests;
