//! Which partitions there are, at the start and while the job runs, and whether the
//! topics are still the same.
//!
//! Each subtask looks for itself, on a thread of its own, and keeps the partitions
//! that it owns; nobody coordinates.
//!
//! Invariant: a partition that appears after the first look is read from its
//! beginning, whatever the starting offsets are, so that nothing in it is missed.

use crate::client::{Cluster, Connection, Deadline};
use crate::error::{deleted, unknown_topic};
use crate::offsets::OffsetsInitializer;
use crate::signal::Signal;
use crate::split::{EARLIEST, KafkaSplit, TopicPartition, owner_of};
use crate::topic_ids;
use millstream_core::{ErrorKind, Result};
use millstream_runtime::SubtaskInfo;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Which topics to read.
#[derive(Clone, Debug)]
pub(crate) enum Subscription {
    Topics(Vec<String>),
    /// As given, and compiled to match whole names.
    Pattern(String, Regex),
}

impl Subscription {
    /// Whether `topic` is to be read.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        match self {
            Subscription::Topics(topics) => topics.iter().any(|t| t == topic),
            Subscription::Pattern(_, pattern) => pattern.is_match(topic),
        }
    }
    /// All partitions that exist now, in order.
    pub(crate) fn partitions(
        &self,
        with: &Connection,
        deadline: Deadline,
    ) -> Result<Vec<TopicPartition>> {
        let mut all = Vec::new();
        let mut add = |topic: &str, partitions: Vec<i32>| {
            let named = |partition| TopicPartition { topic: topic.to_owned(), partition };
            all.extend(partitions.into_iter().map(named));
        };
        match self {
            Subscription::Topics(topics) => {
                for topic in topics {
                    let found = with.partitions_of(topic, deadline)?;
                    add(topic, found.ok_or_else(|| unknown_topic(topic))?);
                }
            }
            Subscription::Pattern(_, pattern) => {
                for (topic, partitions) in with.all_topics(deadline)? {
                    if pattern.is_match(&topic) {
                        add(&topic, partitions);
                    }
                }
            }
        }
        all.sort();
        Ok(all)
    }
}

/// How often topics are asked for their ids while they are read.
const WATCH: Duration = Duration::from_secs(5);

/// Watches the topics: looks for new partitions, and for topics that are others now.
pub(crate) struct Discovery {
    pub(crate) subscription: Subscription,
    pub(crate) connection: Connection,
    /// How often to look for partitions; never when `None`.
    pub(crate) interval: Option<Duration>,
    pub(crate) stop_at: Option<OffsetsInitializer>,
    pub(crate) subtask: SubtaskInfo,
    /// Every partition seen so far, whoever owns it.
    pub(crate) known: BTreeSet<TopicPartition>,
    /// Ids of the topics that this subtask reads.
    pub(crate) ids: BTreeMap<String, String>,
}

impl Discovery {
    /// Runs until `stop`; gives the new partitions that this subtask owns to `found`, and
    /// ends after an error that no later look can heal.
    pub(crate) fn run(
        mut self,
        stop: &AtomicBool,
        signal: &Arc<Signal>,
        mut found: impl FnMut(Result<Vec<KafkaSplit>>),
    ) {
        let start = Instant::now();
        let mut next_watch = start + WATCH;
        let mut next_look = self.interval.map(|interval| start + interval);
        loop {
            let next = next_look.map_or(next_watch, |look| look.min(next_watch));
            while Instant::now() < next && !stop.load(Ordering::Acquire) {
                signal.wait(next.saturating_duration_since(Instant::now()));
            }
            if stop.load(Ordering::Acquire) {
                return;
            }
            let now = Instant::now();
            let mut seen = Ok(Vec::new());
            if next_watch <= now {
                // Short, as closing waits for it; what is not answered is asked again.
                let deadline = Deadline::after(Duration::from_secs(2));
                seen = topic_ids::check_unchanged(&self.ids, &self.connection, deadline)
                    .map(|()| Vec::new());
                next_watch = Instant::now() + WATCH;
            }
            if let (Some(interval), Some(look)) = (self.interval, next_look)
                && look <= now
                && seen.is_ok()
            {
                seen = self.look();
                next_look = Some(Instant::now() + interval);
            }
            match seen {
                Ok(new) if new.is_empty() => {}
                Ok(new) => found(Ok(new)),
                // The reader notices brokers that stay away; the next look may succeed.
                Err(e) if e.kind() == ErrorKind::Retry => {
                    tracing::warn!("looking for new partitions failed: {e}");
                }
                Err(e) => return found(Err(e)),
            }
        }
    }

    fn look(&mut self) -> Result<Vec<KafkaSplit>> {
        let deadline = self.connection.deadline();
        let now = self.subscription.partitions(&self.connection, deadline)?;
        if let Some(gone) = self.known.iter().find(|p| now.binary_search(p).is_err()) {
            // One answer may come from a broker that lags behind; a second one is asked.
            if self.connection.partitions_of(&gone.topic, deadline)?.is_none() {
                return Err(deleted(&gone.topic, gone.partition));
            }
        }
        let new: Vec<_> = now.into_iter().filter(|p| !self.known.contains(p)).collect();
        let owned =
            |p: &&TopicPartition| owner_of(p, self.subtask.parallelism) == self.subtask.index;
        let mine: Vec<_> = new.iter().filter(owned).cloned().collect();
        let stops = match &self.stop_at {
            Some(stop) => {
                let stops = stop.stops(&mine, &self.connection, deadline)?;
                stops.into_iter().map(Some).collect()
            }
            None => vec![None; mine.len()],
        };
        let split = |(partition, stop)| KafkaSplit::new(partition, EARLIEST, stop);
        let mut splits: Vec<_> = mine.into_iter().zip(stops).map(split).collect();
        topic_ids::check(&mut splits, &self.connection, deadline)?;
        self.ids.extend(topic_ids::of(&splits));
        self.known.extend(new);
        Ok(splits)
    }
}
