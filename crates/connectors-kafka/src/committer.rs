//! Commits positions of completed checkpoints to the consumer group, for monitoring.
//!
//! Beside the reader, on a thread of its own: a commit may wait for the group's
//! coordinator, and librdkafka reports the result of a manual commit only to the
//! caller who waits.
//!
//! Invariant: nobody waits for a commit, and a failed one fails nothing: the positions
//! that count are in the checkpoint. Only the latest positions are committed.

use crate::client::Connection;
use crate::signal::Signal;
use millstream_runtime::Counter;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Topic, partition and the offset of the next record.
pub(crate) type Offsets = Vec<(String, i32, i64)>;

/// See the module.
pub(crate) struct Committer {
    connection: Connection,
    state: Mutex<(Option<Offsets>, bool)>,
    signal: Signal,
    succeeded: Counter,
    failed: Counter,
}

impl Committer {
    pub(crate) fn new(connection: Connection, succeeded: Counter, failed: Counter) -> Self {
        let (state, signal) = (Mutex::default(), Signal::default());
        Committer { connection, state, signal, succeeded, failed }
    }
    fn change<R>(&self, change: impl FnOnce(&mut (Option<Offsets>, bool)) -> R) -> R {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Commits soon, in place of what was not committed yet.
    pub(crate) fn commit(&self, offsets: Offsets) {
        self.change(|(wanted, _)| *wanted = Some(offsets));
        self.signal.notify();
    }
    /// Ends the thread after what is wanted is committed.
    pub(crate) fn stop(&self) {
        self.change(|(_, stopped)| *stopped = true);
        self.signal.notify();
    }
    /// The thread's work.
    pub(crate) fn run(&self) {
        loop {
            let (wanted, stopped) = self.change(|(wanted, stopped)| (wanted.take(), *stopped));
            match wanted {
                Some(_) if stopped && self.connection.health.down_for().is_some() => return,
                Some(offsets) => self.commit_now(&offsets),
                None if stopped => return,
                None => self.signal.wait(Duration::from_secs(3600)),
            }
        }
    }
    fn commit_now(&self, offsets: &Offsets) {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        let mut result = Ok(());
        for (topic, partition, offset) in offsets {
            let offset = Offset::Offset(*offset);
            result = result.and(list.add_partition_offset(topic, *partition, offset));
        }
        match result.and_then(|()| self.connection.consumer.commit(&list, CommitMode::Sync)) {
            Ok(()) => self.succeeded.add(1),
            Err(e) => {
                self.failed.add(1);
                tracing::warn!("offsets could not be committed to the group: {e}");
            }
        }
    }
}
