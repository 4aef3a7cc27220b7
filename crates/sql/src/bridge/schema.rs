//! The columns of a table that is made of a stream.
//!
//! Between the program and the dialect: a schema is written as the columns of a CREATE TABLE,
//! and read as such.

use crate::dialect::unparse::{literal, quoted};

/// Columns, key and watermark of a stream that becomes a table (Flink's `Schema`).
///
/// ```
/// use millstream_sql::bridge::Schema;
/// let schema = Schema::new_builder()
///     .column("user", "STRING")
///     .column("amount", "INT NOT NULL")
///     .column_by_expression("doubled", "amount * 2")
///     .column_by_expression("proc_time", "PROCTIME()")
///     .column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)")
///     .watermark("rowtime", "SOURCE_WATERMARK()")
///     .build();
/// # let _ = schema;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    parts: Vec<String>,
}

impl Schema {
    /// Begins a schema.
    pub fn new_builder() -> SchemaBuilder {
        SchemaBuilder { schema: Schema { parts: vec![] } }
    }
    /// The statement that makes such a table.
    pub(super) fn create_table(&self, name: &str) -> String {
        format!("CREATE TEMPORARY TABLE {name} (\n  {}\n)", self.parts.join(",\n  "))
    }
}

/// Takes the parts of a [`Schema`], in the order of the table's columns. What is wrong with
/// them is said when the table is made.
#[derive(Clone, Debug)]
pub struct SchemaBuilder {
    schema: Schema,
}

impl SchemaBuilder {
    fn with(mut self, part: String) -> Self {
        self.schema.parts.push(part);
        self
    }
    /// A field of the record, by name; `data_type` as SQL writes it (`INT NOT NULL`,
    /// `ARRAY<STRING>`).
    pub fn column(self, name: &str, data_type: &str) -> Self {
        self.with(format!("{} {data_type}", quoted(name)))
    }
    /// A computed column; `PROCTIME()` makes one of processing time.
    pub fn column_by_expression(self, name: &str, expression: &str) -> Self {
        self.with(format!("{} AS {expression}", quoted(name)))
    }
    /// The record's event time under this name: `TIMESTAMP_LTZ(3)`. There is no other metadata.
    pub fn column_by_metadata(self, name: &str, data_type: &str) -> Self {
        self.with(format!("{} {data_type} METADATA FROM 'rowtime' VIRTUAL", quoted(name)))
    }
    /// Makes `column` event time. `SOURCE_WATERMARK()` takes the watermarks of the stream; any
    /// other expression (`ts - INTERVAL '5' SECOND`) makes new ones.
    pub fn watermark(self, column: &str, expression: &str) -> Self {
        self.with(format!("WATERMARK FOR {} AS {expression}", quoted(column)))
    }
    /// Columns that identify a row (of a changelog).
    pub fn primary_key(self, columns: &[&str]) -> Self {
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        self.with(format!("PRIMARY KEY ({}) NOT ENFORCED", columns.join(", ")))
    }
    /// A remark on the column that was added last.
    pub fn comment(mut self, text: &str) -> Self {
        if let Some(last) = self.schema.parts.last_mut() {
            *last = format!("{last} COMMENT {}", literal(text));
        }
        self
    }
    /// The schema.
    pub fn build(self) -> Schema {
        self.schema
    }
}
