//! Finds the schema of a type by running its `Deserialize` on made-up input.
//!
//! One run visits one variant of each enum, and either something or nothing in each option
//! and list. So the type is run until no part is unexplored. A part is known when the type
//! has asked for it, even if the run fails later; that is how recursive types end.
//!
//! Invariant: a type is told apart by its full Rust path while tracing (two types of one
//! name do not mix), but only its serde name gets into the schema.

use super::Schema;
use serde::de::value::U32Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use std::any::type_name;
use std::collections::HashMap;
use std::fmt;

/// Runs at most; a type that needs more is opaque.
const RUN_LIMIT: usize = 2_000;
/// Strings that types which parse them are likely to take.
const TEXTS: [&str; 9] = [
    "",
    "0",
    "a",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "00:00:00",
    "http://localhost/",
    "UTC",
];

type Id = usize;

enum Node {
    Hole,
    Leaf(Schema),
    Option(Id),
    Seq(Id),
    Map(Id, Id),
    Tuple(Vec<Id>),
    Struct(&'static str, Vec<(&'static str, Id)>),
    Enum {
        name: &'static str,
        variants: Vec<(&'static str, Id)>,
        finite: Option<usize>,
        turn: usize,
    },
    Ref(Id),
}

#[derive(Debug)]
enum Stop {
    /// The run cannot go on, but it has learned something.
    Again,
    /// The type refused what it was given.
    Refused,
    /// The type cannot be followed.
    Opaque,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for Stop {}
impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop::Refused
    }
}

#[derive(Default)]
struct Tracer {
    nodes: Vec<Node>,
    named: HashMap<&'static str, Id>,
    /// Structs and enums that are being visited.
    open: Vec<Id>,
    /// Newtypes that are being visited.
    wrappers: Vec<&'static str>,
    /// How often a leaf's type has refused what it was given.
    refused: HashMap<Id, usize>,
    /// Other made-up values are tried when a type refuses a whole.
    offset: usize,
}

pub(super) fn trace<T: DeserializeOwned>() -> Schema {
    let mut tracer = Tracer::default();
    let root = tracer.hole();
    for _ in 0..RUN_LIMIT {
        tracer.open.clear();
        tracer.wrappers.clear();
        match T::deserialize(At { tracer: &mut tracer, id: root }) {
            Err(Stop::Opaque) => break,
            Err(Stop::Refused) => tracer.offset += 1,
            Ok(_) | Err(Stop::Again) => {}
        }
        tracer.open.clear();
        if tracer.is_done(root) {
            return tracer.schema(root, &mut Vec::new());
        }
        if tracer.offset >= TEXTS.len() {
            break;
        }
    }
    Schema::Opaque(type_name::<T>().to_owned())
}

impl Tracer {
    fn hole(&mut self) -> Id {
        self.nodes.push(Node::Hole);
        self.nodes.len() - 1
    }
    fn holes(&mut self, count: usize) -> Vec<Id> {
        (0..count).map(|_| self.hole()).collect()
    }
    /// Whether nothing below is unexplored; what is being visited counts as explored.
    fn is_done(&self, id: Id) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        self.open.iter().for_each(|open| seen[*open] = true);
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            match &self.nodes[id] {
                Node::Hole => return false,
                Node::Leaf(_) => {}
                Node::Option(inner) | Node::Seq(inner) | Node::Ref(inner) => todo.push(*inner),
                Node::Map(key, value) => todo.extend([*key, *value]),
                Node::Tuple(parts) => todo.extend(parts),
                Node::Struct(_, fields) => todo.extend(fields.iter().map(|f| f.1)),
                Node::Enum { variants, .. } => todo.extend(variants.iter().map(|v| v.1)),
            }
        }
        true
    }
    /// The node of the struct or enum that `V` makes; made by `make` at the first visit.
    fn named<V>(&mut self, at: Id, make: impl FnOnce(&mut Self) -> Node) -> Id {
        let name = type_name::<V>();
        let id = match self.named.get(name) {
            Some(id) => *id,
            None => {
                let node = make(self);
                self.nodes.push(node);
                self.named.insert(name, self.nodes.len() - 1);
                self.nodes.len() - 1
            }
        };
        self.nodes[at] = Node::Ref(id);
        id
    }
    fn schema(&self, id: Id, path: &mut Vec<Id>) -> Schema {
        let one = |path: &mut Vec<Id>, id: &Id| Box::new(self.schema(*id, path));
        match &self.nodes[id] {
            Node::Hole => Schema::Unknown,
            Node::Leaf(schema) => schema.clone(),
            Node::Ref(inner) => match path.iter().rev().position(|outer| outer == inner) {
                Some(levels) => Schema::Recursive(levels),
                None => {
                    path.push(*inner);
                    let schema = self.schema(*inner, path);
                    path.pop();
                    schema
                }
            },
            Node::Option(inner) => Schema::Option(one(path, inner)),
            Node::Seq(inner) => Schema::Seq(one(path, inner)),
            Node::Map(key, value) => Schema::Map(one(path, key), one(path, value)),
            Node::Tuple(parts) => {
                Schema::Tuple(parts.iter().map(|part| self.schema(*part, path)).collect())
            }
            Node::Struct(name, fields) => {
                let fields = fields.iter().map(|(n, id)| ((*n).into(), self.schema(*id, path)));
                Schema::Struct((*name).into(), fields.collect())
            }
            Node::Enum { name, variants, .. } => {
                let variants = variants.iter().map(|(n, id)| ((*n).into(), self.schema(*id, path)));
                Schema::Enum((*name).into(), variants.collect())
            }
        }
    }
}

