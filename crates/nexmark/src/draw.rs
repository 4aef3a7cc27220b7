//! Random numbers that are a function of (seed, event number, field).
//!
//! Two rounds of SplitMix64's mixer (Steele et al. 2014) over a counter: statistically
//! good, a few nanoseconds, and five lines in any other language.

/// Which value of an event a number is for; part of the format, so fixed for ever.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Field {
    FirstName = 1,
    LastName,
    Email,
    CreditCard,
    City,
    State,
    ItemName,
    Description,
    InitialBid,
    Reserve,
    Expires,
    Seller,
    Category,
    Auction,
    Bidder,
    Price,
    Channel,
    Url,
    Extra,
}

/// The numbers of one field of one event.
pub(crate) struct Draw(u64);

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Draw {
    #[inline]
    pub(crate) fn new(seed: u64, number: u64, field: Field) -> Self {
        let event = mix(seed.wrapping_add(number.wrapping_mul(GAMMA)));
        Draw(event ^ mix((field as u64).wrapping_mul(GAMMA)))
    }
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }
    /// Evenly from `0..bound` (the bias of a 64-bit multiply is far below what counts here).
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
    /// A price in cents: 10^0 to 10^6 dollars, evenly by magnitude. Integers only, so that
    /// every language draws the same: the magnitude, then evenly within it.
    #[inline]
    pub(crate) fn price(&mut self) -> i64 {
        const CENTS: [u64; 6] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
        let low = CENTS[self.below(6) as usize];
        (low + self.below(9 * low)) as i64
    }
    /// Appends `length` lower-case letters.
    pub(crate) fn letters(&mut self, length: usize, out: &mut Vec<u8>) {
        let end = out.len() + length;
        out.reserve(length + 12);
        while out.len() < end {
            out.extend_from_slice(&twelve_letters(self.next() >> 7));
        }
        out.truncate(end);
    }
    /// How long a filler of about `mean` bytes is: within a fifth of it.
    pub(crate) fn around(&mut self, mean: u64) -> usize {
        let fifth = mean / 5;
        (mean - fifth + self.below(2 * fifth + 1)) as usize
    }
}

/// The last twelve digits of a number to base 26, the last one first (26^12 < 2^57).
///
/// Six digits at a time, each by a division of its own: none waits for another.
#[inline]
fn twelve_letters(bits: u64) -> [u8; 12] {
    const SIX: u64 = 26u64.pow(6);
    let mut letters = [0; 12];
    for (half, six) in [(bits % SIX) as u32, (bits / SIX % SIX) as u32].into_iter().enumerate() {
        let shifted = [six, six / 26, six / 676, six / 17_576, six / 456_976, six / 11_881_376, 0];
        for digit in 0..6 {
            let value = shifted[digit] - 26 * shifted[digit + 1];
            letters[half * 6 + digit] = b'a' + value as u8;
        }
    }
    letters
}
