//! Characters as numbers, bytes as text, and digests.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::BinaryBuilder;
use arrow_array::types::Int32Type;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use millstream_core::{Error, Result};

use super::{CallArgs, Definition, Kernel, Returns};
use crate::text::write_hex;
use crate::types::SqlType;

const STRING: Returns = Returns::Type(SqlType::string);

pub(super) const TABLE: &[Definition] = &[
    Definition::new(&["ASCII"], &["text"], Returns::Type(SqlType::int), |args| {
        let texts = args.text(0)?;
        // Flink gives the first byte, which is negative beyond ASCII.
        args.map_numbers::<Int32Type>(|row| {
            Ok(texts.get(row).map(|s| s.bytes().next().map_or(0, |b| i32::from(b as i8))))
        })
    }),
    Definition::new(&["CHR"], &["bigint"], Returns::Nullable(SqlType::string), |args| {
        let codes = args.bigints(0)?;
        args.map_text(|row, out| {
            let Some(code) = codes.get(row) else { return Ok(false) };
            if code >= 0 {
                out.push(char::from((code & 0xFF) as u8));
            }
            Ok(true)
        })
    }),
    Definition::new(&["ENCODE"], &["text, text"], Returns::Type(SqlType::bytes), encode).failing(),
    Definition::new(&["DECODE"], &["bytes, text"], STRING, decode).failing(),
    Definition::new(&["TO_BASE64"], &["text", "bytes"], STRING, |args| {
        each_bytes(args, |bytes, out| {
            BASE64.encode_string(bytes, out);
            Ok(true)
        })
    }),
    Definition::new(&["FROM_BASE64"], &["text"], STRING, |args| {
        each_bytes(args, |bytes, out| match BASE64.decode(bytes) {
            Ok(decoded) => {
                out.push_str(&String::from_utf8_lossy(&decoded));
                Ok(true)
            }
            Err(_) => Err(Error::data("FROM_BASE64 of a text that is not base64")),
        })
    })
    .failing(),
    Definition::new(&["BIN"], &["bigint"], STRING, |args| {
        let numbers = args.bigints(0)?;
        args.map_text(|row, out| {
            let Some(number) = numbers.get(row) else { return Ok(false) };
            let _ = write!(out, "{number:b}");
            Ok(true)
        })
    }),
    Definition::new(&["HEX"], &["bigint", "text", "bytes"], STRING, hex),
    Definition::new(&["UNHEX"], &["text"], Returns::Nullable(SqlType::bytes), unhex),
    digest(&["MD5"], char_32, hashed::<Md5>),
    digest(&["SHA1", "SHA"], char_40, hashed::<sha1::Sha1>),
    digest(&["SHA224"], char_56, hashed::<sha2::Sha224>),
    digest(&["SHA256"], char_64, hashed::<sha2::Sha256>),
    digest(&["SHA384"], char_96, hashed::<sha2::Sha384>),
    digest(&["SHA512"], char_128, hashed::<sha2::Sha512>),
    Definition::new(&["SHA2"], &["text, int", "bytes, int"], Returns::Type(varchar_128), sha2)
        .failing(),
];

fn char_32() -> SqlType {
    SqlType::char(32)
}
fn char_40() -> SqlType {
    SqlType::char(40)
}
fn char_56() -> SqlType {
    SqlType::char(56)
}
fn char_64() -> SqlType {
    SqlType::char(64)
}
fn char_96() -> SqlType {
    SqlType::char(96)
}
fn char_128() -> SqlType {
    SqlType::char(128)
}
fn varchar_128() -> SqlType {
    SqlType::varchar(128)
}

const fn digest(names: &'static [&'static str], ty: fn() -> SqlType, kernel: Kernel) -> Definition {
    Definition::new(names, &["text", "bytes"], Returns::Type(ty), kernel)
}

/// The bytes of argument 0 in a row, be it text or bytes.
fn bytes_at<'a>(args: &CallArgs<'a>) -> Result<impl Fn(usize) -> Option<&'a [u8]> + use<'a>> {
    let text = if args.ty(0).is_text() { Some(args.text(0)?) } else { None };
    let bytes = if text.is_none() { Some(args.bytes(0)?) } else { None };
    Ok(move |row| match (text, bytes) {
        (Some(text), _) => text.get(row).map(str::as_bytes),
        (_, Some(bytes)) => bytes.get(row),
        _ => None,
    })
}

