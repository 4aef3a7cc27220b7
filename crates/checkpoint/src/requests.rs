//! Requests to a running job through its folder: a savepoint from the command line.
//!
//! ```text
//!   millstream savepoint <job folder>         the job's leader
//!     put  requests/<id>            ──>  list every second, decode, carry out
//!     poll requests/<id>.answer     <──  put the place of the savepoint, or the reason why not
//! ```
//!
//! Who can write to the job's folder can change its state anyway, so there is no other
//! secret and no open port, and the way is the same for local folders and cloud storage.
//!
//! Invariants: a request is carried out at most once by one attempt; its object is deleted
//! before its answer is written; objects that are no request are answered, not obeyed.

use crate::coordinator::Request;
use crate::storage::Storage;
use millstream_core::{Error, ErrorKind, Result, random_bytes};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Most bytes of a request.
const MAX_BYTES: u64 = 64 * 1024;

/// What the job answers: the place of the checkpoint or savepoint, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Where it is.
    Done(String),
    /// Why there is none.
    Refused(String),
}

/// Asks the job whose folder this is, and waits for its answer. `id`: fresh and random.
///
/// # Errors
/// `Retry` when the job does not answer in time; `Restart` with the job's own reason.
pub fn ask(job: &Storage, id: u64, request: &Request, timeout: Duration) -> Result<String> {
    let path = format!("requests/{id:016x}");
    let answer = format!("{path}.answer");
    job.put(&path, postcard::to_stdvec(request)?)?;
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(bytes) = job.get(&answer)? {
            let reply: Reply = postcard::from_bytes(&bytes)?;
            job.delete(&answer)?;
            return match reply {
                Reply::Done(place) => Ok(place),
                Reply::Refused(why) => Err(Error::new(ErrorKind::Restart, why)),
            };
        }
        if Instant::now() > deadline {
            job.delete(&path)?;
            let what = format!("the job in {} does not answer", job.place());
            return Err(Error::retry(what).advice("check that it runs, and with this folder"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A random id for a request.
///
/// # Errors
/// `Retry` when the machine has no random numbers.
pub fn fresh_id() -> Result<u64> {
    Ok(u64::from_le_bytes(random_bytes()?))
}

/// New requests, with the paths of their objects, which are gone now.
pub(crate) fn take(job: &Storage) -> Result<Vec<(String, Result<Request>)>> {
    let mut requests = Vec::new();
    for (path, size) in job.list("requests")? {
        if path.ends_with(".answer") {
            continue;
        }
        let request = match job.get(&path)? {
            Some(bytes) if size <= MAX_BYTES => postcard::from_bytes(&bytes)
                .map_err(|_| Error::data("this is not a request, or of another version")),
            Some(_) => Err(Error::data("the request is too long")),
            None => continue,
        };
        job.delete(&path)?;
        requests.push((path, request));
    }
    Ok(requests)
}

pub(crate) fn reply(job: &Storage, path: &str, reply: &Reply) -> Result<()> {
    job.put(&format!("{path}.answer"), postcard::to_stdvec(reply)?)
}
