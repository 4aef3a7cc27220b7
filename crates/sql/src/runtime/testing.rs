//! Text in, text out, for tests of SQL operators.
//!
//! ```text
//!   +I a 1       one row a line: kind, then values; `null` is NULL
//! ```
//! Timestamps are milliseconds, decimals whole numbers of their last digit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use millstream_core::{Either, Epoch, ManualClock, Result, Watermark};
use millstream_runtime::state::StateBackendConfig;
use millstream_runtime::{
    Downstream, Node, Operator, OperatorContext, Output, Receiver, Restored, SnapshotKind,
    StoredState, TaskSnapshot,
};

use super::{ChangeBatch, ChangeKind};
use crate::types::{SqlType, TypeKind};
use crate::value::{Value, array_of, value_at};

/// A schema from names and types.
pub(crate) fn schema(columns: &[(&str, SqlType)]) -> SchemaRef {
    let fields: Vec<Field> = columns.iter().map(|(name, ty)| ty.arrow_field(name)).collect();
    Arc::new(Schema::new(fields))
}

fn parse(text: &str, ty: &SqlType) -> Value {
    if text == "null" {
        return Value::Null;
    }
    match &ty.kind {
        TypeKind::Boolean => Value::Boolean(text == "true"),
        TypeKind::Float | TypeKind::Double => Value::Float(text.parse().unwrap()),
        TypeKind::Decimal { .. } => Value::Decimal(text.parse().unwrap()),
        TypeKind::Char(_) | TypeKind::Varchar(_) => Value::text(text),
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            Value::Timestamp(text.parse().unwrap())
        }
        TypeKind::Array(element) => Value::Array(
            text.split(',').filter(|t| !t.is_empty()).map(|t| parse(t, element)).collect(),
        ),
        _ => Value::Int(text.parse().unwrap()),
    }
}

