//! Records to columns: serde writes the fields of a record into the columns of a table.
//!
//! What a field may be is the table of [`super::decode`], read the other way. Fields find their
//! columns by name (structs, maps) or by place (tuples); a plain value is a record of one
//! column. Fields without a column are passed over.
//!
//! Between the record's `Serialize` and [`super::from_stream`].

use super::failure::Failure;
use super::row::Row;
use crate::cast::truncate;
use crate::formats::columns::{Column, Rows};
use crate::formats::times::{self, TimeStandard};
use crate::runtime::ChangeKind;
use crate::text::units_per_second;
use crate::types::{RowField, SqlType, TypeKind, time_unit};
use crate::value::Value;
use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};
use std::any::Any;

type Result<T> = std::result::Result<T, Failure>;

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The record's field of the same name, or at this place.
    Field,
    /// The record's event time.
    EventTime,
    /// Nobody reads it: NULL. It keeps its place among the fields of a tuple, if it is one.
    Unread {
        /// Whether it is a field of the record.
        is_field: bool,
    },
}

/// Makes columns of records.
pub(super) struct Encoder {
    fields: Vec<RowField>,
    origins: Vec<Origin>,
    rows: Rows,
    /// The column of each field of the record, by the place of the field, under its name.
    places: Vec<(String, Option<usize>)>,
}

impl Encoder {
    pub(super) fn new(fields: &[RowField], origins: &[Origin]) -> Self {
        let rows = Rows::new(fields.iter().map(|f| (f.name.as_str(), &f.ty)));
        Encoder { fields: fields.to_vec(), origins: origins.to_vec(), rows, places: vec![] }
    }

    /// Adds a record with its event time.
    pub(super) fn push<T: Serialize + 'static>(
        &mut self,
        record: &T,
        event_time: Option<i64>,
        kind: ChangeKind,
    ) -> Result<()> {
        let before = self.rows.len();
        match (record as &dyn Any).downcast_ref::<Row>() {
            Some(row) => self.push_row(row)?,
            None => record.serialize(&mut *self)?,
        }
        for (i, (field, origin)) in self.fields.iter().zip(&self.origins).enumerate() {
            let column = &mut self.rows.columns[i];
            match origin {
                Origin::EventTime => {
                    let time = event_time.ok_or_else(|| {
                        Failure::value("the record has no event time")
                            .in_column(&field.name, &field.ty)
                    })?;
                    push_whole(column, i128::from(time))
                        .map_err(|e| e.in_column(&field.name, &field.ty))?;
                }
                Origin::Unread { .. } => column.push_null(),
                Origin::Field => {}
            }
            if column.len() != before + 1 {
                let what = match column.len() > before {
                    false => "the record has no such field",
                    true => "the record has this field twice",
                };
                return Err(Failure::value(what).in_column(&field.name, &field.ty));
            }
        }
        self.rows.end_row(kind);
        Ok(())
    }
    /// What was pushed since the last time.
    pub(super) fn finish(&mut self) -> millstream_core::Result<crate::runtime::ChangeBatch> {
        self.rows.finish()
    }

    fn push_row(&mut self, row: &Row) -> Result<()> {
        for (i, field) in self.fields.iter().enumerate() {
            if self.origins[i] != Origin::Field {
                continue;
            }
            let Some((of, value)) = row.field(&field.name) else { continue };
            if of.ty.kind != field.ty.kind && !value.is_null() {
                let what = format!("the row holds {}", of.ty);
                return Err(Failure::of_type(what).in_column(&field.name, &field.ty));
            }
            push_value(&mut self.rows.columns[i], value)
                .map_err(|e| e.in_column(&field.name, &field.ty))?;
        }
        Ok(())
    }

    /// The column for the field at `place` of the record.
    fn column_of(&mut self, place: usize, name: &str) -> Option<usize> {
        if let Some((known, column)) = self.places.get(place)
            && known == name
        {
            return *column;
        }
        let column = self.fields.iter().position(|f| f.name == name);
        let column = column.filter(|i| self.origins[*i] == Origin::Field);
        self.places.truncate(place);
        if self.places.len() == place {
            self.places.push((name.to_owned(), column));
        }
        column
    }
    fn put<T: Serialize + ?Sized>(&mut self, column: usize, value: &T) -> Result<()> {
        let (field, into) = (&self.fields[column], &mut self.rows.columns[column]);
        value.serialize(Cell(into)).map_err(|e| e.in_column(&field.name, &field.ty))
    }
    /// The column of the field at this place of the record.
    fn field_at(&self, place: usize) -> Option<usize> {
        let is_field =
            |origin: &Origin| matches!(origin, Origin::Field | Origin::Unread { is_field: true });
        let fields = self.origins.iter().enumerate().filter(|(_, origin)| is_field(origin));
        fields.map(|(column, _)| column).nth(place)
    }
    fn put_only<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        match (self.field_at(0), self.field_at(1)) {
            (Some(only), None) => match self.origins[only] {
                Origin::Field => self.put(only, value),
                _ => Ok(()),
            },
            _ => Err(Failure::of_type(
                "a record that is a plain value makes a table of one column, and there are more",
            )),
        }
    }
}

