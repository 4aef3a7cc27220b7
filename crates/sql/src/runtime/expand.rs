//! GROUPING SETS, CUBE and ROLLUP: each row once for each set, and other stateless shapes.
//!
//! In front of the exchange of an aggregate. Rows of one set stay in order; rows of different
//! sets have different keys, so their order does not matter.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, new_null_array};
use millstream_core::Result;
use millstream_runtime::{Operator, Output};

use super::ChangeBatch;
use super::spec::ExpandSpec;

/// The operator of [`ExpandSpec`].
pub struct Expand {
    spec: ExpandSpec,
}

impl Expand {
    /// From its spec.
    pub fn new(spec: ExpandSpec) -> Self {
        Expand { spec }
    }
}

impl Operator for Expand {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        for (projection, id) in self.spec.projections.iter().zip(&self.spec.ids) {
            let mut columns: Vec<ArrayRef> = Vec::with_capacity(projection.len() + 1);
            for column in projection {
                let data_type = self.spec.output.field(columns.len()).data_type();
                columns.push(match column {
                    Some(column) => batch.column(*column)?.clone(),
                    None => new_null_array(data_type, batch.len()),
                });
            }
            columns.push(Arc::new(Int64Array::from(vec![*id; batch.len()])));
            let kinds = batch.kinds().map(<[_]>::to_vec);
            let output = self.spec.output.clone();
            out.emit(ChangeBatch::from_columns(output, columns, batch.len(), kinds)?);
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
    fn a_row_comes_once_for_each_set() {
        let input = schema(&[("a", SqlType::int()), ("b", SqlType::string())]);
        let mut h = Harness::new(Expand::new(ExpandSpec {
            projections: vec![vec![Some(0), Some(1)], vec![Some(0), None]],
            ids: vec![0, 1],
            output: schema(&[
                ("a", SqlType::int()),
                ("b", SqlType::string()),
                ("$e", SqlType::bigint()),
            ]),
        }));
        h.push(&input, "+I 1 x\n-D 2 y");
        assert_eq!(h.take(), ["+I 1 x 0", "-D 2 y 0", "+I 1 null 1", "-D 2 null 1"]);
    }
}
