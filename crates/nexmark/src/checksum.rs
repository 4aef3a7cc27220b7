//! A number that two generators share when they make the same events.
//!
//! FNV-1a over the bytes of every value, in the order of the columns: simple enough to be
//! written in any language, and not for security.

use crate::batch::Column;
use crate::config::NexmarkConfig;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use std::ops::Range;

/// The checksum of a range of events.
///
/// ```
/// use millstream_nexmark::{Checksum, NexmarkConfig};
/// let config = NexmarkConfig::default();
/// assert_ne!(Checksum::of(&config, 0..100), Checksum::of(&config, 1..101));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Of the events in `numbers`: event by event, of each the columns that are not null;
    /// numbers as 8 bytes little-endian, text as its bytes and a zero.
    pub fn of(config: &NexmarkConfig, numbers: Range<u64>) -> Self {
        const STEP: u64 = 4096;
        let mut hash = Checksum(0xCBF2_9CE4_8422_2325);
        let mut from = numbers.start;
        while from < numbers.end {
            let to = numbers.end.min(from + STEP);
            let columns: Vec<_> =
                Column::all().iter().map(|column| column.values(config, from..to)).collect();
            for row in 0..(to - from) as usize {
                columns.iter().filter(|c| c.is_valid(row)).for_each(|c| hash.add_value(c, row));
            }
            from = to;
        }
        hash
    }
    fn add_value(&mut self, column: &ArrayRef, row: usize) {
        match column.data_type() {
            DataType::Int32 => {
                self.add(&i64::from(column.as_primitive::<Int32Type>().value(row)).to_le_bytes());
            }
            DataType::Int64 => {
                self.add(&column.as_primitive::<Int64Type>().value(row).to_le_bytes())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                let times = column.as_primitive::<TimestampMillisecondType>();
                self.add(&times.value(row).to_le_bytes());
            }
            _ => {
                self.add(column.as_string::<i32>().value(row).as_bytes());
                self.add(&[0]);
            }
        }
    }
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
