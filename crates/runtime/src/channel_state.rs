//! What waited in front of a task when a checkpoint overtook it: stored, and replayed.
//!
//! ```text
//!   cut:      waiting of epoch e, watermark of every sender ──> "channel-state" of the head
//!   restore:  its own part, or at another parallelism its share of all parts
//!                 └──> Replay: floor of event time, then messages, then the real senders
//! ```
//!
//! Beside a [`Task`](crate::task::Task). A sender's channel is stored in order, records and
//! signals alike. A replay merges watermarks by itself, over the channels as they were; the
//! real senders take over where it ends. Of several former subtasks the one that is furthest
//! behind in event time comes next, so that a record is late if and only if it was.
//!
//! Invariants: every stored row is replayed by exactly one subtask; a channel keeps its
//! order; event time goes on where it was at the cut (where the slowest former subtask had
//! it, at another parallelism) and does not go back when the real senders take over.
//! Source: Flink, "Checkpointing under backpressure"; decision 0008.

use crate::exchange::{Body, Envelope, InFlight, PartitionContext, Payload};
use crate::job_graph::{Plan, PlanTask};
use crate::snapshot::{Restored, TaskSnapshot};
use crate::task::InputEdge;
use crate::watermark::{Merged, WatermarkMerge};
use millstream_checkpoint::RestoredJob;
use millstream_core::{Error, Result, Watermark};
use millstream_state::ListMode;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Name of the operator state (a list: one element of each subtask that was overtaken).
const STATE: &str = "channel-state";

/// What one subtask stores.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    subtask: u32,
    parallelism: u32,
    /// The uid of the operator that each edge comes from.
    inputs: Vec<String>,
    /// What the task had told its chain.
    watermark: i64,
    idle: bool,
    channels: Vec<Channel>,
    /// In the order in which they waited, with the index of their channel.
    messages: Vec<(u32, Message)>,
}

/// One sender on one edge, as its messages were processed so far.
#[derive(Debug, Serialize, Deserialize)]
struct Channel {
    edge: u32,
    watermark: i64,
    idle: bool,
    finished: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Data { rows: u32, bytes: Vec<u8> },
    Watermark(i64),
    Idle(bool),
    End,
}

/// What a task has to know to store its channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channels {
    uid: String,
    subtask: usize,
    parallelism: usize,
    inputs: Vec<String>,
}

impl Channels {
    /// Of subtask `subtask` of a task of the plan.
    pub(crate) fn of(plan: &Plan, task: &PlanTask, subtask: usize) -> Self {
        let from = |edge: &usize| plan.nodes[plan.edges[*edge].from_node].uid.clone();
        Channels {
            uid: plan.nodes[task.head].uid.clone(),
            subtask,
            parallelism: task.parallelism,
            inputs: task.inputs.iter().map(from).collect(),
        }
    }

    /// Adds what is in `waiting` to what the head of the chain stores.
    pub(crate) fn store(
        &self,
        merge: &WatermarkMerge,
        edges: &[InputEdge],
        waiting: &VecDeque<(usize, Envelope)>,
        into: &mut TaskSnapshot,
    ) -> Result<()> {
        // Members of the merge were numbered edge by edge.
        let edge_of = edges.iter().enumerate();
        let edge_of = edge_of.flat_map(|(i, edge)| edge.members.iter().flatten().map(move |_| i));
        let channel = |(edge, (watermark, idle, finished)): (usize, (Watermark, bool, bool))| {
            Channel { edge: edge as u32, watermark: watermark.0, idle, finished }
        };
        let message = |(edge, envelope): &(usize, Envelope)| {
            let member = edges[*edge].members.get(envelope.from as usize).copied().flatten();
            let member =
                member.ok_or_else(|| Error::bug("a message from a sender not connected"))?;
            let message = match &envelope.payload {
                Payload::Data { rows, body } => {
                    Message::Data { rows: *rows, bytes: body.encoded()? }
                }
                Payload::Watermark(watermark) => Message::Watermark(watermark.0),
                Payload::Idle(idle) => Message::Idle(*idle),
                Payload::End => Message::End,
            };
            Ok((member as u32, message))
        };
        let stored = Stored {
            subtask: self.subtask as u32,
            parallelism: self.parallelism as u32,
            inputs: self.inputs.clone(),
            watermark: merge.current().0,
            idle: merge.is_idle(),
            channels: edge_of.zip(merge.members()).map(channel).collect(),
            messages: waiting.iter().map(message).collect::<Result<_>>()?,
        };
        into.operator_mut(&self.uid).put_list_as(STATE, ListMode::Union, &stored)
    }
}

/// What one former subtask stored, and how far it is replayed.
struct Former {
    merge: WatermarkMerge,
    /// Edge, channel, payload.
    messages: VecDeque<(usize, usize, Payload)>,
}

/// A stored message, with the number of its former subtask.
pub(crate) struct Replayed {
    former: usize,
    channel: usize,
    pub(crate) edge: usize,
    pub(crate) payload: Payload,
}

/// Stored messages on their way into a task that was restored.
pub(crate) struct Replay {
    formers: Vec<Former>,
    /// What the chain was told last.
    watermark: Watermark,
    idle: bool,
}

