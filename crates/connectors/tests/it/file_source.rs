//! Files as a source: which files, every position, bad records, files that go or shrink.

use crate::Drive;
use millstream_connectors::FileSource;
use millstream_core::{Error, ErrorKind, EventTime};
use millstream_formats::{CsvFormat, ParsePolicy};
use millstream_runtime::{Source, SourcePoll, StoredState, WatermarkStrategy};
use millstream_testkit::SourceHarness;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Event {
    id: u32,
    text: String,
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(folder.path(), name, content);
    }
    folder
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn read<S: Source>(source: S) -> Result<Vec<S::Out>, Error> {
    let mut harness = SourceHarness::builder(&source).open()?;
    harness.run_to_end()?;
    Ok(harness.take_values())
}

#[test]
fn a_folder_is_read_in_order_of_names_without_hidden_files() {
    let files = folder(&[
        ("b.txt", b"3\n4"),
        ("a.txt", b"1\n2\n"),
        ("sub/c.txt", b"5\n"),
        (".hidden", b"x\n"),
        ("_part", b"x\n"),
        ("empty.txt", b""),
    ]);
    assert_eq!(read(FileSource::lines(path(&files, ""))).unwrap(), ["1", "2", "3", "4", "5"]);
    let pattern = FileSource::lines(path(&files, "[ab].txt"));
    assert_eq!(read(pattern).unwrap(), ["1", "2", "3", "4"]);
    let deep = FileSource::lines(path(&files, "**/c*"));
    assert_eq!(read(deep).unwrap(), ["5"]);
    let two = FileSource::lines(path(&files, "b.txt")).and(path(&files, "a.txt"));
    assert_eq!(read(two).unwrap(), ["1", "2", "3", "4"], "a file that is named twice is one");
}

