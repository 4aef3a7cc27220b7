//! The functions that Nexmark's queries take from outside, under the identifiers of its Flink
//! package, so that its statements run as they are.

use crate::functions::UserFunction;
use crate::functions::user::ScalarFunction;
use crate::types::SqlType;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use millstream_core::{Error, Result};
use std::sync::Arc;

/// Each with its identifier, for [`Session::provide_function`](crate::session::Session).
pub fn nexmark_functions() -> Vec<(&'static str, UserFunction)> {
    vec![("com.github.nexmark.flink.udf.CountChar", UserFunction::scalar(CountChar))]
}

/// `count_char(text, character)`: how often the character is in the text; q14.
struct CountChar;

impl ScalarFunction for CountChar {
    fn argument_types(&self) -> Vec<SqlType> {
        vec![SqlType::string(), SqlType::string()]
    }
    fn return_type(&self) -> SqlType {
        SqlType::bigint()
    }
    fn evaluate(&self, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [texts, characters] = args else {
            return Err(Error::bug("count_char takes two arguments"));
        };
        let (texts, characters) = (texts.as_string::<i32>(), characters.as_string::<i32>());
        let count = |row: usize| {
            if texts.is_null(row) || characters.is_null(row) {
                return None;
            }
            let (text, character) = (texts.value(row), characters.value(row));
            Some(match character.as_bytes() {
                [byte] => text.bytes().filter(|b| b == byte).count() as i64,
                _ => {
                    character.chars().next().map_or(0, |c| text.chars().filter(|x| *x == c).count())
                        as i64
                }
            })
        };
        Ok(Arc::new((0..rows).map(count).collect::<PrimitiveArray<Int64Type>>()))
    }
}
