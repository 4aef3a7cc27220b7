//! The evaluator: masks, folding, constants, printing.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Int32Array, RecordBatch};
use millstream_sql::expr::{Node, evaluate, evaluate_filter, fold};

use super::*;

fn batch() -> RecordBatch {
    let x: ArrayRef = Arc::new(Int32Array::from(vec![Some(10), Some(10), Some(7), None, Some(9)]));
    let y: ArrayRef = Arc::new(Int32Array::from(vec![Some(2), Some(0), Some(-2), Some(3), None]));
    RecordBatch::try_from_iter([("x", x), ("y", y)]).unwrap()
}
fn x() -> Expr {
    Expr::column(0, SqlType::int())
}
fn y() -> Expr {
    Expr::column(1, SqlType::int())
}
fn run(expr: &Expr) -> Vec<Option<i32>> {
    let array = evaluate(expr, &batch(), &EvalContext::utc()).unwrap();
    array.as_primitive::<Int32Type>().iter().collect()
}

#[test]
fn case_protects_the_branch_not_taken() {
    let guard = f("<>", [y(), i(0)]);
    let quotient = f("/", [x(), y()]);
    let case = Expr::case(vec![(guard.clone(), quotient.clone())], Some(i(-1))).unwrap();
    assert_eq!(run(&case), [Some(5), Some(-1), Some(-3), None, Some(-1)]);
    let error = evaluate(&quotient, &batch(), &EvalContext::utc()).unwrap_err().to_string();
    assert_eq!(
        error,
        "bad record: expression ($0 / $1): / by zero; test the divisor with CASE or NULLIF"
    );
    let filter = Expr::and(vec![guard.clone(), f(">", [quotient.clone(), i(0)])]);
    let kept = evaluate_filter(&filter, &batch(), &EvalContext::utc()).unwrap();
    assert_eq!(kept, BooleanArray::from(vec![true, false, false, false, false]));
    let either = Expr::or(vec![f("=", [y(), i(0)]), f(">", [quotient, i(0)])]);
    let kept = evaluate_filter(&either, &batch(), &EvalContext::utc()).unwrap();
    assert_eq!(kept, BooleanArray::from(vec![true, true, false, false, false]));
}

#[test]
fn coalesce_computes_later_values_only_where_needed() {
    // y is NULL in the last row only, so 100 / x is computed there; x is never 0 anyway.
    let late = f("/", [i(100), f("-", [y(), i(2)])]);
    let coalesce = f("COALESCE", [x(), late]);
    assert_eq!(run(&coalesce), [Some(10), Some(10), Some(7), Some(100), Some(9)]);
}

#[test]
fn constants_are_computed_once() {
    let context = EvalContext::utc();
    let sum = f("+", [x(), f("*", [i(2), i(3)])]);
    let folded = fold(sum, &context).unwrap();
    assert_eq!(folded.to_string(), "($0 + 6)");
    let failing = fold(f("/", [i(1), i(0)]), &context).unwrap();
    assert!(matches!(failing.node, Node::Call(_)), "{failing}");
    let random = fold(f("RAND", []), &context).unwrap();
    assert!(matches!(random.node, Node::Call(_)));
}

#[test]
fn expressions_print_as_sql() {
    let call = f("LPAD", [cast(x(), SqlType::string()), i(4), t("it's")]);
    let case = Expr::case(vec![(f("IS NULL", [y()]), call)], None).unwrap();
    assert_eq!(
        case.display(&["x", "y"]).to_string(),
        "CASE WHEN y IS NULL THEN LPAD(CAST(x AS STRING), 4, 'it''s') ELSE NULL END"
    );
}

#[test]
fn unknown_functions_are_named() {
    let error = refused("FROBNICATE", [i(1)]);
    assert!(error.contains("No match found for function signature FROBNICATE(<NUMERIC>)"));
    let error = refused("SQRT", [t("x")]);
    assert!(
        error.contains("Cannot apply 'SQRT' to arguments of type 'SQRT(<CHAR(1)>)'"),
        "{error}"
    );
}

#[test]
fn no_rows_give_no_values_and_no_errors() {
    let empty = batch().slice(0, 0);
    for expr in [f("/", [x(), i(0)]), f("LIKE", [cast(x(), SqlType::string()), t("%")])] {
        let array = evaluate(&expr, &empty, &EvalContext::utc()).unwrap();
        assert_eq!(array.len(), 0);
    }
}

