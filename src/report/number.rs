//! Decimal numbers that are rounded in the safe direction.
//!
//! The decimal is compared with the number as a real number: the f64 nearest to 0.1 lies above 0.1, so as an
//! upper bound it is 0.100001 with six digits, never 0.1.

use serde_json::value::RawValue;

/// `x` with the given number of significant digits, rounded up: the decimal is not below `x`. Infinity is
/// `inf`.
pub fn upper(x: f64, digits: usize) -> String {
    rounded(x, digits, Direction::Up)
}

/// `x` with the given number of significant digits, rounded down: the decimal is not above `x`.
pub fn lower(x: f64, digits: usize) -> String {
    rounded(x, digits, Direction::Down)
}

/// The shortest decimal, with a point or an exponent, that is not below `x` and reads back as `x`; for programs.
/// `None` where `x` is not finite.
pub fn upper_to_read_back(x: f64) -> Option<String> {
    x.is_finite().then(|| to_read_back(x, upper))
}

/// The same, not above `x`.
pub fn lower_to_read_back(x: f64) -> Option<String> {
    x.is_finite().then(|| to_read_back(x, lower))
}

/// [`upper_to_read_back`] as a number of a JSON document.
pub fn json_upper(x: f64) -> Option<Box<RawValue>> {
    RawValue::from_string(upper_to_read_back(x)?).ok()
}

/// [`lower_to_read_back`] as a number of a JSON document.
pub fn json_lower(x: f64) -> Option<Box<RawValue>> {
    RawValue::from_string(lower_to_read_back(x)?).ok()
}

/// The decimal with at most this number of significant digits that is nearest to every number from `lower`
/// to `upper`, and with how many digits it is; `None` where fewer than `least` digits agree.
pub fn agreed(lower: f64, upper: f64, least: usize, most: usize) -> Option<(String, usize)> {
    let nearest = |x: f64, digits: usize| format!("{x:.*e}", digits - 1);
    let agree = |digits: &usize| nearest(lower, *digits) == nearest(upper, *digits);
    let digits = (least..=most).rev().find(agree).filter(|_| upper.is_finite())?;
    Some((plain(&nearest(upper, digits)), digits))
}

/// `x` with the given number of significant digits, rounded to nearest: for numbers that are no bounds.
pub fn nearest(x: f64, digits: usize) -> String {
    if x.is_finite() && x != 0.0 {
        plain(&format!("{x:.*e}", digits.max(1) - 1))
    } else {
        upper(x, digits)
    }
}

