//! The window operator for aggregates on a grid of event-time windows: pane-major.
//!
//! ```text
//!   rows ─> panes: start ─> key ─> accumulator        one look-up per run of a pane,
//!                                                     one per run of a key in it
//!   watermark ─> for each window that ends: its panes merged in order of time,
//!                all keys at once ─> results
//! ```
//!
//! A row is added once, whatever the number of windows it is in; a window that fires
//! takes over the panes that no later window needs.
//!
//! Invariants: a pane is dropped when its last window is cleaned up; windows fire in
//! order of their ends; a row that is late for some of its windows counts in the others
//! only; per key the results, their times and their order are those of the general
//! operator.
//! Source: see `grid`; the rules for late rows are Flink's.

use super::builder::Parts;
use super::contents::{EmitResult, Folding};
use super::function::{AggregateFunction, WindowContext};
use super::grid::{Pane, WindowGrid};
use super::place::{at_time, at_window};
use super::state_cells::StateCells;
use super::{Ahead, KeyTable, LateRecords, StoredHeader, TimeWindow};
use crate::chain::{Output, RecordContext};
use crate::operator::{Operator, OperatorContext, Progress, SubtaskInfo};
use crate::snapshot::{OperatorSnapshot, StateDescription, StateKind};
use crate::source_node::show;
use hashbrown::hash_table;
use millstream_core::{Batch, Clock, Data, Epoch, EventTime, Key, NO_TIMESTAMP, Result};
use millstream_core::{SystemClock, Watermark};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results emitted between two looks at whether the downstream has room.
const RESULTS_PER_LOOK: usize = 4096;

pub(super) const PANES: &str = "window-panes";
pub(super) const STATES: &str = "window-state";

pub(crate) struct PaneWindowOperator<T, K, S, A: AggregateFunction, E> {
    key_of: S,
    grid: WindowGrid,
    late: LateRecords<T>,
    /// Checkpointed, with the window states and the watermark in `firing`.
    tables: BTreeMap<i64, Arc<KeyTable<K, A::Acc>>>,
    /// The first window that has not fired.
    next_window: i64,
    firing: Firing<K, A, E>,
    /// The window whose results are being emitted. Empty at every barrier.
    emitting: Option<Emitting<K, A::Acc>>,
    /// Keys of the window that fired last: the next one will have about as many.
    last_keys: usize,
    subtask: Option<SubtaskInfo>,
}

/// A window and the accumulators that it has not emitted yet.
type Emitting<K, Acc> = (TimeWindow, hash_table::IntoIter<(K, Acc)>);

/// What turns accumulators into results.
struct Firing<K, A, E> {
    function: Folding<A, E>,
    lateness_ms: i64,
    watermark: EventTime,
    ahead: Ahead,
    clock: Arc<dyn Clock>,
    /// State of the process function by window, for windows that may fire again.
    states: BTreeMap<i64, KeyTable<K, StateCells>>,
}

impl<K: Key, A: AggregateFunction, E: EmitResult<K, A::Out>> Firing<K, A, E> {
    #[inline]
    fn emit(
        &mut self,
        window: &TimeWindow,
        key: &K,
        acc: A::Acc,
        out: &mut Output<Batch<E::Out>>,
    ) -> Result<()> {
        let mut cells = match self.states.is_empty() {
            true => StateCells::default(),
            false => {
                self.states.get_mut(&window.start).and_then(|s| s.remove(key)).unwrap_or_default()
            }
        };
        let mut ctx = WindowContext {
            out,
            window: *window,
            watermark: self.watermark,
            clock: &*self.clock,
            cells: Some(&mut cells),
        };
        let describe = || at_window(key, *window);
        let context = RecordContext::new(&describe);
        let result = self.function.aggregate.take_result(acc);
        let emitted = self.function.emit.emit(key, result, &mut ctx);
        emitted.map_err(|e| e.at(describe()))?;
        drop(context);
        if !cells.is_empty() && self.lateness_ms > 0 {
            let states = self.states.entry(window.start).or_default();
            states.get_or_insert_with(key.clone(), || cells);
        }
        Ok(())
    }
    fn is_cleaned_up(&self, window: TimeWindow) -> bool {
        window.cleanup_time(self.lateness_ms) <= self.watermark
    }
    /// Whether the window came out, and was forgotten, before the job was rescaled.
    fn was_cleaned_up(&self, key: &K, window: TimeWindow) -> bool {
        self.ahead.has_passed(key, window.cleanup_time(self.lateness_ms))
    }
}

