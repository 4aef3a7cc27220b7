//! State: what a job remembers, how it is described, stored and restored.
//!
//! ```text
//!   keyed         handles of user functions: value, list, map, reducing, aggregating
//!     table       one state of a backend: (key, namespace) to value
//!     bytes       one state of a backend without a cache, for operators that have their own
//!       heap      typed tables in memory, copy-on-write snapshots
//!       rocksdb   the local disk behind a write-back cache (feature `rocksdb`)
//!   timer         timers, in memory or on disk
//!   descriptor, ttl, clock    what the user says about a state; time to live
//!   schema        what stored types look like; evolution
//!   description   name, kind, schemas, TTL: what tools and checks see
//!   snapshot      what a subtask stores at a barrier: a part that is ready, and deferred parts
//!   former        what a former subtask stored, read lazily; `stored` is one in memory
//!   restored      the share of all former subtasks that one subtask gets back
//! ```
//!
//! Invariant: state is stored under (operator uid, state name, key group), so that a
//! subtask of any other parallelism reads exactly the groups that it owns.

mod bytes;
mod clock;
mod description;
mod descriptor;
mod former;
mod guess;
mod heap;
mod keyed;
mod restored;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod schema;
mod snapshot;
mod stored;
mod subtask;
mod table;
mod timer;
mod ttl;

pub use bytes::{Bytes, BytesTable, HashedKey, IsExpired, Visit};
pub use description::{FORMAT_VERSION, StateDescription, StateKind};
pub use descriptor::StateDescriptor;
pub use former::{FormerState, NativeState};
pub use heap::{HeapTable, HeapWriter, Located, TableHasher};
pub use keyed::{
    AggregatingState, KeyedStates, ListState, MapState, ReducingState, StateBackendConfig,
    StateContext, ValueState,
};
pub use restored::Restored;
#[cfg(feature = "rocksdb")]
pub use rocksdb::{
    RocksDbBackend, RocksDbMemory, RocksDbOptions, RocksTable, RocksTimers, TimerService,
};
pub use schema::{Compatibility, Schema, Value, check_compatibility};
pub use snapshot::{
    BytesEntries, DeferredSnapshot, EntryWriter, ListMode, OperatorSnapshot, SnapshotKind,
    SnapshotWriter, TaskSnapshot,
};
pub use stored::StoredState;
pub use subtask::SubtaskInfo;
pub use table::{MapRef, Table, TableRef};
pub use timer::{TimerQueue, TimerState};
pub use ttl::{Ttl, TtlUpdate, Visibility};
