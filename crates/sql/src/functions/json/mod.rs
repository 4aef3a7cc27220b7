//! JSON: paths into texts, and texts made of values.
//!
//! The clauses of SQL's JSON functions (RETURNING, ON EMPTY, WRAPPER, ON NULL) are not
//! arguments, so the binder calls the builders here: [`json_value`], [`json_query`],
//! [`json_exists`], [`json_object`], [`json_array`]. By name, a call has no such clauses.

mod document;
mod filter;
mod path;

use std::collections::BTreeMap;

use arrow_array::ArrayRef;
use base64::Engine;
use millstream_core::{Error, Result};

use self::document::{Json, write_quoted};
use self::path::{Found, Path};
use super::args::Text;
use super::{CallArgs, Definition, Function, FunctionRef, Returns, call_expr};
use crate::expr::{Expr, Node};
use crate::text::{java_decimal, write_value};
use crate::types::{SqlType, TypeKind, time_unit};
use crate::value::Value;
use crate::zone::Zone;

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(
        &["JSON_VALUE"],
        &["text, text"],
        |_, args| {
            let [input, path] = two(args)?;
            let null = || OnProblem::Null;
            json_value(input, path, SqlType::string(), null(), null())
        },
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["JSON_QUERY"],
        &["text, text"],
        |_, args| {
            let [input, path] = two(args)?;
            json_query(input, path, Wrapper::Without, OnProblem::Null, OnProblem::Null)
        },
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["JSON_EXISTS"],
        &["text, text"],
        |_, args| {
            let [input, path] = two(args)?;
            json_exists(input, path, ExistsOnError::False)
        },
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["JSON_ARRAY"],
        &["any.."],
        |_, args| json_array(args, OnNull::Absent),
        super::signature::no_kernel,
    ),
    Definition::bound(
        &["JSON_OBJECT"],
        &["any.."],
        |_, args| {
            let mut pairs = Vec::new();
            let mut args = args.into_iter();
            while let (Some(key), Some(value)) = (args.next(), args.next()) {
                pairs.push((key, value));
            }
            json_object(pairs, OnNull::Null)
        },
        super::signature::no_kernel,
    ),
    Definition::bound(&["JSON_STRING"], &["any"], json_string, |args| {
        args.map_text(|row, out| {
            let value = args.value(0, row)?;
            if value.is_null() {
                return Ok(false);
            }
            write_json(out, &value, args.ty(0));
            Ok(true)
        })
    }),
    Definition::new(&["JSON"], &["text"], Returns::Type(SqlType::string), |args| {
        let texts = args.text(0)?;
        args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let json = Json::parse(text).ok_or_else(|| {
                Error::data(format!("JSON('{text}'): the text is no JSON"))
                    .advice("test it with IS JSON")
            })?;
            json.write(out);
            Ok(true)
        })
    })
    .failing(),
    Definition::new(&["JSON_QUOTE"], &["text"], Returns::Type(SqlType::string), |args| {
        let texts = args.text(0)?;
        args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            quote(text, out);
            Ok(true)
        })
    }),
    Definition::new(&["JSON_UNQUOTE"], &["text"], Returns::Type(SqlType::string), |args| {
        let texts = args.text(0)?;
        args.map_text(|row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            match Json::parse(text) {
                Some(Json::Text(inside)) if text.starts_with('"') => out.push_str(&inside),
                _ => out.push_str(text),
            }
            Ok(true)
        })
    }),
    is_json(&["IS JSON VALUE", "IS JSON"], |args| test(args, |_| true, true)),
    is_json(&["IS JSON SCALAR"], |args| test(args, Json::is_scalar, true)),
    is_json(&["IS JSON ARRAY"], |args| test(args, |j| matches!(j, Json::Array(_)), true)),
    is_json(&["IS JSON OBJECT"], |args| test(args, |j| matches!(j, Json::Object(_)), true)),
    is_json(&["IS NOT JSON VALUE", "IS NOT JSON"], |args| test(args, |_| true, false)),
    is_json(&["IS NOT JSON SCALAR"], |args| test(args, Json::is_scalar, false)),
    is_json(&["IS NOT JSON ARRAY"], |args| test(args, |j| matches!(j, Json::Array(_)), false)),
    is_json(&["IS NOT JSON OBJECT"], |args| test(args, |j| matches!(j, Json::Object(_)), false)),
];

const fn is_json(names: &'static [&'static str], kernel: super::Kernel) -> Definition {
    Definition::new(names, &["text"], Returns::NotNull(SqlType::boolean), kernel)
}

