//! APPROX_COUNT_DISTINCT (HyperLogLog) and PERCENTILE.
//!
//! Source: Flajolet et al., "HyperLogLog", 2007; few distinct values are counted exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use millstream_core::{Error, Result};

use super::native::{
    Native, array_of_floats, decimals, float_of_order, float_order, floats, native_of,
    ordered_integers,
};
use super::{Accumulator, Input};
use crate::runtime::change_batch::arrow_bug;
use crate::runtime::row::{RowCodec, hash_row};
use crate::runtime::state_table::{Reader, Slot};
use crate::types::{SqlType, element_field};

/// Hashes that are kept one by one before registers take over.
const EXACT_HASHES: usize = 1024;
/// log2 of the number of registers.
const INDEX_BITS: u32 = 14;

#[derive(Clone)]
enum Sketch {
    Exact(BTreeSet<u64>),
    Registers(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch::Exact(BTreeSet::new())
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        match self {
            Sketch::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT_HASHES {
                    let hashes = std::mem::take(hashes);
                    *self = Sketch::Registers(vec![0; 1 << INDEX_BITS].into());
                    hashes.into_iter().for_each(|hash| self.add(hash));
                }
            }
            Sketch::Registers(registers) => {
                let index = (hash >> (64 - INDEX_BITS)) as usize;
                let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() + 1;
                registers[index] = registers[index].max(rank as u8);
            }
        }
    }
    fn merge(&mut self, other: &Sketch) {
        match other {
            Sketch::Exact(hashes) => hashes.iter().for_each(|hash| self.add(*hash)),
            Sketch::Registers(theirs) => {
                if let Sketch::Exact(hashes) = self {
                    let hashes = std::mem::take(hashes);
                    *self = Sketch::Registers(theirs.clone());
                    return hashes.into_iter().for_each(|hash| self.add(hash));
                }
                if let Sketch::Registers(ours) = self {
                    ours.iter_mut().zip(theirs).for_each(|(a, b)| *a = (*a).max(*b));
                }
            }
        }
    }
    fn estimate(&self) -> i64 {
        match self {
            Sketch::Exact(hashes) => hashes.len() as i64,
            Sketch::Registers(registers) => {
                let m = registers.len() as f64;
                let sum: f64 = registers.iter().map(|r| 2f64.powi(-i32::from(*r))).sum();
                let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
                let zeros = registers.iter().filter(|r| **r == 0).count();
                let small = raw <= 2.5 * m && zeros > 0;
                (if small { m * (m / zeros as f64).ln() } else { raw }).round() as i64
            }
        }
    }
}

/// APPROX_COUNT_DISTINCT.
pub(super) struct ApproxCountDistinct {
    codec: RowCodec,
    sketches: Vec<Sketch>,
}

impl ApproxCountDistinct {
    pub(super) fn new(ty: &SqlType) -> Result<Self> {
        Ok(ApproxCountDistinct { codec: RowCodec::new([ty.arrow()])?, sketches: Vec::new() })
    }
}

