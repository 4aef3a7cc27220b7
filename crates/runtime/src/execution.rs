//! Runs a job graph: in this process, or as one of several processes.
//!
//! Every process of a job runs the same program, builds the same graph, and calls
//! [`execute`] with its own index; they find each other by the list of addresses.

use crate::checkpoint::{CheckpointStore, RestoredJob};
use crate::control::{JobControl, JobHandle};
use crate::job_graph::{JobGraph, Plan};
use crate::metrics::MetricRegistry;
use crate::state::StateBackendConfig;
use crate::timely_host::{network, worker};
use millstream_core::{Clock, Error, Result, SystemClock};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

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
    /// Time between checkpoint cuts; none when `None`.
    pub checkpoint_interval_ms: Option<i64>,
    /// Time between periodic watermarks; 0: after every record.
    pub auto_watermark_interval_ms: i64,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Where snapshots go; without one they are taken and dropped.
    pub store: Option<Arc<dyn CheckpointStore>>,
    /// The state to start from.
    pub restored: RestoredJob,
    /// Where keyed state lives.
    pub state_backend: StateBackendConfig,
    /// Where metrics are registered.
    pub metrics: MetricRegistry,
    /// Whether a source uses watermark alignment.
    pub aligned: bool,
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
            checkpoint_interval_ms: None,
            auto_watermark_interval_ms: 200,
            clock: Arc::new(SystemClock),
            store: None,
            restored: RestoredJob::default(),
            state_backend: StateBackendConfig::default(),
            metrics: MetricRegistry::new(),
            aligned: false,
        }
    }
    fn all_workers(&self) -> usize {
        self.layout.processes * self.layout.workers
    }
}

/// A job that runs in the background.
pub struct RunningJob {
    handle: JobHandle,
    thread: JoinHandle<Result<()>>,
}

impl RunningJob {
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
    let plan = Arc::new(Plan::of(graph, config.all_workers())?);
    let control = Arc::new(JobControl::default());
    let handle = JobHandle { control, metrics: config.metrics.clone() };
    let for_thread = handle.clone();
    let body = move || {
        let peers = match config.layout.processes {
            1 => None,
            _ => Some(network::connect(&config, listener)?),
        };
        worker::run(&plan, &config, &for_thread, peers)
    };
    let thread = std::thread::Builder::new().name("job".into()).spawn(body);
    let thread = thread.map_err(|e| Error::retry(format!("cannot start the job's thread: {e}")))?;
    Ok(RunningJob { handle, thread })
}
