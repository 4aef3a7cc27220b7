//! Asynchronous I/O, driven by the operator harness: the test plays the outside system
//! and decides which request is answered when, so nothing here depends on speed.

#![allow(clippy::unwrap_used)] // helpers of tests fail as tests do

use millstream_core::{Batch, Error, ErrorKind, Result};
use millstream_runtime::async_io::{AsyncFunction, AsyncOptions, AsyncWaitOperator, RetryStrategy};
use millstream_testkit::OperatorHarness;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

type Answer = Result<Vec<String>>;
type Request = (u32, oneshot::Sender<Answer>);

/// The outside system: keeps requests until the test answers them.
#[derive(Clone, Default)]
struct Server {
    open: Arc<Mutex<Vec<Request>>>,
    seen: Arc<Mutex<Vec<u32>>>,
    timeout_answers: bool,
}

impl AsyncFunction<u32, String> for Server {
    async fn invoke(&self, input: u32) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.seen.lock().unwrap().push(input);
        self.open.lock().unwrap().push((input, sender));
        receiver.await.unwrap_or_else(|_| Err(Error::retry("connection closed")))
    }
    fn timeout(&self, input: &u32) -> Answer {
        if self.timeout_answers {
            Ok(vec![format!("late-{input}")])
        } else {
            Err(Error::user("too slow"))
        }
    }
}

impl Server {
    /// Waits until the request for `id` is there, and takes it.
    fn take(&self, id: u32) -> oneshot::Sender<Answer> {
        eventually(|| {
            let mut open = self.open.lock().unwrap();
            let index = open.iter().position(|(asked, _)| *asked == id)?;
            Some(open.remove(index).1)
        })
    }
    fn answer(&self, id: u32) {
        self.take(id).send(Ok(vec![format!("r{id}")])).unwrap();
    }
    fn fail(&self, id: u32) {
        self.take(id).send(Err(Error::retry("503"))).unwrap();
    }
    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
    /// Waits until `count` requests have come in, in all.
    fn wait_for(&self, count: usize) {
        eventually(|| (self.seen() >= count).then_some(()));
    }
}

