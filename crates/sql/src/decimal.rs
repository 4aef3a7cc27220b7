//! Exact decimal numbers as 128-bit integers with a scale beside them.
//!
//! Results that do not fit the precision of their type are NULL, as in Flink; rounding is
//! half up (away from zero). Products and quotients go through 256 bits when they must.

use arrow_buffer::i256;

/// 10 to the power of `n`, for `n` up to 38.
pub fn pow10(n: u8) -> i128 {
    10_i128.pow(u32::from(n.min(38)))
}

/// The number if it has at most `precision` digits.
pub fn checked(value: i128, precision: u8) -> Option<i128> {
    (value.unsigned_abs() < pow10(precision).unsigned_abs()).then_some(value)
}

/// The same number with another scale, rounded half up; `None` if it has too many digits.
///
/// ```
/// use millstream_sql::decimal::rescale;
/// assert_eq!(rescale(1_005, 3, 6, 2), Some(101)); // 1.005 as DECIMAL(6, 2)
/// assert_eq!(rescale(-1_005, 3, 6, 2), Some(-101));
/// assert_eq!(rescale(99_999, 0, 5, 1), None);
/// ```
pub fn rescale(value: i128, from_scale: u8, precision: u8, scale: u8) -> Option<i128> {
    let rescaled = if scale >= from_scale {
        value.checked_mul(pow10(scale - from_scale))?
    } else {
        divide_half_up(value, pow10(from_scale - scale))
    };
    checked(rescaled, precision)
}

fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() {
        quotient + if (value < 0) == (divisor < 0) { 1 } else { -1 }
    } else {
        quotient
    }
}

/// `a * b`, both as they are, with `scale` of `precision` digits after the point.
pub fn multiply(a: i128, b: i128, scale_sum: u8, precision: u8, scale: u8) -> Option<i128> {
    if let Some(product) = a.checked_mul(b) {
        return rescale(product, scale_sum, precision, scale);
    }
    let product = i256::from_i128(a).wrapping_mul(i256::from_i128(b));
    wide_rescale(product, scale_sum, precision, scale)
}

/// `a + b` (subtract by a negative `b`), with `scale` of `precision` digits.
pub fn add(a: i128, a_scale: u8, b: i128, b_scale: u8, precision: u8, scale: u8) -> Option<i128> {
    let common = a_scale.max(b_scale);
    let widen = |v: i128, s: u8| v.checked_mul(pow10(common - s));
    if let (Some(x), Some(y)) = (widen(a, a_scale), widen(b, b_scale))
        && let Some(sum) = x.checked_add(y)
    {
        return rescale(sum, common, precision, scale);
    }
    let sum = wide(a, common - a_scale)?.checked_add(wide(b, common - b_scale)?)?;
    wide_rescale(sum, common, precision, scale)
}

/// The remainder of `a / b` for `b` not 0, with the sign of `a`.
pub fn remainder(
    a: i128,
    a_scale: u8,
    b: i128,
    b_scale: u8,
    precision: u8,
    scale: u8,
) -> Option<i128> {
    let common = a_scale.max(b_scale);
    let rest =
        match (a.checked_mul(pow10(common - a_scale)), b.checked_mul(pow10(common - b_scale))) {
            (Some(x), Some(y)) => i256::from_i128(x.checked_rem(y)?),
            _ => wide(a, common - a_scale)?.checked_rem(wide(b, common - b_scale)?)?,
        };
    wide_rescale(rest, common, precision, scale)
}

/// `value` with `places` more digits behind the point.
fn wide(value: i128, places: u8) -> Option<i256> {
    i256::from_i128(value).checked_mul(wide_pow10(u32::from(places)))
}

fn wide_pow10(n: u32) -> i256 {
    let ten = i256::from_i128(10);
    (0..n).fold(i256::ONE, |power, _| power.wrapping_mul(ten))
}

fn wide_rescale(value: i256, from_scale: u8, precision: u8, scale: u8) -> Option<i128> {
    let value = if scale >= from_scale {
        value.checked_mul(wide_pow10(u32::from(scale - from_scale)))?
    } else {
        wide_divide_half_up(value, wide_pow10(u32::from(from_scale - scale)))?
    };
    checked(value.to_i128()?, precision)
}

fn wide_divide_half_up(value: i256, divisor: i256) -> Option<i256> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?.wrapping_abs();
    let room = divisor.wrapping_abs().wrapping_sub(rest);
    if rest >= room {
        let up = if value.is_negative() == divisor.is_negative() { 1 } else { -1 };
        Some(quotient.wrapping_add(i256::from_i128(up)))
    } else {
        Some(quotient)
    }
}

/// `a / b` for `b` not 0, rounded half up to `scale` of `precision` digits.
pub fn divide(
    a: i128,
    a_scale: u8,
    b: i128,
    b_scale: u8,
    precision: u8,
    scale: u8,
) -> Option<i128> {
    // a/10^s1 / (b/10^s2) * 10^scale  =  a * 10^(scale + s2 - s1) / b
    let shift = i32::from(scale) + i32::from(b_scale) - i32::from(a_scale);
    if (0..=38).contains(&shift)
        && let Some(scaled) = a.checked_mul(pow10(shift as u8))
    {
        return checked(divide_half_up(scaled, b), precision);
    }
    let (a, b) = (i256::from_i128(a), i256::from_i128(b));
    let quotient = if shift >= 0 {
        wide_divide_half_up(a.checked_mul(wide_pow10(shift as u32))?, b)?
    } else {
        wide_divide_half_up(a, b.checked_mul(wide_pow10(-shift as u32))?)?
    };
    checked(quotient.to_i128()?, precision)
}

