//! Store, broker, supervisor and time: what outlives an attempt, and the faults in it.
//!
//! Requests and answers are deliveries in a queue ordered by time; chance decides the time.
//! A request may be carried out although nobody is left to hear the answer.

use crate::attempt::{Attempt, Handle};
use crate::rng::Rng;
use crate::{DriverBug, Mistake};
use millstream_checkpoint::coordinator::Event;
use millstream_checkpoint::leader::{Answer, Op, Record};
use millstream_checkpoint::planted;
use millstream_core::Epoch;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that each subtask reads; the last subtask reads fewer, and ends first.
pub(crate) const NUMBERS: u64 = 40;
pub(crate) const SUBTASKS: usize = 3;
/// A run that takes more steps than this hangs.
const MAX_STEPS: u64 = 60_000;
const MAX_CRASHES: u64 = 8;

pub(crate) fn numbers_of(subtask: usize) -> u64 {
    if subtask + 1 == SUBTASKS { NUMBERS / 4 } else { NUMBERS }
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The seed: [`run`] with it does the same again.
    pub seed: u64,
    /// The invariant, and how it was broken.
    pub what: String,
    /// What had happened, the newest last.
    pub history: Vec<String>,
}

/// What a run without violation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Steps until the job had ended.
    pub steps: u64,
    /// Attempts that were started.
    pub attempts: usize,
    /// Checkpoints that were published.
    pub published: u64,
    /// Fingerprint of everything that happened: the same for the same seed.
    pub fingerprint: u64,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// State of one subtask, or a shared file.
    File,
    Manifest(Vec<Handle>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    Open(BTreeSet<u64>),
    Committed,
    Aborted,
}

/// Subtask, term, epoch.
pub(crate) type TransactionId = (usize, u64, u64);

/// A request to the store or the broker.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Log(Op),
    Put(String, Object),
    Delete(Vec<String>),
    DeleteEntries(Vec<u64>),
    List,
    Commit(Vec<TransactionId>),
    /// Abort open transactions of terms before this one that are not in the list.
    Sweep(u64, Vec<TransactionId>),
}

/// What it says.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Log(Answer),
    Done,
    Listed(Vec<String>),
    Unknown,
}

/// What a subtask is told. In order.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Trigger(Epoch),
    Complete(Epoch),
    Finish,
}

#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    Start,
    Crash(usize),
    Request {
        attempt: usize,
        token: u64,
        ask: Ask,
    },
    Answer {
        attempt: usize,
        token: u64,
        say: Say,
    },
    ToLeader(usize, Event<Handle>),
    ToSubtask(usize, usize, Order),
    /// A subtask has said that it has closed.
    Closed(usize, usize),
    Tick(usize),
    Work(usize, usize),
}

pub(crate) struct World {
    pub(crate) now_ms: i64,
    pub(crate) rng: Rng,
    pub(crate) mistake: Option<Mistake>,
    queue: BTreeMap<(i64, u64), Delivery>,
    sequence: u64,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) log: BTreeMap<u64, Record>,
    pub(crate) transactions: BTreeMap<TransactionId, Transaction>,
    /// Transactions that some published manifest lists.
    published: BTreeSet<TransactionId>,
    publications: u64,
    output: Vec<BTreeSet<u64>>,
    /// Term and epoch of what was ever published.
    ever: BTreeSet<(u64, u64)>,
    /// Every entry that ever was in the log, and those that came back from deletion.
    log_ever: BTreeMap<u64, Record>,
    ghosts: BTreeSet<u64>,
    /// The newest term that leads.
    led: u64,
    crashes: u64,
    pub(crate) finished: bool,
    attempts: usize,
    /// Order of messages from a leader to a subtask.
    last_order: BTreeMap<(usize, usize), i64>,
    violation: Option<String>,
    history: Vec<String>,
    fingerprint: u64,
}

/// Plays one seed, with a mistake or without.
///
/// # Errors
/// The first invariant that is broken.
pub fn run(seed: u64, mistake: Option<Mistake>) -> Result<Outcome, Box<Violation>> {
    planted::plant(match mistake {
        Some(Mistake::Machine(bug)) => Some(bug),
        _ => None,
    });
    let mut world = World {
        now_ms: 0,
        rng: Rng::new(seed),
        mistake,
        queue: BTreeMap::new(),
        sequence: 0,
        objects: BTreeMap::new(),
        log: BTreeMap::new(),
        transactions: BTreeMap::new(),
        published: BTreeSet::new(),
        publications: 0,
        output: vec![BTreeSet::new(); SUBTASKS],
        ever: BTreeSet::new(),
        log_ever: BTreeMap::new(),
        ghosts: BTreeSet::new(),
        led: 0,
        crashes: 0,
        finished: false,
        attempts: 0,
        last_order: BTreeMap::new(),
        violation: None,
        history: Vec::new(),
        fingerprint: seed,
    };
    let result = world.play();
    planted::plant(None);
    result.map_err(|what| Box::new(Violation { seed, what, history: world.history }))
}

