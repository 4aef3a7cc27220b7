//! Edges between tasks: who gets a record, in what form, and when there is room.
//!
//! ```text
//!   Output ──batch──> ExchangeSender ──split by Partition──> one buffer per target
//!                          │ full, or flush
//!                          └──> Envelope{to, from, body} ──> outbox ──> (Timely) ──> task input
//!          <── credits: rows that the target has processed ──
//! ```
//!
//! Every edge between tasks has one of these, forward edges too. A body stays a
//! typed batch within a process and is encoded by the sender for another one.
//!
//! Invariants: between two subtasks an edge keeps order, records and signals alike;
//! a target never has more than the credit window (plus one batch) of rows of one
//! sender unprocessed, wherever they wait.

use crate::chain::{BATCH_ROWS, Downstream, Receiver, RecordContext};
use crate::snapshot::TaskSnapshot;
use crate::source_node::show;
use millstream_core::key_group::subtask_of;
use millstream_core::{Batch, Container, Data, Epoch, Error, Key, Result, Watermark, key_group_of};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

/// Most rows of one sender that may wait at one target.
pub(crate) const CREDIT_WINDOW_ROWS: i64 = 64 * 1024;

/// Rows of a buffer that are sent off. Of a full batch each of two, three or four targets
/// gets a half, a third or a quarter: a buffer has about [`BATCH_ROWS`] when it goes.
const SHIP_ROWS: usize = BATCH_ROWS / 4 * 3;
/// Room for what one more batch may add, because growing costs more than everything else
/// here: rows move to memory that the system has to find first.
const BUFFER_ROWS: usize = BATCH_ROWS / 4 * 5;

/// A first guess at the encoded size of a row.
const BYTES_PER_ROW: usize = 32;

/// A container whose type only the two ends of an edge know.
pub(crate) trait AnyContainer: Send {
    fn encode_into(&self, out: &mut Vec<u8>) -> Result<()>;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}
