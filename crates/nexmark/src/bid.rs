//! A bid: who offers how much for what, and through which channel.

use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use crate::ids::{FIRST_AUCTION, FIRST_PERSON};

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
    pub(crate) fn bid_channel(&self, number: u64, out: &mut Vec<u8>) {
        match self.channel(number).0 {
            hot @ 0..4 => out.extend_from_slice(HOT_CHANNELS[hot as usize].as_bytes()),
            cold => {
                out.extend_from_slice(b"channel-");
                decimal(cold - 4, out);
            }
        }
    }
    fn url(&self, channel: u64, out: &mut Vec<u8>) {
        let mut draw = Draw::new(self.seed, channel, Field::Url);
        out.extend_from_slice(b"https://www.nexmark.com");
        for _ in 0..3 {
            out.push(b'/');
            draw.letters(5, out);
        }
        out.extend_from_slice(b"/item.htm?query=1");
        if channel >= 4 && draw.below(10) > 0 {
            out.extend_from_slice(b"&channel_id=");
            decimal(draw.below(1 << 31), out);
        }
    }
}

/// The addresses of all channels: the same for all bids of a channel; nine of ten cold
/// channels say their id in it.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    text: Vec<u8>,
    /// Start of each channel's, and the end of the last.
    offsets: Vec<usize>,
}

impl Urls {
    pub(crate) fn new(config: &NexmarkConfig) -> Self {
        let (mut text, mut offsets) = (vec![], vec![0]);
        for channel in 0..4 + CHANNELS {
            config.url(channel, &mut text);
            offsets.push(text.len());
        }
        Urls { text, offsets }
    }
    pub(crate) fn of_bid(&self, config: &NexmarkConfig, number: u64, out: &mut Vec<u8>) {
        let channel = config.channel(number).0 as usize;
        out.extend_from_slice(&self.text[self.offsets[channel]..self.offsets[channel + 1]]);
    }
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
