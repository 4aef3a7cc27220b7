//! `csv`: fields with separators, in quotes where needed.
//!
//! Source: Flink's "CSV Format" page.

use super::super::options::TableOptions;
use super::json::plain_text;
use super::{Format, RowBuilder, RowDecoder, RowEncoder};
use crate::parse;
use crate::plan::logical::Schema;
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::Value;
use base64::Engine;
use millstream_core::{Error, Result};

/// The format.
#[derive(Clone)]
pub struct Csv {
    schema: Schema,
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    comments: bool,
    ignore_errors: bool,
    null_literal: Option<String>,
    array_delimiter: String,
}

impl Csv {
    /// With its options.
    ///
    /// # Errors
    /// `Config`, for a wrong value.
    pub fn new(options: &mut TableOptions<'_>, schema: &Schema) -> Result<Self> {
        let delimiter = options.character("csv.field-delimiter", ',')?;
        let quoted = !options.flag("csv.disable-quote-character", false)?;
        let quote = options.character("csv.quote-character", '"')?;
        let escape = match options.get("csv.escape-character") {
            Some(_) => Some(options.character("csv.escape-character", '\\')?),
            None => None,
        };
        options.flag("csv.write-bigdecimal-in-scientific-notation", true)?;
        Ok(Csv {
            schema: schema.clone(),
            delimiter,
            quote: quoted.then_some(quote),
            escape,
            comments: options.flag("csv.allow-comments", false)?,
            ignore_errors: options.flag("csv.ignore-parse-errors", false)?,
            null_literal: options.get("csv.null-literal").map(str::to_owned),
            array_delimiter: options.get("csv.array-element-delimiter").unwrap_or(";").to_owned(),
        })
    }

    /// The fields of a record; whether each was in quotes does not matter.
    fn fields(&self, text: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut chars = text.chars().peekable();
        let (mut quoted, mut at_start) = (false, true);
        while let Some(c) = chars.next() {
            let Some(field) = fields.last_mut() else { break };
            if quoted {
                if Some(c) == self.quote {
                    if chars.peek().copied() == self.quote {
                        field.push(c);
                        chars.next();
                    } else {
                        quoted = false;
                    }
                } else if Some(c) == self.escape {
                    field.extend(chars.next());
                } else {
                    field.push(c);
                }
            } else if c == self.delimiter {
                fields.push(String::new());
                at_start = true;
                continue;
            } else if at_start && Some(c) == self.quote {
                quoted = true;
            } else if Some(c) == self.escape {
                field.extend(chars.next());
            } else {
                field.push(c);
            }
            at_start = false;
        }
        fields
    }

    fn row(&self, text: &str) -> Result<Vec<Value>> {
        let fields = self.fields(text);
        if fields.len() != self.schema.len() {
            return Err(Error::data(format!(
                "row length mismatch: {} fields expected but was {}",
                self.schema.len(),
                fields.len()
            )));
        }
        fields
            .iter()
            .zip(&self.schema)
            .map(|(text, field)| match self.value(text, &field.ty) {
                Err(_) if self.ignore_errors => Ok(Value::Null),
                Err(error) => Err(error.at(format!("field '{}'", field.name))),
                ok => ok,
            })
            .collect()
    }

