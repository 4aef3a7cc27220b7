//! What a kernel sees of a call, and the loops that most kernels are.
//!
//! Readers ([`Text`], [`Numbers`]) hide whether an argument is a column or one value for
//! all rows. The `map_*` loops give NULL as soon as one argument is NULL, as nearly all of
//! Flink's functions do.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Datum, PrimitiveArray, Scalar, StringArray,
};
use millstream_core::{Error, Result};

use crate::expr::{Columnar, EvalContext, Expr};
use crate::types::SqlType;
use crate::value::{Value, value_at, wrong_array};

/// A call at run time: argument columns, types, and surroundings.
pub struct CallArgs<'a> {
    /// The arguments.
    pub columns: &'a [Columnar],
    /// The expressions they came from, for their types and literals.
    pub exprs: &'a [Expr],
    /// The type of the result.
    pub result: &'a SqlType,
    /// Number of rows the result must have.
    pub rows: usize,
    /// Zone, time, randomness.
    pub context: &'a EvalContext,
}

impl<'a> CallArgs<'a> {
    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.columns.len()
    }
    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
    fn get(&self, i: usize) -> Result<&'a Columnar> {
        self.columns.get(i).ok_or_else(|| Error::bug(format!("argument {i} of {}", self.len())))
    }
    /// Type of an argument.
    pub fn ty(&self, i: usize) -> &'a SqlType {
        &self.exprs[i].ty
    }
    /// An argument with one entry per row.
    pub fn array(&self, i: usize) -> Result<ArrayRef> {
        self.get(i)?.clone().into_array(self.rows)
    }
    /// An argument's array as it is, and whether its one entry stands for all rows.
    pub fn raw(&self, i: usize) -> Result<(&'a ArrayRef, bool)> {
        let column = self.get(i)?;
        Ok((column.array(), column.is_scalar()))
    }
    /// An argument as Arrow's kernels take it: a column, or one value for all rows.
    pub fn datum(&self, i: usize) -> Result<Box<dyn Datum>> {
        Ok(match self.get(i)? {
            Columnar::Array(array) => Box::new(array.clone()),
            Columnar::Scalar(array) => Box::new(Scalar::new(array.clone())),
        })
    }
    /// The argument as a value, if it is the same for all rows.
    pub fn scalar(&self, i: usize) -> Result<Option<Value>> {
        match self.get(i)? {
            Columnar::Scalar(array) => value_at(array, self.ty(i), 0).map(Some),
            Columnar::Array(_) => Ok(None),
        }
    }
    /// The value of an argument in a row, for slow paths.
    pub fn value(&self, i: usize, row: usize) -> Result<Value> {
        let (array, scalar) = self.raw(i)?;
        value_at(array, self.ty(i), if scalar { 0 } else { row })
    }
    /// A text argument.
    pub fn text(&self, i: usize) -> Result<Text<'a>> {
        let (array, scalar) = self.raw(i)?;
        let array = array.as_string_opt().ok_or_else(|| wrong_array(array, self.ty(i)))?;
        Ok(Text { array, scalar })
    }
    /// A text argument that may be left out.
    pub fn optional_text(&self, i: usize) -> Result<Option<Text<'a>>> {
        if i < self.len() { self.text(i).map(Some) } else { Ok(None) }
    }
    /// The keyword at `i`, in upper case; empty if it was left out.
    pub fn symbol(&self, i: usize) -> String {
        self.exprs.get(i).and_then(|e| e.as_text()).unwrap_or_default().to_uppercase()
    }
    /// A bytes argument.
    pub fn bytes(&self, i: usize) -> Result<Bytes<'a>> {
        let (array, scalar) = self.raw(i)?;
        let array = array.as_binary_opt().ok_or_else(|| wrong_array(array, self.ty(i)))?;
        Ok(Bytes { array, scalar })
    }
    /// A BOOLEAN argument.
    pub fn booleans(&self, i: usize) -> Result<Booleans<'a>> {
        let (array, scalar) = self.raw(i)?;
        let array = array.as_boolean_opt().ok_or_else(|| wrong_array(array, self.ty(i)))?;
        Ok(Booleans { array, scalar })
    }
    /// An argument of one primitive Arrow type.
    pub fn numbers<T: ArrowPrimitiveType>(&self, i: usize) -> Result<Numbers<'a, T>> {
        let (array, scalar) = self.raw(i)?;
        let array = array.as_primitive_opt().ok_or_else(|| wrong_array(array, self.ty(i)))?;
        Ok(Numbers { array, scalar })
    }
    /// An INT argument.
    pub fn ints(&self, i: usize) -> Result<Numbers<'a, Int32Type>> {
        self.numbers(i)
    }
    /// A BIGINT argument.
    pub fn bigints(&self, i: usize) -> Result<Numbers<'a, Int64Type>> {
        self.numbers(i)
    }

    /// One text per row; `make` appends to the buffer, or returns `false` for NULL.
    pub fn map_text(
        &self,
        mut make: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut out = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for row in 0..self.rows {
            buffer.clear();
            if make(row, &mut buffer)? {
                out.append_value(&buffer);
            } else {
                out.append_null();
            }
        }
        Ok(Arc::new(out.finish()))
    }
    /// One borrowed text per row, or NULL.
    pub fn pick_text<'b>(
        &self,
        mut make: impl FnMut(usize) -> Result<Option<&'b str>>,
    ) -> Result<ArrayRef> {
        let mut out = StringBuilder::with_capacity(self.rows, self.rows * 16);
        for row in 0..self.rows {
            out.append_option(make(row)?);
        }
        Ok(Arc::new(out.finish()))
    }
    /// One number per row, or NULL.
    pub fn map_numbers<T: ArrowPrimitiveType>(
        &self,
        mut make: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let mut out = PrimitiveArray::<T>::builder(self.rows);
        for row in 0..self.rows {
            out.append_option(make(row)?);
        }
        Ok(Arc::new(out.finish().with_data_type(self.result.arrow())))
    }
    /// One BOOLEAN per row, or NULL.
    pub fn map_booleans(
        &self,
        mut make: impl FnMut(usize) -> Result<Option<bool>>,
    ) -> Result<ArrayRef> {
        let mut out = BooleanBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            out.append_option(make(row)?);
        }
        Ok(Arc::new(out.finish()))
    }
    /// One value of the result type per row, for slow paths.
    pub fn map_values(&self, make: impl FnMut(usize) -> Result<Value>) -> Result<ArrayRef> {
        let values = (0..self.rows).map(make).collect::<Result<Vec<_>>>()?;
        crate::value::array_of(&values, self.result)
    }
}

