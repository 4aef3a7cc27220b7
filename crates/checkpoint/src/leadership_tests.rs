//! Publications and deletions on real (in-memory and local) storage.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::coordinator::SubtaskId;
use crate::reader::RestoredJob;
use crate::writer::{KnownFiles, write_subtask};
use millstream_core::{ErrorKind, KeyGroupRange};
use millstream_state::{
    DeferredSnapshot, NativeState, OperatorSnapshot, SnapshotWriter, SubtaskInfo, TaskSnapshot,
};

const ID: SubtaskId = SubtaskId { task: 0, subtask: 0 };

/// Native files by id, and a lot of keyed state.
struct Files(Vec<(&'static str, std::path::PathBuf)>);
impl DeferredSnapshot for Files {
    fn write(self: Box<Self>, out: &mut dyn SnapshotWriter) -> Result<()> {
        for (id, path) in &self.0 {
            out.file(id, path, true)?;
        }
        out.native(&NativeState {
            backend: "test".into(),
            meta: b"meta".to_vec(),
            groups: KeyGroupRange { start: 0, end: 128 },
            files: self.0.iter().map(|(id, _)| (*id).to_owned()).collect(),
        })
    }
}

fn snapshot(keys: u64, files: Vec<(&'static str, std::path::PathBuf)>) -> TaskSnapshot {
    let mut operator = OperatorSnapshot::new(SnapshotKind::Checkpoint);
    for key in 0..keys {
        operator.put_keyed("counts", 128, &key, &(key * 2)).unwrap();
    }
    operator.put_list("offsets", &("topic", 7u64)).unwrap();
    if !files.is_empty() {
        operator.defer(Box::new(Files(files)));
    }
    let mut task = TaskSnapshot::new(SnapshotKind::Checkpoint);
    task.push("count".into(), operator);
    task
}

fn job() -> JobDescription {
    let info = OperatorInfo { uid: "count".into(), name: "count".into(), parallelism: 1 };
    JobDescription { name: "test".into(), max_parallelism: 128, operators: vec![info] }
}

fn known(state: &SubtaskState) -> KnownFiles {
    let all = state.operators.iter().flat_map(|op| op.files.iter().map(move |f| (op, f)));
    all.map(|(op, f)| ((op.uid.clone(), f.id.clone()), f.clone())).collect()
}

fn upload(leader: &Leader, epoch: u64, snapshot: TaskSnapshot, known: &KnownFiles) -> SubtaskState {
    let storage = leader.storage().clone();
    let place = storage.upload_place(SnapshotKind::Checkpoint, None, Epoch(epoch), leader.term());
    write_subtask(&place.unwrap(), ID, snapshot, known).unwrap()
}

fn publish(leader: &mut Leader, epoch: u64, state: &SubtaskState) -> Outcome {
    let publication = Publication {
        epoch: Epoch(epoch),
        kind: SnapshotKind::Checkpoint,
        directory: None,
        recovery_point: true,
        subtasks: vec![(ID, Arc::new(state.clone()))],
    };
    leader.publish(publication, &job(), 0)
}

fn subtask() -> SubtaskInfo {
    SubtaskInfo {
        name: "count".into(),
        uid: "count".into(),
        index: 1,
        parallelism: 3,
        max_parallelism: 128,
    }
}

#[test]
fn what_was_stored_is_read_back_inline_and_from_an_object() {
    for keys in [100, 20_000] {
        let storage = JobStorage::new(&Storage::memory(), "job").unwrap();
        let mut leader = storage.lead(1).unwrap();
        let state = upload(&leader, 1, snapshot(keys, vec![]), &KnownFiles::new());
        assert_eq!(matches!(state.data, crate::manifest::DataPlace::Inline(_)), keys == 100);
        assert!(matches!(publish(&mut leader, 1, &state), Outcome::Published(_)));
        let located = Arc::new(storage.lead(2).unwrap().restore_point().unwrap().unwrap());
        located.check_objects().unwrap();
        let restored = RestoredJob::of(&located).operator("count");
        let mut entries = restored.keyed::<u64, u64>("counts", &subtask()).unwrap();
        assert!(entries.len() as u64 > keys / 5, "a third of the groups");
        entries.sort_unstable();
        assert!(entries.iter().all(|(key, value)| *value == key * 2));
        let offsets = restored.list_union::<(String, u64)>("offsets").unwrap();
        assert_eq!(offsets, [("topic".to_owned(), 7)]);
    }
}

#[test]
fn shared_files_are_written_once_and_deleted_with_their_last_user() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        path
    };
    let (a, b) = (file("a"), file("b"));
    let place = folder.path().join("storage");
    let storage = Storage::open(place.to_str().unwrap()).unwrap();
    let storage = JobStorage::new(&storage, "job").unwrap();
    let shared = || -> Vec<String> {
        storage.folder().list("shared").unwrap().into_iter().map(|(path, _)| path).collect()
    };
    let mut leader = storage.lead(1).unwrap();
    let both = || vec![("a", a.clone()), ("b", b.clone())];
    let first = upload(&leader, 1, snapshot(1, both()), &KnownFiles::new());
    publish(&mut leader, 1, &first);
    assert_eq!(shared().len(), 2);
    let second = upload(&leader, 2, snapshot(1, vec![("b", b.clone())]), &known(&first));
    publish(&mut leader, 2, &second);
    assert_eq!(shared().len(), 2, "b was not written again");
    leader.retire(Epoch(1)).unwrap();
    assert_eq!(shared(), ["shared/chk-1-t1-0-0-f1"], "a is gone, b is in use");
    // A checkpoint that is given up leaves what others use.
    let third = upload(&leader, 3, snapshot(30_000, both()), &known(&second));
    assert_eq!(shared().len(), 2);
    leader.discard(Epoch(3), &third).unwrap();
    assert_eq!(shared(), ["shared/chk-1-t1-0-0-f1"]);
    assert!(storage.folder().list("chk-3-t1").unwrap().is_empty());
    // The next leader reads the file through the manifest.
    let next = storage.lead(2).unwrap();
    let located = Arc::new(next.restore_point().unwrap().unwrap());
    let restored = RestoredJob::of(&located).operator("count");
    let to = folder.path().join("fetched");
    restored.former()[0].fetch("b", &to).unwrap();
    assert_eq!(std::fs::read(to).unwrap(), b"b");
}

#[test]
fn the_next_leader_collects_what_the_last_one_left() {
    let storage = JobStorage::new(&Storage::memory(), "job").unwrap();
    let mut old = storage.lead(1).unwrap();
    let first = upload(&old, 1, snapshot(20_000, vec![]), &KnownFiles::new());
    publish(&mut old, 1, &first);
    upload(&old, 2, snapshot(20_000, vec![]), &KnownFiles::new());
    let mut new = storage.lead(2).unwrap();
    upload(&new, 2, snapshot(20_000, vec![]), &KnownFiles::new());
    assert_eq!(new.collect_garbage().unwrap(), 1, "the old leader's second checkpoint");
    new.restore_point().unwrap().unwrap().check_objects().unwrap();
    // The old one is still alive, and cannot publish any more.
    let late = upload(&old, 2, snapshot(1, vec![]), &KnownFiles::new());
    let Outcome::Lost(error) = publish(&mut old, 2, &late) else { panic!("published") };
    assert!(error.to_string().contains("another process leads"), "{error}");
    new.finish().unwrap();
    assert!(storage.lead(3).unwrap().is_finished());
    assert!(storage.latest().unwrap().is_none());
}

/// Every byte of every object: changed, it is found; and nothing else is restored instead.
#[test]
fn damage_is_refused_by_name() {
    let memory = Storage::memory();
    let storage = JobStorage::new(&memory, "job").unwrap();
    let mut leader = storage.lead(1).unwrap();
    for epoch in 1..3 {
        let state = upload(&leader, epoch, snapshot(20_000, vec![]), &KnownFiles::new());
        publish(&mut leader, epoch, &state);
    }
    let read = || -> Result<()> {
        let located = Arc::new(storage.latest()?.unwrap());
        assert_eq!(located.manifest.epoch, 2);
        located.check_objects()?;
        let restored = RestoredJob::of(&located).operator("count");
        let all = SubtaskInfo { index: 0, parallelism: 1, ..subtask() };
        restored.keyed::<u64, u64>("counts", &all)?;
        restored.list_union::<(String, u64)>("offsets")?;
        Ok(())
    };
    read().unwrap();
    for name in ["chk-2-t1/_metadata", "chk-2-t1/0-0"] {
        let good = storage.folder().get(name).unwrap().unwrap();
        let refused = |bytes: Vec<u8>| {
            storage.folder().put(name, bytes).unwrap();
            let error = read().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        };
        for at in (0..good.len()).step_by(good.len() / 97 + 1) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            if name.ends_with("_metadata") && (8..12).contains(&at) {
                continue; // the version: below
            }
            refused(bad);
        }
        refused(good[..good.len() / 2].to_vec());
        refused(vec![]);
        storage.folder().delete(name).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("missing"), "{error}");
        storage.folder().put(name, good).unwrap();
        read().unwrap();
    }
    let mut newer = storage.folder().get("chk-2-t1/_metadata").unwrap().unwrap();
    newer[8] = 200;
    storage.folder().put("chk-2-t1/_metadata", newer).unwrap();
    let error = read().unwrap_err();
    assert!(error.to_string().contains("version 200"), "{error}");
}

