//! Types as written to Flink's types.

use super::Binder;
use crate::dialect::ast::{TimeUnit, TypeExpr};
use crate::types::{MAX_LENGTH, RowField, SqlType, TypeKind};
use millstream_core::Result;

const NAMES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "CHAR",
    "VARCHAR",
    "STRING",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "INTERVAL",
    "ARRAY",
    "MAP",
    "MULTISET",
    "ROW",
];

impl Binder<'_> {
    /// The type that was written.
    ///
    /// # Errors
    /// `Config`, with the place: no such type, or a number out of range.
    pub(crate) fn data_type(&self, t: &TypeExpr) -> Result<SqlType> {
        let number = |index: usize, low: u32, high: u32, otherwise: u32| match t.params.get(index) {
            None => Ok(otherwise),
            Some(n) if (low..=high).contains(n) => Ok(*n),
            Some(n) => {
                let what = format!("{} cannot have {n}: it takes {low} to {high}", t.name);
                Err(self.fail(t.span, what).advice("change the number"))
            }
        };
        let child = |index: usize| match t.children.get(index) {
            Some(child) => self.data_type(child).map(Box::new),
            None => Err(self.fail(t.span, format!("{} needs a type of elements", t.name))),
        };
        let small = |n: u32| n as u8;
        let kind = match t.name.as_str() {
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" | "DOUBLE PRECISION" => TypeKind::Double,
            "DECIMAL" | "DEC" | "NUMERIC" => {
                let precision = number(0, 1, 38, 10)?;
                let scale = number(1, 0, precision, 0)?;
                TypeKind::Decimal { precision: small(precision), scale: small(scale) }
            }
            "CHAR" | "CHARACTER" => TypeKind::Char(number(0, 1, MAX_LENGTH, 1)?),
            "VARCHAR" | "CHAR VARYING" | "CHARACTER VARYING" => {
                TypeKind::Varchar(number(0, 1, MAX_LENGTH, 1)?)
            }
            "STRING" => TypeKind::Varchar(MAX_LENGTH),
            "BINARY" => TypeKind::Binary(number(0, 1, MAX_LENGTH, 1)?),
            "VARBINARY" | "BINARY VARYING" => TypeKind::Varbinary(number(0, 1, MAX_LENGTH, 1)?),
            "BYTES" => TypeKind::Varbinary(MAX_LENGTH),
            "DATE" => TypeKind::Date,
            "TIME" => TypeKind::Time(small(number(0, 0, 9, 0)?)),
            "TIMESTAMP" => TypeKind::Timestamp(small(number(0, 0, 9, 6)?)),
            "TIMESTAMP_LTZ" | "TIMESTAMP WITH LOCAL TIME ZONE" => {
                TypeKind::TimestampLtz(small(number(0, 0, 9, 6)?))
            }
            "TIMESTAMP WITH TIME ZONE" | "TIME WITH LOCAL TIME ZONE" | "TIME WITH TIME ZONE" => {
                return Err(self
                    .fail(t.span, format!("{} is not supported", t.name))
                    .advice("use TIMESTAMP_LTZ, an instant, or TIMESTAMP, a time without zone"));
            }
            "INTERVAL" => match t.interval.as_ref().map(|i| i.from) {
                Some(TimeUnit::Year | TimeUnit::Month | TimeUnit::Quarter) => {
                    TypeKind::IntervalYearMonth
                }
                _ => TypeKind::IntervalDaySecond,
            },
            "ARRAY" => TypeKind::Array(child(0)?),
            "MULTISET" => TypeKind::Multiset(child(0)?),
            "MAP" => TypeKind::Map(child(0)?, child(1)?),
            "NULL" => TypeKind::Null,
            "ROW" => {
                let mut fields: Vec<RowField> = vec![];
                for (name, ty, _) in &t.fields {
                    if fields.iter().any(|f| f.name == name.value) {
                        let what = format!("a ROW has two fields '{}'", name.value);
                        return Err(self.fail(name.span, what).advice("rename one"));
                    }
                    fields.push(RowField { name: name.value.clone(), ty: self.data_type(ty)? });
                }
                TypeKind::Row(fields)
            }
            other => {
                let error = self.fail(t.span, format!("there is no type {other}"));
                let near = millstream_core::nearest::hint(other, NAMES.iter().copied());
                return Err(match near {
                    Some(hint) => error.advice(hint),
                    None => error.advice(format!("types are: {}", NAMES.join(", "))),
                });
            }
        };
        Ok(SqlType::new(kind).with_nullable(t.nullable))
    }
}
