//! Command-line options of every job.

use crate::monitoring::MonitoringArgs;
use clap::Parser;
use millstream_core::{Error, Result};

/// Command-line options of every job; add your own with `#[command(flatten)]`.
#[derive(Clone, Debug, Default, Parser)]
pub struct JobArgs {
    /// Worker threads of each process [default: what the job asks for, or all cores]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub workers: Option<usize>,
    /// Processes on this machine; the job starts the others itself, and with checkpoints
    /// replaces those that die
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Running")]
    pub processes: usize,
    /// host:port of every process, in order, when you start each yourself
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', help_heading = "Running")]
    pub hosts: Vec<String>,
    /// Which of --hosts this process is
    #[arg(long, value_name = "I", requires = "hosts", help_heading = "Running")]
    pub process_index: Option<usize>,
    /// A setting by Flink's name, such as execution.checkpointing.interval=10s,
    /// execution.checkpointing.dir=PLACE or restart-strategy.type=fixed-delay
    #[arg(short = 'D', value_name = "NAME=VALUE", help_heading = "State")]
    pub options: Vec<String>,
    /// Name of the job's folder in the checkpoint directory; started again with the same
    /// name, a job that did not end goes on where it was [default: a fresh one]
    #[arg(long, value_name = "ID", help_heading = "State")]
    pub job_id: Option<String>,
    /// Start from this savepoint or checkpoint (a folder or URL)
    #[arg(short = 's', long, value_name = "PATH", help_heading = "State")]
    pub from_savepoint: Option<String>,
    /// Drop state of operators that the job does not have any more
    #[arg(short = 'n', long, help_heading = "State")]
    pub allow_non_restored_state: bool,
    /// Delete what the job was started from when it has a checkpoint of its own
    #[arg(long, requires = "from_savepoint", help_heading = "State")]
    pub claim: bool,
    /// Say whether the job could start from this savepoint or checkpoint, and end
    #[arg(long, value_name = "PATH", help_heading = "State")]
    pub check_savepoint: Option<String>,
    /// What people see of the job while it runs
    #[command(flatten)]
    pub monitoring: MonitoringArgs,
}

impl JobArgs {
    /// The settings given with `-D`.
    ///
    /// # Errors
    /// `Config`, when one is not `NAME=VALUE`.
    pub(crate) fn settings(&self) -> Result<Vec<(&str, &str)>> {
        fn pair(option: &str) -> Option<(&str, &str)> {
            let (name, value) = option.split_once('=')?;
            Some((name.trim(), value))
        }
        // The text may be a secret in a wrong place: it is not shown.
        let wrong = || Error::config("-D wants NAME=VALUE, and there is no '='");
        self.options.iter().map(|option| pair(option).ok_or_else(wrong)).collect()
    }
}
