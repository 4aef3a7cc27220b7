//! Arithmetic, comparison, logic, conversion of numbers.

use super::*;

#[test]
fn integers_wrap_and_truncate() {
    check([
        (f("+", [i(i32::MAX), i(1)]), "INT NOT NULL: -2147483648"),
        (f("+", [b(i64::MAX), i(1)]), "BIGINT NOT NULL: -9223372036854775808"),
        (f("/", [i(-7), i(2)]), "INT NOT NULL: -3"),
        (f("%", [i(-7), i(3)]), "INT NOT NULL: -1"),
        (f("MOD", [b(i64::MAX), i(7)]), "INT NOT NULL: 0"),
        (f("/", [b(i64::MIN), i(-1)]), "BIGINT NOT NULL: -9223372036854775808"),
        (f("ABS", [b(i64::MIN)]), "BIGINT NOT NULL: -9223372036854775808"),
        (f("-", [i(5)]), "INT NOT NULL: -5"),
        (f("/", [i(1), i(0)]), "error: / by zero"),
        (f("MOD", [i(5), i(0)]), "error: / by zero"),
        (f("/", [null(SqlType::int()), i(0)]), "INT: NULL"),
        (f("/", [d(1.0), i(0)]), "DOUBLE NOT NULL: Infinity"),
        (cast(b(10_000_000_000), SqlType::int()), "INT NOT NULL: 1410065408"),
    ]);
}

#[test]
fn decimals() {
    let a = || cast(n("12.345"), SqlType::decimal(12, 3));
    let c = || cast(n("0.10"), SqlType::decimal(4, 2));
    let wide = || cast(t("99999999999999999999999999999999999999"), SqlType::decimal(38, 0));
    check([
        (f("+", [a(), c()]), "DECIMAL(13, 3) NOT NULL: 12.445"),
        (f("*", [a(), c()]), "DECIMAL(17, 5) NOT NULL: 1.23450"),
        (f("/", [a(), c()]), "DECIMAL(19, 8) NOT NULL: 123.45000000"),
        (f("/", [a(), i(3)]), "DECIMAL(23, 14) NOT NULL: 4.11500000000000"),
        (f("MOD", [a(), c()]), "DECIMAL(5, 3) NOT NULL: 0.045"),
        (f("-", [a()]), "DECIMAL(12, 3) NOT NULL: -12.345"),
        (f("+", [wide(), wide()]), "DECIMAL(38, 0) NOT NULL: NULL"),
        (f("/", [wide(), i(3)]), "DECIMAL(38, 6) NOT NULL: NULL"),
        (f("/", [c(), n("0.0")]), "error: Division by zero"),
        (cast(wide(), SqlType::bigint()), "BIGINT NOT NULL: 687399551400673279"),
        (cast(wide(), SqlType::double()), "DOUBLE NOT NULL: 1.0E38"),
        (cast(wide(), SqlType::decimal(20, 0)), "DECIMAL(20, 0) NOT NULL: NULL"),
        (cast(n("1.005"), SqlType::decimal(6, 2)), "DECIMAL(6, 2) NOT NULL: 1.01"),
    ]);
}

#[test]
fn rounding() {
    check([
        (f("ROUND", [n("2.345"), i(2)]), "DECIMAL(4, 2) NOT NULL: 2.35"),
        (f("ROUND", [n("-2.5")]), "DECIMAL(2, 0) NOT NULL: -3"),
        (f("ROUND", [i(125), i(-1)]), "INT NOT NULL: 130"),
        (f("ROUND", [d(2.675), i(2)]), "DOUBLE NOT NULL: 2.68"),
        (f("ROUND", [d(-0.5), i(0)]), "DOUBLE NOT NULL: -1.0"),
        (f("TRUNCATE", [n("42.324"), i(2)]), "DECIMAL(5, 2) NOT NULL: 42.32"),
        (f("TRUNCATE", [d(-42.329), i(1)]), "DOUBLE NOT NULL: -42.3"),
        (f("FLOOR", [n("-1.5")]), "DECIMAL(2, 0) NOT NULL: -2"),
        (f("CEIL", [n("1.01")]), "DECIMAL(3, 0) NOT NULL: 2"),
        (f("CEIL", [d(1.2)]), "DOUBLE NOT NULL: 2.0"),
        (f("SIGN", [n("-3.5")]), "DECIMAL(2, 1) NOT NULL: -1.0"),
        (f("SIGN", [i(9)]), "INT NOT NULL: 1"),
        (f("POWER", [i(2), i(10)]), "DOUBLE NOT NULL: 1024.0"),
        (f("LOG", [i(2), i(8)]), "DOUBLE NOT NULL: 3.0"),
        (f("LN", [i(0)]), "DOUBLE NOT NULL: -Infinity"),
        (f("SQRT", [n("2.25")]), "DOUBLE NOT NULL: 1.5"),
        (f("PI", []), "DOUBLE NOT NULL: 3.141592653589793"),
    ]);
}