fn test(args: &CallArgs<'_>, kind: fn(&Json) -> bool, wanted: bool) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.map_booleans(|row| {
        let json = texts.get(row).and_then(Json::parse);
        Ok(Some(json.is_some_and(|json| kind(&json)) == wanted))
    })
}

fn two(args: Vec<Expr>) -> Result<[Expr; 2]> {
    <[Expr; 2]>::try_from(args).map_err(|_| Error::bug("a JSON function without two arguments"))
}

// ---- clauses --------------------------------------------------------------------------

/// What JSON_VALUE and JSON_QUERY give when they find nothing (ON EMPTY) or fail (ON ERROR).
#[derive(Clone, Debug, PartialEq)]
pub enum OnProblem {
    /// NULL.
    Null,
    /// An error that fails the job.
    Error,
    /// `[]`; for JSON_QUERY.
    EmptyArray,
    /// `{}`; for JSON_QUERY.
    EmptyObject,
    /// The value of an expression; for JSON_VALUE.
    Default(Box<Expr>),
}

/// Whether JSON_QUERY puts what it finds into an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapper {
    /// WITHOUT ARRAY WRAPPER.
    Without,
    /// WITH CONDITIONAL ARRAY WRAPPER: if it is no array.
    Conditional,
    /// WITH (UNCONDITIONAL) ARRAY WRAPPER.
    Unconditional,
}

/// What JSON_EXISTS gives for a malformed document or a missing strict path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistsOnError {
    /// TRUE.
    True,
    /// FALSE, the default.
    False,
    /// NULL.
    Unknown,
    /// An error that fails the job.
    Error,
}

/// What JSON_OBJECT and JSON_ARRAY do with NULL values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNull {
    /// NULL ON NULL: a JSON null.
    Null,
    /// ABSENT ON NULL: left out.
    Absent,
}

impl OnProblem {
    fn word(&self) -> &'static str {
        match self {
            OnProblem::Null => "NULL",
            OnProblem::Error => "ERROR",
            OnProblem::EmptyArray => "EMPTY ARRAY",
            OnProblem::EmptyObject => "EMPTY OBJECT",
            OnProblem::Default(_) => "DEFAULT",
        }
    }
}

fn must_be_text(name: &str, args: [&Expr; 2]) -> Result<()> {
    for arg in args {
        if !arg.ty.is_text() && arg.ty.kind != TypeKind::Null {
            return Err(Error::config(format!(
                "Cannot apply '{name}' to an argument of type {}. Supported form(s): \
                 '{name}(<CHARACTER>, <CHARACTER>)'",
                arg.ty.base_text()
            )));
        }
    }
    // A constant path is checked when the query is planned.
    if let Some(path) = args[1].as_text() {
        Path::parse(path).map_err(|e| Error::config(e.message()))?;
    }
    Ok(())
}

fn as_text(expr: Expr) -> Expr {
    if expr.ty.kind == TypeKind::Null { Expr::null(SqlType::string()) } else { expr }
}

// ---- JSON_VALUE, JSON_QUERY, JSON_EXISTS ----------------------------------------------

/// JSON_VALUE(input, path RETURNING type .. ON EMPTY .. ON ERROR).
///
/// # Errors
/// Configuration: arguments are no text, the path is malformed, the type is none of STRING,
/// BOOLEAN, INT and DOUBLE, or a default does not fit it.
pub fn json_value(
    input: Expr,
    path: Expr,
    returning: SqlType,
    on_empty: OnProblem,
    on_error: OnProblem,
) -> Result<Expr> {
    must_be_text("JSON_VALUE", [&input, &path])?;
    let known = returning.is_text()
        || matches!(
            returning.kind,
            TypeKind::Boolean | TypeKind::Int | TypeKind::BigInt | TypeKind::Double
        );
    if !known {
        return Err(Error::config(format!("JSON_VALUE cannot return {}", returning.base_text()))
            .advice("use RETURNING STRING, BOOLEAN, INTEGER or DOUBLE, and cast the result"));
    }
    let ty = returning.null_allowed();
    let default = |problem: &OnProblem| match problem {
        OnProblem::Default(expr) => (**expr).clone().cast(ty.clone(), false),
        _ => Ok(Expr::null(ty.clone())),
    };
    let args = vec![
        as_text(input),
        as_text(path),
        Expr::text(on_empty.word()),
        default(&on_empty)?,
        Expr::text(on_error.word()),
        default(&on_error)?,
    ];
    Ok(call_expr(Function::native("JSON_VALUE", true, run_value), args, ty))
}

