#![allow(clippy::unwrap_used)]
use super::super::testing::{copy, options, read, sink, source, try_read};
use super::super::{Changes, Needed, TableColumn, TableSpec};
use crate::types::SqlType;
use std::path::Path;

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
