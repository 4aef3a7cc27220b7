//! PRINTF: Java's `String.format` for SQL values.

use std::fmt::Write;

use arrow_array::ArrayRef;
use millstream_core::Result;

use super::CallArgs;
use crate::text::write_value;
use crate::types::{SqlType, TypeKind};
use crate::value::Value;

/// The formatted text; NULL if the format is NULL or does not fit the arguments.
pub(super) fn printf(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let formats = args.text(0)?;
    args.map_text(|row, out| {
        let Some(format) = formats.get(row) else { return Ok(false) };
        let values = (1..args.len()).map(|i| args.value(i, row)).collect::<Result<Vec<Value>>>()?;
        let types: Vec<&SqlType> = (1..args.len()).map(|i| args.ty(i)).collect();
        Ok(write_format(out, format, &values, &types, args).is_some())
    })
}

/// `%[index$][flags][width][.precision]conversion`
#[derive(Default)]
struct Spec {
    index: Option<usize>,
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    comma: bool,
    parentheses: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widest field: a limit for memory.
const MAX_WIDTH: usize = 10_000;

fn write_format(
    out: &mut String,
    format: &str,
    values: &[Value],
    types: &[&SqlType],
    args: &CallArgs<'_>,
) -> Option<()> {
    let mut next = 0;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        let mut number: Option<usize> = None;
        let conversion = loop {
            let c = chars.next()?;
            match c {
                '0' if number.is_none() && spec.precision.is_none() => spec.zero = true,
                '0'..='9' => {
                    let digit = c as usize - '0' as usize;
                    let target = spec.precision.as_mut().or(number.as_mut());
                    match target {
                        Some(n) => *n = (*n * 10 + digit).min(MAX_WIDTH),
                        None => number = Some(digit),
                    }
                }
                '$' => spec.index = number.take(),
                '.' => spec.precision = Some(0),
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                ',' => spec.comma = true,
                '(' => spec.parentheses = true,
                '#' => {}
                c => break c,
            }
        };
        spec.width = number.unwrap_or(0);
        match conversion {
            '%' => pad(out, "%", &spec),
            'n' => out.push('\n'),
            _ => {
                let index = match spec.index {
                    Some(index) => index.checked_sub(1)?,
                    None => {
                        next += 1;
                        next - 1
                    }
                };
                let body = convert(conversion, &spec, values.get(index)?, types.get(index)?, args)?;
                pad(out, &body, &spec);
            }
        }
    }
    Some(())
}

fn pad(out: &mut String, body: &str, spec: &Spec) {
    let missing = spec.width.saturating_sub(body.chars().count());
    if spec.left {
        out.push_str(body);
        out.extend(std::iter::repeat_n(' ', missing));
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(body);
    }
}

fn convert(
    conversion: char,
    spec: &Spec,
    value: &Value,
    ty: &SqlType,
    args: &CallArgs<'_>,
) -> Option<String> {
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('b', Value::Null) => "false".to_string(),
        ('b', Value::Boolean(v)) => v.to_string(),
        ('b', _) => "true".to_string(),
        ('s', Value::Boolean(v)) => v.to_string(),
        (_, Value::Null) => cut("null", spec),
        ('s', value) => {
            let mut text = String::new();
            write_value(&mut text, value, ty, &args.context.zone);
            cut(&text, spec)
        }
        ('c', Value::Int(v)) => char::from_u32(u32::try_from(*v).ok()?)?.to_string(),
        ('d', Value::Int(v)) => signed(*v < 0, &v.unsigned_abs().to_string(), spec),
        ('x', Value::Int(v)) => radix(*v, ty, spec, |v| format!("{v:x}")),
        ('o', Value::Int(v)) => radix(*v, ty, spec, |v| format!("{v:o}")),
        ('f', Value::Float(v)) if v.is_finite() => {
            let precision = spec.precision.unwrap_or(6);
            signed(v.is_sign_negative(), &format!("{:.precision$}", v.abs()), spec)
        }
        ('e', Value::Float(v)) if v.is_finite() => {
            let precision = spec.precision.unwrap_or(6);
            let plain = format!("{:.precision$e}", v.abs());
            let (mantissa, exponent) = plain.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            let body = format!("{mantissa}e{sign}{:02}", exponent.abs());
            signed(v.is_sign_negative(), &body, spec)
        }
        ('f' | 'e', Value::Float(v)) => {
            let mut text = String::new();
            crate::text::write_double(&mut text, *v);
            text
        }
        _ => return None,
    };
    Some(if conversion.is_ascii_uppercase() { text.to_uppercase() } else { text })
}

fn cut(text: &str, spec: &Spec) -> String {
    match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_string(),
    }
}

fn radix(value: i64, ty: &SqlType, spec: &Spec, write: fn(u64) -> String) -> String {
    let bits = match ty.kind {
        TypeKind::TinyInt => u64::from(value as u8),
        TypeKind::SmallInt => u64::from(value as u16),
        TypeKind::Int => u64::from(value as u32),
        _ => value as u64,
    };
    signed(false, &write(bits), spec)
}

fn signed(negative: bool, digits: &str, spec: &Spec) -> String {
    let mut body = String::new();
    if spec.comma {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i) % 3 == 0 {
                body.push(',');
            }
            body.push(digit);
        }
        if !fraction.is_empty() {
            let _ = write!(body, ".{fraction}");
        }
    } else {
        body.push_str(digits);
    }
    let (before, after) = match (negative, spec.parentheses) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        _ if spec.plus => ("+", ""),
        _ if spec.blank => (" ", ""),
        _ => ("", ""),
    };
    let length = body.len() + before.len() + after.len();
    let zeros = if spec.zero { spec.width.saturating_sub(length) } else { 0 };
    format!("{before}{}{body}{after}", "0".repeat(zeros))
}
