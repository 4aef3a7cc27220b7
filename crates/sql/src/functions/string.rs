//! Text: parts, padding, search, case.
//!
//! Positions count characters (code points) from 1, as in Flink; only LPAD and RPAD count
//! UTF-16 units, because Flink does that by way of Java strings.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::OffsetBuffer;
use millstream_core::{Error, Result};

use super::args::Text;
use super::{CallArgs, Definition, FunctionRef, Returns, call_expr};
use crate::coercion::common_type;
use crate::expr::{Expr, arrow_bug};
use crate::types::{Family, MAX_LENGTH, SqlType, TypeKind, element_field};
use crate::value::Value;

const STRING: Returns = Returns::Type(SqlType::string);
const STRING_OR_NULL: Returns = Returns::Nullable(SqlType::string);
const INT: Returns = Returns::Type(SqlType::int);
const FLAG: Returns = Returns::NotNull(SqlType::boolean);

pub(super) const TABLE: &[Definition] = &[
    Definition::new(
        &["||"],
        &["text, text", "bytes, bytes"],
        Returns::Derived(concatenated),
        concat_two,
    ),
    Definition::new(&["CONCAT"], &["text.."], STRING, concat),
    Definition::new(&["CONCAT_WS"], &["text, text.."], STRING, concat_ws),
    Definition::new(&["CHAR_LENGTH", "CHARACTER_LENGTH"], &["text"], INT, char_length),
    Definition::new(&["UPPER", "UCASE"], &["text"], Returns::Derived(first), |args| {
        changed_case(args, <[u8]>::make_ascii_uppercase, str::to_uppercase)
    }),
    Definition::new(&["LOWER", "LCASE"], &["text"], Returns::Derived(first), |args| {
        changed_case(args, <[u8]>::make_ascii_lowercase, str::to_lowercase)
    }),
    Definition::new(&["INITCAP"], &["text"], Returns::Derived(first), |args| each(args, initcap)),
    Definition::new(&["REVERSE"], &["text"], STRING_OR_NULL, |args| {
        each(args, |s, out| out.extend(s.chars().rev()))
    }),
    Definition::new(&["TRIM"], &["text", "symbol, text, text"], Returns::Derived(trimmed), trim),
    Definition::new(&["LTRIM"], &["text, [text]"], Returns::Derived(trimmed), |args| {
        trim_set(args, true, false)
    }),
    Definition::new(&["RTRIM"], &["text, [text]"], Returns::Derived(trimmed), |args| {
        trim_set(args, false, true)
    }),
    Definition::new(&["BTRIM"], &["text, [text]"], STRING, |args| trim_set(args, true, true)),
    Definition::new(&["LPAD"], &["text, int, text"], STRING, |args| pad(args, true)),
    Definition::new(&["RPAD"], &["text, int, text"], STRING, |args| pad(args, false)),
    Definition::new(&["REPEAT"], &["text, int"], STRING, repeat).failing(),
    Definition::new(
        &["OVERLAY"],
        &["text, text, int, [int]"],
        Returns::Derived(concatenated),
        overlay,
    ),
    Definition::new(
        &["SUBSTRING", "SUBSTR"],
        &["text, int, [int]"],
        Returns::Derived(part),
        substring,
    ),
    Definition::new(&["LEFT"], &["text, int"], Returns::Derived(part), |args| {
        let (texts, counts) = (args.text(0)?, args.ints(1)?);
        args.pick_text(|row| {
            Ok(texts.get(row).zip(counts.get(row)).map(|(s, n)| &s[..byte_of(s, n)]))
        })
    }),
    Definition::new(&["RIGHT"], &["text, int"], Returns::Derived(part), |args| {
        let (texts, counts) = (args.text(0)?, args.ints(1)?);
        args.pick_text(|row| {
            Ok(texts.get(row).zip(counts.get(row)).map(|(s, n)| {
                let length = s.chars().count() as i32;
                &s[byte_of(s, length.saturating_sub(n.max(0)))..]
            }))
        })
    }),
    Definition::new(&["REPLACE"], &["text, text, text"], STRING, replace),
    Definition::new(
        &["TRANSLATE", "TRANSLATE3"],
        &["text, text, text"],
        Returns::Derived(|args| Ok(SqlType::string().with_nullable(args[0].ty.nullable))),
        translate,
    ),
    Definition::new(&["POSITION"], &["text, text"], INT, |args| {
        let (needles, texts) = (args.text(0)?, args.text(1)?);
        positions(args, needles, texts, Start::First)
    }),
    Definition::new(&["LOCATE"], &["text, text, [int]"], INT, |args| {
        let (needles, texts) = (args.text(0)?, args.text(1)?);
        positions(args, needles, texts, Start::From(2))
    }),
    Definition::new(&["INSTR"], &["text, text, [int], [int]"], INT, |args| {
        let (texts, needles) = (args.text(0)?, args.text(1)?);
        positions(args, needles, texts, Start::Either(2, 3))
    }),
    Definition::new(
        &["STARTSWITH"],
        &["text, text", "bytes, bytes"],
        Returns::Type(SqlType::boolean),
        |args| affix(args, |s, p| s.starts_with(p)),
    ),
    Definition::new(
        &["ENDSWITH"],
        &["text, text", "bytes, bytes"],
        Returns::Type(SqlType::boolean),
        |args| affix(args, |s, p| s.ends_with(p)),
    ),
    Definition::bound(&["ELT"], &["bigint, text, text..", "bigint, bytes, bytes.."], elt, run_elt),
    Definition::new(&["PRINTF"], &["text, any.."], STRING_OR_NULL, super::printf::printf),
    Definition::new(
        &["SPLIT_INDEX"],
        &["text, text, int", "text, int, int"],
        STRING_OR_NULL,
        split_index,
    ),
    Definition::new(&["SPLIT"], &["text, text"], Returns::Type(string_array), split),
    Definition::new(&["IS_ALPHA"], &["text", "num"], FLAG, |args| {
        is_all(args, |s| s.chars().all(char::is_alphabetic))
    }),
    Definition::new(&["IS_DIGIT"], &["text", "num"], FLAG, |args| {
        is_all(args, |s| s.chars().all(char::is_numeric))
    }),
    Definition::new(&["IS_DECIMAL"], &["text", "num"], FLAG, |args| {
        is_all(args, |s| crate::parse::float(s).is_ok())
    }),
];

