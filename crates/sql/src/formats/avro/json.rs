//! Avro's JSON form, to and from its binary form.
//!
//! ```text
//!   {"a": {"long": 1}, "b": null}  <──>  02 02 00
//! ```
//! What is not null in a union stands in an object under the name of its type; bytes are text
//! with a character a byte. Source: the specification of Avro, "JSON Encoding".

use super::decode::Input;
use super::encode::{put_bytes, put_long};
use super::schema::{AvroSchema, Named, Schema};
use crate::formats::shown;
use millstream_core::{Error, Result};
use serde_json::Value;

fn misfit(json: &Value, wanted: &str) -> Error {
    let text = json.to_string();
    Error::data(format!("{} is no {wanted}", shown(text.as_bytes())))
        .advice("check that the message was written with the schema that it is read with")
}

/// The binary form of a message.
pub(super) fn to_binary(schema: &AvroSchema, message: &[u8]) -> Result<Vec<u8>> {
    let json = serde_json::from_slice(message)
        .map_err(|e| Error::data(format!("no JSON: {e}")).advice("write Avro's JSON form"))?;
    let mut out = vec![];
    put(schema, &schema.root, &json, &mut out)?;
    Ok(out)
}

fn put(schema: &AvroSchema, part: &Schema, json: &Value, out: &mut Vec<u8>) -> Result<()> {
    match part {
        Schema::Null if json.is_null() => {}
        Schema::Null => return Err(misfit(json, "null")),
        Schema::Boolean => out.push(json.as_bool().ok_or_else(|| misfit(json, "boolean"))?.into()),
        Schema::Int(_) => {
            let value = json.as_i64().and_then(|v| i32::try_from(v).ok());
            put_long(out, value.ok_or_else(|| misfit(json, "int"))?.into());
        }
        Schema::Long(_) => put_long(out, json.as_i64().ok_or_else(|| misfit(json, "long"))?),
        Schema::Float => out.extend_from_slice(&(number(json)? as f32).to_le_bytes()),
        Schema::Double => out.extend_from_slice(&number(json)?.to_le_bytes()),
        Schema::Bytes(_) => put_bytes(out, &latin(json)?),
        Schema::String => {
            let text = json.as_str().ok_or_else(|| misfit(json, "string"))?;
            put_bytes(out, text.as_bytes());
        }
        Schema::Array(item) => {
            let items = json.as_array().ok_or_else(|| misfit(json, "array"))?;
            if !items.is_empty() {
                put_long(out, items.len() as i64);
            }
            items.iter().try_for_each(|value| put(schema, item, value, out))?;
            out.push(0);
        }
        Schema::Map(value) => {
            let entries = json.as_object().ok_or_else(|| misfit(json, "map"))?;
            if !entries.is_empty() {
                put_long(out, entries.len() as i64);
            }
            for (key, entry) in entries {
                put_bytes(out, key.as_bytes());
                put(schema, value, entry, out)?;
            }
            out.push(0);
        }
        Schema::Union(branches) => {
            let (name, value) = match json {
                Value::Null => ("null", json),
                Value::Object(object) if object.len() == 1 => {
                    let (name, value) =
                        object.iter().next().ok_or_else(|| misfit(json, "union"))?;
                    (name.as_str(), value)
                }
                other => return Err(misfit(other, "union: {\"type\": value}")),
            };
            let at = branches.iter().position(|branch| schema.name_of(branch) == name);
            let at = at.ok_or_else(|| misfit(json, "branch of the union"))?;
            put_long(out, at as i64);
            put(schema, &branches[at], value, out)?;
        }
        Schema::Named(at) => match schema.named(*at)? {
            Named::Record(fields) => {
                let object = json.as_object().ok_or_else(|| misfit(json, "record"))?;
                for (name, field) in fields {
                    let value = object.get(name).ok_or_else(|| {
                        Error::data(format!("a record without field '{name}'"))
                            .advice("Avro's JSON form has all fields of a record, NULL or not")
                    })?;
                    put(schema, field, value, out).map_err(|e| e.at(format!("field '{name}'")))?;
                }
            }
            Named::Enum(symbols) => {
                let symbol = json.as_str().and_then(|text| symbols.iter().position(|s| s == text));
                put_long(out, symbol.ok_or_else(|| misfit(json, "enum"))? as i64);
            }
            Named::Fixed(size, _) => {
                let bytes = latin(json)?;
                if bytes.len() != *size {
                    return Err(misfit(json, "fixed of its size"));
                }
                out.extend_from_slice(&bytes);
            }
        },
    }
    Ok(())
}

