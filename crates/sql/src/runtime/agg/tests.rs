//! Tests of aggregate functions: Flink's answers from the conformance cases, and a model for
//! retraction, merging and state of every function.

use arrow_schema::SchemaRef;
use millstream_core::Result;
use proptest::prelude::*;

use super::user::{AggregateFunction, UserFunctions};
use super::*;
use crate::runtime::ChangeBatch;
use crate::runtime::testing::{batch, lines, schema};
use crate::value::Value;

fn call(function: AggFunction, ty: SqlType, result: SqlType) -> AggCall {
    AggCall { function, args: vec![0], arg_types: vec![ty], distinct: false, filter: None, result }
}

fn show(call: &AggCall, states: &Aggregates) -> String {
    let columns = states.results(&[0]).unwrap();
    let output: SchemaRef = schema(&[("r", call.result.clone())]);
    let row = ChangeBatch::from_columns(output, columns, 1, None).unwrap();
    lines(&row)[0][3..].to_string()
}

/// The results after each line of text.
fn run(call: &AggCall, text: &str) -> Vec<String> {
    let input = schema(&[("v", call.arg_types[0].clone())]);
    let mut states =
        Aggregates::new(std::slice::from_ref(call), true, &UserFunctions::default()).unwrap();
    states.grow(1);
    let mut results = Vec::new();
    for line in text.lines() {
        let rows = batch(&input, line);
        let retract = [rows.kind(0).is_retract()];
        states.update(rows.rows().columns(), &[0], &[0], Some(&retract)).unwrap();
        results.push(show(call, &states));
    }
    results
}

#[test]
fn sums_and_averages_have_flinks_types_and_rounding() {
    use AggFunction::{Avg, Sum, Sum0};
    let tiny = SqlType::tinyint;
    let bytes = "+I 100\n+I 20\n+I -30";
    assert_eq!(run(&call(Avg, tiny(), tiny()), bytes), ["100", "60", "30"]);
    assert_eq!(run(&call(Sum, tiny(), tiny()), "+I 100\n+I 100\n+I null"), ["100", "-56", "-56"]);
    let ints = "+I 7\n+I -8\n+I -10";
    assert_eq!(run(&call(Avg, SqlType::int(), SqlType::int()), ints), ["7", "0", "-3"]);
    let (price, wide) = (SqlType::decimal(5, 2), SqlType::decimal(38, 6));
    let prices = "+I 110\n+I 225\n+I 0";
    assert_eq!(run(&call(Avg, price.clone(), wide), prices), ["1100000", "1675000", "1116667"]);
    let sums = run(&call(Sum, price, SqlType::decimal(38, 2)), prices);
    assert_eq!(sums, ["110", "335", "335"]);
    let float = SqlType::float;
    let floats = "+I 0.1\n+I 0.2\n+I 0.4";
    let averages: Vec<f32> = run(&call(Avg, float(), float()), floats)
        .iter()
        .map(|text| text.parse::<f64>().unwrap() as f32)
        .collect();
    assert_eq!(averages, [0.1, 0.15, 0.233_333_35]);
    let big = SqlType::decimal(38, 0);
    let nines = format!("+I {0}\n+I {0}", "9".repeat(38));
    assert_eq!(run(&call(Sum, big.clone(), big), &nines)[1], "null", "38 digits are all");
    let back = "+I 1\n-D 1\n+I null";
    assert_eq!(run(&call(Sum, SqlType::int(), SqlType::int()), back), ["1", "null", "null"]);
    assert_eq!(run(&call(Sum0, SqlType::int(), SqlType::int()), back), ["1", "0", "0"]);
}

#[test]
fn deviations_are_cut_to_the_type_of_their_argument() {
    use AggFunction::{StddevPop, StddevSamp, VarPop, VarSamp};
    let ints = "+I 1\n+I 2\n+I 7";
    let int = SqlType::int;
    assert_eq!(run(&call(StddevPop, int(), int()), ints), ["0", "0", "2"]);
    assert_eq!(run(&call(StddevSamp, int(), int()), ints), ["null", "0", "3"]);
    let (price, wide) = (SqlType::decimal(6, 2), SqlType::decimal(38, 6));
    let prices = "+I 150\n+I 250\n+I 725";
    let pop = run(&call(VarPop, price.clone(), wide.clone()), prices);
    assert_eq!(pop, ["0", "250000", "6291667"]);
    assert_eq!(run(&call(VarSamp, price, wide), prices), ["null", "500000", "9437500"]);
}