    fn value(&self, text: &str, ty: &SqlType) -> Result<Value> {
        if self.null_literal.as_deref() == Some(text) {
            return Ok(Value::Null);
        }
        let trimmed = text.trim();
        let int = |low: i64, high: i64| parse::integer(trimmed, low, high).map(Value::Int);
        let stamp = |text: &str, precision: u8| -> Result<Value> {
            let (seconds, nanos) = parse::timestamp(&text.replacen('T', " ", 1))?;
            let unit = time_unit(precision);
            let per_second = crate::text::units_per_second(unit);
            Ok(Value::Timestamp(seconds * per_second + nanos / (1_000_000_000 / per_second)))
        };
        match &ty.kind {
            TypeKind::Char(_) | TypeKind::Varchar(_) => Ok(Value::Text(text.to_owned())),
            // Jackson reads an empty field of another type as nothing.
            _ if trimmed.is_empty() && self.null_literal.is_none() => {
                Err(Error::data(format!("for input string: '{text}'")))
            }
            TypeKind::Boolean => Ok(Value::Boolean(trimmed.eq_ignore_ascii_case("true"))),
            TypeKind::TinyInt => int(-128, 127),
            TypeKind::SmallInt => int(-32768, 32767),
            TypeKind::Int => int(i64::from(i32::MIN), i64::from(i32::MAX)),
            TypeKind::BigInt => int(i64::MIN, i64::MAX),
            TypeKind::Float => Ok(Value::Float(f64::from(parse::float(trimmed)? as f32))),
            TypeKind::Double => Ok(Value::Float(parse::float(trimmed)?)),
            TypeKind::Decimal { precision, scale } => {
                let value = parse::decimal(trimmed, *precision, *scale)?;
                Ok(value.map_or(Value::Null, Value::Decimal))
            }
            TypeKind::Date => Ok(Value::Date(parse::date(trimmed)? as i32)),
            TypeKind::Time(_) => Ok(Value::Time(parse::time(trimmed)?)),
            TypeKind::Timestamp(p) => stamp(trimmed, *p),
            TypeKind::TimestampLtz(p) => stamp(trimmed.trim_end_matches('Z'), *p),
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(trimmed);
                bytes.map(Value::Bytes).map_err(|e| Error::data(format!("not base64: {e}")))
            }
            TypeKind::Array(element) => {
                let parts = text.split(self.array_delimiter.as_str());
                let values = parts.map(|p| self.value(p, element)).collect::<Result<_>>()?;
                Ok(Value::Array(values))
            }
            TypeKind::Row(fields) => {
                let parts: Vec<&str> = text.split(self.array_delimiter.as_str()).collect();
                if parts.len() != fields.len() {
                    return Err(Error::data("a ROW has another number of fields"));
                }
                let values = parts.iter().zip(fields).map(|(p, f)| self.value(p, &f.ty));
                Ok(Value::Row(values.collect::<Result<_>>()?))
            }
            _ => Err(Error::data(format!("CSV has no values of type {}", ty.base_text()))),
        }
    }

    fn text(&self, value: &Value, ty: &SqlType) -> String {
        match (value, &ty.kind) {
            (Value::Null, _) => self.null_literal.clone().unwrap_or_default(),
            (Value::Boolean(b), _) => b.to_string(),
            (Value::Bytes(b), _) => base64::engine::general_purpose::STANDARD.encode(b),
            (Value::Array(items), TypeKind::Array(element)) => {
                let texts: Vec<String> = items.iter().map(|i| self.text(i, element)).collect();
                texts.join(&self.array_delimiter)
            }
            (Value::Row(items), TypeKind::Row(fields)) => {
                let pairs = items.iter().zip(fields);
                let texts: Vec<String> = pairs.map(|(i, f)| self.text(i, &f.ty)).collect();
                texts.join(&self.array_delimiter)
            }
            _ => plain_text(value, ty, false),
        }
    }
}

impl Format for Csv {
    fn decoder(&self) -> Box<dyn RowDecoder> {
        Box::new(self.clone())
    }
    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(self.clone())
    }
}

impl RowDecoder for Csv {
    fn decode(&mut self, record: &[u8], out: &mut RowBuilder) -> Result<()> {
        let read = std::str::from_utf8(record)
            .map_err(|e| Error::data(format!("the record is not UTF-8 text: {e}")))
            .and_then(|text| {
                let comment = self.comments && text.trim_start().starts_with('#');
                if comment || text.trim().is_empty() {
                    return Ok(None);
                }
                self.row(text).map(Some)
            });
        match read {
            Ok(Some(row)) => out.push(ChangeKind::Insert, row),
            Ok(None) => {}
            Err(_) if self.ignore_errors => {}
            Err(error) => {
                return Err(error.advice(
                    "correct the data, or set 'csv.ignore-parse-errors' = 'true' to leave it out",
                ));
            }
        }
        Ok(())
    }
    /// A line feed within quotes belongs to the field.
    fn record_continues(&self, so_far: &[u8]) -> bool {
        let Some(quote) = self.quote else { return false };
        let mut buffer = [0; 4];
        let mark = quote.encode_utf8(&mut buffer).as_bytes();
        mark.len() == 1 && so_far.iter().filter(|b| **b == mark[0]).count() % 2 == 1
    }
}

impl RowEncoder for Csv {
    fn encode(&mut self, _kind: ChangeKind, row: &[Value], out: &mut Vec<u8>) -> Result<bool> {
        let mut line = String::new();
        for (i, (value, field)) in row.iter().zip(&self.schema).enumerate() {
            if i > 0 {
                line.push(self.delimiter);
            }
            let text = self.text(value, &field.ty);
            let special = |c: char| {
                c == self.delimiter || Some(c) == self.quote || c == '\n' || c == '\r' || c == '#'
            };
            let padded = text.starts_with(' ') || text.ends_with(' ');
            match self.quote {
                Some(quote) if text.contains(special) || padded => {
                    line.push(quote);
                    for c in text.chars() {
                        if c == quote {
                            line.push(quote);
                        }
                        line.push(c);
                    }
                    line.push(quote);
                }
                _ => line.push_str(&text),
            }
        }
        out.extend_from_slice(line.as_bytes());
        Ok(true)
    }
}
