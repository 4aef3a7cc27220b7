//! JSON to columns.
//!
//! Two kinds of failure, as in Flink: text that is no JSON costs the row, a value that does
//! not fit its column costs the value. With `ignore-parse-errors` the first is passed over
//! and the second is NULL; without it both are errors.

use super::scan::{Kind, Scanner, write_compact};
use crate::decimal::NotDecimal;
use crate::formats::columns::{Column, Rows};
use crate::formats::times::{self, TimeStandard};
use crate::runtime::ChangeKind;
use crate::types::{SqlType, TypeKind, time_unit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashMap;
use millstream_core::{Error, Result};

/// How JSON is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JsonReading {
    pub(crate) standard: TimeStandard,
    pub(crate) ignore_errors: bool,
    pub(crate) fail_on_missing: bool,
}

/// What went wrong with a value.
enum Fault {
    /// The text is no JSON: nothing behind it can be read.
    Syntax(Error),
    /// The value does not fit the column.
    Value(Error),
}

impl Fault {
    fn into_error(self) -> Error {
        match self {
            Fault::Syntax(e) | Fault::Value(e) => e,
        }
    }
}

fn value_fault(what: String) -> Fault {
    Fault::Value(Error::data(what))
}

/// The fields of a ROW, and where each goes.
pub(crate) struct RowPlan {
    names: Vec<String>,
    index: HashMap<String, usize>,
    /// The column of a field among those that are made.
    targets: Vec<Option<usize>>,
    fields: Vec<FieldPlan>,
}

enum FieldPlan {
    Scalar,
    Array(Box<FieldPlan>),
    Map(Box<FieldPlan>),
    Row(RowPlan),
}

impl FieldPlan {
    fn of(ty: &SqlType) -> Self {
        match &ty.kind {
            TypeKind::Array(item) => FieldPlan::Array(Box::new(FieldPlan::of(item))),
            TypeKind::Map(_, value) => FieldPlan::Map(Box::new(FieldPlan::of(value))),
            TypeKind::Multiset(_) => FieldPlan::Map(Box::new(FieldPlan::Scalar)),
            TypeKind::Row(fields) => {
                FieldPlan::Row(RowPlan::new(fields.iter().map(|f| (f.name.as_str(), &f.ty, true))))
            }
            _ => FieldPlan::Scalar,
        }
    }
}

impl RowPlan {
    /// For fields with names and types, of which some are wanted.
    pub(crate) fn new<'a>(fields: impl Iterator<Item = (&'a str, &'a SqlType, bool)>) -> Self {
        let mut plan =
            RowPlan { names: vec![], index: HashMap::new(), targets: vec![], fields: vec![] };
        let mut made = 0;
        for (name, ty, wanted) in fields {
            plan.index.insert(name.to_owned(), plan.names.len());
            plan.names.push(name.to_owned());
            plan.targets.push(wanted.then_some(made));
            plan.fields.push(FieldPlan::of(ty));
            made += usize::from(wanted);
        }
        plan
    }

    /// The field with a name; fields mostly come in the order of the table.
    fn find(&self, name: &str, guess: usize) -> Option<usize> {
        match self.names.get(guess) {
            Some(expected) if expected == name => Some(guess),
            _ => self.index.get(name).copied(),
        }
    }
}

impl JsonReading {
    /// Decodes a message: an object, or an array of objects.
    ///
    /// # Errors
    /// Data: what does not fit, unless errors are ignored. The rows are then as before.
    pub(crate) fn message(&self, plan: &RowPlan, message: &[u8], rows: &mut Rows) -> Result<()> {
        let before = rows.len();
        let decoded = text_of(message).and_then(|text| self.root(plan, text, rows));
        decoded.or_else(|error| {
            rows.truncate(before);
            if self.ignore_errors { Ok(()) } else { Err(error) }
        })
    }

    fn root(&self, plan: &RowPlan, text: &str, rows: &mut Rows) -> Result<()> {
        let mut scanner = Scanner::new(text);
        match scanner.kind()? {
            Kind::Object => self.one(plan, &mut scanner, rows, ChangeKind::Insert),
            Kind::Array => {
                scanner.open();
                let mut first = true;
                while scanner.next_item(first)? {
                    first = false;
                    if scanner.kind()? != Kind::Object {
                        return Err(scanner.error("no object in the array of rows"));
                    }
                    self.one(plan, &mut scanner, rows, ChangeKind::Insert)?;
                }
                Ok(())
            }
            _ => Err(scanner.error("no object")),
        }
    }

    /// Decodes the object at the scanner's place as a row of this kind.
    pub(crate) fn one(
        &self,
        plan: &RowPlan,
        scanner: &mut Scanner<'_>,
        rows: &mut Rows,
        kind: ChangeKind,
    ) -> Result<()> {
        let len = rows.len();
        self.fields(plan, scanner, rows, len)?;
        rows.end_row(kind);
        Ok(())
    }