fn string_array() -> SqlType {
    SqlType::array(SqlType::string())
}

fn any_null(args: &[Expr]) -> bool {
    args.iter().any(|a| a.ty.nullable)
}

/// The type of the first argument.
fn first(args: &[Expr]) -> Result<SqlType> {
    Ok(args[0].ty.clone())
}

fn varying(ty: &SqlType) -> SqlType {
    match ty.kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => SqlType::varchar(n),
        _ => SqlType::string(),
    }
}

/// Text of at most the length of the last argument's or only argument's type.
fn trimmed(args: &[Expr]) -> Result<SqlType> {
    let source = if args.len() == 3 { &args[2] } else { &args[0] };
    Ok(varying(&source.ty).with_nullable(any_null(args)))
}

/// Text of at most the length of the first argument's type, always nullable.
fn part(args: &[Expr]) -> Result<SqlType> {
    Ok(varying(&args[0].ty))
}

/// Text as long as the first two arguments together.
fn concatenated(args: &[Expr]) -> Result<SqlType> {
    use TypeKind::*;
    let sum = |n: u32, m: u32| n.saturating_add(m).min(MAX_LENGTH);
    let overlay = args.len() > 2;
    let kind = match (&args[0].ty.kind, &args[1].ty.kind) {
        (Char(n), Char(m)) if !overlay => Char(sum(*n, *m)),
        (Binary(n), Binary(m)) => Binary(sum(*n, *m)),
        (Binary(n) | Varbinary(n), Binary(m) | Varbinary(m)) => Varbinary(sum(*n, *m)),
        (Char(n) | Varchar(n), Char(m) | Varchar(m)) => Varchar(sum(*n, *m)),
        _ => Varchar(MAX_LENGTH),
    };
    Ok(SqlType::new(kind).with_nullable(any_null(args)))
}

