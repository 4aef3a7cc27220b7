//! The triggers that come with Millstream; they behave as Flink's of the same name.
//!
//! Invariant: what a trigger leaves behind after `clear` (a timer at most) does nothing.

use super::TimeWindow;
use super::trigger::{Trigger, TriggerContext, TriggerResult};
use crate::watermark::millis;
use TriggerResult::{Continue, Fire, FireAndPurge};
use millstream_core::{Data, Error, EventTime, Result};
use std::time::Duration;

fn no_end(trigger: &str) -> Error {
    Error::config(format!("{trigger} cannot fire the global window, which has no end"))
        .advice("use a count, continuous or delta trigger, or windows of a size")
}

/// Fires when the watermark passes the end of the window, and at once for every record
/// that comes later but within the allowed lateness. The default of event-time windows.
#[derive(Clone, Copy, Debug)]
pub struct EventTimeTrigger;

impl<T> Trigger<T> for EventTimeTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        if window.max_timestamp() <= ctx.watermark {
            return Ok(Fire);
        }
        ctx.register_event_time_timer(window.max_timestamp());
        Ok(Continue)
    }
    fn on_event_time(
        &self,
        time: EventTime,
        window: TimeWindow,
        _: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(if time == window.max_timestamp() { Fire } else { Continue })
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        // One that is behind the watermark fires with the record that caused the merge.
        if window.max_timestamp() > ctx.watermark {
            ctx.register_event_time_timer(window.max_timestamp());
        }
        Ok(())
    }
    fn clear(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        ctx.delete_event_time_timer(window.max_timestamp());
        Ok(())
    }
    fn check(&self, global_windows: bool) -> Result<()> {
        if global_windows { Err(no_end("an event-time trigger")) } else { Ok(()) }
    }
}

/// Fires when the clock passes the end of the window. The default of processing-time
/// windows.
#[derive(Clone, Copy, Debug)]
pub struct ProcessingTimeTrigger;

impl<T> Trigger<T> for ProcessingTimeTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        ctx.register_processing_time_timer(window.max_timestamp());
        Ok(Continue)
    }
    fn on_processing_time(
        &self,
        _: i64,
        _: TimeWindow,
        _: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(Fire)
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        if window.max_timestamp() > ctx.current_processing_time() {
            ctx.register_processing_time_timer(window.max_timestamp());
        }
        Ok(())
    }
    fn clear(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        ctx.delete_processing_time_timer(window.max_timestamp());
        Ok(())
    }
    fn check(&self, global_windows: bool) -> Result<()> {
        if global_windows { Err(no_end("a processing-time trigger")) } else { Ok(()) }
    }
}

/// Fires when a window has so many records, and then begins to count again. Does not fire
/// at the end of the window.
#[derive(Clone, Copy, Debug)]
pub struct CountTrigger {
    max: u64,
}

impl CountTrigger {
    /// Fires at every `max` records.
    pub fn of(max: u64) -> Self {
        CountTrigger { max }
    }
}

const COUNT: &str = "count";

impl<T> Trigger<T> for CountTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        _: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        let count: &mut u64 = ctx.state(COUNT)?;
        *count += 1;
        if *count < self.max {
            return Ok(Continue);
        }
        ctx.clear_state(COUNT);
        Ok(Fire)
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        let sum: u64 = ctx.take_merged_states::<u64>(COUNT)?.iter().sum();
        if sum > 0 {
            *ctx.state(COUNT)? = sum;
        }
        Ok(())
    }
    fn check(&self, _: bool) -> Result<()> {
        if self.max == 0 {
            return Err(Error::config("a count trigger or window has a count of 0")
                .advice("use a count of at least 1"));
        }
        Ok(())
    }
}

const FIRE_TIME: &str = "fire-time";

fn check_interval(interval_ms: i64) -> Result<()> {
    if interval_ms < 1 {
        return Err(Error::config("a continuous trigger has an interval of 0 ms")
            .advice("use an interval of at least 1 ms"));
    }
    Ok(())
}

