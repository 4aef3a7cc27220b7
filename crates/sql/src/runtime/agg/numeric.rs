//! COUNT, SUM, SUM0, AVG, and the deviation functions.
//!
//! Result types are Flink's: SUM and AVG of integers keep the integer type (SUM wraps, AVG is
//! cut towards zero), DECIMAL sums have 38 digits and become NULL when they need more, AVG of
//! DECIMAL is rounded half up. Deviations of integers and decimals are exact sums of squares,
//! cut to the result type in the end.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::DataType;
use millstream_core::{Error, Result};

use super::native::{
    Native, array_of_decimals, array_of_floats, array_of_integers, decimals, floats, native_of,
    ordered_integers,
};
use super::{Accumulator, Input};
use crate::runtime::spec::AggFunction;
use crate::runtime::state_table::{Reader, Slot};
use crate::types::SqlType;

/// COUNT(*), or COUNT of an argument.
pub(super) struct Count {
    of_argument: bool,
    counts: Vec<i64>,
}

impl Count {
    pub(super) fn new(of_argument: bool) -> Self {
        Count { of_argument, counts: Vec::new() }
    }
}

impl Accumulator for Count {
    fn grow(&mut self, slots: usize) {
        self.counts.resize(slots, 0);
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let counts = &mut self.counts;
        let mut add = |(_, slot, retract): (usize, usize, bool)| {
            counts[slot] += if retract { -1 } else { 1 };
        };
        match self.of_argument {
            true => input.iter_valid(0).for_each(add),
            false if input.retract.is_none() => {
                input.slots.iter().for_each(|slot| add((0, *slot as usize, false)));
            }
            false => input.iter().for_each(add),
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        self.counts[into as usize] += self.counts[from as usize];
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values(slots.iter().map(|s| self.counts[*s as usize]))))
    }
    fn clear(&mut self, slot: Slot) {
        self.counts[slot as usize] = 0;
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.counts[slot as usize] = bytes.i64()?;
        Ok(())
    }
}

/// Something that SUM adds up.
trait Number: Copy + Default + 'static {
    /// `None` when it does not fit.
    fn plus(self, other: Self, single: bool) -> Option<Self>;
    fn minus(self, other: Self, single: bool) -> Option<Self>;
    fn column(array: &ArrayRef) -> Result<std::borrow::Cow<'_, [Self]>>;
    fn put(self, out: &mut Vec<u8>);
    fn take(bytes: &mut Reader<'_>) -> Result<Self>;
    /// Sums or (with `counts`) averages as a column.
    fn finish(sums: Vec<Option<Self>>, counts: Option<Vec<i64>>, of: &SumOf) -> Result<ArrayRef>;
}

impl Number for i64 {
    fn plus(self, other: Self, _: bool) -> Option<Self> {
        Some(self.wrapping_add(other))
    }
    fn minus(self, other: Self, _: bool) -> Option<Self> {
        Some(self.wrapping_sub(other))
    }
    fn column(array: &ArrayRef) -> Result<std::borrow::Cow<'_, [Self]>> {
        ordered_integers(array)
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn take(bytes: &mut Reader<'_>) -> Result<Self> {
        bytes.i64()
    }
    fn finish(sums: Vec<Option<Self>>, counts: Option<Vec<i64>>, of: &SumOf) -> Result<ArrayRef> {
        let values = match counts {
            None => sums,
            Some(counts) => {
                let average = |(sum, count): (Option<i64>, i64)| sum?.checked_div(count);
                sums.into_iter().zip(counts).map(average).collect()
            }
        };
        array_of_integers(values, &of.result)
    }
}

