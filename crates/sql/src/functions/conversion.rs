//! Functions about types. CAST and TRY_CAST are nodes of [`crate::expr`].

use super::Definition;
use super::signature::no_kernel;
use crate::expr::Expr;
use crate::types::SqlType;
use crate::value::Value;

pub(super) const TABLE: &[Definition] = &[Definition::bound(
    &["TYPEOF"],
    &["any, [bool]"],
    |_, args| {
        let text = args[0].ty.clone().without_attribute().to_string();
        let mut literal = Expr::literal(Value::Text(text), SqlType::string());
        literal.ty.nullable = true;
        Ok(literal)
    },
    no_kernel,
)];
