//! The events in a Kafka topic, as JSON: put there once, read by both sides.

use super::{Load, engine};
use millstream_sql::session::{Outcome, SqlError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::path::Path;

/// A topic of events; it is deleted in the end.
pub(super) struct Topic {
    admin: AdminClient<DefaultClientContext>,
    /// Its name.
    pub(super) name: String,
}

impl Topic {
    /// Makes a topic with a partition for each subtask, and puts the events into it.
    pub(super) fn fill(servers: &str, load: &Load) -> Result<Self, String> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .create()
            .map_err(|e| e.to_string())?;
        let name = format!("nexmark-{}", std::process::id());
        let new = NewTopic::new(&name, load.parallelism as i32, TopicReplication::Fixed(1));
        let made = admin.create_topics([&new], &AdminOptions::new());
        let made = futures_executor::block_on(made).map_err(|e| format!("{servers}: {e}"))?;
        if let Some(Err((_, why))) = made.into_iter().next() {
            return Err(format!("cannot make the topic {name} at {servers}: {why}"));
        }
        let topic = Topic { admin, name };
        // One writer, so that each partition is in order of time.
        let mut session =
            engine::session(load, "SET 'parallelism.default' = '1';", Path::new("not read"))?;
        let insert = format!(
            "CREATE TABLE events WITH ('connector' = 'kafka', 'topic' = '{}',
                 'properties.bootstrap.servers' = '{servers}', 'format' = 'json')
             LIKE nexmark (EXCLUDING ALL);
             INSERT INTO events SELECT event_type, person, auction, bid FROM nexmark;",
            topic.name
        );
        let ignore = |_: Outcome| Ok::<(), SqlError>(());
        session.run(&insert, ignore).map_err(|e| e.to_string())?;
        Ok(topic)
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let gone = self.admin.delete_topics(&[&self.name], &AdminOptions::new());
        if let Err(e) = futures_executor::block_on(gone) {
            eprintln!("cannot delete the topic {}: {e}", self.name);
        }
    }
}
