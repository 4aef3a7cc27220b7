//! The independent verifier: compares what came out with what is in the input topic.
//!
//! It knows nothing of the job's inside. It reads Kafka as a read_committed consumer and
//! PostgreSQL by plain SQL.

use crate::feed::{KEYS, PARTITIONS, committed_reader};
use crate::job::{Counted, Event, checksum};
use millstream::prelude::{Error, Result};
use postgres::{Client, NoTls};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What is wrong with an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) rows: i64,
    pub(crate) lost: i64,
    pub(crate) doubled: i64,
    pub(crate) out_of_order: i64,
    /// Rows whose state is not that after this event, once.
    pub(crate) wrong: i64,
}

impl Verdict {
    pub(crate) fn is_right(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.wrong == 0
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Verdict { rows, lost, doubled, out_of_order, wrong } = self;
        write!(
            f,
            "{rows} rows, lost {lost}, doubled {doubled}, out of order {out_of_order}, wrong state {wrong}"
        )
    }
}

/// The sums after each event of a key: `sums[key][n]` after `n` events.
pub(crate) struct Truth {
    sums: Vec<Vec<i64>>,
}

impl Truth {
    /// From the number of events of each key.
    fn new(events: &[i64]) -> Self {
        let sums = events.iter().enumerate().map(|(key, events)| {
            let mut sums = vec![0i64];
            for seq in 0..*events {
                let last = sums.last().copied().unwrap_or(0);
                sums.push(last.wrapping_add(checksum(key as i64, seq)));
            }
            sums
        });
        Truth { sums: sums.collect() }
    }

    /// Reads the input topic to its end, and makes sure that it is as it was meant to be.
    pub(crate) fn read(servers: &str, topic: &str) -> Result<Self> {
        let mut next = vec![0i64; KEYS];
        let mut broken = 0;
        read_all(servers, topic, |event: Event| {
            match next.get_mut(event.key as usize) {
                Some(next) if event.seq == *next => *next += 1,
                _ => broken += 1,
            }
            broken += i64::from(event.checksum != checksum(event.key, event.seq));
        })?;
        match broken {
            0 => Ok(Truth::new(&next)),
            n => Err(Error::bug(format!("the feed itself is wrong: {n} events of {topic}"))),
        }
    }

    pub(crate) fn events(&self) -> i64 {
        self.sums.iter().map(|sums| sums.len() as i64 - 1).sum()
    }

    fn is_state(&self, key: i64, count: i64, sum: i64) -> bool {
        let sums = self.sums.get(key as usize);
        sums.and_then(|sums| sums.get(count as usize)) == Some(&sum)
    }

    /// The topic that the job has written.
    pub(crate) fn of_topic(&self, servers: &str, topic: &str) -> Result<Verdict> {
        let mut tally = Tally::new(self);
        read_all(servers, topic, |row: Counted| tally.row(&row, true))?;
        Ok(tally.verdict())
    }

    /// The table that the job has appended to; rows of a table have no order.
    pub(crate) fn of_log(&self, url: &str, table: &str) -> Result<Verdict> {
        let mut tally = Tally::new(self);
        let sql = format!("SELECT key, seq, count, sum FROM {table}");
        for row in connect(url)?.query(&sql, &[]).map_err(failed)? {
            let (key, seq, count, sum) = (row.get(0), row.get(1), row.get(2), row.get(3));
            tally.row(&Counted { key, seq, count, sum, made_ms: 0 }, false);
        }
        Ok(tally.verdict())
    }

    /// The table of every key's last state. `complete`: it must have seen all events.
    pub(crate) fn of_state(&self, url: &str, table: &str, complete: bool) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let mut counted = 0;
        let sql = format!("SELECT key, count, sum FROM {table}");
        for row in connect(url)?.query(&sql, &[]).map_err(failed)? {
            let (key, count, sum): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            verdict.rows += 1;
            counted += count;
            verdict.wrong += i64::from(!self.is_state(key, count, sum));
        }
        if complete {
            verdict.lost = (self.events() - counted).max(0);
            verdict.doubled = (counted - self.events()).max(0);
        }
        Ok(verdict)
    }
}

/// Counts the rows of one output.
struct Tally<'a> {
    truth: &'a Truth,
    seen: Vec<BTreeSet<i64>>,
    verdict: Verdict,
}

impl<'a> Tally<'a> {
    fn new(truth: &'a Truth) -> Self {
        let seen = vec![BTreeSet::new(); truth.sums.len()];
        Tally { truth, seen, verdict: Verdict::default() }
    }

    fn row(&mut self, row: &Counted, ordered: bool) {
        self.verdict.rows += 1;
        let right = row.count == row.seq + 1;
        if !right || !self.truth.is_state(row.key, row.count, row.sum) {
            self.verdict.wrong += 1;
        }
        let Some(seen) = self.seen.get_mut(row.key as usize) else { return };
        let after = seen.last().is_some_and(|last| *last > row.seq);
        match seen.insert(row.seq) {
            false => self.verdict.doubled += 1,
            true => self.verdict.out_of_order += i64::from(ordered && after),
        }
    }

    fn verdict(mut self) -> Verdict {
        let distinct: usize = self.seen.iter().map(BTreeSet::len).sum();
        self.verdict.lost = self.truth.events() - distinct as i64;
        self.verdict
    }
}

/// Every committed record of a topic, partition by partition in order, up to its end.
fn read_all<T: DeserializeOwned>(
    servers: &str,
    topic: &str,
    mut each: impl FnMut(T),
) -> Result<()> {
    let consumer = committed_reader(servers, topic)?;
    let mut at_end = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(300);
    while at_end.len() < PARTITIONS as usize {
        if Instant::now() > deadline {
            return Err(Error::retry(format!("topic {topic} could not be read to its end")));
        }
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let row = message.payload().and_then(|p| serde_json::from_slice(p).ok());
                each(row.ok_or_else(|| Error::data(format!("a record of {topic} is not ours")))?);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                at_end.insert(partition);
            }
            Some(Err(_)) | None => {}
        }
    }
    drop(consumer.assignment());
    Ok(())
}

pub(crate) fn connect(url: &str) -> Result<Client> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match Client::connect(url, NoTls) {
            Ok(client) => return Ok(client),
            Err(e) if Instant::now() > deadline => return Err(failed(e)),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

pub(crate) fn failed(e: postgres::Error) -> Error {
    Error::retry(format!("PostgreSQL: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(rows: &[(i64, i64)]) -> Verdict {
        let truth = Truth::new(&[3, 2]);
        let mut tally = Tally::new(&truth);
        for (key, seq) in rows {
            let sum = truth.sums[*key as usize][*seq as usize + 1];
            tally.row(&Counted { key: *key, seq: *seq, count: seq + 1, sum, made_ms: 0 }, true);
        }
        tally.verdict()
    }

    #[test]
    fn every_kind_of_damage_is_seen() {
        let all = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)];
        assert!(verdict_of(&all).is_right());
        assert_eq!(verdict_of(&all[1..]).lost, 1);
        assert_eq!(verdict_of(&[&all[..], &all[2..3]].concat()).doubled, 1);
        let turned = verdict_of(&[(0, 1), (0, 0), (0, 2), (1, 0), (1, 1)]);
        assert_eq!((turned.out_of_order, turned.lost, turned.doubled), (1, 0, 0));
        let truth = Truth::new(&[3]);
        let mut tally = Tally::new(&truth);
        tally.row(&Counted { key: 0, seq: 0, count: 2, sum: 0, made_ms: 0 }, true);
        assert_eq!(tally.verdict().wrong, 1);
    }
}
