//! Where the database is: URL, password, and how long it may be away.

use millstream_core::{Error, Result};
use postgres::config::SslMode;
use std::fmt;
use std::time::Duration;

/// How to reach the database.
#[derive(Clone)]
pub struct ConnectionConfig {
    pub(crate) url: String,
    pub(crate) password: Option<String>,
    /// How long a lost connection is tried again before the attempt fails.
    pub(crate) retry_timeout: Duration,
    /// When set, this many times in place of `retry_timeout`.
    pub(crate) max_retries: Option<u32>,
    pub(crate) connect_timeout: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        ConnectionConfig {
            url: String::new(),
            password: None,
            retry_timeout: Duration::from_secs(60),
            max_retries: None,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("address", &self.address())
            .field("retry_timeout", &self.retry_timeout)
            .finish_non_exhaustive()
    }
}

impl ConnectionConfig {
    /// The database at `postgres://user@host:5432/database`.
    pub fn new(url: impl Into<String>) -> Self {
        ConnectionConfig { url: url.into(), ..ConnectionConfig::default() }
    }
    /// The password; never shown. An empty one is none.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = password.into();
        self.password = (!password.is_empty()).then_some(password);
        self
    }
    /// How long a lost connection is tried again before the attempt fails; 60 s when not called.
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }
    /// How often what failed for want of the server is tried again, in place of
    /// [`retry_timeout`](Self::retry_timeout): after one second, then two, and so on.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }
    /// How long making a connection may take; 10 s when not called.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }
    /// Checks it, without I/O.
    ///
    /// # Errors
    /// `Config`: no user or database, TLS, or a URL that cannot be read.
    pub fn check(&self) -> Result<()> {
        self.parse().map(|_| ())
    }
    /// The client's form of it.
    pub(crate) fn parse(&self) -> Result<postgres::Config> {
        if self.url.is_empty() {
            return Err(Error::config("url is not set")
                .advice("set it to postgres://user@host:5432/database"));
        }
        // The parser's own error may quote the text, password and all.
        let mut config: postgres::Config = self.url.parse().map_err(|_| {
            Error::config("the url of the database cannot be read")
                .advice("write postgres://user@host:5432/database, and set password(..) apart")
        })?;
        if config.get_dbname().is_none() || config.get_user().is_none() {
            return Err(Error::config("the url of the database has no user or no database")
                .advice("write postgres://user@host:5432/database"));
        }
        if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
            return Err(Error::config("the url asks for TLS, which is not there yet").advice(
                "use a connection inside your network with sslmode=disable, or a TLS proxy",
            ));
        }
        config.ssl_mode(SslMode::Disable);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config.connect_timeout(self.connect_timeout);
        config.application_name("millstream");
        config.keepalives_idle(Duration::from_secs(30));
        Ok(config)
    }

    /// Host and database, for people.
    pub(crate) fn address(&self) -> String {
        let Ok(config) = self.url.parse::<postgres::Config>() else { return "?".into() };
        let host = config.get_hosts().first().map(|host| match host {
            postgres::config::Host::Tcp(name) => name.clone(),
            #[allow(unreachable_patterns)] // sockets by path exist on Unix only
            other => format!("{other:?}"),
        });
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let (host, name) = (host.unwrap_or_default(), config.get_dbname().unwrap_or_default());
        format!("{host}:{port}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_and_wrong_urls_are_not_quoted() {
        let with = |url: &str| ConnectionConfig { url: url.into(), ..ConnectionConfig::default() };
        let config = with("postgres://me:hunter2@db.example:5433/shop");
        assert_eq!(config.address(), "db.example:5433/shop");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(config.parse().is_ok());
        for wrong in ["postgres://me:hunter2@db:port/x", "", "postgres://db/x", "hunter2"] {
            let error = with(wrong).parse().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let tls = with("postgres://me@db/shop?sslmode=require").parse().unwrap_err().to_string();
        assert!(tls.contains("TLS"), "{tls}");
    }
}
