//! Functions that keep values: FIRST_VALUE, LAST_VALUE, SINGLE_VALUE, LISTAGG, COLLECT,
//! ARRAY_AGG, JSON_OBJECTAGG, JSON_ARRAYAGG.
//!
//! Values are kept as row bytes of the arguments, in order of arrival. Taking a value away
//! removes its first occurrence.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use hashbrown::HashMap;
use millstream_core::{Error, Result};

use super::{Accumulator, Input};
use crate::runtime::change_batch::arrow_bug;
use crate::runtime::row::RowCodec;
use crate::runtime::spec::{AggCall, AggFunction};
use crate::runtime::state_table::{Reader, Slot, put_delimited};
use crate::types::SqlType;

type Bytes = Box<[u8]>;

fn one_column(codec: &RowCodec, rows: &[Option<&[u8]>]) -> Result<ArrayRef> {
    let column = codec.decode(rows.iter().copied())?.into_iter().next();
    column.ok_or_else(|| Error::bug("a kept value without its column"))
}

/// Values with their order of arrival, found by value too.
#[derive(Clone, Default)]
struct Sequence {
    next: u64,
    by_order: BTreeMap<u64, Bytes>,
    places: HashMap<Bytes, VecDeque<u64>>,
}

impl Sequence {
    fn push(&mut self, value: &[u8]) {
        let order = self.next;
        self.next += 1;
        self.by_order.insert(order, value.into());
        self.places.entry(value.into()).or_default().push_back(order);
    }
    fn remove(&mut self, value: &[u8]) {
        if let Some(places) = self.places.get_mut(value) {
            if let Some(order) = places.pop_front() {
                self.by_order.remove(&order);
            }
            if places.is_empty() {
                self.places.remove(value);
            }
        }
    }
}

/// FIRST_VALUE and LAST_VALUE by arrival; NULLs are skipped.
pub(super) struct Edge {
    last: bool,
    retracts: bool,
    codec: RowCodec,
    /// Without retraction: the value.
    values: Vec<Option<Bytes>>,
    /// With retraction: all of them.
    sequences: Vec<Option<Box<Sequence>>>,
}

impl Edge {
    pub(super) fn new(last: bool, retracts: bool, ty: &SqlType) -> Result<Self> {
        let codec = RowCodec::new([ty.arrow()])?;
        Ok(Edge { last, retracts, codec, values: Vec::new(), sequences: Vec::new() })
    }
    fn value(&self, slot: usize) -> Option<&[u8]> {
        if !self.retracts {
            return self.values[slot].as_deref();
        }
        let values = &self.sequences[slot].as_ref()?.by_order;
        let edge = if self.last { values.last_key_value() } else { values.first_key_value() };
        edge.map(|(_, value)| &**value)
    }
    fn offer(&mut self, slot: usize, value: &[u8]) {
        if self.retracts {
            self.sequences[slot].get_or_insert_default().push(value);
        } else if self.last || self.values[slot].is_none() {
            self.values[slot] = Some(value.into());
        }
    }
}