#[test]
fn what_was_claimed_goes_when_the_job_has_a_checkpoint_of_its_own() {
    let place = Storage::memory();
    let former = JobStorage::new(&place, "former").unwrap();
    let mut old = former.lead(1).unwrap();
    let state = upload(&old, 1, snapshot(20_000, vec![]), &KnownFiles::new());
    publish(&mut old, 1, &state);
    let storage = JobStorage::new(&place, "next").unwrap();
    let mut leader = storage.lead(1).unwrap();
    leader.claim(former.latest().unwrap().unwrap());
    assert_eq!(former.folder().list("chk-1-t1").unwrap().len(), 2);
    let state = upload(&leader, 2, snapshot(1, vec![]), &KnownFiles::new());
    publish(&mut leader, 2, &state);
    assert!(former.folder().list("chk-1-t1").unwrap().is_empty());
}

#[test]
fn a_manifest_of_a_newer_version_wants_a_newer_build() {
    let mut leader = JobStorage::new(&Storage::memory(), "job").unwrap().lead(1).unwrap();
    let state = upload(&leader, 1, snapshot(3, vec![]), &KnownFiles::new());
    assert!(matches!(publish(&mut leader, 1, &state), Outcome::Published(_)));
    let path = format!("chk-1-t1/{MANIFEST}");
    let folder = leader.storage().folder();
    let mut bytes = folder.get(&path).unwrap().unwrap();
    bytes[8] += 1; // the version, before the length
    folder.put(&path, bytes).unwrap();
    let error = leader.restore_point().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains(&path) && text.contains("start the job with a newer build"), "{text}");
}

