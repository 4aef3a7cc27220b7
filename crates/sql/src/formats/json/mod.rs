//! `json`: a JSON object for each row.

mod decode;
mod encode;
pub(crate) mod scan;

pub(crate) use decode::{JsonReading, RowPlan, push_text, text_of};
pub(crate) use encode::{JsonWriting, NullKey, write_scalar, write_string};
pub(crate) use scan::{Kind, Scanner};

use super::columns::Rows;
use super::times::TimeStandard;
use super::{Decoder, Encoder, Format, FormatColumn, FormatInfo, shown};
use crate::connectors::{OptionKind, OptionSpec, Options};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use millstream_core::{Error, Result};
use std::sync::Arc;

/// How JSON spells times.
pub(crate) const TIMESTAMP_STANDARD: OptionSpec = OptionSpec::new(
    "timestamp-format.standard",
    OptionKind::OneOf(&["SQL", "ISO-8601"]),
    "SQL",
    "whether a blank or a T stands between date and time",
);
/// What becomes of a NULL key.
pub(crate) const NULL_KEY_MODE: OptionSpec = OptionSpec::new(
    "map-null-key.mode",
    OptionKind::OneOf(&["FAIL", "DROP", "LITERAL"]),
    "FAIL",
    "what becomes of NULL keys of maps",
);
/// The text of a NULL key.
pub(crate) const NULL_KEY_LITERAL: OptionSpec = OptionSpec::new(
    "map-null-key.literal",
    OptionKind::Text,
    "null",
    "what NULL keys become in the mode LITERAL",
);
/// How decimals are spelled.
pub(crate) const PLAIN_DECIMALS: OptionSpec = OptionSpec::new(
    "encode.decimal-as-plain-number",
    OptionKind::Flag,
    "false",
    "write 0.000000027, not 2.7E-8",
);
/// Whether NULL is left out.
pub(crate) const IGNORE_NULLS: OptionSpec = OptionSpec::new(
    "encode.ignore-null-fields",
    OptionKind::Flag,
    "false",
    "leave out fields that are NULL",
);
/// Whether bad messages are passed over.
pub(crate) const IGNORE_ERRORS: OptionSpec = OptionSpec::new(
    "ignore-parse-errors",
    OptionKind::Flag,
    "false",
    "NULL for values that do not fit, nothing for rows that cannot be read",
);

pub(crate) const INFO: FormatInfo = FormatInfo {
    name: "json",
    doc: "a JSON object for each row",
    options: &[
        IGNORE_ERRORS,
        OptionSpec::new(
            "fail-on-missing-field",
            OptionKind::Flag,
            "false",
            "refuse objects that lack a column, instead of NULL",
        ),
        TIMESTAMP_STANDARD,
        NULL_KEY_MODE,
        NULL_KEY_LITERAL,
        PLAIN_DECIMALS,
        IGNORE_NULLS,
        OptionSpec::new(
            "decode.json-parser.enabled",
            OptionKind::Flag,
            "true",
            "taken, without effect: JSON is always read in one pass",
        ),
    ],
    make: |options| {
        let reading = JsonReading {
            fail_on_missing: options.flag("fail-on-missing-field"),
            ..reading(options)
        };
        if reading.fail_on_missing && reading.ignore_errors {
            return Err(Error::config(
                "fail-on-missing-field and ignore-parse-errors cannot both be true",
            )
            .advice("choose one of them"));
        }
        Ok(Arc::new(Json { reading, writing: writing(options) }))
    },
};

/// How to read, from options.
pub(crate) fn reading(options: &Options) -> JsonReading {
    JsonReading {
        standard: standard(options),
        ignore_errors: options.flag(IGNORE_ERRORS.name),
        fail_on_missing: false,
    }
}

fn standard(options: &Options) -> TimeStandard {
    match options.text(TIMESTAMP_STANDARD.name) {
        Some(text) if text.eq_ignore_ascii_case("ISO-8601") => TimeStandard::Iso,
        _ => TimeStandard::Sql,
    }
}

