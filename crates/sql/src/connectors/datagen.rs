//! `datagen`: rows made up by a seeded generator; bounded by `number-of-rows`.
//!
//! Each subtask makes rows `index, index + parallelism, ...`; a row is a function of the
//! seed and its number alone, so a restart goes on with the same rows.
//!
//! Source: Flink's "DataGen SQL Connector" page; the values themselves are our own.

use super::options::TableOptions;
use super::{ConnectorContext, TablePoll, TableReader, TableSource};
use crate::plan::logical::Schema;
use crate::plan::translate::arrow_schema;
use crate::runtime::ChangeBatch;
use crate::types::{SqlType, TypeKind};
use crate::value::{Value, array_of};
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::sync::Arc;

const STATE: &str = "datagen-next";
const BATCH_ROWS: u64 = 1024;

#[derive(Clone)]
enum Generator {
    Sequence { start: i64, end: i64 },
    Random { min: f64, max: f64, length: usize, null_rate: f64 },
}

#[derive(Clone)]
struct Datagen {
    schema: Schema,
    generators: Vec<Generator>,
    rows: Option<u64>,
    rows_per_second: u64,
}

/// The source.
///
/// # Errors
/// `Config`, for wrong options or a type that cannot be made up.
pub fn source(
    context: &ConnectorContext<'_>,
    options: &mut TableOptions<'_>,
) -> Result<Arc<dyn TableSource>> {
    context.no_metadata()?;
    let positive = |key: &str, n: i64| {
        u64::try_from(n).map_err(|_| Error::config(format!("option '{key}' cannot be {n}")))
    };
    let rows_per_second = options.number("rows-per-second")?.unwrap_or(10_000);
    let rows_per_second = positive("rows-per-second", rows_per_second)?.max(1);
    let mut rows = match options.number("number-of-rows")? {
        Some(n) => Some(positive("number-of-rows", n)?),
        None => None,
    };
    let mut generators = vec![];
    for field in context.schema {
        let key = |what: &str| format!("fields.{}.{what}", field.name);
        let kind = options.one_of(&key("kind"), &["random", "sequence"])?;
        if kind == "sequence" {
            let need = |o: &mut TableOptions<'_>, what: &str| {
                o.number(&key(what))?.ok_or_else(|| {
                    Error::config(format!("a sequence needs the option '{}'", key(what)))
                })
            };
            let (start, end) = (need(options, "start")?, need(options, "end")?);
            let count = end.saturating_sub(start).saturating_add(1).max(0) as u64;
            rows = Some(rows.map_or(count, |r| r.min(count)));
            generators.push(Generator::Sequence { start, end });
            continue;
        }
        let bound = |o: &mut TableOptions<'_>, what: &str, otherwise: f64| -> Result<f64> {
            match o.get(&key(what)) {
                None => Ok(otherwise),
                Some(text) => text.trim().parse().map_err(|_| {
                    Error::config(format!("option '{}' cannot be '{text}'", key(what)))
                        .advice("use a number")
                }),
            }
        };
        let (low, high) = range(&field.ty).ok_or_else(|| {
            Error::config(format!("datagen cannot make up a {} for '{}'", field.ty, field.name))
                .advice("use numbers, text, BOOLEAN, DATE, TIME or TIMESTAMP")
        })?;
        generators.push(Generator::Random {
            min: bound(options, "min", low)?,
            max: bound(options, "max", high)?,
            length: options.number(&key("length"))?.unwrap_or(100).clamp(0, 1 << 20) as usize,
            null_rate: bound(options, "null-rate", 0.0)?,
        });
    }
    Ok(Arc::new(Datagen { schema: context.schema.clone(), generators, rows, rows_per_second }))
}

fn range(ty: &SqlType) -> Option<(f64, f64)> {
    Some(match &ty.kind {
        TypeKind::TinyInt => (-128.0, 127.0),
        TypeKind::SmallInt => (-32768.0, 32767.0),
        TypeKind::Int => (f64::from(i32::MIN), f64::from(i32::MAX)),
        TypeKind::BigInt => (i64::MIN as f64, i64::MAX as f64),
        TypeKind::Float | TypeKind::Double => (0.0, 1e9),
        TypeKind::Decimal { precision, scale } => {
            (0.0, 10f64.powi(i32::from(*precision) - i32::from(*scale)))
        }
        TypeKind::Boolean | TypeKind::Char(_) | TypeKind::Varchar(_) => (0.0, 0.0),
        TypeKind::Date | TypeKind::Time(_) | TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            (0.0, 0.0)
        }
        _ => return None,
    })
}

