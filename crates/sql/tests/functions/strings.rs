//! Text, patterns, codes, URLs.

use super::*;

#[test]
fn case_and_padding() {
    check([
        (f("UPPER", [t("straße")]), "CHAR(6) NOT NULL: STRASSE"),
        (f("LOWER", [t("TAB\tAnd")]), "CHAR(7) NOT NULL: tab\tand"),
        (f("INITCAP", [t("straße o'neil-smith jr")]), "CHAR(22) NOT NULL: StraßE O'Neil-Smith Jr"),
        (f("CHAR_LENGTH", [t("a😀b👍🏽c")]), "INT NOT NULL: 6"),
        (f("REVERSE", [t("a😀b")]), "STRING: b😀a"),
        (f("LPAD", [t("a😀b👍🏽c"), i(7), t("*-")]), "STRING NOT NULL: a😀b👍?"),
        (f("LPAD", [t("straße"), i(7), t("*-")]), "STRING NOT NULL: *straße"),
        (f("LPAD", [t(""), i(7), t("*-")]), "STRING NOT NULL: *-*-*-*"),
        (f("RPAD", [t("a😀b👍🏽c"), i(3), t("+")]), "STRING NOT NULL: a😀"),
        (f("RPAD", [t("hi"), i(4), t("")]), "STRING NOT NULL: NULL"),
        (f("LPAD", [t("hi"), i(-1), t("?")]), "STRING NOT NULL: NULL"),
        (f("REPEAT", [t("ab"), i(2)]), "STRING NOT NULL: abab"),
        (f("REPEAT", [t("ab"), i(-2)]), "STRING NOT NULL: "),
        (f("REPEAT", [t("ab"), i(i32::MAX)]), "error: more than 64 MiB"),
    ]);
}

#[test]
fn the_case_of_columns_with_and_without_other_letters_than_ascii() {
    use arrow_array::{ArrayRef, RecordBatch, StringArray, cast::AsArray};
    let run = |name: &str, column: ArrayRef| {
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let expr = f(name, [Expr::column(0, SqlType::string())]);
        let out = millstream_sql::expr::evaluate(&expr, &batch, &EvalContext::utc()).unwrap();
        out.as_string::<i32>().iter().map(|s| s.map(str::to_owned)).collect::<Vec<_>>()
    };
    let all =
        StringArray::from(vec![Some("Ä"), Some("aB"), None, Some(""), Some("Cd"), Some("Éx")]);
    let some =
        |texts: [&str; 2]| [Some(texts[0].into()), None, Some("".into()), Some(texts[1].into())];
    assert_eq!(run("LOWER", std::sync::Arc::new(all.slice(1, 4))), some(["ab", "cd"]));
    assert_eq!(run("UPPER", std::sync::Arc::new(all.slice(1, 4))), some(["AB", "CD"]));
    let texts = |all: Vec<Option<String>>| all.into_iter().flatten().collect::<Vec<_>>().join(",");
    assert_eq!(texts(run("LOWER", std::sync::Arc::new(all.clone()))), "ä,ab,,cd,éx");
    assert_eq!(texts(run("UPPER", std::sync::Arc::new(all.slice(4, 2)))), "CD,ÉX");
    assert!(run("UPPER", std::sync::Arc::new(all.slice(2, 0))).is_empty());
}

#[test]
fn joining() {
    check([
        (f("CONCAT", [t("a"), no_text(), t("b")]), "STRING: NULL"),
        (f("CONCAT", [t("x"), t("")]), "STRING NOT NULL: x"),
        (f("CONCAT_WS", [t("-"), t("a"), no_text(), t("b"), t("")]), "STRING: a-b-"),
        (f("CONCAT_WS", [no_text(), t("a")]), "STRING: NULL"),
        (f("CONCAT_WS", [t(","), no_text()]), "STRING: "),
        (f("||", [t("a"), t("bc")]), "CHAR(3) NOT NULL: abc"),
        (f("||", [t("a"), no_text()]), "STRING: NULL"),
        (
            f("||", [f("||", [t("<"), f("TRIM", [t("LEADING"), t("x"), t("xxaxx")])]), t(">")]),
            "VARCHAR(7) NOT NULL: <axx>",
        ),
    ]);
    assert!(
        refused("||", [t("a"), i(1)]).contains("Supported form(s): '<CHARACTER> || <CHARACTER>'")
    );
}

#[test]
fn trimming() {
    check([
        (f("TRIM", [t("TRAILING"), t("x"), t("xxaxx")]), "VARCHAR(5) NOT NULL: xxa"),
        (f("TRIM", [t("BOTH"), t("xy"), t("xyxabcyx")]), "VARCHAR(8) NOT NULL: abc"),
        (f("TRIM", [t("\ta\t")]), "VARCHAR(3) NOT NULL: \ta\t"),
        (f("LTRIM", [t("  a ")]), "VARCHAR(4) NOT NULL: a "),
        (f("RTRIM", [t("  a ")]), "VARCHAR(4) NOT NULL:   a"),
        (f("BTRIM", [t("..a.."), t(".")]), "STRING NOT NULL: a"),
        (f("LTRIM", [t("zzytest"), t("xyz")]), "VARCHAR(7) NOT NULL: test"),
    ]);
}

