//! INTERSECT, EXCEPT and their ALL forms over two changelogs.
//!
//! Behind exchanges of both inputs by all columns.
//!
//! Invariant: how often a row is in the output is a function of how often it is in the left
//! and in the right input; a change of either comes out as the difference.

use millstream_core::{Either, Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::backing::{SlotState, States};
use super::row::RowCodec;
use super::spec::{SetOperation, SetOperationSpec};
use super::state_table::{KeyTable, KeyedValues, Reader, Slot};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "set-operation-counts";

/// The operator of [`SetOperationSpec`].
pub struct SetOperator {
    // Configuration.
    spec: SetOperationSpec,
    codec: RowCodec,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    /// By row: how often it is in the left and in the right input.
    counts: KeyedValues<[i64; 2]>,
}

fn multiplicity(operation: SetOperation, [left, right]: [i64; 2]) -> i64 {
    let (left, right) = (left.max(0), right.max(0));
    match operation {
        SetOperation::Intersect => i64::from(left > 0 && right > 0),
        SetOperation::IntersectAll => left.min(right),
        SetOperation::Except => i64::from(left > 0 && right == 0),
        SetOperation::ExceptAll => (left - right).max(0),
    }
}

impl SetOperator {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: SetOperationSpec) -> Result<Self> {
        Ok(SetOperator {
            codec: RowCodec::of_schema(&spec.schema)?,
            context: None,
            states: None,
            counts: KeyedValues::new(spec.ttl_ms),
            spec,
        })
    }
}

impl Operator for SetOperator {
    type In = Either<ChangeBatch, ChangeBatch>;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.counts.ttl_ms())?;
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<ChangeBatch>) -> Result<()> {
        let (side, batch) = match batch {
            Either::Left(batch) => (0, batch),
            Either::Right(batch) => (1, batch),
        };
        let now_ms = self.counts.sweep(self.context.as_ref());
        let rows = self.codec.encode(batch.rows().columns(), batch.len())?;
        self.fetch(&rows)?;
        let (mut chosen, mut kinds) = (Vec::new(), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            let (slot, _) = self.counts.enter(row, now_ms);
            let counts = &mut self.counts[slot];
            let before = multiplicity(self.spec.operation, *counts);
            counts[side] += if batch.kind(index).is_add() { 1 } else { -1 };
            let change = multiplicity(self.spec.operation, *counts) - before;
            let kind = if change > 0 { ChangeKind::Insert } else { ChangeKind::Delete };
            for _ in 0..change.abs() {
                chosen.push(index as u32);
                kinds.push(kind);
            }
            if *counts == [0; 2] {
                self.counts.remove(slot);
            }
        }
        if !chosen.is_empty() {
            let rows = batch.take(&chosen)?.rows().clone();
            let columns = rows.columns().to_vec();
            let schema = self.spec.schema.clone();
            out.emit(ChangeBatch::from_columns(schema, columns, chosen.len(), Some(kinds))?);
        }
        self.settle(batch.len(), rows.byte_count())
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for SetOperator {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.counts.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let (touched_ms, counts) = (bytes.i64()?, [bytes.i64()?, bytes.i64()?]);
        self.counts.fill(slot, touched_ms, counts);
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.counts.touched_ms(slot).to_le_bytes());
        let counts = self.counts[slot];
        counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.counts.clear(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, applied, schema};
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn each_operation_follows_both_inputs() {
        let input = schema(&[("x", SqlType::int())]);
        let expected: [(SetOperation, &[&str]); 4] = [
            (SetOperation::Intersect, &["2", "null"]),
            (SetOperation::IntersectAll, &["2", "2", "null"]),
            (SetOperation::Except, &["1", "4"]),
            (SetOperation::ExceptAll, &["1", "2", "4"]),
        ];
        for (operation, rows) in expected {
            let spec = SetOperationSpec { operation, ttl_ms: None, schema: input.clone() };
            let new = || SetOperator::new(spec.clone()).unwrap();
            let mut h = Harness::new(new());
            h.left(&input, "+I 1\n+I 2\n+I 2\n+I 2\n+I null\n+I 4\n+I 5");
            h.right(&input, "+I 2\n+I 4\n+I null\n+I 6");
            let mut changes = h.take();
            let mut h = Harness::at(new(), 0, 1, vec![h.snapshot()]);
            h.right(&input, "+I 2\n-D 4").left(&input, "-D 5");
            changes.extend(h.take());
            assert_eq!(applied(&changes), rows, "{operation:?}");
        }
    }
}
