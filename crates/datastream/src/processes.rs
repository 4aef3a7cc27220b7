//! The processes of a job on this machine: the same program, started again.
//!
//! A child is told by its environment which process it is. A supervised child also leaves
//! a word about its end in a file, and ends when its supervisor does: its standard input
//! is a pipe from it, which then closes.
//!
//! Invariant: no child outlives the process that has started it.

use millstream_core::{Error, ErrorKind, Result, random_bytes};
use millstream_runtime::execution::RuntimeConfig;
use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) const SECRET: &str = "MILLSTREAM_SECRET";
const CHILD_HOSTS: &str = "MILLSTREAM_CHILD_HOSTS";
const CHILD_INDEX: &str = "MILLSTREAM_CHILD_INDEX";
const CHILD_ATTEMPT: &str = "MILLSTREAM_CHILD_ATTEMPT";
const CHILD_JOB_ID: &str = "MILLSTREAM_CHILD_JOB_ID";
/// Which job of the program a child is to run.
const CHILD_JOB: &str = "MILLSTREAM_CHILD_JOB";
const CHILD_REPORT: &str = "MILLSTREAM_CHILD_REPORT";

/// Extension of the file that a supervised child touches to show that it runs.
const ALIVE: &str = "alive";
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Exit code of a child whose supervisor is gone.
const ORPHANED: i32 = 75;

/// What this process was told, when it is a child.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    process: usize,
    addresses: Vec<String>,
    attempt: u64,
    job_id: Option<String>,
    pub(crate) job_number: usize,
    report: Option<PathBuf>,
}

impl Child {
    pub(crate) fn of_this_process() -> Result<Option<Self>> {
        let Ok(index) = std::env::var(CHILD_INDEX) else { return Ok(None) };
        let number = |name: &str, text: &str| {
            text.parse::<u64>().map_err(|_| Error::config(format!("{name} is not a number")))
        };
        let attempt = std::env::var(CHILD_ATTEMPT).unwrap_or_else(|_| "1".into());
        let hosts = std::env::var(CHILD_HOSTS).unwrap_or_default();
        let job = std::env::var(CHILD_JOB).unwrap_or_else(|_| "0".into());
        Ok(Some(Child {
            process: number(CHILD_INDEX, &index)? as usize,
            addresses: hosts.split(',').map(str::to_owned).collect(),
            attempt: number(CHILD_ATTEMPT, &attempt)?,
            job_id: std::env::var(CHILD_JOB_ID).ok(),
            job_number: number(CHILD_JOB, &job)? as usize,
            report: std::env::var_os(CHILD_REPORT).map(PathBuf::from),
        }))
    }

    /// From now on the supervisor sees that this process runs, and this process ends when the
    /// supervisor does.
    pub(crate) fn live(&self) {
        let Some(report) = &self.report else { return };
        std::thread::spawn(|| {
            let mut nothing = [0; 1];
            while let Ok(1) = std::io::stdin().read(&mut nothing) {}
            std::process::exit(ORPHANED);
        });
        let alive = report.with_extension(ALIVE);
        std::thread::spawn(move || {
            loop {
                // A sign of life that is missing once is no harm.
                let _ = std::fs::write(&alive, "");
                std::thread::sleep(HEARTBEAT);
            }
        });
    }

    pub(crate) fn configure(&self, config: &mut RuntimeConfig) {
        config.layout.process = self.process;
        config.layout.processes = self.addresses.len();
        config.addresses.clone_from(&self.addresses);
        config.secret = std::env::var(SECRET).unwrap_or_default();
        config.attempt = self.attempt;
        if self.job_id.is_some() {
            config.job_id.clone_from(&self.job_id);
        }
    }

    fn report(&self, result: &Result<()>) {
        let Some(path) = &self.report else { return };
        let text = match result {
            Ok(()) => "ok\n".to_owned(),
            Err(error) => format!("{}\n{error}", word_of(error.kind())),
        };
        // Without a report the supervisor takes the exit for a crash, and starts again.
        let _ = std::fs::write(path, text);
    }
}

const KINDS: [(ErrorKind, &str); 8] = [
    (ErrorKind::Retry, "retry"),
    (ErrorKind::Restart, "restart"),
    (ErrorKind::UserCode, "user"),
    (ErrorKind::Config, "config"),
    (ErrorKind::Data, "data"),
    (ErrorKind::Corrupt, "corrupt"),
    (ErrorKind::Cancelled, "cancelled"),
    (ErrorKind::Bug, "bug"),
];

fn word_of(kind: ErrorKind) -> &'static str {
    KINDS.iter().find(|(k, _)| *k == kind).map_or("restart", |(_, word)| word)
}

/// What a child has said of its end.
fn read_report(path: &PathBuf, process: usize, status: ExitStatus) -> Result<()> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let (word, message) = text.split_once('\n').unwrap_or((text.as_str(), ""));
    if word == "ok" && status.success() {
        return Ok(());
    }
    let died = || format!("process {process} ended with {status}");
    match KINDS.iter().find(|(_, w)| *w == word) {
        Some((kind, _)) => Err(Error::new(*kind, message).at(format!("process {process}"))),
        // It has run to its end, and main has failed later.
        None if word == "ok" => Err(Error::user(died())),
        None => Err(Error::restart(died())),
    }
}