#[test]
fn collected_values_keep_their_order_and_lose_the_first_of_equals() {
    let text = SqlType::string;
    let list = call(AggFunction::ListAgg { separator: "-".into() }, text(), text());
    let steps = "+I bolt\n+I nut\n+I bolt\n+I null\n-D bolt\n-D nut\n-D bolt";
    let out = ["bolt", "bolt-nut", "bolt-nut-bolt", "bolt-nut-bolt", "nut-bolt", "bolt", "null"];
    assert_eq!(run(&list, steps), out);
    let array = AggFunction::ArrayAgg { ignore_nulls: false };
    let array = call(array, text(), SqlType::array(text()));
    assert_eq!(run(&array, "+I a\n+I null\n-D a"), ["[a]", "[a,null]", "[null]"]);
    let bag = call(AggFunction::Collect, text(), SqlType::multiset(text()));
    assert_eq!(run(&bag, "+I a\n+I b\n+I a\n-D b"), ["{a=1}", "{a=1,b=1}", "{a=2,b=1}", "{a=2}"]);
    let json = call(AggFunction::JsonArrayAgg { absent_on_null: true }, text(), text());
    assert_eq!(run(&json, "+I 1\n+I null\n+I \"x\""), ["[1]", "[1]", "[1,\"x\"]"]);
    let first = call(AggFunction::FirstValue, text(), text());
    assert_eq!(run(&first, "+I null\n+I a\n+I b\n-D a"), ["null", "a", "a", "b"]);
    let last = call(AggFunction::LastValue, text(), text());
    assert_eq!(run(&last, "+I a\n+I b\n+I null\n-D b"), ["a", "b", "b", "a"]);
}

#[test]
fn percentiles_lie_between_neighbours() {
    let half = AggFunction::Percentile { fractions: vec![0.5], array: false };
    let half = call(half, SqlType::int(), SqlType::double());
    assert_eq!(run(&half, "+I 10\n+I 20\n+I 40\n-D 10"), ["10", "15", "20", "30"]);
    let both = AggFunction::Percentile { fractions: vec![0.0, 1.0], array: true };
    let both = call(both, SqlType::int(), SqlType::array(SqlType::double()));
    assert_eq!(run(&both, "+I 10\n+I 20"), ["[10,10]", "[10,20]"]);
}

#[test]
fn an_estimate_is_near_the_count() {
    let input = schema(&[("v", SqlType::bigint())]);
    let count = call(AggFunction::ApproxCountDistinct, SqlType::bigint(), SqlType::bigint());
    let mut states =
        Aggregates::new(std::slice::from_ref(&count), false, &UserFunctions::default()).unwrap();
    states.grow(2);
    for part in 0..20 {
        let text: String = (0..1000).map(|n| format!("+I {}\n", part * 500 + n)).collect();
        let rows = batch(&input, &text);
        let all: Vec<u32> = (0..1000).collect();
        states.update(rows.rows().columns(), &all, &[part as u32 % 2; 1000], None).unwrap();
    }
    states.merge(0, 1).unwrap();
    let estimate: f64 = show(&count, &states).parse().unwrap();
    assert!((estimate - 10_500.0).abs() < 300.0, "{estimate}");
}

struct Longest;
impl AggregateFunction for Longest {
    type State = String;
    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::string()]
    }
    fn return_type(&self) -> SqlType {
        SqlType::string()
    }
    fn accumulate(&self, state: &mut String, args: &[Value]) -> Result<()> {
        if let [Value::Text(text)] = args
            && text.len() > state.len()
        {
            state.clone_from(text);
        }
        Ok(())
    }
    fn result(&self, state: &String) -> Result<Value> {
        Ok(Value::text(state.clone()))
    }
}

