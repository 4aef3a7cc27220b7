//! Edges that carry whole containers: columnar batches, split by a function of their own.
//!
//! The same place as [`crate::exchange`], with its credits and signals; there a batch is
//! split record by record into buffers, here a [`ContainerPartition`] makes the pieces and
//! each is sent as it is.
//!
//! Invariant: as in [`crate::exchange`]; and a signal follows the rows given before it,
//! because nothing is kept in a buffer.

use crate::chain::{Downstream, Receiver};
use crate::exchange::{Connection, EdgeSender, PartitionContext, Payload};
use crate::snapshot::TaskSnapshot;
use millstream_core::{Container, Epoch, Result, Watermark};
use std::sync::Arc;

/// Deals a container out.
pub trait ContainerPartition<C> {
    /// The piece for each target, by index; `None` where there is nothing.
    ///
    /// # Errors
    /// When the container is not of the shape that was agreed on.
    fn split(&mut self, container: C) -> Result<Vec<Option<C>>>;
}

type Make<C> = Arc<dyn Fn(PartitionContext) -> Box<dyn ContainerPartition<C>> + Send + Sync>;

/// How containers are dealt out on an edge.
pub struct ContainerPartitioner<C> {
    name: &'static str,
    connection: Connection,
    make: Make<C>,
}

impl<C> Clone for ContainerPartitioner<C> {
    fn clone(&self) -> Self {
        let (name, connection) = (self.name, self.connection);
        ContainerPartitioner { name, connection, make: Arc::clone(&self.make) }
    }
}

impl<C: Container> ContainerPartitioner<C> {
    /// From everyone to everyone, as `make`'s partition says; `name` is for plans.
    pub fn new<P: ContainerPartition<C> + 'static>(
        name: &'static str,
        make: impl Fn(PartitionContext) -> P + Send + Sync + 'static,
    ) -> Self {
        let make: Make<C> = Arc::new(move |context| Box::new(make(context)));
        ContainerPartitioner { name, connection: Connection::All, make }
    }
    /// To the subtask of the same index.
    pub fn forward() -> Self {
        let to_one = Self::new("FORWARD", |c| Turn { next: 0, targets: c.targets });
        ContainerPartitioner { connection: Connection::Forward, ..to_one }
    }
    /// Whole containers to all in turn.
    pub fn rebalance() -> Self {
        let first = |c: PartitionContext| c.sender % c.targets.max(1);
        Self::new("REBALANCE", move |c| Turn { next: first(c), targets: c.targets })
    }
    /// Everything to the first subtask.
    pub fn global() -> Self {
        Self::new("GLOBAL", |_| Turn { next: 0, targets: 1 })
    }
    /// For plans.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// Which targets a sender is connected to.
    pub fn connection(&self) -> Connection {
        self.connection
    }
}

/// One target after the other.
struct Turn {
    next: usize,
    targets: usize,
}
impl<C> ContainerPartition<C> for Turn {
    fn split(&mut self, container: C) -> Result<Vec<Option<C>>> {
        let mut pieces: Vec<Option<C>> = (0..self.targets).map(|_| None).collect();
        if let Some(piece) = pieces.get_mut(self.next) {
            *piece = Some(container);
        }
        self.next = (self.next + 1) % self.targets.max(1);
        Ok(pieces)
    }
}

/// The typed end of such an edge, at the end of a chain.
pub(crate) struct ContainerSender<C> {
    partition: Box<dyn ContainerPartition<C>>,
    edge: EdgeSender,
}

impl<C: Container> ContainerSender<C> {
    pub(crate) fn new(partitioner: &ContainerPartitioner<C>, edge: EdgeSender) -> Self {
        let context = PartitionContext {
            targets: edge.targets.len(),
            sender: edge.from as usize,
            max_parallelism: edge.max_parallelism,
        };
        ContainerSender { partition: (partitioner.make)(context), edge }
    }
}

impl<C: Container> Downstream for ContainerSender<C> {
    fn open(&mut self) -> Result<()> {
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.edge.signal(|| Payload::Watermark(watermark));
        Ok(())
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.edge.signal(|| Payload::Idle(idle));
        Ok(())
    }
    fn barrier(&mut self, _epoch: Epoch, _snapshot: &mut TaskSnapshot) -> Result<()> {
        Ok(())
    }
    fn checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        self.edge.signal(|| Payload::End);
        Ok(())
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
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<C: Container> Receiver<C> for ContainerSender<C> {
    fn receive(&mut self, container: C) -> Result<()> {
        for (target, piece) in self.partition.split(container)?.into_iter().enumerate() {
            if let Some(piece) = piece {
                self.edge.send(target, piece)?;
            }
        }
        Ok(())
    }
}
