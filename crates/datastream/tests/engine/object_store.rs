//! Jobs whose checkpoints and savepoints are objects on a real S3-compatible server
//! (`scripts/s3 start`).
//!
//! Invariant: the same as in a folder: nothing is lost or doubled.

use crate::supervision::*;
use millstream_checkpoint::{JobStorage, Request, Stop, Storage, requests};
use std::process::Command;
use std::time::Duration;

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/s3");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

type Settings = Vec<(String, String)>;

/// A place of one test, and the settings of the server with the place of checkpoints.
fn place(test: &str) -> (String, Settings) {
    script(&["bucket", "millstream-jobs"]);
    let place = format!("s3://millstream-jobs/{test}-{}", std::process::id());
    let words = script(&["env"]);
    let pair = |word: &str| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let mut settings: Settings = words.split_whitespace().filter_map(pair).collect();
    settings.push((CHECKPOINTS.to_owned(), place.clone()));
    (place, settings)
}

fn remove_all(place: &str, settings: &Settings) {
    let storage = Storage::open_with(place, settings.clone()).unwrap();
    for (path, _) in storage.list("").unwrap() {
        storage.delete(&path).unwrap();
    }
}

#[test]
fn killed_processes_go_on_from_checkpoints_on_s3() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let (place, settings) = place("killed");
    kill_often(folder, start_at(folder, 3, None, &settings));
    check(folder);
    assert!(!folder.join("checkpoints").exists());
    remove_all(&place, &settings);
}

#[test]
fn a_savepoint_on_s3_starts_more_and_fewer_processes() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let (place, settings) = place("savepoints");
    let mut savepoint: Option<String> = None;
    for processes in [2, 3] {
        let mut supervisor = start_at(folder, processes, savepoint.as_deref(), &settings);
        let before = committed(folder);
        wait_for(folder, "commits", || committed(folder) > before);
        let storage = Storage::open_with(&place, settings.clone()).unwrap();
        let job = JobStorage::new(&storage, "job").unwrap();
        let directory = Some(format!("{place}/mine"));
        let kind = millstream_state::SnapshotKind::CanonicalSavepoint;
        let request = Request::Savepoint { kind, directory, stop: Some(Stop::Suspend) };
        let id = requests::fresh_id().unwrap();
        let made = requests::ask(job.folder(), id, &request, Duration::from_secs(60)).unwrap();
        assert!(made.starts_with(&format!("{place}/mine/job-savepoint-")), "{made}");
        savepoint = Some(made);
        assert!(supervisor.0.wait().unwrap().success());
    }
    std::fs::write(folder.join("go"), "").unwrap();
    let mut last = start_at(folder, 1, savepoint.as_deref(), &settings);
    assert!(last.0.wait().unwrap().success());
    check(folder);
    remove_all(&place, &settings);
}

/// What a job says that cannot start.
fn refused(savepoint: Option<&str>, settings: &Settings) -> String {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let mut job = start_at(folder, 1, savepoint, settings);
    assert!(!job.0.wait().unwrap().success());
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(!log.contains("; restart in "), "{log}");
    log
}

#[test]
fn places_that_do_not_exist_end_the_start_by_name() {
    let (place, mut settings) = place("missing");
    let log = refused(Some(&format!("{place}/none")), &settings);
    let told = format!("there is no checkpoint or savepoint at '{place}/none'");
    assert!(log.contains(&told), "{log}");
    remove_all(&place, &settings);
    settings.push((CHECKPOINTS.to_owned(), "s3://no-such-bucket/jobs".to_owned()));
    let log = refused(None, &settings);
    assert!(log.contains("NoSuchBucket") && log.contains("create the bucket first"), "{log}");
}
