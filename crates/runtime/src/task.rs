//! A task: one chain behind its inputs, without the engine.
//!
//! Between the exchange and the head of a chain. The host hands envelopes in, with
//! the epoch that they belong to, and says how far the inputs have come; the task
//! says what it did.
//!
//! ```text
//!   edge 0 ─┐                      ┌ epoch <= current and chain ready: process
//!   edge 1 ─┼─> waiting by epoch ──┤
//!   edge 2 ─┘                      └ else: wait (bounded by the senders' credits)
//! ```
//!
//! An epoch ends when all of it has come and is processed. A checkpoint that may overtake
//! does not wait for the second: what has come and is not processed is stored with it, and
//! processed as part of the next epoch (`channel_state`; decision 0008).
//!
//! Invariants: no record of epoch `e + 1` reaches the chain before its state at the
//! end of `e` was captured (Carbone et al. 2015); a record of `e` is in that state, or stored
//! beside it; rows are acknowledged when they
//! have been *processed*; a task that has failed or was cancelled takes everything
//! and does nothing.

use crate::chain::{Downstream, Receiver};
use crate::channel_state::{Channels, Replay};
use crate::exchange::{Body, Envelope, Payload};
use crate::snapshot::{SnapshotKind, TaskSnapshot};
use crate::source::SourcePoll;
use crate::source_node::SourceHead;
use crate::watermark::{Merged, WatermarkMerge};
use millstream_checkpoint::fault;
use millstream_core::{Epoch, Error, Result, Watermark};
use std::collections::{BTreeMap, VecDeque};

/// A chain that begins with an operator, without the type of its input.
pub(crate) trait OperatorHead {
    fn receive(&mut self, port: usize, body: Body) -> Result<()>;
    fn chain(&mut self) -> &mut dyn Downstream;
    fn chain_ref(&self) -> &dyn Downstream;
}

/// How the body of an envelope on one port becomes the input of the operator.
pub(crate) type Decode<C> = fn(Body) -> Result<C>;

pub(crate) struct TypedHead<C> {
    pub(crate) receiver: Box<dyn Receiver<C>>,
    pub(crate) ports: Vec<Decode<C>>,
}

impl<C: 'static> OperatorHead for TypedHead<C> {
    fn receive(&mut self, port: usize, body: Body) -> Result<()> {
        let decode = self.ports.get(port).ok_or_else(|| Error::bug("an edge to a missing port"))?;
        self.receiver.receive(decode(body)?)
    }
    fn chain(&mut self) -> &mut dyn Downstream {
        &mut *self.receiver
    }
    fn chain_ref(&self) -> &dyn Downstream {
        &*self.receiver
    }
}

pub(crate) enum Head {
    Operator(Box<dyn OperatorHead>),
    Source(Box<dyn SourceHead>),
}

impl Head {
    fn chain(&mut self) -> &mut dyn Downstream {
        match self {
            Head::Operator(head) => head.chain(),
            Head::Source(head) => &mut **head,
        }
    }
    fn chain_ref(&self) -> &dyn Downstream {
        match self {
            Head::Operator(head) => head.chain_ref(),
            Head::Source(head) => &**head,
        }
    }
}

/// One input edge of a subtask: its port on the head, and its senders.
pub(crate) struct InputEdge {
    pub(crate) port: usize,
    /// Index in the merge of the sender with a subtask index, if connected.
    pub(crate) members: Vec<Option<usize>>,
    /// No checkpoint overtakes what waits on it.
    pub(crate) never_overtaken: bool,
}

/// What a task has to know of the world for one [`Task::step`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    /// The first epoch of which the inputs may still bring something; `None`: they have all
    /// been closed. Not for sources.
    pub(crate) inputs_at: Option<Epoch>,
    /// The epoch that sources are to be in.
    pub(crate) target: Epoch,
    /// The form of the snapshot that ends the current epoch; `None`: nobody will store it.
    pub(crate) kind: Option<SnapshotKind>,
    /// A source reads nothing now.
    pub(crate) hold: bool,
    /// A source ends now.
    pub(crate) drain: bool,
    /// The checkpoint that ends the current epoch does not wait for what is not processed.
    pub(crate) overtake: bool,
}

/// What one [`Task::step`] did.
#[derive(Debug)]
pub(crate) enum Step {
    /// Something; there may be more. `rows` of `edge` from `sender` are processed.
    Processed { edge: usize, sender: u32, rows: u64 },
    /// The current epoch is complete: its state is here, and the task is in the next.
    EpochEnded(Epoch, TaskSnapshot),
    /// Nothing can be done: no input, or the chain is not ready.
    Waiting,
    /// A source has nothing now.
    SourceWaiting,
    /// The task has ended in an orderly way; its last epoch's state is here.
    Ended(Epoch, TaskSnapshot),
}

