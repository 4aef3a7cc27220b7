//! `json`: one JSON object a record.
//!
//! Source: Flink's "JSON Format" page; conversions as Flink's, seen in shared/conformance.

use super::super::options::TableOptions;
use super::json_text::{JsonText, write_text};
use super::{Format, RowBuilder, RowDecoder, RowEncoder};
use crate::calendar::{DAY_MS, civil_of_days};
use crate::parse;
use crate::plan::logical::Schema;
use crate::runtime::ChangeKind;
use crate::text;
use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::Value;
use crate::zone::Zone;
use base64::Engine;
use millstream_core::{Error, Result};
use std::sync::Arc;

/// The options of a JSON format.
#[derive(Clone, Debug)]
pub struct JsonOptions {
    /// A field that is not there fails the record.
    pub fail_on_missing: bool,
    /// Bad records are left out, bad fields are NULL.
    pub ignore_errors: bool,
    /// `2024-01-01T00:00:00` in place of `2024-01-01 00:00:00`.
    pub iso: bool,
    /// Fields that are NULL are not written.
    pub leave_nulls_out: bool,
}

impl JsonOptions {
    /// Reads the options that begin with `prefix`.
    ///
    /// # Errors
    /// `Config`, for a wrong value.
    pub fn read(options: &mut TableOptions<'_>, prefix: &str) -> Result<JsonOptions> {
        let key = |name: &str| format!("{prefix}{name}");
        let read = JsonOptions {
            fail_on_missing: prefix == "json."
                && options.flag(&key("fail-on-missing-field"), false)?,
            ignore_errors: options.flag(&key("ignore-parse-errors"), false)?,
            iso: options.one_of(&key("timestamp-format.standard"), &["SQL", "ISO-8601"])?
                == "ISO-8601",
            leave_nulls_out: options.flag(&key("encode.ignore-null-fields"), false)?,
        };
        options.flag(&key("encode.decimal-as-plain-number"), false)?;
        options.flag(&key("decode.json-parser.enabled"), true)?;
        options.one_of(&key("map-null-key.mode"), &["FAIL", "DROP", "LITERAL"])?;
        options.get(&key("map-null-key.literal"));
        if read.fail_on_missing && read.ignore_errors {
            return Err(Error::config(format!(
                "'{prefix}fail-on-missing-field' and '{prefix}ignore-parse-errors' contradict"
            ))
            .advice("keep one of the two"));
        }
        Ok(read)
    }
}

/// The format.
#[derive(Clone)]
pub struct Json {
    codec: Arc<JsonCodec>,
}

impl Json {
    /// With the options that begin with `prefix`.
    ///
    /// # Errors
    /// `Config`, for a wrong value.
    pub fn new(
        options: &mut TableOptions<'_>,
        prefix: &str,
        schema: &Schema,
        zone: &Zone,
    ) -> Result<Self> {
        let options = JsonOptions::read(options, prefix)?;
        Ok(Json { codec: Arc::new(JsonCodec::new(options, schema, zone)) })
    }
}

impl Format for Json {
    fn decoder(&self) -> Box<dyn RowDecoder> {
        Box::new(self.clone())
    }
    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(self.clone())
    }
}

impl RowDecoder for Json {
    fn decode(&mut self, record: &[u8], out: &mut RowBuilder) -> Result<()> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let read = JsonText::parse(record).and_then(|json| self.codec.row(&json));
        match read {
            Ok(row) => out.push(ChangeKind::Insert, row),
            Err(_) if self.codec.options.ignore_errors => {}
            Err(error) => return Err(error.advice(SKIP)),
        }
        Ok(())
    }
}

const SKIP: &str = "correct the data, or set 'json.ignore-parse-errors' = 'true' to leave it out";

impl RowEncoder for Json {
    fn encode(&mut self, _kind: ChangeKind, row: &[Value], out: &mut Vec<u8>) -> Result<bool> {
        let mut text = String::new();
        self.codec.write_row(&mut text, row);
        out.extend_from_slice(text.as_bytes());
        Ok(true)
    }
}

