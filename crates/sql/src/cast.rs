//! CAST and TRY_CAST: which types convert, and how.
//!
//! A failed conversion is an error for CAST and NULL for TRY_CAST. Overflow is neither, as
//! in Flink: integers wrap around, floating numbers stop at the limits of the integer type,
//! and a DECIMAL that has too many digits becomes NULL.
//!
//! Text is read by [`crate::parse`], written by [`crate::text`].

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, PrimitiveArray, StructArray,
    new_null_array,
};
use millstream_core::{Error, Result};

use crate::calendar::DAY_MS;
use crate::coercion;
use crate::decimal;
use crate::parse;
use crate::text;
use crate::types::{Family, MAX_LENGTH, SqlType, TypeKind, element_field, row_fields, time_unit};
use crate::value::{new_map, value_at, wrong_array};
use crate::zone::Zone;

/// Whether Flink converts one type to the other.
///
/// # Errors
/// Configuration: it does not.
pub fn check(from: &SqlType, to: &SqlType) -> Result<()> {
    if converts(from, to) {
        return Ok(());
    }
    let error = Error::config(format!(
        "Cast function cannot convert value of type {} to type {}",
        from.base_text(),
        to.base_text()
    ));
    let stamp = |t: &SqlType| t.family() == Family::Timestamp;
    Err(if stamp(from) && to.is_numeric() {
        error.advice(
            "use UNIX_TIMESTAMP(CAST(x AS STRING)) for seconds, or TIMESTAMPDIFF for other units",
        )
    } else if from.is_numeric() && stamp(to) {
        error.advice("use TO_TIMESTAMP_LTZ(x, 3) for milliseconds, or with 0 for seconds")
    } else {
        error
    })
}

fn converts(from: &SqlType, to: &SqlType) -> bool {
    use Family as F;
    let (f, t) = (from.family(), to.family());
    match (&from.kind, &to.kind) {
        (TypeKind::Null, _) => true,
        (TypeKind::Array(a), TypeKind::Array(b))
        | (TypeKind::Multiset(a), TypeKind::Multiset(b)) => converts(a, b),
        (TypeKind::Map(k, v), TypeKind::Map(l, w)) => converts(k, l) && converts(v, w),
        (TypeKind::Row(a), TypeKind::Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| converts(&x.ty, &y.ty))
        }
        _ => match (f, t) {
            (_, F::Character) => true,
            (F::Character, F::Boolean | F::Numeric | F::Binary) => true,
            (F::Character, F::Date | F::Time | F::Timestamp) => true,
            (F::Boolean | F::Numeric, F::Boolean | F::Numeric) => true,
            (F::Binary, F::Binary) | (F::Date, F::Date | F::Timestamp) => true,
            (F::Time, F::Time | F::Timestamp) => true,
            (F::Timestamp, F::Date | F::Time | F::Timestamp) => true,
            (F::Interval, F::Interval) => from.kind == to.kind,
            _ => false,
        },
    }
}

/// Whether CAST from one type to the other fails on some values.
pub fn may_fail(from: &SqlType, to: &SqlType) -> bool {
    match (&from.kind, &to.kind) {
        (TypeKind::Array(a), TypeKind::Array(b))
        | (TypeKind::Multiset(a), TypeKind::Multiset(b)) => may_fail(a, b),
        (TypeKind::Map(k, v), TypeKind::Map(l, w)) => may_fail(k, l) || may_fail(v, w),
        (TypeKind::Row(a), TypeKind::Row(b)) => {
            a.iter().zip(b).any(|(x, y)| may_fail(&x.ty, &y.ty))
        }
        _ => from.is_text() && !matches!(to.family(), Family::Character | Family::Binary),
    }
}

