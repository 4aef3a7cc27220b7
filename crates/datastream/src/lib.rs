//! The DataStream API: Flink's names in Rust's habits.
//!
//! ```text
//!   StreamExecutionEnvironment ──from_source──> DataStream ──key_by──> KeyedStream
//!        │                                        map filter flat_map     reduce
//!        │ execute                                process union connect   process
//!        v                                        side_output sink_to     window
//!   job graph ──> runtime
//! ```
//!
//! Everything here only *describes* a job; operators live in the runtime or, when
//! they are thin wrappers around a user's function, beside the method that adds them.
//!
//! Invariant: a stream handle is cheap to clone and changes nothing but the graph.

mod args;
mod connected;
mod env;
mod function;
mod keyed;
mod launch;
mod monitoring;
mod process;
mod processes;
mod stream;
mod supervisor;
mod transform;
mod windowed;

pub use args::JobArgs;
pub use connected::{
    BroadcastStream, ConnectedStreams, KeyedBroadcastStream, KeyedConnectedStreams,
};
pub use env::StreamExecutionEnvironment;
pub use function::{
    BroadcastProcessFunction, CoProcessFunction, Collector, KeyedProcessFunction, ProcessContext,
    ProcessFunction, RuntimeContext,
};
pub use keyed::KeyedStream;
pub use launch::{Deployment, JobClient, JobExecutionResult};
pub use monitoring::MonitoringArgs;
pub use stream::DataStream;
pub use windowed::{IntervalJoined, JoinedStreams, WindowedJoin, WindowedStream};