/// Converts between JSON and the values of given columns.
pub struct JsonCodec {
    pub(super) options: JsonOptions,
    schema: Schema,
    zone: Zone,
}

impl JsonCodec {
    /// For rows of these columns.
    pub fn new(options: JsonOptions, schema: &Schema, zone: &Zone) -> Self {
        JsonCodec { options, schema: schema.clone(), zone: *zone }
    }
    /// The columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The row that an object stands for.
    ///
    /// # Errors
    /// `Data`, when it is no object or a field does not fit its type.
    pub fn row(&self, json: &JsonText<'_>) -> Result<Vec<Value>> {
        let JsonText::Object(_) = json else {
            return Err(Error::data("the JSON record is not an object"));
        };
        self.schema.iter().map(|f| self.field(json, &f.name, &f.ty)).collect()
    }

    fn field(&self, object: &JsonText<'_>, name: &str, ty: &SqlType) -> Result<Value> {
        let Some(json) = object.get(name) else {
            if self.options.fail_on_missing {
                return Err(Error::data(format!(
                    "some field is missing in the JSON data: '{name}'"
                )));
            }
            return Ok(Value::Null);
        };
        match self.value(json, ty) {
            Err(_) if self.options.ignore_errors => Ok(Value::Null),
            Err(error) => Err(error.at(format!("field '{name}'"))),
            ok => ok,
        }
    }

