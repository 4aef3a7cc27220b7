//! Lookup join: each row beside the rows of an outside table with its key.
//!
//! ```text
//!   batch ──keys that the cache does not know──> one request for all of them
//!     │                                              │ answer, on an I/O thread
//!     └──waits in order──────────────────────────────┴──> rows come out
//! ```
//! A batch asks once for its distinct keys. Batches, watermarks and idleness leave in the
//! order in which they came; at most `capacity` batches wait.
//!
//! Invariants: a watermark does not overtake rows; batches that wait are part of the snapshot
//! and are asked for again after a restore.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use hashbrown::HashMap;
use millstream_core::{Container, Epoch, Error, Result, Watermark};
use millstream_runtime::async_io::shared_runtime;
use millstream_runtime::{Operator, OperatorContext, OperatorSnapshot, Output, Progress, Waker};
use tokio::runtime::Handle;

use super::{evaluate, matchable, pair_schema, pick};
use crate::runtime::ChangeBatch;
use crate::runtime::change_batch::arrow_bug;
use crate::runtime::row::{RowCodec, Rows};
use crate::runtime::spec::{LookupCache, LookupJoinSpec};
use crate::runtime::state_table::is_past;

const STATE: &str = "lookup-waiting-batches";

/// The rows that an outside table has for some keys.
#[derive(Clone, Debug)]
pub struct LookupAnswer {
    /// Rows of all keys, in any order.
    pub rows: RecordBatch,
    /// For each row the index of its key in the request.
    pub keys: Vec<u32>,
}

/// A future that may move to an I/O thread.
pub type LookupFuture = Pin<Box<dyn Future<Output = Result<LookupAnswer>> + Send>>;

/// A table in an outside system.
pub trait LookupTable: Send + Sync + 'static {
    /// Called by each subtask before its first request.
    ///
    /// # Errors
    /// Ends the attempt.
    fn open(&self, _context: &OperatorContext) -> Result<()> {
        Ok(())
    }
    /// Asks for the rows with these keys: one row a key, distinct, none with a NULL. Runs on
    /// an I/O thread and must not block it.
    ///
    /// # Errors
    /// Ends the attempt; retries are the table's own business.
    fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture;
    /// The same at once, if the table is in memory; then keys may repeat, and rows come in the
    /// order of their keys. `None`: ask with [`lookup`](Self::lookup).
    ///
    /// # Errors
    /// As the lookup.
    fn answer_now(&self, _keys: &RecordBatch) -> Result<Option<LookupAnswer>> {
        Ok(None)
    }
}

type Key = Box<[u8]>;
/// The encoded rows of a key.
type Found = Arc<Vec<Box<[u8]>>>;

/// Answers that are known already, first in first out.
struct Cache {
    spec: LookupCache,
    found: HashMap<Key, Kept>,
    order: VecDeque<Key>,
}

struct Kept {
    found: Found,
    written_ms: i64,
    used_ms: i64,
}

impl Cache {
    fn new(spec: LookupCache) -> Self {
        Cache { spec, found: HashMap::new(), order: VecDeque::new() }
    }
    fn is_fresh(&self, kept: &Kept, now_ms: i64) -> bool {
        let fresh = |since, ttl: Option<i64>| ttl.is_none_or(|ttl| !is_past(since, ttl, now_ms));
        fresh(kept.written_ms, self.spec.expire_after_write_ms)
            && fresh(kept.used_ms, self.spec.expire_after_access_ms)
    }
    fn get(&mut self, key: &[u8], now_ms: i64) -> Option<Found> {
        let kept = self.found.get(key)?;
        if !self.is_fresh(kept, now_ms) {
            return None;
        }
        let kept = self.found.get_mut(key)?;
        kept.used_ms = now_ms;
        Some(kept.found.clone())
    }
    /// Looks at a few keys in turn and forgets those that are too old: keys that nobody asks
    /// for again do not stay, and no call takes long.
    fn expire_some(&mut self, now_ms: i64) {
        for _ in 0..2 {
            let Some(key) = self.order.pop_front() else { return };
            match self.found.get(&key) {
                Some(kept) if self.is_fresh(kept, now_ms) => self.order.push_back(key),
                _ => {
                    self.found.remove(&key);
                }
            }
        }
    }
    fn put(&mut self, key: &[u8], found: &Found, now_ms: i64) {
        if self.spec.max_keys == 0 || (found.is_empty() && !self.spec.keeps_missing) {
            return;
        }
        let kept = Kept { found: found.clone(), written_ms: now_ms, used_ms: now_ms };
        if self.found.insert(key.into(), kept).is_none() {
            self.order.push_back(key.into());
        }
        // A limit on keys makes room by itself.
        if self.spec.max_keys == usize::MAX {
            self.expire_some(now_ms);
        }
        while self.order.len() > self.spec.max_keys {
            if let Some(oldest) = self.order.pop_front() {
                self.found.remove(&oldest);
            }
        }
    }
}