#[test]
fn parts() {
    check([
        (f("SUBSTRING", [t("a😀b👍🏽c"), i(2), i(2)]), "VARCHAR(9): 😀b"),
        (f("SUBSTRING", [t("hello"), i(-3)]), "VARCHAR(5): llo"),
        (f("SUBSTRING", [t("hello"), i(0), i(2)]), "VARCHAR(5): he"),
        (f("SUBSTRING", [t("hello"), i(-9), i(2)]), "VARCHAR(5): "),
        (f("SUBSTRING", [t("hello"), i(2), i(-1)]), "VARCHAR(5): NULL"),
        (f("SUBSTR", [t("hello"), i(9)]), "VARCHAR(5): "),
        (f("LEFT", [t("a😀b"), i(2)]), "VARCHAR(4): a😀"),
        (f("RIGHT", [t("a😀b"), i(2)]), "VARCHAR(4): 😀b"),
        (f("RIGHT", [t("abc"), i(-1)]), "VARCHAR(3): "),
        (f("OVERLAY", [t("abcdefgh"), t("XYZ"), i(3)]), "VARCHAR(11) NOT NULL: abXYZfgh"),
        (f("OVERLAY", [t("abcdefgh"), t("XYZ"), i(3), i(1)]), "VARCHAR(11) NOT NULL: abXYZdefgh"),
        (f("OVERLAY", [t("abc"), t("Q"), i(9)]), "VARCHAR(4) NOT NULL: abc"),
        (f("SPLIT_INDEX", [t("a,b,,d"), t(","), i(2)]), "STRING: "),
        (f("SPLIT_INDEX", [t("a,b,,d"), t(","), i(9)]), "STRING: NULL"),
        (f("SPLIT_INDEX", [t("a,b"), t(","), i(-1)]), "STRING: NULL"),
        (f("SPLIT", [t("a,b,,d"), t(",")]), "ARRAY<STRING> NOT NULL: [a, b, , d]"),
        (f("SPLIT", [t("abc"), t("")]), "ARRAY<STRING> NOT NULL: [a, b, c]"),
        (f("STR_TO_MAP", [t("k1=v1")]), "MAP<STRING, STRING>: {k1=v1}"),
        (f("STR_TO_MAP", [t("k1:v1"), t(";"), t(":")]), "MAP<STRING, STRING>: {k1=v1}"),
        (f("STR_TO_MAP", [t("lonely")]), "MAP<STRING, STRING>: {lonely=NULL}"),
        (f("ELT", [i(2), t("one"), t("two"), t("three")]), "VARCHAR(5): two"),
        (f("ELT", [i(9), t("one")]), "CHAR(3): NULL"),
    ]);
}

#[test]
fn searching() {
    check([
        (f("POSITION", [t("an"), t("banana")]), "INT NOT NULL: 2"),
        (f("POSITION", [t(""), t("abc")]), "INT NOT NULL: 1"),
        (f("POSITION", [t("b"), t("a😀b")]), "INT NOT NULL: 3"),
        (f("LOCATE", [t("an"), t("banana"), i(3)]), "INT NOT NULL: 4"),
        (f("INSTR", [t("banana"), t("na")]), "INT NOT NULL: 3"),
        (f("INSTR", [t("banana"), t("an"), i(1), i(2)]), "INT NOT NULL: 4"),
        (f("INSTR", [t("banana"), t("an"), i(-1)]), "INT NOT NULL: 4"),
        (f("REPLACE", [t("banana"), t("an"), t("")]), "STRING NOT NULL: ba"),
        (f("REPLACE", [t("aaa"), t(""), t("x")]), "STRING NOT NULL: xaxaxax"),
        (f("TRANSLATE", [t("abcabc"), t("abc"), t("xy")]), "STRING NOT NULL: xyxy"),
        (f("TRANSLATE", [t("abc"), t("a"), no_text()]), "STRING NOT NULL: bc"),
        (f("LEFT", [t("abc"), b(2)]), "VARCHAR(3): ab"),
        (f("STARTSWITH", [t("flamingo"), t("fla")]), "BOOLEAN NOT NULL: TRUE"),
        (f("ENDSWITH", [t("flamingo"), t("")]), "BOOLEAN NOT NULL: TRUE"),
        (f("STARTSWITH", [t("x"), no_text()]), "BOOLEAN: NULL"),
        (f("IS_ALPHA", [t("aé")]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS_DIGIT", [t("12")]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS_DECIMAL", [t("-1.5")]), "BOOLEAN NOT NULL: TRUE"),
        (f("IS_DIGIT", [no_text()]), "BOOLEAN NOT NULL: FALSE"),
    ]);
}

