//! The table row of a function: names, forms of its arguments, result type, kernel.
//!
//! A form is written as a line of kinds, so that tables stay readable and messages can
//! show it: `"text, int, [text]"` takes two or three arguments, `"text, any.."` one or more.
//!
//! | kind | takes | passes on |
//! |---|---|---|
//! | `text` | CHAR, VARCHAR | as it is |
//! | `int`, `bigint` | integers | INT (a BIGINT wraps around), BIGINT |
//! | `double` | numbers | DOUBLE |
//! | `num` | numbers | as it is |
//! | `bool`, `bytes`, `array`, `map`, `multiset`, `row`, `interval` | that family | as it is |
//! | `time` | DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ | as it is |
//! | `stamp` | TIMESTAMP, TIMESTAMP_LTZ | as it is |
//! | `symbol` | a text literal that the parser made of keywords | as it is |
//! | `any` | everything | as it is |
//!
//! The untyped NULL fits every kind and takes its type.

use arrow_array::ArrayRef;
use millstream_core::{Error, Result};

use super::{CallArgs, FunctionRef, Kernel, Volatility, call_expr};
use crate::expr::Expr;
use crate::types::{Family, SqlType, TypeKind};

/// One function as the tables describe it.
pub struct Definition {
    /// Its name, then its other names.
    pub names: &'static [&'static str],
    /// Forms of the arguments; the first that fits is taken.
    pub forms: &'static [&'static str],
    /// The type of the result.
    pub returns: Returns,
    /// The code.
    pub kernel: Kernel,
    /// Whether some data makes it fail.
    pub may_fail: bool,
    /// How often it is computed.
    pub volatility: Volatility,
}

/// How the type of a result follows from the arguments.
#[derive(Clone, Copy)]
pub enum Returns {
    /// This type, nullable if an argument is.
    Type(fn() -> SqlType),
    /// This type, nullable even if no argument is.
    Nullable(fn() -> SqlType),
    /// This type, never NULL.
    NotNull(fn() -> SqlType),
    /// A type of the arguments' making; its nullability is final.
    Derived(fn(&[Expr]) -> Result<SqlType>),
    /// The binder makes the whole expression (and may refuse, or rewrite).
    Bound(fn(FunctionRef, Vec<Expr>) -> Result<Expr>),
}

impl Definition {
    /// A deterministic function that cannot fail, with one form.
    pub const fn new(
        names: &'static [&'static str],
        forms: &'static [&'static str],
        returns: Returns,
        kernel: Kernel,
    ) -> Self {
        let volatility = Volatility::Deterministic;
        Definition { names, forms, returns, kernel, may_fail: false, volatility }
    }
    /// A function whose calls a binder makes.
    pub const fn bound(
        names: &'static [&'static str],
        forms: &'static [&'static str],
        bind: fn(FunctionRef, Vec<Expr>) -> Result<Expr>,
        kernel: Kernel,
    ) -> Self {
        Self::new(names, forms, Returns::Bound(bind), kernel)
    }
    /// The same, failing on some data.
    pub const fn failing(mut self) -> Self {
        self.may_fail = true;
        self
    }
    /// The same, computed anew for each batch or row.
    pub const fn volatile(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self
    }

    /// Its forms as messages show them.
    pub(crate) fn forms(&self, name: &str) -> Vec<String> {
        self.forms.iter().map(|form| shown(name, form)).collect()
    }

    pub(crate) fn bind(&self, name: &str, function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
        let Some(args) = self.forms.iter().find_map(|form| fit(form, &args)) else {
            return Err(self.refusal(name, &args));
        };
        let any_null = args.iter().any(|a| a.ty.nullable);
        let ty = match self.returns {
            Returns::Type(ty) => ty().with_nullable(any_null),
            Returns::Nullable(ty) => ty().null_allowed(),
            Returns::NotNull(ty) => ty().not_null(),
            Returns::Derived(derive) => derive(&args)?,
            Returns::Bound(bind) => return bind(function, args),
        };
        Ok(call_expr(function, args, ty))
    }

    fn refusal(&self, name: &str, args: &[Expr]) -> Error {
        let types: Vec<String> = args.iter().map(|a| format!("<{}>", a.ty.base_text())).collect();
        let forms: Vec<String> = self.forms(name).iter().map(|form| format!("'{form}'")).collect();
        Error::config(format!(
            "Cannot apply '{name}' to arguments of type '{name}({})'. Supported form(s): {}",
            types.join(", "),
            forms.join(", ")
        ))
    }
}

/// The kernel of functions that their binder rewrites into other expressions.
pub(crate) fn no_kernel(_: &CallArgs<'_>) -> Result<ArrayRef> {
    Err(Error::bug("a function that is rewritten when it is bound was called"))
}

