//! The coordinator in text: events in, effects out.

#![allow(clippy::unwrap_used)]

use super::*;

fn id(subtask: u32) -> SubtaskId {
    SubtaskId { task: 0, subtask }
}

fn config() -> CheckpointConfig {
    CheckpointConfig {
        interval_ms: Some(100),
        timeout_ms: 50,
        min_pause_ms: 30,
        retained: 2,
        ..CheckpointConfig::default()
    }
}

struct Driven {
    coordinator: Coordinator<&'static str>,
    now_ms: i64,
}

fn show(effect: &Effect<&'static str>) -> String {
    match effect {
        Effect::Trigger { epoch, kind, hold, drain, .. } => {
            let kind = if *kind == SnapshotKind::Checkpoint { "" } else { " savepoint" };
            let hold = if *hold { " hold" } else { "" };
            let drain = if drain.is_some() { " drain" } else { "" };
            format!("trigger {epoch}{kind}{hold}{drain}")
        }
        Effect::Publish(p) => {
            let handles: Vec<&str> = p.subtasks.iter().map(|(_, h)| *h).collect();
            format!("publish {} [{}]", p.epoch, handles.join(" "))
        }
        Effect::Discard(epoch, handle) => format!("discard {epoch} {handle}"),
        Effect::Complete(epoch) => format!("complete {epoch}"),
        Effect::Retire(epoch) => format!("retire {epoch}"),
        Effect::Resume => "resume".into(),
        Effect::Answer(id, Ok(epoch)) => format!("answer {id} ok {epoch}"),
        Effect::Answer(id, Err(_)) => format!("answer {id} refused"),
        Effect::Finish => "finish".into(),
        Effect::Suspend => "suspend".into(),
        Effect::Fail(_) => "fail".into(),
    }
}

impl Driven {
    fn new(config: CheckpointConfig) -> Self {
        let coordinator = Coordinator::new(config, [id(0), id(1)], Epoch(1), [], 0);
        Driven { coordinator, now_ms: 0 }
    }
    fn at(&mut self, now_ms: i64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }
    fn step(&mut self, event: Event<&'static str>) -> String {
        let effects = self.coordinator.step(event, self.now_ms);
        effects.iter().map(show).collect::<Vec<_>>().join("; ")
    }
    fn cut_and_ack(&mut self, epoch: u64) -> String {
        self.step(Event::Cut(Epoch(epoch + 1)));
        self.step(Event::Ack(id(0), Epoch(epoch), "a"));
        self.step(Event::Ack(id(1), Epoch(epoch), "b"))
    }
}

fn savepoint(stop: Option<Stop>) -> Request {
    Request::Savepoint { kind: SnapshotKind::CanonicalSavepoint, directory: None, stop }
}

#[test]
fn a_checkpoint_is_published_with_all_subtasks_and_then_complete() {
    let mut c = Driven::new(config());
    assert_eq!(c.at(99).step(Event::Tick), "");
    assert_eq!(c.at(100).step(Event::Tick), "trigger 1");
    assert_eq!(c.step(Event::Ack(id(0), Epoch(1), "a")), "");
    assert_eq!(c.step(Event::Ack(id(0), Epoch(1), "again")), "", "a doubled answer");
    assert_eq!(c.step(Event::Cut(Epoch(2))), "");
    assert_eq!(c.step(Event::Ack(id(1), Epoch(1), "b")), "publish 1 [a b]");
    assert_eq!(c.at(500).step(Event::Tick), "", "being published: no timeout, no other");
    assert_eq!(c.step(Event::Published(Epoch(1))), "complete 1");
    assert_eq!(c.step(Event::Published(Epoch(1))), "");
    assert_eq!(c.step(Event::Ack(id(1), Epoch(1), "b")), "", "published files are not late");
    assert_eq!(c.at(529).step(Event::Tick), "", "minimum pause");
    assert_eq!(c.at(530).step(Event::Tick), "trigger 2");
}

#[test]
fn only_so_many_are_kept() {
    let mut c = Driven::new(config());
    for epoch in 1..5u64 {
        assert_eq!(c.at(1000 * epoch as i64).step(Event::Tick), format!("trigger {epoch}"));
        assert_eq!(c.cut_and_ack(epoch), format!("publish {epoch} [a b]"));
        let retired = if epoch > 2 { format!("; retire {}", epoch - 2) } else { String::new() };
        let published = c.step(Event::Published(Epoch(epoch)));
        assert_eq!(published, format!("complete {epoch}{retired}"));
    }
}

#[test]
fn a_slow_one_is_given_up_and_what_comes_late_is_discarded() {
    let mut c = Driven::new(CheckpointConfig { tolerable_failures: 1, ..config() });
    c.at(100).step(Event::Tick);
    c.step(Event::Ack(id(0), Epoch(1), "a"));
    assert_eq!(c.at(150).step(Event::Tick), "discard 1 a");
    assert_eq!(c.step(Event::Ack(id(1), Epoch(1), "b")), "discard 1 b");
    assert_eq!(c.at(900).step(Event::Tick), "", "the cut has not passed everywhere");
    assert_eq!(c.step(Event::Cut(Epoch(2))), "trigger 2");
    assert_eq!(c.step(Event::Declined(id(1), Epoch(1), "old".into())), "");
    assert_eq!(c.step(Event::Declined(id(1), Epoch(2), "disk full".into())), "fail");
    assert_eq!(c.step(Event::Requested(1, Request::Checkpoint)), "answer 1 refused");
}

