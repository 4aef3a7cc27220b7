//! Puts the changes of a sink's key in order when rows of several input keys end up in it.
//!
//! ```text
//!   sink key 7:  rows [a, b]      the table shows the row that was added last
//!     -D b  ──>  rows [a]    +U a
//! ```
//! Between an exchange by the sink's key and the sink. Output has no -U.
//!
//! Invariant: the last of a key's rows is the one that came out last.
//! Source: Flink's `SinkUpsertMaterializer`.

use std::rc::Rc;

use millstream_core::{Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::backing::{SlotState, States};
use super::changelog_normalize::emit;
use super::row::RowCodec;
use super::spec::UpsertMaterializeSpec;
use super::state_table::{KeyTable, KeyedValues, Reader, Slot, put_delimited};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "upsert-materialized-rows";

type Row = Rc<[u8]>;

/// The operator of [`UpsertMaterializeSpec`].
pub struct UpsertMaterialize {
    // Configuration.
    spec: UpsertMaterializeSpec,
    key_codec: RowCodec,
    row_codec: RowCodec,
    id_codec: Option<RowCodec>,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    /// By key: rows with what identifies them, oldest first.
    rows: KeyedValues<Vec<(Row, Row)>>,
}

impl UpsertMaterialize {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: UpsertMaterializeSpec) -> Result<Self> {
        let id_codec = match &spec.input_key {
            Some(columns) => Some(RowCodec::of_columns(&spec.schema, columns)?),
            None => None,
        };
        Ok(UpsertMaterialize {
            key_codec: RowCodec::of_columns(&spec.schema, &spec.keys)?,
            row_codec: RowCodec::of_schema(&spec.schema)?,
            id_codec,
            context: None,
            states: None,
            rows: KeyedValues::new(spec.ttl_ms),
            spec,
        })
    }
}

impl Operator for UpsertMaterialize {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.rows.ttl_ms())?;
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now_ms = self.rows.sweep(self.context.as_ref());
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let ids = match (&self.id_codec, &self.spec.input_key) {
            (Some(codec), Some(columns)) => {
                Some(codec.encode(&batch.columns(columns)?, batch.len())?)
            }
            _ => None,
        };
        self.fetch(&keys)?;
        let mut changes: Vec<(ChangeKind, Row)> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let (slot, _) = self.rows.enter(key, now_ms);
            let known = &mut self.rows[slot];
            let row: Row = rows.row(index).into();
            let id: Row = ids.as_ref().map_or_else(|| row.clone(), |ids| ids.row(index).into());
            let place = known.iter().position(|(_, other)| *other == id);
            if batch.kind(index).is_add() {
                let kind = match known.is_empty() {
                    true => ChangeKind::Insert,
                    false => ChangeKind::UpdateAfter,
                };
                match place.filter(|_| ids.is_some()) {
                    Some(place) => known[place].0 = row.clone(),
                    None => known.push((row.clone(), id)),
                }
                changes.push((kind, row));
                continue;
            }
            let Some(place) = place else {
                if known.is_empty() {
                    self.rows.remove(slot);
                }
                continue;
            };
            known.remove(place);
            match known.last() {
                None => {
                    changes.push((ChangeKind::Delete, row));
                    self.rows.remove(slot);
                }
                Some((last, _)) if place == known.len() => {
                    changes.push((ChangeKind::UpdateAfter, last.clone()));
                }
                Some(_) => {}
            }
        }
        emit(&self.row_codec, &self.spec.schema, changes, out)?;
        self.settle(batch.len(), 2 * rows.byte_count())
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for UpsertMaterialize {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.rows.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let (touched_ms, mut rows) = (bytes.i64()?, Vec::new());
        while !bytes.0.is_empty() {
            rows.push((bytes.delimited()?.into(), bytes.delimited()?.into()));
        }
        self.rows.fill(slot, touched_ms, rows);
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.rows.touched_ms(slot).to_le_bytes());
        for (row, id) in &self.rows[slot] {
            put_delimited(out, row);
            put_delimited(out, id);
        }
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.rows.clear(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn the_row_added_last_shows_and_the_one_before_comes_back() {
        let input = schema(&[("k", SqlType::int()), ("v", SqlType::string())]);
        let new = || {
            let spec = UpsertMaterializeSpec {
                keys: vec![0],
                input_key: None,
                ttl_ms: None,
                schema: input.clone(),
            };
            UpsertMaterialize::new(spec).unwrap()
        };
        let mut h = Harness::new(new());
        h.push(&input, "+I 7 a\n+U 7 b\n-D 8 x");
        assert_eq!(h.take(), ["+I 7 a", "+U 7 b"]);
        let mut h = Harness::at(new(), 0, 1, vec![h.snapshot()]);
        h.push(&input, "-D 7 b\n+I 7 c\n-U 7 a");
        assert_eq!(h.take(), ["+U 7 a", "+U 7 c"]);
        h.push(&input, "-D 7 c");
        assert_eq!(h.take(), ["-D 7 c"]);
        assert!(h.operator().rows.is_empty());
    }
}