struct Reader {
    datagen: Datagen,
    next: u64,
    step: u64,
    started_ms: Option<i64>,
    made: u64,
}

impl TableSource for Datagen {
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let (index, step) = (context.subtask.index as u64, context.subtask.parallelism as u64);
        // All rows below the smallest former position have been made by everyone.
        let former: Vec<u64> = context.restored.list_union(STATE)?;
        let made = former.into_iter().max().unwrap_or(0);
        let next = made.next_multiple_of(step) + index;
        Ok(Box::new(Reader { datagen: self.clone(), next, step, started_ms: None, made: 0 }))
    }
}

/// A number for row `row` and column `column`, the same every time (splitmix64).
fn noise(row: u64, column: usize) -> u64 {
    let mut z = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (column as u64).wrapping_mul(0xD1B5_4A32);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Reader {
    fn value(&self, row: u64, column: usize, now_ms: i64) -> Value {
        let ty = &self.datagen.schema[column].ty;
        let noise = noise(row, column);
        let unit = (noise >> 11) as f64 / (1u64 << 53) as f64;
        match &self.datagen.generators[column] {
            Generator::Sequence { start, end } => {
                let n = start.saturating_add(row as i64).min(*end);
                match &ty.kind {
                    TypeKind::Char(_) | TypeKind::Varchar(_) => Value::text(n.to_string()),
                    TypeKind::Float | TypeKind::Double => Value::Float(n as f64),
                    TypeKind::Decimal { scale, .. } => {
                        Value::Decimal(i128::from(n) * 10i128.pow(u32::from(*scale)))
                    }
                    _ => Value::Int(n),
                }
            }
            Generator::Random { null_rate, .. } if unit < *null_rate => Value::Null,
            Generator::Random { min, max, length, .. } => {
                let between = min + unit * (max - min);
                match &ty.kind {
                    TypeKind::Boolean => Value::Boolean(noise & 1 == 1),
                    TypeKind::Char(n) => Value::text(hex(row, column, *n as usize)),
                    TypeKind::Varchar(n) => {
                        Value::text(hex(row, column, (*length).min(*n as usize)))
                    }
                    TypeKind::Float | TypeKind::Double => Value::Float(between),
                    TypeKind::Decimal { scale, .. } => {
                        Value::Decimal((between * 10f64.powi(i32::from(*scale))) as i128)
                    }
                    TypeKind::Date => Value::Date((now_ms / 86_400_000) as i32),
                    TypeKind::Time(_) => Value::Time((now_ms % 86_400_000) as i32),
                    TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
                        Value::Timestamp(match p {
                            0..=3 => now_ms,
                            4..=6 => now_ms * 1000,
                            _ => now_ms * 1_000_000,
                        })
                    }
                    _ => Value::Int(between.floor() as i64),
                }
            }
        }
    }
}

fn hex(row: u64, column: usize, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    let mut part = 0;
    while text.len() < length {
        text += &format!("{:016x}", noise(row ^ (part << 48), column));
        part += 1;
    }
    text.truncate(length);
    text
}

impl TableReader for Reader {
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll> {
        let started = *self.started_ms.get_or_insert(now_ms);
        let limit = self.datagen.rows.unwrap_or(u64::MAX);
        if self.next >= limit {
            return Ok(TablePoll::End);
        }
        // The rate holds for all subtasks together.
        let elapsed = now_ms.saturating_sub(started).max(0) as u64 + 1;
        let due = elapsed.saturating_mul(self.datagen.rows_per_second) / 1000 / self.step + 1;
        if self.made >= due {
            return Ok(TablePoll::Wait(Some(now_ms + 10)));
        }
        let count = (due - self.made).min(BATCH_ROWS).min((limit - self.next).div_ceil(self.step));
        let rows: Vec<u64> = (0..count).map(|i| self.next + i * self.step).collect();
        let mut columns = vec![];
        for (column, field) in self.datagen.schema.iter().enumerate() {
            let values: Vec<Value> = rows.iter().map(|r| self.value(*r, column, now_ms)).collect();
            columns.push(array_of(&values, &field.ty)?);
        }
        self.next += count * self.step;
        self.made += count;
        let schema = arrow_schema(&self.datagen.schema);
        ChangeBatch::from_columns(schema, columns, rows.len(), None).map(TablePoll::Rows)
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        into.put_list(STATE, &self.next)
    }
}
