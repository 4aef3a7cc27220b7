//! `raw`: a message is the value of the one column.

use super::columns::Rows;
use super::{Decoder, Encoder, Format, FormatColumn, FormatInfo};
use crate::connectors::{OptionKind, OptionSpec};
use crate::runtime::ChangeKind;
use crate::types::TypeKind;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use millstream_core::{Error, Result};
use std::sync::Arc;

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "raw",
    doc: "a message is the value of the only column",
    options: &[
        OptionSpec::new(
            "charset",
            OptionKind::OneOf(&["UTF-8"]),
            "UTF-8",
            "how text is encoded; only UTF-8 is supported",
        ),
        OptionSpec::new(
            "endianness",
            OptionKind::OneOf(&["big-endian", "little-endian"]),
            "big-endian",
            "order of the bytes of numbers",
        ),
    ],
    make: |options| {
        let little =
            options.text("endianness").is_some_and(|e| e.eq_ignore_ascii_case("little-endian"));
        Ok(Arc::new(Raw { little }))
    },
};

#[derive(Clone, Copy)]
struct Raw {
    little: bool,
}

impl Raw {
    fn check(columns: &[FormatColumn]) -> Result<TypeKind> {
        let [column] = columns else {
            return Err(Error::config(format!(
                "the format 'raw' is for one column, the table has {}",
                columns.len()
            ))
            .advice("keep one physical column, or use another format"));
        };
        use TypeKind::*;
        match column.ty.kind {
            Boolean | TinyInt | SmallInt | Int | BigInt | Float | Double | Char(_) | Varchar(_)
            | Binary(_) | Varbinary(_) => Ok(column.ty.kind.clone()),
            _ => Err(Error::config(format!("the format 'raw' has no form for {}", column.ty))
                .advice("use BYTES, STRING, BOOLEAN or a number type")),
        }
    }
    fn ordered<const N: usize>(self, mut bytes: [u8; N]) -> [u8; N] {
        if self.little {
            bytes.reverse();
        }
        bytes
    }
}

impl Format for Raw {
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        let kind = Raw::check(columns)?;
        let wanted = columns.iter().any(|c| c.wanted);
        Ok(Box::new(RawDecoder { raw: *self, kind, wanted }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Raw::check(columns)?;
        Ok(Box::new(*self))
    }
}

struct RawDecoder {
    raw: Raw,
    kind: TypeKind,
    wanted: bool,
}

impl Decoder for RawDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        if self.wanted {
            let Some(column) = rows.columns.first_mut() else {
                return Err(Error::bug("the format 'raw' without a column"));
            };
            macro_rules! number {
                ($t:ty) => {{
                    let bytes = <[u8; size_of::<$t>()]>::try_from(message).map_err(|_| {
                        Error::data(format!(
                            "{} bytes are no {}, which has {}",
                            message.len(),
                            column.ty(),
                            size_of::<$t>()
                        ))
                    })?;
                    <$t>::from_be_bytes(self.raw.ordered(bytes))
                }};
            }
            match self.kind {
                TypeKind::Boolean => column.push_bool(number!(u8) != 0)?,
                TypeKind::TinyInt => column.push_int(number!(i8).into())?,
                TypeKind::SmallInt => column.push_int(number!(i16).into())?,
                TypeKind::Int => column.push_int(number!(i32).into())?,
                TypeKind::BigInt => column.push_int(number!(i64))?,
                TypeKind::Float => column.push_float(number!(f32).into())?,
                TypeKind::Double => column.push_float(number!(f64))?,
                TypeKind::Char(_) | TypeKind::Varchar(_) => {
                    // Bytes that are no UTF-8 become replacement characters, as in Java.
                    column.push_bytes(String::from_utf8_lossy(message).as_bytes())?;
                }
                _ => column.push_bytes(message)?,
            }
        }
        rows.end_row(ChangeKind::Insert);
        Ok(())
    }
}

impl Encoder for Raw {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        use arrow_schema::DataType;
        let array =
            columns.first().ok_or_else(|| Error::bug("the format 'raw' without a column"))?;
        if array.is_null(row) {
            return Ok(());
        }
        macro_rules! number {
            ($t:ty) => {
                out.extend_from_slice(
                    &self.ordered(array.as_primitive::<$t>().value(row).to_be_bytes()),
                )
            };
        }
        match array.data_type() {
            DataType::Boolean => out.push(u8::from(array.as_boolean().value(row))),
            DataType::Int8 => number!(Int8Type),
            DataType::Int16 => number!(Int16Type),
            DataType::Int32 => number!(Int32Type),
            DataType::Int64 => number!(Int64Type),
            DataType::Float32 => number!(Float32Type),
            DataType::Float64 => number!(Float64Type),
            DataType::Utf8 => {
                out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
            }
            DataType::Binary => out.extend_from_slice(array.as_binary::<i32>().value(row)),
            other => return Err(Error::bug(format!("the format 'raw' over {other}"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::formats::testing::{batch_of, columns, decode, encode, format};
    use crate::types::SqlType;

    #[test]
    fn text_and_numbers() {
        let raw = format("raw", &[]).unwrap();
        let text = columns(&[("x", SqlType::string())]);
        assert_eq!(decode(&*raw, &text, &["a, b", ""]).unwrap(), ["+I a, b", "+I "]);
        let number = columns(&[("x", SqlType::int())]);
        assert_eq!(decode(&*raw, &number, &["\0\0\u{1}\0"]).unwrap(), ["+I 256"]);
        assert!(decode(&*raw, &number, &["\0"]).unwrap_err().to_string().contains("1 bytes"));
        let little = format("raw", &[("endianness", "little-endian")]).unwrap();
        assert_eq!(decode(&*little, &number, &["\u{1}\0\0\0"]).unwrap(), ["+I 1"]);
        let batch = batch_of(&number, &[r#"{"x":256}"#]);
        assert_eq!(encode(&*raw, &number, &batch).unwrap(), ["\0\0\u{1}\0"]);
        let two = columns(&[("x", SqlType::int()), ("y", SqlType::int())]);
        assert!(decode(&*raw, &two, &[]).unwrap_err().to_string().contains("one column"));
    }
}
