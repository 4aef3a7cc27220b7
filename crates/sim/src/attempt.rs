//! One attempt: a leader that drives the real state machines, and modelled subtasks.
//!
//! The leader's part mirrors `leadership`, `service` and the runtime's `coordinator`; a
//! subtask mirrors the uploader and a sink that commits in two phases.

use crate::DriverBug;
use crate::world::*;
use millstream_checkpoint::CheckpointConfig;
use millstream_checkpoint::coordinator::{Coordinator, Effect, Event, Publication, SubtaskId};
use millstream_checkpoint::leader::{Answer, LeaderLog, Op, Record, Step};
use millstream_checkpoint::registry::{FileRegistry, Holder, Nameable, writer_of};
use millstream_core::Epoch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a subtask says of what it has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    subtask: usize,
    epoch: u64,
    position: u64,
    ended: bool,
    pub(crate) pending: Vec<TransactionId>,
    data: String,
    /// Shared files by the backend's id.
    files: BTreeMap<u64, String>,
}

impl Handle {
    /// Whether it is the state at the end of `epoch`.
    pub(crate) fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch || (self.ended && self.epoch < epoch)
    }
    pub(crate) fn named(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.data).chain(self.files.values())
    }
}

enum Command {
    Publish(Publication<Handle>),
    Retire(Epoch),
    Discard(Epoch, Handle),
    Collect,
    Finish,
}

/// What the leader waits for.
enum Doing {
    Nothing,
    Claim,
    RecoverCommit(Vec<Handle>),
    RecoverSweep(Vec<Handle>),
    Manifest(Publication<Handle>, bool),
    Append(Publication<Handle>),
    Entries(Epoch),
    Files(Option<Vec<u64>>),
    List,
    AppendFinish,
}

enum Purpose {
    Leader,
    Upload { subtask: usize, epoch: u64, path: String },
    Commit { subtask: usize, epochs: Vec<u64> },
}

struct Upload {
    left: BTreeSet<String>,
    handle: Handle,
}

struct Subtask {
    epoch: u64,
    position: u64,
    ended: bool,
    finishing: bool,
    closed: bool,
    pending: BTreeMap<u64, TransactionId>,
    /// Ids of the backend's files.
    live: BTreeSet<u64>,
    next_id: u64,
    nameable: Nameable<usize, BTreeMap<u64, String>>,
    uploads: BTreeMap<u64, Upload>,
}

pub(crate) struct Attempt {
    index: usize,
    pub(crate) dead: bool,
    tokens: BTreeMap<u64, Purpose>,
    next_token: u64,
    log: LeaderLog,
    machine: Option<Coordinator<Handle>>,
    files: FileRegistry,
    decided: u64,
    commands: VecDeque<Command>,
    doing: Doing,
    subtasks: Vec<Subtask>,
    closed: BTreeSet<usize>,
}

fn id(subtask: usize) -> SubtaskId {
    SubtaskId { task: 0, subtask: subtask as u32 }
}

impl Attempt {
    pub(crate) fn start(index: usize, world: &mut World) -> Self {
        let (log, op) = LeaderLog::claim(world.rng.next());
        let mut attempt = Attempt {
            index,
            dead: false,
            tokens: BTreeMap::new(),
            next_token: 1,
            log,
            machine: None,
            files: FileRegistry::default(),
            decided: 0,
            commands: VecDeque::new(),
            doing: Doing::Claim,
            subtasks: Vec::new(),
            closed: BTreeSet::new(),
        };
        attempt.ask(Ask::Log(op), Purpose::Leader, world);
        attempt
    }

    pub(crate) fn alive(&mut self, act: impl FnOnce(&mut Self)) {
        if !self.dead {
            act(self);
        }
    }

    fn term(&self) -> u64 {
        self.log.term()
    }

    /// What tells the transactions of attempts apart.
    fn generation(&self, world: &World) -> u64 {
        match () {
            () if world.has(DriverBug::NamesWithoutTerm) => 0,
            () if world.has(DriverBug::NamesByAttempt) => self.index as u64,
            () => self.term(),
        }
    }

    fn ask(&mut self, ask: Ask, purpose: Purpose, world: &mut World) {
        let token = self.next_token;
        self.next_token += 1;
        self.tokens.insert(token, purpose);
        world.ask(self.index, token, ask);
    }

