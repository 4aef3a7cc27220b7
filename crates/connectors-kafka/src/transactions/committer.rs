//! Ends transactions: after a checkpoint, and after a restart.
//!
//! Invariants: nothing is aborted before everything that the checkpoint lists is committed;
//! an end that is unclear is looked up in the ledger, never taken for granted.

use super::committable::Transaction;
use super::ledger;
use super::names::{Generation, Names};
use super::settings::Settings;
use crate::properties::Properties;
use crate::raw::{Ended, RawCluster};
use millstream_core::{Error, Result};
use millstream_runtime::{Committable, Committer, CommitterContext};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long one request may take, with its retries.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct KafkaCommitter {
    raw: RawCluster,
    properties: Properties,
    settings: Settings,
    names: Names,
    /// Sweeps after its commits: one writer is enough.
    sweeps: bool,
}

impl KafkaCommitter {
    pub(crate) fn new(
        properties: &Properties,
        settings: &Settings,
        context: &CommitterContext,
    ) -> Result<Self> {
        settings.check_times(&context.job)?;
        Ok(KafkaCommitter {
            raw: RawCluster::new(properties.bootstrap_servers(), REQUEST_TIMEOUT),
            properties: properties.clone(),
            names: Names::new(&settings.prefix, &context.job, &context.uid),
            settings: settings.clone(),
            sweeps: context.subtask == Some(0),
        })
    }

    /// Commits; answers what the broker does not know any more, with its words.
    fn end_all(&mut self, all: &[(&Committable, Transaction)]) -> Result<Vec<(usize, String)>> {
        let mut unclear = Vec::new();
        for (index, (_, t)) in all.iter().enumerate() {
            let ended = self.raw.end_transaction(&t.id, t.producer_id, t.producer_epoch, true)?;
            if let Ended::Unclear(why) = ended {
                unclear.push((index, why));
            }
        }
        Ok(unclear)
    }

    /// The generation that holds the prefix.
    fn current(&mut self) -> Result<Option<Generation>> {
        let claim = self.names.claim();
        let described = self.raw.describe_transactions(&[&claim])?.into_iter().flatten().next();
        Ok(described.map(|d| Generation(d.producer_id, d.producer_epoch)))
    }

    /// Aborts open transactions of the prefix, but not those of generation `spare`, and never
    /// those of a later leader: a durable checkpoint may list them.
    fn sweep(&mut self, spare: Option<Generation>) -> Result<usize> {
        let open = self.raw.open_transactions(self.names.prefix())?;
        let mut aborted = 0;
        for listed in open {
            let Some(parsed) = self.names.parse(&listed.id) else { continue };
            let spared = spare.is_some_and(|generation| parsed.is_held_by(generation));
            if !spared && self.names.successor(&parsed).is_none() {
                tracing::info!("aborting the transaction that '{}' has left open", listed.id);
                self.raw.init_producer_id(&listed.id, self.settings.timeout)?;
                aborted += 1;
            }
        }
        Ok(aborted)
    }

    /// Another job that writes with this prefix right now would be fenced by us, and fence us;
    /// a later leader of this job as well.
    fn refuse_others(&mut self, known: &BTreeSet<String>) -> Result<()> {
        for listed in self.raw.open_transactions(self.names.prefix())? {
            let Some(parsed) = self.names.parse(&listed.id) else { continue };
            // Its claim would stop the one that is in charge.
            if let Some(term) = self.names.successor(&parsed) {
                return Err(Error::restart(format!(
                    "a later leader of this job (term {term}) has the open transaction '{}'",
                    listed.id
                ))
                .advice("this process was late; the later attempt goes on"));
            }
            if parsed.owner != self.names.owner() && !known.contains(parsed.owner) {
                return Err(Error::config(format!(
                    "transactional_id_prefix '{}' is in use: another job or sink has the open \
                     transaction '{}'",
                    self.settings.prefix, listed.id
                ))
                .advice(
                    "give each sink a prefix of its own; after a rename of the job or the sink, \
                     restore from its checkpoint or wait for the transaction's timeout",
                ));
            }
        }
        Ok(())
    }

