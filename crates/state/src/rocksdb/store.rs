//! One database of one subtask: opened empty, or from the files of former subtasks.
//!
//! Invariant: the database holds entries of the subtask's own key groups alone.

use super::{RocksDbBackend, fault};
use crate::bytes::IsExpired;
use crate::{FormerState, NativeState, Restored, StateDescription, SubtaskInfo};
use millstream_core::{Error, KeyGroupRange, Result, random_bytes};
use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BottommostLevelCompaction, BoundColumnFamily, ColumnFamilyDescriptor, CompactOptions,
    DBWithThreadMode, IngestExternalFileOptions, IteratorMode, MultiThreaded, Options, ReadOptions,
    SstFileWriter, WriteBatch, WriteOptions,
};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The backend's name in snapshots.
pub(super) const BACKEND: &str = "rocksdb";
/// Entries are copied between databases in batches of about this size.
const BATCH_BYTES: usize = 1 << 20;

pub(super) type Db = DBWithThreadMode<MultiThreaded>;

/// What a native snapshot says beside its files, in postcard.
#[derive(Serialize, Deserialize)]
pub(super) struct Meta {
    /// Local name, id, and whether checkpoints share it.
    pub(super) files: Vec<(String, String, bool)>,
}

/// A folder that goes with its owner.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn create(path: PathBuf) -> Result<Folder> {
        std::fs::create_dir_all(&path)
            .map_err(|e| Error::from(e).at(path.display().to_string()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the local folder; there is nobody to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Which entries of a column family have expired; set when its state is declared.
type FamilyExpiry = Arc<OnceLock<IsExpired>>;

pub(super) struct Store {
    pub(super) db: Db,
    pub(super) backend: RocksDbBackend,
    /// Unique for this database; part of the ids of its files.
    pub(super) instance: String,
    /// The ids of files that came from a snapshot, by local name.
    pub(super) known: BTreeMap<String, String>,
    /// Number of snapshots taken.
    pub(super) snapshots: Cell<u64>,
    /// Number of files ingested.
    ingested: Cell<u64>,
    /// The states in the restored native files.
    native_states: Vec<StateDescription>,
    expiries: RefCell<BTreeMap<String, FamilyExpiry>>,
    /// Options of created families own their compaction filters, and must outlive the
    /// database: the crate keeps only those that a database is opened with.
    family_options: RefCell<Vec<Options>>,
    // Last, so that the database is closed before its folder goes.
    pub(super) folder: Folder,
}

impl Store {
    pub(super) fn open(
        backend: RocksDbBackend,
        restored: &Restored,
        subtask: &SubtaskInfo,
    ) -> Result<Store> {
        let instance: String =
            random_bytes::<12>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = backend.local_dir().join(format!("millstream-state-{instance}"));
        let folder = Folder::create(folder)?;
        let groups = subtask.key_groups();
        let mut sources = native_sources(restored, groups)?;
        let path = folder.0.join("db");
        let (mut known, mut native_states) = (BTreeMap::new(), Vec::new());
        let base = (!sources.is_empty()).then(|| sources.remove(0));
        if let Some((former, native)) = &base {
            let meta = fetch(former.as_ref(), native, &path)?;
            let shared = meta.files.into_iter().filter(|(_, _, shared)| *shared);
            known.extend(shared.map(|(name, id, _)| (name, id)));
            native_states.extend_from_slice(former.states());
        }
        let options = backend.database_options();
        let names = match base {
            Some(_) => Db::list_cf(&options, &path).map_err(fault)?,
            None => vec!["default".to_owned()],
        };
        let expiries = RefCell::new(BTreeMap::new());
        let families = names.into_iter().map(|name| {
            let options = family_options(&backend, &name, &expiries);
            ColumnFamilyDescriptor::new(name, options)
        });
        let families: Vec<_> = families.collect();
        let db = Db::open_cf_descriptors(&options, &path, families).map_err(fault)?;
        let snapshots = Cell::new(0);
        let mut store = Store {
            db,
            backend,
            instance,
            known,
            snapshots,
            ingested: Cell::new(0),
            native_states,
            expiries,
            family_options: RefCell::default(),
            folder,
        };
        if let Some((_, native)) = &base {
            store.clip(native.groups, groups)?;
        }
        for (i, (former, native)) in sources.iter().enumerate() {
            store.copy(former.as_ref(), native, groups, i)?;
        }
        Ok(store)
    }

    /// The column family of a state, and how the state was stored when it is restored.
    pub(super) fn declare(
        &self,
        name: &str,
        is_expired: Option<IsExpired>,
    ) -> Result<Option<&StateDescription>> {
        self.create_family(name)?;
        if let Some(is_expired) = is_expired
            && let Some(cell) = self.expiries.borrow().get(name)
        {
            // It is set once: a state's name is declared once.
            let _ = cell.set(is_expired);
        }
        Ok(self.native_states.iter().find(|state| state.name == name))
    }
    /// Whether restored files have a column family of this name.
    pub(super) fn is_restored(&self, name: &str) -> bool {
        self.db.cf_handle(name).is_some()
    }
    pub(super) fn drop_family(&self, name: &str) -> Result<()> {
        self.db.drop_cf(name).map_err(fault)
    }
    fn create_family(&self, name: &str) -> Result<()> {
        if self.db.cf_handle(name).is_none() {
            let options = family_options(&self.backend, name, &self.expiries);
            self.db.create_cf(name, &options).map_err(fault)?;
            self.family_options.borrow_mut().push(options);
        }
        Ok(())
    }
    pub(super) fn family(&self, name: &str) -> Result<Arc<BoundColumnFamily<'_>>> {
        let family = self.db.cf_handle(name);
        family.ok_or_else(|| Error::bug(format!("state '{name}' has no column family")))
    }
    pub(super) fn write(&self, batch: WriteBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.backend.shared.trim.moved(batch.size_in_bytes());
        self.db.write_opt(batch, &options).map_err(fault)
    }
    /// Adds entries in the order of their keys as a file, past the memtables: for many at once.
    pub(super) fn ingest<'e>(
        &self,
        family: &Arc<BoundColumnFamily<'_>>,
        mut entries: impl Iterator<Item = (&'e [u8], &'e [u8])>,
    ) -> Result<()> {
        let number = self.ingested.get() + 1;
        self.ingested.set(number);
        let path = self.folder.0.join(format!("ingested-{number}.sst"));
        let options = self.backend.family_options();
        let mut file = SstFileWriter::create(&options);
        file.open(&path).map_err(fault)?;
        entries.try_for_each(|(key, value)| file.put(key, value)).map_err(fault)?;
        file.finish().map_err(fault)?;
        let mut how = IngestExternalFileOptions::default();
        how.set_move_files(true);
        self.db.ingest_external_file_cf_opts(family, &how, vec![path]).map_err(fault)
    }

    /// Removes what has expired from a column family now.
    pub(super) fn compact(&self, name: &str) -> Result<()> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let family = self.family(name)?;
        self.db.compact_range_cf_opt(&family, None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    /// Removes the key groups of `all` that are not in `own`.
    fn clip(&self, all: KeyGroupRange, own: KeyGroupRange) -> Result<()> {
        for state in &self.native_states {
            let Some(family) = self.db.cf_handle(&state.name) else { continue };
            let mut batch = WriteBatch::default();
            for (start, end) in [(all.start, own.start), (own.end, all.end)] {
                if start < end {
                    batch.delete_range_cf(&family, start.to_be_bytes(), end.to_be_bytes());
                }
            }
            self.write(batch)?;
        }
        Ok(())
    }

    /// Copies the own key groups from the files of another former subtask.
    fn copy(
        &mut self,
        former: &dyn FormerState,
        native: &NativeState,
        own: KeyGroupRange,
        number: usize,
    ) -> Result<()> {
        let folder = Folder::create(self.folder.0.join(format!("former-{number}")))?;
        let path = folder.0.join("db");
        fetch(former, native, &path)?;
        let (options, names) = (Options::default(), Db::list_cf(&Options::default(), &path));
        let names = names.map_err(fault)?;
        let from = Db::open_cf_for_read_only(&options, &path, &names, false).map_err(fault)?;
        for state in former.states() {
            if !self.native_states.iter().any(|known| known.name == state.name) {
                self.native_states.push(state.clone());
            }
            let Some(source) = from.cf_handle(&state.name) else { continue };
            self.create_family(&state.name)?;
            let target = self.family(&state.name)?;
            let mut range = ReadOptions::default();
            range.set_iterate_lower_bound(own.start.to_be_bytes());
            range.set_iterate_upper_bound(own.end.to_be_bytes());
            let mut batch = WriteBatch::default();
            for entry in from.iterator_cf_opt(&source, range, IteratorMode::Start) {
                let (key, value) = entry.map_err(fault)?;
                batch.put_cf(&target, key, value);
                if batch.size_in_bytes() >= BATCH_BYTES {
                    self.write(std::mem::take(&mut batch))?;
                }
            }
            self.write(batch)?;
        }
        Ok(())
    }
}

type Source<'r> = (&'r Arc<dyn FormerState>, NativeState);

