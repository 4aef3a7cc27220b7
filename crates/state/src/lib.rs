//! State: what a job remembers, how it is described, stored and restored.
//!
//! ```text
//!   description   name, kind, schemas, TTL: what tools and checks see
//!   snapshot      what a subtask stores at a barrier: a part that is ready, and deferred parts
//!   former        what a former subtask stored, read lazily; `stored` is one in memory
//!   restored      the share of all former subtasks that one subtask gets back
//! ```
//!
//! Invariant: state is stored under (operator uid, state name, key group), so that a
//! subtask of any other parallelism reads exactly the groups that it owns.

mod description;
mod former;
mod restored;
mod schema;
mod snapshot;
mod stored;
mod subtask;

pub use description::{FORMAT_VERSION, StateDescription, StateKind};
pub use former::{FormerState, NativeState};
pub use restored::Restored;
pub use schema::{Compatibility, Schema, Value, check_compatibility};
pub use snapshot::{
    DeferredSnapshot, ListMode, OperatorSnapshot, SnapshotKind, SnapshotWriter, TaskSnapshot,
};
pub use stored::StoredState;
pub use subtask::SubtaskInfo;
