//! Arrow columns as slices of few native types, and back.
//!
//! Integers, dates, times, timestamps and intervals are `i64`; FLOAT and DOUBLE are `f64`, or
//! `i64` in the same order where only order counts; DECIMAL is `i128`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use millstream_core::{Error, Result};

/// How values of a type are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// `i64`.
    Integer,
    /// `f64`; `single`: of FLOAT.
    Float {
        /// FLOAT.
        single: bool,
    },
    /// `i128`.
    Decimal,
    /// Text and bytes.
    Bytes,
}

/// How values of a type are held; `None` for nested types.
pub fn native_of(data_type: &DataType) -> Option<Native> {
    Some(match data_type {
        DataType::Float32 => Native::Float { single: true },
        DataType::Float64 => Native::Float { single: false },
        DataType::Decimal128(..) => Native::Decimal,
        DataType::Utf8 | DataType::Binary => Native::Bytes,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Interval(IntervalUnit::YearMonth) => Native::Integer,
        _ => return None,
    })
}

fn unexpected(array: &dyn Array) -> Error {
    Error::bug(format!("an aggregate got a column of {}", array.data_type()))
}

/// The bits of a float as an integer that sorts as Java's `Double.compare`.
#[inline]
pub fn float_order(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The float of [`float_order`].
#[inline]
pub fn float_of_order(order: i64) -> f64 {
    f64::from_bits((order ^ (((order >> 63) as u64) >> 1) as i64) as u64)
}

fn widened<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<Cow<'_, [i64]>>
where
    T::Native: Into<i64>,
{
    let values = array.as_primitive_opt::<T>().ok_or_else(|| unexpected(array))?.values();
    Ok(Cow::Owned(values.iter().map(|v| (*v).into()).collect()))
}

fn borrowed<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> Result<Cow<'_, [i64]>> {
    Ok(Cow::Borrowed(array.as_primitive_opt::<T>().ok_or_else(|| unexpected(array))?.values()))
}

/// Values that keep their order as `i64`: all that are [`Native::Integer`], and floats.
///
/// # Errors
/// Bug: the column is of another type.
pub fn ordered_integers(array: &ArrayRef) -> Result<Cow<'_, [i64]>> {
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            Ok(Cow::Owned((0..values.len()).map(|i| i64::from(values.value(i))).collect()))
        }
        DataType::Int8 => widened::<Int8Type>(array),
        DataType::Int16 => widened::<Int16Type>(array),
        DataType::Int32 => widened::<Int32Type>(array),
        DataType::Int64 => borrowed::<Int64Type>(array),
        DataType::Date32 => widened::<Date32Type>(array),
        DataType::Time32(_) => widened::<Time32MillisecondType>(array),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            borrowed::<TimestampMillisecondType>(array)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            borrowed::<TimestampMicrosecondType>(array)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => borrowed::<TimestampNanosecondType>(array),
        DataType::Duration(TimeUnit::Millisecond) => borrowed::<DurationMillisecondType>(array),
        DataType::Interval(IntervalUnit::YearMonth) => widened::<IntervalYearMonthType>(array),
        DataType::Float32 | DataType::Float64 => {
            Ok(Cow::Owned(floats(array)?.iter().map(|v| float_order(*v)).collect()))
        }
        _ => Err(unexpected(array)),
    }
}

/// FLOAT and DOUBLE.
///
/// # Errors
/// Bug: the column is of another type.
pub fn floats(array: &ArrayRef) -> Result<Cow<'_, [f64]>> {
    match array.data_type() {
        DataType::Float64 => Ok(Cow::Borrowed(array.as_primitive::<Float64Type>().values())),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            Ok(Cow::Owned(values.iter().map(|v| f64::from(*v)).collect()))
        }
        _ => Err(unexpected(array)),
    }
}

/// DECIMAL.
///
/// # Errors
/// Bug: the column is of another type.
pub fn decimals(array: &ArrayRef) -> Result<&[i128]> {
    Ok(array.as_primitive_opt::<Decimal128Type>().ok_or_else(|| unexpected(array))?.values())
}

/// Text or bytes in one row.
///
/// # Errors
/// Bug: the column is of another type.
pub fn bytes_at(array: &ArrayRef, row: usize) -> Result<&[u8]> {
    match array.as_string_opt::<i32>() {
        Some(text) => Ok(text.value(row).as_bytes()),
        None => Ok(array.as_binary_opt::<i32>().ok_or_else(|| unexpected(array))?.value(row)),
    }
}

/// NULL where there is `None`.
pub fn nulls_of<T>(values: &[Option<T>]) -> Option<NullBuffer> {
    let any = values.iter().any(Option::is_none);
    any.then(|| NullBuffer::from_iter(values.iter().map(Option::is_some)))
}

/// A column of `data_type` from integers; what is too wide for the type wraps. Floats come
/// back from their order.
///
/// # Errors
/// Bug: the type does not hold such values.
pub fn array_of_integers(values: Vec<Option<i64>>, data_type: &DataType) -> Result<ArrayRef> {
    let nulls = nulls_of(&values);
    let plain = values.into_iter().map(Option::unwrap_or_default);
    macro_rules! primitive {
        ($t:ty) => {{
            let values = plain.map(|v| v as <$t as ArrowPrimitiveType>::Native).collect::<Vec<_>>();
            let array = PrimitiveArray::<$t>::new(values.into(), nulls);
            Arc::new(array.with_data_type(data_type.clone())) as ArrayRef
        }};
    }
    Ok(match data_type {
        DataType::Boolean => {
            let mut bits = BooleanBufferBuilder::new(0);
            plain.for_each(|v| bits.append(v != 0));
            Arc::new(BooleanArray::new(bits.finish(), nulls))
        }
        DataType::Int8 => primitive!(Int8Type),
        DataType::Int16 => primitive!(Int16Type),
        DataType::Int32 => primitive!(Int32Type),
        DataType::Int64 => primitive!(Int64Type),
        DataType::Date32 => primitive!(Date32Type),
        DataType::Time32(_) => primitive!(Time32MillisecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive!(TimestampNanosecondType),
        DataType::Duration(_) => primitive!(DurationMillisecondType),
        DataType::Interval(_) => primitive!(IntervalYearMonthType),
        DataType::Float32 | DataType::Float64 => {
            let floats = plain.map(float_of_order).collect::<Vec<_>>();
            let values = floats.into_iter().enumerate();
            let valid = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
            return array_of_floats(
                values.map(|(i, v)| valid(i).then_some(v)).collect(),
                data_type,
            );
        }
        other => return Err(Error::bug(format!("{other} from integers"))),
    })
}

/// A column of FLOAT or DOUBLE.
///
/// # Errors
/// Bug: the type is another.
pub fn array_of_floats(values: Vec<Option<f64>>, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        DataType::Float32 => {
            let values = values.into_iter().map(|v| v.map(|v| v as f32));
            Ok(Arc::new(PrimitiveArray::<Float32Type>::from_iter(values)))
        }
        DataType::Float64 => Ok(Arc::new(PrimitiveArray::<Float64Type>::from_iter(values))),
        other => Err(Error::bug(format!("{other} from floating values"))),
    }
}

/// A column of DECIMAL.
pub fn array_of_decimals(values: Vec<Option<i128>>, data_type: &DataType) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(values).with_data_type(data_type.clone()))
}
