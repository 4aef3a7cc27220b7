//! Options and columns of a topic.

use super::super::projection::Projection;
use super::super::{Connector, OptionKind, OptionSpec, Options, TableColumn, TableSpec};
use super::decode::KafkaTable;
use super::encode::KafkaTarget;
use crate::formats::{self, Format, FormatColumn};
use crate::types::SqlType;
use millstream_core::{Data, Error, Result};
use millstream_kafka::{
    DeliveryGuarantee, KafkaSink, KafkaSinkBuilder, KafkaSource, KafkaSourceBuilder, OffsetReset,
    OffsetsInitializer,
};
use std::sync::Arc;
use std::time::Duration;

const TOPIC: OptionSpec = OptionSpec::new("topic", OptionKind::Text, "", "topics, between ';'");
const PROPERTIES: OptionSpec =
    OptionSpec::new("properties.*", OptionKind::Text, "", "properties of the Kafka client");
const KEY_PREFIX: OptionSpec = OptionSpec::new(
    "key.fields-prefix",
    OptionKind::Text,
    "",
    "what the names of key columns begin with in the table, and not in the message",
);
const INCLUDE: OptionSpec = OptionSpec::new(
    "value.fields-include",
    OptionKind::OneOf(&["ALL", "EXCEPT_KEY"]),
    "ALL",
    "whether key columns are in the value too",
);
const BOUNDED_MODE: OptionSpec = OptionSpec::new(
    "scan.bounded.mode",
    OptionKind::OneOf(&[
        "unbounded",
        "latest-offset",
        "group-offsets",
        "timestamp",
        "specific-offsets",
    ]),
    "unbounded",
    "where reading ends",
);
const BOUNDED_OFFSETS: OptionSpec = OptionSpec::new(
    "scan.bounded.specific-offsets",
    OptionKind::Text,
    "",
    "ends: 'partition:0,offset:42;partition:1,offset:300'",
);
const BOUNDED_TIMESTAMP: OptionSpec = OptionSpec::new(
    "scan.bounded.timestamp-millis",
    OptionKind::Number(0, i64::MAX),
    "",
    "the end, in milliseconds since 1970",
);
const GUARANTEE: OptionSpec = OptionSpec::new(
    "sink.delivery-guarantee",
    OptionKind::OneOf(&["none", "at-least-once", "exactly-once"]),
    "at-least-once",
    "what is promised after a failure",
);
const TRANSACTIONS: OptionSpec = OptionSpec::new(
    "sink.transactional-id-prefix",
    OptionKind::Text,
    "",
    "what names of transactions begin with; of one job only, needed for exactly-once",
);

const FORMATS: &[(&str, &str)] =
    &[("format", ""), ("value.format", "value."), ("key.format", "key.")];

pub(crate) const KAFKA: Connector = Connector {
    name: "kafka",
    doc: "reads and writes topics of Kafka",
    options: &[
        TOPIC,
        OptionSpec::new("topic-pattern", OptionKind::Text, "", "topics by regular expression"),
        PROPERTIES,
        OptionSpec::new("key.fields", OptionKind::Text, "", "columns of the key, between ';'"),
        KEY_PREFIX,
        INCLUDE,
        OptionSpec::new(
            "scan.startup.mode",
            OptionKind::OneOf(&[
                "earliest-offset",
                "latest-offset",
                "group-offsets",
                "timestamp",
                "specific-offsets",
            ]),
            "group-offsets",
            "where reading starts",
        ),
        OptionSpec::new(
            "scan.startup.specific-offsets",
            OptionKind::Text,
            "",
            "starts: 'partition:0,offset:42;partition:1,offset:300'",
        ),
        OptionSpec::new(
            "scan.startup.timestamp-millis",
            OptionKind::Number(0, i64::MAX),
            "",
            "the start, in milliseconds since 1970",
        ),
        BOUNDED_MODE,
        BOUNDED_OFFSETS,
        BOUNDED_TIMESTAMP,
        OptionSpec::new(
            "scan.topic-partition-discovery.interval",
            OptionKind::Duration,
            "5 min",
            "how often new partitions are looked for",
        ),
        GUARANTEE,
        TRANSACTIONS,
    ],
    formats: FORMATS,
    source: Some(|table, options| {
        Ok(Arc::new(KafkaTable::new(Topic::of(table, &options, false)?)?))
    }),
    sink: Some(|table, options| {
        Ok(Arc::new(KafkaTarget::new(Topic::of(table, &options, false)?)?))
    }),
};

