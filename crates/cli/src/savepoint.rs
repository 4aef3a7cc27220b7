//! `millstream savepoint`: asks a running job for a savepoint, through the job's folder.

use clap::{Args, ValueEnum};
use millstream_checkpoint::{Request, Stop, Storage, requests};
use millstream_core::Error;
use millstream_state::SnapshotKind;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments of `millstream savepoint`.
#[derive(Args)]
pub(crate) struct SavepointArgs {
    /// The job's folder: its checkpoint directory, and in it its job id.
    #[arg(value_name = "JOB_FOLDER")]
    job: String,
    /// Where the savepoint goes [default: what the job was started with, or the job's folder]
    #[arg(short, long, value_name = "PLACE")]
    directory: Option<String>,
    /// Stops the job with it.
    #[arg(long, value_enum)]
    stop: Option<How>,
    /// In the state backend's own form, for the same backend only.
    #[arg(long)]
    native: bool,
    /// How long to wait for the job's answer.
    #[arg(long, value_name = "DURATION", default_value = "10 min")]
    timeout: String,
}

/// How the job stops.
#[derive(Clone, Copy, ValueEnum)]
enum How {
    /// Nothing more fires: the job can go on from the savepoint as if nothing was.
    Suspend,
    /// Sources end: windows fire, and everything is committed.
    Drain,
}

/// Runs the command: writes the savepoint's place.
pub(crate) fn run(args: &SavepointArgs) -> ExitCode {
    match ask(args) {
        Ok(place) => {
            println!("{place}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(args: &SavepointArgs) -> Result<String, Error> {
    let timeout = millstream_checkpoint::config::parse_duration_ms(&args.timeout)
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or_else(|| Error::config(format!("--timeout: '{}' is no duration", args.timeout)))?;
    let request = Request::Savepoint {
        kind: match args.native {
            true => SnapshotKind::NativeSavepoint,
            false => SnapshotKind::CanonicalSavepoint,
        },
        directory: args.directory.clone(),
        stop: args.stop.map(|how| match how {
            How::Suspend => Stop::Suspend,
            How::Drain => Stop::Drain,
        }),
    };
    let job = Storage::open(&args.job)?;
    requests::ask(&job, requests::fresh_id()?, &request, Duration::from_millis(timeout))
}
