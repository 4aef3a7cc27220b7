//! Flink's logical types: names, nullability, time attributes, and their Arrow form.
//!
//! Every expression, column and table of the SQL layer carries a [`SqlType`]. Its text is
//! what Flink prints for result columns, `DESCRIBE` and `TYPEOF`. Rules that combine types
//! (common types, implicit casts, decimal precision) are in [`crate::coercion`].
//!
//! Invariant: two values of the same [`TypeKind`] always have the same Arrow type, so a
//! kernel that was chosen by SQL type never meets another array.
//!
//! | SQL | Arrow |
//! |---|---|
//! | CHAR, VARCHAR, STRING | `Utf8` |
//! | BINARY, VARBINARY, BYTES | `Binary` |
//! | DECIMAL(p, s) | `Decimal128(p, s)` |
//! | DATE | `Date32` |
//! | TIME(p) | `Time32(Millisecond)` (Flink keeps no more than milliseconds) |
//! | TIMESTAMP(p) | `Timestamp(unit)`: milliseconds to p = 3, microseconds to 6, else nanoseconds |
//! | TIMESTAMP_LTZ(p) | the same with the zone `UTC` |
//! | INTERVAL of months | `Interval(YearMonth)` |
//! | INTERVAL of days to seconds | `Duration(Millisecond)` |
//! | ARRAY, ROW, MAP | `List`, `Struct`, `Map` |
//! | MULTISET<t> | `Map` from t to `Int32` |
//!
//! Source: "Data Types" in Flink's documentation.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use millstream_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Length of STRING and BYTES: as long as a value can be.
pub const MAX_LENGTH: u32 = i32::MAX as u32;
/// Most digits of a DECIMAL.
pub const MAX_DECIMAL_PRECISION: u8 = 38;

/// A logical type with its nullability and its role as a time attribute.
///
/// ```
/// use millstream_sql::types::SqlType;
/// assert_eq!(SqlType::timestamp(3).not_null().to_string(), "TIMESTAMP(3) NOT NULL");
/// assert_eq!(SqlType::decimal(10, 2).to_string(), "DECIMAL(10, 2)");
/// assert_eq!(SqlType::array(SqlType::string()).to_string(), "ARRAY<STRING>");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SqlType {
    /// What values look like.
    pub kind: TypeKind,
    /// Whether NULL is among the values.
    pub nullable: bool,
    /// Whether the column is a time attribute of its stream.
    pub attribute: TimeAttribute,
}

/// Whether a timestamp column drives time in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeAttribute {
    /// An ordinary column.
    #[default]
    None,
    /// Event time: the column has a watermark.
    Rowtime,
    /// Processing time: the column is computed when it is read.
    Proctime,
    /// Computed from event time, or behind an operator that does not keep it: shown as event
    /// time, as Flink does, but an ordinary column.
    Former,
}

/// A logical type without its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeKind {
    /// The type of an untyped NULL literal.
    Null,
    /// TRUE or FALSE.
    Boolean,
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits, IEEE 754.
    Double,
    /// Exact number with `precision` digits, `scale` of them after the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Text of exactly this many characters, padded with blanks.
    Char(u32),
    /// Text of at most this many characters; STRING is `Varchar(MAX_LENGTH)`.
    Varchar(u32),
    /// Exactly this many bytes, padded with zeros.
    Binary(u32),
    /// At most this many bytes; BYTES is `Varbinary(MAX_LENGTH)`.
    Varbinary(u32),
    /// Days since 1970-01-01.
    Date,
    /// Time of day with this many digits of a second, 0 to 9 (milliseconds are kept).
    Time(u8),
    /// Date and time without a zone, with this many digits of a second, 0 to 9.
    Timestamp(u8),
    /// An instant, shown in the session's time zone; digits of a second 0 to 9.
    TimestampLtz(u8),
    /// A number of months.
    IntervalYearMonth,
    /// A number of milliseconds.
    IntervalDaySecond,
    /// Elements of one type, in order.
    Array(Box<SqlType>),
    /// Elements with the number of their occurrences.
    Multiset(Box<SqlType>),
    /// Keys to values.
    Map(Box<SqlType>, Box<SqlType>),
    /// Named fields.
    Row(Vec<RowField>),
}

