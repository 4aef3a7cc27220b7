//! Client properties: what is passed to librdkafka, and what may be shown of it.
//!
//! Before any connection: refuses properties that this build or this connector
//! cannot honour, by name, with the option to use in their place.
//!
//! Invariant: the value of a property that is not known to be harmless never
//! appears in an error, in `Debug` or in a log line.

use millstream_core::{Error, Result};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::fmt;

/// Names whose values may be shown; a name that ends in `.` stands for all below it.
const HARMLESS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "batch.",
    "bootstrap.servers",
    "broker.address.",
    "check.crcs",
    "client.id",
    "client.rack",
    "compression.",
    "connections.max.idle.ms",
    "delivery.timeout.ms",
    "enable.",
    "fetch.",
    "group.id",
    "isolation.level",
    "linger.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "message.",
    "metadata.",
    "partitioner",
    "queue.",
    "queued.",
    "receive.message.max.bytes",
    "reconnect.",
    "request.",
    "retries",
    "retry.",
    "sasl.mechanism",
    "sasl.mechanisms",
    "security.protocol",
    "session.timeout.ms",
    "socket.",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.",
];

fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|h| if h.ends_with('.') { name.starts_with(h) } else { name == *h })
}

/// The properties of one client.
#[derive(Clone, Default)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (_, _)| (name, if is_harmless(name) { value } else { "***" });
        f.debug_map().entries(self.0.iter().map(|(n, v)| shown((n.as_str(), v.as_str())))).finish()
    }
}

impl Properties {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
    /// Sets the first of several names for one property, unless one of them is set.
    pub(crate) fn set_default(&mut self, names: &[&str], value: impl Into<String>) {
        if let (Some(name), false) = (names.first(), names.iter().any(|n| self.0.contains_key(*n)))
        {
            self.set(*name, value);
        }
    }
    /// What a second client of the same cluster needs: addresses and logins.
    pub(crate) fn of_connection(&self) -> Properties {
        let wanted = |name: &str| {
            let prefixes = [
                "bootstrap.",
                "broker.",
                "client.",
                "enable.s",
                "reconnect.",
                "sasl.",
                "security.",
            ];
            let more = ["socket.", "ssl."];
            prefixes.iter().chain(&more).any(|prefix| name.starts_with(prefix))
        };
        Properties(self.0.clone().into_iter().filter(|(name, _)| wanted(name)).collect())
    }
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    pub(crate) fn bootstrap_servers(&self) -> &str {
        self.get("bootstrap.servers").unwrap_or("")
    }

    /// Replaces the secret values that `text` happens to contain.
    pub(crate) fn mask(&self, text: &str) -> String {
        let secrets = self.0.iter().filter(|(name, value)| !is_harmless(name) && value.len() > 2);
        secrets.fold(text.to_owned(), |text, (_, secret)| text.replace(secret.as_str(), "***"))
    }

    /// Checks everything that needs no broker. `managed` are properties that the
    /// connector sets itself, each with what to use in its place.
    pub(crate) fn validate(&self, managed: &[(&str, &str)]) -> Result<()> {
        if self.bootstrap_servers().trim().is_empty() {
            return Err(Error::config("bootstrap_servers is not set")
                .advice("set it to host:port of one or more brokers, separated by commas"));
        }
        for (name, instead) in managed {
            if self.0.contains_key(*name) {
                let what = format!("property '{name}' is managed by the connector");
                return Err(Error::config(what).advice(*instead));
            }
        }
        self.check_features(cfg!(feature = "tls"), cfg!(feature = "sasl"))?;
        // One by one, so that the same mistakes give the same error every time.
        for (name, value) in &self.0 {
            let alone = ClientConfig::from_iter([(name.clone(), value.clone())]);
            alone.create_native_config().map_err(|e| self.refused(e))?;
        }
        Ok(())
    }

    /// Refuses what this build of librdkafka was not compiled for.
    fn check_features(&self, tls: bool, sasl: bool) -> Result<()> {
        let advice = |feature: &str| format!("build with feature '{feature}' of millstream-kafka");
        let missing = |property: &str, value: &str, feature: &str| {
            let what = format!("property '{property}' is '{value}', which is not in this build");
            Err(Error::config(what).advice(advice(feature)))
        };
        let needs = |name: &str| match name {
            _ if name.starts_with("ssl.") && !tls => Some("tls"),
            _ if name.starts_with("sasl.oauthbearer.") && !tls => Some("tls"),
            _ if name.starts_with("sasl.kerberos.") && !sasl => Some("sasl"),
            _ => None,
        };
        for name in self.0.keys() {
            if let Some(feature) = needs(name) {
                let what = format!("property '{name}' is not in this build");
                return Err(Error::config(what).advice(advice(feature)));
            }
        }
        let protocol = self.get("security.protocol").unwrap_or("plaintext");
        let lower = protocol.to_ascii_lowercase();
        if lower.contains("ssl") && !tls {
            return missing("security.protocol", protocol, "tls");
        }
        if !lower.starts_with("sasl") {
            return Ok(());
        }
        // librdkafka's own default.
        let mechanism = self.get("sasl.mechanisms").or(self.get("sasl.mechanism"));
        let mechanism = mechanism.unwrap_or("GSSAPI");
        match mechanism.to_ascii_uppercase().as_str() {
            "GSSAPI" if !sasl => missing("sasl.mechanism", mechanism, "sasl"),
            "PLAIN" | "GSSAPI" => Ok(()),
            _ if !tls => missing("sasl.mechanism", mechanism, "tls"),
            _ => Ok(()),
        }
    }

