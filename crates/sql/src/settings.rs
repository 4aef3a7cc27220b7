//! `SET`: the options of a session, with Flink's names.
//!
//! [`KNOWN`] is the table of what a session takes: name, default, meaning. What every job
//! takes (checkpoints, restarts, state) is [`millstream_runtime::options`]. Unknown keys are
//! refused with the nearest known one; keys of Flink that have no meaning here are taken and
//! say so.

use crate::runtime::spec::MiniBatchSpec;
use crate::zone::Zone;
use millstream_core::nearest;
use millstream_core::{Error, Result};
use millstream_runtime::{RuntimeConfig, options};
use std::collections::BTreeMap;

/// An option: its name, its default, what it does.
pub struct Known {
    /// Flink's name.
    pub key: &'static str,
    /// What holds without `SET`; empty when there is none.
    pub default: &'static str,
    /// In one clause.
    pub meaning: &'static str,
}

const fn known(key: &'static str, default: &'static str, meaning: &'static str) -> Known {
    Known { key, default, meaning }
}

/// All options that mean something, by name.
pub const KNOWN: &[Known] = &[
    known("execution.runtime-mode", "streaming", "only `streaming` is supported"),
    known("parallelism.default", "", "number of subtasks of each operator"),
    known("pipeline.auto-watermark-interval", "200 ms", "time between watermarks; 0: every row"),
    known("pipeline.max-parallelism", "128", "number of key groups"),
    known("pipeline.name", "", "name of the job"),
    known("sql-client.execution.result-mode", "table", "how the shell shows results"),
    known(
        "table.exec.async-lookup.buffer-capacity",
        "100",
        "requests of a lookup join that may wait",
    ),
    known("table.exec.async-lookup.output-mode", "ORDERED", "ORDERED or ALLOW_UNORDERED"),
    known("table.exec.async-lookup.timeout", "3 min", "how long an answer to a lookup may take"),
    known("table.exec.mini-batch.allow-latency", "0 ms", "how long rows wait in front of GROUP BY"),
    known("table.exec.mini-batch.enabled", "false", "gather rows in front of GROUP BY"),
    known("table.exec.mini-batch.size", "-1", "how many rows are gathered at most"),
    known("table.exec.sink.not-null-enforcer", "ERROR", "ERROR or DROP for NULL in NOT NULL"),
    known("table.exec.source.cdc-events-duplicate", "false", "clean repeated changes by key"),
    known("table.exec.source.idle-timeout", "0 ms", "silence after which a source is idle"),
    known("table.exec.state.ttl", "0 ms", "how long unused state is kept; 0: for ever"),
    known("table.local-time-zone", "UTC", "zone of TIMESTAMP_LTZ"),
];

/// Prefixes of Flink's keys that are taken without effect here.
const WITHOUT_EFFECT: &[&str] = &[
    "cluster.",
    "execution.",
    "jobmanager.",
    "pipeline.",
    "python.",
    "rest.",
    "restart-strategy",
    "security.",
    "sql-client.",
    "state.",
    "table.",
    "taskmanager.",
    "web.",
];

