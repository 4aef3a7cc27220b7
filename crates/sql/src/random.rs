//! Java's `java.util.Random`, so that RAND(seed) gives the numbers that Flink gives.
//!
//! Source: the linear congruential generator in the documentation of `java.util.Random`
//! (Knuth, The Art of Computer Programming, volume 2, section 3.2.1).

const MULTIPLIER: i64 = 0x5_DEEC_E66D;
const MASK: i64 = (1 << 48) - 1;

/// A repeatable sequence of numbers, the same as Java's for the same seed.
///
/// ```
/// use millstream_sql::random::JavaRandom;
/// let mut random = JavaRandom::new(42);
/// assert_eq!(random.next_int(10), 0);
/// assert_eq!(random.next_int(10), 3);
/// ```
#[derive(Clone, Debug)]
pub struct JavaRandom {
    state: i64,
}

impl JavaRandom {
    /// The sequence that begins with `seed`.
    pub fn new(seed: i64) -> Self {
        JavaRandom { state: (seed ^ MULTIPLIER) & MASK }
    }
    fn next(&mut self, bits: u32) -> i32 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        (self.state >> (48 - bits)) as i32
    }
    /// A number from 0 to `bound` - 1; 0 if `bound` is not positive.
    pub fn next_int(&mut self, bound: i32) -> i32 {
        if bound <= 0 {
            return 0;
        }
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(self.next(31))) >> 31) as i32;
        }
        loop {
            let bits = self.next(31);
            let value = bits % bound;
            // The last, incomplete round of the 31-bit range would favour small numbers.
            if bits.wrapping_sub(value).wrapping_add(bound - 1) >= 0 {
                return value;
            }
        }
    }
    /// A number from 0 (included) to 1 (excluded).
    pub fn next_double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 * (1.0 / (1_i64 << 53) as f64)
    }
    /// 64 random bits.
    pub fn next_long(&mut self) -> i64 {
        (i64::from(self.next(32)) << 32).wrapping_add(i64::from(self.next(32)))
    }
}
