//! Which values of a table's rows a source emits.
//!
//! Behind a reader, which makes the columns that any path starts in; the paths into ROWs
//! are followed here. Invariant: a value in a row that is NULL is NULL.

use super::{FieldPath, TableColumn};
use crate::types::{SqlType, TypeKind};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{Schema, SchemaRef};
use millstream_core::{Error, Result};
use std::sync::Arc;

/// The columns that a source emits.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    paths: Vec<FieldPath>,
    /// Indices of the table's columns that must be made, in order.
    needed: Vec<usize>,
    schema: SchemaRef,
}

impl Projection {
    /// All columns of a table.
    pub(crate) fn all(columns: &[TableColumn]) -> Result<Self> {
        let paths: Vec<FieldPath> = (0..columns.len()).map(|i| vec![i]).collect();
        Self::new(columns, &paths)
    }
    /// The values at these paths.
    ///
    /// # Errors
    /// Bug: a path leads nowhere.
    pub(crate) fn new(columns: &[TableColumn], paths: &[FieldPath]) -> Result<Self> {
        let mut fields = vec![];
        for path in paths {
            let (name, ty) = resolve(columns, path)?;
            fields.push(ty.arrow_field(&name).with_nullable(true));
        }
        let mut needed: Vec<usize> = paths.iter().filter_map(|p| p.first().copied()).collect();
        needed.sort_unstable();
        needed.dedup();
        Ok(Projection { paths: paths.to_vec(), needed, schema: Arc::new(Schema::new(fields)) })
    }
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }
    pub(crate) fn needs(&self, column: usize) -> bool {
        self.needed.binary_search(&column).is_ok()
    }
    pub(crate) fn needed(&self) -> &[usize] {
        &self.needed
    }
    pub(crate) fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    /// The output columns, from those that are needed, in the order of the table.
    pub(crate) fn apply(&self, made: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let column = |path: &FieldPath| {
            let (first, rest) = path.split_first().ok_or_else(nowhere)?;
            let at = self.needed.binary_search(first).map_err(|_| nowhere())?;
            let array = made.get(at).ok_or_else(nowhere)?;
            rest.iter().try_fold(Arc::clone(array), |array, field| child(&array, *field))
        };
        self.paths.iter().map(column).collect()
    }
}

fn nowhere() -> Error {
    Error::bug("a projection of a column that is not there")
}

fn resolve(columns: &[TableColumn], path: &[usize]) -> Result<(String, SqlType)> {
    let (first, rest) = path.split_first().ok_or_else(nowhere)?;
    let column = columns.get(*first).ok_or_else(nowhere)?;
    let (mut name, mut ty) = (column.name.clone(), column.ty.clone());
    for index in rest {
        let TypeKind::Row(fields) = &ty.kind else { return Err(nowhere()) };
        let field = fields.get(*index).ok_or_else(nowhere)?;
        name = format!("{name}.{}", field.name);
        ty = field.ty.clone().null_allowed();
    }
    Ok((name, ty))
}

/// A field of rows, NULL where the row is.
fn child(rows: &ArrayRef, field: usize) -> Result<ArrayRef> {
    let rows = rows.as_struct_opt().ok_or_else(nowhere)?;
    let column = rows.columns().get(field).ok_or_else(nowhere)?;
    let Some(nulls) = rows.nulls() else { return Ok(Arc::clone(column)) };
    let nulls = NullBuffer::union(Some(nulls), column.nulls());
    let data = column.to_data().into_builder().nulls(nulls).build();
    data.map(make_array).map_err(|e| Error::bug(format!("a column without its row: {e}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::value::{Value, array_of, values_of};

    #[test]
    fn paths_into_rows() {
        let row = SqlType::row([("x", SqlType::int()), ("y", SqlType::string())]);
        let columns = [
            TableColumn::physical("a", SqlType::int()),
            TableColumn::physical("r", row.clone()),
            TableColumn::physical("b", SqlType::int()),
        ];
        let projection = Projection::new(&columns, &[vec![1, 1], vec![0], vec![1]]).unwrap();
        assert_eq!(projection.needed(), [0, 1]);
        let names: Vec<_> = projection.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["r.y", "a", "r"]);
        let rows = [Value::Row(vec![Value::Int(1), Value::text("t")]), Value::Null];
        let made = [
            array_of(&[Value::Int(5), Value::Int(6)], &SqlType::int()).unwrap(),
            array_of(&rows, &row).unwrap(),
        ];
        let out = projection.apply(&made).unwrap();
        let texts = values_of(&out[0], &SqlType::string()).unwrap();
        assert_eq!(texts, [Value::text("t"), Value::Null]);
        assert_eq!(values_of(&out[2], &row).unwrap(), rows);
        assert!(Projection::new(&columns, &[vec![0, 0]]).is_err());
    }
}
