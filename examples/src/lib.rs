//! What the examples share: how a job ends on a terminal.

use millstream::prelude::*;
use std::process::ExitCode;

/// Says how the job ended, on stderr, and gives the exit code.
pub fn finish(result: Result<JobExecutionResult>) -> ExitCode {
    match result {
        Ok(job) => {
            eprintln!("{} ended after {:.2?}", job.job_name, job.net_runtime);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
