//! MIN and MAX: one value a slot where nothing is taken away, else all values in order with
//! their counts.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use millstream_core::{Error, Result};

use super::native::{
    Native, array_of_decimals, array_of_integers, bytes_at, decimals, native_of, ordered_integers,
};
use super::{Accumulator, Input};
use crate::runtime::row::RowCodec;
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;

/// A family of values that are compared.
trait Ordered: 'static {
    /// A kept value.
    type Value: Ord + Clone;
    /// Calls `see` with each valid row's value, in order.
    fn each(input: &Input<'_>, see: impl FnMut(usize, bool, &Self::Value)) -> Result<()>;
    fn column(values: Vec<Option<Self::Value>>, data_type: &DataType) -> Result<ArrayRef>;
    fn put(value: &Self::Value, out: &mut Vec<u8>);
    fn take(bytes: &mut Reader<'_>) -> Result<Self::Value>;
}

struct Integers;
impl Ordered for Integers {
    type Value = i64;
    fn each(input: &Input<'_>, mut see: impl FnMut(usize, bool, &i64)) -> Result<()> {
        let values = ordered_integers(input.arg(0)?)?;
        input.iter_valid(0).for_each(|(row, slot, retract)| see(slot, retract, &values[row]));
        Ok(())
    }
    fn column(values: Vec<Option<i64>>, data_type: &DataType) -> Result<ArrayRef> {
        array_of_integers(values, data_type)
    }
    fn put(value: &i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
    fn take(bytes: &mut Reader<'_>) -> Result<i64> {
        bytes.i64()
    }
}

struct Decimals;
impl Ordered for Decimals {
    type Value = i128;
    fn each(input: &Input<'_>, mut see: impl FnMut(usize, bool, &i128)) -> Result<()> {
        let values = decimals(input.arg(0)?)?;
        input.iter_valid(0).for_each(|(row, slot, retract)| see(slot, retract, &values[row]));
        Ok(())
    }
    fn column(values: Vec<Option<i128>>, data_type: &DataType) -> Result<ArrayRef> {
        Ok(array_of_decimals(values, data_type))
    }
    fn put(value: &i128, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
    fn take(bytes: &mut Reader<'_>) -> Result<i128> {
        bytes.i128()
    }
}

/// Text and bytes, compared byte by byte as Flink does.
struct Bytes;
impl Ordered for Bytes {
    type Value = Box<[u8]>;
    fn each(input: &Input<'_>, mut see: impl FnMut(usize, bool, &Box<[u8]>)) -> Result<()> {
        let column = input.arg(0)?;
        for (row, slot, retract) in input.iter_valid(0) {
            see(slot, retract, &bytes_at(column, row)?.into());
        }
        Ok(())
    }
    fn column(values: Vec<Option<Box<[u8]>>>, data_type: &DataType) -> Result<ArrayRef> {
        // A row of one column: no NULL bit, the length, the bytes.
        let rows: Vec<Option<Vec<u8>>> = values
            .into_iter()
            .map(|value| {
                value.map(|value| {
                    let mut row = vec![0];
                    put_delimited(&mut row, &value);
                    row
                })
            })
            .collect();
        let columns = RowCodec::new([data_type.clone()])?.decode(rows.iter().map(Option::as_deref));
        columns?.pop().ok_or_else(|| Error::bug("a row without its column"))
    }
    fn put(value: &Box<[u8]>, out: &mut Vec<u8>) {
        put_delimited(out, value);
    }
    fn take(bytes: &mut Reader<'_>) -> Result<Box<[u8]>> {
        Ok(bytes.delimited()?.into())
    }
}

pub(super) fn extremum(max: bool, retracts: bool, ty: &SqlType) -> Result<Box<dyn Accumulator>> {
    fn new<T: Ordered>(max: bool, retracts: bool, result: DataType) -> Box<dyn Accumulator> {
        match retracts {
            true => Box::new(Counted::<T> { max, result, values: Vec::new() }),
            false => Box::new(Best::<T> { max, result, best: Vec::new(), of: PhantomData }),
        }
    }
    let result = ty.arrow();
    match native_of(&result) {
        Some(Native::Integer | Native::Float { .. }) => Ok(new::<Integers>(max, retracts, result)),
        Some(Native::Decimal) => Ok(new::<Decimals>(max, retracts, result)),
        Some(Native::Bytes) => Ok(new::<Bytes>(max, retracts, result)),
        None => Err(Error::config(format!("{} of {ty}", if max { "MAX" } else { "MIN" }))
            .advice("use a number, text, time or BOOLEAN")),
    }
}

/// Nothing is taken away: the best value so far.
struct Best<T: Ordered> {
    max: bool,
    result: DataType,
    best: Vec<Option<T::Value>>,
    of: PhantomData<T>,
}

fn offer<V: Ord + Clone>(best: &mut Option<V>, value: &V, max: bool) {
    let better = match best {
        None => true,
        Some(best) if max => *value > *best,
        Some(best) => *value < *best,
    };
    if better {
        *best = Some(value.clone());
    }
}

impl<T: Ordered> Accumulator for Best<T> {
    fn grow(&mut self, slots: usize) {
        self.best.resize(slots, None);
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let (best, max) = (&mut self.best, self.max);
        T::each(input, |slot, _, value| offer(&mut best[slot], value, max))
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        if let Some(value) = self.best[from as usize].clone() {
            offer(&mut self.best[into as usize], &value, self.max);
        }
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let values = slots.iter().map(|slot| self.best[*slot as usize].clone());
        T::column(values.collect(), &self.result)
    }
    fn clear(&mut self, slot: Slot) {
        self.best[slot as usize] = None;
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let best = &self.best[slot as usize];
        out.push(u8::from(best.is_some()));
        if let Some(best) = best {
            T::put(best, out);
        }
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        if bytes.u8()? != 0 {
            self.best[slot as usize] = Some(T::take(bytes)?);
        }
        Ok(())
    }
}

/// Values may be taken away: all of them with how often they are there. A count is negative
/// when a value was taken away before it came.
struct Counted<T: Ordered> {
    max: bool,
    result: DataType,
    values: Vec<BTreeMap<T::Value, i64>>,
}

fn count<V: Ord + Clone>(values: &mut BTreeMap<V, i64>, value: &V, change: i64) {
    match values.get_mut(value) {
        None => {
            values.insert(value.clone(), change);
        }
        Some(count) if *count + change == 0 => {
            values.remove(value);
        }
        Some(count) => *count += change,
    }
}

impl<T: Ordered> Accumulator for Counted<T> {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, BTreeMap::new());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let values = &mut self.values;
        T::each(input, |slot, retract, value| {
            count(&mut values[slot], value, if retract { -1 } else { 1 });
        })
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        for (value, change) in self.values[from as usize].clone() {
            count(&mut self.values[into as usize], &value, change);
        }
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let present = |(value, count): (&T::Value, &i64)| (*count > 0).then(|| value.clone());
        let values = slots.iter().map(|slot| {
            let values = &self.values[*slot as usize];
            match self.max {
                true => values.iter().rev().find_map(present),
                false => values.iter().find_map(present),
            }
        });
        T::column(values.collect(), &self.result)
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize].clear();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let values = &self.values[slot as usize];
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        for (value, count) in values {
            T::put(value, out);
            out.extend_from_slice(&count.to_le_bytes());
        }
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        for _ in 0..bytes.u32()? {
            let value = T::take(bytes)?;
            self.values[slot as usize].insert(value, bytes.i64()?);
        }
        Ok(())
    }
}
