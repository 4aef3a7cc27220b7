//! Turns upserts by key into a changelog that says what each row was before.
//!
//! Behind an exchange by the key. A repeat of what is known says nothing; a delete of what is
//! not known neither. Every version of a row comes out, also when a batch holds several: a
//! temporal join behind sees each.
//!
//! Invariant: the state is the table that came out: one row a key.

use std::rc::Rc;

use millstream_core::{Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::backing::{SlotState, States};
use super::row::RowCodec;
use super::spec::ChangelogNormalizeSpec;
use super::state_table::{KeyTable, KeyedValues, Reader, Slot};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "normalized-rows";

type Row = Rc<[u8]>;

/// The operator of [`ChangelogNormalizeSpec`].
pub struct ChangelogNormalize {
    // Configuration.
    spec: ChangelogNormalizeSpec,
    key_codec: RowCodec,
    row_codec: RowCodec,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    rows: KeyedValues<Option<Row>>,
}

impl ChangelogNormalize {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: ChangelogNormalizeSpec) -> Result<Self> {
        Ok(ChangelogNormalize {
            key_codec: RowCodec::of_columns(&spec.schema, &spec.keys)?,
            row_codec: RowCodec::of_schema(&spec.schema)?,
            context: None,
            states: None,
            rows: KeyedValues::new(spec.ttl_ms),
            spec,
        })
    }
}

impl Operator for ChangelogNormalize {
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
        self.fetch(&keys)?;
        let mut changes: Vec<(ChangeKind, Row)> = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let kind = batch.kind(row);
            if kind == ChangeKind::UpdateBefore {
                // What the row was is known here; the source need not say it.
                continue;
            }
            let (slot, _) = self.rows.enter(key, now_ms);
            let new: Option<Row> = kind.is_add().then(|| rows.row(row).into());
            let old = std::mem::replace(&mut self.rows[slot], new.clone());
            match (old, new) {
                (None, Some(new)) => changes.push((ChangeKind::Insert, new)),
                (Some(old), Some(new)) if old != new || self.rows.expires() => {
                    if self.spec.update_before {
                        changes.push((ChangeKind::UpdateBefore, old));
                    }
                    changes.push((ChangeKind::UpdateAfter, new));
                }
                (Some(_), Some(_)) => {}
                (old, None) => {
                    changes.extend(old.map(|old| (ChangeKind::Delete, old)));
                    self.rows.remove(slot);
                }
            }
        }
        emit(&self.row_codec, &self.spec.schema, changes, out)?;
        self.settle(batch.len(), rows.byte_count())
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for ChangelogNormalize {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.rows.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let touched_ms = bytes.i64()?;
        self.rows.fill(slot, touched_ms, Some(bytes.0.into()));
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.rows.touched_ms(slot).to_le_bytes());
        out.extend_from_slice(self.rows[slot].as_deref().unwrap_or_default());
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.rows.clear(slot);
    }
}

/// Emits stored rows with their kinds, if there are any.
pub(crate) fn emit(
    codec: &RowCodec,
    schema: &arrow_schema::SchemaRef,
    changes: Vec<(ChangeKind, Row)>,
    out: &mut Output<ChangeBatch>,
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let columns = codec.decode(changes.iter().map(|(_, row)| Some(&**row)))?;
    let kinds = changes.iter().map(|(kind, _)| *kind).collect();
    let rows = changes.len();
    out.emit(ChangeBatch::from_columns(schema.clone(), columns, rows, Some(kinds))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn repeats_and_orphans_say_nothing_and_updates_know_what_was() {
        let input = schema(&[("k", SqlType::int()), ("v", SqlType::string())]);
        let new = || {
            let spec = ChangelogNormalizeSpec {
                keys: vec![0],
                update_before: true,
                ttl_ms: None,
                schema: input.clone(),
            };
            ChangelogNormalize::new(spec).unwrap()
        };
        let mut h = Harness::new(new());
        h.push(&input, "+I 1 x\n+I 1 a\n+U 2 b\n-D 3 c");
        assert_eq!(h.take(), ["+I 1 x", "-U 1 x", "+U 1 a", "+I 2 b"]);
        let mut h = Harness::at(new(), 0, 1, vec![h.snapshot()]);
        h.push(&input, "+I 1 a\n-U 2 x\n+U 2 c");
        assert_eq!(h.take(), ["-U 2 b", "+U 2 c"]);
        h.push(&input, "-D 2 null\n-D 2 null");
        assert_eq!(h.take(), ["-D 2 c"]);
        assert_eq!(h.operator().rows.len(), 1);
    }
}