type Waiting = BTreeMap<Epoch, VecDeque<(usize, Envelope)>>;

pub(crate) struct Task {
    head: Head,
    edges: Vec<InputEdge>,
    merge: WatermarkMerge,
    /// Senders that have not said that they end.
    open_senders: usize,
    current: Epoch,
    waiting: Waiting,
    channels: Channels,
    /// What was stored in front of it, and comes before everything else.
    replay: Option<Replay>,
    /// The last epoch whose rest was put in the order in which it can be overtaken.
    sorted: Option<Epoch>,
    /// The source has said that it is at its end.
    ending: bool,
    ended: bool,
}

impl Task {
    pub(crate) fn new(
        head: Head,
        edges: Vec<InputEdge>,
        channels: Channels,
        replay: Option<Replay>,
        first: Epoch,
    ) -> Self {
        let members = edges.iter().flat_map(|e| e.members.iter().flatten()).count();
        Task {
            head,
            edges,
            merge: WatermarkMerge::new(members),
            open_senders: members,
            current: first,
            waiting: Waiting::new(),
            channels,
            replay,
            sorted: None,
            ending: false,
            ended: false,
        }
    }

    pub(crate) fn open(&mut self) -> Result<()> {
        let chain = self.head.chain();
        chain.open()?;
        match &self.replay {
            Some(replay) => tell(chain, replay.begin()),
            None => Ok(()),
        }
    }

    pub(crate) fn enqueue(&mut self, edge: usize, epoch: Epoch, envelope: Envelope) {
        self.waiting.entry(epoch.max(self.current)).or_default().push_back((edge, envelope));
    }

    /// The epoch that it is in.
    pub(crate) fn current(&self) -> Epoch {
        self.current
    }

    /// Does one thing.
    pub(crate) fn step(&mut self, orders: Orders, now_ms: i64) -> Result<Step> {
        self.head.chain().poll(now_ms)?;
        if self.ended {
            return Ok(Step::Waiting);
        }
        if !self.head.chain_ref().ready() {
            return match self.may_overtake(orders) {
                true => self.overtake(orders.kind),
                false => Ok(Step::Waiting),
            };
        }
        if let Head::Source(_) = self.head {
            return self.step_source(orders, now_ms);
        }
        if let Some(step) = self.step_replay()? {
            return Ok(step);
        }
        if self.waiting.contains_key(&self.current) && self.may_overtake(orders) {
            return self.overtake(orders.kind);
        }
        if let Some(queue) = self.waiting.get_mut(&self.current) {
            if let Some((edge, envelope)) = queue.pop_front() {
                return self.process(edge, envelope);
            }
            self.waiting.remove(&self.current);
        }
        match orders.inputs_at {
            // The cut is known only when its order has come, which may be after the barrier.
            _ if self.current >= orders.target && !self.is_last(orders) => Ok(Step::Waiting),
            Some(epoch) if epoch > self.current => self.end_epoch(orders.kind),
            None if !self.waiting.is_empty() => self.end_epoch(orders.kind),
            None => self.finish(orders),
            _ => Ok(Step::Waiting),
        }
    }

    /// Whether nothing can come any more.
    fn is_last(&self, orders: Orders) -> bool {
        orders.inputs_at.is_none() && self.waiting.is_empty()
    }

    /// Whether the current epoch can end before everything is processed: all of it is here,
    /// and what is not to be overtaken is processed.
    fn may_overtake(&mut self, orders: Orders) -> bool {
        let all_here = match self.head {
            Head::Source(_) => true,
            Head::Operator(_) => orders.inputs_at.is_none_or(|epoch| epoch > self.current),
        };
        if !orders.overtake
            || self.current >= orders.target
            || !all_here
            || self.replay.is_some()
            || self.head.chain_ref().is_firing()
        {
            return false;
        }
        let Some(queue) = self.waiting.get_mut(&self.current) else { return true };
        let edges = &self.edges;
        let first = |(edge, _): &(usize, Envelope)| edges[*edge].never_overtaken;
        if edges.iter().any(|edge| edge.never_overtaken) && self.sorted != Some(self.current) {
            // There is no order between edges, only on each.
            let (mut before, after): (VecDeque<_>, VecDeque<_>) = queue.drain(..).partition(first);
            before.extend(after);
            *queue = before;
            self.sorted = Some(self.current);
        }
        !queue.front().is_some_and(first)
    }

    /// Ends the current epoch, and takes what is not processed along into the next.
    fn overtake(&mut self, kind: Option<SnapshotKind>) -> Result<Step> {
        let mut snapshot = self.capture(kind)?;
        let (ended, next) = (self.current, self.current.next());
        let mut left = self.waiting.remove(&ended).unwrap_or_default();
        if !left.is_empty() {
            self.channels.store(&self.merge, &self.edges, &left, &mut snapshot)?;
            left.append(self.waiting.entry(next).or_default());
            self.waiting.insert(next, left);
        }
        self.current = next;
        Ok(Step::EpochEnded(ended, snapshot))
    }

