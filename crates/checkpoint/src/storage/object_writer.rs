//! Writes one object: at once when it is small, by parts when it is large.
//!
//! One part is gathered while the one before it is on its way: at most two are in memory.
//!
//! Invariant: there is an object of this name only when all of it was written.

use super::local_file::{LocalFile, Part};
use super::{Storage, block_on, runtime};
use millstream_core::{Error, Result};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Bytes of one part of a large object (S3 wants at least 5 MiB).
const PART_BYTES: usize = 8 << 20;

/// What is known of an object that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size.
    pub size_bytes: u64,
    /// blake3 of its content.
    pub checksum: [u8; 32],
}

/// Where parts go.
enum Parts {
    Local(Arc<LocalFile>),
    Remote(Box<dyn MultipartUpload>),
}

/// Writes one object. See the module.
pub struct ObjectWriter {
    storage: Storage,
    path: String,
    buffer: Part,
    parts: Option<Parts>,
    /// On its way; its memory comes back, when it can be used again.
    part: Option<JoinHandle<object_store::Result<Part>>>,
    /// For the next part.
    free: Part,
    hash: blake3::Hasher,
    size: u64,
}

impl ObjectWriter {
    pub(super) fn new(storage: Storage, path: String) -> Self {
        let (buffer, hash) = (Part::default(), blake3::Hasher::new());
        let free = Part::default();
        ObjectWriter { storage, path, buffer, parts: None, part: None, free, hash, size: 0 }
    }

    /// Bytes written so far.
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Everything, when it is still in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        let bytes = self.buffer.bytes();
        (bytes.len() as u64 == self.size).then_some(bytes)
    }

    /// Appends.
    ///
    /// # Errors
    /// `Retry`.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        loop {
            let room = PART_BYTES - self.buffer.bytes().len();
            let (part, rest) = bytes.split_at(bytes.len().min(room));
            self.buffer.extend(part);
            if part.len() < room {
                return Ok(());
            }
            self.wait()?;
            let next = std::mem::take(&mut self.free).emptied(PART_BYTES);
            let part = std::mem::replace(&mut self.buffer, next);
            self.send(part)?;
            bytes = rest;
        }
    }

    fn failed(&self, error: &object_store::Error) -> Error {
        self.storage.failed("write", &self.path, error)
    }

    fn begin(&self) -> Result<Parts> {
        if let Some(at) = self.storage.local_file(&self.path) {
            return LocalFile::create(at).map(Parts::Local).map_err(|e| self.failed(&e));
        }
        let at = self.storage.path(&self.path);
        let parts = block_on(self.storage.store.put_multipart(&at))?;
        parts.map(Parts::Remote).map_err(|e| self.failed(&e))
    }

    fn send(&mut self, part: Part) -> Result<()> {
        self.wait()?;
        if self.parts.is_none() {
            self.parts = Some(self.begin()?);
        }
        self.part = match &mut self.parts {
            Some(Parts::Local(file)) => {
                let file = Arc::clone(file);
                Some(runtime()?.spawn_blocking(move || file.write(part)))
            }
            Some(Parts::Remote(parts)) => {
                let put = parts.put_part(PutPayload::from(part.into_bytes()));
                Some(runtime()?.spawn(async { put.await.map(|()| Part::default()) }))
            }
            None => None,
        };
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        match block_on(part)? {
            Ok(Ok(free)) => {
                self.free = free;
                Ok(())
            }
            Ok(Err(e)) => Err(self.failed(&e)),
            Err(e) => Err(Error::bug(format!("an upload panicked: {e}"))),
        }
    }

    /// Writes the rest; the object is there when this returns.
    ///
    /// # Errors
    /// `Retry`; there is no object then.
    pub fn finish(mut self) -> Result<Written> {
        let written = Written { size_bytes: self.size, checksum: *self.hash.finalize().as_bytes() };
        let rest = std::mem::take(&mut self.buffer);
        if self.parts.is_none() {
            self.storage.put(&self.path, rest.bytes().to_vec())?;
            return Ok(written);
        }
        if !rest.bytes().is_empty() {
            self.send(rest)?;
        }
        self.wait()?;
        match &mut self.parts {
            Some(Parts::Local(file)) => file.publish().map_err(|e| self.failed(&e))?,
            Some(Parts::Remote(parts)) => {
                block_on(parts.complete())?.map_err(|e| self.failed(&e))?;
            }
            None => {}
        }
        self.parts = None;
        self.storage.sync(&self.path)?;
        Ok(written)
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        let _ = self.wait();
        if let Parts::Remote(mut parts) = parts {
            let _ = block_on(parts.abort()); // what is left costs room, nothing else
        }
    }
}
