//! What is wrong is said before data flows, by name; and what is wrong with a row, when it
//! comes.

use crate::server::{Row, Table, job, open, rows, unique, url};
use millstream_core::{ErrorKind, Result};
use millstream_jdbc::JdbcSink;

fn refused(opened: Result<impl Sized>, parts: &[&str]) {
    let error = opened.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn tables_that_cannot_take_the_rows_are_refused_with_names_and_types() {
    let name = unique("none");
    refused(open(rows(&name).build().unwrap(), job(None)), &[&name, "does not exist"]);
    let table = Table::new("refused", "id int, name text, third date NOT NULL");
    let sink = || rows(&table.0);
    refused(open(sink().build().unwrap(), job(None)), &["'third'", "NOT NULL"]);
    let more = sink().column("thrid", |_: &Row| "x").build().unwrap();
    refused(open(more, job(None)), &["no column 'thrid'", "id, name, third"]);
    let wrong = sink().column("third", |_: &Row| 1i64).build().unwrap();
    refused(open(wrong, job(None)), &["'third'", "is date", "writes int8"]);
    let right = || sink().column("third", |_: &Row| "2026-11-21");
    refused(
        open(right().key(["id"]).build().unwrap(), job(None)),
        &["no primary key or unique index", "(id)"],
    );
    open(right().build().unwrap(), job(None)).unwrap();
}

#[test]
fn options_are_checked_without_a_server() {
    let plain = || JdbcSink::<Row>::builder().url(url()).table("t");
    refused(plain().build(), &["no columns"]);
    let one = || plain().column("id", |r: &Row| r.0);
    refused(one().key(["name"]).build(), &["key column 'name'"]);
    refused(one().column("id", |r: &Row| r.0).build(), &["'id' is set twice"]);
    refused(one().delete_when(|_| true).build(), &["delete_when without key"]);
    refused(one().table("").build(), &["table '' is no name"]);
    refused(one().exactly_once("").build(), &["sink id"]);
    refused(one().url("postgres://me@db/x?sslmode=require").build(), &["TLS"]);
}

#[test]
fn logins_and_servers_that_are_not_there_are_named_without_secrets() {
    let table = Table::new("login", "id int, name text");
    let (server, _) = url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let other = format!("{server}/no_such_database");
    let sink = rows(&table.0).url(other).password("hunter2hunter2").build().unwrap();
    assert!(!format!("{sink:?}").contains("hunter2"));
    refused(open(sink, job(None)), &["no_such_database", "create the database"]);
    let nobody = rows(&table.0)
        .url("postgres://me:hunter2hunter2@127.0.0.1:1/x")
        .retry_timeout(std::time::Duration::from_millis(300))
        .build()
        .unwrap();
    let error = open(nobody, job(None)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1/x") && text.contains("within 0.3 s"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn rows_that_the_table_refuses_end_the_attempt_as_bad_data() {
    let table = Table::new("data", "id smallint PRIMARY KEY, name text CHECK (name <> 'bad')");
    let fails = |row: Row, parts: &[&str]| {
        let mut sink = open(rows(&table.0).build().unwrap(), job(None)).unwrap();
        sink.push(row, 0).unwrap();
        let error = sink.snapshot(1).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    fails((1, "bad".into()), &["check constraint", "23514"]);
    fails((70_000, "x".into()), &["smallint out of range"]);
    fails((1, "a\0b".into()), &["zero byte", "'name'"]);
    let null = JdbcSink::<Row>::builder()
        .url(url())
        .table(&table.0)
        .column("id", |_: &Row| None::<i64>)
        .key(["id"])
        .build()
        .unwrap();
    let mut sink = open(null, job(None)).unwrap();
    sink.push((1, "x".into()), 0).unwrap();
    assert!(sink.snapshot(1).err().unwrap().to_string().contains("without a value for key 'id'"));
    assert!(table.ids().is_empty());
}
