//! A simulation of the checkpoint protocol: coordinator, workers, object store, transactions.
//!
//! ```text
//!   supervisor ──starts──> attempt 1 ── leader: Coordinator, LeaderLog, FileRegistry (real)
//!        │                     │└─ subtasks: read numbers, write them into transactions
//!        │                     v                      (a model of the runtime and a sink)
//!        └──> attempt 2    store: log, manifests, files      broker: transactions
//! ```
//!
//! One seed decides everything: how long each message takes, which requests are lost, doubled,
//! late, or done without an answer, when attempts crash (anywhere, and at named points), and
//! when a second attempt starts beside one that is not dead. [`run`] plays one seed.
//!
//! What is checked, at every step: the state that a restart would begin from is whole; nobody
//! restores what was not published; terms never go back along the log; each number is
//! committed at most once, and only under a published checkpoint; a transaction that a
//! checkpoint lists can be committed; and at the end every number was committed.
//!
//! [`Mistake`]s are bugs on purpose, in the real state machines and in the model of what is
//! around them; each is found (see the tests).

mod attempt;
mod rng;
mod world;

pub use millstream_checkpoint::planted::Bug;
pub use world::{Outcome, Violation, run};

/// A bug on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// In the state machines of `millstream-checkpoint`.
    Machine(Bug),
    /// In what carries their decisions out.
    Driver(DriverBug),
}

/// A mistake in the model of leader thread, uploader, runtime or sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverBug {
    /// The log names a manifest that is written afterwards.
    ManifestAfterLog,
    /// A manifest is published while its files are still on their way.
    AckBeforeUpload,
    /// Open transactions are swept before the restored ones are committed.
    SweepBeforeCommit,
    /// Restored transactions are not committed.
    NoRecoveryCommit,
    /// Sinks commit at the barrier.
    CommitAtBarrier,
    /// A snapshot lists only the transaction of its own epoch.
    ForgetsEarlierTransactions,
    /// A restart begins from the checkpoint before the newest.
    RestoresOlder,
    /// The position is taken after records of the next epoch.
    PositionTooLate,
    /// The position is taken before the last records of the epoch.
    PositionTooEarly,
    /// Files of a retired checkpoint go before its log entry.
    FilesBeforeEntry,
    /// A publication without an answer counts as not published, and is discarded.
    UnknownIsNotPublished,
    /// Transactions of all terms have the same names.
    NamesWithoutTerm,
    /// Transactions are named, and swept, by the order in which attempts were started, and not
    /// by the order of their terms. (The simulation's first version had this mistake.)
    NamesByAttempt,
    /// The job ends before its last commits are made.
    EndsBeforeCommits,
}

/// Every mistake that the simulation is known to find.
pub const MISTAKES: [Mistake; 31] = [
    Mistake::Machine(Bug::PublishWithoutAll),
    Mistake::Machine(Bug::CompleteBeforePublished),
    Mistake::Machine(Bug::DiscardPublished),
    Mistake::Machine(Bug::RetireNewest),
    Mistake::Machine(Bug::EndCountsBackwards),
    Mistake::Machine(Bug::FinishWithoutLast),
    Mistake::Machine(Bug::TimeoutWhilePublishing),
    Mistake::Machine(Bug::ExistsIsOurs),
    Mistake::Machine(Bug::UnknownIsCreated),
    Mistake::Machine(Bug::FencedTriesNext),
    Mistake::Machine(Bug::ClaimsAreDeleted),
    Mistake::Machine(Bug::ClaimWithoutReading),
    Mistake::Machine(Bug::ClaimWithoutLooking),
    Mistake::Machine(Bug::SameTerm),
    Mistake::Machine(Bug::ReleaseIgnoresOthers),
    Mistake::Machine(Bug::PendingIsGarbage),
    Mistake::Machine(Bug::NamesUncompleted),
    Mistake::Driver(DriverBug::ManifestAfterLog),
    Mistake::Driver(DriverBug::AckBeforeUpload),
    Mistake::Driver(DriverBug::SweepBeforeCommit),
    Mistake::Driver(DriverBug::NoRecoveryCommit),
    Mistake::Driver(DriverBug::CommitAtBarrier),
    Mistake::Driver(DriverBug::ForgetsEarlierTransactions),
    Mistake::Driver(DriverBug::RestoresOlder),
    Mistake::Driver(DriverBug::PositionTooLate),
    Mistake::Driver(DriverBug::PositionTooEarly),
    Mistake::Driver(DriverBug::FilesBeforeEntry),
    Mistake::Driver(DriverBug::UnknownIsNotPublished),
    Mistake::Driver(DriverBug::NamesWithoutTerm),
    Mistake::Driver(DriverBug::NamesByAttempt),
    Mistake::Driver(DriverBug::EndsBeforeCommits),
];
