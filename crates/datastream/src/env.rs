//! The environment of a job: settings, sources, and the start of it.
//!
//! ```text
//!   one process          execute ──> runtime in this process
//!   --processes 3        execute ──> process 0 here, and the same program twice more;
//!                        with checkpoints: a supervisor here, and the program three times
//!   --hosts a,b,c        each of them was started by somebody; --process-index says which
//! ```

use crate::args::JobArgs;
use crate::monitoring::{Monitoring, MonitoringArgs};
use crate::processes::{Child, Children, SECRET};
use crate::stream::DataStream;
use crate::supervisor;
use clap::Parser;
use millstream_core::{Data, Error, Result};
use millstream_runtime::checkpoint::{
    CheckpointConfig, JobStorage, RestartStrategy, RestoreSettings, RestoredJob,
};
use millstream_runtime::execution::{
    ProcessLayout, RunningJob, RuntimeConfig, check_savepoint, execute, explain,
};
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::{JobGraph, JobHandle, MetricRegistry, NodeId, NodeSpec, Source};
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct EnvInner {
    pub(crate) job: JobGraph,
    aligned: bool,
}

pub(crate) type Graph = Rc<RefCell<EnvInner>>;

/// Builds a job and runs it. See the crate's documentation.
///
/// ```
/// use millstream_datastream::StreamExecutionEnvironment;
/// let env = StreamExecutionEnvironment::new();
/// env.set_parallelism(2).set_max_parallelism(64);
/// ```
pub struct StreamExecutionEnvironment {
    graph: Graph,
    args: JobArgs,
    settings: RefCell<Settings>,
    metrics: MetricRegistry,
}

#[derive(Clone, Default)]
struct Settings {
    auto_watermark_interval: Option<Duration>,
    checkpoint: CheckpointConfig,
    storage: Option<JobStorage>,
    restored: RestoredJob,
    restart: Option<RestartStrategy>,
    state_backend: StateBackendConfig,
}

impl Default for StreamExecutionEnvironment {
    fn default() -> Self {
        let monitoring = MonitoringArgs { no_progress: true, ..MonitoringArgs::default() };
        Self::with_args(JobArgs { processes: 1, monitoring, ..JobArgs::default() })
    }
}

impl StreamExecutionEnvironment {
    /// For a job in this process alone, which serves no metrics and shows no progress.
    pub fn new() -> Self {
        Self::default()
    }
    /// With the options of the command line; answers `--help` and wrong options itself.
    pub fn from_args() -> Self {
        Self::with_args(JobArgs::parse())
    }
    /// With options that the job has parsed with its own.
    pub fn with_args(args: JobArgs) -> Self {
        StreamExecutionEnvironment {
            graph: Rc::new(RefCell::new(EnvInner { job: JobGraph::new(), aligned: false })),
            args,
            settings: RefCell::default(),
            metrics: MetricRegistry::new(),
        }
    }

    /// Parallelism of operators that do not set their own.
    pub fn set_parallelism(&self, parallelism: usize) -> &Self {
        self.graph.borrow_mut().job.parallelism = Some(parallelism);
        self
    }
    /// Number of key groups (128 when not set); fixed for the life of the job's state.
    pub fn set_max_parallelism(&self, max_parallelism: usize) -> &Self {
        self.graph.borrow_mut().job.max_parallelism = Some(max_parallelism);
        self
    }
    /// Fuses no operators (for profiling and tests).
    pub fn disable_operator_chaining(&self) -> &Self {
        self.graph.borrow_mut().job.chaining_disabled = true;
        self
    }
    /// How often periodic watermarks are made (200 ms when not set). Zero: after every
    /// record that advances them, so that results do not depend on the clock (in Flink
    /// zero turns periodic watermarks off).
    pub fn set_auto_watermark_interval(&self, interval: Duration) -> &Self {
        self.settings.borrow_mut().auto_watermark_interval = Some(interval);
        self
    }
    /// Time between checkpoints. They go to the place given to
    /// [`set_checkpoint_directory`](Self::set_checkpoint_directory); sinks flush at each.
    pub fn enable_checkpointing(&self, interval: Duration) -> &Self {
        let ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        self.settings.borrow_mut().checkpoint.interval_ms = Some(ms.max(1));
        self
    }
    /// Where checkpoints go: a folder or a URL (nowhere when not set: the job cannot be
    /// restored, and does not restart by itself).
    pub fn set_checkpoint_directory(&self, place: impl Into<String>) -> &Self {
        self.settings.borrow_mut().checkpoint.directory = Some(place.into());
        self
    }
    /// Where keyed state lives: in memory when not set. `-D state.backend.type` and
    /// `-D state.backend.rocksdb.*` of the command line go before this.
    pub fn set_state_backend(&self, backend: StateBackendConfig) -> &Self {
        self.settings.borrow_mut().state_backend = backend;
        self
    }
    /// The settings of checkpoints, to be changed.
    ///
    /// ```
    /// use millstream_datastream::StreamExecutionEnvironment;
    /// let env = StreamExecutionEnvironment::new();
    /// env.checkpoint_config(|config| config.min_pause_ms = 500);
    /// ```
    pub fn checkpoint_config(&self, change: impl FnOnce(&mut CheckpointConfig)) -> &Self {
        change(&mut self.settings.borrow_mut().checkpoint);
        self
    }
    /// What follows a failure. When not set: restarts with a growing delay for a job that
    /// stores checkpoints, and none for one that does not.
    pub fn set_restart_strategy(&self, strategy: RestartStrategy) -> &Self {
        self.settings.borrow_mut().restart = Some(strategy);
        self
    }
    /// Checkpoints go to this job's storage (tests; several jobs in one process).
    pub fn set_checkpoint_storage(&self, storage: JobStorage) -> &Self {
        self.settings.borrow_mut().storage = Some(storage);
        self
    }
    /// Starts from this state in place of an empty one, unless the job's storage has a
    /// checkpoint of its own.
    pub fn restore_from(&self, state: RestoredJob) -> &Self {
        self.settings.borrow_mut().restored = state;
        self
    }
    /// The metrics of this process, while the job runs and after.
    pub fn metrics(&self) -> &MetricRegistry {
        &self.metrics
    }

