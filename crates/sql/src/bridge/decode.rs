//! Rows to records: serde reads the values of a row.
//!
//! | SQL | what a field may be |
//! |---|---|
//! | numbers | any number that holds the value; DECIMAL also as text |
//! | STRING | `String`, an enum without data |
//! | BYTES | `Vec<u8>` |
//! | TIMESTAMP, TIMESTAMP_LTZ | `i64`: milliseconds since 1970; text: ISO 8601, with `Z` for LTZ |
//! | DATE, TIME | `i32`: days, milliseconds of the day; text: ISO 8601 |
//! | ARRAY, MAP, ROW | `Vec`, a map, a struct (by name) or a tuple (by place) |
//! | what may be NULL | `Option` |
//!
//! Between [`super::to_stream`] and the record's `Deserialize`.

use super::failure::Failure;
use crate::formats::times::{self, TimeStandard};
use crate::text::{units_per_second, write_date, write_decimal};
use crate::types::{RowField, SqlType, TypeKind, time_unit};
use crate::value::Value;
use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

type Result<T> = std::result::Result<T, Failure>;

/// A row as a record.
pub(super) fn decode<T: DeserializeOwned>(fields: &[RowField], values: Vec<Value>) -> Result<T> {
    T::deserialize(RowDeserializer { fields, values })
}

/// Whether rows with these fields can be records of `T` at all; the answer is no only where no
/// value would fit.
pub(super) fn check<T: DeserializeOwned>(fields: &[RowField]) -> Result<()> {
    let values = fields.iter().map(|f| sample(&f.ty)).collect();
    match decode::<T>(fields, values) {
        Err(failure) if failure.by_type => Err(failure),
        _ => Ok(()),
    }
}

/// Some value of a type that is not NULL.
fn sample(ty: &SqlType) -> Value {
    match &ty.kind {
        TypeKind::Null => Value::Null,
        TypeKind::Boolean => Value::Boolean(false),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => Value::Int(1),
        TypeKind::Float | TypeKind::Double => Value::Float(1.0),
        TypeKind::Decimal { scale, .. } => Value::Decimal(crate::decimal::pow10(*scale)),
        TypeKind::Char(_) | TypeKind::Varchar(_) => Value::text(""),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Value::Bytes(vec![]),
        TypeKind::Date => Value::Date(0),
        TypeKind::Time(_) => Value::Time(0),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => Value::Timestamp(0),
        TypeKind::IntervalYearMonth | TypeKind::IntervalDaySecond => Value::Interval(0),
        TypeKind::Array(item) => Value::Array(vec![sample(item)]),
        TypeKind::Multiset(key) => Value::Map(vec![(sample(key), Value::Int(1))]),
        TypeKind::Map(key, value) => Value::Map(vec![(sample(key), sample(value))]),
        TypeKind::Row(fields) => Value::Row(fields.iter().map(|f| sample(&f.ty)).collect()),
    }
}

/// Fields with their values, by name or by place.
struct RowDeserializer<'a> {
    fields: &'a [RowField],
    values: Vec<Value>,
}

impl<'a> RowDeserializer<'a> {
    fn access(self) -> RowAccess<'a> {
        RowAccess { cells: self.fields.iter().zip(self.values), value: None }
    }
    /// Reads the only cell of a row that is read as a plain value.
    fn only<T>(self, read: impl FnOnce(CellDeserializer<'a>) -> Result<T>) -> Result<T> {
        let ([field], 1) = (self.fields, self.values.len()) else {
            let what = format!("a row of {} columns is no plain value", self.fields.len());
            return Err(Failure::of_type(what));
        };
        let value = self.values.into_iter().next().unwrap_or(Value::Null);
        read(CellDeserializer { value, ty: &field.ty })
            .map_err(|e| e.in_column(&field.name, &field.ty))
    }
}

macro_rules! of_only_cell {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.only(|cell| cell.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = Failure;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self.access())
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(self.access())
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        if len != self.fields.len() {
            let what = format!("a row of {} columns for a tuple of {len}", self.fields.len());
            return Err(Failure::of_type(what));
        }
        visitor.visit_seq(self.access())
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.fields.len() == 1 {
            return self.only(|cell| cell.deserialize_option(visitor));
        }
        visitor.visit_some(self)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.only(|cell| cell.deserialize_enum(name, variants, visitor))
    }
    of_only_cell! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf
    }
    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

struct RowAccess<'a> {
    cells: std::iter::Zip<std::slice::Iter<'a, RowField>, std::vec::IntoIter<Value>>,
    /// Of the field whose name was given out.
    value: Option<(&'a RowField, Value)>,
}

impl<'de> MapAccess<'de> for RowAccess<'_> {
    type Error = Failure;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((field, value)) = self.cells.next() else { return Ok(None) };
        self.value = Some((field, value));
        seed.deserialize(IntoDeserializer::<Failure>::into_deserializer(field.name.as_str()))
            .map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let (field, value) = self.value.take().ok_or_else(|| Failure::value("no value"))?;
        seed.deserialize(CellDeserializer { value, ty: &field.ty })
            .map_err(|e| e.in_column(&field.name, &field.ty))
    }
}

impl<'de> SeqAccess<'de> for RowAccess<'_> {
    type Error = Failure;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((field, value)) = self.cells.next() else { return Ok(None) };
        seed.deserialize(CellDeserializer { value, ty: &field.ty })
            .map(Some)
            .map_err(|e| e.in_column(&field.name, &field.ty))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.cells.len())
    }
}

