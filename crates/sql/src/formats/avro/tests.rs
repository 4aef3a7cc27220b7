//! Rows to Avro and back, and schemas of columns.

#![allow(clippy::unwrap_used)]
use super::schema::{AvroSchema, of_columns};
use crate::formats::testing::{batch_of, columns, format, show};
use crate::formats::{Encoder, Format, FormatColumn, columns::Rows};
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind};
use millstream_core::Result;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

fn decode(
    format: &dyn Format,
    columns: &[FormatColumn],
    messages: &[Vec<u8>],
) -> Result<Vec<String>> {
    let wanted = || columns.iter().filter(|c| c.wanted);
    let mut decoder = format.decoder(columns)?;
    let mut rows = Rows::new(wanted().map(|c| (c.name.as_str(), &c.ty)));
    for message in messages {
        let before = rows.len();
        let decoded = decoder.decode(message, &mut rows);
        if decoded.is_err() {
            assert_eq!(rows.len(), before);
            rows.finish().unwrap();
        }
        decoded?;
    }
    let types: Vec<_> = wanted().map(|c| c.ty.clone()).collect();
    Ok(show(&rows.finish()?, &types))
}

fn encode(encoder: &mut dyn Encoder, columns: &[FormatColumn], json: &[&str]) -> Vec<Vec<u8>> {
    let batch = batch_of(columns, json);
    let message = |row: usize| {
        let mut out = vec![];
        encoder.encode(batch.rows().columns(), row, ChangeKind::Insert, &mut out).unwrap();
        out
    };
    (0..batch.len()).map(message).collect()
}

fn all_types() -> Vec<FormatColumn> {
    columns(&[
        ("b", SqlType::boolean()),
        ("t", SqlType::new(TypeKind::TinyInt)),
        ("i", SqlType::int()),
        ("l", SqlType::bigint()),
        ("f", SqlType::float()),
        ("d", SqlType::double()),
        ("c", SqlType::decimal(20, 4)),
        ("v", SqlType::string()),
        ("y", SqlType::bytes()),
        ("a", SqlType::date()),
        ("m", SqlType::time(3)),
        ("p", SqlType::timestamp(3)),
        ("z", SqlType::timestamp_ltz(3)),
        ("r", SqlType::array(SqlType::row([("x", SqlType::int()), ("y", SqlType::string())]))),
        ("o", SqlType::map(SqlType::string(), SqlType::array(SqlType::decimal(5, 1)))),
    ])
}

const ROW: &str = r#"{"b":true,"t":-128,"i":7,"l":9223372036854775807,"f":1.5,"d":-2e-5,"c":-12345678901.2345,"v":"é","y":"SGk=","a":"1969-12-31","m":"23:59:59.5","p":"2024-02-29 01:02:03.5","z":"1960-02-29 01:02:03.5Z","r":[{"x":1,"y":"2024"},null,{"x":null}],"o":{"k":[1.5,null],"":null}}"#;

#[test]
fn every_type_out_and_in() {
    let columns = all_types();
    let types: Vec<SqlType> = columns.iter().map(|c| c.ty.clone()).collect();
    let want = show(&batch_of(&columns, &[ROW, "{}"]), &types);
    for legacy in ["true", "false"] {
        let avro = format("avro", &[("timestamp_mapping.legacy", legacy)]).unwrap();
        let mut encoder = avro.encoder(&columns).unwrap();
        let messages = encode(&mut *encoder, &columns, &[ROW, "{}"]);
        assert_eq!(decode(&*avro, &columns, &messages).unwrap(), want);
        // Cut off anywhere, a message is refused.
        for end in 0..messages[0].len() {
            let cut = vec![messages[0][..end].to_vec()];
            let error = decode(&*avro, &columns, &cut).unwrap_err().to_string();
            assert!(error.contains("byte"), "{error}");
        }
    }
}

