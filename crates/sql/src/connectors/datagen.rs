//! `datagen`: random values and sequences.
//!
//! A value is a function of the row's number and the column, so a restored job goes on with
//! the rows that it would have made; only times follow the clock. Options and defaults are
//! Flink's.

use super::blocks::Blocks;
use super::projection::Projection;
use super::{
    Connector, Needed, OptionKind, OptionSpec, Options, TableColumn, TablePoll, TableReader,
    TableSource, TableSpec,
};
use crate::formats::columns::{Column, Rows};
use crate::runtime::ChangeKind;
use crate::text::units_per_second;
use crate::types::{TypeKind, time_unit};
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
use std::sync::Arc;

const ANY: OptionKind = OptionKind::Real;
const LENGTH: OptionKind = OptionKind::Number(0, 1_000_000);

pub(crate) const CONNECTOR: Connector = Connector {
    name: "datagen",
    doc: "makes random values and sequences",
    options: &[
        OptionSpec::new(
            "rows-per-second",
            OptionKind::Number(1, 1_000_000_000),
            "10000",
            "how fast rows are made, by all subtasks together",
        ),
        OptionSpec::new(
            "number-of-rows",
            OptionKind::Number(0, i64::MAX),
            "",
            "how many rows are made; without end when neither this nor a sequence says so",
        ),
        OptionSpec::new(
            "fields.#.kind",
            OptionKind::OneOf(&["random", "sequence"]),
            "random",
            "how the values of a column are made",
        ),
        OptionSpec::new("fields.#.min", ANY, "", "smallest random number"),
        OptionSpec::new("fields.#.max", ANY, "", "largest random number"),
        OptionSpec::new("fields.#.max-past", OptionKind::Duration, "0 ms", "oldest random time"),
        OptionSpec::new("fields.#.length", LENGTH, "", "length of text, bytes and collections"),
        OptionSpec::new(
            "fields.#.var-len",
            OptionKind::Flag,
            "false",
            "whether lengths vary up to the length",
        ),
        OptionSpec::new("fields.#.null-rate", ANY, "0", "share of NULL, from 0 to 1"),
        OptionSpec::new("fields.#.start", ANY, "", "first number of a sequence"),
        OptionSpec::new("fields.#.end", ANY, "", "last number of a sequence"),
        OptionSpec::new(
            "scan.parallelism",
            OptionKind::Number(1, 32_768),
            "",
            "the most subtasks that make rows",
        ),
    ],
    formats: &[],
    source: Some(|table, options| Ok(Arc::new(Datagen::new(table, &options)?))),
    sink: None,
};

#[derive(Clone)]
struct Datagen {
    columns: Vec<TableColumn>,
    makers: Vec<Maker>,
    rows_per_second: u64,
    rows: Option<u64>,
    parallelism: Option<usize>,
    projection: Projection,
}

/// How the values of a column are made.
#[derive(Clone, Debug)]
enum Maker {
    Sequence { start: i128, scale: u8 },
    Random { null_rate: f64, range: Numbers },
}

#[derive(Clone, Copy, Debug)]
struct Numbers {
    min: Option<f64>,
    max: Option<f64>,
    length: Option<usize>,
    var_len: bool,
    max_past_ms: i64,
}

/// A well-mixed number of a seed (SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws one after the other.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// From `min` to `max`, both included.
    fn between(&mut self, min: i128, max: i128) -> i128 {
        let span = (max - min) as u128 + 1;
        let wide = (u128::from(self.next()) << 64) | u128::from(self.next());
        min + (wide % span) as i128
    }
}