    /// Adds a source; `strategy` gives records event times and the stream watermarks.
    pub fn from_source<T: Data>(
        &self,
        source: impl Source<Out = T>,
        strategy: WatermarkStrategy<T>,
        name: &str,
    ) -> DataStream<T> {
        let spec = NodeSpec { name: name.into(), ..NodeSpec::default() };
        let mut graph = self.graph.borrow_mut();
        graph.aligned |= strategy.alignment().is_some();
        let node = graph.job.add_source(spec, Arc::new(source), strategy);
        drop(graph);
        DataStream::of_node(Rc::clone(&self.graph), node)
    }

    /// Parallelism of operators that do not set their own, as the job stands now.
    pub fn parallelism(&self) -> usize {
        let set = self.graph.borrow().job.parallelism;
        set.unwrap_or_else(|| self.workers() * self.processes())
    }

    /// The graph of the job, for an API on top of this one that adds operators of its own
    /// (tables). What it adds is part of the job: its checkpoints, restarts and uids.
    pub fn with_job_graph<R>(&self, change: impl FnOnce(&mut JobGraph) -> R) -> R {
        change(&mut self.graph.borrow_mut().job)
    }

    /// The stream of what `node` emits, which must be `Batch<T>`.
    pub fn stream_of<T: Data>(&self, node: NodeId) -> DataStream<T> {
        DataStream::of_node(Rc::clone(&self.graph), node)
    }

    /// Whether `stream` is one of this environment's.
    pub fn owns<T>(&self, stream: &DataStream<T>) -> bool {
        Rc::ptr_eq(&self.graph, &stream.graph)
    }

    /// Workers of each process: as told, as the job asks, or one for each core.
    fn workers(&self) -> usize {
        let processes = self.processes();
        let asked = self.graph.borrow().job.largest_parallelism();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.args.workers.or(asked.map(|p| p.div_ceil(processes))).unwrap_or(cores)
    }

    fn processes(&self) -> usize {
        if self.args.hosts.is_empty() { self.args.processes.max(1) } else { self.args.hosts.len() }
    }

    /// Tasks and edges of the job as text.
    ///
    /// # Errors
    /// `Config`, when the job cannot run.
    pub fn explain(&self) -> Result<String> {
        explain(&self.graph.borrow().job, self.workers() * self.processes())
    }

    /// Settings of one process of the job; a test cluster changes the layout.
    pub fn runtime_config(&self, job_name: &str) -> RuntimeConfig {
        let settings = self.settings.borrow();
        let ms = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let mut config = RuntimeConfig::local(job_name, self.workers());
        config.metrics = self.metrics.clone();
        config.aligned = self.graph.borrow().aligned;
        config.auto_watermark_interval_ms = settings.auto_watermark_interval.map_or(200, ms);
        config.checkpoint = settings.checkpoint.clone();
        config.storage = settings.storage.clone();
        config.restored = settings.restored.clone();
        config.job_id = self.args.job_id.clone();
        config.from_savepoint = self.args.from_savepoint.clone().map(|path| RestoreSettings {
            path,
            allow_non_restored_state: self.args.allow_non_restored_state,
            claim: self.args.claim,
        });
        config.state_backend = settings.state_backend.clone();
        config
    }

    /// Starts one process of the job with these settings.
    ///
    /// # Errors
    /// `Config` when the job or the settings are wrong.
    pub fn start(
        &self,
        config: RuntimeConfig,
        listener: Option<TcpListener>,
    ) -> Result<RunningJob> {
        execute(&self.graph.borrow().job, config, listener)
    }

