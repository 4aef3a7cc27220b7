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

use std::rc::Rc;

use hashbrown::HashTable;
use millstream_core::{Either, Epoch, Result};
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output};

use super::{MAX_CANDIDATES, Pairs, StoredRow, evaluate, matchable, pair_schema, pick_wanted};
use crate::runtime::backing::{SlotState, States};
use crate::runtime::row::{RowCodec, hash_row};
use crate::runtime::spec::{JoinKind, JoinSide, JoinSpec};
use crate::runtime::state_table::{KeyTable, Reader, Slot, is_past, put_delimited};
use crate::runtime::{ChangeBatch, ChangeKind};

const STATES: [&str; 2] = ["join-left-rows", "join-right-rows"];

/// Rows of a key beyond which they are found by hash.
const INDEX_FROM: usize = 16;
/// Keys that a TTL sweep looks at in one batch.
const SWEEP_KEYS: usize = 64;

/// A stored row of one side.
#[derive(Clone, Debug)]
struct Entry {
    row: StoredRow,
    /// What identifies the row, if that is not all of it.
    id: Option<StoredRow>,
    /// How often the row is there.
    count: u32,
    /// Rows of the other side that match; kept for outer sides.
    partners: u32,
    touched_ms: i64,
}

impl Entry {
    fn id(&self) -> &[u8] {
        self.id.as_ref().unwrap_or(&self.row)
    }
}

/// The rows of one key.
#[derive(Clone, Debug, Default)]
struct Bag {
    entries: Vec<Entry>,
    /// Places, once there are many: found by the id.
    index: Option<Box<HashTable<Place>>>,
}

/// A place in a bag, with the hash of what is there.
#[derive(Clone, Debug)]
struct Place {
    hash: u64,
    at: u32,
}

impl Bag {
    fn find(&self, id: &[u8]) -> Option<usize> {
        let is = |at: usize| self.entries[at].id() == id;
        match &self.index {
            None => (0..self.entries.len()).find(|at| is(*at)),
            Some(index) => {
                let hash = hash_row(id);
                let found = index.find(hash, |p| p.hash == hash && is(p.at as usize));
                found.map(|place| place.at as usize)
            }
        }
    }
    fn push(&mut self, entry: Entry) {
        let at = self.entries.len();
        let known = self.index.as_ref().map(|_| hash_row(entry.id()));
        // Most bags stay small.
        if at == self.entries.capacity() {
            self.entries.reserve_exact(at.max(1));
        }
        self.entries.push(entry);
        let put = |index: &mut HashTable<Place>, hash, at: usize| {
            index.insert_unique(hash, Place { hash, at: at as u32 }, |place| place.hash);
        };
        match (&mut self.index, known) {
            (Some(index), Some(hash)) => put(index, hash, at),
            _ if at >= INDEX_FROM => {
                let mut index = Box::<HashTable<Place>>::default();
                for (at, entry) in self.entries.iter().enumerate() {
                    put(&mut index, hash_row(entry.id()), at);
                }
                self.index = Some(index);
            }
            _ => {}
        }
    }
    fn remove(&mut self, at: usize) {
        let last = self.entries.len() - 1;
        if let Some(index) = &mut self.index {
            let gone = hash_row(self.entries[at].id());
            if let Ok(place) = index.find_entry(gone, |p| p.at as usize == at) {
                place.remove();
            }
            let moves = hash_row(self.entries[last].id());
            if let Some(place) = index.find_mut(moves, |p| p.at as usize == last) {
                place.at = at as u32;
            }
        }
        self.entries.swap_remove(at);
    }
    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        if self.entries.iter().all(&keep) {
            return;
        }
        let entries = std::mem::take(self).entries;
        entries.into_iter().filter(|entry| keep(entry)).for_each(|entry| self.push(entry));
    }
}

