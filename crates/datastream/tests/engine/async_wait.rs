//! Asynchronous I/O in a running job: order, capacity, timeout, retries, bad options.
//!
//! Requests end when a condition holds, never after a time, so nothing depends on speed.

use crate::api::{everywhere, numbers};
use crate::support::*;
use millstream_core::{Error, ErrorKind, Result};
use millstream_runtime::async_io::{AsyncFunction, AsyncOptions, RetryStrategy};
use millstream_testkit::MiniCluster;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

/// Longer than any of these jobs may take.
const LONG: Duration = Duration::from_secs(600);

/// Ends when `holds` does.
async fn until(holds: impl Fn() -> bool) {
    poll_fn(|context| {
        if holds() {
            return Poll::Ready(());
        }
        // Asked again at once: other requests run in between.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn ordered_results_come_in_the_order_of_the_records() {
    let got = within_a_minute(|| {
        let (env, sink) = (environment(), Collect::default());
        let answered = Count::default();
        // The first record of ten is answered only after the other nine.
        let ask = move |n: u64| {
            let answered = answered.clone();
            async move {
                if n.is_multiple_of(10) {
                    until(|| answered.get() >= n / 10 * 9 + 9).await;
                } else {
                    answered.add(1);
                }
                Ok(Some(n))
            }
        };
        let split = (0..100).map(|n| (n, n as i64)).collect();
        let strategy = millstream_runtime::WatermarkStrategy::no_watermarks();
        env.from_source(Script::new(vec![split]), strategy, "numbers")
            .async_wait(ask, AsyncOptions::ordered(LONG).capacity(10))
            .sink_to(sink.clone());
        MiniCluster::new(1).execute(&env, "ordered").unwrap();
        sink.values()
    });
    assert_eq!(got, (0..100).collect::<Vec<u64>>());
}

#[test]
fn no_more_requests_are_in_flight_than_the_capacity_allows() {
    const CAPACITY: u64 = 4;
    let most = Arc::new(AtomicU64::new(0));
    let peak = Arc::clone(&most);
    within_a_minute(move || {
        let (env, sink) = (environment(), Collect::default());
        let (started, running) = (Count::default(), Arc::new(AtomicU64::new(0)));
        let ask = move |n: u64| {
            let (started, running, most) = (started.clone(), running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                started.add(1);
                until(|| started.get() >= CAPACITY).await;
                running.fetch_sub(1, SeqCst);
                Ok(Some(n))
            }
        };
        let options = AsyncOptions::unordered(LONG).capacity(CAPACITY as usize);
        numbers(&env, 200).async_wait(ask, options).set_parallelism(1).sink_to(sink.clone());
        MiniCluster::new(1).execute(&env, "capacity").unwrap();
        assert_eq!(sink.sorted(), (0..200).collect::<Vec<u64>>());
    });
    assert_eq!(peak.load(SeqCst), CAPACITY);
}

#[derive(Clone)]
struct NeverOdd;
impl AsyncFunction<u64, String> for NeverOdd {
    async fn invoke(&self, n: u64) -> Result<Vec<String>> {
        until(|| n.is_multiple_of(2)).await;
        Ok(vec![format!("{n:02} even")])
    }
    fn timeout(&self, n: &u64) -> Result<Vec<String>> {
        Ok(vec![format!("{n:02} no answer")])
    }
}

#[test]
fn a_timeout_gives_the_functions_result_in_place_of_the_answer() {
    let got = within_a_minute(|| {
        let (env, sink) = (environment(), Collect::default());
        let options = AsyncOptions::unordered(Duration::from_secs(1)).capacity(100);
        numbers(&env, 6).async_wait(NeverOdd, options).sink_to(sink.clone());
        MiniCluster::new(1).execute(&env, "timeout").unwrap();
        sink.sorted()
    });
    let odd: Vec<_> = got.iter().filter(|row| row.ends_with("no answer")).collect();
    assert_eq!(odd, ["01 no answer", "03 no answer", "05 no answer"]);
    assert_eq!(got.len(), 6);
}

#[test]
fn requests_that_fail_are_sent_again_everywhere() {
    let build = |env: &millstream_datastream::StreamExecutionEnvironment| {
        let attempts = Arc::new(Mutex::new(HashMap::new()));
        let ask = move |n: u64| {
            let attempts = Arc::clone(&attempts);
            async move {
                let mut attempts = attempts.lock().unwrap();
                let attempt = attempts.entry(n).or_insert(0u64);
                *attempt += 1;
                match *attempt {
                    attempt if attempt > n % 3 => Ok(vec![(n, attempt)]),
                    _ => Err(Error::retry("503")),
                }
            }
        };
        let retry = RetryStrategy::fixed_delay(2, Duration::from_millis(1));
        numbers(env, 90).async_wait(ask, AsyncOptions::unordered(LONG).retry(retry))
    };
    let want: Vec<(u64, u64)> = (0..90).map(|n| (n, n % 3 + 1)).collect();
    everywhere(build, |got| assert_eq!(got, want));
}

#[test]
fn an_error_and_wrong_options_end_the_job_by_the_operators_name() {
    let run = |options: AsyncOptions<u64>| {
        within_a_minute(move || {
            let (env, sink) = (environment(), Collect::default());
            let ask = |n: u64| async move {
                if n == 17 { Err(Error::user("no such user")) } else { Ok(Some(n)) }
            };
            numbers(&env, 50).async_wait(ask, options).name("users").sink_to(sink);
            MiniCluster::new(2).execute(&env, "errors").map(|_| ()).unwrap_err()
        })
    };
    let error = run(AsyncOptions::unordered(LONG));
    assert!(error.to_string().contains("no such user"), "{error}");
    assert!(error.to_string().contains("users"), "{error}");
    let error = run(AsyncOptions::unordered(LONG).capacity(0));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("capacity is 0"), "{error}");
}
