//! Window functions on their own: TUMBLE, HOP, CUMULATE and SESSION add window columns.
//!
//! Aligned windows need no state: a row comes out at once, once for each of its windows, and
//! nothing is late. Rows of SESSION come out when their session is over.

use arrow_array::UInt32Array;
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use millstream_core::{Epoch, Error, Result, Watermark};
use millstream_runtime::{Counter, Operator, OperatorContext, OperatorSnapshot, Output, Progress};

use super::change_batch::arrow_bug;
use super::row::RowCodec;
use super::session::{ClosedSession, SessionTracker, local_times};
use super::spec::{TimeDomain, WindowAssigner, WindowColumn, WindowTableSpec};
use super::state_table::{
    Reader, put_delimited, restore, restored_watermark, store, store_watermark,
};
use super::window::{Slicing, WindowClock, window_column};
use super::{ChangeBatch, ChangeKind};

const STATE: &str = "session-rows";
const COLUMNS: [WindowColumn; 3] = [WindowColumn::Start, WindowColumn::End, WindowColumn::Time];

/// The operator of [`WindowTableSpec`] for TUMBLE, HOP and CUMULATE.
pub struct WindowTable {
    spec: WindowTableSpec,
    slicing: Slicing,
    clock: WindowClock,
    context: Option<OperatorContext>,
}

impl WindowTable {
    /// From its spec.
    ///
    /// # Errors
    /// Configuration: lengths do not fit. Bug: sessions, or attached windows.
    pub fn new(spec: WindowTableSpec) -> Result<Self> {
        let slicing = Slicing::new(&spec.window)?
            .ok_or_else(|| Error::bug("windows without slices in a window function"))?;
        let clock = WindowClock(spec.local_time.clone());
        Ok(WindowTable { slicing, clock, context: None, spec })
    }
}

impl Operator for WindowTable {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.context = Some(context.clone());
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now_ms = self.context.as_ref().map_or(0, |context| context.clock.now_ms());
        let times = local_times(&batch, &self.spec.time, &self.clock, now_ms)?;
        let (mut rows, mut windows) = (Vec::new(), Vec::new());
        for (row, time) in times.into_iter().enumerate() {
            let Some(time) = time else { continue };
            if self.slicing.is_single() {
                let end = self.slicing.slice_end(time);
                rows.push(row as u32);
                windows.push((self.slicing.window_start(end), end));
                continue;
            }
            for window in self.slicing.windows(time) {
                rows.push(row as u32);
                windows.push(window);
            }
        }
        let kinds = batch.kinds().map(|kinds| rows.iter().map(|r| kinds[*r as usize]).collect());
        let rows = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(self.spec.output.fields().len());
        for column in batch.rows().columns() {
            columns.push(take(column, &rows, None).map_err(arrow_bug)?);
        }
        for which in COLUMNS {
            let field = self.spec.output.field(columns.len());
            columns.push(window_column(which, &windows, &self.clock, field.data_type())?);
        }
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, rows.len(), kinds)?);
        Ok(())
    }
}

/// The operator of [`WindowTableSpec`] for SESSION.
pub struct SessionTable {
    // Configuration.
    spec: WindowTableSpec,
    clock: WindowClock,
    key_codec: RowCodec,
    row_codec: RowCodec,
    context: Option<OperatorContext>,
    late: Counter,
    // Checkpointed.
    sessions: SessionTracker,
    /// By slot: the rows with their kinds.
    rows: Vec<Vec<(ChangeKind, Box<[u8]>)>>,
    watermark: Watermark,
}

impl SessionTable {
    /// From its spec; `input` is the schema of the rows.
    ///
    /// # Errors
    /// Configuration: a type cannot be kept. Bug: the windows are no sessions.
    pub fn new(spec: WindowTableSpec, input: &SchemaRef) -> Result<Self> {
        let WindowAssigner::Session { gap_ms } = spec.window else {
            return Err(Error::bug("windows other than sessions in the operator of sessions"));
        };
        let clock = WindowClock(spec.local_time.clone());
        Ok(SessionTable {
            key_codec: RowCodec::of_columns(input, &spec.partition)?,
            row_codec: RowCodec::of_schema(input)?,
            sessions: SessionTracker::new(gap_ms, clock.clone()),
            clock,
            context: None,
            late: Counter::default(),
            rows: Vec::new(),
            watermark: Watermark::MIN,
            spec,
        })
    }
    fn now(&self) -> i64 {
        match (&self.spec.time, &self.context) {
            (TimeDomain::Processing, Some(context)) => context.clock.now_ms(),
            _ => self.watermark.0,
        }
    }
    fn fire(&mut self, now: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        let closed = self.sessions.close(now);
        let (mut rows, mut kinds, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        for ClosedSession { window, slot, .. } in &closed {
            for (kind, row) in std::mem::take(&mut self.rows[*slot as usize]) {
                rows.push(row);
                kinds.push(kind);
                windows.push(*window);
            }
        }
        closed.iter().for_each(|session| self.sessions.forget(session));
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns = self.row_codec.decode(rows.iter().map(|row| Some(&**row)))?;
        for which in COLUMNS {
            let field = self.spec.output.field(columns.len());
            columns.push(window_column(which, &windows, &self.clock, field.data_type())?);
        }
        let output = self.spec.output.clone();
        out.emit(ChangeBatch::from_columns(output, columns, rows.len(), Some(kinds))?);
        Ok(())
    }
}

impl Operator for SessionTable {
    type In = ChangeBatch;
    type Out = ChangeBatch;

