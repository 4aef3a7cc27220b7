//! Stores behind URLs, where they were built in, and what their errors mean to people.
//!
//! Settings come from the environment by the vendors' own names (`AWS_ENDPOINT`,
//! `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_KEY`, ...). A request is tried again for
//! a while, with pauses; what is still failing then is the caller's to try again or not.
//!
//! Invariant: the answer of a store is not shown as it is: of its XML only code and message.

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use std::sync::Arc;
use url::Url;

/// Times of requests that fail. The request itself has `AWS_TIMEOUT` (and `GOOGLE_`,
/// `AZURE_`), by default 30 s.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn retries() -> object_store::RetryConfig {
    use std::time::Duration;
    object_store::RetryConfig {
        backoff: object_store::BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(20),
    }
}

/// A store of one vendor.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
macro_rules! store {
    ($builder:ty, $url:expr, $settings:expr) => {{
        let builder = <$builder>::new().with_url($url.to_string()).with_retry(retries());
        let builder = $settings.fold(builder, |builder, (name, value)| {
            match name.to_ascii_lowercase().parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            }
        });
        Ok(Arc::new(builder.build()?))
    }};
}

/// What a URL names: a store, and the path in it. Settings that a store does not know, or
/// that are of another vendor, are left alone: the environment has many.
pub(super) fn open(
    url: &Url,
    settings: impl Iterator<Item = (String, String)>,
) -> object_store::Result<(Arc<dyn ObjectStore>, Path)> {
    let settings = settings.filter(|(name, _)| {
        ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|vendor| name.starts_with(vendor))
    });
    // Nobody asks for them where no such store was built in.
    let _ = &settings;
    let (scheme, path) = ObjectStoreScheme::parse(url)?;
    let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::Memory => Ok(Arc::new(InMemory::new())),
        #[cfg(feature = "s3")]
        ObjectStoreScheme::AmazonS3 => store!(object_store::aws::AmazonS3Builder, url, settings),
        #[cfg(feature = "gcs")]
        ObjectStoreScheme::GoogleCloudStorage => {
            store!(object_store::gcp::GoogleCloudStorageBuilder, url, settings)
        }
        #[cfg(feature = "azure")]
        ObjectStoreScheme::MicrosoftAzure => {
            store!(object_store::azure::MicrosoftAzureBuilder, url, settings)
        }
        other => Err(not_here(&other)),
    };
    Ok((store?, path))
}

fn not_here(scheme: &ObjectStoreScheme) -> object_store::Error {
    let feature = match scheme {
        ObjectStoreScheme::AmazonS3 => Some("s3"),
        ObjectStoreScheme::GoogleCloudStorage => Some("gcs"),
        ObjectStoreScheme::MicrosoftAzure => Some("azure"),
        _ => None,
    };
    let why = match feature {
        Some(feature) => format!("this build has no cargo feature '{feature}'"),
        None => "places of this kind are not supported".to_owned(),
    };
    object_store::Error::NotSupported { source: why.into() }
}

/// An error of a store for people: without the XML that some answer with, which names keys
/// and signatures.
pub(super) fn shown(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    // The reason at the bottom, such as "connection refused", is not part of every text.
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let reason = cause.to_string();
    if !text.contains(&reason) {
        text = format!("{text}: {reason}");
    }
    let text = super::masked(&text);
    let Some(at) = text.find("<?xml").or_else(|| text.find("<Error")) else { return text };
    let (before, xml) = text.split_at(at);
    let between = |tag: &str| {
        let rest = xml.split_once(&format!("<{tag}>"))?.1;
        rest.split_once("</").map(|(content, _)| content.trim())
    };
    let parts: Vec<&str> = ["Code", "Message"].iter().filter_map(|tag| between(tag)).collect();
    format!("{}{}", before, parts.join(", ")).trim_end_matches([' ', ':']).to_owned()
}

/// Whether trying again helps, and what to do.
pub(super) enum Remedy {
    Retry(&'static str),
    Configure(&'static str),
}

/// What helps against an error; `NotFound` only of calls that create what is missing.
pub(super) fn remedy(error: &object_store::Error) -> Remedy {
    use object_store::Error as E;
    use std::io::ErrorKind as Io;
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Remedy::Configure(
            "check the credentials in the environment; a job must be allowed to list, read, write \
             and delete there",
        ),
        E::NotFound { .. } => Remedy::Configure(
            "create the bucket first, or correct its name; or check the credentials",
        ),
        E::NotImplemented { .. } | E::NotSupported { .. } => Remedy::Configure(
            "use a store that can create an object only where there is none (If-None-Match: *)",
        ),
        // Of a listing that was refused only the text tells.
        E::Generic { .. } if refused_with(error, &["401", "403"]) => {
            remedy(&E::PermissionDenied { path: String::new(), source: "".into() })
        }
        E::Generic { .. } if refused_with(error, &["404"]) => {
            remedy(&E::NotFound { path: String::new(), source: "".into() })
        }
        _ => match io_kind(error) {
            Some(Io::PermissionDenied | Io::ReadOnlyFilesystem) => {
                Remedy::Configure("let the user of the job write there, or choose another place")
            }
            Some(Io::StorageFull | Io::QuotaExceeded) => {
                Remedy::Retry("make room: delete old savepoints, or keep fewer checkpoints")
            }
            _ => Remedy::Retry("check that storage can be reached, has room and may be written"),
        },
    }
}

fn refused_with(error: &object_store::Error, statuses: &[&str]) -> bool {
    let text = error.to_string();
    statuses.iter().any(|status| text.contains(&format!("status code: {status} ")))
}

/// The error of the operating system at the bottom of `error`.
fn io_kind(error: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(at) = cause {
        if let Some(io) = at.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = at.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_stores_answer_code_and_message_are_shown() {
        let answer = "403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch\
                      </Code><Message>It does not match.</Message><AWSAccessKeyId>AKIA1\
                      </AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>";
        let error =
            object_store::Error::PermissionDenied { path: "a/b".into(), source: answer.into() };
        let text = shown(&error);
        assert!(
            text.ends_with("403 Forbidden: SignatureDoesNotMatch, It does not match."),
            "{text}"
        );
        assert!(!text.contains("AKIA1") && !text.contains("AWS4"), "{text}");
    }
}
