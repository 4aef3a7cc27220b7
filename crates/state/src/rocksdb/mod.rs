//! The RocksDB backend: state on the local disk, larger than memory.
//!
//! ```text
//!   RocksDbBackend  one a process: options, block cache, write buffer manager, folder
//!     └─ Store      one database a subtask; one column family a state
//!          ├─ RocksTimers  the next timers in memory
//!          ├─ RocksBytes   bytes for operators with a cache of their own
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

mod bytes;
mod cache;
mod dirty;
mod options;
mod run;
mod snapshot;
mod store;
mod table;
mod timers;
mod trim;

use bytes::RocksBytes;
pub use options::{RocksDbOptions, TimerService};
pub use table::RocksTable;
pub use timers::RocksTimers;

use self::cache::WriteBack;
use crate::bytes::{BytesTable, IsExpired};
use crate::table::{MapRef, TableRef, TableSpec};
use crate::{OperatorSnapshot, Restored, SubtaskInfo, TimerQueue, TimerState};
use millstream_core::{Data, Error, ErrorKind, Key, Result};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType,
    LruCacheOptions, Options, WriteBufferManager,
};
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;
use trim::Trim;

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
    /// Bytes of decoded values in all tables, told from time to time.
    decoded: AtomicUsize,
    trim: Trim,
}

/// What the state of a process holds in memory now, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksDbMemory {
    /// Decoded values in the write-back caches.
    pub decoded: usize,
    /// Blocks, indexes, filters and memtables.
    pub block_cache: usize,
    /// The part of `block_cache` that is memtables.
    pub memtables: usize,
}

impl std::fmt::Debug for RocksDbBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RocksDbBackend").field(&self.shared.options).finish()
    }
}

impl RocksDbBackend {
    /// The caches of `options`; databases are opened by subtasks.
    pub fn new(options: RocksDbOptions) -> Self {
        let bytes = options.block_cache_bytes();
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(bytes);
        // Memtables are charged by the quarter of a megabyte, and a shard that has more of
        // them than it has room for is over its part of the budget: so shards are large.
        lru.set_num_shard_bits((bytes >> 24).max(1).ilog2().min(6) as i32);
        let cache = Cache::new_lru_cache_opts(&lru);
        // Writers are not stopped at the limit, because memtables of idle states may hold
        // most of it: blocks give way then, and the sum stays.
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            options.memtable_bytes(),
            false,
            cache.clone(),
        );
        let (tables, decoded) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let trim = Trim::new();
        let shared = Shared { options, cache, write_buffers, tables, decoded, trim };
        RocksDbBackend { shared: Arc::new(shared) }
    }
    /// The options.
    pub fn options(&self) -> &RocksDbOptions {
        &self.shared.options
    }
    /// What all state of this backend holds in memory now.
    pub fn memory(&self) -> RocksDbMemory {
        RocksDbMemory {
            decoded: self.shared.decoded.load(Ordering::Relaxed),
            block_cache: self.shared.cache.get_usage(),
            memtables: self.shared.write_buffers.get_usage(),
        }
    }
    fn local_dir(&self) -> PathBuf {
        self.shared.options.local_dir.clone().unwrap_or_else(std::env::temp_dir)
    }
    /// Bytes of decoded values that one table may hold now.
    fn decoded_bytes_a_table(&self) -> usize {
        let tables = self.shared.tables.load(Ordering::Relaxed).max(1);
        // The rest is for what is on its way to the database.
        self.shared.options.decoded_bytes() / 16 * 15 / tables
    }
    /// A table's share of that budget.
    fn share(&self) -> Share {
        self.shared.tables.fetch_add(1, Ordering::Relaxed);
        Share { backend: self.clone(), told_bytes: Cell::new(0) }
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
        set.set_skip_stats_update_on_db_open(true);
        // Buffers of compactions and flushes are not in the budget, so they are small.
        set.set_compaction_readahead_size(256 << 10);
        set.set_writable_file_max_buffer_size(256 << 10);
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
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        if options.use_bloom_filter {
            blocks.set_bloom_filter(options.bloom_bits_per_key, false);
            blocks.set_optimize_filters_for_memory(true);
        }
        if options.partition_index_filters {
            blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            blocks.set_partition_filters(options.use_bloom_filter);
            blocks.set_pin_top_level_index_and_filter(true);
        }
        set.set_block_based_table_factory(&blocks);
        let write_buffer = options.write_buffer();
        set.set_write_buffer_size(write_buffer);
        set.set_arena_block_size((write_buffer / 64).clamp(4 << 10, 256 << 10));
        set.set_max_write_buffer_number(options.write_buffer_count);
        if options.use_bloom_filter {
            // Most keys that are read are not in the memtable; this says so without a search.
            set.set_memtable_prefix_bloom_ratio(0.02);
            set.set_memtable_whole_key_filtering(true);
        }
        set.set_target_file_size_base(options.target_file());
        set.set_max_bytes_for_level_base(options.level_base());
        set.set_level_compaction_dynamic_level_bytes(true);
        set.set_compression_type(match options.compression {
            true => DBCompressionType::Lz4,
            false => DBCompressionType::None,
        });
        set
    }
}

