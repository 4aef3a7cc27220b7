//! How types combine: common types, implicit casts, decimal precision, aggregate results.
//!
//! Used by the function registry and by the planner (CASE, UNION, VALUES, comparison,
//! INSERT). The functions are pure and speak of types only; casts are inserted by callers.
//!
//! Source: Flink's behaviour in tests/conformance and "Data Types" in its documentation.
//! Decimal results follow SQL Server's rules with 38 digits, as Hive and Spark do.

use crate::types::{Family, MAX_DECIMAL_PRECISION, RowField, SqlType, TimeAttribute, TypeKind};

/// The smallest type that holds the values of all given types, if there is one.
///
/// Nullable if any of them is. `None` if they have nothing in common (INT and STRING, say)
/// or the list is empty.
///
/// ```
/// use millstream_sql::{coercion::common_type, types::SqlType};
/// let common = common_type([&SqlType::int(), &SqlType::decimal(2, 1)]).unwrap();
/// assert_eq!(common.to_string(), "DECIMAL(11, 1)");
/// assert!(common_type([&SqlType::int(), &SqlType::string()]).is_none());
/// ```
pub fn common_type<'a>(types: impl IntoIterator<Item = &'a SqlType>) -> Option<SqlType> {
    let mut types = types.into_iter();
    let first = types.next()?.clone();
    types.try_fold(first, |common, ty| common_of_two(&common, ty))
}

fn common_of_two(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    let nullable = a.nullable || b.nullable;
    use TimeAttribute::{Former, Rowtime};
    let attribute = match (a.attribute, b.attribute) {
        (x, y) if x == y => x,
        (Former, Rowtime) | (Rowtime, Former) => Former,
        (x, _) if b.kind == TypeKind::Null => x,
        (_, y) if a.kind == TypeKind::Null => y,
        _ => TimeAttribute::None,
    };
    let kind = common_kind(&a.kind, &b.kind)?;
    Some(SqlType { kind, nullable, attribute })
}

fn common_kind(a: &TypeKind, b: &TypeKind) -> Option<TypeKind> {
    use TypeKind::*;
    Some(match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (a, b) if a == b => a.clone(),
        (Char(n) | Varchar(n), Char(m) | Varchar(m)) => Varchar(*n.max(m)),
        (Binary(n) | Varbinary(n), Binary(m) | Varbinary(m)) => Varbinary(*n.max(m)),
        (a, b) if a.family() == Family::Numeric && b.family() == Family::Numeric => {
            common_numeric(a, b)
        }
        (Time(p), Time(q)) => Time(*p.max(q)),
        (Timestamp(p), Timestamp(q)) => Timestamp(*p.max(q)),
        (Timestamp(p) | TimestampLtz(p), Timestamp(q) | TimestampLtz(q)) => TimestampLtz(*p.max(q)),
        (Date, Timestamp(p)) | (Timestamp(p), Date) => Timestamp(*p),
        (Date, TimestampLtz(p)) | (TimestampLtz(p), Date) => TimestampLtz(*p),
        (Array(a), Array(b)) => Array(Box::new(common_of_two(a, b)?)),
        (Multiset(a), Multiset(b)) => Multiset(Box::new(common_of_two(a, b)?)),
        (Map(k, v), Map(l, w)) => {
            Map(Box::new(common_of_two(k, l)?), Box::new(common_of_two(v, w)?))
        }
        (Row(a), Row(b)) if a.len() == b.len() => Row(a
            .iter()
            .zip(b)
            .map(|(x, y)| Some(RowField { name: x.name.clone(), ty: common_of_two(&x.ty, &y.ty)? }))
            .collect::<Option<_>>()?),
        _ => return None,
    })
}

fn common_numeric(a: &TypeKind, b: &TypeKind) -> TypeKind {
    use TypeKind::*;
    match (a, b) {
        (Double, _) | (_, Double) => Double,
        (Float, Decimal { .. }) | (Decimal { .. }, Float) => Double,
        (Float, _) | (_, Float) => Float,
        (Decimal { .. }, _) | (_, Decimal { .. }) => {
            let ((p, s), (q, t)) = (digits(a), digits(b));
            let scale = s.max(t);
            let whole = (p - s).max(q - t);
            let precision = (whole + scale).min(MAX_DECIMAL_PRECISION);
            Decimal { precision, scale: scale.min(MAX_DECIMAL_PRECISION - whole.min(38)) }
        }
        _ => {
            let rank = |kind: &TypeKind| match kind {
                TinyInt => 0,
                SmallInt => 1,
                Int => 2,
                _ => 3,
            };
            if rank(a) >= rank(b) { a.clone() } else { b.clone() }
        }
    }
}

