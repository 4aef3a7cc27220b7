//! Options of the RocksDB backend, by Flink's names where they mean the same.
//!
//! ```text
//!   fixed-per-tm = B, the budget of all RocksDB state in this process
//!     ├─ write-back-cache-ratio * B   decoded values of hot keys (Millstream's own)
//!     └─ the rest                     block cache; memtables are charged to it, up to
//!                                     write-buffer-ratio of the rest
//! ```

use millstream_core::{Error, Result, nearest::distance};
use std::path::PathBuf;

/// What the options' names start with.
const PREFIX: &str = "state.backend.rocksdb.";

/// How RocksDB keeps state. The defaults suit a process with a few workers.
#[derive(Clone, Debug, PartialEq)]
pub struct RocksDbOptions {
    /// `localdir`: where databases live while the job runs; the system's temporary folder
    /// when not set. Put it on a fast local disk.
    pub local_dir: Option<PathBuf>,
    /// `memory.fixed-per-tm`: the budget in bytes of all databases of this process.
    pub memory_bytes: usize,
    /// `memory.write-buffer-ratio`: the part of the budget for memtables.
    pub write_buffer_ratio: f64,
    /// `memory.write-back-cache-ratio`: the part of the budget for decoded values.
    pub write_back_cache_ratio: f64,
    /// `writebuffer.size`: bytes of one memtable.
    pub write_buffer_bytes: usize,
    /// `writebuffer.count`: memtables of one state at most.
    pub write_buffer_count: i32,
    /// `block.blocksize`: bytes of a data block.
    pub block_bytes: usize,
    /// `thread.num`: background threads for flushes and compactions, of a database.
    pub thread_count: i32,
    /// `files.open`: files kept open by a database; -1 for all.
    pub open_files: i32,
    /// `use-bloom-filter`: whether files have a filter of their keys.
    pub use_bloom_filter: bool,
    /// `bloom-filter.bits-per-key`.
    pub bloom_bits_per_key: f64,
    /// `compaction.level.target-file-size-base` in bytes.
    pub target_file_bytes: u64,
    /// `compaction.level.max-size-level-base` in bytes.
    pub level_base_bytes: u64,
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
            write_buffer_bytes: 32 << 20,
            write_buffer_count: 2,
            block_bytes: 4 << 10,
            thread_count: 2,
            open_files: -1,
            use_bloom_filter: true,
            bloom_bits_per_key: 10.0,
            target_file_bytes: 64 << 20,
            level_base_bytes: 256 << 20,
            compression: true,
        }
    }
}

type Set = fn(&mut RocksDbOptions, &str) -> Result<(), String>;

/// Every option: its name after `PREFIX`, and how it is set.
const OPTIONS: [(&str, Set); 14] = [
    ("localdir", |o, v| put(&mut o.local_dir, Ok(Some(PathBuf::from(v))))),
    ("memory.fixed-per-tm", |o, v| put(&mut o.memory_bytes, size(v, 8 << 20))),
    ("memory.write-buffer-ratio", |o, v| put(&mut o.write_buffer_ratio, ratio(v))),
    ("memory.write-back-cache-ratio", |o, v| put(&mut o.write_back_cache_ratio, ratio(v))),
    ("writebuffer.size", |o, v| put(&mut o.write_buffer_bytes, size(v, 64 << 10))),
    ("writebuffer.count", |o, v| put(&mut o.write_buffer_count, number(v, 1))),
    ("block.blocksize", |o, v| put(&mut o.block_bytes, size(v, 512))),
    ("thread.num", |o, v| put(&mut o.thread_count, number(v, 1))),
    ("files.open", |o, v| put(&mut o.open_files, number(v, -1))),
    ("use-bloom-filter", |o, v| put(&mut o.use_bloom_filter, truth(v))),
    ("bloom-filter.bits-per-key", |o, v| {
        put(&mut o.bloom_bits_per_key, number(v, 1).map(f64::from))
    }),
    ("compaction.level.target-file-size-base", |o, v| {
        put(&mut o.target_file_bytes, size(v, 1 << 20).map(|bytes| bytes as u64))
    }),
    ("compaction.level.max-size-level-base", |o, v| {
        put(&mut o.level_base_bytes, size(v, 1 << 20).map(|bytes| bytes as u64))
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
        for (name, value) in set {
            let short = name.strip_prefix(PREFIX).unwrap_or(name);
            let Some((_, apply)) = OPTIONS.iter().find(|(known, _)| *known == short) else {
                let nearest = OPTIONS
                    .iter()
                    .map(|(known, _)| *known)
                    .min_by_key(|known| distance(known, short));
                let nearest = nearest.unwrap_or_default();
                return Err(Error::config(format!("there is no option '{name}'"))
                    .advice(format!("did you mean '{PREFIX}{nearest}'?")));
            };
            apply(&mut options, value.trim()).map_err(|why| {
                Error::config(format!("option '{name}': '{value}' {why}"))
                    .advice("sizes look like 64mb, ratios like 0.5")
            })?;
        }
        Ok(options)
    }
    /// Bytes of decoded values in the write-back caches.
    pub(super) fn decoded_bytes(&self) -> usize {
        (self.memory_bytes as f64 * self.write_back_cache_ratio) as usize
    }
    /// Bytes of blocks and memtables.
    pub(super) fn block_cache_bytes(&self) -> usize {
        self.memory_bytes.saturating_sub(self.decoded_bytes())
    }
    /// Bytes of memtables, charged to the block cache.
    pub(super) fn memtable_bytes(&self) -> usize {
        (self.block_cache_bytes() as f64 * self.write_buffer_ratio) as usize
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
        assert_eq!(options.decoded_bytes() + options.block_cache_bytes(), options.memory_bytes);
        assert!(options.memtable_bytes() < options.block_cache_bytes());
    }
}
