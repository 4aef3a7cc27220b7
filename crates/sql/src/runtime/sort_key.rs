//! Sort keys as bytes: comparing them byte by byte is ORDER BY.
//!
//! Numbers and times sort by value, text by its UTF-8 bytes, floating values as Java's
//! `Double.compare`. Sort keys are never stored; they are made again from stored rows.

use arrow_array::ArrayRef;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{Schema, SortOptions};
use millstream_core::{Error, Result};

use super::change_batch::arrow_bug;
use super::row::RowCodec;
use super::spec::SortColumn;

/// Makes sort keys of rows.
pub struct SortKeys {
    columns: Vec<usize>,
    converter: Option<RowConverter>,
}

/// Sort keys of the rows of a batch.
pub struct BatchKeys(Option<Rows>);

impl BatchKeys {
    /// The key of a row; empty without sort columns.
    pub fn key(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

impl SortKeys {
    /// For these columns of rows of `schema`.
    ///
    /// # Errors
    /// Configuration: a column's type has no order. Bug: there is no such column.
    pub fn new(order: &[SortColumn], schema: &Schema) -> Result<Self> {
        let columns: Vec<usize> = order.iter().map(|sort| sort.column).collect();
        let projected = schema.project(&columns).map_err(arrow_bug)?;
        let fields: Vec<SortField> = projected
            .fields
            .iter()
            .zip(order)
            .map(|(field, sort)| {
                let (descending, nulls_first) = (sort.descending, sort.nulls_first);
                let options = SortOptions { descending, nulls_first };
                SortField::new_with_options(field.data_type().clone(), options)
            })
            .collect();
        let converter = match fields.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields).map_err(|e| {
                Error::config(format!("rows cannot be sorted: {e}"))
                    .advice("sort by numbers, text, times or BOOLEAN")
            })?),
        };
        Ok(SortKeys { columns, converter })
    }
    /// The keys of all rows of a batch.
    ///
    /// # Errors
    /// Bug: the columns are not those of the schema.
    pub fn of(&self, columns: &[ArrayRef]) -> Result<BatchKeys> {
        let Some(converter) = &self.converter else { return Ok(BatchKeys(None)) };
        let column = |index: &usize| {
            columns.get(*index).cloned().ok_or_else(|| Error::bug("a sort column is missing"))
        };
        let columns: Vec<ArrayRef> = self.columns.iter().map(column).collect::<Result<_>>()?;
        converter.convert_columns(&columns).map(|rows| BatchKeys(Some(rows))).map_err(arrow_bug)
    }
    /// The keys of stored rows.
    ///
    /// # Errors
    /// `Corrupt` when the rows do not decode.
    pub fn of_stored<'a>(
        &self,
        codec: &RowCodec,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<BatchKeys> {
        self.of(&codec.decode(rows.into_iter().map(Some))?)
    }
}