impl World {
    fn play(&mut self) -> Result<Outcome, String> {
        let mut attempts: Vec<Attempt> = Vec::new();
        self.later(0, Delivery::Start);
        for steps in 0..MAX_STEPS {
            let Some(((at, _), delivery)) = self.queue.pop_first() else {
                if self.finished {
                    return self.ended(steps);
                }
                // Everybody is dead: the supervisor starts the next attempt.
                self.later(5, Delivery::Start);
                continue;
            };
            self.now_ms = self.now_ms.max(at);
            self.deliver(&mut attempts, delivery);
            self.check_storage();
            if let Some(what) = self.violation.take() {
                return Err(what);
            }
            if self.finished && attempts.iter().all(|a| a.dead) {
                return self.ended(steps);
            }
        }
        Err("the job does not end".into())
    }

    fn ended(&self, steps: u64) -> Result<Outcome, String> {
        for (subtask, output) in self.output.iter().enumerate() {
            let missing = (0..numbers_of(subtask)).find(|n| !output.contains(n));
            if let Some(missing) = missing {
                return Err(format!("number {missing} of subtask {subtask} was lost"));
            }
        }
        let (attempts, published) = (self.attempts, self.publications);
        Ok(Outcome { steps, attempts, published, fingerprint: self.fingerprint })
    }

