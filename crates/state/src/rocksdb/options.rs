//! Options of the RocksDB backend, by Flink's names where they mean the same.
//!
//! ```text
//!   fixed-per-tm: what the process grows by for all its RocksDB state
//!     ├─ an eighth, and 8 MB (at most another eighth)   what nobody counts: buffers of flushes
//!     │              and compactions, open files, free memory that the allocator keeps
//!     │              between what is in use
//!     └─ B, the rest
//!          ├─ write-back-cache-ratio * B   decoded values of hot keys (Millstream's own), and
//!          │                               values on their way to the database
//!          └─ the rest                     block cache, with indexes and filters; memtables are
//!                                          charged to it, up to write-buffer-ratio of the rest
//! ```
//!
//! Sizes of memtables, files and levels follow from the budget unless they are set: with a
//! memtable of a few megabytes, levels and files made for large ones would be rewritten
//! as a whole again and again.

use millstream_core::nearest::nearest;
use millstream_core::{Error, Result};
use std::path::PathBuf;

/// What the options' names start with.
const PREFIX: &str = "state.backend.rocksdb.";

/// Where timers are when state is in RocksDB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerService {
    /// In memory: faster while they are few; all of them are written at every checkpoint.
    Heap,
    /// In the database, with the next ones in memory.
    #[default]
    RocksDb,
}

/// How RocksDB keeps state. The defaults suit a process with a few workers.
#[derive(Clone, Debug, PartialEq)]
pub struct RocksDbOptions {
    /// `localdir`: where databases live while the job runs; the system's temporary folder
    /// when not set. Put it on a fast local disk.
    pub local_dir: Option<PathBuf>,
    /// `memory.fixed-per-tm`: the budget in bytes of all databases of this process. An eighth
    /// of it, and 8 MB, are for what is not counted.
    pub memory_bytes: usize,
    /// `memory.write-buffer-ratio`: the part for memtables of what is not decoded values.
    pub write_buffer_ratio: f64,
    /// `memory.write-back-cache-ratio`: the part of the rest for decoded values.
    pub write_back_cache_ratio: f64,
    /// `writebuffer.size`: bytes of one memtable; from the budget when not set.
    pub write_buffer_bytes: Option<usize>,
    /// `writebuffer.count`: memtables of one state at most.
    pub write_buffer_count: i32,
    /// `block.blocksize`: bytes of a data block.
    pub block_bytes: usize,
    /// `thread.num`: background threads for flushes and compactions, of a database.
    pub thread_count: i32,
    /// `timer-service.factory`: where timers are.
    pub timers: TimerService,
    /// `files.open`: files kept open by a database; -1 for all.
    pub open_files: i32,
    /// `use-bloom-filter`: whether files have a filter of their keys.
    pub use_bloom_filter: bool,
    /// `bloom-filter.bits-per-key`.
    pub bloom_bits_per_key: f64,
    /// `memory.partitioned-index-filters`: whether indexes and filters are in blocks of
    /// their own, so that only those in use are in memory.
    pub partition_index_filters: bool,
    /// `compaction.level.target-file-size-base` in bytes; from the budget when not set.
    pub target_file_bytes: Option<u64>,
    /// `compaction.level.max-size-level-base` in bytes; from the budget when not set.
    pub level_base_bytes: Option<u64>,
    /// `compression`: `LZ4_COMPRESSION` (true) or `NO_COMPRESSION`.
    pub compression: bool,
}

impl Default for RocksDbOptions {
    fn default() -> Self {
        RocksDbOptions {
            local_dir: None,
            memory_bytes: 512 << 20,
            write_buffer_ratio: 0.4,
            write_back_cache_ratio: 0.6,
            write_buffer_bytes: None,
            write_buffer_count: 2,
            block_bytes: 4 << 10,
            thread_count: 2,
            timers: TimerService::default(),
            open_files: -1,
            use_bloom_filter: true,
            bloom_bits_per_key: 10.0,
            partition_index_filters: true,
            target_file_bytes: None,
            level_base_bytes: None,
            compression: true,
        }
    }
}

