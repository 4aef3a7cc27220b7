//! Command-line options of every job.

use crate::monitoring::MonitoringArgs;
use clap::Parser;
use millstream_checkpoint::CheckpointConfig;
use millstream_checkpoint::config::parse_duration_ms;
use millstream_core::nearest::nearest;
use millstream_core::{Error, Result};
use millstream_runtime::RuntimeConfig;
use millstream_runtime::checkpoint::RestartStrategy;

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
    /// execution.checkpointing.dir=PLACE, state.backend.type=rocksdb or
    /// restart-strategy.type=fixed-delay
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
    /// Applies the settings given with `-D`, which go before the program's own; the restart
    /// strategy, if they say one.
    ///
    /// # Errors
    /// `Config`, with the name of a setting that is unknown or cannot be read.
    pub(crate) fn apply(&self, config: &mut RuntimeConfig) -> Result<Option<RestartStrategy>> {
        let (mut pairs, mut of_state) = (Vec::new(), Vec::new());
        for option in &self.options {
            let Some((name, value)) = option.split_once('=') else {
                // The text may be a secret in a wrong place: it is not shown.
                return Err(Error::config("-D wants NAME=VALUE, and there is no '='"));
            };
            pairs.push((name.trim(), value));
        }
        for (name, value) in &pairs {
            if *name == HEARTBEAT {
                let ms = parse_duration_ms(value).filter(|ms| *ms > 0);
                config.heartbeat_timeout_ms = ms.ok_or_else(|| {
                    Error::config(format!("{name}: '{value}' is not a duration like '50 s'"))
                })?;
            } else if name.starts_with("state.backend") {
                of_state.push((*name, *value));
            } else if !name.starts_with("restart-strategy")
                && !config.checkpoint.set(name, value)?
            {
                return Err(unknown(name));
            }
        }
        config.state_backend = std::mem::take(&mut config.state_backend)
            .with_key_values(of_state)
            .map_err(|e| e.at("-D"))?;
        RestartStrategy::from_options(pairs)
    }
}

/// The setting of the supervisor.
const HEARTBEAT: &str = "heartbeat.timeout";

fn unknown(name: &str) -> Error {
    let error = Error::config(format!("-D {name}: there is no such setting"));
    let others = [HEARTBEAT, "state.backend.type", "restart-strategy.type"];
    match nearest(name, CheckpointConfig::NAMES.into_iter().chain(others)) {
        Some(near) => error.advice(format!("did you mean '{near}'?")),
        None => error.advice("see docs/checkpoints.md and docs/state.md for the settings"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn apply(options: &[&str]) -> Result<RuntimeConfig> {
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        let mut config = RuntimeConfig::local("job", 1);
        JobArgs { options, ..JobArgs::default() }.apply(&mut config)?;
        Ok(config)
    }

    #[test]
    fn settings_are_checked_before_the_job_starts() {
        for (option, hints) in [
            ("state.backend.typ=rocksdb", &["state.backend.typ", "'state.backend.type'?"][..]),
            ("state.backnd.type=rocksdb", &["state.backnd.type", "'state.backend.type'?"]),
            ("state.backend.type=disk", &["'disk'", "'hashmap' or 'rocksdb'"]),
            ("state.backend.rocksdb.localdir=/tmp", &["on the heap", "state.backend.type"]),
            ("execution.checkpointing.intervall=1s", &["'execution.checkpointing.interval'?"]),
            ("colour=blue", &["colour", "docs/state.md"]),
            ("secret", &["no '='"]),
        ] {
            let error = apply(&[option]).err().unwrap().to_string();
            assert!(hints.iter().all(|hint| error.contains(hint)), "{option}: {error}");
        }
        assert!(apply(&["state.backend.type=hashmap"]).unwrap().state_backend.is_heap());
        CheckpointConfig::NAMES.iter().for_each(|name| {
            // Known, whatever it says of the value.
            let set = CheckpointConfig::default().set(name, "1");
            assert!(!matches!(set, Ok(false)), "{name}");
        });
    }

    #[cfg(feature = "rocksdb")]
    #[test]
    fn the_command_line_goes_before_the_program() {
        use millstream_runtime::state::{RocksDbBackend, RocksDbOptions, StateBackendConfig};
        let kind = "state.backend.type=rocksdb";
        let error = apply(&[kind, "state.backend.rocksdb.writebufer.size=1mb"]).err().unwrap();
        assert!(error.to_string().contains("rocksdb.writebuffer.size'?"), "{error}");
        let error = apply(&[kind, "state.backend.rocksdb.thread.num=none"]).err().unwrap();
        assert!(error.to_string().contains("'none'"), "{error}");

        let mut config = RuntimeConfig::local("job", 1);
        let program = RocksDbOptions { thread_count: 7, ..RocksDbOptions::default() };
        config.state_backend = StateBackendConfig::RocksDb(RocksDbBackend::new(program));
        let options = vec!["state.backend.rocksdb.memory.fixed-per-tm=100mb".to_owned()];
        JobArgs { options, ..JobArgs::default() }.apply(&mut config).unwrap();
        let StateBackendConfig::RocksDb(backend) = config.state_backend else { panic!() };
        assert_eq!(
            (backend.options().memory_bytes, backend.options().thread_count),
            (100 << 20, 7)
        );
    }
}
