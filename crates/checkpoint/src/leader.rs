//! Terms, and the log of what was published: who may decide, and what was decided.
//!
//! A job's log is a row of objects with the numbers 1, 2, 3, ..., each created once and
//! never changed. The only thing asked of storage is *create if absent*.
//!
//! ```text
//!   1 Claim(term 1)  2 Published(e1)  3 Published(e2)  4 Claim(term 2)  5 Published(e3) ...
//!                                                      ^
//!                     the leader of term 1 wants to append 4 as well: it is fenced
//! ```
//!
//! A claim counts when a look at the log *after* its creation shows nothing behind it. (Who
//! has looked before, and was slow, may find its number free again because an old
//! publication was deleted there. The newest entry is never deleted, so that look tells.)
//!
//! An entry is appended by creating the object behind the last one that the leader has seen.
//! Whoever leads next begins with a claim, which takes just that number: an older leader
//! can never publish again, however late its request arrives. Creating an entry is the
//! commit point of a checkpoint.
//!
//! Invariants: once somebody leads, no older term publishes any more; an entry counts as ours only when it was read back or its creation was
//! confirmed. Old `Published` entries may be deleted, claims never: the entry that follows
//! the last one of a term is a claim, so a fenced leader stays fenced for ever.
//!
//! Pure: [`LeaderLog`] says which operation comes next, a driver carries it out.

use crate::planted::{self, Bug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Begin of a term. `nonce` tells two claimants of one term apart.
    Claim {
        /// The term.
        term: u64,
        /// Random.
        nonce: u64,
    },
    /// A checkpoint (or a savepoint that stops the job) from which a restart may begin.
    Published {
        /// Whose.
        term: u64,
        /// Which.
        epoch: u64,
        /// Where its folder is: the job's own when `None`.
        directory: Option<String>,
        /// The folder of its manifest.
        folder: String,
        /// blake3 of the manifest.
        checksum: [u8; 32],
    },
    /// The job has ended well, or was cancelled for good: nothing before is to be restored.
    Finished {
        /// Whose.
        term: u64,
    },
}

impl Record {
    /// The term of its writer.
    pub fn term(&self) -> u64 {
        match self {
            Record::Claim { term, .. }
            | Record::Published { term, .. }
            | Record::Finished { term } => *term,
        }
    }
}

/// What the log wants of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The numbers of all entries.
    List,
    /// One entry.
    Read(u64),
    /// Create this entry if there is none of its number.
    Create(u64, Record),
}

/// What storage says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `List`.
    Listed(Vec<u64>),
    /// To `Read`.
    Found(Record),
    /// To `Read`: there is none.
    Missing,
    /// To `Create`.
    Created,
    /// To `Create`: there is one already, perhaps ours.
    Exists,
    /// To anything: no answer, or one that leaves open what has happened.
    Unknown,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Carry this out and tell the answer. The same as before after an `Unknown`: wait a bit.
    Do(Op),
    /// We lead.
    Leads,
    /// Our entry is in the log.
    Appended,
    /// Somebody else leads, and our entry is not in the log, and never will be.
    Fenced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    Listing,
    Reading(Vec<u64>),
    Claiming,
    /// The claim is in: is it the last entry?
    Looking,
    Appending(Record),
}

/// One leader's view of the log. See the module.
///
/// ```
/// use millstream_checkpoint::leader::*;
/// let (mut log, op) = LeaderLog::claim(7);
/// assert_eq!(op, Op::List);
/// let claim = Record::Claim { term: 1, nonce: 7 };
/// assert_eq!(log.answer(Answer::Listed(vec![])), Step::Do(Op::Create(1, claim.clone())));
/// // No answer: is it there?
/// assert_eq!(log.answer(Answer::Unknown), Step::Do(Op::Read(1)));
/// assert_eq!(log.answer(Answer::Found(claim)), Step::Do(Op::List));
/// assert_eq!(log.answer(Answer::Listed(vec![1])), Step::Leads);
/// assert_eq!(log.term(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct LeaderLog {
    nonce: u64,
    term: u64,
    /// The number that the next entry takes.
    next: u64,
    entries: BTreeMap<u64, Record>,
    doing: Doing,
}

