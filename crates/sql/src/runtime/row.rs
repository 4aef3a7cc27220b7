//! Rows as compact bytes: keys, and rows that operators keep as state.
//!
//! Between the columns of a [`ChangeBatch`](super::ChangeBatch) and everything that is kept
//! or compared row by row.
//!
//! Invariant: two rows of the same column types have the same bytes exactly when they are
//! equal in Flink's sense of GROUP BY (NULL equals NULL, floating values by their bits).
//!
//! # Format (version 1; state on disk depends on it)
//! ```text
//!   row   := nulls cell*            nulls: one bit a column, set for NULL, in whole bytes
//!   cell  := nothing for NULL
//!          | number, date, time ..: its bytes, little-endian
//!          | BOOLEAN: one byte
//!          | text, bytes, nested: u32 length, bytes
//!   ARRAY := u32 count, then for each element: u32 length, row of one column
//!   MAP   := as an ARRAY whose elements are rows of key and value
//!   ROW   := row
//! ```

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, MapArray, NullArray, StructArray, make_array,
    new_null_array,
};
use arrow_buffer::{Buffer, MutableBuffer, NullBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, FieldRef, Fields, Schema};
use millstream_core::key_group::StableHasher;
use millstream_core::{Error, Result};
use std::hash::Hasher;

use super::change_batch::arrow_bug;

/// The documented hash of a row's bytes; the key group of a key depends on it.
#[inline]
pub fn hash_row(bytes: &[u8]) -> u64 {
    let mut hasher = StableHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// [`hash_row`] of each row of `columns`, as `codec` would write them.
///
/// # Errors
/// As [`RowCodec::encode`].
pub fn hash_rows(codec: &RowCodec, columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    if let [column] = columns
        && column.null_count() == 0
        && let Some(values) = column.as_primitive_opt::<Int64Type>()
    {
        return Ok(values.values().iter().map(|value| hash_one(*value)).collect());
    }
    Ok(codec.encode(columns, rows)?.iter().map(hash_row).collect())
}

/// [`hash_row`] of the row of one BIGINT that is not NULL.
#[inline]
fn hash_one(value: i64) -> u64 {
    let mut row = [0; 9];
    row[1..].copy_from_slice(&value.to_le_bytes());
    hash_row(&row)
}

/// Encoded rows, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    /// Start of each row, and the end of the last.
    offsets: Vec<u32>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of all rows together.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }
    /// The bytes of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }
    /// The bytes of all rows.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.row(i))
    }
}

/// How one column is written.
#[derive(Clone, Debug)]
enum Cell {
    Null,
    Boolean,
    /// This many bytes.
    Fixed(usize),
    /// Utf8 or Binary.
    Bytes,
    List(FieldRef, Box<RowCodec>),
    Map(FieldRef, bool, Box<RowCodec>),
    Struct(Fields, Box<RowCodec>),
}

/// Writes and reads rows of given column types. See the module for the format.
#[derive(Clone, Debug)]
pub struct RowCodec {
    types: Vec<DataType>,
    cells: Vec<Cell>,
}

fn cell_of(data_type: &DataType) -> Result<Cell> {
    Ok(match data_type {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Boolean,
        DataType::Utf8 | DataType::Binary => Cell::Bytes,
        DataType::List(element) => {
            let codec = RowCodec::new([element.data_type().clone()])?;
            Cell::List(element.clone(), Box::new(codec))
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(fields) => {
                Cell::Map(entries.clone(), *sorted, Box::new(RowCodec::of_fields(fields)?))
            }
            other => return Err(Error::bug(format!("a MAP whose entries are {other}"))),
        },
        DataType::Struct(fields) => {
            Cell::Struct(fields.clone(), Box::new(RowCodec::of_fields(fields)?))
        }
        other => match other.primitive_width() {
            Some(width) => Cell::Fixed(width),
            None => {
                return Err(Error::config(format!("{other} cannot be kept in state"))
                    .advice("cast the column to a type of SQL"));
            }
        },
    })
}