fn each(args: &CallArgs<'_>, mut make: impl FnMut(&str, &mut String)) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.map_text(|row, out| {
        Ok(match texts.get(row) {
            Some(text) => {
                make(text, out);
                true
            }
            None => false,
        })
    })
}

/// UPPER or LOWER: all texts at once, where all are ASCII.
fn changed_case(
    args: &CallArgs<'_>,
    ascii: fn(&mut [u8]),
    any: fn(&str) -> String,
) -> Result<ArrayRef> {
    let texts = args.text(0)?.array();
    let (offsets, values) = (texts.offsets(), texts.value_data());
    let (start, end) = (offsets[0] as usize, offsets[texts.len()] as usize);
    if !values[start..end].is_ascii() || texts.len() != args.rows {
        return each(args, |text, out| out.push_str(&any(text)));
    }
    let mut values = values[start..end].to_vec();
    ascii(&mut values);
    let offsets = match start {
        0 => offsets.clone(),
        _ => OffsetBuffer::from_lengths(offsets.lengths()),
    };
    let nulls = texts.nulls().cloned();
    let array = StringArray::try_new(offsets, values.into(), nulls).map_err(arrow_bug)?;
    Ok(Arc::new(array))
}

/// The byte at which the first `chars` characters end.
fn byte_of(text: &str, chars: i32) -> usize {
    if chars <= 0 {
        return 0;
    }
    if text.is_ascii() {
        return text.len().min(chars as usize);
    }
    text.char_indices().nth(chars as usize).map_or(text.len(), |(at, _)| at)
}

fn concat_two(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if args.ty(0).family() == Family::Binary {
        return args.map_values(|row| {
            Ok(match (args.value(0, row)?, args.value(1, row)?) {
                (Value::Bytes(mut a), Value::Bytes(b)) => {
                    a.extend(b);
                    Value::Bytes(a)
                }
                _ => Value::Null,
            })
        });
    }
    concat(args)
}

fn concat(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = (0..args.len()).map(|i| args.text(i)).collect::<Result<Vec<Text<'_>>>>()?;
    args.map_text(|row, out| {
        for text in &texts {
            match text.get(row) {
                Some(text) => out.push_str(text),
                None => return Ok(false),
            }
        }
        Ok(true)
    })
}

fn concat_ws(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = (0..args.len()).map(|i| args.text(i)).collect::<Result<Vec<Text<'_>>>>()?;
    args.map_text(|row, out| {
        let Some(separator) = texts[0].get(row) else { return Ok(false) };
        let mut first = true;
        for text in texts[1..].iter().filter_map(|t| t.get(row)) {
            if !first {
                out.push_str(separator);
            }
            first = false;
            out.push_str(text);
        }
        Ok(true)
    })
}

fn char_length(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.map_numbers::<Int32Type>(|row| {
        Ok(texts.get(row).map(|s| if s.is_ascii() { s.len() } else { s.chars().count() } as i32))
    })
}

/// Words are runs of ASCII letters and digits; everything else separates and stays.
fn initcap(text: &str, out: &mut String) {
    let mut in_word = false;
    for c in text.chars() {
        out.push(if in_word { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        in_word = c.is_ascii_alphanumeric();
    }
}

fn trim(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if args.len() == 1 {
        return trim_set(args, true, true);
    }
    let mode = args.symbol(0);
    let (sets, texts) = (args.text(1)?, args.text(2)?);
    let (left, right) = (mode != "TRAILING", mode != "LEADING");
    args.pick_text(|row| {
        Ok(texts.get(row).zip(sets.get(row)).map(|(s, set)| cut(s, set, left, right)))
    })
}

fn trim_set(args: &CallArgs<'_>, left: bool, right: bool) -> Result<ArrayRef> {
    let (texts, sets) = (args.text(0)?, args.optional_text(1)?);
    args.pick_text(|row| {
        let set = match sets {
            Some(sets) => sets.get(row),
            None => Some(" "),
        };
        Ok(texts.get(row).zip(set).map(|(s, set)| cut(s, set, left, right)))
    })
}

fn cut<'a>(text: &'a str, set: &str, left: bool, right: bool) -> &'a str {
    let inside = |c: char| set.contains(c);
    let text = if left { text.trim_start_matches(inside) } else { text };
    if right { text.trim_end_matches(inside) } else { text }
}