/// The next multiple of the interval. Rounds towards 1970, as Flink does.
fn next_fire_time(time: i64, interval_ms: i64, window: TimeWindow) -> i64 {
    (time - time % interval_ms).saturating_add(interval_ms).min(window.max_timestamp())
}

/// Fires at every multiple of an interval of event time, and at the end of the window.
/// When the watermark jumps it fires for every interval that was passed.
#[derive(Clone, Copy, Debug)]
pub struct ContinuousEventTimeTrigger {
    interval_ms: i64,
}

impl ContinuousEventTimeTrigger {
    /// Fires every `interval`.
    pub fn of(interval: Duration) -> Self {
        ContinuousEventTimeTrigger { interval_ms: millis(interval) }
    }
}

impl<T> Trigger<T> for ContinuousEventTimeTrigger {
    fn on_element(
        &self,
        _: &T,
        timestamp: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        if window.max_timestamp() <= ctx.watermark {
            return Ok(Fire);
        }
        ctx.register_event_time_timer(window.max_timestamp());
        let fire_time: &mut Option<i64> = ctx.state(FIRE_TIME)?;
        if fire_time.is_none() {
            let next = next_fire_time(timestamp, self.interval_ms, window);
            *fire_time = Some(next);
            ctx.register_event_time_timer(next);
        }
        Ok(Continue)
    }
    fn on_event_time(
        &self,
        time: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        if time == window.max_timestamp() {
            return Ok(Fire);
        }
        let fire_time: &mut Option<i64> = ctx.state(FIRE_TIME)?;
        if *fire_time != Some(time) {
            return Ok(Continue);
        }
        let next = time.saturating_add(self.interval_ms).min(window.max_timestamp());
        *fire_time = Some(next);
        ctx.register_event_time_timer(next);
        Ok(Fire)
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        let earliest =
            ctx.take_merged_states::<Option<i64>>(FIRE_TIME)?.into_iter().flatten().min();
        if let Some(time) = earliest {
            *ctx.state(FIRE_TIME)? = Some(time);
            ctx.register_event_time_timer(time);
        }
        Ok(())
    }
    fn clear(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        if let Some(time) = *ctx.state::<Option<i64>>(FIRE_TIME)? {
            ctx.delete_event_time_timer(time);
        }
        Ok(())
    }
    fn check(&self, _: bool) -> Result<()> {
        check_interval(self.interval_ms)
    }
}

/// Fires at every multiple of an interval of processing time, while records come, and at
/// the end of the window.
#[derive(Clone, Copy, Debug)]
pub struct ContinuousProcessingTimeTrigger {
    interval_ms: i64,
}

impl ContinuousProcessingTimeTrigger {
    /// Fires every `interval`.
    pub fn of(interval: Duration) -> Self {
        ContinuousProcessingTimeTrigger { interval_ms: millis(interval) }
    }
}

impl<T> Trigger<T> for ContinuousProcessingTimeTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        let now_ms = ctx.current_processing_time();
        let fire_time: &mut Option<i64> = ctx.state(FIRE_TIME)?;
        if fire_time.is_none() {
            let next = next_fire_time(now_ms, self.interval_ms, window);
            *fire_time = Some(next);
            ctx.register_processing_time_timer(next);
        }
        Ok(Continue)
    }
    fn on_processing_time(
        &self,
        time: i64,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        let fire_time: &mut Option<i64> = ctx.state(FIRE_TIME)?;
        if *fire_time != Some(time) {
            return Ok(Continue);
        }
        // At the end of the window the timer would be this one again.
        let next = time.saturating_add(self.interval_ms).min(window.max_timestamp());
        *fire_time = Some(next);
        if next > time {
            ctx.register_processing_time_timer(next);
        }
        Ok(Fire)
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        let earliest =
            ctx.take_merged_states::<Option<i64>>(FIRE_TIME)?.into_iter().flatten().min();
        if let Some(time) = earliest {
            *ctx.state(FIRE_TIME)? = Some(time);
            ctx.register_processing_time_timer(time);
        }
        Ok(())
    }
    fn clear(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        if let Some(time) = *ctx.state::<Option<i64>>(FIRE_TIME)? {
            ctx.delete_processing_time_timer(time);
        }
        Ok(())
    }
    fn check(&self, _: bool) -> Result<()> {
        check_interval(self.interval_ms)
    }
}

