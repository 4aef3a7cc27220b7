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
//! of edges: shared/conformance.

pub mod args;
pub mod conditional;
pub mod json;
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
pub use signature::{Definition, Returns};
pub use user::ScalarFunction;

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
    user: BTreeMap<String, (FunctionRef, Arc<dyn ScalarFunction>)>,
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

static EMPTY: Registry = Registry { user: BTreeMap::new() };

impl Registry {
    /// A registry with the built-in functions, to which functions can be added.
    pub fn new() -> Self {
        Self::default()
    }
    /// The built-in functions.
    pub fn builtin() -> &'static Registry {
        &EMPTY
    }
    /// Makes `function` callable as `name`; it replaces what had the name.
    pub fn register(&mut self, name: &str, function: Arc<dyn ScalarFunction>) {
        let volatility = if function.is_deterministic() {
            Volatility::Deterministic
        } else {
            Volatility::PerRow
        };
        let shared = Arc::new(Function {
            name: name.to_string(),
            volatility,
            may_fail: true,
            body: Body::User(function.clone()),
        });
        self.user.insert(name.to_uppercase(), (shared, function));
    }
    /// Removes a user's function; `false` if there is none of this name.
    pub fn unregister(&mut self, name: &str) -> bool {
        self.user.remove(&name.to_uppercase()).is_some()
    }
    /// Whether a scalar function has this name.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.to_uppercase();
        self.user.contains_key(&name) || BUILTIN.contains_key(name.as_str())
    }
    /// Names of all scalar functions that are called by a name (no operators), ascending.
    pub fn names(&self) -> Vec<String> {
        let builtin = BUILTIN
            .keys()
            .filter(|n| n.starts_with(|c: char| c.is_ascii_uppercase()) && !n.contains(' '))
            .map(|n| n.to_string());
        let mut names: Vec<String> = builtin.chain(self.user.keys().cloned()).collect();
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
        if let Some((function, user)) = self.user.get(&upper) {
            return user::bind(function.clone(), user.as_ref(), args);
        }
        match BUILTIN.get(upper.as_str()) {
            Some((definition, function)) => definition.bind(&upper, function.clone(), args),
            None => Err(self.unknown(name, &args)),
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
