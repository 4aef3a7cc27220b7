//! Windows over keyed streams: where records are gathered until a time or a count.
//!
//! ```text
//!   record ─> key ─> assigner ─> window(s) ─> contents ── trigger says FIRE ──> evictor ─>
//!                       │                        │                              function ─> out
//!                       └ all windows over: late └ cleaned up at end + lateness
//! ```
//!
//! Two operators give the same answers:
//! - the general one keeps contents per key and window, and serves every assigner,
//!   trigger, evictor and function;
//! - the pane operator serves tumbling and sliding event-time windows that fire by the
//!   watermark and hold an aggregate: overlapping windows share panes, so that a row is
//!   added once, whatever the number of windows it is in.
//!
//! [`WindowOperatorBuilder`] checks the parts against each other and picks; the state
//! backend has a say, because panes are in memory whatever it is.
//!
//! Invariant: processed + late = input, but for rows that fall in a gap between
//! windows (slide > size), as in Flink.
//! Source: Akidau et al., "The Dataflow Model", VLDB 2015; Flink's page "Windows";
//! for panes, Krishnamurthy et al., "On-the-fly sharing for streamed aggregation", 2006.

mod assigner;
mod builder;
mod by_backend;
mod contents;
mod evictor;
mod function;
mod grid;
mod header;
mod key_table;
mod late;
mod merging;
mod operator;
mod pane_operator;
mod place;
mod state_cells;
mod time_window;
mod trigger;
mod triggers;

pub use assigner::{
    DynamicSessionWindows, EventTimeSessionWindows, GlobalWindows, ProcessingTimeSessionWindows,
    SlidingEventTimeWindows, SlidingProcessingTimeWindows, TumblingEventTimeWindows,
    TumblingProcessingTimeWindows, WindowAssigner,
};
pub use builder::{BoxedOperator, WindowOperatorBuilder, WindowOperatorFactory};
pub use evictor::{
    CountEvictor, DeltaEvictor, Evictor, EvictorContext, TimeEvictor, WindowElements,
};
pub use function::{AggregateFunction, ProcessWindowFunction, WindowContext};
pub use grid::WindowGrid;
pub use time_window::TimeWindow;
pub use trigger::{Trigger, TriggerContext, TriggerResult};
pub use triggers::{
    ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountTrigger, DeltaTrigger,
    EndOfStreamTrigger, EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger, PurgingTrigger,
};

pub(crate) use header::{Ahead, StoredHeader};
pub(crate) use key_table::KeyTable;
pub(crate) use late::LateRecords;
