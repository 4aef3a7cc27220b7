//! `blackhole`: takes all rows and forgets them.

use super::{Changes, Connector, TableSink, TableWriter, add_writer};
use crate::runtime::ChangeBatch;
use millstream_core::Result;
use millstream_runtime::job_graph::{Input, JobGraph, NodeId, NodeSpec};
use std::sync::Arc;

pub(crate) const CONNECTOR: Connector = Connector {
    name: "blackhole",
    doc: "forgets all rows; for measuring",
    options: &[],
    formats: &[],
    source: None,
    sink: Some(|_, _| Ok(Arc::new(Blackhole))),
};

struct Blackhole;

impl TableSink for Blackhole {
    fn accepts(&self, _changes: Changes) -> bool {
        true
    }
    fn add_to(
        &self,
        graph: &mut JobGraph,
        spec: NodeSpec,
        inputs: Vec<Input<ChangeBatch>>,
    ) -> NodeId {
        add_writer(graph, spec, inputs, |_| Ok(Box::new(Blackhole)))
    }
}

impl TableWriter for Blackhole {
    fn write(&mut self, _batch: &ChangeBatch) -> Result<()> {
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
