//! Functions of the user's own: what programs provide, and the names that SQL gives them.
//!
//! ```text
//!   program ──provide("com.acme.Score", f)──> library
//!   CREATE FUNCTION score AS 'com.acme.Score' ──> name ──> f
//! ```
//! Names are found in Flink's order: temporary system functions, built-in functions,
//! temporary functions of the database, functions of the database. They are compared without
//! regard to case.
//!
//! Source: Flink's "Functions" page, "Function Reference".

use super::user::ScalarFunction;
use super::{Body, Function, FunctionRef, Volatility};
use crate::catalog::Path;
use crate::dialect::ast::ObjectName;
use crate::runtime::agg::user::{AggregateFunction, AnyAggregate, TableFunction, UserFunctions};
use millstream_core::{Error, Result, nearest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A function of the user's own, in Rust.
///
/// ```
/// use millstream_sql::functions::{UserFunction, user::from_rows};
/// use millstream_sql::session::{Outcome, Session};
/// use millstream_sql::types::SqlType;
/// use millstream_sql::value::Value;
///
/// let shout = from_rows([SqlType::string()], SqlType::string(), |args| {
///     Ok(match &args[0] {
///         Value::Text(text) => Value::text(format!("{text}!")),
///         _ => Value::Null,
///     })
/// });
/// let mut session = Session::new();
/// session.provide_function("com.acme.Shout", UserFunction::scalar(shout));
/// let script = "CREATE TEMPORARY FUNCTION shout AS 'com.acme.Shout'; SELECT shout('hey');";
/// session
///     .run(script, |outcome| {
///         if let Outcome::Query(query) = outcome {
///             assert_eq!(query.collect()?.rows[0].values[0].as_deref(), Some("hey!"));
///         }
///         Ok(())
///     })
///     .unwrap();
/// ```
#[derive(Clone)]
pub struct UserFunction(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Scalar(Arc<dyn ScalarFunction>),
    Aggregate(Arc<dyn AnyAggregate>),
    Table(Arc<dyn TableFunction>),
}

impl UserFunction {
    /// One value for each row.
    pub fn scalar(function: impl ScalarFunction + 'static) -> Self {
        UserFunction(Kind::Scalar(Arc::new(function)))
    }
    /// One value for each group.
    pub fn aggregate(function: impl AggregateFunction) -> Self {
        UserFunction(Kind::Aggregate(Arc::new(function)))
    }
    /// Rows for each row.
    pub fn table(function: impl TableFunction) -> Self {
        UserFunction(Kind::Table(Arc::new(function)))
    }
    /// `scalar`, `aggregate` or `table`.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Kind::Scalar(_) => "scalar",
            Kind::Aggregate(_) => "aggregate",
            Kind::Table(_) => "table",
        }
    }
}

impl std::fmt::Debug for UserFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserFunction({})", self.kind())
    }
}

/// How far a name reaches and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// `CREATE TEMPORARY SYSTEM FUNCTION`: everywhere, before built-in functions.
    TemporarySystem,
    /// `CREATE TEMPORARY FUNCTION`: in a database.
    Temporary,
    /// `CREATE FUNCTION`: in a database.
    Catalog,
}

/// A function with a name.
#[derive(Clone, Debug)]
pub(crate) struct NamedFunction {
    /// The name in full, the key of the function among those that operators call.
    pub(crate) key: String,
    /// What it was made of.
    pub(crate) identifier: String,
    pub(crate) reach: Reach,
    pub(crate) function: UserFunction,
    /// The callable form of a scalar function.
    pub(crate) scalar: Option<FunctionRef>,
}

/// All functions of the user's own. See the module.
#[derive(Clone, Default)]
pub(crate) struct NamedFunctions {
    library: BTreeMap<String, UserFunction>,
    system: BTreeMap<String, NamedFunction>,
    /// By whether they are permanent, and path.
    in_databases: BTreeMap<(Reach, Path), NamedFunction>,
}

/// No user functions at all.
pub(super) const NONE: NamedFunctions = NamedFunctions {
    library: BTreeMap::new(),
    system: BTreeMap::new(),
    in_databases: BTreeMap::new(),
};

/// A path with the function's name in the form in which names are compared.
fn folded(path: &Path) -> Path {
    Path { object: path.object.to_uppercase(), ..path.clone() }
}

fn named(key: String, identifier: &str, reach: Reach, function: UserFunction) -> NamedFunction {
    let scalar = match &function.0 {
        Kind::Scalar(scalar) => Some(Arc::new(Function {
            name: key.rsplit('.').next().unwrap_or(&key).to_owned(),
            volatility: match scalar.is_deterministic() {
                true => Volatility::Deterministic,
                false => Volatility::PerRow,
            },
            may_fail: true,
            body: Body::User(Arc::clone(scalar)),
        })),
        _ => None,
    };
    NamedFunction { key, identifier: identifier.to_owned(), reach, function, scalar }
}

