//! What a checkpoint or savepoint consists of: its manifest, the object `_metadata`.
//!
//! ```text
//!   "MILLCHK\n"  version u32  length u64  body (postcard)  blake3 of all before (32 bytes)
//! ```
//!
//! All numbers little-endian. The body is a [`Manifest`]. Paths in it that begin with `./`
//! are in the manifest's own folder, others beside that folder: a savepoint can be moved
//! as a whole, and a checkpoint shares files with its neighbours.
//!
//! Invariants: a manifest is written after everything that it names; every object that it
//! names has size and checksum in it; a byte that was changed, a version from the future
//! and a missing object are errors with the object's name, before data flows.

use crate::coordinator::SubtaskId;
use crate::storage::Storage;
use millstream_core::{Error, KeyGroup, Result};
use millstream_state::{ListMode, SnapshotKind, StateDescription};
use serde::{Deserialize, Serialize};

/// Name of the manifest in its folder.
pub const MANIFEST: &str = "_metadata";
/// The version that this build writes; it reads this one and all older ones.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"MILLCHK\n";
const HEADER_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 32;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The job's id: the name of its folder.
    pub job_id: String,
    /// The job's name, for people.
    pub job_name: String,
    /// Who wrote it.
    pub term: u64,
    /// The epoch whose end it stores.
    pub epoch: u64,
    /// In which form.
    pub kind: SnapshotKind,
    /// When, in milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Number of key groups; a job restored from it has the same.
    pub max_parallelism: u32,
    /// Every operator of the job, also those without state.
    pub operators: Vec<OperatorInfo>,
    /// What every subtask stored.
    pub subtasks: Vec<(SubtaskId, SubtaskState)>,
}

/// An operator as the job had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorInfo {
    /// Its identity.
    pub uid: String,
    /// Its name, for people.
    pub name: String,
    /// Its subtasks.
    pub parallelism: u32,
}

/// What one subtask stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubtaskState {
    /// The bytes that sections lie in.
    pub data: DataPlace,
    /// The operators of its chain that have state.
    pub operators: Vec<OperatorState>,
}

/// Where the bytes of a subtask's sections are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum DataPlace {
    /// There are none.
    #[default]
    Nowhere,
    /// In the manifest: few.
    Inline(Vec<u8>),
    /// In an object.
    Object(StoredObject),
}

/// An object with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// See the module for what it is relative to.
    pub path: String,
    /// Size.
    pub size_bytes: u64,
    /// blake3.
    pub checksum: [u8; 32],
}

/// What one subtask of one operator stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatorState {
    /// Whose.
    pub uid: String,
    /// Its states.
    pub states: Vec<StateDescription>,
    /// Pieces of keyed state, sorted by (state, group), each group's in order of writing.
    pub keyed: Vec<KeyedSection>,
    /// Operator states.
    pub lists: Vec<ListSection>,
    /// The native part.
    pub native: Option<NativePart>,
    /// Files of the native part.
    pub files: Vec<NativeFile>,
}

/// A range of a subtask's data, with its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub size_bytes: u64,
    /// The first half of the range's blake3.
    pub checksum: [u8; 16],
}

/// Entries of one key group of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedSection {
    /// Index into `states`.
    pub state: u32,
    /// The group.
    pub group: KeyGroup,
    /// Where.
    pub section: Section,
}

/// The elements of one operator state: a postcard list of byte strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSection {
    /// Index into `states`.
    pub state: u32,
    /// How the elements are dealt out.
    pub mode: ListMode,
    /// Where.
    pub section: Section,
}

/// What a backend needs to open its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativePart {
    /// Which backend.
    pub backend: String,
    /// In its own form.
    pub meta: Vec<u8>,
    /// First key group.
    pub first_group: KeyGroup,
    /// One past the last key group.
    pub end_group: KeyGroup,
    /// Ids of its files.
    pub files: Vec<String>,
}

/// A file of a native part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeFile {
    /// The backend's name for it.
    pub id: String,
    /// Whether later checkpoints may name it too.
    pub shared: bool,
    /// Where.
    pub object: StoredObject,
}

impl SubtaskState {
    /// Every object that it names.
    pub fn objects(&self) -> impl Iterator<Item = &StoredObject> {
        let data = match &self.data {
            DataPlace::Object(object) => Some(object),
            _ => None,
        };
        let files = self.operators.iter().flat_map(|op| op.files.iter().map(|f| &f.object));
        data.into_iter().chain(files)
    }
    /// The same, to be changed.
    pub fn objects_mut(&mut self) -> impl Iterator<Item = &mut StoredObject> {
        let data = match &mut self.data {
            DataPlace::Object(object) => Some(object),
            _ => None,
        };
        let files = self.operators.iter_mut().flat_map(|op| op.files.iter_mut());
        data.into_iter().chain(files.map(|f| &mut f.object))
    }
}

impl Manifest {
    /// Every object that it names.
    pub fn objects(&self) -> impl Iterator<Item = &StoredObject> {
        self.subtasks.iter().flat_map(|(_, state)| state.objects())
    }

    /// Bytes of state, files counted as often as they are named.
    pub fn size_bytes(&self) -> u64 {
        let inline = |state: &SubtaskState| match &state.data {
            DataPlace::Inline(bytes) => bytes.len() as u64,
            _ => 0,
        };
        let inline: u64 = self.subtasks.iter().map(|(_, state)| inline(state)).sum();
        inline + self.objects().map(|object| object.size_bytes).sum::<u64>()
    }

