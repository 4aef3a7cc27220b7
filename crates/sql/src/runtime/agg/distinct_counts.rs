//! COUNT(DISTINCT x) under several filters, with one table of values for all of them.
//!
//! ```text
//!   COUNT(DISTINCT x)                      x ──> 0b101: counted by the first and the third
//!   COUNT(DISTINCT x) FILTER (WHERE a)
//!   COUNT(DISTINCT x) FILTER (WHERE b)
//! ```
//! Used over +I input; rows that can go need a counter for each value ([`super::distinct`]).
//! Source: Flink shares its distinct views among calls the same way.

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray};
use arrow_schema::DataType;
use hashbrown::HashMap;
use millstream_core::Result;
use std::sync::Arc;

use crate::runtime::row::RowCodec;
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;

/// Calls that one table can serve.
pub(super) const MOST_CALLS: usize = 64;

type Seen<K> = HashMap<K, u64, foldhash::fast::RandomState>;

/// The values of one slot, with the calls that have counted them: BIGINT by itself, all
/// else as row bytes.
#[derive(Clone, Default)]
struct Values {
    integers: Seen<i64>,
    rows: Seen<Box<[u8]>>,
}

/// The states of the calls for all slots.
pub(super) struct DistinctCounts {
    codec: RowCodec,
    is_integer: bool,
    calls: usize,
    values: Vec<Option<Box<Values>>>,
    /// Of each slot the count of each call.
    counts: Vec<i64>,
}

impl DistinctCounts {
    /// Of values of these types, for so many calls.
    pub(super) fn new(types: &[SqlType], calls: usize) -> Result<Self> {
        let types: Vec<DataType> = types.iter().map(SqlType::arrow).collect();
        Ok(DistinctCounts {
            is_integer: matches!(types[..], [DataType::Int64]),
            codec: RowCodec::new(types)?,
            calls,
            values: Vec::new(),
            counts: Vec::new(),
        })
    }
    pub(super) fn grow(&mut self, slots: usize) {
        self.values.resize(slots, None);
        self.counts.resize(slots * self.calls, 0);
    }
    /// Adds `rows` of the arguments to `slots`; `wanted` says which calls count each of them.
    pub(super) fn update(
        &mut self,
        args: &[ArrayRef],
        rows: &[u32],
        slots: &[Slot],
        wanted: &[u64],
    ) -> Result<()> {
        let Some(first) = args.first() else { return Ok(()) };
        let integers = first.as_primitive_opt::<Int64Type>().filter(|_| self.is_integer);
        let encoded = match integers {
            Some(_) => None,
            None => Some(self.codec.encode(args, first.len())?),
        };
        let nulls: Vec<_> = args.iter().filter_map(|arg| arg.logical_nulls()).collect();
        for ((row, slot), wanted) in rows.iter().zip(slots).zip(wanted) {
            let (row, slot) = (*row as usize, *slot as usize);
            if *wanted == 0 || nulls.iter().any(|nulls| nulls.is_null(row)) {
                continue;
            }
            let values = self.values[slot].get_or_insert_default();
            let seen = match (integers, &encoded) {
                (Some(integers), _) => values.integers.entry(integers.value(row)).or_insert(0),
                (None, Some(encoded)) => values.rows.entry_ref(encoded.row(row)).or_insert(0),
                (None, None) => continue,
            };
            let mut new = *wanted & !*seen;
            *seen |= new;
            while new != 0 {
                self.counts[slot * self.calls + new.trailing_zeros() as usize] += 1;
                new &= new - 1;
            }
        }
        Ok(())
    }
    fn count(counts: &mut [i64], seen: &mut u64, more: u64) {
        let new = more & !*seen;
        *seen |= new;
        for (call, count) in counts.iter_mut().enumerate() {
            *count += (new >> call & 1) as i64;
        }
    }
    pub(super) fn merge(&mut self, into: Slot, from: Slot) {
        let Some(from) = self.values[from as usize].clone() else { return };
        let slot = into as usize;
        let counts = &mut self.counts[slot * self.calls..][..self.calls];
        let values = self.values[slot].get_or_insert_default();
        for (value, more) in from.integers {
            Self::count(counts, values.integers.entry(value).or_insert(0), more);
        }
        for (value, more) in from.rows {
            Self::count(counts, values.rows.entry(value).or_insert(0), more);
        }
    }
    /// The counts of one call.
    pub(super) fn results(&self, call: usize, slots: &[Slot]) -> ArrayRef {
        let count = |slot: &Slot| self.counts[*slot as usize * self.calls + call];
        Arc::new(Int64Array::from_iter_values(slots.iter().map(count)))
    }
    pub(super) fn clear(&mut self, slot: Slot) {
        self.values[slot as usize] = None;
        self.counts[slot as usize * self.calls..][..self.calls].fill(0);
    }
    /// Stores the values with their calls; the counts follow from them.
    pub(super) fn write(&self, slot: Slot, out: &mut Vec<u8>) {
        let values = self.values[slot as usize].as_deref();
        let integers = values.iter().flat_map(|v| v.integers.iter());
        let rows = values.iter().flat_map(|v| v.rows.iter());
        let count = integers.clone().count() + rows.clone().count();
        out.extend_from_slice(&(count as u32).to_le_bytes());
        for (value, seen) in integers {
            put_delimited(out, &value.to_le_bytes());
            out.extend_from_slice(&seen.to_le_bytes());
        }
        for (value, seen) in rows {
            put_delimited(out, value);
            out.extend_from_slice(&seen.to_le_bytes());
        }
    }
    /// Fills an empty slot.
    pub(super) fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let values = self.values[slot as usize].get_or_insert_default();
        let counts = &mut self.counts[slot as usize * self.calls..][..self.calls];
        for _ in 0..bytes.u32()? {
            let mut value = Reader(bytes.delimited()?);
            let more = bytes.i64()?.cast_unsigned();
            let seen = match self.is_integer {
                true => values.integers.entry(value.i64()?).or_insert(0),
                false => values.rows.entry(value.0.into()).or_insert(0),
            };
            Self::count(counts, seen, more);
        }
        Ok(())
    }
}