/// What waits, in order of arrival.
enum Item {
    Batch(Box<Waiting>),
    Watermark(Watermark),
    Idle(bool),
}

struct Waiting {
    id: u64,
    batch: ChangeBatch,
    keys: Rows,
    can_match: Vec<bool>,
    /// Answers from the cache, and from the request once it is there.
    found: HashMap<Key, Found>,
    /// The keys of the request, in its order; empty when it was answered.
    asked: Vec<Key>,
}

type Report = (u64, Result<LookupAnswer>);

/// Reports when it is dropped, whatever happened to the request.
struct Reporter {
    report: Option<Report>,
    sender: Sender<Report>,
    waker: Waker,
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            // The receiver is gone when the operator was closed: nobody waits.
            let _ = self.sender.send(report);
            self.waker.wake();
        }
    }
}

struct Running {
    runtime: Handle,
    context: OperatorContext,
    sender: Sender<Report>,
    reports: Receiver<Report>,
}

/// The operator of [`LookupJoinSpec`].
pub struct LookupJoin {
    // Configuration.
    spec: LookupJoinSpec,
    table: Arc<dyn LookupTable>,
    pair_schema: arrow_schema::SchemaRef,
    key_schema: arrow_schema::SchemaRef,
    key_codec: RowCodec,
    right_codec: RowCodec,
    // Checkpointed: the batches in it.
    queue: VecDeque<Item>,
    // Rebuilt on restore.
    running: Option<Running>,
    cache: Cache,
    next_id: u64,
}

