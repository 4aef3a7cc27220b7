//! Single SQL values, and their way into and out of Arrow arrays.
//!
//! Literals of plans are values; so are the elements that slow paths (JSON, printing,
//! collection constructors, tests) work on. Kernels on the hot path read arrays directly.
//!
//! A value has no type of its own: it is always read beside a [`SqlType`], which says the
//! width of an integer, the scale of a decimal, the unit of a timestamp.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, ListArray, MapArray, NullArray, PrimitiveArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, TimeUnit};
use millstream_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::types::{SqlType, TypeKind, element_field, entry_fields, row_fields, time_unit};

/// One SQL value, to be read beside its [`SqlType`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT to BIGINT.
    Int(i64),
    /// FLOAT and DOUBLE.
    Float(f64),
    /// DECIMAL, as a whole number of its last digit.
    Decimal(i128),
    /// CHAR, VARCHAR, STRING.
    Text(String),
    /// BINARY, VARBINARY, BYTES.
    Bytes(Vec<u8>),
    /// DATE, in days since 1970-01-01.
    Date(i32),
    /// TIME, in milliseconds of the day.
    Time(i32),
    /// TIMESTAMP and TIMESTAMP_LTZ, in the unit of the type since 1970-01-01.
    Timestamp(i64),
    /// An interval, in months or in milliseconds.
    Interval(i64),
    /// ARRAY.
    Array(Vec<Value>),
    /// MAP, and MULTISET with the number of occurrences as the value.
    Map(Vec<(Value, Value)>),
    /// ROW.
    Row(Vec<Value>),
}

impl Value {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }
}

// Plans are compared and hashed, so floating values are compared by their bits.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        use Value::*;
        match (self, other) {
            (Null, Null) => true,
            (Boolean(a), Boolean(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            (Decimal(a), Decimal(b)) => a == b,
            (Text(a), Text(b)) => a == b,
            (Bytes(a), Bytes(b)) => a == b,
            (Date(a), Date(b)) => a == b,
            (Time(a), Time(b)) => a == b,
            (Timestamp(a), Timestamp(b)) | (Interval(a), Interval(b)) => a == b,
            (Array(a), Array(b)) | (Row(a), Row(b)) => a == b,
            (Map(a), Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Null => {}
            Value::Boolean(v) => v.hash(state),
            Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => v.hash(state),
            Value::Float(v) => v.to_bits().hash(state),
            Value::Decimal(v) => v.hash(state),
            Value::Text(v) => v.hash(state),
            Value::Bytes(v) => v.hash(state),
            Value::Date(v) | Value::Time(v) => v.hash(state),
            Value::Array(v) | Value::Row(v) => v.hash(state),
            Value::Map(v) => v.hash(state),
        }
    }
}

/// The value in `row` of an array of type `ty`.
///
/// # Errors
/// Bug: the array is not of the Arrow type that belongs to `ty`, or has no such row.
pub fn value_at(array: &dyn Array, ty: &SqlType, row: usize) -> Result<Value> {
    if row >= array.len() {
        return Err(Error::bug(format!("row {row} of an array of {} rows", array.len())));
    }
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(Value::Null);
    }
    macro_rules! primitive {
        ($t:ty) => {
            array.as_primitive_opt::<$t>().ok_or_else(|| wrong_array(array, ty))?.value(row)
        };
    }
    Ok(match &ty.kind {
        TypeKind::Null => Value::Null,
        TypeKind::Boolean => {
            Value::Boolean(array.as_boolean_opt().ok_or_else(|| wrong_array(array, ty))?.value(row))
        }
        TypeKind::TinyInt => Value::Int(primitive!(Int8Type).into()),
        TypeKind::SmallInt => Value::Int(primitive!(Int16Type).into()),
        TypeKind::Int => Value::Int(primitive!(Int32Type).into()),
        TypeKind::BigInt => Value::Int(primitive!(Int64Type)),
        TypeKind::Float => Value::Float(primitive!(Float32Type).into()),
        TypeKind::Double => Value::Float(primitive!(Float64Type)),
        TypeKind::Decimal { .. } => Value::Decimal(primitive!(Decimal128Type)),
        TypeKind::Char(_) | TypeKind::Varchar(_) => Value::text(
            array.as_string_opt::<i32>().ok_or_else(|| wrong_array(array, ty))?.value(row),
        ),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Value::Bytes(
            array.as_binary_opt::<i32>().ok_or_else(|| wrong_array(array, ty))?.value(row).to_vec(),
        ),
        TypeKind::Date => Value::Date(primitive!(Date32Type)),
        TypeKind::Time(_) => Value::Time(primitive!(Time32MillisecondType)),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            Value::Timestamp(match time_unit(*p) {
                TimeUnit::Microsecond => primitive!(TimestampMicrosecondType),
                TimeUnit::Nanosecond => primitive!(TimestampNanosecondType),
                _ => primitive!(TimestampMillisecondType),
            })
        }
        TypeKind::IntervalYearMonth => Value::Interval(primitive!(IntervalYearMonthType).into()),
        TypeKind::IntervalDaySecond => Value::Interval(primitive!(DurationMillisecondType)),
        TypeKind::Array(element) => {
            let list = array.as_list_opt::<i32>().ok_or_else(|| wrong_array(array, ty))?;
            Value::Array(values_of(&list.value(row), element)?)
        }
        TypeKind::Multiset(key) => map_value(array, ty, key, &SqlType::int(), row)?,
        TypeKind::Map(key, value) => map_value(array, ty, key, value, row)?,
        TypeKind::Row(fields) => {
            let rows = array.as_struct_opt().ok_or_else(|| wrong_array(array, ty))?;
            Value::Row(
                fields
                    .iter()
                    .zip(rows.columns())
                    .map(|(field, column)| value_at(column, &field.ty, row))
                    .collect::<Result<_>>()?,
            )
        }
    })
}

