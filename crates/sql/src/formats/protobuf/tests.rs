//! Rows to protobuf messages and back.

#![allow(clippy::unwrap_used)]
use crate::formats::testing::{batch_of, columns, format, show};
use crate::formats::{Format, FormatColumn, columns::Rows};
use crate::runtime::ChangeKind;
use crate::types::SqlType;
use millstream_core::Result;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions,
};
use std::sync::Arc;

fn field(name: &str, number: i32, label: Label, ty: Type, of: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(ty.into()),
        type_name: (!of.is_empty()).then(|| of.into()),
        ..Default::default()
    }
}

/// What `protoc` makes of
/// ```proto
/// package shop;
/// message Order {
///   message Item { string name = 1; int32 count = 2; }
///   enum State { OPEN = 0; PAID = 1; }
///   int64 id = 1; string note = 2; State state = 3; State number = 4; repeated Item items = 5;
///   map<string, int32> tags = 6; Item first = 7; bytes raw = 8; uint32 u = 9; double d = 10;
///   repeated string words = 11; bool b = 12; float f = 13;
/// }
/// ```
fn descriptor(syntax: &str) -> tempfile::NamedTempFile {
    use Label::{Optional as One, Repeated as Many};
    let item = DescriptorProto {
        name: Some("Item".into()),
        field: vec![
            field("name", 1, One, Type::String, ""),
            field("count", 2, One, Type::Int32, ""),
        ],
        ..Default::default()
    };
    let entry = DescriptorProto {
        name: Some("TagsEntry".into()),
        field: vec![
            field("key", 1, One, Type::String, ""),
            field("value", 2, One, Type::Int32, ""),
        ],
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..Default::default()
    };
    let symbol = |name: &str, number: i32| EnumValueDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        ..Default::default()
    };
    let state = EnumDescriptorProto {
        name: Some("State".into()),
        value: vec![symbol("OPEN", 0), symbol("PAID", 1)],
        ..Default::default()
    };
    let order = DescriptorProto {
        name: Some("Order".into()),
        field: vec![
            field("id", 1, One, Type::Int64, ""),
            field("note", 2, One, Type::String, ""),
            field("state", 3, One, Type::Enum, ".shop.Order.State"),
            field("number", 4, One, Type::Enum, ".shop.Order.State"),
            field("items", 5, Many, Type::Message, ".shop.Order.Item"),
            field("tags", 6, Many, Type::Message, ".shop.Order.TagsEntry"),
            field("first", 7, One, Type::Message, ".shop.Order.Item"),
            field("raw", 8, One, Type::Bytes, ""),
            field("u", 9, One, Type::Uint32, ""),
            field("d", 10, One, Type::Double, ""),
            field("words", 11, Many, Type::String, ""),
            field("b", 12, One, Type::Bool, ""),
            field("f", 13, One, Type::Float, ""),
        ],
        nested_type: vec![item, entry],
        enum_type: vec![state],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop".into()),
        message_type: vec![order],
        syntax: Some(syntax.into()),
        ..Default::default()
    };
    let out = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(out.path(), FileDescriptorSet { file: vec![file] }.encode_to_vec()).unwrap();
    out
}

fn make(file: &tempfile::NamedTempFile, more: &[(&str, &str)]) -> Arc<dyn Format> {
    let path = file.path().to_str().unwrap();
    let given = [("descriptor-file", path), ("message-class-name", "shop.Order")];
    format("protobuf", &[&given, more].concat()).unwrap()
}

fn all() -> Vec<FormatColumn> {
    let item = || SqlType::row([("name", SqlType::string()), ("count", SqlType::int())]);
    columns(&[
        ("id", SqlType::bigint()),
        ("note", SqlType::string()),
        ("state", SqlType::string()),
        ("number", SqlType::int()),
        ("items", SqlType::array(item())),
        ("tags", SqlType::map(SqlType::string(), SqlType::int())),
        ("first", item()),
        ("raw", SqlType::bytes()),
        ("u", SqlType::bigint()),
        ("d", SqlType::double()),
        ("words", SqlType::array(SqlType::string())),
        ("b", SqlType::boolean()),
        ("f", SqlType::float()),
    ])
}

const ROW: &str = r#"{"id":-7,"note":"é","state":"PAID","number":1,"items":[{"name":"a","count":2},{"name":"b"}],"tags":{"x":1,"y":2},"first":{"count":-3},"raw":"SGk=","u":4294967295,"d":0.5,"words":["w",null],"b":true,"f":1.5}"#;

