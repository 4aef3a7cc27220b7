//! The writer of one subtask: a transaction for each epoch that has records.
//!
//! Producers are made ahead on threads of their own, so that the first record of an epoch
//! does not wait for a connection. At the barrier the writer waits for the acknowledgements
//! of what is still in flight, a few milliseconds with the default `linger.ms`: records are
//! sent all the time, not at the barrier.
//!
//! Invariants: one producer, with a fresh producer epoch, for each transaction; a slot is used
//! again only after its transaction was committed and left the newest checkpoint.

use super::committable::{Transaction, hex};
use super::committer::REQUEST_TIMEOUT;
use super::names::{Generation, Names};
use super::settings::Settings;
use crate::producer::{Producer, Sent, Surroundings};
use crate::properties::Properties;
use crate::raw::RawCluster;
use crate::record::ProducerRecord;
use crate::sink::KafkaWriter;
use millstream_core::{Batch, Data, Epoch, Error, Result, random_bytes};
use millstream_runtime::{OperatorContext, SinkWriter};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::thread::JoinHandle;
use std::time::Duration;

/// Producers that are made ahead of their epoch.
const AHEAD: usize = 2;
/// Transactions of one writer that wait for their commit.
const MAX_SLOTS: u32 = 1000;
/// How long a cancelled job waits for the abort of its open transaction.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// A producer whose transactional id is initialized.
struct Ready {
    id: String,
    slot: u32,
    producer: Producer,
}

/// The transaction of the current epoch.
struct Open {
    id: String,
    slot: u32,
    nonce: [u8; 16],
    start_ms: i64,
}

pub(crate) struct TransactionalWriter<T> {
    inner: KafkaWriter<T>,
    properties: Properties,
    settings: Settings,
    surroundings: Surroundings,
    names: Names,
    subtask: usize,
    cluster_id: String,
    generation: Generation,
    raw: RawCluster,
    /// The next one, when it was waited for already.
    ready: Option<Ready>,
    ahead: VecDeque<JoinHandle<Result<Ready>>>,
    open: Option<Open>,
    free_slots: BTreeSet<u32>,
    next_slot: u32,
    /// Slots of transactions that a checkpoint may still name, by epoch.
    used_slots: BTreeMap<Epoch, u32>,
}

impl<T: Data> TransactionalWriter<T> {
    pub(crate) fn open(
        inner: KafkaWriter<T>,
        properties: Properties,
        settings: Settings,
        surroundings: Surroundings,
        context: &OperatorContext,
    ) -> Result<Self> {
        let names = Names::new(&settings.prefix, &context.job, &context.subtask.uid);
        let mut raw = RawCluster::new(properties.bootstrap_servers(), REQUEST_TIMEOUT);
        let (cluster_id, _) = raw.describe()?;
        let claim = raw.describe_transactions(&[&names.claim()])?.into_iter().flatten().next();
        let Some(claim) = claim else {
            return Err(Error::bug("a transactional writer before the sink's recovery"));
        };
        let mut writer = TransactionalWriter {
            inner,
            properties,
            settings,
            surroundings,
            names,
            subtask: context.subtask.index,
            cluster_id,
            generation: Generation(claim.producer_id, claim.producer_epoch),
            raw,
            ready: None,
            ahead: VecDeque::new(),
            open: None,
            free_slots: BTreeSet::new(),
            next_slot: 0,
            used_slots: BTreeMap::new(),
        };
        writer.fill_ahead()?;
        // The first one is waited for: brokers and topic are checked before data flows.
        writer.ready = Some(writer.take_ahead()?);
        Ok(writer)
    }

    fn take_slot(&mut self) -> Result<u32> {
        if let Some(slot) = self.free_slots.pop_first() {
            return Ok(slot);
        }
        if self.next_slot >= MAX_SLOTS {
            return Err(Error::restart(format!(
                "{MAX_SLOTS} transactions of one writer wait for their commit"
            ))
            .advice("checkpoints do not complete: look for the reason there"));
        }
        self.next_slot += 1;
        Ok(self.next_slot - 1)
    }

    fn fill_ahead(&mut self) -> Result<()> {
        while self.ahead.len() < AHEAD {
            let slot = self.take_slot()?;
            let id = self.names.id(self.generation, self.subtask, slot);
            let mut properties = self.properties.clone();
            properties.set("transactional.id", &id);
            let (topic, surroundings) = (self.inner.fixed_topic(), self.surroundings.clone());
            let make = move || {
                let producer = Producer::connect(properties, topic.as_deref(), surroundings)?;
                producer.init_transactions()?;
                Ok(Ready { id, slot, producer })
            };
            let thread = std::thread::Builder::new().name("kafka producer".into()).spawn(make);
            let failed = |e| Error::retry(format!("cannot start a producer's thread: {e}"));
            self.ahead.push_back(thread.map_err(failed)?);
        }
        Ok(())
    }

