//! `blackhole`: takes everything, keeps nothing. For measuring.

use super::options::TableOptions;
use super::{ConnectorContext, TableSink, TableWriter};
use crate::plan::stream::Changes;
use crate::runtime::ChangeBatch;
use millstream_core::Result;
use millstream_runtime::OperatorContext;
use std::sync::Arc;

struct Blackhole;

/// The sink.
///
/// # Errors
/// None: it has no options.
pub fn sink(
    _context: &ConnectorContext<'_>,
    _options: &mut TableOptions<'_>,
) -> Result<Arc<dyn TableSink>> {
    Ok(Arc::new(Blackhole))
}

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
