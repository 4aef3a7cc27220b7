//! Which files are needed by whom, and so which may be deleted.
//!
//! A checkpoint *holds* the files that its manifest names: while it is being written
//! (pending), while it is kept (retained), or because the job was restored from it
//! (claimed). Files are named by path; a path is written once and never again, because
//! it contains the term and the epoch of its writer.
//!
//! Invariant: a file is given out for deletion only when no holder names it, and never
//! when it is not certain that nobody can come to name it: a subtask may name again only
//! what the *last completed* checkpoint names, which is held until the next one is.
//!
//! Pure.

use crate::planted::{self, Bug};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who needs files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A checkpoint that is being published.
    Pending(u64),
    /// A completed checkpoint that is kept.
    Retained(u64),
    /// What the job was restored from.
    Claimed(String),
}

/// See the module.
///
/// ```
/// use millstream_checkpoint::registry::{FileRegistry, Holder};
/// let mut files = FileRegistry::default();
/// files.hold(Holder::Retained(1), ["a", "shared"]);
/// files.hold(Holder::Retained(2), ["b", "shared"]);
/// assert_eq!(files.release(&Holder::Retained(1)), ["a"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FileRegistry {
    holders: BTreeMap<Holder, BTreeSet<String>>,
    /// By path, how many holders name it.
    counts: BTreeMap<String, usize>,
}

impl FileRegistry {
    /// `holder` needs these files too.
    pub fn hold(&mut self, holder: Holder, files: impl IntoIterator<Item = impl Into<String>>) {
        let held = self.holders.entry(holder).or_default();
        for file in files {
            let file = file.into();
            if held.insert(file.clone()) {
                *self.counts.entry(file).or_default() += 1;
            }
        }
    }

    /// `holder` needs nothing any more: the files that nobody needs now, in order.
    pub fn release(&mut self, holder: &Holder) -> Vec<String> {
        let mut free = Vec::new();
        for file in self.holders.remove(holder).unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&file) else { continue };
            *count -= 1;
            if *count == 0 || planted::is(Bug::ReleaseIgnoresOthers) {
                self.counts.remove(&file);
                free.push(file);
            }
        }
        free
    }

    /// A pending checkpoint was published: it is retained under its epoch.
    pub fn publish(&mut self, epoch: u64) {
        if let Some(files) = self.holders.remove(&Holder::Pending(epoch)) {
            self.holders.entry(Holder::Retained(epoch)).or_default().extend(files);
        }
    }

    /// Whether somebody needs `file`.
    pub fn is_held(&self, file: &str) -> bool {
        self.counts.contains_key(file)
    }

    /// Of files that were written for a checkpoint that is *certain* not to be published,
    /// those that nobody needs.
    pub fn unheld(&self, files: impl IntoIterator<Item = String>) -> Vec<String> {
        files.into_iter().filter(|file| !self.is_held(file)).collect()
    }

    /// Whether a file that nobody holds may be deleted by the leader of `term`: its writer
    /// was of an older term, and can never publish again; or of ours, for an epoch that is
    /// decided already.
    pub fn is_garbage(&self, file: &str, writer: (u64, u64), term: u64, decided: u64) -> bool {
        let (of_term, of_epoch) = writer;
        let over = of_term < term
            || (of_term == term && of_epoch <= decided)
            || planted::is(Bug::PendingIsGarbage);
        over && !self.is_held(file)
    }
}

/// Term and epoch of the checkpoint that `path` was written for; `None` for what belongs to
/// no checkpoint.
pub fn writer_of(path: &str) -> Option<(u64, u64)> {
    let path = path.strip_prefix("shared/").unwrap_or(path);
    let rest = path.strip_prefix("chk-")?;
    let folder = rest.split('/').next()?;
    let mut parts = folder.splitn(3, '-');
    let (epoch, term) = (parts.next()?, parts.next()?.strip_prefix('t')?);
    Some((term.parse().ok()?, epoch.parse().ok()?))
}

/// Which files each subtask may name again: those of its part of the last completed
/// checkpoint. `W`: the subtask; `F`: files by the backend's id.
///
/// ```
/// use millstream_checkpoint::registry::Nameable;
/// let mut files = Nameable::new(None, "restored");
/// files.stored("subtask 0", 1, "of epoch 1");
/// assert_eq!(*files.of(&"subtask 0"), "restored");
/// files.completed(1);
/// assert_eq!(*files.of(&"subtask 0"), "of epoch 1");
/// ```
#[derive(Clone, Debug)]
pub struct Nameable<W, F> {
    completed: Option<u64>,
    restored: (Option<u64>, Arc<F>),
    stored: BTreeMap<(W, u64), Arc<F>>,
}

impl<W: Ord + Clone, F: Default> Nameable<W, F> {
    /// After a restore from `epoch` of the same job, whose files any subtask may name.
    pub fn new(epoch: Option<u64>, files: F) -> Self {
        Nameable { completed: epoch, restored: (epoch, Arc::new(files)), stored: BTreeMap::new() }
    }
    /// A subtask has stored its part of `epoch`, which names these.
    pub fn stored(&mut self, subtask: W, epoch: u64, files: F) {
        self.stored.insert((subtask, epoch), Arc::new(files));
    }
    /// The checkpoint of `epoch` is complete.
    pub fn completed(&mut self, epoch: u64) {
        if self.completed < Some(epoch) {
            self.completed = Some(epoch);
            self.stored.retain(|(_, e), _| *e >= epoch);
        }
    }
    /// What a subtask may name now.
    pub fn of(&self, subtask: &W) -> Arc<F> {
        if planted::is(Bug::NamesUncompleted)
            && let Some((_, files)) = self.stored.iter().rev().find(|((s, _), _)| s == subtask)
        {
            return Arc::clone(files);
        }
        let own = self.completed.and_then(|e| self.stored.get(&(subtask.clone(), e)));
        match own {
            Some(files) => Arc::clone(files),
            None if self.completed == self.restored.0 => Arc::clone(&self.restored.1),
            None => Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against the plain definition: a file is free when no remaining holder names it.
        #[test]
        fn released_files_are_those_that_nobody_names(
            held in prop::collection::vec(prop::collection::btree_set(0u8..12, 0..6), 1..8),
            order in prop::collection::vec(0usize..8, 1..8),
        ) {
            let mut registry = FileRegistry::default();
            let mut model: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
            for (epoch, files) in held.iter().enumerate() {
                let files: BTreeSet<String> = files.iter().map(|f| format!("f{f:02}")).collect();
                registry.hold(Holder::Pending(epoch as u64), files.clone());
                registry.publish(epoch as u64);
                model.insert(epoch as u64, files);
            }
            for epoch in order {
                let gone = model.remove(&(epoch as u64)).unwrap_or_default();
                let left: BTreeSet<&String> = model.values().flatten().collect();
                let want: Vec<String> =
                    gone.iter().filter(|f| !left.contains(f)).cloned().collect();
                prop_assert_eq!(registry.release(&Holder::Retained(epoch as u64)), want);
            }
        }
    }
}
