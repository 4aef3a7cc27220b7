//! The reader's thread: fetched records in, batches for the task out.
//!
//! ```text
//!   librdkafka ─> queue per partition ─> Fetcher: deserialize ─> Inbox (bounded) ─> KafkaReader
//!                                           │ refused                                (the task)
//!                                           └─> dead letters
//! ```
//!
//! One batch per partition and turn, partitions in turn. Nothing is done while there
//! is nothing to do: data, room in the inbox and commands wake the thread.
//!
//! Invariants: the inbox holds at most [`INBOX_ROWS`] rows or [`INBOX_BYTES`] and one
//! batch; batches of a partition are in offset order; a batch's `next_offset` is behind
//! its last record, dropped and refused ones included.

use crate::client::{Cluster, Connection};
use crate::dead_letter::letter_of;
use crate::error::{authentication, deleted, gone, is_transient, is_unknown_topic, not_allowed};
use crate::offsets::range_of;
use crate::partition_queue::{Message, PartitionQueue};
use crate::record::{Headers, KafkaRecord};
use crate::signal::Signal;
use crate::split::{EARLIEST, KafkaSplit};
use millstream_core::{Batch, Data, Error, Result};
use millstream_formats::BadRecords;
use millstream_runtime::{Counter, Waker};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows in a batch at most.
const BATCH_ROWS: usize = 1024;
/// Rows that may wait for the task.
const INBOX_ROWS: usize = 16 * BATCH_ROWS;
/// Bytes of keys and values that the waiting rows were read from.
const INBOX_BYTES: usize = 16 << 20;
/// How long the thread sleeps when nobody wakes it.
const REST: Duration = Duration::from_millis(500);
/// A partition that is silent for so long is looked up, as librdkafka retries for ever
/// to read a topic that was deleted.
const SILENCE: Duration = Duration::from_secs(5);

/// Reads one record.
pub(crate) type Deserialize<T> =
    Arc<dyn Fn(&KafkaRecord<'_>) -> Result<Option<T>> + Send + Sync + 'static>;

/// What the thread tells the task.
pub(crate) enum Event<T> {
    /// A partition that was found while running; the index of its split follows the last.
    Added(KafkaSplit),
    /// Records of a split.
    Rows(Rows<T>),
    /// The split was read to its end.
    Finished(usize),
    /// Reading has failed, for good.
    Failed(Error),
}

/// Records of a split.
pub(crate) struct Rows<T> {
    pub(crate) split: usize,
    pub(crate) batch: Batch<T>,
    pub(crate) next_offset: i64,
    /// The partition's end as of the last fetch.
    pub(crate) end_offset: Option<i64>,
    rows: usize,
    bytes: usize,
}

/// What the task tells the thread.
#[derive(Default)]
struct Commands {
    paused: Option<Vec<bool>>,
    added: Vec<KafkaSplit>,
    failed: Option<Error>,
}

struct Queue<T> {
    events: VecDeque<Event<T>>,
    rows: usize,
    bytes: usize,
}

/// Between the reader's threads and the task.
pub(crate) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    commands: Mutex<Commands>,
    pub(crate) stop: AtomicBool,
    /// Wakes the fetcher.
    pub(crate) signal: Arc<Signal>,
    /// Wakes the thread that looks for partitions.
    pub(crate) discovery_signal: Arc<Signal>,
    waker: Waker,
}

