//! Tables in a DataStream job: orders come as a stream, SQL sums them up, a stream goes on.
//!
//! Watermarks: orders come up to 5 seconds out of order, so the bound is 5 seconds. SQL takes
//! the stream's watermarks (`SOURCE_WATERMARK()`), so both halves agree on what is late. The
//! windows of SQL keep no late rows, as in Flink; an order that comes after its window is
//! counted as dropped.

use clap::Parser;
use millstream::prelude::*;

/// Finds the best customer of every minute.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// Number of orders to make
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
}

/// What comes in. Fields find their columns by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    customer: String,
    cents: i64,
    time: i64,
}

/// What SQL makes of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Best {
    minute: i64,
    customer: String,
    total: f64,
}

fn order(i: u64) -> Order {
    let noise = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
    Order {
        customer: format!("customer-{}", noise % 50),
        cents: (noise % 10_000) as i64,
        time: i as i64 * 100 - (noise % 5_000) as i64,
    }
}

fn run(args: Args) -> Result<JobExecutionResult> {
    let env = StreamExecutionEnvironment::with_args(args.job);
    let tables = StreamTableEnvironment::create(&env);
    let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(5))
        .with_timestamp_assigner(|order: &Order, _| order.time);
    let source = DataGenSource::new(|i, _| order(i)).number_of_rows(args.events);
    let orders = env.from_source(source, strategy, "orders");

    let schema = Schema::new_builder()
        .column("customer", "STRING NOT NULL")
        .column("cents", "BIGINT NOT NULL")
        .column_by_expression("price", "CAST(cents AS DECIMAL(12, 2)) / 100")
        .column_by_metadata("rowtime", "TIMESTAMP_LTZ(3)")
        .watermark("rowtime", "SOURCE_WATERMARK()")
        .build();
    tables.create_temporary_view("orders", &orders, schema)?;
    let best = tables.sql_query(
        "SELECT window_start AS `minute`, customer, total FROM (
           SELECT *, ROW_NUMBER() OVER (
             PARTITION BY window_start, window_end ORDER BY total DESC) AS place
           FROM (
             SELECT window_start, window_end, customer, SUM(price) AS total
             FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(rowtime), INTERVAL '1' MINUTE))
             GROUP BY window_start, window_end, customer))
         WHERE place = 1",
    )?;
    tables
        .to_data_stream_as::<Best>(&best)?
        .map(|best| format!("minute {}: {} with {:.2}", best.minute, best.customer, best.total))
        .sink_to(PrintSink::new());
    env.execute("tables")
}

fn main() -> std::process::ExitCode {
    millstream_examples::finish(run(Args::parse()))
}
