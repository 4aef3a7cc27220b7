//! Small named states of one key and window: of triggers and of process functions.
//!
//! A state is decoded when it is first asked for, because only the code that asks knows
//! its type. Most windows have none, and then nothing is allocated.
//!
//! Invariant: a name holds one type; asking for another one is an error.

use millstream_core::{Data, Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::any::Any;
use std::borrow::Cow;

trait Live: Any + Send + Sync {
    fn copy(&self) -> Box<dyn Live>;
    fn encode(&self) -> Result<Vec<u8>>;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<S: Data> Live for S {
    fn copy(&self) -> Box<dyn Live> {
        Box::new(self.clone())
    }
    fn encode(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(self)?)
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

enum Cell {
    Stored(Vec<u8>),
    Live(Box<dyn Live>),
}

impl Clone for Cell {
    fn clone(&self) -> Self {
        match self {
            Cell::Stored(bytes) => Cell::Stored(bytes.clone()),
            Cell::Live(live) => Cell::Live((**live).copy()),
        }
    }
}

/// The named states of one key and window.
#[derive(Clone, Default)]
pub(crate) struct StateCells(Vec<(Cow<'static, str>, Cell)>);

impl std::fmt::Debug for StateCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl StateCells {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The state `name`, made with `Default` when there is none.
    pub(crate) fn get<S: Data + Default>(&mut self, name: &'static str) -> Result<&mut S> {
        let at = match self.0.iter().position(|(n, _)| n == name) {
            Some(at) => at,
            None => {
                self.0.push((Cow::Borrowed(name), Cell::Live(Box::new(S::default()))));
                self.0.len() - 1
            }
        };
        let cell = &mut self.0[at].1;
        if let Cell::Stored(bytes) = cell {
            *cell = Cell::Live(Box::new(postcard::from_bytes::<S>(bytes)?));
        }
        let live = match cell {
            Cell::Live(live) => (**live).as_any_mut().downcast_mut(),
            Cell::Stored(_) => None,
        };
        live.ok_or_else(|| {
            Error::user(format!("the window state '{name}' is used with two types"))
                .advice("give the second state another name")
        })
    }
    /// Takes the state `name` out, if there is one.
    pub(crate) fn take<S: Data + Default>(&mut self, name: &'static str) -> Result<Option<S>> {
        if !self.0.iter().any(|(n, _)| n == name) {
            return Ok(None);
        }
        let value = std::mem::take(self.get::<S>(name)?);
        self.clear(name);
        Ok(Some(value))
    }
    pub(crate) fn clear(&mut self, name: &str) {
        self.0.retain(|(n, _)| n != name);
    }
}

impl Serialize for StateCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter()
                .map(|(name, cell)| match cell {
                    Cell::Stored(bytes) => Ok((name.as_ref(), bytes.clone())),
                    Cell::Live(live) => live
                        .encode()
                        .map(|bytes| (name.as_ref(), bytes))
                        .map_err(ser::Error::custom),
                })
                .collect::<Result<Vec<_>, S::Error>>()?,
        )
    }
}

impl<'de> Deserialize<'de> for StateCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cells: Vec<(String, Vec<u8>)> = de::Deserialize::deserialize(deserializer)?;
        let cell = |(name, bytes)| (Cow::Owned(name), Cell::Stored(bytes));
        Ok(StateCells(cells.into_iter().map(cell).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_the_wire_and_keep_their_type() {
        let mut cells = StateCells::default();
        *cells.get::<u64>("count").unwrap() += 3;
        cells.get::<Vec<String>>("seen").unwrap().push("a".into());
        let bytes = postcard::to_stdvec(&cells).unwrap();
        let mut back: StateCells = postcard::from_bytes(&bytes).unwrap();
        // Stored again before it is ever decoded.
        let bytes = postcard::to_stdvec(&back).unwrap();
        assert_eq!(*back.get::<u64>("count").unwrap(), 3);
        assert!(back.get::<i8>("count").is_err());
        let mut back: StateCells = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back.take::<Vec<String>>("seen").unwrap().unwrap(), ["a"]);
        assert_eq!(back.take::<Vec<String>>("seen").unwrap(), None);
        back.clear("count");
        assert!(back.is_empty());
    }
}