impl RowCodec {
    /// For columns of these types.
    ///
    /// # Errors
    /// Configuration: a type has no SQL counterpart.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self> {
        let types: Vec<DataType> = types.into_iter().collect();
        let cells = types.iter().map(cell_of).collect::<Result<_>>()?;
        Ok(RowCodec { types, cells })
    }
    fn of_fields(fields: &Fields) -> Result<Self> {
        Self::new(fields.iter().map(|field| field.data_type().clone()))
    }
    /// For all columns of a schema.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_schema(schema: &Schema) -> Result<Self> {
        Self::of_fields(&schema.fields)
    }
    /// For some columns of a schema.
    ///
    /// # Errors
    /// As [`new`](Self::new); Bug: a column does not exist.
    pub fn of_columns(schema: &Schema, columns: &[usize]) -> Result<Self> {
        let fields = schema.project(columns).map_err(arrow_bug)?;
        Self::of_schema(&fields)
    }
    /// For columns like these arrays.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_arrays(columns: &[ArrayRef]) -> Result<Self> {
        Self::new(columns.iter().map(|column| column.data_type().clone()))
    }
    /// Number of columns.
    pub fn width(&self) -> usize {
        self.cells.len()
    }
    fn null_bytes(&self) -> usize {
        self.cells.len().div_ceil(8)
    }

    /// Writes `rows` rows of `columns`.
    ///
    /// # Errors
    /// Bug: the arrays are not of the codec's types. Data: they take more than 4 GiB.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<Rows> {
        if columns.len() != self.cells.len()
            || columns.iter().zip(&self.types).any(|(c, t)| c.data_type() != t)
        {
            let got: Vec<_> = columns.iter().map(|c| c.data_type().to_string()).collect();
            return Err(Error::bug(format!(
                "rows of {:?} where {:?} were planned",
                got, self.types
            )));
        }
        if let Some(rows) = self.encode_fixed(columns, rows)? {
            return Ok(rows);
        }
        let head = self.null_bytes();
        let nested = self
            .cells
            .iter()
            .zip(columns)
            .map(|(cell, column)| encode_nested(cell, column))
            .collect::<Result<Vec<_>>>()?;
        let mut lengths = vec![head; rows];
        for ((cell, column), nested) in self.cells.iter().zip(columns).zip(&nested) {
            add_lengths(cell, column, nested.as_ref(), &mut lengths);
        }
        let mut offsets = Vec::with_capacity(rows + 1);
        let mut total = 0;
        offsets.push(0);
        for length in &lengths {
            total += length;
            offsets.push(total as u32);
        }
        if u32::try_from(total).is_err() {
            return Err(Error::data("a batch of rows takes more than 4 GiB")
                .advice("use smaller batches, or shorter values"));
        }
        let mut bytes = vec![0; total];
        // Where the next cell of each row goes.
        let mut cursors = lengths;
        for (cursor, start) in cursors.iter_mut().zip(&offsets) {
            *cursor = *start as usize + head;
        }
        for (index, (cell, column)) in self.cells.iter().zip(columns).enumerate() {
            if let Some(nulls) = column.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                for (row, start) in offsets[..rows].iter().enumerate() {
                    if nulls.is_null(row) {
                        bytes[*start as usize + index / 8] |= 1 << (index % 8);
                    }
                }
            }
            write_cells(cell, column, nested[index].as_ref(), &mut cursors, &mut bytes);
        }
        Ok(Rows { bytes, offsets })
    }

    /// As [`encode`](Self::encode), for numbers without NULL: all rows are of one length.
    fn encode_fixed(&self, columns: &[ArrayRef], rows: usize) -> Result<Option<Rows>> {
        let mut length = self.null_bytes();
        for (cell, column) in self.cells.iter().zip(columns) {
            match cell {
                Cell::Fixed(width) if column.null_count() == 0 => length += width,
                _ => return Ok(None),
            }
        }
        let end = length.saturating_mul(rows);
        if u32::try_from(end).is_err() {
            return Ok(None);
        }
        let mut bytes = vec![0; end];
        let mut place = self.null_bytes();
        for (cell, column) in self.cells.iter().zip(columns) {
            let Cell::Fixed(width) = cell else { continue };
            let data = column.to_data();
            let values = &data.buffers()[0].as_slice()[data.offset() * width..];
            match width {
                1 => stride::<1>(values, place, length, &mut bytes),
                2 => stride::<2>(values, place, length, &mut bytes),
                4 => stride::<4>(values, place, length, &mut bytes),
                8 => stride::<8>(values, place, length, &mut bytes),
                16 => stride::<16>(values, place, length, &mut bytes),
                _ => stride::<32>(values, place, length, &mut bytes),
            }
            place += width;
        }
        let offsets = (0..=rows).map(|row| (row * length) as u32).collect();
        Ok(Some(Rows { bytes, offsets }))
    }

    /// Reads rows back into columns; `None` is a row of NULLs.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are of other types or cut off.
    pub fn decode<'a>(
        &self,
        rows: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) -> Result<Vec<ArrayRef>> {
        self.decode_wanted(rows, |_| true)
    }

    /// As [`decode`](Self::decode), with NULLs in columns that are not `wanted`.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_wanted<'a>(
        &self,
        rows: impl IntoIterator<Item = Option<&'a [u8]>>,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<ArrayRef>> {
        let rows: Vec<Option<&[u8]>> = rows.into_iter().collect();
        let head = self.null_bytes();
        if rows.iter().flatten().any(|row| row.len() < head) {
            return Err(cut_off());
        }
        let mut cursors = vec![head; rows.len()];
        let last = (0..self.cells.len()).rev().find(|i| wanted(*i));
        let column = |(index, (cell, data_type)): (usize, (&Cell, &DataType))| {
            if last.is_none_or(|last| index > last) {
                return Ok(new_null_array(data_type, rows.len()));
            }
            let is_null = |row: &[u8]| row[index / 8] & (1 << (index % 8)) != 0;
            let valid: Vec<bool> =
                rows.iter().map(|row| row.is_some_and(|row| !is_null(row))).collect();
            if !wanted(index) {
                skip_cells(cell, &rows, &valid, &mut cursors)?;
                return Ok(new_null_array(data_type, rows.len()));
            }
            read_cells(cell, data_type, &rows, &valid, &mut cursors)
        };
        self.cells.iter().zip(&self.types).enumerate().map(column).collect()
    }
}