impl Replay {
    /// The share of subtask `me` in what was stored in front of `task`.
    ///
    /// # Errors
    /// `Config` when the inputs of the task are not those of before.
    pub(crate) fn restore(
        plan: &Plan,
        task: &PlanTask,
        me: usize,
        restored: &Restored,
    ) -> Result<Option<Self>> {
        let mut all = restored.list_union::<Stored>(STATE)?;
        let channels = Channels::of(plan, task, me);
        if all.iter().any(|stored| stored.inputs != channels.inputs) {
            return Err(refused("whose inputs have changed"));
        }
        // Whoever is in charge of the same keys and turns as before reads its own only.
        all.retain(|s| s.parallelism as usize != task.parallelism || s.subtask as usize == me);
        if all.is_empty() {
            return Ok(None);
        }
        let mut redeals: Vec<_> = task.inputs.iter().map(|_| None).collect();
        let mut formers = Vec::new();
        for stored in all {
            let (former, mut messages) = (stored.subtask as usize, VecDeque::new());
            let same = stored.parallelism as usize == task.parallelism;
            for (channel, message) in stored.messages {
                let of = stored.channels.get(channel as usize);
                let edge = of.map_or(usize::MAX, |c| c.edge as usize);
                let index = task.inputs.get(edge);
                let index = index.ok_or_else(|| Error::corrupt("stored records of no edge"))?;
                let payload = match message {
                    Message::Data { rows, bytes } => {
                        let (edge_plan, body) = (&plan.edges[*index], Body::Bytes(bytes));
                        let piece = match &edge_plan.in_flight {
                            _ if same => Some((rows, body)),
                            InFlight::Redealt(make) => {
                                let context = PartitionContext {
                                    targets: task.parallelism,
                                    sender: former,
                                    max_parallelism: plan.max_parallelism,
                                };
                                redeals[edge].get_or_insert_with(|| make(context))(body, me)?
                            }
                            _ => (former % task.parallelism == me).then_some((rows, body)),
                        };
                        let Some((rows, body)) = piece else { continue };
                        Payload::Data { rows, body }
                    }
                    Message::Watermark(watermark) => Payload::Watermark(Watermark(watermark)),
                    Message::Idle(idle) => Payload::Idle(idle),
                    Message::End => Payload::End,
                };
                messages.push_back((edge, channel as usize, payload));
            }
            let member = |c: &Channel| (Watermark(c.watermark), c.idle, c.finished);
            let members = stored.channels.iter().map(member);
            let merge = WatermarkMerge::stored(members, Watermark(stored.watermark), stored.idle);
            formers.push(Former { merge, messages });
        }
        let mut replay = Replay { formers, watermark: Watermark::MIN, idle: false };
        replay.advance();
        Ok(Some(replay))
    }

    /// What the chain has to know first.
    pub(crate) fn begin(&self) -> Merged {
        let watermark = (self.watermark > Watermark::MIN).then_some(self.watermark);
        Merged { watermark, idle: self.idle.then_some(true) }
    }
    /// The next message.
    pub(crate) fn next(&mut self) -> Option<Replayed> {
        let left = self.formers.iter_mut().enumerate().filter(|(_, f)| !f.messages.is_empty());
        let (former, next) = left.min_by_key(|(_, f)| f.merge.current())?;
        let (edge, channel, payload) = next.messages.pop_front()?;
        Some(Replayed { former, channel, edge, payload })
    }
    /// What follows from a signal.
    pub(crate) fn signal(&mut self, of: &Replayed) -> Merged {
        let merge = &mut self.formers[of.former].merge;
        match &of.payload {
            Payload::Watermark(watermark) => merge.watermark(of.channel, *watermark),
            Payload::Idle(idle) => merge.idle(of.channel, *idle),
            Payload::End => merge.watermark(of.channel, Watermark::MAX),
            Payload::Data { .. } => return Merged::default(),
        };
        self.advance()
    }
    /// Follows the slowest former subtask.
    fn advance(&mut self) -> Merged {
        let slowest = self.formers.iter().map(|f| f.merge.current()).min();
        // The real senders say when all is over.
        let advanced = slowest.filter(|w| *w > self.watermark && *w < Watermark::MAX);
        self.watermark = advanced.unwrap_or(self.watermark);
        let idle = self.formers.iter().all(|f| f.merge.is_idle());
        let turned = std::mem::replace(&mut self.idle, idle) != idle;
        Merged { watermark: advanced, idle: turned.then_some(idle) }
    }
    /// Where event time is at the end.
    pub(crate) fn end(&self) -> (Watermark, bool) {
        (self.watermark, self.idle)
    }
}

/// Whether every operator in front of which something was stored is still the head of a task.
///
/// # Errors
/// `Config` when one has been fused with what comes before.
pub(crate) fn check(plan: &Plan, restored: &RestoredJob) -> Result<()> {
    for (index, node) in plan.nodes.iter().enumerate() {
        if plan.tasks.iter().any(|task| task.head == index && !task.inputs.is_empty()) {
            continue;
        }
        for former in restored.operator(&node.uid).former() {
            if !former.lists(STATE)?.is_empty() {
                let of = format!("operator '{}' ({})", node.name, node.uid);
                return Err(refused("that has no input of its own any more").at(of));
            }
        }
    }
    Ok(())
}

fn refused(what: &str) -> Error {
    Error::config(format!("an unaligned checkpoint has records in front of an operator {what}"))
        .advice(
            "start with the job and the parallelism of before, take a savepoint, and start the \
             changed job from that",
        )
}
