//! The entry of the key at hand, without the type of the key.
//!
//! Invariant: an expired value is seen only where the TTL says so, and never changed into
//! one that lives.

use crate::clock::StateClock;
use crate::table::{MapRef, Table, TableRef};
use crate::ttl::{Timed, Ttl, TtlUpdate, Visibility};
use millstream_core::{Data, Error, Key, Result};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

pub(super) type Current<K> = Rc<RefCell<Option<K>>>;

/// One value a key.
pub(super) trait Entry<V> {
    fn modify(&self, change: &mut dyn FnMut(&mut Option<V>)) -> Result<()>;
    fn read(&self, look: &mut dyn FnMut(Option<&V>)) -> Result<()>;
}

/// A list a key.
pub(super) trait ListEntry<V> {
    fn add(&self, value: V) -> Result<()>;
    fn get(&self) -> Result<Vec<V>>;
    fn update(&self, values: Vec<V>) -> Result<()>;
}

/// A map a key.
pub(super) trait MapEntry<MK, MV> {
    fn get(&self, at: &MK) -> Result<Option<MV>>;
    fn put(&self, at: MK, value: Option<MV>) -> Result<()>;
    fn entries(&self) -> Result<Vec<(MK, MV)>>;
    fn clear(&self) -> Result<()>;
}

#[cold]
fn no_key(name: &str) -> Error {
    Error::user(format!("keyed state '{name}' was used where there is no key"))
        .advice("use keyed state in calls for a keyed record or its timers only")
}

pub(super) struct Cell<K: Key, V: Data> {
    pub(super) name: String,
    pub(super) current: Current<K>,
    pub(super) table: TableRef<K, (), V>,
}

impl<K: Key, V: Data> Cell<K, V> {
    #[inline]
    fn with<R>(&self, call: impl FnOnce(&K) -> Result<R>) -> Result<R> {
        let current = self.current.borrow();
        call(current.as_ref().ok_or_else(|| no_key(&self.name))?)
    }
}

impl<K: Key, V: Data> Entry<V> for Cell<K, V> {
    fn modify(&self, change: &mut dyn FnMut(&mut Option<V>)) -> Result<()> {
        self.with(|key| self.table.modify(key, &(), change))
    }
    fn read(&self, look: &mut dyn FnMut(Option<&V>)) -> Result<()> {
        self.with(|key| self.table.read(key, &(), look))
    }
}

impl Ttl {
    fn is_over(&self, touched: i64, now_ms: i64) -> bool {
        touched.saturating_add(self.ttl_ms) <= now_ms
    }
    fn hides(&self, touched: i64, now_ms: i64) -> bool {
        self.visibility == Visibility::NeverReturnExpired && self.is_over(touched, now_ms)
    }
    fn touches_on_read(&self) -> bool {
        self.update == TtlUpdate::OnReadAndWrite
    }
}

pub(super) struct TimedCell<K: Key, V: Data> {
    pub(super) cell: Cell<K, Timed<V>>,
    pub(super) ttl: Ttl,
    pub(super) clock: Arc<StateClock>,
}

impl<K: Key, V: Data> Entry<V> for TimedCell<K, V> {
    fn modify(&self, change: &mut dyn FnMut(&mut Option<V>)) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.cell.modify(&mut |slot| {
            let former = slot.take().filter(|timed| !self.ttl.hides(timed.0, now_ms));
            let mut value = former.map(|timed| timed.1);
            change(&mut value);
            *slot = value.map(|value| Timed(now_ms, value));
        })?;
        self.cell.table.clean();
        Ok(())
    }
    fn read(&self, look: &mut dyn FnMut(Option<&V>)) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let shown = |timed: &&Timed<V>| !self.ttl.hides(timed.0, now_ms);
        if !self.ttl.touches_on_read() {
            return self.cell.read(&mut |slot| look(slot.filter(shown).map(|timed| &timed.1)));
        }
        self.cell.modify(&mut |slot| {
            if let Some(timed) = slot.as_mut().filter(|timed| !self.ttl.is_over(timed.0, now_ms)) {
                timed.0 = now_ms;
            }
            look(slot.as_ref().filter(shown).map(|timed| &timed.1));
        })?;
        self.cell.table.clean();
        Ok(())
    }
}

pub(super) struct PlainList<K: Key, V: Data>(pub(super) Cell<K, Vec<V>>);

impl<K: Key, V: Data> ListEntry<V> for PlainList<K, V> {
    fn add(&self, value: V) -> Result<()> {
        let mut value = Some(value);
        self.0.modify(&mut |slot| slot.get_or_insert_default().extend(value.take()))
    }
    fn get(&self) -> Result<Vec<V>> {
        let mut found = Vec::new();
        self.0.read(&mut |list| found = list.cloned().unwrap_or_default())?;
        Ok(found)
    }
    fn update(&self, values: Vec<V>) -> Result<()> {
        let mut values = Some(values).filter(|v| !v.is_empty());
        self.0.modify(&mut |slot| *slot = values.take())
    }
}

/// Each element has its own time; the list has the latest, for the backends' cleaning.
pub(super) struct TimedList<K: Key, V: Data> {
    pub(super) cell: Cell<K, Timed<Vec<Timed<V>>>>,
    pub(super) ttl: Ttl,
    pub(super) clock: Arc<StateClock>,
}

