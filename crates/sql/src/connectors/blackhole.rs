//! `blackhole`: takes all rows and forgets them.

use super::{Changes, Connector, TableSink, TableWriter};
use crate::runtime::ChangeBatch;
use millstream_core::Result;
use millstream_runtime::OperatorContext;
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
    fn create_writer(&self, _context: &OperatorContext) -> Result<Box<dyn TableWriter>> {
        Ok(Box::new(Blackhole))
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
