//! The HTTP endpoint that Prometheus scrapes.
//!
//! A thread of its own with a small Tokio runtime; workers do not know of it.
//! Invariants: at most [`MAX_CONNECTIONS`] connections at a time, each with one request,
//! whose head is at most [`MAX_HEAD_BYTES`] and which is over after the timeout; a
//! request's body is not read.

use crate::exposition::{Naming, render};
use crate::meter::{Meters, SAMPLE_INTERVAL_MS};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use millstream_core::{Error, Result};
use millstream_runtime::MetricRegistry;
use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;
use tokio::time::Instant;

/// Connections at a time; more wait to be accepted.
pub const MAX_CONNECTIONS: usize = 32;
/// Bytes of a request's line and headers.
pub const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a connection may take unless told otherwise, from its start to the last byte
/// of the answer.
pub const DEFAULT_CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after the machine refused a connection (no file handles left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `GET /metrics` until it is dropped.
///
/// ```
/// use millstream_metrics::PrometheusServer;
/// use millstream_runtime::{MetricRegistry, OperatorContext};
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
///
/// let registry = MetricRegistry::new();
/// let subtask = OperatorContext::for_tests("counts").subtask;
/// registry.group(&subtask).counter("numRecordsIn").add(42);
/// // Port 0: any free port. Flink's reporter listens at 9249.
/// let server = PrometheusServer::start("127.0.0.1:0", registry).unwrap();
///
/// let mut stream = TcpStream::connect(server.local_address()).unwrap();
/// stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer).unwrap();
/// assert!(answer.starts_with("HTTP/1.1 200 OK"));
/// assert!(answer.contains("_operator_numRecordsIn{operator_name=\"counts\""));
/// ```
#[derive(Debug)]
pub struct PrometheusServer {
    address: SocketAddr,
    /// Dropped to stop the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Sets a [`PrometheusServer`] up.
#[derive(Debug)]
pub struct PrometheusServerBuilder {
    registry: MetricRegistry,
    naming: Naming,
    connection_timeout: Duration,
}

impl PrometheusServerBuilder {
    /// Adds the label `job_name` to every metric.
    pub fn job_name(mut self, job_name: impl Into<String>) -> Self {
        self.naming.job_name = Some(job_name.into());
        self
    }
    /// What names start with (`millstream` otherwise); `flink` for Flink's dashboards.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.naming.prefix = prefix.into();
        self
    }
    /// How long a connection may take, from its start to the last byte of the answer.
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = timeout;
        self
    }
    /// Listens at `address`. An address other than loopback shows the metrics to everybody
    /// who can reach it: there is no password.
    ///
    /// # Errors
    /// `Config` when the address cannot be listened at.
    pub fn start(self, address: impl ToSocketAddrs) -> Result<PrometheusServer> {
        let refused = |error: std::io::Error| {
            Error::config(format!("metrics: cannot listen: {error}"))
                .advice("choose another address, or port 0 for any free one")
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let listener = {
                let _inside = runtime.enter();
                tokio::net::TcpListener::from_std(listener)
            };
            // It was bound and made non-blocking above: only a machine out of handles refuses.
            let Ok(listener) = listener else { return };
            let local = LocalSet::new();
            local.block_on(&runtime, serve(listener, self, stopped));
        };
        let thread = std::thread::Builder::new().name("millstream-metrics".to_owned()).spawn(run);
        let thread = thread.map_err(refused)?;
        Ok(PrometheusServer { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl PrometheusServer {
    /// Serves the metrics of `registry` at `address`.
    ///
    /// # Errors
    /// `Config` when the address cannot be listened at.
    pub fn start(address: impl ToSocketAddrs, registry: MetricRegistry) -> Result<Self> {
        Self::builder(registry).start(address)
    }
    /// For a server with settings.
    pub fn builder(registry: MetricRegistry) -> PrometheusServerBuilder {
        PrometheusServerBuilder {
            registry,
            naming: Naming::default(),
            connection_timeout: DEFAULT_CONNECTION_TIMEOUT,
        }
    }
    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread was reported there, and is none of the job's.
            let _ = thread.join();
        }
    }
}

/// What every connection of the server's thread looks at.
struct Shared {
    registry: MetricRegistry,
    naming: Naming,
    meters: RefCell<Meters>,
    start: Instant,
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    fn sample(&self) {
        self.meters.borrow_mut().sample(&self.registry.read(), self.now_ms());
    }
    fn page(&self) -> String {
        let readings = self.registry.read();
        render(&readings, &self.meters.borrow(), self.now_ms(), &self.naming)
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    config: PrometheusServerBuilder,
    mut stopped: oneshot::Receiver<()>,
) {
    let (meters, start) = (RefCell::default(), Instant::now());
    let PrometheusServerBuilder { registry, naming, connection_timeout } = config;
    let shared = Rc::new(Shared { registry, naming, meters, start });
    let mut ticks = tokio::time::interval(Duration::from_millis(SAMPLE_INTERVAL_MS));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = &mut stopped => return,
            _ = ticks.tick() => shared.sample(),
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let shared = Rc::clone(&shared);
                    tokio::task::spawn_local(async move {
                        let _place = place;
                        let connection = serve_connection(stream, shared, connection_timeout);
                        let _ = tokio::time::timeout(connection_timeout, connection).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn serve_connection(stream: tokio::net::TcpStream, shared: Rc<Shared>, timeout: Duration) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &shared);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES);
    // A client that goes away in the middle concerns nobody.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(method: &Method, path: &str, shared: &Shared) -> Response<Full<Bytes>> {
    const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    const EXPOSITION: HeaderValue =
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let response = |status, body: String, headers: &[(HeaderName, HeaderValue)]| {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().extend(headers.iter().cloned());
        response
    };
    if path != "/metrics" {
        let body = "not found; metrics are at /metrics\n".to_owned();
        return response(StatusCode::NOT_FOUND, body, &[(CONTENT_TYPE, PLAIN)]);
    }
    if method != Method::GET && method != Method::HEAD {
        let allow = (ALLOW, HeaderValue::from_static("GET, HEAD"));
        let body = "use GET\n".to_owned();
        return response(StatusCode::METHOD_NOT_ALLOWED, body, &[(CONTENT_TYPE, PLAIN), allow]);
    }
    response(StatusCode::OK, shared.page(), &[(CONTENT_TYPE, EXPOSITION)])
}
