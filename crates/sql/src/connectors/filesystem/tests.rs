//! Tables of files, written and read back: what is listed, committed and decoded.

#![allow(clippy::unwrap_used)]
use super::super::testing::{copy, options, read, sink, source, try_read};
use super::super::{Changes, Needed, TableColumn, TableSpec};
use crate::types::SqlType;
use millstream_core::Epoch;
use millstream_runtime::{Committable, CommitterContext};
use std::path::Path;
use std::sync::Arc;

fn table(path: &Path, columns: &[(&str, SqlType)], more: &[(&str, &str)]) -> TableSpec {
    let columns = columns.iter().map(|(n, t)| TableColumn::physical(*n, t.clone())).collect();
    let given = [("connector", "filesystem"), ("path", path.to_str().unwrap())];
    TableSpec::new("t", columns, options(&[&given, more].concat()))
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[test]
fn all_files_of_a_folder_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("more")).unwrap();
    std::fs::write(path.join("a.jsonl"), "{\"k\":1}\r\n{\"k\":2}").unwrap();
    std::fs::write(path.join("more/b.jsonl"), "{\"k\":3}\n").unwrap();
    std::fs::write(path.join(".hidden"), "no json").unwrap();
    let mut table = table(path, &[("k", SqlType::int())], &[("format", "json")]);
    table.columns.push(TableColumn::metadata("f", SqlType::string().not_null(), "file.name"));
    table.columns.push(TableColumn::metadata("n", SqlType::bigint(), "file.size"));
    let all = source(&table).unwrap();
    assert_eq!(sorted(read(&*all, 2)), ["+I 1 a.jsonl 16", "+I 2 a.jsonl 16", "+I 3 b.jsonl 8"]);
    let names = all.project(&[Needed::No, Needed::All, Needed::No]).unwrap().unwrap();
    let want = ["+I null a.jsonl null", "+I null a.jsonl null", "+I null b.jsonl null"];
    assert_eq!(sorted(read(&*names, 1)), want);
    table.columns[1].metadata = Some("file.nam".into());
    let text = source(&table).err().unwrap().to_string();
    assert!(text.contains("table 't': 'filesystem' has no metadata 'file.nam'"), "{text}");
}

#[test]
fn errors_name_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    std::fs::write(&file, "{\"k\":1}\n{\"k\":\"two\"}\n").unwrap();
    let table_of = |path: &Path| table(path, &[("k", SqlType::int())], &[("format", "json")]);
    let text = try_read(&*source(&table_of(&file)).unwrap(), 1).unwrap_err().to_string();
    for part in ["x.jsonl', line 2", "column 'k': 'two' is no INT"] {
        assert!(text.contains(part), "{text}");
    }
    let none = table_of(&folder.path().join("none"));
    let text = try_read(&*source(&none).unwrap(), 1).unwrap_err().to_string();
    assert!(text.contains("cannot be read"), "{text}");
    let mut unknown = table_of(&file);
    unknown.options.insert("colour".into(), "blue".into());
    let text = source(&unknown).err().unwrap().to_string();
    assert!(text.contains("'filesystem' has no option 'colour'"), "{text}");
    unknown.options.remove("colour");
    unknown.options.insert("json.ignore-parse-error".into(), "true".into());
    let text = source(&unknown).err().unwrap().to_string();
    assert!(text.contains("did you mean 'json.ignore-parse-errors'?"), "{text}");
}

