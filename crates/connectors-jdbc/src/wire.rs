//! Values as the server sends them in its binary form.
//!
//! Between a [`JdbcCursor`](crate::JdbcCursor) or a lookup and whoever makes columns of them:
//! nothing is copied. Types that are not known here are asked for as text.
//!
//! Invariant: bytes that are too short or too long for their type are an error, never a panic.
//!
//! Source: the `*_send` functions of PostgreSQL.

use millstream_core::{Error, Result};
use std::fmt::Write;

/// What values of a column look like on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PgType {
    /// `boolean`.
    Bool,
    /// `smallint`, `integer`, `bigint`.
    Int,
    /// `real`, `double precision`; whether it has 64 bits.
    Float(bool),
    /// `numeric`.
    Numeric,
    /// `text`, `varchar`, `char`.
    Text,
    /// `bytea`.
    Bytes,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    TimestampTz,
    /// An array of one of these.
    Array(Box<PgType>),
    /// Anything else, read as text: `uuid`, `jsonb`, enums, `inet`, ...
    Other,
}

impl PgType {
    /// By the catalogue's name of the type, and of its elements if it is an array.
    pub(crate) fn of(name: &str, item: Option<&str>) -> PgType {
        if let Some(item) = item {
            return match PgType::of(item, None) {
                PgType::Other => PgType::Other,
                item => PgType::Array(Box::new(item)),
            };
        }
        match name {
            "bool" => PgType::Bool,
            "int2" | "int4" | "int8" => PgType::Int,
            "float4" => PgType::Float(false),
            "float8" => PgType::Float(true),
            "numeric" => PgType::Numeric,
            "text" | "varchar" | "bpchar" => PgType::Text,
            "bytea" => PgType::Bytes,
            "date" => PgType::Date,
            "time" => PgType::Time,
            "timestamp" => PgType::Timestamp,
            "timestamptz" => PgType::TimestampTz,
            _ => PgType::Other,
        }
    }
    /// A value of this type.
    ///
    /// # Errors
    /// Data: the bytes are none, or an infinite date or timestamp.
    pub fn value<'a>(&'a self, bytes: &'a [u8]) -> Result<PgValue<'a>> {
        Ok(match self {
            PgType::Bool => PgValue::Bool(fixed::<1>(bytes)?[0] != 0),
            PgType::Int => PgValue::Int(match bytes.len() {
                2 => i16::from_be_bytes(fixed(bytes)?).into(),
                4 => i32::from_be_bytes(fixed(bytes)?).into(),
                _ => i64::from_be_bytes(fixed(bytes)?),
            }),
            PgType::Float(false) => PgValue::Float(f32::from_be_bytes(fixed(bytes)?).into()),
            PgType::Float(true) => PgValue::Float(f64::from_be_bytes(fixed(bytes)?)),
            PgType::Numeric => PgValue::Numeric(Numeric::new(bytes)?),
            PgType::Text | PgType::Other => {
                PgValue::Text(std::str::from_utf8(bytes).map_err(|_| wrong("text"))?)
            }
            PgType::Bytes => PgValue::Bytes(bytes),
            PgType::Date => {
                let days = i32::from_be_bytes(fixed(bytes)?);
                if matches!(days, i32::MAX | i32::MIN) {
                    return Err(infinite("date"));
                }
                PgValue::Date(i64::from(days) + EPOCH_DAYS)
            }
            PgType::Time => PgValue::TimeMicros(i64::from_be_bytes(fixed(bytes)?)),
            PgType::Timestamp | PgType::TimestampTz => {
                let micros = i64::from_be_bytes(fixed(bytes)?);
                if matches!(micros, i64::MAX | i64::MIN) {
                    return Err(infinite("timestamp"));
                }
                let since_1970 = micros.checked_add(EPOCH_DAYS * 86_400_000_000);
                PgValue::TimestampMicros(since_1970.ok_or_else(|| wrong("timestamp"))?)
            }
            PgType::Array(item) => PgValue::Array(PgArray::new(item, bytes)?),
        })
    }
}

/// Days from 1970-01-01 to 2000-01-01, where the server counts from.
const EPOCH_DAYS: i64 = 10_957;

fn wrong(what: &str) -> Error {
    Error::data(format!("the server sent bytes that are no {what}"))
        .advice("check the versions of server and connector")
}

fn infinite(what: &str) -> Error {
    Error::data(format!("an infinite {what} has no SQL value here"))
        .advice("read a view that leaves it out or replaces it")
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| wrong("value of their type"))
}

/// A value that was read.
#[derive(Clone, Copy, Debug)]
pub enum PgValue<'a> {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A decimal number.
    Numeric(Numeric<'a>),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days since 1970.
    Date(i64),
    /// Microseconds of the day.
    TimeMicros(i64),
    /// Microseconds since 1970: UTC, or local time.
    TimestampMicros(i64),
    /// An array.
    Array(PgArray<'a>),
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let two = bytes.get(at..at + 2).ok_or_else(|| wrong("numeric"))?;
    Ok(u16::from_be_bytes(fixed(two)?))
}

/// A `numeric`: groups of four decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Numeric<'a> {
    /// The first group stands for this power of 10000.
    weight: i16,
    negative: bool,
    /// Digits after the point.
    scale: u16,
    groups: &'a [u8],
}