type Set = fn(&mut RocksDbOptions, &str) -> Result<(), String>;

/// Every option: its name after `PREFIX`, and how it is set.
const OPTIONS: [(&str, Set); 16] = [
    ("localdir", |o, v| put(&mut o.local_dir, Ok(Some(PathBuf::from(v))))),
    ("memory.fixed-per-tm", |o, v| put(&mut o.memory_bytes, size(v, 8 << 20))),
    ("memory.write-buffer-ratio", |o, v| put(&mut o.write_buffer_ratio, ratio(v))),
    ("memory.partitioned-index-filters", |o, v| put(&mut o.partition_index_filters, truth(v))),
    ("memory.write-back-cache-ratio", |o, v| put(&mut o.write_back_cache_ratio, ratio(v))),
    ("writebuffer.size", |o, v| put(&mut o.write_buffer_bytes, size(v, 64 << 10).map(Some))),
    ("writebuffer.count", |o, v| put(&mut o.write_buffer_count, number(v, 1))),
    ("block.blocksize", |o, v| put(&mut o.block_bytes, size(v, 512))),
    ("thread.num", |o, v| put(&mut o.thread_count, number(v, 1))),
    ("timer-service.factory", |o, v| {
        let timers = match v.to_ascii_uppercase().as_str() {
            "HEAP" => Ok(TimerService::Heap),
            "ROCKSDB" => Ok(TimerService::RocksDb),
            _ => Err("is not HEAP or ROCKSDB".into()),
        };
        put(&mut o.timers, timers)
    }),
    ("files.open", |o, v| put(&mut o.open_files, number(v, -1))),
    ("use-bloom-filter", |o, v| put(&mut o.use_bloom_filter, truth(v))),
    ("bloom-filter.bits-per-key", |o, v| {
        put(&mut o.bloom_bits_per_key, number(v, 1).map(f64::from))
    }),
    ("compaction.level.target-file-size-base", |o, v| {
        put(&mut o.target_file_bytes, size(v, 1 << 20).map(|bytes| Some(bytes as u64)))
    }),
    ("compaction.level.max-size-level-base", |o, v| {
        put(&mut o.level_base_bytes, size(v, 1 << 20).map(|bytes| Some(bytes as u64)))
    }),
    ("compression", |o, v| {
        let compression = match v {
            "LZ4_COMPRESSION" => Ok(true),
            "NO_COMPRESSION" => Ok(false),
            _ => Err("is not LZ4_COMPRESSION or NO_COMPRESSION".into()),
        };
        put(&mut o.compression, compression)
    }),
];

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

