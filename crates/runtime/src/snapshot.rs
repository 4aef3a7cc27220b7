//! What an operator stores at a checkpoint cut, and what it gets back: see
//! [`millstream_state`], whose names are re-exported here.

pub use millstream_state::{
    BytesEntries, DeferredSnapshot, FormerState, ListMode, NativeState, OperatorSnapshot, Restored,
    SnapshotKind, SnapshotWriter, StateDescription, StateKind, StoredState, TaskSnapshot,
};
