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

use std::collections::{BTreeMap, BTreeSet};

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
            if *count == 0 {
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
        let over = of_term < term || (of_term == term && of_epoch <= decided);
        over && !self.is_held(file)
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