#[test]
fn patterns() {
    let like = |s: &str, p: &str| f("LIKE", [t(s), t(p)]);
    check([
        (like("a\nb", "a%"), "BOOLEAN NOT NULL: TRUE"),
        (like("abc", "_b%"), "BOOLEAN NOT NULL: TRUE"),
        (like("a_c", "%\\_%"), "BOOLEAN NOT NULL: FALSE"),
        (f("LIKE", [t("a%c"), t("%!%%"), t("!")]), "BOOLEAN NOT NULL: TRUE"),
        (f("LIKE", [t("x"), t("!x"), t("!")]), "error: Invalid escape"),
        (f("NOT LIKE", [t("abc"), t("%c")]), "BOOLEAN NOT NULL: FALSE"),
        (f("SIMILAR TO", [t("abc"), t("a(b|x)_")]), "BOOLEAN NOT NULL: TRUE"),
        (f("REGEXP", [t("100-200"), t("(\\d+)-")]), "BOOLEAN NOT NULL: TRUE"),
        (f("REGEXP_REPLACE", [t("a-1"), t("([a-z])-([0-9])"), t("$2$1")]), "STRING NOT NULL: $2$1"),
        (f("REGEXP_REPLACE", [t("a-1"), t("-"), t("\\\\")]), "STRING NOT NULL: a\\\\1"),
        (f("REGEXP_REPLACE", [t("a-1"), t("("), t("x")]), "STRING NOT NULL: NULL"),
        (f("REGEXP_EXTRACT", [t("foothebar"), t("foo(.*?)(bar)"), i(2)]), "STRING: bar"),
        (f("REGEXP_EXTRACT", [t("foothebar"), t("foo(.*?)(bar)"), i(3)]), "STRING: NULL"),
        (f("REGEXP_EXTRACT_ALL", [t("a1b22"), t("([a-z])(\\d+)"), i(2)]), "ARRAY<STRING>: [1, 22]"),
        (f("REGEXP_COUNT", [t("banana"), t("an?")]), "INT: 3"),
        (f("REGEXP_INSTR", [t("banana"), t("n")]), "INT: 3"),
        (f("REGEXP_SUBSTR", [t("banana"), t("n.")]), "STRING: na"),
    ]);
}

#[test]
fn codes() {
    check([
        (f("ASCII", [t("日本")]), "INT NOT NULL: -26"),
        (f("ASCII", [t("")]), "INT NOT NULL: 0"),
        (f("CHR", [i(353)]), "STRING: a"),
        (f("TO_BASE64", [t("stream")]), "STRING NOT NULL: c3RyZWFt"),
        (f("FROM_BASE64", [t("c3RyZWFt")]), "STRING NOT NULL: stream"),
        (f("MD5", [t("abc")]), "CHAR(32) NOT NULL: 900150983cd24fb0d6963f7d28e17f72"),
        (f("MD5", [no_text()]), "CHAR(32): NULL"),
        (
            f("SHA2", [t("abc"), i(224)]),
            "VARCHAR(128) NOT NULL: 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
        (f("ENCODE", [t("é"), t("UTF-16BE")]), "BYTES NOT NULL: x'00e9'"),
        (
            f("DECODE", [f("ENCODE", [t("naïve"), t("UTF-8")]), t("UTF-8")]),
            "STRING NOT NULL: naïve",
        ),
        (f("BIN", [i(12)]), "STRING NOT NULL: 1100"),
        (f("HEX", [i(-1)]), "STRING NOT NULL: FFFFFFFFFFFFFFFF"),
        (f("HEX", [t("hello,world")]), "STRING NOT NULL: 68656C6C6F2C776F726C64"),
        (f("UNHEX", [t("46A")]), "BYTES: x'006a'"),
        (f("UNHEX", [t("zz")]), "BYTES: NULL"),
        (f("URL_ENCODE", [t("a b/é")]), "STRING: a+b%2F%C3%A9"),
        (f("URL_DECODE", [t("100%")]), "STRING: NULL"),
        (f("PARSE_URL", [t("http://f.com/p?k=v#R"), t("HOST")]), "STRING: f.com"),
        (f("PARSE_URL", [t("http://f.com/p?k=v#R"), t("QUERY"), t("k")]), "STRING: v"),
        (f("PRINTF", [t("%s is %d"), t("n"), i(5)]), "STRING: n is 5"),
        (
            f("PRINTF", [t("%05d|%-4s|%.2f|%x"), i(42), t("ab"), d(1.005), i(255)]),
            "STRING: 00042|ab  |1.00|ff",
        ),
        (f("PRINTF", [t("%d"), t("x")]), "STRING: NULL"),
    ]);
}
