//! Expressions back to text, as Flink shows them: names in backticks, keywords in capitals.
//!
//! For `DESCRIBE`, `SHOW CREATE` and view texts.

use super::ast::{BinaryOp, Expr, ExprKind, Ident, TypeExpr, UnaryOp};

/// A name in backticks.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in single quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The text of an expression; `source` is what it was parsed from, for the parts that are
/// shown as they were written.
pub fn expr(e: &Expr, source: &str) -> String {
    operand(e, source, 0)
}

fn path(parts: &[Ident]) -> String {
    parts.iter().map(|p| quoted(&p.value)).collect::<Vec<_>>().join(".")
}

/// Functions of the SQL standard, which are shown as keywords; others are names.
const STANDARD_FUNCTIONS: &[&str] = &[
    "ABS",
    "AVG",
    "CARDINALITY",
    "CEIL",
    "CEILING",
    "CHARACTER_LENGTH",
    "CHAR_LENGTH",
    "COALESCE",
    "COLLECT",
    "COUNT",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "ELEMENT",
    "EXP",
    "FIRST_VALUE",
    "FLOOR",
    "LAST_VALUE",
    "LN",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "LOWER",
    "MAX",
    "MIN",
    "MOD",
    "NULLIF",
    "POWER",
    "ROW_NUMBER",
    "SQRT",
    "SUBSTRING",
    "SUM",
    "TRIM",
    "TRUNCATE",
    "UPPER",
    "YEAR",
    "MONTH",
    "HOUR",
    "MINUTE",
    "SECOND",
    "QUARTER",
    "WEEK",
];

fn function_name(parts: &[Ident]) -> String {
    match parts {
        [only] => {
            let upper = only.value.to_ascii_uppercase();
            if STANDARD_FUNCTIONS.contains(&upper.as_str()) { upper } else { quoted(&only.value) }
        }
        _ => path(parts),
    }
}

fn power(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Plus | BinaryOp::Minus | BinaryOp::Concat => 2,
        BinaryOp::Times | BinaryOp::Divide | BinaryOp::Mod => 3,
        _ => 1,
    }
}

fn operand(e: &Expr, source: &str, within: u8) -> String {
    let list = |l: &[Expr]| l.iter().map(|e| expr(e, source)).collect::<Vec<_>>().join(", ");
    match &e.kind {
        ExprKind::Name(parts) => path(parts),
        ExprKind::Null => "NULL".into(),
        ExprKind::Bool(b) => if *b { "TRUE" } else { "FALSE" }.into(),
        ExprKind::Number(n) => n.clone(),
        ExprKind::Text(t) => literal(t),
        ExprKind::Binary(d) => format!("X'{d}'"),
        ExprKind::Date(t) => format!("DATE {}", literal(t)),
        ExprKind::Time(t) => format!("TIME {}", literal(t)),
        ExprKind::TimestampLtz(t) => format!("TIMESTAMP WITH LOCAL TIME ZONE {}", literal(t)),
        ExprKind::Timestamp(t) => format!("TIMESTAMP {}", literal(t)),
        ExprKind::Interval { negative, text, unit } => {
            let sign = if *negative { "-" } else { "" };
            let precision = unit.precision.map_or_else(String::new, |p| format!("({p})"));
            let to = unit.to.map_or_else(String::new, |t| format!(" TO {}", t.name()));
            format!("INTERVAL {sign}{} {}{precision}{to}", literal(text), unit.from.name())
        }
        ExprKind::Unary(op, inner) => {
            let inner = operand(inner, source, 9);
            match op {
                UnaryOp::Plus => format!("+ {inner}"),
                UnaryOp::Minus => format!("- {inner}"),
                UnaryOp::Not => format!("NOT {inner}"),
            }
        }
        ExprKind::BinaryOp(l, op, r) => {
            let binds = power(*op);
            let left = operand(l, source, binds);
            let text = format!("{left} {} {}", op.text(), operand(r, source, binds + 1));
            if binds < within { format!("({text})") } else { text }
        }
        ExprKind::And(all) | ExprKind::Or(all) => {
            let word = if matches!(e.kind, ExprKind::And(_)) { " AND " } else { " OR " };
            let text = all.iter().map(|e| operand(e, source, 1)).collect::<Vec<_>>().join(word);
            if within > 0 { format!("({text})") } else { text }
        }
        ExprKind::Call(call) if call.clauses.is_empty() && call.over.is_none() => {
            let name = function_name(&call.name.0);
            let symbols = call.args.iter().any(|a| matches!(a.kind, ExprKind::Symbol(_)));
            if symbols {
                return written(e, source);
            }
            if call.parentheses { format!("{name}({})", list(&call.args)) } else { name }
        }
        ExprKind::Cast { expr: inner, to, lenient } => {
            let word = if *lenient { "TRY_CAST" } else { "CAST" };
            format!("{word}({} AS {})", expr(inner, source), data_type(to, source))
        }
        ExprKind::Row(l) => format!("ROW({})", list(l)),
        ExprKind::Array(l) => format!("ARRAY[{}]", list(l)),
        ExprKind::Map(l) => format!("MAP[{}]", list(l)),
        ExprKind::Index(base, index) => {
            format!("{}[{}]", operand(base, source, 9), expr(index, source))
        }
        ExprKind::Field(base, field) => {
            format!("{}.{}", operand(base, source, 9), quoted(&field.value))
        }
        _ => written(e, source),
    }
}

fn written(e: &Expr, source: &str) -> String {
    source.get(e.span.start as usize..e.span.end as usize).unwrap_or("?").to_owned()
}

fn data_type(t: &TypeExpr, source: &str) -> String {
    source.get(t.span.start as usize..t.span.end as usize).unwrap_or(&t.name).to_owned()
}