    /// Fills the columns of row `len` from the object at the scanner's place; columns that
    /// have a value and are not in the object keep it.
    pub(crate) fn fields(
        &self,
        plan: &RowPlan,
        scanner: &mut Scanner<'_>,
        rows: &mut Rows,
        len: usize,
    ) -> Result<()> {
        self.object(plan, scanner, &mut rows.columns, len).map_err(Fault::into_error)
    }

    /// Fills entry `len` of the columns from an object.
    fn object(
        &self,
        plan: &RowPlan,
        scanner: &mut Scanner<'_>,
        columns: &mut [Column],
        len: usize,
    ) -> Result<(), Fault> {
        scanner.open();
        let mut next = 0;
        let mut first = true;
        while let Some(name) = scanner.next_name(first).map_err(Fault::Syntax)? {
            first = false;
            let found = plan.find(&name, next);
            let target = found.and_then(|i| {
                next = i + 1;
                plan.targets[i].map(|target| (i, target))
            });
            let Some((i, target)) = target else {
                scanner.skip().map_err(Fault::Syntax)?;
                continue;
            };
            let column = &mut columns[target];
            // Of a name that comes twice the last value counts.
            if column.len() > len {
                column.truncate(len);
            }
            self.value(&plan.fields[i], scanner, column).map_err(|fault| match fault {
                Fault::Value(e) if !e.has_place() => {
                    Fault::Value(e.at(format!("column '{}'", plan.names[i])))
                }
                other => other,
            })?;
        }
        for (i, target) in plan.targets.iter().enumerate() {
            let Some(column) = target.and_then(|t| columns.get_mut(t)) else { continue };
            if column.len() == len {
                if self.fail_on_missing {
                    let what = "the field is missing in the JSON data".to_owned();
                    let error = Error::data(what)
                        .advice("set json.fail-on-missing-field to false to get NULL")
                        .at(format!("column '{}'", plan.names[i]));
                    // It is the row that is wrong.
                    return Err(Fault::Syntax(error));
                }
                column.push_null();
            }
        }
        Ok(())
    }

    /// Appends the value at the scanner's place, or NULL when it does not fit and errors
    /// are ignored.
    fn value(
        &self,
        plan: &FieldPlan,
        scanner: &mut Scanner<'_>,
        column: &mut Column,
    ) -> Result<(), Fault> {
        let kind = scanner.kind().map_err(Fault::Syntax)?;
        if kind == Kind::Null {
            scanner.word("null").map_err(Fault::Syntax)?;
            column.push_null();
            return Ok(());
        }
        let (start, len) = (scanner.position(), column.len());
        match self.present(plan, kind, scanner, column) {
            Err(Fault::Value(_)) if self.ignore_errors => {
                column.truncate(len);
                scanner.go_back(start);
                scanner.skip().map_err(Fault::Syntax)?;
                column.push_null();
                Ok(())
            }
            other => other,
        }
    }

    fn present(
        &self,
        plan: &FieldPlan,
        kind: Kind,
        scanner: &mut Scanner<'_>,
        column: &mut Column,
    ) -> Result<(), Fault> {
        let len = column.len();
        match plan {
            FieldPlan::Scalar => self.scalar(kind, scanner, column),
            FieldPlan::Array(item) if kind == Kind::Array => {
                scanner.open();
                let items = column.items().map_err(Fault::Value)?;
                let mut first = true;
                while scanner.next_item(first).map_err(Fault::Syntax)? {
                    first = false;
                    self.value(item, scanner, items)?;
                }
                column.close().map_err(Fault::Value)
            }
            FieldPlan::Map(value) if kind == Kind::Object => {
                scanner.open();
                let (keys, values) = column.entries().map_err(Fault::Value)?;
                let mut first = true;
                while let Some(name) = scanner.next_name(first).map_err(Fault::Syntax)? {
                    first = false;
                    self.text(&name, keys)?;
                    self.value(value, scanner, values)?;
                }
                column.close().map_err(Fault::Value)
            }
            FieldPlan::Row(row) if kind == Kind::Object => {
                let fields = column.fields().map_err(Fault::Value)?;
                self.object(row, scanner, fields, len)?;
                column.close().map_err(Fault::Value)
            }
            _ => Err(value_fault(format!("a JSON {kind:?} is no {}", column.ty()))),
        }
    }

