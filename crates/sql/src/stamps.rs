//! TIMESTAMP arrays of any unit as plain integers, and back.
//!
//! Kernels compute with `i64`; only here is it known which Arrow type carries which unit.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray};
use arrow_schema::TimeUnit;
use millstream_core::Result;

use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::wrong_array;

/// The numbers in a TIMESTAMP or TIMESTAMP_LTZ array, in the unit of its type; no copy.
pub(crate) fn timestamp_values(array: &ArrayRef, ty: &SqlType) -> Result<Int64Array> {
    macro_rules! values {
        ($t:ty) => {{
            let array = array.as_primitive_opt::<$t>().ok_or_else(|| wrong_array(array, ty))?;
            Int64Array::new(array.values().clone(), array.nulls().cloned())
        }};
    }
    let (TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) = ty.kind else {
        return Err(wrong_array(array, ty));
    };
    Ok(match time_unit(p) {
        TimeUnit::Microsecond => values!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => values!(TimestampNanosecondType),
        _ => values!(TimestampMillisecondType),
    })
}

/// An array of the timestamp type `ty` with these numbers, which are in its unit; no copy.
pub(crate) fn as_timestamps(values: Int64Array, ty: &SqlType) -> ArrayRef {
    macro_rules! stamps {
        ($t:ty) => {{
            let (_, values, nulls) = values.into_parts();
            Arc::new(PrimitiveArray::<$t>::new(values, nulls).with_data_type(ty.arrow()))
        }};
    }
    let precision = match ty.kind {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => p,
        _ => 3,
    };
    match time_unit(precision) {
        TimeUnit::Microsecond => stamps!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => stamps!(TimestampNanosecondType),
        _ => stamps!(TimestampMillisecondType),
    }
}
