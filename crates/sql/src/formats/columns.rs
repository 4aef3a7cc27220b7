//! Columns under construction, which can be cut back to a former length.
//!
//! Behind every decoder and generator. Arrow's own builders cannot forget what was
//! appended; these can, because a message may turn out to be bad in the middle.
//!
//! Invariant: all columns of a [`Rows`] have as many entries as it has kinds, whenever no
//! message is being decoded.

use crate::runtime::{ChangeBatch, ChangeKind};
use crate::types::{SqlType, TypeKind, element_field, row_fields, time_unit};
use crate::value::new_map;
use arrow_array::types::*;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, ListArray, NullArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{SchemaRef, TimeUnit};
use millstream_core::{Error, Result};
use std::sync::Arc;

/// A column under construction.
pub(crate) struct Column {
    ty: SqlType,
    nulls: NullBufferBuilder,
    data: Data,
}

enum Data {
    Null,
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    /// Text and bytes.
    Bytes {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    List {
        offsets: Vec<i32>,
        items: Box<Column>,
    },
    Map {
        offsets: Vec<i32>,
        keys: Box<Column>,
        values: Box<Column>,
    },
    Row(Vec<Column>),
}

/// The most bytes of text that one column of a batch holds: what 32-bit offsets reach.
const MAX_BYTES: usize = i32::MAX as usize;

impl Column {
    pub(crate) fn new(ty: &SqlType) -> Self {
        let column = |ty: &SqlType| Box::new(Column::new(ty));
        let data = match &ty.kind {
            TypeKind::Null => Data::Null,
            TypeKind::Boolean => Data::Bool(vec![]),
            TypeKind::TinyInt => Data::I8(vec![]),
            TypeKind::SmallInt => Data::I16(vec![]),
            TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalYearMonth => {
                Data::I32(vec![])
            }
            TypeKind::BigInt
            | TypeKind::Timestamp(_)
            | TypeKind::TimestampLtz(_)
            | TypeKind::IntervalDaySecond => Data::I64(vec![]),
            TypeKind::Float => Data::F32(vec![]),
            TypeKind::Double => Data::F64(vec![]),
            TypeKind::Decimal { .. } => Data::I128(vec![]),
            TypeKind::Char(_)
            | TypeKind::Varchar(_)
            | TypeKind::Binary(_)
            | TypeKind::Varbinary(_) => Data::Bytes { offsets: vec![0], bytes: vec![] },
            TypeKind::Array(item) => Data::List { offsets: vec![0], items: column(item) },
            TypeKind::Multiset(key) => {
                Data::Map { offsets: vec![0], keys: column(key), values: column(&SqlType::int()) }
            }
            TypeKind::Map(key, value) => {
                Data::Map { offsets: vec![0], keys: column(key), values: column(value) }
            }
            TypeKind::Row(fields) => Data::Row(fields.iter().map(|f| Column::new(&f.ty)).collect()),
        };
        Column { ty: ty.clone(), nulls: NullBufferBuilder::new(0), data }
    }

    pub(crate) fn ty(&self) -> &SqlType {
        &self.ty
    }
    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(crate) fn push_null(&mut self) {
        self.nulls.append_null();
        self.push_gap();
    }
    /// What stands in the place of a value that is NULL.
    fn push_gap(&mut self) {
        match &mut self.data {
            Data::Null => {}
            Data::Bool(v) => v.push(false),
            Data::I8(v) => v.push(0),
            Data::I16(v) => v.push(0),
            Data::I32(v) => v.push(0),
            Data::I64(v) => v.push(0),
            Data::F32(v) => v.push(0.0),
            Data::F64(v) => v.push(0.0),
            Data::I128(v) => v.push(0),
            Data::Bytes { offsets, .. }
            | Data::List { offsets, .. }
            | Data::Map { offsets, .. } => offsets.push(offsets.last().copied().unwrap_or(0)),
            Data::Row(fields) => fields.iter_mut().for_each(Column::push_null),
        }
    }

