//! Typed expressions: what a planned query computes for each row.
//!
//! ```text
//!  parser's tree ──binder──> Expr ──fold──> Expr ──evaluate──> Arrow array
//!                   │
//!                   └ functions::Registry::call: checks types, inserts casts
//! ```
//!
//! An [`Expr`] is a tree in which every node knows its [`SqlType`], every name is resolved
//! and every implicit cast is explicit. It can be compared, hashed and printed, so plans can
//! find equal keys and name the expression that failed.
//!
//! Contract: an array that an expression evaluates to has the Arrow type of [`Expr::ty`].
//! NULLs may appear in a NOT NULL expression where Flink lets them (decimal overflow); sinks
//! check their columns.

mod eval;
mod fold;

use std::fmt;
use std::hash::{Hash, Hasher};

use millstream_core::Result;

pub(crate) use eval::arrow_bug;
pub use eval::{Columnar, EvalContext, evaluate, evaluate_all, evaluate_columns, evaluate_filter};
pub use fold::fold;

use crate::functions::FunctionRef;
use crate::text::literal_text;
use crate::types::{SqlType, TypeKind};
use crate::value::Value;

/// An expression with its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What is computed.
    pub node: Node,
    /// Type of the result.
    pub ty: SqlType,
}

/// What an [`Expr`] computes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The column of the input with this index.
    Column(usize),
    /// A constant.
    Literal(Value),
    /// A function of the registry or of the user.
    Call(Call),
    /// A conversion; `None` on a failed one if `try_cast`, else an error.
    Cast {
        /// What is converted to the type of the expression.
        input: Box<Expr>,
        /// TRY_CAST: NULL instead of an error.
        try_cast: bool,
    },
    /// The result of the first branch whose condition is TRUE. Others are not computed.
    Case {
        /// Conditions and results, all results of the expression's type.
        branches: Vec<(Expr, Expr)>,
        /// Result when no condition is TRUE.
        otherwise: Box<Expr>,
    },
    /// Conjunction in three-valued logic; stops at the first FALSE.
    And(Vec<Expr>),
    /// Disjunction in three-valued logic; stops at the first TRUE.
    Or(Vec<Expr>),
    /// The first value that is not NULL; later ones are not computed then.
    Coalesce(Vec<Expr>),
    /// A field of a ROW; NULL if the row is.
    Field {
        /// The row.
        row: Box<Expr>,
        /// Index of the field in its type.
        index: usize,
    },
}

/// A resolved call: arguments already have the types that the function wants.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to run.
    pub function: FunctionRef,
    /// Its arguments.
    pub args: Vec<Expr>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function.name() == other.function.name() && self.args == other.args
    }
}
impl Eq for Call {}
impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
        self.args.hash(state);
    }
}