pub(crate) const UPSERT_KAFKA: Connector = Connector {
    name: "upsert-kafka",
    doc: "reads and writes the latest row of each key of a topic of Kafka",
    options: &[
        TOPIC,
        PROPERTIES,
        KEY_PREFIX,
        INCLUDE,
        BOUNDED_MODE,
        BOUNDED_OFFSETS,
        BOUNDED_TIMESTAMP,
        GUARANTEE,
        TRANSACTIONS,
    ],
    formats: FORMATS,
    source: Some(|table, options| {
        Ok(Arc::new(KafkaTable::new(Topic::of(table, &options, true)?)?))
    }),
    sink: Some(|table, options| Ok(Arc::new(KafkaTarget::new(Topic::of(table, &options, true)?)?))),
};

/// What Kafka knows of a record beside key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
}

impl Metadata {
    const ALL: &[(&str, Metadata)] = &[
        ("topic", Metadata::Topic),
        ("partition", Metadata::Partition),
        ("offset", Metadata::Offset),
        ("timestamp", Metadata::Timestamp),
        ("headers", Metadata::Headers),
    ];
    fn ty(self) -> SqlType {
        match self {
            Metadata::Topic => SqlType::string(),
            Metadata::Partition => SqlType::int(),
            Metadata::Offset => SqlType::bigint(),
            Metadata::Timestamp => SqlType::timestamp_ltz(3),
            Metadata::Headers => SqlType::map(SqlType::string(), SqlType::bytes()),
        }
    }
}

/// A topic as a table.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) upsert: bool,
    pub(super) columns: Vec<TableColumn>,
    pub(super) metadata: Vec<Option<Metadata>>,
    /// Columns of the key, by index, in the order of the key.
    pub(super) key: Vec<usize>,
    pub(super) key_prefix: String,
    /// Columns of the value, by index.
    pub(super) value: Vec<usize>,
    pub(super) key_format: Option<Arc<dyn Format>>,
    pub(super) value_format: Arc<dyn Format>,
    pub(super) projection: Projection,
    pub(super) options: Options,
}

fn missing(name: &str) -> Error {
    Error::config(format!("the option '{name}' is missing")).advice(format!("add '{name}' = '...'"))
}

