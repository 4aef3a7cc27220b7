//! Columns to JSON.

use crate::formats::times::{self, TimeStandard};
use crate::text;
use crate::types::{SqlType, TypeKind, time_unit};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::{Error, Result};

/// What becomes of NULL keys of maps (`map-null-key.mode`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NullKey {
    /// An error.
    #[default]
    Fail,
    /// The entry is left out.
    Drop,
    /// The key is this text.
    Literal(String),
}

/// How JSON is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonWriting {
    pub(crate) standard: TimeStandard,
    pub(crate) null_key: NullKey,
    pub(crate) plain_decimals: bool,
    pub(crate) ignore_nulls: bool,
}

/// Appends a string in quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    while let Some(at) = rest.iter().position(is_special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x8 => out.extend_from_slice(b"\\b"),
            0xc => out.extend_from_slice(b"\\f"),
            byte => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

impl JsonWriting {
    /// Appends the object of one row.
    ///
    /// # Errors
    /// Data: a NULL key of a map. Bug: an array is not of its type.
    pub(crate) fn row<'a>(
        &self,
        out: &mut Vec<u8>,
        fields: impl Iterator<Item = (&'a str, &'a SqlType, &'a ArrayRef)>,
        row: usize,
    ) -> Result<()> {
        out.push(b'{');
        let mut first = true;
        for (name, ty, array) in fields {
            if self.ignore_nulls && array.is_null(row) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            write_string(out, name);
            out.push(b':');
            self.value(out, ty, array, row)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Appends one value.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    pub(crate) fn value(
        &self,
        out: &mut Vec<u8>,
        ty: &SqlType,
        array: &dyn Array,
        row: usize,
    ) -> Result<()> {
        if array.is_null(row) || array.data_type() == &DataType::Null {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &ty.kind {
            TypeKind::Array(item) => {
                let items = array.as_list_opt::<i32>().ok_or_else(|| wrong(ty))?.value(row);
                out.push(b'[');
                for i in 0..items.len() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.value(out, item, &items, i)?;
                }
                out.push(b']');
                Ok(())
            }
            TypeKind::Map(key, value) => self.map(out, key, value, array, row, ty),
            TypeKind::Multiset(key) => self.map(out, key, &SqlType::int(), array, row, ty),
            TypeKind::Row(fields) => {
                let rows = array.as_struct_opt().ok_or_else(|| wrong(ty))?;
                let columns = fields.iter().zip(rows.columns());
                self.row(out, columns.map(|(f, c)| (f.name.as_str(), &f.ty, c)), row)
            }
            _ => self.scalar(out, ty, array, row),
        }
    }

    fn map(
        &self,
        out: &mut Vec<u8>,
        key: &SqlType,
        value: &SqlType,
        array: &dyn Array,
        row: usize,
        ty: &SqlType,
    ) -> Result<()> {
        let entries = array.as_map_opt().ok_or_else(|| wrong(ty))?.value(row);
        let (keys, values) = (entries.column(0), entries.column(1));
        let keys_text = keys.as_string_opt::<i32>().ok_or_else(|| {
            Error::config(format!("JSON cannot write {ty}: names are text, not {key}"))
                .advice("cast the keys to STRING")
        })?;
        out.push(b'{');
        let mut first = true;
        for i in 0..entries.len() {
            let name = match (keys.is_null(i), &self.null_key) {
                (false, _) => keys_text.value(i),
                (true, NullKey::Literal(text)) => text.as_str(),
                (true, NullKey::Drop) => continue,
                (true, NullKey::Fail) => {
                    return Err(Error::data("JSON cannot write a MAP with a NULL key")
                        .advice("set map-null-key.mode to DROP or LITERAL"));
                }
            };
            if !first {
                out.push(b',');
            }
            first = false;
            write_string(out, name);
            out.push(b':');
            self.value(out, value, values, i)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn scalar(&self, out: &mut Vec<u8>, ty: &SqlType, array: &dyn Array, row: usize) -> Result<()> {
        let mut text = String::new();
        if let Some(quoted) = write_scalar(&mut text, ty, array, row, self.standard)? {
            match quoted {
                true => write_string(out, &text),
                false => out.extend_from_slice(text.as_bytes()),
            }
            return Ok(());
        }
        // A DECIMAL.
        if !self.plain_decimals {
            text = text::java_decimal(&text, true);
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn wrong(ty: &SqlType) -> Error {
    Error::bug(format!("a column is not of its type {ty}"))
}

/// Appends a value that is no collection, as formats write it. Whether JSON puts it in
/// quotes; `None` for a DECIMAL, in plain digits.
pub(crate) fn write_scalar(
    out: &mut String,
    ty: &SqlType,
    array: &dyn Array,
    row: usize,
    standard: TimeStandard,
) -> Result<Option<bool>> {
    macro_rules! value {
        ($t:ty) => {
            array.as_primitive_opt::<$t>().ok_or_else(|| wrong(ty))?.value(row)
        };
    }
    let timestamp = |p: u8| -> Result<i64> {
        use arrow_schema::TimeUnit::*;
        Ok(match time_unit(p) {
            Microsecond => value!(TimestampMicrosecondType),
            Nanosecond => value!(TimestampNanosecondType),
            _ => value!(TimestampMillisecondType),
        })
    };
    let quoted = match &ty.kind {
        TypeKind::Boolean => {
            let bits = array.as_boolean_opt().ok_or_else(|| wrong(ty))?;
            out.push_str(if bits.value(row) { "true" } else { "false" });
            false
        }
        TypeKind::TinyInt => {
            text::write_int(out, value!(Int8Type).into());
            false
        }
        TypeKind::SmallInt => {
            text::write_int(out, value!(Int16Type).into());
            false
        }
        TypeKind::Int => {
            text::write_int(out, value!(Int32Type).into());
            false
        }
        TypeKind::BigInt => {
            text::write_int(out, value!(Int64Type));
            false
        }
        TypeKind::Float => {
            let value = value!(Float32Type);
            text::write_float(out, value);
            !value.is_finite()
        }
        TypeKind::Double => {
            let value = value!(Float64Type);
            text::write_double(out, value);
            !value.is_finite()
        }
        TypeKind::Decimal { scale, .. } => {
            text::write_decimal(out, value!(Decimal128Type), *scale);
            return Ok(None);
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            out.push_str(array.as_string_opt::<i32>().ok_or_else(|| wrong(ty))?.value(row));
            true
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            let bytes = array.as_binary_opt::<i32>().ok_or_else(|| wrong(ty))?.value(row);
            STANDARD.encode_string(bytes, out);
            true
        }
        TypeKind::Date => {
            text::write_date(out, value!(Date32Type).into());
            true
        }
        TypeKind::Time(_) => {
            times::write_time(out, value!(Time32MillisecondType).into());
            true
        }
        TypeKind::Timestamp(p) => {
            times::write_timestamp(out, timestamp(*p)?, standard, false, time_unit(*p));
            true
        }
        TypeKind::TimestampLtz(p) => {
            times::write_timestamp(out, timestamp(*p)?, standard, true, time_unit(*p));
            true
        }
        TypeKind::IntervalYearMonth => {
            text::write_int(out, value!(IntervalYearMonthType).into());
            false
        }
        TypeKind::IntervalDaySecond => {
            text::write_int(out, value!(DurationMillisecondType));
            false
        }
        TypeKind::Null
        | TypeKind::Array(_)
        | TypeKind::Multiset(_)
        | TypeKind::Map(..)
        | TypeKind::Row(_) => return Err(wrong(ty)),
    };
    Ok(Some(quoted))
}