/// One input with its stored rows.
struct Side {
    key_columns: Vec<usize>,
    key_codec: RowCodec,
    row_codec: RowCodec,
    id: Option<(Vec<usize>, RowCodec)>,
    ttl_ms: Option<i64>,
    /// Rows without a partner come out padded, or (semi, anti) depend on having one.
    counts_partners: bool,
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
            keys: KeyTable::default(),
            bags: Vec::new(),
            hand: 0,
        })
    }
    fn is_live(&self, entry: &Entry, now_ms: i64) -> bool {
        self.ttl_ms.is_none_or(|ttl| !is_past(entry.touched_ms, ttl, now_ms))
    }
    /// The rows of a key, to be changed.
    fn bag(&mut self, key: &[u8]) -> &mut Bag {
        let (slot, _) = self.keys.find_or_insert(hash_row(key), key);
        self.keys.changed(slot);
        self.bag_at(slot)
    }
    fn bag_at(&mut self, slot: Slot) -> &mut Bag {
        if self.bags.len() <= slot as usize {
            self.bags.resize(slot as usize + 1, Bag::default());
        }
        &mut self.bags[slot as usize]
    }
    fn add(&mut self, key: &[u8], row: &[u8], id: Option<&[u8]>, partners: u32, now_ms: i64) {
        let ttl_ms = self.ttl_ms;
        let bag = self.bag(key);
        match bag.find(id.unwrap_or(row)) {
            Some(place) => {
                let entry = &mut bag.entries[place];
                let expired = ttl_ms.is_some_and(|ttl| is_past(entry.touched_ms, ttl, now_ms));
                if id.is_some() || expired {
                    // The row with this id has new content.
                    entry.row = row.into();
                    entry.count = 1;
                } else {
                    entry.count += 1;
                }
                entry.partners = partners;
                entry.touched_ms = now_ms;
            }
            None => bag.push(Entry {
                row: row.into(),
                id: id.map(Rc::from),
                count: 1,
                partners,
                touched_ms: now_ms,
            }),
        }
    }
    fn retract(&mut self, key: &[u8], id: &[u8]) {
        let Some(slot) = self.keys.find(hash_row(key), key) else { return };
        let bag = &mut self.bags[slot as usize];
        let Some(place) = bag.find(id) else { return };
        self.keys.changed(slot);
        if bag.entries[place].count > 1 {
            bag.entries[place].count -= 1;
            return;
        }
        bag.remove(place);
        if bag.entries.is_empty() {
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
            let count = bag.entries.len();
            bag.retain(|entry| !is_past(entry.touched_ms, ttl, now_ms));
            if bag.entries.is_empty() {
                self.keys.remove(self.hand as Slot);
            } else if bag.entries.len() != count {
                self.keys.changed(self.hand as Slot);
            }
        }
    }
}

impl SlotState for Side {
    fn keys(&mut self) -> &mut KeyTable {
        &mut self.keys
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        let has_id = self.id.is_some();
        let bag = self.bag_at(slot);
        while !bytes.0.is_empty() {
            let row = bytes.delimited()?.into();
            let id = bytes.delimited()?;
            bag.push(Entry {
                row,
                id: has_id.then(|| id.into()),
                count: bytes.u32()?,
                partners: bytes.u32()?,
                touched_ms: bytes.i64()?,
            });
        }
        Ok(())
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        for entry in &self.bags[slot as usize].entries {
            put_delimited(out, &entry.row);
            put_delimited(out, entry.id.as_deref().unwrap_or_default());
            out.extend_from_slice(&entry.count.to_le_bytes());
            out.extend_from_slice(&entry.partners.to_le_bytes());
            out.extend_from_slice(&entry.touched_ms.to_le_bytes());
        }
        Ok(())
    }
    fn clear(&mut self, slot: Slot) {
        self.bags[slot as usize] = Bag::default();
    }
    /// When the time of every row is over.
    fn is_over(value: &[u8], ttl_ms: i64, now_ms: i64) -> bool {
        let mut bytes = Reader(value);
        let mut next_is_over = || -> Result<Option<bool>> {
            if bytes.0.is_empty() {
                return Ok(None);
            }
            let (_row, _id) = (bytes.delimited()?, bytes.delimited()?);
            let (_count, _partners) = (bytes.u32()?, bytes.u32()?);
            Ok(Some(is_past(bytes.i64()?, ttl_ms, now_ms)))
        };
        // What is damaged stays, for whoever reads it to say so.
        std::iter::from_fn(|| next_is_over().unwrap_or(Some(false))).all(|is_over| is_over)
    }
}