/// The options of a session.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// Sets an option; answers a remark when it has no effect.
    ///
    /// # Errors
    /// `Config`: an unknown key, or a value that the key does not take.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<String>> {
        let mut tried = self.clone();
        tried.values.insert(key.to_owned(), value.to_owned());
        let known = KNOWN.iter().any(|k| k.key == key) || options::is_known(key);
        let hint = || nearest::hint(key, KNOWN.iter().map(|k| k.key).chain(options::names()));
        if !known && !WITHOUT_EFFECT.iter().any(|p| key.starts_with(p)) {
            let error = Error::config(format!("option '{key}' is not known"));
            let lists =
                || "docs/sql/settings.md and docs/checkpoints.md list the options".to_owned();
            return Err(error.advice(hint().unwrap_or_else(lists)));
        }
        if options::is_known(key) {
            // Each by itself: what must fit together is known when a job starts.
            let mut alone = Settings::default();
            alone.values.insert(key.to_owned(), value.to_owned());
            if key.starts_with("state.backend.rocksdb.") {
                alone.values.insert("state.backend.type".to_owned(), "rocksdb".to_owned());
            }
            alone.apply(&mut RuntimeConfig::local("check", 1))?;
        }
        match key {
            "parallelism.default" => drop(tried.parallelism()?),
            "pipeline.max-parallelism" => drop(tried.number(key)?),
            "table.exec.async-lookup.buffer-capacity" => drop(tried.lookup_capacity()?),
            "table.exec.async-lookup.output-mode"
                if !["ORDERED", "ALLOW_UNORDERED"]
                    .iter()
                    .any(|v| v.eq_ignore_ascii_case(value)) =>
            {
                return Err(Error::config(format!("'{key}' cannot be '{value}'"))
                    .advice("use ORDERED or ALLOW_UNORDERED"));
            }
            "table.local-time-zone" => drop(tried.zone()?),
            "execution.runtime-mode" if !value.eq_ignore_ascii_case("streaming") => {
                return Err(Error::config(format!(
                    "execution.runtime-mode '{value}' is not supported"
                ))
                .advice("use streaming; bounded input ends by itself"));
            }
            "pipeline.auto-watermark-interval"
            | "table.exec.async-lookup.timeout"
            | "table.exec.mini-batch.allow-latency"
            | "table.exec.source.idle-timeout"
            | "table.exec.state.ttl" => drop(tried.duration_ms(key)?),
            "table.exec.source.cdc-events-duplicate" | "table.exec.mini-batch.enabled" => {
                let _is_flag = tried.flag(key)?;
            }
            "table.exec.mini-batch.size" if value.trim().parse::<i64>().is_err() => {
                return Err(Error::config(format!("'{key}' cannot be '{value}'"))
                    .advice("use a whole number above 0"));
            }
            "table.exec.sink.not-null-enforcer"
                if !["ERROR", "DROP"].iter().any(|v| v.eq_ignore_ascii_case(value)) =>
            {
                return Err(Error::config(format!("'{key}' cannot be '{value}'"))
                    .advice("use ERROR or DROP"));
            }
            _ => {}
        }
        *self = tried;
        Ok((!known).then(|| match hint() {
            Some(hint) => format!("option '{key}' has no effect here; {hint}"),
            None => format!("option '{key}' has no effect here"),
        }))
    }
    /// Applies what every job takes: checkpoints, restarts, where state lives and comes from.
    ///
    /// # Errors
    /// `Config`, when values do not fit together.
    pub fn apply(&self, config: &mut RuntimeConfig) -> Result<()> {
        let all: Vec<(&str, &str)> = self.all().filter(|(key, _)| options::is_known(key)).collect();
        config.apply(&all, None)
    }
    /// Takes an option back to its default, or all.
    pub fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.values.remove(key)),
            None => self.values.clear(),
        }
    }
    /// The value of an option: what was set, or the default.
    pub fn get(&self, key: &str) -> &str {
        let default = || KNOWN.iter().find(|k| k.key == key).map_or("", |k| k.default);
        self.values.get(key).map_or_else(default, String::as_str)
    }
    /// Everything that was set, by key.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    fn number(&self, key: &str) -> Result<usize> {
        let text = self.get(key);
        text.trim().parse().ok().filter(|n| (1..=32768).contains(n)).ok_or_else(|| {
            Error::config(format!("'{key}' cannot be '{text}'"))
                .advice("use a number from 1 to 32768")
        })
    }
    fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key).to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => {
                Err(Error::config(format!("'{key}' cannot be '{other}'"))
                    .advice("use true or false"))
            }
        }
    }
    /// A duration in milliseconds.
    ///
    /// # Errors
    /// `Config`, when the value is none.
    pub fn duration_ms(&self, key: &str) -> Result<i64> {
        parse_duration_ms(self.get(key)).map_err(|e| e.at(format!("option '{key}'")))
    }
    /// How rows are gathered in front of GROUP BY; `None`: they are not.
    ///
    /// # Errors
    /// `Config`: it is on, but not how much or how long.
    pub fn mini_batch(&self) -> Result<Option<MiniBatchSpec>> {
        if !self.flag("table.exec.mini-batch.enabled")? {
            return Ok(None);
        }
        let latency_ms = self.duration_ms("table.exec.mini-batch.allow-latency")?;
        let size = self.get("table.exec.mini-batch.size").trim().parse::<i64>().unwrap_or(-1);
        let missing = match (size > 0, latency_ms > 0) {
            (true, true) => return Ok(Some(MiniBatchSpec { size: size as usize, latency_ms })),
            (false, _) => "table.exec.mini-batch.size",
            (true, false) => "table.exec.mini-batch.allow-latency",
        };
        Err(Error::config(format!("mini-batch is enabled, but '{missing}' is not above 0"))
            .advice(format!("SET '{missing}'")))
    }
    /// `table.exec.async-lookup.buffer-capacity`.
    ///
    /// # Errors
    /// `Config`, when it is no such number.
    pub fn lookup_capacity(&self) -> Result<usize> {
        self.number("table.exec.async-lookup.buffer-capacity")
    }
    /// `parallelism.default`, when it was set.
    ///
    /// # Errors
    /// `Config`, when it is no such number.
    pub fn parallelism(&self) -> Result<Option<usize>> {
        match self.get("parallelism.default") {
            "" | "-1" => Ok(None),
            _ => self.number("parallelism.default").map(Some),
        }
    }
    /// Number of key groups.
    ///
    /// # Errors
    /// `Config`, when it is no such number.
    pub fn max_parallelism(&self) -> Result<usize> {
        self.number("pipeline.max-parallelism")
    }
    /// The session's time zone.
    ///
    /// # Errors
    /// `Config`, when there is no such zone.
    pub fn zone(&self) -> Result<Zone> {
        match self.get("table.local-time-zone") {
            "default" => Ok(Zone::UTC),
            name => Zone::parse(name),
        }
    }
    /// Whether repeated changes of a source with a key are cleaned.
    ///
    /// # Errors
    /// `Config`, when it is neither true nor false.
    pub fn cdc_events_duplicate(&self) -> Result<bool> {
        self.flag("table.exec.source.cdc-events-duplicate")
    }
    /// How long unused state is kept; `None`: for ever.
    ///
    /// # Errors
    /// `Config`, when it is no duration.
    pub fn state_ttl_ms(&self) -> Result<Option<i64>> {
        Ok(Some(self.duration_ms("table.exec.state.ttl")?).filter(|ms| *ms > 0))
    }
    /// Whether a NULL for a NOT NULL column drops the row and does not fail the job.
    pub fn drops_null(&self) -> bool {
        self.get("table.exec.sink.not-null-enforcer").eq_ignore_ascii_case("DROP")
    }
}

