//! The command as its users call it: exit codes, the JSON contract, variables.

#![allow(clippy::unwrap_used)]

mod processes;

use serde_json::Value;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millstream")).arg("sql").args(args).output().unwrap()
}

fn json(args: &[&str]) -> (bool, Value) {
    let output = run(&[args, &["--output", "json"]].concat());
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn one_result_is_an_object_and_several_are_a_list() {
    let (ok, one) = json(&["--execute", "SELECT 1 AS a, CAST(NULL AS STRING) AS b"]);
    assert!(ok);
    let expected = r#"{"columns":[{"name":"a","type":"INT NOT NULL"},{"name":"b","type":"STRING"}],
        "rows":[["+I","1",null]]}"#;
    assert_eq!(one, serde_json::from_str::<Value>(expected).unwrap());
    let (ok, two) = json(&["--execute", "SELECT 1; SELECT 2;"]);
    assert!(ok);
    assert_eq!(two["results"].as_array().unwrap().len(), 2);
}

#[test]
fn failures_say_their_phase_and_end_with_another_code() {
    for (statement, phase, says) in [
        ("SELEC 1", "plan", "did you mean SELECT?"),
        ("SELECT *\nFROM nowhere", "plan", "line 2, column 6"),
        ("SELECT CAST(x AS INT) FROM (VALUES ('a')) AS t(x)", "run", "For input string: 'a'"),
    ] {
        let (ok, error) = json(&["--execute", statement]);
        assert!(!ok, "{statement}");
        assert_eq!(error["error_phase"], phase, "{statement}");
        assert!(error["error"].as_str().unwrap().contains(says), "{error}");
    }
}

#[test]
fn variables_are_replaced_and_missing_ones_named() {
    let (ok, rows) = json(&["--execute", "SELECT '${WHO}'", "--var", "WHO=you"]);
    assert!(ok);
    assert_eq!(rows["rows"][0][1], "you");
    let (ok, error) = json(&["--execute", "SELECT '${WHOM}'", "--var", "WHO=you"]);
    assert!(!ok);
    assert!(error["error"].as_str().unwrap().contains("did you mean 'WHO'?"), "{error}");
}

#[test]
fn large_and_deep_statements_end_well() {
    let file = std::env::temp_dir().join(format!("millstream-cli-{}.sql", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let chain = ["v"; 1900].join("+");
    let list = ["12345"; 180_000].join(",");
    for (text, ok) in [
        (format!("SELECT {chain} FROM (VALUES (1), (2)) AS t(v)"), true),
        (format!("SELECT 1 IN ({list})"), true),
        (format!("SELECT {}1{}", "(".repeat(1000), ")".repeat(1000)), false),
        (format!("SELECT {}1", "1+".repeat(500_000)), false),
        (format!("SELECT * FROM {}", "(SELECT * FROM ".repeat(1000)), false),
    ] {
        std::fs::write(&file, &text).unwrap();
        let (succeeded, answer) = json(&["--file", &path]);
        let shown: String = answer.to_string().chars().take(300).collect();
        assert_eq!(succeeded, ok, "{shown}");
    }
    std::fs::write(&file, b"SELECT '\xff'").unwrap();
    let (ok, error) = json(&["--file", &path]);
    assert!(!ok && error["error"].as_str().unwrap().contains("UTF-8"), "{error}");
    std::fs::remove_file(&file).unwrap();
}
