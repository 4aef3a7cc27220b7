//! The settings of a job by Flink's names: one table for `-D` and for SQL's `SET`.
//!
//! | names | meant for |
//! |---|---|
//! | `execution.checkpointing.*`, `state.checkpoints.*`, `state.savepoints.dir` | [`CheckpointConfig`] |
//! | `restart-strategy.*` | [`RestartStrategy`] |
//! | `state.backend.type`, `state.backend.rocksdb.*` | [`StateBackendConfig`](crate::state::StateBackendConfig) |
//! | `execution.state-recovery.*`, also `execution.savepoint.*` | [`RestoreSettings`] |
//! | `pipeline.job-id`, `heartbeat.timeout` | the job itself |
//!
//! Invariant: a setting that is taken here has an effect, or is refused.

use crate::checkpoint::{CheckpointConfig, RestartStrategy, RestoreSettings};
use crate::execution::RuntimeConfig;
pub use millstream_checkpoint::config::parse_duration_ms;
use millstream_core::{Error, Result};

/// Every setting that has one name, beside those of checkpoints.
const NAMES: &[&str] = &[
    "execution.savepoint-restore-mode",
    "execution.savepoint.ignore-unclaimed-state",
    "execution.savepoint.path",
    "execution.state-recovery.claim-mode",
    "execution.state-recovery.ignore-unclaimed-state",
    "execution.state-recovery.path",
    "heartbeat.timeout",
    "pipeline.job-id",
    "restart-strategy.exponential-delay.backoff-multiplier",
    "restart-strategy.exponential-delay.initial-backoff",
    "restart-strategy.exponential-delay.jitter-factor",
    "restart-strategy.exponential-delay.max-backoff",
    "restart-strategy.exponential-delay.reset-backoff-threshold",
    "restart-strategy.failure-rate.delay",
    "restart-strategy.failure-rate.failure-rate-interval",
    "restart-strategy.failure-rate.max-failures-per-interval",
    "restart-strategy.fixed-delay.attempts",
    "restart-strategy.fixed-delay.delay",
    "restart-strategy.type",
    "state.backend.type",
    "state.checkpoints.dir",
    "state.checkpoints.num-retained",
    "state.savepoints.dir",
];

/// Names of a group that checks its own.
const ROCKSDB: &str = "state.backend.rocksdb.";

/// All names, for hints.
pub fn names() -> impl Iterator<Item = &'static str> {
    CheckpointConfig::NAMES.into_iter().chain(NAMES.iter().copied())
}

/// Whether there is a setting of this name.
///
/// ```
/// use millstream_runtime::options;
/// assert!(options::is_known("execution.checkpointing.interval"));
/// assert!(!options::is_known("execution.checkpointing.intervall"));
/// ```
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name) || name.starts_with(ROCKSDB)
}

impl RuntimeConfig {
    /// Changes what these settings name. Then decides what follows a failure: what they say,
    /// or `restart`, or else restarts with a growing delay for a job whose checkpoints are
    /// stored, and none for another.
    ///
    /// ```
    /// use millstream_runtime::RuntimeConfig;
    /// let mut config = RuntimeConfig::local("clicks", 2);
    /// config.apply(&[("execution.checkpointing.interval", "10 s")], None)?;
    /// assert_eq!(config.checkpoint.interval_ms, Some(10_000));
    /// let error = config.apply(&[("execution.state-recovery.pat", "x")], None).unwrap_err();
    /// assert!(error.to_string().contains("'execution.state-recovery.path'"));
    /// # Ok::<(), millstream_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Config`, with the name of a setting that is unknown or cannot be read.
    pub fn apply(
        &mut self,
        settings: &[(&str, &str)],
        restart: Option<RestartStrategy>,
    ) -> Result<()> {
        for (name, value) in settings {
            self.apply_one(name, value)?;
        }
        let backend = |name: &&str| name.starts_with("state.backend.");
        let backend: Vec<_> = settings.iter().copied().filter(|(name, _)| backend(name)).collect();
        self.state_backend = std::mem::take(&mut self.state_backend).with_key_values(backend)?;
        let said = RestartStrategy::from_options(settings.iter().copied())?;
        let stores = self.storage.is_some() || self.checkpoint.directory.is_some();
        self.restart = said.or(restart).unwrap_or(match stores {
            true => RestartStrategy::exponential(),
            false => RestartStrategy::None,
        });
        Ok(())
    }

