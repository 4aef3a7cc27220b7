//! Values of the database to column builders, and of columns to the database.
//!
//! | PostgreSQL | SQL |
//! |---|---|
//! | smallint, integer, bigint | TINYINT to BIGINT that hold the value, DECIMAL |
//! | real; double precision | FLOAT, DOUBLE; DOUBLE |
//! | numeric | DECIMAL; NULL when it has too many digits, as in Flink |
//! | boolean, bytea, date, time | BOOLEAN, BYTES, DATE, TIME |
//! | timestamp | TIMESTAMP |
//! | timestamptz | TIMESTAMP_LTZ, TIMESTAMP in the session's zone |
//! | arrays of these | ARRAY |
//! | text, varchar, char, and all others as their text | STRING, VARCHAR, CHAR |

use crate::formats::columns::Column;
use crate::formats::times::TimeStandard;
use crate::formats::{push_text, write_scalar};
use crate::types::{SqlType, TypeKind, time_unit};
use crate::zone::Zone;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::TimeUnit;
use millstream_core::{Error, Result};
use millstream_jdbc::{JdbcColumn, JdbcRow, PgArray, PgType, PgValue, SqlType as Wire, SqlValue};

/// Whether the database has values of a type.
pub(super) fn has_form(ty: &SqlType) -> bool {
    use TypeKind::*;
    match &ty.kind {
        Null | Map(..) | Multiset(_) | Row(_) | IntervalYearMonth | IntervalDaySecond => false,
        Array(item) => has_form(item),
        _ => true,
    }
}

/// Whether values of a column of the database can be read as a type.
fn can_read(from: &PgType, ty: &SqlType) -> bool {
    use TypeKind::*;
    match (from, &ty.kind) {
        (PgType::Bool, Boolean)
        | (PgType::Int, TinyInt | SmallInt | Int | BigInt | Decimal { .. })
        | (PgType::Float(false), Float | Double)
        | (PgType::Float(true), Double)
        | (PgType::Numeric, Decimal { .. })
        | (PgType::Text | PgType::Other, Char(_) | Varchar(_))
        | (PgType::Bytes, Binary(_) | Varbinary(_))
        | (PgType::Date, Date)
        | (PgType::Time, Time(_))
        | (PgType::Timestamp, Timestamp(_))
        | (PgType::TimestampTz, Timestamp(_) | TimestampLtz(_)) => true,
        (PgType::Array(from), Array(item)) => {
            // The server's type says nothing of dimensions.
            can_read(from, item) || can_read(&PgType::Array(from.clone()), item)
        }
        _ => false,
    }
}

/// Refuses a column of the database that cannot be read as the table's.
pub(super) fn check_readable(found: &JdbcColumn, name: &str, ty: &SqlType) -> Result<()> {
    if can_read(&found.ty, ty) {
        return Ok(());
    }
    let what =
        format!("column '{name}' is {} and cannot be read as {}", found.type_name, ty.base_text());
    Err(Error::config(what)
        .advice("declare it with the type of docs/sql/connectors/jdbc.md, or cast it in a view"))
}

/// Appends a row to columns, which were asked for in this order.
pub(super) struct Reading {
    zone: Zone,
    /// Whether an instant is read as local time, by column.
    local: Vec<bool>,
    names: Vec<String>,
    text: String,
}

