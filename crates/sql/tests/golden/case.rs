//! A case: a script, the answer that Flink gave, and how it is run here.

use millstream_sql::session::{Outcome, ResultTable, Row, Session, SqlError};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where the suite is, from the crate's folder, in which tests run; and cases beside it.
const ROOT: &str = "tests/conformance";
const MORE: &str = "tests/conformance-more";

/// See the module.
pub(crate) struct Case {
    /// `area/name`.
    pub(crate) name: String,
    /// Whether it is of the suite that came first; many of the others only compute values.
    pub(crate) is_first_suite: bool,
    script: String,
    /// Flink's answer.
    pub(crate) expected: Value,
}

impl Case {
    /// All cases, by name.
    pub(crate) fn all() -> Vec<Case> {
        let mut cases = vec![];
        let areas = [ROOT, MORE].into_iter().flat_map(|root| {
            let areas = sorted(&PathBuf::from(root).join("cases")).into_iter();
            areas.filter(|area| area.is_dir()).map(move |area| (root, area))
        });
        for (root, area) in areas {
            for script in sorted(&area) {
                let area_name = area.file_name().unwrap().to_str().unwrap();
                let stem = script.file_stem().unwrap().to_str().unwrap();
                let expected = format!("{root}/expected/{area_name}/{stem}.json");
                let expected = std::fs::read_to_string(expected).unwrap();
                cases.push(Case {
                    name: format!("{area_name}/{stem}"),
                    is_first_suite: root == ROOT,
                    script: std::fs::read_to_string(&script).unwrap(),
                    expected: serde_json::from_str(&expected).unwrap(),
                });
            }
        }
        cases
    }
    /// The part of the name before the slash.
    pub(crate) fn area(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The script with its folders, and the folder that it may write to.
    pub(crate) fn script(&self) -> (String, tempfile::TempDir) {
        let out = tempfile::tempdir().unwrap();
        let script = self
            .script
            .replace("${IN}", &format!("{ROOT}/data"))
            .replace("${OUT}", out.path().to_str().unwrap());
        (script, out)
    }

    /// What this engine answers, in the shape of the expected answers.
    pub(crate) fn run(&self) -> Value {
        let (script, _out) = self.script();
        let mut session = session();
        let mut results = vec![];
        let ran = session.run(&script, |outcome| {
            results.push(match outcome {
                Outcome::Query(query) => query.collect()?,
                Outcome::Table(table) => table,
                _ => return Ok(()),
            });
            Ok(())
        });
        answer(ran, &results)
    }
}

/// A session as the suite has it.
pub(crate) fn session() -> Session {
    let mut session = Session::new();
    session.settings_mut().set("parallelism.default", "2").unwrap();
    session
}

/// Results, or an error, in the shape of the expected answers.
pub(crate) fn answer(ran: Result<(), SqlError>, results: &[ResultTable]) -> Value {
    if let Err(e) = ran {
        return json!({ "error": e.to_string(), "error_phase": e.phase.text() });
    }
    let one = |table: &ResultTable| {
        let columns = table.columns.iter();
        let columns: Vec<Value> =
            columns.map(|c| json!({ "name": c.name, "type": c.data_type })).collect();
        let row = |r: &Row| {
            let mut cells = vec![json!(r.change)];
            cells.extend(r.values.iter().map(|v| json!(v)));
            Value::Array(cells)
        };
        let rows: Vec<Value> = table.rows.iter().map(row).collect();
        json!({ "columns": columns, "rows": rows })
    };
    match results {
        [table] => one(table),
        all => json!({ "results": all.iter().map(one).collect::<Vec<_>>() }),
    }
}

fn sorted(folder: &PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}