impl Accumulator for Edge {
    fn grow(&mut self, slots: usize) {
        match self.retracts {
            true => self.sequences.resize(slots, None),
            false => self.values.resize(slots, None),
        }
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        let rows = self.codec.encode(std::slice::from_ref(column), column.len())?;
        for (row, slot, retract) in input.iter_valid(0) {
            match retract {
                false => self.offer(slot, rows.row(row)),
                true => {
                    if let Some(sequence) = &mut self.sequences[slot] {
                        sequence.remove(rows.row(row));
                    }
                }
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let values: Vec<Bytes> = match self.retracts {
            false => self.values[from as usize].iter().cloned().collect(),
            true => self.sequences[from as usize]
                .iter()
                .flat_map(|s| s.by_order.values().cloned())
                .collect(),
        };
        values.iter().for_each(|value| self.offer(into as usize, value));
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let rows: Vec<_> = slots.iter().map(|slot| self.value(*slot as usize)).collect();
        one_column(&self.codec, &rows)
    }
    fn clear(&mut self, slot: Slot) {
        match self.retracts {
            true => self.sequences[slot as usize] = None,
            false => self.values[slot as usize] = None,
        }
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let slot = slot as usize;
        let values: Vec<&Bytes> = match self.retracts {
            false => self.values[slot].iter().collect(),
            true => self.sequences[slot].iter().flat_map(|s| s.by_order.values()).collect(),
        };
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        values.into_iter().for_each(|value| put_delimited(out, value));
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        for _ in 0..bytes.u32()? {
            let value = bytes.delimited()?;
            self.offer(slot as usize, value);
        }
        Ok(())
    }
}

/// SINGLE_VALUE: the value of a scalar subquery, which must have one row at most.
pub(super) struct Single {
    codec: RowCodec,
    values: Vec<(i64, Option<Bytes>)>,
}

impl Single {
    pub(super) fn new(ty: &SqlType) -> Result<Self> {
        Ok(Single { codec: RowCodec::new([ty.arrow()])?, values: Vec::new() })
    }
}

impl Accumulator for Single {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, (0, None));
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        let rows = self.codec.encode(std::slice::from_ref(column), column.len())?;
        for (row, slot, retract) in input.iter() {
            let (count, value) = &mut self.values[slot];
            if retract {
                *count -= 1;
                if *count == 0 {
                    *value = None;
                }
            } else {
                *count += 1;
                *value = Some(rows.row(row).into());
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let (count, value) = self.values[from as usize].clone();
        let into = &mut self.values[into as usize];
        into.0 += count;
        into.1 = value.or(into.1.take());
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        if slots.iter().any(|slot| self.values[*slot as usize].0 > 1) {
            return Err(Error::data("a scalar subquery gave more than one row")
                .advice("add LIMIT 1 or an aggregate to the subquery"));
        }
        let rows: Vec<_> =
            slots.iter().map(|slot| self.values[*slot as usize].1.as_deref()).collect();
        one_column(&self.codec, &rows)
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize] = (0, None);
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let (count, value) = &self.values[slot as usize];
        out.extend_from_slice(&count.to_le_bytes());
        out.push(u8::from(value.is_some()));
        put_delimited(out, value.as_deref().unwrap_or_default());
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let count = bytes.i64()?;
        let some = bytes.u8()? != 0;
        let value = bytes.delimited()?;
        self.values[slot as usize] = (count, some.then(|| value.into()));
        Ok(())
    }
}

/// Functions whose result holds all values.
pub(super) struct Collecting {
    function: AggFunction,
    result: DataType,
    codec: RowCodec,
    values: Vec<Vec<Bytes>>,
}

impl Collecting {
    pub(super) fn new(call: &AggCall) -> Result<Self> {
        let codec = RowCodec::new(call.arg_types.iter().map(SqlType::arrow))?;
        let (function, result) = (call.function.clone(), call.result.arrow());
        Ok(Collecting { function, result, codec, values: Vec::new() })
    }
    /// The argument whose NULLs do not count.
    fn skipped_nulls(&self) -> Option<usize> {
        match &self.function {
            AggFunction::ArrayAgg { ignore_nulls: false } => None,
            AggFunction::JsonArrayAgg { absent_on_null } => absent_on_null.then_some(0),
            AggFunction::JsonObjectAgg { absent_on_null } => absent_on_null.then_some(1),
            _ => Some(0),
        }
    }
    /// The kept values of some slots in columns, and how many each slot has.
    fn decoded(&self, slots: &[Slot]) -> Result<(Vec<ArrayRef>, Vec<usize>)> {
        let of = |slot: &Slot| &self.values[*slot as usize];
        let columns = self.codec.decode(slots.iter().flat_map(of).map(|v| Some(&**v)))?;
        Ok((columns, slots.iter().map(|slot| of(slot).len()).collect()))
    }
    fn multisets(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let (mut keys, mut counts, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for slot in slots {
            let mut places: HashMap<&[u8], usize> = HashMap::new();
            let before = keys.len();
            for value in &self.values[*slot as usize] {
                let place = *places.entry(value).or_insert_with(|| {
                    keys.push(Some(&**value));
                    counts.push(0);
                    keys.len() - 1
                });
                counts[place] += 1;
            }
            lengths.push(keys.len() - before);
        }
        let DataType::Map(entries, sorted) = &self.result else {
            return Err(Error::bug(format!("COLLECT into {}", self.result)));
        };
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(Error::bug(format!("COLLECT into {}", self.result)));
        };
        let columns: Vec<ArrayRef> =
            vec![one_column(&self.codec, &keys)?, Arc::new(Int32Array::from(counts))];
        let rows = StructArray::try_new(fields.clone(), columns, None).map_err(arrow_bug)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let map = MapArray::try_new(entries.clone(), offsets, rows, None, *sorted);
        Ok(Arc::new(map.map_err(arrow_bug)?))
    }
    fn arrays(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let (columns, lengths) = self.decoded(slots)?;
        let DataType::List(field) = &self.result else {
            return Err(Error::bug(format!("ARRAY_AGG into {}", self.result)));
        };
        let nulls = NullBuffer::from_iter(lengths.iter().map(|length| *length > 0));
        let values = columns.into_iter().next();
        let values = values.ok_or_else(|| Error::bug("ARRAY_AGG without an argument"))?;
        let list = ListArray::try_new(
            field.clone(),
            OffsetBuffer::from_lengths(lengths),
            values,
            (nulls.null_count() > 0).then_some(nulls),
        );
        Ok(Arc::new(list.map_err(arrow_bug)?))
    }
    fn texts(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let (columns, lengths) = self.decoded(slots)?;
        let text = |index: usize| {
            columns
                .get(index)
                .and_then(|column| column.as_string_opt::<i32>())
                .ok_or_else(|| Error::bug(format!("{:?} of another type than text", self.function)))
        };
        let first = text(0)?;
        let mut out = StringBuilder::new();
        let mut line = String::new();
        let mut at = 0;
        for length in lengths {
            line.clear();
            let rows = at..at + length;
            at += length;
            let json_value = |value: &arrow_array::StringArray, row: usize| -> String {
                if value.is_null(row) { "null".into() } else { value.value(row).into() }
            };
            match &self.function {
                AggFunction::JsonObjectAgg { .. } => {
                    let value = text(1)?;
                    // A later value takes the place of an earlier one of the same key.
                    let mut entries: Vec<(&str, String)> = Vec::new();
                    for row in rows {
                        let (key, value) = (first.value(row), json_value(value, row));
                        match entries.iter_mut().find(|(k, _)| *k == key) {
                            Some(entry) => entry.1 = value,
                            None => entries.push((key, value)),
                        }
                    }
                    // Flink writes an object with its keys in order.
                    entries.sort_by_key(|(key, _)| *key);
                    line.push('{');
                    for (i, (key, value)) in entries.iter().enumerate() {
                        line.push_str(if i == 0 { "" } else { "," });
                        line.push_str(&serde_json::Value::from(*key).to_string());
                        line.push(':');
                        line.push_str(value);
                    }
                    line.push('}');
                }
                AggFunction::JsonArrayAgg { .. } => {
                    line.push('[');
                    for (i, row) in rows.enumerate() {
                        line.push_str(if i == 0 { "" } else { "," });
                        line.push_str(&json_value(first, row));
                    }
                    line.push(']');
                }
                function => {
                    if rows.is_empty() {
                        out.append_null();
                        continue;
                    }
                    let separator = match function {
                        AggFunction::ListAgg { separator } => separator.as_str(),
                        _ => ",",
                    };
                    for (i, row) in rows.enumerate() {
                        line.push_str(if i == 0 { "" } else { separator });
                        line.push_str(first.value(row));
                    }
                }
            }
            out.append_value(&line);
        }
        Ok(Arc::new(out.finish()))
    }
}

impl Accumulator for Collecting {
    fn grow(&mut self, slots: usize) {
        self.values.resize(slots, Vec::new());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let rows = self.codec.encode(input.args, input.arg(0)?.len())?;
        if let AggFunction::JsonObjectAgg { .. } = self.function
            && input.iter().any(|(row, ..)| input.args[0].is_null(row))
        {
            return Err(Error::data("the key of JSON_OBJECTAGG is NULL")
                .advice("filter NULL keys out, or COALESCE them"));
        }
        let nulls = self.skipped_nulls().and_then(|i| input.args.get(i)?.logical_nulls());
        for (row, slot, retract) in input.iter() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let (values, value) = (&mut self.values[slot], rows.row(row));
            match retract {
                false => values.push(value.into()),
                true => {
                    if let Some(at) = values.iter().position(|v| **v == *value) {
                        values.remove(at);
                    }
                }
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let values = self.values[from as usize].clone();
        self.values[into as usize].extend(values);
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        match &self.function {
            AggFunction::Collect => self.multisets(slots),
            AggFunction::ArrayAgg { .. } => self.arrays(slots),
            _ => self.texts(slots),
        }
    }
    fn clear(&mut self, slot: Slot) {
        self.values[slot as usize] = Vec::new();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let values = &self.values[slot as usize];
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        values.iter().for_each(|value| put_delimited(out, value));
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        for _ in 0..bytes.u32()? {
            self.values[slot as usize].push(bytes.delimited()?.into());
        }
        Ok(())
    }
}