impl Datagen {
    fn new(table: &TableSpec, options: &Options) -> Result<Self> {
        let mut rows = options.number("number-of-rows").and_then(|n| u64::try_from(n).ok());
        let mut makers = vec![];
        for column in &table.columns {
            if column.metadata.is_some() {
                return Err(Error::config(format!(
                    "datagen has no metadata for column '{}'",
                    column.name
                ))
                .advice("leave the METADATA column out"));
            }
            let (maker, limit) = Maker::of(column, options)?;
            makers.push(maker);
            rows = match (rows, limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        for (name, _) in options.under("fields.") {
            let column = name.rsplit_once('.').map_or(name, |(column, _)| column);
            let names = || table.columns.iter().map(|c| c.name.as_str());
            if !names().any(|n| column == n || column.starts_with(&format!("{n}."))) {
                let advice = millstream_core::nearest::hint(column, names())
                    .unwrap_or_else(|| "name a physical column of the table".into());
                return Err(Error::config(format!(
                    "option 'fields.{name}' is for no column of the table"
                ))
                .advice(advice));
            }
        }
        let rows_per_second = options.number("rows-per-second").unwrap_or(10_000);
        Ok(Datagen {
            columns: table.columns.clone(),
            makers,
            rows_per_second: u64::try_from(rows_per_second).unwrap_or(1).max(1),
            rows,
            parallelism: options.number("scan.parallelism").and_then(|n| usize::try_from(n).ok()),
            projection: Projection::all(&table.columns),
        })
    }
    /// Rows that are made at a time: a hundredth of a second's, within reason.
    fn block(&self) -> u64 {
        (self.rows_per_second / 100).clamp(1, 1000)
    }
}

impl Maker {
    /// How to make a column, and how many rows it lasts for.
    fn of(column: &TableColumn, options: &Options) -> Result<(Self, Option<u64>)> {
        let name = |option: &str| format!("fields.{}.{option}", column.name);
        let real = |option: &str| options.real(&name(option));
        let kind = options.text(&name("kind")).unwrap_or("random");
        if kind.eq_ignore_ascii_case("sequence") {
            let number = |option: &str| {
                real(option).ok_or_else(|| {
                    let what = format!("a sequence needs the option '{}'", name(option));
                    Error::config(what).advice("give the first and the last number")
                })
            };
            let (start, end) = (number("start")? as i128, number("end")? as i128);
            if end < start {
                return Err(Error::config(format!("'{}' is before the start", name("end")))
                    .advice("sequences go up"));
            }
            use TypeKind::*;
            let scale = match column.ty.kind {
                TinyInt | SmallInt | Int | BigInt | Float | Double | Char(_) | Varchar(_) => 0,
                Decimal { scale, .. } => scale,
                _ => {
                    return Err(Error::config(format!(
                        "datagen has no sequence of {} for column '{}'",
                        column.ty, column.name
                    ))
                    .advice("use a number or text type, or kind 'random'"));
                }
            };
            let rows = u64::try_from(end - start + 1).unwrap_or(u64::MAX);
            return Ok((Maker::Sequence { start, scale }, Some(rows)));
        }
        let null_rate = real("null-rate").unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(Error::config(format!("'{}' is {null_rate}", name("null-rate")))
                .advice("use a share from 0 to 1"));
        }
        let range = Numbers {
            min: real("min"),
            max: real("max"),
            length: options.number(&name("length")).and_then(|n| usize::try_from(n).ok()),
            var_len: options.flag(&name("var-len")),
            max_past_ms: options.duration_ms(&name("max-past")).unwrap_or(0),
        };
        if let (Some(min), Some(max)) = (range.min, range.max)
            && min > max
        {
            return Err(Error::config(format!("'{}' is above the largest", name("min")))
                .advice("swap min and max"));
        }
        Ok((Maker::Random { null_rate, range }, None))
    }

    fn push(&self, column: &mut Column, row: u64, index: usize, now_ms: i64) -> Result<()> {
        match self {
            Maker::Sequence { start, scale } => {
                let value = start + i128::from(row);
                match column.ty().kind {
                    TypeKind::Float | TypeKind::Double => column.push_float(value as f64),
                    TypeKind::Decimal { .. } => {
                        column.push_decimal(value * crate::decimal::pow10(*scale))
                    }
                    TypeKind::Char(_) | TypeKind::Varchar(_) => {
                        column.push_bytes(value.to_string().as_bytes())
                    }
                    _ => column.push_int(i64::try_from(value).unwrap_or(i64::MAX)),
                }
            }
            Maker::Random { null_rate, range } => {
                let mut draw = Draw(mix(row).wrapping_add(mix(index as u64)));
                if *null_rate > 0.0 && draw.unit() < *null_rate {
                    column.push_null();
                    return Ok(());
                }
                random(column, &mut draw, range, now_ms)
            }
        }
    }
}

fn random(column: &mut Column, draw: &mut Draw, range: &Numbers, now_ms: i64) -> Result<()> {
    let length = |draw: &mut Draw, most: Option<u32>, usual: usize| {
        let length = range.length.unwrap_or(usual);
        let length = most.map_or(length, |most| length.min(most as usize));
        match range.var_len && length > 1 {
            true => draw.between(1, length as i128) as usize,
            false => length,
        }
    };
    let whole = |draw: &mut Draw, min: i64, max: i64| {
        let low = range.min.map_or(min, |v| v as i64).clamp(min, max);
        let high = range.max.map_or(max, |v| v as i64).clamp(low, max);
        draw.between(low.into(), high.into()) as i64
    };
    let real = |draw: &mut Draw, min: f64, max: f64| {
        let (low, high) = (range.min.unwrap_or(min), range.max.unwrap_or(max));
        // Halves, because the whole span may be more than a number holds.
        let unit = draw.unit();
        low * (1.0 - unit) + high * unit
    };
    let kind = column.ty().kind.clone();
    match &kind {
        TypeKind::Null => column.push_null(),
        TypeKind::Boolean => column.push_bool(draw.next() & 1 == 1)?,
        TypeKind::TinyInt => column.push_int(whole(draw, i8::MIN.into(), i8::MAX.into()))?,
        TypeKind::SmallInt => column.push_int(whole(draw, i16::MIN.into(), i16::MAX.into()))?,
        TypeKind::Int => column.push_int(whole(draw, i32::MIN.into(), i32::MAX.into()))?,
        TypeKind::IntervalYearMonth => column.push_int(whole(draw, 0, 120_000))?,
        TypeKind::BigInt => column.push_int(whole(draw, i64::MIN, i64::MAX))?,
        TypeKind::IntervalDaySecond => column.push_int(whole(draw, 0, i64::MAX))?,
        TypeKind::Float => {
            column.push_float(real(draw, f32::MIN_POSITIVE.into(), f32::MAX.into()))?;
        }
        TypeKind::Double => column.push_float(real(draw, f64::MIN_POSITIVE, f64::MAX))?,
        TypeKind::Decimal { precision, scale } => {
            let most = crate::decimal::pow10(*precision) - 1;
            let per_one = crate::decimal::pow10(*scale) as f64;
            let low = range.min.map_or(0, |v| (v * per_one) as i128).clamp(-most, most);
            let high = range.max.map_or(most, |v| (v * per_one) as i128).clamp(low, most);
            column.push_decimal(draw.between(low, high))?;
        }
        TypeKind::Char(n) | TypeKind::Varchar(n) => {
            let length = length(draw, Some(*n), 100);
            let digits = (0..length).map(|_| b"0123456789abcdef"[(draw.next() & 15) as usize]);
            column.push_bytes(&digits.collect::<Vec<u8>>())?;
        }
        TypeKind::Binary(n) | TypeKind::Varbinary(n) => {
            let length = length(draw, Some(*n), 100);
            let bytes = (0..length).map(|_| draw.next() as u8);
            column.push_bytes(&bytes.collect::<Vec<u8>>())?;
        }
        TypeKind::Date => column.push_int(now_ms.div_euclid(86_400_000))?,
        TypeKind::Time(_) => column.push_int(now_ms.rem_euclid(86_400_000))?,
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            let past = draw.between(0, range.max_past_ms.max(0).into()) as i64;
            let per_ms = units_per_second(time_unit(*p)) / 1000;
            column.push_int((now_ms - past).saturating_mul(per_ms.max(1)))?;
        }
        TypeKind::Array(_) => {
            let length = length(draw, None, 3);
            let items = column.items()?;
            (0..length).try_for_each(|_| random(items, draw, range, now_ms))?;
            column.close()?;
        }
        TypeKind::Map(..) | TypeKind::Multiset(_) => {
            let length = length(draw, None, 3);
            let (keys, values) = column.entries()?;
            for _ in 0..length {
                random(keys, draw, range, now_ms)?;
                match kind {
                    TypeKind::Multiset(_) => values.push_int(1)?,
                    _ => random(values, draw, range, now_ms)?,
                }
            }
            column.close()?;
        }
        TypeKind::Row(_) => {
            let fields = column.fields()?;
            fields.iter_mut().try_for_each(|field| random(field, draw, range, now_ms))?;
            column.close()?;
        }
    }
    Ok(())
}