    /// A value of a type.
    ///
    /// # Errors
    /// `Data`, when it does not fit.
    pub fn value(&self, json: &JsonText<'_>, ty: &SqlType) -> Result<Value> {
        if *json == JsonText::Null {
            return Ok(Value::Null);
        }
        let bounds = |low: i64, high: i64| -> Result<Value> {
            match json {
                JsonText::Number(n) => whole(n, low, high),
                JsonText::Text(t) => parse::integer(t.trim(), low, high).map(Value::Int),
                JsonText::Bool(b) => Ok(Value::Int(i64::from(*b))),
                _ => Err(misfit(json, ty)),
            }
        };
        let scalar_text = || -> Result<String> {
            match json {
                JsonText::Text(t) => Ok(t.to_string()),
                JsonText::Number(n) => Ok((*n).to_owned()),
                JsonText::Bool(b) => Ok(b.to_string()),
                _ => Err(misfit(json, ty)),
            }
        };
        match &ty.kind {
            TypeKind::Boolean => match json {
                JsonText::Bool(b) => Ok(Value::Boolean(*b)),
                JsonText::Text(t) => Ok(Value::Boolean(t.trim().eq_ignore_ascii_case("true"))),
                _ => Err(misfit(json, ty)),
            },
            TypeKind::TinyInt => bounds(-128, 127),
            TypeKind::SmallInt => bounds(-32768, 32767),
            TypeKind::Int => bounds(i64::from(i32::MIN), i64::from(i32::MAX)),
            TypeKind::BigInt => bounds(i64::MIN, i64::MAX),
            TypeKind::Float => {
                let value = parse::float(scalar_text()?.trim())?;
                Ok(Value::Float(f64::from(value as f32)))
            }
            TypeKind::Double => Ok(Value::Float(parse::float(scalar_text()?.trim())?)),
            TypeKind::Decimal { precision, scale } => {
                let value = parse::decimal(scalar_text()?.trim(), *precision, *scale)?;
                Ok(value.map_or(Value::Null, Value::Decimal))
            }
            TypeKind::Char(_) | TypeKind::Varchar(_) => match json {
                JsonText::Array(_) | JsonText::Object(_) => {
                    let mut text = String::new();
                    json.write(&mut text);
                    Ok(Value::Text(text))
                }
                _ => scalar_text().map(Value::Text),
            },
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                let text = scalar_text()?;
                let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
                bytes.map(Value::Bytes).map_err(|_| misfit(json, ty))
            }
            TypeKind::Date => {
                let days = parse::date(&scalar_text()?)?;
                Ok(Value::Date(days as i32))
            }
            TypeKind::Time(_) => {
                let text = scalar_text()?;
                Ok(Value::Time(parse::time(text.trim_end_matches('Z'))?))
            }
            TypeKind::Timestamp(p) => self.timestamp(&scalar_text()?, *p),
            TypeKind::TimestampLtz(p) => {
                let text = scalar_text()?;
                let Some(plain) = text.strip_suffix('Z') else {
                    return Err(Error::data(format!(
                        "'{text}' is not an instant: TIMESTAMP_LTZ needs a 'Z' at its end"
                    )));
                };
                self.timestamp(plain, *p)
            }
            TypeKind::Array(element) => match json {
                JsonText::Array(items) => {
                    let values = items.iter().map(|i| self.element(i, element));
                    Ok(Value::Array(values.collect::<Result<_>>()?))
                }
                _ => Err(misfit(json, ty)),
            },
            TypeKind::Map(key, value) => self.map(json, key, value, ty),
            TypeKind::Multiset(key) => self.map(json, key, &SqlType::int(), ty),
            TypeKind::Row(fields) => match json {
                JsonText::Object(_) => {
                    let values = fields.iter().map(|f| self.field(json, &f.name, &f.ty));
                    Ok(Value::Row(values.collect::<Result<_>>()?))
                }
                _ => Err(misfit(json, ty)),
            },
            TypeKind::Null => Ok(Value::Null),
            TypeKind::IntervalYearMonth | TypeKind::IntervalDaySecond => Err(misfit(json, ty)),
        }
    }

    fn element(&self, json: &JsonText<'_>, ty: &SqlType) -> Result<Value> {
        match self.value(json, ty) {
            Err(_) if self.options.ignore_errors => Ok(Value::Null),
            other => other,
        }
    }

    fn map(
        &self,
        json: &JsonText<'_>,
        key: &SqlType,
        value: &SqlType,
        ty: &SqlType,
    ) -> Result<Value> {
        let JsonText::Object(fields) = json else { return Err(misfit(json, ty)) };
        let entry = |(k, v): &(std::borrow::Cow<'_, str>, JsonText<'_>)| {
            let key = self.value(&JsonText::Text(k.clone()), key)?;
            Ok((key, self.element(v, value)?))
        };
        Ok(Value::Map(fields.iter().map(entry).collect::<Result<_>>()?))
    }

    fn timestamp(&self, written: &str, precision: u8) -> Result<Value> {
        let wrong = || {
            let example =
                if self.options.iso { "yyyy-MM-ddTHH:mm:ss" } else { "yyyy-MM-dd HH:mm:ss" };
            Error::data(format!("'{written}' is not a timestamp such as {example}"))
        };
        let separator = if self.options.iso { 'T' } else { ' ' };
        let (day, clock) = written.split_once(separator).ok_or_else(wrong)?;
        let (seconds, nanos) = parse::timestamp(&format!("{day} {clock}")).map_err(|_| wrong())?;
        let value = match time_unit(precision) {
            arrow_schema::TimeUnit::Nanosecond => seconds
                .checked_mul(1_000_000_000)
                .and_then(|s| s.checked_add(nanos))
                .ok_or_else(wrong)?,
            arrow_schema::TimeUnit::Microsecond => seconds * 1_000_000 + nanos / 1_000,
            _ => seconds * 1_000 + nanos / 1_000_000,
        };
        Ok(Value::Timestamp(value))
    }

    /// Appends a row as an object.
    pub fn write_row(&self, out: &mut String, row: &[Value]) {
        out.push('{');
        let mut first = true;
        for (value, field) in row.iter().zip(&self.schema) {
            if value.is_null() && self.options.leave_nulls_out {
                continue;
            }
            if !first {
                out.push(',');
            }
            first = false;
            write_text(out, &field.name);
            out.push(':');
            self.write(out, value, &field.ty);
        }
        out.push('}');
    }

    fn write(&self, out: &mut String, value: &Value, ty: &SqlType) {
        match (value, &ty.kind) {
            (Value::Null, _) => out.push_str("null"),
            (Value::Boolean(b), _) => out.push_str(if *b { "true" } else { "false" }),
            (Value::Bytes(b), _) => {
                let text = base64::engine::general_purpose::STANDARD.encode(b);
                write_text(out, &text);
            }
            (Value::Timestamp(_) | Value::Date(_) | Value::Time(_) | Value::Text(_), _) => {
                write_text(out, &plain_text(value, ty, self.options.iso));
            }
            (Value::Array(items), TypeKind::Array(element)) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    self.write(out, item, element);
                }
                out.push(']');
            }
            (Value::Row(items), TypeKind::Row(fields)) => {
                out.push('{');
                for (i, (item, field)) in items.iter().zip(fields).enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(out, &field.name);
                    out.push(':');
                    self.write(out, item, &field.ty);
                }
                out.push('}');
            }
            (Value::Map(entries), kind) => {
                let count = SqlType::int();
                let (key_type, value_type) = match kind {
                    TypeKind::Map(k, v) => (&**k, &**v),
                    TypeKind::Multiset(k) => (&**k, &count),
                    _ => (ty, ty),
                };
                out.push('{');
                for (i, (key, item)) in entries.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(out, &plain_text(key, key_type, self.options.iso));
                    out.push(':');
                    self.write(out, item, value_type);
                }
                out.push('}');
            }
            (other, _) => text::write_value(out, other, ty, &self.zone),
        }
    }
}

