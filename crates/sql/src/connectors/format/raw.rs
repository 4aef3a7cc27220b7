//! `raw`: the whole record as the value of one column.

use super::super::options::TableOptions;
use super::{Format, RowBuilder, RowDecoder, RowEncoder};
use crate::plan::logical::Schema;
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind};
use crate::value::Value;
use millstream_core::{Error, Result};

/// The format.
#[derive(Clone)]
pub struct Raw {
    ty: SqlType,
    big_endian: bool,
}

impl Raw {
    /// For the one column of the table.
    ///
    /// # Errors
    /// `Config`, when there are several or it has a type of another shape.
    pub fn new(options: &mut TableOptions<'_>, schema: &Schema) -> Result<Self> {
        let charset = options.get("raw.charset").unwrap_or("UTF-8");
        if !charset.eq_ignore_ascii_case("UTF-8") {
            return Err(Error::config(format!("option 'raw.charset' cannot be '{charset}'"))
                .advice("only UTF-8 is supported"));
        }
        let endianness = options.one_of("raw.endianness", &["big-endian", "little-endian"])?;
        let [field] = schema.as_slice() else {
            let what = format!("format 'raw' takes one column, not {}", schema.len());
            return Err(Error::config(what).advice("define a single physical column"));
        };
        use TypeKind::{
            BigInt, Boolean, Char, Double, Float, Int, SmallInt, TinyInt, Varbinary, Varchar,
        };
        if !matches!(
            field.ty.kind,
            Boolean
                | TinyInt
                | SmallInt
                | Int
                | BigInt
                | Float
                | Double
                | Char(_)
                | Varchar(_)
                | Varbinary(_)
                | TypeKind::Binary(_)
        ) {
            let what = format!("format 'raw' has no values of type {}", field.ty.base_text());
            return Err(Error::config(what).advice("use STRING or BYTES"));
        }
        Ok(Raw { ty: field.ty.clone(), big_endian: endianness == "big-endian" })
    }

    fn number<const N: usize>(&self, record: &[u8]) -> Result<[u8; N]> {
        let mut bytes: [u8; N] = record.try_into().map_err(|_| {
            let what =
                format!("a record of {} bytes is not of the {N} that it needs", record.len());
            Error::data(what)
        })?;
        if !self.big_endian {
            bytes.reverse();
        }
        Ok(bytes)
    }
}

impl Format for Raw {
    fn decoder(&self) -> Box<dyn RowDecoder> {
        Box::new(self.clone())
    }
    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(self.clone())
    }
}

impl RowDecoder for Raw {
    fn decode(&mut self, record: &[u8], out: &mut RowBuilder) -> Result<()> {
        let value = match self.ty.kind {
            TypeKind::Boolean => Value::Boolean(self.number::<1>(record)?[0] != 0),
            TypeKind::TinyInt => Value::Int(i8::from_be_bytes(self.number(record)?).into()),
            TypeKind::SmallInt => Value::Int(i16::from_be_bytes(self.number(record)?).into()),
            TypeKind::Int => Value::Int(i32::from_be_bytes(self.number(record)?).into()),
            TypeKind::BigInt => Value::Int(i64::from_be_bytes(self.number(record)?)),
            TypeKind::Float => Value::Float(f32::from_be_bytes(self.number(record)?).into()),
            TypeKind::Double => Value::Float(f64::from_be_bytes(self.number(record)?)),
            TypeKind::Char(_) | TypeKind::Varchar(_) => {
                Value::Text(String::from_utf8_lossy(record).into_owned())
            }
            _ => Value::Bytes(record.to_vec()),
        };
        out.push(ChangeKind::Insert, vec![value]);
        Ok(())
    }
}

impl RowEncoder for Raw {
    fn encode(&mut self, _kind: ChangeKind, row: &[Value], out: &mut Vec<u8>) -> Result<bool> {
        let start = out.len();
        match (row.first(), &self.ty.kind) {
            (None | Some(Value::Null), _) => return Ok(false),
            (Some(Value::Boolean(b)), _) => out.push(u8::from(*b)),
            (Some(Value::Int(n)), TypeKind::TinyInt) => out.extend((*n as i8).to_be_bytes()),
            (Some(Value::Int(n)), TypeKind::SmallInt) => out.extend((*n as i16).to_be_bytes()),
            (Some(Value::Int(n)), TypeKind::Int) => out.extend((*n as i32).to_be_bytes()),
            (Some(Value::Int(n)), _) => out.extend(n.to_be_bytes()),
            (Some(Value::Float(v)), TypeKind::Float) => out.extend((*v as f32).to_be_bytes()),
            (Some(Value::Float(v)), _) => out.extend(v.to_be_bytes()),
            (Some(Value::Text(t)), _) => {
                out.extend_from_slice(t.as_bytes());
                return Ok(true);
            }
            (Some(Value::Bytes(b)), _) => {
                out.extend_from_slice(b);
                return Ok(true);
            }
            (Some(_), _) => return Err(Error::bug("a raw value of another type")),
        }
        if !self.big_endian {
            out[start..].reverse();
        }
        Ok(true)
    }
}
