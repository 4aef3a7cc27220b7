//! Drops -U where the consumer does not want it.

use arrow_array::BooleanArray;
use millstream_core::Result;
use millstream_runtime::{Operator, Output};

use super::{ChangeBatch, ChangeKind};

/// Drops -U; stateless.
#[derive(Clone, Copy, Debug, Default)]
pub struct DropUpdateBefore;

impl Operator for DropUpdateBefore {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        match batch.kinds() {
            None => out.emit(batch),
            Some(kinds) => {
                let keep = kinds.iter().map(|kind| Some(*kind != ChangeKind::UpdateBefore));
                let keep = BooleanArray::from_iter(keep);
                out.emit(batch.filter(&keep)?);
            }
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
    fn only_minus_u_goes() {
        let input = schema(&[("a", SqlType::int())]);
        let mut h = Harness::new(DropUpdateBefore);
        h.push(&input, "+I 1\n-U 1\n+U 2\n-D 2").push(&input, "+I 3");
        assert_eq!(h.take(), ["+I 1", "+U 2", "-D 2", "+I 3"]);
    }
}
