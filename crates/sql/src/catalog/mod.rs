//! What a session knows by name: catalogs, databases, tables, views, functions.
//!
//! Between statements and the binder: DDL writes here, names are resolved here.
//!
//! Invariants: a catalog has at least the databases that were made in it; a temporary
//! object hides a permanent one of the same path; definitions are checked when they are
//! made ([`crate::bind`]), so reading one never fails on its own columns.

pub mod table;

use crate::dialect::ast::{Ident, ObjectName};
use millstream_core::nearest;
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use table::{Column, ColumnKind, PrimaryKey, StreamTable, TableDef, ViewDef, Watermark};

/// Name of the catalog that a session begins with.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// Name of the database that a session begins with.
pub const DEFAULT_DATABASE: &str = "default_database";

/// `catalog.database.object`, in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// Table, view or function.
    pub object: String,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.object)
    }
}

/// A table or a view.
#[derive(Clone, Debug)]
pub enum Object {
    /// Rows come from or go to a connector.
    Table(Arc<TableDef>),
    /// Rows come from a query.
    View(Arc<ViewDef>),
}

#[derive(Clone, Debug, Default)]
struct Database {
    comment: Option<String>,
    options: BTreeMap<String, String>,
    objects: BTreeMap<String, Object>,
}

/// What a catalog was made with.
#[derive(Clone, Debug, Default)]
pub struct CatalogInfo {
    /// `COMMENT`.
    pub comment: Option<String>,
    /// `WITH (...)`.
    pub options: BTreeMap<String, String>,
}

/// All objects of a session. See the module.
#[derive(Clone, Debug)]
pub struct Catalog {
    catalogs: BTreeMap<String, BTreeMap<String, Database>>,
    infos: BTreeMap<String, CatalogInfo>,
    temporary: BTreeMap<Path, Object>,
    current_catalog: String,
    current_database: String,
}

impl Default for Catalog {
    fn default() -> Self {
        let databases = BTreeMap::from([(DEFAULT_DATABASE.to_owned(), Database::default())]);
        Catalog {
            catalogs: BTreeMap::from([(DEFAULT_CATALOG.to_owned(), databases)]),
            infos: BTreeMap::new(),
            temporary: BTreeMap::new(),
            current_catalog: DEFAULT_CATALOG.to_owned(),
            current_database: DEFAULT_DATABASE.to_owned(),
        }
    }
}

fn unknown(what: &str, name: &str, known: Vec<&str>) -> Error {
    let error = Error::config(format!("{what} '{name}' does not exist"));
    match nearest::hint(name, known.iter().copied()) {
        Some(hint) => error.advice(hint),
        None if known.is_empty() => error.advice(format!("there is no {what} yet")),
        None => error.advice(format!("known are: {}", known.join(", "))),
    }
}

impl Catalog {
    /// The catalog that names without one mean.
    pub fn current_catalog(&self) -> &str {
        &self.current_catalog
    }
    /// The database that names without one mean.
    pub fn current_database(&self) -> &str {
        &self.current_database
    }
    /// The full path of a name as the session, or a view made earlier, means it.
    pub fn path_in(&self, name: &ObjectName, catalog: &str, database: &str) -> Path {
        let part = |i: &Ident| i.value.clone();
        match name.0.as_slice() {
            [c, d, o] => Path { catalog: part(c), database: part(d), object: part(o) },
            [d, o] => Path { catalog: catalog.to_owned(), database: part(d), object: part(o) },
            rest => Path {
                catalog: catalog.to_owned(),
                database: database.to_owned(),
                object: rest.last().map(part).unwrap_or_default(),
            },
        }
    }
    /// The full path of a name as the session means it.
    pub fn path(&self, name: &ObjectName) -> Path {
        self.path_in(name, &self.current_catalog, &self.current_database)
    }

    fn databases(&self, catalog: &str) -> Result<&BTreeMap<String, Database>> {
        self.catalogs.get(catalog).ok_or_else(|| {
            unknown("catalog", catalog, self.catalogs.keys().map(String::as_str).collect())
        })
    }
    fn database(&self, catalog: &str, database: &str) -> Result<&Database> {
        let all = self.databases(catalog)?;
        all.get(database)
            .ok_or_else(|| unknown("database", database, all.keys().map(String::as_str).collect()))
    }
    fn database_mut(&mut self, catalog: &str, database: &str) -> Result<&mut Database> {
        self.database(catalog, database)?;
        let found = self.catalogs.get_mut(catalog).and_then(|c| c.get_mut(database));
        found.ok_or_else(|| Error::bug("a database vanished"))
    }

