//! Schemas of Avro: read from their JSON, and made from columns as Flink makes them.
//!
//! | SQL | Avro |
//! |---|---|
//! | TINYINT, SMALLINT, INT; BIGINT | int; long |
//! | CHAR, VARCHAR; BINARY, VARBINARY | string; bytes |
//! | DECIMAL | bytes, `decimal` |
//! | DATE, TIME | int, `date`, `time-millis` |
//! | TIMESTAMP | long, `timestamp-millis` (legacy), `local-timestamp-millis` or `-micros` |
//! | TIMESTAMP_LTZ | long, `timestamp-millis` or `-micros` |
//! | ARRAY, MAP, MULTISET, ROW | array, map, map of int, record |
//! | a type that may be NULL | union of null and it |
//!
//! Invariant: a schema that was read has no more than [`MAX_DEPTH`] levels, and every name in
//! it is defined.

use crate::formats::FormatColumn;
use crate::types::{SqlType, TypeKind};
use millstream_core::{Error, Result};
use serde_json::{Value, json};

const MAX_DEPTH: usize = 64;
const NAMESPACE: &str = "org.apache.flink.avro.generated";

/// What a number or bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Logical {
    Decimal(u8),
    Date,
    TimeMillis,
    TimeMicros,
    /// Units a second; whether it is an instant.
    Timestamp(i64, bool),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Schema {
    Null,
    Boolean,
    Int(Option<Logical>),
    Long(Option<Logical>),
    Float,
    Double,
    Bytes(Option<Logical>),
    String,
    Array(Box<Schema>),
    Map(Box<Schema>),
    Union(Vec<Schema>),
    /// A record, enum or fixed, by its place among the named types.
    Named(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Named {
    Record(Vec<(String, Schema)>),
    Enum(Vec<String>),
    Fixed(usize, Option<Logical>),
}

/// A schema with its named types.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AvroSchema {
    pub(super) root: Schema,
    names: Vec<String>,
    pub(super) named: Vec<Named>,
}

fn bad(what: impl std::fmt::Display) -> Error {
    Error::config(format!("no Avro schema: {what}"))
        .advice("check the schema that the message, file or option gives")
}

impl AvroSchema {
    pub(super) fn parse(text: &str) -> Result<Self> {
        // A bare name is a schema too, and need not be in quotes in the registry's answer.
        let json: Value = serde_json::from_str(text).map_err(bad)?;
        Self::of_json(&json)
    }
    pub(super) fn of_json(json: &Value) -> Result<Self> {
        let mut schema = AvroSchema { root: Schema::Null, names: vec![], named: vec![] };
        schema.root = schema.read(json, "", 0)?;
        Ok(schema)
    }

    fn read(&mut self, json: &Value, namespace: &str, depth: usize) -> Result<Schema> {
        if depth > MAX_DEPTH {
            return Err(bad(format!("it has more than {MAX_DEPTH} levels")));
        }
        match json {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|b| self.read(b, namespace, depth + 1));
                Ok(Schema::Union(branches.collect::<Result<_>>()?))
            }
            Value::Object(object) => {
                let text = |name: &str| object.get(name).and_then(Value::as_str);
                let Some(ty) = object.get("type") else { return Err(bad("a part has no type")) };
                let Some(ty) = ty.as_str() else { return self.read(ty, namespace, depth + 1) };
                let part = |name: &str| {
                    object.get(name).ok_or_else(|| bad(format!("{ty} without '{name}'")))
                };
                match ty {
                    "array" => Ok(Schema::Array(Box::new(self.read(
                        part("items")?,
                        namespace,
                        depth + 1,
                    )?))),
                    "map" => Ok(Schema::Map(Box::new(self.read(
                        part("values")?,
                        namespace,
                        depth + 1,
                    )?))),
                    "record" | "error" | "enum" | "fixed" => {
                        let name = text("name").ok_or_else(|| bad(format!("{ty} without name")))?;
                        let full = full_name(name, text("namespace").unwrap_or(namespace));
                        let own = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
                        let at = self.named.len();
                        self.names.push(full);
                        self.named.push(Named::Record(vec![]));
                        self.named[at] = match ty {
                            "enum" => Named::Enum(texts(part("symbols")?)),
                            "fixed" => {
                                let size = part("size")?.as_u64().and_then(|n| n.try_into().ok());
                                let size = size.ok_or_else(|| bad("a fixed without size"))?;
                                Named::Fixed(size, logical(object))
                            }
                            _ => {
                                let fields = part("fields")?.as_array();
                                let fields = fields.ok_or_else(|| bad("fields are no list"))?;
                                Named::Record(self.fields(fields, &own, depth)?)
                            }
                        };
                        Ok(Schema::Named(at))
                    }
                    _ => Ok(match self.by_name(ty, namespace)? {
                        Schema::Int(_) => Schema::Int(logical(object)),
                        Schema::Long(_) => Schema::Long(logical(object)),
                        Schema::Bytes(_) => Schema::Bytes(logical(object)),
                        other => other,
                    }),
                }
            }
            other => Err(bad(format!("{other} is no type"))),
        }
    }

    fn fields(
        &mut self,
        fields: &[Value],
        namespace: &str,
        depth: usize,
    ) -> Result<Vec<(String, Schema)>> {
        let field = |field: &Value| {
            let name = field.get("name").and_then(Value::as_str);
            let name = name.ok_or_else(|| bad("a field without name"))?;
            let ty = field.get("type").ok_or_else(|| bad(format!("field '{name}' has no type")))?;
            Ok((name.to_owned(), self.read(ty, namespace, depth + 1)?))
        };
        fields.iter().map(field).collect()
    }

    fn by_name(&self, name: &str, namespace: &str) -> Result<Schema> {
        Ok(match name {
            "null" => Schema::Null,
            "boolean" => Schema::Boolean,
            "int" => Schema::Int(None),
            "long" => Schema::Long(None),
            "float" => Schema::Float,
            "double" => Schema::Double,
            "bytes" => Schema::Bytes(None),
            "string" => Schema::String,
            _ => {
                let full = full_name(name, namespace);
                let at = self.names.iter().position(|n| *n == full || n == name);
                Schema::Named(at.ok_or_else(|| bad(format!("type '{name}' is not defined")))?)
            }
        })
    }

    pub(super) fn named(&self, at: usize) -> Result<&Named> {
        self.named.get(at).ok_or_else(|| Error::bug("an Avro name that was not defined"))
    }
    /// The fields of the record at the root, or of the record of a union with null.
    pub(super) fn record<'a>(&'a self, schema: &'a Schema) -> Option<&'a [(String, Schema)]> {
        match schema {
            Schema::Named(at) => match self.named.get(*at) {
                Some(Named::Record(fields)) => Some(fields),
                _ => None,
            },
            _ => None,
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

fn texts(json: &Value) -> Vec<String> {
    let texts = json.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn logical(object: &serde_json::Map<String, Value>) -> Option<Logical> {
    Some(match object.get("logicalType")?.as_str()? {
        "decimal" => {
            let scale = object.get("scale").and_then(Value::as_u64).unwrap_or(0);
            Logical::Decimal(u8::try_from(scale).ok().filter(|s| *s <= 38)?)
        }
        "date" => Logical::Date,
        "time-millis" => Logical::TimeMillis,
        "time-micros" => Logical::TimeMicros,
        "timestamp-millis" => Logical::Timestamp(1_000, true),
        "timestamp-micros" => Logical::Timestamp(1_000_000, true),
        "timestamp-nanos" => Logical::Timestamp(1_000_000_000, true),
        "local-timestamp-millis" => Logical::Timestamp(1_000, false),
        "local-timestamp-micros" => Logical::Timestamp(1_000_000, false),
        "local-timestamp-nanos" => Logical::Timestamp(1_000_000_000, false),
        _ => return None,
    })
}

/// The schema that Flink derives from columns.
pub(super) fn of_columns(columns: &[FormatColumn], legacy: bool) -> Result<Value> {
    let columns = columns.iter().map(|c| (c.name.as_str(), &c.ty));
    record(columns, "record", legacy)
}

/// The schema of a record, by its name.
pub(super) fn record<'a>(
    fields: impl Iterator<Item = (&'a str, &'a SqlType)>,
    name: &str,
    legacy: bool,
) -> Result<Value> {
    let field = |(field, ty): (&str, &SqlType)| {
        if !is_name(field) {
            return Err(Error::config(format!("'{field}' is no name in Avro"))
                .advice("use letters, digits and '_' only, with a letter first"));
        }
        let schema = of_type(ty, &format!("{name}_{field}"), legacy);
        let schema = schema.map_err(|e| e.at(format!("column '{field}'")))?;
        Ok(match ty.nullable {
            true => json!({"name": field, "type": schema, "default": null}),
            false => json!({"name": field, "type": schema}),
        })
    };
    let fields = fields.map(field).collect::<Result<Vec<Value>>>()?;
    Ok(json!({"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn of_type(ty: &SqlType, name: &str, legacy: bool) -> Result<Value> {
    use TypeKind::*;
    let long = |logical: &str| json!({"type": "long", "logicalType": logical});
    let refused = |advice: &str| {
        Err(Error::config(format!("the format 'avro' has no form for {}", ty.base_text()))
            .advice(advice.to_owned()))
    };
    let schema = match &ty.kind {
        Boolean => json!("boolean"),
        TinyInt | SmallInt | Int => json!("int"),
        BigInt => json!("long"),
        Float => json!("float"),
        Double => json!("double"),
        Char(_) | Varchar(_) => json!("string"),
        Binary(_) | Varbinary(_) => json!("bytes"),
        Decimal { precision, scale } => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
        }
        Date => json!({"type": "int", "logicalType": "date"}),
        Time(p) if *p <= 3 => json!({"type": "int", "logicalType": "time-millis"}),
        Time(_) => return refused("use TIME with a precision of at most 3"),
        Timestamp(p) if legacy => match *p <= 3 {
            true => long("timestamp-millis"),
            false => {
                return refused(
                    "use a precision of at most 3, or set 'timestamp_mapping.legacy' to false for 6",
                );
            }
        },
        Timestamp(0..=3) => long("local-timestamp-millis"),
        Timestamp(4..=6) => long("local-timestamp-micros"),
        TimestampLtz(0..=3) => long("timestamp-millis"),
        TimestampLtz(4..=6) => long("timestamp-micros"),
        Timestamp(_) | TimestampLtz(_) => return refused("use a precision of at most 6"),
        Array(item) => json!({"type": "array", "items": of_type(item, name, legacy)?}),
        Map(key, value) if matches!(key.kind, Char(_) | Varchar(_)) => {
            json!({"type": "map", "values": of_type(value, name, legacy)?})
        }
        Multiset(key) if matches!(key.kind, Char(_) | Varchar(_)) => {
            json!({"type": "map", "values": "int"})
        }
        Map(..) | Multiset(_) => return refused("keys of maps must be text in Avro"),
        Row(fields) => record(fields.iter().map(|f| (f.name.as_str(), &f.ty)), name, legacy)?,
        Null | IntervalYearMonth | IntervalDaySecond => {
            return refused("cast it to BIGINT or STRING");
        }
    };
    Ok(match ty.nullable {
        true => json!(["null", schema]),
        false => schema,
    })
}
