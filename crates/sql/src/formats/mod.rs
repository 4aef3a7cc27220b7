//! Formats: bytes to columns and back.
//!
//! ```text
//!   bytes ──record_end──> message ──Decoder──> column builders ──> ChangeBatch
//!   ChangeBatch ──Encoder──> bytes of each row
//! ```
//!
//! Between a connector, which moves bytes, and the operators. A decoder writes straight
//! into the builders of the columns that are wanted ([`columns`]); there is no value in
//! between.
//!
//! Invariant: a message that fails leaves no trace in the columns.
//!
//! Source: Flink's pages on formats, whose option names and meanings are used.

#[cfg(feature = "avro")]
mod avro;
mod cdc;
pub(crate) mod columns;
mod csv;
pub(crate) mod json;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "protobuf")]
mod protobuf;
mod raw;
pub(crate) mod times;

use crate::connectors::{Changes, OptionSpec, Options};
use crate::runtime::ChangeKind;
use crate::types::SqlType;
use arrow_array::ArrayRef;
use columns::Rows;
use millstream_core::{Error, Result};
use std::fs::File;
use std::sync::Arc;

/// A column of a format: those that come in a message, or go into one.
#[derive(Clone, Debug)]
pub(crate) struct FormatColumn {
    pub(crate) name: String,
    pub(crate) ty: SqlType,
    /// Whether a decoder makes it; the others are only passed over.
    pub(crate) wanted: bool,
}

/// A format with its options.
pub(crate) trait Format: Send + Sync {
    /// The changes that its messages tell.
    fn changes(&self) -> Changes {
        Changes::Append
    }
    /// Where the first message of a file's bytes ends, behind its line end; `None` if it
    /// does not end there.
    fn record_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(b'\n', bytes).map(|at| at + 1)
    }
    /// Whether its messages may be lines of a file.
    fn has_lines(&self) -> bool {
        true
    }
    /// What its files are, if they are more than messages with line ends.
    fn files(&self) -> Option<&dyn FileFormat> {
        None
    }
    /// A decoder for one reader.
    ///
    /// # Errors
    /// `Config`: it cannot read columns of these types.
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>>;
    /// An encoder for one writer.
    ///
    /// # Errors
    /// `Config`: it cannot write columns of these types.
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>>;
}

/// Makes rows of messages.
pub(crate) trait Decoder: Send {
    /// Appends the rows of one message, without its line end: to the columns that are
    /// wanted, in their order.
    ///
    /// # Errors
    /// Data: the message is bad, and bad ones are not passed over. The rows are as before.
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()>;
}

/// Makes messages of rows.
pub(crate) trait Encoder: Send {
    /// Appends the message of a row, without a line end.
    ///
    /// # Errors
    /// Data: the format has no form for a value.
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()>;
}

/// A format whose files are wholes: with a header, blocks, a footer.
pub(crate) trait FileFormat: Send + Sync {
    /// Whether its files can have such columns.
    ///
    /// # Errors
    /// `Config`: they cannot.
    fn check(&self, columns: &[FormatColumn]) -> Result<()>;
    /// Reads a file, behind its first `skip` rows.
    ///
    /// # Errors
    /// Data: it is no such file, or has columns of other types.
    fn reader(
        &self,
        file: File,
        columns: &[FormatColumn],
        skip: u64,
    ) -> Result<Box<dyn BulkReader>>;
    /// Writes a file.
    ///
    /// # Errors
    /// `Config`: it cannot have such columns.
    fn writer(&self, columns: &[FormatColumn]) -> Result<Box<dyn BulkWriter>>;
}

/// Reads one file, in batches.
pub(crate) trait BulkReader: Send {
    /// The next rows: the columns that are wanted, in their order, and how many rows; `None`
    /// at the end.
    ///
    /// # Errors
    /// Data: the file is broken.
    fn next(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>>;
}

/// Makes the bytes of one file.
pub(crate) trait BulkWriter: Send {
    /// Appends rows; the bytes may come later.
    ///
    /// # Errors
    /// Data: the format has no form for a value.
    fn write(&mut self, columns: &[ArrayRef], rows: usize, out: &mut Vec<u8>) -> Result<()>;
    /// About how many bytes are still to come for what was written.
    fn waiting_bytes(&self) -> u64;
    /// Appends what waits, as far as it can.
    ///
    /// # Errors
    /// Bug: the library refuses.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()>;
    /// Ends the file.
    ///
    /// # Errors
    /// Bug: the library refuses.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// A format: its name, its options.
pub struct FormatInfo {
    /// Value of the option `format`.
    pub name: &'static str,
    /// In one sentence.
    pub doc: &'static str,
    /// Its options, without the prefix that is its name.
    pub options: &'static [OptionSpec],
    make: fn(&Options) -> Result<Arc<dyn Format>>,
}

impl FormatInfo {
    /// The format with these options, whose names have no prefix.
    pub(crate) fn make(&self, options: &Options) -> Result<Arc<dyn Format>> {
        (self.make)(options).map_err(|e| e.at(format!("format '{}'", self.name)))
    }
}

/// All formats of this build.
pub fn formats() -> &'static [FormatInfo] {
    const ALL: &[FormatInfo] = &[
        json::INFO,
        csv::INFO,
        raw::INFO,
        cdc::DEBEZIUM,
        cdc::CANAL,
        cdc::MAXWELL,
        cdc::OGG,
        #[cfg(feature = "parquet")]
        parquet::INFO,
        #[cfg(feature = "avro")]
        avro::INFO,
        #[cfg(feature = "avro")]
        avro::CONFLUENT,
        #[cfg(feature = "avro")]
        avro::DEBEZIUM_CONFLUENT,
        #[cfg(feature = "protobuf")]
        protobuf::INFO,
    ];
    ALL
}

/// The format with this name.
///
/// # Errors
/// `Config`: there is none.
pub fn find(name: &str) -> Result<&'static FormatInfo> {
    formats().iter().find(|f| f.name == name).ok_or_else(|| {
        let names: Vec<&str> = formats().iter().map(|f| f.name).collect();
        let advice = millstream_core::nearest::hint(name, names.iter().copied())
            .unwrap_or_else(|| format!("known are {}", names.join(", ")));
        Error::config(format!("format '{name}' is not known")).advice(advice)
    })
}

