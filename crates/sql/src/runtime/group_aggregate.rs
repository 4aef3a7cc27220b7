//! GROUP BY over an endless input, also SELECT DISTINCT.
//!
//! Behind an exchange by the grouping columns.
//!
//! A batch updates each of its groups once: -U with the result before the batch, +U with the
//! one after it. Flink emits after each row; the table that the changelog describes is the
//! same at the end of every batch.
//!
//! Invariants: a key has a slot exactly when its group was emitted and has rows; a group that
//! loses its last row forgets everything, even when new rows of it follow in the same batch.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use millstream_core::{Epoch, Error, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::agg::Aggregates;
use super::agg::user::UserFunctions;
use super::backing::{SlotState, States};
use super::change_batch::{arrow_bug, interleave_tables};
use super::row::{RowCodec, hash_row};
use super::spec::{AggFunction, GroupAggregateSpec};
use super::state_table::{Expiry, KeyTable, Reader, Slot};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "group-accumulators";

/// The operator of [`GroupAggregateSpec`].
pub struct GroupAggregate {
    // Configuration.
    spec: GroupAggregateSpec,
    key_codec: RowCodec,
    result_codec: RowCodec,
    /// Every added row changes the result, so it need not be compared.
    always_changes: bool,
    context: Option<OperatorContext>,
    // Checkpointed.
    states: Option<States>,
    keys: KeyTable,
    aggregates: Aggregates,
    /// Rows of each group; used only when rows can go.
    counts: Vec<i64>,
    expiry: Expiry,
    // Of the batch at hand.
    /// For each slot one more than its place in the list of touched groups; 0: none.
    places: Vec<u32>,
}

/// A group that the batch at hand changes.
struct Touched {
    /// Where its emitted result is; `None`: it has none.
    before: Option<Slot>,
    /// Where its result will be.
    after: Slot,
    /// A row of the batch with its key.
    row: u32,
}

/// The rows of a batch that count, and the groups that they change.
#[derive(Default)]
struct Work {
    rows: Vec<u32>,
    slots: Vec<Slot>,
    retract: Vec<bool>,
    touched: Vec<Touched>,
    /// Slots of groups that lost all rows before more came.
    replaced: Vec<Slot>,
}

