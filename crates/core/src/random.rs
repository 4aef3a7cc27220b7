//! Random bytes from the machine: for ids, nonces and secrets, never for results.
//!
//! Invariant: the one place that asks for them; what must replay by seed takes its own
//! numbers. `clippy.toml` refuses the call elsewhere.

use crate::{Error, Result};

/// `N` bytes that nobody can guess.
///
/// ```
/// let (one, other) = (millstream_core::random_bytes::<16>()?, millstream_core::random_bytes::<16>()?);
/// assert_ne!(one, other);
/// # Ok::<(), millstream_core::Error>(())
/// ```
///
/// # Errors
/// `Retry` when the machine has no random numbers.
#[allow(clippy::disallowed_methods)] // here is the place
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::retry(format!("no random numbers: {e}")))?;
    Ok(bytes)
}
