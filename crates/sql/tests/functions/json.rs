//! JSON functions.

use super::*;
use millstream_sql::functions::json::*;

fn query(document: &str, path: &str, wrapper: Wrapper, empty: OnProblem, error: OnProblem) -> Expr {
    json_query(t(document), t(path), wrapper, empty, error).unwrap()
}

#[test]
fn queries() {
    use OnProblem::{EmptyArray, EmptyObject, Null};
    let document = r#"{"a":[1,2],"b":[{"c":1},{"c":2}],"s":"txt"}"#;
    let array = |path: &str| {
        json_query_array(t(document), t(path), Wrapper::Without, EmptyArray, EmptyArray).unwrap()
    };
    check([
        (array("$.b"), r#"ARRAY<STRING>: [{"c":1}, {"c":2}]"#),
        (array("lax $.zz"), "ARRAY<STRING>: []"),
        (array("$"), "ARRAY<STRING>: []"),
        (query(document, "$.a", Wrapper::Without, Null, Null), "STRING: [1,2]"),
        (query(document, "$.a", Wrapper::Unconditional, Null, Null), "STRING: [[1,2]]"),
        (query(document, "$.a", Wrapper::Conditional, Null, Null), "STRING: [1,2]"),
        (query(document, "$.b[*].c", Wrapper::Unconditional, Null, Null), "STRING: [[1,2]]"),
        (query(document, "$.zz", Wrapper::Without, EmptyArray, Null), "STRING: NULL"),
        (query(document, "lax $.zz", Wrapper::Without, EmptyArray, Null), "STRING: []"),
        (query(document, "$.s", Wrapper::Without, Null, EmptyObject), "STRING: {}"),
        (
            query(r#"{"a":{"x": 1 , "y":[ ]}}"#, "$.a", Wrapper::Without, Null, Null),
            r#"STRING: {"x":1,"y":[]}"#,
        ),
        (query(r#"{"a":7}"#, "$.a", Wrapper::Conditional, Null, Null), "STRING: [7]"),
    ]);
}

#[test]
fn values() {
    let null = || OnProblem::Null;
    let value = |document: &str, path: &str, ty: SqlType| {
        json_value(t(document), t(path), ty, null(), null()).unwrap()
    };
    let string = SqlType::string;
    let default = OnProblem::Default(Box::new(t("none")));
    let strict = OnProblem::Error;
    check([
        (value(r#"{"a": true}"#, "$.a", string()), "STRING: true"),
        (value(r#"{"a": 1.50}"#, "$.a", string()), "STRING: 1.50"),
        (value(r#"{"a": [1]}"#, "$.a", string()), "STRING: NULL"),
        (value("broken", "$.a", string()), "STRING: NULL"),
        (value(r#"{"a": true}"#, "$.a", SqlType::boolean()), "BOOLEAN: TRUE"),
        (
            value(
                r#"{"a.b": [0.998]}"#,
                r#"$.["a.b"][0]"#.replace("$.[", "$[").as_str(),
                SqlType::double(),
            ),
            "DOUBLE: 0.998",
        ),
        (value(r#"{"n":"34"}"#, "$.n", SqlType::int()), "error: is no INT"),
        (
            json_value(t("{}"), t("lax $.b"), string(), default.clone(), null()).unwrap(),
            "STRING: none",
        ),
        (json_value(t("{}"), t("strict $.b"), string(), null(), default).unwrap(), "STRING: none"),
        (
            json_value(t(r#"{"n":1}"#), t("lax $.zz"), string(), strict, null()).unwrap(),
            "error: Empty result of JSON_VALUE function is not allowed",
        ),
        (
            json_exists(t(r#"{"a": [{"b": 1}]}"#), t("$.a[0].b"), ExistsOnError::False).unwrap(),
            "BOOLEAN: TRUE",
        ),
        (json_exists(t("{}"), t("strict $.b"), ExistsOnError::True).unwrap(), "BOOLEAN: TRUE"),
    ]);
    assert!(json_query(t("{}"), t("nope"), Wrapper::Without, null(), null()).is_err());
}

#[test]
fn construction() {
    let none = || null(SqlType::int());
    let inner = json_object(vec![(t("z"), t("q\"uote"))], OnNull::Null).unwrap();
    let array = json_array(vec![n("1.50"), inner], OnNull::Absent).unwrap();
    check([
        (
            json_object(vec![(t("k"), i(1)), (t("n"), none())], OnNull::Null).unwrap(),
            r#"STRING NOT NULL: {"k":1,"n":null}"#,
        ),
        (
            json_object(vec![(t("k"), t("v")), (t("n"), none())], OnNull::Absent).unwrap(),
            r#"STRING NOT NULL: {"k":"v"}"#,
        ),
        (
            f("JSON_ARRAY", [i(1), t("two"), flag(true), none()]),
            r#"STRING NOT NULL: [1,"two",true]"#,
        ),
        (
            json_object(vec![(t("in"), array)], OnNull::Null).unwrap(),
            r#"STRING NOT NULL: {"in":[1.50,{"z":"q\"uote"}]}"#,
        ),
        (f("JSON_STRING", [t("tab\tx")]), "STRING NOT NULL: \"tab\\tx\""),
        (f("JSON_STRING", [f("ARRAY", [i(1), i(2)])]), "STRING NOT NULL: [1,2]"),
        (f("JSON_STRING", [f("MAP", [t("a"), i(1)])]), r#"STRING NOT NULL: {"a":1}"#),
        (
            f("JSON_STRING", [f("ROW", [i(1), t("x")])]),
            r#"STRING NOT NULL: {"EXPR$0":1,"EXPR$1":"x"}"#,
        ),
        (f("JSON_STRING", [ts("2024-01-02 03:04:05")]), "STRING NOT NULL: \"2024-01-02T03:04:05\""),
        (f("JSON_STRING", [none()]), "STRING: NULL"),
        (f("JSON_QUOTE", [t("≠ \"x\"")]), "STRING NOT NULL: \"\\u2260 \\\"x\\\"\""),
        (f("JSON_UNQUOTE", [t("\"\\u2260\"")]), "STRING NOT NULL: ≠"),
        (f("JSON_UNQUOTE", [t("plain")]), "STRING NOT NULL: plain"),
        (f("IS JSON", [t("[]")]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS JSON SCALAR", [t("{}")]), "BOOLEAN NOT NULL: FALSE"),
        (f("IS JSON", [no_text()]), "BOOLEAN NOT NULL: FALSE"),
    ]);
}
