//! Files as a sink: hidden until finished, rolled, never written over, whole after a restore.

use crate::Drive;
use millstream_connectors::{DeliveryGuarantee, FileSink, FileSource};
use millstream_core::{Batch, ErrorKind};
use millstream_formats::CsvFormat;
use millstream_runtime::{Sink, SinkOperator, StoredState};
use millstream_testkit::{OperatorHarness, SourceHarness};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type Harness = OperatorHarness<SinkOperator<(u32, String)>>;
type Row = (u32, String);

fn row(id: u32) -> Row {
    (id, format!("r{id}"))
}

fn open(sink: FileSink<Row>, restored: Option<StoredState>) -> Harness {
    let mut builder = OperatorHarness::builder(SinkOperator::new(Arc::new(sink)));
    if let Some(state) = restored {
        builder = builder.restored(vec![state]);
    }
    builder.open().unwrap()
}

/// Names and contents of the files in a folder, the hidden ones as well.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let name = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|p| (name(&p), std::fs::read_to_string(&p).unwrap())).collect()
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

#[test]
fn a_file_is_hidden_until_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(FileSink::json_lines(folder.path()), None);
    assert!(names(folder.path()).is_empty(), "no record, no file");
    harness.push(row(1), 0).unwrap();
    harness.snapshot(1).unwrap();
    assert_eq!(names(folder.path()), [".part-0-0.jsonl.inprogress"]);
    assert_eq!(files(folder.path())[".part-0-0.jsonl.inprogress"], "[1,\"r1\"]\n", "flushed");
    harness.push(row(2), 0).unwrap();
    harness.end().unwrap();
    let want = [("part-0-0.jsonl".to_owned(), "[1,\"r1\"]\n[2,\"r2\"]\n".to_owned())];
    assert_eq!(files(folder.path()), want.into());
}

#[test]
fn files_roll_by_size_and_by_age_each_with_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::csv(folder.path(), CsvFormat::new().header(false))
        .prefix("out")
        .roll_size_bytes(10)
        .roll_interval(Duration::from_secs(5));
    let mut harness = open(sink, None);
    harness.input(Batch::from(vec![row(1), row(2)])).unwrap();
    assert_eq!(names(folder.path()), ["out-0-0.csv"], "ten bytes are full");
    harness.push(row(3), 0).unwrap();
    assert_eq!(harness.next_deadline(), Some(5_000));
    harness.processing_time(4_999).unwrap();
    assert_eq!(names(folder.path()), [".out-0-1.csv.inprogress", "out-0-0.csv"]);
    harness.processing_time(5_000).unwrap();
    let want = [("out-0-0.csv", "1,r1\n2,r2\n"), ("out-0-1.csv", "3,r3\n")];
    assert_eq!(files(folder.path()), want.map(|(n, c)| (n.to_owned(), c.to_owned())).into());
    assert_eq!(harness.next_deadline(), None);
}

#[test]
fn every_csv_file_has_the_header() {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Named {
        id: u32,
        text: String,
    }
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::<Named>::csv(folder.path(), CsvFormat::new()).roll_size_bytes(12);
    let mut harness = OperatorHarness::new(SinkOperator::new(Arc::new(sink)));
    let named: Vec<Named> = (1..=3).map(|id| Named { id, text: format!("a,{id}") }).collect();
    named.iter().for_each(|n| harness.push(n.clone(), 0).unwrap());
    harness.end().unwrap();
    assert_eq!(files(folder.path()).len(), 3);
    assert!(files(folder.path()).values().all(|text| text.starts_with("id,text\n")));
    let path = folder.path().to_str().unwrap();
    let source = FileSource::<Named>::csv(path, CsvFormat::new());
    let mut harness = SourceHarness::builder(&source).open().unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_values(), named, "what was written is read back");
}

#[test]
fn a_restored_sink_finishes_the_file_of_the_checkpoint_without_what_came_after() {
    let folder = tempfile::tempdir().unwrap();
    let sink = || FileSink::json_lines(folder.path());
    let mut harness = open(sink(), None);
    harness.push(row(1), 0).unwrap();
    let state = harness.snapshot(1).unwrap();
    harness.push(row(2), 0).unwrap();
    harness.snapshot(2).unwrap();
    drop(harness);

    let mut harness = open(sink(), Some(state.clone()));
    assert_eq!(files(folder.path())["part-0-0.jsonl"], "[1,\"r1\"]\n", "2 will come again");
    harness.push(row(2), 0).unwrap();
    harness.end().unwrap();
    assert_eq!(files(folder.path())["part-0-1.jsonl"], "[2,\"r2\"]\n");
    open(sink(), Some(state));
    assert_eq!(files(folder.path())["part-0-0.jsonl"], "[1,\"r1\"]\n", "restored once more");
}

#[test]
fn a_checkpoint_whose_file_is_gone_or_cut_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sink = || FileSink::json_lines(folder.path());
    let mut harness = open(sink(), None);
    harness.push(row(1), 0).unwrap();
    let state = harness.snapshot(1).unwrap();
    let refused = || {
        let builder = OperatorHarness::builder(SinkOperator::new(Arc::new(sink())));
        builder.restored(vec![state.clone()]).open().map(|_| ()).unwrap_err()
    };
    let hidden = folder.path().join(".part-0-0.jsonl.inprogress");
    std::fs::write(&hidden, "[1").unwrap();
    assert_eq!(refused().kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&hidden).unwrap();
    let error = refused();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("put the file back"), "{error}");
}

#[test]
fn nothing_is_ever_written_over() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut harness = open(FileSink::json_lines(folder.path()), None);
        harness.push(row(1), 0).unwrap();
        harness.end().unwrap();
    }
    let mut abandoned = open(FileSink::json_lines(folder.path()), None);
    abandoned.push(row(1), 0).unwrap();
    let mut harness = open(FileSink::json_lines(folder.path()), None);
    harness.push(row(1), 0).unwrap();
    assert_eq!(
        names(folder.path()),
        [
            ".part-0-2.jsonl.inprogress",
            ".part-0-3.jsonl.inprogress",
            "part-0-0.jsonl",
            "part-0-1.jsonl"
        ]
    );
}

#[test]
fn a_failed_job_publishes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness =
        OperatorHarness::new(SinkOperator::new(Arc::new(FileSink::lines(folder.path()))));
    harness.push("one".to_owned(), 0).unwrap();
    harness.snapshot(1).unwrap();
    let error = harness.push("two\nlines".to_owned(), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode);
    drop(harness);
    let want = [(".part-0-0.txt.inprogress".to_owned(), "one\n".to_owned())];
    assert_eq!(files(folder.path()), want.into());
}

#[test]
fn wrong_options_are_refused() {
    let sink = || FileSink::<Row>::json_lines("out");
    let refused = |sink: FileSink<Row>| {
        let error = sink.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let exactly_once = refused(sink().delivery_guarantee(DeliveryGuarantee::ExactlyOnce));
    assert!(exactly_once.contains("committers of checkpoints"), "{exactly_once}");
    refused(sink().prefix("a/b"));
    refused(sink().prefix(""));
    refused(sink().roll_size_bytes(0));
    refused(sink().roll_interval(Duration::ZERO));
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = FileSink::<Row>::json_lines(file.path().join("sub"));
    let opened = OperatorHarness::builder(SinkOperator::new(Arc::new(sink))).open();
    assert_eq!(opened.map(|_| ()).unwrap_err().kind(), ErrorKind::Config);
}
