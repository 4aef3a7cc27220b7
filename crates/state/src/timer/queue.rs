//! Timers in memory.
//!
//! The queue is a map from time to the set of timers due then, because windows
//! register very many timers for very few distinct times.
//!
//! Invariant: timers fire in order of time, and within one time in order of
//! registration; a deleted timer does not fire, not even when others of its time
//! are firing already.

use crate::{OperatorSnapshot, Restored, StateDescription, StateKind, SubtaskInfo};
use indexmap::IndexMap;
use millstream_core::key_group::StableHasher;
use millstream_core::{Key, Result};
use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hash};
use std::sync::Arc;

/// The timers of one time; `false` marks a deleted one, whose place is kept.
type Slot<K, N> = IndexMap<(K, N), bool, BuildHasherDefault<StableHasher>>;

/// Timers of one time domain. `N` is the namespace: a window, or `()`.
///
/// ```
/// use millstream_state::TimerQueue;
/// let mut timers = TimerQueue::default();
/// timers.register(20, "b", ());
/// timers.register(10, "a", ());
/// timers.register(10, "a", ());
/// assert_eq!(timers.pop_due(15), Some((10, "a", ())));
/// assert_eq!(timers.pop_due(15), None);
/// assert_eq!(timers.next_time(), Some(20));
/// ```
#[derive(Debug)]
pub struct TimerQueue<K, N> {
    /// Shared with a snapshot that is not written yet; copied when it changes before that.
    slots: BTreeMap<i64, Arc<Slot<K, N>>>,
    /// The slot that is firing: its time, its timers, the next one's place.
    firing: Option<(i64, Slot<K, N>, usize)>,
    len: usize,
}

impl<K, N> Default for TimerQueue<K, N> {
    fn default() -> Self {
        TimerQueue { slots: BTreeMap::new(), firing: None, len: 0 }
    }
}

impl<K: Eq + Hash + Clone, N: Eq + Hash + Clone> TimerQueue<K, N> {
    /// Registers a timer; one that is there already stays one.
    pub fn register(&mut self, time: i64, key: K, namespace: N) {
        let timer = (key, namespace);
        if let Some((at, slot, next)) = &self.firing
            && *at == time
            && slot.get_full(&timer).is_some_and(|(i, _, live)| *live && i >= *next)
        {
            return;
        }
        let slot = Arc::make_mut(self.slots.entry(time).or_default());
        let live = slot.entry(timer).or_insert(false);
        self.len += usize::from(!std::mem::replace(live, true));
    }

    /// Deletes a timer, if it is there and has not fired.
    pub fn delete(&mut self, time: i64, key: &K, namespace: &N) {
        let timer = (key.clone(), namespace.clone());
        if let Some((at, slot, next)) = &mut self.firing
            && *at == time
            && let Some((i, _, live)) = slot.get_full_mut(&timer)
            && i >= *next
        {
            self.len -= usize::from(std::mem::replace(live, false));
        }
        if let Some(slot) = self.slots.get_mut(&time).map(Arc::make_mut)
            && let Some(live) = slot.get_mut(&timer)
        {
            self.len -= usize::from(std::mem::replace(live, false));
            if slot.last().is_some_and(|(_, live)| !live) {
                slot.pop();
            }
            if slot.is_empty() {
                self.slots.remove(&time);
            }
        }
    }

    /// The next timer with a time `<= up_to`, taken out.
    pub fn pop_due(&mut self, up_to: i64) -> Option<(i64, K, N)> {
        loop {
            // A timer registered while firing may be earlier than the rest of the slot.
            let earlier = self.slots.first_key_value().map(|(time, _)| *time);
            match &mut self.firing {
                Some((time, slot, next)) if earlier.is_none_or(|e| e >= *time) => {
                    if *time > up_to {
                        return None;
                    }
                    let Some(((key, namespace), live)) = slot.get_index(*next) else {
                        self.firing = None;
                        continue;
                    };
                    *next += 1;
                    if *live {
                        self.len -= 1;
                        return Some((*time, key.clone(), namespace.clone()));
                    }
                }
                _ => {
                    if earlier.is_none_or(|time| time > up_to) {
                        return None;
                    }
                    let former = self.firing.take();
                    self.firing = self
                        .slots
                        .pop_first()
                        .map(|(time, slot)| (time, Arc::unwrap_or_clone(slot), 0));
                    if let Some((time, slot, next)) = former {
                        let rest: Vec<_> =
                            slot.into_iter().skip(next).filter(|(_, live)| *live).collect();
                        Arc::make_mut(self.slots.entry(time).or_default()).extend(rest);
                    }
                }
            }
        }
    }

