//! Bytes of Avro to column builders.
//!
//! ```text
//!   writer's schema ──+                       bytes ──> Plan ──> columns
//!   table's columns ──+──> Plan: what to do with each part, in the writer's order
//! ```
//! Fields are found by name; what the table does not have, or nobody needs, is passed over.
//!
//! Invariant: lengths and counts that a message gives never make memory or time beyond its
//! own bytes; a block of a list whose elements take no bytes is bounded.
//!
//! Source: the specification of Avro, "Schema Resolution".

use super::schema::{AvroSchema, Logical, Named, Schema};
use crate::decimal;
use crate::formats::FormatColumn;
use crate::formats::columns::Column;
use crate::text::units_per_second;
use crate::types::{SqlType, TypeKind, time_unit};
use millstream_core::{Error, Result};
use std::sync::Arc;

/// What is left of a message.
pub(super) struct Input<'a> {
    pub(super) bytes: &'a [u8],
}

fn short() -> Error {
    Error::data("the message ends within a value")
        .advice("check that it was written with the schema that it is read with")
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes }
    }
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or_else(short)?;
        self.bytes = rest;
        Ok(head)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| short())
    }
    /// A number in as few bytes as it takes.
    pub(super) fn long(&mut self) -> Result<i64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or_else(short)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift.min(63);
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Error::data("a number of more than ten bytes"))
    }
    pub(super) fn length(&mut self) -> Result<usize> {
        usize::try_from(self.long()?).map_err(|_| Error::data("a negative length"))
    }
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }
    /// Runs `each` for every element of the blocks of an array or map.
    fn blocks(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?; // the block's size
                count = count.checked_neg().ok_or_else(short)?;
            }
            // Elements without bytes (nulls) are as many as the message says: bounded.
            const MOST_EMPTY: i64 = 1 << 20;
            if count > MOST_EMPTY.max(self.bytes.len() as i64) {
                return Err(Error::data(format!("a list of {count} elements in a short message")));
            }
            for _ in 0..count {
                each(self)?;
            }
        }
    }
}

/// What is done with a part of a message.
pub(super) enum Plan {
    Skip(Schema),
    Null,
    /// A value without parts.
    Value(Schema),
    Enum(Vec<String>),
    Fixed(usize, Option<Logical>),
    Union(Vec<Plan>),
    Array(Box<Plan>),
    Map(Box<Plan>),
    /// The writer's fields, with their places in the ROW.
    Record(Vec<(Option<usize>, Plan)>),
    /// A branch of a union that the column cannot hold.
    Wrong(String),
}

fn misfit(schema: &Schema, ty: &SqlType) -> Error {
    Error::data(format!("the message has {schema:?}, which cannot be read as {}", ty.base_text()))
        .advice("declare the column with the type that belongs to it")
}

/// The plan of a record's fields for some columns, and its schema.
pub(super) struct RecordPlan {
    schema: Arc<AvroSchema>,
    fields: Vec<(Option<usize>, Plan)>,
}

impl RecordPlan {
    /// For messages of `schema`: the columns that are wanted, in their order.
    pub(super) fn new(schema: Arc<AvroSchema>, columns: &[FormatColumn]) -> Result<Self> {
        let root = schema.root.clone();
        Self::of(schema, &root, columns)
    }
    /// For the record `at` of a schema, alone or in a union with null.
    pub(super) fn of(
        schema: Arc<AvroSchema>,
        at: &Schema,
        columns: &[FormatColumn],
    ) -> Result<Self> {
        let Some(fields) = schema.record(at) else {
            return Err(Error::config("the Avro schema is no record")
                .advice("a table's messages must be records"));
        };
        let wanted: Vec<&FormatColumn> = columns.iter().filter(|c| c.wanted).collect();
        let targets: Vec<(&str, &SqlType)> =
            wanted.iter().map(|c| (c.name.as_str(), &c.ty)).collect();
        let fields = plan_fields(&schema, fields, &targets)?;
        Ok(RecordPlan { schema, fields })
    }
    /// Appends a row to the columns that are wanted.
    pub(super) fn row(&self, input: &mut Input<'_>, columns: &mut [Column]) -> Result<()> {
        let len = columns.first().map_or(0, Column::len) + 1;
        run_fields(&self.schema, &self.fields, input, columns)?;
        columns.iter_mut().filter(|c| c.len() < len).for_each(Column::push_null);
        Ok(())
    }
}

fn plan_fields(
    schema: &AvroSchema,
    fields: &[(String, Schema)],
    targets: &[(&str, &SqlType)],
) -> Result<Vec<(Option<usize>, Plan)>> {
    let missing = targets
        .iter()
        .find(|(name, ty)| !ty.nullable && fields.iter().all(|(field, _)| field != name));
    if let Some((name, ty)) = missing {
        return Err(Error::data(format!("the message has no field '{name}', which is {ty}"))
            .advice("declare the column without NOT NULL"));
    }
    let plan_field = |(name, field): &(String, Schema)| {
        let target = targets.iter().position(|(target, _)| target == name);
        Ok(match target {
            None => (None, Plan::Skip(field.clone())),
            Some(at) => {
                let made = plan(schema, field, targets[at].1);
                (Some(at), made.map_err(|e| e.at(format!("column '{name}'")))?)
            }
        })
    };
    fields.iter().map(plan_field).collect()
}

