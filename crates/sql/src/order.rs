//! How single values sort: the order of ORDER BY, MIN and MAX, ARRAY_SORT.

use std::cmp::Ordering;

use crate::value::Value;

/// The order of two values of one type. NULL comes first; NaN comes last, as in Java's
/// `Double.compare`; text and bytes are compared byte by byte.
///
/// ```
/// use std::cmp::Ordering;
/// use millstream_sql::{order::compare_values, value::Value};
/// assert_eq!(compare_values(&Value::Int(2), &Value::Int(10)), Ordering::Less);
/// assert_eq!(compare_values(&Value::Null, &Value::text("")), Ordering::Less);
/// ```
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    use Value::*;
    match (a, b) {
        (Null, Null) => Ordering::Equal,
        (Null, _) => Ordering::Less,
        (_, Null) => Ordering::Greater,
        (Boolean(a), Boolean(b)) => a.cmp(b),
        (Int(a), Int(b)) | (Timestamp(a), Timestamp(b)) | (Interval(a), Interval(b)) => a.cmp(b),
        (Float(a), Float(b)) => a.total_cmp(b),
        (Decimal(a), Decimal(b)) => a.cmp(b),
        (Text(a), Text(b)) => a.cmp(b),
        (Bytes(a), Bytes(b)) => a.cmp(b),
        (Date(a), Date(b)) | (Time(a), Time(b)) => a.cmp(b),
        (Array(a), Array(b)) | (Row(a), Row(b)) => compare_lists(a.iter(), b.iter()),
        (Map(a), Map(b)) => {
            compare_lists(a.iter().flat_map(|(k, v)| [k, v]), b.iter().flat_map(|(k, v)| [k, v]))
        }
        // Values of one type never get here.
        _ => Ordering::Equal,
    }
}

fn compare_lists<'a>(
    mut a: impl Iterator<Item = &'a Value>,
    mut b: impl Iterator<Item = &'a Value>,
) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) => match compare_values(x, y) {
                Ordering::Equal => {}
                other => return other,
            },
        }
    }
}