impl TableSource for Datagen {
    fn parallelism_limit(&self) -> Option<usize> {
        self.parallelism
    }
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        let projection = Projection::new(&self.columns, needed)?;
        Ok(Some(Arc::new(Datagen { projection, ..self.clone() })))
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let needed = self.projection.needed().iter().map(|i| &self.columns[*i]);
        Ok(Box::new(DatagenReader {
            rows: Rows::new(needed.map(|c| (c.name.as_str(), &c.ty))),
            share: context.subtask.parallelism.max(1) as u64,
            blocks: Blocks::open(context, self.block(), self.rows)?,
            datagen: self.clone(),
            due_us: None,
        }))
    }
}

struct DatagenReader {
    datagen: Datagen,
    blocks: Blocks,
    rows: Rows,
    /// Number of subtasks, which share the rate.
    share: u64,
    /// When the next rows are due, in microseconds.
    due_us: Option<i64>,
}

impl TableReader for DatagenReader {
    fn poll(&mut self, now_ms: i64) -> Result<TablePoll> {
        let now_us = now_ms.saturating_mul(1000);
        let due_us = self.due_us.unwrap_or(now_us);
        if now_us < due_us {
            return Ok(TablePoll::Wait(Some(due_us.div_euclid(1000) + 1)));
        }
        let Some(numbers) = self.blocks.next() else { return Ok(TablePoll::End) };
        let count = numbers.end - numbers.start;
        let pause_us = count.saturating_mul(1_000_000 * self.share) / self.datagen.rows_per_second;
        // Time that was lost is not caught up beyond a second.
        let base = due_us.max(now_us.saturating_sub(1_000_000));
        self.due_us = Some(base.saturating_add(i64::try_from(pause_us).unwrap_or(i64::MAX)));
        let Datagen { makers, projection, .. } = &self.datagen;
        for row in numbers {
            for (column, index) in self.rows.columns.iter_mut().zip(projection.needed()) {
                makers[*index].push(column, row, *index, now_ms)?;
            }
            self.rows.end_row(ChangeKind::Insert);
        }
        let made = self.rows.finish()?;
        let columns = projection.apply(made.rows().columns(), made.len())?;
        let schema = Arc::clone(projection.schema());
        let batch = crate::runtime::ChangeBatch::from_columns(schema, columns, made.len(), None)?;
        Ok(TablePoll::Rows(batch))
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.blocks.snapshot(into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connectors::testing::{options, read, source};
    use crate::types::SqlType;

    fn table(columns: &[(&str, SqlType)], given: &[(&str, &str)]) -> TableSpec {
        let columns = columns.iter().map(|(n, t)| TableColumn::physical(*n, t.clone())).collect();
        let given = [&[("connector", "datagen")], given].concat();
        TableSpec::new("gen", columns, options(&given))
    }

    #[test]
    fn sequences_end_the_table() {
        let columns =
            [("n", SqlType::bigint()), ("d", SqlType::decimal(4, 1)), ("b", SqlType::int())];
        let table = table(
            &columns,
            &[
                ("rows-per-second", "1000000"),
                ("fields.n.kind", "sequence"),
                ("fields.n.start", "5"),
                ("fields.n.end", "9"),
                ("fields.d.kind", "sequence"),
                ("fields.d.start", "1"),
                ("fields.d.end", "3"),
                ("fields.b.min", "-2"),
                ("fields.b.max", "-2"),
            ],
        );
        let table = source(&table).unwrap();
        let mut rows = read(&*table, 2);
        rows.sort();
        assert_eq!(rows, ["+I 5 1.0 -2", "+I 6 2.0 -2", "+I 7 3.0 -2"]);
    }

    #[test]
    fn every_type_and_nulls() {
        let row = SqlType::row([("x", SqlType::string()), ("y", SqlType::double())]);
        let columns = [
            ("s", SqlType::string()),
            ("v", SqlType::varchar(4)),
            ("c", SqlType::decimal(38, 10)),
            ("t", SqlType::timestamp(6)),
            ("d", SqlType::date()),
            ("m", SqlType::map(SqlType::int(), SqlType::array(SqlType::float()))),
            ("r", row),
            ("n", SqlType::boolean()),
        ];
        let given =
            [("number-of-rows", "50"), ("fields.n.null-rate", "1"), ("fields.s.length", "7")];
        let rows = read(&*source(&table(&columns, &given)).unwrap(), 1);
        assert_eq!(rows.len(), 50);
        for row in rows {
            let words: Vec<&str> = row.split(' ').collect();
            assert_eq!((words[1].len(), words[2].len()), (7, 4), "{row}");
            assert!(row.ends_with(" null"), "{row}");
        }
        let wrong = table(&columns, &[("fields.z.min", "1")]);
        assert!(source(&wrong).err().unwrap().to_string().contains("no column"));
    }
}
