//! How an attempt begins, and what it says of its job: the runtime's side of checkpoints.
//!
//! ```text
//!   process 0: claims the term, finds the newest recovery point, commits what it lists
//!       └── StartPlan ──> all processes: read the same manifest, build the dataflow
//! ```
//!
//! Invariant: all processes of an attempt start from the same manifest, which process 0
//! has chosen under its term; no source runs before the sinks are recovered.

use crate::channel_state;
use crate::execution::RuntimeConfig;
use crate::job_graph::Plan;
use millstream_checkpoint::{JobDescription, Leader, LocatedManifest, OperatorInfo, Storage};
use millstream_core::{Error, Result, random_bytes};
use millstream_state::SnapshotKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use millstream_checkpoint::{
    CheckpointConfig, CheckpointingMode, JobStorage, MemoryCheckpoints, Request, RestartStrategy,
    RestoreSettings, RestoredJob, Retention, Stop,
};

/// Where the state of an attempt comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartFrom {
    /// The configuration's own: nothing, or state that was given.
    #[default]
    Configured,
    /// A recovery point of the job itself: its folder, in the job's when no directory.
    Own { directory: Option<String>, folder: String },
    /// A savepoint or somebody's checkpoint.
    Savepoint { path: String },
    /// An earlier attempt has ended the job well.
    Finished,
}

/// What process 0 tells the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartPlan {
    pub(crate) term: u64,
    /// The id of the job's folder.
    pub(crate) job_id: String,
    pub(crate) from: StartFrom,
}

/// What the manifests of this job say of it.
pub(crate) fn description(plan: &Plan, config: &RuntimeConfig) -> JobDescription {
    let info = |node: &crate::job_graph::PlanNode| OperatorInfo {
        uid: node.uid.clone(),
        name: node.name.clone(),
        parallelism: node.parallelism as u32,
    };
    JobDescription {
        name: config.job_name.clone(),
        max_parallelism: plan.max_parallelism as u32,
        operators: plan.nodes.iter().map(info).collect(),
    }
}

/// Process 0: claims the term and decides where to start from.
pub(crate) fn begin(config: &RuntimeConfig) -> Result<(Option<Leader>, StartPlan)> {
    let savepoint = || match &config.from_savepoint {
        Some(settings) => StartFrom::Savepoint { path: settings.path.clone() },
        None => StartFrom::Configured,
    };
    let Some(storage) = &config.storage else {
        return Ok((None, StartPlan { from: savepoint(), ..StartPlan::default() }));
    };
    let mut leader = storage.lead(u64::from_le_bytes(random_bytes()?))?;
    // A job that has ended starts anew when somebody starts it anew; a later attempt of
    // the same run only learns that there is nothing left to do.
    let own = leader.restore_point()?;
    let from = match own {
        Some(located) => {
            let own = located.manifest.kind == SnapshotKind::Checkpoint
                || located.parent.place() == storage.folder().place();
            let directory = (!own).then(|| located.parent.place().to_owned());
            StartFrom::Own { directory, folder: located.folder }
        }
        None if leader.is_finished() && config.attempt > 1 => StartFrom::Finished,
        None => savepoint(),
    };
    if let (StartFrom::Savepoint { path }, Some(settings)) = (&from, &config.from_savepoint)
        && settings.claim
    {
        leader.claim(LocatedManifest::open(path)?);
    }
    let (term, job_id) = (leader.term(), storage.job_id().to_owned());
    Ok((Some(leader), StartPlan { term, job_id, from }))
}

/// Every process: the state that the plan says, checked against the job.
///
/// The manifest comes along when it is the job's own checkpoint: its files may be named
/// again by the next one.
pub(crate) fn restored(
    plan: &Plan,
    config: &RuntimeConfig,
    start: &StartPlan,
) -> Result<(RestoredJob, Option<Arc<LocatedManifest>>)> {
    let (located, own) = match &start.from {
        StartFrom::Configured | StartFrom::Finished => {
            channel_state::check(plan, &config.restored)?;
            return Ok((config.restored.clone(), None));
        }
        StartFrom::Own { directory: Some(directory), folder } => {
            (LocatedManifest::read(&Storage::open(directory)?, folder)?, false)
        }
        StartFrom::Own { directory: None, folder } => {
            let storage = config.storage.as_ref();
            let storage = storage.ok_or_else(|| {
                Error::config("process 0 has storage for checkpoints, and this process has none")
                    .advice("start every process with the same options")
            })?;
            (LocatedManifest::read(storage.folder(), folder)?, true)
        }
        StartFrom::Savepoint { path } => (LocatedManifest::open(path)?, false),
    };
    let allow = config.from_savepoint.as_ref().is_some_and(|s| s.allow_non_restored_state);
    let job = description(plan, config);
    let checked = millstream_checkpoint::restore::check(&located.manifest, &job, allow);
    checked.map_err(|e| e.at(located.place()))?;
    if config.layout.process == 0 {
        located.check_objects()?;
    }
    let located = Arc::new(located);
    let incremental = own && located.manifest.kind == SnapshotKind::Checkpoint;
    let restored = RestoredJob::of(&located);
    channel_state::check(plan, &restored).map_err(|e| e.at(located.place()))?;
    Ok((restored, incremental.then_some(located)))
}