/// Locks; a panic elsewhere has left nothing half done behind these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Inbox<T> {
    pub(crate) fn new(signal: Arc<Signal>, waker: Waker) -> Self {
        Inbox {
            queue: Mutex::new(Queue { events: VecDeque::new(), rows: 0, bytes: 0 }),
            commands: Mutex::default(),
            stop: AtomicBool::new(false),
            signal,
            discovery_signal: Arc::default(),
            waker,
        }
    }
    fn push(&self, event: Event<T>) {
        let mut queue = lock(&self.queue);
        if let Event::Rows(rows) = &event {
            queue.rows += rows.rows;
            queue.bytes += rows.bytes;
        }
        let was_empty = queue.events.is_empty();
        queue.events.push_back(event);
        drop(queue);
        // A task that has seen events left asks again by itself.
        if was_empty {
            self.waker.wake();
        }
    }
    fn has_room(&self) -> bool {
        let queue = lock(&self.queue);
        queue.rows < INBOX_ROWS && queue.bytes < INBOX_BYTES
    }
    /// The next event, and whether more follow.
    pub(crate) fn pop(&self) -> Option<(Event<T>, bool)> {
        let mut queue = lock(&self.queue);
        let event = queue.events.pop_front()?;
        let mut made_room = false;
        if let Event::Rows(rows) = &event {
            let full = |q: &Queue<T>| q.rows >= INBOX_ROWS || q.bytes >= INBOX_BYTES;
            let was_full = full(&queue);
            queue.rows -= rows.rows;
            queue.bytes -= rows.bytes;
            made_room = was_full && !full(&queue);
        }
        let more = !queue.events.is_empty();
        drop(queue);
        if made_room {
            self.signal.notify();
        }
        Some((event, more))
    }
    fn command(&self, give: impl FnOnce(&mut Commands)) {
        give(&mut lock(&self.commands));
        self.signal.notify();
    }
    pub(crate) fn pause(&self, paused: Vec<bool>) {
        self.command(|c| c.paused = Some(paused));
    }
    pub(crate) fn discovered(&self, found: Result<Vec<KafkaSplit>>) {
        self.command(|c| match found {
            Ok(splits) => c.added.extend(splits),
            Err(e) => c.failed = Some(e),
        });
    }
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.signal.notify();
        self.discovery_signal.notify();
    }
}

struct Reading {
    split: KafkaSplit,
    /// None when the split was at its end already.
    queue: Option<PartitionQueue>,
    paused: bool,
    finished: bool,
    /// When there were records, or the topic was looked up.
    last_sign: Instant,
}

/// The thread's state.
pub(crate) struct Fetcher<T> {
    pub(crate) connection: Connection,
    pub(crate) inbox: Arc<Inbox<T>>,
    pub(crate) deserialize: Deserialize<T>,
    pub(crate) bad: Arc<Mutex<BadRecords>>,
    pub(crate) bytes_in: Counter,
    pub(crate) unavailable_timeout: Duration,
    splits: Vec<Reading>,
    turns: Turns,
    next_health_check: Instant,
}

/// Whose turn it is.
///
/// It is remembered over rests: a round that ends early because the inbox is full goes
/// on behind the split that was read last, so that none starves behind the others.
#[derive(Default)]
struct Turns(usize);

impl Turns {
    /// The next of `count` splits, which is not 0.
    fn next(&mut self, count: usize) -> usize {
        self.0 = (self.0 + 1) % count;
        self.0
    }
}

/// How a message ended the batch early.
enum Cut {
    Finished,
    Failed(Error),
    Trouble(RDKafkaErrorCode),
}

impl<T: Data> Fetcher<T> {
    pub(crate) fn new(
        connection: Connection,
        inbox: Arc<Inbox<T>>,
        deserialize: Deserialize<T>,
        bad: Arc<Mutex<BadRecords>>,
        bytes_in: Counter,
        unavailable_timeout: Duration,
    ) -> Self {
        Fetcher {
            connection,
            inbox,
            deserialize,
            bad,
            bytes_in,
            unavailable_timeout,
            splits: Vec::new(),
            turns: Turns::default(),
            next_health_check: Instant::now(),
        }
    }

    /// Starts to read `splits`; their indexes follow the ones before.
    pub(crate) fn add(&mut self, splits: Vec<KafkaSplit>, first: bool) -> Result<()> {
        let mut list = TopicPartitionList::new();
        let refuse = |e| crate::error::request("assigning partitions", &e);
        for split in splits {
            let finished = split.is_finished();
            let queue = if finished {
                None
            } else {
                let name = split.name();
                let (client, signal) = (&self.connection.consumer, &self.inbox.signal);
                let queue = PartitionQueue::open(client, &name, signal)?;
                let offset = match split.next_offset {
                    EARLIEST => Offset::Beginning,
                    offset => Offset::Offset(offset),
                };
                list.add_partition_offset(&name.topic, name.partition, offset).map_err(refuse)?;
                Some(queue)
            };
            let last_sign = Instant::now();
            self.splits.push(Reading { split, queue, paused: false, finished: false, last_sign });
        }
        if list.count() > 0 {
            let consumer = &self.connection.consumer;
            let assigned =
                if first { consumer.assign(&list) } else { consumer.incremental_assign(&list) };
            assigned.map_err(refuse)?;
        }
        Ok(())
    }

