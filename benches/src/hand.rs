//! What the engine is measured against: the same work by hand.
//!
//! Two threads and unbounded channels; no epochs, no credits, no errors: everything
//! that an engine is for is left out, so this is the ceiling.

use crate::bids::{Bid, bid};
use crossbeam_channel::{Receiver, Sender, unbounded};
use hashbrown::HashMap;
use millstream_core::key_group_of;
use millstream_runtime::state::TableHasher;
use std::collections::BTreeMap;

type Map<V> = HashMap<u64, V, TableHasher>;
const THREADS: u64 = 2;
const BATCH: usize = 1024;

/// What one thread does with batches of its keys, and with the progress of event time.
pub(crate) trait Work: Default + Send {
    fn rows(&mut self, batch: &[Bid]) -> usize;
    /// Event time of the slowest sender.
    fn time(&mut self, _time: i64) -> usize {
        0
    }
}

#[derive(Default)]
pub(crate) struct Count(Map<u64>, Vec<(u64, u64, i64)>);

impl Work for Count {
    fn rows(&mut self, batch: &[Bid]) -> usize {
        let mut out = Vec::with_capacity(batch.len());
        for bid in batch {
            let count = self.0.entry(bid.auction).or_insert(0);
            *count += 1;
            out.push((bid.auction, *count, bid.time));
        }
        self.1 = out;
        self.1.len()
    }
}

/// Bids per auction in the last 10 s, every 2 s, by panes of 2 s.
#[derive(Default)]
pub(crate) struct Hopping {
    panes: BTreeMap<i64, Map<u64>>,
    next_end: Option<i64>,
}

const SIZE: i64 = 10_000;
const SLIDE: i64 = 2_000;

impl Work for Hopping {
    fn rows(&mut self, batch: &[Bid]) -> usize {
        for run in batch.chunk_by(|a, b| a.time.div_euclid(SLIDE) == b.time.div_euclid(SLIDE)) {
            let pane = self.panes.entry(run[0].time.div_euclid(SLIDE)).or_default();
            run.iter().for_each(|bid| *pane.entry(bid.auction).or_insert(0) += 1);
        }
        0
    }
    fn time(&mut self, time: i64) -> usize {
        let mut rows = 0;
        while let Some(first) = self.panes.keys().next().copied() {
            let end = self.next_end.unwrap_or(first + 1).max(first + 1);
            if end * SLIDE > time {
                break;
            }
            let mut counts: Map<u64> = Map::default();
            for pane in self.panes.range(end - SIZE / SLIDE..end).map(|(_, pane)| pane) {
                pane.iter().for_each(|(auction, n)| *counts.entry(*auction).or_insert(0) += n);
            }
            let out: Vec<(i64, u64, u64)> =
                counts.into_iter().map(|(auction, n)| (end * SLIDE, auction, n)).collect();
            rows += std::hint::black_box(out).len();
            self.panes.remove(&(end - SIZE / SLIDE));
            self.next_end = Some(end + 1);
        }
        rows
    }
}

/// Highest bid of every 10 s.
#[derive(Default)]
pub(crate) struct Highest(BTreeMap<i64, (u64, u64)>);

impl Work for Highest {
    fn rows(&mut self, batch: &[Bid]) -> usize {
        for run in batch.chunk_by(|a, b| a.time.div_euclid(SIZE) == b.time.div_euclid(SIZE)) {
            let best = self.0.entry((run[0].time.div_euclid(SIZE) + 1) * SIZE).or_default();
            run.iter().for_each(|bid| *best = (*best).max((bid.price, bid.auction)));
        }
        0
    }
    fn time(&mut self, time: i64) -> usize {
        let later = self.0.split_off(&(time + 1));
        std::hint::black_box(std::mem::replace(&mut self.0, later)).len()
    }
}

enum Message {
    Rows(Vec<Bid>),
    Time(usize, i64),
}

/// Runs `W` on two threads; `exchange`: records go to the owner of their key.
pub(crate) fn mesh<W: Work>(events: u64, exchange: bool) -> usize {
    let channels: Vec<(Sender<Message>, Receiver<Message>)> =
        (0..THREADS).map(|_| unbounded()).collect();
    let senders: Vec<Sender<Message>> = channels.iter().map(|c| c.0.clone()).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = channels
            .into_iter()
            .enumerate()
            .map(|(me, (own, input))| {
                drop(own);
                let senders = senders.clone();
                scope.spawn(move || thread::<W>(me, events, exchange, senders, &input))
            })
            .collect();
        drop(senders);
        threads.into_iter().map(|t| t.join().unwrap_or(0)).sum()
    })
}

fn thread<W: Work>(
    me: usize,
    events: u64,
    exchange: bool,
    senders: Vec<Sender<Message>>,
    input: &Receiver<Message>,
) -> usize {
    let mut work = W::default();
    let mut buffers: Vec<Vec<Bid>> = senders.iter().map(|_| Vec::with_capacity(BATCH)).collect();
    let mut times = [i64::MIN; THREADS as usize];
    let (mut next, mut rows, mut said) = (me as u64, 0, i64::MIN);
    let mut take = |work: &mut W, message: Message| match message {
        Message::Rows(batch) => work.rows(&batch),
        Message::Time(from, time) => {
            times[from] = time;
            work.time(times.iter().copied().min().unwrap_or(i64::MIN))
        }
    };
    while next < events {
        for _ in 0..8 {
            for _ in 0..BATCH.min(((events.saturating_sub(next)).div_ceil(THREADS)) as usize) {
                let bid = bid(next);
                next += THREADS;
                let to = match exchange {
                    true => key_group_of(&bid.auction, 128) as usize * senders.len() / 128,
                    false => me,
                };
                buffers[to].push(bid);
                if buffers[to].len() == BATCH {
                    let full = std::mem::replace(&mut buffers[to], Vec::with_capacity(BATCH));
                    let _ = senders[to].send(Message::Rows(full));
                }
            }
        }
        let time = (next / crate::bids::EVENTS_PER_MS) as i64 - 1;
        if time >= said.saturating_add(1000) || next >= events {
            said = time;
            for (to, sender) in senders.iter().enumerate() {
                let _ = sender.send(Message::Rows(std::mem::take(&mut buffers[to])));
                let time = if next >= events { i64::MAX } else { time };
                let _ = sender.send(Message::Time(me, time));
            }
        }
        while let Ok(message) = input.try_recv() {
            rows += take(&mut work, message);
        }
    }
    drop(senders);
    for message in input {
        rows += take(&mut work, message);
    }
    rows
}