/// Asks until there is an answer; a test that gets none fails instead of hanging.
fn eventually<R>(mut ask: impl FnMut() -> Option<R>) -> R {
    for _ in 0..60_000 {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it never happened");
}

type Harness = OperatorHarness<AsyncWaitOperator<u32, String, Server>>;

const TIMEOUT: Duration = Duration::from_secs(10);

fn ordered() -> AsyncOptions<String> {
    AsyncOptions::ordered(TIMEOUT)
}
fn unordered() -> AsyncOptions<String> {
    AsyncOptions::unordered(TIMEOUT)
}

fn start(server: &Server, options: AsyncOptions<String>) -> Harness {
    OperatorHarness::new(AsyncWaitOperator::new(server.clone(), options))
}

/// Polls at processing time `now_ms` until `count` events have come out, as text.
fn read(harness: &mut Harness, now_ms: i64, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    eventually(|| {
        harness.processing_time(now_ms).unwrap();
        events.append(&mut harness.take_text());
        (events.len() >= count).then_some(())
    });
    events
}

/// Polls until the operator fails.
fn read_error(harness: &mut Harness, now_ms: i64) -> Error {
    eventually(|| harness.processing_time(now_ms).err())
}

#[test]
fn ordered_results_wait_for_the_slowest_before_them() {
    let server = Server::default();
    let mut harness = start(&server, ordered());
    (1..=3).for_each(|id| harness.push(id, i64::from(id) * 10).unwrap());
    server.answer(3);
    server.answer(2);
    harness.watermark(30).unwrap();
    server.answer(1);
    assert_eq!(
        read(&mut harness, 0, 4),
        ["\"r1\" @10", "\"r2\" @20", "\"r3\" @30", "watermark 30"]
    );
    harness.watermark(40).unwrap();
    assert_eq!(harness.take_text(), ["watermark 40"], "nothing pending: it passes at once");
}

#[test]
fn unordered_results_overtake_each_other_but_no_watermark() {
    let server = Server::default();
    let mut harness = start(&server, unordered());
    harness.push(1, 10).unwrap();
    harness.push(2, 20).unwrap();
    harness.watermark(20).unwrap();
    harness.push(3, 30).unwrap();
    harness.idle(true).unwrap();
    server.answer(3);
    server.answer(2);
    assert_eq!(read(&mut harness, 0, 1), ["\"r2\" @20"], "3 is behind the watermark");
    server.answer(1);
    assert_eq!(read(&mut harness, 0, 4), ["\"r1\" @10", "watermark 20", "\"r3\" @30", "idle"]);
}

#[test]
fn no_more_than_the_capacity_is_in_flight() {
    let server = Server::default();
    let mut harness = start(&server, unordered().capacity(2));
    harness.input(Batch::from(vec![1, 2, 3, 4, 5])).unwrap();
    assert!(!harness.is_ready());
    server.wait_for(2);
    let mut results = Vec::new();
    for id in 1..=3 {
        server.answer(id);
        results.extend(read(&mut harness, 0, 1));
        server.wait_for(id as usize + 2);
        assert_eq!(server.open.lock().unwrap().len(), 2, "after answer {id}");
        assert!(!harness.is_ready(), "two are in flight");
    }
    server.answer(4);
    results.extend(read(&mut harness, 0, 1));
    assert!(harness.is_ready());
    server.answer(5);
    harness.end().unwrap();
    results.extend(harness.take_text());
    assert_eq!(results, ["\"r1\"", "\"r2\"", "\"r3\"", "\"r4\"", "\"r5\"", "watermark MAX"]);
    assert_eq!(server.seen(), 5);
}

#[test]
fn a_timeout_names_the_record_or_gives_the_users_result() {
    let server = Server::default();
    let mut harness = start(&server, ordered());
    harness.push(7, 70).unwrap();
    assert_eq!(harness.next_deadline(), Some(10_000));
    harness.processing_time(9_999).unwrap();
    let error = harness.processing_time(10_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode);
    assert!(error.to_string().contains("async function on record 7: too slow"), "{error}");

    let server = Server { timeout_answers: true, ..Server::default() };
    let mut harness = start(&server, ordered());
    harness.push(7, 70).unwrap();
    harness.push(8, 80).unwrap();
    server.answer(8);
    let answer_of_7 = server.take(7);
    assert_eq!(read(&mut harness, 10_000, 2)[0], "\"late-7\" @70");
    assert!(answer_of_7.is_closed() || answer_of_7.send(Ok(vec!["too late".into()])).is_ok());
    assert_eq!(harness.next_deadline(), None);
    assert!(harness.counter("numAsyncTimeouts").get() >= 1);
    harness.end().unwrap();
    assert_eq!(harness.take_text(), ["watermark MAX"], "a late answer is not emitted");
}

#[test]
fn the_default_timeout_function_says_what_to_do() {
    let never = |_: u32| std::future::pending::<Result<Vec<u32>>>();
    let options = AsyncOptions::ordered(Duration::from_millis(5));
    let mut harness = OperatorHarness::new(AsyncWaitOperator::new(never, options));
    harness.push(1, 0).unwrap();
    let error = harness.processing_time(5).unwrap_err().to_string();
    assert!(error.contains("record 1: no answer came before the timeout; raise"), "{error}");
}

#[test]
fn errors_are_retried_after_growing_pauses_and_end_the_job_at_last() {
    let server = Server::default();
    let pause = Duration::from_millis(100);
    let retry = RetryStrategy::exponential_backoff(2, pause, TIMEOUT, 2.0);
    let mut harness = start(&server, ordered().retry(retry));
    harness.push(1, 10).unwrap();
    server.fail(1);
    let scheduled = |harness: &mut Harness, now_ms, want| {
        eventually(|| {
            harness.processing_time(now_ms).unwrap();
            (harness.next_deadline() == Some(want)).then_some(())
        });
    };
    scheduled(&mut harness, 1_000, 1_100);
    assert_eq!(server.seen(), 1, "not before the pause is over");
    harness.processing_time(1_100).unwrap();
    server.fail(1);
    scheduled(&mut harness, 1_100, 1_300);
    harness.processing_time(1_300).unwrap();
    assert_eq!(harness.counter("numAsyncRetries").get(), 2);
    server.fail(1);
    let error = read_error(&mut harness, 1_300);
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("async function on record 1: 503"), "{error}");
    assert_eq!(server.seen(), 3);
}