#[test]
fn partitions_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    let lines = [
        r#"{"a":1,"d":"2024-01-01","r":"a=b c/é"}"#,
        r#"{"a":2,"d":null,"r":"us"}"#,
        r#"{"a":3,"d":"2024-01-01","r":"a=b c/é"}"#,
    ];
    std::fs::write(&input, lines.join("\n")).unwrap();
    let columns = [("a", SqlType::int()), ("d", SqlType::date()), ("r", SqlType::string())];
    let from = source(&table(&input, &columns, &[("format", "json")])).unwrap();
    let out = folder.path().join("out");
    let mut to = table(&out, &columns, &[("format", "csv")]);
    to.partition_keys = vec![1, 2];
    let target = sink(&to).unwrap();
    assert!(target.accepts(Changes::Append) && !target.accepts(Changes::Retract));
    for _ in 0..2 {
        copy(&*from, &*target, 2).unwrap();
    }
    assert!(out.join("d=2024-01-01/r=a%3Db c%2Fé/part-0-0").exists());
    let want = ["+I 1 2024-01-01 a=b c/é", "+I 2 null us", "+I 3 2024-01-01 a=b c/é"];
    let want: Vec<&str> = want.iter().flat_map(|row| [*row, *row]).collect();
    assert_eq!(sorted(read(&*source(&to).unwrap(), 2)), want);
}

#[test]
fn changes_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, r#"{"op":"u","before":{"a":1},"after":{"a":2}}"#).unwrap();
    let columns = [("a", SqlType::int())];
    let from = source(&table(&input, &columns, &[("format", "debezium-json")])).unwrap();
    let to = table(&folder.path().join("out"), &columns, &[("format", "debezium-json")]);
    copy(&*from, &*sink(&to).unwrap(), 1).unwrap();
    assert_eq!(read(&*source(&to).unwrap(), 1), ["-D 1", "+I 2"]);
}

#[test]
fn compressed_files_are_read_by_their_names() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"k\":1}\n{\"k\":2}\n";
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gz.write_all(text.as_bytes()).unwrap();
    std::fs::write(folder.path().join("a.json.gz"), gz.finish().unwrap()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
    zlib.write_all(text.as_bytes()).unwrap();
    std::fs::write(folder.path().join("b.deflate"), zlib.finish().unwrap()).unwrap();
    std::fs::write(folder.path().join("c.json"), text).unwrap();
    let table = table(folder.path(), &[("k", SqlType::int())], &[("format", "json")]);
    let want = ["+I 1", "+I 1", "+I 1", "+I 2", "+I 2", "+I 2"];
    assert_eq!(sorted(read(&*source(&table).unwrap(), 1)), want);
    std::fs::write(folder.path().join("d.gz"), "no gzip").unwrap();
    let text = try_read(&*source(&table).unwrap(), 1).unwrap_err().to_string();
    assert!(text.contains("d.gz"), "{text}");
    std::fs::remove_file(folder.path().join("d.gz")).unwrap();
    std::fs::write(folder.path().join("d.bz2"), "").unwrap();
    let text = try_read(&*source(&table).unwrap(), 1).unwrap_err().to_string();
    assert!(text.contains("compression 'bz2'"), "{text}");
}

#[test]
fn files_whose_paths_match() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), "{\"k\":1}").unwrap();
    std::fs::write(folder.path().join("b.txt"), "no json").unwrap();
    let with = |pattern: &str| {
        let more = [("format", "json"), ("source.path.regex-pattern", pattern)];
        table(folder.path(), &[("k", SqlType::int())], &more)
    };
    assert_eq!(read(&*source(&with("/.*[.]json")).unwrap(), 1), ["+I 1"]);
    assert!(read(&*source(&with("json")).unwrap(), 1).is_empty());
    assert!(source(&with("(")).err().unwrap().to_string().contains("regular expression"));
}

