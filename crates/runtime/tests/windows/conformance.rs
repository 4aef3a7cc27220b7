//! Runs the cases of `tests/conformance/datastream-windows`, whose README has the format.
//!
//! Every case goes through the builder that the API calls. A case that qualifies for the
//! pane operator also goes through the general one; a list of elements, which does not
//! qualify, also goes through the pane operator as an aggregate.

use millstream_core::{Batch, ErrorKind, Result};
use millstream_runtime::OutputTag;
use millstream_runtime::window::{
    AggregateFunction, ContinuousEventTimeTrigger, CountEvictor, CountTrigger, DeltaEvictor,
    DeltaTrigger, EventTimeSessionWindows, EventTimeTrigger, GlobalWindows, PurgingTrigger,
    SlidingEventTimeWindows, TimeEvictor, TumblingEventTimeWindows, WindowContext,
    WindowOperatorBuilder, WindowOperatorFactory,
};
use millstream_testkit::OperatorHarness;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Cases that Millstream answers otherwise, and why.
const DIFFERENT: [(&str, &str); 1] = [(
    "dynamic-session-004",
    "When a record's window equals a merged session of several records exactly, Flink drops \
     what the session held (the equal window replaces its state). We keep every record.",
)];

/// Cases that list the windows of one key at one time in the order of Flink's timer heap.
fn same_time_windows(case: &Value) -> bool {
    case["window"]["type"] == "sliding"
        && case["trigger"]["type"].as_str().is_some_and(|t| t.contains("continuous"))
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    key: String,
    value: i64,
    input: usize,
}

/// Key, window (none when global), result as JSON text.
type Out = (String, Option<(i64, i64)>, String);
type Builder<S> = WindowOperatorBuilder<Row, String, S>;

const LATE: OutputTag<Row> = OutputTag::new("late");

#[derive(Clone)]
struct Average;

impl AggregateFunction for Average {
    type In = Row;
    type Acc = (i64, i64);
    type Out = f64;
    fn create_accumulator(&self) -> (i64, i64) {
        (0, 0)
    }
    fn add(&self, acc: &mut (i64, i64), row: Row) {
        *acc = (acc.0 + row.value, acc.1 + 1);
    }
    fn merge(&self, acc: &mut (i64, i64), other: &(i64, i64)) {
        *acc = (acc.0 + other.0, acc.1 + other.1);
    }
    fn get_result(&self, acc: &(i64, i64)) -> f64 {
        if acc.1 == 0 { -1e9 } else { acc.0 as f64 / acc.1 as f64 }
    }
}

/// The values of all elements, as an aggregate.
#[derive(Clone)]
struct List;

impl AggregateFunction for List {
    type In = Row;
    type Acc = Vec<i64>;
    type Out = Vec<i64>;
    fn create_accumulator(&self) -> Vec<i64> {
        Vec::new()
    }
    fn add(&self, acc: &mut Vec<i64>, row: Row) {
        acc.push(row.value);
    }
    fn merge(&self, acc: &mut Vec<i64>, other: &Vec<i64>) {
        acc.extend(other);
    }
    fn get_result(&self, acc: &Vec<i64>) -> Vec<i64> {
        acc.clone()
    }
}

/// Which operator a case is made to use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    AsBuilt,
    General,
    Panes,
}

fn ms(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap())
}

fn delta(spec: &Value) -> (f64, impl Fn(&Row, &Row) -> f64 + Send + Sync + Clone + 'static) {
    let abs = spec["abs"].as_bool().unwrap();
    let delta = move |old: &Row, new: &Row| {
        let delta = (new.value - old.value) as f64;
        if abs { delta.abs() } else { delta }
    };
    (spec["threshold"].as_f64().unwrap(), delta)
}

fn with_trigger<S>(builder: Builder<S>, spec: &Value) -> Builder<S>
where
    S: Fn(&Row) -> String + Clone + Send + 'static,
{
    let Some(name) = spec["type"].as_str() else { return builder };
    let interval = || ContinuousEventTimeTrigger::of(ms(&spec["interval_ms"]));
    let count = || CountTrigger::of(spec["n"].as_u64().unwrap());
    let by_delta = || {
        let (threshold, delta) = delta(spec);
        DeltaTrigger::of(threshold, delta)
    };
    match name {
        "count" => builder.trigger(count()),
        "purging-count" => builder.trigger(PurgingTrigger::of(count())),
        "continuous-event-time" => builder.trigger(interval()),
        "purging-continuous-event-time" => builder.trigger(PurgingTrigger::of(interval())),
        "event-time" => builder.trigger(EventTimeTrigger),
        "purging-event-time" => builder.trigger(PurgingTrigger::of(EventTimeTrigger)),
        "delta" => builder.trigger(by_delta()),
        "purging-delta" => builder.trigger(PurgingTrigger::of(by_delta())),
        other => panic!("unknown trigger {other}"),
    }
}