#[test]
fn results_are_retried_only_when_the_predicate_says_so() {
    let server = Server::default();
    let retry = RetryStrategy::fixed_delay(5, Duration::ZERO)
        .if_result(|results: &[String]| results.is_empty())
        .if_error(|error| error.kind() == ErrorKind::Retry);
    let mut harness = start(&server, ordered().retry(retry));
    harness.push(1, 10).unwrap();
    server.take(1).send(Ok(vec![])).unwrap();
    let answered_again = |harness: &mut Harness, seen| {
        eventually(|| {
            harness.processing_time(0).unwrap();
            (server.seen() == seen).then_some(())
        });
    };
    answered_again(&mut harness, 2);
    server.answer(1);
    assert_eq!(read(&mut harness, 0, 1), ["\"r1\" @10"]);
    harness.push(2, 20).unwrap();
    server.take(2).send(Err(Error::data("no such user"))).unwrap();
    assert_eq!(read_error(&mut harness, 0).kind(), ErrorKind::Data);
}

#[test]
fn the_timeout_covers_all_attempts() {
    let server = Server { timeout_answers: true, ..Server::default() };
    let retry = RetryStrategy::fixed_delay(9, Duration::from_secs(8));
    let mut harness = start(&server, ordered().retry(retry));
    harness.push(1, 10).unwrap();
    server.fail(1);
    harness.processing_time(4_000).unwrap();
    // The retry would be due at about 12 s: the timeout at 10 s comes first.
    assert_eq!(read(&mut harness, 10_000, 1), ["\"late-1\" @10"]);
    assert_eq!(harness.next_deadline(), None);
    assert_eq!(server.seen(), 1);
}

#[test]
fn a_snapshot_holds_what_is_not_emitted_and_a_restore_asks_again() {
    let server = Server::default();
    let mut harness = start(&server, ordered().capacity(2));
    harness.input(Batch::from_parts(vec![1, 2, 3, 4], vec![10, 20, 30, 40])).unwrap();
    server.answer(1);
    assert_eq!(read(&mut harness, 0, 1), ["\"r1\" @10"]);
    // 2 is in flight, 3 is in flight and done, 4 waits.
    server.answer(3);
    let snapshot = harness.snapshot(1).unwrap();

    let server = Server::default();
    let half = |index| {
        let operator = AsyncWaitOperator::new(server.clone(), ordered().capacity(2));
        let builder = OperatorHarness::builder(operator).subtask(index, 2, 128);
        builder.restored(vec![snapshot.clone()]).open().unwrap()
    };
    let (mut first, mut second) = (half(0), half(1));
    [4, 3, 2].iter().for_each(|id| server.answer(*id));
    let mut results = read(&mut first, 0, 2);
    results.extend(read(&mut second, 0, 1));
    assert_eq!(results, ["\"r2\" @20", "\"r4\" @40", "\"r3\" @30"]);
    assert!(first.snapshot(2).unwrap().is_empty());
}

#[test]
fn a_restored_operator_holds_the_watermark_until_the_old_inputs_are_answered() {
    let server = Server::default();
    let mut harness = start(&server, unordered());
    harness.push(1, 10).unwrap();
    let snapshot = harness.snapshot(1).unwrap();
    let operator = AsyncWaitOperator::new(server.clone(), unordered());
    let mut harness = OperatorHarness::builder(operator).restored(vec![snapshot]).open().unwrap();
    harness.watermark(50).unwrap();
    assert!(harness.take_text().is_empty());
    server.wait_for(2);
    server.answer(1);
    server.answer(1);
    assert_eq!(read(&mut harness, 0, 2), ["\"r1\" @10", "watermark 50"]);
}

#[test]
fn a_panic_ends_the_job_with_the_record() {
    for panics_before_the_future in [true, false] {
        let function = move |id: u32| {
            assert!(!panics_before_the_future, "boom {id}");
            async move {
                if id == 42 {
                    panic!("boom {id}");
                }
                Ok(Some(id))
            }
        };
        let options =
            AsyncOptions::ordered(TIMEOUT).retry(RetryStrategy::fixed_delay(1000, Duration::ZERO));
        let mut harness = OperatorHarness::new(AsyncWaitOperator::new(function, options));
        let error = harness.push(42, 0).and_then(|()| harness.end()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UserCode);
        let text = error.to_string();
        assert!(text.contains("async function on record 42: it panicked: boom 42"), "{text}");
    }
}

