//! Reads state back: lazily, and never without looking at the checksum.
//!
//! Invariants: nothing is read before somebody asks for it; bytes whose checksum is wrong
//! are an error that names their object, and never reach an operator.

use crate::manifest::*;
use crate::writer::section_checksum;
use millstream_core::{Epoch, Error, KeyGroup, KeyGroupRange, Result};
use millstream_state::{FormerState, NativeState, Restored, StateDescription};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are read ahead: neighbouring key groups are asked for one after the other.
const WINDOW_BYTES: u64 = 4 << 20;

/// The state to start a job from: every operator's former subtasks, by uid.
#[derive(Clone, Default)]
pub struct RestoredJob {
    /// The epoch that the state closes.
    pub epoch: Option<Epoch>,
    operators: BTreeMap<String, Arc<Vec<Arc<dyn FormerState>>>>,
}

impl fmt::Debug for RestoredJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operators: Vec<_> = self.operators.keys().collect();
        f.debug_struct("RestoredJob")
            .field("epoch", &self.epoch)
            .field("operators", &operators)
            .finish()
    }
}

impl RestoredJob {
    /// The state of `epoch`: what every former subtask of every operator stored, by uid.
    pub fn new(
        epoch: Epoch,
        operators: impl IntoIterator<Item = (String, Vec<Arc<dyn FormerState>>)>,
    ) -> Self {
        let operators = operators.into_iter().map(|(uid, former)| (uid, Arc::new(former)));
        RestoredJob { epoch: Some(epoch), operators: operators.collect() }
    }
    /// What a manifest names.
    pub fn of(located: &Arc<LocatedManifest>) -> Self {
        let manifest = &located.manifest;
        let mut operators: BTreeMap<String, Vec<Arc<dyn FormerState>>> = BTreeMap::new();
        for info in &manifest.operators {
            operators.entry(info.uid.clone()).or_default();
        }
        for (subtask, (_, state)) in manifest.subtasks.iter().enumerate() {
            let window = Arc::new(Mutex::new((0, Vec::new())));
            for (operator, stored) in state.operators.iter().enumerate() {
                let (located, window) = (Arc::clone(located), Arc::clone(&window));
                let former = StoredOperator { located, subtask, operator, window };
                operators.entry(stored.uid.clone()).or_default().push(Arc::new(former));
            }
        }
        RestoredJob::new(Epoch(manifest.epoch), operators)
    }
    /// Every operator with its former subtasks, by uid.
    pub fn operators(&self) -> impl Iterator<Item = (&str, &[Arc<dyn FormerState>])> {
        self.operators.iter().map(|(uid, former)| (uid.as_str(), former.as_slice()))
    }
    /// The state of one operator.
    pub fn operator(&self, uid: &str) -> Restored {
        let former = self.operators.get(uid).cloned();
        former
            .or_else(|| self.epoch.map(|_| Arc::default()))
            .map_or_else(Restored::default, Restored::from_former)
    }
}

/// What one subtask of one operator stored.
struct StoredOperator {
    located: Arc<LocatedManifest>,
    /// Index into the manifest's subtasks.
    subtask: usize,
    /// Index into the subtask's operators.
    operator: usize,
    /// Bytes of the subtask's data that were read last, with their offset.
    window: Arc<Mutex<(u64, Vec<u8>)>>,
}

impl fmt::Debug for StoredOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredOperator({} of {})", self.state().uid, self.located.place())
    }
}

impl StoredOperator {
    fn subtask(&self) -> &SubtaskState {
        &self.located.manifest.subtasks[self.subtask].1
    }
    fn state(&self) -> &OperatorState {
        &self.subtask().operators[self.operator]
    }
    fn index(&self, state: &str) -> Option<u32> {
        self.state().states.iter().position(|s| s.name == state).map(|i| i as u32)
    }

    /// `follows` answers where the sections end that are behind this one, in the order in
    /// which they will be asked for.
    fn read(&self, section: &Section, follows: impl Fn() -> u64) -> Result<Vec<u8>> {
        let end = section.offset.saturating_add(section.size_bytes);
        let range = section.offset as usize..end as usize;
        let (bytes, path) = match &self.subtask().data {
            DataPlace::Nowhere => (None, None),
            DataPlace::Inline(all) => (all.get(range).map(<[u8]>::to_vec), None),
            DataPlace::Object(object) => {
                let path = self.located.path(object);
                (Some(self.read_object(object, &path, section, follows)?), Some(path))
            }
        };
        match bytes {
            Some(bytes) if section_checksum(&bytes) == section.checksum => Ok(bytes),
            _ => {
                let manifest = format!("{}/{MANIFEST}", self.located.folder);
                let path = path.as_deref().unwrap_or(&manifest);
                let how = format!("has a wrong checksum in bytes {}..{end}", section.offset);
                Err(self.located.parent.damaged(path, &how))
            }
        }
    }