    fn take_ahead(&mut self) -> Result<Ready> {
        if let Some(ready) = self.ready.take() {
            return Ok(ready);
        }
        let Some(thread) = self.ahead.pop_front() else {
            return Err(Error::bug("no producer was made ahead"));
        };
        thread.join().unwrap_or_else(|_| Err(Error::bug("a producer's thread panicked")))
    }

    /// Opens the transaction of this epoch, with its record in the ledger.
    fn begin(&mut self) -> Result<()> {
        let Ready { id, slot, producer } = self.take_ahead()?;
        producer.begin_transaction()?;
        let (nonce, start_ms) = (random_bytes()?, self.inner.now_ms());
        let mut record = ProducerRecord::default();
        record.reset(&self.settings.ledger());
        record.key_mut().extend_from_slice(hex(&nonce).as_bytes());
        record.value_mut().extend_from_slice(id.as_bytes());
        record.set_partition(0);
        record.set_timestamp(start_ms);
        if producer.send(&record)? == Sent::Full {
            return Err(Error::bug("the queue of a new producer is full"));
        }
        self.inner.set_producer(producer);
        self.open = Some(Open { id, slot, nonce, start_ms });
        self.fill_ahead()
    }

    /// Checks with the broker that the transaction is there and is ours.
    fn describe(&mut self, open: &Open) -> Result<(i64, i16)> {
        let claim = self.names.claim();
        let described = self.raw.describe_transactions(&[&open.id, &claim])?;
        let [transaction, claim] = &described[..] else {
            return Err(Error::bug("two ids were described, another number came back"));
        };
        let holder = claim.as_ref().map(|c| Generation(c.producer_id, c.producer_epoch));
        if holder != Some(self.generation) {
            return Err(Error::config(format!(
                "transactional_id_prefix '{}' was taken over by another job or attempt",
                self.settings.prefix
            ))
            .advice("run one job with this prefix; give each sink a prefix of its own"));
        }
        let lost = |state: &str| {
            Error::restart(format!(
                "the broker says '{state}' of the transaction '{}' that was to be prepared",
                open.id
            ))
            .advice("it was aborted; if this comes again, raise transaction_timeout")
        };
        match transaction {
            Some(t) if t.state == "Ongoing" && t.topics.contains(&self.settings.ledger()) => {
                Ok((t.producer_id, t.producer_epoch))
            }
            Some(t) => Err(lost(&t.state)),
            None => Err(lost("unknown")),
        }
    }
}

impl<T: Data> SinkWriter<T> for TransactionalWriter<T> {
    fn write(&mut self, batch: Batch<T>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            self.begin()?;
        }
        self.inner.write(batch)
    }
    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
    fn prepare_commit(&mut self, epoch: Epoch) -> Result<Vec<Vec<u8>>> {
        let Some(open) = self.open.take() else { return Ok(vec![]) };
        let (producer_id, producer_epoch) = self.describe(&open)?;
        // Its threads take a while to end: not here.
        let producer = self.inner.take_producer();
        drop(std::thread::Builder::new().spawn(move || drop(producer)));
        self.used_slots.insert(epoch, open.slot);
        let timeout_ms = i64::try_from(self.settings.timeout.as_millis()).unwrap_or(i64::MAX);
        let transaction = Transaction {
            cluster_id: self.cluster_id.clone(),
            id: open.id,
            producer_id,
            producer_epoch,
            nonce: open.nonce,
            ledger: self.settings.ledger(),
            start_ms: open.start_ms,
            timeout_ms,
        };
        Ok(vec![transaction.encode()?])
    }
    fn on_released(&mut self, up_to: Epoch) {
        let kept = self.used_slots.split_off(&up_to.next());
        self.free_slots.extend(std::mem::replace(&mut self.used_slots, kept).into_values());
    }
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }
    fn poll(&mut self, now_ms: i64) -> Result<()> {
        self.inner.poll(now_ms)
    }
    fn next_poll(&self) -> Option<i64> {
        self.inner.next_poll()
    }
    fn close(&mut self) -> Result<()> {
        // No checkpoint knows it: aborted now, it does not hide later records from readers.
        if let (Some(open), Some(producer)) = (self.open.take(), self.inner.take_producer())
            && let Err(error) = producer.abort_transaction(ABORT_TIMEOUT)
        {
            tracing::warn!("the transaction '{}' is left to its timeout: {error}", open.id);
        }
        self.inner.close()
    }
}