fn pad(args: &CallArgs<'_>, left: bool) -> Result<ArrayRef> {
    let (texts, lengths, fills) = (args.text(0)?, args.ints(1)?, args.text(2)?);
    args.map_text(|row, out| {
        let (Some(text), Some(length), Some(fill)) =
            (texts.get(row), lengths.get(row), fills.get(row))
        else {
            return Ok(false);
        };
        if length < 0 || fill.is_empty() {
            return Ok(false);
        }
        let length = length as usize;
        if length > MAX_TEXT {
            return Err(too_long("LPAD or RPAD"));
        }
        if text.is_ascii() && fill.is_ascii() {
            let missing = length.saturating_sub(text.len());
            let filling = fill.bytes().cycle().take(missing).map(char::from);
            if left {
                out.extend(filling);
                out.push_str(&text[..text.len().min(length)]);
            } else {
                out.push_str(&text[..text.len().min(length)]);
                out.extend(filling);
            }
            return Ok(true);
        }
        let text: Vec<u16> = text.encode_utf16().collect();
        let fill: Vec<u16> = fill.encode_utf16().collect();
        let missing = length.saturating_sub(text.len());
        let filling = fill.iter().cycle().take(missing);
        let kept = &text[..text.len().min(length)];
        let units: Vec<u16> = if left {
            filling.chain(kept).copied().collect()
        } else {
            kept.iter().chain(filling).copied().collect()
        };
        // Half of a pair that was cut apart prints as a question mark in Java.
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('?')));
        Ok(true)
    })
}

/// Longest text that a function makes of short ones: a limit for memory, not of SQL.
const MAX_TEXT: usize = 64 << 20;

fn too_long(name: &str) -> Error {
    Error::data(format!("{name} would give a text of more than {} MiB", MAX_TEXT >> 20))
        .advice("use a smaller length")
}

fn repeat(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (args.text(0)?, args.ints(1)?);
    args.map_text(|row, out| {
        let Some((text, count)) = texts.get(row).zip(counts.get(row)) else { return Ok(false) };
        let count = count.max(0) as usize;
        if text.len().saturating_mul(count) > MAX_TEXT {
            return Err(too_long("REPEAT"));
        }
        for _ in 0..count {
            out.push_str(text);
        }
        Ok(true)
    })
}

fn overlay(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, news, starts) = (args.text(0)?, args.text(1)?, args.ints(2)?);
    let lengths = if args.len() > 3 { Some(args.ints(3)?) } else { None };
    args.map_text(|row, out| {
        let (Some(text), Some(new), Some(start)) = (texts.get(row), news.get(row), starts.get(row))
        else {
            return Ok(false);
        };
        let length = match lengths {
            Some(lengths) => match lengths.get(row) {
                Some(length) => length,
                None => return Ok(false),
            },
            None => new.encode_utf16().count() as i32,
        };
        // Places count UTF-16 units, as in Java; half of a pair is shown as '?'.
        let units: Vec<u16> = text.encode_utf16().collect();
        let (Ok(before), Ok(all)) =
            (usize::try_from(i64::from(start) - 1), i32::try_from(units.len()))
        else {
            out.push_str(text);
            return Ok(true);
        };
        if start > all {
            out.push_str(text);
            return Ok(true);
        }
        let shown = |units: &[u16]| -> String {
            char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or('?')).collect()
        };
        out.push_str(&shown(&units[..before]));
        out.push_str(new);
        if length > 0 && start.saturating_add(length) <= all {
            out.push_str(&shown(&units[before + length as usize..]));
        }
        Ok(true)
    })
}

