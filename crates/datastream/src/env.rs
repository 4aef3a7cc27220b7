//! The environment of a job: settings, sources, and the start of it.
//!
//! ```text
//!   one process          execute ──> runtime in this process
//!   --processes 3        execute ──> process 0 here, and the same program twice more
//!   --hosts a,b,c        each of them was started by somebody; --process-index says which
//! ```

use crate::monitoring::{Monitoring, MonitoringArgs};
use crate::stream::DataStream;
use clap::Parser;
use millstream_core::{Data, Error, Result};
use millstream_runtime::checkpoint::{CheckpointStore, RestoredJob};
use millstream_runtime::execution::{ProcessLayout, RunningJob, RuntimeConfig, execute, explain};
use millstream_runtime::watermark::WatermarkStrategy;
use millstream_runtime::{JobGraph, JobHandle, MetricRegistry, NodeSpec, Source};
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct EnvInner {
    pub(crate) job: JobGraph,
    aligned: bool,
}

pub(crate) type Graph = Rc<RefCell<EnvInner>>;

/// Command-line options of every job; add your own with `#[command(flatten)]`.
#[derive(Clone, Debug, Default, Parser)]
pub struct JobArgs {
    /// Worker threads of each process [default: what the job asks for, or all cores]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub workers: Option<usize>,
    /// Processes on this machine; the job starts the others itself
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Running")]
    pub processes: usize,
    /// host:port of every process, in order, when you start each yourself
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', help_heading = "Running")]
    pub hosts: Vec<String>,
    /// Which of --hosts this process is
    #[arg(long, value_name = "I", requires = "hosts", help_heading = "Running")]
    pub process_index: Option<usize>,
    /// What people see of the job while it runs
    #[command(flatten)]
    pub monitoring: MonitoringArgs,
}

const SECRET: &str = "MILLSTREAM_SECRET";
const CHILD_HOSTS: &str = "MILLSTREAM_CHILD_HOSTS";
const CHILD_INDEX: &str = "MILLSTREAM_CHILD_INDEX";

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
    checkpoint_interval: Option<Duration>,
    store: Option<Arc<dyn CheckpointStore>>,
    restored: RestoredJob,
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
    /// With the options of the command line ([`JobArgs`]); answers `--help` and wrong options itself.
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
    /// Time between checkpoint cuts. Snapshots go to the store given to
    /// [`set_checkpoint_store`](Self::set_checkpoint_store); sinks flush at every cut.
    pub fn enable_checkpointing(&self, interval: Duration) -> &Self {
        self.settings.borrow_mut().checkpoint_interval = Some(interval);
        self
    }
    /// Where snapshots go (nowhere when not set: they are taken and dropped).
    pub fn set_checkpoint_store(&self, store: Arc<dyn CheckpointStore>) -> &Self {
        self.settings.borrow_mut().store = Some(store);
        self
    }
    /// Starts from this state in place of an empty one.
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
        config.checkpoint_interval_ms = settings.checkpoint_interval.map(|d| ms(d).max(1));
        config.store = settings.store.clone();
        config.restored = settings.restored.clone();
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
        let mut config = self.runtime_config(job_name);
        let (mut children, mut listener) = (Children(vec![]), None);
        let processes = self.processes();
        if let Ok(index) = std::env::var(CHILD_INDEX) {
            config.layout.process = parse_index(&index)?;
            config.addresses = env_list(CHILD_HOSTS);
            config.layout.processes = config.addresses.len();
            config.secret = std::env::var(SECRET).unwrap_or_default();
        } else if !self.args.hosts.is_empty() {
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
        } else if processes > 1 {
            config.layout.processes = processes;
            // Check the plan before anything is started.
            self.explain()?;
            let ports: Vec<TcpListener> = (0..processes)
                .map(|_| TcpListener::bind("127.0.0.1:0"))
                .collect::<Result<_, _>>()?;
            let addresses = ports.iter().map(|l| l.local_addr().map(|a| a.to_string()));
            config.addresses = addresses.collect::<Result<_, _>>()?;
            config.secret = fresh_secret()?;
            listener = ports.into_iter().next();
            for index in 1..processes {
                children.0.push(start_child(index, &config)?);
            }
        }
        let index = config.layout.process;
        let monitoring = Monitoring::start(&self.args.monitoring, job_name, index, &self.metrics)?;
        let started = Instant::now();
        let job = self.start(config, listener)?;
        Ok(JobClient { job, children, started, name: job_name.to_owned(), monitoring })
    }
}

fn parse_index(text: &str) -> Result<usize> {
    text.parse().map_err(|_| Error::config(format!("{CHILD_INDEX} is not a number")))
}

fn env_list(name: &str) -> Vec<String> {
    std::env::var(name).unwrap_or_default().split(',').map(str::to_owned).collect()
}

fn fresh_secret() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::retry(format!("no random numbers: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// The same program again, told by its environment which process it is.
fn start_child(index: usize, config: &RuntimeConfig) -> Result<Child> {
    let program = std::env::current_exe()?;
    Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(CHILD_INDEX, index.to_string())
        .env(CHILD_HOSTS, config.addresses.join(","))
        .env(SECRET, &config.secret)
        .spawn()
        .map_err(|e| Error::retry(format!("cannot start process {index}: {e}")))
}

/// Processes that this one has started; none outlives it.
struct Children(Vec<Child>);

impl Children {
    fn wait(&mut self) -> Result<()> {
        for (index, child) in self.0.iter_mut().enumerate() {
            let status = child.wait()?;
            if !status.success() {
                return Err(Error::restart(format!("process {} ended with {status}", index + 1)));
            }
        }
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }
}

/// A job that runs in the background (Flink's `JobClient`).
pub struct JobClient {
    job: RunningJob,
    children: Children,
    started: Instant,
    name: String,
    monitoring: Monitoring,
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
        self.monitoring.address()
    }
    /// Waits for the end.
    ///
    /// # Errors
    /// What ended the job; `Cancelled` after a cancel.
    pub fn wait(self) -> Result<JobExecutionResult> {
        let JobClient { job, mut children, started, name, monitoring: _shown_to_the_end } = self;
        let metrics = job.handle().metrics().clone();
        job.wait()?;
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