impl Expr {
    /// The column with this index.
    pub fn column(index: usize, ty: SqlType) -> Self {
        Expr { node: Node::Column(index), ty }
    }
    /// A constant; NOT NULL unless it is NULL or the type says otherwise.
    pub fn literal(value: Value, ty: SqlType) -> Self {
        let ty = ty.with_nullable(value.is_null());
        Expr { node: Node::Literal(value), ty }
    }
    /// NULL of a type.
    pub fn null(ty: SqlType) -> Self {
        Self::literal(Value::Null, ty)
    }
    /// An INT constant.
    pub fn int(value: i32) -> Self {
        Self::literal(Value::Int(value.into()), SqlType::int())
    }
    /// A BIGINT constant.
    pub fn bigint(value: i64) -> Self {
        Self::literal(Value::Int(value), SqlType::bigint())
    }
    /// A BOOLEAN constant.
    pub fn boolean(value: bool) -> Self {
        Self::literal(Value::Boolean(value), SqlType::boolean())
    }
    /// A DOUBLE constant.
    pub fn double(value: f64) -> Self {
        Self::literal(Value::Float(value), SqlType::double())
    }
    /// A text constant, of type CHAR(number of UTF-16 units) as in Flink.
    pub fn text(value: impl Into<String>) -> Self {
        let value = value.into();
        let length = value.encode_utf16().count() as u32;
        Self::literal(Value::Text(value), SqlType::char(length))
    }
    /// `input` converted to `ty`, or `input` itself if it has that shape already.
    ///
    /// # Errors
    /// Configuration: Flink does not convert between the two types.
    pub fn cast(self, ty: SqlType, try_cast: bool) -> Result<Self> {
        crate::cast::check(&self.ty, &ty)?;
        Ok(self.cast_unchecked(ty, try_cast))
    }
    /// `input` converted to `ty`, for types that are known to convert.
    pub(crate) fn cast_unchecked(self, ty: SqlType, try_cast: bool) -> Self {
        let nullable = self.ty.nullable || try_cast;
        let ty = SqlType { nullable, ..ty };
        // A cast to CHAR or BINARY pads: only its result may be seen as longer text.
        let pads = matches!(self.node, Node::Cast { .. }) && self.ty.kind != ty.kind;
        if widens_for_free(&self.ty, &ty) && !pads {
            return Expr { node: self.node, ty };
        }
        if let (Node::Literal(Value::Null), false) = (&self.node, ty.kind == TypeKind::Null) {
            return Expr { node: Node::Literal(Value::Null), ty };
        }
        Expr { node: Node::Cast { input: Box::new(self), try_cast }, ty }
    }
    /// TRUE if all are; with one expression, that one.
    pub fn and(mut all: Vec<Expr>) -> Self {
        match (all.len(), all.pop()) {
            (1, Some(only)) => only,
            (0, _) | (_, None) => Expr::boolean(true),
            (_, Some(last)) => {
                all.push(last);
                let nullable = all.iter().any(|e| e.ty.nullable);
                Expr { node: Node::And(all), ty: SqlType::boolean().with_nullable(nullable) }
            }
        }
    }
    /// TRUE if any is; with one expression, that one.
    pub fn or(mut any: Vec<Expr>) -> Self {
        match (any.len(), any.pop()) {
            (1, Some(only)) => only,
            (0, _) | (_, None) => Expr::boolean(false),
            (_, Some(last)) => {
                any.push(last);
                let nullable = any.iter().any(|e| e.ty.nullable);
                Expr { node: Node::Or(any), ty: SqlType::boolean().with_nullable(nullable) }
            }
        }
    }
    /// CASE WHEN; all results are cast to their common type.
    ///
    /// # Errors
    /// Configuration: a condition is not BOOLEAN, or the results have no common type.
    pub fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Result<Self> {
        crate::functions::conditional::case(branches, otherwise)
    }
    /// The field of a ROW with this index; `None` if the type is no ROW or has no such field.
    pub fn field(self, index: usize) -> Option<Self> {
        let TypeKind::Row(fields) = &self.ty.kind else { return None };
        let field = fields.get(index)?.ty.clone();
        let nullable = field.nullable || self.ty.nullable;
        let ty = field.with_nullable(nullable);
        Some(Expr { node: Node::Field { row: Box::new(self), index }, ty })
    }

    /// The constant this is, if it is one.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }
    /// The text this is, if it is a text constant.
    pub fn as_text(&self) -> Option<&str> {
        match self.as_literal() {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
    /// Direct operands, in order of evaluation.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Column(_) | Node::Literal(_) => vec![],
            Node::Call(call) => call.args.iter().collect(),
            Node::Cast { input, .. } => vec![input],
            Node::Case { branches, otherwise } => {
                let mut all: Vec<&Expr> = branches.iter().flat_map(|(c, r)| [c, r]).collect();
                all.push(otherwise);
                all
            }
            Node::And(all) | Node::Or(all) | Node::Coalesce(all) => all.iter().collect(),
            Node::Field { row, .. } => vec![row],
        }
    }
    /// Direct operands, to be replaced in place (types must stay).
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.node {
            Node::Column(_) | Node::Literal(_) => vec![],
            Node::Call(call) => call.args.iter_mut().collect(),
            Node::Cast { input, .. } => vec![input],
            Node::Case { branches, otherwise } => {
                let mut all: Vec<&mut Expr> = Vec::new();
                for (condition, result) in branches {
                    all.push(condition);
                    all.push(result);
                }
                all.push(otherwise);
                all
            }
            Node::And(all) | Node::Or(all) | Node::Coalesce(all) => all.iter_mut().collect(),
            Node::Field { row, .. } => vec![row],
        }
    }
    /// Calls `visit` for this expression and everything below it, top down.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
    /// Rewrites bottom up: `rewrite` gets every node after its operands.
    pub fn transform(mut self, rewrite: &mut impl FnMut(Expr) -> Expr) -> Expr {
        for child in self.children_mut() {
            let owned = std::mem::replace(child, Expr::boolean(false));
            *child = owned.transform(rewrite);
        }
        rewrite(self)
    }
    /// Indices of the columns this reads, ascending, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.walk(&mut |e| {
            if let Node::Column(i) = e.node {
                columns.push(i);
            }
        });
        columns.sort_unstable();
        columns.dedup();
        columns
    }
    /// The same expression over an input whose column `i` is found at `map(i)`.
    pub fn map_columns(self, map: &impl Fn(usize) -> usize) -> Expr {
        self.transform(&mut |mut e| {
            if let Node::Column(i) = &mut e.node {
                *i = map(*i);
            }
            e
        })
    }
    /// Whether the same row always gives the same result: no randomness, no clock.
    pub fn is_deterministic(&self) -> bool {
        let mut deterministic = true;
        self.walk(&mut |e| {
            if let Node::Call(call) = &e.node {
                deterministic &= call.function.is_deterministic();
            }
        });
        deterministic
    }
    /// Whether no column is read and the result is always the same.
    pub fn is_constant(&self) -> bool {
        self.columns().is_empty() && self.is_deterministic()
    }
    /// Whether evaluation can fail on some data; then it must see only the rows it is meant for.
    pub fn may_fail(&self) -> bool {
        let own = match &self.node {
            Node::Call(call) => call.function.may_fail(),
            Node::Cast { input, try_cast } => {
                !try_cast && crate::cast::may_fail(&input.ty, &self.ty)
            }
            _ => false,
        };
        own || self.children().iter().any(|e| e.may_fail())
    }
    /// The text of the expression with these names for the columns.
    ///
    /// ```
    /// use millstream_sql::{expr::Expr, functions::Registry, types::SqlType};
    /// let sum = Registry::builtin()
    ///     .call("+", vec![Expr::column(0, SqlType::int()), Expr::int(1)]).unwrap();
    /// assert_eq!(sum.to_string(), "($0 + 1)");
    /// assert_eq!(sum.display(&["a"]).to_string(), "(a + 1)");
    /// ```
    pub fn display<'a, S: AsRef<str>>(&'a self, names: &'a [S]) -> impl fmt::Display + 'a {
        Named { expr: self, names }
    }
}