macro_rules! only_column {
    ($($method:ident: $ty:ty),*) => {$(
        fn $method(self, value: $ty) -> Result<()> {
            self.put_only(&value)
        }
    )*};
}

/// What a record and a value do alike: wrappers are looked through, enums with data refused.
macro_rules! wrappers_and_enums {
    () => {
        fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
            value.serialize(self)
        }
        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> Result<()> {
            value.serialize(self)
        }
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<()> {
            Err(an_enum())
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant> {
            Err(an_enum())
        }
        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant> {
            Err(an_enum())
        }
    };
}

/// A record.
impl<'a> Serializer for &'a mut Encoder {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Impossible<(), Failure>;
    type SerializeTuple = Fields<'a>;
    type SerializeTupleStruct = Fields<'a>;
    type SerializeTupleVariant = Impossible<(), Failure>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<(), Failure>;

    wrappers_and_enums! {}
    only_column! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char, serialize_str: &str
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        self.put_only(bytes)
    }
    fn serialize_none(self) -> Result<()> {
        self.put_only(&None::<()>)
    }
    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.put_only(variant)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq> {
        Err(Failure::of_type("a list is no record: make it a struct or a tuple"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Fields<'a>> {
        Ok(Fields { encoder: self, place: 0, key: None })
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>> {
        Ok(Fields { encoder: self, place: 0, key: None })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>> {
        Ok(Fields { encoder: self, place: 0, key: None })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>> {
        Ok(Fields { encoder: self, place: 0, key: None })
    }
}

fn an_enum() -> Failure {
    Failure::of_type("an enum with data has no SQL type: make it a struct with Option fields")
}

/// The serde traits by which parts come one after the other, or by name: all the same to
/// `item`, `named` and `close` of the type.
macro_rules! parts {
    ($ty:ident: $($list:ident.$element:ident),*) => {
        $(impl $list for $ty<'_> {
            type Ok = ();
            type Error = Failure;
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.item(value)
            }
            fn end(self) -> Result<()> {
                self.close()
            }
        })*
        impl SerializeStruct for $ty<'_> {
            type Ok = ();
            type Error = Failure;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.named(name, value)
            }
            fn end(self) -> Result<()> {
                self.close()
            }
        }
    };
}

/// The fields of a record on their way.
pub(super) struct Fields<'a> {
    encoder: &'a mut Encoder,
    place: usize,
    key: Option<String>,
}

impl Fields<'_> {
    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        let column = self.encoder.column_of(self.place, name);
        self.place += 1;
        column.map_or(Ok(()), |column| self.encoder.put(column, value))
    }
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let column = self.encoder.field_at(self.place);
        self.place += 1;
        match column {
            Some(column) if self.encoder.origins[column] == Origin::Field => {
                self.encoder.put(column, value)
            }
            Some(_) => Ok(()),
            None => Err(Failure::of_type("the tuple has more fields than the table has columns")),
        }
    }
    fn close(self) -> Result<()> {
        Ok(())
    }
}

parts! { Fields: SerializeTuple.serialize_element, SerializeTupleStruct.serialize_field }

impl SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Failure;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key_text(key)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().unwrap_or_default();
        self.named(&key, value)
    }
    fn end(self) -> Result<()> {
        Ok(())
    }
}

/// The text of a key of a map that stands for a struct.
fn key_text<T: Serialize + ?Sized>(key: &T) -> Result<String> {
    let mut names = Column::new(&SqlType::string());
    key.serialize(Cell(&mut names))?;
    let array = names.finish()?;
    match crate::value::value_at(&array, &SqlType::string(), 0)? {
        Value::Text(name) => Ok(name),
        _ => Err(Failure::of_type("the key of a field is no text")),
    }
}

/// A value that is already one of SQL, of the column's type.
fn push_value(column: &mut Column, value: &Value) -> Result<()> {
    match value {
        Value::Null => return push_null(column),
        Value::Boolean(v) => column.push_bool(*v)?,
        Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => column.push_int(*v)?,
        Value::Float(v) => column.push_float(*v)?,
        Value::Decimal(v) => column.push_decimal(*v)?,
        Value::Text(v) => column.push_bytes(v.as_bytes())?,
        Value::Bytes(v) => column.push_bytes(v)?,
        Value::Date(v) | Value::Time(v) => column.push_int(i64::from(*v))?,
        Value::Array(items) => {
            let into = column.items()?;
            items.iter().try_for_each(|item| push_value(into, item))?;
            column.close()?;
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                let (keys, values) = column.entries()?;
                push_value(keys, key)?;
                push_value(values, value)?;
            }
            column.close()?;
        }
        Value::Row(values) => {
            let fields = column.fields()?;
            fields.iter_mut().zip(values).try_for_each(|(field, v)| push_value(field, v))?;
            column.close()?;
        }
    }
    Ok(())
}

