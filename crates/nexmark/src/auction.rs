//! An auction: what is on sale, by whom, until when.

use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use crate::ids::{CATEGORIES, FIRST_AUCTION, FIRST_CATEGORY, FIRST_PERSON};

impl NexmarkConfig {
    pub(crate) fn auction_id(&self, number: u64) -> i64 {
        self.last_auction(number) as i64 + FIRST_AUCTION
    }
    pub(crate) fn auction_item_name(&self, number: u64, out: &mut Vec<u8>) {
        let mut draw = Draw::new(self.seed, number, Field::ItemName);
        let length = 3 + draw.below(18) as usize;
        draw.letters(length, out);
    }
    pub(crate) fn auction_description(&self, number: u64, out: &mut Vec<u8>) {
        let mut draw = Draw::new(self.seed, number, Field::Description);
        let length = 10 + draw.below(90) as usize;
        draw.letters(length, out);
    }
    pub(crate) fn auction_initial_bid(&self, number: u64) -> i64 {
        Draw::new(self.seed, number, Field::InitialBid).price()
    }
    /// What must be bid at least: above the first bid.
    pub(crate) fn auction_reserve(&self, number: u64) -> i64 {
        self.auction_initial_bid(number) + Draw::new(self.seed, number, Field::Reserve).price()
    }
    /// Open for as long as it takes, on average, until `in_flight_auctions` more are there.
    pub(crate) fn auction_expires_ms(&self, number: u64) -> i64 {
        let events = self.in_flight_auctions * self.cycle() / self.auction_proportion;
        let now_ms = self.timestamp_ms(number);
        let horizon_ms = (self.timestamp_ms(number + events) - now_ms).max(0) as u64;
        let open_ms =
            1 + Draw::new(self.seed, number, Field::Expires).below((2 * horizon_ms).max(1));
        now_ms.saturating_add(open_ms as i64)
    }
    pub(crate) fn auction_seller(&self, number: u64) -> i64 {
        let mut draw = Draw::new(self.seed, number, Field::Seller);
        let seller = match draw.below(self.hot_sellers_ratio) {
            0 => self.any_person(number, &mut draw),
            _ => self.hot_person(number),
        };
        seller as i64 + FIRST_PERSON
    }
    pub(crate) fn auction_category(&self, number: u64) -> i64 {
        FIRST_CATEGORY + Draw::new(self.seed, number, Field::Category).below(CATEGORIES) as i64
    }
}
