//! What travels between SQL operators: columns, and what each row does to the table.
//!
//! ```text
//!   kinds   +I   -U   +U   -D         (absent: every row is +I)
//!   rows    | a | b | c | ... |       one Arrow RecordBatch
//! ```
//!
//! Between all operators of `runtime`. Watermarks do not travel in here but beside the
//! batches; a rowtime is an ordinary column.
//!
//! Invariant: `kinds` is absent or as long as the batch has rows.
//!
//! # On the wire
//! One byte: 0 without kinds, 1 with. Then, with kinds, one byte a row ([`ChangeKind`]'s
//! number) after their count in four bytes (little-endian), padded with zeros to a multiple
//! of eight from the start. Then an Arrow IPC stream of one batch.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::{FilterBuilder, filter_record_batch};
use arrow_select::interleave::interleave;
use arrow_select::take::{take, take_record_batch};
use millstream_core::{Container, Error, Result};
use millstream_runtime::chain::Counted;
use serde::{Deserialize, Serialize};

/// What a row does to the table that the stream describes (Flink's `RowKind`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum ChangeKind {
    /// A new row.
    #[default]
    Insert = 0,
    /// The former content of a row that changes; an [`UpdateAfter`](Self::UpdateAfter) follows.
    UpdateBefore = 1,
    /// The new content of a row.
    UpdateAfter = 2,
    /// A row goes.
    Delete = 3,
}

impl ChangeKind {
    /// Whether the row is added: +I and +U.
    #[inline]
    pub fn is_add(self) -> bool {
        matches!(self, ChangeKind::Insert | ChangeKind::UpdateAfter)
    }
    /// Whether the row is taken away: -U and -D.
    #[inline]
    pub fn is_retract(self) -> bool {
        !self.is_add()
    }
    /// Flink's text: `+I`, `-U`, `+U`, `-D`.
    pub fn text(self) -> &'static str {
        match self {
            ChangeKind::Insert => "+I",
            ChangeKind::UpdateBefore => "-U",
            ChangeKind::UpdateAfter => "+U",
            ChangeKind::Delete => "-D",
        }
    }
    pub(crate) fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(ChangeKind::Insert),
            1 => Ok(ChangeKind::UpdateBefore),
            2 => Ok(ChangeKind::UpdateAfter),
            3 => Ok(ChangeKind::Delete),
            other => Err(Error::corrupt(format!("{other} is no change kind"))),
        }
    }
}

impl std::fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// Rows in columns, each with its change kind.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Int32Array, RecordBatch};
/// use millstream_sql::runtime::{ChangeBatch, ChangeKind};
/// let column: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
/// let rows = RecordBatch::try_from_iter([("n", column)]).unwrap();
/// let batch = ChangeBatch::inserts(rows);
/// assert_eq!(batch.kind(1), ChangeKind::Insert);
/// ```
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    rows: RecordBatch,
    kinds: Option<Arc<[ChangeKind]>>,
}

impl Default for ChangeBatch {
    fn default() -> Self {
        Self::inserts(RecordBatch::new_empty(Arc::new(Schema::empty())))
    }
}

/// An Arrow kernel refused what the plan promised it would take.
pub(crate) fn arrow_bug(e: ArrowError) -> Error {
    Error::bug(format!("an Arrow kernel refused its input: {e}"))
}

/// Rows of two tables with the same columns: `places` says which table (0 or 1), and which row.
///
/// # Errors
/// Bug: a place is out of range, or the columns differ.
pub(crate) fn interleave_tables(
    tables: [&[ArrayRef]; 2],
    places: &[(usize, usize)],
) -> Result<Vec<ArrayRef>> {
    // Often all are of one table, and many a time all of it.
    let table = places.first().map_or(0, |(table, _)| *table);
    if table < tables.len() && places.iter().all(|place| place.0 == table) {
        let columns = tables[table];
        let rows = columns.first().map_or(0, |column| column.len());
        if places.iter().map(|place| place.1).eq(0..rows) {
            return Ok(columns.to_vec());
        }
        let rows = UInt32Array::from_iter_values(places.iter().map(|place| place.1 as u32));
        return columns.iter().map(|c| take(c, &rows, None).map_err(arrow_bug)).collect();
    }
    let pairs = tables[0].iter().zip(tables[1]);
    let of = |(first, second): (&ArrayRef, &ArrayRef)| interleave(&[first, second], places);
    pairs.map(|pair| of(pair).map_err(arrow_bug)).collect()
}