/// `10 s`, `200ms`, `1 d`: milliseconds, as Flink writes durations; a bare number is
/// milliseconds.
///
/// # Errors
/// `Config`, when it is none.
///
/// ```
/// use millstream_sql::settings::parse_duration_ms;
/// assert_eq!(parse_duration_ms("2 min")?, 120_000);
/// assert_eq!(parse_duration_ms("0 ms")?, 0);
/// # Ok::<(), millstream_core::Error>(())
/// ```
pub fn parse_duration_ms(text: &str) -> Result<i64> {
    options::parse_duration_ms(text).ok_or_else(|| {
        Error::config(format!("'{text}' is not a duration"))
            .advice("for example '10 s' or '200 ms'")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_checked_when_they_are_set() {
        let mut settings = Settings::default();
        assert!(settings.set("parallelism.default", "two").is_err());
        assert!(settings.set("table.local-time-zone", "Europe/Nowhere").is_err());
        let error = settings.set("parallelism.defualt", "2").unwrap_err().to_string();
        assert!(error.contains("parallelism.default"), "{error}");
        assert_eq!(settings.set("parallelism.default", "2").unwrap(), None);
        assert_eq!(settings.parallelism().unwrap(), Some(2));
        assert!(settings.set("table.optimizer.x", "1").unwrap().is_some());
        settings.reset(None);
        assert_eq!(settings.parallelism().unwrap(), None);
    }
}
