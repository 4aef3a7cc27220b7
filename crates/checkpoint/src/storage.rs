//! Objects by path: a local folder, memory, or a cloud store by URL.
//!
//! The only module that knows `object_store`. Calls block; they come from uploader
//! threads and the job's own thread, never from a worker.
//!
//! Invariants: errors and descriptions name places without credentials; a local object
//! that was written is on disk (`fsync`), not only in the machine's memory; a call whose
//! outcome is not known says so ([`Created::Unknown`]).

mod cloud;
mod local_file;
mod object_writer;

pub use object_writer::{ObjectWriter, Written};

use futures_util::TryStreamExt;
use millstream_core::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::future::Future;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Runtime;

/// Whether an object was created.
#[derive(Debug)]
pub enum Created {
    /// By this call.
    Yes,
    /// There is one of this name; perhaps by an earlier call of ours.
    Exists,
    /// It may be there or not.
    Unknown(Error),
}

/// A place for objects. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    root: ObjectPath,
    /// The folder, when objects are local files.
    local: Option<PathBuf>,
    /// For people; without credentials.
    place: String,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Storage({})", self.place)
    }
}

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let build = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("storage").enable_all().build()
    };
    RUNTIME
        .get_or_init(build)
        .as_ref()
        .map_err(|e| Error::retry(format!("cannot start the threads of storage: {e}")))
}

/// Waits for `work`, also when the caller is itself within an async runtime.
fn block_on<F: Future + Send>(work: F) -> Result<F::Output>
where
    F::Output: Send,
{
    let runtime = runtime()?;
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(runtime.block_on(work));
    }
    let waited = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
    waited.map_err(|_| Error::bug("a storage call panicked"))
}

/// A URL or message as people may see it: no user, password, key or token.
pub(crate) fn masked(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let word = match word.split_once("://") {
            Some((scheme, rest)) => match rest.split_once('@') {
                Some((user, host)) if !user.contains('/') => format!("{scheme}://***@{host}"),
                _ => word.to_owned(),
            },
            None => word.to_owned(),
        };
        words.push(match word.split_once('?') {
            Some((before, query)) if query.contains('=') => format!("{before}?***"),
            _ => word,
        });
    }
    words.join(" ")
}

impl Storage {
    /// `place`: a folder, or a URL (`file://`, `memory://`; `s3://`, `gs://`, `az://` when
    /// built with the cargo feature). Cloud credentials come from the environment, by the
    /// names of the vendors' own tools (`AWS_ACCESS_KEY_ID`, ...).
    ///
    /// Whether a store can be reached is seen at the first call.
    ///
    /// # Errors
    /// `Config` when it cannot be understood, created, or is of a kind that was not built in.
    pub fn open(place: &str) -> Result<Self> {
        Self::open_with(place, std::env::vars())
    }