#[test]
fn partitions_are_told_when_they_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, "{\"a\":1,\"d\":\"2024-01-01\"}\n{\"a\":2,\"d\":\"2024-01-02\"}")
        .unwrap();
    let columns = [("a", SqlType::int()), ("d", SqlType::date())];
    let from = source(&table(&input, &columns, &[("format", "json")])).unwrap();
    let out = folder.path().join("out");
    let more = [
        ("format", "csv"),
        ("sink.partition-commit.policy.kind", "success-file"),
        ("sink.partition-commit.trigger", "partition-time"),
        ("sink.partition-commit.delay", "1 d"),
    ];
    let mut to = table(&out, &columns, &more);
    assert!(sink(&to).err().unwrap().to_string().contains("PARTITIONED BY"));
    to.partition_keys = vec![1];
    let target = sink(&to).unwrap();
    assert!(target.is_single());
    let context = millstream_runtime::OperatorContext::for_tests("table");
    let mut reader = from.create_reader(&context).unwrap();
    let super::super::TablePoll::Rows(batch) = reader.poll(0).unwrap() else { panic!("no rows") };
    let mut writer = target.create_writer(&context).unwrap();
    let committer = target.committer(&CommitterContext {
        job: Arc::clone(&context.job),
        name: "table".into(),
        uid: "table".into(),
        subtask: Some(0),
    });
    let mut committer = committer.unwrap().unwrap();
    let mut commit = |epoch: Epoch, payloads: Vec<Vec<u8>>| {
        let one = |payload| Committable { epoch, writer: 0, payload };
        let all: Vec<Committable> = payloads.into_iter().map(one).collect();
        committer.commit(&all).unwrap();
        committer.commit(&all).unwrap(); // again, as after a restore
    };
    let told = |day: &str| out.join(format!("d={day}/_SUCCESS")).exists();
    writer.write(&batch).unwrap();
    // 2024-01-02 00:00:00.001
    writer.on_watermark(millstream_core::Watermark(1_704_153_600_001)).unwrap();
    writer.flush().unwrap();
    let prepared = writer.prepare_commit(Epoch(1)).unwrap();
    assert!(!told("2024-01-01"), "the files are not visible yet");
    commit(Epoch(1), prepared);
    assert!(told("2024-01-01") && !told("2024-01-02"));
    assert_eq!(read(&*source(&to).unwrap(), 1).len(), 2);
    writer.end().unwrap();
    let prepared = writer.prepare_commit(Epoch(2)).unwrap();
    assert!(!told("2024-01-02"));
    commit(Epoch(2), prepared);
    assert!(told("2024-01-02"));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_with_partitions_and_a_restore_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    let lines: String =
        (0..5000).map(|i| format!("{{\"a\":{i},\"d\":\"p{}\"}}\n", i % 2)).collect();
    std::fs::write(&input, lines).unwrap();
    let columns = [("a", SqlType::int()), ("d", SqlType::string())];
    let from = source(&table(&input, &columns, &[("format", "json")])).unwrap();
    for format in [
        "parquet",
        #[cfg(feature = "avro")]
        "avro",
    ] {
        let out = folder.path().join(format);
        let mut to = table(&out, &columns, &[("format", format)]);
        to.partition_keys = vec![1];
        copy(&*from, &*sink(&to).unwrap(), 1).unwrap();
        let table = source(&to).unwrap();
        let all = sorted(read(&*table, 2));
        assert_eq!(all.len(), 5000);
        assert!(all.contains(&"+I 4999 p1".to_owned()));
        let context = millstream_runtime::OperatorContext::for_tests("table");
        let mut reader = table.create_reader(&context).unwrap();
        let mut rows = vec![];
        let mut take =
            |reader: &mut Box<dyn super::super::TableReader>| match reader.poll(0).unwrap() {
                super::super::TablePoll::Rows(batch) => {
                    rows.extend(crate::formats::testing::show(
                        &batch,
                        &[SqlType::int(), SqlType::string()],
                    ));
                    true
                }
                _ => false,
            };
        assert!(take(&mut reader));
        let mut snapshot = millstream_runtime::OperatorSnapshot::default();
        reader.snapshot(millstream_core::Epoch(1), &mut snapshot).unwrap();
        let mut context = millstream_runtime::OperatorContext::for_tests("table");
        context.restored =
            millstream_runtime::Restored::from_stored(vec![snapshot.into_stored().unwrap()]);
        let mut reader = table.create_reader(&context).unwrap();
        while take(&mut reader) {}
        assert_eq!(sorted(rows), all, "{format}");
    }
}
