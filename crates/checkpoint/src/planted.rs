//! Bugs on purpose, for the simulation to find. Without the cargo feature `planted` all of
//! this is the constant `false`.

/// A mistake in the protocol that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted"), allow(dead_code))]
pub enum Bug {
    /// A checkpoint is published although a subtask's state is missing.
    PublishWithoutAll,
    /// Subtasks are told of a checkpoint before it is in the log.
    CompleteBeforePublished,
    /// The doubled answer of a published checkpoint counts as late, and is discarded.
    DiscardPublished,
    /// The newest checkpoint is retired in place of the oldest.
    RetireNewest,
    /// What a subtask ended with counts for epochs before.
    EndCountsBackwards,
    /// The job is finished without its last checkpoint.
    FinishWithoutLast,
    /// A checkpoint times out while it is being published, and is discarded.
    TimeoutWhilePublishing,
    /// An entry that exists is taken for ours.
    ExistsIsOurs,
    /// An entry is taken for created when there was no answer.
    UnknownIsCreated,
    /// A fenced leader takes the next number.
    FencedTriesNext,
    /// Claims are deleted with old publications.
    ClaimsAreDeleted,
    /// Who lost the race for a claim takes the next number without reading what won.
    ClaimWithoutReading,
    /// A claim counts without a look at what is behind it.
    ClaimWithoutLooking,
    /// A new leader takes the former one's term.
    SameTerm,
    /// Files of a released checkpoint are deleted though others name them.
    ReleaseIgnoresOthers,
    /// Files of a checkpoint that may still be published are garbage.
    PendingIsGarbage,
    /// Files may be named again that only an uncompleted checkpoint names.
    NamesUncompleted,
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug on this thread, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.with(|planted| planted.set(bug));
}

/// Whether this bug is planted.
#[cfg(feature = "planted")]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.with(|planted| planted.get() == Some(bug))
}

#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) fn is(_: Bug) -> bool {
    false
}
