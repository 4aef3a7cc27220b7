//! The queue of fetched records of one partition, read in batches.
//!
//! Between librdkafka's fetcher and the reader's thread. rdkafka hands out one event,
//! one allocation and one look at the clock per record, and loses the topic and offset
//! of an end of partition; so this module, and no other, calls librdkafka itself.
//!
//! Invariants: every message taken is given back exactly once; the queue goes before
//! its client; the wake-up's target outlives the queue.
//! Source: librdkafka's `rdkafka.h`, "Queue API" and "Simple Consumer API".

use crate::client::Consumer;
use crate::signal::Signal;
use crate::split::TopicPartition;
use millstream_core::{Error, NO_TIMESTAMP, Result};
use rdkafka::bindings as sys;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{IsError, RDKafkaErrorCode};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

/// A fetched record, or an error or end of partition in its place.
#[repr(transparent)]
pub(crate) struct Message(sys::rd_kafka_message_t);

impl Message {
    /// The error, when it is no record.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        self.0.err.is_error().then(|| RDKafkaErrorCode::from(self.0.err))
    }
    pub(crate) fn offset(&self) -> i64 {
        self.0.offset
    }
    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: librdkafka keeps `key_len` bytes at `key` until the message is destroyed.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }
    pub(crate) fn value(&self) -> Option<&[u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.0.payload, self.0.len) }
    }
    /// Milliseconds since 1970, or [`NO_TIMESTAMP`].
    pub(crate) fn timestamp(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive; `kind` is written to.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(&self.0, &mut kind) };
        match kind {
            sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => NO_TIMESTAMP,
            _ if timestamp == -1 => NO_TIMESTAMP,
            _ => timestamp,
        }
    }
    /// Header `index`; parsed by librdkafka at the first call.
    pub(crate) fn header(&self, index: usize) -> Option<(Cow<'_, str>, Option<&[u8]>)> {
        let mut headers = std::ptr::null_mut();
        let mut name = std::ptr::null();
        let mut value = std::ptr::null();
        let mut size = 0;
        // SAFETY: the message is alive and used by one thread; librdkafka keeps headers,
        // names (zero-terminated) and values until the message is destroyed.
        unsafe {
            if sys::rd_kafka_message_headers(&self.0, &mut headers).is_error() {
                return None;
            }
            let found =
                sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size);
            if found.is_error() {
                return None;
            }
            Some((CStr::from_ptr(name).to_string_lossy(), bytes(value, size)))
        }
    }
}

/// # Safety
/// `len` bytes at `at` must stay readable for the lifetime that the caller gives them.
unsafe fn bytes<'a>(at: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: by the caller's promise; null stands for none.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast::<u8>(), len) })
}

/// The queue of one partition.
pub(crate) struct PartitionQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    taken: Vec<*mut sys::rd_kafka_message_t>,
    topic: CString,
    partition: i32,
    /// What the wake-up callback is given.
    _signal: Arc<Signal>,
    client: Arc<Consumer>,
}

// SAFETY: librdkafka's queues may be used from any thread; `taken` is empty between calls.
unsafe impl Send for PartitionQueue {}

unsafe extern "C" fn on_nonempty(_: *mut sys::rd_kafka_t, signal: *mut c_void) {
    // SAFETY: set in `PartitionQueue::open`, alive until the callback is taken off in `drop`.
    let signal = unsafe { &*signal.cast::<Signal>() };
    signal.notify();
}

impl PartitionQueue {
    /// Splits the partition's queue off the consumer's. Before the partition is assigned:
    /// librdkafka then leaves the queue alone.
    pub(crate) fn open(
        client: &Arc<Consumer>,
        of: &TopicPartition,
        signal: &Arc<Signal>,
    ) -> Result<PartitionQueue> {
        let bad = || Error::bug(format!("librdkafka gives no queue for {of}"));
        let topic = CString::new(of.topic.as_str()).map_err(|_| bad())?;
        let signal = Arc::clone(signal);
        let opaque = Arc::as_ptr(&signal).cast_mut().cast::<c_void>();
        // SAFETY: the client is alive and kept; the topic is zero-terminated; the callback
        // gets a pointer that lives as long as the queue.
        let queue = unsafe {
            let rk = client.client().native_ptr();
            let queue = sys::rd_kafka_queue_get_partition(rk, topic.as_ptr(), of.partition);
            let queue = NonNull::new(queue).ok_or_else(bad)?;
            sys::rd_kafka_queue_forward(queue.as_ptr(), std::ptr::null_mut());
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(on_nonempty), opaque);
            queue
        };
        let client = Arc::clone(client);
        let partition = of.partition;
        Ok(PartitionQueue { queue, taken: Vec::new(), topic, partition, _signal: signal, client })
    }

    /// Visits up to `max` fetched messages in order, without waiting, and gives their
    /// number. `visit` says whether to go on; the rest of the batch is then dropped.
    pub(crate) fn take(&mut self, max: usize, mut visit: impl FnMut(&Message) -> bool) -> usize {
        struct Batch<'a>(std::vec::Drain<'a, *mut sys::rd_kafka_message_t>);
        impl Drop for Batch<'_> {
            fn drop(&mut self) {
                for message in self.0.by_ref() {
                    // SAFETY: not visited, so not given back yet.
                    unsafe { sys::rd_kafka_message_destroy(message) };
                }
            }
        }
        self.taken.resize(max, std::ptr::null_mut());
        // SAFETY: there is room for `max` pointers.
        let count = unsafe {
            let at = self.taken.as_mut_ptr();
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, at, max)
        };
        let count = usize::try_from(count).unwrap_or(0);
        self.taken.truncate(count);
        let mut batch = Batch(self.taken.drain(..));
        for message in batch.0.by_ref() {
            struct Taken(*mut sys::rd_kafka_message_t);
            impl Drop for Taken {
                fn drop(&mut self) {
                    // SAFETY: from the batch, given back here only, also when `visit` panics.
                    unsafe { sys::rd_kafka_message_destroy(self.0) };
                }
            }
            let taken = Taken(message);
            // SAFETY: librdkafka gives valid messages; `Message` has the same layout.
            if !visit(unsafe { &*taken.0.cast::<Message>() }) {
                break;
            }
        }
        count
    }

    /// The partition's end as of the last fetch, without asking the broker.
    pub(crate) fn end_offset(&self) -> Option<i64> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive; the topic is zero-terminated; both are written to.
        let known = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.client.client().native_ptr(),
                self.topic.as_ptr(),
                self.partition,
                &mut low,
                &mut high,
            )
        };
        (!known.is_error() && high >= 0).then_some(high)
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is ours; without callback nobody uses the signal any more.
        unsafe {
            let queue = self.queue.as_ptr();
            sys::rd_kafka_queue_cb_event_enable(queue, None, std::ptr::null_mut());
            sys::rd_kafka_queue_destroy(queue);
        }
    }
}
