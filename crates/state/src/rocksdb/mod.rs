//! The RocksDB backend: state on the local disk, larger than memory.
//!
//! ```text
//!   RocksDbBackend  one a process: options, block cache, write buffer manager, folder
//!     └─ Store      one database a subtask; one column family a state
//!          └─ RocksTable   write-back cache of decoded values  ──miss──> get / multi_get
//!                                                              ──barrier, full──> write batch
//!   key on disk = key group (2 bytes, big endian) + postcard of key + postcard of namespace
//! ```
//!
//! Key groups are ranges, so that rescaling copies ranges, and the entries of one key are
//! neighbours. There is no write-ahead log: what a crash loses, the last checkpoint has.
//!
//! A snapshot flushes the caches and takes a RocksDB checkpoint, a folder of hard links.
//! The uploader writes its files (native form; SST files are shared between checkpoints by
//! an id that is unique for their content) or reads its entries (canonical form).
//!
//! Invariant: at a barrier nothing is dirty; errors of the disk are errors, never panics.

mod cache;
mod options;
mod snapshot;
mod store;
mod table;

pub use options::RocksDbOptions;
pub use table::RocksTable;

use crate::table::{MapRef, TableRef, TableSpec};
use crate::{OperatorSnapshot, Restored, SubtaskInfo};
use millstream_core::{Data, Error, ErrorKind, Key, Result};
use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;

/// What all databases of a process share: the budget of memory, and the folder.
#[derive(Clone)]
pub struct RocksDbBackend {
    shared: Arc<Shared>,
}

struct Shared {
    options: RocksDbOptions,
    cache: Cache,
    write_buffers: WriteBufferManager,
    /// Tables that divide the budget of decoded values among them.
    tables: AtomicUsize,
}

impl std::fmt::Debug for RocksDbBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksDbBackend").field(&self.shared.options).finish()
    }
}

impl RocksDbBackend {
    /// The caches of `options`; databases are opened by subtasks.
    pub fn new(options: RocksDbOptions) -> Self {
        let cache = Cache::new_lru_cache(options.block_cache_bytes());
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            options.memtable_bytes(),
            false,
            cache.clone(),
        );
        let tables = AtomicUsize::new(0);
        RocksDbBackend { shared: Arc::new(Shared { options, cache, write_buffers, tables }) }
    }
    fn local_dir(&self) -> PathBuf {
        self.shared.options.local_dir.clone().unwrap_or_else(std::env::temp_dir)
    }
    /// Bytes of decoded values that one table may hold now.
    fn decoded_bytes_a_table(&self) -> usize {
        let tables = self.shared.tables.load(Ordering::Relaxed).max(1);
        self.shared.options.decoded_bytes() / tables
    }
    fn database_options(&self) -> Options {
        let (mut set, options) = (Options::default(), &self.shared.options);
        set.create_if_missing(true);
        set.create_missing_column_families(true);
        set.set_max_background_jobs(options.thread_count);
        set.set_max_open_files(options.open_files);
        set.set_write_buffer_manager(&self.shared.write_buffers);
        set.set_keep_log_file_num(1);
        set.set_max_log_file_size(1 << 20);
        set.set_stats_dump_period_sec(0);
        set
    }
    fn family_options(&self) -> Options {
        let (mut set, options) = (Options::default(), &self.shared.options);
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.shared.cache);
        blocks.set_block_size(options.block_bytes);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        blocks.set_format_version(5);
        if options.use_bloom_filter {
            blocks.set_bloom_filter(options.bloom_bits_per_key, false);
        }
        set.set_block_based_table_factory(&blocks);
        set.set_write_buffer_size(options.write_buffer_bytes);
        set.set_max_write_buffer_number(options.write_buffer_count);
        set.set_target_file_size_base(options.target_file_bytes);
        set.set_max_bytes_for_level_base(options.level_base_bytes);
        set.set_level_compaction_dynamic_level_bytes(true);
        set.set_compression_type(match options.compression {
            true => DBCompressionType::Lz4,
            false => DBCompressionType::None,
        });
        set
    }
}

/// The database of one operator subtask.
pub(crate) struct RocksStates {
    store: Rc<Store>,
    restored: Restored,
    subtask: SubtaskInfo,
    tables: Vec<Rc<dyn AnyTable>>,
}

/// A table without its types.
trait AnyTable {
    fn flush(&self) -> Result<()>;
    fn compact(&self) -> Result<()>;
    fn description(&self) -> &crate::StateDescription;
}

impl RocksStates {
    pub(crate) fn open(
        backend: &RocksDbBackend,
        restored: Restored,
        subtask: SubtaskInfo,
    ) -> Result<Self> {
        let store = Rc::new(Store::open(backend.clone(), &restored, &subtask)?);
        Ok(RocksStates { store, restored, subtask, tables: Vec::new() })
    }
    fn open_table<K: Key, N: Key, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<Rc<RocksTable<K, N, V>>> {
        let table = RocksTable::open(&self.store, &self.restored, &self.subtask, spec)?;
        let table = Rc::new(table);
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(table)
    }
    pub(crate) fn table<K: Key, N: Key, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<TableRef<K, N, V>> {
        Ok(TableRef::RocksDb(self.open_table(spec)?))
    }
    pub(crate) fn map<K: Key, N: Key + Ord, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<MapRef<K, N, V>> {
        Ok(MapRef::RocksDb(self.open_table(spec)?))
    }
    pub(crate) fn compact(&self) -> Result<()> {
        self.tables.iter().try_for_each(|table| table.compact())
    }
    pub(crate) fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        for table in &self.tables {
            table.flush()?;
            into.describe(table.description().clone());
        }
        let names = self.tables.iter().map(|table| table.description().name.clone()).collect();
        self.store.snapshot(names, self.subtask.key_groups(), into)
    }
}

/// An error of RocksDB by what to do about it.
fn fault(error: rocksdb::Error) -> Error {
    use rocksdb::ErrorKind as Kind;
    let text = error.to_string();
    match error.kind() {
        Kind::Corruption => Error::corrupt(format!("RocksDB: {text}"))
            .advice("check the local disk; the job goes on from its last checkpoint"),
        _ => Error::new(ErrorKind::Restart, format!("RocksDB: {text}"))
            .advice("check space and health of the disk of state.backend.rocksdb.localdir"),
    }
}
