//! What windows and joins store beside their contents: layout and event time.
//!
//! Invariants: state is read only by the layout that wrote it; event time does not go back
//! at a restore, so a record that was late before is late after, and no window fires again
//! for one.

use crate::snapshot::{OperatorSnapshot, Restored};
use millstream_core::{Error, EventTime, Result};
use serde::{Deserialize, Serialize};

const HEADER: &str = "window-header";

/// Says how the rest of a window operator's state is laid out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredHeader {
    pub(crate) layout: String,
    pub(crate) watermark: EventTime,
}

impl StoredHeader {
    pub(crate) fn store(
        layout: String,
        watermark: EventTime,
        into: &mut OperatorSnapshot,
    ) -> Result<()> {
        into.put_list(HEADER, &StoredHeader { layout, watermark })
    }
    /// The layout that restored state was stored with.
    pub(crate) fn layout(from: &Restored) -> Result<Option<String>> {
        let headers = from.list_union::<StoredHeader>(HEADER)?;
        Ok(headers.into_iter().next().map(|header| header.layout))
    }
    /// Checks the layout of restored state and gives its watermark, `i64::MIN` when it is
    /// fresh, or was stored after the end of bounded input: what comes now is new input.
    pub(crate) fn restore(layout: &str, from: &Restored) -> Result<EventTime> {
        let headers = from.list_union::<StoredHeader>(HEADER)?;
        if let Some(other) = headers.iter().find(|header| header.layout != layout) {
            return Err(Error::config(format!(
                "the stored windows are '{}', the job now has '{layout}'",
                other.layout
            ))
            .advice("restore with the windows of before, or give the changed operator a new uid"));
        }
        let watermark = headers.iter().map(|header| header.watermark).min();
        Ok(watermark.filter(|time| *time != i64::MAX).unwrap_or(i64::MIN))
    }
}
