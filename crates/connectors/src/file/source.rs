//! Reads the files of one subtask, one after the other.
//!
//! At the head of a job. Position: of every file that this subtask owns, how many bytes
//! were read, or that it is finished.
//! Invariant: a file that a snapshot knows is never read again from its start, and one
//! that it knows as unfinished is never left out.

use super::config::FileSource;
use super::listing::{list_files, owns};
use super::open_file::{Next, OpenFile, Position};
use millstream_core::{Data, Epoch, Error, NO_TIMESTAMP, Result};
use millstream_formats::{BadRecords, DeadLetter};
use millstream_runtime::source::{SourceOutput, SplitIndex};
use millstream_runtime::{
    OperatorContext, OperatorSnapshot, SourcePoll, SourceReader, SubtaskInfo,
};
use std::collections::BTreeMap;
use std::path::Path;

const FILES_STATE: &str = "file-positions";
/// Rows of one call.
const POLL_ROWS: usize = 1024;
/// Steps of one call that gave no row: chunks read, bad records, blank lines.
const POLL_STEPS: usize = 4096;

/// A file of this subtask.
#[derive(Default)]
struct KnownFile {
    position: Position,
    split: Option<SplitIndex>,
}

pub(super) struct FileReader<T> {
    config: FileSource<T>,
    subtask: SubtaskInfo,
    bad: BadRecords,
    files: BTreeMap<String, KnownFile>,
    current: Option<(String, OpenFile<T>)>,
    /// The file that was read last; its split is finished when the next one has begun, so
    /// that there is always one that says how far event time is.
    former: Option<SplitIndex>,
    next_listing_ms: Option<i64>,
}

impl<T: Data> FileReader<T> {
    pub(super) fn open(config: FileSource<T>, context: &OperatorContext) -> Result<Self> {
        let bad = BadRecords::open(&config.policy, context)?;
        let stored: Vec<(String, Position)> = context.restored.list_union(FILES_STATE)?;
        let known = |(path, position)| (path, KnownFile { position, split: None });
        let mut reader = FileReader {
            bad,
            subtask: context.subtask.clone(),
            files: stored.into_iter().map(known).collect(),
            current: None,
            former: None,
            next_listing_ms: None,
            config,
        };
        reader.files.retain(|path, _| owns(&reader.subtask, path));
        reader.list(context.clock.now_ms())?;
        Ok(reader)
    }

    /// Looks for files, and adds those of this subtask that are new.
    fn list(&mut self, now_ms: i64) -> Result<()> {
        let listed = list_files(&self.config.paths, self.config.monitor.is_none())?;
        let begun_and_gone = |(path, file): &(&String, &KnownFile)| {
            !file.position.finished && !listed.contains(*path)
        };
        if let Some((path, file)) = self.files.iter().find(begun_and_gone) {
            let offset = file.position.offset;
            return Err(Error::config(format!(
                "file '{path}' is gone, and was read to byte {offset} only"
            ))
            .advice("put it back, or start the job without its former state"));
        }
        self.files.retain(|path, _| listed.contains(path));
        for path in listed {
            if owns(&self.subtask, &path) {
                self.files.entry(path).or_default();
            }
        }
        self.next_listing_ms = self.config.monitor.map(|interval| {
            now_ms.saturating_add(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX))
        });
        Ok(())
    }

    /// Opens the next file, if there is one.
    fn open_next(&mut self, out: &mut SourceOutput<'_, T>) -> Result<bool> {
        let unfinished = |(_, file): &(&String, &mut KnownFile)| !file.position.finished;
        let Some((path, file)) = self.files.iter_mut().find(unfinished) else {
            return Ok(false);
        };
        let decoder = self.config.format.decoder();
        let limit = self.config.max_record_bytes;
        let opened = OpenFile::open(Path::new(path), &file.position, decoder, limit)?;
        file.split.get_or_insert_with(|| out.add_split());
        self.current = Some((path.clone(), opened));
        if let Some(former) = self.former.take() {
            out.finish_split(former);
        }
        Ok(true)
    }

    fn finish_current(&mut self) {
        let Some((path, _)) = self.current.take() else { return };
        if let Some(file) = self.files.get_mut(&path) {
            file.position = Position::at_end();
            self.former = file.split.take();
        }
    }
}

impl<T: Data> SourceReader<T> for FileReader<T> {
    fn poll(&mut self, out: &mut SourceOutput<'_, T>) -> Result<SourcePoll> {
        if self.next_listing_ms.is_some_and(|at| at <= out.now_ms()) {
            self.list(out.now_ms())?;
        }
        if self.config.wait_for_all_files {
            for file in self.files.values_mut().filter(|file| !file.position.finished) {
                file.split.get_or_insert_with(|| out.add_split());
            }
        }
        let (mut rows, mut steps) = (0, 0);
        while rows < POLL_ROWS && steps < POLL_STEPS {
            let Some((path, file)) = &mut self.current else {
                if self.open_next(out)? {
                    continue;
                }
                return Ok(match self.next_listing_ms {
                    Some(at) => SourcePoll::Wait(Some(at)),
                    None => self.bad.flush().map(|()| SourcePoll::End)?,
                });
            };
            let split = self.files.get(path).and_then(|file| file.split);
            let split = split.ok_or_else(|| Error::bug("a file is read that has no split"))?;
            match file.next(Path::new(path)).map_err(|e| e.at(format!("file '{path}'")))? {
                Next::Record(value) => {
                    out.collect(split, value, NO_TIMESTAMP);
                    rows += 1;
                }
                Next::Bad { error, raw, offset } => {
                    let letter = || DeadLetter {
                        raw: Some(raw),
                        origin: format!("file '{path}' at byte {offset}"),
                        ..DeadLetter::default()
                    };
                    self.bad.handle(error, letter)?;
                    steps += 1;
                }
                // A chunk is worth many steps: it may have been a slow disk's.
                Next::Read => steps += 64,
                Next::End => self.finish_current(),
            }
        }
        Ok(SourcePoll::More)
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.bad.flush()?;
        for (path, file) in &self.files {
            let current = self.current.as_ref().filter(|(open, _)| open == path);
            let position = current.map_or_else(|| file.position.clone(), |(_, f)| f.position());
            into.put_list(FILES_STATE, &(path, position))?;
        }
        Ok(())
    }
}
