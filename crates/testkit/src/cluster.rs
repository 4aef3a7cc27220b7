//! A cluster in one process: real worker threads, and real sockets between "processes".
//!
//! With more than one process, each group of threads is connected to the others by TCP
//! on the loopback, with the handshake and the encoding of a real deployment; only the
//! address space is shared, so sinks that collect see everything.

use millstream_core::{Error, ManualClock, Result};
use millstream_datastream::StreamExecutionEnvironment;
use millstream_runtime::{JobHandle, RunningJob};
use std::net::TcpListener;
use std::sync::Arc;

/// Workers and processes of a test.
///
/// ```no_run
/// use millstream_datastream::StreamExecutionEnvironment;
/// use millstream_testkit::MiniCluster;
/// let env = StreamExecutionEnvironment::new();
/// // ... build a job ...
/// MiniCluster::new(2).processes(2).execute(&env, "job").unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MiniCluster {
    workers: usize,
    processes: usize,
    clock: Option<ManualClock>,
}

/// A job on a [`MiniCluster`].
pub struct MiniClusterJob {
    jobs: Vec<RunningJob>,
}

impl MiniCluster {
    /// `workers` threads in each process; one process.
    pub fn new(workers: usize) -> Self {
        MiniCluster { workers, processes: 1, clock: None }
    }
    /// Sets the number of processes.
    pub fn processes(self, processes: usize) -> Self {
        MiniCluster { processes, ..self }
    }
    /// Processing time is what `clock` says (the machine's otherwise): timers and windows
    /// of processing time then fire when the test moves it.
    pub fn clock(self, clock: &ManualClock) -> Self {
        MiniCluster { clock: Some(clock.clone()), ..self }
    }
    /// Runs the job to its end.
    ///
    /// # Errors
    /// What ended it, if not the end of its input.
    pub fn execute(&self, env: &StreamExecutionEnvironment, name: &str) -> Result<()> {
        self.start(env, name)?.wait()
    }
    /// Starts the job.
    ///
    /// # Errors
    /// `Config` when the job is wrong.
    pub fn start(&self, env: &StreamExecutionEnvironment, name: &str) -> Result<MiniClusterJob> {
        let mut listeners = Vec::new();
        if self.processes > 1 {
            for _ in 0..self.processes {
                listeners.push(TcpListener::bind("127.0.0.1:0")?);
            }
        }
        let mut config = env.runtime_config(name);
        config.layout.workers = self.workers;
        config.layout.processes = self.processes;
        if let Some(clock) = &self.clock {
            config.clock = Arc::new(clock.clone());
        }
        config.secret = "a test's secret".into();
        for listener in &listeners {
            config.addresses.push(listener.local_addr()?.to_string());
        }
        let mut listeners = listeners.into_iter();
        let mut jobs = Vec::new();
        for process in 0..self.processes {
            let mut config = config.clone();
            config.layout.process = process;
            jobs.push(env.start(config, listeners.next())?);
        }
        Ok(MiniClusterJob { jobs })
    }
}

impl MiniClusterJob {
    /// To cancel, to trigger a checkpoint, to read metrics (of the first process).
    ///
    /// # Panics
    /// Never: a cluster has a process.
    pub fn handle(&self) -> &JobHandle {
        self.jobs[0].handle()
    }
    /// Whether every process has ended.
    pub fn is_finished(&self) -> bool {
        self.jobs.iter().all(RunningJob::is_finished)
    }
    /// Waits for the end.
    ///
    /// # Errors
    /// The error of the process that is to blame; `Cancelled` after a cancel.
    pub fn wait(self) -> Result<()> {
        let results: Vec<Result<()>> = self.jobs.into_iter().map(RunningJob::wait).collect();
        let mut errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
        // A process that only heard of it says "restart": the first that says more is to blame.
        errors.sort_by_key(|e| e.kind() == millstream_core::ErrorKind::Restart);
        errors.into_iter().next().map_or(Ok(()), Err)
    }
}