/// Digits and scale of an exact number, seen as a DECIMAL.
fn digits(kind: &TypeKind) -> (u8, u8) {
    match kind {
        TypeKind::TinyInt => (3, 0),
        TypeKind::SmallInt => (5, 0),
        TypeKind::Int => (10, 0),
        TypeKind::BigInt => (19, 0),
        TypeKind::Decimal { precision, scale } => (*precision, *scale),
        _ => (MAX_DECIMAL_PRECISION, 0),
    }
}

/// The DECIMAL that holds every value of an integer type; DECIMALs stay.
pub fn as_decimal(ty: &SqlType) -> SqlType {
    let (precision, scale) = digits(&ty.kind);
    SqlType::decimal(precision, scale).with_nullable(ty.nullable)
}

/// What an operator of arithmetic on two numbers gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%` and MOD
    Remainder,
}

/// The type of `a op b` for two numeric types, as Flink derives it; `None` for other types.
///
/// ```
/// use millstream_sql::{coercion::{Arithmetic, arithmetic_type}, types::SqlType};
/// let (a, b) = (SqlType::decimal(12, 3), SqlType::decimal(4, 2));
/// let quotient = arithmetic_type(Arithmetic::Divide, &a, &b).unwrap();
/// assert_eq!(quotient.to_string(), "DECIMAL(19, 8)");
/// ```
pub fn arithmetic_type(op: Arithmetic, a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if !a.is_numeric() || !b.is_numeric() {
        return None;
    }
    let nullable = a.nullable || b.nullable;
    let decimal = |ty: &SqlType| matches!(ty.kind, TypeKind::Decimal { .. });
    let kind = if a.is_approximate() || b.is_approximate() || !(decimal(a) || decimal(b)) {
        match op {
            // MOD has the type of what it divides by: it is smaller than that.
            Arithmetic::Remainder if a.is_integer() && b.is_integer() => b.kind.clone(),
            _ => common_numeric(&a.kind, &b.kind),
        }
    } else {
        let ((p, s), (q, t)) = (digits(&a.kind), digits(&b.kind));
        let (p, s, q, t) = (i32::from(p), i32::from(s), i32::from(q), i32::from(t));
        match op {
            Arithmetic::Add | Arithmetic::Subtract => {
                let scale = s.max(t);
                fit((p - s).max(q - t) + scale + 1, scale)
            }
            Arithmetic::Multiply => fit(p + q + 1, s + t),
            Arithmetic::Divide => {
                let scale = (s + q + 1).max(6);
                fit(p - s + t + scale, scale)
            }
            // Of whole numbers it has the type of what it divides by, as above.
            Arithmetic::Remainder if s == 0 && t == 0 => b.kind.clone(),
            Arithmetic::Remainder => {
                let scale = s.max(t);
                fit((p - s).min(q - t) + scale, scale)
            }
        }
    };
    Some(SqlType::new(kind).with_nullable(nullable))
}

/// A DECIMAL of at most 38 digits: digits before the point are kept, those behind it give
/// way down to 6.
fn fit(precision: i32, scale: i32) -> TypeKind {
    let max = i32::from(MAX_DECIMAL_PRECISION);
    let (precision, scale) = if precision <= max {
        (precision, scale)
    } else {
        (max, (max - (precision - scale)).max(scale.min(6)))
    };
    TypeKind::Decimal { precision: precision as u8, scale: scale as u8 }
}

/// The type in which two values are compared, if Flink compares them.
///
/// Besides [`common_type`], text is compared with DATE, TIME, TIMESTAMP and BOOLEAN as a
/// value of that type. Text and numbers are not compared.
pub fn comparison_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if let Some(common) = common_type([a, b]) {
        return Some(common.without_attribute());
    }
    let nullable = a.nullable || b.nullable;
    let other = match (a.is_text(), b.is_text()) {
        (true, false) => b,
        (false, true) => a,
        _ => return None,
    };
    use Family::*;
    matches!(other.family(), Boolean | Date | Time | Timestamp)
        .then(|| other.clone().with_nullable(nullable).without_attribute())
}

