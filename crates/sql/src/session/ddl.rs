//! Statements that are answered at once: DDL, SHOW, DESCRIBE, USE, SET.

use super::{Outcome, ResultTable, Session};
use crate::bind::table::options_map;
use crate::catalog::{CatalogInfo, ColumnKind, Object, Path, TableDef, ViewDef};
use crate::connectors::masked;
use crate::dialect::ast::{
    AlterCatalog, AlterTable, CreateTable, Ident, Insert, ObjectName, Query, Show, Statement,
};
use crate::dialect::{Tokens, next_statement, unparse};
use crate::functions::Registry;
use crate::functions::named::Reach;
use crate::plan::logical::Field;
use crate::session::result::Column;
use crate::types::{SqlType, TimeAttribute};
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

type Texts = Vec<Option<String>>;

fn names_table(name: &str, names: Vec<String>) -> Outcome {
    let rows = names.into_iter().map(|n| vec![Some(n)]).collect();
    Outcome::Table(ResultTable::of_texts(&[name], rows))
}

/// SQL's LIKE over names.
fn like(name: &str, pattern: &str) -> bool {
    fn matches(name: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('%', rest)) => (0..=name.len()).any(|i| matches(&name[i..], rest)),
            Some(('_', rest)) => !name.is_empty() && matches(&name[1..], rest),
            Some((c, rest)) => name.first() == Some(c) && matches(&name[1..], rest),
        }
    }
    let chars = |s: &str| s.chars().take(256).collect::<Vec<_>>();
    matches(&chars(name), &chars(pattern))
}

fn filtered(names: Vec<String>, pattern: &Option<String>, negated: bool) -> Vec<String> {
    match pattern {
        None => names,
        Some(pattern) => names.into_iter().filter(|n| like(n, pattern) != negated).collect(),
    }
}