    /// Processes one stored message, if there is one.
    fn step_replay(&mut self) -> Result<Option<Step>> {
        let (Some(replay), Head::Operator(head)) = (&mut self.replay, &mut self.head) else {
            return Ok(None);
        };
        let done = Some(Step::Processed { edge: 0, sender: 0, rows: 0 });
        let Some(next) = replay.next() else {
            let (watermark, idle) = replay.end();
            self.merge.follow(watermark, idle);
            self.replay = None;
            return Ok(done);
        };
        let merged = replay.signal(&next);
        if let Payload::Data { body, .. } = next.payload {
            let input = self.edges.get(next.edge);
            let input = input.ok_or_else(|| Error::bug("stored records of a missing edge"))?;
            head.receive(input.port, body)?;
        }
        tell(head.chain(), merged)?;
        Ok(done)
    }

    fn step_source(&mut self, orders: Orders, now_ms: i64) -> Result<Step> {
        if self.ending {
            return self.finish(orders);
        }
        if orders.target > self.current {
            return self.end_epoch(orders.kind);
        }
        if orders.hold {
            return Ok(Step::SourceWaiting);
        }
        let Head::Source(source) = &mut self.head else { return Ok(Step::Waiting) };
        let polled = if orders.drain { SourcePoll::End } else { source.run(now_ms)? };
        Ok(match polled {
            SourcePoll::More => Step::Processed { edge: 0, sender: 0, rows: 0 },
            SourcePoll::Wait(_) => Step::SourceWaiting,
            SourcePoll::End => {
                // What fires on the last watermark may have to wait for room: end comes after.
                self.ending = true;
                source.watermark(Watermark::MAX)?;
                Step::Processed { edge: 0, sender: 0, rows: 0 }
            }
        })
    }

    fn process(&mut self, edge: usize, envelope: Envelope) -> Result<Step> {
        let Head::Operator(head) = &mut self.head else { return Ok(Step::Waiting) };
        let input = &self.edges[edge];
        let sender = envelope.from;
        let member = input.members.get(sender as usize).copied().flatten();
        let member = member.ok_or_else(|| Error::bug("a message from a sender not connected"))?;
        let mut done = 0;
        let merged = match envelope.payload {
            Payload::Data { rows, body } => {
                done = u64::from(rows);
                head.receive(input.port, body)?;
                Merged::default()
            }
            Payload::Watermark(watermark) => self.merge.watermark(member, watermark),
            Payload::Idle(idle) => self.merge.idle(member, idle),
            Payload::End => {
                self.open_senders -= 1;
                self.merge.watermark(member, Watermark::MAX)
            }
        };
        tell(head.chain(), merged)?;
        Ok(Step::Processed { edge, sender, rows: done })
    }

    fn capture(&mut self, kind: Option<SnapshotKind>) -> Result<TaskSnapshot> {
        let mut snapshot = kind.map_or_else(TaskSnapshot::dropped, TaskSnapshot::new);
        fault::reach("before-snapshot");
        self.head.chain().barrier(self.current, &mut snapshot)?;
        fault::reach("after-snapshot");
        Ok(snapshot)
    }

    fn end_epoch(&mut self, kind: Option<SnapshotKind>) -> Result<Step> {
        let snapshot = self.capture(kind)?;
        let ended = self.current;
        self.current = ended.next();
        Ok(Step::EpochEnded(ended, snapshot))
    }

    fn finish(&mut self, orders: Orders) -> Result<Step> {
        // Senders that were stopped close without saying so: then nothing has ended here.
        if self.open_senders > 0 {
            return Ok(Step::Waiting);
        }
        self.head.chain().end()?;
        let snapshot = self.capture(orders.kind)?;
        self.ended = true;
        Ok(Step::Ended(self.current, snapshot))
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.head.chain().flush()
    }
    pub(crate) fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.head.chain().checkpoint_complete(epoch)
    }
    pub(crate) fn is_ready(&self) -> bool {
        self.head.chain_ref().ready()
    }
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.head.chain_ref().next_deadline()
    }
    pub(crate) fn close(&mut self) -> Result<()> {
        self.waiting.clear();
        self.ended = true;
        self.head.chain().close()
    }
}

fn tell(chain: &mut dyn Downstream, merged: Merged) -> Result<()> {
    if merged.idle == Some(false) {
        chain.idle(false)?;
    }
    if let Some(watermark) = merged.watermark {
        chain.watermark(watermark)?;
    }
    if merged.idle == Some(true) {
        chain.idle(true)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
