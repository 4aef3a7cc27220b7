//! Log then publish: rows of a durable checkpoint, and that they were published, in one
//! transaction.
//!
//! ```text
//!   millstream_commits(sink, writer, epoch, nonce, job, published_at)
//!     writer >= 0   the newest epoch of that writer that is in the table
//!     writer = -1   the claim: who may publish
//! ```
//!
//! Invariants: an epoch of a writer is published by the transaction that says so, or not at
//! all; only the holder of the claim publishes; epochs of a writer are published in order.

use crate::config::ConnectionConfig;
use crate::database::{Database, Failure};
use crate::statement::qualified;
use crate::writer::{Log, Plan, nonce};
use millstream_core::{Error, Result};
use millstream_runtime::{Committable, Committer, CommitterContext};
use postgres::Client;

/// Writer of the claim's row.
const CLAIM: i32 = -1;
const COMMITS: &str = "millstream_commits";

pub(crate) struct JdbcCommitter {
    database: Database,
    plan: Plan,
    /// The table of commits, quoted.
    commits: String,
    sink_id: String,
    job: String,
    restored_epoch: i64,
    claim: Vec<u8>,
}

fn as_i64(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

impl JdbcCommitter {
    pub(crate) fn open(
        config: ConnectionConfig,
        plan: Plan,
        schema: &str,
        sink_id: &str,
        context: &CommitterContext,
    ) -> Result<Self> {
        let mut committer = JdbcCommitter {
            database: Database::new(config),
            plan,
            commits: qualified(schema, COMMITS),
            sink_id: sink_id.to_owned(),
            job: context.job.name.clone(),
            restored_epoch: context.job.restored_epoch.map_or(0, |e| as_i64(e.0)),
            claim: nonce()?,
        };
        if context.subtask.is_some() {
            committer.claim = committer.read_claim()?;
        }
        Ok(committer)
    }

    /// The claim that the attempt's recovery has made.
    fn read_claim(&mut self) -> Result<Vec<u8>> {
        let sql = format!("SELECT nonce FROM {} WHERE sink = $1 AND writer = $2", self.commits);
        let sink = self.sink_id.clone();
        self.database.run("read the claim", |client| {
            let row = client.query_opt(&sql, &[&sink, &CLAIM])?;
            match row {
                Some(row) => Ok(row.try_get(0)?),
                None => Err(Failure::Ours(Error::bug("a commit before the sink's recovery"))),
            }
        })
    }

    fn create_table(&mut self) -> Result<()> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (sink text NOT NULL, writer integer NOT NULL, \
             epoch bigint NOT NULL, nonce bytea NOT NULL, job text NOT NULL, \
             published_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (sink, writer))",
            self.commits
        );
        // Two sinks may start at once: then one of them finds the name taken.
        let exists = format!("SELECT 1 FROM {} LIMIT 1", self.commits);
        self.database.run("make the table of commits", |client| {
            if client.execute(&exists, &[]).is_ok() {
                return Ok(());
            }
            match client.batch_execute(&sql) {
                Err(_) if client.execute(&exists, &[]).is_ok() => Ok(()),
                made => Ok(made?),
            }
        })
    }

    /// Takes the right to publish from whoever has it, unless state is missing.
    fn take_claim(&mut self) -> Result<()> {
        let newest = format!(
            "SELECT epoch, job FROM {} WHERE sink = $1 AND writer >= 0 ORDER BY epoch DESC LIMIT 1",
            self.commits
        );
        let claim = format!(
            "INSERT INTO {} (sink, writer, epoch, nonce, job) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (sink, writer) DO UPDATE SET epoch = EXCLUDED.epoch, \
             nonce = EXCLUDED.nonce, job = EXCLUDED.job, published_at = now()",
            self.commits
        );
        let (sink, restored, nonce, job) =
            (self.sink_id.clone(), self.restored_epoch, self.claim.clone(), self.job.clone());
        self.database.run("claim the sink", |client| {
            let mut transaction = client.transaction()?;
            // The claim first: its row's lock waits for a publication that is on its way.
            transaction.execute(&claim, &[&sink, &CLAIM, &restored, &nonce, &job])?;
            if let Some(row) = transaction.query_opt(&newest, &[&sink])? {
                let (epoch, by): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
                if epoch > restored {
                    return Err(ahead(&sink, epoch, &by, restored).into());
                }
            }
            Ok(transaction.commit()?)
        })
    }

    fn publish(&mut self, committable: &Committable) -> Result<()> {
        let log = Log::decode(&committable.payload)?;
        let lock =
            format!("SELECT nonce FROM {} WHERE sink = $1 AND writer = $2 FOR SHARE", self.commits);
        let read =
            format!("SELECT epoch, nonce FROM {} WHERE sink = $1 AND writer = $2", self.commits);
        let progress = format!(
            "INSERT INTO {} (sink, writer, epoch, nonce, job) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (sink, writer) DO UPDATE SET epoch = EXCLUDED.epoch, \
             nonce = EXCLUDED.nonce, job = EXCLUDED.job, published_at = now()",
            self.commits
        );
        let writer = i32::try_from(committable.writer)
            .map_err(|_| Error::bug("a writer's index does not fit an integer"))?;
        let epoch = as_i64(committable.epoch.0);
        let (plan, claim, sink, job) = (&self.plan, &self.claim, &self.sink_id, &self.job);
        self.database.run("publish an epoch", |client: &mut Client| {
            let mut transaction = client.transaction()?;
            let holder: Option<Vec<u8>> = match transaction.query_opt(&lock, &[sink, &CLAIM])? {
                Some(row) => row.try_get(0)?,
                None => None,
            };
            if holder.as_ref() != Some(claim) {
                return Err(Failure::Ours(
                    Error::config(format!(
                        "sink id '{sink}' was taken over by another job or attempt"
                    ))
                    .advice("run one job with this id; give each sink an id of its own"),
                ));
            }
            if let Some(row) = transaction.query_opt(&read, &[sink, &writer])? {
                let (published, nonce): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
                if published == epoch && nonce != log.nonce {
                    return Err(ahead(sink, published, job, epoch - 1).into());
                }
                if published >= epoch {
                    return Ok(()); // by a commit whose answer was lost, or before a restart
                }
            }
            plan.apply(&mut transaction, &log.changes)?;
            transaction.execute(&progress, &[sink, &writer, &epoch, &log.nonce, job])?;
            Ok(transaction.commit()?)
        })
    }
}

fn ahead(sink: &str, published: i64, job: &str, restored: i64) -> Error {
    let from = match restored {
        0 => "starts without state".to_owned(),
        epoch => format!("starts from checkpoint {epoch}"),
    };
    Error::config(format!(
        "sink id '{sink}' has published checkpoint {published} (by job '{job}'), and this job \
         {from}: what comes in between would be written twice"
    ))
    .advice(
        "restore the newest checkpoint; or, when it is meant, remove the rows behind the \
         checkpoint and the sink's rows in millstream_commits; or use a new sink id",
    )
}

impl Committer for JdbcCommitter {
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        committables.iter().try_for_each(|committable| self.publish(committable))
    }
    fn recover(&mut self, committables: &[Committable]) -> Result<()> {
        self.create_table()?;
        self.take_claim()?;
        self.commit(committables)
    }
}
