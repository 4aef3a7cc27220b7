//! Which subtask owns a key.
//!
//! ```text
//!   key --stable hash--> u64 --fold--> key group (0..max parallelism)
//!       --contiguous ranges--> subtask (0..parallelism)
//! ```
//!
//! Invariant: the key group of a key depends on the key and on the max
//! parallelism alone, not on the process, the machine or the parallelism; state
//! is stored by key group, so a job can be rescaled without reading every key.
//! The ranges are Flink's (`KeyGroupRangeAssignment`): subtask `i` of `p` owns
//! the groups `g` with `g * p / max == i`.
//!
//! The hash is ours and documented, because stored state depends on it: every
//! word that the key's [`Hash`] writes (little-endian, padded with zeros) is
//! folded as `h = (rotl(h, 26) ^ word) * 0x9E37_79B9_7F4A_7C15`, and the result
//! is finished with murmur3's 64-bit finalizer.

use std::hash::{Hash, Hasher};
use std::ops::Range;

/// Max parallelism (the number of key groups) of a job that does not set one.
pub const DEFAULT_MAX_PARALLELISM: usize = 128;

/// Index of a key group, `0..max_parallelism` (at most 32768, as in Flink).
pub type KeyGroup = u16;

/// The key groups that one subtask owns.
///
/// ```
/// use millstream_core::KeyGroupRange;
/// // 128 groups over 3 subtasks, contiguous and complete:
/// let all: Vec<_> = (0..3).flat_map(|i| KeyGroupRange::of_subtask(128, 3, i).iter()).collect();
/// assert_eq!(all, (0..128).collect::<Vec<_>>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGroupRange {
    /// First group owned.
    pub start: KeyGroup,
    /// One past the last group owned.
    pub end: KeyGroup,
}

impl KeyGroupRange {
    /// The groups of subtask `index` of `parallelism`.
    pub fn of_subtask(max_parallelism: usize, parallelism: usize, index: usize) -> Self {
        let edge = |i: usize| (i * max_parallelism).div_ceil(parallelism) as KeyGroup;
        KeyGroupRange { start: edge(index), end: edge(index + 1) }
    }
    /// Whether `group` is owned.
    pub fn contains(self, group: KeyGroup) -> bool {
        (self.start..self.end).contains(&group)
    }
    /// The owned groups in order.
    pub fn iter(self) -> Range<KeyGroup> {
        self.start..self.end
    }
}

/// The subtask that owns `group`.
#[inline]
pub fn subtask_of(group: KeyGroup, max_parallelism: usize, parallelism: usize) -> usize {
    group as usize * parallelism / max_parallelism
}

/// The key group of `key`.
///
/// ```
/// use millstream_core::key_group_of;
/// assert_eq!(key_group_of(&"user-1", 128), key_group_of(&String::from("user-1"), 128));
/// assert!(key_group_of(&42u64, 128) < 128);
/// ```
#[inline]
pub fn key_group_of<K: Hash + ?Sized>(key: &K, max_parallelism: usize) -> KeyGroup {
    key_group_of_hash(stable_hash(key), max_parallelism)
}

/// The key group of a key with this [stable hash](stable_hash).
#[inline]
pub fn key_group_of_hash(hash: u64, max_parallelism: usize) -> KeyGroup {
    // The high half picks the group, so that tables hashed by the low half of the
    // same function would still spread within a group.
    (((hash >> 32) * max_parallelism as u64) >> 32) as KeyGroup
}

/// The documented 64-bit hash of a key.
#[inline]
pub fn stable_hash<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = StableHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// See the module's documentation for the function that it computes.
#[derive(Clone, Copy, Debug, Default)]
pub struct StableHasher(u64);

impl StableHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for StableHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }
    #[inline]
    fn write_u8(&mut self, i: u8) {
        self.word(u64::from(i));
    }
    #[inline]
    fn write_u16(&mut self, i: u16) {
        self.word(u64::from(i));
    }
    #[inline]
    fn write_u32(&mut self, i: u32) {
        self.word(u64::from(i));
    }
    #[inline]
    fn write_u64(&mut self, i: u64) {
        self.word(i);
    }
    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.word(i as u64);
    }
    // Signed writes forward to these in std, with the same width.
    #[inline]
    fn finish(&self) -> u64 {
        let mut h = self.0;
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stored state depends on these values: a change here breaks savepoints.
    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(stable_hash(&0u64), stable_hash(&0u32));
        assert_eq!(
            [key_group_of(&1u64, 128), key_group_of("user-1", 128), key_group_of(&-7i64, 128)],
            PINNED
        );
    }
    const PINNED: [KeyGroup; 3] = [78, 104, 20];

    #[test]
    fn small_integers_spread() {
        let mut hits = [0usize; 128];
        for key in 0u64..12_800 {
            hits[key_group_of(&key, 128) as usize] += 1;
        }
        assert!(hits.iter().all(|&n| (50..200).contains(&n)), "{hits:?}");
    }

    proptest! {
        #[test]
        fn every_group_has_the_subtask_whose_range_contains_it(
            max in 1usize..1000, parallelism in 1usize..64, pick in 0usize..1000
        ) {
            prop_assume!(parallelism <= max);
            let group = (pick % max) as KeyGroup;
            let owner = subtask_of(group, max, parallelism);
            for i in 0..parallelism {
                let owns = KeyGroupRange::of_subtask(max, parallelism, i).contains(group);
                prop_assert_eq!(owns, i == owner);
            }
        }
    }
}
