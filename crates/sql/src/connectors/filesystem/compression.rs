//! Files that are compressed, by the ends of their names.
//!
//! | end | compression |
//! |---|---|
//! | `.gz`, `.gzip` | gzip, also several one after the other |
//! | `.deflate` | zlib |
//! | `.zst` | Zstandard (feature `parquet`, which has the library) |
//!
//! Positions count bytes behind the compression: a restored job reads up to them again.

use super::listing::io_error;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use millstream_core::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Opens a file of messages at a position.
pub(super) fn open(path: &Path, offset: u64) -> Result<Box<dyn Read + Send>> {
    let refused = |e: std::io::Error| io_error(path, "read", &e);
    let mut file = File::open(path).map_err(refused)?;
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let mut reader: Box<dyn Read + Send> = match end.to_ascii_lowercase().as_str() {
        "gz" | "gzip" => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        "deflate" => Box::new(ZlibDecoder::new(BufReader::new(file))),
        #[cfg(feature = "parquet")]
        "zst" => Box::new(zstd::stream::read::Decoder::new(file).map_err(refused)?),
        #[cfg(not(feature = "parquet"))]
        "zst" => return Err(not_here(path, end)),
        "bz2" | "xz" => return Err(not_here(path, end)),
        _ => {
            file.seek(SeekFrom::Start(offset)).map_err(refused)?;
            return Ok(Box::new(file));
        }
    };
    let skipped = std::io::copy(&mut reader.by_ref().take(offset), &mut std::io::sink());
    match skipped.map_err(refused)? == offset {
        true => Ok(reader),
        false => Err(Error::corrupt(format!(
            "'{}' ends before position {offset}, which was read already",
            path.display()
        ))
        .advice("put back the file that was there; files must not change")),
    }
}

fn not_here(path: &Path, end: &str) -> Error {
    Error::config(format!(
        "'{}' cannot be read: the compression '{end}' is not in this build",
        path.display()
    ))
    .advice("compress the files with gzip, or not at all")
}
