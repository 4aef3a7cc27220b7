//! Flink SQL on Millstream.
//!
//! ```text
//!   text ──dialect──> statement ──bind──> logical plan ──plan──> streaming plan ──> job
//!                       catalog ─┘ types, functions       operators' specs    runtime
//!
//!  session     statements in, results out; settings
//!  bridge      tables of a DataStream job, and streams of tables
//!  dialect     text to syntax             catalog: what has a name
//!  bind        syntax to meaning          plan: logical, streaming, job graph
//!  connectors  tables outside             runtime: change batches, operators
//!  types       logical types and their Arrow form
//!  value       single values: literals, elements
//!  coercion    common types, implicit casts, decimal precision
//!  cast        CAST and TRY_CAST      parse: from text      text: to text
//!  expr        typed expressions and their vectorized evaluation
//!  functions   built-in and user-defined scalar functions
//!  order       how values sort
//!  calendar    dates, zone: time zones, decimal: exact numbers, random: RAND
//! ```
//!
//! Source of the semantics: the documentation of Apache Flink, and its answers in
//! `tests/conformance` where the documentation is silent.

// Modules stand one to a line, so that branches which add one merge.
mod bind;
pub mod bridge;
pub mod calendar;
pub mod cast;
pub mod catalog;
pub mod coercion;
pub mod connectors;
pub mod decimal;
pub mod dialect;
pub mod expr;
pub mod formats;
pub mod functions;
pub mod order;
pub mod parse;
pub mod plan;
pub mod random;
pub mod runtime;
pub mod session;
pub mod settings;
mod stamps;
pub mod text;
pub mod types;
pub mod value;
pub mod zone;
