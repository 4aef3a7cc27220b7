//! CSV: a record is a row, read and written by serde (RFC 4180: quotes may hold
//! delimiters and line feeds).
//!
//! With a header (the default) a row's fields are matched to the record's fields by
//! name, and every row must have as many fields as the header; without one they are
//! matched by place. Empty lines are passed over.
//! Invariant: a decoder needs the header to go on in the middle of a file, so the header
//! is its state.

use crate::format::{Decoded, Decoder, Encoder, ReadFormat, WriteFormat};
use ::csv::{ByteRecord, WriterBuilder};
use csv_core::ReadRecordResult;
use millstream_core::{Data, Error, Result};

/// CSV rows of a record type that serde sees as a struct or a tuple.
///
/// ```
/// use millstream_formats::format::decode_all;
/// use millstream_formats::{CsvFormat, ReadFormat};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct City { name: String, people: u32 }
///
/// let format = CsvFormat::new().delimiter(b';');
/// let bytes = b"people;name\n7;\"a \"\"b\"\"\nc\"\n";
/// let mut cities = decode_all::<City>(&mut *format.decoder(), bytes).unwrap();
/// let city = cities.remove(0).unwrap();
/// assert_eq!(city, City { name: "a \"b\"\nc".into(), people: 7 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvFormat {
    header: bool,
    delimiter: u8,
    quote: u8,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self::new()
    }
}

impl CsvFormat {
    /// Commas, double quotes, and a header line.
    pub fn new() -> Self {
        CsvFormat { header: true, delimiter: b',', quote: b'"' }
    }
    /// Whether files start with a header line.
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }
    /// What stands between fields (a comma otherwise).
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }
    /// What encloses a field that has delimiters in it (a double quote otherwise).
    pub fn quote(mut self, quote: u8) -> Self {
        self.quote = quote;
        self
    }
    fn check(&self) -> Result<()> {
        let taken = |byte: u8| byte == b'\n' || byte == b'\r';
        if self.delimiter == self.quote || taken(self.delimiter) || taken(self.quote) {
            return Err(Error::config(format!(
                "CSV: delimiter {:?} and quote {:?} cannot be told apart from each other or \
                 from a line end",
                self.delimiter as char, self.quote as char
            ))
            .advice("choose two different bytes that are not line ends"));
        }
        Ok(())
    }
}

struct CsvDecoder {
    reader: csv_core::Reader,
    with_header: bool,
    header: Option<ByteRecord>,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvDecoder {
    /// Cuts one row off `bytes`; answers how many bytes it used, and its fields.
    fn row(&mut self, bytes: &[u8], last: bool) -> Option<(usize, ByteRecord)> {
        // The row is cut from its first byte each time: no state is carried between calls.
        self.reader.reset();
        let (mut used, mut written, mut ended) = (0, 0, 0);
        loop {
            let input = bytes.get(used..).unwrap_or_default();
            if input.is_empty() && !last {
                return None;
            }
            let fields = self.fields.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(ended..).unwrap_or_default();
            // An empty input tells the reader that the file ends here.
            let (result, taken, wrote, ends_found) = self.reader.read_record(input, fields, ends);
            used += taken;
            written += wrote;
            ended += ends_found;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return None,
            }
        }
        // A carriage return ended the row: the line feed behind it belongs to it.
        if bytes.get(used.wrapping_sub(1)) == Some(&b'\r') && bytes.get(used) == Some(&b'\n') {
            used += 1;
        }
        let ends = self.ends.get(..ended).unwrap_or_default();
        let starts = std::iter::once(&0).chain(ends);
        let fields = starts.zip(ends).map(|(s, e)| self.fields.get(*s..*e).unwrap_or_default());
        Some((used, fields.collect()))
    }
}

impl<T: Data> Decoder<T> for CsvDecoder {
    fn decode(&mut self, bytes: &[u8], last: bool) -> Result<Decoded<T>> {
        let Some((used, row)) = self.row(bytes, last) else {
            // What is left at the end are empty lines.
            let rest = bytes.len();
            return Ok(match last && rest > 0 {
                true => Decoded::Nothing { used: rest },
                false => Decoded::Incomplete,
            });
        };
        if self.with_header && self.header.is_none() {
            self.header = Some(row);
            return Ok(Decoded::Nothing { used });
        }
        let fields_want = self.header.as_ref().map_or(row.len(), ByteRecord::len);
        let value = if row.len() == fields_want {
            row.deserialize(self.header.as_ref()).map_err(|error| {
                Error::data(format!("the row is not the expected record: {error}"))
            })
        } else {
            let have = row.len();
            Err(Error::data(format!("the row has {have} fields, the header {fields_want}")))
        };
        Ok(Decoded::Record { used, value })
    }
    fn state(&self) -> Vec<u8> {
        let Some(header) = &self.header else { return Vec::new() };
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        // Writing a row to memory cannot fail: there is no length to disagree with.
        let written = writer.write_byte_record(header);
        written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
    }
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        if state.is_empty() {
            return Ok(());
        }
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(state);
        let mut header = ByteRecord::new();
        let read = reader.read_byte_record(&mut header);
        if !matches!(read, Ok(true)) || !self.with_header {
            return Err(Error::corrupt("the stored CSV header is of another format")
                .advice("restore with the format that the state was stored with"));
        }
        self.header = Some(header);
        Ok(())
    }
}

