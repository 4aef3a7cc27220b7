//! Joins of two streams.
//!
//! | module | join |
//! |---|---|
//! | [`regular`] | updating join without a bound in time; its rows lie in [`bag`]s |
//! | [`interval`] | rows whose times lie near each other |
//! | [`window`] | rows in the same window |
//! | [`temporal`] | rows with the version of their time |
//! | [`lookup`] | rows with an outside table |
//!
//! All of them find candidate pairs by key bytes, put the pairs of a batch into one
//! RecordBatch to evaluate the rest of the condition, and build their output from columns of
//! the input and decoded rows of state.

mod bag;
pub mod interval;
pub mod lookup;
pub mod regular;
pub mod temporal;
pub mod window;

use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take;
use millstream_core::Result;

use super::change_batch::arrow_bug;
use super::row::RowCodec;
use super::spec::Predicate;
use super::{ChangeBatch, ChangeKind};

/// A row in state, shared with output that is being built.
pub(crate) type StoredRow = Rc<[u8]>;

/// Candidate pairs that are looked at in one go.
const MAX_CANDIDATES: usize = 32 * 1024;

/// The columns of both sides; what a residual condition sees.
pub(crate) fn pair_schema(left: &Schema, right: &Schema) -> SchemaRef {
    let nullable = |f: &Arc<arrow_schema::Field>| f.as_ref().clone().with_nullable(true);
    let fields = left.fields.iter().chain(right.fields.iter()).map(nullable);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// For each row whether its key can match: no NULL in a column that compares with `=`.
pub(crate) fn matchable(keys: &[ArrayRef], filter_nulls: &[bool], rows: usize) -> Vec<bool> {
    let mut can = vec![true; rows];
    for (key, filter) in keys.iter().zip(filter_nulls) {
        if let (true, Some(nulls)) = (*filter, key.logical_nulls()) {
            can.iter_mut().enumerate().for_each(|(row, can)| *can &= nulls.is_valid(row));
        }
    }
    can
}

/// Picks rows of columns; `None` is a row of NULLs.
pub(crate) fn pick(columns: &[ArrayRef], rows: &[Option<u32>]) -> Result<Vec<ArrayRef>> {
    pick_wanted(columns, rows, |_| true)
}

/// As [`pick`], with NULLs in columns that are not `wanted`.
pub(crate) fn pick_wanted(
    columns: &[ArrayRef],
    rows: &[Option<u32>],
    wanted: impl Fn(usize) -> bool,
) -> Result<Vec<ArrayRef>> {
    let indices = UInt32Array::from_iter(rows.iter().copied());
    let of = |(i, column): (usize, &ArrayRef)| match wanted(i) {
        true => take(column, &indices, None).map_err(arrow_bug),
        false => Ok(new_null_array(column.data_type(), rows.len())),
    };
    columns.iter().enumerate().map(of).collect()
}

/// For each pair of columns whether the condition holds.
pub(crate) fn evaluate(
    condition: &Predicate,
    schema: &SchemaRef,
    left: Vec<ArrayRef>,
    right: Vec<ArrayRef>,
    pairs: usize,
) -> Result<Vec<bool>> {
    let columns = left.into_iter().chain(right).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(pairs));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
    let holds = condition.evaluate(&rows.map_err(arrow_bug)?)?;
    Ok((0..pairs).map(|i| holds.is_valid(i) && holds.value(i)).collect())
}

/// Output under construction: rows of the input batch beside rows of the other side's state,
/// or where those are.
pub(crate) struct Pairs<S> {
    kinds: Vec<ChangeKind>,
    input: Vec<Option<u32>>,
    stored: Vec<Option<S>>,
}

impl<S> Default for Pairs<S> {
    fn default() -> Self {
        Pairs { kinds: Vec::new(), input: Vec::new(), stored: Vec::new() }
    }
}

impl<S: Clone> Pairs<S> {
    pub(crate) fn push(&mut self, kind: ChangeKind, input: Option<usize>, stored: Option<S>) {
        self.kinds.push(kind);
        self.input.push(input.map(|row| row as u32));
        self.stored.push(stored);
    }
    pub(crate) fn push_times(
        &mut self,
        times: u32,
        kind: ChangeKind,
        input: Option<usize>,
        stored: Option<S>,
    ) {
        for _ in 0..times {
            self.push(kind, input, stored.clone());
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
    /// The output batch. `row` gives the bytes of what is stored; `left_only`: the batch has no
    /// columns of the right side.
    pub(crate) fn finish<'a>(
        &'a self,
        batch: &ChangeBatch,
        input_is_left: bool,
        stored_codec: &RowCodec,
        row: impl Fn(&'a S) -> &'a [u8],
        left_only: bool,
        output: &SchemaRef,
    ) -> Result<ChangeBatch> {
        let input = || pick(batch.rows().columns(), &self.input);
        let stored = || stored_codec.decode(self.stored.iter().map(|s| s.as_ref().map(&row)));
        let columns = match (input_is_left, left_only) {
            (true, true) => input()?,
            (false, true) => stored()?,
            (true, false) => [input()?, stored()?].concat(),
            (false, false) => [stored()?, input()?].concat(),
        };
        let rows = self.kinds.len();
        ChangeBatch::from_columns(output.clone(), columns, rows, Some(self.kinds.clone()))
    }
}
