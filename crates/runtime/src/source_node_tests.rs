//! Tests of the head of a source chain: what leaves it, in which order.

use super::*;
use crate::alignment::member_name;
use crate::chain::Receiver;
use crate::snapshot::Restored;
use crate::watermark::WatermarkStrategy;
use millstream_core::ManualClock;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

#[derive(Debug, PartialEq, Clone, Copy)]
enum Seen {
    Record(i64),
    Watermark(i64),
    Idle(bool),
}
use Seen::{Idle, Record};

/// Keeps what arrives.
#[derive(Clone, Default)]
struct Recorder(Rc<RefCell<Vec<Seen>>>);
impl Recorder {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.borrow_mut())
    }
    fn output(&self) -> Output<Batch<i64>> {
        Output::new(vec![Box::new(self.clone())])
    }
}
impl Downstream for Recorder {
    fn open(&mut self) -> Result<()> {
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.0.borrow_mut().push(Seen::Watermark(watermark.0));
        Ok(())
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.0.borrow_mut().push(Idle(idle));
        Ok(())
    }
    fn barrier(&mut self, _: Epoch, _: &mut TaskSnapshot) -> Result<()> {
        Ok(())
    }
    fn checkpoint_complete(&mut self, _: Epoch) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
    fn ready(&self) -> bool {
        true
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
        Ok(())
    }
}
impl Receiver<Batch<i64>> for Recorder {
    fn receive(&mut self, batch: Batch<i64>) -> Result<()> {
        self.0.borrow_mut().extend(batch.values().iter().map(|v| Record(*v)));
        Ok(())
    }
}

fn context(interval_ms: i64) -> OperatorContext {
    let context = OperatorContext::for_tests("source");
    OperatorContext { auto_watermark_interval_ms: interval_ms, ..context }
}
fn monotonous() -> WatermarkStrategy<i64> {
    WatermarkStrategy::for_monotonous_timestamps()
}
fn batch(times: &[i64]) -> Batch<i64> {
    Batch::from_parts(times.to_vec(), times.to_vec())
}

#[test]
fn a_record_leaves_before_the_watermark_that_it_causes() {
    let (seen, mut tracker) =
        (Recorder::default(), WatermarkTracker::new(monotonous(), &context(0)));
    let mut out = seen.output();
    let [a, b] = [0, 0].map(|now_ms| tracker.add_split(now_ms, &mut out));
    tracker.emit(a, batch(&[10, 20]), 0, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(10), Record(20)], "the other split holds time up");
    tracker.emit(b, batch(&[5, 3, 30]), 0, &mut out).unwrap();
    let want = [Record(5), Seen::Watermark(4), Record(3), Record(30), Seen::Watermark(19)];
    assert_eq!(seen.take(), want);
}

#[test]
fn periodic_watermarks_come_at_their_interval_and_only_with_news() {
    let (seen, mut tracker) =
        (Recorder::default(), WatermarkTracker::new(monotonous(), &context(200)));
    let mut out = seen.output();
    let split = tracker.add_split(1000, &mut out);
    tracker.tick(1000, &mut out);
    tracker.emit(split, batch(&[10, 20]), 1000, &mut out).unwrap();
    tracker.tick(1199, &mut out);
    assert_eq!(seen.take(), [Record(10), Record(20)]);
    assert_eq!(tracker.next_tick(), Some(1200));
    tracker.tick(1200, &mut out);
    assert_eq!(seen.take(), [Seen::Watermark(19)]);
    assert_eq!(tracker.next_tick(), None, "nothing to say until the next record");
}

#[test]
fn an_idle_split_holds_nothing_up_until_its_next_record() {
    let strategy = monotonous().with_idleness(Duration::from_millis(50));
    let (seen, mut tracker) = (Recorder::default(), WatermarkTracker::new(strategy, &context(0)));
    let mut out = seen.output();
    let [a, b] = [0, 0].map(|now_ms| tracker.add_split(now_ms, &mut out));
    tracker.emit(b, batch(&[3]), 0, &mut out).unwrap();
    tracker.emit(a, batch(&[10]), 40, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(3), Record(10), Seen::Watermark(2)]);
    assert_eq!(tracker.next_tick(), Some(50));
    tracker.tick(50, &mut out);
    assert_eq!(seen.take(), [Seen::Watermark(9)], "only the first is active");
    tracker.tick(90, &mut out);
    assert_eq!(seen.take(), [Idle(true)]);
    tracker.emit(b, batch(&[12]), 95, &mut out).unwrap();
    assert_eq!(seen.take(), [Idle(false), Record(12), Seen::Watermark(11)]);
}

