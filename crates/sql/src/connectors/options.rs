//! The options of connectors and formats: declared once, checked in one place.
//!
//! Every connector and format has one table of [`OptionSpec`]s; it is what is checked,
//! what errors name, and what docs/sql lists.
//!
//! Invariant: an [`Options`] holds only options that are declared, with values of their
//! kind, and all that are required. A secret's value is in no error and no debug text.

use super::{Connector, TableSpec};
use crate::settings::parse_duration_ms;
use crate::zone::Zone;
use millstream_core::nearest;
use millstream_core::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number in this range, both ends included.
    Number(i64, i64),
    /// A number.
    Real,
    /// A time span: `500 ms`, `10 s`, `1 min`, `2 h`, `1 d`.
    Duration,
    /// A size: `64 kb`, `128 mb`, bytes without a unit.
    Size,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
}

/// An option: its name, what it takes, its default, what it does.
///
/// A `#` in a name stands for any text without a dot (`fields.#.kind`), a `*` at its end for
/// any text (`properties.*`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionSpec {
    /// Flink's name, without the prefix of the format.
    pub name: &'static str,
    /// What it takes.
    pub kind: OptionKind,
    /// What holds when it is not given; empty: nothing.
    pub default: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// In one clause.
    pub doc: &'static str,
}

impl OptionSpec {
    /// An option that may be left out.
    pub const fn new(
        name: &'static str,
        kind: OptionKind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        OptionSpec { name, kind, default, required: false, doc }
    }
    /// An option that must be given.
    pub const fn required(name: &'static str, kind: OptionKind, doc: &'static str) -> Self {
        OptionSpec { name, kind, default: "", required: true, doc }
    }
    /// Whether this is the declaration of the option `name`.
    pub fn matches(&self, name: &str) -> bool {
        if let Some(prefix) = self.name.strip_suffix('*') {
            return name.len() > prefix.len() && name.starts_with(prefix);
        }
        match self.name.split_once('#') {
            Some((before, after)) => name
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|middle| !middle.is_empty()),
            None => self.name == name,
        }
    }
}