fn substring(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (args.text(0)?, args.ints(1)?);
    let lengths = if args.len() > 2 { Some(args.ints(2)?) } else { None };
    args.pick_text(|row| {
        let Some((text, start)) = texts.get(row).zip(starts.get(row)) else { return Ok(None) };
        let length = match lengths {
            Some(lengths) => match lengths.get(row) {
                Some(length) if length >= 0 => length,
                _ => return Ok(None),
            },
            None => i32::MAX,
        };
        let begin = match start {
            0 => 0,
            1.. => start - 1,
            _ => {
                let from_end = text.chars().count() as i64 + i64::from(start);
                if from_end < 0 {
                    return Ok(Some(""));
                }
                from_end as i32
            }
        };
        let rest = &text[byte_of(text, begin)..];
        Ok(Some(&rest[..byte_of(rest, length)]))
    })
}

fn replace(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, olds, news) = (args.text(0)?, args.text(1)?, args.text(2)?);
    args.map_text(|row, out| {
        let (Some(text), Some(old), Some(new)) = (texts.get(row), olds.get(row), news.get(row))
        else {
            return Ok(false);
        };
        let mut from = 0;
        if old.is_empty() {
            out.push_str(&text.replace(old, new));
            return Ok(true);
        }
        for (at, _) in text.match_indices(old) {
            out.push_str(&text[from..at]);
            out.push_str(new);
            from = at + old.len();
        }
        out.push_str(&text[from..]);
        Ok(true)
    })
}

/// Without text to translate from, all stays; without text to translate to, it goes.
fn translate(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (args.text(0)?, args.text(1)?, args.text(2)?);
    args.map_text(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(false) };
        let from = froms.get(row).unwrap_or_default();
        let to = tos.get(row).unwrap_or_default();
        for c in text.chars() {
            match from.chars().position(|f| f == c) {
                None => out.push(c),
                Some(at) => out.extend(to.chars().nth(at)),
            }
        }
        Ok(true)
    })
}

/// Where a search begins: arguments with the position and the occurrence.
#[derive(Clone, Copy)]
enum Start {
    First,
    From(usize),
    Either(usize, usize),
}

/// 1-based positions of `needles` in `texts`, from an optional start, for an optional
/// occurrence; 0 if there is none. A negative start searches backwards from the end.
fn positions(
    args: &CallArgs<'_>,
    needles: Text<'_>,
    texts: Text<'_>,
    start: Start,
) -> Result<ArrayRef> {
    let (start, occurrence, backwards) = match start {
        Start::First => (None, None, false),
        Start::From(start) => (Some(start), None, false),
        Start::Either(start, occurrence) => (Some(start), Some(occurrence), true),
    };
    let optional = |i: Option<usize>| match i {
        Some(i) if i < args.len() => args.ints(i).map(Some),
        _ => Ok(None),
    };
    let (starts, occurrences) = (optional(start)?, optional(occurrence)?);
    args.map_numbers::<Int32Type>(|row| {
        let start = starts.map_or(Some(1), |s| s.get(row));
        let nth = occurrences.map_or(Some(1), |o| o.get(row));
        let (Some(needle), Some(text), Some(start), Some(nth)) =
            (needles.get(row), texts.get(row), start, nth)
        else {
            return Ok(None);
        };
        // LOCATE takes every start before the first character for the first.
        let start = if backwards { start } else { start.max(1) };
        if nth < 1 || start == 0 {
            return Ok(Some(0));
        }
        if needle.is_empty() && !backwards {
            return Ok(Some(1));
        }
        let position = |byte: usize| text[..byte].chars().count() as i32 + 1;
        if start > 0 {
            let mut from = byte_of(text, start - 1);
            if from == text.len() && start - 1 > text.chars().count() as i32 {
                return Ok(Some(0));
            }
            for n in 1..=nth {
                match text[from..].find(needle) {
                    None => return Ok(Some(0)),
                    Some(at) if n == nth => return Ok(Some(position(from + at))),
                    // The next occurrence may overlap this one.
                    Some(at) => {
                        let step = text[from + at..].chars().next().map_or(1, char::len_utf8);
                        from = (from + at + step).min(text.len());
                    }
                }
            }
            return Ok(Some(0));
        }
        let length = text.chars().count() as i64;
        let last = length + i64::from(start);
        let found = (0..=last.max(-1))
            .rev()
            .filter(|at| text[byte_of(text, *at as i32)..].starts_with(needle))
            .nth(nth as usize - 1);
        Ok(Some(found.map_or(0, |at| at as i32 + 1)))
    })
}