/// Whether a value of `from` may stand where `to` is wanted, with a cast put in silently.
///
/// That is so if `to` holds everything that `from` can be: wider numbers, longer text, a
/// TIMESTAMP for a DATE; NULL fits everything. Lengths of text are not checked here, because
/// INSERT truncates or pads.
pub fn implicitly_casts(from: &SqlType, to: &SqlType) -> bool {
    use TypeKind::*;
    match (&from.kind, &to.kind) {
        (Null, _) => true,
        (a, b) if a == b => true,
        (Char(_) | Varchar(_), Char(_) | Varchar(_)) => true,
        (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        (Decimal { .. }, Decimal { .. }) => true,
        (_, Double) if from.is_numeric() => true,
        (_, Float) => from.is_integer() || matches!(from.kind, Decimal { .. }),
        (_, Decimal { .. }) => from.is_integer(),
        (_, TinyInt | SmallInt | Int | BigInt) => {
            from.is_integer() && common_numeric(&from.kind, &to.kind) == to.kind
        }
        (Time(_), Time(_)) => true,
        (Date | Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => implicitly_casts(a, b),
        (Map(k, v), Map(l, w)) => implicitly_casts(k, l) && implicitly_casts(v, w),
        (Row(a), Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| implicitly_casts(&x.ty, &y.ty))
        }
        _ => false,
    }
}

/// The type of SUM over values of a numeric type: integers keep theirs (and wrap around),
/// DECIMAL(p, s) becomes DECIMAL(38, s). Nullable; `None` for other types.
pub fn sum_type(ty: &SqlType) -> Option<SqlType> {
    Some(match &ty.kind {
        TypeKind::Decimal { scale, .. } => SqlType::decimal(MAX_DECIMAL_PRECISION, *scale),
        _ if ty.is_numeric() => SqlType::new(ty.kind.clone()),
        _ => return None,
    })
}

/// The type of AVG, STDDEV and VARIANCE over values of a numeric type: that type, but
/// DECIMAL(p, s) becomes DECIMAL(38, max(6, s)). Nullable; `None` for other types.
pub fn average_type(ty: &SqlType) -> Option<SqlType> {
    Some(match &ty.kind {
        TypeKind::Decimal { scale, .. } => SqlType::decimal(MAX_DECIMAL_PRECISION, (*scale).max(6)),
        _ if ty.is_numeric() => SqlType::new(ty.kind.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arithmetic::*;

    #[test]
    fn arithmetic_types_are_those_of_flink() {
        let d = SqlType::decimal;
        let int = SqlType::int;
        for (op, a, b, expected) in [
            (Add, d(12, 3), d(4, 2), "DECIMAL(13, 3)"),
            (Multiply, d(12, 3), d(4, 2), "DECIMAL(17, 5)"),
            (Divide, d(12, 3), d(4, 2), "DECIMAL(19, 8)"),
            (Divide, d(12, 3), int(), "DECIMAL(23, 14)"),
            (Remainder, d(12, 3), d(4, 2), "DECIMAL(5, 3)"),
            (Remainder, d(38, 0), int(), "INT"),
            (Remainder, int(), d(10, 0), "DECIMAL(10, 0)"),
            (Divide, d(38, 0), int(), "DECIMAL(38, 6)"),
            (Multiply, d(38, 0), d(38, 0), "DECIMAL(38, 0)"),
            (Divide, int(), int(), "INT"),
            (Remainder, SqlType::bigint(), int(), "INT"),
            (Add, SqlType::float(), SqlType::bigint(), "FLOAT"),
            (Add, SqlType::float(), d(3, 1), "DOUBLE"),
            (Add, SqlType::tinyint(), SqlType::smallint(), "SMALLINT"),
        ] {
            let got = arithmetic_type(op, &a, &b).map(|t| t.to_string());
            assert_eq!(got.as_deref(), Some(expected), "{op:?} of {a} and {b}");
        }
    }

    #[test]
    fn common_types() {
        let common = |a: &SqlType, b: &SqlType| common_type([a, b]).map(|t| t.to_string());
        let text = common(&SqlType::char(3), &SqlType::char(5).not_null());
        assert_eq!(text.as_deref(), Some("VARCHAR(5)"));
        let null = common(&SqlType::null(), &SqlType::int().not_null());
        assert_eq!(null.as_deref(), Some("INT"));
        let time = common(&SqlType::timestamp(0), &SqlType::timestamp_ltz(3));
        assert_eq!(time.as_deref(), Some("TIMESTAMP_LTZ(3)"));
        assert_eq!(common(&SqlType::boolean(), &SqlType::int()), None);
        assert!(comparison_type(&SqlType::string(), &SqlType::date()).is_some());
        assert!(comparison_type(&SqlType::string(), &SqlType::int()).is_none());
    }
}
