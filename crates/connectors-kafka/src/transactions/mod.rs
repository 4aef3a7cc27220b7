//! Exactly once into Kafka: a transaction for every writer and epoch.
//!
//! ```text
//!   first record of epoch e     writer: producer with an id of its own, begin,
//!                                       one record into the ledger, then the records
//!   barrier e                   writer: flush; the broker must say "Ongoing" ─> committable
//!   checkpoint e is durable     committer: EndTxn(commit), by producer id and epoch
//!   restart                     committer: claim the prefix, commit everything listed,
//!                                          abort everything else, ask the ledger where the
//!                                          broker does not know any more
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`settings`] | prefix, timeouts, and the checks of them before data flows |
//! | [`names`] | transactional ids |
//! | [`committable`] | what a checkpoint stores of a transaction |
//! | [`writer`] | the writer of one subtask |
//! | [`committer`] | commits, recovery, sweep |
//! | [`ledger`] | the topic that remembers which transactions were committed |
//!
//! Invariants: a transaction is committed only after its checkpoint is durable; it is swept
//! only after everything listed was committed; whoever holds the prefix's claim is alone;
//! an empty transaction is never recorded.
//!
//! Source: docs/decisions/0005, which has the answers of a real broker.

pub(crate) mod committable;
pub(crate) mod committer;
pub(crate) mod ledger;
pub(crate) mod names;
pub(crate) mod settings;
pub(crate) mod writer;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
