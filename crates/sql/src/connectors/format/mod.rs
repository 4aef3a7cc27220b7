//! Formats: bytes of a record to rows and back.
//!
//! Between the bytes of a file or message and the columns of a batch. The options of a
//! format are those of the table that begin with its name.

pub mod cdc;
pub mod csv;
pub mod json;
pub mod json_text;
pub mod raw;

use super::options::TableOptions;
use crate::nearest;
use crate::plan::logical::Schema;
use crate::plan::stream::Changes;
use crate::plan::translate::arrow_schema;
use crate::runtime::{ChangeBatch, ChangeKind};
use crate::value::{Value, array_of};
use crate::zone::Zone;
use arrow_schema::SchemaRef;
use millstream_core::{Error, Result};
use std::sync::Arc;

/// Rows being gathered, column by column.
pub struct RowBuilder {
    schema: Schema,
    arrow: SchemaRef,
    columns: Vec<Vec<Value>>,
    kinds: Vec<ChangeKind>,
}

impl RowBuilder {
    /// For rows of these columns.
    pub fn new(schema: &Schema) -> Self {
        RowBuilder {
            arrow: arrow_schema(schema),
            schema: schema.clone(),
            columns: vec![vec![]; schema.len()],
            kinds: vec![],
        }
    }
    /// Adds a row.
    pub fn push(&mut self, kind: ChangeKind, row: Vec<Value>) {
        self.kinds.push(kind);
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
    /// The rows, and begins anew.
    ///
    /// # Errors
    /// A value that is not of its column's type.
    pub fn finish(&mut self) -> Result<ChangeBatch> {
        let rows = self.kinds.len();
        let mut arrays = vec![];
        for (column, field) in self.columns.iter_mut().zip(&self.schema) {
            arrays.push(array_of(std::mem::take(column).iter(), &field.ty)?);
        }
        let kinds = std::mem::take(&mut self.kinds);
        ChangeBatch::from_columns(Arc::clone(&self.arrow), arrays, rows, Some(kinds))
    }
}

/// Reads records.
pub trait RowDecoder: Send {
    /// Adds the rows of one record (none, one or several).
    ///
    /// # Errors
    /// `Data`, when the record is none; nothing was added then.
    fn decode(&mut self, record: &[u8], out: &mut RowBuilder) -> Result<()>;
    /// Whether a line may be only a part of a record: what is needed to see its end.
    fn record_continues(&self, _so_far: &[u8]) -> bool {
        false
    }
}

/// Writes records.
pub trait RowEncoder: Send {
    /// Appends the bytes of one row, without a terminator; answers whether there were any.
    ///
    /// # Errors
    /// When the row cannot be expressed.
    fn encode(&mut self, kind: ChangeKind, row: &[Value], out: &mut Vec<u8>) -> Result<bool>;
}

/// A format with its options, for rows of given columns.
pub trait Format: Send + Sync {
    /// What changes its rows may be.
    fn changes(&self) -> Changes {
        Changes::Append
    }
    /// A decoder for one subtask.
    fn decoder(&self) -> Box<dyn RowDecoder>;
    /// An encoder for one subtask.
    fn encoder(&self) -> Box<dyn RowEncoder>;
}

/// Names of the formats.
pub const FORMATS: &[&str] =
    &["canal-json", "csv", "debezium-json", "json", "maxwell-json", "ogg-json", "raw"];

/// The format that the option `format` names.
///
/// # Errors
/// `Config`, for an unknown format or wrong options.
pub fn format(
    options: &mut TableOptions<'_>,
    schema: &Schema,
    zone: &Zone,
) -> Result<Arc<dyn Format>> {
    let name = options.need("format")?;
    Ok(match name {
        "json" => Arc::new(json::Json::new(options, "json.", schema, zone)?),
        "csv" => Arc::new(csv::Csv::new(options, schema)?),
        "raw" => Arc::new(raw::Raw::new(options, schema)?),
        "debezium-json" | "canal-json" | "maxwell-json" | "ogg-json" => {
            Arc::new(cdc::Cdc::new(options, name, schema, zone)?)
        }
        other => {
            let error = Error::config(format!("there is no format '{other}'"));
            return Err(match nearest::hint(other, FORMATS.iter().copied()) {
                Some(hint) => error.advice(hint),
                None => error.advice(format!("formats are: {}", FORMATS.join(", "))),
            });
        }
    })
}