/// The deserializer of one node.
struct At<'t> {
    tracer: &'t mut Tracer,
    id: Id,
}

impl At<'_> {
    /// A leaf, visited with the value of the number of times it was refused.
    fn leaf<R>(
        self,
        schema: Schema,
        visit: impl FnOnce(usize) -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        self.tracer.nodes[self.id] = Node::Leaf(schema);
        let tries = self.tracer.refused.get(&self.id).copied().unwrap_or_default();
        let answer = visit(tries + self.tracer.offset);
        answer.map_err(|_| {
            self.tracer.refused.insert(self.id, tries + 1);
            if tries + 1 >= TEXTS.len() { Stop::Opaque } else { Stop::Again }
        })
    }
    /// A tuple, or the fields of a struct, by position.
    fn parts<'de, V: Visitor<'de>>(self, parts: Vec<Id>, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(Parts { tracer: self.tracer, parts: parts.into_iter() })
    }
    fn children(&mut self, count: usize) -> Vec<Id> {
        if let Node::Tuple(parts) = &self.tracer.nodes[self.id]
            && parts.len() == count
        {
            return parts.clone();
        }
        let parts = self.tracer.holes(count);
        self.tracer.nodes[self.id] = Node::Tuple(parts.clone());
        parts
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $schema:expr, $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.leaf($schema, |tries| visitor.$visit($value(tries)))
        }
    )*};
}