/// The former subtasks with files of `own` groups; first the one with most of them.
fn native_sources(restored: &Restored, own: KeyGroupRange) -> Result<Vec<Source<'_>>> {
    let overlap =
        |n: &NativeState| n.groups.end.min(own.end).saturating_sub(n.groups.start.max(own.start));
    let mut sources = Vec::new();
    for former in restored.former() {
        let Some(native) = former.native() else { continue };
        if native.backend != BACKEND {
            return Err(Error::config(format!(
                "the state was stored in the files of the backend '{}'",
                native.backend
            ))
            .advice("restore it with that backend, or from a savepoint in canonical form"));
        }
        if overlap(&native) > 0 {
            sources.push((former, native));
        }
    }
    sources.sort_by_key(|(_, native)| std::cmp::Reverse(overlap(native)));
    Ok(sources)
}

/// Brings the files of a native snapshot to the folder `to`.
fn fetch(former: &dyn FormerState, native: &NativeState, to: &Path) -> Result<Meta> {
    let meta: Meta = postcard::from_bytes(&native.meta)?;
    std::fs::create_dir_all(to).map_err(|e| Error::from(e).at(to.display().to_string()))?;
    for (name, id, _) in &meta.files {
        // A name with a path in it could write outside of the folder.
        if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
            return Err(Error::corrupt(format!("a stored file is named '{name}'")));
        }
        former.fetch(id, &to.join(name))?;
    }
    Ok(meta)
}

fn family_options(
    backend: &RocksDbBackend,
    name: &str,
    expiries: &RefCell<BTreeMap<String, FamilyExpiry>>,
) -> Options {
    let expiry = FamilyExpiry::default();
    expiries.borrow_mut().insert(name.to_owned(), Arc::clone(&expiry));
    let mut options = backend.family_options();
    options.set_compaction_filter("millstream-ttl", move |_level, _key, value| {
        match expiry.get().is_some_and(|is_expired| is_expired(value)) {
            true => Decision::Remove,
            false => Decision::Keep,
        }
    });
    options
}
