//! Runs a job graph: in this process, or as one of several processes.
//!
//! Every process of a job runs the same program, builds the same graph, and calls
//! [`execute`] with its own index; they find each other by the list of addresses.

use crate::channel_state;
use crate::checkpoint::{self, RestoreReport, StartFrom};
use crate::control::JobHandle;
use crate::job_graph::{JobGraph, Plan};
use crate::metrics::MetricRegistry;
use crate::operator::{JobInfo, OperatorContext, SubtaskInfo, Waker};
use crate::state::StateBackendConfig;
use crate::timely_host::{network, worker};
use millstream_checkpoint::service::LeaderService;
use millstream_checkpoint::uploader::Uploader;
use millstream_checkpoint::{
    CheckpointConfig, JobStorage, LocatedManifest, RestartStrategy, RestartTracker,
    RestoreSettings, RestoredJob, Retention, Storage, restart,
};
use millstream_core::{Clock, Epoch, Error, ErrorKind, Result, SystemClock, random_bytes};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use crate::timely_host::network::ProcessLayout;

/// How a process takes part in a job.
#[derive(Clone)]
pub struct RuntimeConfig {
    /// Name of the job, for people and for the handshake.
    pub job_name: String,
    /// Processes and workers.
    pub layout: ProcessLayout,
    /// `host:port` of every process, in order; may be empty for one process.
    pub addresses: Vec<String>,
    /// What processes must know to be let in.
    pub secret: String,
    /// Number of this attempt at the job; processes of different attempts do not meet.
    pub attempt: u64,
    /// The leader's term; set by the runtime when the attempt begins.
    pub term: u64,
    /// When checkpoints are taken, and what happens to them.
    pub checkpoint: CheckpointConfig,
    /// Time between periodic watermarks; 0: after every record.
    pub auto_watermark_interval_ms: i64,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Where snapshots go; without one they are taken and dropped.
    pub storage: Option<JobStorage>,
    /// The state to start from, when there is no savepoint to start from, and the storage
    /// has no checkpoint of this job.
    pub restored: RestoredJob,
    /// The savepoint to start from, when the storage has no checkpoint of this job; without
    /// a path it only says how strict a restore is.
    pub from_savepoint: Option<RestoreSettings>,
    /// What follows a failure of a job of one process. (Several processes are restarted by
    /// who has started them.)
    pub restart: RestartStrategy,
    /// Where keyed state lives.
    pub state_backend: StateBackendConfig,
    /// Where metrics are registered.
    pub metrics: MetricRegistry,
    /// Whether a source uses watermark alignment.
    pub aligned: bool,
    /// A supervised process that gives no sign of life for so long is replaced.
    pub heartbeat_timeout_ms: i64,
    /// Names the job's folder in `checkpoint.directory`; made up when `None`.
    pub job_id: Option<String>,
}

impl RuntimeConfig {
    /// One process with `workers` worker threads.
    pub fn local(job_name: impl Into<String>, workers: usize) -> Self {
        RuntimeConfig {
            job_name: job_name.into(),
            layout: ProcessLayout { process: 0, processes: 1, workers },
            addresses: vec![],
            secret: String::new(),
            attempt: 1,
            term: 0,
            checkpoint: CheckpointConfig::default(),
            auto_watermark_interval_ms: 200,
            clock: Arc::new(SystemClock),
            storage: None,
            restored: RestoredJob::default(),
            from_savepoint: None,
            restart: RestartStrategy::None,
            state_backend: StateBackendConfig::default(),
            metrics: MetricRegistry::new(),
            aligned: false,
            heartbeat_timeout_ms: 50_000,
            job_id: None,
        }
    }
    /// The savepoint to start from, if one is named.
    pub fn savepoint(&self) -> Option<&RestoreSettings> {
        self.from_savepoint.as_ref().filter(|settings| !settings.path.is_empty())
    }
    fn all_workers(&self) -> usize {
        self.layout.processes * self.layout.workers
    }
    /// What operators are told of the job.
    pub(crate) fn job_info(&self) -> JobInfo {
        JobInfo {
            name: self.job_name.clone(),
            id: self.storage.as_ref().map_or_else(String::new, |s| s.job_id().to_owned()),
            term: self.term,
            checkpoint_interval_ms: self.checkpoint.interval_ms,
            checkpoint_timeout_ms: self.checkpoint.timeout_ms,
            checkpoints_stored: self.storage.is_some(),
            restored_epoch: self.restored.epoch,
        }
    }
}

/// A job that runs in the background.
pub struct RunningJob {
    handle: JobHandle,
    thread: JoinHandle<Result<()>>,
}