impl<T: Data> ReadFormat<T> for CsvFormat {
    fn decoder(&self) -> Box<dyn Decoder<T>> {
        let mut builder = csv_core::ReaderBuilder::new();
        Box::new(CsvDecoder {
            reader: builder.delimiter(self.delimiter).quote(self.quote).build(),
            with_header: self.header,
            header: None,
            fields: vec![0; 1024],
            ends: vec![0; 32],
        })
    }
    fn validate(&self) -> Result<()> {
        self.check()
    }
}

struct CsvEncoder {
    format: CsvFormat,
    header_due: bool,
}

impl<T: Data> Encoder<T> for CsvEncoder {
    fn encode(&mut self, values: &[T], out: &mut Vec<u8>) -> Result<()> {
        let refused = |error: String| {
            Error::user(format!("a record cannot be written as a CSV row: {error}"))
                .advice("use a flat struct or tuple of numbers, texts, booleans and options")
        };
        let mut writer = WriterBuilder::new()
            .has_headers(self.header_due)
            .delimiter(self.format.delimiter)
            .quote(self.format.quote)
            .from_writer(&mut *out);
        for value in values {
            writer.serialize(value).map_err(|error| refused(error.to_string()))?;
            self.header_due = false;
        }
        writer.flush().map_err(|error| refused(error.to_string()))
    }
}

impl<T: Data> WriteFormat<T> for CsvFormat {
    fn encoder(&self) -> Box<dyn Encoder<T>> {
        Box::new(CsvEncoder { format: *self, header_due: self.header })
    }
    fn extension(&self) -> &'static str {
        "csv"
    }
    fn validate(&self) -> Result<()> {
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::decode_all;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        id: u32,
        text: String,
        price: Option<f64>,
    }

    fn good<T: Data>(format: CsvFormat, bytes: &[u8]) -> Vec<T> {
        let records = decode_all(&mut *ReadFormat::<T>::decoder(&format), bytes).unwrap();
        records.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn header_order_empty_lines_and_line_ends_do_not_matter() {
        let row = |id, text: &str, price| Row { id, text: text.into(), price };
        let want = vec![row(1, "a,b", None), row(2, "", Some(2.5))];
        let text = "text,price,id\n\"a,b\",,1\n\n,2.5,2";
        assert_eq!(good::<Row>(CsvFormat::new(), text.as_bytes()), want);
        let dos = text.replace('\n', "\r\n") + "\r\n\r\n";
        assert_eq!(good::<Row>(CsvFormat::new(), dos.as_bytes()), want);
    }

    #[test]
    fn without_a_header_fields_are_matched_by_place() {
        let rows = good::<(u32, String)>(CsvFormat::new().header(false), b"1,x\n2,y\n");
        assert_eq!(rows, [(1, "x".to_owned()), (2, "y".to_owned())]);
    }

    #[test]
    fn a_bad_row_is_reported_and_the_next_one_is_read() {
        let bytes = b"id,text,price\n1,a\nx,b,\n3,c,\n";
        let mut decoder = ReadFormat::<Row>::decoder(&CsvFormat::new());
        let rows = decode_all(&mut *decoder, bytes).unwrap();
        let shown: Vec<String> = rows
            .into_iter()
            .map(|row| row.map_or_else(|e| e.message().to_owned(), |row| row.text))
            .collect();
        assert_eq!(shown[0], "the row has 2 fields, the header 3");
        assert!(shown[1].contains("field 0: invalid digit"), "{}", shown[1]);
        assert_eq!(shown[2], "c");
    }

    #[test]
    fn bytes_that_cannot_be_told_apart_are_refused() {
        for format in [CsvFormat::new().delimiter(b'"'), CsvFormat::new().delimiter(b'\n')] {
            assert!(ReadFormat::<Row>::validate(&format).is_err());
        }
    }

    #[test]
    fn a_state_without_its_header_is_refused() {
        let mut decoder = ReadFormat::<Row>::decoder(&CsvFormat::new().header(false));
        assert!(decoder.restore(b"id,text\n").is_err());
    }

    proptest! {
        /// What was written is read back, whatever the text and however it is cut, also
        /// by decoders that each go on from the state of the one before.
        #[test]
        fn rows_survive_any_text_and_any_cut(
            rows in prop::collection::vec(
                (any::<u32>(), "[a\",\r\n é]{0,6}", prop::option::of(-9.0..9.0f64)), 1..8),
            chunk in 1usize..9,
        ) {
            let rows: Vec<Row> =
                rows.into_iter().map(|(id, text, price)| Row { id, text, price }).collect();
            let format = CsvFormat::new();
            let mut bytes = Vec::new();
            format.encoder().encode(&rows, &mut bytes).unwrap();

            let (mut start, mut end, mut state) = (0, 0, Vec::new());
            let mut got: Vec<Row> = Vec::new();
            loop {
                let mut decoder = ReadFormat::<Row>::decoder(&format);
                decoder.restore(&state).unwrap();
                match decoder.decode(&bytes[start..end], end == bytes.len()).unwrap() {
                    Decoded::Record { used, value } => {
                        got.push(value.unwrap());
                        start += used;
                    }
                    Decoded::Nothing { used } => start += used,
                    Decoded::Incomplete if end == bytes.len() => break,
                    Decoded::Incomplete => end = (end + chunk).min(bytes.len()),
                }
                state = decoder.state();
            }
            prop_assert_eq!(got, rows);
        }
    }
}
