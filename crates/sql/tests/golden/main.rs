//! dummy
#![allow(clippy::unwrap_used)]
#[test]
fn all_parse() {
    for a in std::fs::read_dir("tests/conformance/cases").unwrap() {
        for f in std::fs::read_dir(a.unwrap().path()).unwrap() {
            let p = f.unwrap().path();
            let s = std::fs::read_to_string(&p).unwrap();
            if let Err(e) = millstream_sql::dialect::parse_script(&s) { println!("{p:?} {e}"); }
        }
    }
}