/// Fires when a record is further than a threshold from the one that fired last (at
/// first: from the first record). Cannot be used with session windows.
#[derive(Clone, Debug)]
pub struct DeltaTrigger<F> {
    threshold: f64,
    delta: F,
}

impl<F> DeltaTrigger<F> {
    /// Fires when `delta(last, record) > threshold`.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: Fn(&T, &T) -> f64,
    {
        DeltaTrigger { threshold, delta }
    }
}

impl<T: Data, F: Fn(&T, &T) -> f64 + Send + Sync + 'static> Trigger<T> for DeltaTrigger<F> {
    fn on_element(
        &self,
        element: &T,
        _: EventTime,
        _: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        let last: &mut Option<T> = ctx.state("last-element")?;
        let Some(reference) = last else {
            *last = Some(element.clone());
            return Ok(Continue);
        };
        if (self.delta)(reference, element) > self.threshold {
            *last = Some(element.clone());
            return Ok(Fire);
        }
        Ok(Continue)
    }
    fn check(&self, _: bool) -> Result<()> {
        if self.threshold.is_nan() {
            return Err(Error::config("a delta trigger has a threshold that is not a number")
                .advice("use a finite threshold"));
        }
        Ok(())
    }
}

/// Does what another trigger does, and forgets the contents whenever that one fires.
#[derive(Clone, Copy, Debug)]
pub struct PurgingTrigger<G>(G);

impl<G> PurgingTrigger<G> {
    /// Purges whenever `nested` fires.
    pub fn of(nested: G) -> Self {
        PurgingTrigger(nested)
    }
}

fn purging(result: TriggerResult) -> TriggerResult {
    if result.is_fire() { FireAndPurge } else { result }
}

impl<T, G: Trigger<T>> Trigger<T> for PurgingTrigger<G> {
    fn on_element(
        &self,
        element: &T,
        timestamp: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        self.0.on_element(element, timestamp, window, ctx).map(purging)
    }
    fn on_event_time(
        &self,
        time: EventTime,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        self.0.on_event_time(time, window, ctx).map(purging)
    }
    fn on_processing_time(
        &self,
        time: i64,
        window: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        self.0.on_processing_time(time, window, ctx).map(purging)
    }
    fn can_merge(&self) -> bool {
        self.0.can_merge()
    }
    fn on_merge(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        self.0.on_merge(window, ctx)
    }
    fn clear(&self, window: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        self.0.clear(window, ctx)
    }
    fn check(&self, global_windows: bool) -> Result<()> {
        self.0.check(global_windows)
    }
}

/// Never fires. The default of `GlobalWindows::create`.
#[derive(Clone, Copy, Debug)]
pub struct NeverTrigger;

impl<T> Trigger<T> for NeverTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        _: TimeWindow,
        _: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(Continue)
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, _: &mut TriggerContext<'_>) -> Result<()> {
        Ok(())
    }
}

/// Fires when bounded input has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndOfStreamTrigger;

impl<T> Trigger<T> for EndOfStreamTrigger {
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        _: TimeWindow,
        ctx: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        ctx.register_event_time_timer(i64::MAX);
        Ok(Continue)
    }
    fn on_event_time(
        &self,
        time: EventTime,
        _: TimeWindow,
        _: &mut TriggerContext<'_>,
    ) -> Result<TriggerResult> {
        Ok(if time == i64::MAX { Fire } else { Continue })
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn on_merge(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        ctx.register_event_time_timer(i64::MAX);
        Ok(())
    }
    fn clear(&self, _: TimeWindow, ctx: &mut TriggerContext<'_>) -> Result<()> {
        ctx.delete_event_time_timer(i64::MAX);
        Ok(())
    }
}
