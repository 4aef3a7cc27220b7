//! Acknowledgements: the reverse channel of an edge, from receivers to senders.
//!
//! A receiver acknowledges the rows that it has *processed*, a quarter of the window
//! at a time (for every batch, two workers would only wake each other), together
//! with the window it allows: about one second of its own work, so that a barrier
//! never waits long behind a slow operator (Flink calls it buffer debloating).
//!
//! Invariant: a sender that waits for credit always gets an acknowledgement: the
//! receiver counts against the window that it has *told* that sender.

use crate::exchange::{CREDIT_WINDOW_ROWS, Credits};
use std::rc::Rc;
use std::time::Duration;
use timely::Bincode;
use timely::communication::{Pull, Push};
use timely::worker::Worker;

/// Target subtask, rows processed, window allowed.
type Ack = Bincode<(u32, u64, u64)>;

/// Fewest rows that a slow receiver allows.
const MIN_WINDOW_ROWS: u64 = 2048;

/// The sender's end, on the sender's worker.
pub(super) struct AckReceiver {
    pull: Box<dyn Pull<Ack>>,
    credits: Rc<Credits>,
}

impl AckReceiver {
    pub(super) fn absorb(&mut self) {
        while let Some(Bincode { payload: (target, rows, window) }) = self.pull.recv() {
            self.credits.acknowledge(target as usize, rows, window);
        }
    }
}

/// The receiver's end, on every receiving worker.
pub(super) struct AckSender {
    me: u32,
    push: Vec<Box<dyn Push<Ack>>>,
    /// Per sender: rows not acknowledged, and the window it was told.
    pending: Vec<(u64, u64)>,
}

/// Both ends of the reverse channel of one edge on this worker. `sender` is the
/// address of the operator to activate when an acknowledgement comes in.
pub(super) fn ack_channel(
    worker: &Worker,
    sender: Rc<[usize]>,
) -> (impl FnOnce(Rc<Credits>) -> AckReceiver + use<>, AckSender) {
    let (push, pull) = worker.allocate::<Ack>(worker.new_identifier(), sender);
    let pending = vec![(0, CREDIT_WINDOW_ROWS as u64); push.len()];
    let receiver = move |credits| AckReceiver { pull, credits };
    (receiver, AckSender { me: worker.index() as u32, push, pending })
}

impl AckSender {
    pub(super) fn processed(&mut self, sender: u32, rows: u64, window: u64) {
        let Some((pending, told)) = self.pending.get_mut(sender as usize) else { return };
        *pending += rows;
        if *pending >= (*told / 4).max(1) {
            let payload = (self.me, std::mem::take(pending), window);
            *told = window;
            let push = &mut self.push[sender as usize];
            push.send(Bincode { payload });
            push.done();
        }
    }
}

/// How many rows a task works off in about one second.
#[derive(Debug)]
pub(super) struct Debloat {
    rows: u64,
    busy: Duration,
    window: u64,
}

impl Debloat {
    pub(super) fn new() -> Self {
        Debloat { rows: 0, busy: Duration::ZERO, window: CREDIT_WINDOW_ROWS as u64 }
    }
    pub(super) fn worked(&mut self, rows: u64, busy: Duration) {
        self.rows += rows;
        self.busy += busy;
        if self.busy >= Duration::from_millis(200) {
            let a_second = (self.rows as f64 / self.busy.as_secs_f64()) as u64;
            let limit = CREDIT_WINDOW_ROWS as u64;
            self.window = (self.window + a_second.min(limit)).div_ceil(2).max(MIN_WINDOW_ROWS);
            (self.rows, self.busy) = (0, Duration::ZERO);
        }
    }
    pub(super) fn window(&self) -> u64 {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_the_speed_of_the_receiver() {
        let mut debloat = Debloat::new();
        for _ in 0..20 {
            debloat.worked(1000, Duration::from_millis(200)); // 5,000 rows a second
        }
        assert!((5000..5100).contains(&debloat.window()), "{debloat:?}");
        for _ in 0..20 {
            debloat.worked(1, Duration::from_millis(200));
        }
        assert_eq!(debloat.window(), MIN_WINDOW_ROWS);
        for _ in 0..40 {
            debloat.worked(10_000_000, Duration::from_millis(200));
        }
        assert!(debloat.window() >= CREDIT_WINDOW_ROWS as u64 - 1, "{debloat:?}");
    }
}