/// Says the time of day whenever it is asked.
struct Talkative(i64);
impl WatermarkGenerator<i64> for Talkative {
    fn on_event(&mut self, _: &i64, _: EventTime, _: &mut WatermarkOutput) {}
    fn on_periodic(&mut self, out: &mut WatermarkOutput) {
        self.0 += 1;
        out.emit(Watermark(self.0));
    }
}

#[test]
fn a_generator_of_an_idle_split_is_not_asked() {
    let strategy =
        WatermarkStrategy::for_generator(|| Talkative(0)).with_idleness(Duration::from_millis(50));
    let (seen, mut tracker) = (Recorder::default(), WatermarkTracker::new(strategy, &context(10)));
    let mut out = seen.output();
    tracker.add_split(0, &mut out);
    tracker.tick(50, &mut out);
    assert_eq!(seen.take().last(), Some(&Idle(true)));
    for now_ms in [60, 70, 80] {
        tracker.tick(now_ms, &mut out);
    }
    assert_eq!(seen.take(), [], "it would become active, and idle again, for ever");
    assert_eq!(tracker.next_tick(), None);
}

#[test]
fn a_finished_split_holds_nothing_up_and_does_not_end_time_for_idle_ones() {
    let strategy = monotonous().with_idleness(Duration::from_millis(50));
    let (seen, mut tracker) = (Recorder::default(), WatermarkTracker::new(strategy, &context(0)));
    let mut out = seen.output();
    let [a, b, c] = [0, 0, 0].map(|now_ms| tracker.add_split(now_ms, &mut out));
    tracker.emit(a, batch(&[5]), 0, &mut out).unwrap();
    tracker.emit(b, batch(&[9]), 0, &mut out).unwrap();
    tracker.emit(c, batch(&[7]), 0, &mut out).unwrap();
    seen.take();
    tracker.finish_split(a, &mut out);
    assert_eq!(seen.take(), [Seen::Watermark(6)]);
    tracker.emit(b, batch(&[20]), 50, &mut out).unwrap();
    tracker.tick(50, &mut out);
    assert_eq!(seen.take(), [Record(20), Seen::Watermark(19)], "c is idle");
    tracker.finish_split(b, &mut out);
    assert_eq!(seen.take(), [Idle(true)], "c may still have records");
    tracker.emit(c, batch(&[30]), 60, &mut out).unwrap();
    assert_eq!(seen.take(), [Idle(false), Record(30), Seen::Watermark(29)]);
    tracker.finish_split(c, &mut out);
    assert_eq!(seen.take(), [], "the end of the input ends time, not the last split");
}

#[test]
fn a_split_that_is_found_after_all_others_have_finished_goes_on_with_event_time() {
    let (seen, mut tracker) =
        (Recorder::default(), WatermarkTracker::new(monotonous(), &context(0)));
    let mut out = seen.output();
    let [a, b] = [0, 0].map(|now_ms| tracker.add_split(now_ms, &mut out));
    tracker.emit(a, batch(&[50]), 0, &mut out).unwrap();
    tracker.emit(b, batch(&[100]), 0, &mut out).unwrap();
    tracker.finish_split(a, &mut out);
    tracker.finish_split(b, &mut out);
    let want = [Record(50), Record(100), Seen::Watermark(49), Seen::Watermark(99)];
    assert_eq!(seen.take(), want);
    let c = tracker.add_split(10, &mut out);
    tracker.emit(c, batch(&[80]), 10, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(80)], "late; event time does not go back");
    tracker.emit(c, batch(&[200]), 10, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(200), Seen::Watermark(199)], "no finished split holds it up");
    // Once more, beside one that goes on.
    let d = tracker.add_split(20, &mut out);
    tracker.finish_split(c, &mut out);
    tracker.emit(d, batch(&[300]), 20, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(300), Seen::Watermark(299)]);
}