    /// For librdkafka.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.0 {
            config.set(name, value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// A client that librdkafka would not make.
    pub(crate) fn refused(&self, error: KafkaError) -> Error {
        match error {
            KafkaError::ClientConfig(_, description, name, value) if is_harmless(&name) => {
                Error::config(format!("property '{name}' = '{value}' is refused: {description}"))
            }
            KafkaError::ClientConfig(_, description, name, _) => {
                // The description may quote the value.
                let known = !description.starts_with("No such");
                let why = if known { "has a value that is refused" } else { "does not exist" };
                Error::config(format!("property '{name}' {why}"))
            }
            other => Error::config(format!(
                "the Kafka client cannot be made: {}",
                self.mask(&other.to_string())
            )),
        }
        .advice("use the names and values of librdkafka's configuration page")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(entries: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::default();
        properties.set("bootstrap.servers", "127.0.0.1:9092");
        entries.iter().for_each(|(name, value)| properties.set(*name, *value));
        properties
    }

    #[test]
    fn secrets_and_unknown_properties_are_never_shown() {
        let p = properties(&[
            ("sasl.password", "hunter2hunter2"),
            ("ssl.key.password", "opensesame"),
            ("my.own.token", "abcdef"),
            ("linger.ms", "7"),
        ]);
        let shown = format!("{p:?}");
        for secret in ["hunter2", "opensesame", "abcdef"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("\"linger.ms\": \"7\""), "{shown}");
        assert_eq!(p.mask("login hunter2hunter2 failed"), "login *** failed");
        let error =
            properties(&[("my.own.token", "abcdef")]).validate(&[]).unwrap_err().to_string();
        assert!(error.contains("'my.own.token' does not exist"), "{error}");
        assert!(!error.contains("abcdef"), "{error}");
    }

    #[test]
    fn a_refused_value_of_a_secret_is_not_quoted() {
        let e = properties(&[]).refused(KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "Invalid value \"s3cret\"".into(),
            "sasl.password".into(),
            "s3cret".into(),
        ));
        assert_eq!(
            e.to_string(),
            "configuration: property 'sasl.password' has a value that is refused; use the names \
             and values of librdkafka's configuration page"
        );
    }

    #[test]
    fn options_of_a_missing_feature_are_refused_by_its_name() {
        let refused = |entries: &[(&str, &str)], tls, sasl| {
            properties(entries).check_features(tls, sasl).err().map(|e| e.to_string())
        };
        let ssl = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN")];
        assert!(refused(&ssl, false, false).unwrap().contains("feature 'tls'"));
        assert_eq!(refused(&ssl, true, false), None);
        let scram = [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "SCRAM-SHA-256")];
        assert!(refused(&scram, false, false).unwrap().contains("feature 'tls'"));
        let kerberos = [("security.protocol", "sasl_plaintext")];
        assert!(refused(&kerberos, true, false).unwrap().contains("feature 'sasl'"));
        let key = [("ssl.key.password", "opensesame")];
        let text = refused(&key, false, false).unwrap();
        assert!(text.contains("feature 'tls'") && !text.contains("opensesame"), "{text}");
        assert_eq!(refused(&key, true, false), None);
        let plain = [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN")];
        assert_eq!(refused(&plain, false, false), None);
    }

    #[test]
    fn managed_and_misspelt_properties_are_refused() {
        let p = properties(&[("enable.auto.commit", "true")]);
        let managed = [("enable.auto.commit", "use commit_offsets_on_checkpoint(..)")];
        let error = p.validate(&managed).unwrap_err().to_string();
        assert!(error.contains("use commit_offsets_on_checkpoint"), "{error}");
        let error = properties(&[("linger.ms", "soon")]).validate(&[]).unwrap_err().to_string();
        assert!(error.contains("'linger.ms' = 'soon'"), "{error}");
        assert!(Properties::default().validate(&[]).is_err());
    }
}
