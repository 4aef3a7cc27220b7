//! A job's folder, and what its leader does there: publish, retire, collect garbage.
//!
//! ```text
//!   <place>/<job id>/log/00000000000000000001       claims and publications, see `leader`
//!                    chk-7-t2/_metadata             the manifest of epoch 7 by term 2
//!                    chk-7-t2/0-3                   data of subtask 3 of task 0
//!                    shared/chk-6-t2-0-3-f0         native files, named by several manifests
//!                    savepoint-8-t2/...             belong to the user: never deleted
//!                    requests/...                   see `requests`
//! ```
//!
//! Carries out what the pure modules decide; here is the I/O and its uncertainty.
//!
//! Invariants: a manifest is written before its log entry; a path names term and epoch, so
//! two leaders never write the same object; files are deleted only after the entry that
//! names them is gone from the log, or was never there.

use crate::coordinator::Publication;
use crate::fault;
use crate::leader::{Answer, LeaderLog, Op, Record, Step};
use crate::manifest::{LocatedManifest, MANIFEST, Manifest, OperatorInfo, SubtaskState};
use crate::registry::{FileRegistry, Holder, writer_of};
use crate::storage::{Created, Storage};
use crate::writer::UploadPlace;
use millstream_core::{Epoch, Error, ErrorKind, Result};
use millstream_state::SnapshotKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an operation of the log is tried again before its outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same while a job starts, when somebody may be waiting for the reason.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// What a manifest says of its job.
#[derive(Clone, Debug, Default)]
pub struct JobDescription {
    /// For people.
    pub name: String,
    /// Number of key groups.
    pub max_parallelism: u32,
    /// Every operator.
    pub operators: Vec<OperatorInfo>,
}

/// A job's place for checkpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JobStorage {
    place: Storage,
    job: Storage,
    job_id: String,
}

/// The folder of a checkpoint.
fn folder_of(kind: SnapshotKind, epoch: Epoch, term: u64) -> String {
    match kind {
        SnapshotKind::Checkpoint => format!("chk-{epoch}-t{term}"),
        _ => format!("savepoint-{epoch}-t{term}"),
    }
}