/// Moves behind the cells of one column.
fn skip_cells(
    cell: &Cell,
    rows: &[Option<&[u8]>],
    valid: &[bool],
    cursors: &mut [usize],
) -> Result<()> {
    for ((row, valid), cursor) in rows.iter().zip(valid).zip(cursors) {
        if let (Some(row), true) = (row, valid) {
            let length = match cell {
                Cell::Null => 0,
                Cell::Boolean => 1,
                Cell::Fixed(width) => *width,
                _ => take_length(row, cursor)?,
            };
            take_bytes(row, cursor, length)?;
        }
    }
    Ok(())
}

fn cut_off() -> Error {
    Error::corrupt("the bytes of a stored row are cut off or of other column types")
}

fn nulls_of(column: &ArrayRef) -> Option<NullBuffer> {
    column.nulls().filter(|nulls| nulls.null_count() > 0).cloned()
}

/// The cells of a nested column, encoded ahead.
fn encode_nested(cell: &Cell, column: &ArrayRef) -> Result<Option<Rows>> {
    let of_lists = |offsets: &[i32], inner: Rows| {
        let mut out = Rows { bytes: Vec::new(), offsets: vec![0] };
        for pair in offsets.windows(2) {
            let (start, end) = (pair[0] as usize, pair[1] as usize);
            out.bytes.extend_from_slice(&((end - start) as u32).to_le_bytes());
            for element in start..end {
                let row = inner.row(element);
                out.bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
                out.bytes.extend_from_slice(row);
            }
            out.offsets.push(out.bytes.len() as u32);
        }
        out
    };
    Ok(match cell {
        Cell::List(_, codec) => {
            let list = column.as_list::<i32>();
            let values = std::slice::from_ref(list.values());
            let inner = codec.encode(values, list.values().len())?;
            Some(of_lists(list.value_offsets(), inner))
        }
        Cell::Map(_, _, codec) => {
            let map = column.as_map();
            let inner = codec.encode(map.entries().columns(), map.entries().len())?;
            Some(of_lists(map.value_offsets(), inner))
        }
        Cell::Struct(_, codec) => {
            let rows = column.as_struct();
            Some(codec.encode(rows.columns(), rows.len())?)
        }
        _ => None,
    })
}

