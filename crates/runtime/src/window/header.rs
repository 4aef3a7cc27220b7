//! What windows and joins store beside their contents: layout and event time.
//!
//! Invariants: state is read only by the layout that wrote it; event time does not go back
//! at a restore, so a record that was late before is late after, and no window fires again
//! for one. After an unaligned checkpoint and at another parallelism some key groups may be
//! ahead of the others: [`Ahead`].

use crate::operator::SubtaskInfo;
use crate::snapshot::{OperatorSnapshot, Restored};
use millstream_core::{Error, EventTime, Key, KeyGroup, Result, key_group_of};
use serde::{Deserialize, Serialize};

const HEADER: &str = "window-header";
/// First group, one past the last, and their event time; a group may be in several.
const EVENT_TIMES: &str = "window-event-times";

/// The event time of key groups that had come further than the operator, which starts where
/// the slowest was. Empty but for a while after such a restore.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    first: KeyGroup,
    max_parallelism: usize,
    of: Vec<EventTime>,
}

impl Ahead {
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
    /// Whether event time had reached `time` for this key.
    pub(crate) fn has_passed<K: Key>(&self, key: &K, time: EventTime) -> bool {
        if self.of.is_empty() {
            return false;
        }
        let group = key_group_of(key, self.max_parallelism).wrapping_sub(self.first);
        self.of.get(usize::from(group)).is_some_and(|reached| time <= *reached)
    }
    /// The operator has come to `watermark`.
    pub(crate) fn reached(&mut self, watermark: EventTime) {
        if self.of.iter().all(|time| *time <= watermark) {
            self.of.clear();
        }
    }
}

/// Says how the rest of a window operator's state is laid out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredHeader {
    pub(crate) layout: String,
    pub(crate) watermark: EventTime,
}

impl StoredHeader {
    pub(crate) fn store(
        layout: String,
        watermark: EventTime,
        ahead: &Ahead,
        subtask: Option<&SubtaskInfo>,
        into: &mut OperatorSnapshot,
    ) -> Result<()> {
        into.put_list(HEADER, &StoredHeader { layout, watermark })?;
        let Some(subtask) = subtask else { return Ok(()) };
        let own = subtask.key_groups();
        into.put_list(EVENT_TIMES, &(own.start, own.end, watermark))?;
        for (group, time) in (ahead.first..).zip(&ahead.of).filter(|(_, t)| **t > watermark) {
            into.put_list(EVENT_TIMES, &(group, group + 1, *time))?;
        }
        Ok(())
    }
    /// The layout that restored state was stored with.
    pub(crate) fn layout(from: &Restored) -> Result<Option<String>> {
        let headers = from.list_union::<StoredHeader>(HEADER)?;
        Ok(headers.into_iter().next().map(|header| header.layout))
    }
    /// Checks the layout of restored state and gives its watermark, `i64::MIN` when it is
    /// fresh, or was stored after the end of bounded input: what comes now is new input.
    pub(crate) fn restore(
        layout: &str,
        from: &Restored,
        subtask: &SubtaskInfo,
    ) -> Result<(EventTime, Ahead)> {
        let headers = from.list_union::<StoredHeader>(HEADER)?;
        if let Some(other) = headers.iter().find(|header| header.layout != layout) {
            return Err(Error::config(format!(
                "the stored windows are '{}', the job now has '{layout}'",
                other.layout
            ))
            .advice("restore with the windows of before, or give the changed operator a new uid"));
        }
        let new = |time: EventTime| if time == i64::MAX { i64::MIN } else { time };
        let all = from.list_union::<(KeyGroup, KeyGroup, EventTime)>(EVENT_TIMES)?;
        let own = subtask.key_groups();
        let of = |group: KeyGroup| {
            let with = all.iter().filter(|(start, end, _)| (*start..*end).contains(&group));
            with.map(|(_, _, time)| new(*time)).max()
        };
        let of: Option<Vec<EventTime>> = own.iter().map(of).collect();
        let Some(of) = of else {
            // Stored by an older build: of all subtasks alike.
            let slowest = headers.iter().map(|header| header.watermark).min();
            return Ok((slowest.map_or(i64::MIN, new), Ahead::default()));
        };
        let slowest = of.iter().copied().min().unwrap_or(i64::MIN);
        let max_parallelism = subtask.max_parallelism;
        let mut ahead = Ahead { first: own.start, max_parallelism, of };
        ahead.reached(slowest);
        Ok((slowest, ahead))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn subtask(index: usize, parallelism: usize) -> SubtaskInfo {
        let (name, uid) = ("windows".to_owned(), "windows".to_owned());
        SubtaskInfo { name, uid, index, parallelism, max_parallelism: 4 }
    }
    fn stored(of: &[(SubtaskInfo, EventTime)]) -> Restored {
        let one = |(subtask, watermark): &(SubtaskInfo, EventTime)| {
            let mut into = OperatorSnapshot::default();
            let none = Ahead::default();
            StoredHeader::store("a".into(), *watermark, &none, Some(subtask), &mut into).unwrap();
            into.into_stored().unwrap()
        };
        Restored::from_stored(of.iter().map(one).collect::<Vec<_>>())
    }

    #[test]
    fn every_key_group_goes_on_where_it_was() {
        let two = stored(&[(subtask(0, 2), 10), (subtask(1, 2), 5)]);
        let at = |index, parallelism| {
            let (watermark, ahead) =
                StoredHeader::restore("a", &two, &subtask(index, parallelism)).unwrap();
            (watermark, ahead.of)
        };
        assert_eq!(at(0, 2), (10, vec![]));
        assert_eq!(at(1, 2), (5, vec![]));
        assert_eq!(at(0, 1), (5, vec![10, 10, 5, 5]));
        let (_, mut ahead) = StoredHeader::restore("a", &two, &subtask(0, 1)).unwrap();
        let passed: Vec<bool> = (0..40u32).map(|key| ahead.has_passed(&key, 7)).collect();
        let wanted: Vec<bool> = (0..40u32).map(|key| key_group_of(&key, 4) < 2).collect();
        assert_eq!(passed, wanted);
        // Once more in between: nothing is forgotten.
        let mut into = OperatorSnapshot::default();
        StoredHeader::store("a".into(), 7, &ahead, Some(&subtask(0, 1)), &mut into).unwrap();
        let again = Restored::from_stored([into.into_stored().unwrap()]);
        let (watermark, later) = StoredHeader::restore("a", &again, &subtask(0, 1)).unwrap();
        assert_eq!((watermark, later.of), (7, vec![10, 10, 7, 7]));
        ahead.reached(10);
        assert!(ahead.is_empty());
    }
}
