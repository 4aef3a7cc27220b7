//! The current time: of the query, or of the row at hand.

use super::{ltz_3, timestamp_3};
use crate::expr::Expr;
use crate::functions::CallArgs;
use crate::stamps::as_timestamps;
use crate::types::{SqlType, TypeKind};
use arrow_array::{ArrayRef, Int64Array};
use millstream_core::Result;

pub(super) fn now_ms(args: &CallArgs<'_>) -> i64 {
    args.context.query_start_ms.unwrap_or(args.context.now_ms)
}

fn constant_stamp(args: &CallArgs<'_>, ms: i64) -> Result<ArrayRef> {
    Ok(as_timestamps(Int64Array::from(vec![ms; args.rows]), args.result))
}

pub(super) fn now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, now_ms(args))
}

pub(super) fn row_now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, args.context.now_ms)
}

pub(super) fn local_now(args: &CallArgs<'_>) -> Result<ArrayRef> {
    constant_stamp(args, args.context.zone.to_local_ms(now_ms(args)))
}

pub(super) fn watermark_type(args: &[Expr]) -> Result<SqlType> {
    Ok(match args[0].ty.kind {
        TypeKind::TimestampLtz(_) => ltz_3(),
        _ => timestamp_3(),
    })
}
