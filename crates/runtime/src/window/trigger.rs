//! When a window gives its result: the contract of triggers.
//!
//! Called for every record of a window and for every timer that the trigger has set.
//! A trigger keeps its state in the context, per key and window, under names.
//!
//! Invariant: a trigger decides, the operator acts: timers and state of the context
//! belong to the window that the call is about.
//! Source: Flink's page "Windows", section "Triggers".

use super::TimeWindow;
use super::state_cells::StateCells;
use millstream_core::{Clock, Data, Error, EventTime, Result, Watermark};

/// What to do with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// Give the result, keep the contents.
    Fire,
    /// Forget the contents.
    Purge,
    /// Give the result, then forget the contents.
    FireAndPurge,
}

impl TriggerResult {
    /// Whether the result is given.
    pub fn is_fire(self) -> bool {
        matches!(self, TriggerResult::Fire | TriggerResult::FireAndPurge)
    }
    /// Whether the contents are forgotten.
    pub fn is_purge(self) -> bool {
        matches!(self, TriggerResult::Purge | TriggerResult::FireAndPurge)
    }
}

/// A timer that a trigger sets or deletes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimerOp {
    RegisterEvent(i64),
    DeleteEvent(i64),
    RegisterProcessing(i64),
    DeleteProcessing(i64),
}

/// What a trigger may know and do, for one key and window.
pub struct TriggerContext<'a> {
    pub(crate) watermark: EventTime,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) cells: &'a mut StateCells,
    pub(crate) merged: &'a mut [StateCells],
    pub(crate) timers: &'a mut Vec<TimerOp>,
}

impl TriggerContext<'_> {
    /// The operator's event time.
    pub fn current_watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }
    /// Processing time in milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.clock.now_ms()
    }
    /// Has `on_event_time` called when the watermark reaches `time`; at the next watermark
    /// when it has already.
    pub fn register_event_time_timer(&mut self, time: EventTime) {
        self.timers.push(TimerOp::RegisterEvent(time));
    }
    /// Takes that back.
    pub fn delete_event_time_timer(&mut self, time: EventTime) {
        self.timers.push(TimerOp::DeleteEvent(time));
    }
    /// Has `on_processing_time` called when the clock has passed `time`.
    pub fn register_processing_time_timer(&mut self, time: i64) {
        self.timers.push(TimerOp::RegisterProcessing(time));
    }
    /// Takes that back.
    pub fn delete_processing_time_timer(&mut self, time: i64) {
        self.timers.push(TimerOp::DeleteProcessing(time));
    }
    /// The trigger's state `name` of this key and window, `Default` at first.
    ///
    /// # Errors
    /// `UserCode` when the name was used with another type, `Corrupt` when the restored
    /// bytes are of another type.
    pub fn state<S: Data + Default>(&mut self, name: &'static str) -> Result<&mut S> {
        self.cells.get(name)
    }
    /// Forgets the state `name`.
    pub fn clear_state(&mut self, name: &'static str) {
        self.cells.clear(name);
    }
    /// In `on_merge`: takes the state `name` of every window that was merged and has it.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn take_merged_states<S: Data + Default>(&mut self, name: &'static str) -> Result<Vec<S>> {
        let taken = self.merged.iter_mut().map(|cells| cells.take(name));
        taken.filter_map(Result::transpose).collect()
    }
}

/// Says when a window fires. One value serves all keys and windows of a subtask.
///
/// ```
/// use millstream_core::Result;
/// use millstream_runtime::window::{TimeWindow, Trigger, TriggerContext, TriggerResult};
/// /// Fires at once for a record above a limit, and at the end of the window.
/// struct Alarm(i64);
/// impl Trigger<i64> for Alarm {
///     fn on_element(&self, value: &i64, _: i64, window: TimeWindow, ctx: &mut TriggerContext<'_>)
///         -> Result<TriggerResult> {
///         ctx.register_event_time_timer(window.max_timestamp());
///         Ok(if *value > self.0 { TriggerResult::Fire } else { TriggerResult::Continue })
///     }
///     fn on_event_time(&self, _: i64, _: TimeWindow, _: &mut TriggerContext<'_>)
///         -> Result<TriggerResult> {
///         Ok(TriggerResult::Fire)
///     }
/// }
/// ```
pub trait Trigger<T>: Send + Sync + 'static {
    /// Called for every record that is added to a window.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_element(
        &self,
        element: &T,
        timestamp: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult>;
    /// Called for an event-time timer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_event_time(
        &self,
        _time: EventTime,
        _window: TimeWindow,
        _ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(TriggerResult::Continue)
    }
    /// Called for a processing-time timer.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_processing_time(
        &self,
        _time: i64,
        _window: TimeWindow,
        _ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(TriggerResult::Continue)
    }
    /// Whether [`on_merge`](Trigger::on_merge) is there; session windows need it.
    fn can_merge(&self) -> bool {
        false
    }
    /// Several windows have become `window`. [`clear`](Trigger::clear) is called for each
    /// of them afterwards.
    ///
    /// # Errors
    /// Ends the attempt.
    fn on_merge(&self, _window: TimeWindow, _ctx: &mut TriggerContext<'_>) -> Result<()> {
        Err(Error::bug("a trigger that cannot merge was asked to"))
    }
    /// Deletes the trigger's timers of `window`; its state goes by itself.
    ///
    /// # Errors
    /// Ends the attempt.
    fn clear(&self, _window: TimeWindow, _ctx: &mut TriggerContext<'_>) -> Result<()> {
        Ok(())
    }
    /// Whether the settings make sense, for windows that end or for the global one;
    /// called when the job is built.
    ///
    /// # Errors
    /// `Config`, saying what is wrong.
    fn check(&self, _global_windows: bool) -> Result<()> {
        Ok(())
    }
}