/// The values of `array`, of type `from`, as values of type `to`.
///
/// `zone` is where texts and local times without a zone are. The types must convert
/// ([`check`]).
///
/// # Errors
/// Data: a text cannot be read as a value of the type, unless `try_cast`.
/// Bug: the array is not of type `from`, or the types do not convert.
pub fn cast(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    try_cast: bool,
    zone: &Zone,
) -> Result<ArrayRef> {
    use Family as F;
    let job = Job { array, from, to, try_cast, zone };
    match (from.family(), to.family()) {
        (F::Null, _) => Ok(new_null_array(&to.arrow(), array.len())),
        (F::Array, F::Array) | (F::Map, F::Map) | (F::Row, F::Row) | (F::Multiset, F::Multiset) => {
            if try_cast && may_fail(from, to) {
                job.whole_rows()
            } else {
                job.nested()
            }
        }
        (F::Character, F::Character) => job.text_to_text(),
        (_, F::Character) => job.to_text(),
        (F::Character, _) => job.read_text(),
        (F::Binary, F::Binary) => job.bytes_to_bytes(),
        (F::Boolean, F::Boolean) => Ok(array.clone()),
        (F::Boolean, F::Numeric) => job.boolean_to_number(),
        (F::Numeric, F::Boolean) => job.number_to_boolean(),
        (F::Numeric, F::Numeric) => job.number_to_number(),
        (F::Date | F::Time | F::Timestamp, _) => job.temporal(),
        _ if from.kind == to.kind => Ok(array.clone()),
        _ => Err(Error::bug(format!("no cast from {from} to {to}"))),
    }
}

struct Job<'a> {
    array: &'a ArrayRef,
    from: &'a SqlType,
    to: &'a SqlType,
    try_cast: bool,
    zone: &'a Zone,
}

fn unary<I, O>(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    op: impl Fn(I::Native) -> O::Native,
) -> Result<ArrayRef>
where
    I: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let array = array.as_primitive_opt::<I>().ok_or_else(|| wrong_array(array, from))?;
    Ok(Arc::new(array.unary::<_, O>(op).with_data_type(to.arrow())))
}

fn unary_opt<I, O>(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    op: impl Fn(I::Native) -> Option<O::Native>,
) -> Result<ArrayRef>
where
    I: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let array = array.as_primitive_opt::<I>().ok_or_else(|| wrong_array(array, from))?;
    Ok(Arc::new(array.unary_opt::<_, O>(op).with_data_type(to.arrow())))
}

