//! Functions of the user's own: registered by a program, named by SQL.

use millstream_sql::functions::UserFunction;
use millstream_sql::functions::user::from_rows;
use millstream_sql::runtime::agg::user::{AggregateFunction, TableFunction};
use millstream_sql::session::Session;
use millstream_sql::types::SqlType;
use millstream_sql::value::Value;

type Result<T> = millstream_core::Result<T>;

use crate::queries::answer_in;

/// The product of numbers.
struct Product {
    retracts: bool,
}

impl AggregateFunction for Product {
    type State = (i64, u64);
    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::bigint()]
    }
    fn return_type(&self) -> SqlType {
        SqlType::bigint()
    }
    fn can_retract(&self) -> bool {
        self.retracts
    }
    fn accumulate(&self, state: &mut Self::State, args: &[Value]) -> Result<()> {
        if let [Value::Int(v)] = args {
            *state = (if state.1 == 0 { *v } else { state.0 * v }, state.1 + 1);
        }
        Ok(())
    }
    fn retract(&self, state: &mut Self::State, args: &[Value]) -> Result<()> {
        if let [Value::Int(v)] = args {
            *state = (state.0 / v, state.1 - 1);
        }
        Ok(())
    }
    fn merge(&self, into: &mut Self::State, from: &Self::State) -> Result<()> {
        let factor = if into.1 == 0 { 1 } else { into.0 };
        *into = (if from.1 == 0 { into.0 } else { factor * from.0 }, into.1 + from.1);
        Ok(())
    }
    fn result(&self, state: &Self::State) -> Result<Value> {
        Ok(if state.1 == 0 { Value::Null } else { Value::Int(state.0) })
    }
}

/// The letters of a text.
struct Letters;

impl TableFunction for Letters {
    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::string(), SqlType::int()]
    }
    fn columns(&self) -> Vec<(String, SqlType)> {
        vec![("letter".into(), SqlType::string()), ("place".into(), SqlType::int().not_null())]
    }
    fn eval(&self, args: &[Value]) -> Result<Vec<Vec<Value>>> {
        let [Value::Text(text), Value::Int(most)] = args else { return Ok(vec![]) };
        let letters = text.chars().take(*most as usize).enumerate();
        Ok(letters.map(|(i, c)| vec![Value::text(c), Value::Int(i as i64 + 1)]).collect())
    }
}

fn session() -> Session {
    let mut session = Session::new();
    let twice = from_rows([SqlType::bigint()], SqlType::bigint(), |args| match args {
        [Value::Int(n)] => Ok(Value::Int(2 * n)),
        _ => Ok(Value::Null),
    });
    session.provide_function("acme.Twice", UserFunction::scalar(twice));
    session.provide_function("acme.Product", UserFunction::aggregate(Product { retracts: true }));
    let once = UserFunction::aggregate(Product { retracts: false });
    session.provide_function("acme.AppendProduct", once);
    session.provide_function("acme.Letters", UserFunction::table(Letters));
    session
}

const NAMES: &str = "
    CREATE FUNCTION twice AS 'acme.Twice';
    CREATE TEMPORARY FUNCTION product AS 'acme.Product' LANGUAGE RUST;
    CREATE TEMPORARY SYSTEM FUNCTION append_product AS 'acme.AppendProduct';
    CREATE FUNCTION letters AS 'acme.Letters';
";

fn answer(query: &str) -> String {
    answer_in(&mut session(), &format!("{NAMES}{query}"))
}

#[test]
fn scalar_functions_are_found_by_name_and_path() {
    let last = "FROM staff WHERE eid = 1";
    assert_eq!(answer(&format!("SELECT twice(eid), TWICE(CAST(NULL AS INT)) {last}")), "2|NULL");
    let path = "default_catalog.default_database.twice";
    assert_eq!(answer(&format!("SELECT {path}(eid), default_database.twice(4) {last}")), "2|8");
    let view =
        "CREATE DATABASE other; CREATE VIEW v AS SELECT twice(eid) AS t FROM staff; USE other;
        SELECT t FROM default_database.v WHERE t = 2";
    assert_eq!(answer(view), "2");
    assert!(answer("CREATE DATABASE d; USE d; SELECT twice(1)").contains("No match found"));
    assert!(answer("SELECT twice('x')").contains("Supported signature: TWICE(BIGINT)"));
    assert!(answer("SELECT twize(1)").contains("did you mean TWICE?"));
}

