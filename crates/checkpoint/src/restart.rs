//! Whether and when a failed job starts again; Flink's restart strategies.
//!
//! Pure: the caller brings the time and the random number of the jitter.

use crate::config::parse_duration_ms;
use millstream_core::{Error, ErrorKind, Result};
use std::collections::VecDeque;

/// Flink's `restart-strategy.type` with its options. Times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum RestartStrategy {
    /// Never.
    None,
    /// After a fixed time, so many times in the life of the job.
    FixedDelay {
        /// Restarts allowed.
        attempts: u32,
        /// From the failure to the restart.
        delay_ms: i64,
    },
    /// After a time that grows with every failure, and starts small again when the job ran
    /// long enough.
    ExponentialDelay {
        /// The first delay.
        initial_ms: i64,
        /// The longest delay.
        max_ms: i64,
        /// Growth.
        multiplier: f64,
        /// A job that ran this long without failure starts with the first delay again.
        reset_ms: i64,
        /// Share of the delay that chance adds or takes, 0 to 1.
        jitter: f64,
    },
    /// After a fixed time, unless there were too many failures lately.
    FailureRate {
        /// Failures allowed within the interval.
        failures: u32,
        /// The interval.
        interval_ms: i64,
        /// From the failure to the restart.
        delay_ms: i64,
    },
}

impl RestartStrategy {
    /// Flink's default for jobs with checkpoints.
    pub fn exponential() -> Self {
        RestartStrategy::ExponentialDelay {
            initial_ms: 1000,
            max_ms: 60_000,
            multiplier: 1.5,
            reset_ms: 60 * 60 * 1000,
            jitter: 0.1,
        }
    }

    /// From Flink's options: `(name, value)` pairs beginning with `restart-strategy`; other
    /// names are passed over. `None` when there is no `restart-strategy.type`.
    ///
    /// ```
    /// use millstream_checkpoint::RestartStrategy;
    /// let options = [("restart-strategy.type", "fixed-delay"),
    ///                ("restart-strategy.fixed-delay.attempts", "3"),
    ///                ("restart-strategy.fixed-delay.delay", "2 s")];
    /// let strategy = RestartStrategy::from_options(options).unwrap();
    /// assert_eq!(strategy, Some(RestartStrategy::FixedDelay { attempts: 3, delay_ms: 2000 }));
    /// ```
    ///
    /// # Errors
    /// `Config` for an unknown type or a value that does not parse.
    pub fn from_options<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>> {
        let all: Vec<(&str, &str)> =
            options.into_iter().filter(|(name, _)| name.starts_with("restart-strategy")).collect();
        let get = |name: &str| {
            let full = format!("restart-strategy.{name}");
            all.iter().rev().find(|(n, _)| *n == full).map(|(_, value)| *value)
        };
        let wrong = |name: &str, value: &str| {
            Error::config(format!("restart-strategy.{name}: '{value}' cannot be read"))
        };
        let ms = |name: &str, default: i64| {
            get(name).map_or(Ok(default), |v| parse_duration_ms(v).ok_or_else(|| wrong(name, v)))
        };
        let count = |name: &str| {
            get(name).map_or(Ok(1), |v| v.trim().parse::<u32>().map_err(|_| wrong(name, v)))
        };
        let real = |name: &str, default: f64| {
            let value =
                get(name).map_or(Ok(default), |v| v.trim().parse().map_err(|_| wrong(name, v)));
            value.and_then(|f| if f >= 0.0 { Ok(f) } else { Err(wrong(name, &f.to_string())) })
        };
        let Some(kind) = get("type") else { return Ok(None) };
        Ok(Some(match kind.trim() {
            "none" | "off" | "disable" => RestartStrategy::None,
            "fixed-delay" | "fixeddelay" => RestartStrategy::FixedDelay {
                attempts: count("fixed-delay.attempts")?,
                delay_ms: ms("fixed-delay.delay", 1000)?,
            },
            "exponential-delay" | "exponentialdelay" => RestartStrategy::ExponentialDelay {
                initial_ms: ms("exponential-delay.initial-backoff", 1000)?,
                max_ms: ms("exponential-delay.max-backoff", 60_000)?,
                multiplier: real("exponential-delay.backoff-multiplier", 1.5)?.max(1.0),
                reset_ms: ms("exponential-delay.reset-backoff-threshold", 3_600_000)?,
                jitter: real("exponential-delay.jitter-factor", 0.1)?.min(1.0),
            },
            "failure-rate" | "failurerate" => RestartStrategy::FailureRate {
                failures: count("failure-rate.max-failures-per-interval")?,
                interval_ms: ms("failure-rate.failure-rate-interval", 60_000)?,
                delay_ms: ms("failure-rate.delay", 1000)?,
            },
            other => {
                return Err(Error::config(format!("restart-strategy.type: '{other}' is unknown"))
                    .advice("use none, fixed-delay, exponential-delay or failure-rate"));
            }
        }))
    }
}

