//! Object container files: a header with the schema, blocks of records.
//!
//! ```text
//!   Obj 1 | schema, codec | sync     count | size | records, compressed | sync     ...
//! ```
//! Invariant: a block is whole in memory before its first record is read; it is bounded.
//!
//! Source: the specification of Avro, "Object Container Files".

use super::broken;
use super::decode::{Input, RecordPlan};
use super::encode::{RecordWriter, put_bytes, put_long};
use super::schema::AvroSchema;
use crate::connectors::Options;
use crate::formats::columns::Rows;
use crate::formats::{BulkReader, BulkWriter, FormatColumn};
use crate::runtime::ChangeKind;
use arrow_array::ArrayRef;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use millstream_core::{Error, Result, random_bytes};
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::sync::Arc;

const MAGIC: &[u8; 4] = b"Obj\x01";
/// Bytes of records after which a block is written; Avro's own choice.
const BLOCK_BYTES: usize = 64_000;
/// The largest block that is read.
const MAX_BLOCK_BYTES: usize = 1 << 30;
const BATCH_ROWS: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
}

impl Codec {
    pub(super) fn of(options: &Options) -> Result<Self> {
        Self::named(&options.text("codec").unwrap_or("snappy").to_ascii_lowercase())
    }
    fn named(name: &str) -> Result<Self> {
        match name {
            "null" => Ok(Codec::Null),
            "deflate" => Ok(Codec::Deflate),
            "snappy" => Ok(Codec::Snappy),
            other => Err(Error::data(format!("the codec '{other}' of an Avro file is not known"))
                .advice("write it with null, deflate or snappy")),
        }
    }
    fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
        }
    }
    fn compress(self, records: &[u8]) -> Result<Vec<u8>> {
        match self {
            Codec::Null => Ok(records.to_vec()),
            Codec::Deflate => {
                let mut encoder = DeflateEncoder::new(vec![], flate2::Compression::default());
                let written = encoder.write_all(records).and_then(|()| encoder.finish());
                written.map_err(|e| Error::bug(format!("deflate: {e}")))
            }
            Codec::Snappy => {
                let mut block = snap::raw::Encoder::new()
                    .compress_vec(records)
                    .map_err(|e| Error::bug(format!("snappy: {e}")))?;
                let mut crc = flate2::Crc::new();
                crc.update(records);
                block.extend_from_slice(&crc.sum().to_be_bytes());
                Ok(block)
            }
        }
    }
    fn decompress(self, block: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Codec::Null => Ok(block),
            Codec::Deflate => {
                let mut records = vec![];
                let mut decoder = DeflateDecoder::new(&*block).take(MAX_BLOCK_BYTES as u64);
                decoder.read_to_end(&mut records).map_err(broken)?;
                Ok(records)
            }
            Codec::Snappy => {
                let (data, sum) = block
                    .split_last_chunk::<4>()
                    .ok_or_else(|| broken("a block without a checksum"))?;
                if snap::raw::decompress_len(data).map_err(broken)? > MAX_BLOCK_BYTES {
                    return Err(broken("a block of more than 1 GiB"));
                }
                let records = snap::raw::Decoder::new().decompress_vec(data).map_err(broken)?;
                let mut crc = flate2::Crc::new();
                crc.update(&records);
                match crc.sum().to_be_bytes() == *sum {
                    true => Ok(records),
                    false => Err(broken("the checksum of a block is wrong")),
                }
            }
        }
    }
}

pub(super) struct Reader {
    file: BufReader<File>,
    codec: Codec,
    sync: [u8; 16],
    plan: RecordPlan,
    rows: Rows,
    /// The records of the block, where the next one starts, how many are left.
    block: Vec<u8>,
    next: usize,
    left: u64,
    skip: u64,
    /// Stands for a column when none is wanted: how many rows there are.
    columns: usize,
}

fn read_long(file: &mut impl Read) -> std::io::Result<Option<i64>> {
    let mut bytes = vec![];
    loop {
        let mut byte = [0];
        if file.read(&mut byte)? == 0 {
            return match bytes.is_empty() {
                true => Ok(None),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            };
        }
        bytes.push(byte[0]);
        if byte[0] & 0x80 == 0 || bytes.len() > 10 {
            break;
        }
    }
    Input::new(&bytes).long().map(Some).map_err(|_| std::io::ErrorKind::InvalidData.into())
}

fn read_block(file: &mut impl Read, what: &str) -> Result<Vec<u8>> {
    let length = read_long(file).map_err(broken)?.ok_or_else(|| broken("it ends too early"))?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BLOCK_BYTES);
    let length = length.ok_or_else(|| broken(format!("{what} has no good length")))?;
    let mut bytes = vec![];
    file.take(length as u64).read_to_end(&mut bytes).map_err(broken)?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(broken("it ends too early")),
    }
}