fn map_value(
    array: &dyn Array,
    ty: &SqlType,
    key: &SqlType,
    value: &SqlType,
    row: usize,
) -> Result<Value> {
    let entries = array.as_map_opt().ok_or_else(|| wrong_array(array, ty))?.value(row);
    let keys = values_of(entries.column(0), key)?;
    let values = values_of(entries.column(1), value)?;
    Ok(Value::Map(keys.into_iter().zip(values).collect()))
}

/// All values of an array of type `ty`.
///
/// # Errors
/// Bug: the array is not of the Arrow type that belongs to `ty`.
pub fn values_of(array: &dyn Array, ty: &SqlType) -> Result<Vec<Value>> {
    (0..array.len()).map(|row| value_at(array, ty, row)).collect()
}

pub(crate) fn wrong_array(array: &dyn Array, ty: &SqlType) -> Error {
    Error::bug(format!("an array of {} where {ty} is expected", array.data_type()))
}

/// An array of `ty` with the given values, in order.
///
/// # Errors
/// Bug: a value does not fit the type.
///
/// ```
/// use millstream_sql::{types::SqlType, value::{Value, array_of, value_at}};
/// let ty = SqlType::array(SqlType::int());
/// let one = Value::Array(vec![Value::Int(1), Value::Null]);
/// let array = array_of(&[one.clone(), Value::Null], &ty).unwrap();
/// assert_eq!(value_at(&array, &ty, 0).unwrap(), one);
/// ```
pub fn array_of<'a>(values: impl IntoIterator<Item = &'a Value>, ty: &SqlType) -> Result<ArrayRef> {
    let values: Vec<&Value> = values.into_iter().collect();
    macro_rules! primitive {
        ($t:ty, $variant:ident) => {{
            let items = values
                .iter()
                .map(|v| match v {
                    Value::Null => Ok(None),
                    Value::$variant(v) => Ok(Some(*v as <$t as ArrowPrimitiveType>::Native)),
                    other => Err(wrong_value(other, ty)),
                })
                .collect::<Result<Vec<_>>>()?;
            PrimitiveArray::<$t>::from_iter(items)
        }};
    }
    let array: ArrayRef = match &ty.kind {
        TypeKind::Null => Arc::new(NullArray::new(values.len())),
        TypeKind::Boolean => Arc::new(
            values
                .iter()
                .map(|v| match v {
                    Value::Null => Ok(None),
                    Value::Boolean(v) => Ok(Some(*v)),
                    other => Err(wrong_value(other, ty)),
                })
                .collect::<Result<BooleanArray>>()?,
        ),
        TypeKind::TinyInt => Arc::new(primitive!(Int8Type, Int)),
        TypeKind::SmallInt => Arc::new(primitive!(Int16Type, Int)),
        TypeKind::Int => Arc::new(primitive!(Int32Type, Int)),
        TypeKind::BigInt => Arc::new(primitive!(Int64Type, Int)),
        TypeKind::Float => Arc::new(primitive!(Float32Type, Float)),
        TypeKind::Double => Arc::new(primitive!(Float64Type, Float)),
        TypeKind::Decimal { .. } => {
            let array: Decimal128Array = primitive!(Decimal128Type, Decimal);
            Arc::new(array.with_data_type(ty.arrow()))
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            let mut out = StringBuilder::new();
            for v in &values {
                match v {
                    Value::Null => out.append_null(),
                    Value::Text(v) => out.append_value(v),
                    other => return Err(wrong_value(other, ty)),
                }
            }
            Arc::new(out.finish())
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            let mut out = BinaryBuilder::new();
            for v in &values {
                match v {
                    Value::Null => out.append_null(),
                    Value::Bytes(v) => out.append_value(v),
                    other => return Err(wrong_value(other, ty)),
                }
            }
            Arc::new(out.finish())
        }
        TypeKind::Date => Arc::new(primitive!(Date32Type, Date)),
        TypeKind::Time(_) => Arc::new(primitive!(Time32MillisecondType, Time)),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => match time_unit(*p) {
            TimeUnit::Microsecond => {
                Arc::new(primitive!(TimestampMicrosecondType, Timestamp).with_data_type(ty.arrow()))
            }
            TimeUnit::Nanosecond => {
                Arc::new(primitive!(TimestampNanosecondType, Timestamp).with_data_type(ty.arrow()))
            }
            _ => {
                Arc::new(primitive!(TimestampMillisecondType, Timestamp).with_data_type(ty.arrow()))
            }
        },
        TypeKind::IntervalYearMonth => Arc::new(primitive!(IntervalYearMonthType, Interval)),
        TypeKind::IntervalDaySecond => Arc::new(primitive!(DurationMillisecondType, Interval)),
        TypeKind::Array(element) => {
            let mut lengths = Vec::with_capacity(values.len());
            let mut elements = Vec::new();
            for v in &values {
                match v {
                    Value::Null => lengths.push(0),
                    Value::Array(items) => {
                        lengths.push(items.len());
                        elements.extend(items.iter());
                    }
                    other => return Err(wrong_value(other, ty)),
                }
            }
            Arc::new(ListArray::new(
                element_field(element),
                OffsetBuffer::from_lengths(lengths),
                array_of(elements, element)?,
                nulls_of(&values),
            ))
        }
        TypeKind::Multiset(key) => map_array(&values, ty, key, &SqlType::int().not_null())?,
        TypeKind::Map(key, value) => map_array(&values, ty, key, value)?,
        TypeKind::Row(fields) => {
            let columns = fields
                .iter()
                .enumerate()
                .map(|(i, field)| {
                    let column = values
                        .iter()
                        .map(|v| match v {
                            Value::Null => Ok(&Value::Null),
                            Value::Row(items) if items.len() == fields.len() => Ok(&items[i]),
                            other => Err(wrong_value(other, ty)),
                        })
                        .collect::<Result<Vec<_>>>()?;
                    array_of(column, &field.ty)
                })
                .collect::<Result<Vec<_>>>()?;
            let nulls = nulls_of(&values);
            if fields.is_empty() {
                Arc::new(StructArray::new_empty_fields(values.len(), nulls))
            } else {
                Arc::new(StructArray::new(row_fields(fields), columns, nulls))
            }
        }
    };
    Ok(array)
}

