//! What a user says about a state beyond its name: TTL, and how to read older versions.

use crate::schema::Value;
use crate::table::Migration;
use crate::ttl::Ttl;
use millstream_core::{Data, Result};
use std::rc::Rc;

/// Name and settings of a state of `V` (for a list: of its elements, for a map: its values).
///
/// ```
/// use millstream_state::{StateDescriptor, Ttl};
/// #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
/// struct Before { cents: u32 }
/// #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
/// struct Price { euros: f64 }
/// let descriptor = StateDescriptor::<Price>::new("price")
///     .ttl(Ttl::after_write_ms(3_600_000))
///     .migrate(|old: Before| Ok(Price { euros: f64::from(old.cents) / 100.0 }));
/// # drop(descriptor);
/// ```
#[derive(Clone)]
pub struct StateDescriptor<V> {
    pub(crate) name: String,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) migration: Option<Migration<V>>,
}

impl<V> std::fmt::Debug for StateDescriptor<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("StateDescriptor");
        shown.field("name", &self.name).field("ttl", &self.ttl);
        shown.field("migrates", &self.migration.is_some()).finish()
    }
}

impl<V: Data> StateDescriptor<V> {
    /// A state without TTL.
    pub fn new(name: impl Into<String>) -> Self {
        StateDescriptor { name: name.into(), ttl: None, migration: None }
    }
    /// Values live for a time only.
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }
    /// Reads state whose schema has changed in a way that is not compatible: values are read
    /// as `Old` and given to `migration`. Used at restore, and only if it is needed.
    pub fn migrate<Old: Data>(mut self, migration: impl Fn(Old) -> Result<V> + 'static) -> Self {
        self.migration = Some(Rc::new(move |value: Value| migration(value.into()?)));
        self
    }
}