fn show(value: &Value) -> String {
    let list = |values: &[Value]| values.iter().map(show).collect::<Vec<_>>().join(",");
    match value {
        Value::Null => "null".into(),
        Value::Boolean(v) => v.to_string(),
        Value::Int(v) | Value::Timestamp(v) | Value::Interval(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Decimal(v) => v.to_string(),
        Value::Text(v) => v.clone(),
        Value::Bytes(v) => format!("{v:?}"),
        Value::Date(v) | Value::Time(v) => v.to_string(),
        Value::Array(v) => format!("[{}]", list(v)),
        Value::Row(v) => format!("({})", list(v)),
        Value::Map(v) => {
            let entries: Vec<_> =
                v.iter().map(|(k, v)| format!("{}={}", show(k), show(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn types_of(schema: &Schema) -> Vec<SqlType> {
    let of = |f: &Arc<Field>| SqlType::from_arrow(f.data_type(), f.is_nullable()).unwrap();
    schema.fields.iter().map(of).collect()
}

/// A batch from lines of text.
pub(crate) fn batch(schema: &SchemaRef, text: &str) -> ChangeBatch {
    let types = types_of(schema);
    let mut kinds = Vec::new();
    let mut columns = vec![Vec::new(); types.len()];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        kinds.push(match words.next().unwrap() {
            "+I" => ChangeKind::Insert,
            "-U" => ChangeKind::UpdateBefore,
            "+U" => ChangeKind::UpdateAfter,
            "-D" => ChangeKind::Delete,
            other => panic!("{other} is no kind"),
        });
        for (column, ty) in columns.iter_mut().zip(&types) {
            column.push(parse(words.next().unwrap_or_else(|| panic!("too short: {line}")), ty));
        }
        assert_eq!(words.next(), None, "too long: {line}");
    }
    let arrays =
        columns.iter().zip(&types).map(|(values, ty)| array_of(values, ty).unwrap()).collect();
    ChangeBatch::from_columns(schema.clone(), arrays, kinds.len(), Some(kinds)).unwrap()
}

/// Lines of text from a batch.
pub(crate) fn lines(batch: &ChangeBatch) -> Vec<String> {
    let types = types_of(&batch.rows().schema());
    (0..batch.len())
        .map(|row| {
            let mut line = batch.kind(row).text().to_string();
            for (column, ty) in batch.rows().columns().iter().zip(&types) {
                line.push(' ');
                line.push_str(&show(&value_at(column, ty, row).unwrap()));
            }
            line
        })
        .collect()
}

struct Capture(Rc<RefCell<Vec<String>>>);

impl Downstream for Capture {
    fn open(&mut self) -> Result<()> {
        Ok(())
    }
    fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        let text = match watermark {
            Watermark::MAX => "watermark MAX".into(),
            Watermark(time) => format!("watermark {time}"),
        };
        self.0.borrow_mut().push(text);
        Ok(())
    }
    fn idle(&mut self, idle: bool) -> Result<()> {
        self.0.borrow_mut().push(if idle { "idle".into() } else { "active".into() });
        Ok(())
    }
    fn barrier(&mut self, _: Epoch, _: &mut TaskSnapshot) -> Result<()> {
        Ok(())
    }
    fn checkpoint_complete(&mut self, _: Epoch) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
    fn ready(&self) -> bool {
        true
    }
    fn poll(&mut self, _: i64) -> Result<()> {
        Ok(())
    }
    fn next_deadline(&self) -> Option<i64> {
        None
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Receiver<ChangeBatch> for Capture {
    fn receive(&mut self, batch: ChangeBatch) -> Result<()> {
        self.0.borrow_mut().extend(lines(&batch));
        Ok(())
    }
}

/// Drives one subtask of a SQL operator.
pub(crate) struct Harness<O: Operator<Out = ChangeBatch>> {
    node: Node<O>,
    clock: ManualClock,
    events: Rc<RefCell<Vec<String>>>,
}

impl<O: Operator<Out = ChangeBatch>> Harness<O> {
    /// A lone subtask with fresh state at processing time 0.
    pub(crate) fn new(operator: O) -> Self {
        Self::at(operator, 0, 1, Vec::new())
    }
    /// Subtask `index` of `parallelism` with the state of former subtasks.
    pub(crate) fn at(
        operator: O,
        index: usize,
        parallelism: usize,
        former: Vec<StoredState>,
    ) -> Self {
        Self::on(StateBackendConfig::default(), operator, index, parallelism, former)
    }
    /// As [`at`](Self::at), with keyed state in this backend.
    pub(crate) fn on(
        backend: StateBackendConfig,
        operator: O,
        index: usize,
        parallelism: usize,
        former: Vec<StoredState>,
    ) -> Self {
        let clock = ManualClock::new(0);
        let mut context = OperatorContext::for_tests("operator");
        context.state_backend = backend;
        context.clock = Arc::new(clock.clone());
        (context.subtask.index, context.subtask.parallelism) = (index, parallelism);
        if !former.is_empty() {
            context.restored = Restored::from_stored(former);
        }
        let events = Rc::default();
        let capture: Box<dyn Receiver<ChangeBatch>> = Box::new(Capture(Rc::clone(&events)));
        let mut node = Node::new(operator, Output::new(vec![capture]), context);
        node.open().unwrap();
        Harness { node, clock, events }
    }
    /// What came out since the last call.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.events.borrow_mut())
    }
    /// What came out since the last call, sorted, without watermarks.
    pub(crate) fn take_sorted(&mut self) -> Vec<String> {
        let mut lines = self.take();
        lines.retain(|line| !line.starts_with("watermark"));
        lines.sort();
        lines
    }
    pub(crate) fn watermark(&mut self, time: i64) -> &mut Self {
        self.node.watermark(Watermark(time)).unwrap();
        self
    }
    pub(crate) fn time(&mut self, now_ms: i64) -> &mut Self {
        self.clock.set_ms(now_ms);
        self.node.poll(now_ms).unwrap();
        self
    }
    pub(crate) fn end(&mut self) -> &mut Self {
        self.node.watermark(Watermark::MAX).unwrap();
        self.node.end().unwrap();
        self
    }
    pub(crate) fn snapshot(&mut self) -> StoredState {
        self.snapshot_as(SnapshotKind::Checkpoint)
    }
    pub(crate) fn snapshot_as(&mut self, kind: SnapshotKind) -> StoredState {
        let mut task = TaskSnapshot::new(kind);
        self.node.barrier(Epoch(1), &mut task).unwrap();
        task.into_stored().unwrap().into_values().next().unwrap_or_default()
    }
    pub(crate) fn try_receive(&mut self, input: O::In) -> Result<()> {
        self.node.receive(input)
    }
    pub(crate) fn operator(&self) -> &O {
        self.node.operator()
    }
}

impl<O: Operator<In = ChangeBatch, Out = ChangeBatch>> Harness<O> {
    /// Pushes lines of text.
    pub(crate) fn push(&mut self, schema: &SchemaRef, text: &str) -> &mut Self {
        self.node.receive(batch(schema, text)).unwrap();
        self
    }
    /// Pushes each line as a batch of its own.
    pub(crate) fn push_each(&mut self, schema: &SchemaRef, text: &str) -> &mut Self {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.push(schema, line);
        }
        self
    }
}

impl<O: Operator<In = Either<ChangeBatch, ChangeBatch>, Out = ChangeBatch>> Harness<O> {
    /// Pushes lines of text into the left input.
    pub(crate) fn left(&mut self, schema: &SchemaRef, text: &str) -> &mut Self {
        self.node.receive(Either::Left(batch(schema, text))).unwrap();
        self
    }
    /// Pushes lines of text into the right input.
    pub(crate) fn right(&mut self, schema: &SchemaRef, text: &str) -> &mut Self {
        self.node.receive(Either::Right(batch(schema, text))).unwrap();
        self
    }
}

/// The multiset that a changelog leaves, as sorted lines without kinds.
pub(crate) fn applied(changes: &[String]) -> Vec<String> {
    let mut table: Vec<String> = Vec::new();
    for line in changes {
        let Some((kind, row)) = line.split_once(' ') else { continue };
        match kind {
            "+I" | "+U" => table.push(row.into()),
            "-U" | "-D" => {
                let at = table.iter().position(|r| r == row);
                table.remove(at.unwrap_or_else(|| panic!("{line} takes what is not there")));
            }
            _ => {}
        }
    }
    table.sort();
    table
}

/// The rows a batch with one column would have; keeps `RecordBatch` in use for predicates.
pub(crate) fn ints(rows: &RecordBatch, column: usize) -> Vec<Option<i64>> {
    let ty = SqlType::from_arrow(rows.column(column).data_type(), true).unwrap();
    (0..rows.num_rows())
        .map(|row| match value_at(rows.column(column), &ty, row).unwrap() {
            Value::Int(v) | Value::Timestamp(v) => Some(v),
            _ => None,
        })
        .collect()
}
