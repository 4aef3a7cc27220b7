//! Where watermarks come from, and how they merge.
//!
//! Behind the source (one generator per split) or behind any operator (one per
//! subtask); and in front of every operator with several senders.
//!
//! ```text
//!   split 0: generator ─┐
//!   split 1: generator ─┼─ min over active splits ─> subtask's watermark ─┐
//!   split 2: (idle)     ┘                                                 ├─ merge ─> operator
//!                                               other subtasks ───────────┘
//! ```
//!
//! Invariants: a combined watermark is the minimum over the *active* members, and
//! never goes back; an idle member holds nothing up, and one that was idle holds it
//! up again as soon as it has a record; a finished member holds nothing up, and ends
//! event time only together with all others (an idle one may still have records).
//! Source: Flink, "Generating Watermarks".

use millstream_core::{EventTime, NO_TIMESTAMP, Watermark};
use std::sync::Arc;
use std::time::Duration;

/// Where a generator announces watermarks.
#[derive(Debug)]
pub struct WatermarkOutput {
    pub(crate) watermark: Watermark,
}

impl WatermarkOutput {
    /// Announces a watermark; one that does not advance is ignored.
    pub fn emit(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark);
    }
}

/// Makes watermarks from events, one generator per split.
///
/// ```
/// use millstream_runtime::watermark::{WatermarkGenerator, WatermarkOutput};
/// use millstream_core::Watermark;
/// /// A watermark follows each record that carries an end marker.
/// struct OnMarker;
/// impl WatermarkGenerator<(String, bool)> for OnMarker {
///     fn on_event(&mut self, e: &(String, bool), timestamp: i64, out: &mut WatermarkOutput) {
///         if e.1 { out.emit(Watermark(timestamp)); }
///     }
/// }
/// ```
pub trait WatermarkGenerator<T> {
    /// Sees a record; what is emitted here follows directly behind the record.
    fn on_event(&mut self, event: &T, timestamp: EventTime, out: &mut WatermarkOutput);
    /// Is asked every auto-watermark interval.
    fn on_periodic(&mut self, _out: &mut WatermarkOutput) {}
    /// Sees the event times of a whole batch at once, in place of `on_event`, and
    /// answers `true`: for generators that emit only periodically.
    fn on_timestamps(&mut self, _timestamps: &[EventTime]) -> bool {
        false
    }
}

/// Trails the largest event time by a fixed bound.
#[derive(Debug)]
struct BoundedOutOfOrderness {
    largest: EventTime,
    bound_ms: i64,
}

impl<T> WatermarkGenerator<T> for BoundedOutOfOrderness {
    fn on_event(&mut self, _event: &T, timestamp: EventTime, _out: &mut WatermarkOutput) {
        self.largest = self.largest.max(timestamp);
    }
    fn on_periodic(&mut self, out: &mut WatermarkOutput) {
        if self.largest != NO_TIMESTAMP {
            // One less: records of the same millisecond may still come.
            out.emit(Watermark(self.largest.saturating_sub(self.bound_ms).saturating_sub(1)));
        }
    }
    fn on_timestamps(&mut self, timestamps: &[EventTime]) -> bool {
        // Four at a time: one chain of comparisons is as slow as the whole batch is long.
        let (fours, rest) = timestamps.as_chunks::<4>();
        let mut largest = [self.largest; 4];
        for four in fours {
            largest.iter_mut().zip(four).for_each(|(l, t)| *l = (*l).max(*t));
        }
        self.largest =
            largest.into_iter().chain(rest.iter().copied()).fold(self.largest, EventTime::max);
        true
    }
}

struct NoWatermarks;
impl<T> WatermarkGenerator<T> for NoWatermarks {
    fn on_event(&mut self, _: &T, _: EventTime, _: &mut WatermarkOutput) {}
    fn on_timestamps(&mut self, _: &[EventTime]) -> bool {
        true
    }
}

/// What happens to a record whose assigned event time is `i64::MIN` or `i64::MAX`:
/// the first means "none", the second would end event time for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InvalidTimestamp {
    /// End the job with an error that shows the record.
    #[default]
    Fail,
    /// Drop the record and count it in `numInvalidTimestampsSkipped`.
    Skip,
}

/// Keeps sources of one group from running ahead of each other in event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// Sources with the same group wait for each other.
    pub group: String,
    /// How far a split may be ahead of the slowest member.
    pub max_drift_ms: i64,
    /// How often members compare.
    pub update_interval_ms: i64,
}

type Assign<T> = Arc<dyn Fn(&[T], &mut Vec<EventTime>) + Send + Sync>;
type Generate<T> = Arc<dyn Fn() -> Box<dyn WatermarkGenerator<T>> + Send + Sync>;