fn plan(schema: &AvroSchema, from: &Schema, ty: &SqlType) -> Result<Plan> {
    use TypeKind as K;
    let fits =
        |fits: bool| if fits { Ok(Plan::Value(from.clone())) } else { Err(misfit(from, ty)) };
    let is_text = matches!(ty.kind, K::Char(_) | K::Varchar(_));
    let is_bytes = matches!(ty.kind, K::Binary(_) | K::Varbinary(_));
    match from {
        Schema::Null => Ok(Plan::Null),
        Schema::Boolean => fits(ty.kind == K::Boolean),
        Schema::Int(_) | Schema::Long(_) => fits(matches!(
            ty.kind,
            K::TinyInt
                | K::SmallInt
                | K::Int
                | K::BigInt
                | K::Float
                | K::Double
                | K::Date
                | K::Time(_)
                | K::Timestamp(_)
                | K::TimestampLtz(_)
        )),
        Schema::Float => fits(matches!(ty.kind, K::Float | K::Double)),
        Schema::Double => fits(ty.kind == K::Double),
        Schema::String => fits(is_text || is_bytes),
        Schema::Bytes(_) => fits(is_text || is_bytes || matches!(ty.kind, K::Decimal { .. })),
        Schema::Array(item) => match &ty.kind {
            K::Array(wanted) => Ok(Plan::Array(Box::new(plan(schema, item, wanted)?))),
            _ => Err(misfit(from, ty)),
        },
        Schema::Map(value) => match &ty.kind {
            K::Map(key, wanted) if matches!(key.kind, K::Char(_) | K::Varchar(_)) => {
                Ok(Plan::Map(Box::new(plan(schema, value, wanted)?)))
            }
            K::Multiset(key) if matches!(key.kind, K::Char(_) | K::Varchar(_)) => {
                Ok(Plan::Map(Box::new(plan(schema, value, &SqlType::int())?)))
            }
            _ => Err(misfit(from, ty)),
        },
        Schema::Union(branches) => {
            let branch = |branch: &Schema| match plan(schema, branch, ty) {
                Ok(plan) => (plan, branch != &Schema::Null),
                Err(error) => (Plan::Wrong(error.to_string()), false),
            };
            let made: Vec<(Plan, bool)> = branches.iter().map(branch).collect();
            if !made.iter().any(|(_, good)| *good) && branches.iter().any(|b| *b != Schema::Null) {
                return Err(misfit(from, ty));
            }
            Ok(Plan::Union(made.into_iter().map(|(plan, _)| plan).collect()))
        }
        Schema::Named(at) => match (schema.named(*at)?, &ty.kind) {
            (Named::Record(fields), K::Row(wanted)) => {
                let targets: Vec<(&str, &SqlType)> =
                    wanted.iter().map(|f| (f.name.as_str(), &f.ty)).collect();
                Ok(Plan::Record(plan_fields(schema, fields, &targets)?))
            }
            (Named::Enum(symbols), _) if is_text => Ok(Plan::Enum(symbols.clone())),
            (Named::Fixed(size, logical), K::Decimal { .. }) => Ok(Plan::Fixed(*size, *logical)),
            (Named::Fixed(size, logical), _) if is_bytes => Ok(Plan::Fixed(*size, *logical)),
            _ => Err(misfit(from, ty)),
        },
    }
}

fn run_fields(
    schema: &AvroSchema,
    fields: &[(Option<usize>, Plan)],
    input: &mut Input<'_>,
    columns: &mut [Column],
) -> Result<()> {
    for (target, plan) in fields {
        match (target.and_then(|at| columns.get_mut(at)), plan) {
            (Some(column), plan) => run(schema, plan, input, column)?,
            (None, Plan::Skip(field)) => skip(schema, field, input, 0)?,
            (None, _) => return Err(Error::bug("a field without its column")),
        }
    }
    Ok(())
}

fn run(schema: &AvroSchema, plan: &Plan, input: &mut Input<'_>, column: &mut Column) -> Result<()> {
    match plan {
        Plan::Skip(part) => skip(schema, part, input, 0),
        Plan::Null => {
            column.push_null();
            Ok(())
        }
        Plan::Value(part) => value(part, input, column),
        Plan::Enum(symbols) => {
            let symbol = usize::try_from(input.long()?).ok().and_then(|at| symbols.get(at));
            let symbol = symbol.ok_or_else(|| Error::data("a number that is none of an enum"))?;
            column.push_bytes(symbol.as_bytes())
        }
        Plan::Fixed(size, logical) => {
            let bytes = input.take(*size)?;
            push_bytes(bytes, *logical, column)
        }
        Plan::Union(branches) => {
            let at = input.long()?;
            let branch = usize::try_from(at).ok().and_then(|at| branches.get(at));
            let branch =
                branch.ok_or_else(|| Error::data(format!("a union has no branch {at}")))?;
            run(schema, branch, input, column)
        }
        Plan::Array(item) => {
            let items = column.items()?;
            input.blocks(|input| run(schema, item, input, items))?;
            column.close()
        }
        Plan::Map(value) => {
            let (keys, values) = column.entries()?;
            input.blocks(|input| {
                keys.push_bytes(text(input.bytes()?)?.as_bytes())?;
                run(schema, value, input, values)
            })?;
            column.close()
        }
        Plan::Record(fields) => {
            run_fields(schema, fields, input, column.fields()?)?;
            column.close()
        }
        Plan::Wrong(why) => Err(Error::data(why.clone())),
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::data("text that is no UTF-8"))
}