/// The path of each row: taken apart once if there is one for all.
struct Paths<'a> {
    texts: Text<'a>,
    fixed: Option<Path>,
}

impl<'a> Paths<'a> {
    fn of(texts: Text<'a>) -> Result<Self> {
        let fixed = match (texts.is_scalar(), texts.get(0)) {
            (true, Some(path)) => Some(Path::parse(path)?),
            _ => None,
        };
        Ok(Paths { texts, fixed })
    }
    /// What the row's path finds, with whether it is lax; `None` if either is NULL.
    fn find(&self, input: Option<&str>, row: usize) -> Result<Option<(Found, bool)>> {
        let Some(input) = input else { return Ok(None) };
        if let Some(path) = &self.fixed {
            return Ok(Some((path.find(input), path.is_lax())));
        }
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        let path = Path::parse(text)?;
        Ok(Some((path.find(input), path.is_lax())))
    }
}

enum Outcome {
    Value(Json),
    Empty,
    Failed,
}

fn run_value(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (inputs, paths) = (args.text(0)?, Paths::of(args.text(1)?)?);
    let (on_empty, on_error) = (args.symbol(2), args.symbol(4));
    let outcome = |row: usize| -> Result<Option<Outcome>> {
        Ok(paths.find(inputs.get(row), row)?.map(|(found, lax)| match found {
            Found::Nothing | Found::One(Json::Null) => Outcome::Empty,
            Found::One(json) if json.is_scalar() => Outcome::Value(json),
            Found::One(_) if lax => Outcome::Empty,
            Found::One(_) | Found::Failed => Outcome::Failed,
        }))
    };
    // What ON EMPTY or ON ERROR says instead of a value.
    let instead = |outcome: &Outcome, row: usize| -> Result<Value> {
        let (word, default, error) = match outcome {
            Outcome::Empty => (&on_empty, 3, "Empty result of JSON_VALUE function is not allowed"),
            _ => (&on_error, 5, "JSON_VALUE found no scalar value at its path"),
        };
        match word.as_str() {
            "ERROR" => Err(Error::data(error)),
            "DEFAULT" => args.value(default, row),
            _ => Ok(Value::Null),
        }
    };
    if args.result.is_text() {
        return args.map_text(|row, out| match outcome(row)? {
            None => Ok(false),
            Some(Outcome::Value(json)) => {
                json.write_plain(out);
                Ok(true)
            }
            Some(problem) => match instead(&problem, row)? {
                Value::Text(text) => {
                    out.push_str(&text);
                    Ok(true)
                }
                _ => Ok(false),
            },
        });
    }
    args.map_values(|row| match outcome(row)? {
        None => Ok(Value::Null),
        Some(Outcome::Value(json)) => typed(&json, args.result),
        Some(problem) => instead(&problem, row),
    })
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// A scalar as a value of the RETURNING type.
fn typed(json: &Json, ty: &SqlType) -> Result<Value> {
    Ok(match (json, &ty.kind) {
        (Json::Bool(v), TypeKind::Boolean) => Value::Boolean(*v),
        (Json::Int(v), TypeKind::BigInt) => Value::Int(*v),
        (Json::Int(v), TypeKind::Int) => Value::Int(i64::from(*v as i32)),
        (Json::Decimal(v), TypeKind::BigInt) => Value::Int(number(v) as i64),
        (Json::Decimal(v), TypeKind::Int) => Value::Int(i64::from(number(v) as i32)),
        (Json::Int(v), TypeKind::Double) => Value::Float(*v as f64),
        (Json::Decimal(v), TypeKind::Double) => Value::Float(number(v)),
        _ => {
            let mut text = String::new();
            json.write(&mut text);
            return Err(Error::data(format!(
                "JSON_VALUE found {text}, which is no {}",
                ty.base_text()
            ))
            .advice("return STRING and use TRY_CAST"));
        }
    })
}

/// JSON_QUERY(input, path wrapper .. ON EMPTY .. ON ERROR); the result is a text.
///
/// # Errors
/// Configuration: arguments are no text, or the path is malformed.
pub fn json_query(
    input: Expr,
    path: Expr,
    wrapper: Wrapper,
    on_empty: OnProblem,
    on_error: OnProblem,
) -> Result<Expr> {
    must_be_text("JSON_QUERY", [&input, &path])?;
    let wrapper = match wrapper {
        Wrapper::Without => "WITHOUT",
        Wrapper::Conditional => "CONDITIONAL",
        Wrapper::Unconditional => "UNCONDITIONAL",
    };
    let args = vec![
        as_text(input),
        as_text(path),
        Expr::text(wrapper),
        Expr::text(on_empty.word()),
        Expr::text(on_error.word()),
    ];
    Ok(call_expr(Function::native("JSON_QUERY", true, run_query), args, SqlType::string()))
}

/// JSON_QUERY(.. RETURNING ARRAY<STRING> ..): elements that are no text are JSON texts.
///
/// # Errors
/// Configuration: arguments are no text, the path is malformed, or a clause asks for an
/// empty object.
pub fn json_query_array(
    input: Expr,
    path: Expr,
    wrapper: Wrapper,
    on_empty: OnProblem,
    on_error: OnProblem,
) -> Result<Expr> {
    if on_empty == OnProblem::EmptyObject || on_error == OnProblem::EmptyObject {
        return Err(Error::config("JSON_QUERY cannot return an empty object as an ARRAY")
            .advice("use EMPTY ARRAY, NULL or ERROR"));
    }
    let mut query = json_query(input, path, wrapper, on_empty, on_error)?;
    query.ty = SqlType::array(SqlType::string());
    if let Node::Call(call) = &mut query.node {
        call.function = Function::native("JSON_QUERY", true, run_query_array);
    }
    Ok(query)
}

/// What JSON_QUERY gives for a row; `None` for NULL.
fn queried(args: &CallArgs<'_>, paths: &Paths<'_>, row: usize) -> Result<Option<Json>> {
    let Some((found, lax)) = paths.find(args.text(0)?.get(row), row)? else { return Ok(None) };
    let outcome = match found {
        Found::Failed => Outcome::Failed,
        Found::Nothing | Found::One(Json::Null) => Outcome::Empty,
        Found::One(json) => match (args.symbol(2).as_str(), &json) {
            ("UNCONDITIONAL", _) => Outcome::Value(Json::Array(vec![json])),
            ("CONDITIONAL", Json::Array(_)) => Outcome::Value(json),
            ("CONDITIONAL", _) => Outcome::Value(Json::Array(vec![json])),
            (_, scalar) if scalar.is_scalar() && lax => Outcome::Empty,
            (_, scalar) if scalar.is_scalar() => Outcome::Failed,
            _ => Outcome::Value(json),
        },
    };
    let (word, error) = match outcome {
        Outcome::Value(json) => return Ok(Some(json)),
        Outcome::Empty => (args.symbol(3), "Empty result of JSON_QUERY function is not allowed"),
        Outcome::Failed => (args.symbol(4), "JSON_QUERY found no array or object at its path"),
    };
    Ok(match word.as_str() {
        "ERROR" => return Err(Error::data(error)),
        "EMPTY ARRAY" => Some(Json::Array(vec![])),
        "EMPTY OBJECT" => Some(Json::Object(vec![])),
        _ => None,
    })
}

fn run_query(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let paths = Paths::of(args.text(1)?)?;
    args.map_text(|row, out| {
        let json = queried(args, &paths, row)?;
        json.iter().for_each(|json| json.write(out));
        Ok(json.is_some())
    })
}

fn run_query_array(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let paths = Paths::of(args.text(1)?)?;
    args.map_values(|row| match queried(args, &paths, row)? {
        None => Ok(Value::Null),
        Some(Json::Array(items)) => Ok(Value::Array(
            items
                .iter()
                .map(|item| match item {
                    Json::Null => Value::Null,
                    item => {
                        let mut text = String::new();
                        item.write_plain(&mut text);
                        Value::Text(text)
                    }
                })
                .collect(),
        )),
        // An object is no array, which is for ON ERROR to say.
        Some(_) => match args.symbol(4).as_str() {
            "ERROR" => Err(Error::data("JSON_QUERY found no array at its path")),
            "EMPTY ARRAY" => Ok(Value::Array(vec![])),
            _ => Ok(Value::Null),
        },
    })
}

/// JSON_EXISTS(input, path .. ON ERROR).
///
/// # Errors
/// Configuration: arguments are no text, or the path is malformed.
pub fn json_exists(input: Expr, path: Expr, on_error: ExistsOnError) -> Result<Expr> {
    must_be_text("JSON_EXISTS", [&input, &path])?;
    let word = match on_error {
        ExistsOnError::True => "TRUE",
        ExistsOnError::False => "FALSE",
        ExistsOnError::Unknown => "UNKNOWN",
        ExistsOnError::Error => "ERROR",
    };
    let args = vec![as_text(input), as_text(path), Expr::text(word)];
    let function = Function::native("JSON_EXISTS", true, |args| {
        let (inputs, paths) = (args.text(0)?, Paths::of(args.text(1)?)?);
        let on_error = args.symbol(2);
        args.map_booleans(|row| {
            Ok(match paths.find(inputs.get(row), row)? {
                None => None,
                Some((Found::One(json), _)) => Some(json != Json::Null),
                Some((Found::Nothing, _)) => Some(false),
                Some((Found::Failed, _)) => match on_error.as_str() {
                    "TRUE" => Some(true),
                    "UNKNOWN" => None,
                    "ERROR" => return Err(Error::data("JSON_EXISTS could not follow its path")),
                    _ => Some(false),
                },
            })
        })
    });
    Ok(call_expr(function, args, SqlType::boolean()))
}

// ---- JSON_OBJECT, JSON_ARRAY, JSON_STRING ---------------------------------------------

/// Whether a value already is JSON text, and goes into other JSON as it is.
fn is_raw(expr: &Expr) -> bool {
    match &expr.node {
        Node::Call(call) => matches!(call.function.name(), "JSON_OBJECT" | "JSON_ARRAY" | "JSON"),
        _ => false,
    }
}

/// The first argument of a constructor: what it does with NULLs (`n` or `a`), then for each
/// value whether it is JSON already (`r`) or not (`v`). Folding may hide where it came from.
fn plan(on_null: OnNull, values: &[&Expr]) -> Expr {
    let first = if on_null == OnNull::Null { 'N' } else { 'A' };
    let kinds = values.iter().map(|v| if is_raw(v) { 'R' } else { 'V' });
    Expr::text(std::iter::once(first).chain(kinds).collect::<String>())
}

fn checked(name: &str, expr: &Expr) -> Result<()> {
    match expr.ty.kind {
        TypeKind::IntervalYearMonth | TypeKind::IntervalDaySecond => {
            Err(Error::config(format!("{name} of {}", expr.ty.base_text()))
                .advice("cast the interval to STRING"))
        }
        _ => Ok(()),
    }
}

/// JSON_OBJECT(KEY .. VALUE .., ..).
///
/// # Errors
/// Configuration: a key is no text literal, or a value has a type without a JSON form.
pub fn json_object(pairs: Vec<(Expr, Expr)>, on_null: OnNull) -> Result<Expr> {
    for (key, value) in &pairs {
        if key.as_text().is_none() {
            return Err(Error::config(format!("the key {key} of JSON_OBJECT is no text literal"))
                .advice("keys must be non-NULL text literals"));
        }
        checked("JSON_OBJECT", value)?;
    }
    // Members stand in the order of their names; of equal names the last counts.
    let sorted: BTreeMap<String, (Expr, Expr)> = pairs
        .into_iter()
        .map(|pair| (pair.0.as_text().unwrap_or_default().to_owned(), pair))
        .collect();
    let pairs: Vec<(Expr, Expr)> = sorted.into_values().collect();
    let plan = plan(on_null, &pairs.iter().map(|(_, value)| value).collect::<Vec<_>>());
    let args = std::iter::once(plan).chain(pairs.into_iter().flat_map(|(k, v)| [k, v])).collect();
    let function = Function::native("JSON_OBJECT", false, |args| {
        let plan = args.symbol(0).into_bytes();
        args.map_text(|row, out| {
            out.push('{');
            let mut first = true;
            for (i, kind) in plan[1..].iter().enumerate() {
                let value = args.value(2 + 2 * i, row)?;
                if value.is_null() && plan[0] == b'A' {
                    continue;
                }
                if !first {
                    out.push(',');
                }
                first = false;
                write_quoted(out, args.exprs[1 + 2 * i].as_text().unwrap_or_default());
                out.push(':');
                write_member(out, &value, args.ty(2 + 2 * i), *kind);
            }
            out.push('}');
            Ok(true)
        })
    });
    Ok(call_expr(function, args, SqlType::string().not_null()))
}

/// JSON_ARRAY(value, ..).
///
/// # Errors
/// Configuration: a value has a type without a JSON form.
pub fn json_array(values: Vec<Expr>, on_null: OnNull) -> Result<Expr> {
    for value in &values {
        checked("JSON_ARRAY", value)?;
    }
    let plan = plan(on_null, &values.iter().collect::<Vec<_>>());
    let args = std::iter::once(plan).chain(values).collect();
    let function = Function::native("JSON_ARRAY", false, |args| {
        let plan = args.symbol(0).into_bytes();
        args.map_text(|row, out| {
            out.push('[');
            let mut first = true;
            for (i, kind) in plan[1..].iter().enumerate() {
                let value = args.value(1 + i, row)?;
                if value.is_null() && plan[0] == b'A' {
                    continue;
                }
                if !first {
                    out.push(',');
                }
                first = false;
                write_member(out, &value, args.ty(1 + i), *kind);
            }
            out.push(']');
            Ok(true)
        })
    });
    Ok(call_expr(function, args, SqlType::string().not_null()))
}

fn json_string(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    checked("JSON_STRING", &args[0])?;
    let ty = SqlType::string().with_nullable(args[0].ty.nullable);
    Ok(call_expr(function, args, ty))
}

fn write_member(out: &mut String, value: &Value, ty: &SqlType, kind: u8) {
    match (kind, value) {
        (b'R', Value::Text(json)) => out.push_str(json),
        _ => write_json(out, value, ty),
    }
}

/// Appends a SQL value as JSON: numbers as they print, times in ISO 8601, bytes in base64.
pub(crate) fn write_json(out: &mut String, value: &Value, ty: &SqlType) {
    let name = |key: &Value, ty: &SqlType| {
        let mut name = String::new();
        write_value(&mut name, key, ty, &Zone::UTC);
        name
    };
    match (value, &ty.kind) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(v), _) => out.push_str(if *v { "true" } else { "false" }),
        (Value::Float(v), _) if !v.is_finite() => {
            out.push('"');
            write_value(out, value, ty, &Zone::UTC);
            out.push('"');
        }
        (Value::Float(_), _) => {
            let mut number = String::new();
            write_value(&mut number, value, ty, &Zone::UTC);
            out.push_str(&java_decimal(&number, false));
        }
        (Value::Int(_) | Value::Decimal(_), _) => {
            write_value(out, value, ty, &Zone::UTC);
        }
        (Value::Text(text), _) => write_quoted(out, text),
        (Value::Bytes(bytes), _) => {
            out.push('"');
            base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        (Value::Timestamp(v), TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => {
            let per_second = crate::text::units_per_second(time_unit(*p));
            out.push('"');
            let start = out.len();
            crate::text::write_timestamp(out, *v, 0, time_unit(*p), &Zone::UTC);
            let text = out.split_off(start).replacen(' ', "T", 1);
            out.push_str(&text);
            let part = v.rem_euclid(per_second) * (1_000_000_000 / per_second);
            if part != 0 {
                let digits = format!("{part:09}");
                out.push('.');
                out.push_str(digits.trim_end_matches('0'));
            }
            if matches!(ty.kind, TypeKind::TimestampLtz(_)) {
                out.push('Z');
            }
            out.push('"');
        }
        (Value::Array(items), TypeKind::Array(element)) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, item, element);
            }
            out.push(']');
        }
        (Value::Map(entries), TypeKind::Map(key, value)) => {
            write_members(out, entries.iter().map(|(k, v)| (name(k, key), v, &**value)));
        }
        (Value::Map(entries), TypeKind::Multiset(element)) => {
            let count = SqlType::int();
            write_members(out, entries.iter().map(|(k, v)| (name(k, element), v, &count)));
        }
        (Value::Row(items), TypeKind::Row(fields)) => {
            let members = items.iter().zip(fields);
            write_members(out, members.map(|(item, f)| (f.name.clone(), item, &f.ty)));
        }
        // Dates and times of day.
        _ => {
            out.push('"');
            write_value(out, value, ty, &Zone::UTC);
            out.push('"');
        }
    }
}

/// Members in the order of their names.
fn write_members<'a>(
    out: &mut String,
    members: impl Iterator<Item = (String, &'a Value, &'a SqlType)>,
) {
    let sorted: BTreeMap<String, _> =
        members.map(|(name, value, ty)| (name, (value, ty))).collect();
    out.push('{');
    for (i, (name, (value, ty))) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_quoted(out, &name);
        out.push(':');
        write_json(out, value, ty);
    }
    out.push('}');
}

/// JSON_QUOTE: escapes the solidus, and everything beyond ASCII as UTF-16 units.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}