/// One first, because zero is what types refuse.
fn number(tries: usize) -> u8 {
    [1, 0, 2, 10, 100][tries % 5]
}

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = Stop;

    leaves! {
        deserialize_bool visit_bool Schema::Bool, |t| t % 2 == 1;
        deserialize_i8 visit_i8 Schema::Int(8), |t| number(t) as i8;
        deserialize_i16 visit_i16 Schema::Int(16), |t| number(t).into();
        deserialize_i32 visit_i32 Schema::Int(32), |t| number(t).into();
        deserialize_i64 visit_i64 Schema::Int(64), |t| number(t).into();
        deserialize_i128 visit_i128 Schema::Int(128), |t| number(t).into();
        deserialize_u8 visit_u8 Schema::UInt(8), number;
        deserialize_u16 visit_u16 Schema::UInt(16), |t| number(t).into();
        deserialize_u32 visit_u32 Schema::UInt(32), |t| number(t).into();
        deserialize_u64 visit_u64 Schema::UInt(64), |t| number(t).into();
        deserialize_u128 visit_u128 Schema::UInt(128), |t| number(t).into();
        deserialize_f32 visit_f32 Schema::Float(32), |t| number(t).into();
        deserialize_f64 visit_f64 Schema::Float(64), |t| number(t).into();
        deserialize_char visit_char Schema::Char, |t| ['a', '0', ' '][t % 3];
        deserialize_str visit_str Schema::Str, |t| TEXTS[t % TEXTS.len()];
        deserialize_string visit_string Schema::Str, |t: usize| TEXTS[t % TEXTS.len()].to_owned();
        deserialize_bytes visit_bytes Schema::Bytes, |t| &[0u8; 16][..if t == 0 { 0 } else { 16 }];
        deserialize_byte_buf visit_byte_buf Schema::Bytes, |t| vec![0; if t == 0 { 0 } else { 16 }];
    }

    fn is_human_readable(&self) -> bool {
        false
    }
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Opaque)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Opaque)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Opaque)
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.tracer.nodes[self.id] = Node::Leaf(Schema::Unit);
        visitor.visit_unit()
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        // A wrapper leaves no trace in the bytes, so a recursive one has no schema.
        let name = type_name::<V::Value>();
        if self.tracer.wrappers.contains(&name) {
            return Err(Stop::Opaque);
        }
        self.tracer.wrappers.push(name);
        let value = visitor.visit_newtype_struct(At { tracer: &mut *self.tracer, id: self.id })?;
        self.tracer.wrappers.pop();
        Ok(value)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let inner = match self.tracer.nodes[self.id] {
            Node::Option(inner) => inner,
            _ => self.tracer.hole(),
        };
        self.tracer.nodes[self.id] = Node::Option(inner);
        if self.tracer.is_done(inner) {
            return visitor.visit_none();
        }
        visitor.visit_some(At { tracer: self.tracer, id: inner })
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let inner = match self.tracer.nodes[self.id] {
            Node::Seq(inner) => inner,
            _ => self.tracer.hole(),
        };
        self.tracer.nodes[self.id] = Node::Seq(inner);
        let parts = if self.tracer.is_done(inner) { vec![] } else { vec![inner] };
        self.parts(parts, visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (key, value) = match self.tracer.nodes[self.id] {
            Node::Map(key, value) => (key, value),
            _ => (self.tracer.hole(), self.tracer.hole()),
        };
        self.tracer.nodes[self.id] = Node::Map(key, value);
        let done = self.tracer.is_done(key) && self.tracer.is_done(value);
        visitor.visit_map(Pair { tracer: self.tracer, key: (!done).then_some(key), value })
    }
    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let parts = self.children(len);
        self.parts(parts, visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_tuple(len, visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let id = self.tracer.named::<V::Value>(self.id, |tracer| {
            let holes = tracer.holes(fields.len());
            Node::Struct(name, fields.iter().copied().zip(holes).collect())
        });
        if self.tracer.open.contains(&id) {
            return Err(Stop::Again);
        }
        let Node::Struct(_, fields) = &self.tracer.nodes[id] else { return Err(Stop::Opaque) };
        let parts = fields.iter().map(|f| f.1).collect();
        self.tracer.open.push(id);
        let value = At { tracer: &mut *self.tracer, id }.parts(parts, visitor)?;
        self.tracer.open.pop();
        Ok(value)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let id = self.tracer.named::<V::Value>(self.id, |tracer| {
            let holes = tracer.holes(names.len());
            let variants = names.iter().copied().zip(holes).collect();
            Node::Enum { name, variants, finite: None, turn: 0 }
        });
        let Node::Enum { variants, finite, turn, .. } = &mut self.tracer.nodes[id] else {
            return Err(Stop::Opaque);
        };
        // Unexplored variants take turns: one may need a finite other to get on.
        let (variants, finite, first) = (variants.clone(), *finite, *turn);
        *turn += 1;
        let nested = self.tracer.open.contains(&id);
        self.tracer.open.push(id);
        let mut turns = (first..first + variants.len()).map(|i| i % variants.len());
        let chosen = match turns.find(|i| !self.tracer.is_done(variants[*i].1)) {
            Some(unknown) if !nested => Some(unknown),
            _ => finite,
        };
        let Some((index, (_, at))) = chosen.and_then(|i| Some((i, variants.get(i)?))) else {
            return Err(Stop::Again);
        };
        let (tracer, variant) = (&mut *self.tracer, index as u32);
        let value = visitor.visit_enum(Variant { at: At { tracer, id: *at }, index: variant })?;
        self.tracer.open.pop();
        if let Node::Enum { finite, .. } = &mut self.tracer.nodes[id] {
            *finite = Some(index);
        }
        Ok(value)
    }
}

struct Parts<'t> {
    tracer: &'t mut Tracer,
    parts: std::vec::IntoIter<Id>,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Stop;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some(id) = self.parts.next() else { return Ok(None) };
        seed.deserialize(At { tracer: self.tracer, id }).map(Some)
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.parts.len())
    }
}

struct Pair<'t> {
    tracer: &'t mut Tracer,
    key: Option<Id>,
    value: Id,
}

impl<'de> MapAccess<'de> for Pair<'_> {
    type Error = Stop;
    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some(id) = self.key.take() else { return Ok(None) };
        seed.deserialize(At { tracer: self.tracer, id }).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        seed.deserialize(At { tracer: self.tracer, id: self.value })
    }
}

struct Variant<'t> {
    at: At<'t>,
    index: u32,
}

impl<'de, 't> EnumAccess<'de> for Variant<'t> {
    type Error = Stop;
    type Variant = At<'t>;
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, At<'t>), Stop> {
        let index: U32Deserializer<Stop> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, self.at))
    }
}

impl<'de> VariantAccess<'de> for At<'_> {
    type Error = Stop;
    fn unit_variant(self) -> Result<(), Stop> {
        self.tracer.nodes[self.id] = Node::Leaf(Schema::Unit);
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        let parts = self.children(len);
        self.parts(parts, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let parts: Vec<Id> = match &self.tracer.nodes[self.id] {
            Node::Struct(_, fields) => fields.iter().map(|f| f.1).collect(),
            _ => self.tracer.holes(names.len()),
        };
        let fields = names.iter().copied().zip(parts.iter().copied()).collect();
        self.tracer.nodes[self.id] = Node::Struct("", fields);
        self.parts(parts, visitor)
    }
}