pub(crate) use json::write_scalar;

/// Appends text as a value of the column's type, as partitions of files do.
///
/// # Errors
/// Data: it is none.
pub(crate) fn push_text(text: &str, column: &mut columns::Column) -> Result<()> {
    json::push_text(text, column, times::TimeStandard::Sql)
}

/// A message as errors show it: cut, and in one line.
pub(crate) fn shown(message: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(message.get(..MOST).unwrap_or(message));
    let more = if message.len() > MOST { "…" } else { "" };
    format!("'{}{more}'", text.escape_debug())
}

#[cfg(test)]
pub(crate) mod testing {
    //! Text in, text out, for formats.
    use super::*;
    use crate::runtime::ChangeBatch;
    use crate::text::client_texts;
    use crate::zone::Zone;

    /// A format by name with options.
    pub(crate) fn format(name: &str, options: &[(&str, &str)]) -> Result<Arc<dyn Format>> {
        let info = find(name)?;
        info.make(&Options::for_tests(info.options, options))
    }
    /// Columns that are all wanted.
    pub(crate) fn columns(columns: &[(&str, SqlType)]) -> Vec<FormatColumn> {
        let column = |(name, ty): &(&str, SqlType)| FormatColumn {
            name: (*name).to_owned(),
            ty: ty.clone(),
            wanted: true,
        };
        columns.iter().map(column).collect()
    }
    /// Rows as the client shows them: kind, then values.
    pub(crate) fn show(batch: &ChangeBatch, types: &[SqlType]) -> Vec<String> {
        let columns: Vec<_> = batch
            .rows()
            .columns()
            .iter()
            .zip(types)
            .map(|(array, ty)| client_texts(array, ty, &Zone::UTC).unwrap())
            .collect();
        let row = |i: usize| {
            let values = columns.iter().map(|c| c[i].clone().unwrap_or("null".into()));
            std::iter::once(batch.kind(i).text().to_owned()).chain(values).collect::<Vec<_>>()
        };
        (0..batch.len()).map(|i| row(i).join(" ")).collect()
    }
    /// Decodes messages; rows as text.
    pub(crate) fn decode(
        format: &dyn Format,
        columns: &[FormatColumn],
        messages: &[&str],
    ) -> Result<Vec<String>> {
        let wanted = || columns.iter().filter(|c| c.wanted);
        let mut decoder = format.decoder(columns)?;
        let mut rows = Rows::new(wanted().map(|c| (c.name.as_str(), &c.ty)));
        for message in messages {
            decoder.decode(message.as_bytes(), &mut rows)?;
        }
        let types: Vec<_> = wanted().map(|c| c.ty.clone()).collect();
        Ok(show(&rows.finish()?, &types))
    }
    /// Encodes the rows of a batch; a message each.
    pub(crate) fn encode(
        format: &dyn Format,
        columns: &[FormatColumn],
        batch: &ChangeBatch,
    ) -> Result<Vec<String>> {
        let mut encoder = format.encoder(columns)?;
        (0..batch.len())
            .map(|i| {
                let mut out = vec![];
                encoder.encode(batch.rows().columns(), i, batch.kind(i), &mut out)?;
                Ok(String::from_utf8(out).unwrap())
            })
            .collect()
    }
    /// Decodes JSON objects as a batch.
    pub(crate) fn batch_of(columns: &[FormatColumn], messages: &[&str]) -> ChangeBatch {
        let mut decoder = format("json", &[]).unwrap().decoder(columns).unwrap();
        let mut rows = Rows::new(columns.iter().map(|c| (c.name.as_str(), &c.ty)));
        for message in messages {
            decoder.decode(message.as_bytes(), &mut rows).unwrap();
        }
        rows.finish().unwrap()
    }
}
