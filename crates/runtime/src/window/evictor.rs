//! Removes elements from a window, before or after its function sees them.
//!
//! Between the trigger and the function. A window with an evictor keeps every element,
//! also when its function is an aggregate.
//! Source: Flink's page "Windows", section "Evictors".

use super::TimeWindow;
use millstream_core::{Clock, Data, EventTime, NO_TIMESTAMP, Result, Watermark};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The elements of a window in order of arrival, with their event times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowElements<T> {
    values: Vec<T>,
    timestamps: Vec<EventTime>,
}

impl<T> Default for WindowElements<T> {
    fn default() -> Self {
        WindowElements { values: Vec::new(), timestamps: Vec::new() }
    }
}

impl<T> WindowElements<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
    /// The elements.
    pub fn values(&self) -> &[T] {
        &self.values
    }
    /// Their event times ([`NO_TIMESTAMP`] where there is none).
    pub fn timestamps(&self) -> &[EventTime] {
        &self.timestamps
    }
    /// Removes the first `n`.
    pub fn evict_first(&mut self, n: usize) {
        let n = n.min(self.values.len());
        self.values.drain(..n);
        self.timestamps.drain(..n);
    }
    /// Removes the elements for which `evict` holds.
    pub fn evict_if(&mut self, mut evict: impl FnMut(&T, EventTime) -> bool) {
        let gone: Vec<bool> =
            self.values.iter().zip(&self.timestamps).map(|(v, t)| evict(v, *t)).collect();
        let mut flags = gone.iter();
        self.values.retain(|_| flags.next() != Some(&true));
        let mut flags = gone.iter();
        self.timestamps.retain(|_| flags.next() != Some(&true));
    }
    pub(crate) fn push(&mut self, value: T, timestamp: EventTime) {
        self.values.push(value);
        self.timestamps.push(timestamp);
    }
    /// Sorts by event time, elements of one time in order of arrival.
    pub(crate) fn sort_by_time(&mut self) {
        if self.timestamps.is_sorted() {
            return;
        }
        let values = std::mem::take(&mut self.values);
        let mut both: Vec<(EventTime, T)> = self.timestamps.drain(..).zip(values).collect();
        both.sort_by_key(|(time, _)| *time);
        (self.timestamps, self.values) = both.into_iter().unzip();
    }
    pub(crate) fn append(&mut self, mut other: WindowElements<T>) {
        self.values.append(&mut other.values);
        self.timestamps.append(&mut other.timestamps);
    }
}

/// What an evictor may know.
pub struct EvictorContext<'a> {
    pub(crate) watermark: EventTime,
    pub(crate) clock: &'a dyn Clock,
}

impl EvictorContext<'_> {
    /// The operator's event time.
    pub fn current_watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }
    /// Processing time in milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.clock.now_ms()
    }
}

/// Removes elements from a window that fires.
///
/// A window that an evictor has emptied still fires, with no elements.
pub trait Evictor<T>: Send + Sync + 'static {
    /// Called before the window's function.
    ///
    /// # Errors
    /// Ends the attempt.
    fn evict_before(
        &self,
        _elements: &mut WindowElements<T>,
        _window: TimeWindow,
        _ctx: &EvictorContext<'_>,
    ) -> Result<()> {
        Ok(())
    }
    /// Called after the window's function.
    ///
    /// # Errors
    /// Ends the attempt.
    fn evict_after(
        &self,
        _elements: &mut WindowElements<T>,
        _window: TimeWindow,
        _ctx: &EvictorContext<'_>,
    ) -> Result<()> {
        Ok(())
    }
}

/// Implements [`Evictor`] for a built-in one: `after` says when, `evict` what.
macro_rules! evicts {
    ($(<$($p:ident $(: $bound:path)?),*>)? for $name:ty) => {
        impl<T: Data, $($($p: $($bound + Send + Sync + 'static)?),*)?> Evictor<T> for $name
        where
            Self: Evict<T>,
        {
            fn evict_before(
                &self,
                elements: &mut WindowElements<T>,
                _: TimeWindow,
                _: &EvictorContext<'_>,
            ) -> Result<()> {
                if !self.after {
                    self.evict(elements);
                }
                Ok(())
            }
            fn evict_after(
                &self,
                elements: &mut WindowElements<T>,
                _: TimeWindow,
                _: &EvictorContext<'_>,
            ) -> Result<()> {
                if self.after {
                    self.evict(elements);
                }
                Ok(())
            }
        }
    };
}

/// What the built-in evictors have in common.
trait Evict<T>: Send + Sync + 'static {
    fn evict(&self, elements: &mut WindowElements<T>);
}

/// Keeps the last `n` elements.
#[derive(Clone, Copy, Debug)]
pub struct CountEvictor {
    max: usize,
    after: bool,
}

impl CountEvictor {
    /// Keeps `max` elements before the function sees them.
    pub fn of(max: usize) -> Self {
        CountEvictor { max, after: false }
    }
    /// Evicts after the function instead.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }
}

impl<T> Evict<T> for CountEvictor {
    fn evict(&self, elements: &mut WindowElements<T>) {
        elements.evict_first(elements.len().saturating_sub(self.max));
    }
}
evicts!(for CountEvictor);

/// Keeps the elements that are less than a time older than the newest.
#[derive(Clone, Copy, Debug)]
pub struct TimeEvictor {
    keep_ms: i64,
    after: bool,
}

impl TimeEvictor {
    /// Evicts every element whose event time is `keep` or more before the latest one.
    pub fn of(keep: Duration) -> Self {
        TimeEvictor { keep_ms: crate::watermark::millis(keep), after: false }
    }
    /// Evicts after the function instead.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }
}

impl<T> Evict<T> for TimeEvictor {
    fn evict(&self, elements: &mut WindowElements<T>) {
        // As in Flink: whether there are event times is judged by the first element.
        if elements.timestamps.first().is_none_or(|t| *t == NO_TIMESTAMP) {
            return;
        }
        let latest = elements.timestamps.iter().copied().max().unwrap_or(NO_TIMESTAMP);
        let cutoff = latest.saturating_sub(self.keep_ms);
        elements.evict_if(|_, time| time <= cutoff);
    }
}
evicts!(for TimeEvictor);

/// Evicts every element that is a threshold or more away from the last one.
#[derive(Clone, Debug)]
pub struct DeltaEvictor<F> {
    threshold: f64,
    delta: F,
    after: bool,
}

impl<F> DeltaEvictor<F> {
    /// Evicts elements with `delta(element, last element) >= threshold`.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: Fn(&T, &T) -> f64,
    {
        DeltaEvictor { threshold, delta, after: false }
    }
    /// Evicts after the function instead.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }
}

impl<T: Data, F: Fn(&T, &T) -> f64 + Send + Sync + 'static> Evict<T> for DeltaEvictor<F> {
    fn evict(&self, elements: &mut WindowElements<T>) {
        let Some(last) = elements.values.last().cloned() else { return };
        elements.evict_if(|value, _| (self.delta)(value, &last) >= self.threshold);
    }
}
evicts!(<F> for DeltaEvictor<F>);
