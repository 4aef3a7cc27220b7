//! Columns to messages.
//!
//! A column that is NULL is a field that is not set. Lists and maps have no NULL: 0, false,
//! an empty message, or the text of an option stands for it.

use super::Protobuf;
use super::descriptor::{FieldPlan, Shape, plan};
use crate::formats::{Encoder, FormatColumn};
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use millstream_core::{Error, Result};
use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, Kind, MapKey, Value};
use std::collections::HashMap;

pub(super) struct ProtobufEncoder {
    format: Protobuf,
    fields: Vec<FieldPlan>,
}

impl ProtobufEncoder {
    pub(super) fn new(format: Protobuf, columns: &[FormatColumn]) -> Result<Self> {
        let fields = plan(&format.message, columns.iter().map(|c| (c.name.as_str(), &c.ty)))?;
        Ok(ProtobufEncoder { format, fields })
    }

    fn set(
        &self,
        fields: &[FieldPlan],
        columns: &[ArrayRef],
        row: usize,
        message: &mut DynamicMessage,
    ) -> Result<()> {
        for (plan, array) in fields.iter().zip(columns) {
            if array.is_null(row) {
                continue;
            }
            let value = self.value(&plan.shape, array, &plan.ty, row);
            let value = value.map_err(|e| e.at(format!("column '{}'", plan.field.name())))?;
            message.try_set_field(&plan.field, value).map_err(|e| {
                Error::bug(format!("field '{}' does not take its value: {e}", plan.field.name()))
            })?;
        }
        Ok(())
    }

    fn value(&self, shape: &Shape, array: &ArrayRef, ty: &SqlType, row: usize) -> Result<Value> {
        let wrong = || Error::bug(format!("an array of another type for {ty}"));
        match (shape, &ty.kind) {
            (Shape::Row(message, fields), _) => {
                let mut made = DynamicMessage::new(message.clone());
                if array.is_valid(row) {
                    let rows = array.as_struct_opt().ok_or_else(wrong)?;
                    self.set(fields, rows.columns(), row, &mut made)?;
                }
                Ok(Value::Message(made))
            }
            (Shape::List(item), TypeKind::Array(item_ty)) => {
                let items = array.as_list_opt::<i32>().ok_or_else(wrong)?.value(row);
                let values = (0..items.len()).map(|i| self.value(item, &items, item_ty, i));
                Ok(Value::List(values.collect::<Result<_>>()?))
            }
            (Shape::Map(key, value), TypeKind::Map(key_ty, value_ty)) => {
                let entries = array.as_map_opt().ok_or_else(wrong)?.value(row);
                let mut map = HashMap::new();
                for i in 0..entries.len() {
                    let key = self.value(key, entries.column(0), key_ty, i)?;
                    let value = self.value(value, entries.column(1), value_ty, i)?;
                    map.insert(map_key(key)?, value);
                }
                Ok(Value::Map(map))
            }
            (Shape::Scalar(kind), _) => self.scalar(kind, array, ty, row),
            _ => Err(wrong()),
        }
    }

    fn scalar(&self, kind: &Kind, array: &ArrayRef, ty: &SqlType, row: usize) -> Result<Value> {
        if array.is_null(row) {
            return Ok(match kind {
                Kind::String => Value::String(self.format.null_literal.clone()),
                kind => kind.default_value(),
            });
        }
        let wrong = || Error::bug(format!("an array of another type for {ty}"));
        macro_rules! number {
            ($t:ty) => {
                array.as_primitive_opt::<$t>().ok_or_else(wrong)?.value(row)
            };
        }
        let integer = match &ty.kind {
            TypeKind::TinyInt => i64::from(number!(Int8Type)),
            TypeKind::SmallInt => i64::from(number!(Int16Type)),
            TypeKind::Int => i64::from(number!(Int32Type)),
            TypeKind::BigInt => number!(Int64Type),
            TypeKind::Boolean => {
                return Ok(Value::Bool(array.as_boolean_opt().ok_or_else(wrong)?.value(row)));
            }
            TypeKind::Float => return Ok(Value::F32(number!(Float32Type))),
            TypeKind::Double => return Ok(Value::F64(number!(Float64Type))),
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                let bytes = array.as_binary_opt::<i32>().ok_or_else(wrong)?.value(row);
                return Ok(Value::Bytes(bytes.to_vec().into()));
            }
            _ => {
                let text = array.as_string_opt::<i32>().ok_or_else(wrong)?.value(row);
                return match kind {
                    Kind::Enum(of) => match of.get_value_by_name(text) {
                        Some(value) => Ok(Value::EnumNumber(value.number())),
                        None => Err(Error::data(format!("'{text}' is none of {}", of.full_name()))
                            .advice("write one of the names of the enum")),
                    },
                    _ => Ok(Value::String(text.to_owned())),
                };
            }
        };
        let outside = || Error::data(format!("{integer} is outside the range of {kind:?}"));
        Ok(match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(integer as i32),
            // What INT has of it are the bits; BIGINT has the number.
            Kind::Uint32 | Kind::Fixed32 if ty.kind == TypeKind::Int => Value::U32(integer as u32),
            Kind::Uint32 | Kind::Fixed32 => {
                Value::U32(u32::try_from(integer).map_err(|_| outside())?)
            }
            Kind::Uint64 | Kind::Fixed64 => Value::U64(integer as u64),
            Kind::Enum(_) => Value::EnumNumber(i32::try_from(integer).map_err(|_| outside())?),
            _ => Value::I64(integer),
        })
    }
}

fn map_key(value: Value) -> Result<MapKey> {
    Ok(match value {
        Value::Bool(key) => MapKey::Bool(key),
        Value::I32(key) => MapKey::I32(key),
        Value::I64(key) => MapKey::I64(key),
        Value::U32(key) => MapKey::U32(key),
        Value::U64(key) => MapKey::U64(key),
        Value::String(key) => MapKey::String(key),
        _ => return Err(Error::bug("a key that protobuf has not")),
    })
}

impl Encoder for ProtobufEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut message = DynamicMessage::new(self.format.message.clone());
        self.set(&self.fields, columns, row, &mut message)?;
        message.encode(out).map_err(|e| Error::bug(format!("a message cannot be written: {e}")))
    }
}
