//! Scalar functions: their names, their signatures, their kernels.
//!
//! ```text
//!   name + typed arguments ──Registry::call──> Expr::Call { function, args with casts }
//!                                │
//!        one table per file:     ├ comparison  arithmetic  conditional  conversion
//!        name, signatures,       ├ string  regexp  codes  temporal
//!        result type, kernel     └ collection  json  user's own
//! ```
//!
//! A [`Definition`] is one row of such a table. A kernel gets whole columns
//! ([`CallArgs`]) and never sees a wrong type: signatures are checked and casts inserted
//! when the call is made.
//!
//! Source of names and meaning: "System (Built-in) Functions" in Flink's documentation;
//! of edges: tests/conformance.

pub mod args;
pub mod conditional;
pub mod json;
pub mod named;
pub mod signature;
pub mod user;

mod arithmetic;
mod codes;
mod collection;
mod comparison;
mod conversion;
mod format;
mod printf;
mod regexp;
mod string;
mod temporal;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow_array::ArrayRef;
use millstream_core::nearest::nearest;
use millstream_core::{Error, Result};

pub use args::CallArgs;
pub use named::UserFunction;
use named::{Kind, NamedFunction, NamedFunctions};
pub use signature::{Definition, Returns};
pub use user::ScalarFunction;

use crate::dialect::Span;
use crate::dialect::ast::{Ident, ObjectName};
use crate::expr::{Call, Expr, Node};
use crate::types::SqlType;

/// A function ready to be called, shared by all calls of it.
pub type FunctionRef = Arc<Function>;

/// The code of a built-in function: columns in, one column out.
pub type Kernel = fn(&CallArgs<'_>) -> Result<ArrayRef>;

/// How often a function must be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    /// The same arguments always give the same result.
    Deterministic,
    /// One result holds for a batch (the current time), but not for the next.
    PerBatch,
    /// Every row has a result of its own (random numbers).
    PerRow,
}

/// A resolved function.
pub struct Function {
    name: String,
    volatility: Volatility,
    may_fail: bool,
    body: Body,
}

enum Body {
    Native(Kernel),
    User(Arc<dyn ScalarFunction>),
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Function {
    /// The name under which it is shown.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// How often it must be computed.
    pub fn volatility(&self) -> Volatility {
        self.volatility
    }
    /// Whether the same arguments always give the same result.
    pub fn is_deterministic(&self) -> bool {
        self.volatility == Volatility::Deterministic
    }
    /// Whether some data makes it fail.
    pub fn may_fail(&self) -> bool {
        self.may_fail
    }
    pub(crate) fn evaluate(&self, args: &CallArgs<'_>) -> Result<ArrayRef> {
        match &self.body {
            Body::Native(kernel) => kernel(args),
            Body::User(function) => user::evaluate(function.as_ref(), args),
        }
    }
    /// A function that a binder makes, outside of any table.
    pub(crate) fn native(name: &str, may_fail: bool, kernel: Kernel) -> FunctionRef {
        Arc::new(Function {
            name: name.to_string(),
            volatility: Volatility::Deterministic,
            may_fail,
            body: Body::Native(kernel),
        })
    }
}

/// An expression that calls `function`.
pub(crate) fn call_expr(function: FunctionRef, args: Vec<Expr>, ty: SqlType) -> Expr {
    Expr { node: Node::Call(Call { function, args }), ty }
}

/// All functions that a query can call by name: the built-in ones, and the user's.
///
/// Names are found without regard to case; a user's function hides a built-in one.
#[derive(Clone, Default)]
pub struct Registry {
    user: NamedFunctions,
}

static BUILTIN: LazyLock<BTreeMap<&'static str, (&'static Definition, FunctionRef)>> =
    LazyLock::new(|| {
        let mut all = BTreeMap::new();
        for table in [
            comparison::TABLE,
            arithmetic::TABLE,
            conditional::TABLE,
            conversion::TABLE,
            string::TABLE,
            regexp::TABLE,
            codes::TABLE,
            url::TABLE,
            temporal::TABLE,
            collection::TABLE,
            json::TABLE,
        ] {
            for definition in table {
                let function = Arc::new(Function {
                    name: definition.names[0].to_string(),
                    volatility: definition.volatility,
                    may_fail: definition.may_fail,
                    body: Body::Native(definition.kernel),
                });
                for name in definition.names {
                    all.insert(*name, (definition, function.clone()));
                }
            }
        }
        all
    });

