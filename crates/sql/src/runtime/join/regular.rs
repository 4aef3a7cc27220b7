//! Updating join: inner, left, right, full, semi and anti, over changelogs of any kind.
//!
//! ```text
//!   left row  ──key──> stored right rows that match ──> pairs
//!             └──────> stored with the number of its partners (left side of an outer join)
//! ```
//! Behind exchanges of both inputs by the join key.
//!
//! The changes are Flink's, row by row: a row that finds its first partner takes its padded
//! form back (-D), one that loses its last partner gets it again (+I).
//!
//! Invariants: a stored row of an outer side knows how many stored rows of the other side
//! match it; rows whose key cannot match are stored only where they come out padded.
//! Source: Flink's `StreamingJoinOperator`.

use std::sync::Arc;

use millstream_core::{Either, Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::bag::{Bag, Entry, Place};
use super::{MAX_CANDIDATES, Pairs, evaluate, matchable, pair_schema, pick_wanted};
use crate::runtime::backing::{SlotState, States};
use crate::runtime::row::{RowCodec, Rows, hash_row};
use crate::runtime::spec::{JoinKind, JoinSide, JoinSpec};
use crate::runtime::state_table::{KeyTable, Reader, Slot, is_past};
use crate::runtime::{ChangeBatch, ChangeKind};

const STATES: [&str; 2] = ["join-left-rows", "join-right-rows"];

/// Keys that a TTL sweep looks at in one batch.
const SWEEP_KEYS: usize = 64;
/// Identifies the one row of an input whose key has no columns.
const ONLY_ROW: &[u8] = &[0];

/// One input with its stored rows.
struct Side {
    key_columns: Vec<usize>,
    key_codec: RowCodec,
    row_codec: RowCodec,
    id: Option<(Vec<usize>, RowCodec)>,
    ttl_ms: Option<i64>,
    /// Rows without a partner come out padded, or (semi, anti) depend on having one.
    counts_partners: bool,
    /// No row is ever taken back.
    appends: bool,
    keys: KeyTable,
    bags: Vec<Bag>,
    hand: usize,
}

impl Side {
    fn new(side: &JoinSide, key_columns: &[usize], counts_partners: bool) -> Result<Self> {
        let id = match &side.unique_key {
            Some(columns) => Some((columns.clone(), RowCodec::of_columns(&side.schema, columns)?)),
            None => None,
        };
        Ok(Side {
            key_columns: key_columns.to_vec(),
            key_codec: RowCodec::of_columns(&side.schema, key_columns)?,
            row_codec: RowCodec::of_schema(&side.schema)?,
            id,
            ttl_ms: side.ttl_ms.filter(|ttl| *ttl > 0),
            counts_partners,
            appends: side.appends,
            keys: KeyTable::default(),
            bags: Vec::new(),
            hand: 0,
        })
    }
    fn is_live(&self, entry: &Entry<'_>, now_ms: i64) -> bool {
        self.ttl_ms.is_none_or(|ttl| !is_past(entry.touched_ms, ttl, now_ms))
    }
    /// What identifies the rows of a batch, if that is not all of them.
    fn ids(&self, batch: &ChangeBatch) -> Result<Option<Rows>> {
        let Some((columns, codec)) = &self.id else { return Ok(None) };
        codec.encode(&batch.columns(columns)?, batch.len()).map(Some)
    }
    /// Brings the bags of these keys near, all at once: rows will be put into them.
    fn approach(&self, hashes: &[u64], keys: &Rows) {
        let find = |(key, hash): (&[u8], &u64)| self.keys.find(*hash, key);
        let known = keys.iter().zip(hashes).filter_map(find);
        std::hint::black_box(known.map(|slot| self.bags[slot as usize].len()).sum::<usize>());
    }
    /// The rows of a key, to be changed.
    fn bag(&mut self, hash: u64, key: &[u8]) -> &mut Bag {
        let (slot, _) = self.keys.find_or_insert(hash, key);
        self.keys.changed(slot);
        self.bag_at(slot)
    }
    fn bag_at(&mut self, slot: Slot) -> &mut Bag {
        if self.bags.len() <= slot as usize {
            self.bags.resize(slot as usize + 1, Bag::default());
        }
        &mut self.bags[slot as usize]
    }
    fn add(&mut self, change: &Change<'_>, partners: u32, now_ms: i64) -> Result<()> {
        let (ttl_ms, appends) = (self.ttl_ms, self.appends);
        let bag = self.bag(change.hash, change.key);
        let (row, id) = (change.bytes, change.id.unwrap_or_default());
        // Nobody takes rows back from an input that only adds: alike ones may stand side by side.
        let known = if appends { None } else { bag.find(change.identity()) };
        let Some(place) = known else { return bag.push(row, id, 1, partners, now_ms) };
        let entry = bag.entry(place);
        let expired = ttl_ms.is_some_and(|ttl| is_past(entry.touched_ms, ttl, now_ms));
        let replaces = !id.is_empty() || expired;
        let count = if replaces { 1 } else { entry.count + 1 };
        if replaces && entry.row != row {
            // The row with this id has new content.
            bag.remove(place);
            return bag.push(row, id, 1, partners, now_ms);
        }
        bag.set(place, count, partners, now_ms);
        Ok(())
    }
    fn retract(&mut self, change: &Change<'_>) {
        let Some(slot) = self.keys.find(change.hash, change.key) else { return };
        let bag = &mut self.bags[slot as usize];
        let Some(place) = bag.find(change.identity()) else { return };
        self.keys.changed(slot);
        let Entry { count, partners, touched_ms, .. } = bag.entry(place);
        if count > 1 {
            bag.set(place, count - 1, partners, touched_ms);
            return;
        }
        bag.remove(place);
        if bag.is_empty() {
            *bag = Bag::default();
            self.keys.remove(slot);
        }
    }
    /// Gives memory of some expired rows back.
    fn sweep(&mut self, now_ms: i64) {
        let Some(ttl) = self.ttl_ms else { return };
        for _ in 0..SWEEP_KEYS.min(self.bags.len()) {
            self.hand = if self.hand + 1 >= self.bags.len() { 0 } else { self.hand + 1 };
            let bag = &mut self.bags[self.hand];
            let count = bag.len();
            bag.retain(|entry| !is_past(entry.touched_ms, ttl, now_ms));
            if bag.is_empty() {
                self.keys.remove(self.hand as Slot);
            } else if bag.len() != count {
                self.keys.changed(self.hand as Slot);
            }
        }
    }
}

impl SlotState for Side {
    /// A bag is its stored form.
    const DECODED_FACTOR: usize = 1;

    fn keys(&mut self) -> &mut KeyTable {
        &mut self.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        *self.bag_at(slot) = Bag::read(bytes.0)?;
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(self.bags[slot as usize].bytes());
        Ok(())
    }
    fn share(&mut self, slot: Slot) -> Option<Arc<Vec<u8>>> {
        Some(self.bags[slot as usize].share())
    }
    fn clear(&mut self, slot: Slot) {
        self.bags[slot as usize] = Bag::default();
    }
    fn is_over(value: &[u8], ttl_ms: i64, now_ms: i64) -> bool {
        Bag::is_over(value, |touched_ms| is_past(touched_ms, ttl_ms, now_ms))
    }
}

/// A row of the batch and a place in the other side's state: (row, slot, place).
type Candidate = (u32, Slot, Place);
/// Where a row of the other side is, for output that is being built: it stays there meanwhile,
/// only the state of the batch's own side moves.
type StoredAt = (Slot, Place);

fn at(candidate: &Candidate) -> Option<StoredAt> {
    Some((candidate.1, candidate.2))
}

/// The operator of [`JoinSpec`].
pub struct Join {
    // Configuration.
    spec: JoinSpec,
    pair_schema: arrow_schema::SchemaRef,
    context: Option<OperatorContext>,
    // Checkpointed: left and right.
    states: Option<States>,
    sides: [Side; 2],
}

impl Join {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept in state.
    pub fn new(spec: JoinSpec) -> Result<Self> {
        let left_counts = spec.kind.keeps_left() || spec.kind.is_left_only();
        Ok(Join {
            pair_schema: pair_schema(&spec.left.schema, &spec.right.schema),
            context: None,
            states: None,
            sides: [
                Side::new(&spec.left, &spec.keys.left, left_counts)?,
                Side::new(&spec.right, &spec.keys.right, spec.kind.keeps_right())?,
            ],
            spec,
        })
    }
    /// Number of keys with rows, left and right.
    pub fn key_counts(&self) -> [usize; 2] {
        [self.sides[0].keys.len(), self.sides[1].keys.len()]
    }
    fn process(
        &mut self,
        side: usize,
        batch: &ChangeBatch,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let timed = self.sides.iter().any(|side| side.ttl_ms.is_some());
        let now_ms = match &self.context {
            Some(context) if timed => context.clock.now_ms(),
            _ => 0,
        };
        self.sides.iter_mut().for_each(|side| side.sweep(now_ms));
        let input = &self.sides[side];
        let key_columns = batch.columns(&input.key_columns)?;
        let can_match = matchable(&key_columns, &self.spec.keys.filter_nulls, batch.len());
        let keys = input.key_codec.encode(&key_columns, batch.len())?;
        let rows = input.row_codec.encode(batch.rows().columns(), batch.len())?;
        let ids = input.ids(batch)?;
        self.sides.iter_mut().try_for_each(|side| side.fetch(&keys))?;
        let hashes: Vec<u64> = keys.iter().map(hash_row).collect();
        // All at once: the processor waits for many keys at a time.
        let other = &self.sides[1 - side].keys;
        let find = |row: usize| other.find(hashes[row], keys.row(row));
        let partners: Vec<Option<Slot>> =
            (0..batch.len()).map(|row| can_match[row].then(|| find(row)).flatten()).collect();
        self.sides[side].approach(&hashes, &keys);
        let mut start = 0;
        while start < batch.len() {
            let mut candidates: Vec<Candidate> = Vec::new();
            let mut end = start;
            while end < batch.len() && (end == start || candidates.len() < MAX_CANDIDATES) {
                if let Some(slot) = partners[end] {
                    self.candidates(1 - side, end, slot, now_ms, &mut candidates);
                }
                end += 1;
            }
            let matches = self.residual(side, batch, candidates)?;
            let mut pairs = Pairs::default();
            let mut at = 0;
            for (row, can_match) in can_match.iter().enumerate().take(end).skip(start) {
                let from = at;
                while at < matches.len() && matches[at].0 as usize == row {
                    at += 1;
                }
                let change = Change {
                    row,
                    kind: batch.kind(row),
                    hash: hashes[row],
                    key: keys.row(row),
                    bytes: rows.row(row),
                    id: ids.as_ref().map(|ids| match ids.row(row) {
                        [] => ONLY_ROW,
                        id => id,
                    }),
                    stored: *can_match || self.sides[side].counts_partners,
                };
                let matches = &matches[from..at];
                match (self.spec.kind.is_left_only(), side) {
                    (false, _) => self.change(side, &change, matches, now_ms, &mut pairs)?,
                    (true, 0) => self.change_left_only(&change, matches, now_ms, &mut pairs)?,
                    (true, _) => self.change_partner(&change, matches, now_ms, &mut pairs)?,
                }
            }
            if !pairs.is_empty() {
                let other = &self.sides[1 - side];
                let stored = |at: &StoredAt| other.bags[at.0 as usize].entry(at.1).row;
                let (input_is_left, left_only) = (side == 0, self.spec.kind.is_left_only());
                let (codec, output) = (&other.row_codec, &self.spec.output);
                out.emit(pairs.finish(batch, input_is_left, codec, stored, left_only, output)?);
            }
            start = end;
        }
        self.sides[side].settle(batch.len(), rows.byte_count())?;
        self.sides[1 - side].settle(0, 0)
    }
    fn candidates(
        &self,
        other: usize,
        row: usize,
        slot: Slot,
        now_ms: i64,
        into: &mut Vec<Candidate>,
    ) {
        let other = &self.sides[other];
        let entries = other.bags[slot as usize].iter();
        let live = entries.filter(|entry| other.is_live(entry, now_ms));
        into.extend(live.map(|entry| (row as u32, slot, entry.place)));
    }
    /// The candidates for which the rest of the condition holds.
    fn residual(
        &self,
        side: usize,
        batch: &ChangeBatch,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>> {
        let Some(condition) = &self.spec.condition else { return Ok(candidates) };
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let chosen: Vec<Option<u32>> = candidates.iter().map(|(row, ..)| Some(*row)).collect();
        let other = &self.sides[1 - side];
        // Where the columns of both are in a pair.
        let (width, other_width) = (batch.rows().num_columns(), other.row_codec.width());
        let (first, other_first) = if side == 0 { (0, width) } else { (other_width, 0) };
        let input = pick_wanted(batch.rows().columns(), &chosen, |i| condition.reads(first + i))?;
        let stored = candidates
            .iter()
            .map(|(_, slot, place)| Some(other.bags[*slot as usize].entry(*place).row));
        let wanted = |i| condition.reads(other_first + i);
        let stored = other.row_codec.decode_wanted(stored, wanted)?;
        let (left, right) = if side == 0 { (input, stored) } else { (stored, input) };
        let holds = evaluate(condition, &self.pair_schema, left, right, candidates.len())?;
        Ok(candidates.into_iter().zip(holds).filter(|(_, holds)| *holds).map(|(c, _)| c).collect())
    }
    fn entry(&self, side: usize, candidate: &Candidate) -> Entry<'_> {
        self.sides[side].bags[candidate.1 as usize].entry(candidate.2)
    }
    fn set_partners(&mut self, side: usize, candidate: &Candidate, partners: u32) {
        self.sides[side].keys.changed(candidate.1);
        self.sides[side].bags[candidate.1 as usize].set_partners(candidate.2, partners);
    }
    fn store(
        &mut self,
        side: usize,
        change: &Change<'_>,
        partners: usize,
        now_ms: i64,
    ) -> Result<()> {
        match change.stored {
            true => self.sides[side].add(change, partners as u32, now_ms),
            false => Ok(()),
        }
    }
    /// Rows of a match, as often as they are there.
    fn partner_count(&self, side: usize, matches: &[Candidate]) -> usize {
        matches.iter().map(|m| self.entry(side, m).count as usize).sum()
    }
    /// A row of an inner or outer join.
    fn change(
        &mut self,
        side: usize,
        change: &Change<'_>,
        matches: &[Candidate],
        now_ms: i64,
        out: &mut Pairs<StoredAt>,
    ) -> Result<()> {
        let other = 1 - side;
        let (outer, other_outer) =
            (self.sides[side].counts_partners, self.sides[other].counts_partners);
        let row = Some(change.row);
        if change.kind.is_add() {
            if other_outer {
                for candidate in matches {
                    let Entry { count, partners, .. } = self.entry(other, candidate);
                    if partners == 0 {
                        out.push_times(count, ChangeKind::Delete, None, at(candidate));
                    }
                    self.set_partners(other, candidate, partners + 1);
                }
            }
            if outer && matches.is_empty() {
                out.push(ChangeKind::Insert, row, None);
            }
            let kind = if outer || other_outer { ChangeKind::Insert } else { change.kind };
            self.pairs(other, kind, row, matches, out);
            let partners = if outer { self.partner_count(other, matches) } else { 0 };
            return self.store(side, change, partners, now_ms);
        }
        self.sides[side].retract(change);
        if outer && matches.is_empty() {
            out.push(ChangeKind::Delete, row, None);
        }
        let kind = if outer { ChangeKind::Delete } else { change.kind };
        self.pairs(other, kind, row, matches, out);
        if other_outer {
            for candidate in matches {
                let Entry { count, partners, .. } = self.entry(other, candidate);
                if partners == 1 {
                    out.push_times(count, ChangeKind::Insert, None, at(candidate));
                }
                self.set_partners(other, candidate, partners.saturating_sub(1));
            }
        }
        Ok(())
    }
    fn pairs(
        &self,
        other: usize,
        kind: ChangeKind,
        row: Option<usize>,
        matches: &[Candidate],
        out: &mut Pairs<StoredAt>,
    ) {
        for candidate in matches {
            out.push_times(self.entry(other, candidate).count, kind, row, at(candidate));
        }
    }
    /// A left row of a semi or anti join.
    fn change_left_only(
        &mut self,
        change: &Change<'_>,
        matches: &[Candidate],
        now_ms: i64,
        out: &mut Pairs<StoredAt>,
    ) -> Result<()> {
        if matches.is_empty() == (self.spec.kind == JoinKind::Anti) {
            out.push(change.kind, Some(change.row), None);
        }
        if change.kind.is_add() {
            let partners = self.partner_count(1, matches);
            return self.store(0, change, partners, now_ms);
        }
        self.sides[0].retract(change);
        Ok(())
    }
    /// A right row of a semi or anti join.
    fn change_partner(
        &mut self,
        change: &Change<'_>,
        matches: &[Candidate],
        now_ms: i64,
        out: &mut Pairs<StoredAt>,
    ) -> Result<()> {
        let anti = self.spec.kind == JoinKind::Anti;
        let add = change.kind.is_add();
        match add {
            true => self.store(1, change, 0, now_ms)?,
            false => self.sides[1].retract(change),
        }
        let kind = match (anti, add) {
            (false, _) => change.kind,
            (true, true) => ChangeKind::Delete,
            (true, false) => ChangeKind::Insert,
        };
        for candidate in matches {
            let Entry { count, partners, .. } = self.entry(0, candidate);
            if partners == u32::from(!add) {
                out.push_times(count, kind, None, at(candidate));
            }
            let partners = if add { partners + 1 } else { partners.saturating_sub(1) };
            self.set_partners(0, candidate, partners);
        }
        Ok(())
    }
}

/// One row of a batch.
struct Change<'a> {
    row: usize,
    kind: ChangeKind,
    hash: u64,
    key: &'a [u8],
    bytes: &'a [u8],
    id: Option<&'a [u8]>,
    /// Whether it goes into state.
    stored: bool,
}

impl<'a> Change<'a> {
    fn identity(&self) -> &'a [u8] {
        self.id.unwrap_or(self.bytes)
    }
}

impl Operator for Join {
    type In = Either<ChangeBatch, ChangeBatch>;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        let mut states = context.keyed_states()?;
        for (side, name) in self.sides.iter_mut().zip(STATES) {
            side.restore(&mut states, context, name, side.ttl_ms)?;
        }
        self.states = Some(states);
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: Self::In, out: &mut Output<ChangeBatch>) -> Result<()> {
        match batch {
            Either::Left(batch) => self.process(0, &batch, out),
            Either::Right(batch) => self.process(1, &batch, out),
        }
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        self.sides.iter_mut().try_for_each(|side| side.store(snapshot))?;
        self.states.iter().try_for_each(|states| states.snapshot(snapshot))
    }
}

#[cfg(test)]
#[path = "regular_tests.rs"]
mod tests;