#[test]
fn a_split_that_is_found_while_all_others_are_idle_makes_the_stream_active_and_holds_it_up() {
    let strategy = monotonous().with_idleness(Duration::from_millis(50));
    let (seen, mut tracker) = (Recorder::default(), WatermarkTracker::new(strategy, &context(0)));
    let mut out = seen.output();
    let a = tracker.add_split(0, &mut out);
    tracker.emit(a, batch(&[10]), 0, &mut out).unwrap();
    tracker.tick(50, &mut out);
    assert_eq!(seen.take(), [Record(10), Seen::Watermark(9), Idle(true)]);
    let b = tracker.add_split(60, &mut out);
    assert_eq!(seen.take(), [Idle(false)], "others must wait for its first records");
    tracker.emit(a, batch(&[40]), 70, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(40)], "the new one holds event time up");
    tracker.emit(b, batch(&[30]), 80, &mut out).unwrap();
    assert_eq!(seen.take(), [Record(30), Seen::Watermark(29)]);
    // One without a record becomes idle in its turn.
    let c = tracker.add_split(90, &mut out);
    tracker.finish_split(b, &mut out);
    assert_eq!(seen.take(), []);
    tracker.emit(a, batch(&[60]), 130, &mut out).unwrap();
    tracker.tick(140, &mut out);
    assert_eq!(seen.take(), [Record(60), Seen::Watermark(59)], "{c} is idle");
}

