//! Messages to column builders.

use super::Protobuf;
use super::descriptor::{FieldPlan, Shape, plan};
use crate::formats::columns::{Column, Rows};
use crate::formats::{Decoder, FormatColumn};
use crate::runtime::ChangeKind;
use crate::types::TypeKind;
use millstream_core::{Error, Result};
use prost_reflect::{DynamicMessage, Kind, MapKey, Syntax, Value};

pub(super) struct ProtobufDecoder {
    format: Protobuf,
    fields: Vec<FieldPlan>,
}

impl ProtobufDecoder {
    pub(super) fn new(format: Protobuf, columns: &[FormatColumn]) -> Result<Self> {
        // All columns must be fields, also those that nobody needs.
        plan(&format.message, columns.iter().map(|c| (c.name.as_str(), &c.ty)))?;
        let wanted = columns.iter().filter(|c| c.wanted);
        let fields = plan(&format.message, wanted.map(|c| (c.name.as_str(), &c.ty)))?;
        Ok(ProtobufDecoder { format, fields })
    }
    fn row(&self, message: &[u8], columns: &mut [Column]) -> Result<()> {
        let message = DynamicMessage::decode(self.format.message.clone(), message);
        let message = message.map_err(|e| {
            Error::data(format!("no '{}': {e}", self.format.message.full_name()))
                .advice("set protobuf.ignore-parse-errors to true to pass over such messages")
        })?;
        push_fields(&self.fields, &message, columns, self.format.read_defaults)
    }
}

impl Decoder for ProtobufDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        let before = rows.len();
        match self.row(message, &mut rows.columns) {
            Ok(()) => {
                rows.end_row(ChangeKind::Insert);
                Ok(())
            }
            Err(error) => {
                rows.truncate(before);
                match self.format.ignore_errors {
                    true => Ok(()),
                    false => Err(error.at(format!("a message of {} bytes", message.len()))),
                }
            }
        }
    }
}

fn push_fields(
    fields: &[FieldPlan],
    message: &DynamicMessage,
    columns: &mut [Column],
    defaults: bool,
) -> Result<()> {
    for (plan, column) in fields.iter().zip(columns) {
        let simple = matches!(plan.shape, Shape::Scalar(_));
        let proto3 = plan.field.parent_file().syntax() == Syntax::Proto3;
        let is_there = message.has_field(&plan.field) || defaults || (simple && proto3);
        if !is_there {
            column.push_null();
            continue;
        }
        let value = message.get_field(&plan.field);
        let pushed = push(&plan.shape, &value, column, defaults);
        pushed.map_err(|e| e.at(format!("column '{}'", plan.field.name())))?;
    }
    Ok(())
}

fn push(shape: &Shape, value: &Value, column: &mut Column, defaults: bool) -> Result<()> {
    match (shape, value) {
        (Shape::Scalar(kind), value) => push_scalar(kind, value, column),
        (Shape::List(item), Value::List(values)) => {
            let items = column.items()?;
            values.iter().try_for_each(|value| push(item, value, items, defaults))?;
            column.close()
        }
        (Shape::Map(key, value), Value::Map(entries)) => {
            // In an order that does not change from run to run.
            let mut sorted: Vec<(&MapKey, &Value)> = entries.iter().collect();
            sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
            let (keys, values) = column.entries()?;
            for (k, v) in sorted {
                push(key, &Value::from(k.clone()), keys, defaults)?;
                push(value, v, values, defaults)?;
            }
            column.close()
        }
        (Shape::Row(_, fields), Value::Message(message)) => {
            push_fields(fields, message, column.fields()?, defaults)?;
            column.close()
        }
        _ => Err(Error::bug("a value of protobuf that its descriptor does not promise")),
    }
}

fn push_scalar(kind: &Kind, value: &Value, column: &mut Column) -> Result<()> {
    let wide = column.ty().kind == TypeKind::BigInt;
    match value {
        Value::Bool(value) => column.push_bool(*value),
        Value::I32(value) => column.push_int((*value).into()),
        Value::I64(value) => column.push_int(*value),
        Value::U32(value) if wide => column.push_int((*value).into()),
        // Java has no unsigned numbers: the bits stay.
        Value::U32(value) => column.push_int((*value as i32).into()),
        Value::U64(value) => column.push_int(*value as i64),
        Value::F32(value) => column.push_float((*value).into()),
        Value::F64(value) => column.push_float(*value),
        Value::String(value) => column.push_bytes(value.as_bytes()),
        Value::Bytes(value) => column.push_bytes(value),
        Value::EnumNumber(number) => match (&column.ty().kind, kind) {
            (TypeKind::Char(_) | TypeKind::Varchar(_), Kind::Enum(of)) => {
                match of.get_value(*number) {
                    Some(named) => column.push_bytes(named.name().as_bytes()),
                    None => column.push_bytes(number.to_string().as_bytes()),
                }
            }
            _ => column.push_int((*number).into()),
        },
        _ => Err(Error::bug("a part of protobuf where a value is expected")),
    }
}
