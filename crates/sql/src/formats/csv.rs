//! `csv`: a row of fields between delimiters; no header.
//!
//! As in Flink: a row with too few fields is refused (or filled with NULL when errors are
//! ignored), one with too many is refused (or passed over), an empty field is an empty
//! text, and NULL only where `null-literal` says so.

use super::columns::{Column, Rows};
use super::json::{push_text, text_of, write_scalar};
use super::times::TimeStandard;
use super::{Decoder, Encoder, Format, FormatColumn, FormatInfo, shown};
use crate::connectors::{OptionKind, OptionSpec, Options};
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use millstream_core::{Error, Result};
use std::sync::Arc;

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "csv",
    doc: "fields between delimiters, a line for each row",
    options: &[
        OptionSpec::new("field-delimiter", OptionKind::Text, ",", "what stands between fields"),
        OptionSpec::new(
            "disable-quote-character",
            OptionKind::Flag,
            "false",
            "read and write no quotes",
        ),
        OptionSpec::new("quote-character", OptionKind::Text, "\"", "what encloses fields"),
        OptionSpec::new(
            "allow-comments",
            OptionKind::Flag,
            "false",
            "pass over lines that start with #",
        ),
        OptionSpec::new(
            "ignore-parse-errors",
            OptionKind::Flag,
            "false",
            "NULL for fields that do not fit, nothing for rows that cannot be read",
        ),
        OptionSpec::new(
            "array-element-delimiter",
            OptionKind::Text,
            ";",
            "what stands between elements of ARRAYs and fields of ROWs",
        ),
        OptionSpec::new("escape-character", OptionKind::Text, "", "what escapes a quote"),
        OptionSpec::new("null-literal", OptionKind::Text, "", "the text of NULL"),
        OptionSpec::new(
            "write-bigdecimal-in-scientific-notation",
            OptionKind::Flag,
            "true",
            "write 2.7E-8, not 0.000000027",
        ),
    ],
    make: |options| Ok(Arc::new(Csv::new(options)?)),
};

#[derive(Clone)]
struct Csv {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comments: bool,
    ignore_errors: bool,
    element_delimiter: String,
    null_literal: Option<String>,
    plain_decimals: bool,
}

/// The one ASCII character of an option; Java's escapes such as `\t` are taken.
fn character(options: &Options, name: &str) -> Result<Option<u8>> {
    let Some(text) = options.text(name) else { return Ok(None) };
    let byte = match text {
        "\\t" => b'\t',
        "\\n" => b'\n',
        "\\\\" => b'\\',
        _ => match (text.as_bytes(), text.strip_prefix("\\u")) {
            ([byte], _) if byte.is_ascii() => *byte,
            (_, Some(code)) => u8::from_str_radix(code, 16)
                .ok()
                .filter(u8::is_ascii)
                .ok_or_else(|| Error::config(format!("option '{name}' cannot be '{text}'")))?,
            _ => {
                return Err(Error::config(format!("option '{name}' cannot be '{text}'"))
                    .advice("use one ASCII character"));
            }
        },
    };
    Ok(Some(byte))
}

impl Csv {
    fn new(options: &Options) -> Result<Self> {
        let quoting = !options.flag("disable-quote-character");
        if !quoting && options.is_given("quote-character") {
            return Err(Error::config(
                "quote-character is given and disable-quote-character is true",
            )
            .advice("choose one of them"));
        }
        Ok(Csv {
            delimiter: character(options, "field-delimiter")?.unwrap_or(b','),
            quote: character(options, "quote-character")?.filter(|_| quoting),
            escape: character(options, "escape-character")?,
            comments: options.flag("allow-comments"),
            ignore_errors: options.flag("ignore-parse-errors"),
            element_delimiter: options.text("array-element-delimiter").unwrap_or(";").to_owned(),
            // An empty literal is one too.
            null_literal: options
                .is_given("null-literal")
                .then(|| options.text("null-literal").unwrap_or_default().to_owned()),
            plain_decimals: !options.flag("write-bigdecimal-in-scientific-notation"),
        })
    }

    fn check(columns: &[FormatColumn]) -> Result<()> {
        fn bad(ty: &SqlType, depth: usize) -> bool {
            match &ty.kind {
                TypeKind::Map(..) | TypeKind::Multiset(_) => true,
                TypeKind::Array(item) => depth > 0 || bad(item, depth + 1),
                TypeKind::Row(fields) => depth > 0 || fields.iter().any(|f| bad(&f.ty, depth + 1)),
                _ => false,
            }
        }
        match columns.iter().find(|c| bad(&c.ty, 0)) {
            None => Ok(()),
            Some(column) => Err(Error::config(format!(
                "the format 'csv' has no form for {} of column '{}'",
                column.ty, column.name
            ))
            .advice("use the format 'json'")),
        }
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_literal.as_deref() == Some(text)
    }

