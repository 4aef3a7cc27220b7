//! Why a record and a row do not fit, on its way through serde.
//!
//! Invariant: whether it was the type or the value that did not fit is kept: a type can be
//! refused when the job is built.

use crate::types::SqlType;
use millstream_core::Error;
use serde::{de, ser};
use std::fmt::{self, Display};

/// See the module.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    /// Whether no value of these types can fit.
    pub(super) by_type: bool,
    /// Whether a column has been named.
    placed: bool,
}

impl Failure {
    pub(super) fn value(what: impl Into<String>) -> Self {
        Failure { what: what.into(), by_type: false, placed: false }
    }
    pub(super) fn of_type(what: impl Into<String>) -> Self {
        Failure { what: what.into(), by_type: true, placed: false }
    }
    /// Names the column, unless a deeper one was.
    pub(super) fn in_column(self, name: &str, ty: &SqlType) -> Self {
        if self.placed {
            return self;
        }
        let what = format!("column '{name}' of type {ty}: {}", self.what);
        Failure { what, placed: true, ..self }
    }
    /// As an error of the job that runs.
    pub(super) fn into_data(self, advice: &str) -> Error {
        Error::data(self.what).advice(advice)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::value(error.message())
    }
}

impl ser::Error for Failure {
    fn custom<T: Display>(what: T) -> Self {
        Failure::value(what.to_string())
    }
}

impl de::Error for Failure {
    fn custom<T: Display>(what: T) -> Self {
        Failure::value(what.to_string())
    }
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure::of_type(format!("it holds {found}, and the record wants {expected}"))
    }
    fn invalid_length(count: usize, expected: &dyn de::Expected) -> Self {
        Failure::of_type(format!("there are {count} columns, and the record wants {expected}"))
    }
    fn unknown_field(name: &str, fields: &'static [&'static str]) -> Self {
        let fields = fields.join(", ");
        Failure::of_type(format!("the record has no field for column '{name}'; it has {fields}"))
    }
    fn missing_field(name: &'static str) -> Self {
        Failure::of_type(format!("there is no column for the record's field '{name}'"))
    }
}