impl Session {
    /// Runs a statement that starts no job.
    pub(super) fn ddl(&mut self, statement: &Statement, script: &str) -> Result<Outcome> {
        let done = Ok(Outcome::Done(vec![]));
        match statement {
            Statement::CreateTable(create) => {
                let path = self.catalog.path(&create.name);
                let table = self.binder(script).table_def(create, path.clone())?;
                let table = Object::Table(Arc::new(table));
                let (temporary, quiet) = (create.temporary, create.if_not_exists);
                self.catalog.create(&path, table, temporary, quiet, false)?;
                done
            }
            Statement::CreateView {
                temporary,
                if_not_exists,
                or_replace,
                name,
                columns,
                comment,
                query,
                text,
            } => {
                let path = self.catalog.path(name);
                if *if_not_exists && self.catalog.find(&path).is_some() {
                    return done;
                }
                let mut view = self.view(path.clone(), query, text, columns, script)?;
                view.comment.clone_from(comment);
                view.temporary = *temporary;
                let view = Object::View(Arc::new(view));
                self.catalog.create(&path, view, *temporary, *if_not_exists, *or_replace)?;
                done
            }
            Statement::CreateDatabase { name, if_not_exists, comment, options } => {
                let (comment, options) = (comment.clone(), options.clone());
                self.catalog.create_database(name, *if_not_exists, comment, options)?;
                done
            }
            Statement::CreateCatalog { name, if_not_exists, comment, options } => {
                let options = options_map(options);
                match options.get("type").map(String::as_str) {
                    Some("generic_in_memory") => {}
                    other => {
                        let what = format!("there is no catalog type '{}'", other.unwrap_or(""));
                        return Err(Error::config(what).advice("use 'type' = 'generic_in_memory'"));
                    }
                }
                let database = options.get("default-database").map_or("default", String::as_str);
                let info = CatalogInfo { comment: comment.clone(), options: options.clone() };
                self.catalog.create_catalog(&name.value, database, info, *if_not_exists)?;
                done
            }
            Statement::CreateFunction { name, class, .. } => {
                self.create_function(statement)
                    .map_err(|e| e.at(format!("function '{name}' of '{class}'")))?;
                done
            }
            Statement::DropTable { name, if_exists, temporary } => {
                let path = self.catalog.path(name);
                self.catalog.drop_object(&path, false, *temporary, *if_exists)?;
                done
            }
            Statement::DropView { name, if_exists, temporary } => {
                let path = self.catalog.path(name);
                self.catalog.drop_object(&path, true, *temporary, *if_exists)?;
                done
            }
            Statement::DropDatabase { name, if_exists, cascade } => {
                let named = self.catalog.database_of(Some(name));
                self.catalog.drop_database(name, *if_exists, *cascade)?;
                if let Ok((catalog, database)) = named {
                    self.registry.user_mut().remove_database(&catalog, &database);
                }
                done
            }
            Statement::DropCatalog { name, if_exists } => {
                self.catalog.drop_catalog(&name.value, *if_exists)?;
                done
            }
            Statement::DropFunction { name, if_exists, temporary, system } => {
                let (reach, path) = self.function_place(name, *temporary, *system)?;
                self.registry.user_mut().remove(reach, &path, *if_exists)?;
                done
            }
            Statement::AlterTable { name, if_exists, change } => {
                let path = self.catalog.path(name);
                if *if_exists && self.catalog.find(&path).is_none() {
                    return done;
                }
                if let AlterTable::Rename(to) = change {
                    let mut to_path = self.catalog.path(to);
                    if to.0.len() == 1 {
                        to_path = Path { object: to_path.object, ..path.clone() };
                    }
                    self.catalog.rename(&path, &to_path)?;
                    return done;
                }
                let table = self.catalog.table(&path)?;
                let altered = self.binder(script).altered(&table, change)?;
                self.catalog.replace(&path, Object::Table(Arc::new(altered)))?;
                done
            }
            Statement::AlterViewRename { name, to } => {
                let path = self.catalog.path(name);
                let to = self.catalog.path(to);
                self.catalog.rename(&path, &to)?;
                done
            }
            Statement::AlterViewAs { name, query, text } => {
                let path = self.catalog.path(name);
                let Object::View(former) = self.catalog.get(&path)?.clone() else {
                    return Err(Error::config(format!("'{path}' is not a view")));
                };
                let mut view = self.view(path.clone(), query, text, &[], script)?;
                view.temporary = former.temporary;
                view.comment.clone_from(&former.comment);
                self.catalog.replace(&path, Object::View(Arc::new(view)))?;
                done
            }
            Statement::AlterDatabaseSet { name, options } => {
                self.catalog.alter_database(name, options.clone())?;
                done
            }
            Statement::UseCatalog(name) => {
                self.catalog.use_catalog(&name.value)?;
                done
            }
            Statement::UseDatabase(name) => {
                self.catalog.use_database(name)?;
                done
            }
            Statement::Show(show) => self.show(show),
            Statement::Describe(name) => self.describe(name).map(Outcome::Table),
            Statement::DescribeFunction { name, extended } => {
                self.describe_function(name, *extended).map(Outcome::Table)
            }
            Statement::DescribeCatalog { name, extended } => {
                let info = self.catalog.catalog_info(&name.value)?;
                let option = |key: &str| info.options.get(key).cloned();
                let mut rows = vec![
                    ("name", Some(name.value.clone())),
                    ("type", option("type")),
                    ("comment", info.comment.clone()),
                ];
                let more = info.options.iter().filter(|(key, _)| *key != "type");
                let more: Vec<(String, String)> =
                    more.map(|(k, v)| (format!("option:{k}"), masked(k, v).to_owned())).collect();
                if *extended {
                    rows.extend(more.iter().map(|(k, v)| (k.as_str(), Some(v.clone()))));
                }
                Ok(Outcome::Table(info_table(rows)))
            }
            Statement::DescribeDatabase { name, extended } => {
                let (catalog, database) = self.catalog.database_of(Some(name))?;
                let (comment, options) = self.catalog.database_info(&catalog, &database)?;
                let mut rows =
                    vec![("database name", Some(database.clone())), ("comment", comment.clone())];
                let pair = |(k, v): (&String, &String)| format!("({k},{})", masked(k, v));
                if *extended && !options.is_empty() {
                    let all: Vec<String> = options.iter().map(pair).collect();
                    rows.push(("properties", Some(format!("({})", all.join(", ")))));
                }
                Ok(Outcome::Table(info_table(rows)))
            }
            Statement::AlterCatalog { name, change } => {
                let info = self.catalog.catalog_info_mut(&name.value)?;
                match change {
                    AlterCatalog::Set(options) => info.options.extend(options.iter().cloned()),
                    AlterCatalog::Reset(keys) => {
                        if keys.iter().any(|k| k == "type") {
                            return Err(Error::config(
                                "option 'type' of a catalog cannot be reset",
                            )
                            .advice("drop the catalog and make another one"));
                        }
                        keys.iter().for_each(|k| drop(info.options.remove(k)));
                    }
                    AlterCatalog::Comment(comment) => info.comment = Some(comment.clone()),
                }
                done
            }
            Statement::Set(None) => {
                let rows = self
                    .settings
                    .all()
                    .map(|(k, v)| vec![Some(k.to_owned()), Some(v.to_owned())])
                    .collect();
                Ok(Outcome::Table(ResultTable::of_texts(&["key", "value"], rows)))
            }
            Statement::Set(Some((key, value))) => {
                let remark = self.settings.set(key, value)?;
                Ok(Outcome::Done(remark.into_iter().collect()))
            }
            Statement::Reset(key) => {
                self.settings.reset(key.as_deref());
                done
            }
            Statement::Help => Ok(Outcome::Table(ResultTable::text("help", HELP))),
            other => Err(Error::bug(format!("nobody runs {other:?}"))),
        }
    }

