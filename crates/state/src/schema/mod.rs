//! Schemas: what a stored type looks like, without the type.
//!
//! ```text
//!   trace     a serde type  ──>  Schema             (runs its Deserialize on made-up input)
//!   value     bytes + writer's Schema ──> Value ──> the reader's type
//!   evolution Schema, Schema ──> may the second read what the first wrote?
//! ```
//!
//! Postcard writes fields by position and without names. So bytes of another schema are
//! never given to a reader's type directly: they are decoded by the schema they were written
//! with into a tree with names, once, when state is restored.
//!
//! Invariant: two types with equal schemas have the same postcard form.

mod evolution;
mod trace;
mod value;

pub use evolution::{Compatibility, check_compatibility};
pub(crate) use evolution::{check_keys, evolves};
pub use value::Value;

use millstream_core::key_group::stable_hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shape of a type as serde sees it. Shown as text like
/// `Order { id: u64, note: option<str> }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Schema {
    /// Nothing is known; compatible with everything, because nothing can be checked.
    #[default]
    Unknown,
    /// A type whose `Deserialize` could not be followed; equal by its name alone.
    Opaque(String),
    /// No data.
    Unit,
    /// `bool`.
    Bool,
    /// Signed integer of this many bits.
    Int(u8),
    /// Unsigned integer of this many bits.
    UInt(u8),
    /// Floating point number of this many bits.
    Float(u8),
    /// `char`.
    Char,
    /// A string.
    Str,
    /// Bytes.
    Bytes,
    /// An optional value.
    Option(Box<Schema>),
    /// Any number of one kind.
    Seq(Box<Schema>),
    /// Keys and values.
    Map(Box<Schema>, Box<Schema>),
    /// Values by position.
    Tuple(Vec<Schema>),
    /// Values by name, in the order in which they are stored.
    Struct(String, Vec<(String, Schema)>),
    /// One of several named variants, stored by position.
    Enum(String, Vec<(String, Schema)>),
    /// The struct or enum so many levels further out (0: the innermost).
    Recursive(usize),
}

impl Schema {
    /// The schema of a type, found by running its `Deserialize`.
    ///
    /// ```
    /// use millstream_state::Schema;
    /// #[derive(serde::Deserialize)]
    /// struct Order { id: u64, note: Option<String> }
    /// # impl Order { fn used(&self) -> (u64, &Option<String>) { (self.id, &self.note) } }
    /// let schema = Schema::of::<Order>();
    /// assert_eq!(schema.to_string(), "Order { id: u64, note: option<str> }");
    /// ```
    pub fn of<T: DeserializeOwned>() -> Self {
        trace::trace::<T>()
    }
    /// A number that differs when the text differs.
    pub fn fingerprint(&self) -> u64 {
        stable_hash(&self.to_string())
    }
    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        *self != Schema::Unknown
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, fields: &[(String, Schema)]| {
            for (i, (name, schema)) in fields.iter().enumerate() {
                write!(f, "{}{name}: {schema}", if i == 0 { " " } else { ", " })?;
            }
            f.write_str(if fields.is_empty() { "" } else { " " })
        };
        match self {
            Schema::Unknown => f.write_str("?"),
            Schema::Opaque(name) => write!(f, "opaque<{name}>"),
            Schema::Unit => f.write_str("unit"),
            Schema::Bool => f.write_str("bool"),
            Schema::Int(bits) => write!(f, "i{bits}"),
            Schema::UInt(bits) => write!(f, "u{bits}"),
            Schema::Float(bits) => write!(f, "f{bits}"),
            Schema::Char => f.write_str("char"),
            Schema::Str => f.write_str("str"),
            Schema::Bytes => f.write_str("bytes"),
            Schema::Option(inner) => write!(f, "option<{inner}>"),
            Schema::Seq(inner) => write!(f, "list<{inner}>"),
            Schema::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Schema::Tuple(parts) => match parts.split_first() {
                Some((first, rest)) if rest.len() > 1 && rest.iter().all(|p| p == first) => {
                    write!(f, "[{first}; {}]", parts.len())
                }
                _ => {
                    let parts: Vec<_> = parts.iter().map(Schema::to_string).collect();
                    write!(f, "({})", parts.join(", "))
                }
            },
            Schema::Struct(name, inner) => {
                write!(f, "{name} {{")?;
                fields(f, inner)?;
                f.write_str("}")
            }
            Schema::Enum(name, variants) => {
                write!(f, "enum {name} {{")?;
                fields(f, variants)?;
                f.write_str("}")
            }
            Schema::Recursive(levels) => write!(f, "^{levels}"),
        }
    }
}

#[cfg(test)]
mod tests;