    /// Finds out how transactions ended that the broker does not know any more.
    fn look_up(
        &mut self,
        all: &[(&Committable, Transaction)],
        unclear: &[(usize, String)],
    ) -> Result<()> {
        let of = |(index, _): &(usize, String)| all.get(*index).map(|(_, t)| t);
        let ledgers: BTreeSet<&str> =
            unclear.iter().filter_map(of).map(|t| t.ledger.as_str()).collect();
        let mut committed = BTreeSet::new();
        for topic in ledgers {
            let asked: Vec<&Transaction> =
                unclear.iter().filter_map(of).filter(|t| t.ledger == topic).collect();
            committed.extend(ledger::committed(&self.properties, topic, &asked)?);
        }
        for (index, why) in unclear {
            let Some((committable, transaction)) = all.get(*index) else { continue };
            if committed.contains(&transaction.key()) {
                continue;
            }
            let lost = format!(
                "TRANSACTION LOST: the records of writer {} in checkpoint {} (transaction '{}', \
                 open since {} with a timeout of {} ms) were aborted before they could be \
                 committed: {why}",
                committable.writer,
                committable.epoch,
                transaction.id,
                transaction.start_ms,
                transaction.timeout_ms
            );
            if self.settings.skip_lost {
                tracing::error!("{lost}; going on without them, as skip_lost_transactions says");
                continue;
            }
            return Err(Error::corrupt(lost).advice(
                "the job was down for longer than the transaction timeout, or another job used \
                 its prefix; restore an older checkpoint to write the records again (later ones \
                 come twice), or go on without them with skip_lost_transactions(true)",
            ));
        }
        Ok(())
    }
}

fn decode(committables: &[Committable]) -> Result<Vec<(&Committable, Transaction)>> {
    committables.iter().map(|c| Ok((c, Transaction::decode(c)?))).collect()
}

impl Committer for KafkaCommitter {
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        let all = decode(committables)?;
        let unclear = self.end_all(&all)?;
        if let Some((index, why)) = unclear.first() {
            // The ledger cannot be read to its end while writers write: a restart does.
            let id = all.get(*index).map_or("", |(_, t)| t.id.as_str());
            return Err(Error::restart(format!(
                "the broker does not know the transaction '{id}' any more: {why}"
            ))
            .advice("the restart looks up whether it was committed"));
        }
        // What a process of an earlier attempt has begun after our start.
        if self.sweeps
            && let Some(generation) = self.current()?
        {
            self.sweep(Some(generation))?;
        }
        Ok(())
    }

    fn recover(&mut self, committables: &[Committable]) -> Result<()> {
        let all = decode(committables)?;
        let (cluster_id, _) = self.raw.describe()?;
        if let Some((_, other)) = all.iter().find(|(_, t)| t.cluster_id != cluster_id) {
            return Err(Error::config(format!(
                "the checkpoint has transactions in Kafka cluster '{}', bootstrap_servers leads \
                 to cluster '{cluster_id}'",
                other.cluster_id
            ))
            .advice("connect to the cluster that the job wrote to"));
        }
        let known = all.iter().filter_map(|(_, t)| self.names.parse(&t.id));
        let known: BTreeSet<String> = known.map(|p| p.owner.to_owned()).collect();
        self.refuse_others(&known)?;
        ledger::create(&mut self.raw, &self.settings.ledger())?;
        self.raw.init_producer_id(&self.names.claim(), self.settings.timeout)?;
        let unclear = self.end_all(&all)?;
        // Only now: an entry that is swept before its commit is lost.
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        while self.sweep(None)? > 0 && Instant::now() < deadline {}
        self.look_up(&all, &unclear)
    }
}