fn misfit(json: &JsonText<'_>, ty: &SqlType) -> Error {
    let mut text = String::new();
    json.write(&mut text);
    let shown: String = text.chars().take(100).collect();
    Error::data(format!("{shown} is not a value of type {}", ty.base_text()))
}

fn whole(text: &str, low: i64, high: i64) -> Result<Value> {
    let exact = text.parse::<i64>().ok();
    let cut = || {
        let value: f64 = text.parse().ok()?;
        (value.abs() < 9.3e18).then_some(value as i64)
    };
    let overflow = || Error::data(format!("numeric value ({text}) out of range ({low} - {high})"));
    let value = exact.or_else(cut).ok_or_else(overflow)?;
    if (low..=high).contains(&value) { Ok(Value::Int(value)) } else { Err(overflow()) }
}

/// Text of a value in a file: times with as many digits as they need, instants with `Z`.
pub fn plain_text(value: &Value, ty: &SqlType, iso: bool) -> String {
    let mut out = String::new();
    match (value, &ty.kind) {
        (Value::Timestamp(v), kind) => {
            let precision = match kind {
                TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => *p,
                _ => 3,
            };
            let per_second = text::units_per_second(time_unit(precision));
            let (seconds, fraction) = (v.div_euclid(per_second), v.rem_euclid(per_second));
            let nanos = fraction * (1_000_000_000 / per_second);
            let day_s = DAY_MS / 1000;
            let crate::calendar::Civil { year, month, day } =
                civil_of_days(seconds.div_euclid(day_s));
            let s = seconds.rem_euclid(day_s);
            let separator = if iso { 'T' } else { ' ' };
            out = format!(
                "{year:04}-{month:02}-{day:02}{separator}{:02}:{:02}:{:02}",
                s / 3600,
                s / 60 % 60,
                s % 60
            );
            if nanos > 0 {
                let digits = format!("{nanos:09}");
                out.push('.');
                out.push_str(digits.trim_end_matches('0'));
            }
            if matches!(kind, TypeKind::TimestampLtz(_)) {
                out.push('Z');
            }
        }
        (other, _) => text::write_value(&mut out, other, ty, &Zone::UTC),
    }
    out
}
