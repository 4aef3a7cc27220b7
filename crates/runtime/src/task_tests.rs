//! Tests of a task without the engine: epochs, ends, stops and failures.

use super::*;
use crate::exchange::{Body, Envelope, Payload};
use crate::snapshot::OperatorSnapshot;
use millstream_core::Batch;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A chain that writes down what reaches it.
#[derive(Clone, Default)]
struct Chain {
    seen: Rc<RefCell<Vec<String>>>,
    full: Rc<Cell<bool>>,
    /// Refuses this value.
    refused: Option<u32>,
}
impl Chain {
    fn note(&self, what: String) -> Result<()> {
        self.seen.borrow_mut().push(what);
        Ok(())
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.borrow_mut())
    }
}
impl Downstream for Chain {
    fn open(&mut self) -> Result<()> {
        self.note("open".into())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.note(match watermark {
            Watermark::MAX => "watermark MAX".into(),
            Watermark(time) => format!("watermark {time}"),
        })
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.note(format!("idle {idle}"))
    }
    fn barrier(&mut self, epoch: Epoch, snapshot: &mut TaskSnapshot) -> Result<()> {
        snapshot.push("chain".into(), OperatorSnapshot::default());
        self.note(format!("barrier {}", epoch.0))
    }
    fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.note(format!("complete {}", epoch.0))
    }
    fn end(&mut self) -> Result<()> {
        self.note("end".into())
    }
    fn ready(&self) -> bool {
        !self.full.get()
    }
    fn poll(&mut self, _: i64) -> Result<()> {
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        None
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        self.note("close".into())
    }
}
impl Receiver<Batch<u32>> for Chain {
    fn receive(&mut self, batch: Batch<u32>) -> Result<()> {
        for value in batch.values() {
            if self.refused == Some(*value) {
                return Err(Error::user(format!("not {value}")));
            }
            self.note(value.to_string())?;
        }
        Ok(())
    }
}

/// A task with one edge from `senders` subtasks, opened.
fn task(chain: &Chain, senders: usize) -> Task {
    let head = TypedHead { receiver: Box::new(chain.clone()), ports: vec![|body| body.open()] };
    let edge =
        InputEdge { port: 0, members: (0..senders).map(Some).collect(), never_overtaken: false };
    let mut task =
        Task::new(Head::Operator(Box::new(head)), vec![edge], Channels::default(), None, Epoch(1));
    task.open().unwrap();
    assert_eq!(chain.take(), ["open"]);
    task
}
fn give(task: &mut Task, epoch: u64, from: u32, payload: Payload) {
    task.enqueue(0, Epoch(epoch), Envelope { to: 0, from, payload });
}
fn rows(values: &[u32]) -> Payload {
    let body = Body::Typed(Box::new(Batch::from(values.to_vec())));
    Payload::Data { rows: values.len() as u32, body }
}
/// All cuts that the inputs have made have been ordered.
fn orders(inputs_at: Option<u64>) -> Orders {
    Orders {
        inputs_at: inputs_at.map(Epoch),
        target: Epoch(inputs_at.unwrap_or(9)),
        kind: Some(SnapshotKind::Checkpoint),
        hold: false,
        drain: false,
        overtake: false,
    }
}
/// Steps until there is nothing to do; what ended on the way, and rows acknowledged.
fn run(task: &mut Task, inputs_at: Option<u64>) -> (Vec<String>, u64) {
    let (mut ended, mut rows_done) = (Vec::new(), 0);
    for _ in 0..100 {
        match task.step(orders(inputs_at), 0).unwrap() {
            Step::Processed { rows, .. } => rows_done += rows,
            Step::EpochEnded(epoch, snapshot) => {
                assert!(!snapshot.is_empty());
                ended.push(format!("epoch {}", epoch.0));
            }
            Step::Ended(epoch, snapshot) => {
                assert!(!snapshot.is_empty());
                ended.push(format!("all at {}", epoch.0));
            }
            Step::Waiting | Step::SourceWaiting => return (ended, rows_done),
        }
    }
    panic!("it never comes to rest");
}