/// Whether a restart can help with an error of this kind.
pub fn may_help(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::Config | ErrorKind::Corrupt | ErrorKind::Cancelled)
}

/// Counts the failures of one job.
#[derive(Clone, Debug)]
pub struct RestartTracker {
    strategy: RestartStrategy,
    restarts: u32,
    failures: VecDeque<i64>,
    next_ms: f64,
    last_failure_ms: Option<i64>,
}

impl RestartTracker {
    /// No failures yet.
    pub fn new(strategy: RestartStrategy) -> Self {
        RestartTracker {
            strategy,
            restarts: 0,
            failures: VecDeque::new(),
            next_ms: 0.0,
            last_failure_ms: None,
        }
    }

    /// An attempt failed now: how long to wait before the next, or `None` when the job has
    /// failed for good. `chance`: a random number from 0 to 1.
    ///
    /// ```
    /// use millstream_checkpoint::{RestartStrategy, RestartTracker};
    /// let strategy = RestartStrategy::FixedDelay { attempts: 1, delay_ms: 500 };
    /// let mut tracker = RestartTracker::new(strategy);
    /// assert_eq!(tracker.failed(0, 0.5), Some(500));
    /// assert_eq!(tracker.failed(9, 0.5), None);
    /// ```
    pub fn failed(&mut self, now_ms: i64, chance: f64) -> Option<i64> {
        let since = self.last_failure_ms.replace(now_ms).map(|last| now_ms.saturating_sub(last));
        self.restarts = self.restarts.saturating_add(1);
        match &self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay_ms } => {
                (self.restarts <= *attempts).then_some(*delay_ms)
            }
            RestartStrategy::ExponentialDelay {
                initial_ms,
                max_ms,
                multiplier,
                reset_ms,
                jitter,
            } => {
                let fresh = since.is_none_or(|since| since >= *reset_ms);
                let delay =
                    if fresh { *initial_ms as f64 } else { self.next_ms.min(*max_ms as f64) };
                self.next_ms = (delay * multiplier).min(*max_ms as f64);
                let chance = chance.clamp(0.0, 1.0) * 2.0 - 1.0;
                Some((delay * (1.0 + jitter * chance)).max(0.0) as i64)
            }
            RestartStrategy::FailureRate { failures, interval_ms, delay_ms } => {
                self.failures.push_back(now_ms);
                let begin = now_ms.saturating_sub(*interval_ms);
                while self.failures.front().is_some_and(|at| *at <= begin) {
                    self.failures.pop_front();
                }
                (self.failures.len() <= *failures as usize).then_some(*delay_ms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_its_limit_and_starts_small_after_a_long_run() {
        let strategy = RestartStrategy::ExponentialDelay {
            initial_ms: 100,
            max_ms: 350,
            multiplier: 2.0,
            reset_ms: 10_000,
            jitter: 0.0,
        };
        let mut tracker = RestartTracker::new(strategy);
        let delays: Vec<_> = [0, 1, 2, 3, 20_000].map(|now| tracker.failed(now, 0.9)).into();
        assert_eq!(delays, [Some(100), Some(200), Some(350), Some(350), Some(100)]);
    }

    #[test]
    fn a_rate_forgets_what_is_long_ago() {
        let strategy = RestartStrategy::FailureRate { failures: 2, interval_ms: 1000, delay_ms: 5 };
        let mut tracker = RestartTracker::new(strategy);
        let answers: Vec<_> = [0, 500, 1100, 1200].map(|now| tracker.failed(now, 0.0)).into();
        assert_eq!(answers, [Some(5), Some(5), Some(5), None]);
    }
}
