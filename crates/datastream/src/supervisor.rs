//! Runs the processes of a job, and replaces them when one dies.
//!
//! ```text
//!   supervisor (the user's process)
//!     attempt 1: process 0, 1, 2 ... one is killed, the others notice and end
//!     attempt 2: process 0, 1, 2 ... from the last completed checkpoint
//! ```
//!
//! An attempt ends as a whole. The supervisor holds no state of the job: what to restore
//! is decided by process 0 of the next attempt, under a new term, from the job's log.
//!
//! A process that is killed is noticed by its peers, who end; one that is stopped is noticed
//! by the supervisor, because its signs of life are missing (Flink's `heartbeat.timeout`).
//!
//! Invariants: the processes of two attempts never run at the same time; the restart
//! strategy decides how often; a supervisor that dies takes its children with it.

use crate::processes::Children;
use millstream_checkpoint::{JobStorage, RestartTracker, Retention, Storage, requests, restart};
use millstream_core::{Error, ErrorKind, Result, random_bytes};
use millstream_runtime::JobHandle;
use millstream_runtime::execution::{RunningJob, RuntimeConfig, fresh_job_id};
use std::time::{Duration, Instant};

/// How long the others have to end by themselves when a process has failed.
const GRACE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);
/// How long a request to the job may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

/// `job_number`: which job of the program it is.
pub(crate) fn start(mut config: RuntimeConfig, job_number: usize) -> Result<RunningJob> {
    if config.storage.is_some() {
        return Err(Error::config("checkpoints in memory cannot be restored by other processes")
            .advice("give a checkpoint directory, or run in one process"));
    }
    let job_id = match config.job_id.take() {
        Some(id) => id,
        None => fresh_job_id(&config.job_name)?,
    };
    let storage = match &config.checkpoint.directory {
        Some(place) => Some(JobStorage::new(&Storage::open(place)?, &job_id)?),
        None => None,
    };
    config.job_id = Some(job_id);
    RunningJob::spawn(config.metrics.clone(), move |handle| {
        let ended = supervise(config.clone(), job_number, handle, storage.as_ref());
        let deletes = config.checkpoint.retention == Retention::DeleteOnCancellation;
        if let (Err(error), Some(storage), true) = (&ended, &storage, deletes)
            && error.kind() == ErrorKind::Cancelled
        {
            storage.lead(random()?)?.finish()?;
        }
        ended
    })
}

fn random() -> Result<u64> {
    Ok(u64::from_le_bytes(random_bytes()?))
}

fn supervise(
    mut config: RuntimeConfig,
    job_number: usize,
    handle: &JobHandle,
    storage: Option<&JobStorage>,
) -> Result<()> {
    let mut tracker = RestartTracker::new(config.restart.clone());
    let folder = std::env::temp_dir().join(format!("millstream-{:016x}", random()?));
    std::fs::create_dir_all(&folder)?;
    let folder = RemovedAtEnd(folder);
    loop {
        let ended = attempt(&mut config, job_number, handle, storage, &folder.0);
        let Err(error) = ended else { return Ok(()) };
        if handle.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the job was cancelled"));
        }
        let delay_ms = match restart::may_help(error.kind()) {
            true => {
                let chance = random()? as f64 / u64::MAX as f64;
                tracker.failed(config.clock.now_ms(), chance)
            }
            false => None,
        };
        let Some(delay_ms) = delay_ms else { return Err(error) };
        eprintln!("job '{}': {error}; restart in {delay_ms} ms", config.job_name);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(delay_ms.max(0) as u64) {
            if handle.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the job was cancelled"));
            }
            std::thread::sleep(LOOK.min(Duration::from_millis(delay_ms.max(1) as u64)));
        }
        config.attempt += 1;
    }
}

fn attempt(
    config: &mut RuntimeConfig,
    job_number: usize,
    handle: &JobHandle,
    storage: Option<&JobStorage>,
    folder: &std::path::Path,
) -> Result<()> {
    let mut children = Children::start_all(config, job_number, folder)?;
    let mut failed_at: Option<Instant> = None;
    while !children.have_ended()? {
        if handle.is_cancelled() {
            break;
        }
        if failed_at.is_none() && children.failed()? {
            failed_at = Some(Instant::now());
        }
        let timeout = Duration::from_millis(config.heartbeat_timeout_ms.max(1) as u64);
        if let Some(process) = children.silent(timeout)? {
            let what = format!("process {process} has given no sign of life for {timeout:?}");
            let _ = children.end(); // what they say is a consequence
            return Err(Error::restart(what));
        }
        // A process that was stopped, or hangs, does not notice.
        if failed_at.is_some_and(|at| at.elapsed() > GRACE) {
            break;
        }
        forward_requests(handle, storage);
        std::thread::sleep(LOOK);
    }
    children.end()
}

/// Requests to the handle go to process 0 the way those of the command line do.
fn forward_requests(handle: &JobHandle, storage: Option<&JobStorage>) {
    for (request, responder) in handle.take_requests() {
        let Some(job) = storage.map(|storage| storage.folder().clone()) else {
            responder(Err(Error::config("this job has no checkpoint directory")));
            continue;
        };
        std::thread::spawn(move || {
            let answer = random().and_then(|id| requests::ask(&job, id, &request, REQUEST_TIMEOUT));
            responder(answer);
        });
    }
}

struct RemovedAtEnd(std::path::PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // temporary files
    }
}
