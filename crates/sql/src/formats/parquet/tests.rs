//! Rows to Parquet files and back.

#![allow(clippy::unwrap_used)]
use crate::formats::testing::{batch_of, columns, format, show};
use crate::formats::{Format, FormatColumn};
use crate::runtime::ChangeBatch;
use crate::types::{SqlType, TypeKind};
use ::parquet::data_type::{Int96, Int96Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use std::io::{Seek, Write};
use std::sync::Arc;

fn file(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn write(format: &dyn Format, columns: &[FormatColumn], batches: &[ChangeBatch]) -> Vec<u8> {
    let mut writer = format.files().unwrap().writer(columns).unwrap();
    let mut out = vec![];
    for batch in batches {
        writer.write(batch.rows().columns(), batch.len(), &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    out
}

fn read(
    format: &dyn Format,
    columns: &[FormatColumn],
    bytes: &[u8],
    skip: u64,
) -> millstream_core::Result<Vec<String>> {
    let mut reader = format.files().unwrap().reader(file(bytes), columns, skip)?;
    let wanted: Vec<&FormatColumn> = columns.iter().filter(|c| c.wanted).collect();
    let types: Vec<SqlType> = wanted.iter().map(|c| c.ty.clone()).collect();
    let fields = wanted.iter().map(|c| c.ty.arrow_field(&c.name).with_nullable(true));
    let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
    let mut rows = vec![];
    while let Some((columns, count)) = reader.next()? {
        let batch = ChangeBatch::from_columns(Arc::clone(&schema), columns, count, None)?;
        rows.extend(show(&batch, &types));
    }
    Ok(rows)
}

fn all_types() -> Vec<FormatColumn> {
    columns(&[
        ("b", SqlType::boolean()),
        ("t", SqlType::new(TypeKind::TinyInt)),
        ("s", SqlType::new(TypeKind::SmallInt)),
        ("i", SqlType::int()),
        ("l", SqlType::bigint()),
        ("f", SqlType::float()),
        ("d", SqlType::double()),
        ("c", SqlType::decimal(9, 2)),
        ("e", SqlType::decimal(38, 4)),
        ("v", SqlType::string()),
        ("y", SqlType::bytes()),
        ("a", SqlType::date()),
        ("m", SqlType::time(3)),
        ("p", SqlType::timestamp(3)),
        ("q", SqlType::timestamp(6)),
        ("z", SqlType::timestamp_ltz(3)),
        ("r", SqlType::array(SqlType::row([("x", SqlType::int()), ("y", SqlType::timestamp(3))]))),
        ("o", SqlType::map(SqlType::string(), SqlType::array(SqlType::decimal(5, 1)))),
    ])
}

const ROW: &str = r#"{"b":true,"t":-128,"s":-3,"i":7,"l":9223372036854775807,"f":1.5,"d":-2e-5,"c":1234.56,"e":12345678901234.5678,"v":"é","y":"SGk=","a":"2024-02-29","m":"23:59:59.5","p":"2024-02-29 01:02:03.5","q":"1969-12-31 23:59:59.999999","z":"2024-02-29 01:02:03.5Z","r":[{"x":1,"y":"2024-01-01 00:00:00"},null,{"x":null}],"o":{"k":[1.5,null],"":null}}"#;

#[test]
fn every_type_out_and_in() {
    let columns = all_types();
    for compression in ["SNAPPY", "zstd", "GZIP", "UNCOMPRESSED"] {
        let parquet = format("parquet", &[("compression", compression)]).unwrap();
        let batch = batch_of(&columns, &[ROW, "{}"]);
        let types: Vec<SqlType> = columns.iter().map(|c| c.ty.clone()).collect();
        let bytes = write(&*parquet, &columns, &[batch.clone(), batch.clone()]);
        let want = [show(&batch, &types), show(&batch, &types)].concat();
        assert_eq!(read(&*parquet, &columns, &bytes, 0).unwrap(), want);
        assert_eq!(read(&*parquet, &columns, &bytes, 3).unwrap(), want[3..]);
    }
}

#[test]
fn columns_by_name_those_that_are_wanted() {
    let parquet = format("parquet", &[]).unwrap();
    let written = columns(&[("a", SqlType::int()), ("b", SqlType::string())]);
    let bytes = write(&*parquet, &written, &[batch_of(&written, &[r#"{"a":1,"b":"x"}"#])]);
    let mut other =
        columns(&[("c", SqlType::double()), ("b", SqlType::string()), ("a", SqlType::bigint())]);
    assert_eq!(read(&*parquet, &other, &bytes, 0).unwrap(), ["+I null x 1"]);
    other[1].wanted = false;
    assert_eq!(read(&*parquet, &other, &bytes, 0).unwrap(), ["+I null 1"]);
    other.iter_mut().for_each(|c| c.wanted = false);
    assert_eq!(read(&*parquet, &other, &bytes, 0).unwrap(), ["+I"]);
}

#[test]
fn what_does_not_fit_is_named() {
    let parquet = format("parquet", &[]).unwrap();
    let written = columns(&[("a", SqlType::bigint()), ("b", SqlType::string())]);
    let bytes = write(&*parquet, &written, &[batch_of(&written, &[r#"{"a":300,"b":"x"}"#])]);
    let error = |ty: SqlType, name: &str| {
        read(&*parquet, &columns(&[(name, ty)]), &bytes, 0).unwrap_err().to_string()
    };
    let text = error(SqlType::new(TypeKind::TinyInt), "a");
    assert!(text.contains("column 'a'") && text.contains("300 is outside"), "{text}");
    let text = error(SqlType::int(), "b");
    assert!(text.contains("column 'b'") && text.contains("Utf8"), "{text}");
    for broken in [&bytes[..bytes.len() - 9], b"PAR1 no file at all PAR1", b""] {
        let text = read(&*parquet, &written, broken, 0).unwrap_err().to_string();
        assert!(text.contains("no good Parquet file"), "{text}");
    }
    let interval = columns(&[("i", SqlType::new(TypeKind::IntervalDaySecond))]);
    assert!(parquet.files().unwrap().check(&interval).is_err());
    assert!(parquet.decoder(&written).err().unwrap().to_string().contains("filesystem"));
}

#[test]
fn int96_is_an_instant() {
    let schema = parse_message_type("message m { optional int96 t; }").unwrap();
    let mut bytes = vec![];
    let properties = Arc::new(WriterProperties::new());
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let (mut value, mut far) = (Int96::new(), Int96::new());
    far.set_data(0, 0, 5_373_484);
    // 2024-07-01 12:00:00.000000001: nanoseconds of the day, Julian day.
    let nanos = 12 * 3_600_000_000_000_i64 + 1;
    value.set_data(nanos as u32, (nanos >> 32) as u32, 2_460_493);
    column.typed::<Int96Type>().write_batch(&[value, far], Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let parquet = format("parquet", &[]).unwrap();
    let read = |ty: SqlType| read(&*parquet, &columns(&[("t", ty)]), &bytes, 0).unwrap();
    assert_eq!(read(SqlType::timestamp(9))[0], "+I 2024-07-01 12:00:00.000000001");
    for ty in [SqlType::timestamp(3), SqlType::timestamp_ltz(3)] {
        assert_eq!(read(ty), ["+I 2024-07-01 12:00:00.000", "+I 9999-12-31 00:00:00.000"]);
    }
}
