//! Breaks the running job, one fault after the other, and sees that it comes back.
//!
//! ```text
//!   feed ──> topic ──> job (a supervisor and its workers) ──> topic, tables
//!     │                 ^ faults                                 │ watcher: is it back?
//!     └── at the end: the verifier compares all of the input with all of the output
//! ```
//!
//! Recovery is measured from outside: from the fault (or from the moment when a server or a
//! disk is there again) to the first record in read_committed that was made after it. So it
//! contains the restart and a whole checkpoint.

use crate::fault::{Damage, Fault};
use crate::feed::{Feed, Watcher, create_topics, now_ms};
use crate::process::{children, signal};
use crate::rng::Rng;
use crate::servers::Servers;
use crate::verify::{Truth, connect, failed};
use millstream::prelude::{Error, Result};
use millstream_checkpoint::coordinator::{Request, Stop};
use millstream_checkpoint::{JobStorage, Storage, requests};
use millstream_state::SnapshotKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long the job has to come back.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(10);
/// Parallelisms that a rescale chooses from.
const PARALLELISMS: [usize; 4] = [1, 2, 3, 7];

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) faults: usize,
    pub(crate) rate: u64,
    pub(crate) interval_ms: u64,
    pub(crate) at_least_once: bool,
    pub(crate) unaligned: bool,
    pub(crate) home: PathBuf,
    pub(crate) repository: PathBuf,
}

/// One fault that has happened.
struct Happened {
    fault: Fault,
    recovery: Duration,
}

/// See the module.
pub(crate) struct Run<'a> {
    settings: &'a Settings,
    servers: &'a Servers,
    rng: Rng,
    name: String,
    points: PathBuf,
    job: Option<Child>,
    job_id: String,
    starts: usize,
    parallelism: usize,
    backend: &'static str,
    watcher: Watcher,
    injected: usize,
    happened: Vec<Happened>,
    violations: Vec<String>,
}

/// Runs it all; whether nothing was violated.
pub(crate) fn run(settings: &Settings, servers: &Servers) -> Result<bool> {
    let name = "faults".to_owned();
    let topic = |what: &str| format!("{name}-{what}");
    create_topics(&servers.kafka, &[topic("in"), topic("out")])?;
    let tables = format!(
        "CREATE TABLE {name}_log (key bigint NOT NULL, seq bigint NOT NULL, count bigint NOT NULL, \
         sum bigint NOT NULL); {}",
        state_table(&format!("{name}_state"))
    );
    connect(&servers.postgres)?.batch_execute(&tables).map_err(failed)?;
    let points = settings.home.join("points");
    std::fs::create_dir_all(&points)?;
    let mut run = Run {
        settings,
        servers,
        rng: Rng(settings.seed),
        points,
        job: None,
        job_id: String::new(),
        starts: 0,
        parallelism: 2,
        backend: if cfg!(feature = "rocksdb") { "rocksdb" } else { "heap" },
        watcher: Watcher::start(&servers.kafka, &topic("out"))?,
        injected: 0,
        happened: vec![],
        violations: vec![],
        name: name.clone(),
    };
    let plan = Fault::plan(settings.faults, &mut run.rng);
    let mut feed = Feed::start(&servers.kafka, topic("in"), settings.rate, settings.seed)?;
    run.start_afresh(None)?;
    run.recovered(0)?;
    let begin = Instant::now();
    for (number, fault) in plan.into_iter().enumerate() {
        run.one(number + 1, fault);
    }
    let lasted = begin.elapsed();
    let made = feed.stop()?;
    run.drain(made);
    run.stop_for_good();
    run.verify()?;
    run.summary(lasted);
    Ok(run.violations.is_empty())
}

fn state_table(name: &str) -> String {
    format!(
        "CREATE TABLE {name} (key bigint PRIMARY KEY, count bigint NOT NULL, sum bigint NOT NULL)"
    )
}