    /// [`open`](Self::open) with these settings in place of the environment.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        place: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let shown = masked(place);
        let wrong = |e: &dyn std::fmt::Display| {
            Error::config(format!(
                "cannot use '{shown}' for checkpoints: {}",
                masked(&e.to_string())
            ))
            .advice("give a folder that can be written, or a URL like s3://bucket/path")
        };
        if !place.contains("://") || place.starts_with("file://") {
            let folder = match url::Url::parse(place) {
                Ok(url) if url.scheme() == "file" => {
                    url.to_file_path().map_err(|()| wrong(&"not a path of this machine"))?
                }
                _ => PathBuf::from(place),
            };
            std::fs::create_dir_all(&folder).map_err(|e| wrong(&e))?;
            let folder = folder.canonicalize().map_err(|e| wrong(&e))?;
            let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| wrong(&e))?;
            return Ok(Storage {
                store: Arc::new(store.with_automatic_cleanup(true)),
                root: ObjectPath::default(),
                place: folder.display().to_string(),
                local: Some(folder),
            });
        }
        let url = url::Url::parse(place).map_err(|e| wrong(&e))?;
        let (store, root) = cloud::open(&url, settings.into_iter()).map_err(|e| match e {
            object_store::Error::NotSupported { .. } => {
                wrong(&e).advice("build with the cargo feature s3, gcs or azure for such a place")
            }
            e => wrong(&e).advice("check the environment, where its settings come from"),
        })?;
        Ok(Storage { store, root, local: None, place: shown.trim_end_matches('/').to_owned() })
    }

    /// In memory; clones share it.
    pub fn memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    /// Over any store (tests, fault injection).
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        let (root, place) = (ObjectPath::default(), "memory".to_owned());
        Storage { store, root, local: None, place }
    }

    /// The folder `name` in this place.
    pub fn folder(&self, name: &str) -> Self {
        let place = format!("{}/{name}", self.place);
        let local = self.local.clone();
        Storage { store: Arc::clone(&self.store), root: self.path(name), local, place }
    }

    /// For people.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn path(&self, path: &str) -> ObjectPath {
        let parts = self.root.parts().map(|p| p.as_ref().to_owned());
        parts.chain(path.split('/').filter(|p| !p.is_empty()).map(str::to_owned)).collect()
    }

    fn failed(&self, what: &str, path: &str, error: &object_store::Error) -> Error {
        let text = format!("cannot {what} {}/{path}: {}", self.place, cloud::shown(error));
        match cloud::remedy(error) {
            cloud::Remedy::Retry(advice) => Error::retry(text).advice(advice),
            cloud::Remedy::Configure(advice) => Error::config(text).advice(advice),
        }
    }

    fn local_file(&self, path: &str) -> Option<PathBuf> {
        let local = self.local.as_ref()?;
        Some(local.join(self.path(path).as_ref()))
    }

    /// What was written survives a loss of power.
    fn sync(&self, path: &str) -> Result<()> {
        let Some(file) = self.local_file(path) else { return Ok(()) };
        let sync = |p: &Path| std::fs::File::open(p).and_then(|f| f.sync_all());
        let synced = sync(&file).and_then(|()| file.parent().map_or(Ok(()), sync));
        synced.map_err(|e| Error::retry(format!("cannot sync {}: {e}", file.display())))
    }

    /// Writes an object, over one of the same name.
    ///
    /// # Errors
    /// `Retry`.
    pub fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let at = self.path(path);
        let put = block_on(self.store.put(&at, PutPayload::from(bytes)))?;
        put.map_err(|e| self.failed("write", path, &e))?;
        self.sync(path)
    }

    /// Writes an object if there is none of its name.
    pub fn create(&self, path: &str, bytes: Vec<u8>) -> Created {
        let at = self.path(path);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match block_on(self.store.put_opts(&at, PutPayload::from(bytes), options)) {
            Ok(Ok(_)) => self.sync(path).map_or_else(Created::Unknown, |()| Created::Yes),
            Ok(Err(object_store::Error::AlreadyExists { .. })) => Created::Exists,
            Ok(Err(e)) => Created::Unknown(self.failed("write", path, &e)),
            Err(e) => Created::Unknown(e),
        }
    }

    /// Reads an object; `None` when there is none.
    ///
    /// # Errors
    /// `Retry`.
    pub fn get(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let at = self.path(path);
        let read = async { self.store.get(&at).await?.bytes().await };
        match block_on(read)? {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("read", path, &e)),
        }
    }

    /// Reads a part of an object.
    ///
    /// # Errors
    /// `Corrupt` when there is no such object or part; `Retry`.
    pub fn get_range(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let at = self.path(path);
        let size = range.end - range.start;
        match block_on(self.store.get_range(&at, range))? {
            Ok(bytes) if bytes.len() as u64 == size => Ok(bytes.into()),
            Ok(_) => Err(self.damaged(path, "is shorter than it was written")),
            Err(object_store::Error::NotFound { .. }) => Err(self.damaged(path, "is missing")),
            Err(e) => match self.size(path) {
                Ok(_) if e.to_string().contains("range") => {
                    Err(self.damaged(path, "is shorter than it was written"))
                }
                _ => Err(self.failed("read", path, &e)),
            },
        }
    }

    /// The error for an object that is not as it was written.
    pub fn damaged(&self, path: &str, how: &str) -> Error {
        Error::corrupt(format!("{}/{path} {how}", self.place))
            .advice("restore it from a backup, or start from another checkpoint or savepoint")
    }

    /// The size of an object; `None` when there is none.
    ///
    /// # Errors
    /// `Retry`.
    pub fn size(&self, path: &str) -> Result<Option<u64>> {
        let at = self.path(path);
        match block_on(self.store.head(&at))? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("look for", path, &e)),
        }
    }

    /// Paths and sizes of all objects whose path begins with the folder `prefix`, in order.
    ///
    /// # Errors
    /// `Retry`.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let at = self.path(prefix);
        let listed = block_on(self.store.list(Some(&at)).try_collect::<Vec<_>>())?;
        let listed = listed.map_err(|e| self.failed("list", prefix, &e))?;
        let root = self.root.as_ref();
        let relative = |path: &str| {
            let path = path.strip_prefix(root).unwrap_or(path);
            path.trim_start_matches('/').to_owned()
        };
        let mut paths: Vec<_> =
            listed.iter().map(|meta| (relative(meta.location.as_ref()), meta.size)).collect();
        paths.sort();
        Ok(paths)
    }

    /// Deletes an object; one that is not there is as good as deleted.
    ///
    /// # Errors
    /// `Retry`.
    pub fn delete(&self, path: &str) -> Result<()> {
        let at = self.path(path);
        match block_on(self.store.delete(&at))? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed("delete", path, &e)),
        }
    }

    /// Begins to write a large object by parts.
    pub fn writer(&self, path: impl Into<String>) -> ObjectWriter {
        ObjectWriter::new(self.clone(), path.into())
    }

    /// Copies a local file to an object.
    ///
    /// # Errors
    /// `Retry` when the file cannot be read or storage refuses.
    pub fn put_file(&self, path: &str, local: &Path) -> Result<Written> {
        let broken = |e: std::io::Error| {
            Error::retry(format!("cannot read the state file {}: {e}", local.display()))
        };
        let mut file = std::fs::File::open(local).map_err(broken)?;
        let mut writer = self.writer(path);
        let mut chunk = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut chunk).map_err(broken)?;
            if read == 0 {
                return writer.finish();
            }
            writer.write(&chunk[..read])?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn contract(storage: &Storage) {
        let jobs = storage.folder("jobs/a");
        jobs.put("chk-1/x", vec![1, 2, 3]).unwrap();
        jobs.put("chk-2/y", vec![4]).unwrap();
        storage.put("other", vec![9]).unwrap();
        let all = [("chk-1/x".to_owned(), 3), ("chk-2/y".to_owned(), 1)];
        assert_eq!(jobs.list("").unwrap(), all);
        assert_eq!(jobs.list("chk-2").unwrap(), all[1..]);
        assert_eq!(jobs.get_range("chk-1/x", 1..3).unwrap(), [2, 3]);
        let gone = jobs.get_range("chk-1/z", 0..1).unwrap_err();
        assert!(gone.to_string().contains("chk-1/z is missing"), "{gone}");
        let short = jobs.get_range("chk-1/x", 1..9).unwrap_err();
        assert!(short.to_string().contains("shorter"), "{short}");
        assert!(matches!(jobs.create("log/1", vec![1]), Created::Yes));
        assert!(matches!(jobs.create("log/1", vec![2]), Created::Exists));
        assert_eq!(jobs.get("log/1").unwrap(), Some(vec![1]));
        let mut writer = jobs.writer("large");
        for i in 0..20u8 {
            writer.write(&vec![i; 1 << 20]).unwrap();
        }
        let written = writer.finish().unwrap();
        assert_eq!(jobs.size("large").unwrap(), Some(20 << 20));
        let bytes = jobs.get("large").unwrap().unwrap();
        assert_eq!(*blake3::hash(&bytes).as_bytes(), written.checksum);
        jobs.delete("large").unwrap();
        jobs.delete("large").unwrap();
        assert_eq!(jobs.get("large").unwrap(), None);
    }

    #[test]
    fn memory_keeps_the_contract() {
        contract(&Storage::memory());
    }

    #[test]
    fn a_local_folder_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        contract(&Storage::open(folder.path().to_str().unwrap()).unwrap());
    }

    #[test]
    fn credentials_are_not_shown() {
        let error = Storage::open("ftp://me:secret@host/path?token=abc").unwrap_err().to_string();
        assert!(!error.contains("secret") && !error.contains("abc"), "{error}");
        assert_eq!(masked("at az://c/p?sig=x now"), "at az://c/p?*** now");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_configuration_error() {
        let error = Storage::open("/dev/null/checkpoints").unwrap_err();
        assert_eq!(error.kind(), millstream_core::ErrorKind::Config);
    }
}