fn each_bytes(
    args: &CallArgs<'_>,
    mut make: impl FnMut(&[u8], &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    let bytes = bytes_at(args)?;
    args.map_text(|row, out| match bytes(row) {
        Some(bytes) => make(bytes, out),
        None => Ok(false),
    })
}

fn hashed<D: Digest>(args: &CallArgs<'_>) -> Result<ArrayRef> {
    each_bytes(args, |bytes, out| {
        write_hex(out, &D::digest(bytes));
        Ok(true)
    })
}

fn sha2(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (bytes, lengths) = (bytes_at(args)?, args.ints(1)?);
    args.map_text(|row, out| {
        let Some((bytes, length)) = bytes(row).zip(lengths.get(row)) else { return Ok(false) };
        match length {
            224 => write_hex(out, &sha2::Sha224::digest(bytes)),
            256 => write_hex(out, &sha2::Sha256::digest(bytes)),
            384 => write_hex(out, &sha2::Sha384::digest(bytes)),
            512 => write_hex(out, &sha2::Sha512::digest(bytes)),
            _ => {
                return Err(Error::data(format!("SHA2 has no digest of {length} bits"))
                    .advice("use 224, 256, 384 or 512"));
            }
        }
        Ok(true)
    })
}

fn hex(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if args.ty(0).is_integer() {
        let numbers = args.bigints(0)?;
        return args.map_text(|row, out| {
            let Some(number) = numbers.get(row) else { return Ok(false) };
            let _ = write!(out, "{number:X}");
            Ok(true)
        });
    }
    each_bytes(args, |bytes, out| {
        write_hex(out, bytes);
        out.make_ascii_uppercase();
        Ok(true)
    })
}

fn unhex(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    let mut out = BinaryBuilder::new();
    let mut bytes = Vec::new();
    for row in 0..args.rows {
        bytes.clear();
        let digits =
            texts.get(row).and_then(|text| text.bytes().map(digit).collect::<Option<Vec<_>>>());
        let Some(digits) = digits else {
            out.append_null();
            continue;
        };
        // The first of an odd number of digits counts as zero, as in Flink.
        let odd = digits.len() % 2;
        if odd == 1 {
            bytes.push(0);
        }
        bytes.extend(digits[odd..].chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
        out.append_value(&bytes);
    }
    Ok(Arc::new(out.finish()))
}

/// The character sets that Flink names.
#[derive(Clone, Copy)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    Utf16 { big: bool, mark: bool },
}

impl Charset {
    fn parse(name: &str) -> Result<Charset> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Charset::Ascii,
            "ISO-8859-1" | "LATIN1" | "ISO8859_1" => Charset::Latin1,
            "UTF-8" | "UTF8" => Charset::Utf8,
            "UTF-16BE" => Charset::Utf16 { big: true, mark: false },
            "UTF-16LE" => Charset::Utf16 { big: false, mark: false },
            "UTF-16" => Charset::Utf16 { big: true, mark: true },
            _ => {
                return Err(Error::data(format!("Unsupported encoding: {name}"))
                    .advice("use US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16"));
            }
        })
    }
    fn encode(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Charset::Utf8 => out.extend(text.as_bytes()),
            Charset::Ascii => {
                out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }))
            }
            Charset::Latin1 => {
                out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')));
            }
            Charset::Utf16 { big, mark } => {
                let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
                for unit in units {
                    out.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
            }
        }
    }
    fn decode(self, bytes: &[u8], out: &mut String) {
        match self {
            Charset::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            Charset::Ascii => {
                out.extend(bytes.iter().map(|b| {
                    if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER }
                }))
            }
            Charset::Latin1 => out.extend(bytes.iter().map(|b| char::from(*b))),
            Charset::Utf16 { big, mark } => {
                let (big, bytes) = match bytes {
                    [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
                    [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
                    bytes => (big, bytes),
                };
                let units = bytes.chunks_exact(2).map(|pair| {
                    let pair = [pair[0], pair[1]];
                    if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                });
                out.extend(
                    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)),
                );
            }
        }
    }
}

fn encode(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, charsets) = (args.text(0)?, args.text(1)?);
    let mut out = BinaryBuilder::new();
    let mut buffer = Vec::new();
    for row in 0..args.rows {
        match texts.get(row).zip(charsets.get(row)) {
            Some((text, charset)) => {
                buffer.clear();
                Charset::parse(charset)?.encode(text, &mut buffer);
                out.append_value(&buffer);
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn decode(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (bytes, charsets) = (args.bytes(0)?, args.text(1)?);
    args.map_text(|row, out| {
        let Some((bytes, charset)) = bytes.get(row).zip(charsets.get(row)) else {
            return Ok(false);
        };
        Charset::parse(charset)?.decode(bytes, out);
        Ok(true)
    })
}
