//! Kafka's ids of topics, which tell a topic that was deleted and created again.
//!
//! Before data flows, and every few seconds while it does: a position of a former topic of the same name must not be
//! used for the new one, where it names other records. rdkafka does not wrap this
//! request, so librdkafka is called here.
//!
//! Invariant: an id is an answer of a broker; where there is none (old brokers, no
//! right to ask) positions are used as they are.
//! Source: KIP-516; librdkafka's `rdkafka.h`, "DescribeTopics".

use crate::client::{Connection, Deadline};
use crate::split::KafkaSplit;
use millstream_core::{Error, Result};
use rdkafka::bindings as sys;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::IsError;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};

/// The id of a topic that has none.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The ids of `topics`, as Kafka's tools show them, as far as a broker tells.
fn topic_ids(topics: &[&str], with: &Connection, deadline: Deadline) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let names: Vec<_> = topics.iter().filter_map(|name| CString::new(*name).ok()).collect();
    if names.is_empty() {
        return ids;
    }
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // Some servers that speak Kafka's protocol give no answer: time is left for the rest.
    let timeout = deadline.remaining() / 2;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive; names are zero-terminated and copied by librdkafka; what
    // is made here is destroyed here, the event after the last use of what it owns; the
    // queue is destroyed last. Null is checked where librdkafka may give it.
    unsafe {
        let rk = with.consumer.client().native_ptr();
        let queue = sys::rd_kafka_queue_new(rk);
        let asked =
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let kind = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = sys::rd_kafka_AdminOptions_new(rk, kind);
        if !options.is_null() {
            let (mut text, size) = ([0; 256], 256);
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout_ms,
                text.as_mut_ptr(),
                size,
            );
        }
        sys::rd_kafka_DescribeTopics(rk, asked, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, timeout_ms);
        if !event.is_null() {
            let result = sys::rd_kafka_event_DescribeTopics_result(event);
            if !sys::rd_kafka_event_error(event).is_error() && !result.is_null() {
                let mut count = 0;
                let found = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
                for index in 0..count {
                    let topic = *found.add(index);
                    let error = sys::rd_kafka_TopicDescription_error(topic);
                    let id = sys::rd_kafka_TopicDescription_topic_id(topic);
                    if sys::rd_kafka_error_code(error).is_error() || id.is_null() {
                        continue;
                    }
                    let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic));
                    let id = CStr::from_ptr(sys::rd_kafka_Uuid_base64str(id)).to_string_lossy();
                    if id != NONE {
                        ids.insert(name.to_string_lossy().into_owned(), id.into_owned());
                    }
                }
            }
            sys::rd_kafka_event_destroy(event);
        }
        if !options.is_null() {
            sys::rd_kafka_AdminOptions_destroy(options);
        }
        sys::rd_kafka_TopicCollection_destroy(asked);
        sys::rd_kafka_queue_destroy(queue);
    }
    ids
}

/// The ids that the splits' topics had when reading began.
pub(crate) fn of(splits: &[KafkaSplit]) -> BTreeMap<String, String> {
    let with_id = |s: &KafkaSplit| Some((s.topic.clone(), s.topic_id.clone()?));
    splits.iter().filter_map(with_id).collect()
}

/// Refuses to go on when one of the topics, known by these ids, is another one now.
pub(crate) fn check_unchanged(
    known: &BTreeMap<String, String>,
    with: &Connection,
    deadline: Deadline,
) -> Result<()> {
    let topics: Vec<_> = known.keys().map(String::as_str).collect();
    let now = topic_ids(&topics, with, deadline);
    match known.iter().find(|(topic, id)| now.get(*topic).is_some_and(|now| now != *id)) {
        Some((topic, id)) => Err(Error::config(format!(
            "Kafka topic '{topic}' was deleted and created again (id {id} before, {} now) while \
             it was being read: some of its records may have been passed over",
            now.get(topic).map_or("", String::as_str)
        ))
        .advice("start without stored positions to read the new topic from its beginning")),
        None => Ok(()),
    }
}

/// Gives each split the id of its topic, and refuses one whose stored id is another.
pub(crate) fn check(
    splits: &mut [KafkaSplit],
    with: &Connection,
    deadline: Deadline,
) -> Result<()> {
    let mut topics: Vec<_> = splits.iter().map(|s| s.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let ids = topic_ids(&topics, with, deadline);
    for split in splits {
        let Some(id) = ids.get(&split.topic) else { continue };
        match &split.topic_id {
            Some(stored) if stored != id => {
                return Err(Error::config(format!(
                    "Kafka topic '{}' was deleted and created again (id {stored} before, {id} \
                     now): the stored position of partition {} is of the former one",
                    split.topic, split.partition
                ))
                .advice("start without stored positions, or give the source another uid"));
            }
            _ => split.topic_id = Some(id.clone()),
        }
    }
    Ok(())
}
