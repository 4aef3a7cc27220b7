//! When a partition is complete, and how that is told: a file `_SUCCESS` in its folder.
//!
//! ```text
//!   checkpoint complete ──> files visible ──> partitions that are due ──> _SUCCESS
//! ```
//! Due is a partition by processing time (it was first written to `delay` ago) or by event
//! time (the watermark at the checkpoint has passed its own time and `delay`). At the end of
//! bounded input all are. A partition that gets more rows is told again.
//!
//! Invariant: a partition is told after its files of the checkpoint are visible. One subtask
//! writes such a table, so that it knows of all of them.
//!
//! Source: Flink's page on the filesystem connector, "Partition Commit".

use super::listing::io_error;
use crate::connectors::{OptionKind, OptionSpec, Options};
use crate::parse;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use std::fs::File;
use std::path::Path;

pub(super) const TRIGGER: OptionSpec = OptionSpec::new(
    "sink.partition-commit.trigger",
    OptionKind::OneOf(&["process-time", "partition-time"]),
    "process-time",
    "what says that a partition is complete: the clock, or the watermark and the partition's time",
);
pub(super) const DELAY: OptionSpec = OptionSpec::new(
    "sink.partition-commit.delay",
    OptionKind::Duration,
    "0 s",
    "how long after that",
);
pub(super) const ZONE: OptionSpec = OptionSpec::new(
    "sink.partition-commit.watermark-time-zone",
    OptionKind::Text,
    "UTC",
    "the zone of the partitions' times; the session's when the rowtime is a TIMESTAMP_LTZ",
);
pub(super) const POLICY: OptionSpec = OptionSpec::new(
    "sink.partition-commit.policy.kind",
    OptionKind::OneOf(&["success-file"]),
    "",
    "how it is told that a partition is complete",
);
pub(super) const FILE_NAME: OptionSpec = OptionSpec::new(
    "sink.partition-commit.success-file.name",
    OptionKind::Text,
    "_SUCCESS",
    "the file's name",
);
pub(super) const EXTRACTOR: OptionSpec = OptionSpec::new(
    "partition.time-extractor.kind",
    OptionKind::OneOf(&["default"]),
    "default",
    "how the time of a partition is found: by the pattern",
);
pub(super) const PATTERN: OptionSpec = OptionSpec::new(
    "partition.time-extractor.timestamp-pattern",
    OptionKind::Text,
    "",
    "the time of a partition, from its columns: '$day $hour:00:00'; the first column without it",
);

/// How partitions of a table are told.
#[derive(Clone)]
pub(super) struct PartitionCommit {
    delay_ms: i64,
    file_name: String,
    /// By event time: how the time of a partition is spelled, and where its clocks are.
    event_time: Option<(String, Zone)>,
}

impl PartitionCommit {
    /// What the options say; `None` without a policy.
    pub(super) fn of(options: &Options, keys: &[&str]) -> Result<Option<Self>> {
        if options.text(POLICY.name).is_none() {
            return Ok(None);
        }
        let Some(first) = keys.first() else {
            return Err(Error::config(format!("'{}' without partitions", POLICY.name))
                .advice("add PARTITIONED BY (...), or leave the option out"));
        };
        let file_name = options.text(FILE_NAME.name).unwrap_or("_SUCCESS").to_owned();
        if !file_name.starts_with(['_', '.']) || file_name.contains('/') {
            return Err(Error::config(format!(
                "option '{}' cannot be '{file_name}'",
                FILE_NAME.name
            ))
            .advice("begin it with '_' or '.', so that it is not read as a file of the table"));
        }
        let by_event_time = options
            .text(TRIGGER.name)
            .is_some_and(|trigger| trigger.eq_ignore_ascii_case("partition-time"));
        let event_time = match by_event_time {
            false => None,
            true => {
                let pattern = options.text(PATTERN.name).map(str::to_owned);
                let zone = Zone::parse(options.text(ZONE.name).unwrap_or("UTC"))?;
                Some((pattern.unwrap_or_else(|| format!("${first}")), zone))
            }
        };
        let delay_ms = options.duration_ms(DELAY.name).unwrap_or(0);
        Ok(Some(PartitionCommit { delay_ms, file_name, event_time }))
    }

    /// Whether a partition is complete: with these values, first written to at this time.
    pub(super) fn is_due(
        &self,
        values: &[(String, String)],
        first_ms: i64,
        now_ms: i64,
        watermark_ms: i64,
    ) -> Result<bool> {
        let Some((pattern, zone)) = &self.event_time else {
            return Ok(first_ms.saturating_add(self.delay_ms) <= now_ms);
        };
        let mut text = pattern.clone();
        // Longer names first: $day_of is not $day and "_of".
        let mut values: Vec<&(String, String)> = values.iter().collect();
        values.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        for (key, value) in values {
            text = text.replace(&format!("${key}"), value);
        }
        let (seconds, nanos) = parse::timestamp(&text).map_err(|_| {
            Error::data(format!("the time '{text}' of a partition is none"))
                .advice(format!("set '{}' so that it makes one", PATTERN.name))
        })?;
        let local_ms = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
        Ok(zone.to_instant_ms(local_ms).saturating_add(self.delay_ms) < watermark_ms)
    }

    /// Tells that the partition of a folder is complete.
    pub(super) fn tell(&self, folder: &Path) -> Result<()> {
        let file = folder.join(&self.file_name);
        let made = File::create(&file).and_then(|file| file.sync_all());
        let made = made.and_then(|()| File::open(folder)).and_then(|folder| folder.sync_all());
        made.map_err(|e| io_error(&file, "written", &e))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn commit(pattern: &str, delay_ms: i64, zone: &str) -> PartitionCommit {
        let event_time = Some((pattern.to_owned(), Zone::parse(zone).unwrap()));
        PartitionCommit { delay_ms, file_name: "_SUCCESS".into(), event_time }
    }

    #[test]
    fn partitions_are_due_by_their_time() {
        let values =
            [("dt".to_owned(), "2024-01-01".to_owned()), ("h".to_owned(), "10".to_owned())];
        // 2024-01-01 10:00:00 UTC
        let at = 1_704_103_200_000;
        let hour = 3_600_000;
        let commit_utc = commit("$dt $h:00:00", hour, "UTC");
        assert!(!commit_utc.is_due(&values, 0, i64::MAX, at + hour).unwrap());
        assert!(commit_utc.is_due(&values, 0, 0, at + hour + 1).unwrap());
        let berlin = commit("$dt $h:00:00", 0, "Europe/Berlin");
        assert!(berlin.is_due(&values, 0, 0, at - hour + 1).unwrap());
        assert!(!berlin.is_due(&values, 0, 0, at - hour).unwrap());
        assert!(commit("$dt", 0, "UTC").is_due(&values, 0, 0, at).unwrap());
        let error = commit("$h o'clock", 0, "UTC").is_due(&values, 0, 0, at).unwrap_err();
        assert!(error.to_string().contains("'10 o'clock' of a partition"), "{error}");
        let clock = PartitionCommit { event_time: None, ..commit("", 5, "UTC") };
        assert!(!clock.is_due(&values, 10, 14, i64::MAX).unwrap());
        assert!(clock.is_due(&values, 10, 15, i64::MIN).unwrap());
    }
}