/// How records get event times, and the stream its watermarks.
///
/// ```
/// use millstream_runtime::watermark::WatermarkStrategy;
/// use std::time::Duration;
/// let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(5))
///     .with_timestamp_assigner(|click: &(String, i64), _from_source| click.1)
///     .with_idleness(Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct WatermarkStrategy<T> {
    pub(crate) generate: Generate<T>,
    pub(crate) assign: Option<Assign<T>>,
    pub(crate) idleness_ms: Option<i64>,
    alignment: Option<Alignment>,
    pub(crate) invalid: InvalidTimestamp,
}

/// Durations beyond what milliseconds in an `i64` can hold mean "for ever".
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl<T: 'static> WatermarkStrategy<T> {
    /// Your own generator; `generate` makes one for each split.
    pub fn for_generator<G: WatermarkGenerator<T> + 'static>(
        generate: impl Fn() -> G + Send + Sync + 'static,
    ) -> Self {
        WatermarkStrategy {
            generate: Arc::new(move || Box::new(generate())),
            assign: None,
            idleness_ms: None,
            alignment: None,
            invalid: InvalidTimestamp::Fail,
        }
    }
    /// Event times only grow within a split.
    pub fn for_monotonous_timestamps() -> Self {
        Self::for_bounded_out_of_orderness(Duration::ZERO)
    }
    /// Records of a split come at most `bound` after a record with a later event time.
    pub fn for_bounded_out_of_orderness(bound: Duration) -> Self {
        let bound_ms = millis(bound);
        Self::for_generator(move || BoundedOutOfOrderness { largest: NO_TIMESTAMP, bound_ms })
    }
    /// No watermarks: for jobs in processing time.
    pub fn no_watermarks() -> Self {
        Self::for_generator(|| NoWatermarks)
    }
    /// Takes the event time from the record; the second argument is the one that the
    /// source gave it ([`NO_TIMESTAMP`] when none).
    pub fn with_timestamp_assigner(
        mut self,
        assign: impl Fn(&T, EventTime) -> EventTime + Send + Sync + 'static,
    ) -> Self {
        self.assign = Some(Arc::new(move |values, timestamps| {
            timestamps.resize(values.len(), NO_TIMESTAMP);
            for (value, timestamp) in values.iter().zip(timestamps) {
                *timestamp = assign(value, *timestamp);
            }
        }));
        self
    }
    /// A split without records for `timeout` no longer holds event time up.
    pub fn with_idleness(mut self, timeout: Duration) -> Self {
        self.idleness_ms = Some(millis(timeout).max(1));
        self
    }
    /// A split that is more than `max_drift` of event time ahead of the slowest of
    /// `group` is not read until the others have caught up.
    pub fn with_watermark_alignment(
        mut self,
        group: impl Into<String>,
        max_drift: Duration,
        update_interval: Duration,
    ) -> Self {
        self.alignment = Some(Alignment {
            group: group.into(),
            max_drift_ms: millis(max_drift),
            update_interval_ms: millis(update_interval).max(1),
        });
        self
    }
    /// What to do with a record whose event time cannot be used.
    pub fn on_invalid_timestamp(mut self, policy: InvalidTimestamp) -> Self {
        self.invalid = policy;
        self
    }
    /// The alignment asked for.
    pub fn alignment(&self) -> Option<&Alignment> {
        self.alignment.as_ref()
    }
}

impl<T> std::fmt::Debug for WatermarkStrategy<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatermarkStrategy")
            .field("idleness_ms", &self.idleness_ms)
            .field("alignment", &self.alignment)
            .finish_non_exhaustive()
    }
}

/// The minimum over the active senders of an operator's inputs.
///
/// ```
/// use millstream_core::Watermark;
/// use millstream_runtime::watermark::{Merged, WatermarkMerge};
/// let mut merge = WatermarkMerge::new(2);
/// assert_eq!(merge.watermark(0, Watermark(5)), Merged::default());
/// assert_eq!(merge.watermark(1, Watermark(3)).watermark, Some(Watermark(3)));
/// assert_eq!(merge.idle(1, true).watermark, Some(Watermark(5)));
/// ```
#[derive(Clone, Debug)]
pub struct WatermarkMerge {
    members: Vec<Member>,
    combined: Watermark,
    all_idle: bool,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    /// The last one before the end.
    watermark: Watermark,
    idle: bool,
    finished: bool,
}

impl Member {
    const NEW: Member = Member { watermark: Watermark::MIN, idle: false, finished: false };
}

