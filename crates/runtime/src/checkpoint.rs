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
use millstream_checkpoint::{JobDescription, Leader, LocatedManifest, OperatorInfo};
use millstream_core::{Error, Result, random_bytes};
use millstream_state::SnapshotKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use millstream_checkpoint::{
    CheckpointConfig, CheckpointingMode, JobStorage, MemoryCheckpoints, Request, RestartStrategy,
    RestoreSettings, RestoredJob, Retention, Stop, Storage,
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
    let savepoint = || match config.savepoint() {
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
    if let (StartFrom::Savepoint { path }, Some(settings)) = (&from, config.savepoint())
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
            check_schemas(plan, &config.restored)?;
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
    check_schemas(plan, &restored).map_err(|e| e.at(located.place()))?;
    channel_state::check(plan, &restored).map_err(|e| e.at(located.place()))?;
    Ok((restored, incremental.then_some(located)))
}

/// Name of the operator state with the words of
/// [`NodeSpec::state_schema`](crate::NodeSpec::state_schema).
pub(crate) const STATE_SCHEMA: &str = "state-schema";

/// Whether every operator that describes its state in words finds the same words stored.
pub(crate) fn check_schemas(plan: &Plan, restored: &RestoredJob) -> Result<()> {
    for node in &plan.nodes {
        let Some(wanted) = node.state_schema.as_deref() else { continue };
        let stored: Option<String> = restored.operator(&node.uid).broadcast(STATE_SCHEMA)?;
        if let Some(stored) = stored.filter(|stored| stored != wanted) {
            return Err(Error::config(format!(
                "the state of '{}' (uid {}) was stored as {stored}, and the job now keeps {wanted}",
                node.name, node.uid
            ))
            .advice(
                "change the job back to what was stored, or start it without that state: from \
                 the beginning of its input, or beside the former job",
            ));
        }
    }
    Ok(())
}

/// What becomes of an operator's state when a job starts from a checkpoint or savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The operator goes on with it.
    Kept,
    /// There is none: the operator starts empty.
    New,
    /// The job has no such operator: the state is left behind.
    Dropped,
}

/// An operator in a [`RestoreReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorFate {
    /// Its identity.
    pub uid: String,
    /// Its name, for people.
    pub name: String,
    /// What becomes of its state.
    pub fate: Fate,
}

/// What a job would start with. As text: a line for each operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// The checkpoint or savepoint.
    pub place: String,
    /// The job's operators, then those that only the stored state has.
    pub operators: Vec<OperatorFate>,
}

impl RestoreReport {
    pub(crate) fn of(
        located: &LocatedManifest,
        job: &millstream_checkpoint::JobDescription,
        dropped: &[String],
    ) -> Self {
        let manifest = &located.manifest;
        let stored = manifest.subtasks.iter().flat_map(|(_, state)| &state.operators);
        let stored: std::collections::BTreeSet<&str> = stored.map(|op| op.uid.as_str()).collect();
        let own = job.operators.iter().map(|op| OperatorFate {
            uid: op.uid.clone(),
            name: op.name.clone(),
            fate: if stored.contains(op.uid.as_str()) { Fate::Kept } else { Fate::New },
        });
        let left = dropped.iter().map(|uid| OperatorFate {
            uid: uid.clone(),
            name: manifest
                .operators
                .iter()
                .find(|op| op.uid == *uid)
                .map_or_else(String::new, |op| op.name.clone()),
            fate: Fate::Dropped,
        });
        RestoreReport { place: located.place(), operators: own.chain(left).collect() }
    }
}

impl std::fmt::Display for RestoreReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: the job can start from it", self.place)?;
        for OperatorFate { uid, name, fate } in &self.operators {
            let fate = match fate {
                Fate::Kept => "keeps its state",
                Fate::New => "starts empty",
                Fate::Dropped => "is gone, its state is dropped",
            };
            writeln!(f, "  {name} ({uid}): {fate}")?;
        }
        Ok(())
    }
}