impl JobStorage {
    /// The job `job_id` in `place`.
    ///
    /// # Errors
    /// `Config` when the id is not a plain name.
    pub fn new(place: &Storage, job_id: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if job_id.is_empty()
            || job_id.len() > 128
            || !job_id.chars().all(plain)
            || job_id.starts_with('.')
        {
            return Err(Error::config(format!("'{job_id}' cannot be the id of a job"))
                .advice("use letters, digits, '-', '_' and '.', at most 128"));
        }
        Ok(Self::plain(place, job_id))
    }
    pub(crate) fn plain(place: &Storage, job_id: &str) -> Self {
        JobStorage { place: place.clone(), job: place.folder(job_id), job_id: job_id.to_owned() }
    }
    /// Another job in the same place.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_job_id(&self, job_id: &str) -> Result<Self> {
        Self::new(&self.place, job_id)
    }
    /// The job's id.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }
    /// Its folder.
    pub fn folder(&self) -> &Storage {
        &self.job
    }

    /// Where subtasks store a checkpoint or savepoint; `directory`: of a savepoint that does
    /// not go to the job's own folder.
    ///
    /// # Errors
    /// `Config` when the directory cannot be used.
    pub fn upload_place(
        &self,
        kind: SnapshotKind,
        directory: Option<&str>,
        epoch: Epoch,
        term: u64,
    ) -> Result<UploadPlace> {
        let self_contained = kind != SnapshotKind::Checkpoint;
        let folder = folder_of(kind, epoch, term);
        if !self_contained {
            return Ok(UploadPlace { parent: self.job.clone(), folder, self_contained });
        }
        // A job that was stopped with a savepoint is often started from it at once.
        Ok(match directory {
            Some(place) => UploadPlace {
                parent: Storage::open(place)?.read_soon(),
                folder: format!("{}-{folder}", self.job_id),
                self_contained,
            },
            None => UploadPlace { parent: self.job.clone().read_soon(), folder, self_contained },
        })
    }

    /// Claims the next term. `nonce`: a random number.
    ///
    /// # Errors
    /// `Retry` when storage does not answer; `Config` when it refuses, or would let two
    /// processes lead; `Corrupt` when the log is damaged.
    pub fn lead(&self, nonce: u64) -> Result<Leader> {
        let (log, op) = LeaderLog::claim(nonce);
        let mut leader = Leader {
            storage: self.clone(),
            log,
            files: FileRegistry::default(),
            places: BTreeMap::new(),
            decided: Epoch(0),
            keep_all: false,
            claimed: None,
        };
        match leader.drive(op, true)? {
            Step::Leads => {}
            _ => return Err(Error::bug("a claim ended without leadership")),
        }
        self.check_create(&leader)?;
        leader.adopt();
        Ok(leader)
    }

    /// Everything rests on *create if absent*: a store that takes the condition and ignores
    /// it would let two processes lead. So our claim is created once more.
    fn check_create(&self, leader: &Leader) -> Result<()> {
        let mine = leader.log.entries().iter().rev().find(|(_, r)| r.term() == leader.term());
        let Some((number, claim)) = mine else { return Ok(()) };
        match self.job.create(&entry_path(*number), encode_record(claim)?) {
            Created::Exists | Created::Unknown(_) => Ok(()),
            Created::Yes => Err(Error::config(format!(
                "{} replaces an object that it was asked to create only if there is none",
                self.job.place()
            ))
            .advice("use a store that keeps 'If-None-Match: *' of a put; see docs/checkpoints.md")),
        }
    }

    /// The newest recovery point, without becoming the leader: for tools.
    ///
    /// # Errors
    /// As [`Leader::restore_point`].
    pub fn latest(&self) -> Result<Option<LocatedManifest>> {
        let mut newest = None;
        for (path, _) in self.job.list("log")? {
            let Some(bytes) = self.job.get(&path)? else { continue };
            match decode_record(&self.job, &path, &bytes)? {
                record @ Record::Published { .. } => newest = Some(record),
                Record::Finished { .. } => newest = None,
                Record::Claim { .. } => {}
            }
        }
        newest.map(|record| self.open_published(&record)).transpose()
    }

    fn open_published(&self, record: &Record) -> Result<LocatedManifest> {
        let Record::Published { directory, folder, checksum, .. } = record else {
            return Err(Error::bug("only publications have a manifest"));
        };
        let parent = match directory {
            Some(place) => Storage::open(place)?,
            None => self.job.clone(),
        };
        let located = LocatedManifest::read(&parent, folder)?;
        if blake3::hash(&located.manifest.encode()?).as_bytes() != checksum {
            let path = format!("{folder}/{MANIFEST}");
            return Err(parent.damaged(&path, "is not the one that the job's log names"));
        }
        Ok(located)
    }
}

fn entry_path(number: u64) -> String {
    format!("log/{number:020}")
}

fn decode_record(job: &Storage, path: &str, bytes: &[u8]) -> Result<Record> {
    let sum = bytes.len().checked_sub(16);
    let (body, sum) = sum.map_or((bytes, &[][..]), |at| bytes.split_at(at));
    if sum != crate::writer::section_checksum(body) {
        return Err(job.damaged(path, "has a wrong checksum"));
    }
    postcard::from_bytes(body).map_err(|_| job.damaged(path, "does not decode"))
}

fn encode_record(record: &Record) -> Result<Vec<u8>> {
    let mut bytes = postcard::to_stdvec(record)?;
    let sum = crate::writer::section_checksum(&bytes);
    bytes.extend_from_slice(&sum);
    Ok(bytes)
}