fn nulls_of(values: &[&Value]) -> Option<NullBuffer> {
    let nulls = NullBuffer::from_iter(values.iter().map(|v| !v.is_null()));
    (nulls.null_count() > 0).then_some(nulls)
}

fn map_array(values: &[&Value], ty: &SqlType, key: &SqlType, value: &SqlType) -> Result<ArrayRef> {
    let mut lengths = Vec::with_capacity(values.len());
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for v in values {
        match v {
            Value::Null => lengths.push(0),
            Value::Map(entries) => {
                lengths.push(entries.len());
                keys.extend(entries.iter().map(|(k, _)| k));
                items.extend(entries.iter().map(|(_, v)| v));
            }
            other => return Err(wrong_value(other, ty)),
        }
    }
    Ok(Arc::new(new_map(
        key,
        value,
        OffsetBuffer::from_lengths(lengths),
        array_of(keys, key)?,
        array_of(items, value)?,
        nulls_of(values),
    )))
}

/// A MAP array from its parts, in the form that [`SqlType::arrow`] promises.
pub(crate) fn new_map(
    key: &SqlType,
    value: &SqlType,
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> MapArray {
    let fields = entry_fields(key, value);
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    let field = Field::new("entries", DataType::Struct(fields), false);
    MapArray::new(Arc::new(field), offsets, entries, nulls, false)
}

fn wrong_value(value: &Value, ty: &SqlType) -> Error {
    Error::bug(format!("the value {value:?} where {ty} is expected"))
}