    /// When the next timer is due (or a deleted one was: it may be early, never late).
    pub fn next_time(&self) -> Option<i64> {
        let slot = self.slots.first_key_value().map(|(time, _)| *time);
        let firing = self.firing.as_ref().filter(|(_, s, next)| *next < s.len()).map(|f| f.0);
        slot.into_iter().chain(firing).min()
    }

    /// Number of timers.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every timer, by time and then by registration.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &K, &N)> {
        let firing = self.firing.iter().flat_map(|(time, slot, next)| {
            slot.iter().skip(*next).map(|(timer, live)| (*time, timer, *live))
        });
        let slots = self
            .slots
            .iter()
            .flat_map(|(time, slot)| slot.iter().map(|(timer, live)| (*time, timer, *live)));
        firing
            .chain(slots)
            .filter(|t| t.2)
            .map(|(time, (key, namespace), _)| (time, key, namespace))
    }
}

impl<K: Key, N: Key> TimerQueue<K, N> {
    /// Stores every timer as keyed state `name`; they are encoded on the uploader thread.
    pub fn snapshot(&self, name: &str, subtask: &SubtaskInfo, into: &mut OperatorSnapshot) {
        let description = StateDescription::keyed::<K, (), (i64, N)>(name, StateKind::Timers);
        // Timers of the time that is firing are few: at a barrier there are none.
        let firing: Vec<_> = self
            .firing
            .iter()
            .flat_map(|(time, slot, next)| slot.iter().skip(*next).map(|timer| (*time, timer)))
            .filter(|(_, (_, live))| **live)
            .map(|(time, (timer, _))| (time, timer.clone()))
            .collect();
        let slots: Vec<_> =
            self.slots.iter().map(|(time, slot)| (*time, Arc::clone(slot))).collect();
        if firing.is_empty() && slots.is_empty() {
            return into.describe(description);
        }
        into.defer_keyed(description, subtask, move |out| {
            for (time, (key, namespace)) in &firing {
                out.put(key, &(time, namespace))?;
            }
            for (time, slot) in slots {
                for ((key, namespace), _) in slot.iter().filter(|(_, live)| **live) {
                    out.put(key, &(time, namespace))?;
                }
            }
            Ok(())
        });
    }

    /// Registers the stored timers of this subtask's keys.
    ///
    /// # Errors
    /// `Corrupt` when they do not decode.
    pub fn restore(&mut self, name: &str, from: &Restored, subtask: &SubtaskInfo) -> Result<()> {
        for (key, (time, namespace)) in from.keyed::<K, (i64, N)>(name, subtask)? {
            self.register(time, key, namespace);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Register(i64, u8),
        Delete(i64, u8),
        Pop(i64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let time = 0i64..6;
        prop_oneof![
            3 => (time.clone(), 0u8..4).prop_map(|(t, k)| Op::Register(t, k)),
            1 => (time.clone(), 0u8..4).prop_map(|(t, k)| Op::Delete(t, k)),
            3 => time.prop_map(Op::Pop),
        ]
    }

    proptest! {
        /// The model: a list in order of registration, the earliest first.
        #[test]
        fn behaves_like_a_sorted_list(ops in prop::collection::vec(op(), 0..60)) {
            let mut timers = TimerQueue::default();
            let mut model: Vec<(i64, u8)> = Vec::new();
            for op in ops {
                match op {
                    Op::Register(t, k) => {
                        timers.register(t, k, ());
                        if !model.contains(&(t, k)) { model.push((t, k)); }
                    }
                    Op::Delete(t, k) => {
                        timers.delete(t, &k, &());
                        model.retain(|m| *m != (t, k));
                    }
                    Op::Pop(up_to) => {
                        let due = model.iter().map(|m| m.0).filter(|t| *t <= up_to).min();
                        let got = timers.pop_due(up_to);
                        prop_assert_eq!(got.map(|g| g.0), due);
                        if let Some((t, k, ())) = got {
                            prop_assert!(model.contains(&(t, k)));
                            model.retain(|m| *m != (t, k));
                        }
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                let mut listed: Vec<_> = timers.iter().map(|(t, k, ())| (t, *k)).collect();
                let mut sorted = model.clone();
                listed.sort_unstable();
                sorted.sort_unstable();
                prop_assert_eq!(listed, sorted);
            }
        }
    }
}
