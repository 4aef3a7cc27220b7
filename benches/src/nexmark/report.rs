//! The table: a row a query, on the terminal and in docs/performance.md.
//!
//! A row in the document is replaced cell by cell, so that one side can be measured again.

use super::Figures;
use std::path::Path;

pub(super) const HEAD: &str = "\
| query | M events | M ev/s | M ev per CPU-s | MiB | checkpoint MiB | Flink M ev/s | Flink M ev per CPU-s | Flink MiB | Flink checkpoint MiB | ratio by CPU | memory |
|---|---|---|---|---|---|---|---|---|---|---|---|";
const BEGIN: &str = "<!-- bench nexmark: begin -->";
const END: &str = "<!-- bench nexmark: end -->";

/// Who ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Engine,
    Flink,
}

/// A row of the table.
pub(super) struct Cells {
    query: String,
    events: u64,
    sides: [Option<[String; 4]>; 2],
}

impl Cells {
    pub(super) fn new(query: &str, events: u64) -> Self {
        Cells { query: query.to_owned(), events, sides: [None, None] }
    }
    pub(super) fn set(&mut self, side: Side, figures: &Figures) {
        let rate = |seconds: f64| format!("{:.3}", self.events as f64 / 1e6 / seconds);
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0 / 1024.0);
        self.sides[side as usize] = Some([
            rate(figures.seconds),
            rate(figures.cpu_seconds),
            (figures.peak_rss_kb / 1024).to_string(),
            mib(figures.checkpoint_bytes),
        ]);
    }
    /// A row of the document.
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [query, events, rest @ ..] = cells.as_slice() else { return None };
        let events = (events.parse::<f64>().ok()? * 1e6) as u64;
        let side = |from: usize| {
            let cells: [String; 4] = rest
                .get(from..from + 4)?
                .iter()
                .map(|c| (*c).to_owned())
                .collect::<Vec<_>>()
                .try_into()
                .ok()?;
            cells[0].parse::<f64>().is_ok().then_some(cells)
        };
        Some(Cells { query: (*query).to_owned(), events, sides: [side(0), side(4)] })
    }
    pub(super) fn line(&self) -> String {
        let [engine, flink] = &self.sides;
        let cell = |side: &Option<[String; 4]>, i: usize| {
            side.as_ref().map_or_else(|| "–".to_owned(), |cells| cells[i].clone())
        };
        let mut cells = vec![self.query.clone(), format!("{}", self.events as f64 / 1e6)];
        cells.extend((0..4).map(|i| cell(engine, i)));
        cells.extend((0..4).map(|i| cell(flink, i)));
        let quotient = |over: &Option<[String; 4]>, under: &Option<[String; 4]>, i: usize| {
            let number = |side: &Option<[String; 4]>| side.as_ref()?[i].parse::<f64>().ok();
            Some(number(over)? / number(under)?)
        };
        cells.push(quotient(engine, flink, 1).map_or_else(|| "–".into(), |q| format!("{q:.1}")));
        cells.push(quotient(flink, engine, 2).map_or_else(|| "–".into(), |q| format!("1/{q:.0}")));
        format!("| {} |", cells.join(" | "))
    }
    fn number(&self) -> u32 {
        self.query.trim_start_matches('q').parse().unwrap_or(u32::MAX)
    }
}

/// Puts a row into docs/performance.md.
pub(super) fn save(row: &Cells) -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let text = std::fs::read_to_string(&path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        rest.split_once(END).map(|(table, after)| (before, table, after))
    });
    let (before, table, after) =
        parts.ok_or_else(|| std::io::Error::other(format!("no '{BEGIN}' and '{END}' in it")))?;
    std::fs::write(&path, format!("{before}{BEGIN}\n{}{END}{after}", with_row(table, row)))
}

/// The table with a row added or replaced.
fn with_row(table: &str, row: &Cells) -> String {
    let mut rows: Vec<Cells> =
        table.lines().filter(|l| l.starts_with("| q")).filter_map(Cells::parse).collect();
    let mut new = Cells { sides: row.sides.clone(), ..Cells::new(&row.query, row.events) };
    if let Some(at) = rows.iter().position(|r| r.query == row.query) {
        let old = rows.remove(at);
        // Figures of another number of events are not put beside these.
        if old.events == new.events {
            for (new, old) in new.sides.iter_mut().zip(old.sides) {
                *new = new.take().or(old);
            }
        }
    }
    rows.push(new);
    rows.sort_by_key(Cells::number);
    let lines: Vec<String> = rows.iter().map(Cells::line).collect();
    format!("{HEAD}\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_was_not_measured_again_stays() {
        let figures = |cpu_seconds, peak_rss_kb| Figures {
            seconds: 1.0,
            cpu_seconds,
            peak_rss_kb,
            checkpoint_bytes: 3 << 20,
        };
        let mut both = Cells::new("q5", 2_000_000);
        both.set(Side::Engine, &figures(1.0, 10 << 10));
        both.set(Side::Flink, &figures(8.0, 1000 << 10));
        let table = with_row("", &Cells::new("q10", 2_000_000));
        let table = with_row(&table, &both);
        let mut again = Cells::new("q5", 2_000_000);
        again.set(Side::Engine, &figures(0.5, 20 << 10));
        let table = with_row(&table, &again);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| q5 | 2 | 2.000 | 4.000 | 20 | 3.0 | 2.000 | 0.250 | 1000 | 3.0 | 16.0 | 1/50 |",
                "| q10 | 2 | – | – | – | – | – | – | – | – | – | – |",
            ]
        );
    }
}