#[test]
fn aggregates_in_every_place_where_aggregates_stand() {
    let grouped = "SELECT dept, product(eid), COUNT(*) FROM staff WHERE dept = 10 GROUP BY dept";
    assert_eq!(answer(grouped), "10|16|3");
    let filtered = "SELECT product(DISTINCT dept) FILTER (WHERE dept < 30) FROM staff";
    assert_eq!(answer(filtered), "200");
    // Over an input that takes rows back.
    let nested = "SELECT product(n) FROM (SELECT dept, COUNT(*) AS n FROM staff
        WHERE dept < 30 GROUP BY dept)";
    assert_eq!(answer(nested), "3");
    let refused = answer(&nested.replace("product(", "append_product("));
    assert!(refused.contains("answer true from can_retract"), "{refused}");
    // In windows, whose parts are merged, and over frames.
    let windows = "SELECT COUNT(*) FROM (SELECT window_end, product(rid) AS p FROM TABLE(HOP(
        TABLE rides, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '30' MINUTE))
        GROUP BY window_start, window_end)";
    let counted = windows.replace("product(rid)", "COUNT(rid)");
    assert_eq!(answer(windows), answer(&counted));
    let over = "SELECT eid, product(eid) OVER (PARTITION BY name ORDER BY p
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        FROM (SELECT *, PROCTIME() AS p FROM staff) WHERE eid = 3";
    assert_eq!(answer(over), "3|3");
    assert!(
        answer("SELECT eid FROM staff WHERE product(eid) > 1").contains("cannot stand in WHERE")
    );
}

#[test]
fn table_functions_beside_each_row() {
    let cross = "SELECT name, letter, place FROM staff, LATERAL TABLE(letters(name, 2))
        WHERE eid = 1";
    assert_eq!(answer(cross), "Ada|A|1 Ada|d|2");
    let named = "SELECT t.a FROM staff CROSS JOIN LATERAL TABLE(letters(name, 1)) AS t (a, b)
        WHERE staff.eid = 1";
    assert_eq!(answer(named), "A");
    let left = "SELECT name, t.letter FROM staff
        LEFT JOIN LATERAL TABLE(letters(name, eid - 1)) AS t ON TRUE WHERE eid = 1";
    assert_eq!(answer(left), "Ada|NULL");
    let changing = "SELECT d, letter, n FROM (SELECT CAST(dept AS STRING) AS d, COUNT(*) AS n
        FROM staff GROUP BY dept), LATERAL TABLE(letters(d, 1)) WHERE d = '10'";
    assert_eq!(answer(changing), "10|1|3");
    assert_eq!(answer("SELECT letter FROM TABLE(letters('xy', 5))"), "x y");
    for (query, says) in [
        ("SELECT letters(name, 1) FROM staff", "LATERAL TABLE(f(...))"),
        ("SELECT * FROM staff, LATERAL TABLE(twice(eid))", "no table function"),
        ("SELECT * FROM staff LEFT JOIN LATERAL TABLE(letters(name, 1)) ON eid = 1", "ON TRUE"),
        ("SELECT * FROM staff, LATERAL TABLE(letters(name, 1)) AS t (a)", "1 names for 2 columns"),
    ] {
        assert!(answer(query).contains(says), "{query}: {}", answer(query));
    }
}

#[test]
fn statements_on_functions() {
    assert_eq!(answer("SHOW USER FUNCTIONS"), "append_product letters product twice");
    assert_eq!(answer("SHOW USER FUNCTIONS LIKE '%product'"), "append_product product");
    assert_eq!(answer("SHOW FUNCTIONS LIKE 'upp%'"), "upper");
    assert_eq!(answer("CREATE DATABASE d; SHOW USER FUNCTIONS FROM d"), "append_product");
    assert_eq!(
        answer("DESCRIBE FUNCTION EXTENDED product"),
        "class name|acme.Product function language|RUST is system function|false \
         is temporary|true kind|AGGREGATE"
    );
    assert!(answer("DESCRIBE FUNCTION upper").contains("is system function|true"));
    assert_eq!(
        answer(
            "ALTER FUNCTION twice AS 'acme.Product'; SELECT twice(eid) FROM staff
        WHERE eid < 3"
        ),
        "2"
    );
    assert_eq!(answer("DROP FUNCTION twice; SHOW USER FUNCTIONS LIKE 't%'"), "");
    assert_eq!(
        answer("CREATE FUNCTION IF NOT EXISTS twice AS 'acme.Product'; SELECT twice(4)"),
        "8"
    );
    for (statement, says) in [
        ("CREATE FUNCTION twice AS 'acme.Twice'", "exists already"),
        ("CREATE FUNCTION f AS 'acme.Twize'", "did you mean 'acme.Twice'?"),
        ("CREATE FUNCTION f AS 'com.example.F' LANGUAGE JAVA", "LANGUAGE JAVA do not run here"),
        ("CREATE FUNCTION f AS 'm.f' LANGUAGE PYTHON", "LANGUAGE PYTHON do not run here"),
        ("CREATE FUNCTION f AS 'acme.Twice' USING JAR '/x.jar'", "no JVM here"),
        ("DROP FUNCTION product", "does not exist"),
        ("DROP TEMPORARY FUNCTION nothing", "does not exist"),
        ("ALTER FUNCTION nothing AS 'acme.Twice'", "does not exist"),
        ("CREATE FUNCTION nowhere.f AS 'acme.Twice'", "nowhere"),
        ("ADD JAR '/x.jar'", "no JVM here"),
    ] {
        let got = answer(statement);
        assert!(got.contains(says), "{statement}: {got}");
    }
    assert_eq!(
        answer(
            "DROP FUNCTION IF EXISTS nothing; DROP TEMPORARY FUNCTION product;
        SHOW USER FUNCTIONS"
        ),
        "append_product letters twice"
    );
}
