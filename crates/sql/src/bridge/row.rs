//! A record of named fields whose types are known when the job is built.

use super::decode::CellDeserializer;
use crate::text::client_text;
use crate::types::RowField;
use crate::value::Value;
use crate::zone::Zone;
use millstream_core::{Error, Result};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt::{self, Display};
use std::sync::Arc;

/// A row of a table as a record (Flink's `Row` with named fields). Its change kind travels
/// beside it: `(RowKind, Row)`.
///
/// Rows carry their field names and types, so on their way to another process they are larger
/// than a struct of the job's own; see
/// [`to_data_stream_as`](super::StreamTableEnvironment::to_data_stream_as).
///
/// ```
/// use millstream_sql::bridge::Row;
/// use millstream_sql::types::SqlType;
/// use millstream_sql::value::Value;
/// let row = Row::new([
///     ("user", SqlType::string(), Value::text("Alice")),
///     ("price", SqlType::decimal(10, 2), Value::Decimal(1250)),
///     ("ts", SqlType::timestamp(3), Value::Timestamp(0)),
/// ]);
/// assert_eq!(row.to_string(), "[Alice, 12.50, 1970-01-01 00:00:00.000]");
/// assert_eq!(row.get::<String>("user")?, "Alice");
/// assert_eq!(row.get::<f64>("price")?, 12.5);
/// assert_eq!(row.get::<Option<i64>>("ts")?, Some(0));
/// assert!(row.get::<i32>("usr").unwrap_err().to_string().contains("'user'?"));
/// # Ok::<(), millstream_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    fields: Arc<[RowField]>,
    values: Vec<Value>,
}

impl Row {
    /// A row of fields in this order: name, type, value.
    pub fn new<N: Into<String>>(
        fields: impl IntoIterator<Item = (N, crate::types::SqlType, Value)>,
    ) -> Self {
        let parts = fields.into_iter();
        let (fields, values): (Vec<RowField>, Vec<Value>) =
            parts.map(|(name, ty, value)| (RowField { name: name.into(), ty }, value)).unzip();
        Row { fields: fields.into(), values }
    }
    pub(super) fn of_parts(fields: Arc<[RowField]>, values: Vec<Value>) -> Self {
        Row { fields, values }
    }
    /// Names and types of the fields.
    pub fn fields(&self) -> &[RowField] {
        &self.fields
    }
    /// The values, in the order of the fields.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
    /// The value of a field and its type; `None`: there is no such field.
    pub fn field(&self, name: &str) -> Option<(&RowField, &Value)> {
        self.fields.iter().zip(&self.values).find(|(field, _)| field.name == name)
    }
    /// The value of a field as a Rust type: `i64`, `f64`, `String`, `Option<_>` for what may be
    /// NULL, `Vec<_>`, a struct. A timestamp is its milliseconds since 1970 or its text.
    ///
    /// # Errors
    /// `Data`: there is no such field, or its value is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some((field, value)) = self.field(name) else {
            let names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
            let error = Error::data(format!("the row has no field '{name}'"));
            let hint = millstream_core::nearest::hint(name, names.iter().copied());
            return Err(error.advice(hint.unwrap_or_else(|| names.join(", "))));
        };
        T::deserialize(CellDeserializer { value: value.clone(), ty: &field.ty })
            .map_err(|e| e.in_column(name, &field.ty).into_data("ask for a type that holds it"))
    }
}

impl Display for Row {
    /// As Flink shows a row; timestamps with a zone in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (field, value)) in self.fields.iter().zip(&self.values).enumerate() {
            let text = client_text(value, &field.ty, &Zone::UTC);
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, text.as_deref().unwrap_or("null"))?;
        }
        f.write_str("]")
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        (&*self.fields, &self.values).serialize(serializer)
    }
}

thread_local! {
    /// The fields of the row that was read last: rows of one stream share them.
    static LAST_FIELDS: RefCell<Option<Arc<[RowField]>>> = const { RefCell::new(None) };
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let (fields, values) = <(Vec<RowField>, Vec<Value>)>::deserialize(deserializer)?;
        if fields.len() != values.len() {
            return Err(D::Error::custom("a row with another number of values than fields"));
        }
        let fields = LAST_FIELDS.with_borrow_mut(|last| match last {
            Some(known) if **known == *fields => Arc::clone(known),
            _ => Arc::clone(last.insert(fields.into())),
        });
        Ok(Row { fields, values })
    }
}
