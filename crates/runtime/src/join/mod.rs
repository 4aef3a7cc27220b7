//! Joins of two keyed streams.
//!
//! ```text
//!   first  ─> key ─┐                                window join, co-group: rows of both
//!                  ├─> operator ─> pairs            in one window; interval join: rows
//!   second ─> key ─┘                                whose times are near each other
//! ```
//!
//! Both run behind an exchange by key of each input, so that rows of one key meet; the
//! two inputs reach the operator as one stream of `Either`.
//!
//! Invariant: a pair comes out once, in the order in which its second row arrived
//! (interval join) or when its window fires (window join).
//! Source: Flink's page "Joining".

mod interval_join;
mod window_join;

pub use interval_join::{IntervalJoinBuilder, IntervalJoinContext};
pub use window_join::WindowJoinBuilder;

/// Makes one join operator per subtask; can be cloned and sent to where they run.
pub type JoinOperatorFactory<A, B, Out> = crate::window::WindowOperatorFactory<
    millstream_core::Either<millstream_core::Batch<A>, millstream_core::Batch<B>>,
    Out,
>;