#[test]
fn a_function_of_the_user_runs_by_name_and_says_what_it_cannot_do() {
    let mut functions = UserFunctions::default();
    functions.register_aggregate("longest", Longest);
    let call = call(AggFunction::User("longest".into()), SqlType::string(), SqlType::string());
    let refused = Aggregates::new(std::slice::from_ref(&call), true, &functions).err().unwrap();
    assert!(refused.to_string().contains("answer true from can_retract"), "{refused}");
    let mut states = Aggregates::new(std::slice::from_ref(&call), false, &functions).unwrap();
    states.grow(1);
    let rows = batch(&schema(&[("v", SqlType::string())]), "+I ab\n+I abc\n+I a");
    states.update(rows.rows().columns(), &[0, 1, 2], &[0; 3], None).unwrap();
    assert_eq!(show(&call, &states), "abc");
    let e = states.update(rows.rows().columns(), &[0], &[0], Some(&[true])).unwrap_err();
    assert!(e.to_string().contains("AggregateFunction::retract"), "{e}");
    assert!(Aggregates::new(&[call], false, &UserFunctions::default()).is_err());
}

/// Every function that takes rows away, over one INT argument.
fn retracting() -> Vec<AggCall> {
    use AggFunction::*;
    let int = SqlType::int;
    let list = SqlType::array(int());
    let functions = [
        (Count, SqlType::bigint()),
        (Sum, int()),
        (Avg, int()),
        (Min, int()),
        (Max, int()),
        (VarPop, int()),
        (StddevSamp, int()),
        (ArrayAgg { ignore_nulls: true }, list),
        (Collect, SqlType::multiset(int())),
        (FirstValue, int()),
        (LastValue, int()),
        (Percentile { fractions: vec![0.3], array: false }, SqlType::double()),
    ];
    let calls = functions.into_iter().map(|(function, result)| call(function, int(), result));
    let by_arrival = |call: &AggCall| {
        matches!(call.function, ArrayAgg { .. } | Collect | FirstValue | LastValue)
    };
    // Merging DISTINCT values does not know when they came.
    calls
        .flat_map(|call| {
            let distinct = (!by_arrival(&call)).then(|| AggCall { distinct: true, ..call.clone() });
            distinct.into_iter().chain([call])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Rows that were added and taken away leave nothing behind; a state that was stored and
    /// read, or put together from two, is as good as one that saw all rows.
    #[test]
    fn retraction_state_and_merge_agree_with_seeing_the_rows(
        kept in prop::collection::vec(prop::option::weighted(0.9, -3i32..4), 1..12),
        gone in prop::collection::vec(10i32..14, 0..6), cut in 0usize..12,
    ) {
        let text = |v: &Option<i32>| v.map_or("null".to_string(), |v| v.to_string());
        let input = schema(&[("v", SqlType::int())]);
        let column = |lines: Vec<String>| batch(&input, &lines.join("\n")).rows().columns().to_vec();
        let kept_column = column(kept.iter().map(|v| format!("+I {}", text(v))).collect());
        let gone_column = column(gone.iter().map(|v| format!("+I {v}")).collect());
        let all: Vec<u32> = (0..kept.len() as u32).collect();
        let others: Vec<u32> = (0..gone.len() as u32).collect();
        let (first, second) = all.split_at(cut.min(kept.len()));
        for call in retracting() {
            let calls = [call.clone()];
            let make = || Aggregates::new(&calls, true, &UserFunctions::default()).unwrap();
            let mut plain = make();
            plain.grow(1);
            plain.update(&kept_column, &all, &vec![0; all.len()], None).unwrap();
            let expected = show(&call, &plain);

            let mut states = make();
            states.grow(3);
            let slots = |rows: &[u32], slot: Slot| vec![slot; rows.len()];
            states.update(&kept_column, first, &slots(first, 1), None).unwrap();
            states.update(&gone_column, &others, &slots(&others, 1), None).unwrap();
            let mut bytes = Vec::new();
            states.write(1, &mut bytes).unwrap();
            let mut states = make();
            states.grow(3);
            let mut reader = Reader(&bytes);
            states.read(0, &mut reader).unwrap();
            prop_assert!(reader.0.is_empty());
            states.update(&kept_column, second, &slots(second, 2), None).unwrap();
            states.merge(0, 2).unwrap();
            let retract = vec![true; others.len()];
            states.update(&gone_column, &others, &slots(&others, 0), Some(&retract)).unwrap();
            prop_assert_eq!(show(&call, &states), expected.clone(), "{:?}", call);
            states.clear(0);
            states.update(&kept_column, &all, &slots(&all, 0), None).unwrap();
            prop_assert_eq!(show(&call, &states), expected, "{:?} after clear", call);
        }
    }
}
