//! Which values of a table's rows anybody reads.
//!
//! A source makes the columns that are needed; the others are NULL. Columns keep their
//! places, so nothing above the source changes.

use super::TableColumn;
use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use millstream_core::{Error, Result};
use std::sync::Arc;

/// What is needed of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Nothing: it may be NULL.
    No,
    /// Of a ROW: whether it is NULL, and these of its fields.
    Fields(Vec<Needed>),
    /// All of it.
    All,
}

impl Needed {
    /// What is needed of a field of a ROW.
    pub fn field(&self, index: usize) -> &Needed {
        match self {
            Needed::Fields(fields) => fields.get(index).unwrap_or(&Needed::All),
            other => other,
        }
    }
    /// Also what another reader needs.
    pub fn add(&mut self, other: &Needed) {
        match (&mut *self, other) {
            (Needed::All, _) | (_, Needed::No) => {}
            (Needed::Fields(mine), Needed::Fields(more)) if mine.len() == more.len() => {
                mine.iter_mut().zip(more).for_each(|(mine, more)| mine.add(more));
            }
            (Needed::No, other) => *self = other.clone(),
            _ => *self = Needed::All,
        }
    }
}

/// The columns that a reader makes.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    /// Indices of the columns that are made, in order.
    needed: Vec<usize>,
    schema: SchemaRef,
}

impl Projection {
    /// All columns of a table.
    pub(crate) fn all(columns: &[TableColumn]) -> Self {
        let field = |c: &TableColumn| c.ty.arrow_field(&c.name).with_nullable(true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Projection { needed: (0..columns.len()).collect(), schema }
    }
    /// Those columns of which something is needed.
    ///
    /// # Errors
    /// Bug: there are not as many entries as columns.
    pub(crate) fn new(columns: &[TableColumn], needed: &[Needed]) -> Result<Self> {
        if needed.len() != columns.len() {
            return Err(Error::bug("a projection of other columns than the table has"));
        }
        let wanted = needed.iter().enumerate().filter(|(_, n)| **n != Needed::No);
        Ok(Projection { needed: wanted.map(|(i, _)| i).collect(), ..Self::all(columns) })
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
    /// All columns, from those that were made.
    pub(crate) fn apply(&self, made: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        if made.len() != self.needed.len() {
            return Err(Error::bug("a reader made other columns than are needed"));
        }
        let mut made = made.iter();
        let column = |(i, field): (usize, &Arc<arrow_schema::Field>)| {
            let made = if self.needs(i) { made.next() } else { None };
            made.cloned().unwrap_or_else(|| new_null_array(field.data_type(), rows))
        };
        Ok(self.schema.fields().iter().enumerate().map(column).collect())
    }
}