fn push_null(column: &mut Column) -> Result<()> {
    if !column.ty().nullable {
        return Err(Failure::value("the field is None, and the column is NOT NULL"));
    }
    column.push_null();
    Ok(())
}

/// A whole number: see the table of [`super::decode`].
fn push_whole(column: &mut Column, value: i128) -> Result<()> {
    let outside = || Failure::value(format!("{value} is outside the range"));
    let narrow = || i64::try_from(value).map_err(|_| outside());
    match column.ty().kind.clone() {
        TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Date
        | TypeKind::IntervalYearMonth
        | TypeKind::IntervalDaySecond => column.push_int(narrow()?)?,
        TypeKind::Time(_) if !(0..86_400_000).contains(&value) => return Err(outside()),
        TypeKind::Time(_) => column.push_int(narrow()?)?,
        TypeKind::Float | TypeKind::Double => column.push_float(value as f64)?,
        TypeKind::Decimal { precision, scale } => {
            let scaled = value.checked_mul(crate::decimal::pow10(scale));
            let scaled = scaled.and_then(|v| crate::decimal::checked(v, precision));
            column.push_decimal(scaled.ok_or_else(outside)?)?;
        }
        TypeKind::Timestamp(precision) | TypeKind::TimestampLtz(precision) => {
            let in_ms = units_per_second(time_unit(precision)) / 1000;
            let stamp = narrow()?.checked_mul(in_ms).ok_or_else(outside)?;
            column.push_int(cut(stamp, precision))?;
        }
        _ => return Err(wrong(&format!("the whole number {value}"))),
    }
    Ok(())
}

/// A timestamp with as many digits of the second as its type has.
fn cut(stamp: i64, precision: u8) -> i64 {
    let digits = match precision {
        0..=3 => 3,
        4..=6 => 6,
        _ => 9,
    };
    truncate(stamp, digits, precision)
}

fn push_fraction(column: &mut Column, value: f64) -> Result<()> {
    match column.ty().kind {
        TypeKind::Float | TypeKind::Double => column.push_float(value)?,
        TypeKind::Decimal { precision, scale } => {
            let decimal = crate::decimal::from_f64(value, precision, scale);
            let outside = || Failure::value(format!("{value} is outside the range"));
            column.push_decimal(decimal.ok_or_else(outside)?)?;
        }
        _ => return Err(wrong(&format!("the number {value}"))),
    }
    Ok(())
}

fn push_text(column: &mut Column, text: &str) -> Result<()> {
    let bad = |what: &str| Failure::value(format!("'{text}' is no {what}"));
    match column.ty().kind.clone() {
        TypeKind::Char(_) | TypeKind::Varchar(_) => column.push_bytes(text.as_bytes())?,
        TypeKind::Decimal { precision, scale } => {
            let value = crate::parse::decimal(text, precision, scale)?;
            column.push_decimal(value.ok_or_else(|| bad("number of so many digits"))?)?;
        }
        TypeKind::Date => column.push_int(times::date(text).ok_or_else(|| bad("date"))?)?,
        TypeKind::Time(_) => {
            let time = times::time(text, TimeStandard::Iso).ok_or_else(|| bad("time of day"))?;
            column.push_int(time)?;
        }
        TypeKind::Timestamp(precision) | TypeKind::TimestampLtz(precision) => {
            let zoned = matches!(column.ty().kind, TypeKind::TimestampLtz(_));
            let stamp = times::timestamp(text, TimeStandard::Iso, zoned, time_unit(precision));
            let what = match zoned {
                true => "instant (such as 2024-02-29T23:59:59Z)",
                false => "timestamp (such as 2024-02-29T23:59:59)",
            };
            column.push_int(cut(stamp.ok_or_else(|| bad(what))?, precision))?;
        }
        _ => return Err(wrong(&format!("the text '{text}'"))),
    }
    Ok(())
}

fn wrong(what: &str) -> Failure {
    Failure::of_type(format!("the record's field holds {what}"))
}

/// One value into one column.
struct Cell<'a>(&'a mut Column);

macro_rules! whole_numbers {
    ($($method:ident: $ty:ty),*) => {$(
        fn $method(self, value: $ty) -> Result<()> {
            push_whole(self.0, i128::from(value))
        }
    )*};
}

