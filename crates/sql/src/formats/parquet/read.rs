//! Files to columns: what the file has, made to what the table says.
//!
//! Invariant: an array that leaves here has the Arrow type of its column, whatever the file
//! has; what does not fit is an error with the column's name.

use super::{Parquet, broken};
use crate::decimal;
use crate::formats::{BulkReader, FormatColumn};
use crate::types::{SqlType, TypeKind, element_field, row_fields, time_unit};
use crate::value::new_map;
use crate::zone::Zone;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::basic::Type as PhysicalType;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, Decimal128Array, Int64Array, ListArray,
    PrimitiveArray, StringArray, StructArray, new_null_array,
};
use arrow_schema::{DataType, TimeUnit};
use millstream_core::{Error, Result};
use std::fs::File;
use std::sync::Arc;

pub(super) struct Reader {
    batches: ParquetRecordBatchReader,
    /// For each column that is wanted: its name, its type, its place in the batches.
    columns: Vec<(String, SqlType, Option<usize>)>,
    times: Times,
}

/// How points in time are read.
#[derive(Clone, Copy)]
struct Times {
    zone: Zone,
    /// Whether what has no zone is an instant: INT96.
    instants: bool,
}

impl Reader {
    pub(super) fn open(
        format: &Parquet,
        file: File,
        columns: &[FormatColumn],
        skip: u64,
    ) -> Result<Self> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options);
        let builder = builder.map_err(broken)?;
        let fields = builder.schema().fields().clone();
        let mut roots: Vec<usize> = vec![];
        let wanted = columns.iter().filter(|c| c.wanted);
        let found = wanted.map(|c| (c, fields.iter().position(|f| *f.name() == c.name)));
        let found: Vec<(&FormatColumn, Option<usize>)> = found.collect();
        roots.extend(found.iter().filter_map(|(_, root)| *root));
        roots.sort_unstable();
        let place = |root: usize| roots.binary_search(&root).ok();
        let schema = builder.parquet_schema();
        let instants = schema.columns().iter().any(|c| c.physical_type() == PhysicalType::INT96);
        let columns =
            found.iter().map(|(c, root)| (c.name.clone(), c.ty.clone(), root.and_then(place)));
        let columns = columns.collect();
        let mask = ProjectionMask::roots(schema, roots.iter().copied());
        let mut builder = builder.with_projection(mask).with_batch_size(format.batch_rows);
        if skip > 0 {
            builder = builder.with_offset(usize::try_from(skip).unwrap_or(usize::MAX));
        }
        let times = Times { zone: format.zone, instants };
        Ok(Reader { batches: builder.build().map_err(broken)?, columns, times })
    }
}

impl BulkReader for Reader {
    fn next(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = batch.map_err(|e| broken(e.into()))?;
        let column = |(name, ty, place): &(String, SqlType, Option<usize>)| {
            let Some(array) = place.and_then(|place| batch.columns().get(place)) else {
                return Ok(new_null_array(&ty.arrow(), batch.num_rows()));
            };
            conform(array, ty, self.times).map_err(|e| e.at(format!("column '{name}'")))
        };
        let columns = self.columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Some((columns, batch.num_rows())))
    }
}

fn misfit(array: &dyn Array, ty: &SqlType) -> Error {
    Error::data(format!("the file has {}, which cannot be read as {ty}", array.data_type()))
        .advice("declare the column with the type that belongs to it")
}

/// Whole numbers of any width.
fn integers(array: &ArrayRef) -> Option<Int64Array> {
    macro_rules! widen {
        ($t:ty) => {
            array.as_primitive::<$t>().unary::<_, Int64Type>(|v| i64::from(v))
        };
    }
    Some(match array.data_type() {
        DataType::Int8 => widen!(Int8Type),
        DataType::Int16 => widen!(Int16Type),
        DataType::Int32 => widen!(Int32Type),
        DataType::UInt8 => widen!(UInt8Type),
        DataType::UInt16 => widen!(UInt16Type),
        DataType::UInt32 => widen!(UInt32Type),
        DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
        _ => return None,
    })
}

fn narrow<T: ArrowPrimitiveType>(array: &ArrayRef, ty: &SqlType) -> Result<ArrayRef>
where
    T::Native: TryFrom<i64>,
{
    let values = integers(array).ok_or_else(|| misfit(array, ty))?;
    let made: PrimitiveArray<T> = values.try_unary(|value| {
        T::Native::try_from(value)
            .map_err(|_| Error::data(format!("{value} is outside the range of {}", ty.base_text())))
    })?;
    Ok(Arc::new(made))
}