    /// The object at `path`, temporary ones first.
    pub fn find(&self, path: &Path) -> Option<&Object> {
        self.temporary.get(path).or_else(|| {
            self.catalogs.get(&path.catalog)?.get(&path.database)?.objects.get(&path.object)
        })
    }
    /// The object at `path`.
    ///
    /// # Errors
    /// `Config`, with the nearest name.
    pub fn get(&self, path: &Path) -> Result<&Object> {
        if let Some(found) = self.find(path) {
            return Ok(found);
        }
        let known = self.database(&path.catalog, &path.database)?.objects.keys();
        let temporary = self.temporary.keys().map(|p| p.object.as_str());
        let known: Vec<&str> = known.map(String::as_str).chain(temporary).collect();
        Err(unknown("table", &path.object, known))
    }
    /// The table at `path`.
    ///
    /// # Errors
    /// `Config`, when it does not exist or is a view.
    pub fn table(&self, path: &Path) -> Result<Arc<TableDef>> {
        match self.get(path)? {
            Object::Table(table) => Ok(Arc::clone(table)),
            Object::View(_) => Err(Error::config(format!("'{path}' is a view, not a table"))
                .advice("name a table here")),
        }
    }

    /// Puts an object at `path`; answers whether it was put.
    ///
    /// # Errors
    /// `Config`, when there is one already and neither flag is set.
    pub fn create(
        &mut self,
        path: &Path,
        object: Object,
        temporary: bool,
        if_not_exists: bool,
        replace: bool,
    ) -> Result<bool> {
        let objects: &mut dyn ObjectMap = if temporary {
            &mut self.temporary
        } else {
            &mut self.database_mut(&path.catalog, &path.database)?.objects
        };
        if objects.has(path) && !replace {
            if if_not_exists {
                return Ok(false);
            }
            let what = format!(
                "table (or view) {}.{} already exists in catalog {}",
                path.database, path.object, path.catalog
            );
            return Err(Error::config(what).advice("add IF NOT EXISTS, or drop it first"));
        }
        objects.put(path, object);
        Ok(true)
    }

    /// Removes the object at `path`; answers whether there was one.
    ///
    /// # Errors
    /// `Config`, when there is none and `if_exists` is not set, or it is of the other kind.
    pub fn drop_object(
        &mut self,
        path: &Path,
        view: bool,
        temporary: bool,
        if_exists: bool,
    ) -> Result<bool> {
        let what = if view { "view" } else { "table" };
        let is_temporary = self.temporary.contains_key(path);
        let found = if temporary { self.temporary.get(path) } else { self.find(path) };
        let Some(found) = found else {
            if if_exists {
                return Ok(false);
            }
            let prefix = if temporary { "temporary " } else { "" };
            let error = Error::config(format!("{prefix}{what} '{path}' does not exist"));
            return Err(error.advice("add IF EXISTS to drop it only when it is there"));
        };
        if matches!(found, Object::View(_)) != view {
            let error = Error::config(format!("'{path}' is not a {what}"));
            let other = if view { "TABLE" } else { "VIEW" };
            return Err(error.advice(format!("use DROP {other}")));
        }
        if is_temporary && !temporary {
            let error = Error::config(format!("a temporary {what} hides '{path}'"));
            return Err(error.advice(format!("use DROP TEMPORARY {}", what.to_uppercase())));
        }
        if temporary {
            self.temporary.remove(path);
        } else {
            self.database_mut(&path.catalog, &path.database)?.objects.remove(&path.object);
        }
        Ok(true)
    }

    /// Puts a changed definition in the place of the old one.
    ///
    /// # Errors
    /// `Config`, when there is no such object.
    pub fn replace(&mut self, path: &Path, object: Object) -> Result<()> {
        if let Some(place) = self.temporary.get_mut(path) {
            *place = object;
            return Ok(());
        }
        self.database_mut(&path.catalog, &path.database)?
            .objects
            .insert(path.object.clone(), object);
        Ok(())
    }