/// Whether values of the first type are values of the second as they are.
///
/// Longer text, other nullability of elements: such casts change the type only.
fn widens_for_free(from: &SqlType, to: &SqlType) -> bool {
    match (&from.kind, &to.kind) {
        (TypeKind::Char(n) | TypeKind::Varchar(n), TypeKind::Varchar(m))
        | (TypeKind::Binary(n) | TypeKind::Varbinary(n), TypeKind::Varbinary(m)) => n <= m,
        _ => from.same_shape(to) && from.arrow() == to.arrow(),
    }
}

struct Named<'a, S> {
    expr: &'a Expr,
    names: &'a [S],
}

impl<S: AsRef<str>> Named<'_, S> {
    fn of<'b>(&'b self, expr: &'b Expr) -> Named<'b, S> {
        Named { expr, names: self.names }
    }
    fn list(&self, f: &mut fmt::Formatter<'_>, items: &[Expr], between: &str) -> fmt::Result {
        for (i, item) in items.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { between }, self.of(item))?;
        }
        Ok(())
    }
}

impl<S: AsRef<str>> fmt::Display for Named<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr.node {
            Node::Column(i) => match self.names.get(*i) {
                Some(name) => f.write_str(name.as_ref()),
                None => write!(f, "${i}"),
            },
            Node::Literal(value) => f.write_str(&literal_text(value, &self.expr.ty)),
            Node::Call(call) => {
                let name = call.function.name();
                let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
                match (&call.args[..], operator) {
                    ([left, right], true) => {
                        write!(f, "({} {name} {})", self.of(left), self.of(right))
                    }
                    ([only], _) if name.starts_with("IS ") => {
                        write!(f, "{} {name}", self.of(only))
                    }
                    (args, _) => {
                        write!(f, "{name}(")?;
                        self.list(f, args, ", ")?;
                        f.write_str(")")
                    }
                }
            }
            Node::Cast { input, try_cast } => {
                let name = if *try_cast { "TRY_CAST" } else { "CAST" };
                write!(f, "{name}({} AS {})", self.of(input), self.expr.ty.base_text())
            }
            Node::Case { branches, otherwise } => {
                f.write_str("CASE")?;
                for (condition, result) in branches {
                    write!(f, " WHEN {} THEN {}", self.of(condition), self.of(result))?;
                }
                write!(f, " ELSE {} END", self.of(otherwise))
            }
            Node::And(all) | Node::Or(all) => {
                let between = if matches!(self.expr.node, Node::And(_)) { " AND " } else { " OR " };
                f.write_str("(")?;
                self.list(f, all, between)?;
                f.write_str(")")
            }
            Node::Coalesce(all) => {
                f.write_str("COALESCE(")?;
                self.list(f, all, ", ")?;
                f.write_str(")")
            }
            Node::Field { row, index } => {
                let name = match &row.ty.kind {
                    TypeKind::Row(fields) => fields.get(*index).map_or("?", |f| &f.name),
                    _ => "?",
                };
                write!(f, "{}.{name}", self.of(row))
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: &[&str] = &[];
        write!(f, "{}", Named { expr: self, names })
    }
}
