//! The option tables of docs/sql/connectors are those of the code, and so are the pages of
//! functions and settings ([`reference`]). To write them anew:
//! `MILLSTREAM_WRITE_DOCS=1 cargo test -p millstream-sql --all-features --test docs`.
#![allow(clippy::unwrap_used)]

mod lines;
mod reference;

use millstream_sql::connectors::{OptionKind, OptionSpec, connectors};
use millstream_sql::formats::formats;
use std::fmt::Write;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sql/connectors"))
}

fn kind(kind: OptionKind) -> String {
    match kind {
        OptionKind::Text => "text".into(),
        OptionKind::Secret => "text, never shown".into(),
        OptionKind::Flag => "true or false".into(),
        OptionKind::Number(i64::MIN, i64::MAX) => "whole number".into(),
        OptionKind::Number(min, max) if max >= i64::from(i32::MAX) => {
            format!("whole number from {min}")
        }
        OptionKind::Number(min, max) => format!("whole number, {min} to {max}"),
        OptionKind::Real => "number".into(),
        OptionKind::Duration => "duration".into(),
        OptionKind::Size => "size".into(),
        OptionKind::OneOf(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
    }
}

fn table(prefix: &str, options: &[OptionSpec]) -> String {
    if options.is_empty() {
        return "It has no options.\n".into();
    }
    let mut out = String::from("| option | value | default | what |\n|---|---|---|---|\n");
    for option in options {
        let default = match option.default {
            _ if option.required => "required".to_owned(),
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let doc = option.doc.replace('|', "\\|");
        let row =
            format!("| `{prefix}{}` | {} | {default} | {doc} |", option.name, kind(option.kind));
        writeln!(out, "{row}").unwrap();
    }
    out
}

/// The tables of this build, by what stands between their marks.
fn tables() -> Vec<(String, String)> {
    let of_connector = |c: &&millstream_sql::connectors::Connector| {
        (format!("connector {}", c.name), table("", c.options))
    };
    let of_format = |f: &millstream_sql::formats::FormatInfo| {
        (format!("format {}", f.name), table(&format!("{}.", f.name), f.options))
    };
    connectors().iter().map(of_connector).chain(formats().iter().map(of_format)).collect()
}

#[test]
fn every_option_of_every_connector_and_format_is_in_the_docs() {
    let write = std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some();
    let mut pages: Vec<(PathBuf, String)> = vec![];
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        pages.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
    }
    for (name, table) in tables() {
        let (begin, end) = (format!("<!-- options of {name} -->\n"), "<!-- end -->");
        let page = pages.iter_mut().find(|(_, text)| text.contains(&begin));
        let (path, text) = page.unwrap_or_else(|| panic!("no page has '{}'", begin.trim()));
        let from = text.find(&begin).unwrap() + begin.len();
        let to = from + text[from..].find(end).unwrap();
        if write {
            text.replace_range(from..to, &table);
            std::fs::write(path, text).unwrap();
            continue;
        }
        assert_eq!(
            text[from..to],
            table,
            "{}: write it anew with MILLSTREAM_WRITE_DOCS=1",
            path.display()
        );
    }
}
