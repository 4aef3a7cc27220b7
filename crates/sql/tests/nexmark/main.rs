//! The Nexmark queries on small input, against the answers of Apache Flink.
//!
//! `answers.txt` has for each query how many rows are left when all changes are applied, and
//! the sum of their hashes. It was made by Flink 2.3.0 from the same events:
//! `nexmark.Run answers benches/nexmark 30000 1000 q0 q1 ..` (benches/nexmark/flink), with
//! SIDE_INPUT naming a file of `millstream_nexmark::side_input`. One
//! event a millisecond: with ties, the order of arrival would decide.

#![allow(clippy::unwrap_used)]

use millstream_sql::connectors::nexmark_functions;
use millstream_sql::session::{Outcome, Row, Session};

const FOLDER: &str = "../../benches/nexmark";

fn text(path: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{path}")).unwrap()
}

/// FNV-1a over the cells; see `Run.java`.
fn hash(row: &Row) -> i64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    for cell in &row.values {
        if let Some(cell) = cell {
            cell.bytes().chain([1]).for_each(&mut add);
        }
        add(0);
    }
    hash.cast_signed()
}

fn answer(query: &str) -> String {
    let mut session = Session::new();
    session.settings_mut().set("parallelism.default", "2").unwrap();
    for (_, function) in nexmark_functions() {
        session.create_temporary_system_function("count_char", function);
    }
    let side_input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(side_input.path(), millstream_nexmark::side_input()).unwrap();
    let tables = text("tables.sql")
        .replace("${EVENTS}", "30000")
        .replace("${RATE}", "1000")
        .replace("${SIDE_INPUT}", side_input.path().to_str().unwrap());
    let script = format!("{tables}\n{}", text(&format!("queries/{query}.sql")));
    let (mut rows, mut sum) = (0i64, 0i64);
    let ran = session.run(&script, |outcome| {
        if let Outcome::Query(result) = outcome {
            for row in &result.collect()?.rows {
                let adds = matches!(row.change, "+I" | "+U");
                rows += if adds { 1 } else { -1 };
                sum = sum.wrapping_add(if adds { hash(row) } else { hash(row).wrapping_neg() });
            }
        }
        Ok(())
    });
    match ran {
        Ok(()) => format!("{query} {rows} {sum:x}"),
        Err(e) => format!("{query} failed: {e}"),
    }
}

#[test]
fn answers_are_flinks() {
    let expected = include_str!("answers.txt");
    let queries = expected.lines().filter_map(|line| line.split(' ').next());
    let got: Vec<String> = queries.map(answer).collect();
    assert_eq!(got.join("\n"), expected.trim_end());
}