impl RunningJob {
    /// Runs `body` in the background as the job, with the handle that the user gets.
    ///
    /// # Errors
    /// `Retry` when the machine has no threads left.
    pub fn spawn(
        metrics: MetricRegistry,
        body: impl FnOnce(&JobHandle) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let handle = JobHandle { control: Arc::default(), metrics };
        let for_thread = handle.clone();
        let thread = std::thread::Builder::new().name("job".into());
        let thread = thread.spawn(move || body(&for_thread));
        let thread =
            thread.map_err(|e| Error::retry(format!("cannot start the job's thread: {e}")))?;
        Ok(RunningJob { handle, thread })
    }
    /// To cancel, and to read metrics.
    pub fn handle(&self) -> &JobHandle {
        &self.handle
    }
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
    /// Waits until the job has ended on all workers of this process.
    ///
    /// # Errors
    /// What ended the job, if not the end of its input; `Cancelled` after a cancel.
    pub fn wait(self) -> Result<()> {
        self.thread.join().unwrap_or_else(|_| Err(Error::bug("the job's own thread panicked")))
    }
}

/// The plan of `graph` for `workers` workers as text.
///
/// # Errors
/// `Config`, when the graph cannot run.
pub fn explain(graph: &JobGraph, workers: usize) -> Result<String> {
    Ok(Plan::of(graph, workers)?.explain())
}

/// What the job would start with, from the savepoint or checkpoint that `settings` name:
/// by its manifest and the words of its states, so it is quick. Refuses what a start would.
///
/// # Errors
/// `Config` or `Corrupt`, as the start of the job would.
pub fn restore_report(
    graph: &JobGraph,
    config: &RuntimeConfig,
    settings: &RestoreSettings,
) -> Result<RestoreReport> {
    let plan = Plan::of(graph, config.all_workers())?;
    Ok(restorable(&plan, config, settings)?.0)
}

fn restorable(
    plan: &Plan,
    config: &RuntimeConfig,
    settings: &RestoreSettings,
) -> Result<(RestoreReport, Arc<LocatedManifest>)> {
    let located = Arc::new(LocatedManifest::open(&settings.path)?);
    let job = checkpoint::description(plan, config);
    let allow = settings.allow_non_restored_state;
    let dropped = millstream_checkpoint::restore::check(&located.manifest, &job, allow);
    let checked = dropped.and_then(|dropped| {
        checkpoint::check_schemas(plan, &RestoredJob::of(&located))?;
        Ok(RestoreReport::of(&located, &job, &dropped))
    });
    Ok((checked.map_err(|e| e.at(located.place()))?, located))
}

/// Whether the job would start from the savepoint or checkpoint that `settings` name, without
/// running it: max parallelism, uids, every object, and the schemas of states. Operators other
/// than sources and sinks are opened once for that, one subtask each.
///
/// # Errors
/// `Config` or `Corrupt`, as the start of the job would.
pub fn check_savepoint(
    graph: &JobGraph,
    config: &RuntimeConfig,
    settings: &RestoreSettings,
) -> Result<RestoreReport> {
    let plan = Plan::of(graph, config.all_workers())?;
    let (report, located) = restorable(&plan, config, settings)?;
    located.check_objects()?;
    let restored = RestoredJob::of(&located);
    channel_state::check(&plan, &restored).map_err(|e| e.at(located.place()))?;
    let info = Arc::new(config.job_info());
    plan.try_open(&|node| {
        let subtask = SubtaskInfo {
            name: node.name.clone(),
            uid: node.uid.clone(),
            index: 0,
            parallelism: node.parallelism,
            max_parallelism: plan.max_parallelism,
        };
        OperatorContext {
            job: Arc::clone(&info),
            metrics: MetricRegistry::new().group(&subtask),
            restored: restored.operator(&node.uid),
            state_schema: node.state_schema.clone(),
            state_backend: config.state_backend.clone(),
            clock: Arc::clone(&config.clock),
            waker: Waker::none(),
            auto_watermark_interval_ms: config.auto_watermark_interval_ms,
            subtask,
        }
    })
    .map_err(|e| e.at(located.place()))?;
    Ok(report)
}

/// Checks and starts the job; `listener` may be bound already to the own address.
///
/// # Errors
/// `Config` when the graph or the settings are wrong, before anything runs; `Retry` when
/// the other processes cannot be reached.
pub fn execute(
    graph: &JobGraph,
    config: RuntimeConfig,
    listener: Option<TcpListener>,
) -> Result<RunningJob> {
    if config.layout.workers == 0 || config.layout.process >= config.layout.processes {
        return Err(Error::config(
            "a job needs at least one worker, and a process index below \
                                  the number of processes",
        )
        .advice("check --workers, --processes and --process-index"));
    }
    config.checkpoint.validate()?;
    let metrics = config.metrics.clone();
    let plan = Arc::new(Plan::of(graph, config.all_workers())?);
    let body = move |handle: &JobHandle| run(&plan, config, handle, listener);
    RunningJob::spawn(metrics, body)
}

