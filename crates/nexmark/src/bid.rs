//! A bid: who offers how much for what, and through which channel.

use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use crate::ids::{FIRST_AUCTION, FIRST_PERSON};
use std::fmt::Write as _;

/// Half of all bids come through one of these.
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

/// Which channel: below 4 a hot one, above that `channel-N`.
struct Channel(u64);

impl NexmarkConfig {
    pub(crate) fn bid_auction(&self, number: u64) -> i64 {
        let mut draw = Draw::new(self.seed, number, Field::Auction);
        let auction = match draw.below(self.hot_auction_ratio) {
            0 => self.any_auction(number, &mut draw),
            _ => self.hot_auction(number),
        };
        auction as i64 + FIRST_AUCTION
    }
    pub(crate) fn bid_bidder(&self, number: u64) -> i64 {
        let mut draw = Draw::new(self.seed, number, Field::Bidder);
        let bidder = match draw.below(self.hot_bidders_ratio) {
            0 => self.any_person(number, &mut draw),
            // Not the one who is hot as a seller.
            _ => self.hot_person(number) + 1,
        };
        bidder as i64 + FIRST_PERSON
    }
    pub(crate) fn bid_price(&self, number: u64) -> i64 {
        Draw::new(self.seed, number, Field::Price).price()
    }
    fn channel(&self, number: u64) -> Channel {
        let mut draw = Draw::new(self.seed, number, Field::Channel);
        Channel(match draw.below(2) {
            0 => 4 + draw.below(CHANNELS),
            _ => draw.below(4),
        })
    }
    pub(crate) fn bid_channel(&self, number: u64, out: &mut String) {
        match self.channel(number).0 {
            hot @ 0..4 => out.push_str(HOT_CHANNELS[hot as usize]),
            cold => {
                let _ = write!(out, "channel-{}", cold - 4); // a String takes all
            }
        }
    }
    /// The same for all bids of a channel; nine of ten cold channels say their id in it.
    pub(crate) fn bid_url(&self, number: u64, out: &mut String) {
        let channel = self.channel(number).0;
        let mut draw = Draw::new(self.seed, channel, Field::Url);
        out.push_str("https://www.nexmark.com");
        for _ in 0..3 {
            out.push('/');
            draw.letters(5, out);
        }
        out.push_str("/item.htm?query=1");
        if channel >= 4 && draw.below(10) > 0 {
            let _ = write!(out, "&channel_id={}", draw.below(1 << 31)); // a String takes all
        }
    }
}
