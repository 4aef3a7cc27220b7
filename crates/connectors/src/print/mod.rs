//! Records as lines on a terminal.

mod sink;

pub use sink::PrintSink;
