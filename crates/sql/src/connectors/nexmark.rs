//! `nexmark`: the events of an online auction, for benchmarks.
//!
//! The table has the columns `event_type INT`, and `person`, `auction`, `bid` as ROWs of
//! which one is set. Only the fields that a query reads are made, straight into columns.

use super::blocks::Blocks;
use super::projection::Projection;
use super::{
    Changes, Connector, FieldPath, OptionKind, OptionSpec, Options, TableColumn, TablePoll,
    TableReader, TableSource, TableSpec, add_reader,
};
use crate::runtime::ChangeBatch;
use crate::types::{SqlType, TypeKind, row_fields};
use arrow_array::{ArrayRef, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{Fields, SchemaRef};
use millstream_core::{Epoch, Error, Result};
use millstream_nexmark::{Column, EventKind, NexmarkConfig};
use millstream_runtime::OperatorSnapshot;
use millstream_runtime::job_graph::{JobGraph, NodeId, NodeSpec};
use std::ops::Range;
use std::sync::Arc;

/// Events of one batch.
const BLOCK: u64 = 4096;

const COUNT: OptionKind = OptionKind::Number(0, 1_000_000_000);

pub(crate) const CONNECTOR: Connector = Connector {
    name: "nexmark",
    doc: "makes the events of the Nexmark benchmark",
    options: &[
        OptionSpec::new(
            "events.num",
            OptionKind::Number(0, i64::MAX),
            "0",
            "number of events; 0: without end",
        ),
        OptionSpec::new(
            "first-event.rate",
            OptionKind::Number(1, 1_000_000_000),
            "10000",
            "events in one second of event time",
        ),
        OptionSpec::new("seed", OptionKind::Number(0, i64::MAX), "0", "same seed, same events"),
        OptionSpec::new("person.proportion", COUNT, "1", "people of each cycle of events"),
        OptionSpec::new("auction.proportion", COUNT, "3", "auctions of each cycle"),
        OptionSpec::new("bid.proportion", COUNT, "46", "bids of each cycle"),
        OptionSpec::new(
            "bid.hot-ratio.auctions",
            COUNT,
            "2",
            "one in so many bids goes to an auction that is not hot",
        ),
        OptionSpec::new(
            "bid.hot-ratio.bidders",
            COUNT,
            "4",
            "one in so many bids is from a person who is not hot",
        ),
        OptionSpec::new(
            "auction.hot-ratio.sellers",
            COUNT,
            "4",
            "one in so many auctions is of a seller who is not hot",
        ),
        OptionSpec::new("person.avg-size", COUNT, "200", "mean size of a person in bytes"),
        OptionSpec::new("auction.avg-size", COUNT, "500", "mean size of an auction in bytes"),
        OptionSpec::new("bid.avg-size", COUNT, "100", "mean size of a bid in bytes"),
    ],
    formats: &[],
    source: Some(|table, options| Ok(Arc::new(Nexmark::new(table, &options)?))),
    sink: None,
};

#[derive(Clone)]
struct Nexmark {
    config: NexmarkConfig,
    events: Option<u64>,
    columns: Vec<TableColumn>,
    projection: Projection,
    /// How to make each column of the projection.
    makers: Vec<Maker>,
}

/// How one column is made.
#[derive(Clone)]
enum Maker {
    Field(&'static Column),
    Row(EventKind, Vec<&'static Column>, Fields),
}

fn config(options: &Options) -> Result<NexmarkConfig> {
    let number = |name: &str| {
        options
            .number(name)
            .and_then(|n| u64::try_from(n).ok())
            .ok_or_else(|| Error::bug(format!("option '{name}' has no value")))
    };
    let config = NexmarkConfig {
        seed: number("seed")?,
        events_per_second: number("first-event.rate")?,
        person_proportion: number("person.proportion")?,
        auction_proportion: number("auction.proportion")?,
        bid_proportion: number("bid.proportion")?,
        hot_auction_ratio: number("bid.hot-ratio.auctions")?,
        hot_bidders_ratio: number("bid.hot-ratio.bidders")?,
        hot_sellers_ratio: number("auction.hot-ratio.sellers")?,
        person_size: number("person.avg-size")?,
        auction_size: number("auction.avg-size")?,
        bid_size: number("bid.avg-size")?,
        ..NexmarkConfig::default()
    };
    config.validate()?;
    Ok(config)
}

fn unknown(name: &str, known: Vec<&str>) -> Error {
    let advice = crate::nearest::hint(name, known.iter().copied())
        .unwrap_or_else(|| format!("there are {}", known.join(", ")));
    Error::config(format!("nexmark has no column '{name}'")).advice(advice)
}

fn field(kind: EventKind, name: &str, ty: &SqlType) -> Result<&'static Column> {
    let found = Column::of(kind).find(|c| c.name() == name);
    let column =
        found.ok_or_else(|| unknown(name, Column::of(kind).map(Column::name).collect()))?;
    check_type(column, ty)?;
    Ok(column)
}

fn check_type(column: &Column, ty: &SqlType) -> Result<()> {
    let made = column.data_type();
    if ty.arrow() == made {
        return Ok(());
    }
    let right = SqlType::from_arrow(&made, true)?;
    Err(Error::config(format!("nexmark: '{}' cannot be {ty}", column.path()))
        .advice(format!("declare it as {}", right.base_text())))
}

impl Maker {
    fn of(columns: &[TableColumn], path: &[usize]) -> Result<Self> {
        let nowhere = || Error::bug("a projection of a column that is not there");
        let (first, rest) = path.split_first().ok_or_else(nowhere)?;
        let column = columns.get(*first).ok_or_else(nowhere)?;
        let kind = match column.name.as_str() {
            "event_type" => {
                let event_type = &Column::all()[0];
                check_type(event_type, &column.ty)?;
                return Ok(Maker::Field(event_type));
            }
            "person" => EventKind::Person,
            "auction" => EventKind::Auction,
            "bid" => EventKind::Bid,
            other => return Err(unknown(other, vec!["event_type", "person", "auction", "bid"])),
        };
        let TypeKind::Row(fields) = &column.ty.kind else {
            return Err(Error::config(format!("nexmark: '{}' is no ROW", column.name))
                .advice("declare it as a ROW of the fields that you need"));
        };
        match rest {
            [] => {
                let made = fields.iter().map(|f| field(kind, &f.name, &f.ty));
                Ok(Maker::Row(kind, made.collect::<Result<_>>()?, row_fields(fields)))
            }
            [index] => {
                let f = fields.get(*index).ok_or_else(nowhere)?;
                field(kind, &f.name, &f.ty).map(Maker::Field)
            }
            _ => Err(nowhere()),
        }
    }

    fn make(&self, config: &NexmarkConfig, numbers: Range<u64>) -> ArrayRef {
        match self {
            Maker::Field(column) => column.values(config, numbers),
            Maker::Row(kind, columns, fields) => {
                let values = columns.iter().map(|c| c.values(config, numbers.clone())).collect();
                let is_set = numbers.map(|n| EventKind::of(config, n) == *kind);
                let nulls = is_set.collect::<NullBuffer>();
                Arc::new(StructArray::new(fields.clone(), values, Some(nulls)))
            }
        }
    }
}

impl Nexmark {
    fn new(table: &TableSpec, options: &Options) -> Result<Self> {
        let columns = table.columns.clone();
        if let Some(column) = columns.iter().find(|c| c.metadata.is_some()) {
            return Err(Error::config(format!("nexmark has no metadata for '{}'", column.name))
                .advice("leave the METADATA column out"));
        }
        let projection = Projection::all(&columns)?;
        let paths = projection.paths().iter();
        let makers = paths.map(|path| Maker::of(&columns, path)).collect::<Result<_>>()?;
        let events = options.number("events.num").filter(|n| *n > 0);
        let events = events.and_then(|n| u64::try_from(n).ok());
        Ok(Nexmark { config: config(options)?, events, columns, projection, makers })
    }
}

impl TableSource for Nexmark {
    fn changes(&self) -> Changes {
        Changes::Append
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.projection.schema())
    }
    fn is_bounded(&self) -> bool {
        self.events.is_some()
    }
    fn project(&self, paths: &[FieldPath]) -> Result<Arc<dyn TableSource>> {
        let projection = Projection::new(&self.columns, paths)?;
        let makers =
            paths.iter().map(|path| Maker::of(&self.columns, path)).collect::<Result<_>>()?;
        Ok(Arc::new(Nexmark { projection, makers, ..self.clone() }))
    }
    fn limit(&self, rows: u64) -> Option<Arc<dyn TableSource>> {
        let events = Some(self.events.map_or(rows, |events| events.min(rows)));
        Some(Arc::new(Nexmark { events, ..self.clone() }))
    }
    fn add_to(&self, graph: &mut JobGraph, spec: NodeSpec) -> NodeId {
        let nexmark = self.clone();
        add_reader(graph, spec, move |context| {
            let blocks = Blocks::open(context, BLOCK, nexmark.events)?;
            Ok(Box::new(NexmarkReader { nexmark: nexmark.clone(), blocks }))
        })
    }
}

struct NexmarkReader {
    nexmark: Nexmark,
    blocks: Blocks,
}

impl TableReader for NexmarkReader {
    fn poll(&mut self, _now_ms: i64) -> Result<TablePoll> {
        let Some(numbers) = self.blocks.next() else { return Ok(TablePoll::End) };
        let rows = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
        let Nexmark { config, makers, projection, .. } = &self.nexmark;
        let columns = makers.iter().map(|maker| maker.make(config, numbers.clone())).collect();
        let schema = Arc::clone(projection.schema());
        Ok(TablePoll::Rows(ChangeBatch::from_columns(schema, columns, rows, None)?))
    }
    fn snapshot(&mut self, _epoch: Epoch, into: &mut OperatorSnapshot) -> Result<()> {
        self.blocks.snapshot(into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connectors::testing::{options, read};

    fn table(more: &[(&str, &str)]) -> TableSpec {
        let bid = SqlType::row([("auction", SqlType::bigint()), ("channel", SqlType::string())]);
        let columns = vec![
            TableColumn::physical("event_type", SqlType::int()),
            TableColumn::physical("bid", bid),
        ];
        let given = [("connector", "nexmark"), ("events.num", "100")];
        TableSpec::new("nexmark", columns, options(&[&given, more].concat()))
    }

    #[test]
    fn a_field_is_made_as_in_its_row() {
        let source = super::super::source(&table(&[])).unwrap();
        assert!(source.is_bounded());
        let rows = read(&*source, 3);
        assert_eq!(rows.len(), 100);
        let fields = source.project(&[vec![1, 0], vec![0]]).unwrap();
        assert_eq!(fields.schema().field(0).name(), "bid.auction");
        let bids = read(&*fields, 1).iter().filter(|r| r.ends_with(" 2")).count();
        assert_eq!(bids, 92);
    }

    #[test]
    fn wrong_tables_are_refused() {
        let mut wrong = table(&[]);
        wrong.columns[0].name = "eventtype".into();
        let text = super::super::source(&wrong).err().unwrap().to_string();
        assert!(text.contains("did you mean 'event_type'?"), "{text}");
        let text = super::super::source(&table(&[("event.num", "1")])).err().unwrap().to_string();
        assert!(text.contains("did you mean 'events.num'?"), "{text}");
    }
}