fn affix(args: &CallArgs<'_>, test: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
    if args.ty(0).is_text() {
        let (texts, affixes) = (args.text(0)?, args.text(1)?);
        return args.map_booleans(|row| {
            let pair = texts.get(row).zip(affixes.get(row));
            Ok(pair.map(|(s, p)| test(s.as_bytes(), p.as_bytes())))
        });
    }
    let (bytes, affixes) = (args.bytes(0)?, args.bytes(1)?);
    args.map_booleans(|row| Ok(bytes.get(row).zip(affixes.get(row)).map(|(s, p)| test(s, p))))
}

fn elt(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let ty = common_type(args[1..].iter().map(|a| &a.ty))
        .ok_or_else(|| Error::config("ELT of values of different types"))?
        .null_allowed();
    let mut index = true;
    let args = args
        .into_iter()
        .map(|arg| {
            // The index keeps its type, all others get the common one.
            if std::mem::take(&mut index) { arg } else { arg.cast_unchecked(ty.clone(), false) }
        })
        .collect();
    Ok(call_expr(function, args, ty))
}

fn run_elt(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let indices = args.bigints(0)?;
    args.map_values(|row| match indices.get(row) {
        Some(index) if index >= 1 && (index as usize) < args.len() => {
            args.value(index as usize, row)
        }
        _ => Ok(Value::Null),
    })
}

fn split_index(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, indices) = (args.text(0)?, args.ints(2)?);
    let by_code = if args.ty(1).is_text() { None } else { Some(args.ints(1)?) };
    let separators = if by_code.is_none() { Some(args.text(1)?) } else { None };
    args.pick_text(|row| {
        let Some((text, index)) = texts.get(row).zip(indices.get(row)) else { return Ok(None) };
        if index < 0 {
            return Ok(None);
        }
        let index = index as usize;
        if let Some(codes) = by_code {
            let code = codes.get(row).and_then(|c| u8::try_from(c).ok());
            return Ok(code.and_then(|c| text.split(char::from(c)).nth(index)));
        }
        let Some(separator) = separators.and_then(|s| s.get(row)) else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        if separator.is_empty() {
            // Commons Lang splits by blanks then.
            return Ok(text.split(char::is_whitespace).nth(index));
        }
        match separator.as_bytes() {
            [byte] => Ok(nth_between(text, *byte, index)),
            _ => Ok(text.split(separator).nth(index)),
        }
    })
}

/// The part of `text` behind `index` separators of one byte (which is ASCII, as a character).
fn nth_between(text: &str, separator: u8, index: usize) -> Option<&str> {
    let mut ends = memchr::memchr_iter(separator, text.as_bytes()).chain([text.len()]);
    let start = match index {
        0 => 0,
        _ => ends.nth(index - 1).filter(|end| *end < text.len())? + 1,
    };
    text.get(start..ends.next()?)
}

fn split(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (texts, separators) = (args.text(0)?, args.text(1)?);
    let mut out =
        ListBuilder::new(StringBuilder::new()).with_field(element_field(&SqlType::string()));
    for row in 0..args.rows {
        let Some((text, separator)) = texts.get(row).zip(separators.get(row)) else {
            out.append_null();
            continue;
        };
        if separator.is_empty() {
            let mut buffer = [0; 4];
            for c in text.chars() {
                out.values().append_value(c.encode_utf8(&mut buffer));
            }
        } else {
            for piece in text.split(separator) {
                out.values().append_value(piece);
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

/// Whether a text is not empty and passes; numbers are tested by their text, NULL fails.
fn is_all(args: &CallArgs<'_>, test: fn(&str) -> bool) -> Result<ArrayRef> {
    let array = if args.ty(0).is_text() {
        args.array(0)?
    } else {
        let array = args.array(0)?;
        crate::cast::cast(&array, args.ty(0), &SqlType::string(), false, &args.context.zone)?
    };
    let texts: &StringArray = array.as_string();
    args.map_booleans(|row| {
        let text = if texts.is_null(row) { "" } else { texts.value(row) };
        Ok(Some(!text.is_empty() && test(text)))
    })
}
