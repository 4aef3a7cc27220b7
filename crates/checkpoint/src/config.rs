//! Settings of checkpoints, by Flink's names.
//!
//! One table: every option is a field, a name and a parser together.

use millstream_core::{Error, Result};

/// What a checkpoint promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CheckpointingMode {
    /// Every record counts once in the state.
    #[default]
    ExactlyOnce,
    /// A record may count twice after a restore. Taken as permission, not as an order:
    /// barriers are aligned all the same, so today the promise kept is the stronger one.
    AtLeastOnce,
}

/// What happens to a job's checkpoints when the job ends before its input does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Retention {
    /// They stay (Flink's `RETAIN_ON_CANCELLATION`). The default here: state is kept until
    /// somebody says otherwise.
    #[default]
    RetainOnCancellation,
    /// A cancel deletes them; a failure does not.
    DeleteOnCancellation,
}

/// See the module. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// Between triggers; `None`: no periodic checkpoints.
    pub interval_ms: Option<i64>,
    /// From the end of a checkpoint to the next trigger.
    pub min_pause_ms: i64,
    /// A checkpoint that is not complete by then is given up.
    pub timeout_ms: i64,
    /// Failed checkpoints in a row that the job survives.
    pub tolerable_failures: u32,
    /// Completed checkpoints that are kept; at least 1.
    pub retained: usize,
    /// The promise.
    pub mode: CheckpointingMode,
    /// What a cancel does to checkpoints.
    pub retention: Retention,
    /// Where checkpoints go: a folder or a URL.
    pub directory: Option<String>,
    /// Where savepoints go when a request does not say.
    pub savepoint_directory: Option<String>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        CheckpointConfig {
            interval_ms: None,
            min_pause_ms: 0,
            timeout_ms: 10 * 60 * 1000,
            tolerable_failures: 0,
            retained: 1,
            mode: CheckpointingMode::default(),
            retention: Retention::default(),
            directory: None,
            savepoint_directory: None,
        }
    }
}

impl CheckpointConfig {
    /// The names of all options, for "did you mean".
    pub const NAMES: [&str; 12] = [
        "execution.checkpointing.interval",
        "execution.checkpointing.min-pause",
        "execution.checkpointing.timeout",
        "execution.checkpointing.tolerable-failed-checkpoints",
        "execution.checkpointing.num-retained",
        "execution.checkpointing.mode",
        "execution.checkpointing.externalized-checkpoint-retention",
        "execution.checkpointing.dir",
        "execution.checkpointing.savepoint-dir",
        "execution.checkpointing.max-concurrent-checkpoints",
        "execution.checkpointing.unaligned.enabled",
        "execution.checkpointing.aligned-checkpoint-timeout",
    ];
    /// Sets the option that Flink calls `name`; whether there is one of that name.
    ///
    /// ```
    /// use millstream_checkpoint::CheckpointConfig;
    /// let mut config = CheckpointConfig::default();
    /// config.set("execution.checkpointing.interval", "10 s").unwrap();
    /// assert_eq!(config.interval_ms, Some(10_000));
    /// let error = config.set("execution.checkpointing.unaligned.enabled", "true").unwrap_err();
    /// assert!(error.to_string().contains("not supported"));
    /// ```
    ///
    /// # Errors
    /// `Config` when the value is not one of the option, or asks for what is not there yet.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let wrong = |expected: &str| {
            Error::config(format!("{name}: '{value}' is not {expected}"))
                .advice("see docs/checkpoints.md for the options")
        };
        let duration = || parse_duration_ms(value).ok_or_else(|| wrong("a duration like '10 s'"));
        let number = || value.trim().parse::<u32>().map_err(|_| wrong("a whole number"));
        let refuse = |truth: &str| match value.trim().eq_ignore_ascii_case(truth) {
            true => Ok(true),
            false => Err(Error::config(format!("{name} = {value} is not supported yet"))
                .advice(format!("leave it at {truth}"))),
        };
        match name {
            "execution.checkpointing.interval" => self.interval_ms = Some(duration()?),
            "execution.checkpointing.min-pause" => self.min_pause_ms = duration()?,
            "execution.checkpointing.timeout" => self.timeout_ms = duration()?,
            "execution.checkpointing.tolerable-failed-checkpoints" => {
                self.tolerable_failures = number()?;
            }
            "execution.checkpointing.num-retained" | "state.checkpoints.num-retained" => {
                self.retained = number()? as usize;
            }
            "execution.checkpointing.mode" => {
                self.mode = match value.trim().to_ascii_uppercase().replace('-', "_").as_str() {
                    "EXACTLY_ONCE" => CheckpointingMode::ExactlyOnce,
                    "AT_LEAST_ONCE" => CheckpointingMode::AtLeastOnce,
                    _ => return Err(wrong("EXACTLY_ONCE or AT_LEAST_ONCE")),
                }
            }
            "execution.checkpointing.externalized-checkpoint-retention" => {
                self.retention = match value.trim().to_ascii_uppercase().as_str() {
                    "RETAIN_ON_CANCELLATION" => Retention::RetainOnCancellation,
                    "DELETE_ON_CANCELLATION" | "NO_EXTERNALIZED_CHECKPOINTS" => {
                        Retention::DeleteOnCancellation
                    }
                    _ => return Err(wrong("RETAIN_ON_CANCELLATION or DELETE_ON_CANCELLATION")),
                }
            }
            "execution.checkpointing.dir" | "state.checkpoints.dir" => {
                self.directory = Some(value.trim().to_owned());
            }
            "execution.checkpointing.savepoint-dir" | "state.savepoints.dir" => {
                self.savepoint_directory = Some(value.trim().to_owned());
            }
            "execution.checkpointing.max-concurrent-checkpoints" => return refuse("1"),
            "execution.checkpointing.unaligned.enabled" => return refuse("false"),
            "execution.checkpointing.aligned-checkpoint-timeout" => return refuse("0 s"),
            _ => return Ok(false),
        }
        self.validate()?;
        Ok(true)
    }

    /// Checks values against each other.
    ///
    /// # Errors
    /// `Config`, with the option's name.
    pub fn validate(&self) -> Result<()> {
        let wrong = |name: &str, must: &str| {
            Err(Error::config(format!("execution.checkpointing.{name} must be {must}")))
        };
        if self.interval_ms.is_some_and(|interval| interval <= 0) {
            return wrong("interval", "positive");
        }
        if self.min_pause_ms < 0 {
            return wrong("min-pause", "zero or more");
        }
        if self.timeout_ms <= 0 {
            return wrong("timeout", "positive");
        }
        if self.retained == 0 {
            return wrong("num-retained", "at least 1");
        }
        Ok(())
    }
}

/// Flink's durations: `10 s`, `500ms`, `1 min`, `2 h`, `1 d`; a bare number is milliseconds.
///
/// ```
/// use millstream_checkpoint::config::parse_duration_ms;
/// assert_eq!(parse_duration_ms("10 min"), Some(600_000));
/// assert_eq!(parse_duration_ms("ten"), None);
/// ```
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text.get(..end)?.parse().ok()?;
    let unit = match text.get(end..)?.trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60 * 1000,
        "h" | "hour" | "hours" => 60 * 60 * 1000,
        "d" | "day" | "days" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(unit)
}