    /// A view of the session's home; its text is parsed anew, so that places are its own.
    pub(super) fn view(
        &self,
        path: Path,
        query: &Query,
        text: &str,
        columns: &[Ident],
        script: &str,
    ) -> Result<ViewDef> {
        let rel = self.binder(script).query(query)?;
        if !columns.is_empty() && columns.len() != rel.schema().len() {
            let what = format!("{} names for {} columns", columns.len(), rel.schema().len());
            return Err(self
                .binder(script)
                .fail(query.span, what)
                .advice("name every column once"));
        }
        let name = |(i, f): (usize, &Field)| {
            let name = columns.get(i).map_or_else(|| f.name.clone(), |c| c.value.clone());
            (name, f.ty.clone())
        };
        let columns: Vec<_> = rel.schema().iter().enumerate().map(name).collect();
        let tokens = Tokens::of(text)?;
        let Some((parsed, _)) = next_statement(&tokens, 0)? else {
            return Err(Error::bug("a view without text"));
        };
        let Statement::Query(query) = parsed.statement else {
            return Err(Error::bug("a view that is no query"));
        };
        let home =
            (self.catalog.current_catalog().to_owned(), self.catalog.current_database().to_owned());
        let text = text.to_owned();
        Ok(ViewDef { path, columns, query, text, home, comment: None, temporary: false })
    }

    /// Makes the table of `CREATE TABLE ... AS`, and the INSERT that fills it; `None` when
    /// there is such a table and IF NOT EXISTS was written.
    pub(super) fn create_table_as(
        &mut self,
        create: &CreateTable,
        script: &str,
    ) -> Result<Option<Insert>> {
        let Some(query) = &create.query else { return Err(Error::bug("no AS")) };
        let path = self.catalog.path(&create.name);
        let binder = self.binder(script);
        let rel = binder.query(query)?;
        // Names without types only give the query's columns another order.
        let mut fields: Vec<Field> = rel.schema().clone();
        if !create.bare_columns.is_empty() {
            let place = |f: &Field| create.bare_columns.iter().position(|c| c.value == f.name);
            let missing = fields.iter().find(|f| place(f).is_none());
            if let Some(missing) = missing {
                let what = format!("the list of columns lacks '{}' of the query", missing.name);
                return Err(binder.fail(query.span, what).advice("name all of its columns"));
            }
            if let Some(extra) =
                create.bare_columns.iter().find(|c| fields.iter().all(|f| f.name != c.value))
            {
                let what = format!("the query has no column '{}'", extra.value);
                return Err(binder.fail(extra.span, what).advice("give it a type, or select it"));
            }
            fields.sort_by_key(place);
        }
        let table = binder.table_with(create, path.clone(), &fields)?;
        let columns = rel.schema().iter();
        let columns = columns.map(|f| Ident { value: f.name.clone(), span: query.span }).collect();
        let object = Object::Table(Arc::new(table));
        let (temporary, quiet) = (create.temporary, create.if_not_exists);
        if !self.catalog.create(&path, object, temporary, quiet, false)? {
            return Ok(None);
        }
        Ok(Some(Insert {
            table: create.name.clone(),
            hints: vec![],
            partition: vec![],
            columns,
            query: query.clone(),
            overwrite: false,
            span: query.span,
        }))
    }

