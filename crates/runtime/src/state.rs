//! Keyed state as user functions and operators see it: see [`millstream_state`], whose
//! names are re-exported here.
//!
//! Operators get their states from [`OperatorContext::keyed_states`]
//! (crate::operator::OperatorContext::keyed_states), in whichever backend the job has.

pub use millstream_state::{
    AggregatingState, Bytes, BytesTable, HashedKey, IsExpired, KeyedStates, ListState, MapRef,
    MapState, ReducingState, StateBackendConfig, StateContext, StateDescriptor, Table, TableHasher,
    TableRef, TimerState, Ttl, TtlUpdate, ValueState, Visibility,
};
#[cfg(feature = "rocksdb")]
pub use millstream_state::{RocksDbBackend, RocksDbMemory, RocksDbOptions, TimerService};
