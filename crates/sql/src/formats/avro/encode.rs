//! Columns to bytes of Avro, by a schema.

use super::schema::{AvroSchema, Logical, Named, Schema};
use crate::formats::FormatColumn;
use crate::stamps::timestamp_values;
use crate::text::units_per_second;
use crate::types::{SqlType, TypeKind, time_unit};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use millstream_core::{Error, Result};

/// Appends a number in as few bytes as it takes.
pub(super) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// How a column is written.
enum Plan {
    Value(Schema),
    Fixed(usize),
    /// The branches of null and of the value.
    Union(Option<i64>, i64, Box<Plan>),
    Array(Box<Plan>),
    Map(Box<Plan>),
    /// For each field of the schema the part of the ROW.
    Record(Vec<(usize, Plan)>),
}

/// Writes rows as records of a schema.
pub(super) struct RecordWriter {
    fields: Vec<(usize, Plan)>,
    types: Vec<(String, SqlType)>,
}

fn misfit(schema: &Schema, ty: &SqlType) -> Error {
    Error::config(format!("{} cannot be written as {schema:?}", ty.base_text()))
        .advice("change the column, or the schema that was given")
}

impl RecordWriter {
    pub(super) fn new(schema: &AvroSchema, columns: &[FormatColumn]) -> Result<Self> {
        Self::of(schema, &schema.root, columns)
    }
    /// For the record `at` of a schema.
    pub(super) fn of(schema: &AvroSchema, at: &Schema, columns: &[FormatColumn]) -> Result<Self> {
        let fields = schema.record(at).ok_or_else(|| {
            Error::config("the Avro schema is no record").advice("give that of a record")
        })?;
        let types: Vec<(String, SqlType)> =
            columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect();
        let targets: Vec<(&str, &SqlType)> = types.iter().map(|(n, t)| (n.as_str(), t)).collect();
        Ok(RecordWriter { fields: plan_fields(schema, fields, &targets)?, types })
    }
    /// Appends a row.
    pub(super) fn row(&self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<()> {
        for (at, plan) in &self.fields {
            let (Some(array), Some((name, ty))) = (columns.get(*at), self.types.get(*at)) else {
                return Err(Error::bug("a column that is not there is written"));
            };
            let put = put(plan, array, ty, row, out);
            put.map_err(|e| e.at(format!("column '{name}'")))?;
        }
        Ok(())
    }
}

fn plan_fields(
    schema: &AvroSchema,
    fields: &[(String, Schema)],
    targets: &[(&str, &SqlType)],
) -> Result<Vec<(usize, Plan)>> {
    let extra = targets.iter().find(|(name, _)| fields.iter().all(|(field, _)| field != name));
    if let Some((name, _)) = extra {
        return Err(Error::config(format!("the schema has no field for column '{name}'"))
            .advice("the schema that is given must have the table's columns"));
    }
    let plan_field = |(name, field): &(String, Schema)| {
        let at = targets.iter().position(|(target, _)| target == name).ok_or_else(|| {
            Error::config(format!("the table has no column for field '{name}' of the schema"))
                .advice("the schema that is given must have the table's columns")
        })?;
        let made = plan(schema, field, targets[at].1);
        Ok((at, made.map_err(|e| e.at(format!("column '{name}'")))?))
    };
    fields.iter().map(plan_field).collect()
}

fn plan(schema: &AvroSchema, to: &Schema, ty: &SqlType) -> Result<Plan> {
    use TypeKind as K;
    let fits = |fits: bool| if fits { Ok(Plan::Value(to.clone())) } else { Err(misfit(to, ty)) };
    match to {
        Schema::Null => Err(misfit(to, ty)),
        Schema::Boolean => fits(ty.kind == K::Boolean),
        Schema::Int(_) => {
            fits(matches!(ty.kind, K::TinyInt | K::SmallInt | K::Int | K::Date | K::Time(_)))
        }
        Schema::Long(_) => fits(matches!(
            ty.kind,
            K::TinyInt | K::SmallInt | K::Int | K::BigInt | K::Timestamp(_) | K::TimestampLtz(_)
        )),
        Schema::Float => fits(ty.kind == K::Float),
        Schema::Double => fits(matches!(ty.kind, K::Float | K::Double)),
        Schema::String => fits(matches!(ty.kind, K::Char(_) | K::Varchar(_))),
        Schema::Bytes(logical) => fits(match ty.kind {
            K::Decimal { scale, .. } => *logical == Some(Logical::Decimal(scale)),
            K::Binary(_) | K::Varbinary(_) => true,
            _ => false,
        }),
        Schema::Array(item) => match &ty.kind {
            K::Array(own) => Ok(Plan::Array(Box::new(plan(schema, item, own)?))),
            _ => Err(misfit(to, ty)),
        },
        Schema::Map(value) => match &ty.kind {
            K::Map(key, own) if matches!(key.kind, K::Char(_) | K::Varchar(_)) => {
                Ok(Plan::Map(Box::new(plan(schema, value, own)?)))
            }
            K::Multiset(key) if matches!(key.kind, K::Char(_) | K::Varchar(_)) => {
                Ok(Plan::Map(Box::new(plan(schema, value, &SqlType::int())?)))
            }
            _ => Err(misfit(to, ty)),
        },
        Schema::Union(branches) => {
            let null = branches.iter().position(|b| *b == Schema::Null).map(|at| at as i64);
            let mut plans = branches.iter().enumerate().filter(|(_, b)| **b != Schema::Null);
            let found = plans.find_map(|(at, b)| Some((at as i64, plan(schema, b, ty).ok()?)));
            let (at, made) = found.ok_or_else(|| misfit(to, ty))?;
            Ok(Plan::Union(null, at, Box::new(made)))
        }
        Schema::Named(at) => match (schema.named(*at)?, &ty.kind) {
            (Named::Record(fields), K::Row(own)) => {
                let targets: Vec<(&str, &SqlType)> =
                    own.iter().map(|f| (f.name.as_str(), &f.ty)).collect();
                Ok(Plan::Record(plan_fields(schema, fields, &targets)?))
            }
            (Named::Fixed(size, None), K::Binary(_) | K::Varbinary(_)) => Ok(Plan::Fixed(*size)),
            _ => Err(misfit(to, ty)),
        },
    }
}

fn wrong(ty: &SqlType) -> Error {
    Error::bug(format!("an array of another type for {ty}"))
}

fn put(plan: &Plan, array: &ArrayRef, ty: &SqlType, row: usize, out: &mut Vec<u8>) -> Result<()> {
    if let Plan::Union(null, at, plan) = plan {
        let branch = if array.is_null(row) { null.ok_or_else(no_null)? } else { *at };
        put_long(out, branch);
        return if array.is_null(row) { Ok(()) } else { put(plan, array, ty, row, out) };
    }
    if array.is_null(row) {
        return Err(no_null());
    }
    let wrong = || wrong(ty);
    match (plan, &ty.kind) {
        (Plan::Array(plan), TypeKind::Array(item)) => {
            let items = array.as_list_opt::<i32>().ok_or_else(wrong)?.value(row);
            if !items.is_empty() {
                put_long(out, items.len() as i64);
                (0..items.len()).try_for_each(|i| put(plan, &items, item, i, out))?;
            }
            out.push(0);
            Ok(())
        }
        (Plan::Map(plan), TypeKind::Map(..) | TypeKind::Multiset(_)) => {
            let int = SqlType::int();
            let value = match &ty.kind {
                TypeKind::Map(_, value) => &**value,
                _ => &int,
            };
            let entries = array.as_map_opt().ok_or_else(wrong)?.value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let keys = keys.as_string_opt::<i32>().ok_or_else(wrong)?;
            if !keys.is_empty() {
                put_long(out, keys.len() as i64);
            }
            for i in 0..keys.len() {
                if keys.is_null(i) {
                    return Err(Error::data("Avro has no maps with a NULL key")
                        .advice("filter such maps out, or replace the key"));
                }
                put_bytes(out, keys.value(i).as_bytes());
                put(plan, values, value, i, out)?;
            }
            out.push(0);
            Ok(())
        }
        (Plan::Record(parts), TypeKind::Row(fields)) => {
            let rows = array.as_struct_opt().ok_or_else(wrong)?;
            for (at, plan) in parts {
                let (Some(field), Some(column)) = (fields.get(*at), rows.columns().get(*at)) else {
                    return Err(wrong());
                };
                put(plan, column, &field.ty, row, out)?;
            }
            Ok(())
        }
        (Plan::Fixed(size), _) => {
            let bytes = array.as_binary_opt::<i32>().ok_or_else(wrong)?.value(row);
            if bytes.len() != *size {
                return Err(Error::data(format!("{} bytes for a fixed of {size}", bytes.len())));
            }
            out.extend_from_slice(bytes);
            Ok(())
        }
        (Plan::Value(schema), _) => put_value(schema, array, ty, row, out),
        _ => Err(wrong()),
    }
}

fn no_null() -> Error {
    Error::data("NULL for a part that the Avro schema has without null")
        .advice("filter such rows out, or declare the column without NOT NULL")
}

fn put_value(
    schema: &Schema,
    array: &ArrayRef,
    ty: &SqlType,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    use TypeKind as K;
    macro_rules! number {
        ($t:ty) => {
            array.as_primitive_opt::<$t>().ok_or_else(|| wrong(ty))?.value(row)
        };
    }
    match &ty.kind {
        K::Boolean => {
            out.push(array.as_boolean_opt().ok_or_else(|| wrong(ty))?.value(row).into());
        }
        K::TinyInt => put_long(out, number!(Int8Type).into()),
        K::SmallInt => put_long(out, number!(Int16Type).into()),
        K::Int => put_long(out, number!(Int32Type).into()),
        K::BigInt => put_long(out, number!(Int64Type)),
        K::Date => put_long(out, number!(Date32Type).into()),
        K::Time(_) => put_long(out, number!(Time32MillisecondType).into()),
        K::Float if *schema == Schema::Double => {
            out.extend_from_slice(&f64::from(number!(Float32Type)).to_le_bytes());
        }
        K::Float => out.extend_from_slice(&number!(Float32Type).to_le_bytes()),
        K::Double => out.extend_from_slice(&number!(Float64Type).to_le_bytes()),
        K::Char(_) | K::Varchar(_) => {
            let text = array.as_string_opt::<i32>().ok_or_else(|| wrong(ty))?.value(row);
            put_bytes(out, text.as_bytes());
        }
        K::Binary(_) | K::Varbinary(_) => {
            put_bytes(out, array.as_binary_opt::<i32>().ok_or_else(|| wrong(ty))?.value(row));
        }
        K::Decimal { .. } => {
            let bytes = number!(Decimal128Type).to_be_bytes();
            put_bytes(out, shortest(&bytes));
        }
        K::Timestamp(p) | K::TimestampLtz(p) => {
            let value = timestamp_values(&array.slice(row, 1), ty)?.value(0);
            let from = units_per_second(time_unit(*p));
            let to = match schema {
                Schema::Long(Some(Logical::Timestamp(units, _))) => *units,
                _ => 1_000,
            };
            let value = match from > to {
                true => Some(value.div_euclid(from / to)),
                false => value.checked_mul(to / from),
            };
            put_long(out, value.ok_or_else(|| Error::data("a timestamp that is out of range"))?);
        }
        _ => return Err(wrong(ty)),
    }
    Ok(())
}

/// Two's complement in as few bytes as Java's `BigInteger` takes.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let mut rest = &bytes[..];
    while let [first, second, ..] = rest {
        let sign = if second & 0x80 == 0 { 0 } else { 0xff };
        if *first != sign {
            break;
        }
        rest = &rest[1..];
    }
    rest
}
