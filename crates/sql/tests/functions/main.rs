//! Functions, casts and operators: an expression on the left, its type and value on the
//! right, as Flink prints them. Values without a remark come from shared/conformance.
#![allow(clippy::unwrap_used)]

mod collections;
mod evaluation;
mod json;
mod numbers;
mod strings;
mod times;

use millstream_sql::expr::{EvalContext, Expr, evaluate_columns};
use millstream_sql::functions::Registry;
use millstream_sql::text::client_text;
use millstream_sql::types::SqlType;
use millstream_sql::value::{Value, value_at};
use millstream_sql::zone::Zone;

fn i(value: i32) -> Expr {
    Expr::int(value)
}
fn b(value: i64) -> Expr {
    Expr::bigint(value)
}
fn d(value: f64) -> Expr {
    Expr::double(value)
}
fn t(value: &str) -> Expr {
    Expr::text(value)
}
fn flag(value: bool) -> Expr {
    Expr::boolean(value)
}
fn null(ty: SqlType) -> Expr {
    Expr::null(ty)
}
fn no_text() -> Expr {
    null(SqlType::string())
}
/// A DECIMAL literal, typed by its digits.
fn n(text: &str) -> Expr {
    let scale = text.split_once('.').map_or(0, |(_, f)| f.len()) as u8;
    let digits = text.bytes().filter(u8::is_ascii_digit).count() as u8;
    let unscaled: i128 = text.replace('.', "").parse().unwrap();
    Expr::literal(Value::Decimal(unscaled), SqlType::decimal(digits, scale))
}
fn f<const N: usize>(name: &str, args: [Expr; N]) -> Expr {
    Registry::builtin().call(name, args.to_vec()).unwrap_or_else(|e| panic!("{e}"))
}
fn refused<const N: usize>(name: &str, args: [Expr; N]) -> String {
    Registry::builtin().call(name, args.to_vec()).unwrap_err().to_string()
}
fn cast(expr: Expr, ty: SqlType) -> Expr {
    expr.cast(ty, false).unwrap()
}
fn try_cast(expr: Expr, ty: SqlType) -> Expr {
    expr.cast(ty, true).unwrap()
}
/// TIMESTAMP literal with as many digits as it has.
fn ts(text: &str) -> Expr {
    let digits = text.split_once('.').map_or(0, |(_, f)| f.len()) as u8;
    cast(t(text), SqlType::timestamp(digits))
}
fn date(text: &str) -> Expr {
    cast(t(text), SqlType::date())
}
fn time(text: &str) -> Expr {
    cast(t(text), SqlType::time(0))
}

fn value_in(expr: &Expr, zone: &str) -> Result<String, String> {
    let zone = Zone::parse(zone).unwrap();
    let context = EvalContext::new(zone, 1_700_000_000_123, 42);
    // Over one column without rows in it that matter, so nothing depends on being constant.
    let array = evaluate_columns(expr, &[], 2, &context).map_err(|e| e.to_string())?;
    assert_eq!(array.data_type(), &expr.ty.arrow(), "{expr}");
    assert_eq!(array.len(), 2, "{expr}");
    let value = value_at(&array, &expr.ty, 1).unwrap();
    Ok(client_text(&value, &expr.ty, &zone).unwrap_or_else(|| "NULL".into()))
}

/// Each expression must have the type and value on its right: `TYPE: value`, or
/// `error: part of the message`.
fn check(cases: impl IntoIterator<Item = (Expr, &'static str)>) {
    check_in("UTC", cases);
}
fn check_in(zone: &str, cases: impl IntoIterator<Item = (Expr, &'static str)>) {
    let mut wrong = Vec::new();
    for (expr, expected) in cases {
        let got = match value_in(&expr, zone) {
            Ok(value) => format!("{}: {value}", expr.ty),
            Err(error) => format!("error: {error}"),
        };
        let fine = match expected.strip_prefix("error: ") {
            Some(part) => got.starts_with("error: ") && got.contains(part),
            None => got == expected,
        };
        if !fine {
            wrong.push(format!("{expr}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