impl<T, K, S, A, E> PaneWindowOperator<T, K, S, A, E>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + 'static,
    A: AggregateFunction<In = T>,
    E: EmitResult<K, A::Out>,
{
    pub(crate) fn new(
        key_of: S,
        grid: WindowGrid,
        parts: Parts<T>,
        function: Folding<A, E>,
    ) -> Self {
        PaneWindowOperator {
            key_of,
            grid,
            late: LateRecords::new(parts.late_tag),
            tables: BTreeMap::new(),
            next_window: i64::MIN,
            firing: Firing {
                function,
                lateness_ms: parts.lateness_ms,
                watermark: i64::MIN,
                ahead: Ahead::default(),
                clock: Arc::new(SystemClock),
                states: BTreeMap::new(),
            },
            emitting: None,
            last_keys: 0,
            subtask: None,
        }
    }

    /// A row of a pane of which some windows have fired.
    fn add_late(
        &mut self,
        pane: Pane,
        value: T,
        time: EventTime,
        out: &mut Output<Batch<E::Out>>,
    ) -> Result<()> {
        let (first, last) = match pane.windows {
            Some((first, last)) if !self.firing.is_cleaned_up(self.grid.window(last)) => {
                (first, last)
            }
            _ => {
                if time.saturating_add(self.firing.lateness_ms) <= self.firing.watermark {
                    self.late.take(value, time, out);
                }
                return Ok(());
            }
        };
        let key = (self.key_of)(&value);
        let aggregate = &self.firing.function.aggregate;
        let table = Arc::make_mut(self.tables.entry(pane.start).or_default());
        let (_, acc) = table.get_or_insert_with(key.clone(), || aggregate.create_accumulator());
        aggregate.add(acc, value);
        // Windows that have fired, but are not cleaned up, fire again for this key.
        let mut start = last;
        loop {
            let window = self.grid.window(start);
            if window.max_timestamp() <= self.firing.watermark && !self.firing.is_cleaned_up(window)
            {
                let acc = self.merged(window, &key);
                self.firing.emit(&window, &key, acc, out)?;
            }
            if start <= first {
                return Ok(());
            }
            start -= self.grid.slide();
        }
    }

    /// Takes out the rows of keys that are ahead whose windows are all over.
    fn without_late(
        &mut self,
        batch: Batch<T>,
        out: &mut Output<Batch<E::Out>>,
    ) -> Result<Batch<T>> {
        let mut kept = Batch::with_capacity(batch.len());
        for (value, time) in batch {
            let pane = self.grid.pane_of(time);
            let pane = pane.map_err(|e| e.at(format!("record {}", show(&value))))?;
            let key = (self.key_of)(&value);
            let last = pane.windows.map(|(_, last)| self.grid.window(last));
            match last.is_some_and(|window| self.firing.was_cleaned_up(&key, window)) {
                true => self.late.take(value, time, out),
                false => kept.push(value, time),
            }
        }
        Ok(kept)
    }

    /// The accumulator of one key over a window.
    fn merged(&self, window: TimeWindow, key: &K) -> A::Acc {
        let aggregate = &self.firing.function.aggregate;
        let mut panes = self.tables.range(window.start..window.end);
        let mut accs = panes.by_ref().filter_map(|(_, table)| table.get(key));
        let Some(first) = accs.next() else { return aggregate.create_accumulator() };
        let mut acc = first.clone();
        accs.for_each(|other| aggregate.merge(&mut acc, other));
        acc
    }

    /// Takes the accumulators of all keys over a window that ends now.
    fn collect_window(&mut self, window: TimeWindow) -> KeyTable<K, A::Acc> {
        let mut all: Option<KeyTable<K, A::Acc>> = None;
        let mut shared_from = window.start;
        if self.firing.lateness_ms == 0 {
            // This is the last window of the panes of its first slide.
            shared_from = window.end.min(window.start.saturating_add(self.grid.slide()));
            while let Some((start, _)) = self.tables.range(window.start..shared_from).next() {
                let start = *start;
                let Some(table) = self.tables.remove(&start) else { break };
                match &mut all {
                    None => all = Some(Arc::unwrap_or_clone(table)),
                    Some(all) => self.merge_table(all, &table),
                }
            }
        }
        for (_, table) in self.tables.range(shared_from..window.end) {
            match &mut all {
                None => all = Some(KeyTable::clone(table)),
                Some(all) => self.merge_table(all, table),
            }
        }
        let all = all.unwrap_or_default();
        self.last_keys = all.len();
        all
    }

    fn merge_table(&self, into: &mut KeyTable<K, A::Acc>, from: &KeyTable<K, A::Acc>) {
        let aggregate = &self.firing.function.aggregate;
        into.reserve(self.last_keys); // growing step by step cost as much as the merge
        for (key, acc) in from.iter() {
            into.merge_entry(key, || acc.clone(), |former| aggregate.merge(former, acc));
        }
    }

    /// Emits what is left of the window that is firing; `false` when there is no room.
    fn emit_rest(&mut self, out: &mut Output<Batch<E::Out>>) -> Result<bool> {
        let Some((window, accs)) = &mut self.emitting else { return Ok(true) };
        let mut emitted = 0;
        for (key, acc) in accs {
            if self.firing.was_cleaned_up(&key, *window) {
                continue;
            }
            self.firing.emit(window, &key, acc, out)?;
            emitted += 1;
            if emitted % RESULTS_PER_LOOK == 0 && !out.is_ready() {
                return Ok(false);
            }
        }
        self.emitting = None;
        Ok(out.is_ready())
    }

    /// The next window with rows that ends by the watermark.
    fn next_due_window(&self) -> Result<Option<TimeWindow>> {
        let Some((start, _)) = self.tables.range(self.next_window..).next() else {
            return Ok(None);
        };
        let Some((first, _)) = self.grid.pane_of(*start)?.windows else { return Ok(None) };
        let window = self.grid.window(first.max(self.next_window));
        Ok((window.max_timestamp() <= self.firing.watermark).then_some(window))
    }

    /// Drops every pane whose last window is cleaned up.
    fn drop_panes(&mut self) -> Result<()> {
        while let Some((start, _)) = self.tables.first_key_value() {
            let windows = self.grid.pane_of(*start)?.windows;
            if windows.is_some_and(|(_, last)| !self.firing.is_cleaned_up(self.grid.window(last))) {
                break;
            }
            self.tables.pop_first();
        }
        while let Some((start, _)) = self.firing.states.first_key_value()
            && self.firing.is_cleaned_up(self.grid.window(*start))
        {
            self.firing.states.pop_first();
        }
        Ok(())
    }
}