    /// Whether the job would start from this savepoint or checkpoint, without running it; a
    /// report as text. With `--check-savepoint`, [`execute`](Self::execute) prints it and
    /// ends the process.
    ///
    /// # Errors
    /// What the start of the job would say.
    pub fn check_savepoint(&self, path: &str) -> Result<String> {
        let mut config = self.runtime_config("check");
        config.apply(&self.args.settings()?, None)?;
        config.layout.processes = self.processes();
        let settings = RestoreSettings {
            path: path.to_owned(),
            allow_non_restored_state: self.args.allow_non_restored_state,
            claim: false,
        };
        Ok(check_savepoint(&self.graph.borrow().job, &config, &settings)?.to_string())
    }

    /// Runs the job until its input ends, it fails, or it is cancelled.
    ///
    /// # Errors
    /// What ended the job, with the operator and what to do; `Config` before it runs.
    pub fn execute(&self, job_name: &str) -> Result<JobExecutionResult> {
        self.execute_async(job_name)?.wait()
    }

    /// Starts the job in the background.
    ///
    /// # Errors
    /// `Config` when the job or the settings are wrong.
    pub fn execute_async(&self, job_name: &str) -> Result<JobClient> {
        if let Some(path) = &self.args.check_savepoint {
            print!("{}", self.check_savepoint(path)?);
            std::process::exit(0);
        }
        let mut config = self.runtime_config(job_name);
        let restart = self.settings.borrow().restart.clone();
        config.apply(&self.args.settings()?, restart)?;
        let processes = self.processes();
        if let Some(child) = Child::of_this_process()? {
            child.configure(&mut config);
            return self.start_process(config, None, Children::of_child(child));
        }
        if !self.args.hosts.is_empty() {
            let index = self.args.process_index.ok_or_else(|| {
                Error::config("--hosts without --process-index")
                    .advice("say which of the hosts this process is, counted from 0")
            })?;
            config.layout = ProcessLayout { process: index, processes, ..config.layout };
            config.addresses = self.args.hosts.clone();
            config.secret = std::env::var(SECRET).unwrap_or_default();
            let remote =
                |host: &String| !host.starts_with("127.") && !host.starts_with("localhost");
            if config.secret.is_empty() && config.addresses.iter().any(remote) {
                return Err(Error::config("processes on other machines need a shared secret")
                    .advice(format!("set {SECRET} to the same value for every process")));
            }
            return self.start_process(config, None, Children::none());
        }
        if processes == 1 {
            return self.start_process(config, None, Children::none());
        }
        config.layout.processes = processes;
        // Check the plan before anything is started.
        self.explain()?;
        if config.restart != RestartStrategy::None {
            let (name, started) = (config.job_name.clone(), Instant::now());
            let job = supervisor::start(config)?;
            return Ok(JobClient {
                job,
                children: Children::none(),
                started,
                name,
                monitoring: None,
            });
        }
        let (children, listener) = Children::start(&mut config)?;
        self.start_process(config, Some(listener), children)
    }

    fn start_process(
        &self,
        config: RuntimeConfig,
        listener: Option<TcpListener>,
        children: Children,
    ) -> Result<JobClient> {
        let (name, index) = (config.job_name.clone(), config.layout.process);
        let monitoring = Monitoring::start(&self.args.monitoring, &name, index, &self.metrics)?;
        let started = Instant::now();
        let job = self.start(config, listener)?;
        Ok(JobClient { job, children, started, name, monitoring: Some(monitoring) })
    }
}

/// A job that runs in the background (Flink's `JobClient`).
pub struct JobClient {
    job: RunningJob,
    children: Children,
    started: Instant,
    name: String,
    /// None in a supervisor: the processes that do the work are looked at.
    monitoring: Option<Monitoring>,
}

impl JobClient {
    /// To cancel the job, and to read its metrics.
    pub fn handle(&self) -> &JobHandle {
        self.job.handle()
    }
    /// Whether it has ended in this process.
    pub fn is_finished(&self) -> bool {
        self.job.is_finished()
    }
    /// Where this process serves its metrics, when `--metrics-addr` asks for it.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitoring.as_ref().and_then(Monitoring::address)
    }
    /// Waits for the end.
    ///
    /// # Errors
    /// What ended the job; `Cancelled` after a cancel.
    pub fn wait(self) -> Result<JobExecutionResult> {
        let JobClient { job, mut children, started, name, monitoring: _shown_to_the_end } = self;
        let metrics = job.handle().metrics().clone();
        children.report(job.wait())?;
        children.wait()?;
        Ok(JobExecutionResult { job_name: name, net_runtime: started.elapsed(), metrics })
    }
}

/// What is known of a job that has ended well.
#[derive(Clone, Debug)]
pub struct JobExecutionResult {
    /// Name of the job.
    pub job_name: String,
    /// From start to end.
    pub net_runtime: Duration,
    /// Metrics of this process.
    pub metrics: MetricRegistry,
}
