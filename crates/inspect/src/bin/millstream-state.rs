//! Checkpoints and savepoints on the command line; wiring only.
//!
//! ```text
//!   millstream-state list PATH
//!   millstream-state dump PATH [--operator UID] [--state NAME] [--key JSON] [--limit N]
//!   millstream-state verify PATH
//!   millstream-state savepoint PLACE JOB_ID [--directory PLACE] [--native]
//!                              [--stop | --drain]
//! ```

use millstream_checkpoint::{JobStorage, LocatedManifest, Request, Stop, Storage, requests};
use millstream_core::{Error, Result};
use millstream_inspect::{self as inspect, Selection};
use millstream_state::SnapshotKind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "usage: millstream-state list|dump|verify PATH, or \
                     savepoint PLACE JOB_ID [--directory PLACE] [--native] [--stop|--drain]";
const TIMEOUT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millstream-state: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Vec<String>) -> Result<()> {
    let mut option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.remove(at);
        (at < arguments.len()).then(|| arguments.remove(at))
    };
    let selection = Selection {
        operator: option("--operator"),
        state: option("--state"),
        key: option("--key"),
        limit: option("--limit").and_then(|text| text.parse().ok()),
    };
    let directory = option("--directory");
    let mut flag = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.map(|at| arguments.remove(at)).is_some()
    };
    let (native, stop, drain) = (flag("--native"), flag("--stop"), flag("--drain"));
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list", path] => println!("{:#}", inspect::summary(&LocatedManifest::open(path)?)?),
        ["dump", path] => {
            let located = Arc::new(LocatedManifest::open(path)?);
            inspect::dump(&located, &selection, &mut std::io::stdout().lock())?;
        }
        ["verify", path] => {
            let bytes = inspect::verify(&LocatedManifest::open(path)?)?;
            println!("{path}: whole, {bytes} bytes in objects");
        }
        ["savepoint", place, job_id] => {
            let job = JobStorage::new(&Storage::open(place)?, job_id)?;
            let kind = match native {
                true => SnapshotKind::NativeSavepoint,
                false => SnapshotKind::CanonicalSavepoint,
            };
            let stop = match (stop, drain) {
                (_, true) => Some(Stop::Drain),
                (true, false) => Some(Stop::Suspend),
                (false, false) => None,
            };
            let request = Request::Savepoint { kind, directory, stop };
            println!("{}", requests::ask(job.folder(), requests::fresh_id()?, &request, TIMEOUT)?);
        }
        _ => return Err(Error::config(USAGE)),
    }
    Ok(())
}
