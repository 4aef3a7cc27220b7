//! Picks the operator of aggregates on a grid when the backend and the stored state are known.
//!
//! The pane operator keeps its tables in memory, pane by pane, whatever the backend; so it
//! serves the heap backend alone. Where state is on disk, the general operator does. State
//! goes from one to the other: panes are merged into windows; windows cannot be divided into
//! panes, so a job that was restored from windows keeps the general operator.
//!
//! Invariant: both give the same answers, so nobody sees which one runs.

use super::{StoredHeader, WindowGrid};
use crate::chain::Output;
use crate::operator::{Operator, OperatorContext, Progress};
use crate::snapshot::OperatorSnapshot;
use millstream_core::{Epoch, Result, Watermark};

/// One of two operators, chosen at `open`.
pub(super) struct ByBackend<P, G> {
    panes: P,
    general: G,
    is_general: bool,
}

impl<P, G> ByBackend<P, G> {
    pub(super) fn new(panes: P, general: G) -> Self {
        ByBackend { panes, general, is_general: false }
    }
}

macro_rules! chosen {
    ($self:expr, $operator:ident => $call:expr) => {
        if $self.is_general {
            let $operator = &mut $self.general;
            $call
        } else {
            let $operator = &mut $self.panes;
            $call
        }
    };
}

impl<P: Operator, G: Operator<In = P::In, Out = P::Out>> Operator for ByBackend<P, G> {
    type In = P::In;
    type Out = P::Out;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        let stored = StoredHeader::layout(&ctx.restored)?;
        let from_windows = stored.is_some_and(|layout| !WindowGrid::is_layout(&layout));
        self.is_general = from_windows || !ctx.state_backend.is_heap();
        chosen!(self, operator => operator.open(ctx))
    }
    #[inline]
    fn on_batch(&mut self, batch: P::In, out: &mut Output<P::Out>) -> Result<()> {
        chosen!(self, operator => operator.on_batch(batch, out))
    }
    fn on_watermark(&mut self, watermark: Watermark, out: &mut Output<P::Out>) -> Result<Progress> {
        chosen!(self, operator => operator.on_watermark(watermark, out))
    }
    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        chosen!(self, operator => operator.snapshot(epoch, into))
    }
}