impl<C: Container> AnyContainer for C {
    fn encode_into(&self, out: &mut Vec<u8>) -> Result<()> {
        self.encode(out)
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The records of an envelope.
pub(crate) enum Body {
    /// A container, as it is, for a target in this process.
    Typed(Box<dyn AnyContainer>),
    /// An encoded container, for a target in another one.
    Bytes(Vec<u8>),
}

impl Body {
    /// The container of type `C` that the sender put in.
    pub(crate) fn open<C: Container>(self) -> Result<C> {
        match self {
            Body::Typed(body) => body.into_any().downcast::<C>().map(|c| *c).map_err(|_| {
                Error::bug("an edge carries another type than its two ends agreed on")
            }),
            Body::Bytes(bytes) => C::decode(&bytes),
        }
    }
    /// The wire form of the container.
    pub(crate) fn encoded(&self) -> Result<Vec<u8>> {
        match self {
            Body::Typed(body) => {
                let mut bytes = Vec::new();
                body.encode_into(&mut bytes)?;
                Ok(bytes)
            }
            Body::Bytes(bytes) => Ok(bytes.clone()),
        }
    }
}

/// What an envelope carries.
pub(crate) enum Payload {
    Data {
        rows: u32,
        body: Body,
    },
    Watermark(Watermark),
    Idle(bool),
    /// The sender has ended; nothing follows.
    End,
}

/// One message on one edge.
pub(crate) struct Envelope {
    /// Worker that gets it.
    pub(crate) to: u32,
    /// Subtask of the sender.
    pub(crate) from: u32,
    pub(crate) payload: Payload,
}

/// Rows that one sender may still send, by target. Shared with the host, which
/// takes the acknowledgements in.
pub(crate) struct Credits {
    outstanding: Vec<Cell<i64>>,
    window: Vec<Cell<i64>>,
}

impl Credits {
    fn new(targets: usize) -> Self {
        Credits {
            outstanding: vec![Cell::new(0); targets],
            window: vec![Cell::new(CREDIT_WINDOW_ROWS); targets],
        }
    }
    /// `target` has processed `rows` and now allows `window`.
    pub(crate) fn acknowledge(&self, target: usize, rows: u64, window: u64) {
        if let (Some(outstanding), Some(limit)) =
            (self.outstanding.get(target), self.window.get(target))
        {
            outstanding.set(outstanding.get() - rows as i64);
            limit.set(window as i64);
        }
    }
    pub(crate) fn available(&self) -> bool {
        self.outstanding.iter().zip(&self.window).all(|(o, w)| o.get() < w.get())
    }
}

/// One sending subtask's end of an edge, without the type of the records.
pub(crate) struct EdgeSender {
    /// The sender's subtask index.
    pub(crate) from: u32,
    /// Subtask index, worker and "is in another process" of each target.
    pub(crate) targets: Vec<Target>,
    pub(crate) outbox: Rc<RefCell<Vec<Envelope>>>,
    pub(crate) credits: Rc<Credits>,
    pub(crate) max_parallelism: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) subtask: u32,
    pub(crate) worker: u32,
    pub(crate) remote: bool,
}

impl EdgeSender {
    pub(crate) fn new(
        from: usize,
        targets: Vec<Target>,
        outbox: Rc<RefCell<Vec<Envelope>>>,
        max_parallelism: usize,
    ) -> Self {
        // Indexed by subtask, as acknowledgements are.
        let highest = targets.iter().map(|t| t.subtask as usize + 1).max().unwrap_or(0);
        let credits = Rc::new(Credits::new(highest));
        EdgeSender { from: from as u32, targets, outbox, credits, max_parallelism }
    }
    /// The same end again: buffers and credits are shared with the host.
    pub(crate) fn share(&self) -> EdgeSender {
        EdgeSender {
            targets: self.targets.clone(),
            outbox: Rc::clone(&self.outbox),
            credits: Rc::clone(&self.credits),
            ..*self
        }
    }
    pub(crate) fn send<C: Container>(&self, target: usize, batch: C) -> Result<()> {
        let rows = batch.len();
        if rows == 0 {
            return Ok(());
        }
        let target = self.targets[target];
        let outstanding = &self.credits.outstanding[target.subtask as usize];
        outstanding.set(outstanding.get() + rows as i64);
        let body = if target.remote {
            let mut bytes = Vec::with_capacity(rows * BYTES_PER_ROW);
            batch.encode(&mut bytes)?;
            Body::Bytes(bytes)
        } else {
            Body::Typed(Box::new(batch))
        };
        let payload = Payload::Data { rows: rows as u32, body };
        self.outbox.borrow_mut().push(Envelope { to: target.worker, from: self.from, payload });
        Ok(())
    }
    pub(crate) fn signal(&self, payload: impl Fn() -> Payload) {
        let mut outbox = self.outbox.borrow_mut();
        for target in &self.targets {
            outbox.push(Envelope { to: target.worker, from: self.from, payload: payload() });
        }
    }
}

/// Deals records out to targets.
pub trait Partition<T> {
    /// Moves every record of `batch` into the buffer of its target (or of several).
    ///
    /// # Errors
    /// When a user's function answers a target that is not there.
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()>;
}

/// What a [`Partition`] may know of its edge.
#[derive(Clone, Copy, Debug)]
pub struct PartitionContext {
    /// Number of targets.
    pub targets: usize,
    /// Subtask index of the sender.
    pub sender: usize,
    /// Number of key groups of the job.
    pub max_parallelism: usize,
}

/// Makes the [`Partition`] of one sending subtask.
pub type MakePartition<T> = Arc<dyn Fn(PartitionContext) -> Box<dyn Partition<T>> + Send + Sync>;

/// Which targets a sender is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Subtask `i` to subtask `i`; may be fused into a chain.
    Forward,
    /// Each sender to its share of the targets (or each target from its share).
    Rescale,
    /// Everyone to everyone.
    All,
}

