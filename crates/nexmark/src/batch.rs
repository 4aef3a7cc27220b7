//! Events as Arrow columns: only those that are asked for.

use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int32Array, Int64Array, StructArray, TimestampMillisecondArray};
use arrow_buffer::NullBuffer;
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
type Text = fn(&NexmarkConfig, u64, &mut String);

/// How the values of one field are made.
#[derive(Clone, Copy)]
enum Make {
    Long(Number),
    Time(Number),
    Text(Text),
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

fn extra(config: &NexmarkConfig, number: u64, size: u64, others: u64, out: &mut String) {
    let mut draw = Draw::new(config.seed, number, Field::Extra);
    let length = draw.around(size.saturating_sub(others));
    draw.letters(length, out);
}

macro_rules! columns {
    ($($kind:ident { $($name:literal : $make:ident($f:expr),)* })*) => {
        const COLUMNS: &[Column] = &[
            Column {
                kind: None,
                name: "event_type",
                make: Make::Long(|config, number| EventKind::of(config, number) as i64),
            },
            $($(Column { kind: Some(EventKind::$kind), name: $name, make: Make::$make($f) },)*)*
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
        "url": Text(NexmarkConfig::bid_url),
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
            (_, Make::Text(_)) => DataType::Utf8,
        }
    }
    /// The values of the events in `numbers`; of events of another kind they are null.
    pub fn values(&self, config: &NexmarkConfig, numbers: Range<u64>) -> ArrayRef {
        let is_mine = |n: &u64| self.kind.is_none_or(|kind| kind == EventKind::of(config, *n));
        let nulls =
            || self.kind.map(|_| numbers.clone().map(|n| is_mine(&n)).collect::<NullBuffer>());
        let longs = |make: Number| {
            let value = |n| if is_mine(&n) { make(config, n) } else { 0 };
            numbers.clone().map(value).collect::<Vec<i64>>()
        };
        match self.make {
            Make::Long(make) if self.kind.is_none() => {
                let kinds = numbers.map(|n| make(config, n) as i32);
                Arc::new(Int32Array::from_iter_values(kinds))
            }
            Make::Long(make) => Arc::new(Int64Array::new(longs(make).into(), nulls())),
            Make::Time(make) => {
                Arc::new(TimestampMillisecondArray::new(longs(make).into(), nulls()))
            }
            Make::Text(make) => {
                let rows = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
                let mut builder = StringBuilder::with_capacity(rows, rows * 16);
                let mut text = String::new();
                for number in numbers {
                    if is_mine(&number) {
                        text.clear();
                        make(config, number, &mut text);
                        builder.append_value(&text);
                    } else {
                        builder.append_null();
                    }
                }
                Arc::new(builder.finish())
            }
        }
    }
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
        let is_set = |n| EventKind::of(config, n) == kind;
        let nulls = numbers.clone().map(is_set).collect::<NullBuffer>();
        Arc::new(StructArray::new(row_fields(kind), columns, Some(nulls)))
    };
    vec![
        COLUMNS[0].values(config, numbers.clone()),
        row(EventKind::Person),
        row(EventKind::Auction),
        row(EventKind::Bid),
    ]
}