impl Number for f64 {
    fn plus(self, other: Self, single: bool) -> Option<Self> {
        Some(if single { f64::from(self as f32 + other as f32) } else { self + other })
    }
    fn minus(self, other: Self, single: bool) -> Option<Self> {
        self.plus(-other, single)
    }
    fn column(array: &ArrayRef) -> Result<std::borrow::Cow<'_, [Self]>> {
        floats(array)
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn take(bytes: &mut Reader<'_>) -> Result<Self> {
        Ok(f64::from_bits(bytes.i64()? as u64))
    }
    fn finish(sums: Vec<Option<Self>>, counts: Option<Vec<i64>>, of: &SumOf) -> Result<ArrayRef> {
        let values = match counts {
            None => sums,
            Some(counts) => {
                let average = |(sum, count): (Option<f64>, i64)| sum.map(|s| s / count as f64);
                sums.into_iter().zip(counts).map(average).collect()
            }
        };
        array_of_floats(values, &of.result)
    }
}

/// The first number that DECIMAL(38) does not hold.
const DECIMAL_LIMIT: i128 = 10i128.pow(38);

fn in_38_digits(value: i128) -> Option<i128> {
    (-DECIMAL_LIMIT < value && value < DECIMAL_LIMIT).then_some(value)
}

/// `numerator * 10^digits / count`, rounded half up; `None` when it has over 38 digits.
fn divide_decimal(numerator: i128, count: i64, digits: u32) -> Option<i128> {
    let count = i128::from(count);
    if count == 0 {
        return None;
    }
    let shift = 10i128.checked_pow(digits)?;
    let (whole, rest) = (numerator / count, numerator % count);
    let rest = rest.checked_mul(shift)?;
    let half_up = (rest.abs() * 2 + count.abs()) / (2 * count.abs());
    let rest = if (rest < 0) != (count < 0) { -half_up } else { half_up };
    in_38_digits(whole.checked_mul(shift)?.checked_add(rest)?)
}

impl Number for i128 {
    fn plus(self, other: Self, _: bool) -> Option<Self> {
        self.checked_add(other).and_then(in_38_digits)
    }
    fn minus(self, other: Self, _: bool) -> Option<Self> {
        self.checked_sub(other).and_then(in_38_digits)
    }
    fn column(array: &ArrayRef) -> Result<std::borrow::Cow<'_, [Self]>> {
        decimals(array).map(Into::into)
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn take(bytes: &mut Reader<'_>) -> Result<Self> {
        bytes.i128()
    }
    fn finish(sums: Vec<Option<Self>>, counts: Option<Vec<i64>>, of: &SumOf) -> Result<ArrayRef> {
        let values = match counts {
            None => sums,
            Some(counts) => {
                let average = |(sum, count)| divide_decimal(sum?, count, of.more_digits);
                sums.into_iter().zip(counts).map(average).collect()
            }
        };
        Ok(array_of_decimals(values, &of.result))
    }
}

/// What becomes of a sum.
struct SumOf {
    function: AggFunction,
    result: DataType,
    /// FLOAT: every addition is rounded to it.
    single: bool,
    /// Digits that AVG of DECIMAL adds behind the point.
    more_digits: u32,
}

/// SUM, SUM0 and AVG.
struct Sum<N> {
    of: SumOf,
    /// `None`: no value yet, or more digits than DECIMAL has.
    sums: Vec<Option<N>>,
    /// Values that are not NULL.
    counts: Vec<i64>,
}

pub(super) fn sum(
    function: &AggFunction,
    argument: &SqlType,
    result: &SqlType,
) -> Result<Box<dyn Accumulator>> {
    fn new<N: Number>(of: SumOf) -> Box<dyn Accumulator> {
        Box::new(Sum::<N> { of, sums: Vec::new(), counts: Vec::new() })
    }
    let (input, result) = (argument.arrow(), result.arrow());
    let more_digits = match (&input, &result) {
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) => {
            u32::try_from(i32::from(*to) - i32::from(*from)).unwrap_or(0)
        }
        _ => 0,
    };
    let native = native_of(&input);
    let single = native == Some(Native::Float { single: true });
    let of = SumOf { function: function.clone(), result, single, more_digits };
    match native {
        Some(Native::Integer) => Ok(new::<i64>(of)),
        Some(Native::Float { .. }) => Ok(new::<f64>(of)),
        Some(Native::Decimal) => Ok(new::<i128>(of)),
        _ => Err(Error::config(format!("{function:?} of {argument}"))
            .advice("cast the argument to a number")),
    }
}