/// What became of a publication.
#[derive(Debug)]
pub enum Outcome {
    /// It is there, at this place.
    Published(String),
    /// It is certainly not there.
    NotPublished(Error),
    /// Somebody else leads the job, or nobody can tell: the attempt has to end.
    Lost(Error),
}

/// The one that decides for a job. See the module.
pub struct Leader {
    storage: JobStorage,
    log: LeaderLog,
    files: FileRegistry,
    /// Places of what was published, by epoch.
    places: BTreeMap<Epoch, String>,
    /// The newest epoch that was published or given up.
    decided: Epoch,
    /// A manifest could not be read: nobody knows what it names, so nothing is deleted.
    keep_all: bool,
    /// What the job was restored from and may delete.
    claimed: Option<LocatedManifest>,
}

impl Leader {
    /// The term.
    pub fn term(&self) -> u64 {
        self.log.term()
    }
    /// The job's place.
    pub fn storage(&self) -> &JobStorage {
        &self.storage
    }
    /// Whether the job has ended well, in an earlier attempt.
    pub fn is_finished(&self) -> bool {
        self.log.is_finished()
    }
    /// Epochs of the checkpoints that are kept, oldest first.
    pub fn retained(&self) -> Vec<Epoch> {
        let epoch = |record: &Record| match record {
            Record::Published { epoch, .. } => Some(Epoch(*epoch)),
            _ => None,
        };
        self.log.published().filter_map(|(_, record)| epoch(record)).collect()
    }

    /// The newest recovery point; never another one, should it be damaged.
    ///
    /// # Errors
    /// `Corrupt`, with the name of what is damaged or missing; `Retry`.
    pub fn restore_point(&self) -> Result<Option<LocatedManifest>> {
        let newest = self.log.published().next_back().map(|(_, record)| record.clone());
        newest.map(|record| self.storage.open_published(&record)).transpose()
    }

    /// The job was restored from this, and owns it: it is deleted when the job has a
    /// checkpoint of its own.
    pub fn claim(&mut self, located: LocatedManifest) {
        self.claimed = Some(located);
    }

    /// Takes over what earlier leaders have published.
    fn adopt(&mut self) {
        let records: Vec<(u64, Record)> =
            self.log.published().map(|(number, r)| (number, r.clone())).collect();
        for (number, record) in records {
            let Record::Published { epoch, directory, folder, .. } = &record else { continue };
            match self.storage.open_published(&record) {
                Ok(located) => {
                    let place = located.place();
                    self.places.insert(Epoch(*epoch), place);
                    // Savepoints belong to the user, wherever they are.
                    if directory.is_none() && located.manifest.kind == SnapshotKind::Checkpoint {
                        let files = located.manifest.objects().map(|o| located.path(o));
                        let own = format!("{folder}/{MANIFEST}");
                        self.files.hold(Holder::Retained(*epoch), files.chain([own]));
                    }
                }
                // Its leader may have been about to retire it, and has done so by now; or a
                // doubled request has written an old entry once more (found by the simulation).
                Err(_) => {
                    let gone = |path: &str| matches!(self.storage.job.size(path), Ok(None));
                    let manifest = format!("{folder}/{MANIFEST}");
                    self.keep_all |= !gone(&manifest) && !gone(&entry_path(number));
                }
            }
        }
    }