    /// Forgets all entries from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.nulls.len() {
            self.nulls.truncate(len);
        }
        self.truncate_open(len);
    }
    /// Also what was put into a collection that was never closed.
    fn truncate_open(&mut self, len: usize) {
        let end = |offsets: &[i32]| offsets.last().copied().unwrap_or(0).max(0) as usize;
        match &mut self.data {
            Data::Null => {}
            Data::Bool(v) => v.truncate(len),
            Data::I8(v) => v.truncate(len),
            Data::I16(v) => v.truncate(len),
            Data::I32(v) => v.truncate(len),
            Data::I64(v) => v.truncate(len),
            Data::F32(v) => v.truncate(len),
            Data::F64(v) => v.truncate(len),
            Data::I128(v) => v.truncate(len),
            Data::Bytes { offsets, bytes } => {
                offsets.truncate(len + 1);
                bytes.truncate(end(offsets));
            }
            Data::List { offsets, items } => {
                offsets.truncate(len + 1);
                items.truncate(end(offsets));
            }
            Data::Map { offsets, keys, values } => {
                offsets.truncate(len + 1);
                keys.truncate(end(offsets));
                values.truncate(end(offsets));
            }
            Data::Row(fields) => fields.iter_mut().for_each(|f| f.truncate(len)),
        }
    }

    pub(crate) fn push_bool(&mut self, value: bool) -> Result<()> {
        match &mut self.data {
            Data::Bool(v) => v.push(value),
            _ => return Err(self.wrong("a BOOLEAN")),
        }
        self.nulls.append_non_null();
        Ok(())
    }
    /// A whole number: integers, DATE in days, TIME in milliseconds, timestamps in the unit
    /// of the type, intervals.
    pub(crate) fn push_int(&mut self, value: i64) -> Result<()> {
        let outside = || Error::data(format!("{value} is outside the range"));
        match &mut self.data {
            Data::I8(v) => v.push(i8::try_from(value).map_err(|_| outside())?),
            Data::I16(v) => v.push(i16::try_from(value).map_err(|_| outside())?),
            Data::I32(v) => v.push(i32::try_from(value).map_err(|_| outside())?),
            Data::I64(v) => v.push(value),
            _ => return Err(self.wrong("a whole number")),
        }
        self.nulls.append_non_null();
        Ok(())
    }
    pub(crate) fn push_float(&mut self, value: f64) -> Result<()> {
        match &mut self.data {
            Data::F32(v) => v.push(value as f32),
            Data::F64(v) => v.push(value),
            _ => return Err(self.wrong("a floating number")),
        }
        self.nulls.append_non_null();
        Ok(())
    }
    /// A DECIMAL, as a whole number of its last digit.
    pub(crate) fn push_decimal(&mut self, value: i128) -> Result<()> {
        match &mut self.data {
            Data::I128(v) => v.push(value),
            _ => return Err(self.wrong("a DECIMAL")),
        }
        self.nulls.append_non_null();
        Ok(())
    }
    /// Text, or bytes for a binary type.
    pub(crate) fn push_bytes(&mut self, value: &[u8]) -> Result<()> {
        match &mut self.data {
            Data::Bytes { offsets, bytes } => {
                if bytes.len() + value.len() > MAX_BYTES {
                    return Err(Error::data("a batch has more than 2 GiB of text in a column"));
                }
                bytes.extend_from_slice(value);
                offsets.push(bytes.len() as i32);
            }
            _ => return Err(self.wrong("text or bytes")),
        }
        self.nulls.append_non_null();
        Ok(())
    }
    /// The elements of the ARRAY that is being made; [`close`](Self::close) ends it.
    pub(crate) fn items(&mut self) -> Result<&mut Column> {
        match &mut self.data {
            Data::List { items, .. } => Ok(items),
            _ => Err(Error::bug(format!("an ARRAY where {} is expected", self.ty))),
        }
    }
    /// The keys and values of the MAP that is being made; [`close`](Self::close) ends it.
    pub(crate) fn entries(&mut self) -> Result<(&mut Column, &mut Column)> {
        match &mut self.data {
            Data::Map { keys, values, .. } => Ok((keys, values)),
            _ => Err(Error::bug(format!("a MAP where {} is expected", self.ty))),
        }
    }
    /// The fields of the ROW that is being made; [`close`](Self::close) ends it.
    pub(crate) fn fields(&mut self) -> Result<&mut [Column]> {
        match &mut self.data {
            Data::Row(fields) => Ok(fields),
            _ => Err(Error::bug(format!("a ROW where {} is expected", self.ty))),
        }
    }
    /// Ends the ARRAY, MAP or ROW whose parts have been pushed; fields of a ROW that were
    /// not are NULL.
    pub(crate) fn close(&mut self) -> Result<()> {
        let len = self.nulls.len() + 1;
        let too_many = || Error::data("a batch has too many elements in a column");
        match &mut self.data {
            Data::List { offsets, items } => {
                offsets.push(i32::try_from(items.len()).map_err(|_| too_many())?);
            }
            Data::Map { offsets, keys, values } => {
                while values.len() < keys.len() {
                    values.push_null();
                }
                offsets.push(i32::try_from(keys.len()).map_err(|_| too_many())?);
            }
            Data::Row(fields) => {
                for field in fields {
                    if field.len() < len {
                        field.push_null();
                    }
                }
            }
            _ => return Err(self.wrong("a collection")),
        }
        self.nulls.append_non_null();
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::bug(format!("{what} was pushed to a column of type {}", self.ty))
    }

    /// The array of what was pushed; the column is empty again.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        fn primitive<T: ArrowPrimitiveType>(
            values: &mut Vec<T::Native>,
            nulls: Option<arrow_buffer::NullBuffer>,
        ) -> PrimitiveArray<T> {
            let next = Vec::with_capacity(values.len());
            PrimitiveArray::new(ScalarBuffer::from(std::mem::replace(values, next)), nulls)
        }
        fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
            let mut next = Vec::with_capacity(offsets.len());
            next.push(0);
            OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, next)))
        }
        let rows = self.nulls.len();
        let nulls = self.nulls.finish();
        let array: ArrayRef = match &mut self.data {
            Data::Null => Arc::new(NullArray::new(rows)),
            Data::Bool(v) => {
                let values = std::mem::take(v);
                Arc::new(BooleanArray::new(values.into(), nulls))
            }
            Data::I8(v) => Arc::new(primitive::<Int8Type>(v, nulls)),
            Data::I16(v) => Arc::new(primitive::<Int16Type>(v, nulls)),
            Data::I32(v) => match &self.ty.kind {
                TypeKind::Date => Arc::new(primitive::<Date32Type>(v, nulls)),
                TypeKind::Time(_) => Arc::new(primitive::<Time32MillisecondType>(v, nulls)),
                TypeKind::IntervalYearMonth => {
                    Arc::new(primitive::<IntervalYearMonthType>(v, nulls))
                }
                _ => Arc::new(primitive::<Int32Type>(v, nulls)),
            },
            Data::I64(v) => match &self.ty.kind {
                TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
                    let ty = self.ty.arrow();
                    match time_unit(*p) {
                        TimeUnit::Microsecond => Arc::new(
                            primitive::<TimestampMicrosecondType>(v, nulls).with_data_type(ty),
                        ),
                        TimeUnit::Nanosecond => Arc::new(
                            primitive::<TimestampNanosecondType>(v, nulls).with_data_type(ty),
                        ),
                        _ => Arc::new(
                            primitive::<TimestampMillisecondType>(v, nulls).with_data_type(ty),
                        ),
                    }
                }
                TypeKind::IntervalDaySecond => {
                    Arc::new(primitive::<DurationMillisecondType>(v, nulls))
                }
                _ => Arc::new(primitive::<Int64Type>(v, nulls)),
            },
            Data::F32(v) => Arc::new(primitive::<Float32Type>(v, nulls)),
            Data::F64(v) => Arc::new(primitive::<Float64Type>(v, nulls)),
            Data::I128(v) => {
                let array: Decimal128Array = primitive::<Decimal128Type>(v, nulls);
                Arc::new(array.with_data_type(self.ty.arrow()))
            }
            Data::Bytes { offsets, bytes } => {
                let offsets = take_offsets(offsets);
                let next = Vec::with_capacity(bytes.len());
                let bytes = Buffer::from_vec(std::mem::replace(bytes, next));
                match &self.ty.kind {
                    TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                        Arc::new(BinaryArray::new(offsets, bytes, nulls))
                    }
                    _ => {
                        let array = StringArray::try_new(offsets, bytes, nulls);
                        Arc::new(array.map_err(|_| Error::bug("text that is no UTF-8"))?)
                    }
                }
            }
            Data::List { offsets, items } => {
                let field = match &self.ty.kind {
                    TypeKind::Array(item) => element_field(item),
                    _ => return Err(Error::bug("a list that is no ARRAY")),
                };
                Arc::new(ListArray::new(field, take_offsets(offsets), items.finish()?, nulls))
            }
            Data::Map { offsets, keys, values } => {
                let (key, value) = (keys.ty.clone(), values.ty.clone());
                let value = match &self.ty.kind {
                    TypeKind::Multiset(_) => SqlType::int().not_null(),
                    _ => value,
                };
                let offsets = take_offsets(offsets);
                Arc::new(new_map(&key, &value, offsets, keys.finish()?, values.finish()?, nulls))
            }
            Data::Row(fields) => {
                let arrays = fields.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
                match &self.ty.kind {
                    TypeKind::Row(types) if !types.is_empty() => {
                        Arc::new(StructArray::new(row_fields(types), arrays, nulls))
                    }
                    _ => Arc::new(StructArray::new_empty_fields(rows, nulls)),
                }
            }
        };
        Ok(array)
    }
}