static EMPTY: Registry = Registry { user: named::NONE };

impl Registry {
    /// A registry with the built-in functions, to which functions can be added.
    pub fn new() -> Self {
        Self::default()
    }
    /// The built-in functions.
    pub fn builtin() -> &'static Registry {
        &EMPTY
    }
    /// Makes a scalar function callable as `name`; it replaces what had the name.
    pub fn register(&mut self, name: &str, function: Arc<dyn ScalarFunction>) {
        self.user.set_system(name, name, UserFunction(Kind::Scalar(function)));
    }
    /// The functions of the user's own.
    pub(crate) fn user(&self) -> &NamedFunctions {
        &self.user
    }
    pub(crate) fn user_mut(&mut self) -> &mut NamedFunctions {
        &mut self.user
    }
    /// Whether a built-in scalar function has this name.
    pub(crate) fn is_builtin(name: &str) -> bool {
        BUILTIN.contains_key(name.to_uppercase().as_str())
    }
    /// Names of all scalar functions that are called by a name (no operators), ascending.
    pub fn names(&self) -> Vec<String> {
        let builtin = BUILTIN
            .keys()
            .filter(|n| n.starts_with(|c: char| c.is_ascii_uppercase()) && !n.contains(' '))
            .map(|n| n.to_string());
        let user = self.user.names(None).into_iter().map(|n| n.to_uppercase());
        let mut names: Vec<String> = builtin.chain(user).collect();
        names.sort();
        names.dedup();
        names
    }
    /// The names and forms of all built-in functions, for documentation.
    pub fn documentation(&self) -> Vec<(&'static str, Vec<String>)> {
        BUILTIN.iter().map(|(name, (definition, _))| (*name, definition.forms(name))).collect()
    }

    /// The call of `name` with these arguments, with implicit casts where they are needed.
    ///
    /// # Errors
    /// Configuration: no function has the name (the nearest name is suggested), or none of
    /// its forms takes these arguments (the forms are listed).
    ///
    /// ```
    /// use millstream_sql::{expr::Expr, functions::Registry};
    /// let builtin = Registry::builtin();
    /// let call = builtin.call("upper", vec![Expr::text("x")]).unwrap();
    /// assert_eq!(call.ty.to_string(), "CHAR(1) NOT NULL");
    /// let error = builtin.call("UPER", vec![Expr::text("x")]).unwrap_err().to_string();
    /// assert!(error.contains("No match found for function signature UPER(<CHARACTER>)"));
    /// assert!(error.contains("UPPER"), "{error}");
    /// ```
    pub fn call(&self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let upper = name.to_uppercase();
        let own = ObjectName(vec![Ident { value: upper.clone(), span: Span::default() }]);
        if let Some(found) = self.user.find(&own, &Default::default(), true) {
            return self.call_user(found, args);
        }
        match BUILTIN.get(upper.as_str()) {
            Some((definition, function)) => definition.bind(&upper, function.clone(), args),
            None => Err(self.unknown(name, &args)),
        }
    }

    /// The call of a scalar function of the user's own.
    ///
    /// # Errors
    /// Configuration: it is no scalar function, or does not take these arguments.
    pub(crate) fn call_user(&self, found: &NamedFunction, args: Vec<Expr>) -> Result<Expr> {
        match (&found.function.0, &found.scalar) {
            (Kind::Scalar(user), Some(function)) => {
                user::bind(function.clone(), user.as_ref(), args)
            }
            (Kind::Table(_), _) => Err(Error::config(format!("{} is a table function", found.key))
                .advice("write FROM t, LATERAL TABLE(f(...)), or LEFT JOIN LATERAL")),
            _ => Err(Error::config(format!("the aggregate {} cannot stand here", found.key))
                .advice("use it in SELECT or HAVING")),
        }
    }

    fn unknown(&self, name: &str, args: &[Expr]) -> Error {
        let error = Error::config(format!(
            "No match found for function signature {}({})",
            name.to_uppercase(),
            signature::families(args)
        ));
        match nearest(name, self.names().iter().map(String::as_str)) {
            Some(near) => error.advice(format!("did you mean {near}?")),
            None => error.advice("SHOW FUNCTIONS lists the functions there are"),
        }
    }
}
