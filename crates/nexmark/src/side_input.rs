//! The table at the side that q13 looks values up in.

use std::fmt::Write;

/// Keys of the side input: q13 takes the number of an auction modulo this.
const KEYS: u64 = 10_000;

/// Lines `KEY,VALUE`, a value for each key from 0 to 9999.
pub fn side_input() -> String {
    let mut lines = String::new();
    for key in 0..KEYS {
        let _ = writeln!(lines, "{key},value-{key}");
    }
    lines
}