/// A field of a ROW.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowField {
    /// Name, unique in its row.
    pub name: String,
    /// Type of the field.
    pub ty: SqlType,
}

/// Families of types that behave alike in signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The untyped NULL.
    Null,
    /// BOOLEAN.
    Boolean,
    /// Integers, DECIMAL, FLOAT, DOUBLE.
    Numeric,
    /// CHAR and VARCHAR.
    Character,
    /// BINARY and VARBINARY.
    Binary,
    /// DATE.
    Date,
    /// TIME.
    Time,
    /// TIMESTAMP and TIMESTAMP_LTZ.
    Timestamp,
    /// Both kinds of interval.
    Interval,
    /// ARRAY.
    Array,
    /// MULTISET.
    Multiset,
    /// MAP.
    Map,
    /// ROW.
    Row,
}

impl SqlType {
    /// A nullable type of `kind`.
    pub fn new(kind: TypeKind) -> Self {
        SqlType { kind, nullable: true, attribute: TimeAttribute::None }
    }
    /// The type of an untyped NULL.
    pub fn null() -> Self {
        Self::new(TypeKind::Null)
    }
    /// BOOLEAN.
    pub fn boolean() -> Self {
        Self::new(TypeKind::Boolean)
    }
    /// TINYINT.
    pub fn tinyint() -> Self {
        Self::new(TypeKind::TinyInt)
    }
    /// SMALLINT.
    pub fn smallint() -> Self {
        Self::new(TypeKind::SmallInt)
    }
    /// INT.
    pub fn int() -> Self {
        Self::new(TypeKind::Int)
    }
    /// BIGINT.
    pub fn bigint() -> Self {
        Self::new(TypeKind::BigInt)
    }
    /// FLOAT.
    pub fn float() -> Self {
        Self::new(TypeKind::Float)
    }
    /// DOUBLE.
    pub fn double() -> Self {
        Self::new(TypeKind::Double)
    }
    /// DECIMAL with `precision` digits (at most 38), `scale` of them after the point.
    pub fn decimal(precision: u8, scale: u8) -> Self {
        Self::new(TypeKind::Decimal { precision, scale })
    }
    /// CHAR(length).
    pub fn char(length: u32) -> Self {
        Self::new(TypeKind::Char(length))
    }
    /// VARCHAR(length).
    pub fn varchar(length: u32) -> Self {
        Self::new(TypeKind::Varchar(length))
    }
    /// STRING.
    pub fn string() -> Self {
        Self::varchar(MAX_LENGTH)
    }
    /// BINARY(length).
    pub fn binary(length: u32) -> Self {
        Self::new(TypeKind::Binary(length))
    }
    /// VARBINARY(length).
    pub fn varbinary(length: u32) -> Self {
        Self::new(TypeKind::Varbinary(length))
    }
    /// BYTES.
    pub fn bytes() -> Self {
        Self::varbinary(MAX_LENGTH)
    }
    /// DATE.
    pub fn date() -> Self {
        Self::new(TypeKind::Date)
    }
    /// TIME(precision).
    pub fn time(precision: u8) -> Self {
        Self::new(TypeKind::Time(precision))
    }
    /// TIMESTAMP(precision).
    pub fn timestamp(precision: u8) -> Self {
        Self::new(TypeKind::Timestamp(precision))
    }
    /// TIMESTAMP_LTZ(precision).
    pub fn timestamp_ltz(precision: u8) -> Self {
        Self::new(TypeKind::TimestampLtz(precision))
    }
    /// ARRAY of `element`.
    pub fn array(element: SqlType) -> Self {
        Self::new(TypeKind::Array(Box::new(element)))
    }
    /// MULTISET of `element`.
    pub fn multiset(element: SqlType) -> Self {
        Self::new(TypeKind::Multiset(Box::new(element)))
    }
    /// MAP from `key` to `value`.
    pub fn map(key: SqlType, value: SqlType) -> Self {
        Self::new(TypeKind::Map(Box::new(key), Box::new(value)))
    }
    /// ROW of named fields.
    pub fn row<N: Into<String>>(fields: impl IntoIterator<Item = (N, SqlType)>) -> Self {
        Self::new(TypeKind::Row(
            fields.into_iter().map(|(name, ty)| RowField { name: name.into(), ty }).collect(),
        ))
    }