impl Topic {
    fn of(table: &TableSpec, options: &Options, upsert: bool) -> Result<Self> {
        let format = |option: &str, prefix: &str| -> Result<Option<Arc<dyn Format>>> {
            let Some((name, mut own)) = options.of_format(option, prefix)? else { return Ok(None) };
            // The registry's names of a topic's schemas.
            let part = if option == "key.format" { "key" } else { "value" };
            if let Some(topic) = options.text("topic").filter(|topic| !topic.contains(';')) {
                own.set_default("subject", &format!("{topic}-{part}"));
            }
            formats::find(&name)?.make(&own).map(Some)
        };
        let value_format = match (format("value.format", "value.")?, format("format", "")?) {
            (Some(_), Some(_)) => {
                return Err(Error::config("'format' and 'value.format' are the same option")
                    .advice("give one of them"));
            }
            (value, plain) => value.or(plain).ok_or_else(|| missing("value.format"))?,
        };
        let key_format = format("key.format", "key.")?;
        let at = |name: &str| {
            let found = table.columns.iter().position(|c| c.name == name && c.metadata.is_none());
            found.ok_or_else(|| {
                let names = table.columns.iter().map(|c| c.name.as_str());
                let advice = millstream_core::nearest::hint(name, names)
                    .unwrap_or_else(|| "name a physical column".into());
                Error::config(format!("key.fields: there is no column '{name}'")).advice(advice)
            })
        };
        let key = match upsert {
            true => table.primary_key.clone(),
            false => {
                let names = options.text("key.fields").unwrap_or_default();
                names.split(';').filter(|n| !n.is_empty()).map(at).collect::<Result<_>>()?
            }
        };
        if upsert && (key.is_empty() || key_format.is_none()) {
            let what = "'upsert-kafka' needs a PRIMARY KEY and the option 'key.format'";
            return Err(Error::config(what)
                .advice("add PRIMARY KEY (...) NOT ENFORCED and 'key.format' = '...'"));
        }
        if upsert && value_format.changes() != super::super::Changes::Append {
            return Err(Error::config("'upsert-kafka' needs a format without changes of its own")
                .advice("use json, csv or raw"));
        }
        if key.is_empty() != key_format.is_none() {
            return Err(Error::config("'key.fields' and 'key.format' go together")
                .advice("give both or none"));
        }
        let key_prefix = options.text("key.fields-prefix").unwrap_or_default().to_owned();
        if let Some(i) = key.iter().find(|i| !table.columns[**i].name.starts_with(&key_prefix)) {
            return Err(Error::config(format!(
                "key column '{}' does not begin with '{key_prefix}'",
                table.columns[*i].name
            ))
            .advice("rename the column, or change 'key.fields-prefix'"));
        }
        let except = options
            .text("value.fields-include")
            .is_some_and(|text| text.eq_ignore_ascii_case("EXCEPT_KEY"));
        if !key_prefix.is_empty() && !except {
            return Err(Error::config("a key prefix needs 'value.fields-include' = 'EXCEPT_KEY'")
                .advice("key columns with a prefix cannot be in the value too"));
        }
        let physical = |i: &usize| table.columns[*i].metadata.is_none();
        let in_value = |i: &usize| physical(i) && !(except && key.contains(i));
        let value = (0..table.columns.len()).filter(in_value).collect();
        let metadata = |column: &TableColumn| -> Result<Option<Metadata>> {
            let Some(key) = &column.metadata else { return Ok(None) };
            let found = Metadata::ALL.iter().find(|(name, _)| name == key);
            let (_, found) = found.ok_or_else(|| {
                let names: Vec<&str> = Metadata::ALL.iter().map(|(name, _)| *name).collect();
                let advice = millstream_core::nearest::hint(key, names.iter().copied())
                    .unwrap_or_else(|| format!("there are {}", names.join(", ")));
                Error::config(format!("kafka has no metadata '{key}'")).advice(advice)
            })?;
            if !found.ty().same_shape(&column.ty) {
                return Err(Error::config(format!(
                    "metadata '{key}' is {}, column '{}' is {}",
                    found.ty(),
                    column.name,
                    column.ty.base_text()
                ))
                .advice(format!("declare the column as {}", found.ty())));
            }
            Ok(Some(*found))
        };
        Ok(Topic {
            upsert,
            metadata: table.columns.iter().map(metadata).collect::<Result<_>>()?,
            columns: table.columns.clone(),
            key,
            key_prefix,
            value,
            key_format,
            value_format,
            projection: Projection::all(&table.columns),
            options: options.clone(),
        })
    }

    /// The columns of the value's messages.
    pub(super) fn value_columns(&self) -> Vec<FormatColumn> {
        self.value.iter().map(|i| self.column(*i, "", true)).collect()
    }
    /// The columns of the key's messages; made are those that are not in the value.
    pub(super) fn key_columns(&self) -> Vec<FormatColumn> {
        let column = |i: &usize| self.column(*i, &self.key_prefix, self.is_of_key(*i));
        self.key.iter().map(column).collect()
    }
    /// Whether a column is read from the key: a tombstone has nothing else.
    pub(super) fn is_of_key(&self, column: usize) -> bool {
        self.key.contains(&column) && (self.upsert || !self.value.contains(&column))
    }
    fn column(&self, index: usize, prefix: &str, wanted: bool) -> FormatColumn {
        let column = &self.columns[index];
        FormatColumn {
            name: column.name.strip_prefix(prefix).unwrap_or(&column.name).to_owned(),
            ty: column.ty.clone(),
            wanted: wanted && self.projection.needs(index),
        }
    }