    fn apply_one(&mut self, name: &str, value: &str) -> Result<()> {
        if !is_known(name) {
            let error = Error::config(format!("there is no setting '{name}'"));
            return Err(match millstream_core::nearest::hint(name, names()) {
                Some(hint) => error.advice(hint),
                None => error.advice("see docs/checkpoints.md and docs/state.md for the settings"),
            });
        }
        let trimmed = value.trim();
        let wrong = |expected: &str| Error::config(format!("{name}: '{value}' is not {expected}"));
        match name {
            "heartbeat.timeout" => {
                let ms = parse_duration_ms(value).filter(|ms| *ms > 0);
                self.heartbeat_timeout_ms = ms.ok_or_else(|| wrong("a duration like '50 s'"))?;
            }
            "pipeline.job-id" => {
                if trimmed.is_empty() {
                    return Err(wrong("the name of a job").advice("use letters, digits and '-'"));
                }
                self.job_id = Some(trimmed.to_owned());
            }
            "execution.state-recovery.path" | "execution.savepoint.path" => {
                self.recovery().path = trimmed.to_owned();
            }
            "execution.state-recovery.ignore-unclaimed-state"
            | "execution.savepoint.ignore-unclaimed-state" => {
                let allow = match trimmed.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(wrong("true or false")),
                };
                self.recovery().allow_non_restored_state = allow;
            }
            "execution.state-recovery.claim-mode" | "execution.savepoint-restore-mode" => {
                let claim = match trimmed.to_ascii_uppercase().as_str() {
                    "CLAIM" => true,
                    "NO_CLAIM" => false,
                    _ => return Err(wrong("CLAIM or NO_CLAIM")),
                };
                self.recovery().claim = claim;
            }
            // These say something together, and are read together.
            _ if name.starts_with("restart-strategy") || name.starts_with("state.backend") => {}
            _ => {
                if !self.checkpoint.set(name, value)? {
                    return Err(Error::bug(format!("setting {name} is listed and not read")));
                }
            }
        }
        Ok(())
    }

    /// The savepoint settings, made when there are none: an empty path is none.
    fn recovery(&mut self) -> &mut RestoreSettings {
        self.from_savepoint.get_or_insert_with(|| RestoreSettings {
            path: String::new(),
            allow_non_restored_state: false,
            claim: false,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_is_read() {
        for name in names() {
            let mut config = RuntimeConfig::local("job", 1);
            let error = config.apply(&[(name, "#")], None);
            // A folder may have any name; what stands alone of a strategy is not looked at.
            let free = name.ends_with("dir") || name.ends_with("path") || name.ends_with("job-id");
            let alone = name.starts_with("restart-strategy.") && !name.ends_with(".type");
            assert_eq!(error.is_ok(), free || alone, "{name}: {error:?}");
        }
    }

    #[test]
    fn settings_reach_what_they_name() {
        let mut config = RuntimeConfig::local("job", 1);
        config
            .apply(
                &[
                    ("execution.savepoint.path", " /tmp/sp "),
                    ("execution.state-recovery.ignore-unclaimed-state", "TRUE"),
                    ("execution.state-recovery.claim-mode", "claim"),
                    ("pipeline.job-id", "orders"),
                    ("state.checkpoints.dir", "/tmp/chk"),
                ],
                None,
            )
            .unwrap();
        let from = config.from_savepoint.as_ref().unwrap();
        assert_eq!(from.path, "/tmp/sp");
        assert!(from.allow_non_restored_state && from.claim);
        assert_eq!(config.job_id.as_deref(), Some("orders"));
        // With a place for checkpoints a job restarts by itself.
        assert_eq!(config.restart, RestartStrategy::exponential());
        config.apply(&[("restart-strategy.type", "none")], None).unwrap();
        assert_eq!(config.restart, RestartStrategy::None);
    }
}
