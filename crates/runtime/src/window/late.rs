//! Records that came too late for windows and joins.
//!
//! Invariant: a late record goes to the side output or is counted; never neither.

use crate::chain::{Output, OutputTag};
use crate::metrics::Counter;
use crate::operator::OperatorContext;
use millstream_core::{Container, Data, EventTime};

/// Where late records go.
pub(crate) struct LateRecords<T> {
    tag: Option<OutputTag<T>>,
    dropped: Counter,
}

impl<T: Data> LateRecords<T> {
    pub(crate) fn new(tag: Option<OutputTag<T>>) -> Self {
        LateRecords { tag, dropped: Counter::default() }
    }
    pub(crate) fn open(&mut self, ctx: &OperatorContext) {
        self.dropped = ctx.metrics.counter("numLateRecordsDropped");
    }
    pub(crate) fn take<C: Container + Clone + Default>(
        &self,
        value: T,
        time: EventTime,
        out: &mut Output<C>,
    ) {
        match &self.tag {
            Some(tag) if out.has_side(tag) => out.collect_side(tag, value, time),
            _ => self.dropped.add(1),
        }
    }
}
