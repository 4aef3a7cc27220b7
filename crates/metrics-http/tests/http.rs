//! The endpoint as Prometheus sees it: real requests over loopback.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

use millstream_core::ErrorKind;
use millstream_metrics::PrometheusServer;
use millstream_metrics::server::{MAX_CONNECTIONS, MAX_HEAD_BYTES};
use millstream_runtime::{Counter, MetricRegistry, OperatorContext};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn counted() -> (MetricRegistry, Counter) {
    let registry = MetricRegistry::new();
    let subtask = OperatorContext::for_tests("counts").subtask;
    let counter = registry.group(&subtask).counter("numRecordsIn");
    counter.add(42);
    (registry, counter)
}

fn connect(server: &PrometheusServer) -> TcpStream {
    let stream = TcpStream::connect(server.local_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn request(server: &PrometheusServer, head: &str) -> String {
    let mut stream = connect(server);
    // A server that refuses may close before everything is written.
    let _ = stream.write_all(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn metrics_are_served_as_they_are_now() {
    let (registry, counter) = counted();
    let builder = PrometheusServer::builder(registry).job_name("events").prefix("flink");
    let server = builder.start("127.0.0.1:0").unwrap();
    let answer = request(&server, "GET /metrics HTTP/1.1");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{answer}");
    let sample = "flink_taskmanager_job_task_operator_numRecordsIn{job_name=\"events\",\
                  operator_name=\"counts\",operator_id=\"counts\",subtask_index=\"0\"}";
    assert!(answer.contains(&format!("{sample} 42\n")), "{answer}");
    assert!(answer.contains("numRecordsInPerSecond{"), "{answer}");
    counter.add(1);
    assert!(request(&server, "GET /metrics?x=1 HTTP/1.1").contains(&format!("{sample} 43\n")));
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = PrometheusServer::start("127.0.0.1:0", counted().0).unwrap();
    let status = |head: &str| request(&server, head).lines().next().unwrap_or("").to_owned();
    assert_eq!(status("GET / HTTP/1.1"), "HTTP/1.1 404 Not Found");
    assert_eq!(status("GET /metrics/x HTTP/1.1"), "HTTP/1.1 404 Not Found");
    assert_eq!(status("DELETE /metrics HTTP/1.1"), "HTTP/1.1 405 Method Not Allowed");
    let post = request(&server, "POST /metrics HTTP/1.1\r\nContent-Length: 1000000000");
    assert!(post.starts_with("HTTP/1.1 405"), "the body is not waited for: {post}");
    assert!(post.contains("allow: GET, HEAD"), "{post}");
    let head = request(&server, "HEAD /metrics HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 200 OK") && !head.contains("numRecordsIn"), "{head}");
    assert_eq!(status("nonsense"), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_request_that_is_too_large_is_refused_and_the_next_one_served() {
    let server = PrometheusServer::start("127.0.0.1:0", counted().0).unwrap();
    let padding = "x".repeat(4 * MAX_HEAD_BYTES);
    let large = request(&server, &format!("GET /metrics HTTP/1.1\r\nPadding: {padding}"));
    assert!(!large.contains("200 OK"), "{large}");
    assert!(request(&server, "GET /metrics HTTP/1.1").contains("200 OK"));
}

#[test]
fn clients_that_say_nothing_do_not_keep_others_out_for_ever() {
    let builder = PrometheusServer::builder(counted().0);
    let builder = builder.connection_timeout(Duration::from_millis(200));
    let server = builder.start("127.0.0.1:0").unwrap();
    let silent: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| connect(&server)).collect();
    // It waits for a place, and gets one when those before it are timed out. On a busy
    // machine it may be timed out itself before it has said anything.
    let begin = Instant::now();
    while !request(&server, "GET /metrics HTTP/1.1").contains("200 OK") {
        assert!(begin.elapsed() < Duration::from_secs(60), "others are kept out");
    }
    drop(silent);
}

#[test]
fn an_address_in_use_is_refused_and_free_again_when_the_server_is_dropped() {
    let server = PrometheusServer::start("127.0.0.1:0", counted().0).unwrap();
    let address = server.local_address();
    let error = PrometheusServer::start(address, counted().0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("cannot listen"), "{error}");
    let _open = connect(&server);
    drop(server);
    let server = PrometheusServer::start(address, counted().0).unwrap();
    assert!(request(&server, "GET /metrics HTTP/1.1").contains("200 OK"));
}
