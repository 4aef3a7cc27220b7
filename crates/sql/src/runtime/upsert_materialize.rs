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

use super::changelog_normalize::emit;
use super::row::RowCodec;
use super::spec::UpsertMaterializeSpec;
use super::state_table::{KeyedValues, Reader, put_delimited, restore, store};
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
            rows: KeyedValues::new(spec.ttl_ms),
            spec,
        })
    }
}

impl Operator for UpsertMaterialize {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        for (key, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let (slot, _) = self.rows.enter(&key, bytes.i64()?);
            while !bytes.0.is_empty() {
                let row = (bytes.delimited()?.into(), bytes.delimited()?.into());
                self.rows[slot].push(row);
            }
        }
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
        emit(&self.row_codec, &self.spec.schema, changes, out)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        for (key, touched_ms, rows) in self.rows.iter() {
            let mut value = touched_ms.to_le_bytes().to_vec();
            for (row, id) in rows {
                put_delimited(&mut value, row);
                put_delimited(&mut value, id);
            }
            store(snapshot, STATE, context, key, value)?;
        }
        Ok(())
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
