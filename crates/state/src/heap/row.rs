//! One entry of a heap table, as small as its parts.
//!
//! Functions change a value as an `Option`, where `None` removes the entry; a row keeps the
//! value without one, which for a number makes it a third smaller. So a value is moved out
//! for the change and back behind it, which costs nothing once the change is inlined.
//!
//! Invariant: the value of a row is there whenever no [`change`] of the row is on its way;
//! also when the change panics, which leaves what it had in the `Option`.

use hashbrown::hash_table::OccupiedEntry;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// One entry.
#[derive(Clone)]
pub(super) struct Row<K, N, V> {
    pub(super) key: K,
    pub(super) namespace: N,
    pub(super) value: Held<V>,
}

/// A value that can be moved out for a moment.
pub(super) struct Held<V>(MaybeUninit<V>);

impl<V> Held<V> {
    pub(super) fn new(value: V) -> Self {
        Held(MaybeUninit::new(value))
    }
}

impl<V> Deref for Held<V> {
    type Target = V;
    #[inline]
    fn deref(&self) -> &V {
        // SAFETY: it is there, by the invariant of the module.
        unsafe { self.0.assume_init_ref() }
    }
}

impl<V> DerefMut for Held<V> {
    #[inline]
    fn deref_mut(&mut self) -> &mut V {
        // SAFETY: it is there, by the invariant of the module.
        unsafe { self.0.assume_init_mut() }
    }
}

impl<V: Clone> Clone for Held<V> {
    fn clone(&self) -> Self {
        Held::new((**self).clone())
    }
}

impl<V> Drop for Held<V> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is there, by the invariant of the module, and never used again.
        unsafe { self.0.assume_init_drop() }
    }
}

/// A row whose value is out; it goes back, or the row goes, when this is dropped.
struct Taken<'t, K, N, V> {
    entry: Option<OccupiedEntry<'t, Row<K, N, V>>>,
    value: Option<V>,
}

impl<K, N, V> Drop for Taken<'_, K, N, V> {
    #[inline]
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        match self.value.take() {
            // The former content is not dropped: it was moved out.
            Some(value) => entry.get_mut().value.0 = MaybeUninit::new(value),
            None => {
                let (Row { value, .. }, _) = entry.remove();
                std::mem::forget(value);
            }
        }
    }
}

/// Changes the value of an entry; `None` removes it.
#[inline]
pub(super) fn change<K, N, V, R>(
    mut entry: OccupiedEntry<'_, Row<K, N, V>>,
    change: impl FnOnce(&mut Option<V>) -> R,
) -> R {
    // SAFETY: the value is there, and `Taken` puts one in its place or forgets the row's:
    // it is dropped here only.
    let value = unsafe { entry.get_mut().value.0.assume_init_read() };
    let mut taken = Taken { entry: Some(entry), value: Some(value) };
    change(&mut taken.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hashbrown::HashTable;
    use hashbrown::hash_table::Entry;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    type Value = Rc<&'static str>;

    fn changed(table: &mut HashTable<Row<u8, (), Value>>, f: impl FnOnce(&mut Option<Value>)) {
        match table.entry(0, |_| true, |_| 0) {
            Entry::Occupied(entry) => change(entry, f),
            Entry::Vacant(_) => panic!("the row is gone"),
        }
    }

    #[test]
    fn every_value_is_dropped_once_also_when_the_change_panics() {
        let (first, second) = (Rc::new("first"), Rc::new("second"));
        let mut table = HashTable::new();
        let row = Row { key: 1, namespace: (), value: Held::new(Rc::clone(&first)) };
        table.insert_unique(0, row, |_| 0);
        changed(&mut table, |slot| *slot = Some(Rc::clone(&second)));
        assert_eq!((Rc::strong_count(&first), Rc::strong_count(&second)), (1, 2));
        let kept = catch_unwind(AssertUnwindSafe(|| {
            changed(&mut table, |_| panic!("with the value in its place"));
        }));
        assert!(kept.is_err());
        assert_eq!((table.len(), Rc::strong_count(&second)), (1, 2));
        let lost = catch_unwind(AssertUnwindSafe(|| {
            changed(&mut table, |slot| {
                let _moved = slot.take();
                panic!("with the value out");
            });
        }));
        assert!(lost.is_err());
        assert_eq!((table.len(), Rc::strong_count(&second)), (0, 1));
    }

    #[test]
    fn a_row_has_no_more_than_its_parts() {
        assert_eq!(size_of::<Row<u64, (), u64>>(), 16);
    }
}
