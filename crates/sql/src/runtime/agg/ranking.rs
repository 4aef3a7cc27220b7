//! Functions of OVER that look at the order of rows: RANK, DENSE_RANK, LAG.
//!
//! They take rows in order and never give one back: their frame begins with the partition.

use std::collections::VecDeque;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use millstream_core::{Error, Result};

use super::native::array_of_integers;
use super::{Accumulator, Input};
use crate::runtime::row::RowCodec;
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;

fn no_retraction(input: &Input<'_>) -> Result<()> {
    match input.retract.is_some_and(|retract| retract.contains(&true)) {
        true => Err(Error::config("RANK, DENSE_RANK and LAG need a frame from the beginning")
            .advice("leave the frame of the OVER window out")),
        false => Ok(()),
    }
}

#[derive(Clone, Default)]
struct Place {
    rows: i64,
    rank: i64,
    dense: i64,
    last: Option<Box<[u8]>>,
}

/// RANK and DENSE_RANK over the sort columns as arguments.
pub(super) struct Rank {
    dense: bool,
    result: DataType,
    codec: RowCodec,
    places: Vec<Place>,
}

impl Rank {
    pub(super) fn new(dense: bool, types: &[SqlType], result: &SqlType) -> Result<Self> {
        let codec = RowCodec::new(types.iter().map(SqlType::arrow))?;
        Ok(Rank { dense, result: result.arrow(), codec, places: Vec::new() })
    }
}

impl Accumulator for Rank {
    fn grow(&mut self, slots: usize) {
        self.places.resize(slots, Place::default());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        no_retraction(input)?;
        let keys = self.codec.encode(input.args, input.arg(0)?.len())?;
        for (row, slot, _) in input.iter() {
            let (place, key) = (&mut self.places[slot], keys.row(row));
            place.rows += 1;
            if place.last.as_deref() != Some(key) {
                place.rank = place.rows;
                place.dense += 1;
                place.last = Some(key.into());
            }
        }
        Ok(())
    }
    fn merge(&mut self, _: Slot, _: Slot) -> Result<()> {
        Err(Error::bug("ranks of two groups cannot be merged"))
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let rank = |slot: &Slot| {
            let place = &self.places[*slot as usize];
            Some(if self.dense { place.dense } else { place.rank })
        };
        array_of_integers(slots.iter().map(rank).collect(), &self.result)
    }
    fn clear(&mut self, slot: Slot) {
        self.places[slot as usize] = Place::default();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let place = &self.places[slot as usize];
        for number in [place.rows, place.rank, place.dense] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_delimited(out, place.last.as_deref().unwrap_or_default());
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let (rows, rank, dense) = (bytes.i64()?, bytes.i64()?, bytes.i64()?);
        let last = bytes.delimited()?;
        let last = (rows > 0).then(|| last.into());
        self.places[slot as usize] = Place { rows, rank, dense, last };
        Ok(())
    }
}

/// LAG: the value of the row `offset` before the last one.
pub(super) struct Lag {
    offset: usize,
    codec: RowCodec,
    /// Each value, with the default beside it if there is one, newest last.
    values: Vec<VecDeque<Box<[u8]>>>,
    has_default: bool,
}

impl Lag {
    pub(super) fn new(offset: usize, types: &[SqlType]) -> Result<Self> {
        let codec = RowCodec::new(types.iter().map(SqlType::arrow))?;
        Ok(Lag { offset, codec, values: Vec::new(), has_default: types.len() > 1 })
    }
}

impl Accumulator for Lag {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, VecDeque::new());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        no_retraction(input)?;
        let rows = self.codec.encode(input.args, input.arg(0)?.len())?;
        for (row, slot, _) in input.iter() {
            let values = &mut self.values[slot];
            values.push_back(rows.row(row).into());
            if values.len() > self.offset + 1 {
                values.pop_front();
            }
        }
        Ok(())
    }
    fn merge(&mut self, _: Slot, _: Slot) -> Result<()> {
        Err(Error::bug("LAG of two groups cannot be merged"))
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let rows = |of_default: bool| {
            slots.iter().map(move |slot| {
                let values = &self.values[*slot as usize];
                let reaches = values.len() > self.offset;
                match (reaches, of_default) {
                    (true, false) => values.front().map(|row| &**row),
                    (false, true) => values.back().map(|row| &**row),
                    _ => None,
                }
            })
        };
        let missing = || Error::bug("LAG without its argument");
        let values = self.codec.decode(rows(false))?.into_iter().next().ok_or_else(missing)?;
        if !self.has_default {
            return Ok(values);
        }
        let defaults = self.codec.decode(rows(true))?.pop().ok_or_else(missing)?;
        let reaches = slots.iter().map(|s| self.values[*s as usize].len() > self.offset);
        let places: Vec<(usize, usize)> =
            reaches.enumerate().map(|(i, reaches)| (usize::from(!reaches), i)).collect();
        arrow_select::interleave::interleave(&[&values, &defaults], &places)
            .map_err(crate::runtime::change_batch::arrow_bug)
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize].clear();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let values = &self.values[slot as usize];
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        values.iter().for_each(|value| put_delimited(out, value));
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        for _ in 0..bytes.u32()? {
            self.values[slot as usize].push_back(bytes.delimited()?.into());
        }
        Ok(())
    }
}
