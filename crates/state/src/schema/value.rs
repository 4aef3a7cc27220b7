//! A value without its type: bytes read by the schema they were written with.
//!
//! Invariant: `Value::decode(schema of T, postcard of t).into::<T>()` is `t`.

use super::Schema;
use millstream_core::{Error, Result};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use std::fmt;

/// Decoded data with the names of its fields and variants.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The variants are those of Schema.
pub enum Value {
    Unit,
    Bool(bool),
    Int(i128),
    UInt(u128),
    Float(f64),
    Char(char),
    Str(String),
    Bytes(Vec<u8>),
    Option(Option<Box<Value>>),
    Seq(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<(String, Value)>),
    Variant(String, Box<Value>),
}

impl Value {
    /// Reads one value from the front of `bytes`; answers it and the rest.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are of another schema; `Config` when the schema is not known.
    pub fn decode<'b>(schema: &Schema, bytes: &'b [u8]) -> Result<(Value, &'b [u8])> {
        let mut from = postcard::Deserializer::from_bytes(bytes);
        let value = Seed { schema, outer: &[] }.deserialize(&mut from)?;
        Ok((value, from.finalize()?))
    }
    /// The value as a `T`: fields are found by name, missing ones must be optional.
    ///
    /// # Errors
    /// `Corrupt` when it does not fit.
    pub fn into<T: DeserializeOwned>(self) -> Result<T> {
        T::deserialize(self)
            .map_err(|e| Error::corrupt(format!("a stored value does not fit: {e}")))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T>(
            f: &mut fmt::Formatter<'_>,
            (open, close): (&str, &str),
            items: &[T],
            show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
        ) -> fmt::Result {
            f.write_str(open)?;
            for (i, item) in items.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { ", " })?;
                show(f, item)?;
            }
            f.write_str(close)
        }
        match self {
            Value::Unit => f.write_str("()"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::UInt(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Char(v) => write!(f, "{v:?}"),
            Value::Str(v) => write!(f, "{v:?}"),
            Value::Bytes(v) => write!(f, "{} bytes", v.len()),
            Value::Option(None) => f.write_str("none"),
            Value::Option(Some(v)) => write!(f, "{v}"),
            Value::Seq(v) => list(f, ("[", "]"), v, |f, v| write!(f, "{v}")),
            Value::Map(v) => list(f, ("{", "}"), v, |f, (k, v)| write!(f, "{k}: {v}")),
            Value::Struct(v) => list(f, ("{", "}"), v, |f, (k, v)| write!(f, "{k}: {v}")),
            Value::Variant(name, v) if **v == Value::Unit => f.write_str(name),
            Value::Variant(name, v) => write!(f, "{name}({v})"),
        }
    }
}

/// Reads what a schema says; `outer` are the structs and enums around it.
#[derive(Clone, Copy)]
struct Seed<'s> {
    schema: &'s Schema,
    outer: &'s [&'s Schema],
}

