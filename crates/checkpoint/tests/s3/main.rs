//! Storage on a real S3-compatible server (`scripts/s3 start`).
//!
//! Invariant: what a user did wrong ends in an error that says what to do, soon, and never
//! shows a secret; what may pass by itself is tried again.

#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used)] // a test may

mod server;

use millstream_checkpoint::storage::Created;
use millstream_checkpoint::{JobStorage, Storage};
use millstream_core::{Error, ErrorKind};
use server::*;
use std::time::Duration;

#[test]
fn it_keeps_the_contract() {
    let storage = open("contract", &settings());
    let job = storage.folder("jobs/a");
    for (path, _) in storage.list("").unwrap() {
        storage.delete(&path).unwrap();
    }
    job.put("chk-1/x", vec![1, 2, 3]).unwrap();
    job.put("chk-2/y", vec![4]).unwrap();
    storage.put("other", vec![9]).unwrap();
    let all = [("chk-1/x".to_owned(), 3), ("chk-2/y".to_owned(), 1)];
    assert_eq!(job.list("").unwrap(), all);
    assert_eq!(job.list("chk-2").unwrap(), all[1..]);
    assert_eq!(job.list("chk-3").unwrap(), []);
    assert_eq!(job.get_range("chk-1/x", 1..3).unwrap(), [2, 3]);
    let gone = job.get_range("chk-1/z", 0..1).unwrap_err();
    assert!(gone.to_string().contains("chk-1/z is missing"), "{gone}");
    let short = job.get_range("chk-1/x", 1..9).unwrap_err();
    assert!(short.to_string().contains("shorter"), "{short}");
    assert!(matches!(job.create("log/1", vec![1]), Created::Yes));
    assert!(matches!(job.create("log/1", vec![2]), Created::Exists));
    assert_eq!(job.get("log/1").unwrap(), Some(vec![1]));
    // By parts.
    let mut writer = job.writer("large");
    for i in 0..20u8 {
        writer.write(&vec![i; 1 << 20]).unwrap();
    }
    let written = writer.finish().unwrap();
    assert_eq!(job.size("large").unwrap(), Some(20 << 20));
    let bytes = job.get("large").unwrap().unwrap();
    assert_eq!(*blake3::hash(&bytes).as_bytes(), written.checksum);
    job.delete("large").unwrap();
    job.delete("large").unwrap();
    assert_eq!(job.get("large").unwrap(), None);
    // A writer that is given up leaves nothing.
    let mut writer = job.writer("given-up");
    writer.write(&vec![0; 9 << 20]).unwrap();
    drop(writer);
    assert_eq!(job.get("given-up").unwrap(), None);
}

#[test]
fn of_many_who_create_one_object_one_succeeds() {
    let storage = open("races", &settings());
    for round in 0..20 {
        let path = format!("log/{round}");
        storage.delete(&path).unwrap();
        let start = std::sync::Barrier::new(4);
        let created: Vec<bool> = std::thread::scope(|scope| {
            let create = |i: u8| {
                start.wait();
                matches!(storage.create(&path, vec![i]), Created::Yes)
            };
            let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || create(i))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(created.iter().filter(|yes| **yes).count(), 1, "round {round}");
        let kept = storage.get(&path).unwrap().unwrap();
        assert!(created[usize::from(kept[0])], "round {round}");
    }
}

#[test]
fn a_new_leader_fences_the_old_one() {
    let storage = open("leaders", &settings());
    let job = JobStorage::new(&storage, "job").unwrap();
    for (path, _) in job.folder().list("").unwrap() {
        job.folder().delete(&path).unwrap();
    }
    let old = job.lead(1).unwrap();
    let new = job.lead(2).unwrap();
    assert_eq!((old.term(), new.term()), (1, 2));
    assert_eq!(job.folder().list("log").unwrap().len(), 2);
}

/// What somebody who starts a job is told.
fn refused(storage: &Storage) -> Error {
    let error = JobStorage::new(storage, "job").unwrap().lead(1).map(|leader| leader.term());
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains(SECRET) && !text.contains("StringToSign"), "{text}");
    error
}

#[test]
fn a_bucket_that_does_not_exist() {
    let error = refused(&Storage::open_with("s3://no-such-bucket/ck", settings()).unwrap());
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("NoSuchBucket") && text.contains("s3://no-such-bucket/ck"), "{text}");
    assert!(text.contains("create the bucket first"), "{text}");
}

#[test]
fn credentials_that_are_wrong() {
    let wrong = [("AWS_SECRET_ACCESS_KEY", "another-secret"), ("AWS_ACCESS_KEY_ID", "nobody")];
    for (name, value) in wrong {
        let storage = open("contract", &with(name, value));
        let error = refused(&storage);
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("check the credentials"), "{text}");
        assert!(!text.contains("another-secret"), "{text}");
    }
}

#[test]
fn a_server_that_only_reads() {
    let server = ReadOnly::start();
    let error = refused(&open("contract", &with("AWS_ENDPOINT", &server.url)));
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("cannot write s3://") && text.contains("AccessDenied"), "{text}");
}

#[test]
fn a_server_that_is_not_there() {
    let storage = open("contract", &with("AWS_ENDPOINT", "http://127.0.0.1:9"));
    let error = storage.get("anything").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let text = error.to_string();
    assert!(text.contains("onnection refused") && text.contains("127.0.0.1:9"), "{text}");
}

/// It takes the connection and says nothing.
#[test]
fn a_server_that_does_not_answer() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut settings = with("AWS_ENDPOINT", &url);
    settings.push(("AWS_TIMEOUT".into(), "200 ms".into()));
    let error = open("contract", &settings).get("anything").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn a_server_that_is_slow_is_waited_for() {
    let proxy = Proxy::start(Duration::from_millis(300));
    let storage = open("slow", &with("AWS_ENDPOINT", &proxy.url));
    storage.put("object", vec![7; 100_000]).unwrap();
    assert_eq!(storage.get("object").unwrap(), Some(vec![7; 100_000]));
}