impl<'a> Numeric<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        let count = usize::from(u16_at(bytes, 0)?);
        let groups = bytes.get(8..).filter(|groups| groups.len() == count * 2);
        let sign = u16_at(bytes, 4)?;
        if !matches!(sign, 0 | 0x4000) {
            return Err(Error::data("a numeric that is NaN or infinite has no DECIMAL")
                .advice("read a view that leaves it out or replaces it"));
        }
        Ok(Numeric {
            weight: u16_at(bytes, 2)? as i16,
            negative: sign != 0,
            scale: u16_at(bytes, 6)?,
            groups: groups.ok_or_else(|| wrong("numeric"))?,
        })
    }
    /// Appends it in plain digits.
    pub fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let group = |power: i32| {
            let at = usize::try_from(i32::from(self.weight) - power).ok();
            let two = at.and_then(|at| self.groups.get(at * 2..at * 2 + 2));
            two.map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
        };
        let highest = i32::from(self.weight).max(0);
        for power in (0..=highest).rev() {
            let _ = match power == highest {
                true => write!(out, "{}", group(power)),
                false => write!(out, "{:04}", group(power)),
            };
        }
        if self.scale > 0 {
            out.push('.');
            let end = out.len() + usize::from(self.scale);
            let mut power = -1;
            while out.len() < end {
                let _ = write!(out, "{:04}", group(power));
                power -= 1;
            }
            out.truncate(end);
        }
    }
}

/// An array, of arrays if it has several dimensions.
#[derive(Clone, Copy, Debug)]
pub struct PgArray<'a> {
    item: &'a PgType,
    /// The sizes, eight bytes a dimension.
    dimensions: &'a [u8],
    elements: &'a [u8],
}

fn i32_at(bytes: &[u8], at: usize) -> Result<i32> {
    let four = bytes.get(at..at.saturating_add(4)).ok_or_else(|| wrong("array"))?;
    Ok(i32::from_be_bytes(fixed(four)?))
}

impl<'a> PgArray<'a> {
    fn new(item: &'a PgType, bytes: &'a [u8]) -> Result<Self> {
        let count = usize::try_from(i32_at(bytes, 0)?).map_err(|_| wrong("array"))?;
        let start = count.saturating_mul(8).saturating_add(12);
        let dimensions = bytes.get(12..start).ok_or_else(|| wrong("array"))?;
        Ok(PgArray { item, dimensions, elements: bytes.get(start..).unwrap_or_default() })
    }
    /// How many dimensions it has; an empty array has none.
    pub fn dimensions(&self) -> usize {
        self.dimensions.len() / 8
    }
    /// The size of a dimension.
    ///
    /// # Errors
    /// Data: there is no such dimension.
    pub fn size(&self, dimension: usize) -> Result<usize> {
        let size = i32_at(self.dimensions, dimension.saturating_mul(8))?;
        usize::try_from(size).map_err(|_| wrong("array"))
    }
    /// All elements in order, those of the last dimension next to each other; `None` is NULL.
    pub fn elements(&self) -> impl Iterator<Item = Result<Option<PgValue<'a>>>> + use<'a> {
        let (mut rest, item) = (self.elements, self.item);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut next = || -> Result<Option<PgValue<'a>>> {
                let length = i32_at(rest, 0)?;
                rest = &rest[4..];
                let Ok(length) = usize::try_from(length) else { return Ok(None) };
                let bytes = rest.get(..length).ok_or_else(|| wrong("array"))?;
                rest = &rest[length..];
                item.value(bytes).map(Some)
            };
            let value = next();
            if value.is_err() {
                rest = &[];
            }
            Some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numeric(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let head = [groups.len() as u16, weight as u16, sign, scale];
        head.iter().chain(groups).flat_map(|n| n.to_be_bytes()).collect()
    }

    #[test]
    fn numerics_are_plain_digits() {
        for (bytes, text) in [
            (numeric(0, 0, 0, &[]), "0"),
            (numeric(0, 0, 2, &[1, 5000]), "1.50"),
            (numeric(1, 0x4000, 3, &[12, 3456, 7890]), "-123456.789"),
            (numeric(-2, 0, 7, &[1230]), "0.0000123"),
            (numeric(2, 0, 0, &[1]), "100000000"),
        ] {
            let mut out = String::new();
            Numeric::new(&bytes).unwrap().write(&mut out);
            assert_eq!(out, text);
        }
        assert!(Numeric::new(&numeric(0, 0xC000, 0, &[])).is_err(), "NaN");
        assert!(Numeric::new(&[0, 9, 0]).is_err());
    }

    #[test]
    fn broken_bytes_are_errors() {
        let types = [
            PgType::Bool,
            PgType::Int,
            PgType::Float(true),
            PgType::Numeric,
            PgType::Date,
            PgType::Timestamp,
            PgType::Array(Box::new(PgType::Int)),
        ];
        for ty in types {
            assert!(ty.value(&[1, 2, 3]).is_err(), "{ty:?}");
        }
        assert!(PgType::Date.value(&i32::MAX.to_be_bytes()).is_err());
        // Three elements are promised, and one is there.
        let array: Vec<u8> =
            [1, 0, 23, 3, 1, 4, 7].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
        let ty = PgType::Array(Box::new(PgType::Int));
        let PgValue::Array(read) = ty.value(&array).unwrap() else { panic!("no array") };
        assert_eq!((read.dimensions(), read.size(0).unwrap(), read.elements().count()), (1, 3, 1));
    }
}
