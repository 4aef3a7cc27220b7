//! Transactional ids: `prefix.owner.generation.writer.slot`, and the claim `prefix.claim`.
//!
//! - *owner*: job and operator, as a hash, so that another job with the same prefix is seen.
//! - *generation*: producer id and epoch of the claim at the start of the attempt. A process
//!   of an older attempt can neither use nor fence the ids of its successor.
//! - *slot*: a transaction in flight; used again when no checkpoint needs it any more.

use millstream_core::key_group::stable_hash;

/// Who has claimed the prefix: producer id and epoch of `prefix.claim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(pub(crate) i64, pub(crate) i16);

/// The names of one sink.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    owner: String,
}

/// What a transactional id says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) owner: &'a str,
    pub(crate) generation: &'a str,
}

impl Names {
    pub(crate) fn new(prefix: &str, job: &str, uid: &str) -> Self {
        let owner = format!("{:016x}", stable_hash(&(job, uid)));
        Names { prefix: prefix.to_owned(), owner }
    }
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
    /// The id whose producer id and epoch say who is in charge.
    pub(crate) fn claim(&self) -> String {
        format!("{}.claim", self.prefix)
    }
    pub(crate) fn generation(generation: Generation) -> String {
        format!("{}e{}", generation.0, generation.1)
    }
    pub(crate) fn id(&self, generation: Generation, writer: usize, slot: u32) -> String {
        let generation = Self::generation(generation);
        format!("{}.{}.{generation}.{writer}.{slot}", self.prefix, self.owner)
    }
    /// Takes an id apart; `None`, when it is not of this prefix (which may itself be the
    /// beginning of another prefix).
    pub(crate) fn parse<'a>(&self, id: &'a str) -> Option<Parsed<'a>> {
        let rest = id.strip_prefix(self.prefix.as_str())?.strip_prefix('.')?;
        let [owner, generation, writer, slot] = rest.split('.').collect::<Vec<_>>()[..] else {
            return None;
        };
        let numbers = writer.parse::<usize>().is_ok() && slot.parse::<u32>().is_ok();
        let hash = owner.len() == 16 && owner.chars().all(|c| c.is_ascii_hexdigit());
        (numbers && hash).then_some(Parsed { owner, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_apart_as_they_were_made_and_others_are_not_ours() {
        let names = Names::new("pay", "job", "sink-1");
        let id = names.id(Generation(7, 3), 2, 5);
        let parsed = names.parse(&id).unwrap();
        assert_eq!((parsed.owner, parsed.generation), (names.owner(), "7e3"));
        assert_eq!(names.parse("pay.claim"), None);
        let longer = Names::new("pay.eu", "job", "sink-1").id(Generation(7, 3), 2, 5);
        assert_eq!(names.parse(&longer), None, "another prefix that begins like ours");
        assert_eq!(names.parse(&id.replace("pay.", "payments.")), None);
        assert_ne!(Names::new("pay", "job2", "sink-1").owner(), names.owner());
        assert_ne!(Names::new("pay", "job", "sink-2").owner(), names.owner());
    }
}