    /// Appends a field's text to a column.
    fn push(&self, text: &str, column: &mut Column) -> Result<()> {
        let len = column.len();
        let pushed = self.push_present(text, column);
        pushed.or_else(|error| {
            if !self.ignore_errors {
                return Err(error);
            }
            column.truncate(len);
            column.push_null();
            Ok(())
        })
    }
    fn push_present(&self, text: &str, column: &mut Column) -> Result<()> {
        if self.is_null(text) {
            column.push_null();
            return Ok(());
        }
        let parts = || text.split(self.element_delimiter.as_str());
        match &column.ty().kind {
            TypeKind::Array(_) => {
                let items = column.items()?;
                if !text.is_empty() {
                    parts().try_for_each(|part| self.push(part, items))?;
                }
                column.close()
            }
            TypeKind::Row(_) => {
                let fields = column.fields()?;
                let count = parts().count();
                if count != fields.len() && !self.ignore_errors {
                    return Err(mismatch(fields.len(), count));
                }
                for (field, part) in fields.iter_mut().zip(parts()) {
                    self.push(part, field)?;
                }
                column.close()
            }
            _ => push_text(text, column, TimeStandard::Sql),
        }
    }
}

fn mismatch(expected: usize, found: usize) -> Error {
    Error::data(format!("Row length mismatch. {expected} fields expected but was {found}."))
        .advice("set csv.ignore-parse-errors to true to get NULL for what is missing")
}

