//! Events as Arrow columns: only those that are asked for.

use crate::bid::Urls;
use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use arrow_array::{
    ArrayRef, Int32Array, Int64Array, StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field as ArrowField, Fields, TimeUnit};
use std::ops::Range;
use std::sync::Arc;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A person joined (`event_type` 0).
    Person = 0,
    /// An auction began (1).
    Auction = 1,
    /// Somebody bid (2).
    Bid = 2,
}

impl EventKind {
    /// The kind of event `number`.
    #[inline]
    pub fn of(config: &NexmarkConfig, number: u64) -> Self {
        let offset = number % config.cycle();
        if offset < config.person_proportion {
            EventKind::Person
        } else if offset < config.person_proportion + config.auction_proportion {
            EventKind::Auction
        } else {
            EventKind::Bid
        }
    }
}

type Number = fn(&NexmarkConfig, u64) -> i64;
type Text = fn(&NexmarkConfig, u64, &mut Vec<u8>);

/// How the values of one field are made.
#[derive(Clone, Copy)]
enum Make {
    Long(Number),
    Time(Number),
    Text(Text),
    Url,
}

/// One column of the event table: `event_type`, or a field of one of the three rows.
#[derive(Clone, Copy)]
pub struct Column {
    kind: Option<EventKind>,
    name: &'static str,
    make: Make,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path())
    }
}

fn extra(config: &NexmarkConfig, number: u64, size: u64, others: u64, out: &mut Vec<u8>) {
    let mut draw = Draw::new(config.seed, number, Field::Extra);
    let length = draw.around(size.saturating_sub(others));
    draw.letters(length, out);
}

macro_rules! columns {
    ($($kind:ident { $($name:literal : $make:ident$(($f:expr))?,)* })*) => {
        const COLUMNS: &[Column] = &[
            Column {
                kind: None,
                name: "event_type",
                make: Make::Long(|config, number| EventKind::of(config, number) as i64),
            },
            $($(Column { kind: Some(EventKind::$kind), name: $name, make: Make::$make$(($f))? },)*)*
        ];
    };
}

columns! {
    Person {
        "id": Long(NexmarkConfig::person_id),
        "name": Text(NexmarkConfig::person_name),
        "emailAddress": Text(NexmarkConfig::person_email),
        "creditCard": Text(NexmarkConfig::person_credit_card),
        "city": Text(NexmarkConfig::person_city),
        "state": Text(NexmarkConfig::person_state),
        "dateTime": Time(NexmarkConfig::timestamp_ms),
        "extra": Text(|c, n, out| extra(c, n, c.person_size, 80, out)),
    }
    Auction {
        "id": Long(NexmarkConfig::auction_id),
        "itemName": Text(NexmarkConfig::auction_item_name),
        "description": Text(NexmarkConfig::auction_description),
        "initialBid": Long(NexmarkConfig::auction_initial_bid),
        "reserve": Long(NexmarkConfig::auction_reserve),
        "dateTime": Time(NexmarkConfig::timestamp_ms),
        "expires": Time(NexmarkConfig::auction_expires_ms),
        "seller": Long(NexmarkConfig::auction_seller),
        "category": Long(NexmarkConfig::auction_category),
        "extra": Text(|c, n, out| extra(c, n, c.auction_size, 120, out)),
    }
    Bid {
        "auction": Long(NexmarkConfig::bid_auction),
        "bidder": Long(NexmarkConfig::bid_bidder),
        "price": Long(NexmarkConfig::bid_price),
        "channel": Text(NexmarkConfig::bid_channel),
        "url": Url,
        "dateTime": Time(NexmarkConfig::timestamp_ms),
        "extra": Text(|c, n, out| extra(c, n, c.bid_size, 60, out)),
    }
}

impl Column {
    /// All columns, in the order of the table.
    pub fn all() -> &'static [Column] {
        COLUMNS
    }
    /// The fields of the row of one kind of event.
    pub fn of(kind: EventKind) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().filter(move |column| column.kind == Some(kind))
    }
    /// Name of the field within its row.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// `event_type`, or `bid.price` and the like.
    pub fn path(&self) -> String {
        match self.kind {
            None => self.name.to_owned(),
            Some(kind) => format!("{}.{}", format!("{kind:?}").to_lowercase(), self.name),
        }
    }
    /// The type of its values.
    pub fn data_type(&self) -> DataType {
        match (self.kind, self.make) {
            (None, _) => DataType::Int32,
            (_, Make::Long(_)) => DataType::Int64,
            (_, Make::Time(_)) => DataType::Timestamp(TimeUnit::Millisecond, None),
            (_, Make::Text(_) | Make::Url) => DataType::Utf8,
        }
    }
    /// The values of the events in `numbers`; of events of another kind they are null.
    pub fn values(&self, config: &NexmarkConfig, numbers: Range<u64>) -> ArrayRef {
        ColumnMaker::new(*self, config).values(numbers)
    }
}

/// Makes one column, batch by batch.
#[derive(Clone, Debug)]
pub struct ColumnMaker {
    column: Column,
    config: NexmarkConfig,
    urls: Option<Arc<Urls>>,
}