#[test]
fn records_of_the_next_epoch_wait_until_the_state_of_this_one_was_captured() {
    let chain = Chain::default();
    let mut task = task(&chain, 2);
    // The first sender is an epoch ahead of the second.
    give(&mut task, 1, 0, rows(&[10]));
    give(&mut task, 2, 0, rows(&[20, 21]));
    give(&mut task, 3, 0, rows(&[30]));
    give(&mut task, 1, 1, rows(&[11]));
    assert_eq!(run(&mut task, Some(1)), (vec![], 2), "only processed rows are acknowledged");
    assert_eq!(chain.take(), ["10", "11"]);
    give(&mut task, 1, 1, rows(&[12]));
    assert_eq!(run(&mut task, Some(2)), (vec!["epoch 1".to_owned()], 3));
    assert_eq!(chain.take(), ["12", "barrier 1", "20", "21"]);
    assert_eq!(run(&mut task, Some(4)).0, ["epoch 2", "epoch 3"]);
    assert_eq!(chain.take(), ["barrier 2", "30", "barrier 3"]);
}

#[test]
fn a_chain_without_room_takes_nothing_and_cuts_nothing() {
    let chain = Chain::default();
    let mut task = task(&chain, 1);
    give(&mut task, 1, 0, rows(&[1]));
    chain.full.set(true);
    assert_eq!(run(&mut task, Some(2)), (vec![], 0));
    assert!(chain.take().is_empty() && !task.is_ready());
    chain.full.set(false);
    assert_eq!(run(&mut task, Some(2)), (vec!["epoch 1".to_owned()], 1));
    assert_eq!(chain.take(), ["1", "barrier 1"]);
}

#[test]
fn watermarks_are_the_minimum_of_the_senders_that_are_not_idle() {
    let chain = Chain::default();
    let mut task = task(&chain, 2);
    give(&mut task, 1, 0, Payload::Watermark(Watermark(5)));
    give(&mut task, 1, 1, Payload::Watermark(Watermark(3)));
    give(&mut task, 1, 1, Payload::Idle(true));
    give(&mut task, 1, 0, Payload::Idle(true));
    give(&mut task, 1, 1, Payload::Watermark(Watermark(8)));
    run(&mut task, Some(1));
    let want = ["watermark 3", "watermark 5", "idle true", "idle false", "watermark 8"];
    assert_eq!(chain.take(), want);
}

#[test]
fn it_ends_when_all_senders_have_ended_with_the_state_of_its_last_epoch() {
    let chain = Chain::default();
    let mut task = task(&chain, 2);
    give(&mut task, 1, 0, Payload::End);
    assert_eq!(run(&mut task, Some(2)).0, ["epoch 1"], "the other goes on");
    give(&mut task, 2, 1, rows(&[7]));
    give(&mut task, 2, 1, Payload::End);
    assert_eq!(run(&mut task, Some(2)).0, Vec::<String>::new(), "the inputs are still open");
    assert_eq!(run(&mut task, None).0, ["all at 2"]);
    let want = ["barrier 1", "7", "watermark MAX", "end", "barrier 2"];
    assert_eq!(chain.take(), want);
    assert_eq!(run(&mut task, None), (vec![], 0), "once");
}

#[test]
fn what_waits_for_later_epochs_comes_before_the_end() {
    let chain = Chain::default();
    let mut task = task(&chain, 1);
    give(&mut task, 1, 0, rows(&[1]));
    give(&mut task, 3, 0, rows(&[3]));
    give(&mut task, 3, 0, Payload::End);
    // All inputs have been closed already.
    assert_eq!(run(&mut task, None).0, ["epoch 1", "epoch 2", "all at 3"]);
    let want = ["1", "barrier 1", "barrier 2", "3", "watermark MAX", "end", "barrier 3"];
    assert_eq!(chain.take(), want);
}

#[test]
fn senders_that_stop_without_an_end_end_nothing() {
    let chain = Chain::default();
    let mut task = task(&chain, 2);
    give(&mut task, 1, 0, rows(&[1]));
    give(&mut task, 1, 0, Payload::End);
    assert_eq!(run(&mut task, None), (vec![], 1), "the second was stopped");
    assert_eq!(chain.take(), ["1"], "no final watermark, no end, no cut");
    task.close().unwrap();
    assert_eq!(chain.take(), ["close"]);
}