fn with_evictor<S>(builder: Builder<S>, spec: &Value) -> Builder<S>
where
    S: Fn(&Row) -> String + Clone + Send + 'static,
{
    let Some(name) = spec["type"].as_str() else { return builder };
    let after = spec["after"].as_bool().unwrap();
    match name {
        "count" => {
            let evictor = CountEvictor::of(spec["n"].as_u64().unwrap() as usize);
            builder.evictor(if after { evictor.after() } else { evictor })
        }
        "time" => {
            let evictor = TimeEvictor::of(ms(&spec["ms"]));
            builder.evictor(if after { evictor.after() } else { evictor })
        }
        "delta" => {
            let (threshold, delta) = delta(spec);
            let evictor = DeltaEvictor::of(threshold, delta);
            builder.evictor(if after { evictor.after() } else { evictor })
        }
        other => panic!("unknown evictor {other}"),
    }
}

fn emit(key: &str, result: Value, ctx: &mut WindowContext<'_, Out>) -> Result<()> {
    let window = Some(ctx.window()).filter(|w| !w.is_global());
    ctx.collect((key.to_owned(), window.map(|w| (w.start, w.end)), result.to_string()));
    Ok(())
}

fn factory(case: &Value, path: Path) -> Result<WindowOperatorFactory<Batch<Row>, Out>> {
    let window = &case["window"];
    let key = |row: &Row| row.key.clone();
    let offset = window["offset_ms"].as_i64().unwrap_or(0);
    let builder = match window["type"].as_str().unwrap() {
        "tumbling" => Builder::new(
            key,
            TumblingEventTimeWindows::of(ms(&window["size_ms"])).with_offset_ms(offset),
        ),
        "sliding" => Builder::new(
            key,
            SlidingEventTimeWindows::of(ms(&window["size_ms"]), ms(&window["slide_ms"]))
                .with_offset_ms(offset),
        ),
        "session" => Builder::new(key, EventTimeSessionWindows::with_gap(ms(&window["gap_ms"]))),
        "dynamic-session" => {
            Builder::new(key, EventTimeSessionWindows::with_dynamic_gap(|row: &Row| row.value))
        }
        "global" if window["end_of_stream_trigger"] == true => {
            Builder::new(key, GlobalWindows::create_with_end_of_stream_trigger())
        }
        "global" => Builder::new(key, GlobalWindows::create()),
        "count" => {
            let size = window["size"].as_u64().unwrap();
            match window["slide"].as_u64() {
                None => Builder::count_window(key, size),
                Some(slide) => Builder::sliding_count_window(key, size, slide),
            }
        }
        other => panic!("unknown window {other}"),
    };
    let mut builder = with_trigger(builder, &case["trigger"]);
    if path == Path::General && case["trigger"].is_null() {
        // A trigger that is set explicitly is not looked into: the general operator.
        builder = builder.trigger(EventTimeTrigger);
    }
    let builder = with_evictor(builder, &case["evictor"])
        .allowed_lateness_ms(case["allowed_lateness_ms"].as_i64().unwrap())
        .late_tag(LATE);
    match case["function"].as_str().unwrap() {
        "reduce-sum" => builder.reduce_with(
            |a: Row, b: Row| Row { value: a.value + b.value, ..a },
            |key: &String, rows: &[Row], ctx: &mut WindowContext<'_, Out>| {
                emit(key, rows.first().map_or(Value::Null, |row| json!(row.value)), ctx)
            },
        ),
        "aggregate-avg" => builder.aggregate_with(
            Average,
            |key: &String, average: &[f64], ctx: &mut WindowContext<'_, Out>| {
                emit(key, json!(average[0]), ctx)
            },
        ),
        "process-list" if path == Path::Panes => builder.aggregate_with(
            List,
            |key: &String, lists: &[Vec<i64>], ctx: &mut WindowContext<'_, Out>| {
                emit(key, json!(lists[0]), ctx)
            },
        ),
        "process-list" => {
            builder.process(|key: &String, rows: &[Row], ctx: &mut WindowContext<'_, Out>| {
                emit(key, rows.iter().map(|row| row.value).collect(), ctx)
            })
        }
        other => panic!("unknown function {other}"),
    }
}