impl ChangeBatch {
    /// Rows that are all new.
    pub fn inserts(rows: RecordBatch) -> Self {
        ChangeBatch { rows, kinds: None }
    }
    /// Rows with their kinds; kinds that are all +I are dropped.
    ///
    /// # Errors
    /// Bug: there are not as many kinds as rows.
    pub fn new(rows: RecordBatch, kinds: Vec<ChangeKind>) -> Result<Self> {
        if kinds.len() != rows.num_rows() {
            return Err(Error::bug(format!(
                "{} change kinds for {} rows",
                kinds.len(),
                rows.num_rows()
            )));
        }
        let plain = kinds.iter().all(|kind| *kind == ChangeKind::Insert);
        Ok(ChangeBatch { rows, kinds: (!plain).then(|| kinds.into()) })
    }
    /// Columns under a schema, with kinds (`None`: all +I).
    ///
    /// # Errors
    /// Bug: the columns do not fit the schema, the number of rows or that of the kinds.
    pub fn from_columns(
        schema: SchemaRef,
        columns: Vec<ArrayRef>,
        rows: usize,
        kinds: Option<Vec<ChangeKind>>,
    ) -> Result<Self> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let rows =
            RecordBatch::try_new_with_options(schema, columns, &options).map_err(arrow_bug)?;
        match kinds {
            Some(kinds) => Self::new(rows, kinds),
            None => Ok(Self::inserts(rows)),
        }
    }
    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }
    /// The column with this index.
    ///
    /// # Errors
    /// Bug: there is none.
    pub fn column(&self, index: usize) -> Result<&ArrayRef> {
        self.rows.columns().get(index).ok_or_else(|| {
            Error::bug(format!(
                "column {index} of a batch of {} columns was asked for",
                self.rows.num_columns()
            ))
        })
    }
    /// The columns with these indices.
    ///
    /// # Errors
    /// Bug: one of them does not exist.
    pub fn columns(&self, indices: &[usize]) -> Result<Vec<ArrayRef>> {
        indices.iter().map(|i| self.column(*i).cloned()).collect()
    }
    /// The kinds; absent when every row is +I.
    pub fn kinds(&self) -> Option<&[ChangeKind]> {
        self.kinds.as_deref()
    }
    /// The kind of one row.
    #[inline]
    pub fn kind(&self, row: usize) -> ChangeKind {
        self.kinds.as_ref().and_then(|kinds| kinds.get(row)).copied().unwrap_or_default()
    }
    /// Whether every row is +I.
    pub fn is_append(&self) -> bool {
        self.kinds.is_none()
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// `length` rows from `offset` on, without a copy of the columns.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let offset = offset.min(self.len());
        let length = length.min(self.len() - offset);
        let kinds = self.kinds.as_ref().map(|kinds| kinds[offset..offset + length].into());
        ChangeBatch { rows: self.rows.slice(offset, length), kinds }
    }
    /// The rows with these indices, in their order.
    ///
    /// # Errors
    /// Bug: an index is out of range.
    pub fn take(&self, indices: &[u32]) -> Result<Self> {
        if indices.len() == self.len() && indices.iter().copied().eq(0..self.len() as u32) {
            return Ok(self.clone());
        }
        self.take_rows(indices.to_vec().into())
    }
    pub(crate) fn take_rows(&self, indices: UInt32Array) -> Result<Self> {
        let rows = take_record_batch(&self.rows, &indices).map_err(arrow_bug)?;
        let chosen = indices.values();
        let kinds = self.kinds.as_ref().map(|_| chosen.iter().map(|i| self.kind(*i as usize)));
        Ok(ChangeBatch { rows, kinds: kinds.map(Iterator::collect) })
    }
    /// The rows where `keep` is TRUE. Of an update that is cut in half by it, what is left
    /// stays as it is: -U takes the row away as -D does, +U adds it as +I does.
    ///
    /// # Errors
    /// Bug: the mask does not have as many entries as there are rows.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self> {
        if keep.null_count() == 0 && keep.true_count() == self.len() {
            return Ok(self.clone());
        }
        let rows = filter_record_batch(&self.rows, keep).map_err(arrow_bug)?;
        let kinds = self.kinds.as_ref().map(|kinds| {
            let kept = FilterBuilder::new(keep).build().count();
            let mut out = Vec::with_capacity(kept);
            let chosen = (0..kinds.len()).filter(|i| keep.is_valid(*i) && keep.value(*i));
            out.extend(chosen.map(|i| kinds[i]));
            out.into()
        });
        Ok(ChangeBatch { rows, kinds })
    }
    /// All batches in one, in order; `None` when there is none.
    ///
    /// # Errors
    /// Bug: their schemas differ.
    pub fn concat(batches: &[ChangeBatch]) -> Result<Option<Self>> {
        let (first, rest) = match batches {
            [] => return Ok(None),
            [only] => return Ok(Some(only.clone())),
            [first, rest @ ..] => (first, rest),
        };
        let schema = first.rows.schema();
        let rows = concat_batches(&schema, batches.iter().map(|b| &b.rows)).map_err(arrow_bug)?;
        let plain = first.is_append() && rest.iter().all(ChangeBatch::is_append);
        let kinds = (!plain).then(|| {
            batches.iter().flat_map(|batch| (0..batch.len()).map(|i| batch.kind(i))).collect()
        });
        Ok(Some(ChangeBatch { rows, kinds }))
    }
}