    fn show(&self, show: &Show) -> Result<Outcome> {
        let catalog = &self.catalog;
        Ok(match show {
            Show::Catalogs { like, negated } => {
                names_table("catalog name", filtered(catalog.list_catalogs(), like, *negated))
            }
            Show::CurrentCatalog => {
                names_table("current catalog name", vec![catalog.current_catalog().to_owned()])
            }
            Show::Databases { from, like, negated } => {
                let of = from.as_ref().map_or(catalog.current_catalog(), |c| c.value.as_str());
                let names = filtered(catalog.list_databases(of)?, like, *negated);
                names_table("database name", names)
            }
            Show::CreateCatalog(name) => {
                let info = catalog.catalog_info(&name.value)?;
                let mut text = format!("CREATE CATALOG {}", unparse::quoted(&name.value));
                if let Some(comment) = &info.comment {
                    text += &format!("\nCOMMENT {}", unparse::literal(comment));
                }
                text += &format!("\n{}", options_text(&info.options));
                Outcome::Table(ResultTable::text("result", &text))
            }
            Show::CurrentDatabase => {
                names_table("current database name", vec![catalog.current_database().to_owned()])
            }
            Show::Tables { from, like, negated } | Show::Views { from, like, negated } => {
                let views = matches!(show, Show::Views { .. });
                let (c, d) = catalog.database_of(from.as_ref())?;
                let names = filtered(catalog.list(&c, &d, views)?, like, *negated);
                names_table(if views { "view name" } else { "table name" }, names)
            }
            Show::Columns { table, like: pattern, negated } => {
                let mut described = self.describe(table)?;
                if let Some(pattern) = pattern {
                    described.rows.retain(|r| {
                        let name = r.values.first().and_then(Option::as_deref).unwrap_or("");
                        like(name, pattern) != *negated
                    });
                }
                Outcome::Table(described)
            }
            Show::Functions { user_only, from, like, negated } => {
                let database = catalog.database_of(from.as_ref())?;
                let mut names = self.registry.user().names(Some(&database));
                if !user_only {
                    names.extend(self.registry.names().iter().map(|n| n.to_lowercase()));
                    let aggregates = crate::bind::aggregate::AGGREGATE_FUNCTIONS;
                    names.extend(aggregates.iter().map(|n| n.to_lowercase()));
                    names.sort_unstable();
                    names.dedup();
                }
                names_table("function name", filtered(names, like, *negated))
            }
            Show::CreateTable(name) => {
                let path = self.catalog.path(name);
                let table = self.catalog.table(&path)?;
                Outcome::Table(ResultTable::text("result", &create_text(&table)))
            }
            Show::CreateView(name) => {
                let path = self.catalog.path(name);
                let Object::View(view) = self.catalog.get(&path)? else {
                    return Err(Error::config(format!("'{path}' is a table, not a view"))
                        .advice("use SHOW CREATE TABLE"));
                };
                Outcome::Table(ResultTable::text("result", &view_text(view)))
            }
            Show::Jars => names_table("jars", vec![]),
            Show::Modules { full: false } => names_table("module name", vec!["core".into()]),
            Show::Modules { full: true } => {
                let row = vec![Some("core".to_owned()), Some("TRUE".to_owned())];
                let mut table = ResultTable::of_texts(&["module name", "used"], vec![row]);
                if let Some(column) = table.columns.get_mut(1) {
                    column.data_type = "BOOLEAN".into();
                }
                Outcome::Table(table)
            }
            Show::Jobs => names_table("job id", vec![]),
        })
    }

    /// Where a statement on a function acts.
    fn function_place(
        &self,
        name: &ObjectName,
        temporary: bool,
        system: bool,
    ) -> Result<(Reach, Path)> {
        let path = self.catalog.path(name);
        if system {
            if name.0.len() > 1 {
                return Err(Error::config("a system function belongs to no database")
                    .advice("leave the catalog and database out of its name"));
            }
            return Ok((Reach::TemporarySystem, path));
        }
        self.catalog.list(&path.catalog, &path.database, true)?;
        Ok((if temporary { Reach::Temporary } else { Reach::Catalog }, path))
    }

    /// `CREATE FUNCTION` and `ALTER FUNCTION`.
    fn create_function(&mut self, statement: &Statement) -> Result<()> {
        let Statement::CreateFunction { name, temporary, system, quiet, alter, class, language } =
            statement
        else {
            return Err(Error::bug("no function"));
        };
        if let Some(language) = language.as_deref().filter(|l| !l.eq_ignore_ascii_case("RUST")) {
            return Err(Error::config(format!("functions of LANGUAGE {language} do not run here"))
                .advice(
                    "write it in Rust, provide it with Session::provide_function, and leave \
                     LANGUAGE out or write LANGUAGE RUST",
                ));
        }
        let (reach, path) = self.function_place(name, *temporary, *system)?;
        let functions = self.registry.user_mut();
        match alter {
            true => functions.change(reach, &path, class, *quiet),
            false => functions.create(reach, &path, class, *quiet).map(|_| ()),
        }
    }

