//! A client of schema registries with Confluent's API.
//!
//! Schemas are asked for once an id, and kept. Requests wait, with a limit: they happen when
//! a message has an id that was never seen, and once for each writer.
//!
//! Invariant: credentials are in no error and no debug text.

use super::schema::AvroSchema;
use crate::connectors::{OptionKind, OptionSpec, Options};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 3;
const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

pub(super) const URL: OptionSpec =
    OptionSpec::required("url", OptionKind::Text, "the registry, several between commas");
pub(super) const SUBJECT: OptionSpec = OptionSpec::new(
    "subject",
    OptionKind::Text,
    "",
    "the name under which the schema is registered; for kafka topic-value or topic-key without it",
);
pub(super) const SCHEMA: OptionSpec = OptionSpec::new(
    "schema",
    OptionKind::Text,
    "",
    "the schema that is written, in place of the one made of the table's columns",
);
pub(super) const AUTH_SOURCE: OptionSpec = OptionSpec::new(
    "basic-auth.credentials-source",
    OptionKind::OneOf(&["USER_INFO", "URL"]),
    "",
    "where user and password are: in basic-auth.user-info, or in the url",
);
pub(super) const USER_INFO: OptionSpec =
    OptionSpec::new("basic-auth.user-info", OptionKind::Secret, "", "user:password");
pub(super) const BEARER_SOURCE: OptionSpec = OptionSpec::new(
    "bearer-auth.credentials-source",
    OptionKind::OneOf(&["STATIC_TOKEN"]),
    "",
    "where the token is",
);
pub(super) const TOKEN: OptionSpec =
    OptionSpec::new("bearer-auth.token", OptionKind::Secret, "", "the token");

pub(super) struct Registry {
    agent: ureq::Agent,
    /// Base URLs without user and password.
    urls: Vec<String>,
    authorization: Option<String>,
    known: Mutex<HashMap<u32, Arc<AvroSchema>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl Registry {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let (mut urls, mut in_url) = (vec![], None);
        for url in options.text(URL.name).unwrap_or_default().split(',').map(str::trim) {
            let Some((scheme, rest)) = url.split_once("://") else {
                return Err(Error::config("the option 'url' of the schema registry is no URL")
                    .advice("write http://host:8081 or https://host"));
            };
            if !matches!(scheme, "http" | "https") {
                return Err(Error::config(format!("a schema registry at '{scheme}://'"))
                    .advice("write http://host:8081 or https://host"));
            }
            let (login, place) = match rest.rsplit_once('@') {
                Some((login, place)) => (Some(login), place),
                None => (None, rest),
            };
            in_url = in_url.or(login.map(str::to_owned));
            urls.push(format!("{scheme}://{}", place.trim_end_matches('/')));
        }
        let from_url =
            options.text(AUTH_SOURCE.name).is_some_and(|source| source.eq_ignore_ascii_case("URL"));
        let login = match options.text(USER_INFO.name) {
            Some(login) => Some(login.to_owned()),
            None if from_url || in_url.is_some() => in_url,
            None => None,
        };
        let basic = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
        let bearer = options.text(TOKEN.name).map(|token| format!("Bearer {token}"));
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        Ok(Registry {
            agent: config.into(),
            urls,
            authorization: basic.or(bearer),
            known: Mutex::new(HashMap::new()),
        })
    }

    /// The schema with an id.
    pub(super) fn schema(&self, id: u32) -> Result<Arc<AvroSchema>> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known().get(&id) {
            return Ok(Arc::clone(schema));
        }
        let answer = self.ask(&format!("schemas/ids/{id}"), None)?;
        if let Some(other) = answer.get("schemaType").and_then(Value::as_str)
            && other != "AVRO"
        {
            return Err(Error::data(format!("schema {id} is of type {other}, not AVRO"))
                .advice("read the topic with the format that it was written with"));
        }
        let text = answer.get("schema").and_then(Value::as_str);
        let text = text.ok_or_else(|| unexpected(&answer))?;
        let schema = AvroSchema::parse(text).map_err(|e| e.at(format!("schema {id}")))?;
        let schema = Arc::new(schema);
        known().insert(id, Arc::clone(&schema));
        Ok(schema)
    }

    /// Registers a schema, if it is not yet; its id.
    pub(super) fn register(&self, subject: &str, schema: &str) -> Result<u32> {
        let body = json!({ "schema": schema }).to_string();
        let subject = percent_encoded(subject);
        let answer = self.ask(&format!("subjects/{subject}/versions"), Some(&body))?;
        let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| unexpected(&answer))
    }

    /// Asks one registry after the other, and all of them again.
    fn ask(&self, path: &str, body: Option<&str>) -> Result<Value> {
        let mut last = Error::bug("a schema registry without a URL");
        for round in 0..=RETRIES {
            if round > 0 {
                std::thread::sleep(Duration::from_millis(200) * round);
            }
            for url in &self.urls {
                match self.ask_one(&format!("{url}/{path}"), body) {
                    Ok(answer) => return Ok(answer),
                    Err((error, true)) => last = error,
                    Err((error, false)) => return Err(error),
                }
            }
        }
        Err(last)
    }

    /// The answer; or an error, and whether another try may help.
    fn ask_one(&self, url: &str, body: Option<&str>) -> Result<Value, (Error, bool)> {
        let place = |e: Error| e.at(format!("schema registry {url}"));
        let sent = match body {
            None => {
                let mut request = self.agent.get(url).header("Accept", CONTENT);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(url).header("Accept", CONTENT);
                request = request.header("Content-Type", CONTENT);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.send(body)
            }
        };
        let unreachable = |e: ureq::Error| {
            let error = Error::retry(format!("no answer: {e}"))
                .advice("check that it runs and that the option 'url' is right");
            (place(error), true)
        };
        let mut response = sent.map_err(unreachable)?;
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let said = answer.get("message").and_then(Value::as_str).unwrap_or(text.trim());
        let said: String = said.chars().take(500).collect();
        let what = format!("it answers {status}: {said}");
        let (error, again) = match status {
            401 | 403 => (Error::config(what).advice("check basic-auth.user-info"), false),
            404 => {
                (Error::data(what).advice("the message was written with another registry"), false)
            }
            409 | 422 => {
                let advice = "change the table, or the compatibility rule of the subject";
                (Error::config(what).advice(advice), false)
            }
            429 | 500.. => (Error::retry(what).advice("look at the registry's log"), true),
            _ => (Error::config(what).advice("check the option 'url'"), false),
        };
        Err((place(error), again))
    }
}

fn unexpected(answer: &Value) -> Error {
    let shown: String = answer.to_string().chars().take(200).collect();
    Error::config(format!("the schema registry answers {shown}"))
        .advice("check that the option 'url' names a schema registry")
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
