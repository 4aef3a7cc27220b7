//! What a job computes once for several readers, in one plan or in several (the INSERTs of a
//! statement set): the same table, the same aggregate or join. Flink's name for it is sub-plan
//! reuse.
//!
//! A relation is known by its digest: operators and expressions, without column names. The
//! plan is translated twice when something is shared: first to learn what all readers need
//! of it, then for good.
//!
//! Invariant: nothing is shared that has randomness or a clock in it.

use crate::connectors::Needed;
use crate::expr::Expr;
use crate::plan::logical::Rel;
use crate::plan::stream::{Distribution, Node, Op};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Larger plans are not searched.
const LARGEST_PLAN: usize = 500;

#[derive(Default)]
struct Use {
    readers: usize,
    needed: Vec<Needed>,
}

/// The relations of one job that have several readers.
#[derive(Default)]
pub(super) struct Shared {
    uses: RefCell<BTreeMap<String, Use>>,
}

impl Shared {
    /// Looks for what is there more than once; whether something is.
    pub(super) fn find(&self, rels: &[Rel]) -> bool {
        let mut uses = BTreeMap::new();
        if rels.iter().map(size).sum::<usize>() <= LARGEST_PLAN {
            rels.iter().for_each(|rel| count(rel, &mut uses));
        }
        uses.retain(|_, of: &mut Use| of.readers > 1);
        let found = !uses.is_empty();
        *self.uses.borrow_mut() = uses;
        found
    }
    /// Whether `rel` has several readers: its digest and what they need of it, this one too.
    pub(super) fn of(&self, rel: &Rel, needed: &[Needed]) -> Option<(String, Vec<Needed>)> {
        let mut uses = self.uses.borrow_mut();
        if uses.is_empty() || !may_be_shared(rel) {
            return None;
        }
        let digest = digest(rel)?;
        let of = uses.get_mut(&digest)?;
        match of.needed.is_empty() {
            true => of.needed = needed.to_vec(),
            false => of.needed.iter_mut().zip(needed).for_each(|(all, one)| all.add(one)),
        }
        Some((digest, of.needed.clone()))
    }
}

/// `node`, known by a name that is the same for all its readers.
pub(super) fn shared(node: Node, digest: &str, needed: &[Needed], rel: &Rel) -> Node {
    let (changes, key, window) = (node.changes, node.key.clone(), node.window.clone());
    Node {
        op: Op::Shared(format!("{digest} {needed:?}")),
        inputs: vec![(node, Distribution::Forward)],
        schema: rel.schema().clone(),
        changes,
        key,
        window,
    }
}

fn size(rel: &Rel) -> usize {
    1 + rel.inputs().into_iter().map(size).sum::<usize>()
}

fn may_be_shared(rel: &Rel) -> bool {
    matches!(
        rel,
        Rel::Scan { .. } | Rel::Watermark { .. } | Rel::Aggregate { .. } | Rel::Join { .. }
    )
}

fn count(rel: &Rel, uses: &mut BTreeMap<String, Use>) {
    if may_be_shared(rel)
        && let Some(digest) = digest(rel)
    {
        let of = uses.entry(digest).or_default();
        of.readers += 1;
        // What is below something shared is shared with it.
        if of.readers > 1 {
            return;
        }
    }
    if !matches!(rel, Rel::Watermark { .. }) {
        rel.inputs().into_iter().for_each(|input| count(input, uses));
    }
}

/// The text of a relation without its names; `None` when it must not be shared.
fn digest(rel: &Rel) -> Option<String> {
    let mut text = String::new();
    write_digest(rel, &mut text)?;
    Some(text)
}

fn write_digest(rel: &Rel, out: &mut String) -> Option<()> {
    let exprs: Vec<&Expr> = match rel {
        Rel::Project { exprs, .. } => exprs.iter().collect(),
        Rel::Filter { condition, .. } | Rel::Join { condition, .. } => vec![condition],
        Rel::Watermark { expr, .. } => vec![expr],
        _ => vec![],
    };
    if !exprs.iter().all(|e| e.is_deterministic()) {
        return None;
    }
    let written = match rel {
        Rel::Scan { table, options, columns, .. } => {
            write!(out, "Scan {} {options:?} {columns:?}", table.path)
        }
        Rel::Project { .. } => write!(out, "Project {exprs:?}"),
        Rel::Filter { .. } => write!(out, "Filter {exprs:?}"),
        Rel::Join { kind, .. } => write!(out, "Join {kind:?} {exprs:?}"),
        Rel::Watermark { column, .. } => write!(out, "Watermark {column} {exprs:?}"),
        Rel::WindowTable { window, .. } => write!(out, "Window {window:?}"),
        Rel::Aggregate { keys, calls, window, .. } => {
            write!(out, "Aggregate {keys:?} {calls:?} {window:?}")
        }
        _ => return None,
    };
    written.ok()?;
    out.push('(');
    for input in rel.inputs() {
        write_digest(input, out)?;
        out.push(',');
    }
    out.push(')');
    Some(())
}