impl LeaderLog {
    /// Begins to claim the next term; `nonce` is random.
    pub fn claim(nonce: u64) -> (Self, Op) {
        let entries = BTreeMap::new();
        (LeaderLog { nonce, term: 0, next: 1, entries, doing: Doing::Listing }, Op::List)
    }

    /// Our term, once we lead.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Every entry that was seen, by number.
    pub fn entries(&self) -> &BTreeMap<u64, Record> {
        &self.entries
    }

    /// The recovery points in order, the newest last: publications since the job last ended.
    pub fn published(&self) -> impl DoubleEndedIterator<Item = (u64, &Record)> {
        let end = self.last_end();
        let counts = move |(seq, r): &(u64, &Record)| {
            matches!(r, Record::Published { .. }) && Some(*seq) > end
        };
        self.entries.iter().map(|(seq, r)| (*seq, r)).filter(counts)
    }

    fn last_end(&self) -> Option<u64> {
        let ends = |(_, r): &(&u64, &Record)| matches!(r, Record::Finished { .. });
        self.entries.iter().rev().find(ends).map(|(seq, _)| *seq)
    }

    /// Whether the job has ended, and nothing was published since.
    pub fn is_finished(&self) -> bool {
        self.last_end().is_some() && self.published().next().is_none()
    }

    /// Begins to append an entry. One at a time, and only by who leads.
    pub fn append(&mut self, record: Record) -> Op {
        self.doing = Doing::Appending(record.clone());
        Op::Create(self.next, record)
    }

    /// Forgets entries that the driver deletes: publications of earlier epochs, and those
    /// before the job last ended. Claims stay, and so does the newest entry.
    pub fn deletable(&mut self, before_epoch: u64) -> Vec<u64> {
        let newest = self.entries.keys().next_back().copied();
        let end = self.last_end();
        let old = |(seq, record): (&u64, &Record)| match record {
            Record::Published { epoch, .. } if *epoch < before_epoch || Some(*seq) < end => {
                Some(*seq)
            }
            Record::Claim { term, .. } if *term < self.term => {
                planted::is(Bug::ClaimsAreDeleted).then_some(*seq)
            }
            _ => None,
        };
        let old: Vec<u64> =
            self.entries.iter().filter_map(old).filter(|seq| Some(*seq) != newest).collect();
        old.iter().for_each(|seq| drop(self.entries.remove(seq)));
        old
    }