#[test]
fn a_runtime_that_goes_away_is_an_error_and_not_a_hang() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let server = Server::default();
    let mut harness = start(&server, ordered().runtime(runtime.handle().clone()));
    harness.push(1, 0).unwrap();
    server.wait_for(1);
    runtime.shutdown_background();
    let error = read_error(&mut harness, 0);
    assert_eq!(error.kind(), ErrorKind::Restart);
    assert!(error.to_string().contains("record 1"), "{error}");
}

#[test]
fn a_full_downstream_gets_nothing_until_it_has_room() {
    let server = Server::default();
    let mut harness = start(&server, ordered());
    harness.push(1, 10).unwrap();
    harness.set_downstream_ready(false).unwrap();
    server.answer(1);
    for _ in 0..20 {
        harness.processing_time(0).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(harness.take_text().is_empty());
    harness.set_downstream_ready(true).unwrap();
    assert_eq!(read(&mut harness, 0, 1), ["\"r1\" @10"]);
}

/// Two thousand records whose answers come in whatever order the machine makes of their
/// delays, a watermark after every seventh, errors that are retried, and a restore on the
/// way: every record comes out once, between the watermarks that it came in between.
#[test]
fn under_load_every_record_comes_out_once_and_on_its_side_of_the_watermarks() {
    for ordered in [true, false] {
        let failed_once = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let function = move |n: u32| {
            let failed_once = failed_once.clone();
            async move {
                tokio::time::sleep(Duration::from_micros(u64::from(n * 7919 % 500))).await;
                let first = failed_once.lock().unwrap().insert(n);
                if n % 10 == 3 && first { Err(Error::retry("busy")) } else { Ok(Some(n)) }
            }
        };
        let options = || {
            let options = match ordered {
                true => AsyncOptions::ordered(TIMEOUT),
                false => AsyncOptions::unordered(TIMEOUT),
            };
            options.capacity(13).retry(RetryStrategy::fixed_delay(3, Duration::ZERO))
        };
        let operator = || AsyncWaitOperator::new(function.clone(), options());
        let mut harness = OperatorHarness::new(operator());
        let mut got: Vec<String> = Vec::new();
        for n in 0..2_000u32 {
            eventually(|| {
                harness.processing_time(0).unwrap();
                harness.is_ready().then_some(())
            });
            harness.push(n, i64::from(n)).unwrap();
            if n % 7 == 6 {
                harness.watermark(i64::from(n)).unwrap();
            }
            if n == 999 {
                let state = harness.snapshot(1).unwrap();
                got.extend(harness.take_text());
                harness =
                    OperatorHarness::builder(operator()).restored(vec![state]).open().unwrap();
            }
        }
        harness.end().unwrap();
        got.extend(harness.take_text());
        let (mut seen, mut last) = (Vec::new(), -1);
        for line in &got {
            if let Some(time) = line.strip_prefix("watermark ") {
                last = time.parse().unwrap_or(i64::MAX);
                let due = if last == i64::MAX { 2_000 } else { last as usize + 1 };
                assert!(seen.len() >= due, "all before {line} are out");
            } else {
                let n: u32 = line.split(' ').next().unwrap().parse().unwrap();
                assert_eq!(*line, format!("{n} @{n}"));
                assert!(i64::from(n) > last, "{n} is not late");
                // A snapshot does not hold the watermarks that wait: the source has them.
                if !(900..=1_000).contains(&n) {
                    assert_eq!(last, i64::from(n) / 7 * 7 - 1, "{n} is not early");
                }
                assert!(!ordered || seen.last().is_none_or(|before| *before < n), "in order");
                seen.push(n);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..2_000).collect::<Vec<_>>());
        assert_eq!(last, i64::MAX);
    }
}

#[test]
fn wrong_options_are_refused_before_data_flows() {
    let refused = |options: AsyncOptions<String>| {
        let operator = AsyncWaitOperator::new(Server::default(), options);
        let error = OperatorHarness::builder(operator).open().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    assert!(refused(ordered().capacity(0)).contains("capacity"));
    assert!(refused(AsyncOptions::unordered(Duration::ZERO)).contains("timeout"));
    let shrinking = RetryStrategy::exponential_backoff(1, TIMEOUT, TIMEOUT, 0.5);
    assert!(refused(ordered().retry(shrinking)).contains("factor 0.5"));
    let upside_down = RetryStrategy::exponential_backoff(1, TIMEOUT, Duration::ZERO, 2.0);
    assert!(refused(ordered().retry(upside_down)).contains("longest pause"));
}