    fn dies(&mut self, why: &str, world: &mut World) {
        world.note(|| format!("attempt {} ends: {why}", self.index));
        self.dead = true;
        world.ended_by_itself(self.index);
    }

    /// Whether the attempt crashes at this point.
    fn crashes(&mut self, point: &str, world: &mut World) -> bool {
        self.dead = world.point(self.index, point);
        self.dead
    }

    pub(crate) fn answered(&mut self, token: u64, say: Say, world: &mut World) {
        match self.tokens.remove(&token) {
            Some(Purpose::Leader) => self.led(say, world),
            Some(Purpose::Upload { subtask, epoch, path }) => {
                self.uploaded(subtask, epoch, path, &say, world);
            }
            Some(Purpose::Commit { subtask, epochs }) => {
                self.committed(subtask, epochs, &say, world);
            }
            None => {}
        }
    }

    // The leader.

    fn led(&mut self, say: Say, world: &mut World) {
        let unknown = matches!(say, Say::Unknown);
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => {}
            doing @ (Doing::Claim | Doing::Append(_) | Doing::AppendFinish) => {
                let answer = match say {
                    Say::Log(answer) => answer,
                    _ => Answer::Unknown,
                };
                if let (Doing::Append(publication), Answer::Unknown) = (&doing, &answer)
                    && world.has(DriverBug::UnknownIsNotPublished)
                {
                    let event = Event::NotPublished(publication.epoch, "no answer".into());
                    world.later(1, Delivery::ToLeader(self.index, event));
                    return self.next_command(world);
                }
                match self.log.answer(answer) {
                    Step::Do(op) => {
                        self.doing = doing;
                        self.ask(Ask::Log(op), Purpose::Leader, world);
                    }
                    Step::Leads => self.restore(world),
                    Step::Fenced => self.dies("somebody else leads", world),
                    Step::Appended => match doing {
                        Doing::Append(publication) => self.appended(publication, world),
                        _ => {
                            world.finished = true;
                            self.dies("the job has finished", world);
                        }
                    },
                }
            }
            Doing::RecoverCommit(handles) if unknown => self.recover(handles, world),
            Doing::RecoverCommit(handles) => {
                if !self.crashes("recovered, not swept", world) {
                    self.sweep(handles, world);
                }
            }
            Doing::RecoverSweep(handles) if unknown => self.sweep(handles, world),
            Doing::RecoverSweep(handles) => {
                if world.has(DriverBug::SweepBeforeCommit) {
                    let all = handles.iter().flat_map(|h| h.pending.iter().copied()).collect();
                    self.ask(Ask::Commit(all), Purpose::Leader, world);
                }
                self.run(&handles, world);
            }
            Doing::Manifest(publication, _) if unknown && world.rng.chance(500) => {
                self.put_manifest(publication, world);
            }
            Doing::Manifest(publication, _) if unknown => {
                let event = Event::NotPublished(publication.epoch, "manifest".into());
                world.later(1, Delivery::ToLeader(self.index, event));
                self.next_command(world);
            }
            Doing::Manifest(publication, appended) => {
                if self.crashes("manifest is written", world) {
                    return;
                }
                match appended {
                    true => self.is_published(&publication, world),
                    false => self.append(publication, world),
                }
            }
            // What is not certain to be gone from the log keeps its files.
            Doing::Entries(_) if unknown => self.next_command(world),
            Doing::Entries(epoch) => {
                if self.crashes("entry is deleted", world) {
                    return;
                }
                let free = self.files.release(&Holder::Retained(epoch.0));
                self.delete(free, None, world);
            }
            Doing::Files(Some(entries)) => {
                self.doing = Doing::Files(None);
                self.ask(Ask::DeleteEntries(entries), Purpose::Leader, world);
            }
            Doing::Files(None) => self.next_command(world),
            Doing::List => {
                let Say::Listed(all) = say else { return self.next_command(world) };
                let (term, decided) = (self.term(), self.decided);
                let garbage = |path: &String| {
                    let writer = writer_of(path);
                    writer.is_some_and(|w| self.files.is_garbage(path, w, term, decided))
                };
                let garbage: Vec<String> = all.into_iter().filter(garbage).collect();
                self.delete(garbage, None, world);
            }
        }
    }

    fn restore(&mut self, world: &mut World) {
        if self.log.is_finished() {
            world.finished = true;
            return self.dies("the job had finished", world);
        }
        if self.crashes("claimed", world) {
            return;
        }
        let all: Vec<Record> = self.log.published().map(|(_, r)| r.clone()).collect();
        let older = usize::from(world.has(DriverBug::RestoresOlder) && all.len() > 1);
        let seen = all.len().checked_sub(1 + older).and_then(|i| all.get(i));
        world.check_restored(self.term(), seen);
        for record in &all {
            let Record::Published { epoch, folder, .. } = record else { continue };
            // Entries may have gone since: nobody restores from an old one.
            if let Some(Object::Manifest(handles)) = world.objects.get(folder) {
                let named = handles.iter().flat_map(|h| h.named().cloned());
                self.files.hold(Holder::Retained(*epoch), named.chain([folder.clone()]));
            }
        }
        let Some(Record::Published { folder, epoch, .. }) = seen else {
            return self.sweep(Vec::new(), world);
        };
        self.decided = *epoch;
        let Some(Object::Manifest(handles)) = world.objects.get(folder).cloned() else {
            // A newer leader may have retired it already; this one will be fenced.
            return self.dies("its checkpoint is gone", world);
        };
        match world.has(DriverBug::SweepBeforeCommit) {
            true => self.sweep(handles, world),
            false => self.recover(handles, world),
        }
    }

    fn recover(&mut self, handles: Vec<Handle>, world: &mut World) {
        if world.has(DriverBug::NoRecoveryCommit) {
            return self.sweep(handles, world);
        }
        let all = handles.iter().flat_map(|h| h.pending.iter().copied()).collect();
        self.doing = Doing::RecoverCommit(handles);
        self.ask(Ask::Commit(all), Purpose::Leader, world);
    }

    fn sweep(&mut self, handles: Vec<Handle>, world: &mut World) {
        let listed = handles.iter().flat_map(|h| h.pending.iter().copied());
        let listed = match world.has(DriverBug::SweepBeforeCommit) {
            true => Vec::new(),
            false => listed.collect(),
        };
        self.doing = Doing::RecoverSweep(handles);
        let generation = self.generation(world);
        self.ask(Ask::Sweep(generation, listed), Purpose::Leader, world);
    }

    fn run(&mut self, handles: &[Handle], world: &mut World) {
        if self.crashes("recovered", world) {
            return;
        }
        let restored = (!handles.is_empty()).then_some(self.decided);
        let first = self.decided + 1;
        for subtask in 0..SUBTASKS {
            let handle = handles.iter().find(|h| h.subtask == subtask);
            let files = handle.map(|h| h.files.clone()).unwrap_or_default();
            self.subtasks.push(Subtask {
                epoch: first,
                position: handle.map_or(0, |h| h.position),
                ended: false,
                finishing: false,
                closed: false,
                pending: BTreeMap::new(),
                live: files.keys().copied().collect(),
                next_id: files.keys().next_back().map_or(0, |id| id + 1),
                nameable: Nameable::new(restored, files),
                uploads: BTreeMap::new(),
            });
            world.later(1, Delivery::Work(self.index, subtask));
        }
        let config = CheckpointConfig {
            interval_ms: Some(20),
            min_pause_ms: 5,
            timeout_ms: 150,
            tolerable_failures: 1000,
            retained: 2,
            ..CheckpointConfig::default()
        };
        let retained = self.log.published().filter_map(|(_, r)| match r {
            Record::Published { epoch, .. } => Some(Epoch(*epoch)),
            _ => None,
        });
        let retained: Vec<Epoch> = retained.collect();
        let subtasks = (0..SUBTASKS).map(id);
        let now_ms = world.now_ms;
        self.machine = Some(Coordinator::new(config, subtasks, Epoch(first), retained, now_ms));
        self.commands.push_back(Command::Collect);
        self.next_command(world);
        world.later(5, Delivery::Tick(self.index));
    }

    pub(crate) fn tick(&mut self, world: &mut World) {
        self.coordinate(Event::Tick, world);
        if !self.dead {
            world.later(5, Delivery::Tick(self.index));
        }
    }

    pub(crate) fn coordinate(&mut self, event: Event<Handle>, world: &mut World) {
        let Some(machine) = &mut self.machine else { return };
        for effect in machine.step(event, world.now_ms) {
            match effect {
                Effect::Trigger { epoch, .. } => {
                    for subtask in 0..SUBTASKS {
                        world.order(self.index, subtask, Order::Trigger(epoch));
                    }
                }
                Effect::Publish(publication) => {
                    self.commands.push_back(Command::Publish(publication));
                }
                Effect::Discard(epoch, handle) => {
                    world.check_discarded(self.log.term(), epoch);
                    self.commands.push_back(Command::Discard(epoch, handle));
                }
                Effect::Complete(epoch) => {
                    world.check_told(self.log.term(), epoch);
                    for subtask in 0..SUBTASKS {
                        world.order(self.index, subtask, Order::Complete(epoch));
                    }
                }
                Effect::Retire(epoch) => self.commands.push_back(Command::Retire(epoch)),
                Effect::Finish => {
                    for subtask in 0..SUBTASKS {
                        world.order(self.index, subtask, Order::Finish);
                    }
                }
                Effect::Fail(why) => return self.dies(&why, world),
                Effect::Resume | Effect::Answer(..) | Effect::Suspend => {}
            }
        }
        if let Doing::Nothing = self.doing {
            self.next_command(world);
        }
    }

    fn next_command(&mut self, world: &mut World) {
        self.doing = Doing::Nothing;
        match self.commands.pop_front() {
            None => {}
            Some(Command::Publish(publication)) => {
                if self.crashes("about to publish", world) {
                    return;
                }
                self.decided = self.decided.max(publication.epoch.0);
                match world.has(DriverBug::ManifestAfterLog) {
                    true => self.append(publication, world),
                    false => self.put_manifest(publication, world),
                }
            }
            Some(Command::Retire(epoch)) => {
                let entries = self.log.deletable(epoch.0 + 1);
                if world.has(DriverBug::FilesBeforeEntry) {
                    let free = self.files.release(&Holder::Retained(epoch.0));
                    return self.delete(free, Some(entries), world);
                }
                self.doing = Doing::Entries(epoch);
                self.ask(Ask::DeleteEntries(entries), Purpose::Leader, world);
            }
            Some(Command::Discard(epoch, handle)) => {
                self.decided = self.decided.max(epoch.0);
                let own = |path: &&String| writer_of(path) == Some((self.log.term(), epoch.0));
                let written: Vec<String> = handle.named().filter(own).cloned().collect();
                let free = self.files.unheld(written);
                self.delete(free, None, world);
            }
            Some(Command::Collect) => {
                self.doing = Doing::List;
                self.ask(Ask::List, Purpose::Leader, world);
            }
            Some(Command::Finish) => {
                let op = self.log.append(Record::Finished { term: self.log.term() });
                self.doing = Doing::AppendFinish;
                self.ask(Ask::Log(op), Purpose::Leader, world);
            }
        }
    }

    fn delete(&mut self, files: Vec<String>, entries: Option<Vec<u64>>, world: &mut World) {
        self.doing = Doing::Files(entries);
        self.ask(Ask::Delete(files), Purpose::Leader, world);
    }

    fn manifest_path(&self, epoch: Epoch) -> String {
        format!("chk-{epoch}-t{}/_metadata", self.term())
    }

    fn put_manifest(&mut self, publication: Publication<Handle>, world: &mut World) {
        let path = self.manifest_path(publication.epoch);
        let handles = publication.subtasks.iter().map(|(_, handle)| handle.clone()).collect();
        self.doing = Doing::Manifest(publication, false);
        self.ask(Ask::Put(path, Object::Manifest(handles)), Purpose::Leader, world);
    }

    fn append(&mut self, publication: Publication<Handle>, world: &mut World) {
        let epoch = publication.epoch;
        let folder = self.manifest_path(epoch);
        let named = publication.subtasks.iter().flat_map(|(_, handle)| handle.named().cloned());
        self.files.hold(Holder::Pending(epoch.0), named.chain([folder.clone()]));
        let (term, checksum) = (self.term(), [0; 32]);
        let record = Record::Published { term, epoch: epoch.0, directory: None, folder, checksum };
        let Op::Create(number, record) = self.log.append(record) else { return };
        self.doing = Doing::Append(publication);
        self.ask(Ask::Log(Op::Create(number, record)), Purpose::Leader, world);
    }

    fn appended(&mut self, publication: Publication<Handle>, world: &mut World) {
        if self.crashes("entry is in the log", world) {
            return;
        }
        if world.has(DriverBug::ManifestAfterLog) {
            let path = self.manifest_path(publication.epoch);
            let handles = publication.subtasks.iter().map(|(_, handle)| handle.clone()).collect();
            self.doing = Doing::Manifest(publication, true);
            return self.ask(Ask::Put(path, Object::Manifest(handles)), Purpose::Leader, world);
        }
        self.is_published(&publication, world);
    }

    fn is_published(&mut self, publication: &Publication<Handle>, world: &mut World) {
        self.files.publish(publication.epoch.0);
        world.later(1, Delivery::ToLeader(self.index, Event::Published(publication.epoch)));
        if world.rng.chance(200) {
            self.commands.push_back(Command::Collect);
        }
        self.next_command(world);
    }

    pub(crate) fn closed(&mut self, subtask: usize, world: &mut World) {
        self.closed.insert(subtask);
        if self.closed.len() == SUBTASKS {
            self.commands.push_back(Command::Finish);
            if let Doing::Nothing = self.doing {
                self.next_command(world);
            }
        }
    }

    // A subtask.

    pub(crate) fn work(&mut self, index: usize, world: &mut World) {
        let generation = self.generation(world);
        let subtask = &mut self.subtasks[index];
        if subtask.ended || subtask.finishing {
            return;
        }
        let end = numbers_of(index);
        let to = (subtask.position + 1 + world.rng.below(3)).min(end);
        if subtask.position < to {
            let transaction = (index, generation, subtask.epoch);
            let open = Transaction::Open(BTreeSet::new());
            let written = world.transactions.entry(transaction).or_insert(open);
            if let Transaction::Open(numbers) = written {
                numbers.extend(subtask.position..to);
            }
            subtask.pending.insert(subtask.epoch, transaction);
            subtask.position = to;
        }
        if subtask.position == end {
            subtask.ended = true;
            return self.snapshot(index, world);
        }
        let wait_ms = 1 + world.rng.below(12) as i64;
        world.later(wait_ms, Delivery::Work(self.index, index));
    }

    fn cut(&self, world: &mut World) {
        let epochs = self.subtasks.iter().map(|s| if s.ended { u64::MAX } else { s.epoch });
        let open = epochs.min().unwrap_or(0);
        world.later(2, Delivery::ToLeader(self.index, Event::Cut(Epoch(open))));
    }

    pub(crate) fn ordered(&mut self, index: usize, order: Order, world: &mut World) {
        match order {
            Order::Trigger(epoch) => {
                let subtask = &mut self.subtasks[index];
                if !subtask.ended && subtask.epoch == epoch.0 {
                    self.snapshot(index, world);
                }
                self.subtasks[index].epoch = epoch.0 + 1;
                self.cut(world);
            }
            Order::Complete(epoch) => {
                let subtask = &mut self.subtasks[index];
                subtask.nameable.completed(epoch.0);
                let due: Vec<u64> = subtask.pending.range(..=epoch.0).map(|(e, _)| *e).collect();
                self.commit(index, due, world);
            }
            Order::Finish => {
                self.subtasks[index].finishing = true;
                self.close_if_done(index, world);
            }
        }
    }

    fn close_if_done(&mut self, index: usize, world: &mut World) {
        let subtask = &mut self.subtasks[index];
        let done = subtask.pending.is_empty() || world.has(DriverBug::EndsBeforeCommits);
        if subtask.finishing && done && !subtask.closed {
            subtask.closed = true;
            world.later(3, Delivery::Closed(self.index, index));
        }
    }

    fn commit(&mut self, index: usize, epochs: Vec<u64>, world: &mut World) {
        let subtask = &self.subtasks[index];
        let ids = epochs.iter().filter_map(|e| subtask.pending.get(e).copied()).collect::<Vec<_>>();
        if !ids.is_empty() {
            self.ask(Ask::Commit(ids), Purpose::Commit { subtask: index, epochs }, world);
        }
    }

    fn committed(&mut self, index: usize, epochs: Vec<u64>, say: &Say, world: &mut World) {
        if let Say::Unknown = say {
            return self.commit(index, epochs, world);
        }
        for epoch in epochs {
            self.subtasks[index].pending.remove(&epoch);
        }
        self.close_if_done(index, world);
    }

    fn snapshot(&mut self, index: usize, world: &mut World) {
        let term = self.log.term();
        let subtask = &mut self.subtasks[index];
        let epoch = subtask.epoch;
        // A new file each time; now and then old ones are compacted away.
        subtask.live.insert(subtask.next_id);
        subtask.next_id += 1;
        while subtask.live.len() > 3 || (subtask.live.len() > 1 && world.rng.chance(100)) {
            subtask.live.pop_first();
        }
        let known = subtask.nameable.of(&index);
        let fresh = |id: &u64| format!("shared/chk-{epoch}-t{term}-{index}-{id}");
        let path = |id: &u64| known.get(id).cloned().unwrap_or_else(|| fresh(id));
        let files: BTreeMap<u64, String> = subtask.live.iter().map(|id| (*id, path(id))).collect();
        let all = |e: &u64| !world.has(DriverBug::ForgetsEarlierTransactions) || *e == epoch;
        let pending = subtask.pending.iter().filter(|(e, _)| all(e)).map(|(_, t)| *t).collect();
        let position = match () {
            () if world.has(DriverBug::PositionTooLate) => subtask.position + 1,
            () if world.has(DriverBug::PositionTooEarly) => subtask.position.saturating_sub(1),
            () => subtask.position,
        };
        let data = format!("chk-{epoch}-t{term}/{index}");
        let ended = subtask.ended;
        let handle = Handle { subtask: index, epoch, position, ended, pending, data, files };
        let mut left: BTreeSet<String> = handle
            .files
            .values()
            .filter(|path| !known.values().any(|k| k == *path))
            .cloned()
            .collect();
        left.insert(handle.data.clone());
        subtask.nameable.stored(index, epoch, handle.files.clone());
        let asks: Vec<String> = left.iter().cloned().collect();
        subtask.uploads.insert(epoch, Upload { left, handle: handle.clone() });
        if world.has(DriverBug::CommitAtBarrier) {
            self.commit(index, vec![epoch], world);
        }
        if world.has(DriverBug::AckBeforeUpload) {
            self.acknowledge(index, epoch, handle, world);
        }
        for path in asks {
            let purpose = Purpose::Upload { subtask: index, epoch, path: path.clone() };
            self.ask(Ask::Put(path, Object::File), purpose, world);
        }
    }

    fn acknowledge(&self, index: usize, epoch: u64, handle: Handle, world: &mut World) {
        world.tell_leader(
            self.index,
            match handle.ended {
                true => Event::Ended(id(index), Epoch(epoch), handle),
                false => Event::Ack(id(index), Epoch(epoch), handle),
            },
        );
        self.cut(world);
    }

    fn uploaded(&mut self, index: usize, epoch: u64, path: String, say: &Say, world: &mut World) {
        if let Say::Unknown = say {
            let ended = self.subtasks[index].ended;
            if !ended && world.rng.chance(300) {
                self.subtasks[index].uploads.remove(&epoch);
                let event = Event::Declined(id(index), Epoch(epoch), "storage".into());
                return world.tell_leader(self.index, event);
            }
            let purpose = Purpose::Upload { subtask: index, epoch, path: path.clone() };
            return self.ask(Ask::Put(path, Object::File), purpose, world);
        }
        let Some(upload) = self.subtasks[index].uploads.get_mut(&epoch) else { return };
        upload.left.remove(&path);
        if upload.left.is_empty()
            && let Some(upload) = self.subtasks[index].uploads.remove(&epoch)
            && !world.has(DriverBug::AckBeforeUpload)
            && !self.crashes("uploaded", world)
        {
            self.acknowledge(index, epoch, upload.handle, world);
        }
    }
}