impl Reading {
    pub(super) fn new<'a>(
        zone: Zone,
        columns: impl Iterator<Item = (&'a JdbcColumn, &'a str, &'a SqlType)>,
    ) -> Self {
        let (mut local, mut names) = (vec![], vec![]);
        for (found, name, ty) in columns {
            let instants = match &found.ty {
                PgType::Array(item) => **item == PgType::TimestampTz,
                other => *other == PgType::TimestampTz,
            };
            let mut kind = &ty.kind;
            while let TypeKind::Array(item) = kind {
                kind = &item.kind;
            }
            local.push(instants && matches!(kind, TypeKind::Timestamp(_)));
            names.push(name.to_owned());
        }
        Reading { zone, local, names, text: String::new() }
    }
    pub(super) fn row(&mut self, row: JdbcRow<'_>, columns: &mut [Column]) -> Result<()> {
        for (index, column) in columns.iter_mut().enumerate() {
            let pushed = match row.value(index) {
                Ok(None) => {
                    column.push_null();
                    Ok(())
                }
                Ok(Some(value)) => self.push(value, column, self.local[index]),
                Err(error) => Err(error),
            };
            pushed.map_err(|e| e.at(format!("column '{}'", self.names[index])))?;
        }
        Ok(())
    }
    fn push(&mut self, value: PgValue<'_>, column: &mut Column, local: bool) -> Result<()> {
        match value {
            PgValue::Bool(value) => column.push_bool(value),
            PgValue::Int(value) if matches!(column.ty().kind, TypeKind::Decimal { .. }) => {
                self.text.clear();
                crate::text::write_int(&mut self.text, value);
                push_text(&self.text, column)
            }
            PgValue::Int(value) => column.push_int(value),
            PgValue::Float(value) => column.push_float(value),
            PgValue::Numeric(value) => {
                self.text.clear();
                value.write(&mut self.text);
                push_text(&self.text, column)
            }
            PgValue::Text(value) => column.push_bytes(value.as_bytes()),
            PgValue::Bytes(value) => column.push_bytes(value),
            PgValue::Date(days) => column.push_int(days),
            PgValue::TimeMicros(micros) => column.push_int(micros / 1000),
            PgValue::TimestampMicros(micros) => {
                let micros = match local {
                    true => {
                        let ms = micros.div_euclid(1000);
                        let moved = self.zone.to_local_ms(ms) - ms;
                        micros.saturating_add(moved * 1000)
                    }
                    false => micros,
                };
                let (TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) = column.ty().kind else {
                    return Err(Error::bug("a timestamp for a column that is none"));
                };
                let value = match time_unit(p) {
                    TimeUnit::Microsecond => Some(micros),
                    TimeUnit::Nanosecond => micros.checked_mul(1000),
                    _ => Some(micros.div_euclid(1000)),
                };
                column.push_int(value.ok_or_else(|| {
                    Error::data("a timestamp that nanoseconds do not reach")
                        .advice("declare the column with a precision of at most 6")
                })?)
            }
            PgValue::Array(array) => self.array(&array, 0, &mut array.elements(), column, local),
        }
    }
    fn array<'a>(
        &mut self,
        array: &PgArray<'a>,
        dimension: usize,
        elements: &mut dyn Iterator<Item = Result<Option<PgValue<'a>>>>,
        column: &mut Column,
        local: bool,
    ) -> Result<()> {
        let size = if array.dimensions() == 0 { 0 } else { array.size(dimension)? };
        let items = column.items()?;
        let deeper = matches!(items.ty().kind, TypeKind::Array(_));
        if size > 0 && deeper != (dimension + 1 < array.dimensions()) {
            return Err(Error::data(format!(
                "an array with {} dimensions for a column of type {}",
                array.dimensions(),
                column.ty()
            ))
            .advice("declare as many ARRAYs as the values have dimensions"));
        }
        for _ in 0..size {
            if deeper {
                self.array(array, dimension + 1, elements, items, local)?;
                continue;
            }
            match elements.next().transpose()? {
                Some(Some(value)) => self.push(value, items, local)?,
                Some(None) => items.push_null(),
                None => return Err(Error::data("an array with less elements than it says")),
            }
        }
        column.close()
    }
}

/// What goes over the wire for a type.
pub(super) fn wire(ty: &SqlType) -> Wire {
    use TypeKind::*;
    match &ty.kind {
        Boolean => Wire::Bool,
        TinyInt | SmallInt | Int | BigInt => Wire::Int,
        Float | Double => Wire::Float,
        Binary(_) | Varbinary(_) => Wire::Bytes,
        _ => Wire::Text,
    }
}

/// The value of a row.
pub(super) fn value(array: &dyn Array, ty: &SqlType, row: usize) -> Result<SqlValue> {
    use TypeKind::*;
    if array.is_null(row) {
        return Ok(SqlValue::Null);
    }
    let wrong = || Error::bug(format!("an array of another type for {ty}"));
    macro_rules! number {
        ($t:ty) => {
            array.as_primitive_opt::<$t>().ok_or_else(wrong)?.value(row)
        };
    }
    Ok(match &ty.kind {
        Boolean => SqlValue::Bool(array.as_boolean_opt().ok_or_else(wrong)?.value(row)),
        TinyInt => SqlValue::Int(number!(Int8Type).into()),
        SmallInt => SqlValue::Int(number!(Int16Type).into()),
        Int => SqlValue::Int(number!(Int32Type).into()),
        BigInt => SqlValue::Int(number!(Int64Type)),
        Float => SqlValue::Float(number!(Float32Type).into()),
        Double => SqlValue::Float(number!(Float64Type)),
        Binary(_) | Varbinary(_) => {
            SqlValue::Bytes(array.as_binary_opt::<i32>().ok_or_else(wrong)?.value(row).to_vec())
        }
        _ => {
            let mut text = String::new();
            write_text(&mut text, array, ty, row)?;
            SqlValue::Text(text)
        }
    })
}

/// The text from which the server makes a value; arrays as `{1,NULL,"a b"}`.
fn write_text(out: &mut String, array: &dyn Array, ty: &SqlType, row: usize) -> Result<()> {
    let TypeKind::Array(item) = &ty.kind else {
        write_scalar(out, ty, array, row, TimeStandard::Sql)?;
        return Ok(());
    };
    let wrong = || Error::bug(format!("an array of another type for {ty}"));
    let items = array.as_list_opt::<i32>().ok_or_else(wrong)?.value(row);
    out.push('{');
    for i in 0..items.len() {
        if i > 0 {
            out.push(',');
        }
        if items.is_null(i) {
            out.push_str("NULL");
            continue;
        }
        match &item.kind {
            TypeKind::Array(_) => write_text(out, &items, item, i)?,
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                use std::fmt::Write;
                out.push_str("\"\\\\x");
                let bytes = items.as_binary_opt::<i32>().ok_or_else(wrong)?.value(i);
                bytes.iter().for_each(|byte| {
                    let _ = write!(out, "{byte:02x}");
                });
                out.push('"');
            }
            _ => {
                let mut text = String::new();
                write_scalar(&mut text, item, &items, i, TimeStandard::Sql)?;
                out.push('"');
                for c in text.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    Ok(())
}
