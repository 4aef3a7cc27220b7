//! A state of bytes, for operators that keep what they work on in memory in a form of their own.
//!
//! ```text
//!   SQL operator: dense slots, which are the cache ──misses of a batch──> BytesTable::read_all
//!                                                  ──dirty slots───────> put, flush
//! ```
//! There is no cache in front of it: what is read is decoded once, by the operator.
//!
//! Invariant: the canonical form is that of a keyed state of [`Bytes`], so an operator that
//! stores its entries itself and one with a table behind it read each other's savepoints.

use millstream_core::Result;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bytes as a stored key or value: written and read in one piece, hashed as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOnePiece;
        impl Visitor<'_> for InOnePiece {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(InOnePiece)
    }
}

/// Appends bytes in the stored form of [`Bytes`]: behind their length, as postcard has them.
pub(crate) fn append(bytes: &[u8], mut out: Vec<u8>) -> Vec<u8> {
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// A key with its [stable hash](millstream_core::key_group::stable_hash).
pub type HashedKey<'k> = (u64, &'k [u8]);

/// Whether nobody may see a stored value any more; asked on the threads that clean up.
pub type IsExpired = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Looks at an entry: key and value.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// One keyed state of bytes. See the module.
pub trait BytesTable {
    /// Reads the entries of distinct keys, in any order: `found` gets the place of the key and
    /// the value. Those that do not exist are left out.
    ///
    /// # Errors
    /// When the local disk fails; and whatever `found` says.
    fn read_all(
        &self,
        keys: &[HashedKey<'_>],
        found: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()>;
    /// Sets an entry, or removes it. An entry is named once between two calls of
    /// [`flush`](Self::flush), which comes before anything is read.
    ///
    /// # Errors
    /// When the local disk fails.
    fn put(&self, key: HashedKey<'_>, value: Option<&[u8]>) -> Result<()>;
    /// What was put is there to be read.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn flush(&self) -> Result<()>;
    /// Looks at every entry.
    ///
    /// # Errors
    /// When the local disk fails; and whatever `visit` says.
    fn for_each(&self, visit: Visit<'_>) -> Result<()>;
    /// Bytes that the operator may hold in memory of this state now.
    fn budget_bytes(&self) -> usize;
    /// Says how many it holds.
    fn tell_bytes(&self, bytes: usize);
}
