//! Arrays, maps, rows.

use super::*;

fn arr<const N: usize>(items: [Expr; N]) -> Expr {
    f("ARRAY", items)
}

#[test]
fn constructors_and_access() {
    let none = || null(SqlType::int());
    let nested = arr([arr([i(1)]), arr([i(2), i(3)])]);
    check([
        (f("=", [arr([i(1), i(2)]), arr([i(1), i(2)])]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [arr([i(1), i(2)]), arr([i(2), i(1)])]), "BOOLEAN NOT NULL: FALSE"),
        (
            cast(arr([t("1"), t("2")]), SqlType::array(SqlType::int())),
            "ARRAY<INT> NOT NULL: [1, 2]",
        ),
        (arr([i(1), n("2.5")]), "ARRAY<DECIMAL(11, 1) NOT NULL> NOT NULL: [1.0, 2.5]"),
        (f("ITEM", [f("ITEM", [nested, i(2)]), i(1)]), "INT: 2"),
        (f("ITEM", [arr([i(1)]), i(9)]), "INT: NULL"),
        (arr([i(1), none()]), "ARRAY<INT> NOT NULL: [1, NULL]"),
        (
            cast(arr([n("1.7"), n("2.2")]), SqlType::array(SqlType::int())),
            "ARRAY<INT> NOT NULL: [1, 2]",
        ),
        (f("ITEM", [f("MAP", [t("a"), i(1), t("bc"), i(2)]), t("bc")]), "INT: 2"),
        (f("ITEM", [f("MAP", [t("a"), i(1)]), t("zz")]), "INT: NULL"),
        (f("ITEM", [f("MAP", [i(1), t("x")]), i(1)]), "CHAR(1): x"),
        (f("CARDINALITY", [f("MAP", [t("a"), i(1)])]), "INT NOT NULL: 1"),
        (f("ELEMENT", [arr([t("only")])]), "CHAR(4) NOT NULL: only"),
        (f("ELEMENT", [arr([i(1), i(2)])]), "error: more than one element"),
        (
            f("ROW", [i(1), t("a")]),
            "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` CHAR(1) NOT NULL> NOT NULL: (1, a)",
        ),
        (
            f("ROW", [i(1), f("ROW", [i(2), none()])]).field(1).unwrap().field(1).unwrap(),
            "INT: NULL",
        ),
        (f("=", [f("ROW", [i(1), t("a")]), f("ROW", [i(1), t("a")])]), "BOOLEAN NOT NULL: TRUE"),
        (
            cast(
                f("ROW", [n("1.25"), date("2024-05-06")]),
                SqlType::row([("d", SqlType::decimal(4, 1)), ("s", SqlType::string())]),
            ),
            "ROW<`d` DECIMAL(4, 1), `s` STRING> NOT NULL: (1.3, 2024-05-06)",
        ),
        (cast(arr([t("x"), no_text()]), SqlType::string()), "STRING NOT NULL: [x, NULL]"),
    ]);
    let zero = refused("ITEM", [arr([i(1)]), i(0)]);
    assert!(zero.contains("index starting at 1 but was 0"));
}

#[test]
fn functions_over_elements() {
    let ints = || arr([i(1), i(2), i(3), i(4)]);
    let with_null = || arr([i(3), null(SqlType::int()), i(1)]);
    check([
        (f("ARRAY_JOIN", [arr([t("a"), no_text(), t("c")]), t("-")]), "STRING NOT NULL: a-c"),
        (
            f("ARRAY_JOIN", [arr([t("a"), no_text(), t("c")]), t("-"), t("?")]),
            "STRING NOT NULL: a-?-c",
        ),
        (f("ARRAY_SORT", [with_null()]), "ARRAY<INT> NOT NULL: [NULL, 1, 3]"),
        (f("ARRAY_SORT", [with_null(), flag(false)]), "ARRAY<INT> NOT NULL: [3, 1, NULL]"),
        (
            f("ARRAY_EXCEPT", [arr([i(1), i(1), i(2), i(3)]), arr([i(1)])]),
            "ARRAY<INT NOT NULL> NOT NULL: [2, 3]",
        ),
        (
            f("ARRAY_INTERSECT", [arr([i(1), i(2), i(2)]), arr([i(2), i(3)])]),
            "ARRAY<INT NOT NULL> NOT NULL: [2]",
        ),
        (f("ARRAY_SLICE", [ints(), i(-2), i(-1)]), "ARRAY<INT NOT NULL> NOT NULL: [3, 4]"),
        (f("ARRAY_SLICE", [ints(), i(3)]), "ARRAY<INT NOT NULL> NOT NULL: [3, 4]"),
        (f("ARRAY_CONTAINS", [with_null(), null(SqlType::int())]), "BOOLEAN NOT NULL: TRUE"),
        (f("ARRAY_POSITION", [ints(), i(3)]), "INT NOT NULL: 3"),
        (f("ARRAY_REMOVE", [ints(), i(3)]), "ARRAY<INT NOT NULL> NOT NULL: [1, 2, 4]"),
        (f("ARRAY_APPEND", [ints(), null(SqlType::int())]), "ARRAY<INT>: [1, 2, 3, 4, NULL]"),
        (f("ARRAY_PREPEND", [arr([i(1)]), i(0)]), "ARRAY<INT NOT NULL> NOT NULL: [0, 1]"),
        (f("ARRAY_DISTINCT", [arr([i(1), i(1), i(2)])]), "ARRAY<INT NOT NULL> NOT NULL: [1, 2]"),
        (f("ARRAY_REVERSE", [arr([i(1), i(2)])]), "ARRAY<INT NOT NULL> NOT NULL: [2, 1]"),
        (
            f("ARRAY_UNION", [arr([i(1), i(2)]), arr([i(2), i(3)])]),
            "ARRAY<INT NOT NULL> NOT NULL: [1, 2, 3]",
        ),
        (f("ARRAY_CONCAT", [arr([i(1)]), arr([i(1)])]), "ARRAY<INT NOT NULL> NOT NULL: [1, 1]"),
        (f("ARRAY_MAX", [with_null()]), "INT: 3"),
        (f("ARRAY_MIN", [with_null()]), "INT: 1"),
    ]);
}

#[test]
fn maps() {
    let map = || f("MAP", [t("a"), i(1), t("b"), i(2)]);
    check([
        (f("MAP_KEYS", [map()]), "ARRAY<CHAR(1) NOT NULL> NOT NULL: [a, b]"),
        (f("MAP_VALUES", [map()]), "ARRAY<INT NOT NULL> NOT NULL: [1, 2]"),
        (
            f("MAP_ENTRIES", [map()]),
            "ARRAY<ROW<`key` CHAR(1) NOT NULL, `value` INT NOT NULL>> NOT NULL: [(a, 1), (b, 2)]",
        ),
        (
            f("MAP_FROM_ARRAYS", [arr([i(1), i(2)]), arr([t("x"), t("y")])]),
            "MAP<INT NOT NULL, CHAR(1) NOT NULL> NOT NULL: {1=x, 2=y}",
        ),
        (
            f("MAP_FROM_ARRAYS", [arr([i(1), i(2)]), arr([t("x")])]),
            "error: is not equal to the length",
        ),
        (
            f("MAP_FROM_ENTRIES", [arr([f("ROW", [i(1), t("x")])])]),
            "MAP<INT NOT NULL, CHAR(1) NOT NULL> NOT NULL: {1=x}",
        ),
        (
            f("MAP_UNION", [map(), f("MAP", [t("b"), i(9)])]),
            "MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL: {a=1, b=9}",
        ),
    ]);
}
