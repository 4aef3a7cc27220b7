//! DISTINCT in front of any aggregate: each value reaches it once.
//!
//! A slot keeps its values with how often they are there; the first occurrence is added to
//! the aggregate, the last one to go is taken away from it.

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::DataType;
use hashbrown::HashMap;
use millstream_core::Result;

use super::{Accumulator, Input};
use crate::runtime::row::RowCodec;
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;

type Counts<K> = HashMap<K, i64, foldhash::fast::RandomState>;

/// The values of one slot: BIGINT that is not NULL by itself, all else as row bytes.
#[derive(Clone, Default)]
struct Values {
    integers: Counts<i64>,
    rows: Counts<Box<[u8]>>,
}

/// An aggregate behind DISTINCT.
pub(super) struct Distinct {
    inner: Box<dyn Accumulator>,
    types: Vec<DataType>,
    codec: RowCodec,
    values: Vec<Option<Box<Values>>>,
}

impl Distinct {
    pub(super) fn new(inner: Box<dyn Accumulator>, types: &[SqlType]) -> Result<Self> {
        let types: Vec<DataType> = types.iter().map(SqlType::arrow).collect();
        let codec = RowCodec::new(types.clone())?;
        Ok(Distinct { inner, types, codec, values: Vec::new() })
    }
    /// Gives values to the aggregate of a slot, as if they had just come.
    fn add(&mut self, slot: Slot, values: &[Vec<u8>]) -> Result<()> {
        let args = self.codec.decode(values.iter().map(|value| Some(value.as_slice())))?;
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let slots = vec![slot; values.len()];
        self.inner.update(&Input { args: &args, rows: &rows, slots: &slots, retract: None })
    }
    fn is_integer(&self) -> bool {
        matches!(self.types[..], [DataType::Int64])
    }
}

/// The row bytes of one BIGINT.
fn row_of(value: i64) -> Vec<u8> {
    let mut row = vec![0];
    row.extend_from_slice(&value.to_le_bytes());
    row
}

/// Counts a value; whether it is now there and was not, or is gone and was there.
fn count(counter: &mut i64, retract: bool) -> bool {
    if retract {
        *counter -= 1;
        *counter == 0
    } else {
        *counter += 1;
        *counter == 1
    }
}

impl Accumulator for Distinct {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, None);
        self.inner.grow(slots);
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        let integers = column.as_primitive_opt::<Int64Type>().filter(|_| self.is_integer());
        let encoded = match integers {
            Some(integers) if integers.null_count() == 0 => None,
            _ => Some(self.codec.encode(input.args, column.len())?),
        };
        let (mut rows, mut slots, mut retracts) = (Vec::new(), Vec::new(), Vec::new());
        for (row, slot, retract) in input.iter() {
            let values = self.values[slot].get_or_insert_default();
            let changed = match integers {
                Some(integers) if integers.is_valid(row) => {
                    let value = integers.value(row);
                    let counter = values.integers.entry(value).or_insert(0);
                    let changed = count(counter, retract);
                    if *counter == 0 {
                        values.integers.remove(&value);
                    }
                    changed
                }
                _ => {
                    let Some(encoded) = &encoded else { continue };
                    let counter = values.rows.entry_ref(encoded.row(row)).or_insert(0);
                    let changed = count(counter, retract);
                    if *counter == 0 {
                        values.rows.remove(encoded.row(row));
                    }
                    changed
                }
            };
            if changed {
                rows.push(row as u32);
                slots.push(slot as Slot);
                retracts.push(retract);
            }
        }
        let retract = input.retract.is_some().then_some(retracts.as_slice());
        self.inner.update(&Input { args: input.args, rows: &rows, slots: &slots, retract })
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let Some(from) = self.values[from as usize].clone() else { return Ok(()) };
        let values = self.values[into as usize].get_or_insert_default();
        let mut added = Vec::new();
        for (value, n) in from.integers {
            let counter = values.integers.entry(value).or_insert(0);
            if *counter <= 0 && *counter + n > 0 {
                added.push(row_of(value));
            }
            *counter += n;
        }
        for (value, n) in from.rows {
            let counter = values.rows.entry_ref(&*value).or_insert(0);
            if *counter <= 0 && *counter + n > 0 {
                added.push(value.to_vec());
            }
            *counter += n;
        }
        // The tables are seeded; the order in which values are given on is not.
        added.sort_unstable();
        self.add(into, &added)
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        self.inner.results(slots)
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize] = None;
        self.inner.clear(slot);
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        self.inner.write(slot, out)?;
        let values = &self.values[slot as usize];
        let integers = values.iter().flat_map(|v| v.integers.iter());
        let rows = values.iter().flat_map(|v| v.rows.iter());
        let count = integers.clone().count() + rows.clone().count();
        out.extend_from_slice(&(count as u32).to_le_bytes());
        for (value, n) in integers {
            put_delimited(out, &row_of(*value));
            out.extend_from_slice(&n.to_le_bytes());
        }
        for (value, n) in rows {
            put_delimited(out, value);
            out.extend_from_slice(&n.to_le_bytes());
        }
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.inner.read(slot, bytes)?;
        let is_integer = self.is_integer();
        let values = self.values[slot as usize].get_or_insert_default();
        for _ in 0..bytes.u32()? {
            let row = bytes.delimited()?;
            let n = bytes.i64()?;
            match row.split_first() {
                Some((0, value)) if is_integer => {
                    values.integers.insert(Reader(value).i64()?, n);
                }
                _ => {
                    values.rows.insert(row.into(), n);
                }
            }
        }
        Ok(())
    }
}