#[test]
fn every_file_is_read_by_one_subtask() {
    let content: Vec<(String, String)> =
        (0..40).map(|i| (format!("f{i}.txt"), format!("{i}\n"))).collect();
    let files: Vec<(&str, &[u8])> =
        content.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let files = folder(&files);
    let mut all = Vec::new();
    for index in 0..3 {
        let source = FileSource::lines(path(&files, ""));
        let mut harness = SourceHarness::builder(&source).subtask(index, 3).open().unwrap();
        harness.run_to_end().unwrap();
        let values = harness.take_values();
        assert!(values.len() > 4, "subtask {index} reads its share");
        all.extend(values);
    }
    let mut numbers: Vec<u32> = all.iter().map(|n| n.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

/// Large enough that a call ends within a file, and a chunk within a record.
fn many_events(count: u32) -> (Vec<Event>, Vec<u8>) {
    let event =
        |id| Event { id, text: format!("line\n\"{id}\", {}", "x".repeat(id as usize % 300)) };
    let events: Vec<Event> = (0..count).map(event).collect();
    let mut csv = b"\xef\xbb\xbftext,id\r\n".to_vec();
    for Event { id, text } in &events {
        csv.extend(format!("\"{}\",{id}\r\n", text.replace('"', "\"\"")).bytes());
    }
    (events, csv)
}

#[test]
fn a_restored_reader_goes_on_behind_the_last_record_at_every_parallelism() {
    let (events, csv) = many_events(5_000);
    let (more, other) = many_events(700);
    let files = folder(&[("a.csv", csv.as_slice()), ("b.csv", other.as_slice())]);
    let source = || FileSource::<Event>::csv(path(&files, ""), CsvFormat::new());
    let mut want: Vec<u32> = events.iter().chain(&more).map(|e| e.id).collect();
    want.sort_unstable();

    let (mut got, mut state): (Vec<Event>, Option<Vec<StoredState>>) = (Vec::new(), None);
    let mut ended = false;
    for attempt in 0..50 {
        let parallelism = 1 + attempt % 3;
        let mut snapshots = Vec::new();
        ended = true;
        for index in 0..parallelism {
            let source = source();
            let mut builder = SourceHarness::builder(&source).subtask(index, parallelism);
            if let Some(former) = &state {
                builder = builder.restored(former.clone());
            }
            let mut harness = builder.open().unwrap();
            ended &= harness.poll().unwrap() == SourcePoll::End;
            got.extend(harness.take_values());
            snapshots.push(harness.snapshot(1).unwrap());
        }
        state = Some(snapshots);
        if ended {
            assert!(attempt > 3, "there is something to be restored");
            break;
        }
    }
    assert!(ended);
    for event in &got {
        assert_eq!(event, &events[event.id as usize]);
    }
    let mut ids: Vec<u32> = got.iter().map(|e| e.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, want);
}

const BAD: &[u8] = b"{\"id\":1,\"text\":\"a\"}\n{oops}\n\n{\"id\":2,\"text\":\"b\"}\n\xff\n";

#[test]
fn a_bad_record_ends_the_job_with_its_place() {
    let files = folder(&[("a.jsonl", BAD)]);
    let file = path(&files, "a.jsonl");
    let error = read(FileSource::<Event>::json_lines(&file)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = error.to_string();
    assert!(text.contains("operator 'source' (1/1)"), "{text}");
    assert!(text.contains(&format!("file '{file}' at byte 20: the line is not")), "{text}");
    assert!(text.contains("ParsePolicy::Skip"), "{text}");
}

#[test]
fn bad_records_are_skipped_or_kept_and_counted() {
    let files = folder(&[("a.jsonl", BAD)]);
    let file = path(&files, "a.jsonl");
    let source = || FileSource::<Event>::json_lines(&file);
    let skipping = source().on_parse_error(ParsePolicy::Skip);
    let mut harness = SourceHarness::builder(&skipping).open().unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_values().iter().map(|e| e.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(harness.counter("numRecordsInErrors").get(), 2);
    assert_eq!(harness.counter("numRecordsSkipped").get(), 2);

    let letters = tempfile::tempdir().unwrap();
    let keeping = source().on_parse_error(ParsePolicy::dead_letter_folder(letters.path()));
    let mut harness = SourceHarness::builder(&keeping).open().unwrap();
    harness.run_to_end().unwrap();
    assert_eq!(harness.take_values().len(), 2);
    let text = std::fs::read_to_string(letters.path().join("source-0.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(r#""raw":"{oops}""#), "{}", lines[0]);
    assert!(lines[0].contains(&format!("file '{file}' at byte 20")), "{}", lines[0]);
    assert!(lines[1].contains(r#""raw_base64":"/w==""#), "{}", lines[1]);
}

#[test]
fn a_record_that_is_too_long_is_a_bad_record_and_memory_stays_bounded() {
    let mut content = b"first\n".to_vec();
    content.extend(vec![b'x'; 3 << 20]);
    content.extend(b"\nlast\n");
    let files = folder(&[("a.txt", content.as_slice())]);
    let source = || FileSource::lines(path(&files, "a.txt")).max_record_bytes(1 << 20);
    let error = read(source()).unwrap_err();
    assert!(error.to_string().contains("at byte 6: the record is longer than 1048576"), "{error}");

    // A restore in the middle of the long record goes on passing it over.
    let skipping = || source().on_parse_error(ParsePolicy::Skip);
    let mut harness = SourceHarness::builder(&skipping()).open().unwrap();
    assert_eq!(read(skipping()).unwrap(), ["first", "last"]);
    let mut got = Vec::new();
    while harness.poll().unwrap() != SourcePoll::End {
        got.extend(harness.take_values());
        let state = harness.snapshot(1).unwrap();
        harness = SourceHarness::builder(&skipping()).restored(vec![state]).open().unwrap();
    }
    got.extend(harness.take_values());
    assert_eq!(got, ["first", "last"]);
}

#[test]
fn monitoring_finds_new_files_and_only_those() {
    let files = folder(&[("a.txt", b"1\n")]);
    let source = || FileSource::lines(path(&files, "")).monitor(Duration::from_secs(1));
    let mut harness = SourceHarness::builder(&source()).open().unwrap();
    assert_eq!(harness.poll_until_waiting().unwrap(), SourcePoll::Wait(Some(1_000)));
    assert_eq!(harness.take_values(), ["1"]);
    write(files.path(), "b.txt", b"2\n");
    assert_eq!(harness.poll_until_waiting().unwrap(), SourcePoll::Wait(Some(1_000)));
    assert!(harness.take_values().is_empty(), "not before it is time to look");
    harness.processing_time(1_000).unwrap();
    assert_eq!(harness.poll_until_waiting().unwrap(), SourcePoll::Wait(Some(2_000)));
    assert_eq!(harness.take_values(), ["2"]);
    let state = harness.snapshot(1).unwrap();
    write(files.path(), "c.txt", b"3\n");
    let mut harness = SourceHarness::builder(&source()).restored(vec![state]).open().unwrap();
    harness.poll_until_waiting().unwrap();
    assert_eq!(harness.take_values(), ["3"]);
}

#[test]
fn event_time_goes_on_from_file_to_file() {
    let files = folder(&[("a.txt", b"10\n20\n"), ("b.txt", b"30\n")]);
    let time = |line: &String| line.parse::<EventTime>().unwrap();
    let run = |source: FileSource<String>| {
        let strategy = WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(move |line: &String, _| time(line));
        let source = source.monitor(Duration::from_secs(1));
        let builder = SourceHarness::builder(&source);
        let mut harness = builder.watermarks(strategy).open().unwrap();
        harness.poll_until_waiting().unwrap();
        harness.processing_time(500).unwrap();
        write(files.path(), "c.txt", b"40\n");
        harness.processing_time(1_000).unwrap();
        harness.poll_until_waiting().unwrap();
        harness.processing_time(1_500).unwrap();
        std::fs::remove_file(files.path().join("c.txt")).unwrap();
        harness.take_text()
    };
    let text = run(FileSource::lines(path(&files, "")));
    assert_eq!(text.last().unwrap(), "watermark 39", "{text:?}");
    assert!(text.contains(&"watermark 29".to_owned()), "{text:?}");
    let held = run(FileSource::lines(path(&files, "")).hold_event_time_for_all_files());
    let first = held.iter().position(|line| line.starts_with("watermark")).unwrap();
    assert!(first >= 3, "both files come before any watermark: {held:?}");
    assert_eq!(held.last().unwrap(), "watermark 39", "{held:?}");
}

#[test]
fn files_that_are_not_there_are_refused_before_data_flows() {
    let files = folder(&[("a.txt", b"1\n2\n")]);
    let error = read(FileSource::lines(path(&files, "b.txt"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("b.txt' cannot be read"), "{error}");
    let error = read(FileSource::lines(path(&files, "*.csv"))).unwrap_err();
    assert!(error.to_string().contains("no file matches"), "{error}");
    assert!(FileSource::lines("").validate().is_err());
    assert!(FileSource::lines("a[").validate().is_err());
    assert!(FileSource::lines("a").monitor(Duration::ZERO).validate().is_err());
    assert!(FileSource::lines("a").max_record_bytes(0).validate().is_err());
    let waiting = FileSource::lines(path(&files, "none/*")).monitor(Duration::from_secs(1));
    assert!(SourceHarness::builder(&waiting).open().is_ok(), "it may come yet");
}

#[test]
fn files_that_change_behind_a_checkpoint_are_refused() {
    let (_, csv) = many_events(3_000);
    let files = folder(&[("a.csv", csv.as_slice())]);
    let file = path(&files, "a.csv");
    let source = || FileSource::<Event>::csv(path(&files, ""), CsvFormat::new());
    let mut harness = SourceHarness::builder(&source()).open().unwrap();
    harness.poll().unwrap();
    let state = harness.snapshot(1).unwrap();
    std::fs::write(&file, "id,text\n").unwrap();
    let restored = || SourceHarness::builder(&source()).restored(vec![state.clone()]).open();
    let error = restored().unwrap().poll().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("has 8 bytes, but"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = restored().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("is gone, and was read to byte"), "{error}");
}
