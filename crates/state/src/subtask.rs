//! Which parallel instance of which operator this is.

use millstream_core::KeyGroupRange;

/// Which parallel instance of which operator this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubtaskInfo {
    /// The operator's name, for people.
    pub name: String,
    /// The operator's stable identity, under which its state is stored.
    pub uid: String,
    /// Index of this subtask, `0..parallelism`.
    pub index: usize,
    /// Number of subtasks.
    pub parallelism: usize,
    /// Number of key groups.
    pub max_parallelism: usize,
}

impl SubtaskInfo {
    /// The key groups that this subtask owns.
    pub fn key_groups(&self) -> KeyGroupRange {
        KeyGroupRange::of_subtask(self.max_parallelism, self.parallelism, self.index)
    }
}

impl std::fmt::Display for SubtaskInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operator '{}' ({}/{})", self.name, self.index + 1, self.parallelism)
    }
}