    /// Takes storage's answer to the last operation.
    pub fn answer(&mut self, answer: Answer) -> Step {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => Step::Fenced,
            Doing::Listing => match answer {
                Answer::Listed(numbers) => self.listed(numbers),
                _ => self.list(),
            },
            Doing::Looking => match answer {
                Answer::Listed(numbers) if planted::is(Bug::ClaimWithoutLooking) => {
                    drop(numbers);
                    self.next += 1;
                    Step::Leads
                }
                Answer::Listed(numbers) if numbers.iter().all(|seq| *seq <= self.next) => {
                    self.next += 1;
                    Step::Leads
                }
                Answer::Listed(numbers) => self.listed(numbers),
                _ => {
                    self.doing = Doing::Looking;
                    Step::Do(Op::List)
                }
            },
            Doing::Reading(mut left) => match answer {
                Answer::Found(record) => {
                    if let Some(seq) = left.pop() {
                        self.entries.insert(seq, record);
                    }
                    self.read_next(left)
                }
                // Deleted since it was listed: an old one.
                Answer::Missing => {
                    left.pop();
                    self.read_next(left)
                }
                _ => self.read_next(left),
            },
            Doing::Claiming => {
                let claim = Record::Claim { term: self.term, nonce: self.nonce };
                match answer {
                    Answer::Created => self.look(claim),
                    Answer::Found(found) if found == claim => self.look(claim),
                    // Somebody was faster: learn what they wrote, and take the number behind it.
                    Answer::Found(_) if planted::is(Bug::ClaimWithoutReading) => {
                        self.next += 1;
                        self.doing = Doing::Claiming;
                        Step::Do(Op::Create(self.next, claim))
                    }
                    Answer::Found(_) => self.list(),
                    Answer::Missing => {
                        self.doing = Doing::Claiming;
                        Step::Do(Op::Create(self.next, claim))
                    }
                    _ => {
                        self.doing = Doing::Claiming;
                        Step::Do(Op::Read(self.next))
                    }
                }
            }
            Doing::Appending(record) => match answer {
                Answer::Exists if planted::is(Bug::ExistsIsOurs) => {
                    self.is_in(record, Step::Appended)
                }
                Answer::Unknown if planted::is(Bug::UnknownIsCreated) => {
                    self.is_in(record, Step::Appended)
                }
                Answer::Found(found) if found != record && planted::is(Bug::FencedTriesNext) => {
                    self.next += 1;
                    self.doing = Doing::Appending(record.clone());
                    Step::Do(Op::Create(self.next, record))
                }
                Answer::Created => self.is_in(record, Step::Appended),
                Answer::Found(found) if found == record => self.is_in(record, Step::Appended),
                Answer::Found(_) => Step::Fenced,
                Answer::Missing => {
                    self.doing = Doing::Appending(record.clone());
                    Step::Do(Op::Create(self.next, record))
                }
                _ => {
                    self.doing = Doing::Appending(record);
                    Step::Do(Op::Read(self.next))
                }
            },
        }
    }

    fn list(&mut self) -> Step {
        self.doing = Doing::Listing;
        Step::Do(Op::List)
    }

    fn look(&mut self, claim: Record) -> Step {
        self.entries.insert(self.next, claim);
        self.doing = Doing::Looking;
        Step::Do(Op::List)
    }

    fn listed(&mut self, mut numbers: Vec<u64>) -> Step {
        // What is not there any more was deleted by a leader, because it is old.
        self.entries.retain(|seq, _| numbers.contains(seq));
        numbers.sort_unstable();
        numbers.retain(|seq| !self.entries.contains_key(seq));
        numbers.reverse(); // read from the end of the vector: the oldest first
        self.read_next(numbers)
    }

    fn read_next(&mut self, left: Vec<u64>) -> Step {
        if let Some(seq) = left.last().copied() {
            self.doing = Doing::Reading(left);
            return Step::Do(Op::Read(seq));
        }
        let former = self.entries.values().map(Record::term).max().unwrap_or(0);
        self.term = if planted::is(Bug::SameTerm) { former.max(1) } else { former + 1 };
        self.next = self.entries.keys().next_back().copied().unwrap_or(0) + 1;
        self.doing = Doing::Claiming;
        let claim = Record::Claim { term: self.term, nonce: self.nonce };
        Step::Do(Op::Create(self.next, claim))
    }

    fn is_in(&mut self, record: Record, step: Step) -> Step {
        self.entries.insert(self.next, record);
        self.next += 1;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Storage that always answers, and right.
    fn run(store: &mut BTreeMap<u64, Record>, log: &mut LeaderLog, op: Op) -> Step {
        let mut step = Step::Do(op);
        while let Step::Do(op) = step {
            let answer = match op {
                Op::List => Answer::Listed(store.keys().copied().collect()),
                Op::Read(seq) => store.get(&seq).cloned().map_or(Answer::Missing, Answer::Found),
                Op::Create(seq, _) if store.contains_key(&seq) => Answer::Exists,
                Op::Create(seq, record) => {
                    store.insert(seq, record);
                    Answer::Created
                }
            };
            step = log.answer(answer);
        }
        step
    }

    fn published(term: u64, epoch: u64) -> Record {
        Record::Published {
            term,
            epoch,
            directory: None,
            folder: format!("m{epoch}"),
            checksum: [0; 32],
        }
    }

    #[test]
    fn an_old_leader_is_fenced_and_stays_fenced_when_old_entries_are_gone() {
        let mut store = BTreeMap::new();
        let (mut old, op) = LeaderLog::claim(1);
        assert_eq!(run(&mut store, &mut old, op), Step::Leads);
        for epoch in 1..4 {
            let op = old.append(published(1, epoch));
            assert_eq!(run(&mut store, &mut old, op), Step::Appended);
        }
        let (mut new, op) = LeaderLog::claim(2);
        assert_eq!(run(&mut store, &mut new, op), Step::Leads);
        assert_eq!((new.term(), new.published().count()), (2, 3));
        for epoch in 4..8 {
            let op = new.append(published(2, epoch));
            assert_eq!(run(&mut store, &mut new, op), Step::Appended);
            new.deletable(epoch).iter().for_each(|seq| drop(store.remove(seq)));
        }
        assert_eq!(new.published().count(), 1);
        let op = old.append(published(1, 4));
        assert_eq!(run(&mut store, &mut old, op), Step::Fenced);
        // And whoever comes next sees what counts.
        let (mut third, op) = LeaderLog::claim(3);
        assert_eq!(run(&mut store, &mut third, op), Step::Leads);
        assert_eq!(third.term(), 3);
        assert_eq!(third.published().next_back().map(|(_, r)| r.clone()), Some(published(2, 7)));
    }

    /// Found by the simulation (seed 0 of its first run).
    #[test]
    fn a_slow_claim_in_the_place_of_a_deleted_entry_does_not_lead() {
        let mut store = BTreeMap::new();
        let (mut first, op) = LeaderLog::claim(1);
        assert_eq!(run(&mut store, &mut first, op), Step::Leads);
        let (mut slow, _) = LeaderLog::claim(2);
        let Step::Do(mut op) = slow.answer(Answer::Listed(vec![1])) else { unreachable!() };
        while let Op::Read(seq) = op {
            let Step::Do(next) = slow.answer(Answer::Found(store[&seq].clone())) else {
                unreachable!()
            };
            op = next;
        }
        assert!(matches!(op, Op::Create(2, _)));
        for epoch in 1..4 {
            let op = first.append(published(1, epoch));
            assert_eq!(run(&mut store, &mut first, op), Step::Appended);
            first.deletable(epoch).iter().for_each(|seq| drop(store.remove(seq)));
        }
        assert!(!store.contains_key(&2), "the number is free again");
        assert_eq!(run(&mut store, &mut slow, op), Step::Leads);
        let newest = slow.published().next_back().map(|(_, r)| r.clone());
        assert_eq!(newest, Some(published(1, 3)));
        let op = first.append(published(1, 4));
        assert_eq!(run(&mut store, &mut first, op), Step::Fenced);
    }

    #[test]
    fn an_answer_that_was_lost_is_looked_up() {
        let mut store = BTreeMap::new();
        let (mut log, op) = LeaderLog::claim(1);
        assert_eq!(run(&mut store, &mut log, op), Step::Leads);
        let Op::Create(seq, record) = log.append(published(1, 1)) else { unreachable!() };
        store.insert(seq, record.clone()); // it got there, the answer did not
        let Step::Do(op) = log.answer(Answer::Unknown) else { unreachable!() };
        assert_eq!(run(&mut store, &mut log, op), Step::Appended);
        let Op::Create(..) = log.append(published(1, 2)) else { unreachable!() };
        let Step::Do(op) = log.answer(Answer::Unknown) else { unreachable!() };
        assert_eq!(run(&mut store, &mut log, op), Step::Appended); // it did not: again
        assert_eq!(store.len(), 3);
    }
}