/// Checked options of one connector or format.
#[derive(Clone, Default)]
pub struct Options {
    values: BTreeMap<String, String>,
    specs: Vec<(String, &'static [OptionSpec])>,
    zone: Option<Zone>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.values.iter().map(|(name, value)| (name, masked(name, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// Parts of names whose values nobody should see, declared or not.
const SECRET_PARTS: &[&str] = &[
    "password",
    "secret",
    "token",
    "jaas.config",
    "api-key",
    "apikey",
    "credential",
    "access.key",
    "access-key",
    "auth",
];

/// What is shown in place of a secret.
pub const MASK: &str = "******";

/// The value of an option as it may be shown.
///
/// ```
/// use millstream_sql::connectors::masked;
/// assert_eq!(masked("properties.sasl.jaas.config", "x"), "******");
/// assert_eq!(masked("topic", "x"), "x");
/// ```
pub fn masked<'a>(name: &str, value: &'a str) -> &'a str {
    let name = name.to_ascii_lowercase();
    let secret = SECRET_PARTS.iter().any(|part| name.contains(part)) || holds_password(value);
    if secret { MASK } else { value }
}

/// Whether a value is a URL with a password in it.
fn holds_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once(":") else { return false };
    let place = rest.trim_start_matches(|c| c != '/').trim_start_matches('/');
    let login = place.split(['/', '?']).next().and_then(|place| place.rsplit_once('@'));
    let query = value.split_once('?').map_or(String::new(), |(_, q)| q.to_ascii_lowercase());
    login.is_some_and(|(login, _)| login.contains(':')) || query.contains("password=")
}

impl Options {
    /// The options of a table, checked against its connector and the formats that it names.
    pub(super) fn of_table(connector: &Connector, table: &TableSpec) -> Result<Self> {
        let mut specs = vec![(String::new(), connector.options)];
        for (option, prefix) in connector.formats {
            if let Some(name) = table.options.get(*option) {
                let format = crate::formats::find(name).map_err(|e| e.at(table.place()))?;
                specs.push((format!("{prefix}{}.", format.name), format.options));
            }
        }
        let known = connector.formats.iter().map(|(option, _)| *option).collect::<Vec<_>>();
        let checked = Self::check(connector.name, &known, specs, &table.options);
        let checked = checked.map_err(|e| e.at(table.place()))?;
        Ok(Options { zone: Some(table.zone), ..checked })
    }

    /// Checks `given` against tables of declarations, each with the prefix of its names.
    fn check(
        owner: &str,
        known: &[&str],
        specs: Vec<(String, &'static [OptionSpec])>,
        given: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let find = |name: &str| {
            specs.iter().find_map(|(prefix, table)| {
                let own = name.strip_prefix(prefix.as_str())?;
                table.iter().find(|spec| spec.matches(own))
            })
        };
        for (name, value) in given {
            if name == "connector" || known.contains(&name.as_str()) {
                continue;
            }
            let Some(spec) = find(name) else {
                let names: Vec<String> = specs
                    .iter()
                    .flat_map(|(p, table)| table.iter().map(move |s| format!("{p}{}", s.name)))
                    .chain(known.iter().map(|k| (*k).to_owned()))
                    .collect();
                let all = names.iter().map(String::as_str);
                let advice = nearest::hint(name, all)
                    .unwrap_or_else(|| format!("it has the options {}", names.join(", ")));
                let what = format!("'{owner}' has no option '{name}'");
                return Err(Error::config(what).advice(advice));
            };
            check_value(name, spec, value)?;
        }
        for (prefix, table) in &specs {
            for spec in table.iter().filter(|spec| spec.required) {
                let name = format!("{prefix}{}", spec.name);
                if !given.contains_key(&name) {
                    return Err(Error::config(format!("'{owner}' needs the option '{name}'"))
                        .advice(format!("add '{name}' = '...': {}", spec.doc)));
                }
            }
        }
        Ok(Options { values: given.clone(), specs, zone: None })
    }

    /// Options of a format, for its tests.
    #[cfg(test)]
    pub(crate) fn for_tests(specs: &'static [OptionSpec], given: &[(&str, &str)]) -> Self {
        let values = given.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Self::check("test", &[], vec![(String::new(), specs)], &values).unwrap()
    }

    /// The options of the format that the option `name` (`format`) gives, without prefix.
    pub(crate) fn of_format(
        &self,
        option: &str,
        prefix: &str,
    ) -> Result<Option<(String, Options)>> {
        let Some(name) = self.values.get(option) else { return Ok(None) };
        let format = crate::formats::find(name)?;
        let full = format!("{prefix}{}.", format.name);
        let own = |(k, v): (&String, &String)| {
            k.strip_prefix(full.as_str()).map(|k| (k.to_owned(), v.clone()))
        };
        let values = self.values.iter().filter_map(own).collect();
        let specs = vec![(String::new(), format.options)];
        Ok(Some((name.clone(), Options { values, specs, zone: self.zone })))
    }

    /// Gives an option a value if it is one and has none.
    #[cfg(feature = "kafka")]
    pub(crate) fn set_default(&mut self, name: &str, value: &str) {
        let known = |(_, table): &(String, &[OptionSpec])| table.iter().any(|s| s.matches(name));
        if self.specs.iter().any(known) && !self.values.contains_key(name) {
            self.values.insert(name.to_owned(), value.to_owned());
        }
    }
    /// The session's time zone.
    #[cfg(feature = "parquet")]
    pub(crate) fn zone(&self) -> Zone {
        self.zone.unwrap_or(Zone::UTC)
    }
    /// The value of an option: what was given, or its default.
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.values.get(name) {
            return Some(value);
        }
        let default = self.specs.iter().find_map(|(prefix, table)| {
            let own = name.strip_prefix(prefix.as_str())?;
            table.iter().find(|spec| spec.matches(own)).map(|spec| spec.default)
        });
        default.filter(|text| !text.is_empty())
    }
    /// Whether an option was given.
    pub fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
    /// A flag; false when it is not given and has no default.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }
    /// A number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }
    /// A number with a point.
    pub fn real(&self, name: &str) -> Option<f64> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }
    /// A time span, in milliseconds.
    pub fn duration_ms(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| parse_duration_ms(text).ok())
    }
    /// A size, in bytes.
    pub fn size_bytes(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(size_bytes)
    }
    /// All options that were given under a prefix, without it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(move |(k, v)| k.strip_prefix(prefix).map(|k| (k, v.as_str())))
    }
}

