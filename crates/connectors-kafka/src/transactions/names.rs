//! Transactional ids: `prefix.owner.generation.writer.slot`, and the claim `prefix.claim`.
//!
//! - *owner*: job and operator, as a hash, so that another job with the same prefix is seen.
//! - *generation*: the job's id as a hash, the term of its leader, and producer id and epoch of
//!   the claim at the start of the attempt: `<hash>t<term>p<id>e<epoch>`. A process of an older
//!   attempt can neither use nor fence the ids of its successor, and knows them when it sees
//!   them: the order of claims is not the order of leaders, terms are.
//! - *slot*: a transaction in flight; used again when no checkpoint needs it any more.

use millstream_core::key_group::stable_hash;
use millstream_runtime::JobInfo;

/// Who has claimed the prefix: producer id and epoch of `prefix.claim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(pub(crate) i64, pub(crate) i16);

/// The names of one sink in one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    owner: String,
    job: String,
    term: u64,
}

/// What a transactional id says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) owner: &'a str,
    pub(crate) generation: &'a str,
}

impl Parsed<'_> {
    /// The job, as a hash, and the term; `None` for ids of older builds.
    fn order(&self) -> Option<(&str, u64)> {
        let (job, rest) = self.generation.split_once('t')?;
        let (term, _) = rest.split_once('p')?;
        Some((job, term.parse().ok()?))
    }
    /// Whether it is of the attempt that holds the claim so.
    pub(crate) fn is_held_by(&self, Generation(producer_id, epoch): Generation) -> bool {
        let holder = format!("{producer_id}e{epoch}");
        self.generation.rsplit('p').next() == Some(holder.as_str())
    }
}

impl Names {
    pub(crate) fn new(prefix: &str, job: &JobInfo, uid: &str) -> Self {
        let owner = format!("{:016x}", stable_hash(&(job.name.as_str(), uid)));
        let hash = format!("{:016x}", stable_hash(&job.id));
        Names { prefix: prefix.to_owned(), owner, job: hash, term: job.term }
    }
    /// The term of a later leader of the same job, when the id is of one.
    pub(crate) fn successor(&self, parsed: &Parsed<'_>) -> Option<u64> {
        let (job, term) = parsed.order()?;
        (parsed.owner == self.owner && job == self.job && term > self.term).then_some(term)
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
    pub(crate) fn id(&self, generation: Generation, writer: usize, slot: u32) -> String {
        let Generation(producer_id, epoch) = generation;
        let generation = format!("{}t{}p{producer_id}e{epoch}", self.job, self.term);
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
        let job = |name: &str| JobInfo { name: name.into(), ..JobInfo::for_tests() };
        let names = Names::new("pay", &job("job"), "sink-1");
        let id = names.id(Generation(7, 3), 2, 5);
        let parsed = names.parse(&id).unwrap();
        assert_eq!(parsed.owner, names.owner());
        assert!(parsed.is_held_by(Generation(7, 3)) && !parsed.is_held_by(Generation(7, 4)));
        assert!(!parsed.is_held_by(Generation(77, 3)));
        assert_eq!(names.parse("pay.claim"), None);
        let longer = Names::new("pay.eu", &job("job"), "sink-1").id(Generation(7, 3), 2, 5);
        assert_eq!(names.parse(&longer), None, "another prefix that begins like ours");
        assert_eq!(names.parse(&id.replace("pay.", "payments.")), None);
        assert_ne!(Names::new("pay", &job("job2"), "sink-1").owner(), names.owner());
        assert_ne!(Names::new("pay", &job("job"), "sink-2").owner(), names.owner());
    }

    #[test]
    fn later_leaders_of_the_same_job_are_known() {
        let at = |id: &str, term| JobInfo { id: id.into(), term, ..JobInfo::for_tests() };
        let of = |job: &JobInfo| Names::new("pay", job, "sink");
        let id = of(&at("a", 10)).id(Generation(7, 3), 0, 0);
        let parsed = of(&at("a", 9)).parse(&id).unwrap();
        assert_eq!(of(&at("a", 9)).successor(&parsed), Some(10));
        assert_eq!(of(&at("a", 10)).successor(&parsed), None);
        assert_eq!(of(&at("b", 9)).successor(&parsed), None, "terms of two jobs have no order");
        let before = format!("pay.{}.7e3.0.0", of(&at("a", 1)).owner());
        let parsed = of(&at("a", 1)).parse(&before).unwrap();
        assert!(parsed.is_held_by(Generation(7, 3)), "an id of an older build");
        assert_eq!(of(&at("a", 1)).successor(&parsed), None);
    }
}