/// Why a text is no DECIMAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDecimal {
    /// It is no number.
    Malformed,
    /// It has more digits than the type.
    Overflow,
}

/// Reads a number, with a sign, fraction and exponent if it has them.
///
/// # Errors
/// [`NotDecimal`]. Digits behind the scale are rounded, not refused.
pub fn parse(text: &str, precision: u8, scale: u8) -> Result<i128, NotDecimal> {
    use NotDecimal::*;
    let bytes = text.as_bytes();
    let (negative, bytes) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    };
    let (number, exponent) = match bytes.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => {
            let digits = std::str::from_utf8(&bytes[at + 1..]).map_err(|_| Malformed)?;
            let digits = digits.strip_prefix('+').unwrap_or(digits);
            let number = digits.parse::<i64>().map_err(|_| Malformed)?;
            (&bytes[..at], number)
        }
        None => (bytes, 0),
    };
    let point = number.iter().position(|b| *b == b'.').unwrap_or(number.len());
    let digits = || number.iter().filter(|b| **b != b'.');
    let dots = number.len() - digits().count();
    if dots > 1 || digits().count() == 0 || !digits().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    // The digit at index i (without the point) stands for 10^(point - 1 - i + exponent);
    // those down to 10^-scale are kept, the next one rounds.
    let keep = (point as i64).saturating_add(exponent).saturating_add(i64::from(scale));
    let mut value: i128 = 0;
    let mut significant = 0;
    let mut round_up = false;
    for (i, digit) in digits().enumerate() {
        let i = i as i64;
        let digit = i128::from(*digit - b'0');
        if i < keep {
            if significant > 0 || digit > 0 {
                significant += 1;
                if significant > 38 {
                    return Err(Overflow);
                }
            }
            value = value * 10 + digit;
        } else {
            round_up = i == keep && digit >= 5;
            break;
        }
    }
    let missing = keep - digits().count() as i64;
    if missing > 0 && value != 0 {
        let power = u8::try_from(missing).ok().filter(|n| *n <= 38).ok_or(Overflow)?;
        value = value.checked_mul(pow10(power)).ok_or(Overflow)?;
    }
    if round_up {
        value += 1;
    }
    checked(if negative { -value } else { value }, precision).ok_or(Overflow)
}

/// A floating number as a DECIMAL, by way of its shortest text as in Java.
pub fn from_f64(value: f64, precision: u8, scale: u8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    parse(&format!("{value:e}"), precision, scale).ok()
}

/// The nearest floating number.
pub fn to_f64(value: i128, scale: u8) -> f64 {
    // Both sides are exact below 2^53 and 10^22, so one division rounds once.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return value as f64 / pow10(scale) as f64;
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        assert_eq!(parse("12.345", 12, 3), Ok(12_345));
        assert_eq!(parse("-.5", 3, 0), Ok(-1));
        assert_eq!(parse("1e3", 6, 2), Ok(100_000));
        assert_eq!(parse("1.26E-1", 6, 2), Ok(13));
        assert_eq!(parse("0.004e99999999999", 6, 2), Err(NotDecimal::Overflow));
        assert_eq!(parse("1e-99999999999", 6, 2), Ok(0));
        assert_eq!(parse("1000", 3, 0), Err(NotDecimal::Overflow));
        for bad in ["", ".", "-", "1e", "1.2.3", "x", "1_0", "e5"] {
            assert_eq!(parse(bad, 6, 2), Err(NotDecimal::Malformed), "{bad}");
        }
        assert_eq!(from_f64(1e300, 38, 0), None);
        assert_eq!(from_f64(2.675, 5, 2), Some(268));
    }

    #[test]
    fn wide_products_and_quotients() {
        let most = pow10(38) - 1;
        assert_eq!(multiply(most, most, 0, 38, 0), None);
        assert_eq!(multiply(most, pow10(30), 30, 38, 0), Some(most));
        assert_eq!(divide(-1, 0, 3, 0, 38, 6), Some(-333_333));
        assert_eq!(divide(most, 0, 3, 0, 38, 6), None);
        assert_eq!(divide(12_345, 3, 3, 0, 23, 14), Some(411_500_000_000_000));
        assert_eq!(divide(-5, 3, 1, 2, 19, 8), Some(-50_000_000));
    }

    proptest! {
        #[test]
        fn both_widths_divide_alike(a in -1_000_000_i128..1_000_000, b in 1_i128..10_000) {
            let wide = wide_divide_half_up(i256::from_i128(a), i256::from_i128(b)).unwrap();
            prop_assert_eq!(wide.to_i128().unwrap(), divide_half_up(a, b));
            let exact = a as f64 / b as f64;
            prop_assert!((divide_half_up(a, b) as f64 - exact).abs() <= 0.5);
        }
    }
}
