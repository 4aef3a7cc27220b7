//! Files as a sink: hidden until finished, rolled, never written over, whole after a restore.

use crate::Drive;
use millstream_connectors::{DeliveryGuarantee, FileSink, FileSource};
use millstream_core::{Batch, ErrorKind};
use millstream_formats::CsvFormat;
use millstream_runtime::sink::recover;
use millstream_runtime::{CommitterContext, JobInfo, Restored, Sink, SinkOperator, StoredState};
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

fn exactly_once(folder: &Path) -> FileSink<Row> {
    FileSink::json_lines(folder).delivery_guarantee(DeliveryGuarantee::ExactlyOnce)
}

fn restart(folder: &Path, state: &StoredState) {
    let context = CommitterContext {
        job: Arc::new(JobInfo::for_tests()),
        name: "sink".into(),
        uid: "operator".into(),
        subtask: None,
    };
    let restored = Restored::from_stored(vec![state.clone()]);
    recover(&exactly_once(folder), &context, &restored).unwrap();
}

/// What readers see: finished files, in all buckets.
fn visible(folder: &Path) -> Vec<String> {
    let mut rows = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            rows.extend(visible(&path).into_iter().map(|row| format!("{name}/{row}")));
        } else if !name.starts_with('.') {
            let text = std::fs::read_to_string(&path).unwrap();
            rows.extend(text.lines().map(str::to_owned));
        }
    }
    rows.sort();
    rows
}

fn eventually_visible(folder: &Path, rows: &[&str]) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while visible(folder) != rows {
        assert!(std::time::Instant::now() < deadline, "{:?}", visible(folder));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn exactly_once_no_file_is_visible_before_its_checkpoint_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut harness = open(exactly_once(path).roll_size_bytes(18), None);
    harness.input(Batch::from(vec![row(1), row(2)])).unwrap(); // full
    harness.push(row(3), 0).unwrap();
    assert_eq!(visible(path), [] as [&str; 0], "full, and no checkpoint yet");
    harness.snapshot(1).unwrap();
    assert_eq!(visible(path), [] as [&str; 0], "prepared");
    harness.complete_checkpoint(1).unwrap();
    eventually_visible(path, &["[1,\"r1\"]", "[2,\"r2\"]"]);
    harness.end().unwrap(); // its last file waits for the last checkpoint
    assert_eq!(visible(path).len(), 2);
}

#[test]
fn exactly_once_the_end_is_visible_after_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let sink = SinkOperator::new(Arc::new(exactly_once(folder.path()).roll_on_checkpoint(true)));
    let mut harness = OperatorHarness::builder(sink).open().unwrap();
    harness.push(row(1), 0).unwrap();
    harness.snapshot(1).unwrap();
    harness.push(row(2), 0).unwrap();
    harness.snapshot(2).unwrap();
    harness.complete_checkpoint(2).unwrap();
    harness.close().unwrap();
    assert_eq!(visible(folder.path()), ["[1,\"r1\"]", "[2,\"r2\"]"], "both notices in one");
}

#[test]
fn exactly_once_a_crash_anywhere_loses_and_doubles_nothing() {
    // Rows of up to three checkpoints; the crash comes after this many steps.
    for crash_after in 0..12 {
        for rolls in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let sink = || exactly_once(path).roll_size_bytes(18).roll_on_checkpoint(rolls);
            let (mut durable, mut durable_rows, mut next) = (None, 0, 0);
            let mut harness = open(sink(), None);
            let mut steps = 0;
            let mut epoch = 0;
            while next < 9 || durable_rows < 9 {
                if steps == crash_after {
                    drop(harness);
                    if let Some(state) = &durable {
                        restart(path, state);
                    }
                    harness = open(sink(), durable.clone());
                    next = durable_rows;
                }
                steps += 1;
                match steps % 4 {
                    0 => {
                        epoch += 1;
                        let snapshot = harness.snapshot(epoch).unwrap();
                        if epoch != 2 {
                            (durable, durable_rows) = (Some(snapshot), next);
                        }
                        if epoch % 2 == 1 {
                            harness.complete_checkpoint(epoch).unwrap();
                        }
                    }
                    _ if next < 9 => {
                        harness.push(row(next), 0).unwrap();
                        next += 1;
                    }
                    _ => {}
                }
            }
            drop(harness);
            let state = durable.unwrap();
            restart(path, &state);
            open(sink(), Some(state));
            let want: Vec<String> = (0..9).map(|n| format!("[{n},\"r{n}\"]")).collect();
            assert_eq!(visible(path), want, "crash after {crash_after} steps, rolls: {rolls}");
        }
    }
}

#[test]
fn a_process_that_is_not_quite_dead_does_not_change_finished_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut zombie = open(exactly_once(path), None);
    zombie.push(row(1), 0).unwrap();
    let durable = zombie.snapshot(1).unwrap();
    restart(path, &durable);
    let _next = open(exactly_once(path), Some(durable));
    assert_eq!(visible(path), ["[1,\"r1\"]"]);
    zombie.push(row(2), 0).unwrap();
    zombie.snapshot(2).unwrap();
    assert_eq!(visible(path), ["[1,\"r1\"]"]);
}

#[test]
fn a_pending_file_that_is_gone_is_reported_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = open(exactly_once(folder.path()).roll_on_checkpoint(true), None);
    harness.push(row(1), 0).unwrap();
    harness.snapshot(1).unwrap();
    std::fs::remove_file(folder.path().join(".part-0-0.jsonl.inprogress")).unwrap();
    harness.complete_checkpoint(1).unwrap();
    let error = harness.close().unwrap_err();
    assert!(error.to_string().contains("put the file back"), "{error}");
}

#[test]
fn buckets_are_folders_with_a_file_each_and_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let sink = || {
        FileSink::json_lines(folder.path())
            .bucket_by(|row: &Row, time| format!("even-{}/{time}", row.0.is_multiple_of(2)))
            .max_open_buckets(2)
    };
    let mut harness = open(sink(), None);
    for id in 1..=3 {
        harness.push(row(id), 7).unwrap();
    }
    assert_eq!(visible(folder.path()), [] as [&str; 0]);
    harness.push(row(4), 8).unwrap(); // a third bucket: the oldest file is finished
    assert_eq!(visible(folder.path()).len(), 2);
    let state = harness.snapshot(1).unwrap();
    drop(harness);
    let _restored = open(sink(), Some(state));
    let rows = ["even-false/7/[1,\"r1\"]", "even-false/7/[3,\"r3\"]"];
    let even = ["even-true/7/[2,\"r2\"]", "even-true/8/[4,\"r4\"]"];
    assert_eq!(visible(folder.path()), [rows, even].concat());
    let out = FileSink::json_lines(folder.path()).bucket_by(|_: &Row, _| "../out".into());
    let error = open(out, None).push(row(1), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserCode, "{error}");
}

#[test]
fn wrong_options_are_refused() {
    let sink = || FileSink::<Row>::json_lines("out");
    let refused = |sink: FileSink<Row>| {
        let error = sink.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    refused(sink().max_open_buckets(0));
    refused(sink().prefix("a/b"));
    refused(sink().prefix(""));
    refused(sink().roll_size_bytes(0));
    refused(sink().roll_interval(Duration::ZERO));
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = FileSink::<Row>::json_lines(file.path().join("sub"));
    let opened = OperatorHarness::builder(SinkOperator::new(Arc::new(sink))).open();
    assert_eq!(opened.map(|_| ()).unwrap_err().kind(), ErrorKind::Config);
}