    pub(crate) fn has(&self, bug: DriverBug) -> bool {
        self.mistake == Some(Mistake::Driver(bug))
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let text = format!("{} {}", self.now_ms, what());
        for byte in text.bytes() {
            self.fingerprint = (self.fingerprint ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.history.push(text);
    }

    pub(crate) fn broken(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub(crate) fn later(&mut self, wait_ms: i64, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + wait_ms, self.sequence), delivery);
    }

    fn wait(&mut self) -> i64 {
        let long = self.rng.chance(30);
        1 + self.rng.below(if long { 400 } else { 12 }) as i64
    }

    /// A message of a leader to a subtask: late, but in order.
    pub(crate) fn order(&mut self, attempt: usize, subtask: usize, order: Order) {
        let at = self.now_ms + self.wait();
        let last = self.last_order.entry((attempt, subtask)).or_insert(0);
        *last = at.max(*last);
        let wait_ms = *last - self.now_ms;
        self.later(wait_ms, Delivery::ToSubtask(attempt, subtask, order));
    }

    /// A message to a leader; it may come twice.
    pub(crate) fn tell_leader(&mut self, attempt: usize, event: Event<Handle>) {
        let wait_ms = self.wait();
        if self.rng.chance(60) {
            let again = self.wait() * 4;
            self.later(again, Delivery::ToLeader(attempt, event.clone()));
        }
        self.later(wait_ms, Delivery::ToLeader(attempt, event));
    }

    /// A request to store or broker. It may be lost, or its answer; it may be carried out
    /// late, when who asked has given up.
    pub(crate) fn ask(&mut self, attempt: usize, token: u64, ask: Ask) {
        let faulty = self.crashes < MAX_CRASHES;
        let unknown = Delivery::Answer { attempt, token, say: Say::Unknown };
        let wait_ms = self.wait();
        if faulty && self.rng.chance(25) {
            // Lost, or carried out after the answer "unknown".
            self.later(wait_ms, unknown);
            if self.rng.chance(500) {
                let late = wait_ms + self.wait() * 3;
                self.later(late, Delivery::Request { attempt, token: 0, ask });
            }
            return;
        }
        if faulty && self.rng.chance(20) {
            let again = wait_ms + self.wait();
            self.later(again, Delivery::Request { attempt, token: 0, ask: ask.clone() });
        }
        if faulty && self.rng.chance(25) {
            // Carried out; the answer is lost.
            self.later(wait_ms, Delivery::Request { attempt, token: 0, ask });
            let after = wait_ms + self.wait();
            return self.later(after, unknown);
        }
        self.later(wait_ms, Delivery::Request { attempt, token, ask });
    }

    /// A named point of the protocol: the attempt may end here.
    pub(crate) fn point(&mut self, attempt: usize, name: &str) -> bool {
        let crash = self.crashes < MAX_CRASHES && self.rng.chance(25);
        if crash {
            self.note(|| format!("attempt {attempt} crashes at '{name}'"));
            self.crashed();
        }
        crash
    }

    fn crashed(&mut self) {
        self.crashes += 1;
        let wait_ms = 5 + self.rng.below(40) as i64;
        self.later(wait_ms, Delivery::Start);
    }

    fn deliver(&mut self, attempts: &mut Vec<Attempt>, delivery: Delivery) {
        match delivery {
            Delivery::Start => {
                if self.finished {
                    return;
                }
                let index = attempts.len();
                self.attempts = index + 1;
                self.note(|| format!("attempt {index} starts"));
                attempts.push(Attempt::start(index, self));
                if self.crashes < MAX_CRASHES {
                    let wait_ms = 20 + self.rng.below(600) as i64;
                    self.later(wait_ms, Delivery::Crash(index));
                }
                // The former attempt may not be dead; it is before long.
                for former in 0..index {
                    let wait_ms = self.rng.below(300) as i64;
                    self.later(wait_ms, Delivery::Crash(former));
                }
            }
            Delivery::Crash(index) => {
                let attempt = &mut attempts[index];
                if attempt.dead || (self.crashes >= MAX_CRASHES && index + 1 == self.attempts) {
                    return;
                }
                let newest = index + 1 == self.attempts;
                if newest {
                    // Sometimes it only seems dead.
                    attempt.dead = !self.rng.chance(300);
                    let how = if attempt.dead { "is killed" } else { "seems to be dead" };
                    self.note(|| format!("attempt {index} {how}"));
                    self.crashed();
                } else {
                    attempt.dead = true;
                    self.note(|| format!("attempt {index} is killed at last"));
                }
            }
            Delivery::Request { attempt, token, ask } => {
                let say = self.carry_out(&ask);
                if token > 0 {
                    let wait_ms = self.wait();
                    self.later(wait_ms, Delivery::Answer { attempt, token, say });
                }
            }
            Delivery::Answer { attempt, token, say } => {
                attempts[attempt].alive(|a| a.answered(token, say, self));
            }
            Delivery::ToLeader(attempt, event) => {
                attempts[attempt].alive(|a| a.coordinate(event, self));
            }
            Delivery::ToSubtask(attempt, subtask, order) => {
                attempts[attempt].alive(|a| a.ordered(subtask, order, self));
            }
            Delivery::Closed(attempt, subtask) => {
                attempts[attempt].alive(|a| a.closed(subtask, self));
            }
            Delivery::Tick(attempt) => attempts[attempt].alive(|a| a.tick(self)),
            Delivery::Work(attempt, subtask) => {
                attempts[attempt].alive(|a| a.work(subtask, self));
            }
        }
    }

    fn carry_out(&mut self, ask: &Ask) -> Say {
        match ask {
            Ask::Log(Op::List) => Say::Log(Answer::Listed(self.log.keys().copied().collect())),
            Ask::Log(Op::Read(number)) => {
                Say::Log(self.log.get(number).cloned().map_or(Answer::Missing, Answer::Found))
            }
            Ask::Log(Op::Create(number, record)) => {
                if self.log.contains_key(number) {
                    return Say::Log(Answer::Exists);
                }
                self.created(*number, record.clone());
                Say::Log(Answer::Created)
            }
            Ask::Put(path, object) => {
                let known = self.objects.insert(path.clone(), object.clone());
                if known.is_some_and(|known| known != *object) {
                    self.broken(format!("{path} was written twice, and not the same"));
                }
                Say::Done
            }
            Ask::Delete(paths) => {
                for path in paths {
                    self.objects.remove(path);
                    self.note(|| format!("deleted {path}"));
                }
                Say::Done
            }
            Ask::DeleteEntries(numbers) => {
                for number in numbers {
                    self.log.remove(number);
                }
                Say::Done
            }
            Ask::List => Say::Listed(self.objects.keys().cloned().collect()),
            Ask::Commit(ids) => {
                ids.iter().for_each(|id| self.commit(*id));
                Say::Done
            }
            Ask::Sweep(before, listed) => {
                let swept = |id: &TransactionId| id.1 < *before && !listed.contains(id);
                for (_, transaction) in self.transactions.iter_mut().filter(|(id, _)| swept(id)) {
                    if let Transaction::Open(_) = transaction {
                        *transaction = Transaction::Aborted;
                    }
                }
                Say::Done
            }
        }
    }

    /// An entry has come into the log.
    fn created(&mut self, number: u64, record: Record) {
        self.note(|| format!("log {number}: {record:?}").chars().take(90).collect());
        let last = self.log.keys().next_back().copied().unwrap_or(0);
        let former = self.log_ever.insert(number, record.clone());
        if number < last && former.as_ref() == Some(&record) {
            // A doubled request, after the entry had been deleted: an old one comes back.
            self.ghosts.insert(number);
            self.log.insert(number, record);
            return;
        }
        if !matches!(record, Record::Claim { .. }) {
            if record.term() < self.led {
                self.broken(format!("term {} publishes after term {}", record.term(), self.led));
            }
            if number <= last {
                self.broken(format!("log entry {number} was filled in afterwards"));
            }
        }
        if let Record::Published { epoch, folder, term, .. } = &record {
            self.publications += 1;
            self.ever.insert((*term, *epoch));
            match self.objects.get(folder) {
                Some(Object::Manifest(handles)) => {
                    if !handles.iter().all(|handle| handle.is_of(*epoch)) {
                        let what = format!("{folder} mixes states of several epochs");
                        self.violation.get_or_insert(what);
                    }
                    if handles.len() != SUBTASKS {
                        let what = format!("{folder} has {} subtasks", handles.len());
                        self.violation.get_or_insert(what);
                    }
                    let listed = handles.iter().flat_map(|h| h.pending.iter().copied());
                    self.published.extend(listed.collect::<Vec<_>>());
                }
                _ => self.broken(format!("{folder} was published and is not there")),
            }
        }
        self.log.insert(number, record);
    }

    fn commit(&mut self, id: TransactionId) {
        if !self.published.contains(&id) {
            self.broken(format!("{id:?} is committed, and no published checkpoint lists it"));
        }
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return self.broken(format!("{id:?} is committed, and was never there"));
        };
        match std::mem::replace(transaction, Transaction::Committed) {
            Transaction::Open(numbers) => {
                for number in numbers {
                    if !self.output[id.0].insert(number) {
                        let what = format!("number {number} of subtask {} is there twice", id.0);
                        self.violation.get_or_insert(what);
                    }
                }
            }
            Transaction::Committed => {}
            Transaction::Aborted => self.broken(format!("transaction {id:?} was lost")),
        }
    }