/// Families of arguments as Flink's message for unknown functions shows them.
pub(crate) fn families(args: &[Expr]) -> String {
    let names: Vec<String> = args
        .iter()
        .map(|arg| {
            let name = match arg.ty.family() {
                Family::Null => "NULL",
                Family::Boolean => "BOOLEAN",
                Family::Numeric => "NUMERIC",
                Family::Character => "CHARACTER",
                Family::Binary => "BINARY",
                Family::Date => "DATE",
                Family::Time => "TIME",
                Family::Timestamp => "TIMESTAMP",
                Family::Interval => "INTERVAL",
                Family::Array => "ARRAY",
                Family::Multiset => "MULTISET",
                Family::Map => "MAP",
                Family::Row => "ROW",
            };
            format!("<{name}>")
        })
        .collect();
    names.join(", ")
}

/// The kinds of a form: each with whether it may be left out, and whether it may repeat.
fn kinds(form: &str) -> impl Iterator<Item = (&str, bool, bool)> {
    form.split(", ").filter(|kind| !kind.is_empty()).map(|kind| {
        let optional = kind.starts_with('[');
        let kind = kind.trim_start_matches('[').trim_end_matches(']');
        let repeats = kind.ends_with("..");
        (kind.trim_end_matches(".."), optional || repeats, repeats)
    })
}

fn shown(name: &str, form: &str) -> String {
    let kinds: Vec<String> = kinds(form)
        .map(|(kind, optional, repeats)| {
            let family = match kind {
                "text" | "symbol" => "CHARACTER",
                "int" | "bigint" => "INTEGER",
                "double" | "num" => "NUMERIC",
                "bool" => "BOOLEAN",
                "bytes" => "BINARY",
                "time" => "DATETIME",
                "stamp" => "TIMESTAMP",
                other => &other.to_uppercase(),
            };
            match (optional, repeats) {
                (_, true) => format!("<{family}>.."),
                (true, _) => format!("[<{family}>]"),
                _ => format!("<{family}>"),
            }
        })
        .collect();
    let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    match &kinds[..] {
        [a, b] if operator => format!("{a} {name} {b}"),
        _ => format!("{name}({})", kinds.join(", ")),
    }
}

/// The arguments with implicit casts, if they fit the form.
fn fit(form: &str, args: &[Expr]) -> Option<Vec<Expr>> {
    let mut fitted = Vec::with_capacity(args.len());
    let mut rest = args.iter();
    for (kind, optional, repeats) in kinds(form) {
        if repeats {
            for arg in rest.by_ref() {
                fitted.push(fit_one(kind, arg)?);
            }
            break;
        }
        match rest.next() {
            Some(arg) => fitted.push(fit_one(kind, arg)?),
            None if optional => break,
            None => return None,
        }
    }
    rest.next().is_none().then_some(fitted)
}

fn fit_one(kind: &str, arg: &Expr) -> Option<Expr> {
    let ty = &arg.ty;
    let family = ty.family();
    if family == Family::Null {
        let default = match kind {
            "any" => return Some(arg.clone()),
            "text" | "symbol" => SqlType::string(),
            "int" => SqlType::int(),
            "bigint" => SqlType::bigint(),
            "double" => SqlType::double(),
            "num" => SqlType::int(),
            "bool" => SqlType::boolean(),
            "bytes" => SqlType::bytes(),
            "time" | "stamp" => SqlType::timestamp(3),
            "interval" => SqlType::new(TypeKind::IntervalDaySecond),
            _ => return None,
        };
        return Some(Expr::null(default));
    }
    let as_it_is = match kind {
        "any" => true,
        "text" => family == Family::Character,
        "symbol" => arg.as_text().is_some(),
        "num" => family == Family::Numeric,
        "bool" => family == Family::Boolean,
        "bytes" => family == Family::Binary,
        "time" => matches!(family, Family::Date | Family::Time | Family::Timestamp),
        "stamp" => family == Family::Timestamp,
        "interval" => family == Family::Interval,
        "array" => family == Family::Array,
        "map" => family == Family::Map,
        "multiset" => family == Family::Multiset,
        "row" => family == Family::Row,
        _ => false,
    };
    if as_it_is {
        return Some(arg.clone());
    }
    let wanted = match kind {
        "int" if ty.is_integer() => SqlType::int(),
        "bigint" if ty.is_integer() => SqlType::bigint(),
        "double" if ty.is_numeric() => SqlType::double(),
        _ => return None,
    };
    Some(arg.clone().cast_unchecked(wanted, false))
}
