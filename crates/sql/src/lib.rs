//! SQL.
pub mod runtime;
pub mod types;
pub mod value;
