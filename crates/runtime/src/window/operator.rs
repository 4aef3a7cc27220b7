//! The general window operator: contents per key and window, any trigger and function.
//!
//! ```text
//!   keys:  key ─> windows, sorted ─> contents, trigger state, window state
//!   timers of triggers and of cleanup, by (time, key, window)
//! ```
//!
//! Invariants: a window is forgotten when the watermark reaches its end + allowed
//! lateness, and takes no record from then on; windows of a key that merge are disjoint
//! and apart.
//! Source: Flink's `WindowOperator` (semantics), "Windows" page, "Allowed Lateness".

use super::contents::WindowFunction;
use super::function::WindowContext;
use super::merging::merge_order;
use super::pane_operator::{PANES, STATES};
use super::place::{at_time, at_window};
use super::state_cells::StateCells;
use super::trigger::{TimerOp, TriggerContext};
use super::{LateRecords, StoredHeader, TimeWindow, Trigger, TriggerResult};
use super::{WindowAssigner, WindowGrid, builder::Parts};
use crate::chain::{Output, RecordContext};
use crate::operator::{Operator, OperatorContext, Progress, SubtaskInfo};
use crate::snapshot::{OperatorSnapshot, StateKind};
use crate::source_node::show;
use crate::state::{KeyedStates, Table, TableRef, TimerState};
use millstream_core::{Batch, Clock, Data, Epoch, Error, EventTime, Key, NO_TIMESTAMP, Result};
use millstream_core::{SystemClock, Watermark};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

/// Timers fired between two looks at whether the downstream has room.
const TIMERS_PER_LOOK: usize = 256;

const CONTENTS: &str = "window-contents";
const EVENT_TIMERS: &str = "window-event-timers";
const PROCESSING_TIMERS: &str = "window-processing-timers";

/// One window of one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<Acc> {
    window: TimeWindow,
    /// `None` before the first record and after a purge.
    contents: Option<Acc>,
    trigger: StateCells,
    state: StateCells,
    /// The trigger's timer that is known to be set; saves setting it for every record.
    event_timer: Option<EventTime>,
    cleanup_set: bool,
}

impl<Acc> Entry<Acc> {
    fn new(window: TimeWindow) -> Self {
        Entry {
            window,
            contents: None,
            trigger: StateCells::default(),
            state: StateCells::default(),
            event_timer: None,
            cleanup_set: false,
        }
    }
}

/// The windows of one key, sorted.
type Windows<Acc> = Vec<Entry<Acc>>;

fn find<Acc>(windows: &Windows<Acc>, window: TimeWindow) -> Result<usize, usize> {
    windows.binary_search_by_key(&window, |entry| entry.window)
}

/// The windows of all keys, in the job's state backend.
struct Keys<K: Key, Acc: Data> {
    states: KeyedStates<K>,
    table: TableRef<K, (), Windows<Acc>>,
    subtask: SubtaskInfo,
}

/// The windows of all keys, once the operator is open.
fn opened<K: Key, Acc: Data>(
    keys: &Option<Keys<K, Acc>>,
) -> Result<&TableRef<K, (), Windows<Acc>>> {
    let keys = keys.as_ref();
    keys.map(|k| &k.table).ok_or_else(|| Error::bug("an operator was used before open"))
}

pub(crate) struct WindowOperator<T, K: Key, S, F: WindowFunction<K, T>> {
    key_of: S,
    assigner: Arc<dyn WindowAssigner<T>>,
    late: LateRecords<T>,
    /// Checkpointed, with the timers and the watermark in `firing`.
    keys: Option<Keys<K, F::Acc>>,
    firing: Firing<T, K, F>,
    /// The panes that state may be restored from.
    panes: Option<WindowGrid>,
    /// Scratch: the windows of one record.
    assigned: Vec<TimeWindow>,
}