impl LookupJoin {
    /// Over an outside table.
    ///
    /// # Errors
    /// Configuration: a column type cannot be kept.
    pub fn new(spec: LookupJoinSpec, table: Arc<dyn LookupTable>) -> Result<Self> {
        Ok(LookupJoin {
            pair_schema: pair_schema(&spec.left, &spec.right),
            key_schema: Arc::new(spec.left.project(&spec.keys).map_err(arrow_bug)?),
            key_codec: RowCodec::of_columns(&spec.left, &spec.keys)?,
            right_codec: RowCodec::of_schema(&spec.right)?,
            queue: VecDeque::new(),
            running: None,
            cache: Cache::new(spec.cache),
            next_id: 0,
            table,
            spec,
        })
    }
    fn now_ms(&self) -> i64 {
        self.running.as_ref().map_or(0, |running| running.context.clock.now_ms())
    }
    fn request(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.key_schema.clone(), columns, &options)
            .map_err(arrow_bug)
    }
    /// Lets a batch pass whose answers are in memory; whether they were.
    fn pass(&self, batch: &ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<bool> {
        let columns = batch.columns(&self.spec.keys)?;
        let can_match = matchable(&columns, &vec![true; columns.len()], batch.len());
        let asking: Vec<u32> =
            (0..batch.len() as u32).filter(|row| can_match[*row as usize]).collect();
        let request = match asking.len() == batch.len() {
            true => self.request(columns, batch.len())?,
            false => {
                let rows: Vec<Option<u32>> = asking.iter().copied().map(Some).collect();
                self.request(pick(&columns, &rows)?, rows.len())?
            }
        };
        let Some(answer) = self.table.answer_now(&request)? else { return Ok(false) };
        let row_of = |key: &u32| {
            let row = asking.get(*key as usize).copied().map(Some);
            row.ok_or_else(|| Error::user("a lookup table answered for a key that was not asked"))
        };
        let mut rows = answer.keys.iter().map(row_of).collect::<Result<Vec<_>>>()?;
        let mut right: Vec<Option<u32>> = (0..rows.len() as u32).map(Some).collect();
        if let (Some(condition), false) = (&self.spec.condition, rows.is_empty()) {
            let left = pick(batch.rows().columns(), &rows)?;
            let of_table = answer.rows.columns().to_vec();
            let holds = evaluate(condition, &self.pair_schema, left, of_table, rows.len())?;
            let kept: Vec<usize> = (0..rows.len()).filter(|i| holds[*i]).collect();
            right = kept.iter().map(|i| right[*i]).collect();
            rows = kept.iter().map(|i| rows[*i]).collect();
        }
        if self.spec.kind.keeps_left() {
            (rows, right) = with_all_left(batch.len(), &rows, &right);
        }
        if !rows.is_empty() {
            let columns =
                [pick(batch.rows().columns(), &rows)?, pick(answer.rows.columns(), &right)?];
            self.emit_pairs(batch, &rows, columns.concat(), out)?;
        }
        Ok(true)
    }
    fn emit_pairs(
        &self,
        batch: &ChangeBatch,
        rows: &[Option<u32>],
        columns: Vec<ArrayRef>,
        out: &mut Output<ChangeBatch>,
    ) -> Result<()> {
        let kind = |row: &u32| batch.kind(*row as usize);
        let kinds = batch.kinds().map(|_| rows.iter().flatten().map(kind).collect::<Vec<_>>());
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, rows.len(), kinds)?);
        Ok(())
    }
    /// Puts a batch in the queue, and asks for what is not known.
    fn enqueue(&mut self, batch: ChangeBatch) -> Result<()> {
        let now_ms = self.now_ms();
        let columns = batch.columns(&self.spec.keys)?;
        let keys = self.key_codec.encode(&columns, batch.len())?;
        let can_match = matchable(&columns, &vec![true; columns.len()], batch.len());
        let mut found: HashMap<Key, Found> = HashMap::new();
        let (mut asked, mut rows) = (Vec::new(), Vec::new());
        let mut seen = hashbrown::HashSet::new();
        for (row, key) in keys.iter().enumerate() {
            if !can_match[row] || !seen.insert(key) {
                continue;
            }
            match self.cache.get(key, now_ms) {
                Some(answer) => {
                    found.insert(key.into(), answer);
                }
                None => {
                    asked.push(Key::from(key));
                    rows.push(Some(row as u32));
                }
            }
        }
        drop(seen);
        let id = self.next_id;
        self.next_id += 1;
        if let (Some(running), false) = (&self.running, asked.is_empty()) {
            let request = self.request(pick(&columns, &rows)?, rows.len())?;
            let reporter = Reporter {
                report: Some((id, Err(Error::restart("a lookup was dropped or panicked")))),
                sender: running.sender.clone(),
                waker: running.context.waker.clone(),
            };
            let table = Arc::clone(&self.table);
            let timeout_ms = self.spec.timeout_ms.max(1) as u64;
            running.runtime.spawn(async move {
                // All of it moves here, not only the field that is written below.
                let mut reporter = reporter;
                let answer = table.lookup(request);
                let answer = tokio::time::timeout(Duration::from_millis(timeout_ms), answer).await;
                let answer = answer.unwrap_or_else(|_| {
                    Err(Error::retry(format!("a lookup had no answer within {timeout_ms} ms"))
                        .advice("raise the lookup timeout, or see to the outside system"))
                });
                reporter.report = Some((id, answer));
                drop(reporter);
            });
        }
        let waiting = Waiting { id, batch, keys, can_match, found, asked };
        self.queue.push_back(Item::Batch(Box::new(waiting)));
        Ok(())
    }
    fn take_reports(&mut self) -> Result<()> {
        let now_ms = self.now_ms();
        while let Some((id, answer)) = self.running.as_ref().and_then(|r| r.reports.try_recv().ok())
        {
            let answer = answer.map_err(|e| e.at("lookup join"))?;
            let rows = self.right_codec.encode(answer.rows.columns(), answer.rows.num_rows())?;
            let waiting = self.queue.iter_mut().find_map(|item| match item {
                Item::Batch(waiting) if waiting.id == id => Some(waiting),
                _ => None,
            });
            let Some(waiting) = waiting else { continue };
            let asked = std::mem::take(&mut waiting.asked);
            let mut groups: Vec<Vec<Box<[u8]>>> = vec![Vec::new(); asked.len()];
            for (row, key) in rows.iter().zip(&answer.keys) {
                let group = groups.get_mut(*key as usize).ok_or_else(|| {
                    Error::user("a lookup table answered for a key that was not asked")
                })?;
                group.push(row.into());
            }
            for (key, group) in asked.into_iter().zip(groups) {
                let group = Arc::new(group);
                self.cache.put(&key, &group, now_ms);
                waiting.found.insert(key, group);
            }
        }
        Ok(())
    }
    /// Lets go what is complete at the front of the queue.
    fn drain(&mut self, out: &mut Output<ChangeBatch>) -> Result<()> {
        while let Some(item) = self.queue.pop_front() {
            match item {
                Item::Watermark(watermark) => out.emit_watermark(watermark),
                Item::Idle(idle) => out.emit_idle(idle),
                Item::Batch(waiting) if waiting.asked.is_empty() => self.emit(&waiting, out)?,
                waiting => {
                    self.queue.push_front(waiting);
                    break;
                }
            }
        }
        Ok(())
    }
    fn emit(&self, waiting: &Waiting, out: &mut Output<ChangeBatch>) -> Result<()> {
        let batch = &waiting.batch;
        let (mut rows, mut right): (Vec<Option<u32>>, Vec<Option<&[u8]>>) = Default::default();
        for row in 0..batch.len() {
            let found = waiting.found.get(waiting.keys.row(row)).filter(|_| waiting.can_match[row]);
            for found in found.iter().flat_map(|found| found.iter()) {
                rows.push(Some(row as u32));
                right.push(Some(found));
            }
        }
        if let (Some(condition), false) = (&self.spec.condition, rows.is_empty()) {
            let left = pick(batch.rows().columns(), &rows)?;
            let columns = self.right_codec.decode(right.iter().copied())?;
            let holds = evaluate(condition, &self.pair_schema, left, columns, rows.len())?;
            let keep = |i: &usize| holds[*i];
            right = (0..rows.len()).filter(keep).map(|i| right[i]).collect();
            rows = (0..rows.len()).filter(keep).map(|i| rows[i]).collect();
        }
        if self.spec.kind.keeps_left() {
            (rows, right) = with_all_left(batch.len(), &rows, &right);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let left = pick(batch.rows().columns(), &rows)?;
        let columns = [left, self.right_codec.decode(right)?].concat();
        self.emit_pairs(batch, &rows, columns, out)
    }
}