/// Rows under construction: the columns that are wanted, and the kind of each row.
pub(crate) struct Rows {
    schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    kinds: Vec<ChangeKind>,
    plain: bool,
}

impl Rows {
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = (&'a str, &'a SqlType)>) -> Self {
        let (mut fields, mut builders) = (vec![], vec![]);
        for (name, ty) in columns {
            fields.push(ty.arrow_field(name).with_nullable(true));
            builders.push(Column::new(ty));
        }
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        Rows { schema, columns: builders, kinds: vec![], plain: true }
    }
    /// Number of whole rows.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }
    /// Ends a row: every column has got its value.
    pub(crate) fn end_row(&mut self, kind: ChangeKind) {
        self.plain &= kind == ChangeKind::Insert;
        self.kinds.push(kind);
    }
    /// Gives the rows from `from` on another kind.
    #[cfg(feature = "kafka")]
    pub(crate) fn set_kind(&mut self, from: usize, kind: ChangeKind) {
        self.kinds.iter_mut().skip(from).for_each(|k| *k = kind);
        self.plain &= kind == ChangeKind::Insert;
    }
    /// Forgets all from row `len` on, and what was pushed of a row that did not end.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.kinds.truncate(len);
        self.columns.iter_mut().for_each(|c| c.truncate(len));
    }
    /// Everything so far as a batch; no row is left.
    pub(crate) fn finish(&mut self) -> Result<ChangeBatch> {
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let kinds = std::mem::take(&mut self.kinds);
        let rows = kinds.len();
        let kinds = (!std::mem::replace(&mut self.plain, true)).then_some(kinds);
        ChangeBatch::from_columns(Arc::clone(&self.schema), columns, rows, kinds)
    }
}
