//! Snapshots of a database: a folder of hard links, written elsewhere and later.
//!
//! Invariant: an SST file's id names its content for ever. The database that made the file
//! has a random name, and never uses a file number twice; a restored file keeps the id that
//! it was stored under.

use super::fault;
use super::store::{BACKEND, Db, Folder, Meta, Store};
use super::timers::put_canonical;
use crate::{
    DeferredSnapshot, NativeState, OperatorSnapshot, SnapshotKind, SnapshotWriter, StateKind,
};
use millstream_core::{Error, KeyGroupRange, Result};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{Options, ReadOptions};
use std::collections::BTreeMap;

/// Entries of a key group are handed to the writer in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;
/// Read ahead while all entries are read in order.
const READAHEAD_BYTES: usize = 1 << 20;

impl Store {
    /// Adds the database as it is now to a snapshot. Nothing may be dirty.
    pub(super) fn snapshot(
        &self,
        states: Vec<(String, StateKind)>,
        groups: KeyGroupRange,
        into: &mut OperatorSnapshot,
    ) -> Result<()> {
        let number = self.snapshots.get() + 1;
        self.snapshots.set(number);
        // Beside the database's own folder, because the upload may outlive the database.
        let prefix = format!("{}-{number}", self.instance);
        let folder = self.backend.local_dir().join(format!("millstream-snapshot-{prefix}"));
        let folder = Folder::create(folder)?;
        let checkpoint = Checkpoint::new(&self.db).map_err(fault)?;
        checkpoint.create_checkpoint(folder.0.join("db")).map_err(fault)?;
        into.defer(Box::new(RocksPart {
            folder,
            kind: into.kind(),
            instance: self.instance.clone(),
            prefix,
            known: self.known.clone(),
            states,
            groups,
        }));
        Ok(())
    }
}

/// A database at a cut.
struct RocksPart {
    folder: Folder,
    kind: SnapshotKind,
    instance: String,
    prefix: String,
    known: BTreeMap<String, String>,
    states: Vec<(String, StateKind)>,
    groups: KeyGroupRange,
}

impl DeferredSnapshot for RocksPart {
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()> {
        match self.kind {
            SnapshotKind::CanonicalSavepoint => self.write_entries(out),
            SnapshotKind::Checkpoint | SnapshotKind::NativeSavepoint => self.write_files(out),
        }
    }
}

impl RocksPart {
    fn write_files(&self, out: &mut dyn SnapshotWriter) -> Result<()> {
        let path = self.folder.0.join("db");
        let place = |e: std::io::Error| Error::from(e).at(path.display().to_string());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(place)? {
            let entry = entry.map_err(place)?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::bug("a file of RocksDB has a name that is not text"));
            };
            let is_sst = name.ends_with(".sst");
            let id = match self.known.get(&name) {
                Some(known) if is_sst => known.clone(),
                _ if is_sst => format!("{}-{name}", self.instance),
                _ => format!("{}-{name}", self.prefix),
            };
            // A savepoint is complete in itself; files of checkpoints are shared.
            let shared = is_sst && self.kind == SnapshotKind::Checkpoint;
            out.file(&id, &entry.path(), shared)?;
            files.push((name, id, is_sst));
        }
        files.sort_unstable();
        let ids = files.iter().map(|(_, id, _)| id.clone()).collect();
        let meta = postcard::to_stdvec(&Meta { files })?;
        let backend = BACKEND.to_owned();
        out.native(&NativeState { backend, meta, groups: self.groups, files: ids })
    }

    fn write_entries(&self, out: &mut dyn SnapshotWriter) -> Result<()> {
        let (options, path) = (Options::default(), self.folder.0.join("db"));
        let names = Db::list_cf(&options, &path).map_err(fault)?;
        let db = Db::open_cf_for_read_only(&options, &path, &names, false).map_err(fault)?;
        for (state, kind) in &self.states {
            let Some(family) = db.cf_handle(state) else { continue };
            let (mut group, mut piece) = (self.groups.start, Vec::new());
            let mut reading = ReadOptions::default();
            reading.fill_cache(false);
            reading.set_readahead_size(READAHEAD_BYTES);
            let mut entries = db.raw_iterator_cf_opt(&family, reading);
            entries.seek_to_first();
            while let Some((key, value)) = entries.item() {
                let Some((head, key)) = key.split_first_chunk::<2>() else {
                    return Err(Error::corrupt("RocksDB holds a key without its key group"));
                };
                let of = u16::from_be_bytes(*head);
                if (of != group || piece.len() >= PIECE_BYTES) && !piece.is_empty() {
                    out.keyed(state, group, &piece)?;
                    piece.clear();
                }
                group = of;
                if *kind == StateKind::Timers {
                    piece = put_canonical(key, value, piece)?;
                } else {
                    piece.extend_from_slice(key);
                    piece.extend_from_slice(value);
                }
                entries.next();
            }
            entries.status().map_err(fault)?;
            if !piece.is_empty() {
                out.keyed(state, group, &piece)?;
            }
        }
        Ok(())
    }
}
