//! Payments from Kafka into PostgreSQL, each exactly once, whatever is killed on the way.
//!
//! ```text
//!   topic payments ─┬─────────────────────────────────> table payments          append,
//!                   │                                                           exactly once
//!                   └─ key by user ─> running total ──> table payments_totals   upsert by user
//! ```
//!
//! # How nothing is lost and nothing comes twice
//! - **Kafka source.** The offset of every partition is part of the checkpoint, together with
//!   the totals that the payments before it have made. After a crash both go back to the same
//!   point: the source reads again from the checkpoint's offsets, not from those of its consumer
//!   group. The group's offsets are committed after each checkpoint as well, but only so that
//!   tools can show the lag.
//! - **`payments`** gets a new row for each payment, so a payment that is read again must not be
//!   written again. Its rows of one epoch travel in the checkpoint and are published in one
//!   transaction when it is complete, together with a note in `millstream_commits`; a restart
//!   publishes what is noted nowhere.
//! - **`payments_totals`** has one row a user, and a total is absolute: written twice, it is the
//!   same. An upsert by key is enough, and is visible sooner.
//!
//! Try it (scripts/kafka start; scripts/postgres start):
//! ```text
//!   kafka-to-postgres --fill 100000 --processes 2 --job-id pay \
//!       -D execution.checkpointing.dir=/tmp/checkpoints
//!   kill -9 any of its processes while it runs, or all of them, and start it again
//!   without --fill; then: kafka-to-postgres --check 100000
//! ```

use clap::Parser;
use millstream::jdbc::{JdbcSink, TimestampMs};
use millstream::prelude::*;
use postgres::{Client, NoTls};
use std::process::ExitCode;

/// One payment, as it is in the topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payment {
    id: i64,
    user: i64,
    cents: i64,
    time_ms: i64,
}

/// What a user has paid up to now.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Total {
    user: i64,
    payments: i64,
    cents: i64,
}

/// Writes payments from Kafka to PostgreSQL.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// The Kafka brokers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// The database; a password goes into the environment variable PGPASSWORD
    #[arg(long, default_value = "postgres://millstream@127.0.0.1:5439/millstream")]
    postgres: String,
    /// Name of the topic and of the table
    #[arg(long, default_value = "payments")]
    name: String,
    /// First make the topic and the tables anew, with this many payments
    #[arg(long, value_name = "PAYMENTS")]
    fill: Option<u64>,
    /// Only say whether the tables hold each of this many payments once
    #[arg(long, value_name = "PAYMENTS")]
    check: Option<u64>,
    /// Go on for ever, in place of ending where the topic ends now
    #[arg(long)]
    forever: bool,
    /// Milliseconds between checkpoints
    #[arg(long, default_value_t = 1000)]
    checkpoint_ms: u64,
}