/// Attempt after attempt, until one ends well or the restart strategy gives up.
fn run(
    plan: &Arc<Plan>,
    mut config: RuntimeConfig,
    handle: &JobHandle,
    mut listener: Option<TcpListener>,
) -> Result<()> {
    if let (None, Some(directory)) = (&config.storage, &config.checkpoint.directory) {
        let job_id = match &config.job_id {
            Some(id) => id.clone(),
            None => fresh_job_id(&config.job_name)?,
        };
        config.storage = Some(JobStorage::new(&Storage::open(directory)?, &job_id)?);
    }
    let mut tracker = RestartTracker::new(config.restart.clone());
    let job = SubtaskInfo {
        name: "job".into(),
        uid: "job".into(),
        index: 0,
        parallelism: 1,
        max_parallelism: plan.max_parallelism,
    };
    let restarts = config.metrics.group(&job).counter("numRestarts");
    loop {
        handle.control.begin_attempt(config.attempt);
        let Err(error) = attempt(plan, &config, handle, listener.take()) else { return Ok(()) };
        let alone = config.layout.processes == 1 && !handle.control.is_cancelled();
        let delay_ms = (alone && restart::may_help(error.kind()))
            .then(|| tracker.failed(config.clock.now_ms(), chance()))
            .flatten();
        let Some(delay_ms) = delay_ms else { return Err(error) };
        eprintln!("job '{}': {error}; restart in {delay_ms} ms", config.job_name);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(delay_ms.max(0) as u64) {
            if handle.control.is_cancelled() {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        restarts.add(1);
        config.attempt += 1;
    }
}

/// An id for a job that has none: its name and something random.
///
/// # Errors
/// `Retry` when the machine has no random numbers.
pub fn fresh_job_id(job_name: &str) -> Result<String> {
    let bytes = random_bytes()?;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = job_name.chars().take(64).map(plain).collect();
    let name = if name.is_empty() { "job" } else { &name };
    Ok(format!("{name}-{:08x}", u32::from_le_bytes(bytes)))
}

/// A random number from 0 to 1, for the jitter of restarts.
fn chance() -> f64 {
    // Without random numbers there is no jitter, which is not worth an error.
    let bytes = random_bytes().unwrap_or_default();
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// What the workers of a process need for checkpoints.
#[derive(Clone)]
pub(crate) struct Checkpointing {
    pub(crate) uploader: Arc<Uploader>,
    /// On process 0.
    pub(crate) leader: Option<Arc<LeaderService>>,
    /// Checkpoints that are kept from earlier attempts, oldest first.
    pub(crate) retained: Vec<Epoch>,
}

/// This process's part of one attempt.
fn attempt(
    plan: &Arc<Plan>,
    config: &RuntimeConfig,
    handle: &JobHandle,
    listener: Option<TcpListener>,
) -> Result<()> {
    let mut config = config.clone();
    let mut peers = match config.layout.processes {
        1 => None,
        _ => Some(network::connect(&config, listener)?),
    };
    let first = config.layout.process == 0;
    let (leader, start) = match &mut peers {
        Some(peers) if !first => (None, network::hear_start(peers)?),
        _ => checkpoint::begin(&config)?,
    };
    if let (false, Some(storage)) = (start.job_id.is_empty(), &config.storage) {
        config.storage = Some(storage.with_job_id(&start.job_id)?);
    }
    let (restored, own) = checkpoint::restored(plan, &config, &start)?;
    config.restored = restored;
    config.term = start.term;
    if first {
        // Before any source runs, anywhere: the others still wait for the start.
        if start.from != StartFrom::Finished {
            plan.recover_sinks(&config)?;
        }
        if let Some(peers) = &mut peers {
            network::tell_start(peers, &start)?;
        }
    }
    if start.from == StartFrom::Finished {
        return Ok(());
    }
    let control = Arc::clone(&handle.control);
    let number = config.attempt;
    // Snapshots of one epoch besides the current one, and the end of each.
    let capacity = 4 * plan.tasks.len() * config.layout.workers;
    let storage = config.storage.clone().map(|storage| (storage, start.term));
    let uploader = Uploader::start(storage, own.as_deref(), capacity, move |report| {
        // What is left of an earlier attempt interests nobody.
        if control.attempt() == number {
            control.report(report);
        }
    })?;
    let retained = leader.as_ref().map(|leader| leader.retained()).unwrap_or_default();
    let service = match first {
        true => {
            let (control, clock) = (Arc::clone(&handle.control), Arc::clone(&config.clock));
            let job = checkpoint::description(plan, &config);
            let told = move |told| control.tell(told);
            Some(Arc::new(LeaderService::start(leader, job, clock, told)?))
        }
        false => None,
    };
    let checkpointing =
        Checkpointing { uploader: Arc::new(uploader), leader: service.clone(), retained };
    let ended = worker::run(plan, &config, handle, peers, checkpointing);
    if let Some(service) = service {
        let deleted = config.checkpoint.retention == Retention::DeleteOnCancellation;
        let cancelled = matches!(&ended, Err(e) if e.kind() == ErrorKind::Cancelled) && deleted;
        let written = service.end(ended.is_ok() || cancelled);
        return ended.and(written);
    }
    ended
}