/// A row of the batch and a place in the other side's state: (row, slot, place).
type Candidate = (u32, Slot, u32);

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
        let ids = match &input.id {
            Some((columns, codec)) => Some(codec.encode(&batch.columns(columns)?, batch.len())?),
            None => None,
        };
        self.sides.iter_mut().try_for_each(|side| side.fetch(&keys))?;
        let mut start = 0;
        while start < batch.len() {
            let mut candidates: Vec<Candidate> = Vec::new();
            let mut end = start;
            while end < batch.len() && (end == start || candidates.len() < MAX_CANDIDATES) {
                if can_match[end] {
                    self.candidates(1 - side, end, keys.row(end), now_ms, &mut candidates);
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
                    key: keys.row(row),
                    bytes: rows.row(row),
                    id: ids.as_ref().map(|ids| ids.row(row)),
                    stored: *can_match || self.sides[side].counts_partners,
                };
                let matches = &matches[from..at];
                match (self.spec.kind.is_left_only(), side) {
                    (false, _) => self.change(side, &change, matches, now_ms, &mut pairs),
                    (true, 0) => self.change_left_only(&change, matches, now_ms, &mut pairs),
                    (true, _) => self.change_partner(&change, matches, now_ms, &mut pairs),
                }
            }
            if !pairs.is_empty() {
                let other = &self.sides[1 - side].row_codec;
                let left_only = self.spec.kind.is_left_only();
                out.emit(pairs.finish(batch, side == 0, other, left_only, &self.spec.output)?);
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
        key: &[u8],
        now_ms: i64,
        into: &mut Vec<Candidate>,
    ) {
        let other = &self.sides[other];
        let Some(slot) = other.keys.find(hash_row(key), key) else { return };
        for (place, entry) in other.bags[slot as usize].entries.iter().enumerate() {
            if other.is_live(entry, now_ms) {
                into.push((row as u32, slot, place as u32));
            }
        }
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
        let stored = candidates.iter().map(|(_, slot, place)| {
            Some(&*other.bags[*slot as usize].entries[*place as usize].row)
        });
        let wanted = |i| condition.reads(other_first + i);
        let stored = other.row_codec.decode_wanted(stored, wanted)?;
        let (left, right) = if side == 0 { (input, stored) } else { (stored, input) };
        let holds = evaluate(condition, &self.pair_schema, left, right, candidates.len())?;
        Ok(candidates.into_iter().zip(holds).filter(|(_, holds)| *holds).map(|(c, _)| c).collect())
    }
    fn entry(&self, side: usize, candidate: &Candidate) -> &Entry {
        &self.sides[side].bags[candidate.1 as usize].entries[candidate.2 as usize]
    }
    fn entry_mut(&mut self, side: usize, candidate: &Candidate) -> &mut Entry {
        self.sides[side].keys.changed(candidate.1);
        &mut self.sides[side].bags[candidate.1 as usize].entries[candidate.2 as usize]
    }
    fn store(&mut self, side: usize, change: &Change<'_>, partners: usize, now_ms: i64) {
        if change.stored {
            let partners = partners as u32;
            self.sides[side].add(change.key, change.bytes, change.id, partners, now_ms);
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
        out: &mut Pairs,
    ) {
        let other = 1 - side;
        let (outer, other_outer) =
            (self.sides[side].counts_partners, self.sides[other].counts_partners);
        let row = Some(change.row);
        if change.kind.is_add() {
            if other_outer {
                for candidate in matches {
                    let entry = self.entry_mut(other, candidate);
                    if entry.partners == 0 {
                        for _ in 0..entry.count {
                            out.push(ChangeKind::Delete, None, Some(entry.row.clone()));
                        }
                    }
                    entry.partners += 1;
                }
            }
            if outer && matches.is_empty() {
                out.push(ChangeKind::Insert, row, None);
            }
            let kind = if outer || other_outer { ChangeKind::Insert } else { change.kind };
            self.pairs(other, kind, row, matches, out);
            let partners = if outer { self.partner_count(other, matches) } else { 0 };
            self.store(side, change, partners, now_ms);
            return;
        }
        self.sides[side].retract(change.key, change.id.unwrap_or(change.bytes));
        if outer && matches.is_empty() {
            out.push(ChangeKind::Delete, row, None);
        }
        let kind = if outer { ChangeKind::Delete } else { change.kind };
        self.pairs(other, kind, row, matches, out);
        if other_outer {
            for candidate in matches {
                let entry = self.entry_mut(other, candidate);
                if entry.partners == 1 {
                    for _ in 0..entry.count {
                        out.push(ChangeKind::Insert, None, Some(entry.row.clone()));
                    }
                }
                entry.partners = entry.partners.saturating_sub(1);
            }
        }
    }
    fn pairs(
        &self,
        other: usize,
        kind: ChangeKind,
        row: Option<usize>,
        matches: &[Candidate],
        out: &mut Pairs,
    ) {
        for candidate in matches {
            let entry = self.entry(other, candidate);
            for _ in 0..entry.count {
                out.push(kind, row, Some(entry.row.clone()));
            }
        }
    }
    /// A left row of a semi or anti join.
    fn change_left_only(
        &mut self,
        change: &Change<'_>,
        matches: &[Candidate],
        now_ms: i64,
        out: &mut Pairs,
    ) {
        if matches.is_empty() == (self.spec.kind == JoinKind::Anti) {
            out.push(change.kind, Some(change.row), None);
        }
        if change.kind.is_add() {
            let partners = self.partner_count(1, matches);
            self.store(0, change, partners, now_ms);
        } else {
            self.sides[0].retract(change.key, change.id.unwrap_or(change.bytes));
        }
    }
    /// A right row of a semi or anti join.
    fn change_partner(
        &mut self,
        change: &Change<'_>,
        matches: &[Candidate],
        now_ms: i64,
        out: &mut Pairs,
    ) {
        let anti = self.spec.kind == JoinKind::Anti;
        let add = change.kind.is_add();
        match add {
            true => self.store(1, change, 0, now_ms),
            false => self.sides[1].retract(change.key, change.id.unwrap_or(change.bytes)),
        }
        let kind = match (anti, add) {
            (false, _) => change.kind,
            (true, true) => ChangeKind::Delete,
            (true, false) => ChangeKind::Insert,
        };
        for candidate in matches {
            let entry = self.entry_mut(0, candidate);
            if entry.partners == u32::from(!add) {
                for _ in 0..entry.count {
                    out.push(kind, None, Some(entry.row.clone()));
                }
            }
            entry.partners = match add {
                true => entry.partners + 1,
                false => entry.partners.saturating_sub(1),
            };
        }
    }
}

/// One row of a batch.
struct Change<'a> {
    row: usize,
    kind: ChangeKind,
    key: &'a [u8],
    bytes: &'a [u8],
    id: Option<&'a [u8]>,
    /// Whether it goes into state.
    stored: bool,
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
