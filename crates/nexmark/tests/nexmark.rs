//! The generator as a whole: what its events look like, and that they stay the same.
#![allow(clippy::unwrap_used)]

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use millstream_nexmark::{Checksum, Column, EventKind, NexmarkConfig, batch, event_schema};
use std::collections::HashMap;

fn column(path: &str) -> Column {
    *Column::all().iter().find(|c| c.path() == path).unwrap()
}
fn longs(path: &str, events: u64) -> Vec<i64> {
    let values = column(path).values(&NexmarkConfig::default(), 0..events);
    values.as_primitive::<Int64Type>().iter().flatten().collect()
}
fn texts(path: &str, events: u64) -> Vec<String> {
    let values = column(path).values(&NexmarkConfig::default(), 0..events);
    values.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}

#[test]
fn events_never_change() {
    // The benchmark's source for Flink makes the same events and must show the same number.
    let sum = Checksum::of(&NexmarkConfig::default(), 0..10_000);
    assert_eq!(sum, Checksum(CHECKSUM), "{:#x}", sum.0);
}
const CHECKSUM: u64 = 0xea3a_ced6_b0bb_10a1;

#[test]
fn any_range_is_a_part_of_the_whole() {
    let config = NexmarkConfig { seed: 7, ..NexmarkConfig::default() };
    let whole = batch(&config, 0..500);
    for (from, to) in [(0, 1), (17, 230), (499, 500)] {
        let part = batch(&config, from..to);
        for (part, whole) in part.iter().zip(&whole) {
            let cut: ArrayRef = whole.slice(from as usize, (to - from) as usize);
            assert_eq!(part.to_data(), cut.to_data());
        }
    }
    let types: Vec<_> = whole.iter().map(|c| c.data_type().clone()).collect();
    let wanted: Vec<_> = event_schema().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, wanted);
}

#[test]
fn kinds_come_in_their_proportions() {
    let config = NexmarkConfig::default();
    let mut count = HashMap::new();
    for number in 0..5000 {
        *count.entry(EventKind::of(&config, number)).or_insert(0) += 1;
    }
    assert_eq!(count[&EventKind::Person], 100);
    assert_eq!(count[&EventKind::Auction], 300);
    assert_eq!(count[&EventKind::Bid], 4600);
}

#[test]
fn ids_are_dense_and_references_are_at_most_ten_ahead() {
    let events = 50_000;
    let (people, auctions) = (longs("person.id", events), longs("auction.id", events));
    assert_eq!(people, (1000..1000 + people.len() as i64).collect::<Vec<_>>());
    assert_eq!(auctions, (1000..1000 + auctions.len() as i64).collect::<Vec<_>>());
    let newest = |ids: &[i64]| ids.last().unwrap() + 10;
    assert!(longs("bid.auction", events).iter().all(|id| (1000..=newest(&auctions)).contains(id)));
    assert!(longs("bid.bidder", events).iter().all(|id| (1000..=newest(&people)).contains(id)));
    assert!(longs("auction.seller", events).iter().all(|id| (1000..=newest(&people)).contains(id)));
}

#[test]
fn some_items_are_hot() {
    let bids = longs("bid.auction", 50_000);
    let hot = bids.iter().filter(|id| (*id - 1000) % 100 == 0).count();
    let share = hot as f64 / bids.len() as f64;
    assert!((0.45..0.6).contains(&share), "{share}");
}

#[test]
fn values_are_in_their_ranges() {
    let events = 20_000;
    assert!(longs("bid.price", events).iter().all(|p| (100..=100_000_000).contains(p)));
    assert!(longs("auction.category", events).iter().all(|c| (10..15).contains(c)));
    let first = longs("auction.initialBid", events);
    let least = longs("auction.reserve", events);
    assert!(first.iter().zip(&least).all(|(first, least)| first < least));
    assert!(texts("person.creditCard", events).iter().all(|c| c.len() == 19));
    for url in texts("bid.url", events) {
        let parts: Vec<_> = url.split('/').collect();
        assert_eq!((parts.len(), parts[2]), (7, "www.nexmark.com"), "{url}");
    }
    let channels = texts("bid.channel", events);
    let hot = channels.iter().filter(|c| !c.starts_with("channel-")).count();
    assert!((0.45..0.55).contains(&(hot as f64 / channels.len() as f64)));
}

#[test]
fn a_channel_has_one_url() {
    let mut url_of = HashMap::new();
    let (channels, urls) = (texts("bid.channel", 50_000), texts("bid.url", 50_000));
    for (channel, url) in channels.into_iter().zip(urls) {
        assert_eq!(url_of.entry(channel).or_insert_with(|| url.clone()), &url);
    }
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let config = NexmarkConfig { auction_proportion: 0, ..NexmarkConfig::default() };
    let error = config.validate().unwrap_err().to_string();
    assert!(error.contains("'auction_proportion' is 0"), "{error}");
    let config = NexmarkConfig { bid_size: 1 << 40, ..NexmarkConfig::default() };
    assert!(config.validate().unwrap_err().to_string().contains("'bid_size'"));
}