fn payment(n: u64) -> Payment {
    let noise = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    Payment {
        id: n as i64,
        user: (noise % 1000) as i64,
        cents: (noise >> 12) as i64 % 10_000,
        time_ms: 1_700_000_000_000 + n as i64,
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(payments) = args.check {
        return check(args, payments);
    }
    // The other processes of the job run this program too: the first one has filled it.
    if let (Some(payments), None) = (args.fill, std::env::var_os("MILLSTREAM_CHILD_INDEX")) {
        fill(args, payments)?;
    }
    let env = StreamExecutionEnvironment::with_args(args.job.clone());
    env.enable_checkpointing(Duration::from_millis(args.checkpoint_ms));
    let source = KafkaSource::builder()
        .bootstrap_servers(&args.bootstrap_servers)
        .topics([&args.name])
        .group_id(format!("{}-to-postgres", args.name))
        // Only for a start without state: a restart goes on at its checkpoint.
        .starting_offsets(OffsetsInitializer::earliest())
        .deserializer(de::json::<Payment>());
    let source = if args.forever { source } else { source.bounded(OffsetsInitializer::latest()) };
    let strategy = WatermarkStrategy::for_monotonous_timestamps()
        .with_timestamp_assigner(|payment: &Payment, _| payment.time_ms);
    let payments = env.from_source(source.build()?, strategy, "payments").uid("payments");

    let password = std::env::var("PGPASSWORD").unwrap_or_default();
    let rows = JdbcSink::builder()
        .url(&args.postgres)
        .password(&password)
        .table(&args.name)
        .column("id", |p: &Payment| p.id)
        .column("user_id", |p: &Payment| p.user)
        .column("cents", |p: &Payment| p.cents)
        .column("paid_at", |p: &Payment| TimestampMs(p.time_ms))
        .exactly_once(&args.name);
    payments.sink_to(rows.build()?).name("payments table").uid("payments-table");

    let totals = payments
        .key_by(|payment| payment.user)
        .map_with_state(|total: &mut Option<Total>, payment: Payment| {
            let user = payment.user;
            let total = total.get_or_insert(Total { user, payments: 0, cents: 0 });
            total.payments += 1;
            total.cents += payment.cents;
            total.clone()
        })
        .uid("totals");
    let upsert = JdbcSink::builder()
        .url(&args.postgres)
        .password(&password)
        .table(format!("{}_totals", args.name))
        .column("user_id", |t: &Total| t.user)
        .column("payments", |t: &Total| t.payments)
        .column("cents", |t: &Total| t.cents)
        .key(["user_id"]);
    totals.sink_to(upsert.build()?).name("totals table").uid("totals-table");
    let done = env.execute(&format!("{}-to-postgres", args.name))?;
    eprintln!("{} ended after {:.2?}", done.job_name, done.net_runtime);
    Ok(())
}

fn connect(args: &Args) -> Result<Client> {
    let mut config: postgres::Config = args
        .postgres
        .parse()
        .map_err(|_| Error::config("--postgres is not postgres://user@host:port/database"))?;
    if let Ok(password) = std::env::var("PGPASSWORD") {
        config.password(password);
    }
    config.connect(NoTls).map_err(|e| {
        Error::retry(format!("no connection to PostgreSQL: {e}"))
            .advice("check --postgres, or start a server with scripts/postgres start")
    })
}

fn failed(error: postgres::Error) -> Error {
    Error::config(format!("PostgreSQL refuses: {error}"))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes tables and topic anew, and fills the topic with a job of its own.
fn fill(args: &Args, payments: u64) -> Result<()> {
    let (table, totals) = (quote(&args.name), quote(&format!("{}_totals", args.name)));
    let mut client = connect(args)?;
    let ddl = format!(
        "DROP TABLE IF EXISTS {table}, {totals}; \
         CREATE TABLE {table} (id bigint NOT NULL, user_id bigint NOT NULL, cents bigint NOT NULL, \
         paid_at timestamptz NOT NULL); \
         CREATE TABLE {totals} (user_id bigint PRIMARY KEY, payments bigint NOT NULL, \
         cents bigint NOT NULL)"
    );
    client.batch_execute(&ddl).map_err(failed)?;
    // The table is made anew: what was published to the former one counts no more.
    let noted =
        client.query_one("SELECT to_regclass('public.millstream_commits') IS NOT NULL", &[]);
    if noted.map_err(failed)?.get::<_, bool>(0) {
        let forget = "DELETE FROM public.millstream_commits WHERE sink = $1";
        client.execute(forget, &[&args.name]).map_err(failed)?;
    }
    create_topic(&args.bootstrap_servers, &args.name)?;
    let env = StreamExecutionEnvironment::new();
    let source = DataGenSource::new(|n, _| payment(n)).number_of_rows(payments);
    let sink = KafkaSink::builder()
        .bootstrap_servers(&args.bootstrap_servers)
        .topic(&args.name)
        .key(|p: &Payment, key| ser::string()(&p.user.to_string(), key))
        .value(ser::json());
    env.from_source(source, WatermarkStrategy::no_watermarks(), "shops").sink_to(sink.build()?);
    env.execute("shops").map(|_| ())
}

fn create_topic(servers: &str, name: &str) -> Result<()> {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let failed = |e: String| {
        Error::retry(format!("cannot make topic '{name}': {e}")).advice(
            "check --bootstrap-servers, or start a broker with scripts/kafka start; a topic that \
             is there already must be deleted, or another --name chosen",
        )
    };
    let admin: AdminClient<rdkafka::client::DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .map_err(|e| failed(e.to_string()))?;
    let topic = NewTopic::new(name, 4, TopicReplication::Fixed(1));
    let made = futures_executor::block_on(admin.create_topics([&topic], &AdminOptions::new()));
    for result in made.map_err(|e| failed(e.to_string()))? {
        result.map_err(|(_, e)| failed(e.to_string()))?;
    }
    Ok(())
}

/// Compares the tables with the payments that were made.
fn check(args: &Args, payments: u64) -> Result<()> {
    let (table, totals) = (quote(&args.name), quote(&format!("{}_totals", args.name)));
    let mut client = connect(args)?;
    let sql =
        format!("SELECT count(*), count(DISTINCT id), coalesce(sum(cents), 0)::int8 FROM {table}");
    let row = client.query_one(&sql, &[]).map_err(failed)?;
    let (rows, distinct, cents): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let sql = format!(
        "SELECT coalesce(sum(payments), 0)::int8, coalesce(sum(cents), 0)::int8 FROM {totals}"
    );
    let row = client.query_one(&sql, &[]).map_err(failed)?;
    let (counted, total): (i64, i64) = (row.get(0), row.get(1));
    let expected: i64 = (0..payments).map(|n| payment(n).cents).sum();
    let (lost, doubled) = (payments as i64 - distinct, rows - distinct);
    println!(
        "payments: {rows}, lost: {lost}, doubled: {doubled}, cents: {cents} of {expected}; \
         totals: {counted} payments, {total} cents"
    );
    let right = lost == 0 && doubled == 0 && cents == expected;
    if right && counted == payments as i64 && total == expected {
        println!("each payment is there exactly once");
        return Ok(());
    }
    Err(Error::bug("the tables do not hold what the topic held"))
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafka-to-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}