fn fresh_secret() -> Result<String> {
    Ok(random_bytes::<32>()?.iter().map(|b| format!("{b:02x}")).collect())
}

/// Processes that this one has started.
pub(crate) struct Children {
    started: Vec<(usize, std::process::Child, Option<PathBuf>)>,
    /// This process is itself a child, and reports.
    own: Option<Child>,
}

impl Children {
    pub(crate) fn none() -> Self {
        Children { started: vec![], own: None }
    }
    pub(crate) fn of_child(child: Child) -> Self {
        Children { started: vec![], own: Some(child) }
    }

    /// Starts processes 1 and up of an unsupervised job; process 0 is this one, and gets
    /// its listener.
    pub(crate) fn start(
        config: &mut RuntimeConfig,
        job_number: usize,
    ) -> Result<(Self, TcpListener)> {
        let ports = choose_addresses(config)?;
        let mut children = Children::none();
        for process in 1..config.layout.processes {
            children.spawn(process, config, job_number, None)?;
        }
        let own = ports.into_iter().next();
        Ok((children, own.ok_or_else(|| Error::bug("a job without processes"))?))
    }

    /// Starts all processes of a supervised attempt; they report into `folder`.
    pub(crate) fn start_all(
        config: &mut RuntimeConfig,
        job_number: usize,
        folder: &std::path::Path,
    ) -> Result<Self> {
        drop(choose_addresses(config)?);
        let mut children = Children::none();
        for process in 0..config.layout.processes {
            let report = folder.join(format!("{}-{process}", config.attempt));
            children.spawn(process, config, job_number, Some(report))?;
        }
        Ok(children)
    }

    fn spawn(
        &mut self,
        process: usize,
        config: &RuntimeConfig,
        job_number: usize,
        report: Option<PathBuf>,
    ) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(std::env::args_os().skip(1))
            .env(CHILD_INDEX, process.to_string())
            .env(CHILD_HOSTS, config.addresses.join(","))
            .env(CHILD_ATTEMPT, config.attempt.to_string())
            .env(CHILD_JOB, job_number.to_string())
            .env(SECRET, &config.secret);
        if let Some(id) = &config.job_id {
            command.env(CHILD_JOB_ID, id);
        }
        if let Some(report) = &report {
            command.env(CHILD_REPORT, report).stdin(Stdio::piped());
        }
        let child = command
            .spawn()
            .map_err(|e| Error::retry(format!("cannot start process {process}: {e}")))?;
        self.started.push((process, child, report));
        Ok(())
    }

    /// Says how the job of this process has ended, when somebody wants to know.
    pub(crate) fn report(&self, result: Result<()>) -> Result<()> {
        if let Some(own) = &self.own {
            own.report(&result);
        }
        result
    }

    pub(crate) fn wait(&mut self) -> Result<()> {
        for (process, child, _) in &mut self.started {
            let status = child.wait()?;
            if !status.success() {
                return Err(Error::restart(format!("process {process} ended with {status}")));
            }
        }
        Ok(())
    }

    /// Whether a process has failed; `None` while all run or have ended well.
    pub(crate) fn failed(&mut self) -> Result<bool> {
        for (_, child, _) in &mut self.started {
            if child.try_wait()?.is_some_and(|status| !status.success()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A process that runs and has given no sign of life for so long (it was stopped, or
    /// the machine is at its end). One that has not given any yet is starting.
    pub(crate) fn silent(&mut self, timeout: Duration) -> Result<Option<usize>> {
        for (process, child, report) in &mut self.started {
            let Some(report) = report else { continue };
            let Ok(sign) = std::fs::metadata(report.with_extension(ALIVE)) else { continue };
            let age = sign.modified().ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > timeout) && child.try_wait()?.is_none() {
                return Ok(Some(*process));
            }
        }
        Ok(None)
    }

    pub(crate) fn have_ended(&mut self) -> Result<bool> {
        for (_, child, _) in &mut self.started {
            if child.try_wait()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ends all, and says what is to blame: the first error that is not a consequence.
    pub(crate) fn end(&mut self) -> Result<()> {
        let mut errors = Vec::new();
        for (process, child, report) in &mut self.started {
            let _ = child.kill(); // it may have ended
            let status = child.wait()?;
            if let Some(report) = report {
                errors.extend(read_report(report, *process, status).err());
                let _ = std::fs::remove_file(report.with_extension(ALIVE));
                let _ = std::fs::remove_file(report); // it may not have written one
            }
        }
        errors.sort_by_key(|e| e.kind() == ErrorKind::Restart);
        errors.into_iter().next().map_or(Ok(()), Err)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (_, child, _) in &mut self.started {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }
}

fn choose_addresses(config: &mut RuntimeConfig) -> Result<Vec<TcpListener>> {
    let ports: Vec<TcpListener> = (0..config.layout.processes)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let addresses = ports.iter().map(|l| l.local_addr().map(|a| a.to_string()));
    config.addresses = addresses.collect::<Result<_, _>>()?;
    config.secret = fresh_secret()?;
    Ok(ports)
}