#[test]
fn types_of_expressions() {
    let int = || null(SqlType::int());
    check([
        (f("+", [int(), b(1)]), "BIGINT: NULL"),
        (f("*", [int(), d(1.9)]), "DOUBLE: NULL"),
        (f("+", [null(SqlType::tinyint()), null(SqlType::smallint())]), "SMALLINT: NULL"),
        (f("+", [null(SqlType::decimal(5, 2)), int()]), "DECIMAL(13, 2): NULL"),
        (
            f("*", [null(SqlType::decimal(5, 2)), null(SqlType::decimal(10, 4))]),
            "DECIMAL(16, 6): NULL",
        ),
        (f("+", [null(SqlType::float()), b(1)]), "FLOAT: NULL"),
        (f("TYPEOF", [n("1.50")]), "STRING: DECIMAL(3, 2) NOT NULL"),
        (f("TYPEOF", [null(SqlType::null())]), "STRING: NULL"),
        (
            f("TYPEOF", [f("MAP", [t("a"), i(1)])]),
            "STRING: MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL",
        ),
    ]);
}

#[test]
fn comparing() {
    let no = || null(SqlType::boolean());
    check([
        (f("=", [i(10), n("10.0")]), "BOOLEAN NOT NULL: TRUE"),
        (f("<", [i(10), n("10.5")]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [t("2024-01-01"), date("2024-01-01")]), "BOOLEAN NOT NULL: TRUE"),
        (f(">", [time("01:02:03"), t("01:00:00")]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [ts("2024-01-01 00:00:00"), t("2024-01-01 00:00:00")]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [cast(i(10), SqlType::decimal(4, 2)), n("10.001")]), "BOOLEAN NOT NULL: FALSE"),
        (f("=", [d(0.0), d(-0.0)]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [d(f64::NAN), d(f64::NAN)]), "BOOLEAN NOT NULL: TRUE"),
        (f("=", [no(), flag(true)]), "BOOLEAN: NULL"),
        (f("IS DISTINCT FROM", [no(), flag(true)]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS NOT DISTINCT FROM", [no(), no()]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS TRUE", [no()]), "BOOLEAN NOT NULL: FALSE"),
        (f("IS NOT FALSE", [no()]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS UNKNOWN", [no()]), "BOOLEAN NOT NULL: TRUE"),
        (f("NOT", [no()]), "BOOLEAN: NULL"),
        (Expr::and(vec![no(), flag(false)]), "BOOLEAN: FALSE"),
        (Expr::and(vec![no(), flag(true)]), "BOOLEAN: NULL"),
        (Expr::or(vec![no(), flag(true)]), "BOOLEAN: TRUE"),
        (f("BETWEEN", [i(12), i(15), i(12)]), "BOOLEAN NOT NULL: FALSE"),
        (f("BETWEEN SYMMETRIC", [i(12), i(15), i(12)]), "BOOLEAN NOT NULL: TRUE"),
        (f("BETWEEN", [i(12), null(SqlType::int()), i(10)]), "BOOLEAN: FALSE"),
        (f("IN", [i(4), i(1), null(SqlType::int())]), "BOOLEAN: NULL"),
        (f("NOT IN", [i(4), i(1), i(2)]), "BOOLEAN NOT NULL: TRUE"),
        (f("GREATEST", [i(1), n("2.5"), i(2)]), "DECIMAL(11, 1) NOT NULL: 2.5"),
        (f("LEAST", [i(1), null(SqlType::int())]), "INT: NULL"),
        (f("NULLIF", [i(5), i(5)]), "INT: NULL"),
        (f("IF", [flag(true), i(1), b(2)]), "BIGINT NOT NULL: 1"),
        (f("IFNULL", [null(SqlType::int()), i(7)]), "INT NOT NULL: 7"),
        (f("COALESCE", [null(SqlType::int()), null(SqlType::int())]), "INT: NULL"),
    ]);
    let error = refused("=", [no_text(), i(10)]);
    assert!(
        error.contains("implicit type conversion between VARCHAR and INTEGER is not supported now")
    );
    let long: Vec<Expr> = std::iter::once(i(7)).chain((0..40).map(|n| i(n * 7))).collect();
    let found = Registry::builtin().call("IN", long).unwrap();
    check([(found, "BOOLEAN NOT NULL: TRUE")]);
}

#[test]
fn casting() {
    let text = |s: &str| cast(t(s), SqlType::string());
    let int = SqlType::int;
    check([
        (cast(t("twelve"), int()), "error: For input string: 'twelve'. Invalid character found."),
        (try_cast(text("3.99"), int()), "INT: 3"),
        (try_cast(text("128"), SqlType::tinyint()), "TINYINT: NULL"),
        (try_cast(text(" true "), SqlType::boolean()), "BOOLEAN: NULL"),
        (try_cast(text("YES"), SqlType::boolean()), "BOOLEAN: TRUE"),
        (cast(flag(true), SqlType::decimal(3, 1)), "DECIMAL(3, 1) NOT NULL: 1.0"),
        (cast(flag(true), SqlType::string()), "STRING NOT NULL: TRUE"),
        (cast(i(-5), SqlType::boolean()), "BOOLEAN NOT NULL: TRUE"),
        (cast(null(SqlType::boolean()), int()), "INT: NULL"),
        (cast(t("abcdef"), SqlType::char(3)), "CHAR(3) NOT NULL: abc"),
        (cast(t("ab"), SqlType::char(5)), "CHAR(5) NOT NULL: ab   "),
        (cast(t("abcdef"), SqlType::varchar(4)), "VARCHAR(4) NOT NULL: abcd"),
        (cast(t("hé"), SqlType::bytes()), "BYTES NOT NULL: x'68c3a9'"),
        (
            cast(cast(t("Hi"), SqlType::bytes()), SqlType::binary(3)),
            "BINARY(3) NOT NULL: x'486900'",
        ),
        (cast(cast(t("Hi"), SqlType::bytes()), SqlType::string()), "STRING NOT NULL: Hi"),
        (cast(d(3.0e10), SqlType::float()), "FLOAT NOT NULL: 3.0000001E10"),
        (cast(d(1e300), SqlType::float()), "FLOAT NOT NULL: Infinity"),
        (cast(d(3.0e10), SqlType::varchar(4)), "VARCHAR(4) NOT NULL: 3.0E"),
        (cast(d(-2.5), int()), "INT NOT NULL: -2"),
        (cast(d(1e30), SqlType::bigint()), "BIGINT NOT NULL: 9223372036854775807"),
        (cast(d(2.675), SqlType::decimal(5, 2)), "DECIMAL(5, 2) NOT NULL: 2.68"),
    ]);
    let error = date("2024-01-01").cast(int(), false).unwrap_err().to_string();
    assert!(error.contains("Cast function cannot convert value of type DATE to type INT"));
}

#[test]
fn randomness() {
    check([
        (f("CHAR_LENGTH", [f("UUID", [])]), "INT NOT NULL: 36"),
        (f("<", [f("RAND", []), i(1)]), "BOOLEAN NOT NULL: TRUE"),
        (f("BETWEEN", [f("RAND_INTEGER", [i(5)]), i(0), i(4)]), "BOOLEAN NOT NULL: TRUE"),
        // The second number of java.util.Random(42).
        (f("RAND_INTEGER", [i(42), i(10)]), "INT NOT NULL: 3"),
    ]);
}