/// Deals what was stored out again: the piece for one target, and its rows.
pub(crate) type Redeal = Box<dyn FnMut(Body, usize) -> Result<Option<(u32, Body)>>>;
/// Makes the [`Redeal`] of an edge.
pub(crate) type MakeRedeal = Arc<dyn Fn(PartitionContext) -> Redeal + Send + Sync>;

/// What a checkpoint that does not wait may do with records that wait at the end of an edge.
#[derive(Clone)]
pub(crate) enum InFlight {
    /// It stores them; at another parallelism they are dealt out again.
    Redealt(MakeRedeal),
    /// It stores them; at another parallelism the subtasks get them in turn.
    InTurn,
    /// They are processed first: who gets them cannot be decided again. Flink has the same
    /// rule for pointwise and broadcast edges.
    Processed,
}

/// How records are dealt out on an edge (Flink's `StreamPartitioner`).
#[derive(Clone)]
pub struct Partitioner<T> {
    /// Flink's name, for plans: `FORWARD`, `HASH`, `REBALANCE`, ...
    pub name: &'static str,
    pub(crate) connection: Connection,
    pub(crate) make: MakePartition<T>,
}

impl<T: Data> Partitioner<T> {
    fn new<P: Partition<T> + 'static>(
        name: &'static str,
        connection: Connection,
        make: impl Fn(PartitionContext) -> P + Send + Sync + 'static,
    ) -> Self {
        Partitioner { name, connection, make: Arc::new(move |context| Box::new(make(context))) }
    }
    pub(crate) fn in_flight(&self) -> InFlight {
        match self.name {
            "HASH" | "GLOBAL" | "CUSTOM" => InFlight::Redealt(self.redeal()),
            "REBALANCE" | "SHUFFLE" => InFlight::InTurn,
            _ => InFlight::Processed,
        }
    }
    fn redeal(&self) -> MakeRedeal {
        let make = Arc::clone(&self.make);
        Arc::new(move |context| {
            let mut partition = make(context);
            Box::new(move |body, target| {
                let mut pieces = vec![Batch::<T>::new(); context.targets];
                partition.split(body.open()?, &mut pieces)?;
                let piece = pieces.into_iter().nth(target).filter(|piece| !piece.is_empty());
                Ok(piece.map(|piece| (piece.len() as u32, Body::Typed(Box::new(piece)))))
            })
        })
    }
    /// To the subtask of the same index.
    pub fn forward() -> Self {
        Self::new("FORWARD", Connection::Forward, |_| RoundRobin { next: 0 })
    }
    /// Batch by batch in turn to all.
    pub fn rebalance() -> Self {
        Self::new("REBALANCE", Connection::All, |c| RoundRobin {
            next: c.sender % c.targets.max(1),
        })
    }
    /// In turn to a share of the targets, near ones where the parallelisms allow.
    pub fn rescale() -> Self {
        Self::new("RESCALE", Connection::Rescale, |_| RoundRobin { next: 0 })
    }
    /// Each record to a target chosen by a seeded generator.
    pub fn shuffle(seed: u64) -> Self {
        Self::new("SHUFFLE", Connection::All, move |c| Shuffle { state: seed ^ c.sender as u64 })
    }
    /// Everything to the first subtask.
    pub fn global() -> Self {
        Self::new("GLOBAL", Connection::All, |_| Global)
    }
    /// A copy to every subtask.
    pub fn broadcast() -> Self {
        Self::new("BROADCAST", Connection::All, |_| Broadcast)
    }
    /// To the owner of the key's group.
    pub fn key_group<K: Key, F>(key: F) -> Self
    where
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        Self::new("HASH", Connection::All, move |c| KeyPartition {
            targets: (0..c.max_parallelism)
                .map(|g| subtask_of(g as u16, c.max_parallelism, c.targets) as u16)
                .collect(),
            max_parallelism: c.max_parallelism,
            key: key.clone(),
            owners: Vec::new(),
            of: PhantomData::<fn() -> K>,
        })
    }
    /// To the target `choose(record's key, number of targets)` (Flink's `partitionCustom`).
    pub fn custom<F>(choose: F) -> Self
    where
        F: Fn(&T, usize) -> usize + Clone + Send + Sync + 'static,
    {
        Self::new("CUSTOM", Connection::All, move |_| Custom { choose: choose.clone() })
    }
    /// Which targets a sender is connected to.
    pub fn connection(&self) -> Connection {
        self.connection
    }
}

