//! A table that is read whole and then asked by key: `'lookup.cache' = 'FULL'`.
//!
//! The first request reads the table, on a thread that may block; the requests of all
//! subtasks of the process share what was read. When it is older than the reload interval,
//! the next request reads it again.
//!
//! Invariant: an answer comes from one reading of the table.
//! Source: Flink's full lookup cache.

use super::lookup::{Lookup, LookupAnswer, LookupCache, LookupFuture, LookupTable};
use super::{OptionKind, OptionSpec, Options, TablePoll, TableSource};
use crate::runtime::row::RowCodec;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use hashbrown::HashMap;
use millstream_core::{Error, Result};
use millstream_runtime::OperatorContext;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// `lookup.cache` of a connector that always reads its table whole.
pub(super) const ONLY_FULL: OptionSpec = OptionSpec::new(
    "lookup.cache",
    OptionKind::OneOf(&["FULL"]),
    "FULL",
    "how a lookup join keeps the table: all of it",
);
/// `lookup.full-cache.reload-strategy`.
pub(super) const RELOAD_STRATEGY: OptionSpec = OptionSpec::new(
    "lookup.full-cache.reload-strategy",
    OptionKind::OneOf(&["PERIODIC"]),
    "PERIODIC",
    "when the table is read again",
);
/// `lookup.full-cache.periodic-reload.interval`.
pub(super) const RELOAD_INTERVAL: OptionSpec = OptionSpec::new(
    "lookup.full-cache.periodic-reload.interval",
    OptionKind::Duration,
    "",
    "age after which the next lookup reads the table again; never without it",
);

/// What was read, by key.
struct Loaded {
    rows: RecordBatch,
    places: HashMap<Box<[u8]>, Vec<u32>>,
    codec: RowCodec,
    at_ms: i64,
}

/// The table.
pub(super) struct FullTable {
    source: Arc<dyn TableSource>,
    keys: Vec<usize>,
    schema: SchemaRef,
    reload_ms: Option<i64>,
    context: OnceLock<OperatorContext>,
    loaded: Mutex<Option<Arc<Loaded>>>,
}

impl FullTable {
    /// All rows of `source`, which ends and has columns of this schema, by these columns.
    pub(super) fn lookup_of(
        source: Arc<dyn TableSource>,
        schema: SchemaRef,
        keys: &[usize],
        options: &Options,
    ) -> Lookup {
        let table = FullTable {
            source,
            keys: keys.to_vec(),
            schema,
            reload_ms: options.duration_ms(RELOAD_INTERVAL.name),
            context: OnceLock::new(),
            loaded: Mutex::new(None),
        };
        Lookup { table: Arc::new(table), cache: LookupCache::default() }
    }

    fn is_fresh(&self, loaded: &Loaded, now_ms: i64) -> bool {
        self.reload_ms.is_none_or(|ms| now_ms < loaded.at_ms.saturating_add(ms))
    }

    /// The rows, read again when they are too old. Blocks.
    fn loaded(&self) -> Result<Arc<Loaded>> {
        let Some(context) = self.context.get() else {
            return Err(Error::bug("a table was looked up before it was opened"));
        };
        let now_ms = context.clock.now_ms();
        // Others wait for the one that reads.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fresh) = loaded.as_ref().filter(|l| self.is_fresh(l, now_ms)) {
            return Ok(Arc::clone(fresh));
        }
        let read = Arc::new(self.read(context, now_ms)?);
        *loaded = Some(Arc::clone(&read));
        Ok(read)
    }

    fn read(&self, context: &OperatorContext, now_ms: i64) -> Result<Loaded> {
        let mut reader = self.source.create_reader(context)?;
        let mut batches = vec![];
        loop {
            match reader.poll(now_ms)? {
                TablePoll::Rows(batch) => batches.push(batch.rows().clone()),
                TablePoll::End => break,
                TablePoll::Wait(_) => {
                    return Err(Error::config("a table without end cannot be read whole")
                        .advice("bound it, or look up another table"));
                }
            }
        }
        let wrong = |e: arrow_schema::ArrowError| Error::bug(format!("rows do not fit: {e}"));
        let rows = concat_batches(&self.schema, &batches).map_err(wrong)?;
        let columns: Vec<_> = self.keys.iter().map(|k| Arc::clone(rows.column(*k))).collect();
        let codec = RowCodec::of_columns(&self.schema, &self.keys)?;
        let mut places: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        for (row, key) in codec.encode(&columns, rows.num_rows())?.iter().enumerate() {
            // NULL equals nothing.
            if columns.iter().all(|column| column.is_valid(row)) {
                places.entry(key.into()).or_default().push(row as u32);
            }
        }
        Ok(Loaded { rows, places, codec, at_ms: now_ms })
    }
}

impl Loaded {
    fn answer(&self, asked: &RecordBatch) -> Result<LookupAnswer> {
        let (mut rows, mut keys) = (vec![], vec![]);
        let encoded = self.codec.encode(asked.columns(), asked.num_rows())?;
        for (index, key) in encoded.iter().enumerate() {
            for place in self.places.get(key).into_iter().flatten() {
                rows.push(*place);
                keys.push(index as u32);
            }
        }
        let rows = take_record_batch(&self.rows, &UInt32Array::from(rows))
            .map_err(|e| Error::bug(format!("rows of a lookup: {e}")))?;
        Ok(LookupAnswer { rows, keys })
    }
}

impl LookupTable for FullTable {
    fn open(&self, context: &OperatorContext) -> Result<()> {
        self.context.get_or_init(|| {
            // One reader for all of the table, from its beginning.
            let mut context = context.clone();
            (context.subtask.index, context.subtask.parallelism) = (0, 1);
            context.restored = millstream_runtime::Restored::default();
            context
        });
        Ok(())
    }
    fn answer_now(&self, keys: &RecordBatch) -> Result<Option<LookupAnswer>> {
        let Some(context) = self.context.get() else { return Ok(None) };
        // Whoever reads the table holds the lock: nobody waits for it here.
        let loaded = match self.loaded.try_lock() {
            Ok(loaded) => loaded.clone(),
            Err(_) => None,
        };
        let now_ms = context.clock.now_ms();
        match loaded.filter(|l| self.is_fresh(l, now_ms)) {
            Some(loaded) => loaded.answer(keys).map(Some),
            None => Ok(None),
        }
    }
    fn lookup(self: Arc<Self>, keys: RecordBatch) -> LookupFuture {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || self.loaded()?.answer(&keys)).await;
            read.map_err(|e| Error::restart(format!("reading a table stopped: {e}")))?
        })
    }
}