/// Every function must give the same for columns, for a column and a constant, and for
/// constants, whose kernels take different paths.
#[test]
fn columns_and_constants_agree() {
    use millstream_sql::expr::evaluate_columns;
    use millstream_sql::value::{array_of, values_of};

    let ints = || (SqlType::int(), [7, -3, 0].map(Value::Int).to_vec());
    let longs = || (SqlType::bigint(), [i64::MAX, i64::MIN, 5].map(Value::Int).to_vec());
    let doubles = || (SqlType::double(), [1.5, -0.0, f64::NAN].map(Value::Float).to_vec());
    let decimals = || (SqlType::decimal(12, 3), [12_345, -5, 99_999].map(Value::Decimal).to_vec());
    let texts = || (SqlType::string(), ["a%", "Straße 😀", ""].map(Value::text).to_vec());
    let times =
        || (SqlType::timestamp(3), [0, -1, 1_700_000_000_123].map(Value::Timestamp).to_vec());
    let spans = || {
        let ty = SqlType::new(millstream_sql::types::TypeKind::IntervalDaySecond);
        (ty, [1, -86_400_000, 60_000].map(Value::Interval).to_vec())
    };
    let context = EvalContext::utc();
    let numeric = ["+", "-", "*", "/", "MOD", "=", "<>", "<", ">=", "IS DISTINCT FROM", "GREATEST"];
    let textual =
        ["||", "LIKE", "=", "<", "POSITION", "STARTSWITH", "SPLIT", "REGEXP", "CONCAT_WS"];
    let mut cases = Vec::new();
    for pair in [
        (ints(), longs()),
        (longs(), longs()),
        (ints(), decimals()),
        (decimals(), decimals()),
        (doubles(), ints()),
        (doubles(), doubles()),
    ] {
        cases.extend(numeric.map(|name| (name, pair.clone())));
    }
    cases.extend(textual.map(|name| (name, (texts(), texts()))));
    cases.extend(["REPEAT", "LEFT", "SUBSTRING"].map(|name| (name, (texts(), ints()))));
    cases.extend(["+", "-"].map(|name| (name, (times(), spans()))));
    cases.extend(["=", "<", "LEAST"].map(|name| (name, (times(), times()))));
    for (name, ((left, mut a), (right, mut b))) in cases {
        a.push(Value::Null);
        b.push(Value::Null);
        let pairs: Vec<(Value, Value)> =
            a.iter().flat_map(|x| b.iter().map(move |y| (x.clone(), y.clone()))).collect();
        let by_constants = |x: &Value, y: &Value| {
            let literal = |value: &Value, ty: &SqlType| Expr {
                node: Node::Literal(value.clone()),
                ty: ty.clone(),
            };
            let call = f(name, [literal(x, &left), literal(y, &right)]);
            let array = evaluate_columns(&call, &[], 1, &context).ok()?;
            values_of(&array, &call.ty).unwrap().pop()
        };
        // Pairs that fail (division by zero) fail in a column too, so they are left out.
        let pairs: Vec<_> =
            pairs.into_iter().filter(|(x, y)| by_constants(x, y).is_some()).collect();
        let expected: Vec<Value> = pairs.iter().map(|(x, y)| by_constants(x, y).unwrap()).collect();
        let columns = [
            array_of(pairs.iter().map(|(x, _)| x), &left).unwrap(),
            array_of(pairs.iter().map(|(_, y)| y), &right).unwrap(),
        ];
        let call = f(name, [Expr::column(0, left.clone()), Expr::column(1, right.clone())]);
        let got = evaluate_columns(&call, &columns, pairs.len(), &context).unwrap();
        assert_eq!(values_of(&got, &call.ty).unwrap(), expected, "{name} of {left} and {right}");
        for y in &b {
            let literal = Expr { node: Node::Literal(y.clone()), ty: right.clone() };
            let call = f(name, [Expr::column(0, left.clone()), literal]);
            let all = evaluate_columns(&call, &columns, pairs.len(), &context);
            let Ok(got) = all else { continue };
            let got = values_of(&got, &call.ty).unwrap();
            for ((x, _), value) in pairs.iter().zip(got) {
                assert_eq!(Some(value), by_constants(x, y), "{name} of {x:?} and {y:?}");
            }
        }
    }
}
