//! The runtime: how a record travels through a job.
//!
//! ```text
//!   source ──> watermark ──> chain of operators ──> exchange ══> operator ──> ... ──> sink
//!   (splits)   (per split)   (fused, by batch)      (by key     (state, timers,
//!                                                    group,      windows)
//!                                                    credits)
//! ```
//!
//! Modules in the order of that path; then what surrounds it:
//!
//! | module | noun |
//! |---|---|
//! | [`source`] | splits, readers; `source_node` puts event times and watermarks on them, `alignment` makes them wait for each other |
//! | [`watermark`] | strategies, generators, and the merge of several senders |
//! | [`operator`] | the contract of everything that sits in a chain; no engine in sight |
//! | [`chain`] | operators fused by direct calls; outputs and side outputs |
//! | [`exchange`] | partitioners, credits; what goes from task to task |
//! | [`container_edge`] | edges that carry whole columnar batches |
//! | `task` | one chain behind its inputs: epochs, alignment, merge of watermarks |
//! | [`sink`] | writers at the end of a chain, and the commits behind them |
//! | [`state`] | keyed state and timers as functions and operators see them |
//! | [`window`] | keyed windows: assigners, triggers, evictors, functions, two operators |
//! | [`join`] | two keyed streams: window join, co-group, interval join |
//! | [`snapshot`] | what an operator stores at a checkpoint cut, and gets back |
//! | [`checkpoint`] | where snapshots go and come from |
//! | [`job_graph`] | what the user drew, and the plan of tasks that every worker runs |
//! | [`execution`] | one process of a job, start to end; [`control`] is the user's grip on it |
//! | [`async_io`] | requests to outside systems, with order, capacity, timeout and retries |
//! | [`metrics`] | what is counted, by Flink's names |
//!
//! Invariant: an operator sees no clock, no thread and no engine except through
//! its [`operator::OperatorContext`]; only `timely_host` knows Timely.

mod alignment;
pub mod async_io;
pub mod chain;
pub mod checkpoint;
pub mod container_edge;
pub mod control;
pub mod exchange;
pub mod execution;
pub mod job_graph;
pub mod join;
pub mod metrics;
pub mod operator;
pub mod sink;
pub mod snapshot;
pub mod source;
mod source_node;
pub mod state;
mod task;
mod timely_host;
pub mod watermark;
pub mod window;

pub use chain::{Downstream, Node, Output, OutputTag, Receiver, RecordContext};
pub use container_edge::{ContainerPartition, ContainerPartitioner};
pub use control::JobHandle;
pub use exchange::Partitioner;
pub use execution::{ProcessLayout, RunningJob, RuntimeConfig, execute};
pub use job_graph::{Chaining, Input, JobGraph, NodeId, NodeSpec};
pub use metrics::{Counter, Gauge, MetricGroup, MetricRegistry};
pub use operator::{JobInfo, Operator, OperatorContext, Progress, SubtaskInfo, Waker};
pub use sink::{Committable, Committer, CommitterContext, Sink, SinkOperator, SinkWriter};
pub use snapshot::{
    DeferredSnapshot, OperatorSnapshot, Restored, SnapshotKind, SnapshotWriter, StoredState,
    TaskSnapshot,
};
pub use source::{Source, SourcePoll, SourceReader};
pub use source_node::{
    AlignmentBoard, AssignWatermarks, SourceHead, SourceNode, SourceOutput, show,
};
pub use watermark::{WatermarkMerge, WatermarkStrategy};
