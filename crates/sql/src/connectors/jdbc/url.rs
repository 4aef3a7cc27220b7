//! `jdbc:postgresql://host:port/database?option=value` and names of tables.
//!
//! Invariant: no error quotes a URL, which may hold a password.
//!
//! Source: the documentation of PostgreSQL's JDBC driver.

use millstream_core::{Error, Result};
use std::fmt::Write;

/// What a URL says.
#[derive(Default, PartialEq)]
pub(super) struct JdbcUrl {
    /// `host:port`, several between commas.
    pub(super) hosts: String,
    pub(super) database: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) schema: Option<String>,
}

/// Options of the driver that change nothing that could be seen here.
const TUNING: &[&str] = &[
    "ApplicationName",
    "binaryTransfer",
    "defaultRowFetchSize",
    "loggerLevel",
    "loginTimeout",
    "prepareThreshold",
    "reWriteBatchedInserts",
    "socketTimeout",
    "stringtype",
    "tcpKeepAlive",
];
const OWN: &[&str] = &["user", "password", "currentSchema", "ssl", "sslmode"];

impl JdbcUrl {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let url = url.trim();
        let Some(rest) = url.strip_prefix("jdbc:postgresql:") else {
            let scheme: String = url.chars().take_while(|c| *c != '/' && *c != '?').collect();
            let scheme = if scheme.contains('@') { "?" } else { scheme.as_str() };
            return Err(Error::config(format!("the url begins with '{scheme}'"))
                .advice("only PostgreSQL is supported: 'jdbc:postgresql://host:5432/database'"));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = match place.strip_prefix("//") {
            Some(place) => place.split_once('/').unwrap_or((place, "")),
            None => ("", place.trim_start_matches('/')),
        };
        let mut parsed = JdbcUrl::default();
        let hosts = match hosts.rsplit_once('@') {
            Some((login, hosts)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                parsed.user = filled(decode(user));
                parsed.password = filled(decode(password));
                hosts
            }
            None => hosts,
        };
        parsed.hosts = if hosts.is_empty() { "localhost".into() } else { hosts.into() };
        parsed.database = filled(decode(database));
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decode(value);
            match name {
                "user" => parsed.user = filled(value),
                "password" => parsed.password = filled(value),
                "currentSchema" => parsed.schema = filled(value),
                "ssl" if value.is_empty() || value.eq_ignore_ascii_case("true") => {
                    return Err(no_tls());
                }
                "sslmode" if !matches!(value.as_str(), "disable" | "allow" | "prefer") => {
                    return Err(no_tls());
                }
                "ssl" | "sslmode" => {}
                _ if TUNING.contains(&name) => {}
                _ => {
                    let known = OWN.iter().chain(TUNING).copied();
                    let advice = millstream_core::nearest::hint(name, known)
                        .unwrap_or_else(|| "leave it out of the url".into());
                    return Err(Error::config(format!("option '{name}' of the url is not known"))
                        .advice(advice));
                }
            }
        }
        Ok(parsed)
    }

    /// The client's form, without the password.
    pub(super) fn for_client(&self, user: &str) -> String {
        let database = self.database.as_deref().unwrap_or(user);
        format!("postgres://{}@{}/{}", encode(user), self.hosts, encode(database))
    }
}

fn no_tls() -> Error {
    Error::config("the url asks for TLS, which is not there yet")
        .advice("use a connection inside your network with sslmode=disable, or a TLS proxy")
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn decode(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *byte == b'%');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Schema (if there is one) and table of the option `table-name`: names without quotes are in
/// lower case, as in PostgreSQL.
pub(super) fn table_path(text: &str) -> Result<(Option<String>, String)> {
    let wrong = || {
        Error::config(format!("option 'table-name' cannot be '{text}'")).advice(
            "write table, schema.table or \"Schema\".\"Table\"; for a query make a view of it",
        )
    };
    let mut parts: Vec<String> = vec![];
    let mut rest = text.trim();
    loop {
        let part = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut end = None;
                let mut name = String::new();
                let mut chars = quoted.char_indices().peekable();
                while let Some((at, c)) = chars.next() {
                    if c != '"' {
                        name.push(c);
                    } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                        name.push('"');
                    } else {
                        end = Some(at + 1);
                        break;
                    }
                }
                rest = &quoted[end.ok_or_else(wrong)?..];
                name
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                if !name.chars().all(plain) {
                    return Err(wrong());
                }
                rest = after;
                name.to_lowercase()
            }
        };
        if part.is_empty() {
            return Err(wrong());
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => break,
            None => return Err(wrong()),
        }
    }
    let table = parts.pop().ok_or_else(wrong)?;
    let schema = parts.pop();
    if parts.is_empty() { Ok((schema, table)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_of_the_driver() {
        let url = |text: &str| JdbcUrl::parse(text).map_err(|e| e.to_string());
        let full = url("jdbc:postgresql://db:5433/my%20shop?user=a%40b&password=p%26w&currentSchema=s&reWriteBatchedInserts=true").unwrap();
        assert_eq!(full.for_client("a@b"), "postgres://a%40b@db:5433/my%20shop");
        assert_eq!(full.password.as_deref(), Some("p&w"));
        assert_eq!(full.schema.as_deref(), Some("s"));
        assert_eq!(
            url("jdbc:postgresql:shop").unwrap().for_client("u"),
            "postgres://u@localhost/shop"
        );
        assert_eq!(
            url("jdbc:postgresql://a:1,b:2/").unwrap().for_client("u"),
            "postgres://u@a:1,b:2/u"
        );
        let refused = |text: &str, part: &str| {
            let error = url(text).err().unwrap();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        };
        refused("jdbc:mysql://x:hunter2@y/z", "only PostgreSQL");
        refused("jdbc:postgresql://x/y?sslmode=require&password=hunter2", "TLS");
        refused("jdbc:postgresql://x/y?usr=hunter2", "did you mean 'user'?");
    }

    #[test]
    fn names_of_tables_are_those_of_sql() {
        let path = |text: &str| table_path(text).ok();
        let some = |s: &str, t: &str| Some((Some(s.to_owned()), t.to_owned()));
        assert_eq!(path("Orders"), Some((None, "orders".into())));
        assert_eq!(path("Sales.Orders"), some("sales", "orders"));
        assert_eq!(path("\"My.Schema\".\"a\"\"b\""), some("My.Schema", "a\"b"));
        for wrong in ["", "a.b.c", "(SELECT 1) x", "\"open", "a.", "\"a\"b", "drop table; x"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}