    fn open(&mut self, context: &OperatorContext) -> Result<()> {
        self.late = context.metrics.counter("numLateRecordsDropped");
        self.watermark = restored_watermark(context)?;
        self.context = Some(context.clone());
        for (key, value) in restore(context, STATE)? {
            let mut bytes = Reader(&value);
            let slot = self.sessions.restore(&key, (bytes.i64()?, bytes.i64()?)) as usize;
            self.rows.resize(self.sessions.capacity(), Vec::new());
            for _ in 0..bytes.u32()? {
                let kind = ChangeKind::from_byte(bytes.u8()?)?;
                self.rows[slot].push((kind, bytes.delimited()?.into()));
            }
        }
        Ok(())
    }
    fn on_batch(&mut self, batch: ChangeBatch, out: &mut Output<ChangeBatch>) -> Result<()> {
        let now = self.now();
        if let TimeDomain::Processing = self.spec.time {
            self.fire(now, out)?;
        }
        let times = local_times(&batch, &self.spec.time, &self.clock, now)?;
        let keys = self.key_codec.encode(&batch.columns(&self.spec.partition)?, batch.len())?;
        let rows = self.row_codec.encode(batch.rows().columns(), batch.len())?;
        let mut late = 0;
        for (row, time) in times.into_iter().enumerate() {
            let Some(time) = time else { continue };
            let mut merged = Vec::new();
            let slot = self.sessions.assign(keys.row(row), time, now, |into, from| {
                merged.push((into, from));
            });
            self.rows.resize(self.sessions.capacity(), Vec::new());
            for (into, from) in merged {
                let moved = std::mem::take(&mut self.rows[from as usize]);
                self.rows[into as usize].extend(moved);
                self.sessions.release(from);
            }
            match slot {
                Some(slot) => {
                    self.rows[slot as usize].push((batch.kind(row), rows.row(row).into()));
                }
                None => late += 1,
            }
        }
        self.late.add(late);
        Ok(())
    }
    fn on_watermark(
        &mut self,
        watermark: Watermark,
        out: &mut Output<ChangeBatch>,
    ) -> Result<Progress> {
        if let TimeDomain::Event { .. } = self.spec.time {
            self.watermark = self.watermark.max(watermark);
            self.fire(self.watermark.0, out)?;
        }
        Ok(Progress::Done)
    }
    fn next_processing_time(&self) -> Option<i64> {
        match self.spec.time {
            TimeDomain::Processing => self.sessions.next_end(),
            TimeDomain::Event { .. } => None,
        }
    }
    fn on_processing_time(&mut self, now_ms: i64, out: &mut Output<ChangeBatch>) -> Result<()> {
        match self.spec.time {
            TimeDomain::Processing => self.fire(now_ms, out),
            TimeDomain::Event { .. } => Ok(()),
        }
    }
    fn snapshot(&mut self, _: Epoch, snapshot: &mut OperatorSnapshot) -> Result<()> {
        let Some(context) = &self.context else { return Ok(()) };
        store_watermark(snapshot, self.watermark)?;
        for (key, (start, end), slot) in self.sessions.iter() {
            let rows = &self.rows[slot as usize];
            let mut value = Vec::new();
            value.extend_from_slice(&start.to_le_bytes());
            value.extend_from_slice(&end.to_le_bytes());
            value.extend_from_slice(&(rows.len() as u32).to_le_bytes());
            for (kind, row) in rows {
                value.push(*kind as u8);
                put_delimited(&mut value, row);
            }
            store(snapshot, STATE, context, key, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Harness, schema};
    use super::*;
    use crate::types::SqlType;

    fn input() -> SchemaRef {
        schema(&[("k", SqlType::string()), ("ts", SqlType::timestamp(3))])
    }
    fn spec(window: WindowAssigner) -> WindowTableSpec {
        let time = SqlType::timestamp(3);
        WindowTableSpec {
            window,
            time: TimeDomain::Event { rowtime: 1 },
            local_time: None,
            partition: vec![0],
            output: schema(&[
                ("k", SqlType::string()),
                ("ts", time.clone()),
                ("window_start", time.clone()),
                ("window_end", time.clone()),
                ("window_time", time),
            ]),
        }
    }

    #[test]
    fn hop_copies_rows_newest_window_first_and_keeps_their_kinds() {
        let window = WindowAssigner::Hop { slide_ms: 10, size_ms: 20, offset_ms: 0 };
        let mut h = Harness::new(WindowTable::new(spec(window)).unwrap());
        h.push(&input(), "+I a 15\n-D b 0");
        let out = ["+I a 15 10 30 29", "+I a 15 0 20 19", "-D b 0 0 20 19", "-D b 0 -10 10 9"];
        assert_eq!(h.take(), out);
    }

    #[test]
    fn rows_of_a_session_come_out_together_also_after_a_restore() {
        let new = || SessionTable::new(spec(WindowAssigner::Session { gap_ms: 10 }), &input());
        let mut h = Harness::new(new().unwrap());
        h.push(&input(), "+I a 0\n+I b 1\n+I a 18").watermark(5);
        let mut h = Harness::at(new().unwrap(), 0, 1, vec![h.snapshot()]);
        h.push(&input(), "+I a 9\n+I b -20").end();
        let out = ["+I a 0 0 28 27", "+I a 18 0 28 27", "+I a 9 0 28 27", "+I b 1 1 11 10"];
        assert_eq!(h.take_sorted(), out);
    }
}
