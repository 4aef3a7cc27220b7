//! `CREATE TABLE`, `LIKE` and `ALTER TABLE`: definitions checked and typed.
//!
//! Source: Flink's "CREATE Statements" and "ALTER Statements" pages.

use super::Binder;
use super::expr::Cx;
use super::scope::Scope;
use crate::catalog::{Column, ColumnKind, Path, PrimaryKey, TableDef, Watermark};
use crate::dialect::ast::{
    self, AlterTable, ColumnDef, CreateTable, Enforcement, Ident, KeyDef, LikeDef, Position,
    WatermarkDef,
};
use crate::dialect::unparse;
use crate::plan::logical::Field;
use crate::types::{SqlType, TimeAttribute, TypeKind};
use millstream_core::nearest;
use millstream_core::{Error, Result};
use std::collections::BTreeMap;

/// The features that LIKE can take over, and whether each is.
struct Including {
    options: Mode,
    generated: bool,
    metadata: bool,
    constraints: bool,
    partitions: bool,
    watermarks: bool,
    overwrite_watermarks: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Including,
    Excluding,
    Overwriting,
}

impl Binder<'_> {
    /// The table that a `CREATE TABLE` without `AS` makes.
    pub(crate) fn table_def(&self, create: &CreateTable, path: Path) -> Result<TableDef> {
        self.table_with(create, path, &[])
    }

    /// The table that a `CREATE TABLE` makes, with the columns of the query behind `AS` after
    /// those that are defined; a definition of the same name stands for the query's.
    pub(crate) fn table_with(
        &self,
        create: &CreateTable,
        path: Path,
        query: &[Field],
    ) -> Result<TableDef> {
        let mut table = TableDef {
            path,
            columns: vec![],
            watermark: None,
            primary_key: None,
            partition_keys: create.partitioned_by.iter().map(|i| i.value.clone()).collect(),
            options: create.options.iter().cloned().collect(),
            comment: create.comment.clone(),
            temporary: create.temporary,
            stream: None,
        };
        let watermarks = create.watermarks.as_slice();
        if let Some(like) = &create.like {
            self.take_over(like, &mut table, watermarks)?;
        }
        self.add_columns(&mut table, &create.columns, false)?;
        for field in query {
            match table.column_index(&field.name).map(|i| &table.columns[i].kind) {
                None => table.columns.push(Column {
                    name: field.name.clone(),
                    ty: field.ty.clone().without_attribute(),
                    kind: ColumnKind::Physical,
                    comment: None,
                }),
                Some(ColumnKind::Computed { .. }) => {
                    let what = format!(
                        "column '{}' is computed, and the query has one of this name",
                        field.name
                    );
                    return Err(Error::config(what).advice("rename one of the two"));
                }
                Some(_) => {}
            }
        }
        for key in &create.keys {
            let of_query = |name: &&Ident| {
                query.iter().any(|f| f.name == name.value && f.ty.nullable)
                    && !create.columns.iter().any(|c| c.name.value == name.value)
            };
            if let Some(name) = key.columns.iter().find(of_query) {
                let what = format!("Invalid primary key. Column '{}' is nullable.", name.value);
                return Err(self.fail(name.span, what).advice(
                    "define the column NOT NULL in front of AS, or select it with COALESCE",
                ));
            }
            self.set_key(&mut table, key)?;
        }
        for column in &create.columns {
            if let Some(enforcement) = column.primary_key {
                self.set_key(
                    &mut table,
                    &KeyDef {
                        name: None,
                        columns: vec![column.name.clone()],
                        enforcement,
                        unique: false,
                        span: column.name.span,
                    },
                )?;
            }
        }
        self.set_watermarks(&mut table, watermarks)?;
        for key in &create.partitioned_by {
            if table.column_index(&key.value).is_none() {
                return Err(self.unknown_column(&table, key, "PARTITIONED BY"));
            }
        }
        if table.columns.is_empty() {
            return Err(Error::config(format!("table '{}' has no columns", table.path))
                .advice("define at least one"));
        }
        self.retype(&mut table)?;
        Ok(table)
    }

    fn unknown_column(&self, table: &TableDef, name: &Ident, clause: &str) -> Error {
        let what = format!("column '{}' of {clause} does not exist", name.value);
        let error = self.fail(name.span, what);
        match nearest::hint(&name.value, table.columns.iter().map(|c| c.name.as_str())) {
            Some(hint) => error.advice(hint),
            None => error.advice("define the column"),
        }
    }

    fn take_over(
        &self,
        like: &LikeDef,
        table: &mut TableDef,
        watermarks: &[WatermarkDef],
    ) -> Result<()> {
        let path = self.path(&like.source);
        let source = self.catalog.table(&path).map_err(|e| self.place(e, like.source.span()))?;
        let including = self.including(like)?;
        for column in &source.columns {
            let taken = match column.kind {
                ColumnKind::Physical => true,
                ColumnKind::Computed { .. } => including.generated,
                ColumnKind::Metadata { .. } => including.metadata,
            };
            if taken {
                let mut column = column.clone();
                column.ty = column.ty.without_attribute();
                table.columns.push(column);
            }
        }
        let takes =
            including.watermarks && (watermarks.is_empty() || !including.overwrite_watermarks);
        if let (true, Some(watermark)) = (takes, &source.watermark) {
            if !watermarks.is_empty() {
                let what = "there is a watermark in both tables";
                return Err(self
                    .fail(like.source.span(), what)
                    .advice("add OVERWRITING WATERMARKS or EXCLUDING WATERMARKS"));
            }
            let name = &source.columns[watermark.column].name;
            if let Some(column) = table.column_index(name) {
                table.watermark = Some(Watermark { column, ..watermark.clone() });
            }
        }
        if including.constraints {
            table.primary_key = source.primary_key.clone();
        }
        if including.partitions && table.partition_keys.is_empty() {
            table.partition_keys = source.partition_keys.clone();
        }
        if including.options != Mode::Excluding {
            for (key, value) in &source.options {
                match table.options.get(key) {
                    None => drop(table.options.insert(key.clone(), value.clone())),
                    Some(_) if including.options == Mode::Overwriting => {}
                    Some(_) => {
                        let what = format!("option '{key}' is in both tables");
                        return Err(self
                            .fail(like.source.span(), what)
                            .advice("add OVERWRITING OPTIONS to keep the new value"));
                    }
                }
            }
        }
        Ok(())
    }

    fn including(&self, like: &LikeDef) -> Result<Including> {
        let mut all = Including {
            options: Mode::Overwriting,
            generated: true,
            metadata: true,
            constraints: true,
            partitions: true,
            watermarks: true,
            overwrite_watermarks: false,
        };
        for (mode, feature) in &like.options {
            let mode = match mode.as_str() {
                "INCLUDING" => Mode::Including,
                "EXCLUDING" => Mode::Excluding,
                "OVERWRITING" => Mode::Overwriting,
                other => {
                    return Err(self
                        .fail(like.source.span(), format!("LIKE does not know {other}"))
                        .advice("use INCLUDING, EXCLUDING or OVERWRITING"));
                }
            };
            let on = mode != Mode::Excluding;
            match feature.as_str() {
                "ALL" => {
                    (all.generated, all.metadata, all.constraints) = (on, on, on);
                    (all.partitions, all.watermarks) = (on, on);
                    all.options = if on { Mode::Including } else { Mode::Excluding };
                }
                "OPTIONS" => all.options = mode,
                "GENERATED" => all.generated = on,
                "METADATA" => all.metadata = on,
                "CONSTRAINTS" => all.constraints = on,
                "PARTITIONS" => all.partitions = on,
                "WATERMARKS" => {
                    all.watermarks = on;
                    all.overwrite_watermarks = mode == Mode::Overwriting;
                }
                "DISTRIBUTION" => {}
                other => {
                    return Err(self.fail(like.source.span(), format!("LIKE does not know {other}"))
                        .advice("use ALL, OPTIONS, GENERATED, METADATA, CONSTRAINTS, PARTITIONS or WATERMARKS"));
                }
            }
        }
        Ok(all)
    }

    fn add_columns(
        &self,
        table: &mut TableDef,
        columns: &[ColumnDef],
        replace: bool,
    ) -> Result<()> {
        for def in columns {
            let kind = match &def.kind {
                ast::ColumnKind::Physical(_) => ColumnKind::Physical,
                ast::ColumnKind::Computed(expr) => ColumnKind::Computed {
                    expr: expr.clone(),
                    text: unparse::expr(expr, self.text),
                },
                ast::ColumnKind::Metadata { key, is_virtual, .. } => {
                    ColumnKind::Metadata { key: key.clone(), is_virtual: *is_virtual }
                }
            };
            let ty = match &def.kind {
                ast::ColumnKind::Physical(t) => self.data_type(t)?,
                ast::ColumnKind::Metadata { data_type, .. } => self.data_type(data_type)?,
                // Found when all columns are known.
                ast::ColumnKind::Computed(_) => SqlType::null(),
            };
            let name = def.name.value.clone();
            let existing = table.column_index(&name);
            // A changed column keeps its comment unless it gets another one.
            let former = existing.and_then(|at| table.columns[at].comment.clone());
            let comment = def.comment.clone().or(former);
            let column = Column { name: name.clone(), ty, kind, comment };
            match (existing, replace) {
                (Some(at), true) => {
                    table.columns.remove(at);
                    let to = self.place_of(table, def, at)?;
                    table.columns.insert(to, column);
                }
                (None, false) => {
                    let to = self.place_of(table, def, table.columns.len())?;
                    table.columns.insert(to, column);
                }
                (Some(_), false) => {
                    let what = format!("column '{name}' is defined twice");
                    return Err(self.fail(def.name.span, what).advice("rename one"));
                }
                (None, true) => return Err(self.unknown_column(table, &def.name, "MODIFY")),
            }
        }
        Ok(())
    }

    fn place_of(&self, table: &TableDef, def: &ColumnDef, otherwise: usize) -> Result<usize> {
        match &def.position {
            None => Ok(otherwise),
            Some(Position::First) => Ok(0),
            Some(Position::After(name)) => table
                .column_index(&name.value)
                .map(|i| i + 1)
                .ok_or_else(|| self.unknown_column(table, name, "AFTER")),
        }
    }

    fn set_key(&self, table: &mut TableDef, key: &KeyDef) -> Result<()> {
        if key.unique {
            return Err(self
                .fail(key.span, "UNIQUE constraints are not supported")
                .advice("use PRIMARY KEY (...) NOT ENFORCED"));
        }
        if key.enforcement != Enforcement::NotEnforced {
            return Err(self
                .fail(key.span, "a PRIMARY KEY cannot be ENFORCED: Flink does not own the data")
                .advice("write PRIMARY KEY (...) NOT ENFORCED"));
        }
        if table.primary_key.is_some() {
            return Err(self
                .fail(key.span, "there is a primary key already")
                .advice("keep one; with LIKE, add EXCLUDING CONSTRAINTS"));
        }
        let mut columns = vec![];
        for name in &key.columns {
            let Some(index) = table.column_index(&name.value) else {
                return Err(self.unknown_column(table, name, "PRIMARY KEY"));
            };
            let column = &mut table.columns[index];
            if !matches!(column.kind, ColumnKind::Physical) {
                let what = format!("key column '{}' is not a physical column", name.value);
                return Err(self.fail(name.span, what).advice("a key is made of stored columns"));
            }
            column.ty.nullable = false;
            columns.push(name.value.clone());
        }
        let name = key
            .name
            .as_ref()
            .map_or_else(|| format!("PK_{}", columns.join("_")), |n| n.value.clone());
        table.primary_key = Some(PrimaryKey { name, columns });
        Ok(())
    }

    fn set_watermarks(&self, table: &mut TableDef, watermarks: &[WatermarkDef]) -> Result<()> {
        let [watermark] = watermarks else {
            return match watermarks {
                [] => Ok(()),
                [_, second, ..] => Err(self
                    .fail(second.expr.span, "there are several watermarks")
                    .advice("a table has one")),
                _ => Ok(()),
            };
        };
        let [name] = watermark.column.as_slice() else {
            return Err(self
                .fail(watermark.expr.span, "a watermark on a field of a ROW is not supported")
                .advice("add a computed column for the field"));
        };
        let Some(column) = table.column_index(&name.value) else {
            let what = format!(
                "the rowtime attribute field '{}' is not defined in the table schema",
                name.value
            );
            let error = self.fail(name.span, what);
            return Err(
                match nearest::hint(&name.value, table.columns.iter().map(|c| c.name.as_str())) {
                    Some(hint) => error.advice(hint),
                    None => error.advice("define the column"),
                },
            );
        };
        let text = unparse::expr(&watermark.expr, self.text);
        table.watermark = Some(Watermark { column, expr: watermark.expr.clone(), text });
        Ok(())
    }

    /// Types of computed columns and of the rowtime.
    fn retype(&self, table: &mut TableDef) -> Result<()> {
        let stored: Vec<Field> = table
            .columns
            .iter()
            .filter(|c| !matches!(c.kind, ColumnKind::Computed { .. }))
            .map(|c| Field { name: c.name.clone(), ty: c.ty.clone().without_attribute() })
            .collect();
        let scope = Scope::of_table(&[], &stored);
        for column in &mut table.columns {
            if let ColumnKind::Computed { expr, .. } = &column.kind {
                let mut cx = Cx::plain(&scope, "a computed column");
                let bound = self.expr(expr, &mut cx);
                let bound =
                    bound.map_err(|e| e.at(format!("computed column '{}'", column.name)))?;
                column.ty = bound.ty;
            } else {
                column.ty = column.ty.clone().without_attribute();
            }
        }
        let Some(watermark) = &table.watermark else { return Ok(()) };
        let column = &table.columns[watermark.column];
        let fits =
            matches!(column.ty.kind, TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3));
        if !fits {
            let what = format!(
                "invalid data type of time field for watermark definition: '{}' is {}",
                column.name, column.ty
            );
            return Err(Error::config(what)
                .advice("a rowtime is TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3"));
        }
        if !watermark.is_of_source() {
            let field = |c: &Column| Field { name: c.name.clone(), ty: c.ty.clone() };
            let all: Vec<Field> = table.columns.iter().map(field).collect();
            let scope = Scope::of_table(&[], &all);
            let mut cx = Cx::plain(&scope, "a watermark");
            let bound = self.expr(&watermark.expr, &mut cx)?;
            if !matches!(bound.ty.kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) {
                let what = format!("a watermark must be a timestamp, not {}", bound.ty);
                return Err(Error::config(what).advice("for example ts - INTERVAL '5' SECOND"));
            }
        }
        let at = watermark.column;
        table.columns[at].ty = table.columns[at].ty.clone().with_attribute(TimeAttribute::Rowtime);
        Ok(())
    }

    /// The table after one change of `ALTER TABLE` (not a new name).
    pub(crate) fn altered(&self, table: &TableDef, change: &AlterTable) -> Result<TableDef> {
        let mut new = table.clone();
        let watermark_name = new.watermark.as_ref().map(|w| new.columns[w.column].name.clone());
        match change {
            AlterTable::Rename(_) => {}
            AlterTable::Set(options) => new.options.extend(options.iter().cloned()),
            AlterTable::Reset(keys) => {
                if keys.iter().any(|k| k == "connector") {
                    return Err(Error::config("option 'connector' cannot be reset"));
                }
                keys.iter().for_each(|k| drop(new.options.remove(k)));
            }
            AlterTable::RenameColumn { from, to } => {
                let Some(at) = new.column_index(&from.value) else {
                    return Err(self.unknown_column(table, from, "RENAME"));
                };
                if new.column_index(&to.value).is_some() {
                    return Err(self.fail(to.span, format!("column '{}' exists already", to.value)));
                }
                self.unused(&new, from)?;
                new.columns[at].name.clone_from(&to.value);
            }
            AlterTable::Add { columns, watermarks, keys } => {
                self.add_columns(&mut new, columns, false)?;
                keys.iter().try_for_each(|k| self.set_key(&mut new, k))?;
                if !watermarks.is_empty() && new.watermark.is_some() {
                    return Err(Error::config("the table has a watermark already")
                        .advice("use MODIFY WATERMARK"));
                }
                self.restore_watermark(&mut new, watermark_name);
                self.set_watermarks(&mut new, watermarks)?;
            }
            AlterTable::Modify { columns, watermarks, keys } => {
                self.add_columns(&mut new, columns, true)?;
                if !keys.is_empty() {
                    new.primary_key = None;
                }
                keys.iter().try_for_each(|k| self.set_key(&mut new, k))?;
                self.restore_watermark(&mut new, watermark_name);
                self.set_watermarks(&mut new, watermarks)?;
            }
            AlterTable::DropColumns(names) => {
                for name in names {
                    let Some(at) = new.column_index(&name.value) else {
                        return Err(self.unknown_column(&new, name, "DROP"));
                    };
                    let in_key =
                        new.primary_key.as_ref().is_some_and(|k| k.columns.contains(&name.value));
                    if in_key || watermark_name.as_deref() == Some(&name.value) {
                        let what =
                            format!("column '{}' is part of the key or the watermark", name.value);
                        return Err(self.fail(name.span, what).advice("drop those first"));
                    }
                    new.columns.remove(at);
                    if new.columns.is_empty() {
                        return Err(self.fail(name.span, "a table needs a column"));
                    }
                    self.unused(&new, name)?;
                }
                self.restore_watermark(&mut new, watermark_name);
            }
            AlterTable::DropPrimaryKey => new.primary_key = None,
            AlterTable::DropWatermark => new.watermark = None,
        }
        self.retype(&mut new)?;
        Ok(new)
    }

    /// After columns moved: the watermark's column by name.
    fn restore_watermark(&self, table: &mut TableDef, name: Option<String>) {
        let index = name.and_then(|n| table.column_index(&n));
        if let (Some(watermark), Some(index)) = (&mut table.watermark, index) {
            watermark.column = index;
        }
    }

    /// Refuses a change of a column that a computed column or the watermark reads.
    fn unused(&self, table: &TableDef, name: &Ident) -> Result<()> {
        let word = unparse::quoted(&name.value);
        let reads = |text: &str| text.contains(&word);
        let by = table.columns.iter().find(|c| match &c.kind {
            ColumnKind::Computed { text, .. } => reads(text),
            _ => false,
        });
        let watermark = table.watermark.as_ref().is_some_and(|w| reads(&w.text));
        match by {
            Some(column) => {
                let what = format!("computed column '{}' reads '{}'", column.name, name.value);
                Err(self.fail(name.span, what).advice("drop that column first"))
            }
            None if watermark => {
                let what = format!("the watermark reads '{}'", name.value);
                Err(self.fail(name.span, what).advice("drop the watermark first"))
            }
            None => Ok(()),
        }
    }
}

/// The options as a map, for sinks made by `CREATE TABLE AS`.
pub(crate) fn options_map(options: &[(String, String)]) -> BTreeMap<String, String> {
    options.iter().cloned().collect()
}
