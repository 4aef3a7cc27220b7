//! The lists in docs/sql are those of the code. To write them anew:
//! `MILLSTREAM_WRITE_DOCS=1 cargo test -p millstream-sql --test golden docs`.

use millstream_sql::functions::Registry;
use millstream_sql::settings::KNOWN;
use std::path::PathBuf;

fn check(page: &str, mark: &str, list: &str) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sql"));
    let path = folder.join(page);
    let mut text = std::fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- {mark} -->\n");
    let from = text.find(&begin).unwrap() + begin.len();
    let to = from + text[from..].find("<!-- end -->").unwrap();
    if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        text.replace_range(from..to, list);
        return std::fs::write(path, text).unwrap();
    }
    assert!(text[from..to] == *list, "docs/sql/{page} is not what the code has: write it anew");
}

#[test]
fn functions() {
    let mut list = String::from("| function | forms |\n|---|---|\n");
    for (name, forms) in Registry::builtin().documentation() {
        let name = name.replace('|', "\\|");
        let forms: Vec<String> =
            forms.iter().map(|f| format!("`{}`", f.replace('|', "\\|"))).collect();
        list += &format!("| `{name}` | {} |\n", forms.join("<br>"));
    }
    check("functions.md", "functions", &list);
}

#[test]
fn settings() {
    let mut list = String::from("| key | default | what |\n|---|---|---|\n");
    for known in KNOWN {
        let default = match known.default {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        list += &format!("| `{}` | {default} | {} |\n", known.key, known.meaning);
    }
    check("settings.md", "settings", &list);
}
