//! SQL with functions of one's own: a program that brings them and runs a script.
//!
//! A scalar function (the domain of an address), a table function (the words of a text) and
//! an aggregate (the median). The program provides them under identifiers; the script gives
//! them names with CREATE FUNCTION, as it would with classes in Flink.
//!
//! No event time here: the tables are constant rows, and GROUP BY updates its results with
//! every row, so there is nothing to wait for. A last change by key is what is printed.

use millstream_sql::functions::UserFunction;
use millstream_sql::functions::user::from_rows;
use millstream_sql::runtime::agg::user::{AggregateFunction, TableFunction};
use millstream_sql::session::{Outcome, Session, SqlError};
use millstream_sql::types::SqlType;
use millstream_sql::value::Value;
use std::collections::BTreeMap;

type Result<T> = millstream::core::Result<T>;

/// The middle one of whole numbers. It can take values away again, so it also works over
/// tables that are updated.
struct Median;

impl AggregateFunction for Median {
    /// How often each value is there.
    type State = BTreeMap<i64, u64>;

    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::bigint()]
    }
    fn return_type(&self) -> SqlType {
        SqlType::bigint()
    }
    fn can_retract(&self) -> bool {
        true
    }
    fn accumulate(&self, state: &mut Self::State, args: &[Value]) -> Result<()> {
        if let [Value::Int(value)] = args {
            *state.entry(*value).or_default() += 1;
        }
        Ok(())
    }
    fn retract(&self, state: &mut Self::State, args: &[Value]) -> Result<()> {
        if let [Value::Int(value)] = args
            && let Some(count) = state.get_mut(value)
        {
            *count -= 1;
            if *count == 0 {
                state.remove(value);
            }
        }
        Ok(())
    }
    fn merge(&self, into: &mut Self::State, from: &Self::State) -> Result<()> {
        from.iter().for_each(|(value, count)| *into.entry(*value).or_default() += count);
        Ok(())
    }
    fn result(&self, state: &Self::State) -> Result<Value> {
        let mut left = state.values().sum::<u64>().div_ceil(2);
        for (value, count) in state {
            if left <= *count {
                return Ok(Value::Int(*value));
            }
            left -= count;
        }
        Ok(Value::Null)
    }
}

/// One row for each word of a text, with its length.
struct Words;

impl TableFunction for Words {
    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::string()]
    }
    fn columns(&self) -> Vec<(String, SqlType)> {
        vec![("word".into(), SqlType::string()), ("length".into(), SqlType::bigint())]
    }
    fn eval(&self, args: &[Value]) -> Result<Vec<Vec<Value>>> {
        let [Value::Text(text)] = args else { return Ok(vec![]) };
        let row = |word: &str| vec![Value::text(word), Value::Int(word.chars().count() as i64)];
        Ok(text.split_whitespace().map(row).collect())
    }
}

const SCRIPT: &str = "
    CREATE FUNCTION domain_of AS 'shop.Domain';
    CREATE TEMPORARY FUNCTION median AS 'shop.Median' LANGUAGE RUST;
    CREATE TEMPORARY SYSTEM FUNCTION words AS 'shop.Words';
    CREATE VIEW orders AS SELECT * FROM (VALUES
        ('ada@example.org', 10, 'two red chairs'), ('ada@example.org', 20, 'one lamp'),
        ('ada@example.org', 90, ''), ('bo@example.com', 7, 'one chair')
    ) AS t (customer, price, items);

    SELECT customer || ' -> domain ' || domain_of(customer) || ', median '
        || CAST(median(price) AS STRING) FROM orders GROUP BY customer;
    SELECT w.word || ' in ' || CAST(COUNT(*) AS STRING) || ' orders'
        FROM orders LEFT JOIN LATERAL TABLE(words(items)) AS w (word, length) ON TRUE
        WHERE w.length > 3 GROUP BY w.word;
";

fn main() -> std::result::Result<(), SqlError> {
    let mut session = Session::new();
    let domain = from_rows([SqlType::string()], SqlType::string(), |args| match args {
        [Value::Text(address)] => Ok(match address.split_once('@') {
            Some((_, domain)) => Value::text(domain),
            None => Value::Null,
        }),
        _ => Ok(Value::Null),
    });
    session.provide_function("shop.Domain", UserFunction::scalar(domain));
    session.provide_function("shop.Median", UserFunction::aggregate(Median));
    session.provide_function("shop.Words", UserFunction::table(Words));
    session.run(SCRIPT, |outcome| {
        let Outcome::Query(query) = outcome else { return Ok(()) };
        // The changes, applied: what is left is the answer.
        let mut left: Vec<String> = vec![];
        for row in query.collect()?.rows {
            let line = row.values.into_iter().flatten().collect::<Vec<_>>().join(" ");
            match row.change {
                "+I" | "+U" => left.push(line),
                _ => left.retain(|l| *l != line),
            }
        }
        left.sort();
        left.iter().for_each(|line| println!("{line}"));
        Ok(())
    })
}
