//! Tables that are asked for the rows of a key: `JOIN t FOR SYSTEM_TIME AS OF p`.
//!
//! A connector that can answer by key implements [`TableSource::lookup`]; the operator that
//! asks is [`crate::runtime::join::lookup`]. The options of caches are shared: a connector
//! lists those that it takes among its own.
//!
//! Source: Flink's `LookupTableSource` and the options of its lookup caches.

use super::{OptionKind, OptionSpec, Options};
pub use crate::runtime::join::lookup::{LookupAnswer, LookupFuture, LookupTable};
pub use crate::runtime::spec::LookupCache;
use millstream_core::{Error, Result};
use std::sync::Arc;

#[cfg(doc)]
use super::TableSource;

/// A table that can be looked up, and how answers may be kept.
pub struct Lookup {
    /// Who answers. Rows of an answer have all columns of the source, in its order; those
    /// that are not needed may be NULL.
    pub table: Arc<dyn LookupTable>,
    /// Which answers are kept by the operator that asks.
    pub cache: LookupCache,
}

/// `lookup.cache`.
pub const CACHE: OptionSpec = OptionSpec::new(
    "lookup.cache",
    OptionKind::OneOf(&["NONE", "PARTIAL"]),
    "NONE",
    "whether answers are kept",
);
/// `lookup.max-retries`.
pub const MAX_RETRIES: OptionSpec = OptionSpec::new(
    "lookup.max-retries",
    OptionKind::Number(0, 1 << 31),
    "3",
    "how often a lookup that failed is tried again",
);
/// `lookup.partial-cache.max-rows`.
pub const MAX_ROWS: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.max-rows",
    OptionKind::Number(1, 1 << 40),
    "",
    "most keys whose answers are kept; the oldest goes first",
);
/// `lookup.partial-cache.expire-after-write`.
pub const EXPIRE_AFTER_WRITE: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.expire-after-write",
    OptionKind::Duration,
    "",
    "how long an answer is kept",
);
/// `lookup.partial-cache.expire-after-access`.
pub const EXPIRE_AFTER_ACCESS: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.expire-after-access",
    OptionKind::Duration,
    "",
    "how long an answer is kept that nobody asks for",
);
/// `lookup.partial-cache.cache-missing-key`.
pub const CACHE_MISSING_KEY: OptionSpec = OptionSpec::new(
    "lookup.partial-cache.cache-missing-key",
    OptionKind::Flag,
    "true",
    "whether it is kept that a key has no rows",
);

/// What the options of a partial cache say.
///
/// # Errors
/// `Config`: `PARTIAL` without a bound on the cache, as in Flink; a bound without `PARTIAL`.
pub fn cache_of(options: &Options) -> Result<LookupCache> {
    let partial = options.text(CACHE.name).is_some_and(|v| v.eq_ignore_ascii_case("PARTIAL"));
    let bounds = [MAX_ROWS.name, EXPIRE_AFTER_WRITE.name, EXPIRE_AFTER_ACCESS.name];
    let given = bounds.iter().find(|name| options.is_given(name));
    match (partial, given) {
        (false, None) => return Ok(LookupCache::default()),
        (false, Some(name)) => {
            return Err(Error::config(format!("option '{name}' needs 'lookup.cache' = 'PARTIAL'"))
                .advice("add it, or remove the option"));
        }
        (true, None) => {
            return Err(Error::config("'lookup.cache' = 'PARTIAL' has no bound")
                .advice(format!("add one of {}", bounds.join(", "))));
        }
        (true, Some(_)) => {}
    }
    let rows = options.number(MAX_ROWS.name).and_then(|n| usize::try_from(n).ok());
    Ok(LookupCache {
        max_keys: rows.unwrap_or(usize::MAX),
        expire_after_write_ms: options.duration_ms(EXPIRE_AFTER_WRITE.name),
        expire_after_access_ms: options.duration_ms(EXPIRE_AFTER_ACCESS.name),
        keeps_missing: options.flag(CACHE_MISSING_KEY.name),
    })
}