struct RoundRobin {
    next: usize,
}
impl<T> Partition<T> for RoundRobin {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        // By record, as Flink does: an even spread also when there are few batches.
        if let [only] = targets {
            only.append(batch);
            return Ok(());
        }
        for (value, timestamp) in batch {
            self.next = (self.next + 1) % targets.len();
            targets[self.next].push(value, timestamp);
        }
        Ok(())
    }
}

struct Shuffle {
    state: u64,
}
impl<T> Partition<T> for Shuffle {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        for (value, timestamp) in batch {
            // splitmix64
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let target = ((z >> 32) as usize * targets.len()) >> 32;
            targets[target].push(value, timestamp);
        }
        Ok(())
    }
}

struct Global;
impl<T> Partition<T> for Global {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        targets[0].append(batch);
        Ok(())
    }
}

struct Broadcast;
impl<T: Clone> Partition<T> for Broadcast {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        if let Some((last, others)) = targets.split_last_mut() {
            others.iter_mut().for_each(|t| t.append(batch.clone()));
            last.append(batch);
        }
        Ok(())
    }
}

struct KeyPartition<K, F> {
    /// Key group to target.
    targets: Vec<u16>,
    max_parallelism: usize,
    key: F,
    /// Of the rows of the batch at hand; kept for its place.
    owners: Vec<u16>,
    of: PhantomData<fn() -> K>,
}
impl<T: std::fmt::Debug, K: Key, F: Fn(&T) -> K> Partition<T> for KeyPartition<K, F> {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        let (key, of, max_parallelism) = (&self.key, &self.targets, self.max_parallelism);
        // All keys first, and one context for all of them.
        let row = Cell::new(0);
        let describe = || format!("key of record {}", show(&batch.values()[row.get()]));
        let context = RecordContext::new(&describe);
        self.owners.clear();
        self.owners.extend(batch.values().iter().enumerate().map(|(at, value)| {
            row.set(at);
            of[key_group_of(&key(value), max_parallelism) as usize]
        }));
        drop(context);
        batch.deal_out(&self.owners, targets);
        Ok(())
    }
}

struct Custom<F> {
    choose: F,
}
impl<T: Data, F: Fn(&T, usize) -> usize> Partition<T> for Custom<F> {
    fn split(&mut self, batch: Batch<T>, targets: &mut [Batch<T>]) -> Result<()> {
        let count = targets.len();
        for (value, timestamp) in batch {
            let target = {
                let describe = || format!("record {}", show(&value));
                let _context = RecordContext::new(&describe);
                (self.choose)(&value, count)
            };
            let Some(buffer) = targets.get_mut(target) else {
                let record = show(&value);
                return Err(Error::user(format!(
                    "the custom partitioner chose target {target} of {count} for record {record}"
                ))
                .advice("answer an index below the number of targets"));
            };
            buffer.push(value, timestamp);
        }
        Ok(())
    }
}

/// The typed end of an edge, at the end of a chain.
pub(crate) struct ExchangeSender<T> {
    partition: Box<dyn Partition<T>>,
    buffers: Vec<Batch<T>>,
    edge: EdgeSender,
}

