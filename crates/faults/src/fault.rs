//! The kinds of faults, and which come in a run.

use crate::rng::Rng;
use millstream_checkpoint::fault::POINTS;
use std::fmt;

/// How a file of the newest checkpoint is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Its second half is missing.
    Truncate,
    /// One bit is another one.
    FlipBit,
}

/// What happens to a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One worker process is killed (signal 9).
    Kill,
    /// All worker processes are.
    KillAll,
    /// One is stopped, and goes on later.
    Stop,
    /// One is stopped, and killed later.
    StopKill,
    /// The supervisor is killed, and started again.
    KillSupervisor,
    /// A worker is stopped; the job is killed and started again; then the worker goes on.
    Zombie,
    /// A process dies where it comes to this point first.
    Point(&'static str),
    /// The broker is killed and started again.
    Kafka,
    /// PostgreSQL is stopped at once and started again.
    Postgres,
    /// Nothing can be written to the checkpoint folder for a while.
    DiskFull,
    /// A file of the newest checkpoint is damaged while the job is down.
    Corrupt(Damage),
    /// Stopped with a savepoint, and started from it with another parallelism.
    RescaleSavepoint,
    /// Killed, and started from its last checkpoint with another parallelism.
    RescaleCheckpoint,
}

const OTHERS: [(Fault, usize); 13] = [
    (Fault::Kill, 20),
    (Fault::KillAll, 6),
    (Fault::Stop, 8),
    (Fault::StopKill, 8),
    (Fault::KillSupervisor, 6),
    (Fault::Zombie, 4),
    (Fault::Kafka, 3),
    (Fault::Postgres, 5),
    (Fault::DiskFull, 4),
    (Fault::Corrupt(Damage::Truncate), 2),
    (Fault::Corrupt(Damage::FlipBit), 2),
    (Fault::RescaleSavepoint, 5),
    (Fault::RescaleCheckpoint, 5),
];
/// The weight of a named point, among those above.
const POINT_WEIGHT: usize = 3;

impl Fault {
    /// `count` faults: one of each kind as long as they last, then by weight.
    pub(crate) fn plan(count: usize, rng: &mut Rng) -> Vec<Fault> {
        let mut each: Vec<Fault> = OTHERS.iter().map(|(fault, _)| *fault).collect();
        let mut points: Vec<Fault> = POINTS.iter().map(|point| Fault::Point(point)).collect();
        shuffle(&mut each, rng);
        shuffle(&mut points, rng);
        each.extend(points);
        each.truncate(count);
        while each.len() < count {
            each.push(Self::by_weight(rng));
        }
        shuffle(&mut each, rng);
        each
    }

    fn by_weight(rng: &mut Rng) -> Fault {
        let points = POINTS.map(|point| (Fault::Point(point), POINT_WEIGHT));
        let all: Vec<(Fault, usize)> = OTHERS.into_iter().chain(points).collect();
        let mut at = rng.below(all.iter().map(|(_, weight)| weight).sum());
        for (fault, weight) in all {
            match at.checked_sub(weight) {
                Some(left) => at = left,
                None => return fault,
            }
        }
        Fault::Kill
    }
}

fn shuffle<T>(all: &mut [T], rng: &mut Rng) {
    for i in (1..all.len()).rev() {
        all.swap(i, rng.below(i + 1));
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Fault::Kill => "kill -9 of a worker",
            Fault::KillAll => "kill -9 of all workers",
            Fault::Stop => "worker stopped, goes on",
            Fault::StopKill => "worker stopped, killed",
            Fault::KillSupervisor => "kill -9 of the supervisor",
            Fault::Zombie => "zombie of a former attempt",
            Fault::Point(point) => return f.pad(&format!("killed at {point}")),
            Fault::Kafka => "Kafka killed",
            Fault::Postgres => "PostgreSQL killed",
            Fault::DiskFull => "disk full",
            Fault::Corrupt(Damage::Truncate) => "checkpoint truncated",
            Fault::Corrupt(Damage::FlipBit) => "checkpoint bit flipped",
            Fault::RescaleSavepoint => "rescale by savepoint",
            Fault::RescaleCheckpoint => "rescale by checkpoint",
        };
        f.pad(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_every_kind_and_is_the_same_for_a_seed() {
        let plan = |count| Fault::plan(count, &mut Rng(7));
        assert_eq!(plan(20).len(), 20);
        assert_eq!(plan(200), plan(200));
        for (fault, _) in OTHERS {
            assert!(plan(20).contains(&fault), "{fault}");
        }
        for point in POINTS {
            assert!(plan(200).contains(&Fault::Point(point)), "{point}");
        }
    }
}