impl NamedFunctions {
    /// Makes a function available to `CREATE FUNCTION ... AS 'identifier'`.
    pub(crate) fn provide(&mut self, identifier: &str, function: UserFunction) {
        self.library.insert(identifier.to_owned(), function);
    }
    /// What a program has provided as `identifier`.
    pub(crate) fn provided(&self, identifier: &str) -> Result<UserFunction> {
        if let Some(function) = self.library.get(identifier) {
            return Ok(function.clone());
        }
        let what = format!("no function is provided as '{identifier}'");
        let error = Error::config(what);
        let known = self.library.keys().map(String::as_str);
        Err(match nearest::hint(identifier, known) {
            Some(hint) => error.advice(hint),
            None => error.advice(
                "functions of your own are written in Rust: a program provides them with \
                 Session::provide_function, and SQL names them; there is no JVM here",
            ),
        })
    }
    /// Gives a function a name for all of the session; it replaces what had the name.
    pub(crate) fn set_system(&mut self, name: &str, identifier: &str, function: UserFunction) {
        let key = name.to_uppercase();
        let function = named(key.clone(), identifier, Reach::TemporarySystem, function);
        self.system.insert(key, function);
    }
    /// Gives a function a name; `None`: it had one before.
    fn place(&mut self, reach: Reach, path: &Path) -> Option<&NamedFunction> {
        match reach {
            Reach::TemporarySystem => self.system.get(&path.object.to_uppercase()),
            _ => self.in_databases.get(&(reach, folded(path))),
        }
    }
    /// `CREATE FUNCTION`; whether it was made.
    pub(crate) fn create(
        &mut self,
        reach: Reach,
        path: &Path,
        identifier: &str,
        if_not_exists: bool,
    ) -> Result<bool> {
        if self.place(reach, path).is_some() {
            return match if_not_exists {
                true => Ok(false),
                false => Err(Error::config(format!("function '{}' exists already", path.object))
                    .advice("drop it first, or add IF NOT EXISTS")),
            };
        }
        self.alter(reach, path, identifier)?;
        Ok(true)
    }
    /// Makes the name mean what is provided as `identifier`.
    fn alter(&mut self, reach: Reach, path: &Path, identifier: &str) -> Result<()> {
        let function = self.provided(identifier)?;
        match reach {
            Reach::TemporarySystem => self.set_system(&path.object, identifier, function),
            _ => {
                let path = folded(path);
                let function = named(path.to_string(), identifier, reach, function);
                self.in_databases.insert((reach, path), function);
            }
        }
        Ok(())
    }
    /// `ALTER FUNCTION`.
    pub(crate) fn change(
        &mut self,
        reach: Reach,
        path: &Path,
        identifier: &str,
        if_exists: bool,
    ) -> Result<()> {
        match self.place(reach, path) {
            Some(_) => self.alter(reach, path, identifier),
            None if if_exists => Ok(()),
            None => Err(self.unknown(path)),
        }
    }
    /// `DROP FUNCTION`.
    pub(crate) fn remove(&mut self, reach: Reach, path: &Path, if_exists: bool) -> Result<()> {
        let removed = match reach {
            Reach::TemporarySystem => self.system.remove(&path.object.to_uppercase()),
            _ => self.in_databases.remove(&(reach, folded(path))),
        };
        match removed.is_some() || if_exists {
            true => Ok(()),
            false => Err(self.unknown(path)),
        }
    }
    fn unknown(&self, path: &Path) -> Error {
        let error = Error::config(format!("function '{}' does not exist", path.object));
        let names = self.names(None);
        match nearest::hint(&path.object, names.iter().map(String::as_str)) {
            Some(hint) => error.advice(hint),
            None => error.advice(
                "SHOW USER FUNCTIONS lists them; a temporary one needs \
                                  DROP TEMPORARY FUNCTION",
            ),
        }
    }
    /// Forgets the functions of a database.
    pub(crate) fn remove_database(&mut self, catalog: &str, database: &str) {
        self.in_databases.retain(|(_, p), _| p.catalog != catalog || p.database != database);
    }
    /// The function that a name of one to three parts means, in a session or view whose
    /// catalog and database are `home`; `is_builtin`: the name is of a built-in one.
    pub(crate) fn find(
        &self,
        name: &ObjectName,
        home: &(String, String),
        is_builtin: bool,
    ) -> Option<&NamedFunction> {
        let mut parts = name.0.iter().rev().map(|i| i.value.as_str());
        let object = parts.next()?.to_uppercase();
        let written = parts.next();
        if written.is_none() {
            if let Some(found) = self.system.get(&object) {
                return Some(found);
            }
            if is_builtin {
                return None;
            }
        }
        let database = written.unwrap_or(&home.1).to_owned();
        let catalog = parts.next().unwrap_or(&home.0).to_owned();
        let path = Path { catalog, database, object };
        let of = |reach| self.in_databases.get(&(reach, path.clone()));
        of(Reach::Temporary).or_else(|| of(Reach::Catalog))
    }
    /// Names without a path, in small letters as Flink lists them: those of everywhere and
    /// of a database (`None`: of all).
    pub(crate) fn names(&self, database: Option<&(String, String)>) -> Vec<String> {
        let here =
            |path: &Path| database.is_none_or(|(c, d)| path.catalog == *c && path.database == *d);
        let in_databases =
            self.in_databases.keys().filter(|(_, p)| here(p)).map(|(_, p)| p.object.to_lowercase());
        let mut names: Vec<String> =
            self.system.keys().map(|n| n.to_lowercase()).chain(in_databases).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
    /// What operators call by key.
    pub(crate) fn for_job(&self) -> UserFunctions {
        let mut functions = UserFunctions::default();
        for named in self.system.values().chain(self.in_databases.values()) {
            match &named.function.0 {
                Kind::Scalar(_) => {}
                Kind::Aggregate(f) => functions.add_aggregate(&named.key, Arc::clone(f)),
                Kind::Table(f) => functions.add_table(&named.key, Arc::clone(f)),
            }
        }
        functions
    }
}