impl Accumulator for ApproxCountDistinct {
    fn grow(&mut self, slots: usize) {
        self.sketches.resize(slots, Sketch::default());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        let rows = self.codec.encode(std::slice::from_ref(column), column.len())?;
        for (row, slot, _) in input.iter_valid(0) {
            self.sketches[slot].add(hash_row(rows.row(row)));
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let from = self.sketches[from as usize].clone();
        self.sketches[into as usize].merge(&from);
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let counts = slots.iter().map(|slot| self.sketches[*slot as usize].estimate());
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }
    fn clear(&mut self, slot: Slot) {
        self.sketches[slot as usize] = Sketch::default();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        match &self.sketches[slot as usize] {
            Sketch::Exact(hashes) => {
                out.extend_from_slice(&(hashes.len() as u32).to_le_bytes());
                hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
            }
            Sketch::Registers(registers) => {
                out.extend_from_slice(&u32::MAX.to_le_bytes());
                out.extend_from_slice(registers);
            }
        }
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.sketches[slot as usize] = match bytes.u32()? {
            u32::MAX => Sketch::Registers(bytes.bytes(1 << INDEX_BITS)?.into()),
            count => {
                let hashes = (0..count).map(|_| bytes.i64().map(|hash| hash as u64));
                Sketch::Exact(hashes.collect::<Result<_>>()?)
            }
        };
        Ok(())
    }
}

/// PERCENTILE: the values in order with their frequencies, interpolated between neighbours.
pub(super) struct Percentile {
    fractions: Vec<f64>,
    array: bool,
    native: Native,
    scale: i32,
    /// By [`float_order`].
    values: Vec<BTreeMap<i64, i64>>,
}

impl Percentile {
    pub(super) fn new(fractions: Vec<f64>, array: bool, types: &[SqlType]) -> Result<Self> {
        if fractions.is_empty() || fractions.iter().any(|f| !(0.0..=1.0).contains(f)) {
            return Err(Error::config("the fractions of PERCENTILE must be between 0 and 1"));
        }
        let input = types.first().map(SqlType::arrow);
        let native = input.as_ref().and_then(native_of).filter(|n| *n != Native::Bytes);
        let native = native.ok_or_else(|| {
            Error::config("PERCENTILE of something that is no number").advice("cast it to DOUBLE")
        })?;
        let scale = if let Some(DataType::Decimal128(_, s)) = input { i32::from(s) } else { 0 };
        Ok(Percentile { fractions, array, native, scale, values: Vec::new() })
    }
    fn at(values: &BTreeMap<i64, i64>, fraction: f64) -> Option<f64> {
        let present = || values.iter().filter(|(_, count)| **count > 0);
        let total: i64 = present().map(|(_, count)| count).sum();
        if total == 0 {
            return None;
        }
        let place = (total - 1) as f64 * fraction;
        let nth = |n: i64| {
            let mut seen = 0;
            let mut found = present().find(|(_, count)| {
                seen += **count;
                seen > n
            });
            found.take().map(|(value, _)| float_of_order(*value))
        };
        let (low, high) = (nth(place.floor() as i64)?, nth(place.ceil() as i64)?);
        if place.floor() == place.ceil() {
            return Some(low);
        }
        Some((place.ceil() - place) * low + (place - place.floor()) * high)
    }
}

impl Accumulator for Percentile {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, BTreeMap::new());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        let numbers: Vec<f64> = match self.native {
            Native::Float { .. } => floats(column)?.into_owned(),
            Native::Decimal => {
                let unit = 10f64.powi(self.scale);
                decimals(column)?.iter().map(|v| *v as f64 / unit).collect()
            }
            _ => ordered_integers(column)?.iter().map(|v| *v as f64).collect(),
        };
        let frequencies = input.args.get(1).map(ordered_integers).transpose()?;
        let frequency_nulls = input.args.get(1).and_then(|arg| arg.logical_nulls());
        for (row, slot, retract) in input.iter_valid(0) {
            if frequency_nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let frequency = frequencies.as_ref().map_or(1, |f| f[row]);
            let counter = self.values[slot].entry(float_order(numbers[row])).or_insert(0);
            *counter += if retract { -frequency } else { frequency };
            if *counter == 0 {
                self.values[slot].remove(&float_order(numbers[row]));
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        for (value, count) in self.values[from as usize].clone() {
            *self.values[into as usize].entry(value).or_insert(0) += count;
        }
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let of = |slot: &Slot| &self.values[*slot as usize];
        if !self.array {
            let fraction = self.fractions.first().copied().unwrap_or_default();
            let values = slots.iter().map(|slot| Self::at(of(slot), fraction)).collect();
            return array_of_floats(values, &DataType::Float64);
        }
        let rows: Vec<Option<Vec<f64>>> = slots
            .iter()
            .map(|slot| self.fractions.iter().map(|f| Self::at(of(slot), *f)).collect())
            .collect();
        let lengths = rows.iter().map(|row| row.as_ref().map_or(0, Vec::len));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
        let values = Float64Array::from_iter_values(rows.into_iter().flatten().flatten());
        let field = element_field(&SqlType::double());
        let list = ListArray::try_new(field, offsets, Arc::new(values), Some(nulls));
        Ok(Arc::new(list.map_err(arrow_bug)?))
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize].clear();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let values = &self.values[slot as usize];
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        for (value, count) in values {
            out.extend_from_slice(&value.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        for _ in 0..bytes.u32()? {
            let value = bytes.i64()?;
            self.values[slot as usize].insert(value, bytes.i64()?);
        }
        Ok(())
    }
}