/// Numbers, and the texts that Java writes for those that JSON has not.
fn number(json: &Value) -> Result<f64> {
    match (json.as_f64(), json.as_str()) {
        (Some(value), _) => Ok(value),
        (None, Some("NaN")) => Ok(f64::NAN),
        (None, Some("Infinity")) => Ok(f64::INFINITY),
        (None, Some("-Infinity")) => Ok(f64::NEG_INFINITY),
        _ => Err(misfit(json, "number")),
    }
}

fn latin(json: &Value) -> Result<Vec<u8>> {
    let text = json.as_str().ok_or_else(|| misfit(json, "bytes"))?;
    let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| misfit(json, "bytes"));
    text.chars().map(byte).collect()
}

/// Appends the JSON form of a message in binary form.
pub(super) fn write(schema: &AvroSchema, message: &[u8], out: &mut Vec<u8>) -> Result<()> {
    get(schema, &schema.root, &mut Input::new(message), out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(Value::from(text).to_string().as_bytes());
}

fn get(schema: &AvroSchema, part: &Schema, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<()> {
    match part {
        Schema::Null => out.extend_from_slice(b"null"),
        Schema::Boolean => {
            let value = input.array::<1>()?[0] != 0;
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        Schema::Int(_) | Schema::Long(_) => {
            out.extend_from_slice(input.long()?.to_string().as_bytes());
        }
        Schema::Float => {
            let value = f32::from_le_bytes(input.array()?);
            let mut shown = String::new();
            crate::text::write_float(&mut shown, value);
            real(out, &shown, value.is_finite());
        }
        Schema::Double => {
            let value = f64::from_le_bytes(input.array()?);
            let mut shown = String::new();
            crate::text::write_double(&mut shown, value);
            real(out, &shown, value.is_finite());
        }
        Schema::Bytes(_) => {
            let latin: String = input.bytes()?.iter().map(|byte| char::from(*byte)).collect();
            text(out, &latin);
        }
        Schema::String => text(out, &String::from_utf8_lossy(input.bytes()?)),
        Schema::Array(item) => {
            out.push(b'[');
            let mut first = true;
            input.blocks(|input| {
                comma(&mut first, out);
                get(schema, item, input, out)
            })?;
            out.push(b']');
        }
        Schema::Map(value) => {
            out.push(b'{');
            let mut first = true;
            input.blocks(|input| {
                comma(&mut first, out);
                text(out, &String::from_utf8_lossy(input.bytes()?));
                out.push(b':');
                get(schema, value, input, out)
            })?;
            out.push(b'}');
        }
        Schema::Union(branches) => {
            let at = input.length()?;
            let branch = branches.get(at);
            let branch = branch.ok_or_else(|| Error::bug("a branch that a union has not"))?;
            if *branch == Schema::Null {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            out.push(b'{');
            text(out, schema.name_of(branch));
            out.push(b':');
            get(schema, branch, input, out)?;
            out.push(b'}');
        }
        Schema::Named(at) => match schema.named(*at)? {
            Named::Record(fields) => {
                out.push(b'{');
                let mut first = true;
                for (name, field) in fields {
                    comma(&mut first, out);
                    text(out, name);
                    out.push(b':');
                    get(schema, field, input, out)?;
                }
                out.push(b'}');
            }
            Named::Enum(symbols) => {
                let symbol = symbols.get(input.length()?);
                text(out, symbol.ok_or_else(|| Error::bug("a symbol that an enum has not"))?);
            }
            Named::Fixed(size, _) => {
                let latin: String =
                    input.take(*size)?.iter().map(|byte| char::from(*byte)).collect();
                text(out, &latin);
            }
        },
    }
    Ok(())
}

fn comma(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
}

fn real(out: &mut Vec<u8>, shown: &str, finite: bool) {
    match finite {
        true => out.extend_from_slice(shown.as_bytes()),
        false => text(out, shown),
    }
}