/// Pairs of rows, ascending, with a pair of its own for each left row that has none.
fn with_all_left<T: Copy>(
    left_rows: usize,
    rows: &[Option<u32>],
    right: &[Option<T>],
) -> (Vec<Option<u32>>, Vec<Option<T>>) {
    let (mut all, mut beside) = (Vec::new(), Vec::new());
    let mut at = 0;
    for row in 0..left_rows as u32 {
        let from = at;
        while at < rows.len() && rows[at] == Some(row) {
            all.push(Some(row));
            beside.push(right[at]);
            at += 1;
        }
        if from == at {
            all.push(Some(row));
            beside.push(None);
        }
    }
    (all, beside)
}

impl Operator for LookupJoin {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.table.open(context)?;
        let (sender, reports) = channel();
        let (runtime, context) = (shared_runtime()?, context.clone());
        let waiting = context.restored.list::<Vec<u8>>(STATE, &context.subtask)?;
        self.running = Some(Running { runtime, context, sender, reports });
        for bytes in waiting {
            self.enqueue(ChangeBatch::decode(&bytes)?)?;
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        if self.queue.is_empty() && self.spec.cache.max_keys == 0 && self.pass(&batch, out)? {
            return Ok(());
        }
        self.enqueue(batch)?;
        self.take_reports()?;
        self.drain(out)
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        self.take_reports()?;
        self.drain(out)?;
        if self.queue.is_empty() {
            return Ok(Progress::Done);
        }
        if watermark == Watermark::MAX {
            // The end may not come before the last rows.
            return Ok(Progress::More);
        }
        self.queue.push_back(Item::Watermark(watermark));
        Ok(Progress::Hold)
    }
    fn on_idle(&mut self, idle: bool, _: &mut Output<ChangeBatch>) -> Result<bool> {
        if self.queue.is_empty() {
            return Ok(true);
        }
        self.queue.push_back(Item::Idle(idle));
        Ok(false)
    }
    fn on_processing_time(&mut self, _: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        self.take_reports()?;
        self.drain(out)
    }
    fn is_ready(&self) -> bool {
        let batches = self.queue.iter().filter(|item| matches!(item, Item::Batch(_)));
        batches.count() < self.spec.capacity.max(1)
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        for item in &self.queue {
            if let Item::Batch(waiting) = item {
                let mut bytes = Vec::new();
                waiting.batch.encode(&mut bytes)?;
                snapshot.put_list(STATE, &bytes)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::JoinKind;
    use crate::runtime::testing::{Harness, batch, ints, schema};
    use crate::types::SqlType;
    use arrow_schema::SchemaRef;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn left() -> SchemaRef {
        schema(&[("k", SqlType::int()), ("v", SqlType::int())])
    }
    fn right() -> SchemaRef {
        schema(&[("id", SqlType::int()), ("name", SqlType::string())])
    }

    /// Has rows for the keys 1 (one) and 2 (two); answers when the gate is open.
    #[derive(Default)]
    struct Names {
        asked: Mutex<Vec<Vec<Option<i64>>>>,
        open: AtomicBool,
    }
    impl LookupTable for Names {
        fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture {
            Box::pin(async move {
                let asked = ints(&keys, 0);
                self.asked.lock().unwrap().push(asked.clone());
                while !self.open.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let (mut text, mut of) = (String::new(), Vec::new());
                for (index, key) in asked.into_iter().enumerate() {
                    for n in 0..key.filter(|k| *k < 3).unwrap_or(0) {
                        text.push_str(&format!("+I {} n{n}\n", key.unwrap()));
                        of.push(index as u32);
                    }
                }
                Ok(LookupAnswer { rows: batch(&right(), &text).rows().clone(), keys: of })
            })
        }
    }
    fn join(kind: JoinKind, table: &Arc<Names>, timeout_ms: i64) -> LookupJoin {
        let fields = [left().fields().to_vec(), right().fields().to_vec()].concat();
        let spec = LookupJoinSpec {
            kind,
            keys: vec![0],
            right_keys: vec!["id".into()],
            condition: None,
            cache: LookupCache {
                max_keys: 10,
                expire_after_write_ms: Some(1000),
                expire_after_access_ms: None,
                keeps_missing: true,
            },
            capacity: 2,
            timeout_ms,
            left: left(),
            right: right(),
            output: Arc::new(arrow_schema::Schema::new(fields)),
        };
        LookupJoin::new(spec, table.clone()).unwrap()
    }
    fn wait_for(h: &mut Harness<LookupJoin>, lines: usize) -> Vec<String> {
        let mut out = Vec::new();
        for _ in 0..60_000 {
            out.extend(h.time(5).take());
            if out.len() >= lines {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        out
    }

    #[test]
    fn rows_and_watermarks_keep_their_order_and_known_keys_are_not_asked_again() {
        let table = Arc::new(Names::default());
        let mut h = Harness::new(join(JoinKind::Left, &table, 60_000));
        h.push(&left(), "+I 2 10\n+I 9 11\n+I null 12\n-D 1 13\n+I 2 14").watermark(7);
        assert_eq!(h.take(), [""; 0]);
        assert!(h.operator().is_ready());
        h.push(&left(), "+I 1 15");
        assert!(!h.operator().is_ready());
        let state = h.snapshot();
        table.open.store(true, Ordering::SeqCst);
        let out = [
            "+I 2 10 2 n0",
            "+I 2 10 2 n1",
            "+I 9 11 null null",
            "+I null 12 null null",
            "-D 1 13 1 n0",
            "+I 2 14 2 n0",
            "+I 2 14 2 n1",
            "watermark 7",
            "+I 1 15 1 n0",
        ];
        assert_eq!(wait_for(&mut h, out.len()), out);
        h.push(&left(), "+I 9 1\n+I 1 2");
        assert_eq!(h.take(), ["+I 9 1 null null", "+I 1 2 1 n0"]);
        let asked = table.asked.lock().unwrap().clone();
        assert!(asked.contains(&vec![Some(2), Some(9), Some(1)]), "{asked:?}");
        assert_eq!(asked.len(), 2, "{asked:?}");
        let mut restored = Harness::at(join(JoinKind::Inner, &table, 60_000), 0, 1, vec![state]);
        assert_eq!(wait_for(&mut restored, 6).len(), 6);
    }

    #[test]
    fn keys_that_nobody_asks_for_leave_a_cache_that_is_bounded_by_time() {
        let mut cache = Cache::new(LookupCache {
            max_keys: usize::MAX,
            expire_after_write_ms: None,
            expire_after_access_ms: Some(10),
            keeps_missing: true,
        });
        let found: Found = Arc::new(vec![]);
        for now_ms in 0..1000_i64 {
            cache.put(&now_ms.to_be_bytes(), &found, now_ms);
            assert!(cache.get(&0_i64.to_be_bytes(), now_ms).is_some(), "it is asked for");
        }
        assert!(cache.found.len() < 40, "{}", cache.found.len());
        assert_eq!(cache.found.len(), cache.order.len());
    }

    #[test]
    fn an_answer_that_does_not_come_fails_in_time() {
        let table = Arc::new(Names::default());
        let mut operator = join(JoinKind::Inner, &table, 1);
        operator.open(&OperatorContext::for_tests("lookup")).unwrap();
        operator.enqueue(batch(&left(), "+I 1 1")).unwrap();
        let mut failed = None;
        for _ in 0..60_000 {
            failed = operator.take_reports().err();
            if failed.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(failed.unwrap().to_string().contains("no answer within 1 ms"));
    }
}