impl<K: Key, V: Data> ListEntry<V> for TimedList<K, V> {
    fn add(&self, value: V) -> Result<()> {
        let (now_ms, mut value) = (self.clock.now_ms(), Some(value));
        self.cell.modify(&mut |slot| {
            let list = slot.get_or_insert_with(|| Timed(now_ms, Vec::new()));
            list.1.retain(|element| !self.ttl.is_over(element.0, now_ms));
            list.1.extend(value.take().map(|value| Timed(now_ms, value)));
            list.0 = now_ms;
        })?;
        self.cell.table.clean();
        Ok(())
    }
    fn get(&self) -> Result<Vec<V>> {
        let (now_ms, mut found) = (self.clock.now_ms(), Vec::new());
        let touch = self.ttl.touches_on_read();
        let mut collect = |list: &Vec<Timed<V>>| {
            let shown = list.iter().filter(|element| !self.ttl.hides(element.0, now_ms));
            found = shown.map(|element| element.1.clone()).collect();
        };
        if touch {
            self.cell.modify(&mut |slot| {
                let Some(list) = slot else { return };
                collect(&list.1);
                for element in list.1.iter_mut().filter(|e| !self.ttl.is_over(e.0, now_ms)) {
                    (element.0, list.0) = (now_ms, now_ms);
                }
            })?;
            self.cell.table.clean();
        } else {
            self.cell.read(&mut |slot| {
                if let Some(list) = slot {
                    collect(&list.1);
                }
            })?;
        }
        Ok(found)
    }
    fn update(&self, values: Vec<V>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let values: Vec<_> = values.into_iter().map(|value| Timed(now_ms, value)).collect();
        let mut values = Some(values).filter(|v| !v.is_empty());
        self.cell.modify(&mut |slot| *slot = values.take().map(|values| Timed(now_ms, values)))?;
        self.cell.table.clean();
        Ok(())
    }
}

pub(super) struct PlainMap<K: Key, MK: Key + Ord, MV: Data> {
    pub(super) name: String,
    pub(super) current: Current<K>,
    pub(super) table: MapRef<K, MK, MV>,
}

impl<K: Key, MK: Key + Ord, MV: Data> PlainMap<K, MK, MV> {
    fn with<R>(&self, call: impl FnOnce(&K) -> Result<R>) -> Result<R> {
        let current = self.current.borrow();
        call(current.as_ref().ok_or_else(|| no_key(&self.name))?)
    }
}

impl<K: Key, MK: Key + Ord, MV: Data> MapEntry<MK, MV> for PlainMap<K, MK, MV> {
    fn get(&self, at: &MK) -> Result<Option<MV>> {
        self.with(|key| self.table.read(key, at, |value| value.cloned()))
    }
    fn put(&self, at: MK, value: Option<MV>) -> Result<()> {
        self.with(|key| self.table.modify(key, &at, |slot| *slot = value))
    }
    fn entries(&self) -> Result<Vec<(MK, MV)>> {
        self.with(|key| self.table.entries(key))
    }
    fn clear(&self) -> Result<()> {
        self.with(|key| self.table.clear(key))
    }
}

pub(super) struct TimedMap<K: Key, MK: Key + Ord, MV: Data> {
    pub(super) map: PlainMap<K, MK, Timed<MV>>,
    pub(super) ttl: Ttl,
    pub(super) clock: Arc<StateClock>,
}

impl<K: Key, MK: Key + Ord, MV: Data> MapEntry<MK, MV> for TimedMap<K, MK, MV> {
    fn get(&self, at: &MK) -> Result<Option<MV>> {
        let now_ms = self.clock.now_ms();
        let shown = |timed: &&Timed<MV>| !self.ttl.hides(timed.0, now_ms);
        if !self.ttl.touches_on_read() {
            return self.map.with(|key| {
                let look = |t: Option<&Timed<MV>>| t.filter(shown).map(|t| t.1.clone());
                self.map.table.read(key, at, look)
            });
        }
        self.map.with(|key| {
            self.map.table.modify(key, at, |slot| {
                let value = slot.as_ref().filter(shown).map(|timed| timed.1.clone());
                if let Some(timed) = slot.as_mut().filter(|t| !self.ttl.is_over(t.0, now_ms)) {
                    timed.0 = now_ms;
                }
                value
            })
        })
    }
    fn put(&self, at: MK, value: Option<MV>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        self.map.put(at, value.map(|value| Timed(now_ms, value)))?;
        self.map.table.clean();
        Ok(())
    }
    fn entries(&self) -> Result<Vec<(MK, MV)>> {
        let now_ms = self.clock.now_ms();
        let mut entries = self.map.entries()?;
        entries.retain(|(_, timed)| !self.ttl.hides(timed.0, now_ms));
        if self.ttl.touches_on_read() {
            for (at, timed) in entries.iter().filter(|(_, t)| !self.ttl.is_over(t.0, now_ms)) {
                self.map.put(at.clone(), Some(Timed(now_ms, timed.1.clone())))?;
            }
        }
        Ok(entries.into_iter().map(|(at, timed)| (at, timed.1)).collect())
    }
    fn clear(&self) -> Result<()> {
        self.map.clear()
    }
}
