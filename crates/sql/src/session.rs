//! A session: statements in, results out.
//!
//! ```text
//!   script ──dialect──> statement ─┬─ DDL, SET, SHOW ──> answered here
//!                                  ├─ query ──bind, plan──> job ──> rows as they come
//!                                  └─ INSERT ─────────────> job ──> waited for
//! ```
//!
//! Invariant: a statement that fails changes nothing; planning runs on a thread with a
//! large stack, so that no statement that the parser takes overflows it.

mod ddl;
mod explain;
mod insert;
mod result;
mod streams;

use crate::bind::Binder;
use crate::catalog::Catalog;
use crate::dialect::ast::{CreateTable, Insert, Query, Statement};
use crate::dialect::{Parsed, Tokens, next_statement};
use crate::functions::{Registry, UserFunction};
use crate::plan::adapters::ResultQueue;
pub use crate::plan::gate::SourceGate;
use crate::plan::job::{BuiltJob, JobBuilder};
use crate::plan::logical::Rel;
use crate::plan::stream::Node;
use crate::plan::translate::Translator;
use crate::runtime::agg::user::UserFunctions;
use crate::settings::Settings;
use insert::enforced;
use millstream_core::{Error, ErrorKind, Result};
use millstream_datastream::{Deployment, JobClient};
use millstream_runtime::checkpoint::{RestartStrategy, RestoreSettings};
use millstream_runtime::execution::{check_savepoint, restore_report};
use millstream_runtime::{RuntimeConfig, execute};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use result::{Canceller, Column, InsertJob, QueryResult, ResultTable, Row};

/// Stack of the thread that plans; only what is touched takes memory.
const PLANNING_STACK_BYTES: usize = 512 << 20;

/// When a statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before anything ran.
    Plan,
    /// While the job ran.
    Run,
}

impl Phase {
    /// `plan` or `run`.
    pub fn text(self) -> &'static str {
        match self {
            Phase::Plan => "plan",
            Phase::Run => "run",
        }
    }
}

/// Why and when a statement failed.
#[derive(Clone, Debug)]
pub struct SqlError {
    /// When.
    pub phase: Phase,
    /// Why.
    pub error: Error,
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)
    }
}
impl std::error::Error for SqlError {}

fn plan_error(error: Error) -> SqlError {
    SqlError { phase: Phase::Plan, error }
}

/// What a statement gave.
pub enum Outcome {
    /// It is done; perhaps with remarks.
    Done(Vec<String>),
    /// A table that was known at once (`SHOW`, `DESCRIBE`, `EXPLAIN`).
    Table(ResultTable),
    /// A query that runs.
    Query(QueryResult),
    /// INSERTs that run, of [`Session::start`].
    Job(InsertJob),
    /// `QUIT`.
    Quit,
    /// `CLEAR`.
    Clear,
}

/// The state between statements. See the module.
#[derive(Default)]
pub struct Session {
    catalog: Catalog,
    registry: Registry,
    settings: Settings,
    /// Inserts of `BEGIN STATEMENT SET`, until `END`.
    statement_set: Option<Vec<(Insert, String)>>,
    /// Which job (by its operators) each job id was given to.
    job_ids: BTreeMap<String, u64>,
    gate: Option<Arc<SourceGate>>,
    /// The processes of jobs of INSERTs.
    deployment: Deployment,
    /// Jobs of INSERTs so far.
    jobs: usize,
    /// Jobs are compared with this savepoint or checkpoint, and not started.
    compared_with: Option<String>,
}

