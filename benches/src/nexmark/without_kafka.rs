//! In the place of `kafka` in a build without it.

use super::Load;

/// There is none.
pub(super) struct Topic {
    pub(super) name: String,
}

impl Topic {
    pub(super) fn fill(_: &str, _: &Load) -> Result<Self, String> {
        Err("--kafka: this bench was built without Kafka; build it with --features kafka".into())
    }
}
