//! What people see of a running job: metrics for Prometheus, a progress line.
//!
//! Started and ended by the environment around every job, so that no job has to.
//! Invariant: nothing is served that was not asked for, and on no other address than
//! the loopback unless the address says so.
//!
//! The server and the line are in `millstream-metrics`, behind feature `metrics`;
//! without it an address is refused by the feature's name, and there is no line.

use clap::Args;
use millstream_core::{Error, Result};
use millstream_runtime::MetricRegistry;
use std::net::{SocketAddr, ToSocketAddrs};

/// Options of every job about what people see of it.
#[derive(Clone, Debug, Default, Args)]
pub struct MonitoringArgs {
    /// Serve metrics to Prometheus at http://HOST:PORT/metrics; a port alone is on the
    /// loopback; further local processes take the ports behind it
    #[arg(long, value_name = "[HOST:]PORT", help_heading = "Monitoring")]
    pub metrics_addr: Option<String>,
    /// Show no progress line (there is one when standard error is a terminal, unless the
    /// job prints its records there)
    #[arg(long, help_heading = "Monitoring")]
    pub no_progress: bool,
}

impl MonitoringArgs {
    /// Where process `index` of the job serves its metrics.
    fn address(&self, index: usize) -> Result<Option<SocketAddr>> {
        let Some(text) = &self.metrics_addr else { return Ok(None) };
        let refused = |why: &str| {
            Error::config(format!("--metrics-addr '{text}' {why}"))
                .advice("use a port, or host:port, such as 9249 or 127.0.0.1:9249")
        };
        let named = if text.contains(':') { text.clone() } else { format!("127.0.0.1:{text}") };
        let resolved = named.to_socket_addrs().ok().and_then(|mut found| found.next());
        let mut address = resolved.ok_or_else(|| refused("is no address"))?;
        // Port 0 is any free port, for every process.
        if address.port() > 0 {
            let port = u16::try_from(usize::from(address.port()) + index);
            address.set_port(port.map_err(|_| refused("leaves no port for every process"))?);
        }
        Ok(Some(address))
    }
}

/// What is shown of a job; ends when it is dropped.
#[cfg(feature = "metrics")]
pub(crate) struct Monitoring {
    server: Option<millstream_metrics::PrometheusServer>,
    _line: Option<millstream_metrics::ProgressLine>,
}

#[cfg(feature = "metrics")]
impl Monitoring {
    /// Starts what `args` ask for, in process `index` of the job.
    pub(crate) fn start(
        args: &MonitoringArgs,
        job_name: &str,
        index: usize,
        metrics: &MetricRegistry,
    ) -> Result<Self> {
        use millstream_metrics::{ProgressLine, PrometheusServer};
        let server = match args.address(index)? {
            Some(address) => {
                let server = PrometheusServer::builder(metrics.clone()).job_name(job_name);
                let at = |error: Error| error.at(format!("--metrics-addr {address}"));
                let server = server.start(address).map_err(at)?;
                eprintln!("metrics at http://{}/metrics", server.local_address());
                Some(server)
            }
            None => None,
        };
        // One line for a job: process 0 is the one that somebody started here.
        let wants_line = index == 0 && !args.no_progress;
        Ok(Monitoring { server, _line: wants_line.then(|| ProgressLine::start(metrics)) })
    }
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.local_address())
    }
}

/// What is shown of a job: nothing, in this build.
#[cfg(not(feature = "metrics"))]
pub(crate) struct Monitoring;

#[cfg(not(feature = "metrics"))]
impl Monitoring {
    pub(crate) fn start(
        args: &MonitoringArgs,
        _job_name: &str,
        index: usize,
        _metrics: &MetricRegistry,
    ) -> Result<Self> {
        match args.address(index)? {
            Some(_) => Err(Error::config("--metrics-addr: this build serves no metrics")
                .advice("build with feature 'metrics'")),
            None => Ok(Monitoring),
        }
    }
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, index: usize) -> Result<String> {
        let args = MonitoringArgs { metrics_addr: Some(text.into()), no_progress: true };
        Ok(args.address(index)?.map(|a| a.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_port_alone_is_on_the_loopback_and_processes_count_up() {
        assert_eq!(address("9249", 0).unwrap(), "127.0.0.1:9249");
        assert_eq!(address("9249", 2).unwrap(), "127.0.0.1:9251");
        assert_eq!(address("0.0.0.0:9249", 1).unwrap(), "0.0.0.0:9250");
        assert_eq!(address("[::1]:0", 3).unwrap(), "[::1]:0");
        assert!(MonitoringArgs::default().address(0).unwrap().is_none());
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for (text, index) in [("", 0), ("here", 0), ("70000", 0), ("65535", 1)] {
            let error = address(text, index).unwrap_err().to_string();
            assert!(error.contains(&format!("--metrics-addr '{text}'")), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "metrics")]
    fn the_server_lives_as_long_as_the_job() {
        let args = MonitoringArgs { metrics_addr: Some("0".into()), no_progress: true };
        let monitoring = Monitoring::start(&args, "job", 0, &MetricRegistry::new()).unwrap();
        let address = monitoring.address().unwrap();
        assert!(address.ip().is_loopback());
        assert!(std::net::TcpStream::connect(address).is_ok());
        let taken = MonitoringArgs { metrics_addr: Some(address.to_string()), ..args };
        let error = Monitoring::start(&taken, "job", 0, &MetricRegistry::new()).err().unwrap();
        assert!(error.to_string().contains("--metrics-addr"), "{error}");
    }
}
