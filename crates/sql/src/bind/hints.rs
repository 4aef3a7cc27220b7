//! Hints behind `SELECT`: `STATE_TTL`, `LOOKUP`, and those that only choose among plans.
//!
//! A hint names tables of the query's own `FROM`, by alias where there is one; a hint that
//! names nothing there is refused, as in Flink.
//!
//! Source: Flink's "Hints" page.

use super::Binder;
use crate::dialect::Span;
use crate::dialect::ast::Hint;
use crate::plan::logical::{LookupHint, LookupRetry, Rel};
use crate::settings::parse_duration_ms;
use millstream_core::{Error, Result, nearest};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Hints that say nothing here: there is one way to run a join on streams.
const PLAN_ONLY: &[&str] =
    &["BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "MULTI_JOIN"];

/// Keys of a LOOKUP hint.
const LOOKUP_KEYS: &[&str] = &[
    "table",
    "async",
    "output-mode",
    "capacity",
    "timeout",
    "retry-predicate",
    "retry-strategy",
    "fixed-delay",
    "max-attempts",
    "shuffle",
];

/// The hints of one query.
#[derive(Default)]
pub(crate) struct QueryHints {
    ttl_ms: Vec<(String, i64, Span)>,
    lookups: Vec<(String, LookupHint, Span)>,
    /// Names that were found in `FROM`.
    found: RefCell<BTreeSet<String>>,
}

impl QueryHints {
    /// The plan of a table of `FROM` under the hint that names it.
    pub(super) fn on_table(&self, rel: Rel, name: &str) -> Rel {
        let ttl = self.ttl_ms.iter().find(|(n, ..)| n == name);
        match ttl {
            None => rel,
            Some((_, ttl_ms, _)) => {
                self.found.borrow_mut().insert(name.to_owned());
                Rel::StateTtl { input: Box::new(rel), ttl_ms: *ttl_ms }
            }
        }
    }
    /// How a table is looked up.
    pub(super) fn of_lookup(&self, names: &[&str]) -> LookupHint {
        let hint = self.lookups.iter().find(|(n, ..)| names.contains(&n.as_str()));
        hint.map_or_else(LookupHint::default, |(name, hint, _)| {
            self.found.borrow_mut().insert(name.clone());
            hint.clone()
        })
    }
}

impl Binder<'_> {
    /// The hints behind a `SELECT`.
    pub(super) fn query_hints(&self, hints: &[Hint]) -> Result<QueryHints> {
        let mut all = QueryHints::default();
        for hint in hints {
            match hint.name.as_str() {
                "STATE_TTL" => self.state_ttl(hint, &mut all)?,
                "LOOKUP" => self.lookup_hint(hint, &mut all)?,
                name if PLAN_ONLY.contains(&name) => {}
                name => {
                    let error = self.fail(hint.span, format!("hint {name} is not known"));
                    let known = PLAN_ONLY.iter().copied().chain(["STATE_TTL", "LOOKUP"]);
                    return Err(match nearest::hint(name, known) {
                        Some(hint) => error.advice(hint),
                        None => error.advice("remove it; OPTIONS stands behind a table's name"),
                    });
                }
            }
        }
        Ok(all)
    }

    /// Refuses hints that named no table of a query with operators that could take them.
    pub(super) fn hints_were_found(&self, hints: &QueryHints) -> Result<()> {
        let found = hints.found.borrow();
        let ttl = hints.ttl_ms.iter().map(|(n, _, span)| (n, "STATE_TTL", span));
        let lookups = hints.lookups.iter().map(|(n, _, span)| (n, "LOOKUP", span));
        let lost = ttl.chain(lookups).find(|(name, ..)| !found.contains(*name));
        let Some((name, hint, span)) = lost else { return Ok(()) };
        let what = format!(
            "The options of following hints cannot match the name of input tables or views: \
             `{name}` in `{hint}`"
        );
        let advice = match hint {
            "LOOKUP" => "name the table behind FOR SYSTEM_TIME AS OF, by its alias",
            _ => "name a table of this query's FROM, by its alias where it has one",
        };
        Err(self.fail(*span, what).advice(advice))
    }

    /// `STATE_TTL('a' = '1 d', 'b' = '12 h')`.
    fn state_ttl(&self, hint: &Hint, all: &mut QueryHints) -> Result<()> {
        if hint.args.is_empty() {
            return Err(self
                .fail(
                    hint.span,
                    "Invalid STATE_TTL hint, expecting at least one key-value options specified.",
                )
                .advice("write STATE_TTL('table' = '1 d')"));
        }
        for (name, value) in &hint.args {
            let Some(value) = value else {
                return Err(self
                    .fail(hint.span, format!("hint STATE_TTL: '{name}' has no value"))
                    .advice("write STATE_TTL('table' = '1 d')"));
            };
            let ttl_ms = parse_duration_ms(value)
                .map_err(|e| self.place(e.at(format!("STATE_TTL of '{name}'")), hint.span))?;
            if all.ttl_ms.iter().any(|(n, ..)| n == name) {
                let what = format!("hint STATE_TTL names '{name}' twice");
                return Err(self.fail(hint.span, what).advice("keep one of the two"));
            }
            all.ttl_ms.push((name.clone(), ttl_ms, hint.span));
        }
        Ok(())
    }

    /// `LOOKUP('table' = 'd', 'retry-predicate' = 'lookup_miss', ...)`.
    fn lookup_hint(&self, hint: &Hint, all: &mut QueryHints) -> Result<()> {
        let wrong = |what: String| self.fail(hint.span, format!("Invalid LOOKUP hint: {what}"));
        for (key, value) in &hint.args {
            if value.is_none() {
                return Err(wrong(format!("'{key}' has no value")).advice("write 'key' = 'value'"));
            }
            if !LOOKUP_KEYS.contains(&key.as_str()) {
                let error = wrong(format!("option '{key}' is not known"));
                return Err(match nearest::hint(key, LOOKUP_KEYS.iter().copied()) {
                    Some(near) => error.advice(near),
                    None => error.advice(format!("known are {}", LOOKUP_KEYS.join(", "))),
                });
            }
        }
        let get = |key: &str| {
            let pair = hint.args.iter().find(|(k, _)| k == key);
            pair.and_then(|(_, value)| value.as_deref())
        };
        let flag = |key: &str| match get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(wrong(format!("'{key}' cannot be '{other}'")).advice("use true or false"))
            }
        };
        let number = |key: &str| match get(key) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<usize>() {
                Ok(n) if n > 0 => Ok(Some(n)),
                _ => Err(wrong(format!("'{key}' cannot be '{text}'"))
                    .advice("use a whole number above 0")),
            },
        };
        let duration = |key: &str| {
            let parse = |text: &str| {
                parse_duration_ms(text)
                    .map_err(|e| self.place(e.at(format!("'{key}' of LOOKUP")), hint.span))
            };
            get(key).map(parse).transpose()
        };
        let one_of = |key: &str, known: &[&str]| match get(key) {
            Some(text) if !known.iter().any(|k| k.eq_ignore_ascii_case(text)) => {
                Err(wrong(format!("'{key}' cannot be '{text}'"))
                    .advice(format!("use {}", known.join(" or "))))
            }
            given => Ok(given.is_some()),
        };
        let Some(table) = get("table") else {
            return Err(wrong("incomplete required option: 'table'".into())
                .advice("add 'table' = 'name', the alias of the table that is looked up"));
        };
        // Rows leave in the order of the input; that is one of the orders that are allowed.
        one_of("output-mode", &["ordered", "allow_unordered"])?;
        flag("shuffle")?;
        let retries = [
            one_of("retry-predicate", &["lookup_miss"])?,
            one_of("retry-strategy", &["fixed_delay"])?,
            get("fixed-delay").is_some(),
            get("max-attempts").is_some(),
        ];
        let retry = match retries {
            [false, false, false, false] => None,
            [true, true, true, true] => Some(LookupRetry {
                delay_ms: duration("fixed-delay")?.unwrap_or_default(),
                max_attempts: number("max-attempts")?.unwrap_or(1),
            }),
            _ => {
                return Err(wrong("the retry options only work together".into()).advice(
                    "give all of 'retry-predicate', 'retry-strategy', 'fixed-delay' and \
                     'max-attempts'",
                ));
            }
        };
        let options = LookupHint {
            asynchronous: flag("async")?,
            capacity: number("capacity")?,
            timeout_ms: duration("timeout")?,
            retry,
        };
        if all.lookups.iter().any(|(n, ..)| n == table) {
            return Err(wrong(format!("table '{table}' has two")).advice("keep one of the two"));
        }
        all.lookups.push((table.to_owned(), options, hint.span));
        Ok(())
    }
}

/// The error for OPTIONS behind a view.
pub(super) fn options_on_view(view: &crate::catalog::Path) -> Error {
    Error::config(format!(
        "View '{view}' cannot be enriched with new options. Hints can only be applied to tables."
    ))
    .advice("put the hint into the view's query")
}