    fn describe_function(&self, name: &ObjectName, extended: bool) -> Result<ResultTable> {
        let flag = |b: bool| Some(b.to_string());
        let last = name.0.last().map_or("", |i| i.value.as_str());
        let aggregate = crate::bind::aggregate::is_aggregate(&last.to_ascii_uppercase());
        let builtin = aggregate || Registry::is_builtin(last);
        let home =
            (self.catalog.current_catalog().to_owned(), self.catalog.current_database().to_owned());
        let Some(found) = self.registry.user().find(name, &home, builtin) else {
            if !builtin {
                let error = Error::config(format!("function '{name}' does not exist"));
                let names = self.registry.names();
                let near = millstream_core::nearest::hint(last, names.iter().map(String::as_str));
                return Err(match near {
                    Some(hint) => error.advice(hint),
                    None => error.advice("SHOW FUNCTIONS lists the functions there are"),
                });
            }
            let mut rows = vec![("is system function", flag(true)), ("is temporary", flag(false))];
            if extended {
                let kind = if aggregate { "AGGREGATE" } else { "SCALAR" };
                rows.push(("kind", Some(kind.into())));
            }
            return Ok(info_table(rows));
        };
        let mut rows = vec![
            ("is system function", flag(found.reach == Reach::TemporarySystem)),
            ("is temporary", flag(found.reach != Reach::Catalog)),
            ("class name", Some(found.identifier.clone())),
            ("function language", Some("RUST".into())),
        ];
        if extended {
            rows.push(("kind", Some(found.function.kind().to_uppercase())));
        }
        Ok(info_table(rows))
    }

    fn describe(&self, name: &ObjectName) -> Result<ResultTable> {
        let path = self.catalog.path(name);
        let text = |s: &str| Some(s.to_owned());
        let flag = |b: bool| Some(if b { "TRUE" } else { "FALSE" }.to_owned());
        let mut rows: Vec<Texts> = vec![];
        match self.catalog.get(&path)? {
            Object::View(view) => {
                for (name, ty) in &view.columns {
                    let shown = ty.clone().null_allowed().to_string();
                    rows.push(vec![
                        text(name),
                        Some(shown),
                        flag(ty.nullable),
                        None,
                        None,
                        None,
                        None,
                    ]);
                }
            }
            Object::Table(table) => {
                for (i, column) in table.columns.iter().enumerate() {
                    let key =
                        table.primary_key.as_ref().filter(|k| k.columns.contains(&column.name));
                    let key = key.map(|k| format!("PRI({})", k.columns.join(", ")));
                    let extras = match &column.kind {
                        ColumnKind::Physical => None,
                        ColumnKind::Computed { text, .. } => Some(format!("AS {text}")),
                        ColumnKind::Metadata { key, is_virtual } => {
                            let from =
                                key.as_ref().map_or_else(String::new, |k| format!(" FROM '{k}'"));
                            let is_virtual = if *is_virtual { " VIRTUAL" } else { "" };
                            Some(format!("METADATA{from}{is_virtual}"))
                        }
                    };
                    let watermark = table.watermark.as_ref().filter(|w| w.column == i);
                    let shown = column.ty.clone().null_allowed();
                    rows.push(vec![
                        text(&column.name),
                        Some(shown.to_string()),
                        flag(column.ty.nullable),
                        key,
                        extras,
                        watermark.map(|w| w.text.clone()),
                        column.comment.clone(),
                    ]);
                }
            }
        }
        let mut names = vec!["name", "type", "null", "key", "extras", "watermark"];
        // The comments have a column only when there are some.
        if rows.iter().any(|r| r.last().is_some_and(Option::is_some)) {
            names.push("comment");
        } else {
            rows.iter_mut().for_each(|r| r.truncate(6));
        }
        let mut table = ResultTable::of_texts(&names, rows);
        if let Some(column) = table.columns.get_mut(2) {
            *column = Column { name: "null".into(), data_type: "BOOLEAN".into() };
        }
        Ok(table)
    }
}

