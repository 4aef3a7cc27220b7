//! Which people and auctions there are when an event happens.
//!
//! Counted from zero here; [`FIRST_PERSON`] and [`FIRST_AUCTION`] are added to what is seen
//! outside, so that an id of one kind does not look like a count.

use crate::config::NexmarkConfig;
use crate::draw::Draw;

pub(crate) const FIRST_PERSON: i64 = 1000;
pub(crate) const FIRST_AUCTION: i64 = 1000;
pub(crate) const FIRST_CATEGORY: i64 = 10;
pub(crate) const CATEGORIES: u64 = 5;
/// Ids that may be named before they exist.
const LEAD: u64 = 10;
/// Of so many consecutive ids one is hot.
const HOT_EVERY: u64 = 100;

impl NexmarkConfig {
    /// The newest person at event `number`, counted from zero.
    #[inline]
    pub(crate) fn last_person(&self, number: u64) -> u64 {
        let (cycle, offset) = (number / self.cycle(), number % self.cycle());
        cycle * self.person_proportion + offset.min(self.person_proportion - 1)
    }
    /// The newest auction at event `number`, counted from zero; the very first events have
    /// none yet and answer 0.
    #[inline]
    pub(crate) fn last_auction(&self, number: u64) -> u64 {
        let (cycle, offset) = (number / self.cycle(), number % self.cycle());
        match offset.checked_sub(self.person_proportion) {
            Some(nth) => cycle * self.auction_proportion + nth.min(self.auction_proportion - 1),
            None => (cycle * self.auction_proportion).saturating_sub(1),
        }
    }
    /// Somebody who is active, or will be soon.
    pub(crate) fn any_person(&self, number: u64, draw: &mut Draw) -> u64 {
        let people = self.last_person(number) + 1;
        let active = people.min(self.active_people);
        people - active + draw.below(active + LEAD)
    }
    /// An auction that is open, or will be soon.
    pub(crate) fn any_auction(&self, number: u64, draw: &mut Draw) -> u64 {
        let last = self.last_auction(number);
        let first = last.saturating_sub(self.in_flight_auctions);
        first + draw.below(last - first + 1 + LEAD)
    }
    pub(crate) fn hot_person(&self, number: u64) -> u64 {
        self.last_person(number) / HOT_EVERY * HOT_EVERY
    }
    pub(crate) fn hot_auction(&self, number: u64) -> u64 {
        self.last_auction(number) / HOT_EVERY * HOT_EVERY
    }
}