/// How to write, from options.
pub(crate) fn writing(options: &Options) -> JsonWriting {
    let mode = options.text(NULL_KEY_MODE.name).unwrap_or("FAIL").to_ascii_uppercase();
    JsonWriting {
        standard: standard(options),
        null_key: match mode.as_str() {
            "DROP" => NullKey::Drop,
            "LITERAL" => {
                let literal = options.text(NULL_KEY_LITERAL.name).unwrap_or("null");
                NullKey::Literal(literal.to_owned())
            }
            _ => NullKey::Fail,
        },
        plain_decimals: options.flag(PLAIN_DECIMALS.name),
        ignore_nulls: options.flag(IGNORE_NULLS.name),
    }
}

/// The plan for columns of a table.
pub(crate) fn row_plan(columns: &[FormatColumn]) -> RowPlan {
    RowPlan::new(columns.iter().map(|c| (c.name.as_str(), &c.ty, c.wanted)))
}

struct Json {
    reading: JsonReading,
    writing: JsonWriting,
}

impl Format for Json {
    fn decoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(JsonDecoder { reading: self.reading, plan: row_plan(columns) }))
    }
    fn encoder(&self, columns: &[FormatColumn]) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(JsonEncoder { writing: self.writing.clone(), columns: columns.to_vec() }))
    }
}

struct JsonDecoder {
    reading: JsonReading,
    plan: RowPlan,
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, message: &[u8], rows: &mut Rows) -> Result<()> {
        let decoded = self.reading.message(&self.plan, message, rows);
        decoded.map_err(|e| e.at(format!("message {}", shown(message))))
    }
}

struct JsonEncoder {
    writing: JsonWriting,
    columns: Vec<FormatColumn>,
}