/// What DESCRIBE says of an object that has no columns.
fn info_table(rows: Vec<(&str, Option<String>)>) -> ResultTable {
    let rows = rows.into_iter().map(|(name, value)| vec![Some(name.to_owned()), value]).collect();
    ResultTable::of_texts(&["info name", "info value"], rows)
}

/// `CREATE TABLE` as it would make this table; secrets are masked.
fn create_text(table: &TableDef) -> String {
    let mut parts = vec![];
    for column in &table.columns {
        let name = unparse::quoted(&column.name);
        let ty = column.ty.clone().with_attribute(TimeAttribute::None);
        let comment = column
            .comment
            .as_ref()
            .map_or_else(String::new, |c| format!(" COMMENT {}", unparse::literal(c)));
        parts.push(match &column.kind {
            ColumnKind::Physical => format!("  {name} {}{comment}", written(&ty)),
            ColumnKind::Computed { text, .. } => format!("  {name} AS {text}{comment}"),
            ColumnKind::Metadata { key, is_virtual } => {
                let from = key
                    .as_ref()
                    .map_or_else(String::new, |k| format!(" FROM {}", unparse::literal(k)));
                let is_virtual = if *is_virtual { " VIRTUAL" } else { "" };
                format!("  {name} {} METADATA{from}{is_virtual}{comment}", written(&ty))
            }
        });
    }
    if let Some(w) = &table.watermark {
        let name = unparse::quoted(&table.columns[w.column].name);
        parts.push(format!("  WATERMARK FOR {name} AS {}", w.text));
    }
    if let Some(key) = &table.primary_key {
        let columns: Vec<String> = key.columns.iter().map(|c| unparse::quoted(c)).collect();
        let name = unparse::quoted(&key.name);
        parts
            .push(format!("  CONSTRAINT {name} PRIMARY KEY ({}) NOT ENFORCED", columns.join(", ")));
    }
    let path = &table.path;
    let name = [&path.catalog, &path.database, &path.object].map(|p| unparse::quoted(p)).join(".");
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}TABLE {name} (\n{}\n)", parts.join(",\n"));
    if let Some(comment) = &table.comment {
        text += &format!("\nCOMMENT {}", unparse::literal(comment));
    }
    if !table.partition_keys.is_empty() {
        let keys: Vec<String> = table.partition_keys.iter().map(|k| unparse::quoted(k)).collect();
        text += &format!("\nPARTITIONED BY ({})", keys.join(", "));
    }
    text + &format!("\n{}", options_text(&table.options))
}

/// A type as Flink writes it out: STRING and BYTES with their lengths.
fn written(ty: &SqlType) -> String {
    let mut text = String::new();
    for (i, part) in ty.to_string().split('`').enumerate() {
        // Names of fields stand between the backticks.
        if i % 2 == 1 {
            text += &format!("`{part}`");
            continue;
        }
        let part = part.replace("STRING", "VARCHAR(2147483647)");
        text += &part.replace("BYTES", "VARBINARY(2147483647)");
    }
    text
}

/// `WITH (...)`; secrets are masked.
fn options_text(options: &BTreeMap<String, String>) -> String {
    let one = |(k, v): (&String, &String)| {
        format!("  {} = {}", unparse::literal(k), unparse::literal(masked(k, v)))
    };
    let options: Vec<String> = options.iter().map(one).collect();
    format!("WITH (\n{}\n)\n", options.join(",\n"))
}

fn view_text(view: &ViewDef) -> String {
    let path = &view.path;
    let name = [&path.catalog, &path.database, &path.object].map(|p| unparse::quoted(p)).join(".");
    let columns: Vec<String> =
        view.columns.iter().map(|(n, _)| format!("  {}", unparse::quoted(n))).collect();
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}VIEW {name} (\n{}\n)", columns.join(",\n"));
    if let Some(comment) = &view.comment {
        text += &format!("\nCOMMENT {}", unparse::literal(comment));
    }
    text + &format!("\nAS {}\n", view.text)
}

const HELP: &str = "\
CREATE | DROP | ALTER   TABLE, VIEW, DATABASE, CATALOG, FUNCTION
SELECT, WITH, VALUES    queries; Ctrl-C ends one
INSERT INTO             writes to a table; EXECUTE STATEMENT SET BEGIN ... END for several
EXPLAIN                 the plan of a query, with what it keeps
DESCRIBE, SHOW, USE     tables, columns, functions, databases
SET 'key' = 'value'     options of the session; RESET takes them back
QUIT                    leaves";