impl RocksDbOptions {
    /// Options from names and values; others keep their defaults.
    ///
    /// ```
    /// use millstream_state::RocksDbOptions;
    /// let set = [("state.backend.rocksdb.memory.fixed-per-tm", "1gb")];
    /// assert_eq!(RocksDbOptions::from_key_values(set)?.memory_bytes, 1 << 30);
    /// let wrong = [("state.backend.rocksdb.writebufer.size", "1mb")];
    /// let error = RocksDbOptions::from_key_values(wrong).unwrap_err().to_string();
    /// assert!(error.contains("did you mean 'state.backend.rocksdb.writebuffer.size'"));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config` for an unknown name (with the nearest known one) and for a wrong value.
    pub fn from_key_values<'a>(
        set: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<RocksDbOptions> {
        let mut options = RocksDbOptions::default();
        set.into_iter().try_for_each(|(name, value)| options.set(name, value))?;
        Ok(options)
    }
    /// Sets one option by name.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let short = name.strip_prefix(PREFIX).unwrap_or(name);
        let Some((_, apply)) = OPTIONS.iter().find(|(known, _)| *known == short) else {
            let error = Error::config(format!("there is no option '{name}'"));
            return Err(match nearest(short, OPTIONS.iter().map(|(known, _)| *known)) {
                Some(near) => error.advice(format!("did you mean '{PREFIX}{near}'?")),
                None => error.advice("see docs/state.md for the options"),
            });
        };
        apply(self, value.trim()).map_err(|why| {
            Error::config(format!("option '{name}': '{value}' {why}"))
                .advice("sizes look like 64mb, ratios like 0.5")
        })
    }
    /// Bytes of all that is counted.
    fn counted_bytes(&self) -> usize {
        let eighth = self.memory_bytes / 8;
        self.memory_bytes - eighth - eighth.min(8 << 20)
    }
    /// Bytes of decoded values in the write-back caches.
    pub(super) fn decoded_bytes(&self) -> usize {
        (self.counted_bytes() as f64 * self.write_back_cache_ratio) as usize
    }
    /// Bytes of blocks and memtables.
    pub(super) fn block_cache_bytes(&self) -> usize {
        self.counted_bytes().saturating_sub(self.decoded_bytes())
    }
    /// Bytes of memtables, charged to the block cache.
    pub(super) fn memtable_bytes(&self) -> usize {
        (self.block_cache_bytes() as f64 * self.write_buffer_ratio) as usize
    }
    /// Bytes of values that one subtask may have on the way from cache to database; they are
    /// part of the [decoded bytes](Self::decoded_bytes).
    pub(super) fn run_bytes(&self) -> usize {
        (self.decoded_bytes() / 32).clamp(64 << 10, 4 << 20)
    }
    /// Bytes of values that a subtask gathers while it restores, when the cache is empty.
    pub(super) fn restore_bytes(&self) -> usize {
        (self.decoded_bytes() / 8).clamp(1 << 20, 32 << 20)
    }
    /// Bytes of one memtable.
    pub(super) fn write_buffer(&self) -> usize {
        self.write_buffer_bytes
            .unwrap_or_else(|| (self.memtable_bytes() / 2).clamp(256 << 10, 64 << 20))
    }
    /// Bytes of one file.
    pub(super) fn target_file(&self) -> u64 {
        self.target_file_bytes
            .unwrap_or_else(|| (self.write_buffer() as u64).clamp(2 << 20, 64 << 20))
    }
    /// Bytes of the first level below the files that were memtables: as much as those are,
    /// when they are merged into it.
    pub(super) fn level_base(&self) -> u64 {
        self.level_base_bytes
            .unwrap_or_else(|| (self.write_buffer() as u64 * 4).clamp(8 << 20, 256 << 20))
    }
}

fn size(text: &str, least: usize) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let shift = match lower[digits..].trim() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        _ => return Err("is not a size".into()),
    };
    let number: usize = lower[..digits].parse().map_err(|_| "is not a size".to_owned())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(|| "is too large".to_owned())?;
    if bytes < least { Err(format!("is less than {least} bytes")) } else { Ok(bytes) }
}

fn number(text: &str, least: i32) -> Result<i32, String> {
    let number: i32 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if number < least { Err(format!("is less than {least}")) } else { Ok(number) }
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0..1.0).contains(&ratio) { Ok(ratio) } else { Err("is not in 0.0..1.0".into()) }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "is not true or false".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (name, value) in [
            ("memory.fixed-per-tm", "1kb"),
            ("memory.fixed-per-tm", "lots"),
            ("memory.write-buffer-ratio", "1.5"),
            ("thread.num", "0"),
            ("timer-service.factory", "disk"),
            ("use-bloom-filter", "yes"),
            ("compression", "ZIP"),
            ("writebuffer.size", "99999999999gb"),
        ] {
            let error = RocksDbOptions::from_key_values([(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_parts_of_the_budget_add_up() {
        let options = RocksDbOptions::default();
        let counted = options.decoded_bytes() + options.block_cache_bytes();
        assert_eq!(counted, options.memory_bytes / 8 * 7 - (8 << 20));
        assert!(options.memtable_bytes() < options.block_cache_bytes());
    }
}
