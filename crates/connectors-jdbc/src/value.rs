//! Values of columns, between a record and the wire.
//!
//! A sink declares each column with a function; the function's return type says which
//! [`SqlType`] goes over the wire, and the statement casts it to the column's own type.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The types that go over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SqlType {
    /// `bool`.
    Bool,
    /// `int8`; fits all integer columns, and `numeric`.
    Int,
    /// `float8`.
    Float,
    /// `text`; also for `numeric`, `uuid`, `json`, dates, enums: whatever has a text form.
    Text,
    /// `bytea`.
    Bytes,
    /// `timestamptz`, in UTC.
    Timestamp,
}

impl SqlType {
    /// PostgreSQL's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SqlType::Bool => "bool",
            SqlType::Int => "int8",
            SqlType::Float => "float8",
            SqlType::Text => "text",
            SqlType::Bytes => "bytea",
            SqlType::Timestamp => "timestamptz",
        }
    }
    /// Whether it can be cast to a column of this category (`pg_type.typcategory`) and type.
    pub(crate) fn fits(self, category: &str, type_name: &str) -> bool {
        match self {
            SqlType::Bool => category == "B",
            SqlType::Int | SqlType::Float => category == "N",
            SqlType::Text => type_name.starts_with("numeric") || !matches!(category, "N" | "B"),
            SqlType::Bytes => type_name == "bytea",
            SqlType::Timestamp => category == "D" && type_name.starts_with("timestamp"),
        }
    }
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SqlValue {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text; without zero bytes, which PostgreSQL refuses.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Milliseconds since 1970 UTC.
    Timestamp(i64),
}

/// Milliseconds since 1970 UTC, as a value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    pub(crate) fn to_system_time(self) -> Option<SystemTime> {
        let ms = Duration::from_millis(self.0.unsigned_abs());
        if self.0 >= 0 { UNIX_EPOCH.checked_add(ms) } else { UNIX_EPOCH.checked_sub(ms) }
    }
}

/// What a column's function may return.
pub trait IntoSql {
    /// What goes over the wire.
    const TYPE: SqlType;
    /// The value.
    fn into_sql(self) -> SqlValue;
}

macro_rules! into_sql {
    ($($from:ty => $kind:ident),* $(,)?) => {$(
        impl IntoSql for $from {
            const TYPE: SqlType = SqlType::$kind;
            fn into_sql(self) -> SqlValue {
                SqlValue::$kind(self.into())
            }
        }
    )*};
}

into_sql! {
    bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int,
    f32 => Float, f64 => Float, String => Text, &str => Text, Vec<u8> => Bytes, &[u8] => Bytes,
}

impl IntoSql for TimestampMs {
    const TYPE: SqlType = SqlType::Timestamp;
    fn into_sql(self) -> SqlValue {
        SqlValue::Timestamp(self.0)
    }
}

impl<T: IntoSql> IntoSql for Option<T> {
    const TYPE: SqlType = T::TYPE;
    fn into_sql(self) -> SqlValue {
        self.map_or(SqlValue::Null, T::into_sql)
    }
}
