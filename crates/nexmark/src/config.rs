//! What kind of auction house: seed, rate, proportions, hot items.

use millstream_core::{Error, Result};

/// Settings of the generator. The defaults are those of the Nexmark suite.
///
/// ```
/// use millstream_nexmark::NexmarkConfig;
/// let config = NexmarkConfig { events_per_second: 1000, ..NexmarkConfig::default() };
/// config.validate()?;
/// assert_eq!(config.timestamp_ms(2500), config.base_time_ms + 2500);
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NexmarkConfig {
    /// Same seed, same events.
    pub seed: u64,
    /// Event time of event 0, in milliseconds since 1970.
    pub base_time_ms: i64,
    /// Events in one second of event time (not of the clock).
    pub events_per_second: u64,
    /// People of each cycle of events.
    pub person_proportion: u64,
    /// Auctions of each cycle.
    pub auction_proportion: u64,
    /// Bids of each cycle.
    pub bid_proportion: u64,
    /// One in so many bids goes to an auction that is not hot.
    pub hot_auction_ratio: u64,
    /// One in so many bids is from a person who is not hot.
    pub hot_bidders_ratio: u64,
    /// One in so many auctions is of a seller who is not hot.
    pub hot_sellers_ratio: u64,
    /// Auctions that are open at a time.
    pub in_flight_auctions: u64,
    /// People who bid and sell at a time.
    pub active_people: u64,
    /// Mean size of a person in bytes, filled up by `extra`.
    pub person_size: u64,
    /// Mean size of an auction in bytes.
    pub auction_size: u64,
    /// Mean size of a bid in bytes.
    pub bid_size: u64,
}

impl Default for NexmarkConfig {
    fn default() -> Self {
        NexmarkConfig {
            seed: 0,
            base_time_ms: 1_436_918_400_000, // 2015-07-15 00:00:00 UTC, as in the suite
            events_per_second: 10_000,
            person_proportion: 1,
            auction_proportion: 3,
            bid_proportion: 46,
            hot_auction_ratio: 2,
            hot_bidders_ratio: 4,
            hot_sellers_ratio: 4,
            in_flight_auctions: 100,
            active_people: 1000,
            person_size: 200,
            auction_size: 500,
            bid_size: 100,
        }
    }
}

impl NexmarkConfig {
    /// Events of one cycle.
    pub(crate) fn cycle(&self) -> u64 {
        self.person_proportion + self.auction_proportion + self.bid_proportion
    }
    /// Event time of event `number`, in milliseconds since 1970.
    #[inline]
    pub fn timestamp_ms(&self, number: u64) -> i64 {
        let rate = self.events_per_second.max(1);
        let ms = match number.checked_mul(1000) {
            Some(thousandfold) => thousandfold / rate,
            // Too long for the fast division.
            None => {
                let ms = u128::from(number) * 1000 / u128::from(rate);
                u64::try_from(ms).unwrap_or(u64::MAX)
            }
        };
        self.base_time_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
    }
    /// Checks the settings.
    ///
    /// # Errors
    /// `Config`, naming the setting, when a number is zero that is divided by, or one is so
    /// large that ids would overflow.
    pub fn validate(&self) -> Result<()> {
        let positive = [
            ("events_per_second", self.events_per_second),
            ("person_proportion", self.person_proportion),
            ("auction_proportion", self.auction_proportion),
            ("hot_auction_ratio", self.hot_auction_ratio),
            ("hot_bidders_ratio", self.hot_bidders_ratio),
            ("hot_sellers_ratio", self.hot_sellers_ratio),
            ("in_flight_auctions", self.in_flight_auctions),
            ("active_people", self.active_people),
        ];
        for (name, value) in positive {
            if value == 0 || value > LARGEST {
                return Err(Error::config(format!("nexmark: '{name}' is {value}"))
                    .advice(format!("choose a number from 1 to {LARGEST}")));
            }
        }
        let sizes = [
            ("bid_proportion", self.bid_proportion),
            ("person_size", self.person_size),
            ("auction_size", self.auction_size),
            ("bid_size", self.bid_size),
        ];
        for (name, value) in sizes {
            if value > LARGEST_SIZE {
                return Err(Error::config(format!("nexmark: '{name}' is {value}"))
                    .advice(format!("choose a number up to {LARGEST_SIZE}")));
            }
        }
        Ok(())
    }
}

const LARGEST: u64 = 1_000_000_000;
const LARGEST_SIZE: u64 = 64 * 1024;