fn add_valid(nulls: Option<&NullBuffer>, lengths: &mut [usize], of: impl Fn(usize) -> usize) {
    match nulls {
        None => lengths.iter_mut().enumerate().for_each(|(row, length)| *length += of(row)),
        Some(nulls) => {
            for (row, length) in lengths.iter_mut().enumerate() {
                if nulls.is_valid(row) {
                    *length += of(row);
                }
            }
        }
    }
}

fn add_lengths(cell: &Cell, column: &ArrayRef, nested: Option<&Rows>, lengths: &mut [usize]) {
    let nulls = nulls_of(column);
    let nulls = nulls.as_ref();
    match (cell, nested) {
        (_, Some(rows)) => add_valid(nulls, lengths, |row| 4 + rows.row(row).len()),
        (Cell::Boolean, _) => add_valid(nulls, lengths, |_| 1),
        (Cell::Fixed(width), _) => add_valid(nulls, lengths, |_| *width),
        (Cell::Bytes, _) => {
            let offsets = bytes_offsets(column);
            let of = |row: usize| 4 + (offsets[row + 1] - offsets[row]) as usize;
            add_valid(nulls, lengths, of);
        }
        _ => {}
    }
}

fn bytes_offsets(column: &ArrayRef) -> &[i32] {
    match column.as_string_opt::<i32>() {
        Some(text) => text.value_offsets(),
        None => column.as_binary::<i32>().value_offsets(),
    }
}

fn bytes_values(column: &ArrayRef) -> &[u8] {
    match column.as_string_opt::<i32>() {
        Some(text) => text.value_data(),
        None => column.as_binary::<i32>().value_data(),
    }
}

fn write_fixed<const W: usize>(
    values: &[u8],
    nulls: Option<&NullBuffer>,
    cursors: &mut [usize],
    bytes: &mut [u8],
) {
    let (values, _) = values.as_chunks::<W>();
    for (row, (cursor, value)) in cursors.iter_mut().zip(values).enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            bytes[*cursor..*cursor + W].copy_from_slice(value);
            *cursor += W;
        }
    }
}

/// Writes values at a place of rows that are all of one length.
fn stride<const W: usize>(values: &[u8], place: usize, length: usize, bytes: &mut [u8]) {
    let (values, _) = values.as_chunks::<W>();
    for (row, value) in bytes.chunks_exact_mut(length).zip(values) {
        row[place..place + W].copy_from_slice(value);
    }
}

fn write_cells(
    cell: &Cell,
    column: &ArrayRef,
    nested: Option<&Rows>,
    cursors: &mut [usize],
    bytes: &mut [u8],
) {
    let nulls = nulls_of(column);
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let mut put = |row: usize, cursor: &mut usize, value: &[u8]| {
        if valid(row) {
            bytes[*cursor..*cursor + 4].copy_from_slice(&(value.len() as u32).to_le_bytes());
            bytes[*cursor + 4..*cursor + 4 + value.len()].copy_from_slice(value);
            *cursor += 4 + value.len();
        }
    };
    match (cell, nested) {
        (_, Some(rows)) => {
            for (row, cursor) in cursors.iter_mut().enumerate() {
                put(row, cursor, rows.row(row));
            }
        }
        (Cell::Bytes, _) => {
            let (offsets, values) = (bytes_offsets(column), bytes_values(column));
            for (row, cursor) in cursors.iter_mut().enumerate() {
                put(row, cursor, &values[offsets[row] as usize..offsets[row + 1] as usize]);
            }
        }
        (Cell::Boolean, _) => {
            let values = column.as_boolean();
            for (row, cursor) in cursors.iter_mut().enumerate() {
                if valid(row) {
                    bytes[*cursor] = u8::from(values.value(row));
                    *cursor += 1;
                }
            }
        }
        (Cell::Fixed(width), _) => {
            let data = column.to_data();
            let values = &data.buffers()[0].as_slice()[data.offset() * width..];
            let nulls = nulls.as_ref();
            match width {
                1 => write_fixed::<1>(values, nulls, cursors, bytes),
                2 => write_fixed::<2>(values, nulls, cursors, bytes),
                4 => write_fixed::<4>(values, nulls, cursors, bytes),
                8 => write_fixed::<8>(values, nulls, cursors, bytes),
                16 => write_fixed::<16>(values, nulls, cursors, bytes),
                _ => write_fixed::<32>(values, nulls, cursors, bytes),
            }
        }
        _ => {}
    }
}