impl<'a> Serializer for Cell<'a> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Impossible<(), Failure>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Impossible<(), Failure>;

    wrappers_and_enums! {}
    fn serialize_bool(self, value: bool) -> Result<()> {
        match self.0.ty().kind {
            TypeKind::Boolean => Ok(self.0.push_bool(value)?),
            _ => Err(wrong(&value.to_string())),
        }
    }
    whole_numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64
    }
    fn serialize_u128(self, value: u128) -> Result<()> {
        let value = i128::try_from(value);
        push_whole(self.0, value.map_err(|_| Failure::value("a number outside the range"))?)
    }
    fn serialize_f32(self, value: f32) -> Result<()> {
        push_fraction(self.0, f64::from(value))
    }
    fn serialize_f64(self, value: f64) -> Result<()> {
        push_fraction(self.0, value)
    }
    fn serialize_char(self, value: char) -> Result<()> {
        push_text(self.0, value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<()> {
        push_text(self.0, value)
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        match self.0.ty().kind {
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => Ok(self.0.push_bytes(value)?),
            _ => Err(wrong("bytes")),
        }
    }
    fn serialize_none(self) -> Result<()> {
        push_null(self.0)
    }
    fn serialize_unit(self) -> Result<()> {
        push_null(self.0)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        push_null(self.0)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        push_text(self.0, variant)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>> {
        Parts::listed(self.0)
    }
    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>> {
        Parts::listed(self.0)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>> {
        Parts::listed(self.0)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>> {
        match self.0.ty().kind {
            TypeKind::Map(..) | TypeKind::Multiset(_) | TypeKind::Row(_) => Ok(Parts::new(self.0)),
            _ => Err(wrong("a map")),
        }
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>> {
        match self.0.ty().kind {
            TypeKind::Row(_) => Ok(Parts::new(self.0)),
            _ => Err(wrong("a struct")),
        }
    }
}

/// The parts of an ARRAY, MAP, ROW or BYTES on their way.
struct Parts<'a> {
    column: &'a mut Column,
    place: usize,
    key: Option<String>,
    bytes: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn new(column: &'a mut Column) -> Self {
        Parts { column, place: 0, key: None, bytes: vec![] }
    }
    fn listed(column: &'a mut Column) -> Result<Self> {
        match column.ty().kind {
            TypeKind::Array(_)
            | TypeKind::Row(_)
            | TypeKind::Binary(_)
            | TypeKind::Varbinary(_) => Ok(Parts::new(column)),
            _ => Err(wrong("a list")),
        }
    }
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let place = self.place;
        self.place += 1;
        match self.column.ty().kind {
            TypeKind::Array(_) => value.serialize(Cell(self.column.items()?)),
            TypeKind::Row(_) => match self.column.fields()?.get_mut(place) {
                Some(field) => value.serialize(Cell(field)),
                None => Err(wrong("more values than the ROW has fields")),
            },
            _ => {
                self.bytes.push(one_byte(value)?);
                Ok(())
            }
        }
    }
    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        let TypeKind::Row(fields) = &self.column.ty().kind else {
            return Err(wrong("a struct"));
        };
        // Fields without a place are passed over, as columns are.
        let Some(at) = fields.iter().position(|f| f.name == name) else { return Ok(()) };
        match self.column.fields()?.get_mut(at) {
            Some(field) => value.serialize(Cell(field)),
            None => Ok(()),
        }
    }
    fn close(self) -> Result<()> {
        match self.column.ty().kind {
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => self.column.push_bytes(&self.bytes)?,
            _ => self.column.close()?,
        }
        Ok(())
    }
}

/// An element of a list that becomes BYTES.
fn one_byte<T: Serialize + ?Sized>(value: &T) -> Result<u8> {
    let mut number = Column::new(&SqlType::smallint().not_null());
    value.serialize(Cell(&mut number))?;
    let array = number.finish()?;
    match crate::value::value_at(&array, &SqlType::smallint(), 0)? {
        Value::Int(byte) => u8::try_from(byte).map_err(|_| wrong("a number that is no byte")),
        _ => Err(wrong("a list of no bytes")),
    }
}

parts! {
    Parts: SerializeSeq.serialize_element, SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field
}
impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Failure;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        match self.column.ty().kind {
            TypeKind::Row(_) => {
                self.key = Some(key_text(key)?);
                Ok(())
            }
            _ => key.serialize(Cell(self.column.entries()?.0)),
        }
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        match self.key.take() {
            Some(key) => self.named(&key, value),
            None => value.serialize(Cell(self.column.entries()?.1)),
        }
    }
    fn end(self) -> Result<()> {
        self.close()
    }
}
