//! Options of a table: read by name, checked, and none left over.

use crate::nearest;
use crate::settings::parse_duration_ms;
use millstream_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The options of one table while its factory reads them.
pub struct TableOptions<'a> {
    connector: &'a str,
    values: &'a BTreeMap<String, String>,
    known: BTreeSet<String>,
    prefixes: Vec<String>,
}

impl<'a> TableOptions<'a> {
    /// Options that nobody has read yet.
    pub fn new(connector: &'a str, values: &'a BTreeMap<String, String>) -> Self {
        let known = ["connector", "property-version"].map(str::to_owned).into();
        TableOptions { connector, values, known, prefixes: vec![] }
    }
    /// The value of an option, if it was given.
    pub fn get(&mut self, key: &str) -> Option<&'a str> {
        self.known.insert(key.to_owned());
        self.values.get(key).map(String::as_str)
    }
    /// The value of an option that must be given.
    ///
    /// # Errors
    /// `Config`, with its name.
    pub fn need(&mut self, key: &str) -> Result<&'a str> {
        let connector = self.connector;
        self.get(key).ok_or_else(|| {
            Error::config(format!("connector '{connector}' needs the option '{key}'"))
                .advice(format!("add '{key}' = '...' to WITH"))
        })
    }
    /// All options that begin with `prefix`, by the rest of their names.
    pub fn with_prefix(&mut self, prefix: &str) -> Vec<(&'a str, &'a str)> {
        self.prefixes.push(prefix.to_owned());
        let rest = |(k, v): (&'a String, &'a String)| Some((k.strip_prefix(prefix)?, v.as_str()));
        self.values.iter().filter_map(rest).collect()
    }
    /// A flag.
    ///
    /// # Errors
    /// `Config`, when it is neither true nor false.
    pub fn flag(&mut self, key: &str, default: bool) -> Result<bool> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Error::config(format!("option '{key}' cannot be '{other}'"))
                .advice("use true or false")),
        }
    }
    /// A whole number.
    ///
    /// # Errors
    /// `Config`, when it is none.
    pub fn number(&mut self, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let number = text.trim().parse().map_err(|_| {
            Error::config(format!("option '{key}' cannot be '{text}'")).advice("use a whole number")
        })?;
        Ok(Some(number))
    }
    /// A duration in milliseconds.
    ///
    /// # Errors
    /// `Config`, when it is none.
    pub fn duration_ms(&mut self, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        parse_duration_ms(text).map(Some).map_err(|e| e.at(format!("option '{key}'")))
    }
    /// One of several words.
    ///
    /// # Errors
    /// `Config`, when it is none of them.
    pub fn one_of(&mut self, key: &str, words: &[&'static str]) -> Result<&'static str> {
        let Some(text) = self.get(key) else { return Ok(words.first().copied().unwrap_or("")) };
        words.iter().copied().find(|w| w.eq_ignore_ascii_case(text)).ok_or_else(|| {
            Error::config(format!("option '{key}' cannot be '{text}'"))
                .advice(format!("use one of {}", words.join(", ")))
        })
    }
    /// A single character.
    ///
    /// # Errors
    /// `Config`, when it is none.
    pub fn character(&mut self, key: &str, default: char) -> Result<char> {
        let Some(text) = self.get(key) else { return Ok(default) };
        let text = if text == "\\t" { "\t" } else { text };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(Error::config(format!("option '{key}' cannot be '{text}'"))
                .advice("use one character")),
        }
    }
    /// Refuses options that nobody read.
    ///
    /// # Errors
    /// `Config`, naming the first and the nearest known one.
    pub fn finish(self) -> Result<()> {
        let read =
            |k: &&String| self.known.contains(*k) || self.prefixes.iter().any(|p| k.starts_with(p));
        let Some(unknown) = self.values.keys().find(|k| !read(k)) else { return Ok(()) };
        let what = format!("unsupported options found for '{}': '{unknown}'", self.connector);
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        Err(match nearest::hint(unknown, known.iter().copied()) {
            Some(hint) => Error::config(what).advice(hint),
            None => Error::config(what).advice(format!("supported are: {}", known.join(", "))),
        })
    }
}