#[test]
fn a_failed_chain_says_why_and_a_closed_one_takes_everything_and_does_nothing() {
    let chain = Chain { refused: Some(2), ..Chain::default() };
    let mut task = task(&chain, 1);
    for values in [[1], [2], [3]] {
        give(&mut task, 1, 0, rows(&values));
    }
    assert!(matches!(task.step(orders(Some(1)), 0), Ok(Step::Processed { rows: 1, .. })));
    let error = task.step(orders(Some(1)), 0).unwrap_err();
    assert!(error.to_string().contains("not 2"), "{error}");
    task.close().unwrap();
    assert_eq!(chain.take(), ["1", "close"]);
    give(&mut task, 1, 0, rows(&[4]));
    give(&mut task, 2, 0, Payload::End);
    assert_eq!(run(&mut task, None), (vec![], 0));
    assert!(chain.take().is_empty());
}

#[test]
fn what_does_not_fit_the_plan_is_a_bug_and_not_a_panic() {
    let chain = Chain::default();
    let mut task = task(&chain, 1);
    give(&mut task, 1, 5, rows(&[1]));
    let error = task.step(orders(Some(1)), 0).unwrap_err().to_string();
    assert!(error.contains("a sender not connected"), "{error}");
    let other = Body::Typed(Box::new(Batch::from(vec!["text".to_owned()])));
    give(&mut task, 1, 0, Payload::Data { rows: 1, body: other });
    let error = task.step(orders(Some(1)), 0).unwrap_err().to_string();
    assert!(error.contains("another type"), "{error}");
}

/// As [`run`], with a checkpoint of the current epoch that may overtake.
fn overtaking(inputs_at: u64, target: u64) -> Orders {
    Orders { target: Epoch(target), overtake: true, ..orders(Some(inputs_at)) }
}

#[test]
fn a_checkpoint_that_overtakes_takes_what_waits_along() {
    let chain = Chain::default();
    let mut task = task(&chain, 2);
    give(&mut task, 1, 0, rows(&[1]));
    give(&mut task, 1, 0, Payload::Watermark(Watermark(5)));
    give(&mut task, 2, 0, rows(&[2]));
    chain.full.set(true);
    // Not before all of the epoch is here, nor before its order.
    assert!(matches!(task.step(overtaking(1, 2), 0).unwrap(), Step::Waiting));
    assert!(matches!(task.step(overtaking(2, 1), 0).unwrap(), Step::Waiting));
    give(&mut task, 1, 1, Payload::Watermark(Watermark(7)));
    let Step::EpochEnded(Epoch(1), snapshot) = task.step(overtaking(2, 2), 0).unwrap() else {
        panic!("it waits although it may overtake");
    };
    let stored = snapshot.into_stored().unwrap();
    assert!(stored[""].size_bytes() > 0, "nothing is stored beside the chain: {stored:?}");
    assert_eq!(chain.take(), ["barrier 1"]);
    // The epoch that follows is aligned again: all is processed, in the order of before.
    assert!(matches!(task.step(overtaking(2, 2), 0).unwrap(), Step::Waiting));
    chain.full.set(false);
    assert_eq!(run(&mut task, Some(3)), (vec!["epoch 2".to_owned()], 2));
    assert_eq!(chain.take(), ["1", "watermark 5", "2", "barrier 2"]);
}

#[test]
fn nothing_overtakes_on_an_edge_that_cannot_be_dealt_out_again() {
    let chain = Chain::default();
    let mut task = task(&chain, 1);
    task.edges.push(InputEdge { port: 0, members: vec![None], never_overtaken: true });
    task.edges[1].members = vec![Some(0)];
    give(&mut task, 1, 0, rows(&[1]));
    task.enqueue(1, Epoch(1), Envelope { to: 0, from: 0, payload: rows(&[9]) });
    give(&mut task, 1, 0, rows(&[2]));
    chain.full.set(true);
    assert!(matches!(task.step(overtaking(2, 2), 0).unwrap(), Step::Waiting));
    chain.full.set(false);
    assert!(matches!(task.step(overtaking(2, 2), 0).unwrap(), Step::Processed { edge: 1, .. }));
    assert!(matches!(task.step(overtaking(2, 2), 0).unwrap(), Step::EpochEnded(..)));
    assert_eq!(chain.take(), ["9", "barrier 1"]);
    run(&mut task, Some(2));
    assert_eq!(chain.take(), ["1", "2"]);
}