    /// Whatever happens next, every publication in the log can be restored.
    fn check_storage(&mut self) {
        let mut missing = None;
        let newest = self.log.iter().rev().find(|(_, r)| matches!(r, Record::Published { .. }));
        let newest = newest.map(|(number, _)| *number);
        for (number, record) in &self.log {
            let Record::Published { folder, .. } = record else { continue };
            if self.ghosts.contains(number) && Some(*number) != newest {
                continue;
            }
            let mut files = match self.objects.get(folder) {
                Some(Object::Manifest(handles)) => handles.iter().flat_map(|h| h.named()),
                _ => {
                    missing = Some(folder.clone());
                    break;
                }
            };
            let lost = files.find(|file| !self.objects.contains_key(*file));
            if let Some(file) = lost {
                missing = Some(format!("{file} of {folder}"));
                break;
            }
        }
        let finished = self.log.values().any(|r| matches!(r, Record::Finished { .. }));
        if let (Some(missing), false) = (missing, finished) {
            self.broken(format!("{missing} is in the log and not in the store"));
        }
    }

    /// Somebody is told that a checkpoint is complete.
    pub(crate) fn check_told(&mut self, term: u64, epoch: Epoch) {
        if !self.ever.contains(&(term, epoch.0)) {
            self.broken(format!("epoch {epoch} of term {term} counts as complete, unpublished"));
        }
    }

    /// A subtask's answer is discarded.
    pub(crate) fn check_discarded(&mut self, term: u64, epoch: Epoch) {
        if self.ever.contains(&(term, epoch.0)) {
            self.broken(format!("epoch {epoch} of term {term} is discarded, and published"));
        }
    }

    /// An attempt starts from this under its term.
    pub(crate) fn check_restored(&mut self, term: u64, seen: Option<&Record>) {
        if term == self.led {
            return self.broken(format!("two lead in term {term}"));
        }
        if term < self.led {
            return; // It learns late that it may lead, and will not publish any more.
        }
        self.led = term;
        let newest = self.log.values().rev().find(|r| matches!(r, Record::Published { .. }));
        if newest != seen {
            self.broken("an attempt starts from something else than the newest".into());
        }
    }

    /// An attempt has ended by itself: the supervisor replaces it.
    pub(crate) fn ended_by_itself(&mut self, attempt: usize) {
        if attempt + 1 == self.attempts {
            self.later(10, Delivery::Start);
        }
    }
}
