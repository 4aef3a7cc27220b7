//! The source's reader of one subtask: on the task's side of the inbox.
//!
//! Between the [`Fetcher`](crate::fetcher::Fetcher)'s thread and the source node.
//! Invariant: a stored position is behind the last record that went out, not behind
//! the last that was fetched; it never blocks, but for dead letters at a snapshot.

use crate::committer::{Committer, Offsets};
use crate::fetcher::{Event, Inbox, lock};
use crate::split::{DISCOVERED_STATE, KafkaSplit, SPLITS_STATE};
use millstream_core::{Data, Epoch, Error, Result};
use millstream_formats::BadRecords;
use millstream_runtime::source::SplitIndex;
use millstream_runtime::{
    Gauge, MetricGroup, OperatorSnapshot, SourceOutput, SourcePoll, SourceReader,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rows that go out in one call.
const POLL_ROWS: usize = 1024;
/// How long closing waits for the last commit.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

struct Position {
    split: KafkaSplit,
    index: Option<SplitIndex>,
    finished: bool,
    end_offset: Option<i64>,
    current: Gauge,
    committed: Gauge,
}

impl Position {
    fn lag(&self) -> i64 {
        let at = self.split.next_offset.max(0);
        self.end_offset.map_or(0, |end| end.saturating_sub(at).max(0))
    }
}

/// See the module.
pub(crate) struct KafkaReader<T> {
    inbox: Arc<Inbox<T>>,
    threads: Vec<JoinHandle<()>>,
    bad: Arc<Mutex<BadRecords>>,
    positions: Vec<Position>,
    /// Whether partitions may still be added.
    discovers: bool,
    committer: Option<(Arc<Committer>, JoinHandle<()>)>,
    /// Positions by epoch, until its checkpoint is durable.
    to_commit: BTreeMap<Epoch, Offsets>,
    metrics: MetricGroup,
    pending: Gauge,
    lag_max: Gauge,
    failed: Option<Error>,
}

impl<T: Data> KafkaReader<T> {
    pub(crate) fn new(
        inbox: Arc<Inbox<T>>,
        threads: Vec<JoinHandle<()>>,
        bad: Arc<Mutex<BadRecords>>,
        splits: Vec<KafkaSplit>,
        discovers: bool,
        committer: Option<(Arc<Committer>, JoinHandle<()>)>,
        metrics: MetricGroup,
    ) -> Self {
        let mut reader = KafkaReader {
            inbox,
            threads,
            bad,
            positions: Vec::new(),
            discovers,
            committer,
            to_commit: BTreeMap::new(),
            pending: metrics.gauge("pendingRecords"),
            lag_max: metrics.gauge("records-lag-max"),
            metrics,
            failed: None,
        };
        splits.into_iter().for_each(|split| reader.add(split));
        reader
    }

    fn add(&mut self, split: KafkaSplit) {
        let prefix =
            format!("KafkaSourceReader.topic.{}.partition.{}", split.topic, split.partition);
        let current = self.metrics.gauge(&format!("{prefix}.currentOffset"));
        let committed = self.metrics.gauge(&format!("{prefix}.committedOffset"));
        // Flink's initial values.
        current.set(split.next_offset.max(0) - 1);
        committed.set(-1);
        self.positions.push(Position {
            split,
            index: None,
            finished: false,
            end_offset: None,
            current,
            committed,
        });
    }

    fn announce(&mut self, out: &mut SourceOutput<'_, T>) {
        for position in self.positions.iter_mut().filter(|p| p.index.is_none()) {
            position.index = Some(out.add_split());
        }
    }

    /// Takes one event in; the number of rows that went out.
    fn take(&mut self, event: Event<T>, out: &mut SourceOutput<'_, T>) -> Result<usize> {
        match event {
            Event::Rows(rows) => {
                let Some(position) = self.positions.get_mut(rows.split) else { return Ok(0) };
                let Some(index) = position.index else { return Ok(0) };
                position.split.next_offset = rows.next_offset;
                position.end_offset = rows.end_offset.or(position.end_offset);
                position.current.set(rows.next_offset - 1);
                let count = rows.batch.len();
                out.collect_batch(index, rows.batch);
                return Ok(count);
            }
            Event::Finished(split) => {
                if let Some(position) = self.positions.get_mut(split) {
                    position.finished = true;
                    position.end_offset = Some(position.split.next_offset);
                    if let Some(index) = position.index {
                        out.finish_split(index);
                    }
                }
            }
            Event::Added(split) => {
                self.add(split);
                self.announce(out);
            }
            Event::Failed(error) => {
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(0)
    }

    fn show_lag(&self) {
        let lags = self.positions.iter().map(Position::lag);
        self.pending.set(lags.clone().fold(0, i64::saturating_add));
        self.lag_max.set(lags.max().unwrap_or(0));
    }

    fn flush_dead_letters(&self) -> Result<()> {
        lock(&self.bad).flush()
    }
}

impl<T: Data> SourceReader<T> for KafkaReader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.announce(out);
        let mut rows = 0;
        let mut more = true;
        while more && rows < POLL_ROWS {
            let Some((event, follows)) = self.inbox.pop() else {
                more = false;
                break;
            };
            rows += self.take(event, out)?;
            more = follows;
        }
        self.show_lag();
        if !self.discovers && self.positions.iter().all(|p| p.finished) {
            self.flush_dead_letters()?;
            return Ok(SourcePoll::End);
        }
        Ok(if more { SourcePoll::More } else { SourcePoll::Wait(None) })
    }

    fn snapshot(&mut self, epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.flush_dead_letters()?;
        into.put_list(DISCOVERED_STATE, &true)?;
        for position in &self.positions {
            into.put_list(SPLITS_STATE, &position.split)?;
        }
        if self.committer.is_some() {
            let offset = |p: &Position| {
                let split = &p.split;
                let read = split.next_offset >= 0;
                read.then(|| (split.topic.clone(), split.partition, split.next_offset))
            };
            self.to_commit.insert(epoch, self.positions.iter().filter_map(offset).collect());
        }
        Ok(())
    }

    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        let later = self.to_commit.split_off(&epoch.next());
        let done = std::mem::replace(&mut self.to_commit, later);
        let Some(offsets) = done.into_values().next_back() else { return Ok(()) };
        if offsets.is_empty() {
            return Ok(());
        }
        for (topic, partition, offset) in &offsets {
            let at = |p: &&Position| p.split.topic == *topic && p.split.partition == *partition;
            if let Some(position) = self.positions.iter().find(at) {
                position.committed.set(*offset);
            }
        }
        if let Some((committer, _)) = &self.committer {
            committer.commit(offsets);
        }
        Ok(())
    }

    fn pause_splits(&mut self, paused: &[bool]) {
        let is_paused = |p: &Position| p.index.and_then(|i| paused.get(i)).copied();
        let paused = self.positions.iter().map(|p| is_paused(p).unwrap_or(false)).collect();
        self.inbox.pause(paused);
    }

    fn close(&mut self) -> Result<()> {
        self.inbox.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                return Err(Error::bug("a thread of the Kafka source panicked"));
            }
        }
        if let Some((committer, thread)) = self.committer.take() {
            committer.stop();
            let deadline = Instant::now() + COMMIT_PATIENCE;
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            if !thread.is_finished() {
                tracing::warn!("the last commit to the consumer group takes long: not waited for");
            }
        }
        Ok(())
    }
}

impl<T> Drop for KafkaReader<T> {
    fn drop(&mut self) {
        // Reached without `close` when the task panicked.
        self.inbox.stop();
        if let Some((committer, _)) = &self.committer {
            committer.stop();
        }
    }
}