/// All that a window needs to fire, apart from the table that it is in.
struct Firing<T, K: Key, F: WindowFunction<K, T>> {
    trigger: Arc<dyn Trigger<T>>,
    function: F,
    lateness_ms: i64,
    event_time: bool,
    merging: bool,
    watermark: EventTime,
    event_timers: TimerState<K, TimeWindow>,
    processing_timers: TimerState<K, TimeWindow>,
    clock: Arc<dyn Clock>,
    /// Scratch: the timers that one call of the trigger sets.
    ops: Vec<TimerOp>,
    of: PhantomData<fn(T)>,
}

impl<T: Data, K: Key, F: WindowFunction<K, T>> Firing<T, K, F> {
    fn cleanup_time(&self, window: TimeWindow) -> EventTime {
        let lateness_ms = if self.event_time { self.lateness_ms } else { 0 };
        window.cleanup_time(lateness_ms)
    }
    fn is_window_late(&self, window: TimeWindow) -> bool {
        self.event_time && self.cleanup_time(window) <= self.watermark
    }
    fn is_element_late(&self, timestamp: EventTime) -> bool {
        self.event_time && timestamp.saturating_add(self.lateness_ms) <= self.watermark
    }

    /// Calls the trigger for `entry` and sets the timers that it asked for.
    fn call_trigger<R>(
        &mut self,
        key: &K,
        entry: &mut Entry<F::Acc>,
        merged: &mut [StateCells],
        call: impl FnOnce(&dyn Trigger<T>, TimeWindow, &mut TriggerContext<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut ctx = TriggerContext {
            watermark: self.watermark,
            clock: &*self.clock,
            cells: &mut entry.trigger,
            merged,
            timers: &mut self.ops,
        };
        let answer = call(&*self.trigger, entry.window, &mut ctx);
        let window = entry.window;
        for at in 0..self.ops.len() {
            match self.ops[at] {
                TimerOp::RegisterEvent(time) => {
                    if entry.event_timer != Some(time) {
                        entry.event_timer = Some(time);
                        self.event_timers.register(time, key.clone(), window);
                    }
                }
                TimerOp::DeleteEvent(time) => {
                    self.forget_timer(entry, time);
                    self.event_timers.delete(time, key, &window);
                }
                TimerOp::RegisterProcessing(time) => {
                    self.processing_timers.register(time, key.clone(), window);
                }
                TimerOp::DeleteProcessing(time) => {
                    if !self.event_time && time == self.cleanup_time(window) {
                        entry.cleanup_set = false;
                    }
                    self.processing_timers.delete(time, key, &window);
                }
            }
        }
        self.ops.clear();
        answer
    }
    /// An event-time timer of `entry` has fired or was deleted.
    fn forget_timer(&self, entry: &mut Entry<F::Acc>, time: EventTime) {
        if entry.event_timer == Some(time) {
            entry.event_timer = None;
        }
        if self.event_time && time == self.cleanup_time(entry.window) {
            entry.cleanup_set = false;
        }
    }
    fn set_cleanup_timer(&mut self, key: &K, entry: &mut Entry<F::Acc>) {
        let time = self.cleanup_time(entry.window);
        if entry.cleanup_set || time == i64::MAX {
            return;
        }
        entry.cleanup_set = true;
        if !self.event_time {
            self.processing_timers.register(time, key.clone(), entry.window);
        } else if entry.event_timer != Some(time) {
            self.event_timers.register(time, key.clone(), entry.window);
        }
    }

    /// Adds a record to a window that is not late, and fires it when the trigger says so.
    fn add(
        &mut self,
        key: &K,
        entry: &mut Entry<F::Acc>,
        value: T,
        timestamp: EventTime,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<()> {
        // Asked before the record moves in: a trigger does not see the contents.
        let answer = self.call_trigger(key, entry, &mut [], |trigger, window, ctx| {
            trigger.on_element(&value, timestamp, window, ctx)
        })?;
        let acc = entry.contents.get_or_insert_with(|| self.function.create());
        self.function.add(acc, value, timestamp);
        self.act(answer, key, entry, out)?;
        self.set_cleanup_timer(key, entry);
        Ok(())
    }
    fn act(
        &mut self,
        answer: TriggerResult,
        key: &K,
        entry: &mut Entry<F::Acc>,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<()> {
        if answer.is_fire()
            && let Some(acc) = &mut entry.contents
        {
            let mut ctx = WindowContext {
                out,
                window: entry.window,
                watermark: self.watermark,
                clock: &*self.clock,
                cells: (!self.merging).then_some(&mut entry.state),
            };
            let window = entry.window;
            let describe = || at_window(key, window);
            let _context = RecordContext::new(&describe);
            self.function.fire(key, acc, &mut ctx).map_err(|e| e.at(describe()))?;
            if self.function.is_empty(acc) {
                entry.contents = None;
            }
        }
        if answer.is_purge() {
            entry.contents = None;
        }
        Ok(())
    }

    /// Makes the windows `hits` of `windows` one, which becomes `result`.
    fn merge(
        &mut self,
        key: &K,
        windows: &mut Windows<F::Acc>,
        hits: std::ops::Range<usize>,
        new: TimeWindow,
        result: TimeWindow,
    ) -> Result<()> {
        let at = hits.start;
        if hits.len() == 1 {
            // A session that grows: by far the most frequent case, so nothing is allocated.
            let mut former = std::mem::replace(&mut windows[at], Entry::new(result));
            let mut state = std::mem::take(&mut former.trigger);
            let merged = std::slice::from_mut(&mut state);
            let entry = &mut windows[at];
            self.call_trigger(key, entry, merged, |trigger, window, ctx| {
                trigger.on_merge(window, ctx)
            })?;
            former.trigger = state;
            entry.contents = self.retire(key, former)?;
            return Ok(());
        }
        let merged: Vec<Entry<F::Acc>> = windows.drain(hits).collect();
        let spans: Vec<TimeWindow> = merged.iter().map(|entry| entry.window).collect();
        let mut slots: Vec<Option<Entry<F::Acc>>> = merged.into_iter().map(Some).collect();
        let order = merge_order(&spans, new).into_iter();
        let mut merged: Vec<Entry<F::Acc>> = order.filter_map(|i| slots[i].take()).collect();

        let mut entry = Entry::new(result);
        let mut states: Vec<StateCells> =
            merged.iter_mut().map(|m| std::mem::take(&mut m.trigger)).collect();
        self.call_trigger(key, &mut entry, &mut states, |trigger, window, ctx| {
            trigger.on_merge(window, ctx)
        })?;
        for (mut former, state) in merged.into_iter().zip(states) {
            former.trigger = state;
            let other = self.retire(key, former)?;
            entry.contents = match (entry.contents.take(), other) {
                (Some(mut acc), Some(other)) => {
                    self.function.merge(&mut acc, other);
                    Some(acc)
                }
                (acc, other) => acc.or(other),
            };
        }
        windows.insert(at, entry);
        Ok(())
    }
    /// Deletes the timers of a window that has become part of another; gives its contents.
    fn retire(&mut self, key: &K, mut former: Entry<F::Acc>) -> Result<Option<F::Acc>> {
        self.call_trigger(key, &mut former, &mut [], |trigger, window, ctx| {
            trigger.clear(window, ctx)
        })?;
        // One that the trigger has deleted with its own, or that is only known to a
        // restored queue, does nothing when it fires.
        if former.cleanup_set {
            let time = self.cleanup_time(former.window);
            let timers =
                if self.event_time { &mut self.event_timers } else { &mut self.processing_timers };
            timers.delete(time, key, &former.window);
        }
        Ok(former.contents)
    }
}

impl<T, K, S, F> WindowOperator<T, K, S, F>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + 'static,
    F: WindowFunction<K, T>,
{
    pub(crate) fn new(key_of: S, parts: Parts<T>, function: F) -> Self {
        let trigger = parts.trigger.unwrap_or_else(|| parts.assigner.default_trigger());
        let firing = Firing {
            trigger,
            function,
            lateness_ms: parts.lateness_ms,
            event_time: parts.assigner.is_event_time(),
            merging: parts.assigner.is_merging(),
            watermark: i64::MIN,
            event_timers: TimerState::default(),
            processing_timers: TimerState::default(),
            clock: Arc::new(SystemClock),
            ops: Vec::new(),
            of: PhantomData,
        };
        WindowOperator {
            key_of,
            assigner: parts.assigner,
            late: LateRecords::new(parts.late_tag),
            keys: None,
            firing,
            panes: None,
            assigned: Vec::new(),
        }
    }
    /// Also restores from panes of a grid, which are those of this operator's windows.
    pub(crate) fn reading_panes(self, grid: WindowGrid) -> Self {
        WindowOperator { panes: Some(grid), ..self }
    }
    fn layout() -> String {
        format!("windows of {}", F::KIND)
    }

    /// Makes the restored panes of the pane operator into windows with their timers.
    fn take_panes(&mut self, grid: WindowGrid, ctx: &OperatorContext) -> Result<()> {
        let (restored, subtask) = (&ctx.restored, &ctx.subtask);
        let mut panes = restored.keyed::<K, (i64, F::Acc)>(PANES, subtask)?;
        panes.sort_by_key(|(_, (start, _))| *start);
        for (key, (start, acc)) in panes {
            let Some((first, last)) = grid.pane_of(start)?.windows else { continue };
            let mut at = first;
            while at <= last {
                let window = grid.window(at);
                if !self.firing.is_window_late(window) {
                    self.put_back(&key, window, |function, contents, _| {
                        match contents {
                            Some(contents) => function.merge(contents, acc.clone()),
                            None => *contents = Some(acc.clone()),
                        };
                    })?;
                }
                at = at.saturating_add(grid.slide());
            }
        }
        for (key, (start, cells)) in restored.keyed::<K, (i64, StateCells)>(STATES, subtask)? {
            let window = grid.window(start);
            if !self.firing.is_window_late(window) {
                self.put_back(&key, window, |_, _, state| *state = cells)?;
            }
        }
        Ok(())
    }
    /// Changes a window that is being restored; one that is new gets its timers.
    fn put_back(
        &mut self,
        key: &K,
        window: TimeWindow,
        change: impl FnOnce(&F, &mut Option<F::Acc>, &mut StateCells),
    ) -> Result<()> {
        let firing = &mut self.firing;
        opened(&self.keys)?.modify(key, &(), |slot| {
            let windows = slot.get_or_insert_default();
            let at = find(windows, window).unwrap_or_else(|at| {
                let mut entry = Entry::new(window);
                let end = window.max_timestamp();
                if end > firing.watermark {
                    entry.event_timer = Some(end);
                    firing.event_timers.register(end, key.clone(), window);
                }
                firing.set_cleanup_timer(key, &mut entry);
                windows.insert(at, entry);
                at
            });
            let entry = &mut windows[at];
            change(&firing.function, &mut entry.contents, &mut entry.state);
        })
    }

    fn add_to_windows(
        &mut self,
        key: K,
        value: T,
        timestamp: EventTime,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<()> {
        let (firing, assigned) = (&mut self.firing, &self.assigned);
        opened(&self.keys)?.modify(&key, &(), |slot| {
            let windows = slot.get_or_insert_default();
            let mut value = Some(value);
            let last = assigned.len() - 1;
            for (i, window) in assigned.iter().enumerate() {
                let at = find(windows, *window).unwrap_or_else(|at| {
                    windows.insert(at, Entry::new(*window));
                    at
                });
                let value = if i == last { value.take() } else { value.clone() };
                if let Some(value) = value {
                    firing.add(&key, &mut windows[at], value, timestamp, out)?;
                }
                if window.is_global() && is_spent(&windows[at]) {
                    windows.remove(at);
                }
            }
            forget_empty(slot);
            Ok(())
        })?
    }

    /// Answers the record when it is in no window that takes it.
    fn add_to_session(
        &mut self,
        key: K,
        value: T,
        timestamp: EventTime,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<Option<T>> {
        let (firing, assigned) = (&mut self.firing, &self.assigned);
        opened(&self.keys)?.modify(&key, &(), |slot| {
            let windows = slot.get_or_insert_default();
            let mut value = Some(value);
            let mut added = false;
            let last = assigned.len().saturating_sub(1);
            for (i, new) in assigned.iter().enumerate() {
                let from = windows.partition_point(|entry| entry.window.end < new.start);
                let hits = windows[from..].iter().take_while(|entry| entry.window.touches(*new));
                let hits = from..from + hits.count();
                let joined = &windows[hits.clone()];
                let result = joined.iter().fold(*new, |r, entry| r.cover(entry.window));
                if firing.is_window_late(result) {
                    continue;
                }
                // A window within one that is there already changes nothing.
                let within = hits.len() == 1 && windows[from].window == result;
                if hits.is_empty() {
                    windows.insert(from, Entry::new(result));
                } else if !within {
                    firing.merge(&key, windows, hits, *new, result)?;
                }
                let value = if i == last { value.take() } else { value.clone() };
                if let Some(value) = value {
                    firing.add(&key, &mut windows[from], value, timestamp, out)?;
                    added = true;
                }
            }
            forget_empty(slot);
            Ok(value.filter(|_| !added))
        })?
    }

    fn on_timer(
        &mut self,
        event_time: bool,
        time: i64,
        key: K,
        window: TimeWindow,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<()> {
        let firing = &mut self.firing;
        opened(&self.keys)?.modify(&key, &(), |slot| {
            if firing.merging && slot.as_ref().is_none_or(|w| find(w, window).is_err()) {
                // A trigger's timer of a session that has become another, or is gone.
                return Ok(());
            }
            let windows = slot.get_or_insert_default();
            let at = find(windows, window).unwrap_or_else(|at| {
                windows.insert(at, Entry::new(window));
                at
            });
            let entry = &mut windows[at];
            if event_time {
                firing.forget_timer(entry, time);
            }
            let answer = firing.call_trigger(&key, entry, &mut [], |trigger, window, ctx| {
                if event_time {
                    trigger.on_event_time(time, window, ctx)
                } else {
                    trigger.on_processing_time(time, window, ctx)
                }
            })?;
            firing.act(answer, &key, entry, out)?;
            let cleanup = event_time == firing.event_time && time == firing.cleanup_time(window);
            if cleanup {
                firing.call_trigger(&key, entry, &mut [], |trigger, window, ctx| {
                    trigger.clear(window, ctx)
                })?;
            }
            // A spent window that is not waiting for its cleanup would never be forgotten.
            let spent = !firing.merging && !entry.cleanup_set && is_spent(entry);
            if cleanup || spent {
                windows.remove(at);
                forget_empty(slot);
            }
            Ok(())
        })?
    }
}

/// Whether forgetting the window would change nothing.
fn is_spent<Acc>(entry: &Entry<Acc>) -> bool {
    entry.contents.is_none() && entry.trigger.is_empty() && entry.state.is_empty()
}

/// A key without windows is forgotten.
fn forget_empty<Acc>(slot: &mut Option<Windows<Acc>>) {
    if slot.as_ref().is_some_and(Vec::is_empty) {
        *slot = None;
    }
}

impl<T, K, S, F> Operator for WindowOperator<T, K, S, F>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + 'static,
    F: WindowFunction<K, T>,
{
    type In = Batch<T>;
    type Out = Batch<F::Out>;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        self.late.open(ctx);
        let firing = &mut self.firing;
        firing.clock = Arc::clone(&ctx.clock);
        let (restored, subtask) = (&ctx.restored, &ctx.subtask);
        let stored = StoredHeader::layout(restored)?;
        let panes = self.panes.filter(|grid| stored.is_some_and(|s| s == grid.layout()));
        let layout = panes.map_or_else(Self::layout, WindowGrid::layout);
        firing.watermark = StoredHeader::restore(&layout, restored)?;
        let mut states = ctx.keyed_states()?;
        let table = states.table(CONTENTS, StateKind::Window)?;
        firing.event_timers = states.timers(EVENT_TIMERS)?;
        firing.processing_timers = states.timers(PROCESSING_TIMERS)?;
        self.keys = Some(Keys { states, table, subtask: subtask.clone() });
        panes.map_or(Ok(()), |grid| self.take_panes(grid, ctx))
    }

    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<F::Out>>) -> Result<()> {
        let now_ms = if self.firing.event_time { 0 } else { self.firing.clock.now_ms() };
        let time = Cell::new(NO_TIMESTAMP);
        let describe = || at_time(time.get());
        let _context = RecordContext::new(&describe);
        let table = opened(&self.keys)?;
        if table.heap().is_none() {
            table.prefetch(&mut batch.values().iter().map(|row| ((self.key_of)(row), ())))?;
        }
        for (value, timestamp) in batch {
            time.set(timestamp);
            self.assigned.clear();
            let assigned = self.assigner.assign(&value, timestamp, now_ms, &mut self.assigned);
            assigned.map_err(|e| e.at(format!("record {}", show(&value))))?;
            let skipped = if self.firing.merging {
                let key = (self.key_of)(&value);
                self.add_to_session(key, value, timestamp, out)?
            } else {
                let firing = &self.firing;
                self.assigned.retain(|window| !firing.is_window_late(*window));
                if self.assigned.is_empty() {
                    Some(value)
                } else {
                    let key = (self.key_of)(&value);
                    self.add_to_windows(key, value, timestamp, out)?;
                    None
                }
            };
            if let Some(value) = skipped
                && self.firing.is_element_late(timestamp)
            {
                self.late.take(value, timestamp, out);
            }
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<F::Out>>,
    ) -> Result<Progress> {
        if watermark.0 < self.firing.watermark {
            // Only after a restore: event time was further before, and does not go back.
            return Ok(Progress::Hold);
        }
        self.firing.watermark = watermark.0;
        let mut fired = 0;
        while let Some((time, key, window)) = self.firing.event_timers.pop_due(watermark.0)? {
            self.on_timer(true, time, key, window, out)?;
            fired += 1;
            if fired % TIMERS_PER_LOOK == 0 && !out.is_ready() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    fn next_processing_time(&self) -> Option<i64> {
        // A window's last millisecond must be over before it fires.
        self.firing.processing_timers.next_time().map(|time| time.saturating_add(1))
    }

    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<Batch<F::Out>>) -> Result<()> {
        let mut fired = 0;
        let up_to = now_ms.saturating_sub(1);
        while let Some((time, key, window)) = self.firing.processing_timers.pop_due(up_to)? {
            self.on_timer(false, time, key, window, out)?;
            fired += 1;
            if fired % TIMERS_PER_LOOK == 0 && !out.is_ready() {
                // The rest stays due, so the runtime comes back when there is room.
                return Ok(());
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        StoredHeader::store(Self::layout(), self.firing.watermark, into)?;
        let Some(keys) = &self.keys else { return Ok(()) };
        keys.states.snapshot(into)?;
        self.firing.event_timers.snapshot(EVENT_TIMERS, &keys.subtask, into);
        self.firing.processing_timers.snapshot(PROCESSING_TIMERS, &keys.subtask, into);
        Ok(())
    }
}