fn encode(format: &dyn Format, columns: &[FormatColumn], json: &str) -> Result<Vec<u8>> {
    let batch = batch_of(columns, &[json]);
    let mut out = vec![];
    let mut encoder = format.encoder(columns)?;
    encoder.encode(batch.rows().columns(), 0, ChangeKind::Insert, &mut out)?;
    Ok(out)
}

fn decode(format: &dyn Format, columns: &[FormatColumn], message: &[u8]) -> Result<Vec<String>> {
    let mut decoder = format.decoder(columns)?;
    let mut rows = Rows::new(columns.iter().map(|c| (c.name.as_str(), &c.ty)));
    decoder.decode(message, &mut rows)?;
    let types: Vec<_> = columns.iter().map(|c| c.ty.clone()).collect();
    Ok(show(&rows.finish()?, &types))
}

#[test]
fn every_type_out_and_in() {
    let file = descriptor("proto2");
    let format = make(&file, &[("write-null-string-literal", "none")]);
    let bytes = encode(&*format, &all(), ROW).unwrap();
    assert_eq!(
        decode(&*format, &all(), &bytes).unwrap(),
        ["+I -7 é PAID 1 [(a, 2), (b, NULL)] {x=1, y=2} (NULL, -3) x'4869' 4294967295 0.5 \
          [w, none] TRUE 1.5"]
    );
    let few = columns(&[("u", SqlType::int()), ("id", SqlType::bigint())]);
    assert_eq!(decode(&*format, &few, &bytes).unwrap(), ["+I -1 -7"]);
    // The wire form: field 1 as a varint in two's complement.
    let id = encode(&*format, &few, r#"{"id":150}"#).unwrap();
    assert_eq!(id, [8, 0x96, 1]);
}

#[test]
fn what_is_not_there_is_null_or_its_default() {
    let nothing = |syntax: &str, more: &[(&str, &str)]| {
        let file = descriptor(syntax);
        decode(&*make(&file, more), &all(), &[]).unwrap().remove(0)
    };
    let nulls = format!("+I{}", " null".repeat(13));
    assert_eq!(nothing("proto2", &[]), nulls);
    assert_eq!(nothing("proto3", &[]), "+I 0  OPEN 0 null null null x'' 0 0.0 null FALSE 0.0");
    assert_eq!(
        nothing("proto2", &[("read-default-values", "true")]),
        "+I 0  OPEN 0 [] {} (, 0) x'' 0 0.0 [] FALSE 0.0"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let file = descriptor("proto3");
    let path = file.path().to_str().unwrap();
    let with = |class: &str| {
        format("protobuf", &[("descriptor-file", path), ("message-class-name", class)])
    };
    assert!(with("com.example.OuterProto$Order").is_ok());
    assert!(with("com.example.Order$Item").is_ok());
    let error = with("shop.Ordr").err().unwrap().to_string();
    assert!(error.contains("did you mean 'shop.Order'?"), "{error}");
    let error = format(
        "protobuf",
        &[("descriptor-file", "/no/such/file"), ("message-class-name", "shop.Order")],
    );
    assert!(error.err().unwrap().to_string().contains("protoc"));
    let format = with("shop.Order").unwrap();
    let refused = |name: &str, ty: SqlType, part: &str| {
        let error = format.decoder(&columns(&[(name, ty)])).err().unwrap().to_string();
        assert!(error.contains(name) && error.contains(part), "{error}");
    };
    refused("idd", SqlType::bigint(), "did you mean 'id'?");
    refused("id", SqlType::string(), "int64");
    refused("items", SqlType::string(), "repeated");
    let own = columns(&[("id", SqlType::bigint())]);
    let error = decode(&*format, &own, &[8, 0x96]).unwrap_err().to_string();
    assert!(error.contains("shop.Order") && error.contains("ignore-parse-errors"), "{error}");
    let lenient = make(&file, &[("ignore-parse-errors", "true")]);
    assert!(decode(&*lenient, &own, &[8, 0x96]).unwrap().is_empty());
    let state = columns(&[("state", SqlType::string())]);
    let error = encode(&*format, &state, r#"{"state":"LOST"}"#).unwrap_err().to_string();
    assert!(error.contains("'LOST' is none of shop.Order.State"), "{error}");
}
