//! Formats: bytes to columns and back.
//!
//! ```text
//!   bytes ──framing──> message ──Decoder──> column builders ──> ChangeBatch
//!   ChangeBatch ──Encoder──> bytes of each row
//! ```
//!
//! Between a connector, which moves bytes, and the operators. A decoder writes straight
//! into the builders of the columns that are wanted ([`columns`]); there is no value in
//! between.
//!
//! Invariant: a message that fails leaves no trace in the columns.
//!
//! Source: Flink's pages on formats, whose option names and meanings are used.

use crate::connectors::{Changes, OptionSpec};
use millstream_core::{Error, Result};

/// A format: its name, its options.
pub struct FormatInfo {
    /// Value of the option `format`.
    pub name: &'static str,
    /// In one sentence.
    pub doc: &'static str,
    /// Its options, without the prefix that is its name.
    pub options: &'static [OptionSpec],
    /// The changes that it can tell.
    pub changes: Changes,
}

/// All formats of this build.
pub fn formats() -> &'static [FormatInfo] {
    &[]
}

/// The format with this name.
///
/// # Errors
/// `Config`: there is none.
pub fn find(name: &str) -> Result<&'static FormatInfo> {
    formats().iter().find(|f| f.name == name).ok_or_else(|| {
        let names: Vec<&str> = formats().iter().map(|f| f.name).collect();
        let advice = crate::nearest::hint(name, names.iter().copied())
            .unwrap_or_else(|| format!("known are {}", names.join(", ")));
        Error::config(format!("format '{name}' is not known")).advice(advice)
    })
}