    fn topics(&self) -> Vec<&str> {
        let topics = self.options.text("topic").unwrap_or_default();
        topics.split(';').filter(|t| !t.is_empty()).collect()
    }
    fn servers(&self) -> Result<&str> {
        let name = "properties.bootstrap.servers";
        self.options.text(name).ok_or_else(|| missing(name))
    }
    /// `partition:0,offset:42;partition:1,offset:300`, for every topic.
    fn offsets(&self, name: &str) -> Result<OffsetsInitializer> {
        let text = self.options.text(name).ok_or_else(|| missing(name))?;
        let one = |part: &str| {
            let (partition, offset) = part.trim().split_once(',')?;
            let partition = partition.trim().strip_prefix("partition:")?.parse::<i32>().ok()?;
            let offset = offset.trim().strip_prefix("offset:")?.parse::<i64>().ok()?;
            Some((partition, offset))
        };
        let parts = text.split(';').filter(|p| !p.trim().is_empty());
        let parts: Vec<(i32, i64)> = parts.map(one).collect::<Option<_>>().ok_or_else(|| {
            Error::config(format!("option '{name}' cannot be '{text}'"))
                .advice("write 'partition:0,offset:42;partition:1,offset:300'")
        })?;
        let topics = self.topics();
        let all =
            topics.iter().flat_map(|t| parts.iter().map(move |(p, o)| (((*t).to_owned(), *p), *o)));
        Ok(OffsetsInitializer::offsets(all.collect::<Vec<_>>()))
    }
    fn initializer(&self, scan: &str, mode: &str) -> Result<OffsetsInitializer> {
        Ok(match mode {
            "earliest-offset" => OffsetsInitializer::earliest(),
            "latest-offset" => OffsetsInitializer::latest(),
            "timestamp" => {
                let name = format!("scan.{scan}.timestamp-millis");
                let at = self.options.number(&name).ok_or_else(|| missing(&name))?;
                OffsetsInitializer::timestamp(at)
            }
            "specific-offsets" => self.offsets(&format!("scan.{scan}.specific-offsets"))?,
            _ => {
                let reset = self.options.text("properties.auto.offset.reset");
                OffsetsInitializer::committed(match reset {
                    Some("earliest") => OffsetReset::Earliest,
                    Some("latest") => OffsetReset::Latest,
                    _ => OffsetReset::None,
                })
            }
        })
    }
    fn mode(&self, name: &str, default: &str) -> String {
        self.options.text(name).unwrap_or(default).to_ascii_lowercase()
    }
    /// Properties that have no option of their own here.
    fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = ["bootstrap.servers", "group.id", "auto.offset.reset"];
        self.options.under("properties.").filter(move |(name, _)| !own.contains(name))
    }

    /// A source of this topic, but for how records are read.
    pub(super) fn source_builder<T: Data>(&self) -> Result<KafkaSourceBuilder<T>> {
        let start = if self.upsert { "earliest-offset" } else { "group-offsets" };
        let start = self.mode("scan.startup.mode", start);
        let mut builder = KafkaSource::builder()
            .bootstrap_servers(self.servers()?)
            .starting_offsets(self.initializer("startup", &start)?);
        builder = match self.options.text("topic-pattern") {
            Some(_) if self.options.is_given("topic") => {
                return Err(Error::config("'topic' and 'topic-pattern' are both given")
                    .advice("choose one of them"));
            }
            Some(pattern) => builder.topic_pattern(pattern),
            None if self.topics().is_empty() => return Err(missing("topic")),
            None => builder.topics(self.topics()),
        };
        let end = self.mode("scan.bounded.mode", "unbounded");
        if end != "unbounded" {
            builder = builder.bounded(self.initializer("bounded", &end)?);
        }
        if let Some(group) = self.options.text("properties.group.id") {
            builder = builder.group_id(group);
        }
        if let Some(ms) = self.options.duration_ms("scan.topic-partition-discovery.interval") {
            let interval = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            builder = builder.partition_discovery(interval);
        }
        Ok(self.properties().fold(builder, |b, (name, value)| b.property(name, value)))
    }

    /// A sink to this topic, but for how records are written.
    pub(super) fn sink_builder<T: Data>(&self) -> Result<KafkaSinkBuilder<T>> {
        let [topic] = self.topics()[..] else {
            return Err(Error::config("a sink needs one topic").advice("set 'topic' to one name"));
        };
        let guarantee = match self.mode("sink.delivery-guarantee", "at-least-once").as_str() {
            "none" => DeliveryGuarantee::None,
            "exactly-once" => DeliveryGuarantee::ExactlyOnce,
            _ => DeliveryGuarantee::AtLeastOnce,
        };
        let builder = KafkaSink::builder()
            .bootstrap_servers(self.servers()?)
            .topic(topic)
            .delivery_guarantee(guarantee);
        let builder = match self.options.text(TRANSACTIONS.name) {
            Some(prefix) => builder.transactional_id_prefix(prefix),
            None => builder,
        };
        Ok(self.properties().fold(builder, |b, (name, value)| b.property(name, value)))
    }
}