fn value(schema: &Schema, input: &mut Input<'_>, column: &mut Column) -> Result<()> {
    match schema {
        Schema::Boolean => column.push_bool(input.array::<1>()?[0] != 0),
        Schema::Int(logical) | Schema::Long(logical) => number(input.long()?, *logical, column),
        Schema::Float => column.push_float(f32::from_le_bytes(input.array()?).into()),
        Schema::Double => column.push_float(f64::from_le_bytes(input.array()?)),
        Schema::String => push_bytes(input.bytes()?, None, column),
        Schema::Bytes(logical) => push_bytes(input.bytes()?, *logical, column),
        other => Err(Error::bug(format!("{other:?} is no value without parts"))),
    }
}

fn number(value: i64, logical: Option<Logical>, column: &mut Column) -> Result<()> {
    let value = match &column.ty().kind {
        TypeKind::Float | TypeKind::Double => return column.push_float(value as f64),
        TypeKind::Time(_) if logical == Some(Logical::TimeMicros) => value / 1000,
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            let to = units_per_second(time_unit(*p));
            let from = match logical {
                Some(Logical::Timestamp(units, _)) => units,
                // Without a logical type the column says what it is, as in Flink.
                _ if *p <= 3 => 1_000,
                _ => 1_000_000,
            };
            let converted = match from > to {
                true => Some(value.div_euclid(from / to)),
                false => value.checked_mul(to / from),
            };
            converted.ok_or_else(|| {
                Error::data("a timestamp that the unit of the column does not reach")
                    .advice("declare the column with fewer digits of a second")
            })?
        }
        _ => value,
    };
    column.push_int(value)
}

fn push_bytes(bytes: &[u8], logical: Option<Logical>, column: &mut Column) -> Result<()> {
    let (precision, scale) = match &column.ty().kind {
        TypeKind::Decimal { precision, scale } => (*precision, *scale),
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            return column.push_bytes(text(bytes)?.as_bytes());
        }
        _ => return column.push_bytes(bytes),
    };
    let from = match logical {
        Some(Logical::Decimal(scale)) => scale,
        _ => scale,
    };
    // NULL where there are too many digits, as in Flink.
    match integer(bytes).and_then(|value| decimal::rescale(value, from, precision, scale)) {
        Some(value) => column.push_decimal(value),
        None => {
            column.push_null();
            Ok(())
        }
    }
}

/// A number in two's complement, the high byte first.
fn integer(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let (head, tail) = bytes.split_at(bytes.len().saturating_sub(16));
    if head.iter().any(|byte| *byte != fill) {
        return None;
    }
    let mut all = [fill; 16];
    all[16 - tail.len()..].copy_from_slice(tail);
    Some(i128::from_be_bytes(all)).filter(|value| (*value < 0) == negative)
}

/// Passes over a value.
pub(super) fn skip(
    schema: &AvroSchema,
    part: &Schema,
    input: &mut Input<'_>,
    depth: usize,
) -> Result<()> {
    // Types that hold themselves are as deep as the message says.
    const MOST: usize = 1000;
    if depth > MOST {
        return Err(Error::data(format!("a value of more than {MOST} levels")));
    }
    match part {
        Schema::Null => Ok(()),
        Schema::Boolean => input.take(1).map(|_| ()),
        Schema::Int(_) | Schema::Long(_) => input.long().map(|_| ()),
        Schema::Float => input.take(4).map(|_| ()),
        Schema::Double => input.take(8).map(|_| ()),
        Schema::Bytes(_) | Schema::String => input.bytes().map(|_| ()),
        Schema::Array(item) => input.blocks(|input| skip(schema, item, input, depth + 1)),
        Schema::Map(value) => input.blocks(|input| {
            input.bytes()?;
            skip(schema, value, input, depth + 1)
        }),
        Schema::Union(branches) => {
            let at = input.long()?;
            let branch = usize::try_from(at).ok().and_then(|at| branches.get(at));
            let branch =
                branch.ok_or_else(|| Error::data(format!("a union has no branch {at}")))?;
            skip(schema, branch, input, depth + 1)
        }
        Schema::Named(at) => match schema.named(*at)? {
            Named::Record(fields) => {
                fields.iter().try_for_each(|(_, field)| skip(schema, field, input, depth + 1))
            }
            Named::Enum(_) => input.long().map(|_| ()),
            Named::Fixed(size, _) => input.take(*size).map(|_| ()),
        },
    }
}