fn take_bytes<'a>(row: &'a [u8], cursor: &mut usize, length: usize) -> Result<&'a [u8]> {
    let end = cursor.checked_add(length).ok_or_else(cut_off)?;
    let bytes = row.get(*cursor..end).ok_or_else(cut_off)?;
    *cursor = end;
    Ok(bytes)
}

fn take_length(row: &[u8], cursor: &mut usize) -> Result<usize> {
    let bytes = take_bytes(row, cursor, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}

fn read_cells(
    cell: &Cell,
    data_type: &DataType,
    rows: &[Option<&[u8]>],
    valid: &[bool],
    cursors: &mut [usize],
) -> Result<ArrayRef> {
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.to_vec()));
    // The bytes behind a length, for each row.
    let mut delimited = || -> Result<Vec<Option<&[u8]>>> {
        rows.iter()
            .zip(valid)
            .zip(cursors.iter_mut())
            .map(|((row, valid), cursor)| match row {
                Some(row) if *valid => {
                    let length = take_length(row, cursor)?;
                    take_bytes(row, cursor, length).map(Some)
                }
                _ => Ok(None),
            })
            .collect()
    };
    match cell {
        Cell::Null => Ok(Arc::new(NullArray::new(rows.len()))),
        Cell::Boolean => {
            let mut values = BooleanBufferBuilder::new(rows.len());
            for ((row, valid), cursor) in rows.iter().zip(valid).zip(cursors) {
                values.append(match row {
                    Some(row) if *valid => take_bytes(row, cursor, 1)?[0] != 0,
                    _ => false,
                });
            }
            Ok(Arc::new(BooleanArray::new(values.finish(), nulls)))
        }
        Cell::Fixed(width) => {
            let mut values = MutableBuffer::from_len_zeroed(rows.len() * width);
            let places = values.as_slice_mut().chunks_exact_mut(*width);
            for (((row, valid), cursor), place) in rows.iter().zip(valid).zip(cursors).zip(places) {
                if let (Some(row), true) = (row, *valid) {
                    place.copy_from_slice(take_bytes(row, cursor, *width)?);
                }
            }
            let data = ArrayData::builder(data_type.clone())
                .len(rows.len())
                .add_buffer(values.into())
                .nulls(nulls)
                .build()
                .map_err(arrow_bug)?;
            Ok(make_array(data))
        }
        Cell::Bytes => {
            let mut values = Vec::new();
            let mut offsets: Vec<i32> = vec![0];
            for bytes in delimited()? {
                values.extend_from_slice(bytes.unwrap_or_default());
                offsets.push(i32::try_from(values.len()).map_err(|_| {
                    Error::data("a batch holds more than 2 GiB of text")
                        .advice("use smaller batches, or shorter values")
                })?);
            }
            let data = ArrayData::builder(data_type.clone())
                .len(rows.len())
                .add_buffer(Buffer::from_vec(offsets))
                .add_buffer(Buffer::from_vec(values))
                .nulls(nulls)
                .build()
                .map_err(|e| Error::corrupt(format!("a stored text is damaged: {e}")))?;
            Ok(make_array(data))
        }
        Cell::List(field, codec) => {
            let (offsets, elements) = read_lists(&delimited()?)?;
            let values = codec.decode(elements.into_iter().map(Some))?;
            let values = values.into_iter().next().ok_or_else(cut_off)?;
            let list = ListArray::try_new(field.clone(), offsets, values, nulls);
            Ok(Arc::new(list.map_err(arrow_bug)?))
        }
        Cell::Map(field, sorted, codec) => {
            let (offsets, elements) = read_lists(&delimited()?)?;
            let count = elements.len();
            let columns = codec.decode(elements.into_iter().map(Some))?;
            let DataType::Struct(fields) = field.data_type() else { return Err(cut_off()) };
            let entries = StructArray::try_new_with_length(fields.clone(), columns, None, count)
                .map_err(arrow_bug)?;
            let map = MapArray::try_new(field.clone(), offsets, entries, nulls, *sorted);
            Ok(Arc::new(map.map_err(arrow_bug)?))
        }
        Cell::Struct(fields, codec) => {
            let columns = codec.decode(delimited()?)?;
            let rows = StructArray::try_new_with_length(fields.clone(), columns, nulls, rows.len());
            Ok(Arc::new(rows.map_err(arrow_bug)?))
        }
    }
}