impl ColumnMaker {
    /// For a column of the events of `config`.
    pub fn new(column: Column, config: &NexmarkConfig) -> Self {
        let urls = matches!(column.make, Make::Url).then(|| Arc::new(Urls::new(config)));
        ColumnMaker { column, config: config.clone(), urls }
    }
    /// The values of the events in `numbers`; of events of another kind they are null.
    pub fn values(&self, numbers: Range<u64>) -> ArrayRef {
        let config = &self.config;
        let nulls = || self.column.kind.map(|kind| is_of_kind(config, kind, numbers.clone()));
        let longs = |make: Number| {
            let mut values = vec![0; rows(&numbers)];
            for run in self.runs(numbers.clone()) {
                let from = (run.start - numbers.start) as usize;
                values[from..].iter_mut().zip(run).for_each(|(v, n)| *v = make(config, n));
            }
            values
        };
        match self.column.make {
            Make::Long(_) if self.column.kind.is_none() => {
                let mut kinds = Vec::with_capacity(rows(&numbers));
                for (kind, run) in runs(config, numbers) {
                    kinds.resize(kinds.len() + rows(&run), kind as i32);
                }
                Arc::new(Int32Array::from(kinds))
            }
            Make::Long(make) => Arc::new(Int64Array::new(longs(make).into(), nulls())),
            Make::Time(make) => {
                Arc::new(TimestampMillisecondArray::new(longs(make).into(), nulls()))
            }
            Make::Text(make) => self.texts(&numbers, nulls(), |n, out| make(config, n, out)),
            Make::Url => self.texts(&numbers, nulls(), |number, out| {
                if let Some(urls) = &self.urls {
                    urls.of_bid(config, number, out);
                }
            }),
        }
    }
    /// The parts of `numbers` that are events of this column's kind.
    fn runs(&self, numbers: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let kind = self.column.kind;
        runs(&self.config, numbers)
            .filter(move |(of, _)| kind.is_none_or(|kind| kind == *of))
            .map(|(_, run)| run)
    }
    fn texts(
        &self,
        numbers: &Range<u64>,
        nulls: Option<NullBuffer>,
        mut make: impl FnMut(u64, &mut Vec<u8>),
    ) -> ArrayRef {
        let rows = rows(numbers);
        let mut text = Vec::with_capacity(rows * 48);
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0i32);
        for run in self.runs(numbers.clone()) {
            // Rows of other kinds are empty.
            let before = (run.start - numbers.start) as usize + 1;
            offsets.resize(before, text.len() as i32);
            for number in run {
                make(number, &mut text);
                offsets.push(text.len() as i32);
            }
        }
        offsets.resize(rows + 1, text.len() as i32);
        let offsets = OffsetBuffer::new(offsets.into());
        Arc::new(StringArray::new(offsets, Buffer::from_vec(text), nulls))
    }
}

fn rows(numbers: &Range<u64>) -> usize {
    usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(0)
}

/// `numbers` cut where the kind changes.
fn runs(
    config: &NexmarkConfig,
    numbers: Range<u64>,
) -> impl Iterator<Item = (EventKind, Range<u64>)> {
    let (people, sellers) = (config.person_proportion, config.auction_proportion);
    let cycle = config.cycle();
    let mut next = numbers.start;
    let end = numbers.end;
    std::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let offset = next % cycle;
        let (kind, left) = match offset {
            o if o < people => (EventKind::Person, people - o),
            o if o < people + sellers => (EventKind::Auction, people + sellers - o),
            o => (EventKind::Bid, cycle - o),
        };
        let run = next..end.min(next.saturating_add(left));
        next = run.end;
        Some((kind, run))
    })
}

/// Which of the events in `numbers` are of a kind; the others are null.
pub fn is_of_kind(config: &NexmarkConfig, kind: EventKind, numbers: Range<u64>) -> NullBuffer {
    let mut bits = BooleanBufferBuilder::new(rows(&numbers));
    for (of, run) in runs(config, numbers) {
        bits.append_n(rows(&run), of == kind);
    }
    bits.finish().into()
}

fn row_fields(kind: EventKind) -> Fields {
    Column::of(kind).map(|c| ArrowField::new(c.name, c.data_type(), true)).collect()
}

/// The table of events: `event_type`, and a row each for the three kinds, of which one is set.
pub fn event_schema() -> Fields {
    let row = |name: &str, kind| ArrowField::new(name, DataType::Struct(row_fields(kind)), true);
    Fields::from(vec![
        ArrowField::new("event_type", DataType::Int32, false),
        row("person", EventKind::Person),
        row("auction", EventKind::Auction),
        row("bid", EventKind::Bid),
    ])
}

/// The events in `numbers` as columns of [`event_schema`].
///
/// ```
/// use arrow_array::Array;
/// use millstream_nexmark::{NexmarkConfig, batch};
/// let columns = batch(&NexmarkConfig::default(), 0..100);
/// assert_eq!(columns[1].len() - columns[1].null_count(), 2); // people
/// assert_eq!(columns[3].len() - columns[3].null_count(), 92); // bids
/// ```
pub fn batch(config: &NexmarkConfig, numbers: Range<u64>) -> Vec<ArrayRef> {
    let row = |kind| -> ArrayRef {
        let columns = Column::of(kind).map(|c| c.values(config, numbers.clone())).collect();
        let nulls = is_of_kind(config, kind, numbers.clone());
        Arc::new(StructArray::new(row_fields(kind), columns, Some(nulls)))
    };
    vec![
        COLUMNS[0].values(config, numbers.clone()),
        row(EventKind::Person),
        row(EventKind::Auction),
        row(EventKind::Bid),
    ]
}