    fn drive(&mut self, op: Op, claims: bool) -> Result<Step> {
        let job = self.storage.job.clone();
        let begin = Instant::now();
        let mut wait = Duration::from_millis(20);
        let mut step = Step::Do(op);
        while let Step::Do(op) = step {
            let (answer, error) = match &op {
                Op::List => match job.list("log") {
                    Ok(all) => {
                        let number =
                            |(path, _): &(String, u64)| path.rsplit('/').next()?.parse().ok();
                        (Answer::Listed(all.iter().filter_map(number).collect()), None)
                    }
                    Err(e) => (Answer::Unknown, Some(e)),
                },
                Op::Read(number) => match job.get(&entry_path(*number)) {
                    Ok(None) => (Answer::Missing, None),
                    Ok(Some(bytes)) => {
                        let record = decode_record(&job, &entry_path(*number), &bytes)?;
                        (Answer::Found(record), None)
                    }
                    Err(e) => (Answer::Unknown, Some(e)),
                },
                Op::Create(number, record) => {
                    match job.create(&entry_path(*number), encode_record(record)?) {
                        Created::Yes => (Answer::Created, None),
                        Created::Exists => (Answer::Exists, None),
                        Created::Unknown(e) => (Answer::Unknown, Some(e)),
                    }
                }
            };
            if let Some(error) = error {
                // At the start nothing is lost by an error that names what is to be done;
                // later, permissions that are gone for a moment should not end the job.
                let patience = if claims { START_PATIENCE } else { PATIENCE };
                if begin.elapsed() > patience || (claims && error.kind() == ErrorKind::Config) {
                    return Err(error);
                }
                std::thread::sleep(wait);
                wait = (wait * 2).min(Duration::from_secs(2));
            }
            step = self.log.answer(answer);
        }
        Ok(step)
    }

    fn append(&mut self, record: Record) -> Result<()> {
        let op = self.log.append(record);
        match self.drive(op, false)? {
            Step::Appended => Ok(()),
            _ => Err(Error::restart(format!(
                "another process leads the job '{}' now",
                self.storage.job_id
            ))
            .advice("make sure that the job was started once only")),
        }
    }

    /// Writes a manifest and, for a recovery point, its entry in the log.
    pub fn publish(
        &mut self,
        publication: Publication<Arc<SubtaskState>>,
        job: &JobDescription,
        now_ms: i64,
    ) -> Outcome {
        let (kind, epoch) = (publication.kind, publication.epoch);
        let directory = publication.directory.as_deref();
        let place = self.storage.upload_place(kind, directory, epoch, self.term());
        let written = place.and_then(|place| {
            let manifest = self.manifest(publication.clone(), job, now_ms, &place)?;
            let bytes = manifest.encode()?;
            fault::reach("before-manifest");
            let checksum = *blake3::hash(&bytes).as_bytes();
            place.parent.put(&format!("{}/{MANIFEST}", place.folder), bytes)?;
            Ok((place, manifest, checksum))
        });
        self.decided = self.decided.max(epoch);
        let (place, manifest, checksum) = match written {
            Ok(written) => written,
            Err(error) => return Outcome::NotPublished(error),
        };
        let own = !place.self_contained;
        let folder = place.folder.clone();
        let located = LocatedManifest { manifest, parent: place.parent, folder: folder.clone() };
        if publication.recovery_point {
            if own {
                let files = located.manifest.objects().map(|o| located.path(o));
                let manifest = format!("{folder}/{MANIFEST}");
                self.files.hold(Holder::Pending(epoch.0), files.chain([manifest]));
            }
            let directory = publication.directory.filter(|_| !own);
            let term = self.term();
            let record = Record::Published { term, epoch: epoch.0, directory, folder, checksum };
            fault::reach("before-publish");
            if let Err(error) = self.append(record) {
                return Outcome::Lost(error.at(format!("checkpoint {epoch}")));
            }
            fault::reach("after-publish");
            self.files.publish(epoch.0);
            if let Some(claimed) = self.claimed.take() {
                let _ = claimed.delete(); // what is left costs room, nothing else
            }
        }
        self.places.insert(epoch, located.place());
        Outcome::Published(located.place())
    }

    fn manifest(
        &self,
        publication: Publication<Arc<SubtaskState>>,
        job: &JobDescription,
        now_ms: i64,
        place: &UploadPlace,
    ) -> Result<Manifest> {
        let mut subtasks = Vec::with_capacity(publication.subtasks.len());
        for (id, state) in publication.subtasks {
            let mut state = Arc::unwrap_or_clone(state);
            if place.self_contained {
                self.gather(&mut state, place)?;
            }
            subtasks.push((id, state));
        }
        Ok(Manifest {
            job_id: self.storage.job_id.clone(),
            job_name: job.name.clone(),
            term: self.term(),
            epoch: publication.epoch.0,
            kind: publication.kind,
            created_ms: now_ms,
            max_parallelism: job.max_parallelism,
            operators: job.operators.clone(),
            subtasks,
        })
    }