    /// This type without NULL.
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }
    /// This type with NULL.
    pub fn null_allowed(mut self) -> Self {
        self.nullable = true;
        self
    }
    /// This type with the given nullability.
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }
    /// This type in the given role.
    pub fn with_attribute(mut self, attribute: TimeAttribute) -> Self {
        self.attribute = attribute;
        self
    }
    /// This type as an ordinary column, no matter whether it was a time attribute.
    pub fn without_attribute(self) -> Self {
        self.with_attribute(TimeAttribute::None)
    }
    /// The same, but processing time stays what it is.
    pub fn without_rowtime(self) -> Self {
        match self.attribute {
            TimeAttribute::Rowtime => self.with_attribute(TimeAttribute::Former),
            _ => self,
        }
    }
    /// This type as that of something computed: event time is only shown.
    pub fn computed(self) -> Self {
        match self.attribute {
            TimeAttribute::Rowtime | TimeAttribute::Former => {
                self.with_attribute(TimeAttribute::Former)
            }
            _ => self.without_attribute(),
        }
    }
    /// Whether the column is a rowtime or proctime attribute.
    pub fn is_time_attribute(&self) -> bool {
        matches!(self.attribute, TimeAttribute::Rowtime | TimeAttribute::Proctime)
    }

    /// The family that signatures speak of.
    pub fn family(&self) -> Family {
        self.kind.family()
    }
    /// Whether values are numbers.
    pub fn is_numeric(&self) -> bool {
        self.family() == Family::Numeric
    }
    /// Whether values are text.
    pub fn is_text(&self) -> bool {
        self.family() == Family::Character
    }
    /// Whether values are integers of 8 to 64 bits.
    pub fn is_integer(&self) -> bool {
        use TypeKind::*;
        matches!(self.kind, TinyInt | SmallInt | Int | BigInt)
    }
    /// Whether values are FLOAT or DOUBLE.
    pub fn is_approximate(&self) -> bool {
        matches!(self.kind, TypeKind::Float | TypeKind::Double)
    }
    /// Whether values of the two types have the same shape, nullability and names aside.
    ///
    /// Lengths, precisions and scales count; a value of one can then stand for the other.
    pub fn same_shape(&self, other: &SqlType) -> bool {
        use TypeKind::*;
        match (&self.kind, &other.kind) {
            (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => a.same_shape(b),
            (Map(k, v), Map(l, w)) => k.same_shape(l) && v.same_shape(w),
            (Row(a), Row(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.ty.same_shape(&y.ty))
            }
            (a, b) => a == b,
        }
    }

    /// The Arrow type of arrays of this type.
    pub fn arrow(&self) -> DataType {
        self.kind.arrow()
    }
    /// An Arrow field of this type.
    pub fn arrow_field(&self, name: &str) -> Field {
        Field::new(name, self.arrow(), self.nullable)
    }
    /// The SQL type that reads arrays of an Arrow type, for data that comes from outside.
    ///
    /// # Errors
    /// Configuration: the Arrow type has no SQL counterpart (unions, dictionaries, views,
    /// unsigned 64-bit integers, RAW); cast the column before it comes in.
    pub fn from_arrow(data_type: &DataType, nullable: bool) -> Result<SqlType> {
        let kind = match data_type {
            DataType::Null => TypeKind::Null,
            DataType::Boolean => TypeKind::Boolean,
            DataType::Int8 => TypeKind::TinyInt,
            DataType::Int16 => TypeKind::SmallInt,
            DataType::Int32 => TypeKind::Int,
            DataType::Int64 => TypeKind::BigInt,
            DataType::Float32 => TypeKind::Float,
            DataType::Float64 => TypeKind::Double,
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                TypeKind::Decimal { precision: *precision, scale: *scale as u8 }
            }
            DataType::Utf8 => TypeKind::Varchar(MAX_LENGTH),
            DataType::Binary => TypeKind::Varbinary(MAX_LENGTH),
            DataType::FixedSizeBinary(n) => TypeKind::Binary(*n as u32),
            DataType::Date32 => TypeKind::Date,
            DataType::Time32(TimeUnit::Millisecond) => TypeKind::Time(3),
            DataType::Timestamp(unit, zone) => {
                let precision = match unit {
                    TimeUnit::Second => 0,
                    TimeUnit::Millisecond => 3,
                    TimeUnit::Microsecond => 6,
                    TimeUnit::Nanosecond => 9,
                };
                match zone {
                    None => TypeKind::Timestamp(precision),
                    Some(_) => TypeKind::TimestampLtz(precision),
                }
            }
            DataType::Interval(IntervalUnit::YearMonth) => TypeKind::IntervalYearMonth,
            DataType::Duration(TimeUnit::Millisecond) => TypeKind::IntervalDaySecond,
            DataType::List(f) => {
                TypeKind::Array(Box::new(Self::from_arrow(f.data_type(), f.is_nullable())?))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(kv) if kv.len() == 2 => TypeKind::Map(
                    Box::new(Self::from_arrow(kv[0].data_type(), kv[0].is_nullable())?),
                    Box::new(Self::from_arrow(kv[1].data_type(), kv[1].is_nullable())?),
                ),
                other => return Err(no_sql_type(other)),
            },
            DataType::Struct(fields) => TypeKind::Row(
                fields
                    .iter()
                    .map(|f| {
                        Ok(RowField {
                            name: f.name().clone(),
                            ty: Self::from_arrow(f.data_type(), f.is_nullable())?,
                        })
                    })
                    .collect::<Result<_>>()?,
            ),
            other => return Err(no_sql_type(other)),
        };
        Ok(SqlType { kind, nullable, attribute: TimeAttribute::None })
    }

    /// Flink's text of the type without nullability and time attribute, as in `CAST(x AS ..)`.
    pub fn base_text(&self) -> String {
        self.kind.to_string()
    }
}