impl GroupAggregate {
    /// With these functions of the user's own.
    ///
    /// # Errors
    /// Configuration: a function or a type is not supported.
    pub fn new(spec: GroupAggregateSpec, functions: &UserFunctions) -> Result<Self> {
        let key_columns: Vec<usize> = (0..spec.keys.len()).collect();
        let key_codec = RowCodec::of_columns(&spec.output, &key_columns)?;
        let results: Vec<usize> = (spec.keys.len()..spec.output.fields().len()).collect();
        let result_codec = RowCodec::of_columns(&spec.output, &results)?;
        let counts_all = |call: &super::spec::AggCall| {
            call.function == AggFunction::Count && call.args.is_empty() && call.filter.is_none()
        };
        Ok(GroupAggregate {
            always_changes: !spec.input_retracts && spec.calls.iter().any(counts_all),
            aggregates: Aggregates::new(&spec.calls, spec.input_retracts, functions)?,
            expiry: Expiry::new(spec.ttl_ms),
            key_codec,
            result_codec,
            context: None,
            states: None,
            keys: KeyTable::default(),
            counts: Vec::new(),
            places: Vec::new(),
            spec,
        })
    }
    /// Number of groups in state.
    pub fn group_count(&self) -> usize {
        self.keys.len()
    }
    fn grow(&mut self) {
        let slots = self.keys.capacity();
        if self.places.len() < slots {
            self.places.resize(slots, 0);
            self.counts.resize(slots, 0);
        }
    }
    fn forget(&mut self, slot: Slot) {
        self.keys.remove(slot);
        self.aggregates.clear(slot);
        self.counts[slot as usize] = 0;
    }
    /// Finds the group of each row, and leaves rows out that take from a group that is not.
    fn assign(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<Work> {
        let keys = self.key_codec.encode(&batch.columns(&self.spec.keys)?, batch.len())?;
        self.fetch(&keys)?;
        let mut work = Work::default();
        work.rows.reserve(batch.len());
        work.slots.reserve(batch.len());
        for (row, key) in keys.iter().enumerate() {
            let retract = self.spec.input_retracts && batch.kind(row).is_retract();
            let hash = hash_row(key);
            let found = match self.keys.find(hash, key) {
                Some(slot)
                    if self.places[slot as usize] == 0 && self.expiry.is_expired(slot, now_ms) =>
                {
                    self.forget(slot);
                    None
                }
                found => found,
            };
            let touch = |work: &mut Work, before, after| {
                work.touched.push(Touched { before, after, row: row as u32 });
                work.touched.len() as u32
            };
            let slot = match found {
                None if retract => continue,
                None => {
                    let slot = self.keys.find_or_insert(hash, key).0;
                    self.grow();
                    self.places[slot as usize] = touch(&mut work, None, slot);
                    slot
                }
                Some(slot) => match self.places[slot as usize] {
                    0 => {
                        self.places[slot as usize] = touch(&mut work, Some(slot), slot);
                        slot
                    }
                    place if self.spec.input_retracts && self.counts[slot as usize] == 0 => {
                        if retract {
                            continue;
                        }
                        let fresh = self.keys.renew(slot)?;
                        self.grow();
                        self.places[fresh as usize] = place;
                        work.touched[place as usize - 1].after = fresh;
                        work.replaced.push(slot);
                        fresh
                    }
                    _ => slot,
                },
            };
            if self.spec.input_retracts {
                self.counts[slot as usize] += if retract { -1 } else { 1 };
                work.retract.push(retract);
            }
            work.rows.push(row as u32);
            work.slots.push(slot);
        }
        Ok(work)
    }
    fn is_alive(&self, slot: Slot) -> bool {
        !self.spec.input_retracts || self.counts[slot as usize] > 0
    }
    /// The changes of the touched groups, from their results before and after.
    fn changes(
        &self,
        batch: &ChangeBatch,
        work: &Work,
        before: Option<&[ArrayRef]>,
        after: &[ArrayRef],
    ) -> Result<Option<ChangeBatch>> {
        let encode = |columns: &[ArrayRef]| {
            let rows = columns.first().map_or(0, |c| c.len());
            self.result_codec.encode(columns, rows)
        };
        let compare = !self.always_changes && !self.expiry.is_on();
        let encoded = match before {
            Some(before) if compare && !self.spec.calls.is_empty() => {
                Some((encode(before)?, encode(after)?))
            }
            _ => None,
        };
        // (0: before, 1: after; index), the row with the key, the kind.
        let (mut places, mut key_rows, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        let mut put = |place: (usize, usize), row: u32, kind: ChangeKind| {
            places.push(place);
            key_rows.push(row);
            kinds.push(kind);
        };
        let (mut old, mut new) = (0, 0);
        for group in &work.touched {
            let alive = self.is_alive(group.after);
            match (group.before, alive) {
                (None, true) => put((1, new), group.row, ChangeKind::Insert),
                (None, false) => {}
                (Some(_), false) => put((0, old), group.row, ChangeKind::Delete),
                (Some(_), true) => {
                    let same = match &encoded {
                        Some((before, after)) => before.row(old) == after.row(new),
                        None => compare && self.spec.calls.is_empty(),
                    };
                    if !same {
                        if self.spec.update_before {
                            put((0, old), group.row, ChangeKind::UpdateBefore);
                        }
                        put((1, new), group.row, ChangeKind::UpdateAfter);
                    }
                }
            }
            old += usize::from(group.before.is_some());
            new += usize::from(alive);
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let key_rows = UInt32Array::from(key_rows);
        let mut columns = Vec::with_capacity(self.spec.output.fields().len());
        for key in batch.columns(&self.spec.keys)? {
            columns.push(take(&key, &key_rows, None).map_err(arrow_bug)?);
        }
        columns.extend(interleave_tables([before.unwrap_or(after), after], &places)?);
        let rows = kinds.len();
        ChangeBatch::from_columns(self.spec.output.clone(), columns, rows, Some(kinds)).map(Some)
    }
}

impl Operator for GroupAggregate {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let mut states = context.keyed_states()?;
        self.restore(&mut states, context, STATE, self.expiry.ttl_ms())?;
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now_ms = self.expiry.now_ms(self.context.as_ref());
        for slot in self.expiry.sweep(now_ms) {
            if self.keys.is_used(slot) {
                self.forget(slot);
            }
        }
        if !self.spec.input_retracts && !batch.is_append() {
            return Err(Error::bug("an aggregate that was planned for +I got other changes"));
        }
        let work = self.assign(&batch, now_ms)?;
        self.aggregates.grow(self.keys.capacity());
        let before: Vec<Slot> = work.touched.iter().filter_map(|t| t.before).collect();
        // Not needed when the result surely changes and nobody wants the former one.
        let wanted = !self.always_changes || self.spec.update_before;
        let before = match wanted && !before.is_empty() {
            true => Some(self.aggregates.results(&before)?),
            false => None,
        };
        let retract = self.spec.input_retracts.then_some(work.retract.as_slice());
        self.aggregates.update(batch.rows().columns(), &work.rows, &work.slots, retract)?;
        let alive = work.touched.iter().map(|t| t.after).filter(|slot| self.is_alive(*slot));
        let after = self.aggregates.results(&alive.collect::<Vec<_>>())?;
        let changes = self.changes(&batch, &work, before.as_deref(), &after)?;
        for slot in work.replaced {
            self.places[slot as usize] = 0;
            self.counts[slot as usize] = 0;
            self.aggregates.clear(slot);
            self.keys.release(slot);
        }
        for group in work.touched {
            self.places[group.after as usize] = 0;
            match self.is_alive(group.after) {
                true => {
                    self.expiry.touch(group.after, now_ms);
                    self.keys.changed(group.after);
                }
                false => self.forget(group.after),
            }
        }
        if let Some(changes) = changes {
            out.emit(changes);
        }
        self.settle(batch.len(), 0)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.store(snapshot)?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

impl SlotState for GroupAggregate {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.grow();
        self.expiry.touch(slot, bytes.i64()?);
        self.counts[slot as usize] = bytes.i64()?;
        self.aggregates.read(slot, bytes)
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.expiry.touched_ms(slot).to_le_bytes());
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
        self.aggregates.write(slot, out)
    }
    fn clear(&mut self, slot: Slot) {
        self.expiry.forget(slot);
        self.counts[slot as usize] = 0;
        self.aggregates.clear(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::AggCall;
    use super::super::testing::{Harness, applied, schema};
    use super::*;
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;

    pub(crate) fn call(
        function: AggFunction,
        args: &[usize],
        ty: SqlType,
        result: SqlType,
    ) -> AggCall {
        let arg_types = args.iter().map(|_| ty.clone()).collect();
        AggCall { function, args: args.to_vec(), arg_types, distinct: false, filter: None, result }
    }
    fn input() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("v", SqlType::int())])
    }
    fn spec(retracts: bool) -> GroupAggregateSpec {
        let mut distinct = call(AggFunction::Count, &[1], SqlType::int(), SqlType::bigint());
        distinct.distinct = true;
        GroupAggregateSpec {
            keys: vec![0],
            calls: vec![
                call(AggFunction::Sum, &[1], SqlType::int(), SqlType::int()),
                call(AggFunction::Max, &[1], SqlType::int(), SqlType::int()),
                distinct,
            ],
            input_retracts: retracts,
            update_before: true,
            ttl_ms: None,
            output: schema(&[
                ("k", SqlType::string()),
                ("s", SqlType::int()),
                ("m", SqlType::int()),
                ("d", SqlType::bigint()),
            ]),
        }
    }
    fn operator(spec: GroupAggregateSpec) -> GroupAggregate {
        GroupAggregate::new(spec, &UserFunctions::default()).unwrap()
    }

    #[test]
    fn groups_come_change_and_stay_quiet_when_nothing_changes() {
        let mut h = Harness::new(operator(spec(false)));
        h.push(&input(), "+I a 1\n+I null 5\n+I a 2\n+I b null");
        assert_eq!(h.take(), ["+I a 3 2 2", "+I null 5 5 1", "+I b null null 0"]);
        h.push(&input(), "+I a 2\n+I b null");
        assert_eq!(h.take(), ["-U a 3 2 2", "+U a 5 2 2"]);
    }

    #[test]
    fn groups_lose_rows_vanish_and_come_back() {
        let mut h = Harness::new(operator(spec(true)));
        h.push(&input(), "+I a 1\n+I a 9\n-D x 3");
        assert_eq!(h.take(), ["+I a 10 9 2"]);
        h.push(&input(), "-D a 9");
        assert_eq!(h.take(), ["-U a 10 9 2", "+U a 1 1 1"]);
        // Gone and back within a batch, with an orphan in between.
        h.push(&input(), "-D a 1\n-D a 7\n+I a 4");
        assert_eq!(h.take(), ["-U a 1 1 1", "+U a 4 4 1"]);
        h.push(&input(), "-D a 4");
        assert_eq!(h.take(), ["-D a 4 4 1"]);
        h.push(&input(), "+I a 4\n-D a 4");
        assert_eq!(h.take(), [""; 0]);
        assert_eq!(h.operator().group_count(), 0);
    }

    #[test]
    fn without_update_before_only_new_results_come() {
        let mut h =
            Harness::new(operator(GroupAggregateSpec { update_before: false, ..spec(false) }));
        h.push_each(&input(), "+I a 1\n+I a 2");
        assert_eq!(h.take(), ["+I a 1 1 1", "+U a 3 2 2"]);
    }

    #[test]
    fn distinct_rows_come_once() {
        let mut h = Harness::new(operator(GroupAggregateSpec {
            keys: vec![0, 1],
            calls: vec![],
            output: input(),
            ..spec(false)
        }));
        h.push(&input(), "+I a 1\n+I a 1\n+I null null")
            .push(&input(), "+I a 1\n+I null null\n+I b 1");
        assert_eq!(h.take(), ["+I a 1", "+I null null", "+I b 1"]);
    }

    #[test]
    fn state_comes_back_at_another_parallelism() {
        let mut h = Harness::new(operator(spec(true)));
        h.push(&input(), "+I a 1\n+I b 2\n+I c 3\n+I d 4\n+I a 5");
        let mut table = h.take();
        let former = vec![h.snapshot()];
        let mut parts: Vec<_> =
            (0..2).map(|i| Harness::at(operator(spec(true)), i, 2, former.clone())).collect();
        assert_eq!(parts.iter().map(|p| p.operator().group_count()).sum::<usize>(), 4);
        for line in ["-D a 1", "+I b 1", "-D c 3", "+I d 9"] {
            // Whoever owns the group knows it; the other sees a new one.
            let outputs: Vec<Vec<String>> = parts
                .iter_mut()
                .map(|part| {
                    part.push(&input(), line);
                    part.take()
                })
                .collect();
            let known = outputs.into_iter().find(|o| o.iter().any(|l| !l.starts_with("+I")));
            table.extend(known.unwrap());
        }
        assert_eq!(applied(&table), ["a 5 5 1", "b 3 2 2", "d 13 9 2"]);
    }

    #[test]
    fn groups_are_forgotten_after_the_ttl() {
        let mut h = Harness::new(operator(GroupAggregateSpec { ttl_ms: Some(100), ..spec(false) }));
        h.push(&input(), "+I a 1\n+I b 1");
        h.time(60).push(&input(), "+I a 1");
        h.take();
        h.time(120).push(&input(), "+I a 1\n+I b 1");
        assert_eq!(h.take(), ["-U a 2 1 1", "+U a 3 1 1", "+I b 1 1 1"]);
        h.time(500).push(&input(), "+I c 1");
        assert_eq!(h.operator().group_count(), 1, "memory is given back without a look-up");
    }
}