impl Encoder for JsonEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        row: usize,
        _kind: ChangeKind,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let fields = self.columns.iter().zip(columns);
        self.writing.row(out, fields.map(|(c, a)| (c.name.as_str(), &c.ty, a)), row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::formats::testing::{batch_of, columns, decode, encode, format};
    use crate::types::SqlType;

    #[test]
    fn every_type_in_and_out() {
        let columns = columns(&[
            ("b", SqlType::boolean()),
            ("t", SqlType::new(crate::types::TypeKind::TinyInt)),
            ("i", SqlType::int()),
            ("l", SqlType::bigint()),
            ("f", SqlType::float()),
            ("d", SqlType::double()),
            ("c", SqlType::decimal(20, 4)),
            ("s", SqlType::string()),
            ("y", SqlType::bytes()),
            ("a", SqlType::date()),
            ("m", SqlType::time(0)),
            ("p", SqlType::timestamp(3)),
            ("z", SqlType::timestamp_ltz(6)),
            ("r", SqlType::array(SqlType::row([("x", SqlType::int())]))),
            ("o", SqlType::map(SqlType::string(), SqlType::array(SqlType::int()))),
        ]);
        let text = r#"{"b":true,"t":-128,"i":7,"l":9223372036854775807,"f":1.5,"d":-2.0E-5,"c":12345678901234.5678,"s":"é\n\"","y":"SGk=","a":"2024-02-29","m":"23:59:59","p":"2024-02-29 01:02:03.5","z":"1969-12-31 23:59:59.999999Z","r":[{"x":1},null,{"x":null}],"o":{"k":[1,2],"":null}}"#;
        let batch = batch_of(&columns, &[text, "{}"]);
        let json = format("json", &[]).unwrap();
        let out = encode(&*json, &columns, &batch).unwrap();
        assert_eq!(out[0], text);
        let nulls = columns.iter().map(|c| format!("\"{}\":null", c.name)).collect::<Vec<_>>();
        assert_eq!(out[1], format!("{{{}}}", nulls.join(",")));
        let lean = format("json", &[("encode.ignore-null-fields", "true")]).unwrap();
        assert_eq!(encode(&*lean, &columns, &batch).unwrap()[1], "{}");
    }

    #[test]
    fn lenient_as_flink_is() {
        let columns = columns(&[
            ("i", SqlType::int()),
            ("s", SqlType::string()),
            ("c", SqlType::decimal(6, 2)),
            ("b", SqlType::boolean()),
        ]);
        let json = format("json", &[]).unwrap();
        let rows = decode(
            &*json,
            &columns,
            &[
                r#" {"i":" 12 ","s":1.50,"c":"1.005","b":"TRUE"} "#,
                r#"{"s":{"n": [1, "a b"]},"i":3.9,"c":99999.999,"b":"no","extra":{"i":[{}]}}"#,
                r#"[{"i":1},{"i":2,"i":3}]"#,
            ],
        );
        assert_eq!(
            rows.unwrap(),
            [
                "+I 12 1.50 1.01 TRUE",
                "+I 3 {\"n\":[1,\"a b\"]} null FALSE",
                "+I 1 null null null",
                "+I 3 null null null",
            ]
        );
    }

    #[test]
    fn bad_rows_and_bad_values() {
        let columns = columns(&[
            ("k", SqlType::int()),
            ("v", SqlType::string()),
            ("a", SqlType::array(SqlType::int())),
        ]);
        let messages = [
            r#"{"k":1,"v":"10"}"#,
            r#"{"k":2,"v":"#,
            r#"{"k":"three","v":"30"}"#,
            "not json at all",
            r#"{"k":4,"a":[1,"x",3]}"#,
            r#"{"k":99999999999,"a":{"no":"array"}}"#,
        ];
        let skipping = format("json", &[("ignore-parse-errors", "true")]).unwrap();
        assert_eq!(
            decode(&*skipping, &columns, &messages).unwrap(),
            ["+I 1 10 null", "+I null 30 null", "+I 4 null [1, NULL, 3]", "+I null null null"]
        );
        let strict = format("json", &[]).unwrap();
        for (message, error) in [
            (messages[1], "JSON: the text ends where a value is expected at column 12"),
            (messages[2], "column 'k': 'three' is no INT"),
            (messages[3], "JSON: no object at column 1"),
            (messages[5], "column 'k': '99999999999' is no INT"),
        ] {
            let found = decode(&*strict, &columns, &[message]).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
        let complete = format("json", &[("fail-on-missing-field", "true")]).unwrap();
        let found = decode(&*complete, &columns, &[r#"{"k":1}"#]).unwrap_err().to_string();
        assert!(found.contains("column 'v': the field is missing"), "{found}");
    }

    #[test]
    fn only_what_is_wanted_is_made() {
        let mut columns = columns(&[("k", SqlType::int()), ("v", SqlType::string())]);
        columns[0].wanted = false;
        let json = format("json", &[]).unwrap();
        let rows = decode(&*json, &columns, &[r#"{"k":"no number","v":"x"}"#]).unwrap();
        assert_eq!(rows, ["+I x"]);
    }

    #[test]
    fn null_keys() {
        use crate::value::{Value, array_of};
        let ty = SqlType::map(SqlType::string(), SqlType::int());
        let value = Value::Map(vec![(Value::Null, Value::Int(1)), (Value::text("a"), Value::Null)]);
        let array = array_of([&value], &ty).unwrap();
        let columns = columns(&[("m", ty)]);
        let rows = arrow_array::RecordBatch::try_from_iter([("m", array)]).unwrap();
        let batch = crate::runtime::ChangeBatch::inserts(rows);
        let with =
            |options: &[(&str, &str)]| encode(&*format("json", options).unwrap(), &columns, &batch);
        assert!(with(&[]).unwrap_err().to_string().contains("NULL key"));
        assert_eq!(with(&[("map-null-key.mode", "drop")]).unwrap(), [r#"{"m":{"a":null}}"#]);
        let literal = [("map-null-key.mode", "LITERAL"), ("map-null-key.literal", "none")];
        assert_eq!(with(&literal).unwrap(), [r#"{"m":{"none":1,"a":null}}"#]);
    }
}