impl Reader {
    pub(super) fn open(file: File, columns: &[FormatColumn], skip: u64) -> Result<Self> {
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut magic = [0; 4];
        file.read_exact(&mut magic).map_err(broken)?;
        if magic != *MAGIC {
            return Err(broken("it does not begin as one"));
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        loop {
            let count = read_long(&mut file).map_err(broken)?.unwrap_or(0);
            if count < 0 {
                read_long(&mut file).map_err(broken)?;
            }
            for _ in 0..count.unsigned_abs() {
                let name = read_block(&mut file, "the header")?;
                let value = read_block(&mut file, "the header")?;
                let text = String::from_utf8_lossy(&value);
                match name.as_slice() {
                    b"avro.schema" => schema = Some(AvroSchema::parse(&text)?),
                    b"avro.codec" => codec = Codec::named(&text)?,
                    _ => {}
                }
            }
            if count == 0 {
                break;
            }
        }
        let mut sync = [0; 16];
        file.read_exact(&mut sync).map_err(broken)?;
        let schema = schema.ok_or_else(|| broken("its header has no schema"))?;
        let plan = RecordPlan::new(Arc::new(schema), columns)?;
        let wanted = columns.iter().filter(|c| c.wanted);
        let rows = Rows::new(wanted.map(|c| (c.name.as_str(), &c.ty)));
        let columns = rows.columns.len();
        Ok(Reader { file, codec, sync, plan, rows, block: vec![], next: 0, left: 0, skip, columns })
    }

    /// Reads the next block; whether there was one. Blocks of rows that are passed over are
    /// not decompressed.
    fn next_block(&mut self) -> Result<bool> {
        loop {
            let Some(count) = read_long(&mut self.file).map_err(broken)? else { return Ok(false) };
            let count = u64::try_from(count).map_err(|_| broken("a block has no good count"))?;
            let block = read_block(&mut self.file, "a block")?;
            let mut sync = [0; 16];
            self.file.read_exact(&mut sync).map_err(broken)?;
            if sync != self.sync {
                return Err(broken("a block does not end where it should"));
            }
            if count <= self.skip {
                self.skip -= count;
                continue;
            }
            (self.block, self.next, self.left) = (self.codec.decompress(block)?, 0, count);
            return Ok(true);
        }
    }
}

impl BulkReader for Reader {
    fn next(&mut self) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        while self.rows.len() < BATCH_ROWS {
            if self.left == 0 && !self.next_block()? {
                break;
            }
            let mut input = Input::new(self.block.get(self.next..).unwrap_or_default());
            let before = self.rows.len();
            self.plan.row(&mut input, &mut self.rows.columns)?;
            self.next = self.block.len() - input.bytes.len();
            self.left -= 1;
            match self.skip > 0 {
                true => {
                    self.skip -= 1;
                    self.rows.truncate(before);
                }
                false => self.rows.end_row(ChangeKind::Insert),
            }
        }
        let rows = self.rows.len();
        if rows == 0 {
            return Ok(None);
        }
        let made = self.rows.finish()?;
        debug_assert_eq!(made.rows().num_columns(), self.columns);
        Ok(Some((made.rows().columns().to_vec(), rows)))
    }
}

pub(super) struct Writer {
    writer: RecordWriter,
    codec: Codec,
    sync: [u8; 16],
    /// What is written before the first block.
    header: Option<Vec<u8>>,
    records: Vec<u8>,
    count: i64,
}

impl Writer {
    pub(super) fn new(schema: &Value, codec: Codec, columns: &[FormatColumn]) -> Result<Self> {
        let sync = random_bytes::<16>()?;
        let mut header = MAGIC.to_vec();
        put_long(&mut header, 2);
        put_bytes(&mut header, b"avro.schema");
        put_bytes(&mut header, schema.to_string().as_bytes());
        put_bytes(&mut header, b"avro.codec");
        put_bytes(&mut header, codec.name().as_bytes());
        header.push(0);
        header.extend_from_slice(&sync);
        let writer = RecordWriter::new(&AvroSchema::of_json(schema)?, columns)?;
        Ok(Writer { writer, codec, sync, header: Some(header), records: vec![], count: 0 })
    }
}

impl BulkWriter for Writer {
    fn write(&mut self, columns: &[ArrayRef], rows: usize, out: &mut Vec<u8>) -> Result<()> {
        for row in 0..rows {
            self.writer.row(columns, row, &mut self.records)?;
            self.count += 1;
            if self.records.len() >= BLOCK_BYTES {
                self.flush(out)?;
            }
        }
        Ok(())
    }
    fn waiting_bytes(&self) -> u64 {
        self.records.len() as u64
    }
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.extend(self.header.take().unwrap_or_default());
        if self.count > 0 {
            put_long(out, self.count);
            put_bytes(out, &self.codec.compress(&self.records)?);
            out.extend_from_slice(&self.sync);
            self.records.clear();
            self.count = 0;
        }
        Ok(())
    }
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.flush(out)
    }
}