impl<N: Number> Accumulator for Sum<N> {
    fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, None);
        self.counts.resize(slots, 0);
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let values = N::column(input.arg(0)?)?;
        for (row, slot, retract) in input.iter_valid(0) {
            let (sum, value) = (&mut self.sums[slot], values[row]);
            let former = sum.unwrap_or_default();
            if retract {
                *sum = former.minus(value, self.of.single);
                self.counts[slot] -= 1;
            } else {
                *sum = former.plus(value, self.of.single);
                self.counts[slot] += 1;
            }
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let (into, from) = (into as usize, from as usize);
        if let Some(value) = self.sums[from] {
            let former = self.sums[into].unwrap_or_default();
            self.sums[into] = former.plus(value, self.of.single);
        }
        self.counts[into] += self.counts[from];
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let counts = || slots.iter().map(|slot| self.counts[*slot as usize]);
        let sums = slots.iter().map(|slot| {
            let sum = self.sums[*slot as usize];
            let empty = self.counts[*slot as usize] == 0;
            match self.of.function {
                AggFunction::Sum0 if empty => Some(N::default()),
                _ if empty => None,
                _ => sum,
            }
        });
        let averages = self.of.function == AggFunction::Avg;
        N::finish(sums.collect(), averages.then(|| counts().collect()), &self.of)
    }
    fn clear(&mut self, slot: Slot) {
        self.sums[slot as usize] = None;
        self.counts[slot as usize] = 0;
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.counts[slot as usize].to_le_bytes());
        let sum = self.sums[slot as usize];
        out.push(u8::from(sum.is_some()));
        sum.unwrap_or_default().put(out);
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.counts[slot as usize] = bytes.i64()?;
        let some = bytes.u8()? != 0;
        let sum = N::take(bytes)?;
        self.sums[slot as usize] = some.then_some(sum);
        Ok(())
    }
}

/// Sums for the variance of one slot.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: i64,
    /// Exact for integers and decimals, in units of the last digit.
    sum: i128,
    squares: i128,
    float_sum: f64,
    float_squares: f64,
}

/// VAR_POP, VAR_SAMP, STDDEV_POP and STDDEV_SAMP.
struct Variance {
    native: Native,
    /// Digits behind the point of a DECIMAL argument.
    scale: i32,
    sample: bool,
    root: bool,
    result: DataType,
    moments: Vec<Moments>,
}

pub(super) fn variance(
    function: &AggFunction,
    argument: &SqlType,
    result: &SqlType,
) -> Result<Box<dyn Accumulator>> {
    let input = argument.arrow();
    let scale = if let DataType::Decimal128(_, scale) = input { i32::from(scale) } else { 0 };
    match native_of(&input) {
        Some(native) if native != Native::Bytes => Ok(Box::new(Variance {
            native,
            scale,
            sample: matches!(function, AggFunction::StddevSamp | AggFunction::VarSamp),
            root: matches!(function, AggFunction::StddevPop | AggFunction::StddevSamp),
            result: result.arrow(),
            moments: Vec::new(),
        })),
        _ => Err(Error::config(format!("{function:?} of {argument}"))
            .advice("cast the argument to a number")),
    }
}