    /// Copies what lies elsewhere into the savepoint's folder: tasks that ended before had
    /// stored their last state with a checkpoint.
    fn gather(&self, state: &mut SubtaskState, place: &UploadPlace) -> Result<()> {
        for object in state.objects_mut() {
            if object.path.starts_with("./") {
                continue;
            }
            let name = object.path.replace('/', "-");
            let mut copy = place.parent.writer(format!("{}/{name}", place.folder));
            let (mut at, step) = (0, 4 << 20);
            while at < object.size_bytes {
                let end = (at + step).min(object.size_bytes);
                copy.write(&self.storage.job.get_range(&object.path, at..end)?)?;
                at = end;
            }
            if copy.finish()?.checksum != object.checksum {
                return Err(self.storage.job.damaged(&object.path, "has a wrong checksum"));
            }
            object.path = format!("./{name}");
        }
        Ok(())
    }

    /// A checkpoint is not kept any more: its entry goes, then the files that nobody needs.
    ///
    /// # Errors
    /// `Retry`; what is left is garbage for the next leader.
    pub fn retire(&mut self, epoch: Epoch) -> Result<()> {
        self.places.remove(&epoch);
        for number in self.log.deletable(epoch.0 + 1) {
            self.storage.job.delete(&entry_path(number))?;
        }
        let free = self.files.release(&Holder::Retained(epoch.0));
        self.delete(free)
    }

    /// What a subtask stored for a checkpoint that is certainly not published.
    ///
    /// # Errors
    /// `Retry`; what is left is garbage for the next leader.
    pub fn discard(&mut self, epoch: Epoch, state: &SubtaskState) -> Result<()> {
        self.decided = self.decided.max(epoch);
        // Savepoints that failed are left to their owner, who knows the directory.
        let own = |path: &str| writer_of(path) == Some((self.term(), epoch.0));
        let written = state.objects().map(|o| o.path.clone()).filter(|path| own(path));
        let free = self.files.unheld(written.collect::<Vec<_>>());
        self.delete(free)
    }

    fn delete(&self, files: Vec<String>) -> Result<()> {
        if self.keep_all {
            return Ok(());
        }
        files.iter().try_for_each(|file| self.storage.job.delete(file))
    }

    /// Deletes what earlier leaders have left behind: files that no kept manifest names, and
    /// whose writer can never publish again. Gives the number of files.
    ///
    /// # Errors
    /// `Retry`.
    pub fn collect_garbage(&mut self) -> Result<usize> {
        let mut garbage = Vec::new();
        for (path, _) in self.storage.job.list("")? {
            let Some(writer) = writer_of(&path) else { continue };
            if self.files.is_garbage(&path, writer, self.term(), self.decided.0) {
                garbage.push(path);
            }
        }
        let count = garbage.len();
        self.delete(garbage)?;
        Ok(count)
    }

    /// The job has ended for good: says so in the log, and deletes its checkpoints.
    /// Savepoints stay.
    ///
    /// # Errors
    /// `Retry`, or `Restart` when somebody else leads.
    pub fn finish(&mut self) -> Result<()> {
        let retained = self.retained();
        let term = self.term();
        self.append(Record::Finished { term })?;
        retained.into_iter().try_for_each(|epoch| self.retire(epoch))
    }

    /// Where epoch `epoch` was published.
    pub fn place_of(&self, epoch: Epoch) -> Option<&str> {
        self.places.get(&epoch).map(String::as_str)
    }
}

#[cfg(test)]
#[path = "leadership_tests.rs"]
mod tests;