/// Whether the number has at most so many significant digits.
pub fn is_short(x: f64, digits: usize) -> bool {
    upper(x, digits) == lower(x, digits)
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

/// Significant digits with which every decimal in a given direction reads back: neighbouring decimals are less
/// than half as far apart as neighbouring `f64`, because 10^17 > 2 * 2^53.
const ENOUGH: usize = 18;

fn to_read_back(x: f64, rounded: fn(f64, usize) -> String) -> String {
    let reads_back = |text: &String| text.parse() == Ok(x);
    let short = (1..ENOUGH).map(|digits| rounded(x, digits)).find(reads_back);
    let text = short.unwrap_or_else(|| rounded(x, ENOUGH));
    if text.contains(['.', 'e']) { text } else { format!("{text}.0") }
}

/// The significant digits that an `f64` has at most.
pub const ALL_DIGITS: usize = 767;

fn rounded(x: f64, digits: usize, direction: Direction) -> String {
    if !x.is_finite() {
        return if x > 0.0 { "inf".to_owned() } else { format!("{x}") };
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    // All digits, so that cutting them off is exact.
    let exact = format!("{:.*e}", ALL_DIGITS - 1, x);
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let (kept, rest) = mantissa.split_at(point + digits.max(1));
    let kept = format!("{}e{exponent}", kept.trim_end_matches('.'));
    let away = (direction == Direction::Up) == (x > 0.0);
    let cut = rest.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    plain(&if away && cut { enlarged(&kept) } else { kept })
}

/// The decimal number with its last digit moved by one away from zero.
fn enlarged(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let negative = mantissa.starts_with('-');
    let mut exponent: i32 = exponent.parse().unwrap_or(0);
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let mut place = digits.len();
    while place > 0 && digits[place - 1] == b'9' {
        digits[place - 1] = b'0';
        place -= 1;
    }
    if place > 0 {
        digits[place - 1] += 1;
    } else {
        digits.insert(0, b'1');
        digits.pop();
        exponent += 1;
    }
    let digits: String = digits.into_iter().map(char::from).collect();
    let (head, tail) = digits.split_at(1);
    let sign = if negative { "-" } else { "" };
    let point = if tail.is_empty() { "" } else { "." };
    format!("{sign}{head}{point}{tail}e{exponent}")
}

/// A number in scientific notation written out where that is short, without trailing zeros.
fn plain(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &str| -> String {
        if s.contains('.') {
            s.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            s.to_owned()
        }
    };
    if !(-5..7).contains(&exponent) {
        return format!("{}e{exponent}", trim(mantissa));
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = 1 + exponent;
    let text = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(-point as usize))
    } else if point as usize >= digits.len() {
        format!("{digits}{}", "0".repeat(point as usize - digits.len()))
    } else {
        let (whole, part) = digits.split_at(point as usize);
        format!("{whole}.{part}")
    };
    format!("{sign}{}", trim(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};

    use crate::numeric::exact;

    /// The exact value of a decimal.
    fn decimal(text: &str) -> RBig {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: RBig = format!("{whole}{part}").parse().expect("digits");
        let power = exponent.parse::<i32>().expect("an exponent") - part.len() as i32;
        let scale = RBig::from(dashu::integer::UBig::from(10u8).pow(power.unsigned_abs() as usize));
        if power < 0 { digits / scale } else { digits * scale }
    }

    #[test]
    fn numbers_are_short_and_safe() {
        assert_eq!(upper(1.75, 6), "1.75");
        assert_eq!(upper(1.000_000_1, 6), "1.00001");
        assert_eq!(lower(1.999_999_9, 6), "1.99999");
        assert_eq!(upper(9.999_999, 4), "10");
        assert_eq!(upper(8050.15162, 6), "8050.16");
        assert_eq!(upper(7.708_779_444e9, 6), "7.70878e9");
        assert_eq!(lower(0.000_123_456_78, 4), "0.0001234");
        assert_eq!(upper(f64::INFINITY, 6), "inf");
        assert_eq!(upper(0.0, 6), "0");
        assert_eq!(upper(123_456.0, 3), "124000");
        assert_eq!(upper(-1.999, 2), "-1.9");
        assert_eq!(lower(-1.91, 2), "-2");
    }

    #[test]
    fn a_decimal_is_compared_as_a_real_number() {
        // 0.1 as f64 is 0.1000000000000000055..., 0.3 is 0.29999999999999998889...
        assert_eq!((upper(0.1, 6), lower(0.1, 6)), ("0.100001".to_owned(), "0.1".to_owned()));
        assert_eq!((upper(0.3, 6), lower(0.3, 6)), ("0.3".to_owned(), "0.299999".to_owned()));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(upper_to_read_back(0.1), some("0.10000000000000001"));
        assert_eq!(lower_to_read_back(0.1), some("0.1"));
        assert_eq!(upper_to_read_back(2.5), some("2.5"));
        assert_eq!(upper_to_read_back(3.0), some("3.0"));
        assert_eq!(upper_to_read_back(f64::INFINITY), None);
    }

    #[test]
    fn digits_agree_over_a_whole_interval() {
        let of = |lower, upper| agreed(lower, upper, 6, 8);
        assert_eq!(of(5.25 - 1e-9, 5.25 + 1e-9), Some(("5.25".to_owned(), 8)));
        // 1.00000005 lies between them: with eight digits one end rounds down and the other up.
        assert_eq!(of(1.000_000_049, 1.000_000_051), Some(("1".to_owned(), 7)));
        assert_eq!(of(1.0, 1.01), None);
        assert_eq!(of(f64::MAX, f64::INFINITY), None);
    }

    proptest! {
        #[test]
        fn the_direction_is_kept(x in any::<f64>(), digits in 1usize..12) {
            prop_assume!(x.is_finite());
            let (up, down) = (decimal(&upper(x, digits)), decimal(&lower(x, digits)));
            prop_assert!(down <= exact(x) && exact(x) <= up);
            // One unit in the last place apart: at most 10^(1 - digits) of the number.
            let apart = if x < 0.0 { -exact(x) } else { exact(x) } * decimal(&format!("1e{}", 1 - digits as i32));
            prop_assert!(up - down <= apart);
        }

        #[test]
        fn what_reads_back_is_a_bound_too(x in any::<f64>()) {
            prop_assume!(x.is_finite());
            let of = |text: Option<String>| text.expect("a finite number");
            let (up, down) = (of(upper_to_read_back(x)), of(lower_to_read_back(x)));
            prop_assert_eq!((up.parse(), down.parse()), (Ok(x), Ok(x)));
            prop_assert!(decimal(&down) <= exact(x) && exact(x) <= decimal(&up));
        }
    }
}
