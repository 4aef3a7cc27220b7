//! `nexmark`: the events of an online auction, for benchmarks.
//!
//! The table has the columns `event_type INT`, and `person`, `auction`, `bid` as ROWs of
//! which one is set. Only the fields that a query reads are made, straight into columns.

use super::blocks::Blocks;
use super::projection::Projection;
use super::{
    Connector, Needed, OptionKind, OptionSpec, Options, TableColumn, TablePoll, TableReader,
    TableSource, TableSpec,
};
use crate::runtime::ChangeBatch;
use crate::types::{SqlType, TypeKind, row_fields};
use arrow_array::{ArrayRef, StructArray, new_null_array};
use arrow_schema::{DataType, Fields, SchemaRef};
use millstream_core::{Epoch, Error, Result};
use millstream_nexmark::{Column, ColumnMaker, EventKind, NexmarkConfig, is_of_kind};
use millstream_runtime::{OperatorContext, OperatorSnapshot};
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
    schema: SchemaRef,
    /// How to make each column.
    makers: Vec<Maker>,
}

/// How one column is made.
#[derive(Clone)]
enum Maker {
    /// Nobody reads it: NULLs, as many as a block has rows.
    Nothing(ArrayRef),
    Values(ColumnMaker),
    /// A row, with how its fields are made.
    Row(EventKind, Vec<Maker>, Fields),
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
    let advice = millstream_core::nearest::hint(name, known.iter().copied())
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
    fn nothing(ty: &DataType) -> Self {
        Maker::Nothing(new_null_array(ty, BLOCK as usize))
    }
    fn of(column: &TableColumn, needed: &Needed, config: &NexmarkConfig) -> Result<Self> {
        let kind = match column.name.as_str() {
            "event_type" => {
                let event_type = &Column::all()[0];
                check_type(event_type, &column.ty)?;
                return Ok(match needed {
                    Needed::No => Maker::nothing(&column.ty.arrow()),
                    _ => Maker::Values(ColumnMaker::new(*event_type, config)),
                });
            }
            "person" => EventKind::Person,
            "auction" => EventKind::Auction,
            "bid" => EventKind::Bid,
            other => return Err(unknown(other, vec!["event_type", "person", "auction", "bid"])),
        };
        let TypeKind::Row(types) = &column.ty.kind else {
            return Err(Error::config(format!("nexmark: '{}' is no ROW", column.name))
                .advice("declare it as a ROW of the fields that you need"));
        };
        let mut makers = vec![];
        for (i, f) in types.iter().enumerate() {
            let made = field(kind, &f.name, &f.ty)?;
            makers.push(match needed.field(i) {
                Needed::No => Maker::nothing(&f.ty.arrow()),
                _ => Maker::Values(ColumnMaker::new(*made, config)),
            });
        }
        Ok(match needed {
            Needed::No => Maker::nothing(&column.ty.arrow()),
            _ => Maker::Row(kind, makers, row_fields(types)),
        })
    }

    fn make(&self, config: &NexmarkConfig, numbers: Range<u64>) -> ArrayRef {
        let rows = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
        match self {
            Maker::Nothing(nulls) if nulls.len() == rows => Arc::clone(nulls),
            Maker::Nothing(nulls) => nulls.slice(0, rows),
            Maker::Values(maker) => maker.values(numbers),
            Maker::Row(kind, makers, fields) => {
                let values = makers.iter().map(|m| m.make(config, numbers.clone())).collect();
                let nulls = is_of_kind(config, *kind, numbers);
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
        let config = config(options)?;
        let makers =
            columns.iter().map(|c| Maker::of(c, &Needed::All, &config)).collect::<Result<_>>()?;
        let events = options.number("events.num").filter(|n| *n > 0);
        let events = events.and_then(|n| u64::try_from(n).ok());
        let schema = Arc::clone(Projection::all(&columns).schema());
        Ok(Nexmark { config, events, columns, schema, makers })
    }
}

impl TableSource for Nexmark {
    fn project(&self, needed: &[Needed]) -> Result<Option<Arc<dyn TableSource>>> {
        if needed.len() != self.columns.len() {
            return Err(Error::bug("a projection of other columns than the table has"));
        }
        let columns = self.columns.iter().zip(needed);
        let makers =
            columns.map(|(c, needed)| Maker::of(c, needed, &self.config)).collect::<Result<_>>()?;
        Ok(Some(Arc::new(Nexmark { makers, ..self.clone() })))
    }
    fn create_reader(&self, context: &OperatorContext) -> Result<Box<dyn TableReader>> {
        let blocks = Blocks::open(context, BLOCK, self.events)?;
        Ok(Box::new(NexmarkReader { nexmark: self.clone(), blocks }))
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
        let Nexmark { config, makers, schema, .. } = &self.nexmark;
        let columns = makers.iter().map(|maker| maker.make(config, numbers.clone())).collect();
        let schema = Arc::clone(schema);
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
    use crate::connectors::testing::{options, read, source};

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
    fn only_what_is_needed_is_made() {
        let all = source(&table(&[])).unwrap();
        let rows = read(&*all, 3);
        assert_eq!(rows.len(), 100);
        let needed = [Needed::No, Needed::Fields(vec![Needed::All, Needed::No])];
        let some = source(&table(&[])).unwrap().project(&needed).unwrap().unwrap();
        let (full, lean) = (read(&*all, 1), read(&*some, 1));
        let bids = full.iter().filter(|r| r.starts_with("+I 2 ")).count();
        assert_eq!(bids, 92);
        for (full, lean) in full.iter().zip(lean) {
            // `+I 2 (1000, apple)` and `+I null (1000, NULL)`
            let auction = |row: &str| row.split(['(', ',']).nth(1).map(str::to_owned);
            assert_eq!(auction(full), auction(&lean));
            assert!(lean.starts_with("+I null "), "{lean}");
            assert!(lean.ends_with(", NULL)") || lean.ends_with(" null"), "{lean}");
        }
    }

    #[test]
    fn wrong_tables_are_refused() {
        let mut wrong = table(&[]);
        wrong.columns[0].name = "eventtype".into();
        let text = source(&wrong).err().unwrap().to_string();
        assert!(text.contains("did you mean 'event_type'?"), "{text}");
        let text = source(&table(&[("event.num", "1")])).err().unwrap().to_string();
        assert!(text.contains("did you mean 'events.num'?"), "{text}");
    }
}