/// All workers write to the number of decoded bytes: not more often than for so many.
const TOLD_BYTES: usize = 64 << 10;

/// One table's share of the budget of decoded values, for as long as there is the table.
struct Share {
    backend: RocksDbBackend,
    /// What the process was told that the table holds.
    told_bytes: Cell<usize>,
}

impl Share {
    /// Bytes that it may hold now.
    fn bytes(&self) -> usize {
        self.backend.decoded_bytes_a_table()
    }
    /// Tells the process how many bytes it holds, when that has changed by much.
    #[inline]
    fn tell(&self, bytes: usize) {
        if bytes == 0 || bytes.abs_diff(self.told_bytes.get()) >= TOLD_BYTES {
            let decoded = &self.backend.shared.decoded;
            decoded.fetch_add(bytes, Ordering::Relaxed);
            decoded.fetch_sub(self.told_bytes.replace(bytes), Ordering::Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.backend.shared.tables.fetch_sub(1, Ordering::Relaxed);
        self.tell(0);
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
        cache: fn(bool) -> WriteBack<K, N, V>,
    ) -> Result<Rc<RocksTable<K, N, V>>> {
        let cache = cache(!self.restored.is_some());
        let table = RocksTable::open(&self.store, &self.restored, &self.subtask, spec, cache)?;
        let table = Rc::new(table);
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(table)
    }
    pub(crate) fn table<K: Key, N: Key, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<TableRef<K, N, V>> {
        Ok(TableRef::RocksDb(self.open_table(spec, WriteBack::new)?))
    }
    pub(crate) fn map<K: Key, N: Key + Ord, V: Data>(
        &mut self,
        spec: TableSpec<V>,
    ) -> Result<MapRef<K, N, V>> {
        Ok(MapRef::RocksDb(self.open_table(spec, WriteBack::by_key)?))
    }
    pub(crate) fn bytes(
        &mut self,
        name: &str,
        is_expired: Option<IsExpired>,
    ) -> Result<Rc<dyn BytesTable>> {
        let table = RocksBytes::open(&self.store, &self.restored, &self.subtask, name, is_expired)?;
        let table = Rc::new(table);
        self.tables.push(Rc::clone(&table) as Rc<dyn AnyTable>);
        Ok(table)
    }
    pub(crate) fn timers<K: Key, N: Key>(&mut self, name: &str) -> Result<TimerState<K, N>> {
        if self.store.backend.shared.options.timers == TimerService::RocksDb {
            let timers = RocksTimers::open(&self.store, &self.restored, &self.subtask, name)?;
            self.tables.push(timers.table());
            return Ok(TimerState::RocksDb(timers));
        }
        let mut queue = TimerQueue::default();
        queue.restore(name, &self.restored, &self.subtask)?;
        // Another attempt may have had them in the database.
        if self.store.is_restored(name) {
            timers::read_all(&self.store, name, |time, key, namespace| {
                queue.register(time, key, namespace);
            })?;
            self.store.drop_family(name)?;
        }
        Ok(TimerState::Heap(queue))
    }
    pub(crate) fn compact(&self) -> Result<()> {
        self.tables.iter().try_for_each(|table| table.compact())
    }
    pub(crate) fn snapshot(&self, into: &mut OperatorSnapshot) -> Result<()> {
        for table in &self.tables {
            into.describe(table.description().clone());
        }
        if into.is_dropped() {
            return Ok(());
        }
        self.tables.iter().try_for_each(|table| table.flush())?;
        let states = self.tables.iter().map(|table| {
            let description = table.description();
            (description.name.clone(), description.kind)
        });
        self.store.snapshot(states.collect(), self.subtask.key_groups(), into)
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
