//! The records of all benchmarks: Nexmark-like bids, a pure function of their number.
//!
//! 1 person : 3 auctions : 46 bids; half of the bids go to the hot auction, as in the
//! Nexmark generator, so that keys are skewed.

use millstream_core::{Batch, Epoch, Result};
use millstream_runtime::{
    OperatorContext, OperatorSnapshot, Source, SourceOutput, SourcePoll, SourceReader,
};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// 32 bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bid {
    pub(crate) auction: u64,
    pub(crate) bidder: u64,
    pub(crate) price: u64,
    /// Event time in milliseconds; in latency runs the microsecond of its making.
    pub(crate) time: i64,
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pub(crate) const EVENTS_PER_MS: u64 = 100;

/// The `n`-th bid.
#[inline]
pub(crate) fn bid(n: u64) -> Bid {
    let epoch = n / 46;
    let (last_auction, last_person) = (epoch * 3 + 2, epoch);
    let r = mix(n);
    let auction = match r & 1 {
        0 => last_auction / 100 * 100,
        _ => last_auction.saturating_sub((r >> 8) % 100),
    };
    let bidder = match (r >> 1) & 3 {
        0 => last_person.saturating_sub((r >> 20) % 1000),
        _ => last_person / 100 * 100 + 1,
    };
    let price = 100 + (r >> 40) % 10_000_000;
    Bid { auction, bidder, price, time: (n / EVENTS_PER_MS) as i64 }
}

/// Bids below `events`, dealt to subtasks in turn.
#[derive(Clone)]
pub(crate) struct Bids {
    pub(crate) events: u64,
    /// Whether records get event times (the count has no use for them).
    pub(crate) event_time: bool,
    /// Events per second of all subtasks; 0: as fast as they go.
    pub(crate) rate: u64,
    /// Start of the latency clock: bids then carry the microsecond of their making.
    pub(crate) stamp: Option<Instant>,
}

struct BidReader {
    bids: Bids,
    next: u64,
    step: u64,
    sent: u64,
    split: Option<usize>,
    begin: Instant,
}

impl Source for Bids {
    type Out = Bid;
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn SourceReader<Bid>>> {
        Ok(Box::new(BidReader {
            bids: self.clone(),
            next: context.subtask.index as u64,
            step: context.subtask.parallelism as u64,
            sent: 0,
            split: None,
            begin: Instant::now(),
        }))
    }
}

impl SourceReader<Bid> for BidReader {
    fn poll(&mut self, out: &mut SourceOutput<'_, Bid>) -> Result<SourcePoll> {
        let split = *self.split.get_or_insert_with(|| out.add_split());
        let mut rows = self.bids.events.saturating_sub(self.next).div_ceil(self.step).min(1024);
        if rows == 0 {
            out.finish_split(split);
            return Ok(SourcePoll::End);
        }
        if self.bids.rate > 0 {
            let due = self.begin.elapsed().as_micros() as u64 * self.bids.rate / self.step;
            rows = rows.min((due / 1_000_000).saturating_sub(self.sent));
        }
        if rows == 0 {
            return Ok(SourcePoll::Wait(Some(out.now_ms() + 1)));
        }
        let mut values = Vec::with_capacity(rows as usize);
        let stamp = self.bids.stamp.map(|start| start.elapsed().as_micros() as i64);
        for _ in 0..rows {
            let mut bid = bid(self.next);
            bid.time = stamp.unwrap_or(bid.time);
            values.push(bid);
            self.next += self.step;
        }
        self.sent += rows;
        let times = match self.bids.event_time {
            true => values.iter().map(|b| b.time).collect(),
            false => vec![],
        };
        out.collect_batch(split, Batch::from_parts(values, times));
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}
