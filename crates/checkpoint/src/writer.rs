//! Stores what one subtask hands over at a barrier: sections in one object, native files beside.
//!
//! ```text
//!   TaskSnapshot ──> operator 1: state a, groups 0 1 2 .. │ lists │ operator 2 ...   one object
//!                └─> native files: shared/<unique>                                   one each
//! ```
//!
//! On an uploader thread. Little data goes into the manifest itself.
//!
//! Invariant: a path is written once; a native file is named again in place of written
//! again only when the last *completed* checkpoint of this subtask names it.

use crate::coordinator::SubtaskId;
use crate::manifest::*;
use crate::storage::{ObjectWriter, Storage};
use millstream_core::{KeyGroup, Result};
use millstream_state::{
    ListMode, NativeState, SnapshotWriter, StateDescription, StateKind, TaskSnapshot,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Up to so many bytes of a subtask are kept in the manifest (Flink's
/// `state.storage.fs.memory-threshold`).
pub const INLINE_BYTES: u64 = 20 * 1024;

/// Native files that may be named again, by operator and id.
pub type KnownFiles = BTreeMap<(String, String), NativeFile>;

/// Where a subtask's objects go.
#[derive(Clone, Debug)]
pub struct UploadPlace {
    /// The job's folder, or the folder of savepoints.
    pub parent: Storage,
    /// The folder of the checkpoint or savepoint.
    pub folder: String,
    /// Whether everything has to be in that folder: a savepoint.
    pub self_contained: bool,
}

impl UploadPlace {
    /// The path to write to, and the path for the manifest.
    fn object(&self, name: &str) -> (String, String) {
        let path = format!("{}/{name}", self.folder);
        let named = if self.self_contained { format!("./{name}") } else { path.clone() };
        (path, named)
    }
    fn shared(&self, name: &str) -> (String, String) {
        if self.self_contained {
            return self.object(name);
        }
        let path = format!("shared/{}-{name}", self.folder);
        (path.clone(), path)
    }
}

/// Writes `snapshot`, which is of the subtask `id`.
///
/// # Errors
/// What an operator's deferred part or storage says; what was written so far is garbage.
pub fn write_subtask(
    place: &UploadPlace,
    id: SubtaskId,
    snapshot: TaskSnapshot,
    known: &KnownFiles,
) -> Result<SubtaskState> {
    let name = format!("{}-{}", id.task, id.subtask);
    let (path, named) = place.object(&name);
    let mut data = place.parent.writer(path);
    let mut operators = Vec::new();
    let mut files = 0;
    for (uid, snapshot) in snapshot {
        let mut writer = OperatorWriter {
            place,
            name: &name,
            known,
            data: &mut data,
            files: &mut files,
            lists: BTreeMap::new(),
            state: OperatorState { uid, ..OperatorState::default() },
        };
        snapshot.write(&mut writer)?;
        operators.push(writer.finish()?);
    }
    let data = match data.in_memory() {
        Some([]) => DataPlace::Nowhere,
        Some(bytes) if bytes.len() as u64 <= INLINE_BYTES => DataPlace::Inline(bytes.to_vec()),
        _ => {
            let written = data.finish()?;
            let (size_bytes, checksum) = (written.size_bytes, written.checksum);
            DataPlace::Object(StoredObject { path: named, size_bytes, checksum })
        }
    };
    Ok(SubtaskState { data, operators })
}

struct OperatorWriter<'a> {
    place: &'a UploadPlace,
    name: &'a str,
    known: &'a KnownFiles,
    data: &'a mut ObjectWriter,
    files: &'a mut u32,
    /// Elements by state, until all are there.
    lists: BTreeMap<u32, (ListMode, Vec<Vec<u8>>)>,
    state: OperatorState,
}

impl OperatorWriter<'_> {
    fn index(&mut self, name: &str, kind: StateKind) -> u32 {
        let found = self.state.states.iter().position(|s| s.name == name);
        let index = found.unwrap_or_else(|| {
            self.state.states.push(StateDescription::new(name, kind));
            self.state.states.len() - 1
        });
        index as u32
    }

    fn section(&mut self, bytes: &[u8]) -> Result<Section> {
        let offset = self.data.size_bytes();
        self.data.write(bytes)?;
        Ok(Section { offset, size_bytes: bytes.len() as u64, checksum: section_checksum(bytes) })
    }

    fn finish(mut self) -> Result<OperatorState> {
        for (state, (mode, elements)) in std::mem::take(&mut self.lists) {
            let section = self.section(&postcard::to_stdvec(&elements)?)?;
            self.state.lists.push(ListSection { state, mode, section });
        }
        // Stable: the pieces of a group stay in order.
        self.state.keyed.sort_by_key(|k| (k.state, k.group));
        Ok(self.state)
    }
}

/// The checksum of a [`Section`].
pub(crate) fn section_checksum(bytes: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    half
}

impl SnapshotWriter for OperatorWriter<'_> {
    fn state(&mut self, description: &StateDescription) -> Result<()> {
        match self.state.states.iter_mut().find(|s| s.name == description.name) {
            Some(known) => known.clone_from(description),
            None => self.state.states.push(description.clone()),
        }
        Ok(())
    }
    fn keyed(&mut self, state: &str, group: KeyGroup, entries: &[u8]) -> Result<()> {
        let state = self.index(state, StateKind::Value);
        let section = self.section(entries)?;
        self.state.keyed.push(KeyedSection { state, group, section });
        Ok(())
    }
    fn list(&mut self, state: &str, mode: ListMode, element: &[u8]) -> Result<()> {
        let state = self.index(state, StateKind::OperatorList);
        let (_, elements) = self.lists.entry(state).or_insert_with(|| (mode, Vec::new()));
        elements.push(element.to_vec());
        Ok(())
    }
    fn file(&mut self, id: &str, local: &Path, shared: bool) -> Result<()> {
        let known = self.known.get(&(self.state.uid.clone(), id.to_owned()));
        if let Some(known) = known.filter(|_| shared && !self.place.self_contained) {
            self.state.files.push(known.clone());
            return Ok(());
        }
        let name = format!("{}-f{}", self.name, self.files);
        *self.files += 1;
        let (path, named) =
            if shared { self.place.shared(&name) } else { self.place.object(&name) };
        let written = self.place.parent.put_file(&path, local)?;
        let (size_bytes, checksum) = (written.size_bytes, written.checksum);
        let object = StoredObject { path: named, size_bytes, checksum };
        self.state.files.push(NativeFile { id: id.to_owned(), shared, object });
        Ok(())
    }
    fn native(&mut self, state: &NativeState) -> Result<()> {
        self.state.native = Some(NativePart {
            backend: state.backend.clone(),
            meta: state.meta.clone(),
            first_group: state.groups.start,
            end_group: state.groups.end,
            files: state.files.clone(),
        });
        Ok(())
    }
}
