//! What a sink promises about records after a failure.

/// How often a record reaches the outside when the job fails and is restored
/// (Flink's `DeliveryGuarantee`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeliveryGuarantee {
    /// Once or more: what was written since the last checkpoint is written again.
    #[default]
    AtLeastOnce,
    /// Once: readers never see what a failure will write again.
    ExactlyOnce,
}
