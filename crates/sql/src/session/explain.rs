//! `EXPLAIN`: the plans of a statement as text.

use super::Session;
use crate::dialect::ast::{Insert, Query, Statement};
use crate::plan::logical::Rel;
use crate::plan::stream::Node;
use crate::plan::uid::{Identity, identities};
use millstream_core::{Error, Result};
use std::collections::BTreeMap;

impl Session {
    pub(super) fn explain(
        &self,
        details: &[String],
        statement: &Statement,
        text: &str,
    ) -> Result<String> {
        let refused = || Error::config("EXPLAIN takes a query or an INSERT");
        let planned = |query: &Query| -> Result<_> {
            let rel = self.binder(text).query(query)?;
            let node = self.query_plan(&rel)?;
            Ok((vec![rel], vec![node]))
        };
        let (rels, nodes) = match statement {
            Statement::Insert(insert) => self.insert_plans(&[(insert, text)])?,
            Statement::StatementSet(inserts) => {
                let inserts: Vec<(&Insert, &str)> = inserts.iter().map(|i| (i, text)).collect();
                self.insert_plans(&inserts)?
            }
            Statement::Query(query) => planned(query)?,
            Statement::CreateTable(create) => planned(create.query.as_ref().ok_or_else(refused)?)?,
            _ => return Err(refused()),
        };
        let (mut logical, mut streaming) = (String::new(), String::new());
        let (mut kept, mut warnings, mut json) = (String::new(), vec![], vec![]);
        let (mut reused, mut reused_ids) = (BTreeMap::new(), BTreeMap::new());
        logical.extend(rels.iter().map(Rel::explain));
        for node in &nodes {
            streaming += &node.explain(&mut reused);
            node.growing_states(&mut warnings);
            node.json(&mut json, &mut reused_ids);
        }
        if details.iter().any(|d| d == "STATE") {
            let nodes: Vec<&Node> = nodes.iter().collect();
            let all = nodes.iter().zip(identities(&nodes, false));
            all.for_each(|(node, identity)| uids(node, &identity, &mut kept));
        }
        let mut out = format!(
            "== Abstract Syntax Tree ==\n{logical}\n== Optimized Physical Plan ==\n{streaming}"
        );
        if !kept.is_empty() {
            out += &format!("\n== State ==\n{kept}");
        }
        if details.iter().any(|d| d == "ESTIMATED_COST") {
            out += "\nThere is no cost model: the plan follows from the query and its settings. \
                    What grows is the state.\n";
        }
        if details.iter().any(|d| d == "JSON_EXECUTION_PLAN") {
            let plan = serde_json::json!({ "nodes": json });
            out += &format!("\n== Physical Execution Plan ==\n{plan:#}\n");
        }
        for warning in warnings {
            out += &format!("\nwarning: {warning}");
        }
        Ok(out)
    }
}

/// A line for each operator that keeps something: its uid, and what it keeps.
fn uids(node: &Node, identity: &Identity, into: &mut String) {
    let position = node.inputs.is_empty().then_some("positions");
    if let Some(schema) = identity.schema.as_deref().or(position) {
        let line = format!("{}: {schema}\n", identity.uid);
        // What several INSERTs read is there once.
        if !into.contains(&line) {
            *into += &line;
        }
    }
    for ((input, _), identity) in node.inputs.iter().zip(&identity.inputs) {
        uids(input, identity, into);
    }
}