fn check_value(name: &str, spec: &OptionSpec, value: &str) -> Result<()> {
    let text = value.trim();
    let (fits, wanted) = match spec.kind {
        OptionKind::Text | OptionKind::Secret => return Ok(()),
        OptionKind::Flag => {
            let fits = ["true", "false"].iter().any(|v| text.eq_ignore_ascii_case(v));
            (fits, "true or false".to_owned())
        }
        OptionKind::Number(min, max) => {
            let fits = text.parse::<i64>().is_ok_and(|n| (min..=max).contains(&n));
            (fits, format!("a whole number from {min} to {max}"))
        }
        OptionKind::Real => (text.parse::<f64>().is_ok(), "a number".to_owned()),
        OptionKind::Duration => {
            (parse_duration_ms(text).is_ok(), "a time span, such as '500 ms' or '10 s'".to_owned())
        }
        OptionKind::Size => {
            (size_bytes(text).is_some(), "a size, such as '64 kb' or '128 mb'".to_owned())
        }
        OptionKind::OneOf(words) => {
            let fits = words.iter().any(|word| text.eq_ignore_ascii_case(word));
            (fits, format!("one of {}", words.join(", ")))
        }
    };
    if fits {
        return Ok(());
    }
    let shown = masked(name, value);
    Err(Error::config(format!("option '{name}' cannot be '{shown}'"))
        .advice(format!("use {wanted}")))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec::required("path", OptionKind::Text, "where the files are"),
        OptionSpec::new("limit", OptionKind::Number(1, 9), "3", "how many"),
        OptionSpec::new("every", OptionKind::Duration, "", "how often"),
        OptionSpec::new("fields.#.kind", OptionKind::OneOf(&["random", "sequence"]), "", "how"),
        OptionSpec::new("properties.*", OptionKind::Text, "", "the client's own"),
    ];

    fn check(given: &[(&str, &str)]) -> Result<Options> {
        let given = given.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Options::check("thing", &["format"], vec![(String::new(), SPECS)], &given)
    }

    #[test]
    fn values_and_defaults() {
        let options =
            check(&[("path", "x"), ("every", "2 min"), ("fields.a.kind", "SEQUENCE")]).unwrap();
        assert_eq!(options.number("limit"), Some(3));
        assert_eq!(options.duration_ms("every"), Some(120_000));
        assert_eq!(options.text("fields.a.kind"), Some("SEQUENCE"));
        assert_eq!(options.text("properties.none"), None);
        assert_eq!(size_bytes("64 kb"), Some(65_536));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = |given: &[(&str, &str)]| check(given).unwrap_err().to_string();
        assert_eq!(
            text(&[("pth", "x")]),
            "configuration: 'thing' has no option 'pth'; did you mean 'path'?"
        );
        assert!(text(&[]).contains("'thing' needs the option 'path'"));
        assert_eq!(
            text(&[("path", "x"), ("limit", "10")]),
            "configuration: option 'limit' cannot be '10'; use a whole number from 1 to 9"
        );
        assert!(text(&[("path", "x"), ("fields.a.kind", "rnd")]).contains("random, sequence"));
        assert!(text(&[("path", "x"), ("colour", "blue")]).contains("has no option 'colour'"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let options =
            check(&[("path", "x"), ("properties.sasl.jaas.config", "password=hunter2")]).unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
        for url in ["jdbc:postgresql://h/d?user=u&password=p", "https://u:p@h:1/x"] {
            assert_eq!(masked("url", url), MASK);
        }
        for plain in ["jdbc:postgresql://h:1/d?user=u", "10:20", "https://h/x@y:z", "a@b:c"] {
            assert_eq!(masked("url", plain), plain);
        }
    }
}