/// A reader that finds a second split when the first has been read to its end.
struct Discovering(Vec<SourcePoll>);
impl SourceReader<i64> for Discovering {
    fn poll(&mut self, out: &mut SourceOutput<'_, i64>) -> Result<SourcePoll> {
        let turn = self.0.pop();
        let split = out.add_split();
        out.collect_batch(split, batch(&[100 * (split as i64 + 1)]));
        out.finish_split(split);
        Ok(turn.unwrap_or(SourcePoll::End))
    }
    fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_may_find_splits_one_after_the_other() {
    let seen = Recorder::default();
    let reader = Box::new(Discovering(vec![SourcePoll::More, SourcePoll::Wait(None)]));
    let board = AlignmentBoard::default();
    let mut node = SourceNode::new(reader, monotonous(), seen.output(), context(0), board);
    node.open().unwrap();
    let polls = [SourcePoll::Wait(None), SourcePoll::More, SourcePoll::End];
    for (poll, n) in polls.into_iter().zip(1..) {
        assert_eq!(node.run(0).unwrap(), poll);
        assert_eq!(seen.take(), [Record(100 * n), Seen::Watermark(100 * n - 1)]);
    }
}

/// Emits one batch a poll.
struct Batches(Vec<Vec<i64>>);
impl SourceReader<i64> for Batches {
    fn poll(&mut self, out: &mut SourceOutput<'_, i64>) -> Result<SourcePoll> {
        if out.tracker.split_count() == 0 {
            out.add_split();
        }
        if self.0.is_empty() {
            return Ok(SourcePoll::End);
        }
        out.collect_batch(0, batch(&self.0.remove(0)));
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _: Epoch, _: &mut OperatorSnapshot) -> Result<()> {
        Ok(())
    }
}
fn node(
    batches: &[&[i64]],
    strategy: WatermarkStrategy<i64>,
    context: OperatorContext,
    board: &AlignmentBoard,
) -> (Recorder, SourceNode<i64>) {
    let seen = Recorder::default();
    let reader = Box::new(Batches(batches.iter().map(|b| b.to_vec()).collect()));
    let node = SourceNode::new(reader, strategy, seen.output(), context, board.clone());
    (seen, node)
}
/// State of former subtasks that had these watermarks.
fn restored(watermarks: &[i64]) -> Restored {
    let snapshot = |w: &i64| {
        let mut state = OperatorSnapshot::default();
        state.put_list(WATERMARK_STATE, w).unwrap();
        state.into_stored().unwrap()
    };
    Restored::from_stored(watermarks.iter().map(snapshot))
}

#[test]
fn after_a_restore_time_starts_where_the_slowest_subtask_had_it() {
    let context = OperatorContext { restored: restored(&[40, 25, 60]), ..context(0) };
    let board = AlignmentBoard::default();
    let (seen, mut node) = node(&[&[10, 20], &[30]], monotonous(), context, &board);
    node.open().unwrap();
    assert_eq!(seen.take(), [Seen::Watermark(25)]);
    node.run(0).unwrap();
    assert_eq!(seen.take(), [Record(10), Record(20)], "never back");
    node.run(0).unwrap();
    assert_eq!(seen.take(), [Record(30), Seen::Watermark(29)]);
    let mut snapshot = TaskSnapshot::default();
    node.barrier(Epoch(1), &mut snapshot).unwrap();
    let again = Restored::from_stored(snapshot.into_stored().unwrap().into_values());
    assert_eq!(again.list_union::<i64>(WATERMARK_STATE).unwrap(), [29]);
}

#[test]
fn watermarks_assigned_in_mid_stream_do_not_go_back_after_a_restore() {
    let mut operator = AssignWatermarks::new(monotonous());
    let restored = restored(&[25, 40]);
    let clock = Arc::new(ManualClock::new(0));
    operator.open(&OperatorContext { restored, clock, ..context(0) }).unwrap();
    let seen = Recorder::default();
    let mut out = seen.output();
    operator.on_batch(batch(&[10, 30]), &mut out).unwrap();
    let want = [Seen::Watermark(25), Record(10), Record(30), Seen::Watermark(29)];
    assert_eq!(seen.take(), want, "a late record is late again");
    let mut state = OperatorSnapshot::default();
    operator.snapshot(Epoch(1), &mut state).unwrap();
    let again = Restored::from_stored([state.into_stored().unwrap()]);
    assert_eq!(again.list_union::<i64>(WATERMARK_STATE).unwrap(), [29]);
}

#[test]
fn an_aligned_source_waits_with_a_deadline_until_the_group_has_caught_up() {
    let ms = Duration::from_millis;
    let strategy = monotonous().with_watermark_alignment("group", ms(10), ms(5));
    let board = AlignmentBoard::default();
    board.register("group", "other", 1);
    let (seen, mut node) = node(&[&[1, 100], &[200], &[300]], strategy, context(0), &board);
    node.open().unwrap();
    // Nobody knows where the other is: one poll, and no more.
    assert_eq!(node.run(1000).unwrap(), SourcePoll::More);
    assert_eq!(node.run(1001).unwrap(), SourcePoll::Wait(Some(1005)));
    assert_eq!(node.next_deadline(), Some(1005), "nothing else would wake it");
    assert_eq!(node.run(1005).unwrap(), SourcePoll::Wait(Some(1010)));
    board.publish("group", &member_name("other", 0), Watermark(95));
    assert_eq!(node.run(1007).unwrap(), SourcePoll::Wait(Some(1010)), "compared at the interval");
    assert_eq!(node.run(1010).unwrap(), SourcePoll::More);
    assert_eq!(node.run(1011).unwrap(), SourcePoll::Wait(Some(1015)), "200 is too far again");
    // A member that has ended holds nobody up.
    board.publish("group", &member_name("other", 0), Watermark::MAX);
    assert_eq!(node.run(1015).unwrap(), SourcePoll::More);
    assert_eq!(node.run(1016).unwrap(), SourcePoll::End, "alone it waits for nobody");
    assert_eq!(board.slowest_but("group", "another"), Watermark::MAX);
    let records = seen.take().into_iter().filter(|s| matches!(s, Record(_)));
    assert_eq!(records.collect::<Vec<_>>(), [1, 100, 200, 300].map(Record));
}

#[test]
fn a_source_that_could_not_be_asked_is_not_idle() {
    let strategy = monotonous().with_idleness(Duration::from_millis(20));
    let board = AlignmentBoard::default();
    let (seen, mut node) = node(&[&[1], &[2]], strategy, context(0), &board);
    node.open().unwrap();
    node.run(1000).unwrap();
    node.poll(2000).unwrap();
    node.run(2000).unwrap();
    node.poll(2001).unwrap();
    let want = [Record(1), Seen::Watermark(0), Record(2), Seen::Watermark(1)];
    assert_eq!(seen.take(), want, "the thread had no time, or the outputs no room");
}

#[test]
fn a_paused_split_does_not_become_idle() {
    let ms = Duration::from_millis;
    let strategy =
        monotonous().with_watermark_alignment("group", ms(10), ms(5)).with_idleness(ms(20));
    let board = AlignmentBoard::default();
    board.register("group", "other", 1);
    let (seen, mut node) = node(&[&[1, 100], &[200]], strategy, context(0), &board);
    node.open().unwrap();
    node.run(1000).unwrap();
    for now_ms in (1005..1100).step_by(5) {
        assert!(matches!(node.run(now_ms).unwrap(), SourcePoll::Wait(_)));
        node.poll(now_ms).unwrap();
    }
    assert!(!seen.take().contains(&Idle(true)));
}

#[test]
fn updates_of_other_processes_are_told_once() {
    let board = AlignmentBoard::default();
    board.register("g", "a", 2);
    board.publish("g", "a#0", Watermark(5));
    board.publish("g", "a#0", Watermark(5));
    assert_eq!(board.take_updates(), [("g".to_owned(), "a#0".to_owned(), 5)]);
    assert_eq!(board.take_updates(), []);
    assert_eq!(board.slowest_but("g", "b#0"), Watermark::MIN);
    board.apply(("g".into(), "a#1".into(), 3));
    assert_eq!(board.slowest_but("g", "b#0"), Watermark(3));
    assert_eq!(board.take_updates(), [], "what came from outside is not told again");
}