impl Run<'_> {
    fn one(&mut self, number: usize, fault: Fault) {
        let pause = Duration::from_millis(self.rng.next() % 1200);
        std::thread::sleep(pause);
        let state = format!("{} x{}", self.backend, self.parallelism);
        if fault == Fault::DiskFull && !self.servers.small_disk {
            println!("{number:>4}  {fault:<28} SKIPPED: checkpoints have no small disk");
            return;
        }
        self.injected += 1;
        match self.inject(fault).and_then(|since_ms| self.recovered(since_ms)) {
            Ok(recovery) => {
                println!("{number:>4}  {fault:<28} {state:<11} recovered in {recovery:.2?}");
                self.happened.push(Happened { fault, recovery });
            }
            Err(error) => {
                println!("{number:>4}  {fault:<28} {state:<11} VIOLATION: {error}");
                self.violations.push(format!("fault {number}, {fault}: {error}"));
                // The next fault finds a running job.
                if !self.is_running() {
                    let again = self.start(None).and_then(|()| self.recovered(now_ms()));
                    println!("      started again: {:?}", again.map_err(|e| e.to_string()));
                }
            }
        }
    }

    /// Does it; from when on the recovery counts.
    fn inject(&mut self, fault: Fault) -> Result<i64> {
        match fault {
            Fault::Kill => signal("KILL", self.worker()?)?,
            Fault::KillAll => self.workers()?.into_iter().try_for_each(|w| signal("KILL", w))?,
            Fault::Stop | Fault::StopKill => {
                let worker = self.worker()?;
                signal("STOP", worker)?;
                std::thread::sleep(Duration::from_millis(100 + self.rng.next() % 1500));
                signal(if fault == Fault::Stop { "CONT" } else { "KILL" }, worker)?;
            }
            Fault::KillSupervisor => {
                self.kill_job(&[])?;
                let since = now_ms();
                self.start(None)?;
                return Ok(since);
            }
            Fault::Zombie => return self.zombie(),
            Fault::Point(point) => return self.at_point(point),
            Fault::Kafka => self.servers.crash_kafka()?,
            Fault::Postgres => self.servers.crash_postgres()?,
            Fault::DiskFull => self.fill_disk()?,
            Fault::Corrupt(damage) => return self.corrupt(damage),
            Fault::RescaleSavepoint => return self.rescale_by_savepoint(),
            Fault::RescaleCheckpoint => {
                self.kill_job(&[])?;
                let since = now_ms();
                self.parallelism = self.other_parallelism();
                self.start(None)?;
                return Ok(since);
            }
        }
        Ok(now_ms())
    }

    fn zombie(&mut self) -> Result<i64> {
        let worker = self.worker()?;
        signal("STOP", worker)?;
        self.kill_job(&[worker])?;
        let since = now_ms();
        self.start(None)?;
        self.recovered(since)?;
        signal("CONT", worker)?;
        Ok(now_ms())
    }

    fn at_point(&mut self, point: &str) -> Result<i64> {
        let armed = self.points.join(point);
        let reached = self.points.join(format!("{point}.reached"));
        let _ = std::fs::remove_file(&reached); // of the last time
        std::fs::write(&armed, "")?;
        if point.ends_with("-recovery") {
            signal("KILL", self.worker()?)?;
        }
        let begin = Instant::now();
        while !reached.exists() {
            if begin.elapsed() > PATIENCE || !self.is_running() {
                let _ = std::fs::remove_file(&armed); // the next fault is another one
                return Err(Error::bug(format!("no process came to {point}{}", self.tail())));
            }
            std::thread::sleep(LOOK);
        }
        Ok(now_ms())
    }

    fn fill_disk(&mut self) -> Result<()> {
        use std::io::Write;
        let path = self.servers.checkpoints().join("filler");
        let mut filler = std::fs::File::create(&path)?;
        let block = vec![0u8; 64 * 1024];
        while filler.write_all(&block).is_ok() {}
        while filler.write_all(&block[..512]).is_ok() {}
        std::thread::sleep(Duration::from_millis(1000 + self.rng.next() % 2000));
        drop(filler);
        std::fs::remove_file(&path)?;
        Ok(())
    }

    fn corrupt(&mut self, damage: Damage) -> Result<i64> {
        let storage = self.storage()?;
        let before = self.before_latest(&storage)?;
        self.kill_job(&[])?;
        let latest = storage.latest()?.ok_or_else(|| Error::bug("the job has no checkpoint"))?;
        // Shared files belong to the previous checkpoint as well, and an empty file (RocksDB
        // has such) cannot be damaged: the first run of 100 with seed 4 took one.
        let objects = latest.manifest.objects().filter(|object| object.size_bytes > 1);
        let mut files: Vec<String> = objects.map(|object| latest.path(object)).collect();
        files.retain(|path| !path.starts_with("shared/"));
        files.push(format!("{}/_metadata", latest.folder));
        let path = self.rng.pick(&files).cloned().unwrap_or_default();
        let file = self.servers.checkpoints().join(&self.job_id).join(&path);
        let whole = std::fs::read(&file)?;
        let mut bytes = whole.clone();
        match damage {
            Damage::Truncate => bytes.truncate(whole.len() / 2),
            Damage::FlipBit => {
                let (at, bit) = (self.rng.below(bytes.len()), self.rng.below(8));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
        }
        std::fs::write(&file, &bytes)?;
        self.start(None)?;
        let status = self.wait_for_end(PATIENCE)?;
        let log = std::fs::read_to_string(self.log(self.starts))?;
        let named = log.contains(&path);
        if status.success() || !named {
            let how = if named { "did not fail" } else { "failed without its name" };
            std::fs::write(&file, &whole)?;
            return Err(Error::bug(format!("with {path} damaged the job {how}{}", self.tail())));
        }
        self.fork(&before)?;
        // Somebody has found a good copy: the job itself may not go back any further, as the
        // transactions of its newest checkpoint are committed.
        std::fs::write(&file, &whole)?;
        let since = now_ms();
        self.start(None)?;
        Ok(since)
    }

    /// The place of a checkpoint before the newest one, which is kept while the job is down.
    fn before_latest(&self, storage: &JobStorage) -> Result<PathBuf> {
        // Written down before the job is killed: at least two are kept.
        let begin = Instant::now();
        while storage.latest()?.is_none_or(|m| kept(m.place()).len() < 2) {
            if begin.elapsed() > PATIENCE {
                return Err(Error::bug("the job keeps less than two checkpoints"));
            }
            std::thread::sleep(LOOK * 10);
        }
        Ok(self.servers.checkpoints().join(&self.job_id))
    }

    /// An operator starts the job explicitly from the checkpoint before: with a table of its
    /// own, so that its state can be compared with the input.
    fn fork(&mut self, folder: &Path) -> Result<()> {
        let all = kept(folder.join("x").display().to_string());
        let previous =
            all.iter().rev().nth(1).ok_or_else(|| Error::bug("no previous checkpoint"))?;
        self.starts += 1;
        let table = format!("{}_fork_{}", self.name, self.starts);
        connect(&self.servers.postgres)?.batch_execute(&state_table(&table)).map_err(failed)?;
        let mut command = self.command(&format!("fork-{}", self.starts))?;
        command.args(["--only-upsert", &table, "--allow-non-restored-state", "-s"]).arg(previous);
        self.job = Some(command.spawn()?);
        let status = self.wait_for_end(PATIENCE)?;
        if !status.success() {
            return Err(Error::bug(format!(
                "the start from {} failed{}",
                previous.display(),
                self.tail()
            )));
        }
        let truth = Truth::read(&self.servers.kafka, &format!("{}-in", self.name))?;
        let verdict = truth.of_state(&self.servers.postgres, &table, false)?;
        match verdict.is_right() && verdict.rows > 0 {
            true => Ok(()),
            false => Err(Error::bug(format!("restored from {}: {verdict}", previous.display()))),
        }
    }

    fn rescale_by_savepoint(&mut self) -> Result<i64> {
        let directory = self.settings.home.join("savepoints").display().to_string();
        let request = Request::Savepoint {
            kind: SnapshotKind::CanonicalSavepoint,
            directory: Some(directory),
            stop: Some(Stop::Suspend),
        };
        let folder = self.storage()?.folder().clone();
        let place = requests::ask(&folder, self.rng.next(), &request, PATIENCE)?;
        let status = self.wait_for_end(PATIENCE)?;
        if !status.success() {
            return Err(Error::bug(format!("the stop with savepoint: {status}{}", self.tail())));
        }
        let since = now_ms();
        self.parallelism = self.other_parallelism();
        if cfg!(feature = "rocksdb") {
            self.backend = if self.backend == "heap" { "rocksdb" } else { "heap" };
        }
        self.start_afresh(Some(&place))?;
        Ok(since)
    }

    fn other_parallelism(&mut self) -> usize {
        let others: Vec<usize> =
            PARALLELISMS.into_iter().filter(|p| *p != self.parallelism).collect();
        self.rng.pick(&others).copied().unwrap_or(2)
    }

    fn storage(&self) -> Result<JobStorage> {
        JobStorage::new(
            &Storage::open(&self.servers.checkpoints().display().to_string())?,
            &self.job_id,
        )
    }

    /// A job of a new id.
    fn start_afresh(&mut self, savepoint: Option<&str>) -> Result<()> {
        self.job_id = format!("job-{}", self.starts + 1);
        self.start(savepoint)
    }

    fn command(&self, job_id: &str) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let log = std::fs::File::options().create(true).append(true).open(self.log(self.starts))?;
        let processes = self.parallelism.clamp(2, 3).to_string();
        let parallelism = self.parallelism.to_string();
        command
            .args(["job", "--bootstrap-servers", &self.servers.kafka])
            .args(["--postgres", &self.servers.postgres, "--name", &self.name])
            .args(["--backend", self.backend, "--parallelism", &parallelism])
            .args(["--processes", &processes, "--job-id", job_id]);
        if self.settings.at_least_once {
            command.arg("--at-least-once");
        }
        let checkpoints = self.servers.checkpoints().display().to_string();
        for (name, value) in [
            ("execution.checkpointing.interval", format!("{} ms", self.settings.interval_ms)),
            ("execution.checkpointing.timeout", "30 s".to_owned()),
            ("execution.checkpointing.num-retained", "3".to_owned()),
            ("execution.checkpointing.dir", checkpoints),
            ("execution.checkpointing.unaligned.enabled", self.settings.unaligned.to_string()),
            ("restart-strategy.type", "fixed-delay".to_owned()),
            ("restart-strategy.fixed-delay.attempts", "1000000".to_owned()),
            ("restart-strategy.fixed-delay.delay", "100 ms".to_owned()),
        ] {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        command
            .env("MILLSTREAM_FAULT_POINTS", &self.points)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    fn start(&mut self, savepoint: Option<&str>) -> Result<()> {
        self.starts += 1;
        let mut command = self.command(&self.job_id)?;
        if let Some(place) = savepoint {
            command.args(["-s", place]);
        }
        self.job = Some(command.spawn()?);
        Ok(())
    }

    fn log(&self, start: usize) -> PathBuf {
        self.settings.home.join(format!("job-{start}.log"))
    }

    /// The end of the job's log, for a message.
    fn tail(&self) -> String {
        let log = std::fs::read_to_string(self.log(self.starts)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(4).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("; log {}: {}", self.log(self.starts).display(), lines.join(" | "))
    }

    fn is_running(&mut self) -> bool {
        self.job.as_mut().is_some_and(|job| matches!(job.try_wait(), Ok(None)))
    }

    fn wait_for_end(&mut self, patience: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            let ended = match &mut self.job {
                Some(job) => job.try_wait()?,
                None => return Err(Error::bug("no job was started")),
            };
            if let Some(status) = ended {
                return Ok(status);
            }
            if begin.elapsed() > patience {
                return Err(Error::bug(format!("the job does not end{}", self.tail())));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The job's worker processes, once they are there.
    fn workers(&mut self) -> Result<Vec<u32>> {
        let begin = Instant::now();
        loop {
            let workers = self.job.as_ref().map_or_else(Vec::new, |job| children(job.id()));
            if !workers.is_empty() {
                return Ok(workers);
            }
            if begin.elapsed() > PATIENCE || !self.is_running() {
                return Err(Error::bug(format!("the job has no worker{}", self.tail())));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn worker(&mut self) -> Result<u32> {
        let workers = self.workers()?;
        self.rng.pick(&workers).copied().ok_or_else(|| Error::bug("no worker"))
    }

    /// Kills the supervisor, and waits until its workers have noticed.
    fn kill_job(&mut self, but: &[u32]) -> Result<()> {
        let Some(mut job) = self.job.take() else { return Ok(()) };
        let mut workers = children(job.id());
        workers.retain(|worker| !but.contains(worker));
        signal("KILL", job.id())?;
        job.wait()?;
        let begin = Instant::now();
        while workers.iter().any(|worker| is_alive(*worker)) {
            if begin.elapsed() > PATIENCE {
                return Err(Error::bug("workers outlive their supervisor"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits for a record that was made after this.
    fn recovered(&mut self, since_ms: i64) -> Result<Duration> {
        let begin = Instant::now();
        while self.watcher.newest_ms() <= since_ms {
            if !self.is_running() {
                return Err(Error::bug(format!("the job has ended{}", self.tail())));
            }
            if begin.elapsed() > PATIENCE {
                return Err(Error::bug(format!("the job did not come back{}", self.tail())));
            }
            std::thread::sleep(LOOK);
        }
        Ok(Duration::from_millis((now_ms() - since_ms).max(0) as u64))
    }

    /// Waits until everything has come out.
    fn drain(&mut self, made: i64) {
        let begin = Instant::now();
        while self.watcher.seen() < made && begin.elapsed() < PATIENCE {
            std::thread::sleep(LOOK * 10);
        }
        if self.watcher.seen() < made {
            let why = format!("{} of {made} events came out{}", self.watcher.seen(), self.tail());
            self.violations.push(why);
        }
    }

    fn stop_for_good(&mut self) {
        let request = Request::Savepoint {
            kind: SnapshotKind::CanonicalSavepoint,
            directory: Some(self.settings.home.join("savepoints").display().to_string()),
            stop: Some(Stop::Suspend),
        };
        let stopped = self
            .storage()
            .and_then(|s| requests::ask(s.folder(), self.rng.next(), &request, PATIENCE))
            .and_then(|_| self.wait_for_end(PATIENCE));
        match stopped {
            Ok(status) if status.success() => {}
            Ok(status) => self.violations.push(format!("the last stop: {status}{}", self.tail())),
            Err(error) => self.violations.push(format!("the last stop: {error}")),
        }
    }

    fn verify(&mut self) -> Result<()> {
        let (kafka, url) = (&self.servers.kafka, &self.servers.postgres);
        let truth = Truth::read(kafka, &format!("{}-in", self.name))?;
        println!("events in: {}", truth.events());
        let outputs = [
            ("Kafka, exactly once", truth.of_topic(kafka, &format!("{}-out", self.name))?),
            ("PostgreSQL, append exactly once", truth.of_log(url, &format!("{}_log", self.name))?),
            ("PostgreSQL, upsert", truth.of_state(url, &format!("{}_state", self.name), true)?),
        ];
        for (output, verdict) in outputs {
            println!("{output}: {verdict}");
            if !verdict.is_right() {
                self.violations.push(format!("{output}: {verdict}"));
            }
        }
        Ok(())
    }

    fn summary(&self, lasted: Duration) {
        let servers = |fault: Fault| matches!(fault, Fault::Kafka | Fault::Postgres);
        let of = |all: bool| {
            let mut times: Vec<Duration> = self
                .happened
                .iter()
                .filter(|h| all || !servers(h.fault))
                .map(|h| h.recovery)
                .collect();
            times.sort_unstable();
            let at =
                |part: usize| times.get((times.len() * part / 100).min(times.len().max(1) - 1));
            let at = |part| at(part).copied().unwrap_or_default();
            format!("p50 {:.2?}, p95 {:.2?}, max {:.2?}", at(50), at(95), at(100))
        };
        println!("faults: {} of {} in {lasted:.0?}", self.injected, self.settings.faults);
        println!("recovery: {}", of(true));
        println!("recovery without restarts of servers: {}", of(false));
        for violation in &self.violations {
            println!("VIOLATION: {violation}");
        }
        println!("violations: {}", self.violations.len());
        println!("again: faults --faults {} --seed {}", self.settings.faults, self.settings.seed);
    }
}

/// Whether a process runs: a zombie entry does not count.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The complete checkpoints beside this one, in order of their epochs.
fn kept(place: String) -> Vec<PathBuf> {
    let folder = Path::new(&place).parent().map(Path::to_owned).unwrap_or_default();
    let mut found: Vec<(u64, u64, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (epoch, term) = name.strip_prefix("chk-")?.split_once("-t")?;
            entry.path().join("_metadata").exists().then_some(())?;
            Some((epoch.parse().ok()?, term.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, path)| path).collect()
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let _ = self.kill_job(&[]); // after an error: nothing may be left running
    }
}