impl Counted for ChangeBatch {
    fn record_count(&self) -> usize {
        self.len()
    }
}

/// Before the IPC stream comes a multiple of this many bytes.
const ALIGNMENT: usize = 8;

impl Container for ChangeBatch {
    fn len(&self) -> usize {
        self.rows.num_rows()
    }
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.push(u8::from(self.kinds.is_some()));
        if let Some(kinds) = &self.kinds {
            out.extend_from_slice(&(kinds.len() as u32).to_le_bytes());
            out.extend(kinds.iter().map(|kind| *kind as u8));
        }
        while !(out.len() - start).is_multiple_of(ALIGNMENT) {
            out.push(0);
        }
        let mut writer = StreamWriter::try_new(out, &self.rows.schema()).map_err(arrow_bug)?;
        writer.write(&self.rows).map_err(arrow_bug)?;
        writer.finish().map_err(arrow_bug)
    }
    fn decode(bytes: &[u8]) -> Result<Self> {
        let cut_off = || Error::corrupt("a batch of rows is cut off");
        let mut at = 1;
        let kinds: Option<Arc<[ChangeKind]>> = match bytes.first() {
            Some(0) => None,
            Some(1) => {
                let count = bytes.get(1..5).ok_or_else(cut_off)?;
                let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]) as usize;
                at = 5 + count;
                let kinds = bytes.get(5..at).ok_or_else(cut_off)?;
                Some(kinds.iter().map(|byte| ChangeKind::from_byte(*byte)).collect::<Result<_>>()?)
            }
            _ => return Err(Error::corrupt("these bytes are no batch of rows")),
        };
        let stream = bytes.get(at.next_multiple_of(ALIGNMENT)..).ok_or_else(cut_off)?;
        let damaged = |e: ArrowError| Error::corrupt(format!("a batch of rows is damaged: {e}"));
        let mut reader = StreamReader::try_new(stream, None).map_err(damaged)?;
        let rows = match reader.next() {
            Some(rows) => rows.map_err(damaged)?,
            None => RecordBatch::new_empty(reader.schema()),
        };
        if kinds.as_ref().is_some_and(|kinds| kinds.len() != rows.num_rows()) {
            return Err(Error::corrupt("a batch has another number of change kinds than rows"));
        }
        Ok(ChangeBatch { rows, kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{batch, lines, schema};
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn rows_and_kinds_come_back_from_the_wire() {
        let of = schema(&[("a", SqlType::int()), ("b", SqlType::array(SqlType::string()))]);
        for text in ["", "+I 1 x,y\n+I null null", "-U 1 x\n+U 2 null\n-D 3 y,null\n+I 4 z"] {
            let rows = batch(&of, text);
            let mut bytes = vec![7; 3];
            rows.encode(&mut bytes).unwrap();
            let back = ChangeBatch::decode(&bytes[3..]).unwrap();
            assert_eq!(lines(&back), lines(&rows));
            assert_eq!(back.is_append(), !text.contains('-'));
            for cut in 0..bytes.len() - 3 {
                // Cut off or not, it never panics; most cuts are noticed.
                let _ = ChangeBatch::decode(&bytes[3..3 + cut]);
            }
        }
        assert!(ChangeBatch::decode(&[9]).is_err());
        assert!(ChangeBatch::decode(&[1, 1, 0, 0, 0, 8, 0, 0]).is_err());
    }

    #[test]
    fn filter_slice_take_and_concat_keep_kinds_with_their_rows() {
        let of = schema(&[("a", SqlType::int())]);
        let rows = batch(&of, "+I 1\n-U 2\n+U 3\n-D 4");
        let keep = BooleanArray::from(vec![Some(false), Some(true), None, Some(true)]);
        assert_eq!(lines(&rows.filter(&keep).unwrap()), ["-U 2", "-D 4"]);
        assert_eq!(lines(&rows.slice(1, 2)), ["-U 2", "+U 3"]);
        assert_eq!(lines(&rows.take(&[3, 0]).unwrap()), ["-D 4", "+I 1"]);
        let all = ChangeBatch::concat(&[batch(&of, "+I 9"), rows.slice(3, 1)]).unwrap().unwrap();
        assert_eq!(lines(&all), ["+I 9", "-D 4"]);
    }
}
