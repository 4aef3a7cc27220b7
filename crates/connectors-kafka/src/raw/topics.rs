//! Makes a topic when it is missing.
//!
//! On top of `cluster`; any broker passes the request on to the controller.

use super::cluster::{RawCluster, Try, outcome};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use millstream_core::{Error, Result};

const TIMEOUT_MS: i32 = 10_000;

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

impl RawCluster {
    /// Makes a topic with one partition and the brokers' default replication, unless it is
    /// there.
    pub(crate) fn create_topic(&mut self, name: &str, settings: &[(&str, &str)]) -> Result<()> {
        let what = format!("create the topic '{name}'");
        self.retry(&what, |cluster, deadline| {
            let setting = |(name, value): &(&str, &str)| {
                CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
            };
            let topic = CreatableTopic::default()
                .with_name(TopicName(text(name)))
                .with_num_partitions(1)
                .with_replication_factor(-1)
                .with_configs(settings.iter().map(setting).collect());
            let request =
                CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
            let answer = cluster.call_any(&request, 6, deadline)?;
            let Some(made) = answer.topics.first() else {
                return Err(Error::restart(format!("{what}: the answer is empty")));
            };
            use ResponseError as E;
            match ResponseError::try_from_code(made.error_code) {
                None | Some(E::TopicAlreadyExists) => Ok(Try::Done(())),
                Some(E::NotController) => Ok(Try::Again("NotController".into())),
                Some(error @ (E::TopicAuthorizationFailed | E::PolicyViolation)) => {
                    let advice = "create it yourself with one partition and cleanup.policy=delete";
                    Err(Error::config(format!("{what}: {error:?}")).advice(advice))
                }
                Some(error) => outcome(error, &what),
            }
        })
    }
}