/// The same values as an array of the type.
fn conform(array: &ArrayRef, ty: &SqlType, times: Times) -> Result<ArrayRef> {
    use DataType as D;
    use TypeKind as K;
    let from = array.data_type();
    Ok(match (from, &ty.kind) {
        (D::Boolean, K::Boolean)
        | (D::Utf8, K::Char(_) | K::Varchar(_))
        | (D::Binary, K::Binary(_) | K::Varbinary(_))
        | (D::Float32, K::Float)
        | (D::Float64, K::Double)
        | (D::Date32, K::Date) => Arc::clone(array),
        (D::Int32, K::Int) | (D::Int64, K::BigInt) => Arc::clone(array),
        (_, K::TinyInt) => narrow::<Int8Type>(array, ty)?,
        (_, K::SmallInt) => narrow::<Int16Type>(array, ty)?,
        (_, K::Int) => narrow::<Int32Type>(array, ty)?,
        (_, K::BigInt) => narrow::<Int64Type>(array, ty)?,
        (D::Float32, K::Double) => {
            let floats = array.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float64Type>(f64::from))
        }
        (D::Binary, K::Char(_) | K::Varchar(_)) => {
            let bytes = array.as_binary::<i32>().clone();
            let text = StringArray::try_from_binary(bytes);
            Arc::new(text.map_err(|_| Error::data("bytes that are no UTF-8"))?)
        }
        (D::Utf8, K::Binary(_) | K::Varbinary(_)) => {
            Arc::new(BinaryArray::from(array.as_string::<i32>().clone()))
        }
        (D::FixedSizeBinary(_), K::Binary(_) | K::Varbinary(_)) => {
            let fixed = array.as_fixed_size_binary();
            Arc::new(fixed.iter().collect::<BinaryArray>())
        }
        (_, K::Decimal { precision, scale }) => decimals(array, ty, *precision, *scale)?,
        (D::Time32(TimeUnit::Millisecond), K::Time(_)) => Arc::clone(array),
        (D::Time64(unit), K::Time(_)) => {
            let values = match unit {
                TimeUnit::Microsecond => {
                    array.as_primitive::<Time64MicrosecondType>().unary(|v| (v / 1000) as i32)
                }
                _ => array
                    .as_primitive::<Time64NanosecondType>()
                    .unary::<_, Time32MillisecondType>(|v| (v / 1_000_000) as i32),
            };
            Arc::new(values)
        }
        (D::Timestamp(unit, zone), K::Timestamp(_) | K::TimestampLtz(_)) => {
            timestamps(array, *unit, zone.is_some() || times.instants, ty, times.zone)?
        }
        (D::List(_), K::Array(item)) => {
            let (_, offsets, items, nulls) = array.as_list::<i32>().clone().into_parts();
            let items = conform(&items, item, times)?;
            Arc::new(ListArray::new(element_field(item), offsets, items, nulls))
        }
        (D::Map(..), K::Map(key, value)) => map(array, key, value, times)?,
        (D::Map(..), K::Multiset(key)) => map(array, key, &SqlType::int().not_null(), times)?,
        (D::Struct(fields), K::Row(wanted)) => {
            let rows = array.as_struct();
            let field = |field: &crate::types::RowField| match fields
                .iter()
                .position(|f| *f.name() == field.name)
            {
                None => Ok(new_null_array(&field.ty.arrow(), rows.len())),
                Some(at) => conform(rows.column(at), &field.ty, times)
                    .map_err(|e| e.at(format!("field '{}'", field.name))),
            };
            let columns = wanted.iter().map(field).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::new(row_fields(wanted), columns, rows.nulls().cloned()))
        }
        _ => return Err(misfit(array, ty)),
    })
}

fn map(array: &ArrayRef, key: &SqlType, value: &SqlType, times: Times) -> Result<ArrayRef> {
    let (_, offsets, entries, nulls, _) = array.as_map().clone().into_parts();
    let keys = conform(entries.column(0), key, times)?;
    let values = conform(entries.column(1), value, times)?;
    Ok(Arc::new(new_map(key, value, offsets, keys, values, nulls)))
}

/// Decimals of other digits, and whole numbers as decimals; NULL where there are too many
/// digits, as in Flink.
fn decimals(array: &ArrayRef, ty: &SqlType, precision: u8, scale: u8) -> Result<ArrayRef> {
    let (values, from_scale): (Decimal128Array, u8) = match array.data_type() {
        DataType::Decimal128(p, s) if (*p, *s) == (precision, scale as i8) => {
            return Ok(Arc::clone(array));
        }
        DataType::Decimal128(_, s) if *s >= 0 => {
            (array.as_primitive::<Decimal128Type>().clone(), *s as u8)
        }
        _ => {
            let integers = integers(array).ok_or_else(|| misfit(array, ty))?;
            (integers.unary::<_, Decimal128Type>(i128::from), 0)
        }
    };
    let made: Decimal128Array =
        values.unary_opt(|value| decimal::rescale(value, from_scale, precision, scale));
    Ok(Arc::new(made.with_data_type(ty.arrow())))
}

/// Points in time in the unit of the type. An instant for a TIMESTAMP is read as local time,
/// local time for a TIMESTAMP_LTZ as the instant.
fn timestamps(
    array: &ArrayRef,
    unit: TimeUnit,
    instant: bool,
    ty: &SqlType,
    zone: Zone,
) -> Result<ArrayRef> {
    macro_rules! raw {
        ($t:ty) => {{
            let array = array.as_primitive::<$t>();
            Int64Array::new(array.values().clone(), array.nulls().cloned())
        }};
    }
    let values = match unit {
        TimeUnit::Second => raw!(TimestampSecondType),
        TimeUnit::Millisecond => raw!(TimestampMillisecondType),
        TimeUnit::Microsecond => raw!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => raw!(TimestampNanosecondType),
    };
    let (TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) = ty.kind else {
        return Err(misfit(array, ty));
    };
    let local = matches!(ty.kind, TypeKind::Timestamp(_));
    let from = crate::text::units_per_second(unit);
    let to = crate::text::units_per_second(time_unit(p));
    let moves = local == instant && zone != Zone::UTC;
    let values: Int64Array = values.try_unary(|value| {
        let value = match from > to {
            true => Some(value.div_euclid(from / to)),
            false => value.checked_mul(to / from),
        };
        let value = value.ok_or_else(|| {
            Error::data("a timestamp that the unit of the column does not reach")
                .advice("declare the column with fewer digits of a second")
        })?;
        if !moves {
            return Ok(value);
        }
        // A part of a millisecond moves with it.
        let ms = value.div_euclid(to / 1000);
        let moved = if local { zone.to_local_ms(ms) } else { zone.to_instant_ms(ms) };
        Ok::<i64, Error>(value.saturating_add((moved - ms).saturating_mul(to / 1000)))
    })?;
    Ok(crate::stamps::as_timestamps(values, ty))
}
