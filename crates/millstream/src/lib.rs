//! A stateful stream processor with Apache Flink's semantics and vocabulary.
//!
//! The crate that a job depends on: it holds no code, only the parts by their names.
//!
//! ```text
//!   datastream   what a job is written in: environment, streams, functions
//!   runtime      windows, watermarks, state, timers: what user functions meet
//!   connectors   collection, datagen, files, print, blackhole, collect
//!   kafka        Kafka source and sink
//!   jdbc         PostgreSQL sink
//!   formats      lines, JSON, CSV; records that do not parse
//!   sql          tables and SQL over streams: StreamTableEnvironment
//!   metrics      the Prometheus endpoint and the progress line
//!   testkit      harnesses and MiniCluster, for tests of jobs
//! ```
//!
//! | cargo feature | default | what |
//! |---|---|---|
//! | `kafka` | yes | [`kafka`]; needs a C compiler and make, for librdkafka |
//! | `kafka-tls`, `kafka-sasl` | no | encrypted connections and SCRAM; Kerberos |
//! | `postgres` | no | [`jdbc`] |
//! | `rocksdb` | no | the RocksDB state backend; needs a C++ compiler and libclang |
//! | `s3`, `gcs`, `azure` | no | checkpoints and savepoints in object stores |
//! | `metrics` | yes | `--metrics-addr` and the progress line of every job |
//! | `sql` | no | [`sql`] |
//! | `testkit` | no | [`testkit`] |
//!
//! Invariant: what is public here is public there; nothing exists twice.
//!
//! ```
//! use millstream::prelude::*;
//!
//! let env = StreamExecutionEnvironment::new();
//! let words = CollectionSource::new(["to", "be", "or", "not", "to", "be"].map(String::from));
//! let sink = CollectSink::new();
//! let counts = sink.handle();
//! env.from_source(words, WatermarkStrategy::no_watermarks(), "words")
//!     .map(|word| (word, 1u64))
//!     .key_by(|(word, _)| word.clone())
//!     .reduce(|a, b| (b.0, a.1 + b.1))
//!     .sink_to(sink);
//! env.execute("word count")?;
//! assert!(counts.take().contains(&("to".into(), 2)));
//! # Ok::<(), Error>(())
//! ```

pub use millstream_connectors as connectors;
pub use millstream_core as core;
pub use millstream_datastream as datastream;
pub use millstream_formats as formats;
#[cfg(feature = "postgres")]
pub use millstream_jdbc as jdbc;
#[cfg(feature = "kafka")]
pub use millstream_kafka as kafka;
#[cfg(feature = "metrics")]
pub use millstream_metrics as metrics;
pub use millstream_runtime as runtime;
#[cfg(feature = "sql")]
pub use millstream_sql as sql;
#[cfg(feature = "testkit")]
pub use millstream_testkit as testkit;
/// For the types of a job's records: `#[derive(Serialize, Deserialize)]` with
/// `#[serde(crate = "millstream::serde")]`, or with `serde` among the job's dependencies.
pub use serde;

/// What nearly every job needs, for `use millstream::prelude::*`.
pub mod prelude {
    pub use millstream_connectors::{
        BlackholeSink, CollectSink, CollectionSource, DataGenSource, FileSink, FileSource,
        PrintSink,
    };
    pub use millstream_core::{Error, EventTime, Result};
    pub use millstream_datastream::{
        BroadcastProcessFunction, CoProcessFunction, Collector, DataStream, JobArgs,
        JobExecutionResult, KeyedProcessFunction, KeyedStream, ProcessContext, ProcessFunction,
        RuntimeContext, StreamExecutionEnvironment,
    };
    pub use millstream_formats::ParsePolicy;
    #[cfg(feature = "kafka")]
    pub use millstream_kafka::{KafkaSink, KafkaSource, OffsetReset, OffsetsInitializer, de, ser};
    pub use millstream_runtime::async_io::{AsyncFunction, AsyncOptions, RetryStrategy};
    pub use millstream_runtime::state::{ListState, MapState, ValueState};
    pub use millstream_runtime::window::{
        AggregateFunction, EventTimeSessionWindows, GlobalWindows, ProcessWindowFunction,
        ProcessingTimeSessionWindows, SlidingEventTimeWindows, SlidingProcessingTimeWindows,
        TimeWindow, TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowContext,
    };
    pub use millstream_runtime::{OutputTag, WatermarkStrategy};
    #[cfg(feature = "sql")]
    pub use millstream_sql::bridge::{
        ChangelogMode, Row, RowKind, Schema, StreamTableEnvironment, Table,
    };
    pub use serde::{Deserialize, Serialize};
    pub use std::time::Duration;
}

// What the documents show is compiled and, where it needs no server, run.
#[cfg(all(doctest, feature = "kafka"))]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/connectors/kafka.md")]
    struct Kafka;
    #[doc = include_str!("../../../docs/checkpoints.md")]
    struct Checkpoints;
    #[doc = include_str!("../../../docs/savepoints.md")]
    struct Savepoints;
    #[doc = include_str!("../../../docs/guarantees.md")]
    struct Guarantees;
    #[cfg(feature = "rocksdb")]
    #[doc = include_str!("../../../docs/state.md")]
    struct State;
    #[cfg(feature = "postgres")]
    #[doc = include_str!("../../../docs/connectors/jdbc.md")]
    struct Jdbc;
    #[doc = include_str!("../../../docs/connectors/filesystem.md")]
    struct Filesystem;
    #[doc = include_str!("../../../docs/connectors/datagen.md")]
    struct DataGen;
    #[doc = include_str!("../../../docs/connectors/collection.md")]
    struct Collection;
    #[doc = include_str!("../../../docs/connectors/print.md")]
    struct Print;
    #[doc = include_str!("../../../docs/connectors/blackhole.md")]
    struct Blackhole;
    #[cfg(feature = "sql")]
    #[doc = include_str!("../../../docs/sql/datastream.md")]
    struct TablesAndStreams;
}