    /// In the form of the module's drawing.
    ///
    /// # Errors
    /// `Bug`: a manifest always serializes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = postcard::to_stdvec(self)
            .map_err(|e| Error::bug(format!("a manifest does not serialize: {e}")))?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) has written. `place`: for errors.
    ///
    /// # Errors
    /// `Corrupt`, when the bytes are damaged or are no manifest; `Config`, when it is of a
    /// newer version.
    pub fn decode(bytes: &[u8], place: &str) -> Result<Self> {
        let damaged = |how: &str| {
            Error::corrupt(format!("{place} {how}"))
                .advice("restore it from a backup, or start from another checkpoint or savepoint")
        };
        let word = |at: usize, n: usize| bytes.get(at..at + n);
        if word(0, 8) != Some(MAGIC) {
            return Err(damaged("is not a manifest of Millstream"));
        }
        let number = |at: usize, n: usize| {
            let mut word8 = [0; 8];
            word8[..n].copy_from_slice(word(at, n)?);
            Some(u64::from_le_bytes(word8))
        };
        let (Some(version), Some(length)) = (number(8, 4), number(12, 8)) else {
            return Err(damaged("is cut off"));
        };
        if version > u64::from(VERSION) {
            let what = format!("{place} has version {version}; this build reads up to {VERSION}");
            return Err(Error::config(what).advice("start the job with a newer build"));
        }
        let end = (HEADER_BYTES as u64).checked_add(length).and_then(|e| usize::try_from(e).ok());
        let total = end.and_then(|end| end.checked_add(CHECKSUM_BYTES));
        let (Some(end), true) = (end, total == Some(bytes.len())) else {
            return Err(damaged("is cut off, or has a wrong length"));
        };
        if blake3::hash(&bytes[..end]).as_bytes() != &bytes[end..] {
            return Err(damaged("has a wrong checksum"));
        }
        postcard::from_bytes(&bytes[HEADER_BYTES..end]).map_err(|_| damaged("does not decode"))
    }
}

/// A manifest with where it was found.
#[derive(Clone, Debug)]
pub struct LocatedManifest {
    /// What it says.
    pub manifest: Manifest,
    /// The place that its folder is in.
    pub parent: Storage,
    /// Its folder.
    pub folder: String,
}

impl LocatedManifest {
    /// Reads the manifest in `folder` of `parent`.
    ///
    /// # Errors
    /// `Corrupt` when there is none, or it is damaged; `Config` for a newer version.
    pub fn read(parent: &Storage, folder: &str) -> Result<Self> {
        let path = format!("{folder}/{MANIFEST}");
        let bytes = parent.get(&path)?.ok_or_else(|| parent.damaged(&path, "is missing"))?;
        let manifest = Manifest::decode(&bytes, &format!("{}/{path}", parent.place()))?;
        Ok(LocatedManifest { manifest, parent: parent.clone(), folder: folder.to_owned() })
    }

    /// Opens the savepoint or checkpoint at `place`: a folder or a URL that a manifest is in.
    ///
    /// # Errors
    /// `Config` when there is no such place; else as [`read`](Self::read).
    pub fn open(place: &str) -> Result<Self> {
        let trimmed = place.trim_end_matches('/');
        let trimmed = trimmed.strip_suffix(MANIFEST).unwrap_or(trimmed).trim_end_matches('/');
        let none = || {
            let shown = crate::storage::masked(place);
            Error::config(format!("there is no checkpoint or savepoint at '{shown}'"))
                .advice("give the folder that holds the file _metadata")
        };
        let local = trimmed.strip_prefix("file://").unwrap_or(trimmed);
        if !local.contains("://") && !std::path::Path::new(local).join(MANIFEST).is_file() {
            return Err(none());
        }
        let (parent, folder) = match trimmed.rsplit_once('/') {
            Some(("", folder)) => ("/", folder),
            Some((parent, folder)) => (parent, folder),
            None => (".", trimmed),
        };
        if folder.is_empty() {
            return Err(none());
        }
        let parent = Storage::open(parent)?;
        match parent.size(&format!("{folder}/{MANIFEST}"))? {
            Some(_) => Self::read(&parent, folder),
            None => Err(none()),
        }
    }

    /// The path of an object, relative to `parent`.
    pub fn path(&self, object: &StoredObject) -> String {
        match object.path.strip_prefix("./") {
            Some(name) => format!("{}/{name}", self.folder),
            None => object.path.clone(),
        }
    }

    /// For people.
    pub fn place(&self) -> String {
        format!("{}/{}", self.parent.place(), self.folder)
    }

    /// Deletes it: the manifest first, so that nobody starts from half of it.
    ///
    /// # Errors
    /// `Retry`; what is left is garbage.
    pub fn delete(&self) -> Result<()> {
        self.parent.delete(&format!("{}/{MANIFEST}", self.folder))?;
        self.manifest.objects().try_for_each(|object| self.parent.delete(&self.path(object)))
    }

    /// Looks whether every object is there with its size.
    ///
    /// # Errors
    /// `Corrupt`, with the name of the first that is not.
    pub fn check_objects(&self) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for object in self.manifest.objects() {
            let path = self.path(object);
            if !seen.insert(path.clone()) {
                continue;
            }
            match self.parent.size(&path)? {
                None => return Err(self.parent.damaged(&path, "is missing")),
                Some(size) if size != object.size_bytes => {
                    let how = format!("has {size} bytes in place of {}", object.size_bytes);
                    return Err(self.parent.damaged(&path, &how));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
