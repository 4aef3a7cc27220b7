//! Thousands of seeds without a violation; and each planted bug is found.
//!
//! A failing seed is played again with
//! `cargo run -p millstream-sim --bin simulate -- --from SEED --seeds 1`.

#![allow(clippy::unwrap_used)]

use millstream_sim::{MISTAKES, run};

/// Seeds of the run that CI makes; more by `cargo run -p millstream-sim --bin simulate`.
const SEEDS: u64 = 3000;
/// Seeds beyond those that have found something once.
const FOUND: [u64; 3] = [10_383, 24_507, 0];

#[test]
fn no_seed_breaks_an_invariant() {
    let (mut attempts, mut published) = (0, 0);
    for seed in (0..SEEDS).chain(FOUND) {
        match run(seed, None) {
            Ok(outcome) => {
                attempts += outcome.attempts as u64;
                published += outcome.published;
            }
            Err(violation) => {
                let history = violation.history.join("\n");
                panic!("seed {seed}: {}\n{history}", violation.what);
            }
        }
    }
    // The faults do happen.
    assert!(attempts > 3 * SEEDS && published > 3 * SEEDS, "{attempts} {published}");
}

#[test]
fn a_seed_does_the_same_again() {
    for seed in 0..50 {
        assert_eq!(run(seed, None).unwrap(), run(seed, None).unwrap());
    }
}

#[test]
fn every_planted_bug_is_found() {
    let seeds = || (0..SEEDS).chain(FOUND);
    let found = |mistake| seeds().find(|seed| run(*seed, Some(mistake)).is_err());
    let missed: Vec<_> = MISTAKES.iter().filter(|m| found(**m).is_none()).collect();
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
