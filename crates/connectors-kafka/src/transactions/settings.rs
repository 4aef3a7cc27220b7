//! Options of exactly once, and what can be known to be wrong before data flows.

use crate::properties::Properties;
use millstream_core::{Error, Result};
use millstream_runtime::JobInfo;
use std::time::Duration;

/// The brokers' own default limit (`transaction.max.timeout.ms`).
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);
pub(crate) const DEFAULT_RECOVERY: Duration = Duration::from_secs(2 * 60);

/// How a sink uses transactions.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    /// The time that a restart may take.
    pub(crate) recovery: Duration,
    pub(crate) ledger: Option<String>,
    pub(crate) skip_lost: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            prefix: String::new(),
            timeout: DEFAULT_TIMEOUT,
            recovery: DEFAULT_RECOVERY,
            ledger: None,
            skip_lost: false,
        }
    }
}

/// What Kafka takes as the name of a topic, which the ledger's name is made of.
fn is_topic_like(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty() && text.len() <= 200 && text.chars().all(ok)
}

impl Settings {
    /// The topic that remembers commits.
    pub(crate) fn ledger(&self) -> String {
        self.ledger.clone().unwrap_or_else(|| format!("{}.ledger", self.prefix))
    }

    /// Checks that need neither brokers nor the job.
    pub(crate) fn validate(&self, properties: &Properties) -> Result<()> {
        if self.prefix.is_empty() {
            return Err(Error::config("ExactlyOnce without transactional_id_prefix")
                .advice("set one that no other job or sink of this Kafka cluster uses"));
        }
        if !is_topic_like(&self.prefix) || !is_topic_like(&self.ledger()) {
            return Err(Error::config(format!(
                "transactional_id_prefix '{}' or ledger_topic '{}' cannot be used",
                self.prefix.escape_default(),
                self.ledger().escape_default()
            ))
            .advice("use up to 200 letters, digits, '.', '_' and '-'"));
        }
        if self.timeout < Duration::from_secs(1) || self.timeout.as_millis() > i32::MAX as u128 {
            return Err(Error::config(format!("transaction_timeout {:?}", self.timeout))
                .advice("use a second to 24 days; the brokers' default limit is 15 minutes"));
        }
        let protocol = properties.get("security.protocol").unwrap_or("plaintext");
        if !protocol.eq_ignore_ascii_case("plaintext") {
            return Err(Error::config(format!(
                "exactly once over security.protocol '{protocol}' is not there yet: the requests \
                 that commit after a crash are sent in plain text"
            ))
            .advice("use AtLeastOnce with it, or a plaintext listener inside your network"));
        }
        Ok(())
    }

    /// A transaction must outlive everything that may happen before its commit.
    pub(crate) fn check_times(&self, job: &JobInfo) -> Result<()> {
        let Some(interval_ms) = job.checkpoint_interval_ms else { return Ok(()) };
        let recovery_ms = i64::try_from(self.recovery.as_millis()).unwrap_or(i64::MAX);
        let need_ms =
            interval_ms.saturating_add(job.checkpoint_timeout_ms).saturating_add(recovery_ms);
        let have_ms = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        if have_ms >= need_ms {
            return Ok(());
        }
        let s = |ms: i64| ms as f64 / 1000.0;
        Err(Error::config(format!(
            "transaction_timeout of {} s is shorter than the checkpoint interval ({} s), the \
             checkpoint timeout ({} s) and the time for a recovery ({} s) together: the broker \
             could abort what a checkpoint promises",
            s(have_ms),
            s(interval_ms),
            s(job.checkpoint_timeout_ms),
            s(recovery_ms)
        ))
        .advice(
            "raise transaction_timeout (and the brokers' transaction.max.timeout.ms), or lower \
             the checkpoint interval, the checkpoint timeout or recovery_time",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_that_a_recovery_may_exceed_is_refused_with_all_numbers() {
        let job = JobInfo {
            name: "j".into(),
            checkpoint_interval_ms: Some(10_000),
            checkpoint_timeout_ms: 600_000,
            checkpoints_stored: true,
            restored_epoch: None,
            ..JobInfo::for_tests()
        };
        let settings = Settings { prefix: "p".into(), ..Settings::default() };
        settings.check_times(&job).unwrap();
        let short = Settings { timeout: Duration::from_secs(60), ..settings };
        let error = short.check_times(&job).unwrap_err().to_string();
        for number in ["60 s", "10 s", "600 s", "120 s"] {
            assert!(error.contains(number), "{error}");
        }
    }

    #[test]
    fn prefixes_and_protocols_that_cannot_work_are_refused() {
        let mut properties = Properties::default();
        let check = |prefix: &str, properties: &Properties| {
            let settings = Settings { prefix: prefix.into(), ..Settings::default() };
            settings.validate(properties).map_err(|e| e.to_string())
        };
        assert!(check("", &properties).unwrap_err().contains("transactional_id_prefix"));
        assert!(check("a b", &properties).unwrap_err().contains("letters, digits"));
        assert!(check("orders-to-kafka", &properties).is_ok());
        properties.set("security.protocol", "SSL");
        assert!(check("p", &properties).unwrap_err().contains("security.protocol 'SSL'"));
    }
}
