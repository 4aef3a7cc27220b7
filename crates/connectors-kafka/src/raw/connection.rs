//! One connection to one broker: framing, versions, timeouts, size limits.
//!
//! Below `cluster`. Invariant: after an error the connection is not used again, so an answer
//! is never taken for that of another request.

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{
    Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The largest answer that is read.
pub(crate) const MAX_RESPONSE_BYTES: usize = 64 << 20;
const CLIENT: &str = "millstream";

pub(super) struct Connection {
    address: String,
    stream: TcpStream,
    next_correlation_id: i32,
    /// What the broker speaks: API key to lowest and highest version.
    versions: BTreeMap<i16, (i16, i16)>,
}

fn broken(address: &str, what: &str, why: impl std::fmt::Display) -> Error {
    Error::retry(format!("Kafka broker {address}: {what}: {why}")).advice("check that it runs")
}

fn remaining(deadline: Instant) -> Duration {
    // A socket timeout of zero means none.
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

impl Connection {
    /// Connects to `host:port` and asks which versions the broker speaks.
    pub(super) fn open(address: &str, deadline: Instant) -> Result<Connection> {
        let addresses =
            address.to_socket_addrs().map_err(|e| broken(address, "unknown host", e))?;
        let mut last = None;
        for resolved in addresses {
            match TcpStream::connect_timeout(&resolved, remaining(deadline)) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|e| broken(address, "socket", e))?;
                    let mut connection = Connection {
                        address: address.to_owned(),
                        stream,
                        next_correlation_id: 1,
                        versions: BTreeMap::new(),
                    };
                    connection.ask_versions(deadline)?;
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => broken(address, "no connection", error),
            None => broken(address, "no connection", "the name has no address"),
        })
    }

    fn ask_versions(&mut self, deadline: Instant) -> Result<()> {
        // Version 0 is answered by every broker, in a form that never changes.
        let answer = self.exchange(&ApiVersionsRequest::default(), 0, deadline)?;
        if answer.error_code != 0 {
            let what = format!("error {} on ApiVersions", answer.error_code);
            return Err(broken(&self.address, "not a Kafka broker", what));
        }
        let versions = answer.api_keys.iter().map(|v| (v.api_key, (v.min_version, v.max_version)));
        self.versions = versions.collect();
        Ok(())
    }

    /// Sends a request in the newest version up to `at_most` that both sides speak.
    pub(super) fn call<R: Request>(
        &mut self,
        request: &R,
        at_most: i16,
        deadline: Instant,
    ) -> Result<R::Response> {
        let ours = R::VERSIONS.max.min(at_most);
        let version = match self.versions.get(&R::KEY) {
            Some((lowest, highest)) if ours.min(*highest) >= (*lowest).max(R::VERSIONS.min) => {
                ours.min(*highest)
            }
            _ => {
                return Err(Error::config(format!(
                    "Kafka broker {} does not speak request {} in a version up to {ours}",
                    self.address,
                    R::KEY
                ))
                .advice("exactly once needs brokers from 3.0 on"));
            }
        };
        self.exchange(request, version, deadline)
    }

    fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<R::Response> {
        let address = self.address.clone();
        let codec = |e| Error::bug(format!("request {} cannot be encoded: {e}", R::KEY));
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(StrBytes::from_static_str(CLIENT)));
        let mut body = BytesMut::new();
        encode_request_header_into_buffer(&mut body, &header).map_err(codec)?;
        request.encode(&mut body, version).map_err(codec)?;
        let mut frame = Vec::with_capacity(body.len() + 4);
        frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
        frame.extend_from_slice(&body);
        let sent = self.stream.set_write_timeout(Some(remaining(deadline)));
        let sent = sent.and_then(|()| self.stream.write_all(&frame));
        sent.map_err(|e| broken(&address, "cannot send", e))?;

        let mut size = [0; 4];
        self.read_exact(&mut size, deadline)?;
        let size = u32::from_be_bytes(size) as usize;
        if size > MAX_RESPONSE_BYTES {
            let why = format!("{size} bytes, more than {MAX_RESPONSE_BYTES}");
            return Err(broken(&address, "the answer is too large", why));
        }
        let mut bytes = BytesMut::zeroed(size);
        self.read_exact(&mut bytes, deadline)?;
        let mut bytes = bytes.freeze();
        let damaged = |e| broken(&address, "the answer is not Kafka's", e);
        // The version of the answer's header depends on the request alone.
        let answered = ResponseHeader::decode(&mut bytes, R::Response::header_version(version))
            .map_err(damaged)?;
        if answered.correlation_id != correlation_id {
            return Err(broken(&address, "protocol", "an answer to another request"));
        }
        let answer = R::Response::decode(&mut bytes, version).map_err(damaged)?;
        match bytes.remaining() {
            0 => Ok(answer),
            left => Err(broken(&address, "protocol", format!("{left} bytes too many"))),
        }
    }

    /// Reads in slices, so that the deadline holds for the whole of it.
    fn read_exact(&mut self, into: &mut [u8], deadline: Instant) -> Result<()> {
        let mut read = 0;
        while read < into.len() {
            if Instant::now() >= deadline {
                return Err(broken(&self.address, "no answer", "the time is over"));
            }
            let timeout = self.stream.set_read_timeout(Some(remaining(deadline)));
            timeout.map_err(|e| broken(&self.address, "socket", e))?;
            match self.stream.read(&mut into[read..]) {
                Ok(0) => return Err(broken(&self.address, "no answer", "it hung up")),
                Ok(n) => read += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(broken(&self.address, "no answer", e)),
            }
        }
        Ok(())
    }
}