#[test]
fn a_success_forgives_failures() {
    let mut c = Driven::new(CheckpointConfig { tolerable_failures: 1, ..config() });
    for epoch in [1, 3, 5] {
        c.at(1000 * epoch as i64).step(Event::Tick);
        c.step(Event::Cut(Epoch(epoch + 1)));
        assert_eq!(c.step(Event::Declined(id(0), Epoch(epoch), "slow".into())), "");
        c.at(1000 * epoch as i64 + 500).step(Event::Tick);
        c.cut_and_ack(epoch + 1);
        c.step(Event::Published(Epoch(epoch + 1)));
    }
}

#[test]
fn what_ended_counts_for_later_epochs_and_the_end_is_a_checkpoint() {
    let mut c = Driven::new(config());
    c.step(Event::Ended(id(0), Epoch(1), "end-a"));
    assert_eq!(c.at(100).step(Event::Tick), "trigger 1");
    assert_eq!(c.step(Event::Ack(id(1), Epoch(1), "b")), "publish 1 [end-a b]");
    assert_eq!(c.step(Event::Ended(id(1), Epoch(2), "end-b")), "", "one at a time");
    let all = "complete 1; publish 2 [end-a end-b]";
    assert_eq!(c.step(Event::Published(Epoch(1))), all);
    assert_eq!(c.step(Event::Published(Epoch(2))), "complete 2; finish");
}

#[test]
fn a_job_without_checkpoints_ends_with_one() {
    let mut c = Driven::new(CheckpointConfig::default());
    assert_eq!(c.at(1_000_000).step(Event::Tick), "");
    c.step(Event::Ended(id(0), Epoch(1), "a"));
    assert_eq!(c.step(Event::Ended(id(1), Epoch(1), "b")), "publish 1 [a b]");
    assert_eq!(c.step(Event::Published(Epoch(1))), "complete 1; finish");
}

#[test]
fn the_last_checkpoint_must_be_published() {
    let mut c = Driven::new(CheckpointConfig { tolerable_failures: 9, ..config() });
    c.step(Event::Ended(id(0), Epoch(1), "a"));
    c.step(Event::Ended(id(1), Epoch(1), "b"));
    assert_eq!(c.step(Event::NotPublished(Epoch(1), "read-only".into())), "fail");
}

#[test]
fn an_end_that_a_checkpoint_covers_needs_no_other() {
    let mut c = Driven::new(config());
    c.at(100).step(Event::Tick);
    c.step(Event::Ended(id(0), Epoch(1), "a"));
    assert_eq!(c.step(Event::Ended(id(1), Epoch(1), "b")), "publish 1 [a b]");
    assert_eq!(c.step(Event::Published(Epoch(1))), "complete 1; finish");
}

#[test]
fn a_savepoint_commits_nothing_and_is_not_retired() {
    let mut c = Driven::new(config());
    assert_eq!(c.step(Event::Requested(7, savepoint(None))), "trigger 1 savepoint");
    assert_eq!(c.cut_and_ack(1), "publish 1 [a b]");
    assert_eq!(c.step(Event::Published(Epoch(1))), "answer 7 ok 1");
    assert_eq!(c.coordinator.completed(), None);
}

#[test]
fn a_savepoint_that_fails_does_not_fail_the_job() {
    let mut c = Driven::new(config());
    c.step(Event::Requested(7, savepoint(Some(Stop::Suspend))));
    let declined = c.step(Event::Declined(id(0), Epoch(1), "full".into()));
    assert_eq!(declined, "answer 7 refused; resume");
}

#[test]
fn stop_with_savepoint_commits_and_ends() {
    let mut c = Driven::new(config());
    let asked = c.step(Event::Requested(7, savepoint(Some(Stop::Suspend))));
    assert_eq!(asked, "trigger 1 savepoint hold");
    assert_eq!(c.step(Event::Requested(8, Request::Checkpoint)), "");
    assert_eq!(c.cut_and_ack(1), "publish 1 [a b]");
    let published = c.step(Event::Published(Epoch(1)));
    assert_eq!(published, "complete 1; answer 7 ok 1; answer 8 refused; suspend");
}

#[test]
fn a_draining_savepoint_is_the_state_at_the_end() {
    let mut c = Driven::new(config());
    assert_eq!(c.step(Event::Requested(7, savepoint(Some(Stop::Drain)))), "trigger 1 drain");
    assert_eq!(c.cut_and_ack(1), "publish 1 [a b]");
    assert_eq!(c.step(Event::Published(Epoch(1))), "complete 1");
    assert_eq!(c.at(5000).step(Event::Tick), "", "nothing else begins");
    c.step(Event::Ended(id(0), Epoch(2), "end-a"));
    assert_eq!(c.step(Event::Ended(id(1), Epoch(2), "end-b")), "publish 2 [end-a end-b]");
    assert_eq!(c.step(Event::Published(Epoch(2))), "complete 2; answer 7 ok 2; finish");
}
