//! Tables that are streams of a job, and plans that become part of one: what
//! [`crate::bridge`] needs of a session.

use super::insert::{into_sink, refused_updates};
use super::{Outcome, Session, SqlError, on_large_stack, plan_error};
use crate::catalog::{Object, Path, StreamTable, ViewDef};
use crate::connectors::TableSink;
use crate::dialect::ast::Statement;
use crate::dialect::{Parsed, parse_script};
use crate::plan::job::JobBuilder;
use crate::plan::stream::Node;
use millstream_core::{Error, Result};
use millstream_runtime::JobGraph;
use std::sync::Arc;

/// The only statement of a text.
fn only(text: &str) -> Result<Parsed> {
    let mut parsed = on_large_stack(|| parse_script(text))?;
    match (parsed.pop(), parsed.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Error::config("one statement is wanted").advice("run them one by one")),
    }
}

impl Session {
    /// Makes a table of a stream; `create` is its CREATE TABLE, without options.
    pub(crate) fn create_stream_table(&mut self, create: &str, stream: StreamTable) -> Result<()> {
        let parsed = only(create).map_err(|e| of_schema(e, create))?;
        let Statement::CreateTable(statement) = &parsed.statement else {
            return Err(Error::bug("a schema that is no table"));
        };
        let path = self.catalog.path(&statement.name);
        let table = on_large_stack(|| self.binder(create).table_def(statement, path.clone()));
        let mut table = table.map_err(|e| of_schema(e, create))?;
        table.stream = Some(stream);
        self.catalog.create(&path, Object::Table(Arc::new(table)), true, false, false)?;
        Ok(())
    }

    /// A query as a view that has no name yet.
    pub(crate) fn query_view(&self, text: &str) -> Result<ViewDef> {
        let parsed = only(text)?;
        let Statement::Query(query) = &parsed.statement else {
            return Err(Error::config("this is no query")
                .advice("sql_query takes a SELECT; execute_sql runs other statements"));
        };
        let (catalog, database) = (self.catalog.current_catalog(), self.catalog.current_database());
        let path = Path {
            catalog: catalog.to_owned(),
            database: database.to_owned(),
            object: "table".into(),
        };
        on_large_stack(|| self.view(path, query, text, &[], text))
    }

    /// Gives a view a name.
    pub(crate) fn create_view_of(&mut self, name: &str, view: ViewDef) -> Result<()> {
        // Any statement that holds a name as SQL writes it.
        let parsed = only(&format!("DESCRIBE {name}"))?;
        let Statement::Describe(name) = &parsed.statement else {
            return Err(Error::config(format!("'{name}' is no name of a view")));
        };
        let path = self.catalog.path(name);
        let view = ViewDef { path: path.clone(), temporary: true, ..view };
        self.catalog.create(&path, Object::View(Arc::new(view)), true, false, false)?;
        Ok(())
    }

    /// Runs a text that is one statement; an INSERT is started.
    pub(crate) fn start_only(&mut self, text: &str) -> Result<Outcome, SqlError> {
        let parsed = only(text).map_err(plan_error)?;
        self.start(&parsed, text)
    }

    /// The plan of a view whose rows go to `sink`.
    pub(crate) fn stream_plan(
        &self,
        view: &ViewDef,
        name: &str,
        sink: Arc<dyn TableSink>,
    ) -> Result<Node> {
        let node = on_large_stack(|| self.query_plan(&self.binder(&view.text).view(view)?))?;
        if !sink.accepts(node.changes) {
            return Err(Error::config(refused_updates(name, &node))
                .advice("use to_changelog_stream, or make the query append-only"));
        }
        let schema = node.schema.clone();
        Ok(into_sink(node, sink, name.to_owned(), schema))
    }

    /// The plans of INSERTs of one job.
    pub(crate) fn inserts_of(&self, texts: &[String]) -> Result<Vec<Node>> {
        let parsed: Vec<Parsed> = texts.iter().map(|text| only(text)).collect::<Result<_>>()?;
        let mut inserts = vec![];
        for (parsed, text) in parsed.iter().zip(texts) {
            let Statement::Insert(insert) = &parsed.statement else {
                return Err(Error::config("this is no INSERT"));
            };
            inserts.push((insert, text.as_str()));
        }
        on_large_stack(|| Ok(self.insert_plans(&inserts)?.1))
    }

    /// Adds plans that end in sinks to a job; the graph comes back in any case.
    pub(crate) fn attach(
        &self,
        graph: JobGraph,
        parallelism: usize,
        plans: &[Node],
    ) -> (JobGraph, Result<()>) {
        let settings = || Ok((self.settings.parallelism()?, self.settings.zone()?));
        let (own, zone) = match settings() {
            Ok(settings) => settings,
            Err(error) => return (graph, Err(error)),
        };
        let functions = self.registry.user().for_job();
        let drops_null = self.settings.drops_null();
        let mut builder =
            JobBuilder::onto(graph, own.unwrap_or(parallelism), zone, functions, drops_null);
        let added = on_large_stack(|| builder.add_inserts(plans));
        (builder.into_graph(), added)
    }
}

fn of_schema(error: Error, create: &str) -> Error {
    error.at(format!("the schema of a stream's table:\n{create}"))
}
