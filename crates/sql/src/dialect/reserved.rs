//! Words that name nothing unless they are in backticks.
//!
//! A selection of the words that Flink reserves: those that would make a statement
//! ambiguous or that Flink's users know as reserved. Sorted, for binary search.

const RESERVED: &[&str] = &[
    "ALL", "ALTER", "AND", "ANY", "ARRAY", "AS", "ASYMMETRIC", "AT", "BEGIN", "BETWEEN", "BIGINT",
    "BINARY", "BOOLEAN", "BOTH", "BY", "CASE", "CAST", "CHAR", "CHARACTER", "CHECK", "COLUMN",
    "COMMIT", "CONSTRAINT", "CREATE", "CROSS", "CUBE", "CURRENT", "CURRENT_DATE", "CURRENT_TIME",
    "CURRENT_TIMESTAMP", "DATE", "DECIMAL", "DEFAULT", "DEFINE", "DELETE", "DESCRIBE", "DISTINCT",
    "DOUBLE", "DROP", "ELSE", "END", "ESCAPE", "EXCEPT", "EXISTS", "EXPLAIN", "EXTRACT", "FALSE",
    "FETCH", "FILTER", "FLOAT", "FOR", "FROM", "FULL", "FUNCTION", "GRANT", "GROUP", "GROUPING",
    "HAVING", "HOUR", "IN", "INNER", "INSERT", "INT", "INTEGER", "INTERSECT", "INTERVAL", "INTO",
    "IS", "JOIN", "LATERAL", "LEADING", "LEFT", "LIKE", "LIMIT", "LOCALTIME", "LOCALTIMESTAMP",
    "MATCH_RECOGNIZE", "MERGE", "MINUS", "MINUTE", "MONTH", "MULTISET", "NATURAL", "NOT", "NULL",
    "NUMERIC", "OF", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "OVERLAPS", "PARTITION",
    "PRECISION", "PRIMARY", "QUALIFY", "RANGE", "REFERENCES", "REPLACE", "RIGHT", "ROLLBACK",
    "ROLLUP", "ROW", "ROWS", "SECOND", "SELECT", "SET", "SIMILAR", "SMALLINT", "SOME", "SYMMETRIC",
    "SYSTEM_TIME", "TABLE", "TABLESAMPLE", "THEN", "TIME", "TIMESTAMP", "TINYINT", "TO", "TRAILING",
    "TRUE", "TRUNCATE", "UNION", "UNIQUE", "UNKNOWN", "UNNEST", "UPDATE", "USER", "USING", "VALUES",
    "VARBINARY", "VARCHAR", "WHEN", "WHERE", "WINDOW", "WITH", "WITHIN", "WITHOUT", "YEAR",
];

/// Whether `word`, in any case, is reserved.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted() {
        assert!(RESERVED.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(is_reserved("select") && !is_reserved("amount"));
    }
}