#[test]
fn the_bytes_and_the_schema_are_those_of_the_specification() {
    let columns = columns(&[
        ("a", SqlType::bigint().not_null()),
        ("s", SqlType::string()),
        ("c", SqlType::decimal(10, 2)),
    ]);
    let avro = format("avro", &[]).unwrap();
    let mut encoder = avro.encoder(&columns).unwrap();
    let messages = encode(
        &mut *encoder,
        &columns,
        &[r#"{"a":-65,"s":"foo","c":"-1.28"}"#, r#"{"a":64,"c":"1.28"}"#],
    );
    assert_eq!(messages[0], [0x81, 1, 2, 6, b'f', b'o', b'o', 2, 2, 0x80]);
    assert_eq!(messages[1], [0x80, 1, 0, 2, 4, 0, 0x80]);
    assert_eq!(
        of_columns(&columns, true).unwrap(),
        serde_json::json!({
            "type": "record", "name": "record", "namespace": "org.apache.flink.avro.generated",
            "fields": [
                {"name": "a", "type": "long"},
                {"name": "s", "type": ["null", "string"], "default": null},
                {"name": "c", "default": null, "type": ["null", {
                    "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
            ],
        })
    );
}

#[test]
fn the_json_form_out_and_in() {
    let columns = all_types();
    // Entries of maps come in the order of their keys.
    let row = ROW.replace(r#"{"k":[1.5,null],"":null}"#, r#"{"":null,"k":[1.5,null]}"#);
    let types: Vec<SqlType> = columns.iter().map(|c| c.ty.clone()).collect();
    let want = show(&batch_of(&columns, &[&row, "{}"]), &types);
    let avro = format("avro", &[("encoding", "json")]).unwrap();
    let mut encoder = avro.encoder(&columns).unwrap();
    let messages = encode(&mut *encoder, &columns, &[&row, "{}"]);
    let text = String::from_utf8(messages[0].clone()).unwrap();
    for part in [
        r#"{"b":{"boolean":true},"t":{"int":-128}"#,
        r#""y":{"bytes":"Hi"}"#,
        r#""r":{"array":[{"org.apache.flink.avro.generated.record_r":{"x":{"int":1},"y":{"string":"2024"}}},null"#,
    ] {
        assert!(text.contains(part), "{part} {text}");
    }
    assert_eq!(decode(&*avro, &columns, &messages).unwrap(), want);
    let own = crate::formats::testing::columns(&[
        ("a", SqlType::bigint().not_null()),
        ("s", SqlType::string()),
    ]);
    let read = |text: &str| decode(&*avro, &own, &[text.as_bytes().to_vec()]);
    assert_eq!(read(r#"{"s":{"string":"x"},"a":1}"#).unwrap(), ["+I 1 x"]);
    for (text, part) in [
        (r#"{"a":1,"s":"x"}"#, "field 's'"),
        (r#"{"a":1}"#, "without field 's'"),
        (r#"{"a":1.5,"s":null}"#, "1.5' is no long"),
        ("[1", "no JSON"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn types_that_avro_has_not_are_refused() {
    let refused = |ty: SqlType, options: &[(&str, &str)], part: &str| {
        let avro = format("avro", options).unwrap();
        let error = avro.encoder(&columns(&[("x", ty)])).err().unwrap().to_string();
        assert!(error.contains("column 'x'") && error.contains(part), "{error}");
    };
    refused(SqlType::timestamp(6), &[], "timestamp_mapping.legacy");
    refused(SqlType::timestamp(9), &[("timestamp_mapping.legacy", "false")], "at most 6");
    refused(SqlType::map(SqlType::int(), SqlType::int()), &[], "keys of maps");
    refused(SqlType::new(TypeKind::IntervalDaySecond), &[], "INTERVAL");
    let name = format("avro", &[]).unwrap().encoder(&columns(&[("a b", SqlType::int())]));
    assert!(name.err().unwrap().to_string().contains("'a b' is no name"));
}

#[test]
fn files_with_every_codec() {
    let columns = all_types();
    let types: Vec<SqlType> = columns.iter().map(|c| c.ty.clone()).collect();
    let batch = batch_of(&columns, &vec![ROW; 3000]);
    for codec in ["null", "deflate", "snappy"] {
        let avro = format("avro", &[("codec", codec)]).unwrap();
        let files = avro.files().unwrap();
        let mut writer = files.writer(&columns).unwrap();
        let mut bytes = vec![];
        for _ in 0..2 {
            writer.write(batch.rows().columns(), batch.len(), &mut bytes).unwrap();
        }
        writer.finish(&mut bytes).unwrap();
        let read = |bytes: &[u8], skip: u64| -> Result<(usize, Vec<String>)> {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            let mut reader = files.reader(file, &columns, skip)?;
            let (mut count, mut last) = (0, vec![]);
            let fields = columns.iter().map(|c| c.ty.arrow_field(&c.name).with_nullable(true));
            let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
            while let Some((made, rows)) = reader.next()? {
                count += rows;
                let schema = Arc::clone(&schema);
                let batch = crate::runtime::ChangeBatch::from_columns(schema, made, rows, None)?;
                last = show(&batch.slice(0, 1), &types);
            }
            Ok((count, last))
        };
        let want = show(&batch.slice(0, 1), &types);
        assert_eq!(read(&bytes, 0).unwrap(), (6000, want.clone()));
        assert_eq!(read(&bytes, 5001).unwrap(), (999, want));
        let error = read(&bytes[..bytes.len() - 3], 0).unwrap_err().to_string();
        assert!(error.contains("no good Avro file"), "{error}");
        let mut wrong = bytes.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(read(&wrong, 0).is_err());
        assert!(read(b"no avro", 0).is_err());
    }
}

/// The endpoints of a schema registry that are used, and nothing more: not a real one.
struct FakeRegistry {
    url: String,
    schemas: Arc<Mutex<HashMap<u32, String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeRegistry {
    fn start() -> FakeRegistry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let schemas: Arc<Mutex<HashMap<u32, String>>> = Arc::default();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, seen) = (Arc::clone(&schemas), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &known, &seen);
            }
        });
        FakeRegistry { url, schemas, requests }
    }
    fn add(&self, id: u32, schema: serde_json::Value) {
        self.schemas.lock().unwrap().insert(id, schema.to_string());
    }
}

fn answer(
    mut stream: TcpStream,
    schemas: &Mutex<HashMap<u32, String>>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        head += &line;
        line.clear();
    }
    let length =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let first = head.lines().next().unwrap_or_default().to_owned();
    requests.lock().unwrap().push(head.clone());
    let mut schemas = schemas.lock().unwrap();
    let (status, json) = if !head.to_lowercase().contains("authorization: basic dtpw") {
        (
            "401 Unauthorized",
            serde_json::json!({"error_code": 401, "message": "User cannot access"}),
        )
    } else if let Some(rest) = first.strip_prefix("GET /api/schemas/ids/") {
        let id: u32 = rest.split(' ').next().unwrap().parse().unwrap();
        match schemas.get(&id) {
            Some(schema) => ("200 OK", serde_json::json!({"schema": schema})),
            None => ("404 Not Found", serde_json::json!({"message": "Schema not found"})),
        }
    } else if first.starts_with("POST /api/subjects/t-value/versions ") {
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let id = 100 + schemas.len() as u32;
        schemas.insert(id, body["schema"].as_str().unwrap().to_owned());
        ("200 OK", serde_json::json!({"id": id}))
    } else {
        ("404 Not Found", serde_json::json!({"message": "HTTP 404"}))
    };
    let json = json.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{json}",
        json.len()
    )
}

#[test]
fn schemas_come_from_the_registry_and_go_there() {
    let registry = FakeRegistry::start();
    let url = format!("{}/api/", registry.url);
    let options = [("url", url.as_str()), ("subject", "t-value"), ("basic-auth.user-info", "u:p")];
    let confluent = format("avro-confluent", &options).unwrap();
    let own = columns(&[("id", SqlType::bigint()), ("s", SqlType::string())]);
    let mut encoder = confluent.encoder(&own).unwrap();
    let messages = encode(&mut *encoder, &own, &[r#"{"id":1,"s":"x"}"#, r#"{"id":2}"#]);
    assert_eq!(messages[1], [0, 0, 0, 0, 100, 2, 4, 0]);
    assert_eq!(decode(&*confluent, &own, &messages).unwrap(), ["+I 1 x", "+I 2 null"]);
    // Another writer: other order, other types, more fields, and one less.
    registry.add(
        7,
        serde_json::json!({"type": "record", "name": "W", "fields": [
            {"name": "more", "type": {"type": "map", "values": ["null", "W"]}},
            {"name": "s", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
            {"name": "id", "type": "int"},
        ]}),
    );
    let wider = columns(&[
        ("id", SqlType::bigint()),
        ("gone", SqlType::double()),
        ("s", SqlType::string()),
    ]);
    // more: one entry "k" with a W that has no more, s B, id 3.
    let record = [2, 2, b'k', 2, 0, 2, 6, 0, 0, 4];
    let message = [&[0, 0, 0, 0, 7][..], &record].concat();
    assert_eq!(decode(&*confluent, &wider, &[message]).unwrap(), ["+I 2 null A"]);
    let refused = |message: &[u8], part: &str| {
        let error = decode(&*confluent, &own, &[message.to_vec()]).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("u:p"), "{error}");
    };
    refused(&[0, 0, 0, 0, 9, 1], "it answers 404: Schema not found");
    refused(&[1, 2, 3], "does not begin with 0 and the id");
    refused(&[0, 0, 0, 0, 7, 0, 8, 0], "schema 7");
    let asked = registry.requests.lock().unwrap().len();
    assert!(asked <= 4, "each schema is asked for once: {asked}");
    let nobody = format("avro-confluent", &[("url", &url)]).unwrap();
    let error = decode(&*nobody, &own, &messages).unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("basic-auth.user-info"), "{error}");
    assert!(nobody.encoder(&own).err().unwrap().to_string().contains("'subject'"));
}

#[test]
fn changes_of_debezium() {
    let registry = FakeRegistry::start();
    let url = format!("{}/api", registry.url);
    let options = [("url", url.as_str()), ("subject", "t-value"), ("basic-auth.user-info", "u:p")];
    let debezium = format("debezium-avro-confluent", &options).unwrap();
    let own = columns(&[("id", SqlType::int()), ("s", SqlType::string())]);
    let mut encoder = debezium.encoder(&own).unwrap();
    let batch = batch_of(&own, &[r#"{"id":1,"s":"x"}"#]);
    let messages: Vec<Vec<u8>> = [ChangeKind::Insert, ChangeKind::Delete, ChangeKind::UpdateAfter]
        .into_iter()
        .map(|kind| {
            let mut out = vec![];
            encoder.encode(batch.rows().columns(), 0, kind, &mut out).unwrap();
            out
        })
        .collect();
    assert_eq!(decode(&*debezium, &own, &messages).unwrap(), ["+I 1 x", "-D 1 x", "+I 1 x"]);
    // As Debezium writes it: op after other fields, one record type for both.
    registry.add(
        5,
        serde_json::json!({"type": "record", "name": "Envelope", "fields": [
            {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
                {"name": "id", "type": "int"}, {"name": "s", "type": ["null", "string"]}]}]},
            {"name": "after", "type": ["null", "Value"]},
            {"name": "source", "type": {"type": "record", "name": "S", "fields": [
                {"name": "lsn", "type": "long"}]}},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"]},
        ]}),
    );
    let update = [0, 0, 0, 0, 5, 2, 2, 0, 2, 4, 2, 2, b'y', 8, 2, b'u', 0];
    let snapshot = [0, 0, 0, 0, 5, 0, 2, 6, 0, 8, 2, b'r', 0];
    let messages = [update.to_vec(), snapshot.to_vec(), vec![]];
    assert_eq!(decode(&*debezium, &own, &messages).unwrap(), ["-U 1 null", "+U 2 y", "+I 3 null"]);
    let no_before = [0, 0, 0, 0, 5, 0, 2, 4, 0, 8, 2, b'u', 0];
    let error = decode(&*debezium, &own, &[no_before.to_vec()]).unwrap_err().to_string();
    assert!(error.contains("REPLICA IDENTITY"), "{error}");
}

#[test]
fn schemas_that_are_broken_are_refused() {
    for broken in [
        "",
        "{}",
        r#""nothing""#,
        r#"{"type":"record","name":"r"}"#,
        r#"{"type":"fixed","name":"f"}"#,
        r#"{"type":"array"}"#,
        "7",
    ] {
        let error = AvroSchema::parse(broken).unwrap_err().to_string();
        assert!(error.contains("no Avro schema"), "{broken}: {error}");
    }
    let deep = "{\"type\":\"array\",\"items\":".repeat(100) + "\"int\"" + &"}".repeat(100);
    assert!(AvroSchema::parse(&deep).is_err());
}
