//! Rows by keys, many keys at a time.

use crate::server::{Table, client, url};
use millstream_core::ErrorKind;
use millstream_jdbc::{ConnectionConfig, JdbcLookup, JdbcTable, PgValue, SqlType, SqlValue};

fn table(table: &Table) -> JdbcTable {
    JdbcTable::new(ConnectionConfig::new(url()), "public", &table.0).unwrap()
}

/// For each row that is found the index of its key and its text.
fn found(lookup: &JdbcLookup, keys: &[Vec<SqlValue>]) -> Vec<(u32, String)> {
    let mut found = vec![];
    lookup
        .rows(keys, |key, row| {
            let text = match row.value(0)? {
                Some(PgValue::Text(text)) => text.to_owned(),
                other => format!("{other:?}"),
            };
            found.push((key, text));
            Ok(())
        })
        .unwrap();
    found.sort();
    found
}

#[test]
fn keys_find_their_rows_and_what_does_not_fit_finds_nothing() {
    let out = Table::new("lookup", "id smallint, code varchar(2), day date, name text");
    let sql = format!(
        "INSERT INTO public.\"{}\" VALUES (1, 'a', '2024-01-01', 'one'), (1, 'b', NULL, 'uno'),
         (2, 'a', '2024-01-02', 'two')",
        out.0
    );
    client().batch_execute(&sql).unwrap();
    let table = table(&out);
    let columns = table.columns(&["NAME"]).unwrap();
    let by = |keys: &[(&str, SqlType)]| {
        let keys: Vec<_> = keys.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect();
        JdbcLookup::open(table.clone(), &keys, &columns)
    };
    let one = |text: &str| (0, text.to_owned());
    let ids = by(&[("id", SqlType::Int)]).unwrap();
    let number = |n: i64| vec![SqlValue::Int(n)];
    assert_eq!(
        found(&ids, &[number(1), number(70_000), number(2), number(9)]),
        [one("one"), one("uno"), (2, "two".into())]
    );
    assert!(found(&ids, &[]).is_empty());
    let codes = by(&[("code", SqlType::Text), ("id", SqlType::Int)]).unwrap();
    let pair = |code: &str, id: i64| vec![SqlValue::Text(code.into()), SqlValue::Int(id)];
    assert_eq!(found(&codes, &[pair("b", 1), pair("abc", 1), pair("b", 2)]), [one("uno")]);
    let days = by(&[("day", SqlType::Text)]).unwrap();
    assert_eq!(found(&days, &[vec![SqlValue::Text("2024-01-01".into())]]), [one("one")]);
    let wrong = by(&[("name", SqlType::Int)]).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Config);
    assert!(wrong.to_string().contains("'name'"), "{wrong}");
}