/// What changed by one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The combined watermark, when it advanced.
    pub watermark: Option<Watermark>,
    /// Whether all members are idle now, when that changed. Comes after the watermark.
    pub idle: Option<bool>,
}

impl WatermarkMerge {
    /// For `members` senders, all active and before their first watermark.
    pub fn new(members: usize) -> Self {
        WatermarkMerge {
            members: vec![Member::NEW; members],
            combined: Watermark::MIN,
            all_idle: members == 0,
        }
    }
    /// Adds an active member and gives its index.
    pub fn add_member(&mut self) -> usize {
        self.members.push(Member::NEW);
        self.members.len() - 1
    }
    /// `member` has announced a watermark, which also makes it active; the largest one
    /// means that it has finished.
    pub fn watermark(&mut self, member: usize, watermark: Watermark) -> Merged {
        let m = &mut self.members[member];
        m.finished |= watermark == Watermark::MAX;
        if !m.finished {
            m.watermark = m.watermark.max(watermark);
        }
        m.idle = false;
        self.combine()
    }
    /// `member` became idle, or active.
    pub fn idle(&mut self, member: usize, idle: bool) -> Merged {
        self.members[member].idle = idle;
        self.combine()
    }
    /// The combined watermark.
    pub fn current(&self) -> Watermark {
        self.combined
    }
    /// Every member: watermark, whether it is idle, whether it has finished.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Watermark, bool, bool)> {
        self.members.iter().map(|m| (m.watermark, m.idle, m.finished))
    }
    /// One whose members and whose outcome were stored.
    pub(crate) fn stored(
        members: impl IntoIterator<Item = (Watermark, bool, bool)>,
        combined: Watermark,
        all_idle: bool,
    ) -> Self {
        let member = |(watermark, idle, finished)| Member { watermark, idle, finished };
        WatermarkMerge { members: members.into_iter().map(member).collect(), combined, all_idle }
    }
    /// Goes on where another one was: the outcome never goes back.
    pub(crate) fn follow(&mut self, combined: Watermark, all_idle: bool) {
        self.combined = self.combined.max(combined);
        self.all_idle = all_idle;
    }
    /// Whether every member is idle.
    pub fn is_idle(&self) -> bool {
        self.all_idle
    }
    /// The watermark of one member; of a finished one, the last before the end.
    pub fn of_member(&self, member: usize) -> Watermark {
        self.members[member].watermark
    }
    /// Whether one member is idle.
    pub fn is_member_idle(&self, member: usize) -> bool {
        self.members[member].idle
    }
    fn combine(&mut self) -> Merged {
        let open = || self.members.iter().filter(|m| !m.finished);
        let active = open().filter(|m| !m.idle).map(|m| m.watermark).min();
        // When all are idle nobody holds anything up: the furthest counts, as in Flink's
        // valve; also that of one that has finished by then.
        let furthest = self.members.iter().map(|m| m.watermark).max();
        let all_finished = open().next().is_none() && !self.members.is_empty();
        let furthest = if all_finished { Some(Watermark::MAX) } else { furthest };
        let now = active.or(furthest).unwrap_or(Watermark::MIN);
        let advanced = now > self.combined;
        self.combined = self.combined.max(now);
        let all_idle = active.is_none() && !all_finished;
        let turned = all_idle != self.all_idle;
        self.all_idle = all_idle;
        Merged { watermark: advanced.then_some(now), idle: turned.then_some(all_idle) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Message {
        Watermark(usize, i64),
        Idle(usize, bool),
        End(usize),
    }

    fn messages() -> impl Strategy<Value = (usize, Vec<Message>)> {
        (1usize..5).prop_flat_map(|members| {
            let message = prop_oneof![
                4 => (0..members, -50i64..50).prop_map(|(m, w)| Message::Watermark(m, w)),
                3 => (0..members, any::<bool>()).prop_map(|(m, i)| Message::Idle(m, i)),
                1 => (0..members).prop_map(Message::End),
            ];
            (Just(members), prop::collection::vec(message, 0..60))
        })
    }

    proptest! {
        #[test]
        fn the_merge_is_the_minimum_over_active_members((members, messages) in messages()) {
            let mut merge = WatermarkMerge::new(members);
            // Watermark, idle, ended.
            let mut model = vec![(i64::MIN, false, false); members];
            let (mut combined, mut idle) = (i64::MIN, false);
            for message in messages {
                let merged = match message {
                    Message::Watermark(m, _) | Message::Idle(m, _) if model[m].2 => {
                        // Nothing follows an end; a message that does changes nothing.
                        let _ = m;
                        continue;
                    }
                    Message::Watermark(m, w) => {
                        model[m] = (model[m].0.max(w), false, false);
                        merge.watermark(m, Watermark(w))
                    }
                    Message::Idle(m, idle) => {
                        model[m].1 = idle;
                        merge.idle(m, idle)
                    }
                    Message::End(m) => {
                        model[m].2 = true;
                        merge.watermark(m, Watermark::MAX)
                    }
                };
                let open: Vec<_> = model.iter().filter(|m| !m.2).collect();
                let active: Vec<i64> = open.iter().filter(|m| !m.1).map(|m| m.0).collect();
                let now = match (open.is_empty(), active.iter().min()) {
                    (true, _) => i64::MAX,
                    (false, Some(slowest)) => *slowest,
                    (false, None) => model.iter().map(|m| m.0).fold(i64::MIN, i64::max),
                };
                let advanced = now > combined;
                combined = combined.max(now);
                prop_assert_eq!(merge.current(), Watermark(combined));
                prop_assert_eq!(merged.watermark, advanced.then_some(Watermark(combined)));
                let all_idle = active.is_empty() && !open.is_empty();
                prop_assert_eq!(merged.idle, (all_idle != idle).then_some(all_idle));
                prop_assert_eq!(merge.is_idle(), all_idle);
                idle = all_idle;
            }
        }

        #[test]
        fn a_bounded_generator_trails_the_latest_record(
            times in prop::collection::vec(prop_oneof![-100i64..100, any::<i64>()], 1..40),
            bound_ms in prop_oneof![0i64..50, Just(i64::MAX)],
        ) {
            let bound = Duration::from_millis(bound_ms as u64);
            let strategy = WatermarkStrategy::<i64>::for_bounded_out_of_orderness(bound);
            let (mut one, mut all) = ((strategy.generate)(), (strategy.generate)());
            let mut out = WatermarkOutput { watermark: Watermark::MIN };
            let (mut latest, mut before) = (i64::MIN, Watermark::MIN);
            for time in &times {
                one.on_event(time, *time, &mut out);
                one.on_periodic(&mut out);
                latest = latest.max(*time);
                prop_assert!(out.watermark >= before);
                before = out.watermark;
                let want = i128::from(latest) - i128::from(bound_ms) - 1;
                prop_assert_eq!(i128::from(out.watermark.0), want.max(i128::from(i64::MIN)));
            }
            // A batch at once says the same as its records one by one.
            let mut batch = WatermarkOutput { watermark: Watermark::MIN };
            prop_assert!(all.on_timestamps(&times));
            all.on_periodic(&mut batch);
            prop_assert_eq!(batch.watermark, out.watermark);
        }
    }

    #[test]
    fn the_end_of_one_beside_an_idle_one_is_not_the_end_of_time() {
        let mut merge = WatermarkMerge::new(2);
        merge.watermark(0, Watermark(5));
        merge.watermark(1, Watermark(3));
        merge.idle(1, true);
        let ended = merge.watermark(0, Watermark::MAX);
        assert_eq!(ended, Merged { watermark: None, idle: Some(true) });
        assert_eq!(merge.current(), Watermark(5));
        let back = merge.watermark(1, Watermark(7));
        assert_eq!(back, Merged { watermark: Some(Watermark(7)), idle: Some(false) });
        let end = merge.watermark(1, Watermark::MAX);
        assert_eq!(end, Merged { watermark: Some(Watermark::MAX), idle: None });
    }

    #[test]
    fn when_the_rest_becomes_idle_the_last_watermark_of_a_finished_member_counts() {
        let mut merge = WatermarkMerge::new(2);
        merge.watermark(0, Watermark(9));
        merge.watermark(1, Watermark(3));
        assert_eq!(merge.watermark(0, Watermark::MAX), Merged::default());
        let idle = merge.idle(1, true);
        assert_eq!(idle, Merged { watermark: Some(Watermark(9)), idle: Some(true) });
    }

    #[test]
    fn a_generator_that_knows_nothing_says_nothing() {
        let mut out = WatermarkOutput { watermark: Watermark::MIN };
        let strategy = WatermarkStrategy::<i64>::for_monotonous_timestamps();
        (strategy.generate)().on_periodic(&mut out);
        let none = WatermarkStrategy::<i64>::no_watermarks();
        (none.generate)().on_event(&7, 7, &mut out);
        (none.generate)().on_periodic(&mut out);
        assert_eq!(out.watermark, Watermark::MIN);
        out.emit(Watermark(5));
        out.emit(Watermark(3));
        assert_eq!(out.watermark, Watermark(5), "never back");
    }
}
