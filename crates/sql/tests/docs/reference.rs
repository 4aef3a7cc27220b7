//! docs/sql/functions.md and docs/sql/settings.md are what the code has.
//!
//! `MILLSTREAM_WRITE_DOCS=1` writes them anew, as in [`super`].

use super::lines::{AGGREGATES, LINES};
use millstream_sql::functions::Registry;
use millstream_sql::session::{Outcome, Session};
use millstream_sql::settings::KNOWN;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const FUNCTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sql/functions.md");
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sql/settings.md");

/// Names whose call the parser makes, so that no forms are in the registry.
const WITHOUT_FORMS: &[&str] = &["||"];

fn shown(text: &str) -> String {
    text.replace('|', "\\|")
}

fn function_page() -> String {
    let registry = Registry::builtin();
    let forms: BTreeMap<&str, Vec<String>> = registry.documentation().into_iter().collect();
    let mut page = String::from(
        "# Functions\n\n\
         Generated from the code by a test; names and meaning are Flink's. Arguments are shown\n\
         by their family; those in brackets may be left out, `...` may repeat. A function gives\n\
         NULL when an argument is NULL, unless its line says otherwise.\n",
    );
    let mut written = BTreeSet::new();
    for (chapter, functions) in LINES {
        let _ = write!(page, "\n## {chapter}\n\n| function | arguments | |\n|---|---|---|\n");
        for (name, line) in *functions {
            written.insert(*name);
            let of_name = forms.get(name).cloned().unwrap_or_default();
            assert!(!of_name.is_empty() || WITHOUT_FORMS.contains(name), "there is no {name}");
            let arguments: Vec<String> =
                of_name.iter().map(|f| format!("`{}`", shown(f))).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                shown(name),
                arguments.join("<br>"),
                shown(line)
            );
        }
    }
    // Other names of a function are told in its line.
    let told: String = LINES.iter().flat_map(|(_, l)| *l).map(|(_, line)| *line).collect();
    for name in registry.names() {
        let known = written.contains(name.as_str()) || told.contains(&format!("`{name}"));
        assert!(known || ["NEGATE", "CEILING"].contains(&name.as_str()), "no line on {name}");
    }
    page += "\n## Aggregates\n\n\
             Of a group, a window or an OVER frame; DISTINCT and FILTER (WHERE ...) go with all.\n\
             They skip NULLs unless said otherwise, and take rows back when the input changes.\n\n\
             | function | |\n|---|---|\n";
    for (name, line) in AGGREGATES {
        let _ = writeln!(page, "| `{name}` | {} |", shown(line));
    }
    page += "\nWith OVER also `ROW_NUMBER`, `RANK`, `DENSE_RANK` and `LAG(x, offset, default)`. In\n\
             GROUP BY with several sets also `GROUPING`, `GROUPING_ID` and `GROUP_ID`. Windows are\n\
             in [queries](queries.md).\n";
    page
}

fn settings_page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         `SET 'key' = 'value'` for the session, `RESET 'key'` takes it back, `SET` alone lists\n\
         them. Generated from the code by a test. What every job takes (checkpoints, restarts,\n\
         state, what to start from) is set here too: [checkpoints](../checkpoints.md#settings) and\n\
         [state](../state.md#backends) list it. Other keys of Flink (`table.*`, `execution.*` and\n\
         the like) are taken with a remark that they have no effect; a key that is neither is\n\
         refused, with the nearest one that is known.\n\n\
         | key | default | |\n|---|---|---|\n",
    );
    for known in KNOWN {
        let default =
            if known.default.is_empty() { String::new() } else { format!("`{}`", known.default) };
        let _ = writeln!(page, "| `{}` | {default} | {} |", known.key, shown(known.meaning));
    }
    page
}

fn check(path: &str, page: &str) {
    if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        std::fs::write(path, page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == page,
        "{path} is stale: MILLSTREAM_WRITE_DOCS=1 cargo test -p millstream-sql --test docs"
    );
}

#[test]
fn functions() {
    check(FUNCTIONS, &function_page());
}

#[test]
fn settings() {
    check(SETTINGS, &settings_page());
}

#[test]
fn every_aggregate_has_a_line() {
    let mut names = BTreeSet::new();
    let mut session = Session::new();
    let ran = session.run("SHOW FUNCTIONS", |outcome| {
        if let Outcome::Table(table) = outcome {
            names.extend(table.rows.iter().filter_map(|r| r.values[0].clone()));
        }
        Ok(())
    });
    ran.unwrap();
    let scalar: BTreeSet<String> =
        Registry::builtin().names().iter().map(|n| n.to_lowercase()).collect();
    let aggregates: BTreeSet<String> =
        names.difference(&scalar).map(|n| n.to_uppercase()).collect();
    let lines: BTreeSet<String> = AGGREGATES.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(aggregates, lines);
}