    fn scalar(
        &self,
        kind: Kind,
        scanner: &mut Scanner<'_>,
        column: &mut Column,
    ) -> Result<(), Fault> {
        let text_type = matches!(column.ty().kind, TypeKind::Char(_) | TypeKind::Varchar(_));
        match kind {
            Kind::Text => {
                let text = scanner.string().map_err(Fault::Syntax)?;
                if text_type {
                    column.push_bytes(text.as_bytes()).map_err(Fault::Value)
                } else {
                    self.text(&text, column)
                }
            }
            Kind::Number => {
                let (text, float) = scanner.number().map_err(Fault::Syntax)?;
                self.number(text, float, column)
            }
            Kind::True | Kind::False => {
                let word = if kind == Kind::True { "true" } else { "false" };
                scanner.word(word).map_err(Fault::Syntax)?;
                match column.ty().kind {
                    TypeKind::Boolean => column.push_bool(kind == Kind::True).map_err(Fault::Value),
                    _ => self.text(word, column),
                }
            }
            Kind::Object | Kind::Array if text_type => {
                let range = scanner.skip().map_err(Fault::Syntax)?;
                let mut compact = Vec::with_capacity(range.len());
                write_compact(&mut compact, scanner.text(range));
                column.push_bytes(&compact).map_err(Fault::Value)
            }
            _ => Err(value_fault(format!("a JSON {kind:?} is no {}", column.ty()))),
        }
    }

    fn number(&self, text: &str, float: bool, column: &mut Column) -> Result<(), Fault> {
        let whole = || -> Option<i64> {
            match column.ty().kind {
                TypeKind::Int | TypeKind::BigInt if float => {
                    // A fraction is cut off, as Java does.
                    let value = text.parse::<f64>().ok()?.trunc();
                    (value >= i64::MIN as f64 && value < i64::MAX as f64).then_some(value as i64)
                }
                TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => {
                    text.parse().ok()
                }
                _ => None,
            }
        };
        match whole() {
            Some(value) => column.push_int(value).map_err(|e| match e.kind() {
                millstream_core::ErrorKind::Data => not(text, column),
                _ => Fault::Value(e),
            }),
            None => self.text(text, column),
        }
    }

    /// Appends text as a value of the column's type.
    fn text(&self, text: &str, column: &mut Column) -> Result<(), Fault> {
        push_text(text, column, self.standard).map_err(Fault::Value)
    }
}

fn not(text: &str, column: &Column) -> Fault {
    Fault::Value(not_a(text, column.ty()))
}

pub(crate) fn not_a(text: &str, ty: &SqlType) -> Error {
    let mut shown: String = text.chars().take(100).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Error::data(format!("'{shown}' is no {}", ty.base_text()))
}

/// Appends text as a value of the column's type, as JSON and CSV do.
///
/// # Errors
/// Data: it is none.
pub(crate) fn push_text(text: &str, column: &mut Column, standard: TimeStandard) -> Result<()> {
    let ty = column.ty();
    let bad = || not_a(text, ty);
    let trimmed = text.trim();
    match &ty.kind {
        TypeKind::Null => column.push_null(),
        TypeKind::Boolean => return column.push_bool(trimmed.eq_ignore_ascii_case("true")),
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => {
            let value: i64 = trimmed.parse().map_err(|_| bad())?;
            let bad = bad();
            return column.push_int(value).map_err(|_| bad);
        }
        TypeKind::Float => {
            let value = match trimmed.parse::<f32>() {
                Ok(value) if value.is_finite() => f64::from(value),
                _ => crate::parse::float(trimmed).map_err(|_| bad())?,
            };
            return column.push_float(value);
        }
        TypeKind::Double => {
            let value = crate::parse::float(trimmed).map_err(|_| bad())?;
            return column.push_float(value);
        }
        TypeKind::Decimal { precision, scale } => {
            match crate::decimal::parse(trimmed, *precision, *scale) {
                Ok(value) => return column.push_decimal(value),
                // Too many digits are NULL in Flink.
                Err(NotDecimal::Overflow) => column.push_null(),
                Err(NotDecimal::Malformed) => return Err(bad()),
            }
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) => return column.push_bytes(text.as_bytes()),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            let bytes = STANDARD.decode(trimmed).map_err(|_| bad())?;
            return column.push_bytes(&bytes);
        }
        TypeKind::Date => {
            let days = times::date(text).ok_or_else(bad)?;
            return column.push_int(days);
        }
        TypeKind::Time(_) => {
            let millis = times::time(text, standard).ok_or_else(bad)?;
            return column.push_int(millis);
        }
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
            let zoned = matches!(ty.kind, TypeKind::TimestampLtz(_));
            let value = times::timestamp(text, standard, zoned, time_unit(*p)).ok_or_else(bad)?;
            return column.push_int(value);
        }
        TypeKind::IntervalYearMonth | TypeKind::IntervalDaySecond => {
            let value: i64 = trimmed.parse().map_err(|_| bad())?;
            return column.push_int(value);
        }
        TypeKind::Array(_) | TypeKind::Multiset(_) | TypeKind::Map(..) | TypeKind::Row(_) => {
            return Err(bad());
        }
    }
    Ok(())
}

/// A message as text.
///
/// # Errors
/// Data: it is no UTF-8, with the place.
pub(crate) fn text_of(message: &[u8]) -> Result<&str> {
    std::str::from_utf8(message).map_err(|e| {
        let what = format!("bytes that are no UTF-8 at column {}", e.valid_up_to() + 1);
        Error::data(what).advice("convert the data to UTF-8")
    })
}
