//! An [`Envelope`] as a Timely container, and the pact that routes it.
//!
//! The sender has decided who gets it, so the pact only looks at `to`; each chunk
//! counts as one record, whatever it carries, and progress tracking stays exact.
//!
//! Wire form, little-endian, padded with zeros to a multiple of 8:
//! `kind: u64, from: u32, rows: u32, value or length: i64, body bytes`.

use crate::exchange::{Body, Envelope, Payload};
use millstream_core::Watermark;
use std::io::Write;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};

const DATA: u64 = 0;
const WATERMARK: u64 = 1;
const IDLE: u64 = 2;
const END: u64 = 3;
const HEADER_BYTES: usize = 24;

/// `None` only while it is moved.
#[derive(Default)]
pub(super) struct Chunk(pub(super) Option<Envelope>);

impl Accountable for Chunk {
    fn record_count(&self) -> i64 {
        i64::from(self.0.is_some())
    }
}

impl Chunk {
    fn header(&self) -> (u64, u32, u32, i64, &[u8]) {
        let Some(envelope) = &self.0 else { return (END, 0, 0, 0, &[]) };
        match &envelope.payload {
            Payload::Data { rows, body: Body::Bytes(bytes) } => {
                (DATA, envelope.from, *rows, bytes.len() as i64, bytes)
            }
            Payload::Data { .. } => {
                unreachable!("the sender encodes what leaves the process")
            }
            Payload::Watermark(watermark) => (WATERMARK, envelope.from, 0, watermark.0, &[]),
            Payload::Idle(idle) => (IDLE, envelope.from, 0, i64::from(*idle), &[]),
            Payload::End => (END, envelope.from, 0, 0, &[]),
        }
    }
}

impl ContainerBytes for Chunk {
    fn from_bytes(bytes: Bytes) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (kind, origin, value) = (word(0), word(8), word(16) as i64);
        let payload = match kind {
            DATA => Payload::Data {
                rows: (origin >> 32) as u32,
                body: Body::Bytes(bytes[HEADER_BYTES..HEADER_BYTES + value as usize].to_vec()),
            },
            WATERMARK => Payload::Watermark(Watermark(value)),
            IDLE => Payload::Idle(value != 0),
            _ => Payload::End,
        };
        Chunk(Some(Envelope { to: 0, from: origin as u32, payload }))
    }
    fn length_in_bytes(&self) -> usize {
        (HEADER_BYTES + self.header().4.len()).next_multiple_of(8)
    }
    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let (kind, from, rows, value, body) = self.header();
        let origin = u64::from(from) | (u64::from(rows) << 32);
        let padding = body.len().next_multiple_of(8) - body.len();
        let parts: [&[u8]; 5] = [
            &kind.to_le_bytes(),
            &origin.to_le_bytes(),
            &value.to_le_bytes(),
            body,
            &[0; 8][..padding],
        ];
        for part in parts {
            // Timely hands a slice of `length_in_bytes` bytes: it always fits.
            let _ = writer.write_all(part);
        }
    }
}

/// Pushes each chunk to the worker that it names.
pub(super) struct ByAddress;

impl Distributor<Chunk> for ByAddress {
    fn partition<T: Clone, P: Push<Message<T, Chunk>>>(
        &mut self,
        chunk: &mut Chunk,
        time: &T,
        pushers: &mut [P],
    ) {
        let to = chunk.0.as_ref().map_or(0, |envelope| envelope.to as usize);
        let chunk = std::mem::take(chunk);
        pushers[to].push(&mut Some(Message::new(time.clone(), chunk)));
    }
    fn flush<T: Clone, P: Push<Message<T, Chunk>>>(&mut self, _time: &T, _pushers: &mut [P]) {}
}

pub(super) fn by_address() -> DistributorPact<fn(usize) -> ByAddress> {
    DistributorPact(|_peers| ByAddress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timely::bytes::arc::BytesMut;

    #[test]
    fn the_wire_form_keeps_everything() {
        let payloads = || {
            [
                Payload::Data { rows: 3, body: Body::Bytes(vec![1, 2, 3, 4, 5]) },
                Payload::Watermark(Watermark(-7)),
                Payload::Idle(true),
                Payload::End,
            ]
        };
        for payload in payloads() {
            let chunk = Chunk(Some(Envelope { to: 9, from: 5, payload }));
            let mut bytes = Vec::new();
            chunk.into_bytes(&mut bytes);
            assert_eq!(bytes.len(), chunk.length_in_bytes());
            assert_eq!(bytes.len() % 8, 0);
            let back = Chunk::from_bytes(BytesMut::from(bytes).freeze());
            assert_eq!(back.header(), chunk.header());
        }
    }
}
