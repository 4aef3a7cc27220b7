//! Print, blackhole and collect.

use millstream_connectors::{CollectSink, PrintSink};
use millstream_core::{Batch, ErrorKind};
use millstream_runtime::SinkOperator;
use millstream_testkit::OperatorHarness;
use std::io::{Error, Write};
use std::sync::{Arc, Mutex};

fn printed(sink: PrintSink<String>, parallelism: usize) -> String {
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = sink.to_writer(written.clone());
    let mut harness = OperatorHarness::builder(SinkOperator::new(Arc::new(sink)))
        .subtask(0, parallelism, 128)
        .open()
        .unwrap();
    harness.input(Batch::from(vec!["a".to_owned(), "é".to_owned()])).unwrap();
    let bytes = written.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn print_prefixes_lines_as_flink_does() {
    assert_eq!(printed(PrintSink::new(), 1), "a\né\n");
    assert_eq!(printed(PrintSink::debug(), 1), "\"a\"\n\"é\"\n");
    assert_eq!(printed(PrintSink::new(), 2), "1> a\n1> é\n");
    assert_eq!(printed(PrintSink::new().named("x"), 1), "x> a\nx> é\n");
    assert_eq!(printed(PrintSink::new().named("x"), 2), "x:1> a\nx:1> é\n");
}

struct Closed;
impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> Result<usize, Error> {
        Err(Error::from(std::io::ErrorKind::BrokenPipe))
    }
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_an_error_that_says_so() {
    let sink = PrintSink::new().to_writer(Arc::new(Mutex::new(Closed)));
    let mut harness = OperatorHarness::new(SinkOperator::new(Arc::new(sink)));
    let error = harness.push(1u32, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("has gone; keep the reader"), "{error}");
}

#[test]
fn collect_is_bounded_and_shared_by_subtasks() {
    let sink = Arc::new(CollectSink::new().limit(3));
    let results = sink.handle();
    let subtask = |index| {
        let operator = SinkOperator::new(sink.clone());
        OperatorHarness::builder(operator).subtask(index, 2, 128).open().unwrap()
    };
    let (mut first, mut second) = (subtask(0), subtask(1));
    first.push(1u32, 10).unwrap();
    second.input(Batch::from(vec![2, 3])).unwrap();
    assert_eq!(results.len(), 3);
    let error = first.push(4, 40).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("more than 3 records"), "{error}");
    assert_eq!(results.take_with_timestamps()[0], (1, 10));
    first.push(5, 50).unwrap();
    assert_eq!(results.take(), [5], "what was taken makes room");
}