impl Session {
    /// A session with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }
    /// The settings.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
    /// The functions, to add scalar ones of the user's own.
    pub fn functions_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }
    /// Makes a function available to `CREATE FUNCTION name AS 'identifier'`.
    pub fn provide_function(&mut self, identifier: &str, function: UserFunction) {
        self.registry.user_mut().provide(identifier, function);
    }
    /// Gives a function a name in all of the session, as `CREATE TEMPORARY SYSTEM FUNCTION`
    /// does; it replaces what had the name.
    pub fn create_temporary_system_function(&mut self, name: &str, function: UserFunction) {
        self.registry.user_mut().set_system(name, name, function);
    }
    /// What has a name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Runs every statement of `script`, in order; each result goes to `take` before the
    /// next statement begins.
    ///
    /// # Errors
    /// The first failure; statements behind it do not run.
    pub fn run(
        &mut self,
        script: &str,
        take: impl FnMut(Outcome) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.each(script, Self::execute, take)
    }

    /// As [`run`](Self::run), but `take` gets the jobs of INSERTs while they run, and has to
    /// wait for them.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_started(
        &mut self,
        script: &str,
        take: impl FnMut(Outcome) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        self.each(script, Self::start, take)
    }

    fn each(
        &mut self,
        script: &str,
        step: impl Fn(&mut Self, &Parsed, &str) -> Result<Outcome, SqlError>,
        mut take: impl FnMut(Outcome) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let tokens = Tokens::of(script).map_err(plan_error)?;
        let mut at = 0;
        loop {
            let next = on_large_stack(|| next_statement(&tokens, at)).map_err(plan_error)?;
            let Some((parsed, behind)) = next else { return Ok(()) };
            at = behind;
            let outcome = step(self, &parsed, script)?;
            let quits = matches!(outcome, Outcome::Quit);
            take(outcome)?;
            drop_deep(parsed);
            if quits {
                return Ok(());
            }
        }
    }

    /// From now on jobs do not start: they answer what they would keep of this savepoint or
    /// checkpoint, or why they cannot start from it.
    pub fn compare_with(&mut self, savepoint: &str) {
        self.compared_with = Some(savepoint.to_owned());
    }

    /// Spreads jobs of INSERTs that start from now on over workers and processes. Further
    /// processes run this program with its arguments once more: it must come to the same
    /// statements, and end after the first job that it gets (the jobs before it are skipped).
    /// Queries are refused then: their rows are shown by one process.
    pub fn deploy(&mut self, deployment: Deployment) {
        self.deployment = deployment;
    }

    /// Holds the sources of jobs that start from now on (tests, which stop a job in the middle
    /// of its input).
    #[doc(hidden)]
    pub fn hold_sources(&mut self, gate: Option<Arc<SourceGate>>) {
        self.gate = gate;
    }

    /// Runs one statement of `script`; an INSERT to its end.
    ///
    /// # Errors
    /// When it cannot be planned, or (an INSERT) its job failed.
    pub fn execute(&mut self, parsed: &Parsed, script: &str) -> Result<Outcome, SqlError> {
        let job = match self.start(parsed, script)? {
            Outcome::Job(job) => job,
            outcome => return Ok(outcome),
        };
        let ended = job.wait();
        if let (Err(_), Statement::CreateTable(create)) = (&ended, &parsed.statement) {
            self.drop_created(create)?; // nothing is left of a statement that failed
        }
        ended.map(Outcome::Done)
    }

    /// Runs one statement of `script`; of an INSERT it answers with the job, which runs.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub fn start(&mut self, parsed: &Parsed, script: &str) -> Result<Outcome, SqlError> {
        let done = Outcome::Done(vec![]);
        match &parsed.statement {
            Statement::Query(query) => self.select(query, script),
            Statement::Insert(insert) => {
                if let Some(set) = &mut self.statement_set {
                    set.push((insert.clone(), script.to_owned()));
                    return Ok(done);
                }
                self.inserts(&[(insert, script)])
            }
            Statement::StatementSet(inserts) => {
                let all: Vec<(&Insert, &str)> = inserts.iter().map(|i| (i, script)).collect();
                self.inserts(&all)
            }
            Statement::BeginStatementSet => {
                if self.statement_set.is_some() {
                    return Err(plan_error(
                        Error::config("a statement set has begun already").advice("END it first"),
                    ));
                }
                self.statement_set = Some(vec![]);
                Ok(done)
            }
            Statement::EndStatementSet => {
                let Some(set) = self.statement_set.take() else {
                    return Err(plan_error(
                        Error::config("no statement set has begun")
                            .advice("write BEGIN STATEMENT SET first"),
                    ));
                };
                let all: Vec<(&Insert, &str)> = set.iter().map(|(i, t)| (i, t.as_str())).collect();
                self.inserts(&all)
            }
            Statement::Explain { details, statement } => {
                let text = on_large_stack(|| self.explain(details, statement, script));
                Ok(Outcome::Table(ResultTable::text("result", &text.map_err(plan_error)?)))
            }
            Statement::CreateTable(create) if create.query.is_some() => {
                let insert = on_large_stack(|| self.create_table_as(create, script));
                let Some(insert) = insert.map_err(plan_error)? else { return Ok(done) };
                let started = self.inserts(&[(&insert, script)]);
                if started.is_err() {
                    self.drop_created(create)?;
                }
                started
            }
            Statement::Quit => Ok(Outcome::Quit),
            Statement::Clear => Ok(Outcome::Clear),
            other => on_large_stack(|| self.ddl(other, script)).map_err(plan_error),
        }
    }

    pub(crate) fn binder<'a>(&'a self, text: &'a str) -> Binder<'a> {
        Binder::new(&self.catalog, &self.registry, &self.settings, text)
    }

    fn drop_created(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        let path = self.catalog.path(&create.name);
        let dropped = self.catalog.drop_object(&path, false, create.temporary, true);
        dropped.map(|_| ()).map_err(plan_error)
    }

    /// How a job runs; without what follows from its graph.
    fn config(&self, workers: usize) -> Result<RuntimeConfig> {
        let name = self.settings.get("pipeline.name");
        let workers = self.deployment.workers(Some(workers));
        let mut config = RuntimeConfig::local(if name.is_empty() { "sql" } else { name }, workers);
        config.layout.processes = self.deployment.processes();
        config.auto_watermark_interval_ms =
            self.settings.duration_ms("pipeline.auto-watermark-interval")?;
        self.settings.apply(&mut config)?;
        Ok(config)
    }

    fn builder(&self, functions: UserFunctions) -> Result<JobBuilder> {
        let workers = self.deployment.workers.map(|w| w * self.deployment.processes());
        JobBuilder::new(&self.settings, workers, functions, self.gate.clone())
    }

    /// Plans and starts a query.
    fn select(&mut self, query: &Query, script: &str) -> Result<Outcome, SqlError> {
        if self.deployment.processes() > 1 {
            let what = "the rows of a query are shown by one process, and there are several";
            return Err(plan_error(
                Error::config(what).advice("write them to a table with INSERT INTO"),
            ));
        }
        let queue = Arc::new(ResultQueue::default());
        let planned = on_large_stack(|| -> Result<_> {
            let rel = self.binder(script).query(query)?;
            let node = self.query_plan(&rel)?;
            let mut warnings = vec![];
            node.warnings(&mut warnings);
            let functions = self.registry.user().for_job();
            let mut builder = self.builder(functions)?;
            builder.add_query(&node, &queue)?;
            let built = builder.finish();
            let mut config = self.config(built.workers)?;
            if config.checkpoint.interval_ms.is_none() || config.checkpoint.directory.is_none() {
                // Rows that were shown would come again.
                config.restart = RestartStrategy::None;
            }
            Ok((rel.schema().clone(), warnings, built, config))
        });
        let (schema, mut warnings, built, config) = planned.map_err(plan_error)?;
        let zone = self.settings.zone().map_err(plan_error)?;
        if let Some(compared) = self.compared(&built, &config).map_err(plan_error)? {
            return Ok(Outcome::Done(compared));
        }
        self.prepare(&built, &config, &mut warnings).map_err(plan_error)?;
        let job = execute(&built.graph, config, None).map_err(plan_error)?;
        Ok(Outcome::Query(QueryResult::new(schema, zone, queue, job, warnings)))
    }

    /// The plan of a query whose rows are shown.
    fn query_plan(&self, rel: &Rel) -> Result<Node> {
        let node = Translator::new(&self.settings)?.translate(rel)?;
        Ok(enforced(node, rel.schema()))
    }

    /// Plans inserts and starts them as one job.
    fn inserts(&mut self, inserts: &[(&Insert, &str)]) -> Result<Outcome, SqlError> {
        if inserts.is_empty() {
            return Err(plan_error(Error::config("a statement set has no INSERT")));
        }
        let job_number = self.jobs;
        self.jobs += 1;
        let mine = Deployment::job_of_this_child().map_err(plan_error)?;
        if mine.is_some_and(|mine| mine != job_number) {
            // The process that has started this one runs it, or has run it.
            return Ok(Outcome::Done(vec![]));
        }
        let planned = on_large_stack(|| -> Result<_> {
            let mut warnings = vec![];
            let (_, nodes) = self.insert_plans(inserts)?;
            nodes.iter().for_each(|node| node.warnings(&mut warnings));
            let functions = self.registry.user().for_job();
            let mut builder = self.builder(functions)?;
            builder.add_inserts(&nodes)?;
            let built = builder.finish();
            let config = self.config(built.workers)?;
            Ok((warnings, built, config))
        });
        let (mut warnings, built, config) = planned.map_err(plan_error)?;
        if let Some(compared) = self.compared(&built, &config).map_err(plan_error)? {
            return Ok(Outcome::Done(compared));
        }
        self.prepare(&built, &config, &mut warnings).map_err(plan_error)?;
        let job = self.launch(&built, config, job_number).map_err(plan_error)?;
        Ok(Outcome::Job(InsertJob::new(job, warnings)))
    }

    /// Starts a job of INSERTs in its processes.
    fn launch(
        &self,
        built: &BuiltJob,
        config: RuntimeConfig,
        job_number: usize,
    ) -> Result<JobClient> {
        let deployment = Deployment { job_number, ..self.deployment.clone() };
        deployment.start(&built.graph, config, None)
    }

    /// Checks that a job may start: the state that it is to start from fits it.
    fn prepare(
        &mut self,
        built: &BuiltJob,
        config: &RuntimeConfig,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        if let Some(id) = &config.job_id {
            let known = *self.job_ids.entry(id.clone()).or_insert(built.identity);
            if known != built.identity {
                return Err(Error::config(format!(
                    "job id '{id}' was given to another statement of this session"
                ))
                .advice(
                    "SET 'pipeline.job-id' to a name of its own for each, or write the INSERTs as \
                     one STATEMENT SET",
                ));
            }
        }
        if let Some(savepoint) = config.savepoint() {
            let report = restore_report(&built.graph, config, savepoint)?;
            warnings.extend(built.fates(&report));
        }
        Ok(())
    }

    /// What a job would keep of the state that it is to be compared with.
    fn compared(&self, built: &BuiltJob, config: &RuntimeConfig) -> Result<Option<Vec<String>>> {
        let Some(path) = &self.compared_with else { return Ok(None) };
        let strict = config.from_savepoint.as_ref().is_none_or(|s| !s.allow_non_restored_state);
        let settings =
            RestoreSettings { path: path.clone(), allow_non_restored_state: !strict, claim: false };
        let report = check_savepoint(&built.graph, config, &settings)?;
        let first = format!("{}: the job can start from it", report.place);
        Ok(Some(std::iter::once(first).chain(built.fates(&report)).collect()))
    }
}

/// An error of a job that ran.
pub(crate) fn run_error(error: Error) -> SqlError {
    let phase = if error.kind() == ErrorKind::Config { Phase::Plan } else { Phase::Run };
    SqlError { phase, error }
}

/// Runs `work` on a thread with a large stack.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("planner".into())
            .stack_size(PLANNING_STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|e| Error::retry(format!("cannot start the planning thread: {e}")))?;
        thread.join().unwrap_or_else(|_| Err(Error::bug("the planner panicked")))
    })
}

/// Frees a statement on a large stack: it may be a deep tree.
fn drop_deep(parsed: Parsed) {
    let freed = on_large_stack(move || {
        drop(parsed);
        Ok(())
    });
    // Without a thread there is nothing left to free.
    let _ = freed;
}
