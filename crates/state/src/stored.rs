//! A snapshot in memory: it takes everything a snapshot writes, and gives it back.
//!
//! It is the ready part of an [`OperatorSnapshot`](crate::OperatorSnapshot), what stores in
//! memory keep, and the model for stores on disk.

use crate::{FormerState, ListMode, NativeState, SnapshotWriter, StateDescription, StateKind};
use millstream_core::{Error, KeyGroup, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The stored state of one subtask of one operator, in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredState {
    states: Vec<StateDescription>,
    keyed: BTreeMap<String, BTreeMap<KeyGroup, Vec<u8>>>,
    lists: BTreeMap<String, (ListMode, Vec<Vec<u8>>)>,
    files: BTreeMap<String, Arc<[u8]>>,
    native: Option<NativeState>,
}

impl StoredState {
    /// Whether nothing was stored (a description alone is nothing).
    pub fn is_empty(&self) -> bool {
        self.keyed.is_empty() && self.lists.is_empty() && self.native.is_none()
    }
    /// Bytes stored, keys and names not counted.
    pub fn size_bytes(&self) -> usize {
        let keyed = self.keyed.values().flat_map(BTreeMap::values).map(Vec::len);
        let lists = self.lists.values().flat_map(|(_, elements)| elements).map(Vec::len);
        let files = self.files.values().map(|file| file.len());
        keyed.chain(lists).chain(files).sum()
    }
    pub(crate) fn describe(&mut self, description: StateDescription) {
        match self.states.iter_mut().find(|s| s.name == description.name) {
            Some(known) => *known = description,
            None => self.states.push(description),
        }
    }
    pub(crate) fn describe_if_new(&mut self, name: &str, kind: StateKind) {
        if !self.states.iter().any(|s| s.name == name) {
            self.states.push(StateDescription::new(name, kind));
        }
    }
    pub(crate) fn extend_group(
        &mut self,
        name: &str,
        group: KeyGroup,
        extend: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
    ) -> Result<()> {
        if !self.keyed.contains_key(name) {
            self.keyed.insert(name.to_owned(), BTreeMap::new());
        }
        if let Some(groups) = self.keyed.get_mut(name) {
            let bytes = groups.entry(group).or_default();
            *bytes = extend(std::mem::take(bytes))?;
        }
        Ok(())
    }
    /// Writes everything to another writer.
    ///
    /// # Errors
    /// When the writer refuses. Native files are kept in memory and cannot be written on.
    pub fn write(&self, out: &mut dyn SnapshotWriter) -> Result<()> {
        if self.native.is_some() {
            return Err(Error::bug("a native snapshot in memory was to be written again"));
        }
        self.states.iter().try_for_each(|state| out.state(state))?;
        for (name, groups) in &self.keyed {
            groups.iter().try_for_each(|(group, bytes)| out.keyed(name, *group, bytes))?;
        }
        for (name, (mode, elements)) in &self.lists {
            elements.iter().try_for_each(|element| out.list(name, *mode, element))?;
        }
        Ok(())
    }
}

impl SnapshotWriter for StoredState {
    fn state(&mut self, description: &StateDescription) -> Result<()> {
        self.describe(description.clone());
        Ok(())
    }
    fn keyed(&mut self, state: &str, group: KeyGroup, entries: &[u8]) -> Result<()> {
        self.extend_group(state, group, |mut bytes| {
            bytes.extend_from_slice(entries);
            Ok(bytes)
        })
    }
    fn list(&mut self, state: &str, mode: ListMode, element: &[u8]) -> Result<()> {
        let list = self.lists.entry(state.to_owned()).or_insert((mode, Vec::new()));
        if list.0 != mode {
            return Err(Error::bug(format!("operator state '{state}' was stored in two modes")));
        }
        list.1.push(element.to_vec());
        Ok(())
    }
    fn file(&mut self, id: &str, local: &Path, _shared: bool) -> Result<()> {
        let bytes =
            std::fs::read(local).map_err(|e| Error::from(e).at(local.display().to_string()))?;
        self.files.insert(id.to_owned(), bytes.into());
        Ok(())
    }
    fn native(&mut self, state: &NativeState) -> Result<()> {
        self.native = Some(state.clone());
        Ok(())
    }
}

impl FormerState for StoredState {
    fn states(&self) -> &[StateDescription] {
        &self.states
    }
    fn keyed(&self, state: &str, group: KeyGroup) -> Result<Option<Vec<u8>>> {
        Ok(self.keyed.get(state).and_then(|groups| groups.get(&group)).cloned())
    }
    fn lists(&self, state: &str) -> Result<Vec<Vec<u8>>> {
        Ok(self.lists.get(state).map(|(_, elements)| elements.clone()).unwrap_or_default())
    }
    fn native(&self) -> Option<NativeState> {
        self.native.clone()
    }
    fn fetch(&self, id: &str, to: &Path) -> Result<()> {
        let bytes = self.files.get(id).ok_or_else(|| {
            Error::corrupt(format!("the snapshot has no file '{id}'")).advice("restore another one")
        })?;
        std::fs::write(to, bytes).map_err(|e| Error::from(e).at(to.display().to_string()))
    }
}
