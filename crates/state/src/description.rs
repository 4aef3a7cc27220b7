//! The description of one state: what tools list and what a new job is checked against.
//!
//! Invariant: a description is plain data. It is stored beside the state that it
//! describes and can be read without the job's types.

use crate::{Schema, Value};
use millstream_core::{Key, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the canonical form that this build writes.
pub const FORMAT_VERSION: u32 = 1;

/// What shape a state has for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StateKind {
    /// One value a key.
    Value,
    /// A list a key.
    List,
    /// A map a key.
    Map,
    /// A value a key, combined by a reduce function.
    Reducing,
    /// An accumulator a key, combined by an aggregate function.
    Aggregating,
    /// Timers by key.
    Timers,
    /// Window contents by key and window.
    Window,
    /// Operator state, dealt out or given to all (see [`ListMode`](crate::ListMode)).
    OperatorList,
}

/// Name, kind, schemas and settings of one state of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDescription {
    /// The name, unique in its operator.
    pub name: String,
    /// What shape it has.
    pub kind: StateKind,
    /// The schema of keys; unknown for operator state.
    pub key_schema: Schema,
    /// The schema of what divides the state of one key: map keys, windows; otherwise unit.
    pub namespace_schema: Schema,
    /// The schema of values (or elements) as they are stored.
    pub value_schema: Schema,
    /// Time to live in milliseconds.
    pub ttl_ms: Option<i64>,
    /// The version of the canonical form that entries are in.
    pub format_version: u32,
}

impl StateDescription {
    /// A state of entries (`K`, `N`, `V`): key, what divides the key's state, value.
    pub fn keyed<K: Key, N: DeserializeOwned, V: DeserializeOwned>(
        name: impl Into<String>,
        kind: StateKind,
    ) -> Self {
        StateDescription {
            key_schema: Schema::of::<K>(),
            namespace_schema: Schema::of::<N>(),
            value_schema: Schema::of::<V>(),
            ..Self::new(name, kind)
        }
    }
    /// Reads one canonical entry from the front of `bytes` without the job's types: key,
    /// namespace, value; and answers the rest.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are of another schema, or no schema is known.
    pub fn decode_entry<'b>(&self, bytes: &'b [u8]) -> Result<([Value; 3], &'b [u8])> {
        let (key, bytes) = Value::decode(&self.key_schema, bytes)?;
        let (namespace, bytes) = Value::decode(&self.namespace_schema, bytes)?;
        let (value, bytes) = Value::decode(&self.value_schema, bytes)?;
        Ok(([key, namespace, value], bytes))
    }
    /// A state whose schemas are not known.
    pub fn new(name: impl Into<String>, kind: StateKind) -> Self {
        StateDescription {
            name: name.into(),
            kind,
            key_schema: Schema::Unknown,
            namespace_schema: Schema::Unknown,
            value_schema: Schema::Unknown,
            ttl_ms: None,
            format_version: FORMAT_VERSION,
        }
    }
}
