//! Deals rows of a batch out to the owners of their keys.
//!
//! At the end of a chain, in front of a keyed operator. The key's bytes are those of
//! [`RowCodec`], their hash is [`hash_rows`], and the ways from hash to key group and from
//! group to subtask are core's.
//!
//! Invariant: rows of one key go to one target, in order; an update's -U and +U of one key
//! stay neighbours among the rows of that key.

use millstream_core::Result;
use millstream_core::key_group::{key_group_of_hash, subtask_of};

use super::ChangeBatch;
use super::row::{RowCodec, hash_rows};

/// Splits batches by key.
#[derive(Debug)]
pub struct KeyPartition {
    keys: Vec<usize>,
    codec: Option<RowCodec>,
    max_parallelism: usize,
    /// Key group to target.
    targets: Vec<u16>,
    count: usize,
}

impl KeyPartition {
    /// By these columns, to `targets` subtasks. Without columns everything goes to one: the
    /// owner of the empty key.
    pub fn new(keys: Vec<usize>, max_parallelism: usize, targets: usize) -> Self {
        let owners = (0..max_parallelism)
            .map(|group| subtask_of(group as u16, max_parallelism, targets) as u16)
            .collect();
        KeyPartition { keys, codec: None, max_parallelism, targets: owners, count: targets }
    }
    /// The rows for each target; an empty batch is `None`.
    ///
    /// # Errors
    /// Bug: the batch does not have the columns.
    pub fn split(&mut self, batch: ChangeBatch) -> Result<Vec<Option<ChangeBatch>>> {
        if self.count == 1 {
            return Ok(vec![Some(batch)]);
        }
        let columns = batch.columns(&self.keys)?;
        let codec = match &mut self.codec {
            Some(codec) => codec,
            none => none.insert(RowCodec::of_arrays(&columns)?),
        };
        let mut chosen: Vec<Vec<u32>> = vec![Vec::with_capacity(batch.len()); self.count];
        for (row, hash) in hash_rows(codec, &columns, batch.len())?.into_iter().enumerate() {
            let group = key_group_of_hash(hash, self.max_parallelism);
            let target = self.targets[group as usize] as usize;
            chosen[target].push(row as u32);
        }
        let take = |rows: Vec<u32>| match rows.len() {
            0 => Ok(None),
            all if all == batch.len() => Ok(Some(batch.clone())),
            _ => batch.take_rows(rows.into()).map(Some),
        };
        chosen.into_iter().map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::hash_row;
    use super::*;
    use millstream_core::key_group_of;
    use std::hash::{Hash, Hasher};

    struct Bytes<'a>(&'a [u8]);
    impl Hash for Bytes<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write(self.0);
        }
    }

    #[test]
    fn the_key_group_is_that_of_core() {
        for n in 0u64..1000 {
            let key = n.to_le_bytes();
            assert_eq!(key_group_of_hash(hash_row(&key), 128), key_group_of(&Bytes(&key), 128));
        }
    }

    /// Stored state depends on this: a change breaks savepoints.
    #[test]
    fn the_hash_of_a_key_is_pinned() {
        use arrow_array::{ArrayRef, Int64Array, StringArray};
        use std::sync::Arc;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1, -7])),
            Arc::new(StringArray::from(vec![Some("user-1"), None])),
        ];
        let rows = RowCodec::of_arrays(&columns).unwrap().encode(&columns, 2).unwrap();
        assert_eq!(rows.row(0), b"\0\x01\0\0\0\0\0\0\0\x06\0\0\0user-1");
        let codec = RowCodec::of_arrays(&columns[..1]).unwrap();
        let plain: Vec<u64> =
            codec.encode(&columns[..1], 2).unwrap().iter().map(hash_row).collect();
        assert_eq!(hash_rows(&codec, &columns[..1], 2).unwrap(), plain);
        let groups: Vec<u16> = rows.iter().map(|k| key_group_of_hash(hash_row(k), 128)).collect();
        assert_eq!(groups, PINNED);
    }
    const PINNED: [u16; 2] = [14, 6];
}