    fn read_object(
        &self,
        object: &StoredObject,
        path: &str,
        section: &Section,
        follows: impl Fn() -> u64,
    ) -> Result<Vec<u8>> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = |window: &(u64, Vec<u8>)| {
            let begin = section.offset.checked_sub(window.0)? as usize;
            Some(window.1.get(begin..begin + section.size_bytes as usize)?.to_vec())
        };
        if let Some(bytes) = cut(&window) {
            return Ok(bytes);
        }
        let own_end = section.offset + section.size_bytes;
        let end = follows().min(object.size_bytes).max(own_end);
        if end == own_end {
            return self.located.parent.get_range(path, section.offset..end);
        }
        *window = (section.offset, self.located.parent.get_range(path, section.offset..end)?);
        cut(&window)
            .ok_or_else(|| self.located.parent.damaged(path, "is shorter than it was written"))
    }
}

/// Where the sections end that can be read at once with the first one. The pieces of a large
/// group are far apart when the groups were written side by side: nothing is read between
/// them then.
fn end_of_window(sections: &[KeyedSection]) -> u64 {
    let mut ends = sections.iter().map(|k| (k.section.offset, k.section.size_bytes));
    let Some((begin, size)) = ends.next() else { return 0 };
    let mut end = begin + size;
    for (offset, size) in ends {
        if offset != end || end + size - begin > WINDOW_BYTES {
            break;
        }
        end += size;
    }
    end
}

impl FormerState for StoredOperator {
    fn states(&self) -> &[StateDescription] {
        &self.state().states
    }
    fn keyed(&self, state: &str, group: KeyGroup) -> Result<Option<Vec<u8>>> {
        let Some(state) = self.index(state) else { return Ok(None) };
        let sections = &self.state().keyed;
        let first = sections.partition_point(|k| (k.state, k.group) < (state, group));
        let pieces = sections[first..].iter().take_while(|k| (k.state, k.group) == (state, group));
        let mut found: Option<Vec<u8>> = None;
        for (i, piece) in pieces.enumerate() {
            let follows = || end_of_window(&sections[first + i..]);
            let bytes = self.read(&piece.section, follows)?;
            match &mut found {
                Some(found) => found.extend_from_slice(&bytes),
                None => found = Some(bytes),
            }
        }
        Ok(found)
    }
    fn lists(&self, state: &str) -> Result<Vec<Vec<u8>>> {
        let Some(state) = self.index(state) else { return Ok(vec![]) };
        let mut elements = Vec::new();
        for list in self.state().lists.iter().filter(|l| l.state == state) {
            elements
                .extend(postcard::from_bytes::<Vec<Vec<u8>>>(&self.read(&list.section, || 0)?)?);
        }
        Ok(elements)
    }
    fn native(&self) -> Option<NativeState> {
        let native = self.state().native.as_ref()?;
        Some(NativeState {
            backend: native.backend.clone(),
            meta: native.meta.clone(),
            groups: KeyGroupRange { start: native.first_group, end: native.end_group },
            files: native.files.clone(),
        })
    }
    fn fetch(&self, id: &str, to: &Path) -> Result<()> {
        let file = self.state().files.iter().find(|file| file.id == id).ok_or_else(|| {
            Error::corrupt(format!("{} names no file '{id}'", self.located.place()))
        })?;
        let (object, parent) = (&file.object, &self.located.parent);
        let path = self.located.path(object);
        let full = |e| Error::retry(format!("cannot write the state file {}: {e}", to.display()));
        let mut local = std::fs::File::create_new(to).map_err(full)?;
        let mut hash = blake3::Hasher::new();
        let mut at = 0;
        while at < object.size_bytes {
            let end = (at + WINDOW_BYTES).min(object.size_bytes);
            let bytes = parent.get_range(&path, at..end)?;
            hash.update(&bytes);
            local.write_all(&bytes).map_err(full)?;
            at = end;
        }
        if hash.finalize().as_bytes() != &object.checksum {
            drop(local);
            let _ = std::fs::remove_file(to); // the error says enough
            return Err(parent.damaged(&path, "has a wrong checksum"));
        }
        Ok(())
    }
}
