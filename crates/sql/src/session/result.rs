//! Results: tables that are known at once, and queries that run.

use crate::plan::adapters::ResultQueue;
use crate::plan::logical::Schema;
use crate::runtime::ChangeBatch;
use crate::session::{SqlError, run_error};
use crate::text::client_texts;
use crate::zone::Zone;
use millstream_core::{ErrorKind, Result};
use millstream_datastream::JobClient;
use millstream_runtime::{JobHandle, RunningJob};
use std::sync::Arc;
use std::time::Duration;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Flink's text of its type.
    pub data_type: String,
}

/// A row: its change (`+I`, `-U`, `+U`, `-D`) and its values as the client shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The change.
    pub change: &'static str,
    /// The values; `None` for NULL.
    pub values: Vec<Option<String>>,
}

/// A result that is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultTable {
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<Row>,
}

impl ResultTable {
    /// Columns of STRING with these rows.
    pub fn of_texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let column = |n: &&str| Column { name: (*n).to_owned(), data_type: "STRING".into() };
        let row = |values| Row { change: "+I", values };
        ResultTable {
            columns: names.iter().map(column).collect(),
            rows: rows.into_iter().map(row).collect(),
        }
    }
    /// One text in one column.
    pub fn text(name: &str, text: &str) -> Self {
        Self::of_texts(&[name], vec![vec![Some(text.to_owned())]])
    }
}

/// Ends a query, from any thread.
#[derive(Clone)]
pub struct Canceller(Option<JobHandle>);

impl Canceller {
    /// Ends the query, if it still runs.
    pub fn cancel(&self) {
        if let Some(handle) = &self.0 {
            handle.cancel();
        }
    }
}

/// INSERTs that run as one job. Dropping it does not stop them.
pub struct InsertJob {
    job: Box<JobClient>,
    warnings: Vec<String>,
}

impl InsertJob {
    pub(crate) fn new(job: JobClient, warnings: Vec<String>) -> Self {
        InsertJob { job: Box::new(job), warnings }
    }
    /// What its user should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
    /// To cancel it, to ask for a savepoint, to read its metrics.
    pub fn handle(&self) -> &JobHandle {
        self.job.handle()
    }
    /// To end it from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller(Some(self.job.handle().clone()))
    }
    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.job.is_finished()
    }
    /// Waits for the end; answers the warnings.
    ///
    /// # Errors
    /// What ended the job, if not the end of its input; `Cancelled` after a cancel.
    pub fn wait(self) -> Result<Vec<String>, SqlError> {
        self.job.wait().map_err(run_error)?;
        Ok(self.warnings)
    }
}

/// A query that runs: its rows come while it does.
pub struct QueryResult {
    columns: Vec<Column>,
    schema: Schema,
    zone: Zone,
    queue: Arc<ResultQueue>,
    job: Option<RunningJob>,
    warnings: Vec<String>,
}

impl QueryResult {
    pub(crate) fn new(
        schema: Schema,
        zone: Zone,
        queue: Arc<ResultQueue>,
        job: RunningJob,
        warnings: Vec<String>,
    ) -> Self {
        let columns = schema
            .iter()
            .map(|f| Column { name: f.name.clone(), data_type: f.ty.to_string() })
            .collect();
        QueryResult { columns, schema, zone, queue, job: Some(job), warnings }
    }
    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
    /// What its user should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
    /// To end it from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.job.as_ref().map(|job| job.handle().clone()))
    }
    /// To ask for a savepoint, and to read its metrics; `None` when it has ended.
    pub fn handle(&self) -> Option<&JobHandle> {
        self.job.as_ref().map(RunningJob::handle)
    }
    /// Ends it before its input does.
    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            job.handle().cancel();
        }
    }

    /// Rows that have come, waiting up to `timeout`; `None` when it has ended.
    ///
    /// # Errors
    /// What ended the job, if neither its input's end nor a cancel did.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Row>>, SqlError> {
        if let Some(batch) = self.queue.next(timeout) {
            return self.rows(&batch).map(Some).map_err(run_error);
        }
        let Some(job) = self.job.take_if(|job| job.is_finished()) else {
            return Ok(if self.job.is_some() { Some(vec![]) } else { None });
        };
        // What came between the last look and the end.
        let mut rest = vec![];
        while let Some(batch) = self.queue.next(Duration::ZERO) {
            rest.extend(self.rows(&batch).map_err(run_error)?);
        }
        match job.wait() {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                Err(SqlError { phase: super::Phase::Run, error })
            }
            _ => Ok(Some(rest)),
        }
    }

    fn rows(&self, batch: &ChangeBatch) -> Result<Vec<Row>> {
        let mut columns = vec![];
        for (array, field) in batch.rows().columns().iter().zip(&self.schema) {
            columns.push(client_texts(array, &field.ty, &self.zone)?.into_iter());
        }
        Ok((0..batch.len())
            .map(|row| Row {
                change: batch.kind(row).text(),
                values: columns.iter_mut().map(|c| c.next().flatten()).collect(),
            })
            .collect())
    }

    /// All rows to the end.
    ///
    /// # Errors
    /// What ended the job.
    pub fn collect(mut self) -> Result<ResultTable, SqlError> {
        let mut rows = vec![];
        while let Some(more) = self.next(Duration::from_millis(100))? {
            rows.extend(more);
        }
        Ok(ResultTable { columns: std::mem::take(&mut self.columns), rows })
    }
}

impl Drop for QueryResult {
    /// A query whose result nobody reads does not go on.
    fn drop(&mut self) {
        self.cancel();
    }
}
