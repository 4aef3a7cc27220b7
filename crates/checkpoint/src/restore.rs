//! Whether a job may start from a checkpoint or savepoint: before anything runs.
//!
//! Pure. The schemas of states are checked by the state crate when operators open.

use crate::leadership::JobDescription;
use crate::manifest::Manifest;
use millstream_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What to start from, and how strictly (Flink's `execution.savepoint.*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSettings {
    /// The folder or URL of the checkpoint or savepoint.
    pub path: String,
    /// Start although it has state of operators that the job does not have; that state is
    /// dropped (Flink's `allowNonRestoredState`).
    pub allow_non_restored_state: bool,
    /// It belongs to this job from now on, which deletes it when it has a checkpoint of its
    /// own (Flink's `CLAIM`); otherwise it is only read (`NO_CLAIM`). Either way the first
    /// checkpoint is complete in itself.
    pub claim: bool,
}

/// What is left behind by a restore that is allowed: uids with state that the job lacks.
///
/// # Errors
/// `Config`: another max parallelism; or state of an operator that the job does not have,
/// when that is not allowed. All of them are named, with what the job has.
pub fn check(
    manifest: &Manifest,
    job: &JobDescription,
    allow_non_restored_state: bool,
) -> Result<Vec<String>> {
    if manifest.max_parallelism != job.max_parallelism {
        let (stored, wanted) = (manifest.max_parallelism, job.max_parallelism);
        let what = format!("the state has {stored} key groups, the job wants {wanted}");
        return Err(Error::config(what).advice(format!("call set_max_parallelism({stored})")));
    }
    let has: BTreeSet<&str> = job.operators.iter().map(|op| op.uid.as_str()).collect();
    let stored = manifest.subtasks.iter().flat_map(|(_, state)| &state.operators);
    let missing: BTreeSet<&str> =
        stored.map(|op| op.uid.as_str()).filter(|uid| !has.contains(uid)).collect();
    if missing.is_empty() || allow_non_restored_state {
        return Ok(missing.into_iter().map(str::to_owned).collect());
    }
    let name = |uid: &str| {
        let info = manifest.operators.iter().find(|op| op.uid == uid);
        info.map_or_else(|| format!("'{uid}'"), |op| format!("'{uid}' ({})", op.name))
    };
    let missing: Vec<String> = missing.into_iter().map(name).collect();
    let has: Vec<&str> = has.into_iter().collect();
    Err(Error::config(format!(
        "the state of {} belongs to no operator of this job, which has {}",
        missing.join(", "),
        has.join(", ")
    ))
    .advice("give the operator its former uid, or drop that state with --allow-non-restored-state"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::coordinator::SubtaskId;
    use crate::manifest::{OperatorInfo, OperatorState, SubtaskState};
    use millstream_state::SnapshotKind;

    fn info(uid: &str) -> OperatorInfo {
        OperatorInfo { uid: uid.into(), name: format!("op {uid}"), parallelism: 1 }
    }

    #[test]
    fn state_that_nobody_wants_is_named() {
        let operator = OperatorState { uid: "old".into(), ..OperatorState::default() };
        let state = SubtaskState { operators: vec![operator], ..SubtaskState::default() };
        let manifest = Manifest {
            job_id: "a".into(),
            job_name: "a".into(),
            term: 1,
            epoch: 1,
            kind: SnapshotKind::Checkpoint,
            created_ms: 0,
            max_parallelism: 128,
            operators: vec![info("old")],
            subtasks: vec![(SubtaskId { task: 0, subtask: 0 }, state)],
        };
        let mut job =
            JobDescription { name: "a".into(), max_parallelism: 128, operators: vec![info("new")] };
        let error = check(&manifest, &job, false).unwrap_err().to_string();
        assert!(error.contains("'old' (op old)") && error.contains("which has new"), "{error}");
        assert_eq!(check(&manifest, &job, true).unwrap(), ["old"]);
        job.max_parallelism = 64;
        let error = check(&manifest, &job, true).unwrap_err().to_string();
        assert!(error.contains("set_max_parallelism(128)"), "{error}");
    }
}