impl<T: Data> ExchangeSender<T> {
    pub(crate) fn new(partitioner: &Partitioner<T>, edge: EdgeSender) -> Self {
        let count = edge.targets.len();
        ExchangeSender {
            partition: (partitioner.make)(PartitionContext {
                targets: count,
                sender: edge.from as usize,
                max_parallelism: edge.max_parallelism,
            }),
            buffers: (0..count).map(|_| Batch::with_capacity(BUFFER_ROWS)).collect(),
            edge,
        }
    }
    fn ship(&mut self, at_least: usize) -> Result<()> {
        for (target, buffer) in self.buffers.iter_mut().enumerate() {
            if buffer.len() >= at_least {
                let batch = std::mem::replace(buffer, Batch::with_capacity(BUFFER_ROWS));
                self.edge.send(target, batch)?;
            }
        }
        Ok(())
    }
    fn signal(&mut self, payload: impl Fn() -> Payload) -> Result<()> {
        self.ship(1)?;
        self.edge.signal(payload);
        Ok(())
    }
}

impl<T: Data> Downstream for ExchangeSender<T> {
    fn open(&mut self) -> Result<()> {
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.signal(|| Payload::Watermark(watermark))
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.signal(|| Payload::Idle(idle))
    }
    fn barrier(&mut self, _epoch: Epoch, _snapshot: &mut TaskSnapshot) -> Result<()> {
        self.ship(1) // the host moves its capability on behind these
    }
    fn checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        self.signal(|| Payload::End)
    }
    fn ready(&self) -> bool {
        self.edge.credits.available()
    }
    fn poll(&mut self, _now_ms: i64) -> Result<()> {
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        None
    }
    fn flush(&mut self) -> Result<()> {
        self.ship(1)
    }
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<T: Data> Receiver<Batch<T>> for ExchangeSender<T> {
    fn receive(&mut self, batch: Batch<T>) -> Result<()> {
        self.partition.split(batch, &mut self.buffers)?;
        self.ship(SHIP_ROWS)
    }
}

/// The targets of sender `from`: a function of the edge alone, so that both ends agree.
pub(crate) fn targets_of(
    connection: Connection,
    from: usize,
    senders: usize,
    receivers: usize,
) -> Vec<usize> {
    match connection {
        Connection::Forward => vec![from],
        Connection::All => (0..receivers).collect(),
        Connection::Rescale if senders >= receivers => vec![from * receivers / senders],
        Connection::Rescale => {
            (0..receivers).filter(|to| to * senders / receivers == from).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_receiver_has_a_sender_and_every_sender_a_receiver(
            senders in 1usize..9, receivers in 1usize..9
        ) {
            for connection in [Connection::All, Connection::Rescale] {
                let of = |from| targets_of(connection, from, senders, receivers);
                prop_assert!((0..senders).all(|from| !of(from).is_empty()));
                prop_assert!((0..receivers).all(|to| (0..senders).any(|f| of(f).contains(&to))));
            }
        }

        #[test]
        fn no_partitioner_loses_or_doubles(
            values in prop::collection::vec(0u32..50, 0..200), count in 1usize..5
        ) {
            let partitioners = [
                Partitioner::rebalance(), Partitioner::shuffle(7), Partitioner::global(),
                Partitioner::key_group(|v: &u32| *v),
                Partitioner::custom(|v: &u32, n| *v as usize % n),
            ];
            for partitioner in partitioners {
                let mut targets = vec![Batch::new(); count];
                let mut partition = (partitioner.make)(PartitionContext { targets: count, sender: 0, max_parallelism: 128 });
                partition.split(Batch::from(values.clone()), &mut targets).unwrap();
                let mut got: Vec<u32> = targets.into_iter().flatten().map(|(v, _)| v).collect();
                let mut want = values.clone();
                got.sort_unstable();
                want.sort_unstable();
                prop_assert_eq!(got, want, "{}", partitioner.name);
            }
        }
    }
}