impl Job<'_> {
    fn unary<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
        &self,
        op: impl Fn(I::Native) -> O::Native,
    ) -> Result<ArrayRef> {
        unary::<I, O>(self.array, self.from, self.to, op)
    }

    fn boolean_to_number(&self) -> Result<ArrayRef> {
        let array =
            self.array.as_boolean_opt().ok_or_else(|| wrong_array(self.array, self.from))?;
        let ints: ArrayRef =
            Arc::new(array.iter().map(|v| v.map(i32::from)).collect::<PrimitiveArray<Int32Type>>());
        cast(&ints, &SqlType::int(), self.to, self.try_cast, self.zone)
    }

    fn number_to_boolean(&self) -> Result<ArrayRef> {
        let (array, from) = (self.array, self.from);
        macro_rules! not_zero {
            ($t:ty, $zero:expr) => {{
                let array =
                    array.as_primitive_opt::<$t>().ok_or_else(|| wrong_array(array, from))?;
                BooleanArray::from_unary(array, |v| v != $zero)
            }};
        }
        Ok(Arc::new(match from.kind {
            TypeKind::TinyInt => not_zero!(Int8Type, 0),
            TypeKind::SmallInt => not_zero!(Int16Type, 0),
            TypeKind::Int => not_zero!(Int32Type, 0),
            TypeKind::BigInt => not_zero!(Int64Type, 0),
            TypeKind::Float => not_zero!(Float32Type, 0.0),
            TypeKind::Double => not_zero!(Float64Type, 0.0),
            _ => not_zero!(Decimal128Type, 0),
        }))
    }

    fn number_to_number(&self) -> Result<ArrayRef> {
        use TypeKind::*;
        let to = &self.to.kind;
        if self.from.kind == *to {
            return Ok(self.array.clone());
        }
        macro_rules! from_int {
            ($i:ty) => {
                match *to {
                    TinyInt => self.unary::<$i, Int8Type>(|v| v as i8),
                    SmallInt => self.unary::<$i, Int16Type>(|v| v as i16),
                    Int => self.unary::<$i, Int32Type>(|v| v as i32),
                    BigInt => self.unary::<$i, Int64Type>(|v| v as i64),
                    Float => self.unary::<$i, Float32Type>(|v| v as f32),
                    Double => self.unary::<$i, Float64Type>(|v| v as f64),
                    // An integer that fits whatever it is needs no test.
                    Decimal { precision, scale }
                        if coercion::as_decimal(self.from).kind.digits_fit(precision, scale) =>
                    {
                        let power = decimal::pow10(scale);
                        self.unary::<$i, Decimal128Type>(|v| i128::from(v) * power)
                    }
                    Decimal { precision, scale } => {
                        unary_opt::<$i, Decimal128Type>(self.array, self.from, self.to, |v| {
                            decimal::rescale(v.into(), 0, precision, scale)
                        })
                    }
                    _ => Err(Error::bug("no number")),
                }
            };
        }
        macro_rules! from_float {
            ($f:ty) => {
                match *to {
                    // Java narrows to 8 and 16 bits by way of 32.
                    TinyInt => self.unary::<$f, Int8Type>(|v| v as i32 as i8),
                    SmallInt => self.unary::<$f, Int16Type>(|v| v as i32 as i16),
                    Int => self.unary::<$f, Int32Type>(|v| v as i32),
                    BigInt => self.unary::<$f, Int64Type>(|v| v as i64),
                    Float => self.unary::<$f, Float32Type>(|v| v as f32),
                    Double => self.unary::<$f, Float64Type>(|v| v as f64),
                    Decimal { precision, scale } => {
                        unary_opt::<$f, Decimal128Type>(self.array, self.from, self.to, |v| {
                            decimal::from_f64(v.into(), precision, scale)
                        })
                    }
                    _ => Err(Error::bug("no number")),
                }
            };
        }
        match self.from.kind {
            TinyInt => from_int!(Int8Type),
            SmallInt => from_int!(Int16Type),
            Int => from_int!(Int32Type),
            BigInt => from_int!(Int64Type),
            Float => from_float!(Float32Type),
            Double => from_float!(Float64Type),
            Decimal { scale: s, .. } => {
                let whole = decimal::pow10(s);
                match *to {
                    TinyInt => self.unary::<Decimal128Type, Int8Type>(|v| (v / whole) as i8),
                    SmallInt => self.unary::<Decimal128Type, Int16Type>(|v| (v / whole) as i16),
                    Int => self.unary::<Decimal128Type, Int32Type>(|v| (v / whole) as i32),
                    BigInt => self.unary::<Decimal128Type, Int64Type>(|v| (v / whole) as i64),
                    Float => {
                        self.unary::<Decimal128Type, Float32Type>(|v| decimal::to_f64(v, s) as f32)
                    }
                    Double => self.unary::<Decimal128Type, Float64Type>(|v| decimal::to_f64(v, s)),
                    Decimal { precision, scale } => unary_opt::<Decimal128Type, Decimal128Type>(
                        self.array,
                        self.from,
                        self.to,
                        |v| decimal::rescale(v, s, precision, scale),
                    ),
                    _ => Err(Error::bug("no number")),
                }
            }
            _ => Err(Error::bug("no number")),
        }
    }

    fn temporal(&self) -> Result<ArrayRef> {
        use TypeKind::*;
        let zone = *self.zone;
        let day_ms = DAY_MS;
        match (&self.from.kind, &self.to.kind) {
            (Date, Date) | (Time(_), Time(_)) => self.truncate_time(),
            (Date, Timestamp(p)) => {
                self.millis_to_stamp::<Date32Type>(*p, |days| Some(i64::from(days) * day_ms))
            }
            (Date, TimestampLtz(p)) => self.millis_to_stamp::<Date32Type>(*p, |days| {
                Some(zone.to_instant_ms(i64::from(days) * day_ms))
            }),
            (Time(_), Timestamp(p)) => {
                self.millis_to_stamp::<Time32MillisecondType>(*p, |ms| Some(ms.into()))
            }
            (Time(_), TimestampLtz(p)) => self.millis_to_stamp::<Time32MillisecondType>(*p, |ms| {
                Some(zone.to_instant_ms(ms.into()))
            }),
            (Timestamp(p), Timestamp(q)) | (TimestampLtz(p), TimestampLtz(q)) => {
                self.stamp_to_stamp(*p, *q, |seconds| seconds)
            }
            (Timestamp(p), TimestampLtz(q)) => {
                self.stamp_to_stamp(*p, *q, |local| local - i64::from(zone.offset_of_local(local)))
            }
            (TimestampLtz(p), Timestamp(q)) => {
                self.stamp_to_stamp(*p, *q, |instant| instant + i64::from(zone.offset_at(instant)))
            }
            (Timestamp(p), Date) => {
                self.stamp_to_local::<Date32Type>(*p, None, |ms| ms.div_euclid(day_ms) as i32)
            }
            (TimestampLtz(p), Date) => {
                self.stamp_to_local::<Date32Type>(*p, Some(zone), |ms| ms.div_euclid(day_ms) as i32)
            }
            (Timestamp(p), Time(q)) => {
                let q = *q;
                self.stamp_to_local::<Time32MillisecondType>(*p, None, move |ms| {
                    truncate(ms.rem_euclid(day_ms), 3, q) as i32
                })
            }
            (TimestampLtz(p), Time(q)) => {
                let q = *q;
                self.stamp_to_local::<Time32MillisecondType>(*p, Some(zone), move |ms| {
                    truncate(ms.rem_euclid(day_ms), 3, q) as i32
                })
            }
            _ => Err(Error::bug(format!("no cast from {} to {}", self.from, self.to))),
        }
    }

    fn truncate_time(&self) -> Result<ArrayRef> {
        match (&self.from.kind, &self.to.kind) {
            (TypeKind::Time(p), TypeKind::Time(q)) if q < p => {
                let q = *q;
                self.unary::<Time32MillisecondType, Time32MillisecondType>(move |ms| {
                    truncate(ms.into(), 3, q) as i32
                })
            }
            _ => Ok(self.array.clone()),
        }
    }

    fn millis_to_stamp<I: ArrowPrimitiveType>(
        &self,
        precision: u8,
        millis: impl Fn(I::Native) -> Option<i64>,
    ) -> Result<ArrayRef> {
        let array =
            self.array.as_primitive_opt::<I>().ok_or_else(|| wrong_array(self.array, self.from))?;
        let scale = unit_per_ms(precision);
        let values = array.unary_opt::<_, Int64Type>(|v| millis(v)?.checked_mul(scale));
        Ok(crate::stamps::as_timestamps(values, self.to))
    }

    /// Changes unit and digits; `shift` moves whole seconds between zones.
    fn stamp_to_stamp(&self, p: u8, q: u8, shift: impl Fn(i64) -> i64) -> Result<ArrayRef> {
        let values = crate::stamps::timestamp_values(self.array, self.from)?;
        let (per, target) =
            (text::units_per_second(time_unit(p)), text::units_per_second(time_unit(q)));
        let values = values.unary_opt::<_, Int64Type>(|v| {
            let seconds = shift(v.div_euclid(per));
            let part = v.rem_euclid(per);
            let part = if target >= per { part * (target / per) } else { part / (per / target) };
            let whole = seconds.checked_mul(target)?.checked_add(part)?;
            Some(if q < p { truncate(whole, stored_digits(q), q) } else { whole })
        });
        Ok(crate::stamps::as_timestamps(values, self.to))
    }

    fn stamp_to_local<O: ArrowPrimitiveType>(
        &self,
        p: u8,
        zone: Option<Zone>,
        op: impl Fn(i64) -> O::Native,
    ) -> Result<ArrayRef> {
        let values = crate::stamps::timestamp_values(self.array, self.from)?;
        let scale = unit_per_ms(p);
        let values = values.unary::<_, O>(|v| {
            let ms = v.div_euclid(scale);
            op(zone.map_or(ms, |zone| zone.to_local_ms(ms)))
        });
        Ok(Arc::new(values.with_data_type(self.to.arrow())))
    }

    fn to_text(&self) -> Result<ArrayRef> {
        let mut out = StringBuilder::with_capacity(self.array.len(), self.array.len() * 8);
        let mut buffer = String::new();
        let fit = Fit::of(self.to);
        let binary = self.from.family() == Family::Binary;
        macro_rules! each {
            ($t:ty, $write:expr) => {{
                let array = self
                    .array
                    .as_primitive_opt::<$t>()
                    .ok_or_else(|| wrong_array(self.array, self.from))?;
                for value in array.iter() {
                    match value {
                        Some(value) => {
                            buffer.clear();
                            #[allow(clippy::redundant_closure_call)]
                            $write(&mut buffer, value);
                            fit.append(&mut out, &mut buffer);
                        }
                        None => out.append_null(),
                    }
                }
                return Ok(Arc::new(out.finish()));
            }};
        }
        match self.from.kind {
            TypeKind::TinyInt => {
                each!(Int8Type, |o: &mut String, v: i8| text::write_int(o, v.into()))
            }
            TypeKind::SmallInt => {
                each!(Int16Type, |o: &mut String, v: i16| text::write_int(o, v.into()))
            }
            TypeKind::Int => {
                each!(Int32Type, |o: &mut String, v: i32| text::write_int(o, v.into()))
            }
            TypeKind::BigInt => each!(Int64Type, |o: &mut String, v: i64| text::write_int(o, v)),
            TypeKind::Float => each!(Float32Type, |o: &mut String, v: f32| text::write_float(o, v)),
            TypeKind::Double => {
                each!(Float64Type, |o: &mut String, v: f64| text::write_double(o, v))
            }
            TypeKind::Decimal { scale, .. } => {
                each!(Decimal128Type, |o: &mut String, v: i128| text::write_decimal(o, v, scale))
            }
            TypeKind::Date => {
                each!(Date32Type, |o: &mut String, v: i32| text::write_date(o, v.into()))
            }
            TypeKind::Time(p) => {
                each!(Time32MillisecondType, |o: &mut String, v: i32| text::write_time(o, v, p))
            }
            _ => {}
        }
        for row in 0..self.array.len() {
            if self.array.is_null(row) {
                out.append_null();
                continue;
            }
            buffer.clear();
            if binary {
                let bytes = self
                    .array
                    .as_binary_opt::<i32>()
                    .ok_or_else(|| wrong_array(self.array, self.from))?;
                buffer.push_str(&String::from_utf8_lossy(bytes.value(row)));
            } else {
                let value = value_at(self.array, self.from, row)?;
                text::write_value(&mut buffer, &value, self.from, self.zone);
            }
            fit.append(&mut out, &mut buffer);
        }
        Ok(Arc::new(out.finish()))
    }

    fn text_to_text(&self) -> Result<ArrayRef> {
        let fits = match (&self.from.kind, &self.to.kind) {
            (TypeKind::Char(n) | TypeKind::Varchar(n), TypeKind::Varchar(m)) => n <= m,
            (TypeKind::Char(n), TypeKind::Char(m)) => n == m,
            _ => false,
        };
        if fits {
            return Ok(self.array.clone());
        }
        let array =
            self.array.as_string_opt::<i32>().ok_or_else(|| wrong_array(self.array, self.from))?;
        let mut out = StringBuilder::with_capacity(array.len(), array.value_data().len());
        let mut buffer = String::new();
        let fit = Fit::of(self.to);
        for value in array.iter() {
            match value {
                Some(value) => {
                    buffer.clear();
                    buffer.push_str(value);
                    fit.append(&mut out, &mut buffer);
                }
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    fn bytes_to_bytes(&self) -> Result<ArrayRef> {
        let array =
            self.array.as_binary_opt::<i32>().ok_or_else(|| wrong_array(self.array, self.from))?;
        let mut out = BinaryBuilder::new();
        for value in array.iter() {
            match value {
                Some(value) => append_bytes(&mut out, value, self.to),
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    fn read_text(&self) -> Result<ArrayRef> {
        let array =
            self.array.as_string_opt::<i32>().ok_or_else(|| wrong_array(self.array, self.from))?;
        macro_rules! read {
            ($t:ty, $read:expr) => {{
                let mut out = PrimitiveArray::<$t>::builder(array.len());
                for text in array.iter() {
                    match text.map($read) {
                        None => out.append_null(),
                        Some(Ok(value)) => out.append_option(value),
                        Some(Err(_)) if self.try_cast => out.append_null(),
                        Some(Err(error)) => return Err(error),
                    }
                }
                Arc::new(out.finish().with_data_type(self.to.arrow()))
            }};
        }
        Ok(match self.to.kind {
            TypeKind::Boolean => {
                let mut out = Vec::with_capacity(array.len());
                for text in array.iter() {
                    out.push(match text.map(parse::boolean) {
                        None => None,
                        Some(Ok(value)) => Some(value),
                        Some(Err(_)) if self.try_cast => None,
                        Some(Err(error)) => return Err(error),
                    });
                }
                Arc::new(BooleanArray::from(out))
            }
            TypeKind::TinyInt => {
                read!(Int8Type, |t| parse::integer(t, i8::MIN.into(), i8::MAX.into())
                    .map(|v| Some(v as i8)))
            }
            TypeKind::SmallInt => {
                read!(Int16Type, |t| parse::integer(t, i16::MIN.into(), i16::MAX.into())
                    .map(|v| Some(v as i16)))
            }
            TypeKind::Int => {
                read!(Int32Type, |t| parse::integer(t, i32::MIN.into(), i32::MAX.into())
                    .map(|v| Some(v as i32)))
            }
            TypeKind::BigInt => {
                read!(Int64Type, |t| parse::integer(t, i64::MIN, i64::MAX).map(Some))
            }
            TypeKind::Float => read!(Float32Type, |t| parse::float(t).map(|v| Some(v as f32))),
            TypeKind::Double => read!(Float64Type, |t| parse::float(t).map(Some)),
            TypeKind::Decimal { precision, scale } => {
                read!(Decimal128Type, |t| parse::decimal(t, precision, scale))
            }
            TypeKind::Date => {
                read!(Date32Type, |t| parse::date(t).map(|days| Some(days as i32)))
            }
            TypeKind::Time(p) => {
                read!(Time32MillisecondType, |t| parse::time(t).map(|ms| Some(truncate(
                    ms.into(),
                    3,
                    p
                )
                    as i32)))
            }
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => {
                let zone = match self.to.kind {
                    TypeKind::TimestampLtz(_) => *self.zone,
                    _ => Zone::UTC,
                };
                let per = text::units_per_second(time_unit(p));
                let mut out = PrimitiveArray::<Int64Type>::builder(array.len());
                for text in array.iter() {
                    match text.map(parse::timestamp) {
                        None => out.append_null(),
                        Some(Ok((seconds, nanos))) => {
                            let seconds = seconds - i64::from(zone.offset_of_local(seconds));
                            let nanos = truncate(nanos, 9, p);
                            out.append_option(
                                seconds
                                    .checked_mul(per)
                                    .and_then(|v| v.checked_add(nanos / (1_000_000_000 / per))),
                            );
                        }
                        Some(Err(_)) if self.try_cast => out.append_null(),
                        Some(Err(error)) => return Err(error),
                    }
                }
                crate::stamps::as_timestamps(out.finish(), self.to)
            }
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
                let mut out = BinaryBuilder::with_capacity(array.len(), array.value_data().len());
                for text in array.iter() {
                    match text {
                        Some(text) => append_bytes(&mut out, text.as_bytes(), self.to),
                        None => out.append_null(),
                    }
                }
                Arc::new(out.finish())
            }
            _ => return Err(Error::bug(format!("no cast from {} to {}", self.from, self.to))),
        })
    }

    /// TRY_CAST of nested values: NULL for a value of which any part fails.
    fn whole_rows(&self) -> Result<ArrayRef> {
        let strict = |array: &ArrayRef| cast(array, self.from, self.to, false, self.zone);
        if let Ok(all) = strict(self.array) {
            return Ok(all);
        }
        let rows: Vec<ArrayRef> = (0..self.array.len())
            .map(|i| {
                // A slice still has the parts of the other rows: they are left behind.
                let row = arrow_select::concat::concat(&[&*self.array.slice(i, 1)]);
                row.map_err(crate::expr::arrow_bug)
                    .and_then(|row| strict(&row))
                    .unwrap_or_else(|_| new_null_array(&self.to.clone().null_allowed().arrow(), 1))
            })
            .collect();
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        arrow_select::concat::concat(&rows).map_err(crate::expr::arrow_bug)
    }

    fn nested(&self) -> Result<ArrayRef> {
        let (array, zone, try_cast) = (self.array, self.zone, self.try_cast);
        let wrong = || wrong_array(array, self.from);
        match (&self.from.kind, &self.to.kind) {
            (TypeKind::Array(a), TypeKind::Array(b)) => {
                let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
                let values = cast(list.values(), a, b, try_cast, zone)?;
                let nulls = list.nulls().cloned();
                Ok(Arc::new(ListArray::new(
                    element_field(b),
                    list.offsets().clone(),
                    values,
                    nulls,
                )))
            }
            (TypeKind::Map(k, v), TypeKind::Map(l, w)) => {
                let map = array.as_map_opt().ok_or_else(wrong)?;
                let keys = cast(map.keys(), k, l, try_cast, zone)?;
                let values = cast(map.values(), v, w, try_cast, zone)?;
                let offsets = map.offsets().clone();
                Ok(Arc::new(new_map(l, w, offsets, keys, values, map.nulls().cloned())))
            }
            (TypeKind::Multiset(a), TypeKind::Multiset(b)) => {
                let map = array.as_map_opt().ok_or_else(wrong)?;
                let keys = cast(map.keys(), a, b, try_cast, zone)?;
                let (offsets, count) = (map.offsets().clone(), SqlType::int().not_null());
                let values = map.values().clone();
                Ok(Arc::new(new_map(b, &count, offsets, keys, values, map.nulls().cloned())))
            }
            (TypeKind::Row(a), TypeKind::Row(b)) => {
                let rows = array.as_struct_opt().ok_or_else(wrong)?;
                let columns = rows
                    .columns()
                    .iter()
                    .zip(a.iter().zip(b))
                    .map(|(column, (x, y))| cast(column, &x.ty, &y.ty, try_cast, zone))
                    .collect::<Result<Vec<_>>>()?;
                if columns.is_empty() {
                    return Ok(array.clone());
                }
                Ok(Arc::new(StructArray::new(row_fields(b), columns, rows.nulls().cloned())))
            }
            _ => Err(Error::bug(format!("no cast from {} to {}", self.from, self.to))),
        }
    }
}

/// Units of a stored timestamp in one millisecond.
fn unit_per_ms(precision: u8) -> i64 {
    text::units_per_second(time_unit(precision)) / 1000
}

/// Digits of a second that the unit for this precision stores.
fn stored_digits(precision: u8) -> u8 {
    match precision {
        0..=3 => 3,
        4..=6 => 6,
        _ => 9,
    }
}

/// Sets the digits of a second behind `precision` to zero; `value` counts 10^-`digits` s.
pub(crate) fn truncate(value: i64, digits: u8, precision: u8) -> i64 {
    if precision >= digits {
        return value;
    }
    let unit = 10_i64.pow(u32::from(digits - precision));
    value - value.rem_euclid(unit)
}

/// How a text gets the length of its type.
struct Fit {
    most: usize,
    pad: bool,
}

impl Fit {
    fn of(ty: &SqlType) -> Fit {
        match ty.kind {
            TypeKind::Char(n) => Fit { most: n as usize, pad: true },
            TypeKind::Varchar(n) => Fit { most: n as usize, pad: false },
            _ => Fit { most: MAX_LENGTH as usize, pad: false },
        }
    }
    fn append(&self, out: &mut StringBuilder, text: &mut String) {
        // Bytes bound characters, so most texts need no count.
        if text.len() > self.most
            && let Some((end, _)) = text.char_indices().nth(self.most)
        {
            text.truncate(end);
        }
        if self.pad {
            for _ in text.chars().count()..self.most {
                text.push(' ');
            }
        }
        out.append_value(&*text);
    }
}

fn append_bytes(out: &mut BinaryBuilder, bytes: &[u8], ty: &SqlType) {
    match ty.kind {
        TypeKind::Binary(n) if bytes.len() < n as usize => {
            let mut padded = bytes.to_vec();
            padded.resize(n as usize, 0);
            out.append_value(padded);
        }
        TypeKind::Binary(n) | TypeKind::Varbinary(n) => {
            out.append_value(&bytes[..bytes.len().min(n as usize)]);
        }
        _ => out.append_value(bytes),
    }
}
