//! Which windows of a key become one when a session is added.
//!
//! The windows of a key that merge are kept disjoint and apart, so the new window can
//! touch a run of neighbours only, and the result touches nothing else.
//!
//! The contents of the merged windows are put one behind the other. In which order is
//! visible (to a list, to an evictor), so it is Flink's: the order in which Java iterates
//! a hash set of the windows. It is fixed by the windows alone, not by when they came.

use super::TimeWindow;

/// Java's hash of a window: the sum of its ends, mixed by splitmix64's finalizer.
fn java_hash(window: TimeWindow) -> u32 {
    let mut h = window.start.wrapping_add(window.end) as u64;
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (h ^ (h >> 31)) as u32
}

/// Orders the indices of `hits` (sorted by start) as a hash set iterates them; `new` is in
/// the set too and makes it one larger, unless it is one of them.
pub(crate) fn merge_order(hits: &[TimeWindow], new: TimeWindow) -> Vec<usize> {
    let members = hits.len() + usize::from(!hits.contains(&new));
    // A table of 16 that doubles when it is three quarters full; within a bucket the
    // order of insertion stays.
    let mut buckets = 16u32;
    while members > buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    let bucket = |window: TimeWindow| {
        let h = java_hash(window);
        (h ^ (h >> 16)) & (buckets - 1)
    };
    let mut order: Vec<usize> = (0..hits.len()).collect();
    order.sort_by_key(|i| bucket(hits[*i]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_there_once_and_the_order_is_fixed() {
        let window = |start| TimeWindow { start, end: start + 3 };
        let hits: Vec<_> = (0..40).map(|i| window(i * 10)).collect();
        let order = merge_order(&hits, TimeWindow { start: 0, end: 400 });
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..40).collect::<Vec<_>>());
        assert_ne!(order, sorted, "a hash order");
        assert_eq!(order, merge_order(&hits, TimeWindow { start: 0, end: 400 }));
    }
}