impl<T, K, S, A, E> Operator for PaneWindowOperator<T, K, S, A, E>
where
    T: Data,
    K: Key,
    S: Fn(&T) -> K + 'static,
    A: AggregateFunction<In = T>,
    E: EmitResult<K, A::Out>,
{
    type In = Batch<T>;
    type Out = Batch<E::Out>;

    fn open(&mut self, ctx: &OperatorContext) -> Result<()> {
        self.late.open(ctx);
        self.subtask = Some(ctx.subtask.clone());
        self.firing.clock = Arc::clone(&ctx.clock);
        (self.firing.watermark, self.firing.ahead) =
            StoredHeader::restore(&self.grid.layout(), &ctx.restored, &ctx.subtask)?;
        self.next_window = self.grid.first_open_window(self.firing.watermark);
        for (key, (start, acc)) in ctx.restored.keyed::<K, (i64, A::Acc)>(PANES, &ctx.subtask)? {
            let table = Arc::make_mut(self.tables.entry(start).or_default());
            table.get_or_insert_with(key, || acc);
        }
        for (key, (start, cells)) in
            ctx.restored.keyed::<K, (i64, StateCells)>(STATES, &ctx.subtask)?
        {
            self.firing.states.entry(start).or_default().get_or_insert_with(key, || cells);
        }
        Ok(())
    }

    fn on_batch(&mut self, batch: Batch<T>, out: &mut Output<Batch<E::Out>>) -> Result<()> {
        let batch = match self.firing.ahead.is_empty() {
            true => batch,
            false => self.without_late(batch, out)?,
        };
        let mut rows = batch.into_iter();
        let mut next = rows.next();
        let at = Cell::new(NO_TIMESTAMP);
        let describe = || at_time(at.get());
        let _context = RecordContext::new(&describe);
        'pane: while let Some((value, time)) = next.take() {
            at.set(time);
            let pane =
                self.grid.pane_of(time).map_err(|e| e.at(format!("record {}", show(&value))))?;
            let all_open = pane.windows.is_some_and(|(first, _)| {
                self.grid.window(first).max_timestamp() > self.firing.watermark
            });
            if !all_open {
                self.add_late(pane, value, time, out)?;
                next = rows.next();
                continue;
            }
            let aggregate = &self.firing.function.aggregate;
            let table = Arc::make_mut(self.tables.entry(pane.start).or_default());
            let mut key = (self.key_of)(&value);
            let mut value = value;
            loop {
                let (stored, acc) =
                    table.get_or_insert_with(key, || aggregate.create_accumulator());
                aggregate.add(acc, value);
                // More rows of this pane and key need no look-up.
                loop {
                    let Some((following, time)) = rows.next() else { return Ok(()) };
                    at.set(time);
                    if time < pane.start || time >= pane.end {
                        next = Some((following, time));
                        continue 'pane;
                    }
                    let following_key = (self.key_of)(&following);
                    if following_key != *stored {
                        key = following_key;
                        value = following;
                        break;
                    }
                    aggregate.add(acc, following);
                }
            }
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<Batch<E::Out>>,
    ) -> Result<Progress> {
        if watermark.0 < self.firing.watermark {
            // Only after a restore: event time was further before, and does not go back.
            return Ok(Progress::Hold);
        }
        self.firing.watermark = watermark.0;
        if !self.emit_rest(out)? {
            return Ok(Progress::More);
        }
        while let Some(window) = self.next_due_window()? {
            self.next_window = window.start.saturating_add(self.grid.slide());
            let accs = self.collect_window(window);
            self.emitting = Some((window, accs.into_iter()));
            if !self.emit_rest(out)? {
                return Ok(Progress::More);
            }
        }
        self.firing.ahead.reached(watermark.0);
        self.next_window = self.grid.first_open_window(watermark.0);
        self.drop_panes()?;
        Ok(Progress::Done)
    }

    fn snapshot(&mut self, _: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        let (firing, subtask) = (&self.firing, self.subtask.as_ref());
        let layout = self.grid.layout();
        StoredHeader::store(layout, firing.watermark, &firing.ahead, subtask, into)?;
        let Some(subtask) = subtask else { return Ok(()) };
        for (start, states) in &self.firing.states {
            for (key, cells) in states.iter() {
                into.put_keyed(STATES, subtask.max_parallelism, key, &(start, cells))?;
            }
        }
        // Panes are shared with the snapshot until it is written; only those that take rows
        // before that are copied.
        let panes = StateDescription::keyed::<K, (), (i64, A::Acc)>(PANES, StateKind::Window);
        let tables: Vec<_> = self.tables.iter().map(|(s, t)| (*s, Arc::clone(t))).collect();
        into.defer_keyed(panes, subtask, move |out| {
            for (start, table) in tables {
                table.iter().try_for_each(|(key, acc)| out.put(key, &(start, acc)))?;
            }
            Ok(())
        });
        Ok(())
    }
}