/// What a case gave, in the form in which the case expects it.
fn run(case: &Value, path: Path) -> Result<(Vec<Value>, Vec<Value>)> {
    let operator = factory(case, path)?.create();
    let mut harness = OperatorHarness::builder(operator).side(LATE).open()?;
    let (mut output, mut late) = (Vec::new(), Vec::new());
    let mut last = i64::MIN;
    let inputs = case["input"].as_array().unwrap();
    let end = json!({"watermark": i64::MAX});
    for (i, input) in inputs.iter().chain([&end]).enumerate() {
        if let Some(watermark) = input["watermark"].as_i64() {
            if watermark > last {
                last = watermark;
                harness.watermark(watermark)?;
            }
        } else {
            let key = input["key"].as_str().unwrap().to_owned();
            let row = Row { key, value: input["value"].as_i64().unwrap(), input: i };
            harness.push(row, input["ts"].as_i64().unwrap())?;
        }
        let after = if i == inputs.len() { json!("end") } else { json!(i) };
        for ((key, window, result), ts) in harness.take_output() {
            output.push(json!({
                "key": key, "window_start": window.map(|w| w.0), "window_end": window.map(|w| w.1),
                "result": serde_json::from_str::<Value>(&result).unwrap(),
                "after_input": after, "ts": ts,
            }));
        }
        for (row, ts) in harness.take_side(&LATE) {
            late.push(json!({"input": row.input, "key": row.key, "value": row.value, "ts": ts}));
        }
    }
    Ok((output, late))
}

/// Sorts what the cases leave open: keys among each other, and windows at one time; with
/// panes, also lists, because panes are merged in order of time and not of arrival.
fn comparable(case: &Value, path: Path, output: &[Value]) -> Vec<Value> {
    let mut sorted = output.to_vec();
    if path == Path::Panes && case["window"]["type"] == "sliding" {
        for list in sorted.iter_mut().filter_map(|out| out["result"].as_array_mut()) {
            list.sort_by_key(Value::as_i64);
        }
    }
    sorted.sort_by_key(|out| out["key"].to_string());
    if same_time_windows(case) {
        sorted.sort_by_key(|out| {
            let after = out["after_input"].as_u64().unwrap_or(u64::MAX);
            (out["key"].to_string(), after, out.to_string())
        });
    }
    sorted
}

#[test]
fn flinks_answers_to_242_cases() {
    let cases = include_str!("../conformance/datastream-windows/cases.jsonl");
    let mut failures = Vec::new();
    let (mut ran, mut both) = (0, 0);
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        ran += 1;
        let grid = matches!(case["window"]["type"].as_str(), Some("tumbling" | "sliding"));
        let default = grid && case["trigger"].is_null() && case["evictor"].is_null();
        let paths: &[Path] = match case["function"].as_str() {
            _ if !default => &[Path::AsBuilt],
            Some("process-list") => &[Path::AsBuilt, Path::Panes],
            _ => &[Path::AsBuilt, Path::General],
        };
        both += paths.len() - 1;
        for path in paths.iter().copied() {
            let result = run(&case, path);
            let ok = match &result {
                Err(e) if case.get("error").is_some() => e.kind() == ErrorKind::Config,
                Err(_) => case.get("runtime_error").is_some(),
                Ok((output, late)) => {
                    case.get("error").is_none()
                        && case.get("runtime_error").is_none()
                        && comparable(&case, path, output)
                            == comparable(&case, path, case["output"].as_array().unwrap())
                        && *late == *case["late"].as_array().unwrap()
                }
            };
            let different = DIFFERENT.iter().any(|(listed, _)| *listed == name);
            if ok == different {
                failures.push(format!("{name} ({path:?}): {result:?}\n  {line}"));
            }
        }
    }
    assert_eq!(ran, 242);
    assert_eq!(both, 75, "cases that went through both operators");
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}
