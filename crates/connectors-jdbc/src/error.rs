//! Errors of the database: which reaction, which words.
//!
//! Invariant: no text of an error contains the connection string.

use millstream_core::Error;
use postgres::error::SqlState;

/// Whether the same statement may succeed later, on a new connection.
pub(crate) fn is_transient(error: &postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // Not from the server: the connection broke, or was never made.
        return error.is_closed() || std::error::Error::source(error).is_some_and(is_io);
    };
    let class = code.code().get(..2).unwrap_or_default();
    // Connection exceptions, shutdowns, too many clients, serialization failures, deadlocks.
    matches!(class, "08" | "40" | "53" | "57") && *code != SqlState::QUERY_CANCELED
}

fn is_io(source: &(dyn std::error::Error + 'static)) -> bool {
    source.downcast_ref::<std::io::Error>().is_some()
}

/// What the server or the client says, in one line.
pub(crate) fn text(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let detail = db.detail().map_or(String::new(), |d| format!(" ({d})"));
            let column = db.column().map_or(String::new(), |c| format!(" [column '{c}']"));
            format!("{}{detail}{column}, SQLSTATE {}", db.message(), db.code().code())
        }
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// An error that no retry cures.
pub(crate) fn refused(what: &str, error: &postgres::Error) -> Error {
    let message = format!("{what}: {}", text(error));
    let code = error.code().map(SqlState::code).unwrap_or_default();
    match code.get(..2).unwrap_or_default() {
        "22" | "23" => {
            Error::data(message).advice("fix the record, or the table's constraints and types")
        }
        "28" => Error::config(message).advice("check user and password"),
        "3D" => Error::config(message).advice("create the database, or fix its name in the URL"),
        "42" => Error::config(message).advice("check the table, its columns and the user's rights"),
        _ => Error::restart(message).advice("look at the server's log if it comes again"),
    }
}
