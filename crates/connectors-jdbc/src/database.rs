//! A connection that comes back: retries on loss, within limits.
//!
//! Invariant: what is run again is a whole transaction of the caller, never a part of one.

use crate::config::ConnectionConfig;
use crate::error::{is_transient, refused, text};
use millstream_core::{Error, Result};
use postgres::{Client, NoTls};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);
/// With a number of retries: before the first of them; before the second twice as long.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the session is set to: names mean what the statements say, whatever the user's or the
/// database's settings are.
const SESSION: &str = "SET search_path = pg_catalog; SET TimeZone = 'UTC'; \
                       SET DateStyle = 'ISO, YMD'; SET standard_conforming_strings = on; SET client_encoding = 'UTF8'";

/// Why a piece of work was not done.
pub(crate) enum Failure {
    /// The server or the connection says so.
    Database(postgres::Error),
    /// We do: no retry cures it.
    Ours(Error),
}

impl From<postgres::Error> for Failure {
    fn from(error: postgres::Error) -> Self {
        Failure::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Ours(error)
    }
}

pub(crate) struct Database {
    config: ConnectionConfig,
    client: Option<Client>,
}

impl Database {
    pub(crate) fn new(config: ConnectionConfig) -> Self {
        Database { config, client: None }
    }

    fn client(&mut self) -> Result<&mut Client, Failure> {
        let client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => {
                let mut client = self.config.parse()?.connect(NoTls)?;
                client.batch_execute(SESSION)?;
                client
            }
        };
        Ok(self.client.insert(client))
    }

    /// Runs `work`, again on a new connection when the connection was lost.
    pub(crate) fn run<R>(
        &mut self,
        what: &str,
        mut work: impl FnMut(&mut Client) -> Result<R, Failure>,
    ) -> Result<R> {
        let deadline = Instant::now() + self.config.retry_timeout;
        let mut failures = 0;
        let place = format!("PostgreSQL {}", self.config.address());
        loop {
            let error = match self.client().and_then(&mut work) {
                Ok(done) => return Ok(done),
                Err(Failure::Ours(error)) => return Err(error.at(place)),
                Err(Failure::Database(error)) => error,
            };
            // A transaction may be half done on it.
            self.client = None;
            if !is_transient(&error) {
                return Err(refused(what, &error).at(place));
            }
            failures += 1;
            let (pause, given_up, limit) = match self.config.max_retries {
                Some(retries) => {
                    let limit = format!("{retries} retries");
                    (RETRY_PAUSE * failures, failures > retries, limit)
                }
                None => {
                    let limit = format!("{} s", self.config.retry_timeout.as_secs_f64());
                    (PAUSE, Instant::now() + PAUSE >= deadline, limit)
                }
            };
            if given_up {
                let why = format!("{what}: no success within {limit}: {}", text(&error));
                return Err(Error::retry(why).at(place).advice(
                    "check that the server runs; retry_timeout or max-retries sets the wait",
                ));
            }
            std::thread::sleep(pause);
        }
    }

    /// Runs `work` once, on the connection that there is: it goes on with what was begun there.
    pub(crate) fn go_on<R>(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut Client) -> Result<R, Failure>,
    ) -> Result<R> {
        let place = format!("PostgreSQL {}", self.config.address());
        let Some(client) = &mut self.client else {
            return Err(Error::bug("a connection that was never made").at(place));
        };
        work(client).map_err(|failure| match failure {
            Failure::Ours(error) => error.at(place),
            Failure::Database(error) if is_transient(&error) => {
                Error::restart(format!("{what}: {}", text(&error)))
                    .advice("check that the server runs; the job reads again from its checkpoint")
                    .at(place)
            }
            Failure::Database(error) => refused(what, &error).at(place),
        })
    }
}