/// What an [`Odd`] store does with a put.
#[derive(Clone, Copy, Debug)]
enum Oddity {
    /// Writes, whatever the condition.
    IgnoresConditions,
    /// The error of an operating system.
    Refuses(std::io::ErrorKind),
}

/// Memory with an oddity, after so many good puts.
#[derive(Debug)]
struct Odd(object_store::memory::InMemory, Oddity, std::sync::atomic::AtomicUsize);

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "odd")
    }
}

type Answer<T> = object_store::Result<T>;
type Listing<T> = futures_util::stream::BoxStream<'static, Answer<T>>;

#[async_trait::async_trait]
impl object_store::ObjectStore for Odd {
    async fn put_opts(
        &self,
        at: &object_store::path::Path,
        payload: object_store::PutPayload,
        options: object_store::PutOptions,
    ) -> Answer<object_store::PutResult> {
        use std::sync::atomic::Ordering::Relaxed;
        let good = self.2.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        match self.1 {
            _ if good => self.0.put_opts(at, payload, options).await,
            Oddity::IgnoresConditions => self.0.put_opts(at, payload, Default::default()).await,
            Oddity::Refuses(kind) => Err(object_store::Error::Generic {
                store: "odd",
                source: Box::new(std::io::Error::from(kind)),
            }),
        }
    }
    async fn put_multipart_opts(
        &self,
        at: &object_store::path::Path,
        options: object_store::PutMultipartOptions,
    ) -> Answer<Box<dyn object_store::MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }
    async fn get_opts(
        &self,
        at: &object_store::path::Path,
        options: object_store::GetOptions,
    ) -> Answer<object_store::GetResult> {
        self.0.get_opts(at, options).await
    }
    fn delete_stream(
        &self,
        paths: Listing<object_store::path::Path>,
    ) -> Listing<object_store::path::Path> {
        self.0.delete_stream(paths)
    }
    fn list(&self, prefix: Option<&object_store::path::Path>) -> Listing<object_store::ObjectMeta> {
        self.0.list(prefix)
    }
    async fn list_with_delimiter(
        &self,
        prefix: Option<&object_store::path::Path>,
    ) -> Answer<object_store::ListResult> {
        self.0.list_with_delimiter(prefix).await
    }
    async fn copy_opts(
        &self,
        from: &object_store::path::Path,
        to: &object_store::path::Path,
        options: object_store::CopyOptions,
    ) -> Answer<()> {
        self.0.copy_opts(from, to, options).await
    }
}

fn odd(oddity: Oddity, good_puts: usize) -> JobStorage {
    let store = Odd(Default::default(), oddity, good_puts.into());
    JobStorage::new(&Storage::over(Arc::new(store)), "job").unwrap()
}

#[test]
fn a_store_that_replaces_what_it_should_only_create_is_refused() {
    let error = odd(Oddity::IgnoresConditions, 0).lead(1).map(|l| l.term()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("If-None-Match"), "{error}");
}

#[test]
fn a_place_that_only_reads_ends_the_start_at_once() {
    for kind in [std::io::ErrorKind::PermissionDenied, std::io::ErrorKind::ReadOnlyFilesystem] {
        let error = odd(Oddity::Refuses(kind), 0).lead(1).map(|l| l.term()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("cannot write memory/job/log/"), "{text}");
        assert!(text.contains("let the user of the job write there"), "{text}");
    }
}

#[test]
fn a_place_that_is_full_fails_the_checkpoint_and_says_what_to_do() {
    // Two puts: the claim, and the check of it.
    let job = odd(Oddity::Refuses(std::io::ErrorKind::StorageFull), 2);
    let mut leader = job.lead(1).unwrap();
    let outcome = publish(&mut leader, 1, &SubtaskState::default());
    let Outcome::NotPublished(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert!(error.to_string().contains("make room"), "{error}");
}