fn no_sql_type(data_type: &DataType) -> Error {
    Error::config(format!("the Arrow type {data_type} has no SQL type"))
        .advice("cast the column to a type that Flink SQL has before it enters the query")
}

impl TypeKind {
    /// The family that signatures speak of.
    pub fn family(&self) -> Family {
        use TypeKind::*;
        match self {
            Null => Family::Null,
            Boolean => Family::Boolean,
            TinyInt | SmallInt | Int | BigInt | Float | Double | Decimal { .. } => Family::Numeric,
            Char(_) | Varchar(_) => Family::Character,
            Binary(_) | Varbinary(_) => Family::Binary,
            Date => Family::Date,
            Time(_) => Family::Time,
            Timestamp(_) | TimestampLtz(_) => Family::Timestamp,
            IntervalYearMonth | IntervalDaySecond => Family::Interval,
            Array(_) => Family::Array,
            Multiset(_) => Family::Multiset,
            Map(..) => Family::Map,
            Row(_) => Family::Row,
        }
    }

    /// Whether every value of this DECIMAL fits DECIMAL(precision, scale) without rounding.
    pub(crate) fn digits_fit(&self, precision: u8, scale: u8) -> bool {
        match self {
            TypeKind::Decimal { precision: p, scale: s } => {
                *s <= scale && p - s <= precision - scale
            }
            _ => false,
        }
    }

    /// The Arrow type of arrays of this kind.
    pub fn arrow(&self) -> DataType {
        use TypeKind::*;
        match self {
            Null => DataType::Null,
            Boolean => DataType::Boolean,
            TinyInt => DataType::Int8,
            SmallInt => DataType::Int16,
            Int => DataType::Int32,
            BigInt => DataType::Int64,
            Float => DataType::Float32,
            Double => DataType::Float64,
            Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
            Char(_) | Varchar(_) => DataType::Utf8,
            Binary(_) | Varbinary(_) => DataType::Binary,
            Date => DataType::Date32,
            Time(_) => DataType::Time32(TimeUnit::Millisecond),
            Timestamp(p) => DataType::Timestamp(time_unit(*p), None),
            TimestampLtz(p) => DataType::Timestamp(time_unit(*p), Some(Arc::from("UTC"))),
            IntervalYearMonth => DataType::Interval(IntervalUnit::YearMonth),
            IntervalDaySecond => DataType::Duration(TimeUnit::Millisecond),
            Array(element) => DataType::List(element_field(element)),
            Multiset(element) => map_type(element, &SqlType::int().not_null()),
            Map(key, value) => map_type(key, value),
            Row(fields) => DataType::Struct(row_fields(fields)),
        }
    }
}