/// One value beside its type.
pub(super) struct CellDeserializer<'a> {
    pub(super) value: Value,
    pub(super) ty: &'a SqlType,
}

impl CellDeserializer<'_> {
    /// What is not NULL.
    fn some(self) -> Result<Self> {
        match self.value {
            Value::Null => Err(Failure::value("it is NULL, and the field is no Option")),
            _ => Ok(self),
        }
    }
    /// As a whole number, if it can be one: see the table of the module.
    fn whole(&self) -> Result<Option<i64>> {
        Ok(Some(match (&self.value, &self.ty.kind) {
            (Value::Int(v), _) => *v,
            (Value::Decimal(v), TypeKind::Decimal { scale, .. }) => {
                let unit = crate::decimal::pow10(*scale);
                match i64::try_from(v / unit) {
                    Ok(whole) if v % unit == 0 => whole,
                    _ => return Err(Failure::value("it is no whole number of 64 bits")),
                }
            }
            (Value::Date(v) | Value::Time(v), _) => i64::from(*v),
            (
                Value::Timestamp(v),
                TypeKind::Timestamp(precision) | TypeKind::TimestampLtz(precision),
            ) => v.div_euclid(units_per_second(time_unit(*precision)) / 1000),
            (Value::Interval(v), _) => *v,
            _ => return Ok(None),
        }))
    }
    /// As text, if it is shown as such where nothing else is asked for.
    fn text(&self) -> Option<String> {
        let mut out = String::new();
        match (&self.value, &self.ty.kind) {
            (Value::Decimal(v), TypeKind::Decimal { scale, .. }) => {
                write_decimal(&mut out, *v, *scale);
            }
            (Value::Date(v), _) => write_date(&mut out, i64::from(*v)),
            (Value::Time(v), _) => times::write_time(&mut out, i64::from(*v)),
            (Value::Timestamp(v), TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => {
                let zoned = matches!(self.ty.kind, TypeKind::TimestampLtz(_));
                times::write_timestamp(&mut out, *v, TimeStandard::Iso, zoned, time_unit(*p));
            }
            _ => return None,
        }
        Some(out)
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let cell = self.some()?;
            match cell.whole()? {
                Some(whole) => visitor.visit_i64(whole),
                None => cell.deserialize_any(visitor),
            }
        }
    )*};
}
macro_rules! fractions {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let cell = self.some()?;
            match (&cell.value, &cell.ty.kind) {
                (Value::Decimal(v), TypeKind::Decimal { scale, .. }) => {
                    visitor.visit_f64(crate::decimal::to_f64(*v, *scale))
                }
                _ => cell.deserialize_any(visitor),
            }
        }
    )*};
}
macro_rules! not_null {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.some()?.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for CellDeserializer<'_> {
    type Error = Failure;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let Some(text) = self.text() {
            return visitor.visit_string(text);
        }
        match (self.value, &self.ty.kind) {
            (Value::Null, _) => visitor.visit_unit(),
            (Value::Boolean(v), _) => visitor.visit_bool(v),
            (Value::Int(v) | Value::Interval(v) | Value::Timestamp(v), _) => visitor.visit_i64(v),
            (Value::Float(v), _) => visitor.visit_f64(v),
            (Value::Text(v), _) => visitor.visit_string(v),
            (Value::Bytes(v), _) => visitor.visit_byte_buf(v),
            (Value::Array(items), TypeKind::Array(ty)) => {
                visitor.visit_seq(Items { items: items.into_iter(), ty })
            }
            (Value::Map(entries), TypeKind::Map(key, value)) => {
                visitor.visit_map(Entries { entries: entries.into_iter(), key, value, next: None })
            }
            (Value::Map(entries), TypeKind::Multiset(key)) => {
                let value = &SqlType::int();
                visitor.visit_map(Entries { entries: entries.into_iter(), key, value, next: None })
            }
            (Value::Row(values), TypeKind::Row(fields)) => {
                RowDeserializer { fields, values }.deserialize_any(visitor)
            }
            (value, _) => Err(Failure::value(format!("a value that is none: {value:?}"))),
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let cell = self.some()?;
        match (cell.value, &cell.ty.kind) {
            (Value::Bytes(bytes), _) => {
                visitor.visit_seq(serde::de::value::SeqDeserializer::new(bytes.into_iter()))
            }
            (Value::Row(values), TypeKind::Row(fields)) => {
                RowDeserializer { fields, values }.deserialize_seq(visitor)
            }
            (value, _) => CellDeserializer { value, ty: cell.ty }.deserialize_any(visitor),
        }
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.some()?.deserialize_any(visitor)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.some()?.value {
            Value::Text(text) => {
                let text: StringDeserializer<Failure> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            _ => Err(Failure::of_type("an enum is read from text only")),
        }
    }
    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }
    fractions! { deserialize_f32 deserialize_f64 }
    not_null! {
        deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_map
    }
    forward_to_deserialize_any! { unit unit_struct identifier ignored_any }
}

struct Items<'a> {
    items: std::vec::IntoIter<Value>,
    ty: &'a SqlType,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(value) = self.items.next() else { return Ok(None) };
        seed.deserialize(CellDeserializer { value, ty: self.ty }).map(Some)
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<(Value, Value)>,
    key: &'a SqlType,
    value: &'a SqlType,
    next: Option<Value>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.next = Some(value);
        seed.deserialize(CellDeserializer { value: key, ty: self.key }).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let value = self.next.take().ok_or_else(|| Failure::value("a key without value"))?;
        seed.deserialize(CellDeserializer { value, ty: self.value })
    }
}
