//! Brokers of a cluster and their connections; who coordinates which transaction.
//!
//! Between `transactions` and `connection`. Invariant: a connection that has failed is
//! dropped, and what was known of coordinators with it.

use super::connection::Connection;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest};
use kafka_protocol::protocol::{Request, StrBytes};
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one try of one request may take.
const TRY: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a try has an answer, or another is needed.
pub(super) enum Try<T> {
    Done(T),
    /// Not now, for this reason.
    Again(String),
    /// Not at this broker.
    Moved(String),
}

/// A client of one cluster, for one thread.
pub(crate) struct RawCluster {
    bootstrap: Vec<String>,
    /// How long a call may take, with all its tries.
    timeout: Duration,
    connections: BTreeMap<String, Connection>,
    coordinators: BTreeMap<String, String>,
}

fn kafka_error(code: i16) -> String {
    ResponseError::try_from_code(code)
        .map_or_else(|| format!("error {code}"), |error| format!("{error:?}"))
}

impl RawCluster {
    /// A client; nothing is connected before the first call.
    pub(crate) fn new(bootstrap_servers: &str, timeout: Duration) -> Self {
        let trimmed = bootstrap_servers.split(',').map(str::trim).filter(|s| !s.is_empty());
        // librdkafka's form may carry a protocol and may leave the port out.
        let address = |s: &str| {
            let s = s.rsplit_once("://").map_or(s, |(_, rest)| rest);
            if s.contains(':') { s.to_owned() } else { format!("{s}:9092") }
        };
        RawCluster {
            bootstrap: trimmed.map(address).collect(),
            timeout,
            connections: BTreeMap::new(),
            coordinators: BTreeMap::new(),
        }
    }

    /// Until when a call that starts now may take.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// One request to one broker.
    pub(super) fn call<R: Request>(
        &mut self,
        address: &str,
        request: &R,
        at_most: i16,
        deadline: Instant,
    ) -> Result<R::Response> {
        let until = deadline.min(Instant::now() + TRY);
        let mut connection = match self.connections.remove(address) {
            Some(connection) => connection,
            None => Connection::open(address, until)?,
        };
        let answer = connection.call(request, at_most, until)?;
        self.connections.insert(address.to_owned(), connection);
        Ok(answer)
    }

    /// One request to any broker.
    pub(super) fn call_any<R: Request>(
        &mut self,
        request: &R,
        at_most: i16,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut last = Error::config("bootstrap_servers is not set");
        for address in self.bootstrap.clone() {
            match self.call(&address, request, at_most, deadline) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Tries until there is an answer, an error that no retry cures, or the time is over.
    pub(super) fn retry<T>(
        &mut self,
        what: &str,
        mut attempt: impl FnMut(&mut Self, Instant) -> Result<Try<T>>,
    ) -> Result<T> {
        let deadline = self.deadline();
        loop {
            let why = match attempt(self, deadline) {
                Ok(Try::Done(answer)) => return Ok(answer),
                Ok(Try::Again(why)) => why,
                Ok(Try::Moved(why)) => {
                    self.coordinators.clear();
                    why
                }
                Err(error) if error.kind() == millstream_core::ErrorKind::Retry => {
                    // The broker may have gone, and its transactions moved.
                    self.coordinators.clear();
                    error.message().to_owned()
                }
                Err(error) => return Err(error.at(what)),
            };
            if Instant::now() + PAUSE >= deadline {
                let seconds = self.timeout.as_secs_f64();
                return Err(Error::retry(format!("{what}: no success within {seconds} s: {why}"))
                    .advice("check the brokers and their logs"));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The cluster's id, and the addresses of its brokers.
    pub(crate) fn describe(&mut self) -> Result<(String, Vec<String>)> {
        self.retry("describe the Kafka cluster", |cluster, deadline| {
            // No topics: an empty list, not null, which would mean all.
            let request = MetadataRequest::default().with_topics(Some(vec![]));
            let answer = cluster.call_any(&request, 12, deadline)?;
            let brokers = answer.brokers.iter().map(|b| format!("{}:{}", b.host, b.port)).collect();
            Ok(match answer.cluster_id {
                Some(id) => Try::Done((id.to_string(), brokers)),
                None => Try::Again("it has no cluster id yet".into()),
            })
        })
    }

    /// The address of the broker that coordinates a transactional id.
    pub(super) fn coordinator(&mut self, id: &str, deadline: Instant) -> Result<Try<String>> {
        if let Some(address) = self.coordinators.get(id) {
            return Ok(Try::Done(address.clone()));
        }
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(1);
        // From version 4 on the answer is a list.
        let answer = self.call_any(&request, 3, deadline)?;
        let address = format!("{}:{}", answer.host, answer.port);
        match ResponseError::try_from_code(answer.error_code) {
            None => {
                // Ids of a long job come and go: the map is a cache, not a record.
                if self.coordinators.len() >= 1000 {
                    self.coordinators.clear();
                }
                self.coordinators.insert(id.to_owned(), address.clone());
                Ok(Try::Done(address))
            }
            Some(error) => outcome(error, &format!("find the coordinator of '{id}'")),
        }
    }

    /// One request about `id` to its coordinator.
    pub(super) fn call_coordinator<R: Request>(
        &mut self,
        id: &str,
        request: &R,
        at_most: i16,
        deadline: Instant,
    ) -> Result<Try<R::Response>> {
        let address = match self.coordinator(id, deadline)? {
            Try::Done(address) => address,
            Try::Again(why) => return Ok(Try::Again(why)),
            Try::Moved(why) => return Ok(Try::Moved(why)),
        };
        self.call(&address, request, at_most, deadline).map(Try::Done)
    }
}

/// What an error code that the caller does not know better means for its request.
pub(super) fn outcome<T>(error: ResponseError, what: &str) -> Result<Try<T>> {
    use ResponseError as E;
    let name = kafka_error(error.code());
    match error {
        E::NotCoordinator | E::CoordinatorNotAvailable => Ok(Try::Moved(name)),
        E::CoordinatorLoadInProgress
        | E::ConcurrentTransactions
        | E::RequestTimedOut
        | E::NetworkException
        | E::NotEnoughReplicas
        | E::NotEnoughReplicasAfterAppend
        | E::UnknownServerError
        | E::ThrottlingQuotaExceeded => Ok(Try::Again(name)),
        E::TransactionalIdAuthorizationFailed | E::ClusterAuthorizationFailed => {
            Err(Error::config(format!("{what}: {name}"))
                .advice("grant the user Describe and Write on transactional ids with the prefix"))
        }
        E::InvalidTransactionTimeout => Err(Error::config(format!(
            "{what}: the transaction timeout is above what the brokers allow"
        ))
        .advice("lower transaction_timeout, or raise the brokers' transaction.max.timeout.ms")),
        _ => Err(Error::restart(format!("{what}: {name}")).advice("look at the broker's log")),
    }
}
