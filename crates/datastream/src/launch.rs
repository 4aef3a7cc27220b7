//! The start of a job in its processes.
//!
//! ```text
//!   one process          start ──> runtime in this process
//!   --processes 3        start ──> process 0 here, and the same program twice more;
//!                        with checkpoints: a supervisor here, and the program three times
//!   --hosts a,b,c        each of them was started by somebody; --process-index says which
//! ```
//! Invariant: all processes of a job run the same program with the same arguments, so they
//! build the same graph; of a program with several jobs, a child runs the one it was started
//! for.

use crate::monitoring::{Monitoring, MonitoringArgs};
use crate::processes::{Child, Children, SECRET};
use crate::supervisor;
use millstream_core::{Error, Result};
use millstream_runtime::checkpoint::RestartStrategy;
use millstream_runtime::execution::{ProcessLayout, RunningJob, RuntimeConfig, execute, explain};
use millstream_runtime::{JobGraph, JobHandle, MetricRegistry};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// How a job is spread over processes.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// Worker threads of each process; as many as the job asks for when not given.
    pub workers: Option<usize>,
    /// Processes on this machine; 0 is 1.
    pub processes: usize,
    /// host:port of every process, when somebody starts each.
    pub hosts: Vec<String>,
    /// Which of the hosts this process is.
    pub process_index: Option<usize>,
    /// Which job of the program this is, counted from 0, where a program has several.
    pub job_number: usize,
}

impl Deployment {
    /// Number of processes.
    pub fn processes(&self) -> usize {
        if self.hosts.is_empty() { self.processes.max(1) } else { self.hosts.len() }
    }
    /// Workers of each process: as told, as the job asks (`parallelism`), or one for each core.
    pub fn workers(&self, parallelism: Option<usize>) -> usize {
        let asked = parallelism.map(|p| p.div_ceil(self.processes()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.or(asked).unwrap_or(cores)
    }
    /// The number of the job that this process was started for by another one of the same
    /// program; `None`: somebody else has started it.
    ///
    /// # Errors
    /// `Config`: what the other process has said makes no sense.
    pub fn job_of_this_child() -> Result<Option<usize>> {
        Ok(Child::of_this_process()?.map(|child| child.job_number))
    }

    /// Starts the job in the background. `config` is that of one process; the rest is filled
    /// in here.
    ///
    /// # Errors
    /// `Config` when the job or the settings are wrong.
    pub fn start(
        &self,
        graph: &JobGraph,
        mut config: RuntimeConfig,
        monitoring: Option<&MonitoringArgs>,
    ) -> Result<JobClient> {
        let here = |config, listener, children| {
            start_process(graph, config, listener, children, monitoring)
        };
        if let Some(child) = Child::of_this_process()? {
            child.configure(&mut config);
            child.live();
            return here(config, None, Children::of_child(child));
        }
        let processes = self.processes();
        if !self.hosts.is_empty() {
            let index = self.process_index.ok_or_else(|| {
                Error::config("--hosts without --process-index")
                    .advice("say which of the hosts this process is, counted from 0")
            })?;
            config.layout = ProcessLayout { process: index, processes, ..config.layout };
            config.addresses = self.hosts.clone();
            config.secret = std::env::var(SECRET).unwrap_or_default();
            let remote =
                |host: &String| !host.starts_with("127.") && !host.starts_with("localhost");
            if config.secret.is_empty() && config.addresses.iter().any(remote) {
                return Err(Error::config("processes on other machines need a shared secret")
                    .advice(format!("set {SECRET} to the same value for every process")));
            }
            return here(config, None, Children::none());
        }
        if processes == 1 {
            return here(config, None, Children::none());
        }
        config.layout.processes = processes;
        // Check the plan before anything is started.
        explain(graph, config.layout.workers * processes)?;
        if config.restart != RestartStrategy::None {
            let (name, started) = (config.job_name.clone(), Instant::now());
            let job = supervisor::start(config, self.job_number)?;
            return Ok(JobClient {
                job,
                children: Children::none(),
                started,
                name,
                monitoring: None,
            });
        }
        let (children, listener) = Children::start(&mut config, self.job_number)?;
        here(config, Some(listener), children)
    }
}

fn start_process(
    graph: &JobGraph,
    config: RuntimeConfig,
    listener: Option<TcpListener>,
    children: Children,
    monitoring: Option<&MonitoringArgs>,
) -> Result<JobClient> {
    let (name, index) = (config.job_name.clone(), config.layout.process);
    let monitoring = monitoring
        .map(|args| Monitoring::start(args, &name, index, &config.metrics))
        .transpose()?;
    let started = Instant::now();
    let job = execute(graph, config, listener)?;
    Ok(JobClient { job, children, started, name, monitoring })
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
