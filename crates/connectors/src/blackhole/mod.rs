//! A sink that keeps nothing: to measure a job without its output.

mod sink;

pub use sink::BlackholeSink;
