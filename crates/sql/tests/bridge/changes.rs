//! Changelogs in and out.

use crate::support::*;
use millstream_sql::bridge::RowKind::*;
use millstream_sql::bridge::{ChangelogMode, RowKind, Schema, StreamTableEnvironment};

fn prices() -> Schema {
    Schema::new_builder()
        .column("item", "STRING NOT NULL")
        .column("price", "INT")
        .primary_key(&["item"])
        .build()
}
fn change(kind: RowKind, item: &str, price: i32) -> (RowKind, (String, i32)) {
    (kind, (item.to_owned(), price))
}

#[test]
fn a_changelog_is_taken_as_it_is_and_given_as_it_is() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let changes = plain(
        &env,
        [
            change(Insert, "tea", 3),
            change(Insert, "milk", 1),
            change(UpdateBefore, "tea", 3),
            change(UpdateAfter, "tea", 4),
            change(Delete, "milk", 1),
        ],
    );
    let table = tables.from_changelog_stream(&changes, prices(), ChangelogMode::Retract).unwrap();
    tables.create_temporary_view_of("prices", &table).unwrap();
    let total = tables.sql_query("SELECT SUM(price) AS total FROM prices").unwrap();
    let totals = tables.to_changelog_stream_as::<i32>(&total).unwrap();
    let seen = collect(&env, &totals).unwrap();
    // One subtask, rows one by one: every change of the sum is seen.
    assert_eq!(seen[0], (Insert, 3));
    assert_eq!(seen.last(), Some(&(UpdateAfter, 4)));
    let sum: i32 =
        seen.iter().map(|(kind, total)| if kind.is_add() { *total } else { -*total }).sum();
    assert_eq!(sum, 4, "{seen:?}");
}

#[test]
fn upserts_get_their_former_rows_back() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let changes = plain(
        &env,
        [
            change(Insert, "tea", 3),
            change(UpdateAfter, "tea", 4),
            change(Insert, "milk", 1),
            change(Delete, "milk", 0),
        ],
    );
    let table = tables.from_changelog_stream(&changes, prices(), ChangelogMode::Upsert).unwrap();
    let changes = tables.to_changelog_stream(&table).unwrap();
    let changes = changes.map(|(kind, row)| format!("{kind}{row}"));
    let want = ["+I[tea, 3]", "-U[tea, 3]", "+U[tea, 4]", "+I[milk, 1]", "-D[milk, 1]"];
    assert_eq!(collect(&env, &changes).unwrap(), want);
}

#[test]
fn what_changes_is_no_stream_of_new_rows() {
    let env = environment();
    let tables = StreamTableEnvironment::create(&env);
    let schema = Schema::new_builder().column("w", "STRING").build();
    let words = plain(&env, ["a".to_owned()]);
    tables.create_temporary_view("words", &words, schema.clone()).unwrap();
    let counts = tables.sql_query("SELECT w, COUNT(*) FROM words GROUP BY w").unwrap();
    let error = tables.to_data_stream(&counts).map(|_| ()).unwrap_err().to_string();
    for part in
        ["doesn't support consuming update changes", "GroupAggregate", "to_changelog_stream"]
    {
        assert!(error.contains(part), "{error}");
    }
    // Nothing of it is in the job.
    let plan = env.explain().unwrap();
    assert!(!plan.contains("GroupAggregate"), "{plan}");
    let upserts = words.map(|w| (Insert, w));
    let table = tables.from_changelog_stream(&upserts, schema, ChangelogMode::Upsert).unwrap();
    let error = tables.to_changelog_stream(&table).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("upserts but has no primary key"), "{error}");
}