/// The unit in which timestamps with this many digits of a second are stored.
pub fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// Arrow's field of the elements of an ARRAY.
///
/// Elements are always nullable to Arrow: the SQL type is what says NOT NULL, and kernels
/// may then build one kind of list.
pub fn element_field(element: &SqlType) -> Arc<Field> {
    Arc::new(Field::new("item", element.arrow(), true))
}

/// Arrow's fields of a ROW, nullable for the same reason as [`element_field`].
pub fn row_fields(fields: &[RowField]) -> Fields {
    fields.iter().map(|f| Field::new(&f.name, f.ty.arrow(), true)).collect()
}

/// Arrow's fields of the entries of a MAP: `key` and `value`, both nullable as in Flink.
pub fn entry_fields(key: &SqlType, value: &SqlType) -> Fields {
    Fields::from(vec![
        Field::new("key", key.arrow(), true),
        Field::new("value", value.arrow(), true),
    ])
}

fn map_type(key: &SqlType, value: &SqlType) -> DataType {
    let entries = Field::new("entries", DataType::Struct(entry_fields(key, value)), false);
    DataType::Map(Arc::new(entries), false)
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use TypeKind::*;
        match self {
            Null => f.write_str("NULL"),
            Boolean => f.write_str("BOOLEAN"),
            TinyInt => f.write_str("TINYINT"),
            SmallInt => f.write_str("SMALLINT"),
            Int => f.write_str("INT"),
            BigInt => f.write_str("BIGINT"),
            Float => f.write_str("FLOAT"),
            Double => f.write_str("DOUBLE"),
            Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Char(n) => write!(f, "CHAR({n})"),
            Varchar(MAX_LENGTH) => f.write_str("STRING"),
            Varchar(n) => write!(f, "VARCHAR({n})"),
            Binary(n) => write!(f, "BINARY({n})"),
            Varbinary(MAX_LENGTH) => f.write_str("BYTES"),
            Varbinary(n) => write!(f, "VARBINARY({n})"),
            Date => f.write_str("DATE"),
            Time(p) => write!(f, "TIME({p})"),
            Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            IntervalYearMonth => f.write_str("INTERVAL MONTH"),
            IntervalDaySecond => f.write_str("INTERVAL SECOND(3)"),
            Array(element) => write!(f, "ARRAY<{element}>"),
            Multiset(element) => write!(f, "MULTISET<{element}>"),
            Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Row(fields) => {
                f.write_str("ROW<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {}", field.name.replace('`', "``"), field.ty)?;
                }
                f.write_str(">")
            }
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        match self.attribute {
            TimeAttribute::None => Ok(()),
            TimeAttribute::Rowtime | TimeAttribute::Former => f.write_str(" *ROWTIME*"),
            TimeAttribute::Proctime => f.write_str(" *PROCTIME*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_flink_prints() {
        let row = SqlType::row([
            ("a", SqlType::int().not_null()),
            ("b", SqlType::map(SqlType::char(1).not_null(), SqlType::bytes())),
        ]);
        assert_eq!(row.to_string(), "ROW<`a` INT NOT NULL, `b` MAP<CHAR(1) NOT NULL, BYTES>>");
        let rowtime = SqlType::timestamp(3).not_null().with_attribute(TimeAttribute::Rowtime);
        assert_eq!(rowtime.to_string(), "TIMESTAMP(3) NOT NULL *ROWTIME*");
        assert_eq!(SqlType::null().to_string(), "NULL");
        assert_eq!(SqlType::new(TypeKind::IntervalDaySecond).to_string(), "INTERVAL SECOND(3)");
    }

    #[test]
    fn arrow_form_comes_back() {
        for ty in [
            SqlType::boolean(),
            SqlType::decimal(12, 3),
            SqlType::string(),
            SqlType::timestamp(6),
            SqlType::timestamp_ltz(3),
            SqlType::array(SqlType::map(SqlType::string(), SqlType::double())),
            SqlType::row([("x", SqlType::date()), ("y", SqlType::bytes())]),
        ] {
            assert_eq!(SqlType::from_arrow(&ty.arrow(), true).unwrap(), ty);
        }
        assert!(SqlType::from_arrow(&DataType::UInt64, true).is_err());
    }
}
