//! The connectors, driven by the harnesses of the test kit: one binary.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

mod file_sink;
mod file_source;
mod sequences;
mod small_sinks;

use millstream_core::{Data, Result};
use millstream_runtime::SourcePoll;
use millstream_testkit::SourceHarness;

/// What these tests do with a source, at whatever processing time it asks for.
trait Drive<T> {
    /// Calls the reader until it has nothing more to say now.
    fn poll_until_waiting(&mut self) -> Result<SourcePoll>;
    /// Calls the reader to its end, moving processing time to where it wants to be called.
    fn run_to_end(&mut self) -> Result<()>;
    /// The values that came out since the last call.
    fn take_values(&mut self) -> Vec<T>;
}

impl<T: Data> Drive<T> for SourceHarness<T> {
    fn poll_until_waiting(&mut self) -> Result<SourcePoll> {
        loop {
            let poll = self.poll()?;
            if poll != SourcePoll::More {
                return Ok(poll);
            }
        }
    }
    fn run_to_end(&mut self) -> Result<()> {
        loop {
            match self.poll_until_waiting()? {
                SourcePoll::Wait(Some(at)) => self.processing_time(at)?,
                SourcePoll::End => return Ok(()),
                poll => panic!("the reader waits for ever: {poll:?}"),
            }
        }
    }
    fn take_values(&mut self) -> Vec<T> {
        self.take_output().into_iter().map(|(value, _)| value).collect()
    }
}
