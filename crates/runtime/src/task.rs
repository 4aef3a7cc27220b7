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
//! Invariants: no record of epoch `e + 1` reaches the chain before its state at the
//! end of `e` was captured (Carbone et al. 2015); rows are acknowledged when they
//! have been *processed*; a task that has failed or was cancelled takes everything
//! and does nothing.

use crate::chain::{Downstream, Receiver};
use crate::exchange::{Body, Envelope, Payload};
use crate::snapshot::{SnapshotKind, TaskSnapshot};
use crate::source::SourcePoll;
use crate::source_node::SourceHead;
use crate::watermark::{Merged, WatermarkMerge};
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
}

/// What a task has to know of the world for one [`Task::step`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    /// The first epoch of which the inputs may still bring something; `None`: they have all
    /// been closed. Not for sources.
    pub(crate) inputs_at: Option<Epoch>,
    /// The epoch that sources are to be in.
    pub(crate) target: Epoch,
    /// The form of the snapshot that ends the current epoch.
    pub(crate) kind: SnapshotKind,
    /// A source reads nothing now.
    pub(crate) hold: bool,
    /// A source ends now.
    pub(crate) drain: bool,
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
    /// The source has said that it is at its end.
    ending: bool,
    ended: bool,
}

impl Task {
    pub(crate) fn new(head: Head, edges: Vec<InputEdge>, first: Epoch) -> Self {
        let members = edges.iter().flat_map(|e| e.members.iter().flatten()).count();
        Task {
            head,
            edges,
            merge: WatermarkMerge::new(members),
            open_senders: members,
            current: first,
            waiting: Waiting::new(),
            ending: false,
            ended: false,
        }
    }

    pub(crate) fn open(&mut self) -> Result<()> {
        self.head.chain().open()
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
        if self.ended || !self.head.chain_ref().ready() {
            return Ok(Step::Waiting);
        }
        if let Head::Source(_) = self.head {
            return self.step_source(orders, now_ms);
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
        let chain = head.chain();
        if merged.idle == Some(false) {
            chain.idle(false)?;
        }
        if let Some(watermark) = merged.watermark {
            chain.watermark(watermark)?;
        }
        if merged.idle == Some(true) {
            chain.idle(true)?;
        }
        Ok(Step::Processed { edge, sender, rows: done })
    }

    fn capture(&mut self, kind: SnapshotKind) -> Result<TaskSnapshot> {
        let mut snapshot = TaskSnapshot::new(kind);
        self.head.chain().barrier(self.current, &mut snapshot)?;
        Ok(snapshot)
    }

    fn end_epoch(&mut self, kind: SnapshotKind) -> Result<Step> {
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

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
