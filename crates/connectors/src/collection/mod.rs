//! Elements of the program as a source: for tests, examples and small tables.

mod source;

pub use source::CollectionSource;