/// Reads a text argument by row.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    array: &'a StringArray,
    scalar: bool,
}

impl<'a> Text<'a> {
    /// The text of a row; `None` for NULL.
    pub fn get(&self, row: usize) -> Option<&'a str> {
        let row = if self.scalar { 0 } else { row };
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
    /// Whether one text stands for all rows.
    pub fn is_scalar(&self) -> bool {
        self.scalar
    }
    /// The array behind it.
    pub fn array(&self) -> &'a StringArray {
        self.array
    }
}

/// Reads a bytes argument by row.
#[derive(Clone, Copy)]
pub struct Bytes<'a> {
    array: &'a BinaryArray,
    scalar: bool,
}

impl<'a> Bytes<'a> {
    /// The bytes of a row; `None` for NULL.
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        let row = if self.scalar { 0 } else { row };
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// Reads a BOOLEAN argument by row.
#[derive(Clone, Copy)]
pub struct Booleans<'a> {
    array: &'a BooleanArray,
    scalar: bool,
}

impl Booleans<'_> {
    /// The value of a row; `None` for NULL.
    pub fn get(&self, row: usize) -> Option<bool> {
        let row = if self.scalar { 0 } else { row };
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// Reads an argument of a primitive type by row.
pub struct Numbers<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    scalar: bool,
}

// Derives would ask that `T` itself can be copied.
impl<T: ArrowPrimitiveType> Clone for Numbers<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ArrowPrimitiveType> Copy for Numbers<'_, T> {}

impl<'a, T: ArrowPrimitiveType> Numbers<'a, T> {
    /// The value of a row; `None` for NULL.
    pub fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.scalar { 0 } else { row };
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
    /// The array behind it.
    pub fn array(&self) -> &'a PrimitiveArray<T> {
        self.array
    }
    /// Whether one value stands for all rows.
    pub fn is_scalar(&self) -> bool {
        self.scalar
    }
}
