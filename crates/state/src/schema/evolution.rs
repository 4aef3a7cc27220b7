//! Whether state that was stored with one schema may be read with another.
//!
//! Rules, at any depth: optional fields may be added and removed, fields may be reordered,
//! enum variants may be added and reordered, structs and enums may be renamed. Everything
//! else is a changed type and needs a migration function on the state's descriptor.
//!
//! Invariant: what [`check_compatibility`] accepts as [`Compatibility::Evolves`],
//! [`Value`](super::Value) can read.

use super::Schema;
use crate::StateDescription;
use millstream_core::{Error, Result};

/// How stored state can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// The bytes are the same.
    AsIs,
    /// Values are decoded by the old schema and read by the names of their fields.
    Evolves,
}

/// Checks whether a state that was stored as `old` can be read as `new`, without running
/// anything.
///
/// # Errors
/// `Config`, naming the state, both schemas and the fix.
pub fn check_compatibility(
    old: &StateDescription,
    new: &StateDescription,
) -> Result<Compatibility> {
    check_keys(old, new)?;
    let answer = evolves(&old.value_schema, &new.value_schema);
    answer.map_err(|e| e.at(format!("state '{}'", new.name)))
}

/// [`check_compatibility`] of everything but values.
pub(crate) fn check_keys(old: &StateDescription, new: &StateDescription) -> Result<()> {
    let place = |e: Error| e.at(format!("state '{}'", new.name));
    if old.format_version > crate::FORMAT_VERSION {
        return Err(place(
            Error::config(format!(
                "it was stored in format {} and this build reads up to {}",
                old.format_version,
                crate::FORMAT_VERSION
            ))
            .advice("restore it with a newer Millstream"),
        ));
    }
    if old.kind != new.kind {
        return Err(place(
            Error::config(format!(
                "it was stored as {:?} state and the job declares {:?} state",
                old.kind, new.kind
            ))
            .advice("give the new state another name, or declare the kind it was stored with"),
        ));
    }
    if old.ttl_ms.is_some() != new.ttl_ms.is_some() {
        let with = |ttl: Option<i64>| if ttl.is_some() { "with" } else { "without" };
        return Err(place(
            Error::config(format!(
                "it was stored {} TTL and the job declares it {} TTL",
                with(old.ttl_ms),
                with(new.ttl_ms)
            ))
            .advice("keep TTL on (with any duration) or off, or give the new state another name"),
        ));
    }
    let keys = [
        ("keys", &old.key_schema, &new.key_schema),
        ("map keys or windows", &old.namespace_schema, &new.namespace_schema),
    ];
    for (what, old, new) in keys {
        if compare(old, new, "").is_ok_and(|c| c == Compatibility::AsIs) {
            continue;
        }
        return Err(place(
            Error::config(format!(
                "its {what} were stored as {old} and the job declares {new}; keys cannot change, \
                 because they decide where state is stored"
            ))
            .advice("keep the key's type, or give the new state another name"),
        ));
    }
    Ok(())
}

/// [`check_compatibility`] of values alone.
pub(crate) fn evolves(old: &Schema, new: &Schema) -> Result<Compatibility> {
    compare(old, new, "value").map_err(|why| {
        Error::config(format!("{why}; its values were stored as {old} and the job declares {new}"))
            .advice(
                "make new and removed fields optional, or register a migration function on the \
             state's descriptor, or give the new state another name",
            )
    })
}

fn compare(old: &Schema, new: &Schema, path: &str) -> Result<Compatibility, String> {
    use Compatibility::{AsIs, Evolves};
    match (old, new) {
        (Schema::Unknown, _) | (_, Schema::Unknown) => Ok(AsIs),
        (Schema::Option(old), Schema::Option(new)) | (Schema::Seq(old), Schema::Seq(new)) => {
            compare(old, new, path)
        }
        (Schema::Map(old_key, old), Schema::Map(new_key, new)) => {
            let key = compare(old_key, new_key, path)?;
            Ok(worse(key, compare(old, new, path)?))
        }
        (Schema::Tuple(old), Schema::Tuple(new)) if old.len() == new.len() => {
            let mut all = AsIs;
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                all = worse(all, compare(old, new, &format!("{path}.{i}"))?);
            }
            Ok(all)
        }
        (Schema::Struct(_, old), Schema::Struct(_, new)) => {
            let same_names = old.iter().map(|f| &f.0).eq(new.iter().map(|f| &f.0));
            let mut all = if same_names { AsIs } else { Evolves };
            for (name, schema) in new {
                match find(old, name) {
                    Some(former) => {
                        all = worse(all, compare(former, schema, &format!("{path}.{name}"))?);
                    }
                    None if matches!(schema, Schema::Option(_)) => {}
                    None => return Err(format!("field {path}.{name} is new and not optional")),
                }
            }
            for (name, schema) in old {
                if find(new, name).is_none() && !matches!(schema, Schema::Option(_)) {
                    return Err(format!("field {path}.{name} is gone and was not optional"));
                }
            }
            Ok(all)
        }
        (Schema::Enum(_, old), Schema::Enum(_, new)) => {
            let prefix = old.iter().map(|v| &v.0).eq(new.iter().take(old.len()).map(|v| &v.0));
            let mut all = if prefix { AsIs } else { Evolves };
            for (name, schema) in old {
                let Some(later) = find(new, name) else {
                    return Err(format!("variant {path}::{name} is gone"));
                };
                all = worse(all, compare(schema, later, &format!("{path}::{name}"))?);
            }
            Ok(all)
        }
        (old, new) if old == new => Ok(AsIs),
        (old, new) => Err(format!("{path} has changed from {old} to {new}")),
    }
}

fn find<'s>(fields: &'s [(String, Schema)], name: &str) -> Option<&'s Schema> {
    fields.iter().find(|f| f.0 == name).map(|f| &f.1)
}

fn worse(a: Compatibility, b: Compatibility) -> Compatibility {
    if a == Compatibility::AsIs { b } else { a }
}
