//! Tables that are asked by key.

use crate::server::{Table, refused, rows};

const ORDERS: &str = "CREATE TABLE orders (id INT, customer BIGINT, pt AS PROCTIME())
    WITH ('connector' = 'datagen', 'number-of-rows' = '40', 'fields.id.kind' = 'sequence',
      'fields.id.start' = '1', 'fields.id.end' = '40', 'fields.customer.kind' = 'sequence',
      'fields.customer.start' = '1', 'fields.customer.end' = '40');";

#[test]
fn each_row_finds_the_rows_of_its_key() {
    let table = Table::new("lookup", "id smallint, name text, more jsonb");
    table.run("INSERT INTO TABLE SELECT g, 'n' || g, '{}' FROM generate_series(1, 20) AS g");
    table.run("INSERT INTO TABLE VALUES (7, 'again', NULL)");
    for cache in [
        "",
        ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10'",
        ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.expire-after-access' = '1 min'",
    ] {
        let script = format!(
            "{ORDERS} CREATE TABLE customers (id BIGINT, name STRING, more STRING) {};
             SELECT o.id, c.name FROM orders AS o
               LEFT JOIN customers FOR SYSTEM_TIME AS OF o.pt AS c ON o.customer = c.id
               WHERE o.id IN (7, 8, 33);",
            table.with(cache)
        );
        assert_eq!(rows(&script), ["+I 33 null", "+I 7 again", "+I 7 n7", "+I 8 n8"]);
    }
}

#[test]
fn a_table_that_is_not_there_ends_the_query() {
    let table = Table::new("lookupwrong", "id text");
    let query = |with: &str| {
        format!(
            "{ORDERS} CREATE TABLE customers (id BIGINT, name STRING) {with};
             SELECT o.id, c.id FROM orders AS o
               JOIN customers FOR SYSTEM_TIME AS OF o.pt AS c ON o.customer = c.id;"
        )
    };
    let missing = table.with("").replace(&table.name, "no_such_table_here");
    refused(&query(&missing), &["\"no_such_table_here\" does not exist", "customers"]);
    refused(&query(&table.with("")), &["'id' is text and cannot be read as BIGINT"]);
}