    /// Reads until told to stop. A failure, or a panic of the deserializer, goes to the task.
    pub(crate) fn run(mut self) {
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| self.read()));
        let failed = match ran {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e),
            Err(panic) => Some(panicked(&*panic)),
        };
        if let Some(error) = failed {
            self.inbox.push(Event::Failed(error));
        }
    }

    fn read(&mut self) -> Result<()> {
        for index in 0..self.splits.len() {
            self.check_end(index)?;
        }
        loop {
            self.obey()?;
            if self.inbox.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            self.connection.serve_events();
            self.check_health()?;
            let mut any = false;
            let mut tried = 0;
            while tried < self.splits.len() && self.inbox.has_room() {
                tried += 1;
                let index = self.turns.next(self.splits.len());
                any |= self.fetch(index)?;
            }
            if !any {
                self.look_after_silent()?;
            }
            if !any || !self.inbox.has_room() {
                self.inbox.signal.wait(REST);
            }
        }
    }

    fn obey(&mut self) -> Result<()> {
        let commands = std::mem::take(&mut *lock(&self.inbox.commands));
        if let Some(error) = commands.failed {
            return Err(error);
        }
        if let Some(paused) = commands.paused {
            for (reading, paused) in self.splits.iter_mut().zip(paused) {
                reading.paused = paused;
            }
        }
        if !commands.added.is_empty() {
            let before = self.splits.len();
            for split in &commands.added {
                self.inbox.push(Event::Added(split.clone()));
            }
            self.add(commands.added, false)?;
            for index in before..self.splits.len() {
                self.check_end(index)?;
            }
        }
        Ok(())
    }

    /// Announces the end of a split that is at it.
    fn check_end(&mut self, index: usize) -> Result<()> {
        let Some(reading) = self.splits.get_mut(index) else { return Ok(()) };
        if reading.finished || !reading.split.is_finished() {
            return Ok(());
        }
        reading.finished = true;
        // No more fetches; the partition stays assigned, as unassigning would drop the
        // positions of the others' fetches in flight.
        if reading.queue.take().is_some() {
            let mut list = TopicPartitionList::new();
            list.add_partition(&reading.split.topic, reading.split.partition);
            let paused = self.connection.consumer.pause(&list);
            paused.map_err(|e| crate::error::request("pausing a partition", &e))?;
        }
        self.inbox.push(Event::Finished(index));
        Ok(())
    }

    /// Moves one batch of a split to the inbox; whether there was any message.
    fn fetch(&mut self, index: usize) -> Result<bool> {
        let Some(reading) = self.splits.get_mut(index) else { return Ok(false) };
        let (Some(queue), false) = (&mut reading.queue, reading.paused) else { return Ok(false) };
        let split = &mut reading.split;
        let before = split.next_offset;
        let mut batch = Batch::new();
        let (mut rows, mut bytes) = (0, 0);
        let mut cut = None;
        let (deserialize, bad) = (&*self.deserialize, &self.bad);
        let taken = queue.take(BATCH_ROWS, |message| {
            match message.error() {
                None => {}
                Some(RDKafkaErrorCode::PartitionEOF) => {
                    // Everything before this offset was read, or is not for readers.
                    split.next_offset = split.next_offset.max(message.offset());
                    return true;
                }
                Some(code) => {
                    cut = Some(Cut::Trouble(code));
                    return true;
                }
            }
            if split.stop_offset.is_some_and(|stop| message.offset() >= stop) {
                split.next_offset = split.next_offset.max(message.offset());
                cut = Some(Cut::Finished);
                return false;
            }
            rows += 1;
            bytes += message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len);
            let record = record_of(split, message);
            match deserialize(&record) {
                Ok(Some(value)) => batch.push(value, record.timestamp),
                Ok(None) => {}
                Err(error) => {
                    if let Err(e) = lock(bad).handle(error, || letter_of(&record)) {
                        cut = Some(Cut::Failed(e));
                        return false;
                    }
                }
            }
            split.next_offset = message.offset() + 1;
            true
        });
        if taken == 0 {
            return Ok(false);
        }
        let next_offset = split.next_offset;
        if next_offset != before {
            reading.last_sign = Instant::now();
            let end_offset = queue.end_offset();
            self.bytes_in.add(bytes as u64);
            self.connection.health.answered();
            let split = index;
            self.inbox.push(Event::Rows(Rows {
                split,
                batch,
                next_offset,
                end_offset,
                rows,
                bytes,
            }));
        }
        match cut {
            Some(Cut::Failed(e)) => return Err(e),
            Some(Cut::Trouble(code)) => self.trouble(index, code)?,
            Some(Cut::Finished) | None => {}
        }
        self.check_end(index)?;
        Ok(true)
    }

    /// Decides about an error that librdkafka has put in place of a record.
    fn trouble(&self, index: usize, code: RDKafkaErrorCode) -> Result<()> {
        let Some(Reading { split, .. }) = self.splits.get(index) else { return Ok(()) };
        let with = &self.connection;
        let (topic, partition) = (&split.topic, split.partition);
        if is_unknown_topic(code) {
            // Brokers that start, or take over, do not know all topics at once: look again.
            let found = with.partitions_of(topic, with.deadline())?;
            return match found.is_some_and(|found| found.contains(&partition)) {
                true => Ok(()),
                false => Err(deleted(topic, partition)),
            };
        }
        if matches!(code, RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) {
            let range = range_of(&split.name(), with, with.deadline())?;
            return Err(crate::error::out_of_range(topic, partition, split.next_offset, range));
        }
        if matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed) {
            return Err(not_allowed(topic));
        }
        if is_transient(code) {
            return Ok(());
        }
        Err(Error::restart(format!("reading topic '{topic}' partition {partition}: {code}"))
            .advice("restart from the last checkpoint; look at the broker's log if it comes again"))
    }

    /// Looks one topic up that has been silent: an idle one goes on, a deleted one fails.
    fn look_after_silent(&mut self) -> Result<()> {
        let now = Instant::now();
        let is_silent = |r: &Reading| !r.finished && now.duration_since(r.last_sign) >= SILENCE;
        let Some(index) = self.splits.iter().position(is_silent) else { return Ok(()) };
        let topic = self.splits.get(index).map(|r| r.split.topic.clone()).unwrap_or_default();
        for reading in self.splits.iter_mut().filter(|r| r.split.topic == topic) {
            reading.last_sign = now;
        }
        let fetched = self.connection.fetch(Some(&topic), REST);
        let code = fetched.ok().and_then(|metadata| {
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            found.and_then(|t| t.error()).map(RDKafkaErrorCode::from)
        });
        match code {
            Some(code) if is_unknown_topic(code) => self.trouble(index, code),
            _ => Ok(()),
        }
    }

    /// Fails when the brokers refuse the login or have been gone for too long.
    fn check_health(&mut self) -> Result<()> {
        let with = &self.connection;
        if let Some(reason) = with.health.refused() {
            return Err(authentication(with.servers(), &reason));
        }
        let now = Instant::now();
        if with.health.down_for().is_none() || now < self.next_health_check {
            return Ok(());
        }
        // Without records to fetch nothing else tells that they are back.
        if with.is_answering(REST) {
            with.health.answered();
            return Ok(());
        }
        self.next_health_check = now + 2 * REST;
        match with.health.down_for() {
            Some(down) if down >= self.unavailable_timeout => {
                Err(gone(with.servers(), down, &with.health.reason()))
            }
            _ => Ok(()),
        }
    }
}