impl Variance {
    fn result(&self, moments: &Moments) -> Option<f64> {
        let n = moments.count;
        let divisor = if self.sample { n - 1 } else { n };
        if divisor < 1 {
            return None;
        }
        let (n, divisor) = (n as f64, divisor as f64);
        let spread = match self.native {
            Native::Float { .. } => {
                moments.float_squares - moments.float_sum * moments.float_sum / n
            }
            _ => {
                // n * sum(x^2) - sum(x)^2 is exact as long as it fits.
                let exact = i128::from(moments.count)
                    .checked_mul(moments.squares)
                    .zip(moments.sum.checked_mul(moments.sum))
                    .and_then(|(a, b)| a.checked_sub(b));
                let spread = match exact {
                    Some(exact) => exact as f64 / n,
                    None => {
                        let sum = moments.sum as f64;
                        moments.squares as f64 - sum * sum / n
                    }
                };
                spread / 10f64.powi(2 * self.scale)
            }
        };
        let variance = spread.max(0.0) / divisor;
        Some(if spread.is_nan() {
            f64::NAN
        } else if self.root {
            variance.sqrt()
        } else {
            variance
        })
    }
}

impl Accumulator for Variance {
    fn grow(&mut self, slots: usize) {
        self.moments.resize(slots, Moments::default());
    }
    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let column = input.arg(0)?;
        if let Native::Float { .. } = self.native {
            let values = floats(column)?;
            for (row, slot, retract) in input.iter_valid(0) {
                let (moments, value) = (&mut self.moments[slot], values[row]);
                let sign = if retract { -1.0 } else { 1.0 };
                moments.count += if retract { -1 } else { 1 };
                moments.float_sum += sign * value;
                moments.float_squares += sign * value * value;
            }
            return Ok(());
        }
        let mut add = |slot: usize, value: i128, retract: bool| {
            let moments = &mut self.moments[slot];
            let sign = if retract { -1 } else { 1 };
            moments.count += sign as i64;
            moments.sum = moments.sum.wrapping_add(sign * value);
            let square = value.saturating_mul(value);
            moments.squares = moments.squares.saturating_add(sign * square);
        };
        if self.native == Native::Decimal {
            let values = decimals(column)?;
            input.iter_valid(0).for_each(|(row, slot, r)| add(slot, values[row], r));
        } else {
            let values = ordered_integers(column)?;
            input.iter_valid(0).for_each(|(row, slot, r)| add(slot, values[row].into(), r));
        }
        Ok(())
    }
    fn merge(&mut self, into: Slot, from: Slot) -> Result<()> {
        let from = self.moments[from as usize];
        let into = &mut self.moments[into as usize];
        into.count += from.count;
        into.sum = into.sum.wrapping_add(from.sum);
        into.squares = into.squares.saturating_add(from.squares);
        into.float_sum += from.float_sum;
        into.float_squares += from.float_squares;
        Ok(())
    }
    fn results(&self, slots: &[Slot]) -> Result<ArrayRef> {
        let values: Vec<Option<f64>> =
            slots.iter().map(|slot| self.result(&self.moments[*slot as usize])).collect();
        match &self.result {
            DataType::Float32 | DataType::Float64 => array_of_floats(values, &self.result),
            DataType::Decimal128(_, scale) => {
                let unit = 10f64.powi(i32::from(*scale));
                let values = values.into_iter().map(|v| v.map(|v| (v * unit).round() as i128));
                Ok(array_of_decimals(values.collect(), &self.result))
            }
            result => {
                let values = values.into_iter().map(|v| v.map(|v| v as i64)).collect();
                array_of_integers(values, result)
            }
        }
    }
    fn clear(&mut self, slot: Slot) {
        self.moments[slot as usize] = Moments::default();
    }
    fn write(&self, slot: Slot, out: &mut Vec<u8>) -> Result<()> {
        let moments = &self.moments[slot as usize];
        out.extend_from_slice(&moments.count.to_le_bytes());
        moments.sum.put(out);
        moments.squares.put(out);
        moments.float_sum.put(out);
        moments.float_squares.put(out);
        Ok(())
    }
    fn read(&mut self, slot: Slot, bytes: &mut Reader<'_>) -> Result<()> {
        self.moments[slot as usize] = Moments {
            count: bytes.i64()?,
            sum: bytes.i128()?,
            squares: bytes.i128()?,
            float_sum: f64::take(bytes)?,
            float_squares: f64::take(bytes)?,
        };
        Ok(())
    }
}