    /// Gives the object at `path` a new name.
    ///
    /// # Errors
    /// `Config`, when it does not exist or the new name is taken.
    pub fn rename(&mut self, path: &Path, to: &Path) -> Result<()> {
        let object = self.get(path)?.clone();
        if self.find(to).is_some() {
            return Err(Error::config(format!("table (or view) {to} already exists"))
                .advice("choose another name"));
        }
        let temporary = self.temporary.contains_key(path);
        if temporary {
            self.temporary.remove(path);
        } else {
            self.database_mut(&path.catalog, &path.database)?.objects.remove(&path.object);
        }
        let object = match object {
            Object::Table(t) => {
                Object::Table(Arc::new(TableDef { path: to.clone(), ..(*t).clone() }))
            }
            Object::View(v) => Object::View(Arc::new(ViewDef { path: to.clone(), ..(*v).clone() })),
        };
        self.create(to, object, temporary, false, false).map(|_| ())
    }

    /// Names of tables and views of a database, sorted; with `views_only`, of views.
    ///
    /// # Errors
    /// `Config`, when there is no such database.
    pub fn list(&self, catalog: &str, database: &str, views_only: bool) -> Result<Vec<String>> {
        let keep = |o: &Object| !views_only || matches!(o, Object::View(_));
        let objects = &self.database(catalog, database)?.objects;
        let mut names: Vec<String> =
            objects.iter().filter(|(_, o)| keep(o)).map(|(n, _)| n.clone()).collect();
        let here = |p: &Path| p.catalog == catalog && p.database == database;
        let temporary = self.temporary.iter().filter(|(p, o)| here(p) && keep(o));
        names.extend(temporary.map(|(p, _)| p.object.clone()));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
    /// Names of catalogs, sorted.
    pub fn list_catalogs(&self) -> Vec<String> {
        self.catalogs.keys().cloned().collect()
    }
    /// Names of the databases of a catalog, sorted.
    ///
    /// # Errors
    /// `Config`, when there is no such catalog.
    pub fn list_databases(&self, catalog: &str) -> Result<Vec<String>> {
        Ok(self.databases(catalog)?.keys().cloned().collect())
    }

    /// Makes a database.
    ///
    /// # Errors
    /// `Config`, when it exists or its catalog does not.
    pub fn create_database(
        &mut self,
        name: &ObjectName,
        if_not_exists: bool,
        comment: Option<String>,
        options: Vec<(String, String)>,
    ) -> Result<()> {
        let (catalog, database) = self.database_name(name)?;
        let databases = self.databases(&catalog)?;
        if databases.contains_key(&database) {
            if if_not_exists {
                return Ok(());
            }
            let what = format!("database {database} already exists in catalog {catalog}");
            return Err(Error::config(what).advice("add IF NOT EXISTS, or drop it first"));
        }
        let made =
            Database { comment, options: options.into_iter().collect(), ..Default::default() };
        if let Some(databases) = self.catalogs.get_mut(&catalog) {
            databases.insert(database, made);
        }
        Ok(())
    }
    /// Sets options of a database.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn alter_database(
        &mut self,
        name: &ObjectName,
        options: Vec<(String, String)>,
    ) -> Result<()> {
        let (catalog, database) = self.database_name(name)?;
        self.database_mut(&catalog, &database)?.options.extend(options);
        Ok(())
    }
    /// Removes a database.
    ///
    /// # Errors
    /// `Config`, when it does not exist, is in use, or is not empty and `cascade` is not set.
    pub fn drop_database(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        let (catalog, database) = self.database_name(name)?;
        if if_exists && !self.databases(&catalog)?.contains_key(&database) {
            return Ok(());
        }
        let found = self.database(&catalog, &database)?;
        if !found.objects.is_empty() && !cascade {
            let comment = found.comment.as_deref().unwrap_or("it");
            let what = format!("database '{database}' is not empty ({comment} has objects)");
            return Err(Error::config(what).advice("add CASCADE to drop them too"));
        }
        if catalog == self.current_catalog && database == self.current_database {
            return Err(Error::config(format!("database '{database}' is in use"))
                .advice("USE another database first"));
        }
        if let Some(databases) = self.catalogs.get_mut(&catalog) {
            databases.remove(&database);
        }
        Ok(())
    }
    fn database_name(&self, name: &ObjectName) -> Result<(String, String)> {
        match name.0.as_slice() {
            [database] => Ok((self.current_catalog.clone(), database.value.clone())),
            [catalog, database] => Ok((catalog.value.clone(), database.value.clone())),
            _ => Err(Error::config(format!("'{name}' does not name a database"))
                .advice("write [catalog.]database")),
        }
    }
    /// The catalog and database that a name in `SHOW ... FROM` means.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn database_of(&self, name: Option<&ObjectName>) -> Result<(String, String)> {
        let (catalog, database) = match name {
            None => (self.current_catalog.clone(), self.current_database.clone()),
            Some(name) => self.database_name(name)?,
        };
        self.database(&catalog, &database)?;
        Ok((catalog, database))
    }

    /// Makes a catalog that lives in memory.
    ///
    /// # Errors
    /// `Config`, when it exists.
    pub fn create_catalog(
        &mut self,
        name: &str,
        default_database: &str,
        info: CatalogInfo,
        if_not_exists: bool,
    ) -> Result<()> {
        if self.catalogs.contains_key(name) {
            if if_not_exists {
                return Ok(());
            }
            return Err(Error::config(format!("catalog '{name}' already exists"))
                .advice("add IF NOT EXISTS, or drop it first"));
        }
        let databases = BTreeMap::from([(default_database.to_owned(), Database::default())]);
        self.catalogs.insert(name.to_owned(), databases);
        self.infos.insert(name.to_owned(), info);
        Ok(())
    }
    /// What a catalog was made with.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn catalog_info(&self, name: &str) -> Result<CatalogInfo> {
        self.databases(name)?;
        Ok(self.infos.get(name).cloned().unwrap_or_else(|| CatalogInfo {
            comment: None,
            options: BTreeMap::from([("type".to_owned(), "generic_in_memory".to_owned())]),
        }))
    }
    /// The same, to be changed.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn catalog_info_mut(&mut self, name: &str) -> Result<&mut CatalogInfo> {
        let info = self.catalog_info(name)?;
        Ok(self.infos.entry(name.to_owned()).or_insert(info))
    }
    /// Comment and options of a database.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn database_info(
        &self,
        catalog: &str,
        database: &str,
    ) -> Result<(&Option<String>, &BTreeMap<String, String>)> {
        let found = self.database(catalog, database)?;
        Ok((&found.comment, &found.options))
    }
    /// Removes a catalog with all that is in it.
    ///
    /// # Errors
    /// `Config`, when it does not exist or is in use.
    pub fn drop_catalog(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if if_exists && !self.catalogs.contains_key(name) {
            return Ok(());
        }
        self.databases(name)?;
        if name == self.current_catalog {
            return Err(Error::config(format!("catalog '{name}' is in use"))
                .advice("USE CATALOG another one first"));
        }
        self.catalogs.remove(name);
        self.infos.remove(name);
        Ok(())
    }
    /// `USE CATALOG`.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn use_catalog(&mut self, name: &str) -> Result<()> {
        let first = self.databases(name)?.keys().next().cloned();
        self.current_catalog = name.to_owned();
        self.current_database = first.unwrap_or_else(|| "default".to_owned());
        Ok(())
    }
    /// `USE`.
    ///
    /// # Errors
    /// `Config`, when it does not exist.
    pub fn use_database(&mut self, name: &ObjectName) -> Result<()> {
        let (catalog, database) = self.database_of(Some(name))?;
        self.current_catalog = catalog;
        self.current_database = database;
        Ok(())
    }
}

/// The two places where objects live, as far as putting one there goes.
trait ObjectMap {
    fn has(&self, path: &Path) -> bool;
    fn put(&mut self, path: &Path, object: Object);
}
impl ObjectMap for BTreeMap<Path, Object> {
    fn has(&self, path: &Path) -> bool {
        self.contains_key(path)
    }
    fn put(&mut self, path: &Path, object: Object) {
        self.insert(path.clone(), object);
    }
}
impl ObjectMap for BTreeMap<String, Object> {
    fn has(&self, path: &Path) -> bool {
        self.contains_key(&path.object)
    }
    fn put(&mut self, path: &Path, object: Object) {
        self.insert(path.object.clone(), object);
    }
}