impl Format for Csv {
    fn record_end(&self, bytes: &[u8]) -> Option<usize> {
        let line = memchr::memchr(b'\n', bytes);
        let comment = self.comments && bytes.first() == Some(&b'#');
        let Some(quote) = self.quote.filter(|_| !comment) else { return line.map(|at| at + 1) };
        if let Some(end) = line
            && memchr::memchr(quote, &bytes[..end]).is_none()
        {
            return Some(end + 1);
        }
        // A line end within quotes belongs to the field; quotes count where a field starts.
        let (mut quoted, mut field_start, mut escaped) = (false, true, false);
        for (at, byte) in bytes.iter().enumerate() {
            if escaped {
                escaped = false;
            } else if self.escape == Some(*byte) {
                escaped = true;
                field_start = false;
            } else if quoted {
                quoted = *byte != quote;
                // A doubled quote opens the field again.
                field_start = !quoted;
            } else if *byte == b'\n' {
                return Some(at + 1);
            } else if *byte == quote && field_start {
                quoted = true;
            } else {
                field_start = *byte == self.delimiter;
            }
        }
        None
    }
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        Csv::check(columns)?;
        let reader = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .quote(self.quote.unwrap_or(b'"'))
            .quoting(self.quote.is_some())
            .escape(self.escape)
            .build();
        let columns = columns.to_vec();
        let (fields, ends) = (vec![0; 1024], vec![0; columns.len() + 2]);
        Ok(Box::new(CsvDecoder { csv: self.clone(), columns, reader, fields, ends }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Csv::check(columns)?;
        Ok(Box::new(CsvEncoder { csv: self.clone(), columns: columns.to_vec() }))
    }
}

struct CsvDecoder {
    csv: Csv,
    columns: Vec<FormatColumn>,
    reader: Reader,
    /// The fields of a row, one after the other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvDecoder {
    /// Takes a row apart; the number of its fields.
    fn split(&mut self, mut record: &[u8]) -> Result<usize> {
        self.reader.reset();
        let (mut written, mut count) = (0, 0);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                record,
                &mut self.fields[written..],
                &mut self.ends[count..],
            );
            record = &record[read..];
            written += wrote;
            count += ended;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(count),
                // The input is whole: an empty one ends the row.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }
    fn row(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        text_of(message)?;
        let mut count = self.split(message)?;
        if message.is_empty() {
            // A blank line is one empty field.
            (self.ends[0], count) = (0, 1);
        }
        let made = rows.columns.len();
        if count > self.columns.len() {
            return Err(Error::data(format!(
                "Too many entries: expected at most {}, found {count}",
                self.columns.len()
            ))
            .advice("set csv.ignore-parse-errors to true to pass over such rows"));
        }
        if count < made && !self.csv.ignore_errors {
            return Err(mismatch(self.columns.len(), count));
        }
        let mut targets = rows.columns.iter_mut();
        let mut start = 0;
        for (i, column) in self.columns.iter().enumerate() {
            let range = (i < count).then(|| start..self.ends[i]);
            start = range.as_ref().map_or(start, |r| r.end);
            if !column.wanted {
                continue;
            }
            let Some(target) = targets.next() else { break };
            match range {
                None => target.push_null(),
                Some(range) => {
                    let text = text_of(&self.fields[range])?;
                    let pushed = self.csv.push(text, target);
                    pushed.map_err(|e| e.at(format!("column '{}'", column.name)))?;
                }
            }
        }
        rows.end_row(ChangeKind::Insert);
        Ok(())
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        let message = message.strip_suffix(b"\r").unwrap_or(message);
        if self.csv.comments && message.first() == Some(&b'#') {
            return Ok(());
        }
        let before = rows.len();
        self.row(message, rows).or_else(|error| {
            rows.truncate(before);
            match self.csv.ignore_errors {
                true => Ok(()),
                false => Err(error.at(format!("row {}", shown(message)))),
            }
        })
    }
}

struct CsvEncoder {
    csv: Csv,
    columns: Vec<FormatColumn>,
}

/// Texts longer than this are put in quotes without a look at them.
const LOOKED_AT: usize = 24;

impl CsvEncoder {
    /// Appends the text of a value; whether it is text (and may need quotes).
    fn text(&self, out: &mut String, ty: &SqlType, array: &dyn Array, row: usize) -> Result<bool> {
        if array.is_null(row) {
            out.push_str(self.csv.null_literal.as_deref().unwrap_or_default());
            return Ok(false);
        }
        let delimiter = self.csv.element_delimiter.as_str();
        match &ty.kind {
            TypeKind::Array(item) => {
                let items = array.as_list::<i32>().value(row);
                for i in 0..items.len() {
                    if i > 0 {
                        out.push_str(delimiter);
                    }
                    self.text(out, item, &items, i)?;
                }
                Ok(true)
            }
            TypeKind::Row(fields) => {
                for (i, (field, column)) in
                    fields.iter().zip(array.as_struct().columns()).enumerate()
                {
                    if i > 0 {
                        out.push_str(delimiter);
                    }
                    self.text(out, &field.ty, column, row)?;
                }
                Ok(true)
            }
            _ => {
                let start = out.len();
                let quoted = write_scalar(out, ty, array, row, TimeStandard::Sql)?;
                if quoted.is_none() {
                    let plain = out.split_off(start);
                    // Zeros at the end of the fraction are dropped in any case.
                    let plain = match plain.contains('.') {
                        true => plain.trim_end_matches('0').trim_end_matches('.'),
                        false => &plain,
                    };
                    match self.csv.plain_decimals {
                        true => out.push_str(plain),
                        false => out.push_str(&crate::text::java_decimal(plain, true)),
                    }
                }
                Ok(quoted == Some(true))
            }
        }
    }
}

impl Encoder for CsvEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut text = String::new();
        for (i, (column, array)) in self.columns.iter().zip(columns).enumerate() {
            if i > 0 {
                out.push(self.csv.delimiter);
            }
            text.clear();
            let is_text = self.text(&mut text, &column.ty, array, row)?;
            // What could be special is quoted: all that sorts below the delimiter.
            let special = |b: u8| {
                b <= self.csv.delimiter || Some(b) == self.csv.quote || Some(b) == self.csv.escape
            };
            let (quote, quoting) = match self.csv.quote {
                Some(quote) => {
                    let needed = text.len() > LOOKED_AT || text.bytes().any(special);
                    (quote, is_text && needed)
                }
                None => (0, false),
            };
            if !quoting {
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            out.push(quote);
            for byte in text.bytes() {
                if byte == quote || Some(byte) == self.csv.escape {
                    out.push(self.csv.escape.unwrap_or(quote));
                }
                out.push(byte);
            }
            out.push(quote);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::formats::testing::{batch_of, columns, decode, encode, format};
    use crate::types::SqlType;
    use proptest::prelude::*;

    #[test]
    fn quotes_nulls_and_comments() {
        let csv = format("csv", &[("null-literal", "NIL"), ("allow-comments", "true")]).unwrap();
        let columns = columns(&[
            ("k", SqlType::int()),
            ("s", SqlType::string()),
            ("d", SqlType::decimal(8, 2)),
            ("b", SqlType::boolean()),
        ]);
        let lines = [
            "# a comment line",
            "1,plain,1.5,true",
            "2,\"quoted, comma\",-2.25,false",
            "3,\"say \"\"hi\"\"\",0,TRUE",
            "4,,100.005,no",
            " 5 ,NIL,NIL,NIL\r",
        ];
        assert_eq!(
            decode(&*csv, &columns, &lines).unwrap(),
            [
                "+I 1 plain 1.50 TRUE",
                "+I 2 quoted, comma -2.25 FALSE",
                "+I 3 say \"hi\" 0.00 TRUE",
                "+I 4  100.01 FALSE",
                "+I 5 null null null",
            ]
        );
    }

    #[test]
    fn wrong_rows() {
        let columns = columns(&[("a", SqlType::int()), ("b", SqlType::int())]);
        let lines = ["1,2", "2,x", "3", "4,5,6", " 7 , 8 ", "9,"];
        let skipping = format("csv", &[("ignore-parse-errors", "true")]).unwrap();
        assert_eq!(
            decode(&*skipping, &columns, &lines).unwrap(),
            ["+I 1 2", "+I 2 null", "+I 3 null", "+I 7 8", "+I 9 null"]
        );
        let strict = format("csv", &[]).unwrap();
        for (line, error) in [
            ("2,x", "column 'b': 'x' is no INT"),
            ("3", "Row length mismatch. 2 fields expected but was 1."),
            ("4,5,6", "Too many entries: expected at most 2, found 3"),
        ] {
            let found = decode(&*strict, &columns, &[line]).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn collections() {
        let csv = format("csv", &[("field-delimiter", "|")]).unwrap();
        let columns = columns(&[
            ("a", SqlType::array(SqlType::int())),
            ("r", SqlType::row([("x", SqlType::string()), ("y", SqlType::boolean())])),
        ]);
        let rows = decode(&*csv, &columns, &["1;2|a;true", "|b;false"]).unwrap();
        assert_eq!(rows, ["+I [1, 2] (a, TRUE)", "+I [] (b, FALSE)"]);
        let batch = batch_of(&columns, &[r#"{"a":[1,2],"r":{"x":"a","y":true}}"#]);
        // As in Flink, everything that sorts below `|` is put in quotes.
        assert_eq!(encode(&*csv, &columns, &batch).unwrap(), ["\"1;2\"|\"a;true\""]);
        let map = [("m", SqlType::map(SqlType::string(), SqlType::int()))];
        let map = crate::formats::testing::columns(&map);
        assert!(csv.decoder(&map).err().unwrap().to_string().contains("no form for MAP"));
    }

    #[test]
    fn line_ends_in_quotes() {
        let csv = format("csv", &[]).unwrap();
        assert_eq!(csv.record_end(b"1,2\n3"), Some(4));
        assert_eq!(csv.record_end(b"1,\"a\nb\"\n3"), Some(8));
        assert_eq!(csv.record_end(b"1,\"a\"\"\nb\"\n3"), Some(10));
        assert_eq!(csv.record_end(b"1,\"a\nb"), None);
        assert_eq!(csv.record_end(b"1,a\"b\n3"), Some(6));
    }

    proptest! {
        #[test]
        fn rows_come_back(rows in prop::collection::vec(("[a-c \",;\n#\\\\]{0,30}", any::<i32>()), 1..5)) {
            for escape in [None, Some(("escape-character", "\\"))] {
                let csv = format("csv", escape.as_slice()).unwrap();
                let columns = columns(&[("s", SqlType::string()), ("i", SqlType::int())]);
                let json: Vec<String> = rows
                    .iter()
                    .map(|(s, i)| serde_json::json!({"s": s, "i": i}).to_string())
                    .collect();
                let batch = batch_of(&columns, &json.iter().map(String::as_str).collect::<Vec<_>>());
                let lines = encode(&*csv, &columns, &batch).unwrap();
                let file = lines.iter().map(|l| format!("{l}\n")).collect::<String>();
                let (mut rest, mut found) = (file.as_bytes(), vec![]);
                while let Some(end) = csv.record_end(rest) {
                    found.push(std::str::from_utf8(&rest[..end - 1]).unwrap());
                    rest = &rest[end..];
                }
                let back = decode(&*csv, &columns, &found).unwrap();
                let want: Vec<String> = rows.iter().map(|(s, i)| format!("+I {s} {i}")).collect();
                prop_assert_eq!(back, want);
            }
        }
    }
}