fn record_of<'a>(split: &'a KafkaSplit, message: &'a Message) -> KafkaRecord<'a> {
    KafkaRecord {
        topic: &split.topic,
        partition: split.partition,
        offset: message.offset(),
        timestamp: message.timestamp(),
        key: message.key(),
        value: message.value(),
        headers: Headers::of_message(message),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    Error::user(format!("the Kafka deserializer panicked: {text}"))
        .advice("let it answer an error for records that it cannot read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_fair_however_few_batches_the_inbox_takes_at_a_time() {
        for (splits, room) in [(1, 1), (3, 1), (3, 2), (3, 7), (5, 4)] {
            let mut turns = Turns::default();
            let mut batches = vec![0_i32; splits];
            for _ in 0..100 {
                // A round of `Fetcher::read`: at most one turn each, and room for so many.
                for _ in 0..room.min(splits) {
                    batches[turns.next(splits)] += 1;
                }
                let (least, most) = (batches.iter().min().unwrap(), batches.iter().max().unwrap());
                assert!(most - least <= 1, "{splits} splits, room for {room}: {batches:?}");
            }
        }
    }

    #[test]
    fn a_split_that_is_added_gets_its_turns() {
        let mut turns = Turns::default();
        for _ in 0..4 {
            turns.next(2);
        }
        let mut next: Vec<_> = (0..3).map(|_| turns.next(3)).collect();
        next.sort_unstable();
        assert_eq!(next, [0, 1, 2]);
    }
}