impl<'s> Seed<'s> {
    /// Runs `read` with this schema added to the outer ones, for what is inside of it.
    fn inside<R>(self, named: bool, read: impl FnOnce(&[&Schema]) -> R) -> R {
        if !named {
            return read(self.outer);
        }
        let outer: Vec<&Schema> = self.outer.iter().copied().chain([self.schema]).collect();
        read(&outer)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self.schema {
            Schema::Unknown | Schema::Opaque(_) => {
                Err(de::Error::custom("the schema of stored values is not known"))
            }
            Schema::Unit => from.deserialize_unit(self),
            Schema::Bool => from.deserialize_bool(self),
            Schema::Int(8) => from.deserialize_i8(self),
            Schema::Int(16) => from.deserialize_i16(self),
            Schema::Int(32) => from.deserialize_i32(self),
            Schema::Int(64) => from.deserialize_i64(self),
            Schema::Int(_) => from.deserialize_i128(self),
            Schema::UInt(8) => from.deserialize_u8(self),
            Schema::UInt(16) => from.deserialize_u16(self),
            Schema::UInt(32) => from.deserialize_u32(self),
            Schema::UInt(64) => from.deserialize_u64(self),
            Schema::UInt(_) => from.deserialize_u128(self),
            Schema::Float(32) => from.deserialize_f32(self),
            Schema::Float(_) => from.deserialize_f64(self),
            Schema::Char => from.deserialize_char(self),
            Schema::Str => from.deserialize_string(self),
            Schema::Bytes => from.deserialize_byte_buf(self),
            Schema::Option(_) => from.deserialize_option(self),
            Schema::Seq(_) => from.deserialize_seq(self),
            Schema::Map(..) => from.deserialize_map(self),
            Schema::Tuple(parts) => from.deserialize_tuple(parts.len(), self),
            Schema::Struct(_, fields) => from.deserialize_tuple(fields.len(), self),
            Schema::Enum(..) => from.deserialize_enum("", &[], self),
            Schema::Recursive(levels) => {
                let at = self.outer.len().checked_sub(levels + 1);
                let Some((at, schema)) = at.and_then(|at| Some((at, self.outer.get(at)?))) else {
                    return Err(de::Error::custom("a recursive schema refers to nothing"));
                };
                Seed { schema, outer: &self.outer[..at] }.deserialize(from)
            }
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.schema)
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Unit)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }
    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Int(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::UInt(v.into()))
    }
    fn visit_u128<E>(self, v: u128) -> Result<Value, E> {
        Ok(Value::UInt(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }
    fn visit_char<E>(self, v: char) -> Result<Value, E> {
        Ok(Value::Char(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Str(v.to_owned()))
    }
    fn visit_bytes<E>(self, v: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(v.to_vec()))
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Option(None))
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let Schema::Option(inner) = self.schema else {
            return Err(de::Error::custom("an option where none is expected"));
        };
        let inner = Seed { schema: inner, outer: self.outer }.deserialize(from)?;
        Ok(Value::Option(Some(Box::new(inner))))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let missing = || de::Error::custom("fewer values than the schema has");
        match self.schema {
            Schema::Seq(inner) => {
                let (mut values, seed) = (Vec::new(), Seed { schema: inner, outer: self.outer });
                while let Some(value) = seq.next_element_seed(seed)? {
                    values.push(value);
                }
                Ok(Value::Seq(values))
            }
            Schema::Tuple(parts) => {
                let mut values = Vec::new();
                for schema in parts {
                    let seed = Seed { schema, outer: self.outer };
                    values.push(seq.next_element_seed(seed)?.ok_or_else(missing)?);
                }
                Ok(Value::Seq(values))
            }
            Schema::Struct(name, fields) => self.inside(!name.is_empty(), |outer| {
                let mut values = Vec::new();
                for (name, schema) in fields {
                    let value = seq.next_element_seed(Seed { schema, outer })?;
                    values.push((name.clone(), value.ok_or_else(missing)?));
                }
                Ok(Value::Struct(values))
            }),
            _ => Err(de::Error::custom("several values where one is expected")),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Schema::Map(key, value) = self.schema else {
            return Err(de::Error::custom("a map where none is expected"));
        };
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(Seed { schema: key, outer: self.outer })? {
            pairs.push((key, map.next_value_seed(Seed { schema: value, outer: self.outer })?));
        }
        Ok(Value::Map(pairs))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let Schema::Enum(_, variants) = self.schema else {
            return Err(de::Error::custom("an enum where none is expected"));
        };
        let (index, access): (u32, _) = data.variant()?;
        let Some((name, schema)) = variants.get(index as usize) else {
            return Err(de::Error::custom(format!("there is no variant {index}")));
        };
        let value = self.inside(true, |outer| match schema {
            Schema::Unit => access.unit_variant().map(|()| Value::Unit),
            _ => access.newtype_variant_seed(Seed { schema, outer }),
        })?;
        Ok(Value::Variant(name.clone(), Box::new(value)))
    }
}

type Fault = de::value::Error;

impl<'de> IntoDeserializer<'de, Fault> for Value {
    type Deserializer = Value;
    fn into_deserializer(self) -> Value {
        self
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Fault;
    fn is_human_readable(&self) -> bool {
        false
    }
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Value::Unit => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(v),
            Value::Int(v) => match i64::try_from(v) {
                Ok(v) => visitor.visit_i64(v),
                Err(_) => visitor.visit_i128(v),
            },
            Value::UInt(v) => match u64::try_from(v) {
                Ok(v) => visitor.visit_u64(v),
                Err(_) => visitor.visit_u128(v),
            },
            Value::Float(v) => visitor.visit_f64(v),
            Value::Char(v) => visitor.visit_char(v),
            Value::Str(v) => visitor.visit_string(v),
            Value::Bytes(v) => visitor.visit_byte_buf(v),
            Value::Option(None) => visitor.visit_none(),
            Value::Option(Some(v)) => visitor.visit_some(*v),
            Value::Seq(v) => visitor.visit_seq(SeqDeserializer::new(v.into_iter())),
            Value::Map(v) => visitor.visit_map(MapDeserializer::new(v.into_iter())),
            Value::Struct(v) => visitor.visit_map(MapDeserializer::new(v.into_iter())),
            Value::Variant(name, v) => visitor.visit_enum(Variant { name, value: *v }),
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Value::Int(v) => visitor.visit_i128(v),
            other => other.deserialize_any(visitor),
        }
    }
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Value::UInt(v) => visitor.visit_u128(v),
            other => other.deserialize_any(visitor),
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Variant {
    name: String,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Fault;
    type Variant = Value;
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Value), Fault> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self.value))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = Fault;
    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }
}
