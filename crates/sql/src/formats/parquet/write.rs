//! Columns to files.
//!
//! A row group is in memory until it is full, or the file ends at a barrier.

use super::{Parquet, broken};
use crate::formats::{BulkWriter, FormatColumn};
use crate::stamps::timestamp_values;
use crate::text::units_per_second;
use crate::types::{RowField, SqlType, TypeKind, time_unit};
use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::file::properties::WriterProperties;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, Int64Array, ListArray, MapArray, PrimitiveArray, RecordBatch, StructArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use millstream_core::{Error, Result};
use std::sync::Arc;

pub(super) struct Writer {
    /// `None` when the file has ended.
    writer: Option<ArrowWriter<Vec<u8>>>,
    schema: SchemaRef,
    types: Vec<(String, SqlType)>,
    unit: TimeUnit,
}

impl Writer {
    pub(super) fn new(format: &Parquet, columns: &[FormatColumn]) -> Result<Self> {
        let field = |c: &FormatColumn| Field::new(&c.name, stored(&c.ty, format.unit), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(format.compression)
            .set_dictionary_enabled(format.dictionary)
            .set_data_page_size_limit(format.page_bytes)
            .set_max_row_group_bytes(Some(format.block_bytes))
            .set_created_by(concat!("millstream ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_schema_root("flink_schema".into())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(vec![], Arc::clone(&schema), options);
        Ok(Writer {
            writer: Some(writer.map_err(broken)?),
            schema,
            types: columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect(),
            unit: format.unit,
        })
    }
    fn open(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>> {
        self.writer.as_mut().ok_or_else(|| Error::bug("a file that has ended is written"))
    }
}

impl BulkWriter for Writer {
    fn write(&mut self, columns: &[ArrayRef], _rows: usize, out: &mut Vec<u8>) -> Result<()> {
        let unit = self.unit;
        let column = |(array, (name, ty)): (&ArrayRef, &(String, SqlType))| {
            to_stored(array, ty, unit).map_err(|e| e.at(format!("column '{name}'")))
        };
        let columns = columns.iter().zip(&self.types).map(column).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::bug(format!("columns that do not fit the file: {e}")))?;
        let writer = self.open()?;
        writer.write(&batch).map_err(broken)?;
        out.append(writer.inner_mut());
        Ok(())
    }
    fn waiting_bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.in_progress_size() as u64)
    }
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.open()?;
        writer.flush().map_err(broken)?;
        out.append(writer.inner_mut());
        Ok(())
    }
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        out.append(&mut writer.into_inner().map_err(broken)?);
        Ok(())
    }
}

/// The Arrow type from which the library makes the file's: Parquet's names of parts, keys
/// that are never NULL, one unit of time.
fn stored(ty: &SqlType, unit: TimeUnit) -> DataType {
    match &ty.kind {
        TypeKind::Timestamp(_) => DataType::Timestamp(unit, None),
        TypeKind::TimestampLtz(_) => DataType::Timestamp(unit, Some(Arc::from("UTC"))),
        TypeKind::Array(item) => {
            DataType::List(Arc::new(Field::new("element", stored(item, unit), true)))
        }
        TypeKind::Map(key, value) => DataType::Map(entries(key, value, unit), false),
        TypeKind::Multiset(key) => DataType::Map(entries(key, &SqlType::int(), unit), false),
        TypeKind::Row(fields) => DataType::Struct(fields_of(fields, unit)),
        _ => ty.arrow(),
    }
}

fn entries(key: &SqlType, value: &SqlType, unit: TimeUnit) -> Arc<Field> {
    let fields = Fields::from(vec![
        Field::new("key", stored(key, unit), false),
        Field::new("value", stored(value, unit), true),
    ]);
    Arc::new(Field::new("key_value", DataType::Struct(fields), false))
}

fn fields_of(fields: &[RowField], unit: TimeUnit) -> Fields {
    fields.iter().map(|f| Field::new(&f.name, stored(&f.ty, unit), true)).collect()
}

fn to_stored(array: &ArrayRef, ty: &SqlType, unit: TimeUnit) -> Result<ArrayRef> {
    let wrong = || Error::bug(format!("an array of another type for {ty}"));
    Ok(match &ty.kind {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            let values = timestamp_values(array, ty)?;
            let values = convert(values, units_per_second(time_unit(*p)), units_per_second(unit))?;
            let (_, values, nulls) = values.into_parts();
            macro_rules! stamps {
                ($t:ty) => {
                    Arc::new(
                        PrimitiveArray::<$t>::new(values, nulls).with_data_type(stored(ty, unit)),
                    )
                };
            }
            match unit {
                TimeUnit::Millisecond => stamps!(TimestampMillisecondType),
                TimeUnit::Nanosecond => stamps!(TimestampNanosecondType),
                _ => stamps!(TimestampMicrosecondType),
            }
        }
        TypeKind::Array(item) => {
            let list = array.as_list_opt::<i32>().ok_or_else(wrong)?.clone();
            let (_, offsets, items, nulls) = list.into_parts();
            let field = Field::new("element", stored(item, unit), true);
            let items = to_stored(&items, item, unit)?;
            Arc::new(ListArray::new(Arc::new(field), offsets, items, nulls))
        }
        TypeKind::Map(key, value) => map(array, key, value, unit)?,
        TypeKind::Multiset(key) => map(array, key, &SqlType::int(), unit)?,
        TypeKind::Row(fields) => {
            let rows = array.as_struct_opt().ok_or_else(wrong)?;
            let columns = rows.columns().iter().zip(fields);
            let columns = columns.map(|(array, field)| to_stored(array, &field.ty, unit));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::new(fields_of(fields, unit), columns, rows.nulls().cloned()))
        }
        _ => Arc::clone(array),
    })
}

fn map(array: &ArrayRef, key: &SqlType, value: &SqlType, unit: TimeUnit) -> Result<ArrayRef> {
    let map = array.as_map_opt().ok_or_else(|| Error::bug("a map that is none"))?.clone();
    let (_, offsets, rows, nulls, _) = map.into_parts();
    let keys = to_stored(rows.column(0), key, unit)?;
    if keys.null_count() > 0 {
        return Err(Error::data("Parquet has no maps with a NULL key")
            .advice("filter such maps out, or replace the key"));
    }
    let values = to_stored(rows.column(1), value, unit)?;
    let field = entries(key, value, unit);
    let DataType::Struct(fields) = field.data_type() else {
        return Err(Error::bug("entries that are no rows"));
    };
    let rows = StructArray::new(fields.clone(), vec![keys, values], None);
    Ok(Arc::new(MapArray::new(field, offsets, rows, nulls, false)))
}

fn convert(values: Int64Array, from: i64, to: i64) -> Result<Int64Array> {
    if from == to {
        return Ok(values);
    }
    values.try_unary(|value| {
        let value = match from > to {
            true => Some(value.div_euclid(from / to)),
            false => value.checked_mul(to / from),
        };
        value.ok_or_else(|| {
            Error::data("a timestamp that the unit of the file does not reach")
                .advice("choose a coarser 'parquet.timestamp.time.unit'")
        })
    })
}