/// The elements of all lists, one behind the other.
fn read_lists<'a>(lists: &[Option<&'a [u8]>]) -> Result<(OffsetBuffer<i32>, Vec<&'a [u8]>)> {
    let mut elements = Vec::new();
    let mut lengths = Vec::with_capacity(lists.len());
    for list in lists {
        let before = elements.len();
        if let Some(list) = list {
            let mut cursor = 0;
            for _ in 0..take_length(list, &mut cursor)? {
                let length = take_length(list, &mut cursor)?;
                elements.push(take_bytes(list, &mut cursor, length)?);
            }
        }
        lengths.push(elements.len() - before);
    }
    Ok((OffsetBuffer::from_lengths(lengths), elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;
    use crate::value::{Value, array_of};

    fn round_trip(columns: Vec<ArrayRef>) {
        let rows = columns[0].len();
        let codec = RowCodec::of_arrays(&columns).unwrap();
        let encoded = codec.encode(&columns, rows).unwrap();
        let back = codec.decode(encoded.iter().map(Some)).unwrap();
        assert_eq!(back, columns);
        // Slices are encoded as what they show.
        let sliced: Vec<ArrayRef> = columns.iter().map(|c| c.slice(1, rows - 1)).collect();
        let again = codec.encode(&sliced, rows - 1).unwrap();
        for row in 1..rows {
            assert_eq!(again.row(row - 1), encoded.row(row));
        }
        let padded = codec.decode([Some(encoded.row(0)), None]).unwrap();
        assert!(padded.iter().all(|column| column.is_null(1)));
    }

    #[test]
    fn rows_of_all_types_come_back() {
        let int = SqlType::int();
        let list = SqlType::array(SqlType::string());
        let map = SqlType::map(SqlType::string().not_null(), SqlType::bigint());
        let row = SqlType::row([("a", SqlType::int()), ("b", SqlType::string())]);
        let columns = [
            (int, vec![Value::Int(1), Value::Null, Value::Int(-3)]),
            (SqlType::string(), vec![Value::text("x"), Value::text(""), Value::Null]),
            (SqlType::boolean(), vec![Value::Null, Value::Boolean(true), Value::Boolean(false)]),
            (SqlType::decimal(10, 2), vec![Value::Decimal(150), Value::Decimal(-1), Value::Null]),
            (SqlType::timestamp(3), vec![Value::Timestamp(5), Value::Null, Value::Timestamp(-1)]),
            (
                list,
                vec![
                    Value::Array(vec![Value::text("p"), Value::Null]),
                    Value::Null,
                    Value::Array(vec![]),
                ],
            ),
            (
                map,
                vec![
                    Value::Map(vec![(Value::text("k"), Value::Int(4))]),
                    Value::Map(vec![]),
                    Value::Null,
                ],
            ),
            (
                row,
                vec![
                    Value::Row(vec![Value::Int(1), Value::Null]),
                    Value::Null,
                    Value::Row(vec![Value::Null, Value::text("z")]),
                ],
            ),
        ];
        round_trip(columns.iter().map(|(ty, values)| array_of(values, ty).unwrap()).collect());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let codec = RowCodec::new([DataType::Int64, DataType::Utf8]).unwrap();
        for bytes in [&[][..], &[0, 1, 2], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, b'x']] {
            assert!(codec.decode([Some(bytes)]).is_err());
        }
    }
}
